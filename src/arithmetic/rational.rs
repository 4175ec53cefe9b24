//! Exact fractions.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::euclid::gcd;
use super::{Field, Rational};
use crate::linear::PadicInverse;

impl Field for Rational {
    const ROW_SUM_TOLERANCE: f64 = 0.0;
    const UNKNOWN_ERROR: f64 = 0.0;
    type Factorisation = PadicInverse;

    #[allow(clippy::expect_used)] // the documented precondition of `from_f64`
    fn from_f64(x: f64) -> Self {
        Rational::from_float(x).expect("a finite double")
    }

    fn from_rational(q: &Rational) -> Self {
        q.clone()
    }

    fn approximate(&self) -> f64 {
        self.to_f64().unwrap_or(f64::NAN)
    }

    fn sign(&self) -> Option<Ordering> {
        Some(self.cmp(&Rational::zero()))
    }

    fn widened(self, _slack: f64) -> Self {
        self
    }

    fn magnitude(&self) -> f64 {
        // The conversion rounds to nearest; one step up is an upper bound.
        self.abs().approximate().next_up()
    }

    /// Over one common denominator, reduced once: solutions of one system share
    /// most of theirs, and reducing every partial sum would cost far more.
    fn sum_of_products<'a>(pairs: impl Iterator<Item = (&'a Self, &'a Self)>) -> Self {
        let terms: Vec<(BigInt, BigInt)> = pairs
            .filter(|(x, y)| !x.is_zero() && !y.is_zero())
            .map(|(x, y)| (x.numer() * y.numer(), x.denom() * y.denom()))
            .collect();
        let common = common_denominator(terms.iter().map(|(_, denominator)| denominator));
        let mut sum = BigInt::zero();
        for (numerator, denominator) in terms {
            sum += if denominator == common { numerator } else { numerator * (&common / denominator) };
        }
        cancelled(sum, common)
    }

    fn power(&self, exponent: i64) -> Self {
        match i32::try_from(exponent) {
            Ok(exponent) => self.pow(exponent),
            Err(_) => num_traits::pow(self.clone(), exponent.unsigned_abs() as usize),
        }
    }
}

/// The greatest common divisor, positive.
pub(crate) fn divisor(x: &BigInt, y: &BigInt) -> BigInt {
    gcd(x.magnitude(), y.magnitude()).into()
}

/// `numerator / denominator` in lowest terms; the denominator is positive.
pub(crate) fn cancelled(numerator: BigInt, denominator: BigInt) -> Rational {
    if denominator.is_one() {
        return Rational::from_integer(numerator);
    }
    let common = divisor(&numerator, &denominator);
    if common.is_one() {
        return Rational::new_raw(numerator, denominator);
    }
    Rational::new_raw(numerator / &common, denominator / common)
}

/// The least common multiple of positive denominators.
pub(crate) fn common_denominator<'a>(denominators: impl Iterator<Item = &'a BigInt>) -> BigInt {
    let mut common = BigInt::one();
    for denominator in denominators {
        if *denominator == common || (&common % denominator).is_zero() {
            continue;
        }
        let shared = divisor(&common, denominator);
        common *= denominator / shared;
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_and_nothing_is_widened() {
        let third = Rational::new((-1).into(), 3.into());
        assert!(third.magnitude() > 1.0 / 3.0 && third.magnitude() < 0.334);
        assert_eq!(third.clone().widened(0.5), third);
    }

    #[test]
    fn common_denominators_are_the_least() {
        let common = |denominators: &[i64]| {
            let denominators: Vec<BigInt> = denominators.iter().map(|&d| d.into()).collect();
            common_denominator(denominators.iter())
        };
        assert_eq!(common(&[6, 4, 12, 3]), 12.into());
        assert_eq!(common(&[4, 6, 6, 1]), 12.into());
        assert_eq!(common(&[]), 1.into());
    }
}
