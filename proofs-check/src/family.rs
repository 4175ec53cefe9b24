//! Instances: exponential families in fractions, with logistic rewards.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Dual, Field, Rational, Transcendental, ratio};
use pemdp::environments::RationalFamily;
use pemdp::performative::{PerformanceError, PerformativeMdp};
use pemdp::policy::{Parametrisation, Policy, Weights};
use pemdp::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::case::{Case, random_fraction, short_fraction};

/// A performative MDP with a deployed policy, in fractions: with
/// `w = exp theta`,
///
/// ```text
/// pi(a|s) = w[s,a] / sum_b w[s,b]
/// P(t|s,a) proportional to base[s,a,t] w[s,a]^psi[t]
/// r[s,a] = rewards[s,a] + amplitudes[s,a] w[s,a] / (1 + w[s,a])
/// ```
///
/// Values, gradients and Hessians with respect to `theta` are fractions.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Number of actions A.
    pub n_actions: usize,
    /// The discount factor.
    pub gamma: Rational,
    /// `rho[s]`.
    pub initial: Vec<Rational>,
    /// `w[s,a]` at `s A + a`, positive.
    pub weights: Vec<Rational>,
    /// `psi[t]`.
    pub psi: Vec<i64>,
    /// `base[s,a,t]` at `(s A + a) S + t`.
    pub base: Vec<Rational>,
    /// `rewards[s,a]`.
    pub rewards: Vec<Rational>,
    /// `amplitudes[s,a]`: 0 where the reward does not respond.
    pub amplitudes: Vec<Rational>,
    /// The entropy weight `lambda >= 0`.
    pub entropy: Rational,
}

/// Elements of another arithmetic from fractions.
fn elements<T: Field>(fractions: &[Rational]) -> Vec<T> {
    fractions.iter().map(T::from_rational).collect()
}

impl Family {
    /// A family whose rewards do not respond, without entropy.
    pub fn new(
        gamma: Rational,
        initial: Vec<Rational>,
        weights: Vec<Rational>,
        psi: Vec<i64>,
        base: Vec<Rational>,
        rewards: Vec<Rational>,
    ) -> Self {
        let n_actions = weights.len() / psi.len();
        let amplitudes = vec![Rational::zero(); weights.len()];
        let entropy = Rational::zero();
        Self { n_actions, gamma, initial, weights, psi, base, rewards, amplitudes, entropy }
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.psi.len()
    }

    /// Number of parameters, S A.
    pub fn n_parameters(&self) -> usize {
        self.weights.len()
    }

    /// The environment in an arithmetic.
    #[allow(clippy::expect_used)] // the shapes fit by construction
    pub fn problem<T: Field>(&self) -> PerformativeMdp<T> {
        let (base, rewards) = (elements(&self.base), elements(&self.rewards));
        let tilted = RationalFamily::new(self.n_actions, self.psi.clone(), base, rewards)
            .expect("the shapes of a family fit");
        PerformativeMdp {
            response: Box::new(Logistic { tilted, amplitudes: elements(&self.amplitudes) }),
            initial: elements(&self.initial),
            gamma: T::from_rational(&self.gamma),
            entropy: T::from_rational(&self.entropy),
            criterion: Default::default(),
        }
    }

    /// The deployed policy in an arithmetic; without logarithms.
    #[allow(clippy::expect_used)] // weights are positive by construction
    pub fn policy<T: Field>(&self) -> Policy<T> {
        let weights = elements(&self.weights);
        Policy::weights(self.n_states(), self.n_actions, weights).expect("weights are positive")
    }

    /// The policy with derivatives in a direction of `theta`: `dw = w dtheta`.
    #[allow(clippy::expect_used)] // weights are positive by construction
    pub fn policy_along<T: Field>(&self, direction: &[T]) -> Policy<Dual<T>> {
        let weight = |(w, u): (&Rational, &T)| {
            let w = T::from_rational(w);
            Dual::new(w.clone(), w * u)
        };
        let weights = self.weights.iter().zip(direction).map(weight).collect();
        Policy::weights(self.n_states(), self.n_actions, weights).expect("weights are positive")
    }

