//! Retraining against known figures and exact laws, through the public
//! interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::ops::ControlFlow;

use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{
    Algorithm, DelayedRetraining, FiniteSampleRetraining, MixedDelayedRetraining, Regulariser,
    RepeatedGradientAscent, RepeatedRetraining, Stop, Task, Trajectory, solve,
};

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
        assert!((trajectory.iterates[0].value + 0.2195).abs() < 1e-4);
        assert!((trajectory.last_value() + 0.17225).abs() < 1e-5);
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
            assert!((trajectory.last_value() - value).abs() < 1e-4, "{lambda}: {}", trajectory.last_value());
        }
    }

    #[test]
    fn the_benchmarks_responses_are_certified() {
        let task = benchmark(5.0);
        let mdp = task.environment.perform(&task.start).unwrap().mdp;
        assert!(pemdp_algorithms::planning::best_response(&mdp).unwrap().loss_bound < 1e-13);
        for lambda in [1e-3, 0.1, 1.0, 5.0] {
            let bound = pemdp_algorithms::planning::quadratic_response(&mdp, lambda).unwrap().distance_bound;
            assert!(bound < 1e-13 * (1.0 + 1.0 / lambda), "{lambda}: {bound}");
            assert!(
                pemdp_algorithms::planning::soft_response(&mdp, lambda).unwrap().loss_bound
                    < 1e-13 * (1.0 + lambda)
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
}

mod loan {
    use super::*;

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
                    assert!((factor + f).abs() < 1e-9, "gamma {gamma}, f {f}: {factor}");
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
            assert!((trajectory.policy.probability(0, 0) - 0.5).abs() < 1e-7, "{lambda}");
        }
        assert_eq!(run(&entropic(0.24), &bandit(0.9, 0.75), 0).stop, Stop::Cycle { period: 2 });
        let path = path(&entropic(0.3), &bandit(0.9, 0.625), 4);
        for pair in path.windows(2) {
            let expected = 1.0 / (1.0 + ((pair[0] - 0.25) / 0.3).exp());
            assert!((pair[1] - expected).abs() < 1e-14);
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
            assert!(iterate.experienced_value.unwrap().abs() <= 2.0 * 0.02 + 1e-12);
        }
    }
}

mod gradual {
    use super::*;

    fn settings(shift: f64, delay: usize) -> [Box<dyn Algorithm>; 3] {
        let regulariser = Regulariser::Quadratic;
        let (lambda, iterations) = (0.1, 6);
        let tolerance = 0.0;
        let trajectories = None;
        [
            Box::new(RepeatedRetraining { regulariser, lambda, shift, iterations, tolerance }),
            Box::new(DelayedRetraining {
                regulariser,
                lambda,
                delay,
                shift,
                trajectories,
                iterations,
                tolerance,
            }),
            Box::new(MixedDelayedRetraining {
                regulariser,
                lambda,
                delay,
                v: 1.1,
                shift,
                trajectories,
                iterations,
                tolerance,
            }),
        ]
    }

    fn affine() -> Task {
        task(&pemdp::oracle::examples::example("affine").unwrap().to_json())
    }

    fn values(trajectory: &Trajectory) -> Vec<f64> {
        trajectory.iterates.iter().map(|i| i.experienced_value.unwrap_or(i.value)).collect()
    }

    #[test]
    fn one_round_is_repeated_retraining_at_every_shift() {
        let task = affine();
        for shift in [1.0, 0.5, 0.15] {
            let [repeated, delayed, mixed] = settings(shift, 1).map(|a| run(&*a, &task, 0));
            assert_eq!(values(&repeated), values(&delayed));
            assert_eq!(values(&repeated), values(&mixed));
            assert_eq!(repeated.policy, mixed.policy);
        }
        let [_, delayed, mixed] = settings(1.0, 3).map(|a| run(&*a, &task, 0));
        assert_eq!(delayed.policy, mixed.policy, "an immediate response makes all rounds the same");
        let deployments = delayed.iterates.last().unwrap().cost.deployments;
        assert_eq!(deployments as usize, 3 * delayed.iterates.len());
    }

