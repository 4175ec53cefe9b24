//! Terminal states, actions that states do not have, and criteria other than discounted sums: each
//! against a problem that says the same otherwise, or another derivation.

#![allow(clippy::unwrap_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/tolerances.rs"]
mod tolerances;

use pemdp::arithmetic::{Dual, Field, Rational};
use pemdp::oracle::{Answer, Claimed, Tolerance, verify};
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};
use tolerances::SOLVED;

fn read(problem: &Value) -> Problem {
    Problem::from_json(&problem.to_string(), Reading::Doubles)
        .unwrap_or_else(|error| panic!("{error}\n{problem}"))
}

fn refused(problem: &Value) -> String {
    match Problem::from_json(&problem.to_string(), Reading::Doubles) {
        Err(error) => error.to_string(),
        Ok(problem) => problem.answer().unwrap_err().to_string(),
    }
}

/// Three states and two actions that respond, with all that can be said of them.
fn responding() -> Value {
    json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": ["1/2", "1/4", "1/4"],
        "policy": {"kind": "softmax", "logits": [[0.3, -0.2], [0, 0.5], [-0.4, 0.1]]},
        "environment": {
            "kind": "affine",
            "transitions": [
                [["1/4", "1/4", "1/2"], ["1/2", 0, "1/2"]], [["1/4", "1/2", "1/4"], [0, "3/4", "1/4"]],
                [["1/8", "1/8", "3/4"], ["1/2", "1/4", "1/4"]]
            ],
            "transition_slopes": [
                [0, 0, 0, 1, 0, "1/4"], [0, 0, 2, 1, 0, "-1/4"], [1, 1, 1, 0, 1, "-1/2"], [1, 1, 0, 0, 1, "1/2"],
                [2, 0, 2, 2, 1, "-1/4"], [2, 0, 0, 2, 1, "1/4"]
            ],
            "rewards": [[1, "-1/2"], ["1/4", 2], [-1, "3/2"]],
            "reward_slopes": [[0, 1, 1, 1, "1/2"], [2, 0, 0, 0, -1]]
        }
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut problem = responding();
    for (key, value) in changes {
        problem[*key] = value.clone();
    }
    problem
}

/// Every way in which values add up, with and without what the frame can say.
fn variants() -> Vec<Value> {
    let criteria: [&[(&str, Value)]; 4] = [
        &[],
        &[("criterion", json!({"horizon": 7}))],
        &[("criterion", json!({"horizon": 3})), ("gamma", json!(1))],
        &[("criterion", json!("average")), ("gamma", json!(1))],
    ];
    let mut all = Vec::new();
    for criterion in criteria {
        for entropy in [json!(0), json!(0.3)] {
            let mut changes = criterion.to_vec();
            changes.push(("entropy", entropy));
            all.push(with(&changes));
            changes.push(("available", json!([[1, 1], [1, 1], [0, 1]])));
            all.push(with(&changes));
            if changes[0].1 != json!("average") {
                changes.push(("terminal", json!([1])));
                all.push(with(&changes));
            }
        }
    }
    let total = [("gamma", json!(1)), ("terminal", json!([1]))];
    all.push(with(&total));
    all.push(with(&[&total[..], &[("entropy", json!(0.3))]].concat()));
    all
}

/// The adjoint gradient is the forward derivative in dual numbers.
#[test]
fn gradients_are_those_of_dual_numbers() {
    for json in variants() {
        let problem = read(&json);
        let answer = problem.answer().unwrap();
        let model = problem.model::<Dual<f64>>().unwrap();
        let policy = problem.deployed_policy::<f64>().unwrap();
        for (k, g) in answer.gradient.iter().enumerate() {
            let mut direction = vec![0.0; policy.n_parameters()];
            direction[k] = 1.0;
            let value = model.evaluate(&policy.along(&direction).unwrap()).unwrap().value;
            assert!((value.value - answer.value).abs() < SOLVED, "{json}");
            let error = (value.derivative - g.unwrap()).abs();
            assert!(error < SOLVED * answer.value.abs().max(1.0), "{k}: {error}\n{json}");
        }
    }
}

