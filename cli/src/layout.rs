//! JSON for reading: keys one a line, arrays of numbers on one line.

use serde::Serialize;

/// The JSON of `value`, ending in a newline.
///
/// # Errors
/// Those of serialisation, which the formats here do not have.
pub fn laid_out(value: &impl Serialize) -> anyhow::Result<String> {
    let mut layout = Layout { text: String::new(), open: Vec::new() };
    layout.lay_out(&serde_json::to_string(value)?);
    layout.text.push('\n');
    Ok(layout.text)
}

/// How the parts of an array or object are separated.
#[derive(Clone, Copy, PartialEq)]
enum Parts {
    OneALine,
    OnOneLine,
}

/// Compact JSON that is being spread out.
struct Layout {
    text: String,
    open: Vec<Parts>,
}

impl Layout {
    fn lay_out(&mut self, compact: &str) {
        let (mut in_string, mut is_escaped) = (false, false);
        let mut characters = compact.chars().peekable();
        while let Some(c) = characters.next() {
            if in_string {
                self.text.push(c);
                in_string = is_escaped || c != '"';
                is_escaped = c == '\\' && !is_escaped;
                continue;
            }
            in_string = c == '"';
            match c {
                '{' | '[' => self.begin(c, characters.peek().copied()),
                '}' | ']' => self.end(c),
                ',' => self.separate(),
                ':' => self.text.push_str(": "),
                _ => self.text.push(c),
            }
        }
    }

    /// Objects have one key a line unless they are inside an array; arrays of
    /// objects have one object a line.
    fn begin(&mut self, bracket: char, next: Option<char>) {
        let is_empty = matches!(next, Some('}' | ']'));
        let in_array = self.open.len() >= 2;
        let spread = match bracket {
            '{' => !in_array,
            _ => next == Some('{'),
        };
        self.open.push(if spread && !is_empty { Parts::OneALine } else { Parts::OnOneLine });
        self.text.push(bracket);
        self.line_break();
    }

    fn end(&mut self, bracket: char) {
        if self.open.pop() == Some(Parts::OneALine) {
            self.indent();
        }
        self.text.push(bracket);
    }

    fn separate(&mut self) {
        self.text.push(',');
        if self.open.last() == Some(&Parts::OnOneLine) {
            self.text.push(' ');
        }
        self.line_break();
    }

    fn line_break(&mut self) {
        if self.open.last() == Some(&Parts::OneALine) {
            self.indent();
        }
    }

    fn indent(&mut self) {
        self.text.push('\n');
        self.text.push_str(&"  ".repeat(self.open.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::laid_out;
    use serde_json::json;

    #[test]
    fn arrays_stay_on_one_line() {
        let value =
            json!({"a": [[1, 2.5], [3, null]], "b": {"c": [], "d": "x\\\",{"}, "e": [{"f": [1]}, {"f": 2}]});
        let expected = r#"{
  "a": [[1, 2.5], [3, null]],
  "b": {
    "c": [],
    "d": "x\\\",{"
  },
  "e": [
    {"f": [1]},
    {"f": 2}
  ]
}
"#;
        assert_eq!(laid_out(&value).unwrap(), expected);
    }

    #[test]
    fn nothing_but_white_space_is_added() {
        let value = json!({"\"": ["a b", "\\", {"x": {}}], "y": {}, "z": []});
        let again: serde_json::Value = serde_json::from_str(&laid_out(&value).unwrap()).unwrap();
        assert_eq!(again, value);
    }
}