    /// The law of the environment in force, worked out by hand: what a policy
    /// deployed for ever experiences tends to its own value, at the rate `1-w`.
    #[test]
    fn the_environment_in_force_follows_its_law() {
        let task = affine();
        for (shift, delay) in [(0.5, 3), (0.15, 2)] {
            let [_, delayed, _] = settings(shift, delay);
            let trajectory = run(&*delayed, &task, 0);
            let first = &trajectory.iterates[0];
            assert!((first.experienced_value.unwrap() - first.value).abs() < 1e-14);
            let mdp = |policy: &Policy<f64>| task.environment.perform(policy).unwrap().mdp;
            let start = mdp(&task.start);
            let second = {
                let one = DelayedRetraining {
                    regulariser: Regulariser::Quadratic,
                    delay,
                    shift,
                    iterations: 1,
                    ..DelayedRetraining::default()
                };
                run(&one, &task, 0).policy
            };
            let response = mdp(&second);
            let left = (1.0 - shift).powi(delay as i32);
            let mix = |x: f64, y: f64| left * x + (1.0 - left) * y;
            let mut kernel = Vec::new();
            let mut rewards = Vec::new();
            for (s, a) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let p = |t| mix(start.kernel().probability(s, a, t), response.kernel().probability(s, a, t));
                kernel.extend((0..2).map(p));
                rewards.push(mix(*start.reward(s, a), *response.reward(s, a)));
            }
            let kernel = pemdp::mdp::Kernel::dense(2, 2, kernel).unwrap();
            let in_force =
                pemdp::mdp::Mdp::new(kernel, rewards, start.initial().to_vec(), *start.gamma()).unwrap();
            let value = pemdp::evaluate::evaluate(&in_force, &second, &0.0).unwrap().value;
            assert!((trajectory.iterates[1].experienced_value.unwrap() - value).abs() < 1e-13);
        }
    }

    /// All three settle where the response is immediate, too.
    #[test]
    fn the_stable_point_does_not_depend_on_the_shift() {
        let task = affine();
        let immediate = RepeatedRetraining {
            regulariser: Regulariser::Quadratic,
            lambda: 1.0,
            ..RepeatedRetraining::default()
        };
        let expected = run(&immediate, &task, 0);
        assert!(matches!(expected.stop, Stop::Converged { .. }));
        let delayed = DelayedRetraining { lambda: 1.0, ..DelayedRetraining::default() };
        let mixed = MixedDelayedRetraining { lambda: 1.0, ..MixedDelayedRetraining::default() };
        let gradual = RepeatedRetraining { shift: 0.15, iterations: 1000, ..immediate };
        let algorithms: [&dyn Algorithm; 3] = [&gradual, &delayed, &mixed];
        for algorithm in algorithms {
            let trajectory = run(algorithm, &task, 0);
            assert!(matches!(trajectory.stop, Stop::Converged { .. }), "{}", algorithm.name());
            assert!((trajectory.last_value() - expected.last_value()).abs() < 1e-7);
        }
    }

    /// The second retraining with the mixture worked out by hand:
    /// `sum_j v^j d_j[s,a] P_j(.|s,a) / sum_j v^j d_j[s,a]`, the same for `r`.
    #[test]
    fn the_mixture_is_weighted_by_visits_and_rounds() {
        let task = affine();
        let (shift, v, lambda) = (0.3, 3.0, 1.0);
        let after = |iterations| {
            let settings =
                MixedDelayedRetraining { shift, v, delay: 2, lambda, iterations, ..Default::default() };
            run(&settings, &task, 0).policy
        };
        let mdp = |policy: &Policy<f64>| task.environment.perform(policy).unwrap().mdp;
        let (start, response) = (mdp(&task.start), mdp(&after(1)));
        let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let made = |part: &dyn Fn(usize, usize, usize) -> f64, reward: &dyn Fn(usize, usize) -> f64| {
            let kernel = pairs.iter().flat_map(|&(s, a)| [part(s, a, 0), part(s, a, 1)]).collect();
            let kernel = pemdp::mdp::Kernel::dense(2, 2, kernel).unwrap();
            let rewards = pairs.iter().map(|&(s, a)| reward(s, a)).collect();
            pemdp::mdp::Mdp::new(kernel, rewards, start.initial().to_vec(), *start.gamma()).unwrap()
        };
        let round = |left: f64| {
            made(
                &|s, a, t| {
                    left * start.kernel().probability(s, a, t)
                        + (1.0 - left) * response.kernel().probability(s, a, t)
                },
                &|s, a| left * start.reward(s, a) + (1.0 - left) * response.reward(s, a),
            )
        };
        let rounds = [round(0.7), round(0.49)];
        let visits =
            [0, 1].map(|j| pemdp::evaluate::evaluate(&rounds[j], &after(1), &0.0).unwrap().occupancy);
        let mixed = |i: usize, x: [f64; 2]| {
            let weights = [v * visits[0][i], v * v * visits[1][i]];
            (weights[0] * x[0] + weights[1] * x[1]) / (weights[0] + weights[1])
        };
        let model = made(
            &|s, a, t| mixed(2 * s + a, [0, 1].map(|j| rounds[j].kernel().probability(s, a, t))),
            &|s, a| mixed(2 * s + a, [0, 1].map(|j| *rounds[j].reward(s, a))),
        );
        let expected = pemdp_algorithms::planning::quadratic_response(&model, lambda).unwrap().policy;
        let policy = after(2);
        for (s, a) in pairs {
            assert!((policy.probability(s, a) - expected.probability(s, a)).abs() < 1e-12);
        }
        let last = pemdp_algorithms::planning::quadratic_response(&rounds[1], lambda).unwrap().policy;
        let change = |s, a| (policy.probability(s, a) - last.probability(s, a)).abs();
        assert!(pairs.iter().any(|&(s, a)| change(s, a) > 1e-3), "the last round alone gives another policy");
    }

    /// Sampled, with many trajectories, the policy is that of the exact mixture:
    /// the mean of 20 seeds within 6 standard deviations of such a mean as observed
    /// (Student's t with 19 degrees of freedom: confidence above 99.999 %).
    #[test]
    fn samples_tend_to_the_exact_mixture() {
        let task = affine();
        let sampled = |trajectories| MixedDelayedRetraining {
            lambda: 1.0,
            shift: 0.3,
            delay: 4,
            v: 3.0,
            trajectories,
            iterations: 2,
            ..MixedDelayedRetraining::default()
        };
        let exact = *run(&sampled(None), &task, 0).policy.probability(0, 0);
        let draws: Vec<f64> =
            (0..20).map(|seed| *run(&sampled(Some(4000)), &task, seed).policy.probability(0, 0)).collect();
        let mean = draws.iter().sum::<f64>() / 20.0;
        let deviation = (draws.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 19.0).sqrt();
        assert!((mean - exact).abs() <= 6.0 * deviation / 20f64.sqrt());
        assert!(deviation < 0.01);
    }
}

