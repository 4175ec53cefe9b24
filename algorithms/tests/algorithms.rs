//! Algorithms against the true environment, through the public interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

mod gridworld {
    use std::ops::ControlFlow;

    use crate::tolerances::{FOUR_DIGITS, ILL_CONDITIONED, SEVEN_DIGITS, SOLVED, THREE_DIGITS};
    use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, eps_greedy_policy};
    use pemdp::oracle::examples;
    use pemdp::policy::Policy;
    use pemdp::problem::{Problem, Reading};
    use pemdp_algorithms::{
        ALGORITHMS, Algorithm, BasinHopping, Iterate, Pepg, SettingValues, Stop, Task, Terms, Trajectory,
        solve,
    };

    /// The benchmark at eps .5, beta 5, 2 followers, from the uniform policy.
    fn uniform() -> Task {
        let json = pemdp::oracle::examples::example("gridworld").unwrap();
        Task::new(&Problem::from_json(&json.to_json(), Reading::Doubles).unwrap()).unwrap()
    }

    fn benchmark_start() -> Task {
        let start = Policy::probabilities(N_STATES, N_ACTIONS, eps_greedy_policy(0.9).unwrap()).unwrap();
        uniform().starting_from(start)
    }

    fn run(settings: &dyn Algorithm, task: &Task) -> Trajectory {
        solve(settings, task, 0, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    /// Value of the policy of a ready problem.
    fn value(example: &str) -> f64 {
        let json = pemdp::oracle::examples::example(example).unwrap().to_json();
        Problem::from_json(&json, Reading::Doubles).unwrap().answer().unwrap().value
    }

    #[test]
    fn the_best_policy_found_is_as_good_as_documented() {
        assert!((value("gridworld-best") + 0.134_062_8).abs() < SEVEN_DIGITS);
    }

    #[test]
    fn dropping_the_performative_terms_costs_a_quarter() {
        let end = |terms| run(&Pepg { terms, ..Pepg::default() }, &benchmark_start());
        let (all, policy) = (end(Terms::All), end(Terms::Policy));
        assert!((policy.best().unwrap().value + 0.1708).abs() < FOUR_DIGITS);
        let cost = (all.last_value() - policy.last_value()) / all.last_value().abs();
        assert!((0.2..0.3).contains(&cost), "{cost}");
    }

    #[test]
    fn coverage_is_against_the_best_policy() {
        let trajectory = run(&Pepg { iterations: 30, ..Pepg::default() }, &uniform());
        let coverage: Vec<f64> = trajectory.iterates.iter().filter_map(|iterate| iterate.coverage).collect();
        assert_eq!(coverage.len(), 31);
        assert!(coverage.iter().all(|x| *x >= 1.0 - SOLVED));
        // The best policy covers itself.
        let best = trajectory.best().unwrap();
        assert!((best.coverage.unwrap() - 1.0).abs() < ILL_CONDITIONED, "{best:?}");
        let given = uniform().compared_with(trajectory.best_policy.clone());
        let again = run(&Pepg { iterations: 30, ..Pepg::default() }, &given);
        assert_eq!(again.iterates, trajectory.iterates);
    }

    #[test]
    fn the_observer_ends_a_run_and_keeps_it() {
        let mut seen = 0;
        let mut observer = |iterate: &Iterate| {
            seen += 1;
            if iterate.iteration == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let trajectory = solve(&Pepg::default(), &uniform(), 0, &mut observer).unwrap();
        assert_eq!((trajectory.stop, trajectory.iterates.len(), seen), (Stop::Interrupted, 5, 5));
    }

    /// One state, two maxima (example B): ascent from below p = 4/9 ends at the lower
    /// one.
    #[test]
    fn basin_hopping_leaves_a_local_maximum() {
        let example = examples::example("two-basins").unwrap().to_json();
        let problem = Problem::from_json(&example, Reading::Doubles).unwrap();
        let start = Policy::probabilities(1, 2, vec![0.2, 0.8]).unwrap();
        let task = Task::new(&problem).unwrap().starting_from(start);
        assert!(run(&Pepg::default(), &task).last_value() < 1.61);
        let settings = BasinHopping { iterations: 20, ..BasinHopping::default() };
        assert!(run(&settings, &task).last_value() > 1.99);
    }

    #[test]
    fn basin_hopping_never_falls_and_does_not_depend_on_the_threads() {
        let settings = BasinHopping { iterations: 3, steps: 8, ..BasinHopping::default() };
        let runs = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&settings, &benchmark_start()))
        });
        let values: Vec<f64> = runs[0].iterates.iter().map(|iterate| iterate.value).collect();
        assert!(values.is_sorted() && values[4] > values[0] + 0.01, "{values:?}");
        assert_eq!((values.len(), runs[0].stop), (5, Stop::IterationLimit));
        assert_eq!(runs[0].iterates, runs[1].iterates);
    }

    #[test]
    fn settings_are_listed_with_their_names() {
        for entry in ALGORITHMS {
            let defaults = (entry.build)(&SettingValues::default()).unwrap();
            assert!(defaults.check().is_ok() && defaults.name() == entry.name, "{}", entry.name);
            let settings = serde_json::to_value(defaults.settings()).unwrap();
            let known: Vec<String> = settings.as_object().unwrap().keys().cloned().collect();
            let mut listed: Vec<&str> = entry.settings.iter().map(|setting| setting.name).collect();
            listed.sort_unstable();
            assert_eq!(listed, known, "{}", entry.name);
        }
    }

    #[test]
    fn adam_on_the_exact_gradient() {
        for (task, start, end) in [(uniform(), -0.3702, -0.1489), (benchmark_start(), -0.2195, -0.1384)] {
            let trajectory = run(&Pepg::default(), &task);
            assert!((trajectory.iterates[0].value - start).abs() < FOUR_DIGITS);
            assert!((trajectory.last_value() - end).abs() < THREE_DIGITS, "{}", trajectory.last_value());
        }
    }
}

