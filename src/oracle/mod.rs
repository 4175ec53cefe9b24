//! The reference oracle: problems in, exact answers with proven bounds out, and
//! other people's answers held against them.
//!
//! Formats: `docs/oracle.md`.

mod answer;
pub mod examples;
mod json;
mod mistakes;
mod numeral;
mod problem;
mod verify;

use thiserror::Error;

use crate::arithmetic::{Field, Rational, Transcendental};
use crate::environments::{
    Affine, BaseMeasure, ClippedReward, Coin, Explicit, ExponentialFamily, Gridworld, Loan, RationalFamily,
    gridworld,
};
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::performative::{PerformanceError, PerformativeMdp};
use crate::policy::Policy;
use crate::response::Response;

pub use answer::{Answer, AnswerOf, Bounds, Covers, ExactAnswer, KinkReport, Terms};
pub use json::InputError;
pub use mistakes::{KNOWN_MISTAKES, Mistake, Mistaken, mistaken_answers};
pub use numeral::{Numeral, Reading};
pub use problem::{Base, EnvironmentSpec, Followers, PolicySpec, Problem};
pub use verify::{Claimed, Difference, Tolerance, Verdict, verify};

/// Why a problem has no answer.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OracleError {
    /// The input is not a valid problem or answer.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The problem cannot be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
    /// The model is not one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A number of the answer overflows, or nothing could be proven of it.
    #[error("{quantity} has no finite double with a finite error bound")]
    NotFinite {
        /// Which quantity.
        quantity: &'static str,
    },
    /// The problem is not rational, and an exact answer was asked for.
    #[error("{path}: {reason}")]
    NotRational {
        /// Where.
        path: String,
        /// What is not rational, and what was expected.
        reason: String,
    },
}

fn lift<T: Field>(numerals: &[Numeral]) -> Vec<T> {
    numerals.iter().map(Numeral::lift).collect()
}

fn lift_indexed<T: Field, const N: usize>(entries: &[([usize; N], Numeral)]) -> Vec<([usize; N], T)> {
    entries.iter().map(|(index, numeral)| (*index, numeral.lift())).collect()
}

