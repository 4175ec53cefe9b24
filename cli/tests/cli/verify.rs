//! `pemdp verify`.

use super::*;

/// A problem with all kinds of terms, and its answer with `change` made to it.
fn claim(files: &Files, change: impl FnOnce(&mut Value)) -> (String, String) {
    let problem = files.example("exponential-family");
    let mut answer = json_of(&["eval", &problem]);
    change(&mut answer);
    let answer = files.write("answer.json", answer.to_string());
    (problem, answer)
}

fn negate_gradient(answer: &mut Value) {
    for entry in answer["gradient"].as_array_mut().unwrap() {
        *entry = json!(-entry.as_f64().unwrap());
    }
}

#[test]
fn a_right_answer_is_right() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |_| ());
    let output = run(&["verify", &problem, &answer]);
    assert_eq!((status(&output), err(&output)), (0, ""));
    let verdict = parsed(&output);
    assert_eq!((&verdict["format"], &verdict["ok"]), (&json!("pemdp-verdict/1"), &json!(true)));
    assert_eq!((&verdict["differences"], &verdict["mistakes"]), (&json!([]), &json!([])));
    let table = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&table), 0);
    assert!(out(&table).starts_with("right"), "{}", out(&table));
    let from_input = run_with_input(&["verify", &problem, "-"], &fs::read(&answer).unwrap());
    assert_eq!(from_input.stdout, output.stdout);
    let from_input = run_with_input(&["verify", "-", &answer], &fs::read(&problem).unwrap());
    assert_eq!(from_input.stdout, output.stdout);
}

#[test]
fn a_descent_direction_is_recognised() {
    let files = Files::new();
    let (problem, answer) = claim(&files, negate_gradient);
    let output = run(&["verify", "--json", &problem, &answer]);
    assert_eq!((status(&output), err(&output)), (1, ""));
    let verdict = parsed(&output);
    assert_eq!(verdict["mistakes"], json!([["descent"]]));
    assert!(verdict["differences"].as_array().unwrap().iter().all(|d| d["quantity"] == "gradient"));
    let table = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&table), 1);
    assert!(out(&table).contains("descent") && out(&table).contains("sign is reversed"), "{}", out(&table));
    assert!(!out(&table).contains('\u{1b}'));
}

#[test]
fn a_difference_that_nothing_explains_says_so() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |answer| answer["value"] = json!(123.5));
    let output = run(&["verify", &problem, &answer]);
    assert_eq!(status(&output), 1);
    assert_eq!(parsed(&output)["mistakes"], json!([]));
    let table = run(&["verify", "--table", &problem, &answer]);
    assert!(out(&table).contains("No known mistake explains this."), "{}", out(&table));
    assert!(out(&table).contains("123.5"), "{}", out(&table));
}

#[test]
fn the_largest_differences_come_first_and_the_rest_is_counted() {
    let files = Files::new();
    let problem = files.example("gridworld");
    let wrong: Vec<f64> = (0..64).map(|s| 100.0 + f64::from(s)).collect();
    let answer = json!({"format": "pemdp-answer/1", "state_values": wrong});
    let answer = files.write("answer.json", answer.to_string());
    let table = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&table), 1);
    let rows: Vec<&str> = out(&table).lines().filter(|line| line.trim_start().starts_with('[')).collect();
    assert_eq!(rows.len(), 12, "{}", out(&table));
    let error = |row: &str| row.split_whitespace().last().unwrap().parse::<f64>().unwrap();
    assert!(rows.windows(2).all(|pair| error(pair[0]) >= error(pair[1])), "{}", out(&table));
    assert!(out(&table).contains("(52 more, none larger"), "{}", out(&table));
}

#[test]
fn tolerances_decide_and_bad_ones_are_refused() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |answer| {
        answer["value"] = json!(answer["value"].as_f64().unwrap() * 1.001);
        answer.as_object_mut().unwrap().remove("error_bounds");
    });
    assert_eq!(status(&run(&["verify", &problem, &answer])), 1);
    assert_eq!(status(&run(&["verify", &problem, &answer, "--rtol", "0.01"])), 0);
    assert_eq!(status(&run(&["verify", &problem, &answer, "--atol", "1"])), 0);
    for bad in ["-1", "-1e-9", "nan", "NaN", "inf", "x", ""] {
        for option in ["--rtol", "--atol"] {
            let output = run(&["verify", &problem, &answer, option, bad]);
            assert_eq!((status(&output), out(&output)), (2, ""), "{option} {bad}");
            assert!(err(&output).starts_with("pemdp: "), "{}", err(&output));
        }
    }
}

#[test]
fn errors_of_verify_name_the_file() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |_| ());
    let bad = files.write("bad.json", "{}");
    let other = files.example("gridworld");
    let cases: [(&[&str], &str); 4] = [
        (&["verify", &bad, &answer], &bad),
        (&["verify", &problem, &bad], &bad),
        (&["verify", &problem, &answer, "--previous", &bad], &bad),
        (&["verify", &problem, &answer, "--previous", &other], &other),
    ];
    for (arguments, file) in cases {
        let message = refusal(&run(arguments));
        assert!(message.starts_with(&format!("pemdp: {file}: ")), "{message}");
    }
    let twice = refusal(&run_with_input(&["verify", "-", "-"], b"{}"));
    assert!(twice.contains("standard input"), "{twice}");
}

