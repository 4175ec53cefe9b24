//! Policies `pi(a|s)` and their parameters `theta`; a kind of them is a file.

mod kinds;

pub(crate) use kinds::Of;
pub use kinds::*;

use crate::arithmetic::{Dual, Field, Transcendental};
use crate::distribution::ModelError;
use crate::linear::ShapeError;

/// A stochastic policy together with the parameters that it came from.
///
/// The parameters decide what a gradient is taken with respect to; everything
/// after deployment needs only the probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy<T> {
    n_states: usize,
    n_actions: usize,
    /// `pi(a|s)` at `s A + a`.
    probabilities: Vec<T>,
    /// `log pi(a|s)`: empty until asked for, `None` where `pi(a|s) = 0`.
    logarithms: Vec<Option<T>>,
    /// Whether a state has an action; empty where each has all.
    available: Vec<bool>,
    parametrisation: Parametrisation<T>,
}

impl<T: Field> Policy<T> {
    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.n_states
    }

    /// Number of actions A.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// `pi(a|s)`.
    pub fn probability(&self, state: usize, action: usize) -> &T {
        &self.probabilities[state * self.n_actions + action]
    }

    /// Whether a state has an action; if not, it is never taken.
    pub fn is_available(&self, state: usize, action: usize) -> bool {
        has(&self.available, state * self.n_actions + action)
    }

    /// `log pi(a|s)`; `None` where `pi(a|s) = 0`, or where the logarithms were
    /// not asked for (see [`Policy::with_logarithms`]).
    pub fn logarithm(&self, state: usize, action: usize) -> Option<&T> {
        self.logarithms.get(state * self.n_actions + action)?.as_ref()
    }

    /// Whether the logarithms that an entropy bonus needs are there.
    pub fn has_logarithms(&self) -> bool {
        !self.logarithms.is_empty()
    }

    /// What the parameters are.
    pub fn parametrisation(&self) -> &Parametrisation<T> {
        &self.parametrisation
    }

    /// Number of parameters: S A, or the number of features.
    pub fn n_parameters(&self) -> usize {
        self.parametrisation.n_parameters()
    }

    /// Whether the rows sum to 1 whatever the parameters are.
    pub fn is_normalised_by_construction(&self) -> bool {
        self.parametrisation.is_normalised()
    }

    /// `features[s,a,k]` at `(s A + a) K + k` where the logits are `features[s,a] . theta`;
    /// `None` where there is a parameter for each state and action.
    pub fn features(&self) -> Option<&[T]> {
        self.parametrisation.features()
    }

    /// The cotangent of the parameters from that of the probabilities:
    /// `sum_{s,a} cotangent[s,a] d pi(a|s) / d theta`.
    ///
    /// For softmax, `d pi(a|s) / d theta[s,b] = pi(a|s) (1[a=b] - pi(b|s))`.
    ///
    /// # Errors
    /// [`ShapeError`] where there is not one cotangent for each state and action.
    pub fn pullback(&self, cotangent: &[T]) -> Result<Vec<T>, ShapeError> {
        ShapeError::check("cotangents of the policy", cotangent.len(), self.probabilities.len())?;
        if !self.is_normalised_by_construction() {
            return Ok(self.of_available(cotangent));
        }
        let of_logits = softmax_pullback(self.n_actions, &self.probabilities, cotangent);
        Ok(self.parametrisation.logit_pullback(of_logits))
    }

    /// The cotangent of the parameters from that of the logits, for a policy that is
    /// normalised by construction.
    pub(crate) fn logit_pullback(&self, cotangent: Vec<T>) -> Vec<T> {
        self.parametrisation.logit_pullback(cotangent)
    }

    /// The policy at `theta + epsilon direction`, `epsilon^2 = 0`: derivatives of
    /// everything in that direction of the parameters. Its logarithms are there
    /// where this policy has them.
    ///
    /// # Errors
    /// [`ModelError`] for a direction that does not fit the parameters.
    ///
    /// ```
    /// use pemdp::arithmetic::{Dual, Field, Rational};
    /// use pemdp::policy::Policy;
    /// let q = |n, d| Rational::from_ratio(n, d);
    /// let policy = Policy::weights(1, 2, vec![q(1, 1), q(3, 1)])?;
    /// let along = policy.along(&[q(1, 1), q(0, 1)])?;
    /// // d pi(0) = pi(0) (1 - pi(0)) d theta(0)
    /// assert_eq!(along.probability(0, 0), &Dual::new(q(1, 4), q(3, 16)));
    /// # Ok::<(), pemdp::mdp::ModelError>(())
    /// ```
    pub fn along(&self, direction: &[T]) -> Result<Policy<Dual<T>>, ModelError> {
        let expected = self.n_parameters();
        if direction.len() != expected {
            return Err(ModelError::Shape { what: "direction", seen: direction.len(), expected });
        }
        let (slopes, scores) = if self.is_normalised_by_construction() {
            self.normalised_slopes(direction)
        } else {
            // A probability of 0 has no logarithm.
            let score = |(v, pi): (&T, &T)| if pi.is_zero() { T::zero() } else { v.clone() / pi };
            let scores = direction.iter().zip(&self.probabilities).map(score).collect();
            (self.of_available(direction), scores)
        };
        let logarithm = |(log, v): (&Option<T>, &T)| log.clone().map(|log| Dual::new(log, v.clone()));
        Ok(Policy {
            n_states: self.n_states,
            n_actions: self.n_actions,
            probabilities: Dual::all(&self.probabilities, &slopes),
            logarithms: self.logarithms.iter().zip(&scores).map(logarithm).collect(),
            available: self.available.clone(),
            parametrisation: self.parametrisation.along(direction),
        })
    }

    /// Entries of pairs, 0 for actions that their states do not have.
    pub(crate) fn of_available(&self, entries: &[T]) -> Vec<T> {
        let of_pair = |(i, x): (usize, &T)| if has(&self.available, i) { x.clone() } else { T::zero() };
        entries.iter().enumerate().map(of_pair).collect()
    }

    /// The slopes of `pi(a|s)` and of `log pi(a|s) = logits[s,a] - log sum_b exp logits[s,b]`.
    fn normalised_slopes(&self, direction: &[T]) -> (Vec<T>, Vec<T>) {
        let of_logits = self.parametrisation.logit_slopes(direction);
        let scores: Vec<T> = of_logits
            .chunks(self.n_actions)
            .zip(self.probabilities.chunks(self.n_actions))
            .flat_map(|(v, pi)| {
                let mean = T::sum_of_products(pi.iter().zip(v));
                v.iter().map(|v| v.clone() - &mean).collect::<Vec<_>>()
            })
            .collect();
        (self.probabilities.iter().zip(&scores).map(|(pi, v)| pi.clone() * v).collect(), scores)
    }
}

