//! Doubles.

use std::cmp::Ordering;

use num_traits::ToPrimitive;

use super::{Field, Rational, Transcendental};
use crate::linear::Lu;

impl Field for f64 {
    const ROW_SUM_TOLERANCE: f64 = 1e-9;
    const UNKNOWN_ERROR: f64 = 1e-12;
    type Factorisation = Lu;

    #[inline]
    fn from_f64(x: f64) -> Self {
        x
    }

    fn from_rational(q: &Rational) -> Self {
        q.to_f64().unwrap_or(f64::NAN)
    }

    #[inline]
    fn approximate(&self) -> f64 {
        *self
    }

    #[inline]
    fn sign(&self) -> Option<Ordering> {
        self.partial_cmp(&0.0)
    }

    #[inline]
    fn widened(self, _slack: f64) -> Self {
        self
    }

    #[inline]
    fn magnitude(&self) -> f64 {
        self.abs()
    }
}

impl Transcendental for f64 {
    fn exp(&self) -> Self {
        f64::exp(*self)
    }

    fn ln(&self) -> Self {
        f64::ln(*self)
    }

    fn sqrt(&self) -> Self {
        f64::sqrt(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_no_width() {
        assert_eq!(([2.5, -2.5].map(|x: f64| x.magnitude()), 2.5.widened(1.0)), ([2.5, 2.5], 2.5));
        assert_eq!([-3, 0, 3].map(|k| 2f64.power(k)), [0.125, 1.0, 8.0]);
    }
}
