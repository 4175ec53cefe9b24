//! An upper bound of the performative value over a cell. Proofs:
//! `docs/theory/optima.md`.

mod optimistic;
mod second_order;

use num_traits::Zero;

use super::cell::Cell;
use super::climb::{Climber, ascend};
use super::enclosure::{common, interval, largest_mean};
use super::model::{AffineModel, Scratch, Values};
use super::outcome::Halt;
use super::search::Domain;
use pemdp::arithmetic::rounding::{add_down, add_up, div_up, mul_up};
use pemdp::arithmetic::{Field, Interval};

/// Steps of policy iteration on an optimistic problem; what is left of the
/// residual is added.
pub(super) const IMPROVEMENTS: usize = 8;
/// A residual of this size, relative to the values, is not reduced further.
pub(super) const NEGLIGIBLE: f64 = 1e-14;
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
    AffineModel,
    /// 1 in this state: the solution is that column of the resolvent.
    Indicator(usize),
}

/// The buffers of one thread.
pub(super) struct Bounder<'a> {
    model: &'a AffineModel,
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

impl Climber for Bounder<'_> {
    fn root(&self) -> &Cell {
        &self.model.root
    }

    fn n_actions(&self) -> usize {
        self.model.n_actions
    }

    fn is_late(&self) -> bool {
        self.halt.is_over()
    }

    fn climb(&mut self, point: &Cell) -> Point {
        self.at_point(point)
    }
}

impl Domain for AffineModel {
    type Bounder<'b> = Bounder<'b>;

    fn root(&self) -> &Cell {
        &self.root
    }

    fn n_actions(&self) -> usize {
        self.n_actions
    }

    fn most(&self) -> f64 {
        div_up(self.largest_reward, self.gap.lower())
    }

    fn halves(&self, lower: f64, middle: f64, upper: f64) -> [(f64, f64); 2] {
        self.rules.halves(lower, middle, upper)
    }

    fn bounder<'b>(&'b self, halt: &'b Halt<'b>) -> Bounder<'b> {
        Bounder::new(self, halt)
    }

    fn bound(&self, bounder: &mut Bounder<'_>, cell: &Cell, target: f64) -> Bounded {
        bounder.bound(cell, target)
    }

    fn ascend(&self, bounder: &mut Bounder<'_>, start: &[f64]) -> (Vec<f64>, f64) {
        ascend(bounder, start)
    }
}

impl<'a> Bounder<'a> {
    pub fn new(model: &'a AffineModel, halt: &'a Halt<'a>) -> Self {
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

    fn at_point(&mut self, point: &Cell) -> Point {
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
            self.bellman(centre, Reward::AffineModel, 1.0, s, &zeros);
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
        self.extreme(centre, Reward::AffineModel, 1.0, &mut upper);
        let mut lower: Vec<f64> = start.iter().map(|v| -v).collect();
        self.extreme(centre, Reward::AffineModel, -1.0, &mut lower);
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
            self.extreme(cell, Reward::AffineModel, sign, &mut w);
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
        self.model.rules.rounded_up(mean)
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
                pairs.fold(Interval::zero(), |sum, (k, step)| sum + self.model.rules.change(*k, *step))
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
                bound = add_up(bound, self.model.rules.change(self.gradient[i], self.steps[i]).upper());
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
        let least = self.model.rules.least_slope(rise);
        let stays = face.lower[b] == 0.0 && face.upper[a] == 1.0;
        least > 0.0 || (least >= 0.0 && stays)
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
mod tests;
