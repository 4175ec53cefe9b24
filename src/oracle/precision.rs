//! How many digits an answer may take.

use crate::problem::Problem;

/// Bits of the centres of balls, one after the other until the bounds are small. The
/// last ones hold any difference of doubles, and of products of two; and the longest
/// numerals.
pub(super) const LADDER: [u64; 5] = [256, 1024, 1536, 4608, 16384];
/// So many tell apart what probabilities of 1e-300 and more make different.
pub(super) const TIES: u64 = 1536;

/// Nanoseconds that one attempt may take, about.
const BUDGET: f64 = 2e9;

/// What an attempt takes: elimination takes `S^3/3` products, each exponential and
/// logarithm some hundreds.
pub(super) struct Cost {
    products: f64,
    exponentials: f64,
}

impl Cost {
    /// That of a problem.
    pub(super) fn of(problem: &Problem) -> Self {
        let (n, width) = (problem.n_states() as f64, problem.n_actions() as f64);
        let work = problem.environment().work(problem.given());
        let is_rational = problem.policy().is_rational() && problem.entropy().is_zero();
        let of_policy = if is_rational { 0.0 } else { n * width };
        let products = work.systems * (n * n * n / 3.0 + 8.0 * n * n) + 8.0 * n * width * n;
        Self { products, exponentials: work.exponentials + of_policy }
    }

    /// Whether an attempt with so many bits ends in a second or two.
    pub(super) fn is_affordable(&self, bits: u64) -> bool {
        let words = bits as f64 / 64.0;
        // A product, as measured; and what an exponential takes of them.
        let product = 120.0 + 6.0 * words.powf(1.6);
        let exponential = 40.0 + 4.0 * (bits as f64).sqrt();
        (self.products + self.exponentials * exponential) * product <= BUDGET
    }
}

#[cfg(test)]
mod tests;
