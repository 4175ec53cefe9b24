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
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

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

    fn of(lower: f64, upper: f64) -> Interval {
        Interval::new(lower, upper).unwrap()
    }

    fn is_near(x: f64, y: f64, error: f64) -> bool {
        (x - y).abs() <= error
    }

    /// A row over the states of a support, with weights `h`.
    fn tilted(support: &[usize], psi: &[f64], h: &[f64], reward: f64, slope: f64) -> Tilted {
        let k = support.len();
        let pair = |i: usize| (i / k, i % k);
        Tilted {
            support: support.to_vec(),
            psi: (0..k * k).map(|i| Interval::point(psi[pair(i).0] - psi[pair(i).1])).collect(),
            ratios: (0..k * k).map(|i| Interval::point(h[pair(i).0] / h[pair(i).1])).collect(),
            reward: Interval::point(reward),
            slope: Interval::point(slope),
            clip: None,
        }
    }

    const PSI: [f64; 3] = [1.0, -0.5, 0.25];
    const WEIGHTS: [f64; 3] = [1.0, 4.0, 2.0];

    /// `P` of that row, by its definition.
    fn tilted_kernel(x: f64) -> [f64; 3] {
        let terms = [0, 1, 2].map(|t| WEIGHTS[t] * f64::exp(PSI[t] * x));
        terms.map(|term| term / terms.iter().sum::<f64>())
    }

    #[test]
    fn kernels_are_enclosed_over_a_range() {
        let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.0, 0.0);
        for (lower, upper) in [(0.0, 0.0), (-2.0, -2.0), (1.0, 1.5), (-1.0, 2.0)] {
            let kernel: Vec<Interval> = row.kernel(of(lower, upper)).collect();
            assert_eq!(kernel.len(), 3);
            for (t, p) in kernel.iter().enumerate() {
                // Each term on its own at one of the ends.
                let sum = |choose: fn(f64, f64) -> f64| {
                    let term = |u: usize, x: f64| WEIGHTS[u] / WEIGHTS[t] * f64::exp((PSI[u] - PSI[t]) * x);
                    (0..3).map(|u| choose(term(u, lower), term(u, upper))).sum::<f64>()
                };
                assert!(is_near(p.lower(), 1.0 / sum(f64::max), 1e-12), "{lower} {upper}");
                assert!(is_near(p.upper(), 1.0 / sum(f64::min), 1e-12), "{lower} {upper}");
                for x in [lower, 0.5 * (lower + upper), upper] {
                    let exact = tilted_kernel(x)[t];
                    assert!(p.lower() <= exact + 1e-15 && exact - 1e-15 <= p.upper());
                }
            }
        }
        assert_eq!([reciprocal(1.0, 1.0), reciprocal(2.0, 4.0)], [Interval::one(), of(0.25, 0.5)]);
        assert_eq!(reciprocal(1.0, f64::INFINITY), of(0.0, 1.0));
        assert!(row.responds() && tilted(&[0, 1], &[0.5, 0.5], &[1.0, 2.0], 0.0, 0.25).responds());
        assert!(!tilted(&[0, 1], &[0.5, 0.5], &[1.0, 2.0], 3.0, 0.0).responds());
    }

    #[test]
    fn rewards_are_clipped_with_their_slopes() {
        let mut row = tilted(&[0], &[0.0], &[1.0], 0.5, 2.0);
        assert_eq!(row.reward(of(-1.0, 1.0)), (of(-1.5, 2.5), Interval::point(2.0)));
        row.clip = Some(Interval::point(1.5));
        let (flat, steep, either) = (Interval::zero(), Interval::point(2.0), of(0.0, 2.0));
        for ((lower, upper), reward, slope) in [
            ((-0.25, 0.25), of(0.0, 1.0), steep),
            ((1.0, 2.0), of(1.5, 1.5), flat),
            ((-2.0, -1.5), of(-1.5, -1.5), flat),
            ((0.0, 1.0), of(0.5, 1.5), either),
            ((-1.5, 0.0), of(-1.5, 0.5), either),
            // At the clip itself.
            ((0.0, 0.5), of(0.5, 1.5), either),
            ((0.5, 1.0), of(1.5, 1.5), either),
            ((-1.0, -0.5), of(-1.5, -0.5), either),
            ((-2.0, -1.0), of(-1.5, -1.5), either),
        ] {
            assert_eq!(row.reward(of(lower, upper)), (reward, slope), "{lower} {upper}");
        }
        // A clip that is not known exactly.
        row.clip = Some(of(1.25, 1.5));
        assert_eq!(row.reward(of(0.0, 0.4375)), (of(0.5, 1.375), either));
        assert_eq!(row.reward(of(0.4375, 3.0)), (of(1.25, 1.5), either));
        assert_eq!(row.reward(of(-0.9375, 0.0)), (of(-1.375, 0.5), either));
        assert_eq!(row.reward(of(-3.0, -0.9375)), (of(-1.5, -1.25), either));
        let fixed = Tilted { reward: Interval::point(2.0), ..tilted(&[0], &[0.0], &[1.0], 2.0, 0.0) };
        assert_eq!(fixed.reward(of(-9.0, 9.0)), (Interval::point(2.0), flat));
        let fixed = Tilted { clip: Some(Interval::point(1.5)), ..fixed };
        assert_eq!(fixed.reward(of(-9.0, 9.0)), (Interval::point(1.5), flat));
    }

    const VALUES: [f64; 4] = [2.0, f64::NAN, -1.0, 3.5];

    fn gain_of(row: &Tilted, level: f64, scale: Option<f64>) -> Gain<'_> {
        Gain {
            row,
            gamma: Interval::point(0.75),
            gap: Interval::point(0.25),
            w: &VALUES,
            level,
            scale,
            mutant: Mutant::None,
        }
    }

    /// `g` and its derivative, by their definitions.
    fn gain_at(x: f64, slope: f64, level: f64, scale: Option<f64>) -> (f64, f64) {
        let at = |x: f64| {
            let kernel = tilted_kernel(x);
            let mean = kernel[0] * VALUES[0] + kernel[1] * VALUES[2] + kernel[2] * VALUES[3];
            (0.5 + slope * x + 0.75 * mean - level) * scale.map_or(1.0, |scale| f64::exp(x - scale))
        };
        (at(x), (at(x + 1e-5) - at(x - 1e-5)) / 2e-5)
    }

    /// Of each a gain that is weighted and one that is not, over points and ranges.
    #[test]
    fn gains_are_enclosed_with_their_slopes() {
        for slope in [0.0, -0.5] {
            let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, slope);
            for (scale, level) in [(None, 1.25), (Some(0.5), 1.25), (Some(-1.0), -2.0), (None, 0.0)] {
                let gain = gain_of(&row, level, scale);
                for x in [-3.0, -1.0, 0.0, 0.5, 2.0] {
                    let (value, derivative) = gain_at(x, slope, level, scale);
                    let size = 1.0 + value.abs() + derivative.abs();
                    let at = gain.at(x);
                    assert!(
                        is_near(at.lower(), value, 1e-12 * size) && is_near(at.upper(), value, 1e-12 * size)
                    );
                    assert!(at.lower() <= at.upper());
                    for half in [0.0, 1e-4, 0.25] {
                        let (values, slopes) = gain.enclose(of(x - half, x + half));
                        for part in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                            let (value, derivative) = gain_at(x + part * half, slope, level, scale);
                            assert!(values.lower() - 1e-12 * size <= value, "{values:?} {value}");
                            assert!(values.upper() + 1e-12 * size >= value, "{values:?} {value}");
                            assert!(slopes.lower() - 1e-8 * size <= derivative, "{slopes:?} {derivative}");
                            assert!(slopes.upper() + 1e-8 * size >= derivative, "{slopes:?} {derivative}");
                        }
                        // Wide by what the range is.
                        let wide = 1e-8 + 40.0 * half;
                        assert!(values.width() <= wide * size && slopes.width() <= wide * size, "{x} {half}");
                    }
                }
            }
        }
    }

    /// Bounds of short ranges: at an end where the gain is monotone, else of second
    /// order.
    #[test]
    fn ranges_are_bounded_by_the_end_that_is_largest() {
        let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, -0.25);
        let gain = gain_of(&row, 1.0, None);
        let value = |x: f64| gain_at(x, -0.25, 1.0, None).0;
        let nothing = || Supremum { upper: 0.0, at: f64::NAN, lower: f64::NEG_INFINITY, cells: 7 };
        // The gain falls on the left, rises, and falls again.
        let slope = |x: f64| gain_at(x, -0.25, 1.0, None).1;
        assert!(slope(-3.0) < -0.1 && slope(0.5) > 0.1 && slope(6.0) < -0.1);
        for (lower, upper, end) in [(-3.01, -2.99, -3.01), (0.49, 0.5, 0.5), (6.0, 6.5, 6.0)] {
            let mut found = nothing();
            let Bound::Attained(bound) = gain.bound(lower, upper, &mut found) else {
                panic!("{lower} {upper} is monotone")
            };
            assert!(bound >= value(end) - 1e-13 && is_near(bound, value(end), 1e-12));
            assert_eq!((found.at, found.cells), (end, 8));
            assert!(is_near(found.lower, value(end), 1e-12));
        }
        // The maximum.
        let (mut low, mut high) = (0.5, 6.0);
        for _ in 0..60 {
            let at = 0.5 * (low + high);
            if slope(at) > 0.0 { low = at } else { high = at }
        }
        for half in [1e-2, 1e-3] {
            let mut found = nothing();
            let Bound::Within(bound) = gain.bound(low - half, low + half, &mut found) else {
                panic!("the maximum is inside")
            };
            assert!(bound >= value(low) && bound <= value(low) + 3.0 * half * half, "{}", bound - value(low));
            assert!(is_near(found.at, low, 1e-12) && is_near(found.lower, value(low), 1e-12));
        }
        // What was better is kept.
        let mut found = Supremum { lower: 100.0, ..nothing() };
        gain.bound(low - 0.1, low + 0.1, &mut found);
        assert!(found.at.is_nan() && found.lower == 100.0);
        let Bound::Within(bound) = gain.bound(0.0, f64::INFINITY, &mut found) else {
            panic!("no slope has a sign")
        };
        assert!(bound >= value(low));
    }

    #[test]
    fn suprema_are_those_of_a_fine_grid() {
        for (slope, scale, range) in [
            (-0.25, None, (-4.0, 8.0)),
            (0.0, None, (f64::NEG_INFINITY, f64::INFINITY)),
            (0.0, Some(1.0), (-4.0, 1.0)),
            (-1.0, Some(2.0), (-3.0, 2.0)),
            (1.0, None, (-3.0, -2.0)),
            (-2.0, None, (1.0, 3.0)),
        ] {
            let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, slope);
            let gain = gain_of(&row, 1.0, scale);
            let best = gain.supremum(range, 1e-7, &FOREVER);
            let ends = (f64::max(range.0, -40.0), f64::min(range.1, 40.0));
            let most = (0..=200_000)
                .map(|i| ends.0 + (ends.1 - ends.0) * f64::from(i) / 200_000.0)
                .map(|x| gain_at(x, slope, 1.0, scale).0)
                .fold(f64::NEG_INFINITY, f64::max);
            assert!(best.upper >= most - 1e-12 && best.upper <= most + 3e-7, "{} {most}", best.upper);
            assert!(best.lower <= most + 1e-7 && best.lower >= most - 3e-7, "{} {most}", best.lower);
            assert!(best.lower <= best.upper && best.lower == gain.at(best.at).lower());
            assert!(range.0 <= best.at && best.at <= range.1 && best.cells < 200, "{}", best.cells);
            // Any range that is found to be late ends after 64 cells, with a bound.
            let interrupt = AtomicBool::new(true);
            let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
            let late = gain.supremum(range, 0.0, &halt);
            assert!(
                late.upper >= most - 1e-12 && late.upper.is_finite() && late.cells <= 64,
                "{}",
                late.cells
            );
        }
        // What does not respond is constant.
        let row = tilted(&[0, 2], &[0.5, 0.5], &[1.0, 3.0], 0.5, 0.0);
        let constant = gain_of(&row, 1.0, None).supremum((-1.0, 1.0), 1e-7, &FOREVER);
        // 1/2 + 3/4 (2/4 - 3/4) - 1
        assert!(is_near(constant.upper, -0.6875, 1e-14) && constant.upper >= -0.6875);
        assert!(is_near(constant.lower, -0.6875, 1e-14) && constant.lower <= -0.6875 && constant.cells == 0);
        // Weighted by e^x, it is not.
        let weighted = gain_of(&row, 1.0, Some(0.0)).supremum((-1.0, 1.0), 1e-7, &FOREVER);
        assert!(is_near(weighted.upper, -0.6875 * f64::exp(-1.0), 1e-12) && weighted.at == -1.0);
        // Of points that are equal the first is kept, the upper end.
        let row = tilted(&[0, 2], &[1.0, -1.0], &[1.0, 1.0], 0.5, 0.0);
        let level = Gain { w: &[0.0; 4], ..gain_of(&row, 0.0, None) };
        let level = level.supremum((-1.0, 1.0), f64::INFINITY, &FOREVER);
        assert_eq!((level.at, level.lower), (1.0, 0.5));
    }

    #[test]
    fn ranges_are_halved_and_ordered_by_their_bounds() {
        let infinite = f64::INFINITY;
        for ((lower, upper), at) in [
            ((1.0, 3.0), 2.0),
            ((-3.0, 1.0), -1.0),
            ((1.0, infinite), 4.0),
            ((-5.0, infinite), 2.0),
            ((-infinite, -1.0), -4.0),
            ((-infinite, 5.0), -2.0),
            ((-infinite, infinite), 0.0),
        ] {
            assert_eq!(middle(lower, upper), at);
        }
        let part = |lower: f64, bound: f64| Part { lower, upper: 9.0, bound };
        assert_eq!(part(0.0, 1.0).cmp(&part(0.0, 2.0)), Ordering::Less);
        assert_eq!(part(2.0, 1.0).partial_cmp(&part(1.0, 1.0)), Some(Ordering::Less));
        assert!(part(1.0, 1.0) == part(1.0, 1.0) && part(1.0, 1.0) != part(2.0, 1.0));
        assert!(part(1.0, 1.0) > part(2.0, 1.0));
        let bands = |bound: f64| Rectangular::bands(bound).collect::<Vec<_>>();
        assert_eq!(bands(3.0), [(-3.0, -1.0), (-1.0, 1.0), (1.0, 3.0)]);
        assert_eq!(bands(2.5), [(-2.5, -0.5), (-0.5, 1.5), (1.5, 2.5)]);
        assert_eq!(bands(0.5), [(-0.5, 0.5)]);
    }

    #[test]
    fn choices_have_their_probabilities() {
        let choice = Choice { parameters: vec![0.5, -1.0, 2.0], only: None };
        let sum: f64 = choice.parameters.iter().map(|x| f64::exp(*x)).sum();
        for (p, x) in choice.policy().iter().zip(&choice.parameters) {
            let exact = f64::exp(*x) / sum;
            assert!(p.lower() <= exact && exact <= p.upper() && p.width() < 1e-13, "{p:?} {exact}");
        }
        let limit = Choice::limit(3, 1, 0.25);
        let least = f64::NEG_INFINITY;
        assert_eq!(limit, Choice { parameters: vec![least, 0.25, least], only: Some(1) });
        assert_eq!(limit.policy(), [Interval::zero(), Interval::one(), Interval::zero()]);
    }

    /// A problem of two states and two actions, with a box or without.
    fn small(environment: &str, bound: Option<f64>) -> (Problem, Rectangular) {
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":"3/4","initial":["1/4","3/4"],
                "policy":{{"kind":"weights","values":[[1,1],[1,1]]}},
                "environment":{{"kind":"exponential-family",{environment}}}}}"#
        );
        let problem = Problem::from_json(&json, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
        let family = Rectangular::new(&problem, bound).unwrap();
        (problem, family)
    }

    const MOVING: &str = r#""psi":[1,-1],"base_weights":[[[1,2],[3,1]],[[1,1],[1,4]]],
        "reward":{"base":[[1,-2],["1/2",3]],"slope":"1/4","clip":2}"#;

    #[test]
    fn base_measures_are_read_as_ratios() {
        let long = format!("1{}", "0".repeat(400));
        let environment = format!(
            r#""psi":[1,-1],"base_weights":[[[1,"{long}"],[3,1]],[[1,0],[1,4]]],
                "reward":{{"base":[[1,-2],["1/2",3]],"slope":0,"clip":null}}"#
        );
        let (problem, family) = small(&environment, None);
        let row = &family.rows[0];
        assert_eq!((row.ratios[1].lower(), row.ratios[1].upper() > 0.0), (0.0, true));
        assert_eq!(row.ratios[2], of(f64::MAX, f64::INFINITY));
        assert!(is_near(family.rows[1].ratios[1].approximate(), 3.0, 1e-15));
        assert!(is_near(family.rows[1].ratios[2].approximate(), 1.0 / 3.0, 1e-15));
        assert_eq!(family.rows[1].psi[1], Interval::point(2.0));
        assert_eq!(family.rows[2].support, [0]);
        let Structure::LocalFamily(given) = problem.structure() else { panic!() };
        let base = &given.base;
        assert_eq!((weight(base, 5), weight(base, 7)), (None, Some(Rational::from_f64(4.0))));
        let logits = r#"{"format":"pemdp-problem/1","gamma":0.75,"initial":[0.25,0.75],
            "policy":{"kind":"weights","values":[[1,1],[1,1]]},
            "environment":{"kind":"exponential-family","psi":[1,-1],
                "base_logits":[[[1,2],[0.5,null]],[[0,0],[0,0]]],
                "reward":{"base":[[1,-2],[0.5,3]],"slope":0,"clip":null}}}"#;
        let logits = Problem::from_json(logits, Reading::Doubles).unwrap_or_else(|error| panic!("{error}"));
        let Structure::LocalFamily(given) = logits.structure() else { panic!() };
        let base = &given.base;
        assert!(is_near(ratio(base, 1, 0).approximate(), f64::exp(1.0), 1e-14));
        assert_eq!((weight(base, 2), weight(base, 3)), (Some(Rational::from_ratio(1, 2)), None));
    }

    /// Values, and bounds below them, of given choices.
    #[test]
    fn values_of_choices_are_those_of_the_policy() {
        let (problem, family) = small(MOVING, Some(2.0));
        let model = problem.model::<f64>().unwrap();
        let parameters = [[0.5, -1.0], [1.5, 0.25]];
        let choices: Vec<Choice> =
            parameters.iter().map(|x| Choice { parameters: x.to_vec(), only: None }).collect();
        let policy = Policy::softmax(2, 2, parameters.concat()).unwrap();
        let exact = model.perform(&policy).unwrap().evaluation;
        let values = family.values(&choices);
        let mean = 0.25 * values[0] + 0.75 * values[1];
        assert!(is_near(mean, exact.value, 1e-12), "{mean} {}", exact.value);
        let bounds = family.lower_bounds(&choices, &values);
        assert!((0..2).all(|s| bounds[s] <= values[s] && is_near(bounds[s], values[s], 1e-12)));
        // Guesses that are too large fall by the largest loss over 1 - gamma.
        for raised in [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]] {
            let w: Vec<f64> = (0..2).map(|s| values[s] + raised[s]).collect();
            let image: Vec<f64> = (0..2)
                .map(|s| {
                    let policy = choices[s].policy();
                    (0..2)
                        .map(|a| {
                            let gain = family.gain(s, a, &w, w[s], None);
                            policy[a].approximate() * gain.at(parameters[s][a]).approximate()
                        })
                        .sum()
                })
                .collect();
            let fall = f64::max(-image[0], -image[1]).max(0.0) / 0.25;
            let bounds = family.lower_bounds(&choices, &w);
            assert!((0..2).all(|s| is_near(bounds[s], w[s] - fall, 1e-12)), "{bounds:?} {w:?} {fall}");
            assert!((0..2).all(|s| bounds[s] <= values[s]));
        }
        // The mean gain of a state under its own value is what the mean of the kernel is.
        let limits = [Choice::limit(2, 0, 1.0), Choice::limit(2, 1, -2.0)];
        let values = family.values(&limits);
        let bounds = family.lower_bounds(&limits, &values);
        assert!((0..2).all(|s| bounds[s] <= values[s] && is_near(bounds[s], values[s], 1e-12)));
        let kernel = |h: [f64; 2], x: f64| {
            let terms = [h[0] * f64::exp(x), h[1] * f64::exp(-x)];
            terms.map(|term| term / (terms[0] + terms[1]))
        };
        let (p, q) = (kernel([1.0, 2.0], 1.0), kernel([1.0, 4.0], -2.0));
        for (s, (row, reward)) in [(p, 1.25), (q, 2.0)].into_iter().enumerate() {
            let image = reward + 0.75 * (row[0] * values[0] + row[1] * values[1]);
            assert!(is_near(image, values[s], 1e-12), "{s}: {image} {}", values[s]);
        }
    }

    #[test]
    fn bounds_of_all_values_are_means_of_the_initial_states() {
        let (_, family) = small(MOVING, Some(0.5));
        assert_eq!(
            (family.mean(&[2.0, -1.0]), family.lifted(&[2.0, -1.0], 0.5)),
            (Interval::point(-0.25), 0.25)
        );
        // The largest reward is 2, for ever: that of 3 is clipped.
        assert_eq!(family.largest_value(), 8.0);
        let environment = MOVING.replace("\"clip\":2", "\"clip\":null");
        // 3 + 1/8 at the end of the box.
        assert_eq!(small(&environment, Some(0.5)).1.largest_value(), 12.5);
        // Where rewards fall, 3 + 1/8 at the other end.
        let falling = environment.replace("\"1/4\",\"clip", "\"-1/4\",\"clip");
        assert_eq!(small(&falling, Some(0.5)).1.largest_value(), 12.5);
        // Without another box the one of rewards that grow.
        assert_eq!(small(&environment, None).1.bound(), Some(DEFAULT_BOUND));
        assert_eq!(small(MOVING, None).1.bound(), None);
        assert_eq!(family.domain(), "all parameters theta in [-0.5, 0.5]");
        for bound in [0.0, -1.0, 301.0, f64::NAN] {
            assert!(check_bound(Some(bound)).is_err(), "{bound}");
        }
        assert_eq!((check_bound(Some(300.0)), check_bound(None)), (Ok(()), Ok(())));
        // States whose rows are the same and do not respond.
        let environment = r#""psi":[1,1],"base_weights":[[[1,2],[1,2]],[[1,2],[1,2]]],
            "reward":{"base":[[1,1],[1,2]],"slope":0,"clip":null}"#;
        assert_eq!(small(environment, None).1.indifferent, [true, false]);
        let second = environment.replace("[[1,1],[1,2]],\"slope", "[[1,2],[3,3]],\"slope");
        assert_eq!(small(&second, None).1.indifferent, [false, true]);
        assert_eq!(
            small(&environment.replace("[1,1],\"base", "[1,-1],\"base"), None).1.indifferent,
            [false; 2]
        );
        let other = environment.replace("[[[1,2],[1,2]]", "[[[1,2],[2,2]]");
        assert_eq!(small(&other, None).1.indifferent, [false; 2]);
    }

    /// What one state gains over all of its parameters, by a grid of them.
    #[test]
    fn improvements_of_a_state_are_those_of_a_grid() {
        let bound = 3.0;
        let (_, family) = small(MOVING, Some(bound));
        let w = [1.0, 2.5];
        let kernel = |h: [f64; 2], x: f64| {
            let terms = [h[0] * f64::exp(x), h[1] * f64::exp(-x)];
            terms.map(|term| term / (terms[0] + terms[1]))
        };
        let rows = [[([1.0, 2.0], 1.0), ([3.0, 1.0], -2.0)], [([1.0, 1.0], 0.5), ([1.0, 4.0], 3.0)]];
        let q = |s: usize, a: usize, x: f64| {
            let (h, base) = rows[s][a];
            let p = kernel(h, x);
            f64::clamp(base + 0.25 * x, -2.0, 2.0) + 0.75 * (p[0] * w[0] + p[1] * w[1])
        };
        let f = |s: usize, x: f64, y: f64| {
            let (e, g) = (f64::exp(x), f64::exp(y));
            (e * q(s, 0, x) + g * q(s, 1, y)) / (e + g)
        };
        let grid = || (0..=240).map(|i| -bound + bound * f64::from(i) / 120.0);
        for s in 0..2 {
            let most = grid().flat_map(|x| grid().map(move |y| (x, y))).map(|(x, y)| f(s, x, y));
            let best = most.fold(f64::NEG_INFINITY, f64::max);
            // Gains of the actions, each with its weight.
            let gains = family.largest_gains(s, &w, 1e-6);
            for (a, gain) in gains.iter().enumerate() {
                let most = (0..=60_000)
                    .map(|i| -bound + bound * f64::from(i) / 30_000.0)
                    .map(|x| f64::exp(x) * (q(s, a, x) - w[s]))
                    .fold(f64::NEG_INFINITY, f64::max);
                assert!(*gain >= most - 1e-12 && *gain <= most + 2e-7, "{s} {a}: {gain} {most}");
            }
            let (rise, cells) = family.largest_rise(s, &w, 1e-3, &FOREVER);
            let exact = f64::max(best - w[s], 0.0);
            assert!(rise >= exact - 1e-6 && rise <= f64::max(8.0 * exact, 1e-3), "{s}: {rise} {exact}");
            assert!(cells > 0);
            // A share that is more than the rise is proved as it is.
            let (rise, _) = family.largest_rise(s, &w, 4.0 * exact + 1.0, &FOREVER);
            assert_eq!(rise, 4.0 * exact + 1.0);
            let mut cells = 0;
            for band in Rectangular::bands(bound) {
                // Of parameters whose largest lies in the band.
                let most = grid().flat_map(|x| grid().map(move |y| (x, y)));
                let most = most.filter(|(x, y)| x.max(*y) >= band.0 && x.max(*y) <= band.1);
                let most = most.map(|(x, y)| f(s, x, y)).fold(f64::NEG_INFINITY, f64::max) - w[s];
                assert!(!(-0.01..=0.1).contains(&most), "{most}");
                let mut holds = |rise: f64| family.is_at_most(s, &w, band, rise, &FOREVER, &mut cells);
                assert!(holds(4.0 * most.max(0.05)) && holds(f64::INFINITY), "{s} {band:?} {most}");
                assert!(!holds(0.95 * most.max(1e-9)) || most < 0.0, "{s} {band:?} {most}");
            }
            assert!(cells > 0);
            let now = Choice { parameters: vec![0.0; 2], only: None };
            let improvement = family.improve(s, &now, &w, &FOREVER);
            let better = improvement.choice.unwrap();
            let reached = f(s, better.parameters[0], better.parameters[1]);
            assert!(better.only.is_none() && improvement.cells > 0);
            assert!(reached - w[s] >= 0.7 * (best - w[s]), "{s}: {reached} {best} {}", w[s]);
            // From far above there is none, and nothing rises by more than what is
            // negligible there.
            let (rise, cells) = family.largest_rise(s, &[1e6; 2], 0.0, &FOREVER);
            assert_eq!((rise, cells > 0), (NEGLIGIBLE * 1e6, true));
            let high = [20.0, 20.0];
            assert!(family.improve(s, &now, &high, &FOREVER).choice.is_none());
        }
    }

    /// Rows that do not respond: the best policy is one action each, in a limit.
    #[test]
    fn families_that_do_not_respond_are_ordinary() {
        let environment = r#""psi":[0,0],"base_weights":[[[1,0],[0,1]],[[1,1],[0,1]]],
            "reward":{"base":[[1,-1],[0,3]],"slope":0,"clip":null}"#;
        // From state 1 stay for 3: 12. From state 0 stay for 1: 4; or go, -1 + 3/4 12 = 8.
        let (_, family) = small(environment, None);
        let found = search(&family);
        assert!(found.value <= 11.0 && is_near(found.value, 11.0, 1e-12));
        assert!(found.upper >= 11.0 && is_near(found.upper, 11.0, 1e-6));
        assert_eq!((found.attained, found.stop), (false, OptimumStop::Gap));
        assert_eq!(found.policy, [0.0, 1.0, 0.0, 1.0]);
        assert!(
            is_near(family.best_values()[0], 8.0, 1e-12) && is_near(family.best_values()[1], 12.0, 1e-12)
        );
        let gains = family.largest_gains(0, &[8.0, 12.0], 1e-9);
        assert!(is_near(gains[0], -1.0, 1e-12) && is_near(gains[1], 0.0, 1e-12));
        // Numbers that are exact leave no gap; others leave one.
        let exact = family.search(0.0, &FOREVER, &mut |_| {});
        assert_eq!((exact.upper - exact.value, exact.stop), (0.0, OptimumStop::Gap));
        let inexact = small(MOVING, Some(2.0)).1.search(1e-30, &FOREVER, &mut |_| {});
        assert_eq!((inexact.upper > inexact.value, inexact.stop), (true, OptimumStop::Exhausted));
        let interrupt = AtomicBool::new(true);
        let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
        let stopped = family.search(1e-6, &halt, &mut |_| {});
        assert_eq!(stopped.stop, OptimumStop::Interrupted);
        // The uniform policy: V = (1 + 3 V/4 (.5, .5) ...) in whole numbers is left to the bound.
        assert!(stopped.upper >= 11.0 && stopped.value <= 11.0 && stopped.upper <= 12.0);
    }

    /// Without a box: a limit is taken where it is as good, and kept.
    #[test]
    fn limits_are_preferred_and_kept() {
        // The more state 0 tilts to state 0, the better, without end; both actions alike.
        let environment = r#""psi":[1,-1],"base_weights":[[[1,1],[1,1]],[[1,1],[1,1]]],
            "reward":{"base":[[1,1],[0,0]],"slope":0,"clip":null}"#;
        let (_, family) = small(environment, None);
        let (least, most) = (f64::NEG_INFINITY, f64::INFINITY);
        // Stay in state 0, or go there: 1/(1 - 3/4), and 3/4 of that.
        let w = [4.0, 3.0];
        let improved = |parameters: [f64; 2], only: Option<usize>| {
            family.improve(0, &Choice { parameters: parameters.to_vec(), only }, &w, &FOREVER).choice
        };
        let limit = Choice { parameters: vec![most, least], only: Some(0) };
        assert_eq!(improved([0.0, 0.0], None), Some(limit.clone()));
        assert_eq!(improved([30.0, least], Some(0)), Some(limit.clone()));
        assert_eq!(improved([most, least], Some(0)), None);
        // Better than what is worth less, from anywhere.
        let better = family.improve(0, &limit, &[3.5, 3.0], &FOREVER).choice;
        assert_eq!(better, Some(limit.clone()));
        // Where the limit is worth less than the value it is not taken instead.
        let now = Choice { parameters: vec![0.0, least], only: Some(0) };
        assert_eq!(family.improve(0, &now, &[4.5, 3.0], &FOREVER).choice, None);
        // From a softmax a limit is taken even where it is none better.
        let softmax = Choice { parameters: vec![0.0, 0.0], only: None };
        let first = family.improve(0, &softmax, &[100.0, 100.0], &FOREVER).choice;
        assert!(first.is_some_and(|choice| choice.only.is_some()));
        let found = search(&family);
        assert!(is_near(found.value, 0.25 * 4.0 + 0.75 * 3.0, 1e-9) && !found.attained);
        // With one action a parameter that cannot be improved stays.
        let single = r#"{"format":"pemdp-problem/1","gamma":"1/2","initial":[1],
            "policy":{"kind":"weights","values":[[1]]},
            "environment":{"kind":"exponential-family","psi":[0],"base_weights":[[[1]]],
                "reward":{"base":[[1]],"slope":1,"clip":2}}}"#;
        let problem = Problem::from_json(single, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
        let family = Rectangular::new(&problem, None).unwrap();
        let now = Choice { parameters: vec![1.0], only: None };
        assert_eq!(family.improve(0, &now, &[4.5], &FOREVER).choice, None);
    }

    /// How much a state may rise, to the share that is asked for.
    #[test]
    fn rises_are_bounded_to_their_share() {
        let (_, family) = small(MOVING, None);
        let w = [1.0, 2.5];
        for s in 0..2 {
            let gain = |a: usize, x: f64| family.gain(s, a, &w, w[s], None).at(x).approximate();
            let points = || (0..=80_000).map(|i| -40.0 + f64::from(i) / 1000.0);
            let most = (0..2).flat_map(|a| points().map(move |x| (a, x)));
            let most = most.map(|(a, x)| gain(a, x)).fold(0.0, f64::max);
            assert!(most > 0.01, "{most}");
            let (rise, cells) = family.largest_rise(s, &w, 1e-4, &FOREVER);
            assert!(rise >= most - 1e-9 && rise <= most + 1e-4 && cells > 0, "{rise} {most}");
        }
        // The tolerance of gains is that of weights of e^-bound.
        let (_, family) = small(MOVING, Some(3.0));
        for level in [0.5, 1.0, 1.5, 2.0, 2.5] {
            let w = [level, 2.0];
            let gains = family.largest_gains(0, &w, 8.0);
            for (a, gain) in gains.iter().enumerate() {
                let best = family.gain(0, a, &w, level, Some(0.0));
                let best = best.supremum((-3.0, 3.0), 8.0 * f64::exp(-3.0), &FOREVER);
                assert_eq!(*gain, best.upper, "{level} {a}");
            }
        }
        // In a box within a few times of it: here of a quarter of what all values lack.
        let (_, family) = small(MOVING, Some(3.0));
        let w: Vec<f64> = family.best_values().iter().map(|v| v - 0.1).collect();
        for s in 0..2 {
            let (rise, _) = family.largest_rise(s, &w, 1e-4, &FOREVER);
            assert!((0.025 - 1e-6..=8.0 * 0.025).contains(&rise), "{rise}");
        }
    }

    /// The best parameter of a reward that grows is the end of the box, in the last band.
    #[test]
    fn searches_count_their_cells_and_tell_their_values() {
        let single = r#"{"format":"pemdp-problem/1","gamma":"1/2","initial":[1],
            "policy":{"kind":"weights","values":[[1]]},
            "environment":{"kind":"exponential-family","psi":[0],"base_weights":[[[1]]],
                "reward":{"base":[[1]],"slope":"1/8","clip":null}}}"#;
        let problem = Problem::from_json(single, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
        let family = Rectangular::new(&problem, Some(3.0)).unwrap();
        let now = Choice { parameters: vec![0.0], only: None };
        let better = family.improve(0, &now, &[2.0], &FOREVER).choice;
        assert_eq!(better, Some(Choice { parameters: vec![3.0], only: None }));
        let (_, family) = small(MOVING, Some(2.0));
        let mut told = vec![];
        let Policies { choices, values, cells, early } =
            family.iterate(&FOREVER, &mut |progress| told.push(progress.value));
        assert!(cells > 0 && early.is_none() && told.len() > 1);
        let mean = 0.25 * values[0] + 0.75 * values[1];
        assert!(is_near(*told.last().unwrap(), mean, 1e-12));
        let gap = 1e-3;
        // Half of the gap, over the two states' quarter of it.
        let rises = (0..2).map(|s| family.largest_rise(s, &values, 0.5 * gap * 0.25, &FOREVER).1);
        let found = family.search(gap, &FOREVER, &mut |_| {});
        assert_eq!((found.nodes, found.stop), (cells + rises.sum::<usize>(), OptimumStop::Gap));
        assert_eq!(found.parameters, choices.iter().flat_map(|c| c.parameters.clone()).collect::<Vec<_>>());
        assert!(found.upper - found.value <= gap && found.attained);
    }
}
