//! Exact Hessians against nested dual numbers through the value alone, and
//! against differences of gradients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod common;

#[path = "common/tolerances.rs"]
mod tolerances;

use common::{read, smooth_policy};
use pemdp::arithmetic::Dual;
use pemdp::curvature::{Spectrum, hessian, hessian_product};
use pemdp::oracle::examples;
use pemdp::policy::{Parametrisation, Policy, Softmax};
use pemdp::problem::{Problem, Reading};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::{DIFFERENTIATED, FORMULA, ILL_CONDITIONED, ROUGH_QUOTIENT, SOLVED};

/// `u H v` by nested dual numbers through the value, which know nothing of the
/// adjoint gradient.
fn nested(problem: &Problem, policy: &Policy<f64>, u: &[f64], v: &[f64]) -> f64 {
    let outer: Vec<Dual<f64>> = v.iter().map(|&x| Dual::constant(x)).collect();
    let along = policy.along(u).unwrap().along(&outer).unwrap();
    let model = problem.model_in::<Dual<Dual<f64>>>().unwrap();
    model.perform(&along).unwrap().evaluation.value.derivative.derivative
}

/// `(grad J(theta + h v) - grad J(theta - h v))/(2h)` for a softmax policy.
fn difference(problem: &Problem, policy: &Policy<f64>, v: &[f64]) -> Vec<f64> {
    let Parametrisation::Softmax(Softmax { logits }) = policy.parametrisation() else { panic!() };
    let model = problem.model::<f64>().unwrap();
    let h = 1e-5;
    let gradient = |step: f64| {
        let moved = logits.iter().zip(v).map(|(x, v)| x + step * v).collect();
        let policy = Policy::softmax(policy.n_states(), policy.n_actions(), moved).unwrap();
        model.perform(&policy).unwrap().gradient.total()
    };
    gradient(h).iter().zip(gradient(-h)).map(|(up, down)| (up.unwrap() - down.unwrap()) / (2.0 * h)).collect()
}

fn check(problem: &Problem, rng: &mut ChaCha8Rng) {
    let policy = problem.deployed_policy::<f64>().unwrap();
    let tangent = problem.model::<Dual<f64>>().unwrap();
    let entropy = tangent.entropy.value;
    let n = policy.n_parameters();
    let mut random = || (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let (u, v) = (random(), random());
    let product = hessian_product(&tangent, &policy, &entropy, &v).unwrap();
    let size = product.iter().map(|x| x.abs()).fold(1e-3, f64::max);

    let form: f64 = product.iter().zip(&u).map(|(h, u)| h * u).sum();
    let expected = nested(problem, &policy, &u, &v);
    assert!((form - expected).abs() <= DIFFERENTIATED * size, "u H v = {form}, nested {expected}");

    if let Parametrisation::Softmax(_) = policy.parametrisation() {
        for (h, quotient) in product.iter().zip(difference(problem, &policy, &v)) {
            assert!((h - quotient).abs() <= ROUGH_QUOTIENT * size, "{h}, by differences {quotient}");
        }
    }
    if n <= 64 {
        let h = hessian(&tangent, &policy, &entropy).unwrap();
        for i in 0..n {
            let row: f64 = h[i * n..(i + 1) * n].iter().zip(&v).map(|(h, v)| h * v).sum();
            assert!((row - product[i]).abs() <= DIFFERENTIATED * size);
            for j in 0..i {
                assert!(
                    (h[i * n + j] - h[j * n + i]).abs() <= DIFFERENTIATED * size,
                    "not symmetric at {i}, {j}"
                );
            }
        }
        let largest = Spectrum::new(n, &h).unwrap().largest_curvature();
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(product.iter().map(|x| x * x).sum::<f64>().sqrt() <= largest * norm * (1.0 + SOLVED));
    }
}

#[test]
fn hessians_are_second_derivatives_on_every_environment_and_policy() {
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    for kind in ["fixed", "affine", "coin", "loan-bandit", "loan-mdp", "exponential-family"] {
        for policy_kind in ["softmax", "log-linear", "weights", "probabilities"] {
            if kind == "exponential-family" && ["log-linear", "probabilities"].contains(&policy_kind) {
                continue;
            }
            for entropy in [0.0, 0.25] {
                let (n_states, n_actions) = match kind {
                    "coin" | "loan-bandit" => (1, 2),
                    "loan-mdp" => (4, 2),
                    _ => (3, 3),
                };
                let json = common::sized_rational_problem(&mut rng, kind, 0.5, n_states, n_actions);
                let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
                let policy = match policy_kind {
                    "probabilities" => {
                        let row = if n_actions == 2 { vec![0.375, 0.625] } else { vec![0.25, 0.125, 0.625] };
                        format!(r#"{{"kind":"probabilities","values":{:?}}}"#, vec![row; n_states])
                    }
                    _ => smooth_policy(&mut rng, policy_kind, n_states, n_actions),
                };
                json["policy"] = serde_json::from_str(&policy).unwrap();
                json["entropy"] = entropy.into();
                check(&read(&json.to_string()), &mut rng);
            }
        }
    }
}

/// Through the followers' best responses, and through their softened ones.
#[test]
fn gridworld_hessians_are_second_derivatives() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let gridworld = examples::example("gridworld").unwrap().to_json();
    let mut json: serde_json::Value = serde_json::from_str(&gridworld).unwrap();
    let logits: Vec<Vec<f64>> =
        (0..64).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    json["policy"] = serde_json::json!({"kind": "softmax", "logits": logits});
    let problem = Problem::from_json(&json.to_string(), Reading::Doubles).unwrap();
    check(&problem, &mut rng);

    let policy = problem.deployed_policy::<f64>().unwrap();
    let direction: Vec<f64> = (0..256).map(|_| rng.random_range(-1.0..1.0)).collect();
    for temperature in [1.0, 1e-2, 1e-4, 1e-6] {
        let tangent = problem.model().unwrap().smoothed(&Dual::constant(temperature)).unwrap();
        let product = hessian_product(&tangent, &policy, &0.0, &direction).unwrap();
        let form: f64 = product.iter().zip(&direction).map(|(h, v)| h * v).sum();
        let outer: Vec<Dual<f64>> = direction.iter().map(|&x| Dual::constant(x)).collect();
        let along = policy.along(&direction).unwrap().along(&outer).unwrap();
        let model =
            problem.model_in().unwrap().smoothed(&Dual::constant(Dual::constant(temperature))).unwrap();
        let expected = model.perform(&along).unwrap().evaluation.value.derivative.derivative;
        let tolerance = ILL_CONDITIONED + FORMULA / temperature;
        assert!(
            (form - expected).abs() <= tolerance * form.abs().max(1e-2),
            "{temperature}: {form} and {expected}"
        );
    }
}
