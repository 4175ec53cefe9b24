//! Optima of exponential families, by dynamic programming.
//!
//! The rows of a state depend on the parameters of that state alone, so the best
//! values satisfy Bellman's equation with the parameters of the state for its
//! actions, and its maximum falls into one maximum of a function of one number for
//! each action. Proofs: `docs/theory/optima.md`, sections 7 and 8.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use nalgebra::{DMatrix, DVector};
use num_traits::{One, ToPrimitive, Zero};
use rayon::prelude::*;

use super::build;
use super::enclosure::{hull, interval, largest_mean};
use super::exponential::{exp_down, exp_up};
#[cfg(test)]
use super::model::Mutant;
use super::performative::{FOREVER, Found, Halt, OptimumError, OptimumStop, Progress};
use pemdp::arithmetic::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up};
use pemdp::arithmetic::{Field, Interval, Rational, Transcendental};
use pemdp::environments::{Base, ExponentialFamilySpec, Structure};
use pemdp::linear::Size;
use pemdp::problem::{Numeral, Problem};

/// Rounds of policy iteration; each is one of Newton's for Bellman's equation.
const ROUNDS: usize = 100;
/// In a box, parameters are looked at by the largest one of a state, in ranges of
/// this width: all weights of a softmax are then of the same order or negligible.
const BAND: f64 = 2.0;
/// The share of the time that policy iteration may take.
const ITERATING: f64 = 0.5;
/// Cells of one maximum.
const CELLS: usize = 20_000;
/// The largest box.
const MAX_BOUND: f64 = 300.0;
/// Where rewards grow without bound, parameters lie in this box unless another is
/// given.
pub(super) const DEFAULT_BOUND: f64 = 3.0;
/// What counts as no improvement, relative to the values.
const NEGLIGIBLE: f64 = 1e-14;

/// An exponential family over a box of parameters or over all of them.
#[derive(Debug)]
pub(super) struct Rectangular {
    n_states: usize,
    n_actions: usize,
    gamma: Interval,
    /// `1 - gamma`
    gap: Interval,
    initial: Vec<Interval>,
    rows: Vec<Tilted>,
    /// Whether all rows of a state are the same and do not respond.
    indifferent: Vec<bool>,
    /// Parameters lie in `[-bound, bound]`; all of them and their limits if none.
    bound: Option<f64>,
    #[cfg(test)]
    mutant: Mutant,
}

/// `P(t|s,a)` proportional to `h[t] exp(psi[t] x)` over the support, and
/// `r = base + slope x`, clipped; `x = theta[s,a]`.
#[derive(Debug)]
struct Tilted {
    support: Vec<usize>,
    /// `psi[u] - psi[t]` at `u k + t`, `k` states of the support.
    psi: Vec<Interval>,
    /// `h[u]/h[t]`.
    ratios: Vec<Interval>,
    reward: Interval,
    slope: Interval,
    clip: Option<Interval>,
}

/// What one state does.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    /// `theta[s,a]`, possibly infinite.
    parameters: Vec<f64>,
    /// The action that is taken with certainty, in a limit; a softmax if none.
    only: Option<usize>,
}

/// What policy iteration ends with.
struct Policies {
    choices: Vec<Choice>,
    /// `V`, in doubles.
    values: Vec<f64>,
    cells: usize,
    /// Why it ended early.
    early: Option<OptimumStop>,
}

/// Checks a bound of the parameters.
///
/// # Errors
/// [`OptimumError::Bound`] for one that is none, or so large that weights overflow.
pub(super) fn check_bound(bound: Option<f64>) -> Result<(), OptimumError> {
    match bound {
        Some(bound) if !(bound > 0.0 && bound <= MAX_BOUND) => Err(OptimumError::Bound { bound }),
        _ => Ok(()),
    }
}

