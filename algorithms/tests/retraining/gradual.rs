use super::*;
use crate::tolerances::{CONVERGED, FORMULA, SOLVED, SUMS};

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
        assert!((first.experienced_value.unwrap() - first.value).abs() < FORMULA);
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
        assert!((trajectory.iterates[1].experienced_value.unwrap() - value).abs() < SUMS);
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
        assert!((trajectory.last_value() - expected.last_value()).abs() < CONVERGED);
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
    let visits = [0, 1].map(|j| pemdp::evaluate::evaluate(&rounds[j], &after(1), &0.0).unwrap().occupancy);
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
        assert!((policy.probability(s, a) - expected.probability(s, a)).abs() < SOLVED);
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
