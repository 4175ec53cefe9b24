//! What a verdict says beside right and wrong: places and sizes of differences, what is not
//! defined, what coincides, and what is known of an answer that nothing explains.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/verdicts.rs"]
mod verdicts;

use pemdp::oracle::{Entry, Rearrangement, mistaken_answers};
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};
use verdicts::{held, swept};

fn read(value: Value) -> Problem {
    Problem::from_json(&value.to_string(), Reading::Doubles).unwrap()
}

/// A problem with such a policy where nothing responds.
fn fixed(policy: Value, transitions: Value, rewards: Value, entropy: f64) -> Problem {
    let n = transitions.as_array().unwrap().len();
    let mut initial = vec![0.0; n];
    initial[0] = 1.0;
    read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": initial, "entropy": entropy, "policy": policy,
        "environment": {"kind": "fixed", "transitions": transitions, "rewards": rewards}
    }))
}

#[test]
fn mistakes_that_are_not_defined_are_listed() {
    let not_applicable = |policy: Value, transitions: Value, rewards: Value| {
        held(&fixed(policy, transitions, rewards, 0.0), json!({"value": 1e3})).not_applicable
    };
    let on_two_states = |policy: Value, rewards: Value| {
        not_applicable(policy, json!([[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [1, 0]]]), rewards)
    };
    let rewards = || json!([[1, 2], [3, 5]]);
    let softmax = || json!({"kind": "softmax", "logits": [[0.5, 0], [1, 2]]});
    // Nothing responds, there are no followers, no state is never left and none is terminal.
    let before = [
        "response-values-frozen",
        "response-applied-twice",
        "divided-by-episode-length",
        "terminal-keeps-transitions",
        "terminal-keeps-rewards",
    ];
    let of_ends = ["terminal-goes-on", "entropy-after-the-end", "missing-actions-taken"];
    let with = |more: &[&'static str], last: &[&'static str]| {
        [&before[..], more, &of_ends[..], last, &["sweeps-of-followers"]].concat()
    };
    let and = |more: &[&'static str]| with(more, &[]);
    assert_eq!(on_two_states(softmax(), rewards()), and(&[]));
    let probabilities = json!({"kind": "probabilities", "values": [[0.5, 0.5], [0.25, 0.75]]});
    let of_softmax = ["softmax-jacobian-diagonal", "gradient-of-probabilities"];
    assert_eq!(on_two_states(probabilities, rewards()), and(&of_softmax));
    let features = json!({"kind": "log-linear", "features": [[[1], [2]], [[3], [5]]], "theta": [0.5]});
    let of_features = ["gradient-of-probabilities", "action-major-order"];
    assert_eq!(on_two_states(features, rewards()), with(&of_features, &["response-of-own-state"]));
    // Advantages that are all 0 have no deviation.
    assert_eq!(on_two_states(softmax(), json!([[1, 1], [1, 1]])), and(&["standardised-advantages"]));
    // Action a leads to state a, which is where it is taken: read the other way round, each state
    // leads to all, and gamma times the largest eigenvalue is above 1.
    let policy = json!({"kind": "softmax", "logits": [[5, 0, 0], [0, 5, 0], [0, 0, 5]]});
    let to = json!([[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
    let told = not_applicable(policy, json!([to, to, to]), json!([[1, 2, 3], [4, 5, 7], [0, 1, 0]]));
    assert_eq!(told, and(&["transposed-transitions"]));
    // Visits of a state that is never left are infinite; where they count in no term they need not be known.
    let to_the_first = || json!([[[1, 0], [1, 0]], [[1, 0], [1, 0]]]);
    let infinite = |rewards: Value| {
        let told = not_applicable(softmax(), to_the_first(), rewards);
        ["undiscounted-occupancy", "stationary-distribution"].map(|id| told.contains(&id))
    };
    assert_eq!(infinite(json!([[1, 2], [3, 5]])), [true, true]);
    assert_eq!(infinite(json!([[1, 1], [3, 5]])), [false, true]);
}

#[test]
fn actions_of_probability_zero_leave_no_state() {
    let policy = json!({"kind": "probabilities", "values": [[0.5, 0.5], [1, 0]]});
    let problem =
        fixed(policy, json!([[[0, 1], [0.5, 0.5]], [[0, 1], [1, 0]]]), json!([[1, 2], [3, 5]]), 0.0);
    let answer = problem.answer().unwrap();
    let mut occupancy = answer.occupancy.clone();
    occupancy[1] = vec![0.0, 0.0];
    let verdict = held(&problem, json!({"occupancy": occupancy}));
    assert!(verdict.mistakes.concat().contains(&"absorbing-rows-missing"), "{:?}", verdict.mistakes);
}

/// Where an action has probability 0 a row is compared as it is, with its entropy term.
#[test]
fn entropy_terms_of_mistakes_are_theirs_where_an_action_is_impossible() {
    let policy = json!({"kind": "probabilities", "values": [[0.25, 0.75, 0]]});
    let problem = fixed(policy, json!([[[1], [1], [1]]]), json!([[1, 2, 3]]), 1.0);
    let all = mistaken_answers(&problem).unwrap();
    let gradient = |id: &str| all.iter().find(|m| m.id == id).unwrap().readings[0].1.clone();
    let (pi, rewards) = ([0.25_f64, 0.75], [1.0, 2.0]);
    for (id, lambda) in [("entropy-sign", -1.0), ("entropy-forgotten", 0.0)] {
        let reward = |a: usize| rewards[a] - lambda * pi[a].ln();
        let value = 2.0 * (0..2).map(|a| pi[a] * reward(a)).sum::<f64>();
        for a in 0..2 {
            let expected = 2.0 * (reward(a) + 0.5 * value) - 2.0 * lambda;
            assert!((gradient(id)[a].unwrap() - expected).abs() < 1e-12, "{id}: {a}");
        }
    }
}

#[test]
fn weights_at_the_ends_of_doubles_are_quotients() {
    use pemdp::policy::Policy;
    let least = f64::from_bits(1);
    for (weights, share) in [
        ([1e308, 1.5e308], 0.4),
        ([least, 2.0 * least], 1.0 / 3.0),
        ([1.7e308, 1.7e308], 0.5),
        ([3.0, 1.0], 0.75),
    ] {
        let policy = Policy::weights(1, 2, weights.to_vec()).unwrap().with_logarithms();
        let found = policy.probability(0, 0);
        assert!((found - share).abs() < 1e-15, "{weights:?}: {found}");
        let logarithm = policy.logarithm(0, 0).unwrap();
        assert!((logarithm - share.ln()).abs() < 1e-12, "{weights:?}: {logarithm}");
    }
}

#[test]
fn states_respond_where_a_slope_is_not_zero() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0, 0],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]},
        "environment": {
            "kind": "affine",
            "transitions": [[[0.5, 0.5, 0], [1, 0, 0]], [[0.5, 0.5, 0], [1, 0, 0]], [[1, 0, 0], [1, 0, 0]]],
            "rewards": [[1, 2], [3, 4], [5, 6]],
            "transition_slopes": [[0, 0, 0, 2, 1, 0.25], [0, 0, 1, 2, 1, -0.25], [1, 0, 0, 2, 1, 0], [1, 0, 1, 2, 1, 0]],
            "reward_slopes": [[1, 0, 0, 0, 1], [2, 0, 0, 0, 0]]
        }
    }));
    let model = problem.model::<f64>().unwrap();
    let responds = |s: usize| model.response.responds(s);
    let found: Vec<(bool, bool)> = (0..3).map(|s| (responds(s).transitions, responds(s).rewards)).collect();
    assert_eq!(found, [(true, false), (false, true), (false, false)]);
}

