//! Estimators: what they are in expectation, by enumeration in exact fractions,
//! by linear systems and by sampling at stated confidence.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../../tests/common/mod.rs"]
mod common;

#[path = "../../../tests/common/tolerances.rs"]
mod tolerances;

use common::read;
use pemdp::arithmetic::{Field, Rational};
use pemdp::gradient::policy_term;
use pemdp::oracle::{examples, mistaken_answers};
use pemdp::performative::{Performance, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp::response::Cotangent;
use pemdp_algorithms::estimate::{
    Baseline, Bias, Deployed, EstimateError, Estimator, Form, Horizon, Moments, OneStepLate, Printed, Return,
    SampledValue, Score, Td, Truncation, TruncationBound, TwoPoint, Undiscounted, enumerate, moments,
    sampled_value,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// Chance that a test of a true statement fails, over the seeds.
const FALSE_ALARM: f64 = 1e-6;

/// Three layers and an absorbing state that pays nothing: every episode of three
/// steps is complete. Transitions respond in states 0 and 1.
const LAYERS: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.75,0.25,0,0],
    "policy":{"kind":"weights","values":[[1,2],[3,1],[2,5],[1,1]]},
    "environment":{"kind":"exponential-family","psi":[0,1,-1,2],
        "base_weights":[[[0,1,2,0],[0,3,1,1]],[[0,0,2,1],[0,0,1,5]],[[0,0,0,1],[0,0,0,1]],[[0,0,0,1],[0,0,0,1]]],
        "reward":{"base":[[1,-2],[3,0.5],[-1,4],[0,0]],"slope":0,"clip":null}}}"#;

/// Two states that never end.
const LOOP: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.25,0.75],
    "policy":{"kind":"weights","values":[[1,2],[3,1]]},
    "environment":{"kind":"exponential-family","psi":[-1,1],
        "base_weights":[[[1,2],[3,1]],[[2,1],[1,5]]],
        "reward":{"base":[[1,-2],[3,0.5]],"slope":0,"clip":null}}}"#;

/// Entropy, responding transitions and responding rewards.
const ENTROPY: &str = r#"{"format":"pemdp-problem/1","gamma":0.8,"entropy":0.25,"initial":[0.25,0.25,0.5],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1],[-1,0.25]]},
    "environment":{"kind":"exponential-family","psi":[-1,0,1],
        "base_weights":[[[1,2,1],[3,1,1]],[[2,1,2],[1,5,1]],[[1,1,1],[2,0,3]]],
        "reward":{"base":[[1,-2],[3,0.5],[-1,0]],"slope":0.5,"clip":null}}}"#;

/// Transitions and rewards of each state respond to the policy of another.
const AFFINE: &str = r#"{"format":"pemdp-problem/1","gamma":0.75,"initial":[0.5,0.5],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1]]},
    "environment":{"kind":"affine","transitions":[[[0.5,0.5],[0.25,0.75]],[[0.75,0.25],[0.5,0.5]]],
        "transition_slopes":[[0,0,0,1,1,0.25],[0,0,1,1,1,-0.25],[1,1,0,0,0,-0.375],[1,1,1,0,0,0.375]],
        "rewards":[[1,-1],[0.5,2]],"reward_slopes":[[0,1,1,0,-0.75],[1,0,0,0,1.5]]}}"#;

/// The same with rewards that respond.
const AFFINE_LAYERS: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.75,0.25,0,0],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1],[1,0],[0,0]]},
    "environment":{"kind":"affine","transitions":[[[0,0.5,0.5,0],[0,0.25,0.75,0]],
            [[0,0,0.25,0.75],[0,0,0.5,0.5]],[[0,0,0,1],[0,0,0,1]],[[0,0,0,1],[0,0,0,1]]],
        "transition_slopes":[[0,0,1,1,1,0.25],[0,0,2,1,1,-0.25],[1,0,2,0,1,0.5],[1,0,3,0,1,-0.5]],
        "rewards":[[1,-1],[0.5,2],[-3,1],[0,0]],"reward_slopes":[[0,1,1,0,-0.75],[2,0,0,0,1.5]]}}"#;

