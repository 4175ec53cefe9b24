//! Best responses in a fixed MDP: what retraining deploys next.
//!
//! Proofs: `docs/theory/planning.md`.

use crate::evaluate::{Evaluation, EvaluationError, evaluate};
use crate::mdp::Mdp;
use crate::policy::Policy;

/// Action values that differ by less than this, relative to the largest value
/// where that exceeds 1, count as tied.
const TIE: f64 = 1e-9;
/// Steps of policy iteration before the certificate has to say what is missing.
const ITERATIONS: u64 = 1000;

/// A deterministic best response.
#[derive(Debug, Clone, PartialEq)]
pub struct BestResponse {
    /// The policy, given by its probabilities.
    pub policy: Policy<f64>,
    /// The action that it takes in each state.
    pub choice: Vec<usize>,
    /// Its values and occupancies.
    pub evaluation: Evaluation<f64>,
    /// `V* - V <= loss_bound` in every state: the Bellman violation
    /// `max_{s,a} Q[s,a] - V[s]` over `1 - gamma R`, `R` the largest row sum; in doubles,
    /// up to their rounding.
    pub loss_bound: f64,
    /// Linear systems factorised.
    pub solves: u64,
}

/// An optimal policy of an MDP by policy iteration with exact solves: in each
/// state the first action whose value is within `1e-9 max(1, max |V|)` of the largest.
/// Without entropy.
///
/// # Errors
/// [`EvaluationError`] where `gamma` times a row sum reaches 1.
///
/// ```
/// use pemdp::mdp::{Kernel, Mdp};
/// use pemdp::best_response::best_response;
/// let mdp = Mdp::new(Kernel::dense(1, 3, vec![1.0; 3])?, vec![0.0, 1.0, 1.0], vec![1.0], 0.5)?;
/// let response = best_response(&mdp)?;
/// assert_eq!((response.choice[0], response.evaluation.value, response.loss_bound), (1, 2.0, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn best_response(mdp: &Mdp<f64>) -> Result<BestResponse, EvaluationError> {
    let mut choice = vec![0; mdp.n_states()];
    let mut solves = 0;
    loop {
        solves += 1;
        let current = Candidate::new(mdp, choice)?;
        let improved = current.improved();
        if improved != current.choice && solves < ITERATIONS {
            choice = improved;
            continue;
        }
        let first: Vec<usize> = (0..mdp.n_states()).map(|s| current.first_best(s)).collect();
        if first == current.choice {
            return Ok(current.certified(mdp, solves));
        }
        return Ok(Candidate::new(mdp, first)?.certified(mdp, solves + 1));
    }
}

/// A deterministic policy with its values.
struct Candidate {
    choice: Vec<usize>,
    policy: Policy<f64>,
    evaluation: Evaluation<f64>,
    tie: f64,
}

impl Candidate {
    fn new(mdp: &Mdp<f64>, choice: Vec<usize>) -> Result<Self, EvaluationError> {
        let policy = Policy::deterministic(mdp.n_actions(), &choice);
        let evaluation = evaluate(mdp, &policy, &0.0)?;
        let tie = TIE * evaluation.state_values.iter().fold(1.0, |largest, v| v.abs().max(largest));
        Ok(Self { choice, policy, evaluation, tie })
    }

    fn action_values(&self, state: usize) -> impl Iterator<Item = f64> + '_ {
        // Without entropy every action value is finite.
        let value = move |a| self.evaluation.action_value(state, a).copied().unwrap_or(f64::NEG_INFINITY);
        (0..self.policy.n_actions()).map(value)
    }

    fn best(&self, state: usize) -> f64 {
        self.action_values(state).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The first action tied with the best.
    fn first_best(&self, state: usize) -> usize {
        let least = self.best(state) - self.tie;
        self.action_values(state).position(|q| q >= least).unwrap_or(self.choice[state])
    }

    /// The choice changed where another action is better by more than a tie:
    /// only there, so that every step improves.
    fn improved(&self) -> Vec<usize> {
        let improves =
            |s: usize| self.action_values(s).nth(self.choice[s]).is_some_and(|q| q < self.best(s) - self.tie);
        let choose = |s: usize| if improves(s) { self.first_best(s) } else { self.choice[s] };
        (0..self.choice.len()).map(choose).collect()
    }

    fn certified(self, mdp: &Mdp<f64>, solves: u64) -> BestResponse {
        let violation = |s: usize| self.best(s) - self.evaluation.state_values[s];
        let largest = (0..self.choice.len()).map(violation).fold(0.0, f64::max);
        let loss_bound = largest / mdp.contraction_gap();
        let Self { choice, policy, evaluation, .. } = self;
        BestResponse { policy, choice, evaluation, loss_bound, solves }
    }
}
