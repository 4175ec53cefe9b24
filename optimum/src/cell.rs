//! Cells: boxes of policies.

use pemdp::arithmetic::rounding::{add_down, add_up};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_narrowed_to_the_simplex() {
        let mut cell = Cell { lower: vec![9.0, 0.0, 0.0, 0.25], upper: vec![9.0, 0.5, 0.125, 1.0] };
        assert!(cell.narrow_to_simplex(1, 3));
        assert_eq!((cell.lower, cell.upper), (vec![9.0, 0.0, 0.0, 0.375], vec![9.0, 0.5, 0.125, 1.0]));
        let mut cell = Cell { lower: vec![0.5, 0.25], upper: vec![1.0, 1.0] };
        assert!(cell.narrow_to_simplex(0, 2));
        assert_eq!((cell.width(0), cell.lower, cell.upper), (0.25, vec![0.5, 0.25], vec![0.75, 0.5]));
        let mut few = Cell { lower: vec![0.0, 0.0], upper: vec![0.25, 0.5] };
        let mut many = Cell { lower: vec![0.75, 0.5], upper: vec![1.0, 1.0] };
        assert!(!few.narrow_to_simplex(0, 2) && !many.narrow_to_simplex(0, 2));
        assert_eq!(Cell { lower: vec![0.5], upper: vec![0.5] }.width(0), 0.0);
    }
}
