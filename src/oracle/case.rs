//! A problem evaluated in doubles, for known mistakes to start from.

use super::error::OracleError;
use crate::evaluate::Evaluation;
use crate::performative::{Performance, PerformativeMdp};
use crate::policy::Policy;
use crate::problem::Problem;
use crate::response::{Cotangent, PulledBack};

/// An answer in flat arrays: the truth, or what a mistake makes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prediction {
    pub(super) value: f64,
    pub(super) state_values: Vec<f64>,
    pub(super) action_values: Vec<Option<f64>>,
    pub(super) occupancy: Vec<f64>,
    pub(super) gradient: Vec<Option<f64>>,
}

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

    /// The true `gamma d[s,a] V[t]` and `d[s,a]`, pulled back with other
    /// cotangents in their place.
    pub(super) fn pull(
        &self,
        transition: impl Fn(usize, usize, usize) -> f64,
        reward: impl Fn(usize, usize) -> f64,
    ) -> PulledBack<f64> {
        self.performance.pullback.pull(&Cotangent { transition: &transition, reward: &reward })
    }

    /// The transition term with `transition` in place of `gamma d[s,a] V[t]`.
    pub(super) fn transition_term(
        &self,
        transition: impl Fn(usize, usize, usize) -> f64,
    ) -> Option<Vec<f64>> {
        self.pull(transition, |_, _| 0.0).transition.to_parameters(self.policy).ok()
    }

    /// The reward term with `reward` in place of `d[s,a]`.
    pub(super) fn reward_term(&self, reward: impl Fn(usize, usize) -> f64) -> Option<Vec<f64>> {
        self.pull(|_, _, _| 0.0, reward).reward.to_parameters(self.policy).ok()
    }

    /// The truth but for the gradient, which is the sum of these parts.
    pub(super) fn with_gradient(&self, policy: &[Option<f64>], rest: &[&[f64]]) -> Prediction {
        prediction(self.evaluation(), sum(policy, rest))
    }
}

/// The sum of gradient terms.
pub(super) fn sum(policy: &[Option<f64>], rest: &[&[f64]]) -> Vec<Option<f64>> {
    let total =
        |(i, policy): (usize, &Option<f64>)| policy.map(|p| rest.iter().fold(p, |sum, term| sum + term[i]));
    policy.iter().enumerate().map(total).collect()
}

pub(super) fn prediction(evaluation: &Evaluation<f64>, gradient: Vec<Option<f64>>) -> Prediction {
    Prediction {
        value: evaluation.value,
        state_values: evaluation.state_values.clone(),
        action_values: evaluation.action_values.clone(),
        occupancy: evaluation.occupancy.clone(),
        gradient,
    }
}
