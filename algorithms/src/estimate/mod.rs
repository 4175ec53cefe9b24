//! Sampled estimators of the performative gradient, with their exact bias and
//! variance.
//!
//! An [`Estimate`] is a random number and never stands for an exact one. It is
//! a random linear functional of the scores: a batch of episodes adds up the
//! weights of `d log pi`, `d log P` and `dr` ([`Functional`]), and one pullback
//! of the response turns the sum into a gradient, so that a batch costs one
//! pullback whatever its size.
//!
//! | form | type | expectation |
//! |---|---|---|
//! | score | [`Score`] | the gradient |
//! | return, any baseline | [`Return`] | the gradient |
//! | TD, exact values | [`Td`] | the gradient |
//! | TD, fitted values | [`Td`] | biased |
//! | [PePG, T2] as printed | [`Printed`] | without the transition term |
//! | score one step late | [`OneStepLate`] | without the transition term |
//! | without `gamma^k` | [`Undiscounted`] | other weights |
//! | two-point | [`TwoPoint`] | the gradient of a smoothed value |
//!
//! Scores need probabilities that are 0 only where their derivative is 0 too
//! (H3 of `docs/theory/gradient.md`). Proofs: `docs/theory/estimators.md`.

mod deployed;
mod episode;
mod form;
mod kind;
mod moments;
mod truncation;
mod two_point;

pub use deployed::{Deployed, EstimatedTerms, Functional};
pub use episode::{Horizon, Sampler, Step};
pub use form::{Baseline, Form, OneStepLate, Printed, Return, Score, StepWeights, Td, Undiscounted};
pub use kind::EstimatorKind;
pub use moments::{Enumeration, Moments, enumerate, moments};
pub use truncation::{Truncation, TruncationBound};
pub use two_point::{SampledValue, TwoPoint, normal, sampled_value};

use rand::Rng;
use thiserror::Error;

use form::extend_discounts;
use pemdp::linear::{ShapeError, SolveError};

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// A policy whose parameters are its probabilities.
    #[error(
        "the policy's parameters are its probabilities, expected softmax, log-linear or weights: \
         estimates need sum_a dpi(a|s) = 0"
    )]
    Unconstrained,
    /// Nothing would be sampled.
    #[error("{what} is 0, expected at least 1")]
    Zero {
        /// What is missing.
        what: &'static str,
    },
    /// A form that needs a truncated horizon, on a geometric one.
    #[error(
        "{form} is not defined on a geometric horizon, which is itself the discount; expected a truncated one"
    )]
    Horizon {
        /// Which form.
        form: &'static str,
    },
    /// A form without discount, where there is no recursion for its variance.
    #[error("{form} does not discount: its moments follow no recursion; expected to be enumerated")]
    Undiscounted {
        /// Which form.
        form: &'static str,
    },
    /// Fitted values of another shape.
    #[error("the fitted values have {seen} states, expected {expected}")]
    Values {
        /// States of the values.
        seen: usize,
        /// States of the problem.
        expected: usize,
    },
    /// A radius that is not a positive number.
    #[error("radius is {radius}, expected a number above 0")]
    Radius {
        /// The radius.
        radius: f64,
    },
    /// A linear system had no solution.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A pullback does not fit the policy.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Why the mean of an estimator is not the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// It is the gradient.
    None,
    /// By what lies beyond the horizon: exact and bounded by [`Truncation`].
    Truncation,
    /// By the form itself, for this reason.
    Form(&'static str),
}

/// A sampled gradient, with what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The estimate of `dJ/dtheta`.
    pub gradient: Vec<f64>,
    /// The same by the scores that it came through; none for two-point estimates,
    /// which cannot tell.
    pub terms: Option<EstimatedTerms<f64>>,
    /// Episodes drawn.
    pub episodes: u64,
    /// Environment steps drawn.
    pub steps: u64,
    /// Policies deployed for it, the policy itself not counted.
    pub deployments: u64,
}

/// Values fitted to sampled returns, for a baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedValues {
    /// Shape S.
    pub values: Vec<f64>,
    /// Episodes drawn.
    pub episodes: u64,
    /// Environment steps drawn.
    pub steps: u64,
}

/// A form and a horizon on a deployed policy: draws estimates.
pub struct Estimator<'a> {
    deployed: &'a Deployed<'a, f64>,
    sampler: Sampler,
    weights: StepWeights<f64>,
    horizon: Horizon,
    bias: Bias,
}

