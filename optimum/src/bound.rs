//! An upper bound of the performative value over a cell. Proofs:
//! `docs/theory/optima.md`.

use num_traits::Zero;

use super::cell::Cell;
use super::enclosure::{common, interval, largest_mean};
#[cfg(test)]
use super::model::Mutant;
use super::model::{CentreRow, Model, Scratch, Values};
use super::performative::Halt;
use pemdp::arithmetic::rounding::{add_down, add_up, div_up, mul_down, mul_up};
use pemdp::arithmetic::{Field, Interval};
use pemdp::linear::Size;

/// Steps of policy iteration on an optimistic problem; what is left of the
/// residual is added.
const IMPROVEMENTS: usize = 8;
/// A residual of this size, relative to the values, is not reduced further.
const NEGLIGIBLE: f64 = 1e-14;
/// Gains of this size, relative to the values, are those of rounding.
const ROUNDING: f64 = 1e-16;
/// How often the slopes are narrowed by the values that they imply.
const REFINEMENTS: usize = 2;

/// What is known of a cell.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    /// The cell itself, or the face that has the maximisers of the domain, or its
    /// supremum, if the cell has.
    pub face: Cell,
    /// No value in the face exceeds this.
    pub upper: f64,
    /// A maximiser of the whole domain is not in the cell.
    pub absent: bool,
    /// A policy of the face, and a lower bound of its value.
    pub centre: Cell,
    pub lower: f64,
    /// The coordinate to split next; none where nothing would be gained.
    pub split: Option<usize>,
}

/// The reward of a problem that is solved over a cell.
#[derive(Clone, Copy)]
enum Reward {
    /// `r[s,a]`: the solution is `V`.
    Model,
    /// 1 in this state: the solution is that column of the resolvent.
    Indicator(usize),
}

/// The buffers of one thread.
pub(super) struct Bounder<'a> {
    model: &'a Model,
    halt: &'a Halt<'a>,
    policy: Vec<Interval>,
    scratch: Scratch,
    /// Rows of the actions of a state, `A S`.
    candidates: Vec<f64>,
    rewards: Vec<f64>,
    weights: Vec<f64>,
    /// `[I - gamma P | r]`, `S (S + 1)`.
    system: Vec<f64>,
    /// `(I - gamma P)^-1` near the centre, by columns.
    inverse: Vec<f64>,
    values: [Vec<f64>; 2],
    columns: [Vec<f64>; 2],
    centre_values: Vec<Interval>,
    enclosed: Values,
    resolvent: Vec<Interval>,
    slopes: Vec<Interval>,
    narrowed: Vec<Interval>,
    gradient: Vec<Interval>,
    steps: Vec<Interval>,
    references: Vec<usize>,
}

/// A point with its value and gradient, to climb by.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub value: f64,
    pub gradient: Vec<f64>,
}

impl<'a> Bounder<'a> {
    pub fn new(model: &'a Model, halt: &'a Halt<'a>) -> Self {
        let (n, width) = (model.n_states, model.n_actions);
        let zeros = |length: usize| vec![Interval::zero(); length];
        let coordinates = n * width;
        Self {
            model,
            halt,
            policy: zeros(coordinates),
            scratch: Scratch {
                weights: vec![0.0; n],
                best: vec![0.0; n.max(width)],
                action_values: zeros(width),
            },
            candidates: vec![0.0; coordinates],
            rewards: vec![0.0; width],
            weights: vec![0.0; width],
            system: vec![0.0; n * (n + 1)],
            inverse: vec![0.0; n * n],
            values: [vec![0.0; n], vec![0.0; n]],
            columns: [vec![0.0; n * n], vec![0.0; n * n]],
            centre_values: zeros(n),
            enclosed: Values { of: zeros(n), differences: zeros(n * n) },
            resolvent: zeros(n * n),
            slopes: zeros(n * coordinates),
            narrowed: zeros(n * coordinates),
            gradient: zeros(coordinates),
            steps: zeros(coordinates),
            references: vec![0; n],
        }
    }

    /// Bounds a cell. Nothing beyond a first bound is done where that one does not
    /// exceed `target`, or the time is over.
    pub fn bound(&mut self, cell: &Cell, target: f64) -> Bounded {
        let model = self.model;
        let mut face = cell.clone();
        let mut upper = f64::INFINITY;
        let mut lower;
        let mut centre;
        loop {
            centre = self.centre(&face);
            let value = self.enclose_centre(&centre);
            lower = value.lower();
            // The enclosures hold on the segments from the centre, too.
            let mut around = face.clone();
            for i in 0..around.lower.len() {
                around.lower[i] = around.lower[i].min(centre.lower[i]);
                around.upper[i] = around.upper[i].max(centre.upper[i]);
            }
            model.policy(&around, &mut self.policy);
            self.enclose_values(&around);
            upper = f64::min(upper, self.initial_mean());
            if upper <= target {
                return Bounded { face, upper, absent: false, centre, lower, split: None };
            }
            if self.halt.is_over() {
                let split = (0..face.lower.len()).find(|&i| face.width(i) > 0.0);
                return Bounded { face, upper, absent: false, centre, lower, split };
            }
            self.enclose_resolvent(&around);
            self.enclose_slopes(&around, &centre, &face);
            upper = upper.min(self.mean_value_bound(value, &face));
            upper = upper.min(self.second_order_bound(&centre, &face));
            match self.monotone(&mut face) {
                Monotone::Absent => return Bounded { face, upper, absent: true, centre, lower, split: None },
                Monotone::Face => continue,
                Monotone::Neither => {
                    let split = self.widest(&face);
                    return Bounded { face, upper, absent: false, centre, lower, split };
                }
            }
        }
    }

    /// Whether the time is over.
    pub fn is_late(&self) -> bool {
        self.halt.is_over()
    }

    /// The value and gradient of a point, as doubles; the gradient of
    /// probabilities is up to a constant for each state.
    pub fn climb(&mut self, point: &Cell) -> Point {
        let centre = self.centre(point);
        let value = self.enclose_centre(&centre).lower();
        let n = self.model.n_states;
        for x in 0..n {
            self.enclosed.of[x] = self.centre_values[x];
            for s in 0..n {
                self.resolvent[s * n + x] = Interval::point(self.inverse[s * n + x]);
            }
        }
        self.take_differences();
        self.take_slopes(&centre, false);
        self.take_gradient();
        Point { value, gradient: self.gradient.iter().map(Field::approximate).collect() }
    }

    /// A point of a cell; the probability of the reference action of each state, the
    /// largest, is what the others leave.
    pub fn centre(&mut self, cell: &Cell) -> Cell {
        let mut centre = cell.clone();
        let width = self.model.n_actions;
        for s in 0..self.model.n_states {
            let state = s * width..(s + 1) * width;
            let rest = state.clone().fold(1.0, |rest, i| rest - cell.lower[i]).max(0.0);
            let room = state.clone().fold(0.0, |sum, i| sum + (cell.upper[i] - cell.lower[i]));
            let share = if room > 0.0 { rest / room } else { 0.0 };
            for i in state.clone() {
                let x = cell.lower[i] + share * (cell.upper[i] - cell.lower[i]);
                centre.lower[i] = x.clamp(cell.lower[i], cell.upper[i]);
            }
            let largest = |x: &usize, y: &usize| centre.lower[*x].total_cmp(&centre.lower[*y]);
            let reference = state.clone().max_by(largest).unwrap_or(state.start);
            let mut left = Interval::point(1.0);
            for i in state.filter(|&i| i != reference) {
                centre.upper[i] = centre.lower[i];
                left -= Interval::point(centre.lower[i]);
            }
            centre.lower[reference] = left.lower();
            centre.upper[reference] = left.upper();
            self.references[s] = reference;
        }
        centre
    }

    /// Encloses the values of a point, and its `J`.
    fn enclose_centre(&mut self, centre: &Cell) -> Interval {
        let model = self.model;
        let n = model.n_states;
        model.policy(centre, &mut self.policy);
        // From the zero vector any row is as good as another.
        let zeros = vec![0.0; n];
        for s in 0..n {
            self.bellman(centre, Reward::Model, 1.0, s, &zeros);
        }
        self.invert();
        let mut start = vec![0.0; n];
        for s in 0..n {
            let reward = self.system[s * (n + 1) + n];
            for x in 0..n {
                start[x] += self.inverse[s * n + x] * reward;
            }
        }
        let mut upper = start.clone();
        self.extreme(centre, Reward::Model, 1.0, &mut upper);
        let mut lower: Vec<f64> = start.iter().map(|v| -v).collect();
        self.extreme(centre, Reward::Model, -1.0, &mut lower);
        let mut value = Interval::zero();
        for s in 0..n {
            self.centre_values[s] = interval(-lower[s], upper[s]);
            value += model.initial[s] * self.centre_values[s];
        }
        value
    }

    /// Encloses `V` over a cell, starting from its centre.
    fn enclose_values(&mut self, cell: &Cell) {
        for (k, sign) in [1.0, -1.0].into_iter().enumerate() {
            let mut w: Vec<f64> = self.centre_values.iter().map(|v| sign * v.approximate()).collect();
            self.extreme(cell, Reward::Model, sign, &mut w);
            self.values[k].copy_from_slice(&w);
        }
        for s in 0..self.model.n_states {
            self.enclosed.of[s] = interval(-self.values[1][s], self.values[0][s]);
        }
        self.take_differences();
    }

    /// `rho . W`, rounded up.
    fn initial_mean(&self) -> f64 {
        let pairs = self.model.initial.iter().zip(&self.values[0]);
        let mean = pairs.fold(Interval::zero(), |sum, (p, &w)| sum + *p * Interval::point(w));
        #[cfg(test)]
        if self.model.has(Mutant::InwardRounding) {
            return mean.lower() - 1e-13 * mean.magnitude();
        }
        mean.upper()
    }