    /// `J` and its gradient, without entropy.
    ///
    /// # Errors
    /// [`PerformanceError`] where the arithmetic cannot solve for the values.
    pub fn value_and_gradient<T: Field>(&self) -> Result<(T, Vec<T>), PerformanceError> {
        let (problem, policy) = (self.problem::<T>(), self.policy::<T>());
        let performance = problem.perform(&policy)?;
        Ok((performance.evaluation.value.clone(), known(performance.gradient.total())))
    }

    /// `H u`, the Hessian of `J` times a direction of `theta`, without entropy:
    /// the derivative of the gradient along `u`, by dual numbers.
    ///
    /// # Errors
    /// [`PerformanceError`] where the arithmetic cannot solve for the values.
    pub fn hessian_product<T: Field>(&self, direction: &[T]) -> Result<Vec<T>, PerformanceError> {
        let (problem, policy) = (self.problem::<Dual<T>>(), self.policy_along(direction));
        let performance = problem.perform(&policy)?;
        Ok(known(performance.gradient.total()).into_iter().map(|g| g.derivative).collect())
    }

    /// The same with entropy, which needs logarithms.
    ///
    /// # Errors
    /// [`PerformanceError`] where the arithmetic cannot solve for the values.
    pub fn regularised_hessian_product<T: Transcendental>(
        &self,
        direction: &[T],
    ) -> Result<Vec<T>, PerformanceError> {
        let (problem, policy) = (self.problem::<Dual<T>>(), self.policy_along(direction).with_logarithms());
        let performance = problem.perform(&policy)?;
        Ok(known(performance.gradient.total()).into_iter().map(|g| g.derivative).collect())
    }

    /// The Hessian of `J` with respect to `theta`, row by row, from products
    /// with the unit directions.
    ///
    /// # Errors
    /// Those of the product.
    pub fn hessian<T: Field>(
        &self,
        product: impl Fn(&Self, &[T]) -> Result<Vec<T>, PerformanceError>,
    ) -> Result<Vec<T>, PerformanceError> {
        let n = self.n_parameters();
        let mut rows = Vec::with_capacity(n * n);
        for k in 0..n {
            let direction: Vec<T> = (0..n).map(|i| if i == k { T::one() } else { T::zero() }).collect();
            rows.extend(product(self, &direction)?);
        }
        Ok(rows)
    }

    /// `Rbar`: half the range that the rewards can have for any `theta`.
    pub fn reward_half_range(&self) -> Rational {
        let zero = Rational::zero();
        let pairs = || self.rewards.iter().zip(&self.amplitudes);
        let high = pairs().map(|(r, c)| r + c.max(&zero)).max().unwrap_or_else(Rational::zero);
        let low = pairs().map(|(r, c)| r + c.min(&zero)).min().unwrap_or_else(Rational::zero);
        (high - low) / Rational::from_integer(2.into())
    }

    /// `L_r = max |dr/dtheta|` over all `theta`: a logistic function has slope
    /// at most 1/4.
    pub fn reward_slope(&self) -> Rational {
        self.largest_amplitude() * ratio(1, 4)
    }

    /// `C2_r >= max |d2r/dtheta2|` over all `theta`: `1/(6 sqrt 3)` for a
    /// logistic function, rounded up.
    pub fn reward_curvature(&self) -> Rational {
        self.largest_amplitude() * ratio(962_251, 10_000_000)
    }

    fn largest_amplitude(&self) -> Rational {
        self.amplitudes.iter().map(Signed::abs).max().unwrap_or_else(Rational::zero)
    }

    /// `B = max psi - min psi`.
    pub fn psi_range(&self) -> i64 {
        let (max, min) = (self.psi.iter().max(), self.psi.iter().min());
        max.zip(min).map_or(0, |(max, min)| max - min)
    }

    /// `1/(1-gamma)`.
    pub fn horizon(&self) -> Rational {
        (Rational::one() - &self.gamma).recip()
    }

    /// Without performative effect: constant `psi`, no amplitudes.
    #[must_use]
    pub fn without_response(mut self) -> Self {
        self.psi.fill(0);
        self.amplitudes.fill(Rational::zero());
        self
    }
}