/// For rows `pi` of `width` softmax probabilities, `pi[j] (c[j] - sum_i pi[i] c[i])`.
pub(crate) fn softmax_pullback<T: Field>(width: usize, probabilities: &[T], cotangent: &[T]) -> Vec<T> {
    let mut result = Vec::with_capacity(cotangent.len());
    for (pi, c) in probabilities.chunks(width).zip(cotangent.chunks(width)) {
        let mean = pi.iter().zip(c).fold(T::zero(), |sum, (pi, c)| sum + pi.clone() * c);
        result.extend(pi.iter().zip(c).map(|(pi, c)| (c.clone() - &mean) * pi));
    }
    result
}

impl<T: Transcendental> Policy<T> {
    /// The parameters: logits, `theta`, logarithms of weights, or the probabilities.
    pub fn parameters(&self) -> Vec<T> {
        self.parametrisation.parameters()
    }

    /// The same policy with the logarithms of its probabilities, which an
    /// entropy bonus needs. Softmax and log-linear policies have them already.
    #[must_use]
    pub fn with_logarithms(mut self) -> Self {
        if !self.has_logarithms() {
            self.logarithms = self.parametrisation.logarithms(self.n_actions, &self.probabilities);
        }
        self
    }
}

/// Whether a state has an action, by pair `s A + a`, where an empty mask says that each has all.
pub(crate) fn has(available: &[bool], pair: usize) -> bool {
    available.get(pair).copied().unwrap_or(true)
}

/// `x - m`, `exp(x - m)` and their sum, with `m` the largest `x`: no overflow.
pub fn shifted_exponentials<'a, T: Transcendental>(
    row: impl Iterator<Item = &'a T> + Clone,
) -> (Vec<T>, Vec<T>, T) {
    // By differences: doubles near two numbers may both be infinite.
    let larger = |m: T, x: &T| if (x.clone() - &m).certainly_positive() { x.clone() } else { m };
    let largest = row.clone().cloned().reduce(|m, x| larger(m, &x)).unwrap_or_else(T::zero);
    let shifted: Vec<T> = row.map(|x| x.clone() - &largest).collect();
    let weights: Vec<T> = shifted.iter().map(T::exp).collect();
    let total = weights.iter().fold(T::zero(), |sum, w| sum + w);
    (shifted, weights, total)
}

fn check_shape(what: &'static str, seen: usize, n_states: usize, width: usize) -> Result<(), ModelError> {
    if n_states == 0 || width == 0 {
        return Err(ModelError::Empty { what: if n_states == 0 { "S" } else { "A" } });
    }
    let expected = n_states * width;
    if seen == expected { Ok(()) } else { Err(ModelError::Shape { what, seen, expected }) }
}