    /// Encloses the columns of the resolvent over a cell.
    fn enclose_resolvent(&mut self, cell: &Cell) {
        let n = self.model.n_states;
        let mut w = vec![0.0; n];
        for s in 0..n {
            for (k, sign) in [1.0, -1.0].into_iter().enumerate() {
                for x in 0..n {
                    w[x] = sign * self.inverse[s * n + x];
                }
                self.extreme(cell, Reward::Indicator(s), sign, &mut w);
                self.columns[k][s * n..(s + 1) * n].copy_from_slice(&w);
            }
            for x in 0..n {
                let least = if x == s { 1.0 } else { 0.0 };
                let lower = f64::max(-self.columns[1][s * n + x], least);
                self.resolvent[s * n + x] = interval(lower, self.columns[0][s * n + x].max(lower));
            }
        }
    }

    /// `V[t] - V[s]` from the enclosures of both.
    fn take_differences(&mut self) {
        let n = self.model.n_states;
        for s in 0..n {
            for t in 0..n {
                let difference = self.enclosed.of[t] - self.enclosed.of[s];
                self.enclosed.differences[s * n + t] = if s == t { Interval::zero() } else { difference };
            }
        }
    }

    fn take_slopes(&mut self, cell: &Cell, narrow: bool) {
        let into = if narrow { &mut self.narrowed } else { &mut self.slopes };
        self.model.slopes(cell, &self.policy, &self.references, &self.enclosed, into, &mut self.scratch);
        if narrow {
            for (slope, narrowed) in self.slopes.iter_mut().zip(&self.narrowed) {
                *slope = common(*slope, *narrowed);
            }
        }
    }

    /// Encloses the slopes over a cell, each time with the values that the last
    /// ones imply by the mean value theorem.
    fn enclose_slopes(&mut self, cell: &Cell, centre: &Cell, face: &Cell) {
        self.take_slopes(cell, false);
        #[cfg(test)]
        if self.model.has(Mutant::CentreSlopes) {
            for slope in &mut self.slopes {
                *slope = Interval::point(slope.approximate());
            }
        }
        for i in 0..self.steps.len() {
            self.steps[i] =
                interval(add_down(face.lower[i], -centre.upper[i]), add_up(face.upper[i], -centre.lower[i]));
        }
        for _ in 0..REFINEMENTS {
            self.narrow_values();
            self.take_slopes(cell, true);
        }
        self.take_gradient();
    }

    /// `V[t] = V_c[t] + sum_s R[t,s] sum_i k[s,i] (x_i - c_i)` for some slopes and
    /// resolvent of the cell.
    fn narrow_values(&mut self) {
        let n = self.model.n_states;
        let moved: Vec<Interval> = (0..n)
            .map(|s| {
                let slopes = &self.slopes[s * self.steps.len()..(s + 1) * self.steps.len()];
                let pairs = slopes.iter().zip(&self.steps).filter(|(k, _)| !k.is_zero());
                pairs.fold(Interval::zero(), |sum, (k, step)| sum + *k * step)
            })
            .collect();
        for t in 0..n {
            let mut change = Interval::zero();
            for s in 0..n {
                change += self.resolvent[s * n + t] * moved[s];
            }
            self.enclosed.of[t] = common(self.enclosed.of[t], self.centre_values[t] + change);
        }
        for t in 0..n {
            for u in 0..t {
                let mut change = Interval::zero();
                for s in 0..n {
                    change += (self.resolvent[s * n + t] - self.resolvent[s * n + u]) * moved[s];
                }
                let from_centre = self.centre_values[t] - self.centre_values[u] + change;
                let from_values = self.enclosed.of[t] - self.enclosed.of[u];
                let difference =
                    common(self.enclosed.differences[u * n + t], common(from_centre, from_values));
                self.enclosed.differences[u * n + t] = difference;
                self.enclosed.differences[t * n + u] = -difference;
            }
        }
    }

    /// `dJ/dx_i = sum_s d[s] k[s,i]`.
    fn take_gradient(&mut self) {
        let n = self.model.n_states;
        self.gradient.fill(Interval::zero());
        for s in 0..n {
            let mut occupancy = Interval::zero();
            for x in 0..n {
                if !self.model.initial[x].is_zero() {
                    occupancy += self.model.initial[x] * self.resolvent[s * n + x];
                }
            }
            let slopes = &self.slopes[s * self.gradient.len()..];
            for (g, k) in self.gradient.iter_mut().zip(slopes) {
                if !k.is_zero() {
                    *g += occupancy * k;
                }
            }
        }
    }

    /// `J(c) + max sum_i g_i (x_i - c_i)` (section 4).
    fn mean_value_bound(&mut self, value: Interval, face: &Cell) -> f64 {
        let width = self.model.n_actions;
        let mut bound = value.upper();
        for s in 0..self.model.n_states {
            if width > 2 {
                bound = add_up(bound, self.simplex_bound(s * width, face));
                continue;
            }
            for i in (s * width..(s + 1) * width).filter(|&i| i != self.references[s] && face.width(i) > 0.0)
            {
                bound = add_up(bound, (self.gradient[i] * self.steps[i]).upper());
            }
        }
        bound
    }

    /// The largest `sum_a h_a x_a` over steps `x` with `sum x = 0`: `h_a x_a` is at
    /// most its chord, and chords are linear.
    fn simplex_bound(&self, first: usize, face: &Cell) -> f64 {
        let width = self.model.n_actions;
        let mut slopes = vec![0.0; width];
        let mut bound = 0.0;
        for a in 0..width {
            let (step, g) = (self.steps[first + a], self.gradient[first + a]);
            if face.width(first + a) == 0.0 {
                slopes[a] = 0.0;
                bound = add_up(bound, (g * step).upper());
                continue;
            }
            let (low, high) =
                ((g * Interval::point(step.lower())).upper(), (g * Interval::point(step.upper())).upper());
            slopes[a] = (high - low) / (step.upper() - step.lower());
            // Any slope will do: what is above the line at either end is added.
            let line = |x: f64| Interval::point(slopes[a]) * Interval::point(x);
            let above = |value: f64, x: f64| (Interval::point(value) - line(x)).upper();
            bound = add_up(bound, above(low, step.lower()).max(above(high, step.upper())));
        }
        let mut best = vec![0.0; width];
        let steps = &self.steps[first..first + width];
        // Steps shifted to be at least 0, as `largest_mean` needs no signs but sums.
        let mut shift = Interval::zero();
        for (step, &slope) in steps.iter().zip(&slopes) {
            bound = add_up(bound, mul_up(slope, step.lower()));
            shift -= Interval::point(step.lower());
        }
        let room = |a: usize| add_up(steps[a].upper(), -steps[a].lower());
        add_up(bound, largest_mean(|_| 0.0, room, shift, &slopes, &mut best))
    }

    /// `J(x) = rho . w(x) + sum_s d_x[s] (B_x(w(x)) - w(x))[s]` with `w` affine in the
    /// policy, so that the second part is of second order (section 5).
    fn second_order_bound(&mut self, centre: &Cell, face: &Cell) -> f64 {
        let model = self.model;
        let (n, width) = (model.n_states, model.n_actions);
        let free: Vec<usize> =
            (0..n * width).filter(|&i| i != self.references[i / width] && face.width(i) > 0.0).collect();
        let steps: Vec<Interval> = free.iter().map(|&i| self.steps[i]).collect();
        let v: Vec<f64> = self.centre_values.iter().map(Field::approximate).collect();
        model.policy(centre, &mut self.policy);
        let rows: Vec<CentreRow> =
            (0..n * width).map(|i| model.row_at(i, &self.policy, &self.references, &free, &v)).collect();
        let own = |s: usize| {
            let reference = self.references[s];
            free.iter()
                .enumerate()
                .filter(move |(_, i)| **i / width == s)
                .map(move |(k, &i)| (k, i, reference))
        };
        // The slopes of the Bellman operator at v, and G = dV/dx; any matrix would do.
        let m = free.len();
        let mut at_v = vec![Interval::zero(); n * m];
        let mut slopes = vec![0.0; n * m];
        for s in 0..n {
            let at_v = &mut at_v[s * m..(s + 1) * m];
            for i in (s * width..(s + 1) * width).filter(|&i| !self.policy[i].is_zero()) {
                for (sum, slope) in at_v.iter_mut().zip(&rows[i].slopes) {
                    *sum += self.policy[i] * slope;
                }
            }
            for (k, i, reference) in own(s) {
                at_v[k] += rows[i].value - rows[reference].value;
            }
            for t in 0..n {
                for k in 0..m {
                    slopes[t * m + k] += self.inverse[s * n + t] * at_v[k].approximate();
                }
            }
        }
        let bends: Vec<RowBends> = rows.iter().map(|row| row.bends(model.gamma, &slopes, m)).collect();
        // rho . w(x)
        let mut constant = Interval::zero();
        let mut linear = vec![Interval::zero(); m];
        for (x, p) in model.initial.iter().enumerate().filter(|(_, p)| !p.is_zero()) {
            constant += *p * Interval::point(v[x]);
            for k in 0..m {
                linear[k] += *p * Interval::point(slopes[x * m + k]);
            }
        }
        let mut quadratic = vec![Interval::zero(); m * m];
        let mut rest = Interval::zero();
        for s in 0..n {
            // The residual of state s, as a polynomial in the steps.
            let state = s * width..(s + 1) * width;
            let level =
                state.clone().fold(-Interval::point(v[s]), |sum, i| sum + self.policy[i] * rows[i].value);
            let mut first = vec![Interval::zero(); m];
            let mut second = vec![Interval::zero(); m * m];
            for k in 0..m {
                first[k] = at_v[s * m + k] - Interval::point(slopes[s * m + k]);
            }
            for i in state.clone().filter(|&i| !self.policy[i].is_zero()) {
                for k in 0..m {
                    first[k] += self.policy[i] * bends[i].ahead[k];
                }
                for (j, bend) in &bends[i].response {
                    for l in 0..m {
                        second[j * m + l] += self.policy[i] * bend[l];
                    }
                }
            }
            let mut third = Interval::zero();
            for (k, i, reference) in own(s) {
                for l in 0..m {
                    second[k * m + l] += rows[i].slopes[l] - rows[reference].slopes[l];
                    second[k * m + l] += bends[i].ahead[l] - bends[reference].ahead[l];
                }
                third += steps[k] * (bends[i].range(&steps) - bends[reference].range(&steps));
            }
            #[cfg(test)]
            if model.has(Mutant::NoRemainder) {
                third = Interval::zero();
            }
            let mut range = level + third;
            for k in 0..m {
                range += first[k] * steps[k];
                range += second[k * m + k] * square(steps[k]);
                for l in 0..k {
                    range += (second[k * m + l] + second[l * m + k]) * (steps[k] * steps[l]);
                }
            }
            let mut occupancy = Interval::zero();
            let mut at_centre = 0.0;
            for x in (0..n).filter(|&x| !model.initial[x].is_zero()) {
                occupancy += model.initial[x] * self.resolvent[s * n + x];
                at_centre += model.initial[x].approximate() * self.inverse[s * n + x];
            }
            let d = Interval::point(at_centre);
            rest += (occupancy - d) * range;
            constant += d * (level + third);
            for k in 0..m {
                linear[k] += d * first[k];
            }
            for (sum, q) in quadratic.iter_mut().zip(&second) {
                *sum += d * q;
            }
        }
        #[cfg(test)]
        if model.has(Mutant::NoRemainder) {
            rest = Interval::zero();
        }
        let mut bound = (constant + rest).upper();
        for k in 0..m {
            bound = add_up(bound, parabola(linear[k], quadratic[k * m + k], steps[k]));
            for l in 0..k {
                let product = (quadratic[k * m + l] + quadratic[l * m + k]) * (steps[k] * steps[l]);
                bound = add_up(bound, product.upper());
            }
        }
        bound
    }

