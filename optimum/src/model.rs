//! What a bound needs of an environment: its rows over a cell, and how the
//! Bellman operator changes with the coordinates. Proofs: `docs/theory/optima.md`.

use num_traits::{One, Zero};

use super::cell::Cell;
use super::enclosure::{interval, largest_mean};
use super::rules::Rules;
use pemdp::arithmetic::rounding::add_up;
use pemdp::arithmetic::{Field, Interval};

/// A performative MDP whose `P` and `r` are affine in the probabilities of the
/// policy, as enclosures of its numbers.
#[derive(Debug)]
pub(super) struct AffineModel {
    pub n_states: usize,
    pub n_actions: usize,
    pub gamma: Interval,
    /// `1 - gamma` times the largest row sum over all policies.
    pub gap: Interval,
    /// A bound of `|r|` over all policies.
    pub largest_reward: f64,
    pub initial: Vec<Interval>,
    /// `sum_t P[s,a,t]` over all policies, at `s A + a`.
    pub row_sums: Vec<Interval>,
    /// The domain.
    pub root: Cell,
    /// The constant part of `P[s,a,t]`.
    pub base: Vec<Interval>,
    /// The constant part of `r[s,a]`.
    pub rewards: Vec<Interval>,
    /// For each row, the states whose policy it refers to.
    pub links: Vec<Vec<Link>>,
    pub rules: &'static dyn Rules,
}

/// How a row depends on the policy of one state.
#[derive(Debug)]
pub(super) struct Link {
    pub state: usize,
    /// The slope of `r` in `pi(b|state)`.
    pub rewards: Vec<Interval>,
    /// The slope of `P[.,.,t]` in `pi(b|state)` at `b S + t`.
    pub transitions: Vec<Interval>,
    /// Its sum over `t`.
    pub sums: Vec<Interval>,
}

impl AffineModel {
    /// `pi(a|s)` over a cell.
    pub fn policy(&self, cell: &Cell, policy: &mut [Interval]) {
        for (i, p) in policy.iter_mut().enumerate() {
            *p = interval(cell.lower[i].clamp(0.0, 1.0), cell.upper[i].clamp(0.0, 1.0));
        }
    }

    /// An upper bound of `sign r[s,a] + gamma sum_t P[s,a,t] w[t]` over the cell
    /// for `sign` 1, 0 or -1; `best` is a row near the maximum, and the second
    /// number its `sign r`. Linear in the policy, one state at a time, so that a
    /// probability counts once however many entries it moves.
    pub fn largest_row(&self, cell: &Cell, i: usize, sign: f64, w: &[f64], best: &mut [f64]) -> (f64, f64) {
        let (n, width) = (self.n_states, self.n_actions);
        let base = &self.base[i * n..(i + 1) * n];
        let mut reward = signed(sign, self.rewards[i]).approximate();
        let mut bound = (signed(sign, self.rewards[i]) + self.gamma * dot(base, w)).upper();
        for (best, p) in best.iter_mut().zip(base) {
            *best = p.approximate();
        }
        let mut coefficients = [0.0; MAX_ACTIONS];
        let mut policy = [0.0; MAX_ACTIONS];
        for link in &self.links[i] {
            for b in 0..width {
                let mean = dot(&link.transitions[b * n..(b + 1) * n], w);
                coefficients[b] = (signed(sign, link.rewards[b]) + self.gamma * mean).upper();
            }
            let first = link.state * width;
            let (lower, upper) = (|b: usize| cell.lower[first + b], |b: usize| cell.upper[first + b]);
            let largest =
                largest_mean(lower, upper, Interval::one(), &coefficients[..width], &mut policy[..width]);
            bound = add_up(bound, largest);
            for b in 0..width {
                reward += policy[b] * signed(sign, link.rewards[b]).approximate();
                for t in 0..n {
                    best[t] += policy[b] * link.transitions[b * n + t].approximate();
                }
            }
        }
        (bound, reward)
    }

    /// The slopes `k[s,i]` of the Bellman operator at fixed `V`: the derivative of
    /// `(r_pi + gamma P_pi V)[s]` by coordinate `i` minus that by the reference
    /// action of the same state, at `s K + i`.
    pub fn slopes(
        &self,
        cell: &Cell,
        policy: &[Interval],
        references: &[usize],
        values: &Values,
        slopes: &mut [Interval],
        scratch: &mut Scratch,
    ) {
        let (n, width) = (self.n_states, self.n_actions);
        slopes.fill(Interval::zero());
        for s in 0..n {
            self.centred_action_values(cell, s, values, scratch);
            let q = &scratch.action_values;
            let own = &mut slopes[s * n * width..(s + 1) * n * width];
            for i in (s * width..(s + 1) * width).filter(|&i| i != references[s]) {
                own[i] += q[i - s * width] - q[references[s] - s * width];
            }
            self.response_slopes(policy, s, references, values, own);
        }
    }

