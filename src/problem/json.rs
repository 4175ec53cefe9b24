//! JSON read lazily: a [`Node`] is a value that is still text, with the path
//! that leads to it.
//!
//! The syntax of the whole document is checked once. After that each access
//! looks at one level only, so a deeply nested document costs neither stack nor
//! more than its own size, and a number becomes a [`Numeral`] straight from
//! its digits. Paths are chains of references that turn into text only when
//! there is an error to report.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use serde::de::IgnoredAny;

use super::excerpt::{EXCERPT, excerpt, shortened};
use super::input_error::InputError;
use super::keys::Key;
use super::non_number;
use super::numeral::{self, Numeral, NumeralError, Reading};

/// The steps from the document to one of its values, last step first.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The document.
    Root,
    /// The value of a key of an object.
    Key(&'a Path<'a>, &'a str),
    /// An element of an array, numbered from 0.
    Index(&'a Path<'a>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Path::Root => Ok(()),
            Path::Index(parent, index) => write!(out, "{parent}[{index}]"),
            Path::Key(parent, key) if !is_plain(key) => write!(out, "{parent}[\"{}\"]", excerpt(key)),
            Path::Key(Path::Root, key) => write!(out, "{key}"),
            Path::Key(parent, key) => write!(out, "{parent}.{key}"),
        }
    }
}

/// Whether a key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= EXCERPT
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A JSON value, still text, and the path to it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// One JSON value whose syntax has been checked, without white space around it.
    text: &'a str,
    path: Path<'a>,
}

/// Whether the error is at an end of an object or array that a comma stands before.
fn ends_in_comma(text: &str, error: &serde_json::Error) -> bool {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let is_before = text.get(..at).is_some_and(|before| before.trim_end().ends_with(','));
    is_before && text[at..].starts_with(['}', ']'])
}

