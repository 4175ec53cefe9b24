//! The gridworld against golden values from an independent implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/tolerances.rs"]
mod tolerances;

use std::path::Path;

use approx::assert_abs_diff_eq;
use pemdp::arithmetic::{Ball, Field, Transcendental};
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, intervention, perturbed_grid};
use pemdp::environments::{Gridworld, gridworld};
use pemdp::performative::{Performance, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp::response::Response;
use serde_json::Value;
use tolerances::{DIFFERENTIATED, ILL_CONDITIONED, SOLVED, ULPS};

fn golden() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gridworld");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(entries) => entries.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// The problem of a golden file; its grids are drawn here and compared.
fn model<T: Transcendental>(file: &Value) -> PerformativeMdp<T> {
    let eps = file["eps"].as_f64().unwrap();
    let grids: Vec<gridworld::Grid> =
        (0..file["followers"].as_u64().unwrap() as u32).map(|f| gridworld::perturbed_grid(eps, f)).collect();
    for (drawn, expected) in grids.iter().zip(file["perturbed_grids"].as_array().unwrap()) {
        assert_eq!(drawn.to_vec(), numbers(expected));
    }
    let gamma = T::from_f64(file["gamma"].as_f64().unwrap());
    let beta = T::from_f64(file["beta"].as_f64().unwrap());
    let world = Gridworld::new(beta, gamma.clone(), grids).unwrap();
    let initial = gridworld::initial();
    PerformativeMdp {
        response: Box::new(world),
        initial,
        gamma,
        entropy: T::zero(),
        criterion: Default::default(),
    }
}

fn policy<T: Transcendental>(case: &Value) -> Policy<T> {
    let logits = numbers(&case["logits"]).into_iter().map(T::from_f64).collect();
    Policy::softmax(gridworld::N_STATES, gridworld::N_ACTIONS, logits).unwrap()
}

/// Compares everything that a golden case has, converted by `number`.
fn compare<T: Field>(performance: &Performance<'_, T>, case: &Value, number: impl Fn(&T) -> f64) {
    let evaluation = &performance.evaluation;
    assert_abs_diff_eq!(
        number(&evaluation.value),
        case["value"].as_f64().unwrap(),
        epsilon = ILL_CONDITIONED
    );
    for (v, expected) in evaluation.state_values.iter().zip(numbers(&case["state_values"])) {
        assert_abs_diff_eq!(number(v), expected, epsilon = ILL_CONDITIONED);
    }
    let gradient = performance.gradient.total();
    for (g, expected) in gradient.iter().zip(numbers(&case["gradient_logits"])) {
        assert_abs_diff_eq!(number(g.as_ref().unwrap()), expected, epsilon = ILL_CONDITIONED);
    }
    for (i, expected) in numbers(&case["occupancy_without_terminal"]).into_iter().enumerate().take(63 * 4) {
        assert_abs_diff_eq!(number(&evaluation.occupancy[i]), expected, epsilon = ILL_CONDITIONED);
    }
    for (i, expected) in numbers(&case["rewards"]).into_iter().enumerate() {
        assert_abs_diff_eq!(
            number(performance.mdp.reward(i / 4, i % 4)),
            expected,
            epsilon = ILL_CONDITIONED
        );
    }
    for entry in case["transitions"].as_array().unwrap() {
        let at = |k: usize| entry[k].as_u64().unwrap() as usize;
        let p = performance.mdp.kernel().probability(at(0), at(1), at(2));
        assert_abs_diff_eq!(number(&p), entry[3].as_f64().unwrap(), epsilon = ILL_CONDITIONED);
    }
}

#[test]
fn golden_values_and_gradients_hold_in_doubles_and_balls() {
    let files = golden();
    assert_eq!(files.len(), 6);
    for file in &files {
        for case in file["policies"].as_array().unwrap() {
            let (doubles, balls) = (model::<f64>(file), model::<Ball>(file));
            let (double_policy, ball_policy) = (policy(case), policy(case));
            let in_doubles = doubles.perform(&double_policy).unwrap();
            let in_balls = balls.perform(&ball_policy).unwrap();
            compare(&in_doubles, case, |x| *x);
            compare(&in_balls, case, Ball::midpoint);
            assert_eq!(in_balls.kinks, [], "{} has only harmless ties", case["name"]);
            let gradient = in_balls.gradient.total();
            let bound = gradient.iter().flatten().map(Ball::error_bound).fold(0.0, f64::max);
            assert!(bound < ULPS, "the bound {bound} of {} is tight", case["name"]);
        }
    }
}

#[test]
fn the_start_policy_has_its_known_value() {
    let file =
        golden().into_iter().find(|f| f["eps"] == 0.5 && f["beta"] == 5.0 && f["followers"] == 2).unwrap();
    let start = gridworld::eps_greedy_policy(0.9).unwrap();
    let policy = Policy::probabilities(gridworld::N_STATES, gridworld::N_ACTIONS, start).unwrap();
    let value = model::<f64>(&file).perform(&policy).unwrap().evaluation.value;
    assert_abs_diff_eq!(value, -0.219_528_345_45, epsilon = DIFFERENTIATED);
}

#[test]
fn perturbed_grids_are_numpys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/numpy_grids.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cells = file["cells"].as_array().unwrap();
    let mut compared = 0;
    for (eps, grids) in file["grids"].as_object().unwrap() {
        for (seed, digits) in grids.as_array().unwrap().iter().enumerate() {
            let drawn = gridworld::perturbed_grid(eps.parse().unwrap(), seed as u32);
            for (s, digit) in digits.as_str().unwrap().bytes().enumerate() {
                let expected = cells[usize::from(digit - b'0')].as_f64().unwrap_or(gridworld::GRID[s]);
                assert_eq!(drawn[s], expected, "eps {eps}, seed {seed}, cell {s}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 800);
}

/// Two followers' routes of equal value that leave different moves alone: a
/// small change of the policy decides which is better.
#[test]
fn ties_between_different_derivatives_are_kinks() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gridworld-kink.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = file["problem"].to_string();
    let problem = pemdp::problem::Problem::from_json(&text, pemdp::problem::Reading::Doubles).unwrap();
    let answer = problem.answer().unwrap();
    assert!(!answer.smooth && !answer.kink.is_empty());
    assert_eq!(answer.error_bounds.covers, pemdp::oracle::Covers::InducedMdp);
    let expected = file["answer"]["kink"].as_array().unwrap();
    for (kink, expected) in answer.kink.iter().zip(expected) {
        let kink = serde_json::to_value(kink).unwrap();
        assert_eq!((&kink["follower"], &kink["state"]), (&expected["follower"], &expected["state"]));
        assert_eq!(kink["actions"], expected["actions"]);
        assert!(kink["gap"].as_f64().unwrap() < 1e-25);
    }
    assert_eq!(answer.kink.len(), expected.len());
}

#[test]
fn interventions_are_read_off_the_kernel() {
    for (beta, eps, followers) in [(0.0, 0.5, 1), (5.0, 0.5, 2)] {
        let grids = (0..followers).map(|seed| perturbed_grid(eps, seed)).collect();
        let world = Gridworld::new(beta, 0.9, grids).unwrap();
        let policy = Policy::<f64>::uniform(N_STATES, N_ACTIONS);
        let induced = world.induce(&policy).unwrap();
        assert_eq!(intervention(&induced.kernel, N_STATES - 1), 0.0);
        for s in 0..N_STATES - 1 {
            let found = intervention(&induced.kernel, s);
            if beta == 0.0 {
                assert!((found - 0.8).abs() < SOLVED, "{s}: {found}");
            }
            assert!((0.0..=1.0).contains(&found));
        }
        // Inside the grid the overrides lead to four cells: what a move does not reach by itself.
        let s = 27;
        let overrides: f64 = [s - 1, s + 1, s - 8, s + 8]
            .into_iter()
            .zip(0..)
            .map(|(t, a): (usize, usize)| induced.kernel.probability(s, (a + 1) % N_ACTIONS, t))
            .sum();
        assert!((intervention(&induced.kernel, s) - overrides).abs() < SOLVED);
    }
}

/// A problem whose logits are 0, 40 and -700.
fn extreme(logits: &str, more: &str) -> Problem {
    let logits: Vec<f64> = logits
        .chars()
        .map(|c| match c {
            '+' => 40.0,
            '-' => -700.0,
            _ => 0.0,
        })
        .collect();
    let rows: Vec<&[f64]> = logits.chunks(N_ACTIONS).collect();
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "policy": {{"kind": "softmax", "logits": {rows:?}}}, {more}}}"#
    );
    Problem::from_json(&text, Reading::Doubles).unwrap()
}