impl Rectangular {
    /// An exponential family, with the box that its rewards need.
    ///
    /// # Errors
    /// [`OptimumError::Bound`] for a bound that is none.
    pub fn new(problem: &Problem, bound: Option<f64>) -> Result<Self, OptimumError> {
        let Structure::LocalFamily(family) = problem.structure() else {
            return Err(OptimumError::NotBounded { kind: problem.environment().kind() });
        };
        let ExponentialFamilySpec { psi, base, reward_base, slope, clip } = &*family;
        check_bound(bound)?;
        let (n, width) = (problem.n_states(), problem.n_actions());
        let exact: Vec<Rational> = psi.iter().map(Numeral::exact).collect();
        let rows: Vec<Tilted> = (0..n * width)
            .map(|i| {
                let support: Vec<usize> = (0..n).filter(|&t| weight(base, i * n + t).is_some()).collect();
                let ratio = |u: usize, t: usize| ratio(base, i * n + u, i * n + t);
                let pairs = || support.iter().flat_map(|&u| support.iter().map(move |&t| (u, t)));
                Tilted {
                    psi: pairs().map(|(u, t)| Interval::from_rational(&(&exact[u] - &exact[t]))).collect(),
                    ratios: pairs().map(|(u, t)| ratio(u, t)).collect(),
                    reward: reward_base[i].lift(),
                    slope: slope.lift(),
                    clip: clip.as_ref().map(Numeral::lift),
                    support,
                }
            })
            .collect();
        let same = |i: usize, j: usize| {
            let (x, y) = (&rows[i], &rows[j]);
            reward_base[i].exact() == reward_base[j].exact() && x.support == y.support && x.ratios == y.ratios
        };
        let indifferent =
            (0..n).map(|s| (s * width..(s + 1) * width).all(|i| !rows[i].responds() && same(i, s * width)));
        // Rewards that grow without bound have no supremum.
        let unbounded = clip.is_none() && !slope.is_zero();
        Ok(Self {
            n_states: n,
            n_actions: width,
            gamma: problem.gamma().lift(),
            gap: Interval::from_rational(&(Rational::one() - problem.gamma().exact())),
            initial: build::initial(problem),
            indifferent: indifferent.collect(),
            rows,
            bound: bound.or(unbounded.then_some(DEFAULT_BOUND)),
            #[cfg(test)]
            mutant: Mutant::None,
        })
    }

    /// What the maximum is over.
    pub fn domain(&self) -> String {
        match self.bound {
            Some(bound) => format!("all parameters theta in [-{bound}, {bound}]"),
            None => "all parameters theta and their limits at infinity".to_owned(),
        }
    }

