//! The reference oracle: problems in, exact answers with proven bounds out, and
//! other people's answers held against them.
//!
//! Formats: `docs/oracle.md`.

mod answer;
pub mod examples;
mod mistakes;
mod precision;
mod verify;

use thiserror::Error;

use crate::arithmetic::{Ball, BigBall};
use crate::mdp::ModelError;
use crate::performative::PerformanceError;
use crate::policy::Policy;
use crate::problem::{InputError, Problem, RationalError};

use answer::Known;
pub use answer::{Answer, AnswerOf, BoundedValue, Bounds, Covers, ExactAnswer, KinkReport, Terms};
pub use mistakes::{KNOWN_MISTAKES, Mistake, Mistaken, mistaken_answers};
pub use verify::{Claimed, Difference, Entry, Tolerance, Verdict, verify};

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
    /// A number of the answer is beyond doubles, or nothing could be proven of it.
    #[error("{}", not_finite(quantity, index, about))]
    NotFinite {
        /// Which quantity.
        quantity: &'static str,
        /// Which entry.
        index: Vec<usize>,
        /// What it is about where it is beyond doubles.
        about: Option<String>,
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

impl From<RationalError> for OracleError {
    fn from(error: RationalError) -> Self {
        match error {
            RationalError::NotRational { path, reason } => Self::NotRational { path, reason },
            RationalError::Model(error) => Self::Model(error),
        }
    }
}

fn not_finite(quantity: &str, index: &[usize], about: &Option<String>) -> String {
    let index: String = index.iter().map(|i| format!("[{i}]")).collect();
    match about {
        Some(size) => {
            format!("{quantity}{index} of the answer is about {size}, expected within the range of doubles")
        }
        None => format!(
            "{quantity}{index} of the answer could not be bounded with the digits that are affordable"
        ),
    }
}

fn is_beyond_doubles(error: &OracleError) -> bool {
    matches!(error, OracleError::NotFinite { about: Some(_), .. })
}

impl Problem {
    /// `pi(a|s)` of this policy as the nearest doubles, `s A + a`.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn probabilities(&self) -> Result<Vec<f64>, ModelError> {
        let with = |bits: u64| BigBall::with_precision(bits, || self.deployed_policy::<BigBall>());
        let of = |policy: &Policy<BigBall>| -> Vec<(f64, f64)> {
            let states = 0..self.n_states();
            let all = states.flat_map(|s| (0..self.n_actions()).map(move |a| (s, a)));
            let ball = all.map(|(s, a)| policy.probability(s, a));
            ball.map(|ball| (ball.midpoint(), ball.error_bound())).collect()
        };
        let mut entries = Vec::new();
        for bits in precision::LADDER {
            entries = of(&with(bits)?);
            if entries.iter().all(|(p, error)| *error <= (f64::EPSILON * p).max(f64::MIN_POSITIVE)) {
                break;
            }
        }
        Ok(entries.into_iter().map(|(p, _)| p.clamp(0.0, 1.0)).collect())
    }

    /// The exact answer as doubles, each with an error bound that is a theorem
    /// (`docs/theory/bounds.md`): with about 32 digits, and with more where the
    /// bounds are not small then.
    ///
    /// # Errors
    /// [`OracleError`] where the problem has no finite answer.
    pub fn answer(&self) -> Result<Answer, OracleError> {
        self.known()
    }

    /// The value alone, likewise.
    ///
    /// # Errors
    /// [`OracleError`] where it is not finite.
    pub fn bounded_value(&self) -> Result<BoundedValue, OracleError> {
        self.known()
    }

    /// What is known with the digits that it takes.
    fn known<A: Known>(&self) -> Result<A, OracleError> {
        let mut best = A::attempt::<Ball>(self);
        for bits in precision::LADDER {
            let is_decided = match &best {
                Ok(attempt) => attempt.is_tight && !self.has_open_kinks(&attempt.kinks, bits),
                Err(error) => is_beyond_doubles(error),
            };
            if is_decided || !precision::is_affordable(self, bits) {
                break;
            }
            let next = BigBall::with_precision(bits, || A::attempt::<BigBall>(self));
            // More digits lose what fewer have found only where it is no double.
            if next.as_ref().err().is_none_or(is_beyond_doubles) || best.is_err() {
                best = next;
            }
        }
        Ok(best?.answer)
    }

    /// Whether a kink may be one for want of digits only, of which there are fewer
    /// than `bits`.
    fn has_open_kinks(&self, kinks: &[KinkReport], bits: u64) -> bool {
        kinks.iter().any(|kink| match kink {
            KinkReport::Clip { clip: [s, a] } => {
                !self.environment().has_exact_kink(self.policy(), *s, *a, self.given())
            }
            // Exact ties stay ties, others end: probabilities are 1e-300 and more, if not 0.
            KinkReport::Tie { .. } => bits <= precision::LADDER[1],
        })
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
