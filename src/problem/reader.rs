//! Arrays of a file, of the shape that its policy has decided.

use std::collections::HashMap;

use super::action_sets::ActionSets;
use super::checker::Checked;
use super::input_error::InputError;
use super::json::Node;
use super::names::{Names, Numbers};
use super::numeral::{Numeral, Reading};

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

    pub(super) fn wrong(self, node: &Node<'_>, count: usize) -> InputError {
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

/// An index of a sparse entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index<'r> {
    /// How many values it has.
    pub(crate) below: usize,
    /// What it numbers: "a state".
    what: &'static str,
    /// The names that may stand in its place.
    names: Option<&'r HashMap<String, usize>>,
}

impl Index<'_> {
    /// Reads the index, or the name that stands for it.
    pub(super) fn read(self, node: &Node<'_>) -> Checked<usize> {
        let Self { below, what, names } = self;
        let Some(names) = names.filter(|names| !names.is_empty() && node.is_string()) else {
            return node.index(below, what);
        };
        let expected = || format!("{what}, an integer from 0 to {} or its name", below.saturating_sub(1));
        names.get(&*node.string()?).copied().ok_or_else(|| node.unexpected(expected()))
    }
}

/// Reads arrays of the shape that the policy has decided.
#[derive(Debug)]
pub struct Reader {
    pub(crate) reading: Reading,
    pub(super) n_states: usize,
    pub(super) n_actions: usize,
    pub(super) n_parameters: usize,
    pub(super) actions: ActionSets,
    pub(super) names: Names,
    pub(super) numbers: Numbers,
}

impl Reader {
    /// The states.
    pub(crate) fn states(&self) -> Axis {
        Axis { length: self.n_states, of: "state of the policy" }
    }

    /// The actions.
    pub(crate) fn actions(&self) -> Axis {
        Axis { length: self.n_actions, of: "action of the policy" }
    }

    /// The number of states.
    pub(crate) fn n_states(&self) -> usize {
        self.n_states
    }

    /// The number of actions.
    pub(crate) fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// Index of a state.
    pub(crate) fn state(&self) -> Index<'_> {
        Index { below: self.n_states, what: "a state", names: Some(&self.numbers.states) }
    }

    /// Index of an action.
    pub(crate) fn action(&self) -> Index<'_> {
        Index { below: self.n_actions, what: "an action", names: Some(&self.numbers.actions) }
    }

    /// Index of a parameter.
    pub(crate) fn parameter(&self) -> Index<'_> {
        Index { below: self.n_parameters, what: "a parameter", names: None }
    }

    /// What names of states and actions stand for.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The number of states and actions.
    pub(crate) fn n_pairs(&self) -> usize {
        self.n_states * self.n_actions
    }

    /// Real numbers of a given shape, flat; 0 where nothing is given for an action that a
    /// state does not have, or as a row of a terminal state.
    pub(crate) fn numerals(&self, node: &Node<'_>, shape: &[Axis]) -> Checked<Vec<Numeral>> {
        self.filled(node, shape, &Numeral::ZERO, &|entry| entry.numeral(self.reading))
    }

    /// Whether an array may have less than an entry for each state and action.
    fn may_miss_pairs(&self, first: &Axis, second: &Axis) -> bool {
        !self.actions.is_whole() && (first.of, second.of) == (self.states().of, self.actions().of)
    }

    /// Entries of a given shape, flat, with `nothing` where none are given that are read.
    pub(crate) fn filled<T: Clone>(
        &self,
        node: &Node<'_>,
        shape: &[Axis],
        nothing: &T,
        read: &dyn Fn(&Node<'_>) -> Checked<T>,
    ) -> Checked<Vec<T>> {
        let size = shape.iter().fold(1_usize, |size, axis| size.saturating_mul(axis.length));
        // Each entry takes two characters at least.
        let mut flat = Vec::with_capacity(size.min(node.text().len() / 2));
        let push = |entry: &Node<'_>, flat: &mut Vec<T>| {
            flat.push(read(entry)?);
            Ok(())
        };
        let (states, actions, inner) = match shape {
            [states, actions, inner @ ..] if self.may_miss_pairs(states, actions) => (states, actions, inner),
            _ => {
                nested(node, shape, &mut |entry| push(entry, &mut flat))?;
                return Ok(flat);
            }
        };
        let width = inner.iter().map(|axis| axis.length).product::<usize>();
        let mut state = 0;
        states.each(node, |row| {
            let may_miss = |a: usize| {
                let pair = state * actions.length + a;
                let is_row = !inner.is_empty();
                !self.actions.is_available(pair) || is_row && self.actions.is_terminal(state)
            };
            let start = flat.len();
            let mut count = 0;
            let entries = if row.is_null() { None } else { Some(row.array()?) };
            for entry in entries.into_iter().flatten() {
                if count == actions.length {
                    return Err(actions.wrong(row, row.array()?.count()));
                }
                if entry.is_null() && may_miss(count) {
                    flat.resize(flat.len() + width, nothing.clone());
                } else {
                    nested(&entry, inner, &mut |entry| push(entry, &mut flat))?;
                }
                count += 1;
            }
            if !(count..actions.length).all(may_miss) {
                return Err(actions.wrong(row, count));
            }
            flat.resize(start + actions.length * width, nothing.clone());
            state += 1;
            Ok(())
        })?;
        Ok(flat)
    }

    /// Whether episodes end in a state.
    pub(crate) fn is_terminal(&self, state: usize) -> bool {
        self.actions.is_terminal(state)
    }

    /// Rows of transitions by pair `s A + a`, without those that are not read.
    pub(crate) fn used<R>(&self, mut rows: Vec<Vec<R>>) -> Vec<Vec<R>> {
        for (pair, row) in rows.iter_mut().enumerate() {
            if !self.actions.is_used(pair, self.n_actions) {
                row.clear();
            }
        }
        rows
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
        indices: [Index<'_>; N],
    ) -> Checked<Vec<([usize; N], Numeral)>> {
        self.sparse(node, indices, "a number", |node| node.numeral(self.reading))
    }

    /// Sparse entries: `N` indices and something else each.
    pub(crate) fn sparse<const N: usize, V>(
        &self,
        node: &Node<'_>,
        indices: [Index<'_>; N],
        what: &str,
        value: impl Fn(&Node<'_>) -> Checked<V>,
    ) -> Checked<Vec<([usize; N], V)>> {
        let mut entries = Vec::new();
        for entry in node.array()? {
            let mut key = [0; N];
            let mut parts = entry.array()?;
            for (value, index) in key.iter_mut().zip(indices) {
                match parts.next() {
                    // Where one is missing, the others stand in its place.
                    Some(part) => {
                        *value = index.read(&part).map_err(|error| {
                            if entry.array().is_ok_and(|all| all.count() != N + 1) {
                                wrong_length(&entry, &indices, what)
                            } else {
                                error
                            }
                        })?
                    }
                    None => return Err(wrong_length(&entry, &indices, what)),
                }
            }
            match (parts.next(), parts.next()) {
                (Some(node), None) => entries.push((key, value(&node)?)),
                _ => return Err(wrong_length(&entry, &indices, what)),
            }
        }
        Ok(entries)
    }
}

fn wrong_length(entry: &Node<'_>, indices: &[Index<'_>], what: &str) -> InputError {
    let count = entry.array().map_or(0, Iterator::count);
    let names: Vec<_> = indices.iter().map(|index| index.what).collect();
    let expected = format!("{}: {} and {what}", indices.len() + 1, names.join(", "));
    entry.error(format!("has length {count}, expected {expected}"))
}
