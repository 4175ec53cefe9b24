use super::*;

/// The row of the only state and the first of two actions, from doubles.
fn with_row<X>(constants: &[f64], slopes: &[([usize; 5], f64)], of: impl Fn(&AffineRow<'_>) -> X) -> X {
    let constants: Vec<Numeral> = constants.iter().copied().map(Numeral::from).collect();
    let slopes: Vec<_> = slopes.iter().map(|&(index, m)| (index, Numeral::from(m))).collect();
    let here: Vec<usize> = (0..slopes.len()).collect();
    of(&AffineRow { s: 0, a: 0, n_actions: 2, constants: &constants, slopes: &slopes, here: &here })
}

fn clear(constants: &[f64], slopes: &[([usize; 5], f64)]) -> Option<f64> {
    with_row(constants, slopes, |row| row.is_clearly_a_row())
}

/// A tenth of the tolerance 1e-9 is left for what doubles round.
#[test]
fn doubles_decide_up_to_nine_tenths_of_the_tolerance() {
    assert_eq!(clear(&[0.5, 0.5], &[]), Some(1.0));
    let sum = |sum: f64| clear(&[sum - 0.5, 0.5], &[]).is_some();
    assert!(sum(1.0 + 0.85e-9) && !sum(1.0 + 0.95e-9));
    assert!(sum(1.0 - 0.85e-9) && !sum(1.0 - 0.95e-9));
    let least = |least: f64| clear(&[least, 1.0 - least], &[]).is_some();
    assert!(least(0.0) && least(-0.85e-9) && !least(-0.95e-9));
}

#[test]
fn doubles_decide_up_to_a_total_of_a_thousand() {
    // 1 + x - x for one action, nothing for the other.
    let repeated = |x: f64| clear(&[1.0], &[([0, 0, 0, 0, 0], x), ([0, 0, 0, 0, 0], -x)]);
    assert_eq!(repeated(499.5), Some(1.0));
    assert_eq!(repeated(500.0), None);
}

#[test]
fn the_largest_sum_is_that_of_the_best_policy() {
    let tiny = 2f64.powi(-31);
    // Of two actions one has a slope.
    assert_eq!(clear(&[1.0], &[([0, 0, 0, 0, 0], tiny)]), Some(1.0 + tiny));
    assert_eq!(clear(&[1.0], &[([0, 0, 0, 0, 0], -tiny)]), Some(1.0));
    // Both have: the larger one.
    assert_eq!(clear(&[1.0], &[([0, 0, 0, 0, 0], -tiny), ([0, 0, 0, 0, 1], -2.0 * tiny)]), None);
    let both =
        with_row(&[1.0], &[([0, 0, 0, 0, 0], -0.25), ([0, 0, 0, 0, 1], -0.5)], |row| row.sums(sum_in_pairs));
    assert_eq!(both, (0.5, 0.75));
}

#[test]
fn long_sums_are_those_of_their_halves() {
    let upto = |n: u32| sum_in_pairs((1..=n).map(f64::from).collect());
    assert_eq!([0, 1, 8, 9, 20, 100].map(upto), [0.0, 1.0, 36.0, 45.0, 210.0, 5050.0]);
}

#[test]
fn what_responds_twice_moves_twice_as_far() {
    let numbers = |values: &[f64]| values.iter().copied().map(Numeral::from).collect::<Vec<_>>();
    let slopes = |p: f64, r: f64| AffineSpec {
        transitions: numbers(&[1.0, 1.0]),
        transition_slopes: vec![([0, 0, 0, 0, 1], Numeral::from(p))],
        rewards: numbers(&[1.0, -3.0]),
        reward_slopes: vec![([0, 1, 0, 0], Numeral::from(r))],
    };
    assert_eq!(slopes(0.25, -3.0).responding_twice(), Some(slopes(0.5, -6.0)));
}

#[test]
fn repeated_slopes_add_up_exactly() {
    let third = Numeral::from(Rational::new(1.into(), 3.into()));
    let entries = [([1, 0], third.clone()), ([0, 1], Numeral::from(2.0)), ([1, 0], third)];
    let sums: Vec<([usize; 2], Rational)> = lift_sums(&entries);
    assert_eq!(
        sums,
        [([0, 1], Rational::from_integer(2.into())), ([1, 0], Rational::new(2.into(), 3.into()))]
    );
}
