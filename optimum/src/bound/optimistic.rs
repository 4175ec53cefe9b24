//! Bounds of first order: the values of an optimistic problem, lifted over what is left
//! of its residual (section 2 of `docs/theory/optima.md`).

use super::{Bounder, IMPROVEMENTS, NEGLIGIBLE, Reward};
use crate::cell::Cell;
use crate::enclosure::largest_mean;
use pemdp::arithmetic::rounding::add_up;
use pemdp::arithmetic::{Field, Interval};
use pemdp::linear::Size;

impl Bounder<'_> {
    /// Turns a guess into an upper bound of `sign` times the values over a cell:
    /// policy iteration on the optimistic problem, then the last residual over
    /// `1 - kappa` added (section 2).
    pub(super) fn extreme(&mut self, cell: &Cell, reward: Reward, sign: f64, w: &mut [f64]) {
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
    pub(super) fn lift(&self, residual: f64, w: &mut [f64]) {
        let lift = self.model.rules.lift(residual, self.model.gap);
        for w in w {
            *w = add_up(*w, lift);
        }
    }

    /// An upper bound of the optimistic Bellman operator in a state. Row `s` of the
    /// system becomes that of a near maximiser.
    pub(super) fn bellman(&mut self, cell: &Cell, reward: Reward, sign: f64, s: usize, w: &[f64]) -> f64 {
        let model = self.model;
        let (n, width) = (model.n_states, model.n_actions);
        let reward_sign = if matches!(reward, Reward::AffineModel) { sign } else { 0.0 };
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
    pub(super) fn solve(&mut self, x: &mut [f64]) -> bool {
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
    pub(super) fn invert(&mut self) {
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
