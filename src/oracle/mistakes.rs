//! Known mistakes: what is computed instead of the truth, one function each.
//!
//! Formulas and where they were seen: `docs/mistakes.md`.

use nalgebra::{DMatrix, DVector};

use super::case::{Case, Prediction, prediction, sum};
use super::error::OracleError;
use super::quantity::{Quantity, defined};
use crate::environments::Structure;
use crate::environments::gridworld::Terminal;
use crate::evaluate::evaluate;
use crate::gradient::{entropy_term, policy_term};
use crate::policy::Policy;
use crate::problem::Problem;
use crate::response::Cotangent;

/// A mistake that implementations are known to make.
pub struct Mistake {
    /// Its name in reports.
    pub id: &'static str,
    /// What is computed in place of the truth, in a line; in full in `docs/mistakes.md`.
    pub about: &'static str,
    /// Which quantities of an answer it changes.
    pub touches: &'static [Quantity],
    /// What would be computed, in every reading of the mistake that is in use;
    /// none where the mistake is not defined.
    predict: fn(&Case<'_>) -> Option<Vec<Prediction>>,
}

const GRADIENT: &[Quantity] = &[Quantity::Gradient];
const GRADIENT_AND_OCCUPANCY: &[Quantity] = &[Quantity::Gradient, Quantity::Occupancy];
const VALUE_AND_GRADIENT: &[Quantity] = &[Quantity::Value, Quantity::Gradient];

/// Every known mistake.
pub const KNOWN_MISTAKES: &[Mistake] = &[
    Mistake {
        id: "no-transition-term",
        about: "ordinary policy gradient plus the reward term; transitions taken as fixed",
        touches: GRADIENT,
        predict: no_transition_term,
    },
    Mistake {
        id: "advantage-weighted-transition-score",
        about: "transition score weighted by the step's own advantage [PePG, T2]; its mean is 0",
        touches: GRADIENT,
        predict: advantage_weighted_transition_score,
    },
    Mistake {
        id: "transition-score-one-step-late",
        about: "transition score weighted by the next state's advantage; its mean is 0",
        touches: GRADIENT,
        predict: transition_score_one_step_late,
    },
    Mistake {
        id: "no-reward-term",
        about: "rewards taken as fixed: their dependence on the policy is left out",
        touches: GRADIENT,
        predict: no_reward_term,
    },
    Mistake {
        id: "no-performative-terms",
        about: "ordinary policy gradient, as if the environment did not respond",
        touches: GRADIENT,
        predict: no_performative_terms,
    },
    Mistake {
        id: "response-values-frozen",
        about: "followers' values held fixed when their response is differentiated",
        touches: GRADIENT,
        predict: response_values_frozen,
    },
    Mistake {
        id: "transition-term-undiscounted",
        about: "undiscounted visits in place of d in the transition term",
        touches: GRADIENT,
        predict: transition_term_undiscounted,
    },
    Mistake {
        id: "transition-term-no-gamma",
        about: "the factor gamma of the transition term is missing",
        touches: GRADIENT,
        predict: transition_term_no_gamma,
    },
    Mistake {
        id: "normalised-occupancy",
        about: "everything weighted by d is multiplied by 1 - gamma",
        touches: GRADIENT_AND_OCCUPANCY,
        predict: normalised_occupancy,
    },
    Mistake {
        id: "undiscounted-occupancy",
        about: "undiscounted visits in place of d in all terms",
        touches: GRADIENT,
        predict: undiscounted_occupancy,
    },
    Mistake {
        id: "entropy-in-reward-not-bootstrap",
        about: "entropy in the current step only, not in the values of later states",
        touches: VALUE_AND_GRADIENT,
        predict: entropy_in_reward_not_bootstrap,
    },
    Mistake {
        id: "entropy-in-bootstrap-not-reward",
        about: "entropy in the values of later states, not in the current step",
        touches: GRADIENT,
        predict: entropy_in_bootstrap_not_reward,
    },
    Mistake {
        id: "entropy-sign",
        about: "the sign of the entropy bonus",
        touches: VALUE_AND_GRADIENT,
        predict: entropy_sign,
    },
    Mistake {
        id: "reward-weighted-by-state",
        about: "d[s] in place of d[s,a] in the reward term",
        touches: GRADIENT,
        predict: reward_weighted_by_state,
    },
    Mistake {
        id: "terminal-keeps-transitions",
        about: "the gridworld's terminal state moves on as any other cell",
        touches: VALUE_AND_GRADIENT,
        predict: terminal_keeps_transitions,
    },
    Mistake {
        id: "terminal-keeps-rewards",
        about: "the gridworld's terminal state goes on paying",
        touches: VALUE_AND_GRADIENT,
        predict: terminal_keeps_rewards,
    },
    Mistake {
        id: "stale-environment",
        about: "evaluated in the environment that the previous policy induced",
        touches: VALUE_AND_GRADIENT,
        predict: stale_environment,
    },
    Mistake {
        id: "descent",
        about: "the gradient of -J: the sign is reversed",
        touches: GRADIENT,
        predict: descent,
    },
    Mistake {
        id: "transposed-transitions",
        about: "P[s,a,t] read as P[t,a,s]",
        touches: VALUE_AND_GRADIENT,
        predict: transposed_transitions,
    },
];

impl Mistake {
    /// What an implementation with this mistake would answer; none where the
    /// mistake is not defined.
    pub(super) fn predictions(&self, case: &Case<'_>) -> Vec<Prediction> {
        (self.predict)(case).unwrap_or_default()
    }
}

/// What a known mistake makes of a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistaken {
    /// Which mistake.
    pub id: &'static str,
    /// The value and the gradient, in doubles, in every reading of the mistake
    /// that is in use; none where it is not defined.
    pub readings: Vec<(f64, Vec<Option<f64>>)>,
}

