//! The test vectors: problems with answers from sources that share no code
//! with this crate, wrong answers with the mistake behind them, and invalid
//! problems with the place of the error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/files.rs"]
mod files;
#[path = "common/tolerances.rs"]
mod tolerances;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use files::{files, folder};
use pemdp::oracle::{Claimed, Tolerance, verify};
use pemdp::problem::{Problem, Reading};
use serde_json::Value;
use tolerances::SOLVED;

fn problem(value: &Value, reading: Reading) -> Problem {
    Problem::from_json(&value.to_string(), reading).unwrap_or_else(|error| panic!("{error}"))
}

/// All numbers of a nested value, in order; null for infinite ones.
fn numbers(value: &Value) -> Vec<Option<f64>> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(numbers).collect(),
        Value::Null => vec![None],
        number => vec![Some(number.as_f64().unwrap())],
    }
}

/// The leaves of a nested value as text.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(leaves).collect(),
        Value::Object(entries) => entries.values().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

const QUANTITIES: [&str; 5] = ["value", "state_values", "action_values", "occupancy", "gradient"];

#[test]
fn answers_are_reproduced_within_their_error_bounds() {
    let vectors = files("", "pemdp-vector/1");
    assert!(vectors.len() >= 30, "{} vectors", vectors.len());
    for (name, vector) in &vectors {
        let answer =
            problem(&vector["problem"], Reading::Doubles).answer().unwrap_or_else(|e| panic!("{name}: {e}"));
        let got = serde_json::to_value(&answer).unwrap();
        let compare = |got: &Value, expected: &Value, bound: f64, what: &str| {
            let (got, expected) = (numbers(got), numbers(expected));
            assert_eq!(got.len(), expected.len(), "{name}: {what}");
            for (i, (got, expected)) in got.into_iter().zip(expected).enumerate() {
                let (Some(got), Some(expected)) = (got, expected) else {
                    assert_eq!(got, expected, "{name}: {what}[{i}]");
                    continue;
                };
                // The vector holds the double nearest to the truth: half a step more.
                let step = expected.abs().next_up() - expected.abs();
                assert!(
                    (got - expected).abs() <= bound + step,
                    "{name}: {what}[{i}] is {got}, expected {expected} within {bound}"
                );
            }
        };
        let bound = |quantity: &str| got["error_bounds"][quantity].as_f64().unwrap();
        for quantity in QUANTITIES {
            compare(&got[quantity], &vector["answer"][quantity], bound(quantity), quantity);
            let largest = numbers(&got[quantity]).into_iter().flatten().fold(1.0, |m: f64, x| m.max(x.abs()));
            assert!(bound(quantity) <= 1e-6 * largest, "{name}: the bound of {quantity} says little");
        }
        for quantity in QUANTITIES {
            let tolerance = vector["tolerances"][quantity].as_f64().unwrap();
            let largest =
                |value: &Value| numbers(value).into_iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()));
            // To three digits.
            assert!(tolerance >= 0.99e-9 * largest(&vector["answer"][quantity]), "{name}: {quantity}");
            compare(&got[quantity], &vector["answer"][quantity], tolerance, quantity);
        }
        for term in ["policy", "transition", "reward", "entropy"] {
            let expected = &vector["answer"]["gradient_terms"][term];
            compare(&got["gradient_terms"][term], expected, bound("gradient"), term);
        }
        assert_eq!(got["smooth"], vector["answer"]["smooth"], "{name}: smooth");
    }
}

#[test]
fn exact_answers_are_reproduced_by_equality() {
    let vectors = files("", "pemdp-vector/1");
    let rational: Vec<_> = vectors.iter().filter(|(_, vector)| vector.get("exact").is_some()).collect();
    assert!(rational.len() >= 15, "{} rational vectors", rational.len());
    for (name, vector) in rational {
        let exact = problem(&vector["problem"], Reading::Exact).exact_answer();
        let got = serde_json::to_value(exact.unwrap_or_else(|e| panic!("{name}: {e}"))).unwrap();
        for quantity in QUANTITIES.into_iter().chain(["gradient_terms"]) {
            assert_eq!(leaves(&got[quantity]), leaves(&vector["exact"][quantity]), "{name}: {quantity}");
        }
    }
}

#[test]
fn right_answers_are_never_accused() {
    for (name, vector) in files("", "pemdp-vector/1") {
        let problem = problem(&vector["problem"], Reading::Doubles);
        let mut answer = vector["answer"].clone();
        answer["format"] = "pemdp-answer/1".into();
        let claimed =
            Claimed::from_json(&answer.to_string(), &problem).unwrap_or_else(|e| panic!("{name}: {e}"));
        let verdict = verify(&problem, &claimed, None, Tolerance::default()).unwrap();
        assert!(verdict.ok && verdict.mistakes.is_empty(), "{name}: {:?}", verdict.differences);
    }
}

