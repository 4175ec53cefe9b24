//! Lines of text files, and what messages quote of them.

use anyhow::{Context, anyhow, bail};

use super::number::Number;

/// The text of a file, without a byte-order mark.
///
/// # Errors
/// The first byte that is not UTF-8, with its line.
pub fn decoded(bytes: &[u8]) -> anyhow::Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        anyhow!("line {line}: has the byte 0x{byte:02x}, expected UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The lines of a text, numbered from 1, that are not blank.
pub fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.lines().zip(1_u32..).map(|(line, number)| (number, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// The beginning of a text in a message.
pub fn excerpt(text: &str) -> String {
    const KEPT: usize = 40;
    let mut shown: String = text.chars().take(KEPT).collect();
    if text.chars().nth(KEPT).is_some() {
        shown.push('…');
    }
    shown
}

/// Names in a message: the first of them.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    const MOST: usize = 8;
    let names: Vec<&String> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(MOST).map(|name| excerpt(name)).collect();
    let more = if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A natural number that numbers something.
///
/// # Errors
/// Any other text.
pub fn index(text: &str, what: &str, below: usize) -> anyhow::Result<u32> {
    let number = text.parse::<u32>().ok().filter(|index| (*index as usize) < below);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    number.filter(|_| is_plain).ok_or_else(|| {
        let last = below.saturating_sub(1);
        anyhow!("{what} is \"{}\", expected an integer from 0 to {last}", excerpt(text))
    })
}

/// A count in the head of a file.
///
/// # Errors
/// Any other text, and more than can be numbered.
pub fn count(text: &str, what: &str) -> anyhow::Result<usize> {
    let most = u32::MAX as usize;
    Ok(index(text, what, most)? as usize)
}

/// A number.
///
/// # Errors
/// Any other text.
pub fn number(text: &str, what: &str) -> anyhow::Result<Number> {
    Number::spelled(text).map_err(|expected| anyhow!("{what} is \"{}\", expected {expected}", excerpt(text)))
}

/// A probability.
///
/// # Errors
/// Any other text.
pub fn probability(text: &str) -> anyhow::Result<Number> {
    let number = number(text, "the probability")?;
    check_probability(&number)?;
    Ok(number)
}

/// Whether a number can be a probability, up to what a row may be off by.
///
/// # Errors
/// A number below 0.
pub fn check_probability(number: &Number) -> anyhow::Result<()> {
    if number.is_negative() {
        bail!("the probability is {}, expected a number from 0 to 1", number.quoted());
    }
    Ok(())
}

/// Says in which line something went wrong.
pub trait InLine<T> {
    /// The same, with the line where it is an error.
    ///
    /// # Errors
    /// Those of the value.
    fn in_line(self, line: u32) -> anyhow::Result<T>;
}

impl<T> InLine<T> for anyhow::Result<T> {
    fn in_line(self, line: u32) -> anyhow::Result<T> {
        self.with_context(|| format!("line {line}"))
    }
}
