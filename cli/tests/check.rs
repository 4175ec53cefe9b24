//! `pemdp check` as people run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.arg("check").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// One line on standard error, nothing on standard output, status 2.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(output), "");
    std::str::from_utf8(&output.stderr).unwrap().to_owned()
}

#[test]
fn the_claims_are_listed() {
    let listed = check(&["--list"]);
    assert_eq!(listed.status.code(), Some(0));
    assert!(out(&listed).lines().count() > 25 && out(&listed).contains("Policy gradient theorem"));
    let json: Value = serde_json::from_str(out(&check(&["--list", "--json"]))).unwrap();
    let ids: Vec<&str> = json.as_array().unwrap().iter().map(|claim| claim["id"].as_str().unwrap()).collect();
    let claims = "L1 T2 T2e L3 L3x L5 L5x L5t L5c L6 L6x T3 T4 T5 PS CH1 CH2 CH3 CH4 LR AB EX EN";
    for id in claims.split(' ') {
        assert!(ids.contains(&id), "{id} is missing");
    }
}

#[test]
fn nonsense_is_refused_in_a_line() {
    let message = refused(&check(&["T2", "T99"]));
    assert!(message.contains("'T99'") && message.contains("L5x") && message.lines().count() == 1);
    for budget in ["0", "-1", "nan", "inf", "1e300", "soon"] {
        assert!(refused(&check(&["--budget", budget])).contains("--budget"));
    }
    for instances in ["0", "-3", "1.5", "1000000000000"] {
        assert!(refused(&check(&["--instances", instances])).contains("--instances"));
    }
    refused(&check(&["--budget", "1", "--instances", "1"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let message = refused(&check(&["L1", "--instances", "1", "--out", path]));
    assert!(message.contains(path) && message.lines().count() == 1);
    assert!(message.ends_with("is a file, expected a directory\n"), "{message}");
}

#[test]
fn a_report_has_what_the_format_says() {
    let output = check(&["t2", "AG1", "--instances", "10", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "silent on a pipe");
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(report["format"], "pemdp-report/1");
    let claims = report["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 2);
    let t2 = &claims[0];
    assert_eq!(
        (&t2["id"], &t2["verdict"], &t2["expected"]),
        (&"T2".into(), &"refuted".into(), &"refuted".into())
    );
    assert_eq!((&t2["evidence"], &t2["certificate"]), (&"exact".into(), &"T2.json".into()));
    assert!(t2["margin"].as_f64().unwrap() < 0.0 && t2["instances"].as_u64().unwrap() > 10);
    for key in ["statement", "source", "note"] {
        assert!(!t2[key].as_str().unwrap().is_empty());
    }
    assert!(t2["mutants"].as_array().unwrap().iter().all(|mutant| mutant["refuted"] == true));
    assert_eq!(claims[1]["certificate"], Value::Null);
}

#[test]
fn output_is_json_on_a_pipe_and_a_table_where_asked_for() {
    let arguments = ["AG1", "--instances", "2"];
    let with = |more: &[&str]| check(&[&arguments, more].concat());
    let plain = with(&[]);
    assert_eq!(plain.stdout, with(&["--json"]).stdout);
    let report: Value = serde_json::from_str(out(&plain)).unwrap();
    assert!(report["claims"][0]["mutants"].is_array());
    let table = with(&["--table"]);
    assert!(out(&table).contains("mutants") && out(&table).contains("AG1"), "{}", out(&table));
    assert!(
        out(&table).ends_with("--budget SECONDS (default 45) takes more or fewer instances\n"),
        "{}",
        out(&table)
    );
    assert_eq!(with(&["--table", "--json"]).status.code(), Some(2));
    assert_eq!(check(&["--list"]).stdout, check(&["--list", "--table"]).stdout);
}

#[test]
fn nothing_is_said_of_mutants_that_did_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    for style in ["--table", "--json"] {
        let output = check(&["AG1", "L1", "--instances", "2", "--no-mutants", style, "--out", place]);
        assert_eq!(output.status.code(), Some(0));
        let text = out(&output).to_lowercase();
        assert!(!text.contains("mutant") && !text.contains("wrong version"), "{text}");
    }
    // But for the command that makes the page again.
    let page = fs::read_to_string(directory.path().join("report.html")).unwrap().to_lowercase();
    assert!(!page.replace("--no-mutants", "").contains("mutant"), "{page}");
}

/// Names and contents of the files of a directory.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(entry).collect();
    files.sort();
    files
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let run = |threads: &str, seed: &str| {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("new/report");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
        command
            .args(["check", "L1", "L3", "L5s", "CH4", "--instances", "30", "--seed", seed, "--out"])
            .arg(&inside);
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        (output.stdout, files(&inside))
    };
    let (one, two, other) = (run("1", "5"), run("2", "5"), run("2", "6"));
    assert_eq!(one, two);
    assert_ne!(one.1, other.1);
    let names: Vec<&str> = one.1.iter().map(|file| file.0.as_str()).collect();
    for name in ["report.html", "report.json", "margins.svg", "curvature-growth.svg", "L1.json", "L3.json"] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    assert!(names.iter().all(|name| !name.starts_with('.')), "no temporary file remains: {names:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    // L1 is done at once, the rest is not.
    command.args(["check", "--budget", "600", "--json", "--out"]).arg(directory.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(report["interrupted"], true);
    assert!(directory.path().join("report.html").is_file());
}
