//! Storm's explicit format (DRN) of Markov chains and decision processes.

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};

use super::conversion::Options;
use super::drn_header::{Header, header};
use super::model::{Model, Transition};
use super::number::Number;
use super::text::{InLine, check_probability, decoded, excerpt, index, listed};

/// The states as far as they have been read.
struct Body<'a> {
    header: &'a Header,
    model: Model,
    n_states: usize,
    /// The states so far.
    states: u32,
    /// The actions of the last state so far.
    actions: u32,
    /// The actions of all states so far.
    choices: usize,
    /// Where the last action begins, until it has a transition.
    is_empty_since: Option<u32>,
    /// Which reward, and how many there are.
    reward: usize,
    n_rewards: usize,
    labels: BTreeSet<String>,
    has_names: bool,
    has_comments: bool,
}

/// Reads a model.
///
/// # Errors
/// Lines that the format does not have, and models of other types.
pub fn read(bytes: &[u8], options: &Options) -> anyhow::Result<Model> {
    let mut lines = (1_u32..).zip(decoded(bytes)?.lines()).peekable();
    let header = header(&mut lines)?;
    let n_states = header
        .n_states
        .ok_or_else(|| anyhow!("has no number of states, expected @nr_states before @model"))?;
    let mut body = Body {
        header: &header,
        model: Model { n_states, ..Model::default() },
        n_states,
        states: 0,
        actions: 0,
        choices: 0,
        is_empty_since: None,
        reward: chosen(&header, options)?,
        n_rewards: header.reward_models.len(),
        labels: BTreeSet::new(),
        has_names: false,
        has_comments: false,
    };
    for (line, text) in lines {
        body.line(text.trim(), line).in_line(line)?;
    }
    body.ended(options)
}

/// Which of the reward models.
fn chosen(header: &Header, options: &Options) -> anyhow::Result<usize> {
    let names = &header.reward_models;
    match &options.rewards {
        None if names.len() > 1 => {
            bail!("has the reward models {}, expected one: --rewards NAME chooses", listed(names))
        }
        None => Ok(0),
        Some(name) => names.iter().position(|known| known == name).ok_or_else(|| {
            let known = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there is {}", listed(names))
            };
            anyhow!("has no reward model \"{}\"; {known}", excerpt(name))
        }),
    }
}

impl Body<'_> {
    fn line(&mut self, text: &str, line: u32) -> anyhow::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if text.starts_with("//") {
            self.has_comments = true;
            return Ok(());
        }
        if let Some(rest) = text.strip_prefix("state ") {
            return self.state(rest.trim());
        }
        let state = self
            .states
            .checked_sub(1)
            .ok_or_else(|| anyhow!("is \"{}\", expected state 0", excerpt(text)))?;
        if let Some(rest) = text.strip_prefix("action ") {
            return self.action(rest.trim(), state, line);
        }
        let (target, value) = text.split_once(':').ok_or_else(|| {
            anyhow!("is \"{}\", expected a state, an action or a transition such as 1 : 0.5", excerpt(text))
        })?;
        // A chain need not name its only action.
        if self.actions == 0 {
            (self.actions, self.choices) = (1, self.choices + 1);
        }
        self.is_empty_since = None;
        let probability = self.header.number(value.trim(), "the probability")?;
        check_probability(&probability)?;
        let at = [state, self.actions - 1, index(target.trim(), "the next state", self.n_states)?];
        self.model.transitions.push(Transition { at, line, ends: false, probability });
        Ok(())
    }

    fn state(&mut self, text: &str) -> anyhow::Result<()> {
        self.check_action()?;
        let (number, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let state = index(number, "the state", self.n_states)?;
        if state != self.states {
            bail!("the state is {state}, expected {}", self.states);
        }
        (self.states, self.actions) = (state + 1, 0);
        let (reward, rest) = self.reward(rest.trim())?;
        if let Some(reward) = reward {
            self.model.state_rewards.push((state, reward));
        }
        for label in labels(rest) {
            match label {
                "init" => drop(self.model.starts.insert(state)),
                "deadlock" => drop(self.model.deadlocks.insert(state)),
                _ if self.labels.contains(label) => {}
                _ => drop(self.labels.insert(label.to_owned())),
            }
        }
        Ok(())
    }

    fn action(&mut self, text: &str, state: u32, line: u32) -> anyhow::Result<()> {
        self.check_action()?;
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let action = self.actions;
        self.has_names |= name != "__NOLABEL__" && name != action.to_string();
        (self.actions, self.choices) = (action + 1, self.choices + 1);
        self.is_empty_since = Some(line);
        let (reward, rest) = self.reward(rest.trim())?;
        if let Some(reward) = reward {
            self.model.action_rewards.push(([state, action], reward));
        }
        if !rest.is_empty() {
            bail!("has \"{}\" after the action, expected rewards in brackets", excerpt(rest));
        }
        Ok(())
    }

    fn check_action(&self) -> anyhow::Result<()> {
        match self.is_empty_since {
            Some(line) => bail!("the action of line {line} has no transitions, expected one"),
            None => Ok(()),
        }
    }

    /// The chosen one of the rewards in brackets, and what follows them.
    fn reward<'t>(&mut self, text: &'t str) -> anyhow::Result<(Option<Number>, &'t str)> {
        let Some(inside) = text.strip_prefix('[') else { return Ok((None, text)) };
        let (inside, rest) =
            inside.split_once(']').ok_or_else(|| anyhow!("has no ] after \"{}\"", excerpt(text)))?;
        let rewards: Vec<&str> = inside.split(',').map(str::trim).collect();
        if rewards.len() > self.n_rewards.max(1) {
            bail!(
                "has {} rewards, expected one for each of @reward_models, {}",
                rewards.len(),
                self.n_rewards
            );
        }
        self.n_rewards = self.n_rewards.max(1);
        let reward = rewards.get(self.reward).map(|text| self.header.number(text, "the reward"));
        Ok((reward.transpose()?, rest.trim()))
    }

    fn ended(self, options: &Options) -> anyhow::Result<Model> {
        self.check_action()?;
        if self.states as usize != self.n_states {
            bail!("has {} states, expected {} as in @nr_states", self.states, self.n_states);
        }
        if let Some(choices) = self.header.n_choices.filter(|choices| *choices != self.choices) {
            bail!("has {} actions, expected {choices} as in @nr_choices", self.choices);
        }
        let mut model = self.model;
        let last = model.transitions.iter().map(|entry| entry.at[1] as usize).max();
        model.n_actions = last.map_or(0, |last| last + 1);
        let notes = &mut model.notes;
        if self.n_rewards == 0 {
            notes.push("has no rewards: they are 0".to_owned());
        }
        if let Some(name) = options.rewards.as_ref().filter(|_| self.header.reward_models.len() > 1) {
            let others = self.header.reward_models.iter().filter(|other| *other != name);
            notes.push(format!("other reward models are dropped: {}", listed(others)));
        }
        if !self.labels.is_empty() {
            notes.push(format!("labels other than init are dropped: {}", listed(&self.labels)));
        }
        if self.has_names {
            notes.push("names of actions are dropped: they are numbered in each state".to_owned());
        }
        if self.has_comments {
            notes.push("comments on states (such as valuations) are dropped".to_owned());
        }
        Ok(model)
    }
}

/// Labels, in quotation marks or between spaces.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split('"').zip([false, true].into_iter().cycle());
    pieces.flat_map(|(piece, is_quoted)| {
        let words = piece.split(if is_quoted { |_: char| false } else { char::is_whitespace });
        words.filter(|word| !word.is_empty())
    })
}
