//! Newton's method with a trust region: how fast, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::ops::ControlFlow;

use pemdp::oracle::examples;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{Stop, Task, Trajectory, TrustRegionNewton, solve};
use serde_json::{Value, json};
use tolerances::{FORMULA, ILL_CONDITIONED, ULPS};

fn task(name: &str, changes: Value) -> Task {
    let mut problem: Value = serde_json::from_str(&examples::example(name).unwrap().to_json()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        problem[key] = value.clone();
    }
    Task::new(&Problem::from_json(&problem.to_string(), Reading::Doubles).unwrap()).unwrap()
}

fn run(settings: &TrustRegionNewton, task: &Task) -> Trajectory {
    let trajectory = solve(settings, task, 0, &mut |_| ControlFlow::Continue(())).unwrap();
    let norms: Vec<String> = trajectory.iterates.iter().map(|i| format!("{:.1e}", i.gradient_norm)).collect();
    println!("{:?} {} {norms:?}", trajectory.stop, trajectory.last_value());
    trajectory
}

fn newton(task: &Task) -> Trajectory {
    run(&TrustRegionNewton::default(), task)
}

fn converged(trajectory: &Trajectory) -> bool {
    matches!(trajectory.stop, Stop::Converged { size, .. } if size <= 1e-10)
}

#[test]
fn strict_maxima_are_reached_to_ten_digits() {
    // Optimal approval 1/4 with profit 1/8 (bandit) and 1/24 (MDP).
    for (name, value) in [("loan", 1.0 / 8.0), ("loan-mdp", 1.0 / 24.0)] {
        let trajectory = newton(&task(name, json!({})));
        assert!(converged(&trajectory));
        assert!((trajectory.policy.probability(0, 0) - 0.25).abs() < ILL_CONDITIONED);
        assert!((trajectory.last_value() - value).abs() < FORMULA);
    }
    for (name, entropy) in
        [("affine", 0.1), ("affine", 0.5), ("two-basins", 0.5), ("coin", 0.1), ("coin", 0.0)]
    {
        let trajectory = newton(&task(name, json!({"entropy": entropy})));
        assert!(converged(&trajectory), "{name}, entropy {entropy}: {:?}", trajectory.stop);
    }
}

/// Each basin of example A has its own maximum; 0 lies in that of the lower one.
#[test]
fn example_a_has_two_maxima() {
    let from = |w: f64| {
        let weights = json!([[w], [1], [1], [1], [1], [1]]);
        newton(&task("local-maximum", json!({"policy": {"kind": "weights", "values": weights}})))
    };
    for (w, value) in [(0.01, 6.0), (100.0, 7.5)] {
        let trajectory = from(w);
        println!("{w}: {}", trajectory.last_value());
        assert!((trajectory.last_value() - value).abs() < 0.1);
    }
}

/// The number of correct digits doubles: with `e` the gradient norm,
/// `e' <= C e^2` for one C over the last steps.
#[test]
fn convergence_is_quadratic() {
    let start = Policy::softmax(1, 2, vec![-0.4, 0.0]).unwrap();
    let trajectory = newton(&task("loan", json!({})).starting_from(start));
    assert!(converged(&trajectory) && trajectory.iterates.len() <= 9);
    let norms: Vec<f64> = trajectory.iterates.iter().map(|i| i.gradient_norm).collect();
    let last: Vec<f64> = norms.iter().copied().filter(|e| *e < 0.1 && *e > ULPS).collect();
    assert!(last.len() >= 3);
    for pair in last.windows(2) {
        assert!(pair[1] <= 10.0 * pair[0] * pair[0] + ULPS, "{norms:?}");
    }
}

#[test]
fn suprema_at_infinity_are_told_apart() {
    for name in ["two-state", "vanishing"] {
        let trajectory = newton(&task(name, json!({})));
        assert!(matches!(trajectory.stop, Stop::Limit { gradient_norm, .. } if gradient_norm <= 1e-10));
    }
    // Without a response: the best action for ever, at infinity.
    let trajectory = newton(&task("fixed", json!({"entropy": 0})));
    assert!(matches!(trajectory.stop, Stop::Limit { deterministic_states, .. } if deterministic_states > 0));
}

/// A response that pays nothing at two symmetric extremes and most in neither:
/// the uniform policy is a minimum with gradient 0.
#[test]
fn a_stationary_minimum_does_not_hold() {
    let environment = json!({
        "kind": "affine",
        "transitions": [[[1], [1]]],
        "transition_slopes": [],
        "rewards": [[0, 0]],
        "reward_slopes": [[0, 0, 0, 0, 1], [0, 1, 0, 1, 1]]
    });
    let changes = json!({
        "environment": environment,
        "initial": [1],
        "policy": {"kind": "softmax", "logits": [[0, 0]]}
    });
    let trajectory = newton(&task("affine", changes));
    assert!(trajectory.iterates[0].gradient_norm < ULPS);
    assert!(trajectory.last_value() > 1.999 * trajectory.iterates[0].value);
}

/// The reward rises with theta up to its clip at theta = 1, the chance of ending
/// where it is -1 for ever rises too: the maximum is at the kink.
#[test]
fn a_maximum_at_a_kink_stalls() {
    let environment = json!({
        "kind": "exponential-family",
        "psi": [0, 1],
        "base_weights": [[[1, 1]], [[0, 1]]],
        "reward": {"base": [[0], [-5]], "slope": 1, "clip": 1}
    });
    let policy = json!({"kind": "softmax", "logits": [[-0.3], [0]]});
    let kinked = task("two-state", json!({"environment": environment, "policy": policy}));
    let trajectory = newton(&kinked);
    assert!(matches!(trajectory.stop, Stop::Stalled { gradient_norm } if gradient_norm > 0.1));
    let p = 1f64.exp() / (1.0 + 1f64.exp());
    assert!((trajectory.last_value() - (1.0 - p) / (0.5 + 0.5 * p)).abs() < ILL_CONDITIONED);
}

/// Followers' kinks keep the gradient from falling; with entropy and smoothed
/// there is a stationary point, and it is reached.
#[test]
fn the_smoothed_gridworld_has_a_stationary_point() {
    let gridworld = task("gridworld", json!({}));
    let (entropy, iterations) = (Some(0.1), 40);
    let smoothed = TrustRegionNewton { entropy, iterations, smoothing: Some(0.05), ..Default::default() };
    assert!(converged_smoothed(&run(&smoothed, &gridworld)));
}

/// The measure is the gradient of what is maximised, not that of the benchmark.
fn converged_smoothed(trajectory: &Trajectory) -> bool {
    converged(trajectory) && trajectory.iterates.last().unwrap().gradient_norm > 1e-6
}
