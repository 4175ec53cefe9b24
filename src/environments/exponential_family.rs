//! Transitions from an exponential family in the policy's parameters.

mod rational;

use std::borrow::Cow;
use std::cell::OnceCell;

use num_traits::{Signed, Zero};

#[cfg(feature = "json")]
use super::next_rewards::Rewards;
use super::next_rewards::WithNextRewards;
pub use rational::RationalFamily;

use super::{Given, Specification, Structure, Work};
use crate::arithmetic::{Field, Rational, Transcendental};
use crate::linear::{Rows, Size};
use crate::mdp::{Kernel, ModelError};
use crate::policy::{Policy, PolicySpec, shifted_exponentials};
use crate::problem::checker::{Checked, Checker};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift, shown_rational};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::{
    Cotangent, Induced, Kink, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError,
    check_shape,
};

/// `P(t|s,a)` proportional to `h[s,a,t] exp(psi[t] theta[s,a])`, and
/// `r(s,a) = base[s,a] + slope theta[s,a]`, clipped.
///
/// Needs a policy with one parameter for each state and action: softmax, or
/// weights with `theta = log w`. `dP(t|s,a)/dtheta[s,a] = P(t|s,a) (psi[t] - E psi)`.
#[derive(Debug, Clone)]
pub struct ExponentialFamily<T> {
    shape: (usize, usize),
    psi: Vec<T>,
    base: BaseMeasure<T>,
    reward: ClippedReward<T>,
}

/// The measure `h[s,a,t]` at `(s A + a) S + t`; its support never changes.
#[derive(Debug, Clone)]
pub enum BaseMeasure<T> {
    /// `log h`, `None` where `h = 0`.
    Logits(Vec<Option<T>>),
    /// `h >= 0`.
    Weights(Vec<T>),
}

/// `r(s,a) = base[s,a] + slope theta[s,a]`, clipped to `[-clip, clip]`.
#[derive(Debug, Clone)]
pub struct ClippedReward<T> {
    /// `base[s,a]` at `s A + a`.
    pub base: Vec<T>,
    /// The slope.
    pub slope: T,
    /// The clip; none where `None`. Where it is active the derivative is 0.
    pub clip: Option<T>,
}

impl<T: Transcendental> ExponentialFamily<T> {
    /// An exponential family of `psi[t]` over a base measure.
    ///
    /// # Errors
    /// [`ModelError`] for shapes that do not fit.
    pub fn new(
        n_actions: usize,
        psi: Vec<T>,
        base: BaseMeasure<T>,
        reward: ClippedReward<T>,
    ) -> Result<Self, ModelError> {
        let shape = (psi.len(), n_actions);
        let n_base = match &base {
            BaseMeasure::Logits(base) => base.len(),
            BaseMeasure::Weights(base) => base.len(),
        };
        check_family(shape, n_base, reward.base.len())?;
        Ok(Self { shape, psi, base, reward })
    }

    /// `log h[s,a,t] + psi[t] theta` over the support of row `i`.
    fn logits(&self, i: usize, theta: &T) -> Vec<(usize, T)> {
        let n = self.psi.len();
        let logit = |t: usize| match &self.base {
            BaseMeasure::Logits(base) => base[i * n + t].clone(),
            BaseMeasure::Weights(base) => {
                let h = &base[i * n + t];
                (!h.is_zero()).then(|| h.ln())
            }
        };
        (0..n).filter_map(|t| Some((t, logit(t)? + self.psi[t].clone() * theta))).collect()
    }
}

fn check_family(shape: (usize, usize), n_base: usize, n_rewards: usize) -> Result<(), ModelError> {
    let rows = shape.0 * shape.1;
    for (what, seen, expected) in [("h", n_base, rows * shape.0), ("r", n_rewards, rows)] {
        if seen != expected {
            return Err(ModelError::Shape { what, seen, expected });
        }
    }
    Ok(())
}

impl<T: Transcendental> Response<T> for ExponentialFamily<T> {
    fn n_states(&self) -> usize {
        self.shape.0
    }

    fn n_actions(&self) -> usize {
        self.shape.1
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        if !(policy.is_normalised_by_construction() && policy.features().is_none()) {
            return Err(no_local_parameters(policy, self.shape));
        }
        let theta = policy.parameters();
        let rows = theta.iter().enumerate().map(|(i, theta)| {
            let logits = self.logits(i, theta);
            let (_, weights, total) = shifted_exponentials(logits.iter().map(|(_, x)| x));
            let targets = logits.into_iter().map(|(t, _)| t);
            targets.zip(weights.into_iter().map(|w| w / &total)).collect::<Vec<_>>()
        });
        let kernel = Kernel::new(self.shape.0, self.shape.1, Rows::sparse(self.shape.0, rows)?)?;
        let (rewards, slopes, kinks) = self.reward.at(&theta, self.shape.1);
        let pullback = TiltPullback::new(kernel.clone(), &self.psi, slopes);
        Ok(Induced { kernel, rewards, kinks, pullback: Box::new(pullback) })
    }

