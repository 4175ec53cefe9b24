//! PRISM's explicit files: transitions (.tra), labels (.lab), rewards of states (.srew) and of
//! transitions (.trew), valuations of states (.sta).

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, anyhow, bail};

use super::conversion::{Options, Source};
use super::model::{Model, NextReward, Transition};
use super::text::{InLine, count, decoded, excerpt, index, lines, listed, number, probability};

/// A file of rewards.
struct Rewards<'a> {
    source: &'a Source,
    /// The name that the file says, else that of the file.
    name: String,
}

/// Reads the files of a model.
///
/// # Errors
/// Lines that the formats do not have; other files than one model has.
pub fn read(sources: &[Source], options: &Options) -> anyhow::Result<Model> {
    let with = |extensions: &[&str]| -> Vec<&Source> {
        sources.iter().filter(|source| extensions.contains(&source.extension().as_str())).collect()
    };
    let (transitions, labels, valuations) = (with(&["tra"]), with(&["lab"]), with(&["sta"]));
    let (states, nexts) = (with(&["srew"]), with(&["trew"]));
    let either = with(&["rew"]);
    let known =
        [&transitions, &labels, &valuations, &states, &nexts, &either].iter().map(|files| files.len()).sum();
    let ([transitions], true) = (&transitions[..], labels.len() <= 1) else {
        bail!(
            "{} files .tra and {} .lab are given, expected one .tra and at most one .lab",
            transitions.len(),
            labels.len()
        );
    };
    if sources.len() > known {
        bail!("a file has another extension than .tra, .lab, .srew, .trew, .rew and .sta, expected these");
    }
    let mut model = Model { file: transitions.name.clone(), ..Model::default() };
    let is_chain = read_transitions(transitions, &mut model).with_context(|| transitions.name.clone())?;
    if let Some(labels) = labels.first() {
        read_labels(labels, &mut model).with_context(|| labels.name.clone())?;
    }
    let mut rewards = Vec::new();
    for source in states.iter().chain(&nexts).chain(&either) {
        rewards.push(Rewards { source, name: name(source).with_context(|| source.name.clone())? });
    }
    for file in chosen(rewards, options, &mut model)? {
        read_rewards(file.source, is_chain, &mut model).with_context(|| file.source.name.clone())?;
    }
    if !valuations.is_empty() {
        model.notes.push("valuations of states (.sta) are dropped".to_owned());
    }
    Ok(model)
}

/// The fields of the lines that are not comments.
fn fields(source: &Source) -> anyhow::Result<impl Iterator<Item = (u32, Vec<&str>)>> {
    let lines = lines(decoded(&source.bytes)?).filter(|(_, text)| !text.trim_start().starts_with('#'));
    Ok(lines.map(|(line, text)| (line, text.split_whitespace().collect())))
}

/// The counts in the first line.
fn head(fields: Option<(u32, Vec<&str>)>) -> anyhow::Result<Vec<usize>> {
    let (line, fields) = fields.ok_or_else(|| anyhow!("is empty, expected a line with counts"))?;
    fields.iter().map(|field| count(field, "a count")).collect::<anyhow::Result<Vec<usize>>>().in_line(line)
}

/// Reads `s t p` or `s a t p name`; whether the model is a chain, without actions.
fn read_transitions(source: &Source, model: &mut Model) -> anyhow::Result<bool> {
    let mut fields = fields(source)?;
    let head = head(fields.next())?;
    let (n, choices, entries) = match head[..] {
        [n, entries] => (n, None, entries),
        [n, choices, entries] => (n, Some(choices), entries),
        _ => bail!(
            "begins with {} counts, expected states and transitions, or states, choices and transitions",
            head.len()
        ),
    };
    let (width, mut has_names, mut rows) = (if choices.is_some() { 4 } else { 3 }, false, BTreeSet::new());
    for (line, fields) in fields {
        if fields.len() != width && fields.len() != width + 1 {
            let expected = if width == 4 {
                "state, choice, next state, probability"
            } else {
                "state, next state, probability"
            };
            return Err(anyhow!("has {} fields, expected {expected} and perhaps a name", fields.len()))
                .in_line(line);
        }
        has_names |= fields.len() > width;
        let transition = transition(&fields[..width], n, line).in_line(line)?;
        rows.insert([transition.at[0], transition.at[1]]);
        model.transitions.push(transition);
    }
    if model.transitions.len() != entries {
        bail!("has {} transitions, expected {entries} as in the first line", model.transitions.len());
    }
    if let Some(choices) = choices.filter(|choices| *choices != rows.len()) {
        bail!("has {} choices, expected {choices} as in the first line", rows.len());
    }
    model.n_states = n;
    model.n_actions = rows.iter().map(|row| row[1] as usize + 1).max().unwrap_or(0);
    if has_names {
        model.notes.push("names of actions are dropped: they are numbered in each state".to_owned());
    }
    Ok(choices.is_none())
}

fn transition(fields: &[&str], n: usize, line: u32) -> anyhow::Result<Transition> {
    let at = place(fields, n)?;
    let probability = probability(fields.last().copied().unwrap_or_default())?;
    Ok(Transition { at, line, ends: false, probability })
}

/// State, choice and next state; of a chain the choice is 0.
fn place(fields: &[&str], n: usize) -> anyhow::Result<[u32; 3]> {
    let (state, choice, next) = match *fields {
        [state, choice, next, _] => (state, index(choice, "the choice", u32::MAX as usize)?, next),
        [state, next, _] => (state, 0, next),
        _ => bail!("has {} fields, expected 3 or 4", fields.len()),
    };
    Ok([index(state, "the state", n)?, choice, index(next, "the next state", n)?])
}

