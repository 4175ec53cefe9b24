//! Which states end an episode, and which actions each state has.

use super::checker::Checked;
use super::input_error::InputError;
use super::numeral::Numeral;
use super::parts::Parts;
use crate::environments::{EnvironmentSpec, Given, Structure};
use crate::linear::{Rows, closed_class};
use crate::policy::{PolicySpec, has};

/// Which states end an episode, and which actions each state has.
///
/// A terminal state is where an episode ends: its reward is paid once, as it is entered,
/// without entropy, nothing comes after, so `V[s] = sum_a pi(a|s) r(s,a)` and
/// `Q[s,a] = r(s,a)` there, and its occupancy counts the one visit. An
/// action that a state does not have is taken with probability 0 whatever the parameters
/// are, and has no value. Their rows of `P` are never read, and 0 in the
/// MDP that a policy induces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionSets {
    /// Whether a state is terminal, `[s]`; empty where none is.
    pub terminal: Vec<bool>,
    /// Whether a state has an action, `[s,a]`; empty where each has all.
    pub available: Vec<bool>,
}

impl ActionSets {
    /// Whether an episode ends in a state.
    pub fn is_terminal(&self, state: usize) -> bool {
        self.terminal.get(state).copied().unwrap_or(false)
    }

    /// Whether a state has the action of a pair `s A + a`.
    pub fn is_available(&self, pair: usize) -> bool {
        has(&self.available, pair)
    }

    /// Whether an action of a state has a row of `P` and a reward, by pair `s A + a`.
    pub fn is_used(&self, pair: usize, n_actions: usize) -> bool {
        !self.is_terminal(pair / n_actions) && self.is_available(pair)
    }

    /// Whether no episode ends and each state has all actions.
    pub fn is_whole(&self) -> bool {
        !self.terminal.contains(&true) && !self.available.contains(&false)
    }

    /// Whether each pair has a row that is not read, `[s,a]`; empty where none is.
    pub(crate) fn unused(&self, n_states: usize, n_actions: usize) -> Vec<bool> {
        if self.is_whole() {
            return Vec::new();
        }
        (0..n_states * n_actions).map(|pair| !self.is_used(pair, n_actions)).collect()
    }

    /// Checks that each state has an action, or is terminal.
    ///
    /// # Errors
    /// Masks of another length; a state without actions.
    pub(crate) fn check(&self, n_states: usize, n_actions: usize, table: &str) -> Checked<()> {
        let masks = [
            ("terminal", self.terminal.len(), n_states),
            ("available", self.available.len(), n_states * n_actions),
        ];
        for (path, seen, expected) in masks {
            if seen != 0 && seen != expected {
                return Err(InputError::new(path, format!("has {seen} entries, expected {expected}")));
            }
        }
        let has_none = |s: &usize| (0..n_actions).all(|a| !self.is_available(s * n_actions + a));
        match (0..n_states).filter(|&s| !self.is_terminal(s)).find(has_none) {
            Some(s) => {
                let problem =
                    "has no action, expected one at least, or the state among those of \"terminal\"";
                Err(InputError::new(format!("{table}[{s}]"), problem))
            }
            None => Ok(()),
        }
    }
}

/// The states in which an undiscounted sum of rewards ends: the terminal ones, and those of a
/// kernel that does not respond where every action stays and pays exactly 0.
pub(crate) fn ends(environment: &EnvironmentSpec, given: Given<'_>, entropy: &Numeral) -> Vec<bool> {
    let (n, width) = (given.n_states, given.n_actions);
    let mut ends: Vec<bool> = (0..n).map(|s| given.actions.is_terminal(s)).collect();
    if let Structure::Fixed(fixed) = environment.structure(given) {
        let rows = fixed.transitions.rows(n, width);
        let stays = |pair: usize| {
            rows[pair].iter().all(|(t, p)| p.is_zero() || *t == pair / width) && fixed.rewards[pair].is_zero()
        };
        for s in (0..n).filter(|s| !given.actions.is_terminal(*s)) {
            let mut pairs = (s * width..(s + 1) * width).filter(|&pair| given.actions.is_available(pair));
            // The entropy of a choice is paid for ever.
            let pays = !entropy.is_zero() && pairs.clone().count() > 1;
            ends[s] = !pays && pairs.all(stays);
        }
    }
    ends
}

/// A class of states from which an undiscounted episode never ends, of a kernel that does not
/// respond; none where there is no such class.
pub(crate) fn never_ending(parts: &Parts, given: Given<'_>) -> Vec<usize> {
    let (n, width) = (given.n_states, given.n_actions);
    let Structure::Fixed(fixed) = parts.environment.structure(given) else { return Vec::new() };
    let ends = ends(&parts.environment, given, &parts.entropy);
    let is_taken = |pair: usize| match &parts.policy {
        PolicySpec::Probabilities(policy) => !policy.values[pair].is_zero(),
        _ => given.actions.is_available(pair),
    };
    let rows = fixed.transitions.rows(n, width);
    let chain = (0..n).map(|s| {
        let pairs = (s * width..(s + 1) * width).filter(|&pair| !ends[s] && is_taken(pair));
        let entries = pairs.flat_map(|pair| rows[pair].iter().filter(|(_, p)| !p.is_zero()));
        entries.map(|(t, _)| (*t, 1.0)).collect::<Vec<(usize, f64)>>()
    });
    // An end is a row without entries.
    Rows::sparse(n, chain).map_or_else(|_| Vec::new(), |chain| closed_class(&chain, |s| ends[s]))
}