/// What every known mistake makes of a problem, `stale-environment` with the
/// uniform policy deployed before.
///
/// # Errors
/// [`OracleError`] where the problem has no answer.
///
/// ```
/// use pemdp::oracle::{examples, mistaken_answers};
/// use pemdp::problem::{Problem, Reading};
/// let problem = Problem::from_json(&examples::example("two-state").unwrap().to_json(), Reading::Doubles)?;
/// let all = mistaken_answers(&problem)?;
/// let lost = all.iter().find(|m| m.id == "no-transition-term").unwrap();
/// assert_eq!(lost.readings[0].1, [Some(0.0), Some(0.0)]); // the truth is (3/16, 1/16)
/// # Ok::<(), pemdp::oracle::OracleError>(())
/// ```
pub fn mistaken_answers(problem: &Problem) -> Result<Vec<Mistaken>, OracleError> {
    let (model, policy) = (problem.model::<f64>()?, problem.deployed_policy::<f64>()?);
    let size = problem.n_states() * problem.n_actions();
    let previous =
        Policy::weights(problem.n_states(), problem.n_actions(), vec![1.0; size])?.with_logarithms();
    let case = Case::new(problem, &model, &policy, Some(&previous))?;
    let mistaken = |mistake: &Mistake| {
        let reading = |mut prediction: Prediction| {
            let value = prediction[Quantity::Value].as_ref()?.first().copied().flatten()?;
            Some((value, prediction[Quantity::Gradient].take()?))
        };
        let readings = mistake.predictions(&case).into_iter().filter_map(reading).collect();
        Mistaken { id: mistake.id, readings }
    };
    Ok(KNOWN_MISTAKES.iter().map(mistaken).collect())
}

fn no_transition_term(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    Some(vec![case.with_gradient(&terms.policy, &[&terms.reward, &terms.entropy])])
}

/// `sum d[s,a] A[s,a] sum_t dP[s,a,t]`, which is 0.
fn advantage_weighted_transition_score(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    let evaluation = case.evaluation();
    let (n_states, n_actions) = (case.policy.n_states(), case.policy.n_actions());
    let weight = |i: usize| {
        let advantage = evaluation.advantage(i / n_actions, i % n_actions);
        advantage.map_or(0.0, |advantage| evaluation.occupancy[i] * advantage)
    };
    let weights: Vec<f64> = (0..n_states * n_actions).map(weight).collect();
    let transition = case.transition_term(&weights, &vec![1.0; n_states])?;
    Some(vec![case.with_gradient(&terms.policy, &[&transition, &terms.reward, &terms.entropy])])
}

