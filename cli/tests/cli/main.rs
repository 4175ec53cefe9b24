//! The program as people run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../../tests/common/tolerances.rs"]
mod tolerances;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tolerances::ILL_CONDITIONED;

mod arrays;
mod frames;
mod producers;
mod readme;
mod verify;

/// A run that should have ended by now.
const PATIENCE: Duration = Duration::from_secs(20);

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pemdp"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = program();
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that refuses its arguments does not read.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_str(out(output)).unwrap()
}

/// The JSON of a run that must end well.
fn json_of(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert_eq!(status(&output), 0, "{}", err(&output));
    assert_eq!(err(&output), "");
    parsed(&output)
}

/// Asserts that a run was refused with one line on standard error only, and
/// gives that line.
fn refusal(output: &Output) -> String {
    assert_eq!(status(output), 2, "{}", err(output));
    assert_eq!(out(output), "");
    let text = err(output);
    assert!(text.starts_with("pemdp: ") && text.ends_with('\n'), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(!text.contains('\u{1b}') && text.len() < 3000, "{text}");
    text.trim_end().to_owned()
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }

    fn example(&self, name: &str) -> String {
        let output = run(&["example", name]);
        assert_eq!(status(&output), 0);
        self.write(&format!("{name}.json"), output.stdout)
    }
}

fn example(name: &str) -> Value {
    json_of(&["example", name])
}

/// A problem whose value, 1/(1 - gamma), tells which one it is.
fn telling(gamma: f64) -> String {
    json!({
        "format": "pemdp-problem/1", "gamma": gamma, "initial": [1],
        "policy": {"kind": "weights", "values": [[1]]},
        "environment": {"kind": "fixed", "transitions": [[[1]]], "rewards": [[1]]}
    })
    .to_string()
}

