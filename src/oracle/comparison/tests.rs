use super::*;
use crate::problem::Reading;

fn problem(policy: &str) -> Problem {
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "policy": {{{policy}}},
            "environment": {{"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[1, 3]]}}}}"#
    );
    Problem::from_json(&text, Reading::Doubles).unwrap()
}

const WEIGHTS: &str = r#""kind": "weights", "values": [[1, 1]]"#;
const PROBABILITIES: &str = r#""kind": "probabilities", "values": [[0.5, 0.5]]"#;

/// The bound that a claim breaks, and by how much, where the answer's own bounds are `own`
/// and entries may be off by 10.
fn broken(problem: &Problem, own: f64, claim: &str) -> Vec<(&'static str, f64)> {
    let mut answer = problem.answer().unwrap();
    answer.error_bounds.value = own;
    answer.error_bounds.occupancy = own;
    answer.error_bounds.gradient = own;
    let claimed =
        Claimed::from_json(&format!(r#"{{"format": "pemdp-answer/1", {claim}}}"#), problem).unwrap();
    let tolerance = Tolerance { rtol: 0.0, atol: 10.0, precision: Precision::Double };
    let comparison = Comparison::new(problem, &answer, None, tolerance, &claimed);
    comparison.differences(&claimed).into_iter().map(|d| (d.quantity, d.error.unwrap())).collect()
}

/// The value is `2/(1 - 1/2) = 4`.
#[test]
fn claimed_bounds_hold_up_to_the_oracles_own() {
    let problem = problem(WEIGHTS);
    let value = |own: f64, bound: f64| {
        broken(&problem, own, &format!(r#""value": 7, "error_bounds": {{"value": {bound}}}"#))
    };
    assert_eq!(value(0.0, 3.0), []);
    assert_eq!(value(0.0, 2.5), [("error_bounds.value", 0.5)]);
    assert_eq!(value(1.0, 2.0), []);
    assert_eq!(value(1.0, 1.5), [("error_bounds.value", 1.5)]);
}

/// The occupancy is 1 and 1, its bound that of the 1-norm; the gradient -1 and 1.
#[test]
fn bounds_are_of_the_norm_that_they_are_said_to_be_of() {
    let problem_of = [WEIGHTS, PROBABILITIES].map(problem);
    let occupancy = |bound: f64| {
        let claim = format!(r#""occupancy": [[2, -1]], "error_bounds": {{"occupancy": {bound}}}"#);
        broken(&problem_of[0], 0.0, &claim)
    };
    assert_eq!(occupancy(3.0), []);
    assert_eq!(occupancy(2.0), [("error_bounds.occupancy", 1.0)]);
    let gradient = |which: usize, bound: f64| {
        let claim = format!(r#""gradient": [-1, 5], "error_bounds": {{"gradient": {bound}}}"#);
        broken(&problem_of[which], 0.0, &claim)
    };
    assert_eq!(gradient(0, 4.0), []);
    assert_eq!(gradient(0, 3.0), [("error_bounds.gradient", 1.0)]);
    // As probabilities [2, 6] is right, and -1, 5 are -3, 3 less their mean, against -2, 2:
    // an entry of an error of 1/2 may be 1 off so.
    assert_eq!(gradient(1, 0.5), []);
    assert_eq!(gradient(1, 0.25), [("error_bounds.gradient", 0.25)]);
}

#[test]
fn entries_agree_within_their_tolerance() {
    assert!(agree(None, None, 0.0) && agree(Some(1.0), Some(1.0), 0.0));
    assert!(agree(Some(1.0), Some(1.5), 0.5) && !agree(Some(1.0), Some(1.5), 0.25));
    assert!(!agree(Some(1.0), None, f64::MAX) && !agree(None, Some(1.0), f64::MAX));
}
