use super::*;
use crate::arithmetic::ratio;
use crate::policy::Weights;
use crate::problem::ActionSets;

fn numbers(values: &[f64]) -> Vec<Numeral> {
    values.iter().copied().map(Numeral::from).collect()
}

#[test]
fn weights_near_the_ends_of_doubles_are_scaled_by_a_power_of_two() {
    let two = |n: i32| 2f64.powi(n);
    // 3 2^-700 has the numerator 3, of two bits, and a denominator of 701: times 2^699.
    let small = relative_weights(&numbers(&[two(-700), 3.0 * two(-700), 0.0]));
    assert_eq!(small, numbers(&[0.5, 1.5, 0.0]));
    // 3 2^699 has 701 bits over one: times 2^-700.
    let large = relative_weights(&numbers(&[two(700), 3.0 * two(699)]));
    assert_eq!(large, numbers(&[1.0, 1.5]));
    for row in [[1e-100, 3e-100], [1.0, 2e100], [0.0, 0.0]] {
        assert_eq!(relative_weights(&numbers(&row)), numbers(&row));
    }
}

#[test]
fn large_logits_are_taken_less_the_largest() {
    let row = |values: [Option<f64>; 3]| values.map(|x| x.map(Numeral::from)).to_vec();
    assert_eq!(relative_logits(&row([Some(1024.0), None, Some(1023.0)])), row([Some(0.0), None, Some(-1.0)]));
    assert_eq!(
        relative_logits(&row([Some(-2000.0), Some(-1999.5), Some(0.5)])),
        row([Some(-2000.5), Some(-2000.0), Some(0.0)])
    );
    let small = row([Some(1023.5), None, Some(-1023.5)]);
    assert_eq!(relative_logits(&small), small);
}

/// Rows respond where `psi`, here 1, 1, 2, varies among the states that they can lead to.
#[test]
fn rows_respond_where_the_statistic_varies() {
    let targets: [&[usize]; 6] = [&[0, 1], &[0, 1], &[1, 2], &[0, 1], &[2], &[0, 1]];
    let base: Vec<f64> =
        targets.iter().flat_map(|row| (0..3).map(|t| if row.contains(&t) { 1.0 } else { 0.0 })).collect();
    let family = RationalFamily::new(2, vec![1, 1, 2], base.clone(), vec![0.0; 6]).unwrap();
    let of = |slope: f64| {
        let reward = ClippedReward { base: vec![0.0; 6], slope, clip: None };
        ExponentialFamily::new(2, vec![1.0, 1.0, 2.0], BaseMeasure::Weights(base.clone()), reward).unwrap()
    };
    let (flat, sloped) = (of(0.0), of(0.5));
    for (state, transitions) in [false, true, false].into_iter().enumerate() {
        let responds = Responds { transitions, rewards: false };
        assert_eq!(family.responds(state), responds, "{state}");
        assert_eq!(flat.responds(state), responds, "{state}");
        assert_eq!(sloped.responds(state), Responds { transitions, rewards: true }, "{state}");
    }
}

/// With `r = base + slope theta`: inside, beyond either end, and on an end of the clip.
#[test]
fn rewards_are_clipped_with_their_slopes() {
    let reward =
        |slope: f64, clip: Option<f64>| ClippedReward { base: vec![1.0, -1.0, 0.5, -0.5], slope, clip };
    let theta = [1.0, -1.0, 0.5, -0.5];
    let (rewards, slopes, kinks) = reward(2.0, Some(1.5)).at(&theta, 2);
    assert_eq!(rewards, [1.5, -1.5, 1.5, -1.5]);
    assert_eq!(slopes, [0.0; 4]);
    assert_eq!(kinks, [(1, 0), (1, 1)].map(|(state, action)| Kink::Clip { state, action }));
    let (rewards, slopes, kinks) = reward(2.0, Some(2.0)).at(&theta, 2);
    assert_eq!((rewards, slopes), (vec![2.0, -2.0, 1.5, -1.5], vec![0.0, 0.0, 2.0, 2.0]));
    assert!(kinks.is_empty());
    let (rewards, slopes, _) = reward(2.0, None).at(&theta, 2);
    assert_eq!((rewards, slopes), (vec![3.0, -3.0, 1.5, -1.5], vec![2.0; 4]));
    let (rewards, slopes, kinks) = reward(2.0, Some(0.0)).at(&theta, 2);
    assert_eq!((rewards, slopes, kinks), (vec![0.0; 4], vec![0.0; 4], vec![]));
    // Without a slope nothing is lost at an end.
    let (rewards, _, kinks) = reward(0.0, Some(1.0)).at(&theta, 2);
    assert_eq!((rewards, kinks), (vec![1.0, -1.0, 0.5, -0.5], vec![]));
}

#[test]
fn kinks_are_exact_where_logits_are_known() {
    let family = ExponentialFamilySpec {
        psi: numbers(&[0.0, 1.0]),
        base: Base::Logits(None),
        reward_base: numbers(&[0.0, 1.0, 1.0, -0.5]),
        next_rewards: Vec::new(),
        slope: Numeral::from(ratio(1, 3)),
        clip: Some(Numeral::from(1.0)),
    };
    let gamma = Numeral::ZERO;
    let given = Given {
        n_states: 2,
        n_actions: 2,
        gamma: &gamma,
        actions: &ActionSets::default(),
        has_local_logits: true,
    };
    // 0 + 3/3 = 1, 1 + 0/3 = 1, 1 + 1/3 > 1, -1/2 - (3/2)/3 = -1.
    let softmax = crate::policy::Softmax { logits: numbers(&[3.0, 0.0, 1.0, -1.5]) }.into();
    let weights = Weights { values: numbers(&[3.0, 1.0, 2.0, 1.0]) }.into();
    let at = |family: &ExponentialFamilySpec, policy: &PolicySpec| {
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(s, a)| family.has_exact_kink(policy, s, a, given))
    };
    assert_eq!(at(&family, &softmax), [true, true, false, true]);
    // Logarithms of other weights than 1 are not rational.
    assert_eq!(at(&family, &weights), [false, true, false, false]);
    assert_eq!(at(&ExponentialFamilySpec { clip: None, ..family }, &softmax), [false; 4]);
}

#[test]
fn families_respond_twice_with_twice_the_slopes() {
    let family = |psi: [f64; 2], slope: f64| ExponentialFamilySpec {
        psi: numbers(&psi),
        base: Base::Logits(None),
        reward_base: numbers(&[0.0, 1.0]),
        next_rewards: Vec::new(),
        slope: Numeral::from(slope),
        clip: Some(Numeral::from(1.0)),
    };
    assert_eq!(family([0.5, -1.0], 0.25).responding_twice(), Some(family([1.0, -2.0], 0.5)));
}