    /// A row at one policy, and how it moves with the free coordinates, each against
    /// the reference action of its state.
    pub fn row_at(
        &self,
        i: usize,
        policy: &[Interval],
        references: &[usize],
        free: &[usize],
        v: &[f64],
    ) -> CentreRow {
        let (n, width) = (self.n_states, self.n_actions);
        let mut transitions = self.base[i * n..(i + 1) * n].to_vec();
        let mut reward = self.rewards[i];
        let mut slopes = vec![Interval::zero(); free.len()];
        let mut response = Vec::new();
        for link in &self.links[i] {
            for b in 0..width {
                let p = policy[link.state * width + b];
                reward += p * link.rewards[b];
                for t in 0..n {
                    transitions[t] += p * link.transitions[b * n + t];
                }
            }
            let reference = references[link.state] - link.state * width;
            for (coordinate, j) in free.iter().enumerate().filter(|(_, j)| **j / width == link.state) {
                let b = j - link.state * width;
                let pairs = (0..n).map(|t| link.transitions[b * n + t] - link.transitions[reference * n + t]);
                let transitions: Vec<Interval> = pairs.collect();
                slopes[coordinate] =
                    link.rewards[b] - link.rewards[reference] + self.gamma * dot(&transitions, v);
                response.push((coordinate, transitions));
            }
        }
        let value = reward + self.gamma * dot(&transitions, v);
        CentreRow { transitions, value, slopes, response }
    }

    /// Enclosures of `Q[s,a] - gamma V[s]`.
    fn centred_action_values(&self, cell: &Cell, s: usize, values: &Values, scratch: &mut Scratch) {
        let differences = values.from(s);
        for a in 0..self.n_actions {
            let i = s * self.n_actions + a;
            for (w, d) in scratch.weights.iter_mut().zip(differences) {
                *w = d.upper();
            }
            let upper = self.largest_row(cell, i, 1.0, &scratch.weights, &mut scratch.best).0;
            for (w, d) in scratch.weights.iter_mut().zip(differences) {
                *w = -d.lower();
            }
            let lower = -self.largest_row(cell, i, -1.0, &scratch.weights, &mut scratch.best).0;
            let excess = self.row_sums[i] - Interval::one();
            let mut q = interval(lower, upper);
            if !excess.is_zero() {
                q += self.gamma * excess * values.of[s];
            }
            scratch.action_values[a] = q;
        }
    }

    /// Adds the slopes of state `s` through the response of its rows.
    fn response_slopes(
        &self,
        policy: &[Interval],
        s: usize,
        references: &[usize],
        values: &Values,
        slopes: &mut [Interval],
    ) {
        let (n, width) = (self.n_states, self.n_actions);
        let differences = values.from(s);
        for i in s * width..(s + 1) * width {
            for link in &self.links[i] {
                let first = link.state * width;
                let reference = references[link.state] - first;
                let of = |b: usize| &link.transitions[b * n..(b + 1) * n];
                for b in (0..width).filter(|&b| b != reference) {
                    let pairs = of(b).iter().zip(of(reference)).zip(differences);
                    let mut mean = pairs.fold(Interval::zero(), |sum, ((m, r), d)| sum + (*m - *r) * d);
                    let excess = link.sums[b] - link.sums[reference];
                    if !excess.is_zero() {
                        mean += excess * values.of[s];
                    }
                    let reward = link.rewards[b] - link.rewards[reference];
                    slopes[first + b] += policy[i] * self.rules.slope(reward, self.gamma, mean);
                }
            }
        }
    }
}

/// Enclosures of state values.
#[derive(Debug)]
pub(super) struct Values {
    /// `V[s]`.
    pub of: Vec<Interval>,
    /// `V[t] - V[s]` at `s S + t`, often much narrower than `V`.
    pub differences: Vec<Interval>,
}

impl Values {
    /// `V[t] - V[s]` for all `t`.
    pub fn from(&self, s: usize) -> &[Interval] {
        let n = self.of.len();
        &self.differences[s * n..(s + 1) * n]
    }
}

/// A row at one policy.
pub(super) struct CentreRow {
    /// `P[s,a,t]`
    pub transitions: Vec<Interval>,
    /// `r + gamma P . v`
    pub value: Interval,
    /// The slopes of `r + gamma P . v` in the free coordinates.
    pub slopes: Vec<Interval>,
    /// The slopes of `P[s,a,t]` in those that move it.
    pub response: Vec<(usize, Vec<Interval>)>,
}

/// Buffers of the size of a state or of its actions.
#[derive(Debug)]
pub(super) struct Scratch {
    pub weights: Vec<f64>,
    pub best: Vec<f64>,
    pub action_values: Vec<Interval>,
}

pub(super) fn signed(sign: f64, x: Interval) -> Interval {
    if sign > 0.0 {
        x
    } else if sign < 0.0 {
        -x
    } else {
        Interval::zero()
    }
}

/// The largest number of actions and of states that is bounded here.
pub(super) const MAX_ACTIONS: usize = 16;

fn dot(row: &[Interval], w: &[f64]) -> Interval {
    let mut sum = Interval::zero();
    for (p, &w) in row.iter().zip(w) {
        if !p.is_zero() {
            sum += *p * Interval::point(w);
        }
    }
    sum
}
