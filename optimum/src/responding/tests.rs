use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::outcome::FOREVER;
use pemdp::environments::Structure;
use pemdp::problem::Reading;

/// Two states that move by smooth functions of both choices, and pay such.
fn problem(gamma: f64) -> Problem {
    let json = format!(
        r#"{{
            "format": "pemdp-problem/1", "gamma": {gamma}, "initial": [0.25, 0.75],
            "policy": {{"kind": "softmax", "logits": [[0, 0], [0, 0]]}},
            "environment": {{
                "kind": "formulas",
                "definitions": {{"p": "pi[0,0]", "q": "pi[1,0]", "x": "sigmoid(3*q - 2*p)", "y": "(1 + p^2)/(2 + q)"}},
                "transitions": [
                    [0, 0, 0, "x"], [0, 0, 1, "1 - x"], [0, 1, 0, 1], [1, 0, 0, "y"], [1, 0, 1, "1 - y"],
                    [1, 1, 1, 1]
                ],
                "rewards": [[0, 0, "2 - q^2"], [1, 1, "exp(q - 1) - p"], [1, 0, "-1/2"]]
            }}
        }}"#
    );
    Problem::from_json(&json, Reading::Doubles).unwrap()
}

/// No value of a cell exceeds its bound, and bounds of narrow cells exceed the largest value
/// by no more than a multiple of the squared width.
#[test]
fn bounds_hold_in_every_cell_and_are_of_second_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    // Of second order: a gradient that is enclosed too widely gives 1e3 and 1e5.
    for (gamma, second_order) in [(0.5, 20.0), (0.9, 1000.0)] {
        let problem = problem(gamma);
        let Structure::OfProbabilities { matters } = problem.structure() else { panic!() };
        let domain = Responding::new(&problem, &matters).unwrap();
        for _ in 0..100 {
            let width = [1.0 / 8192.0, 1.0 / 1024.0, 1.0 / 8.0][rng.random_range(0..3)];
            let mut end = || rng.random_range(0.0..=1.0 - width);
            let (p, q) = (end(), end());
            let range = |p: f64| ([p, 1.0 - p - width], [p + width, 1.0 - p]);
            let (of_p, of_q) = (range(p), range(q));
            let cell = Cell { lower: [of_p.0, of_q.0].concat(), upper: [of_p.1, of_q.1].concat() };
            let bounded = domain.bound(&mut &*FOREVER, &cell, f64::NEG_INFINITY);
            let mut best = f64::NEG_INFINITY;
            for k in 0..25 {
                let (p, q) = (p + width * f64::from(k % 5) / 4.0, q + width * f64::from(k / 5) / 4.0);
                best = best.max(domain.value(&[p, 1.0 - p, q, 1.0 - q]).unwrap());
            }
            assert!(!bounded.absent && best <= bounded.upper + 1e-12, "{p} {q} {width}: {best} {bounded:?}");
            if width < 0.1 {
                let excess = (bounded.upper - best) / (width * width);
                assert!(excess <= second_order, "{p} {q} {width} {gamma}: {excess}");
            }
        }
    }
}
