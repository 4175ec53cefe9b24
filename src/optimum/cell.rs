//! Cells: boxes of policies or of parameters.

use crate::arithmetic::rounding::{add_down, add_up};

/// What the coordinates of a state are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// `pi(a|s)`: the cell is the part of the box that lies in the simplex.
    Probabilities,
    /// `theta[s,a]`, with a softmax policy.
    Logits,
}

/// A box of coordinates, one for each state and action, at `s A + a`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Lower ends; of logits possibly minus infinity.
    pub lower: Vec<f64>,
    /// Upper ends; of logits possibly infinity.
    pub upper: Vec<f64>,
}

impl Cell {
    /// An upper bound of the width of a coordinate.
    pub fn width(&self, i: usize) -> f64 {
        if self.lower[i] == self.upper[i] { 0.0 } else { add_up(self.upper[i], -self.lower[i]) }
    }

    /// Whether all ends are finite.
    pub(super) fn is_bounded(&self) -> bool {
        self.lower.iter().chain(&self.upper).all(|x| x.is_finite())
    }

    /// Narrows the box of a state to what its part in the simplex needs; `false`
    /// where that part is empty.
    pub(super) fn narrow_to_simplex(&mut self, first: usize, n_actions: usize) -> bool {
        let state = first..first + n_actions;
        for i in state.clone() {
            let others = || state.clone().filter(move |&j| j != i);
            let most = others().fold(0.0, |sum, j| add_up(sum, self.upper[j]));
            let least = others().fold(0.0, |sum, j| add_down(sum, self.lower[j]));
            let (lower, upper) = (add_down(1.0, -most), add_up(1.0, -least));
            self.lower[i] = self.lower[i].max(lower);
            self.upper[i] = self.upper[i].min(upper);
            if self.lower[i] > self.upper[i] {
                return false;
            }
        }
        true
    }
}
