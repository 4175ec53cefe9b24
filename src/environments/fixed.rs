//! An environment that does not respond.

use std::borrow::Cow;
#[cfg(feature = "json")]
use std::collections::BTreeMap;

#[cfg(feature = "json")]
use super::next_rewards::{Rewards, mean};
use super::{AffineParts, AffineStructure, Explicit, Given, Specification, Structure, Transitions};
use crate::arithmetic::{Field, Rational};
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::problem::checker::{Checked, Checker};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::normalise::Normaliser;
use crate::problem::numeral::{Numeral, largest, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::Response;

/// `P` and `r` as numbers: a Markov decision process without a performative effect.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedSpec {
    /// `P(t|s,a)`.
    pub transitions: Transitions,
    /// `r(s,a)`, `[s,a]`.
    pub rewards: Vec<Numeral>,
}

/// Without slopes.
impl AffineStructure for FixedSpec {
    fn parts(&self, given: Given<'_>) -> Result<AffineParts, ModelError> {
        Ok(AffineParts {
            transitions: self.transitions.dense(given.n_states, given.n_actions),
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
    const KEYS: &'static [&'static str] = &["transitions", "rewards", "next_rewards"];
    const DOCUMENTATION: [&'static str; 2] = [
        "`transitions[s][a][t]`, or entries `[s, a, t, p]`; `rewards[s][a]` or `[s][a][t]`; `next_rewards` \
         (default none): entries `[s, a, t, r]`, added",
        "no performative effect; each entry once, what is not written is 0",
    ];

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let transitions = Transitions::read(&fields.required("transitions")?, reader)?;
        let rewards = match fields.optional("rewards") {
            Some(node) => Rewards::read(&node, reader)?,
            None if fields.has("next_rewards") => Rewards::OfPairs(vec![Numeral::ZERO; reader.n_pairs()]),
            None => Rewards::read(&fields.required("rewards")?, reader)?,
        };
        let next = match fields.optional("next_rewards") {
            Some(node) => reader.entries(&node, [reader.state(), reader.action(), reader.state()])?,
            None => Vec::new(),
        };
        let rows = reader.used(transitions.rows(reader.n_states(), reader.n_actions()));
        let rewards = with_next(rewards.means(&rows), &next, &rows, reader.n_actions());
        Ok(Self { transitions, rewards })
    }

    fn write(&self, given: Given<'_>, file: &mut Writer) {
        self.transitions.write(given, file);
        file.array("rewards", &[given.n_states, given.n_actions], &self.rewards);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        self.transitions.check(checker)?;
        checker.table("environment.rewards", &self.rewards)
    }

    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        Ok(Some(Box::new(Explicit::fixed(self.transitions.kernel(given)?, lift(&self.rewards))?)))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Fixed(Cow::Borrowed(self))
    }

    fn normalise(&mut self, n_states: usize, n_actions: usize, normaliser: &mut Normaliser) {
        self.transitions.normalise(n_states, n_actions, normaliser);
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut scaled = self.clone();
        scaled.rewards.iter_mut().for_each(|r| *r = r.times(factor));
        Some(scaled)
    }
}

/// Rewards with the means of those of next states, exactly.
#[cfg(feature = "json")]
fn with_next(
    mut rewards: Vec<Numeral>,
    next: &[([usize; 3], Numeral)],
    rows: &[Vec<(usize, &Numeral)>],
    n_actions: usize,
) -> Vec<Numeral> {
    let mut of_pairs: BTreeMap<usize, Vec<(&Numeral, &Numeral)>> = BTreeMap::new();
    for ([s, a, t], r) in next {
        let pair = s * n_actions + a;
        let row = &rows[pair];
        if let Ok(at) = row.binary_search_by_key(t, |(t, _)| *t) {
            of_pairs.entry(pair).or_default().push((row[at].1, r));
        }
    }
    let one = Numeral::from(1.0);
    for (pair, products) in of_pairs {
        let own = [(&one, &rewards[pair])];
        let sum = mean(own.into_iter().chain(products));
        rewards[pair] = sum;
    }
    rewards
}

/// Rows of transitions in an arithmetic, `s A + a`.
pub(super) fn rows<T: Field>(transitions: &[Numeral], given: Given<'_>) -> Result<Rows<T>, ModelError> {
    Ok(Rows::dense(given.n_states, lift(transitions))?.compact())
}

/// Transitions in an arithmetic, without the rows that are not read.
pub(super) fn kernel<T: Field>(transitions: &[Numeral], given: Given<'_>) -> Result<Kernel<T>, ModelError> {
    let (n, width) = (given.n_states, given.n_actions);
    Kernel::partial(n, width, rows(transitions, given)?, &given.actions.unused(n, width))
}
