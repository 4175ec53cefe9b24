//! Markov decision processes: kernel, rewards, initial distribution.
//!
//! Each part is validated when it is made and stays valid.

use crate::arithmetic::Field;
use crate::criterion::Criterion;
use crate::distribution::{check_distribution, exceeds};
use crate::linear::{Resolvent, Row, Rows, SolveError};
use crate::policy::Policy;

pub use crate::distribution::ModelError;

/// Transition probabilities `P[s,a,t] = P(t | s,a)`, dense or sparse.
///
/// Rows sum to 1 within [`Field::ROW_SUM_TOLERANCE`] and are never
/// renormalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel<T> {
    n_actions: usize,
    /// Row `s A + a` is `P(. | s,a)`.
    rows: Rows<T>,
    /// Whether a row is that of a terminal state or of an action that its state does not
    /// have, and 0; empty where none is.
    unused: Vec<bool>,
}

impl<T: Field> Kernel<T> {
    /// A kernel from its rows in the order `s A + a`.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit, a negative entry (beyond
    /// the tolerance) or a row that does not sum to 1.
    ///
    /// ```
    /// use pemdp::{linear::Rows, mdp::Kernel};
    /// let error = Kernel::new(2, 1, Rows::dense(2, vec![0.5, 0.5, 0.5, 0.25])?).unwrap_err();
    /// assert_eq!(error.to_string(), "P(.|s=1,a=0) sums to 0.75, expected 1");
    /// # Ok::<(), pemdp::linear::ShapeError>(())
    /// ```
    pub fn new(n_states: usize, n_actions: usize, rows: Rows<T>) -> Result<Self, ModelError> {
        Self::partial(n_states, n_actions, rows, &[])
    }

    /// The same where some rows (`unused[s A + a]`; empty where none are) are not read: those
    /// of terminal states and of actions that a state does not have. They are 0 in the kernel.
    ///
    /// # Errors
    /// As [`Kernel::new`], of the other rows.
    ///
    /// ```
    /// use pemdp::{linear::Rows, mdp::Kernel};
    /// let rows = Rows::dense(2, vec![0.5, 0.5, 7.0, 0.0])?;
    /// let kernel = Kernel::partial(2, 1, rows, &[false, true])?;
    /// assert!(kernel.is_terminal(1) && kernel.probability(1, 0, 0) == 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn partial(
        n_states: usize,
        n_actions: usize,
        rows: Rows<T>,
        unused: &[bool],
    ) -> Result<Self, ModelError> {
        for (what, n) in [("S", n_states), ("A", n_actions)] {
            if n == 0 {
                return Err(ModelError::Empty { what });
            }
        }
        if rows.len() != n_states * n_actions || rows.width() != n_states {
            let seen = rows.len() * rows.width();
            return Err(ModelError::Shape { what: "P", seen, expected: n_states * n_actions * n_states });
        }
        if !unused.is_empty() && unused.len() != rows.len() {
            return Err(ModelError::Shape { what: "unused rows", seen: unused.len(), expected: rows.len() });
        }
        for i in (0..rows.len()).filter(|&i| unused.get(i) != Some(&true)) {
            let (state, action) = (i / n_actions, i % n_actions);
            let mut sum = T::zero();
            for (target, entry) in rows.row(i) {
                let value = entry.approximate();
                if value.is_nan() || (entry.certainly_negative() && exceeds(entry, T::ROW_SUM_TOLERANCE)) {
                    return Err(ModelError::Negative { state, action, target, value });
                }
                sum += entry;
            }
            if exceeds(&(sum.clone() - T::one()), T::ROW_SUM_TOLERANCE) {
                return Err(ModelError::RowSum { state, action, sum: sum.approximate() });
            }
        }
        Ok(Self { n_actions, rows, unused: Vec::new() }.without(unused))
    }

    /// The same kernel with more rows that are 0, `unused[s A + a]`; empty where none are.
    #[must_use]
    pub(crate) fn without(mut self, unused: &[bool]) -> Self {
        if unused.is_empty() || unused == self.unused {
            return self;
        }
        self.rows = self.rows.without(|i| unused[i]);
        let known = std::mem::take(&mut self.unused);
        let merged = unused.iter().enumerate().map(|(i, unused)| *unused || known.get(i) == Some(&true));
        self.unused = merged.collect();
        self
    }

    /// Whether the row of a state and action is 0: the state is terminal, or does not have the
    /// action.
    pub fn is_unused(&self, state: usize, action: usize) -> bool {
        self.unused.get(state * self.n_actions + action) == Some(&true)
    }

    /// Whether no action has a row in a state: nothing happens there any more.
    pub fn is_terminal(&self, state: usize) -> bool {
        (0..self.n_actions).all(|action| self.is_unused(state, action))
    }

    /// A dense kernel from `P[s,a,t]` in the order `(s A + a) S + t`.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn dense(n_states: usize, n_actions: usize, entries: Vec<T>) -> Result<Self, ModelError> {
        let expected = n_states * n_actions * n_states;
        if entries.len() != expected || expected == 0 {
            if n_states == 0 || n_actions == 0 {
                return Err(ModelError::Empty { what: if n_states == 0 { "S" } else { "A" } });
            }
            return Err(ModelError::Shape { what: "P", seen: entries.len(), expected });
        }
        Self::new(n_states, n_actions, Rows::dense(n_states, entries)?)
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.rows.width()
    }

    /// Number of actions A.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// The stored entries of `P(. | s,a)`.
    pub fn row(&self, state: usize, action: usize) -> Row<'_, T> {
        self.rows.row(state * self.n_actions + action)
    }

    /// All rows, in the order `s A + a`.
    pub fn rows(&self) -> &Rows<T> {
        &self.rows
    }

    /// `P(t | s,a)`.
    pub fn probability(&self, state: usize, action: usize, target: usize) -> T {
        self.rows.entry(state * self.n_actions + action, target)
    }

    /// `P_pi[s,t] = sum_a pi(a|s) P[s,a,t]`, shape S x S.
    pub fn under(&self, policy: &Policy<T>) -> Rows<T> {
        self.rows.mixtures(self.n_actions, |s, a| policy.probability(s, a))
    }
}

