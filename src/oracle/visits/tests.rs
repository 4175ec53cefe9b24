use super::*;

fn chain<const N: usize>(rows: [[f64; N]; N]) -> Rows<f64> {
    Rows::dense(N, rows.concat()).unwrap()
}

fn near(got: Option<Vec<f64>>, expected: &[f64]) {
    let got = got.unwrap();
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-12), "{got:?} for {expected:?}");
}

/// `2/3` and `1/3` are stationary, over `1 - 3/4`.
#[test]
fn stationary_distributions_are_over_one_minus_gamma() {
    near(stationary(&chain([[0.75, 0.25], [0.5, 0.5]]), 0.75), &[8.0 / 3.0, 4.0 / 3.0]);
    assert_eq!(stationary(&chain([[0.75, 0.25], [0.0, 1.0]]), 0.75), None);
    assert_eq!(stationary(&chain([[1.0, 0.0], [0.5, 0.5]]), 0.75), None);
}

/// `v0 = 1 + v1/4`, `v1 = v0/2`: 8/7 and 4/7 visits before the third state.
#[test]
fn transient_states_are_visited_until_they_are_left() {
    let rows = [[0.0, 0.5, 0.5], [0.25, 0.0, 0.75], [0.0, 0.0, 1.0]];
    let visits = |matters: fn(usize) -> bool| transient_visits(&chain(rows), &[1.0, 0.0, 0.0], matters);
    near(visits(|s| s < 2), &[8.0 / 7.0, 4.0 / 7.0, 0.0]);
    assert_eq!(visits(|s| s == 2), None);
    near(undiscounted_visits(&chain(rows), &[1.0, 0.0, 0.0], 0.5, |s| s < 2), &[8.0 / 7.0, 4.0 / 7.0, 0.0]);
    assert_eq!(undiscounted_visits(&chain(rows), &[1.0, 0.0, 0.0], 0.5, |_| true), None);
    // A state that stays half of the time is visited twice.
    near(transient_visits(&chain([[0.5, 0.5], [0.0, 1.0]]), &[1.0, 0.0], |s| s == 0), &[2.0, 0.0]);
}

#[test]
fn states_that_are_not_reached_do_not_matter() {
    let rows = [[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.5, 0.0]];
    let visits =
        |initial: [f64; 4], matters: fn(usize) -> bool| transient_visits(&chain(rows), &initial, matters);
    // The third is never left, the fourth is, and neither is reached.
    near(visits([1.0, 0.0, 0.0, 0.0], |s| s != 1), &[1.0, 0.0, 0.0, 0.0]);
    assert_eq!(visits([1.0, 0.0, 0.0, 0.0], |s| s == 1), None);
    near(visits([0.0, 1.0, 0.0, 0.0], |s| s == 0), &[0.0; 4]);
    near(visits([0.0, 0.0, 0.0, 1.0], |s| s == 0 || s == 3), &[0.5, 0.0, 0.0, 1.0]);
    assert_eq!(visits([0.0, 0.0, 0.0, 1.0], |s| s == 2), None);
}

/// In a chain without end no state that matters is left for good.
#[test]
fn chains_without_end_have_no_transient_visits() {
    let rows = [[0.75, 0.25], [0.5, 0.5]];
    assert_eq!(transient_visits(&chain(rows), &[1.0, 0.0], |s| s == 1), None);
    near(transient_visits(&chain(rows), &[1.0, 0.0], |_| false), &[0.0, 0.0]);
    near(undiscounted_visits(&chain(rows), &[1.0, 0.0], 0.75, |_| true), &[8.0 / 3.0, 4.0 / 3.0]);
}
