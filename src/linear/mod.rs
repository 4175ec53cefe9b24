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
use crate::distribution::exceeds;

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
    /// Without discounting, an episode that is in one of these states never ends.
    #[error(
        "gamma is 1 and an episode never ends from {} on, expected gamma below 1, the criterion average, or a way \
         to a terminal state or to one that is never left and pays nothing",
        listed(.states)
    )]
    NeverEnds {
        /// The states that no way leads out of.
        states: Vec<usize>,
    },
    /// The average of a chain with several classes of states that are never left.
    #[error(
        "the average reward needs one class of states that is never left, but from {} on the state {visited} of \
         such a class is never reached",
        listed(.states)
    )]
    ManyClasses {
        /// The states from which it is never reached.
        states: Vec<usize>,
        /// A state that is visited for ever.
        visited: usize,
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

/// A few states, in words.
pub(crate) fn listed(states: &[usize]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = states.iter().take(SHOWN).map(usize::to_string).collect();
    let more =
        if states.len() > SHOWN { format!(" and {} more", states.len() - SHOWN) } else { String::new() };
    format!("state{} {}{more}", if states.len() == 1 { "" } else { "s" }, shown.join(", "))
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
/// invertible and `||(I - gamma P)^{-1}||_inf <= 1/(1 - gamma max_s sum_t |P[s,t]|)`; or, for
/// `gamma = 1`, that from every state a way leads to a row whose sum is below 1. Of rows whose
/// sums are at most 1 the powers of `P` then vanish; what rounding adds to a sum, an enclosing
/// arithmetic rules out by a vector `w > 0` with `(I - P) w > 0` (`docs/theory/bounds.md`,
/// section 4).
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
    /// is certainly below 1, or `gamma` is 1; [`SolveError::NeverEnds`] where it is 1 and
    /// there are states from which no way leads to a row whose sum is below 1;
    /// [`SolveError::Shape`] unless the chain is square.
    pub fn new(chain: Rows<T>, gamma: T) -> Result<Self, SolveError> {
        ShapeError::check("the columns of a chain", chain.width(), chain.len())?;
        let resolvent = Self { chain, gamma };
        if resolvent.gamma == T::one() {
            let states = resolvent.never_ending();
            return if states.is_empty() { Ok(resolvent) } else { Err(SolveError::NeverEnds { states }) };
        }
        for s in 0..resolvent.n_states() {
            if !resolvent.contraction_gap(s).certainly_positive() {
                let product = 1.0 - resolvent.contraction_gap(s).approximate();
                return Err(SolveError::NotContracting { product });
            }
        }
        Ok(resolvent)
    }

    /// `I - P_z` with `gamma = 1`, `P_z` the chain without its column `z`: solutions are sums
    /// until `z` is entered.
    ///
    /// # Errors
    /// [`SolveError::ManyClasses`] where there are states from which no way leads to `z`;
    /// [`SolveError::Shape`] unless the chain is square.
    pub(crate) fn until_entered(chain: &Rows<T>, z: usize) -> Result<Self, SolveError> {
        ShapeError::check("the columns of a chain", chain.width(), chain.len())?;
        // However rarely.
        let enters = |s: usize| chain.row(s).any(|(t, p)| t == z && !p.is_zero());
        let states = closed_class(chain, enters);
        if !states.is_empty() {
            return Err(SolveError::ManyClasses { states, visited: z });
        }
        let chain = chain.map_entries(|_, t, p| if t == z { T::zero() } else { p.clone() });
        Ok(Self { chain, gamma: T::one() })
    }

    /// A class of states that no way of entries that may be positive leads out of, nor to a row
    /// whose sum is below 1 by more than rounding; none where there is no such class.
    fn never_ending(&self) -> Vec<usize> {
        closed_class(&self.chain, |s| exceeds(&self.contraction_gap(s), T::ROW_SUM_TOLERANCE))
    }

    /// `1 - gamma sum_t |P[s,t]|`.
    pub(crate) fn contraction_gap(&self, s: usize) -> T {
        let sum = self.chain.row(s).fold(T::zero(), |sum, (_, entry)| sum + absolute(entry));
        T::one() - self.gamma.clone() * &sum
    }

    /// `w_s - gamma sum_t |P[s,t]| w_t` of positive weights; none where one is not.
    pub(crate) fn weighted_gaps(&self, weights: &[T]) -> Option<Vec<T>> {
        let gap = |s: usize| {
            let terms = self.chain.row(s).map(|(t, entry)| absolute(entry) * &weights[t]);
            weights[s].clone() - terms.fold(T::zero(), |sum, term| sum + term) * &self.gamma
        };
        weights.iter().all(T::certainly_positive).then(|| (0..self.n_states()).map(gap).collect())
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

/// A class of states that no way along entries that are not 0 leads out of, nor to an end; none
/// where there is no such class, and the only one where there is one.
///
/// States are marked from the ends against the arrows, then from each that is left in turn. The
/// last of these is in such a class: if it led to a state that was marked before, it would have
/// been marked with it; so whatever it leads to was marked from it, and leads back.
pub(crate) fn closed_class<T: Field>(chain: &Rows<T>, ends: impl Fn(usize) -> bool) -> Vec<usize> {
    let n = chain.len();
    let after = |s: usize| chain.row(s).filter(|(_, p)| !p.is_zero()).map(|(t, _)| t);
    let mut arrows: Vec<Vec<usize>> = vec![Vec::new(); n];
    for s in 0..n {
        after(s).for_each(|t| arrows[t].push(s));
    }
    let before = |t: usize| arrows[t].iter().copied();
    let mut seen = vec![false; n];
    (0..n).filter(|&s| ends(s)).for_each(|s| reach(s, &mut seen, before));
    let mut last = None;
    for s in 0..n {
        if !seen[s] {
            last = Some(s);
            reach(s, &mut seen, before);
        }
    }
    let mut class = vec![false; n];
    last.into_iter().for_each(|s| reach(s, &mut class, after));
    (0..n).filter(|&s| class[s]).collect()
}

/// Marks a state as seen, and what is reached from it along states that are not.
fn reach<I: Iterator<Item = usize>>(from: usize, seen: &mut [bool], next: impl Fn(usize) -> I) {
    let mut open = vec![from];
    seen[from] = true;
    while let Some(s) = open.pop() {
        for t in next(s) {
            if !std::mem::replace(&mut seen[t], true) {
                open.push(t);
            }
        }
    }
}

/// `|x|`, or what is at least that.
fn absolute<T: Field>(x: &T) -> T {
    match x.sign() {
        Some(Ordering::Less) => -x.clone(),
        Some(_) => x.clone(),
        None => T::from_f64(x.magnitude()),
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
