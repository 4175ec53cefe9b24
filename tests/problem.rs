//! Problems as values: what the constructor refuses, and that every environment of the
//! list is documented, has an example and a vector.

#![allow(clippy::panic)] // tests say what went wrong by panicking

use std::path::Path;
use std::{env, fs};

use pemdp::arithmetic::Rational;
use pemdp::criterion::Criterion;
use pemdp::environments::{
    AffineSpec, Base, CoinSpec, EnvironmentSpec, ExplicitSpec, ExponentialFamilySpec, FixedSpec, Followers,
    GridworldSpec, LoanForm, LoanSpec, Transitions,
};
use pemdp::oracle::examples::EXAMPLES;
use pemdp::policy::{LogLinear, PolicySpec, Probabilities, Softmax, Weights};
use pemdp::problem::{ActionSets, Names, Numeral, Parts, Problem, Reading, Variant};

fn numbers(values: &[f64]) -> Vec<Numeral> {
    values.iter().copied().map(Numeral::from).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_kind_is_in_the_tables_of_the_documentation() {
    let path = root().join("docs/oracle.md");
    let page = fs::read_to_string(&path).unwrap();
    let rows = |variants: &[Variant]| variants.iter().map(Variant::row).collect::<String>();
    let tables = [
        ("| `kind` | keys | policy and parameters |\n|---|---|---|\n", rows(PolicySpec::VARIANTS)),
        ("| `kind` | keys | notes |\n|---|---|---|\n", rows(EnvironmentSpec::VARIANTS)),
    ];
    let expected = tables.iter().fold(page.clone(), |page, (header, rows)| {
        let (before, table) = page.split_once(header).unwrap();
        let (_, after) = table.split_once("\n\n").unwrap();
        format!("{before}{header}{rows}\n{after}")
    });
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/oracle.md differs; UPDATE_DOCS=1 cargo test -p pemdp --test problem writes it"
        );
    }
}

#[test]
fn every_environment_has_an_example_and_a_vector() {
    let kinds_of = |texts: &mut dyn Iterator<Item = String>| {
        let read = |text: String| Problem::from_json(&text, Reading::Doubles).ok();
        texts.filter_map(read).map(|problem| problem.environment().kind()).collect::<Vec<_>>()
    };
    let examples = kinds_of(&mut EXAMPLES.iter().map(|example| example.to_json()));
    let folder = fs::read_dir(root().join("tests/vectors")).unwrap();
    let files = folder.filter_map(|file| fs::read_to_string(file.unwrap().path()).ok());
    let problem = |text: String| {
        let vector: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(vector.get("problem")?.to_string())
    };
    let vectors = kinds_of(&mut files.filter_map(problem));
    for kind in EnvironmentSpec::KINDS {
        assert!(examples.contains(kind), "{kind} has no example");
        assert!(vectors.contains(kind), "{kind} has no vector");
    }
}

/// One state and two actions, or whatever the environment needs, uniform.
fn parts(n_states: usize, environment: impl Into<EnvironmentSpec>) -> Parts {
    let environment = environment.into();
    let width = if n_states == 64 { 4 } else { 2 };
    let mut initial = vec![0.0; n_states];
    initial[0] = 1.0;
    Parts {
        n_states,
        n_actions: width,
        gamma: Numeral::from(0.5),
        criterion: Criterion::Discounted,
        actions: ActionSets::default(),
        names: Names::default(),
        initial: Some(numbers(&initial)),
        entropy: Numeral::ZERO,
        policy: Softmax { logits: vec![Numeral::ZERO; n_states * width] }.into(),
        environment,
    }
}

fn fixed() -> FixedSpec {
    FixedSpec { transitions: numbers(&[1.0, 1.0]).into(), rewards: numbers(&[1.0, 0.0]) }
}

fn affine() -> AffineSpec {
    AffineSpec {
        transitions: numbers(&[1.0, 1.0]),
        transition_slopes: vec![([0, 0, 0, 0, 0], Numeral::ZERO)],
        rewards: numbers(&[1.0, 0.0]),
        reward_slopes: vec![([0, 0, 0, 1], Numeral::from(-1.0))],
    }
}

fn explicit() -> ExplicitSpec {
    ExplicitSpec {
        transitions: numbers(&[1.0, 1.0]),
        rewards: numbers(&[1.0, 0.0]),
        transition_jacobian: vec![([0, 0, 0, 1], Numeral::ZERO)],
        reward_jacobian: vec![([0, 0, 1], Numeral::from(-1.0))],
    }
}

fn family() -> ExponentialFamilySpec {
    ExponentialFamilySpec {
        psi: numbers(&[1.0]),
        base: Base::Weights(numbers(&[1.0, 2.0])),
        reward_base: numbers(&[1.0, 0.0]),
        next_rewards: Vec::new(),
        slope: Numeral::from(0.5),
        clip: Some(Numeral::from(2.0)),
    }
}

