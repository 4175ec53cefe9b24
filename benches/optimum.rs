//! Certified optima of random problems, by number of free parameters: cells,
//! time and the gap reached. `cargo bench --bench optimum [-- COUNT]`.

#![allow(clippy::panic)] // a benchmark that cannot run should say so

use std::time::{Duration, Instant};

use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use pemdp_optimum::{OptimumSettings, performative_optimum};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn read(json: &str) -> Problem {
    Problem::from_json(json, Reading::Doubles).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

/// `P(t|s,a)` proportional to `exp(base + psi[t] theta[s,a])`, all entries of order 1.
fn family(rng: &mut impl Rng, n_states: usize, n_actions: usize) -> Problem {
    let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let mut table = |width: usize| -> Vec<f64> { (0..width).map(|_| normal()).collect() };
    let psi = table(n_states);
    let rewards: Vec<Vec<f64>> = (0..n_states).map(|_| table(n_actions)).collect();
    let base: Vec<Vec<Vec<f64>>> =
        (0..n_states).map(|_| (0..n_actions).map(|_| table(n_states)).collect()).collect();
    let initial: Vec<f64> = (0..n_states).map(|s| if s == 0 { 1.0 } else { 0.0 }).collect();
    let logits = vec![vec![0.0; n_actions]; n_states];
    read(&format!(
        r#"{{"format":"pemdp-problem/1","gamma":0.9,"initial":{initial:?},
            "policy":{{"kind":"softmax","logits":{logits:?}}},
            "environment":{{"kind":"exponential-family","psi":{psi:?},"base_logits":{base:?},
                "reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}}}"#
    ))
}

/// Each row moves between two distributions with the probability of an action.
fn affine(rng: &mut impl Rng, n_states: usize, n_actions: usize) -> Problem {
    let mut distribution = |scale: i32| -> Vec<f64> {
        let mut counts = vec![0; n_states];
        for _ in 0..64 {
            counts[rng.random_range(0..n_states)] += 1;
        }
        counts.iter().map(|&count| f64::from(count * scale) / 128.0).collect()
    };
    let mut transitions = Vec::new();
    let mut moves = Vec::new();
    for _ in 0..n_states {
        let mut rows = Vec::new();
        for _ in 0..n_actions {
            let (fixed, down, up) = (distribution(1), distribution(1), distribution(1));
            rows.push(fixed.iter().zip(&down).map(|(f, d)| f + d).collect::<Vec<f64>>());
            moves.push(up.iter().zip(&down).map(|(u, d)| u - d).collect::<Vec<f64>>());
        }
        transitions.push(rows);
    }
    let mut slopes = Vec::new();
    let mut reward_slopes = Vec::new();
    for (i, row) in moves.iter().enumerate() {
        let (s, a) = (i / n_actions, i % n_actions);
        let (s2, a2) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
        for (t, m) in row.iter().enumerate() {
            slopes.push(format!("[{s},{a},{t},{s2},{a2},{m:?}]"));
        }
        let slope = rng.random_range(-1.0..1.0);
        reward_slopes.push(format!("[{s},{a},{s2},{a2},{slope:?}]"));
    }
    let rewards: Vec<Vec<f64>> =
        (0..n_states).map(|_| (0..n_actions).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    let initial: Vec<f64> = (0..n_states).map(|s| if s == 0 { 1.0 } else { 0.0 }).collect();
    let values: Vec<Vec<f64>> =
        (0..n_states).map(|_| (0..n_actions).map(|a| if a == 0 { 1.0 } else { 0.0 }).collect()).collect();
    read(&format!(
        r#"{{"format":"pemdp-problem/1","gamma":0.9,"initial":{initial:?},
            "policy":{{"kind":"probabilities","values":{values:?}}},
            "environment":{{"kind":"affine","transitions":{transitions:?},"transition_slopes":[{}],
                "rewards":{rewards:?},"reward_slopes":[{}]}}}}"#,
        slopes.join(","),
        reward_slopes.join(",")
    ))
}

struct Row {
    seconds: f64,
    nodes: usize,
    gap: f64,
}

fn report(name: &str, mut rows: Vec<Row>) {
    let quantile = |values: &mut Vec<f64>, q: f64| {
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * q).round() as usize]
    };
    let mut seconds: Vec<f64> = rows.iter().map(|row| row.seconds).collect();
    let mut nodes: Vec<f64> = rows.iter().map(|row| row.nodes as f64).collect();
    let mut gaps: Vec<f64> = rows.iter().map(|row| row.gap).collect();
    rows.clear();
    println!(
        "{name:<34} cells {:>9} {:>9}  seconds {:>8.3} {:>8.3}  gap {:.1e} {:.1e}",
        quantile(&mut nodes, 0.5),
        quantile(&mut nodes, 1.0),
        quantile(&mut seconds, 0.5),
        quantile(&mut seconds, 1.0),
        quantile(&mut gaps, 0.5),
        quantile(&mut gaps, 1.0),
    );
}

fn measured(problem: &Problem, settings: &OptimumSettings) -> Row {
    let start = Instant::now();
    let optimum = performative_optimum(problem, settings).unwrap_or_else(|error| panic!("{error}"));
    Row { seconds: start.elapsed().as_secs_f64(), nodes: optimum.nodes, gap: optimum.gap }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let count: usize = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(10);
    println!("median and worst of {count} problems");
    for name in ["loan", "loan-mdp", "coin", "two-state", "local-maximum", "two-basins", "vanishing"] {
        let json = examples::example(name).map(|e| e.to_json()).unwrap_or_default();
        report(name, vec![measured(&read(&json), &OptimumSettings::default())]);
    }
    let settings = |gap: f64, bound: Option<f64>| OptimumSettings {
        gap,
        bound,
        budget: Some(Duration::from_secs(60)),
        ..OptimumSettings::default()
    };
    for (n_states, n_actions) in [(2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (6, 2), (4, 4), (20, 5)] {
        for bound in [None, Some(3.0)] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let settings = settings(1e-6, bound);
            let rows = (0..count).map(|_| measured(&family(&mut rng, n_states, n_actions), &settings));
            let domain = bound.map_or("all".to_owned(), |b| format!("in [-{b}, {b}]"));
            report(&format!("family, {} parameters, {domain}", n_states * n_actions), rows.collect());
        }
    }
    for (n_states, n_actions, gap) in [
        (1, 2, 1e-6),
        (2, 2, 1e-6),
        (3, 2, 1e-6),
        (4, 2, 1e-6),
        (2, 3, 1e-6),
        (6, 2, 1e-6),
        (8, 2, 1e-2),
        (12, 2, 1e-2),
    ] {
        let dimension = n_states * (n_actions - 1);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows = (0..count).map(|_| measured(&affine(&mut rng, n_states, n_actions), &settings(gap, None)));
        report(&format!("affine S={n_states} A={n_actions}, {dimension} free, {gap:e}"), rows.collect());
    }
}
