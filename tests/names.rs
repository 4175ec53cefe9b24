//! Names of states and actions change no number, stand for indices, and are told in messages.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};

fn read(problem: &Value) -> Problem {
    Problem::from_json(&problem.to_string(), Reading::Doubles)
        .unwrap_or_else(|error| panic!("{error}\n{problem}"))
}

fn refused(problem: &Value) -> String {
    Problem::from_json(&problem.to_string(), Reading::Doubles).unwrap_err().to_string()
}

/// A market of three states and two actions.
fn market(environment: Value) -> Value {
    json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [1, 0, 0], "terminal": [2],
        "policy": {"kind": "softmax", "logits": [[0, 1], [0.5, 0], [0, 0]]}, "environment": environment
    })
}

fn names() -> Value {
    json!({"states": ["calm", "very \"busy\"", "it's over"], "actions": ["buy", "wait.2"]})
}

/// The same with names, which stand for the terminal state too.
fn named(environment: Value) -> Value {
    let mut problem = market(environment);
    problem["names"] = names();
    problem["terminal"] = json!(["it's over"]);
    problem
}

/// The problem with names is the other one but for them, written and read again, too.
fn agree(plain: Value, other: Value) {
    let (plain, named) = (read(&market(plain)), read(&named(other)));
    assert_eq!(named.answer().unwrap(), plain.answer().unwrap());
    let mut parts = named.parts().clone();
    parts.names = plain.names().clone();
    assert_eq!(&parts, plain.parts());
    assert_eq!(Problem::from_json(&named.to_json(), Reading::Exact).unwrap(), named);
}

#[test]
fn names_stand_for_indices() {
    let (calm, busy, end) = ("calm", "very \"busy\"", "it's over");
    let rewards = json!([[1, 0], [2, 3], [5, 5]]);
    let fixed = |t: Value| json!({"kind": "fixed", "transitions": t, "rewards": rewards});
    agree(
        fixed(json!([[0, 0, 1, 1], [0, 1, 0, 0.5], [0, 1, 1, 0.5], [1, 0, 2, 1], [1, 1, 0, 1]])),
        fixed(json!([
            [calm, "buy", busy, 1],
            ["calm", "wait.2", "calm", 0.5],
            ["calm", 1, 1, 0.5],
            [busy, "buy", end, 1],
            [1, "wait.2", 0, 1]
        ])),
    );
    let kernel = json!([[[0.5, 0.5, 0], [0, 0, 1]], [[0, 1, 0], [0.5, 0.25, 0.25]], null]);
    let affine = |rewards_of: Value, slopes: Value| {
        json!({
            "kind": "affine", "transitions": kernel, "rewards": rewards, "reward_slopes": rewards_of,
            "transition_slopes": slopes
        })
    };
    agree(
        affine(json!([[0, 1, 1, 0, 2]]), json!([[0, 0, 0, 1, 1, -0.25], [0, 0, 2, 1, 1, 0.25]])),
        affine(
            json!([["calm", "wait.2", busy, "buy", 2]]),
            json!([["calm", "buy", "calm", busy, "wait.2", -0.25], [0, 0, end, 1, "wait.2", 0.25]]),
        ),
    );
    let formulas = |load: &str, entry: Value, reward: &str| {
        json!({
            "kind": "formulas", "definitions": {"load": load}, "normalise": true,
            "transitions": [entry, [0, 0, 2, "1"], [0, 1, 1, "load"], [1, 0, 0, "1"], [1, 1, 2, "1"]],
            "rewards": [[0, 0, reward]]
        })
    };
    agree(
        formulas("pi[0,0]^2 + theta[1, 1]", json!([0, 0, 1, "pi[1 , 0]"]), "theta[2] - pi[0,1]"),
        formulas(
            "pi[calm,buy]^2 + theta['very \"busy\"', wait.2]",
            json!(["calm", "buy", busy, "pi['very \"busy\"' , 'buy']"]),
            "theta[2] - pi['calm',wait.2]",
        ),
    );
}

