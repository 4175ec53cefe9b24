use super::super::induced::Models;
use super::*;
use crate::problem::{Problem, Reading};

fn near(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{got:?}");
    assert!(got.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-12), "{got:?} for {expected:?}");
}

/// `1, 3, 3, 3` have the mean 5/2 and the variance 3/4.
#[test]
fn numbers_are_standardised_with_their_weights() {
    let root = 3f64.sqrt();
    near(&standardised(&[1.0, 3.0], &[1.0, 3.0], 4.0).unwrap(), &[-root, 1.0 / root]);
    near(&standardised_alike(&[1.0, 5.0], 0.0).unwrap(), &[-1.0, 1.0]);
    // With one number fewer the variance is 8 in place of 4.
    near(&standardised_alike(&[1.0, 5.0], 1.0).unwrap(), &[-0.5f64.sqrt(), 0.5f64.sqrt()]);
    // 1 apart at 1e8, within rounding at 1e10.
    assert!(standardised_alike(&[1e8, 1e8 + 1.0], 0.0).is_some());
    assert_eq!(standardised_alike(&[1e10, 1e10 + 1.0], 0.0), None);
    assert_eq!(standardised_alike(&[-1e10, 1.0 - 1e10], 0.0), None);
    assert_eq!(standardised_alike(&[7.0, 7.0], 0.0), None);
}

/// Calls `then` with a case of two states, the first of which is left for the second with
/// probability 1/2, and three actions.
fn with_case<X>(gamma: &str, then: impl Fn(&Case<'_>) -> X) -> X {
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": {gamma}, "initial": [1, 0],
            "policy": {{"kind": "weights", "values": [[2, 1, 1], [2, 1, 1]]}},
            "environment": {{"kind": "fixed", "rewards": [[1, 2, 3], [0, 0, 0]],
            "transitions": [[[0, 1], [1, 0], [1, 0]], [[0, 1], [0, 1], [0, 1]]]}}}}"#
    );
    let problem = Problem::from_json(&text, Reading::Doubles).unwrap();
    let (models, policy) = (Models::of(&problem).unwrap(), problem.deployed_policy().unwrap());
    then(&Case::new(&problem, &models, &policy, None).unwrap())
}

#[test]
fn factors_are_the_numbers_that_they_are_named_for() {
    use Factor::*;
    let all = [
        One,
        Zero,
        Minus,
        Gamma,
        OverGamma,
        Normalised,
        Horizon,
        OverStates,
        OverActions,
        OverPairs,
        OverSteps,
    ];
    let numbers = |gamma: &str| with_case(gamma, |case| all.map(|factor| factor.number(case)));
    // Two steps before the second state.
    let expected = [1.0, 0.0, -1.0, 0.25, 4.0, 0.75, 4.0 / 3.0, 0.5, 1.0 / 3.0, 1.0 / 6.0, 0.5].map(Some);
    for (got, expected) in numbers("0.25").into_iter().zip(expected) {
        near(&[got.unwrap()], &[expected.unwrap()]);
    }
    assert_eq!(numbers("0")[4], None);
}

