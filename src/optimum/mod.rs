//! Optima decided exactly: the performative value along one coordinate of the
//! parameters is a quotient of polynomials, whose critical points are isolated by
//! Sturm sequences. Proofs: `docs/theory/convergence.md`.

mod landscape;
mod polynomial;

pub use landscape::{
    Basin, CriticalPoint, End, Extremum, Landscape, LandscapeError, MAX_DEGREE, value_and_determinant,
};
pub use polynomial::{Polynomial, Root, SquareFree, simplest_between};
