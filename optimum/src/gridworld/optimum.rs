//! The performative optimum of a gridworld: the best policy found, and a proven
//! upper bound.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::model::{Learner, follower_values};
use super::{GridworldCertificate, SearchSettings, Watch, search, verify};
use crate::build;
use crate::outcome::{Found, Halt};
use crate::{OptimumError, OptimumSettings, OptimumStop, Progress};
use pemdp::arithmetic::rounding::add_up;
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::Structure;
use pemdp::environments::gridworld::{GRID, Gridworld, N_ACTIONS, perturbed_grid};
use pemdp::interrupt::Interrupt;
use pemdp::oracle::examples;
use pemdp::performative::PerformanceError;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};

/// What a certificate is sought with: a second's work.
const COARSE: SearchSettings = SearchSettings { promises: 9, refinement: 8, slack: 6e-3, repairs: 20 };
/// How often a deadline is looked at.
const TICK: Duration = Duration::from_millis(20);

/// A policy to improve on, by whatever means: no proof rests on how it is found.
#[derive(Debug, Clone, Copy)]
pub struct Improvement<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The value of the best policy known.
    pub value: f64,
    /// Its probabilities, `pi(a|s)` at `s A + a`.
    pub policy: &'a [f64],
    /// Whether to go on until the time is up.
    pub persists: bool,
    /// Seed of random choices.
    pub seed: u64,
}

/// The value and the probabilities of the best policy known in the end.
pub type Improved = Result<(f64, Vec<f64>), PerformanceError>;

/// Looks for a better policy. It says the best value now and then, and ends where the
/// answer is to break.
pub type Improve<'a> = dyn Fn(Improvement<'_>, &mut dyn FnMut(f64) -> ControlFlow<()>) -> Improved + 'a;

