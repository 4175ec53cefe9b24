//! The response map, `pi -> (P_theta, r_theta)`, and its transposed derivative.
//!
//! A cotangent of `x` is the coefficient of `dx` in a derivative such as `dJ`; pulling it back
//! gives that of what `x` depends on, and no Jacobian is ever formed.

use thiserror::Error;

use crate::arithmetic::Field;
use crate::linear::{Row, Rows, ShapeError, SolveError};
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;

/// A response map `pi -> (P_theta, r_theta)` with its derivative.
///
/// This is all that an environment has to bring: values, occupancies and
/// gradients are shared by all environments.
pub trait Response<T: Field>: Send + Sync {
    /// Number of states S.
    fn n_states(&self) -> usize;

    /// Number of actions A.
    fn n_actions(&self) -> usize;

    /// The kernel and rewards that deploying `policy` induces, with the
    /// pullback of their cotangents.
    ///
    /// # Errors
    /// [`ResponseError`] where the environment has no response to this policy.
    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError>;

    /// Whether the rows of `P` and of `r` of this state can depend on the
    /// policy at all.
    fn responds(&self, state: usize) -> Responds;

    /// The discount factor of agents that respond, where there are any: it has to be
    /// that of the values.
    fn discount(&self) -> Option<&T> {
        None
    }

    /// Whether a best response in the induced MDP is what retraining does here;
    /// if not, why.
    ///
    /// # Errors
    /// The reason.
    fn retrainable(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// A response without kinks that tends to this one as `temperature > 0`
    /// tends to 0; `None` where this one has none.
    fn smoothed(&self, temperature: &T) -> Option<Box<dyn Response<T>>> {
        let _ = temperature;
        None
    }
}

/// Which parts of a state's row depend on the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responds {
    /// `P[s,.,.]` does.
    pub transitions: bool,
    /// `r[s,.]` does.
    pub rewards: bool,
}

/// What a deployed policy induces.
pub struct Induced<'a, T> {
    /// `P[s,a,t]`.
    pub kernel: Kernel<T>,
    /// `r[s,a]` at `s A + a`.
    pub rewards: Vec<T>,
    /// Where the response is not differentiable at this policy.
    pub kinks: Vec<Kink>,
    /// The derivative of the response, transposed.
    pub pullback: Box<dyn Pullback<T> + 'a>,
}

/// The transposed derivative of a response at one policy.
pub trait Pullback<T: Field> {
    /// Cotangents of the policy from cotangents of `P` and `r`:
    /// `sum_{s,a,t} c[s,a,t] dP[s,a,t]` and `sum_{s,a} c[s,a] dr[s,a]`, kept apart.
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T>;

    /// The same with the values of responding agents held fixed, where the
    /// environment has such agents: a mistake to recognise, not a gradient.
    fn pull_with_frozen_values(&self, cotangent: &Cotangent<'_, T>) -> Option<PulledBack<T>> {
        let _ = cotangent;
        None
    }
}

/// Cotangents of `P[s,a,t]` and of `r[s,a]`.
pub struct Cotangent<'a, T> {
    /// Of `P[s,a,t]`.
    pub transition: TransitionCotangent<'a, T>,
    /// Of `r[s,a]` at `s A + a`.
    pub reward: &'a [T],
}

/// A cotangent of `P[s,a,t]`, as what it is made of: never S x A x S numbers.
#[derive(Clone, Copy)]
pub enum TransitionCotangent<'a, T> {
    /// `visits[s,a] values[t]`: one factor of each row for all next states.
    Product {
        /// At `s A + a`.
        visits: &'a [T],
        /// At `t`.
        values: &'a [T],
    },
    /// `visits[s,a] values[a,t]`: other factors for each action.
    ByAction {
        /// At `s A + a`.
        visits: &'a [T],
        /// At `a S + t`.
        values: &'a [T],
        /// S.
        n_states: usize,
    },
    /// The stored entries of row `s A + a`; 0 elsewhere.
    Stored(&'a Rows<T>),
}

impl<'a, T: Field> Cotangent<'a, T> {
    /// That of the performative gradient: `d[s,a] (gamma V)[t]` and `d[s,a]`.
    pub fn performative(occupancy: &'a [T], discounted_values: &'a [T]) -> Self {
        let transition = TransitionCotangent::Product { visits: occupancy, values: discounted_values };
        Self { transition, reward: occupancy }
    }

    /// `sum_t x[t] c[s,a,t]` with the stored entries `x` of a row and the cotangents `c` of
    /// `P[s,a,t]`, by pair `s A + a`.
    pub fn sum_of_row(&self, pair: usize, row: Row<'_, T>) -> T {
        let times = |visits: &T, values: &[T]| {
            if visits.is_zero() {
                return T::zero();
            }
            T::sum_of_products(row.clone().map(|(t, x)| (x, &values[t]))) * visits
        };
        match self.transition {
            TransitionCotangent::Product { visits, values } => times(&visits[pair], values),
            TransitionCotangent::ByAction { visits, values, n_states } => {
                let action = pair % (values.len() / n_states);
                times(&visits[pair], &values[action * n_states..])
            }
            TransitionCotangent::Stored(rows) => {
                row.fold(T::zero(), |sum, (t, x)| sum + rows.entry(pair, t) * x)
            }
        }
    }

    /// The cotangent of `P[s,a,t]`, by pair `s A + a`.
    pub fn transition(&self, pair: usize, target: usize) -> T {
        match self.transition {
            TransitionCotangent::Product { visits, values } => visits[pair].clone() * &values[target],
            TransitionCotangent::ByAction { visits, values, n_states } => {
                let action = pair % (values.len() / n_states);
                visits[pair].clone() * &values[action * n_states + target]
            }
            TransitionCotangent::Stored(rows) => rows.entry(pair, target),
        }
    }
}

