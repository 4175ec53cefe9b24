//! Mixed delayed repeated retraining.

use serde::{Deserialize, Serialize};

use super::Entry;
use super::retraining::{Regulariser, Retraining, Retrains};
use super::settings::{Setting, from_map};

/// Mixed delayed repeated retraining (MDRR) \[Rank2024\]: as
/// [`super::DelayedRetraining`], but trained on the samples of all `k` rounds,
/// those of round `j` weighted `v^j`.
///
/// Observed exactly, which is the limit of many samples, `P(.|s,a)` and `r(s,a)` of
/// the model are the means of those of the rounds with weights `v^j d_j[s,a]`, `d_j`
/// the occupancy in round `j`; a pair that no round visits is as in the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MixedDelayedRetraining {
    /// What is maximised in the observed environment.
    pub regulariser: Regulariser,
    /// Weight of the regulariser.
    pub lambda: f64,
    /// Rounds `k` that a policy is deployed.
    pub delay: usize,
    /// How much more a round counts than the one before.
    pub v: f64,
    /// Share `w` of the response in the environment after each round: 1 is an
    /// immediate response.
    pub shift: f64,
    /// Trajectories sampled in each round, as in [`super::FiniteSampleRetraining`];
    /// the environment is observed exactly where none.
    pub trajectories: Option<usize>,
    /// Largest number of retrainings.
    pub iterations: usize,
    /// Largest change of a probability that counts as none.
    pub tolerance: f64,
}

impl Default for MixedDelayedRetraining {
    fn default() -> Self {
        Self {
            regulariser: Regulariser::Quadratic,
            lambda: 0.1,
            delay: 3,
            v: 1.1,
            shift: 0.5,
            trajectories: None,
            iterations: 100,
            tolerance: 1e-9,
        }
    }
}

const SETTINGS: &[Setting] = &[
    Setting { name: "regulariser", about: "none, quadratic or entropy" },
    Setting { name: "lambda", about: "weight of the regulariser, above 0" },
    Setting { name: "delay", about: "rounds that a policy is deployed, at least 1" },
    Setting { name: "v", about: "how much more a round counts than the one before, above 1" },
    Setting { name: "shift", about: "share of the response in the environment after each round, in (0, 1]" },
    Setting { name: "trajectories", about: "trajectories sampled in each round; null: observed exactly" },
    Setting { name: "iterations", about: "largest number of retrainings, at least 1" },
    Setting { name: "tolerance", about: "largest change of a probability that counts as none, at least 0" },
];

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "mixed-delayed-retraining",
    about: "retrains every k rounds, on all of them, the later ones weighted more (MDRR)",
    source: "[Rank2024]",
    settings: SETTINGS,
    build: |settings| Ok(Box::new(from_map::<MixedDelayedRetraining>(settings)?)),
};

impl Retrains for MixedDelayedRetraining {
    const NAME: &'static str = ENTRY.name;

    fn retraining(&self) -> Retraining {
        Retraining {
            algorithm: ENTRY.name,
            regulariser: self.regulariser,
            lambda: self.lambda,
            iterations: self.iterations,
            delay: self.delay,
            growth: Some(self.v),
            shift: self.shift,
            trajectories: self.trajectories,
            tolerance: self.tolerance,
        }
    }
}
