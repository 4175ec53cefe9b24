//! Laws of the model on random problems, in exact fractions where they are
//! equalities and in doubles where they need exponentials.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod common;

#[path = "common/tolerances.rs"]
mod tolerances;

use common::{read, sized_rational_problem, table};
use num_traits::Zero;
use pemdp::arithmetic::{Ball, Dual, Field, Interval, Rational, Transcendental, ratio};
use pemdp::evaluate::{Evaluation, evaluate};
use pemdp::linear::Rows;
use pemdp::mdp::{Kernel, Mdp};
use pemdp::policy::Policy;
use pemdp::problem::{Parts, Problem, Reading};
use proptest::prelude::*;
use quickcheck::quickcheck;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::{BALLS, FORMULA, ILL_CONDITIONED, SOLVED, SUMS, ULPS};

/// A random fixed MDP and policy in fractions.
fn random_mdp(seed: u64) -> (Mdp<Rational>, Policy<Rational>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (n_states, n_actions) = (rng.random_range(1..=6), rng.random_range(1..=4));
    let lift = |values: &[f64]| values.iter().map(|&x| Rational::from_f64(x)).collect::<Vec<_>>();
    let rows = common::kernel(&mut rng, n_states, n_actions).concat().concat();
    let kernel = Kernel::dense(n_states, n_actions, lift(&rows)).unwrap();
    let rewards = lift(&table(&mut rng, n_states, n_actions).concat());
    let initial = lift(&common::distribution(&mut rng, n_states));
    let gamma = ratio(rng.random_range(0..100), 100);
    let mdp = Mdp::new(kernel, rewards, initial, gamma).unwrap();
    let policy = lift(&common::distributions(&mut rng, n_states, n_actions).concat());
    (mdp, Policy::probabilities(n_states, n_actions, policy).unwrap())
}

fn solve(mdp: &Mdp<Rational>, policy: &Policy<Rational>) -> Evaluation<Rational> {
    evaluate(mdp, policy, &Rational::zero()).unwrap()
}

