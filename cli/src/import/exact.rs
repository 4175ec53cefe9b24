//! Exact sums, products and quotients of numbers, and how they are spelled.
//!
//! Denominators stay what they are, powers of ten or of two mostly: reducing each
//! intermediate fraction would cost more than all the rest.

use std::cmp::Ordering;

use anyhow::bail;
use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{One, Zero};
use pemdp::arithmetic::{Field, Rational};

use super::number::{Number, shown};
use super::spelling::{decimal, fraction};

/// The largest denominator, in bits: a problem takes numbers of up to 4096 digits.
const LARGEST: u64 = 6000;

/// A fraction.
#[derive(Clone, Debug)]
pub struct Exact {
    numerator: BigInt,
    denominator: Denominator,
}

#[derive(Clone, Debug)]
enum Denominator {
    /// A power of ten.
    Ten(u32),
    /// A power of two.
    Two(u32),
    /// Any positive integer.
    Other(BigInt),
}

impl Denominator {
    fn integer(&self) -> BigInt {
        match self {
            Self::Ten(exponent) => ten(*exponent),
            Self::Two(exponent) => BigInt::one() << *exponent,
            Self::Other(integer) => integer.clone(),
        }
    }
}

/// A power of ten.
pub fn ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

impl Exact {
    /// Zero.
    pub fn zero() -> Self {
        Self { numerator: BigInt::zero(), denominator: Denominator::Ten(0) }
    }

    /// One.
    pub fn one() -> Self {
        Self { numerator: BigInt::one(), denominator: Denominator::Ten(0) }
    }

    /// A finite double; 0 for another.
    pub fn double(x: f64) -> Self {
        let fraction = Rational::from_float(x).unwrap_or_else(Rational::zero);
        let exponent = fraction.denom().bits().saturating_sub(1) as u32;
        Self { numerator: fraction.numer().clone(), denominator: Denominator::Two(exponent) }
    }

    /// What a decimal, or a fraction in quotation marks, spells.
    pub(super) fn spelled(json: &str) -> Option<Self> {
        let text = json.trim_matches('"');
        if let Some((numerator, denominator)) = text.split_once('/') {
            let denominator = Denominator::Other(denominator.parse().ok()?);
            return Some(Self { numerator: numerator.parse().ok()?, denominator });
        }
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let numerator: BigInt = [whole, part].concat().parse().ok()?;
        let scale = i32::try_from(part.len()).ok()?.checked_sub(exponent)?;
        Some(match u32::try_from(scale) {
            Ok(scale) => Self { numerator, denominator: Denominator::Ten(scale) },
            Err(_) => {
                Self { numerator: numerator * ten(scale.unsigned_abs()), denominator: Denominator::Ten(0) }
            }
        })
    }