/// In fractions, and in doubles with bounds, of the same numbers.
#[test]
fn bounds_hold_the_exact_answers() {
    for mut json in variants() {
        json["policy"] = json!({"kind": "weights", "values": [["3/2", 1], [1, 2], ["1/3", 5]]});
        json["entropy"] = json!(0);
        json["gamma"] = if json["gamma"] == json!(1) { json!(1) } else { json!("9/10") };
        let exact = Problem::from_json(&json.to_string(), Reading::Exact).unwrap().exact_answer().unwrap();
        let answer = read(&json).answer().unwrap();
        let number = |text: &str| text.parse::<Rational>().unwrap().approximate();
        let all = [(answer.value, exact.value.clone())];
        let states = answer.state_values.iter().copied().zip(exact.state_values.clone());
        let bounds = &answer.error_bounds;
        for (double, exact) in all.into_iter().chain(states) {
            let bound = bounds.value.max(bounds.state_values) + 4.0 * f64::EPSILON * double.abs();
            assert!((double - number(&exact)).abs() <= bound, "{double} {exact} {json}");
        }
        assert!(bounds.gradient < 1e-13 && bounds.occupancy < 1e-13, "{bounds:?} {json}");
        for (double, exact) in answer.gradient.iter().zip(&exact.gradient) {
            let (double, exact) = (double.unwrap(), number(exact.as_ref().unwrap()));
            assert!((double - exact).abs() <= bounds.gradient + 4.0 * f64::EPSILON * double.abs(), "{json}");
        }
    }
}

fn close(a: &Answer, b: &Answer, tolerance: f64, what: &str) {
    assert!((a.value - b.value).abs() < tolerance, "{what}: {} {}", a.value, b.value);
    for (x, y) in a.gradient.iter().zip(&b.gradient) {
        assert!((x.unwrap_or(0.0) - y.unwrap_or(0.0)).abs() < tolerance, "{what}: {x:?} {y:?}");
    }
}

/// A terminal state pays once: one that leads to a state that pays nothing for ever.
#[test]
fn a_terminal_state_is_one_that_leads_nowhere() {
    let fixed = |n: usize, transitions: Value, rewards: Value| {
        let mut problem = json!({
            "format": "pemdp-problem/1", "gamma": 0.8, "initial": vec![1.0 / 4.0; 4],
            "policy": {"kind": "softmax", "logits": [[0.3, -0.2], [0, 0.5], [-0.4, 0.1], [0, 0]]},
            "environment": {"kind": "fixed", "transitions": transitions, "rewards": rewards}
        });
        problem["initial"] = json!([0.5, 0.25, 0.25]);
        if n == 4 {
            problem["initial"] = json!([0.5, 0.25, 0.25, 0]);
        } else {
            problem["policy"]["logits"] = json!([[0.3, -0.2], [0, 0.5], [-0.4, 0.1]]);
        }
        problem
    };
    let mut short = fixed(
        3,
        json!([
            [0, 0, 1, "1/2"],
            [0, 0, 2, "1/2"],
            [0, 1, 0, 1],
            [1, 0, 0, "1/4"],
            [1, 0, 1, "3/4"],
            [1, 1, 2, 1]
        ]),
        json!([[1, 2], [-1, 0], [5, -3]]),
    );
    let long = fixed(
        4,
        json!([
            [[0, "1/2", "1/2", 0], [1, 0, 0, 0]],
            [["1/4", "3/4", 0, 0], [0, 0, 1, 0]],
            [[0, 0, 0, 1], [0, 0, 0, 1]],
            [[0, 0, 0, 1], [0, 0, 0, 1]]
        ]),
        json!([[1, 2], [-1, 0], [5, -3], [0, 0]]),
    );
    assert!(refused(&short).contains("P(.|s=2,a=0) sums to 0"), "{}", refused(&short));
    short["terminal"] = json!([2]);
    let (a, b) = (read(&short).answer().unwrap(), read(&long).answer().unwrap());
    close(&a, &b, 1e-14, "discounted");
    assert_eq!(a.action_values[2], [Some(5.0), Some(-3.0)]);
    // The visit in which it is entered.
    assert!((a.occupancy[2][0] - b.occupancy[2][0]).abs() < 1e-14);
    let entered: f64 = a.occupancy.concat().iter().sum();
    assert!((entered + b.occupancy[3].iter().sum::<f64>() - 5.0).abs() < 1e-13);
    // Without discounting, and with steps enough for nearly all episodes to end.
    let (mut total, mut steps) = (short.clone(), short.clone());
    total["gamma"] = json!(1);
    (steps["gamma"], steps["criterion"]) = (json!(1), json!({"horizon": 500}));
    close(&read(&total).answer().unwrap(), &read(&steps).answer().unwrap(), 1e-12, "total");
    let mut never = long.clone();
    never["gamma"] = json!(1);
    close(&read(&total).answer().unwrap(), &read(&never).answer().unwrap(), 1e-14, "absorbed");
    // The entropy of the terminal state is not paid.
    total["entropy"] = json!(0.5);
    assert_eq!(read(&total).answer().unwrap().action_values[2], [Some(5.0), Some(-3.0)]);
    never["entropy"] = json!(0.5);
    assert!(refused(&never).contains("never ends from state 3 on"), "{}", refused(&never));
}

