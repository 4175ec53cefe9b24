use proptest::prelude::*;

use super::*;
use crate::arithmetic::Rational;
use crate::environments::{Base, Followers, Structure};

const FIXED: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.25, 0.75], "entropy": 0.1,
    "policy": {"kind": "probabilities", "values": [["1/4", 0.75], [1, 0]]},
    "environment": {"kind": "fixed", "transitions": [[[0.5, 0.5], [1, 0]], [["1/3", "2/3"], [0, 1]]],
        "rewards": [[1, -1], [0.5, 0]]}}"#;

const FAMILY: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
    "policy": {"kind": "softmax", "logits": [[0.1, -0.2], [0.0, 0.3]]},
    "environment": {"kind": "exponential-family", "psi": [1.0, -0.5],
        "base_logits": [[[0.0, 0.2], [null, 0.0]], [[0.0, 0.0], [0.3, -0.3]]],
        "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0.7, "clip": null}}}"#;

const RATIONAL_FAMILY: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5], "entropy": 0,
    "policy": {"kind": "weights", "values": [[1, 2], [3, 4]]},
    "environment": {"kind": "exponential-family", "psi": [1, -3],
        "base_weights": [[[1, 2], [0, 1]], [[1, 1], [1, 1]]],
        "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0, "clip": 2}}}"#;

const AFFINE: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
    "policy": {"kind": "probabilities", "values": [[0.5, 0.5], [1, 0]]},
    "environment": {"kind": "affine", "transitions": [[[1, 0], [0.5, 0.5]], [[0.3, 0.7], [-0.25, 1.25]]],
        "transition_slopes": [[0, 0, 0, 1, 0, -0.5], [0, 0, 1, 1, 0, 0.5],
            [1, 1, 0, 0, 0, 0.25], [1, 1, 0, 0, 1, 0.5], [1, 1, 1, 0, 1, -0.5], [1, 1, 1, 0, 0, -0.25]],
        "rewards": [[1, -1], [0.5, 0]], "reward_slopes": [[0, 1, 1, 0, 2], [0, 1, 1, 1, "1/2"]]}}"#;

const EXPLICIT: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
    "policy": {"kind": "log-linear", "features": [[[1, 2, 3], [0, 0, 1]], [[1, 1, 1], [2, 2, 2]]], "theta": [1, 2, 3]},
    "environment": {"kind": "explicit", "transitions": [[[1, 0], [0.5, 0.5]], [[0.3, 0.7], [0, 1]]],
        "transition_jacobian": [[0, 1, 1, 2, 0.5], [0, 1, 0, 2, -0.5]],
        "rewards": [[1, -1], [0.5, 0]], "reward_jacobian": [[0, 1, 2, 3.5]]}}"#;

const COIN: &str = r#"{"format": "pemdp-problem/1", "gamma": 0, "initial": [1],
    "policy": {"kind": "softmax", "logits": [[0, 0]]},
    "environment": {"kind": "coin", "mu": 0.125, "epsilon": -0.25}}"#;

const LOAN: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.5,
    "policy": {"kind": "weights", "values": [[1, 3], [1, 1], [1, 1], [1, 1]]},
    "environment": {"kind": "loan", "form": "mdp", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1}}"#;

const BANDIT: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
    "policy": {"kind": "weights", "values": [[1, 3]]},
    "environment": {"kind": "loan", "form": "bandit", "q0": 0.9, "c": -0.1, "gain": 1, "loss": 1}}"#;

fn gridworld() -> String {
    let logits = format!("[{}]", ["[0,0,0,0]"; 64].join(","));
    format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.9, "policy": {{"kind": "softmax", "logits": {logits}}},
        "environment": {{"kind": "gridworld", "beta": 5, "eps": 0.5, "followers": 2}}}}"#
    )
}

