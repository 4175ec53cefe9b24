//! A kernel and rewards at a point, with their derivatives there.

use crate::arithmetic::Field;
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// `P` and `r` at the given parameters and `dP`, `dr` there: a point of some
/// environment, so that any implementation can be checked. Without derivatives
/// it is an MDP that does not respond.
#[derive(Debug, Clone)]
pub struct Explicit<T> {
    kernel: Kernel<T>,
    rewards: Vec<T>,
    /// `d P[s,a,t] / d theta[k]` by `[s, a, t, k]`.
    transition_jacobian: Vec<([usize; 4], T)>,
    /// `d r[s,a] / d theta[k]` by `[s, a, k]`.
    reward_jacobian: Vec<([usize; 3], T)>,
}

impl<T: Field> Explicit<T> {
    /// An environment that does not respond to the policy.
    ///
    /// # Errors
    /// [`ModelError::Shape`] unless there is a reward for each state and action.
    pub fn fixed(kernel: Kernel<T>, rewards: Vec<T>) -> Result<Self, ModelError> {
        Self::new(kernel, rewards, Vec::new(), Vec::new())
    }

    /// An environment at a point. Entries of the Jacobians are given by
    /// `[s, a, t, k]` and `[s, a, k]`, `k` the flat parameter index; those that
    /// are not given are 0.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for rewards or indices that do not fit.
    pub fn new(
        kernel: Kernel<T>,
        rewards: Vec<T>,
        transition_jacobian: Vec<([usize; 4], T)>,
        reward_jacobian: Vec<([usize; 3], T)>,
    ) -> Result<Self, ModelError> {
        let (n_states, n_actions) = (kernel.n_states(), kernel.n_actions());
        let expected = n_states * n_actions;
        if rewards.len() != expected {
            return Err(ModelError::Shape { what: "r", seen: rewards.len(), expected });
        }
        let states = transition_jacobian.iter().flat_map(|([s, _, t, _], _)| [*s, *t]);
        let states = states.chain(reward_jacobian.iter().map(|([s, _, _], _)| *s));
        let actions = transition_jacobian.iter().map(|([_, a, _, _], _)| *a);
        let actions = actions.chain(reward_jacobian.iter().map(|([_, a, _], _)| *a));
        for (what, largest, expected) in [
            ("a state of a Jacobian", states.max(), n_states),
            ("an action of a Jacobian", actions.max(), n_actions),
        ] {
            if let Some(seen) = largest.filter(|&largest| largest >= expected) {
                return Err(ModelError::Shape { what, seen, expected });
            }
        }
        Ok(Self { kernel, rewards, transition_jacobian, reward_jacobian })
    }

    /// One more than the largest parameter index of a derivative.
    fn n_parameters(&self) -> usize {
        let transitions = self.transition_jacobian.iter().map(|([_, _, _, k], _)| k + 1);
        let rewards = self.reward_jacobian.iter().map(|([_, _, k], _)| k + 1);
        transitions.chain(rewards).max().unwrap_or(0)
    }
}

impl<T: Field> Response<T> for Explicit<T> {
    fn n_states(&self) -> usize {
        self.kernel.n_states()
    }

    fn n_actions(&self) -> usize {
        self.kernel.n_actions()
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        if self.n_parameters() > policy.n_parameters() {
            return Err(ResponseError::Parameters {
                seen: policy.n_parameters(),
                expected: self.n_parameters(),
                why: "the Jacobian has an entry for each",
            });
        }
        Ok(Induced {
            kernel: self.kernel.clone(),
            rewards: self.rewards.clone(),
            kinks: Vec::new(),
            pullback: Box::new(ExplicitPullback { environment: self, n_parameters: policy.n_parameters() }),
        })
    }

    fn responds(&self, state: usize) -> Responds {
        Responds {
            transitions: self.transition_jacobian.iter().any(|([s, ..], dp)| *s == state && !dp.is_zero()),
            rewards: self.reward_jacobian.iter().any(|([s, ..], dr)| *s == state && !dr.is_zero()),
        }
    }
}

struct ExplicitPullback<'a, T> {
    environment: &'a Explicit<T>,
    n_parameters: usize,
}

impl<T: Field> Pullback<T> for ExplicitPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        if self.environment.n_parameters() == 0 {
            // Fixed: whatever the policy is.
            return PulledBack { transition: PolicyCotangent::None, reward: PolicyCotangent::None };
        }
        let mut transition = vec![T::zero(); self.n_parameters];
        for ([s, a, t, k], dp) in &self.environment.transition_jacobian {
            transition[*k] += (cotangent.transition)(*s, *a, *t) * dp;
        }
        let mut reward = vec![T::zero(); self.n_parameters];
        for ([s, a, k], dr) in &self.environment.reward_jacobian {
            reward[*k] += (cotangent.reward)(*s, *a) * dr;
        }
        PulledBack {
            transition: PolicyCotangent::Parameters(transition),
            reward: PolicyCotangent::Parameters(reward),
        }
    }
}
