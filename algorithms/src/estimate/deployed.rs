//! A deployed policy laid out for episodes.

use super::EstimateError;
use pemdp::arithmetic::Field;
use pemdp::evaluate::entropy_bonus;
use pemdp::linear::{Rows, ShapeError};
use pemdp::performative::Performance;
use pemdp::policy::Policy;
use pemdp::response::{Cotangent, TransitionCotangent};

/// A policy in the environment that it induces, with what sampling and
/// enumerating its episodes needs: the transitions of positive probability by
/// number, and `r[s,a] - lambda log pi(a|s)`.
///
/// A *pair* is the flat index `s A + a`; an *entry* is the number of a
/// transition `(s, a, t)` with `P[s,a,t] > 0`, in that order.
pub struct Deployed<'a, T: Field> {
    performance: &'a Performance<'a, T>,
    policy: &'a Policy<T>,
    /// Reward of a pair, with entropy; 0 where the pair has probability 0.
    rewards: Vec<T>,
    /// Advantage of a pair; 0 where the pair has probability 0.
    advantages: Vec<T>,
    /// The entries of pair `i` are `offsets[i]..offsets[i + 1]`.
    offsets: Vec<usize>,
    targets: Vec<usize>,
    probabilities: Vec<T>,
}

impl<'a, T: Field> Deployed<'a, T> {
    /// `performance` is that of `policy` with entropy weight `entropy`.
    ///
    /// # Errors
    /// [`EstimateError::Unconstrained`] for a policy whose parameters are its
    /// probabilities: baselines change those gradients, because
    /// `sum_a dpi(a|s)` is not 0.
    pub fn new(
        performance: &'a Performance<'a, T>,
        policy: &'a Policy<T>,
        entropy: &T,
    ) -> Result<Self, EstimateError> {
        if !policy.is_normalised_by_construction() {
            return Err(EstimateError::Unconstrained);
        }
        let (mdp, evaluation) = (&performance.mdp, &performance.evaluation);
        let n_actions = mdp.n_actions();
        let (mut rewards, mut advantages) = (Vec::new(), Vec::new());
        let (mut offsets, mut targets, mut probabilities) = (vec![0], Vec::new(), Vec::new());
        for i in 0..mdp.n_states() * n_actions {
            let (s, a) = (i / n_actions, i % n_actions);
            let taken = policy.probability(s, a).certainly_positive();
            let bonus = entropy_bonus(mdp.kernel(), policy, entropy, s, a).filter(|_| taken);
            rewards.push(bonus.map_or_else(T::zero, |bonus| bonus + mdp.reward(s, a)));
            advantages.push(evaluation.advantage(s, a).filter(|_| taken).unwrap_or_else(T::zero));
            for (t, p) in mdp.kernel().row(s, a).filter(|(_, p)| p.certainly_positive()) {
                targets.push(t);
                probabilities.push(p.clone());
            }
            offsets.push(targets.len());
        }
        Ok(Self { performance, policy, rewards, advantages, offsets, targets, probabilities })
    }

    /// The policy's performance, exact.
    pub fn performance(&self) -> &Performance<'a, T> {
        self.performance
    }

    /// The policy.
    pub fn policy(&self) -> &Policy<T> {
        self.policy
    }

    /// The discount factor.
    pub fn gamma(&self) -> &T {
        self.performance.mdp.gamma()
    }

    /// `V[s]`, exact.
    pub fn state_values(&self) -> &[T] {
        &self.performance.evaluation.state_values
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.policy.n_states()
    }

    /// Number of actions A.
    pub fn n_actions(&self) -> usize {
        self.policy.n_actions()
    }

    /// Number of state-action pairs.
    pub fn n_pairs(&self) -> usize {
        self.rewards.len()
    }

    /// Number of transitions of positive probability.
    pub fn n_entries(&self) -> usize {
        self.targets.len()
    }

    /// `r[s,a] - lambda log pi(a|s)` of a pair.
    pub fn reward(&self, pair: usize) -> &T {
        &self.rewards[pair]
    }

    /// `A[s,a]` of a pair, exact.
    pub fn advantage(&self, pair: usize) -> &T {
        &self.advantages[pair]
    }

    /// `pi(a|s)` of a pair.
    pub fn action_probability(&self, pair: usize) -> &T {
        self.policy.probability(pair / self.n_actions(), pair % self.n_actions())
    }

    /// The entries of a pair.
    pub fn entries(&self, pair: usize) -> std::ops::Range<usize> {
        self.offsets[pair]..self.offsets[pair + 1]
    }

    /// Where an entry leads.
    pub fn target(&self, entry: usize) -> usize {
        self.targets[entry]
    }

    /// `P[s,a,t]` of an entry.
    pub fn probability(&self, entry: usize) -> &T {
        &self.probabilities[entry]
    }

    /// `sum_i weight(i) d log pi + sum_e weight(e) d log P + sum_i weight(i) dr`,
    /// by term: one pullback for any number of episodes.
    ///
    /// # Errors
    /// [`ShapeError`] where the pullback does not give a cotangent for each
    /// probability or parameter.
    pub fn pull(&self, functional: &Functional<T>) -> Result<EstimatedTerms<T>, ShapeError> {
        let over = |weight: &T, probability: &T| {
            if weight.is_zero() { T::zero() } else { weight.clone() / probability }
        };
        let of_policy: Vec<T> = functional
            .policy
            .iter()
            .enumerate()
            .map(|(pair, weight)| over(weight, self.action_probability(pair)))
            .collect();
        let row = |pair| {
            self.entries(pair)
                .map(|e| (self.targets[e], over(&functional.transition[e], &self.probabilities[e])))
        };
        let of_transitions = Rows::sparse(self.n_states(), (0..self.n_pairs()).map(row))?;
        let pulled = self.performance.pullback.pull(&Cotangent {
            transition: TransitionCotangent::Stored(&of_transitions),
            reward: &functional.reward,
        });
        Ok(EstimatedTerms {
            policy: self.policy.pullback(&of_policy)?,
            transition: pulled.transition.to_parameters(self.policy)?,
            reward: pulled.reward.to_parameters(self.policy)?,
        })
    }
}

/// A linear functional of the scores and of `dr`: what episodes add up, and
/// what becomes a gradient by one pullback.
#[derive(Debug, Clone, PartialEq)]
pub struct Functional<T> {
    /// Of `d log pi(a|s)`, by pair.
    pub policy: Vec<T>,
    /// Of `d log P(t|s,a)`, by entry.
    pub transition: Vec<T>,
    /// Of `dr(s,a)`, by pair.
    pub reward: Vec<T>,
}

impl<T: Field> Functional<T> {
    /// The functional that is 0.
    pub fn zero(deployed: &Deployed<'_, T>) -> Self {
        let zeros = |n| vec![T::zero(); n];
        let (pairs, entries) = (deployed.n_pairs(), deployed.n_entries());
        Self { policy: zeros(pairs), transition: zeros(entries), reward: zeros(pairs) }
    }
}

/// A gradient estimate by term, each of the length of the parameters. The terms
/// are those of the scores that they came through.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatedTerms<T> {
    /// Through `d log pi`.
    pub policy: Vec<T>,
    /// Through `d log P`.
    pub transition: Vec<T>,
    /// Through `dr`.
    pub reward: Vec<T>,
}

impl<T: Field> EstimatedTerms<T> {
    /// The sum of the terms.
    pub fn total(&self) -> Vec<T> {
        let rest = self.transition.iter().zip(&self.reward);
        self.policy.iter().zip(rest).map(|(p, (t, r))| p.clone() + t + r).collect()
    }
}
