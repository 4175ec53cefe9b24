use super::super::answer::Answer;
use super::super::claimed::Claimed;
use super::super::comparison::Tolerance;
use super::super::computation::Prediction;
use super::super::induced::Models;
use super::super::quantity::Quantities;
use super::*;
use crate::problem::{Problem, Reading};

/// Two states, the second for good, visited 3/4 and 5/4 times: with the probabilities 1/4
/// and 3/4, 1/2 and 1/2, the values are 1 and 0, those of actions 4 and 0, 1 and -1.
const WEIGHTS: &str = r#""kind": "weights", "values": [[1, 3], [1, 1]]"#;
const PROBABILITIES: &str = r#""kind": "probabilities", "values": [[0.25, 0.75], [0.5, 0.5]]"#;
const FEATURES: &str =
    r#""kind": "log-linear", "theta": [0, 0], "features": [[[1, 3], [0, -1]], [[0, 0], [8, 0]]]"#;

fn read(gamma: &str, initial: &str, policy: &str, environment: &str) -> Problem {
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": {gamma}, "initial": {initial},
            "policy": {{{policy}}}, "environment": {{{environment}}}}}"#
    );
    Problem::from_json(&text, Reading::Doubles).unwrap()
}

fn two_states(policy: &str) -> Problem {
    read(
        "0.5",
        "[0.75, 0.25]",
        policy,
        r#""kind": "fixed", "transitions": [[[0, 1], [0, 1]], [[0, 1], [0, 1]]],
            "rewards": [[4, 0], [1, -1]]"#,
    )
}

/// One state with rewards of `largest + more` and `largest`, visited twice.
fn one_state(largest: f64, more: f64) -> Problem {
    one_state_with("0.5", largest, more)
}

