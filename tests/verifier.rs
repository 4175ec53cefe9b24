//! Holding answers against the exact one: nothing wrong passes, nothing right is accused, and
//! what is wrong is explained by what was done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod common;

#[path = "common/verdicts.rs"]
mod verdicts;

use common::{rational_problem, read, smooth_policy};
use pemdp::oracle::{
    Answer, Claimed, KNOWN_MISTAKES, Precision, Rearrangement, Tolerance, examples, mistaken_answers,
};
use pemdp::problem::Problem;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use verdicts::{held, held_to, swept};

/// A problem with all kinds of terms.
fn problem() -> Problem {
    read(&examples::example("exponential-family").unwrap().to_json())
}

fn numbers(entries: &[Option<f64>]) -> Vec<f64> {
    entries.iter().map(|x| x.unwrap()).collect()
}

/// A problem of a random kind.
fn random(rng: &mut impl Rng) -> Problem {
    let kinds = ["fixed", "affine", "loan-bandit", "loan-mdp", "coin", "exponential-family", "explicit"];
    let kind = kinds[rng.random_range(0..kinds.len())];
    let gamma = [0.0, 0.5, 0.9, 0.99][rng.random_range(0..4)];
    read(&rational_problem(rng, kind, gamma))
}

fn claim_of(answer: &Answer) -> Value {
    let mut claim = serde_json::to_value(answer).unwrap();
    for key in ["error_bounds", "smooth", "kink"] {
        claim.as_object_mut().unwrap().remove(key);
    }
    claim
}

/// The numbers of a claim, changed.
fn changed(value: &Value, change: &mut dyn FnMut(f64) -> f64) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(|entry| changed(entry, change)).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, entry)| (key.clone(), changed(entry, change))).collect()
        }
        Value::Number(x) => json!(change(x.as_f64().unwrap())),
        other => other.clone(),
    }
}

#[test]
fn what_is_off_by_more_than_its_tolerance_is_refused_and_nothing_else() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for i in 0..400 {
        let problem = random(&mut rng);
        let Ok(answer) = problem.answer() else { continue };
        // To twelve digits.
        let round = &mut |x: f64| format!("{x:.11e}").parse::<f64>().unwrap();
        let right = changed(&claim_of(&answer), round);
        let verdict = held(&problem, right.clone());
        assert!(
            verdict.ok && verdict.mistakes.is_empty(),
            "{i}: {:?}\n{}",
            verdict.differences,
            problem.to_json()
        );

        let quantities = ["value", "state_values", "action_values", "occupancy"];
        let quantity = quantities[rng.random_range(0..4)];
        let mut wrong = right.clone();
        let largest = {
            let mut largest = 0.0_f64;
            changed(&right[quantity], &mut |x| {
                largest = largest.max(x.abs());
                x
            });
            largest
        };
        let size = if largest == 0.0 { 1.0 } else { largest };
        let factor = 10f64.powf(rng.random_range(-4.5..2.0));
        wrong[quantity] = changed(&right[quantity], &mut |x| x + size * factor);
        let verdict = held(&problem, wrong);
        assert!(!verdict.ok, "{i}: {quantity} off by {factor} of {size}\n{}", problem.to_json());
    }
}

#[test]
fn every_mistake_is_named_on_random_problems() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut named = vec![0; KNOWN_MISTAKES.len()];
    for _ in 0..60 {
        let problem = random(&mut rng);
        let (Ok(answer), Ok(all)) = (problem.answer(), mistaken_answers(&problem)) else { continue };
        for (i, mistaken) in all.iter().enumerate() {
            for (value, gradient) in &mistaken.readings {
                let claim = json!({"value": value, "gradient": gradient});
                if claim.to_string().contains("null") && !answer.gradient.contains(&None) {
                    continue; // infinite
                }
                let verdict = held(&problem, claim);
                if verdict.ok {
                    continue;
                }
                let told = verdict.mistakes.iter().flatten().any(|id| *id == mistaken.id);
                assert!(told, "{}: {:?}\n{}", mistaken.id, verdict.mistakes, problem.to_json());
                named[i] += 1;
            }
        }
    }
    // These need an absorbing or terminal state, followers, a missing action, or other quantities.
    let elsewhere = [
        "response-values-frozen",
        "terminal-keeps-transitions",
        "terminal-keeps-rewards",
        "absorbing-rows-missing",
        "absorbing-taken-for-terminal",
        "entropy-stops-at-absorbing",
        "entropy-in-reward-not-bootstrap",
        "entropy-in-bootstrap-not-reward",
        "entropy-sign",
        "entropy-forgotten",
        "divided-by-episode-length",
        "transition-term-undiscounted",
        "terminal-goes-on",
        "entropy-after-the-end",
        "missing-actions-taken",
        "sweeps-of-followers",
    ];
    for (mistake, count) in KNOWN_MISTAKES.iter().zip(&named) {
        assert!(*count >= 3 || elsewhere.contains(&mistake.id), "{}: {count}", mistake.id);
    }
}