mod samples {
    use super::*;

    fn affine() -> Task {
        task(&pemdp::oracle::examples::example("affine").unwrap().to_json())
    }

    fn settings(trajectories: usize) -> FiniteSampleRetraining {
        FiniteSampleRetraining {
            trajectories,
            lambda: 1.0,
            iterations: 1,
            ..FiniteSampleRetraining::default()
        }
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
                assert!((policy.probability(0, tried) - 1.0).abs() < 1e-14, "{regulariser:?} {lambda}");
            }
        }
    }
}

mod ascent {
    use super::*;

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
        assert!((reached - expected).abs() < 1e-14);
        let settings = RepeatedGradientAscent { iterations: 1000, ..settings };
        let trajectory = run(&settings, &task(&json(p)), 0);
        assert!(matches!(trajectory.stop, Stop::Converged { .. }));
        // The stable point of retraining with the same regulariser.
        assert!((trajectory.policy.probability(0, 0) - 0.5).abs() < 1e-7);
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
            matches!(retrained.stop, Stop::Converged { .. })
                && matches!(ascended.stop, Stop::Converged { .. })
        );
        assert!((retrained.last_value() - ascended.last_value()).abs() < 1e-6);
    }
}

mod refusals {
    use super::*;
    use pemdp_algorithms::{ALGORITHMS, algorithm};
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
            ("repeated-retraining", json!({"regulariser": "ridge"}), "unknown variant"),
            (
                "finite-sample-retraining",
                json!({"trajectories": 0}),
                "trajectories is 0, expected at least 1",
            ),
            ("finite-sample-retraining", json!({"iterations": 0}), "iterations is 0"),
            ("repeated-gradient-ascent", json!({"step": -0.1}), "step is -0.1, expected a number above 0"),
            ("repeated-gradient-ascent", json!({"lambda": -1}), "lambda is -1"),
        ] {
            let error = algorithm(name, settings.as_object().unwrap()).err().unwrap().to_string();
            assert!(error.starts_with(reason), "{name}: {error}");
        }
    }

    #[test]
    fn listed_settings_are_the_settings() {
        for name in RETRAINING {
            let entry = ALGORITHMS.iter().find(|entry| entry.name == name).unwrap();
            let algorithm = algorithm(name, &serde_json::Map::new()).unwrap();
            let settings = algorithm.settings();
            let mut listed: Vec<&str> = entry.settings.iter().map(|s| s.name).collect();
            let mut known: Vec<&String> = settings.as_object().unwrap().keys().collect();
            listed.sort_unstable();
            known.sort_unstable();
            assert_eq!(listed, known);
            assert_eq!(algorithm.name(), name);
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
}
