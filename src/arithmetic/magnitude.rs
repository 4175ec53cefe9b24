//! Upper and lower bounds of nonnegative reals of any size, for radii.

use std::cmp::Ordering;

use crate::linear::Size;

/// `mantissa 2^exponent` with 32 significant bits, 0, or infinity. Operations
/// round up unless their name says down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Magnitude {
    /// 0, from 2^31 to 2^32 - 1, or [`INFINITE`].
    mantissa: u64,
    exponent: i64,
}

const INFINITE: u64 = u64::MAX;
/// The number of significant bits.
const BITS: u32 = 32;
/// Exponents beyond this are infinite, or 0 rounded up to the least magnitude:
/// no sum of two exponents overflows.
pub(super) const FARTHEST: i64 = 1 << 60;

impl Magnitude {
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };
    pub const INFINITY: Self = Self { mantissa: INFINITE, exponent: 0 };

    /// `mantissa 2^exponent`, rounded up.
    pub fn new(mantissa: u64, exponent: i64) -> Self {
        Self::rounded(u128::from(mantissa), exponent, true)
    }

    /// `mantissa 2^exponent`, rounded down.
    pub fn down(mantissa: u64, exponent: i64) -> Self {
        Self::rounded(u128::from(mantissa), exponent, false)
    }

    fn rounded(mantissa: u128, exponent: i64, up: bool) -> Self {
        if mantissa == 0 {
            return Self::ZERO;
        }
        let excess = i64::from(128 - mantissa.leading_zeros()) - i64::from(BITS);
        let mut exponent = exponent.saturating_add(excess);
        let mut kept = if excess <= 0 { mantissa << -excess } else { mantissa >> excess };
        if up && excess > 0 && kept << excess != mantissa {
            kept += 1;
            if kept >> BITS != 0 {
                (kept, exponent) = (kept >> 1, exponent.saturating_add(1));
            }
        }
        match (exponent > FARTHEST, exponent < -FARTHEST, up) {
            (true, _, true) => Self::INFINITY,
            (true, _, false) => Self { mantissa: 1 << (BITS - 1), exponent: FARTHEST },
            (_, true, true) => Self { mantissa: 1 << (BITS - 1), exponent: -FARTHEST },
            (_, true, false) => Self::ZERO,
            _ => Self { mantissa: kept as u64, exponent },
        }
    }

    /// `|x|`, rounded up; infinite where `x` is no number.
    pub fn from_f64(x: f64) -> Self {
        if !x.is_finite() {
            return Self::INFINITY;
        }
        let (mantissa, exponent) = decoded(x);
        Self::new(mantissa, exponent)
    }

    /// A double that is at least this.
    pub fn to_f64(self) -> f64 {
        if self.mantissa == 0 {
            return 0.0;
        }
        if self.is_infinite() || self.exponent > 1024 - i64::from(BITS) {
            return f64::INFINITY;
        }
        // Exact down to the subnormals; there one step up covers what is dropped.
        let shift = (-1074 - self.exponent).clamp(0, 63);
        let kept = self.mantissa >> shift;
        let exact = kept << shift == self.mantissa && self.exponent + shift >= -1074;
        let scaled = scaled(kept as f64, (self.exponent + shift).max(-1074));
        if exact { scaled } else { scaled.next_up() }
    }

    /// `(m, e)` with this equal to `m 2^e`, of what is not infinite.
    pub fn mantissa_and_exponent(self) -> (u64, i64) {
        (self.mantissa, self.exponent)
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub fn is_infinite(self) -> bool {
        self.mantissa == INFINITE
    }

    pub fn plus(self, other: Self) -> Self {
        let (large, small) = if self < other { (other, self) } else { (self, other) };
        if small.is_zero() || large.is_infinite() {
            return large;
        }
        let sum = (u128::from(large.mantissa) << 64) + small.below(large.exponent);
        Self::rounded(sum, large.exponent - 64, true)
    }

    pub fn times(self, other: Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::ZERO;
        }
        if self.is_infinite() || other.is_infinite() {
            return Self::INFINITY;
        }
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        Self::rounded(product, self.exponent + other.exponent, true)
    }

    /// `self / divisor` for a divisor that was rounded down; infinite over 0.
    pub fn over(self, divisor: Self) -> Self {
        if self.is_zero() {
            return Self::ZERO;
        }
        if self.is_infinite() || divisor.is_zero() || divisor.is_infinite() {
            return Self::INFINITY;
        }
        let quotient = (u128::from(self.mantissa) << 64).div_ceil(divisor.mantissa.into());
        Self::rounded(quotient, self.exponent - divisor.exponent - 64, true)
    }

    /// `self - other`, rounded down; 0 where that is negative. `self` was rounded
    /// down, `other` up.
    pub fn minus_down(self, other: Self) -> Self {
        if other.is_zero() {
            return self;
        }
        if self <= other || self.is_infinite() {
            return Self::ZERO;
        }
        let difference = (u128::from(self.mantissa) << 64) - other.below(self.exponent);
        Self::rounded(difference, self.exponent - 64, false)
    }

    /// This in units of `2^(exponent - 64)`, rounded up, for an exponent that is at
    /// least its own.
    fn below(self, exponent: i64) -> u128 {
        let (shifted, gap) = (u128::from(self.mantissa) << 64, exponent - self.exponent);
        if gap < 128 { shifted.div_ceil(1 << gap) } else { 1 }
    }

    /// `self 2^exponent`.
    pub fn scaled(self, exponent: i64) -> Self {
        if self.is_zero() || self.is_infinite() {
            return self;
        }
        Self::rounded(u128::from(self.mantissa), self.exponent.saturating_add(exponent), true)
    }
}

