//! Optima of exponential families with entropy: against fixed environments, grids and ascent.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

use std::time::{Duration, Instant};

use pemdp::policy::{Policy, Softmax};
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_optimum::{
    CertificateSettings, OptimumError, OptimumSettings, OptimumStop, PerformativeOptimum, certificate,
    performative_optimum,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn read(problem: &Value) -> Problem {
    Problem::from_json(&problem.to_string(), Reading::Doubles)
        .unwrap_or_else(|error| panic!("{error}\n{problem}"))
}

fn optimum(problem: &Value, bound: Option<f64>) -> PerformativeOptimum {
    let settings = OptimumSettings { bound, ..OptimumSettings::default() };
    performative_optimum(&read(problem), &settings).unwrap()
}

/// The value of parameters, with its error.
fn value(problem: &Problem, parameters: &[f64]) -> (f64, f64) {
    let logits = parameters.iter().copied().map(Numeral::from).collect();
    let known = problem.deploying(Softmax { logits }.into()).unwrap().bounded_value().unwrap();
    (known.value, known.error_bound)
}

/// A family of `n` states and `width` actions.
fn family(rng: &mut ChaCha8Rng, n: usize, width: usize, entropy: f64) -> Value {
    let mut numbers = |size: f64, len: usize| -> Vec<f64> {
        (0..len).map(|_| (rng.random_range(-size..size) * 64.0).round() / 64.0).collect()
    };
    let psi = numbers(2.0, n);
    let rewards: Vec<_> = (0..n).map(|_| numbers(2.0, width)).collect();
    let base: Vec<Vec<_>> = (0..n).map(|_| (0..width).map(|_| numbers(1.0, n)).collect()).collect();
    let slope = numbers(0.5, 1)[0];
    let clip = if rng.random_bool(0.5) { json!(1.5) } else { json!(null) };
    json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": vec![1.0 / n as f64; n], "entropy": entropy,
        "policy": {"kind": "softmax", "logits": vec![vec![0; width]; n]},
        "environment": {
            "kind": "exponential-family", "psi": psi, "base_logits": base,
            "reward": {"base": rewards, "slope": slope, "clip": clip}
        }
    })
}

/// The best value that ascent finds from random parameters, by steps of one at a time.
fn climbed(problem: &Problem, bound: f64, starts: usize, rng: &mut ChaCha8Rng) -> f64 {
    let (n, width) = (problem.n_states(), problem.n_actions());
    let model = problem.model::<f64>().unwrap();
    let value = |theta: &[f64]| {
        let policy = Policy::softmax(n, width, theta.to_vec()).unwrap();
        model.perform(&policy).unwrap().evaluation.value
    };
    let mut best = f64::NEG_INFINITY;
    for _ in 0..starts {
        let mut theta: Vec<f64> = (0..n * width).map(|_| rng.random_range(-bound..=bound)).collect();
        let mut here = value(&theta);
        let mut step = bound;
        while step > 1e-4 {
            let before = here;
            for i in 0..theta.len() {
                for sign in [-1.0, 1.0] {
                    let old = theta[i];
                    theta[i] = (old + sign * step).clamp(-bound, bound);
                    let there = value(&theta);
                    if there > here { here = there } else { theta[i] = old }
                }
            }
            if here == before {
                step *= 0.5;
            }
        }
        best = best.max(here);
    }
    best
}

/// A family that does not respond is a fixed environment, where the box has its best parameters.
#[test]
fn families_that_do_not_respond_are_fixed_environments() {
    let transitions =
        json!([[["1/4", "3/4"], ["1/2", "1/2"], [1, 0]], [["1/8", "7/8"], ["1/2", "1/2"], ["3/4", "1/4"]]]);
    let rewards = json!([[1, 0.5, -0.25], [0.25, 2, -1]]);
    for (entropy, bound) in [(0.5, 6.0), (1.0, 3.0), (5.0, 3.0)] {
        let mut problem = json!({
            "format": "pemdp-problem/1", "gamma": 0.75, "initial": [0.5, 0.5], "entropy": entropy,
            "policy": {"kind": "softmax", "logits": [[0, 0, 0], [0, 0, 0]]},
            "environment": {"kind": "fixed", "transitions": transitions, "rewards": rewards}
        });
        let fixed = optimum(&problem, None);
        problem["environment"] = json!({
            "kind": "exponential-family", "psi": [0, 0], "base_weights": transitions,
            "reward": {"base": rewards, "slope": 0}
        });
        let soft = optimum(&problem, Some(bound));
        assert!(fixed.certified && soft.certified, "{soft:?}");
        assert!(soft.value <= fixed.upper_bound && fixed.value <= soft.upper_bound, "{fixed:?} {soft:?}");
    }
}

#[test]
fn ascent_never_exceeds_the_bound_of_a_family_with_entropy() {
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    for (round, entropy) in [1e-3, 0.01, 0.1, 0.5, 1.0, 5.0].into_iter().cycle().take(12).enumerate() {
        let (n, width) = (1 + round % 3, 2 + round / 6);
        let given = family(&mut rng, n, width, entropy);
        let bound = [3.0, 1.0][round % 2];
        let problem = read(&given);
        let best = optimum(&given, Some(bound));
        assert!(best.certified && best.gap <= 1e-6, "{best:?} {given}");
        assert!(best.parameters.iter().all(|x| x.abs() <= bound));
        let (known, error) = value(&problem, &best.parameters);
        assert!(
            (known - best.value).abs() <= 2.0 * error + 1e-15 * known.abs(),
            "{known} {error:e} {best:?}"
        );
        let climbed = climbed(&problem, bound, 6, &mut rng);
        assert!(climbed <= best.upper_bound + 1e-12, "{climbed} {best:?} {given}");
        assert!(climbed >= best.value - 0.5, "{climbed} {best:?} {given}");
    }
}

