use super::*;
use crate::tolerances::{CONVERGED, FORMULA};

/// In the bandit family, `d = (x, T - x)` and the projection keeps the sum:
/// `x' = x + (step/2) (a - b p - lambda (2 x - T))`.
#[test]
fn gradient_ascent_follows_its_law() {
    let json = |p: f64| {
        format!(
            r#"{{"format":"pemdp-problem/1","gamma":0.75,
                "policy":{{"kind":"probabilities","values":[[{p:?},{:?}]]}},
                "environment":{{"kind":"loan","form":"bandit","q0":0.75,"c":0.5,"gain":1,"loss":1}}}}"#,
            1.0 - p
        )
    };
    let (step, lambda, p) = (0.5, 0.25, 0.125);
    let settings =
        RepeatedGradientAscent { step, lambda, iterations: 1, ..RepeatedGradientAscent::default() };
    let reached = *run(&settings, &task(&json(p)), 0).policy.probability(0, 0);
    let (x, t) = (4.0 * p, 4.0);
    let expected = (x + step / 2.0 * (0.5 - p - lambda * (2.0 * x - t))) / t;
    assert!((reached - expected).abs() < FORMULA);
    let settings = RepeatedGradientAscent { iterations: 1000, ..settings };
    let trajectory = run(&settings, &task(&json(p)), 0);
    assert!(matches!(trajectory.stop, Stop::Converged { .. }));
    // The stable point of retraining with the same regulariser.
    assert!((trajectory.policy.probability(0, 0) - 0.5).abs() < CONVERGED);
}

/// The same stable point as retraining, in an MDP.
#[test]
fn gradient_ascent_ends_where_retraining_does() {
    let task = task(&pemdp::oracle::examples::example("affine").unwrap().to_json());
    let retraining = RepeatedRetraining {
        regulariser: Regulariser::Quadratic,
        lambda: 1.0,
        ..RepeatedRetraining::default()
    };
    let ascent =
        RepeatedGradientAscent { lambda: 1.0, iterations: 2000, ..RepeatedGradientAscent::default() };
    let (retrained, ascended) = (run(&retraining, &task, 0), run(&ascent, &task, 0));
    assert!(
        matches!(retrained.stop, Stop::Converged { .. }) && matches!(ascended.stop, Stop::Converged { .. })
    );
    assert!((retrained.last_value() - ascended.last_value()).abs() < CONVERGED);
}
