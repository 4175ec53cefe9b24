//! Rewards `r(s,a,t)` of the next state: what counts is their mean, which responds with `P`.

use crate::arithmetic::Field;
use crate::linear::Rows;
use crate::policy::Policy;
#[cfg(feature = "json")]
use crate::problem::checker::Checked;
#[cfg(feature = "json")]
use crate::problem::exact_sum;
#[cfg(feature = "json")]
use crate::problem::json::Node;
#[cfg(feature = "json")]
use crate::problem::numeral::Numeral;
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::response::{
    Cotangent, Induced, Pullback, PulledBack, Responds, Response, ResponseError, TransitionCotangent,
};

/// Rewards as a file has them.
#[cfg(feature = "json")]
pub(super) enum Rewards {
    /// `r(s,a)`, `[s,a]`.
    OfPairs(Vec<Numeral>),
    /// `r(s,a,t)`, `[s,a,t]`.
    OfNextStates(Vec<Numeral>),
}

#[cfg(feature = "json")]
impl Rewards {
    /// Reads one or the other, by the depth of the arrays.
    pub fn read(node: &Node<'_>, reader: &Reader) -> Checked<Self> {
        let mut is_deep = false;
        for row in node.array()?.filter(Node::is_array) {
            // What stands for an action that a state does not have says nothing.
            if let Some(entry) = row.array()?.find(|entry| !entry.is_null()) {
                is_deep = entry.is_array();
                break;
            }
        }
        Ok(if is_deep {
            Self::OfNextStates(reader.kernel(node)?)
        } else {
            Self::OfPairs(reader.table(node)?)
        })
    }

    /// `r(s,a) = sum_t P(t|s,a) r(s,a,t)`, exactly, with the rows of fixed transitions, by
    /// pair `s A + a`.
    pub fn means<'a>(self, rows: impl FnOnce() -> Vec<Vec<(usize, &'a Numeral)>>) -> Vec<Numeral> {
        match self {
            Self::OfPairs(rewards) => rewards,
            Self::OfNextStates(rewards) => {
                let rows = rows();
                let next = rewards.chunks((rewards.len() / rows.len().max(1)).max(1));
                rows.iter().zip(next).map(|(row, r)| mean(row.iter().map(|(t, p)| (*p, &r[*t])))).collect()
            }
        }
    }
}

/// `sum p r`, exactly.
#[cfg(feature = "json")]
pub(super) fn mean<'a>(products: impl Iterator<Item = (&'a Numeral, &'a Numeral)>) -> Numeral {
    let terms = products.filter(|(p, r)| !p.is_zero() && !r.is_zero()).map(|(p, r)| p.exact() * r.exact());
    exact_sum(terms.collect()).reduced().into()
}

/// A response with rewards of the next state added to its own.
pub(super) struct WithNextRewards<T> {
    inner: Box<dyn Response<T>>,
    /// `[s,a,t]`.
    rewards: Vec<T>,
}

impl<T: Field> WithNextRewards<T> {
    /// `rewards` `[s,a,t]`, one for each entry of a kernel of the response.
    pub fn new(inner: Box<dyn Response<T>>, rewards: Vec<T>) -> Self {
        Self { inner, rewards }
    }
}

impl<T: Field> Response<T> for WithNextRewards<T> {
    fn n_states(&self) -> usize {
        self.inner.n_states()
    }

    fn n_actions(&self) -> usize {
        self.inner.n_actions()
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        let Induced { kernel, mut rewards, kinks, pullback } = self.inner.induce(policy)?;
        let n = self.n_states();
        for (i, (reward, next)) in rewards.iter_mut().zip(self.rewards.chunks(n)).enumerate() {
            *reward += T::sum_of_products(kernel.rows().row(i).map(|(t, p)| (p, &next[t])));
        }
        let pullback = Box::new(NextPullback { inner: pullback, rewards: &self.rewards, n_states: n });
        Ok(Induced { kernel, rewards, kinks, pullback })
    }

    fn responds(&self, state: usize) -> Responds {
        let Responds { transitions, rewards } = self.inner.responds(state);
        let of_state = self.n_actions() * self.n_states();
        let pays = self.rewards[state * of_state..][..of_state].iter().any(|r| !r.is_zero());
        Responds { transitions, rewards: rewards || transitions && pays }
    }

    fn discount(&self) -> Option<&T> {
        self.inner.discount()
    }

    fn retrainable(&self) -> Result<(), &'static str> {
        self.inner.retrainable()
    }
}

struct NextPullback<'a, T> {
    inner: Box<dyn Pullback<T> + 'a>,
    rewards: &'a [T],
    n_states: usize,
}

impl<T: Field> Pullback<T> for NextPullback<'_, T> {
    /// `d r(s,a) = ... + sum_t r(s,a,t) dP(t|s,a)`.
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let of_row = |(bar, next): (&T, &[T])| -> Vec<(usize, T)> {
            next.iter().enumerate().map(|(t, r)| (t, bar.clone() * r)).collect()
        };
        let rows = cotangent.reward.iter().zip(self.rewards.chunks(self.n_states)).map(of_row);
        let PulledBack { transition, reward } = self.inner.pull(cotangent);
        // Columns are below the number of states.
        let Ok(rows) = Rows::sparse(self.n_states, rows) else { return PulledBack { transition, reward } };
        let none = vec![T::zero(); cotangent.reward.len()];
        let through = Cotangent { transition: TransitionCotangent::Stored(&rows), reward: &none };
        PulledBack { transition, reward: reward.plus(self.inner.pull(&through).transition) }
    }
}