impl Problem {
    /// The environment where it takes only the four operations; `None` for
    /// those that need exponentials.
    fn rational_environment<T: Field>(&self) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let rows = |transitions: &[Numeral]| Rows::dense(n_states, lift(transitions)).compact();
        let kernel = |transitions: &[Numeral]| Kernel::new(n_states, n_actions, rows(transitions));
        Ok(Some(match &self.environment {
            EnvironmentSpec::Fixed { transitions, rewards } => {
                Box::new(Explicit::fixed(kernel(transitions)?, lift(rewards))?)
            }
            EnvironmentSpec::Explicit { transitions, rewards, transition_jacobian, reward_jacobian } => {
                Box::new(Explicit::new(
                    kernel(transitions)?,
                    lift(rewards),
                    lift_indexed(transition_jacobian),
                    lift_indexed(reward_jacobian),
                )?)
            }
            EnvironmentSpec::Affine { transitions, transition_slopes, rewards, reward_slopes } => {
                Box::new(Affine::new(
                    n_states,
                    n_actions,
                    rows(transitions),
                    lift(rewards),
                    lift_indexed(transition_slopes),
                    lift_indexed(reward_slopes),
                )?)
            }
            EnvironmentSpec::Coin { mu, epsilon } => {
                Box::new(Coin { mu: mu.lift(), epsilon: epsilon.lift() })
            }
            EnvironmentSpec::Loan { .. } => {
                Box::new(self.loan().ok_or(ModelError::Empty { what: "loan" })?.to_affine()?)
            }
            EnvironmentSpec::ExponentialFamily { .. } | EnvironmentSpec::Gridworld { .. } => return Ok(None),
        }))
    }

    fn loan<T: Field>(&self) -> Option<Loan<T>> {
        let EnvironmentSpec::Loan { form, q0, c, gain, loss } = &self.environment else { return None };
        Some(Loan { form: *form, q0: q0.lift(), c: c.lift(), gain: gain.lift(), loss: loss.lift() })
    }

    fn environment<T: Transcendental>(&self) -> Result<Box<dyn Response<T>>, ModelError> {
        if let Some(environment) = self.rational_environment()? {
            return Ok(environment);
        }
        match &self.environment {
            EnvironmentSpec::ExponentialFamily { psi, base, reward_base, slope, clip } => {
                let n = self.n_states() * self.n_actions() * self.n_states();
                let base = match base {
                    Base::Logits(None) => BaseMeasure::Logits(vec![Some(T::zero()); n]),
                    Base::Logits(Some(logits)) => {
                        BaseMeasure::Logits(logits.iter().map(|x| x.as_ref().map(Numeral::lift)).collect())
                    }
                    Base::Weights(weights) => BaseMeasure::Weights(lift(weights)),
                };
                let reward = ClippedReward {
                    base: lift(reward_base),
                    slope: slope.lift(),
                    clip: clip.as_ref().map(Numeral::lift),
                };
                Ok(Box::new(ExponentialFamily::new(self.n_actions(), lift(psi), base, reward)?))
            }
            _ => Ok(Box::new(self.gridworld()?.ok_or(ModelError::Empty { what: "gridworld" })?)),
        }
    }

    /// The gridworld, where this is one.
    pub(crate) fn gridworld<T: Transcendental>(&self) -> Result<Option<Gridworld<T>>, ModelError> {
        let EnvironmentSpec::Gridworld { beta, followers } = &self.environment else { return Ok(None) };
        let grids = match followers {
            Followers::Given(grids) => grids
                .iter()
                .map(|cells| {
                    let expected = gridworld::N_STATES;
                    let seen = cells.len();
                    cells.as_slice().try_into().map_err(|_| ModelError::Shape {
                        what: "grid",
                        seen,
                        expected,
                    })
                })
                .collect::<Result<Vec<gridworld::Grid>, _>>()?,
            Followers::Seeded { eps, count } => {
                (0..*count as u32).map(|seed| gridworld::perturbed_grid(eps.approximate(), seed)).collect()
            }
        };
        Gridworld::new(beta.lift(), self.gamma.lift(), grids).map(Some)
    }

    /// The family over weights with integer `psi`, for exact arithmetic.
    fn rational_family<T: Field>(&self) -> Result<Option<RationalFamily<T>>, ModelError> {
        let EnvironmentSpec::ExponentialFamily { psi, base, reward_base, .. } = &self.environment else {
            return Ok(None);
        };
        let n = self.n_states() * self.n_actions() * self.n_states();
        let base = match base {
            Base::Logits(_) => vec![T::one(); n],
            Base::Weights(weights) => lift(weights),
        };
        let psi = psi.iter().map(|psi| psi.approximate() as i64).collect();
        RationalFamily::new(self.n_actions(), psi, base, lift(reward_base)).map(Some)
    }

    /// What does not respond, around an environment.
    fn around<T: Field>(&self, response: Box<dyn Response<T>>) -> PerformativeMdp<T> {
        let initial = match &self.initial {
            Some(initial) => lift(initial),
            None => match self.loan() {
                Some(loan) => loan.initial(),
                None => gridworld::initial(),
            },
        };
        PerformativeMdp { response, initial, gamma: self.gamma.lift(), entropy: self.entropy.lift() }
    }

    /// The performative MDP of this problem in any arithmetic with
    /// exponentials.
    ///
    /// # Errors
    /// [`ModelError`] where the parts do not fit, which a problem that was read
    /// never has.
    pub fn model<T: Transcendental>(&self) -> Result<PerformativeMdp<T>, ModelError> {
        Ok(self.around(self.environment()?))
    }

    /// The policy of this problem, with the logarithms that its entropy needs.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn deployed_policy<T: Transcendental>(&self) -> Result<Policy<T>, ModelError> {
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let policy = match &self.policy {
            PolicySpec::Softmax { logits } => Policy::softmax(n_states, n_actions, lift(logits))?,
            PolicySpec::LogLinear { features, theta } => {
                Policy::log_linear(n_states, n_actions, lift(features), lift(theta))?
            }
            PolicySpec::Weights { values } => Policy::weights(n_states, n_actions, lift(values))?,
            PolicySpec::Probabilities { values } => Policy::probabilities(n_states, n_actions, lift(values))?,
        };
        Ok(if self.entropy.is_zero() { policy } else { policy.with_logarithms() })
    }

    /// The performative MDP and the policy in exact fractions.
    ///
    /// # Errors
    /// [`OracleError::NotRational`] names what is not rational.
    pub fn rational_model(&self) -> Result<(PerformativeMdp<Rational>, Policy<Rational>), OracleError> {
        self.rational_parts()
    }

    /// The same in any arithmetic.
    fn rational_parts<T: Field>(&self) -> Result<(PerformativeMdp<T>, Policy<T>), OracleError> {
        if let Some((path, reason)) = self.not_rational() {
            return Err(OracleError::NotRational { path, reason });
        }
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let policy = match &self.policy {
            PolicySpec::Weights { values } => Policy::weights(n_states, n_actions, lift(values))?,
            PolicySpec::Probabilities { values } => Policy::probabilities(n_states, n_actions, lift(values))?,
            _ => {
                let reason = "expected weights or probabilities".to_owned();
                return Err(OracleError::NotRational { path: "policy.kind".to_owned(), reason });
            }
        };
        let response = match self.rational_family()? {
            Some(family) => Box::new(family),
            None => self.rational_environment()?.ok_or_else(|| OracleError::NotRational {
                path: "environment.kind".to_owned(),
                reason: "expected an environment without exponentials".to_owned(),
            })?,
        };
        Ok((self.around(response), policy))
    }

    /// The exact answer as doubles, each with an error bound that is a theorem
    /// (`docs/theory/bounds.md`).
    ///
    /// # Errors
    /// [`OracleError`] where the problem has no finite answer.
    pub fn answer(&self) -> Result<Answer, OracleError> {
        let model = self.model()?;
        let policy = self.deployed_policy()?;
        Answer::enclosed(self, &model.perform(&policy)?)
    }

    /// The exact answer as fractions.
    ///
    /// # Errors
    /// [`OracleError::NotRational`] where there is none.
    pub fn exact_answer(&self) -> Result<ExactAnswer, OracleError> {
        let (model, policy) = self.rational_parts()?;
        Ok(ExactAnswer::new(&model.perform(&policy)?))
    }
}
