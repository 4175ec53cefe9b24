//! The forms of the gradient that are sampled: what an episode adds to the
//! estimate. Proofs of what each one is in expectation:
//! `docs/theory/estimators.md`.

use super::{Deployed, EstimateError, Functional, Horizon, Step};
use pemdp::arithmetic::Field;

/// What an estimator makes of an episode.
pub trait Form<T: Field> {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Why its expectation is not the gradient even with an infinite horizon;
    /// `None` where it is.
    fn bias(&self) -> Option<&'static str>;

    /// The weights of the scores, for the steps of a deployed policy.
    ///
    /// # Errors
    /// [`EstimateError::Values`] for fitted values of another number of states.
    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError>;
}

/// The weights that an episode gives to the scores of its steps: step `k` with
/// entry `e` and pair `i` adds, times its discount,
///
/// ```text
/// policy[e] + policy_follows X      to d log pi(a_k|s_k)
/// transition[e] + transition_follows X   to d log P(s_{k+1}|s_k,a_k)
/// 1                                 to dr(s_k,a_k)
/// ```
///
/// where `X` is the discounted signal of the step after, `X_k = signal[i] +
/// carries X_{k+1}`: the return (`carries`), or what the next step alone says.
#[derive(Debug, Clone, PartialEq)]
pub struct StepWeights<T> {
    /// By entry.
    pub policy: Vec<T>,
    /// By entry.
    pub transition: Vec<T>,
    /// Whether the signal of the step after is added to the policy's weight.
    pub policy_follows: bool,
    /// Whether it is added to the transition's weight.
    pub transition_follows: bool,
    /// By pair; empty where nothing follows.
    pub signal: Vec<T>,
    /// Whether the signal sums over all later steps.
    pub carries: bool,
    /// Whether the policy and reward terms are discounted: only mistakes are not.
    pub discounts_policy: bool,
    /// Whether the transition term is.
    pub discounts_transition: bool,
}

impl<T: Field> StepWeights<T> {
    /// Weights that depend on the step alone.
    fn local(policy: Vec<T>, transition: Vec<T>) -> Self {
        Self {
            policy,
            transition,
            policy_follows: false,
            transition_follows: false,
            signal: Vec::new(),
            carries: false,
            discounts_policy: true,
            discounts_transition: true,
        }
    }

    /// Whether every term is discounted.
    pub fn is_discounted(&self) -> bool {
        self.discounts_policy && self.discounts_transition
    }

    /// Adds an episode to a functional. `discounts[k]` is the weight of step `k`.
    pub fn accumulate(
        &self,
        steps: &[Step],
        horizon: Horizon,
        gamma: &T,
        discounts: &[T],
        into: &mut Functional<T>,
    ) {
        let relative = horizon.discount(gamma);
        let mut later = T::zero();
        for (step, discount) in steps.iter().zip(discounts).rev() {
            let mut policy = self.policy[step.entry].clone();
            if self.policy_follows {
                policy += &later;
            }
            let mut transition = self.transition[step.entry].clone();
            if self.transition_follows {
                transition += &later;
            }
            into.policy[step.pair] += if self.discounts_policy { policy * discount } else { policy };
            into.transition[step.entry] +=
                if self.discounts_transition { transition * discount } else { transition };
            into.reward[step.pair] += if self.discounts_policy { discount.clone() } else { T::one() };
            if let Some(signal) = self.signal.get(step.pair) {
                let kept = if self.carries { later } else { T::zero() };
                later = (kept + signal) * &relative;
            }
        }
    }
}

/// The discounts of the steps of an episode: `gamma^k`, or all 1.
pub(super) fn extend_discounts<T: Field>(discounts: &mut Vec<T>, length: usize, relative: &T) {
    while discounts.len() < length {
        let next = discounts.last().map_or_else(T::one, |last| last.clone() * relative);
        discounts.push(next);
    }
}

fn check_values<'v, T: Field>(deployed: &Deployed<'_, T>, values: &'v [T]) -> Result<&'v [T], EstimateError> {
    let expected = deployed.n_states();
    if values.len() == expected {
        Ok(values)
    } else {
        Err(EstimateError::Values { seen: values.len(), expected })
    }
}

/// A vector over entries from `(state, pair, target)`.
fn by_entry<T: Field>(deployed: &Deployed<'_, T>, weight: impl Fn(usize, usize, usize) -> T) -> Vec<T> {
    let pairs = 0..deployed.n_pairs();
    pairs
        .flat_map(|pair| {
            let state = pair / deployed.n_actions();
            deployed.entries(pair).map(move |entry| (state, pair, entry))
        })
        .map(|(state, pair, entry)| weight(state, pair, deployed.target(entry)))
        .collect()
}

/// `r + gamma V(t) - V(s)` by entry, for any `V`.
fn temporal_differences<T: Field>(deployed: &Deployed<'_, T>, values: &[T]) -> Vec<T> {
    by_entry(deployed, |s, pair, t| values[t].clone() * deployed.gamma() - &values[s] + deployed.reward(pair))
}

fn advantages<T: Field>(deployed: &Deployed<'_, T>) -> Vec<T> {
    by_entry(deployed, |_, pair, _| deployed.advantage(pair).clone())
}

/// Score form: `A grad log pi + gamma V(s') grad log P + grad r`, `A` and `V`
/// exact. Unbiased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score;

