//! Performative optima with a certified gap.
//!
//! Every upper bound is a theorem of `docs/theory/optima.md`, rounded outward.

use std::sync::atomic::{self, AtomicBool};
use std::time::{Duration, Instant};

use num_traits::{One, Zero};
use thiserror::Error;

use super::build;
use super::gridworld::gridworld_optimum;
use super::rectangular::Rectangular;
use super::search::Search;
use crate::arithmetic::rounding::add_up;
use crate::arithmetic::{Ball, Field, Interval, Rational};
use crate::mdp::ModelError;
use crate::oracle::{EnvironmentSpec, Numeral, Problem};
use crate::performative::PerformanceError;
use crate::policy::Policy;

/// Why there is no optimum.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimumError {
    /// The problem is too large.
    #[error("{n_states} states and {n_actions} actions, expected at most 64 and 16")]
    Size {
        /// States.
        n_states: usize,
        /// Actions.
        n_actions: usize,
    },
    /// The bounds are those of the value without entropy.
    #[error("entropy is not bounded here, expected 0")]
    Entropy,
    /// The environment is a point, or has no bounds here.
    #[error(
        "environment {kind} has no bounds, expected fixed, affine, loan, coin, exponential-family or gridworld"
    )]
    NotBounded {
        /// Its kind.
        kind: &'static str,
    },
    /// The rounding of the numbers makes a transition negative for some policy.
    #[error(
        "P(t={next}|s={state},a={action}) falls to {value:e}, expected at least 0 for every policy; \
         fractions as strings avoid rounding"
    )]
    NegativeTransition {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
        /// The next state.
        next: usize,
        /// Its smallest probability.
        value: f64,
    },
    /// The bound of the parameters is none, or so large that weights overflow.
    #[error("bound {bound}, expected a positive number of at most 300")]
    Bound {
        /// The value.
        bound: f64,
    },
    /// The gap is none.
    #[error("gap {gap}, expected a number of at least 0")]
    Gap {
        /// The value.
        gap: f64,
    },
    /// The parts of the problem do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The reported policy cannot be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
}

/// How an optimum is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimumSettings {
    /// Stops when the upper bound exceeds the value by at most this.
    pub gap: f64,
    /// Parameters of exponential families lie in `[-bound, bound]`; without a bound
    /// they are any numbers, limits included.
    pub bound: Option<f64>,
    /// Stops after this time, with the gap reached.
    pub budget: Option<Duration>,
    /// Branch and bound stops when so many cells are open.
    pub open_cells: usize,
    /// Random starts of its ascent.
    pub starts: usize,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for OptimumSettings {
    fn default() -> Self {
        Self { gap: 1e-6, bound: None, budget: None, open_cells: 4_000_000, starts: 8, seed: 0 }
    }
}

/// Why the search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimumStop {
    /// The gap is as small as asked.
    Gap,
    /// No cell can be improved.
    Exhausted,
    /// The time is up.
    Budget,
    /// Too many cells are open.
    Memory,
    /// The flag was raised.
    Interrupted,
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The best value found.
    pub value: f64,
    /// The upper bound.
    pub upper_bound: f64,
    /// Cells bounded.
    pub nodes: usize,
    /// Cells open.
    pub open: usize,
}

/// A performative optimum with its certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformativeOptimum {
    /// A lower bound of the value of `policy`; where it is not attained, of the
    /// limit.
    pub value: f64,
    /// No policy of the domain has a larger value.
    pub upper_bound: f64,
    /// `upper_bound - value`, rounded up.
    pub gap: f64,
    /// Whether the gap is as small as asked.
    pub certified: bool,
    /// Whether `policy` has finite parameters; if not, it is the limit of policies
    /// whose parameters go to `parameters`.
    pub attained: bool,
    /// What the maximum is over.
    pub domain: String,
    /// `pi(a|s)` at `s A + a`.
    pub policy: Vec<f64>,
    /// `theta[s,a]`, possibly infinite; the probabilities themselves where the
    /// domain is all policies. An action of probability 1 with an infinite parameter
    /// is one whose others fall faster.
    pub parameters: Vec<f64>,
    /// How it was found.
    pub method: &'static str,
    /// Cells bounded.
    pub nodes: usize,
    /// Why the search ended.
    pub stop: OptimumStop,
}

/// The performative optimum of a problem: the best value of any policy in the
/// environment that it induces, over a stated domain.
///
/// Environments that are affine in the policy (`fixed`, `affine`, `loan`): all
/// policies, by branch and bound. Exponential families: all parameters with their
/// limits, or a box of them, by dynamic programming. The coin: its closed form. The
/// gridworld: a policy and a bound far apart.
///
/// # Errors
/// [`OptimumError`] for problems that are not bounded here, with the reason.
///
/// ```
/// use pemdp::optimum::{OptimumSettings, performative_optimum};
/// use pemdp::oracle::{Problem, Reading, examples};
/// let json = examples::example("loan").map(|e| e.to_json()).unwrap_or_default();
/// let problem = Problem::from_json(&json, Reading::Doubles)?;
/// let optimum = performative_optimum(&problem, &OptimumSettings::default())?;
/// // p = 1/4 earns 1/16 a step.
/// assert!(optimum.value <= 0.125 && 0.125 <= optimum.upper_bound && optimum.gap <= 1e-6);
/// assert!((optimum.policy[0] - 0.25).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn performative_optimum(
    problem: &Problem,
    settings: &OptimumSettings,
) -> Result<PerformativeOptimum, OptimumError> {
    performative_optimum_with(problem, settings, &AtomicBool::new(false), &mut |_| {})
}

