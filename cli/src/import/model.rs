//! A Markov decision process as files have it, sparse and in exact numbers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::distribution::{Changes, distribution};
use super::exact::Exact;
use super::number::Number;

/// More transitions than a problem file has room for.
const MOST_TRANSITIONS: usize = 10_000_000;
/// A table of so many states and actions is written whatever the file is like.
const SMALL_TABLE: usize = 1 << 20;
/// Else so many entries of the table for each transition.
const SPARSEST: usize = 64;

/// A Markov decision process as files have it.
#[derive(Debug, Default)]
pub struct Model {
    /// The file that the transitions are from.
    pub file: String,
    /// How many states there are.
    pub n_states: usize,
    /// How many actions the state with the most actions has.
    pub n_actions: usize,
    /// `P(t|s,a)`, in any order until [`Model::arrange`]; entries of one transition add up.
    pub transitions: Vec<Transition>,
    /// `r(s,a,t)`, in any order until [`Model::arrange`].
    pub next_rewards: Vec<NextReward>,
    /// `r(s,a)`; entries add up, also with the others.
    pub action_rewards: Vec<([u32; 2], Number)>,
    /// `r(s)`, of each action; entries add up, also with the others.
    pub state_rewards: Vec<(u32, Number)>,
    /// States where an episode may begin.
    pub starts: BTreeSet<u32>,
    /// `rho(s)`.
    pub initial: Option<Vec<Number>>,
    /// The discount factor.
    pub gamma: Option<Number>,
    /// A policy.
    pub policy: Option<Policy>,
    /// States where a model checker says that there is nothing to do.
    pub deadlocks: BTreeSet<u32>,
    /// States where an episode ends.
    pub terminal: BTreeSet<u32>,
    /// Whether the last state was added for episodes to end in.
    pub has_added_end: bool,
    /// The names of states, where they have some.
    pub states: Vec<String>,
    /// The names of actions, where they have some.
    pub actions: Vec<String>,
    /// What whoever asked should know, a line each.
    pub notes: Vec<String>,
}

/// A transition.
#[derive(Debug, Clone)]
pub struct Transition {
    /// State, action and next state.
    pub at: [u32; 3],
    /// The line of the file; 0 where it has none.
    pub line: u32,
    /// Whether the episode ends with it.
    pub ends: bool,
    /// Its probability.
    pub probability: Number,
}

/// A reward of a transition.
#[derive(Debug, Clone)]
pub struct NextReward {
    /// State, action and next state.
    pub at: [u32; 3],
    /// The line of the file; 0 where it has none.
    pub line: u32,
    /// The reward.
    pub reward: Number,
}

/// A policy as a table `[s,a]`.
#[derive(Debug)]
pub struct Policy {
    /// Whether the table has logits, else probabilities.
    pub logits: bool,
    /// The table; `None` is minus infinity.
    pub table: Vec<Option<Number>>,
}

/// The state and action of an entry.
pub fn pair(at: &[u32; 3]) -> [u32; 2] {
    [at[0], at[1]]
}

impl Model {
    /// The state of a number, for messages.
    pub fn state(&self, state: u32) -> String {
        named(&self.states, state)
    }

    /// The state and action of a row, for messages.
    pub fn row(&self, [state, action]: [u32; 2]) -> String {
        format!("state {}, action {}", self.state(state), named(&self.actions, action))
    }

    /// Checks that tables of states and actions are worth their size.
    ///
    /// # Errors
    /// No transitions, too many, and tables that are next to empty.
    pub fn check_size(&self) -> anyhow::Result<()> {
        let (n, width, entries) = (self.n_states, self.n_actions, self.transitions.len());
        if entries == 0 {
            bail!("{}: has no transitions, expected one at least", self.file);
        }
        if entries > MOST_TRANSITIONS {
            bail!("{}: has {entries} transitions, expected at most {MOST_TRANSITIONS}", self.file);
        }
        let most = SMALL_TABLE.max(SPARSEST * entries);
        if n.checked_mul(width).is_none_or(|table| table > most) {
            bail!(
                "{}: has {n} states and {width} actions for {entries} transitions, expected states and actions that \
                 are numbered from 0 without wide gaps",
                self.file
            );
        }
        Ok(())
    }