impl<T: Field> Form<T> for Score {
    fn name(&self) -> &'static str {
        "score"
    }

    fn bias(&self) -> Option<&'static str> {
        None
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        let values = deployed.state_values();
        let next = by_entry(deployed, |_, _, t| values[t].clone() * deployed.gamma());
        Ok(StepWeights::local(advantages(deployed), next))
    }
}

/// Return form: `(G - b(s)) (grad log pi + grad log P) + grad r`, `G` the
/// episode's own return from the step on. Unbiased for every baseline that does
/// not depend on the episodes it is used on.
#[derive(Debug, Clone, PartialEq)]
pub struct Return<T> {
    /// What is subtracted.
    pub baseline: Baseline<T>,
}

/// `b(s)` of the return form.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline<T> {
    /// 0.
    None,
    /// `V`, exact.
    Exact,
    /// Values fitted to other episodes ([`Estimator::fit`](super::Estimator::fit)),
    /// or any function of the state.
    Fitted(Vec<T>),
}

impl<T: Field> Form<T> for Return<T> {
    fn name(&self) -> &'static str {
        match self.baseline {
            Baseline::None => "return",
            Baseline::Exact => "return-exact-baseline",
            Baseline::Fitted(_) => "return-fitted-baseline",
        }
    }

    fn bias(&self) -> Option<&'static str> {
        None
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        let rewards = || by_entry(deployed, |_, pair, _| deployed.reward(pair).clone());
        let less = |values: &[T]| by_entry(deployed, |s, pair, _| deployed.reward(pair).clone() - &values[s]);
        let own = match &self.baseline {
            Baseline::None => rewards(),
            Baseline::Exact => less(deployed.state_values()),
            Baseline::Fitted(values) => less(check_values(deployed, values)?),
        };
        Ok(StepWeights {
            policy_follows: true,
            transition_follows: true,
            signal: (0..deployed.n_pairs()).map(|pair| deployed.reward(pair).clone()).collect(),
            carries: true,
            ..StepWeights::local(own.clone(), own)
        })
    }
}

/// TD form: `delta (grad log pi + grad log P) + grad r`,
/// `delta = r + gamma V(s') - V(s)`. Unbiased with the exact `V` only.
#[derive(Debug, Clone, PartialEq)]
pub struct Td<T> {
    /// Values that are not exact; `None` for the exact ones.
    pub fitted: Option<Vec<T>>,
}

impl<T: Field> Form<T> for Td<T> {
    fn name(&self) -> &'static str {
        if self.fitted.is_none() { "td" } else { "td-fitted" }
    }

    fn bias(&self) -> Option<&'static str> {
        self.fitted.as_ref().map(|_| {
            "with values v in place of V each step's error is off by gamma (v - V)(s'), which correlates \
             with both scores"
        })
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        let values = match &self.fitted {
            Some(values) => check_values(deployed, values)?,
            None => deployed.state_values(),
        };
        let errors = temporal_differences(deployed, values);
        Ok(StepWeights::local(errors.clone(), errors))
    }
}

/// [PePG, T2] as printed (as transcribed, version 1):
/// `A (grad log pi + grad log P) + grad r`. Biased: the transition term is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printed;

impl<T: Field> Form<T> for Printed {
    fn name(&self) -> &'static str {
        "printed"
    }

    fn bias(&self) -> Option<&'static str> {
        Some("A(s,a) does not depend on s', so E[A grad log P | s,a] = 0: the transition term is lost")
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        Ok(StepWeights::local(advantages(deployed), advantages(deployed)))
    }
}

/// The score of the transition *into* a state with that state's advantage, as in
/// published code: mistake `transition-score-one-step-late`. Biased: the
/// transition term is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneStepLate;

impl<T: Field> Form<T> for OneStepLate {
    fn name(&self) -> &'static str {
        "one-step-late"
    }

    fn bias(&self) -> Option<&'static str> {
        Some(
            "sum_a pi(a|s') A(s',a) = 0, so E[A(s',a') grad log P(s'|s,a) | s,a,s'] = 0: the transition term is lost",
        )
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        let none = vec![T::zero(); deployed.n_entries()];
        Ok(StepWeights {
            transition_follows: true,
            signal: (0..deployed.n_pairs()).map(|pair| deployed.advantage(pair).clone()).collect(),
            ..StepWeights::local(advantages(deployed), none)
        })
    }
}

/// The TD form without `gamma^k`, in all terms (mistake `undiscounted-occupancy`)
/// or in the transition term (`transition-term-undiscounted`). Biased; defined on
/// a truncated horizon only, because a geometric one is the discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undiscounted {
    /// In all terms.
    Everywhere,
    /// In the transition term.
    Transition,
}

impl<T: Field> Form<T> for Undiscounted {
    fn name(&self) -> &'static str {
        match self {
            Self::Everywhere => "undiscounted",
            Self::Transition => "undiscounted-transition",
        }
    }

    fn bias(&self) -> Option<&'static str> {
        Some("without gamma^k the steps are weighted by undiscounted visits in place of d")
    }

    fn weights(&self, deployed: &Deployed<'_, T>) -> Result<StepWeights<T>, EstimateError> {
        let errors = temporal_differences(deployed, deployed.state_values());
        Ok(StepWeights {
            discounts_policy: *self == Self::Transition,
            discounts_transition: false,
            ..StepWeights::local(errors.clone(), errors)
        })
    }
}
