//! How the rewards of a trajectory add up to a value, and the values of the criteria that are no
//! discounted sums.
//!
//! Proofs: `docs/theory/bounds.md`, section 5.

use crate::arithmetic::Field;
use crate::evaluate::{Evaluation, EvaluationError, entropy_bonus};
use crate::linear::{Factorisation, Resolvent, closed_class};
use crate::mdp::Mdp;
use crate::policy::Policy;

/// How the rewards of a trajectory add up to a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Criterion {
    /// `sum_t gamma^t r_t`; with `gamma = 1` the total reward until an episode ends.
    #[default]
    Discounted,
    /// `sum_{t < H} gamma^t r_t`: an episode ends after `H` steps.
    Horizon(usize),
    /// `lim_n (1/n) sum_{t < n} r_t`, the gain, of one class of states that is never left.
    Average,
}

/// What a policy is worth when an episode ends after `H` steps: besides the values and the
/// occupancy, what the gradient is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps<T> {
    /// `sum_t d_t[s] Q_t[s,a]` at `s A + a`, `d_t` discounted, `Q_t` with `H - t` steps left;
    /// `None` where it is infinite.
    pub policy_weights: Vec<Option<T>>,
    /// `d_t[s]`, discounted, for each `t < H`.
    pub visits: Vec<Vec<T>>,
    /// `V_{t+1}[s]`, with `H - t - 1` steps left, for each `t < H`.
    pub next_values: Vec<Vec<T>>,
}

/// `r[s,a] - lambda log pi(a|s)` at `s A + a`, and its mean under the policy, over the actions
/// that are taken.
pub(crate) fn rewards_under<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    entropy: &T,
) -> (Vec<Option<T>>, Vec<T>) {
    let (n, width) = (mdp.n_states(), mdp.n_actions());
    let of_pair = |i: usize| {
        let (s, a) = (i / width, i % width);
        Some(entropy_bonus(mdp.kernel(), policy, entropy, s, a)? + mdp.reward(s, a))
    };
    let of_pairs: Vec<Option<T>> = (0..n * width).map(of_pair).collect();
    let of_states = means(policy, &of_pairs);
    (of_pairs, of_states)
}

/// `sum_a pi(a|s) x[s,a]` for each state. Actions that are not taken count nothing, and
/// 0 log 0 = 0.
pub(crate) fn means<T: Field>(policy: &Policy<T>, of_pairs: &[Option<T>]) -> Vec<T> {
    let width = policy.n_actions();
    let mean = |(s, row): (usize, &[Option<T>])| {
        let mut sum = T::zero();
        for (a, x) in row.iter().enumerate() {
            let pi = policy.probability(s, a);
            if let Some(x) = x.as_ref().filter(|_| !pi.is_zero()) {
                sum += x.clone() * pi;
            }
        }
        sum
    };
    of_pairs.chunks(width).enumerate().map(mean).collect()
}

/// `x[s,a] + gamma sum_t P[s,a,t] V[t]` for each pair.
pub(crate) fn one_step<T: Field>(mdp: &Mdp<T>, rewards: &[Option<T>], values: &[T]) -> Vec<Option<T>> {
    let width = mdp.n_actions();
    let of_pair = |(i, reward): (usize, &Option<T>)| {
        let row = mdp.kernel().row(i / width, i % width);
        let next = T::sum_of_products(row.map(|(t, p)| (p, &values[t])));
        reward.as_ref().map(|reward| reward.clone() + next * mdp.gamma())
    };
    rewards.iter().enumerate().map(of_pair).collect()
}

/// `x[s] pi(a|s)` at `s A + a`.
pub(crate) fn by_action<T: Field>(policy: &Policy<T>, of_states: &[T]) -> Vec<T> {
    let of_state = |(s, d): (usize, &T)| {
        (0..policy.n_actions()).map(|a| d.clone() * policy.probability(s, a)).collect::<Vec<T>>()
    };
    of_states.iter().enumerate().flat_map(of_state).collect()
}