    /// Brings transitions and rewards into their order and adds up what is given in parts.
    ///
    /// # Errors
    /// A transition with two rewards.
    pub fn arrange(&mut self) -> anyhow::Result<()> {
        self.next_rewards.sort_by_key(|entry| entry.at);
        for two in self.next_rewards.windows(2) {
            let [first, second] = two else { continue };
            if first.at == second.at && !first.reward.equals(&second.reward) {
                bail!(
                    "{}the reward of {}, next state {} is {}, and {} before{}; expected one",
                    if second.line > 0 { format!("line {}: ", second.line) } else { String::new() },
                    self.row(pair(&first.at)),
                    self.state(first.at[2]),
                    second.reward.quoted(),
                    first.reward.quoted(),
                    if first.line > 0 { format!(" in line {}", first.line) } else { String::new() },
                );
            }
        }
        self.next_rewards.dedup_by_key(|entry| entry.at);
        // The episode ends or goes on: these are two transitions until it is known where to.
        self.transitions.sort_by_key(|entry| (entry.at, entry.ends));
        self.merge(|one, another| one.at == another.at && one.ends == another.ends)
    }

    /// Adds up neighbours that are one transition.
    fn merge(&mut self, is_one: impl Fn(&Transition, &Transition) -> bool) -> anyhow::Result<()> {
        let entries = std::mem::take(&mut self.transitions);
        let mut merged: Vec<Transition> = Vec::with_capacity(entries.len());
        let mut entries = entries.into_iter().peekable();
        while let Some(mut entry) = entries.next() {
            let mut sum: Option<Exact> = None;
            while let Some(part) = entries.next_if(|next| is_one(&entry, next)) {
                let before = sum.unwrap_or_else(|| entry.probability.exact());
                sum = Some(before.plus(&part.probability.exact())?);
            }
            if let Some(sum) = sum {
                entry.probability = sum.number()?;
            }
            merged.push(entry);
        }
        self.transitions = merged;
        Ok(())
    }

    /// Where something is, at the beginning of a message.
    pub fn place(&self, line: u32) -> String {
        if line > 0 { format!("{}: line {line}: ", self.file) } else { format!("{}: ", self.file) }
    }

    /// Checks that rows sum to 1, or divides them by their sums.
    ///
    /// # Errors
    /// The first row that does not sum to 1; with `normalise` one that sums to 0.
    pub fn check_rows(&mut self, normalise: bool) -> anyhow::Result<()> {
        let mut changes = Changes::default();
        let mut transitions = std::mem::take(&mut self.transitions);
        for row in transitions.chunk_by_mut(|one, another| pair(&one.at) == pair(&another.at)) {
            let Some(at) = row.first().map(|entry| pair(&entry.at)) else { continue };
            let line = row.iter().map(|entry| entry.line).min().unwrap_or(0);
            let mut numbers: Vec<&mut Number> = row.iter_mut().map(|entry| &mut entry.probability).collect();
            match distribution(&mut numbers, normalise) {
                Ok(change) => changes.add(change, || self.row(at)),
                Err(error) => bail!("{}the probabilities of {} {error}", self.place(line), self.row(at)),
            }
        }
        transitions.retain(|entry| !entry.probability.is_zero());
        self.transitions = transitions;
        if normalise {
            self.notes.push(changes.told());
        }
        Ok(())
    }