/// `V0 = 7/4 + V0/8 = 2`, so that `Q[0,.] = 1, 5/2, 7/2` and the first state is visited 8/7 times.
#[test]
fn answers_follow_their_recipe() {
    with_case("0.25", |case| {
        let answer = |recipe: &Recipe, quantity: Quantity| -> Vec<f64> {
            recipe.answer(case).unwrap()[quantity].iter().map(|x| x.unwrap()).collect()
        };
        let (start, scale) = (Recipe::default(), Factor::OverPairs);
        near(&answer(&start, Quantity::Value), &[2.0]);
        near(&answer(&start, Quantity::ActionValues), &[1.0, 2.5, 3.5, 0.0, 0.0, 0.0]);
        let sixth = Recipe { all_values: scale, ..Recipe::default() };
        near(&answer(&sixth, Quantity::StateValues), &[2.0 / 6.0, 0.0]);
        near(&answer(&sixth, Quantity::ActionValues)[..3], &[1.0 / 6.0, 2.5 / 6.0, 3.5 / 6.0]);
        let d = [4.0, 2.0, 2.0].map(|x| x / 7.0);
        near(&answer(&start, Quantity::Occupancy)[..3], &d);
        let sixth = Recipe { occupancy: scale, ..Recipe::default() };
        near(&answer(&sixth, Quantity::Occupancy)[..3], &d.map(|x| x / 6.0));
        let without = Recipe { printed: Printed::WithoutAbsorbing, ..Recipe::default() };
        near(&answer(&without, Quantity::Occupancy), &[d[0], d[1], d[2], 0.0, 0.0, 0.0]);
        // d pi A with A = -1, 1/2, 3/2.
        let policy = [-4.0, 1.0, 3.0].map(|x| x / 7.0);
        near(&answer(&start, Quantity::Gradient)[..3], &policy);
        let sixth = Recipe { factors: [scale, Factor::One, Factor::One, Factor::One], ..Recipe::default() };
        near(&answer(&sixth, Quantity::PolicyTerm)[..3], &policy.map(|x| x / 6.0));
        let sixth = Recipe { gradient: scale, ..Recipe::default() };
        near(&answer(&sixth, Quantity::Gradient)[..3], &policy.map(|x| x / 6.0));
        // The diagonal of the derivative: d pi Q; once more with pi: d pi (pi Q - sum pi^2 Q).
        let diagonal = Recipe { jacobian: Jacobian::Diagonal, ..Recipe::default() };
        near(&answer(&diagonal, Quantity::PolicyTerm)[..3], &[4.0 / 7.0, 5.0 / 7.0, 1.0]);
        let squared = Recipe { jacobian: Jacobian::Squared, ..Recipe::default() };
        let mean = 0.25 + 2.5 / 16.0 + 3.5 / 16.0;
        let expected = [4.0 * (0.5 - mean), 2.0 * (0.625 - mean), 2.0 * (0.875 - mean)].map(|x| x / 7.0);
        near(&answer(&squared, Quantity::PolicyTerm)[..3], &expected);
        let probabilities = Recipe { jacobian: Jacobian::Probabilities, ..Recipe::default() };
        near(&answer(&probabilities, Quantity::PolicyTerm)[..3], &[8.0 / 7.0, 20.0 / 7.0, 4.0]);
        // By action, then by state.
        let major = Recipe { order: Order::ActionMajor, ..Recipe::default() };
        near(&answer(&major, Quantity::ActionValues), &[1.0, 0.0, 2.5, 0.0, 3.5, 0.0]);
        // One step: r; two: r + gamma P r.
        let swept = |n| Recipe { values: super::super::recipe::Values::Swept(n), ..Recipe::default() };
        near(&answer(&swept(1), Quantity::Value), &[1.75]);
        near(&answer(&swept(2), Quantity::Value), &[1.75 + 1.75 / 8.0]);
        let truncated = |n| Recipe { visits: Visits::Truncated(n), ..Recipe::default() };
        near(&answer(&truncated(1), Quantity::Occupancy), &[0.5, 0.25, 0.25, 0.0, 0.0, 0.0]);
        let two = [0.5 * 1.125, 0.25 * 1.125, 0.25 * 1.125, 0.0625, 0.03125, 0.03125];
        near(&answer(&truncated(2), Quantity::Occupancy), &two);
    });
}