#[test]
fn pairs_are_found_where_no_single_mistake_explains() {
    let problem = problem();
    let terms = problem.answer().unwrap().gradient_terms;
    let (policy, reward) = (numbers(&terms.policy), &terms.reward);
    let gradient: Vec<f64> = policy.iter().zip(reward).map(|(p, r)| -(p + r)).collect();
    let verdict = held(&problem, json!({"gradient": gradient}));
    assert!(verdict.mistakes.is_empty() && verdict.diagnosis.is_none());
    assert!(verdict.pairs.concat().contains(&["no-transition-term", "descent"]), "{:?}", verdict.pairs);
    assert!(verdict.evidence[0].residual < 1e-3 && verdict.evidence[0].error > 10.0);
}

#[test]
fn combinations_of_the_terms_are_found() {
    let problem = problem();
    let terms = problem.answer().unwrap().gradient_terms;
    let of = |c: [f64; 3]| -> Vec<f64> {
        let policy = numbers(&terms.policy);
        (0..policy.len())
            .map(|k| c[0] * policy[k] + c[1] * terms.transition[k] + c[2] * terms.reward[k])
            .collect()
    };
    let verdict = held(&problem, json!({"gradient": of([0.5, 2.0, 1.25])}));
    let diagnosis = verdict.diagnosis.unwrap();
    let found = diagnosis.gradient.unwrap().combination.unwrap();
    assert!(found.explains && found.residual < 1e-9 && found.entropy.is_none());
    for (x, c) in [found.policy, found.transition, found.reward].into_iter().zip([0.5, 2.0, 1.25]) {
        assert!((x.unwrap() - c).abs() < 1e-8);
    }
    // What is no combination is not called one.
    let noise: Vec<f64> = (0..problem.n_parameters()).map(|k| (k as f64 * 1.7).sin()).collect();
    let verdict = held(&problem, json!({"gradient": noise}));
    let found = verdict.diagnosis.unwrap().gradient.unwrap().combination.unwrap();
    assert!(!found.explains && found.residual > 0.01);
}

#[test]
fn multiples_and_rearrangements_are_found() {
    let problem = problem();
    let answer = problem.answer().unwrap();
    let standing = |claim: Value| {
        let verdict = held(&problem, claim);
        assert!(
            verdict.mistakes.is_empty() && verdict.pairs.is_empty(),
            "{:?} {:?}",
            verdict.mistakes,
            verdict.pairs
        );
        verdict.diagnosis.unwrap().quantities.into_iter().find(|standing| standing.wrong > 0).unwrap()
    };
    let tripled: Vec<f64> = answer.state_values.iter().map(|v| 3.5 * v).collect();
    let found = standing(json!({"value": answer.value, "state_values": tripled}));
    assert_eq!((found.quantity, found.first), ("state_values", Some(vec![0])));
    assert!((found.ratio.unwrap() - 3.5).abs() < 1e-9);
    let mut swapped = answer.state_values.clone();
    swapped.reverse();
    let order: Vec<usize> = (0..swapped.len()).rev().collect();
    assert_eq!(standing(json!({"state_values": swapped})).rearranged, Some(Rearrangement::States(order)));
    let actions: Vec<Vec<Option<f64>>> =
        answer.action_values.iter().map(|row| row.iter().rev().copied().collect()).collect();
    let order: Vec<usize> = (0..problem.n_actions()).rev().collect();
    assert_eq!(standing(json!({"action_values": actions})).rearranged, Some(Rearrangement::Actions(order)));
    let mut wrong = answer.state_values.clone();
    wrong[1] += 1.0;
    let found = standing(json!({"state_values": wrong}));
    assert_eq!((found.wrong, found.first, found.ratio, found.rearranged), (1, Some(vec![1]), None, None));
}

#[test]
fn sweeps_are_counted() {
    let problem = problem();
    let (values, initial) = (swept(&problem, 7), problem.model::<f64>().unwrap().initial);
    let value: f64 = initial.iter().zip(&values).map(|(rho, v)| rho * v).sum();
    let verdict = held(&problem, json!({"value": value}));
    assert!(
        verdict.mistakes.iter().flatten().any(|id| *id == "sweeps-stopped-early"),
        "{:?}",
        verdict.mistakes
    );
    assert_eq!(verdict.evidence[0].count, Some(7));
    // A value near a sweep's is none of it.
    let between = held(&problem, json!({"value": value * (1.0 + 1e-4)}));
    assert!(between.mistakes.is_empty(), "{:?}", between.mistakes);
}

/// A standard normal number, by Box and Muller.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