/// An action that is not there is one that is never taken.
#[test]
fn actions_that_are_missing_are_left_out() {
    let problem = |logits: Value, rewards: Value, transitions: Value| {
        json!({
            "format": "pemdp-problem/1", "gamma": 0.9, "entropy": 0.2, "initial": [1, 0],
            "policy": {"kind": "softmax", "logits": logits},
            "environment": {"kind": "fixed", "transitions": transitions, "rewards": rewards}
        })
    };
    let rewards = || json!([[1, 3, null], [1, 0.25, 0]]);
    let rows = || json!([[[1, 0], [0.75, 0.25], null], [[0, 1], [0.5, 0.5], [1, 0]]]);
    let spelled = [
        problem(
            json!([[0.2, -0.1], [0.3, 0, -0.4]]),
            json!([[1, 3], [1, 0.25, 0]]),
            json!([[[1, 0], [0.75, 0.25]], [[0, 1], [0.5, 0.5], [1, 0]]]),
        ),
        problem(json!([[0.2, -0.1, null], [0.3, 0, -0.4]]), rewards(), rows()),
        problem(
            json!([[0.2, -0.1, 700], [0.3, 0, -0.4]]),
            rewards(),
            json!([[[1, 0], [0.75, 0.25], [9, 9]], [[0, 1], [0.5, 0.5], [1, 0]]]),
        ),
    ];
    let answers: Vec<Answer> = spelled.iter().map(|problem| read(problem).answer().unwrap()).collect();
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert_eq!((answer.action_values[0][2], answer.gradient[2]), (None, Some(0.0)));
    }
    // What is written is read again.
    for json in &spelled {
        let problem = read(json);
        assert_eq!(Problem::from_json(&problem.to_json(), Reading::Doubles).unwrap(), problem);
    }
    // A logit of -50 is nearly that, but for its own entropy.
    let mut far = spelled[2].clone();
    far["environment"]["rewards"] = json!([[1, 3, 0], [1, 0.25, 0]]);
    far["environment"]["transitions"][0][2] = json!([1, 0]);
    far["policy"]["logits"][0][2] = json!(-50);
    close(&read(&far).answer().unwrap(), &answers[0], 1e-12, "far");
    let none = problem(
        json!([[null, null], [0, 0]]),
        json!([[0, 0], [0, 0]]),
        json!([[[1, 0], [1, 0]], [[1, 0], [1, 0]]]),
    );
    assert!(refused(&none).contains("policy.logits[0]: has no action"), "{}", refused(&none));
    let mut taken = spelled[1].clone();
    taken["policy"] = json!({"kind": "probabilities", "values": [[0.5, 0.25, 0.25], [1, 0, 0]]});
    assert!(refused(&taken).contains("policy.values[0][2]: is 0.25, expected 0"), "{}", refused(&taken));
}

/// The average is what is left of (1 - gamma) J next to gamma = 1.
#[test]
fn averages_are_limits_of_discounted_values() {
    let near = 1.0 - 1e-7;
    for entropy in [0.0, 0.3] {
        let average =
            read(&with(&[("criterion", json!("average")), ("gamma", json!(1)), ("entropy", json!(entropy))]));
        let discounted = read(&with(&[("gamma", json!(near)), ("entropy", json!(entropy))]));
        let (a, b) = (average.answer().unwrap(), discounted.answer().unwrap());
        assert!((a.value - 1e-7 * b.value).abs() < 1e-5);
        for (x, y) in a.gradient.iter().zip(&b.gradient) {
            assert!((x.unwrap() - 1e-7 * y.unwrap()).abs() < 1e-5);
        }
        let mu: f64 = a.occupancy.concat().iter().sum();
        assert!((mu - 1.0).abs() < 1e-14);
    }
    let apart = json!({
        "format": "pemdp-problem/1", "criterion": "average", "initial": [0.5, 0.25, 0.25],
        "policy": {"kind": "softmax", "logits": [[0], [0], [0]]},
        "environment": {"kind": "fixed", "transitions": [[[1, 0, 0]], [[0.5, 0, 0.5]], [[0, 0, 1]]], "rewards": [[1], [1], [2]]}
    });
    assert!(refused(&apart).contains("one class of states that is never left"), "{}", refused(&apart));
    let mut discounted = apart.clone();
    discounted["gamma"] = json!(0.5);
    assert!(
        refused(&discounted).contains("gamma: is 0.5, expected 1, or nothing"),
        "{}",
        refused(&discounted)
    );
}

