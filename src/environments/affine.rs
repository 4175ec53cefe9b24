//! Transitions and rewards that are affine in the policy.

use crate::arithmetic::Field;
use crate::linear::{Rows, ShapeError};
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// `P[s,a,t] = base[s,a,t] + sum m pi(a2|s2)` over the slopes
/// `([s,a,t,s2,a2], m)`, `r[s,a] = base[s,a] + sum n pi(a2|s2)` over
/// `([s,a,s2,a2], n)`.
///
/// The base alone need not be a kernel; what each policy induces is checked
/// when it is induced.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    n_actions: usize,
    base: Rows<T>,
    rewards: Vec<T>,
    transition_slopes: Vec<([usize; 5], T)>,
    reward_slopes: Vec<([usize; 4], T)>,
}

/// The numbers of an affine environment.
pub type AffineParts<T> = (Vec<T>, Vec<T>, Vec<([usize; 5], T)>, Vec<([usize; 4], T)>);

impl<T: Field> Affine<T> {
    /// An affine environment from its base (rows in the order `s A + a`) and
    /// slopes.
    ///
    /// # Errors
    /// [`ModelError`] for shapes or indices that do not fit.
    pub fn new(
        n_states: usize,
        n_actions: usize,
        base: Rows<T>,
        rewards: Vec<T>,
        mut transition_slopes: Vec<([usize; 5], T)>,
        reward_slopes: Vec<([usize; 4], T)>,
    ) -> Result<Self, ModelError> {
        let rows = n_states * n_actions;
        if base.len() != rows || base.width() != n_states {
            let seen = base.len() * base.width();
            return Err(ModelError::Shape { what: "P", seen, expected: rows * n_states });
        }
        if rewards.len() != rows {
            return Err(ModelError::Shape { what: "r", seen: rewards.len(), expected: rows });
        }
        let states = transition_slopes.iter().flat_map(|([s, _, t, s2, _], _)| [*s, *t, *s2]);
        let states = states.chain(reward_slopes.iter().flat_map(|([s, _, s2, _], _)| [*s, *s2]));
        let actions = transition_slopes.iter().flat_map(|([_, a, _, _, a2], _)| [*a, *a2]);
        let actions = actions.chain(reward_slopes.iter().flat_map(|([_, a, _, a2], _)| [*a, *a2]));
        for (what, largest, expected) in [
            ("a state of a slope", states.max(), n_states),
            ("an action of a slope", actions.max(), n_actions),
        ] {
            if let Some(seen) = largest.filter(|&largest| largest >= expected) {
                return Err(ModelError::Shape { what, seen, expected });
            }
        }
        transition_slopes.sort_by_key(|(index, _)| *index);
        Ok(Self { n_actions, base, rewards, transition_slopes, reward_slopes })
    }

    /// Constant parts and slopes, `P` dense: `(P, r, slopes of P, slopes of r)`.
    pub fn into_parts(self) -> AffineParts<T> {
        let width = self.base.width();
        let entries = (0..self.base.len() * width).map(|k| self.base.entry(k / width, k % width)).collect();
        (entries, self.rewards, self.transition_slopes, self.reward_slopes)
    }

    /// The rows that a policy induces: the base plus the slopes, which are
    /// sorted by row.
    fn rows(&self, policy: &Policy<T>) -> Result<Rows<T>, ShapeError> {
        let mut slopes = self.transition_slopes.iter().peekable();
        let rows = (0..self.base.len()).map(|i| {
            let mut row: Vec<(usize, T)> = self.base.row(i).map(|(t, p)| (t, p.clone())).collect();
            while let Some(([_, _, t, s2, a2], m)) =
                slopes.next_if(|([s, a, ..], _)| s * self.n_actions + a == i)
            {
                row.push((*t, policy.probability(*s2, *a2).clone() * m));
            }
            row
        });
        Rows::sparse(self.base.width(), rows)
    }
}

impl<T: Field> Response<T> for Affine<T> {
    fn n_states(&self) -> usize {
        self.base.width()
    }

    fn n_actions(&self) -> usize {
        self.n_actions
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let kernel = Kernel::new(self.n_states(), self.n_actions, self.rows(policy)?)?;
        let mut rewards = self.rewards.clone();
        for ([s, a, s2, a2], n) in &self.reward_slopes {
            rewards[s * self.n_actions + a] += policy.probability(*s2, *a2).clone() * n;
        }
        Ok(Induced { kernel, rewards, kinks: Vec::new(), pullback: Box::new(AffinePullback(self)) })
    }

    fn responds(&self, state: usize) -> Responds {
        Responds {
            transitions: self.transition_slopes.iter().any(|([s, ..], m)| *s == state && !m.is_zero()),
            rewards: self.reward_slopes.iter().any(|([s, ..], n)| *s == state && !n.is_zero()),
        }
    }
}

struct AffinePullback<'a, T>(&'a Affine<T>);

impl<T: Field> Pullback<T> for AffinePullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let n_actions = self.0.n_actions;
        let mut transition = vec![T::zero(); self.0.base.len()];
        for ([s, a, t, s2, a2], m) in &self.0.transition_slopes {
            transition[s2 * n_actions + a2] += (cotangent.transition)(*s, *a, *t) * m;
        }
        let mut reward = vec![T::zero(); self.0.base.len()];
        for ([s, a, s2, a2], n) in &self.0.reward_slopes {
            reward[s2 * n_actions + a2] += (cotangent.reward)(*s, *a) * n;
        }
        PulledBack {
            transition: PolicyCotangent::Probabilities(transition),
            reward: PolicyCotangent::Probabilities(reward),
        }
    }
}
