//! Mistakes and diagnoses where little tells them apart: terms that depend on each other,
//! counts of many sweeps, readings that coincide, ends that respond, problems beyond doubles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/verdicts.rs"]
mod verdicts;

use pemdp::oracle::examples::example;
use pemdp::oracle::{KNOWN_MISTAKES, Rearrangement};
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};
use verdicts::{held, swept};

fn read(value: Value) -> Problem {
    Problem::from_json(&value.to_string(), Reading::Doubles).unwrap()
}

/// One state that is never left.
fn one_state(gamma: &str, policy: Value, rewards: &[f64], reward_slopes: Value) -> Problem {
    read(json!({
        "format": "pemdp-problem/1", "gamma": gamma, "initial": [1], "policy": policy,
        "environment": {"kind": "affine", "transitions": [vec![[1]; rewards.len()]], "rewards": [rewards],
                        "transition_slopes": [], "reward_slopes": reward_slopes}
    }))
}

fn softmax() -> Value {
    json!({"kind": "softmax", "logits": [[0.5, 0, 0.25]]})
}

/// With `dr(s,a)/dpi(b|s) = r(s,b)` the policy and the reward term are multiples. Gradients of
/// four actions have three dimensions.
#[test]
fn terms_that_depend_on_each_other_are_no_combination() {
    let combination = |slopes: [f64; 4]| {
        let policy = json!({"kind": "softmax", "logits": [[0.5, 0, 0.25, 1]]});
        let slopes: Value =
            (0..4).flat_map(|a| (0..4).map(move |b| json!([0, a, 0, b, slopes[b]]))).collect();
        let problem = one_state("0.5", policy, &[1.0, 3.0, -2.0, 0.5], slopes);
        let gradient = json!({"gradient": [0.3, 0.9, 0.4, -1]});
        held(&problem, gradient).diagnosis.unwrap().gradient.unwrap().combination
    };
    assert_eq!(combination([1.0, 3.0, -2.0, 0.5]), None);
    let found = combination([1.0, 3.0, 2.0, 0.5]).unwrap();
    assert!(found.policy.is_some() && found.reward.is_some() && !found.explains);
    assert_eq!((found.transition, found.entropy), (None, None));
}

/// Where all that responds responds to one number, both terms are multiples of its derivative:
/// a factor that is missing in it is told, and that it may be split otherwise.
#[test]
fn one_factor_of_what_responds_is_told() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.8, 0.2, 0],
        "policy": {"kind": "softmax", "logits": [[0.2, 0.9], [0.5, 0.1], [0.3, -0.4]]},
        "environment": {
            "kind": "formulas",
            "definitions": {"load": "(pi[0,1] + pi[1,1] + pi[2,1])/3", "x": "sigmoid(4*load - 2)"},
            "transitions": [
                [0, 0, 0, "1 - x/4"], [0, 0, 1, "x/4"], [0, 1, 0, "1 - x"], [0, 1, 1, "x"], [1, 0, 0, "1/2"],
                [1, 0, 1, "1/2"], [1, 1, 1, "1 - x"], [1, 1, 2, "x"], [2, 0, 1, 0.25], [2, 0, 2, 0.75], [2, 1, 2, 1]
            ],
            "rewards": [[0, 0, 0.125], [0, 1, "2/(1 + load^2)"], [1, 1, "1/(1 + load^2)"]]
        }
    }));
    let terms = problem.answer().unwrap().gradient_terms;
    let with = |transition: f64, reward: f64| {
        let sum =
            |k: usize| terms.policy[k].unwrap() + transition * terms.transition[k] + reward * terms.reward[k];
        let gradient: Vec<f64> = (0..6).map(sum).collect();
        held(&problem, json!({"gradient": gradient}))
            .diagnosis
            .unwrap()
            .gradient
            .unwrap()
            .combination
            .unwrap()
    };
    let three = with(3.0, 3.0);
    assert!(three.explains && three.joint && three.policy == Some(1.0));
    assert!((three.transition.unwrap() - 3.0).abs() < 1e-9 && three.transition == three.reward);
    // The same sum as with some coefficient of both.
    let quarter = with(0.25, 1.0);
    assert!(quarter.explains && quarter.joint && quarter.transition == quarter.reward);
}

