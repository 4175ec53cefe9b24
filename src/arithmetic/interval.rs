//! Intervals with outward-rounded double endpoints.

use std::cmp::Ordering;
use std::ops::Neg;

use num_traits::{One, Signed, ToPrimitive, Zero};

use super::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up};
use super::{Ball, Field, Rational, Transcendental, operators};
use crate::linear::{Enclosed, Enclosure, Lu};

/// All reals from `lower` to `upper`.
///
/// Every operation contains all results over all members. A result that is not
/// bounded (division by an interval that contains 0, logarithm at 0) has
/// infinite endpoints.
///
/// ```
/// use pemdp::arithmetic::{Field, Interval};
/// let third = Interval::from_ratio(1, 3);
/// assert!(third.lower() < third.upper());
/// assert!((third * Interval::from_integer(3)).contains(1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    lower: f64,
    upper: f64,
}

impl Interval {
    /// The interval from `lower` to `upper`; `None` unless `lower <= upper`.
    #[inline]
    pub fn new(lower: f64, upper: f64) -> Option<Self> {
        (lower <= upper).then_some(Self { lower, upper })
    }

    /// The interval that holds `x` alone.
    #[inline]
    pub const fn point(x: f64) -> Self {
        Self { lower: x, upper: x }
    }

    /// All reals.
    pub const ENTIRE: Self = Self { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    /// The lower end.
    #[inline]
    pub fn lower(&self) -> f64 {
        self.lower
    }

    /// The upper end.
    #[inline]
    pub fn upper(&self) -> f64 {
        self.upper
    }

    /// Whether `x` is a member.
    #[inline]
    pub fn contains(&self, x: f64) -> bool {
        self.lower <= x && x <= self.upper
    }

    /// An upper bound of `upper - lower`.
    #[inline]
    pub fn width(&self) -> f64 {
        add_up(self.upper, -self.lower)
    }

    /// From possibly unordered or undefined bounds: undefined ones are infinite.
    #[inline]
    fn from_bounds(lower: f64, upper: f64) -> Self {
        if lower <= upper { Self { lower, upper } } else { Self::ENTIRE }
    }

    #[inline]
    fn plus(&self, other: &Self) -> Self {
        Self::from_bounds(add_down(self.lower, other.lower), add_up(self.upper, other.upper))
    }

    #[inline]
    fn minus(&self, other: &Self) -> Self {
        Self::from_bounds(add_down(self.lower, -other.upper), add_up(self.upper, -other.lower))
    }

    #[inline]
    fn times(&self, other: &Self) -> Self {
        let (a, b, c, d) = (self.lower, self.upper, other.lower, other.upper);
        if a >= 0.0 && c >= 0.0 {
            return Self::from_bounds(mul_down(a, c), mul_up(b, d));
        }
        let pairs = [(a, c), (a, d), (b, c), (b, d)];
        let lower = pairs.iter().map(|&(x, y)| mul_down(x, y)).fold(f64::INFINITY, f64::min);
        let upper = pairs.iter().map(|&(x, y)| mul_up(x, y)).fold(f64::NEG_INFINITY, f64::max);
        Self::from_bounds(lower, upper)
    }

    #[inline]
    fn over(&self, other: &Self) -> Self {
        if other.lower <= 0.0 && other.upper >= 0.0 {
            return Self::ENTIRE;
        }
        let (a, b, c, d) = (self.lower, self.upper, other.lower, other.upper);
        let pairs = [(a, c), (a, d), (b, c), (b, d)];
        let lower = pairs.iter().map(|&(x, y)| div_down(x, y)).fold(f64::INFINITY, f64::min);
        let upper = pairs.iter().map(|&(x, y)| div_up(x, y)).fold(f64::NEG_INFINITY, f64::max);
        Self::from_bounds(lower, upper)
    }
}

operators!(Interval);

impl Neg for Interval {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self { lower: -self.upper, upper: -self.lower }
    }
}

impl Zero for Interval {
    #[inline]
    fn zero() -> Self {
        Self::point(0.0)
    }
    #[inline]
    fn is_zero(&self) -> bool {
        self.lower == 0.0 && self.upper == 0.0
    }
}

