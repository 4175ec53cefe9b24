//! Balls of any precision and range, for what a [`Ball`] leaves undecided.
//!
//! The operations are those of a [`Ball`] with longer centres and with exponents
//! that do not end; the proofs are in `docs/theory/bounds.md`, section 3.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::ops::Neg;

use num_bigint::{BigInt, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::magnitude::{FARTHEST, Magnitude, decoded, scaled};
use super::{Field, Rational, Transcendental, operators};
use crate::linear::{Elimination, Enclosed, Enclosure};

/// All reals within a radius of a binary fraction.
///
/// Centres are rounded to the precision of the thread, which
/// [`BigBall::with_precision`] sets; a ball holds the truth whatever the
/// precision is. A result that nothing is known of has an infinite radius: see
/// [`BigBall::is_finite`].
///
/// ```
/// use pemdp::arithmetic::{BigBall, Field, Transcendental};
/// // e^-1000 is no double; e^-1000 e^1000 is 1.
/// let product = BigBall::with_precision(256, || {
///     BigBall::from_f64(-1000.0).exp() * BigBall::from_f64(1000.0).exp()
/// });
/// assert_eq!((product.midpoint(), product.error_bound() < 1e-70), (1.0, true));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BigBall {
    centre: Float,
    radius: Magnitude,
}

/// `mantissa 2^exponent`; the mantissa is odd, or 0 with exponent 0.
#[derive(Clone, Debug, PartialEq)]
struct Float {
    mantissa: BigInt,
    exponent: i64,
}

/// Bits of centres where nothing else is said.
const DEFAULT_PRECISION: u64 = 256;
/// Bits that intermediate results have more.
const GUARD: u64 = 64;
/// `|x| >= 2^40`: `e^x` is beyond `2^(2^40)`, or below its reciprocal.
const LARGEST_EXPONENT: i64 = 40;

thread_local! {
    static PRECISION: Cell<u64> = const { Cell::new(DEFAULT_PRECISION) };
    /// ln 2 and the bits that it is good for.
    static LN_2: RefCell<Option<(u64, BigBall)>> = const { RefCell::new(None) };
}

fn precision() -> u64 {
    PRECISION.get()
}

impl Float {
    fn new(mantissa: BigInt, exponent: i64) -> Self {
        match mantissa.trailing_zeros() {
            None => Self { mantissa, exponent: 0 },
            Some(0) => Self { mantissa, exponent },
            Some(zeros) => Self { mantissa: mantissa >> zeros, exponent: exponent + zeros as i64 },
        }
    }

    fn from_f64(x: f64) -> Self {
        let (mantissa, exponent) = decoded(x);
        let mantissa = BigInt::from(mantissa);
        Self::new(if x < 0.0 { -mantissa } else { mantissa }, exponent)
    }

    fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }

    /// `|self| < 2^top`.
    fn top(&self) -> i64 {
        self.exponent + self.mantissa.bits() as i64
    }

    /// The leading 64 bits of the size, how many bits are below them, and whether
    /// one of these is set.
    fn leading(&self) -> (u64, i64, bool) {
        let below = self.mantissa.bits().saturating_sub(64);
        let leading = self.mantissa.magnitude() >> below;
        // The mantissa is odd.
        (leading.to_u64().unwrap_or(u64::MAX), below as i64, below > 0)
    }

    /// An upper bound of the size.
    fn size(&self) -> Magnitude {
        let (leading, below, more) = self.leading();
        let size = Magnitude::new(leading, self.exponent + below);
        if more { size.plus(Magnitude::new(1, self.exponent + below)) } else { size }
    }

    /// A lower bound of the size.
    fn size_down(&self) -> Magnitude {
        let (leading, below, _) = self.leading();
        Magnitude::down(leading, self.exponent + below)
    }

    /// The nearest number of so many bits, one unit off at most, and a bound of how
    /// far it is.
    fn rounded(self, bits: u64) -> (Self, Magnitude) {
        let excess = self.mantissa.bits().saturating_sub(bits);
        if excess == 0 {
            return (self, Magnitude::ZERO);
        }
        // Towards minus infinity; what is cut off is not 0, since the mantissa is odd.
        let exponent = self.exponent + excess as i64;
        (Self::new(self.mantissa >> excess, exponent), Magnitude::new(1, exponent))
    }

    /// The sum to so many bits, and a bound of its error: less than one unit in the
    /// last of these bits of the larger of the terms and the sum.
    fn sum(&self, other: &Self, bits: u64) -> (Self, Magnitude) {
        if self.is_zero() {
            return other.clone().rounded(bits);
        }
        if other.is_zero() {
            return self.clone().rounded(bits);
        }
        let (large, small) = if self.top() < other.top() { (other, self) } else { (self, other) };
        if small.top() < large.top() - bits as i64 - 2 {
            // Aligning them would take any number of bits.
            let (sum, error) = large.clone().rounded(bits);
            return (sum, error.plus(small.size()));
        }
        let exponent = self.exponent.min(other.exponent);
        let aligned = |x: &Self| &x.mantissa << (x.exponent - exponent) as u64;
        Self::new(aligned(self) + aligned(other), exponent).rounded(bits)
    }

    fn times(&self, other: &Self) -> Self {
        // The product of odd mantissas is odd.
        if self.is_zero() || other.is_zero() {
            return Self { mantissa: BigInt::zero(), exponent: 0 };
        }
        Self { mantissa: &self.mantissa * &other.mantissa, exponent: self.exponent + other.exponent }
    }

    /// `self / other` to so many bits, and a bound of its error.
    fn over(&self, other: &Self, bits: u64) -> (Self, Magnitude) {
        let shift = (bits + other.mantissa.bits() + 1).saturating_sub(self.mantissa.bits());
        let scaled = &self.mantissa << shift;
        let quotient = &scaled / &other.mantissa;
        let exponent = self.exponent - shift as i64 - other.exponent;
        let exact = &quotient * &other.mantissa == scaled;
        let (quotient, error) = Self::new(quotient, exponent).rounded(bits);
        (quotient, if exact { error } else { error.plus(Magnitude::new(1, exponent)) })
    }

    fn scaled(&self, twos: i64) -> Self {
        if self.is_zero() { self.clone() } else { Self { exponent: self.exponent + twos, ..self.clone() } }
    }

    /// A double within a few units in the last place; infinite where it overflows.
    fn to_f64(&self) -> f64 {
        let (leading, below, _) = self.leading();
        let exponent = self.exponent + below;
        let size = if self.is_zero() || exponent < -1200 {
            0.0
        } else if exponent > 1024 {
            f64::INFINITY
        } else {
            // Of a subnormal only the bits that it has, so that there is one rounding.
            let dropped = (-1074 - exponent).max(0);
            let kept =
                if dropped == 0 { leading } else { (((leading as u128 >> (dropped - 1)) + 1) >> 1) as u64 };
            scaled(kept as f64, exponent + dropped)
        };
        if self.mantissa.sign() == Sign::Minus { -size } else { size }
    }
}

impl Neg for Float {
    type Output = Self;
    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }
}

impl BigBall {
    /// Calls `compute` with centres of so many bits on this thread.
    pub fn with_precision<R>(bits: u64, compute: impl FnOnce() -> R) -> R {
        struct Restore(u64);
        impl Drop for Restore {
            fn drop(&mut self) {
                PRECISION.set(self.0);
            }
        }
        let _restore = Restore(PRECISION.replace(bits));
        compute()
    }

    /// Nothing is known: the result of an undefined operation.
    fn unbounded() -> Self {
        Self { centre: Float { mantissa: BigInt::zero(), exponent: 0 }, radius: Magnitude::INFINITY }
    }

    fn point(centre: Float) -> Self {
        Self::new((centre, Magnitude::ZERO), Magnitude::ZERO)
    }

    /// The ball around a rounded centre. Centres beyond all reason are unbounded, or
    /// within the least radius of 0.
    fn new((centre, error): (Float, Magnitude), radius: Magnitude) -> Self {
        if centre.top() > FARTHEST || radius.is_infinite() {
            return Self::unbounded();
        }
        let radius = radius.plus(error);
        if centre.top() < -FARTHEST && !centre.is_zero() {
            return Self { centre: Float::new(BigInt::zero(), 0), radius: radius.plus(centre.size()) };
        }
        Self { centre, radius }
    }

