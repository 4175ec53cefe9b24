//! The exact performative gradient, in adjoint form.
//!
//! ```text
//! dJ = sum_s d[s] sum_a dpi(a|s) (Q[s,a] - lambda)            policy term, entropy term
//!    + sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]            transition term
//!    + sum_{s,a} d[s,a] dr[s,a]                               reward term
//! ```
//!
//! Derivation, and the equal score, TD and return forms:
//! `docs/theory/gradient.md`.

use crate::arithmetic::Field;
use crate::criterion::by_action;
use crate::evaluate::{Evaluation, EvaluationError};
use crate::linear::ShapeError;
use crate::mdp::Mdp;
use crate::policy::Policy;
use crate::response::{Cotangent, Pullback, TransitionCotangent};

/// The parts of `dJ/dtheta`, each of the length of the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientTerms<T> {
    /// `sum_s d[s] sum_a dpi(a|s) Q[s,a]`: all there is without performativity.
    /// `None` where `pi(a|s) = 0` is itself a parameter and `lambda > 0`.
    pub policy: Vec<Option<T>>,
    /// `sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]`.
    pub transition: Vec<T>,
    /// `sum_{s,a} d[s,a] dr[s,a]`.
    pub reward: Vec<T>,
    /// `-lambda sum_s d[s] sum_a dpi(a|s)`: 0 unless the entries of `pi` are the
    /// parameters, because a normalised policy has `sum_a dpi(a|s) = 0`.
    pub entropy: Vec<T>,
}

impl<T: Field> GradientTerms<T> {
    /// The gradient: the sum of the terms, `None` where it is infinite.
    pub fn total(&self) -> Vec<Option<T>> {
        let rest = self.transition.iter().zip(&self.reward).zip(&self.entropy);
        self.policy
            .iter()
            .zip(rest)
            .map(|(policy, ((transition, reward), entropy))| {
                policy.as_ref().map(|policy| policy.clone() + transition + reward + entropy)
            })
            .collect()
    }
}

/// The gradient of the performative value with respect to the parameters of
/// the policy.
///
/// `evaluation` is that of `policy` in `mdp`, the MDP that the policy induces;
/// `pullback` is the derivative of the response there.
///
/// # Errors
/// [`EvaluationError::Shape`] where the pullback does not give a cotangent for each
/// probability or parameter, and those of [`policy_term`].
pub fn performative_gradient<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    evaluation: &Evaluation<T>,
    pullback: &dyn Pullback<T>,
    entropy: &T,
) -> Result<GradientTerms<T>, EvaluationError> {
    let discounted = |values: &[T]| -> Vec<T> { values.iter().map(|v| v.clone() * mdp.gamma()).collect() };
    let (pulled, policy_term) = match &evaluation.steps {
        None => {
            let next = discounted(&evaluation.state_values);
            let pulled = pullback.pull(&Cotangent::performative(&evaluation.occupancy, &next));
            (pulled, policy_term(policy, &evaluation.state_occupancy, &evaluation.action_values)?)
        }
        // Each step with the values of what is left of its episode.
        Some(steps) => {
            let nothing = vec![T::zero(); evaluation.occupancy.len()];
            let transition =
                TransitionCotangent::Product { visits: &nothing, values: &nothing[..policy.n_states()] };
            let mut pulled = pullback.pull(&Cotangent { transition, reward: &evaluation.occupancy });
            for (visits, values) in steps.visits.iter().zip(&steps.next_values) {
                let (visits, values) = (&by_action(policy, visits), &discounted(values));
                let transition = TransitionCotangent::Product { visits, values };
                let step = pullback.pull(&Cotangent { transition, reward: &nothing });
                pulled.transition = pulled.transition.plus(step.transition);
            }
            let alike = vec![T::one(); policy.n_states()];
            (pulled, policy_term(policy, &alike, &steps.policy_weights)?)
        }
    };
    Ok(GradientTerms {
        policy: policy_term,
        transition: pulled.transition.to_parameters(policy)?,
        reward: pulled.reward.to_parameters(policy)?,
        entropy: entropy_term(policy, &acting(mdp, &evaluation.state_occupancy), entropy),
    })
}

