//! Random problems for the tests, as JSON.

#![allow(dead_code)] // each test binary uses a part of this

use pemdp::problem::{Problem, Reading};
use rand::{Rng, RngExt};

/// Reads a problem that is known to be valid.
pub fn read(json: &str) -> Problem {
    Problem::from_json(json, Reading::Doubles).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

/// A random distribution in multiples of 1/64, often with zeros: its doubles
/// sum to 1 exactly.
pub fn distribution(rng: &mut impl Rng, n: usize) -> Vec<f64> {
    let mut counts = vec![0u32; n];
    let support = rng.random_range(1..=n);
    for _ in 0..64 {
        counts[rng.random_range(0..support)] += 1;
    }
    let shift = rng.random_range(0..n);
    counts.rotate_left(shift);
    counts.into_iter().map(|count| f64::from(count) / 64.0).collect()
}

/// `count` random distributions of `n` entries.
pub fn distributions(rng: &mut impl Rng, count: usize, n: usize) -> Vec<Vec<f64>> {
    (0..count).map(|_| distribution(rng, n)).collect()
}

/// `P[s][a][t]`.
pub fn kernel(rng: &mut impl Rng, n_states: usize, n_actions: usize) -> Vec<Vec<Vec<f64>>> {
    (0..n_states).map(|_| distributions(rng, n_actions, n_states)).collect()
}

/// A table of multiples of 1/16 in [-4, 4].
pub fn table(rng: &mut impl Rng, n_rows: usize, width: usize) -> Vec<Vec<f64>> {
    let mut row = || (0..width).map(|_| f64::from(rng.random_range(-64..=64)) / 16.0).collect();
    (0..n_rows).map(|_| row()).collect()
}

/// Discount factors from none to close to 1; JSON numbers are the doubles.
pub const DISCOUNTS: [f64; 7] = [0.0, 0.5, 0.875, 0.9, 0.99, 0.999, 0.9999];

/// A rational policy of either kind.
pub fn rational_policy(rng: &mut impl Rng, n_states: usize, n_actions: usize, weights: bool) -> String {
    if weights {
        let values: Vec<Vec<u32>> =
            (0..n_states).map(|_| (0..n_actions).map(|_| rng.random_range(1..=9)).collect()).collect();
        format!(r#"{{"kind":"weights","values":{values:?}}}"#)
    } else {
        let values = distributions(rng, n_states, n_actions);
        format!(r#"{{"kind":"probabilities","values":{values:?}}}"#)
    }
}

/// The environments that random rational problems are made of.
pub const RATIONAL_KINDS: [&str; 7] =
    ["fixed", "explicit", "affine", "exponential-family", "coin", "loan-bandit", "loan-mdp"];

/// A random problem that has an exact answer.
pub fn rational_problem(rng: &mut impl Rng, kind: &str, gamma: f64) -> String {
    let (n_states, n_actions) = match kind {
        "coin" | "loan-bandit" => (1, 2),
        "loan-mdp" => (4, 2),
        _ => (rng.random_range(1..=7), rng.random_range(1..=4)),
    };
    sized_rational_problem(rng, kind, gamma, n_states, n_actions)
}

/// The same with a given number of states and actions.
pub fn sized_rational_problem(
    rng: &mut impl Rng,
    kind: &str,
    gamma: f64,
    n_states: usize,
    n_actions: usize,
) -> String {
    let weights = kind == "exponential-family" || rng.random_bool(0.5);
    let policy = rational_policy(rng, n_states, n_actions, weights);
    let initial = distribution(rng, n_states);
    let transitions = kernel(rng, n_states, n_actions);
    let rewards = table(rng, n_states, n_actions);
    let environment = match kind {
        "fixed" => format!(r#"{{"kind":"fixed","transitions":{transitions:?},"rewards":{rewards:?}}}"#),
        "explicit" => {
            let n_parameters = n_states * n_actions;
            let mut transition_jacobian = Vec::new();
            let mut reward_jacobian = Vec::new();
            for k in 0..n_parameters {
                let (s, a) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
                let m = f64::from(rng.random_range(-8..=8)) / 8.0;
                if n_states > 1 {
                    let t = rng.random_range(0..n_states);
                    let other = (t + 1) % n_states;
                    transition_jacobian.push(format!("[{s},{a},{t},{k},{m:?}]"));
                    transition_jacobian.push(format!("[{s},{a},{other},{k},{:?}]", -m));
                }
                reward_jacobian.push(format!("[{s},{a},{k},{:?}]", m / 2.0));
            }
            format!(
                r#"{{"kind":"explicit","transitions":{transitions:?},"rewards":{rewards:?},"transition_jacobian":[{}],"reward_jacobian":[{}]}}"#,
                transition_jacobian.join(","),
                reward_jacobian.join(",")
            )
        }
        "affine" => affine(rng, n_states, n_actions, &transitions, &rewards),
        "exponential-family" => {
            let psi: Vec<i32> = (0..n_states).map(|_| rng.random_range(-2..=2)).collect();
            let base: Vec<Vec<Vec<u32>>> = (0..n_states)
                .map(|_| {
                    (0..n_actions).map(|_| (0..n_states).map(|_| rng.random_range(1..=5)).collect()).collect()
                })
                .collect();
            format!(
                r#"{{"kind":"exponential-family","psi":{psi:?},"base_weights":{base:?},"reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}"#
            )
        }
        "coin" => {
            let (mu, epsilon) = (rng.random_range(-3..=3), rng.random_range(-4..=4));
            format!(
                r#"{{"kind":"coin","mu":{:?},"epsilon":{:?}}}"#,
                f64::from(mu) / 16.0,
                f64::from(epsilon) / 16.0
            )
        }
        loan => {
            let form = loan.trim_start_matches("loan-");
            let c = f64::from(rng.random_range(0..=8)) / 16.0;
            let q0 = c + f64::from(rng.random_range(0..=8)) / 16.0;
            let (gain, loss) = (rng.random_range(0..=3), rng.random_range(0..=3));
            format!(r#"{{"kind":"loan","form":"{form}","q0":{q0:?},"c":{c:?},"gain":{gain},"loss":{loss}}}"#)
        }
    };
    format!(
        r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},"initial":{initial:?},"policy":{policy},"environment":{environment}}}"#
    )
}

/// Rows `(1/2) base + (1/2) of a response that mixes two distributions`: a
/// kernel for every policy.
fn affine(
    rng: &mut impl Rng,
    n_states: usize,
    n_actions: usize,
    transitions: &[Vec<Vec<f64>>],
    rewards: &[Vec<f64>],
) -> String {
    let mut slopes = Vec::new();
    let mut base = transitions.to_vec();
    for s in 0..n_states {
        for a in 0..n_actions {
            // P = base/2 + (pi(a2|s2) up + (1 - pi(a2|s2)) down)/2
            let (up, down) = (distribution(rng, n_states), distribution(rng, n_states));
            let (s2, a2) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
            for t in 0..n_states {
                base[s][a][t] = 0.5 * base[s][a][t] + 0.5 * down[t];
                slopes.push(format!("[{s},{a},{t},{s2},{a2},{:?}]", 0.5 * (up[t] - down[t])));
            }
        }
    }
    let (s, a) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
    let (s2, a2) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
    format!(
        r#"{{"kind":"affine","transitions":{base:?},"transition_slopes":[{}],"rewards":{rewards:?},"reward_slopes":[[{s},{a},{s2},{a2},-0.75]]}}"#,
        slopes.join(",")
    )
}

/// The policies that can be differentiated, for problems with exponentials.
pub fn smooth_policy(rng: &mut impl Rng, kind: &str, n_states: usize, n_actions: usize) -> String {
    match kind {
        "softmax" => format!(r#"{{"kind":"softmax","logits":{:?}}}"#, table(rng, n_states, n_actions)),
        "log-linear" => {
            let features: Vec<_> = (0..n_states).map(|_| table(rng, n_actions, 3)).collect();
            format!(r#"{{"kind":"log-linear","features":{features:?},"theta":[0.25,-0.5,0.125]}}"#)
        }
        _ => rational_policy(rng, n_states, n_actions, kind == "weights"),
    }
}
