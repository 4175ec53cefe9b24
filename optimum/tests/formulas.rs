//! Certified optima of formulas that are neither fixed, affine nor a family: by enclosures of
//! their response.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::policy::Probabilities;
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_optimum::{OptimumError, OptimumSettings, OptimumStop, performative_optimum};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn read(value: Value) -> Problem {
    Problem::from_json(&value.to_string(), Reading::Doubles).unwrap()
}

/// One state and two actions with these rewards.
fn bandit(rewards: [&str; 2]) -> Problem {
    read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
        "policy": {"kind": "probabilities", "values": [[0.5, 0.5]]},
        "environment": {
            "kind": "formulas", "transitions": [[0, 0, 0, 1], [0, 1, 0, 1]],
            "rewards": [[0, 0, rewards[0]], [0, 1, rewards[1]]]
        }
    }))
}

/// Two states and two actions, with these formulas of `p = pi[0,0]` and `q = pi[1,0]`.
fn two_states(moves: [&str; 2], rewards: [&str; 2], gamma: f64) -> Problem {
    read(json!({
        "format": "pemdp-problem/1", "gamma": gamma, "initial": [0.25, 0.75],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0]]},
        "environment": {
            "kind": "formulas",
            "definitions": {"p": "pi[0,0]", "q": "pi[1,0]", "x": moves[0], "y": moves[1]},
            "transitions": [[0, 0, 0, "x"], [0, 0, 1, "1 - x"], [0, 1, 0, 1], [1, 0, 0, "y"], [1, 0, 1, "1 - y"], [1, 1, 1, 1]],
            "rewards": [[0, 0, rewards[0]], [1, 1, rewards[1]]]
        }
    }))
}

fn value(problem: &Problem, policy: &[f64]) -> Option<f64> {
    let values = policy.iter().copied().map(Numeral::from).collect();
    problem.deploying(Probabilities { values }.into()).unwrap().bounded_value().ok().map(|known| known.value)
}

/// Known by calculus: `2 p (a - b p)` has its maximum at `a/(2 b)`.
#[test]
fn maxima_of_one_number_are_found() {
    for (rewards, p, best) in [
        (["3/4 - pi[0,0]", "0"], 0.375, 2.0 * 0.375 * 0.375),
        // The same reward of both actions: `2 (1/4 + p/2 - p^2)`.
        (["1/4 + pi[0,0]/2 - pi[0,0]^2", "1/4 + pi[0,0]/2 - pi[0,0]^2"], 0.25, 2.0 * (0.25 + 0.0625)),
        // Undefined derivatives, and a logarithm that is known from above, at the other end.
        (["sqrt(pi[0,0]) - pi[0,0]", "sqrt(pi[0,0]) - pi[0,0]"], 0.25, 0.5),
        (["log(pi[0,0])", "0"], 1.0, 0.0),
        // At an end.
        (["exp(pi[0,0])", "0"], 1.0, 2.0 * 1f64.exp()),
        (["0", "pi[0,1]^3/(1 + pi[0,1])"], 0.0, 1.0),
        // With a corner at the maximum, and one beside it.
        (["min(1, 2 - 3*pi[0,0])", "0"], 1.0 / 3.0, 2.0 / 3.0),
        (["max(0, 3/4 - pi[0,0])", "0"], 0.375, 2.0 * 0.375 * 0.375),
    ] {
        let found = performative_optimum(&bandit(rewards), &OptimumSettings::default()).unwrap();
        assert!(found.certified && found.stop == OptimumStop::Gap, "{rewards:?} {found:?}");
        assert!(found.upper_bound >= best - 1e-14 && found.value <= best + 1e-14, "{rewards:?} {found:?}");
        assert!(found.upper_bound - found.value <= 1e-6 && (found.policy[0] - p).abs() < 1e-2, "{found:?}");
        assert!(found.domain.starts_with("all policies"));
    }
}

#[test]
fn no_policy_exceeds_the_bound() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let moves = [
        "sigmoid(3*q - 2*p)",
        "(1 + p^2)/(2 + q)",
        "exp(-q)*(1 - p/2)",
        "p*(1 - q) + q/3",
        "tanh(2*p*q)",
        "1/2",
    ];
    let rewards = [
        "1 - q^2",
        "2*p - 3*p*q",
        "exp(q - 1) - p",
        "1/(1 + p*q)",
        "sqrt(1 + q) - q",
        "max(p, q)",
        "abs(p - q) - p^2",
    ];
    for round in 0..12 {
        let mut draw = |all: &[&'static str]| all[rng.random_range(0..all.len())];
        let texts = ([draw(&moves), draw(&moves)], [draw(&rewards), draw(&rewards)]);
        let problem = two_states(texts.0, texts.1, [0.5, 0.9][round % 2]);
        let settings = OptimumSettings { gap: 1e-3, ..OptimumSettings::default() };
        let found = performative_optimum(&problem, &settings).unwrap();
        assert!(found.certified, "{texts:?} {found:?}");
        let at_found = value(&problem, &found.policy).unwrap();
        assert!((at_found - found.value).abs() < 1e-12, "{texts:?}");
        for _ in 0..200 {
            let mut draw = || {
                let x: f64 = rng.random_range(0.0..=1.0);
                if rng.random_bool(0.2) { x.round() } else { x }
            };
            let (p, q) = (draw(), draw());
            let at = value(&problem, &[p, 1.0 - p, q, 1.0 - q]).unwrap();
            assert!(at <= found.upper_bound + 1e-12, "{texts:?} {p} {q}: {at} {found:?}");
        }
    }
}

/// Where `p > 1/2` nothing is a kernel: the best of the others is at the edge.
#[test]
fn policies_that_induce_no_kernel_are_left_out() {
    let problem = two_states(["1 - 2*p^2", "1/2"], ["1 + p", "0"], 0.5);
    let settings = OptimumSettings { gap: 1e-3, ..OptimumSettings::default() };
    let found = performative_optimum(&problem, &settings).unwrap();
    let edge = 0.5f64.sqrt();
    assert!(found.certified && found.policy[0] <= edge + 1e-9, "{found:?}");
    let best = (0..=1000).filter_map(|i| {
        let p = edge * f64::from(i) / 1000.0;
        [0.0, 1.0].into_iter().filter_map(|q| value(&problem, &[p, 1.0 - p, q, 1.0 - q])).reduce(f64::max)
    });
    let best = best.fold(f64::NEG_INFINITY, f64::max);
    assert!(best <= found.upper_bound && best >= found.value - 1e-3, "{best} {found:?}");
}

#[test]
fn what_is_not_bounded_is_refused() {
    let refused = |transitions: Value, rewards: Value| {
        let problem = read(json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
            "policy": {"kind": "softmax", "logits": [[0, 0]]},
            "environment": {"kind": "formulas", "transitions": transitions, "rewards": rewards}
        }));
        performative_optimum(&problem, &OptimumSettings::default()).unwrap_err()
    };
    let error = OptimumError::NotBounded { kind: "formulas" };
    assert_eq!(refused(json!([[0, 0, 0, 1], [0, 1, 0, 1]]), json!([[0, 0, "theta[0]"]])), error);
    let rows = json!([[0, 0, 0, "2*pi[0,0]^2 + 1/2"], [0, 1, 0, 1]]);
    assert_eq!(refused(rows, json!([[0, 0, "pi[0,0]^2"]])), error);
}