impl Size for Magnitude {
    const ZERO: Self = Self::ZERO;

    fn larger(self, other: Self) -> Self {
        self.max(other)
    }

    fn smaller(self, other: Self) -> Self {
        self.min(other)
    }

    fn plus(self, other: Self) -> Self {
        self.plus(other)
    }

    fn over(self, divisor: Self) -> Self {
        self.over(divisor)
    }

    fn times(self, other: Self) -> Self {
        self.times(other)
    }

    fn is_below(self, other: Self, factor: u32) -> bool {
        self.times(Self::new(factor.into(), 0)) < other
    }
}

impl PartialOrd for Magnitude {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Magnitude {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |x: &Self| match x.mantissa {
            0 => (0, 0, 0),
            INFINITE => (2, 0, 0),
            mantissa => (1, x.exponent, mantissa),
        };
        rank(self).cmp(&rank(other))
    }
}

/// `(mantissa, exponent)` with `|x| = mantissa 2^exponent`, for finite `x`.
pub(super) fn decoded(x: f64) -> (u64, i64) {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i64, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

/// `x 2^exponent` for `exponent >= -1074`, rounded to nearest once: infinite
/// where it overflows.
pub(super) fn scaled(x: f64, exponent: i64) -> f64 {
    // Two factors: 2^-1074 and 2^1024 are no normal doubles.
    let half = (exponent / 2).clamp(-537, 1023);
    let power = |k: i64| f64::from_bits(((1023 + k) as u64) << 52);
    x * power(half) * power((exponent - half).clamp(-537, 1023))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Field, Rational};
    use quickcheck::quickcheck;

    fn exact(x: Magnitude) -> Rational {
        Rational::from_integer(x.mantissa.into()) * Rational::from_integer(2.into()).power(x.exponent)
    }

    /// A magnitude from random bits, its exponent within a few words of 0.
    fn magnitude(bits: u64) -> Magnitude {
        Magnitude::new(bits >> (bits & 63), (bits >> 7 & 255) as i64 - 128)
    }

    /// Whether `bound` is at least the truth, and not much more.
    fn above(bound: Magnitude, truth: &Rational) -> bool {
        let slack = Rational::from_ratio((1 << 30) + 1, 1 << 30);
        exact(bound) >= *truth && exact(bound) <= truth * slack
    }

    quickcheck! {
        fn operations_round_up(a: u64, b: u64) -> bool {
            let (x, y) = (magnitude(a), magnitude(b));
            let (p, q) = (exact(x), exact(y));
            above(x.plus(y), &(&p + &q))
                && above(x.times(y), &(&p * &q))
                && (y.is_zero() || above(x.over(y), &(&p / &q)))
                && (x < y) == (p < q)
        }

        fn differences_round_down(a: u64, b: u64) -> bool {
            let (x, y) = (magnitude(a), magnitude(b));
            let (bound, truth) = (exact(x.minus_down(y)), exact(x) - exact(y));
            if x <= y { bound == exact(Magnitude::ZERO) } else { bound <= truth }
        }

        fn doubles_round_up_both_ways(bits: u64, twos: i16) -> bool {
            let x = f64::from_bits(bits);
            let there = Magnitude::from_f64(x);
            if !x.is_finite() { return there.is_infinite(); }
            let size = Rational::from_f64(x.abs());
            let far = there.scaled(i64::from(twos % 1200));
            let back = far.to_f64();
            above(there, &size) && (back.is_infinite() || Rational::from_f64(back) >= exact(far))
                && Rational::from_f64(there.to_f64().min(f64::MAX)) <= size * Rational::from_ratio(1_000_001, 1_000_000)
                    + Rational::from_f64(5e-324)
        }
    }

    #[test]
    fn what_is_too_far_is_rounded_to_the_safe_side() {
        let (huge, tiny) = (Magnitude::new(1, FARTHEST + 40), Magnitude::new(1, -FARTHEST - 40));
        assert!(huge.is_infinite() && !tiny.is_zero());
        assert!(Magnitude::down(1, -FARTHEST - 40).is_zero());
        assert!(!Magnitude::down(1, FARTHEST + 40).is_infinite());
        assert_eq!(tiny.to_f64(), 5e-324);
        assert_eq!(huge.to_f64(), f64::INFINITY);
        assert!(tiny.times(tiny) > Magnitude::ZERO);
        assert_eq!(Magnitude::ZERO.over(Magnitude::ZERO), Magnitude::ZERO);
        assert!(Magnitude::new(1, 0).over(Magnitude::ZERO).is_infinite());
        assert!(Magnitude::from_f64(f64::NAN).is_infinite());
        assert_eq!(Magnitude::new(3, 4).to_f64(), 48.0);
        assert_eq!(Magnitude::new(3, 0).plus(Magnitude::ZERO).to_f64(), 3.0);
        assert!(Magnitude::new(1, 0).minus_down(Magnitude::new(1, -200)).to_f64() > 0.999_999);
    }

    #[test]
    fn magnitudes_that_fit_are_exact() {
        let exact_doubles = [(1u64 << 40, 0), (1, -1074), (3, -1074), (1, -1022), ((1 << 32) - 1, 900)];
        for (mantissa, exponent) in exact_doubles {
            let x = exact(Magnitude::new(mantissa, exponent));
            assert_eq!(Rational::from_f64(Magnitude::new(mantissa, exponent).to_f64()), x);
        }
        assert_eq!(Magnitude::new((1 << 33) - 1, 0), Magnitude::new(1 << 33, 0));
        let half = 1 << (BITS - 1);
        for (mantissa, exponent) in [(half, FARTHEST), (half, -FARTHEST), (3 << 30, FARTHEST)] {
            let kept = Magnitude { mantissa, exponent };
            assert_eq!(
                (Magnitude::new(mantissa, exponent), Magnitude::down(mantissa, exponent)),
                (kept, kept)
            );
        }
    }

    #[test]
    fn the_ends_of_the_range_are_safe() {
        let half = 1 << (BITS - 1);
        assert_eq!(Magnitude::down(1, FARTHEST + 40), Magnitude { mantissa: half, exponent: FARTHEST });
        assert_eq!(Magnitude::new(1, -FARTHEST - 40), Magnitude { mantissa: half, exponent: -FARTHEST });
        let two = Magnitude::new(2, 0);
        for infinite in
            [Magnitude::INFINITY.times(two), two.times(Magnitude::INFINITY), Magnitude::INFINITY.scaled(3)]
        {
            assert!(infinite.is_infinite());
        }
        assert!(Magnitude::ZERO.times(Magnitude::INFINITY).is_zero() && Magnitude::ZERO.scaled(3).is_zero());
    }

    #[test]
    fn sizes_compare_by_a_factor() {
        let of = |n: u64| Magnitude::new(n, 0);
        assert!(of(1).is_below(of(11), 10) && !of(1).is_below(of(10), 10) && !of(2).is_below(of(11), 10));
        assert!(Magnitude::ZERO.is_below(of(1), 10) && !of(1).is_below(Magnitude::ZERO, 10));
    }
}
