//! Transitions `P(t|s,a)` as given: all of them, or those that are not 0.

use std::collections::BTreeMap;

use super::explicit::once;
use super::fixed::kernel;
use crate::arithmetic::Field;
use crate::environments::Given;
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::problem::checker::{Checked, Checker, NO_ROW, unexpected};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::Node;
use crate::problem::normalise::Normaliser;
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;

const PATH: &str = "environment.transitions";

/// Transitions `P(t|s,a)` as given.
#[derive(Debug, Clone, PartialEq)]
pub enum Transitions {
    /// All of them, `[s,a,t]`.
    Dense(Vec<Numeral>),
    /// `([s, a, t], p)`, each once, in any order; the others are 0.
    Entries(Vec<([usize; 3], Numeral)>),
}

impl From<Vec<Numeral>> for Transitions {
    fn from(all: Vec<Numeral>) -> Self {
        Self::Dense(all)
    }
}

impl Transitions {
    /// Reads one or the other, by the depth of the arrays.
    #[cfg(feature = "json")]
    pub(crate) fn read(node: &Node<'_>, reader: &Reader) -> Checked<Self> {
        let is_entry = |element: &Node<'_>| {
            element.is_array()
                && element
                    .array()
                    .is_ok_and(|mut all| all.next().is_some_and(|x| !x.is_array() && !x.is_null()))
        };
        match node.array()?.next() {
            Some(first) if is_entry(&first) => {
                let indices = [reader.state(), reader.action(), reader.state()];
                Ok(Self::Entries(reader.entries(node, indices)?))
            }
            _ => Ok(Self::Dense(reader.kernel(node)?)),
        }
    }

    pub(crate) fn write(&self, given: Given<'_>, file: &mut Writer) {
        match self {
            Self::Dense(all) => {
                file.array("transitions", &[given.n_states, given.n_actions, given.n_states], all);
            }
            Self::Entries(entries) => file.sparse("transitions", entries),
        }
    }

    /// Checks that each row that is read is a distribution.
    ///
    /// # Errors
    /// The first entry or row that is not, with the path to it.
    pub(crate) fn check(&self, checker: &mut Checker) -> Checked<()> {
        let entries = match self {
            Self::Dense(all) => return checker.kernel(PATH, all),
            Self::Entries(entries) => entries,
        };
        let (n, width) = (checker.n_states(), checker.n_actions());
        checker.sparse(PATH, entries, [n, width, n])?;
        let order = once(PATH, entries, |key| key)?;
        let mut rest = &order[..];
        for pair in 0..n * width {
            let (s, a) = (pair / width, pair % width);
            let (row, others) = rest.split_at(rest.partition_point(|&e| entries[e].0[..2] <= [s, a][..]));
            rest = others;
            if !checker.is_used(pair) {
                continue;
            }
            let most = 1.0 + checker.reading().row_sum_tolerance();
            for &entry in row {
                let p = &entries[entry].1;
                if p.is_negative() || p.compare(most).is_gt() {
                    unexpected(PATH, &[entry, 3], p, "a probability from 0 to 1")?;
                }
            }
            let terms: Vec<Numeral> = row.iter().map(|&entry| entries[entry].1.clone()).collect();
            let sum = if terms.iter().all(Numeral::is_zero) {
                Err(NO_ROW.to_owned())
            } else {
                checker.sum(&terms, 1, 1.0)
            };
            let sum = sum.map_err(|problem| InputError::new(PATH, format!("P(.|s={s},a={a}) {problem}")))?;
            checker.note_transition_row(sum);
        }
        Ok(())
    }

    /// Divides rows by their sums.
    pub(super) fn normalise(&mut self, n_states: usize, n_actions: usize, normaliser: &mut Normaliser) {
        match self {
            Self::Dense(all) => normaliser.kernel(all, n_states, n_actions),
            Self::Entries(entries) => {
                let mut rows: BTreeMap<[usize; 2], Vec<&mut Numeral>> = BTreeMap::new();
                for ([s, a, _], p) in entries {
                    rows.entry([*s, *a]).or_default().push(p);
                }
                rows.into_iter().for_each(|(pair, row)| normaliser.row(&pair, row));
            }
        }
    }

    /// `P(.|s,a)` that is given, by pair `s A + a`, in the order of next states.
    pub fn rows(&self, n_states: usize, n_actions: usize) -> Vec<Vec<(usize, &Numeral)>> {
        match self {
            Self::Dense(all) => dense_rows(all, n_states),
            Self::Entries(entries) => {
                let mut rows = vec![Vec::new(); n_states * n_actions];
                for ([s, a, t], p) in entries {
                    rows[s * n_actions + a].push((*t, p));
                }
                rows.iter_mut().for_each(|row| row.sort_by_key(|(t, _)| *t));
                rows
            }
        }
    }

    /// The kernel in an arithmetic, without the rows that are not read.
    pub(super) fn kernel<T: Field>(&self, given: Given<'_>) -> Result<Kernel<T>, ModelError> {
        let (n, width) = (given.n_states, given.n_actions);
        let lifted = |(t, p): (usize, &Numeral)| (t, p.lift());
        let rows = match self {
            Self::Dense(all) => return kernel(all, given),
            Self::Entries(_) => self.rows(n, width).into_iter().map(|row| row.into_iter().map(lifted)),
        };
        Kernel::partial(n, width, Rows::sparse(n, rows)?, &given.actions.unused(n, width))
    }

    /// All entries in an arithmetic, `[s,a,t]`.
    pub(super) fn dense<T: Field>(&self, n_states: usize, n_actions: usize) -> Vec<T> {
        let entries = match self {
            Self::Dense(all) => return lift(all),
            Self::Entries(entries) => entries,
        };
        let mut dense = vec![T::zero(); n_states * n_actions * n_states];
        for ([s, a, t], p) in entries {
            dense[(s * n_actions + a) * n_states + t] = p.lift();
        }
        dense
    }
}

/// Rows of dense transitions `[s,a,t]`, by pair `s A + a`.
pub(super) fn dense_rows(transitions: &[Numeral], n_states: usize) -> Vec<Vec<(usize, &Numeral)>> {
    transitions.chunks(n_states.max(1)).map(|row| row.iter().enumerate().collect()).collect()
}
