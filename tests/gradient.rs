//! The adjoint gradient against derivatives that know nothing of it: dual
//! numbers through the whole evaluation, and finite differences of the value
//! in doubles and in balls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod common;

#[path = "common/tolerances.rs"]
mod tolerances;

use common::{read, smooth_policy, table};
use pemdp::arithmetic::{Ball, Dual, Field, Transcendental};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::policy::{LogLinear, Probabilities, Softmax, Weights};
use pemdp::problem::{PolicySpec, Problem};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::{BALLS_SOLVED, DIFFERENTIATED, ILL_CONDITIONED};

/// The policy of a problem with `step` added to parameter `k`.
fn moved<T: Transcendental>(problem: &Problem, k: usize, step: &T) -> Policy<T> {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let lift = |numerals: &[pemdp::problem::Numeral]| numerals.iter().map(|x| x.lift()).collect::<Vec<T>>();
    let plus = |numerals: &[pemdp::problem::Numeral]| {
        let mut values = lift(numerals);
        values[k] += step;
        values
    };
    let policy = match &problem.policy() {
        PolicySpec::Softmax(Softmax { logits }) => {
            Policy::softmax(n_states, n_actions, plus(logits)).unwrap()
        }
        PolicySpec::LogLinear(LogLinear { features, theta }) => {
            Policy::log_linear(n_states, n_actions, lift(features), plus(theta)).unwrap()
        }
        PolicySpec::Weights(Weights { values }) => {
            // theta = log w
            let mut weights = lift(values);
            weights[k] = weights[k].clone() * step.exp();
            Policy::weights(n_states, n_actions, weights).unwrap()
        }
        PolicySpec::Probabilities(Probabilities { values }) => {
            Policy::probabilities(n_states, n_actions, plus(values)).unwrap()
        }
        other => panic!("{other:?}"),
    };
    policy.with_logarithms()
}

fn value<T: Transcendental>(model: &PerformativeMdp<T>, policy: &Policy<T>) -> T {
    model.perform(policy).unwrap().evaluation.value
}

/// Compares every entry of the gradient with a dual number's derivative and
/// with central differences.
fn check(name: &str, json: &str) {
    let problem = read(json);
    let balls = problem.model::<Ball>().unwrap();
    let policy = problem.deployed_policy::<Ball>().unwrap();
    let performance = balls.perform(&policy).unwrap();
    assert_eq!(performance.kinks, [], "{name}");
    let gradient = performance.gradient.total();
    let doubles = problem.model::<f64>().unwrap();
    let duals = problem.model_in::<Dual<Ball>>().unwrap();
    // Doubles: truncation M h^2/6 and rounding u J/h balance at h = u^(1/3);
    // balls: the same with a unit of 1e-30. Off the simplex a policy may leave
    // it by the tolerance of its rows only, so steps there stay below it.
    let constrained = problem.policy().is_unconstrained();
    let (step, tolerance) = if constrained { (5e-10, 1e-4) } else { (6e-6, 1e-6) };
    for (k, exact) in gradient.iter().enumerate() {
        let exact = exact.as_ref().unwrap();
        let size = exact.magnitude().max(1.0);

        let dual = moved::<Dual<Ball>>(&problem, k, &Dual::variable(Ball::from_f64(0.0)));
        let derivative = value(&duals, &dual).derivative;
        let gap = (derivative - exact).magnitude();
        assert!(
            gap <= BALLS_SOLVED * size,
            "{name}: dJ/dtheta[{k}] = {exact:?}, by dual numbers {derivative:?}"
        );

        let h = Ball::from_f64(2f64.powi(-31));
        let up = value(&balls, &moved(&problem, k, &h));
        let down = value(&balls, &moved(&problem, k, &-h));
        let quotient = (up - down) / (h + h);
        let gap = (quotient - exact).magnitude();
        assert!(
            gap <= DIFFERENTIATED * size,
            "{name}: dJ/dtheta[{k}] = {exact:?}, by differences {quotient:?}"
        );

        let up = value(&doubles, &moved(&problem, k, &step));
        let down = value(&doubles, &moved(&problem, k, &-step));
        let quotient = (up - down) / (2.0 * step);
        let gap = (quotient - exact.midpoint()).abs();
        assert!(gap <= tolerance * size, "{name}: dJ/dtheta[{k}] = {exact:?}, in doubles {quotient}");
    }
}

const POLICY_KINDS: [&str; 4] = ["softmax", "log-linear", "weights", "probabilities"];