/// A problem with all kinds of terms.
fn problem() -> Problem {
    read(
        serde_json::from_str(&pemdp::oracle::examples::example("exponential-family").unwrap().to_json())
            .unwrap(),
    )
}

fn unconstrained() -> Problem {
    let policy = json!({"kind": "probabilities", "values": [[0.5, 0.5], [0.25, 0.75]]});
    fixed(policy, json!([[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [1, 0]]]), json!([[1, 2], [3, 5]]), 0.0)
}

/// The entries of a claim moved by so much, alternately up and down.
fn moved(value: &Value, by: f64, sign: &mut f64) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(|entry| moved(entry, by, sign)).collect(),
        number => {
            *sign = -*sign;
            json!(number.as_f64().unwrap() + *sign * by)
        }
    }
}

#[test]
fn error_bounds_that_do_not_hold_are_told() {
    for problem in [problem(), unconstrained()] {
        let is_free = problem.policy().kind() == "probabilities";
        let answer = serde_json::to_value(problem.answer().unwrap()).unwrap();
        for quantity in ["value", "state_values", "action_values", "occupancy", "gradient"] {
            let (error, entries) = (1e-8, answer[quantity].to_string().split(',').count() as f64);
            let norm = if quantity == "occupancy" { entries * error } else { error };
            let claim = |by: f64, bound: f64| {
                let mut claim = json!({"error_bounds": {quantity: bound}});
                claim[quantity] = moved(&answer[quantity], by, &mut 1.0);
                held(&problem, claim).differences
            };
            // Less its mean an entry of a gradient may be twice as far.
            let times = if is_free && quantity == "gradient" { 2.0 } else { 1.0 };
            assert!(claim(error, 1.01 * norm / times).is_empty(), "{quantity}");
            let told = claim(error, 0.9 * norm / times);
            assert_eq!(told.len(), 1, "{quantity}: {told:?}");
            assert_eq!(told[0].quantity, format!("error_bounds.{quantity}"));
            let number = |entry: &Option<Entry>| match entry {
                Some(Entry::Number(x)) => *x,
                other => panic!("{other:?}"),
            };
            let norm = norm / times;
            assert!((number(&told[0].expected) - norm).abs() < 1e-2 * norm, "{quantity}: {told:?}");
            assert_eq!(number(&told[0].got), 0.9 * norm, "{quantity}: what was claimed");
            assert!((told[0].error.unwrap() - 0.1 * norm).abs() < 1e-2 * norm, "{quantity}: {told:?}");
            assert!(told[0].index.is_empty() && told[0].tolerance < 1e-2 * norm);
            // What is wrong is told where it is, whatever its bound.
            let told = claim(0.1, 0.0);
            assert!(!told.is_empty() && told.iter().all(|told| told.quantity == quantity), "{told:?}");
        }
    }
    let problem = problem();
    let answer = problem.answer().unwrap();
    let covering = |covers: &str| {
        held(&problem, json!({"value": answer.value, "error_bounds": {"covers": covers}})).differences
    };
    let bounds = serde_json::to_value(&answer.error_bounds).unwrap();
    let words = ["problem", "induced-mdp"];
    for word in words {
        assert_eq!(covering(word).is_empty(), bounds["covers"] == word, "{word}");
    }
}

