//! One-sided slopes and stationarity of the gridworld's value at kinks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::ops::ControlFlow;

use pemdp::environments::Gridworld;
use pemdp::environments::gridworld::{
    Choices, N_ACTIONS, N_STATES, eps_greedy_policy, initial, perturbed_grid,
};
use pemdp::oracle::examples;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{Pepg, Task, solve};
use pemdp_optimum::gridworld::{Stationarity, one_sided_slope, stationarity};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::ILL_CONDITIONED;

const N: usize = N_STATES * N_ACTIONS;

fn world() -> Gridworld<f64> {
    Gridworld::new(5.0, 0.9, (0..2).map(|f| perturbed_grid(0.5, f)).collect()).unwrap()
}

fn problem(world: Gridworld<f64>) -> PerformativeMdp<f64> {
    PerformativeMdp {
        response: Box::new(world),
        initial: initial(),
        gamma: 0.9,
        entropy: 0.0,
        criterion: Default::default(),
    }
}

fn softmax(logits: &[f64]) -> Policy<f64> {
    Policy::softmax(N_STATES, N_ACTIONS, logits.to_vec()).unwrap()
}

fn value(logits: &[f64]) -> f64 {
    problem(world()).perform(&softmax(logits)).unwrap().evaluation.value
}

fn moved(logits: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    logits.iter().zip(direction).map(|(x, v)| x + step * v).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn unit(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| v / dot(x, x).sqrt()).collect()
}

fn best_choices(logits: &[f64]) -> Choices {
    world().ties(&softmax(logits), 0.0).unwrap().along(&[0.0; N])
}

fn gradient(logits: &[f64], choices: &Choices) -> Vec<f64> {
    let problem = problem(world().with_choices(choices.clone()));
    let total = problem.perform(&softmax(logits)).unwrap().gradient.total();
    total.into_iter().map(Option::unwrap).collect()
}

/// Where each follower leaves the learner alone. Overrides are often tied exactly,
/// on paths with the same derivative; a change here is a kink.
fn left_alone(choices: &Choices) -> Vec<bool> {
    choices.iter().flatten().map(|&b| b == 4).collect()
}

/// Logits where one follower is about to override one more or one fewer move, found
/// by bisection between random ones, and the choices on both sides.
fn kinks(count: usize) -> Vec<(Vec<f64>, Choices, Choices)> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut found = Vec::new();
    for _ in 0..20 * count {
        let mut ends = [0, 1].map(|_| (0..N).map(|_| rng.random_range(-1.5..1.5)).collect::<Vec<f64>>());
        let (left, mut right) = (best_choices(&ends[0]), best_choices(&ends[1]));
        for _ in 0..50 {
            let middle: Vec<f64> = ends[0].iter().zip(&ends[1]).map(|(x, y)| 0.5 * (x + y)).collect();
            let choices = best_choices(&middle);
            if left_alone(&choices) == left_alone(&left) {
                ends[0] = middle;
            } else {
                (ends[1], right) = (middle, choices);
            }
        }
        let left = best_choices(&ends[0]);
        let differing = left_alone(&left).iter().zip(left_alone(&right)).filter(|(x, y)| **x != *y).count();
        if differing == 1 {
            found.push((ends[0].clone(), left, right));
        }
        if found.len() == count {
            return found;
        }
    }
    panic!("{} of {count} kinks found", found.len())
}

#[test]
fn one_sided_slopes_are_those_of_small_steps() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut bent = 0;
    for (logits, left, right) in kinks(6) {
        let random: Vec<f64> = (0..N).map(|_| rng.random_range(-1.0..1.0)).collect();
        let gradients = [gradient(&logits, &left), gradient(&logits, &right)];
        let across: Vec<f64> = gradients[0].iter().zip(&gradients[1]).map(|(x, y)| x - y).collect();
        if dot(&across, &across).sqrt() < 1e-5 {
            continue; // a harmless tie
        }
        bent += 1;
        for direction in [unit(&random), unit(&across)] {
            let sides = [1.0, -1.0].map(|sign| {
                let direction: Vec<f64> = direction.iter().map(|x| sign * x).collect();
                let policy = softmax(&logits);
                let slope = one_sided_slope(&world(), &initial::<f64>(), &policy, 1e-11, &direction).unwrap();
                let step = 1e-5;
                let measured = (value(&moved(&logits, &direction, step)) - value(&logits)) / step;
                assert!((slope - measured).abs() < 1e-3 * slope.abs() + 1e-6, "{slope} {measured}");
                slope
            });
            // The slope is one of the two pieces on either side.
            let pieces = gradients.each_ref().map(|g| dot(g, &direction));
            let fits = |x: f64, y: f64| (x - y).abs() < ILL_CONDITIONED;
            assert!(fits(sides[0], pieces[0]) || fits(sides[0], pieces[1]));
            let bend = sides[0] + sides[1];
            assert!(fits(bend.abs(), (pieces[0] - pieces[1]).abs()), "{bend} {pieces:?}");
        }
    }
    assert!(bent >= 2, "{bent} kinks");
}