/// `gamma sum d[s,a] sum_t dP[s,a,t] sum_b pi(b|t) A[t,b]`, which is 0.
fn transition_score_one_step_late(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    let (evaluation, policy) = (case.evaluation(), case.policy);
    let mean_advantage = |t: usize| -> f64 {
        let weighted = |b: usize| evaluation.advantage(t, b).map_or(0.0, |a| policy.probability(t, b) * a);
        (0..policy.n_actions()).map(weighted).sum()
    };
    let later: Vec<f64> = (0..policy.n_states()).map(mean_advantage).collect();
    let transition = case.transition_term(&evaluation.occupancy, &case.discounted(&later))?;
    Some(vec![case.with_gradient(&terms.policy, &[&transition, &terms.reward, &terms.entropy])])
}

fn no_reward_term(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    Some(vec![case.with_gradient(&terms.policy, &[&terms.transition, &terms.entropy])])
}

fn no_performative_terms(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    Some(vec![case.with_gradient(&terms.policy, &[&terms.entropy])])
}

/// The followers' values do not move when their response is differentiated.
fn response_values_frozen(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    let evaluation = case.evaluation();
    let discounted = case.discounted(&evaluation.state_values);
    let cotangent = Cotangent::performative(&evaluation.occupancy, &discounted);
    let frozen = case.performance.pullback.pull_with_frozen_values(&cotangent)?;
    let transition = frozen.transition.to_parameters(case.policy).ok()?;
    let reward = frozen.reward.to_parameters(case.policy).ok()?;
    Some(vec![case.with_gradient(&terms.policy, &[&transition, &reward, &terms.entropy])])
}

/// Undiscounted visits in place of `d`, in the transition term only.
fn transition_term_undiscounted(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let visits = undiscounted_visits(case, |s| case.model.response.responds(s).transitions)?;
    let terms = &case.performance.gradient;
    let discounted = case.discounted(&case.evaluation().state_values);
    let transition = case.transition_term(&case.by_action(&visits), &discounted)?;
    Some(vec![case.with_gradient(&terms.policy, &[&transition, &terms.reward, &terms.entropy])])
}

fn transition_term_no_gamma(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    let evaluation = case.evaluation();
    let transition = case.transition_term(&evaluation.occupancy, &evaluation.state_values)?;
    Some(vec![case.with_gradient(&terms.policy, &[&transition, &terms.reward, &terms.entropy])])
}

/// Everything that is weighted by `d`, multiplied by `1 - gamma`.
fn normalised_occupancy(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let scale = 1.0 - case.model.gamma;
    let gradient = case.performance.gradient.total();
    let mut prediction = prediction(case.evaluation(), gradient);
    for quantity in GRADIENT_AND_OCCUPANCY {
        prediction[*quantity].iter_mut().flatten().flatten().for_each(|x| *x *= scale);
    }
    Some(vec![prediction])
}

/// Undiscounted visits in place of `d`, in all terms.
fn undiscounted_occupancy(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let evaluation = case.evaluation();
    let policy = case.policy;
    let scale = evaluation.state_values.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    let contributes = |s: usize| {
        let responds = case.model.response.responds(s);
        let q = (0..policy.n_actions()).filter_map(|a| evaluation.action_value(s, a));
        let (low, high) = q.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), q| (l.min(*q), h.max(*q)));
        responds.transitions || responds.rewards || high - low > 1e-12 * scale
    };
    let visits = undiscounted_visits(case, contributes)?;
    let by_action = case.by_action(&visits);
    let transition = case.transition_term(&by_action, &case.discounted(&evaluation.state_values))?;
    let reward = case.reward_term(&by_action)?;
    let policy_part = policy_term(policy, &visits, &evaluation.action_values).ok()?;
    let entropy = entropy_term(policy, &visits, &case.lambda());
    Some(vec![case.with_gradient(&policy_part, &[&transition, &reward, &entropy])])
}

