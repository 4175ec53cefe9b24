//! Balls: a double-double centre and a radius that bounds its error.
//!
//! The centre carries about 32 digits, so the radius of a computed number stays
//! far below one unit in the last place of the double that is printed. Every
//! error is computed next to the operation that makes it; the proofs are in
//! `docs/theory/bounds.md`, section 2.

use std::cmp::Ordering;
use std::ops::Neg;
use std::sync::LazyLock;

use num_traits::{One, Signed, ToPrimitive, Zero};

use super::rounding::{add_down, add_up, error_is_exact, two_product, two_sum};
use super::{Field, Rational, Transcendental, operators};
use crate::linear::{Enclosed, Enclosure, Lu};

/// All reals within `radius` of `high + low`.
///
/// A result that overflows has a radius that is not finite: see
/// [`Ball::is_finite`].
///
/// ```
/// use pemdp::arithmetic::{Ball, Field, Transcendental};
/// let x = Ball::from_ratio(1, 3).exp().ln();
/// assert!((x - Ball::from_ratio(1, 3)).magnitude() < 1e-30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    high: f64,
    low: f64,
    radius: f64,
}

/// 2^-1060: above the sum of all underflow errors of one operation.
const UNDERFLOW: f64 = f64::MIN_POSITIVE / (1u64 << 38) as f64;

/// An upper bound of a sum of at most 16 products and quotients of nonnegative
/// doubles, from its value rounded to nearest. Never 0: terms may have
/// underflowed.
#[inline]
fn rounded_up(x: f64) -> f64 {
    x * (1.0 + 1.0 / (1u64 << 47) as f64) + UNDERFLOW
}

/// An upper bound of a sum of at most 16 nonnegative doubles, from its value
/// rounded to nearest: sums do not underflow, so 0 is 0.
#[inline]
fn sum_rounded_up(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { rounded_up(x) }
}

/// `2^exponent` for `|exponent| <= 1022`.
#[inline]
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(exponent)) as u64) << 52)
}

impl Ball {
    /// The ball that holds `x` alone.
    #[inline]
    pub const fn point(x: f64) -> Self {
        Self { high: x, low: 0.0, radius: 0.0 }
    }

    /// Nothing is known: the result of an undefined operation.
    const UNBOUNDED: Self = Self { high: 0.0, low: 0.0, radius: f64::INFINITY };

    /// The double nearest to the centre; 0 without a sign.
    #[inline]
    pub fn midpoint(&self) -> f64 {
        self.high + 0.0
    }

    /// A bound of the distance from [`Ball::midpoint`] to any member.
    #[inline]
    pub fn error_bound(&self) -> f64 {
        if self.low == 0.0 { self.radius } else { sum_rounded_up(self.low.abs() + self.radius) }
    }

    /// Whether the centre and the radius are finite.
    #[inline]
    pub fn is_finite(&self) -> bool {
        self.high.is_finite() && self.low.is_finite() && self.radius.is_finite()
    }

    /// A lower bound of every member.
    #[inline]
    pub fn lower(&self) -> f64 {
        let bound = add_down(self.high, add_down(self.low, -self.radius));
        if bound.is_nan() { f64::NEG_INFINITY } else { bound }
    }

    /// An upper bound of every member.
    #[inline]
    pub fn upper(&self) -> f64 {
        let bound = add_up(self.high, add_up(self.low, self.radius));
        if bound.is_nan() { f64::INFINITY } else { bound }
    }

    /// The smallest absolute value of a member, rounded down.
    #[inline]
    fn mignitude(&self) -> f64 {
        self.lower().max(-self.upper()).max(0.0)
    }

    /// The ball whose members lie between the two bounds.
    #[inline]
    fn between(lower: f64, upper: f64) -> Self {
        let middle = 0.5 * lower + 0.5 * upper;
        let radius = add_up(middle, -lower).max(add_up(upper, -middle));
        if middle.is_finite() { Self { high: middle, low: 0.0, radius } } else { Self::UNBOUNDED }
    }

    #[inline]
    fn is_exact_double(&self) -> bool {
        self.low == 0.0 && self.radius == 0.0
    }

    #[inline]
    fn plus(&self, other: &Self) -> Self {
        // Double-double addition; what its two roundings drop is summed exactly.
        let (sum, sum_error) = two_sum(self.high, other.high);
        let (low_sum, low_error) = two_sum(self.low, other.low);
        let (carry, dropped) = two_sum(sum_error, low_sum);
        let (middle, rest) = two_sum(sum, carry);
        let (tail, dropped_too) = two_sum(low_error, rest);
        let (high, low) = two_sum(middle, tail);
        let radius = sum_rounded_up(self.radius + other.radius + dropped.abs() + dropped_too.abs());
        Self { high, low, radius }
    }