impl<'a> Node<'a> {
    /// The document `text`.
    ///
    /// # Errors
    /// Text that is not one JSON value, with line and column.
    pub fn parse(text: &'a str) -> Result<Self, InputError> {
        if text.trim_matches(is_space).is_empty() {
            return Err(InputError::new("", "is empty, expected JSON"));
        }
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
            let hint = if ends_in_comma(text, &error) { "a comma too many: " } else { "" };
            non_number::first(text)
                .unwrap_or_else(|| InputError::new("", format!("is not JSON: {hint}{error}")))
        })?;
        Ok(Node { text: text.trim_matches(is_space), path: Path::Root })
    }

    /// The document in `bytes`.
    ///
    /// # Errors
    /// Bytes that are not UTF-8, with the position of the first such byte
    /// counted from 0, and those of [`Node::parse`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, InputError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let position = error.valid_up_to();
            let byte = bytes.get(position).copied().unwrap_or_default();
            InputError::new("", format!("byte {position} is 0x{byte:02x}, expected UTF-8"))
        })?;
        if text.starts_with('\u{feff}') {
            return Err(InputError::new("", "byte 0 begins a byte-order mark, expected UTF-8 without one"));
        }
        Self::parse(text)
    }

    /// The JSON text of the value.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The path to the value.
    pub fn path(&self) -> Path<'a> {
        self.path
    }

    /// The error `problem` at this value.
    pub fn error(&self, problem: impl Into<String>) -> InputError {
        InputError::new(self.path.to_string(), problem)
    }

    /// The error that this value is not what was expected, which quotes it.
    pub fn unexpected(&self, expected: impl Display) -> InputError {
        self.error(format!("is {}, expected {expected}", self.quoted()))
    }

    /// The beginning of the value in one line.
    pub fn quoted(&self) -> String {
        if !self.text.starts_with(['[', '{']) {
            return excerpt(self.text);
        }
        // White space between elements says nothing about them.
        let mut after_space = false;
        shortened(self.text.chars().filter_map(|character| {
            let space = is_space(character);
            let repeated = space && after_space;
            after_space = space;
            (!repeated).then_some(if space { ' ' } else { character })
        }))
    }

    /// The beginning of the value at a path such as `environment.rewards[1][0]`.
    pub(super) fn quoted_at(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix('.').unwrap_or(path);
        if rest.is_empty() {
            return Some(self.quoted());
        }
        if let Some((index, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return self.array().ok()?.nth(index.parse().ok()?)?.quoted_at(rest);
        }
        let (key, rest) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        self.fields().ok()?.optional(key)?.quoted_at(rest)
    }

    fn first(&self) -> u8 {
        self.text.bytes().next().unwrap_or_default()
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.first() == b'n'
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Any other value.
    pub fn flag(&self) -> Result<bool, InputError> {
        match self.text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    /// Whether the value is a number.
    pub fn is_number(&self) -> bool {
        matches!(self.first(), b'-' | b'0'..=b'9')
    }

    /// Whether the value is a string.
    pub fn is_string(&self) -> bool {
        self.first() == b'"'
    }

    /// Whether the value is an array.
    pub fn is_array(&self) -> bool {
        self.first() == b'['
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.first() == b'{'
    }

    /// The characters of a string.
    ///
    /// # Errors
    /// Any other value, and escapes that are not Unicode text.
    pub fn string(&self) -> Result<Cow<'a, str>, InputError> {
        if !self.is_string() {
            return Err(self.unexpected("a string"));
        }
        decoded(self.text).ok_or_else(|| self.unexpected("a string of Unicode text"))
    }

    /// The one of `choices` that the string is.
    ///
    /// # Errors
    /// Any other value.
    pub fn choice<'c>(&self, choices: &[&'c str]) -> Result<&'c str, InputError> {
        let found = if self.is_string() { self.string()? } else { Cow::Borrowed("") };
        choices.iter().find(|choice| **choice == found).copied().ok_or_else(|| {
            let list: Vec<_> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
            self.unexpected(list.join(" or "))
        })
    }

    /// An integer from 0 to `below - 1` that numbers `what`, such as "a state".
    ///
    /// # Errors
    /// Any other value; 3.0 and "3" are not integers.
    pub fn index(&self, below: usize, what: &str) -> Result<usize, InputError> {
        match self.digits() {
            Some(index) if index < below => Ok(index),
            _ => Err(match below.checked_sub(1) {
                Some(last) => self.unexpected(format!("{what}, an integer from 0 to {last}")),
                None => self.unexpected(format!("{what}, of which there are none")),
            }),
        }
    }

    /// Whether the name of a format is the one that is expected.
    ///
    /// # Errors
    /// Any other value; of the name that is often `mistaken` for it, what it is the name of.
    pub fn format(&self, expected: &'static str, mistaken: &str, hint: &str) -> Result<(), InputError> {
        if self.is_string() && self.string()? == mistaken {
            return Err(self.unexpected(format!("\"{expected}\": {hint}")));
        }
        self.choice(&[expected]).map(|_| ())
    }

    /// An integer within `range`.
    ///
    /// # Errors
    /// Any other value; 3.0 and "3" are not integers.
    pub fn count(&self, range: RangeInclusive<usize>) -> Result<usize, InputError> {
        self.digits()
            .filter(|count| range.contains(count))
            .ok_or_else(|| self.unexpected(format!("an integer from {} to {}", range.start(), range.end())))
    }

    /// The integer that the text spells with digits only.
    fn digits(&self) -> Option<usize> {
        if self.text.bytes().all(|byte| byte.is_ascii_digit()) { self.text.parse().ok() } else { None }
    }

    /// A real number: a JSON number or a string with a fraction or a decimal.
    ///
    /// # Errors
    /// Any other value, and the numerals that [`numeral`](super::numeral) refuses.
    pub fn numeral(&self, reading: Reading) -> Result<Numeral, InputError> {
        if self.is_number() {
            return numeral::from_number(self.text, reading).map_err(|error| self.unexpected(error));
        }
        if !self.is_string() {
            return Err(self.unexpected("a number"));
        }
        numeral::from_string(&self.string()?, reading).map_err(|error| match error {
            NumeralError::Malformed => self.unexpected(format!("a number or {error}")),
            _ => self.unexpected(error),
        })
    }

    /// The elements of an array.
    ///
    /// # Errors
    /// Any other value.
    pub fn array(&self) -> Result<Elements<'_>, InputError> {
        if !self.is_array() {
            return Err(self.unexpected("an array"));
        }
        Ok(Elements { path: &self.path, index: 0, rest: &self.text[1..] })
    }

    /// The keys and values of an object.
    ///
    /// # Errors
    /// Any other value, and an object with a key twice.
    pub fn fields(&self) -> Result<Fields<'_>, InputError> {
        if !self.is_object() {
            return Err(self.unexpected("an object"));
        }
        let mut entries = BTreeMap::new();
        let mut rest = &self.text[1..];
        while let Some(raw) = take_value(&mut rest) {
            let key = decoded(raw)
                .ok_or_else(|| self.error(format!("has the key {}, expected Unicode text", excerpt(raw))))?;
            let Some(value) = take_value(&mut rest) else { break };
            match entries.entry(key) {
                Entry::Vacant(vacant) => vacant.insert(value),
                Entry::Occupied(occupied) => {
                    let key = occupied.key();
                    let path = Path::Key(&self.path, key).to_string();
                    let problem = format!("duplicate key \"{}\", expected it once", excerpt(key));
                    return Err(InputError::new(path, problem));
                }
            };
        }
        Ok(Fields { path: &self.path, entries })
    }
}

