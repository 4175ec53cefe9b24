//! Answers: what the oracle prints.

use serde::Serialize;

use super::error::OracleError;
use super::precision;
use super::quantity::Quantity;
use crate::arithmetic::rounding::add_up;
use crate::arithmetic::{Ball, BigBall, Field, Fraction};
use crate::evaluate::Evaluation;
use crate::mdp::{Mdp, ModelError};
use crate::performative::{Performance, PerformanceError};
use crate::policy::Policy;
use crate::problem::{Arithmetic, Problem};
use crate::response::{Kink, ResponseError};

/// The format name of answers.
pub(super) const FORMAT: &str = "pemdp-answer/1";

/// What the error bounds bound the distance to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// The exact answer of the problem as given.
    Problem,
    /// The exact answer of the induced MDP, with the derivative of one choice where
    /// the response is not differentiable.
    InducedMdp,
}

impl Covers {
    /// The word in an answer.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::InducedMdp => "induced-mdp",
        }
    }
}

/// An answer in doubles (`Answer`) or fractions as strings (`ExactAnswer`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerOf<N> {
    /// Always `pemdp-answer/1`.
    pub format: &'static str,
    /// `J`, the performative value.
    pub value: N,
    /// `V[s]`.
    pub state_values: Vec<N>,
    /// `Q[s][a]`, null where it is infinite.
    pub action_values: Vec<Vec<Option<N>>>,
    /// `d[s][a]`, not normalised.
    pub occupancy: Vec<Vec<N>>,
    /// `dJ/dtheta`, null where it is infinite.
    pub gradient: Vec<Option<N>>,
    /// Its parts.
    pub gradient_terms: Terms<N>,
    /// How far each may be off.
    pub error_bounds: Bounds<N>,
    /// Whether the response is differentiable here.
    pub smooth: bool,
    /// Where it is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kink: Vec<KinkReport>,
}

/// The parts of a gradient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Terms<N> {
    /// `sum_s d[s] sum_a dpi(a|s) Q[s,a]`.
    pub policy: Vec<Option<N>>,
    /// `sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]`.
    pub transition: Vec<N>,
    /// `sum_{s,a} d[s,a] dr[s,a]`.
    pub reward: Vec<N>,
    /// `-lambda sum_s d[s] sum_a dpi(a|s)`.
    pub entropy: Vec<N>,
}

/// Error bounds: of the 1-norm for the occupancy, of the largest entry for all
/// else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bounds<N> {
    /// Of the value.
    pub value: N,
    /// Of the state values.
    pub state_values: N,
    /// Of the action values.
    pub action_values: N,
    /// Of the occupancy, in the 1-norm.
    pub occupancy: N,
    /// Of the gradient and of each of its terms.
    pub gradient: N,
    /// What they bound the distance to.
    pub covers: Covers,
}

/// A point where the response is not differentiable.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum KinkReport {
    /// A tie of a follower's best response.
    Tie {
        /// Which follower.
        follower: usize,
        /// In which state.
        state: usize,
        /// The tied actions.
        actions: Vec<usize>,
        /// The largest difference that the proof allows.
        gap: f64,
    },
    /// A reward on the boundary of its clip.
    Clip {
        /// `[s, a]`.
        clip: [usize; 2],
    },
    /// A minimum, maximum or absolute value in a formula at its corner.
    Corner {
        /// The path of the formula.
        formula: String,
    },
}

impl KinkReport {
    /// Where it is, in words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Tie { follower, state, actions, .. } => {
                format!("follower {follower} state {state} actions {actions:?}")
            }
            Self::Clip { clip } => format!("clip {clip:?}"),
            Self::Corner { formula } => format!("a corner of {formula}"),
        }
    }
}

impl From<&Kink> for KinkReport {
    fn from(kink: &Kink) -> Self {
        match kink {
            Kink::Tie { follower, state, actions, gap } => {
                Self::Tie { follower: *follower, state: *state, actions: actions.clone(), gap: *gap }
            }
            Kink::Clip { state, action } => Self::Clip { clip: [*state, *action] },
            Kink::Corner { formula } => Self::Corner { formula: formula.clone() },
        }
    }
}