/// As many terms as entries, here one, fit anything.
#[test]
fn one_entry_is_no_combination() {
    let policy = json!({"kind": "log-linear", "theta": [0.5], "features": [[[1], [2], [-1]]]});
    let problem = one_state("0.5", policy, &[1.0, 3.0, -2.0], json!([]));
    let gradient = problem.answer().unwrap().gradient[0].unwrap();
    let verdict = held(&problem, json!({"gradient": [1.7 * gradient]}));
    let direction = verdict.diagnosis.unwrap().gradient.unwrap();
    assert!((direction.cosine - 1.0).abs() < 1e-12 && direction.degrees < 1e-4);
    assert_eq!(direction.combination, None);
}

/// What sweeps leave is also the value of so many steps.
const SWEPT: [&str; 2] = ["sweeps-stopped-early", "truncated-at-horizon"];

/// Values of 5, and those after one sweep more or less, are within 1e-5 of them by then.
#[test]
fn many_sweeps_are_counted_to_the_last() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0, 0], [0, 0]]},
        "environment": {"kind": "fixed", "rewards": [[0.25, 0.5], [0.75, 0.5]],
            "transitions": [[[0.5, 0.5], [1, 0]], [[0.25, 0.75], [0, 1]]]}
    }));
    for sweeps in [75, 105] {
        let values = swept(&problem, sweeps);
        let value = 0.5 * (values[0] + values[1]);
        for claim in [json!({"state_values": values}), json!({"value": value})] {
            let verdict = held(&problem, claim);
            assert_eq!(verdict.mistakes[0], SWEPT, "{sweeps}");
            assert_eq!(verdict.evidence[0].count, Some(sweeps));
        }
    }
}

/// In a single state sweeps in place are the others, too.
#[test]
fn readings_that_coincide_name_a_mistake_once() {
    let problem = one_state("0.5", softmax(), &[1.0, 3.0, -2.0], json!([]));
    let value = problem.answer().unwrap().value * (1.0 - 0.5f64.powi(5));
    let verdict = held(&problem, json!({"value": value}));
    assert_eq!((&verdict.mistakes[0][..], verdict.evidence[0].count), (&SWEPT[..], Some(5)));
    let named = verdict.mistakes.iter().flatten().filter(|id| **id == "sweeps-stopped-early");
    assert_eq!((named.count(), verdict.evidence.len()), (1, verdict.mistakes.len()));
}

/// The last of three states is never left and pays what the first decides: an answer that
/// ends there is that of the same problem where it pays nothing.
#[test]
fn ends_that_respond_are_taken_for_terminal() {
    let problem = |end: f64| {
        let rows = |t: [[f64; 3]; 2]| json!([t[0], t[1]]);
        read(json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.75, 0.25, 0],
            "policy": {"kind": "softmax", "logits": [[0.5, 0], [0, 1], [0.25, 0]]},
            "environment": {"kind": "affine", "rewards": [[1, 2], [3, -1], [2.0 * end, 3.0 * end]],
                "transitions": [rows([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]),
                                rows([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]),
                                rows([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])],
                "transition_slopes": [[0, 0, 0, 1, 0, -0.25], [0, 0, 1, 1, 0, 0.25]],
                "reward_slopes": [[0, 0, 1, 0, 1.5], [1, 1, 0, 1, -2],
                                  [2, 0, 0, 0, 4.0 * end], [2, 1, 1, 1, -3.0 * end]]}
        }))
    };
    let (whole, ended) = (problem(1.0), problem(0.0).answer().unwrap());
    let verdict = held(&whole, json!({"value": ended.value, "gradient": ended.gradient}));
    assert_eq!(verdict.mistakes, [["absorbing-taken-for-terminal"]]);
}

/// `gamma = 1 - 1e-19` is 1 in doubles: no mistakes are made, but answers are judged.
#[test]
fn answers_beyond_doubles_are_judged() {
    let problem = one_state("0.9999999999999999999", softmax(), &[1.0, 1.0, 1.0], json!([]));
    let right = held(&problem, json!({"value": 1e19}));
    assert!(right.ok && right.diagnosis.is_none());
    let wrong = held(&problem, json!({"value": 2e19}));
    assert!(!wrong.ok && wrong.mistakes.is_empty());
    assert_eq!(wrong.diagnosis.unwrap().quantities[0].wrong, 1);
    let ids: Vec<&str> = KNOWN_MISTAKES.iter().map(|mistake| mistake.id).collect();
    assert_eq!((&right.not_applicable, &wrong.not_applicable), (&ids, &ids));
}

