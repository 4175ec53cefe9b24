//! A problem evaluated in doubles, for known mistakes to start from.

use super::error::OracleError;
use super::quantity::{Entries, Quantities, Quantity, defined};
use crate::evaluate::Evaluation;
use crate::performative::{Performance, PerformativeMdp};
use crate::policy::Policy;
use crate::problem::Problem;
use crate::response::Cotangent;

/// The entries of an answer: the truth, or what a mistake makes of it; none of a
/// quantity that is not predicted.
pub(super) type Prediction = Quantities<Option<Entries>>;

/// A problem evaluated in doubles, for the mistakes to start from.
pub(super) struct Case<'a> {
    pub(super) problem: &'a Problem,
    pub(super) model: &'a PerformativeMdp<f64>,
    pub(super) policy: &'a Policy<f64>,
    /// The policy deployed before, for `stale-environment`; none where doubles do not hold it.
    pub(super) previous: Option<&'a Policy<f64>>,
    pub(super) performance: Performance<'a, f64>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        model: &'a PerformativeMdp<f64>,
        policy: &'a Policy<f64>,
        previous: Option<&'a Policy<f64>>,
    ) -> Result<Self, OracleError> {
        let performance = model.perform(policy)?;
        Ok(Self { problem, model, policy, previous, performance })
    }

    pub(super) fn evaluation(&self) -> &Evaluation<f64> {
        &self.performance.evaluation
    }

    /// No mistake, but for what doubles round.
    pub(super) fn truth(&self) -> Prediction {
        let terms = &self.performance.gradient;
        self.with_gradient(&terms.policy, &[&terms.transition, &terms.reward, &terms.entropy])
    }

    pub(super) fn lambda(&self) -> f64 {
        self.model.entropy
    }

    /// The transition term with `visits[s,a] values[t]` in place of `gamma d[s,a] V[t]`.
    pub(super) fn transition_term(&self, visits: &[f64], values: &[f64]) -> Option<Vec<f64>> {
        let cotangent = Cotangent::performative(visits, values);
        self.performance.pullback.pull(&cotangent).transition.to_parameters(self.policy).ok()
    }

    /// The reward term with `visits[s,a]` in place of `d[s,a]`.
    pub(super) fn reward_term(&self, visits: &[f64]) -> Option<Vec<f64>> {
        let cotangent = Cotangent::performative(visits, &self.evaluation().state_values);
        self.performance.pullback.pull(&cotangent).reward.to_parameters(self.policy).ok()
    }

    /// `gamma x`.
    pub(super) fn discounted(&self, values: &[f64]) -> Vec<f64> {
        values.iter().map(|x| self.model.gamma * x).collect()
    }

    /// `visits[s] pi(a|s)` at `s A + a`.
    pub(super) fn by_action(&self, visits: &[f64]) -> Vec<f64> {
        let n_actions = self.policy.n_actions();
        let of_state = |(s, d): (usize, &f64)| -> Vec<f64> {
            (0..n_actions).map(|a| d * self.policy.probability(s, a)).collect()
        };
        visits.iter().enumerate().flat_map(of_state).collect()
    }

    /// The truth but for the gradient, which is the sum of these parts.
    pub(super) fn with_gradient(&self, policy: &[Option<f64>], rest: &[&[f64]]) -> Prediction {
        prediction(self.evaluation(), sum(policy, rest))
    }
}

/// The sum of gradient terms.
pub(super) fn sum(policy: &[Option<f64>], rest: &[&[f64]]) -> Entries {
    let total =
        |(i, policy): (usize, &Option<f64>)| policy.map(|p| rest.iter().fold(p, |sum, term| sum + term[i]));
    policy.iter().enumerate().map(total).collect()
}

/// What is predicted where these are the values and occupancies.
pub(super) fn prediction(evaluation: &Evaluation<f64>, gradient: Entries) -> Prediction {
    Quantities::from_fn(|quantity| match quantity {
        Quantity::Value => Some(vec![Some(evaluation.value)]),
        Quantity::StateValues => Some(defined(&evaluation.state_values)),
        Quantity::ActionValues => Some(evaluation.action_values.clone()),
        Quantity::Occupancy => Some(defined(&evaluation.occupancy)),
        Quantity::Gradient => Some(gradient.clone()),
        _ => None,
    })
}
