//! The number systems on which every formula of this crate runs.
//!
//! A formula asks for the least it needs. Everything after the probabilities
//! exist needs only a [`Field`]; softmax policies, exponential families and
//! entropy also need [`Transcendental`].
//!
//! | type | numbers | what it is for |
//! |---|---|---|
//! | `f64` | doubles | speed: algorithms and searches |
//! | [`Rational`] | exact fractions | deciding identities by equality |
//! | [`Interval`] | \[lower, upper\], outward rounded doubles | ranges: whole boxes of parameters |
//! | [`Ball`] | double-double centre and radius | a point with a proven error bound near 1e-30 |
//! | [`BigBall`] | a centre of any number of digits and a radius | what a [`Ball`] leaves undecided |
//! | [`Dual`] | value and derivative over any of these | forward derivatives: an independent check of the gradient, and products with the Hessian |
//!
//! The proofs of all bounds are in `docs/theory/bounds.md`.

mod ball;
mod big_ball;
mod double;
mod dual;
pub(crate) mod euclid;
mod fraction;
mod interval;
mod magnitude;
pub(crate) mod rational;
pub mod rounding;

use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use num_traits::{One, Zero};

pub use ball::Ball;
pub use big_ball::BigBall;
pub use dual::Dual;
pub(crate) use fraction::Fraction;
pub use interval::Interval;
/// Exact fractions of unbounded integers.
pub use num_rational::BigRational as Rational;

use crate::linear::Factorisation;

/// The fraction `n / d`; `d` is not 0.
///
/// ```
/// use pemdp::arithmetic::ratio;
/// assert_eq!(ratio(6, -4).to_string(), "-3/2");
/// ```
pub fn ratio(n: i64, d: i64) -> Rational {
    Rational::from_ratio(n, d)
}

/// A number system with the four operations, decidable signs where they are
/// decidable, and a way to solve `(I - gamma P) x = b`.
///
/// An element of an enclosing arithmetic ([`Interval`], [`Ball`]) stands for a
/// set of real numbers; each operation returns a set that contains every result
/// for every choice of members.
pub trait Field:
    Clone
    + Debug
    + PartialEq
    + Send
    + Sync
    + 'static
    + Zero
    + One
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + for<'a> Add<&'a Self, Output = Self>
    + for<'a> Sub<&'a Self, Output = Self>
    + for<'a> Mul<&'a Self, Output = Self>
    + for<'a> Div<&'a Self, Output = Self>
    + AddAssign
    + SubAssign
    + for<'a> AddAssign<&'a Self>
    + for<'a> SubAssign<&'a Self>
{
    /// How far a row of probabilities may be from 1 and still count as one:
    /// 1e-9 where numbers came from doubles, 0 where they are exact.
    const ROW_SUM_TOLERANCE: f64;

    /// How far a computed number may be off where the arithmetic does not keep
    /// track of that itself: 1e-12 for doubles, 0 for exact and enclosing
    /// arithmetics. Differences below it count as ties.
    const UNKNOWN_ERROR: f64;

    /// What is kept of `I - gamma P` to solve with it and its transpose.
    type Factorisation: Factorisation<Self>;

    /// The element that is exactly the double `x`.
    ///
    /// # Panics
    /// [`Rational`] has no element for infinities and NaN.
    fn from_f64(x: f64) -> Self;

    /// The element for the fraction `q`: exact where it can be, else nearest
    /// (doubles) or enclosing ([`Interval`], [`Ball`]).
    fn from_rational(q: &Rational) -> Self;

    /// A double near the element (its midpoint where it is a set). For choosing
    /// pivots and maximisers and for display; never part of a bound.
    fn approximate(&self) -> f64;

    /// The sign where it is decided: `None` where the element is a set with
    /// members of different signs, or not a number.
    fn sign(&self) -> Option<Ordering>;

    /// An element that also contains everything within `slack >= 0` of this
    /// one. Arithmetics without width return the element itself.
    fn widened(self, slack: f64) -> Self;

    /// An upper bound of the absolute value of every member, as a double.
    fn magnitude(&self) -> f64;

    /// `n` as an element.
    fn from_integer(n: i64) -> Self {
        Self::from_rational(&Rational::from_integer(n.into()))
    }

    /// `numerator / denominator` as an element; the denominator is not 0.
    fn from_ratio(numerator: i64, denominator: i64) -> Self {
        Self::from_integer(numerator) / Self::from_integer(denominator)
    }

    /// `sum x y` over pairs `(x, y)`.
    fn sum_of_products<'a>(pairs: impl Iterator<Item = (&'a Self, &'a Self)>) -> Self {
        pairs.fold(Self::zero(), |sum, (x, y)| sum + x.clone() * y)
    }

    /// `self` to an integer power; negative powers divide.
    fn power(&self, exponent: i64) -> Self {
        let magnitude = num_traits::pow(self.clone(), exponent.unsigned_abs() as usize);
        if exponent < 0 { Self::one() / magnitude } else { magnitude }
    }

    /// Whether every member is positive.
    fn certainly_positive(&self) -> bool {
        self.sign() == Some(Ordering::Greater)
    }

    /// Whether every member is negative.
    fn certainly_negative(&self) -> bool {
        self.sign() == Some(Ordering::Less)
    }
}

/// A [`Field`] with exponentials and logarithms.
pub trait Transcendental: Field {
    /// `e^self`. May underflow to 0; a set keeps the true value inside.
    fn exp(&self) -> Self;

    /// The natural logarithm of a positive element. A set that reaches 0 or
    /// below gives an element that is not finite.
    fn ln(&self) -> Self;

    /// The square root of a positive element, `e^(ln(self)/2)` unless the arithmetic has its own.
    fn sqrt(&self) -> Self {
        (self.ln() / Self::from_integer(2)).exp()
    }
}

/// The operators of a type that implements them on references, by value and in
/// place, from one `fn(&Self, &Self) -> Self` each.
macro_rules! operators {
    ($type:ty $(, $parameter:ident : $bound:path)?) => {
        operators!(@one $type, Add, add, AddAssign, add_assign, plus $(, $parameter: $bound)?);
        operators!(@one $type, Sub, sub, SubAssign, sub_assign, minus $(, $parameter: $bound)?);
        operators!(@one $type, Mul, mul, MulAssign, mul_assign, times $(, $parameter: $bound)?);
        operators!(@one $type, Div, div, DivAssign, div_assign, over $(, $parameter: $bound)?);
    };
    (@one $type:ty, $trait:ident, $method:ident, $assign:ident, $assign_method:ident, $by:ident
        $(, $parameter:ident : $bound:path)?) => {
        impl$(<$parameter: $bound>)? std::ops::$trait for $type {
            type Output = Self;
            #[inline]
            fn $method(self, other: Self) -> Self { self.$by(&other) }
        }
        impl<'a, $($parameter: $bound)?> std::ops::$trait<&'a $type> for $type {
            type Output = Self;
            #[inline]
            fn $method(self, other: &'a Self) -> Self { self.$by(other) }
        }
        impl$(<$parameter: $bound>)? std::ops::$assign for $type {
            #[inline]
            fn $assign_method(&mut self, other: Self) { *self = self.$by(&other); }
        }
        impl<'a, $($parameter: $bound)?> std::ops::$assign<&'a $type> for $type {
            #[inline]
            fn $assign_method(&mut self, other: &'a Self) { *self = self.$by(other); }
        }
    };
}
pub(crate) use operators;
