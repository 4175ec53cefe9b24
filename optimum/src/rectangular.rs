//! Optima of exponential families, by dynamic programming.
//!
//! The rows of a state depend on the parameters of that state alone, so the best
//! values satisfy Bellman's equation with the parameters of the state for its
//! actions, and its maximum falls into one maximum of a function of one number for
//! each action. Proofs: `docs/theory/optima.md`, sections 7 and 8, with entropy 14.

mod gain;
mod soft;

use nalgebra::{DMatrix, DVector};
use num_traits::{One, Zero};
use rayon::prelude::*;

use gain::{Gain, Supremum, Tilted, ratio, reciprocal, weight};

use soft::SoftGain;

use super::build;
use super::enclosure::interval;
use super::exponential::{exp_down, exp_up};
use super::outcome::{FOREVER, Found, Halt, OptimumError, OptimumStop, Progress};
use super::rules::{Rules, Sound};
use pemdp::arithmetic::rounding::{add_down, add_up, div_up, mul_down};
use pemdp::arithmetic::{Field, Interval, Rational, Transcendental};
use pemdp::environments::{ExponentialFamilySpec, Structure};
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
/// Where rewards grow without bound, or there is entropy, parameters lie in this box unless
/// another is given.
pub(super) const DEFAULT_BOUND: f64 = 3.0;
/// What counts as no improvement, relative to the values.
const NEGLIGIBLE: f64 = 1e-14;
/// With entropy, an improvement is enough that is the best up to this share of it.
const GOOD_ENOUGH: f64 = 0.25;

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
    /// `lambda`; 0 where there is one action. With entropy there is a bound.
    entropy: Interval,
    rules: &'static dyn Rules,
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
        let ExponentialFamilySpec { psi, base, reward_base, slope, clip, .. } = &*family;
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
        let soft = width > 1 && !problem.entropy().is_zero();
        Ok(Self {
            n_states: n,
            n_actions: width,
            gamma: problem.gamma().lift(),
            gap: Interval::from_rational(&(Rational::one() - problem.gamma().exact())),
            initial: build::initial(problem),
            indifferent: indifferent.collect(),
            rows,
            bound: bound.or((unbounded || soft).then_some(DEFAULT_BOUND)),
            entropy: if soft { problem.entropy().lift() } else { Interval::zero() },
            rules: &Sound,
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
        // A half of the gap for what the improvement may still be.
        let share = 0.5 * gap * self.gap.lower();
        let Policies { choices, values, mut cells, early } =
            self.iterate(0.5 * share, &halt.share(ITERATING), progress);
        let mut stop = early.unwrap_or(OptimumStop::Gap);
        let lower = self.lower_bounds(&choices, &values);
        let rises: Vec<(f64, usize)> =
            (0..self.n_states).into_par_iter().map(|s| self.largest_rise(s, &values, share, halt)).collect();
        cells += rises.iter().map(|rise| rise.1).sum::<usize>();
        let rise = rises.iter().fold(0.0, |most, rise| Size::larger(most, rise.0));
        let upper = self.lifted(&values, self.rules.lift(rise, self.gap)).min(self.largest_value());
        let value = self.mean(&lower).lower();
        let upper = upper.max(value);
        if stop == OptimumStop::Gap && add_up(upper, -value) > gap {
            stop = halt.reason().unwrap_or(OptimumStop::Exhausted);
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
            method: if self.entropy.is_zero() {
                "policy iteration over the parameters of each state"
            } else {
                "soft policy iteration over the parameters of each state"
            },
        }
    }

    /// Policy iteration, with entropy until no state gains more than a tolerance.
    fn iterate(&self, tolerance: f64, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Policies {
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
                .map(|s| self.improve(s, &choices[s], &values, tolerance, halt))
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
        // The last improvement may have been cut short.
        Policies { choices, values, cells, early: halt.reason() }
    }

    /// Values near the best ones.
    pub fn best_values(&self) -> Vec<f64> {
        self.iterate(0.0, &FOREVER, &mut |_| {}).values
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

    /// What no value exceeds: the largest reward and entropy for ever.
    fn largest_value(&self) -> f64 {
        let end = self.bound.unwrap_or(f64::INFINITY);
        let rewards = self.rows.iter().map(|row| row.reward(interval(-end, end)).0.upper());
        let entropy = self.entropy * Interval::point(self.n_actions as f64).ln();
        let most = add_up(rewards.fold(0.0, Size::larger), entropy.upper());
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
        self.rules.rounded_up(self.mean(&lifted))
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
                rewards[s] += self.bonus(*pi).approximate();
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
            fall = Size::larger(fall, -self.change(s, choice, w).lower());
        }
        let fall = self.rules.lift(fall, self.gap);
        w.iter().map(|&w| add_down(w, -fall)).collect()
    }

    /// `B(w)[s] - w[s]` of a choice.
    fn change(&self, s: usize, choice: &Choice, w: &[f64]) -> Interval {
        let policy = choice.policy();
        let mut change = Interval::zero();
        for a in (0..self.n_actions).filter(|&a| !policy[a].is_zero()) {
            let gain = self.gain(s, a, w, w[s], None);
            change += policy[a] * gain.at(choice.parameters[a]) + self.bonus(policy[a]);
        }
        change
    }

    /// `-lambda pi log pi`
    fn bonus(&self, pi: Interval) -> Interval {
        if self.entropy.is_zero() { Interval::zero() } else { -(self.entropy * pi * pi.ln()) }
    }

    fn gain<'a>(&'a self, s: usize, a: usize, w: &'a [f64], level: f64, scale: Option<f64>) -> Gain<'a> {
        Gain {
            row: &self.rows[s * self.n_actions + a],
            gamma: self.gamma,
            gap: self.gap,
            w,
            level,
            scale,
            entropy: None,
            rules: self.rules,
        }
    }

    /// Ranges of the largest parameter of a state that cover the box.
    fn bands(bound: f64) -> impl Iterator<Item = (f64, f64)> {
        let n = (2.0 * bound / BAND).ceil();
        let end = move |k: f64| if k == n { bound } else { -bound + k * BAND };
        (0..n as usize).map(move |k| (end(k as f64), end(k as f64 + 1.0)))
    }

    /// A choice of a state that is better than its value, where there is one.
    fn improve(&self, s: usize, now: &Choice, w: &[f64], tolerance: f64, halt: &Halt<'_>) -> Improvement {
        if self.indifferent[s] {
            return Improvement { choice: None, cells: 0 };
        }
        if let (Some(bound), false) = (self.bound, self.entropy.is_zero()) {
            let best = SoftGain { family: self, s, w, bound, halt }.supremum(tolerance, GOOD_ENOUGH);
            return Improvement { choice: best.choice, cells: best.cells };
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
        if !self.entropy.is_zero() {
            let best = SoftGain { family: self, s, w, bound, halt }.supremum(share, 0.0);
            return (best.upper, best.cells);
        }
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

#[cfg(test)]
mod tests;
