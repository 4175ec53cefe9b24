//! Real numbers as a file spells them.
//!
//! A numeral is a JSON number or a string with a decimal (`"0.1"`, `"-2.5e-3"`,
//! spelled as a JSON number is) or a fraction (`"1/6"`: an integer, a slash and
//! a positive integer without sign). Strings are always read exactly. At most
//! 4096 digits, the magnitude of the exponent counted in, so that
//! `1e999999999` is refused and never expanded.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::excerpt::{excerpt, shown_double};
use crate::arithmetic::{Field, Rational};

/// The largest number of digits of a numeral: those of the mantissa plus the
/// magnitude of the exponent, or those of numerator and denominator together.
pub const DIGITS: usize = 4096;

/// What a JSON number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The double nearest to it.
    Doubles,
    /// The decimal that it spells: 0.1 is one tenth.
    Exact,
}

impl Reading {
    /// How far a row of probabilities may be from 1: 1e-9 for doubles, else 0.
    pub fn row_sum_tolerance(self) -> f64 {
        match self {
            Reading::Doubles => f64::ROW_SUM_TOLERANCE,
            Reading::Exact => Rational::ROW_SUM_TOLERANCE,
        }
    }
}

/// Why a text is not a numeral. The message says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumeralError {
    /// Neither a decimal nor a fraction.
    #[error("a string such as \"1/6\" or \"0.1\"")]
    Malformed,
    /// A fraction over 0.
    #[error("a positive denominator")]
    ZeroDenominator,
    /// More than 4096 digits.
    #[error("at most 4096 digits, the exponent's magnitude counted in")]
    TooLong,
    /// Larger than every double, where doubles are read.
    #[error("a number within the range of doubles")]
    Overflow,
}

/// A finite real number from a file: a double or an exact fraction.
#[derive(Clone, Debug)]
pub enum Numeral {
    /// The number is this double.
    Double(f64),
    /// The number is this fraction.
    Exact(Box<Rational>),
}

impl Numeral {
    /// Zero.
    pub const ZERO: Numeral = Numeral::Double(0.0);

    /// The number as an element of `T`: exact where it can be, else nearest or
    /// enclosing.
    pub fn lift<T: Field>(&self) -> T {
        match self {
            Numeral::Double(x) => T::from_f64(*x),
            Numeral::Exact(q) => T::from_rational(q),
        }
    }

    /// The number as a fraction in lowest terms.
    ///
    /// # Panics
    /// A double that is not finite has none; reading never yields one.
    pub fn exact(&self) -> Rational {
        self.lift()
    }

    /// The nearest double.
    pub fn approximate(&self) -> f64 {
        self.lift()
    }

    /// The largest double that is at most the number.
    pub fn round_down(&self) -> f64 {
        let near = self.approximate();
        if self.compare(near).is_lt() { near.next_down() } else { near }
    }

    /// The order of the number and 0.
    pub fn sign(&self) -> Ordering {
        match self {
            Numeral::Double(x) => x.partial_cmp(&0.0).unwrap_or(Ordering::Equal),
            Numeral::Exact(q) => q.numer().cmp(&BigInt::zero()),
        }
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.sign() == Ordering::Equal
    }

    /// Whether the number is less than 0.
    pub fn is_negative(&self) -> bool {
        self.sign() == Ordering::Less
    }

    /// Whether the number is one: doubles that come from elsewhere need not be.
    pub fn is_finite(&self) -> bool {
        match self {
            Numeral::Double(x) => x.is_finite(),
            Numeral::Exact(_) => true,
        }
    }

    /// Whether the number is an integer.
    pub fn is_integer(&self) -> bool {
        match self {
            Numeral::Double(x) => x.fract() == 0.0,
            Numeral::Exact(q) => q.is_integer(),
        }
    }

    /// The number times a fraction, exactly.
    #[must_use]
    pub fn times(&self, factor: &Rational) -> Self {
        Self::from(self.exact() * factor)
    }

    /// Twice the number, exactly.
    #[must_use]
    pub(crate) fn doubled(&self) -> Self {
        self.times(&Rational::from_integer(2.into()))
    }

    /// The beginning of the number as a file would spell it.
    pub fn quoted(&self) -> String {
        match self {
            Numeral::Double(x) => shown_double(*x),
            Numeral::Exact(q) => excerpt(&format!("\"{}\"", q.reduced())),
        }
    }

    /// The order of the number and the double `bound`, decided exactly.
    pub fn compare(&self, bound: f64) -> Ordering {
        match self {
            Numeral::Double(x) => x.partial_cmp(&bound).unwrap_or(Ordering::Equal),
            Numeral::Exact(q) => (**q).cmp(&Rational::from_f64(bound)),
        }
    }
}