/// With two pieces the shortest gradient of the hull is that of a segment.
#[test]
fn the_measure_at_one_kink_is_that_of_two_gradients() {
    for (logits, left, right) in kinks(6) {
        let (g, h) = (gradient(&logits, &left), gradient(&logits, &right));
        let difference: Vec<f64> = h.iter().zip(&g).map(|(h, g)| h - g).collect();
        let square = dot(&difference, &difference);
        let part = if square > 0.0 { (-dot(&g, &difference) / square).clamp(0.0, 1.0) } else { 0.0 };
        let expected = moved(&g, &difference, part);
        let hull = dot(&expected, &expected).sqrt();
        let found = stationarity(&world(), &initial::<f64>(), &softmax(&logits), 1e-11).unwrap();
        assert!(found.ties >= 1);
        let longest = dot(&g, &g).max(dot(&h, &h)).sqrt();
        assert!(found.shortest >= hull * (1.0 - ILL_CONDITIONED) && found.slope >= 0.999 * hull);
        assert!(found.slope <= longest * (1.0 + ILL_CONDITIONED));
        let step = 1e-5;
        let measured = (value(&moved(&logits, &found.direction, step)) - value(&logits)) / step;
        assert!((found.slope - measured).abs() < 1e-3 * found.slope, "{found:?} {measured}");
    }
}

/// The measure with its largest rise a step, over steps that would leave a kink.
fn measured(name: &str, policy: &Policy<f64>, gap: f64) -> (Stationarity, f64) {
    let logits: Vec<f64> = (0..N).map(|i| policy.probability(i / N_ACTIONS, i % N_ACTIONS).ln()).collect();
    let at = value(&logits);
    let found = stationarity(&world(), &initial::<f64>(), policy, gap).unwrap();
    let rise = |step: f64| (value(&moved(&logits, &found.direction, step)) - at) / step;
    let rises = [1e-1, 1e-2, 1e-3].map(rise);
    println!(
        "{name}, value {at:.7}, gap {gap:e}: {} ties, slope {:.3e} from {} gradients; rises over .1, .01, .001: {rises:?}",
        found.ties, found.slope, found.gradients
    );
    // Where the choices count as tied is at best as steep as the value itself is.
    assert!(found.slope >= 0.999 * found.shortest);
    (found, rises.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// The figures of `docs/gridworld.md`.
#[test]
fn the_best_policy_found_is_nearly_stationary_and_the_end_of_plain_ascent_is_not() {
    let json = examples::example("gridworld-best").unwrap().to_json();
    let best = Problem::from_json(&json, Reading::Doubles).unwrap().deployed_policy().unwrap();
    let start = Policy::probabilities(N_STATES, N_ACTIONS, eps_greedy_policy(0.9).unwrap()).unwrap();
    let json = examples::example("gridworld").unwrap().to_json();
    let task = Task::new(&Problem::from_json(&json, Reading::Doubles).unwrap()).unwrap().starting_from(start);
    let ascent = solve(&Pepg::default(), &task, 0, &mut |_| ControlFlow::Continue(())).unwrap().best_policy;
    for gap in [0.0, 1e-5, 1e-4] {
        measured("best", &best, gap);
        measured("ascent", &ascent, gap);
    }
    let (measure, rise) = measured("best", &best, 1e-3);
    assert!(measure.slope < 1e-5 && rise < 1e-5, "{rise}");
    // The gradient of a single piece says nothing.
    assert!(measured("best", &best, 0.0).0.slope > 2e-3);
    let (measure, rise) = measured("ascent", &ascent, 1e-3);
    assert!(measure.slope > 5e-4 && rise > 5e-4, "{rise}");
}
