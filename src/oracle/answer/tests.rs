use super::*;
use crate::problem::Reading;

fn read(policy: &str, entropy: f64, rewards: &str) -> Problem {
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "entropy": {entropy},
            "policy": {{{policy}}},
            "environment": {{"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [{rewards}]}}}}"#
    );
    Problem::from_json(&text, Reading::Doubles).unwrap()
}

#[test]
fn each_quantity_has_its_bound() {
    let covers = Covers::Problem;
    let bounds = Bounds { value: 1, state_values: 2, action_values: 3, occupancy: 4, gradient: 5, covers };
    let of = Quantity::ALL.map(|quantity| *bounds.of(quantity));
    assert_eq!(of, [1, 2, 3, 4, 5, 5, 5, 5, 5]);
}

#[test]
fn balls_tell_what_they_bound() {
    let ball = Ball::from_f64(1.5).widened(0.25);
    assert_eq!(Enclosed::midpoint(&ball), 1.5);
    let bound = Enclosed::error_bound(&ball);
    assert!((0.25..0.2500001).contains(&bound), "{bound}");
    assert_eq!(Enclosed::error_bound(&Ball::from_f64(1.0).widened(f64::INFINITY)), f64::INFINITY);
    assert_eq!(Enclosed::beyond_doubles(&ball), None);
    let big = BigBall::from_f64(1.5).widened(0.25);
    assert_eq!(Enclosed::midpoint(&big), 1.5);
    let bound = Enclosed::error_bound(&big);
    assert!((0.25..0.2500001).contains(&bound), "{bound}");
    assert_eq!(Enclosed::beyond_doubles(&big), None);
    let large = BigBall::from_f64(1e300) * BigBall::from_f64(1e300);
    assert!(Enclosed::beyond_doubles(&large).is_some_and(|size| size.contains("e600")));
}

#[test]
fn answers_are_made_of_rewards_over_the_horizon() {
    let problem = read(r#""kind": "weights", "values": [[1, 3]]"#, 0.0, "[1, -3]");
    let (model, policy) = (problem.model::<Ball>().unwrap(), problem.deployed_policy().unwrap());
    let deployment = model.deploy(&policy).unwrap();
    let evaluation = deployment.evaluate(&model.entropy).unwrap();
    assert_eq!(made_of(&deployment.mdp, &evaluation), (3.0, 2.0));
}

/// Three entries, the largest of them 4.
#[test]
fn bounds_are_tight_below_the_rounding_of_what_they_bound() {
    let bounded = |largest: f64| Bounded { bound: 0.0, sum: 0.0, largest, entries: 3 };
    let two = |n: i32| 2f64.powi(n);
    let is_tight = |largest: f64, bound: f64, made_of: f64| bounded(largest).is_tight(bound, made_of);
    assert!(is_tight(4.0, two(-48), 0.0) && !is_tight(4.0, two(-48).next_up(), 0.0));
    assert!(is_tight(0.0, two(-78), 4.0) && !is_tight(0.0, two(-78).next_up(), 4.0));
    // Eight steps of the smallest doubles.
    let smallest = f64::from_bits(1);
    assert!(is_tight(0.0, 8.0 * smallest, 0.0) && !is_tight(0.0, 9.0 * smallest, 0.0));
}

#[test]
fn bounds_of_entries_are_joined() {
    let balls = [(1.0, 0.25), (-3.0, 0.5), (2.0, 0.0)].map(|(x, r)| Ball::from_f64(x).widened(r));
    let entries: Vec<Option<&Ball>> = balls.iter().map(Some).chain([None]).collect();
    let all = Bounded::new(Quantity::Gradient, &entries, 2).unwrap();
    assert_eq!((all.largest, all.entries), (3.0, 4));
    assert!((0.5..0.500001).contains(&all.bound) && (0.75..0.750001).contains(&all.sum));
    let one = Bounded::new(Quantity::Gradient, &entries[..1], 2).unwrap();
    let both = all.and(&one);
    assert_eq!((both.largest, both.entries, both.bound), (3.0, 5, all.bound));
    assert!((1.0..1.000001).contains(&both.sum));
    let unknown = Ball::from_f64(1.0).widened(f64::INFINITY);
    let error = Bounded::new(Quantity::ActionValues, &[None, None, None, Some(&unknown)], 2).err();
    let expected =
        OracleError::NotFinite { quantity: Quantity::ActionValues, index: vec![1, 1], about: None };
    assert_eq!(error, Some(expected));
}

#[test]
fn what_is_not_finite_is_named() {
    let message = |quantity, index: &[usize], about: Option<&str>| {
        let (index, about) = (index.to_vec(), about.map(str::to_owned));
        OracleError::NotFinite { quantity, index, about }.to_string()
    };
    assert_eq!(
        message(Quantity::Value, &[], Some("1e400")),
        "value of the answer is about 1e400, expected within the range of doubles"
    );
    assert_eq!(
        message(Quantity::ActionValues, &[1, 0], None),
        "action_values[1][0] of the answer could not be bounded with the digits that are affordable"
    );
}

#[test]
fn values_are_known_alone() {
    let problem = read(r#""kind": "weights", "values": [[1, 3]]"#, 0.0, "[1, -3]");
    // (1/4 - 9/4)/(1 - 1/2)
    assert_eq!(problem.bounded_value().unwrap(), BoundedValue { value: -4.0, error_bound: 0.0 });
}

/// Logits 1 and 0, the first a sum that 256 bits do not hold: `e/(1 + e)`.
#[test]
fn probabilities_are_the_nearest_doubles() {
    let weights = read(r#""kind": "weights", "values": [[1, 3]]"#, 0.0, "[1, 0]");
    assert_eq!(weights.probabilities().unwrap(), [0.25, 0.75]);
    let sums = r#""kind": "log-linear", "theta": [1, 1, 1], "features": [[[1e100, 1, -1e100], [0, 0, 0]]]"#;
    let got = read(sums, 0.0, "[1, 0]").probabilities().unwrap();
    assert_eq!(got, [0.731_058_578_630_004_9, 0.268_941_421_369_995_1]);
    // 3/10 beside 2^246 keeps ten bits of 256.
    let large = "113078212145816597093331040047546785012958969400039613319782796882727665664";
    let features = format!("[[[{large}, 0.3, -{large}], [0, 0, 0]]]");
    let sums = format!(r#""kind": "log-linear", "theta": [1, 1, 1], "features": {features}"#);
    let got = read(&sums, 0.0, "[1, 0]").probabilities().unwrap();
    assert_eq!(got, [0.574442516811659, 0.425557483188341]);
    let impossible = read(r#""kind": "softmax", "logits": [[0, -800]]"#, 0.0, "[1, 0]");
    assert_eq!(impossible.probabilities().unwrap(), [1.0, 0.0]);
}

/// Numbers that no double is have bounds, whatever is known of them.
#[test]
fn every_quantity_is_bounded() {
    let problem = read(r#""kind": "softmax", "logits": [[0.3, 0]]"#, 0.1, "[1, 0.3]");
    let attempt = Answer::attempt::<Ball>(&problem).unwrap();
    let bounds = &attempt.answer.error_bounds;
    for quantity in Quantity::MAIN {
        let bound = *bounds.of(quantity);
        assert!(bound > 0.0 && bound < 1e-14, "{}: {bound}", quantity.name());
    }
    assert!(attempt.is_tight && attempt.kinks.is_empty());
}
