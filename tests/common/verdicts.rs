//! Claims held against the exact answer, and values as sweeps leave them.

#![allow(dead_code)] // each test takes what it needs

use pemdp::oracle::{Claimed, Tolerance, Verdict, verify};
use pemdp::problem::Problem;
use serde_json::{Value, json};

/// The verdict on an answer with these keys.
pub fn held(problem: &Problem, claim: Value) -> Verdict {
    held_to(problem, claim, Tolerance::default())
}

/// The same with another tolerance.
pub fn held_to(problem: &Problem, mut claim: Value, tolerance: Tolerance) -> Verdict {
    claim["format"] = json!("pemdp-answer/1");
    let claimed = Claimed::from_json(&claim.to_string(), problem).unwrap();
    verify(problem, &claimed, None, tolerance).unwrap()
}

/// `V` after so many sweeps of the Bellman operator from 0.
pub fn swept(problem: &Problem, sweeps: usize) -> Vec<f64> {
    let model = problem.model::<f64>().unwrap();
    let policy = problem.deployed_policy::<f64>().unwrap();
    let deployment = model.deploy(&policy).unwrap();
    let (mdp, n) = (&deployment.mdp, problem.n_states());
    let mut values = vec![0.0; n];
    for _ in 0..sweeps {
        let backup = |s: usize| -> f64 {
            let of_action = |a: usize| {
                let next: f64 = mdp.kernel().row(s, a).map(|(t, p)| p * values[t]).sum();
                let bonus =
                    if model.entropy == 0.0 { 0.0 } else { -model.entropy * policy.logarithm(s, a).unwrap() };
                policy.probability(s, a) * (mdp.reward(s, a) + bonus + mdp.gamma() * next)
            };
            (0..problem.n_actions()).map(of_action).sum()
        };
        values = (0..n).map(backup).collect();
    }
    values
}
