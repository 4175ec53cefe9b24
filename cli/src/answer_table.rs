//! An answer for people.

use std::fmt::Write;

use anyhow::Context;
use pemdp::environments::{EnvironmentSpec, Structure};
use pemdp::oracle::{Answer, Covers, ExactAnswer, KinkReport};
use pemdp::problem::{Names, Problem};

use crate::numbers::{angle, bound_above, double_near, fraction, largest, norm, numeral, significant};
use crate::output::heading;
use crate::table::{keyed_table, table, wrapped};

/// Tables by state stop after so many states.
const STATES_SHOWN: usize = 20;
/// Tables by state and action, or by parameter, stop after so many rows.
const ROWS_SHOWN: usize = 80;
/// So many kinks are listed.
const KINKS_SHOWN: usize = 3;
/// Significant digits in tables.
const DIGITS: usize = 6;

/// A number of an answer: how it is shown, and a double near it.
#[derive(Debug, Clone)]
pub struct Number {
    short: String,
    full: String,
    double: f64,
}

impl From<&f64> for Number {
    fn from(x: &f64) -> Self {
        Self { short: significant(*x, DIGITS), full: format!("{x:?}"), double: *x }
    }
}

impl From<&String> for Number {
    fn from(text: &String) -> Self {
        let shown = fraction(text);
        Self { short: shown.clone(), full: shown, double: double_near(text) }
    }
}

/// What the table shows of an answer in doubles or fractions. Where an entry is
/// infinite there is no number.
pub struct Shown {
    value: Number,
    state_values: Vec<Number>,
    action_values: Vec<Vec<Option<Number>>>,
    occupancy: Vec<Vec<Number>>,
    gradient: Vec<Option<Number>>,
    policy: Vec<Option<Number>>,
    transition: Vec<Number>,
    reward: Vec<Number>,
    entropy: Vec<Number>,
    bounds: Bounds,
    kinks: Vec<KinkReport>,
    is_exact: bool,
}

/// Error bounds, 0 for fractions.
struct Bounds {
    value: f64,
    state_values: f64,
    action_values: f64,
    occupancy: f64,
    gradient: f64,
    covers: Covers,
}

fn numbers<'a, N>(entries: &'a [N]) -> Vec<Number>
where
    Number: From<&'a N>,
{
    entries.iter().map(Number::from).collect()
}

fn optional_numbers<'a, N>(entries: &'a [Option<N>]) -> Vec<Option<Number>>
where
    Number: From<&'a N>,
{
    entries.iter().map(|entry| entry.as_ref().map(Number::from)).collect()
}

macro_rules! shown_from {
    ($answer:ty, $is_exact:literal) => {
        impl From<&$answer> for Shown {
            fn from(answer: &$answer) -> Self {
                let bounds = &answer.error_bounds;
                let double = |bound| Number::from(bound).double;
                Self {
                    value: Number::from(&answer.value),
                    state_values: numbers(&answer.state_values),
                    action_values: answer.action_values.iter().map(|row| optional_numbers(row)).collect(),
                    occupancy: answer.occupancy.iter().map(|row| numbers(row)).collect(),
                    gradient: optional_numbers(&answer.gradient),
                    policy: optional_numbers(&answer.gradient_terms.policy),
                    transition: numbers(&answer.gradient_terms.transition),
                    reward: numbers(&answer.gradient_terms.reward),
                    entropy: numbers(&answer.gradient_terms.entropy),
                    bounds: Bounds {
                        value: double(&bounds.value),
                        state_values: double(&bounds.state_values),
                        action_values: double(&bounds.action_values),
                        occupancy: double(&bounds.occupancy),
                        gradient: double(&bounds.gradient),
                        covers: bounds.covers,
                    },
                    kinks: answer.kink.clone(),
                    is_exact: $is_exact,
                }
            }
        }
    };
}

shown_from!(Answer, false);
shown_from!(ExactAnswer, true);

