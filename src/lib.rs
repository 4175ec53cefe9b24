//! `pemdp`: the exact reference for performative reinforcement learning.
//!
//! A performative MDP is a finite set of states S and actions A, a discount
//! factor `gamma`, an initial distribution `rho`, and a response
//! `pi -> (P_pi, r_pi)`: the deployed policy changes the environment in which it
//! is judged. The performative value of a policy is its value in the
//! environment that it induces itself,
//!
//! ```text
//! J(theta) = rho . V,    V = (I - gamma P_pi)^{-1} r_pi,    pi = pi_theta
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
//! Values and gradients are computed by linear solves, never from samples, and
//! the same formulas run on doubles, exact fractions, intervals, balls with proven radii, and dual
//! numbers.
//!
//! | symbol | where |
//! |---|---|
//! | numbers | [`arithmetic`] |
//! | `(I - gamma P) x = b` | [`linear`] |
//! | `P[s,a,t]`, `r[s,a]`, `rho[s]`, `gamma` | [`mdp`] |
//! | `pi(a\|s)`, `theta` | [`policy`] |
//! | `pi -> (P_pi, r_pi)` and its derivative | [`response`], [`environments`] |
//! | `V`, `Q`, `A`, `d`, `J` | [`evaluate`](mod@evaluate) |
//! | `dJ/dtheta` | [`gradient`] |
//! | `d2J/dtheta2` | [`curvature`] |
//! | all of it at once | [`performative`] |
//! | `max_pi V` in a fixed MDP | [`best_response`](mod@best_response) |
//! | a problem as given, in exact numbers | [`problem`] |
//! | answers with their bounds, known mistakes | [`oracle`] |
//!
//! What builds on it has packages of its own: `pemdp-algorithms` (planning, ascent,
//! retraining, sampled estimates), `pemdp-optimum` (certified optima),
//! `pemdp-experiments` and `proofs-check` (the papers' claims).
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

// What only files need.
#![cfg_attr(not(feature = "json"), allow(dead_code))]

pub mod arithmetic;
pub mod best_response;
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
