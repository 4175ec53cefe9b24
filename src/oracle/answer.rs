//! Answers: what the oracle prints.

use serde::Serialize;

use super::{OracleError, Problem};
use crate::arithmetic::{Ball, Fraction};
use crate::oracle::problem::EnvironmentSpec;
use crate::performative::Performance;
use crate::response::Kink;

/// The format name of answers.
pub(super) const FORMAT: &str = "pemdp-answer/1";

/// What the error bounds bound the distance to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// The exact answer of the problem as given.
    Problem,
    /// The exact answer of the induced MDP, with the followers' best responses
    /// that were chosen at a tie.
    InducedMdp,
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
}

impl From<&Kink> for KinkReport {
    fn from(kink: &Kink) -> Self {
        match kink {
            Kink::Tie { follower, state, actions, gap } => {
                Self::Tie { follower: *follower, state: *state, actions: actions.clone(), gap: *gap }
            }
            Kink::Clip { state, action } => Self::Clip { clip: [*state, *action] },
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
    /// The answer with every number converted.
    fn converted<T: crate::arithmetic::Field>(
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

impl ExactAnswer {
    /// The answer of an exact evaluation.
    pub(super) fn new(performance: &Performance<'_, Fraction>) -> Self {
        let zero = || "0".to_owned();
        let bounds = Bounds {
            value: zero(),
            state_values: zero(),
            action_values: zero(),
            occupancy: zero(),
            gradient: zero(),
            covers: Covers::Problem,
        };
        Self::converted(performance, |x| x.reduced().to_string(), bounds)
    }
}

impl Answer {
    /// The answer of an evaluation in balls: midpoints and their distances to
    /// the farthest members.
    pub(super) fn enclosed(
        problem: &Problem,
        performance: &Performance<'_, Ball>,
    ) -> Result<Self, OracleError> {
        let evaluation = &performance.evaluation;
        let terms = &performance.gradient;
        let total = terms.total();
        let gradient = (total.iter().chain(&terms.policy).flatten())
            .chain(&terms.transition)
            .chain(&terms.reward)
            .chain(&terms.entropy);
        let is_gridworld = matches!(problem.environment, EnvironmentSpec::Gridworld { .. });
        let undecided = is_gridworld && !performance.kinks.is_empty();
        let bounds = Bounds {
            value: largest("value", [&evaluation.value])?,
            state_values: largest("state_values", &evaluation.state_values)?,
            action_values: largest("action_values", evaluation.action_values.iter().flatten())?,
            occupancy: sum("occupancy", &evaluation.occupancy)?,
            gradient: largest("gradient", gradient)?,
            covers: if undecided { Covers::InducedMdp } else { Covers::Problem },
        };
        Ok(Self::converted(performance, Ball::midpoint, bounds))
    }
}

/// The error bound of a ball whose double is to be printed.
fn bound(quantity: &'static str, ball: &Ball) -> Result<f64, OracleError> {
    let bound = ball.error_bound();
    if ball.is_finite() && bound.is_finite() { Ok(bound) } else { Err(OracleError::NotFinite { quantity }) }
}

/// The largest error bound.
fn largest<'a>(
    quantity: &'static str,
    balls: impl IntoIterator<Item = &'a Ball>,
) -> Result<f64, OracleError> {
    balls.into_iter().try_fold(0.0, |largest, ball| Ok(bound(quantity, ball)?.max(largest)))
}

/// The sum of the error bounds, rounded up.
fn sum<'a>(quantity: &'static str, balls: impl IntoIterator<Item = &'a Ball>) -> Result<f64, OracleError> {
    let add = |sum, ball| Ok(crate::arithmetic::rounding::add_up(sum, bound(quantity, ball)?));
    balls.into_iter().try_fold(0.0, add)
}
