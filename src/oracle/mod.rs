//! The reference oracle: problems in, exact answers with proven bounds out, and
//! other people's answers held against them.
//!
//! Formats: `docs/oracle.md`.

mod answer;
pub mod examples;
mod json;
mod mistakes;
mod numeral;
mod precision;
mod problem;
mod verify;

use num_traits::Zero;
use thiserror::Error;

use crate::arithmetic::{Ball, BigBall, Field, Rational, Transcendental};
use crate::environments::{
    Affine, BaseMeasure, ClippedReward, Coin, Explicit, ExponentialFamily, Gridworld, Loan, RationalFamily,
    gridworld,
};
use crate::linear::Rows;
use crate::mdp::{Kernel, ModelError};
use crate::performative::{PerformanceError, PerformativeMdp};
use crate::policy::Policy;
use crate::response::Response;

use answer::Known;
pub use answer::{Answer, AnswerOf, BoundedValue, Bounds, Covers, ExactAnswer, KinkReport, Terms};
pub use json::InputError;
pub use mistakes::{KNOWN_MISTAKES, Mistake, Mistaken, mistaken_answers};
pub use numeral::{Numeral, Reading, exact_sum};
pub use problem::{Base, EnvironmentSpec, Followers, PolicySpec, Problem};
pub use verify::{Claimed, Difference, Entry, Tolerance, Verdict, verify};

/// Why a problem has no answer.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OracleError {
    /// The input is not a valid problem or answer.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The problem cannot be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
    /// The model is not one.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A number of the answer is beyond doubles, or nothing could be proven of it.
    #[error("{}", not_finite(quantity, index, about))]
    NotFinite {
        /// Which quantity.
        quantity: &'static str,
        /// Which entry.
        index: Vec<usize>,
        /// What it is about where it is beyond doubles.
        about: Option<String>,
    },
    /// The problem is not rational, and an exact answer was asked for.
    #[error("{path}: {reason}")]
    NotRational {
        /// Where.
        path: String,
        /// What is not rational, and what was expected.
        reason: String,
    },
}

fn not_finite(quantity: &str, index: &[usize], about: &Option<String>) -> String {
    let index: String = index.iter().map(|i| format!("[{i}]")).collect();
    match about {
        Some(size) => {
            format!("{quantity}{index} of the answer is about {size}, expected within the range of doubles")
        }
        None => format!(
            "{quantity}{index} of the answer could not be bounded with the digits that are affordable"
        ),
    }
}

/// Logits whose size is below this lose less than `1e-13` of their differences in doubles.
const LARGE_LOGIT: f64 = 1024.0;

/// A row of base logits; where they are large less the largest, exactly, which changes
/// no probability.
fn relative_logits(row: &[Option<Numeral>]) -> Vec<Option<Numeral>> {
    let known = || row.iter().flatten();
    if known().all(|x| x.approximate().abs() < LARGE_LOGIT) {
        return row.to_vec();
    }
    let largest = known().map(Numeral::exact).max().unwrap_or_default();
    row.iter().map(|x| x.as_ref().map(|x| Numeral::from(x.exact() - &largest))).collect()
}

/// A row of base weights; where the largest is near the ends of doubles over a power of
/// two near it, exactly, which changes no probability.
fn relative_weights(row: &[Numeral]) -> Vec<Numeral> {
    let size = row.iter().map(Numeral::approximate).fold(0.0, f64::max);
    if (1e-200..1e200).contains(&size) {
        return row.to_vec();
    }
    let Some(largest) = row.iter().map(Numeral::exact).max().filter(|x| !x.is_zero()) else {
        return row.to_vec();
    };
    let twos = largest.numer().bits() as i32 - largest.denom().bits() as i32;
    let scale = Rational::from_integer(2.into()).pow(-twos);
    row.iter().map(|x| Numeral::from(x.exact() * &scale)).collect()
}

fn lift<T: Field>(numerals: &[Numeral]) -> Vec<T> {
    numerals.iter().map(Numeral::lift).collect()
}

fn lift_indexed<T: Field, const N: usize>(entries: &[([usize; N], Numeral)]) -> Vec<([usize; N], T)> {
    entries.iter().map(|(index, numeral)| (*index, numeral.lift())).collect()
}

/// The same for entries that may be repeated, which add up: exactly, since they may
/// cancel.
fn lift_sums<T: Field, const N: usize>(entries: &[([usize; N], Numeral)]) -> Vec<([usize; N], T)> {
    let mut sorted: Vec<&([usize; N], Numeral)> = entries.iter().collect();
    sorted.sort_by_key(|(index, _)| *index);
    let sum = |group: &[&([usize; N], Numeral)]| match group {
        [(index, numeral)] => (*index, numeral.lift()),
        _ => {
            let terms = group.iter().map(|(_, numeral)| numeral.exact()).collect();
            (group[0].0, T::from_rational(&exact_sum(terms).reduced()))
        }
    };
    sorted.chunk_by(|a, b| a.0 == b.0).map(sum).collect()
}

