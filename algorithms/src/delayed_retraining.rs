//! Delayed repeated retraining.

use super::retraining::{Regulariser, Retraining, Retrains, SHARE};
use super::settings::{Range, Settings};
use super::{Entry, build, settings};

settings! {
    /// Delayed repeated retraining (DRR) \[Rank2024\] in an environment that responds
    /// gradually: each policy is deployed for `k` rounds, after each of which the
    /// environment is `M_{t+1} = (1-w) M_t + w M(pi_t)`; the next policy is the best
    /// response in the last of these. It starts as what the first policy induces.
    ///
    /// An iterate is a policy; its `experienced_value` is that of its last round.
    pub struct DelayedRetraining {
        /// What is maximised in the observed environment.
        pub regulariser: Regulariser = Regulariser::Quadratic, "none, quadratic or entropy";
        /// Weight of the regulariser.
        pub lambda: f64 = 0.1, "weight of the regulariser, above 0";
        /// Rounds `k` that a policy is deployed.
        pub delay: usize = 3, "rounds that a policy is deployed, at least 1", Range::AT_LEAST_ONE;
        /// Share `w` of the response in the environment after each round: 1 is an
        /// immediate response.
        pub shift: f64 = 0.5, "share of the response in the environment after each round, in (0, 1]", SHARE;
        /// Trajectories sampled in the last round, as in [`super::FiniteSampleRetraining`];
        /// the environment is observed exactly where none.
        pub trajectories: Option<usize> = None,
            "trajectories sampled in the last round; null: observed exactly", Range::AT_LEAST_ONE;
        /// Largest number of retrainings.
        pub iterations: usize = 100, "largest number of retrainings, at least 1", Range::AT_LEAST_ONE;
        /// Largest change of a probability that counts as none.
        pub tolerance: f64 = 1e-9,
            "largest change of a probability that counts as none, at least 0", Range::NOT_NEGATIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "delayed-retraining",
    about: "retrains every k rounds, on the environment of the last (DRR)",
    source: "[Rank2024]",
    settings: DelayedRetraining::TABLE,
    build: build::<DelayedRetraining>,
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