/// An answer in doubles with proven error bounds.
pub type Answer = AnswerOf<f64>;

/// An answer in fractions, as strings in lowest terms.
pub type ExactAnswer = AnswerOf<String>;

fn table<N: Clone>(flat: &[N], width: usize) -> Vec<Vec<N>> {
    flat.chunks(width).map(<[N]>::to_vec).collect()
}

impl<N: Clone> AnswerOf<N> {
    /// The entries of a quantity, flat, the last index fastest; none where one is infinite.
    pub fn entries(&self, quantity: Quantity) -> Vec<Option<N>> {
        let all = |entries: &[N]| entries.iter().cloned().map(Some).collect();
        match quantity {
            Quantity::Value => vec![Some(self.value.clone())],
            Quantity::StateValues => all(&self.state_values),
            Quantity::ActionValues => self.action_values.concat(),
            Quantity::Occupancy => all(&self.occupancy.concat()),
            Quantity::Gradient => self.gradient.clone(),
            Quantity::PolicyTerm => self.gradient_terms.policy.clone(),
            Quantity::TransitionTerm => all(&self.gradient_terms.transition),
            Quantity::RewardTerm => all(&self.gradient_terms.reward),
            Quantity::EntropyTerm => all(&self.gradient_terms.entropy),
        }
    }

    /// The answer with every number converted.
    fn converted<T: Field>(
        performance: &Performance<'_, T>,
        convert: impl Fn(&T) -> N,
        bounds: Bounds<N>,
    ) -> Self {
        let evaluation = &performance.evaluation;
        let width = performance.mdp.n_actions();
        let all = |v: &[T]| v.iter().map(&convert).collect::<Vec<N>>();
        let optional = |v: &[Option<T>]| v.iter().map(|x| x.as_ref().map(&convert)).collect::<Vec<_>>();
        let terms = &performance.gradient;
        Self {
            format: FORMAT,
            value: convert(&evaluation.value),
            state_values: all(&evaluation.state_values),
            action_values: table(&optional(&evaluation.action_values), width),
            occupancy: table(&all(&evaluation.occupancy), width),
            gradient: optional(&terms.total()),
            gradient_terms: Terms {
                policy: optional(&terms.policy),
                transition: all(&terms.transition),
                reward: all(&terms.reward),
                entropy: all(&terms.entropy),
            },
            error_bounds: bounds,
            smooth: performance.kinks.is_empty(),
            kink: performance.kinks.iter().map(KinkReport::from).collect(),
        }
    }
}

impl<N> Bounds<N> {
    /// That of a quantity; terms have that of the gradient.
    pub fn of(&self, quantity: Quantity) -> &N {
        match quantity {
            Quantity::Value => &self.value,
            Quantity::StateValues => &self.state_values,
            Quantity::ActionValues => &self.action_values,
            Quantity::Occupancy => &self.occupancy,
            _ => &self.gradient,
        }
    }
}

impl<N: Clone> AnswerOf<N> {
    /// The answer of an evaluation that is taken for exact: every bound is `zero`.
    pub(super) fn taken_for_exact<T: Field>(
        performance: &Performance<'_, T>,
        convert: impl Fn(&T) -> N,
        zero: &N,
    ) -> Self {
        let bounds = Bounds {
            value: zero.clone(),
            state_values: zero.clone(),
            action_values: zero.clone(),
            occupancy: zero.clone(),
            gradient: zero.clone(),
            covers: Covers::Problem,
        };
        Self::converted(performance, convert, bounds)
    }
}

impl ExactAnswer {
    /// The answer of an exact evaluation.
    pub(super) fn new(performance: &Performance<'_, Fraction>) -> Self {
        Self::taken_for_exact(performance, |x| x.reduced().to_string(), &"0".to_owned())
    }
}

/// A ball whose nearest double is printed with a bound.
pub(super) trait Enclosed: Arithmetic {
    /// The double that is printed.
    fn midpoint(&self) -> f64;
    /// A bound of its distance to any member.
    fn error_bound(&self) -> f64;
    /// What a member is about where no double is near it.
    fn beyond_doubles(&self) -> Option<String>;
}