/// The best policy found for a gridworld with an upper bound over all policies
/// (`docs/theory/gridworld-bound.md`): the certificate of the benchmark where it
/// proves this instance, else one that is sought with few promises, else (stopped,
/// or not found) the value of a learner that nobody overrides. The policy is the best of
/// the problem's own, the best known one of the benchmark, and what improves on these
/// where the bound is not reached. `nodes` are the boxes of the proof.
///
/// # Errors
/// [`OptimumError`] for a policy that cannot be evaluated.
pub(crate) fn gridworld_optimum(
    problem: &Problem,
    settings: &OptimumSettings,
    improve: &Improve<'_>,
    halt: &Halt<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Found, OptimumError> {
    let Structure::Followers(given) = problem.structure() else {
        return Err(OptimumError::NotBounded { kind: problem.environment().kind() });
    };
    let world = given.world::<Interval>(problem.gamma())?;
    let initial = build::initial(problem);
    let (mut value, mut policy) = best_known(problem, is_benchmark(&world))?;
    let bound = upper_bound(&world, &initial, halt);
    let known = |value: f64| Progress { value, upper_bound: bound.upper, nodes: bound.boxes, open: 0 };
    progress(known(value));
    if bound.upper > add_up(value, settings.gap) && !halt.is_over() {
        let persists = settings.budget.is_some();
        let improvement = Improvement { problem, value, policy: &policy, persists, seed: settings.seed };
        (value, policy) = improve(improvement, &mut |value| {
            progress(known(value));
            if halt.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    let reached = bound.upper <= add_up(value, settings.gap);
    let stop = halt.reason().filter(|_| !reached);
    Ok(Found {
        value,
        upper: bound.upper,
        attained: true,
        parameters: policy.clone(),
        policy,
        nodes: bound.boxes,
        stop: stop.unwrap_or(if reached { OptimumStop::Gap } else { OptimumStop::Exhausted }),
        method: bound.method,
    })
}

/// Whether this is the benchmark: `beta` 5, `gamma` 0.9, two followers with `eps` 0.5.
fn is_benchmark(world: &Gridworld<Interval>) -> bool {
    let point = |grid: [f64; GRID.len()]| grid.map(Interval::point).to_vec();
    let grids = [0, 1].map(|seed| point(perturbed_grid(0.5, seed)));
    Gridworld::new(*world.beta(), *world.gamma(), vec![GRID]).is_ok_and(|benchmark| {
        world.beta().approximate() == 5.0
            && world.gamma().approximate() == 0.9
            && world.layout() == benchmark.layout()
            && world.cells() == benchmark.cells()
            && world.intervention_cost() == benchmark.intervention_cost()
            && world.followers() == grids
    })
}

/// Runs what ends when a flag is raised, and raises it in time.
fn limit<R: Send>(halt: &Halt<'_>, work: impl FnOnce(&Interrupt) -> R + Send) -> R {
    let (stop, done) = (Interrupt::new(), AtomicBool::new(false));
    if halt.is_over() {
        stop.raise();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if halt.is_over() {
                    stop.raise();
                }
                std::thread::sleep(TICK);
            }
        });
        let result = work(&stop);
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// An upper bound with its proof's name and size.
struct Upper {
    upper: f64,
    method: &'static str,
    boxes: usize,
}

/// The best of the bounds that are proven in time.
fn upper_bound(world: &Gridworld<Interval>, initial: &[Interval], halt: &Halt<'_>) -> Upper {
    let mean = |values: &[f64]| {
        let terms = initial.iter().zip(values).map(|(p, &w)| *p * Interval::point(w));
        terms.fold(Interval::point(0.0), |sum, term| sum + term).upper()
    };
    let unhindered =
        Upper { upper: mean(&unhindered(world)), method: "a learner that nobody overrides", boxes: 0 };
    // Every start is bounded at once: the distribution only weighs the values.
    let n_states = world.layout().n_states();
    let uniform = vec![1.0 / n_states as f64; n_states];
    let proven = limit(halt, |stop| {
        let watch = Watch { interrupt: Some(stop), progress: None };
        let known = GridworldCertificate::benchmark().ok().filter(|_| is_benchmark(world));
        known
            .and_then(|certificate| verify(world, &uniform, &certificate, &watch).ok())
            .or_else(|| search(world, &uniform, &COARSE, &watch).ok().map(|(_, proven)| proven))
    });
    let Some(proven) = proven else { return unhindered };
    let upper = mean(&proven.by_state);
    if upper >= unhindered.upper {
        return unhindered;
    }
    Upper {
        upper,
        method: "promises to the mean follower",
        boxes: usize::try_from(proven.boxes).unwrap_or(usize::MAX),
    }
}

/// Upper bounds of the values of a learner that chooses every move: each induced
/// environment mixes moves, so no policy has more. That learner is a follower on the
/// learner's own grid against a policy that obliges it.
fn unhindered(world: &Gridworld<Interval>) -> Vec<f64> {
    let cost = *world.intervention_cost();
    follower_values(world.layout(), world.cells(), *world.gamma(), cost, Learner::Obliging)
        .iter()
        .map(Interval::upper)
        .collect()
}

/// The better of the problem's policy and the best one known for the benchmark.
fn best_known(problem: &Problem, is_benchmark: bool) -> Result<(f64, Vec<f64>), OptimumError> {
    let model = problem.model::<f64>()?;
    let mut known: Vec<Policy<f64>> = vec![problem.deployed_policy()?];
    if is_benchmark && let Some(example) = examples::example("gridworld-best") {
        let best = Problem::from_json(&example.to_json(), Reading::Doubles);
        if let Ok(best) = best {
            known.push(best.deployed_policy()?);
        }
    }
    let mut best = (f64::NEG_INFINITY, Vec::new());
    for policy in &known {
        let value = model.evaluate(policy)?.value;
        if value > best.0 {
            let pi = |i: usize| *policy.probability(i / N_ACTIONS, i % N_ACTIONS);
            best = (value, (0..problem.n_states() * N_ACTIONS).map(pi).collect());
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the cell left of the end one move pays 1; further away each step costs.
    #[test]
    fn the_unhindered_value_is_that_of_the_best_path() {
        let world = Gridworld::new(Interval::point(5.0), Interval::from_ratio(9, 10), vec![GRID]).unwrap();
        let values = unhindered(&world);
        assert!((values[62] - 1.0).abs() < 1e-12 && (values[55] - 1.0).abs() < 1e-12);
        assert!((values[54] - 0.89).abs() < 1e-12, "{}", values[54]);
        let mean = (0..64).filter(|s| s / 8 == 0 || s % 8 == 0).map(|s| values[s]).sum::<f64>() / 15.0;
        assert!((mean - 0.277).abs() < 1e-3, "{mean}");
    }
}
