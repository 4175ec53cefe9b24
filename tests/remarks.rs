//! What a verdict says in a sentence, explanations of a part of an answer, and what is said of
//! files that are no answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/verdicts.rs"]
mod verdicts;

use pemdp::oracle::{Claimed, Verdict, examples};
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};
use verdicts::{held, swept};

/// A problem with all kinds of terms.
fn problem() -> Problem {
    Problem::from_json(&examples::example("exponential-family").unwrap().to_json(), Reading::Doubles).unwrap()
}

fn answer(problem: &Problem) -> Value {
    serde_json::to_value(problem.answer().unwrap()).unwrap()
}

/// The numbers of a value, changed.
fn changed(value: &Value, change: &dyn Fn(f64) -> f64) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(|entry| changed(entry, change)).collect(),
        number => json!(change(number.as_f64().unwrap())),
    }
}

fn remark(verdict: &Verdict) -> &str {
    assert!(!verdict.ok && verdict.mistakes.is_empty() && verdict.pairs.is_empty(), "{verdict:?}");
    let remarks = &verdict.diagnosis.as_ref().unwrap().remarks;
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    &remarks[0]
}

#[test]
fn what_is_wrong_beside_the_numbers_is_said() {
    let problem = problem();
    let right = answer(&problem);
    let said = |more: Value| {
        let mut claim = json!({"value": right["value"], "gradient": right["gradient"]});
        claim.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        remark(&held(&problem, claim)).to_owned()
    };
    let smooth = right["smooth"].as_bool().unwrap();
    assert!(said(json!({"smooth": !smooth})).contains("smooth is true here, not false"));
    let kink = said(json!({"kink": [{"clip": [0, 1]}]}));
    assert!(kink.contains("nothing, not: clip [0, 1]"), "{kink}");
    let covers = said(json!({"error_bounds": {"covers": "induced-mdp"}}));
    assert!(covers.contains("\"problem\", not \"induced-mdp\""), "{covers}");
    let gradient = changed(&right["gradient"], &|x| x + 1e-9);
    let claim = json!({"gradient": gradient, "error_bounds": {"gradient": 1e-12}});
    let bound = held(&problem, claim);
    assert!(remark(&bound).contains("error_bounds.gradient of 1e-12 does not hold"), "{bound:?}");
}

#[test]
fn numbers_of_single_precision_are_known() {
    let problem = problem();
    let right = answer(&problem);
    // A few units of single precision off.
    let single = changed(&right["gradient"], &|x| f64::from((x * (1.0 + 3e-6)) as f32));
    let verdict = held(&problem, json!({"gradient": single}));
    assert!(remark(&verdict).contains("--precision float32"), "{verdict:?}");
    assert!(remark(&verdict).contains("every number given is one of single precision"), "{verdict:?}");
    let noise = changed(&right["gradient"], &|x| x * 1.01);
    assert!(held(&problem, json!({"gradient": noise})).diagnosis.unwrap().remarks.is_empty());
}

#[test]
fn rounded_numbers_are_known() {
    let problem = problem();
    let right = answer(&problem);
    for k in [2, 3, 4] {
        let unit = 10f64.powi(-k);
        let rounded = changed(&right["gradient"], &|x| (x / unit).round() * unit);
        let verdict = held(&problem, json!({"gradient": rounded}));
        assert!(remark(&verdict).contains(&format!("{k} decimals")), "{k}: {verdict:?}");
        let digits = changed(&right["gradient"], &|x| format!("{x:.*e}", k as usize).parse().unwrap());
        let verdict = held(&problem, json!({"gradient": digits}));
        assert!(remark(&verdict).contains("rounded to"), "{k}: {verdict:?}");
    }
    // What is off by more than half a unit is not rounded.
    let wrong = changed(&right["gradient"], &|x| (x / 1e-3).round() * 1e-3 + 2e-3);
    assert!(held(&problem, json!({"gradient": wrong})).diagnosis.unwrap().remarks.is_empty());
}

#[test]
fn mistakes_in_a_part_are_named_after_whole_ones() {
    let problem = problem();
    let right = answer(&problem);
    let horizon: f64 = problem.answer().unwrap().occupancy.iter().flatten().sum();
    let normalised = changed(&right["occupancy"], &|d| d / horizon);
    let verdict = held(&problem, json!({"occupancy": normalised, "gradient": right["gradient"]}));
    assert_eq!(verdict.mistakes, [["normalised-occupancy"]]);
    assert_eq!(verdict.evidence[0].only, ["occupancy"]);
    let both = json!({"occupancy": normalised, "gradient": changed(&right["gradient"], &|g| g / horizon)});
    let verdict = held(&problem, both);
    assert_eq!(verdict.mistakes, [["normalised-occupancy"]]);
    assert!(verdict.evidence[0].only.is_empty());
    // The mean of the values beside the right gradient.
    let values = problem.answer().unwrap().state_values;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let initial = problem.model::<f64>().unwrap().initial;
    if initial.iter().any(|rho| (rho - initial[0]).abs() > 1e-3) {
        let verdict = held(&problem, json!({"value": mean, "gradient": right["gradient"]}));
        assert!(verdict.mistakes.concat().contains(&"start-ignored"), "{:?}", verdict.mistakes);
        assert_eq!(verdict.evidence[0].only, ["value"]);
    }
}