/// Whatever the scale of the numbers: zeros, and numbers of the other sign.
#[test]
fn nothing_passes_for_being_small() {
    let mut refused = 0;
    for (name, vector) in files("", "pemdp-vector/1") {
        let problem = problem(&vector["problem"], Reading::Doubles);
        for quantity in QUANTITIES {
            let expected = &vector["answer"][quantity];
            if numbers(expected).into_iter().flatten().all(|x| x == 0.0)
                || expected.to_string().contains("null")
            {
                continue;
            }
            for factor in [0.0, -1.0] {
                let wrong =
                    serde_json::json!({"format": "pemdp-answer/1", quantity: scaled(expected, factor)});
                let claimed = Claimed::from_json(&wrong.to_string(), &problem).unwrap();
                let verdict = verify(&problem, &claimed, None, Tolerance::default()).unwrap();
                let is_open = quantity == "gradient" && is_stationary(&problem, &vector["answer"]);
                assert!(!verdict.ok || is_open, "{name}: {quantity} times {factor} is accepted");
                refused += usize::from(!verdict.ok);
            }
        }
    }
    assert!(refused > 900, "{refused}");
}

/// Nor because values are large: a state that is left for good at once, under a discount factor near 1.
#[test]
fn nothing_passes_for_a_long_horizon() {
    for gamma in ["0.999", "0.99999", "0.9999999", "0.999999999999"] {
        let text = format!(
            r#"{{"format": "pemdp-problem/1", "gamma": "{gamma}", "initial": [1, 0],
                "policy": {{"kind": "softmax", "logits": [[0, 0], [0, 0]]}},
                "environment": {{"kind": "fixed", "transitions": [[[0, 1], [0, 1]], [[0, 1], [0, 1]]],
                                 "rewards": [[1, 0], [1, 1]]}}}}"#
        );
        let problem = Problem::from_json(&text, Reading::Doubles).unwrap();
        let said = |gradient: [f64; 4]| {
            let answer = serde_json::json!({"format": "pemdp-answer/1", "gradient": gradient});
            let claimed = Claimed::from_json(&answer.to_string(), &problem).unwrap();
            verify(&problem, &claimed, None, Tolerance::default()).unwrap()
        };
        assert!(said([0.25, -0.25, 0.0, 0.0]).ok, "{gamma}");
        for wrong in [[0.0; 4], [-0.25, 0.25, 0.0, 0.0], [0.25025, -0.25025, 0.0, 0.0]] {
            assert!(!said(wrong).ok, "{gamma}: {wrong:?} is accepted");
        }
    }
}

/// What an evaluation in doubles gives is right, and where it is not, no mistake explains it.
#[test]
fn what_doubles_round_is_no_mistake() {
    let mut right = 0;
    for (name, vector) in files("", "pemdp-vector/1") {
        let problem = problem(&vector["problem"], Reading::Doubles);
        let (Ok(model), Ok(policy)) = (problem.model::<f64>(), problem.deployed_policy::<f64>()) else {
            continue;
        };
        let Ok(performance) = model.perform(&policy) else { continue };
        let gradient: Vec<Option<f64>> = (0..problem.n_parameters())
            .map(|k| {
                let terms = &performance.gradient;
                terms.policy[k].map(|p| p + terms.transition[k] + terms.reward[k] + terms.entropy[k])
            })
            .collect();
        if gradient.iter().flatten().any(|g| !g.is_finite()) || !performance.evaluation.value.is_finite() {
            continue;
        }
        let answer = serde_json::json!({
            "format": "pemdp-answer/1", "value": performance.evaluation.value, "gradient": gradient
        });
        let Ok(claimed) = Claimed::from_json(&answer.to_string(), &problem) else { continue };
        let verdict = verify(&problem, &claimed, None, Tolerance::default()).unwrap();
        assert!(verdict.ok || verdict.mistakes.is_empty(), "{name}: {:?}", verdict.mistakes);
        right += usize::from(verdict.ok);
    }
    assert!(right > 100, "{right}");
}

/// Values that an evaluation in doubles loses under such a discount factor are wrong, for no known mistake.
#[test]
fn a_long_horizon_is_no_mistake() {
    let text = r#"{"format": "pemdp-problem/1", "gamma": 0.999999999999, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0.1, 0.2], [0, 0.3]]},
        "environment": {"kind": "fixed", "transitions": [[[0.5, 0.5], [0.25, 0.75]], [[1, 0], [0, 1]]],
                        "rewards": [[1, 2], [1, -1]]}}"#;
    let rounded = r#"{"format": "pemdp-answer/1", "value": 525169399164.49805, "gradient": [-60664037820.14003, 60667363373.80077, 523309238823.7998, -523318757798.41296]}"#;
    let problem = Problem::from_json(text, Reading::Doubles).unwrap();
    let claimed = Claimed::from_json(rounded, &problem).unwrap();
    let verdict = verify(&problem, &claimed, None, Tolerance::default()).unwrap();
    assert!(!verdict.ok && verdict.mistakes.is_empty(), "{:?}", verdict.mistakes);
}

