//! Optima with terminal states and missing actions, and of fixed problems with entropy: against
//! all deterministic policies, or ascent from many.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::policy::Probabilities;
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_optimum::{OptimumSettings, performative_optimum};
use serde_json::{Value, json};

fn read(problem: &Value) -> Problem {
    Problem::from_json(&problem.to_string(), Reading::Doubles)
        .unwrap_or_else(|error| panic!("{error}\n{problem}"))
}

fn value(problem: &Problem, policy: &[f64]) -> Option<f64> {
    let values = policy.iter().copied().map(Numeral::from).collect();
    let deployed = problem.deploying(Probabilities { values }.into()).ok()?;
    deployed.bounded_value().ok().map(|known| known.value)
}

/// The best of the policies whose probabilities are multiples of `1/parts`.
fn best_of_all(problem: &Problem, parts: usize) -> f64 {
    let (n, width) = (problem.n_states(), problem.n_actions());
    assert_eq!(width, 2);
    let mut best = f64::NEG_INFINITY;
    for k in 0..(parts + 1).pow(n as u32) {
        let mut rest = k;
        let mut policy = Vec::new();
        for _ in 0..n {
            let p = (rest % (parts + 1)) as f64 / parts as f64;
            rest /= parts + 1;
            policy.extend([p, 1.0 - p]);
        }
        best = best.max(value(problem, &policy).unwrap_or(f64::NEG_INFINITY));
    }
    best
}

fn fixed() -> Value {
    json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.25, 0.25], "terminal": [2],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]},
        "environment": {
            "kind": "fixed",
            "transitions": [
                [0, 0, 1, "1/2"], [0, 0, 2, "1/2"], [0, 1, 0, 1], [1, 0, 0, "1/4"], [1, 0, 1, "3/4"], [1, 1, 2, 1]
            ],
            "rewards": [[1, "1/4"], [-1, 0], [5, -3]]
        }
    })
}

#[test]
fn fixed_problems_end_and_lack_actions() {
    let mut problem = fixed();
    for available in
        [json!([[1, 1], [1, 1], [1, 1]]), json!([[0, 1], [1, 1], [1, 1]]), json!([[1, 1], [1, 0], [0, 1]])]
    {
        problem["available"] = available;
        let problem = read(&problem);
        let optimum = performative_optimum(&problem, &OptimumSettings::default()).unwrap();
        let best = best_of_all(&problem, 1);
        assert!(optimum.certified && (optimum.value - best).abs() < 1e-12, "{} {best}", optimum.value);
        assert!(best <= optimum.upper_bound + 1e-12);
        assert!((0..6).all(|i| optimum.policy[i] == 0.0 || problem.action_sets().is_available(i)));
    }
}

/// Soft policy iteration is certified; no policy of a grid has more.
#[test]
fn fixed_problems_with_entropy_are_certified() {
    let mut problem = fixed();
    for (entropy, available) in [
        (0.5_f64, json!([[1, 1], [1, 1], [1, 1]])),
        (3.0, json!([[0, 1], [1, 1], [1, 1]])),
        (1e-3, json!([[1, 1], [1, 1], [1, 1]])),
    ] {
        problem["entropy"] = json!(entropy);
        problem["available"] = available;
        let problem = read(&problem);
        let optimum = performative_optimum(&problem, &OptimumSettings::default()).unwrap();
        assert!(optimum.certified && optimum.gap < 1e-9, "{optimum:?}");
        let best = best_of_all(&problem, 12);
        assert!(
            best <= optimum.upper_bound + 1e-12 && best > optimum.value - 0.1 * f64::max(entropy, 0.01),
            "{best} {optimum:?}"
        );
    }
}

/// The same where the environment responds: affine, and by formulas of both kinds.
#[test]
fn responding_problems_end_and_lack_actions() {
    let affine = json!({
        "kind": "affine",
        "transitions": [
            [["1/4", "1/4", "1/2"], ["1/2", 0, "1/2"]], [["1/4", "1/2", "1/4"], [0, "3/4", "1/4"]], [[0, 0, 0], [0, 0, 0]]
        ],
        "transition_slopes": [[0, 0, 0, 1, 0, "1/4"], [0, 0, 2, 1, 0, "-1/4"], [1, 1, 1, 0, 1, "-1/2"], [1, 1, 0, 0, 1, "1/2"]],
        "rewards": [[1, "-1/2"], ["1/4", 2], [-1, "3/2"]],
        "reward_slopes": [[0, 1, 1, 1, "1/2"], [2, 1, 0, 0, -1]]
    });
    let formulas = json!({
        "kind": "formulas",
        "transitions": [
            [0, 0, 1, "pi[1,0]^2"], [0, 0, 2, "1 - pi[1,0]^2"], [0, 1, 0, 1], [1, 0, 0, "sigmoid(pi[0,0])"],
            [1, 0, 1, "1 - sigmoid(pi[0,0])"], [1, 1, 2, 1]
        ],
        "rewards": [[0, 0, "1 - pi[0,0]*pi[1,1]"], [1, 1, "pi[0,1]^2"], [2, 0, "3/2 - pi[1,0]"], [2, 1, "-1"]]
    });
    let settings = OptimumSettings { gap: 1e-3, ..OptimumSettings::default() };
    for environment in [affine, formulas] {
        for available in [
            json!([[1, 1], [1, 1], [1, 1]]),
            json!([[1, 1], [1, 1], [0, 1]]),
            json!([[1, 1], [0, 1], [1, 1]]),
        ] {
            let mut problem = fixed();
            problem["gamma"] = json!(0.75);
            problem["environment"] = environment.clone();
            problem["available"] = available.clone();
            let problem = read(&problem);
            let optimum = performative_optimum(&problem, &settings).unwrap();
            let best = best_of_all(&problem, 16);
            assert!(optimum.certified, "{optimum:?} {environment} {available}");
            assert!(
                best <= optimum.upper_bound + 1e-12 && best > optimum.value - 0.02,
                "{best} {optimum:?} {environment} {available}"
            );
            assert!((0..6).all(|i| optimum.policy[i] == 0.0 || problem.action_sets().is_available(i)));
        }
    }
}

#[test]
fn what_is_not_bounded_is_refused_at_its_place() {
    let refused = |problem: &Value| {
        performative_optimum(&read(problem), &OptimumSettings::default()).unwrap_err().to_string()
    };
    let mut total = fixed();
    total["gamma"] = json!(1);
    assert!(refused(&total).contains("gamma: is 1, expected less than 1"), "{}", refused(&total));
    let mut steps = fixed();
    steps["criterion"] = json!({"horizon": 3});
    assert!(refused(&steps).contains("criterion: is a horizon"), "{}", refused(&steps));
    let mut family = fixed();
    family["environment"] = json!({"kind": "exponential-family", "psi": [1, 0, -1], "reward": {"base": [[1, 0], [0, 1], [2, 0]]}});
    assert!(refused(&family).contains("terminal: has the state 2"), "{}", refused(&family));
}