#[test]
fn sweeps_from_a_uniform_start_are_counted() {
    let vector = include_str!("vectors/family-softmax.json");
    let vector: Value = serde_json::from_str(vector).unwrap();
    let problem = Problem::from_json(&vector["problem"].to_string(), Reading::Doubles).unwrap();
    let values = swept(&problem, 9);
    let value = values.iter().sum::<f64>() / values.len() as f64;
    let verdict = held(&problem, json!({"value": value}));
    let pair = ["start-ignored", "sweeps-stopped-early"];
    assert!(verdict.pairs.concat().contains(&pair), "{:?} {:?}", verdict.mistakes, verdict.pairs);
    assert_eq!(verdict.evidence[0].count, Some(9));
}

#[test]
fn the_largest_doubles_leave_no_infinity() {
    let problem = problem();
    let gradient: Vec<f64> =
        (0..problem.n_parameters()).map(|k| if k % 2 == 0 { 1.7e308 } else { -1.2e308 }).collect();
    let verdict = held(&problem, json!({"value": 1.7e308, "gradient": gradient}));
    let text = serde_json::to_value(&verdict).unwrap();
    let finite = |value: &Value| value.as_f64().is_some_and(f64::is_finite);
    for difference in text["differences"].as_array().unwrap() {
        assert!(["expected", "got", "error"].iter().all(|key| finite(&difference[*key])), "{difference}");
    }
    let direction = &text["diagnosis"]["gradient"];
    assert!(finite(&direction["cosine"]));
    if let Some(combination) = direction.get("combination") {
        assert!(finite(&combination["residual"]), "{combination}");
    }
}

#[test]
fn files_that_are_no_answers_are_known() {
    let problem = problem();
    let refused = |bytes: &[u8]| Claimed::from_bytes(bytes, &problem).unwrap_err().to_string();
    let itself = examples::example("exponential-family").unwrap().to_json();
    assert!(refused(itself.as_bytes()).contains("this is a problem"), "{}", refused(itself.as_bytes()));
    let swapped =
        Problem::from_json(&answer(&problem).to_string(), Reading::Doubles).unwrap_err().to_string();
    assert!(
        swapped.ends_with("\"pemdp-problem/1\": this is an answer, where its problem belongs"),
        "{swapped}"
    );
    assert!(refused(br#"{"value": 1}"#).contains(r#"expected "format": "pemdp-answer/1""#));
    assert!(refused(b"\xef\xbb\xbf{}").contains("byte-order mark"));
    let with = |rest: &str| refused(format!(r#"{{"format": "pemdp-answer/1", {rest}}}"#).as_bytes());
    let (n, n_actions) = (problem.n_states(), problem.n_actions());
    assert_eq!(
        with(r#""action_values": [[1]]"#),
        format!(
            "action_values: has 1 entries, expected {n}: action_values is [s][a], {n} states with {n_actions} actions each"
        )
    );
    assert!(with(r#""state_values": [[1]]"#).ends_with(&format!("state_values is [s], {n} states")));
    assert!(with(r#""gradient": [1]"#).ends_with(&format!("gradient is [k], {} parameters", n * n_actions)));
    assert_eq!(with(r#""value": [1]"#), "value: is [1], expected a number: value is one number");
    assert!(with(r#""value": np.float64(1.0)"#).starts_with("value: is np.float64(...)"));
}

/// Array libraries print whole numbers with a decimal.
#[test]
fn samples_are_counted_in_whole_numbers() {
    let problem = problem();
    let read = |n: &str| {
        let text = format!(
            r#"{{"format": "pemdp-answer/1", "value": 1, "standard_errors": {{"value": 0.1}}, "n": {n}}}"#
        );
        Claimed::from_json(&text, &problem)
    };
    assert_eq!(read("400.0").unwrap(), read("400").unwrap());
    assert_eq!(read("2.000").unwrap(), read("2").unwrap());
    for n in ["400.5", "1", "1.0", "-4.0", "4e2", "\"400.0\"", "99999999999999999999.0"] {
        assert!(read(n).unwrap_err().to_string().starts_with("n: "), "{n}");
    }
}

/// What is right has no direction to speak of.
#[test]
fn a_right_gradient_is_not_decomposed() {
    let problem = problem();
    let answer = problem.answer().unwrap();
    let diagnosis =
        held(&problem, json!({"value": 1.2345 * answer.value, "gradient": answer.gradient})).diagnosis;
    let diagnosis = diagnosis.unwrap();
    assert_eq!(diagnosis.quantities.iter().map(|quantity| quantity.wrong).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(diagnosis.gradient, None);
}