    /// What the parameters are bounded by, if at all.
    pub fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// Policy iteration, then a bound of what it ends with.
    pub fn search(&self, gap: f64, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Found {
        let Policies { choices, values, mut cells, early } = self.iterate(&halt.share(ITERATING), progress);
        let mut stop = early.unwrap_or(OptimumStop::Gap);
        let lower = self.lower_bounds(&choices, &values);
        // A half of the gap for what the improvement may still be.
        let share = 0.5 * gap * self.gap.lower();
        let rises: Vec<(f64, usize)> =
            (0..self.n_states).into_par_iter().map(|s| self.largest_rise(s, &values, share, halt)).collect();
        cells += rises.iter().map(|rise| rise.1).sum::<usize>();
        let rise = rises.iter().fold(0.0, |most, rise| Size::larger(most, rise.0));
        #[cfg(test)]
        let rise = if self.mutant == Mutant::NoLift { 0.0 } else { rise };
        let lift = if rise == 0.0 { 0.0 } else { div_up(rise, self.gap.lower()) };
        let upper = self.lifted(&values, lift).min(self.largest_value());
        let value = self.mean(&lower).lower();
        let upper = upper.max(value);
        if stop == OptimumStop::Gap && add_up(upper, -value) > gap {
            stop = OptimumStop::Exhausted;
        }
        progress(Progress { value, upper_bound: upper, nodes: cells, open: 0 });
        let parameters: Vec<f64> =
            choices.iter().flat_map(|choice| choice.parameters.iter().copied()).collect();
        Found {
            attained: parameters.iter().all(|x| x.is_finite()),
            policy: choices.iter().flat_map(|choice| choice.policy()).map(|p| p.approximate()).collect(),
            parameters,
            value,
            upper,
            nodes: cells,
            stop,
            method: "policy iteration over the parameters of each state",
        }
    }

    /// Policy iteration.
    fn iterate(&self, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Policies {
        let start = Choice { parameters: vec![0.0; self.n_actions], only: None };
        let mut choices = vec![start; self.n_states];
        let mut values = self.values(&choices);
        let mut cells = 0;
        for _ in 0..ROUNDS {
            if let early @ Some(_) = halt.reason() {
                return Policies { choices, values, cells, early };
            }
            let improved: Vec<Improvement> = (0..self.n_states)
                .into_par_iter()
                .map(|s| self.improve(s, &choices[s], &values, halt))
                .collect();
            cells += improved.iter().map(|i| i.cells).sum::<usize>();
            let mut changed = false;
            for (choice, improvement) in choices.iter_mut().zip(improved) {
                if let Some(better) = improvement.choice {
                    changed |= *choice != better;
                    *choice = better;
                }
            }
            if !changed {
                break;
            }
            values = self.values(&choices);
            let value = self.initial.iter().zip(&values).map(|(p, v)| p.approximate() * v).sum();
            progress(Progress { value, upper_bound: f64::INFINITY, nodes: cells, open: 0 });
        }
        Policies { choices, values, cells, early: None }
    }

    /// Values near the best ones.
    pub fn best_values(&self) -> Vec<f64> {
        self.iterate(&FOREVER, &mut |_| {}).values
    }

    /// An upper bound of `e^x (q_a(x) - w[s])` over the box for each action; without a
    /// box, of `q_a(x) - w[s]`. The tolerance is that of the latter.
    pub fn largest_gains(&self, s: usize, w: &[f64], tolerance: f64) -> Vec<f64> {
        let (range, scale, least) = match self.bound {
            None => ((f64::NEG_INFINITY, f64::INFINITY), None, 1.0),
            Some(bound) => ((-bound, bound), Some(0.0), (-bound).exp()),
        };
        let gain =
            |a: usize| self.gain(s, a, w, w[s], scale).supremum(range, tolerance * least, &FOREVER).upper;
        (0..self.n_actions).map(gain).collect()
    }

    /// What no value exceeds: the largest reward for ever.
    fn largest_value(&self) -> f64 {
        let end = self.bound.unwrap_or(f64::INFINITY);
        let rewards = self.rows.iter().map(|row| row.reward(interval(-end, end)).0.upper());
        let most = rewards.fold(0.0, Size::larger);
        self.lifted(&vec![0.0; self.n_states], div_up(most, self.gap.lower()))
    }

    /// `rho . v`
    fn mean(&self, values: &[f64]) -> Interval {
        let pairs = self.initial.iter().zip(values);
        pairs.fold(Interval::zero(), |sum, (p, &v)| sum + *p * Interval::point(v))
    }

    /// `rho . (W + lift)`, rounded up.
    fn lifted(&self, values: &[f64], lift: f64) -> f64 {
        let lifted: Vec<f64> = values.iter().map(|&w| add_up(w, lift)).collect();
        #[cfg(test)]
        if self.mutant == Mutant::InwardRounding {
            let mean = self.mean(&lifted);
            return mean.lower() - 1e-13 * mean.magnitude();
        }
        self.mean(&lifted).upper()
    }

    /// `V` of a policy, in doubles.
    fn values(&self, choices: &[Choice]) -> Vec<f64> {
        let n = self.n_states;
        let mut system = DMatrix::<f64>::identity(n, n);
        let mut rewards = DVector::<f64>::zeros(n);
        let gamma = self.gamma.approximate();
        for (s, choice) in choices.iter().enumerate() {
            for (a, pi) in choice.policy().iter().enumerate().filter(|(_, pi)| !pi.is_zero()) {
                let (row, x) = (&self.rows[s * self.n_actions + a], choice.parameters[a]);
                let pi = pi.approximate();
                rewards[s] += pi * row.reward(Interval::point(x)).0.approximate();
                for (&t, p) in row.support.iter().zip(row.kernel(Interval::point(x))) {
                    system[(s, t)] -= gamma * pi * p.approximate();
                }
            }
        }
        // I - gamma P is strictly diagonally dominant, if not in doubles.
        let values = system.lu().solve(&rewards).unwrap_or(rewards);
        values.iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect()
    }

    /// Lower bounds of the values of a policy near `w` (Theorem 1 with `-r`).
    fn lower_bounds(&self, choices: &[Choice], w: &[f64]) -> Vec<f64> {
        let mut fall = 0.0;
        for (s, choice) in choices.iter().enumerate() {
            let policy = choice.policy();
            let mut change = Interval::zero();
            for a in (0..self.n_actions).filter(|&a| !policy[a].is_zero()) {
                let gain = self.gain(s, a, w, w[s], None);
                change += policy[a] * gain.at(choice.parameters[a]);
            }
            fall = Size::larger(fall, -change.lower());
        }
        let fall = if fall == 0.0 { 0.0 } else { div_up(fall, self.gap.lower()) };
        w.iter().map(|&w| add_down(w, -fall)).collect()
    }

    fn gain<'a>(&'a self, s: usize, a: usize, w: &'a [f64], level: f64, scale: Option<f64>) -> Gain<'a> {
        Gain {
            row: &self.rows[s * self.n_actions + a],
            gamma: self.gamma,
            gap: self.gap,
            w,
            level,
            scale,
            #[cfg(test)]
            mutant: self.mutant,
        }
    }

    /// Ranges of the largest parameter of a state that cover the box.
    fn bands(bound: f64) -> impl Iterator<Item = (f64, f64)> {
        let n = (2.0 * bound / BAND).ceil();
        let end = move |k: f64| if k == n { bound } else { -bound + k * BAND };
        (0..n as usize).map(move |k| (end(k as f64), end(k as f64 + 1.0)))
    }

    /// A choice of a state that is better than its value, where there is one.
    fn improve(&self, s: usize, now: &Choice, w: &[f64], halt: &Halt<'_>) -> Improvement {
        if self.indifferent[s] {
            return Improvement { choice: None, cells: 0 };
        }
        let least = NEGLIGIBLE * w.iter().fold(1.0, |size, w| f64::max(size, w.abs()));
        let suprema = |range: (f64, f64), scale: Option<f64>| -> Vec<Supremum> {
            (0..self.n_actions)
                .map(|a| self.gain(s, a, w, w[s], scale).supremum(range, least, halt))
                .collect()
        };
        let mut cells = 0;
        let Some(bound) = self.bound else {
            let best = suprema((f64::NEG_INFINITY, f64::INFINITY), None);
            let (a, most) = best
                .iter()
                .enumerate()
                .fold((0, &best[0]), |most, next| if next.1.lower > most.1.lower { next } else { most });
            // A limit is preferred to a parameter that is as good up to rounding.
            let limit = most.at.is_infinite() && now.parameters[a].is_finite() && most.upper >= 0.0;
            let first = self.n_actions > 1 && now.only.is_none();
            let better = Choice::limit(self.n_actions, a, most.at);
            let choice = (most.lower > least || limit || first).then_some(better);
            return Improvement { choice, cells: best.iter().map(|best| best.cells).sum() };
        };
        let mut most = (least, None);
        for (_, top) in Self::bands(bound) {
            let best = suprema((-bound, top), Some(top));
            cells += best.iter().map(|best| best.cells).sum::<usize>();
            // How much f exceeds W[s] there.
            let weights: f64 = best.iter().map(|best| (best.at - top).exp()).sum();
            let rise = best.iter().map(|best| best.lower).sum::<f64>() / weights;
            if rise > most.0 {
                let parameters = best.iter().map(|best| best.at).collect();
                most = (rise, Some(Choice { parameters, only: None }));
            }
        }
        Improvement { choice: most.1, cells }
    }

    /// A bound of how much `B(W)[s]` may exceed `W[s]`, and the cells it took:
    /// `share` where that can be proved.
    fn largest_rise(&self, s: usize, w: &[f64], share: f64, halt: &Halt<'_>) -> (f64, usize) {
        let mut cells = 0;
        let Some(bound) = self.bound else {
            let mut most = 0.0;
            for a in 0..self.n_actions {
                let everything = (f64::NEG_INFINITY, f64::INFINITY);
                let best = self.gain(s, a, w, w[s], None).supremum(everything, 0.5 * share, halt);
                (most, cells) = (Size::larger(most, best.upper), cells + best.cells);
            }
            return (most, cells);
        };
        let mut most = 0.0;
        for band in Self::bands(bound) {
            let least = NEGLIGIBLE * w.iter().fold(1.0, |size, w| f64::max(size, w.abs()));
            let mut rise = f64::max(most, share.max(least));
            while !self.is_at_most(s, w, band, rise, halt, &mut cells) {
                rise = if halt.is_over() { f64::INFINITY } else { 4.0 * rise };
            }
            most = rise;
        }
        (most, cells)
    }

    /// Whether `f <= W[s] + rise` is proved for parameters whose largest lies in a
    /// band: with a half of the rise for the level, the sum of the suprema may be the
    /// other half times the smallest weight of the largest parameter.
    fn is_at_most(
        &self,
        s: usize,
        w: &[f64],
        (low, top): (f64, f64),
        rise: f64,
        halt: &Halt<'_>,
        cells: &mut usize,
    ) -> bool {
        if !rise.is_finite() {
            return true;
        }
        let allowed = mul_down(0.5 * rise, exp_down(add_down(low, -top)));
        let level = add_down(w[s], 0.5 * rise);
        let mut sum = 0.0;
        for a in 0..self.n_actions {
            let range = (-self.bound.unwrap_or(f64::INFINITY), top);
            let gain = self.gain(s, a, w, level, Some(top));
            let best = gain.supremum(range, 0.5 * allowed / self.n_actions as f64, halt);
            sum = add_up(sum, best.upper);
            *cells += best.cells;
        }
        sum <= allowed
    }
}

struct Improvement {
    choice: Option<Choice>,
    cells: usize,
}

impl Choice {
    /// One action with certainty: all other parameters at minus infinity.
    fn limit(n_actions: usize, a: usize, x: f64) -> Self {
        let mut parameters = vec![f64::NEG_INFINITY; n_actions];
        parameters[a] = x;
        Self { parameters, only: Some(a) }
    }

    /// `pi(a|s)`
    fn policy(&self) -> Vec<Interval> {
        let actions = 0..self.parameters.len();
        if let Some(only) = self.only {
            return actions.map(|a| if a == only { Interval::one() } else { Interval::zero() }).collect();
        }
        let probability = |a: usize| {
            let (mut least, mut most) = (1.0, 1.0);
            for b in actions.clone().filter(|&b| b != a) {
                let (x, y) = (self.parameters[b], self.parameters[a]);
                least = add_down(least, exp_down(add_down(x, -y)));
                most = add_up(most, exp_up(add_up(x, -y)));
            }
            reciprocal(least, most)
        };
        actions.clone().map(probability).collect()
    }
}

/// Whether an entry of the base measure is positive.
fn weight(base: &Base, entry: usize) -> Option<Rational> {
    match base {
        Base::Logits(None) => Some(Rational::zero()),
        Base::Logits(Some(logits)) => logits[entry].as_ref().map(Numeral::exact),
        Base::Weights(weights) => (!weights[entry].is_zero()).then(|| weights[entry].exact()),
    }
}

/// `h[u]/h[t]`, both positive.
fn ratio(base: &Base, u: usize, t: usize) -> Interval {
    let ratio = match (weight(base, u), weight(base, t)) {
        (Some(u), Some(t)) if matches!(base, Base::Weights(_)) => match u / t {
            large if large.to_f64().is_some_and(f64::is_infinite) => interval(f64::MAX, f64::INFINITY),
            ratio => Interval::from_rational(&ratio),
        },
        (Some(u), Some(t)) => Interval::from_rational(&(u - t)).exp(),
        _ => Interval::ENTIRE,
    };
    // Where it is no double, its enclosure may reach below 0.
    interval(ratio.lower().max(0.0), ratio.upper())
}

/// `1/x` for `1 <= least <= x <= most`.
fn reciprocal(least: f64, most: f64) -> Interval {
    interval(div_down(1.0, most).max(0.0), div_up(1.0, least).min(1.0))
}

impl Tilted {
    fn responds(&self) -> bool {
        !self.slope.is_zero() || self.psi.iter().any(|psi| !psi.is_zero())
    }

    /// `P(t|s,a)` over a range of the parameter, for the states of the support: the
    /// terms of `1/sum_u (h[u]/h[t]) exp((psi[u] - psi[t]) x)` are monotone in `x`.
    fn kernel(&self, x: Interval) -> impl Iterator<Item = Interval> {
        let k = self.support.len();
        (0..k).map(move |t| {
            let (mut least, mut most) = (1.0, 1.0);
            for u in (0..k).filter(|&u| u != t) {
                let (ratio, psi) = (self.ratios[u * k + t], self.psi[u * k + t]);
                let tilt = if psi.is_zero() { Interval::zero() } else { psi * x };
                least = add_down(least, mul_down(ratio.lower(), exp_down(tilt.lower())));
                most = add_up(most, mul_up(ratio.upper(), exp_up(tilt.upper())));
            }
            reciprocal(least, most)
        })
    }

    /// The reward and its slope over a range of the parameter; where the clip is in
    /// the range, the slopes on both sides.
    fn reward(&self, x: Interval) -> (Interval, Interval) {
        if self.slope.is_zero() {
            let reward = self.reward;
            return (self.clip.map_or(reward, |clip| clipped(reward, clip)), Interval::zero());
        }
        let reward = self.reward + self.slope * x;
        let Some(clip) = self.clip else { return (reward, self.slope) };
        let inside = reward.upper() < clip.lower() && reward.lower() > -clip.lower();
        let outside = reward.lower() > clip.upper() || reward.upper() < -clip.upper();
        let slope = match (inside, outside) {
            (true, _) => self.slope,
            (_, true) => Interval::zero(),
            _ => hull(self.slope, Interval::zero()),
        };
        (clipped(reward, clip), slope)
    }
}

/// `min(max(x, -clip), clip)`
fn clipped(x: Interval, clip: Interval) -> Interval {
    interval(x.lower().max(-clip.upper()).min(clip.lower()), x.upper().max(-clip.lower()).min(clip.upper()))
}

/// `g(x) = q(x) - level` with `q(x) = r(x) + gamma sum_t P_t(x) w[t]`, times
/// `exp(x - scale)` where there is a scale.
struct Gain<'a> {
    row: &'a Tilted,
    gamma: Interval,
    gap: Interval,
    w: &'a [f64],
    level: f64,
    scale: Option<f64>,
    #[cfg(test)]
    mutant: Mutant,
}

/// The largest value of a gain.
struct Supremum {
    /// No value is larger.
    upper: f64,
    /// Where the gain is at least `lower`.
    at: f64,
    lower: f64,
    cells: usize,
}

/// A range of the parameter.
struct Part {
    lower: f64,
    upper: f64,
    bound: f64,
}

impl Gain<'_> {
    /// The gain at a point, possibly a limit.
    fn at(&self, x: f64) -> Interval {
        let x = Interval::point(x);
        self.value(x, &self.row.kernel(x).collect::<Vec<_>>()) * self.weight(x)
    }