    /// The double nearest to the centre up to a few units in the last place, 0
    /// without a sign.
    pub fn midpoint(&self) -> f64 {
        self.centre.to_f64() + 0.0
    }

    /// A bound of the distance from [`BigBall::midpoint`] to any member.
    pub fn error_bound(&self) -> f64 {
        let midpoint = self.midpoint();
        if !midpoint.is_finite() {
            return f64::INFINITY;
        }
        let (distance, error) = self.centre.sum(&-Float::from_f64(midpoint), precision() + GUARD);
        distance.size().plus(error).plus(self.radius).to_f64()
    }

    /// A rough size such as `1.3e320` of what is known to be beyond all doubles.
    pub fn beyond_doubles(&self) -> Option<String> {
        if !self.is_finite() || self.mignitude() <= Magnitude::new(1, 1024) {
            return None;
        }
        let sign = if self.centre.mantissa.is_negative() { "-" } else { "" };
        let (leading, below, _) = self.centre.leading();
        let twos = (self.centre.exponent + below) as f64;
        let logarithm = (leading as f64).log10() + twos * std::f64::consts::LOG10_2;
        let (digits, exponent) = (10f64.powf(logarithm - logarithm.floor()), logarithm.floor());
        // Beyond a million the digits before the exponent would not be right.
        let digits = if exponent < 1e6 { format!("{digits:.2}") } else { "1".to_owned() };
        Some(format!("{sign}{digits}e{exponent}"))
    }

    /// Whether anything is known.
    pub fn is_finite(&self) -> bool {
        !self.radius.is_infinite()
    }

    /// The smallest absolute value of a member, rounded down.
    fn mignitude(&self) -> Magnitude {
        self.centre.size_down().minus_down(self.radius)
    }

    /// The ball of one number at an end: `1` the upper one, `-1` the lower one,
    /// rounded outward.
    fn end(&self, side: i64) -> Self {
        let bits = precision();
        let radius = self.radius.mantissa_and_exponent();
        let step = Float::new(BigInt::from(radius.0) * side, radius.1);
        let (end, error) = self.centre.sum(&step, bits);
        if error.is_zero() {
            return Self::point(end);
        }
        // The error is below 2^-bits of the larger term, which is at most twice the
        // end: where terms cancel nothing is rounded.
        let unit = Float::new(BigInt::from(side), end.top() + 2 - bits as i64);
        Self::point(end.sum(&unit, bits + GUARD).0)
    }

    /// The ball whose members lie between two points.
    fn between(lower: &Self, upper: &Self) -> Self {
        let middle = (lower.clone() + upper).scaled(-1).centre();
        let reach = |end: &Self| (end.clone() - &middle).size();
        let radius = reach(lower).max(reach(upper));
        Self::new((middle.centre, Magnitude::ZERO), radius)
    }

    fn plus(&self, other: &Self) -> Self {
        Self::new(self.centre.sum(&other.centre, precision()), self.radius.plus(other.radius))
    }

    fn minus(&self, other: &Self) -> Self {
        self.plus(&-other.clone())
    }

