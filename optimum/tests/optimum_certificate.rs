//! Certificates of performative optima: the checker's samples are what the crate
//! writes, and there is none of what is false.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::path::{Path, PathBuf};
use std::{env, fs};

use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use pemdp_optimum::{
    Certificate, CertificateError, CertificateSettings, OptimumSettings, PerformativeOptimum, certificate,
    performative_optimum,
};

/// Three actions in the first state, whose probabilities move both states' rows.
const THREE_ACTIONS: &str = r#"{
    "format": "pemdp-problem/1", "gamma": "3/4", "initial": ["1/2", "1/2"],
    "policy": {"kind": "probabilities", "values": [[1, 0, 0], [1, 0, 0]]},
    "environment": {
        "kind": "affine",
        "transitions": [[["1/4", "3/4"], ["1/2", "1/2"], [1, 0]],
            [["1/2", "1/2"], ["1/2", "1/2"], ["1/2", "1/2"]]],
        "transition_slopes": [[0, 0, 0, 0, 1, "1/4"], [0, 0, 1, 0, 1, "-1/4"], [1, 0, 0, 0, 2, "-1/2"],
            [1, 0, 1, 0, 2, "1/2"], [1, 1, 0, 0, 2, "-1/2"], [1, 1, 1, 0, 2, "1/2"],
            [1, 2, 0, 0, 2, "-1/2"], [1, 2, 1, 0, 2, "1/2"]],
        "rewards": [[1, "1/2", 0], ["-1/3", "-1/3", "-1/3"]],
        "reward_slopes": [[0, 0, 0, 0, -1], [0, 1, 0, 1, "-1/2"]]
    }
}"#;

const FIXED: &str = r#"{
    "format": "pemdp-problem/1", "gamma": "9/10", "initial": [1, 0],
    "policy": {"kind": "probabilities", "values": [[1, 0, 0], [1, 0, 0]]},
    "environment": {
        "kind": "fixed",
        "transitions": [[["1/2", "1/2"], ["1/3", "2/3"], [1, 0]], [[1, 0], ["1/4", "3/4"], [0, 1]]],
        "rewards": [[0, "1/3", -1], [1, "1/2", 0]]
    }
}"#;

/// Rewards that reach the clip, transitions that cannot happen.
const CLIPPED: &str = r#"{
    "format": "pemdp-problem/1", "gamma": 0.75, "initial": [0.5, 0.25, 0.25],
    "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]},
    "environment": {
        "kind": "exponential-family", "psi": [1, -0.5, 0.25],
        "base_logits": [[[0, 1, null], [0.5, 0, 0]], [[null, 0, 0.25], [0, 0, 0]], [[0, -1, 0], [0, 0, 2]]],
        "reward": {"base": [[0.5, 0], [0, 0.25], [-0.5, 0.5]], "slope": 0.125, "clip": 0.5}
    }
}"#;

const GAP: f64 = 1e-2;

fn example(name: &str) -> String {
    examples::example(name).unwrap().to_json()
}

fn settings(bound: Option<f64>) -> CertificateSettings {
    CertificateSettings { gap: GAP, bound, ..CertificateSettings::default() }
}

fn optimum(json: &str, bound: Option<f64>) -> (Problem, PerformativeOptimum) {
    let problem = Problem::from_json(json, Reading::Doubles).unwrap();
    let settings = OptimumSettings { bound, ..OptimumSettings::default() };
    let optimum = performative_optimum(&problem, &settings).unwrap();
    (problem, optimum)
}

/// The samples by name.
fn samples() -> Vec<(&'static str, Certificate)> {
    let problems = [
        ("loan-mdp", example("loan-mdp"), None),
        ("affine", example("affine"), None),
        ("three-actions", THREE_ACTIONS.to_owned(), None),
        ("fixed", FIXED.to_owned(), None),
        ("vanishing", example("vanishing"), None),
        ("local-maximum", example("local-maximum"), None),
        ("exponential-family", example("exponential-family"), Some(3.0)),
        ("clipped", CLIPPED.to_owned(), None),
        ("clipped-box", CLIPPED.to_owned(), Some(1.0)),
    ];
    problems
        .into_iter()
        .map(|(name, json, bound)| {
            let (problem, optimum) = optimum(&json, bound);
            let certificate = certificate(&problem, &optimum, &settings(bound)).unwrap();
            (name, certificate)
        })
        .collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proofs-check/checker/optimum-samples")
}

/// `UPDATE_SAMPLES=1 cargo test -p pemdp-optimum --test optimum_certificate` rewrites them.
#[test]
fn the_samples_are_what_the_crate_writes() {
    let samples = samples();
    let path = |name: &str| directory().join(format!("{name}.json"));
    if env::var_os("UPDATE_SAMPLES").is_some() {
        let _ = fs::remove_dir_all(directory());
        fs::create_dir(directory()).unwrap();
        for (name, certificate) in &samples {
            fs::write(path(name), format!("{}\n", certificate.document)).unwrap();
        }
    }
    for (name, certificate) in &samples {
        let stored = fs::read_to_string(path(name)).unwrap_or_default();
        assert_eq!(stored, format!("{}\n", certificate.document), "{name}: see UPDATE_SAMPLES");
    }
    assert_eq!(fs::read_dir(directory()).unwrap().count(), samples.len(), "samples of nothing");
}

