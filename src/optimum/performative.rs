//! Performative optima with a certified gap, by branch and bound.
//!
//! Every upper bound is a theorem of `docs/theory/optima.md`, rounded outward.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::{self, AtomicBool};
use std::time::{Duration, Instant};

use num_traits::{One, Zero};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use thiserror::Error;

use super::bound::{Bounded, Bounder, middle};
use super::build;
use super::cell::{Cell, Coordinates};
use super::climb::{FAR, ascend, at};
#[cfg(test)]
use super::model::Mutant;
use super::model::{Model, Responding};
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
    #[error("environment {kind} has no bounds, expected fixed, affine, loan, coin or exponential-family")]
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
    /// The bound of the parameters is none.
    #[error("bound {bound}, expected a positive number")]
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
    /// A parameter that cannot be held.
    #[error("parameter {parameter} cannot be held at {value}, expected a finite value of a logit")]
    Held {
        /// The flat index.
        parameter: usize,
        /// The value.
        value: f64,
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
    /// Softmax parameters of responding states range over `[-bound, bound]`.
    pub bound: f64,
    /// Parameters of such states that have one value, by flat index.
    pub held: Vec<(usize, f64)>,
    /// Stops after this time, with the gap reached.
    pub budget: Option<Duration>,
    /// Stops when so many cells are open.
    pub open_cells: usize,
    /// Random starts of ascent.
    pub starts: usize,
    /// Seed of the starts.
    pub seed: u64,
    /// Whether the leaves are kept.
    pub leaves: bool,
}

impl Default for OptimumSettings {
    fn default() -> Self {
        Self {
            gap: 1e-6,
            bound: 3.0,
            held: Vec::new(),
            budget: None,
            open_cells: 4_000_000,
            starts: 8,
            seed: 0,
            leaves: false,
        }
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

/// A cell whose bound was not improved further.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The cell.
    pub cell: Cell,
    /// Itself, or a face: if a maximiser of the domain lies in the cell, one lies in
    /// the face.
    pub face: Cell,
    /// No policy of the face has a larger value.
    pub upper: f64,
    /// What proves it.
    pub witness: Witness,
}

/// What proves a leaf.
#[derive(Debug, Clone, PartialEq)]
pub enum Witness {
    /// `W >= V` for each policy of the face (section 2). Where `rho . W` exceeds
    /// the bound, the mean value form around the centre of the face gives it
    /// (section 4).
    Values(Vec<f64>),
    /// No maximiser lies in the face (section 5): some slope has one sign there.
    Absent,
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
    /// Whether `policy` has parameters; if not, it is a limit of policies.
    pub attained: bool,
    /// What the maximum is over.
    pub domain: String,
    /// `pi(a|s)` at `s A + a`.
    pub policy: Vec<f64>,
    /// `theta[s,a]`, possibly infinite; the probabilities themselves where the
    /// domain is all policies.
    pub parameters: Vec<f64>,
    /// How it was found.
    pub method: &'static str,
    /// Cells bounded.
    pub nodes: usize,
    /// Why the search ended.
    pub stop: OptimumStop,
    /// Cells that cover the domain, where they were asked for: a maximiser lies in
    /// one of them.
    pub leaves: Vec<Leaf>,
}

/// The performative optimum of a problem: the best value of any policy in the
/// environment that it induces, over a stated domain.
///
/// Environments that are affine in the policy (`fixed`, `affine`, `loan`): over
/// all policies. Exponential families: over `theta` in `[-bound, bound]` for
/// softmax states that respond; over all parameters and both limits for states
/// with one action and no reward slope; over all probabilities where only the
/// policy matters. The coin: its closed form.
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
    if let EnvironmentSpec::Coin { mu, epsilon } = &problem.environment {
        return coin(problem, &mu.exact(), &epsilon.exact(), settings);
    }
    let model = build::model(problem, settings)?;
    let found = Search::new(&model, settings).run(interrupt, progress);
    reported(problem, &model, settings, found)
}

