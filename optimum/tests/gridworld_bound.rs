//! The proven upper bound on the optimum of the gridworld benchmark.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use pemdp::interrupt::Interrupt;
use std::path::Path;
use tolerances::SOLVED;

use pemdp::arithmetic::{Field, Interval, Transcendental};
use pemdp::environments::Gridworld;
use pemdp::environments::gridworld::{
    Layout, N_ACTIONS, N_STATES, eps_greedy_policy, initial, perturbed_grid,
};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp_optimum::gridworld::{BoundError, GridworldCertificate, SearchSettings, Watch, search, verify};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Proven for the benchmark's certificate, rounded up.
const BENCHMARK: f64 = -0.0123;

fn world(beta: Interval, eps: f64, followers: u32) -> Gridworld<Interval> {
    let grids = (0..followers).map(|f| perturbed_grid(eps, f)).collect();
    Gridworld::new(beta, Interval::from_ratio(9, 10), grids).unwrap()
}

fn benchmark() -> Gridworld<Interval> {
    world(Interval::from_integer(5), 0.5, 2)
}

fn from_start(start: usize) -> Vec<f64> {
    (0..N_STATES).map(|s| f64::from(u8::from(s == start))).collect()
}

/// The learner's values under a policy in the environment it induces.
fn values(beta: f64, eps: f64, followers: u32, probabilities: Vec<f64>) -> Vec<f64> {
    let grids = (0..followers).map(|f| perturbed_grid(eps, f)).collect();
    let response = Box::new(Gridworld::new(beta, 0.9, grids).unwrap());
    let problem = PerformativeMdp {
        response,
        initial: initial(),
        gamma: 0.9,
        entropy: 0.0,
        criterion: Default::default(),
    };
    let policy = Policy::probabilities(N_STATES, N_ACTIONS, probabilities).unwrap();
    problem.perform(&policy).unwrap().evaluation.state_values
}

/// Policies of all kinds: uniform, greedy, deterministic, mixed, spread.
fn policies(count: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut found = vec![vec![0.25; N_STATES * N_ACTIONS]];
    found.extend([0.5, 0.9, 0.99].map(|gamma| eps_greedy_policy(gamma).unwrap()));
    for i in 0..count {
        let start = eps_greedy_policy(0.9).unwrap();
        let sharpness = [0.0, 1.0, 4.0, 40.0][i % 4];
        let bias = if i % 3 == 0 { 0.0 } else { 3.0 };
        let weights: Vec<f64> =
            start.iter().map(|p| (sharpness * rng.random::<f64>() + bias * p).exp()).collect();
        found.push(
            weights.chunks(N_ACTIONS).flat_map(|w| w.iter().map(|x| x / w.iter().sum::<f64>())).collect(),
        );
    }
    found
}

#[test]
fn the_benchmark_certificate_is_proven() {
    let certificate = GridworldCertificate::benchmark().unwrap();
    let proven = verify(&benchmark(), &initial::<f64>(), &certificate, &Watch::default()).unwrap();
    println!("{} with {} boxes in {} chunks", proven.bound, proven.boxes, proven.chunks);
    assert!(proven.bound <= BENCHMARK, "{}", proven.bound);
    for policy in policies(60) {
        for (s, (value, bound)) in values(5.0, 0.5, 2, policy).iter().zip(&proven.by_state).enumerate() {
            assert!(value <= bound, "state {s}: {value} above {bound}");
        }
    }
}

/// At inverse temperature 0 every response is equally likely whatever the
/// followers want: the bound must be close to the learner's optimum.
#[test]
fn the_bound_is_tight_without_temperature() {
    let settings = SearchSettings { promises: 9, refinement: 16, slack: 3e-4, repairs: 20 };
    let world = world(Interval::from_integer(0), 0.5, 1);
    let (certificate, proven) = search(&world, &initial::<f64>(), &settings, &Watch::default()).unwrap();
    let mut q = vec![0.0; N_STATES];
    let moves = |s: usize| {
        let (row, column) = (s / 8, s % 8);
        [
            s - usize::from(column > 0),
            s + usize::from(column < 7),
            s - 8 * usize::from(row > 0),
            s + 8 * usize::from(row < 7),
        ]
    };
    for _ in 0..400 {
        for s in 0..N_STATES - 1 {
            let worth = moves(s).map(|n| pemdp::environments::gridworld::GRID[n] + 0.9 * q[n]);
            q[s] = 0.2 * worth.iter().sum::<f64>() + 0.2 * worth.iter().copied().fold(f64::MIN, f64::max);
        }
    }
    for (s, (&optimum, &bound)) in q.iter().zip(&proven.by_state).enumerate() {
        assert!(optimum <= bound && bound <= optimum + 3e-2, "state {s}: {optimum}, {bound}");
    }
    // A certificate below the optimum anywhere is refused.
    for s in [0, 9, 35, 62] {
        let mut wrong = certificate.clone();
        wrong.values[s].iter_mut().for_each(|w| *w -= 5e-3);
        let error = verify(&world, &from_start(0), &wrong, &Watch::default()).unwrap_err();
        assert!(matches!(error, BoundError::Unproven { .. }), "{error}");
    }
}

