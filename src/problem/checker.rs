//! Whether the numbers of a problem are in range.
//!
//! Everything is checked that can be checked without evaluating: shapes, ranges, that
//! rows of probabilities are rows of probabilities. Nothing is renormalised.

use super::action_sets::ActionSets;
use super::excerpt::shown_double;
use super::input_error::InputError;
use super::numeral::{Numeral, Reading, compensated_sum, exact_sum, shown_rational};
use crate::arithmetic::{Field, Rational};

/// The result of a check.
pub type Checked<T> = Result<T, InputError>;

/// What is known of a policy before its numbers are checked.
#[derive(Debug, Clone)]
pub struct PolicyShape {
    /// The name of its kind in a file.
    pub kind: &'static str,
    /// The path to its table with a row for each state.
    pub path: String,
    /// The number of parameters.
    pub n_parameters: usize,
    /// Whether it is a softmax with a logit for each state and action.
    pub is_local: bool,
    /// Whether rows of probabilities sum to 1 whatever the parameters are.
    pub is_normalised: bool,
}

/// What the parts of a problem are held against.
#[derive(Debug)]
pub struct Checker {
    reading: Reading,
    policy: PolicyShape,
    n_states: usize,
    n_actions: usize,
    actions: ActionSets,
    /// The largest sum of probabilities of a state's actions.
    largest_policy_row: f64,
    /// The largest sum of probabilities of a transition.
    largest_transition_row: f64,
}

/// What is said of a row of zeros.
pub(crate) const NO_ROW: &str = "sums to 0, expected 1; a state where episodes end belongs to \"terminal\", an action that it does not have is null";

/// A path with indices, such as `environment.rewards[1][0]`.
pub fn place(path: &str, index: &[usize]) -> String {
    index.iter().fold(path.to_owned(), |path, i| format!("{path}[{i}]"))
}

impl Checker {
    pub(crate) fn new(reading: Reading, policy: PolicyShape, n_states: usize, n_actions: usize) -> Self {
        let (actions, largest_policy_row, largest_transition_row) = (ActionSets::default(), 1.0, 1.0);
        Self { reading, policy, n_states, n_actions, actions, largest_policy_row, largest_transition_row }
    }

    /// The same for some states and actions only.
    pub(crate) fn within(self, actions: &ActionSets) -> Self {
        Self { actions: actions.clone(), ..self }
    }

    /// Which states are terminal, and which actions each state has.
    pub fn action_sets(&self) -> &ActionSets {
        &self.actions
    }

    /// Whether a row of transitions is read, by pair `s A + a`.
    pub fn is_used(&self, pair: usize) -> bool {
        self.actions.is_used(pair, self.n_actions)
    }

    /// How numbers are read, which decides how exact sums have to be.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// The policy.
    pub fn policy(&self) -> &PolicyShape {
        &self.policy
    }

    /// The number of states.
    pub fn n_states(&self) -> usize {
        self.n_states
    }

    /// The number of actions.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// The largest product of a sum of a state's probabilities and one of a transition's.
    pub(super) fn largest_row(&self) -> Rational {
        Rational::from_f64(self.largest_policy_row) * Rational::from_f64(self.largest_transition_row)
    }

    /// Takes note of the largest sum of probabilities of a state's actions.
    pub(crate) fn note_policy_rows(&mut self, largest: f64) {
        self.largest_policy_row = largest;
    }

    /// Takes note of the sum of a row of transitions.
    pub fn note_transition_row(&mut self, sum: f64) {
        self.largest_transition_row = self.largest_transition_row.max(sum);
    }

    /// A number that doubles or fractions hold.
    ///
    /// # Errors
    /// One that is not finite, or is beyond doubles where these are read.
    pub fn number(&self, path: &str, index: &[usize], x: &Numeral) -> Checked<()> {
        let is_held = self.reading == Reading::Exact || x.approximate().is_finite();
        if x.is_finite() && is_held {
            return Ok(());
        }
        unexpected(path, index, x, "a number within the range of doubles")
    }

    /// A number of at least 0.
    ///
    /// # Errors
    /// Any other.
    pub fn at_least_zero(&self, path: &str, index: &[usize], x: &Numeral) -> Checked<()> {
        self.number(path, index, x)?;
        if x.is_negative() { unexpected(path, index, x, "a number of at least 0") } else { Ok(()) }
    }

    /// A probability.
    ///
    /// # Errors
    /// A number outside of [0, 1].
    pub fn probability(&self, path: &str, index: &[usize], x: &Numeral) -> Checked<()> {
        self.number(path, index, x)?;
        let outside = x.is_negative() || x.compare(1.0).is_gt();
        if outside { unexpected(path, index, x, "a probability from 0 to 1") } else { Ok(()) }
    }

    /// The right number of entries of an array.
    ///
    /// # Errors
    /// Any other.
    pub fn length(&self, path: &str, seen: usize, expected: usize) -> Checked<()> {
        if seen == expected {
            return Ok(());
        }
        Err(InputError::new(path, format!("has {seen} entries, expected {expected}")))
    }