impl Enclosed for Ball {
    fn midpoint(&self) -> f64 {
        self.midpoint()
    }

    fn error_bound(&self) -> f64 {
        if self.is_finite() { self.error_bound() } else { f64::INFINITY }
    }

    /// A ball does not tell what is too large from what is not known.
    fn beyond_doubles(&self) -> Option<String> {
        None
    }
}

impl Enclosed for BigBall {
    fn midpoint(&self) -> f64 {
        self.midpoint()
    }

    fn error_bound(&self) -> f64 {
        self.error_bound()
    }

    fn beyond_doubles(&self) -> Option<String> {
        self.beyond_doubles()
    }
}

/// What is known from an evaluation in balls, and whether more digits would tell
/// much more.
pub(super) struct Attempt<A> {
    /// Midpoints, and their distances to the farthest members.
    pub answer: A,
    /// Where the response is not differentiable.
    pub kinks: Vec<KinkReport>,
    /// Whether the bounds are as small as doubles let them be, or far below the
    /// rounding of the numbers that the answer is made of.
    pub is_tight: bool,
}

/// What can be known of a problem in doubles with bounds.
pub(super) trait Known: Sized {
    /// Evaluates a problem in one arithmetic.
    ///
    /// # Errors
    /// [`OracleError::NotFinite`] names a number that has no double, or nothing is
    /// known of.
    fn attempt<T: Enclosed>(problem: &Problem) -> Result<Attempt<Self>, OracleError>;
}

/// The value of a policy alone, where the rest of its answer may be beyond doubles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundedValue {
    /// A double near the value.
    pub value: f64,
    /// A bound of its error.
    pub error_bound: f64,
}

impl Known for BoundedValue {
    fn attempt<T: Enclosed>(problem: &Problem) -> Result<Attempt<Self>, OracleError> {
        let (model, policy) = (problem.model::<T>()?, problem.deployed_policy::<T>()?);
        let deployment = model.deploy(&policy)?;
        let evaluation = deployment.evaluate(&model.entropy)?;
        let bounded = Bounded::new(Quantity::Value, &[Some(&evaluation.value)], 1)?;
        let (largest, horizon) = made_of(&deployment.mdp, &evaluation);
        Ok(Attempt {
            answer: Self { value: evaluation.value.midpoint(), error_bound: bounded.bound },
            kinks: deployment.kinks.iter().map(KinkReport::from).collect(),
            is_tight: bounded.is_tight(bounded.bound, (largest * horizon).min(f64::MAX)),
        })
    }
}

/// The largest reward, and the discounted number of steps.
fn made_of<T: Enclosed>(mdp: &Mdp<T>, evaluation: &Evaluation<T>) -> (f64, f64) {
    let pairs = (0..mdp.n_states()).flat_map(|s| (0..mdp.n_actions()).map(move |a| (s, a)));
    let rewards = pairs.map(|(s, a)| mdp.reward(s, a).approximate().abs());
    let horizon = evaluation.state_occupancy.iter().map(|d| d.approximate().abs()).sum::<f64>();
    (rewards.fold(0.0, f64::max), horizon.min(f64::MAX))
}

/// Bounds below this share of the largest entry are those of its rounding to a
/// double, or nearly.
const PRINTED: f64 = 1.0 / (1u64 << 50) as f64;
/// Bounds below this share of what an entry is made of are below its rounding in
/// doubles by eight digits, also where it is 0.
const NEGLIGIBLE: f64 = PRINTED / (1u64 << 30) as f64;

