//! The reference oracle: problems in, exact answers with proven bounds out, and
//! other people's answers held against them.
//!
//! Formats: `docs/oracle.md`.

mod answer;
mod case;
mod claimed;
mod comparison;
mod error;
pub mod examples;
mod mistakes;
mod precision;
mod quantity;
mod verify;

pub use answer::{Answer, AnswerOf, BoundedValue, Bounds, Covers, ExactAnswer, KinkReport, Terms};
pub use claimed::Claimed;
pub use comparison::{Difference, Entry, Tolerance};
pub use error::OracleError;
pub use mistakes::{KNOWN_MISTAKES, Mistake, Mistaken, mistaken_answers};
pub use quantity::Quantity;
pub use verify::{Verdict, verify};