fn given_grids() -> String {
    let grid = format!("[{}]", ["[0,-0.02,1,0,0,0,0,0]"; 8].join(","));
    let grids = format!("\"perturbed_grids\": [{grid}, {grid}]");
    gridworld().replace("\"eps\": 0.5, \"followers\": 2", &grids)
}

fn valid() -> Vec<String> {
    let mut all: Vec<String> =
        [FIXED, FAMILY, RATIONAL_FAMILY, AFFINE, EXPLICIT, COIN, LOAN, BANDIT].map(str::to_owned).into();
    all.extend([gridworld(), given_grids()]);
    all
}

fn read(text: &str) -> Checked<Problem> {
    Problem::from_json(text, Reading::Doubles)
}

#[test]
fn valid_problems_are_read() {
    for text in valid() {
        for reading in [Reading::Doubles, Reading::Exact] {
            Problem::from_bytes(text.as_bytes(), reading).unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
    let fixed = read(FIXED).unwrap();
    let Structure::Fixed(process) = fixed.structure() else { panic!() };
    let rows = process.transitions.rows(2, 2);
    assert_eq!(rows[2][0].1.exact(), Rational::new(1.into(), 3.into()));
    assert_eq!(rows[1][1], (1, &Numeral::ZERO));
    assert_eq!(process.rewards[1], Numeral::from(-1.0));
    assert_eq!(*fixed.entropy(), Numeral::from(0.1));
    assert_eq!(fixed.initial()[1], Numeral::from(0.75));
    let family = read(FAMILY).unwrap();
    let Structure::LocalFamily(family) = family.structure() else { panic!() };
    let Base::Logits(Some(logits)) = &family.base else { panic!() };
    assert_eq!((&logits[2], &logits[7]), (&None, &Some(Numeral::from(-0.3))));
    assert_eq!(family.clip, None);
    let explicit = read(EXPLICIT).unwrap();
    assert_eq!((explicit.n_states(), explicit.n_actions(), explicit.n_parameters()), (2, 2, 3));
    let gridworld = read(&given_grids()).unwrap();
    let Structure::Followers(gridworld) = gridworld.structure() else { panic!() };
    let Followers::Given(grids) = &gridworld.followers else { panic!() };
    assert_eq!((grids.len(), grids[1].len(), &grids[1][9]), (2, 64, &Numeral::from(-0.02)));
}

#[test]
fn absent_keys_have_defaults() {
    let bare = FAMILY
        .replace(r#""base_logits": [[[0.0, 0.2], [null, 0.0]], [[0.0, 0.0], [0.3, -0.3]]],"#, "")
        .replace(r#", "slope": 0.7, "clip": null"#, "");
    let problem = read(&bare).unwrap();
    assert_eq!(*problem.entropy(), Numeral::ZERO);
    let Structure::LocalFamily(family) = problem.structure() else { panic!() };
    assert_eq!((&family.base, &family.slope, &family.clip), (&Base::Logits(None), &Numeral::ZERO, &None));
}

/// Each replacement of a part of `valid` gives an error at the path whose
/// message contains the words.
fn refused(valid: &str, reading: Reading, cases: &[(&str, &str, &str, &str)]) {
    for (from, to, path, words) in cases {
        assert!(valid.contains(from), "{from}");
        let error = match Problem::from_json(&valid.replacen(from, to, 1), reading) {
            Err(error) => error,
            Ok(_) => panic!("{from} -> {to} is accepted"),
        };
        assert_eq!(error.path(), *path, "{error}");
        assert!(error.problem().contains(words), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn the_frame_is_checked() {
    refused(
        FIXED,
        Reading::Doubles,
        &[
            (
                "pemdp-problem/1",
                "pemdp-answer/1",
                "format",
                "is \"pemdp-answer/1\", expected \"pemdp-problem/1\"",
            ),
            ("\"format\": \"pemdp-problem/1\",", "", "format", "is missing"),
            ("\"gamma\": 0.9,", "", "gamma", "is missing"),
            ("\"initial\": [0.25, 0.75],", "", "initial", "is missing"),
            ("\"gamma\"", "\"gama\"", "gama", "unknown key \"gama\""),
            ("\"gamma\"", "\"gamma\": 1, \"gamma\"", "gamma", "duplicate key \"gamma\""),
            ("\"gamma\": 0.9", "\"gamma\": 1.5", "gamma", "is 1.5, expected a number from 0 to 1"),
            ("\"gamma\": 0.9", "\"gamma\": -0.1", "gamma", "is -0.1"),
            ("\"gamma\": 0.9", "\"gamma\": null", "gamma", "is null, expected a number"),
            (
                "\"gamma\": 0.9",
                "\"gamma\": \"a\"",
                "gamma",
                "is \"a\", expected a number or a string such as",
            ),
            ("\"gamma\": 0.9", "\"gamma\": 1e999999999", "gamma", "at most 4096 digits"),
            ("\"gamma\": 0.9", "\"gamma\": \"1/0\"", "gamma", "is \"1/0\", expected a positive denominator"),
            ("0.1", "-0.1", "entropy", "is -0.1, expected a number of at least 0"),
            ("[0.25, 0.75]", "[0.25, 0.7]", "initial", "sums to 0.95, expected 1 within 1e-9"),
            ("[0.25, 0.75]", "[-0.25, 1]", "initial[0]", "is -0.25, expected a probability"),
            (
                "[0.25, 0.75]",
                "[0, 1, 0]",
                "initial",
                "has length 3, expected 2, one entry for each state of the policy",
            ),
            ("[0.25, 0.75]", "[1]", "initial", "has length 1"),
            ("[0.25, 0.75]", "1", "initial", "is 1, expected an array"),
        ],
    );
    assert!(read("[1]").unwrap_err().to_string().starts_with("is [1], expected an object"));
}

#[test]
fn rows_that_lengthen_the_horizon_are_refused() {
    let almost = FIXED.replace("0.9", "0.9999999999999999");
    assert!(read(&almost).is_ok());
    let above = almost.replace("[0.5, 0.5]", "[0.5, 0.5000000001]");
    let error = read(&above).unwrap_err();
    assert_eq!(error.path(), "gamma");
    assert!(error.problem().contains("largest row sum"), "{error}");
    assert!(read(&FIXED.replace("[0.5, 0.5]", "[0.5, 0.5000000001]")).is_ok());
    let policy = almost.replace("[\"1/4\", 0.75]", "[0.25, 0.7500000001]");
    assert_eq!(read(&policy).unwrap_err().path(), "gamma");
    let slopes = AFFINE.replace("0.9", "0.9999999999999999").replacen("0, 0.5],", "0, 0.5000000001],", 1);
    assert_eq!(read(&slopes).unwrap_err().path(), "gamma");
}

#[test]
fn fixed_environments_and_probabilities_are_checked() {
    refused(
        FIXED,
        Reading::Doubles,
        &[
            ("[[\"1/4\", 0.75], [1, 0]]", "[]", "policy.values", "at least one state"),
            ("[[\"1/4\", 0.75], [1, 0]]", "[[]]", "policy.values[0]", "at least one action"),
            (
                "[1, 0]]},",
                "[1, 0, 0]]},",
                "environment.transitions[1]",
                "has length 2, expected 3, one entry for each action",
            ),
            ("\"1/4\"", "\"1/5\"", "policy.values[0]", "sums to 0.95"),
            ("\"1/4\"", "2", "policy.values[0][0]", "is 2, expected a probability from 0 to 1"),
            ("\"probabilities\"", "\"greedy\"", "policy.kind", "is \"greedy\", expected \"softmax\" or"),
            ("\"values\"", "\"theta\": [], \"values\"", "policy.theta", "unknown key"),
            (
                "\"values\"",
                "\"logits\"",
                "policy.logits",
                "unknown key \"logits\", expected only kind, values",
            ),
            ("\"fixed\"", "\"fix\\ned\"", "environment.kind", "expected \"fixed\" or"),
            ("\"rewards\"", "\"reward\"", "environment.reward", "unknown key"),
            (",\n        \"rewards\": [[1, -1], [0.5, 0]]", "", "environment.rewards", "is missing"),
            (
                "[0.5, 0.5]",
                "[0.5, 0.48]",
                "environment.transitions[0][0]",
                "sums to 0.98, expected 1 within 1e-9",
            ),
            ("\"2/3\"", "\"5/3\"", "environment.transitions[1][0][1]", "is \"5/3\", expected a probability"),
            ("\"2/3\"", "{\"a\": 2}", "environment.transitions[1][0][1]", "is {\"a\": 2}, expected a number"),
            ("[0, 1]", "[0, 1, 0]", "environment.transitions[1][1]", "has length 3, expected 2"),
            ("[0.5, 0]", "[0.5]", "environment.rewards[1]", "has length 1, expected 2"),
            ("-1", "1e400", "environment.rewards[0][1]", "within the range of doubles"),
        ],
    );
    refused(
        FIXED,
        Reading::Exact,
        &[
            ("0.75]]", "0.75]], ", "", "JSON"),
            (
                "[0.5, 0.5]",
                "[0.5, 0.50000000000000000001]",
                "environment.transitions[0][0]",
                "expected exactly 1",
            ),
            ("\"2/3\"", "0.66", "environment.transitions[1][0]", "sums to 149/150, expected exactly 1"),
            ("[1, 0]]},", "[1.1, 0]]},", "policy.values[1][0]", "is 1.1"),
        ][1..],
    );
}

#[test]
fn exponential_families_are_checked() {
    refused(
        FAMILY,
        Reading::Doubles,
        &[
            ("[1.0, -0.5]", "[1.0]", "environment.psi", "has length 1, expected 2"),
            ("[0.0, 0.2]", "[0.0, \"0.2e\"]", "environment.base_logits[0][0][1]", "is \"0.2e\""),
            ("[null, 0.0]", "[null, null]", "environment.base_logits[0][1]", "only null entries"),
            ("[null, 0.0]", "null", "environment.base_logits[0][1]", "is null, expected an array"),
            (
                "\"psi\"",
                "\"base_weights\": [], \"psi\"",
                "environment.base_weights",
                "stands beside base_logits",
            ),
            (
                "\"clip\": null",
                "\"clip\": -1",
                "environment.reward.clip",
                "is -1, expected a number of at least 0",
            ),
            ("\"clip\": null", "\"clips\": null", "environment.reward.clips", "unknown key"),
            ("\"slope\": 0.7", "\"slope\": null", "environment.reward.slope", "is null"),
            ("\"base\": [[1.0, 0.0], [0.0, 0.5]], ", "", "environment.reward.base", "is missing"),
            ("[[1.0, 0.0], [0.0, 0.5]]", "[[1.0, 0.0]]", "environment.reward.base", "has length 1"),
            ("\"logits\": [[0.1", "\"logits\": [[true", "policy.logits[0][0]", "is true"),
            (
                "\"softmax\", \"logits\": [[0.1, -0.2], [0.0, 0.3]]",
                "\"probabilities\", \"values\": [[1, 0], [1, 0]]",
                "policy.kind",
                "is \"probabilities\", expected \"softmax\" or \"weights\"",
            ),
        ],
    );
    refused(
        RATIONAL_FAMILY,
        Reading::Doubles,
        &[
            ("[0, 1]", "[0, -1]", "environment.base_weights[0][1][1]", "is -1"),
            ("[0, 1]", "[0, 0]", "environment.base_weights[0][1]", "at least one positive weight"),
            ("[3, 4]", "[3, 0]", "policy.values[1][1]", "is 0, expected a weight greater than 0"),
        ],
    );
}

#[test]
fn affine_environments_are_kernels_for_every_policy() {
    let slopes = "environment.transition_slopes";
    let at = |index: &str| format!("{slopes}{index}");
    refused(
        AFFINE,
        Reading::Doubles,
        &[
            (
                "-0.5]",
                "-1.5]",
                slopes,
                "P(t=0|s=0,a=0) falls to -1/2, expected at least -1e-9 for every policy",
            ),
            (
                "[0, 0, 1, 1, 0, 0.5]",
                "[0, 0, 1, 1, 1, 0.5]",
                slopes,
                "P(.|s=0,a=0) sums to 1/2 for some policy",
            ),
            ("0, 1, 0.5]", "0, 1, 0.75]", slopes, "P(.|s=1,a=1) sums to 5/4 for some policy"),
            // At pi(1|0) = 1 the constant -1/4 of P(0|1,1) is left alone.
            ("[1, 1, 0, 0, 1, 0.5], ", "", slopes, "P(t=0|s=1,a=1) falls to -1/4"),
            ("0.7]", "0.6]", "environment.transitions[1][0]", ", expected 1 within 1e-9"),
            // Slopes that cancel are not to blame.
            ("[[[1, 0]", "[[[0.75, 0]", "environment.transitions[0][0]", "sums to 3/4, expected 1"),
            (
                "[0.3, 0.7]",
                "[-0.5, 1.5]",
                "environment.transitions[1][0][0]",
                "is -1/2 and has no slopes, expected at least -1e-9",
            ),
            ("[0, 0, 1, 1, 0, 0.5]", "[2, 0, 1, 1, 0, 0.5]", &at("[1][0]"), "is 2, expected a state"),
            (
                "[0, 0, 1, 1, 0, 0.5]",
                "[0, 0, 1, 1, 2, 0.5]",
                &at("[1][4]"),
                "expected an action, an integer from 0 to 1",
            ),
            ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1.0, 0, 0.5]", &at("[1][3]"), "is 1.0, expected a state"),
            ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1, 0.5]", &at("[1]"), "has length 5, expected 6: a state"),
            (
                "[0, 0, 1, 1, 0, 0.5]",
                "[0, 0, 1, 1, 0]",
                &at("[1]"),
                "has length 5, expected 6: a state, an action",
            ),
            ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1, 0, 1, 2]", &at("[1]"), "has length 7"),
            ("0, 2]", "2, 2]", "environment.reward_slopes[0][3]", "is 2, expected an action"),
            ("\"1/2\"", "\"x\"", "environment.reward_slopes[1][4]", "is \"x\""),
        ],
    );
    let tenths =
        AFFINE.replacen("-0.5]", "-1.0000000001]", 1).replacen("1, 1, 0, 0.5]", "1, 1, 0, 1.0000000001]", 1);
    assert!(read(&tenths).is_ok());
    let error = Problem::from_json(&tenths, Reading::Exact).unwrap_err();
    assert_eq!(error.path(), slopes);
    assert!(error.problem().contains("falls to -1/10000000000, expected at least 0"), "{error}");
}

#[test]
fn explicit_environments_are_checked() {
    let jacobian = "environment.transition_jacobian";
    refused(
        EXPLICIT,
        Reading::Doubles,
        &[
            (
                "-0.5]",
                "-0.4]",
                jacobian,
                "P(.|s=0,a=1) in parameter k=2 sums to 0.09999999999999998, expected 0 within 1e-9",
            ),
            ("[0, 1, 0, 2, -0.5]", "[0, 1, 0, 1, -0.5]", jacobian, "k=1 sums to -0.5"),
            ("-0.5]", "-4]", jacobian, "sums to -3.5, expected 0 within 4e-9"),
            (
                "[0, 1, 0, 2, -0.5]",
                "[0, 1, 0, 3, -0.5]",
                "environment.transition_jacobian[1][3]",
                "is 3, expected a parameter",
            ),
            ("[0, 1, 0, 2, -0.5]", "[0, 1, 1, 2, -0.5]", "environment.transition_jacobian[1]", "repeats"),
            ("[0, 1, 2, 3.5]", "[0, 1, 2]", "environment.reward_jacobian[0]", "has length 3, expected 4"),
            ("[0, 1, 2, 3.5]", "[0, 1, 2, 1], [0, 1, 2, 1]", "environment.reward_jacobian[1]", "repeats"),
            ("[0.5, 0.5]]", "[0.5, 0.6]]", "environment.transitions[0][1]", "sums to 1.1"),
            ("\"theta\": [1, 2, 3]", "\"theta\": []", "policy.theta", "at least one parameter"),
            (
                "\"theta\": [1, 2, 3]",
                "\"theta\": [1, 2]",
                "policy.features[0][0]",
                "has length 3, expected 2",
            ),
            (", \"theta\": [1, 2, 3]", "", "policy.theta", "is missing"),
        ],
    );
    let large = EXPLICIT.replace("2, 0.5]", "2, 1e9]").replace("-0.5]", "-1000000000.1]");
    assert!(read(&large).is_ok());
    assert!(Problem::from_json(&large, Reading::Exact).is_err());
}

#[test]
fn coins_and_loans_are_checked() {
    refused(
        COIN,
        Reading::Doubles,
        &[
            ("-0.25", "0.8", "environment.epsilon", "is 0.8, expected |mu| + |epsilon|/2 of at most 1/2"),
            ("0.125", "-0.6", "environment.mu", "is -0.6"),
            ("[[0, 0]]", "[[0, 0, 0]]", "policy.logits", "has 1 states and 3 actions, expected 1 and 2"),
            ("\"mu\"", "\"eps\"", "environment.eps", "unknown key \"eps\", expected only kind, mu, epsilon"),
        ],
    );
    refused(
        LOAN,
        Reading::Doubles,
        &[
            ("\"q0\": 0.75", "\"q0\": 1.25", "environment.q0", "is 1.25"),
            ("\"c\": 0.5", "\"c\": 0.8", "environment.c", "is 0.8, expected q0 - c from 0 to 1"),
            ("\"c\": 0.5", "\"c\": -0.3", "environment.c", "is -0.3"),
            ("\"mdp\"", "\"bandit\"", "policy.values", "has 4 states and 2 actions, expected 1 and 2"),
            ("\"mdp\"", "3", "environment.form", "is 3, expected \"bandit\" or \"mdp\""),
            (", \"loss\": 1", "", "environment.loss", "is missing"),
        ],
    );
}

#[test]
fn gridworlds_are_checked() {
    refused(
        &gridworld(),
        Reading::Doubles,
        &[
            ("[0,0,0,0],", "", "policy.logits", "has 63 states and 4 actions, expected 64 and 4"),
            ("\"beta\": 5", "\"beta\": -1", "environment.beta", "is -1"),
            ("\"beta\": 5", "\"beta\": 1000001", "environment.beta", "from 0 to 1e6"),
            ("\"eps\": 0.5", "\"eps\": 1.0000000001", "environment.eps", "expected a probability"),
            (
                "\"followers\": 2",
                "\"followers\": 0",
                "environment.followers",
                "is 0, expected an integer from 1 to 10000",
            ),
            ("\"followers\": 2", "\"followers\": \"2\"", "environment.followers", "is \"2\""),
            ("\"eps\": 0.5,", "", "environment.eps", "is missing"),
            (", \"followers\": 2", "", "environment.followers", "is missing"),
            (
                "\"eps\": 0.5, \"followers\": 2",
                "\"eps\": 0.5, \"perturbed_grids\": []",
                "environment.perturbed_grids",
                "beside",
            ),
            (", \"eps\": 0.5, \"followers\": 2", "", "environment.eps", "is missing"),
        ],
    );
    refused(
        &given_grids(),
        Reading::Exact,
        &[
            ("[0,-0.02,1,0,0,0,0,0]", "[0,1,0,0,0,0,0]", "environment.perturbed_grids[0][0]", "has length 7"),
            ("-0.02", "1e400", "environment.perturbed_grids[0][0][1]", "range of doubles"),
        ],
    );
    let many = |n: usize| {
        let grids = format!("\"perturbed_grids\": [{}]", vec!["[]"; n].join(","));
        read(&gridworld().replace("\"eps\": 0.5, \"followers\": 2", &grids)).unwrap_err().to_string()
    };
    assert!(many(10_001).contains("has length 10001, expected at most 10000 grids"), "{}", many(10_001));
    assert!(many(10_000).contains("perturbed_grids[0]: has length 0"), "{}", many(10_000));
}

#[test]
fn what_is_not_rational_is_named() {
    let rational = [RATIONAL_FAMILY, AFFINE, LOAN, BANDIT, &FIXED.replace("0.1", "0")];
    for text in rational {
        assert_eq!(Problem::from_json(text, Reading::Exact).unwrap().not_rational(), None);
    }
    let first = |text: &str| read(text).unwrap().not_rational().unwrap();
    assert_eq!(
        first(COIN),
        ("policy.kind".to_owned(), "softmax is not rational, expected weights or probabilities".to_owned())
    );
    let paths = [
        (EXPLICIT.to_owned(), "policy.kind"),
        (FIXED.to_owned(), "entropy"),
        (RATIONAL_FAMILY.replace("-3]", "-3.5]"), "environment.psi[1]"),
        (RATIONAL_FAMILY.replace("-3]", "-10001]"), "environment.psi[1]"),
        (RATIONAL_FAMILY.replace("weights\": [[[", "logits\": [[["), "environment.base_logits"),
        (RATIONAL_FAMILY.replace("\"slope\": 0", "\"slope\": 1"), "environment.reward.slope"),
        (
            gridworld()
                .replace("softmax", "weights")
                .replace("logits", "values")
                .replace("[0,0,0,0]", "[1,1,1,1]"),
            "environment.kind",
        ),
    ];
    for (text, path) in paths {
        assert_eq!(first(&text).0, path);
    }
}

#[test]
fn rewards_of_next_states_may_begin_with_null() {
    let problem = |rewards: &str, more: &str| {
        let text = format!(
            r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [0, 1]{more},
            "policy": {{"kind": "softmax", "logits": [[0, 0], [0, 0]]}},
            "environment": {{"kind": "fixed", "transitions": [[[1, 0], [1, 0]], [[1, 0], [0, 1]]],
                "rewards": {rewards}}}}}"#
        );
        read(&text).unwrap()
    };
    let masked = problem("[[[0, 0], [3, 4]], [[1, 2], [5, 6]]]", r#", "available": [[0, 1], [1, 1]]"#);
    assert_eq!(problem("[[null, [3, 4]], [[1, 2], [5, 6]]]", ""), masked);
    let terminal = problem("[null, [[1, 2], [5, 6]]]", r#", "terminal": [0]"#);
    assert_eq!(terminal.action_sets().available, [false, false, true, true]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn mutated_problems_never_panic(
        which in 0_usize..10,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = valid()[which].clone().into_bytes();
        let source = bytes.clone();
        for (place, edit, other, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match edit {
                0 => { bytes.remove(at); }
                1 => bytes[at] = byte,
                // Bytes of the file itself keep it likely to be JSON.
                2 => bytes[at] = source[other.index(source.len())],
                _ => {
                    let from = other.index(source.len());
                    let piece = source[from..(from + byte as usize % 24).min(source.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        for reading in [Reading::Doubles, Reading::Exact] {
            if let Err(error) = Problem::from_bytes(&bytes, reading) {
                let message = error.to_string();
                prop_assert!(!message.is_empty() && message.chars().count() < 500);
                prop_assert!(!message.chars().any(char::is_control), "{}", message);
            }
        }
    }
}