/// A finite Markov decision process: kernel, rewards, initial distribution and
/// discount factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Mdp<T> {
    kernel: Kernel<T>,
    rewards: Vec<T>,
    initial: Vec<T>,
    gamma: T,
    criterion: Criterion,
}

impl<T: Field> Mdp<T> {
    /// An MDP from its parts: `rewards[s A + a]`, `initial[s]`.
    ///
    /// # Errors
    /// [`ModelError`] for shapes that do not fit, an initial distribution that
    /// is none, or a discount factor outside [0, 1]. With 1 only policies have values that
    /// end in terminal states with certainty.
    pub fn new(kernel: Kernel<T>, rewards: Vec<T>, initial: Vec<T>, gamma: T) -> Result<Self, ModelError> {
        let (n_states, n_actions) = (kernel.n_states(), kernel.n_actions());
        for (what, seen, expected) in
            [("r", rewards.len(), n_states * n_actions), ("rho", initial.len(), n_states)]
        {
            if seen != expected {
                return Err(ModelError::Shape { what, seen, expected });
            }
        }
        check_distribution("rho", 0, &initial)?;
        if gamma.certainly_negative() || !(gamma == T::one() || (T::one() - &gamma).certainly_positive()) {
            return Err(ModelError::Gamma { gamma: gamma.approximate() });
        }
        Ok(Self { kernel, rewards, initial, gamma, criterion: Criterion::Discounted })
    }

    /// The same with rewards that add up otherwise.
    #[must_use]
    pub fn with_criterion(self, criterion: Criterion) -> Self {
        Self { criterion, ..self }
    }

    /// How rewards add up.
    pub fn criterion(&self) -> Criterion {
        self.criterion
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.kernel.n_states()
    }

    /// Number of actions A.
    pub fn n_actions(&self) -> usize {
        self.kernel.n_actions()
    }