impl From<f64> for Numeral {
    /// The number that is exactly the double `x`, which must be finite.
    fn from(x: f64) -> Self {
        Numeral::Double(x)
    }
}

impl std::str::FromStr for Numeral {
    type Err = NumeralError;

    /// The number that a decimal or a fraction spells, exactly.
    ///
    /// ```
    /// use pemdp::problem::Numeral;
    /// let third: Numeral = "1/3".parse()?;
    /// assert_eq!(third.exact().to_string(), "1/3");
    /// # Ok::<(), pemdp::problem::NumeralError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, NumeralError> {
        from_string(text, Reading::Exact)
    }
}

impl From<Rational> for Numeral {
    fn from(q: Rational) -> Self {
        Numeral::Exact(Box::new(q))
    }
}

impl PartialEq for Numeral {
    /// Whether the numbers are equal, however they are represented.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Numeral::Double(x), Numeral::Double(y)) => x == y,
            (Numeral::Exact(p), Numeral::Exact(q)) => p == q,
            (Numeral::Double(x), Numeral::Exact(q)) | (Numeral::Exact(q), Numeral::Double(x)) => {
                Rational::from_float(*x).is_some_and(|x| x == **q)
            }
        }
    }
}

/// The number that a JSON number token spells.
///
/// # Errors
/// See [`NumeralError`]; [`NumeralError::Overflow`] only where doubles are read.
pub fn from_number(text: &str, reading: Reading) -> Result<Numeral, NumeralError> {
    let decimal = Decimal::spelled(text)?;
    match reading {
        Reading::Exact => Ok(decimal.exact()),
        Reading::Doubles => match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Numeral::Double(x)),
            Ok(_) => Err(NumeralError::Overflow),
            Err(_) => Err(NumeralError::Malformed),
        },
    }
}

/// The number that the characters of a string spell: a decimal or a fraction,
/// read exactly.
///
/// # Errors
/// See [`NumeralError`]; [`NumeralError::Overflow`] only where doubles are read.
pub fn from_string(text: &str, reading: Reading) -> Result<Numeral, NumeralError> {
    let number = match text.split_once('/') {
        Some((numerator, denominator)) => fraction(numerator, denominator)?,
        None => Decimal::spelled(text)?.exact(),
    };
    if reading == Reading::Doubles && !number.approximate().is_finite() {
        return Err(NumeralError::Overflow);
    }
    Ok(number)
}

fn fraction(numerator: &str, denominator: &str) -> Result<Numeral, NumeralError> {
    let (negative, digits) = unsigned(numerator);
    if !is_integer(digits) || !is_integer(denominator) {
        return Err(NumeralError::Malformed);
    }
    if digits.len() + denominator.len() > DIGITS {
        return Err(NumeralError::TooLong);
    }
    let denominator = natural(denominator)?;
    if denominator.is_zero() {
        return Err(NumeralError::ZeroDenominator);
    }
    let magnitude = Rational::new(natural(digits)?, denominator);
    Ok(simplest(if negative { -magnitude } else { magnitude }))
}

/// A decimal as it is spelled: sign, digits before and after the point, exponent.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    part: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Takes a text apart by the grammar of JSON numbers.
    fn spelled(text: &'a str) -> Result<Self, NumeralError> {
        let (negative, magnitude) = unsigned(text);
        let (mantissa, exponent) = match magnitude.find(['e', 'E']) {
            Some(at) => (&magnitude[..at], exponent(&magnitude[at + 1..])?),
            None => (magnitude, 0),
        };
        let (whole, part) = match mantissa.split_once('.') {
            Some((whole, part)) if is_digits(part) => (whole, part),
            Some(_) => return Err(NumeralError::Malformed),
            None => (mantissa, ""),
        };
        if !is_integer(whole) {
            return Err(NumeralError::Malformed);
        }
        if whole.len() + part.len() + exponent.unsigned_abs() as usize > DIGITS {
            return Err(NumeralError::TooLong);
        }
        Ok(Decimal { negative, whole, part, exponent })
    }

    /// The number: an integer without trailing zeros times a power of ten.
    fn exact(&self) -> Numeral {
        let all: String = [self.whole, self.part].concat();
        let digits = all.trim_end_matches('0');
        let scale = self.exponent - self.part.len() as i64 + (all.len() - digits.len()) as i64;
        // `spelled` lets only digits through; without any left the number is 0.
        let Ok(mut mantissa) = natural(digits) else { return Numeral::ZERO };
        if self.negative {
            mantissa = -mantissa;
        }
        let mut power = BigInt::from(10).pow(scale.unsigned_abs() as u32);
        if scale >= 0 {
            return simplest(Rational::from_integer(mantissa * power));
        }
        // 10 does not divide the mantissa, so only twos or only fives cancel.
        let twos = mantissa.trailing_zeros().unwrap_or(0).min(scale.unsigned_abs());
        mantissa >>= twos;
        power >>= twos;
        if twos == 0 {
            let five = BigInt::from(5);
            let mut fives = 0;
            while fives < scale.unsigned_abs() && (&mantissa % &five).is_zero() {
                mantissa /= &five;
                power /= &five;
                fives += 1;
            }
        }
        simplest(Rational::new_raw(mantissa, power))
    }
}

