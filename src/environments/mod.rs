//! Performative environments, one file each.
//!
//! Responses, their derivatives and the proofs: `docs/theory/environments.md`.

mod affine;
mod coin;
mod explicit;
mod exponential_family;
pub mod gridworld;
mod loan;

pub use affine::Affine;
pub use coin::Coin;
pub use explicit::Explicit;
pub use exponential_family::{BaseMeasure, ClippedReward, ExponentialFamily, RationalFamily};
pub use gridworld::Gridworld;
pub use loan::{Loan, LoanForm};