/// Values without entropy inside `Q`; entropy in the first step only.
fn entropy_in_reward_not_bootstrap(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let plain = evaluate(&case.performance.mdp, case.policy, &0.0).ok()?;
    let (policy, lambda) = (case.policy, case.lambda());
    let n_actions = policy.n_actions();
    let bonus = |i: usize| {
        if lambda == 0.0 {
            Some(0.0)
        } else {
            policy.logarithm(i / n_actions, i % n_actions).map(|log| -lambda * log)
        }
    };
    let action_values: Vec<Option<f64>> =
        plain.action_values.iter().enumerate().map(|(i, q)| Some((*q)? + bonus(i)?)).collect();
    let state_value = |s: usize| -> f64 {
        let weighted =
            |a: usize| action_values[s * n_actions + a].map_or(0.0, |q| policy.probability(s, a) * q);
        (0..n_actions).map(weighted).sum()
    };
    let state_values: Vec<f64> = (0..policy.n_states()).map(state_value).collect();
    let value = case.model.initial.iter().zip(&state_values).map(|(rho, v)| rho * v).sum();
    let transition = case.transition_term(&plain.occupancy, &case.discounted(&plain.state_values))?;
    let policy_part = policy_term(policy, &plain.state_occupancy, &action_values).ok()?;
    let terms = &case.performance.gradient;
    let gradient = sum(&policy_part, &[&transition, &terms.reward, &terms.entropy]);
    let mut wrong = prediction(&plain, gradient);
    wrong[Quantity::Value] = Some(vec![Some(value)]);
    wrong[Quantity::StateValues] = Some(defined(&state_values));
    wrong[Quantity::ActionValues] = Some(action_values);
    Some(vec![wrong])
}

/// Values with entropy inside `Q`, whose own step lacks it.
fn entropy_in_bootstrap_not_reward(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let evaluation = case.evaluation();
    let (mdp, policy) = (&case.performance.mdp, case.policy);
    let n_actions = policy.n_actions();
    let action_value = |i: usize| {
        let (s, a) = (i / n_actions, i % n_actions);
        let next: f64 = mdp.kernel().row(s, a).map(|(t, p)| p * evaluation.state_values[t]).sum();
        Some(mdp.reward(s, a) + mdp.gamma() * next)
    };
    let action_values: Vec<Option<f64>> = (0..policy.n_states() * n_actions).map(action_value).collect();
    let terms = &case.performance.gradient;
    let policy_part = policy_term(policy, &evaluation.state_occupancy, &action_values).ok()?;
    let mut wrong = case.with_gradient(&policy_part, &[&terms.transition, &terms.reward, &terms.entropy]);
    wrong[Quantity::ActionValues] = Some(action_values);
    Some(vec![wrong])
}

fn entropy_sign(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let entropy = -case.lambda();
    let evaluation = evaluate(&case.performance.mdp, case.policy, &entropy).ok()?;
    let gradient = sum(
        &policy_term(case.policy, &evaluation.state_occupancy, &evaluation.action_values).ok()?,
        &[
            &case.transition_term(&evaluation.occupancy, &case.discounted(&evaluation.state_values))?,
            &case.reward_term(&evaluation.occupancy)?,
            &entropy_term(case.policy, &evaluation.state_occupancy, &entropy),
        ],
    );
    Some(vec![prediction(&evaluation, gradient)])
}

/// `d[s]` in place of `d[s,a]` in the reward term.
fn reward_weighted_by_state(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let terms = &case.performance.gradient;
    let n_actions = case.policy.n_actions();
    let visits = case.evaluation().state_occupancy.iter();
    let of_state: Vec<f64> = visits.flat_map(|d| std::iter::repeat_n(*d, n_actions)).collect();
    let reward = case.reward_term(&of_state)?;
    Some(vec![case.with_gradient(&terms.policy, &[&terms.transition, &reward, &terms.entropy])])
}

fn terminal_keeps_transitions(case: &Case<'_>) -> Option<Vec<Prediction>> {
    with_terminal(case, &[Terminal::KeepsTransitions])
}

fn terminal_keeps_rewards(case: &Case<'_>) -> Option<Vec<Prediction>> {
    with_terminal(case, &[Terminal::KeepsReward, Terminal::KeepsMoveRewards])
}