/// Rows of the exact table in another order, but for the last entry.
#[test]
fn rows_are_rearranged_whole() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1, 0, 0],
        "policy": {"kind": "softmax", "logits": [[0.5, 0], [1, 2], [0, 0.25]]},
        "environment": {"kind": "fixed", "rewards": [[1, 2], [3, 5], [-2, 0.5]],
            "transitions": [[[0.5, 0.25, 0.25], [0.25, 0.75, 0]], [[0.5, 0, 0.5], [1, 0, 0]],
                            [[0, 0.5, 0.5], [0.25, 0.25, 0.5]]]}
    }));
    let mut rows = problem.answer().unwrap().action_values;
    rows.rotate_left(1);
    let rearranged = |rows: &Vec<Vec<Option<f64>>>| {
        let standings = held(&problem, json!({"action_values": rows})).diagnosis.unwrap().quantities;
        standings.into_iter().find(|standing| standing.wrong > 0).unwrap().rearranged
    };
    assert_eq!(rearranged(&rows), Some(Rearrangement::States(vec![1, 2, 0])));
    rows[2][1] = Some(100.0);
    assert_eq!(rearranged(&rows), None);
}

/// An action of probability 0 whose logarithm is paid is infinitely good; the row of its
/// state is then compared as it is, not less its mean.
#[test]
fn infinite_entries_are_compared_alone() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "entropy": 0.5,
        "policy": {"kind": "probabilities", "values": [[0.5, 0.5, 0]]},
        "environment": {"kind": "fixed", "transitions": [[[1], [1], [1]]], "rewards": [[1, 3, 0]]}
    }));
    let answer = problem.answer().unwrap();
    let verdict = held(&problem, json!({"action_values": answer.action_values, "gradient": answer.gradient}));
    assert!(verdict.ok && answer.action_values[0][2].is_none() && answer.gradient[2].is_none());
    let mut gradient = answer.gradient.clone();
    gradient[2] = Some(7.0);
    let differences = held(&problem, json!({"gradient": gradient})).differences;
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!((differences[0].quantity, &differences[0].index), ("gradient", &vec![2]));
}

/// `sum_b pi(b|t) A[t,b]` is 0, so that with it there is no transition term.
#[test]
fn means_of_advantages_are_zero() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [0.75, 0.25],
        "policy": {"kind": "softmax", "logits": [[0.5, 0], [0, 1]]},
        "environment": {"kind": "affine", "rewards": [[1, 2], [3, -1]], "reward_slopes": [],
            "transitions": [[[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [0, 1]]],
            "transition_slopes": [[0, 0, 0, 1, 0, -0.25], [0, 0, 1, 1, 0, 0.25]]}
    }));
    let policy = problem.answer().unwrap().gradient_terms.policy;
    let named = held(&problem, json!({"gradient": policy})).mistakes;
    assert!(named[0].contains(&"transition-score-one-step-late"), "{named:?}");
}

/// With `pi = 1/2, 1/4, 1/4` and two visits the rewards are 2, 5/2 and -2, so that `V = 9/4`
/// and `Q = 25/8, 29/8, -7/8`; the reward term has the cotangents 0, 4 and -1 of `pi`.
#[test]
fn diagonal_derivatives_are_named_throughout() {
    let policy = json!({"kind": "weights", "values": [[2, 1, 1]]});
    let slopes = json!([[0, 0, 0, 1, 4], [0, 1, 0, 2, -2]]);
    let problem = one_state("0.5", policy, &[1.0, 3.0, -2.0], slopes);
    assert_eq!(problem.answer().unwrap().value, 2.25);
    let gradient = [3.125, 1.8125 + 4.0 / 4.0, -0.4375 - 1.0 / 4.0];
    let named = held(&problem, json!({"gradient": gradient})).mistakes.concat();
    assert!(named.contains(&"softmax-jacobian-diagonal"), "{named:?}");
}

