//! Entropy: the supremum of a state, and errors planted into it.

use super::super::soft::{SoftGain, SoftSupremum};
use super::*;
use pemdp::problem::{Numeral, Parts};

/// A family with entropy in a box.
fn soft(rng: &mut ChaCha8Rng, width: usize, entropy: f64, bound: f64) -> Rectangular {
    let hard = family(rng, 3, width, "1/2", 2);
    let parts = Parts { entropy: Numeral::from(entropy), ..hard.parts().clone() };
    Rectangular::new(&Problem::new(parts, Reading::Doubles).unwrap(), Some(bound)).unwrap()
}

fn supremum(family: &Rectangular, w: &[f64]) -> SoftSupremum {
    let bound = family.bound.unwrap();
    SoftGain { family, s: 0, w, bound, halt: &FOREVER }.supremum(1e-6, 0.0)
}

/// `f - w[0]` by its definition, in doubles.
fn gained(family: &Rectangular, w: &[f64], entropy: f64, x: &[f64]) -> f64 {
    let z: f64 = x.iter().map(|x| x.exp()).sum();
    let part = |(a, x): (usize, &f64)| {
        let pi = x.exp() / z;
        pi * (family.gain(0, a, w, w[0], None).at(*x).approximate() - entropy * pi.ln())
    };
    x.iter().enumerate().map(part).sum()
}

/// The largest of a grid, and how far a supremum is above it and below it.
fn compared(rules: &'static dyn Rules) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(51);
    let (mut above, mut below) = (0.0, 0.0);
    for round in 0..24 {
        let entropy = [0.05, 0.5, 3.0][round % 3];
        let bound = [1.0, 2.5][round % 2];
        let mut family = soft(&mut rng, 2, entropy, bound);
        family.rules = rules;
        let w: Vec<f64> = (0..3).map(|_| rng.random_range(-6.0..6.0)).collect();
        let w = if round < 12 { w } else { family.best_values() };
        let best = supremum(&family, &w);
        let at = |k: i32| bound * f64::from(k) / 60.0;
        let grid = (-60..=60).flat_map(|i| (-60..=60).map(move |j| [at(i), at(j)]));
        let most = grid.map(|x| gained(&family, &w, entropy, &x)).fold(f64::NEG_INFINITY, f64::max);
        above = f64::max(above, best.upper - f64::max(most, 0.0));
        below = f64::max(below, most - best.upper);
        if let Some(choice) = best.choice {
            let there = gained(&family, &w, entropy, &choice.parameters);
            assert!(is_near(there, best.lower, SOLVED), "{there} {}", best.lower);
        }
    }
    (above, below)
}

#[test]
fn suprema_with_entropy_are_the_best_of_a_grid_and_planted_errors_are_noticed() {
    let (above, below) = compared(&Sound);
    assert!(above < 5e-3 && below < SOLVED, "{above} {below}");
    let faults: [&dyn Rules; 2] = [&DroppedCell, &TangentForChord];
    for fault in faults {
        assert!(compared(fault).1 > 1e-5, "{fault:?}");
    }
}

/// Without a bound there is a box; the entropy of one action is 0.
#[test]
fn entropy_needs_a_box() {
    let mut rng = ChaCha8Rng::seed_from_u64(52);
    for (width, bound) in [(1, None), (2, Some(DEFAULT_BOUND))] {
        let hard = family(&mut rng, 2, width, "1/2", 2);
        let parts = Parts { entropy: Numeral::from(0.5), ..hard.parts().clone() };
        let family = Rectangular::new(&Problem::new(parts, Reading::Doubles).unwrap(), None).unwrap();
        assert_eq!((family.bound(), family.entropy.is_zero()), (bound, width == 1));
    }
}