#[test]
fn messages_tell_names() {
    let fixed = |transitions: Value, rewards: Value| {
        named(json!({"kind": "fixed", "transitions": transitions, "rewards": rewards}))
    };
    let rewards = json!([[1, 0], [2, 3], [5, 5]]);
    let kernel = json!([[[0.5, 0.5, 0], [0, 0, 1]], [[0, 1, 0], [0.5, 0.25, 0.125]], null]);
    let of_second = " (state 1 is \"very \"busy\"\", action 1 is \"wait.2\")";
    for (problem, path, end) in [
        (fixed(kernel.clone(), rewards.clone()), "environment.transitions[1][1]: ", of_second),
        (
            fixed(json!([[0, 0, 1, 1], [0, 1, 2, 1], [1, 0, 0, 1], [1, 1, 0, 2]]), rewards.clone()),
            "environment.transitions[3][3]: is 2",
            of_second,
        ),
        (
            fixed(json!([[0, 0, 1, 1], [0, 1, 2, 1], [1, 0, 0, 1]]), rewards.clone()),
            "environment.transitions: P(.|s=1,a=1) sums to 0",
            of_second,
        ),
        (
            fixed(kernel.clone(), json!([[1, 0], [2, "x"], [5, 5]])),
            "environment.rewards[1][1]: is \"x\"",
            of_second,
        ),
        (
            fixed(json!([["calm", "sell", 1, 1]]), rewards.clone()),
            "environment.transitions[0][1]: is \"sell\", expected an action, an integer from 0 to 1 or its name",
            "",
        ),
        (
            named(
                json!({"kind": "formulas", "transitions": [["calm", 1, 2, "pi[clam,buy]"]], "rewards": []}),
            ),
            "environment.transitions[0]: column 4 is \"clam\", expected a state, an integer from 0 to 2 or its name",
            "",
        ),
    ] {
        let message = refused(&problem);
        assert!(message.starts_with(path), "{message}");
        assert!(message.ends_with(if end.is_empty() { "its name" } else { end }), "{message}");
    }
    // Several policies.
    let mut several = fixed(json!([[[0.5, 0.5, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]], null]), rewards);
    let policy = several.as_object_mut().unwrap().remove("policy").unwrap();
    several["policies"] = json!([policy, {"kind": "weights", "values": [[1, 2], [0, -1], [1, 1]]}]);
    let error = Problem::all_from_bytes(several.to_string().as_bytes(), Reading::Doubles).unwrap_err();
    assert_eq!(error.path(), "policies[1].values[1][0]");
    assert!(error.problem().ends_with("(state 1 is \"very \"busy\"\", action 0 is \"buy\")"), "{error}");
    // Without names nothing is added, and a text is no index.
    let plain = market(json!({"kind": "fixed", "transitions": [["calm", 0, 0, 1]], "rewards": kernel}));
    let expected = "environment.transitions[0][0]: is \"calm\", expected a state, an integer from 0 to 2";
    assert_eq!(refused(&plain), expected);
}

#[test]
fn names_are_checked() {
    let with = |names: Value| {
        let mut problem = market(json!({"kind": "fixed", "transitions": [], "rewards": []}));
        problem["names"] = names;
        refused(&problem)
    };
    for (names, message) in [
        (json!([]), "names: is [], expected an object"),
        (json!({"state": []}), "names.state: unknown key \"state\", expected only states, actions"),
        (json!({"states": ["a", "b"]}), "names.states: has length 2, expected 3, one for each state"),
        (json!({"actions": ["a", 1]}), "names.actions[1]: is 1, expected a string"),
        (
            json!({"actions": ["a", "7"]}),
            "names.actions[1]: is \"7\", expected a name that is not empty and no number",
        ),
    ] {
        assert_eq!(with(names), message);
    }
}