/// What is never left is no end where nothing happens before it.
#[test]
fn starts_that_are_never_left_have_no_end() {
    let not_applicable = |initial: [f64; 2]| {
        let problem = read(json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "initial": initial,
            "policy": {"kind": "softmax", "logits": [[0.5, 0], [0, 1]]},
            "environment": {"kind": "fixed", "rewards": [[1, 2], [3, -1]],
                "transitions": [[[0.5, 0.5], [0.25, 0.75]], [[0, 1], [0, 1]]]}
        }));
        held(&problem, json!({"value": 100})).not_applicable.contains(&"absorbing-taken-for-terminal")
    };
    assert!(!not_applicable([0.5, 0.5]));
    assert!(not_applicable([0.0, 1.0]));
}

/// Three states with two actions and softmax have gradients of three dimensions, which three
/// terms span: no numbers are told from a combination of them. Nor are they where a term is
/// not 0 in one state alone, whose entries any coefficient fits.
#[test]
fn as_many_terms_as_dimensions_are_no_combination() {
    let combination = |states: usize, gradient: Value| {
        let to = |t: usize| (0..states).map(|i| u8::from(i == t % states)).collect::<Vec<u8>>();
        let mut transitions: Vec<Value> = (0..states).map(|s| json!([to(s + 1), to(s + 2)])).collect();
        transitions[0][0] = (0..states).map(|t| if t < 2 { 0.5 } else { 0.0 }).collect();
        let problem = read(json!({
            "format": "pemdp-problem/1", "gamma": 0.5, "entropy": 0.25, "initial": to(0),
            "policy": {"kind": "softmax", "logits": vec![[0.5, 0.0]; states]},
            "environment": {"kind": "affine", "transitions": transitions,
                "rewards": (0..states).map(|s| [s, 1]).collect::<Vec<_>>(),
                "transition_slopes": [[0, 0, 0, 1, 0, -0.25], [0, 0, 1, 1, 0, 0.25]],
                "reward_slopes": [[1, 0, 2, 0, 1.5]]}
        }));
        held(&problem, json!({"gradient": gradient})).diagnosis.unwrap().gradient.unwrap().combination
    };
    assert_eq!(combination(3, json!([1, -1, 7, -7, -3.5, 3.5])), None);
    assert_eq!(combination(4, json!([1, -1, 7, -7, -3.5, 3.5, 2, -2])), None);
}

/// An error of three tolerances is near to what some number of sweeps leaves.
#[test]
fn no_number_of_sweeps_is_named_by_chance() {
    let problem = read(serde_json::from_str(&example("two-state").unwrap().to_json()).unwrap());
    let answer = problem.answer().unwrap();
    for share in [2e-6, 3e-6, 5e-6, 1e-5, -4e-6] {
        let gradient: Vec<f64> = answer.gradient.iter().map(|x| x.unwrap() * (1.0 + share)).collect();
        let verdict = held(&problem, json!({"gradient": gradient, "value": answer.value}));
        assert!(
            !verdict.ok && verdict.mistakes.is_empty() && verdict.pairs.is_empty(),
            "{share} {verdict:?}"
        );
    }
}

/// The derivative of another choice at a corner is no mistake.
#[test]
fn nothing_is_named_at_a_kink() {
    let problem = read(json!({
        "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1], "policy": {"kind": "softmax", "logits": [[0, 0]]},
        "environment": {
            "kind": "formulas", "transitions": [[0, 0, 0, 1], [0, 1, 0, 1]], "rewards": [[0, 0, "max(pi[0,0], pi[0,1])"]]
        }
    }));
    let answer = problem.answer().unwrap();
    assert!(!answer.smooth);
    let terms = &answer.gradient_terms;
    // Of the second argument, and of both halves.
    for share in [-1.0, 0.0] {
        let gradient: Vec<f64> = (0..2).map(|k| terms.policy[k].unwrap() + share * terms.reward[k]).collect();
        let verdict = held(&problem, json!({"gradient": gradient}));
        assert!(verdict.mistakes.is_empty() && verdict.pairs.is_empty());
        let remarks = verdict.diagnosis.unwrap().remarks;
        assert!(
            remarks[0].contains("not differentiable here (a corner of environment.rewards[0])"),
            "{remarks:?}"
        );
    }
    // Values have no choice.
    let verdict = held(&problem, json!({"value": 0.5 * answer.value}));
    assert!(!verdict.mistakes.is_empty());
}