    /// Ends episodes where their transitions say so: in the next state where nothing else leads there, in one
    /// more state where something does. States that are never left are terminal, too; terminal ones lose what
    /// transitions they have.
    ///
    /// # Errors
    /// Those of adding up; one state too many.
    pub fn end_episodes(&mut self, rewards: &BTreeMap<[u32; 2], Number>) -> anyhow::Result<()> {
        let next = |entry: &Transition| entry.at[2];
        let ended: BTreeSet<u32> = self.transitions.iter().filter(|entry| entry.ends).map(next).collect();
        // What loops in a state that is only entered when the episode is over is of no matter.
        let goes_on = |entry: &&Transition| !entry.ends && entry.at[0] != entry.at[2];
        let continued: BTreeSet<u32> = self.transitions.iter().filter(goes_on).map(next).collect();
        let apart: BTreeSet<u32> = ended.intersection(&continued).copied().collect();
        self.terminal.extend(ended.difference(&continued));
        if !apart.is_empty() {
            let end = u32::try_from(self.n_states)?;
            let is_moved = |entry: &&mut Transition| entry.ends && apart.contains(&entry.at[2]);
            self.transitions.iter_mut().filter(is_moved).for_each(|entry| entry.at[2] = end);
            self.transitions.sort_by_key(|entry| entry.at);
            self.n_states += 1;
            self.has_added_end = true;
            self.terminal.insert(end);
            let places = self.listed(&apart);
            self.notes.push(format!(
                "{places} end some episodes and not others: where they do, one more state {end}, which is terminal, \
                 stands in their place"
            ));
        }
        self.merge(|one, another| one.at == another.at)?;
        self.check_size()?;
        self.end_deadlocks(rewards);
        let is_dropped = |entry: &Transition| self.terminal.contains(&entry.at[0]);
        let dropped = self.transitions.iter().filter(|entry| is_dropped(entry));
        let pays = |entry: &Transition| rewards.get(&pair(&entry.at)).is_some_and(|reward| !reward.is_zero());
        let (mut count, mut has_rewards) = (0_usize, false);
        for entry in dropped {
            (count, has_rewards) = (count + 1, has_rewards || pays(entry));
        }
        if count > 0 {
            let what = if has_rewards { "transitions and rewards" } else { "transitions" };
            let whose = if self.terminal.len() == 1 { "its" } else { "their" };
            self.notes.push(format!("terminal: {}; {whose} {what} are dropped", self.listed(&self.terminal)));
            let terminal = &self.terminal;
            self.transitions.retain(|entry| !terminal.contains(&entry.at[0]));
        }
        let left: BTreeSet<u32> = self.transitions.iter().map(|entry| entry.at[0]).collect();
        let states = 0..u32::try_from(self.n_states)?;
        let stuck: BTreeSet<u32> =
            states.filter(|state| !left.contains(state) && !self.terminal.contains(state)).collect();
        if !stuck.is_empty() {
            self.notes.push(format!("terminal, for want of transitions: {}", self.listed(&stuck)));
            self.terminal.extend(stuck);
        }
        Ok(())
    }

    /// Ends episodes in the deadlocks that a model checker has given a loop, which pays nothing.
    fn end_deadlocks(&mut self, rewards: &BTreeMap<[u32; 2], Number>) {
        for row in self.transitions.chunk_by(|one, another| one.at[0] == another.at[0]) {
            let is_loop = |entry: &Transition| {
                let pays = rewards.get(&pair(&entry.at)).is_some_and(|reward| !reward.is_zero());
                entry.at[2] == entry.at[0] && !pays
            };
            if let Some(first) = row.first()
                && self.deadlocks.contains(&first.at[0])
                && row.iter().all(is_loop)
            {
                self.terminal.insert(first.at[0]);
            }
        }
    }

    /// States for a message.
    pub fn listed(&self, states: &BTreeSet<u32>) -> String {
        let word = if states.len() == 1 { "state" } else { "states" };
        let states: Vec<String> = states.iter().map(|state| self.state(*state)).collect();
        format!("{word} {}", super::text::listed(&states))
    }
}

fn named(names: &[String], index: u32) -> String {
    match names.get(index as usize) {
        Some(name) => super::text::excerpt(name),
        None => index.to_string(),
    }
}
