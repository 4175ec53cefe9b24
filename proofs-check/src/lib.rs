//! Claims about performative reinforcement learning, each with a verdict and the
//! evidence for it.
//!
//! [`claims::CLAIMS`] is the registry. Each claim is a file: the statement as
//! transcribed, what it assumes, the quantity whose sign decides it, and wrong
//! versions of it that the suite must refute. [`survey`](mod@survey) holds
//! statements against instances; [`suite`] runs them all.

pub mod affine_case;
pub mod box_bound;
pub mod case;
pub mod certificate;
pub mod claim;
pub mod claims;
pub mod curvature;
pub mod documentation;
mod evolution;
pub mod exact;
pub mod family;
pub mod logarithms;
pub mod optimum;
mod page;
pub mod pair;
mod parallel;
pub mod spectral;
pub mod suite;
pub mod survey;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;
