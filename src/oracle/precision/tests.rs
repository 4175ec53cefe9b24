use super::*;
use crate::problem::Reading;

fn cost(policy: &str, entropy: f64) -> Cost {
    let rows = "[[1, 0, 0], [0, 1, 0]]";
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0, 0], "entropy": {entropy},
            "policy": {{{policy}}}, "environment": {{"kind": "fixed",
            "transitions": [{rows}, {rows}, {rows}], "rewards": [[1, 0], [0, 0], [0, 0]]}}}}"#
    );
    Cost::of(&Problem::from_json(&text, Reading::Doubles).unwrap())
}

#[test]
fn problems_cost_their_elimination_and_their_rows() {
    let softmax = r#""kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]"#;
    let weights = r#""kind": "weights", "values": [[1, 1], [1, 1], [1, 1]]"#;
    for (policy, entropy, exponentials) in
        [(softmax, 0.0, 6.0), (softmax, 0.5, 6.0), (weights, 0.0, 0.0), (weights, 0.5, 6.0)]
    {
        let cost = cost(policy, entropy);
        // 27/3 + 8 * 9 of one system of three states, and 8 * 3 * 2 * 3 of the rows.
        assert_eq!((cost.products, cost.exponentials), (225.0, exponentials));
    }
}

#[test]
fn followers_cost_their_own_systems() {
    let logits = format!("[{}]", ["[0, 0, 0, 0]"; 64].join(","));
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.5, "policy": {{"kind": "softmax", "logits": {logits}}},
            "environment": {{"kind": "gridworld", "eps": 0.5, "beta": 5, "followers": 3}}}}"#
    );
    let cost = Cost::of(&Problem::from_json(&text, Reading::Doubles).unwrap());
    // 13 systems of 64 states, 320 exponentials of the response and 256 of the policy.
    assert!((cost.products - (13.0 * (262_144.0 / 3.0 + 32_768.0) + 131_072.0)).abs() < 1e-6);
    assert_eq!(cost.exponentials, 576.0);
}

/// With 256 bits, 4 words: `4^1.6 = 9.18959`, so that a product takes 175.1375 ns, and an
/// exponential 104 of them; with 1024 bits `16^1.6 = 84.4485`, 626.691 ns, and 168.
#[test]
fn two_seconds_are_affordable() {
    let affordable =
        |products: f64, exponentials: f64, bits: u64| Cost { products, exponentials }.is_affordable(bits);
    for (bits, nanoseconds, exponential) in [(256, 175.1375, 104.0), (1024, 626.691, 168.0)] {
        let most = 2e9 / nanoseconds;
        assert!(affordable(0.9999 * most, 0.0, bits) && !affordable(1.0001 * most, 0.0, bits), "{bits}");
        let half = most / 2.0 / exponential;
        assert!(affordable(0.4999 * most, half, bits) && !affordable(0.5001 * most, half, bits), "{bits}");
    }
}
