//! The return of so many steps, where each step has the values of the steps that are left.

use super::case::{Case, WORK};
use super::recipe::{Environment, Start};
use crate::linear::Rows;

/// Longer returns are not looked for: their values are held for each step.
const STEPS: usize = 10_000;

/// What multiplies the derivatives of the policy and of the transitions.
pub(super) struct OfStepsLeft {
    /// `dpi(a|s)`, at `s A + a`.
    pub policy: Vec<f64>,
    /// `dP[s,a,t]`.
    pub transitions: Rows<f64>,
}

impl Case<'_> {
    /// Of the return of so many steps, with the entropy bonus of each: the sums over the
    /// steps `k` of the visits at `k` times the values of the steps that are left.
    pub(super) fn with_steps_left(
        &self,
        environment: Environment,
        start: Start,
        steps: usize,
    ) -> Option<OfStepsLeft> {
        let (n, n_actions) = (self.n_states(), self.n_actions());
        let (induced, system) = (self.induced(environment)?, self.system(environment)?);
        if steps > STEPS || steps.saturating_mul(2 * n * n + n) > WORK {
            return None;
        }
        let step_reward = |pair: usize| match self.is_available(pair) {
            true => Some(induced.rewards[pair] + self.bonus(environment, pair)?),
            false => Some(0.0),
        };
        let rewards = self.means(step_reward);
        // `V` of so many steps, from 0 steps on.
        let mut values = vec![vec![0.0; n]];
        for k in 1..steps {
            let mut next = values[k - 1].clone();
            self.sweep(&system.chain, &rewards, &mut next, false);
            values.push(next);
        }
        let mut later = vec![0.0; n * n];
        let (mut now, mut visits) = (self.initial(start).to_vec(), vec![0.0; n]);
        for k in 0..steps {
            let left = &values[steps - 1 - k];
            for s in (0..n).filter(|&s| now[s] != 0.0) {
                visits[s] += now[s];
                let row = &mut later[s * n..(s + 1) * n];
                row.iter_mut().zip(left).for_each(|(sum, v)| *sum += self.gamma * now[s] * v);
            }
            now = self.stepped(&system.chain, &now);
        }
        let after = |pair: usize| -> f64 {
            let row = &later[pair / n_actions * n..];
            induced.kernel.row(pair).map(|(t, p)| p * row[t]).sum()
        };
        let policy: Vec<f64> = (0..n * n_actions)
            .map(|pair| Some(visits[pair / n_actions] * step_reward(pair)? + after(pair)))
            .collect::<Option<_>>()?;
        let of_pair = |pair: usize| -> Vec<(usize, f64)> {
            let pi = self.policy.probability(pair / n_actions, pair % n_actions);
            (0..n).map(|t| (t, pi * later[pair / n_actions * n + t])).collect()
        };
        let transitions = Rows::sparse(n, (0..n * n_actions).map(of_pair)).ok()?;
        Some(OfStepsLeft { policy, transitions })
    }
}