/// Runs `test` on the deployed policy of a problem.
fn deployed<T: Field, R>(
    model: &PerformativeMdp<T>,
    policy: &Policy<T>,
    test: impl FnOnce(&Deployed<'_, T>) -> R,
) -> R {
    let performance = model.perform(policy).unwrap();
    test(&Deployed::new(&performance, policy, &model.entropy).unwrap())
}

fn exactly<R>(json: &str, test: impl FnOnce(&Deployed<'_, Rational>) -> R) -> R {
    let (model, policy) = Problem::from_json(json, Reading::Exact).unwrap().rational_model().unwrap();
    deployed(&model, &policy, test)
}

fn doubles<R>(json: &str, test: impl FnOnce(&Deployed<'_, f64>) -> R) -> R {
    let problem = read(json);
    deployed(&problem.model().unwrap(), &problem.deployed_policy().unwrap(), test)
}

fn gradient<T: Field>(performance: &Performance<'_, T>) -> Vec<T> {
    performance.gradient.total().into_iter().map(Option::unwrap).collect()
}

/// The gradient without its transition term.
fn without_transitions<T: Field>(performance: &Performance<'_, T>) -> Vec<T> {
    let terms = &performance.gradient;
    terms.policy.iter().zip(&terms.reward).map(|(p, r)| p.clone().unwrap() + r).collect()
}

fn plus<T: Field>(x: &[T], y: &[T]) -> Vec<T> {
    x.iter().zip(y).map(|(x, y)| x.clone() + y).collect()
}

/// Values that are not `V`.
fn wrong_values<T: Field>(n: usize) -> Vec<T> {
    (0..n).map(|s| T::from_ratio(2 * s as i64 - 1, 3)).collect()
}

fn unbiased<T: Field>(n: usize) -> Vec<Box<dyn Form<T>>> {
    vec![
        Box::new(Score),
        Box::new(Td { fitted: None }),
        Box::new(Return { baseline: Baseline::None }),
        Box::new(Return { baseline: Baseline::Exact }),
        Box::new(Return { baseline: Baseline::Fitted(wrong_values(n)) }),
    ]
}

fn biased<T: Field>(n: usize) -> Vec<Box<dyn Form<T>>> {
    vec![Box::new(Printed), Box::new(OneStepLate), Box::new(Td { fitted: Some(wrong_values(n)) })]
}

/// The mean of the TD form with values `v`: the adjoint form with `v` in place
/// of `V` after each step.
fn bootstrapped_gradient<T: Field>(deployed: &Deployed<'_, T>, v: &[T]) -> Vec<T> {
    let (performance, policy) = (deployed.performance(), deployed.policy());
    let (mdp, evaluation) = (&performance.mdp, &performance.evaluation);
    let gamma = mdp.gamma();
    let discounted: Vec<T> = v.iter().map(|v| v.clone() * gamma).collect();
    let pulled = performance.pullback.pull(&Cotangent::performative(&evaluation.occupancy, &discounted));
    let action_value = |pair: usize| {
        let (s, a) = (pair / mdp.n_actions(), pair % mdp.n_actions());
        let next = T::sum_of_products(mdp.kernel().row(s, a).map(|(t, p)| (p, &v[t])));
        Some(next * gamma + deployed.reward(pair))
    };
    let action_values: Vec<Option<T>> = (0..deployed.n_pairs()).map(action_value).collect();
    let through_policy: Vec<T> = policy_term(policy, &evaluation.state_occupancy, &action_values)
        .unwrap()
        .into_iter()
        .map(Option::unwrap)
        .collect();
    let rest = plus(
        &pulled.transition.to_parameters(policy).unwrap(),
        &pulled.reward.to_parameters(policy).unwrap(),
    );
    plus(&through_policy, &rest)
}

fn assert_close(seen: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(seen.len(), expected.len());
    for (k, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        assert!(
            (seen - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what} [{k}]: {seen} for {expected}"
        );
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

mod enumerated;

mod recursions;

mod sampled;

mod two_point;

#[test]
fn nonsense_is_refused() {
    doubles(LOOP, |deployed| {
        let refused = |form: &dyn Form<f64>, horizon| Estimator::new(deployed, form, horizon).err();
        assert_eq!(refused(&Score, Horizon::Truncated(0)), Some(EstimateError::Zero { what: "the horizon" }));
        let undiscounted = Some(EstimateError::Horizon { form: "undiscounted" });
        assert_eq!(refused(&Undiscounted::Everywhere, Horizon::Geometric), undiscounted);
        let form = Td { fitted: Some(vec![0.0]) };
        assert_eq!(refused(&form, Horizon::Geometric), Some(EstimateError::Values { seen: 1, expected: 2 }));
        let form = Return { baseline: Baseline::Fitted(vec![0.0; 3]) };
        assert_eq!(refused(&form, Horizon::Geometric), Some(EstimateError::Values { seen: 3, expected: 2 }));
        let estimator = Estimator::new(deployed, &Score, Horizon::Geometric).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!(matches!(estimator.sample(0, &mut rng), Err(EstimateError::Zero { .. })));
        assert!(matches!(estimator.fit(0, &mut rng), Err(EstimateError::Zero { .. })));
        assert!(matches!(
            enumerate(deployed, &Score, Horizon::Geometric, 0),
            Err(EstimateError::Zero { .. })
        ));
        let form = Undiscounted::Transition;
        let refused = moments(deployed, &form, Horizon::Truncated(2)).err();
        assert_eq!(refused, Some(EstimateError::Undiscounted { form: "undiscounted-transition" }));
        let zero = |_: &[f64], _: &mut ChaCha8Rng| {
            Ok::<_, EstimateError>(SampledValue { value: 0.0, episodes: 0, steps: 0 })
        };
        let none = TwoPoint { radius: 1.0, directions: 0 }.estimate(&[0.0], &mut rng, zero);
        assert!(matches!(none, Err(EstimateError::Zero { .. })));
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let estimate = TwoPoint { radius, directions: 1 }.estimate(&[0.0], &mut rng, zero);
            assert!(matches!(estimate, Err(EstimateError::Radius { .. })), "{radius}");
        }
    });
    let problem = read(LOOP);
    let model = problem.model::<f64>().unwrap();
    let weights = problem.deployed_policy::<f64>().unwrap();
    let performance = model.perform(&weights).unwrap();
    let policy = Policy::uniform(2, 2);
    assert_eq!(Deployed::new(&performance, &policy, &0.0).err(), Some(EstimateError::Unconstrained));
}