fn is_beyond_doubles(error: &OracleError) -> bool {
    matches!(error, OracleError::NotFinite { about: Some(_), .. })
}

impl Problem {
    /// The environment where it takes only the four operations; `None` for
    /// those that need exponentials.
    fn rational_environment<T: Field>(&self) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let rows = |transitions: &[Numeral]| {
            Ok::<_, ModelError>(Rows::dense(n_states, lift(transitions))?.compact())
        };
        let kernel = |transitions: &[Numeral]| Kernel::new(n_states, n_actions, rows(transitions)?);
        Ok(Some(match &self.environment {
            EnvironmentSpec::Fixed { transitions, rewards } => {
                Box::new(Explicit::fixed(kernel(transitions)?, lift(rewards))?)
            }
            EnvironmentSpec::Explicit { transitions, rewards, transition_jacobian, reward_jacobian } => {
                Box::new(Explicit::new(
                    kernel(transitions)?,
                    lift(rewards),
                    lift_indexed(transition_jacobian),
                    lift_indexed(reward_jacobian),
                )?)
            }
            EnvironmentSpec::Affine { transitions, transition_slopes, rewards, reward_slopes } => {
                Box::new(Affine::new(
                    n_states,
                    n_actions,
                    rows(transitions)?,
                    lift(rewards),
                    lift_sums(transition_slopes),
                    lift_sums(reward_slopes),
                )?)
            }
            EnvironmentSpec::Coin { mu, epsilon } => {
                Box::new(Coin { mu: mu.lift(), epsilon: epsilon.lift() })
            }
            EnvironmentSpec::Loan { .. } => {
                Box::new(self.loan().ok_or(ModelError::Empty { what: "loan" })?.to_affine()?)
            }
            EnvironmentSpec::ExponentialFamily { .. } | EnvironmentSpec::Gridworld { .. } => return Ok(None),
        }))
    }

    fn loan<T: Field>(&self) -> Option<Loan<T>> {
        let EnvironmentSpec::Loan { form, q0, c, gain, loss } = &self.environment else { return None };
        Some(Loan { form: *form, q0: q0.lift(), c: c.lift(), gain: gain.lift(), loss: loss.lift() })
    }

    fn environment<T: Transcendental>(&self) -> Result<Box<dyn Response<T>>, ModelError> {
        if let Some(environment) = self.rational_environment()? {
            return Ok(environment);
        }
        match &self.environment {
            EnvironmentSpec::ExponentialFamily { psi, base, reward_base, slope, clip } => {
                let n = self.n_states() * self.n_actions() * self.n_states();
                let base = match base {
                    Base::Logits(None) => BaseMeasure::Logits(vec![Some(T::zero()); n]),
                    Base::Logits(Some(logits)) => {
                        let rows = logits.chunks(self.n_states()).flat_map(relative_logits);
                        BaseMeasure::Logits(rows.map(|x| x.as_ref().map(Numeral::lift)).collect())
                    }
                    Base::Weights(weights) => {
                        let rows = weights.chunks(self.n_states()).flat_map(relative_weights);
                        BaseMeasure::Weights(rows.map(|x| x.lift()).collect())
                    }
                };
                let reward = ClippedReward {
                    base: lift(reward_base),
                    slope: slope.lift(),
                    clip: clip.as_ref().map(Numeral::lift),
                };
                Ok(Box::new(ExponentialFamily::new(self.n_actions(), lift(psi), base, reward)?))
            }
            _ => Ok(Box::new(self.gridworld()?.ok_or(ModelError::Empty { what: "gridworld" })?)),
        }
    }

    /// The gridworld, where this is one.
    pub fn gridworld<T: Transcendental>(&self) -> Result<Option<Gridworld<T>>, ModelError> {
        let EnvironmentSpec::Gridworld { beta, followers } = &self.environment else { return Ok(None) };
        let (beta, gamma) = (beta.lift(), self.gamma.lift());
        let world = match followers {
            Followers::Given(grids) => {
                let grid = |cells: &Vec<Numeral>| {
                    let (seen, expected) = (cells.len(), gridworld::N_STATES);
                    let lifted: Vec<T> = lift(cells);
                    lifted.try_into().map_err(|_| ModelError::Shape { what: "grid", seen, expected })
                };
                Gridworld::with_grids(beta, gamma, grids.iter().map(grid).collect::<Result<_, _>>()?)
            }
            Followers::Seeded { eps, count } => {
                // Draws are doubles: they are at most eps where they are at most this one.
                let eps = eps.round_down();
                let grid = |seed| gridworld::perturbed_grid(eps, seed);
                Gridworld::new(beta, gamma, (0..*count as u32).map(grid).collect())
            }
        };
        world.map(Some)
    }

    /// The family over weights with integer `psi`, for exact arithmetic.
    fn rational_family<T: Field>(&self) -> Result<Option<RationalFamily<T>>, ModelError> {
        let EnvironmentSpec::ExponentialFamily { psi, base, reward_base, slope: _, clip } = &self.environment
        else {
            return Ok(None);
        };
        let n = self.n_states() * self.n_actions() * self.n_states();
        let base = match base {
            Base::Logits(_) => vec![T::one(); n],
            Base::Weights(weights) => lift(weights),
        };
        let psi = psi.iter().map(|psi| psi.approximate() as i64).collect();
        let clip = clip.as_ref().map(Numeral::lift);
        RationalFamily::clipped(self.n_actions(), psi, base, lift(reward_base), clip).map(Some)
    }

    /// What does not respond, around an environment.
    fn around<T: Field>(&self, response: Box<dyn Response<T>>) -> PerformativeMdp<T> {
        let initial = match &self.initial {
            Some(initial) => lift(initial),
            None => match self.loan() {
                Some(loan) => loan.initial(),
                None => gridworld::initial(),
            },
        };
        PerformativeMdp { response, initial, gamma: self.gamma.lift(), entropy: self.entropy.lift() }
    }

    /// The performative MDP of this problem in any arithmetic with
    /// exponentials.
    ///
    /// # Errors
    /// [`ModelError`] where the parts do not fit, which a problem that was read
    /// never has.
    pub fn model<T: Transcendental>(&self) -> Result<PerformativeMdp<T>, ModelError> {
        Ok(self.around(self.environment()?))
    }

    /// The policy of this problem, with the logarithms that its entropy needs.
    ///
    /// # Errors
    /// As [`Problem::model`].
    pub fn deployed_policy<T: Transcendental>(&self) -> Result<Policy<T>, ModelError> {
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let policy = match &self.policy {
            PolicySpec::Softmax { logits } => Policy::softmax(n_states, n_actions, lift(logits))?,
            PolicySpec::LogLinear { features, theta } => {
                Policy::log_linear(n_states, n_actions, lift(features), lift(theta))?
            }
            PolicySpec::Weights { values } => Policy::weights(n_states, n_actions, lift(values))?,
            PolicySpec::Probabilities { values } => Policy::probabilities(n_states, n_actions, lift(values))?,
        };
        Ok(if self.entropy.is_zero() { policy } else { policy.with_logarithms() })
    }

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

    /// The performative MDP and the policy in exact fractions.
    ///
    /// # Errors
    /// [`OracleError::NotRational`] names what is not rational.
    pub fn rational_model(&self) -> Result<(PerformativeMdp<Rational>, Policy<Rational>), OracleError> {
        self.rational_parts()
    }

    /// The same in any arithmetic.
    fn rational_parts<T: Field>(&self) -> Result<(PerformativeMdp<T>, Policy<T>), OracleError> {
        if let Some((path, reason)) = self.not_rational() {
            return Err(OracleError::NotRational { path, reason });
        }
        let (n_states, n_actions) = (self.n_states(), self.n_actions());
        let policy = match &self.policy {
            PolicySpec::Weights { values } => Policy::weights(n_states, n_actions, lift(values))?,
            PolicySpec::Probabilities { values } => Policy::probabilities(n_states, n_actions, lift(values))?,
            _ => {
                let reason = "expected weights or probabilities".to_owned();
                return Err(OracleError::NotRational { path: "policy.kind".to_owned(), reason });
            }
        };
        let response = match self.rational_family()? {
            Some(family) => Box::new(family),
            None => self.rational_environment()?.ok_or_else(|| OracleError::NotRational {
                path: "environment.kind".to_owned(),
                reason: "expected an environment without exponentials".to_owned(),
            })?,
        };
        Ok((self.around(response), policy))
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
        let mut best = A::attempt::<Ball>(self);
        for bits in precision::LADDER {
            let is_decided = match &best {
                Ok(attempt) => attempt.is_tight && !self.has_open_kinks(&attempt.kinks, bits),
                Err(error) => is_beyond_doubles(error),
            };
            if is_decided || !precision::is_affordable(self, bits) {
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
            KinkReport::Clip { clip } => !self.is_on_its_clip(*clip),
            // Exact ties stay ties, others end: probabilities are 1e-300 and more, if not 0.
            KinkReport::Tie { .. } => bits <= precision::LADDER[1],
        })
    }

    /// Whether the reward of a state and action is exactly at an end of its clip. With
    /// `weights` the parameter is a logarithm, which is rational at `w = 1` only.
    fn is_on_its_clip(&self, [state, action]: [usize; 2]) -> bool {
        let EnvironmentSpec::ExponentialFamily { reward_base, slope, clip: Some(clip), .. } =
            &self.environment
        else {
            return false;
        };
        let i = state * self.n_actions() + action;
        let theta = match &self.policy {
            PolicySpec::Softmax { logits } => logits[i].exact(),
            PolicySpec::Weights { values } if values[i] == Numeral::from(1.0) => Numeral::ZERO.exact(),
            _ => return false,
        };
        let reward = reward_base[i].exact() + slope.exact() * theta;
        reward == clip.exact() || reward == -clip.exact()
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
