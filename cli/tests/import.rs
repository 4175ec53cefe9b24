//! `pemdp import` as people run it, on files that other programs wrote (`tests/import/make.py`) and on
//! small ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tolerances::SOLVED;

fn run(arguments: &[&str]) -> Output {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/import");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.arg("import").args(arguments).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

/// The problem, and the lines on standard error.
fn imported(arguments: &[&str]) -> (String, Vec<String>) {
    let output = run(arguments);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {notes}");
    let notes = notes.lines().map(|note| note.strip_prefix("pemdp: ").unwrap().to_owned()).collect();
    (String::from_utf8(output.stdout).unwrap(), notes)
}

fn problem(arguments: &[&str]) -> Value {
    serde_json::from_str(&imported(arguments).0).unwrap()
}

/// One line on standard error, nothing on standard output, status 2.
fn refused(arguments: &[&str]) -> String {
    message(&run(arguments))
}

fn message(output: &Output) -> String {
    let message = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message.trim_end().strip_prefix("pemdp: ").unwrap().to_owned()
}

/// What a text is as a file of a format, on standard input.
fn piped(text: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.args(["import", "-"]).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

fn csv(text: &str) -> Value {
    let output = piped(text, &["--format", "csv", "--gamma", "0.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn csv_refused(text: &str) -> String {
    message(&piped(text, &["--format", "csv", "--gamma", "0.5"]))
}

/// A number of a problem, as a double.
fn double(number: &Value) -> f64 {
    match number.as_str() {
        Some(text) => {
            let (a, b) = text.split_once('/').unwrap_or((text, "1"));
            a.parse::<f64>().unwrap() / b.parse::<f64>().unwrap()
        }
        None => number.as_f64().unwrap(),
    }
}

/// `V` of the problem's policy, by elimination.
fn state_values(problem: &Value) -> Vec<f64> {
    let rewards = problem["environment"]["rewards"].as_array().unwrap();
    let logits = problem["policy"]["logits"].as_array().unwrap();
    let gamma = double(&problem["gamma"]);
    let n = rewards.len();
    let mut system = vec![vec![0.0; n + 1]; n];
    let policy = |s: usize, a: usize| {
        let weight = |logit: &Value| if logit.is_null() { 0.0 } else { double(logit).exp() };
        let row = logits[s].as_array().unwrap();
        weight(&row[a]) / row.iter().map(weight).sum::<f64>()
    };
    for s in 0..n {
        system[s][s] = 1.0;
        for (a, reward) in rewards[s].as_array().unwrap().iter().enumerate().filter(|(_, r)| !r.is_null()) {
            system[s][n] += policy(s, a) * double(reward);
        }
    }
    for entry in problem["environment"]["transitions"].as_array().unwrap() {
        let [s, a, t] = [0, 1, 2].map(|i| entry[i].as_u64().unwrap() as usize);
        system[s][t] -= gamma * policy(s, a) * double(&entry[3]);
    }
    for pivot in 0..n {
        for row in 0..n {
            let factor = system[row][pivot] / system[pivot][pivot];
            if row != pivot {
                for column in pivot..=n {
                    system[row][column] -= factor * system[pivot][column];
                }
            }
        }
    }
    (0..n).map(|s| system[s][n] / system[s][s]).collect()
}

fn value(problem: &Value) -> f64 {
    let initial = problem["initial"].as_array().unwrap().iter().map(double);
    initial.zip(state_values(problem)).map(|(rho, v)| rho * v).sum()
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= SOLVED * expected.abs(), "{found}, expected {expected}");
}

#[test]
fn a_table_of_gymnasium_ends_episodes() {
    let (text, notes) = imported(&["frozen-lake.csv", "--gamma", "0.9"]);
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["terminal"], json!([5, 7, 11, 12, 15]));
    assert_eq!(problem["policy"]["logits"][5], json!([null, null, null, null]));
    assert_eq!(problem["environment"]["rewards"][5], json!([null, null, null, null]));
    assert!(
        text.contains("\n      [0, 0, 0, 0.66666666666666667], [0, 0, 4, 0.33333333333333337],\n"),
        "{text}"
    );
    assert_eq!(
        problem["environment"]["rewards"][14],
        json!([0, 0.33333333333333337, 0.3333333333333333, 0.33333333333333337])
    );
    assert_eq!(
        notes,
        [
            "frozen-lake.csv: terminal: states 5, 7, 11, 12, 15; their transitions are dropped",
            "frozen-lake.csv: no initial state is given: it is state 0",
        ]
    );
    // The same as NumPy has it.
    assert_near(value(&problem), 0.004477260687877844);
    assert_near(value(&self::problem(&["frozen-lake.npz"])), 0.004477260687877844);
}

#[test]
fn the_forest_of_pymdptoolbox_has_actions_first() {
    let (text, notes) = imported(&["forest.npz", "--gamma", "0.96"]);
    let expected = r#"{
  "format": "pemdp-problem/1",
  "gamma": 0.96,
  "initial": [1, 0, 0],
  "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]},
  "environment": {
    "kind": "fixed",
    "transitions": [
      [0, 0, 0, 0.1], [0, 0, 1, 0.9],
      [0, 1, 0, 1],
      [1, 0, 0, 0.1], [1, 0, 2, 0.9],
      [1, 1, 0, 1],
      [2, 0, 0, 0.1], [2, 0, 2, 0.9],
      [2, 1, 0, 1]
    ],
    "rewards": [[0, 0], [0, 1], [4, 2]]
  }
}
"#;
    assert_eq!(text, expected);
    assert_eq!(notes, ["forest.npz: no initial state is given: it is state 0"]);
    assert_near(value(&problem(&["forest.npz", "--gamma", "0.96"])), 17.064000000000014);
    assert_eq!(refused(&["forest.npz"]), "forest.npz: has no discount factor, expected --gamma G");
}

#[test]
fn layouts_and_types_of_arrays_are_the_same_model() {
    let (plain, _) = imported(&["sat.npz"]);
    let problem: Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(
        problem["environment"]["rewards"],
        json!([[0.75, 2, 5], [6.5, 8.75, 10]]),
        "means of next states"
    );
    assert_near(value(&problem), 8.307692307692308);
    assert_eq!(imported(&["ast-big-endian-fortran.npz"]).0, plain);
    assert_eq!(imported(&["sparse.npz", "rewards.npy", "--gamma", "0.5"]).0, plain);
    assert_eq!(
        refused(&["sat.npz", "--axes", "ast"]),
        "sat.npz: P: P has shape [2, 3, 2], expected [S, A, S] or [A, S, S], and --axes to agree"
    );
}

#[test]
fn means_of_doubles_are_exact() {
    let problem = problem(&["tenths.npz", "--axes", "sat"]);
    // What Python's fractions say of 0.3 * 0.1 + 0.7 * 0.2.
    let mean = "110336308243865086745985076806287/649037107316853453566312041152512";
    assert_eq!(problem["environment"]["rewards"][0], json!([0.1, mean]));
}

#[test]
fn rewards_of_what_cannot_happen_are_dropped_with_a_line() {
    let (text, notes) = imported(&["absent.npz"]);
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["environment"]["rewards"], json!([[1, 2], [null, 4], [null, null]]));
    assert_eq!(problem["terminal"], json!([2]));
    assert_eq!(
        problem["policy"],
        json!({"kind": "probabilities", "values": [[0.25, 0.75], [null, 1], [null, null]]})
    );
    assert_eq!(
        notes,
        [
            "absent.npz: 1 reward is dropped, of states and actions without transitions",
            "absent.npz: terminal, for want of transitions: state 2",
            "absent.npz: no initial state is given: it is state 0",
        ]
    );
}

