//! Tables of transitions: a header, and a transition a line.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::{anyhow, bail};

use super::model::{Model, NextReward, Transition};
use super::text::{InLine, decoded, excerpt, lines, number, probability};

/// The columns and how they are called, without case, spaces, underscores and hyphens.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("state", &["state", "s", "from", "source", "currentstate", "statefrom"]),
    ("action", &["action", "a", "act", "choice"]),
    (
        "next",
        &[
            "next",
            "nextstate",
            "snext",
            "sprime",
            "s'",
            "t",
            "to",
            "target",
            "successor",
            "newstate",
            "stateto",
        ],
    ),
    ("probability", &["probability", "prob", "p", "pr", "transitionprobability"]),
    ("reward", &["reward", "r", "rewards"]),
    ("done", &["done", "terminal", "terminated", "isterminal", "isdone", "end"]),
];
/// How many of these every table has.
const REQUIRED: usize = 4;

/// Where the columns are in a line.
struct Header {
    separator: char,
    width: usize,
    columns: [Option<usize>; COLUMNS.len()],
    dropped: Vec<String>,
}

/// Reads a table.
///
/// # Errors
/// Lines that are not those of a table of transitions.
pub fn read(bytes: &[u8]) -> anyhow::Result<Model> {
    let mut lines = lines(decoded(bytes)?);
    let Some((line, first)) = lines.next() else {
        bail!("is empty, expected a header such as state,action,next,probability,reward");
    };
    let header = header(first).in_line(line)?;
    let (mut states, mut actions) = (Names::default(), Names::default());
    let mut model = Model::default();
    let mut comments = 0;
    for (line, text) in lines {
        if text.starts_with('#') {
            comments += 1;
            continue;
        }
        entry(text, line, &header, &mut states, &mut actions, &mut model).in_line(line)?;
    }
    let (state_numbers, action_numbers) = (states.numbers("state")?, actions.numbers("action")?);
    for at in model
        .transitions
        .iter_mut()
        .map(|entry| &mut entry.at)
        .chain(model.next_rewards.iter_mut().map(|r| &mut r.at))
    {
        let [s, a, t] = at.map(|index| index as usize);
        *at = [state_numbers[s], action_numbers[a], state_numbers[t]];
    }
    let size = |numbers: &[u32]| numbers.iter().max().map_or(0, |largest| *largest as usize + 1);
    model.n_states = size(&state_numbers);
    model.n_actions = size(&action_numbers);
    model.states = states.into_list();
    model.actions = actions.into_list();
    if header.columns[4].is_none() {
        model.notes.push("has no column of rewards: they are 0".to_owned());
    }
    if comments > 0 {
        model.notes.push(format!("lines that begin with # are skipped: {comments}"));
    }
    for name in header.dropped {
        model.notes.push(format!("the column \"{}\" is dropped", excerpt(&name)));
    }
    Ok(model)
}

fn header(text: &str) -> anyhow::Result<Header> {
    // NumPy begins a header with a number sign.
    let text = text.trim_start_matches(['#', ' ']);
    let separator = ['\t', ';', ','].into_iter().find(|separator| text.contains(*separator)).unwrap_or(',');
    let fields = fields(text, separator)?;
    let mut header =
        Header { separator, width: fields.len(), columns: [None; COLUMNS.len()], dropped: Vec::new() };
    for (at, field) in fields.iter().enumerate() {
        let mut name = field.to_lowercase();
        name.retain(|c| !matches!(c, ' ' | '_' | '-'));
        let Some(column) = COLUMNS.iter().position(|(_, names)| names.contains(&name.as_str())) else {
            header.dropped.push(field.to_string());
            continue;
        };
        if header.columns[column].replace(at).is_some() {
            bail!("has the column \"{}\" twice, expected it once", COLUMNS[column].0);
        }
    }
    match COLUMNS.iter().zip(header.columns).take(REQUIRED).find(|(_, at)| at.is_none()) {
        Some(((name, _), _)) => bail!(
            "has no column \"{name}\", expected a header such as state,action,next,probability,reward, but it is \"{}\"",
            excerpt(text)
        ),
        None => Ok(header),
    }
}

