//! Better policies of a gridworld than the one known.

use std::ops::ControlFlow;

use super::run::probabilities;
use super::{Algorithm, AlgorithmError, BasinHopping, Pepg, Stop, Task, solve};
use pemdp::environments::Structure;
use pemdp::environments::gridworld::N_ACTIONS;
use pemdp::performative::PerformanceError;
use pemdp::policy::Policy;
use pemdp::problem::Problem;

/// The temperatures of ascent.
const SMOOTHING: (f64, f64) = (1e-2, 1e-5);
/// The weight of the uniform policy in what basin hopping starts from: every logit is
/// finite.
const UNIFORM: f64 = 1e-6;

/// The probabilities of a policy, `pi(a|s)` at `s A + a`, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `J(pi)`.
    pub value: f64,
    /// `pi`.
    pub policy: Vec<f64>,
}

/// The best of a known policy of a gridworld and those that ascent from the uniform
/// policy and from the benchmark's start meets; where it `persists`, also of those that
/// basin hopping from the best of these meets until it is ended. `watch` sees the best
/// value at every iterate, and ends the search.
///
/// # Errors
/// [`PerformanceError`] for a policy that cannot be evaluated.
pub fn improved(
    problem: &Problem,
    known: Candidate,
    persists: bool,
    seed: u64,
    watch: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Candidate, PerformanceError> {
    let mut search = Search { problem, seed, watch, best: known, is_over: false };
    let ascent = Pepg {
        smoothing: Some(SMOOTHING.0),
        smoothing_end: SMOOTHING.1,
        entropy: Some(0.0),
        ..Pepg::default()
    };
    search.run(&ascent, vec![1.0 / N_ACTIONS as f64; problem.n_states() * N_ACTIONS])?;
    if let Structure::Followers(given) = problem.structure() {
        search.run(&ascent, given.world::<f64>(problem.gamma())?.eps_greedy_policy()?)?;
    }
    if persists {
        let hopping = BasinHopping { iterations: usize::MAX, ..BasinHopping::default() };
        let mixed = |p: &f64| (1.0 - UNIFORM) * p + UNIFORM / N_ACTIONS as f64;
        let start = search.best.policy.iter().map(mixed).collect();
        search.run(&hopping, start)?;
    }
    Ok(search.best)
}

struct Search<'a> {
    problem: &'a Problem,
    seed: u64,
    watch: &'a mut dyn FnMut(f64) -> ControlFlow<()>,
    best: Candidate,
    is_over: bool,
}

impl Search<'_> {
    fn run(&mut self, algorithm: &dyn Algorithm, start: Vec<f64>) -> Result<(), PerformanceError> {
        if self.is_over {
            return Ok(());
        }
        let start = Policy::probabilities(self.problem.n_states(), N_ACTIONS, start)?;
        let task = Task {
            environment: self.problem.model()?,
            tangent: self.problem.model()?,
            comparator: Some(start.clone()),
            start,
            keeps_parameters: false,
        };
        let mut best = self.best.value;
        let found = solve(algorithm, &task, self.seed, &mut |iterate| {
            best = best.max(iterate.value);
            (self.watch)(best)
        });
        match found {
            Ok(found) => {
                self.is_over = found.stop == Stop::Interrupted;
                let value = found.best().map_or(f64::NEG_INFINITY, |iterate| iterate.value);
                if value > self.best.value {
                    self.best = Candidate { value, policy: probabilities(&found.best_policy).collect() };
                }
                Ok(())
            }
            Err(AlgorithmError::Performance(error)) => Err(error),
            // A start that an algorithm does not take is no policy found.
            Err(_) => Ok(()),
        }
    }
}