/// The report of an answer.
///
/// # Errors
/// None for a problem that has an answer.
pub fn answer_table(problem: &Problem, answer: &Shown) -> anyhow::Result<String> {
    let policy = problem.probabilities().context("policy")?;
    let probabilities = probabilities(problem, answer, &policy)?;
    let columns = match problem.structure() {
        Structure::Followers(world) => Some(world.columns),
        _ => None,
    };
    let mut sections = vec![summary(problem, answer), gradient(answer), printed_theorem(problem, answer)];
    if let Some(columns) = columns {
        sections.push(value_grid(answer, columns));
        sections.push(action_grid(&policy, problem.n_actions(), columns));
        sections.push(note("Occupancies, action values and the gradient by entry: --json"));
    } else {
        sections.push(by_state(problem, answer));
        sections.push(by_state_and_action(problem, answer, &probabilities));
        if problem.policy().features().is_some() {
            sections.push(by_parameter(answer));
        }
    }
    Ok(sections.join("\n"))
}

/// `pi(a|s)` at `s A + a`, as fractions beside fractions.
fn probabilities(problem: &Problem, answer: &Shown, policy: &[f64]) -> anyhow::Result<Vec<Number>> {
    if !answer.is_exact {
        return Ok(numbers(policy));
    }
    let n_actions = problem.n_actions();
    let all = (0..policy.len()).map(|i| (i / n_actions, i % n_actions));
    let (_, policy) = problem.rational_model()?;
    Ok(all.map(|(s, a)| Number::from(&policy.probability(s, a).to_string())).collect())
}

fn summary(problem: &Problem, answer: &Shown) -> String {
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let bounds = &answer.bounds;
    let rows = vec![
        row("environment", environment(problem.environment())),
        row(
            "size",
            format!(
                "{}, {}, {}",
                count(problem.n_states(), "state"),
                count(problem.n_actions(), "action"),
                count(problem.n_parameters(), "parameter")
            ),
        ),
        row("policy", problem.policy().kind().to_owned()),
        row("gamma", numeral(problem.gamma())),
        row("entropy", numeral(problem.entropy())),
        row("value", format!("{}{}", answer.value.full, plus_minus(answer, bounds.value))),
        row("response", response(problem.names(), &answer.kinks)),
        row("error bounds", error_bounds(answer)),
    ];
    let covers = match (answer.is_exact, bounds.covers) {
        (true, _) => "",
        (false, Covers::Problem) => "from the exact answer of the problem as given",
        (false, Covers::InducedMdp) => {
            "from the exact answer of the induced MDP, with the best responses that were chosen at ties"
        }
    };
    let rows = rows.into_iter().chain((!covers.is_empty()).then(|| row("", covers.to_owned()))).collect();
    table(&[], rows, 2)
}

/// `3 states`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn plus_minus(answer: &Shown, bound: f64) -> String {
    if answer.is_exact { " (exact)".to_owned() } else { format!(" ± {}", bound_above(bound)) }
}

fn environment(environment: &EnvironmentSpec) -> String {
    let settings = environment.summary(&numeral);
    let settings = if settings.is_empty() { settings } else { format!(" ({settings})") };
    format!("{}{settings}", environment.kind())
}

fn response(names: &Names, kinks: &[KinkReport]) -> String {
    if kinks.is_empty() {
        return "differentiable here".to_owned();
    }
    let mut text =
        format!("not differentiable here: {}; the gradient is of one choice", count(kinks.len(), "kink"));
    for kink in kinks.iter().take(KINKS_SHOWN) {
        text.push('\n');
        text.push_str(&match kink {
            KinkReport::Tie { follower, state, actions, gap } => {
                let actions: Vec<String> = actions.iter().map(usize::to_string).collect();
                let state = names.state(*state);
                format!(
                    "follower {follower}, state {state}: actions {} tie, gap {}",
                    actions.join(", "),
                    bound_above(*gap)
                )
            }
            KinkReport::Clip { clip: [s, a] } => {
                let (state, action) = (names.state(*s), names.action(*a));
                format!("the reward of state {state}, action {action} is on its clip")
            }
            KinkReport::Corner { formula } => {
                format!("a minimum, maximum or absolute value of {formula} is at its corner")
            }
        });
    }
    if kinks.len() > KINKS_SHOWN {
        let _ = write!(text, "\n({} more)", kinks.len() - KINKS_SHOWN);
    }
    text
}

fn error_bounds(answer: &Shown) -> String {
    if answer.is_exact {
        return "0: every number is exact, printed in lowest terms".to_owned();
    }
    let Bounds { state_values, action_values, occupancy, gradient, .. } = answer.bounds;
    let [v, q, d, gradient] = [state_values, action_values, occupancy, gradient].map(bound_above);
    format!("V {v}, Q {q}, d {d} (1-norm), gradient {gradient}")
}

