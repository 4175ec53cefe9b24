//! What a bound needs of an environment: its rows over a cell, and how the
//! Bellman operator changes with the coordinates. Proofs: `docs/theory/optima.md`.

use num_traits::{One, Zero};

use super::cell::{Cell, Coordinates};
use super::exponential::{exp_down, exp_up};
use crate::arithmetic::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up};
use crate::arithmetic::{Field, Interval};

/// Errors that the tests plant into the bounds, to see that they are noticed.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    /// Bounds are lowered by some roundings instead of raised.
    InwardRounding,
    /// The second half of every split is forgotten.
    DroppedCell,
    /// The transition part of the slopes has no discount factor.
    NoDiscount,
    /// The residual of the witness is not added.
    NoLift,
    /// A coordinate counts as increasing where its slope may be either.
    LooseSign,
    /// The slopes are those at the centre of the cell.
    CentreSlopes,
}

/// A performative MDP as enclosures of its numbers.
#[derive(Debug)]
pub(super) struct Model {
    pub n_states: usize,
    pub n_actions: usize,
    pub gamma: Interval,
    pub initial: Vec<Interval>,
    /// `sum_t P[s,a,t]` over all policies, at `s A + a`.
    pub row_sums: Vec<Interval>,
    /// What the coordinates are, state by state.
    pub coordinates: Vec<Coordinates>,
    /// The domain.
    pub root: Cell,
    pub response: Responding,
    #[cfg(test)]
    pub mutant: Mutant,
}

/// How an environment responds.
#[derive(Debug)]
pub(super) enum Responding {
    Affine(AffineRows),
    Tilted(TiltedRows),
}

/// `P` and `r` affine in the probabilities of the policy.
#[derive(Debug)]
pub(super) struct AffineRows {
    /// The constant part of `P[s,a,t]`.
    pub base: Vec<Interval>,
    /// The constant part of `r[s,a]`.
    pub rewards: Vec<Interval>,
    /// For each row, the states whose policy it refers to.
    pub links: Vec<Vec<Link>>,
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

/// `P(t|s,a)` proportional to `h[s,a,t] exp(psi[t] theta[s,a])`, `r` affine in
/// `theta[s,a]` and clipped.
#[derive(Debug)]
pub(super) struct TiltedRows {
    /// `psi[u] - psi[t]` at `u S + t`.
    pub psi: Vec<Interval>,
    /// `h[u]/h[t]` of a row at `(row S + u) S + t`; none outside the support.
    pub ratios: Vec<Option<Interval>>,
    /// The support of each row.
    pub support: Vec<Vec<usize>>,
    pub rewards: Vec<Interval>,
    pub slope: Interval,
    pub clip: Option<Interval>,
}

/// Enclosures of the policy and of what it induces, over a cell.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// `pi(a|s)`.
    pub policy: Vec<Interval>,
    /// `P[s,a,t]`, each by itself; only of tilted rows.
    pub kernel: Vec<Interval>,
    /// `r[s,a]`; only of tilted rows.
    pub rewards: Vec<Interval>,
    /// `dr[s,a]/dtheta[s,a]`; only of tilted rows.
    pub reward_slopes: Vec<Interval>,
}

pub(super) fn interval(lower: f64, upper: f64) -> Interval {
    Interval::new(lower, upper).unwrap_or(Interval::ENTIRE)
}

/// The common part of two enclosures of the same number.
pub(super) fn common(x: Interval, y: Interval) -> Interval {
    Interval::new(x.lower().max(y.lower()), x.upper().min(y.upper())).unwrap_or(x)
}

/// The smallest interval with both.
fn hull(x: Interval, y: Interval) -> Interval {
    interval(x.lower().min(y.lower()), x.upper().max(y.upper()))
}