    /// Moves to a face, or finds that no maximiser is here (section 6).
    fn monotone(&self, face: &mut Cell) -> Monotone {
        let width = self.model.n_actions;
        let mut found = Monotone::Neither;
        for s in 0..self.model.n_states {
            let state = s * width..(s + 1) * width;
            for b in state.clone().filter(|&b| face.upper[b] > 0.0) {
                let better = |a: usize| a != b && self.moves_up(a, b, face);
                if !state.clone().any(better) {
                    continue;
                }
                if face.lower[b] > 0.0 {
                    return Monotone::Absent;
                }
                face.upper[b] = 0.0;
                if !face.narrow_to_simplex(state.start, width) {
                    return Monotone::Absent;
                }
                // One of each state at a time: the signs are those before.
                found = Monotone::Face;
                break;
            }
        }
        found
    }

    /// Whether moving probability from `b` to `a` raises the value: everywhere in
    /// the cell, or nowhere lowers it and stays in the cell.
    fn moves_up(&self, a: usize, b: usize, face: &Cell) -> bool {
        let rise = self.gradient[a] - self.gradient[b];
        #[cfg(test)]
        if self.model.has(Mutant::LooseSign) {
            return rise.upper() > 0.0 && rise.approximate() > 0.0;
        }
        let stays = face.lower[b] == 0.0 && face.upper[a] == 1.0;
        rise.lower() > 0.0 || (rise.lower() >= 0.0 && stays)
    }

    /// The coordinate along which the bound has most to gain; none where that is less
    /// than what the bounds round.
    fn widest(&self, face: &Cell) -> Option<usize> {
        let size = self.enclosed.of.iter().fold(0.0, |size, v| f64::max(size, v.magnitude()));
        let mut widest = (ROUNDING * size, None);
        for i in (0..face.lower.len()).filter(|&i| face.width(i) > 0.0) {
            let effect = self.gradient[i].magnitude() * face.width(i);
            if effect > widest.0 {
                widest = (effect, Some(i));
            }
        }
        widest.1
    }

    /// Turns a guess into an upper bound of `sign` times the values over a cell:
    /// policy iteration on the optimistic problem, then the last residual over
    /// `1 - kappa` added (section 2).
    fn extreme(&mut self, cell: &Cell, reward: Reward, sign: f64, w: &mut [f64]) {
        let n = self.model.n_states;
        for step in 0..=IMPROVEMENTS {
            if self.halt.is_over() && step > 0 {
                w.fill(f64::INFINITY);
                return;
            }
            let mut residual = f64::NEG_INFINITY;
            for s in 0..n {
                let image = self.bellman(cell, reward, sign, s, w);
                residual = Size::larger(residual, add_up(image, -w[s]));
            }
            let size = w.iter().fold(0.0, |size, w| f64::max(size, w.abs()));
            if residual <= NEGLIGIBLE * size || step == IMPROVEMENTS {
                self.lift(residual, w);
                return;
            }
            if !self.solve(w) {
                w.fill(f64::INFINITY);
                return;
            }
        }
    }

    /// Adds the largest residual over `1 - kappa`.
    fn lift(&self, residual: f64, w: &mut [f64]) {
        let lift = if residual <= 0.0 { 0.0 } else { div_up(residual, self.model.gap.lower()) };
        #[cfg(test)]
        let lift = if self.model.has(Mutant::NoLift) { 0.0 } else { lift };
        for w in w {
            *w = add_up(*w, lift);
        }
    }

    /// An upper bound of the optimistic Bellman operator in a state. Row `s` of the
    /// system becomes that of a near maximiser.
    fn bellman(&mut self, cell: &Cell, reward: Reward, sign: f64, s: usize, w: &[f64]) -> f64 {
        let model = self.model;
        let (n, width) = (model.n_states, model.n_actions);
        let reward_sign = if matches!(reward, Reward::Model) { sign } else { 0.0 };
        for a in 0..width {
            let best = &mut self.candidates[a * n..(a + 1) * n];
            let (value, r) = model.largest_row(cell, s * width + a, reward_sign, w, best);
            (self.weights[a], self.rewards[a]) = (value, r);
        }
        let policy = &self.policy[s * width..(s + 1) * width];
        let (lower, upper) = (|a: usize| policy[a].lower(), |a: usize| policy[a].upper());
        let one = Interval::point(1.0);
        let mixture = &mut self.scratch.best[..width];
        let mut bound = if width == 1 {
            mixture[0] = 1.0;
            self.weights[0]
        } else {
            largest_mean(lower, upper, one, &self.weights, mixture)
        };
        let mut r = 0.0;
        if reward_sign != 0.0 {
            for a in 0..width {
                r += mixture[a] * self.rewards[a];
            }
        }
        if let Reward::Indicator(state) = reward
            && state == s
        {
            bound = add_up(bound, sign);
            r = sign;
        }
        let gamma = model.gamma.approximate();
        for t in 0..n {
            let p = (0..width).fold(0.0, |sum, a| sum + mixture[a] * self.candidates[a * n + t]);
            self.system[s * (n + 1) + t] = if s == t { 1.0 } else { 0.0 } - gamma * p;
        }
        self.system[s * (n + 1) + n] = r;
        bound
    }

    /// Solves the system; `false` where the result is not finite. Diagonally
    /// dominant matrices need no pivoting.
    fn solve(&mut self, x: &mut [f64]) -> bool {
        let n = x.len();
        let m = &mut self.system;
        for k in 0..n {
            for j in k + 1..n {
                let factor = m[j * (n + 1) + k] / m[k * (n + 1) + k];
                if factor != 0.0 {
                    for c in k + 1..=n {
                        m[j * (n + 1) + c] -= factor * m[k * (n + 1) + c];
                    }
                }
            }
        }
        for k in (0..n).rev() {
            let rest = (k + 1..n).fold(m[k * (n + 1) + n], |rest, c| rest - m[k * (n + 1) + c] * x[c]);
            x[k] = rest / m[k * (n + 1) + k];
        }
        x.iter().all(|x| x.is_finite())
    }

    /// The inverse of the system's matrix, by columns (Gauss and Jordan).
    fn invert(&mut self) {
        let n = self.model.n_states;
        let mut m: Vec<f64> = (0..n * n).map(|i| self.system[(i / n) * (n + 1) + i % n]).collect();
        let mut inverse = vec![0.0; n * n];
        for k in 0..n {
            inverse[k * n + k] = 1.0;
        }
        for k in 0..n {
            let pivot = m[k * n + k];
            for c in 0..n {
                m[k * n + c] /= pivot;
                inverse[k * n + c] /= pivot;
            }
            for j in (0..n).filter(|&j| j != k) {
                let factor = m[j * n + k];
                if factor != 0.0 {
                    for c in 0..n {
                        m[j * n + c] -= factor * m[k * n + c];
                        inverse[j * n + c] -= factor * inverse[k * n + c];
                    }
                }
            }
        }
        for x in 0..n {
            for s in 0..n {
                self.inverse[s * n + x] = inverse[x * n + s];
            }
        }
    }
}

/// How a row at the centre bends: `B_x(w(x))` has terms of second and third order.
struct RowBends {
    /// `gamma sum_t P[t] G[t,k]`
    ahead: Vec<Interval>,
    /// `gamma sum_t M_j[t] G[t,l]` for the coordinates `j` that move the row.
    response: Vec<(usize, Vec<Interval>)>,
}

impl CentreRow {
    fn bends(&self, gamma: Interval, slopes: &[f64], m: usize) -> RowBends {
        let times = |row: &[Interval]| -> Vec<Interval> {
            let mut sums = vec![Interval::zero(); m];
            for (t, p) in row.iter().enumerate().filter(|(_, p)| !p.is_zero()) {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum += *p * Interval::point(slopes[t * m + k]);
                }
            }
            sums.into_iter().map(|sum| gamma * sum).collect()
        };
        RowBends {
            ahead: times(&self.transitions),
            response: self.response.iter().map(|(j, row)| (*j, times(row))).collect(),
        }
    }
}

impl RowBends {
    /// `sum_{j,l} response[j][l] e_j e_l` over steps `e`.
    fn range(&self, steps: &[Interval]) -> Interval {
        let mut sum = Interval::zero();
        for (j, bend) in &self.response {
            let inner = bend.iter().zip(steps).fold(Interval::zero(), |sum, (b, e)| sum + *b * e);
            sum += steps[*j] * inner;
        }
        sum
    }
}