#[test]
fn an_archive_may_have_a_policy_and_an_initial_distribution() {
    let problem = problem(&["policy.npz"]);
    assert_eq!(problem["policy"], json!({"kind": "softmax", "logits": [[0.5, -0.25, 1.5], [0, 0, -1]]}));
    assert_eq!(problem["initial"], json!([0.25, 0.75]));
    assert_near(value(&problem), 13.25853782393188);
}

#[test]
fn rows_are_divided_by_their_sums_only_when_told() {
    let arguments = ["float32.npz", "--gamma", "0.9", "--axes", "sat"];
    assert_eq!(
        refused(&arguments),
        "float32.npz: the probabilities of state 0, action 0 sum to 1.0000000298023224, expected 1 up to 1e-9; --normalise \
         divides each row by its sum"
    );
    let (text, notes) = imported(&[&arguments[..], &["--normalise"]].concat());
    assert_eq!(
        notes[0],
        "float32.npz: 5 rows of probabilities are divided by their sums; the largest change is 1.9e-7, in state 1, action 0"
    );
    assert!(text.contains(r#"[0, 0, 0, "1/3"], [0, 0, 1, "1/3"], [0, 0, 2, "1/3"],"#), "{text}");
    assert!(text.contains("[2, 1, 0, 0.23636969923973083]"), "what sums to 1 stays: {text}");
    assert_near(value(&serde_json::from_str(&text).unwrap()), 11.203134223326112);
    let square = refused(&["float32.npz", "--gamma", "0.9", "--axes", "ast"]);
    assert!(square.starts_with("float32.npz: transitions: transitions has shape [3, 2, 3]"), "{square}");
}

#[test]
fn names_are_numbered_in_the_order_of_their_appearance() {
    let (text, notes) = imported(&["shop.tsv", "--gamma", "9/10", "--initial", "full"]);
    let expected = r#"{
  "format": "pemdp-problem/1",
  "gamma": "9/10",
  "initial": [0, 1],
  "policy": {"kind": "softmax", "logits": [[0, 0, null], [null, 0, 0]]},
  "names": {"states": ["empty", "full"], "actions": ["order", "wait", "sell"]},
  "environment": {
    "kind": "fixed",
    "transitions": [
      [0, 0, 0, 0.1], [0, 0, 1, 0.9],
      [0, 1, 0, 1],
      [1, 1, 1, 1],
      [1, 2, 0, "1/3"], [1, 2, 1, "2/3"]
    ],
    "rewards": [[4.4, 0, null], [null, 0.5, 1]]
  }
}
"#;
    assert_eq!(text, expected);
    assert_eq!(
        notes,
        ["shop.tsv: lines that begin with # are skipped: 1", "shop.tsv: the column \"note\" is dropped",]
    );
}

#[test]
fn what_is_wrong_in_a_table_is_one_line_with_its_place() {
    let cases = [
        ("", "is empty, expected a header such as state,action,next,probability,reward"),
        (
            "a,b\n",
            "line 1: has no column \"state\", expected a header such as state,action,next,probability,reward, but it is \"a,b\"",
        ),
        ("s,a,t,p\n0,0,0\n", "line 2: has 3 fields, expected 4 as in the header"),
        (
            "s,a,t,p\n0,0,0,x\n",
            "line 2: the probability is \"x\", expected a number such as 0.25, 1e-3 or 1/3",
        ),
        ("s,a,t,p\n0,0,0,-1\n", "line 2: the probability is -1, expected a number from 0 to 1"),
        ("s,a,t,p\n0,0,-1,1\n", "line 2: the state is \"-1\", expected an integer from 0, or a name"),
        (
            "s,a,t,p,done\n0,0,1,1,maybe\n",
            "line 2: whether the episode ends is \"maybe\", expected true or false",
        ),
        (
            "s,a,t,p\n\n0,0,0,0.5\n0,0,1,0.4\n",
            "line 3: the probabilities of state 0, action 0 sum to 0.9, expected 1 up to 1e-9; --normalise divides each row by its sum",
        ),
        (
            "s,a,t,p\n0,0,0,0\n",
            "line 2: the probabilities of state 0, action 0 sum to 0, expected 1 up to 1e-9",
        ),
        (
            "s,a,t,p,r\n0,0,0,0.5,1\n0,0,0,0.5,2\n",
            "line 3: the reward of state 0, action 0, next state 0 is 2, and 1 before in line 2; expected one",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(csv_refused(text), format!("standard input: {expected}"), "{text:?}");
    }
    let far = csv_refused("s,a,t,p\n0,0,0,1\n4000000000,0,0,1\n");
    assert!(far.contains("has 4000000001 states and 1 actions for 2 transitions"), "{far}");
    let format = message(&piped("s,a,t,p\n0,0,0,1\n", &["--gamma", "0.5"]));
    assert!(
        format.contains("standard input: has another extension") && format.ends_with("expected --format"),
        "{format}"
    );
    let gamma = message(&piped("s,a,t,p\n0,0,0,1\n", &["--format", "csv", "--gamma", "1.5"]));
    assert_eq!(gamma, "gamma is 1.5, expected a number from 0 to 1");
}

#[test]
fn tables_are_read_as_people_write_them() {
    let plain = csv("state,action,next,probability,reward\n0,0,0,0.5,1\n0,0,1,0.5,1\n1,0,0,1,2\n");
    let others = [
        "\u{feff}s;a;s_next;prob;r\r\n0;0;0;0.5;1\r\n0;0;1;0.5;1\r\n1;0;0;1;2\r\n",
        "# s\ta\ts'\tp\tr\n0.0\t0.0\t0.0\t.5\t1.\n0\t0\t1\t5e-1\t1\n1\t0\t0\t1\t2\n",
        "P, Reward, Next State, Action, State\n1, 2, 0, 0, 1\n\n0.25, 1, 0, 0, 0\n0.5, 1, 1, 0, 0\n0.25, 1, 0, 0, 0\n",
        "\"s\",\"a\",\"t\",\"p\",\"r\"\n\"0\",\"0\",\"0\",0.5,1\n0,0,1,0.5,1\n1,0,0,1,2\n",
    ];
    for other in others {
        let other = csv(other);
        assert_eq!(other["environment"]["rewards"], plain["environment"]["rewards"]);
        let entries = |problem: &Value| -> Vec<f64> {
            let entries = problem["environment"]["transitions"].as_array().unwrap();
            entries.iter().flat_map(|entry| entry.as_array().unwrap()).map(double).collect()
        };
        assert_eq!(entries(&other), entries(&plain));
    }
}

#[test]
fn an_episode_that_ends_where_others_go_on_ends_in_a_state_of_its_own() {
    let text = "s,a,t,p,r,done\n0,0,1,0.5,0,False\n0,0,1,0.5,0,True\n1,0,0,1,2,False\n1,1,0,1,6,True\n";
    let output = piped(text, &["--format", "csv", "--gamma", "0.5", "--initial", "uniform"]);
    let problem: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problem["terminal"], json!([2]));
    assert_eq!(problem["initial"], json!([0.5, 0.5, 0]));
    assert_eq!(
        problem["environment"]["transitions"],
        json!([[0, 0, 1, 0.5], [0, 0, 2, 0.5], [1, 0, 0, 1], [1, 1, 2, 1]])
    );
    assert_eq!(problem["environment"]["rewards"], json!([[0, null], [2, 6], [null, null]]));
    // V0 = V1/4, V1 = 4 + V0/4.
    assert_near(state_values(&problem)[1], 64.0 / 15.0);
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains("states 0, 1 end some episodes and not others"), "{note}");
}