    fn times(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::zero();
        }
        let product = self.centre.times(&other.centre).rounded(precision());
        // |xy - cd| <= |c| s + (|d| + s) r
        let spread = self.centre.size().times(other.radius).plus(other.size().times(self.radius));
        Self::new(product, spread)
    }

    fn over(&self, other: &Self) -> Self {
        let divisor = other.mignitude();
        if divisor.is_zero() || !other.is_finite() {
            return Self::unbounded();
        }
        if self.is_zero() {
            return Self::zero();
        }
        // x/y - c/d = (x - c)/y + (c/d) (d - y)/y
        let (quotient, error) = self.centre.over(&other.centre, precision());
        let size = quotient.size().plus(error);
        let spread = self.radius.plus(size.times(other.radius)).over(divisor);
        Self::new((quotient, error), spread)
    }

    /// `self 2^twos`
    fn scaled(&self, twos: i64) -> Self {
        Self::new((self.centre.scaled(twos), Magnitude::ZERO), self.radius.scaled(twos))
    }

    /// The centre rounded to the precision of the thread.
    fn shortened(self) -> Self {
        Self::new(self.centre.rounded(precision()), self.radius)
    }

    /// The exponential of the centre.
    fn exp_of_centre(&self) -> Self {
        let centre = self.centre();
        if centre.is_zero() {
            return Self::one();
        }
        if centre.centre.top() > LARGEST_EXPONENT {
            let vanishes = centre.centre.mantissa.is_negative();
            let least = Magnitude::new(1, -(1 << LARGEST_EXPONENT));
            return if vanishes { Self::zero().widened_by(least) } else { Self::unbounded() };
        }
        let bits = precision();
        let halvings = 4 + bits.isqrt();
        let terms = (bits + GUARD) / halvings + 2;
        let twos = (centre.approximate() / std::f64::consts::LN_2).round() as i64;
        let exponential = Self::with_precision(bits + halvings + 2 * GUARD, || {
            let reduced = (centre - ln_2() * Self::from_integer(twos)).scaled(-(halvings as i64));
            // e^x - 1 = x (1 + x/2 (1 + x/3 (...)))
            let mut sum = Self::one();
            for term in (2..=terms).rev() {
                sum = sum * &reduced / Self::from_integer(term as i64) + Self::one();
            }
            // |remainder| <= |x|^(n+1)/(n+1)! e^|x| <= |x|^(n+1) for |x| <= 1.
            let size = reduced.size();
            let remainder = (0..=terms).fold(Magnitude::new(1, 0), |power, _| power.times(size));
            let mut minus_one = (sum * &reduced).widened_by(remainder);
            for _ in 0..halvings {
                // (1 + y)^2 - 1 = y (2 + y)
                minus_one = minus_one.clone() * (minus_one + Self::from_integer(2));
            }
            (minus_one + Self::one()).scaled(twos)
        });
        exponential.shortened()
    }

    /// The logarithm of the centre, which is positive.
    fn ln_of_centre(&self) -> Self {
        let top = self.centre.top();
        // Not near 1: bring the centre into [1/2, 1).
        let twos = if (0..=1).contains(&top) { 0 } else { top };
        let centre = self.centre().scaled(-twos);
        let bits = precision();
        let mut start = Self::from_f64(centre.approximate().ln());
        // Each step makes the error its fourth power.
        let mut good = 48;
        loop {
            good *= 4;
            let step = good.min(bits) + GUARD;
            let next = Self::with_precision(step, || centre.ln_near(&start));
            if good >= bits || !next.is_finite() {
                return (next + ln_2() * Self::from_integer(twos)).shortened();
            }
            start = next.centre();
        }
    }

    /// `ln x = y + ln(1 + z)` with `z = x e^-y - 1`, tiny for `y` near `ln x`.
    fn ln_near(&self, y: &Self) -> Self {
        let z = self.clone() * (-y.clone()).exp_of_centre() - Self::one();
        let size = z.size();
        if size > Magnitude::new(1, -20) {
            return Self::unbounded();
        }
        let square = z.clone() * &z;
        let series = z.clone() - square.scaled(-1) + square * z / Self::from_integer(3);
        // The rest of the series is at most z^4/4/(1 - |z|) <= z^4.
        let rest = size.times(size).times(size).times(size);
        y.clone() + series.widened_by(rest)
    }
}

/// ln 2 to the precision of the thread.
fn ln_2() -> BigBall {
    let bits = precision() + GUARD;
    LN_2.with_borrow_mut(|known| match known {
        Some((good, ln_2)) if *good >= bits => ln_2.clone(),
        _ => known.insert((bits, compute_ln_2(bits))).1.clone(),
    })
}

