//! What is known of an environment's dependence on the policy.

use std::borrow::Cow;
use std::fmt::Debug;

use num_traits::Zero;

use super::{ExplicitSpec, ExponentialFamilySpec, FixedSpec, Given, GridworldSpec};
use crate::arithmetic::Rational;
use crate::mdp::ModelError;

/// What is known of an environment's dependence on the policy: what bounds and closed
/// forms can start from. Whoever asks goes by this, never by the environment's name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Structure<'a> {
    /// `P` and `r` do not respond.
    Fixed(Cow<'a, FixedSpec>),
    /// `P` and `r` are affine in the probabilities of the policy.
    Affine(&'a dyn AffineStructure),
    /// Each row of `P` and entry of `r` depends on its own parameter `theta[s,a]`, as in
    /// an exponential family.
    LocalFamily(Cow<'a, ExponentialFamilySpec>),
    /// One state and two actions of the same reward `c0 + c1 p + c2 p^2`, with
    /// `p = pi(0)`.
    Quadratic([Rational; 3]),
    /// `P` and `r` are functions of the probabilities of the policy, known by the response;
    /// rows sum to 1 for every policy.
    OfProbabilities {
        /// Whether anything depends on the choice in a state, for each.
        matters: Vec<bool>,
    },
    /// Followers override the moves on a grid.
    Followers(Cow<'a, GridworldSpec>),
    /// `P`, `r` and their derivatives are known at the given parameters only.
    Point(Cow<'a, ExplicitSpec>),
    /// Nothing is known.
    Opaque,
}

/// An environment that is affine in the probabilities of the policy.
pub trait AffineStructure: Debug {
    /// Its numbers.
    ///
    /// # Errors
    /// [`ModelError`] for parts that do not fit, which checked data never have.
    fn parts(&self, given: Given<'_>) -> Result<AffineParts, ModelError>;

    /// A bound of `|r(s,a)|` over all policies.
    fn largest_reward(&self) -> Rational;
}

impl AffineParts {
    /// Whether any slope is not 0.
    pub fn responds(&self) -> bool {
        let transitions = self.transition_slopes.iter().map(|(_, m)| m);
        transitions.chain(self.reward_slopes.iter().map(|(_, n)| n)).any(|slope| !slope.is_zero())
    }
}

/// The numbers of an affine environment.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineParts {
    /// The constant part of `P`, `[s,a,t]`.
    pub transitions: Vec<Rational>,
    /// `([s, a, t, s2, a2], m)` adds `m pi(a2|s2)` to `P(t|s,a)`.
    pub transition_slopes: Vec<([usize; 5], Rational)>,
    /// The constant part of `r`, `[s,a]`.
    pub rewards: Vec<Rational>,
    /// `([s, a, s2, a2], n)` adds `n pi(a2|s2)` to `r(s,a)`.
    pub reward_slopes: Vec<([usize; 4], Rational)>,
}