/// The doubles of a gradient; `None` if an entry is infinite.
fn doubles(entries: &[Option<Number>]) -> Option<Vec<f64>> {
    entries.iter().map(|entry| entry.as_ref().map(|number| number.double)).collect()
}

fn all_doubles(entries: &[Number]) -> Vec<f64> {
    entries.iter().map(|number| number.double).collect()
}

fn gradient(answer: &Shown) -> String {
    let row = |name: &str, entries: Option<Vec<f64>>| {
        let shown = |size: fn(&[f64]) -> f64| {
            entries.as_deref().map_or("infinite".to_owned(), |entries| significant(size(entries), DIGITS))
        };
        vec![name.to_owned(), shown(norm), shown(largest)]
    };
    let rows = vec![
        row("policy", doubles(&answer.policy)),
        row("transition", Some(all_doubles(&answer.transition))),
        row("reward", Some(all_doubles(&answer.reward))),
        row("entropy", Some(all_doubles(&answer.entropy))),
        row("gradient", doubles(&answer.gradient)),
    ];
    let bound = if answer.is_exact {
        String::new()
    } else {
        format!(", each entry ± {}", bound_above(answer.bounds.gradient))
    };
    let title = heading(&format!("Gradient by term{bound}"));
    format!("{title}\n{}", table(&["term", "2-norm", "largest entry"], rows, 1))
}

/// The gradient that the printed Theorem 2 gives: its transition term has
/// expectation 0.
fn printed_gradient(answer: &Shown) -> Option<Vec<f64>> {
    let policy = doubles(&answer.policy)?;
    let others = all_doubles(&answer.reward).into_iter().zip(all_doubles(&answer.entropy));
    Some(policy.iter().zip(others).map(|(policy, (reward, entropy))| policy + reward + entropy).collect())
}

/// The entries without each state's mean, which no normalised policy can move
/// along.
fn centred(entries: &[f64], width: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        row.iter().map(|x| x - mean).collect::<Vec<_>>()
    };
    entries.chunks(width).flat_map(row).collect()
}

fn printed_theorem(problem: &Problem, answer: &Shown) -> String {
    let title = heading("Printed Theorem 2 [PePG] against the gradient");
    let meaning = note("Its transition term has expectation 0: what it gives is policy + reward + entropy.");
    let (Some(truth), Some(printed)) = (doubles(&answer.gradient), printed_gradient(answer)) else {
        return format!("{title}\n{meaning}An entry of the gradient is infinite: no comparison.\n");
    };
    let is_unconstrained = problem.policy().is_unconstrained();
    let form = |entries: &[f64]| {
        if is_unconstrained { centred(entries, problem.n_actions()) } else { entries.to_vec() }
    };
    let (truth, printed, transition) = (form(&truth), form(&printed), form(&all_doubles(&answer.transition)));
    let mut text = format!("{title}\n{meaning}");
    if is_unconstrained {
        let how = "Compared after subtracting each state's mean: the parameters are probabilities.";
        text.push_str(&note(how));
    }
    text.push_str(&table(&[], gap(&truth, &printed, &transition), 1));
    text
}

/// How far the printed gradient is from the true one, which is their transition
/// term.
fn gap(truth: &[f64], printed: &[f64], transition: &[f64]) -> Vec<Vec<String>> {
    let (size, off) = (norm(truth), norm(transition));
    let relative = if size > 0.0 { significant(off / size, DIGITS) } else { "the gradient is 0".to_owned() };
    let (cosine, degrees) = match angle(truth, printed) {
        Some(angle) => {
            (significant(angle.cos(), DIGITS), format!("{}°", significant(angle.to_degrees(), DIGITS)))
        }
        None if size > 0.0 => ("the printed one is 0".to_owned(), "none".to_owned()),
        None => ("the gradient is 0".to_owned(), "none".to_owned()),
    };
    let rows = [
        ("norm of the difference", significant(off, DIGITS)),
        ("relative to the gradient", relative),
        ("cosine", cosine),
        ("angle", degrees),
    ];
    rows.into_iter().map(|(name, text)| vec![name.to_owned(), text]).collect()
}