#[test]
fn differences_are_told_with_their_place_and_size() {
    let problem = problem();
    let answer = serde_json::to_value(problem.answer().unwrap()).unwrap();
    let cases: [(&str, &[usize]); 5] = [
        ("value", &[]),
        ("state_values", &[1]),
        ("action_values", &[1, 0]),
        ("occupancy", &[0, 1]),
        ("gradient", &[1]),
    ];
    for (quantity, index) in cases {
        let pointer: String = index.iter().map(|i| format!("/{i}")).collect();
        let mut claim = json!({quantity: answer[quantity]});
        let expected = answer[quantity].pointer(&pointer).unwrap().as_f64().unwrap();
        *claim[quantity].pointer_mut(&pointer).unwrap() = json!(expected + 0.5);
        let told = held(&problem, claim).differences;
        assert_eq!((told.len(), told[0].quantity, &told[0].index[..]), (1, quantity, index));
        assert_eq!(told[0].expected, Some(Entry::Number(expected)));
        assert_eq!(told[0].got, Some(Entry::Number(expected + 0.5)));
        assert!((told[0].error.unwrap() - 0.5).abs() < 1e-12);
    }
}

#[test]
fn kinks_and_flags_are_compared() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.75, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0.5, 1.0], [-2.0, 0.25]]},
        "environment": {"kind": "exponential-family", "psi": [1.0, -1.0],
                        "reward": {"base": [[0.25, 0.5], [0.0, 0.0]], "slope": 0.5, "clip": 1.0}}
    }));
    let answer = serde_json::to_value(problem.answer().unwrap()).unwrap();
    let told = |claim: Value| {
        let mut claim = claim;
        claim["value"] = answer["value"].clone();
        held(&problem, claim).differences
    };
    assert!(told(json!({"smooth": false, "kink": answer["kink"]})).is_empty());
    let smooth = told(json!({"smooth": true}));
    assert_eq!((smooth.len(), smooth[0].quantity), (1, "smooth"));
    assert_eq!((&smooth[0].expected, &smooth[0].got), (&Some(Entry::Flag(false)), &Some(Entry::Flag(true))));
    let text = |text: &str| Some(Entry::Text(text.to_owned()));
    let none = told(json!({"kink": []}));
    assert_eq!(
        (none[0].quantity, &none[0].index[..], &none[0].expected),
        ("kink", &[0][..], &text("clip [0, 1]"))
    );
    let other = told(json!({"kink": [{"follower": 1, "state": 2, "actions": [0, 3], "gap": 0}]}));
    assert_eq!(other[0].got, text("follower 1 state 2 actions [0, 3]"));
}

