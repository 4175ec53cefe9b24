//! Mixed delayed repeated retraining.

use super::retraining::{Regulariser, Retraining, Retrains, SHARE};
use super::settings::{Range, Settings};
use super::{Entry, build, settings};

settings! {
    /// Mixed delayed repeated retraining (MDRR) \[Rank2024\]: as
    /// [`super::DelayedRetraining`], but trained on the samples of all `k` rounds,
    /// those of round `j` weighted `v^j`.
    ///
    /// Observed exactly, which is the limit of many samples, `P(.|s,a)` and `r(s,a)` of
    /// the model are the means of those of the rounds with weights `v^j d_j[s,a]`, `d_j`
    /// the occupancy in round `j`; a pair that no round visits is as in the last.
    pub struct MixedDelayedRetraining {
        /// What is maximised in the observed environment.
        pub regulariser: Regulariser = Regulariser::Quadratic, "none, quadratic or entropy";
        /// Weight of the regulariser.
        pub lambda: f64 = 0.1, "weight of the regulariser, above 0";
        /// Rounds `k` that a policy is deployed.
        pub delay: usize = 3, "rounds that a policy is deployed, at least 1", Range::AT_LEAST_ONE;
        /// How much more a round counts than the one before.
        pub v: f64 = 1.1,
            "how much more a round counts than the one before, above 1",
            Range::new(
                |v: f64| v > 1.0 && v.is_finite(),
                "a number above 1, so that later rounds count more",
            );
        /// Share `w` of the response in the environment after each round: 1 is an
        /// immediate response.
        pub shift: f64 = 0.5, "share of the response in the environment after each round, in (0, 1]", SHARE;
        /// Trajectories sampled in each round, as in [`super::FiniteSampleRetraining`];
        /// the environment is observed exactly where none.
        pub trajectories: Option<usize> = None,
            "trajectories sampled in each round; null: observed exactly", Range::AT_LEAST_ONE;
        /// Largest number of retrainings.
        pub iterations: usize = 100, "largest number of retrainings, at least 1", Range::AT_LEAST_ONE;
        /// Largest change of a probability that counts as none.
        pub tolerance: f64 = 1e-9,
            "largest change of a probability that counts as none, at least 0", Range::NOT_NEGATIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "mixed-delayed-retraining",
    about: "retrains every k rounds, on all of them, the later ones weighted more (MDRR)",
    source: "[Rank2024]",
    settings: MixedDelayedRetraining::TABLE,
    build: build::<MixedDelayedRetraining>,
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