fn loan() -> LoanSpec {
    let [q0, c, gain, loss] = [0.75, 0.5, 1.0, 1.0].map(Numeral::from);
    LoanSpec { form: LoanForm::Bandit, q0, c, gain, loss }
}

fn coin() -> CoinSpec {
    CoinSpec { mu: Numeral::from(0.125), epsilon: Numeral::from(-0.25) }
}

fn gridworld() -> GridworldSpec {
    GridworldSpec::benchmark(Numeral::from(5.0), Followers::Given(vec![vec![Numeral::ZERO; 64]]))
}

#[test]
fn problems_made_in_code_are_those_of_files() {
    let all: [(usize, EnvironmentSpec); 7] = [
        (1, fixed().into()),
        (1, affine().into()),
        (1, explicit().into()),
        (1, family().into()),
        (1, loan().into()),
        (1, coin().into()),
        (64, gridworld().into()),
    ];
    for (n_states, environment) in all {
        let problem = Problem::new(parts(n_states, environment), Reading::Doubles).unwrap();
        for reading in [Reading::Doubles, Reading::Exact] {
            assert_eq!(Problem::from_json(&problem.to_json(), reading), Ok(problem.clone()));
        }
        assert!(problem.answer().unwrap().value.is_finite());
    }
}

/// What the constructor says of parts, at which path.
fn refused(parts: Parts) -> (String, String) {
    match Problem::new(parts, Reading::Doubles) {
        Err(error) => (error.path().to_owned(), error.problem().to_owned()),
        Ok(problem) => panic!("{problem:?}"),
    }
}

#[test]
fn numbers_that_are_none_are_refused_wherever_they_stand() {
    let nan = || Numeral::from(f64::NAN);
    let beyond = || Numeral::from(Rational::new(num_bigint::BigInt::from(10).pow(400), 1.into()));
    for bad in [nan, beyond, || Numeral::from(f64::INFINITY)] {
        let mut environments: Vec<(usize, EnvironmentSpec, &str)> = Vec::new();
        macro_rules! spoilt {
            ($n:expr, $environment:expr, $path:literal) => {{
                environments.push(($n, $environment.into(), $path));
            }};
            ($n:expr, $make:expr, $field:ident $([$i:expr])? $(.$rest:tt)*, $path:literal) => {{
                let mut environment = $make;
                environment.$field $([$i])? $(.$rest)* = bad();
                environments.push(($n, environment.into(), $path));
            }};
        }
        let entries =
            |p: Numeral| Transitions::Entries(vec![([0, 0, 0], Numeral::from(1.0)), ([0, 1, 0], p)]);
        let dense = |p: Numeral| Transitions::Dense(vec![Numeral::from(1.0), p]);
        spoilt!(1, FixedSpec { transitions: dense(bad()), ..fixed() }, "environment.transitions[0][1][0]");
        spoilt!(1, FixedSpec { transitions: entries(bad()), ..fixed() }, "environment.transitions[1][3]");
        spoilt!(1, fixed(), rewards[1], "environment.rewards[0][1]");
        spoilt!(1, affine(), transitions[1], "environment.transitions[0][1][0]");
        spoilt!(1, affine(), rewards[0], "environment.rewards[0][0]");
        spoilt!(1, affine(), transition_slopes[0].1, "environment.transition_slopes[0][5]");
        spoilt!(1, affine(), reward_slopes[0].1, "environment.reward_slopes[0][4]");
        spoilt!(1, explicit(), transitions[0], "environment.transitions[0][0][0]");
        spoilt!(1, explicit(), rewards[0], "environment.rewards[0][0]");
        spoilt!(1, explicit(), transition_jacobian[0].1, "environment.transition_jacobian[0][4]");
        spoilt!(1, explicit(), reward_jacobian[0].1, "environment.reward_jacobian[0][3]");
        spoilt!(1, family(), psi[0], "environment.psi[0]");
        spoilt!(1, family(), reward_base[1], "environment.reward.base[0][1]");
        spoilt!(1, family(), slope, "environment.reward.slope");
        spoilt!(1, loan(), q0, "environment.q0");
        spoilt!(1, loan(), c, "environment.c");
        spoilt!(1, loan(), gain, "environment.gain");
        spoilt!(1, loan(), loss, "environment.loss");
        spoilt!(1, coin(), mu, "environment.mu");
        spoilt!(1, coin(), epsilon, "environment.epsilon");
        spoilt!(64, gridworld(), beta, "environment.beta");
        let clipped = ExponentialFamilySpec { clip: Some(bad()), ..family() };
        environments.push((1, clipped.into(), "environment.reward.clip"));
        for (base, path) in [
            (Base::Weights(vec![bad(), Numeral::ZERO]), "environment.base_weights[0][0][0]"),
            (Base::Logits(Some(vec![None, Some(bad())])), "environment.base_logits[0][1][0]"),
        ] {
            environments.push((1, ExponentialFamilySpec { base, ..family() }.into(), path));
        }
        let mut cells = vec![Numeral::ZERO; 64];
        cells[9] = bad();
        let followers = Followers::Given(vec![cells]);
        let path = "environment.perturbed_grids[0][1][1]";
        environments.push((64, GridworldSpec { followers, ..gridworld() }.into(), path));
        let seeded = Followers::Seeded { eps: bad(), count: 2 };
        environments.push((64, GridworldSpec { followers: seeded, ..gridworld() }.into(), "environment.eps"));
        for (n, environment, path) in environments {
            assert_eq!(refused(parts(n, environment)).0, path);
        }

        let whole = || parts(1, fixed());
        assert_eq!(refused(Parts { gamma: bad(), ..whole() }).0, "gamma");
        assert_eq!(refused(Parts { entropy: bad(), ..whole() }).0, "entropy");
        assert_eq!(refused(Parts { initial: Some(vec![bad()]), ..whole() }).0, "initial[0]");
        let two = || vec![Numeral::from(1.0), bad()];
        let features = two();
        for (policy, path) in [
            (Softmax { logits: two() }.into(), "policy.logits[0][1]"),
            (Weights { values: two() }.into(), "policy.values[0][1]"),
            (Probabilities { values: two() }.into(), "policy.values[0][1]"),
            (LogLinear { features, theta: numbers(&[1.0]) }.into(), "policy.features[0][1][0]"),
            (LogLinear { features: numbers(&[1.0, 1.0]), theta: vec![bad()] }.into(), "policy.theta[0]"),
        ] {
            assert_eq!(refused(Parts { policy, ..whole() }).0, path);
        }
    }
}

