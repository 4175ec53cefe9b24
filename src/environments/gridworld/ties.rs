//! One-sided derivatives where followers' best responses are tied: see
//! `docs/theory/gridworld-bound.md`, section 6.

use super::follower::Follower;
use super::{Gridworld, LEAVE, Layout, N_ACTIONS, N_RESPONSES};
use crate::policy::Policy;
use crate::response::ResponseError;

/// Sweeps of value iteration for one-sided derivatives, at most.
const SWEEPS: usize = 10_000;
/// Change between sweeps, relative to the largest derivative, at which they stop.
const STILL: f64 = 1e-15;

/// What each follower chooses, by follower and state.
pub type Choices = Vec<Vec<usize>>;

/// The choices of the followers that are best, up to a gap, against one policy.
pub struct Ties<'a> {
    policy: &'a Policy<f64>,
    layout: Layout,
    gamma: f64,
    followers: Vec<Follower<f64>>,
    /// By follower and state.
    tied: Vec<Vec<Vec<usize>>>,
}

impl Gridworld<f64> {
    /// The followers' actions with `Q[s,b] >= U[s] - gap`.
    ///
    /// # Errors
    /// [`ResponseError`] where a follower has no best response.
    pub fn ties<'a>(&self, policy: &'a Policy<f64>, gap: f64) -> Result<Ties<'a>, ResponseError> {
        let followers = self.solve_followers(policy)?;
        let tied = |follower: &Follower<f64>| -> Vec<Vec<usize>> {
            let among = |(s, q): (usize, &[f64])| {
                if self.layout().is_terminal(s) {
                    return vec![LEAVE];
                }
                let largest = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (0..N_RESPONSES).filter(|&b| q[b] >= largest - gap).collect()
            };
            follower.action_values.chunks(N_RESPONSES).enumerate().map(among).collect()
        };
        let tied = followers.iter().map(tied).collect();
        Ok(Ties { policy, layout: self.layout.clone(), gamma: self.gamma, followers, tied })
    }

    /// The same world with a derivative in which the followers make these choices:
    /// values and responses are those of best responses.
    #[must_use]
    pub fn with_choices(self, choices: Choices) -> Self {
        Self { choices: Some(choices), ..self }
    }
}

impl Ties<'_> {
    /// The number of followers and states with more than one choice.
    pub fn count(&self) -> usize {
        self.tied.iter().flatten().filter(|tied| tied.len() > 1).count()
    }

    /// Choices that stay best, of those that are tied, when the policy moves along
    /// `dpi[s,a]` (`sum_a dpi(a|s) = 0`): the maximisers of
    /// `D[s] = max_b D[s,b]` over tied `b`, `D` the derivative of the values.
    pub fn along(&self, step: &[f64]) -> Choices {
        self.followers
            .iter()
            .zip(&self.tied)
            .map(|(follower, tied)| self.best(follower, tied, step))
            .collect()
    }

    fn best(&self, follower: &Follower<f64>, tied: &[Vec<usize>], step: &[f64]) -> Vec<usize> {
        let mut slopes = vec![0.0f64; self.layout.n_states()];
        let slope = |slopes: &[f64], s: usize, b: usize| -> f64 {
            let next = |a: usize| self.gamma * slopes[self.layout.neighbour(s, a)];
            if b != LEAVE {
                return next(b);
            }
            (0..N_ACTIONS)
                .map(|a| {
                    step[s * N_ACTIONS + a] * follower.move_value(s, a)
                        + self.policy.probability(s, a) * next(a)
                })
                .sum()
        };
        for _ in 0..SWEEPS {
            let (mut change, mut size) = (0.0f64, 0.0f64);
            for s in self.layout.inner().rev() {
                let new = tied[s].iter().map(|&b| slope(&slopes, s, b)).fold(f64::NEG_INFINITY, f64::max);
                change = change.max((new - slopes[s]).abs());
                size = size.max(new.abs());
                slopes[s] = new;
            }
            if change <= STILL * size {
                break;
            }
        }
        let best = |s: usize| {
            let rank = |b: &&usize| slope(&slopes, s, **b);
            if self.layout.is_terminal(s) {
                None
            } else {
                tied[s].iter().max_by(|b, c| rank(b).total_cmp(&rank(c))).copied()
            }
        };
        (0..self.layout.n_states()).map(|s| best(s).unwrap_or(LEAVE)).collect()
    }
}

#[cfg(test)]
mod tests;
