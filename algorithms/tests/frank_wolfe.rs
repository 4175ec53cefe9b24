//! Frank-Wolfe over policies, exact and from values alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::ops::ControlFlow;

use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{FrankWolfe, GradientSource, Stop, Task, Trajectory, algorithm, solve};
use serde_json::{Value, json};
use tolerances::SOLVED;

fn task(name: &str, changes: Value) -> Task {
    let mut problem: Value = serde_json::from_str(&examples::example(name).unwrap().to_json()).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        problem[key] = value.clone();
    }
    Task::new(&Problem::from_json(&problem.to_string(), Reading::Doubles).unwrap()).unwrap()
}

fn run(settings: &FrankWolfe, task: &Task, seed: u64) -> Trajectory {
    solve(settings, task, seed, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn exact() -> FrankWolfe {
    FrankWolfe { estimator: GradientSource::Exact, ..FrankWolfe::default() }
}

#[test]
fn exact_steps_reach_the_optimum_inside_and_the_vertex_at_the_boundary() {
    let settings = FrankWolfe { iterations: 3000, ..exact() };
    let trajectory = run(&settings, &task("loan-mdp", json!({})), 0);
    assert!((trajectory.policy.probability(0, 0) - 0.25).abs() < 5e-3);
    // The loss is at most of order 1/t.
    assert!((trajectory.last_value() - 1.0 / 24.0).abs() < 1e-4);

    // Without a response and entropy the best policy is a vertex.
    let trajectory = run(&exact(), &task("fixed", json!({"entropy": 0})), 0);
    assert!(
        matches!(trajectory.stop, Stop::Converged { measure: "the Frank-Wolfe gap", size } if size <= 1e-8)
    );
    let (n_states, n_actions) = (trajectory.policy.n_states(), trajectory.policy.n_actions());
    for s in 0..n_states {
        let row: Vec<f64> = (0..n_actions).map(|a| *trajectory.policy.probability(s, a)).collect();
        assert!(row.iter().all(|pi| *pi >= 0.01 - SOLVED));
        let largest = row.iter().copied().fold(0.0, f64::max);
        assert!((largest - (1.0 - 0.01 * (n_actions as f64 - 1.0))).abs() < SOLVED);
    }
}

/// Values alone lead where exact gradients lead, also where the response needs
/// parameters.
#[test]
fn two_point_steps_follow_exact_ones() {
    for (name, entropy) in [("loan", 0.0), ("affine", 0.2), ("exponential-family", 0.5)] {
        let task = task(name, json!({"entropy": entropy}));
        let settings = FrankWolfe { directions: 200, ..FrankWolfe::default() };
        let (sampled, exact) = (run(&settings, &task, 3), run(&exact(), &task, 3));
        let value = |trajectory: &Trajectory| trajectory.iterates.last().unwrap().regularised_value;
        let start = exact.iterates[0].regularised_value;
        println!("{name}: {start} -> {} exact, {} sampled", value(&exact), value(&sampled));
        assert!(value(&exact) > start + 1e-2);
        assert!((value(&exact) - value(&sampled)).abs() < 0.05 * (value(&exact) - start));
        let last = sampled.iterates.last().unwrap();
        assert_eq!(last.cost.deployments, 2 * 200 * (sampled.iterates.len() as u64 - 1));
    }
}

#[test]
fn the_seed_decides_the_directions() {
    let task = task("affine", json!({}));
    let settings = FrankWolfe { directions: 5, iterations: 10, ..FrankWolfe::default() };
    let [first, again, other] = [1, 1, 2].map(|seed| run(&settings, &task, seed));
    assert_eq!(first, again);
    assert_ne!(first.iterates, other.iterates);
}

#[test]
fn what_would_leave_the_simplex_is_refused() {
    let refused = |settings: Value| {
        algorithm("zeroth-order-frank-wolfe", settings.as_object().unwrap()).err().unwrap().to_string()
    };
    assert_eq!(
        refused(json!({"radius": 0.02, "floor": 0.01})),
        "radius is 0.02, expected above 0 and below floor, so that queries are policies"
    );
    assert_eq!(refused(json!({"step": 1.5})), "step is 1.5, expected above 0 and at most 1");
    assert_eq!(refused(json!({"directions": 0})), "directions is 0, expected at least 1");
    let ignore = &mut |_: &_| ControlFlow::Continue(());
    let wide = FrankWolfe { floor: 0.5, ..FrankWolfe::default() };
    let error = solve(&wide, &task("loan", json!({})), 0, ignore).unwrap_err();
    assert_eq!(error.to_string(), "floor is 0.5, expected below 1/A, A the number of actions");
    let error = solve(&FrankWolfe::default(), &task("two-state", json!({})), 0, ignore).unwrap_err();
    assert!(error.to_string().contains("there is one policy"));
}