    fn weight(&self, x: Interval) -> Interval {
        match self.scale {
            None => Interval::one(),
            Some(scale) => interval(exp_down(add_down(x.lower(), -scale)), exp_up(add_up(x.upper(), -scale))),
        }
    }

    /// `q - level = r + gamma sum_t P_t (w[t] - level) - (1 - gamma) level`
    fn value(&self, x: Interval, kernel: &[Interval]) -> Interval {
        let above: Vec<f64> = self.row.support.iter().map(|&t| add_up(self.w[t], -self.level)).collect();
        let below: Vec<f64> = self.row.support.iter().map(|&t| add_up(self.level, -self.w[t])).collect();
        let mut best = vec![0.0; kernel.len()];
        let mut mean = |w: &[f64]| {
            let (lower, upper) = (|t: usize| kernel[t].lower(), |t: usize| kernel[t].upper());
            largest_mean(lower, upper, Interval::one(), w, &mut best)
        };
        let mean = interval(-mean(&below), mean(&above));
        self.row.reward(x).0 + self.gamma * mean - self.gap * Interval::point(self.level)
    }

    /// The gain and its derivative over a range: `g' = q' + g` where it is
    /// weighted, and `q' = r' + gamma sum_{t<u} P_t P_u (psi[t] - psi[u]) (w[t] - w[u])`.
    fn enclose(&self, x: Interval) -> (Interval, Interval) {
        let kernel: Vec<Interval> = self.row.kernel(x).collect();
        let k = kernel.len();
        let mut covariance = Interval::zero();
        for t in 0..k {
            for u in 0..t {
                let psi = self.row.psi[t * k + u];
                if !psi.is_zero() {
                    let (wt, wu) = (self.w[self.row.support[t]], self.w[self.row.support[u]]);
                    let difference = Interval::point(wt) - Interval::point(wu);
                    covariance += kernel[t] * kernel[u] * (psi * difference);
                }
            }
        }
        let value = self.value(x, &kernel);
        #[cfg(test)]
        let covariance = if self.mutant == Mutant::NoDiscount { covariance / self.gamma } else { covariance };
        let mut slope = self.row.reward(x).1 + self.gamma * covariance;
        #[cfg(test)]
        if self.mutant == Mutant::CentreSlopes {
            slope = Interval::point(slope.approximate());
        }
        if self.scale.is_some() {
            slope += value;
        }
        let weight = self.weight(x);
        (value * weight, slope * weight)
    }

