//! A model as a problem file.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, anyhow, bail};
use pemdp::problem::Names;

use super::conversion::Options;
use super::distribution::{Changes, distribution};
use super::exact::Exact;
use super::model::{Model, pair};
use super::number::Number;
use super::rewards::rewards;
use super::text::excerpt;

/// The problem (pemdp-problem/1) that a model is, with notes in the model of what it has not.
///
/// # Errors
/// What keeps a model from being a problem.
pub fn problem(model: &mut Model, options: &Options) -> anyhow::Result<String> {
    model.check_size()?;
    model.arrange().with_context(|| model.file.clone())?;
    model.check_rows(options.normalise)?;
    let rewards = rewards(model).with_context(|| model.file.clone())?;
    model.end_episodes(&rewards).with_context(|| model.file.clone())?;
    if model.transitions.is_empty() {
        bail!("{}: has terminal states only, expected a transition", model.file);
    }
    let gamma = gamma(model, options)?;
    let initial = initial(model, options)?;
    let absent = absent(model);
    let policy = policy(model, options, &absent)?;
    let mut text = format!("{{\n  \"format\": \"pemdp-problem/1\",\n  \"gamma\": {},\n", gamma.json());
    text.push_str(&format!("  \"initial\": [{initial}],\n  \"policy\": {policy},\n"));
    let names = names(model);
    if !names.is_empty() {
        let list = |key: &str, names: &[String]| {
            let names = serde_json::to_string(names)?;
            Ok((names != "[]").then(|| format!("\"{key}\": {}", names.replace("\",\"", "\", \""))))
        };
        let lists = [list("states", &names.states), list("actions", &names.actions)];
        let lists = lists.into_iter().filter_map(Result::transpose).collect::<anyhow::Result<Vec<_>>>()?;
        text.push_str(&format!("  \"names\": {{{}}},\n", lists.join(", ")));
    }
    if !model.terminal.is_empty() {
        let terminal: Vec<String> = model.terminal.iter().map(u32::to_string).collect();
        text.push_str(&format!("  \"terminal\": [{}],\n", terminal.join(", ")));
    }
    text.push_str("  \"environment\": {\n    \"kind\": \"fixed\",\n    \"transitions\": [");
    transitions(model, &mut text);
    text.push_str("\n    ],\n    \"rewards\": [");
    rewards_table(model, &rewards, &mut text);
    text.push_str("]\n  }\n}\n");
    Ok(text)
}

/// The names of states and actions that a problem can have.
fn names(model: &mut Model) -> Names {
    let (mut states, actions) = (model.states.clone(), model.actions.clone());
    if !states.is_empty() && model.has_added_end {
        states.push("end of the episode".to_owned());
    }
    let names = Names { states, actions };
    match names.check(model.n_states, model.n_actions) {
        Ok(()) => names,
        Err(error) => {
            model.notes.push(format!("names are dropped: {error}"));
            Names::default()
        }
    }
}

/// The transitions, those of one row on one line.
fn transitions(model: &Model, text: &mut String) {
    let mut last = None;
    for entry in &model.transitions {
        let separator = match last {
            None => "\n      ",
            Some(last) if last == pair(&entry.at) => ", ",
            Some(_) => ",\n      ",
        };
        last = Some(pair(&entry.at));
        let [s, a, t] = entry.at;
        // A string takes everything.
        let _ = write!(text, "{separator}[{s}, {a}, {t}, {}]", entry.probability.json());
    }
}

fn rewards_table(model: &Model, rewards: &BTreeMap<[u32; 2], Number>, text: &mut String) {
    for (s, state) in (0_u32..).zip(0..model.n_states) {
        text.push_str(if state > 0 { ", [" } else { "[" });
        let is_terminal = model.terminal.contains(&s);
        for (a, action) in (0_u32..).zip(0..model.n_actions) {
            text.push_str(if action > 0 { ", " } else { "" });
            match rewards.get(&[s, a]).filter(|_| !is_terminal) {
                Some(reward) => text.push_str(&reward.json()),
                None => text.push_str("null"),
            }
        }
        text.push(']');
    }
}

/// Whether a state has no such action, `[s,a]`.
fn absent(model: &Model) -> Vec<bool> {
    let mut absent = vec![true; model.n_states * model.n_actions];
    for entry in &model.transitions {
        absent[entry.at[0] as usize * model.n_actions + entry.at[1] as usize] = false;
    }
    absent
}

fn gamma(model: &Model, options: &Options) -> anyhow::Result<Number> {
    let Some(gamma) = options.gamma.as_ref().or(model.gamma.as_ref()) else {
        bail!("{}: has no discount factor, expected --gamma G", model.file);
    };
    if gamma.is_negative() || gamma.approximate() > 1.0 {
        bail!("gamma is {}, expected a number from 0 to 1", gamma.quoted());
    }
    Ok(gamma.clone())
}

