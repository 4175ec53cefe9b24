//! Certified optima against random policies, ascent, closed forms and exact
//! landscapes.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/mod.rs"]
mod common;

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::path::Path;

use common::{DISCOUNTS, read, sized_rational_problem};
use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::environments::Structure;
use pemdp::interrupt::Interrupt;
use pemdp::oracle::examples;
use pemdp::policy::Policy;
use pemdp::policy::Probabilities;
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_optimum::{
    Landscape, OptimumError, OptimumSettings, OptimumStop, PerformativeOptimum, performative_optimum,
    performative_optimum_with,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tolerances::{CONVERGED, GAP, ILL_CONDITIONED, THREE_DIGITS};

fn example(name: &str) -> Problem {
    read(&examples::example(name).unwrap().to_json())
}

fn optimum(problem: &Problem) -> PerformativeOptimum {
    performative_optimum(problem, &OptimumSettings::default()).unwrap()
}

fn certified(problem: &Problem) -> PerformativeOptimum {
    let optimum = optimum(problem);
    assert!(optimum.certified && optimum.gap <= GAP, "{optimum:?}");
    assert_eq!(optimum.stop, OptimumStop::Gap);
    optimum
}

/// The exact value `truth` lies between the bounds, which are within 1e-6.
fn brackets(optimum: &PerformativeOptimum, truth: &Rational) {
    assert!(optimum.certified && optimum.gap <= GAP);
    assert!(Rational::from_f64(optimum.value) <= *truth, "{} > {truth}", optimum.value);
    assert!(Rational::from_f64(optimum.upper_bound) >= *truth, "{} < {truth}", optimum.upper_bound);
}

/// `tests/vectors/optimum`: bounds, certified, of problems on which bounds were false, searches did not end, or policies
/// were no distributions.
#[test]
fn the_optima_of_the_vectors_lie_between_the_bounds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/optimum");
    let mut count = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = vector["name"].as_str().unwrap();
        let problem = read(&vector["problem"].to_string());
        let found = optimum(&problem);
        let end = |key: &str| vector["optimum"][key].as_f64().unwrap();
        assert!(found.value <= end("upper") && found.upper_bound >= end("lower"), "{name}: {found:?}");
        assert!(found.certified && found.stop == OptimumStop::Gap, "{name}: {found:?}");
        assert!(found.gap >= found.upper_bound - found.value && found.gap.is_finite(), "{name}: {found:?}");
        if let Structure::LocalFamily(_) = problem.structure() {
            continue; // its policy is that of the parameters
        }
        for row in found.policy.chunks(problem.n_actions()) {
            assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{name}: {row:?}");
            let sum = row.iter().map(|p| Rational::from_f64(*p)).sum::<Rational>();
            assert_eq!(sum, ratio(1, 1), "{name}: {row:?}");
        }
        // The value is one that the policy as printed has at least.
        let values = found.policy.iter().copied().map(Numeral::from).collect();
        let printed = problem.deploying(Probabilities { values }.into()).unwrap();
        // Rows of doubles that do not quite sum to 1 have no fractions.
        let reached = match printed.exact_answer() {
            Ok(exact) => exact.value.parse::<Rational>().unwrap(),
            Err(_) => {
                let bounded = printed.bounded_value().unwrap();
                Rational::from_f64(bounded.value) + Rational::from_f64(bounded.error_bound)
            }
        };
        assert!(Rational::from_f64(found.value) <= reached, "{name}: {} > {reached}", found.value);
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn closed_forms_lie_between_the_bounds() {
    let loan = certified(&example("loan"));
    brackets(&loan, &ratio(1, 8)); // 1/16 a step, gamma 1/2
    assert!((loan.policy[0] - 0.25).abs() < CONVERGED && loan.attained);
    // gamma p (kq - l)/(1 - gamma^2) at p = 1/4.
    let json = examples::example("loan-mdp").unwrap().to_json();
    let mdp = Problem::from_json(&json, Reading::Exact).unwrap();
    let gamma = mdp.gamma().exact();
    let one = ratio(1, 1);
    brackets(&certified(&mdp), &(&gamma * ratio(1, 16) / (&one - &gamma * &gamma)));
    let coin = certified(&example("coin"));
    brackets(&coin, &ratio(-7, 32));
    assert_eq!(coin.policy, [0.75, 0.25]); // theta = 1/4
    // B: 1/(1 - gamma) at p = 1.
    let basins = certified(&example("two-basins"));
    brackets(&basins, &ratio(2, 1));
    assert_eq!(basins.policy, [1.0, 0.0]);
}

#[test]
fn suprema_at_infinity_are_limits_and_not_attained() {
    // T2a: state 1 for ever from the second step on.
    let two_state = certified(&example("two-state"));
    brackets(&two_state, &ratio(1, 1));
    assert!(!two_state.attained && two_state.parameters == [f64::INFINITY; 2]);
    // C: the limit pays 1 from the second step on.
    let vanishing = certified(&example("vanishing"));
    brackets(&vanishing, &ratio(1, 1));
    assert!(!vanishing.attained && vanishing.parameters[0] == f64::INFINITY);
}

#[test]
fn one_parameter_optima_are_those_of_the_exact_landscape() {
    for name in ["local-maximum", "vanishing"] {
        let json = examples::example(name).unwrap().to_json();
        let problem = Problem::from_json(&json, Reading::Exact).unwrap();
        let ([low, high], _) = Landscape::along(&problem, 0, 0).unwrap().supremum();
        let found = certified(&problem);
        assert!(Rational::from_f64(found.value) <= high && Rational::from_f64(found.upper_bound) >= low);
    }
    let local = certified(&example("local-maximum"));
    assert!((local.value - 7.5).abs() < THREE_DIGITS && local.attained);
    assert!((local.parameters[0] - 4.605).abs() < 0.01);
}

#[test]
fn random_one_parameter_families_agree_with_their_landscapes() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..40 {
        // One free row into absorbing states that pay different rewards.
        let n = rng.random_range(3..=5);
        let psi: Vec<i32> = (0..n).map(|_| rng.random_range(-2..=2)).collect();
        let mut base = vec![vec![vec![0; n]]; n];
        for t in 1..n {
            base[0][0][t] = rng.random_range(1..=50);
            base[t][0][t] = 1;
        }
        base[0][0][0] = rng.random_range(0..=3);
        let rewards: Vec<Vec<i32>> = (0..n).map(|_| vec![rng.random_range(-9..=9)]).collect();
        let initial: Vec<u8> = (0..n).map(|s| u8::from(s == 0)).collect();
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":"3/4","initial":{initial:?},
                "policy":{{"kind":"weights","values":{:?}}},
                "environment":{{"kind":"exponential-family","psi":{psi:?},"base_weights":{base:?},
                    "reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}}}"#,
            vec![[1]; n]
        );
        let problem = Problem::from_json(&json, Reading::Exact).unwrap();
        let ([low, high], _) = Landscape::along(&problem, 0, 0).unwrap().supremum();
        let found = certified(&problem);
        assert!(Rational::from_f64(found.value) <= high, "{json}");
        assert!(Rational::from_f64(found.upper_bound) >= low, "{json}");
    }
}

/// A random exponential family of real numbers.
fn family(rng: &mut impl Rng, n_states: usize, n_actions: usize, gamma: f64, slope: f64) -> Problem {
    let mut table = |rows: usize, width: usize| -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..width).map(|_| rng.random_range(-2.0..2.0)).collect()).collect()
    };
    let psi = table(1, n_states).remove(0);
    let rewards = table(n_states, n_actions);
    let base: Vec<Vec<Vec<f64>>> = (0..n_states).map(|_| table(n_actions, n_states)).collect();
    let initial: Vec<u8> = (0..n_states).map(|s| u8::from(s == 0)).collect();
    let logits = vec![vec![0; n_actions]; n_states];
    let clip = if slope == 0.0 { "null" } else { "2.5" };
    read(&format!(
        r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},"initial":{initial:?},
            "policy":{{"kind":"softmax","logits":{logits:?}}},
            "environment":{{"kind":"exponential-family","psi":{psi:?},"base_logits":{base:?},
                "reward":{{"base":{rewards:?},"slope":{slope:?},"clip":{clip}}}}}}}"#
    ))
}