/// The coin: `J = -PR(theta)/(1 - gamma)`, a parabola over `theta` in [-1/2, 1/2]
/// (`docs/theory/environments.md`), so the maximum is at an end or at
/// `mu/(1 - 2 epsilon)`.
fn coin(
    problem: &Problem,
    mu: &Rational,
    epsilon: &Rational,
    settings: &OptimumSettings,
) -> Result<PerformativeOptimum, OptimumError> {
    if !problem.entropy.is_zero() {
        return Err(OptimumError::Entropy);
    }
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
    let gap = add_up(exact.upper(), -exact.lower()) + 0.0;
    Ok(PerformativeOptimum {
        value: exact.lower(),
        upper_bound: exact.upper(),
        gap,
        certified: gap <= settings.gap,
        attained: true,
        domain: "all policies".to_owned(),
        policy: vec![approve, 1.0 - approve],
        parameters: vec![approve, 1.0 - approve],
        method: "closed form",
        nodes: 0,
        stop: OptimumStop::Gap,
        leaves: Vec::new(),
    })
}

/// A cell that may hold something better.
struct Open {
    upper: f64,
    number: usize,
    face: Cell,
    split: usize,
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.upper.total_cmp(&other.upper).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Open {}

/// How many cells are split at once, whatever the number of threads.
const BATCH: usize = 64;

/// Best-first branch and bound.
pub(super) struct Search<'a> {
    model: &'a Model,
    settings: &'a OptimumSettings,
    open: BinaryHeap<Open>,
    /// The largest bound of a closed cell.
    closed: f64,
    leaves: Vec<Leaf>,
    nodes: usize,
    batches: usize,
    best: Vec<f64>,
    value: f64,
}

/// What a search ends with.
pub(super) struct Found {
    pub best: Vec<f64>,
    pub value: f64,
    pub upper: f64,
    pub nodes: usize,
    pub stop: OptimumStop,
    pub leaves: Vec<Leaf>,
}

impl<'a> Search<'a> {
    pub fn new(model: &'a Model, settings: &'a OptimumSettings) -> Self {
        Self {
            model,
            settings,
            open: BinaryHeap::new(),
            closed: f64::NEG_INFINITY,
            leaves: Vec::new(),
            nodes: 0,
            batches: 0,
            best: Vec::new(),
            value: f64::NEG_INFINITY,
        }
    }

    pub fn run(mut self, interrupt: &AtomicBool, progress: &mut dyn FnMut(Progress)) -> Found {
        let start = Instant::now();
        self.climb();
        self.enter(vec![(self.model.root.clone(), f64::INFINITY)]);
        let stop = loop {
            let upper = self.upper();
            progress(Progress {
                value: self.value,
                upper_bound: upper,
                nodes: self.nodes,
                open: self.open.len(),
            });
            let wanted = add_up(self.value, self.settings.gap);
            if !self.open.peek().is_some_and(|cell| cell.upper > wanted) {
                break if upper <= wanted { OptimumStop::Gap } else { OptimumStop::Exhausted };
            }
            if interrupt.load(atomic::Ordering::Relaxed) {
                break OptimumStop::Interrupted;
            }
            if self.settings.budget.is_some_and(|budget| start.elapsed() >= budget) {
                break OptimumStop::Budget;
            }
            if self.open.len() + BATCH > self.settings.open_cells {
                break OptimumStop::Memory;
            }
            let mut halves = Vec::with_capacity(2 * BATCH);
            for _ in 0..BATCH {
                match self.open.pop() {
                    Some(cell) if cell.upper > wanted => self.split(&cell, &mut halves),
                    Some(cell) => {
                        self.open.push(cell);
                        break;
                    }
                    None => break,
                }
            }
            self.enter(halves);
        };
        if self.settings.leaves {
            for cell in std::mem::take(&mut self.open) {
                self.closed = self.closed.max(cell.upper);
                let witness = Bounder::new(self.model).bound(&cell.face, f64::NEG_INFINITY).values;
                let (face, upper) = (cell.face, cell.upper);
                self.leaves.push(Leaf { cell: face.clone(), face, upper, witness: Witness::Values(witness) });
            }
        }
        self.look_at_limits();
        let upper = self.upper();
        Found { best: self.best, value: self.value, upper, nodes: self.nodes, stop, leaves: self.leaves }
    }

    /// The largest bound of any cell; the value found, where that is larger.
    fn upper(&self) -> f64 {
        let open = self.open.peek().map_or(f64::NEG_INFINITY, |cell| cell.upper);
        open.max(self.closed).max(self.value)
    }