/// The entries of a gradient that has them all: without entropy, or with
/// weights, whose probabilities are positive.
fn known<T: Field>(gradient: Vec<Option<T>>) -> Vec<T> {
    gradient.into_iter().map(|g| g.unwrap_or_else(T::zero)).collect()
}

/// The exponential family with the logistic part of the rewards added.
struct Logistic<T> {
    tilted: RationalFamily<T>,
    amplitudes: Vec<T>,
}

/// Pulls transition cotangents back as the tilted family does, and reward
/// cotangents along `dr/dtheta`.
struct LogisticPullback<'a, T> {
    tilted: Box<dyn Pullback<T> + 'a>,
    slopes: Vec<T>,
}

impl<T: Field> Response<T> for Logistic<T> {
    fn n_states(&self) -> usize {
        self.tilted.n_states()
    }

    fn n_actions(&self) -> usize {
        self.tilted.n_actions()
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        let mut induced = self.tilted.induce(policy)?;
        let Parametrisation::Weights(Weights { values }) = policy.parametrisation() else {
            return Ok(induced); // refused by the family before
        };
        let mut slopes = Vec::with_capacity(values.len());
        for ((w, amplitude), reward) in values.iter().zip(&self.amplitudes).zip(&mut induced.rewards) {
            let total = T::one() + w;
            let part = amplitude.clone() * w / &total;
            slopes.push(part.clone() / &total);
            *reward += part;
        }
        induced.pullback = Box::new(LogisticPullback { tilted: induced.pullback, slopes });
        Ok(induced)
    }

    fn responds(&self, state: usize) -> Responds {
        let row = state * self.n_actions()..(state + 1) * self.n_actions();
        let rewards = self.amplitudes[row].iter().any(|c| !c.is_zero());
        Responds { rewards, ..self.tilted.responds(state) }
    }
}

impl<T: Field> Pullback<T> for LogisticPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let reward = |(weight, slope): (&T, &T)| weight.clone() * slope;
        PulledBack {
            transition: self.tilted.pull(cotangent).transition,
            reward: PolicyCotangent::Parameters(
                cotangent.reward.iter().zip(&self.slopes).map(reward).collect(),
            ),
        }
    }
}

fn integers(entries: &[i64]) -> Vec<Rational> {
    entries.iter().map(|&n| ratio(n, 1)).collect()
}

/// `rho` with all mass on the first of `n` states.
pub fn first_state(n: usize) -> Vec<Rational> {
    (0..n).map(|s| if s == 0 { Rational::one() } else { Rational::zero() }).collect()
}

