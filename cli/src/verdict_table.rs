//! A verdict for people.

use std::cmp::Ordering;

use pemdp::oracle::{Difference, Entry, KNOWN_MISTAKES, Tolerance, Verdict};

use crate::answer_table::table;
use crate::numbers::significant;
use crate::output::heading;

/// So many differences of a quantity are shown.
const SHOWN: usize = 12;

/// What a mistake is, in a line.
fn about(id: &str) -> &'static str {
    KNOWN_MISTAKES.iter().find(|mistake| mistake.id == id).map_or("", |mistake| mistake.about)
}

/// The report of a verdict.
pub fn verdict_table(verdict: &Verdict, tolerance: Tolerance) -> String {
    if verdict.ok {
        let Tolerance { rtol, atol } = tolerance;
        return format!("right: every number given is within its tolerance (rtol {rtol:e}, atol {atol:e})\n");
    }
    let mut sections: Vec<String> =
        verdict.differences.chunk_by(|a, b| a.quantity == b.quantity).map(quantity).collect();
    sections.push(explanation(verdict));
    sections.join("\n")
}

/// The differences of one quantity, largest first.
fn quantity(differences: &[Difference]) -> String {
    let Some(Difference { quantity, tolerance, .. }) = differences.first() else { return String::new() };
    let mut sorted: Vec<&Difference> = differences.iter().collect();
    sorted.sort_by(|a, b| larger_first(a.error, b.error));
    let rows = sorted.iter().take(SHOWN).map(|difference| row(difference)).collect();
    let n = differences.len();
    let entries = if n == 1 { "1 entry differs" } else { &format!("{n} entries differ") };
    let title = format!("{quantity}: {entries} by more than {}", significant(*tolerance, 3));
    let rest = if n > SHOWN {
        format!("({} more, none larger; --json prints all)\n", n - SHOWN)
    } else {
        String::new()
    };
    format!("{}\n{}{rest}", heading(&title), table(&["index", "expected", "got", "error"], rows, 1))
}

/// An error that is not a number, where one side is infinite, is the largest.
fn larger_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    let size = |error: Option<f64>| error.unwrap_or(f64::INFINITY);
    size(b).total_cmp(&size(a))
}

fn row(difference: &Difference) -> Vec<String> {
    let index: String = difference.index.iter().map(|i| format!("[{i}]")).collect();
    let shown = |entry: &Option<Entry>| match entry {
        None => "null".to_owned(),
        Some(Entry::Number(x)) => significant(*x, 10),
        Some(Entry::Flag(flag)) => flag.to_string(),
        Some(Entry::Text(text)) => text.clone(),
    };
    let error = difference.error.map_or("-".to_owned(), |error| significant(error, 3));
    vec![index, shown(&difference.expected), shown(&difference.got), error]
}

fn explanation(verdict: &Verdict) -> String {
    if verdict.mistakes.is_empty() {
        return "No known mistake explains this.\n".to_owned();
    }
    let mut text = heading("Known mistakes that give these numbers, any one of them") + "\n";
    for (i, group) in verdict.mistakes.iter().enumerate() {
        let rows = group.iter().map(|id| vec![(*id).to_owned(), about(id).to_owned()]).collect();
        if i > 0 {
            text.push_str("or\n");
        }
        text.push_str(&table(&[], rows, 2));
    }
    text
}
