//! Mistakes and diagnoses where little tells them apart: terms that depend on each other,
//! counts of many sweeps, readings that coincide, ends that respond, problems beyond doubles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/verdicts.rs"]
mod verdicts;

use pemdp::oracle::KNOWN_MISTAKES;
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};
use verdicts::{held, swept};

fn read(value: Value) -> Problem {
    Problem::from_json(&value.to_string(), Reading::Doubles).unwrap()
}

/// One state that is never left.
fn one_state(gamma: &str, policy: Value, rewards: [f64; 3], reward_slopes: Value) -> Problem {
    read(json!({
        "format": "pemdp-problem/1", "gamma": gamma, "initial": [1], "policy": policy,
        "environment": {"kind": "affine", "transitions": [[[1], [1], [1]]], "rewards": [rewards],
                        "transition_slopes": [], "reward_slopes": reward_slopes}
    }))
}

fn softmax() -> Value {
    json!({"kind": "softmax", "logits": [[0.5, 0, 0.25]]})
}

/// With `dr(s,a)/dpi(b|s) = r(s,b)` the policy and the reward term are multiples.
#[test]
fn terms_that_depend_on_each_other_are_no_combination() {
    let combination = |reward_slopes: Value| {
        let problem = one_state("0.5", softmax(), [1.0, 3.0, -2.0], reward_slopes);
        held(&problem, json!({"gradient": [0.3, 0.9, 0.4]})).diagnosis.unwrap().gradient.unwrap().combination
    };
    let all = |slopes: [f64; 3]| -> Value {
        (0..3).flat_map(|a| (0..3).map(move |b| json!([0, a, 0, b, slopes[b]]))).collect()
    };
    assert_eq!(combination(all([1.0, 3.0, -2.0])), None);
    // Two that do not depend on each other, of three entries, are one.
    let found = combination(all([1.0, 3.0, 2.0])).unwrap();
    assert!(found.policy.is_some() && found.reward.is_some() && !found.explains);
    assert_eq!((found.transition, found.entropy), (None, None));
}

/// As many terms as entries, here one, fit anything.
#[test]
fn one_entry_is_no_combination() {
    let policy = json!({"kind": "log-linear", "theta": [0.5], "features": [[[1], [2], [-1]]]});
    let problem = one_state("0.5", policy, [1.0, 3.0, -2.0], json!([]));
    let gradient = problem.answer().unwrap().gradient[0].unwrap();
    let verdict = held(&problem, json!({"gradient": [1.7 * gradient]}));
    let direction = verdict.diagnosis.unwrap().gradient.unwrap();
    assert!((direction.cosine - 1.0).abs() < 1e-12 && direction.degrees < 1e-4);
    assert_eq!(direction.combination, None);
}

/// Values of 5, and those after one sweep more or less, are within 1e-5 of them by then.
#[test]
fn many_sweeps_are_counted_to_the_last() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0]]},
        "environment": {"kind": "fixed", "rewards": [[0.25, 0.5], [0.75, 0.5]],
            "transitions": [[[0.5, 0.5], [1, 0]], [[0.25, 0.75], [0, 1]]]}
    }));
    for sweeps in [75, 105] {
        let values = swept(&problem, sweeps);
        let value = 0.5 * (values[0] + values[1]);
        for claim in [json!({"state_values": values}), json!({"value": value})] {
            let verdict = held(&problem, claim);
            assert_eq!(verdict.mistakes[0], ["sweeps-stopped-early"], "{sweeps}");
            assert_eq!(verdict.evidence[0].count, Some(sweeps));
        }
    }
}

/// In a single state sweeps in place are the others, too.
#[test]
fn readings_that_coincide_name_a_mistake_once() {
    let problem = one_state("0.5", softmax(), [1.0, 3.0, -2.0], json!([]));
    let value = problem.answer().unwrap().value * (1.0 - 0.5f64.powi(5));
    let verdict = held(&problem, json!({"value": value}));
    assert_eq!((&verdict.mistakes[0], verdict.evidence[0].count), (&vec!["sweeps-stopped-early"], Some(5)));
    let named = verdict.mistakes.iter().flatten().filter(|id| **id == "sweeps-stopped-early");
    assert_eq!((named.count(), verdict.evidence.len()), (1, verdict.mistakes.len()));
}

/// The last of three states is never left and pays what the first decides: an answer that
/// ends there is that of the same problem where it pays nothing.
#[test]
fn ends_that_respond_are_taken_for_terminal() {
    let problem = |end: f64| {
        let rows = |t: [[f64; 3]; 2]| json!([t[0], t[1]]);
        read(json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.75, 0.25, 0],
            "policy": {"kind": "softmax", "logits": [[0.5, 0], [0, 1], [0.25, 0]]},
            "environment": {"kind": "affine", "rewards": [[1, 2], [3, -1], [2.0 * end, 3.0 * end]],
                "transitions": [rows([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]),
                                rows([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]),
                                rows([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])],
                "transition_slopes": [[0, 0, 0, 1, 0, -0.25], [0, 0, 1, 1, 0, 0.25]],
                "reward_slopes": [[0, 0, 1, 0, 1.5], [1, 1, 0, 1, -2],
                                  [2, 0, 0, 0, 4.0 * end], [2, 1, 1, 1, -3.0 * end]]}
        }))
    };
    let (whole, ended) = (problem(1.0), problem(0.0).answer().unwrap());
    let verdict = held(&whole, json!({"value": ended.value, "gradient": ended.gradient}));
    assert_eq!(verdict.mistakes, [["absorbing-taken-for-terminal"]]);
}

/// `gamma = 1 - 1e-19` is 1 in doubles: no mistakes are made, but answers are judged.
#[test]
fn answers_beyond_doubles_are_judged() {
    let problem = one_state("0.9999999999999999999", softmax(), [1.0, 1.0, 1.0], json!([]));
    let right = held(&problem, json!({"value": 1e19}));
    assert!(right.ok && right.diagnosis.is_none());
    let wrong = held(&problem, json!({"value": 2e19}));
    assert!(!wrong.ok && wrong.mistakes.is_empty());
    assert_eq!(wrong.diagnosis.unwrap().quantities[0].wrong, 1);
    let ids: Vec<&str> = KNOWN_MISTAKES.iter().map(|mistake| mistake.id).collect();
    assert_eq!((&right.not_applicable, &wrong.not_applicable), (&ids, &ids));
}