mod sampled {
    use std::ops::ControlFlow;

    use pemdp::oracle::examples;
    use pemdp::problem::{Problem, Reading};
    use pemdp_algorithms::estimate::EstimatorKind;
    use pemdp_algorithms::{Method, Pepg, Stop, Task, Terms, Trajectory, algorithm, solve};
    use serde_json::json;

    fn task() -> Task {
        let loan = examples::example("loan-mdp").unwrap().to_json();
        Task::new(&Problem::from_json(&loan, Reading::Doubles).unwrap()).unwrap()
    }

    fn run(settings: &Pepg, seed: u64) -> Trajectory {
        solve(settings, &task(), seed, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    /// From 1/3. The optimum approves with probability 1/4, the stable policy,
    /// where ascent without the transition term ends, with 1/2.
    #[test]
    fn estimates_lead_to_the_optimum_and_the_mistakes_to_the_stable_policy() {
        let settings = |estimator, terms| Pepg {
            method: Method::Plain,
            step: 0.5,
            iterations: 400,
            trajectories: 400,
            estimator: Some(estimator),
            terms,
            ..Pepg::default()
        };
        for (estimator, terms, approval) in [
            (EstimatorKind::ReturnFittedBaseline, Terms::All, 0.25),
            (EstimatorKind::Td, Terms::All, 0.25),
            (EstimatorKind::Score, Terms::All, 0.25),
            (EstimatorKind::Printed, Terms::All, 0.5),
            (EstimatorKind::OneStepLate, Terms::All, 0.5),
            (EstimatorKind::Td, Terms::NoTransition, 0.5),
        ] {
            let trajectory = run(&settings(estimator, terms), 1);
            let seen = *trajectory.policy.probability(0, 0);
            assert!((seen - approval).abs() < 0.06, "{estimator:?} {terms:?}: {seen}");
            assert_eq!(trajectory.stop, Stop::IterationLimit);
            assert_eq!(trajectory, run(&settings(estimator, terms), 1));
        }
    }

    #[test]
    fn samples_are_counted_and_every_estimator_runs() {
        for estimator in EstimatorKind::ALL {
            let settings = Pepg {
                iterations: 2,
                trajectories: 10,
                horizon: Some(4),
                estimator: Some(estimator),
                ..Pepg::default()
            };
            let trajectory = run(&settings, 0);
            let batches =
                if serde_json::to_value(estimator).unwrap().to_string().contains("fitted") { 2 } else { 1 };
            let samples: Vec<u64> = trajectory.iterates.iter().map(|iterate| iterate.cost.samples).collect();
            assert_eq!(samples, [0, 40 * batches, 80 * batches], "{estimator:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (settings, message) in [
            (json!({"estimator": "td", "trajectories": 0}), "trajectories is 0, expected at least 1"),
            (json!({"estimator": "td", "horizon": 0}), "horizon is 0, expected at least 1"),
            (
                json!({"estimator": "undiscounted"}),
                "horizon is null, expected a number of steps: without discount a geometric horizon makes no sense",
            ),
            (
                json!({"estimator": "td", "method": "natural"}),
                "method is natural, expected plain or adam with an estimator: the others use exact values",
            ),
            (
                json!({"estimator": "td", "smoothing": 0.1}),
                "smoothing is 0.1, expected null with an estimator: no episodes are drawn in a smoothed response",
            ),
        ] {
            let error = algorithm("pepg", settings.as_object().unwrap()).err().unwrap();
            assert_eq!(error.to_string(), message);
        }
    }
}

mod measures {
    use std::ops::ControlFlow;

    use crate::tolerances::{ROUGH_QUOTIENT, SOLVED};
    use pemdp::oracle::examples;
    use pemdp::policy::Policy;
    use pemdp::problem::{Problem, Reading};
    use pemdp_algorithms::{
        Algorithm, DelayedRetraining, Method, Pepg, RepeatedRetraining, Stop, Task, Trajectory, solve,
    };

    fn task(example: &str) -> Task {
        let json = examples::example(example).unwrap().to_json();
        Task::new(&Problem::from_json(&json, Reading::Doubles).unwrap()).unwrap()
    }

    /// The loan as a bandit, from an approval rate.
    fn loan(p: f64) -> Task {
        task("loan").starting_from(Policy::weights(1, 2, vec![p, 1.0 - p]).unwrap())
    }

    fn run(algorithm: &dyn Algorithm, task: &Task) -> Trajectory {
        solve(algorithm, task, 0, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn is_near(x: f64, expected: f64) -> bool {
        (x - expected).abs() <= SOLVED * expected.abs().max(1.0)
    }

    /// J = 4 p (1/4 - p/2) on the loan: everything that is measured, by hand.
    #[test]
    fn measures_are_what_they_say() {
        let step = 0.5;
        for p in [0.4, 0.1] {
            let settings = Pepg { method: Method::Plain, step, iterations: 1, ..Pepg::default() };
            let trajectory = run(&settings, &loan(p));
            let [first, second] = &trajectory.iterates[..] else { panic!("{:?}", trajectory.iterates) };
            let slope = |p: f64| (1.0 - 4.0 * p) * p * (1.0 - p);
            // The gradient is (slope, -slope); through the rewards -p slope', q' = -1/2.
            let norm = 2f64.sqrt() * slope(p).abs();
            assert!(is_near(first.value, p * (1.0 - 2.0 * p)) && is_near(first.gradient_norm, norm));
            assert!(is_near(first.gradient_norms.reward, 2f64.sqrt() * 2.0 * p * p * (1.0 - p)));
            assert_eq!((first.gradient_norms.transition, first.sensitivity), (0.0, None));
            assert!(is_near(first.policy_entropy, -p * p.ln() - (1.0 - p) * (1.0 - p).ln()));
            assert_eq!((first.cost.deployments, second.cost.deployments, second.cost.samples), (1, 2, 0));
            // theta[0] - theta[1] moves by 2 step slope; r(approve) = 1/2 - p.
            let odds = p / (1.0 - p) * (2.0 * step * slope(p)).exp();
            let reached = odds / (1.0 + odds);
            assert!(is_near(*trajectory.policy.probability(0, 0), reached));
            let sensitivity = second.sensitivity.unwrap();
            assert!(is_near(sensitivity.step, step * norm) && sensitivity.transition == 0.0);
            assert!(is_near(sensitivity.reward, (p - reached).abs() / (step * norm)));
            let change = 2f64.sqrt() * (slope(reached) - slope(p)).abs();
            assert!(is_near(sensitivity.smoothness, change / (step * norm)));
        }
    }

    #[test]
    fn backtracking_never_descends_and_counts_its_trials() {
        let settings = Pepg { method: Method::Backtracking, step: 200.0, ..Pepg::default() };
        let trajectory = run(&settings, &loan(0.4));
        assert!(matches!(trajectory.stop, Stop::Converged { .. }), "{:?}", trajectory.stop);
        assert!(trajectory.iterates.windows(2).all(|pair| pair[1].value > pair[0].value));
        let last = trajectory.iterates.last().unwrap();
        assert!((last.value - 0.125).abs() < SOLVED && last.cost.deployments > 2 * last.iteration as u64);
    }

    /// Without a response the natural gradient of a softmax policy is the
    /// advantage over `1 - gamma`, however often a state is visited and whatever the
    /// probabilities are.
    #[test]
    fn natural_steps_follow_the_advantage() {
        let environment = r#"{"kind": "fixed", "transitions": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]], "rewards": [[0, 1], [0, 4]]}"#;
        let softmax = r#"{"kind": "softmax", "logits": [[0.2, -0.4], [0.1, 0.3]]}"#;
        let log_linear = r#"{"kind": "log-linear", "theta": [0.2, -0.4, 0.1, 0.3],
            "features": [[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]]}"#;
        for policy in [softmax, log_linear] {
            let json = format!(
                r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.25, 0.75], "policy": {policy}, "environment": {environment}}}"#
            );
            let task = Task::new(&Problem::from_json(&json, Reading::Doubles).unwrap()).unwrap();
            let settings =
                Pepg { method: Method::Natural, step: 0.25, damping: 1e-9, iterations: 1, ..Pepg::default() };
            let moved = run(&settings, &task).policy;
            let odds =
                |policy: &Policy<f64>, s: usize| (policy.probability(s, 1) / policy.probability(s, 0)).ln();
            for (s, advantage) in [(0, 1.0), (1, 4.0)] {
                let change = odds(&moved, s) - odds(&task.start, s);
                assert!((change - 0.25 * advantage / 0.5).abs() < ROUGH_QUOTIENT, "{change}");
            }
        }
    }

    fn warns(trajectory: &Trajectory, text: &str) -> bool {
        trajectory.warnings.iter().any(|warning| warning.contains(text))
    }

    #[test]
    fn void_guarantees_are_named_and_others_are_not() {
        let cycle = run(&RepeatedRetraining::default(), &loan(0.9));
        assert!(warns(&cycle, "cycle with period 2") && !warns(&cycle, "differentiable"));
        // From .4 to .12, beyond the optimum.
        let long =
            run(&Pepg { method: Method::Plain, step: 5.5, iterations: 1, ..Pepg::default() }, &loan(0.4));
        assert!(warns(&long, "need not be monotone"), "{:?}", long.warnings);
        let short = run(&Pepg { method: Method::Plain, step: 1.0, ..Pepg::default() }, &loan(0.9));
        assert!(short.warnings.is_empty(), "{:?}", short.warnings);
        // Deterministic policies do not cover each other, and sit on kinks.
        let wandering = run(&RepeatedRetraining::default(), &task("gridworld-start"));
        assert!(warns(&wandering, "not differentiable at 3 of 4"), "{:?}", wandering.warnings);
        // Noise between sampled models is no response of the environment.
        let sampled =
            DelayedRetraining { trajectories: Some(20), iterations: 20, ..DelayedRetraining::default() };
        let sampled = run(&sampled, &task("gridworld-start"));
        assert!(!warns(&sampled, "contraction"), "{:?}", sampled.warnings);
        assert!(warns(&sampled, "coverage is infinite"), "{:?}", sampled.warnings);
    }
}
