//! Problems as files: `"format": "pemdp-problem/1"`.
//!
//! Reading checks keys, types, shapes and indices, then [`Problem::new`] the numbers.
//! Nothing is renormalised. The work is linear in the size of the file, up to the
//! sorting of sparse entries.

use super::PolicySpec;
use super::checker::Checked;
use super::input_error::InputError;
use super::json::Node;
use super::numeral::{Numeral, Reading};
use super::{FORMAT, Parts, Problem};
use crate::environments::EnvironmentSpec;

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
    fields.required("format")?.choice(&[FORMAT])?;
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

/// What an array has one entry for, and how many there are.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// How many.
    pub length: usize,
    /// Of what: `state`.
    pub of: &'static str,
}

impl Axis {
    /// Calls `entry` with each element of an array of the length of this axis.
    fn each(self, node: &Node<'_>, mut entry: impl FnMut(&Node<'_>) -> Checked<()>) -> Checked<()> {
        let mut count = 0;
        for element in node.array()? {
            if count == self.length {
                return Err(self.wrong(node, node.array()?.count()));
            }
            entry(&element)?;
            count += 1;
        }
        if count < self.length { Err(self.wrong(node, count)) } else { Ok(()) }
    }

    fn wrong(self, node: &Node<'_>, count: usize) -> InputError {
        let Axis { length, of } = self;
        node.error(format!("has length {count}, expected {length}, one entry for each {of}"))
    }
}

/// The length of an array that is not empty.
pub(crate) fn positive_length(node: &Node<'_>, of: &'static str) -> Checked<Axis> {
    match node.array()?.count() {
        0 => Err(node.error(format!("has length 0, expected at least one {of}"))),
        length => Ok(Axis { length, of }),
    }
}

/// Calls `entry` with each innermost element of nested arrays of this shape.
pub(crate) fn nested(
    node: &Node<'_>,
    shape: &[Axis],
    entry: &mut dyn FnMut(&Node<'_>) -> Checked<()>,
) -> Checked<()> {
    match shape.split_first() {
        Some((axis, inner)) => axis.each(node, |element| nested(element, inner, entry)),
        None => entry(node),
    }
}

/// An index of a sparse entry: how many values it has and what it numbers.
pub type Index = (usize, &'static str);

/// Reads arrays of the shape that the policy has decided.
#[derive(Debug)]
pub struct Reader {
    pub(crate) reading: Reading,
    n_states: usize,
    n_actions: usize,
    n_parameters: usize,
}

impl Reader {
    /// The states.
    pub(crate) fn states(&self) -> Axis {
        Axis { length: self.n_states, of: "state" }
    }

    /// The actions.
    pub(crate) fn actions(&self) -> Axis {
        Axis { length: self.n_actions, of: "action" }
    }

    /// Index of a state.
    pub(crate) fn state(&self) -> Index {
        (self.n_states, "a state")
    }

    /// Index of an action.
    pub(crate) fn action(&self) -> Index {
        (self.n_actions, "an action")
    }

    /// Index of a parameter.
    pub(crate) fn parameter(&self) -> Index {
        (self.n_parameters, "a parameter")
    }

    /// Real numbers of a given shape, flat.
    pub(crate) fn numerals(&self, node: &Node<'_>, shape: &[Axis]) -> Checked<Vec<Numeral>> {
        let size = shape.iter().fold(1_usize, |size, axis| size.saturating_mul(axis.length));
        // Each entry takes two characters at least.
        let mut flat = Vec::with_capacity(size.min(node.text().len() / 2));
        nested(node, shape, &mut |entry| {
            flat.push(entry.numeral(self.reading)?);
            Ok(())
        })?;
        Ok(flat)
    }

    /// A number for each state and action, `[s,a]`.
    pub(crate) fn table(&self, node: &Node<'_>) -> Checked<Vec<Numeral>> {
        self.numerals(node, &[self.states(), self.actions()])
    }

    /// A number for each state, action and next state, `[s,a,t]`.
    pub(crate) fn kernel(&self, node: &Node<'_>) -> Checked<Vec<Numeral>> {
        self.numerals(node, &[self.states(), self.actions(), self.states()])
    }

    /// Sparse entries: `N` indices and a number each.
    pub(crate) fn entries<const N: usize>(
        &self,
        node: &Node<'_>,
        indices: [Index; N],
    ) -> Checked<Vec<([usize; N], Numeral)>> {
        let mut entries = Vec::new();
        for entry in node.array()? {
            let mut key = [0; N];
            let mut parts = entry.array()?;
            for (index, (below, what)) in key.iter_mut().zip(indices) {
                match parts.next() {
                    Some(part) => *index = part.index(below, what)?,
                    None => return Err(wrong_length(&entry, &indices)),
                }
            }
            match (parts.next(), parts.next()) {
                (Some(number), None) => entries.push((key, number.numeral(self.reading)?)),
                _ => return Err(wrong_length(&entry, &indices)),
            }
        }
        Ok(entries)
    }
}

fn wrong_length(entry: &Node<'_>, indices: &[Index]) -> InputError {
    let count = entry.array().map_or(0, Iterator::count);
    let names: Vec<_> = indices.iter().map(|(_, what)| *what).collect();
    let expected = format!("{}: {} and a number", indices.len() + 1, names.join(", "));
    entry.error(format!("has length {count}, expected {expected}"))
}

#[cfg(test)]
mod tests;
