//! How an optimum is looked for.

use std::time::Duration;

/// How an optimum is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimumSettings {
    /// Stops when the upper bound exceeds the value by at most this.
    pub gap: f64,
    /// Or by at most this share of the largest value that the rewards allow,
    /// `max |r| / (1 - gamma)`.
    pub relative_gap: f64,
    /// Parameters of exponential families lie in `[-bound, bound]`; without a bound
    /// they are any numbers, limits included, but with entropy or rewards that grow
    /// without bound in `[-3, 3]`.
    pub bound: Option<f64>,
    /// Uses this time for a better policy or bound, and stops with the gap reached.
    pub budget: Option<Duration>,
    /// Without a budget, stops after this time where nothing else ends the search.
    pub patience: Option<Duration>,
    /// Branch and bound stops when so many cells are open.
    pub open_cells: usize,
    /// Random starts of its ascent.
    pub starts: usize,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for OptimumSettings {
    fn default() -> Self {
        Self {
            gap: 1e-6,
            relative_gap: 1e-12,
            bound: None,
            budget: None,
            patience: None,
            open_cells: 4_000_000,
            starts: 8,
            seed: 0,
        }
    }
}