impl One for Interval {
    #[inline]
    fn one() -> Self {
        Self::point(1.0)
    }
}

impl Field for Interval {
    const ROW_SUM_TOLERANCE: f64 = 1e-9;
    const UNKNOWN_ERROR: f64 = 0.0;
    type Factorisation = Enclosed<Self>;

    #[inline]
    fn from_f64(x: f64) -> Self {
        Self::point(x)
    }

    fn from_rational(q: &Rational) -> Self {
        let near = q.to_f64().unwrap_or(f64::NAN);
        match Rational::from_float(near) {
            Some(exact) if exact == *q => Self::point(near),
            // Rounding is to nearest, so the truth lies within one step, on its own
            // side of 0.
            Some(_) if q.is_positive() => Self { lower: near.next_down().max(0.0), upper: near.next_up() },
            Some(_) => Self { lower: near.next_down(), upper: near.next_up().min(0.0) },
            None if q.is_positive() => Self { lower: f64::MAX, upper: f64::INFINITY },
            None => Self { lower: f64::NEG_INFINITY, upper: f64::MIN },
        }
    }

    #[inline]
    fn approximate(&self) -> f64 {
        if self.lower == self.upper { self.lower } else { 0.5 * self.lower + 0.5 * self.upper }
    }

    #[inline]
    fn sign(&self) -> Option<Ordering> {
        if self.lower > 0.0 {
            Some(Ordering::Greater)
        } else if self.upper < 0.0 {
            Some(Ordering::Less)
        } else if self.is_zero() {
            Some(Ordering::Equal)
        } else {
            None
        }
    }

    #[inline]
    fn widened(self, slack: f64) -> Self {
        Self::from_bounds(add_down(self.lower, -slack), add_up(self.upper, slack))
    }

    #[inline]
    fn magnitude(&self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }
}

impl Transcendental for Interval {
    fn exp(&self) -> Self {
        let lower = Ball::point(self.lower).exp().lower().max(0.0);
        Self::from_bounds(lower, Ball::point(self.upper).exp().upper())
    }

    fn ln(&self) -> Self {
        if self.lower < 0.0 || self.upper <= 0.0 {
            return Self::ENTIRE;
        }
        let lower = if self.lower == 0.0 { f64::NEG_INFINITY } else { Ball::point(self.lower).ln().lower() };
        Self::from_bounds(lower, Ball::point(self.upper).ln().upper())
    }
}

impl Enclosure for Interval {
    type Size = f64;
    type Approximate = Lu;