/// `x^2`
fn square(x: Interval) -> Interval {
    let (low, high) = (x.lower().abs(), x.upper().abs());
    let least = if x.contains(0.0) { 0.0 } else { low.min(high) };
    interval(mul_down(least, least), mul_up(low.max(high), low.max(high)))
}

/// An upper bound of `a e + b e^2` for `e` in a step.
fn parabola(a: Interval, b: Interval, step: Interval) -> f64 {
    let at = |e: f64| {
        let e = Interval::point(e);
        (a * e + b * square(e)).upper()
    };
    let ends = at(step.lower()).max(at(step.upper()));
    if b.upper() >= 0.0 {
        // The upper end of the interval is convex in e on either side of 0.
        return if step.contains(0.0) { ends.max(0.0) } else { ends };
    }
    let slope = a + b * step * Interval::point(2.0);
    if slope.lower() >= 0.0 || slope.upper() <= 0.0 {
        return ends;
    }
    // a e + b e^2 <= a^2 / (-4 b)
    let most = square(a).upper();
    let vertex = div_up(most, mul_down(4.0, -b.upper()));
    let product = (a * step + b * square(step)).upper();
    vertex.min(product).max(ends)
}

enum Monotone {
    /// No maximiser of the domain lies in the cell.
    Absent,
    /// The face is left: it has the cell's supremum, or its maximisers of the domain.
    Face,
    Neither,
}

