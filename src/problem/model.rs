//! The performative MDP and the policy of a problem, in any arithmetic.

use thiserror::Error;

use super::numeral::lift;
use super::parts::Problem;
use crate::arithmetic::{Ball, BigBall, Dual, Field, Rational, Transcendental};
use crate::distribution::ModelError;
use crate::environments::{EnvironmentSpec, Given, Scoped};
use crate::performative::PerformativeMdp;
use crate::policy::{Of, Policy};
use crate::response::Response;

/// Why a problem is not one of fractions.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RationalError {
    /// A part of it is not rational.
    #[error("{path}: {reason}")]
    NotRational {
        /// Where.
        path: String,
        /// What is not rational, and what was expected.
        reason: String,
    },
    /// The parts do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// An arithmetic for which the responses of all environments are compiled once, with
/// this package, and not again with each that uses them.
pub trait Arithmetic: Transcendental {
    /// The response of an environment.
    ///
    /// # Errors
    /// [`ModelError`] for parts that do not fit.
    fn response(
        environment: &EnvironmentSpec,
        given: Given<'_>,
    ) -> Result<Box<dyn Response<Self>>, ModelError>;
}

macro_rules! arithmetics {
    ($($arithmetic:ty),+) => {$(
        impl Arithmetic for $arithmetic {
            fn response(
                environment: &EnvironmentSpec,
                given: Given<'_>,
            ) -> Result<Box<dyn Response<Self>>, ModelError> {
                environment.response(given)
            }
        }
    )+};
}

arithmetics!(f64, Ball, BigBall, Dual<f64>);

impl Problem {
    /// What does not respond, around an environment.
    pub(crate) fn around<T: Field>(&self, response: Box<dyn Response<T>>) -> PerformativeMdp<T> {
        let (initial, gamma, entropy) = (lift(&self.initial()), self.gamma().lift(), self.entropy().lift());
        let response = Scoped::around(response, self.unused());
        PerformativeMdp { response, initial, gamma, entropy, criterion: self.criterion() }
    }

    /// The performative MDP of this problem.
    ///
    /// # Errors
    /// [`ModelError`] where the parts do not fit, which a problem that was checked
    /// never has.
    pub fn model<T: Arithmetic>(&self) -> Result<PerformativeMdp<T>, ModelError> {
        Ok(self.around(T::response(self.environment(), self.given())?))
    }

    /// The same in any arithmetic with exponentials.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn model_in<T: Transcendental>(&self) -> Result<PerformativeMdp<T>, ModelError> {
        Ok(self.around(self.environment().response(self.given())?))
    }

    /// The states and actions that its policies are of.
    pub(crate) fn of(&self) -> Of<'_> {
        let available = &self.action_sets().available;
        Of { n_states: self.n_states(), n_actions: self.n_actions(), available }
    }

    /// The policy of this problem, with the logarithms that its entropy needs.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn deployed_policy<T: Transcendental>(&self) -> Result<Policy<T>, ModelError> {
        let policy = self.policy().policy(self.of())?;
        Ok(if self.entropy().is_zero() { policy } else { policy.with_logarithms() })
    }

    /// The performative MDP and the policy in exact fractions.
    ///
    /// # Errors
    /// [`RationalError::NotRational`] names what is not rational.
    pub fn rational_model(&self) -> Result<(PerformativeMdp<Rational>, Policy<Rational>), RationalError> {
        self.rational_parts()
    }

    /// The same in any arithmetic.
    pub(crate) fn rational_parts<T: Field>(&self) -> Result<(PerformativeMdp<T>, Policy<T>), RationalError> {
        if let Some((path, reason)) = self.not_rational() {
            return Err(RationalError::NotRational { path, reason });
        }
        let missing = |path: &str, reason: &str| RationalError::NotRational {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let policy = self.policy().rational(self.of())?;
        let policy = policy.ok_or_else(|| missing("policy.kind", "expected weights or probabilities"))?;
        let response = self.environment().rational_response(self.given())?;
        let response = response
            .ok_or_else(|| missing("environment.kind", "expected an environment without exponentials"))?;
        Ok((self.around(response), policy))
    }
}
