//! Exponential families in the four operations.

use super::{ClippedReward, TiltPullback, check_family, no_local_parameters, responds};
use crate::arithmetic::Field;
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::policy::{Parametrisation, Policy, Weights};
use crate::response::{Induced, Responds, Response, ResponseError, check_shape};

/// The same family on weights `w = exp theta`, with integer `psi`, base weights
/// and no reward slope: `P(t|s,a)` proportional to `h[s,a,t] w[s,a]^psi[t]`,
/// rational where `h` and `w` are.
#[derive(Debug, Clone)]
pub struct RationalFamily<T> {
    shape: (usize, usize),
    exponents: Vec<i64>,
    psi: Vec<T>,
    base: Vec<T>,
    /// `r[s,a]`, clipped.
    rewards: Vec<T>,
}

impl<T: Field> RationalFamily<T> {
    /// A family with the statistic `psi[t]` and base weights `h[s,a,t] >= 0`.
    ///
    /// # Errors
    /// [`ModelError`] for shapes that do not fit.
    pub fn new(n_actions: usize, psi: Vec<i64>, base: Vec<T>, rewards: Vec<T>) -> Result<Self, ModelError> {
        Self::clipped(n_actions, psi, base, rewards, None)
    }

    /// The same with rewards that are clipped to `[-clip, clip]`.
    ///
    /// # Errors
    /// As [`RationalFamily::new`].
    pub fn clipped(
        n_actions: usize,
        psi: Vec<i64>,
        base: Vec<T>,
        rewards: Vec<T>,
        clip: Option<T>,
    ) -> Result<Self, ModelError> {
        let shape = (psi.len(), n_actions);
        check_family(shape, base.len(), rewards.len())?;
        // Without a slope the rewards are the same whatever the parameters are.
        let reward = ClippedReward { base: rewards, slope: T::zero(), clip };
        let (rewards, ..) = reward.at(&vec![T::zero(); shape.0 * shape.1], n_actions);
        // Only differences of psi matter: small exponents keep the numbers small.
        let least = psi.iter().copied().min().unwrap_or(0);
        let exponents = psi.iter().map(|p| p - least).collect();
        let psi = psi.into_iter().map(T::from_integer).collect();
        Ok(Self { shape, exponents, psi, base, rewards })
    }
}

impl<T: Field> Response<T> for RationalFamily<T> {
    fn n_states(&self) -> usize {
        self.shape.0
    }

    fn n_actions(&self) -> usize {
        self.shape.1
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let Parametrisation::Weights(Weights { values }) = policy.parametrisation() else {
            return Err(no_local_parameters(policy, self.shape));
        };
        let n = self.shape.0;
        let rows = values.iter().enumerate().map(|(i, w)| {
            let support = (0..n).filter(|t| !self.base[i * n + t].is_zero());
            let weights: Vec<(usize, T)> =
                support.map(|t| (t, w.power(self.exponents[t]) * &self.base[i * n + t])).collect();
            let total = weights.iter().fold(T::zero(), |sum, (_, w)| sum + w);
            weights.into_iter().map(|(t, w)| (t, w / &total)).collect::<Vec<_>>()
        });
        let kernel = Kernel::new(n, self.shape.1, Rows::sparse(n, rows)?)?;
        let slopes = vec![T::zero(); self.rewards.len()];
        let pullback = TiltPullback::new(kernel.clone(), &self.psi, slopes);
        Ok(Induced { kernel, rewards: self.rewards.clone(), kinks: Vec::new(), pullback: Box::new(pullback) })
    }

    fn responds(&self, state: usize) -> Responds {
        let n = self.shape.0;
        let support = |i: usize| (0..n).filter(|t| !self.base[i * n + t].is_zero()).collect::<Vec<_>>();
        let rows = state * self.shape.1..(state + 1) * self.shape.1;
        responds(rows, support, &self.psi, &T::zero())
    }
}
