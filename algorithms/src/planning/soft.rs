//! The best response with an entropy regulariser.

use super::{PlanningError, magnitude};
use pemdp::evaluate::{Evaluation, evaluate};
use pemdp::mdp::Mdp;
use pemdp::policy::{Policy, shifted_exponentials};

/// Newton steps before the certificate has to say what is missing.
const ITERATIONS: u64 = 1000;
/// Violations below this, relative to the values, are on their way to rounding
/// error: the convergence is quadratic.
const NEARLY: f64 = 1e-9;

/// The best response with entropy.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftResponse {
    /// `pi(a|s)` proportional to `exp(Q[s,a]/lambda)`, a softmax policy.
    pub policy: Policy<f64>,
    /// Its values with entropy, and its occupancies.
    pub evaluation: Evaluation<f64>,
    /// `V* - V <= loss_bound` in every state, of the values with entropy: the
    /// violation of the soft Bellman equation over `1 - gamma`.
    pub loss_bound: f64,
    /// Linear systems factorised.
    pub solves: u64,
}

/// The policy that maximises `sum_t gamma^t (r - lambda log pi)`, `lambda > 0`.
///
/// Soft policy iteration `pi <- softmax(Q/lambda)`, which is Newton's method on
/// the soft Bellman equation
/// `V[s] = lambda log sum_a exp((r[s,a] + gamma sum_t P[s,a,t] V[t])/lambda)`,
/// until rounding error stops it.
///
/// # Errors
/// [`PlanningError`] for `lambda <= 0` or where `gamma` times a row sum reaches 1.
///
/// ```
/// use pemdp::mdp::{Kernel, Mdp};
/// use pemdp_algorithms::planning::soft_response;
/// let mdp = Mdp::new(Kernel::dense(1, 2, vec![1.0; 2])?, vec![0.0, 3f64.ln()], vec![1.0], 0.5)?;
/// let response = soft_response(&mdp, 1.0)?;
/// assert!((response.policy.probability(0, 1) - 0.75).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn soft_response(mdp: &Mdp<f64>, lambda: f64) -> Result<SoftResponse, PlanningError> {
    if !(lambda > 0.0 && lambda.is_finite()) {
        return Err(PlanningError::Weight { weight: lambda });
    }
    let (n_states, n_actions) = (mdp.n_states(), mdp.n_actions());
    let mut logits = vec![0.0; n_states * n_actions];
    let (mut before, mut converged) = (f64::INFINITY, false);
    let mut solves = 0;
    loop {
        solves += 1;
        let policy = Policy::softmax(n_states, n_actions, logits)?;
        let evaluation = evaluate(mdp, &policy, &lambda)?;
        let improved = improved_logits(&policy, &evaluation, lambda);
        let violation = improved
            .chunks(n_actions)
            .zip(&evaluation.state_values)
            .map(|(row, v)| lambda * log_sum_exp(row) - v)
            .fold(0.0, f64::max);
        if converged || solves == ITERATIONS {
            let loss_bound = violation / mdp.contraction_gap();
            return Ok(SoftResponse { policy, evaluation, loss_bound, solves });
        }
        // The violation is of second order in the error of the policy, so that one
        // more step is needed when it is down to rounding error.
        let nearly = NEARLY * magnitude(&evaluation.state_values).max(lambda);
        converged = violation == 0.0 || (violation <= nearly && violation >= before);
        (logits, before) = (improved, violation);
    }
}

/// `(r[s,a] + gamma sum_t P[s,a,t] V[t])/lambda`.
fn improved_logits(policy: &Policy<f64>, evaluation: &Evaluation<f64>, lambda: f64) -> Vec<f64> {
    let n_actions = policy.n_actions();
    let logit = |(i, q): (usize, &Option<f64>)| {
        // A softmax policy has all its logarithms; Q includes -lambda log pi.
        let log = policy.logarithm(i / n_actions, i % n_actions).copied().unwrap_or(f64::NEG_INFINITY);
        q.map_or(f64::NEG_INFINITY, |q| q / lambda + log)
    };
    evaluation.action_values.iter().enumerate().map(logit).collect()
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (_, _, total) = shifted_exponentials(row.iter());
    largest + total.ln()
}
