//! Best responses in a fixed MDP: what retraining deploys next.
//!
//! Each comes with a certificate, a bound on how far it is from the optimum that
//! holds whatever the solver did, up to the rounding of the residuals in it.
//! Proofs: `docs/theory/planning.md`.

mod occupancy;
mod soft;

pub use occupancy::{RegularisedOccupancy, is_terminal, nearest_occupancy, quadratic_response};
pub use pemdp::best_response::{BestResponse, best_response};
pub use soft::{SoftResponse, soft_response};

use thiserror::Error;

use pemdp::evaluate::EvaluationError;
use pemdp::mdp::ModelError;

/// Why a best response was not found.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanningError {
    /// The weight of a regulariser is none.
    #[error("the regulariser's weight is {weight}, expected a number above 0")]
    Weight {
        /// The weight.
        weight: f64,
    },
    /// A point to project has the wrong length.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A policy has no values.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The convex program was not solved well enough.
    #[error("the solver said {status} and the occupancy is only known within {distance:.3e}")]
    Program {
        /// What the solver said.
        status: String,
        /// The bound on the distance from the optimum.
        distance: f64,
    },
}

/// The largest absolute entry.
fn magnitude(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, v| v.abs().max(largest))
}
