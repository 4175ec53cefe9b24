//! What a truncated horizon costs: the exact bias, and a bound for any horizon.
//!
//! Proofs: `docs/theory/estimators.md`, section 5.

use super::{Deployed, EstimateError, Functional};
use pemdp::arithmetic::Field;
use pemdp::linear::{Factorisation, Rows};

/// The exact bias of `Horizon::Truncated(H)`, in two parts.
///
/// ```text
/// tail  = gamma^H sum_s rho_H[s] grad V[s],   rho_H = P_pi^H^T rho
/// drift = gamma^H grad(rho_H) . V
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Truncation<T> {
    /// What the steps from `H` on would have added.
    pub tail: Vec<T>,
    /// What their rewards would have added to the returns of the steps before.
    pub drift: Vec<T>,
}

impl<T: Field> Truncation<T> {
    /// The bias at horizon `length` on a deployed policy.
    ///
    /// # Errors
    /// [`EstimateError::Solve`] where the values are not bounded.
    pub fn new(deployed: &Deployed<'_, T>, length: usize) -> Result<Self, EstimateError> {
        let mdp = &deployed.performance().mdp;
        let resolvent = mdp.resolvent(deployed.policy())?;
        let chain = resolvent.chain();
        let forward = |x: &[T]| {
            let mut result = vec![T::zero(); x.len()];
            for (s, weight) in x.iter().enumerate() {
                chain.row(s).for_each(|(t, p)| result[t] += p.clone() * weight);
            }
            result
        };
        // rho_k and V_k = P^k V for k = 0..=H.
        let (mut visits, mut values) = (vec![mdp.initial().to_vec()], vec![deployed.state_values().to_vec()]);
        for k in 0..length {
            visits.push(forward(&visits[k]));
            values.push(backward(chain, &values[k]));
        }
        let discount = num_traits::pow(deployed.gamma().clone(), length);
        let last: Vec<T> = visits[length].iter().map(|x| x.clone() * &discount).collect();
        let tail =
            value_gradient(deployed, &T::Factorisation::new(resolvent.clone())?.solve_transposed(&last))?;
        let drift = chain_gradient(deployed, |s, t| {
            let terms = (0..length).map(|k| (&visits[k][s], &values[length - 1 - k][t]));
            T::sum_of_products(terms) * &discount
        })?;
        Ok(Self { tail, drift })
    }

    /// The bias of forms that use exact values of the next state: the score form
    /// and the TD form with exact values.
    pub fn bootstrapped(&self) -> Vec<T> {
        self.tail.iter().map(|tail| -tail.clone()).collect()
    }

    /// The bias of the return form, whatever its baseline.
    pub fn returns(&self) -> Vec<T> {
        self.tail.iter().zip(&self.drift).map(|(tail, drift)| -(tail.clone() + drift)).collect()
    }
}

/// `sum_s mu[s] grad V[s]` from `d = (I - gamma P_pi)^{-T} mu`.
fn value_gradient<T: Field>(deployed: &Deployed<'_, T>, occupancy: &[T]) -> Result<Vec<T>, EstimateError> {
    let mut functional = Functional::zero(deployed);
    for pair in 0..deployed.n_pairs() {
        let visits = occupancy[pair / deployed.n_actions()].clone() * deployed.action_probability(pair);
        functional.policy[pair] = visits.clone() * deployed.advantage(pair);
        let discounted = visits.clone() * deployed.gamma();
        for e in deployed.entries(pair) {
            let next = &deployed.state_values()[deployed.target(e)];
            functional.transition[e] = discounted.clone() * deployed.probability(e) * next;
        }
        functional.reward[pair] = visits;
    }
    Ok(deployed.pull(&functional)?.total())
}

/// `sum_{s,t} x(s,t) grad P_pi[s,t]`.
fn chain_gradient<T: Field>(
    deployed: &Deployed<'_, T>,
    x: impl Fn(usize, usize) -> T,
) -> Result<Vec<T>, EstimateError> {
    let mut functional = Functional::zero(deployed);
    for pair in 0..deployed.n_pairs() {
        let state = pair / deployed.n_actions();
        for e in deployed.entries(pair) {
            let weight = deployed.probability(e).clone()
                * deployed.action_probability(pair)
                * &x(state, deployed.target(e));
            functional.policy[pair] += &weight;
            functional.transition[e] = weight;
        }
    }
    Ok(deployed.pull(&functional)?.total())
}

/// A bound on the 2-norm of the truncation bias for every horizon:
///
/// ```text
/// ||tail||  <= gamma^H max_s ||grad V[s]||
/// ||drift|| <= gamma^H max_s sum_t ||grad P_pi[s,t]|| sum_{j<H} span(P_pi^j V)/2
/// ```
///
/// with `span x = max x - min x`, which does not grow under `P_pi`: so `drift` is
/// of order `H gamma^H` at most, and `gamma^H` where the chain mixes. Computed in
/// doubles: the theorem is exact, its constants are rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct TruncationBound {
    gamma: f64,
    chain: Rows<f64>,
    values: Vec<f64>,
    /// `max_s ||grad V[s]||`.
    pub value_slope: f64,
    /// `max_s sum_t ||grad P_pi[s,t]||`.
    pub chain_slope: f64,
}

impl TruncationBound {
    /// The constants of a deployed policy: one pullback for each state and for
    /// each transition of the chain.
    ///
    /// # Errors
    /// [`EstimateError::Solve`] where the values are not bounded.
    pub fn new(deployed: &Deployed<'_, f64>) -> Result<Self, EstimateError> {
        let norm = |x: Vec<f64>| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let resolvent = deployed.performance().mdp.resolvent(deployed.policy())?;
        let chain = resolvent.chain().clone();
        let factorisation = <f64 as Field>::Factorisation::new(resolvent)?;
        let (mut value_slope, mut chain_slope) = (0.0, 0.0);
        for s in 0..deployed.n_states() {
            let mut start = vec![0.0; deployed.n_states()];
            start[s] = 1.0;
            let slope = norm(value_gradient(deployed, &factorisation.solve_transposed(&start))?);
            value_slope = f64::max(value_slope, slope);
            let of_entry = |t: usize| -> Result<f64, EstimateError> {
                Ok(norm(chain_gradient(deployed, |i, j| if (i, j) == (s, t) { 1.0 } else { 0.0 })?))
            };
            let of_row = chain.row(s).map(|(t, _)| of_entry(t)).sum::<Result<f64, _>>()?;
            chain_slope = f64::max(chain_slope, of_row);
        }
        let values = deployed.state_values().to_vec();
        Ok(Self { gamma: *deployed.gamma(), chain, values, value_slope, chain_slope })
    }

    /// For the score form and the TD form with exact values.
    pub fn bootstrapped(&self, length: usize) -> f64 {
        self.gamma.powf(length as f64) * self.value_slope
    }

    /// For the return form.
    pub fn returns(&self, length: usize) -> f64 {
        let (mut values, mut spans) = (self.values.clone(), 0.0);
        for _ in 0..length {
            spans += span(&values);
            values = backward(&self.chain, &values);
        }
        self.gamma.powf(length as f64) * (self.value_slope + self.chain_slope * spans / 2.0)
    }
}

/// `max x - min x`.
fn span(x: &[f64]) -> f64 {
    let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = x.iter().fold((low, high), |(low, high), x| (low.min(*x), high.max(*x)));
    high - low
}

/// `P x`.
fn backward<T: Field>(chain: &Rows<T>, x: &[T]) -> Vec<T> {
    (0..x.len()).map(|s| T::sum_of_products(chain.row(s).map(|(t, p)| (p, &x[t])))).collect()
}