    /// Ascends from the middle of the domain and from random points.
    fn climb(&mut self) {
        let root = &self.model.root;
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let mut starts = vec![];
        let middle: Vec<f64> = (0..root.lower.len()).map(|i| middle(root.lower[i], root.upper[i])).collect();
        starts.push(middle);
        for _ in 0..self.settings.starts {
            let within = |(&low, &high): (&f64, &f64)| {
                let (low, high) = (f64::max(low, -3.0), f64::min(high, 3.0));
                if low < high { rng.random_range(low..high) } else { low }
            };
            starts.push(root.lower.iter().zip(&root.upper).map(within).collect());
        }
        let model = self.model;
        let climbed: Vec<(Vec<f64>, f64)> = starts
            .par_iter()
            .map_init(|| Bounder::new(model), |bounder, start| ascend(model, bounder, start))
            .collect();
        for (x, value) in climbed {
            self.improve(x, value);
        }
    }

    /// Takes the limit of a parameter where the value is larger there.
    fn look_at_limits(&mut self) {
        let root = &self.model.root;
        let mut bounder = Bounder::new(self.model);
        for i in 0..root.lower.len() {
            for end in [root.lower[i], root.upper[i]].into_iter().filter(|end| end.is_infinite()) {
                let mut x = self.best.clone();
                x[i] = end;
                let value = bounder.climb(&at(&x)).value;
                if value > self.value || (value == self.value && self.best[i] == FAR * end.signum()) {
                    (self.best, self.value) = (x, value);
                }
            }
        }
    }

    fn improve(&mut self, x: Vec<f64>, value: f64) {
        if value > self.value {
            (self.best, self.value) = (x, value);
        }
    }

    /// The two halves of a cell.
    fn split(&self, cell: &Open, halves: &mut Vec<(Cell, f64)>) {
        let i = cell.split;
        let at = middle(cell.face.lower[i], cell.face.upper[i]);
        let width = self.model.n_actions;
        let mut push = |mut half: Cell| {
            let s = i / width;
            let simplex = self.model.coordinates[s] == Coordinates::Probabilities;
            if !simplex || half.narrow_to_simplex(s * width, width) {
                halves.push((half, cell.upper));
            }
        };
        let (mut left, mut right) = (cell.face.clone(), cell.face.clone());
        left.upper[i] = at;
        right.lower[i] = at;
        push(left);
        #[cfg(test)]
        if self.model.has(Mutant::DroppedCell) {
            return;
        }
        push(right);
    }

    /// Bounds cells and keeps those that may hold something better.
    fn enter(&mut self, cells: Vec<(Cell, f64)>) {
        let model = self.model;
        let target = add_up(self.value, self.settings.gap);
        let bounded: Vec<Bounded> = cells
            .par_iter()
            .map_init(|| Bounder::new(model), |bounder, (cell, _)| bounder.bound(cell, target))
            .collect();
        self.nodes += bounded.len();
        let best = bounded.iter().fold(None, |best: Option<&Bounded>, b| match best {
            Some(best) if best.lower >= b.lower => Some(best),
            _ => Some(b),
        });
        self.batches += 1;
        if let Some(best) = best {
            let x = representative(model, &best.centre);
            // From the best centre now and then, and wherever one is better.
            let promising = best.lower > self.value + 0.1 * self.settings.gap;
            if (promising || self.batches.is_power_of_two()) && best.centre.is_bounded() {
                let (higher, value) = ascend(model, &mut Bounder::new(model), &x);
                self.improve(higher, value);
            }
            self.improve(x, best.lower);
        }
        let target = add_up(self.value, self.settings.gap);
        for ((cell, parent), bounded) in cells.into_iter().zip(bounded) {
            let upper = bounded.upper.min(parent);
            match bounded.split {
                Some(split) if !bounded.absent && upper > target => {
                    let number = self.nodes + self.open.len();
                    self.open.push(Open { upper, number, face: bounded.face, split });
                }
                _ => {
                    if !bounded.absent {
                        self.closed = self.closed.max(upper);
                    }
                    if self.settings.leaves {
                        let absent = bounded.absent;
                        let witness = if absent { Witness::Absent } else { Witness::Values(bounded.values) };
                        self.leaves.push(Leaf { cell, face: bounded.face, upper, witness });
                    }
                }
            }
        }
    }
}