#[test]
fn what_is_sampled_is_scored_in_its_standard_errors() {
    let problem = unconstrained();
    let answer = serde_json::to_value(problem.answer().unwrap()).unwrap();
    // Less its mean a row of errors is off by half their difference, and its standard errors are at most
    // their own and the mean.
    let mut gradient = answer["gradient"].clone();
    gradient[0] = json!(gradient[0].as_f64().unwrap() + 0.02);
    let errors = json!([0.01, 0.03, 0.0, 0.0]);
    let claim = json!({"gradient": gradient, "standard_errors": {"gradient": errors}, "n": 400});
    let sampling = held(&problem, claim).sampling.unwrap();
    let scores: [f64; 2] = [0.01 / 0.03, 0.01 / 0.05];
    assert_eq!(sampling.entries, 2);
    assert!((sampling.largest_z - scores[0]).abs() < 1e-9, "{sampling:?}");
    let mean_square = (scores[0].powi(2) + scores[1].powi(2)) / 2.0;
    assert!((sampling.mean_square_z - mean_square).abs() < 1e-9, "{sampling:?}");
    let reach = sampling.threshold + 1.2815515655446004;
    // Half of a bias in one entry is left, and 0.01 has become 0.03: six times as much shows.
    assert!((sampling.visible_bias.unwrap() - 6.0 * reach / 20.0).abs() < 1e-12);
    assert_eq!(sampling.needed, (6.0 * reach / 0.1).powi(2).ceil() as u64);
    // `2 m phi(z)/z` is the level.
    let z = sampling.threshold;
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    assert!((2.0 * 2.0 * density / z - 0.01).abs() < 1e-12);
    // Nothing is sampled where all standard errors are 0.
    let claim = json!({"gradient": answer["gradient"], "standard_errors": {"gradient": [0, 0, 0, 0]}});
    assert!(held(&problem, claim).sampling.is_none());
}