#[test]
fn storms_models_add_up_rewards_of_states_and_actions() {
    let (text, notes) = imported(&["repair.drn", "--gamma", "0.9", "--rewards", "profit"]);
    let expected = r#"{
  "format": "pemdp-problem/1",
  "gamma": 0.9,
  "initial": [1, 0, 0, 0],
  "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [null, null], [null, null]]},
  "terminal": [2, 3],
  "environment": {
    "kind": "fixed",
    "transitions": [
      [0, 0, 0, "2/3"], [0, 0, 1, "1/3"],
      [0, 1, 0, 1],
      [1, 0, 1, 0.75], [1, 0, 2, 0.25],
      [1, 1, 0, 1]
    ],
    "rewards": [[3, 1], [2.5, -1], [null, null], [null, null]]
  }
}
"#;
    assert_eq!(text, expected);
    assert_eq!(
        notes,
        [
            "repair.drn: other reward models are dropped: visits",
            "repair.drn: labels other than init are dropped: new, worn out",
            "repair.drn: names of actions are dropped: they are numbered in each state",
            "repair.drn: comments on states (such as valuations) are dropped",
            "repair.drn: terminal: state 2; its transitions are dropped",
            "repair.drn: terminal, for want of transitions: state 3",
        ]
    );
    assert_eq!(
        refused(&["repair.drn", "--gamma", "0.9"]),
        "repair.drn: has the reward models profit, visits, expected one: --rewards NAME chooses"
    );
    // A loop that pays is none of a state without actions.
    let visits = problem(&["repair.drn", "--gamma", "0.9", "--rewards", "visits"]);
    assert_eq!((&visits["terminal"], &visits["environment"]["rewards"][2]), (&json!([3]), &json!([1, null])));
}