    /// The supremum over a range up to a tolerance, or to rounding.
    fn supremum(&self, (lower, upper): (f64, f64), tolerance: f64, halt: &Halt<'_>) -> Supremum {
        let mut found = Supremum { upper: f64::NEG_INFINITY, at: 0.0, lower: f64::NEG_INFINITY, cells: 0 };
        if self.scale.is_none() && !self.row.responds() {
            let constant = self.at(0.0);
            return Supremum { upper: constant.upper(), lower: constant.lower(), ..found };
        }
        // Limits first: they stay where nothing is better.
        for x in [upper, lower, middle(lower, upper)] {
            self.look(x, &mut found);
        }
        let noise = {
            let there = self.at(found.at);
            there.upper() - there.lower()
        };
        let tolerance = tolerance.max(4.0 * noise);
        let mut open = BinaryHeap::from([Part { lower, upper, bound: f64::INFINITY }]);
        let mut closed = f64::NEG_INFINITY;
        while let Some(part) = open.pop() {
            let is_late = found.cells.is_multiple_of(64) && found.cells > 0 && halt.is_over();
            if part.bound <= found.lower + tolerance || found.cells >= CELLS || is_late {
                closed = closed.max(part.bound);
                break;
            }
            let at = middle(part.lower, part.upper);
            if at == part.lower || at == part.upper {
                closed = closed.max(part.bound);
                continue;
            }
            for (lower, upper) in [(part.lower, at), (at, part.upper)] {
                #[cfg(test)]
                if self.mutant == Mutant::DroppedCell && lower == at {
                    continue;
                }
                match self.bound(lower, upper, &mut found) {
                    Bound::Attained(bound) => closed = closed.max(bound),
                    Bound::Within(bound) => open.push(Part { lower, upper, bound: bound.min(part.bound) }),
                }
            }
        }
        found.upper = closed.max(found.lower);
        found
    }

