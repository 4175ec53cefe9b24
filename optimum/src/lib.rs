//! Performative optima.
//!
//! Along one coordinate of the parameters the performative value is a quotient of
//! polynomials, whose critical points are isolated by Sturm sequences
//! ([`Landscape`]; proofs: `docs/theory/convergence.md`). In several coordinates,
//! [`performative_optimum`] bounds it from above, by branch and bound or dynamic
//! programming, and [`certificate`] writes a proof for others to check (proofs:
//! `docs/theory/optima.md`). The optimum of the gridworld benchmark is bounded by
//! [`gridworld`].

mod bound;
mod build;
mod cell;
mod certificate;
mod climb;
mod enclosure;
mod exponential;
mod fixed;
mod frontier;
pub mod gridworld;
mod landscape;
mod model;
mod outcome;
mod performative;
mod polynomial;
mod rectangular;
mod responding;
mod rules;
mod scale;
mod search;
mod settings;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

pub use certificate::{CERTIFICATE_FORMAT, Certificate, CertificateError, CertificateSettings, certificate};
pub use frontier::{Frontier, Part};
pub use landscape::{
    Basin, CriticalPoint, End, Extremum, Landscape, LandscapeError, MAX_DEGREE, value_and_determinant,
};
pub use outcome::{OptimumError, OptimumStop, Progress};
pub use performative::{PerformativeOptimum, performative_optimum, performative_optimum_with};
pub use polynomial::{Polynomial, Root, SquareFree, simplest_between};
pub use settings::OptimumSettings;
