//! Repeated retraining from samples.

use super::retraining::{Regulariser, Retraining, Retrains};
use super::settings::{Range, Settings};
use super::{Entry, build, settings};

settings! {
    /// Repeated retraining from finite samples (RPO-FS) \[Mandal2023\]: in each round the
    /// model is estimated from trajectories of the deployed policy in the environment
    /// that it induces, and the best response in the model is deployed next.
    ///
    /// A trajectory goes on after each step with probability `gamma` and ends in
    /// terminal states (absorbing, reward 0), so that pairs are visited in proportion
    /// to the discounted occupancy. `rho`, `gamma` and the terminal states are known;
    /// a step pays `r[s,a]`. A pair that was never tried counts as staying for ever at
    /// the smallest reward seen (at most 0), less `lambda/(1-gamma)`: so bad that it is
    /// not taken where something was tried (with entropy: hardly ever).
    pub struct FiniteSampleRetraining {
        /// Trajectories sampled for each retraining.
        pub trajectories: usize = 100,
            "trajectories sampled for each retraining, at least 1", Range::AT_LEAST_ONE;
        /// What is maximised in the observed environment.
        pub regulariser: Regulariser = Regulariser::Quadratic, "none, quadratic or entropy";
        /// Weight of the regulariser.
        pub lambda: f64 = 0.1, "weight of the regulariser, above 0";
        /// Largest number of retrainings.
        pub iterations: usize = 100, "largest number of retrainings, at least 1", Range::AT_LEAST_ONE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "finite-sample-retraining",
    about: "repeated retraining in models estimated from sampled trajectories (RPO-FS)",
    source: "[Mandal2023]",
    settings: FiniteSampleRetraining::TABLE,
    build: build::<FiniteSampleRetraining>,
};

impl Retrains for FiniteSampleRetraining {
    const NAME: &'static str = ENTRY.name;

    fn retraining(&self) -> Retraining {
        Retraining {
            algorithm: ENTRY.name,
            regulariser: self.regulariser,
            lambda: self.lambda,
            iterations: self.iterations,
            delay: 1,
            growth: None,
            shift: 1.0,
            trajectories: Some(self.trajectories),
            tolerance: 0.0,
        }
    }
}
