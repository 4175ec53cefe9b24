//! Files as they are written.

use std::fmt::Write;

use super::numeral::Numeral;

/// JSON as it is written, key by key.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// An object, whose keys `write` writes.
    pub(crate) fn object(&mut self, write: impl FnOnce(&mut Self)) {
        self.text.push('{');
        write(self);
        self.text.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.push(format_args!("\"{key}\":"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }

    /// An object as the value of a key.
    pub(crate) fn nested(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key);
        self.object(write);
    }

    /// A word that needs no escapes.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.push(format_args!("\"{text}\""));
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) {
        self.key(key);
        self.push(format_args!("{flag}"));
    }

    /// A natural number.
    pub(crate) fn count(&mut self, key: &str, count: usize) {
        self.key(key);
        self.push(format_args!("{count}"));
    }

    /// Natural numbers.
    pub(crate) fn counts(&mut self, key: &str, counts: &[usize]) {
        self.key(key);
        self.list(counts, &mut |file, count| file.push(format_args!("{count}")));
    }

    /// Texts without characters that break a line.
    pub(crate) fn strings(&mut self, key: &str, texts: &[String]) {
        self.key(key);
        self.list(texts, &mut |file, text| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            file.push(format_args!("\"{escaped}\""));
        });
    }

    /// A number.
    pub(crate) fn number(&mut self, key: &str, x: &Numeral) {
        self.key(key);
        self.numeral(x);
    }

    /// A number, or `null`.
    pub(crate) fn optional(&mut self, key: &str, x: Option<&Numeral>) {
        self.key(key);
        self.numeral_or_null(x);
    }

    /// Numbers of a shape.
    pub(crate) fn array(&mut self, key: &str, shape: &[usize], entries: &[Numeral]) {
        self.key(key);
        self.rows(shape, entries, &mut |file, x| file.numeral(x));
    }

    /// Numbers of a shape, some of them `null`.
    pub(crate) fn optional_array(&mut self, key: &str, shape: &[usize], entries: &[Option<Numeral>]) {
        self.key(key);
        self.rows(shape, entries, &mut |file, x| file.numeral_or_null(x.as_ref()));
    }

    /// `true` or `false`, of a shape.
    pub(crate) fn flags(&mut self, key: &str, shape: &[usize], flags: &[bool]) {
        self.key(key);
        self.rows(shape, flags, &mut |file, flag| file.push(format_args!("{flag}")));
    }

    /// Sparse entries: their indices and a number each.
    pub(crate) fn sparse<const N: usize>(&mut self, key: &str, entries: &[([usize; N], Numeral)]) {
        self.entries(key, entries, &mut |file, x| file.numeral(x));
    }

    /// Sparse entries: their indices and a text each that needs no escapes.
    pub(crate) fn sparse_texts<const N: usize>(&mut self, key: &str, entries: &[([usize; N], String)]) {
        self.entries(key, entries, &mut |file, text| file.push(format_args!("\"{text}\"")));
    }

    fn entries<const N: usize, T>(
        &mut self,
        key: &str,
        entries: &[([usize; N], T)],
        write: &mut dyn FnMut(&mut Self, &T),
    ) {
        self.key(key);
        self.list(entries, &mut |file, (index, x)| {
            file.text.push('[');
            for i in index {
                file.push(format_args!("{i},"));
            }
            write(file, x);
            file.text.push(']');
        });
    }

    fn rows<T>(&mut self, shape: &[usize], entries: &[T], write: &mut dyn FnMut(&mut Self, &T)) {
        match shape {
            [] | [_] => self.list(entries, write),
            [_, inner @ ..] => {
                let width = inner.iter().product::<usize>().max(1);
                let rows: Vec<&[T]> = entries.chunks(width).collect();
                self.list(&rows, &mut |file, row| file.rows(inner, row, write));
            }
        }
    }

    fn list<T>(&mut self, items: &[T], write: &mut dyn FnMut(&mut Self, &T)) {
        self.text.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            write(self, item);
        }
        self.text.push(']');
    }

    fn numeral(&mut self, x: &Numeral) {
        self.push(format_args!("\"{}\"", x.exact()));
    }

    fn numeral_or_null(&mut self, x: Option<&Numeral>) {
        match x {
            Some(x) => self.numeral(x),
            None => self.text.push_str("null"),
        }
    }

    /// What has been written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use crate::oracle::examples::EXAMPLES;
    use crate::problem::{Problem, Reading};

    #[test]
    fn what_is_written_is_read_again() {
        for example in EXAMPLES {
            for reading in [Reading::Doubles, Reading::Exact] {
                let problem = Problem::from_json(&example.to_json(), reading);
                let Ok(problem) = problem else {
                    assert_eq!(reading, Reading::Exact, "{}", example.name);
                    continue;
                };
                let written = problem.to_json();
                assert_eq!(Problem::from_json(&written, reading), Ok(problem), "{}", example.name);
                assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
            }
        }
    }
}