    fn responds(&self, state: usize) -> Responds {
        let zero = T::zero();
        let support = |i: usize| self.logits(i, &zero).into_iter().map(|(t, _)| t).collect::<Vec<_>>();
        let rows = state * self.shape.1..(state + 1) * self.shape.1;
        responds(rows, support, &self.psi, &self.reward.slope)
    }
}

impl<T: Field> ClippedReward<T> {
    /// Rewards, their derivatives, and where they are not differentiable.
    fn at(&self, theta: &[T], n_actions: usize) -> (Vec<T>, Vec<T>, Vec<Kink>) {
        let mut rewards = Vec::with_capacity(theta.len());
        let mut slopes = vec![self.slope.clone(); theta.len()];
        let mut kinks = Vec::new();
        for (i, theta) in theta.iter().enumerate() {
            let reward = self.base[i].clone() + self.slope.clone() * theta;
            let Some(clip) = &self.clip else {
                rewards.push(reward);
                continue;
            };
            if clip.is_zero() {
                // All is clipped to 0, so nothing is lost at the boundary.
                (rewards, slopes) = (vec![T::zero(); self.base.len()], vec![T::zero(); self.base.len()]);
                break;
            }
            // How far the reward is inside each end of the clip.
            let (below, above) = (clip.clone() - &reward, clip.clone() + &reward);
            if below.certainly_positive() && above.certainly_positive() {
                rewards.push(reward);
                continue;
            }
            if !below.certainly_negative() && !above.certainly_negative() {
                if !self.slope.is_zero() {
                    kinks.push(Kink::Clip { state: i / n_actions, action: i % n_actions });
                }
                // On the boundary to within the arithmetic: the clipped reward lies
                // between the reward and the boundary.
                let undecided = [&below, &above].into_iter().filter(|gap| !gap.certainly_positive());
                let slack = undecided.map(T::magnitude).fold(0.0, Size::larger);
                rewards.push(reward.widened(slack));
            } else {
                rewards.push(if below.certainly_negative() { clip.clone() } else { -clip.clone() });
            }
            slopes[i] = T::zero();
        }
        (rewards, slopes, kinks)
    }
}

fn no_local_parameters<T: Field>(policy: &Policy<T>, shape: (usize, usize)) -> ResponseError {
    ResponseError::Parameters {
        seen: policy.n_parameters(),
        expected: shape.0 * shape.1,
        why: "an exponential family needs a softmax or weights policy",
    }
}

/// A row responds where `psi` is not constant on its support.
fn responds<T: Field>(
    rows: std::ops::Range<usize>,
    support: impl Fn(usize) -> Vec<usize>,
    psi: &[T],
    slope: &T,
) -> Responds {
    let varies = |i: usize| support(i).windows(2).any(|pair| psi[pair[0]] != psi[pair[1]]);
    Responds { transitions: rows.into_iter().any(varies), rewards: !slope.is_zero() }
}

/// `dP(t|s,a)/dtheta[s,a] = P(t|s,a) (psi[t] - E psi)` and `dr(s,a)/dtheta[s,a]`.
struct TiltPullback<'a, T> {
    kernel: Kernel<T>,
    psi: &'a [T],
    /// Of the transitions, when they are asked for.
    tilts: OnceCell<Rows<T>>,
    /// Of the rewards.
    slopes: Vec<T>,
}

impl<'a, T: Field> TiltPullback<'a, T> {
    fn new(kernel: Kernel<T>, psi: &'a [T], slopes: Vec<T>) -> Self {
        Self { kernel, psi, tilts: OnceCell::new(), slopes }
    }

    /// `(psi[t] - E psi) P(t|s,a)`, row `s A + a`.
    fn tilts(&self) -> &Rows<T> {
        self.tilts.get_or_init(|| {
            let rows = self.kernel.rows();
            let means: Vec<T> = (0..rows.len())
                .map(|i| rows.row(i).fold(T::zero(), |sum, (t, p)| sum + p.clone() * &self.psi[t]))
                .collect();
            rows.map_entries(|i, t, p| (self.psi[t].clone() - &means[i]) * p)
        })
    }
}