/// The same, ended early by a flag, reporting its progress.
///
/// # Errors
/// As [`performative_optimum`].
pub fn performative_optimum_with(
    problem: &Problem,
    settings: &OptimumSettings,
    interrupt: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<PerformativeOptimum, OptimumError> {
    if settings.gap.is_nan() || settings.gap < 0.0 {
        return Err(OptimumError::Gap { gap: settings.gap });
    }
    if !problem.entropy.is_zero() {
        return Err(OptimumError::Entropy);
    }
    let halt = Halt { interrupt, start: Instant::now(), budget: settings.budget };
    match &problem.environment {
        EnvironmentSpec::Coin { mu, epsilon } => {
            Ok(reported(coin(problem, &mu.exact(), &epsilon.exact()), settings, ALL_POLICIES.to_owned()))
        }
        EnvironmentSpec::ExponentialFamily { .. } => {
            let family = Rectangular::new(problem, settings.bound)?;
            Ok(reported(family.search(settings.gap, &halt, progress), settings, family.domain()))
        }
        EnvironmentSpec::Gridworld { .. } => {
            let mut found = gridworld_optimum(problem, settings, &halt, progress)?;
            found.value = evaluated(problem, &found.policy)?;
            Ok(reported(found, settings, ALL_POLICIES.to_owned()))
        }
        _ => {
            let model = build::model(problem)?;
            let mut found = Search::new(&model, settings).run(&halt, progress);
            found.value = evaluated(problem, &found.policy)?;
            Ok(reported(found, settings, ALL_POLICIES.to_owned()))
        }
    }
}

const ALL_POLICIES: &str = "all policies";

/// What ends a search early.
pub(super) struct Halt<'a> {
    pub interrupt: &'a AtomicBool,
    pub start: Instant,
    pub budget: Option<Duration>,
}

impl Halt<'_> {
    /// Why to end now, if at all.
    pub fn reason(&self) -> Option<OptimumStop> {
        if self.interrupt.load(atomic::Ordering::Relaxed) {
            return Some(OptimumStop::Interrupted);
        }
        let late = self.budget.is_some_and(|budget| self.start.elapsed() >= budget);
        late.then_some(OptimumStop::Budget)
    }
}

/// What a search ends with.
pub(super) struct Found {
    pub value: f64,
    pub upper: f64,
    pub attained: bool,
    pub policy: Vec<f64>,
    pub parameters: Vec<f64>,
    pub nodes: usize,
    pub stop: OptimumStop,
    pub method: &'static str,
}

fn reported(found: Found, settings: &OptimumSettings, domain: String) -> PerformativeOptimum {
    let upper_bound = found.upper.max(found.value);
    let gap = add_up(upper_bound, -found.value) + 0.0;
    PerformativeOptimum {
        value: found.value,
        upper_bound,
        gap,
        certified: gap <= settings.gap,
        attained: found.attained,
        domain,
        policy: found.policy,
        parameters: found.parameters,
        method: found.method,
        nodes: found.nodes,
        stop: found.stop,
    }
}

/// The value of a policy, rounded down: of the one with rows that sum to exactly 1.
fn evaluated(problem: &Problem, policy: &[f64]) -> Result<f64, OptimumError> {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let mut values: Vec<Ball> = policy.iter().map(|&p| Ball::from_f64(p)).collect();
    for row in values.chunks_mut(n_actions) {
        let total = row.iter().fold(Ball::from_f64(0.0), |sum, p| sum + p);
        row.iter_mut().for_each(|p| *p /= total);
    }
    let policy = Policy::probabilities(n_states, n_actions, values)?;
    Ok(problem.model::<Ball>()?.perform(&policy)?.evaluation.value.lower())
}

/// The coin: `J = -PR(theta)/(1 - gamma)`, a parabola over `theta` in [-1/2, 1/2]
/// (`docs/theory/environments.md`), so the maximum is at an end or at
/// `mu/(1 - 2 epsilon)`.
fn coin(problem: &Problem, mu: &Rational, epsilon: &Rational) -> Found {
    let ratio = Rational::from_ratio;
    let weight = problem.initial.iter().flatten().next().map_or_else(Rational::one, Numeral::exact)
        / (Rational::one() - problem.gamma.exact());
    let curvature = Rational::one() - epsilon * ratio(2, 1);
    let value = |theta: &Rational| ((mu * ratio(2, 1) - &curvature * theta) * theta - ratio(1, 4)) * &weight;
    let mut candidates = vec![ratio(-1, 2), ratio(1, 2)];
    if !curvature.is_zero() {
        candidates.push((mu / &curvature).clamp(ratio(-1, 2), ratio(1, 2)));
    }
    let best = candidates.into_iter().max_by(|x, y| value(x).cmp(&value(y))).unwrap_or_else(Rational::zero);
    let exact = Interval::from_rational(&value(&best));
    let approve = Interval::from_rational(&(best + ratio(1, 2))).approximate();
    let policy = vec![approve, 1.0 - approve];
    Found {
        value: exact.lower(),
        upper: exact.upper(),
        attained: true,
        parameters: policy.clone(),
        policy,
        nodes: 0,
        stop: OptimumStop::Gap,
        method: "closed form",
    }
}