/// Cotangents of the policy through `P` and through `r`.
#[derive(Debug, Clone, PartialEq)]
pub struct PulledBack<T> {
    /// Through the transitions.
    pub transition: PolicyCotangent<T>,
    /// Through the rewards.
    pub reward: PolicyCotangent<T>,
}

/// A cotangent of a policy: of its probabilities, or directly of its
/// parameters where the response depends on those.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyCotangent<T> {
    /// The response does not depend on the policy.
    None,
    /// Of `pi(a|s)` at `s A + a`.
    Probabilities(Vec<T>),
    /// Of the flat parameters.
    Parameters(Vec<T>),
    /// Of both: what depends on the probabilities, and on the parameters directly.
    Both {
        /// Of `pi(a|s)` at `s A + a`.
        probabilities: Vec<T>,
        /// Of the flat parameters.
        parameters: Vec<T>,
    },
}

impl<T: Field> PolicyCotangent<T> {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |x: Option<Vec<T>>, y: Option<Vec<T>>| match (x, y) {
            (Some(mut x), Some(y)) => {
                x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
                Some(x)
            }
            (x, y) => x.or(y),
        };
        let ((probabilities, parameters), (x, y)) = (self.parts(), other.parts());
        match (sum(probabilities, x), sum(parameters, y)) {
            (None, None) => Self::None,
            (Some(probabilities), None) => Self::Probabilities(probabilities),
            (None, Some(parameters)) => Self::Parameters(parameters),
            (Some(probabilities), Some(parameters)) => Self::Both { probabilities, parameters },
        }
    }

    /// Of the probabilities, and of the parameters.
    fn parts(self) -> (Option<Vec<T>>, Option<Vec<T>>) {
        match self {
            Self::None => (None, None),
            Self::Probabilities(probabilities) => (Some(probabilities), None),
            Self::Parameters(parameters) => (None, Some(parameters)),
            Self::Both { probabilities, parameters } => (Some(probabilities), Some(parameters)),
        }
    }

    /// The cotangent of the parameters of `policy`.
    ///
    /// # Errors
    /// [`ShapeError`] where there is not one cotangent for each probability, or for
    /// each parameter.
    pub fn to_parameters(self, policy: &Policy<T>) -> Result<Vec<T>, ShapeError> {
        match self {
            Self::None => Ok(vec![T::zero(); policy.n_parameters()]),
            Self::Probabilities(cotangent) => policy.pullback(&cotangent),
            Self::Parameters(cotangent) => {
                ShapeError::check("cotangents of the parameters", cotangent.len(), policy.n_parameters())?;
                // An action that a state does not have has no parameter.
                Ok(if policy.features().is_none() { policy.of_available(&cotangent) } else { cotangent })
            }
            Self::Both { probabilities, parameters } => {
                let mut sum = Self::Parameters(parameters).to_parameters(policy)?;
                let through = Self::Probabilities(probabilities).to_parameters(policy)?;
                sum.iter_mut().zip(through).for_each(|(sum, x)| *sum += x);
                Ok(sum)
            }
        }
    }
}

/// A point where a response is not differentiable.
#[derive(Debug, Clone, PartialEq)]
pub enum Kink {
    /// A follower's best response is tied between actions with different
    /// derivatives, or may be within the proven error of its values.
    Tie {
        /// Which follower.
        follower: usize,
        /// In which state.
        state: usize,
        /// The tied actions.
        actions: Vec<usize>,
        /// The largest difference of their values that the proof allows.
        gap: f64,
    },
    /// The reward of a state and action lies on the boundary of its clip.
    Clip {
        /// State s.
        state: usize,
        /// Action a.
        action: usize,
    },
    /// A minimum, maximum or absolute value in a formula is at its corner, or may be within
    /// the proven error.
    Corner {
        /// The path of the formula.
        formula: String,
    },
}

/// Why an environment has no response to a policy.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The policy has the wrong shape.
    #[error("the policy has {seen:?} states and actions, expected {expected:?}")]
    Shape {
        /// States and actions of the policy.
        seen: (usize, usize),
        /// States and actions of the environment.
        expected: (usize, usize),
    },
    /// The response is a function of parameters that the policy does not have.
    #[error("the policy has {seen} parameters, expected {expected}: {why}")]
    Parameters {
        /// Number of parameters of the policy.
        seen: usize,
        /// Number that the environment needs.
        expected: usize,
        /// What they are for.
        why: &'static str,
    },
    /// A formula has no value at the policy, or none that it may have.
    #[error("{place}: {problem}")]
    Undefined {
        /// The path of the formula.
        place: String,
        /// What was seen, and expected.
        problem: String,
    },
    /// A formula of whose value nothing is known with the digits at hand.
    #[error("{what} with the digits that are affordable")]
    Unbounded {
        /// Which, and why.
        what: String,
    },
    /// Parts that do not fit each other.
    #[error(transparent)]
    Length(#[from] ShapeError),
    /// The induced model is not one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A responding agent's values could not be solved.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A responding agent's best response was not found.
    #[error("follower {follower}: policy iteration did not end in {iterations} steps")]
    BestResponse {
        /// Which follower.
        follower: usize,
        /// Steps taken.
        iterations: usize,
    },
}

/// Checks that a policy fits an environment.
pub(crate) fn check_shape<T: Field>(
    environment: &(impl Response<T> + ?Sized),
    policy: &Policy<T>,
) -> Result<(), ResponseError> {
    let seen = (policy.n_states(), policy.n_actions());
    let expected = (environment.n_states(), environment.n_actions());
    if seen == expected { Ok(()) } else { Err(ResponseError::Shape { seen, expected }) }
}
