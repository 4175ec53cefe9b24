//! Problems as files: `"format": "pemdp-problem/1"`.
//!
//! Reading checks keys, types, shapes and indices, then [`Problem::new`] the numbers.
//! Nothing is renormalised. The work is linear in the size of the file, up to the
//! sorting of sparse entries.

use super::checker::Checked;
use super::input_error::InputError;
use super::json::Node;
use super::numeral::{Numeral, Reading};
use super::parts::{FORMAT, Parts, Problem};
use super::reader::{Reader, positive_length};
use crate::environments::EnvironmentSpec;
use crate::policy::PolicySpec;

impl Problem {
    /// Reads a problem.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    ///
    /// ```
    /// use pemdp::problem::{Problem, Reading};
    /// let problem = Problem::from_json(
    ///     r#"{
    ///         "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
    ///         "policy": {"kind": "weights", "values": [["1/3", 1]]},
    ///         "environment": {"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[0, 1]]}
    ///     }"#,
    ///     Reading::Doubles,
    /// )?;
    /// assert_eq!((problem.n_states(), problem.n_actions(), problem.n_parameters()), (1, 2, 2));
    /// assert!(problem.not_rational().is_none());
    /// # Ok::<(), pemdp::problem::InputError>(())
    /// ```
    pub fn from_json(text: &str, reading: Reading) -> Result<Self, InputError> {
        problem(&Node::parse(text)?, reading)
    }

    /// Reads a problem from bytes that should be UTF-8.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    pub fn from_bytes(bytes: &[u8], reading: Reading) -> Result<Self, InputError> {
        problem(&Node::from_bytes(bytes)?, reading)
    }
}

fn problem(document: &Node<'_>, reading: Reading) -> Checked<Problem> {
    let fields = document.fields()?;
    let hint = "this is an answer, where its problem belongs";
    let format = fields
        .optional("format")
        .ok_or_else(|| InputError::new("format", format!("is missing, expected \"{FORMAT}\"")))?;
    format.format(FORMAT, "pemdp-answer/1", hint)?;
    fields.only(&["format", "gamma", "initial", "entropy", "policy", "environment"])?;
    let gamma = fields.required("gamma")?.numeral(reading)?;
    let entropy = match fields.optional("entropy") {
        Some(node) => node.numeral(reading)?,
        None => Numeral::ZERO,
    };
    let (policy, reader) = policy(&fields.required("policy")?, reading)?;
    let environment = EnvironmentSpec::read(&fields.required("environment")?, &reader)?;
    let initial = match fields.optional("initial") {
        Some(node) => Some(reader.numerals(&node, &[reader.states()])?),
        None => None,
    };
    let (n_states, n_actions) = (reader.n_states, reader.n_actions);
    let parts = Parts { n_states, n_actions, gamma, initial, entropy, policy, environment };
    // A number that is out of range is quoted as it is spelled.
    Problem::new(parts, reading).map_err(|error| error.quoting(|path| document.quoted_at(path)))
}

/// Reads the policy, which decides how many states and actions there are.
fn policy(node: &Node<'_>, reading: Reading) -> Checked<(PolicySpec, Reader)> {
    let fields = node.fields()?;
    let kind = fields.required("kind")?.choice(PolicySpec::KINDS)?;
    PolicySpec::check_keys(kind, &fields)?;
    let table = fields.required(PolicySpec::table_key(kind))?;
    let states = positive_length(&table, "state")?;
    let actions = match table.array()?.next() {
        Some(first) => positive_length(&first, "action")?,
        None => return Err(states.wrong(&table, 0)),
    };
    let mut reader = Reader { reading, n_states: states.length, n_actions: actions.length, n_parameters: 0 };
    let policy = PolicySpec::read(kind, &fields, &reader)?.ok_or_else(|| node.unexpected("a policy"))?;
    reader.n_parameters = policy.n_parameters();
    Ok((policy, reader))
}

#[cfg(test)]
mod tests;
