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
use crate::problem::keys::{Form, Key};
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
    const KEYS: &'static [Key] = &[
        Key::required(
            "transitions",
            Form::AnyOf(&[Form::KERNEL, Form::Entries(&["s", "a", "t"], &Form::NUMBER)]),
            "`transitions[s][a][t]`, or entries `[s, a, t, p]`",
        ),
        Key::required("rewards", Form::REWARDS, "`rewards[s][a]` or `[s][a][t]`").unless("next_rewards"),
        Key::optional(
            "next_rewards",
            Form::Entries(&["s", "a", "t"], &Form::NUMBER),
            "`next_rewards` (default none): entries `[s, a, t, r]`, added",
        ),
    ];
    const NOTES: &'static str = "no performative effect; each entry once, what is not written is 0";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let transitions = Transitions::read(&fields.required("transitions")?, reader)?;
        let rewards = if fields.has("next_rewards") && !fields.has("rewards") {
            Rewards::OfPairs(vec![Numeral::ZERO; reader.n_pairs()])
        } else {
            Rewards::read(&fields.required("rewards")?, reader)?
        };
        let rows = || reader.used(transitions.rows(reader.n_states(), reader.n_actions()));
        let mut rewards = rewards.means(rows);
        if let Some(node) = fields.optional("next_rewards") {
            let next = reader.entries(&node, [reader.state(), reader.action(), reader.state()])?;
            add_next(&mut rewards, &next, &rows(), reader.n_actions());
        }
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

/// Adds the means of rewards of next states, exactly.
#[cfg(feature = "json")]
fn add_next(
    rewards: &mut [Numeral],
    next: &[([usize; 3], Numeral)],
    rows: &[Vec<(usize, &Numeral)>],
    n_actions: usize,
) {
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
        rewards[pair] = mean([(&one, &rewards[pair])].into_iter().chain(products));
    }
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