#[test]
fn the_policy_deployed_before_explains_a_stale_environment() {
    let files = Files::new();
    let problem = files.example("exponential-family");
    let mut previous = example("exponential-family");
    previous["policy"]["logits"] = json!([[2.0, 0.0], [0.5, -1.0]]);
    // The environment that the previous policy induced, as a fixed one.
    let psi = previous["environment"]["psi"].clone();
    let base = previous["environment"]["base_logits"].clone();
    let mut stale = example("exponential-family");
    let number = |value: &Value| value.as_f64().unwrap();
    let mut transitions = Vec::new();
    for s in 0..2 {
        let mut rows = Vec::new();
        for a in 0..2 {
            let theta = number(&previous["policy"]["logits"][s][a]);
            let weights: Vec<f64> = (0..2)
                .map(|t| (base[s][a][t].as_f64().unwrap_or(0.0) + number(&psi[t]) * theta).exp())
                .collect();
            let total: f64 = weights.iter().sum();
            rows.push(weights.into_iter().map(|w| w / total).collect::<Vec<_>>());
        }
        transitions.push(rows);
    }
    let reward = previous["environment"]["reward"].clone();
    assert!(reward["clip"].is_null(), "the rewards below are not clipped");
    let rewards: Vec<Vec<f64>> = (0..2)
        .map(|s| {
            let at = |a: usize| {
                number(&reward["base"][s][a])
                    + number(&reward["slope"]) * number(&previous["policy"]["logits"][s][a])
            };
            vec![at(0), at(1)]
        })
        .collect();
    stale["environment"] = json!({"kind": "fixed", "transitions": transitions, "rewards": rewards});
    let stale = files.write("stale.json", stale.to_string());
    let answer = json_of(&["eval", &stale]);
    let claim = json!({"format": "pemdp-answer/1", "value": answer["value"], "gradient": answer["gradient"]});
    let claim = files.write("claim.json", claim.to_string());
    let previous = files.write("previous.json", previous.to_string());
    let output = run(&["verify", &problem, &claim, "--previous", &previous]);
    assert_eq!(status(&output), 1, "{}", err(&output));
    assert_eq!(parsed(&output)["mistakes"], json!([["stale-environment"]]));
    let without = run(&["verify", &problem, &claim]);
    assert_eq!(parsed(&without)["mistakes"], json!([]));
}

#[test]
fn standard_errors_that_tell_nothing_are_not_right() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |answer| {
        negate_gradient(answer);
        let errors = vec![1000.0; answer["gradient"].as_array().unwrap().len()];
        *answer = json!({
            "format": "pemdp-answer/1", "gradient": answer["gradient"],
            "standard_errors": {"gradient": errors}, "n": 100
        });
    });
    let output = run(&["verify", "--json", &problem, &answer]);
    assert_eq!((status(&output), err(&output)), (1, ""));
    let verdict = parsed(&output);
    assert_eq!((&verdict["ok"], &verdict["differences"]), (&json!(false), &json!([])));
    assert!(verdict["undecided"][0]["needed"].as_u64().unwrap() > 100);
    let table = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&table), 1);
    let text = out(&table);
    assert!(text.starts_with("cannot tell") && text.contains("n that would tell"), "{text}");
    assert!(text.contains("Are these standard deviations"), "{text}");
}

#[test]
fn remarks_and_parts_are_shown() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |answer| answer["smooth"] = json!(false));
    let table = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&table), 1);
    assert!(out(&table).contains("Every number is right; but smooth is true here"), "{}", out(&table));
    let (problem, answer) = claim(&files, |answer| {
        for row in answer["occupancy"].as_array_mut().unwrap() {
            for entry in row.as_array_mut().unwrap() {
                *entry = json!(entry.as_f64().unwrap() / 10.0);
            }
        }
        answer.as_object_mut().unwrap().remove("error_bounds");
    });
    let table = run(&["verify", "--table", &problem, &answer]);
    let text = out(&table);
    assert!(text.contains("normalised-occupancy") && text.contains("in occupancy only"), "{text}");
}

/// Decimals as they are spelled are other numbers than the doubles next to them.
#[test]
fn exact_answers_belong_to_exact_problems() {
    let files = Files::new();
    let loan = fs::read_to_string(files.example("loan-mdp")).unwrap().replace("\"gain\": 1", "\"gain\": 0.9");
    let problem = files.write("problem.json", loan);
    let exact = run(&["eval", "--exact", &problem]);
    assert_eq!(status(&exact), 0);
    let answer = files.write("answer.json", out(&exact));
    assert_eq!(status(&run(&["verify", "--exact", &problem, &answer])), 0);
    let output = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&output), 1);
    assert!(out(&output).contains("--exact"), "{}", out(&output));
}

#[test]
fn sampled_answers_are_called_consistent() {
    let files = Files::new();
    let (problem, answer) = claim(&files, |answer| {
        *answer = json!({
            "format": "pemdp-answer/1", "value": answer["value"],
            "standard_errors": {"value": answer["value"].as_f64().unwrap().abs() / 100.0}, "n": 100
        });
    });
    let output = run(&["verify", "--table", &problem, &answer]);
    assert_eq!(status(&output), 0);
    let text = out(&output);
    assert!(text.starts_with("consistent: no sampled entry is more than "), "{text}");
    assert!(!text.contains("is visited about"), "{text}");
    // Of ten samples few visit any pair.
    let (problem, answer) = claim(&files, |answer| {
        let gradient = answer["gradient"].as_array().unwrap().clone();
        let errors = vec![1e-3; gradient.len()];
        *answer = json!({
            "format": "pemdp-answer/1", "gradient": gradient, "standard_errors": {"gradient": errors}, "n": 10
        });
    });
    let output = run(&["verify", "--table", &problem, &answer]);
    assert!(out(&output).contains("of gradient is visited about "), "{}", out(&output));
}