#[test]
fn mistakes_explain_terms_as_predicted_or_right() {
    let problem = problem();
    let answer = problem.answer().unwrap();
    let terms = serde_json::to_value(&answer.gradient_terms).unwrap();
    let gradient: Vec<f64> = answer
        .gradient_terms
        .policy
        .iter()
        .zip(&answer.gradient_terms.reward)
        .map(|(p, r)| p.unwrap() + r)
        .collect();
    let named = |terms: Value| {
        let verdict = held(&problem, json!({"gradient": gradient, "gradient_terms": terms}));
        verdict.mistakes.concat().contains(&"no-transition-term")
    };
    let nothing = vec![0.0; gradient.len()];
    assert!(named(json!({"transition": nothing})));
    assert!(named(json!({"transition": terms["transition"]})));
    assert!(named(json!({"policy": terms["policy"], "reward": terms["reward"]})));
    let wrong: Vec<f64> = (0..gradient.len()).map(|k| (k as f64 * 1.7).sin()).collect();
    assert!(!named(json!({"policy": wrong})));
    // Wrong terms that add up to what is predicted.
    let policy: Vec<f64> =
        answer.gradient_terms.policy.iter().zip(&wrong).map(|(p, w)| p.unwrap() + w).collect();
    let reward: Vec<f64> = answer.gradient_terms.reward.iter().zip(&wrong).map(|(r, w)| r - w).collect();
    assert!(named(json!({"policy": policy, "transition": nothing, "reward": reward, "entropy": nothing})));
}

#[test]
fn coins_are_accepted_up_to_their_limit() {
    let is_accepted = |mu: &str, epsilon: &str, reading: Reading| {
        let problem = json!({
            "format": "pemdp-problem/1", "gamma": "3/4", "initial": [1],
            "policy": {"kind": "weights", "values": [[2, 5]]},
            "environment": {"kind": "coin", "mu": mu, "epsilon": epsilon}
        });
        Problem::from_json(&problem.to_string(), reading).is_ok()
    };
    for reading in [Reading::Doubles, Reading::Exact] {
        for (mu, epsilon) in [("1/8", "3/4"), ("-1/4", "-1/2"), ("0", "1"), ("1/2", "0"), ("-1/2", "0")] {
            assert!(is_accepted(mu, epsilon, reading), "{mu}, {epsilon}");
        }
        for (mu, epsilon) in [("1/4", "3/4"), ("-1/4", "-751/1000"), ("0", "1001/1000"), ("1/2", "1/8")] {
            assert!(!is_accepted(mu, epsilon, reading), "{mu}, {epsilon}");
        }
    }
}

#[test]
fn explicit_states_respond_where_a_derivative_is_not_zero() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0, 0],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]},
        "environment": {
            "kind": "explicit",
            "transitions": [[[0.5, 0.5, 0], [1, 0, 0]], [[0.5, 0.5, 0], [1, 0, 0]], [[1, 0, 0], [1, 0, 0]]],
            "rewards": [[1, 2], [3, 4], [5, 6]],
            "transition_jacobian": [[0, 0, 0, 5, 0.25], [0, 0, 1, 5, -0.25], [1, 0, 0, 5, 0], [1, 0, 1, 5, 0]],
            "reward_jacobian": [[1, 0, 0, 1], [2, 0, 0, 0]]
        }
    }));
    let model = problem.model::<f64>().unwrap();
    let responds = |s: usize| model.response.responds(s);
    let found: Vec<(bool, bool)> = (0..3).map(|s| (responds(s).transitions, responds(s).rewards)).collect();
    assert_eq!(found, [(true, false), (false, true), (false, false)]);
}

