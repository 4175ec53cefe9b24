//! What is wrong with an input, in one line.

use std::fmt::Display;

use super::numeral::Numeral;

/// What is wrong with an input and where: the path to the element, the value
/// seen and what was expected, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{problem}", if .path.is_empty() { "" } else { ": " })]
pub struct InputError {
    path: String,
    problem: String,
    /// What was expected in place of the number at the path.
    expected: Option<String>,
}

impl InputError {
    /// The error `problem` at `path`; an empty path stands for the document.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        InputError { path: path.into(), problem: problem.into(), expected: None }
    }

    /// The error that the number at `path` is not what was expected, which quotes it.
    pub fn unexpected(path: impl Into<String>, seen: &Numeral, expected: impl Display) -> Self {
        let expected = expected.to_string();
        let problem = format!("is {}, expected {expected}", seen.quoted());
        InputError { path: path.into(), problem, expected: Some(expected) }
    }

    /// The same, quoting the number as it is spelled in a document.
    pub(super) fn quoting(self, spelled: impl FnOnce(&str) -> Option<String>) -> Self {
        match self.expected.as_ref().and_then(|expected| Some((spelled(&self.path)?, expected))) {
            Some((seen, expected)) => Self { problem: format!("is {seen}, expected {expected}"), ..self },
            None => self,
        }
    }

    /// The same with more said of the problem at its path.
    pub(super) fn explained(self, explain: impl FnOnce(&str, &str) -> String) -> Self {
        Self { problem: explain(&self.path, &self.problem), ..self }
    }

    /// The same in a document that has what is at `path` at another place.
    pub(super) fn within(mut self, path: &str, place: &str) -> Self {
        if let Some(rest) =
            self.path.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('.'))
        {
            self.path = format!("{place}{rest}");
        }
        self
    }

    /// Where: a path such as `environment.transitions[3][1][0]`, empty for the
    /// document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was seen there and what was expected.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