/// The middle of a range.
pub(super) fn middle(lower: f64, upper: f64) -> f64 {
    if lower == upper { lower } else { (0.5 * lower + 0.5 * upper).clamp(lower, upper) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use nalgebra::{DMatrix, DVector};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::build;
    use crate::climb::{ascend, at, project};
    use crate::model::Link;
    use crate::performative::{FOREVER, Found, OptimumSettings};
    use crate::search::Search;
    use pemdp::arithmetic::Rational;
    use pemdp::policy::Policy;
    use pemdp::problem::{Problem, Reading};

    fn read(gamma: f64, n: usize, policy: &str, environment: &str) -> Problem {
        let initial: Vec<u8> = (0..n).map(|s| u8::from(s == 0)).collect();
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},"initial":{initial:?},"policy":{policy},"environment":{environment}}}"#
        );
        Problem::from_json(&json, Reading::Doubles).unwrap_or_else(|error| panic!("{error} {json}"))
    }

    fn table(rng: &mut ChaCha8Rng, rows: usize, width: usize) -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..width).map(|_| rng.random_range(-2.0..2.0)).collect()).collect()
    }

    /// Rows of multiples of 1/64 that move with one probability each.
    fn affine(rng: &mut ChaCha8Rng, n: usize, width: usize, gamma: f64, moves: bool) -> Problem {
        let mut row = || {
            let mut counts = vec![0; n];
            (0..32).for_each(|_| counts[rng.random_range(0..n)] += 1);
            counts.iter().map(|&c| f64::from(c) / 64.0).collect::<Vec<f64>>()
        };
        let mut transitions = vec![vec![vec![0.0; n]; width]; n];
        let mut changes = vec![];
        for i in 0..n * width {
            let (fixed, low, high) = (row(), row(), row());
            transitions[i / width][i % width] = fixed.iter().zip(&low).map(|(x, y)| x + y).collect();
            changes.push(high.iter().zip(&low).map(|(x, y)| x - y).collect::<Vec<f64>>());
        }
        let (mut slopes, mut reward_slopes) = (vec![], vec![]);
        for (i, change) in changes.iter().enumerate().filter(|_| moves) {
            let (s, a, s2, a2) = (i / width, i % width, rng.random_range(0..n), rng.random_range(0..width));
            slopes.extend(change.iter().enumerate().map(|(t, m)| format!("[{s},{a},{t},{s2},{a2},{m:?}]")));
            reward_slopes.push(format!("[{s},{a},{s2},{a2},{:?}]", rng.random_range(-1.0..1.0)));
        }
        let rewards = table(rng, n, width);
        let values: Vec<Vec<u8>> = (0..n).map(|_| (0..width).map(|a| u8::from(a == 0)).collect()).collect();
        let environment = format!(
            r#"{{"kind":"affine","transitions":{transitions:?},"transition_slopes":[{}],"rewards":{rewards:?},"reward_slopes":[{}]}}"#,
            slopes.join(","),
            reward_slopes.join(",")
        );
        read(gamma, n, &format!(r#"{{"kind":"probabilities","values":{values:?}}}"#), &environment)
    }

    /// The value of a policy in doubles, by the exact formulas.
    fn value(problem: &Problem, x: &[f64]) -> f64 {
        let policy = Policy::probabilities(problem.n_states(), problem.n_actions(), x.to_vec()).unwrap();
        problem.model::<f64>().unwrap().perform(&policy).unwrap().evaluation.value
    }

    fn random_point(rng: &mut ChaCha8Rng, model: &Model) -> Vec<f64> {
        let scale = if rng.random_bool(0.5) { 1.0 } else { 4.0 };
        let mut x: Vec<f64> = (0..model.root.lower.len()).map(|_| rng.random_range(-scale..scale)).collect();
        project(model, &mut x);
        x
    }

    /// A cell of the domain around a point, of random size.
    fn cell_around(rng: &mut ChaCha8Rng, model: &Model, x: &[f64]) -> Cell {
        let size = 10f64.powf(rng.random_range(-3.0..0.5));
        let mut cell = model.root.clone();
        for i in 0..x.len() {
            cell.lower[i] = cell.lower[i].max(x[i] - size * rng.random_range(0.0..1.0));
            cell.upper[i] = cell.upper[i].min(x[i] + size * rng.random_range(0.0..1.0));
        }
        cell
    }

    /// A point of a cell near some point of it and a random one.
    fn point_in(rng: &mut ChaCha8Rng, model: &Model, cell: &Cell, x: &[f64]) -> Vec<f64> {
        let other = random_point(rng, model);
        // How far from x to the other stays in the cell.
        let mut far = 1.0;
        for i in 0..x.len() {
            let step = other[i] - x[i];
            let room = if step > 0.0 { cell.upper[i] - x[i] } else { cell.lower[i] - x[i] };
            if step != 0.0 {
                far = f64::min(far, room / step);
            }
        }
        let far = if rng.random_bool(0.5) { far } else { far * rng.random_range(0.0..1.0) };
        x.iter().zip(&other).map(|(x, o)| x + far * (o - x)).collect()
    }

    fn problems(rng: &mut ChaCha8Rng, round: usize) -> Problem {
        let gamma = [0.5, 0.9, 0.99][round % 3];
        affine(rng, 2 + round / 3 % 2, 2 + round / 2 % 2, gamma, true)
    }

    /// Whether a bound of a cell is below a value in it, or a cell without a
    /// maximiser has the best point that ascent finds.
    fn is_caught_in_a_cell(mutant: Mutant) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for round in 0..150 {
            let problem = problems(&mut rng, round);
            let mut model = build::model(&problem).unwrap();
            let climbs: Vec<_> = (0..4)
                .map(|_| ascend(&model, &mut Bounder::new(&model, &FOREVER), &random_point(&mut rng, &model)))
                .collect();
            let best = climbs.into_iter().max_by(|x, y| x.1.total_cmp(&y.1)).unwrap();
            model.mutant = mutant;
            let mut bounder = Bounder::new(&model, &FOREVER);
            for attempt in 0..8 {
                let x = if attempt < 3 { best.0.clone() } else { random_point(&mut rng, &model) };
                let cell = cell_around(&mut rng, &model, &x);
                let bounded = bounder.bound(&cell, f64::NEG_INFINITY);
                for _ in 0..12 {
                    let y = point_in(&mut rng, &model, &cell, &x);
                    let there = value(&problem, &y);
                    let slack = 1e-10 * (1.0 + there.abs());
                    // A strict face has the maximisers of the domain only.
                    let face = &bounded.face;
                    let claimed = (0..y.len()).all(|i| face.lower[i] <= y[i] && y[i] <= face.upper[i]);
                    if claimed && there > bounded.upper + slack {
                        eprintln!("{mutant:?} {round}: {there} > {} {cell:?} {y:?}", bounded.upper);
                        return true;
                    }
                }
                let inside = (0..x.len()).all(|i| cell.lower[i] <= best.0[i] && best.0[i] <= cell.upper[i]);
                if bounded.absent && inside && is_optimal(&problem, best.1) {
                    eprintln!("{mutant:?} {round}: absent {cell:?} {best:?} {:?}", bounded);
                    return true;
                }
            }
        }
        false
    }

    /// Whether a search without mutants proves the value optimal.
    fn is_optimal(problem: &Problem, value: f64) -> bool {
        let model = build::model(problem).unwrap();
        let settings = OptimumSettings { gap: 1e-7, open_cells: 3000, ..OptimumSettings::default() };
        let found = run(&model, &settings);
        // Far below any other local maximum, up to the accuracy of ascent.
        found.upper <= value + 2e-7
    }

    /// Whether the bound of a point is below its exact value.
    fn is_caught_at_a_point(mutant: Mutant) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        (0..60).any(|round| {
            let (n, gamma) = (1 + round % 4, [0.0, 0.5, 0.9, 0.999][round % 4]);
            let problem = affine(&mut rng, n, 2, gamma, round.is_multiple_of(2));
            let mut model = build::model(&problem).unwrap();
            model.mutant = mutant;
            let x: Vec<f64> =
                (0..n).flat_map(|_| if rng.random_bool(0.5) { [0.25, 0.75] } else { [1.0, 0.0] }).collect();
            let exact: Vec<Rational> = x.iter().map(|&p| Rational::from_f64(p)).collect();
            let policy = Policy::probabilities(n, 2, exact).unwrap();
            let truth = problem.rational_model().unwrap().0.perform(&policy).unwrap().evaluation.value;
            let bounded = Bounder::new(&model, &FOREVER).bound(&at(&x), f64::NEG_INFINITY);
            Rational::from_f64(bounded.upper) < truth
        })
    }

    fn run(model: &Model, settings: &OptimumSettings) -> Found {
        Search::new(model, settings).run(&FOREVER, &mut |_| {})
    }

    /// Whether the bound of the whole domain is below a value that is attained.
    fn is_caught_in_a_search(mutant: Mutant) -> bool {
        let mut rng = ChaCha8Rng::seed_from_u64(13);
        let settings = OptimumSettings { gap: 1e-6, starts: 0, ..OptimumSettings::default() };
        (0..100).any(|round| {
            let problem = affine(&mut rng, 1 + round % 2, 2, 0.9, true);
            let mut model = build::model(&problem).unwrap();
            let best = run(&model, &settings).value;
            model.mutant = mutant;
            run(&model, &settings).upper < best - 1e-9 * (1.0 + best.abs())
        })
    }

    #[test]
    fn bounds_hold_in_every_cell_and_planted_errors_are_noticed() {
        assert!(!is_caught_in_a_cell(Mutant::None));
        for mutant in [Mutant::NoDiscount, Mutant::LooseSign, Mutant::CentreSlopes, Mutant::NoRemainder] {
            assert!(is_caught_in_a_cell(mutant), "{mutant:?}");
        }
    }

    #[test]
    fn bounds_hold_to_the_last_digit_and_wrong_rounding_is_noticed() {
        assert!(!is_caught_at_a_point(Mutant::None));
        for mutant in [Mutant::InwardRounding, Mutant::NoLift] {
            assert!(is_caught_at_a_point(mutant), "{mutant:?}");
        }
    }

    #[test]
    fn searches_bound_the_optimum_and_a_dropped_cell_is_noticed() {
        assert!(!is_caught_in_a_search(Mutant::None));
        assert!(is_caught_in_a_search(Mutant::DroppedCell));
    }

    /// `P` and `r` of the states, by their definition; also beyond the simplex.
    fn induced(model: &Model, x: &[f64]) -> (DMatrix<f64>, DVector<f64>) {
        let (n, width) = (model.n_states, model.n_actions);
        let (mut p, mut r) = (DMatrix::zeros(n, n), DVector::zeros(n));
        for i in 0..n * width {
            let s = i / width;
            r[s] += x[i] * model.rewards[i].approximate();
            for t in 0..n {
                p[(s, t)] += x[i] * model.base[i * n + t].approximate();
            }
            for (link, b) in model.links[i].iter().flat_map(|link| (0..width).map(move |b| (link, b))) {
                let both = x[i] * x[link.state * width + b];
                r[s] += both * link.rewards[b].approximate();
                for t in 0..n {
                    p[(s, t)] += both * link.transitions[b * n + t].approximate();
                }
            }
        }
        (p, r)
    }

    /// `(I - gamma P)^-1`, `V` and `J` of a point.
    fn solved(model: &Model, x: &[f64]) -> (DMatrix<f64>, DVector<f64>, f64) {
        let (p, r) = induced(model, x);
        let n = model.n_states;
        let resolvent = (DMatrix::identity(n, n) - p * model.gamma.approximate()).try_inverse().unwrap();
        let values = &resolvent * r;
        let value = (0..n).map(|s| model.initial[s].approximate() * values[s]).sum();
        (resolvent, values, value)
    }

    /// A point moved along a coordinate, its state's reference action in return.
    fn moved(x: &[f64], references: &[usize], i: usize, by: f64) -> Vec<f64> {
        let mut x = x.to_vec();
        let reference = references[i / (x.len() / references.len())];
        x[i] += by;
        x[reference] -= by;
        x
    }

    /// The slopes of `r + gamma P V` at fixed `V`, at `s K + i`: rows are quadratic, so
    /// that central differences are exact.
    fn slopes_at(model: &Model, references: &[usize], x: &[f64]) -> Vec<f64> {
        let values = solved(model, x).1;
        let mut slopes = vec![0.0; model.n_states * x.len()];
        for i in (0..x.len()).filter(|i| !references.contains(i)) {
            let image = |by: f64| {
                let (p, r) = induced(model, &moved(x, references, i, by));
                r + p * &values * model.gamma.approximate()
            };
            let change = (image(0.25) - image(-0.25)) * 2.0;
            for s in 0..model.n_states {
                slopes[s * x.len() + i] = change[s];
            }
        }
        slopes
    }

    /// A model whose rows move, a point inside of its domain and boxes around it of a
    /// half width for each state.
    fn moving(seed: u64, n: usize, width: usize) -> (Model, Vec<f64>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let problem = affine(&mut rng, n, width, 0.5, true);
        let mut model = build::model(&problem).unwrap();
        model.initial = [0.5, 0.125, 0.25][..n].iter().map(|&p| Interval::point(p)).collect();
        let rows = if width == 2 { vec![[0.375, 0.625, 0.0]; n] } else { vec![[0.25, 0.3125, 0.4375]; n] };
        let x = rows.iter().enumerate().flat_map(|(s, row)| {
            let mut row = row[..width].to_vec();
            row.rotate_left(s % width);
            row
        });
        (model, x.collect(), [1.0, 0.5, 0.75][..n].to_vec())
    }

    /// A box around a point: to either side of it for each coordinate, for the reference
    /// action of a state what all others may take or leave.
    fn boxed(x: &[f64], references: &[usize], down: &[f64], up: &[f64]) -> Cell {
        let width = x.len() / references.len();
        let mut cell = at(x);
        for i in 0..x.len() {
            let s = i / width;
            let others = (width - 1) as f64;
            let (less, more) =
                if references[s] == i { (others * up[s], others * down[s]) } else { (down[s], up[s]) };
            (cell.lower[i], cell.upper[i]) = (x[i] - less, x[i] + more);
        }
        cell
    }

    fn is_near(x: f64, y: f64, error: f64) -> bool {
        (x - y).abs() <= error
    }

    fn point_references(model: &Model, x: &[f64]) -> Vec<usize> {
        let mut bounder = Bounder::new(model, &FOREVER);
        bounder.centre(&at(x));
        bounder.references
    }

    /// What [`Bounder::bound`] encloses before it bounds, around any point of a cell.
    fn enclosed<'a>(model: &'a Model, x: &[f64], cell: &Cell) -> (Bounder<'a>, Cell, Interval) {
        let mut bounder = Bounder::new(model, &FOREVER);
        let centre = bounder.centre(&at(x));
        let value = bounder.enclose_centre(&centre);
        model.policy(cell, &mut bounder.policy);
        bounder.enclose_values(cell);
        bounder.enclose_resolvent(cell);
        bounder.enclose_slopes(cell, &centre, cell);
        (bounder, centre, value)
    }

    #[test]
    fn enclosures_hold_what_is_in_the_cell_and_little_more() {
        const SIZE: f64 = 1.0 / 1024.0;
        for (seed, n, width) in [(31, 3, 2), (32, 2, 3), (33, 3, 3)] {
            let (model, x, sizes) = moving(seed, n, width);
            let references = point_references(&model, &x);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let k = x.len();
            let free: Vec<usize> = (0..k).filter(|i| !references.contains(i)).collect();
            // The point is not in the middle, except of itself.
            for (size, left, right) in [(0.0, 1.0, 1.0), (SIZE, 1.0, 3.0), (SIZE, 2.0, 0.5)] {
                let down: Vec<f64> = sizes.iter().map(|h| h * size * left).collect();
                let up: Vec<f64> = sizes.iter().map(|h| h * size * right).collect();
                let cell = boxed(&x, &references, &down, &up);
                let (mut bounder, centre, there) = enclosed(&model, &x, &cell);
                // Of first order what is not a difference of values from the centre.
                let (first, second) = (60.0 * size + 1e-12, 100.0 * size * size + 1e-12);
                let slack = 1e-12;
                let holds = |of: Interval, truth: f64, width: f64| {
                    assert!(of.lower() - slack <= truth && truth <= of.upper() + slack, "{of:?} {truth}");
                    assert!(of.width() <= width, "{seed} {size}: {of:?} is wide");
                };
                for round in 0..60 {
                    let mut y = x.clone();
                    for &i in &free {
                        let s = i / width;
                        let step = match round % 3 {
                            0 => rng.random_range(-1.0..1.0),
                            _ if rng.random_bool(0.5) => 1.0,
                            _ => -1.0,
                        };
                        let step = if step > 0.0 { step * up[s] } else { step * down[s] };
                        y = moved(&y, &references, i, step);
                    }
                    let (resolvent, values, _) = solved(&model, &y);
                    let slopes = slopes_at(&model, &references, &y);
                    for s in 0..n {
                        holds(bounder.enclosed.of[s], values[s], first);
                        for t in 0..n {
                            holds(bounder.resolvent[s * n + t], resolvent[(t, s)], first);
                            holds(bounder.enclosed.differences[s * n + t], values[t] - values[s], first);
                        }
                    }
                    for i in 0..n * k {
                        holds(bounder.slopes[i], slopes[i], first);
                    }
                    for i in 0..k {
                        let occupancy = |s: usize| {
                            (0..n).map(|t| model.initial[t].approximate() * resolvent[(t, s)]).sum::<f64>()
                        };
                        let g = (0..n).map(|s| occupancy(s) * slopes[s * k + i]).sum();
                        holds(bounder.gradient[i], g, first);
                    }
                }
                // To first order the values are those at the centre, and what the slopes
                // there make of the steps.
                let (resolvent, values, value) = solved(&model, &x);
                let slopes = slopes_at(&model, &references, &x);
                let step = |i: usize| (-down[i / width], up[i / width]);
                let ends = |c: f64, (low, high): (f64, f64)| {
                    (f64::min(c * low, c * high), f64::max(c * low, c * high))
                };
                let sum = |x: (f64, f64), y: (f64, f64)| (x.0 + y.0, x.1 + y.1);
                let change =
                    |s: usize| free.iter().map(|&i| ends(slopes[s * k + i], step(i))).fold((0.0, 0.0), sum);
                for t in 0..n {
                    let of = bounder.enclosed.of[t];
                    let (least, most) =
                        (0..n).map(|s| ends(resolvent[(t, s)], change(s))).fold((0.0, 0.0), sum);
                    assert!(of.upper() <= values[t] + most + second, "{seed} {t}: {of:?}");
                    assert!(of.lower() >= values[t] + least - second, "{seed} {t}: {of:?}");
                    for u in 0..n {
                        let of = bounder.enclosed.differences[u * n + t];
                        let apart = |s: usize| resolvent[(t, s)] - resolvent[(u, s)];
                        let (least, most) = (0..n).map(|s| ends(apart(s), change(s))).fold((0.0, 0.0), sum);
                        let difference = values[t] - values[u];
                        assert!(of.upper() <= difference + most + second, "{seed} {t} {u}: {of:?}");
                        assert!(of.lower() >= difference + least - second, "{seed} {t} {u}: {of:?}");
                    }
                }
                // The bound from the slopes at the centre, and from the curvature there.
                assert!(is_near(there.approximate(), value, 1e-12) && there.width() <= 1e-12);
                if width == 2 {
                    let rise: f64 =
                        free.iter().map(|&i| ends(bounder.gradient[i].approximate(), step(i)).1).sum();
                    let bound = bounder.mean_value_bound(there, &cell);
                    assert!(is_near(bound, value + rise, second), "{seed}: {bound} {value} {rise}");
                }
                let value_at = |i: usize, by: f64, j: usize, also: f64| {
                    solved(&model, &moved(&moved(&x, &references, i, by), &references, j, also)).2
                };
                let mut expected = value;
                let far = 1.0 / 2048.0;
                for (place, &i) in free.iter().enumerate() {
                    let (more, less) = (value_at(i, far, i, 0.0), value_at(i, -far, i, 0.0));
                    let (slope, bend) =
                        ((more - less) / (2.0 * far), (more + less - 2.0 * value) / (2.0 * far * far));
                    let parabola = |e: f64| slope * e + bend * e * e;
                    // Slopes are far from 0, so that the largest value is at an end.
                    expected += f64::max(parabola(step(i).0), parabola(step(i).1));
                    for &j in &free[..place] {
                        let mixed = (value_at(i, far, j, far) + value_at(i, -far, j, -far)
                            - value_at(i, far, j, -far)
                            - value_at(i, -far, j, far))
                            / (4.0 * far * far);
                        let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| {
                            let of = |i: usize, end: usize| if end == 0 { step(i).0 } else { step(i).1 };
                            mixed * of(i, a) * of(j, b)
                        });
                        expected += corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
                    }
                }
                let bound = bounder.second_order_bound(&centre, &cell);
                let third = 400.0 * size * size * size + 1e-12;
                assert!(is_near(bound, expected, third), "{seed} {size}: {} of {third}", bound - expected);
            }
        }
    }

    /// Over a box whose states have the same steps the mean value bound takes for each
    /// state all that can be moved to its best action; the bound is the least of both.
    #[test]
    fn bounds_are_the_least_of_those_of_first_and_second_order() {
        const SIZE: f64 = 1.0 / 1024.0;
        for (seed, n, width) in [(31, 3, 2), (32, 2, 3), (33, 3, 3)] {
            let (model, x, sizes) = moving(seed, n, width);
            let mut cell = at(&x);
            for i in 0..x.len() {
                let half = SIZE * sizes[i / width];
                (cell.lower[i], cell.upper[i]) = (x[i] - half, x[i] + half);
            }
            let mut bounder = Bounder::new(&model, &FOREVER);
            let bounded = bounder.bound(&cell, f64::NEG_INFINITY);
            assert_eq!(bounded.face, cell, "inside of the simplex no face is left");
            let value = solved(&model, &x).2;
            assert!(is_near(bounded.lower, value, 1e-12));
            let rises = (0..n).map(|s| {
                let g = bounder.gradient[s * width..(s + 1) * width].iter().map(Field::approximate);
                let ends = g.fold((0.0, 0.0), |(l, u), g| (f64::min(l, g), f64::max(u, g)));
                SIZE * sizes[s] * (ends.1 - ends.0)
            });
            let rise: f64 = rises.sum();
            let centre = bounded.centre.clone();
            let there = bounder.enclose_centre(&centre);
            let mean_value = bounder.mean_value_bound(there, &cell);
            assert!(is_near(mean_value, value + rise, 20.0 * SIZE * SIZE), "{mean_value} {value} {rise}");
            assert!(bounded.upper <= mean_value.min(bounder.second_order_bound(&centre, &cell)));
        }
    }

    /// Where only rewards move nothing is of third order but the occupancies: the bound
    /// can be written down over cells of any size.
    #[test]
    fn the_bound_of_rewards_that_move_is_the_one_written_down() {
        for (seed, n, width) in [(46, 2, 2), (47, 3, 2), (48, 2, 3)] {
            let (mut model, x, _) = moving(seed, n, width);
            for link in model.links.iter_mut().flatten() {
                link.transitions.fill(Interval::zero());
                link.sums.fill(Interval::zero());
            }
            let references = point_references(&model, &x);
            let (down, up) = ([0.0625, 0.03125, 0.125], [0.125, 0.15625, 0.03125]);
            let cell = boxed(&x, &references, &down, &up);
            let (mut bounder, centre, _) = enclosed(&model, &x, &cell);
            let (k, gamma) = (x.len(), model.gamma.approximate());
            let free: Vec<usize> = (0..k).filter(|i| !references.contains(i)).collect();
            let (resolvent, values, value) = solved(&model, &x);
            let slopes = slopes_at(&model, &references, &x);
            let g = |t: usize, i: usize| (0..n).map(|s| resolvent[(t, s)] * slopes[s * k + i]).sum::<f64>();
            // B(w) - w with w affine in two steps.
            let residual = |i: usize, by: f64, j: usize, also: f64| {
                let w = DVector::from_fn(n, |t, _| values[t] + by * g(t, i) + also * g(t, j));
                let (p, r) = induced(&model, &moved(&moved(&x, &references, i, by), &references, j, also));
                r + p * &w * gamma - w
            };
            let second = |i: usize, j: usize| -> DVector<f64> {
                let [same, apart] =
                    [1.0, -1.0].map(|side| residual(i, 1.0, j, side) + residual(i, -1.0, j, -side));
                if i == j {
                    residual(i, 1.0, j, 0.0) + residual(i, -1.0, j, 0.0)
                } else {
                    (same - apart) * 0.5
                }
            };
            let point = Interval::point;
            let mut expected = value;
            let mut ranges = vec![Interval::zero(); n];
            let d: Vec<f64> = (0..n)
                .map(|s| (0..n).map(|t| model.initial[t].approximate() * resolvent[(t, s)]).sum())
                .collect();
            let weighed = |terms: &DVector<f64>| (0..n).map(|s| d[s] * terms[s]).sum::<f64>();
            let step = |i: usize| Interval::new(-down[i / width], up[i / width]).unwrap();
            for (place, &i) in free.iter().enumerate() {
                let slope = (0..n).map(|t| model.initial[t].approximate() * g(t, i)).sum();
                let bend = second(i, i) * 0.5;
                expected += parabola(point(slope), point(weighed(&bend)), step(i));
                for s in 0..n {
                    ranges[s] += point(bend[s]) * square(step(i));
                }
                for &j in &free[..place] {
                    let mixed = second(i, j) * 0.5;
                    expected += (point(weighed(&mixed)) * (step(i) * step(j))).upper();
                    for s in 0..n {
                        ranges[s] += point(mixed[s]) * (step(i) * step(j));
                    }
                }
            }
            let rest = (0..n).map(|s| {
                let occupancy = (0..n)
                    .fold(Interval::zero(), |sum, t| sum + model.initial[t] * bounder.resolvent[s * n + t]);
                (occupancy - point(d[s])) * ranges[s]
            });
            let rest = rest.fold(Interval::zero(), |sum, rest| sum + rest);
            assert!(rest.upper() > 1e-4, "{rest:?}");
            expected += rest.upper();
            let bound = bounder.second_order_bound(&centre, &cell);
            assert!(is_near(bound, expected, 1e-11), "{seed}: {bound} {expected}");
        }
    }

    /// A single state: all that is not zero is a number, and the bound can be written
    /// down, its part of third order included.
    #[test]
    fn the_bound_of_a_single_state_is_the_one_written_down() {
        for (m0, m1, reward_slope) in [(0.0, 0.25, -0.75), (0.125, -0.25, 1.5), (-0.25, 0.125, 0.5)] {
            // P = 1/2 + m0 pi_1 for action 0, 1/2 + m1 pi_1 for action 1: rows that do not
            // sum to 1.
            let environment = format!(
                r#"{{"kind":"affine","transitions":[[[1],[1]]],"transition_slopes":[],
                    "rewards":[[1.0,0.5]],"reward_slopes":[[0,0,0,1,{reward_slope}]]}}"#
            );
            let problem = read(0.75, 1, r#"{"kind":"probabilities","values":[[1,0]]}"#, &environment);
            let mut model = build::model(&problem).unwrap();
            model.base.fill(Interval::point(0.5));
            model.row_sums.fill(Interval::new(0.25, 0.75).unwrap());
            for (row, m, n) in [(0, m0, reward_slope), (1, m1, 0.0)] {
                let slopes = [0.0, m].map(Interval::point).to_vec();
                let rewards = [0.0, n].map(Interval::point).to_vec();
                model.links[row] =
                    vec![Link { state: 0, rewards, transitions: slopes.clone(), sums: slopes }];
            }
            let (c, down, up, gamma) = (0.25, 0.0625, 0.1875, 0.75);
            let cell = Cell { lower: vec![0.75 - up, c - down], upper: vec![0.75 + down, c + up] };
            let (mut bounder, centre, _) = enclosed(&model, &[0.75, c], &cell);
            assert_eq!(bounder.references, [0]);
            // f(x, w) = (1 - x) (1 + n x + gamma (1/2 + m0 x) w) + x (1/2 + gamma (1/2 + m1 x) w)
            let n = reward_slope;
            let sum = |x: f64| 0.5 + m0 * x + (m1 - m0) * x * x;
            let reward = |x: f64| (1.0 - x) * (1.0 + n * x) + 0.5 * x;
            let (v, d) = (reward(c) / (1.0 - gamma * sum(c)), 1.0 / (1.0 - gamma * sum(c)));
            let sum_slope = m0 + 2.0 * (m1 - m0) * c;
            let g = d * (n * (1.0 - 2.0 * c) - 0.5 + gamma * sum_slope * v);
            // f(c + e, v + g e) - v - g e, of which e^2 and e^3 are left.
            let second = -n + gamma * (m1 - m0) * v + gamma * g * sum_slope;
            let step = Interval::new(-down, up).unwrap();
            let cubic = |m: f64| step * (Interval::point(gamma * m * g) * step);
            let cubic = step * (cubic(m1) - cubic(m0));
            let residual = cubic + Interval::point(second) * square(step);
            let occupancy = bounder.resolvent[0];
            let ends = [c - down, c + up].map(|x| 1.0 / (1.0 - gamma * sum(x)));
            assert!(ends.iter().all(|&d| occupancy.lower() - 1e-12 <= d && d <= occupancy.upper() + 1e-12));
            let rest = (occupancy - Interval::point(d)) * residual;
            let bends = parabola(Interval::point(g), Interval::point(d * second), step);
            let expected = v + (Interval::point(d) * cubic + rest).upper() + bends;
            let bound = bounder.second_order_bound(&centre, &cell);
            assert!(is_near(bound, expected, 1e-12), "{bound} {expected}");
            let best = (0..=64).map(|i| c - down + f64::from(i) * (up + down) / 64.0);
            let best = best.map(|x| reward(x) / (1.0 - gamma * sum(x))).fold(f64::NEG_INFINITY, f64::max);
            assert!(bound >= best - 1e-12 && bound <= best + 0.05, "{bound} {best}");
        }
    }

    #[test]
    fn bends_of_rows_are_products_with_the_slopes_of_values() {
        let point = Interval::point;
        let row = CentreRow {
            transitions: vec![point(0.5), point(0.0), point(0.25)],
            value: point(0.0),
            slopes: vec![],
            response: vec![
                (1, vec![point(-1.0), point(1.0), point(0.0)]),
                (0, vec![point(0.0), point(0.5), point(-0.5)]),
            ],
        };
        // G, at t m + k.
        let slopes = [1.0, 2.0, -3.0, 5.0, 4.0, -2.0];
        let bends = row.bends(point(0.5), &slopes, 2);
        assert_eq!(bends.ahead, [point(0.75), point(0.25)]);
        assert_eq!(bends.response[0], (1, vec![point(-2.0), point(1.5)]));
        assert_eq!(bends.response[1], (0, vec![point(-1.75), point(1.75)]));
        // e_1 (-2 e_0 + 1.5 e_1) + e_0 (-1.75 e_0 + 1.75 e_1) at (2, -4)
        assert_eq!(bends.range(&[point(2.0), point(-4.0)]), point(40.0 - 21.0));
    }

    #[test]
    fn systems_are_solved_and_inverted() {
        let (model, ..) = moving(34, 3, 2);
        let mut bounder = Bounder::new(&model, &FOREVER);
        let matrix = [[4.0, 1.0, -2.0], [1.0, 5.0, 2.0], [-1.0, 2.0, 6.0]];
        let x = [1.0, -2.0, 3.0];
        for s in 0..3 {
            bounder.system[4 * s..4 * s + 3].copy_from_slice(&matrix[s]);
            bounder.system[4 * s + 3] = (0..3).map(|t| matrix[s][t] * x[t]).sum();
        }
        bounder.invert();
        for (s, t) in (0..3).flat_map(|s| (0..3).map(move |t| (s, t))) {
            let product: f64 = (0..3).map(|u| matrix[s][u] * bounder.inverse[t * 3 + u]).sum();
            assert!(is_near(product, if s == t { 1.0 } else { 0.0 }, 1e-15), "{s} {t}: {product}");
        }
        let mut found = [0.0; 3];
        assert!(bounder.solve(&mut found));
        assert!(found.iter().zip(x).all(|(found, x)| is_near(*found, x, 1e-14)), "{found:?}");
        bounder.system.fill(0.0);
        assert!(!bounder.solve(&mut found));
    }

    #[test]
    fn parabolas_are_bounded_by_their_ends_or_their_vertex() {
        let of = |lower, upper| Interval::new(lower, upper).unwrap();
        let point = Interval::point;
        assert_eq!(
            [of(2.0, 3.0), of(-3.0, 2.0), of(-3.0, -2.0)].map(square),
            [of(4.0, 9.0), of(0.0, 9.0), of(4.0, 9.0)]
        );
        for ((a, b), step, most) in [
            ((point(1.0), point(1.0)), of(-3.0, 1.0), 6.0),
            ((point(1.0), point(1.0)), of(-1.0, 1.0), 2.0),
            ((point(-1.0), point(1.0)), of(-1.0, 1.0), 2.0),
            ((point(1.0), of(-1.0, 0.0)), of(-2.0, -1.0), -1.0),
            ((point(4.0), point(-1.0)), of(0.0, 1.0), 3.0),
            ((point(-4.0), point(-1.0)), of(-1.0, 0.0), 3.0),
            ((point(2.0), point(-1.0)), of(0.0, 3.0), 1.0),
            ((point(2.0), point(-1.0)), of(-1.0, 3.0), 1.0),
            ((point(-2.0), point(-1.0)), of(-3.0, 0.5), 1.0),
            // Here a step of the first power is less than the vertex.
            ((of(-1.0, 1.0), point(-1.0 / 64.0)), of(-1.0, 1.0), 1.0),
        ] {
            assert_eq!(parabola(a, b, step), most, "{a:?} {b:?} {step:?}");
        }
        assert_eq!([middle(1.0, 3.0), middle(-3.0, 1.0), middle(0.25, 0.25)], [2.0, -1.0, 0.25]);
    }

    #[test]
    fn centres_share_out_what_the_lower_ends_leave() {
        let (model, ..) = moving(35, 3, 3);
        let mut bounder = Bounder::new(&model, &FOREVER);
        let cell = Cell {
            lower: vec![0.125, 0.25, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 0.25],
            upper: vec![0.625, 0.75, 0.25, 0.0, 0.0, 1.0, 0.25, 0.25, 1.0],
        };
        let centre = bounder.centre(&cell);
        let expected = vec![0.375, 0.5, 0.125, 0.0, 0.0, 1.0, 0.25, 0.125, 0.625];
        assert_eq!((&centre.lower, &centre.upper), (&expected, &expected));
        assert_eq!(bounder.references, [1, 5, 8]);
        // What does not add up to 1 in doubles is left to the reference action.
        let thirds = Cell { lower: vec![0.1; 9], upper: vec![0.7; 9] };
        let centre = bounder.centre(&thirds);
        for (s, &reference) in bounder.references.iter().enumerate() {
            let others: Vec<f64> =
                (3 * s..3 * s + 3).filter(|&i| i != reference).map(|i| centre.lower[i]).collect();
            let left =
                Rational::from_f64(1.0) - Rational::from_f64(others[0]) - Rational::from_f64(others[1]);
            assert!(Rational::from_f64(centre.lower[reference]) <= left);
            assert!(Rational::from_f64(centre.upper[reference]) >= left);
            assert!(others.iter().all(|&x| is_near(x, 1.0 / 3.0, 1e-15)));
            assert!(centre.width(reference) < 1e-15);
        }
    }

    /// Of rows that do not move the largest values over a cell are those of one policy
    /// at its corners, for all states at once; so are the columns of the resolvent.
    #[test]
    fn values_of_fixed_rows_are_bounded_by_those_at_corners() {
        for seed in 36..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let problem = affine(&mut rng, 3, 2, 0.9, false);
            let mut model = build::model(&problem).unwrap();
            model.initial = [0.5, 0.125, 0.25].map(Interval::point).to_vec();
            // Small rewards, so that what counts as negligible is relative to the values.
            let scale = if seed % 2 == 0 { 1.0 } else { 2f64.powi(-40) };
            for reward in &mut model.rewards {
                *reward *= Interval::point(scale);
            }
            let cell = Cell {
                lower: vec![0.0, 0.25, 0.5, 0.125, 0.0, 0.0],
                upper: vec![0.75, 1.0, 0.875, 0.5, 1.0, 1.0],
            };
            let corner = |choice: usize| -> Vec<f64> {
                let one = |s: usize| {
                    if choice >> s & 1 == 0 { cell.lower[2 * s] } else { cell.upper[2 * s] }
                };
                (0..3).flat_map(|s| [one(s), 1.0 - one(s)]).collect()
            };
            let corners: Vec<_> = (0..8).map(|choice| solved(&model, &corner(choice))).collect();
            let ends = |of: &dyn Fn(usize) -> f64| {
                (0..8).map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| {
                    (f64::min(least, x), f64::max(most, x))
                })
            };
            let is = |of: Interval, ends: (f64, f64), scale: f64| {
                assert!(
                    is_near(of.lower(), ends.0, 1e-11 * scale) && is_near(of.upper(), ends.1, 1e-11 * scale),
                    "{of:?} {ends:?}"
                );
                assert!(of.lower() <= ends.0 + 1e-14 * scale && of.upper() >= ends.1 - 1e-14 * scale);
            };
            let mut bounder = Bounder::new(&model, &FOREVER);
            let centre = bounder.centre(&cell);
            bounder.enclose_centre(&centre);
            model.policy(&cell, &mut bounder.policy);
            bounder.enclose_values(&cell);
            bounder.enclose_resolvent(&cell);
            for s in 0..3 {
                is(bounder.enclosed.of[s], ends(&|c| corners[c].1[s]), scale);
                for t in 0..3 {
                    is(bounder.resolvent[s * 3 + t], ends(&|c| corners[c].0[(t, s)]), 1.0);
                    let apart = bounder.enclosed.of[t] - bounder.enclosed.of[s];
                    let apart = if s == t { Interval::zero() } else { apart };
                    assert_eq!(bounder.enclosed.differences[s * 3 + t], apart);
                }
            }
            let mean = ends(&|c| corners[c].2).1;
            assert!(
                bounder.initial_mean() >= mean - 1e-14 * scale
                    && is_near(bounder.initial_mean(), mean, 1e-11 * scale)
            );
            // A target that is reached ends it at once.
            let reached = Bounder::new(&model, &FOREVER).bound(&cell, mean + 1e-9 * scale);
            assert!(
                reached.split.is_none() && !reached.absent && is_near(reached.upper, mean, 1e-11 * scale)
            );
            let open = Bounder::new(&model, &FOREVER).bound(&cell, mean - 1e-9 * scale);
            assert!(open.absent || open.split.is_some() || open.face != cell);
        }
    }

    /// Where the time is over, nothing but the first guess is improved.
    #[test]
    fn bounds_that_are_interrupted_are_still_bounds() {
        let (model, x, sizes) = moving(41, 3, 2);
        let interrupt = AtomicBool::new(true);
        let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
        let point = Bounder::new(&model, &halt).bound(&at(&x), f64::NEG_INFINITY);
        let value = solved(&model, &x).2;
        assert!(is_near(point.upper, value, 1e-12) && is_near(point.lower, value, 1e-12));
        assert_eq!(point.split, None);
        let eighths: Vec<f64> = sizes.iter().map(|size| size / 8.0).collect();
        let mut cell = boxed(&x, &point_references(&model, &x), &eighths, &eighths);
        cell.lower[..2].copy_from_slice(&x[..2]);
        cell.upper[..2].copy_from_slice(&x[..2]);
        let wide = Bounder::new(&model, &halt).bound(&cell, f64::NEG_INFINITY);
        assert_eq!((wide.upper, wide.split, wide.absent), (f64::INFINITY, Some(2), false));
        let bounder = Bounder::new(&model, &halt);
        assert!(bounder.is_late() && !Bounder::new(&model, &FOREVER).is_late());
    }

    #[test]
    fn residuals_are_lifted_over_the_gap() {
        let (mut model, ..) = moving(42, 2, 2);
        model.gap = Interval::point(0.25);
        let bounder = Bounder::new(&model, &FOREVER);
        let lifted = |residual: f64| {
            let mut w = [1.0, -2.0];
            bounder.lift(residual, &mut w);
            w
        };
        assert_eq!([lifted(0.5), lifted(0.0), lifted(-1.0)], [[3.0, 0.0], [1.0, -2.0], [1.0, -2.0]]);
    }

    /// The bounds of `sum_a g_a x_a` over steps that sum to 0: at a corner for slopes
    /// that are known, else along the chords of what the slopes allow.
    #[test]
    fn steps_in_the_simplex_are_bounded_by_their_chords() {
        let (model, ..) = moving(43, 2, 3);
        let mut bounder = Bounder::new(&model, &FOREVER);
        let of = |lower, upper| Interval::new(lower, upper).unwrap();
        let point = Interval::point;
        let face = Cell { lower: vec![0.0; 6], upper: vec![1.0; 6] };
        let mut bound = |g: [Interval; 3], steps: [Interval; 3], face: &Cell| {
            bounder.gradient[3..].copy_from_slice(&g);
            bounder.steps[3..].copy_from_slice(&steps);
            bounder.simplex_bound(3, face)
        };
        let steps = [of(-0.25, 0.5), of(-0.5, 0.25), of(-0.125, 0.75)];
        // (0.5, -0.375, -0.125), (0.5, 0.125, -0.625) cut to (0.5, -0.375, -0.125), and so on.
        let g = [point(4.0), point(1.0), point(-2.0)];
        assert_eq!(bound(g, steps, &face), 2.0 - 0.375 + 0.25);
        assert_eq!(bound([g[2], g[0], g[1]], steps, &face), 0.5 + 1.0 + 0.0);
        // The chord of max(-e, 2 e) over [-1/4, 1/2] is 1/4 + (e + 1/4), and so on.
        let wide = [of(-1.0, 2.0), point(0.0), point(0.0)];
        assert_eq!(bound(wide, steps, &face), 1.0);
        let wide = [of(-4.0, 2.0), point(3.0), point(0.0)];
        // Slope 0 at height 1; 3 * 0.25 beside it.
        assert_eq!(bound(wide, steps, &face), 1.75);
        // What does not move in the face counts with its step, and leaves the others the sum.
        let mut still = face.clone();
        still.upper[4] = 0.0;
        let moved = [of(-0.5, 0.5), point(0.125), of(-0.5, 0.5)];
        assert_eq!(bound([point(2.0), point(3.0), point(-1.0)], moved, &still), 0.375 + 0.75 + 0.5);
    }

    #[test]
    fn monotone_cells_are_left_for_their_faces() {
        let (model, ..) = moving(44, 2, 3);
        let mut bounder = Bounder::new(&model, &FOREVER);
        let of = |lower, upper| Interval::new(lower, upper).unwrap();
        let point = Interval::point;
        let whole = Cell { lower: vec![0.0; 6], upper: vec![1.0; 6] };
        let inner = Cell { lower: vec![0.25; 6], upper: vec![0.5; 6] };
        let mut ends = |g: [Interval; 6], cell: &Cell| {
            bounder.gradient.copy_from_slice(&g);
            let mut face = cell.clone();
            let found = match bounder.monotone(&mut face) {
                Monotone::Absent => "absent",
                Monotone::Face => "face",
                Monotone::Neither => "neither",
            };
            (found, face)
        };
        let zero = point(0.0);
        let open = [of(-1.0, 1.0), of(-1.0, 1.0), of(-1.0, 1.0)];
        let with = |state: [Interval; 3], last: [Interval; 3]| {
            [state[0], state[1], state[2], last[0], last[1], last[2]]
        };
        assert_eq!(ends(with(open, open), &whole), ("neither", whole.clone()));
        // Strictly better, and the worse one in every policy of the cell, or not.
        let better = [point(2.0), of(-2.0, 0.5), of(0.0, 3.0)];
        assert_eq!(ends(with(open, better), &inner).0, "absent");
        let mut left = whole.clone();
        left.upper[4] = 0.0;
        assert_eq!(ends(with(open, better), &whole), ("face", left.clone()));
        // One of each state at a time.
        left.upper[1] = 0.0;
        let worst = [point(2.0), point(1.0), point(0.0)];
        let (found, face) = ends(with(better, worst), &whole);
        assert_eq!((found, face.upper), ("face", vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]));
        // No worse is enough where the cell has all of the move, else it is not.
        let level = [of(0.0, 1.0), zero, of(-1.0, 1.0)];
        let (found, face) = ends(with(level, open), &whole);
        assert_eq!((found, face.upper[1]), ("face", 0.0));
        let mut narrow = whole.clone();
        narrow.upper[0] = 0.75;
        assert_eq!(ends(with(level, open), &narrow).0, "neither");
        let mut narrow = whole.clone();
        narrow.lower[1] = 0.125;
        assert_eq!(ends(with(level, open), &narrow).0, "neither");
        // Without the worse action the others do not suffice.
        let few = Cell { lower: vec![0.0; 6], upper: vec![0.25, 1.0, 0.5, 1.0, 1.0, 1.0] };
        assert_eq!(ends(with([point(2.0), zero, of(-1.0, 3.0)], open), &few).0, "absent");
        // An action that is left out already is none to move from.
        let mut without = whole.clone();
        without.upper[1] = 0.0;
        let one = [of(-1.0, 1.0), point(-5.0), of(-1.0, 1.0)];
        assert_eq!(ends(with(one, open), &without), ("neither", without.clone()));
    }

    #[test]
    fn cells_are_split_where_most_can_be_gained() {
        let (model, ..) = moving(45, 2, 2);
        let mut bounder = Bounder::new(&model, &FOREVER);
        let of = |lower, upper| Interval::new(lower, upper).unwrap();
        let cell = Cell { lower: vec![0.0, 0.5, 0.25, 0.25], upper: vec![0.25, 0.5, 0.75, 0.5] };
        bounder.enclosed.of = vec![of(-2.0, 1.0), of(-1.0, 4.0)];
        let mut widest = |g: [Interval; 4]| {
            bounder.gradient.copy_from_slice(&g);
            bounder.widest(&cell)
        };
        let point = Interval::point;
        assert_eq!(widest([of(-5.0, 1.0), point(9.0), point(2.0), point(3.0)]), Some(0));
        assert_eq!(widest([point(3.0), point(9.0), point(2.0), point(3.0)]), Some(2));
        assert_eq!(widest([point(1.0), point(9.0), point(0.25), point(4.0)]), Some(3));
        // The first of equal ones; 4e-16 is lost in values up to 4.
        assert_eq!(widest([point(2.0), point(9.0), point(1.0), point(2.0)]), Some(0));
        assert_eq!(widest([point(1.5e-15), point(9.0), point(0.0), point(0.0)]), None);
        assert_eq!(widest([point(1.7e-15), point(9.0), point(0.0), point(0.0)]), Some(0));
    }

    #[test]
    fn gradients_are_those_of_the_exact_formulas() {
        let mut rng = ChaCha8Rng::seed_from_u64(14);
        for round in 0..60 {
            let problem = problems(&mut rng, round);
            let model = build::model(&problem).unwrap();
            let (n, width) = (model.n_states, model.n_actions);
            let x = random_point(&mut rng, &model);
            let point = Bounder::new(&model, &FOREVER).climb(&at(&x));
            let policy = Policy::probabilities(n, width, x);
            let (exact, policy) = (problem.model::<f64>().unwrap(), policy.unwrap());
            let performance = exact.perform(&policy).unwrap();
            let truth = performance.gradient.total();
            let scale = 1.0 + performance.evaluation.value.abs();
            assert!((point.value - performance.evaluation.value).abs() < 1e-10 * scale);
            for state in (0..n).map(|s| s * width..(s + 1) * width) {
                // Of probabilities, up to a constant for each state.
                let shift = truth[state.start].unwrap() - point.gradient[state.start];
                for i in state {
                    let error = truth[i].unwrap() - shift - point.gradient[i];
                    assert!(error.abs() < 1e-8 * scale, "round {round}: {error}");
                }
            }
        }
    }
}
