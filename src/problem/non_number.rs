//! NaN and infinities, which many programs write and JSON has not.

use super::input_error::InputError;

/// The first NaN or infinity in a document, at its place; none where there is none.
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
                let end = rest.find(|c: char| !(c.is_ascii_alphabetic() || c == '-')).unwrap_or(rest.len());
                let word = &rest[..end];
                let name = word.trim_start_matches('-').to_ascii_lowercase();
                if matches!(name.as_str(), "nan" | "inf" | "infinity") {
                    let path: String = places.iter().map(Place::spelled).collect();
                    let path = path.trim_start_matches('.');
                    return Some(InputError::new(path, format!("is {word}, expected a finite number")));
                }
                length = end.max(1);
            }
            _ => length = rest.chars().next().map_or(1, char::len_utf8),
        }
        rest = rest.get(length..)?;
    }
    None
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
            Self::Key(Some(key)) => format!(".{key}"),
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
        assert_eq!(at("\"é\\"), None);
        assert_eq!(at("é[nul]"), None);
    }
}
