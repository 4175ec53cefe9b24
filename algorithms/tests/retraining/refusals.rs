use super::*;
use pemdp_algorithms::algorithm;
use serde_json::json;

const RETRAINING: [&str; 5] = [
    "repeated-retraining",
    "repeated-gradient-ascent",
    "finite-sample-retraining",
    "delayed-retraining",
    "mixed-delayed-retraining",
];

#[test]
fn settings_that_make_no_sense() {
    for (name, settings, reason) in [
        ("mixed-delayed-retraining", json!({"v": 1.0}), "v is 1, expected a number above 1"),
        ("mixed-delayed-retraining", json!({"delay": 0}), "delay is 0, expected at least 1"),
        ("delayed-retraining", json!({"shift": 0.0}), "shift is 0, expected a number in (0, 1]"),
        ("delayed-retraining", json!({"trajectories": 0}), "trajectories is 0"),
        ("repeated-retraining", json!({"shift": 1.5}), "shift is 1.5"),
        ("repeated-retraining", json!({"regulariser": "quadratic", "lambda": 0}), "lambda is 0"),
        ("repeated-retraining", json!({"regulariser": "ridge"}), "regulariser is \"ridge\", expected one of"),
        ("finite-sample-retraining", json!({"trajectories": 0}), "trajectories is 0, expected at least 1"),
        ("finite-sample-retraining", json!({"iterations": 0}), "iterations is 0"),
        ("repeated-gradient-ascent", json!({"step": -0.1}), "step is -0.1, expected a number above 0"),
        ("repeated-gradient-ascent", json!({"lambda": -1}), "lambda is -1"),
    ] {
        let error = algorithm(name, settings.as_object().unwrap()).err().unwrap().to_string();
        assert!(error.starts_with(reason), "{name}: {error}");
    }
}

#[test]
fn a_loss_that_is_not_linear_in_the_policy() {
    let coin = task(&pemdp::oracle::examples::example("coin").unwrap().to_json());
    for name in RETRAINING {
        let algorithm = algorithm(name, &serde_json::Map::new()).unwrap();
        let error = solve(&*algorithm, &coin, 0, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("not linear in pi"), "{error}");
    }
}

/// An exponential family responds to `log pi`: no deterministic policies.
#[test]
fn an_environment_that_responds_to_logarithms() {
    let family = task(&pemdp::oracle::examples::example("exponential-family").unwrap().to_json());
    let deterministic = RepeatedRetraining::default();
    let error = solve(&deterministic, &family, 0, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("responds to log pi"), "{error}");
    let entropic = RepeatedRetraining {
        regulariser: Regulariser::Entropy,
        lambda: 1.0,
        iterations: 1000,
        ..RepeatedRetraining::default()
    };
    let trajectory = run(&entropic, &family, 0);
    assert!(matches!(trajectory.stop, Stop::Converged { .. }));
    // Stable: the soft best response in its own environment.
    let mdp = task_mdp(&family, &trajectory.policy);
    let response = pemdp_algorithms::planning::soft_response(&mdp, 1.0).unwrap().policy;
    for i in 0..4 {
        let (s, a) = (i / 2, i % 2);
        assert!((response.probability(s, a) - trajectory.policy.probability(s, a)).abs() < 1e-8);
    }
}

fn task_mdp(task: &Task, policy: &Policy<f64>) -> pemdp::mdp::Mdp<f64> {
    task.environment.perform(policy).unwrap().mdp
}
