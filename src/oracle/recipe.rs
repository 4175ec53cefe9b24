//! How an answer is computed, choice by choice: the truth by default, and what mistakes
//! change. Formulas: `docs/mistakes.md`.

use crate::environments::gridworld::Terminal;

/// The choices that make an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Recipe {
    /// Which environment is evaluated.
    pub environment: Environment,
    /// Where the entropy bonus counts.
    pub entropy: Entropy,
    /// How values are solved for.
    pub values: Values,
    /// What `Q[s,a]` has of the next state.
    pub bootstrap: Bootstrap,
    /// Where the first step is taken.
    pub start: Start,
    /// What stands for `d[s]`.
    pub visits: Visits,
    /// What stands for it in the transition term, where that is something else.
    pub transition_visits: Option<Visits>,
    /// What multiplies the slopes of `P[s,a,t]` after the visits.
    pub next: Next,
    /// What multiplies the slopes of `r[s,a]`.
    pub reward_weights: RewardWeights,
    /// Whether each step has the values of the steps that are left.
    pub steps_left: bool,
    /// Whether followers' values stay fixed when their response is differentiated.
    pub frozen: bool,
    /// Whether rows respond to the policy in their own state only.
    pub own_state: bool,
    /// What multiplies the slopes of `pi(a|s)` after the visits.
    pub weights: Weights,
    /// The derivative of the policy.
    pub jacobian: Jacobian,
    /// What multiplies each term.
    pub factors: [Factor; 4],
    /// The same of the whole gradient, of the occupancy, of the values.
    pub gradient: Factor,
    pub occupancy: Factor,
    pub all_values: Factor,
    /// Which occupancy is printed.
    pub printed: Printed,
    /// In which order entries are printed.
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Environment {
    #[default]
    Own,
    /// The one that the policy deployed before induced.
    Previous,
    /// The rewards that it induced.
    PreviousRewards,
    /// The transitions that it induced.
    PreviousTransitions,
    /// Terminal states are not terminal.
    WithoutEnd,
    /// A terminal state is never left and pays at every step.
    EndPaysForEver,
    /// The same without entropy.
    EndPaysRewardForEver,
    /// The entropy bonus is paid in a terminal state, too.
    EndPaysEntropy,
    /// It is paid there at every step for ever, the reward once.
    EndPaysEntropyForEver,
    /// A terminal state is never left and pays the bonus at every step, and no reward.
    EndPaysOnlyEntropy,
    /// Followers' values by sweeps that stop at a change below `10^-k`.
    FollowersSwept(u8),
    /// With other rules for the gridworld's terminal state, for the learner and for followers.
    Terminal(Terminal, Terminal),
    /// With a response of twice the strength.
    Twice,
    /// `P[t,a,s]` in place of `P[s,a,t]`.
    Transposed,
    /// The same in what is solved for, not in the derivative.
    TransposedSolves,
    /// States that are never left pay nothing.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Entropy {
    /// In every step.
    #[default]
    Whole,
    Forgotten,
    Negated,
    /// In the current step, not in the values of later states.
    CurrentStep,
    /// In the values of later states, not in the current step.
    LaterSteps,
    /// In every step but in states that are never left.
    UntilAbsorbed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Values {
    #[default]
    Solved,
    /// So many sweeps of `V <- r + gamma P V` from 0.
    Swept(usize),
    /// The same with each state's new value in use at once, in order.
    SweptInPlace(usize),
    /// Sweeps until the largest change is below `10^-k`.
    SweptTo(u8),
    /// As many sweeps as those of the occupancy until its largest change is below `10^-k`.
    SweptAsVisits(u8),
    /// `(I - gamma P^T)^{-1} r`.
    Transposed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Bootstrap {
    /// `gamma sum_t P[s,a,t] V[t]`.
    #[default]
    Next,
    /// `sum_t P[s,a,t] V[t]`.
    Undiscounted,
    /// `gamma V[s]`.
    OwnState,
    /// Nothing.
    Nothing,
}

impl Values {
    /// How many sweeps, and whether in place.
    pub fn sweeps(self) -> Option<(usize, bool)> {
        match self {
            Self::Swept(sweeps) => Some((sweeps, false)),
            Self::SweptInPlace(sweeps) => Some((sweeps, true)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Start {
    #[default]
    Given,
    Uniform,
    /// `rho P_pi`.
    OneStepLate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Visits {
    #[default]
    Discounted,
    /// `sum_k Pr(s_k = s)`; of an irreducible chain the stationary distribution over
    /// `1 - gamma`.
    Undiscounted,
    /// The same where only states with a response of transitions have to be transient.
    UndiscountedResponding,
    /// The stationary distribution over `1 - gamma`, of one class of several states.
    Stationary,
    /// `sum_k Pr(s_k = s)` of the states that are left at some time; 0 of others.
    BeforeAbsorption,
    /// Of the first steps, so many.
    Truncated(usize),
    /// Sweeps `d <- rho + gamma P^T d` from 0 until the largest change of an entry is below `10^-k`.
    SweptTo(u8, Entry),
    /// Of all steps but the first.
    AfterTheFirst,
    /// `(I - gamma P)^{-1} rho`.
    Transposed,
    /// 1 for each state.
    EachOnce,
    /// `1/S` for each state.
    Alike,
}

/// What is looked at of an occupancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// `d[s]`.
    State,
    /// `d[s,a]` in states that are left at some time.
    Pair,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Next {
    /// `gamma V[t]`.
    #[default]
    Discounted,
    /// `V[t]`.
    Undiscounted,
    /// `A[s,a]`.
    OfThisStep,
    /// `gamma sum_b pi(b|t) A[t,b]`.
    OfNextState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum RewardWeights {
    /// `d[s,a]`.
    #[default]
    Pairs,
    /// `d[s]`.
    States,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Weights {
    /// `Q[s,a]`.
    #[default]
    ActionValues,
    /// `A[s,a]` less its mean over its standard deviation, both over `d[s,a]`.
    Standardised,
    /// The same over all pairs alike.
    StandardisedUniformly,
    /// The same with one pair fewer in the denominator of the variance.
    StandardisedSample,
    /// `A[s,a]`.
    Advantages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Jacobian {
    #[default]
    Exact,
    /// `dpi(a|s)/dtheta[s,b] = pi(a|s) 1[a=b]` in the policy term.
    Diagonal,
    /// The same wherever `pi` is differentiated.
    DiagonalThroughout,
    /// With a factor `pi(a|s)` more.
    Squared,
    /// The gradient with respect to the probabilities.
    Probabilities,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Printed {
    /// That of the gradient.
    #[default]
    Own,
    /// The right one.
    Exact,
    /// Without the rows of states that are never left.
    WithoutAbsorbing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Order {
    /// `s A + a`.
    #[default]
    StateMajor,
    /// `a S + s`.
    ActionMajor,
}

impl Environment {
    /// The one whose values and visits these are.
    pub fn of_solves(self) -> Self {
        if self == Self::TransposedSolves { Self::Transposed } else { self }
    }
}

/// A factor that is named, so that two of them can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Factor {
    #[default]
    One,
    Zero,
    Minus,
    /// `gamma`.
    Gamma,
    /// `1/gamma`.
    OverGamma,
    /// `1 - gamma`.
    Normalised,
    /// `1/(1 - gamma)`.
    Horizon,
    /// `1/S`.
    OverStates,
    /// `1/A`.
    OverActions,
    /// `1/(S A)`.
    OverPairs,
    /// One over the expected number of steps before a state that is never left.
    OverSteps,
    /// The same with the visit of a terminal state.
    OverVisits,
}

impl Recipe {
    /// The choices of both, where no choice is changed by both.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let truth = Self::default();
        macro_rules! both {
            ($($field:ident),+) => {
                Self { $($field: one(&self.$field, &other.$field, &truth.$field)?,)+ factors: {
                    let mut factors = truth.factors;
                    for (i, factor) in factors.iter_mut().enumerate() {
                        *factor = one(&self.factors[i], &other.factors[i], &truth.factors[i])?;
                    }
                    factors
                } }
            };
        }
        Some(both!(
            environment,
            entropy,
            values,
            bootstrap,
            start,
            visits,
            transition_visits,
            next,
            reward_weights,
            steps_left,
            frozen,
            own_state,
            weights,
            jacobian,
            gradient,
            occupancy,
            all_values,
            printed,
            order
        ))
    }

    /// Whether sweeps go on to a change of their own.
    pub fn is_swept(&self) -> bool {
        matches!(self.values, Values::SweptTo(_) | Values::SweptAsVisits(_))
    }

    /// How many sweeps or steps it takes, where that is a choice.
    pub fn count(&self) -> Option<usize> {
        match (self.values.sweeps(), self.visits) {
            (Some((n, _)), _) | (_, Visits::Truncated(n)) => Some(n),
            _ => None,
        }
    }
}

/// Which of two choices is not the right one; none where both are not.
fn one<T: PartialEq + Copy>(a: &T, b: &T, truth: &T) -> Option<T> {
    if a == truth {
        Some(*b)
    } else if b == truth {
        Some(*a)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_joined_unless_both_change_one() {
        let descent = Recipe { gradient: Factor::Minus, ..Recipe::default() };
        let forgotten = Recipe { entropy: Entropy::Forgotten, ..Recipe::default() };
        let both = Recipe { gradient: Factor::Minus, entropy: Entropy::Forgotten, ..Recipe::default() };
        assert_eq!(descent.and(&forgotten), Some(both));
        assert_eq!(descent.and(&Recipe { gradient: Factor::Normalised, ..Recipe::default() }), None);
        let term = |i: usize, factor| {
            let mut factors = [Factor::One; 4];
            factors[i] = factor;
            Recipe { factors, ..Recipe::default() }
        };
        assert_eq!(term(0, Factor::Zero).and(&term(2, Factor::Minus)).unwrap().factors[2], Factor::Minus);
        assert_eq!(term(0, Factor::Zero).and(&term(0, Factor::Zero)), None);
    }
}
