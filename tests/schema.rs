//! The JSON Schemas: what is read validates, what keys, types and ranges tell is refused, and
//! the committed files are those that the code gives.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{env, fs};

use jsonschema::Validator;
use pemdp::oracle::examples::EXAMPLES;
use pemdp::oracle::{Claimed, answer_schema};
use pemdp::problem::{self, InputError, Problem, Reading};
use proptest::prelude::*;
use serde_json::{Value, json};

static PROBLEM: LazyLock<Validator> = LazyLock::new(|| validator(&problem::schema()));
static ANSWER: LazyLock<Validator> = LazyLock::new(|| validator(&answer_schema()));

fn validator(schema: &str) -> Validator {
    let schema = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The JSON files of a folder and of those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).unwrap()).ok()
}

/// All problems and answers anywhere in a value.
fn collect(value: &Value, problems: &mut Vec<Value>, answers: &mut Vec<Value>) {
    match value {
        Value::Object(entries) => {
            match entries.get("format").and_then(Value::as_str) {
                Some(problem::FORMAT) => return problems.push(value.clone()),
                Some("pemdp-answer/1") => return answers.push(value.clone()),
                _ => {}
            }
            for (key, entry) in entries {
                if ["answer", "exact"].contains(&key.as_str()) && entry.get("value").is_some() {
                    let mut answer = entry.clone();
                    answer["format"] = "pemdp-answer/1".into();
                    answers.push(answer);
                }
                collect(entry, problems, answers);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect(entry, problems, answers)),
        _ => {}
    }
}

/// The problems of the vectors and the examples, and the answers of the vectors.
static VALID: LazyLock<(Vec<Value>, Vec<Value>)> = LazyLock::new(|| {
    let (mut problems, mut answers) = (Vec::new(), Vec::new());
    let vectors = root().join("tests/vectors");
    for path in files(&vectors).iter().filter(|path| !path.starts_with(vectors.join("invalid"))) {
        collect(&read(path).unwrap(), &mut problems, &mut answers);
    }
    problems.extend(EXAMPLES.iter().map(|example| serde_json::from_str(&example.to_json()).unwrap()));
    (problems, answers)
});

/// The problems of all policies.
fn read_as(problem: &Value, reading: Reading) -> Result<Vec<Problem>, InputError> {
    Problem::all_from_bytes(problem.to_string().as_bytes(), reading)
}

/// Whether the reader takes it, in doubles or in fractions.
fn is_read(problem: &Value) -> bool {
    [Reading::Doubles, Reading::Exact].into_iter().any(|reading| read_as(problem, reading).is_ok())
}

fn assert_valid(validator: &Validator, value: &Value) {
    if let Err(error) = validator.validate(value) {
        let text = value.to_string();
        panic!("{}: {error}: {}", error.instance_path(), text.chars().take(400).collect::<String>());
    }
}

#[test]
fn the_committed_schemas_are_those_of_the_code() {
    for (name, schema) in [("problem", problem::schema()), ("answer", answer_schema())] {
        let path = root().join("docs/schema").join(format!("{name}.json"));
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &schema).unwrap();
        } else {
            let found = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == schema,
                "docs/schema/{name}.json differs; UPDATE_DOCS=1 cargo test -p pemdp --test schema writes it"
            );
        }
    }
}

#[test]
fn what_is_valid_validates() {
    let (problems, answers) = &*VALID;
    problems.iter().for_each(|problem| assert_valid(&PROBLEM, problem));
    answers.iter().for_each(|answer| assert_valid(&ANSWER, answer));
    assert!(problems.len() > 350 && answers.len() > 300, "{} and {}", problems.len(), answers.len());
}

/// Problems and answers as they are written, numbers as text.
#[test]
fn what_is_written_validates() {
    for example in EXAMPLES {
        let problem = Problem::from_json(&example.to_json(), Reading::Doubles).unwrap();
        assert_valid(&PROBLEM, &serde_json::from_str(&problem.to_json()).unwrap());
        if problem.n_states() < 10 {
            assert_valid(&ANSWER, &serde_json::to_value(problem.answer().unwrap()).unwrap());
        }
        if let Ok(answer) = problem.exact_answer() {
            assert_valid(&ANSWER, &serde_json::to_value(answer).unwrap());
        }
    }
}