impl<T: Field> Pullback<T> for TiltPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let tilts = self.tilts();
        let tilt = |i: usize| cotangent.sum_of_row(i, tilts.row(i));
        let reward = |i: usize| cotangent.reward[i].clone() * &self.slopes[i];
        let n = self.slopes.len();
        PulledBack {
            transition: PolicyCotangent::Parameters((0..n).map(tilt).collect()),
            reward: PolicyCotangent::Parameters((0..n).map(reward).collect()),
        }
    }
}

/// An exponential family as given.
#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialFamilySpec {
    /// The features of the next states, `[t]`.
    pub psi: Vec<Numeral>,
    /// The transitions at parameters 0.
    pub base: Base,
    /// The rewards at parameters 0, `[s,a]`.
    pub reward_base: Vec<Numeral>,
    /// Rewards of the next state beside them, `[s,a,t]`; none where it is empty.
    pub next_rewards: Vec<Numeral>,
    /// The derivative of the rewards where they are not clipped.
    pub slope: Numeral,
    /// Rewards are clipped to \[-clip, clip\].
    pub clip: Option<Numeral>,
}

/// The transitions of an exponential family at parameters 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// Logarithms of weights, `[s,a,t]`; no list means all 0, and no entry means
    /// a transition that cannot happen.
    Logits(Option<Vec<Option<Numeral>>>),
    /// Weights, `[s,a,t]`, at least one of each row positive.
    Weights(Vec<Numeral>),
}

/// The largest `psi` to which a weight is raised exactly.
const LARGEST_EXPONENT: f64 = 10_000.0;

/// Logits whose size is below this lose less than `1e-13` of their differences in doubles.
const LARGE_LOGIT: f64 = 1024.0;

const LOGITS: &str = "environment.base_logits";
const WEIGHTS: &str = "environment.base_weights";

/// The keys of `reward`.
const REWARD: &[Key] = &[
    Key::required("base", Form::REWARDS, "`base[s][a]` (or `[s][a][t]`, without a clip)"),
    Key::optional("slope", Form::NUMBER, "slope of the logit (default 0)"),
    Key::optional(
        "clip",
        Form::OrNull(&Form::NOT_NEGATIVE),
        "largest absolute value, or `null` (default) for none",
    ),
];

