//! Retraining against known figures and exact laws, through the public
//! interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::ops::ControlFlow;

use pemdp::algorithms::{
    Algorithm, DelayedRetraining, FiniteSampleRetraining, MixedDelayedRetraining, Regulariser,
    RepeatedGradientAscent, RepeatedRetraining, Stop, Task, Trajectory, solve,
};
use pemdp::oracle::{Problem, Reading};
use pemdp::policy::Policy;

fn run(algorithm: &dyn Algorithm, task: &Task, seed: u64) -> Trajectory {
    solve(algorithm, task, seed, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn task(json: &str) -> Task {
    Task::new(&Problem::from_json(json, Reading::Doubles).unwrap()).unwrap()
}

mod gridworld {
    use super::*;
    use pemdp::environments::Gridworld;
    use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, eps_greedy_policy, initial, perturbed_grid};
    use pemdp::performative::PerformativeMdp;

    /// The benchmark at eps .5 with 2 followers, from its eps-greedy policy.
    fn benchmark(beta: f64) -> Task {
        let grids = || (0..2).map(|seed| perturbed_grid(0.5, seed)).collect();
        let json = pemdp::oracle::examples::example("gridworld-start").unwrap().to_json();
        let mut task = task(&json);
        let response = Box::new(Gridworld::new(beta, 0.9, grids()).unwrap());
        task.environment = PerformativeMdp { response, initial: initial(), gamma: 0.9, entropy: 0.0 };
        let start = eps_greedy_policy(0.9).unwrap();
        task.starting_from(Policy::probabilities(N_STATES, N_ACTIONS, start).unwrap())
    }

    fn quadratic(lambda: f64) -> RepeatedRetraining {
        RepeatedRetraining { regulariser: Regulariser::Quadratic, lambda, ..RepeatedRetraining::default() }
    }

    #[test]
    fn exact_retraining() {
        let trajectory = run(&RepeatedRetraining::default(), &benchmark(5.0), 0);
        println!(
            "{:?} {:?}",
            trajectory.stop,
            trajectory.iterates.iter().map(|i| i.value).collect::<Vec<_>>()
        );
        assert!((trajectory.iterates[0].value + 0.2195).abs() < 1e-4);
        assert!((trajectory.last_value() + 0.17225).abs() < 1e-5);
        assert!(matches!(trajectory.stop, Stop::Converged { .. }));
        assert!(trajectory.iterates.len() <= 5, "a fixed point after at most 3 steps");
    }

    #[test]
    fn exact_retraining_cycles_or_wanders() {
        let trajectory = run(&RepeatedRetraining::default(), &benchmark(1.0), 0);
        println!("{:?} {:?}", trajectory.stop, trajectory.last_value());
        assert_eq!(trajectory.stop, Stop::Cycle { period: 2 });
        let settings = RepeatedRetraining { iterations: 50, ..RepeatedRetraining::default() };
        let trajectory = run(&settings, &benchmark(200.0), 0);
        println!(
            "{:?} {:?}",
            trajectory.stop,
            trajectory.iterates.iter().map(|i| i.value).collect::<Vec<_>>()
        );
        assert!(!matches!(trajectory.stop, Stop::Converged { .. }));
    }

    #[test]
    fn quadratic_retraining() {
        for (lambda, value) in [(0.1, -0.1923), (1.0, -0.2281), (5.0, -0.3239)] {
            let trajectory = run(&quadratic(lambda), &benchmark(5.0), 0);
            println!(
                "{lambda} {:?} {} {}",
                trajectory.stop,
                trajectory.iterates.len(),
                trajectory.last_value()
            );
            assert!((trajectory.last_value() - value).abs() < 1e-4, "{lambda}: {}", trajectory.last_value());
        }
    }

    #[test]
    fn others_run() {
        let task = benchmark(5.0);
        let algorithms: [&dyn Algorithm; 5] = [
            &RepeatedGradientAscent::default(),
            &FiniteSampleRetraining::default(),
            &DelayedRetraining::default(),
            &MixedDelayedRetraining::default(),
            &RepeatedRetraining { regulariser: Regulariser::Entropy, ..RepeatedRetraining::default() },
        ];
        for algorithm in algorithms {
            let started = std::time::Instant::now();
            let trajectory = run(algorithm, &task, 0);
            println!(
                "{} {:?} {} {:.5} best {:.5} {:?} {:?}",
                algorithm.name(),
                trajectory.stop,
                trajectory.iterates.len(),
                trajectory.last_value(),
                trajectory.best().unwrap().value,
                trajectory.iterates.last().unwrap().cost,
                started.elapsed()
            );
        }
    }
}