/// The blocks of JSON in the manual that are problems.
#[test]
fn what_is_documented_validates() {
    let page = fs::read_to_string(root().join("docs/oracle.md")).unwrap();
    let blocks: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|block| serde_json::from_str(block.split("```").next()?).ok())
        .filter(|value: &Value| value["format"] == problem::FORMAT)
        .collect();
    assert!(!blocks.is_empty());
    blocks.iter().for_each(|problem| assert_valid(&PROBLEM, problem));
    let schema: Value = serde_json::from_str(&problem::schema()).unwrap();
    for (key, form) in schema["properties"].as_object().unwrap().iter().filter(|(key, _)| *key != "format") {
        let row = format!("| `{key}` | {} |\n", form["description"].as_str().unwrap());
        assert!(page.contains(&row), "docs/oracle.md has no row {row}");
    }
    let schema: Value = serde_json::from_str(&answer_schema()).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        let is_there = [format!("`{key}`"), format!("`{key}["), format!("\"{key}\"")];
        assert!(is_there.iter().any(|name| page.contains(name)), "docs/oracle.md does not name {key}");
    }
}

/// A problem of two states and two actions with these changes, by JSON pointer; `null` where a
/// key is taken away.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut problem = json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0],
        "policy": {"kind": "softmax", "logits": [[0.5, "-1/4"], [1, "2e-1"]]},
        "environment": {
            "kind": "fixed", "transitions": [[["1/3", "2/3"], [0.25, 0.75]], [[0, 1], [0.5, 0.5]]],
            "rewards": [[1, "-1/3"], [2, 0.5]]
        }
    });
    for (place, value) in changes {
        let (parent, key) = place.rsplit_once('/').unwrap();
        let entries = problem.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            entries.remove(key);
        } else {
            entries.insert(key.to_owned(), value.clone());
        }
    }
    problem
}

/// Every form that a problem may have: each is read, and validates.
#[test]
fn every_form_validates() {
    let entries = json!([[0, 0, 0, "1/3"], [0, 0, 1, "2/3"], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1.0]]);
    let policy = json!({"kind": "weights", "values": [[1, 2], ["1/2", 3]]});
    let softmax = json!({"kind": "softmax", "logits": [[0, 0], [0, 0]]});
    let formulas = json!({
        "kind": "formulas", "constants": {"b": "1/2", "c": [[1, "1e-1"], 2]},
        "definitions": {"q": "pi[0,0]*b", "r": ["q", 1]},
        "transitions": [[0, 0, 0, "q"], [0, 0, 1, "1-q"], [0, 1, 1, 1], [1, 0, 0, "r[1]"], [1, 1, 1, 1]],
        "rewards": [[0, 0, "c[0,0]"], [0, 1, 2]], "next_rewards": [[0, 0, 0, "-2"]], "normalise": true
    });
    let (no, nothing) = (Value::Null, json!([null, [[1, 0], [0, 1]]]));
    let cases: Vec<Vec<(&str, Value)>> = vec![
        vec![("/environment/transitions", entries)],
        vec![("/environment/rewards", no.clone()), ("/environment/next_rewards", json!([[0, 0, 1, "1/2"]]))],
        vec![("/environment/rewards", json!([[[1, 2], [3, "4"]], [[0, 0], [1, 1]]]))],
        vec![("/environment/rewards", json!([[null, [3, "4"]], [[0, 0], [1, 1]]]))],
        vec![("/environment/rewards", json!([[1, null], [2, 0]]))],
        vec![("/policy", no.clone()), ("/policies", json!([policy, softmax]))],
        vec![("/criterion", "discounted".into())],
        vec![
            ("/names", json!({"states": ["calm", "busy"], "actions": ["buy", "wait"]})),
            ("/terminal", json!(["busy"])),
            ("/environment/transitions", json!([["calm", 0, "busy", 1], [0, "wait", 1, 1]])),
        ],
        vec![("/criterion", "average".into()), ("/gamma", no.clone()), ("/entropy", 0.5.into())],
        vec![("/criterion", "total".into()), ("/gamma", "1".into()), ("/terminal", json!([1]))],
        vec![("/criterion", json!({"horizon": 3})), ("/gamma", no.clone())],
        vec![("/terminal", json!([0])), ("/environment/transitions", nothing)],
        vec![("/terminal", json!([]))],
        vec![("/available", json!([[true, 0], [1, true]]))],
        vec![("/policy/logits", json!([[0, null], [1, 2]]))],
        vec![("/policy/logits", json!([null, [1, 2]])), ("/terminal", json!([0]))],
        vec![("/policy/logits", json!([[0], [1, 2]]))],
        vec![("/policy/logits", json!([[], [1, 2]])), ("/terminal", json!([0]))],
        vec![("/environment", formulas)],
    ];
    for changes in cases {
        let problem = with(&changes);
        let read = read_as(&problem, Reading::Doubles);
        assert!(read.is_ok(), "{}: {problem}", read.unwrap_err());
        assert_valid(&PROBLEM, &problem);
    }
}