fn random_row(rng: &mut impl Rng, n: usize) -> Vec<f64> {
    if rng.random_bool(0.3) {
        let chosen = rng.random_range(0..n);
        return (0..n).map(|a| if a == chosen { 1.0 } else { 0.0 }).collect();
    }
    let weights: Vec<f64> = (0..n).map(|_| rng.random_range(0.0..1.0f64).powi(3) + 1e-9).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

#[test]
fn no_policy_is_better_than_the_bound_in_affine_environments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..150 {
        let gamma = DISCOUNTS[round % 5];
        let kind = ["affine", "affine", "fixed"][round % 3];
        let (n_states, n_actions) = (rng.random_range(1..=3), rng.random_range(2..=3));
        let json = sized_rational_problem(&mut rng, kind, gamma, n_states, n_actions);
        let problem = read(&json);
        let settings = OptimumSettings { gap: 1e-3, open_cells: 2000, ..OptimumSettings::default() };
        let found = performative_optimum(&problem, &settings).unwrap();
        let model = problem.model::<f64>().unwrap();
        let slack = ILL_CONDITIONED * (1.0 + found.upper_bound.abs());
        for _ in 0..60 {
            let values = (0..n_states).flat_map(|_| random_row(&mut rng, n_actions)).collect();
            let policy = Policy::probabilities(n_states, n_actions, values).unwrap();
            let value = model.perform(&policy).unwrap().evaluation.value;
            assert!(value <= found.upper_bound + slack, "{value} > {} {json}", found.upper_bound);
        }
        assert!(found.value <= found.upper_bound && found.attained);
        let policy = Policy::probabilities(n_states, n_actions, found.policy.clone()).unwrap();
        let value = model.perform(&policy).unwrap().evaluation.value;
        assert!((value - found.value).abs() <= slack, "{json}");
    }
}

