//! Policies as they are given.

use super::checker::{Checked, Checker, unexpected};
use super::input_error::InputError;
use super::numeral::{Numeral, lift};
use crate::arithmetic::{Field, Transcendental};
use crate::mdp::ModelError;
use crate::policy::{Parametrisation, Policy};

/// A policy as given. Flat arrays have the last index fastest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PolicySpec {
    /// `pi(a|s)` proportional to `exp(theta[s,a])`.
    Softmax {
        /// The parameters, `[s,a]`.
        logits: Vec<Numeral>,
    },
    /// `pi(a|s)` proportional to `exp(features[s,a] . theta)`.
    LogLinear {
        /// The features, `[s,a,k]`.
        features: Vec<Numeral>,
        /// The parameters, `[k]`.
        theta: Vec<Numeral>,
    },
    /// `pi(a|s)` proportional to a weight; the parameters are the logarithms.
    Weights {
        /// The weights, positive, `[s,a]`.
        values: Vec<Numeral>,
    },
    /// `pi(a|s)` itself.
    Probabilities {
        /// The probabilities, `[s,a]`.
        values: Vec<Numeral>,
    },
}

impl PolicySpec {
    /// The names of the kinds in a file.
    pub const KINDS: [&str; 4] = ["softmax", "log-linear", "weights", "probabilities"];

    /// A policy of doubles as it would be given.
    pub fn of(policy: &Policy<f64>) -> Self {
        let numerals = |entries: &[f64]| entries.iter().copied().map(Numeral::from).collect();
        match policy.parametrisation() {
            Parametrisation::Softmax { logits } => Self::Softmax { logits: numerals(logits) },
            Parametrisation::LogLinear { features, theta } => {
                Self::LogLinear { features: numerals(features), theta: numerals(theta) }
            }
            Parametrisation::Weights { values } => Self::Weights { values: numerals(values) },
            Parametrisation::Probabilities => {
                let states = 0..policy.n_states();
                let entries = states.flat_map(|s| (0..policy.n_actions()).map(move |a| (s, a)));
                Self::Probabilities {
                    values: entries.map(|(s, a)| (*policy.probability(s, a)).into()).collect(),
                }
            }
        }
    }

    /// The name of the kind in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            PolicySpec::Softmax { .. } => "softmax",
            PolicySpec::LogLinear { .. } => "log-linear",
            PolicySpec::Weights { .. } => "weights",
            PolicySpec::Probabilities { .. } => "probabilities",
        }
    }

    /// The key of the table with a row for each state and action.
    pub(super) fn table_key(kind: &str) -> &'static str {
        match kind {
            "softmax" => "logits",
            "log-linear" => "features",
            _ => "values",
        }
    }

    /// The path to that table.
    pub(super) fn table_path(&self) -> String {
        format!("policy.{}", Self::table_key(self.kind()))
    }

    /// The number of parameters.
    pub fn n_parameters(&self) -> usize {
        match self {
            PolicySpec::LogLinear { theta, .. } => theta.len(),
            PolicySpec::Softmax { logits: values }
            | PolicySpec::Weights { values }
            | PolicySpec::Probabilities { values } => values.len(),
        }
    }

    /// Whether `pi` takes only the four operations.
    pub fn is_rational(&self) -> bool {
        matches!(self, Self::Weights { .. } | Self::Probabilities { .. })
    }

    pub(super) fn check(&self, checker: &mut Checker<'_>) -> Checked<()> {
        let path = &self.table_path();
        match self {
            Self::Softmax { logits } => checker.table(path, logits),
            Self::LogLinear { features, theta } => {
                if theta.is_empty() {
                    let problem = "has length 0, expected at least one parameter";
                    return Err(InputError::new("policy.theta", problem));
                }
                let shape = [checker.n_states(), checker.n_actions(), theta.len()];
                checker.numbers("policy.theta", theta, &shape[2..])?;
                checker.numbers(path, features, &shape)
            }
            Self::Weights { values } => {
                let shape = [checker.n_states(), checker.n_actions()];
                checker.each(path, values, &shape, |index, weight| {
                    checker.number(path, index, weight)?;
                    let is_positive = weight.sign().is_gt();
                    if is_positive {
                        Ok(())
                    } else {
                        unexpected(path, index, weight, "a weight greater than 0")
                    }
                })
            }
            Self::Probabilities { values } => {
                checker.length(path, values.len(), checker.n_states() * checker.n_actions())?;
                let mut largest = 0.0_f64;
                for (s, row) in values.chunks(checker.n_actions()).enumerate() {
                    largest = largest.max(checker.distribution(path, &[s], row)?);
                }
                checker.largest_policy_row = largest;
                Ok(())
            }
        }
    }

    /// The policy in any arithmetic with exponentials.
    pub(super) fn lifted<T: Transcendental>(
        &self,
        n_states: usize,
        n_actions: usize,
    ) -> Result<Policy<T>, ModelError> {
        match self {
            Self::Softmax { logits } => Policy::softmax(n_states, n_actions, lift(logits)),
            Self::LogLinear { features, theta } => {
                Policy::log_linear(n_states, n_actions, lift(features), lift(theta))
            }
            Self::Weights { values } => Policy::weights(n_states, n_actions, lift(values)),
            Self::Probabilities { values } => Policy::probabilities(n_states, n_actions, lift(values)),
        }
    }

    /// The policy in any arithmetic, where it takes only the four operations.
    pub(super) fn rational<T: Field>(
        &self,
        n_states: usize,
        n_actions: usize,
    ) -> Result<Option<Policy<T>>, ModelError> {
        match self {
            Self::Weights { values } => Policy::weights(n_states, n_actions, lift(values)).map(Some),
            Self::Probabilities { values } => {
                Policy::probabilities(n_states, n_actions, lift(values)).map(Some)
            }
            _ => Ok(None),
        }
    }
}
