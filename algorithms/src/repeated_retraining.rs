//! Repeated retraining.

use serde::{Deserialize, Serialize};

use super::Entry;
use super::retraining::{Regulariser, Retraining, Retrains};
use super::settings::{Setting, from_map};

/// Repeated retraining \[Mandal2023\]: `pi_{t+1}` is the best response, with a
/// regulariser, in the environment that `pi_t` induces, observed exactly. Its fixed
/// points are the stable policies, which need not be good ones.
///
/// With `shift` below 1 the environment responds gradually \[Rank2024\]: it is
/// `M_{t+1} = (1-w) M_t + w M(pi_t)` when `pi_{t+1}` is trained, and starts as what
/// the first policy induces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepeatedRetraining {
    /// What is maximised in the observed environment.
    pub regulariser: Regulariser,
    /// Weight of the regulariser.
    pub lambda: f64,
    /// Share `w` of the response in the environment after each round: 1 is an
    /// immediate response.
    pub shift: f64,
    /// Largest number of retrainings.
    pub iterations: usize,
    /// Largest change of a probability that counts as none.
    pub tolerance: f64,
}

impl Default for RepeatedRetraining {
    fn default() -> Self {
        Self { regulariser: Regulariser::None, lambda: 0.1, shift: 1.0, iterations: 100, tolerance: 1e-9 }
    }
}

const SETTINGS: &[Setting] = &[
    Setting { name: "regulariser", about: "none, quadratic or entropy" },
    Setting { name: "lambda", about: "weight of the regulariser, above 0" },
    Setting { name: "shift", about: "share of the response in the environment after each round, in (0, 1]" },
    Setting { name: "iterations", about: "largest number of retrainings, at least 1" },
    Setting { name: "tolerance", about: "largest change of a probability that counts as none, at least 0" },
];

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "repeated-retraining",
    about: "deploys the best response in the environment that the policy before induced",
    source: "[Mandal2023]",
    settings: SETTINGS,
    build: |settings| Ok(Box::new(from_map::<RepeatedRetraining>(settings)?)),
};

impl Retrains for RepeatedRetraining {
    const NAME: &'static str = ENTRY.name;

    fn retraining(&self) -> Retraining {
        Retraining {
            algorithm: ENTRY.name,
            regulariser: self.regulariser,
            lambda: self.lambda,
            iterations: self.iterations,
            delay: 1,
            growth: None,
            shift: self.shift,
            trajectories: None,
            tolerance: self.tolerance,
        }
    }
}
