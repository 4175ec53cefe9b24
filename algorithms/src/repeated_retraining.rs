//! Repeated retraining.

use super::retraining::{Regulariser, Retraining, Retrains, SHARE};
use super::settings::{Range, Settings};
use super::{Entry, build, settings};

settings! {
    /// Repeated retraining \[Mandal2023\]: `pi_{t+1}` is the best response, with a
    /// regulariser, in the environment that `pi_t` induces, observed exactly. Its fixed
    /// points are the stable policies, which need not be good ones.
    ///
    /// With `shift` below 1 the environment responds gradually \[Rank2024\]: it is
    /// `M_{t+1} = (1-w) M_t + w M(pi_t)` when `pi_{t+1}` is trained, and starts as what
    /// the first policy induces.
    pub struct RepeatedRetraining {
        /// What is maximised in the observed environment.
        pub regulariser: Regulariser = Regulariser::None, "none, quadratic or entropy";
        /// Weight of the regulariser.
        pub lambda: f64 = 0.1, "weight of the regulariser, above 0";
        /// Share `w` of the response in the environment after each round: 1 is an
        /// immediate response.
        pub shift: f64 = 1.0, "share of the response in the environment after each round, in (0, 1]", SHARE;
        /// Largest number of retrainings.
        pub iterations: usize = 100, "largest number of retrainings, at least 1", Range::AT_LEAST_ONE;
        /// Largest change of a probability that counts as none.
        pub tolerance: f64 = 1e-9,
            "largest change of a probability that counts as none, at least 0", Range::NOT_NEGATIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "repeated-retraining",
    about: "deploys the best response in the environment that the policy before induced",
    source: "[Mandal2023]",
    settings: RepeatedRetraining::TABLE,
    build: build::<RepeatedRetraining>,
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