impl<'a> Estimator<'a> {
    /// An estimator of the gradient at a deployed policy.
    ///
    /// # Errors
    /// [`EstimateError`] for a horizon of 0 steps, one that the form is not
    /// defined on, or fitted values of another shape.
    ///
    /// ```
    /// use pemdp_algorithms::estimate::{Baseline, Bias, Deployed, Estimator, Horizon, Return};
    /// use pemdp::oracle::examples;
    /// use pemdp::problem::{Problem, Reading};
    /// use rand::SeedableRng;
    /// let json = examples::example("exponential-family").unwrap().to_json();
    /// let problem = Problem::from_json(&json, Reading::Doubles)?;
    /// let (model, policy) = (problem.model::<f64>()?, problem.deployed_policy()?);
    /// let performance = model.perform(&policy)?;
    /// let deployed = Deployed::new(&performance, &policy, &model.entropy)?;
    /// let form = Return { baseline: Baseline::Exact };
    /// let estimator = Estimator::new(&deployed, &form, Horizon::Geometric)?;
    /// assert_eq!(estimator.bias(), Bias::None);
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let estimate = estimator.sample(20_000, &mut rng)?;
    /// let exact = performance.gradient.total()[0].unwrap();
    /// assert!((estimate.gradient[0] - exact).abs() < 0.1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        deployed: &'a Deployed<'a, f64>,
        form: &dyn Form<f64>,
        horizon: Horizon,
    ) -> Result<Self, EstimateError> {
        let weights = checked_weights(deployed, form, horizon)?;
        let bias = match (form.bias(), horizon) {
            (Some(why), _) => Bias::Form(why),
            (None, Horizon::Geometric) => Bias::None,
            (None, Horizon::Truncated(_)) => Bias::Truncation,
        };
        Ok(Self { deployed, sampler: Sampler::new(deployed), weights, horizon, bias })
    }

    /// Whether its mean is the gradient and, where not, why.
    pub fn bias(&self) -> Bias {
        self.bias
    }

    /// The mean over `episodes` episodes.
    ///
    /// # Errors
    /// [`EstimateError::Zero`] for no episodes.
    pub fn sample(&self, episodes: u64, rng: &mut impl Rng) -> Result<Estimate, EstimateError> {
        let mut functional = Functional::zero(self.deployed);
        let gamma = self.deployed.gamma();
        let steps = self.each_episode(episodes, rng, |steps, discounts| {
            self.weights.accumulate(steps, self.horizon, gamma, discounts, &mut functional);
        })?;
        let share = 1.0 / episodes as f64;
        for weights in [&mut functional.policy, &mut functional.transition, &mut functional.reward] {
            weights.iter_mut().for_each(|weight| *weight *= share);
        }
        let terms = self.deployed.pull(&functional)?;
        Ok(Estimate { gradient: terms.total(), terms: Some(terms), episodes, steps, deployments: 0 })
    }

    /// Values fitted to the returns of `episodes` episodes of their own: the mean
    /// return by state over all visits, weighted by their discount; in states not
    /// visited the mean over all. As a baseline for *other* episodes they keep the
    /// return form unbiased.
    ///
    /// # Errors
    /// [`EstimateError::Zero`] for no episodes.
    pub fn fit(&self, episodes: u64, rng: &mut impl Rng) -> Result<FittedValues, EstimateError> {
        let n_states = self.deployed.n_states();
        let (mut returns, mut visits) = (vec![0.0; n_states], vec![0.0; n_states]);
        let relative = self.horizon.discount(self.deployed.gamma());
        let steps = self.each_episode(episodes, rng, |steps, discounts| {
            let mut later = 0.0;
            for (step, discount) in steps.iter().zip(discounts).rev() {
                later = self.deployed.reward(step.pair) + relative * later;
                returns[step.pair / self.deployed.n_actions()] += discount * later;
                visits[step.pair / self.deployed.n_actions()] += discount;
            }
        })?;
        let mean = returns.iter().sum::<f64>() / visits.iter().sum::<f64>();
        let value = |(r, n): (&f64, &f64)| if *n > 0.0 { r / n } else { mean };
        Ok(FittedValues { values: returns.iter().zip(&visits).map(value).collect(), episodes, steps })
    }

    /// Draws episodes and hands each on with its discounts; the number of steps.
    fn each_episode(
        &self,
        episodes: u64,
        rng: &mut impl Rng,
        mut with: impl FnMut(&[Step], &[f64]),
    ) -> Result<u64, EstimateError> {
        if episodes == 0 {
            return Err(EstimateError::Zero { what: "the number of episodes" });
        }
        let relative = self.horizon.discount(self.deployed.gamma());
        let (mut steps, mut discounts) = (Vec::new(), Vec::new());
        let mut total = 0;
        for _ in 0..episodes {
            self.sampler.episode(self.horizon, rng, &mut steps);
            extend_discounts(&mut discounts, steps.len(), &relative);
            with(&steps, &discounts);
            total += steps.len() as u64;
        }
        Ok(total)
    }
}

/// The weights of a form where it is defined on this horizon.
fn checked_weights<T: pemdp::arithmetic::Field>(
    deployed: &Deployed<'_, T>,
    form: &dyn Form<T>,
    horizon: Horizon,
) -> Result<StepWeights<T>, EstimateError> {
    let weights = form.weights(deployed)?;
    match horizon {
        Horizon::Truncated(0) => Err(EstimateError::Zero { what: "the horizon" }),
        Horizon::Geometric if !weights.is_discounted() => Err(EstimateError::Horizon { form: form.name() }),
        _ => Ok(weights),
    }
}
