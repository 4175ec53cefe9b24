//! An environment that does not respond.

use std::borrow::Cow;

#[cfg(feature = "json")]
use super::next_rewards::Rewards;
use super::{AffineParts, AffineStructure, Explicit, Given, Specification, Structure};
use crate::arithmetic::{Field, Rational};
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::problem::checker::{Checked, Checker};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::numeral::{Numeral, largest, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::Response;

/// `P` and `r` as numbers: a Markov decision process without a performative effect.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedSpec {
    /// `P(t|s,a)`, `[s,a,t]`.
    pub transitions: Vec<Numeral>,
    /// `r(s,a)`, `[s,a]`.
    pub rewards: Vec<Numeral>,
}

/// Without slopes.
impl AffineStructure for FixedSpec {
    fn parts(&self) -> Result<AffineParts, ModelError> {
        Ok(AffineParts {
            transitions: lift(&self.transitions),
            transition_slopes: Vec::new(),
            rewards: lift(&self.rewards),
            reward_slopes: Vec::new(),
        })
    }

    fn largest_reward(&self) -> Rational {
        largest(&self.rewards)
    }
}

impl Specification for FixedSpec {
    const KIND: &'static str = "fixed";
    const KEYS: &'static [&'static str] = &["transitions", "rewards"];
    const DOCUMENTATION: [&'static str; 2] =
        ["`transitions[s][a][t]`, `rewards[s][a]` or `[s][a][t]`", "no performative effect"];

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let transitions = reader.kernel(&fields.required("transitions")?)?;
        let rewards = Rewards::read(&fields.required("rewards")?, reader)?;
        let rewards = rewards.means(&transitions, reader.n_states());
        Ok(Self { transitions, rewards })
    }

    fn write(&self, given: Given<'_>, file: &mut Writer) {
        let (n, width) = (given.n_states, given.n_actions);
        file.array("transitions", &[n, width, n], &self.transitions);
        file.array("rewards", &[n, width], &self.rewards);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        checker.kernel("environment.transitions", &self.transitions)?;
        checker.table("environment.rewards", &self.rewards)
    }

    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        Ok(Some(Box::new(Explicit::fixed(kernel(&self.transitions, given)?, lift(&self.rewards))?)))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Fixed(Cow::Borrowed(self))
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut scaled = self.clone();
        scaled.rewards.iter_mut().for_each(|r| *r = r.times(factor));
        Some(scaled)
    }
}

/// Rows of transitions in an arithmetic, `s A + a`.
pub(super) fn rows<T: Field>(transitions: &[Numeral], given: Given<'_>) -> Result<Rows<T>, ModelError> {
    Ok(Rows::dense(given.n_states, lift(transitions))?.compact())
}

/// Transitions in an arithmetic.
pub(super) fn kernel<T: Field>(transitions: &[Numeral], given: Given<'_>) -> Result<Kernel<T>, ModelError> {
    Kernel::new(given.n_states, given.n_actions, rows(transitions, given)?)
}
