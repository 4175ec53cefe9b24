//! Steps along an ascent direction.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::estimate::EstimatedTerms;
use pemdp::evaluate::Evaluation;
use pemdp::gradient::GradientTerms;
use pemdp::policy::Policy;

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// `theta + step * gradient`.
    Plain,
    /// Adam with its usual decay rates .9 and .999.
    Adam,
    /// Plain steps, halved until the value rises by enough (Armijo).
    Backtracking,
    /// `theta + step * (F + damping)^{-1} gradient`, `F` the Fisher information
    /// of the policy over its occupancy.
    Natural,
}

/// Which terms of the gradient are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// The exact gradient.
    All,
    /// Without the term through the transitions.
    NoTransition,
    /// Without the term through the rewards.
    NoReward,
    /// Without both: vanilla policy gradient.
    Policy,
}

impl Terms {
    /// The sum of these terms, `None` where it is infinite.
    pub fn of(self, gradient: &GradientTerms<f64>) -> Vec<Option<f64>> {
        let mut total = gradient.clone();
        self.keep(&mut total.transition, &mut total.reward);
        total.total()
    }

    /// The sum of these terms of an estimate.
    pub fn of_estimate(self, estimate: &EstimatedTerms<f64>) -> Vec<f64> {
        let mut total = estimate.clone();
        self.keep(&mut total.transition, &mut total.reward);
        total.total()
    }

    /// Sets what is not followed to 0.
    fn keep(self, transition: &mut [f64], reward: &mut [f64]) {
        if !matches!(self, Self::All | Self::NoReward) {
            transition.fill(0.0);
        }
        if !matches!(self, Self::All | Self::NoTransition) {
            reward.fill(0.0);
        }
    }
}

/// Adam (Kingma and Ba, 2015), ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl Adam {
    const MEAN_DECAY: f64 = 0.9;
    const SQUARE_DECAY: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// The step for a gradient.
    pub(super) fn step(&mut self, gradient: &[f64], size: f64) -> Vec<f64> {
        self.mean.resize(gradient.len(), 0.0);
        self.square.resize(gradient.len(), 0.0);
        self.steps += 1;
        let mean_weight = 1.0 - Self::MEAN_DECAY.powi(self.steps);
        let square_weight = 1.0 - Self::SQUARE_DECAY.powi(self.steps);
        let mut step = Vec::with_capacity(gradient.len());
        for ((g, mean), square) in gradient.iter().zip(&mut self.mean).zip(&mut self.square) {
            *mean = Self::MEAN_DECAY * *mean + (1.0 - Self::MEAN_DECAY) * g;
            *square = Self::SQUARE_DECAY * *square + (1.0 - Self::SQUARE_DECAY) * g * g;
            step.push(size * (*mean / mean_weight) / ((*square / square_weight).sqrt() + Self::EPSILON));
        }
        step
    }
}

/// `(F + damping I)^{-1} g` with `F = sum_s d[s] sum_a pi(a|s) s s^T`,
/// `s = grad log pi(a|s)`, the occupancy `d` normalised to sum 1.
///
/// For softmax `F` is block diagonal, `d[s] (diag pi - pi pi^T)` for each state.
pub(super) fn natural_direction(
    policy: &Policy<f64>,
    evaluation: &Evaluation<f64>,
    gradient: &[f64],
    damping: f64,
) -> Option<Vec<f64>> {
    let (n_states, n_actions) = (policy.n_states(), policy.n_actions());
    let total: f64 = evaluation.state_occupancy.iter().sum();
    let block = |s: usize| {
        let d = evaluation.state_occupancy[s] / total;
        let pi = |a: usize| *policy.probability(s, a);
        DMatrix::from_fn(n_actions, n_actions, |a, b| d * (if a == b { pi(a) } else { 0.0 } - pi(a) * pi(b)))
    };
    let solved = |mut information: DMatrix<f64>, gradient: &[f64]| {
        for i in 0..gradient.len() {
            information[(i, i)] += damping;
        }
        Some(information.cholesky()?.solve(&DVector::from_column_slice(gradient)).as_slice().to_vec())
    };
    if let Some(features) = policy.features() {
        let k = policy.n_parameters();
        let mut information = DMatrix::zeros(k, k);
        for s in 0..n_states {
            let rows =
                DMatrix::from_row_slice(n_actions, k, &features[s * n_actions * k..(s + 1) * n_actions * k]);
            information += rows.transpose() * block(s) * rows;
        }
        return solved(information, gradient);
    }
    let mut direction = Vec::with_capacity(gradient.len());
    for (s, gradient) in gradient.chunks(n_actions).enumerate() {
        direction.extend(solved(block(s), gradient)?);
    }
    Some(direction)
}