/// The MDP and policy with states and actions renamed.
fn relabelled(
    mdp: &Mdp<Rational>,
    policy: &Policy<Rational>,
    states: &[usize],
    actions: &[usize],
) -> (Mdp<Rational>, Policy<Rational>) {
    let (n, m) = (mdp.n_states(), mdp.n_actions());
    let index = |i: usize| (states[i / m], actions[i % m]);
    let row = |i: usize| {
        let (s, a) = index(i);
        (0..n).map(move |t| (t, mdp.kernel().probability(s, a, states[t]))).collect::<Vec<_>>()
    };
    let kernel = Kernel::new(n, m, Rows::sparse(n, (0..n * m).map(row)).unwrap()).unwrap();
    let rewards = (0..n * m).map(|i| mdp.reward(index(i).0, index(i).1).clone()).collect();
    let initial = states.iter().map(|&s| mdp.initial()[s].clone()).collect();
    let pi = (0..n * m).map(|i| policy.probability(index(i).0, index(i).1).clone()).collect();
    let mdp = Mdp::new(kernel, rewards, initial, mdp.gamma().clone()).unwrap();
    (mdp, Policy::probabilities(n, m, pi).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn values_satisfy_bellmans_equation(seed: u64) {
        let (mdp, policy) = random_mdp(seed);
        let evaluation = solve(&mdp, &policy);
        for s in 0..mdp.n_states() {
            let mut mean = Rational::zero();
            for a in 0..mdp.n_actions() {
                let next: Rational =
                    mdp.kernel().row(s, a).map(|(t, p)| p * &evaluation.state_values[t]).sum();
                let expected = mdp.reward(s, a) + mdp.gamma() * next;
                prop_assert_eq!(evaluation.action_value(s, a), Some(&expected));
                let advantage = evaluation.advantage(s, a);
                prop_assert_eq!(advantage, Some(&expected - &evaluation.state_values[s]));
                mean += policy.probability(s, a) * expected;
            }
            prop_assert_eq!(&evaluation.state_values[s], &mean);
        }
    }

    #[test]
    fn occupancies_conserve_flow_and_price_the_rewards(seed: u64) {
        let (mdp, policy) = random_mdp(seed);
        let evaluation = solve(&mdp, &policy);
        for t in 0..mdp.n_states() {
            let mut inflow = mdp.initial()[t].clone();
            for s in 0..mdp.n_states() {
                for a in 0..mdp.n_actions() {
                    inflow += mdp.gamma() * evaluation.occupancy(s, a) * mdp.kernel().probability(s, a, t);
                }
            }
            prop_assert_eq!(&evaluation.state_occupancy[t], &inflow);
        }
        let total: Rational = evaluation.occupancy.iter().sum();
        prop_assert_eq!(total, Rational::from_integer(1.into()) / (ratio(1, 1) - mdp.gamma()));
        let earned: Rational = (0..evaluation.occupancy.len())
            .map(|i| &evaluation.occupancy[i] * mdp.reward(i / mdp.n_actions(), i % mdp.n_actions()))
            .sum();
        prop_assert_eq!(earned, evaluation.value);
    }

    #[test]
    fn names_of_states_and_actions_do_not_matter(seed: u64) {
        let (mdp, policy) = random_mdp(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
        let mut states: Vec<usize> = (0..mdp.n_states()).collect();
        let mut actions: Vec<usize> = (0..mdp.n_actions()).collect();
        states.shuffle(&mut rng);
        actions.shuffle(&mut rng);
        let evaluation = solve(&mdp, &policy);
        let (renamed, renamed_policy) = relabelled(&mdp, &policy, &states, &actions);
        let other = solve(&renamed, &renamed_policy);
        prop_assert_eq!(&other.value, &evaluation.value);
        for s in 0..mdp.n_states() {
            prop_assert_eq!(&other.state_values[s], &evaluation.state_values[states[s]]);
            for a in 0..mdp.n_actions() {
                prop_assert_eq!(other.occupancy(s, a), evaluation.occupancy(states[s], actions[a]));
                prop_assert_eq!(other.action_value(s, a), evaluation.action_value(states[s], actions[a]));
            }
        }
    }

    #[test]
    fn without_a_future_only_the_first_step_counts(seed: u64) {
        let (mdp, policy) = random_mdp(seed);
        let (n, m) = (mdp.n_states(), mdp.n_actions());
        let rewards = (0..n * m).map(|i| mdp.reward(i / m, i % m).clone()).collect();
        let mdp = Mdp::new(mdp.kernel().clone(), rewards, mdp.initial().to_vec(), ratio(0, 1)).unwrap();
        let evaluation = solve(&mdp, &policy);
        prop_assert_eq!(&evaluation.state_occupancy[..], mdp.initial());
        for s in 0..n {
            for a in 0..m {
                prop_assert_eq!(evaluation.action_value(s, a), Some(mdp.reward(s, a)));
            }
        }
    }

    #[test]
    fn every_arithmetic_encloses_or_approaches_the_exact_value(seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = common::RATIONAL_KINDS[(seed % 7) as usize];
        let problem = read(&common::rational_problem(&mut rng, kind, 0.875));
        let (model, policy) = problem.rational_model().unwrap();
        let exact = model.perform(&policy).unwrap();
        let gradient: Vec<Rational> = exact.gradient.total().into_iter().map(Option::unwrap).collect();
        let intervals = in_arithmetic::<Interval>(&problem);
        let balls = in_arithmetic::<Ball>(&problem);
        let doubles = in_arithmetic::<f64>(&problem);
        let truth: Vec<Rational> = std::iter::once(exact.evaluation.value.clone()).chain(gradient).collect();
        for (i, truth) in truth.iter().enumerate() {
            let (lower, upper) = (intervals[i].lower(), intervals[i].upper());
            prop_assert!(Rational::from_f64(lower) <= *truth && *truth <= Rational::from_f64(upper));
            let off = truth - Rational::from_f64(balls[i].midpoint());
            prop_assert!(off.approximate().abs() <= balls[i].error_bound());
            prop_assert!((truth.approximate() - doubles[i]).abs() <= ILL_CONDITIONED * doubles[i].abs().max(1.0));
        }
    }

    #[test]
    fn softmax_gradients_of_fixed_dynamics_sum_to_zero_in_each_state(seed: u64, entropy in 0.0..2.0f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let json = sized_rational_problem(&mut rng, "fixed", 0.9, 3, 3);
        let logits = table(&mut rng, 3, 3);
        let environment = serde_json::from_str::<serde_json::Value>(&json).unwrap()["environment"].to_string();
        let at = |shift: f64| {
            let logits: Vec<Vec<f64>> = logits.iter().map(|row| row.iter().map(|x| x + shift).collect()).collect();
            read(&format!(
                r#"{{"format":"pemdp-problem/1","gamma":0.9,"initial":[0.5,0.25,0.25],"entropy":{entropy:?},"policy":{{"kind":"softmax","logits":{logits:?}}},"environment":{environment}}}"#
            )).answer().unwrap()
        };
        let answer = at(0.0);
        for row in answer.gradient.chunks(3) {
            let sum: f64 = row.iter().flatten().sum();
            prop_assert!(sum.abs() <= 3.0 * answer.error_bounds.gradient + FORMULA);
        }
        // Shifting all logits of a state changes nothing.
        let shifted = at(0.5);
        prop_assert!((shifted.value - answer.value).abs() <= SUMS * answer.value.abs().max(1.0));
    }

    #[test]
    fn no_entropy_is_the_limit_of_little(seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let json = sized_rational_problem(&mut rng, "affine", 0.5, 3, 2);
        let at = |entropy: f64| {
            let parts = Parts { entropy: entropy.into(), ..read(&json).parts().clone() };
            Problem::new(parts, Reading::Doubles).unwrap().answer().unwrap()
        };
        let none = at(0.0);
        // |J_lambda - J| <= lambda log A / (1 - gamma)
        for entropy in [1e-3, 1e-6, 1e-12] {
            let gap = (at(entropy).value - none.value).abs();
            prop_assert!(gap <= entropy * 2f64.ln() * 2.0 + ULPS, "{} at {}", gap, entropy);
        }
    }
}

/// Value and gradient in an arithmetic.
fn in_arithmetic<T: Transcendental>(problem: &Problem) -> Vec<T> {
    let model = problem.model_in::<T>().unwrap();
    let policy = problem.deployed_policy::<T>().unwrap();
    let performance = model.perform(&policy).unwrap();
    let gradient = performance.gradient.total().into_iter().map(Option::unwrap);
    std::iter::once(performance.evaluation.value).chain(gradient).collect()
}

#[test]
fn intervals_and_balls_agree_where_there_are_exponentials() {
    for name in ["exponential-family", "fixed", "affine", "gridworld"] {
        let problem = read(&pemdp::oracle::examples::example(name).unwrap().to_json());
        let (intervals, balls) = (in_arithmetic::<Interval>(&problem), in_arithmetic::<Ball>(&problem));
        for (interval, ball) in intervals.iter().zip(&balls) {
            assert!(interval.lower() <= ball.upper() && ball.lower() <= interval.upper(), "{name}");
            assert!(interval.width() <= 1e-6, "{name}: {interval:?}");
        }
    }
}

#[test]
fn huge_logits_neither_overflow_nor_lose_the_entropy() {
    let json = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[1],"entropy":0.5,
        "policy":{"kind":"softmax","logits":[[700,-700]]},
        "environment":{"kind":"fixed","transitions":[[[1],[1]]],"rewards":[[1,0]]}}"#;
    let answer = read(json).answer().unwrap();
    assert!((answer.value - 2.0).abs() <= ULPS);
    // Q[0,1] = 0 - lambda log pi + gamma V = 700 + 1: the bonus of 1400 halves.
    let q = answer.action_values[0][1].unwrap();
    assert!((q - 701.0).abs() <= SOLVED);
    assert!(answer.gradient.iter().all(|g| g.unwrap().abs() < 1e-300));
}

#[test]
fn impossible_actions_have_infinite_regularised_values() {
    let json = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[1],"entropy":0.5,
        "policy":{"kind":"probabilities","values":[[1,0]]},
        "environment":{"kind":"fixed","transitions":[[[1],[1]]],"rewards":[[1,5]]}}"#;
    let answer = read(json).answer().unwrap();
    assert_eq!(answer.value, 2.0);
    assert_eq!(answer.action_values, [[Some(2.0), None]]);
    assert_eq!(answer.gradient[1], None);
    // d (Q - lambda) = 2 (2 - 1/2)
    assert_eq!(answer.gradient[0], Some(3.0));
}