    #[inline]
    fn times(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::zero();
        }
        let (product, error) = two_product(self.high, other.high);
        if self.is_exact_double() && other.is_exact_double() && error_is_exact(product) {
            return Self { high: product, low: error, radius: 0.0 };
        }
        let cross = self.high * other.low;
        let crosses = self.low.mul_add(other.high, cross);
        let tail = error + crosses;
        let (high, low) = two_sum(product, tail);
        // Each of the three roundings errs by at most 2^-53 of its result; the
        // product of the low parts is left out of the centre.
        let rounding = (cross.abs() + crosses.abs() + tail.abs()) * (f64::EPSILON / 2.0);
        let spread = if self.radius == 0.0 && other.radius == 0.0 {
            0.0
        } else {
            self.centre_size() * other.radius + other.centre_size() * self.radius + self.radius * other.radius
        };
        let radius = rounded_up(rounding + (self.low * other.low).abs() + spread);
        Self { high, low, radius }
    }

    /// `|high| + |low|`, rounded to nearest: for use inside [`rounded_up`].
    #[inline]
    fn centre_size(&self) -> f64 {
        self.high.abs() + self.low.abs()
    }

    #[inline]
    fn over(&self, other: &Self) -> Self {
        let divisor = other.mignitude();
        if divisor == 0.0 || !divisor.is_finite() {
            return Self::UNBOUNDED;
        }
        if self.is_zero() {
            return Self::zero();
        }
        // Two quotient digits, then the residual x - q y over all members says
        // how far x / y can be from q.
        let first = self.high / other.high;
        let remainder = *self - other.times(&Self::point(first));
        let second = remainder.high / other.high;
        let (high, low) = two_sum(first, second);
        let quotient = Self { high, low, radius: 0.0 };
        let residual = (*self - quotient.times(other)).magnitude();
        // No residual: the quotient is exact. The quotient of a residual may underflow.
        let radius = if residual == 0.0 { 0.0 } else { rounded_up(residual / divisor) };
        Self { high, low, radius }
    }

    #[inline]
    fn minus(&self, other: &Self) -> Self {
        self.plus(&-*other)
    }

    /// `self 2^exponent`; exact but for underflow.
    #[inline]
    fn scaled(&self, exponent: i32) -> Self {
        let half = exponent / 2;
        let (a, b) = (power_of_two(half), power_of_two(exponent - half));
        let scale = |x: f64| x * a * b;
        let scaled = Self { high: scale(self.high), low: scale(self.low), radius: scale(self.radius) };
        let exact = exponent >= 0 || self.is_exact_double() && error_is_exact(scaled.high);
        if exact { scaled } else { Self { radius: rounded_up(scaled.radius), ..scaled } }
    }

    /// The exponential of the centre.
    #[inline]
    fn exp_of_centre(&self) -> Self {
        let centre = Self { radius: 0.0, ..*self };
        if centre.is_zero() {
            return Self::one();
        }
        if self.high > 709.7 {
            return Self::UNBOUNDED;
        }
        if self.high < -745.2 {
            // e^-745.2 < 2^-1075
            return Self { high: 0.0, low: 0.0, radius: UNDERFLOW };
        }
        let twos = (self.high / std::f64::consts::LN_2).round();
        let reduced = (centre - LN_2.times(&Self::point(twos))).scaled(-HALVINGS);
        // e^x - 1 by its Taylor polynomial of degree TERMS.
        let mut sum = Self::zero();
        for coefficient in TAYLOR.iter().rev() {
            sum = (sum + coefficient).times(&reduced);
        }
        // |remainder| <= |x|^(n+1)/(n+1)! e^|x| <= |x|^(n+1) for |x| <= 1/64.
        let mut remainder = 2.0;
        for _ in 0..=TERMS {
            remainder = rounded_up(remainder * reduced.magnitude());
        }
        let mut minus_one = sum.widened(rounded_up(remainder * TAYLOR_LAST));
        for _ in 0..HALVINGS {
            // (1 + y)^2 - 1 = y (2 + y)
            minus_one = minus_one.times(&(minus_one + Self::point(2.0)));
        }
        (minus_one + Self::one()).scaled(twos as i32)
    }

    /// The logarithm of the centre, which is positive.
    #[inline]
    fn ln_of_centre(&self) -> Self {
        let mut centre = Self { radius: 0.0, ..*self };
        let mut twos = 0;
        if centre.high < 1e-280 {
            centre = centre.scaled(200);
            twos -= 200;
            if centre.high < 1e-280 {
                return Self::UNBOUNDED; // below 1e-340: not a double
            }
        }
        let exponent = ((centre.high.to_bits() >> 52) & 0x7ff) as i32 - 1023;
        if !(-1..=0).contains(&exponent) {
            // Not near 1: bring the centre into [1, 2).
            centre = centre.scaled(-exponent);
            twos += exponent;
        }
        // ln x = y + ln(1 + z) with z = x e^-y - 1, tiny for y near ln x.
        let start = Self::point(centre.high.ln());
        let z = centre.times(&(-start).exp_of_centre()) - Self::one();
        let size = z.magnitude();
        if size.is_nan() || size > 1e-10 {
            return Self::UNBOUNDED;
        }
        let square = z.times(&z);
        let third = Self::from_ratio(1, 3);
        let series = z - square.times(&Self::point(0.5)) + square.times(&z).times(&third);
        // The rest of the series is at most z^4/4/(1 - |z|) <= z^4.
        let rest = rounded_up(size * size * size * size);
        (start + series.widened(rest)) + LN_2.times(&Self::from_integer(i64::from(twos)))
    }
}