    fn look(&self, x: f64, found: &mut Supremum) {
        let value = self.at(x).lower();
        if value > found.lower {
            (found.at, found.lower) = (x, value);
        }
    }

    /// Bounds the gain over a range, by its enclosure and by the mean value theorem.
    fn bound(&self, lower: f64, upper: f64, found: &mut Supremum) -> Bound {
        found.cells += 1;
        let (value, slope) = self.enclose(interval(lower, upper));
        #[cfg(test)]
        let slope =
            if self.mutant == Mutant::LooseSign { Interval::point(slope.approximate()) } else { slope };
        let end = match (slope.lower() >= 0.0, slope.upper() <= 0.0) {
            (true, _) => Some(upper),
            (_, true) => Some(lower),
            _ => None,
        };
        if let Some(end) = end {
            self.look(end, found);
            return Bound::Attained(self.at(end).upper());
        }
        let mut bound = value.upper();
        if lower.is_finite() && upper.is_finite() {
            let centre = middle(lower, upper);
            self.look(centre, found);
            let step = interval(add_down(lower, -centre), add_up(upper, -centre));
            bound = bound.min((self.at(centre) + slope * step).upper());
        }
        Bound::Within(bound)
    }
}

enum Bound {
    /// A bound of the largest value, at an end that was looked at.
    Attained(f64),
    Within(f64),
}

