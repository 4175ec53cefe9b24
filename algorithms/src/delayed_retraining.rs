//! Delayed repeated retraining.

use serde::{Deserialize, Serialize};

use super::Entry;
use super::retraining::{Regulariser, Retraining, Retrains};
use super::settings::{Setting, from_map};

/// Delayed repeated retraining (DRR) \[Rank2024\] in an environment that responds
/// gradually: each policy is deployed for `k` rounds, after each of which the
/// environment is `M_{t+1} = (1-w) M_t + w M(pi_t)`; the next policy is the best
/// response in the last of these. It starts as what the first policy induces.
///
/// An iterate is a policy; its `experienced_value` is that of its last round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DelayedRetraining {
    /// What is maximised in the observed environment.
    pub regulariser: Regulariser,
    /// Weight of the regulariser.
    pub lambda: f64,
    /// Rounds `k` that a policy is deployed.
    pub delay: usize,
    /// Share `w` of the response in the environment after each round: 1 is an
    /// immediate response.
    pub shift: f64,
    /// Trajectories sampled in the last round, as in [`super::FiniteSampleRetraining`];
    /// the environment is observed exactly where none.
    pub trajectories: Option<usize>,
    /// Largest number of retrainings.
    pub iterations: usize,
    /// Largest change of a probability that counts as none.
    pub tolerance: f64,
}

impl Default for DelayedRetraining {
    fn default() -> Self {
        Self {
            regulariser: Regulariser::Quadratic,
            lambda: 0.1,
            delay: 3,
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
    Setting { name: "shift", about: "share of the response in the environment after each round, in (0, 1]" },
    Setting { name: "trajectories", about: "trajectories sampled in the last round; null: observed exactly" },
    Setting { name: "iterations", about: "largest number of retrainings, at least 1" },
    Setting { name: "tolerance", about: "largest change of a probability that counts as none, at least 0" },
];

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "delayed-retraining",
    about: "retrains every k rounds, on the environment of the last (DRR)",
    source: "[Rank2024]",
    settings: SETTINGS,
    build: |settings| Ok(Box::new(from_map::<DelayedRetraining>(settings)?)),
};

impl Retrains for DelayedRetraining {
    const NAME: &'static str = ENTRY.name;

    fn retraining(&self) -> Retraining {
        Retraining {
            algorithm: ENTRY.name,
            regulariser: self.regulariser,
            lambda: self.lambda,
            iterations: self.iterations,
            delay: self.delay,
            growth: None,
            shift: self.shift,
            trajectories: self.trajectories,
            tolerance: self.tolerance,
        }
    }
}