/// An upper bound of `sum_t p[t] w[t]` over `lower <= p <= upper` with `sum p`
/// in `sum` (section 2: weak duality, for any multiplier), and in `best` a `p`
/// near the maximum.
pub(super) fn largest_mean(
    lower: impl Fn(usize) -> f64,
    upper: impl Fn(usize) -> f64,
    sum: Interval,
    w: &[f64],
    best: &mut [f64],
) -> f64 {
    let n = w.len();
    let mut rest = sum.upper();
    for t in 0..n {
        best[t] = lower(t);
        rest -= best[t];
    }
    // Fill up from the largest weight; the last one touched gives the multiplier.
    let (mut last, mut multiplier) = (f64::INFINITY, f64::NAN);
    let mut ties = 0;
    loop {
        let mut next = usize::MAX;
        for t in 0..n {
            let before = w[t] > last || (w[t] == last && t < ties);
            if !before && (next == usize::MAX || w[t] > w[next]) {
                next = t;
            }
        }
        if next == usize::MAX {
            break;
        }
        multiplier = w[next];
        let room = upper(next) - lower(next);
        best[next] += room.min(rest.max(0.0));
        rest -= room;
        if rest <= 0.0 {
            break;
        }
        (last, ties) = (w[next], next + 1);
    }
    let multiplier = if multiplier.is_finite() { multiplier } else { 0.0 };
    let mut bound = mul_up(multiplier, sum.lower()).max(mul_up(multiplier, sum.upper()));
    for t in 0..n {
        let above = add_up(w[t], -multiplier);
        if above != 0.0 {
            let extreme = if above > 0.0 { upper(t) } else { lower(t) };
            bound = add_up(bound, mul_up(extreme, above));
        }
    }
    bound
}

