use super::*;
use crate::tolerances::{DIFFERENTIATED, SOLVED};
use pemdp::arithmetic::ratio;

#[test]
fn the_constants_at_a_point_are_at_most_the_suprema() {
    let effort = Effort { seed: 5, instances: 60 };
    let random = (0..60).map(|i| Family::random(&mut effort.random("constants", i), 3));
    for family in family::corners().into_iter().chain(random) {
        let (here, everywhere) = (Constants::at(&family), Constants::everywhere(&family));
        assert!(here.half_range <= everywhere.half_range);
        assert!(here.slope <= everywhere.slope);
        assert!(here.curvature <= everywhere.curvature);
        assert!(l5x(&here).high <= l5x(&everywhere).high);
    }
}

#[test]
fn the_formulas_have_known_values() {
    let c = Constants {
        half_range: ratio(1, 1),
        slope: ratio(3, 1),
        curvature: ratio(5, 1),
        psi_range: ratio(2, 1),
        gamma: ratio(3, 4),
        n_states: 2,
        n_actions: 3,
    };
    // I = 1/2 + 3/4: 2 (5/4) 16 + 6 sqrt(5/4) 8 + 5 4.
    assert!((l5x(&c).low.approximate() - (60.0 + 48.0 * 1.25f64.sqrt())).abs() < SOLVED);
    // I = 3/2: (3 + 6 sqrt(3/2) + 5) 3 16.
    assert!((l5(&c).low.approximate() - 48.0 * (8.0 + 6.0 * 1.5f64.sqrt())).abs() < DIFFERENTIATED);
    let of_trees = 36.0 / (3.0 * 3f64.sqrt()) + 0.5;
    assert!((l5t(&c).high.approximate() - 4.0 * (of_trees + 18.0 + 5.0)).abs() < SOLVED);
    assert_eq!(me7(&c), Between::exactly(ratio(512, 1)));
}

#[test]
fn the_constant_of_trees_is_nearly_attained() {
    for family in [bandit(), ladder(2), ladder(3)] {
        assert!(matches!(test(&family, l5t), Outcome::Decided(m) if (0.0..0.04).contains(&m)), "{family:?}");
    }
}
