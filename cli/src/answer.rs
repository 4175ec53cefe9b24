//! Answers in the arithmetic that was asked for.

use anyhow::anyhow;
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
pub fn answer(problem: &Problem, reading: Reading) -> anyhow::Result<AnyAnswer> {
    Ok(match reading {
        Reading::Doubles => AnyAnswer::Doubles(Box::new(named(problem, problem.answer())?)),
        Reading::Exact => AnyAnswer::Fractions(Box::new(named(problem, problem.exact_answer())?)),
    })
}

/// An error says the names of the states and actions that it speaks of.
pub fn named<T>(problem: &Problem, outcome: Result<T, OracleError>) -> anyhow::Result<T> {
    outcome.map_err(|error| anyhow!(problem.names().explained(&error.to_string())))
}