#[test]
fn what_is_wrong_in_storms_format_is_one_line_with_its_place() {
    let file = |head: &str, body: &str| format!("{head}@reward_models\n\n@nr_states\n1\n@model\n{body}");
    let (mdp, good) = ("@type: MDP\n@parameters\n\n", "state 0 init\n\taction 0\n\t\t0 : 1\n");
    let cases = [
        (file(mdp, good), ""),
        (file("@type: DTMC\n", "state 0 init\n\t0 : 1\n"), ""),
        (file("@type: CTMC\n", good), "line 1: the type is CTMC, expected MDP or DTMC"),
        (
            file("@type: MDP\n@parameters\np q\n", good),
            "line 2: has the parameters p q, expected a model with numbers in their place",
        ),
        (
            file("@type: MDP\n@value_type: double-interval\n", good),
            "line 2: the value type is double-interval, expected double or rational",
        ),
        (file(mdp, "state 1\n"), "line 9: the state is \"1\", expected an integer from 0 to 0"),
        (
            file(mdp, "state 0\n\taction 0\n\t\t0 : p\n"),
            "line 11: the probability is \"p\", expected a number such as 0.25, 1e-3 or 1/3",
        ),
        (
            file(mdp, "state 0\n\taction 0\n\taction 1\n\t\t0 : 1\n"),
            "line 11: the action of line 10 has no transitions, expected one",
        ),
        (file(mdp, ""), "has 0 states, expected 1 as in @nr_states"),
        ("@type: MDP\n".to_owned(), "has no @model, expected Storm's explicit format"),
    ];
    for (text, expected) in cases {
        let output = piped(&text, &["--format", "drn", "--gamma", "0.5"]);
        match expected {
            "" => assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr)),
            _ => assert_eq!(message(&output), format!("standard input: {expected}")),
        }
    }
}

