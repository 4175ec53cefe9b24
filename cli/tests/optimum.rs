//! `pemdp optimum` as people run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tolerances::{GAP, SOLVED, THREE_DIGITS};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.arg("optimum").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn fed(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    let command = command.arg("optimum").args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn optimum(example: &str) -> Value {
    let output = run(&["--example", example, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "silent on a pipe");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn known_optima_are_certified() {
    let examples = [
        ("loan", 0.125),
        ("loan-mdp", 1.0 / 24.0),
        ("coin", -7.0 / 32.0),
        ("local-maximum", 7.5),
        ("two-basins", 2.0),
    ];
    for (example, expected) in examples {
        let found = optimum(example);
        let number = |key: &str| found[key].as_f64().unwrap();
        assert_eq!(
            (&found["format"], &found["certified"]),
            (&"pemdp-optimum/1".into(), &true.into()),
            "{example}"
        );
        // Known to five digits at worst.
        let near = 1e-4;
        assert!(
            number("value") <= expected + near && number("upper_bound") >= expected - near,
            "{example}: {found}"
        );
        assert!(number("gap") <= GAP && number("value") <= number("upper_bound"), "{example}: {found}");
    }
}

#[test]
fn a_supremum_at_infinity_is_not_attained() {
    let found = optimum("two-state");
    assert_eq!((&found["certified"], &found["attained"]), (&true.into(), &false.into()));
}

/// `docs/gridworld.md`: the best policy found and the proven bound.
#[test]
fn the_gap_of_the_gridworld_is_proven() {
    let output = run(&["--example", "gridworld", "--gap", "0.2", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |key: &str| found[key].as_f64().unwrap();
    assert!(number("value") > -0.1341 && number("value") < -0.1340, "{}", found["value"]);
    assert!(number("upper_bound") <= -0.0123, "{}", found["upper_bound"]);
    assert_eq!((&found["certified"], &found["attained"]), (&true.into(), &true.into()));
    assert_eq!((&found["domain"], &found["stop"]), (&"all policies".into(), &"gap".into()));
    assert!(found["nodes"].as_u64().unwrap() > 1_000_000);
    assert_eq!(found["policy"].as_array().unwrap().len(), 64);
}

/// Without time for a proof the bound is that of a learner whom nobody overrides.
#[test]
fn a_gridworld_without_time_has_a_bound_that_needs_none() {
    let example = Command::new(env!("CARGO_BIN_EXE_pemdp")).args(["example", "gridworld"]).output().unwrap();
    let text = String::from_utf8(example.stdout).unwrap();
    let other = text.replace("\"beta\": 5.0", "\"beta\": 4.0");
    assert_ne!(text, other);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("gridworld-beta-4.json");
    std::fs::write(&path, other).unwrap();
    let output = run(&[path.to_str().unwrap(), "--budget", "1e-9", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |key: &str| found[key].as_f64().unwrap();
    assert_eq!((&found["certified"], &found["stop"]), (&false.into(), &"budget".into()));
    assert!((number("upper_bound") - 0.277).abs() < THREE_DIGITS && number("gap") > 0.277, "{found}");
    assert!(number("value") < number("upper_bound"));
}

#[test]
fn what_has_no_bounds_is_refused_in_a_line() {
    for arguments in [
        ["--example", "explicit", "--json"],
        ["--example", "nonsense", "--json"],
        ["--example", "loan", "--gap=-1"],
        ["--example", "loan", "--budget=0"],
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let message = String::from_utf8(run(&["--example", "explicit"]).stderr).unwrap();
    assert!(message.contains("explicit") && message.lines().count() == 1, "{message}");
}

/// Without a search that ends by itself there is an answer all the same, of numbers.
#[test]
fn a_budget_ends_every_search() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/optimum/");
    for name in
        ["dominated-products", "huge-rewards", "huge-loan", "ruinous-loan", "huge-fixed", "gamma-text"]
    {
        for budget in ["1e-9", "0.5"] {
            let vector: Value =
                serde_json::from_slice(&std::fs::read(format!("{folder}{name}.json")).unwrap()).unwrap();
            let output =
                fed(&["-", "--json", "--budget", budget, "--gap", "0"], &vector["problem"].to_string());
            let message = String::from_utf8_lossy(&output.stderr);
            if name == "ruinous-loan" && message.contains("expected within the range of doubles") {
                continue; // so early, the value of the best policy found is below -1e308
            }
            assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{name}: {found}"));
            assert!(number("value") <= number("upper_bound"), "{name}: {found}");
            assert_eq!(found["certified"].as_bool().unwrap(), found["stop"] == "gap", "{name}: {found}");
            for row in found["policy"].as_array().unwrap() {
                let sum: f64 = row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
                assert!((sum - 1.0).abs() < SOLVED, "{name}: {found}");
            }
        }
    }
}