/// The initial distribution, as the inside of an array.
fn initial(model: &mut Model, options: &Options) -> anyhow::Result<String> {
    let n = model.n_states;
    let start = match options.initial.as_deref() {
        Some("uniform") => {
            // A state that was added to end episodes is none to begin them.
            let count = n - usize::from(model.has_added_end);
            let share = Exact::one().over(&Exact::double(count as f64)).number()?.json();
            let entry = |state| if state < count { share.as_str() } else { "0" };
            return Ok((0..n).map(entry).collect::<Vec<_>>().join(", "));
        }
        Some(name) => named_state(model, name)?,
        None => {
            if let Some(mut numbers) = model.initial.take() {
                let zeros = n.saturating_sub(numbers.len());
                let change = distribution(&mut numbers.iter_mut().collect::<Vec<_>>(), options.normalise);
                let change =
                    change.map_err(|error| anyhow!("{}: the initial probabilities {error}", model.file))?;
                let mut changes = Changes::default();
                changes.add(change, || "the initial distribution".to_owned());
                if change.is_some() {
                    model.notes.push(changes.told());
                }
                let numbers = numbers.iter().map(Number::json);
                return Ok(numbers.chain((0..zeros).map(|_| "0".to_owned())).collect::<Vec<_>>().join(", "));
            }
            let mut starts = model.starts.iter();
            match (starts.next(), starts.next()) {
                (Some(start), None) => *start,
                (Some(_), Some(_)) => bail!(
                    "{}: has the label init on {}, expected one state, or --initial uniform or STATE",
                    model.file,
                    model.listed(&model.starts)
                ),
                _ => {
                    let state = model.state(0);
                    model.notes.push(format!("no initial state is given: it is state {state}"));
                    0
                }
            }
        }
    };
    let entry = |state: u32| if state == start { "1" } else { "0" };
    Ok((0_u32..).zip(0..n).map(|(state, _)| entry(state)).collect::<Vec<_>>().join(", "))
}

/// The state that `--initial` names.
fn named_state(model: &Model, name: &str) -> anyhow::Result<u32> {
    let by_name = model.states.iter().position(|state| state == name);
    let found = by_name.or_else(|| name.parse().ok().filter(|state| *state < model.n_states));
    let Some(state) = found.and_then(|state| u32::try_from(state).ok()) else {
        let name = excerpt(name);
        bail!(
            "--initial is \"{name}\", expected uniform or a state, numbered from 0 to {}",
            model.n_states - 1
        );
    };
    Ok(state)
}

/// The policy, as an object.
fn policy(model: &mut Model, options: &Options, absent: &[bool]) -> anyhow::Result<String> {
    let width = model.n_actions;
    let Some(mut policy) = model.policy.take() else {
        let logits = |row: &[bool]| {
            let entries: Vec<&str> = row.iter().map(|absent| if *absent { "null" } else { "0" }).collect();
            format!("[{}]", entries.join(", "))
        };
        let rows: Vec<String> = absent.chunks(width).map(logits).collect();
        return Ok(format!("{{\"kind\": \"softmax\", \"logits\": [{}]}}", rows.join(", ")));
    };
    let mut changes = Changes::default();
    let mut rows = Vec::new();
    // A state that was added is terminal and has no action.
    policy.table.resize(absent.len(), None);
    for (s, (row, absent)) in policy.table.chunks_mut(width).zip(absent.chunks(width)).enumerate() {
        let state = u32::try_from(s)?;
        for (a, (entry, absent)) in (0_u32..).zip(row.iter_mut().zip(absent)) {
            let at = || model.row([state, a]);
            if *absent {
                let is_taken = !policy.logits && entry.as_ref().is_some_and(|number| !number.is_zero());
                if is_taken && !model.terminal.contains(&state) {
                    bail!("{}: the policy takes {}, which has no transitions, expected 0", model.file, at());
                }
                *entry = None;
            } else if entry.is_none() {
                bail!("{}: the logit of {} is -inf, expected a number", model.file, at());
            } else if !policy.logits && entry.as_ref().is_some_and(Number::is_negative) {
                bail!("{}: the policy takes {} with a negative probability, expected none", model.file, at());
            }
        }
        if !policy.logits && row.iter().any(Option::is_some) {
            let mut numbers: Vec<&mut Number> = row.iter_mut().flatten().collect();
            match distribution(&mut numbers, options.normalise) {
                Ok(change) => changes.add(change, || format!("the policy in state {}", model.state(state))),
                Err(error) => {
                    bail!(
                        "{}: the policy's probabilities in state {} {error}",
                        model.file,
                        model.state(state)
                    )
                }
            }
        }
        let entries: Vec<String> =
            row.iter().map(|entry| entry.as_ref().map_or_else(|| "null".to_owned(), Number::json)).collect();
        rows.push(format!("[{}]", entries.join(", ")));
    }
    if options.normalise && !policy.logits {
        model.notes.push(format!("the policy: {}", changes.told()));
    }
    let (kind, key) = if policy.logits { ("softmax", "logits") } else { ("probabilities", "values") };
    Ok(format!("{{\"kind\": \"{kind}\", \"{key}\": [{}]}}", rows.join(", ")))
}
