//! The gridworld with its followers' maximum smoothed: gradients, distance to
//! the benchmark, and kinks that disappear.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/tolerances.rs"]
mod tolerances;

use std::path::Path;

use pemdp::arithmetic::{Ball, Dual, Field, Transcendental};
use pemdp::environments::Gridworld;
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, initial, perturbed_grid};
use pemdp::oracle::examples;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::{DIFFERENTIATED, FORMULA, QUOTIENT, SUMS, ULPS};

const N: usize = N_STATES * N_ACTIONS;

fn benchmark<T: Transcendental>(followers: u32) -> PerformativeMdp<T> {
    let gamma = T::from_f64(0.9);
    let grids = (0..followers).map(|seed| perturbed_grid(0.5, seed)).collect();
    let response = Box::new(Gridworld::new(T::from_f64(5.0), gamma.clone(), grids).unwrap());
    PerformativeMdp { response, initial: initial(), gamma, entropy: T::zero(), criterion: Default::default() }
}

fn smoothed<T: Transcendental>(temperature: f64) -> PerformativeMdp<T> {
    benchmark(2).smoothed(&T::from_f64(temperature)).unwrap()
}

fn softmax<T: Transcendental>(logits: Vec<T>) -> Policy<T> {
    Policy::softmax(N_STATES, N_ACTIONS, logits).unwrap()
}

fn value<T: Transcendental>(model: &PerformativeMdp<T>, logits: Vec<T>) -> T {
    model.perform(&softmax(logits)).unwrap().evaluation.value
}

fn random_logits(seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..N).map(|_| rng.random_range(-1.5..1.5)).collect()
}

/// `dJ` along a direction from the adjoint gradient.
fn slope(model: &PerformativeMdp<f64>, logits: &[f64], direction: &[f64]) -> f64 {
    let policy = softmax(logits.to_vec());
    let performance = model.perform(&policy).unwrap();
    assert!(performance.kinks.is_empty());
    performance.gradient.total().iter().zip(direction).map(|(g, v)| g.unwrap() * v).sum()
}

fn moved(logits: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    logits.iter().zip(direction).map(|(x, v)| x + step * v).collect()
}

#[test]
fn smoothed_gradients_are_derivatives() {
    for (seed, temperature) in [1.0, 1e-1, 1e-2, 1e-3, 1e-5, 1e-8].into_iter().enumerate() {
        let (logits, direction) = (random_logits(seed as u64), random_logits(100 + seed as u64));
        let doubles = smoothed::<f64>(temperature);
        let adjoint = slope(&doubles, &logits, &direction);

        let along = logits.iter().zip(&direction).map(|(&x, &v)| Dual::new(x, v)).collect();
        let dual = value(&smoothed::<Dual<f64>>(temperature), along).derivative;
        let size = adjoint.abs();
        let tolerance = DIFFERENTIATED + ULPS / temperature;
        assert!((adjoint - dual).abs() <= tolerance * size, "{temperature}: {adjoint} and {dual}");

        // The second derivative is of order 1/temperature: steps well below it.
        let h = 1e-5 * temperature.max(1e-3);
        let up = value(&doubles, moved(&logits, &direction, h));
        let down = value(&doubles, moved(&logits, &direction, -h));
        let quotient = (up - down) / (2.0 * h);
        // Steps as short as the temperature asks leave roundings of this size.
        assert!((adjoint - quotient).abs() <= 1e-5 * size, "{temperature}: {adjoint} and {quotient}");
    }
}

#[test]
fn smoothed_values_and_gradients_are_enclosed_by_balls() {
    let logits = random_logits(7);
    for temperature in [1.0, 1e-3, 1e-6] {
        let policy = softmax(logits.iter().map(|&x| Ball::from_f64(x)).collect());
        let balls = smoothed::<Ball>(temperature);
        let performance = balls.perform(&policy).unwrap();
        let value = &performance.evaluation.value;
        let double = self::value(&smoothed::<f64>(temperature), logits.clone());
        assert!((value.midpoint() - double).abs() < SUMS && value.error_bound() < ULPS);
        let along = |k: usize| {
            let seed =
                |(i, &x): (usize, &f64)| Dual::new(Ball::from_f64(x), Ball::from_f64(f64::from(i == k)));
            logits.iter().enumerate().map(seed).collect::<Vec<_>>()
        };
        let duals = smoothed::<Dual<Ball>>(temperature);
        let gradient = performance.gradient.total();
        for k in [0, 37, 101, 200] {
            let derivative = self::value(&duals, along(k)).derivative;
            let gap = (derivative - gradient[k].as_ref().unwrap()).magnitude();
            assert!(gap < ULPS, "{temperature}, {k}: {gap}");
        }
    }
}

/// `|J_tau - J|` falls with the temperature, in the end in proportion to it.
#[test]
fn smoothed_values_tend_to_the_benchmark() {
    let policies = [vec![0.0; N], random_logits(3)];
    for logits in policies {
        let truth = value(&benchmark::<f64>(2), logits.clone());
        let gap = |temperature: f64| (value(&smoothed(temperature), logits.clone()) - truth).abs();
        let gaps: Vec<f64> = (2..=8).map(|k| gap(10f64.powi(-k))).collect();
        println!("{gaps:?}");
        for pair in gaps.windows(2) {
            assert!(pair[1] <= pair[0] + FORMULA);
        }
        assert!(gaps[0] > 1e-4 && gaps[6] < 1e-7);
    }
}

#[test]
fn a_temperature_that_is_not_positive_smooths_nothing() {
    assert!(benchmark::<f64>(1).smoothed(&0.0).is_none());
    assert!(benchmark::<f64>(1).smoothed(&-1.0).is_none());
    assert!(benchmark::<f64>(1).smoothed(&f64::NAN).is_none());
    let loan = examples::example("loan").unwrap().to_json();
    let loan = Problem::from_json(&loan, Reading::Doubles).unwrap().model::<f64>().unwrap();
    assert!(loan.smoothed(&0.1).is_none(), "the loan has no kinks");
}

/// At a kink the slopes to both sides differ; smoothed, they are one.
#[test]
fn a_kink_becomes_smooth() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gridworld-kink.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let problem = Problem::from_json(&file["problem"].to_string(), Reading::Doubles).unwrap();
    let model = problem.model::<f64>().unwrap();
    let policy = problem.deployed_policy::<f64>().unwrap();
    assert!(!model.perform(&policy).unwrap().kinks.is_empty());
    let smooth = model.smoothed(&1e-2).unwrap();
    assert!(smooth.perform(&policy).unwrap().kinks.is_empty());

    // The tied moves from cell 18 lead to 10 and 17: right there, left here.
    let mut direction = vec![0.0; N];
    (direction[10 * N_ACTIONS + 1], direction[17 * N_ACTIONS]) = (1.0, 1.0);
    let (logits, h) = (vec![0.0; N], 1e-5);
    let jump = |model: &PerformativeMdp<f64>| {
        let at = |step: f64| value(model, moved(&logits, &direction, step));
        let (right, left) = ((at(h) - at(0.0)) / h, (at(0.0) - at(-h)) / h);
        ((right - left).abs(), (right + left) / 2.0)
    };
    let ((hard, _), (soft, quotient)) = (jump(&model), jump(&smooth));
    println!("jumps of the slope: {hard:.3e}, smoothed {soft:.3e}");
    assert!(hard > 5e-7 && soft < 1e-2 * hard);
    assert!((slope(&smooth, &logits, &direction) - quotient).abs() < QUOTIENT);
}
