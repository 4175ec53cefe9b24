use super::*;
use crate::tolerances::{CONVERGED, FORMULA, ILL_CONDITIONED, SOLVED};

/// The bandit form: `r(approve) - r(decline) = a - b p`, from `p = 1/8`.
fn bandit(gamma: f64, q0: f64) -> Task {
    task(&format!(
        r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},
                "policy":{{"kind":"probabilities","values":[[0.125,0.875]]}},
                "environment":{{"kind":"loan","form":"bandit","q0":{q0:?},"c":0.5,"gain":1,"loss":1}}}}"#
    ))
}

/// `p` after each number of retrainings.
fn path(settings: &RepeatedRetraining, task: &Task, steps: usize) -> Vec<f64> {
    let after = |iterations| {
        let settings = RepeatedRetraining { iterations, tolerance: 0.0, ..settings.clone() };
        *run(&settings, task, 0).policy.probability(0, 0)
    };
    std::iter::once(*task.start.probability(0, 0)).chain((1..=steps).map(after)).collect()
}

fn quadratic(lambda: f64) -> RepeatedRetraining {
    RepeatedRetraining { regulariser: Regulariser::Quadratic, lambda, ..RepeatedRetraining::default() }
}

/// `docs/theory/retraining.md`, section 2: `p` moves by `-f` times its last
/// move, `f = b (1-gamma)/(2 lambda)`, and the stable point is known.
#[test]
fn quadratic_retraining_contracts_by_its_exact_factor() {
    for gamma in [0.0, 0.5, 0.9, 0.99] {
        for (q0, b) in [(0.75, 1.0), (0.6875, 1.0)] {
            let a = 2.0 * q0 - 1.0;
            for f in [0.25, 0.5, 0.9, 0.99] {
                let lambda = b * (1.0 - gamma) / (2.0 * f);
                let task = bandit(gamma, q0);
                let path = path(&quadratic(lambda), &task, 3);
                let factor = (path[3] - path[2]) / (path[2] - path[1]);
                assert!((factor + f).abs() < ILL_CONDITIONED, "gamma {gamma}, f {f}: {factor}");
                let end = run(&RepeatedRetraining { iterations: 5000, ..quadratic(lambda) }, &task, 0);
                assert!(matches!(end.stop, Stop::Converged { .. }));
                let stable = (0.5 + (1.0 - gamma) * a / (2.0 * lambda)) / (1.0 + f);
                assert!((end.policy.probability(0, 0) - stable).abs() < 2e-9 / (1.0 - f));
            }
        }
    }
}

/// At the threshold every point is in a cycle of period 2; below it, the ends
/// of the clip are.
#[test]
fn quadratic_retraining_cycles_from_its_threshold_on() {
    for gamma in [0.5, 0.9] {
        for f in [1.0, 1.25, 4.0] {
            let trajectory = run(&quadratic((1.0 - gamma) / (2.0 * f)), &bandit(gamma, 0.75), 0);
            assert_eq!(trajectory.stop, Stop::Cycle { period: 2 }, "f {f}");
        }
    }
    let trajectory = run(&quadratic(0.05 * 1.01), &bandit(0.9, 0.75), 0);
    assert_eq!(trajectory.stop, Stop::IterationLimit, "just above the threshold it contracts slowly");
}

/// Without a regulariser the response is all or nothing; with entropy
/// `p = sigma((a - b p)/lambda)`, which is the stable point 1/2 for `a = b/2`,
/// and contracts for `lambda > b/4`.
#[test]
fn exact_and_entropic_retraining_around_the_stable_point() {
    let exact = run(&RepeatedRetraining::default(), &bandit(0.9, 0.75), 0);
    assert_eq!(exact.stop, Stop::Cycle { period: 2 });
    let entropic = |lambda: f64| RepeatedRetraining {
        regulariser: Regulariser::Entropy,
        lambda,
        iterations: 1000,
        ..RepeatedRetraining::default()
    };
    for lambda in [0.26, 0.5, 2.0] {
        let trajectory = run(&entropic(lambda), &bandit(0.9, 0.75), 0);
        assert!(matches!(trajectory.stop, Stop::Converged { .. }));
        assert!((trajectory.policy.probability(0, 0) - 0.5).abs() < CONVERGED, "{lambda}");
    }
    assert_eq!(run(&entropic(0.24), &bandit(0.9, 0.75), 0).stop, Stop::Cycle { period: 2 });
    let path = path(&entropic(0.3), &bandit(0.9, 0.625), 4);
    for pair in path.windows(2) {
        let expected = 1.0 / (1.0 + ((pair[0] - 0.25) / 0.3).exp());
        assert!((pair[1] - expected).abs() < FORMULA);
    }
}

/// With a small share of the response the exact best response is led to the
/// stable point: it chatters around it, one step of `w` wide.
#[test]
fn a_slow_environment_is_led_to_the_stable_point() {
    let settings = RepeatedRetraining { shift: 0.02, iterations: 400, ..RepeatedRetraining::default() };
    let trajectory = run(&settings, &bandit(0.5, 0.75), 0);
    for iterate in &trajectory.iterates[200..] {
        // In force, approval pays a - b p with p within w of 1/2; declining pays 0.
        assert!(iterate.experienced_value.unwrap().abs() <= 2.0 * 0.02 + SOLVED);
    }
}