fn small(n: i8, d: i8) -> Rational {
    ratio(i64::from(n), i64::from(d).abs() + 1)
}

quickcheck! {
    fn rationals_are_a_field(a: (i8, i8), b: (i8, i8), c: (i8, i8)) -> bool {
        let (a, b, c) = (small(a.0, a.1), small(b.0, b.1), small(c.0, c.1));
        let one = ratio(1, 1);
        &a + &b == &b + &a
            && &a * &b == &b * &a
            && (&a + &b) + &c == &a + (&b + &c)
            && (&a * &b) * &c == &a * (&b * &c)
            && &a * (&b + &c) == &a * &b + &a * &c
            && (a.is_zero() || &a * (&one / &a) == one)
            && &a - &a == ratio(0, 1)
            && a.power(3) == &a * &a * &a
            && (a.is_zero() || a.power(-2) == &one / (&a * &a))
            && Rational::sum_of_products([(&a, &b), (&c, &a), (&b, &b)].into_iter())
                == &a * &b + &c * &a + &b * &b
    }

    fn duals_follow_the_product_quotient_and_chain_rules(a: (i8, i8), b: (i8, i8)) -> bool {
        let (x, dx, y, dy) = (small(a.0, a.1), small(a.1, a.0), small(b.0, b.1), small(b.1, b.0));
        let (u, v) = (Dual::new(x.clone(), dx.clone()), Dual::new(y.clone(), dy.clone()));
        let product = u.clone() * &v;
        let quotient = |u: Dual<Rational>, v: &Dual<Rational>| (u / v).derivative;
        product.derivative == &dx * &y + &x * &dy
            && (u.clone() + &v).derivative == &dx + &dy
            && (u.clone() - &v).derivative == &dx - &dy
            && (y.is_zero() || quotient(u.clone(), &v) == (&dx * &y - &x * &dy) / (&y * &y))
            && u.power(4).derivative == ratio(4, 1) * x.power(3) * &dx
    }

    fn duals_differentiate_exponentials_and_logarithms(a: i8, d: i8) -> bool {
        let x = Dual::new(f64::from(a) / 32.0, f64::from(d));
        let exp = x.exp();
        let back = exp.ln();
        exp.value == (f64::from(a) / 32.0).exp()
            && exp.derivative == exp.value * f64::from(d)
            && (back.derivative - f64::from(d)).abs() <= SOLVED * f64::from(d).abs()
    }
}

/// A ring of 20,000 states that pays in one of them: `V[s] = gamma^(n - s) / (1 - gamma^n)`
/// for `s > 0`, whatever the layout.
#[test]
fn large_sparse_kernels_are_evaluated_with_bounds() {
    let n = 20_000;
    let kernel =
        Kernel::new(n, 1, Rows::sparse(n, (0..n).map(|s| [((s + 1) % n, Ball::from_f64(1.0))])).unwrap())
            .unwrap();
    assert!(kernel.rows().is_sparse());
    let unit =
        |at: usize| (0..n).map(|s| Ball::from_f64(if s == at { 1.0 } else { 0.0 })).collect::<Vec<_>>();
    let mdp = Mdp::new(kernel, unit(0), unit(n - 10), Ball::from_f64(0.5)).unwrap();
    let evaluation = evaluate(&mdp, &Policy::uniform(n, 1), &Ball::zero()).unwrap();
    for (steps, s) in (1..20).map(|steps| (steps, n - steps)) {
        let expected = Ball::from_f64(0.5f64.powi(steps as i32));
        assert!((evaluation.state_values[s] - expected).magnitude() < BALLS);
    }
    assert!((evaluation.value - Ball::from_f64(0.5f64.powi(10))).magnitude() < BALLS);
}