fn one_state_with(gamma: &str, largest: f64, more: f64) -> Problem {
    let environment = format!(
        r#""kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[{}, {largest}]]"#,
        largest + more
    );
    read(gamma, "[1]", r#""kind": "weights", "values": [[1, 1]]"#, &environment)
}

/// Calls `then` with the comparison with a problem, where doubles give the truth but for
/// `error` in the first entry of the gradient, and probabilities are taken for large.
fn compared<X>(
    problem: &Problem,
    precision: Precision,
    error: f64,
    then: impl Fn(&Comparison<'_>) -> X,
) -> X {
    let answer: Answer = problem.answer().unwrap();
    let mut rounded: Prediction = Quantities::from_fn(|quantity| answer.entries(quantity));
    rounded[Quantity::Gradient][0] = rounded[Quantity::Gradient][0].map(|x| x + error);
    let claimed = Claimed::default();
    let tolerance = Tolerance::of(precision);
    let mut comparison = Comparison::new(problem, &answer, None, tolerance, &claimed);
    comparison.rounded = Some(rounded);
    comparison.of_probabilities = vec![0.0; problem.n_parameters()];
    then(&comparison)
}

fn rounding(problem: &Problem, quantity: Quantity, precision: Precision, error: f64) -> Vec<f64> {
    compared(problem, precision, error, |comparison| comparison.rounding(quantity))
}

fn near(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{got:?}");
    let is_near = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-9 * y;
    assert!(got.iter().zip(expected).all(is_near), "{got:?} for {expected:?}");
}

#[test]
fn values_and_occupancies_may_round_a_share_of_their_scale() {
    let problem = two_states(WEIGHTS);
    let double = |quantity| rounding(&problem, quantity, Precision::Double, 0.0);
    // 1e-15 times two steps; the first state counts 3/4 of its 1, the second its 1/2.
    near(&double(Quantity::Value), &[2e-15 * 0.75]);
    near(&double(Quantity::StateValues), &[2e-15; 2]);
    near(&double(Quantity::ActionValues), &[2e-15 * 4.0; 4]);
    near(&double(Quantity::Occupancy), &[2e-15 * 2.0; 4]);
    let single = rounding(&problem, Quantity::Value, Precision::Single, 0.0);
    near(&single, &[2e-15 * 0.75 * 536_870_912.0]);
}

/// `gamma = 1 - 2^-20`: of 2^20 steps at most a billionth, and a thousandth in single precision.
#[test]
fn shares_are_limited() {
    let environment = r#""kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[1, 1]]"#;
    let weights = r#""kind": "weights", "values": [[1, 1]]"#;
    let problem = read("0.99999904632568359375", "[1]", weights, environment);
    near(&rounding(&problem, Quantity::Value, Precision::Double, 0.0), &[1e-9 * 1_048_576.0]);
    near(&rounding(&problem, Quantity::Value, Precision::Single, 0.0), &[1e-3 * 1_048_576.0]);
}

#[test]
fn gradients_may_round_what_their_sensitivity_makes_of_values() {
    // 2 d pi (1 - pi) of each state, times the values' 3/4.
    let expected = [0.28125, 0.28125, 0.625, 0.625].map(|w| 1e-14 * w * 0.75);
    let gradient = |error: f64| rounding(&two_states(WEIGHTS), Quantity::Gradient, Precision::Double, error);
    near(&gradient(0.0), &expected);
    near(&rounding(&two_states(WEIGHTS), Quantity::RewardTerm, Precision::Double, 0.0), &expected);
    // A hundred times what doubles round of an entry, up to 1e-4 of the largest, 5/8.
    let error = 2f64.powi(-27);
    near(&gradient(error)[..1], &[100.0 * error]);
    near(&gradient(error)[1..], &expected[1..]);
    near(&gradient(1e-3)[..1], &[0.625e-4]);
    let error = 2f64.powi(-43);
    let single = rounding(&two_states(WEIGHTS), Quantity::Gradient, Precision::Single, error);
    near(&single[..1], &[100.0 * error * 536_870_912.0]);
    near(&single[2..], &[1e-14 * 0.625 * 0.75 * 536_870_912.0; 2]);
}

/// Values of 2e12, whose actions differ by 1 or not at all: `w = 1`.
#[test]
fn gradients_of_large_values_may_round_a_share_of_their_terms() {
    let gradient = |more: f64, error: f64| {
        rounding(&one_state(1e12, more), Quantity::Gradient, Precision::Double, error)
    };
    // Without terms nothing else is known.
    near(&gradient(0.0, 0.0), &[0.02; 2]);
    // 1e-4 of the term 1/2 at most, unless an evaluation in doubles is farther off.
    near(&gradient(1.0, 0.0), &[0.5e-4; 2]);
    near(&gradient(1.0, 0.25), &[0.5e-4; 2]);
    near(&gradient(1.0, 0.5), &[0.02; 2]);
    near(&gradient(1.0, 4.0), &[0.02; 2]);
    // A thousand times an error of 16, more than the terms 128/16, where 128 visits make the
    // sensitivity 64 and the values 2^57.
    let long = one_state_with("0.9921875", 2f64.powi(50), 0.25);
    near(&rounding(&long, Quantity::Gradient, Precision::Double, 16.0), &[16_000.0; 2]);
}

#[test]
fn sensitivities_are_those_of_the_policy() {
    let of = |problem: &Problem| {
        compared(problem, Precision::Double, 0.0, |comparison| comparison.sensitivities())
    };
    near(&of(&two_states(WEIGHTS)), &[0.28125, 0.28125, 0.625, 0.625]);
    // The entries themselves: the visits of their state.
    near(&of(&two_states(PROBABILITIES)), &[0.75, 0.75, 1.25, 1.25]);
    // Mean distances to the mean: 1/2 and 2 in the first state, 4 and 0 in the second.
    near(&of(&two_states(FEATURES)), &[1.25 * 4.0, 0.75 * 2.0]);
}

#[test]
fn sensitivities_are_at_least_those_of_the_transitions() {
    let of = |problem: &Problem| {
        compared(problem, Precision::Double, 0.0, |comparison| comparison.sensitivities())
    };
    // All rows uniform: every pair is visited 1/2, and psi ranges over 4; 2 d pi (1 - pi) is 1/2.
    let family = |psi: &str| {
        read(
            "0.5",
            "[0.5, 0.5]",
            r#""kind": "softmax", "logits": [[0, 0], [0, 0]]"#,
            &format!(
                r#""kind": "exponential-family", "psi": {psi},
                    "reward": {{"base": [[1, 0], [0, 1]]}}"#
            ),
        )
    };
    near(&of(&family("[-1, 3]")), &[2.0; 4]);
    near(&of(&family("[-0.25, 0.25]")), &[0.5; 4]);
    // At a point: |dP| times the visits of the pair, 3/16, 9/16, 5/8 and 5/8.
    let point = read(
        "0.5",
        "[0.75, 0.25]",
        WEIGHTS,
        r#""kind": "explicit", "transitions": [[[0, 1], [0, 1]], [[0, 1], [0, 1]]],
            "rewards": [[4, 0], [1, -1]], "reward_jacobian": [],
            "transition_jacobian": [[0, 1, 0, 2, 8], [0, 1, 1, 2, -8], [1, 0, 0, 3, 0.5], [1, 0, 1, 3, -0.5]]"#,
    );
    near(&of(&point), &[0.28125, 0.28125, 4.5, 0.625]);
}

/// With `h = d (|Q| + 1)`, 15/4 and 3/4 in the first state, of mean 3/2, and 5/2 in the
/// second: `pi (h + mean h)` each, in 16 units of 2^-53.
#[test]
fn probabilities_may_round_a_few_units() {
    let of = |policy: &str| {
        let problem = two_states(policy);
        let (models, deployed) = (Models::of(&problem).unwrap(), problem.deployed_policy::<f64>().unwrap());
        of_probabilities(&problem, &Case::new(&problem, &models, &deployed, None).unwrap())
    };
    let units = |sums: &[f64]| sums.iter().map(|sum| 2f64.powi(-49) * sum).collect::<Vec<_>>();
    near(&of(WEIGHTS), &units(&[0.25 * 5.25, 0.75 * 2.25, 2.5, 2.5]));
    assert_eq!(of(PROBABILITIES), [0.0; 4]);
    // The uniform policy: values 2, 0, so that h is 9/2 and 3/2 of mean 3, and 15/4 each.
    let [first, second, last] = [0.5 * 7.5, 0.5 * 4.5, 0.5 * 7.5];
    near(&of(FEATURES), &units(&[first + 8.0 * last, 3.0 * first + second]));
}

#[test]
fn nothing_is_known_of_what_doubles_do_not_hold() {
    let problem = two_states(WEIGHTS);
    let answer = problem.answer().unwrap();
    let claimed = Claimed::default();
    let comparison = Comparison::new(&problem, &answer, None, Tolerance::default(), &claimed);
    assert_eq!(comparison.rounding(Quantity::Gradient), [0.0; 4]);
    assert_eq!(comparison.rounding(Quantity::StateValues), [0.0; 2]);
}

#[test]
fn actions_of_states_that_are_not_visited_count_whole() {
    let rows = [vec![0.5, 1.5], vec![0.0, 0.0]];
    assert_eq!(policy(&rows), [0.25, 0.75, 1.0, 1.0]);
}