#[test]
fn wrong_answers_are_described() {
    // Three states and two actions.
    let policy = json!({"kind": "softmax", "logits": [[0.5, 0], [1, 2], [0, 0.25]]});
    let transitions = json!([
        [[0.5, 0.25, 0.25], [0.25, 0.75, 0]],
        [[0.5, 0, 0.5], [1, 0, 0]],
        [[0, 0.5, 0.5], [0.25, 0.25, 0.5]]
    ]);
    let problem = fixed(policy, transitions, json!([[1, 2], [3, 5], [-2, 0.5]]), 0.0);
    let answer = problem.answer().unwrap();
    let told = |claim: Value| held(&problem, claim).diagnosis.unwrap();
    let standing =
        |claim: Value| told(claim).quantities.into_iter().find(|standing| standing.wrong > 0).unwrap();
    // One number is a multiple of every other.
    assert_eq!(standing(json!({"value": 3.25 * answer.value})).ratio, None);
    let q: Vec<f64> = answer.action_values.iter().flatten().map(|q| q.unwrap()).collect();
    let table = |order: [usize; 6]| -> Vec<Vec<f64>> {
        order.chunks(2).map(|row| row.iter().map(|&i| q[i]).collect()).collect()
    };
    let rearranged =
        |order| standing(json!({"action_values": table(order), "gradient": answer.gradient})).rearranged;
    // Beside a right gradient this is a mistake in a part; beside a wrong one it is none.
    let action_major = table([0, 2, 4, 1, 3, 5]);
    let verdict = held(&problem, json!({"action_values": action_major, "gradient": answer.gradient}));
    assert_eq!(verdict.mistakes, [["action-major-order"]]);
    assert_eq!(verdict.evidence[0].only, ["action_values"]);
    let beside_wrong = standing(json!({"action_values": action_major, "gradient": [1, 2, 3, 4, 5, 7]}));
    assert_eq!(beside_wrong.rearranged, Some(Rearrangement::ActionMajor));
    assert_eq!(rearranged([1, 0, 3, 2, 5, 4]), Some(Rearrangement::Actions(vec![1, 0])));
    assert_eq!(rearranged([2, 3, 4, 5, 0, 1]), Some(Rearrangement::States(vec![1, 2, 0])));
    assert_eq!(rearranged([3, 0, 1, 2, 5, 4]), Some(Rearrangement::Entries(vec![3, 0, 1, 2, 5, 4])));
    // The angle of a gradient, and what is left of it.
    let exact: Vec<f64> = answer.gradient.iter().map(|g| g.unwrap()).collect();
    let noise: Vec<f64> = (0..6).map(|k| (k as f64 * 1.7).sin() + 0.1).collect();
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let direction = told(json!({"gradient": noise})).gradient.unwrap();
    let cosine = dot(&exact, &noise) / (dot(&exact, &exact) * dot(&noise, &noise)).sqrt();
    assert!(
        (direction.cosine - cosine).abs() < 1e-9
            && (direction.degrees - cosine.acos().to_degrees()).abs() < 1e-6
    );
    let found = direction.combination.unwrap();
    assert!((found.residual - (1.0 - cosine * cosine).sqrt()).abs() < 1e-9, "{found:?}");
    assert!(
        (found.policy.unwrap() - dot(&exact, &noise) / dot(&exact, &exact)).abs() < 1e-9 && !found.explains
    );
    assert!(told(json!({"gradient": vec![0.0; 6]})).gradient.is_none());
}

/// As many terms as entries fit anything.
#[test]
fn few_entries_are_no_combination() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "policy": {"kind": "softmax", "logits": [[0.5, 0]]},
        "environment": {"kind": "affine", "transitions": [[[1], [1]]], "rewards": [[1, 3]],
                        "transition_slopes": [], "reward_slopes": [[0, 0, 0, 0, 1]]}
    }));
    let verdict = held(&problem, json!({"gradient": [0.3, 0.9]}));
    let direction = verdict.diagnosis.unwrap().gradient.unwrap();
    assert_eq!(direction.combination, None);
}

