//! The exact examples of `docs/theory/` by equality of fractions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};

/// Value and gradient of a problem.
fn solve(json: &str) -> (Rational, Vec<Rational>) {
    let problem = Problem::from_json(json, Reading::Exact).unwrap_or_else(|e| panic!("{e}\n{json}"));
    let (model, policy) = problem.rational_model().unwrap();
    let performance = model.perform(&policy).unwrap();
    let gradient = performance.gradient.total().into_iter().map(Option::unwrap).collect();
    (performance.evaluation.value, gradient)
}

/// An example with a piece of its text replaced.
fn varied(name: &str, from: &str, to: &str) -> String {
    let json = examples::example(name).unwrap().to_json();
    assert!(json.contains(from), "{name} has {from}");
    json.replace(from, to)
}

/// Example A at the weight `w = e^theta` of its only decision.
fn local_maximum(w: &Rational) -> (Rational, Rational) {
    let json = varied("local-maximum", r#""values": [[1]"#, &format!(r#""values": [["{w}"]"#));
    let (value, gradient) = solve(&json);
    (value, gradient[0].clone())
}

#[test]
fn a_ascent_can_end_in_an_interior_local_maximum() {
    assert_eq!(local_maximum(&ratio(1, 1)).0, ratio(8100, 6001));
    // The derivative changes sign from + to - near w = e^-4.605 and w = e^4.605.
    for (w, value) in [(ratio(1, 100), 6.0), (ratio(100, 1), 7.5)] {
        let (below, above) = (&w * ratio(99, 100), &w * ratio(101, 100));
        assert!(local_maximum(&below).1 > ratio(0, 1) && local_maximum(&above).1 < ratio(0, 1));
        assert!((local_maximum(&w).0.approximate() - value).abs() < 2e-3);
    }
    // Between them there is a minimum: ascent from either side does not cross it.
    assert!(local_maximum(&ratio(1, 2)).1 < ratio(0, 1));
    assert!(local_maximum(&ratio(2, 1)).1 > ratio(0, 1));
}

#[test]
fn b_the_basin_boundary_is_four_ninths() {
    let at = |p: &Rational| {
        let weights = format!("[\"{p}\", \"{}\"]", ratio(1, 1) - p);
        solve(&varied("two-basins", r#"["0.44", "0.56"]"#, &weights))
    };
    let (value, gradient) = at(&ratio(4, 9));
    assert_eq!(gradient, [ratio(0, 1), ratio(0, 1)]);
    assert_eq!(value, ratio(8, 9));
    assert!(at(&ratio(11, 25)).1[0] < ratio(0, 1) && at(&ratio(9, 20)).1[0] > ratio(0, 1));
    // V = (p^2 + .8 (1-p)^2)/(1-gamma): its limits are 2 and 8/5.
    for p in [ratio(1, 1_000_000), ratio(999_999, 1_000_000)] {
        let other = ratio(1, 1) - &p;
        assert_eq!(at(&p).0, ratio(2, 1) * (&p * &p + ratio(4, 5) * &other * &other));
    }
}

#[test]
fn c_the_value_tends_to_a_limit_below_its_supremum() {
    let at = |w: &Rational| {
        let json = varied("vanishing", r#""values": [[0.25]"#, &format!(r#""values": [["{w}"]"#));
        let (value, gradient) = solve(&json);
        (value, gradient[0].clone())
    };
    let c = ratio(3, 4);
    for (n, d) in [(1, 100), (1, 4), (1, 2), (1, 1), (5, 1), (100, 1)] {
        let w = ratio(n, d);
        let (value, gradient) = at(&w);
        let total = ratio(1, 1) + &w + &w * &w;
        assert_eq!(value, (&c + &w * &w) / &total); // gamma/(1-gamma) = 1
        // dV/dtheta = w (w^2 + 2 (1-c) w - c) / (1 + w + w^2)^2
        let root = &w * &w + ratio(2, 1) * (ratio(1, 1) - &c) * &w - &c;
        assert_eq!(gradient, &w * root / (&total * &total));
    }
}

#[test]
fn the_loan_has_three_different_points() {
    let at = |p: &Rational| {
        let values = format!("[[\"{p}\", \"{}\"]]", ratio(1, 1) - p);
        let (value, gradient) = solve(&varied("loan", "[[0.5, 0.5]]", &values));
        (value, &gradient[0] - &gradient[1])
    };
    // V = p (2 ratio(p) - 1)/(1 - gamma) with ratio(p) = 3/4 - p/2.
    for p in [ratio(0, 1), ratio(1, 4), ratio(1, 3), ratio(1, 2), ratio(1, 1)] {
        assert_eq!(at(&p).0, ratio(2, 1) * &p * (ratio(1, 2) - &p));
    }
    let (optimum, slope) = at(&ratio(1, 4));
    assert_eq!((optimum, slope), (ratio(1, 8), ratio(0, 1)));
    assert_eq!(at(&ratio(1, 2)).0, ratio(0, 1), "zero profit at the stable point");
    assert!(at(&ratio(1, 1)).0 < ratio(0, 1), "and a loss where the first fit leads");
}

#[test]
fn the_loan_has_the_same_points_as_an_mdp() {
    let at = |p: &Rational| {
        let values = format!("[\"{p}\", \"{}\"]", ratio(1, 1) - p);
        let json = varied("loan-mdp", "[1, 2]", &values);
        solve(&json.replace("\"weights\"", "\"probabilities\"").replace("[1, 1]", "[\"1/2\", \"1/2\"]")).0
    };
    assert_eq!(at(&ratio(1, 4)), ratio(1, 24));
    assert_eq!(at(&ratio(1, 2)), ratio(0, 1));
    // gamma p (k q - l)/(1 - gamma^2)
    for p in [ratio(1, 8), ratio(1, 3), ratio(3, 4), ratio(1, 1)] {
        assert_eq!(at(&p), ratio(2, 3) * &p * (ratio(1, 2) - &p));
    }
}

#[test]
fn the_coin_has_its_three_risks() {
    let at = |theta: &Rational| {
        let p = ratio(1, 2) + theta;
        let values = format!("[[\"{p}\", \"{}\"]]", ratio(1, 1) - &p);
        let (value, gradient) = solve(&varied("coin", "[[0.75, 0.25]]", &values));
        (-value, &gradient[0] - &gradient[1])
    };
    assert_eq!(at(&ratio(1, 8)).0, ratio(29, 128), "fitted once");
    assert_eq!(at(&ratio(1, 6)).0, ratio(2, 9), "stable");
    let (risk, slope) = at(&ratio(1, 4));
    assert_eq!((risk, slope), (ratio(7, 32), ratio(0, 1)), "optimal");
}