#[test]
fn nothing_below_a_value_is_certified() {
    for (json, bound) in [
        (example("loan"), None),
        (example("two-basins"), None),
        (THREE_ACTIONS.to_owned(), None),
        (FIXED.to_owned(), None),
        (example("two-state"), None),
        (example("exponential-family"), Some(3.0)),
        (CLIPPED.to_owned(), Some(3.0)),
    ] {
        let (problem, mut optimum) = optimum(&json, bound);
        let settings = CertificateSettings { gap: 1e-3, cells: 2_000, ..settings(bound) };
        assert!(certificate(&problem, &optimum, &settings).is_ok(), "{json}");
        // What would be certified is 1e-4 below the value of a policy, or of a limit.
        optimum.value -= 1.1e-3;
        let error = certificate(&problem, &optimum, &settings).unwrap_err();
        let expected = matches!(error, CertificateError::Cells { .. } | CertificateError::NoWitness { .. });
        assert!(expected, "{error}");
    }
}

#[test]
fn the_bound_of_a_gap_is_within_it() {
    let (problem, optimum) = optimum(THREE_ACTIONS, None);
    for gap in [1e-1, 1e-3, 1e-6] {
        let settings = CertificateSettings { gap, ..CertificateSettings::default() };
        let certificate = certificate(&problem, &optimum, &settings).unwrap();
        let upper_bound: f64 = certificate.upper_bound.numer().to_string().parse::<f64>().unwrap()
            / certificate.upper_bound.denom().to_string().parse::<f64>().unwrap();
        assert!(optimum.value < upper_bound && upper_bound <= optimum.value + gap, "{gap}: {upper_bound}");
    }
}

/// The ready problems `loan-mdp` and `exponential-family`, the latter with doubles as they are.
const FORMULAS: [&str; 2] = [
    r#"{
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0, 0, 0],
        "policy": {"kind": "weights", "values": [[1, 2], [1, 1], [1, 1], [1, 1]]},
        "environment": {
            "kind": "formulas", "definitions": {"q": "3/4 - pi[0,0]/2"},
            "transitions": [
                [0, 0, 1, "q"], [0, 0, 2, "1 - q"], [0, 1, 3, 1], [1, 0, 0, 1], [1, 1, 0, 1], [2, 0, 0, 1],
                [2, 1, 0, 1], [3, 0, 0, 1], [3, 1, 0, 1]
            ],
            "rewards": [[1, 0, 1], [1, 1, 1], [2, 0, -1], [2, 1, -1]]
        }
    }"#,
    r#"{
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0.1, -0.2], [0.0, 0.3]]},
        "environment": {
            "kind": "formulas", "normalise": true,
            "constants": {"c": [0.2, 0.1, 0.3, 0.7]},
            "transitions": [
                [0, 0, 0, "exp(theta[0])"], [0, 0, 1, "exp(c[0] - theta[0]/2)"],
                [0, 1, 0, "exp(c[1] + theta[1])"], [0, 1, 1, "exp(-theta[1]/2)"],
                [1, 0, 0, "exp(theta[1,0])"], [1, 0, 1, "exp(-theta[1,0]/2)"],
                [1, 1, 0, "exp(theta[1,1] + c[2])"], [1, 1, 1, "exp(-theta[1,1]*0.5 - c[2])"]
            ],
            "rewards": [
                [0, 0, "1 + c[3]*theta[0,0]"], [0, 1, "c[3]*theta[0,1]"], [1, 0, "c[3]*theta[1,0]"],
                [1, 1, "1/2 + c[3]*theta[1,1]"]
            ]
        }
    }"#,
];

#[test]
fn formulas_have_the_optima_and_certificates_of_what_they_are() {
    for (json, name, bound) in
        [(FORMULAS[0], "loan-mdp", None), (FORMULAS[1], "exponential-family", Some(3.0))]
    {
        let (formulas, best) = optimum(json, bound);
        let (_, own) = optimum(&example(name), bound);
        assert_eq!((best.upper_bound, &best.policy), (own.upper_bound, &own.policy), "{name}");
        assert!(best.certified && (best.value - own.value).abs() <= 1e-12, "{name}");
        let document = |problem: &Problem, best: &PerformativeOptimum| {
            let document = certificate(problem, best, &settings(bound)).unwrap().document;
            serde_json::from_str::<serde_json::Value>(&document).unwrap()
        };
        let certificate = document(&formulas, &best);
        assert_ne!(certificate["problem"]["environment"]["kind"], "formulas");
        if name == "exponential-family" {
            let stored = fs::read_to_string(directory().join("exponential-family.json")).unwrap();
            assert_eq!(certificate, serde_json::from_str::<serde_json::Value>(&stored).unwrap());
        }
    }
}

#[test]
fn what_has_no_certificate_says_why() {
    let (coin, best) = optimum(&example("coin"), None);
    let error = certificate(&coin, &best, &settings(None)).unwrap_err();
    assert_eq!(error, CertificateError::NotCovered { kind: "coin" });

    let (affine, best) = optimum(&example("affine"), None);
    let few = CertificateSettings { gap: 1e-9, cells: 4, bound: None };
    let error = certificate(&affine, &best, &few).unwrap_err();
    assert!(matches!(error, CertificateError::Cells { cells: 4, reached } if reached > 1e-9), "{error}");
    for gap in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = certificate(&affine, &best, &CertificateSettings { gap, ..few.clone() }).unwrap_err();
        assert!(matches!(error, CertificateError::Gap { .. }), "{error}");
    }
}