    #[inline]
    fn centre(&self) -> Self {
        Self::point(self.approximate())
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
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// A moderate interval and a member of it, from any three doubles.
    fn interval(a: f64, b: f64, t: f64) -> Option<(Interval, f64)> {
        if !(a.abs() < 1e150 && b.abs() < 1e150 && t.is_finite()) {
            return None;
        }
        let (lower, upper) = (a.min(b), a.max(b));
        let t = t.abs().fract();
        Some((Interval::new(lower, upper)?, (lower + t * (upper - lower)).clamp(lower, upper)))
    }

    fn encloses(set: Interval, truth: &Rational) -> bool {
        let at_least = |x: f64| x == f64::NEG_INFINITY || Rational::from_f64(x) <= *truth;
        let at_most = |x: f64| x == f64::INFINITY || Rational::from_f64(x) >= *truth;
        at_least(set.lower) && at_most(set.upper)
    }

    quickcheck! {
        fn operations_include_the_results_of_members(
            a: (f64, f64, f64), b: (f64, f64, f64)
        ) -> bool {
            let (Some((x, p)), Some((y, q))) = (interval(a.0, a.1, a.2), interval(b.0, b.1, b.2))
            else { return true };
            let (p, q) = (Rational::from_f64(p), Rational::from_f64(q));
            encloses(x + y, &(&p + &q))
                && encloses(x - y, &(&p - &q))
                && encloses(x * y, &(&p * &q))
                && (q.is_zero() || encloses(x / y, &(&p / &q)))
                && encloses(-x, &-p)
        }

        fn multiplication_is_subdistributive(a: (f64, f64, f64), b: (f64, f64, f64), c: (f64, f64, f64)) -> bool {
            let (Some((x, _)), Some((y, _)), Some((z, _))) =
                (interval(a.0, a.1, a.2), interval(b.0, b.1, b.2), interval(c.0, c.1, c.2))
            else { return true };
            // x (y + z) and x y + x z share every x*(m + n): they cannot be disjoint.
            let (left, right) = (x * (y + z), x * y + x * z);
            left.lower() <= right.upper() && right.lower() <= left.upper()
        }

        fn exponential_and_logarithm_are_inverse_inclusions(a: f64) -> bool {
            if a.is_nan() || a.abs() >= 700.0 { return true; }
            Interval::point(a).exp().ln().contains(a)
        }
    }

    #[test]
    fn division_by_an_interval_with_zero_is_unbounded() {
        let x = Interval::new(-1.0, 1.0).unwrap();
        assert_eq!(Interval::one() / x, Interval::ENTIRE);
        assert_eq!(x.ln(), Interval::ENTIRE);
        assert_eq!(Interval::new(1.0, 0.0), None);
        assert_eq!(Interval::new(f64::NAN, 0.0), None);
    }

    #[test]
    fn signs_are_given_only_where_decided() {
        assert_eq!(Interval::new(-1.0, 1.0).unwrap().sign(), None);
        assert_eq!(Interval::new(0.0, 1.0).unwrap().sign(), None);
        assert_eq!(Interval::point(0.0).sign(), Some(Ordering::Equal));
        assert_eq!(Interval::new(1.0, 2.0).unwrap().sign(), Some(Ordering::Greater));
        assert_eq!(Interval::new(-2.0, -1.0).unwrap().sign(), Some(Ordering::Less));
    }

    #[test]
    fn fractions_lie_between_neighbouring_doubles() {
        let ends = |n: i64, d: &str| {
            let d: num_bigint::BigInt = d.parse().unwrap();
            let x = Interval::from_rational(&Rational::new(n.into(), d));
            (x.lower, x.upper)
        };
        assert_eq!(ends(1, "3"), ((1.0 / 3f64).next_down(), (1.0 / 3f64).next_up()));
        assert_eq!(ends(-1, "3"), ((-1.0 / 3f64).next_down(), (-1.0 / 3f64).next_up()));
        assert_eq!((ends(3, "4"), ends(-3, "4")), ((0.75, 0.75), (-0.75, -0.75)));
        let long = format!("1{}", "0".repeat(400));
        assert_eq!((ends(1, &long), ends(-1, &long)), ((0.0, 5e-324), (-5e-324, 0.0)));
        let huge = Rational::from_integer(long.parse().unwrap());
        let (positive, negative) = (Interval::from_rational(&huge), Interval::from_rational(&-huge));
        assert_eq!(positive, Interval { lower: f64::MAX, upper: f64::INFINITY });
        assert_eq!(negative, Interval { lower: f64::NEG_INFINITY, upper: f64::MIN });
    }

    #[test]
    fn logarithms_are_tight() {
        let ln = Interval::new(1.0, 2.0).unwrap().ln();
        assert!(ln.lower <= 0.0 && ln.lower > -1e-300, "{ln:?}");
        assert!(ln.upper.next_down() <= std::f64::consts::LN_2 && ln.upper >= std::f64::consts::LN_2);
        let from_zero = Interval::new(0.0, 1.0).unwrap().ln();
        assert!(from_zero.lower == f64::NEG_INFINITY && from_zero.upper.abs() < 1e-300, "{from_zero:?}");
        assert_eq!(Interval::new(-1.0, 2.0).unwrap().ln(), Interval::ENTIRE);
        assert_eq!(Interval::point(0.0).ln(), Interval::ENTIRE);
    }

    #[test]
    fn members_and_widths_are_told() {
        let x = Interval::new(-1.0, 2.5).unwrap();
        assert_eq!([-1.5, -1.0, 0.0, 2.5, 3.0].map(|t| x.contains(t)), [false, true, true, true, false]);
        assert_eq!((x.width(), Interval::point(3.0).width()), (3.5, 0.0));
        assert_eq!((x.magnitude(), x.least(), Interval::point(2.0).least()), (2.5, 0.0, 2.0));
        assert_eq!((x.approximate(), x.centre()), (0.75, Interval::point(0.75)));
    }
}
