//! Sparse `I - gamma P` whose entries can be brought near the diagonal: an LU
//! factorisation within the envelope of the matrix.
//!
//! Rows and columns are ordered by breadth-first search [Cuthill and McKee, 1969;
//! reversed: George, 1971]. Elimination without pivoting fills no entry outside of the
//! envelope, and is stable: `I - gamma P` is diagonally dominant by rows.

use std::collections::VecDeque;

use super::Rows;
use super::product::dot;

/// Fewer states are factorised dense.
const LARGE: usize = 128;
/// The same where more than one entry in this many is stored.
const SPARSE: usize = 8;
/// Elimination in the envelope has to take so much less than a dense one, which is
/// quicker a step.
const WORTH: f64 = 20.0;

/// `L U` of a reordered matrix, `L` with a diagonal of 1s.
#[derive(Debug, Clone)]
pub struct Skyline {
    /// Which row of the matrix comes at each place.
    order: Vec<usize>,
    /// `L[i, first[i]..i]` and `U[first[i]..i, i]`.
    lower: Vec<Vec<f64>>,
    upper: Vec<Vec<f64>>,
    diagonal: Vec<f64>,
}

impl Skyline {
    /// The factors of `I - gamma P`; `None` where a dense factorisation is worth more, or
    /// a pivot is 0.
    pub fn new(chain: &Rows<f64>, gamma: f64) -> Option<Self> {
        let n = chain.len();
        if n < LARGE || !chain.is_sparse() || chain.n_stored() * SPARSE > n * n {
            return None;
        }
        let neighbours = neighbours(chain);
        let order = order(&neighbours);
        let mut place = vec![0; n];
        for (i, &s) in order.iter().enumerate() {
            place[s] = i;
        }
        let first: Vec<usize> = order
            .iter()
            .enumerate()
            .map(|(i, &s)| neighbours[s].iter().map(|&t| place[t]).min().map_or(i, |first| first.min(i)))
            .collect();
        let work: f64 = first.iter().enumerate().map(|(i, first)| ((i - first) as f64).powi(2)).sum();
        if work * WORTH > (n as f64).powi(3) {
            return None;
        }

        let widths = || first.iter().enumerate().map(|(i, first)| vec![0.0; i - first]);
        let mut result =
            Self { lower: widths().collect(), upper: widths().collect(), diagonal: vec![1.0; n], order };
        for (i, &s) in result.order.iter().enumerate() {
            for (t, p) in chain.row(s) {
                let j = place[t];
                let entry = match j {
                    _ if j < i => &mut result.lower[i][j - first[i]],
                    _ if j > i => &mut result.upper[j][i - first[j]],
                    _ => &mut result.diagonal[i],
                };
                *entry -= gamma * p;
            }
        }
        for i in 0..n {
            for j in first[i]..i {
                let from = first[i].max(first[j]);
                let (row, column) = (j - first[i], from - first[i]);
                // What both have in common, to the left of and above their entries.
                let (left, above) =
                    (&result.lower[j][from - first[j]..], &result.upper[j][from - first[j]..]);
                let below = result.lower[i][row] - dot(&result.lower[i][column..row], above);
                let beside = result.upper[i][row] - dot(left, &result.upper[i][column..row]);
                result.lower[i][row] = below / result.diagonal[j];
                result.upper[i][row] = beside;
            }
            result.diagonal[i] -= dot(&result.lower[i], &result.upper[i]);
            if result.diagonal[i] == 0.0 {
                return None;
            }
        }
        Some(result)
    }

    /// `A^{-1} b`
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.forward(b, &self.lower, |x, _| x);
        for i in (0..x.len()).rev() {
            x[i] /= self.diagonal[i];
            subtract(&mut x, i, &self.upper[i]);
        }
        self.in_order(&x)
    }

    /// `A^{-T} b`
    pub fn solve_transposed(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.forward(b, &self.upper, |x, i| x / self.diagonal[i]);
        for i in (0..x.len()).rev() {
            subtract(&mut x, i, &self.lower[i]);
        }
        self.in_order(&x)
    }

    fn forward(&self, b: &[f64], rows: &[Vec<f64>], scaled: impl Fn(f64, usize) -> f64) -> Vec<f64> {
        let mut x = Vec::with_capacity(b.len());
        for (i, row) in rows.iter().enumerate() {
            let rest = b[self.order[i]] - dot(row, &x[i - row.len()..]);
            x.push(scaled(rest, i));
        }
        x
    }

    fn in_order(&self, x: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; x.len()];
        for (x, &s) in x.iter().zip(&self.order) {
            result[s] = *x;
        }
        result
    }
}

/// Takes `x[i]` times a column out of the entries above it.
fn subtract(x: &mut [f64], i: usize, column: &[f64]) {
    let factor = x[i];
    for (x, entry) in x[i - column.len()..i].iter_mut().zip(column) {
        *x -= factor * entry;
    }
}

