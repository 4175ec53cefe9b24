//! The reference oracle: problems in, exact answers with proven bounds out, and
//! other people's answers held against them.
//!
//! Formats: `docs/oracle.md`.

mod answer;
mod case;
mod claimed;
mod comparison;
mod computation;
mod counts;
mod diagnosis;
mod error;
pub mod examples;
mod induced;
mod mistakes;
mod precision;
mod pull;
mod quantity;
mod recipe;
mod remarks;
mod rounding;
mod sampling;
mod settings;
mod steps_left;
mod undecided;
mod verify;
mod visits;

pub use answer::{Answer, AnswerOf, BoundedValue, Bounds, Covers, ExactAnswer, KinkReport, Terms};
pub use claimed::{Claimed, answer_schema};
pub use comparison::{Difference, Entry, Evidence, Precision, Tolerance};
pub use diagnosis::{Combination, Diagnosis, Direction, Rearrangement, Standing};
pub use error::OracleError;
pub use mistakes::{KNOWN_MISTAKES, Mistake, Mistaken, mistaken_answers};
pub use quantity::Quantity;
pub use sampling::{Rare, Sampling, TooNear};
pub use undecided::{Doubt, Undecided};
pub use verify::{Verdict, verify};