#[test]
fn biased_estimates_are_caught_with_the_samples_asked_for_and_unbiased_ones_pass() {
    let problem = problem();
    let answer = problem.answer().unwrap();
    let gradient = numbers(&answer.gradient);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut estimate = |n: u64, bias: f64| {
        // Means of n samples with standard deviations of their own; one entry is biased.
        let deviation = |k: usize| 0.5 + k as f64;
        let error = |k: usize| deviation(k) / (n as f64).sqrt();
        let mean = |(k, g): (usize, &f64)| {
            g + error(k) * normal(&mut rng) + if k == 1 { bias * deviation(k) } else { 0.0 }
        };
        let estimates: Vec<f64> = gradient.iter().enumerate().map(mean).collect();
        let errors: Vec<f64> = (0..gradient.len()).map(error).collect();
        let claim = json!({"gradient": estimates, "standard_errors": {"gradient": errors}, "n": n});
        held(&problem, claim)
    };
    let asked = estimate(1000, 0.0).sampling.unwrap();
    assert_eq!((asked.level, asked.power, asked.entries), (0.01, 0.9, gradient.len()));
    let runs = 200;
    let caught = (0..runs).filter(|_| !estimate(asked.needed, 0.1).ok).count();
    let passed = (0..runs).filter(|_| estimate(asked.needed, 0.0).ok).count();
    // Three standard deviations of a share of 200 runs below what is stated.
    assert!(caught as f64 >= 200.0 * 0.9 - 13.0, "{caught} of {runs} biased estimates are caught");
    assert!(passed as f64 >= 200.0 * 0.99 - 4.3, "{passed} of {runs} unbiased estimates pass");
}

#[test]
fn sampled_mistakes_are_named() {
    let problem = problem();
    let gradient = numbers(&problem.answer().unwrap().gradient);
    let wrong: Vec<f64> = gradient.iter().map(|g| -g + 1e-3).collect();
    let errors = vec![2e-3; gradient.len()];
    let verdict = held(&problem, json!({"gradient": wrong, "standard_errors": {"gradient": errors}}));
    assert!(verdict.mistakes.iter().flatten().any(|id| *id == "descent"), "{:?}", verdict.mistakes);
}

#[test]
fn answers_in_single_precision_have_a_class_of_their_own() {
    let problem = problem();
    let single = changed(&claim_of(&problem.answer().unwrap()), &mut |x| f64::from(x as f32 * (1.0 + 2e-5)));
    assert!(!held(&problem, single.clone()).ok);
    let tolerance = Tolerance::of(Precision::Single);
    assert!(held_to(&problem, single, tolerance).ok);
    let gradient = numbers(&problem.answer().unwrap().gradient);
    let descent: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let verdict = held_to(&problem, json!({"gradient": descent}), tolerance);
    assert!(verdict.mistakes.concat().contains(&"descent"));
}

#[test]
fn what_cannot_be_compared_is_located() {
    let problem = problem();
    let refused = |answer: &str| Claimed::from_json(answer, &problem).unwrap_err().to_string();
    let answer = |rest: &str| format!(r#"{{"format": "pemdp-answer/1", {rest}}}"#);
    assert_eq!(refused(&answer(r#""gradient": [1, NaN]"#)), "gradient[1]: is NaN, expected a finite number");
    assert_eq!(
        refused(&answer(r#""action_values": [[1, -Infinity]]"#)),
        "action_values[0][1]: is -Infinity, expected a finite number"
    );
    assert!(refused(&answer(r#""state_values": [null, 1]"#)).starts_with("state_values[0]"));
    assert!(refused(&answer(r#""state_values": [[1, 2]]"#)).starts_with("state_values"));
    assert!(
        refused(&answer(r#""value": 1, "standard_errors": {"value": -1}"#))
            .starts_with("standard_errors.value")
    );
    assert!(
        refused(&answer(r#""value": 1, "standard_errors": {"gradient": [1]}"#))
            .starts_with("standard_errors.gradient")
    );
    assert!(refused(&answer(r#""value": 1, "n": 1"#)).starts_with("n: "));
}

#[test]
fn gradients_may_have_a_row_for_each_state() {
    let problem = problem();
    let answer = problem.answer().unwrap();
    let rows: Vec<&[Option<f64>]> = answer.gradient.chunks(problem.n_actions()).collect();
    assert!(held(&problem, json!({"gradient": rows})).ok);
    let features = read(&smooth_policy_problem());
    let text = r#"{"format": "pemdp-answer/1", "gradient": [[1, 2]]}"#;
    assert!(Claimed::from_json(text, &features).is_err());
}

/// A log-linear policy in a fixed environment.
fn smooth_policy_problem() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let policy = smooth_policy(&mut rng, "log-linear", 1, 2);
    format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "policy": {policy},
            "environment": {{"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[1, 2]]}}}}"#
    )
}

/// The mean of a state's entries is a double where their sum is none.
#[test]
fn the_largest_gradients_are_compared() {
    let problem = read(
        r#"{"format": "pemdp-problem/1", "gamma": 0, "initial": [1],
            "policy": {"kind": "probabilities", "values": [[0.25, 0.25, 0.5]]},
            "environment": {"kind": "fixed", "transitions": [[[1], [1], [1]]],
                            "rewards": [[6e307, 5e307, 1.7e308]]}}"#,
    );
    let answer = problem.answer().unwrap();
    assert!(held(&problem, json!({"gradient": answer.gradient})).ok);
    let gradient = numbers(&answer.gradient);
    assert!(!held(&problem, json!({"gradient": [gradient[0], gradient[1], 1e308]})).ok);
}
