//! Dual numbers: a value and a derivative, over any arithmetic.

use std::cmp::Ordering;
use std::ops::Neg;

use num_traits::{One, Zero};

use super::{Field, Rational, Transcendental, operators};
use crate::linear::DualFactorisation;

/// `value + derivative * epsilon` with `epsilon^2 = 0`: carries the derivative
/// in one direction through any formula. `Dual<Dual<f64>>` carries second
/// derivatives.
///
/// ```
/// use pemdp::arithmetic::{Dual, Transcendental};
/// let x = Dual::variable(2.0);
/// let y = (x * x).ln();
/// assert_eq!(y.value, 4f64.ln());
/// assert_eq!(y.derivative, 1.0); // d log(x^2) = 2/x
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<T> {
    /// The number itself.
    pub value: T,
    /// Its derivative in the chosen direction.
    pub derivative: T,
}

impl<T: Field> Dual<T> {
    /// A number with the given derivative.
    pub fn new(value: T, derivative: T) -> Self {
        Self { value, derivative }
    }

    /// A number that does not depend on the direction.
    pub fn constant(value: T) -> Self {
        Self { value, derivative: T::zero() }
    }

    /// The variable of differentiation itself: derivative 1.
    pub fn variable(value: T) -> Self {
        Self { value, derivative: T::one() }
    }

    /// Numbers with a derivative each.
    pub fn all(values: &[T], derivatives: &[T]) -> Vec<Self> {
        values.iter().zip(derivatives).map(|(x, v)| Self::new(x.clone(), v.clone())).collect()
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            value: self.value.clone() + &other.value,
            derivative: self.derivative.clone() + &other.derivative,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            value: self.value.clone() - &other.value,
            derivative: self.derivative.clone() - &other.derivative,
        }
    }

    fn times(&self, other: &Self) -> Self {
        Self {
            value: self.value.clone() * &other.value,
            derivative: self.derivative.clone() * &other.value + self.value.clone() * &other.derivative,
        }
    }

    fn over(&self, other: &Self) -> Self {
        let value = self.value.clone() / &other.value;
        let derivative = (self.derivative.clone() - value.clone() * &other.derivative) / &other.value;
        Self { value, derivative }
    }
}

operators!(Dual<T>, T: Field);

impl<T: Field> Neg for Dual<T> {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl<T: Field> Zero for Dual<T> {
    fn zero() -> Self {
        Self::constant(T::zero())
    }
    fn is_zero(&self) -> bool {
        self.value.is_zero() && self.derivative.is_zero()
    }
}

impl<T: Field> One for Dual<T> {
    fn one() -> Self {
        Self::constant(T::one())
    }
}

impl<T: Field> Field for Dual<T> {
    const ROW_SUM_TOLERANCE: f64 = T::ROW_SUM_TOLERANCE;
    const UNKNOWN_ERROR: f64 = T::UNKNOWN_ERROR;
    type Factorisation = DualFactorisation<T>;

    fn from_f64(x: f64) -> Self {
        Self::constant(T::from_f64(x))
    }

    fn from_rational(q: &Rational) -> Self {
        Self::constant(T::from_rational(q))
    }

    fn approximate(&self) -> f64 {
        self.value.approximate()
    }

    /// The sign of the value; a number whose value is 0 counts as 0 whatever
    /// its derivative.
    fn sign(&self) -> Option<Ordering> {
        self.value.sign()
    }

    fn widened(self, slack: f64) -> Self {
        Self { value: self.value.widened(slack), derivative: self.derivative }
    }

    fn magnitude(&self) -> f64 {
        self.value.magnitude()
    }
}

impl<T: Transcendental> Transcendental for Dual<T> {
    fn exp(&self) -> Self {
        let value = self.value.exp();
        Self { derivative: self.derivative.clone() * &value, value }
    }

    fn ln(&self) -> Self {
        Self { value: self.value.ln(), derivative: self.derivative.clone() / &self.value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_follow_the_rules() {
        let (x, y) = (Dual { value: 0.5, derivative: 2.0 }, Dual { value: 4.0, derivative: -1.0 });
        let parts = |z: Dual<f64>| (z.value, z.derivative);
        assert_eq!((parts(-x), parts(x + y), parts(x - y)), ((-0.5, -2.0), (4.5, 1.0), (-3.5, 3.0)));
        assert_eq!((parts(x * y), parts(x / y)), ((2.0, 7.5), (0.125, 0.53125)));
        assert_eq!((parts(y.ln()).1, parts(x.exp())), (-0.25, (0.5f64.exp(), 2.0 * 0.5f64.exp())));
        assert_eq!((y.magnitude(), (-y).magnitude(), (-y).sign()), (4.0, 4.0, Some(Ordering::Less)));
    }
}
