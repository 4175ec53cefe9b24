//! Best responses in random MDPs, against conditions and programs that do not
//! share their code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/mod.rs"]
mod common;

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use pemdp::evaluate::evaluate;
use pemdp::linear::Rows;
use pemdp::mdp::{Kernel, Mdp};
use pemdp::policy::Policy;
use pemdp_algorithms::planning::{
    best_response, is_terminal, nearest_occupancy, quadratic_response, soft_response,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tolerances::{GAP, ILL_CONDITIONED, SOLVED, SUMS};

/// A random MDP, often sparse, every other one with a terminal state 0.
fn random_mdp(rng: &mut impl Rng, case: usize) -> Mdp<f64> {
    let (n_states, n_actions) = (rng.random_range(1..=5), rng.random_range(1..=4));
    let mut kernel: Vec<f64> = common::kernel(rng, n_states, n_actions).concat().concat();
    let mut rewards = common::table(rng, n_states, n_actions).concat();
    if case.is_multiple_of(2) && n_states > 1 {
        rewards[..n_actions].fill(0.0);
        kernel[..n_actions * n_states].fill(0.0);
        (0..n_actions).for_each(|a| kernel[a * n_states] = 1.0);
    }
    let gamma = [0.0, 0.5, 0.875, 0.9, 0.99][rng.random_range(0..5)];
    let initial = common::distribution(rng, n_states);
    Mdp::new(Kernel::dense(n_states, n_actions, kernel).unwrap(), rewards, initial, gamma).unwrap()
}

fn pairs(mdp: &Mdp<f64>) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (n_states, n_actions) = (mdp.n_states(), mdp.n_actions());
    (0..n_states * n_actions).map(move |i| (i / n_actions, i % n_actions))
}

fn rewards(mdp: &Mdp<f64>) -> Vec<f64> {
    pairs(mdp).map(|(s, a)| *mdp.reward(s, a)).collect()
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

/// Occupancies of all deterministic policies without terminal states: the
/// vertices of the polytope.
fn vertices(mdp: &Mdp<f64>) -> Vec<Vec<f64>> {
    let (n_states, n_actions) = (mdp.n_states(), mdp.n_actions());
    let vertex = |code: usize| {
        let choice = |s: usize| code / n_actions.pow(s as u32) % n_actions;
        let pi = pairs(mdp).map(|(s, a)| f64::from(choice(s) == a)).collect();
        let policy = Policy::probabilities(n_states, n_actions, pi).unwrap();
        let d = evaluate(mdp, &policy, &0.0).unwrap().occupancy;
        pairs(mdp).zip(d).map(|((s, _), d)| if is_terminal(mdp, s) { 0.0 } else { d }).collect()
    };
    (0..n_actions.pow(n_states as u32)).map(vertex).collect()
}

/// `max_v <F, v - d>` over the vertices: at most 0 exactly where `d` maximises a
/// concave function of gradient `F` there.
fn largest_rise(gradient: &[f64], d: &[f64], vertices: &[Vec<f64>]) -> f64 {
    vertices.iter().map(|v| product(gradient, v) - product(gradient, d)).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn exact_responses_beat_every_deterministic_policy() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for case in 0..200 {
        let mdp = random_mdp(&mut rng, case);
        let response = best_response(&mdp).unwrap();
        let best =
            vertices(&mdp).iter().map(|d| product(d, &rewards(&mdp))).fold(f64::NEG_INFINITY, f64::max);
        assert!((response.evaluation.value - best).abs() <= ILL_CONDITIONED * best.abs().max(1.0));
        assert!(response.loss_bound <= GAP, "{}", response.loss_bound);
        assert!(best - response.evaluation.value <= response.loss_bound + SOLVED * best.abs().max(1.0));
    }
}

/// Action 1 is better by less than a tie, action 2 by more.
#[test]
fn ties_go_to_the_first_action_and_the_certificate_says_what_that_costs() {
    let mdp = |r: f64| {
        let kernel = Kernel::new(1, 2, Rows::dense(1, vec![1.0; 2]).unwrap()).unwrap();
        Mdp::new(kernel, vec![0.0, r], vec![1.0], 0.5).unwrap()
    };
    let tied = best_response(&mdp(1e-10)).unwrap();
    assert_eq!((tied.choice[0], tied.loss_bound), (0, 2e-10));
    let better = best_response(&mdp(1e-8)).unwrap();
    assert_eq!((better.choice[0], better.loss_bound), (1, 0.0));
}

/// The variational inequality over all vertices is necessary and sufficient,
/// and strong concavity turns its violation into a distance:
/// `weight ||d - d*||^2 <= max_v <F(d), v - d>`.
#[test]
fn quadratic_responses_are_optimal_over_all_vertices() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut largest: f64 = 0.0;
    for case in 0..200 {
        let mdp = random_mdp(&mut rng, case);
        let vertices = vertices(&mdp);
        for lambda in [1e-3, 0.1, 1.0, 30.0] {
            let response = quadratic_response(&mdp, lambda).unwrap();
            let d = &response.occupancy;
            let gradient: Vec<f64> = rewards(&mdp).iter().zip(d).map(|(r, d)| r - lambda * d).collect();
            let scale = gradient.iter().map(|g| g.abs()).fold(1.0, f64::max) / (1.0 - mdp.gamma());
            let rise = largest_rise(&gradient, d, &vertices);
            assert!(rise <= SOLVED * scale, "case {case}, lambda {lambda}: {rise}");
            assert!(rise >= -SOLVED * scale, "a solution is a mixture of vertices that do not rise");
            largest = largest.max(response.distance_bound * lambda / scale);
            let own = evaluate(&mdp, &response.policy, &0.0).unwrap().occupancy;
            for ((s, a), own) in pairs(&mdp).zip(own) {
                let visits = d[s * mdp.n_actions() + a];
                assert!(is_terminal(&mdp, s) && visits == 0.0 || (visits - own).abs() <= SOLVED * scale);
            }
        }
    }
    println!("largest certificate {largest:e}");
    assert!(largest <= SOLVED, "{largest}");
}