/// The gridworld with other rules for the terminal state, for the learner
/// alone and for everybody.
fn with_terminal(case: &Case<'_>, rules: &[Terminal]) -> Option<Vec<Prediction>> {
    let mut predictions = Vec::new();
    for &rule in rules {
        for followers in [rule, Terminal::Absorbing] {
            let Structure::Followers(world) = case.problem.structure() else { return None };
            let world = world.world::<f64>(case.problem.gamma()).ok()?;
            let model = case.problem.around(Box::new(world.with_terminal(rule, followers)));
            if let Ok(performance) = model.perform(case.policy) {
                predictions.push(prediction(&performance.evaluation, performance.gradient.total()));
            }
        }
    }
    Some(predictions)
}

/// The environment that the previous policy induced, as if it did not respond;
/// and the same with that environment's own performative terms.
fn stale_environment(case: &Case<'_>) -> Option<Vec<Prediction>> {
    if matches!(case.problem.structure(), Structure::Point(_)) {
        return None; // a point: nothing is known of other policies
    }
    let stale = case.model.perform(case.previous?).ok()?;
    let lambda = case.lambda();
    let evaluation = evaluate(&stale.mdp, case.policy, &lambda).ok()?;
    let policy_part =
        policy_term(case.policy, &evaluation.state_occupancy, &evaluation.action_values).ok()?;
    let entropy = entropy_term(case.policy, &evaluation.state_occupancy, &lambda);
    let discounted = case.discounted(&evaluation.state_values);
    let pulled = stale.pullback.pull(&Cotangent::performative(&evaluation.occupancy, &discounted));
    let transition = pulled.transition.to_parameters(case.policy).ok()?;
    let reward = pulled.reward.to_parameters(case.policy).ok()?;
    Some(vec![
        prediction(&evaluation, sum(&policy_part, &[&entropy])),
        prediction(&evaluation, sum(&policy_part, &[&transition, &reward, &entropy])),
    ])
}

fn descent(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let gradient = case.performance.gradient.total().into_iter().map(|g| g.map(|g| -g)).collect();
    Some(vec![prediction(case.evaluation(), gradient)])
}

/// `P[s,a,t]` read as `P[t,a,s]`, in the model and in its derivative.
fn transposed_transitions(case: &Case<'_>) -> Option<Vec<Prediction>> {
    let (mdp, policy) = (&case.performance.mdp, case.policy);
    let (n, n_actions, gamma) = (mdp.n_states(), mdp.n_actions(), *mdp.gamma());
    let mut system = DMatrix::<f64>::identity(n, n);
    for t in 0..n {
        for a in 0..n_actions {
            for (s, p) in mdp.kernel().row(t, a) {
                system[(s, t)] -= gamma * policy.probability(s, a) * p;
            }
        }
    }
    let lu = system.clone().lu();
    // A nonnegative matrix M has spectral radius below 1 exactly where
    // (I - M)^{-1} takes the vector of ones to a positive vector.
    let positive = lu.solve(&DVector::from_element(n, 1.0))?;
    if positive.iter().any(|x| x.is_nan() || *x <= 0.0) {
        return None;
    }
    let lambda = case.lambda();
    let reward = |s: usize, a: usize| {
        let bonus = if lambda == 0.0 { Some(0.0) } else { policy.logarithm(s, a).map(|log| -lambda * log) };
        bonus.map(|bonus| mdp.reward(s, a) + bonus)
    };
    let mean_reward =
        |s: usize| (0..n_actions).filter_map(|a| Some(policy.probability(s, a) * reward(s, a)?)).sum::<f64>();
    let rewards = DVector::from_iterator(n, (0..n).map(mean_reward));
    let initial = DVector::from_column_slice(mdp.initial());
    let (Some(values), Some(occupancy)) = (lu.solve(&rewards), system.transpose().lu().solve(&initial))
    else {
        return None;
    };
    let mut next = vec![0.0; n * n_actions];
    for t in 0..n {
        for a in 0..n_actions {
            for (s, p) in mdp.kernel().row(t, a) {
                next[s * n_actions + a] += p * values[t];
            }
        }
    }
    let action_values: Vec<Option<f64>> =
        (0..n * n_actions).map(|i| Some(reward(i / n_actions, i % n_actions)? + gamma * next[i])).collect();
    let by_action = case.by_action(occupancy.as_slice());
    // The cotangent of `P[t,a,s]` is `gamma V[t] d[s,a]`: of rank one for each action.
    let mut transition = vec![0.0; policy.n_parameters()];
    for a in 0..n_actions {
        let weight = |i: usize| if i % n_actions == a { gamma * values[i / n_actions] } else { 0.0 };
        let weights: Vec<f64> = (0..n * n_actions).map(weight).collect();
        let visits: Vec<f64> = by_action.iter().skip(a).step_by(n_actions).copied().collect();
        let of_action = case.transition_term(&weights, &visits)?;
        transition.iter_mut().zip(of_action).for_each(|(sum, x)| *sum += x);
    }
    let gradient = sum(
        &policy_term(policy, occupancy.as_slice(), &action_values).ok()?,
        &[&transition, &case.reward_term(&by_action)?, &entropy_term(policy, occupancy.as_slice(), &lambda)],
    );
    let mut wrong = Prediction::default();
    wrong[Quantity::Value] = Some(vec![Some(initial.dot(&values))]);
    wrong[Quantity::StateValues] = Some(defined(values.as_slice()));
    wrong[Quantity::ActionValues] = Some(action_values);
    wrong[Quantity::Occupancy] = Some(defined(&by_action));
    wrong[Quantity::Gradient] = Some(gradient);
    Some(vec![wrong])
}

