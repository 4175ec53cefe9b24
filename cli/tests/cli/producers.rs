//! Answers that programs in other languages give.

use super::*;

/// Where the programs stand.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Whether a command runs; says so where it does not.
fn is_there(command: &str, arguments: &[&str]) -> bool {
    let there = Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {command} {} does not run", arguments.join(" "));
    }
    there
}

fn gives_the_right_answer(command: &str, name: &str) {
    let files = Files::new();
    let problem = files.example("exponential-family");
    let output = Command::new(command).arg(examples().join(name)).arg(&problem).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer = files.write("answer.json", String::from_utf8(output.stdout).unwrap());
    let verdict = run(&["verify", "--json", &problem, &answer]);
    assert_eq!(status(&verdict), 0, "{}", out(&verdict));
    // All of it was compared: what is changed is seen.
    let mut answer: Value = serde_json::from_slice(&fs::read(&answer).unwrap()).unwrap();
    for key in ["value", "state_values", "action_values", "occupancy", "gradient"] {
        assert!(answer.get(key).is_some(), "{key}");
    }
    negate(&mut answer["gradient"]);
    let answer = files.write("wrong.json", answer.to_string());
    assert_eq!(parsed(&run(&["verify", "--json", &problem, &answer]))["mistakes"], json!([["descent"]]));
}

fn negate(value: &mut Value) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(negate),
        number => *number = json!(-number.as_f64().unwrap()),
    }
}

/// `PEMDP_PYTHON` names a Python with NumPy, where `python3` is none.
#[test]
fn numpy_gives_the_right_answer() {
    let python = std::env::var("PEMDP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if is_there(&python, &["-c", "import numpy"]) {
        gives_the_right_answer(&python, "answer.py");
    }
}

#[test]
fn javascript_gives_the_right_answer() {
    if is_there("node", &["--version"]) {
        gives_the_right_answer("node", "answer.js");
    }
}

#[test]
fn the_programs_are_shown_as_they_are() {
    let shown = fs::read_to_string(examples().join("../tests/vectors/README.md")).unwrap();
    for name in ["answer.py", "answer.js"] {
        let text = fs::read_to_string(examples().join(name)).unwrap();
        assert!(shown.contains(&text), "tests/vectors/README.md does not show examples/{name} as it is");
    }
}