impl Known for Answer {
    fn attempt<T: Enclosed>(problem: &Problem) -> Result<Attempt<Self>, OracleError> {
        let (model, policy) = (problem.model::<T>()?, problem.deployed_policy::<T>()?);
        let performance = model.perform(&policy)?;
        let evaluation = &performance.evaluation;
        let total = performance.gradient.total();
        let width = performance.mdp.n_actions();
        let bounded = |quantity| Bounded::new(quantity, &entries(&performance, &total, quantity), width);
        let value = bounded(Quantity::Value)?;
        let state_values = bounded(Quantity::StateValues)?;
        let action_values = bounded(Quantity::ActionValues)?;
        let occupancy = bounded(Quantity::Occupancy)?;
        let terms = Quantity::TERMS.into_iter().map(bounded);
        let gradient = terms.fold(bounded(Quantity::Gradient), |all, term| Ok(all?.and(&term?)))?;

        // What values are made of: rewards over the horizon.
        let (reward, horizon) = made_of(&performance.mdp, evaluation);
        let made_of = (reward * horizon).max(state_values.largest).min(f64::MAX);
        let steps = |x: f64| (x * horizon).min(f64::MAX);
        let is_tight = value.is_tight(value.bound, made_of)
            && state_values.is_tight(state_values.bound, made_of)
            && action_values.is_tight(action_values.bound, made_of)
            && occupancy.is_tight(occupancy.sum, horizon)
            && gradient.is_tight(gradient.bound, steps(made_of.max(action_values.largest)));
        let bounds = Bounds {
            value: value.bound,
            state_values: state_values.bound,
            action_values: action_values.bound,
            occupancy: occupancy.sum,
            gradient: gradient.bound,
            covers: if performance.kinks.is_empty() { Covers::Problem } else { Covers::InducedMdp },
        };
        let answer = Answer::converted(&performance, T::midpoint, bounds);
        Ok(Attempt { kinks: answer.kink.clone(), answer, is_tight })
    }
}

/// The entries of a quantity, with the gradient that the terms add up to.
fn entries<'a, T: Field>(
    performance: &'a Performance<'_, T>,
    total: &'a [Option<T>],
    quantity: Quantity,
) -> Vec<Option<&'a T>> {
    fn all<T>(entries: &[T]) -> Vec<Option<&T>> {
        entries.iter().map(Some).collect()
    }
    fn optional<T>(entries: &[Option<T>]) -> Vec<Option<&T>> {
        entries.iter().map(Option::as_ref).collect()
    }
    let (evaluation, terms) = (&performance.evaluation, &performance.gradient);
    match quantity {
        Quantity::Value => vec![Some(&evaluation.value)],
        Quantity::StateValues => all(&evaluation.state_values),
        Quantity::ActionValues => optional(&evaluation.action_values),
        Quantity::Occupancy => all(&evaluation.occupancy),
        Quantity::Gradient => optional(total),
        Quantity::PolicyTerm => optional(&terms.policy),
        Quantity::TransitionTerm => all(&terms.transition),
        Quantity::RewardTerm => all(&terms.reward),
        Quantity::EntropyTerm => all(&terms.entropy),
    }
}

/// The bounds of a quantity.
struct Bounded {
    /// The largest bound of an entry.
    bound: f64,
    /// The sum of the bounds, rounded up.
    sum: f64,
    /// The largest absolute value of an entry.
    largest: f64,
    entries: usize,
}

impl Bounded {
    fn new<T: Enclosed>(
        quantity: Quantity,
        entries: &[Option<&T>],
        n_actions: usize,
    ) -> Result<Self, OracleError> {
        let mut result = Self { bound: 0.0, sum: 0.0, largest: 0.0, entries: entries.len() };
        for (i, entry) in entries.iter().enumerate() {
            let Some(ball) = entry else { continue };
            let (size, bound) = (ball.midpoint().abs(), ball.error_bound());
            if !(size.is_finite() && bound.is_finite()) {
                return Err(OracleError::NotFinite {
                    quantity,
                    index: quantity.index(i, n_actions),
                    about: ball.beyond_doubles(),
                });
            }
            result.bound = result.bound.max(bound);
            result.sum = add_up(result.sum, bound);
            result.largest = result.largest.max(size);
        }
        Ok(result)
    }

    /// Those of both.
    fn and(&self, other: &Self) -> Self {
        Self {
            bound: self.bound.max(other.bound),
            sum: add_up(self.sum, other.sum),
            largest: self.largest.max(other.largest),
            entries: self.entries + other.entries,
        }
    }

