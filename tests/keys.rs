//! Whatever a problem file says is honoured or refused: no key can be taken away, and
//! no number changed, without an error or another answer, in doubles and in fractions.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};

/// One problem of each kind in which every number counts. Where `true`, in fractions too.
fn specimens() -> Vec<(&'static str, bool, Value)> {
    let problem = |policy: Value, environment: Value, more: Value| {
        let mut problem = json!({
            "format": "pemdp-problem/1", "gamma": 0.75, "initial": ["1/4", "3/4"], "policy": policy,
            "environment": environment
        });
        problem.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problem
    };
    let (softmax, weights, log_linear, probabilities) = (
        json!({"kind": "softmax", "logits": [[0.5, -0.25], [1, 2]]}),
        json!({"kind": "weights", "values": [[2, 3], ["1/2", 5]]}),
        json!({"kind": "log-linear", "features": [[[1, 0.5], [2, -1]], [[0.25, 3], [-1, 1]]], "theta": [0.5, -0.75]}),
        json!({"kind": "probabilities", "values": [["1/3", "2/3"], [0.25, 0.75]]}),
    );
    let transitions = json!([[["1/3", "2/3"], [0.25, 0.75]], [["4/5", "1/5"], [0.5, 0.5]]]);
    let rewards = json!([[1, "-1/3"], [2, 0.5]]);
    let fixed = json!({"kind": "fixed", "transitions": transitions, "rewards": rewards});
    let affine = json!({
        "kind": "affine", "transitions": transitions, "rewards": rewards,
        "transition_slopes": [[0, 0, 0, 1, 0, "1/8"], [0, 0, 1, 1, 0, "-1/8"]], "reward_slopes": [[1, 1, 0, 1, "1/3"]]
    });
    let explicit = json!({
        "kind": "explicit", "transitions": transitions, "rewards": rewards,
        "transition_jacobian": [[0, 0, 0, 3, "1/8"], [0, 0, 1, 3, "-1/8"]], "reward_jacobian": [[1, 0, 2, "1/7"]]
    });
    // Rewards inside the clip and beyond it on both sides.
    let family = |slope: Value, clip: Value, more: Value| {
        let mut family = json!({
            "kind": "exponential-family", "psi": [1, -2],
            "reward": {"base": [[0.25, -3], [4, "-1/3"]], "slope": slope, "clip": clip}
        });
        family.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        family
    };
    let base_weights = json!({"base_weights": [[[1, 2], [3, "1/2"]], [[1, 5], [2, 7]]]});
    let base_logits = json!({"base_logits": [[[0.5, 1], [-1, 2]], [[0.25, -0.5], [3, 1]]]});
    let one_state = |kind: &str, numbers: Value| {
        let mut environment = json!({"kind": kind});
        environment.as_object_mut().unwrap().extend(numbers.as_object().unwrap().clone());
        json!({
            "format": "pemdp-problem/1", "gamma": "3/4", "initial": [1],
            "policy": {"kind": "weights", "values": [[2, 5]]}, "environment": environment
        })
    };
    let loan = json!({
        "format": "pemdp-problem/1", "gamma": "3/4", "initial": ["1/8", "1/8", "1/2", "1/4"],
        "policy": {"kind": "weights", "values": [[2, 5], [1, 3], [4, 1], [2, 3]]},
        "environment": {"kind": "loan", "form": "mdp", "q0": "3/4", "c": "1/2", "gain": 2, "loss": "1/3"}
    });
    let mut cells = vec![vec![json!("-1/3"); 8]; 8];
    cells[3][4] = json!(-2);
    let grid = json!({
        "format": "pemdp-problem/1", "gamma": 0.75, "policy": {"kind": "softmax", "logits": vec![[0.5, -0.25, 0.0, 1.0]; 64]},
        "environment": {"kind": "gridworld", "beta": 3, "perturbed_grids": [cells]}
    });
    let none = json!({});
    vec![
        ("fixed, probabilities", true, problem(probabilities, fixed.clone(), none.clone())),
        ("fixed, log-linear", false, problem(log_linear, fixed, json!({"entropy": 0.5}))),
        ("affine", true, problem(weights.clone(), affine, none.clone())),
        ("explicit", true, problem(weights.clone(), explicit, none.clone())),
        (
            "family, weights",
            true,
            problem(weights, family(json!(0), json!("3/2"), base_weights), none.clone()),
        ),
        ("family, softmax", false, problem(softmax, family(json!("1/7"), json!(2.5), base_logits), none)),
        ("loan", true, loan),
        ("coin", true, one_state("coin", json!({"mu": "1/8", "epsilon": "1/4"}))),
        ("gridworld", false, grid),
    ]
}

/// The answer, or that there is an error.
fn outcome(problem: &Value, exact: bool) -> Result<String, ()> {
    let reading = if exact { Reading::Exact } else { Reading::Doubles };
    let problem = Problem::from_json(&problem.to_string(), reading).map_err(drop)?;
    if exact {
        problem.exact_answer().map(|answer| serde_json::to_string(&answer).unwrap()).map_err(drop)
    } else {
        problem.answer().map(|answer| serde_json::to_string(&answer).unwrap()).map_err(drop)
    }
}

