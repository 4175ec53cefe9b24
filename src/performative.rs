//! Performative MDPs: the value of a policy in the environment it induces.

use thiserror::Error;

use crate::arithmetic::Field;
use crate::criterion::Criterion;
use crate::evaluate::{Evaluation, EvaluationError, evaluate};
use crate::gradient::{GradientTerms, performative_gradient};
use crate::linear::{ShapeError, SolveError};
use crate::mdp::{Mdp, ModelError};
use crate::policy::Policy;
use crate::response::{Kink, Pullback, Response, ResponseError};

/// Why a policy could not be evaluated.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PerformanceError {
    /// The environment has no response to the policy.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The induced model is not one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The policy has no value or no gradient in the induced model.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The agents that respond discount otherwise than the values.
    #[error("the environment responds with the discount factor {response}, expected gamma = {gamma}")]
    Discount {
        /// That of the response.
        response: f64,
        /// That of the values.
        gamma: f64,
    },
}

impl From<SolveError> for PerformanceError {
    fn from(error: SolveError) -> Self {
        EvaluationError::from(error).into()
    }
}

impl From<ShapeError> for PerformanceError {
    fn from(error: ShapeError) -> Self {
        EvaluationError::from(error).into()
    }
}

/// An environment that responds to policies, with what does not respond: the
/// initial distribution, the discount factor and the entropy weight `lambda`.
pub struct PerformativeMdp<T> {
    /// `pi -> (P_theta, r_theta)`.
    pub response: Box<dyn Response<T>>,
    /// `rho[s]`.
    pub initial: Vec<T>,
    /// The discount factor, in [0, 1).
    pub gamma: T,
    /// `lambda >= 0`: each step's reward is `r[s,a] - lambda log pi(a|s)`.
    pub entropy: T,
    /// How rewards add up.
    pub criterion: Criterion,
}

/// A policy in force: the environment that it induces.
pub struct Deployment<'a, T> {
    /// The induced MDP.
    pub mdp: Mdp<T>,
    /// Where the response is not differentiable.
    pub kinks: Vec<Kink>,
    /// The derivative of the response.
    pub pullback: Box<dyn Pullback<T> + 'a>,
    policy: &'a Policy<T>,
}

impl<T: Field> Deployment<'_, T> {
    /// Values and occupancies of the policy in the MDP that it induces, with the
    /// entropy weight `lambda`: one factorisation.
    ///
    /// # Errors
    /// [`PerformanceError::Evaluation`] where the values are not bounded.
    pub fn evaluate(&self, entropy: &T) -> Result<Evaluation<T>, PerformanceError> {
        Ok(evaluate(&self.mdp, self.policy, entropy)?)
    }

    /// The gradient of the performative value, by term, from the evaluation with the
    /// same weight.
    ///
    /// # Errors
    /// [`PerformanceError::Evaluation`] for an evaluation of another shape.
    pub fn gradient(
        &self,
        evaluation: &Evaluation<T>,
        entropy: &T,
    ) -> Result<GradientTerms<T>, PerformanceError> {
        Ok(performative_gradient(&self.mdp, self.policy, evaluation, &*self.pullback, entropy)?)
    }
}

/// A policy's performance in the environment that it induces itself.
pub struct Performance<'a, T> {
    /// The induced MDP.
    pub mdp: Mdp<T>,
    /// Values and occupancies there; `evaluation.value` is the performative
    /// value.
    pub evaluation: Evaluation<T>,
    /// The gradient of the performative value, by term.
    pub gradient: GradientTerms<T>,
    /// Where the response is not differentiable; the gradient is then one
    /// element of the generalised gradient.
    pub kinks: Vec<Kink>,
    /// The derivative of the response.
    pub pullback: Box<dyn Pullback<T> + 'a>,
}

