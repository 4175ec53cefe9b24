//! `pemdp solve` and `pemdp experiment` as people run them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pemdp_algorithms::ALGORITHMS;
use pemdp_experiments::EXPERIMENTS;
use serde_json::Value;
use tolerances::{ILL_CONDITIONED, SOLVED};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// One line on standard error, nothing on standard output, status 2.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!((output.status.code(), out(&output)), (Some(2), ""), "{arguments:?}");
    let message = std::str::from_utf8(&output.stderr).unwrap().to_owned();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn solved(arguments: &[&str]) -> Value {
    let output = run(&[&["solve", "--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "silent on a pipe");
    serde_json::from_str(out(&output)).unwrap()
}

/// The names in the registry.
fn algorithms() -> Vec<String> {
    let listed: Value = serde_json::from_str(out(&run(&["solve", "--list", "--json"]))).unwrap();
    listed.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_trajectory_has_what_the_format_says() {
    let trajectory = solved(&["--example", "loan", "--algorithm", "pepg", "--set", "iterations=3"]);
    assert_eq!(trajectory["format"], "pemdp-trajectory/1");
    assert_eq!((&trajectory["algorithm"], &trajectory["seed"]), (&"pepg".into(), &0.into()));
    assert_eq!(
        (&trajectory["stop"], &trajectory["settings"]["iterations"]),
        (&"iteration-limit".into(), &3.into())
    );
    assert_eq!(trajectory["iterates"].as_array().unwrap().len(), 4);
    for iterate in trajectory["iterates"].as_array().unwrap() {
        for key in ["value", "regularised_value", "gradient_norm", "policy_entropy", "coverage"] {
            assert!(iterate[key].is_f64(), "{key} of {iterate}");
        }
        for key in ["iteration", "deployments", "samples", "solves", "kinks"] {
            assert!(iterate[key].is_u64(), "{key} of {iterate}");
        }
    }
    assert!(trajectory["policy"][0][0].as_f64().unwrap() > 0.0);
}

#[test]
fn the_name_of_an_algorithm_is_enough() {
    let names = algorithms();
    assert_eq!(names, ALGORITHMS.iter().map(|entry| entry.name).collect::<Vec<_>>());
    for name in &names {
        let trajectory = solved(&["--example", "loan-mdp", "--algorithm", name.as_str()]);
        let value = trajectory["best"]["value"].as_f64().unwrap();
        assert!((-ILL_CONDITIONED..=1.0 / 24.0 + ILL_CONDITIONED).contains(&value), "{name}: {value}");
    }
}

#[test]
fn the_value_is_that_in_the_environment_that_the_policy_induces() {
    for name in algorithms() {
        let trajectory = solved(&["--example", "loan", "--algorithm", &name, "--seed", "7"]);
        let p = trajectory["policy"][0][0].as_f64().unwrap();
        let last = trajectory["iterates"].as_array().unwrap().last().unwrap().clone();
        // V = p (2 q(p) - 1)/(1 - gamma), q(p) = 3/4 - p/2, gamma = 1/2.
        let expected = p * (2.0 * (0.75 - 0.5 * p) - 1.0) / 0.5;
        assert!((last["value"].as_f64().unwrap() - expected).abs() < SOLVED, "{name}: {last}");
    }
}

#[test]
fn nonsense_is_refused_in_a_line() {
    let pepg =
        |setting: &str| refused(&["solve", "--example", "loan", "--algorithm", "pepg", "--set", setting]);
    assert!(pepg("step=-0.1").contains("step is -0.1, expected a number above 0"));
    assert!(pepg("step=0").contains("expected a number above 0"));
    assert!(pepg("iterations=0").contains("iterations is 0, expected at least 1"));
    assert!(pepg("pace=1").contains("pace"));
    assert!(pepg("step").contains("NAME=VALUE"));
    assert!(pepg("method=newton").contains("newton"));
    let with = |name: &str, setting: &str| {
        refused(&["solve", "--example", "loan", "--algorithm", name, "--set", setting])
    };
    assert!(with("mixed-delayed-retraining", "v=1").contains("v is 1"));
    assert!(with("finite-sample-retraining", "trajectories=0").contains("trajectories is 0"));
    assert!(with("delayed-retraining", "delay=0").contains("delay is 0"));
    assert!(with("repeated-retraining", "shift=0").contains("shift is 0"));
    assert!(refused(&["solve", "--example", "loan", "--algorithm", "pegp"]).contains("repeated-retraining"));
    assert!(refused(&["solve", "--example", "explicit", "--algorithm", "pepg"]).contains("explicit"));
    assert!(
        refused(&["solve", "--example", "coin", "--algorithm", "repeated-retraining"]).contains("linear")
    );
    assert!(refused(&["experiment", "gridwrold"]).contains("gridworld"));
    assert!(refused(&["experiment", "ablation", "--set", "step=-1"]).contains("step is -1"));
    assert!(refused(&["experiment", "ablation", "--set", "beta=[-1]"]).contains("beta is -1"));
    assert!(
        refused(&["experiment", "stability-price", "--set", "strength=[0.3]"]).contains("strength is 0.3")
    );
    assert!(refused(&["experiment", "local-maxima", "--set", "gamma=[1]"]).contains("gamma is 1"));
    assert!(refused(&["experiment", "convergence-rate", "--set", "gap=0"]).contains("gap is 0"));
}

#[test]
fn a_setting_that_does_not_fit_is_named_with_its_value() {
    let pepg =
        |setting: &str| refused(&["solve", "--example", "loan", "--algorithm", "pepg", "--set", setting]);
    for (setting, message) in [
        ("step=abc", "pemdp: step is \"abc\", expected a number\n"),
        ("step=null", "pemdp: step is null, expected a number\n"),
        ("step=1e999", "pemdp: step is \"1e999\", expected a number\n"),
        ("iterations=1.5", "pemdp: iterations is 1.5, expected a whole number that is at least 0\n"),
        ("iterations=-1", "pemdp: iterations is -1, expected a whole number that is at least 0\n"),
        ("method=3", "pemdp: method is 3, expected one of `plain`, `adam`, `backtracking`, `natural`\n"),
        (
            "method=newton",
            "pemdp: method is \"newton\", expected one of `plain`, `adam`, `backtracking`, `natural`\n",
        ),
    ] {
        assert_eq!(pepg(setting), message);
    }
    assert!(
        pepg("stpe=1")
            .starts_with("pemdp: no setting is called 'stpe', did you mean 'step'; there are: method,")
    );
    assert!(pepg("zeal=1").starts_with("pemdp: no setting is called 'zeal'; there are: method,"));
    assert!(pepg("=1").starts_with("pemdp: no setting is called ''; there are: method,"));
    let ablation = |setting: &str| refused(&["experiment", "ablation", "--set", setting]);
    assert_eq!(ablation("eps=0.5"), "pemdp: eps is 0.5, expected a list in brackets\n");
    assert_eq!(
        ablation("eps=[0.5,\"x\"]"),
        "pemdp: eps is [0.5,\"x\"], expected a list, each entry a number\n"
    );
    assert_eq!(ablation("eps=[2]"), "pemdp: eps is 2, expected a probability\n");
    assert!(ablation("iteration=3").contains("did you mean 'iterations'"));
    assert!(refused(&["experiment", "ablaton"]).contains("did you mean 'ablation'"));
    assert!(refused(&["solve", "--example", "loan", "--algorithm", "pepgg"]).contains("did you mean 'pepg'"));
    assert!(refused(&["solve", "--example", "laon", "--algorithm", "pepg"]).contains("did you mean 'loan'"));
}

#[test]
fn quick_settings_are_shown_and_give_way_to_those_that_are_set() {
    let directory = tempfile::tempdir().unwrap();
    let small = ["--set", "seeds=1", "--set", "iterations=2", "--set", "rounds=2"];
    let arguments = [
        &["experiment", "gridworld", "--quick", "--table", "--out"],
        &[directory.path().to_str().unwrap()][..],
    ];
    let output = run(&[&arguments.concat()[..], &small].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let command =
        "pemdp experiment gridworld --quick --set iterations=2 --set rounds=2 --set seeds=1 --seed 0";
    assert!(out(&output).contains(&format!("\nagain: {command}\n")), "{}", out(&output));
    let page = fs::read_to_string(directory.path().join("gridworld.html")).unwrap();
    assert!(page.contains(command), "{page}");
    let record: Value =
        serde_json::from_str(&fs::read_to_string(directory.path().join("gridworld.json")).unwrap()).unwrap();
    assert_eq!(record["command"], command);
    assert_eq!(
        (&record["settings"]["followers"], &record["settings"]["seeds"]),
        (&serde_json::json!([2]), &1.into())
    );
    let listed = run(&["experiment"]);
    assert!(out(&listed).contains("[default: 20; quick: 4]"), "{}", out(&listed));
    assert_eq!(run(&["experiment", "--quick"]).status.code(), Some(2));
}

/// A bound is printed with its end, upwards, and a loss is not negative.
#[test]
fn bounds_of_a_convergence_are_bounds() {
    let output = run(&["experiment", "convergence-rate", "--set", "iterations=300", "--json"]);
    let record: Value = serde_json::from_str(out(&output)).unwrap();
    let findings: String =
        record["findings"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(!findings.contains("0.0e0") && !findings.contains("at -"), "{findings}");
    for row in record["summary"].as_array().unwrap() {
        let [least, most] = ["suboptimality", "suboptimality_bound"].map(|key| row[key].as_f64().unwrap());
        assert!(0.0 <= least && least <= most, "{row}");
        let end = format!("{} falls", row["algorithm"].as_str().unwrap());
        let printed = findings
            .split(&end)
            .skip(1)
            .filter_map(|part| part.split_once("ends at ")?.1.split(' ').next()?.parse::<f64>().ok());
        assert!(printed.into_iter().any(|shown| shown >= most && shown <= 1.2 * most), "{row}: {findings}");
    }
}

/// Names and contents of the files of a directory, measured times apart.
fn files(directory: &Path) -> Vec<(String, String)> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(entry).collect();
    files.retain(|(name, _)| !name.contains("-times."));
    files.sort();
    files
}

#[test]
fn the_same_command_gives_the_same_numbers_on_any_number_of_threads() {
    let run = |threads: &str, seed: &str| {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
        command.args([
            "experiment",
            "gridworld",
            "--set",
            "eps=[0.5]",
            "--set",
            "followers=[1]",
            "--set",
            "seeds=2",
        ]);
        command
            .args(["--set", "iterations=2", "--set", "rounds=2", "--seed", seed, "--out"])
            .arg(directory.path());
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        (output.stdout, files(directory.path()))
    };
    let (one, two, other) = (run("1", "5"), run("2", "5"), run("2", "6"));
    assert!(one.0 == two.0, "the summaries differ");
    for (one, two) in one.1.iter().zip(&two.1) {
        assert!(one == two, "{} differs from {}", one.0, two.0);
    }
    assert_eq!(one.1.len(), two.1.len());
    assert!(one.1 != other.1);
    let names: Vec<&str> = one.1.iter().map(|file| file.0.as_str()).collect();
    for name in ["gridworld.csv", "gridworld.json", "gridworld.svg", "gridworld.html"] {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    for (name, text) in &one.1 {
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.contains(version) && text.contains("followers"), "{name} lacks version or settings");
        assert!(text.contains("seed 5") || text.contains("\"seed\": 5"), "{name} lacks the seed");
    }
}

#[test]
fn every_experiment_is_listed_with_its_settings() {
    let listed: Value = serde_json::from_str(out(&run(&["experiment", "--json"]))).unwrap();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), EXPERIMENTS.len());
    for (listed, experiment) in listed.iter().zip(EXPERIMENTS) {
        assert_eq!(listed["name"], experiment.name);
        let mut settings: Vec<&str> = experiment.settings.iter().map(|setting| setting.name).collect();
        settings.sort_unstable();
        let defaults: Vec<&String> = listed["defaults"].as_object().unwrap().keys().collect();
        assert_eq!(defaults, settings, "{}", experiment.name);
    }
    let text = run(&["experiment"]);
    assert!(out(&text).contains("[default:"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    // Each run is short, all of them are not.
    command.args([
        "experiment",
        "initialisation",
        "--set",
        "starts=300",
        "--set",
        "iterations=300",
        "--json",
        "--out",
    ]);
    let child = command.arg(directory.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let record: Value = serde_json::from_str(out(&output))
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(record["interrupted"], true);
    assert!(!record["runs"].as_array().unwrap().is_empty());
    assert!(directory.path().join("initialisation.html").is_file());
}