#[test]
fn prisms_files_are_one_model() {
    let files = ["walk.tra", "walk.lab", "walk.srew", "walk.trew", "walk.sta"];
    let (text, notes) = imported(&[&files[..], &["--gamma", "0.9"]].concat());
    let expected = r#"{
  "format": "pemdp-problem/1",
  "gamma": 0.9,
  "initial": [0, 1, 0, 0],
  "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [null, null], [0, null]]},
  "terminal": [2],
  "environment": {
    "kind": "fixed",
    "transitions": [
      [0, 0, 1, 1],
      [0, 1, 0, 0.5], [0, 1, 2, 0.5],
      [1, 0, 0, 0.1], [1, 0, 2, 0.2], [1, 0, 3, 0.7],
      [1, 1, 3, 1],
      [3, 0, 3, 1]
    ],
    "rewards": [[3, 1], ["-2/15", 0.5], [null, null], [0, null]]
  }
}
"#;
    assert_eq!(text, expected, "0.2/3 - 0.7 + 0.5 = -2/15");
    assert_eq!(
        notes,
        [
            "walk.tra: names of actions are dropped: they are numbered in each state",
            "walk.tra: labels other than init are dropped: goal",
            "walk.tra: valuations of states (.sta) are dropped",
            "walk.tra: terminal: state 2; its transitions are dropped",
        ]
    );
    let two = [&files[..], &["coins.srew", "--gamma", "0.9"]].concat();
    assert_eq!(
        refused(&two),
        "the files have the reward structures coins, steps, expected one: --rewards NAME chooses"
    );
    let coins = problem(&[&two[..], &["--rewards", "coins"]].concat());
    assert_eq!(coins["environment"]["rewards"], json!([[0, 0], [0, 0], [null, null], [1, null]]));
    let chain = problem(&["chain.tra", "--gamma", "0.9", "--initial", "2"]);
    assert_eq!(
        (&chain["initial"], &chain["environment"]["rewards"]),
        (&json!([0, 0, 1]), &json!([[0], [0], [0]]))
    );
    assert_eq!(
        refused(&["walk.lab", "--gamma", "0.9"]),
        "0 files .tra and 1 .lab are given, expected one .tra and at most one .lab"
    );
    assert_eq!(
        refused(&["chain.tra", "walk.srew", "--gamma", "0.9"]),
        "walk.srew: begins with 4 states, expected 3 as the model has"
    );
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("problem.json");
    let output = ["--output", path.to_str().unwrap()];
    let (text, _) = imported(&[&["sat.npz"], &output[..]].concat());
    assert_eq!((text.as_str(), fs::read_to_string(&path).unwrap()), ("", imported(&["sat.npz"]).0));
    refused(&[&["forest.npz"], &output[..]].concat());
    assert_eq!(fs::read_to_string(&path).unwrap(), imported(&["sat.npz"]).0);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