#[test]
fn alone_it_shows_one_screen() {
    let alone = run(&[]);
    let help = run(&["--help"]);
    assert_eq!(alone.stdout, help.stdout);
    for output in [&alone, &help] {
        assert_eq!(status(output), 0);
        assert_eq!(err(output), "");
        let lines: Vec<&str> = out(output).lines().collect();
        assert!(lines.len() <= 32, "{}", out(output));
        for part in ["example", "eval", "verify", "pemdp example two-state"] {
            assert!(out(output).contains(part), "{part}");
        }
    }
    let version = run(&["--version"]);
    assert_eq!((status(&version), out(&version)), (0, concat!("pemdp ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn usage_errors_have_status_2() {
    let cases: [&[&str]; 9] = [
        &["nonsense"],
        &["eval"],
        &["eval", "a", "b"],
        &["eval", "--jobs", "0", "a"],
        &["eval", "--json", "--table", "a"],
        &["eval", "--example", "coin", "a"],
        &["eval", "--lines", "--table", "a"],
        &["verify", "a"],
        &["verify", "a", "b", "--lines"],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert_eq!((status(&output), out(&output)), (2, ""), "{arguments:?}");
        let told = err(&output);
        assert!(told.starts_with("pemdp: ") && told.ends_with("; see --help\n"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn schemas_are_those_of_the_documentation() {
    let schemas = [
        ("problem", include_str!("../../../docs/schema/problem.json")),
        ("answer", include_str!("../../../docs/schema/answer.json")),
    ];
    for (name, schema) in schemas {
        let output = run(&["schema", name]);
        assert_eq!((status(&output), out(&output)), (0, schema));
    }
    assert_eq!(status(&run(&["schema", "nonsense"])), 2);
}

#[test]
fn examples_are_listed_and_all_evaluate() {
    let listed = run(&["example"]);
    let names: Vec<&str> = out(&listed).lines().map(|line| line.split(' ').next().unwrap()).collect();
    let as_json = json_of(&["example", "--json"]);
    let names_in_json: Vec<&str> =
        as_json.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, names_in_json);
    assert!(as_json.as_array().unwrap().iter().all(|entry| !entry["about"].as_str().unwrap().is_empty()));
    for name in names {
        assert_eq!(example(name)["format"], "pemdp-problem/1", "{name}");
        assert_eq!(run(&["example", name]).stdout, run(&["example", name, "--json"]).stdout);
        let answer = json_of(&["eval", "--example", name]);
        assert_eq!(answer["format"], "pemdp-answer/1", "{name}");
        let table = run(&["eval", "--table", "--example", name]);
        assert_eq!((status(&table), err(&table)), (0, ""), "{name}");
        assert!(out(&table).contains("Printed Theorem 2"), "{name}");
        assert!(!out(&table).contains('\u{1b}'), "{name}");
        assert!(!out(&table).contains("NaN"), "{name}: {}", out(&table));
    }
}

#[test]
fn an_unknown_example_is_refused_with_what_there_is() {
    for arguments in [&["example", "no-such"][..], &["eval", "--example", "no-such"]] {
        let message = refusal(&run(arguments));
        for part in ["'no-such'", "gridworld", "two-state"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn a_file_standard_input_and_an_example_give_the_same_answer() {
    let files = Files::new();
    let file = files.example("exponential-family");
    let from_file = run(&["eval", &file]);
    let from_input = run_with_input(&["eval", "-"], &fs::read(&file).unwrap());
    let from_example = run(&["eval", "--example", "exponential-family", "--json"]);
    assert_eq!(status(&from_file), 0);
    assert_eq!(from_file.stdout, from_input.stdout);
    assert_eq!(from_file.stdout, from_example.stdout);
}

#[test]
fn answers_have_keys_one_a_line_and_arrays_on_one() {
    let output = run(&["eval", "--example", "affine"]);
    let answer = parsed(&output);
    let lines: Vec<&str> = out(&output).lines().collect();
    for key in ["format", "value", "state_values", "action_values", "occupancy", "gradient", "smooth"] {
        let start = format!("  \"{key}\": ");
        let line = lines.iter().find(|line| line.starts_with(&start)).unwrap();
        let value: Value = serde_json::from_str(line[start.len()..].trim_end_matches(',')).unwrap();
        assert_eq!(value, answer[key]);
    }
}

#[test]
fn the_exact_answer_is_in_fractions() {
    let answer = json_of(&["eval", "--exact", "--example", "two-state"]);
    assert_eq!(answer["gradient"], json!(["3/16", "1/16"]));
    assert_eq!(answer["error_bounds"]["gradient"], "0");
    let table = run(&["eval", "--exact", "--table", "--example", "two-state"]);
    assert_eq!(status(&table), 0);
    assert!(out(&table).contains("3/16") && out(&table).contains("1/16"), "{}", out(&table));
    let message = refusal(&run(&["eval", "--exact", "--example", "gridworld"]));
    assert!(message.starts_with("pemdp: example gridworld: "), "{message}");
}

#[test]
fn exact_reads_decimals_as_they_are_spelled() {
    let answer = run_with_input(&["eval", "--exact", "-"], telling(0.1).as_bytes());
    assert_eq!(parsed(&answer)["value"], "10/9");
}

#[test]
fn doubles_round_trip() {
    for name in ["gridworld", "exponential-family", "fixed"] {
        let output = run(&["eval", "--example", name]);
        let text = out(&output);
        let tokens = text.split(|c: char| !(c.is_ascii_digit() || "+-.e".contains(c)));
        let mut seen = 0;
        for token in tokens.filter(|token| token.contains('.')) {
            let number: f64 = token.parse().unwrap();
            let again = serde_json::to_string(&number).unwrap();
            assert_eq!(again.parse::<f64>().unwrap().to_bits(), number.to_bits());
            assert_eq!(again, token, "not the shortest spelling");
            seen += 1;
        }
        assert!(seen > 10);
    }
}

#[test]
fn the_table_of_the_gridworld_has_values_arrows_and_the_gap() {
    let uniform = run(&["eval", "--table", "--example", "gridworld"]);
    let greedy = run(&["eval", "--table", "--example", "gridworld-start"]);
    for part in [
        "64 states, 4 actions",
        "0.9",
        "softmax",
        "-0.3702056374030",
        " ± ",
        "0.0197575",
        "cosine",
        "angle",
        "·",
    ] {
        assert!(out(&uniform).contains(part), "{part}");
    }
    let arrows: Vec<char> = out(&greedy).chars().filter(|c| "←→↑↓".contains(*c)).collect();
    assert_eq!(arrows.len(), 64);
    // The first rows of docs/gridworld.md: R D R R R R R D, R D D U D R R D.
    assert_eq!(arrows[..16].iter().collect::<String>(), "→↓→→→→→↓→↓↓↑↓→→↓");
}

/// Two rows of three cells, the last one terminal.
#[test]
fn the_table_of_another_grid_has_its_rows_and_columns() {
    let problem = r#"{"format": "pemdp-problem/1", "gamma": 0.9,
        "policy": {"kind": "softmax", "logits": [[0,1,0,0],[0,0,0,1],[0,0,0,1],[0,1,0,0],[0,1,0,0],[0,0,0,0]]},
        "environment": {"kind": "gridworld", "beta": 5, "cells": [[0,-0.5,0],[0,0,1]], "eps": 0, "followers": 1}}"#;
    let output = run_with_input(&["eval", "--table", "-"], problem.as_bytes());
    assert_eq!(status(&output), 0, "{}", err(&output));
    let table = out(&output);
    assert!(table.contains("2 x 3 cells") && table.contains("6 states, 4 actions"), "{table}");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let after = |title: &str| lines.iter().position(|line| line.join(" ").starts_with(title)).unwrap() + 1;
    let values = &lines[after("State values by row and column")..];
    assert_eq!((&values[0], values[2].len(), values[3].len()), (&vec!["0", "1", "2"], 4, 4));
    assert_eq!((values[3][0], values[3][3]), ("1", "0.0000"));
    let moves = &lines[after("Most probable actions")..];
    assert_eq!(moves[..2], [["→", "↓", "↓"], ["→", "→", "·"]]);
}

#[test]
fn the_table_of_many_states_says_what_it_leaves_out() {
    let n = 30;
    let row = vec![format!("\"1/{n}\""); n].join(", ");
    let problem = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [{row}],
            "policy": {{"kind": "weights", "values": [{values}]}},
            "environment": {{"kind": "fixed", "transitions": [{rows}], "rewards": [{rewards}]}}}}"#,
        values = vec!["[1]"; n].join(", "),
        rows = vec![format!("[[{row}]]"); n].join(", "),
        rewards = vec!["[1]"; n].join(", "),
    );
    let output = run_with_input(&["eval", "--table", "-"], problem.as_bytes());
    assert_eq!(status(&output), 0, "{}", err(&output));
    assert!(out(&output).contains("(10 more of 30 states; --json prints all)"), "{}", out(&output));
}

#[test]
fn lines_are_answered_in_order() {
    let gammas: Vec<f64> = (0..60).map(|i| f64::from(i) / 64.0).collect();
    let heavy = serde_json::to_string(&example("gridworld")).unwrap();
    let mut lines: Vec<String> = vec![heavy];
    lines.extend(gammas.iter().map(|gamma| telling(*gamma)));
    let files = Files::new();
    let file = files.write("batch.jsonl", lines.join("\n"));
    for jobs in ["1", "2"] {
        let output = run(&["eval", &file, "--jobs", jobs]);
        assert_eq!((status(&output), err(&output)), (0, ""));
        let values: Vec<f64> = out(&output)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].as_f64().unwrap())
            .collect();
        assert_eq!(values.len(), 61);
        for (gamma, value) in gammas.iter().zip(&values[1..]) {
            assert!((value - 1.0 / (1.0 - gamma)).abs() < ILL_CONDITIONED, "{gamma}: {value}");
        }
    }
}

#[test]
fn a_bad_line_gives_an_error_in_its_place() {
    let good = telling(0.5);
    let bad = good.replace("[[[1]]]", "[[[2]]]");
    let mut input = format!("{good}\n\n  \t\n{bad}\r\n{{ nonsense\n").into_bytes();
    input.extend_from_slice(b"\"\xff\"\n");
    input.extend_from_slice(good.as_bytes());
    for jobs in ["1", "2"] {
        let output = run_with_input(&["eval", "--lines", "--jobs", jobs, "-"], &input);
        assert_eq!(status(&output), 2);
        let lines: Vec<Value> =
            out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5, "{}", out(&output));
        let error = |i: usize| lines[i]["error"].as_str().unwrap().to_owned();
        assert_eq!(lines[0]["value"], 2.0);
        assert!(error(1).starts_with("line 4: environment.transitions[0][0]"), "{}", error(1));
        assert_eq!(error(2), "line 5: is not JSON: key must be a string, column 3");
        assert!(error(3).starts_with("line 6: ") && error(3).contains("UTF-8"), "{}", error(3));
        assert_eq!(lines[4]["value"], 2.0);
        let told = err(&output);
        assert!(told.starts_with(&format!("pemdp: standard input: {}", error(1))), "{told}");
        assert!(told.ends_with(" (3 lines have no answer, this is the first)\n"), "{told}");
    }
}

#[test]
fn the_error_of_a_line_has_one_line_number() {
    let files = Files::new();
    let file = files.write("batch.jsonl", format!("{0}\n{0}\n{{\"a\":1,}}\n", telling(0.5)));
    let output = run(&["eval", &file]);
    assert_eq!(status(&output), 2);
    let error = "line 3: is not JSON: a comma too many: key must be a string, column 8";
    assert_eq!(err(&output), format!("pemdp: {file}: {error}\n"));
    let last: Value = serde_json::from_str(out(&output).lines().last().unwrap()).unwrap();
    assert_eq!(last["error"], error);
}

#[test]
fn an_empty_file_of_lines_has_no_answers() {
    let files = Files::new();
    let file = files.write("empty.jsonl", "\n\n");
    let output = run(&["eval", &file]);
    assert_eq!((status(&output), out(&output), err(&output)), (0, "", ""));
}

#[test]
fn exact_lines_are_in_fractions() {
    let input = format!("{}\n{}\n", telling(0.1), telling(0.9));
    let output = run_with_input(&["eval", "--lines", "--exact", "-"], input.as_bytes());
    let values: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].clone())
        .collect();
    assert_eq!(values, ["10/9", "10"]);
}