    /// Minus, zero or plus.
    pub fn sign(&self) -> Ordering {
        match self.numerator.sign() {
            Sign::Minus => Ordering::Less,
            Sign::NoSign => Ordering::Equal,
            Sign::Plus => Ordering::Greater,
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// Denominators with nothing in common whose product is too large for a problem.
    pub fn plus(&self, other: &Self) -> anyhow::Result<Self> {
        use Denominator::{Other, Ten, Two};
        let (a, b) = (&self.numerator, &other.numerator);
        // Zero is of no kind: a double plus zero is a double.
        if a.is_zero() || b.is_zero() {
            return Ok(if a.is_zero() { other.clone() } else { self.clone() });
        }
        let (numerator, denominator) = match (&self.denominator, &other.denominator) {
            (Ten(m), Ten(n)) => {
                let scale = *m.max(n);
                (a * ten(scale - m) + b * ten(scale - n), Ten(scale))
            }
            (Two(m), Two(n)) => {
                let scale = *m.max(n);
                ((a << (scale - m)) + (b << (scale - n)), Two(scale))
            }
            (m, n) => {
                let (m, n) = (m.integer(), n.integer());
                // The remainder first: one of them is often small.
                let common = if m >= n { (&m % &n).gcd(&n) } else { m.gcd(&(&n % &m)) };
                let factor = &n / &common;
                let denominator = &m * &factor;
                if denominator.bits() > LARGEST {
                    bail!(
                        "fractions have a common denominator of too many digits, expected fewer different ones"
                    );
                }
                (a * factor + b * (m / common), Other(denominator))
            }
        };
        Ok(Self { numerator, denominator })
    }

    /// The difference, however large its denominator.
    pub fn minus(&self, other: &Self) -> Self {
        let (m, n) = (self.denominator.integer(), other.denominator.integer());
        let numerator = &self.numerator * &n - &other.numerator * &m;
        Self { numerator, denominator: Denominator::Other(m * n) }
    }

    /// The product.
    pub fn times(&self, other: &Self) -> Self {
        use Denominator::{Other, Ten, Two};
        let denominator = match (&self.denominator, &other.denominator) {
            (Ten(m), Ten(n)) => Ten(m + n),
            (Two(m), Two(n)) => Two(m + n),
            (m, n) => Other(m.integer() * n.integer()),
        };
        Self { numerator: &self.numerator * &other.numerator, denominator }
    }

    /// The quotient by a positive number.
    pub fn over(&self, positive: &Self) -> Self {
        use Denominator::{Other, Ten, Two};
        let (a, b) = (&self.numerator, &positive.numerator);
        let (numerator, denominator) = match (&self.denominator, &positive.denominator) {
            (Ten(m), Ten(n)) => (a * ten(n.saturating_sub(*m)), b * ten(m.saturating_sub(*n))),
            (Two(m), Two(n)) => (a << n.saturating_sub(*m), b << m.saturating_sub(*n)),
            (m, n) => (a * n.integer(), b * m.integer()),
        };
        Self { numerator, denominator: Other(denominator) }
    }

    /// Whether it is 1.
    pub fn is_one(&self) -> bool {
        self.numerator == self.denominator.integer()
    }

    /// A double near it.
    pub fn approximate(&self) -> f64 {
        f64::from_rational(&Rational::new_raw(self.numerator.clone(), self.denominator.integer()))
    }

    /// The number with its spelling: a short decimal where it is one, the shortest decimal
    /// of a double where it is that, else text with all its digits or a fraction.
    ///
    /// # Errors
    /// A number beyond doubles or with more digits than a problem takes.
    pub fn number(&self) -> anyhow::Result<Number> {
        let approximate = self.approximate();
        if !approximate.is_finite() {
            bail!("a sum is beyond the range of doubles");
        }
        let json = match &self.denominator {
            Denominator::Ten(scale) => decimal(&self.numerator, *scale),
            Denominator::Two(scale) => self.binary(*scale, approximate),
            Denominator::Other(denominator) => fraction(&self.numerator, denominator),
        };
        if json.len() > 4000 {
            bail!("a sum has more than 4000 digits");
        }
        Ok(Number::with_json(approximate, json))
    }

    /// A fraction over a power of two.
    fn binary(&self, scale: u32, approximate: f64) -> String {
        let is_double = Rational::from_float(approximate)
            .is_some_and(|x| x.numer() << scale == &self.numerator * x.denom());
        if is_double {
            return shown(approximate);
        }
        let spare = self.numerator.trailing_zeros().unwrap_or(0).min(u64::from(scale));
        let numerator = &self.numerator >> spare;
        match u64::from(scale) - spare {
            0 => format!("\"{numerator}\""),
            scale => format!("\"{numerator}/{}\"", BigInt::one() << scale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exact, Number};

    fn exact(text: &str) -> Exact {
        Number::spelled(text).unwrap().exact()
    }

    fn spelled(exact: &Exact) -> String {
        exact.number().unwrap().json()
    }

    #[test]
    fn sums_are_spelled_short_where_that_is_exact() {
        let sum = |a, b| spelled(&exact(a).plus(&exact(b)).unwrap());
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("0.5", "0.5"), "1");
        assert_eq!(sum("1e-7", "1e-8"), "11e-8");
        assert_eq!(sum("1/3", "1/6"), "0.5");
        assert_eq!(sum("1/3", "0.5"), "\"5/6\"");
        assert_eq!(sum("-1/3", "1/3"), "0");
        assert_eq!(sum("100", "-0.25"), "99.75");
        assert_eq!(sum("1", "1e-20"), "\"1.00000000000000000001\"");
    }

    #[test]
    fn doubles_are_spelled_as_doubles() {
        let tenth = Exact::double(0.1);
        assert_eq!(spelled(&tenth), "0.1");
        assert_eq!(spelled(&Exact::zero().plus(&tenth).unwrap()), "0.1");
        assert_eq!(spelled(&tenth.times(&Exact::double(4.0))), "0.4");
        let three = tenth.times(&Exact::double(3.0));
        assert_eq!(spelled(&three), "\"10808639105689191/36028797018963968\"", "no double");
        assert_eq!(spelled(&Exact::double(-0.0)), "0");
        assert_eq!(spelled(&Exact::double(1e300).times(&Exact::double(4.0))), "4e300");
        assert!(Exact::double(1e300).times(&Exact::double(1e300)).number().is_err());
    }

    #[test]
    fn quotients_are_exact() {
        assert_eq!(spelled(&exact("0.3333").over(&exact("0.9999"))), "\"1/3\"");
        assert_eq!(spelled(&Exact::double(0.25).over(&Exact::double(1.0))), "0.25");
        let third = Exact::double(f64::from(0.333_333_34_f32));
        assert_eq!(spelled(&third.over(&third.plus(&third).unwrap())), "0.5");
        assert!(exact("1/3").plus(&exact("2/3")).unwrap().is_one());
    }

    #[test]
    fn unrelated_denominators_do_not_grow_without_bound() {
        let mut sum = Exact::zero();
        let refused = (0..2000).any(|i| {
            match sum.plus(&exact(&format!("1/{}", 1_000_003 + 2 * i))) {
                Ok(more) => sum = more,
                Err(_) => return true,
            }
            false
        });
        assert!(refused);
    }
}