#[test]
fn no_parameters_are_better_than_the_bound_in_exponential_families() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for round in 0..150 {
        let gamma = DISCOUNTS[round % 5];
        let slope = [0.0, 0.0, 0.4][round % 3];
        let (n_states, n_actions) = (rng.random_range(2..=3), rng.random_range(1..=2));
        let problem = family(&mut rng, n_states, n_actions, gamma, slope);
        let settings = OptimumSettings { gap: 1e-3, open_cells: 1000, ..OptimumSettings::default() };
        let found = performative_optimum(&problem, &settings).unwrap();
        let model = problem.model::<f64>().unwrap();
        let slack = ILL_CONDITIONED * (1.0 + found.upper_bound.abs());
        let far = if n_actions == 1 && slope == 0.0 { 40.0 } else { 3.0 };
        let mut best = f64::NEG_INFINITY;
        for _ in 0..60 {
            let mut entry = || {
                let theta = rng.random_range(-far..=far);
                if rng.random_bool(0.4) { far * f64::signum(theta) } else { theta }
            };
            let mut theta: Vec<f64> = (0..n_states * n_actions).map(|_| entry()).collect();
            let mut value = f64::NEG_INFINITY;
            // A few steps of ascent on what the oracle says.
            for _ in 0..4 {
                let policy = Policy::softmax(n_states, n_actions, theta.clone()).unwrap();
                let performance = model.perform(&policy).unwrap();
                value = f64::max(value, performance.evaluation.value);
                for (theta, g) in theta.iter_mut().zip(performance.gradient.total()) {
                    *theta = (*theta + 0.3 * g.unwrap() * (1.0 - gamma)).clamp(-far, far);
                }
            }
            best = best.max(value);
            assert!(value <= found.upper_bound + slack, "{value} > {} round {round}", found.upper_bound);
        }
        assert!(found.value >= best - 1e-2 * (1.0 + best.abs()), "{} < {best} round {round}", found.value);
    }
}

#[test]
fn upper_bounds_hold_to_the_last_digit_at_deterministic_optima() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..100 {
        let (n_states, n_actions) = (rng.random_range(1..=4), rng.random_range(1..=3));
        let json = sized_rational_problem(&mut rng, "fixed", DISCOUNTS[round % 6], n_states, n_actions);
        let problem = read(&json);
        let found = certified(&problem);
        let (model, _) = problem.rational_model().unwrap();
        let value = |choice: usize| {
            let chosen = |s: usize| choice / n_actions.pow(s as u32) % n_actions;
            let entry = |i: usize| ratio(i64::from(chosen(i / n_actions) == i % n_actions), 1);
            let values = (0..n_states * n_actions).map(entry).collect();
            let policy = Policy::probabilities(n_states, n_actions, values).unwrap();
            model.perform(&policy).unwrap().evaluation.value
        };
        let truth = (0..n_actions.pow(n_states as u32)).map(value).max().unwrap();
        brackets(&found, &truth);
        assert!(found.gap <= ILL_CONDITIONED * (1.0 + found.value.abs()), "{json}");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let problem = family(&mut rng, 2, 2, 0.9, 0.3);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| optimum(&problem))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn exponential_families_of_any_size_are_certified() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for round in 0..20 {
        let (n_states, n_actions) = (rng.random_range(2..=6), rng.random_range(1..=4));
        let slope = [0.0, 0.7][round % 2];
        let problem = family(&mut rng, n_states, n_actions, DISCOUNTS[round % 5], slope);
        for bound in [None, Some(0.1), Some(3.0), Some(50.0)] {
            let found =
                performative_optimum(&problem, &OptimumSettings { bound, ..OptimumSettings::default() });
            let found = found.unwrap();
            assert!(found.certified, "{bound:?} {found:?}");
            if let Some(bound) = bound {
                assert!(found.attained && found.parameters.iter().all(|x| x.abs() <= bound));
            }
        }
    }
}