impl<T: Field> PerformativeMdp<T> {
    /// Evaluates a policy in the environment that it induces, and
    /// differentiates its performative value.
    ///
    /// With entropy the policy needs [`Policy::with_logarithms`].
    ///
    /// # Errors
    /// [`PerformanceError`] where the environment does not respond to the
    /// policy or with another discount factor, or the values are not bounded.
    ///
    /// ```
    /// use pemdp::arithmetic::{Field, Rational};
    /// use pemdp::criterion::Criterion;
    /// use pemdp::environments::RationalFamily;
    /// use pemdp::performative::PerformativeMdp;
    /// use pemdp::policy::Policy;
    /// // Two states, one action, P(.|s) proportional to (1, w[s]), reward in state 1.
    /// let q = |n, d| Rational::from_ratio(n, d);
    /// let family = RationalFamily::new(1, vec![0, 1], vec![q(1, 1); 4], vec![q(0, 1), q(1, 1)])?;
    /// let problem = PerformativeMdp {
    ///     response: Box::new(family),
    ///     initial: vec![q(1, 1), q(0, 1)],
    ///     gamma: q(1, 2),
    ///     entropy: q(0, 1),
    ///     criterion: Criterion::Discounted,
    /// };
    /// let policy = Policy::weights(2, 1, vec![q(1, 1), q(1, 1)])?;
    /// let performance = problem.perform(&policy)?;
    /// assert_eq!(performance.gradient.total(), [Some(q(3, 16)), Some(q(1, 16))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn perform<'a>(&'a self, policy: &'a Policy<T>) -> Result<Performance<'a, T>, PerformanceError> {
        self.perform_regularised(policy, &self.entropy)
    }

    /// The same with another entropy weight.
    ///
    /// # Errors
    /// As [`PerformativeMdp::perform`].
    pub fn perform_regularised<'a>(
        &'a self,
        policy: &'a Policy<T>,
        entropy: &T,
    ) -> Result<Performance<'a, T>, PerformanceError> {
        let deployment = self.deploy(policy)?;
        let evaluation = deployment.evaluate(entropy)?;
        let gradient = deployment.gradient(&evaluation, entropy)?;
        let Deployment { mdp, kinks, pullback, .. } = deployment;
        Ok(Performance { mdp, evaluation, gradient, kinks, pullback })
    }

    /// The environment that a policy induces, to evaluate and differentiate as asked.
    ///
    /// # Errors
    /// [`PerformanceError`] where the environment does not respond to the policy, or with
    /// another discount factor.
    pub fn deploy<'a>(&'a self, policy: &'a Policy<T>) -> Result<Deployment<'a, T>, PerformanceError> {
        if let Some(response) = self.response.discount().filter(|discount| **discount != self.gamma) {
            let (response, gamma) = (response.approximate(), self.gamma.approximate());
            return Err(PerformanceError::Discount { response, gamma });
        }
        let induced = self.response.induce(policy)?;
        let mdp = Mdp::new(induced.kernel, induced.rewards, self.initial.clone(), self.gamma.clone())?;
        let mdp = mdp.with_criterion(self.criterion);
        Ok(Deployment { mdp, kinks: induced.kinks, pullback: induced.pullback, policy })
    }

    /// Values and occupancies of a policy in the environment that it induces, without the
    /// gradient.
    ///
    /// # Errors
    /// As [`PerformativeMdp::perform`].
    pub fn evaluate(&self, policy: &Policy<T>) -> Result<Evaluation<T>, PerformanceError> {
        self.deploy(policy)?.evaluate(&self.entropy)
    }

    /// The same with the response replaced by a smooth one within order
    /// `temperature`; none where the response has no kinks to smooth.
    pub fn smoothed(&self, temperature: &T) -> Option<Self> {
        let response = self.response.smoothed(temperature)?;
        let (initial, gamma, entropy) = (self.initial.clone(), self.gamma.clone(), self.entropy.clone());
        Some(Self { response, initial, gamma, entropy, criterion: self.criterion })
    }
}
