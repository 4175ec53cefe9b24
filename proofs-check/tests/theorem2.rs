//! Theorem 2 decided by equality of fractions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::arithmetic::{Rational, ratio};
use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use proofs_check::claims::theorem2::{Weighting, gradient};
use proptest::prelude::*;

/// The gradient of a problem in every form: true, as printed, score, repaired.
fn forms(json: &str) -> [Vec<Rational>; 4] {
    let problem = Problem::from_json(json, Reading::Exact).unwrap();
    let (model, policy) = problem.rational_model().unwrap();
    let performance = model.perform(&policy).unwrap();
    let truth = performance.gradient.total().into_iter().map(Option::unwrap).collect();
    let form = |weighting| gradient(&performance, &policy, weighting).unwrap();
    [truth, form(Weighting::AsPrinted), form(Weighting::Score), form(Weighting::TemporalDifference)]
}

fn example(name: &str) -> String {
    examples::example(name).unwrap().to_json()
}

#[test]
fn t2a_the_printed_theorem_gives_zero() {
    let [truth, printed, score, repaired] = forms(&example("two-state"));
    assert_eq!(truth, [ratio(3, 16), ratio(1, 16)]);
    assert_eq!(printed, [ratio(0, 1), ratio(0, 1)]);
    assert_eq!((&score, &repaired), (&truth, &truth));
}

#[test]
fn t2a_for_every_discount_factor() {
    for (n, d) in [(0, 1), (1, 3), (3, 4), (9, 10), (999, 1000)] {
        let json = example("two-state").replace("\"gamma\": 0.5", &format!("\"gamma\": \"{n}/{d}\""));
        let [truth, printed, ..] = forms(&json);
        let gamma = ratio(n, d);
        let scale = ratio(8, 1) * (ratio(1, 1) - &gamma);
        assert_eq!(truth, [&gamma * (ratio(2, 1) - &gamma) / &scale, &gamma * &gamma / &scale]);
        assert_eq!(printed, [ratio(0, 1), ratio(0, 1)]);
    }
}

#[test]
fn t2b_the_printed_theorem_has_the_wrong_sign() {
    // p = pi(approve) = w/(w + 1): derivative with respect to the approval's logit.
    for (w, v) in [(1, 2), (1, 3), (1, 1), (2, 5), (7, 2)] {
        let json = example("loan-mdp").replace("[[1, 2]", &format!("[[{w}, {v}]"));
        let [truth, printed, score, repaired] = forms(&json);
        let p = ratio(w, w + v);
        let one = ratio(1, 1);
        let scale = &p * (&p - &one) / ratio(3, 1);
        assert_eq!(truth[0], &scale * (ratio(4, 1) * &p - &one));
        assert_eq!(printed[0], &scale * (ratio(2, 1) * &p - &one));
        assert_eq!((&score, &repaired), (&truth, &truth));
    }
    let [truth, printed, ..] = forms(&example("loan-mdp"));
    assert_eq!((&truth[0], &printed[0]), (&ratio(-2, 81), &ratio(2, 81)));
}

/// A random problem with weights: an exponential family with rational base, or
/// an affine environment; `responds` says whether transitions depend on it.
fn problems() -> impl Strategy<Value = (String, bool)> {
    let size = (1usize..4, 1usize..4);
    size.prop_flat_map(|(s, a)| {
        let weights = prop::collection::vec(prop::collection::vec(1u32..9, a), s);
        let base = prop::collection::vec(prop::collection::vec(prop::collection::vec(1u32..6, s), a), s);
        let rewards = prop::collection::vec(prop::collection::vec(-8i32..9, a), s);
        let psi = prop::collection::vec(-2i32..3, s);
        let slope = 0u32..10;
        (weights, base, rewards, psi, slope).prop_map(move |(weights, base, rewards, psi, gamma)| {
            let initial: Vec<String> = (0..s).map(|_| format!("\"1/{s}\"")).collect();
            let varies = psi.iter().any(|x| *x != psi[0]) && gamma > 0;
            let json = format!(
                r#"{{"format":"pemdp-problem/1","gamma":"{gamma}/10","initial":[{}],"policy":{{"kind":"weights","values":{weights:?}}},"environment":{{"kind":"exponential-family","psi":{psi:?},"base_weights":{base:?},"reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}}}"#,
                initial.join(",")
            );
            (json, varies)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_score_forms_are_the_adjoint_form((json, _) in problems()) {
        let [truth, _, score, repaired] = forms(&json);
        prop_assert_eq!(&score, &truth);
        prop_assert_eq!(&repaired, &truth);
    }

    #[test]
    fn the_printed_theorem_is_right_exactly_without_a_transition_term((json, responds) in problems()) {
        let problem = Problem::from_json(&json, Reading::Exact).unwrap();
        let (model, policy) = problem.rational_model().unwrap();
        let performance = model.perform(&policy).unwrap();
        let lost = &performance.gradient.transition;
        let [truth, printed, ..] = forms(&json);
        for k in 0..truth.len() {
            prop_assert_eq!(&truth[k] - &printed[k], lost[k].clone());
        }
        if !responds {
            prop_assert_eq!(truth, printed);
        }
    }
}
