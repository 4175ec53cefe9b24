//! Rectangular grids: their moves, their terminal cells and what happens there, and the
//! grids that are drawn from one.

use super::{N_ACTIONS, numpy};
use crate::arithmetic::Field;

/// What a perturbed cell may be worth.
const PERTURBED: [f64; 3] = [-0.5, -0.02, -0.01];

/// The shape of a grid and which of its cells are terminal. State `columns row + column`
/// is the cell in a row and a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    columns: usize,
    /// Where each move leads, by state.
    moves: Vec<[usize; N_ACTIONS]>,
    is_terminal: Vec<bool>,
}

impl Layout {
    /// A grid of so many rows and columns; terminal states that it has not are left out.
    pub fn new(rows: usize, columns: usize, terminal: &[usize]) -> Self {
        let moves = |state: usize| {
            let (row, column) = (state / columns, state % columns);
            let moved = |is_inside: bool, to: usize| if is_inside { to } else { state };
            [
                moved(column > 0, state.wrapping_sub(1)),
                moved(column + 1 < columns, state + 1),
                moved(row > 0, state.wrapping_sub(columns)),
                moved(row + 1 < rows, state + columns),
            ]
        };
        let n_states = rows * columns;
        let mut is_terminal = vec![false; n_states];
        for &state in terminal {
            if let Some(is_terminal) = is_terminal.get_mut(state) {
                *is_terminal = true;
            }
        }
        Self { columns, moves: (0..n_states).map(moves).collect(), is_terminal }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.n_states() / self.columns.max(1)
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of cells.
    pub fn n_states(&self) -> usize {
        self.moves.len()
    }

    /// Where a move leads from a cell: left, right, up, down; off the grid it stays, and so
    /// it does for any other number.
    pub fn neighbour(&self, state: usize, action: usize) -> usize {
        self.moves[state].get(action).copied().unwrap_or(state)
    }

    /// Whether a state is absorbing and pays nothing.
    pub fn is_terminal(&self, state: usize) -> bool {
        self.is_terminal[state]
    }

    /// The states that are not terminal.
    pub fn inner(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (0..self.n_states()).filter(|&state| !self.is_terminal[state])
    }

    /// Whether a cell is in the first row or the first column.
    fn is_first(&self, state: usize) -> bool {
        state < self.columns || state.is_multiple_of(self.columns)
    }

    /// Uniform over the cells of the first row and the first column that are not terminal;
    /// `None` where all of them are.
    pub fn initial<T: Field>(&self) -> Option<Vec<T>> {
        let starts = |state: &usize| self.is_first(*state);
        let count = self.inner().filter(starts).count();
        if count == 0 {
            return None;
        }
        let mut initial = vec![T::zero(); self.n_states()];
        for state in self.inner().filter(starts) {
            initial[state] = T::from_ratio(1, count as i64);
        }
        Some(initial)
    }

    /// Follower `seed`'s grid, drawn from the learner's: each cell keeps its value if it is
    /// in the first row or the first column or its draw exceeds `eps`, else it gets one of
    /// -0.5, -0.02, -0.01; terminal cells have their own value whatever was drawn.
    pub fn perturbed<T: Field>(&self, cells: &[T], eps: f64, seed: u32) -> Vec<T> {
        let mut generator = numpy::NumpyGenerator::new(seed);
        let draws: Vec<f64> = cells.iter().map(|_| generator.random()).collect();
        let drawn = |(state, cell): (usize, &T)| {
            if self.is_first(state) || draws[state] > eps {
                return cell.clone();
            }
            let drawn = generator.choice(&PERTURBED);
            if self.is_terminal(state) { cell.clone() } else { T::from_f64(drawn) }
        };
        cells.iter().enumerate().map(drawn).collect()
    }
}

/// What happens in a terminal state: the benchmark's rule, or what ports of it are known
/// to get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Terminal {
    /// Absorbing, reward 0.
    Absorbing,
    /// Its moves lead out as from any other cell; reward 0.
    KeepsTransitions,
    /// Absorbing, but pays its own cell's value at every step.
    KeepsReward,
    /// Absorbing, but pays the value of the cell that a move would lead to.
    KeepsMoveRewards,
}

impl Terminal {
    /// The rules of ports that get it wrong.
    pub const MISTAKEN: [Self; 3] = [Self::KeepsTransitions, Self::KeepsReward, Self::KeepsMoveRewards];

    /// The next state of a move.
    pub(super) fn next(self, layout: &Layout, state: usize, action: usize) -> usize {
        if self.moves(layout, state) { layout.neighbour(state, action) } else { state }
    }

    /// Whether the learner's move from a state leads anywhere.
    pub(super) fn moves(self, layout: &Layout, state: usize) -> bool {
        !layout.is_terminal(state) || self == Self::KeepsTransitions
    }

    /// Whether nothing is to be decided in a state, which is worth 0.
    pub(super) fn ends(self, layout: &Layout, state: usize) -> bool {
        self == Self::Absorbing && layout.is_terminal(state)
    }

    /// The reward of a move on a grid.
    pub(super) fn reward<T: Field>(self, layout: &Layout, cells: &[T], state: usize, action: usize) -> T {
        match self {
            Self::KeepsReward if layout.is_terminal(state) => cells[state].clone(),
            Self::KeepsMoveRewards => cells[layout.neighbour(state, action)].clone(),
            _ if layout.is_terminal(state) => T::zero(),
            _ => cells[layout.neighbour(state, action)].clone(),
        }
    }
}
