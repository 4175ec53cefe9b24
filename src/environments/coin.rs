//! The strategic coin of performative prediction.

use num_traits::Signed;

use super::{Given, Specification, Structure};
use crate::arithmetic::{Field, Rational};
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;
use crate::problem::checker::{Checked, Checker, unexpected};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, Reading};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
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
    /// The bias without reaction.
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
        let up = (cotangent.reward[0].clone() + &cotangent.reward[1]) * &self.slope;
        PulledBack {
            transition: PolicyCotangent::None,
            reward: PolicyCotangent::Probabilities(vec![up.clone(), -up]),
        }
    }
}

/// The coin as given.
#[derive(Debug, Clone, PartialEq)]
pub struct CoinSpec {
    /// The bias without reaction.
    pub mu: Numeral,
    /// The strength of the reaction.
    pub epsilon: Numeral,
}

impl Specification for CoinSpec {
    const KIND: &'static str = "coin";
    const KEYS: &'static [Key] = &[
        Key::required(
            "mu",
            Form::Number { least: Some(-0.5), most: Some(0.5) },
            "`mu`, the bias without reaction",
        ),
        Key::required(
            "epsilon",
            Form::Number { least: Some(-1.0), most: Some(1.0) },
            "`epsilon`, how strong the reaction is",
        ),
    ];
    const NOTES: &'static str = "S = 1, A = 2, θ = (π(0)−π(1))/2";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let mu = fields.required("mu")?.numeral(reader.reading)?;
        let epsilon = fields.required("epsilon")?.numeral(reader.reading)?;
        Ok(Self { mu, epsilon })
    }

    fn write(&self, _given: Given<'_>, file: &mut Writer) {
        file.number("mu", &self.mu);
        file.number("epsilon", &self.epsilon);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        checker.shape("the coin", 1, 2)?;
        let (mu, epsilon) = (&self.mu, &self.epsilon);
        checker.number("environment.mu", &[], mu)?;
        checker.number("environment.epsilon", &[], epsilon)?;
        if mu.compare(0.5).is_gt() || mu.compare(-0.5).is_lt() {
            unexpected("environment.mu", &[], mu, "a number from -1/2 to 1/2")?;
        }
        let outside = match checker.reading() {
            Reading::Doubles => mu.approximate().abs() + epsilon.approximate().abs() / 2.0 > 0.5,
            Reading::Exact => {
                let [one, two] = [1, 2].map(|n| Rational::from_integer(n.into()));
                mu.exact().abs() * two + epsilon.exact().abs() > one
            }
        };
        if outside {
            unexpected("environment.epsilon", &[], epsilon, "|mu| + |epsilon|/2 of at most 1/2")?;
        }
        Ok(())
    }

    fn rational_response<T: Field>(
        &self,
        _given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        Ok(Some(Box::new(Coin { mu: self.mu.lift(), epsilon: self.epsilon.lift() })))
    }

    /// With `theta = p - 1/2`.
    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        let [half, quarter] = [2, 4].map(|n| Rational::new(1.into(), n.into()));
        let (mu, curvature) =
            (self.mu.exact(), Rational::from_integer(1.into()) - self.epsilon.exact() / &half);
        let constant = -&mu - &quarter - &curvature * &quarter;
        Structure::Quadratic([constant, &mu / &half + &curvature, -curvature])
    }

    fn responding_twice(&self) -> Option<Self> {
        Some(Self { epsilon: self.epsilon.doubled(), ..self.clone() })
    }

    fn summary(&self, show: &dyn Fn(&Numeral) -> String) -> String {
        format!("mu {}, epsilon {}", show(&self.mu), show(&self.epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ActionSets;

    fn coin(mu: f64, epsilon: f64) -> CoinSpec {
        CoinSpec { mu: mu.into(), epsilon: epsilon.into() }
    }

    /// `-PR` with `theta = p - 1/2`: for `mu = 1/8` and `epsilon = -1/4`,
    /// `-1/4 + (p - 1/2)/4 - 3/2 (p - 1/2)^2 = -3/4 + 7/4 p - 3/2 p^2`.
    #[test]
    fn the_reward_is_quadratic() {
        let gamma = Numeral::ZERO;
        let coin = coin(0.125, -0.25);
        let structure = coin.structure(Given {
            n_states: 1,
            n_actions: 2,
            gamma: &gamma,
            actions: &ActionSets::default(),
            has_local_logits: true,
        });
        let Structure::Quadratic(coefficients) = structure else { panic!("{structure:?}") };
        let expected = [(-3, 4), (7, 4), (-3, 2)].map(|(n, d)| Rational::new(n.into(), d.into()));
        assert_eq!(coefficients, expected);
    }

    #[test]
    fn coins_respond_twice_with_twice_the_effect() {
        assert_eq!(coin(0.125, -0.25).responding_twice(), Some(coin(0.125, -0.5)));
    }

    #[test]
    fn coins_cannot_be_retrained() {
        assert!(Coin { mu: 0.125, epsilon: -0.25 }.retrainable().is_err());
    }
}
