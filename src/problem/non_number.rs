//! NaN and infinities and the spellings of Python, which many programs write and JSON has not.

use super::excerpt::excerpt;
use super::input_error::InputError;

/// The first of these in a document, at its place; none where there is none.
pub(super) fn first(text: &str) -> Option<InputError> {
    let mut places = vec![Place::Root];
    let mut rest = text;
    while let Some(byte) = rest.bytes().next() {
        let mut length = 1;
        match byte {
            b'"' => {
                length = string_length(rest);
                if let Some(Place::Key(key)) = places.last_mut()
                    && key.is_none()
                {
                    *key = Some(rest.get(1..length.saturating_sub(1))?);
                }
            }
            b'[' => places.push(Place::Index(0)),
            b'{' => places.push(Place::Key(None)),
            b']' | b'}' => {
                places.pop();
            }
            b',' => match places.last_mut()? {
                Place::Index(index) => *index += 1,
                Place::Key(key) => *key = None,
                Place::Root => {}
            },
            b'-' | b'a'..=b'z' | b'A'..=b'Z' => {
                let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                let end = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                let name = word.trim_start_matches('-').to_ascii_lowercase();
                let expected = match name.as_str() {
                    "nan" | "inf" | "infinity" => Some("a finite number"),
                    "none" => Some("a number, or null where JSON has one"),
                    _ if matches!(word, "True" | "False") => Some("true or false"),
                    _ if rest[end..].starts_with('(') => Some("a plain number or array: as JSON writes them"),
                    _ => None,
                };
                if let Some(expected) = expected {
                    let call = if rest[end..].starts_with('(') { "(...)" } else { "" };
                    let problem = format!("is {}{call}, expected {expected}", excerpt(word));
                    return Some(InputError::new(spelled(&places), problem));
                }
                length = end.max(1);
            }
            b'\'' => {
                let problem = "is in single quotes, expected JSON, whose text is in double quotes";
                return Some(InputError::new(spelled(&places), problem));
            }
            _ => length = rest.chars().next().map_or(1, char::len_utf8),
        }
        rest = rest.get(length..)?;
    }
    None
}

fn spelled(places: &[Place<'_>]) -> String {
    let path: String = places.iter().map(Place::spelled).collect();
    path.trim_start_matches('.').to_owned()
}

/// Where a value stands in the array or object around it.
enum Place<'a> {
    Root,
    Index(usize),
    Key(Option<&'a str>),
}

impl Place<'_> {
    fn spelled(&self) -> String {
        match self {
            Self::Root | Self::Key(None) => String::new(),
            Self::Index(index) => format!("[{index}]"),
            Self::Key(Some(key)) => format!(".{}", excerpt(key)),
        }
    }
}

/// The length of the string that a text begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_place_is_exact_to_the_element() {
        let at = |text: &str| first(text).map(|error| error.to_string());
        let expected = |path: &str, word: &str| Some(format!("{path}: is {word}, expected a finite number"));
        assert_eq!(at(r#"{"gradient": [NaN, 1]}"#), expected("gradient[0]", "NaN"));
        assert_eq!(
            at(r#"{"a": 1, "b": {"c\"]": [[1, 2], [3, -Infinity]]}}"#),
            expected(r#"b.c\"][1][1]"#, "-Infinity")
        );
        assert_eq!(at(r#"{"NaN": "NaN", "x": [null, true, -1e5], "y": inf"#), expected("y", "inf"));
        assert_eq!(at(r#"[1, 2], "NaN"#), None);
        let at_value = |problem: &str| Some(format!("value: {problem}"));
        assert_eq!(
            at(r#"{"value": np.float64(1.0)}"#),
            at_value("is np.float64(...), expected a plain number or array: as JSON writes them")
        );
        assert_eq!(
            at(r#"{"value": None}"#),
            at_value("is None, expected a number, or null where JSON has one")
        );
        assert_eq!(at(r#"{"value": True}"#), at_value("is True, expected true or false"));
        assert_eq!(
            at("{'value': 1}").as_deref(),
            Some("is in single quotes, expected JSON, whose text is in double quotes")
        );
        assert_eq!(at(r#"{"value": -1e5, "x": 1.5e-3, "y": [truth]}"#), None);
        assert_eq!(at("\"é\\"), None);
        assert_eq!(at("é[nul]"), None);
    }
}
