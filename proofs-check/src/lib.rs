//! Claims about performative reinforcement learning, each with a verdict and the
//! evidence for it.
//!
//! [`claims::CLAIMS`] is the registry. Each claim is a file: the statement as
//! transcribed, what it assumes, the quantity whose sign decides it, and wrong
//! versions of it that the suite must refute. `survey` holds
//! statements against instances; [`suite`] runs them all.

mod affine_case;
mod box_bound;
mod case;
pub mod certificate;
pub mod claim;
pub mod claims;
mod curvature;
pub mod documentation;
mod evolution;
mod exact;
mod family;
mod logarithms;
mod optimum;
mod page;
mod pair;
mod parallel;
mod spectral;
pub mod suite;
mod survey;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;