/// A sentence on lines of its own.
fn note(text: &str) -> String {
    wrapped(text, 0) + "\n"
}

fn value_grid(answer: &Shown, columns: usize) -> String {
    let numbers: Vec<String> = (0..columns).map(|column| column.to_string()).collect();
    let header: Vec<&str> = std::iter::once("").chain(numbers.iter().map(String::as_str)).collect();
    let row = |(number, row): (usize, &[Number])| {
        std::iter::once(number.to_string()).chain(row.iter().map(|v| format!("{:.4}", v.double))).collect()
    };
    let rows = answer.state_values.chunks(columns).enumerate().map(row).collect();
    format!("{}\n{}", heading("State values by row and column"), table(&header, rows, 0))
}

fn action_grid(policy: &[f64], n_actions: usize, columns: usize) -> String {
    let cells: Vec<String> = policy.chunks(n_actions).map(most_probable_moves).collect();
    let rows = cells.chunks(columns).map(<[String]>::to_vec).collect();
    format!("{}\n{}", heading("Most probable actions (· all alike)"), keyed_table(&[], rows, 0, 0))
}

fn most_probable_moves(policy: &[f64]) -> String {
    const ARROWS: [char; 4] = ['←', '→', '↑', '↓'];
    let largest = policy.iter().copied().fold(0.0, f64::max);
    let best: Vec<usize> = (0..policy.len()).filter(|&a| policy[a] == largest).collect();
    if best.len() == policy.len() {
        return "·".to_owned();
    }
    best.into_iter().filter_map(|a| ARROWS.get(a)).collect()
}

/// What a table leaves out.
fn rest(shown: usize, all: usize, what: &str) -> String {
    if shown >= all {
        return String::new();
    }
    format!("({} more of {all} {what}; --json prints all)\n", all - shown)
}

fn by_state(problem: &Problem, answer: &Shown) -> String {
    let n = answer.state_values.len();
    let occupancy = |s: usize| match answer.occupancy[s].as_slice() {
        [only] => only.short.clone(),
        row => {
            let sum = row.iter().map(|d| d.double).sum();
            format!("{}{}", if answer.is_exact { "≈ " } else { "" }, significant(sum, DIGITS))
        }
    };
    let row = |s: usize| vec![problem.names().state(s), answer.state_values[s].short.clone(), occupancy(s)];
    let shown = n.min(STATES_SHOWN);
    let table = table(&["s", "V[s]", "d[s]"], (0..shown).map(row).collect(), 0);
    format!("{}\n{table}{}", heading("By state"), rest(shown, n, "states"))
}

/// An entry that may be infinite.
fn short(entry: Option<&Number>) -> String {
    entry.map_or("infinite".to_owned(), |number| number.short.clone())
}

fn by_state_and_action(problem: &Problem, answer: &Shown, probabilities: &[Number]) -> String {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let has_entries = problem.policy().features().is_none();
    let row = |i: usize| {
        let (s, a) = (i / n_actions, i % n_actions);
        let mut row = vec![
            problem.names().state(s),
            problem.names().action(a),
            probabilities[i].short.clone(),
            short(answer.action_values[s][a].as_ref()),
            answer.occupancy[s][a].short.clone(),
        ];
        if has_entries {
            row.push(short(answer.gradient[i].as_ref()));
        }
        row
    };
    let shown = (n_states.min(STATES_SHOWN) * n_actions).min(ROWS_SHOWN);
    let header = ["s", "a", "π(a|s)", "Q[s,a]", "d[s,a]", "gradient"];
    let table = keyed_table(&header[..5 + usize::from(has_entries)], (0..shown).map(row).collect(), 0, 2);
    let rest = rest(shown, n_states * n_actions, "rows");
    format!("{}\n{table}{rest}", heading("By state and action"))
}

fn by_parameter(answer: &Shown) -> String {
    let n = answer.gradient.len();
    let shown = n.min(ROWS_SHOWN);
    let row = |k: usize| vec![k.to_string(), short(answer.gradient[k].as_ref())];
    let table = table(&["k", "gradient"], (0..shown).map(row).collect(), 0);
    format!("{}\n{table}{}", heading("By parameter"), rest(shown, n, "parameters"))
}
