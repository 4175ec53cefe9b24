//! A verdict for people.

use std::cmp::Ordering;

use pemdp::oracle::{
    Combination, Diagnosis, Difference, Direction, Doubt, Entry, Evidence, KNOWN_MISTAKES, Rare,
    Rearrangement, Sampling, Standing, Tolerance, TooNear, Undecided, Verdict,
};
use pemdp::problem::{Names, Problem};

use crate::numbers::significant;
use crate::output::heading;
use crate::table::{table, wrapped};

/// So many differences of a quantity are shown.
const SHOWN: usize = 12;

/// What a mistake is, in a line.
fn about(id: &str) -> &'static str {
    KNOWN_MISTAKES.iter().find(|mistake| mistake.id == id).map_or("", |mistake| mistake.about)
}

/// An index as it is written in a path.
fn place(index: &[usize]) -> String {
    index.iter().map(|i| format!("[{i}]")).collect()
}

/// The same with the names of the state and action that it is of.
fn named_place(problem: &Problem, quantity: &str, index: &[usize]) -> String {
    let of_parameter = |k: usize| match problem.policy().features() {
        None => vec![k / problem.n_actions(), k % problem.n_actions()],
        Some(_) => Vec::new(),
    };
    let pair = match (quantity, index) {
        (quantity, [k]) if quantity.starts_with("gradient") => of_parameter(*k),
        ("state_values" | "action_values" | "occupancy", _) => index.to_vec(),
        _ => Vec::new(),
    };
    let Names { states, actions } = problem.names();
    let of = |(i, names): (&usize, &Vec<String>)| names.get(*i).cloned();
    let names: Vec<String> = pair.iter().zip([states, actions]).filter_map(of).collect();
    let place = place(index);
    if names.is_empty() { place } else { format!("{place} {}", names.join(", ")) }
}

/// The report of a verdict.
pub fn verdict_table(problem: &Problem, verdict: &Verdict, tolerance: Tolerance) -> String {
    let mut sections = Vec::new();
    if verdict.ok {
        let Tolerance { rtol, atol, .. } = tolerance;
        let tolerances = format!("(rtol {rtol:e}, atol {atol:e})");
        sections.push(match &verdict.sampling {
            None => format!("right: every number given is within its tolerance {tolerances}\n"),
            Some(sampling) => format!(
                "consistent: no sampled entry is more than {} standard errors off, and every other number within its \
                 tolerance {tolerances}\n",
                significant(sampling.threshold, 4)
            ),
        });
    } else if verdict.differences.is_empty() {
        sections.push("cannot tell: the standard errors are too large for what they are of\n".to_owned());
    } else {
        sections.extend(
            verdict.differences.chunk_by(|a, b| a.quantity == b.quantity).map(|all| quantity(problem, all)),
        );
        sections.push(explanation(problem, verdict));
    }
    sections.extend(verdict.sampling.as_ref().map(sampling));
    let by_reason = verdict.undecided.chunk_by(|a, b| (a.quantity, a.why) == (b.quantity, b.why));
    sections.extend(by_reason.map(|entries| undecided(problem, entries)));
    sections.join("\n")
}

/// Entries of one quantity of which nothing is told, for one reason.
fn undecided(problem: &Problem, entries: &[Undecided]) -> String {
    let Some(Undecided { quantity, why, .. }) = entries.first() else { return String::new() };
    let n = entries.len();
    let title = match why {
        Doubt::Sampling => {
            format!(
                "{quantity}: standard errors so large that 0 would pass in the place of {n} of its entries"
            )
        }
        Doubt::Rounding => {
            format!("{quantity}: {n} of its entries are only held to what doubles may round here")
        }
    };
    let samples = |entry: &Undecided| match (entry.needed, entry.times) {
        (Some(needed), _) => needed.to_string(),
        (None, Some(times)) => format!("{} times as large", significant(times, 3)),
        (None, None) => "none".to_owned(),
    };
    let row = |entry: &Undecided| {
        let mut row = vec![
            named_place(problem, entry.quantity, &entry.index),
            significant(entry.size, 3),
            significant(entry.tolerance, 3),
        ];
        row.extend((entry.why == Doubt::Sampling).then(|| samples(entry)));
        row
    };
    let rows = entries.iter().take(SHOWN).map(row).collect();
    let (headings, advice): (&[&str], _) = match why {
        Doubt::Sampling => (&["index", "size", "may be off by", "n that would tell"], ""),
        Doubt::Rounding => (
            &["index", "size", "may be off by"],
            "Whatever is that near passes; fractions or decimals as text are compared without rounding.\n",
        ),
    };
    let rest = if n > SHOWN { format!("({} more; --json prints all)\n", n - SHOWN) } else { String::new() };
    format!("{}\n{}{rest}{advice}", heading(&title), table(headings, rows, 1))
}