/// Whether the gradient is 0 as far as doubles tell: what the rounding of an optimum's parameters leaves, less than its
/// own error bound, or that of one probability, which cannot move.
fn is_stationary(problem: &Problem, answer: &Value) -> bool {
    let largest =
        |value: &Value| numbers(value).into_iter().flatten().fold(0.0, |most: f64, x| most.max(x.abs()));
    let terms = answer["gradient_terms"].as_object().unwrap().values().map(largest).fold(0.0, f64::max);
    let bound = problem.answer().unwrap().error_bounds.gradient;
    largest(&answer["gradient"]) <= bound.max(SOLVED * terms) || problem.n_actions() == 1
}

fn scaled(value: &Value, factor: f64) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(|entry| scaled(entry, factor)).collect(),
        number => (factor * number.as_f64().unwrap()).into(),
    }
}

/// Mistakes that give the same numbers on every problem.
const ALWAYS_TOGETHER: [&str; 3] =
    ["no-transition-term", "advantage-weighted-transition-score", "transition-score-one-step-late"];

/// How often a mistake is named on its vectors, and what beside it.
#[derive(Default)]
struct Naming {
    vectors: usize,
    alone: usize,
    beside: BTreeMap<String, usize>,
}

#[test]
fn known_mistakes_are_named() {
    let vectors = files("mistakes", "pemdp-mistake/1");
    let mut namings: BTreeMap<String, Naming> = BTreeMap::new();
    for (name, vector) in &vectors {
        let mistake = vector["mistake"].as_str().unwrap();
        let problem_json = &vector["problem"];
        let previous = &vector["previous"];
        let previous = (!previous.is_null()).then(|| problem(previous, Reading::Doubles));
        let problem = problem(problem_json, Reading::Doubles);
        let mut answer = vector["answer"].clone();
        answer["format"] = "pemdp-answer/1".into();
        let claimed =
            Claimed::from_json(&answer.to_string(), &problem).unwrap_or_else(|e| panic!("{name}: {e}"));
        let verdict = verify(&problem, &claimed, previous.as_ref(), Tolerance::default()).unwrap();
        assert!(!verdict.ok, "{name}: the mistake is told from the truth");
        let named = verdict.mistakes.concat();
        assert!(named.contains(&mistake), "{name}: {mistake} among {named:?}");
        let naming = namings.entry(mistake.to_owned()).or_default();
        naming.vectors += 1;
        let others: Vec<&str> = named.into_iter().filter(|id| *id != mistake).collect();
        naming.alone += usize::from(others.is_empty());
        for other in others {
            *naming.beside.entry(other.to_owned()).or_default() += 1;
        }
    }
    let mut table =
        "| mistake | vectors | named alone | named beside it, on so many |\n|---|---|---|---|\n".to_owned();
    for mistake in pemdp::oracle::KNOWN_MISTAKES {
        let naming = namings.remove(mistake.id).unwrap_or_default();
        let Naming { vectors, alone, beside } = naming;
        assert!(vectors >= 3, "{}: {vectors} vectors, expected 3", mistake.id);
        assert!(alone > 0 || ALWAYS_TOGETHER.contains(&mistake.id), "{}: never named alone", mistake.id);
        let beside: Vec<String> = beside.iter().map(|(id, count)| format!("`{id}` {count}")).collect();
        writeln!(table, "| `{}` | {vectors} | {alone} | {} |", mistake.id, beside.join(", ")).unwrap();
    }
    documented("mistakes.md", "confusion", &table);
}

/// Holds a generated part of a document against what it is generated from; writes it with
/// `UPDATE_DOCS=1`.
fn documented(name: &str, part: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part}: generated -->\n"), format!("<!-- {part}: end -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{name} has no {begin}"));
    let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{name} has no {end}"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert!(found == expected, "{name}: {part} is stale; UPDATE_DOCS=1 cargo test --test vectors");
    }
}

#[test]
fn invalid_problems_are_refused_at_the_place() {
    let index = std::fs::read(folder("invalid").join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index.as_array().unwrap();
    assert!(entries.len() >= 40);
    let mut wrong = Vec::new();
    for entry in entries {
        let name = entry["file"].as_str().unwrap();
        let bytes = std::fs::read(folder("invalid").join(name)).unwrap();
        let error = match Problem::from_bytes(&bytes, Reading::Doubles) {
            Ok(_) => panic!("{name} is accepted"),
            Err(error) => error.to_string(),
        };
        assert!(!error.contains('\n'), "{name}: one line: {error}");
        // An element inside the place is as good, and so are the places in `also`.
        let Some(path) = entry["path"].as_str() else { continue };
        let also = entry["also"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let at = |path: &str| error.strip_prefix(path).is_some_and(|rest| rest.starts_with([':', '.', '[']));
        if !std::iter::once(path).chain(also).any(at) {
            wrong.push(format!("{name}: {path}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