/// The point that a degenerate cell is, as doubles.
fn representative(model: &Model, centre: &Cell) -> Vec<f64> {
    let point = |(i, (&low, &high)): (usize, (&f64, &f64))| match model.coordinates[i / model.n_actions] {
        Coordinates::Logits => low,
        Coordinates::Probabilities if low == high => low,
        Coordinates::Probabilities => (0.5 * low + 0.5 * high).clamp(0.0, 1.0),
    };
    centre.lower.iter().zip(&centre.upper).enumerate().map(point).collect()
}

/// Evaluates the policy that was found in balls, where it has parameters.
fn reported(
    problem: &Problem,
    model: &Model,
    settings: &OptimumSettings,
    found: Found,
) -> Result<PerformativeOptimum, OptimumError> {
    let (n_states, n_actions) = (model.n_states, model.n_actions);
    let tilted = matches!(model.response, Responding::Tilted(_));
    let mut bounder = Bounder::new(model);
    let probabilities = bounder.probabilities(&at(&found.best));
    let mut parameters = found.best.clone();
    let mut attained = true;
    if tilted {
        for (s, coordinates) in model.coordinates.iter().enumerate() {
            for i in s * n_actions..(s + 1) * n_actions {
                let free = model.root.lower[i] < model.root.upper[i];
                if *coordinates == Coordinates::Probabilities {
                    parameters[i] = if free { found.best[i].ln() } else { 0.0 };
                }
                attained &= parameters[i].is_finite();
            }
        }
    }
    let value = if attained {
        let policy = if tilted {
            Policy::softmax(n_states, n_actions, parameters.iter().map(|&x| Ball::from_f64(x)).collect())?
        } else {
            // What is evaluated is the policy with rows that sum to exactly 1.
            let mut values: Vec<Ball> = found.best.iter().map(|&p| Ball::from_f64(p)).collect();
            for row in values.chunks_mut(n_actions) {
                let total = row.iter().fold(Ball::from_f64(0.0), |sum, p| sum + p);
                row.iter_mut().for_each(|p| *p /= total);
            }
            Policy::probabilities(n_states, n_actions, values)?
        };
        let performative = problem.model::<Ball>()?;
        performative.perform(&policy)?.evaluation.value.lower()
    } else {
        found.value
    };
    let upper_bound = found.upper.max(value);
    let gap = add_up(upper_bound, -value) + 0.0;
    Ok(PerformativeOptimum {
        value,
        upper_bound,
        gap,
        certified: gap <= settings.gap,
        attained,
        domain: domain(problem, model, settings),
        policy: probabilities,
        parameters,
        method: "branch and bound",
        nodes: found.nodes,
        stop: found.stop,
        leaves: found.leaves,
    })
}

/// What the maximum is over, in a sentence.
fn domain(problem: &Problem, model: &Model, settings: &OptimumSettings) -> String {
    if !matches!(problem.environment, EnvironmentSpec::ExponentialFamily { .. }) {
        return "all policies".to_owned();
    }
    let root = &model.root;
    let free = |i: usize| root.lower[i] < root.upper[i];
    let count = |kind: Coordinates, finite: bool| {
        (0..root.lower.len())
            .filter(|&i| free(i) && model.coordinates[i / model.n_actions] == kind)
            .filter(|&i| root.upper[i].is_finite() == finite)
            .count()
    };
    let mut parts = Vec::new();
    let bounded = count(Coordinates::Logits, true);
    if bounded > 0 {
        let bound = settings.bound;
        parts.push(format!("theta in [-{bound}, {bound}] for {bounded} parameters of states that respond"));
    }
    let unbounded = count(Coordinates::Logits, false);
    if unbounded > 0 {
        parts
            .push(format!("all theta with both limits for {unbounded} parameters of states with one action"));
    }
    if count(Coordinates::Probabilities, true) > 0 {
        parts.push(
            "all probabilities, with the deterministic limits, in states that do not respond".to_owned(),
        );
    }
    for (i, value) in &settings.held {
        parts.push(format!("theta[{i}] = {value}"));
    }
    if parts.is_empty() { "all policies (no parameter has an effect)".to_owned() } else { parts.join("; ") }
}