/// `0 <= <d*, r> - <d_lambda, r> <= (lambda/2) max ||d||^2`.
#[test]
fn a_vanishing_regulariser_leaves_the_linear_program() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for case in 0..100 {
        let mdp = random_mdp(&mut rng, case);
        let squares = vertices(&mdp).iter().map(|d| product(d, d)).fold(0.0, f64::max);
        let best = best_response(&mdp).unwrap().evaluation.value;
        for lambda in [1e-6, 1e-4, 1e-2] {
            let value = product(&quadratic_response(&mdp, lambda).unwrap().occupancy, &rewards(&mdp));
            let loss = best - value;
            assert!(loss >= -ILL_CONDITIONED * best.abs().max(1.0), "case {case}: {loss}");
            assert!(
                loss <= lambda / 2.0 * squares + ILL_CONDITIONED * best.abs().max(1.0),
                "case {case}: {loss}"
            );
        }
    }
}

#[test]
fn projections_are_nearest_and_leave_occupancies_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for case in 0..200 {
        let mdp = random_mdp(&mut rng, case);
        let target: Vec<f64> = pairs(&mdp).map(|_| rng.random_range(-3.0..3.0)).collect();
        let vertices = vertices(&mdp);
        let nearest = nearest_occupancy(&mdp, &target).unwrap();
        let gradient: Vec<f64> = target.iter().zip(&nearest.occupancy).map(|(x, d)| x - d).collect();
        let scale = 10.0 / (1.0 - mdp.gamma()).powi(2);
        assert!(largest_rise(&gradient, &nearest.occupancy, &vertices) <= SOLVED * scale);
        assert!(nearest.distance_bound <= SOLVED * scale, "case {case}: {}", nearest.distance_bound);
        // A point of the polytope is its own projection. On the boundary entries and
        // their multipliers are 0 together, the hardest case for the solver.
        for point in [&nearest.occupancy, &vertices[0]] {
            let again = nearest_occupancy(&mdp, point).unwrap();
            assert!(distance(&again.occupancy, point) <= again.distance_bound + SOLVED * scale);
            assert!(again.distance_bound <= 1e-5, "case {case}: {}", again.distance_bound);
        }
    }
}

/// `pi = softmax(Q/lambda)`, with `Q` from a solve of its own.
#[test]
fn soft_responses_are_fixed_points() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for case in 0..200 {
        let mdp = random_mdp(&mut rng, case);
        for lambda in [1e-3, 0.1, 1.0, 30.0] {
            let response = soft_response(&mdp, lambda).unwrap();
            let values = &response.evaluation.state_values;
            let scale = values.iter().map(|v| v.abs()).fold(lambda, f64::max) / (1.0 - mdp.gamma());
            assert!(response.loss_bound <= SOLVED * scale, "case {case}, lambda {lambda}");
            // Values by iteration of the soft Bellman operator, a contraction.
            let mut iterated = values.clone();
            for _ in 0..20 {
                iterated = (0..mdp.n_states()).map(|s| soft_value(&mdp, s, &iterated, lambda)).collect();
            }
            for (v, iterated) in values.iter().zip(&iterated) {
                assert!((v - iterated).abs() <= SOLVED * scale, "case {case}, lambda {lambda}");
            }
            for (s, a) in pairs(&mdp) {
                let q = action_value(&mdp, s, a, values);
                let pi = ((q - values[s]) / lambda).exp();
                assert!((response.policy.probability(s, a) - pi).abs() <= SUMS * scale / lambda.min(1.0));
            }
        }
    }
}

fn action_value(mdp: &Mdp<f64>, s: usize, a: usize, values: &[f64]) -> f64 {
    mdp.reward(s, a) + mdp.gamma() * mdp.kernel().row(s, a).map(|(t, p)| p * values[t]).sum::<f64>()
}

fn soft_value(mdp: &Mdp<f64>, s: usize, values: &[f64], lambda: f64) -> f64 {
    let q: Vec<f64> = (0..mdp.n_actions()).map(|a| action_value(mdp, s, a, values)).collect();
    let largest = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + lambda * q.iter().map(|q| ((q - largest) / lambda).exp()).sum::<f64>().ln()
}

#[test]
fn weights_and_shapes_are_checked() {
    let mdp = random_mdp(&mut ChaCha8Rng::seed_from_u64(6), 1);
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            quadratic_response(&mdp, weight).unwrap_err().to_string().contains("expected a number above 0")
        );
        assert!(soft_response(&mdp, weight).unwrap_err().to_string().contains("expected a number above 0"));
    }
    assert!(nearest_occupancy(&mdp, &[]).is_err());
}

/// From the terminal state alone nothing can be done.
#[test]
fn a_problem_that_is_over_has_the_zero_occupancy() {
    let kernel = Kernel::dense(2, 2, [1.0, 0.0].repeat(4)).unwrap();
    let mdp = Mdp::new(kernel, vec![0.0, 0.0, 1.0, 2.0], vec![1.0, 0.0], 0.9).unwrap();
    let response = quadratic_response(&mdp, 1.0).unwrap();
    assert_eq!((response.occupancy, response.distance_bound), (vec![0.0; 4], 0.0));
    assert_eq!(response.policy, Policy::uniform(2, 2));
}