/// The corners: one state, one action, gamma 0 and near 1, deterministic,
/// absorbing, periodic, disconnected, duplicated states, near-deterministic
/// policies, huge logits, no rewards, a statistic that is constant.
pub fn corners() -> Vec<Family> {
    let two = |gamma: Rational, weights: &[i64], psi: &[i64], base: &[i64], rewards: &[i64]| {
        Family::new(
            gamma,
            vec![ratio(1, 3), ratio(2, 3)],
            integers(weights),
            psi.to_vec(),
            integers(base),
            integers(rewards),
        )
    };
    let mixed = [1, 2, 3, 1, 1, 1, 2, 5];
    let responding = two(ratio(1, 2), &[1, 2, 3, 1], &[0, 1], &mixed, &[1, -1, 0, 2]);
    let mut logistic = responding.clone();
    logistic.amplitudes = integers(&[1, -2, 3, 0]);
    let three = Family::new(
        ratio(4, 5),
        first_state(3),
        integers(&[1, 2, 1, 1, 3, 1]),
        vec![-1, 0, 1],
        integers(&[1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 2, 0, 1, 0, 1, 0]),
        integers(&[0, 1, 2, 0, -1, 1]),
    );
    // Two copies of one state beside a third.
    let duplicated = Family::new(
        ratio(2, 3),
        vec![ratio(1, 2), ratio(1, 2), ratio(0, 1)],
        integers(&[1, 2, 1, 2, 1, 1]),
        vec![1, 1, 0],
        integers(&[1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2, 1, 1, 0, 1, 0, 1, 1]),
        integers(&[1, 0, 1, 0, 0, 2]),
    );
    vec![
        Family::new(ratio(9, 10), first_state(1), integers(&[1]), vec![0], integers(&[1]), integers(&[1])),
        Family::new(
            ratio(9, 10),
            first_state(1),
            integers(&[1, 99]),
            vec![0],
            integers(&[1, 1]),
            integers(&[1, 0]),
        ),
        // T2a: one action.
        Family::new(
            ratio(1, 2),
            first_state(2),
            integers(&[1, 1]),
            vec![0, 1],
            integers(&[1; 4]),
            integers(&[0, 1]),
        ),
        two(ratio(0, 1), &[1, 2, 3, 1], &[0, 1], &mixed, &[1, -1, 0, 2]),
        responding.clone(),
        logistic,
        two(ratio(999, 1000), &[1, 2, 3, 1], &[0, 1], &mixed, &[1, -1, 0, 2]),
        // Deterministic and periodic; absorbing; disconnected.
        two(ratio(9, 10), &[1, 1, 1, 1], &[0, 1], &[0, 1, 0, 1, 1, 0, 1, 0], &[1, 0, 0, 1]),
        two(ratio(9, 10), &[1, 2, 1, 1], &[0, 1], &[1, 1, 0, 1, 0, 1, 0, 1], &[0, 0, 1, 1]),
        two(ratio(9, 10), &[1, 2, 2, 1], &[0, 1], &[1, 0, 1, 0, 0, 1, 0, 1], &[1, 0, 0, 1]),
        duplicated,
        // Near-deterministic policies and huge logits.
        two(ratio(1, 2), &[1, 1_000_000, 1_000_000, 1], &[0, 1], &mixed, &[1, -1, 0, 2]),
        Family {
            weights: vec![ratio(1, 1 << 40), ratio(1 << 40, 1), ratio(1, 1), ratio(1, 1)],
            ..responding.clone()
        },
        Family { rewards: integers(&[0; 4]), ..responding.clone() },
        responding.without_response(),
        three,
    ]
}

impl Case for Family {
    fn corners() -> Vec<Self> {
        corners()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let n_states = rng.random_range(1..=1 + size);
        let n_actions = rng.random_range(1..=3.min(1 + size));
        let rows = n_states * n_actions;
        let gamma = match rng.random_range(0..8) {
            0 => ratio(0, 1),
            1 => ratio(99, 100),
            _ => ratio(rng.random_range(1..20), 20),
        };
        let initial = match rng.random_range(0..2) {
            0 => first_state(n_states),
            _ => {
                let parts: Vec<i64> = (0..n_states).map(|_| rng.random_range(1..6)).collect();
                let total = parts.iter().sum();
                parts.iter().map(|&part| ratio(part, total)).collect()
            }
        };
        let extreme = rng.random_bool(0.2);
        let weight = |rng: &mut ChaCha8Rng| match extreme {
            true => ratio(rng.random_range(1..2000), rng.random_range(1..2000)),
            false => ratio(rng.random_range(1..9), rng.random_range(1..9)),
        };
        let mut base = Vec::with_capacity(rows * n_states);
        for _ in 0..rows {
            let certain = rng.random_range(0..n_states);
            let sparse = rng.random_bool(0.5);
            base.extend((0..n_states).map(|t| match t == certain || !sparse {
                true => ratio(rng.random_range(1..7), 1),
                false => ratio(rng.random_range(0..2), 1),
            }));
        }
        let mut family = Self::new(
            gamma,
            initial,
            (0..rows).map(|_| weight(rng)).collect(),
            (0..n_states).map(|_| rng.random_range(-2..=2)).collect(),
            base,
            (0..rows).map(|_| random_fraction(rng, 3, 4)).collect(),
        );
        if rng.random_bool(0.3) {
            family.amplitudes = (0..rows).map(|_| random_fraction(rng, 2, 2)).collect();
        }
        family
    }

    fn coordinates(&self) -> Vec<f64> {
        let logarithm = |w: &Rational| w.approximate().ln();
        let positive = self.base.iter().filter(|b| b.is_positive());
        let logs = self.weights.iter().chain(positive).map(logarithm);
        let linear = self.rewards.iter().chain(self.amplitudes.iter().filter(|c| !c.is_zero()));
        logs.chain(linear.map(Field::approximate)).collect()
    }

