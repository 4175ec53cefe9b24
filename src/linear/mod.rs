//! Solving `(I - gamma P) x = b` and its transpose.
//!
//! How to solve is a property of the arithmetic: doubles use one LU factorisation (dense
//! by halves of columns, or within an envelope after reordering where the kernel is
//! sparse), rationals lift a solution modulo a prime, enclosing arithmetics refine a double
//! solution and bound what is left by the residual, dual numbers differentiate the system.
//! Bounds: `docs/theory/bounds.md`, section 4.

mod dual;
mod elimination;
mod enclosed;
mod lu;
mod padic;
mod product;
mod rows;
mod skyline;

use std::cmp::Ordering;

use thiserror::Error;

pub use dual::DualFactorisation;
pub use elimination::Elimination;
pub use enclosed::{Approximate, Enclosed, Enclosure, Size};
pub use lu::Lu;
pub use padic::PadicInverse;
pub use rows::{Row, Rows};

use crate::arithmetic::Field;

/// Why a linear system could not be solved.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SolveError {
    /// `gamma` times the largest row sum of `|P|` is not below 1, so the values
    /// are not bounded.
    #[error("gamma times the largest absolute row sum is {product}, expected below 1")]
    NotContracting {
        /// `gamma max_s sum_t |P[s,t]|`, rounded up.
        product: f64,
    },
    /// The factorisation met no usable pivot.
    #[error("the matrix I - gamma P of {states} states is singular in this arithmetic")]
    Singular {
        /// Number of states.
        states: usize,
    },
    /// The chain is not square.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Something has another length than what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {seen}, expected {expected}")]
pub struct ShapeError {
    /// Which part.
    pub what: &'static str,
    /// Entries seen.
    pub seen: usize,
    /// Entries expected.
    pub expected: usize,
}

impl ShapeError {
    /// Checks a length.
    ///
    /// # Errors
    /// Where it is another one.
    pub(crate) fn check(what: &'static str, seen: usize, expected: usize) -> Result<(), Self> {
        if seen == expected { Ok(()) } else { Err(Self { what, seen, expected }) }
    }
}

/// The matrix `I - gamma P` (not its inverse) of a Markov chain `P` (`P[s,t]`, shape S x S).
///
/// [`Resolvent::new`] checks `gamma max_s sum_t |P[s,t]| < 1`, so the matrix is
/// invertible and `||(I - gamma P)^{-1}||_inf <= 1/(1 - gamma max_s sum_t |P[s,t]|)`.
#[derive(Debug, Clone)]
pub struct Resolvent<T> {
    chain: Rows<T>,
    gamma: T,
}

impl<T: Field> Resolvent<T> {
    /// The resolvent of a chain.
    ///
    /// # Errors
    /// [`SolveError::NotContracting`] unless `gamma` times the largest row sum
    /// is certainly below 1; [`SolveError::Shape`] unless the chain is square.
    pub fn new(chain: Rows<T>, gamma: T) -> Result<Self, SolveError> {
        ShapeError::check("the columns of a chain", chain.width(), chain.len())?;
        let resolvent = Self { chain, gamma };
        for s in 0..resolvent.n_states() {
            if !resolvent.contraction_gap(s).certainly_positive() {
                let product = 1.0 - resolvent.contraction_gap(s).approximate();
                return Err(SolveError::NotContracting { product });
            }
        }
        Ok(resolvent)
    }

    /// `1 - gamma sum_t |P[s,t]|`.
    pub(crate) fn contraction_gap(&self, s: usize) -> T {
        let mut sum = T::zero();
        for (_, entry) in self.chain.row(s) {
            match entry.sign() {
                Some(Ordering::Greater) => sum += entry,
                Some(Ordering::Less) => sum -= entry,
                Some(Ordering::Equal) => {}
                None => sum += T::from_f64(entry.magnitude()),
            }
        }
        T::one() - self.gamma.clone() * &sum
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.chain.len()
    }