impl Specification for ExponentialFamilySpec {
    const KIND: &'static str = "exponential-family";
    const KEYS: &'static [Key] = &[
        Key::required("psi", Form::NUMBERS, "`psi[t]`"),
        Key::optional(
            "base_logits",
            Form::Pairs(&Form::Array(&Form::OrNull(&Form::NUMBER))),
            "`base_logits[s][a][t]` (default 0, `null` for a transition that cannot happen)",
        ),
        Key::optional(
            "base_weights",
            Form::Pairs(&Form::Array(&Form::NOT_NEGATIVE)),
            "**or** `base_weights[s][a][t]` $\\ge0$, a positive entry in each row",
        )
        .excluding(&["base_logits"]),
        Key::required(
            "reward",
            Form::Object(REWARD),
            "`reward`: `base[s][a]` (or `[s][a][t]`, without a clip), `slope` (default 0), `clip` (number, or `null`, \
             the default)",
        ),
    ];
    const NOTES: &'static str = "policy `softmax` or `weights`; reward base + slope·θ, clipped to [−clip, clip], derivative 0 where \
         the clip is active";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let psi = reader.numerals(&fields.required("psi")?, &[reader.states()])?;
        let base = match (fields.optional("base_logits"), fields.optional("base_weights")) {
            (Some(_), Some(weights)) => {
                return Err(weights.error("stands beside base_logits, expected at most one of them"));
            }
            (None, Some(weights)) => Base::Weights(reader.kernel(&weights)?),
            (Some(logits), None) => {
                let shape = [reader.states(), reader.actions(), reader.states()];
                Base::Logits(Some(reader.filled(&logits, &shape, &None, &|entry| {
                    (!entry.is_null()).then(|| entry.numeral(reader.reading)).transpose()
                })?))
            }
            (None, None) => Base::Logits(None),
        };
        let reward_node = fields.required("reward")?;
        let reward = reward_node.fields()?;
        reward.only(REWARD)?;
        let (reward_base, next_rewards) = match Rewards::read(&reward.required("base")?, reader)? {
            Rewards::OfPairs(base) => (base, Vec::new()),
            Rewards::OfNextStates(next) => {
                (vec![Numeral::ZERO; reader.n_states() * reader.n_actions()], next)
            }
        };
        let slope = match reward.optional("slope") {
            Some(node) => node.numeral(reader.reading)?,
            None => Numeral::ZERO,
        };
        let clip = match reward.optional("clip").filter(|node| !node.is_null()) {
            Some(node) => Some(node.numeral(reader.reading)?),
            None => None,
        };
        if let (Some(node), false) =
            (reward.optional("clip").filter(|node| !node.is_null()), next_rewards.is_empty())
        {
            return Err(node.unexpected("null where rewards have a next state"));
        }
        Ok(Self { psi, base, reward_base, next_rewards, slope, clip })
    }

    fn write(&self, given: Given<'_>, file: &mut Writer) {
        let (n, width) = (given.n_states, given.n_actions);
        file.array("psi", &[n], &self.psi);
        match &self.base {
            Base::Logits(None) => {
                file.array("base_logits", &[n, width, n], &vec![Numeral::ZERO; n * width * n])
            }
            Base::Logits(Some(logits)) => file.optional_array("base_logits", &[n, width, n], logits),
            Base::Weights(weights) => file.array("base_weights", &[n, width, n], weights),
        }
        file.nested("reward", |file| {
            if self.next_rewards.is_empty() {
                file.array("base", &[n, width], &self.reward_base);
            } else {
                let base = self.reward_base.iter().flat_map(|base| std::iter::repeat_n(base, n));
                let whole =
                    base.zip(&self.next_rewards).map(|(base, next)| (base.exact() + next.exact()).into());
                file.array("base", &[n, width, n], &whole.collect::<Vec<Numeral>>());
            }
            file.number("slope", &self.slope);
            file.optional("clip", self.clip.as_ref());
        });
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        if !checker.policy().is_local {
            let expected = "\"softmax\" or \"weights\" for the environment exponential-family";
            let problem = format!("is \"{}\", expected {expected}", checker.policy().kind);
            return Err(InputError::new("policy.kind", problem));
        }
        let (n, width) = (checker.n_states(), checker.n_actions());
        checker.numbers("environment.psi", &self.psi, &[n])?;
        let row = |path: &str, i: usize| format!("{path}[{}][{}]", i / width, i % width);
        match &self.base {
            Base::Logits(None) => {}
            Base::Logits(Some(logits)) => {
                checker.each(LOGITS, logits, &[n, width, n], |index, x| match x {
                    Some(x) => checker.number(LOGITS, index, x),
                    None => Ok(()),
                })?;
                let mut rows = logits.chunks(n).enumerate().filter(|(i, _)| checker.is_used(*i));
                if let Some((i, _)) = rows.find(|(_, row)| row.iter().all(Option::is_none)) {
                    let problem = "has only null entries, expected at least one number";
                    return Err(InputError::new(row(LOGITS, i), problem));
                }
            }
            Base::Weights(weights) => {
                checker.each(WEIGHTS, weights, &[n, width, n], |index, x| {
                    checker.at_least_zero(WEIGHTS, index, x)
                })?;
                let mut rows = weights.chunks(n).enumerate().filter(|(i, _)| checker.is_used(*i));
                if let Some((i, _)) = rows.find(|(_, row)| row.iter().all(Numeral::is_zero)) {
                    let problem = "has only zero entries, expected at least one positive weight";
                    return Err(InputError::new(row(WEIGHTS, i), problem));
                }
            }
        }
        checker.table("environment.reward.base", &self.reward_base)?;
        if !self.next_rewards.is_empty() {
            checker.numbers("environment.reward.base", &self.next_rewards, &[n, width, n])?;
        }
        checker.number("environment.reward.slope", &[], &self.slope)?;
        match &self.clip {
            Some(clip) => checker.at_least_zero("environment.reward.clip", &[], clip),
            None => Ok(()),
        }
    }

    /// The family over weights with integer `psi`.
    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        if self.not_rational().is_some() {
            return Ok(None);
        }
        let base = match &*self.base_of(given) {
            Base::Logits(_) => vec![T::one(); given.n_states * given.n_actions * given.n_states],
            Base::Weights(weights) => lift(weights),
        };
        let psi = self.psi.iter().map(|psi| psi.approximate() as i64).collect();
        let clip = self.clip.as_ref().map(Numeral::lift);
        let rewards = lift(&self.reward_base);
        let family = RationalFamily::clipped(given.n_actions, psi, base, rewards, clip)?;
        Ok(Some(self.with_next(Box::new(family), given)))
    }

    fn response<T: Transcendental>(&self, given: Given<'_>) -> Result<Box<dyn Response<T>>, ModelError> {
        let n = given.n_states;
        let base = match &*self.base_of(given) {
            Base::Logits(None) => BaseMeasure::Logits(vec![Some(T::zero()); n * given.n_actions * n]),
            Base::Logits(Some(logits)) => {
                let rows = logits.chunks(n).flat_map(relative_logits);
                BaseMeasure::Logits(rows.map(|x| x.as_ref().map(Numeral::lift)).collect())
            }
            Base::Weights(weights) => {
                let rows = weights.chunks(n).flat_map(relative_weights);
                BaseMeasure::Weights(rows.map(|x| x.lift()).collect())
            }
        };
        let reward = ClippedReward {
            base: lift(&self.reward_base),
            slope: self.slope.lift(),
            clip: self.clip.as_ref().map(Numeral::lift),
        };
        let family = ExponentialFamily::new(given.n_actions, lift(&self.psi), base, reward)?;
        Ok(self.with_next(Box::new(family), given))
    }

    fn not_rational(&self) -> Option<(String, String)> {
        let rational = |x: &Numeral| {
            let in_range = x.compare(LARGEST_EXPONENT).is_le() && x.compare(-LARGEST_EXPONENT).is_ge();
            x.is_integer() && in_range
        };
        if let Some(t) = self.psi.iter().position(|x| !rational(x)) {
            let seen = shown_rational(&self.psi[t].exact(), 0);
            let reason = format!("{seen} is not rational here, expected an integer from -10000 to 10000");
            return Some((format!("environment.psi[{t}]"), reason));
        }
        if let Base::Logits(Some(_)) = self.base {
            return Some((LOGITS.to_owned(), "is not rational, expected base_weights".to_owned()));
        }
        let reason = "is not rational with weights, whose parameters are logarithms, expected 0";
        (!self.slope.is_zero()).then(|| ("environment.reward.slope".to_owned(), reason.to_owned()))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        if self.next_rewards.is_empty() {
            Structure::LocalFamily(Cow::Borrowed(self))
        } else {
            Structure::Opaque
        }
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut scaled = self.clone();
        let rewards = scaled.reward_base.iter_mut().chain(&mut scaled.next_rewards);
        rewards.chain([&mut scaled.slope]).for_each(|r| *r = r.times(factor));
        // From -clip to clip, whatever the sign of the factor.
        scaled.clip.iter_mut().for_each(|clip| *clip = clip.times(&factor.abs()));
        Some(scaled)
    }

    fn responding_twice(&self) -> Option<Self> {
        let psi = self.psi.iter().map(Numeral::doubled).collect();
        Some(Self { psi, slope: self.slope.doubled(), ..self.clone() })
    }

    fn work(&self, given: Given<'_>) -> Work {
        let (n, width) = (given.n_states as f64, given.n_actions as f64);
        Work { systems: 1.0, exponentials: n * width * n }
    }

    /// Whether the reward is exactly at an end of its clip.
    fn has_exact_kink(&self, policy: &PolicySpec, state: usize, action: usize, given: Given<'_>) -> bool {
        let Some(clip) = &self.clip else { return false };
        let i = state * given.n_actions + action;
        let Some(theta) = policy.exact_logit(i) else { return false };
        let reward = self.reward_base[i].exact() + self.slope.exact() * theta;
        reward == clip.exact() || reward == -clip.exact()
    }
}