/// Values with `n` steps left, by `V_n = r_pi + gamma P_pi V_{n-1}` from `V_0 = 0`, and
/// occupancies by `d_{t+1} = gamma P_pi^T d_t` from `rho`.
pub(crate) fn evaluate_steps<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    entropy: &T,
    horizon: usize,
) -> Result<Evaluation<T>, EvaluationError> {
    let n = mdp.n_states();
    let chain = mdp.kernel().under(policy);
    let mut visits = Vec::with_capacity(horizon);
    let mut occupancy = vec![T::zero(); n];
    let mut now = mdp.initial().to_vec();
    for _ in 0..horizon {
        let mut later = vec![T::zero(); n];
        for (s, d) in now.iter().enumerate() {
            occupancy[s] += d;
            let weight = d.clone() * mdp.gamma();
            for (t, p) in chain.row(s) {
                later[t] += p.clone() * &weight;
            }
        }
        visits.push(std::mem::replace(&mut now, later));
    }
    // From the last step back.
    let (rewards, _) = rewards_under(mdp, policy, entropy);
    let mut action_values: Vec<Option<T>> = Vec::new();
    let mut policy_weights: Vec<Option<T>> = vec![Some(T::zero()); rewards.len()];
    let mut next_values = Vec::with_capacity(horizon);
    let mut state_values = vec![T::zero(); n];
    for now in visits.iter().rev() {
        action_values = one_step(mdp, &rewards, &state_values);
        for (i, (weight, q)) in policy_weights.iter_mut().zip(&action_values).enumerate() {
            *weight = weight.take().zip(q.as_ref()).map(|(w, q)| w + q.clone() * &now[i / mdp.n_actions()]);
        }
        next_values.push(std::mem::replace(&mut state_values, means(policy, &action_values)));
    }
    next_values.reverse();
    let value = T::sum_of_products(mdp.initial().iter().zip(&state_values));
    Ok(Evaluation {
        n_actions: mdp.n_actions(),
        value,
        state_values,
        action_values,
        occupancy: by_action(policy, &occupancy),
        state_occupancy: occupancy,
        steps: Some(Steps { policy_weights, visits, next_values }),
    })
}

/// The gain `g`, the bias `h` with `sum_s mu[s] h[s] = 0`, and the stationary distribution `mu`,
/// by the times between visits of a state `z` that is visited for ever: with `P_z` that is
/// `P_pi` without its column `z`, `x = (I - P_z)^{-1} r_pi` and `tau = (I - P_z)^{-1} 1` are the
/// rewards and the number of steps until `z` is entered, and
///
/// ```text
/// g = x[z]/tau[z],   h = x - g tau - const,   mu = (I - P_z)^{-T} e_z / tau[z]
/// ```
pub(crate) fn evaluate_average<T: Field>(
    mdp: &Mdp<T>,
    policy: &Policy<T>,
    entropy: &T,
) -> Result<Evaluation<T>, EvaluationError> {
    let n = mdp.n_states();
    let chain = mdp.kernel().under(policy);
    // Some class is never left; of several the resolvent tells.
    let visited = closed_class(&chain, |_| false).first().copied().unwrap_or(0);
    let resolvent = Resolvent::until_entered(&chain, visited)?;
    let factorisation = T::Factorisation::new(resolvent)?;
    let (of_pairs, rewards) = rewards_under(mdp, policy, entropy);
    let gained = factorisation.solve(&rewards);
    let times = factorisation.solve(&vec![T::one(); n]);
    let mut start = vec![T::zero(); n];
    start[visited] = T::one();
    let visits = factorisation.solve_transposed(&start);

    let cycle = &times[visited];
    let gain = gained[visited].clone() / cycle;
    let stationary: Vec<T> = visits.into_iter().map(|d| d / cycle).collect();
    let relative: Vec<T> = gained.into_iter().zip(&times).map(|(x, time)| x - gain.clone() * time).collect();
    let mean = T::sum_of_products(stationary.iter().zip(&relative));
    let state_values: Vec<T> = relative.into_iter().map(|h| h - &mean).collect();
    let action_values = one_step(mdp, &of_pairs, &state_values);
    let action_values = action_values.into_iter().map(|q| q.map(|q| q - &gain)).collect();
    Ok(Evaluation {
        n_actions: mdp.n_actions(),
        value: gain,
        state_values,
        action_values,
        occupancy: by_action(policy, &stationary),
        state_occupancy: stationary,
        steps: None,
    })
}

#[cfg(test)]
mod tests;
