//! The strategic coin of performative prediction.

use crate::arithmetic::Field;
use crate::linear::Rows;
use crate::mdp::Kernel;
use crate::policy::Policy;
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// One state, two actions: `theta = (pi(0) - pi(1))/2`, reward `-PR(theta)` for
/// both actions with the performative risk
/// `PR(theta) = 1/4 - 2 mu theta + (1 - 2 epsilon) theta^2`
/// of predicting `theta X + 1/2` for `X = +-1` and
/// `Y ~ Bernoulli(1/2 + (mu + epsilon theta) X)` (after Perdomo et al., 2020).
#[derive(Debug, Clone)]
pub struct Coin<T> {
    /// Strength of the feature.
    pub mu: T,
    /// Strength of the performative effect.
    pub epsilon: T,
}

impl<T: Field> Coin<T> {
    fn theta(policy: &Policy<T>) -> T {
        (policy.probability(0, 0).clone() - policy.probability(0, 1)) / T::from_integer(2)
    }

    fn curvature(&self) -> T {
        T::one() - self.epsilon.clone() - &self.epsilon
    }
}

impl<T: Field> Response<T> for Coin<T> {
    fn n_states(&self) -> usize {
        1
    }

    fn n_actions(&self) -> usize {
        2
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let theta = Self::theta(policy);
        let linear = (self.mu.clone() + &self.mu) * &theta;
        let reward = linear - T::from_ratio(1, 4) - self.curvature() * &theta * &theta;
        let kernel = Kernel::new(1, 2, Rows::dense(1, vec![T::one(); 2])?)?;
        let slope = self.mu.clone() - self.curvature() * &theta;
        Ok(Induced {
            kernel,
            rewards: vec![reward.clone(), reward],
            kinks: Vec::new(),
            pullback: Box::new(CoinPullback { slope }),
        })
    }

    fn responds(&self, _state: usize) -> Responds {
        Responds { transitions: false, rewards: true }
    }

    fn retrainable(&self) -> Result<(), &'static str> {
        Err(
            "the loss is not linear in pi: both actions always have the same reward, so that every policy is \
             a best response",
        )
    }
}

/// `dr / dpi(0) = mu - (1 - 2 epsilon) theta = -dr / dpi(1)`, for both actions.
struct CoinPullback<T> {
    slope: T,
}

impl<T: Field> Pullback<T> for CoinPullback<T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let up = ((cotangent.reward)(0, 0) + (cotangent.reward)(0, 1)) * &self.slope;
        PulledBack {
            transition: PolicyCotangent::None,
            reward: PolicyCotangent::Probabilities(vec![up.clone(), -up]),
        }
    }
}