    /// `P`, shape S x S.
    pub fn chain(&self) -> &Rows<T> {
        &self.chain
    }

    /// The discount factor.
    pub fn gamma(&self) -> &T {
        &self.gamma
    }

    /// `(I - gamma P) x`.
    pub fn apply(&self, x: &[T]) -> Vec<T> {
        let product = |s: usize| {
            let mut sum = T::zero();
            for (t, p) in self.chain.row(s) {
                sum += p.clone() * &x[t];
            }
            x[s].clone() - sum * &self.gamma
        };
        (0..self.n_states()).map(product).collect()
    }

    /// `(I - gamma P)^T x`.
    pub fn apply_transposed(&self, x: &[T]) -> Vec<T> {
        let mut result = x.to_vec();
        for (s, weight) in x.iter().enumerate() {
            let weight = weight.clone() * &self.gamma;
            for (t, p) in self.chain.row(s) {
                result[t] -= p.clone() * &weight;
            }
        }
        result
    }
}

/// What a [`Field`] keeps of a [`Resolvent`] to solve with it many times.
pub trait Factorisation<T>: Sized + Send + Sync {
    /// Factorises `I - gamma P`.
    ///
    /// # Errors
    /// [`SolveError::Singular`] where no usable pivot is left.
    fn new(resolvent: Resolvent<T>) -> Result<Self, SolveError>;

    /// `x` with `(I - gamma P) x = b`: values from rewards.
    fn solve(&self, b: &[T]) -> Vec<T>;

    /// `x` with `(I - gamma P)^T x = b`: occupancies from initial weights.
    fn solve_transposed(&self, b: &[T]) -> Vec<T>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Interval;

    fn gap(entries: [(f64, f64); 2], gamma: f64) -> Interval {
        let entries = entries.map(|(lower, upper)| Interval::new(lower, upper).unwrap()).to_vec();
        let resolvent = Resolvent { chain: Rows::dense(2, entries).unwrap(), gamma: Interval::point(gamma) };
        resolvent.contraction_gap(0)
    }

    #[test]
    fn the_gap_takes_absolute_values_whatever_their_sign() {
        assert_eq!(gap([(0.25, 0.5), (0.25, 0.25)], 0.5), Interval::new(0.625, 0.75).unwrap());
        assert_eq!(gap([(-0.5, -0.25), (0.25, 0.25)], 0.5), Interval::new(0.625, 0.75).unwrap());
        assert_eq!(gap([(0.0, 0.0), (1.0, 1.0)], 0.5), Interval::point(0.5));
        // Of an entry whose sign is open the largest absolute value counts.
        assert_eq!(gap([(-0.5, 0.25), (0.5, 0.5)], 0.5).lower(), 0.5);
    }

    #[test]
    fn both_products_are_with_the_same_matrix() {
        let resolvent = Resolvent::new(Rows::dense(2, vec![0.25, 0.75, 0.5, 0.5]).unwrap(), 0.5).unwrap();
        assert_eq!(resolvent.apply(&[1.0, 2.0]), [1.0 - 0.875, 2.0 - 0.75]);
        assert_eq!(resolvent.apply_transposed(&[1.0, 2.0]), [1.0 - 0.625, 2.0 - 0.875]);
        assert_eq!((resolvent.n_states(), *resolvent.gamma(), resolvent.chain().len()), (2, 0.5, 2));
    }

    #[test]
    fn what_does_not_contract_or_fit_is_refused() {
        let refused = Resolvent::new(Rows::dense(1, vec![1.0]).unwrap(), 1.25).unwrap_err();
        assert!(matches!(refused, SolveError::NotContracting { product } if product == 1.25));
        let shape = Resolvent::new(Rows::dense(2, vec![0.5, 0.5]).unwrap(), 0.5).unwrap_err();
        assert!(matches!(shape, SolveError::Shape(ShapeError { seen: 2, expected: 1, .. })));
    }
}