/// Right answers are accepted, rounded to 12 digits, and wrong ones are not.
#[test]
fn answers_are_verified() {
    for json in variants() {
        let problem = read(&json);
        let answer = problem.answer().unwrap();
        let rounded = |x: f64| format!("{x:.11e}").parse::<f64>().unwrap();
        let claim = json!({
            "format": "pemdp-answer/1", "value": rounded(answer.value),
            "gradient": answer.gradient.iter().map(|g| g.map(rounded)).collect::<Vec<_>>(),
            "action_values": answer.action_values, "occupancy": answer.occupancy
        });
        let held = |claim: &Value| {
            let claimed = Claimed::from_json(&claim.to_string(), &problem).unwrap();
            verify(&problem, &claimed, None, Tolerance::default()).unwrap()
        };
        let verdict = held(&claim);
        assert!(verdict.ok && verdict.mistakes.is_empty(), "{verdict:?}\n{json}");
        for key in ["value", "gradient", "occupancy"] {
            let mut wrong = claim.clone();
            match key {
                "value" => wrong[key] = json!(answer.value * 1.001 + 1e-3),
                "gradient" => wrong[key][5] = json!(answer.gradient[5].unwrap() + 0.01),
                _ => wrong[key][1][1] = json!(answer.occupancy[1][1] + 0.01),
            }
            assert!(!held(&wrong).ok, "{key} {json}");
        }
        // What stands for an action that is not there is not looked at.
        if json["available"].is_array() {
            let mut other = claim.clone();
            other["action_values"][2][0] = json!(-1e9);
            assert!(held(&other).ok, "{json}");
        }
    }
}

#[test]
fn frames_that_mean_nothing_are_refused() {
    let cases = [
        ("terminal", json!([3]), "terminal[0]: is 3, expected"),
        ("terminal", json!([1, 1]), "terminal[1]: repeats the state 1"),
        ("terminal", json!(1), "terminal: is 1, expected an array"),
        ("available", json!([[1, 1], [1, 1]]), "available: has length 2, expected 3"),
        ("available", json!([[1, 1], [1, 2], [1, 1]]), "available[1][1]: is 2, expected"),
        ("available", json!([[1, 1], [0, 0], [1, 1]]), "policy.logits[1]: has no action"),
        ("criterion", json!("sum"), "criterion: is \"sum\", expected \"discounted\""),
        ("criterion", json!({"horizon": 0}), "criterion.horizon: is 0, expected"),
        ("criterion", json!({"horizon": 1_000_000}), "criterion.horizon: is 1000000, expected 1 to 100000"),
        ("criterion", json!({"steps": 3}), "criterion.steps: unknown key"),
        ("criterion", json!(3), "criterion: is 3, expected \"discounted\""),
        ("criterion", json!("total"), "gamma: is 0.9, expected 1, or nothing"),
        ("gamma", json!(1), "never ends from states 0, 1, 2"),
        ("gamma", json!(1.5), "gamma: is 1.5, expected a number from 0 to 1"),
        ("policies", json!([]), "policies: gives several policies"),
    ];
    for (key, value, words) in cases {
        let error = refused(&with(&[(key, value)]));
        assert!(error.contains(words), "{error}\n{words}");
    }
    let average = with(&[("criterion", json!("average")), ("gamma", json!(1)), ("terminal", json!([0]))]);
    assert!(refused(&average).contains("terminal: has the state 0, expected none"), "{}", refused(&average));
}

/// Rows of three digits are divided by their sums, and it is said by how much they changed.
#[test]
fn rows_are_normalised_where_that_is_asked_for() {
    let rounded = json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.3333, 0.3333, 0.3333],
        "policy": {"kind": "probabilities", "values": [[0.3333, 0.6667], [0.5, 0.5], [0.33334, 0.66667]]},
        "environment": {
            "kind": "fixed",
            "transitions": [[0, 0, 0, 0.142], [0, 0, 1, 0.8579], [0, 1, 2, 1], [1, 0, 0, 1], [1, 1, 1, 1], [2, 0, 2, 1], [2, 1, 0, 1]],
            "rewards": [[1, 1], [1, 1], [1, 1]]
        }
    });
    assert!(refused(&rounded).starts_with("policy.values[2]: sums to"), "{}", refused(&rounded));
    let bytes = rounded.to_string().into_bytes();
    let (problem, normalised) = Problem::from_bytes_normalised(&bytes, Reading::Doubles).unwrap();
    let told: Vec<(&str, usize, &str)> =
        normalised.iter().map(|n| (n.path.as_str(), n.rows, n.most.as_str())).collect();
    assert_eq!(told[0], ("initial", 1, "initial"));
    assert_eq!((told[1].0, told[1].2), ("policy.values", "policy.values[2]"));
    assert_eq!(told[2], ("environment.transitions", 1, "environment.transitions[0][0]"));
    assert!((normalised[2].change - 0.8579e-4).abs() < 1e-6, "{normalised:?}");
    assert!((problem.answer().unwrap().value - 10.0).abs() < 1e-13);
    let (exact, _) = Problem::from_bytes_normalised(&bytes, Reading::Exact).unwrap();
    assert_eq!(exact.exact_answer().unwrap().value, "10");
    // Farther from 1 it is no rounding.
    let mut far = rounded.clone();
    far["initial"] = json!([0.3, 0.3, 0.3]);
    let error = Problem::from_bytes_normalised(far.to_string().as_bytes(), Reading::Doubles).unwrap_err();
    assert_eq!(error.path(), "initial");
}

