//! What clears the rows of a problem of denominators, by what is known of its structure.

use num_traits::{One, Zero};

use super::LandscapeError;
use crate::polynomial::Polynomial;
use pemdp::arithmetic::Rational;
use pemdp::environments::{Base, Structure};
use pemdp::performative::PerformanceError;
use pemdp::problem::Problem;

/// The product of the denominators `c_s(w)` that clear the rows of
/// `I - gamma P_pi` and `r_pi`.
///
/// `w + W`, with `W > 0` the other weights of the state, clears the policy of the
/// state; `sum_t h_t w^psi_t`, of the parameter's own row, its transitions in an
/// exponential family; and each reference of an affine row to the policy of the
/// state needs another `w + W`.
pub(super) fn cleared_by(
    problem: &Problem,
    weights: &[Rational],
    state: usize,
    action: usize,
) -> Result<Polynomial, LandscapeError> {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let row = state * n_actions..(state + 1) * n_actions;
    let others = row.filter(|&i| i != state * n_actions + action).map(|i| &weights[i]);
    let others = others.fold(Rational::zero(), |sum, w| sum + w);
    let policy = match n_actions {
        1 => Polynomial::constant(Rational::one()),
        _ => Polynomial::new(vec![others, Rational::one()]),
    };
    let none = |why| Err(LandscapeError::NoLandscape { what: problem.environment().kind(), why });
    let referring = match problem.structure() {
        Structure::Fixed(_) => 0,
        Structure::Affine(affine) => {
            let parts = affine.parts(problem.given()).map_err(PerformanceError::from)?;
            let transitions = parts.transition_slopes.iter().map(|([s, _, _, s2, _], m)| (*s, *s2, m));
            let rewards = parts.reward_slopes.iter().map(|([s, _, s2, _], n)| (*s, *s2, n));
            let mut refers = vec![false; n_states];
            for (s, _, _) in transitions.chain(rewards).filter(|(_, s2, m)| *s2 == state && !m.is_zero()) {
                refers[s] = true;
            }
            refers.into_iter().filter(|&refers| refers).count()
        }
        // The reward is quadratic, and the same for both actions.
        Structure::Quadratic(_) => 1,
        Structure::LocalFamily(family) => {
            let psi = family.psi.iter().map(|p| p.approximate() as i64);
            return Ok(&policy * &partition(psi, &family.base, state * n_actions + action));
        }
        Structure::Point(_) => {
            return none("it is a point with its derivative, not a model of other policies");
        }
        Structure::Followers(_) => return none("the followers respond with exponentials"),
        _ => return none("nothing is known of its dependence on the policy"),
    };
    Ok(policy.power(1 + referring))
}

/// `sum_t h_t w^(psi_t - min psi)` over the support of a row.
fn partition(psi: impl Iterator<Item = i64>, base: &Base, row: usize) -> Polynomial {
    let psi: Vec<i64> = psi.collect();
    let n = psi.len();
    let weight = |t: usize| match base {
        Base::Logits(_) => Rational::one(), // none: others are not rational
        Base::Weights(weights) => weights[row * n + t].lift(),
    };
    Polynomial::tilted((0..n).map(|t| (psi[t], weight(t))))
}