/// The elements of an array, in order.
#[derive(Clone, Debug)]
pub struct Elements<'n> {
    path: &'n Path<'n>,
    index: usize,
    rest: &'n str,
}

impl<'n> Iterator for Elements<'n> {
    type Item = Node<'n>;

    fn next(&mut self) -> Option<Node<'n>> {
        let text = take_value(&mut self.rest)?;
        let path = Path::Index(self.path, self.index);
        self.index += 1;
        Some(Node { text, path })
    }
}

/// The keys and values of an object, each key once.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    path: &'n Path<'n>,
    entries: BTreeMap<Cow<'n, str>, &'n str>,
}

impl<'n> Fields<'n> {
    /// Refuses other keys.
    ///
    /// # Errors
    /// The first unknown key in alphabetical order.
    pub fn only(&self, keys: &[Key]) -> Result<(), InputError> {
        self.only_named(keys.iter().map(|key| key.name).collect())
    }

    /// Refuses keys other than `kind` and these.
    ///
    /// # Errors
    /// As [`Fields::only`].
    pub fn only_beside_kind(&self, keys: &[Key]) -> Result<(), InputError> {
        self.only_named(std::iter::once("kind").chain(keys.iter().map(|key| key.name)).collect())
    }

    fn only_named(&self, known: Vec<&str>) -> Result<(), InputError> {
        let Some(key) = self.entries.keys().find(|key| !known.contains(&key.as_ref())) else { return Ok(()) };
        let problem = format!("unknown key \"{}\", expected only {}", excerpt(key), known.join(", "));
        Err(InputError::new(Path::Key(self.path, key).to_string(), problem))
    }

    /// The keys, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(AsRef::as_ref)
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// An object without that key.
    pub fn required(&self, key: &'n str) -> Result<Node<'n>, InputError> {
        self.optional(key).ok_or_else(|| {
            InputError::new(Path::Key(self.path, key).to_string(), "is missing, expected a value")
        })
    }

    /// The value of `key`, if the object has it.
    pub fn optional(&self, key: &'n str) -> Option<Node<'n>> {
        let text = self.entries.get(key)?;
        Some(Node { text, path: Path::Key(self.path, key) })
    }

    /// Whether the object has `key`.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }
}

/// White space as JSON knows it.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Cuts the next value off the inside of an array or object whose syntax has
/// been checked; `None` at its end.
fn take_value<'n>(rest: &mut &'n str) -> Option<&'n str> {
    let bytes = rest.as_bytes();
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':'))?;
    let length = value_length(&bytes[start..])?;
    let value = &rest[start..start + length];
    *rest = &rest[start + length..];
    Some(value)
}