/// Weights of the states in which actions are taken: 0 for terminal ones.
pub fn acting<T: Field>(mdp: &Mdp<T>, state_weights: &[T]) -> Vec<T> {
    let weight = |(s, d): (usize, &T)| if mdp.kernel().is_terminal(s) { T::zero() } else { d.clone() };
    state_weights.iter().enumerate().map(weight).collect()
}

/// `sum_s d[s] sum_a dpi(a|s) Q[s,a]` for any state weights and action values, over the
/// actions that states have; `None` where `pi(a|s)` is itself a parameter and its value is infinite.
///
/// # Errors
/// [`EvaluationError::Shape`] unless there is a weight for each state and a value for
/// each action; [`EvaluationError::Infinite`] for a policy that is normalised by
/// construction, where every probability is positive, with an infinite value.
pub fn policy_term<T: Field>(
    policy: &Policy<T>,
    state_weights: &[T],
    action_values: &[Option<T>],
) -> Result<Vec<Option<T>>, EvaluationError> {
    let (n_states, n_actions) = (policy.n_states(), policy.n_actions());
    ShapeError::check("state weights", state_weights.len(), n_states)?;
    ShapeError::check("action values", action_values.len(), n_states * n_actions)?;
    let weight = |i: usize| &state_weights[i / n_actions];
    let weighted = |(i, q): (usize, &Option<T>)| q.as_ref().map(|q| q.clone() * weight(i));
    let weighted: Vec<Option<T>> = action_values.iter().enumerate().map(weighted).collect();
    if !policy.is_normalised_by_construction() {
        return Ok(weighted);
    }
    let defined = |(i, c): (usize, Option<T>)| {
        if !policy.is_available(i / n_actions, i % n_actions) {
            return Ok(T::zero());
        }
        c.ok_or(EvaluationError::Infinite { state: i / n_actions, action: i % n_actions })
    };
    let cotangent: Vec<T> = weighted.into_iter().enumerate().map(defined).collect::<Result<_, _>>()?;
    Ok(policy.pullback(&cotangent)?.into_iter().map(Some).collect())
}

/// `-lambda sum_s d[s] sum_a dpi(a|s)` for any state weights, one a state in which actions are
/// taken ([`acting`]).
pub fn entropy_term<T: Field>(policy: &Policy<T>, state_weights: &[T], entropy: &T) -> Vec<T> {
    if policy.is_normalised_by_construction() || entropy.is_zero() {
        return vec![T::zero(); policy.n_parameters()];
    }
    // The entries of pi are the parameters: one for each action of a state.
    let of_action = |(s, weight): (usize, &T), a: usize| {
        if policy.is_available(s, a) { -(weight.clone() * entropy) } else { T::zero() }
    };
    let of_state = |weight| (0..policy.n_actions()).map(move |a| of_action(weight, a));
    state_weights.iter().enumerate().flat_map(of_state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_sum_of_its_terms() {
        let terms = GradientTerms {
            policy: vec![Some(1.0), None],
            transition: vec![2.0, 1.0],
            reward: vec![4.0, 1.0],
            entropy: vec![8.0, 1.0],
        };
        assert_eq!(terms.total(), [Some(15.0), None]);
    }

    #[test]
    fn infinite_values_are_told_with_their_place() {
        let policy = Policy::softmax(2, 3, vec![0.0; 6]).unwrap();
        let values: Vec<Option<f64>> = (0..6).map(|i| (i != 5).then_some(1.0)).collect();
        let refused = policy_term(&policy, &[1.0, 1.0], &values).unwrap_err();
        assert!(matches!(refused, EvaluationError::Infinite { state: 1, action: 2 }), "{refused:?}");
    }
}