/// From a state with the rewards 1 and 3 to one that is never left; every step pays `L` more.
#[test]
fn entropy_counts_where_the_recipe_says() {
    let text = r#"{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.75, 0.25], "entropy": 0.25,
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0]]},
        "environment": {"kind": "fixed", "rewards": [[1, 3], [0, 0]],
            "transitions": [[[0, 1], [0, 1]], [[0, 1], [0, 1]]]}}"#;
    let problem = Problem::from_json(text, Reading::Doubles).unwrap();
    let (models, policy) = (Models::of(&problem).unwrap(), problem.deployed_policy().unwrap());
    let case = Case::new(&problem, &models, &policy, None).unwrap();
    let l = 0.25 * 2f64.ln();
    let values = |entropy: Entropy| {
        let answer = Recipe { entropy, ..Recipe::default() }.answer(&case).unwrap();
        [Quantity::StateValues, Quantity::ActionValues]
            .map(|quantity| answer[quantity].iter().map(|x| x.unwrap()).collect::<Vec<f64>>())
    };
    for (entropy, v, q) in [
        (Entropy::Whole, [2.0 + 2.0 * l, 2.0 * l], [1.0 + 2.0 * l, 3.0 + 2.0 * l, 2.0 * l, 2.0 * l]),
        (Entropy::Negated, [2.0 - 2.0 * l, -2.0 * l], [1.0 - 2.0 * l, 3.0 - 2.0 * l, -2.0 * l, -2.0 * l]),
        (Entropy::Forgotten, [2.0, 0.0], [1.0, 3.0, 0.0, 0.0]),
        (Entropy::CurrentStep, [2.0 + l, l], [1.0 + l, 3.0 + l, l, l]),
        (Entropy::LaterSteps, [2.0 + 2.0 * l, 2.0 * l], [1.0 + l, 3.0 + l, l, l]),
        (Entropy::UntilAbsorbed, [2.0 + l, 0.0], [1.0 + l, 3.0 + l, 0.0, 0.0]),
    ] {
        let [state_values, action_values] = values(entropy);
        near(&state_values, &v);
        near(&action_values, &q);
    }
    // The entropy term of probabilities: -1/4 of the visits 3/4 and 5/4.
    let recipe = Recipe { jacobian: Jacobian::Probabilities, ..Recipe::default() };
    let term = recipe.entropy_term(&case).unwrap();
    near(&term.into_iter().flatten().collect::<Vec<f64>>(), &[-0.1875, -0.1875, -0.3125, -0.3125]);
}

/// Changes of 1, 1/2, 1/4 and so on.
#[test]
fn sweeps_are_made_until_they_change_less() {
    let text = r#"{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
        "policy": {"kind": "softmax", "logits": [[0, 0]]},
        "environment": {"kind": "fixed", "rewards": [[1, 1]], "transitions": [[[1], [1]]]}}"#;
    let problem = Problem::from_json(text, Reading::Doubles).unwrap();
    let (models, policy) = (Models::of(&problem).unwrap(), problem.deployed_policy().unwrap());
    let case = Case::new(&problem, &models, &policy, None).unwrap();
    assert_eq!(case.sweeps_to(&[0.3]), [3, 3]);
    assert_eq!(case.sweeps_to(&[0.3, 0.1]), [3, 5, 3, 5]);
    assert_eq!(case.sweeps_to(&[0.25]), [4, 4]);
}

/// What is never left must not count: a difference of actions, however they respond.
#[test]
fn visits_without_discount_are_of_what_ends() {
    let visits = |rewards: [f64; 2], slopes: &str| {
        let text = format!(
            r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0],
                "policy": {{"kind": "softmax", "logits": [[0, 0], [0, 0]]}},
                "environment": {{"kind": "affine", "rewards": [[1, 3], {rewards:?}],
                    "transitions": [[[0.5, 0.5], [0.5, 0.5]], [[0, 1], [0, 1]]],
                    "transition_slopes": [], "reward_slopes": [{slopes}]}}}}"#
        );
        let problem = Problem::from_json(&text, Reading::Doubles).unwrap();
        let (models, policy) = (Models::of(&problem).unwrap(), problem.deployed_policy().unwrap());
        let case = Case::new(&problem, &models, &policy, None).unwrap();
        case.visits(Environment::Own, Visits::Undiscounted, Start::Given).map(|visits| visits.to_vec())
    };
    assert_eq!(visits([0.0, 0.0], ""), Some(vec![2.0, 0.0]));
    assert_eq!(visits([0.0, 1.0], ""), None);
    // Less apart than values of 2e6 round.
    assert_eq!(visits([1e6, 1e6 + 1e-7], ""), Some(vec![2.0, 0.0]));
    assert_eq!(visits([0.0, 0.0], "[1, 0, 0, 0, 1], [1, 1, 0, 0, 1]"), None);
}
