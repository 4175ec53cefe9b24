//! Why a problem has no answer.

use thiserror::Error;

use super::quantity::Quantity;
use crate::mdp::ModelError;
use crate::performative::PerformanceError;
use crate::problem::{InputError, RationalError};

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
    #[error("{}", not_finite(*quantity, index, about))]
    NotFinite {
        /// Which quantity.
        quantity: Quantity,
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

fn not_finite(quantity: Quantity, index: &[usize], about: &Option<String>) -> String {
    let quantity = quantity.name();
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
