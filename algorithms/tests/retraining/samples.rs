use super::*;
use crate::tolerances::FORMULA;

fn affine() -> Task {
    task(&pemdp::oracle::examples::example("affine").unwrap().to_json())
}

fn settings(trajectories: usize) -> FiniteSampleRetraining {
    FiniteSampleRetraining { trajectories, lambda: 1.0, iterations: 1, ..FiniteSampleRetraining::default() }
}

/// Root mean squared distance of the first retrained policy from the exact one.
fn error(trajectories: usize, seeds: u64) -> f64 {
    let task = affine();
    let exact = RepeatedRetraining {
        regulariser: Regulariser::Quadratic,
        lambda: 1.0,
        iterations: 1,
        ..RepeatedRetraining::default()
    };
    let exact = run(&exact, &task, 0).policy;
    let square = |seed| {
        let policy = run(&settings(trajectories), &task, seed).policy;
        (0..4)
            .map(|i| (policy.probability(i / 2, i % 2) - exact.probability(i / 2, i % 2)).powi(2))
            .sum::<f64>()
    };
    ((0..seeds).map(square).sum::<f64>() / seeds as f64).sqrt()
}

/// 16 times the trajectories quarter the error. The ratio of two root mean
/// squares of 400 draws each has a relative standard deviation of about
/// 2/sqrt(800) = 7 % (one degree of freedom; less with more), so that 25 % is
/// beyond 3 deviations: confidence 99.7 %. The seeds are fixed.
#[test]
fn errors_fall_as_one_over_the_root_of_the_trajectories() {
    let (few, many) = (error(250, 400), error(4000, 400));
    assert!((few / many / 4.0 - 1.0).abs() < 0.25, "{few} {many}");
    assert!(many < 0.02);
}

/// Each trajectory has `1/(1-gamma)` steps in expectation, with the variance
/// `gamma/(1-gamma)^2` of the geometric distribution.
#[test]
fn steps_are_counted() {
    let trajectory = run(&settings(10_000), &affine(), 3);
    let steps = trajectory.iterates[1].cost.samples as f64;
    let gamma: f64 = 0.75;
    let deviation = (10_000.0 * gamma).sqrt() / (1.0 - gamma);
    assert!((steps - 10_000.0 / (1.0 - gamma)).abs() <= 4.0 * deviation, "{steps}");
    assert_eq!(trajectory.iterates[0].cost.samples, 0);
}

#[test]
fn a_seed_decides_everything() {
    let once = run(&settings(5), &affine(), 7);
    assert_eq!(once, run(&settings(5), &affine(), 7));
    assert_ne!(once.policy, run(&settings(5), &affine(), 8).policy);
}

/// The other action pays more, but the deployed policy never takes it, and what
/// was never tried is not taken: whichever comes first, and even where all that
/// was seen is equally bad, so that a regulariser would rather spread.
#[test]
fn what_was_never_tried_is_not_taken() {
    for (policy, rewards, tried) in [([1, 0], [-1, 2], 0), ([0, 1], [2, -1], 1), ([0, 1], [3, 2], 1)] {
        let task = task(&format!(
            r#"{{"format":"pemdp-problem/1","gamma":0.5,"initial":[1],
                "policy":{{"kind":"probabilities","values":[{policy:?}]}},
                "environment":{{"kind":"fixed","transitions":[[[1],[1]]],"rewards":[{rewards:?}]}}}}"#
        ));
        for (regulariser, lambda) in
            [(Regulariser::None, 0.1), (Regulariser::Quadratic, 0.1), (Regulariser::Quadratic, 100.0)]
        {
            let settings = FiniteSampleRetraining { trajectories: 3, regulariser, lambda, iterations: 2 };
            let policy = run(&settings, &task, 0).policy;
            assert!((policy.probability(0, tried) - 1.0).abs() < FORMULA, "{regulariser:?} {lambda}");
        }
    }
}
