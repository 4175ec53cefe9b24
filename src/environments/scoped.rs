//! A response without the rows of terminal states and of actions that a state does not have.

use crate::arithmetic::Field;
use crate::policy::Policy;
use crate::response::{
    Cotangent, Induced, Kink, Pullback, PulledBack, Responds, Response, ResponseError, TransitionCotangent,
};

/// A response some of whose rows of `P` are 0, whatever it says of them.
pub(crate) struct Scoped<T> {
    inner: Box<dyn Response<T>>,
    /// Which rows are 0, at `s A + a`.
    unused: Vec<bool>,
}

impl<T: Field> Scoped<T> {
    /// The response without unused rows, `[s,a]`; the same where the mask is empty.
    pub fn around(inner: Box<dyn Response<T>>, unused: Vec<bool>) -> Box<dyn Response<T>> {
        if unused.is_empty() { inner } else { Box::new(Self { inner, unused }) }
    }
}

impl<T: Field> Response<T> for Scoped<T> {
    fn n_states(&self) -> usize {
        self.inner.n_states()
    }

    fn n_actions(&self) -> usize {
        self.inner.n_actions()
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        let Induced { kernel, rewards, mut kinks, pullback } = self.inner.induce(policy)?;
        // What is never taken does not matter.
        kinks.retain(|kink| match kink {
            Kink::Clip { state, action } => policy.is_available(*state, *action),
            _ => true,
        });
        let pullback = Box::new(ScopedPullback { inner: pullback, unused: &self.unused });
        Ok(Induced { kernel: kernel.without(&self.unused), rewards, kinks, pullback })
    }

    fn responds(&self, state: usize) -> Responds {
        let n_actions = self.n_actions();
        let is_terminal = self.unused[state * n_actions..][..n_actions].iter().all(|unused| *unused);
        let Responds { transitions, rewards } = self.inner.responds(state);
        Responds { transitions: transitions && !is_terminal, rewards }
    }

    fn discount(&self) -> Option<&T> {
        self.inner.discount()
    }

    fn retrainable(&self) -> Result<(), &'static str> {
        self.inner.retrainable()
    }

    fn smoothed(&self, temperature: &T) -> Option<Box<dyn Response<T>>> {
        Some(Self::around(self.inner.smoothed(temperature)?, self.unused.clone()))
    }
}

/// Entries of pairs, 0 for unused ones.
fn used<T: Field>(entries: &[T], unused: &[bool]) -> Vec<T> {
    let entry = |(x, unused): (&T, &bool)| if *unused { T::zero() } else { x.clone() };
    entries.iter().zip(unused).map(entry).collect()
}

struct ScopedPullback<'a, T> {
    inner: Box<dyn Pullback<T> + 'a>,
    unused: &'a [bool],
}

impl<T: Field> ScopedPullback<'_, T> {
    /// Pulls back what is left of a cotangent: unused rows do not move.
    fn pull_with<R>(&self, cotangent: &Cotangent<'_, T>, pull: impl FnOnce(&Cotangent<'_, T>) -> R) -> R {
        let reward = cotangent.reward;
        match cotangent.transition {
            TransitionCotangent::Product { visits, values } => {
                let visits = &used(visits, self.unused);
                pull(&Cotangent { transition: TransitionCotangent::Product { visits, values }, reward })
            }
            TransitionCotangent::ByAction { visits, values, n_states } => {
                let visits = &used(visits, self.unused);
                pull(&Cotangent {
                    transition: TransitionCotangent::ByAction { visits, values, n_states },
                    reward,
                })
            }
            TransitionCotangent::Stored(rows) => {
                let rows = &rows.clone().without(|i| self.unused[i]);
                pull(&Cotangent { transition: TransitionCotangent::Stored(rows), reward })
            }
        }
    }
}

impl<T: Field> Pullback<T> for ScopedPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        self.pull_with(cotangent, |cotangent| self.inner.pull(cotangent))
    }

    fn pull_with_frozen_values(&self, cotangent: &Cotangent<'_, T>) -> Option<PulledBack<T>> {
        self.pull_with(cotangent, |cotangent| self.inner.pull_with_frozen_values(cotangent))
    }
}
