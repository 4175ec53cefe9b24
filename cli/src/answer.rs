//! Answers in the arithmetic that was asked for.

use pemdp::oracle::{Answer, ExactAnswer, OracleError};
use pemdp::problem::{Problem, Reading};
use serde::Serialize;

/// An answer in doubles or in fractions.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum AnyAnswer {
    /// Doubles with error bounds.
    Doubles(Box<Answer>),
    /// Fractions.
    Fractions(Box<ExactAnswer>),
}

/// The answer in the arithmetic that belongs to a reading.
///
/// # Errors
/// As the library's.
pub fn answer(problem: &Problem, reading: Reading) -> Result<AnyAnswer, OracleError> {
    Ok(match reading {
        Reading::Doubles => AnyAnswer::Doubles(Box::new(problem.answer()?)),
        Reading::Exact => AnyAnswer::Fractions(Box::new(problem.exact_answer()?)),
    })
}