    fn moved(&self, x: &[f64]) -> Self {
        let mut family = self.clone();
        let mut x = x.iter();
        let mut next = || x.next().copied().unwrap_or(0.0);
        let positive = family.base.iter_mut().filter(|b| b.is_positive());
        for weight in family.weights.iter_mut().chain(positive) {
            *weight = short_fraction(next().clamp(-12.0, 12.0).exp());
        }
        let amplitudes = family.amplitudes.iter_mut().filter(|c| !c.is_zero());
        for entry in family.rewards.iter_mut().chain(amplitudes) {
            *entry = short_fraction(next().clamp(-4.0, 4.0));
        }
        family
    }

    fn simpler(&self) -> Vec<Self> {
        let mut result = Vec::new();
        let mut offer = |change: &dyn Fn(&mut Self)| {
            let mut family = self.clone();
            change(&mut family);
            if family != *self {
                result.push(family);
            }
        };
        offer(&|f| f.amplitudes.fill(Rational::zero()));
        offer(&|f| f.psi.fill(0));
        offer(&|f| f.initial = first_state(f.psi.len()));
        offer(&|f| f.gamma = ratio(1, 2));
        offer(&|f| f.weights.fill(Rational::one()));
        for i in 0..self.rewards.len() {
            offer(&|f| f.rewards[i] = Rational::zero());
            offer(&|f| f.rewards[i] = f.rewards[i].round());
            offer(&|f| f.weights[i] = Rational::one());
            offer(&|f| f.weights[i] = f.weights[i].round().max(Rational::one()));
            offer(&|f| f.amplitudes[i] = Rational::zero());
        }
        for i in 0..self.base.len() {
            offer(&|f| f.base[i] = if f.base[i].is_zero() { Rational::zero() } else { Rational::one() });
        }
        result
    }

    fn to_json(&self) -> Value {
        let strings = |row: &[Rational]| row.iter().map(ToString::to_string).collect::<Vec<_>>();
        let table = |entries: &[Rational]| entries.chunks(self.n_actions).map(strings).collect::<Vec<_>>();
        let n_states = self.n_states();
        let base: Vec<Vec<Vec<String>>> = self
            .base
            .chunks(self.n_actions * n_states)
            .map(|state| state.chunks(n_states).map(strings).collect())
            .collect();
        let mut problem = json!({
            "format": "pemdp-problem/1",
            "gamma": self.gamma.to_string(),
            "initial": strings(&self.initial),
            "entropy": self.entropy.to_string(),
            "policy": {"kind": "weights", "values": table(&self.weights)},
            "environment": {
                "kind": "exponential-family",
                "psi": self.psi,
                "base_weights": base,
                "reward": {"base": table(&self.rewards), "slope": 0, "clip": null},
            },
        });
        // Not a part of the problem format: rewards that respond logistically.
        if self.amplitudes.iter().any(|c| !c.is_zero()) {
            problem["environment"]["reward"]["logistic"] = json!(table(&self.amplitudes));
        }
        problem
    }
}

#[cfg(test)]
mod landscapes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Effort;

    #[test]
    fn hessians_are_symmetric() {
        let effort = Effort { seed: 1, instances: 30 };
        let random = (0..30).map(|i| Family::random(&mut effort.random("family", i), 2));
        for family in corners().into_iter().chain(random) {
            let n = family.n_parameters();
            let hessian = family.hessian::<Rational>(Family::hessian_product).unwrap();
            for i in 0..n {
                for j in 0..i {
                    assert_eq!(hessian[i * n + j], hessian[j * n + i]);
                }
            }
        }
    }

    #[test]
    fn moving_to_its_own_coordinates_changes_little() {
        for family in corners() {
            let moved = family.moved(&family.coordinates());
            let value = |family: &Family| family.value_and_gradient::<f64>().unwrap().0;
            assert!((value(&moved) - value(&family)).abs() <= 0.02 * (1.0 + value(&family).abs()));
        }
    }
}