/// The sign that a text begins with, and the rest.
fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is digits without a superfluous leading zero.
fn is_integer(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

/// The exponent after the `e`.
fn exponent(text: &str) -> Result<i64, NumeralError> {
    let (negative, digits) = match text.strip_prefix('+') {
        Some(digits) => (false, digits),
        None => unsigned(text),
    };
    if !is_digits(digits) {
        return Err(NumeralError::Malformed);
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 4 {
        return Err(NumeralError::TooLong);
    }
    let magnitude = significant.parse::<i64>().unwrap_or(0);
    Ok(if negative { -magnitude } else { magnitude })
}

/// The natural number with these digits.
fn natural(digits: &str) -> Result<BigInt, NumeralError> {
    match digits.parse::<u64>() {
        Ok(small) => Ok(small.into()),
        Err(_) => digits.parse().map_err(|_| NumeralError::Malformed),
    }
}

/// The smallest representation: integers that a double holds are doubles.
fn simplest(q: Rational) -> Numeral {
    if q.is_integer()
        && let Ok(small) = i64::try_from(q.numer())
        && small.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS
    {
        return Numeral::Double(small as f64);
    }
    q.into()
}

/// Numerals as elements of `T`.
pub(crate) fn lift<T: Field>(numerals: &[Numeral]) -> Vec<T> {
    numerals.iter().map(Numeral::lift).collect()
}

/// The largest absolute value; 0 of none.
pub fn largest(numerals: &[Numeral]) -> Rational {
    numerals.iter().map(|x| x.exact().abs()).max().unwrap_or_else(Rational::zero)
}

/// The exact sum, not in lowest terms: cancelling would cost more than it
/// saves, and comparisons do not need it. Adding in pairs keeps the operands
/// balanced, so that unrelated denominators do not make the cost quadratic.
pub fn exact_sum(mut sums: Vec<Rational>) -> Rational {
    while sums.len() > 1 {
        let pairs = sums.len().div_ceil(2);
        for pair in 0..pairs {
            let sum = match sums.get(2 * pair + 1) {
                Some(right) => plus(&sums[2 * pair], right),
                None => sums[2 * pair].clone(),
            };
            sums[pair] = sum;
        }
        sums.truncate(pairs);
    }
    sums.pop().unwrap_or_else(Rational::zero)
}

fn plus(left: &Rational, right: &Rational) -> Rational {
    let (a, b, c, d) = (left.numer(), left.denom(), right.numer(), right.denom());
    if b == d {
        return Rational::new_raw(a + c, b.clone());
    }
    // Doubles are fractions over powers of two: the larger one is common.
    if let (Some(left), Some(right)) = (power_of_two(b), power_of_two(d)) {
        return if left < right {
            Rational::new_raw((a << (right - left)) + c, d.clone())
        } else {
            Rational::new_raw(a + (c << (left - right)), b.clone())
        };
    }
    Rational::new_raw(a * d + c * b, b * d)
}

/// The exponent of a positive power of two.
fn power_of_two(n: &BigInt) -> Option<u64> {
    n.trailing_zeros().filter(|zeros| zeros + 1 == n.bits())
}

/// The sum of doubles, with the rounding errors of the additions carried along
/// [Neumaier 1974].
pub fn compensated_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

/// A fraction for a message: as it is where it is short, else a double near it
/// that does not hide on which side of `near` it lies.
pub(crate) fn shown_rational(q: &Rational, near: i64) -> String {
    let near = Rational::from_integer(near.into());
    if q.denom().bits().max(q.numer().bits()) <= 4096 {
        let reduced = q.reduced().to_string();
        if reduced.len() <= 24 {
            return reduced;
        }
    }
    let approximate = q.approximate();
    let excess = plus(q, &-&near);
    if approximate == near.approximate() && !excess.numer().is_zero() {
        let side = if excess.is_negative() { "less" } else { "more" };
        return format!("slightly {side} than {near}");
    }
    shown_double(approximate)
}

#[cfg(test)]
mod tests;
