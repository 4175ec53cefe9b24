//! Distributions, and why a model is not one.

use thiserror::Error;

use crate::arithmetic::Field;
use crate::linear::ShapeError;

/// Why a model is not one.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A shape does not fit the number of states and actions.
    #[error("{what} has {seen} entries, expected {expected}")]
    Shape {
        /// Which part.
        what: &'static str,
        /// Entries seen.
        seen: usize,
        /// Entries expected.
        expected: usize,
    },
    /// The rows do not fit.
    #[error(transparent)]
    Rows(#[from] ShapeError),
    /// There are no states or no actions.
    #[error("{what} is 0, expected at least 1")]
    Empty {
        /// `S` or `A`.
        what: &'static str,
    },
    /// A transition probability is negative or not a number.
    #[error("P({target}|s={state},a={action}) is {value}, expected at least 0")]
    Negative {
        /// State s.
        state: usize,
        /// Action a.
        action: usize,
        /// Next state t.
        target: usize,
        /// The entry.
        value: f64,
    },
    /// A row of the kernel does not sum to 1.
    #[error("P(.|s={state},a={action}) sums to {sum}, expected 1")]
    RowSum {
        /// State s.
        state: usize,
        /// Action a.
        action: usize,
        /// The sum.
        sum: f64,
    },
    /// A distribution has a negative entry or one that is not a number.
    #[error("{what}[{index}] is {value}, expected at least 0")]
    NegativeEntry {
        /// Which distribution.
        what: &'static str,
        /// Flat index.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A distribution does not sum to 1.
    #[error("{what} sums to {sum} at state {state}, expected 1")]
    Sum {
        /// Which distribution.
        what: &'static str,
        /// State (0 for the initial distribution).
        state: usize,
        /// The sum.
        sum: f64,
    },
    /// The discount factor is outside [0, 1].
    #[error("gamma is {gamma}, expected in [0, 1]")]
    Gamma {
        /// The factor.
        gamma: f64,
    },
}

/// Whether `x` is certainly farther than `tolerance` from 0, or not a number.
pub(crate) fn exceeds<T: Field>(x: &T, tolerance: f64) -> bool {
    let tolerance = T::from_f64(tolerance);
    x.approximate().is_nan()
        || (x.clone() - &tolerance).certainly_positive()
        || (x.clone() + &tolerance).certainly_negative()
}

/// Checks a distribution: entries not certainly negative (beyond the
/// tolerance), sum not certainly different from 1.
pub(crate) fn check_distribution<T: Field>(
    what: &'static str,
    state: usize,
    entries: &[T],
) -> Result<(), ModelError> {
    let mut sum = T::zero();
    for (index, entry) in entries.iter().enumerate() {
        if entry.approximate().is_nan() || entry.certainly_negative() {
            let index = state * entries.len() + index;
            return Err(ModelError::NegativeEntry { what, index, value: entry.approximate() });
        }
        sum += entry;
    }
    if exceeds(&(sum.clone() - T::one()), T::ROW_SUM_TOLERANCE) {
        return Err(ModelError::Sum { what, state, sum: sum.approximate() });
    }
    Ok(())
}