#[test]
fn bounds_of_other_instances_exceed_every_policy() {
    for (tenths, eps, followers) in [(1, 0.5, 2), (10, 0.3, 1), (50, 0.3, 3)] {
        let settings = SearchSettings { promises: 9, refinement: 8, slack: 6e-3, repairs: 20 };
        let world = world(Interval::from_ratio(tenths, 10), eps, followers);
        let (_, proven) = search(&world, &initial::<f64>(), &settings, &Watch::default()).unwrap();
        for policy in policies(40) {
            for (value, bound) in
                values(tenths as f64 / 10.0, eps, followers, policy).iter().zip(&proven.by_state)
            {
                assert!(value <= bound, "beta {tenths}/10: {value} above {bound}");
            }
        }
    }
}

/// Three rows of four with a terminal cell inside and one in the corner, and a cost of 1/10.
fn own_grid<T: Transcendental>(beta: T) -> Gridworld<T> {
    const CELLS: [f64; 12] = [-0.01, -0.01, -0.5, 0.1, -0.02, -0.5, 0.5, -0.01, -0.01, 0.1, -0.01, 1.0];
    let (layout, cells) = (Layout::new(3, 4, &[6, 11]), CELLS.map(T::from_f64).to_vec());
    let followers = (0..2).map(|seed| layout.perturbed(&cells, 0.5, seed)).collect();
    Gridworld::with_grids(layout, cells, beta, T::from_ratio(9, 10), followers)
        .unwrap()
        .with_intervention_cost(T::from_ratio(1, 10))
}

#[test]
fn bounds_of_other_grids_exceed_every_policy() {
    let settings = SearchSettings { promises: 9, refinement: 8, slack: 6e-3, repairs: 20 };
    let (n, uniform) = (12, [1.0 / 12.0; 12]);
    for beta in [0.0, 2.0, 20.0] {
        let world = own_grid(Interval::from_f64(beta));
        let (certificate, proven) = search(&world, &uniform, &settings, &Watch::default()).unwrap();
        let doubles = own_grid(beta);
        let problem = PerformativeMdp {
            response: Box::new(doubles.clone()),
            initial: uniform.to_vec(),
            gamma: 0.9,
            entropy: 0.0,
            criterion: Default::default(),
        };
        let mut highest = [f64::NEG_INFINITY; 12];
        let wave = |k: usize, i: usize| 3.0 * (k as f64 * (i as f64 + 0.3)).sin();
        let mut policies: Vec<Policy<f64>> = (0..60)
            .map(|k| Policy::softmax(n, N_ACTIONS, (0..n * N_ACTIONS).map(|i| wave(k, i)).collect()).unwrap())
            .collect();
        policies.push(Policy::probabilities(n, N_ACTIONS, doubles.eps_greedy_policy().unwrap()).unwrap());
        for policy in &policies {
            let values = problem.evaluate(policy).unwrap().state_values;
            for (s, (&value, &bound)) in values.iter().zip(&proven.by_state).enumerate() {
                assert!(value <= bound + SOLVED, "beta {beta}, state {s}: {value} above {bound}");
                highest[s] = highest[s].max(value);
            }
        }
        assert_eq!((proven.by_state[6], proven.by_state[11]), (0.0, 0.0));
        // What lies below the value of a policy is refused.
        for s in [0, 7, 10] {
            let mut wrong = certificate.clone();
            wrong.values[s].iter_mut().for_each(|w| *w = highest[s] - 1e-2);
            assert!(verify(&world, &uniform, &wrong, &Watch::default()).is_err(), "{s}");
        }
    }
}

#[test]
fn what_is_not_a_certificate_is_refused() {
    let good = GridworldCertificate::benchmark().unwrap();
    let refused = |change: &dyn Fn(&mut GridworldCertificate)| {
        let mut wrong = good.clone();
        change(&mut wrong);
        verify(&benchmark(), &from_start(0), &wrong, &Watch::default()).unwrap_err()
    };
    let is_malformed = |error| matches!(error, BoundError::GridworldCertificate { .. });
    assert!(is_malformed(refused(&|c| c.values[3][0] = 1.0)));
    assert!(is_malformed(refused(&|c| c.values[3][4] = f64::NAN)));
    assert!(is_malformed(refused(&|c| c.values[63] = vec![-1.0, -1.0])));
    assert!(is_malformed(refused(&|c| c.values[5].truncate(1))));
    assert!(is_malformed(refused(&|c| c.refinement = 0)));
    assert!(is_malformed(refused(&|c| c.values.truncate(63))));
    // One state's values too low, by little.
    let error = refused(&|c| c.values[27].iter_mut().for_each(|w| *w -= 5e-3));
    assert!(matches!(error, BoundError::Unproven { state: 27, .. }), "{error}");
    // The proof belongs to one instance.
    let other = world(Interval::from_integer(4), 0.5, 2);
    assert!(verify(&other, &from_start(0), &good, &Watch::default()).is_err());
    assert_eq!(verify(&benchmark(), &[1.0], &good, &Watch::default()), Err(BoundError::Initial));
    let stop = Interrupt::raised();
    let watch = Watch { interrupt: Some(&stop), progress: None };
    assert_eq!(verify(&benchmark(), &from_start(0), &good, &watch), Err(BoundError::Interrupted));
}

#[test]
#[ignore = "minutes: check.sh runs it"]
fn the_certificate_of_the_benchmark_is_found() {
    let settings = SearchSettings { promises: 49, slack: 1.5e-4, ..SearchSettings::default() };
    let (certificate, proven) =
        search(&benchmark(), &initial::<f64>(), &settings, &Watch::default()).unwrap();
    assert!(proven.bound <= BENCHMARK, "{}", proven.bound);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gridworld_certificate.json");
    std::fs::write(&path, serde_json::to_string(&certificate).unwrap()).unwrap();
    println!("{} in {}", proven.bound, path.display());
}