/// How many bytes the value at the start takes; `None` where no value starts.
/// It always ends at or before an ASCII byte, so it never splits a character.
fn value_length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b']' | b'}' => None,
        b'"' => Some(string_length(bytes)),
        b'[' | b'{' => {
            let mut depth = 0_usize;
            let mut at = 0;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => {
                        at += string_length(&bytes[at..]);
                        continue;
                    }
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            Some(at)
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
            Some(bytes.iter().position(ends).unwrap_or(bytes.len()))
        }
    }
}

/// How many bytes the string at the start takes, with its quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The characters of a string that is given with its quotes; `None` if an
/// escape is half of a surrogate pair.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    raw.get(1..raw.len().saturating_sub(1)).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::excerpt::shown_double;
    use super::*;

    fn message(error: InputError) -> String {
        error.to_string()
    }

    #[test]
    fn syntax_errors_give_line_and_column() {
        for text in ["{", "[1,]", "{\"a\" 1}", "01", "1.", "[1] 2", "\"\u{1}\"", "nul"] {
            let error = message(Node::parse(text).unwrap_err());
            assert!(error.contains("line 1 column"), "{error}");
        }
        assert_eq!(message(Node::parse(" \n").unwrap_err()), "is empty, expected JSON");
        let error = message(Node::parse("{\n  \"a\": 1,\n}").unwrap_err());
        assert!(error.contains("a comma too many") && error.ends_with("line 3 column 1"), "{error}");
        assert!(!message(Node::parse("{\"a\": 1, b}").unwrap_err()).contains("too many"));
    }

    #[test]
    fn bytes_that_are_not_utf8_give_their_position() {
        let mark = Node::from_bytes(b"\xef\xbb\xbf{}").unwrap_err();
        assert!(mark.to_string().starts_with("byte 0 begins a byte-order mark"), "{mark}");
        let error = message(Node::from_bytes(b"[\"a\xff\"]").unwrap_err());
        assert_eq!(error, "byte 3 is 0xff, expected UTF-8");
        assert!(Node::from_bytes("[\"é\"]".as_bytes()).is_ok());
    }

    #[test]
    fn white_space_and_nesting_do_not_matter() {
        let text = " {\n\"a\" : [ 1 , [2,\t[\"],}\\\"\"]] ,{ } ,\"x\\\\\"] , \"b\":{} } ";
        let node = Node::parse(text).unwrap();
        let fields = node.fields().unwrap();
        let a = fields.required("a").unwrap();
        let texts: Vec<_> = a.array().unwrap().map(|element| element.text()).collect();
        assert_eq!(texts, ["1", "[2,\t[\"],}\\\"\"]]", "{ }", "\"x\\\\\""]);
        assert_eq!(fields.required("b").unwrap().fields().unwrap().entries.len(), 0);
        assert_eq!(Node::parse("[]").unwrap().array().unwrap().count(), 0);
        assert_eq!(Node::parse("[ ]").unwrap().array().unwrap().count(), 0);
    }

    #[test]
    fn keys_are_named() {
        let node = Node::parse(r#"{"a": {"x": 1, "y\u0041": 2}}"#).unwrap();
        let outer = node.fields().unwrap();
        let a = outer.required("a").unwrap();
        let fields = a.fields().unwrap();
        assert_eq!(
            message(fields.only_named(vec!["x", "z"]).unwrap_err()),
            "a.yA: unknown key \"yA\", expected only x, z"
        );
        assert!(fields.only_named(vec!["x", "yA"]).is_ok());
        assert_eq!(message(fields.required("q").unwrap_err()), "a.q: is missing, expected a value");
        assert_eq!(message(outer.required("q").unwrap_err()), "q: is missing, expected a value");
        let twice = Node::parse(r#"{"a": 1, "\u0061": 2}"#).unwrap();
        assert_eq!(message(twice.fields().unwrap_err()), "a: duplicate key \"a\", expected it once");
        let strange = Node::parse(r#"{"a b\n": 1}"#).unwrap();
        assert_eq!(
            message(strange.fields().unwrap().only_named(vec!["x"]).unwrap_err()),
            "[\"a b\\n\"]: unknown key \"a b\\n\", expected only x"
        );
        let half = Node::parse(r#"{"\ud800": 1}"#).unwrap();
        assert!(half.fields().is_err());
    }

    #[test]
    fn each_type_refuses_the_others() {
        let values = ["null", "true", "1", "\"s\"", "[1]", "{\"a\":1}"];
        for (number, text) in values.into_iter().enumerate() {
            let node = Node::parse(text).unwrap();
            assert_eq!(node.is_null(), number == 0);
            assert_eq!(node.numeral(Reading::Doubles).is_ok(), number == 2);
            assert_eq!(node.index(2, "a state").is_ok(), number == 2);
            assert_eq!(node.count(1..=2).is_ok(), number == 2);
            assert_eq!(node.string().is_ok(), number == 3);
            assert_eq!(node.choice(&["s"]).is_ok(), number == 3);
            assert_eq!(node.array().is_ok(), number == 4);
            assert_eq!(node.fields().is_ok(), number == 5);
        }
    }

    #[test]
    fn indices_are_integers() {
        for text in ["3.0", "\"3\"", "-1", "-0", "3e0", "5", "99999999999999999999999"] {
            assert!(Node::parse(text).unwrap().index(5, "a state").is_err(), "{text}");
        }
        assert_eq!(Node::parse("4").unwrap().index(5, "a state"), Ok(4));
        assert_eq!(
            message(Node::parse("3.0").unwrap().count(1..=10).unwrap_err()),
            "is 3.0, expected an integer from 1 to 10"
        );
    }

    #[test]
    fn messages_are_one_short_line() {
        let long = format!("\"{}\\u0007\u{2028}\u{85}\"", "é".repeat(500));
        let nested = format!("[\n{}1{}]", "[\n\t".repeat(500), "]".repeat(500));
        let spread = format!("[1,{}2]", "\n".repeat(5000));
        for text in [&long[..], &nested, &spread, "\"\u{2028}\u{85}\u{202e}\""] {
            let node = Node::parse(text).unwrap();
            let error = message(node.index(0, "nothing").unwrap_err());
            assert!(error.chars().count() < 130, "{error}");
            assert!(!error.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{202e}'));
        }
        let short = Node::parse("[1,\n   2]").unwrap();
        assert_eq!(message(short.string().unwrap_err()), "is [1, 2], expected a string");
        assert_eq!(shown_double(1.0), "1");
        assert_eq!(shown_double(1e-300), "1e-300");
    }

    #[test]
    fn deep_nesting_costs_neither_stack_nor_time() {
        let depth = 5_000_000;
        let open_array = "[".repeat(2 * depth);
        let open_object = "{\"a\":".repeat(depth / 2);
        let closed_array = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let closed_object = format!("{}1{}", "{\"a\":".repeat(depth / 2), "}".repeat(depth / 2));
        let start = Instant::now();
        assert!(Node::parse(&open_array).is_err());
        assert!(Node::parse(&open_object).is_err());
        let array = Node::parse(&closed_array).unwrap();
        assert_eq!(array.array().unwrap().count(), 1);
        assert!(array.string().is_err());
        let object = Node::parse(&closed_object).unwrap();
        let fields = object.fields().unwrap();
        assert!(fields.required("a").unwrap().string().is_err());
        // Generous: the machine may be busy and the test not optimised.
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[test]
    fn long_keys_are_quoted_and_cut_off() {
        let shown = |n: usize| Path::Key(&Path::Root, &"k".repeat(n)).to_string();
        assert_eq!(shown(40), "k".repeat(40));
        assert_eq!(shown(41), format!("[\"{}…\"]", "k".repeat(40)));
    }
}