/// The differences of one quantity, largest first.
fn quantity(problem: &Problem, differences: &[Difference]) -> String {
    let Some(Difference { quantity, tolerance, .. }) = differences.first() else { return String::new() };
    let mut sorted: Vec<&Difference> = differences.iter().collect();
    sorted.sort_by(|a, b| larger_first(a.error, b.error));
    let rows = sorted.iter().take(SHOWN).map(|difference| row(problem, difference)).collect();
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

fn row(problem: &Problem, difference: &Difference) -> Vec<String> {
    let shown = |entry: &Option<Entry>| match entry {
        None => "null".to_owned(),
        Some(Entry::Number(x)) => significant(*x, 10),
        Some(Entry::Flag(flag)) => flag.to_string(),
        Some(Entry::Text(text)) => text.clone(),
    };
    let error = difference.error.map_or("-".to_owned(), |error| significant(error, 3));
    vec![
        named_place(problem, difference.quantity, &difference.index),
        shown(&difference.expected),
        shown(&difference.got),
        error,
    ]
}

fn explanation(problem: &Problem, verdict: &Verdict) -> String {
    let mut text = String::new();
    let mut evidence = verdict.evidence.iter();
    if !verdict.mistakes.is_empty() {
        let within = if verdict.sampling.is_some() { " within their standard errors" } else { "" };
        text +=
            &(heading(&format!("Known mistakes that give these numbers{within}, any one of them")) + "\n");
    } else if !verdict.pairs.is_empty() {
        text += &(heading("Pairs of known mistakes that give these numbers together") + "\n");
    }
    let described = |id: &str| vec![id.to_owned(), about(id).to_owned()];
    let mut groups = Vec::new();
    groups.extend(verdict.mistakes.iter().map(|group| group.iter().map(|id| described(id)).collect()));
    for group in &verdict.pairs {
        let rows =
            group.iter().flat_map(|[a, b]| [described(a), vec![format!("and {b}"), about(b).to_owned()]]);
        groups.push(rows.collect());
    }
    for (i, rows) in groups.into_iter().enumerate() {
        if i > 0 {
            text.push_str("or\n");
        }
        text.push_str(&table(&[], rows, 2));
        if let Some(evidence) = evidence.next() {
            text.push_str(&fit(evidence));
        }
    }
    if let Some(diagnosis) = &verdict.diagnosis {
        text += "No known mistake explains this.\n";
        text += &findings(problem, diagnosis);
    }
    text
}

/// How well an explanation fits, in a line.
fn fit(evidence: &Evidence) -> String {
    let only = if evidence.only.is_empty() {
        String::new()
    } else {
        format!("in {} only, ", evidence.only.join(" and "))
    };
    let steps = evidence.count.map_or(String::new(), |count| format!("with {count} sweeps or steps, "));
    let rounded = evidence.rounded.as_ref().map_or(String::new(), |rounded| format!("{rounded}, "));
    format!(
        "{only}{steps}{rounded}within {} tolerances of what is given; the truth is {} away\n",
        significant(evidence.residual, 2),
        significant(evidence.error, 2)
    )
}

/// What is known of an answer that nothing explains.
fn findings(problem: &Problem, diagnosis: &Diagnosis) -> String {
    let mut lines = vec![heading("What is known of it")];
    lines.extend(diagnosis.remarks.iter().cloned());
    for standing in &diagnosis.quantities {
        let Standing { quantity, entries, wrong, first, ratio, offset, is, rearranged } = standing;
        let mut line = match (wrong, first) {
            (0, _) | (_, None) => format!("{quantity}: right"),
            (_, Some(first)) => {
                let first = named_place(problem, quantity, first);
                let first = if first.is_empty() { first } else { format!(", the first {first}") };
                format!("{quantity}: {wrong} of {entries} wrong{first}")
            }
        };
        if let Some(is) = is {
            line += &format!("; it is the exact {is}");
        }
        match ratio {
            None => {}
            Some(0.0) => line += "; each is 0",
            Some(-1.0) => line += "; each has the other sign",
            Some(ratio) => line += &format!("; each is {} times the exact one", significant(*ratio, 10)),
        }
        if let Some(offset) = offset {
            line += &format!("; each is the exact one and {} more", significant(*offset, 10));
        }
        if let Some(rearranged) = rearranged {
            line += &format!("; {}", order(rearranged));
        }
        lines.push(line);
    }
    if let Some(Direction { cosine, degrees, combination }) = &diagnosis.gradient {
        let angle = format!("cosine {}, {} degrees", significant(*cosine, 6), significant(*degrees, 4));
        lines.push(format!("gradient against the exact one: {angle}"));
        if let Some(combination) = combination {
            lines.push(combined(combination));
        }
    }
    lines.iter().map(|line| wrapped(line, 2) + "\n").collect()
}

fn order(rearranged: &Rearrangement) -> String {
    let (what, order) = match rearranged {
        Rearrangement::ActionMajor => return "the exact entries by action, then by state".to_owned(),
        Rearrangement::States(order) => ("states", order),
        Rearrangement::Actions(order) => ("actions", order),
        Rearrangement::Entries(order) => ("entries", order),
    };
    let mut order: Vec<String> = order.iter().map(usize::to_string).collect();
    if order.len() > SHOWN {
        order.truncate(SHOWN);
        order.push("...".to_owned());
    }
    format!("the exact entries with their {what} in the order {}", order.join(" "))
}

fn combined(combination: &Combination) -> String {
    let Combination { policy, transition, reward, entropy, residual, explains, joint } = combination;
    let named = [("policy", policy), ("transition", transition), ("reward", reward), ("entropy", entropy)];
    let terms = named.into_iter().filter_map(|(name, x)| Some(format!("{} {name}", significant((*x)?, 6))));
    let sum = terms.collect::<Vec<_>>().join(" + ");
    if *explains {
        let joint = if *joint {
            "; transition and reward are multiples of each other here, other coefficients of the two add up to the same"
        } else {
            ""
        };
        format!("gradient: this is {sum} of the exact terms{joint}")
    } else {
        format!(
            "gradient: no combination of the exact terms; the nearest is {sum}, which leaves {} of it",
            significant(*residual, 3)
        )
    }
}

/// How a sampled answer was judged.
fn sampling(sampling: &Sampling) -> String {
    let Sampling {
        level,
        entries,
        threshold,
        largest_z,
        mean_square_z,
        needed,
        power,
        visible_bias,
        too_near,
        rare,
    } = sampling;
    let seen = visible_bias.map_or(String::new(), |bias| {
        format!("With this n a bias of {} standard deviations shows likewise.\n", significant(bias, 3))
    });
    let rarely = rare.as_ref().map_or(String::new(), |Rare { quantity, index, visits }| {
        format!(
            "The pair {} of {quantity} is visited about {} times by so many samples: errors of so few visits are not normal, and \
             right estimates may be refused.\n",
            place(index),
            significant(*visits, 2)
        )
    });
    let near = too_near.as_ref().map_or(String::new(), |near| {
        let TooNear { probability, mean_square_z_of_deviations } = near;
        let of_deviations = mean_square_z_of_deviations.map_or(String::new(), |x| {
            format!(" Divided by the root of n they have the mean square {}.", significant(x, 3))
        });
        format!(
            "The errors are much smaller than the standard errors given: unbiased estimates are so near with probability \
             {} at most. Are these standard deviations (a factor sqrt(n))?{of_deviations}\n",
            significant(*probability, 2)
        )
    });
    let text = format!(
        "{entries} sampled entries, at most {} standard errors off at level {level}; the largest distance is {}, \
         the mean square {}.\nn = {needed} shows a bias of a tenth of a standard deviation with probability {power}.\n{seen}{rarely}{near}",
        significant(*threshold, 4),
        significant(*largest_z, 4),
        significant(*mean_square_z, 3),
    );
    heading("Sampled entries") + "\n" + &text.lines().map(|line| wrapped(line, 0) + "\n").collect::<String>()
}