/// Arrays in files are for the program to read.
#[test]
fn arrays_in_files_validate() {
    let archived = json!({"npz": "lake.npz", "array": "P"});
    for key in ["/environment/transitions", "/environment/rewards", "/policy/logits", "/initial"] {
        assert_valid(&PROBLEM, &with(&[(key, archived.clone())]));
        assert!(!PROBLEM.is_valid(&with(&[(key, json!({"array": "P"}))])), "{key}");
    }
}

/// Somebody's answers in every form that `verify` reads.
#[test]
fn every_form_of_an_answer_validates() {
    let problem = Problem::from_json(&with(&[]).to_string(), Reading::Doubles).unwrap();
    let cases = [
        json!({"value": "1/3"}),
        json!({"gradient": [[1, 2], ["1/2", null]], "standard_errors": {"gradient": [[0, 1], [1, 1]]}, "n": 400.0}),
        json!({"action_values": [[null, 1], [0.5, 2]], "smooth": false, "kink": [{"clip": [0, 1]}, {"formula": "x"}]}),
        json!({
            "state_values": [1, 2], "error_bounds": {"state_values": 0, "covers": "induced-mdp"},
            "kink": [{"follower": 0, "state": 1, "actions": [0, 1], "gap": "1/100"}]
        }),
        json!({"occupancy": [[1, 0], [0, 1]], "gradient_terms": {"policy": [null, 1, 2, 3], "reward": [[0, 0], [0, 0]]}}),
    ];
    for mut answer in cases {
        answer["format"] = "pemdp-answer/1".into();
        let read = Claimed::from_json(&answer.to_string(), &problem);
        assert!(read.is_ok(), "{answer}: {}", read.unwrap_err());
        assert_valid(&ANSWER, &answer);
    }
}

/// Reasons of the index of invalid files that are about keys and types; but 1.0 is an integer in a
/// schema, and not in a file.
fn is_plain(reason: &str) -> bool {
    let of_keys =
        ["missing key", "unknown key", "unknown environment kind", "unknown policy kind", "no format"];
    let of_types =
        ["where an array is expected", "where an object is expected", "where a number is expected"];
    let of_words = ["not a numeral", "is expected, not", "unknown form", "must be a string"];
    [&of_keys[..], &of_types, &of_words].concat().iter().any(|part| reason.contains(part))
}

#[test]
fn what_is_invalid_is_refused_where_keys_and_types_tell() {
    let folder = root().join("tests/vectors/invalid");
    let index = read(&folder.join("index.json")).unwrap();
    let (mut refused, mut told) = (0, 0);
    for entry in index.as_array().unwrap() {
        let (name, reason) = (entry["file"].as_str().unwrap(), entry["reason"].as_str().unwrap());
        // What is no JSON is no instance; serde_json takes the last of duplicate keys.
        let Some(problem) = read(&folder.join(name)) else { continue };
        let is_valid = PROBLEM.is_valid(&problem);
        assert!(!is_valid || !is_plain(reason), "{name}: {reason}: the schema accepts it");
        told += usize::from(is_plain(reason));
        refused += usize::from(!is_valid);
    }
    assert!(refused >= 108 && told >= 56, "{refused}, {told}");
}

/// One change after the other in an answer.
#[test]
fn the_schema_of_answers_is_never_stricter_than_the_reader() {
    let problem = Problem::from_json(&with(&[]).to_string(), Reading::Doubles).unwrap();
    let mut answer = serde_json::to_value(problem.answer().unwrap()).unwrap();
    answer["standard_errors"] = json!({"value": 1, "state_values": [0, 1], "gradient": [[0, 1], [1, 1]]});
    answer["n"] = 100.into();
    answer["kink"] = json!([{"clip": [0, 1]}, {"formula": "x"}, {"follower": 0, "state": 1, "actions": [0, 1], "gap": 1e-9}]);
    assert_valid(&ANSWER, &answer);
    let is_read = |answer: &Value| Claimed::from_json(&answer.to_string(), &problem).is_ok();
    let mut found = Vec::new();
    places(&answer, "", &mut found);
    let replaced = others().into_iter().map(Change::Replaced);
    let changes: Vec<Change> = [Change::Dropped, Change::Renamed].into_iter().chain(replaced).collect();
    let mut refused = 0;
    for (place, change) in found.iter().flat_map(|place| changes.iter().map(move |change| (place, change))) {
        let other = changed(&answer, place, change);
        let is_valid = ANSWER.is_valid(&other);
        assert!(is_valid || !is_read(&other), "{place} {change:?}: {other}");
        let is_key = !place.ends_with(|c: char| c.is_ascii_digit());
        assert!(!is_valid || !is_key || !matches!(change, Change::Renamed), "{place}_: {other}");
        refused += usize::from(!is_valid);
    }
    assert!(refused > 400, "{refused}");
}