/// One state with two actions: `f/(1 - gamma)` in closed form on a grid.
#[test]
fn one_state_is_the_best_of_a_grid() {
    for (entropy, bound, slope) in
        [(0.25, 1.5, [0.0, 0.0]), (1.0, 2.0, [0.5, 0.5]), (0.5, 3.0, [-0.75, -0.75])]
    {
        let base = [0.5, -0.25];
        let given = json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "entropy": entropy,
            "policy": {"kind": "softmax", "logits": [[0, 0]]},
            "environment": {
                "kind": "exponential-family", "psi": [1],
                "reward": {"base": [base], "slope": slope[0], "clip": 1}
            }
        });
        let best = optimum(&given, Some(bound));
        assert!(best.certified && best.gap <= 1e-6, "{best:?}");
        let value = |x: [f64; 2]| {
            let z = x[0].exp() + x[1].exp();
            let part = |a: usize| {
                let (reward, pi) = ((base[a] + slope[a] * x[a]).clamp(-1.0, 1.0), x[a].exp() / z);
                pi * (reward - entropy * pi.ln())
            };
            2.0 * (part(0) + part(1))
        };
        let (parts, mut most) = (400, f64::NEG_INFINITY);
        let at = |k: i32| bound * (2.0 * f64::from(k) / f64::from(parts) - 1.0);
        for i in 0..=parts {
            for j in 0..=parts {
                most = most.max(value([at(i), at(j)]));
            }
        }
        assert!(most <= best.upper_bound + 1e-14 && most >= best.value - 1e-3, "{most} {best:?}");
    }
}

/// What is asked of the others: a bound, some time, and a problem of this kind.
#[test]
fn what_is_found_in_no_time_is_bounded_and_certificates_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(33);
    let given = family(&mut rng, 3, 3, 0.5);
    let (problem, best) = (read(&given), optimum(&given, None));
    assert!(best.certified && best.domain.ends_with("theta in [-3, 3]"), "{best:?}");
    for time in [Duration::ZERO, Duration::from_millis(2)] {
        let settings = OptimumSettings { budget: Some(time), ..OptimumSettings::default() };
        let start = Instant::now();
        let early = performative_optimum(&problem, &settings).unwrap();
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(early.upper_bound.is_finite() && early.value <= best.upper_bound, "{early:?}");
        assert!(early.upper_bound >= best.value && (early.certified || early.stop == OptimumStop::Budget));
    }
    for bound in [f64::NAN, 0.0, -1.0, 301.0] {
        let settings = OptimumSettings { bound: Some(bound), ..OptimumSettings::default() };
        assert!(matches!(performative_optimum(&problem, &settings), Err(OptimumError::Bound { .. })));
    }
    let refused =
        certificate(&problem, &best, &CertificateSettings { gap: 1e-3, bound: Some(3.0), cells: 100 });
    assert!(refused.unwrap_err().to_string().contains("without entropy"));
}

/// With one action there is no entropy, whatever its weight.
#[test]
fn one_action_has_no_entropy() {
    let given = family(&mut ChaCha8Rng::seed_from_u64(34), 3, 1, 5.0);
    let mut without = given.clone();
    without["entropy"] = json!(0);
    assert_eq!(optimum(&given, Some(2.0)), optimum(&without, Some(2.0)));
}

#[test]
fn weights_of_any_size_give_no_false_bounds() {
    let mut rng = ChaCha8Rng::seed_from_u64(35);
    let mut given = family(&mut rng, 2, 3, 0.0);
    let plain = optimum(&given, Some(2.0));
    for entropy in [1e-300, 1e-12, 1e-6, 1e3, 1e9, 1e300, 1e308] {
        given["entropy"] = json!(entropy);
        let problem = read(&given);
        let budget = Some(Duration::from_secs(1));
        let settings = OptimumSettings { bound: Some(2.0), budget, ..OptimumSettings::default() };
        // A value beyond doubles is refused.
        let best = match performative_optimum(&problem, &settings) {
            Err(error) => {
                assert!(matches!(error, OptimumError::BeyondDoubles { .. }) && entropy == 1e308, "{error}");
                continue;
            }
            Ok(best) => best,
        };
        // Between the values without entropy and with all that there can be.
        let most = entropy * 3.0_f64.ln() / (1.0 - 0.9);
        assert!(best.upper_bound >= plain.value && best.value <= plain.upper_bound + most * (1.0 + 1e-9));
        assert!(best.gap <= 1e-6 * best.upper_bound.max(1.0), "{entropy} {best:?}");
        for _ in 0..20 {
            let theta: Vec<f64> = (0..6).map(|_| rng.random_range(-2.0..=2.0)).collect();
            assert!(value(&problem, &theta).0 <= best.upper_bound, "{entropy} {best:?}");
        }
        assert!(value(&problem, &[0.0; 6]).0 <= best.upper_bound, "{entropy} {best:?}");
    }
}