/// One line of the table.
fn entry<'a>(
    text: &'a str,
    line: u32,
    header: &Header,
    states: &mut Names<'a>,
    actions: &mut Names<'a>,
    model: &mut Model,
) -> anyhow::Result<()> {
    let fields = fields(text, header.separator)?;
    if fields.len() != header.width {
        bail!("has {} fields, expected {} as in the header", fields.len(), header.width);
    }
    let field = |column: usize| header.columns[column].map(|at| fields[at].clone());
    let required = |column: usize| field(column).filter(|text| !text.is_empty());
    let name =
        |column: usize| required(column).ok_or_else(|| anyhow!("has no {}, expected one", COLUMNS[column].0));
    let at = [states.index(name(0)?, line)?, actions.index(name(1)?, line)?, states.index(name(2)?, line)?];
    let probability = probability(&name(3)?)?;
    if let Some(reward) = field(4) {
        let reward = number(&reward, "the reward")?;
        // A transition that cannot happen pays nothing, whatever is said.
        if !probability.is_zero() {
            model.next_rewards.push(NextReward { at, line, reward });
        }
    }
    let ends = match field(5) {
        Some(text) => truth(&text)?,
        None => false,
    };
    model.transitions.push(Transition { at, line, ends, probability });
    Ok(())
}

fn truth(text: &str) -> anyhow::Result<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" => Ok(true),
        "false" | "0" | "0.0" | "no" => Ok(false),
        _ => bail!("whether the episode ends is \"{}\", expected true or false", excerpt(text)),
    }
}

/// The fields of a line; those in quotation marks may have separators, and quotation marks twice.
fn fields(text: &str, separator: char) -> anyhow::Result<Vec<Cow<'_, str>>> {
    if !text.contains('"') {
        return Ok(text.split(separator).map(|field| Cow::Borrowed(field.trim())).collect());
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches(' ');
        let Some(quoted) = trimmed.strip_prefix('"') else {
            let (field, after) =
                rest.split_once(separator).map_or((rest, None), |(field, after)| (field, Some(after)));
            fields.push(Cow::Borrowed(field.trim()));
            let Some(after) = after else { return Ok(fields) };
            rest = after;
            continue;
        };
        let mut field = String::new();
        let mut inside = quoted;
        loop {
            let Some((part, after)) = inside.split_once('"') else {
                bail!("has no end of \"{}\"", excerpt(quoted))
            };
            field.push_str(part);
            let Some(more) = after.strip_prefix('"') else {
                inside = after;
                break;
            };
            field.push('"');
            inside = more;
        }
        fields.push(Cow::Owned(field));
        let after = inside.trim_start_matches(' ');
        if after.is_empty() {
            return Ok(fields);
        }
        match after.strip_prefix(separator) {
            Some(after) => rest = after,
            None => bail!("has \"{}\" after a quotation mark, expected a separator", excerpt(after)),
        }
    }
}

/// Names in the order of their first appearance.
#[derive(Default)]
struct Names<'a> {
    indices: HashMap<Cow<'a, str>, u32>,
    names: Vec<(Cow<'a, str>, u32)>,
    are_names: bool,
}

impl<'a> Names<'a> {
    fn index(&mut self, name: Cow<'a, str>, line: u32) -> anyhow::Result<u32> {
        if let Some(index) = self.indices.get(&name) {
            return Ok(*index);
        }
        let index = u32::try_from(self.names.len())?;
        self.indices.insert(name.clone(), index);
        self.names.push((name, line));
        Ok(index)
    }

    /// The numbers of what was indexed: integers are their own, where there is nothing else.
    fn numbers(&mut self, what: &str) -> anyhow::Result<Vec<u32>> {
        self.are_names = self.names.iter().any(|(name, _)| name.parse::<f64>().is_err());
        if self.are_names {
            return Ok((0..).zip(&self.names).map(|(index, _)| index).collect());
        }
        let number = |(name, line): &(Cow<'a, str>, u32)| {
            natural(name).ok_or_else(|| {
                anyhow!(
                    "line {line}: the {what} is \"{}\", expected an integer from 0, or a name",
                    excerpt(name)
                )
            })
        };
        self.names.iter().map(number).collect()
    }

    /// The names, where they are some.
    fn into_list(self) -> Vec<String> {
        if !self.are_names {
            return Vec::new();
        }
        self.names.into_iter().map(|(name, _)| name.into_owned()).collect()
    }
}

/// A natural number, also where it is written as a real one: 3.0.
fn natural(text: &str) -> Option<u32> {
    let real =
        || text.parse::<f64>().ok().filter(|x| x.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(x));
    text.parse().ok().filter(|number| *number < u32::MAX).or_else(|| real().map(|x| x as u32))
}
