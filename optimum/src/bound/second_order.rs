//! Bounds of second order (section 5 of `docs/theory/optima.md`).

use num_traits::Zero;

use super::Bounder;
use crate::cell::Cell;
use crate::enclosure::interval;
use crate::model::CentreRow;
use pemdp::arithmetic::rounding::{add_up, div_up, mul_down, mul_up};
use pemdp::arithmetic::{Field, Interval};

impl Bounder<'_> {
    /// `J(x) = rho . w(x) + sum_s d_x[s] (B_x(w(x)) - w(x))[s]` with `w` affine in the
    /// policy, so that the second part is of second order (section 5).
    pub(super) fn second_order_bound(&mut self, centre: &Cell, face: &Cell) -> f64 {
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
                let bend = bends[i].range(&steps) - bends[reference].range(&steps);
                third += model.rules.third_order(steps[k], bend);
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
            rest += model.rules.third_order(occupancy - d, range);
            constant += d * (level + third);
            for k in 0..m {
                linear[k] += d * first[k];
            }
            for (sum, q) in quadratic.iter_mut().zip(&second) {
                *sum += d * q;
            }
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
}

/// How a row at the centre bends: `B_x(w(x))` has terms of second and third order.
pub(super) struct RowBends {
    /// `gamma sum_t P[t] G[t,k]`
    pub(super) ahead: Vec<Interval>,
    /// `gamma sum_t M_j[t] G[t,l]` for the coordinates `j` that move the row.
    pub(super) response: Vec<(usize, Vec<Interval>)>,
}

impl CentreRow {
    pub(super) fn bends(&self, gamma: Interval, slopes: &[f64], m: usize) -> RowBends {
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
    pub(super) fn range(&self, steps: &[Interval]) -> Interval {
        let mut sum = Interval::zero();
        for (j, bend) in &self.response {
            let inner = bend.iter().zip(steps).fold(Interval::zero(), |sum, (b, e)| sum + *b * e);
            sum += steps[*j] * inner;
        }
        sum
    }
}

/// `x^2`
pub(super) fn square(x: Interval) -> Interval {
    let (low, high) = (x.lower().abs(), x.upper().abs());
    let least = if x.contains(0.0) { 0.0 } else { low.min(high) };
    interval(mul_down(least, least), mul_up(low.max(high), low.max(high)))
}

/// An upper bound of `a e + b e^2` for `e` in a step.
pub(super) fn parabola(a: Interval, b: Interval, step: Interval) -> f64 {
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