impl Model {
    #[cfg(test)]
    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }

    /// Enclosures over a cell.
    pub fn rows(&self, cell: &Cell, rows: &mut Rows) {
        for (s, coordinates) in self.coordinates.iter().enumerate() {
            let state = s * self.n_actions..(s + 1) * self.n_actions;
            for i in state.clone() {
                rows.policy[i] = match coordinates {
                    Coordinates::Probabilities => {
                        interval(cell.lower[i].clamp(0.0, 1.0), cell.upper[i].clamp(0.0, 1.0))
                    }
                    Coordinates::Logits => softmax(cell, i, state.clone()),
                };
            }
        }
        if let Responding::Tilted(tilted) = &self.response {
            for i in 0..rows.policy.len() {
                tilted.row(i, self.theta(cell, i), rows);
            }
        }
    }

    /// The parameter of a row; 0 where the row does not respond.
    fn theta(&self, cell: &Cell, i: usize) -> Interval {
        match self.coordinates[i / self.n_actions] {
            Coordinates::Probabilities => Interval::zero(),
            Coordinates::Logits => interval(cell.lower[i], cell.upper[i]),
        }
    }

    /// An upper bound of `sign r[s,a] + gamma sum_t P[s,a,t] w[t]` over the cell
    /// for `sign` 1, 0 or -1; `best` is a row near the maximum, and the second
    /// number its `sign r`.
    pub fn largest_row(
        &self,
        cell: &Cell,
        rows: &Rows,
        i: usize,
        sign: f64,
        w: &[f64],
        best: &mut [f64],
    ) -> (f64, f64) {
        match &self.response {
            Responding::Tilted(tilted) => {
                let n = self.n_states;
                let kernel = &rows.kernel[i * n..(i + 1) * n];
                let reward = signed(sign, rows.rewards[i]).upper();
                if let [only] = tilted.support[i][..] {
                    best.fill(0.0);
                    best[only] = 1.0;
                    return (add_up(reward, self.discounted_up(w[only])), reward);
                }
                let (lower, upper) = (|t: usize| kernel[t].lower(), |t: usize| kernel[t].upper());
                let mean = largest_mean(lower, upper, Interval::one(), w, best);
                (add_up(reward, self.discounted_up(mean)), reward)
            }
            Responding::Affine(affine) => affine.largest(self, cell, i, sign, w, best),
        }
    }

    /// An upper bound of `gamma x`.
    pub fn discounted_up(&self, x: f64) -> f64 {
        mul_up(if x >= 0.0 { self.gamma.upper() } else { self.gamma.lower() }, x)
    }

    /// The slopes `k[s,i]` of the Bellman operator at fixed `V`: the derivative of
    /// `(r_pi + gamma P_pi V)[s]` by coordinate `i`, at `s K + i`; of
    /// probabilities minus that of the reference action of their state.
    pub fn slopes(
        &self,
        cell: &Cell,
        rows: &Rows,
        references: &[usize],
        values: &Values,
        slopes: &mut [Interval],
        scratch: &mut Scratch,
    ) {
        let (n, width) = (self.n_states, self.n_actions);
        slopes.fill(Interval::zero());
        let n_coordinates = n * width;
        for s in 0..n {
            self.centred_action_values(cell, rows, s, values, scratch);
            let q = &scratch.action_values;
            let own = &mut slopes[s * n_coordinates..(s + 1) * n_coordinates];
            for a in 0..width {
                let i = s * width + a;
                let held = self.root.lower[i] == self.root.upper[i];
                if held && self.coordinates[s] == Coordinates::Logits {
                    continue;
                }
                own[i] += match (self.coordinates[s], &self.response) {
                    (Coordinates::Logits, Responding::Tilted(tilted)) => {
                        let others = (0..width).filter(|&b| b != a);
                        let advantage = others.fold(Interval::zero(), |sum, b| {
                            sum + rows.policy[s * width + b] * (q[a] - q[b])
                        });
                        let covariance = tilted.covariance(i, rows, values);
                        #[cfg(test)]
                        let covariance =
                            if self.has(Mutant::NoDiscount) { covariance / self.gamma } else { covariance };
                        rows.policy[i] * (advantage + self.gamma * covariance + rows.reward_slopes[i])
                    }
                    _ if i == references[s] => Interval::zero(),
                    _ => q[a] - q[references[s] - s * width],
                };
            }
            if let Responding::Affine(affine) = &self.response {
                affine.slopes(self, rows, s, references, values, own);
            }
        }
    }

    /// Enclosures of `Q[s,a] - gamma V[s]`.
    fn centred_action_values(
        &self,
        cell: &Cell,
        rows: &Rows,
        s: usize,
        values: &Values,
        scratch: &mut Scratch,
    ) {
        let differences = values.from(s);
        for a in 0..self.n_actions {
            let i = s * self.n_actions + a;
            for (w, d) in scratch.weights.iter_mut().zip(differences) {
                *w = d.upper();
            }
            let upper = self.largest_row(cell, rows, i, 1.0, &scratch.weights, &mut scratch.best).0;
            for (w, d) in scratch.weights.iter_mut().zip(differences) {
                *w = -d.lower();
            }
            let lower = -self.largest_row(cell, rows, i, -1.0, &scratch.weights, &mut scratch.best).0;
            let excess = self.row_sums[i] - Interval::one();
            let mut q = interval(lower, upper);
            if !excess.is_zero() {
                q += self.gamma * excess * values.of[s];
            }
            scratch.action_values[a] = q;
        }
    }

    /// The sign of a parameter's slope on all of a half line, where the state has
    /// one action (section 6): an interval of that sign or with both.
    pub fn scaled_slope(&self, cell: &Cell, i: usize, values: &Values) -> Option<Interval> {
        let Responding::Tilted(tilted) = &self.response else { return None };
        let alone = self.n_actions == 1 && self.coordinates[i] == Coordinates::Logits;
        if !alone || !tilted.slope.is_zero() || (cell.lower[i] < 0.0 && cell.upper[i] > 0.0) {
            return None;
        }
        tilted.scaled_covariance(i, self.theta(cell, i), values)
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

/// `pi(a|s) = 1/(1 + sum_b exp(theta[b] - theta[a]))` over a box of logits: each
/// term is monotone in each logit, so this is the exact range, rounded outward.
fn softmax(cell: &Cell, i: usize, state: std::ops::Range<usize>) -> Interval {
    let (mut least, mut most) = (1.0, 1.0);
    for j in state.filter(|&j| j != i) {
        least = add_down(least, exp_down(add_down(cell.lower[j], -cell.upper[i])));
        most = add_up(most, exp_up(add_up(cell.upper[j], -cell.lower[i])));
    }
    reciprocal(least, most)
}

/// `1/x` for `1 <= least <= x <= most`.
fn reciprocal(least: f64, most: f64) -> Interval {
    interval(div_down(1.0, most).max(0.0), div_up(1.0, least).min(1.0))
}

impl TiltedRows {
    /// Row `i` over a range of its parameter (section 6).
    fn row(&self, i: usize, theta: Interval, rows: &mut Rows) {
        let n = rows.kernel.len() / rows.policy.len();
        for &t in &self.support[i] {
            let (mut least, mut most) = (1.0, 1.0);
            for &u in self.support[i].iter().filter(|&&u| u != t) {
                let Some(ratio) = self.ratios[(i * n + u) * n + t] else { continue };
                let tilt = self.psi[u * n + t] * theta;
                least = add_down(least, mul_down(ratio.lower(), exp_down(tilt.lower())));
                most = add_up(most, mul_up(ratio.upper(), exp_up(tilt.upper())));
            }
            rows.kernel[i * n + t] = reciprocal(least, most);
        }
        let mut reward = self.rewards[i];
        let mut slope = self.slope;
        if !self.slope.is_zero() {
            reward += self.slope * theta;
        }
        if let Some(clip) = self.clip {
            let (top, bottom) = (clip, -clip);
            let inside = reward.upper() < top.lower() && reward.lower() > bottom.upper();
            let outside = reward.lower() > top.upper() || reward.upper() < bottom.lower();
            if outside {
                slope = Interval::zero();
            } else if !inside {
                slope = hull(slope, Interval::zero());
            }
            reward = interval(
                reward.lower().max(bottom.lower()).min(top.lower()),
                reward.upper().max(bottom.upper()).min(top.upper()),
            );
        }
        (rows.rewards[i], rows.reward_slopes[i]) = (reward, slope);
    }

    /// `Cov(psi, V) = sum_{t<u} P[t] P[u] (psi[t] - psi[u]) (V[t] - V[u])`.
    fn covariance(&self, i: usize, rows: &Rows, values: &Values) -> Interval {
        let n = values.of.len();
        let kernel = &rows.kernel[i * n..(i + 1) * n];
        let support = &self.support[i];
        let mut sum = Interval::zero();
        for (k, &t) in support.iter().enumerate() {
            for &u in &support[k + 1..] {
                let psi = self.psi[t * n + u];
                if !psi.is_zero() {
                    sum += kernel[t] * kernel[u] * (psi * values.from(u)[t]);
                }
            }
        }
        sum
    }

    /// `Cov(psi, V)` divided by `P[x] P[y]`, `x` and `y` the two states that matter
    /// most at the far end of the half line `theta >= 0` or `theta <= 0`.
    fn scaled_covariance(&self, i: usize, theta: Interval, values: &Values) -> Option<Interval> {
        let n = values.of.len();
        let support = &self.support[i];
        let up = theta.lower() >= 0.0;
        let pairs = || {
            support.iter().enumerate().flat_map(move |(k, &t)| support[k + 1..].iter().map(move |&u| (t, u)))
        };
        let varying = || pairs().filter(|&(t, u)| !self.psi[t * n + u].is_zero());
        let first = support[0];
        // psi[t] + psi[u] - 2 psi[first], exact enough to choose by.
        let height = |(t, u): (usize, usize)| {
            (self.psi[t * n + first] + self.psi[u * n + first]).approximate() * if up { 1.0 } else { -1.0 }
        };
        let (x, y) = varying().max_by(|&p, &q| height(p).total_cmp(&height(q)))?;
        let mut sum = Interval::zero();
        for (t, u) in varying() {
            let ratio = |p: usize, q: usize| {
                if p == q { Some(Interval::one()) } else { self.ratios[(i * n + p) * n + q] }
            };
            let weight = ratio(t, x)? * ratio(u, y)?;
            let tilt = (self.psi[t * n + x] + self.psi[u * n + y]) * theta;
            let weight = weight * interval(exp_down(tilt.lower()), exp_up(tilt.upper()));
            sum += weight * (self.psi[t * n + u] * values.from(u)[t]);
        }
        Some(sum)
    }
}

impl AffineRows {
    /// As [`Model::largest_row`]: linear in the policy, one state at a time, so
    /// that a probability counts once however many entries it moves.
    fn largest(
        &self,
        model: &Model,
        cell: &Cell,
        i: usize,
        sign: f64,
        w: &[f64],
        best: &mut [f64],
    ) -> (f64, f64) {
        let (n, width) = (model.n_states, model.n_actions);
        let base = &self.base[i * n..(i + 1) * n];
        let mean = dot(base, w);
        let mut reward = signed(sign, self.rewards[i]).approximate();
        let mut bound = (signed(sign, self.rewards[i]) + model.gamma * mean).upper();
        for (best, p) in best.iter_mut().zip(base) {
            *best = p.approximate();
        }
        let mut coefficients = [0.0; MAX_ACTIONS];
        let mut policy = [0.0; MAX_ACTIONS];
        for link in &self.links[i] {
            for b in 0..width {
                let mean = dot(&link.transitions[b * n..(b + 1) * n], w);
                coefficients[b] = (signed(sign, link.rewards[b]) + model.gamma * mean).upper();
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

    /// Adds the slopes of state `s` through the response of its rows.
    fn slopes(
        &self,
        model: &Model,
        rows: &Rows,
        s: usize,
        references: &[usize],
        values: &Values,
        slopes: &mut [Interval],
    ) {
        let (n, width) = (model.n_states, model.n_actions);
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
                    #[cfg(test)]
                    let mean = if model.has(Mutant::NoDiscount) { mean / model.gamma } else { mean };
                    let slope = link.rewards[b] - link.rewards[reference] + model.gamma * mean;
                    slopes[first + b] += rows.policy[i] * slope;
                }
            }
        }
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