    /// The transition probabilities.
    pub fn kernel(&self) -> &Kernel<T> {
        &self.kernel
    }

    /// `r[s,a]`, without the entropy bonus.
    pub fn reward(&self, state: usize, action: usize) -> &T {
        &self.rewards[state * self.n_actions() + action]
    }

    /// `rho[s]`.
    pub fn initial(&self) -> &[T] {
        &self.initial
    }

    /// The discount factor.
    pub fn gamma(&self) -> &T {
        &self.gamma
    }

    /// `I - gamma P_pi`.
    ///
    /// # Errors
    /// [`SolveError::NotContracting`] where `gamma` times a row sum reaches 1.
    pub fn resolvent(&self, policy: &Policy<T>) -> Result<Resolvent<T>, SolveError> {
        Resolvent::new(self.kernel.under(policy), self.gamma.clone())
    }
}

impl Mdp<f64> {
    /// `1 - gamma R` with `R` the largest row sum of the kernel, up to rounding: the
    /// Bellman residual over this gap bounds the distance to the solution.
    pub fn contraction_gap(&self) -> f64 {
        let rows = self.kernel.rows();
        let row_sum = |i| rows.row(i).map(|(_, p)| p).sum::<f64>();
        1.0 - self.gamma * (0..rows.len()).map(row_sum).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Ball, Rational};

    fn half<T: Field>() -> T {
        T::from_ratio(1, 2)
    }

    #[test]
    fn kernels_are_checked_to_the_stated_tolerance() {
        let within = vec![0.5, 0.5 + 9e-10, 1.0, 0.0];
        assert!(Kernel::dense(2, 1, within.clone()).is_ok());
        assert!(Kernel::dense(2, 1, within.iter().map(|&x| Ball::from_f64(x)).collect()).is_ok());
        let exact: Vec<_> = within.iter().map(|&x| Rational::from_f64(x)).collect();
        assert!(matches!(Kernel::dense(2, 1, exact), Err(ModelError::RowSum { state: 0, action: 0, .. })));
        let beyond = Kernel::dense(2, 1, vec![1.0, 0.0, 0.5, 0.5 + 2e-9]);
        assert!(matches!(beyond, Err(ModelError::RowSum { state: 1, action: 0, .. })));
        let negative = Kernel::dense(1, 2, vec![1.0, -1.0]);
        assert_eq!(negative, Err(ModelError::Negative { state: 0, action: 1, target: 0, value: -1.0 }));
        let undefined = Kernel::dense(1, 1, vec![f64::NAN]);
        assert!(matches!(undefined, Err(ModelError::Negative { .. })));
    }

    #[test]
    fn shapes_and_ranges_are_checked() {
        assert_eq!(Kernel::<f64>::dense(0, 1, vec![]), Err(ModelError::Empty { what: "S" }));
        assert_eq!(Kernel::<f64>::dense(1, 0, vec![]), Err(ModelError::Empty { what: "A" }));
        assert!(matches!(Kernel::dense(2, 1, vec![1.0]), Err(ModelError::Shape { expected: 4, .. })));
        let kernel = || Kernel::dense(1, 1, vec![1.0]).unwrap();
        assert!(Mdp::new(kernel(), vec![0.0], vec![1.0], 0.0).is_ok());
        for gamma in [1.0 + f64::EPSILON, -0.1, f64::NAN] {
            let mdp = Mdp::new(kernel(), vec![0.0], vec![1.0], gamma);
            assert!(matches!(mdp, Err(ModelError::Gamma { .. })), "gamma = {gamma}");
        }
        let initial = Mdp::new(kernel(), vec![0.0], vec![half()], 0.5);
        assert_eq!(initial, Err(ModelError::Sum { what: "rho", state: 0, sum: 0.5 }));
        let rewards = Mdp::new(kernel(), vec![], vec![1.0], 0.5);
        assert_eq!(rewards, Err(ModelError::Shape { what: "r", seen: 0, expected: 1 }));
    }
}
