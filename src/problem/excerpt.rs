//! Values as messages quote them.

/// How many characters of a value a message quotes.
pub(super) const EXCERPT: usize = 40;

/// The beginning of `text`, safe to print in one line.
pub(crate) fn excerpt(text: &str) -> String {
    shortened(text.chars())
}

pub(super) fn shortened(mut characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for character in characters.by_ref().take(EXCERPT) {
        if character.is_control() || reorders(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character can break a line or change the direction of the text.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A double as a reader would write it: no trailing `.0`, no long run of zeros.
pub(crate) fn shown_double(x: f64) -> String {
    let text = format!("{x:?}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
