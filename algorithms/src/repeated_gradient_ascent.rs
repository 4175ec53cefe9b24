//! Repeated gradient ascent on the occupancy.

use std::ops::ControlFlow;

use super::retraining::Deployer;
use super::run::{Run, rewards};
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Entry, Guarantee, Task, build, settings};
use crate::planning::{is_terminal, nearest_occupancy};

settings! {
    /// Repeated gradient ascent \[Mandal2023\]: with `P_t`, `r_t` the environment that
    /// the policy of `d_t` induces,
    /// `d_{t+1} = Proj(d_t + step (r_t - lambda d_t))`, the projection on the
    /// occupancies of `P_t`, not normalised and without terminal states; `d_0` is the
    /// occupancy of the first policy in the environment that it induces.
    pub struct RepeatedGradientAscent {
        /// Step size.
        pub step: f64 = 0.1, "step size, above 0", Range::POSITIVE;
        /// Weight of the quadratic regulariser; 0 for none.
        pub lambda: f64 = 0.1, "weight of the quadratic regulariser, at least 0", Range::NOT_NEGATIVE;
        /// Largest number of steps.
        pub iterations: usize = 100, "largest number of steps, at least 1", Range::AT_LEAST_ONE;
        /// Largest change of a probability and of `d` that counts as none.
        pub tolerance: f64 = 1e-9, "largest change that counts as none, at least 0", Range::NOT_NEGATIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "repeated-gradient-ascent",
    about: "a projected gradient step on the occupancy in each environment induced",
    source: "[Mandal2023]",
    settings: RepeatedGradientAscent::TABLE,
    build: build::<RepeatedGradientAscent>,
};

impl Algorithm for RepeatedGradientAscent {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Contraction
    }

    fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let deployment = Deployer::new(ENTRY.name, task)?;
        let mut policy = deployment.start()?;
        let mut occupancy: Option<Vec<f64>> = None;
        for iteration in 0.. {
            let performance = task.environment.perform(&policy)?;
            let mdp = &performance.mdp;
            let n_actions = mdp.n_actions();
            let current = occupancy.unwrap_or_else(|| {
                let all = &performance.evaluation.occupancy;
                let inside = |i: usize| if is_terminal(mdp, i / n_actions) { 0.0 } else { all[i] };
                (0..all.len()).map(inside).collect()
            });
            run.cost.deployments += 1;
            run.memory = current.clone();
            if let ControlFlow::Break(stop) = run.record(&policy, &performance)? {
                return Ok(stop);
            }
            if let Some(stop) = run.recurrence(self.tolerance) {
                return Ok(stop);
            }
            if iteration == self.iterations {
                break;
            }
            let ascended =
                current.iter().zip(rewards(mdp)).map(|(d, r)| d + self.step * (r - self.lambda * d));
            let next = nearest_occupancy(mdp, &ascended.collect::<Vec<f64>>())?;
            run.cost.solves += next.solves;
            occupancy = Some(next.occupancy);
            drop(performance);
            policy = deployment.policy(next.policy)?;
        }
        Ok(Stop::IterationLimit)
    }
}
