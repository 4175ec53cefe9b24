//! Two policies of one family.

use pemdp::arithmetic::{Field, Rational};
use pemdp::mdp::Mdp;
use pemdp::policy::Policy;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::case::Case;
use crate::family::{self, Family};

/// A family and the weights of another policy that could be deployed in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The family with the policy `theta`.
    pub family: Family,
    /// The weights of the other policy.
    pub other: Vec<Rational>,
}

/// A policy with the MDP that it induces.
pub struct World<T> {
    /// The induced MDP.
    pub mdp: Mdp<T>,
    /// The policy.
    pub policy: Policy<T>,
}

impl<T: Field> World<T> {
    /// What deploying the policy of a family makes.
    #[allow(clippy::expect_used)] // families are valid MDPs by construction
    pub fn of(family: &Family) -> Self {
        let (problem, policy) = (family.problem::<T>(), family.policy::<T>());
        let induced = problem.response.induce(&policy).expect("families respond to weights");
        let mdp = Mdp::new(induced.kernel, induced.rewards, problem.initial.clone(), problem.gamma.clone());
        let mdp = mdp.expect("families are MDPs");
        Self { mdp, policy: policy.clone() }
    }
}

impl Pair {
    /// The family with the other policy deployed.
    pub fn swapped(&self) -> Family {
        Family { weights: self.other.clone(), ..self.family.clone() }
    }
}

impl Case for Pair {
    fn corners() -> Vec<Self> {
        let pair = |family: Family| {
            let other = family.weights.iter().rev().map(|w| w + Rational::from_integer(1.into())).collect();
            Self { family, other }
        };
        family::corners().into_iter().map(pair).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let family = Family::random(rng, size);
        loop {
            let other = Family::random(rng, size);
            if other.weights.len() >= family.weights.len() {
                let other = other.weights[..family.weights.len()].to_vec();
                return Self { family, other };
            }
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        let mut x: Vec<f64> = self.other.iter().map(|w| w.approximate().ln()).collect();
        x.extend(self.family.coordinates());
        x
    }

    fn moved(&self, x: &[f64]) -> Self {
        let (other, family) = x.split_at(self.other.len());
        // The coordinates of a family begin with its weights.
        Self { family: self.family.moved(family), other: self.swapped().moved(other).weights }
    }

    fn simpler(&self) -> Vec<Self> {
        let of_family = self.family.simpler().into_iter();
        let of_family = of_family.map(|family| Self { family, other: self.other.clone() });
        let of_other = self.swapped().simpler().into_iter().filter(|f| f.weights != self.other);
        of_family.chain(of_other.map(|f| Self { family: self.family.clone(), other: f.weights })).collect()
    }

    fn to_json(&self) -> Value {
        json!({"problem": self.family.to_json(), "other": self.swapped().to_json()})
    }
}