#[test]
fn shapes_and_indices_are_checked() {
    let cases: Vec<(EnvironmentSpec, &str, &str)> = vec![
        (
            FixedSpec { rewards: numbers(&[1.0]), ..fixed() }.into(),
            "environment.rewards",
            "has 1 entries, expected 2",
        ),
        (
            FixedSpec { transitions: vec![].into(), ..fixed() }.into(),
            "environment.transitions",
            "has 0 entries",
        ),
        (
            AffineSpec { transitions: numbers(&[1.0; 3]), ..affine() }.into(),
            "environment.transitions",
            "has 3",
        ),
        (
            AffineSpec { transition_slopes: vec![([0, 0, 0, 1, 0], Numeral::ZERO)], ..affine() }.into(),
            "environment.transition_slopes[0][3]",
            "is 1, expected an integer below 1",
        ),
        (
            AffineSpec { reward_slopes: vec![([0, 2, 0, 1], Numeral::ZERO)], ..affine() }.into(),
            "environment.reward_slopes[0][1]",
            "is 2, expected an integer below 2",
        ),
        (
            ExplicitSpec { reward_jacobian: vec![([0, 0, 2], Numeral::ZERO)], ..explicit() }.into(),
            "environment.reward_jacobian[0][2]",
            "is 2",
        ),
        (ExponentialFamilySpec { psi: vec![], ..family() }.into(), "environment.psi", "has 0 entries"),
        (
            ExponentialFamilySpec { base: Base::Weights(vec![]), ..family() }.into(),
            "environment.base_weights",
            "has 0 entries, expected 2",
        ),
        (LoanSpec { form: LoanForm::Mdp, ..loan() }.into(), "policy.logits", "has 1 states and 2 actions"),
        (gridworld().into(), "policy.logits", "expected 64 and 4 for the gridworld"),
    ];
    for (environment, path, words) in cases {
        let (at, problem) = refused(parts(1, environment));
        assert_eq!(at, path);
        assert!(problem.contains(words), "{problem}");
    }
    let grids = |followers| GridworldSpec { followers, ..gridworld() };
    let short = grids(Followers::Given(vec![vec![Numeral::ZERO; 63]]));
    assert_eq!(refused(parts(64, short)).0, "environment.perturbed_grids");
    for followers in [Followers::Given(vec![]), Followers::Seeded { eps: Numeral::ZERO, count: 0 }] {
        assert!(refused(parts(64, grids(followers))).0.starts_with("environment."));
    }
    let whole = || parts(1, fixed());
    assert_eq!(refused(Parts { n_states: 0, ..whole() }).0, "policy.logits");
    assert_eq!(refused(Parts { n_actions: 3, ..whole() }).0, "policy.logits");
    assert_eq!(refused(Parts { initial: None, ..whole() }).0, "initial");
    assert_eq!(refused(Parts { initial: Some(numbers(&[0.5, 0.5])), ..whole() }).0, "initial");
    let theta = vec![];
    assert_eq!(
        refused(Parts { policy: LogLinear { features: vec![], theta }.into(), ..whole() }).0,
        "policy.theta"
    );
    let problem = Problem::new(whole(), Reading::Doubles).unwrap();
    assert!(problem.deploying(Weights { values: numbers(&[1.0]) }.into()).is_err());
    assert!(problem.deploying(Weights { values: numbers(&[1.0, -1.0]) }.into()).is_err());
}