    /// Whether a bound is as small as it need be for entries made of numbers of a size.
    fn is_tight(&self, bound: f64, made_of: f64) -> bool {
        let subnormal = f64::from_bits(2 * self.entries as u64 + 2);
        bound <= (PRINTED * self.largest).max(NEGLIGIBLE * made_of).max(subnormal)
    }
}

/// Whether more digits would not make an answer of it.
fn is_refused(error: &OracleError) -> bool {
    matches!(error, OracleError::Performance(PerformanceError::Response(ResponseError::Undefined { .. })))
}

fn is_beyond_doubles(error: &OracleError) -> bool {
    matches!(error, OracleError::NotFinite { about: Some(_), .. })
}

impl Problem {
    /// `pi(a|s)` of this policy as the nearest doubles, `s A + a`.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn probabilities(&self) -> Result<Vec<f64>, ModelError> {
        let with = |bits: u64| BigBall::with_precision(bits, || self.deployed_policy::<BigBall>());
        let of = |policy: &Policy<BigBall>| -> Vec<(f64, f64)> {
            let states = 0..self.n_states();
            let all = states.flat_map(|s| (0..self.n_actions()).map(move |a| (s, a)));
            let ball = all.map(|(s, a)| policy.probability(s, a));
            ball.map(|ball| (ball.midpoint(), ball.error_bound())).collect()
        };
        let mut entries = Vec::new();
        for bits in precision::LADDER {
            entries = of(&with(bits)?);
            if entries.iter().all(|(p, error)| *error <= (f64::EPSILON * p).max(f64::MIN_POSITIVE)) {
                break;
            }
        }
        Ok(entries.into_iter().map(|(p, _)| p.clamp(0.0, 1.0)).collect())
    }

    /// The exact answer as doubles, each with an error bound that is a theorem
    /// (`docs/theory/bounds.md`): with about 32 digits, and with more where the
    /// bounds are not small then.
    ///
    /// # Errors
    /// [`OracleError`] where the problem has no finite answer.
    pub fn answer(&self) -> Result<Answer, OracleError> {
        self.known()
    }

    /// The value alone, likewise.
    ///
    /// # Errors
    /// [`OracleError`] where it is not finite.
    pub fn bounded_value(&self) -> Result<BoundedValue, OracleError> {
        self.known()
    }

    /// What is known with the digits that it takes.
    fn known<A: Known>(&self) -> Result<A, OracleError> {
        let cost = precision::Cost::of(self);
        let mut best = A::attempt::<Ball>(self);
        for bits in precision::LADDER {
            let is_decided = match &best {
                Ok(attempt) => attempt.is_tight && !self.has_open_kinks(&attempt.kinks, bits),
                Err(error) => is_beyond_doubles(error) || is_refused(error),
            };
            if is_decided || !cost.is_affordable(bits) {
                break;
            }
            let next = BigBall::with_precision(bits, || A::attempt::<BigBall>(self));
            // More digits lose what fewer have found only where it is no double.
            if next.as_ref().err().is_none_or(is_beyond_doubles) || best.is_err() {
                best = next;
            }
        }
        Ok(best?.answer)
    }

    /// Whether a kink may be one for want of digits only, of which there are fewer
    /// than `bits`.
    fn has_open_kinks(&self, kinks: &[KinkReport], bits: u64) -> bool {
        kinks.iter().any(|kink| match kink {
            KinkReport::Clip { clip: [s, a] } => {
                !self.environment().has_exact_kink(self.policy(), *s, *a, self.given())
            }
            // Exact ties stay ties, others end: probabilities are 1e-300 and more, if not 0.
            KinkReport::Tie { .. } | KinkReport::Corner { .. } => bits <= precision::TIES,
        })
    }

    /// The exact answer as fractions.
    ///
    /// # Errors
    /// [`OracleError::NotRational`] where there is none.
    pub fn exact_answer(&self) -> Result<ExactAnswer, OracleError> {
        let (model, policy) = self.rational_parts()?;
        Ok(ExactAnswer::new(&model.perform(&policy)?))
    }
}

#[cfg(test)]
mod tests;