/// A problem of each environment that responds smoothly.
fn environment(rng: &mut ChaCha8Rng, kind: &str, n_states: usize, n_actions: usize) -> String {
    if kind == "exponential-family" {
        let base: Vec<_> = (0..n_states).map(|_| table(rng, n_actions, n_states)).collect();
        let psi = &table(rng, 1, n_states)[0];
        let rewards = table(rng, n_states, n_actions);
        return format!(
            r#"{{"kind":"{kind}","psi":{psi:?},"base_logits":{base:?},"reward":{{"base":{rewards:?},"slope":0.75,"clip":{}}}}}"#,
            if rng.random_bool(0.5) { "3.21" } else { "null" }
        );
    }
    let json = common::sized_rational_problem(rng, kind, 0.5, n_states, n_actions);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    value["environment"].to_string()
}

fn problem(rng: &mut ChaCha8Rng, kind: &str, policy_kind: &str, entropy: f64) -> String {
    let (n_states, n_actions) = match kind {
        "coin" | "loan-bandit" => (1, 2),
        "loan-mdp" => (4, 2),
        _ => (rng.random_range(1..=4), rng.random_range(1..=3)),
    };
    let environment = environment(rng, kind, n_states, n_actions);
    // Interior policies: the entropy's derivative is infinite at the boundary.
    let policy = if policy_kind == "probabilities" {
        let row = match n_actions {
            1 => vec![1.0],
            2 => vec![0.375, 0.625],
            _ => vec![0.25, 0.125, 0.625],
        };
        format!(r#"{{"kind":"probabilities","values":{:?}}}"#, vec![row; n_states])
    } else {
        smooth_policy(rng, policy_kind, n_states, n_actions)
    };
    let initial = common::distribution(rng, n_states);
    let gamma = [0.0, 0.5, 0.9, 0.99][rng.random_range(0..4)];
    format!(
        r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},"initial":{initial:?},"entropy":{entropy:?},"policy":{policy},"environment":{environment}}}"#
    )
}

#[test]
fn gradients_are_derivatives_on_every_environment_and_policy() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for kind in ["fixed", "affine", "coin", "loan-bandit", "loan-mdp", "exponential-family"] {
        for policy_kind in POLICY_KINDS {
            if kind == "exponential-family" && !["softmax", "weights"].contains(&policy_kind) {
                continue;
            }
            for entropy in [0.0, 0.25] {
                for _ in 0..4 {
                    let json = problem(&mut rng, kind, policy_kind, entropy);
                    check(&format!("{kind}, {policy_kind}, lambda {entropy}"), &json);
                }
            }
        }
    }
}

#[test]
fn gridworld_gradients_are_derivatives() {
    let mut rng = ChaCha8Rng::seed_from_u64(63);
    let logits: Vec<Vec<f64>> =
        (0..64).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    for (followers, entropy) in [(1, 0.0), (3, 0.5)] {
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":0.9,"entropy":{entropy:?},"policy":{{"kind":"softmax","logits":{logits:?}}},"environment":{{"kind":"gridworld","eps":0.5,"beta":5,"followers":{followers}}}}}"#
        );
        check("gridworld", &json);
    }
}

/// Second derivatives: nested dual numbers through the value, against dual
/// numbers through the adjoint gradient.
#[test]
fn hessians_agree_between_nested_duals_and_differentiated_gradients() {
    type Second = Dual<Dual<f64>>;
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    for _ in 0..10 {
        let problem = read(&problem(&mut rng, "exponential-family", "softmax", 0.25));
        let PolicySpec::Softmax(Softmax { logits }) = &problem.policy() else { panic!("softmax") };
        let n = logits.len();
        let (i, j) = (rng.random_range(0..n), rng.random_range(0..n));
        let logits: Vec<f64> = logits.iter().map(|x| x.lift()).collect();
        let (n_states, n_actions) = (problem.n_states(), problem.n_actions());

        let seed = |k: usize| {
            let mut x = Second::from_f64(logits[k]);
            x.value.derivative = f64::from(k == i);
            x.derivative.value = f64::from(k == j);
            x
        };
        let policy = Policy::softmax(n_states, n_actions, (0..n).map(seed).collect()).unwrap();
        let nested = value(&problem.model_in::<Second>().unwrap(), &policy).derivative.derivative;

        let seed = |k: usize| Dual::new(logits[k], f64::from(k == i));
        let policy = Policy::softmax(n_states, n_actions, (0..n).map(seed).collect()).unwrap();
        let model = problem.model::<Dual<f64>>().unwrap();
        let gradient = model.perform(&policy).unwrap().gradient.total();
        let mixed = gradient[j].unwrap().derivative;
        assert!(
            (nested - mixed).abs() <= ILL_CONDITIONED * nested.abs().max(1.0),
            "H[{i},{j}]: {nested} and {mixed}"
        );
    }
}