/// One change in a value.
#[derive(Debug, Clone)]
enum Change {
    Dropped,
    Renamed,
    Replaced(Value),
}

/// Values of every type.
fn others() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(2.5),
        json!(1),
        json!("1/2"),
        json!("x"),
        json!([]),
        json!([1]),
        json!([[1, 0], [0, 1]]),
        json!([[0, 0, 0, 1]]),
        json!({}),
        json!({"kind": "fixed"}),
        json!("average"),
    ]
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Dropped),
        Just(Change::Renamed),
        prop::sample::select(others()).prop_map(Change::Replaced)
    ]
}

/// JSON pointers of everything in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut entry = |key: &dyn std::fmt::Display, entry: &Value| {
        let place = format!("{at}/{key}");
        found.push(place.clone());
        places(entry, &place, found);
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| entry(key, value)),
        Value::Array(entries) => entries.iter().enumerate().for_each(|(i, value)| entry(&i, value)),
        _ => {}
    }
}

fn changed(value: &Value, place: &str, change: &Change) -> Value {
    let mut result = value.clone();
    let (parent, key) = place.rsplit_once('/').unwrap();
    match (result.pointer_mut(parent).unwrap(), change) {
        (Value::Object(entries), Change::Replaced(other)) => entries[key] = other.clone(),
        (Value::Object(entries), change) => {
            let old = entries.remove(key).unwrap();
            if matches!(change, Change::Renamed) {
                entries.insert(format!("{key}_"), old);
            }
        }
        (Value::Array(entries), change) => {
            let i: usize = key.parse().unwrap();
            match change {
                Change::Replaced(other) => entries[i] = other.clone(),
                _ => drop(entries.remove(i)),
            }
        }
        _ => {}
    }
    result
}

/// Valid problems that are quick to read.
static SHORT: LazyLock<Vec<&Value>> =
    LazyLock::new(|| VALID.0.iter().filter(|problem| problem.to_string().len() < 4000).collect());

/// JSON pointers of the keys in a value.
fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places(value, "", &mut found);
    found.retain(|place| !place.ends_with(|c: char| c.is_ascii_digit()));
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_is_never_stricter_than_the_reader(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), change in changes()
    ) {
        let problem = SHORT[which.index(SHORT.len())];
        // Keys are few beside numbers.
        let mut found = keys(problem);
        if matches!(change, Change::Replaced(_)) {
            places(problem, "", &mut found);
        }
        let place = &found[place.index(found.len())];
        let problem = changed(problem, place, &change);
        if !PROBLEM.is_valid(&problem) {
            prop_assert!(!is_read(&problem), "{place} {change:?}: {problem}");
        }
    }
}

/// Without a key the reader and the schema say the same; with one that is unknown both refuse.
#[test]
fn every_key_counts() {
    let (mut dropped, mut seen) = (0, BTreeMap::new());
    for problem in &*SHORT {
        for place in &keys(problem) {
            let kind = problem["environment"]["kind"].as_str().unwrap().to_owned();
            let count = seen.entry((kind, place.clone())).or_insert(0);
            *count += 1;
            // Names of formulas may be any.
            if *count > 5 || place.contains("/constants/") || place.contains("/definitions/") {
                continue;
            }
            let without = changed(problem, place, &Change::Dropped);
            let is_valid = PROBLEM.is_valid(&without);
            assert!(is_valid || !is_read(&without), "{place}: {without}");
            // A grid all of whose first cells are terminal has no first state of its own.
            let may_miss = place == "/initial" && problem["environment"]["kind"] == "gridworld";
            let error =
                read_as(&without, Reading::Doubles).map_or_else(|error| error.to_string(), |_| String::new());
            let is_missing = error.ends_with("is missing, expected a value");
            assert!(!is_missing || !is_valid || may_miss, "{place}: {error}: {without}");
            let renamed = changed(problem, place, &Change::Renamed);
            assert!(!PROBLEM.is_valid(&renamed) && !is_read(&renamed), "{place}_: {renamed}");
            dropped += 1;
        }
    }
    assert!(dropped > 400, "{dropped}");
}