impl ExponentialFamilySpec {
    fn with_next<T: Field>(&self, family: Box<dyn Response<T>>, given: Given<'_>) -> Box<dyn Response<T>> {
        if self.next_rewards.is_empty() {
            return family;
        }
        let mut rewards = lift(&self.next_rewards);
        // Nothing comes after a terminal state.
        for (pair, row) in rewards.chunks_mut(given.n_states).enumerate() {
            if !given.actions.is_used(pair, given.n_actions) {
                row.fill(T::zero());
            }
        }
        Box::new(WithNextRewards::new(family, rewards))
    }

    /// The base with rows of some kernel where none is read.
    fn base_of(&self, given: Given<'_>) -> Cow<'_, Base> {
        let (n, width) = (given.n_states, given.n_actions);
        let unused = given.actions.unused(n, width);
        let mut base = Cow::Borrowed(&self.base);
        for pair in (0..unused.len()).filter(|&pair| unused[pair]) {
            let row = pair * n..(pair + 1) * n;
            match base.to_mut() {
                Base::Logits(None) => {}
                Base::Logits(Some(logits)) => logits[row].fill(Some(Numeral::ZERO)),
                Base::Weights(weights) => weights[row].fill(Numeral::from(1.0)),
            }
        }
        base
    }
}

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

#[cfg(test)]
mod tests;
