use super::*;
use crate::tolerances::{FIVE_DIGITS, FOUR_DIGITS, SUMS};
use pemdp::environments::Gridworld;
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, eps_greedy_policy, initial, perturbed_grid};
use pemdp::performative::PerformativeMdp;

/// The benchmark at eps .5 with 2 followers, from its eps-greedy policy.
fn benchmark(beta: f64) -> Task {
    let grids = || (0..2).map(|seed| perturbed_grid(0.5, seed)).collect();
    let json = pemdp::oracle::examples::example("gridworld-start").unwrap().to_json();
    let mut task = task(&json);
    let response = Box::new(Gridworld::new(beta, 0.9, grids()).unwrap());
    task.environment = PerformativeMdp {
        response,
        initial: initial(),
        gamma: 0.9,
        entropy: 0.0,
        criterion: Default::default(),
    };
    let start = eps_greedy_policy(0.9).unwrap();
    task.starting_from(Policy::probabilities(N_STATES, N_ACTIONS, start).unwrap())
}

fn quadratic(lambda: f64) -> RepeatedRetraining {
    RepeatedRetraining { regulariser: Regulariser::Quadratic, lambda, ..RepeatedRetraining::default() }
}

#[test]
fn exact_retraining() {
    let trajectory = run(&RepeatedRetraining::default(), &benchmark(5.0), 0);
    assert!((trajectory.iterates[0].value + 0.2195).abs() < FOUR_DIGITS);
    assert!((trajectory.last_value() + 0.17225).abs() < FIVE_DIGITS);
    assert!(matches!(trajectory.stop, Stop::Converged { .. }));
    assert!(trajectory.iterates.len() <= 5, "a fixed point after at most 3 steps");
}

#[test]
fn exact_retraining_cycles_or_wanders() {
    let trajectory = run(&RepeatedRetraining::default(), &benchmark(1.0), 0);
    assert_eq!(trajectory.stop, Stop::Cycle { period: 2 });
    let settings = RepeatedRetraining { iterations: 50, ..RepeatedRetraining::default() };
    let trajectory = run(&settings, &benchmark(200.0), 0);
    assert!(!matches!(trajectory.stop, Stop::Converged { .. }));
}

#[test]
fn quadratic_retraining() {
    for (lambda, value) in [(0.1, -0.1923), (1.0, -0.2281), (5.0, -0.3239)] {
        let trajectory = run(&quadratic(lambda), &benchmark(5.0), 0);
        // At lambda = 1 it alternates while it converges: no cycle of period 2.
        assert!(matches!(trajectory.stop, Stop::Converged { .. }), "{lambda}: {:?}", trajectory.stop);
        assert!(
            (trajectory.last_value() - value).abs() < FOUR_DIGITS,
            "{lambda}: {}",
            trajectory.last_value()
        );
    }
}

#[test]
fn the_benchmarks_responses_are_certified() {
    let task = benchmark(5.0);
    let mdp = task.environment.perform(&task.start).unwrap().mdp;
    assert!(pemdp_algorithms::planning::best_response(&mdp).unwrap().loss_bound < SUMS);
    for lambda in [1e-3, 0.1, 1.0, 5.0] {
        let bound = pemdp_algorithms::planning::quadratic_response(&mdp, lambda).unwrap().distance_bound;
        assert!(bound < SUMS * (1.0 + 1.0 / lambda), "{lambda}: {bound}");
        assert!(
            pemdp_algorithms::planning::soft_response(&mdp, lambda).unwrap().loss_bound
                < SUMS * (1.0 + lambda)
        );
    }
}

/// In the true environment, from the same start: all end where exact repeated
/// retraining with the same regulariser does, up to what is left of the steps
/// and the noise of the samples.
#[test]
fn every_way_of_quadratic_retraining_approaches_the_stable_value() {
    let task = benchmark(5.0);
    let sampled = FiniteSampleRetraining { trajectories: 20_000, iterations: 12, ..Default::default() };
    let algorithms: [(&dyn Algorithm, f64); 4] = [
        (&RepeatedGradientAscent::default(), 1e-3),
        (&DelayedRetraining::default(), 1e-7),
        (&MixedDelayedRetraining::default(), 1e-7),
        (&sampled, 1e-2),
    ];
    for (algorithm, tolerance) in algorithms {
        let trajectory = run(algorithm, &task, 0);
        let gap = (trajectory.last_value() + 0.192_281_14).abs();
        assert!(gap < tolerance, "{}: {}", algorithm.name(), trajectory.last_value());
    }
}
