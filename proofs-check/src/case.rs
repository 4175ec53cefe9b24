//! Instances of statements, and the fractions that they are made of.

use pemdp::arithmetic::{Field, Rational, ratio};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// An instance of a statement.
pub trait Case: Clone + Send + Sync {
    /// Small instances at the corners of what is possible.
    fn corners() -> Vec<Self>;

    /// A random instance; `size` grows from 1.
    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self;

    /// Its continuous part, for a search.
    fn coordinates(&self) -> Vec<f64>;

    /// The instance with a continuous part near `x`, in fractions.
    fn moved(&self, x: &[f64]) -> Self;

    /// Instances that are a little simpler.
    fn simpler(&self) -> Vec<Self>;

    /// The instance for a reader and for other programs.
    fn to_json(&self) -> Value;
}

/// A fraction with a short denominator near `x`: ten significant bits, so that
/// exact arithmetic on searched instances stays cheap.
pub fn short_fraction(x: f64) -> Rational {
    if !x.is_finite() || x == 0.0 {
        return Rational::from_integer(0.into());
    }
    let exponent = x.abs().log2().floor() as i32;
    let unit = 2f64.powi(exponent - 10);
    Rational::from_f64((x / unit).round() * unit)
}

/// A random small fraction `n/d` with `|n| <= bound d`.
pub fn random_fraction(rng: &mut impl Rng, bound: i64, denominator: i64) -> Rational {
    ratio(rng.random_range(-bound * denominator..=bound * denominator), denominator)
}