#[test]
fn sweeps_are_counted_from_the_values_of_states() {
    let problem = problem();
    let values = swept(&problem, 7);
    let verdict = held(&problem, json!({"state_values": values}));
    assert!(verdict.mistakes.concat().contains(&"sweeps-stopped-early"), "{:?}", verdict.mistakes);
    assert_eq!(verdict.evidence[0].count, Some(7));
    let near: Vec<f64> = values.iter().map(|v| v * (1.0 + 1e-4)).collect();
    assert!(held(&problem, json!({"state_values": near})).mistakes.is_empty());
}

#[test]
fn mistakes_that_coincide_are_one_group() {
    let problem = problem();
    let terms = problem.answer().unwrap().gradient_terms;
    let gradient = |sign: f64| -> Vec<f64> {
        terms.policy.iter().zip(&terms.reward).map(|(p, r)| sign * (p.unwrap() + r)).collect()
    };
    let verdict = held(&problem, json!({"gradient": gradient(1.0)}));
    let together =
        ["no-transition-term", "advantage-weighted-transition-score", "transition-score-one-step-late"];
    assert_eq!((verdict.mistakes, verdict.evidence.len()), (vec![together.to_vec()], 1));
    // Of those that coincide the first stands for all.
    let verdict = held(&problem, json!({"gradient": gradient(-1.0)}));
    assert_eq!((verdict.pairs, verdict.evidence.len()), (vec![vec![["no-transition-term", "descent"]]], 1));
}

#[test]
fn affine_rows_that_are_none_for_some_policy_are_refused() {
    let is_accepted = |base: Value, slopes: Value| {
        let n = base.as_array().unwrap().len();
        let stay = |s: usize| (0..n).map(|t| u8::from(s == t)).collect::<Vec<_>>();
        let mut transitions: Vec<Value> = (0..n).map(|s| json!([stay(s), stay(s), stay(s)])).collect();
        transitions[0][0] = base;
        let mut initial = vec![0; n];
        initial[0] = 1;
        let problem = json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": initial,
            "policy": {"kind": "softmax", "logits": vec![[0; 3]; n]},
            "environment": {"kind": "affine", "transitions": transitions, "rewards": vec![[1; 3]; n],
                            "transition_slopes": slopes, "reward_slopes": []}
        });
        [Reading::Doubles, Reading::Exact]
            .map(|reading| Problem::from_json(&problem.to_string(), reading).is_ok())
    };
    // `by[a]` is added to the first and taken from the second entry where action a is taken.
    let moved = |by: [f64; 3]| -> Value {
        (0..3).flat_map(|a| [json!([0, 0, 0, 1, a, by[a]]), json!([0, 0, 1, 1, a, -by[a]])]).collect()
    };
    let half = || json!([0.5, 0.5]);
    assert_eq!(is_accepted(half(), moved([0.5, -0.5, 0.25])), [true; 2]);
    for by in
        [[0.25, -0.75, 0.0], [0.0, 0.25, -0.75], [-0.75, 0.25, 0.0], [0.75, 0.25, 0.25], [0.75, -0.75, 0.0]]
    {
        assert_eq!(is_accepted(half(), moved(by)), [false; 2], "{by:?}");
    }
    // The sum is 3/2 where the first action is taken.
    let mut slopes = moved([0.0, 0.25, 0.125]);
    slopes[0] = json!([0, 0, 0, 1, 0, 0.5]);
    assert_eq!(is_accepted(half(), slopes), [false; 2]);
    // Long rows: the sum is 2, and 5/2, where the difference of the halves, and their product, is 1.
    let tenth = |count: usize, first: f64, last: f64| -> Value {
        (0..count).map(|t| json!(if t < count / 2 { first } else { last })).collect()
    };
    assert_eq!(is_accepted(tenth(16, 0.0625, 0.0625), json!([])), [true; 2]);
    assert_eq!(is_accepted(tenth(16, 0.1875, 0.0625), json!([])), [false; 2]);
    assert_eq!(is_accepted(tenth(16, 0.25, 0.0625), json!([])), [false; 2]);
}