/// Degree of the polynomial for `e^x - 1` on `|x| <= ln 2 / 2^(HALVINGS + 1)`.
const TERMS: usize = 12;
/// How often the argument of `exp` is halved, and the result squared.
const HALVINGS: i32 = 5;
/// An upper bound of 1/(TERMS + 1)!
const TAYLOR_LAST: f64 = 1.7e-10;

/// `1/1!, 1/2!, ..., 1/TERMS!`
static TAYLOR: LazyLock<[Ball; TERMS]> = LazyLock::new(|| {
    let mut factorial = 1;
    std::array::from_fn(|k| {
        factorial *= k as i64 + 1;
        Ball::from_ratio(1, factorial)
    })
});

/// ln 2 to 49 digits: the third part of its expansion is 5.7077e-34.
const LN_2: Ball = Ball { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17, radius: 5.71e-34 };

operators!(Ball);

impl Neg for Ball {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low, radius: self.radius }
    }
}

impl Zero for Ball {
    #[inline]
    fn zero() -> Self {
        Self::point(0.0)
    }
    #[inline]
    fn is_zero(&self) -> bool {
        self.high == 0.0 && self.is_exact_double()
    }
}

impl One for Ball {
    #[inline]
    fn one() -> Self {
        Self::point(1.0)
    }
}

impl Field for Ball {
    const ROW_SUM_TOLERANCE: f64 = 1e-9;
    const UNKNOWN_ERROR: f64 = 0.0;
    type Factorisation = Enclosed<Self>;

    #[inline]
    fn from_f64(x: f64) -> Self {
        Self::point(x)
    }

    fn from_rational(q: &Rational) -> Self {
        let part = |q: &Rational| q.to_f64().unwrap_or(f64::NAN);
        let high = part(q);
        let Some(exact_high) = Rational::from_float(high) else { return Self::UNBOUNDED };
        let rest = q - exact_high;
        let low = part(&rest);
        let Some(exact_low) = Rational::from_float(low) else { return Self::UNBOUNDED };
        let error = (rest - exact_low).abs();
        let radius = if error.is_zero() { 0.0 } else { part(&error).next_up() };
        Self { high, low, radius }
    }

    #[inline]
    fn from_integer(n: i64) -> Self {
        // Two halves, each of which is a double.
        let high = (n >> 32) as f64 * 4_294_967_296.0;
        let low = (n & 0xffff_ffff) as f64;
        let (high, low) = two_sum(high, low);
        Self { high, low, radius: 0.0 }
    }

    #[inline]
    fn approximate(&self) -> f64 {
        self.high
    }

    #[inline]
    fn sign(&self) -> Option<Ordering> {
        if self.lower() > 0.0 {
            Some(Ordering::Greater)
        } else if self.upper() < 0.0 {
            Some(Ordering::Less)
        } else if self.is_zero() {
            Some(Ordering::Equal)
        } else {
            None
        }
    }

    #[inline]
    fn widened(self, slack: f64) -> Self {
        if slack == 0.0 { self } else { Self { radius: rounded_up(self.radius + slack), ..self } }
    }

    #[inline]
    fn magnitude(&self) -> f64 {
        self.upper().max(-self.lower())
    }
}

impl Transcendental for Ball {
    fn exp(&self) -> Self {
        if self.radius > 1.0 {
            let lower = Self::point(self.lower()).exp_of_centre().lower().max(0.0);
            return Self::between(lower, Self::point(self.upper()).exp_of_centre().upper());
        }
        let centre = self.exp_of_centre();
        if self.radius == 0.0 {
            return centre;
        }
        // e^r - 1 <= r + r^2 for 0 <= r <= 1.
        let spread = rounded_up(self.radius + self.radius * self.radius);
        centre.widened(rounded_up(centre.magnitude() * spread))
    }

    fn ln(&self) -> Self {
        let lower = self.lower();
        if lower.is_nan() || lower <= 0.0 {
            return Self::UNBOUNDED;
        }
        let centre = self.ln_of_centre();
        // |ln x - ln c| <= |x - c| / min(x, c); the quotient may underflow.
        if self.radius == 0.0 { centre } else { centre.widened(rounded_up(self.radius / lower)) }
    }
}

impl Enclosure for Ball {
    type Size = f64;
    type Approximate = Lu;

    #[inline]
    fn centre(&self) -> Self {
        Self { radius: 0.0, ..*self }
    }

    #[inline]
    fn size(&self) -> f64 {
        self.magnitude()
    }

    #[inline]
    fn least(&self) -> f64 {
        self.lower().max(0.0)
    }

    #[inline]
    fn widened_by(self, slack: f64) -> Self {
        self.widened(slack)
    }
}

#[cfg(test)]
mod tests;