/// Several policies of one environment are those of as many files.
#[test]
fn policies_share_an_environment() {
    let mut all = responding();
    let policies = [
        json!({"kind": "softmax", "logits": [[0.3, -0.2], [0, 0.5], [-0.4, 0.1]]}),
        json!({"kind": "probabilities", "values": [[0.5, 0.5], [1, 0], [0.25, 0.75]]}),
    ];
    all["policies"] = json!(policies);
    let read_all = |json: &Value| Problem::all_from_bytes(json.to_string().as_bytes(), Reading::Doubles);
    assert_eq!(read_all(&all).unwrap_err().path(), "policy");
    all.as_object_mut().unwrap().remove("policy");
    let problems = read_all(&all).unwrap();
    for (problem, policy) in problems.iter().zip(policies) {
        assert_eq!(*problem, read(&with(&[("policy", policy)])));
    }
    all["policies"][1]["values"][2][0] = json!(0.5);
    assert_eq!(read_all(&all).unwrap_err().path(), "policies[1].values[2]");
    all["policies"] = json!([]);
    assert_eq!(read_all(&all).unwrap_err().path(), "policies");
    assert_eq!(read_all(&responding()).unwrap(), [read(&responding())]);
}

/// The parameter of an action that its state does not have moves nothing, also in what a terminal
/// state pays.
#[test]
fn parameters_of_missing_actions_move_nothing() {
    let mut problem = json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.5, 0.5], "terminal": [1],
        "policy": {"kind": "softmax", "logits": [[0, null], [0, 0]]},
        "environment": {
            "kind": "explicit", "transitions": [[[0.5, 0.5], null], [null, null]], "rewards": [[1, null], [2, 3]],
            "transition_jacobian": [[0, 0, 0, 1, 0.25], [0, 0, 1, 1, -0.25]],
            "reward_jacobian": [[0, 0, 1, 4], [1, 0, 1, 5], [1, 1, 2, 6]]
        }
    });
    for policy in [
        json!({"kind": "softmax", "logits": [[0, null], [0, 0]]}),
        json!({"kind": "probabilities", "values": [[1, null], [0.5, 0.5]]}),
    ] {
        problem["policy"] = policy;
        let terms = read(&problem).answer().unwrap().gradient_terms;
        assert_eq!((terms.transition[1], terms.reward[1]), (0.0, 0.0));
        assert!(terms.reward[2] > 1.0);
    }
}

/// What doubles leave of a gradient that is 0 is accepted, under every criterion.
#[test]
fn roundings_are_accepted_under_every_criterion() {
    let alike = json!([[1, 1], [1, 1], [1, 1]]);
    for mut json in variants() {
        (json["environment"]["rewards"], json["environment"]["reward_slopes"]) = (alike.clone(), json!([]));
        json["entropy"] = json!(0);
        let problem = read(&json);
        let exact = problem.answer().unwrap().gradient;
        let is_zero = exact.iter().all(|g| g.unwrap().abs() < 1e-15);
        // In some variants the last state has a single action: there nothing is rounded.
        let gradient = [1e-17, -2e-17, 3e-17, -4e-17, 0.0, 0.0];
        let mut claim = json!({"format": "pemdp-answer/1", "gradient": gradient});
        if json["criterion"] == "average" {
            claim["state_values"] = json!([1e-16, -1e-16, 0]);
        }
        let claimed = Claimed::from_json(&claim.to_string(), &problem).unwrap();
        let verdict = verify(&problem, &claimed, None, Tolerance::default()).unwrap();
        assert!(!is_zero || verdict.ok, "{verdict:?} {json}");
    }
}