/// `ln 2 = 18 L(26) - 2 L(4801) + 8 L(8749)`, `L(n) = artanh(1/n)`, to so many bits.
fn compute_ln_2(bits: u64) -> BigBall {
    let mut sum = BigInt::zero();
    let mut errors = 0;
    for (factor, n) in [(18, 26u32), (-2, 4801), (8, 8749)] {
        // sum_i 1/((2i+1) n^(2i+1)) in units of 2^-bits, rounded down: powers are off by
        // less than 2 units, terms by less than 3, and so are all that vanish.
        let mut power = (BigInt::one() << bits) / n;
        let mut odd = 1u32;
        let mut series = BigInt::zero();
        while !power.is_zero() {
            series += &power / odd;
            power /= n * n;
            odd += 2;
        }
        sum += series * factor;
        errors += 3 * i64::abs(factor) as u64 * u64::from(odd / 2 + 1);
    }
    BigBall::new((Float::new(sum, -(bits as i64)), Magnitude::new(errors, -(bits as i64))), Magnitude::ZERO)
}

operators!(BigBall);

impl Neg for BigBall {
    type Output = Self;
    fn neg(self) -> Self {
        Self { centre: -self.centre, ..self }
    }
}

impl Zero for BigBall {
    fn zero() -> Self {
        Self { centre: Float { mantissa: BigInt::zero(), exponent: 0 }, radius: Magnitude::ZERO }
    }
    fn is_zero(&self) -> bool {
        self.centre.is_zero() && self.radius.is_zero()
    }
}

impl One for BigBall {
    fn one() -> Self {
        Self::from_integer(1)
    }
}

impl Field for BigBall {
    const ROW_SUM_TOLERANCE: f64 = 1e-9;
    const UNKNOWN_ERROR: f64 = 0.0;
    type Factorisation = Enclosed<Self>;

    fn from_f64(x: f64) -> Self {
        if x.is_finite() { Self::point(Float::from_f64(x)) } else { Self::unbounded() }
    }

    fn from_rational(q: &Rational) -> Self {
        let whole = |n: &BigInt| Float::new(n.clone(), 0);
        Self::new(whole(q.numer()).over(&whole(q.denom()), precision()), Magnitude::ZERO)
    }

    fn from_integer(n: i64) -> Self {
        Self::point(Float::new(n.into(), 0))
    }

    fn approximate(&self) -> f64 {
        self.midpoint()
    }

    fn sign(&self) -> Option<Ordering> {
        if self.is_zero() {
            Some(Ordering::Equal)
        } else if self.mignitude().is_zero() {
            None
        } else {
            Some(if self.centre.mantissa.is_negative() { Ordering::Less } else { Ordering::Greater })
        }
    }

    fn widened(self, slack: f64) -> Self {
        self.widened_by(Magnitude::from_f64(slack))
    }

    fn magnitude(&self) -> f64 {
        self.size().to_f64()
    }
}

impl Transcendental for BigBall {
    fn exp(&self) -> Self {
        if !self.is_finite() {
            return Self::unbounded();
        }
        if self.radius > Magnitude::new(1, 0) {
            let (lower, upper) = (self.end(-1).exp_of_centre(), self.end(1).exp_of_centre());
            let least = if lower.mignitude().is_zero() { Self::zero() } else { lower.end(-1) };
            return if upper.is_finite() { Self::between(&least, &upper.end(1)) } else { upper };
        }
        let centre = self.exp_of_centre();
        // e^r - 1 <= r + r^2 for 0 <= r <= 1.
        let spread = self.radius.plus(self.radius.times(self.radius));
        let slack = centre.size().times(spread);
        centre.widened_by(slack)
    }

    fn ln(&self) -> Self {
        let least = self.mignitude();
        if least.is_zero() || self.centre.mantissa.is_negative() || !self.is_finite() {
            return Self::unbounded();
        }
        // |ln x - ln c| <= |x - c| / min(x, c).
        self.ln_of_centre().widened_by(self.radius.over(least))
    }
}

impl Enclosure for BigBall {
    type Size = Magnitude;
    type Approximate = Elimination<Self>;

    fn centre(&self) -> Self {
        Self { radius: Magnitude::ZERO, ..self.clone() }
    }

    fn size(&self) -> Magnitude {
        self.centre.size().plus(self.radius)
    }

    fn least(&self) -> Magnitude {
        if self.certainly_positive() { self.mignitude() } else { Magnitude::ZERO }
    }

    fn widened_by(self, slack: Magnitude) -> Self {
        Self::new((self.centre, slack), self.radius)
    }
}

#[cfg(test)]
mod tests;