/// Followers take the better of two actions whose values are equal as doubles.
#[test]
fn best_responses_are_best_beyond_doubles() {
    let logits = "00+-------00+0+--+--++00+----+++-0-+++0000-00+-0+0+-+-++00+0+-+0--0++000-00++-0--0-0-+00+---++++++--0+0+0+-00++-++00-0-0-0+-+-+++--000----+--++0+0++0+0+00++++-0-+0-0++-0-0++0+000-+++-0+-0-+00-+-+++--+-000-0++-0+-0--0----+-00++00-+00+-0++--0--000++-0++++00+";
    let environment = r#""environment": {"kind": "gridworld", "beta": 10, "followers": 3, "eps": 1}"#;
    assert!(extreme(logits, &format!(r#""gamma": 0.9, {environment}"#)).answer().unwrap().smooth);

    let logits = "-00+-+++0-+--0+-000+++-0--0+-0+00-0-+--0-+---+-00--++++----+0000+-0+++0--++0-+--+0-0++-0----+0+-00+++00--00+0-+-0+-00+00--+-0+0-0---0-++-+--0++0--+----++--00-00+0+++0---0---0+00+0-00++0+++00+0+--00+--+-00-+++0-+---0+-00+0+00-00++--+--+0+++-0+--+00-++0--++0";
    let environment = r#""environment": {"kind": "gridworld", "beta": 200, "followers": 2, "eps": 0.5}"#;
    let answer = extreme(logits, &format!(r#""gamma": 0.999999999, {environment}"#)).answer().unwrap();
    assert!(answer.error_bounds.value <= ULPS * answer.value.abs(), "{:?}", answer.error_bounds);
}

/// Followers' values that differ by no more than the least doubles are different: capital
/// letters are rows with a probability of 5e-324.
#[test]
fn ties_are_told_from_differences_at_the_end_of_doubles() {
    for (gamma, rows) in [
        (0.5, "bdAAdCccAdCacCAADAADdDBDdBccDcaBcdBDDBbccAdbacbddACBaaAdbdABACab"),
        (0.5, "baACBCdAbAdCadaCcacDCdDdaCBCaAcdaAbbAAcCAcaadDcaCdBbdCdDbCADaBCA"),
        (0.999, "AACbacAdAdBcCbbBBdDcbBdDAdbadBcABbBcCAADBCACCaCcdaDCdaDABdbAbdaa"),
    ] {
        let row = |c: char| {
            let first = "abcd".find(c.to_ascii_lowercase()).unwrap();
            let mut row = [0.0; 4];
            row[first] = 1.0;
            if c.is_ascii_uppercase() {
                row[(first + 1) % 4] = 5e-324;
            }
            row
        };
        let values: Vec<[f64; 4]> = rows.chars().map(row).collect();
        let text = format!(
            r#"{{"format": "pemdp-problem/1", "gamma": {gamma},
                "policy": {{"kind": "probabilities", "values": {values:?}}},
                "environment": {{"kind": "gridworld", "beta": 10, "followers": 1, "eps": 0.5}}}}"#
        );
        let answer = Problem::from_json(&text, Reading::Doubles).unwrap().answer().unwrap();
        assert!(answer.smooth, "{:?}", answer.kink);
    }
}

/// Overrides that are tied lead elsewhere, which does not count without a future.
#[test]
fn ties_are_no_kinks_where_the_future_does_not_count() {
    let environment = r#""environment": {"kind": "gridworld", "beta": 1000000, "followers": 2, "eps": 0.3}"#;
    let problem = extreme(&"0".repeat(256), &format!(r#""gamma": 0, {environment}"#));
    assert!(problem.answer().unwrap().smooth);
}
