//! `pemdp`: the exact reference for performative reinforcement learning.
//!
//! A performative MDP is a finite set of states S and actions A, a discount
//! factor `gamma`, an initial distribution `rho`, and a response
//! `pi -> (P_theta, r_theta)`: the deployed policy `pi = pi_theta` changes the
//! transitions `P[s,a,t]` and rewards `r[s,a]` by which it is judged. The performative
//! value of a policy is its value in the environment that it induces itself. With
//! `P_pi[s,t] = sum_a pi(a|s) P_theta[s,a,t]` and `r_pi` likewise,
//!
//! ```text
//! J(theta) = rho . V,    V = (I - gamma P_pi)^{-1} r_pi
//! ```
//!
//! and its gradient has three terms, one for each way in which `theta` acts:
//!
//! ```text
//! dJ = sum_s d[s] sum_a dpi(a|s) Q[s,a]             through the policy
//!    + sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]  through the transitions
//!    + sum_{s,a} d[s,a] dr[s,a]                     through the rewards
//! ```
//!
//! With an entropy weight `lambda` every step pays `r[s,a] - lambda log pi(a|s)`, in `V`,
//! `Q` and `J` alike; where the probabilities themselves are the parameters, the gradient has
//! a fourth term `-lambda sum_s d[s] sum_a dpi(a|s)`, which is 0 for softmax.
//!
//! Values and gradients are computed by linear solves, never from samples, and
//! the same formulas run on doubles, exact fractions, intervals, balls with proven radii,
//! and dual numbers.
//!
//! | symbol | where |
//! |---|---|
//! | numbers | [`arithmetic`] |
//! | an MDP as data: `P[s,a,t]`, `r[s,a]`, `rho[s]`, `gamma`; the chain `P_pi[s,t]` | [`mdp`] ([`mdp::Kernel::under`]) |
//! | `(I - gamma P_pi) x = b` | [`linear`] |
//! | `pi(a\|s)`, `theta`, `dpi/dtheta` transposed | [`policy`] ([`policy::Policy::pullback`]) |
//! | `pi -> (P_theta, r_theta)` and its derivative transposed; ties and kinks | [`response`] ([`response::Pullback`], [`response::Kink`]) |
//! | the same of each environment: fixed, explicit, affine, loan, coin, exponential family, gridworld | [`environments`] |
//! | all that does not respond: `rho`, `gamma`, `lambda` (`entropy`); a policy deployed | [`performative`] |
//! | `V`, `Q`, `A`, `d`, `J`; `-lambda log pi` | [`evaluate`](mod@evaluate) |
//! | `dJ/dtheta`, its terms | [`gradient`] |
//! | `d2J/dtheta2`, and its products with vectors | [`curvature`] |
//! | `max_pi V` in a fixed MDP | [`best_response`](mod@best_response) |
//! | sums over a horizon, averages | [`criterion`] |
//! | a problem as given, in exact numbers, and its file | [`problem`] ([`problem::Problem::from_json`]) |
//! | answers with their error bounds, known mistakes | [`oracle`] |
//!
//! An error bound is the radius of a [`arithmetic::Ball`] that every operation and the linear
//! solve (`linear/enclosed.rs`) have kept; [`oracle`] prints it.
//!
//! What builds on it has packages of its own: `pemdp-algorithms` (planning, ascent,
//! retraining, sampled estimates), `pemdp-optimum` (certified optima),
//! `pemdp-experiments` and `proofs-check` (the papers' claims, with their constants: `Cov`,
//! `L`, `Rbar` and others).
//!
//! Occupancies are not normalised: `d` sums to `1/(1-gamma)`. All conventions are
//! in `docs/notation.md`, the proofs in `docs/theory/`.
//!
//! ```
//! use pemdp::problem::{Problem, Reading};
//! let problem = Problem::from_json(r#"{
//!     "format": "pemdp-problem/1",
//!     "gamma": 0.5,
//!     "policy": {"kind": "probabilities", "values": [[0.25, 0.75]]},
//!     "environment": {"kind": "loan", "form": "bandit", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1}
//! }"#, Reading::Doubles)?;
//! let answer = problem.answer()?;
//! assert_eq!((answer.value, answer.error_bounds.value), (0.125, 0.0));
//! assert_eq!(problem.exact_answer()?.value, "1/8");
//! # Ok::<(), pemdp::oracle::OracleError>(())
//! ```

// Without the feature `json`, code that only serves files is unused.
#![cfg_attr(not(feature = "json"), allow(dead_code))]

pub mod arithmetic;
pub mod best_response;
pub mod criterion;
pub mod curvature;
mod distribution;
pub mod environments;
pub mod evaluate;
pub mod gradient;
pub mod interrupt;
pub mod linear;
pub mod mdp;
#[cfg(feature = "json")]
pub mod oracle;
pub mod performative;
pub mod policy;
pub mod problem;
pub mod response;
#[cfg(test)]
#[path = "../tests/common/tolerances.rs"]
mod tolerances;
