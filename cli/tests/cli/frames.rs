//! Several policies in a file, and rows that are normalised.

use serde_json::{Value, json};

use super::{err, out, parsed, refusal, run_with_input, status};

fn lending(policies: &[Value]) -> String {
    json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "policies": policies,
        "environment": {"kind": "loan", "form": "bandit", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1}
    })
    .to_string()
}

fn approving(p: f64) -> Value {
    json!({"kind": "probabilities", "values": [[p, 1.0 - p]]})
}

#[test]
fn each_policy_has_an_answer_on_a_line() {
    let file = lending(&[approving(0.25), approving(0.5)]);
    for arguments in [&["eval", "-"][..], &["eval", "--lines", "-"]] {
        let output = run_with_input(arguments, file.as_bytes());
        let values: Vec<Value> = out(&output)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].clone())
            .collect();
        assert_eq!((status(&output), values), (0, vec![json!(0.125), json!(0.0)]));
    }
    let table = run_with_input(&["eval", "--table", "-"], file.as_bytes());
    assert!(refusal(&table).contains("several policies, which have no table"), "{}", err(&table));
    let bad = lending(&[approving(0.25), json!({"kind": "probabilities", "values": [[0.5, 0.25]]})]);
    let refused = run_with_input(&["eval", "-"], bad.as_bytes());
    assert!(refusal(&refused).contains("policies[1].values[0]: sums to 0.75"), "{}", err(&refused));
    let one = run_with_input(&["optimum", "-"], file.as_bytes());
    assert!(refusal(&one).contains("policies: gives several policies, expected one"), "{}", err(&one));
}

#[test]
fn rows_are_normalised_aloud() {
    let rounded = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [1, 0],
        "policy": {"kind": "softmax", "logits": [[0], [0]]},
        "environment": {"kind": "fixed", "transitions": [[[0.33333, 0.66666]], [[0.5, 0.5]]], "rewards": [[1], [1]]}}"#;
    let refused = run_with_input(&["eval", "-"], rounded.as_bytes());
    assert!(
        refusal(&refused).contains("environment.transitions[0][0]: sums to 0.99999"),
        "{}",
        err(&refused)
    );
    let output = run_with_input(&["eval", "--normalise", "-"], rounded.as_bytes());
    assert_eq!(status(&output), 0);
    assert!((parsed(&output)["value"].as_f64().unwrap() - 10.0).abs() < 1e-13);
    let said = "standard input: environment.transitions: 1 row divided by the sum, the largest change is 6.7e-6, in \
                environment.transitions[0][0]";
    assert!(err(&output).contains(said), "{}", err(&output));
    let line = rounded.replace('\n', " ");
    let lines = run_with_input(&["eval", "--normalise", "--lines", "-"], line.as_bytes());
    assert!(
        status(&lines) == 0 && err(&lines).contains("line 1: environment.transitions"),
        "{}",
        err(&lines)
    );
}
