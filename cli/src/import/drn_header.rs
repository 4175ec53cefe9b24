//! The header of Storm's explicit format.

use std::collections::HashMap;
use std::iter::Peekable;

use anyhow::{anyhow, bail};

use super::number::Number;
use super::text::{InLine, count, excerpt, number};

/// What stands before the states.
#[derive(Default)]
pub struct Header {
    has_type: bool,
    placeholders: HashMap<String, Number>,
    /// The names of reward models.
    pub reward_models: Vec<String>,
    /// The number of states.
    pub n_states: Option<usize>,
    /// The number of actions of all states.
    pub n_choices: Option<usize>,
}

/// The lines up to `@model`.
///
/// # Errors
/// Lines that are none of a header, and models of other types.
pub fn header<'a>(lines: &mut Peekable<impl Iterator<Item = (u32, &'a str)>>) -> anyhow::Result<Header> {
    let mut header = Header::default();
    while let Some((line, text)) = lines.next() {
        let text = text.trim();
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        if text == "@model" {
            if !header.has_type {
                return Err(anyhow!("comes before @type, expected @type: MDP or DTMC")).in_line(line);
            }
            return Ok(header);
        }
        if text == "@placeholders" {
            while let Some((line, text)) = lines.next_if(|(_, text)| !text.starts_with('@')) {
                header.placeholder(text.trim()).in_line(line)?;
            }
            continue;
        }
        // The value of a key follows in the next line; it may be empty.
        let value = match text.contains(':') {
            true => "",
            false => lines.next_if(|(_, text)| !text.starts_with('@')).map_or("", |(_, text)| text.trim()),
        };
        header.key(text, value).in_line(line)?;
    }
    bail!("has no @model, expected Storm's explicit format")
}

impl Header {
    fn key(&mut self, text: &str, value: &str) -> anyhow::Result<()> {
        match text.split_once(':').map_or((text, value), |(key, value)| (key.trim(), value.trim())) {
            ("@type", kind) => {
                if !["mdp", "dtmc"].contains(&kind.to_lowercase().as_str()) {
                    bail!("the type is {}, expected MDP or DTMC", excerpt(kind));
                }
                self.has_type = true;
            }
            ("@value_type", "double" | "rational") => {}
            ("@value_type", other) => {
                bail!("the value type is {}, expected double or rational", excerpt(other))
            }
            ("@parameters", "") => {}
            ("@parameters", names) => {
                bail!("has the parameters {}, expected a model with numbers in their place", excerpt(names))
            }
            ("@reward_models", names) => {
                self.reward_models = names.split_whitespace().map(str::to_owned).collect()
            }
            ("@nr_states", value) => self.n_states = Some(count(value, "the number of states")?),
            ("@nr_choices", value) => self.n_choices = Some(count(value, "the number of choices")?),
            _ => bail!("is \"{}\", expected a key such as @type: MDP, @nr_states or @model", excerpt(text)),
        }
        Ok(())
    }

    fn placeholder(&mut self, text: &str) -> anyhow::Result<()> {
        if text.is_empty() || text.starts_with("//") {
            return Ok(());
        }
        let (name, value) = text
            .split_once(':')
            .filter(|(name, _)| name.starts_with('$'))
            .ok_or_else(|| anyhow!("is \"{}\", expected a placeholder such as $0 : 1/3", excerpt(text)))?;
        self.placeholders.insert(name.trim().to_owned(), number(value.trim(), "the placeholder")?);
        Ok(())
    }

    /// A number, or the one that a placeholder stands for.
    ///
    /// # Errors
    /// Any other text.
    pub fn number(&self, text: &str, what: &str) -> anyhow::Result<Number> {
        match self.placeholders.get(text) {
            Some(number) => Ok(number.clone()),
            None => number(text, what),
        }
    }
}