/// What is right with another discount factor in one quantity is said of that one.
#[test]
fn other_settings_of_one_quantity_are_said_to_be_so() {
    let problem = read(serde_json::from_str(&example("recommender").unwrap().to_json()).unwrap());
    let answer = problem.answer().unwrap();
    let discounted = read({
        let mut problem: Value = serde_json::from_str(&example("recommender").unwrap().to_json()).unwrap();
        problem["gamma"] = json!(0.5);
        problem
    });
    let q = discounted.answer().unwrap().action_values;
    let claim = json!({"value": answer.value, "state_values": answer.state_values, "action_values": q});
    let remarks = held(&problem, claim).diagnosis.unwrap().remarks;
    let only = "in action_values only: the other numbers are right as they are";
    assert_eq!(remarks, [format!("Right with gamma = 0.5 in place of 0.95, {only}.")]);
}

/// Next to a discount factor of 1 doubles are far off, and so are predictions in doubles: these
/// are solves with NumPy.
#[test]
fn what_doubles_lose_is_not_taken_for_a_mistake() {
    let with = |problem: &Value, claim: Value| {
        let verdict = held(&read(problem.clone()), claim);
        let remarks = verdict.diagnosis.map_or_else(Vec::new, |diagnosis| diagnosis.remarks);
        assert!(
            !verdict.ok && verdict.mistakes.is_empty() && verdict.pairs.is_empty(),
            "{:?}",
            verdict.mistakes
        );
        assert!(!remarks.iter().any(|remark| remark.contains("Right with")), "{remarks:?}");
    };
    let family = json!({
        "value": 48840175597.980156, "state_values": [48840175598.04325, 48840175597.91706],
        "action_values": [[48840175598.56017, 48840175597.34547], [48840175597.49175, 48840175598.23214]],
        "occupancy": [[31428531556.082752, 23282828826.016445], [19273238999.136196, 26016151413.50131]],
        "gradient": [39732506361.243065, 1142583570.2006016, 6206154467.386216, 27354102277.44146]
    });
    let problem = json!({
        "format": "pemdp-problem/1", "gamma": 0.99999999999, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0.1, -0.2], [0, 0.3]]},
        "environment": {
            "kind": "formulas", "normalise": true,
            "transitions": [
                [0, 0, 0, "exp(theta[0])"], [0, 0, 1, "exp(0.2 - 0.5*theta[0])"], [0, 1, 0, "exp(0.1 + theta[1])"],
                [0, 1, 1, "exp(-0.5*theta[1])"], [1, 0, 0, "exp(theta[2])"], [1, 0, 1, "exp(-0.5*theta[2])"],
                [1, 1, 0, "exp(0.3 + theta[3])"], [1, 1, 1, "exp(-0.3 - 0.5*theta[3])"]
            ],
            "rewards": [
                [0, 0, "1 + 0.7*theta[0]"], [0, 1, "0.7*theta[1]"], [1, 0, "0.7*theta[2]"], [1, 1, "0.5 + 0.7*theta[3]"]
            ]
        }
    });
    with(&problem, family);
    let credit = json!({
        "value": -801563780760.855,
        "state_values": [-801563780762.5499, -801563780761.1348, -801563780758.6008],
        "action_values": [
            [-801563780762.2043, -801563780763.5868], [-801563780760.5795, -801563780761.6902],
            [-801563780758.5206, -801563780758.6274]
        ],
        "occupancy": [
            [2604065074552.0503, 868021691517.3501], [1103110899636.795, 1103110899636.795],
            [1080129422560.7252, 3240388267682.176]
        ],
        "gradient": [
            -2.7830989953450037e24, -2.783098995351338e24, -1.7684274866221469e24, -1.7684274866254902e24,
            -3.4631704946251705e24, -3.463170494624933e24
        ]
    });
    let mut problem: Value = serde_json::from_str(&example("credit").unwrap().to_json()).unwrap();
    problem["gamma"] = json!(0.9999999999999);
    with(&problem, credit);
}