#[test]
fn an_answer_comes_before_the_next_line() {
    let mut child = program()
        .args(["eval", "--lines", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for gamma in [0.5, 0.75] {
        writeln!(stdin, "{}", telling(gamma)).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while byte != *b"\n" {
            assert_eq!(stdout.read(&mut byte).unwrap(), 1);
            answer.push(byte[0]);
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["value"], 1.0 / (1.0 - gamma));
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_table_of_lines_is_refused() {
    let files = Files::new();
    let file = files.write("batch.jsonl", telling(0.5));
    assert!(refusal(&run(&["eval", "--table", &file])).contains("batch.jsonl"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130_and_keeps_finished_lines() {
    let mut child = program()
        .args(["eval", "--lines", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", telling(0.5)).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0];
    assert_eq!(stdout.read(&mut first).unwrap(), 1);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.ends_with("}\n"));
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
}

#[test]
fn a_closed_pipe_ends_silently() {
    let files = Files::new();
    let many = files.write("many.jsonl", vec![telling(0.5); 2000].join("\n"));
    let gridworld = files.example("gridworld");
    let cases: [&[&str]; 5] = [
        &[],
        &["example", "gridworld"],
        &["eval", &gridworld],
        &["eval", "--table", &gridworld],
        &["eval", &many],
    ];
    for arguments in cases {
        let mut child = program()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(errors, "", "{arguments:?}");
        // 0 where everything was written before the pipe was closed.
        assert!(matches!(code, Some(0 | 141)), "{arguments:?}: {code:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = program().args(["eval", "--example", "coin"]).stdout(full).output().unwrap();
    assert!(refusal(&output).starts_with("pemdp: standard output: "));
}

#[test]
fn bad_input_is_one_line_that_names_file_and_place() {
    let files = Files::new();
    let good = telling(0.5);
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("row.json", good.replace("[[[1]]]", "[[[2]]]").into_bytes(), "environment.transitions[0][0]"),
        ("key.json", good.replace("\"gamma\"", "\"gam\\u001bma\"").into_bytes(), "gam"),
        ("cut.json", good.as_bytes()[..40].to_vec(), "line 1"),
        ("empty.json", Vec::new(), ""),
        ("bytes.json", b"{\"format\": \"\xc3\x28\"}".to_vec(), "UTF-8"),
        ("list.json", b"[]".to_vec(), ""),
    ];
    for (name, content, place) in cases {
        let file = files.write(name, content);
        let message = refusal(&run(&["eval", &file]));
        assert!(message.starts_with(&format!("pemdp: {file}: ")), "{message}");
        assert!(message.contains(place), "{message}");
    }
    let message = refusal(&run_with_input(&["eval", "-"], b"nonsense"));
    assert!(message.starts_with("pemdp: standard input: "), "{message}");
}

#[test]
fn files_that_are_none_are_one_line() {
    let files = Files::new();
    let missing = files.path("missing.json");
    let missing_lines = files.path("missing.jsonl");
    let directory = files.path("directory.jsonl");
    fs::create_dir(&directory).unwrap();
    for path in [&missing, &missing_lines, &directory, &files.0.path().to_owned()] {
        let path = path.to_str().unwrap();
        assert!(refusal(&run(&["eval", path])).starts_with(&format!("pemdp: {path}: ")));
        assert!(refusal(&run(&["verify", path, path])).contains(path));
    }
    assert!(refusal(&run(&["eval", "a\nb\u{1b}[31m"])).contains("a\\nb\\u{1b}[31m"));
}

#[test]
fn too_large_a_file_is_refused_unread() {
    let files = Files::new();
    let path = files.path("large.json");
    fs::File::create(&path).unwrap().set_len((1 << 30) + 1).unwrap();
    let start = Instant::now();
    let message = refusal(&run(&["eval", path.to_str().unwrap()]));
    assert!(message.contains("1073741825") && message.contains("1 GiB"), "{message}");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn deep_nesting_is_refused_at_once() {
    let files = Files::new();
    let deep = [("arrays", "["), ("objects", "{\"a\":"), ("key", "{\"format\":[")];
    for (name, part) in deep {
        let text = part.repeat(10_000_000 / part.len());
        for file in [format!("{name}.json"), format!("{name}.jsonl")] {
            let path = files.write(&file, &text);
            let start = Instant::now();
            let output = run(&["eval", &path]);
            assert_eq!(status(&output), 2, "{file}");
            if file.ends_with(".json") {
                refusal(&output);
            } else {
                assert!(parsed(&output)["error"].as_str().unwrap().starts_with("line 1: "));
            }
            assert!(start.elapsed() < PATIENCE, "{file}");
        }
    }
}
