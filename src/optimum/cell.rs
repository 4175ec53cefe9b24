//! Cells: boxes of policies.

use crate::arithmetic::rounding::{add_down, add_up};

/// A set of policies: `pi(a|s)` in a box, at `s A + a`, and each row in the simplex.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Cell {
    /// An upper bound of the width of a coordinate.
    pub fn width(&self, i: usize) -> f64 {
        if self.lower[i] == self.upper[i] { 0.0 } else { add_up(self.upper[i], -self.lower[i]) }
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