/// The states that each state is joined to by a transition in either direction.
fn neighbours(chain: &Rows<f64>) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); chain.len()];
    for s in 0..chain.len() {
        for (t, _) in chain.row(s).filter(|(t, _)| *t != s) {
            neighbours[s].push(t);
            neighbours[t].push(s);
        }
    }
    for of_state in &mut neighbours {
        of_state.sort_unstable();
        of_state.dedup();
    }
    neighbours
}

/// Breadth-first from an end of each component, states of few neighbours first; reversed.
fn order(neighbours: &[Vec<usize>]) -> Vec<usize> {
    let mut by_degree: Vec<usize> = (0..neighbours.len()).collect();
    by_degree.sort_by_key(|&s| neighbours[s].len());
    let mut is_placed = vec![false; neighbours.len()];
    let mut order = Vec::with_capacity(neighbours.len());
    for start in by_degree {
        if is_placed[start] {
            continue;
        }
        // The last state of a search is far from its start.
        let end = breadth_first(neighbours, start, &mut is_placed.clone()).last().copied().unwrap_or(start);
        order.extend(breadth_first(neighbours, end, &mut is_placed));
    }
    order.reverse();
    order
}

fn breadth_first(neighbours: &[Vec<usize>], start: usize, is_seen: &mut [bool]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = VecDeque::from([start]);
    is_seen[start] = true;
    while let Some(s) = open.pop_front() {
        found.push(s);
        let mut next: Vec<usize> = neighbours[s].iter().copied().filter(|&t| !is_seen[t]).collect();
        next.sort_by_key(|&t| neighbours[t].len());
        for t in next {
            is_seen[t] = true;
            open.push_back(t);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Resolvent;
    use crate::tolerances::SOLVED;
    use approx::assert_relative_eq;

    fn solves(chain: Rows<f64>, gamma: f64) {
        let n = chain.len();
        let Some(lu) = Skyline::new(&chain, gamma) else { panic!("{n} states") };
        let resolvent = Resolvent::new(chain, gamma).unwrap();
        let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
        let back = resolvent.apply(&lu.solve(&b));
        let back_transposed = resolvent.apply_transposed(&lu.solve_transposed(&b));
        for i in 0..n {
            assert_relative_eq!(back[i], b[i], epsilon = SOLVED);
            assert_relative_eq!(back_transposed[i], b[i], epsilon = SOLVED);
        }
    }

    /// Moves on a square grid to the right and down, and back to the start from the end.
    fn grid(side: usize) -> Rows<f64> {
        let row = |s: usize| {
            let (row, column) = (s / side, s % side);
            let right = if column + 1 < side { s + 1 } else { s };
            let down = if row + 1 < side { s + side } else { 0 };
            [(right, 0.25), (down, 0.5), (s, 0.25)]
        };
        Rows::sparse(side * side, (0..side * side).map(row)).unwrap()
    }

    #[test]
    fn grids_rings_and_apart_components_are_solved() {
        solves(grid(12), 0.95);
        solves(grid(31), 0.999);
        let ring =
            |n: usize| Rows::sparse(n, (0..n).map(|s| [((s + 1) % n, 0.5), (s * 7 % n, 0.0), (s, 0.5)]));
        solves(ring(1000).unwrap(), 0.9);
        // Pairs of states, numbered far from each other, and states alone.
        let apart = |s: usize| if s < 300 { [(299 - s, 0.75), (s, 0.25)] } else { [(s, 0.5), (s, 0.5)] };
        solves(Rows::sparse(400, (0..400).map(apart)).unwrap(), 0.5);
    }

    #[test]
    fn dense_small_and_unordered_chains_are_left_alone() {
        assert!(Skyline::new(&grid(11), 0.9).is_none());
        let dense = Rows::dense(200, vec![1.0 / 200.0; 200 * 200]).unwrap();
        assert!(Skyline::new(&dense, 0.9).is_none());
        let full = |s: usize| (0..200).map(move |t| (t, if t == s { 0.5 } else { 0.5 / 199.0 }));
        assert!(Skyline::new(&Rows::sparse(200, (0..200).map(full)).unwrap(), 0.9).is_none());
        let scattered =
            |s: usize| [((s * 71 + 5) % 200, 0.25), ((s * s + 13) % 200, 0.25), ((s * 37 + 1) % 200, 0.5)];
        assert!(Skyline::new(&Rows::sparse(200, (0..200).map(scattered)).unwrap(), 0.9).is_none());
    }

    #[test]
    fn states_are_ordered_along_their_chain() {
        // A path whose states are numbered anyhow: neighbours end beside each other.
        let n = 101;
        let path: Vec<usize> = (0..n).map(|k| k * 37 % n).collect();
        let mut neighbours = vec![Vec::new(); n];
        for pair in path.windows(2) {
            neighbours[pair[0]].push(pair[1]);
            neighbours[pair[1]].push(pair[0]);
        }
        let order = order(&neighbours);
        let along = order == path || order.iter().rev().eq(&path);
        assert!(along, "{order:?}");
    }
}