/// The JSON pointers of all keys, and of all numbers, texts of numbers included.
fn places(value: &Value, at: &str, keys: &mut Vec<String>, numbers: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, entry) in entries {
                keys.push(format!("{at}/{key}"));
                places(entry, &format!("{at}/{key}"), keys, numbers);
            }
        }
        Value::Array(entries) => {
            for (i, entry) in entries.iter().enumerate() {
                places(entry, &format!("{at}/{i}"), keys, numbers);
            }
        }
        number if as_fraction(number).is_some() => numbers.push(at.to_owned()),
        _ => {}
    }
}

/// Numerator and denominator of a specimen's number.
fn as_fraction(value: &Value) -> Option<(i64, i64)> {
    match value {
        Value::String(text) => {
            let (n, d) = text.split_once('/')?;
            Some((n.parse().ok()?, d.parse().ok()?))
        }
        Value::Number(x) => Some(((x.as_f64()? * 64.0) as i64, 64)),
        _ => None,
    }
}

/// `problem` with `parts/64` of itself added to the number at `place`, and taken from its
/// neighbour where there is one.
fn changed(problem: &Value, place: &str, neighbour: Option<&str>, parts: i64) -> Value {
    let mut result = problem.clone();
    let (n, d) = as_fraction(problem.pointer(place).unwrap()).unwrap();
    *result.pointer_mut(place).unwrap() = json!(format!("{}/{}", n * (64 + parts), d * 64));
    if let Some(neighbour) = neighbour {
        let (m, e) = as_fraction(problem.pointer(neighbour).unwrap()).unwrap();
        let less = json!(format!("{}/{}", m * d * 64 - n * parts * e, e * d * 64));
        *result.pointer_mut(neighbour).unwrap() = less;
    }
    result
}

/// The number before or behind, in the same row.
fn neighbour(problem: &Value, place: &str) -> Option<String> {
    let (row, i) = place.rsplit_once('/')?;
    let i: usize = i.parse().ok()?;
    let found = |i: usize| {
        let at = format!("{row}/{i}");
        problem.pointer(&at).is_some_and(|x| as_fraction(x).is_some()).then_some(at)
    };
    found(i + 1).or_else(|| found(i.checked_sub(1)?))
}

#[test]
fn every_number_counts() {
    const CLIPPED: [&str; 2] = ["/environment/reward/base/0/1", "/environment/reward/base/1/0"];
    let mut count = 0;
    for (name, is_rational, problem) in specimens() {
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        places(&problem, "", &mut keys, &mut numbers);
        for exact in if is_rational { vec![false, true] } else { vec![false] } {
            let before = outcome(&problem, exact).unwrap();
            // Of the gridworld's tables a few.
            let step = if numbers.len() > 200 { 17 } else { 1 };
            for place in numbers.iter().step_by(step) {
                let is_clipped = name.starts_with("family") && CLIPPED.contains(&place.as_str());
                if as_fraction(problem.pointer(place).unwrap()).unwrap().0 == 0 || is_clipped {
                    continue;
                }
                let alone = outcome(&changed(&problem, place, None, 1), exact);
                let beside = neighbour(&problem, place)
                    .map(|other| outcome(&changed(&problem, place, Some(&other), 1), exact));
                let notices = |outcome: &Result<String, ()>| outcome.as_ref() != Ok(&before);
                assert!(notices(&alone), "{name}: nothing depends on {place} (exact: {exact})");
                // A row that must sum to 1, a distribution, or one that need not.
                let moved = beside.as_ref().is_none_or(notices);
                assert!(moved, "{name}: nothing depends on {place} and its neighbour (exact: {exact})");
                count += 1;
            }
        }
    }
    assert!(count > 250, "{count}");
}

/// Without a key there is an error, or the default counts; with one that is unknown, or
/// twice there, an error.
#[test]
fn every_key_counts() {
    const DEFAULTS: [&str; 3] = ["/entropy", "/environment/reward/slope", "/environment/reward/clip"];
    let has_default = |name: &str, place: &str| {
        DEFAULTS.contains(&place)
            || place.starts_with("/environment/base_")
            || name == "loan" && place == "/initial"
    };
    for (name, is_rational, problem) in specimens() {
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        places(&problem, "", &mut keys, &mut numbers);
        for exact in if is_rational { vec![false, true] } else { vec![false] } {
            let before = outcome(&problem, exact).unwrap();
            for place in &keys {
                let (parent, key) = place.rsplit_once('/').unwrap();
                let entries = |problem: &mut Value| {
                    problem.pointer_mut(parent).unwrap().as_object_mut().unwrap().clone()
                };
                let mut without = problem.clone();
                let mut rest = entries(&mut without);
                let value = rest.remove(key).unwrap();
                *without.pointer_mut(parent).unwrap() = rest.into();
                let has_default = has_default(name, place);
                // The default may be what was there.
                let is_default = value == json!(0);
                match outcome(&without, exact) {
                    Ok(after) => {
                        assert!(has_default, "{name}: {place} is not missed");
                        assert_eq!(after == before, is_default, "{name}: {place} does not count");
                    }
                    Err(()) => assert!(!has_default || exact, "{name}: {place} has no default"),
                }
                let mut unknown = problem.clone();
                let mut more = entries(&mut unknown);
                more.insert(format!("{key}_"), value);
                *unknown.pointer_mut(parent).unwrap() = more.into();
                assert_eq!(outcome(&unknown, exact), Err(()), "{name}: {place}_ is accepted");
            }
        }
    }
}