/// The middle of a range; of a half line, a point beyond its end.
fn middle(lower: f64, upper: f64) -> f64 {
    match (lower.is_finite(), upper.is_finite()) {
        (true, true) => (0.5 * lower + 0.5 * upper).clamp(lower, upper),
        (true, false) => lower.max(0.0) * 2.0 + 2.0,
        (false, true) => upper.min(0.0) * 2.0 - 2.0,
        (false, false) => 0.0,
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(other.lower.total_cmp(&self.lower))
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Part {}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use pemdp::policy::Policy;
    use pemdp::problem::Reading;

    /// A family with weights that are integers, of `n` states and `width` actions.
    fn family(rng: &mut ChaCha8Rng, n: usize, width: usize, gamma: &str, psi: i32) -> Problem {
        let psi: Vec<i32> = (0..n).map(|_| rng.random_range(-psi..=psi)).collect();
        let mut base = vec![vec![vec![0; n]; width]; n];
        for row in base.iter_mut().flatten() {
            row.iter_mut().for_each(|h| *h = if rng.random_bool(0.7) { rng.random_range(1..=9) } else { 0 });
            row[rng.random_range(0..n)] = 1;
        }
        let rewards: Vec<Vec<i32>> =
            (0..n).map(|_| (0..width).map(|_| rng.random_range(-9..=9)).collect()).collect();
        let initial: Vec<u8> = (0..n).map(|s| u8::from(s == 0)).collect();
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":"{gamma}","initial":{initial:?},
                "policy":{{"kind":"weights","values":{:?}}},
                "environment":{{"kind":"exponential-family","psi":{psi:?},"base_weights":{base:?},
                    "reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}}}"#,
            vec![vec![1; width]; n]
        );
        Problem::from_json(&json, Reading::Exact).unwrap()
    }

    fn search(family: &Rectangular) -> Found {
        family.search(1e-6, &FOREVER, &mut |_| {})
    }

    /// Whether the bound of a search is below an exact value: of ordinary chains, and
    /// of weights near those that a search without mutants finds.
    fn is_caught(mutant: Mutant) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        (0..120).any(|round| {
            let (n, width) = (1 + round % 3, 1 + round / 3 % 2);
            let gamma = ["0", "1/2", "9/10", "999/1000"][round % 4];
            let chain = round.is_multiple_of(5);
            let problem =
                family(&mut rng, n, if chain { 1 } else { width }, gamma, if chain { 0 } else { 3 });
            let width = problem.n_actions();
            let bound = [None, Some(0.5), Some(2.0)][round / 4 % 3];
            let mut family = Rectangular::new(&problem, bound).unwrap();
            let best = search(&family).parameters;
            family.mutant = mutant;
            let upper = Rational::from_f64(search(&family).upper);
            (0..4).any(|attempt| {
                let end = bound.unwrap_or(20.0);
                let weights = best.iter().map(|&x| {
                    let random = rng.random_range(-end..end);
                    let x = if attempt == 0 { x.clamp(-end, end) } else { random };
                    Rational::from_f64(f64::clamp(x * (1.0 - 1e-9), -end, end).exp())
                });
                let policy = Policy::weights(n, width, weights.collect()).unwrap();
                let (model, _) = problem.rational_model().unwrap();
                model.perform(&policy).unwrap().evaluation.value > upper
            })
        })
    }

    #[test]
    fn no_exact_value_exceeds_the_bound_and_planted_errors_are_noticed() {
        assert!(!is_caught(Mutant::None));
        for mutant in [
            Mutant::InwardRounding,
            Mutant::NoLift,
            Mutant::DroppedCell,
            Mutant::NoDiscount,
            Mutant::LooseSign,
            Mutant::CentreSlopes,
        ] {
            assert!(is_caught(mutant), "{mutant:?}");
        }
    }

    #[test]
    fn parameters_of_a_state_are_the_best_of_a_grid() {
        let mut rng = ChaCha8Rng::seed_from_u64(22);
        for _ in 0..10 {
            // The other states as found, the first on a grid.
            let problem = family(&mut rng, 3, 2, "1/2", 2);
            let family = Rectangular::new(&problem, Some(1.5)).unwrap();
            let found = search(&family);
            assert_eq!(found.stop, OptimumStop::Gap);
            let model = problem.model::<f64>().unwrap();
            let mut best = f64::NEG_INFINITY;
            for i in 0..=40 {
                for j in 0..=40 {
                    let mut theta = found.parameters.clone();
                    (theta[0], theta[1]) = (-1.5 + 0.075 * f64::from(i), -1.5 + 0.075 * f64::from(j));
                    let policy = Policy::softmax(3, 2, theta).unwrap();
                    best = best.max(model.perform(&policy).unwrap().evaluation.value);
                }
            }
            assert!(best <= found.upper && best >= found.value - 0.05, "{best} {}", found.value);
        }
    }
}
