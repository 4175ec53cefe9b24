//! Names that nothing has, and the nearest that something has.

use thiserror::Error;

/// A name that nothing of its kind has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no {kind} is called '{name}'{}; there are: {known}", suggested(.nearest.as_deref()))]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    nearest: Option<String>,
    known: String,
}

impl UnknownName {
    /// The error that no `kind` is called `name`, where there are `known`.
    ///
    /// ```
    /// use pemdp_algorithms::UnknownName;
    /// let error = UnknownName::new("setting", "stpe", &["method", "step"]);
    /// assert_eq!(error.to_string(), "no setting is called 'stpe', did you mean 'step'; there are: method, step");
    /// ```
    pub fn new(kind: &'static str, name: &str, known: &[&str]) -> Self {
        let nearest = nearest(name, known).map(str::to_owned);
        Self { kind, name: name.to_owned(), nearest, known: known.join(", ") }
    }
}

fn suggested(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean '{name}'"))
}

/// The name that differs least, where that is little: by a third of its characters at most, or by what
/// it goes on with.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const LEAST_BEGINNING: usize = 3;
    let name = name.to_lowercase();
    let distance = |other: &str| -> Option<usize> {
        let other = other.to_lowercase();
        let edits = edits(&name, &other);
        let begins = name.len() >= LEAST_BEGINNING && other.starts_with(&name);
        (begins || 3 * edits <= other.chars().count().max(3)).then_some(edits)
    };
    let near = known.iter().filter_map(|other| Some((distance(other)?, *other)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// How many characters have to be put in, left out, changed or exchanged with the next
/// one to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1];
        for j in 0..b.len() {
            let is_exchanged = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            let changed = row[j] + usize::from(a[i] != b[j]);
            let exchanged = if is_exchanged { before[j - 1] + 1 } else { usize::MAX };
            next.push(changed.min(exchanged).min(row[j + 1] + 1).min(next[j] + 1));
        }
        (before, row) = (row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [("", "abc", 3), ("step", "stpe", 1), ("eps", "epsilon", 4), ("a", "a", 0)] {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["iterations", "step", "gap"];
        assert_eq!(nearest("iteration", &known), Some("iterations"));
        assert_eq!(nearest("iter", &known), Some("iterations"));
        assert_eq!(nearest("STEP", &known), Some("step"));
        assert_eq!(nearest("zeal", &known), None);
    }
}