    /// A number for each state and action, `[s,a]`.
    ///
    /// # Errors
    /// Another number of entries, and what [`Checker::number`] refuses.
    pub fn table(&self, path: &str, entries: &[Numeral]) -> Checked<()> {
        self.numbers(path, entries, &[self.n_states, self.n_actions])
    }

    /// Numbers of this shape.
    ///
    /// # Errors
    /// As [`Checker::table`].
    pub fn numbers(&self, path: &str, entries: &[Numeral], shape: &[usize]) -> Checked<()> {
        self.each(path, entries, shape, |index, x| self.number(path, index, x))
    }

    /// Calls `check` with each entry of an array of this shape, and its index.
    ///
    /// # Errors
    /// The first of `check`.
    pub fn each<T>(
        &self,
        path: &str,
        entries: &[T],
        shape: &[usize],
        mut check: impl FnMut(&[usize], &T) -> Checked<()>,
    ) -> Checked<()> {
        self.length(path, entries.len(), shape.iter().product())?;
        let mut index = vec![0; shape.len()];
        for entry in entries {
            check(&index, entry)?;
            for (i, length) in index.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < *length {
                    break;
                }
                *i = 0;
            }
        }
        Ok(())
    }

    /// Sparse entries with indices below `limits`.
    ///
    /// # Errors
    /// An index that is too large, and what [`Checker::number`] refuses.
    pub fn sparse<const N: usize>(
        &self,
        path: &str,
        entries: &[([usize; N], Numeral)],
        limits: [usize; N],
    ) -> Checked<()> {
        for (entry, (index, x)) in entries.iter().enumerate() {
            if let Some(i) = (0..N).find(|&i| index[i] >= limits[i]) {
                let problem = format!("is {}, expected an integer below {}", index[i], limits[i]);
                return Err(InputError::new(place(path, &[entry, i]), problem));
            }
            self.number(path, &[entry, N], x)?;
        }
        Ok(())
    }

    /// A row of probabilities that sums to 1; returns its sum.
    ///
    /// # Errors
    /// An entry that is no probability within the tolerance, or another sum.
    pub fn distribution(&self, path: &str, index: &[usize], row: &[Numeral]) -> Checked<f64> {
        let most = 1.0 + self.reading.row_sum_tolerance();
        for (i, x) in row.iter().enumerate() {
            if x.is_negative() || x.compare(most).is_gt() || !x.is_finite() {
                let at = [index, &[i]].concat();
                self.number(path, &at, x)?;
                unexpected(path, &at, x, "a probability from 0 to 1")?;
            }
        }
        self.sum(row, 1, 1.0).map_err(|problem| InputError::new(place(path, index), problem))
    }

    /// The sum of `terms`, which is `expected` within the tolerance times `scale`.
    ///
    /// # Errors
    /// Another sum: what it is and what was expected.
    pub fn sum(&self, terms: &[Numeral], expected: i64, scale: f64) -> Result<f64, String> {
        match self.reading {
            Reading::Doubles => {
                let sum = compensated_sum(terms.iter().map(Numeral::approximate));
                // Not the negation: the sum may be too large for a double.
                if (sum - expected as f64).abs() <= self.reading.row_sum_tolerance() * scale {
                    return Ok(sum);
                }
                let within = shown_double(self.reading.row_sum_tolerance() * scale);
                Err(format!("sums to {}, expected {expected} within {within}", shown_double(sum)))
            }
            Reading::Exact => {
                let sum = exact_sum(terms.iter().map(Numeral::exact).collect());
                if sum == Rational::from_integer(expected.into()) {
                    return Ok(expected as f64);
                }
                Err(format!("sums to {}, expected exactly {expected}", shown_rational(&sum, expected)))
            }
        }
    }

    /// The transitions of a kernel, `[s,a,t]`.
    ///
    /// # Errors
    /// Rows that are no distributions.
    pub fn kernel(&mut self, path: &str, entries: &[Numeral]) -> Checked<()> {
        self.length(path, entries.len(), self.n_states * self.n_actions * self.n_states)?;
        for (i, row) in entries.chunks(self.n_states).enumerate() {
            if !self.is_used(i) {
                continue;
            }
            let index = [i / self.n_actions, i % self.n_actions];
            if row.iter().all(|p| p.is_finite() && p.is_zero()) {
                return Err(InputError::new(place(path, &index), NO_ROW));
            }
            let sum = self.distribution(path, &index, row)?;
            self.note_transition_row(sum);
        }
        Ok(())
    }

    /// The shape of the policy, where an environment has only one.
    ///
    /// # Errors
    /// Another one.
    pub fn shape(&self, environment: &str, n_states: usize, n_actions: usize) -> Checked<()> {
        if (self.n_states, self.n_actions) == (n_states, n_actions) {
            return Ok(());
        }
        let problem = format!(
            "has {} states and {} actions, expected {n_states} and {n_actions} for {environment}",
            self.n_states, self.n_actions
        );
        Err(InputError::new(&self.policy.path, problem))
    }
}

/// The error that a number is not what was expected.
///
/// # Errors
/// Always.
pub fn unexpected(path: &str, index: &[usize], seen: &Numeral, expected: &str) -> Checked<()> {
    Err(InputError::unexpected(place(path, index), seen, expected))
}
