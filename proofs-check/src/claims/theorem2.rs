//! Theorem 2: score forms of the gradient, summed exactly over all `(s,a,s')`.

use pemdp::arithmetic::Field;
use pemdp::evaluate::EvaluationError;
use pemdp::linear::Rows;
use pemdp::performative::Performance;
use pemdp::policy::Policy;
use pemdp::response::{Cotangent, TransitionCotangent};

/// What multiplies the scores of a transition `(s,a,t)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// `A(s,a)` on both scores: the theorem as printed.
    AsPrinted,
    /// `A(s,a)` on the policy's score, `gamma V(t)` on the transition's.
    Score,
    /// `r(s,a) + gamma V(t) - V(s)` on both: the repair.
    TemporalDifference,
}

/// `E sum_t gamma^t [ w_pi grad log pi(a|s) + w_P grad log P(t|s,a) + grad r ]`
/// with the weights of `weighting`: an expectation over the discounted visits
/// `d[s,a] P[s,a,t]`, summed term by term.
///
/// `grad log P` times `P` is `grad P`, and `grad log pi` times `pi` is `grad pi`,
/// so each score enters through the cotangent of its probability. Without
/// entropy, for policies that are normalised by construction.
///
/// # Errors
/// [`EvaluationError`] where an advantage is infinite or the pullback does not fit
/// the policy.
pub fn gradient<T: Field>(
    performance: &Performance<'_, T>,
    policy: &Policy<T>,
    weighting: Weighting,
) -> Result<Vec<T>, EvaluationError> {
    let (mdp, evaluation) = (&performance.mdp, &performance.evaluation);
    let (n_states, n_actions) = (mdp.n_states(), mdp.n_actions());
    let mut advantages = Vec::with_capacity(n_states * n_actions);
    for (state, action) in (0..n_states).flat_map(|s| (0..n_actions).map(move |a| (s, a))) {
        let advantage = evaluation.advantage(state, action);
        advantages.push(advantage.ok_or(EvaluationError::Infinite { state, action })?);
    }
    let advantage = |s: usize, a: usize| advantages[s * n_actions + a].clone();
    let difference = |s: usize, a: usize, t: usize| {
        mdp.reward(s, a).clone() + mdp.gamma().clone() * &evaluation.state_values[t]
            - &evaluation.state_values[s]
    };
    // E_t[w_pi] for the policy's score, whose coefficient of grad pi is d[s] times it.
    let mut of_policy = Vec::with_capacity(n_states * n_actions);
    for s in 0..n_states {
        for a in 0..n_actions {
            let weight = match weighting {
                Weighting::AsPrinted | Weighting::Score => advantage(s, a),
                Weighting::TemporalDifference => {
                    mdp.kernel().row(s, a).fold(T::zero(), |sum, (t, p)| sum + difference(s, a, t) * p)
                }
            };
            of_policy.push(weight * &evaluation.state_occupancy[s]);
        }
    }
    let of_transition = |s: usize, a: usize, t: usize| {
        let weight = match weighting {
            Weighting::AsPrinted => advantage(s, a),
            Weighting::Score => mdp.gamma().clone() * &evaluation.state_values[t],
            Weighting::TemporalDifference => difference(s, a, t),
        };
        weight * evaluation.occupancy(s, a)
    };
    let of_row = |i: usize| (0..n_states).map(move |t| of_transition(i / n_actions, i % n_actions, t));
    let of_transitions = Rows::dense(n_states, (0..n_states * n_actions).flat_map(of_row).collect())?;
    let pulled = performance.pullback.pull(&Cotangent {
        transition: TransitionCotangent::Stored(&of_transitions),
        reward: &evaluation.occupancy,
    });
    let mut total = policy.pullback(&of_policy)?;
    for part in [pulled.transition.to_parameters(policy)?, pulled.reward.to_parameters(policy)?] {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    Ok(total)
}