/// Reads `0="init" 1="deadlock"` and the labels `s: 0 1` of states.
fn read_labels(source: &Source, model: &mut Model) -> anyhow::Result<()> {
    let mut lines = lines(decoded(&source.bytes)?).filter(|(_, text)| !text.starts_with('#'));
    let (line, declared) =
        lines.next().ok_or_else(|| anyhow!("is empty, expected labels such as 0=\"init\""))?;
    let mut names = HashMap::new();
    // The pieces between quotation marks are names, those before them numbers.
    let mut pieces = declared.split('"');
    while let (Some(number), Some(name)) = (pieces.next(), pieces.next()) {
        let number = number.trim().strip_suffix('=');
        let number =
            number.ok_or_else(|| anyhow!("is \"{}\", expected labels such as 0=\"init\"", excerpt(declared)));
        names.insert(number.in_line(line)?.trim(), name);
    }
    let mut dropped = BTreeSet::new();
    for (line, text) in lines {
        let (state, labels) = text
            .split_once(':')
            .ok_or_else(|| {
                anyhow!("is \"{}\", expected a state and its labels such as 0: 0 1", excerpt(text))
            })
            .in_line(line)?;
        let state = index(state.trim(), "the state", model.n_states).in_line(line)?;
        for label in labels.split_whitespace() {
            match names.get(label).copied() {
                Some("init") => drop(model.starts.insert(state)),
                Some("deadlock") => drop(model.deadlocks.insert(state)),
                Some(name) if dropped.contains(name) => {}
                Some(name) => drop(dropped.insert(name.to_owned())),
                None => {
                    return Err(anyhow!(
                        "has the label {}, which has no name in the first line",
                        excerpt(label)
                    ))
                    .in_line(line);
                }
            }
        }
    }
    if !dropped.is_empty() {
        model.notes.push(format!("labels other than init are dropped: {}", listed(&dropped)));
    }
    Ok(())
}

/// The name of a reward structure: in quotation marks in a comment, else that of the file.
fn name(source: &Source) -> anyhow::Result<String> {
    let comments = decoded(&source.bytes)?.lines().take_while(|line| line.starts_with('#'));
    let quoted = comments.filter_map(|line| line.split('"').nth(1)).next();
    Ok(quoted.map_or_else(|| source.stem(), str::to_owned))
}

/// The files of one reward structure.
fn chosen<'a>(
    files: Vec<Rewards<'a>>,
    options: &Options,
    model: &mut Model,
) -> anyhow::Result<Vec<Rewards<'a>>> {
    let Some(wanted) = &options.rewards else {
        let names: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
        if names.len() > 1 {
            bail!(
                "the files have the reward structures {}, expected one: --rewards NAME chooses",
                listed(&names)
            );
        }
        if files.is_empty() {
            model.notes.push("no rewards are given (.srew, .trew): they are 0".to_owned());
        }
        return Ok(files);
    };
    let is_wanted = |file: &Rewards<'_>| file.name == *wanted || file.source.stem() == *wanted;
    let (chosen, others): (Vec<Rewards<'_>>, Vec<Rewards<'_>>) = files.into_iter().partition(is_wanted);
    let names: BTreeSet<String> = others.into_iter().map(|file| file.name).collect();
    if chosen.is_empty() {
        bail!("no file has the rewards \"{}\", but: {}", excerpt(wanted), listed(&names));
    }
    if chosen.iter().map(|file| file.source.extension()).collect::<BTreeSet<_>>().len() < chosen.len() {
        bail!("several files have the rewards \"{}\", expected one of each extension", excerpt(wanted));
    }
    if !names.is_empty() {
        model.notes.push(format!("other rewards are dropped: {}", listed(&names)));
    }
    Ok(chosen)
}

/// Reads `s r`, `s t r` or `s a t r`.
fn read_rewards(source: &Source, is_chain: bool, model: &mut Model) -> anyhow::Result<()> {
    let mut fields = fields(source)?;
    let head = head(fields.next())?;
    let n = model.n_states;
    if head.first() != Some(&n) {
        bail!("begins with {} states, expected {n} as the model has", head.first().copied().unwrap_or(0));
    }
    let widths: &[usize] = match (source.extension().as_str(), is_chain) {
        ("srew", _) => &[2],
        ("trew", true) => &[3],
        ("trew", false) => &[4],
        (_, true) => &[2, 3],
        (_, false) => &[2, 4],
    };
    let mut entries = 0;
    for (line, fields) in fields {
        entries += 1;
        let reward = number(fields.last().copied().unwrap_or_default(), "the reward").in_line(line)?;
        if !widths.contains(&fields.len()) {
            return Err(anyhow!("has {} fields, expected {widths:?}", fields.len())).in_line(line);
        }
        if fields.len() == 2 {
            let state = index(fields[0], "the state", n).in_line(line)?;
            model.state_rewards.push((state, reward));
        } else {
            let at = place(&fields, n).in_line(line)?;
            model.next_rewards.push(NextReward { at, line: 0, reward });
        }
    }
    match head.last() {
        Some(count) if *count != entries => {
            bail!("has {entries} rewards, expected {count} as in the first line")
        }
        _ => Ok(()),
    }
}
