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

/// A problem of an example, with other numbers at the top of the file.
fn with(name: &str, key: &str, number: f64) -> Problem {
    let mut file: Value = serde_json::from_str(&examples::example(name).unwrap().to_json()).unwrap();
    file[key] = json!(number);
    Problem::from_json(&file.to_string(), Reading::Doubles).unwrap()
}

/// Followers discount as the learner does.
#[test]
fn other_settings_are_found() {
    for name in ["exponential-family", "affine", "gridworld"] {
        let base = with(name, "entropy", 0.25);
        let gamma = base.gamma().approximate();
        for (other, said) in [
            (gamma * gamma, ", the square,".to_owned()),
            (gamma.sqrt(), ", the root,".to_owned()),
            (0.95, "0.95 in".to_owned()),
            (0.3, "0.3 in".to_owned()),
        ] {
            let mut file: Value = serde_json::from_str(&base.to_json()).unwrap();
            file["gamma"] = json!(other);
            let answered = answer(&Problem::from_json(&file.to_string(), Reading::Doubles).unwrap());
            for keys in [&["value"][..], &["gradient"], &["value", "state_values", "occupancy", "gradient"]] {
                let claim: Value =
                    keys.iter().map(|key| ((*key).to_owned(), answered[*key].clone())).collect();
                let verdict = held(&base, claim);
                let remark = remark(&verdict);
                let is_found = remark.starts_with("Right with gamma = ") && remark.contains(&said);
                assert!(is_found, "{name} {other} {keys:?}: {remark}");
            }
        }
        for (other, said) in [
            (0.25 / std::f64::consts::LN_2, "logarithms to base 2"),
            (0.25 / std::f64::consts::LN_10, "logarithms to base 10"),
            (0.125, "entropy weight 0.125 in"),
        ] {
            let answered = answer(&with(name, "entropy", other));
            for keys in [&["value"][..], &["value", "gradient"]] {
                let claim: Value =
                    keys.iter().map(|key| ((*key).to_owned(), answered[*key].clone())).collect();
                let verdict = held(&base, claim);
                assert!(remark(&verdict).contains(said), "{name} {other} {keys:?}: {verdict:?}");
            }
        }
    }
}

/// One number, or one and its multiples, is right with some settings in any case: only round
/// ones are told.
#[test]
fn settings_are_not_fitted_to_one_number() {
    let problem = problem();
    let right = answer(&problem);
    let silent = |claim: Value| {
        let diagnosis = held(&problem, claim).diagnosis.unwrap();
        assert!(diagnosis.remarks.is_empty(), "{:?}", diagnosis.remarks);
    };
    silent(json!({"value": right["value"].as_f64().unwrap() * 1.234_567}));
    silent(json!({"state_values": changed(&right["state_values"], &|v| v * 1.234_567)}));
    silent(json!({"gradient": changed(&right["gradient"], &|g| g + 0.01 * (1e3 * g).sin())}));
}

#[test]
fn mistakes_are_named_in_rounded_numbers() {
    let problem = problem();
    let terms = problem.answer().unwrap().gradient_terms;
    let n = problem.n_parameters();
    let lost: Vec<f64> = (0..n).map(|k| terms.policy[k].unwrap() + terms.reward[k]).collect();
    let decimals: Vec<f64> = lost.iter().map(|g| (g * 1e4).round() / 1e4).collect();
    let digits: Vec<f64> = lost.iter().map(|g| format!("{g:.4e}").parse().unwrap()).collect();
    let single: Vec<f64> = lost.iter().map(|g| f64::from((g * (1.0 + 2e-6)) as f32)).collect();
    for (gradient, rounded) in
        [(decimals, "rounded to 4 decimals"), (digits, "rounded to"), (single, "in single precision")]
    {
        let verdict = held(&problem, json!({"gradient": gradient}));
        assert!(verdict.mistakes.concat().contains(&"no-transition-term"), "{verdict:?}");
        assert!(verdict.evidence[0].rounded.as_ref().unwrap().contains(rounded), "{verdict:?}");
    }
    // What is the same number twice tells no more than once.
    let coin = with("coin", "gamma", 0.5);
    let halved = (coin.answer().unwrap().value * 500.0).round() / 1000.0;
    let verdict = held(&coin, json!({"value": halved, "state_values": [halved]}));
    assert!(verdict.mistakes.is_empty(), "{verdict:?}");
    // One number of few digits is near to much.
    let value = problem.answer().unwrap().value;
    let verdict = held(&problem, json!({"value": (value * 50.0).round() / 100.0}));
    assert!(verdict.mistakes.is_empty(), "{verdict:?}");
}

