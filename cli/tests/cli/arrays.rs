//! Problems whose arrays stand in files beside them, and names of states and actions.

use super::*;

/// A folder with arrays that other programs wrote.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/import");
    for name in ["frozen-lake.npz", "sparse.npz", "policy.npz", "sat.npz", "rewards.npy"] {
        fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The fixed problem that `import` makes of arrays, and its transitions as nested arrays.
fn imported(folder: &Path, files: &[&str]) -> Value {
    let output = program()
        .current_dir(folder)
        .args(["import", "--gamma", "0.9", "--initial", "0"])
        .args(files)
        .output()
        .unwrap();
    assert_eq!(status(&output), 0, "{}", err(&output));
    serde_json::from_str(out(&output)).unwrap()
}

fn evaluated(folder: &Path, problem: &Value) -> Value {
    let path = folder.join("problem.json");
    fs::write(&path, problem.to_string()).unwrap();
    let output = run(&["eval", "--json", path.to_str().unwrap()]);
    assert_eq!(status(&output), 0, "{}\n{problem}", err(&output));
    serde_json::from_str(out(&output)).unwrap()
}

#[test]
fn arrays_stand_in_files_beside_the_problem() {
    let folder = folder();
    let folder = folder.path();
    for file in ["sparse.npz", "sat.npz"] {
        let mut problem = imported(folder, &[file]);
        let truth = evaluated(folder, &problem);
        let mut transitions = json!({"npz": file});
        if file == "sat.npz" {
            transitions["array"] = json!("P");
        }
        problem["environment"]["transitions"] = transitions;
        assert_eq!(evaluated(folder, &problem), truth, "{file}");
        // In a folder below, and as one of many on lines.
        fs::create_dir_all(folder.join("below")).unwrap();
        fs::copy(folder.join(file), folder.join("below").join(file)).unwrap();
        problem["environment"]["transitions"]["npz"] = json!(format!("./below/{file}"));
        assert_eq!(evaluated(folder, &problem), truth, "{file}");
        let lines = folder.join("lines.jsonl");
        fs::write(&lines, format!("{problem}\n{problem}\n")).unwrap();
        let output = run(&["eval", lines.to_str().unwrap()]);
        for line in out(&output).lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap(), truth);
        }
        let output = program()
            .current_dir(folder)
            .args(["verify", "problem.json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                child.stdin.take().unwrap().write_all(truth.to_string().as_bytes()).unwrap();
                child.wait_with_output()
            });
        assert_eq!(status(&output.unwrap()), 0);
    }
}

#[test]
fn references_to_arrays_are_checked() {
    let folder = folder();
    let mut problem = imported(folder.path(), &["sparse.npz"]);
    fs::write(folder.path().join("text.npz"), "no archive").unwrap();
    let outside = folder.path().join("..").join("outside.npz");
    for (reference, expected) in [
        (json!({"npz": "none.npz"}), "none.npz: No such file"),
        (
            json!({"npz": "../outside.npz"}),
            "npz is \"../outside.npz\", expected a file in the folder of the problem",
        ),
        (json!({"npz": outside}), "expected a file in the folder of the problem"),
        (json!({"npz": ""}), "npz is \"\", expected a file in the folder of the problem"),
        (json!({"npz": ["a"]}), "npz is [\"a\"], expected a string"),
        (json!({"npz": "sparse.npz", "name": "P"}), "unknown key \"name\", expected only npz, array"),
        (json!({"npz": "policy.npz"}), "policy.npz: has the arrays "),
        (json!({"npz": "policy.npz", "array": "Q"}), "policy.npz: has no array \"Q\", but "),
        (json!({"npz": "text.npz"}), "text.npz: is no archive of NumPy arrays"),
    ] {
        problem["environment"]["transitions"] = reference.clone();
        let path = folder.path().join("problem.json");
        fs::write(&path, problem.to_string()).unwrap();
        let output = run(&["eval", path.to_str().unwrap()]);
        let message = err(&output);
        assert_eq!((status(&output), message.lines().count()), (2, 1), "{message}");
        assert!(message.contains("problem.json: environment.transitions: "), "{message}");
        assert!(message.contains(expected), "{message} {reference}");
    }
}

/// A link out of the folder is not followed.
#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_folder() {
    let (folder, elsewhere) = (folder(), folder());
    let mut problem = imported(folder.path(), &["sparse.npz"]);
    std::os::unix::fs::symlink(elsewhere.path().join("sparse.npz"), folder.path().join("link.npz")).unwrap();
    problem["environment"]["transitions"] = json!({"npz": "link.npz"});
    let path = folder.path().join("problem.json");
    fs::write(&path, problem.to_string()).unwrap();
    let output = run(&["eval", path.to_str().unwrap()]);
    assert_eq!(status(&output), 2);
    assert!(err(&output).contains("expected a file in the folder of the problem"), "{}", err(&output));
}

#[test]
fn tables_and_messages_show_names() {
    let mut problem = json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [1, 0],
        "names": {"states": ["calm", "busy day"], "actions": ["buy", "to wait"]},
        "policy": {"kind": "softmax", "logits": [[0, 1], [1, 0]]},
        "environment": {
            "kind": "fixed", "rewards": [[1, 0], [0, 2]],
            "transitions": [["calm", "buy", "calm", 1], [0, 1, 1, 1], [1, 0, 0, 1], ["busy day", "to wait", 1, 1]]
        }
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("problem.json");
    let path = path.to_str().unwrap();
    fs::write(path, problem.to_string()).unwrap();
    for arguments in [&["eval", "--table", path], &["optimum", "--table", path]] {
        let output = run(arguments);
        assert!(out(&output).contains("busy day") && out(&output).contains("to wait"), "{}", out(&output));
    }
    let answer = json!({"format": "pemdp-answer/1", "gradient": [0, 0, 0, 7]}).to_string();
    let output = run_with_input(&["verify", path, "-", "--table"], answer.as_bytes());
    assert!(out(&output).contains("[3] busy day, to wait"), "{}", out(&output));
    problem["gamma"] = json!(1);
    problem["environment"]["rewards"] = json!([[1, 0], [0, 0]]);
    fs::write(path, problem.to_string()).unwrap();
    let message = run(&["eval", path]);
    assert!(err(&message).contains("(state 0 is \"calm\", state 1 is \"busy day\")"), "{}", err(&message));
}
