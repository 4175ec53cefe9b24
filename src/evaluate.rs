//! Exact values and occupancies of a policy in an MDP.

use thiserror::Error;

use crate::arithmetic::Field;
use crate::criterion::{
    Criterion, Steps, by_action, evaluate_average, evaluate_steps, one_step, rewards_under,
};
use crate::linear::{Factorisation, ShapeError, SolveError};
use crate::mdp::{Kernel, Mdp};
use crate::policy::Policy;

/// Why a policy has no value or no gradient in an MDP.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The values are not bounded, or were not found.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The policy does not fit the MDP, or a cotangent does not fit the policy.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The policy has no logarithms, which its entropy is made of.
    #[error("entropy needs the logarithms of the policy, expected Policy::with_logarithms")]
    Logarithms,
    /// An action value that a gradient is made of is infinite.
    #[error("Q(s={state},a={action}) is infinite, expected a finite value for a softmax policy")]
    Infinite {
        /// State s.
        state: usize,
        /// Action a.
        action: usize,
    },
}

/// Values and occupancies of a policy: one factorisation, two solves.
///
/// With entropy `lambda`, the reward of every step is
/// `r[s,a] - lambda log pi(a|s)`, in `V`, `Q` and `J` alike. Formulas are those of discounted
/// sums; with [`Criterion::Horizon`] `V` and `Q` are those of the first step and
/// `d = sum_{t < H} gamma^t P(s_t = s)`; with [`Criterion::Average`] `J` is the gain, `V` the bias
/// with mean 0, `Q = r - lambda log pi - J + P V`, and `d` the stationary distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation<T> {
    pub(crate) n_actions: usize,
    /// `J = sum_s rho[s] V[s]`.
    pub value: T,
    /// `V = (I - gamma P_pi)^{-1} r_pi`, shape S.
    pub state_values: Vec<T>,
    /// `Q[s,a] = r[s,a] - lambda log pi(a|s) + gamma sum_t P[s,a,t] V[t]` at
    /// `s A + a`; `None` where `pi(a|s) = 0` and `lambda > 0`, since it is
    /// infinite there, and where the state does not have the action. `r[s,a]` in terminal states.
    pub action_values: Vec<Option<T>>,
    /// `d[s] = ((I - gamma P_pi)^{-T} rho)[s]`, shape S; NOT normalised: the
    /// sum is `1/(1-gamma)` where no state is terminal. A terminal one counts the visit in
    /// which it is entered.
    pub state_occupancy: Vec<T>,
    /// `d[s,a] = d[s] pi(a|s)` at `s A + a`.
    pub occupancy: Vec<T>,
    /// What the gradient is made of where an episode ends after some steps.
    pub steps: Option<Steps<T>>,
}

impl<T: Field> Evaluation<T> {
    /// `d[s,a]`.
    pub fn occupancy(&self, state: usize, action: usize) -> &T {
        &self.occupancy[state * self.n_actions + action]
    }

    /// `Q[s,a]`, `None` where it is infinite.
    pub fn action_value(&self, state: usize, action: usize) -> Option<&T> {
        self.action_values[state * self.n_actions + action].as_ref()
    }

    /// `A[s,a] = Q[s,a] - V[s]`, `None` where it is infinite.
    pub fn advantage(&self, state: usize, action: usize) -> Option<T> {
        self.action_value(state, action).map(|q| q.clone() - &self.state_values[state])
    }
}

/// `-lambda log pi(a|s)`, 0 in terminal states; `None` where `pi(a|s) = 0` and `lambda > 0`,
/// or the state does not have the action; of a policy that has its logarithms if there is
/// entropy.
pub fn entropy_bonus<T: Field>(
    kernel: &Kernel<T>,
    policy: &Policy<T>,
    entropy: &T,
    state: usize,
    action: usize,
) -> Option<T> {
    if !policy.is_available(state, action) {
        return None;
    }
    if entropy.is_zero() || kernel.is_terminal(state) {
        return Some(T::zero());
    }
    policy.logarithm(state, action).map(|log| -(log.clone() * entropy))
}

/// Evaluates `policy` in `mdp` with entropy `lambda >= 0` exactly, up to the
/// rounding of the arithmetic; enclosing arithmetics bound that too.
///
/// Formulas: see [`Evaluation`]; `0 log 0 = 0`. A policy with `lambda > 0` needs
/// [`Policy::with_logarithms`].
///
/// # Errors
/// [`EvaluationError`] where `gamma` times a row sum reaches 1, the policy has
/// another shape than the MDP, or it has no logarithms and `lambda` is not 0.
///
/// ```
/// use pemdp::{evaluate::evaluate, mdp::{Kernel, Mdp}, policy::Policy};
/// // One state that pays 1 for ever.
/// let mdp = Mdp::new(Kernel::dense(1, 1, vec![1.0])?, vec![1.0], vec![1.0], 0.5)?;
/// let evaluation = evaluate(&mdp, &Policy::uniform(1, 1), &0.0)?;
/// assert_eq!((evaluation.value, evaluation.state_occupancy[0]), (2.0, 2.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    entropy: &T,
) -> Result<Evaluation<T>, EvaluationError> {
    let (n_states, n_actions) = (mdp.n_states(), mdp.n_actions());
    ShapeError::check("the states of the policy", policy.n_states(), n_states)?;
    ShapeError::check("the actions of the policy", policy.n_actions(), n_actions)?;
    if !entropy.is_zero() && !policy.has_logarithms() {
        return Err(EvaluationError::Logarithms);
    }
    match mdp.criterion() {
        Criterion::Discounted => {}
        Criterion::Horizon(horizon) => return evaluate_steps(mdp, policy, entropy, horizon),
        Criterion::Average => return evaluate_average(mdp, policy, entropy),
    }
    let factorisation = T::Factorisation::new(mdp.resolvent(policy)?)?;
    let (of_pairs, rewards) = rewards_under(mdp, policy, entropy);
    let state_values = factorisation.solve(&rewards);
    let action_values = one_step(mdp, &of_pairs, &state_values);
    let state_occupancy = factorisation.solve_transposed(mdp.initial());
    let occupancy = by_action(policy, &state_occupancy);
    let value = T::sum_of_products(mdp.initial().iter().zip(&state_values));
    Ok(Evaluation { n_actions, value, state_values, action_values, state_occupancy, occupancy, steps: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdp::Kernel;

    #[test]
    fn advantages_are_differences_and_entropy_is_negative_logarithms() {
        // One state; both actions stay, and pay 1 and 3.
        let mdp =
            Mdp::new(Kernel::dense(1, 2, vec![1.0, 1.0]).unwrap(), vec![1.0, 3.0], vec![1.0], 0.5).unwrap();
        let evaluation = evaluate(&mdp, &Policy::uniform(1, 2), &0.0).unwrap();
        assert_eq!((evaluation.advantage(0, 0), evaluation.advantage(0, 1)), (Some(-1.0), Some(1.0)));
        let policy = Policy::probabilities(1, 2, vec![0.25, 0.75]).unwrap().with_logarithms();
        assert_eq!(entropy_bonus(mdp.kernel(), &policy, &2.0, 0, 0), Some(-2.0 * 0.25f64.ln()));
    }
}