#[test]
fn signs_zeros_offsets_and_exchanged_quantities_are_told() {
    let problem = problem();
    let right = answer(&problem);
    let standing = |quantity: &str, claim: Value| {
        let verdict = held(&problem, claim);
        let quantities = verdict.diagnosis.unwrap_or_else(|| panic!("{:?}", verdict.mistakes)).quantities;
        quantities.into_iter().find(|standing| standing.quantity == quantity).unwrap()
    };
    let value = right["value"].as_f64().unwrap();
    assert_eq!(standing("value", json!({"value": -value})).ratio, Some(-1.0));
    let zeros = changed(&right["gradient"], &|_| 0.0);
    assert_eq!(standing("gradient", json!({"gradient": zeros})).ratio, Some(0.0));
    let moved = json!({"state_values": changed(&right["state_values"], &|v| v - 2.5)});
    let offset = standing("state_values", moved).offset.unwrap();
    assert!((offset + 2.5).abs() < 1e-9, "{offset}");
    let mut terms = right["gradient_terms"].clone();
    (terms["policy"], terms["reward"]) = (terms["reward"].clone(), terms["policy"].clone());
    let claim = json!({"gradient": right["gradient"], "gradient_terms": terms});
    let is = |quantity: &str, claim: Value| standing(quantity, claim).is.unwrap();
    assert_eq!(is("gradient_terms.policy", claim.clone()), "gradient_terms.reward");
    assert_eq!(is("gradient_terms.reward", claim), "gradient_terms.policy");
    assert_eq!(is("value", json!({"value": right["state_values"][1]})), "state_values[1]");
    let (values, q) = (&right["state_values"], &right["action_values"]);
    let less = |s: usize| changed(&q[s], &|q| q - values[s].as_f64().unwrap());
    let advantages: Value = (0..problem.n_states()).map(less).collect();
    assert!(is("action_values", json!({"action_values": advantages})).ends_with("the advantages"));
    let numbers =
        |row: &Value| -> Vec<f64> { row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let of_rows = |of: fn(&[f64]) -> f64| -> Value {
        q.as_array().unwrap().iter().map(|row| json!(of(&numbers(row)))).collect()
    };
    let largest = of_rows(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    assert!(is("state_values", json!({"state_values": largest})).starts_with("the largest action value"));
    let mean = of_rows(|row| row.iter().sum::<f64>() / row.len() as f64);
    assert!(is("state_values", json!({"state_values": mean})).starts_with("the unweighted mean"));
    let sum: f64 = numbers(values).iter().sum();
    assert_eq!(is("value", json!({"value": sum})), "the sum of state_values");
    let visits = problem.answer().unwrap().occupancy;
    let repeated = |row: &Vec<f64>| vec![row.iter().sum::<f64>(); row.len()];
    let repeated: Vec<Vec<f64>> = visits.iter().map(repeated).collect();
    assert!(
        is("occupancy", json!({"occupancy": repeated})).starts_with("the occupancy of each state, for every")
    );
    let per_action = |row: &Vec<f64>| vec![row.iter().sum::<f64>() / row.len() as f64; row.len()];
    let alike: Vec<Vec<f64>> = visits.iter().map(per_action).collect();
    assert!(is("occupancy", json!({"occupancy": alike})).contains("actions are all taken alike"));
    let total: f64 = visits.iter().flatten().sum();
    let all_alike =
        vec![vec![total / (visits.len() * visits[0].len()) as f64; visits[0].len()]; visits.len()];
    assert!(is("occupancy", json!({"occupancy": all_alike})).contains("all visited alike"));
}

/// Two coordinates do not tell three coefficients, but one.
#[test]
fn one_coefficient_is_told_where_all_are_not() {
    let text = examples::example("affine").unwrap().to_json();
    let problem = Problem::from_json(&text, Reading::Doubles).unwrap();
    let terms = problem.answer().unwrap().gradient_terms;
    let of = |reward: f64| -> Vec<f64> {
        let sum = |k: usize| terms.policy[k].unwrap() + terms.transition[k] + reward * terms.reward[k];
        (0..problem.n_parameters()).map(sum).collect()
    };
    let diagnosis = held(&problem, json!({"gradient": of(0.625)})).diagnosis.unwrap();
    let combination = diagnosis.gradient.unwrap().combination.unwrap();
    assert!(combination.explains && (combination.reward.unwrap() - 0.625).abs() < 1e-9, "{combination:?}");
    assert_eq!((combination.policy, combination.transition), (Some(1.0), Some(1.0)));
}
