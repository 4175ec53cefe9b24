//! Exact fractions.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

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
        let (mut numerator, mut common) = (BigInt::zero(), BigInt::one());
        for (x, y) in pairs.filter(|(x, y)| !x.is_zero() && !y.is_zero()) {
            let denominator = x.denom() * y.denom();
            if !common.is_multiple_of(&denominator) {
                let larger = common.lcm(&denominator);
                numerator *= &larger / common;
                common = larger;
            }
            numerator += x.numer() * y.numer() * (&common / denominator);
        }
        Self::new(numerator, common)
    }

    fn power(&self, exponent: i64) -> Self {
        match i32::try_from(exponent) {
            Ok(exponent) => self.pow(exponent),
            Err(_) => num_traits::pow(self.clone(), exponent.unsigned_abs() as usize),
        }
    }
}
