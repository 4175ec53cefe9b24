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
use crate::evaluate::Evaluation;
use crate::mdp::Mdp;
use crate::policy::Policy;
use crate::response::{Cotangent, Pullback};

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
pub fn performative_gradient<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    evaluation: &Evaluation<T>,
    pullback: &dyn Pullback<T>,
    entropy: &T,
) -> GradientTerms<T> {
    let discounted: Vec<T> = evaluation.state_values.iter().map(|v| v.clone() * mdp.gamma()).collect();
    let pulled = pullback.pull(&Cotangent {
        transition: &|s, a, t| evaluation.occupancy(s, a).clone() * &discounted[t],
        reward: &|s, a| evaluation.occupancy(s, a).clone(),
    });
    GradientTerms {
        policy: policy_term(policy, &evaluation.state_occupancy, &evaluation.action_values),
        transition: pulled.transition.to_parameters(policy),
        reward: pulled.reward.to_parameters(policy),
        entropy: entropy_term(policy, &evaluation.state_occupancy, entropy),
    }
}

/// `sum_s d[s] sum_a dpi(a|s) Q[s,a]` for any state weights and action values.
pub fn policy_term<T: Field>(
    policy: &Policy<T>,
    state_weights: &[T],
    action_values: &[Option<T>],
) -> Vec<Option<T>> {
    let n_actions = policy.n_actions();
    let weighted = action_values
        .iter()
        .enumerate()
        .map(|(i, q)| q.as_ref().map(|q| q.clone() * &state_weights[i / n_actions]));
    if policy.is_normalised_by_construction() {
        // Every probability is positive, so every value is defined.
        let cotangent: Vec<T> = weighted.map(|c| c.unwrap_or_else(T::zero)).collect();
        policy.pullback(&cotangent).into_iter().map(Some).collect()
    } else {
        weighted.collect()
    }
}

/// `-lambda sum_s d[s] sum_a dpi(a|s)` for any state weights.
pub fn entropy_term<T: Field>(policy: &Policy<T>, state_weights: &[T], entropy: &T) -> Vec<T> {
    if policy.is_normalised_by_construction() || entropy.is_zero() {
        return vec![T::zero(); policy.n_parameters()];
    }
    let n = policy.n_parameters();
    (0..n).map(|i| -(state_weights[i / policy.n_actions()].clone() * entropy)).collect()
}
