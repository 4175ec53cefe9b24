//! Rows of probabilities divided by their sums, where that is asked for.

use num_traits::{One, Signed};

use super::checker::place;
use super::numeral::{Numeral, exact_sum};
use super::parts::Parts;
use crate::arithmetic::{Field, Rational};
use crate::policy::PolicySpec;

/// Rows of a table that did not sum to exactly 1 and were divided by their sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    /// The path of the table.
    pub path: String,
    /// How many rows.
    pub rows: usize,
    /// The path of the row whose entries changed most.
    pub most: String,
    /// By how much an entry changed there.
    pub change: f64,
}

/// Sums farther from 1 than this are no rounding of probabilities.
pub const ROUNDED: f64 = 1e-3;

/// Divides the rows of one table by their sums.
#[derive(Debug)]
pub struct Normaliser {
    path: String,
    found: Option<Normalised>,
}

impl Normaliser {
    /// Of the table at `path`.
    pub fn of(path: impl Into<String>) -> Self {
        Self { path: path.into(), found: None }
    }

    /// Divides a row by its sum, exactly, where that is within [`ROUNDED`] of 1.
    pub fn row(&mut self, index: &[usize], row: Vec<&mut Numeral>) {
        if row.iter().any(|p| !p.is_finite()) {
            return;
        }
        let terms = row.iter().filter(|p| !p.is_zero()).map(|p| p.exact()).collect();
        let sum: Rational = exact_sum(terms);
        if sum.is_one() || (&sum - Rational::one()).abs() > Rational::from_f64(ROUNDED) {
            return;
        }
        let mut change = 0.0_f64;
        for p in row.into_iter().filter(|p| !p.is_zero()) {
            let before = p.exact();
            let after = (&before / &sum).reduced();
            change = change.max((&after - &before).abs().approximate());
            *p = after.into();
        }
        let most = || place(&self.path, index);
        let found = self.found.get_or_insert_with(|| Normalised {
            path: self.path.clone(),
            rows: 0,
            most: most(),
            change: 0.0,
        });
        found.rows += 1;
        if change > found.change {
            (found.most, found.change) = (place(&self.path, index), change);
        }
    }

    /// Divides the rows of transitions `[s,a,t]` likewise.
    pub fn kernel(&mut self, transitions: &mut [Numeral], n_states: usize, n_actions: usize) {
        for (pair, row) in transitions.chunks_mut(n_states.max(1)).enumerate() {
            self.row(&[pair / n_actions, pair % n_actions], row.iter_mut().collect());
        }
    }

    /// What was divided.
    pub fn found(self) -> Option<Normalised> {
        self.found
    }
}

impl Parts {
    /// Divides by their sums, exactly, the rows of probabilities that sum to 1 only within
    /// [`ROUNDED`]: of the initial distribution, of a policy given by its probabilities, and of
    /// transitions that are numbers. Rows of single precision or of a few printed digits
    /// become distributions. Others stay as they are, to be refused.
    pub fn normalise(&mut self) -> Vec<Normalised> {
        let mut found = Vec::new();
        if let Some(initial) = &mut self.initial {
            let mut normaliser = Normaliser::of("initial");
            normaliser.row(&[], initial.iter_mut().collect());
            found.extend(normaliser.found());
        }
        if let PolicySpec::Probabilities(policy) = &mut self.policy {
            let mut normaliser = Normaliser::of("policy.values");
            for (s, row) in policy.values.chunks_mut(self.n_actions.max(1)).enumerate() {
                normaliser.row(&[s], row.iter_mut().collect());
            }
            found.extend(normaliser.found());
        }
        let mut normaliser = Normaliser::of("environment.transitions");
        self.environment.normalise(self.n_states, self.n_actions, &mut normaliser);
        found.extend(normaliser.found());
        found
    }
}
