//! Cotangents through the response, as it is or as it is mistaken.

use std::ops::Range;

use super::case::{Case, WORK};
use super::recipe::Environment;
use crate::linear::Rows;
use crate::response::{Cotangent, PolicyCotangent, Pullback, PulledBack, TransitionCotangent};

impl Case<'_> {
    /// What the cotangent of the transitions gives.
    pub fn pull_stored(&self, environment: Environment, rows: &Rows<f64>) -> Option<PulledBack<f64>> {
        let pullback = self.induced(environment)?.pullback.as_ref().unwrap_or(&self.performance.pullback);
        let reward = vec![0.0; rows.len()];
        Some(pullback.pull(&Cotangent { transition: TransitionCotangent::Stored(rows), reward: &reward }))
    }

    /// The cotangents of the policy from `visits[s,a] next[t]` of `P[s,a,t]` and
    /// `weights[s,a]` of `r[s,a]`; none where followers' values are to be held fixed and
    /// there are no followers.
    pub fn pull(
        &self,
        environment: Environment,
        (frozen, own_state): (bool, bool),
        (visits, next): (&[f64], &[f64]),
        weights: &[f64],
    ) -> Option<PulledBack<f64>> {
        if own_state {
            return self.pull_own_state(environment, frozen, (visits, next), weights);
        }
        let (mut visits, mut weights) = (visits.to_vec(), weights.to_vec());
        let pays_nothing = |s: usize| match environment {
            Environment::Ended => self.is_absorbing(environment, s),
            Environment::EndPaysOnlyEntropy => self.performance.mdp.kernel().is_terminal(s),
            _ => false,
        };
        for pair in (0..weights.len()).filter(|pair| pays_nothing(pair / self.n_actions())) {
            (visits[pair], weights[pair]) = (0.0, 0.0);
        }
        let visits = &visits;
        let n_states = self.n_states();
        let transposed: (Vec<f64>, Vec<f64>);
        let transition = if environment == Environment::Transposed {
            // `visits[t,a] next[s]` of `P[s,a,t]`.
            let n_actions = self.n_actions();
            let of_action = |a: usize| visits.iter().skip(a).step_by(n_actions).copied();
            let of_states = next.iter().flat_map(|x| std::iter::repeat_n(*x, n_actions)).collect();
            transposed = (of_states, (0..n_actions).flat_map(of_action).collect());
            TransitionCotangent::ByAction { visits: &transposed.0, values: &transposed.1, n_states }
        } else {
            TransitionCotangent::Product { visits, values: next }
        };
        let cotangent = Cotangent { transition, reward: &weights };
        let pulled = |pullback: &dyn Pullback<f64>| match frozen {
            true => pullback.pull_with_frozen_values(&cotangent),
            false => Some(pullback.pull(&cotangent)),
        };
        let of = |environment: Environment| {
            self.induced(environment)?.pullback.as_deref().or(Some(&*self.performance.pullback))
        };
        let (transitions, rewards) = match environment {
            Environment::PreviousRewards => (Environment::Own, Environment::Previous),
            Environment::PreviousTransitions => (Environment::Previous, Environment::Own),
            environment => return pulled(of(environment)?),
        };
        let (of_transitions, of_rewards) = (pulled(of(transitions)?)?, pulled(of(rewards)?)?);
        Some(PulledBack { transition: of_transitions.transition, reward: of_rewards.reward })
    }

    /// The same with the response of each row to the policy in its own state only; none of
    /// policies whose parameters belong to several states, and where it takes too long.
    fn pull_own_state(
        &self,
        environment: Environment,
        frozen: bool,
        (visits, next): (&[f64], &[f64]),
        weights: &[f64],
    ) -> Option<PulledBack<f64>> {
        let (n, n_actions) = (self.n_states(), self.n_actions());
        let work = n * self.induced(environment)?.kernel.n_stored();
        if self.policy.features().is_some() || work > WORK / 10 {
            return None;
        }
        let mut sum = PulledBack { transition: PolicyCotangent::None, reward: PolicyCotangent::None };
        for s in 0..n {
            let of_state = s * n_actions..(s + 1) * n_actions;
            let own = |x: &[f64]| only(x.to_vec(), &of_state);
            let pulled = self.pull(environment, (frozen, false), (&own(visits), next), &own(weights))?;
            sum.transition = sum.transition.plus(within(pulled.transition, &of_state));
            sum.reward = sum.reward.plus(within(pulled.reward, &of_state));
        }
        Some(sum)
    }
}

/// The entries of a range, 0 for others.
fn only(mut entries: Vec<f64>, range: &Range<usize>) -> Vec<f64> {
    entries.iter_mut().enumerate().filter(|(i, _)| !range.contains(i)).for_each(|(_, x)| *x = 0.0);
    entries
}

/// The same of a cotangent, by state and action.
fn within(cotangent: PolicyCotangent<f64>, range: &Range<usize>) -> PolicyCotangent<f64> {
    match cotangent {
        PolicyCotangent::None => PolicyCotangent::None,
        PolicyCotangent::Probabilities(x) => PolicyCotangent::Probabilities(only(x, range)),
        PolicyCotangent::Parameters(x) => PolicyCotangent::Parameters(only(x, range)),
        PolicyCotangent::Both { probabilities, parameters } => PolicyCotangent::Both {
            probabilities: only(probabilities, range),
            parameters: only(parameters, range),
        },
    }
}