/// The expected number of visits to each state, without discount: where every
/// state that matters is transient (or never reached), by a solve over the
/// transient states; where the chain is irreducible, its stationary
/// distribution over `1 - gamma`; else not defined. States that do not matter
/// may get 0.
fn undiscounted_visits(case: &Case<'_>, matters: impl Fn(usize) -> bool) -> Option<Vec<f64>> {
    let chain = case.performance.mdp.kernel().under(case.policy);
    let n = chain.len();
    let successors = |s: usize| chain.row(s).filter(|(_, p)| **p > 0.0).map(|(t, _)| t).collect::<Vec<_>>();
    let reach: Vec<Vec<bool>> = (0..n).map(|s| reachable(vec![s], n, successors)).collect();
    let starts = (0..n).filter(|&s| case.model.initial[s] > 0.0).collect();
    let reached = reachable(starts, n, successors);
    let is_recurrent = |s: usize| (0..n).all(|t| !reach[s][t] || reach[t][s]);
    let transient: Vec<usize> = (0..n).filter(|&s| reached[s] && !is_recurrent(s)).collect();
    if (0..n).all(|s| !reached[s] || !matters(s) || !is_recurrent(s)) {
        let k = transient.len();
        if k == 0 {
            return Some(vec![0.0; n]);
        }
        let mut system = DMatrix::<f64>::identity(k, k);
        let mut position = vec![None; n];
        for (i, &s) in transient.iter().enumerate() {
            position[s] = Some(i);
        }
        for (i, &s) in transient.iter().enumerate() {
            for (t, p) in chain.row(s) {
                if let Some(j) = position[t] {
                    system[(j, i)] -= p; // transposed: visits flow forward
                }
            }
        }
        let initial = DVector::from_iterator(k, transient.iter().map(|&s| case.model.initial[s]));
        let visits = system.lu().solve(&initial)?;
        return Some((0..n).map(|s| position[s].map_or(0.0, |i| visits[i])).collect());
    }
    if (0..n).any(|s| reach[s].iter().any(|reached| !reached)) {
        return None;
    }
    // x^T (I - P) = 0 with the last equation replaced by sum x = 1/(1 - gamma).
    let mut system = DMatrix::<f64>::identity(n, n);
    for s in 0..n {
        for (t, p) in chain.row(s) {
            system[(t, s)] -= p;
        }
    }
    system.row_mut(n - 1).fill(1.0);
    let mut right = DVector::zeros(n);
    right[n - 1] = 1.0 / (1.0 - case.model.gamma);
    Some(system.lu().solve(&right)?.as_slice().to_vec())
}

/// The states that can be reached from `open`, itself included.
fn reachable(mut open: Vec<usize>, n: usize, successors: impl Fn(usize) -> Vec<usize>) -> Vec<bool> {
    let mut seen = vec![false; n];
    for &s in &open {
        seen[s] = true;
    }
    while let Some(s) = open.pop() {
        for t in successors(s) {
            if !std::mem::replace(&mut seen[t], true) {
                open.push(t);
            }
        }
    }
    seen
}