#[test]
fn weights_far_beyond_doubles_are_bounded() {
    // From state 0 to one that pays 1 with a probability near 0 or 1, or any where psi lets it.
    for (weights, psi, low, high) in [
        (r#""1e-400", 1"#, 0, 0.0, 1e-9),
        (r#"1, "1e-400""#, 0, 1.0 - 1e-9, 1.0),
        (r#""1e-320", 1"#, 1, 1.0, 1.0),
        (r#""1e-400", 1"#, 1, 1.0, 1.0),
        (r#"1, "1e-400""#, -1, 1.0, 1.0),
    ] {
        let problem = read(&format!(
            r#"{{"format":"pemdp-problem/1","gamma":0.5,"initial":[1,0,0],
                "policy":{{"kind":"weights","values":[[1],[1],[1]]}},
                "environment":{{"kind":"exponential-family","psi":[0,{psi},0],
                    "base_weights":[[[0, {weights}]],[[0,1,0]],[[0,0,1]]],
                    "reward":{{"base":[[0],[1],[0]],"slope":0,"clip":null}}}}}}"#
        ));
        let found = optimum(&problem);
        assert!(found.value <= high && found.upper_bound >= low, "{weights} {psi} {found:?}");
        assert!(found.certified || psi != 0, "{weights} {psi} {found:?}");
    }
}

#[test]
fn rewards_without_bound_are_maximised_over_a_box() {
    let json = examples::example("exponential-family").unwrap().to_json();
    let found = certified(&read(&json));
    assert!(found.domain.contains("[-3, 3]") && found.attained, "{found:?}");
}

#[test]
fn a_search_that_ends_early_still_bounds() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let affine = read(&sized_rational_problem(&mut rng, "affine", 0.9, 4, 3));
    let family = family(&mut rng, 3, 2, 0.9, 0.3);
    let best = optimum(&affine);
    let settings = OptimumSettings { gap: 1e-12, open_cells: 64, ..OptimumSettings::default() };
    let small = performative_optimum(&affine, &settings).unwrap();
    assert_eq!(small.stop, OptimumStop::Memory);
    assert!(!small.certified && small.upper_bound >= best.value && small.gap > 1e-12);
    for problem in [affine, family] {
        let best = optimum(&problem);
        let mut calls = 0;
        let stopped = performative_optimum_with(
            &problem,
            &OptimumSettings::default(),
            &|known, _| Ok((known.value, known.policy.to_vec())),
            &Interrupt::raised(),
            &mut |_| calls += 1,
        )
        .unwrap();
        assert_eq!((stopped.stop, calls), (OptimumStop::Interrupted, 1));
        assert!(stopped.upper_bound.is_finite() && stopped.upper_bound >= best.value);
    }
}

#[test]
fn what_is_not_bounded_is_refused() {
    let refused = |problem: &Problem, settings: &OptimumSettings| {
        performative_optimum(problem, settings).unwrap_err().to_string()
    };
    let defaults = OptimumSettings::default();
    let json = examples::example("exponential-family").unwrap().to_json();
    let loan = examples::example("loan").unwrap().to_json();
    let entropy = read(&loan.replacen("\"gamma\"", "\"entropy\": 0.1, \"gamma\"", 1));
    assert_eq!(performative_optimum(&entropy, &defaults), Err(OptimumError::Entropy));
    assert!(refused(&example("explicit"), &defaults).contains("explicit"));
    let family = read(&json);
    for settings in [
        OptimumSettings { bound: Some(f64::NAN), ..defaults.clone() },
        OptimumSettings { bound: Some(0.0), ..defaults.clone() },
        OptimumSettings { bound: Some(301.0), ..defaults.clone() },
        OptimumSettings { gap: -1.0, ..defaults.clone() },
    ] {
        assert!(refused(&family, &settings).contains("expected"));
    }
    // .3 - .1 - .2 is negative in doubles.
    let rounded = read(
        r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[1,0],
            "policy":{"kind":"probabilities","values":[[1,0],[1,0]]},
            "environment":{"kind":"affine","transitions":[[[0.3,0.7],[1,0]],[[1,0],[1,0]]],
            "transition_slopes":[[0,0,0,0,0,-0.1],[0,0,1,0,0,0.1],[0,0,0,1,0,-0.2],[0,0,1,1,0,0.2]],
            "rewards":[[1,0],[0,0]],"reward_slopes":[]}}"#,
    );
    assert!(refused(&rounded, &defaults).contains("falls to -"));
}
