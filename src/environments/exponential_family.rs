//! Transitions from an exponential family in the policy's parameters.

use crate::arithmetic::{Field, Transcendental};
use crate::linear::{Rows, Size};
use crate::mdp::{Kernel, ModelError};
use crate::policy::{Parametrisation, Policy, shifted_exponentials};
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
        let theta: Vec<T> = match policy.parametrisation() {
            Parametrisation::Softmax { logits } => logits.clone(),
            Parametrisation::Weights { values } => values.iter().map(T::ln).collect(),
            _ => return Err(no_local_parameters(policy, self.shape)),
        };
        let rows = theta.iter().enumerate().map(|(i, theta)| {
            let logits = self.logits(i, theta);
            let (_, weights, total) = shifted_exponentials(logits.iter().map(|(_, x)| x));
            let targets = logits.into_iter().map(|(t, _)| t);
            targets.zip(weights.into_iter().map(|w| w / &total)).collect::<Vec<_>>()
        });
        let kernel = Kernel::new(self.shape.0, self.shape.1, Rows::sparse(self.shape.0, rows)?)?;
        let (rewards, slopes, kinks) = self.reward.at(&theta, self.shape.1);
        let pullback = TiltPullback { kernel: kernel.clone(), psi: &self.psi, slopes };
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

/// The same family on weights `w = exp theta`, with integer `psi`, base weights
/// and no reward slope: `P(t|s,a)` proportional to `h[s,a,t] w[s,a]^psi[t]`,
/// rational where `h` and `w` are.
#[derive(Debug, Clone)]
pub struct RationalFamily<T> {
    shape: (usize, usize),
    exponents: Vec<i64>,
    psi: Vec<T>,
    base: Vec<T>,
    /// `r[s,a]`, clipped.
    rewards: Vec<T>,
}

impl<T: Field> RationalFamily<T> {
    /// A family with the statistic `psi[t]` and base weights `h[s,a,t] >= 0`.
    ///
    /// # Errors
    /// [`ModelError`] for shapes that do not fit.
    pub fn new(n_actions: usize, psi: Vec<i64>, base: Vec<T>, rewards: Vec<T>) -> Result<Self, ModelError> {
        Self::clipped(n_actions, psi, base, rewards, None)
    }

    /// The same with rewards that are clipped to `[-clip, clip]`.
    ///
    /// # Errors
    /// As [`RationalFamily::new`].
    pub fn clipped(
        n_actions: usize,
        psi: Vec<i64>,
        base: Vec<T>,
        rewards: Vec<T>,
        clip: Option<T>,
    ) -> Result<Self, ModelError> {
        let shape = (psi.len(), n_actions);
        check_family(shape, base.len(), rewards.len())?;
        // Without a slope the rewards are the same whatever the parameters are.
        let reward = ClippedReward { base: rewards, slope: T::zero(), clip };
        let (rewards, ..) = reward.at(&vec![T::zero(); shape.0 * shape.1], n_actions);
        // Only differences of psi matter: small exponents keep the numbers small.
        let least = psi.iter().copied().min().unwrap_or(0);
        let exponents = psi.iter().map(|p| p - least).collect();
        let psi = psi.into_iter().map(T::from_integer).collect();
        Ok(Self { shape, exponents, psi, base, rewards })
    }
}

impl<T: Field> Response<T> for RationalFamily<T> {
    fn n_states(&self) -> usize {
        self.shape.0
    }

    fn n_actions(&self) -> usize {
        self.shape.1
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let Parametrisation::Weights { values } = policy.parametrisation() else {
            return Err(no_local_parameters(policy, self.shape));
        };
        let n = self.shape.0;
        let rows = values.iter().enumerate().map(|(i, w)| {
            let support = (0..n).filter(|t| !self.base[i * n + t].is_zero());
            let weights: Vec<(usize, T)> =
                support.map(|t| (t, w.power(self.exponents[t]) * &self.base[i * n + t])).collect();
            let total = weights.iter().fold(T::zero(), |sum, (_, w)| sum + w);
            weights.into_iter().map(|(t, w)| (t, w / &total)).collect::<Vec<_>>()
        });
        let kernel = Kernel::new(n, self.shape.1, Rows::sparse(n, rows)?)?;
        let slopes = vec![T::zero(); self.rewards.len()];
        let pullback = TiltPullback { kernel: kernel.clone(), psi: &self.psi, slopes };
        Ok(Induced { kernel, rewards: self.rewards.clone(), kinks: Vec::new(), pullback: Box::new(pullback) })
    }

    fn responds(&self, state: usize) -> Responds {
        let n = self.shape.0;
        let support = |i: usize| (0..n).filter(|t| !self.base[i * n + t].is_zero()).collect::<Vec<_>>();
        let rows = state * self.shape.1..(state + 1) * self.shape.1;
        responds(rows, support, &self.psi, &T::zero())
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
    slopes: Vec<T>,
}

impl<T: Field> Pullback<T> for TiltPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let n_actions = self.kernel.n_actions();
        let index = |i: usize| (i / n_actions, i % n_actions);
        let tilt = |i: usize| {
            let (s, a) = index(i);
            let mean = self.kernel.row(s, a).fold(T::zero(), |sum, (t, p)| sum + p.clone() * &self.psi[t]);
            self.kernel.row(s, a).fold(T::zero(), |sum, (t, p)| {
                sum + (self.psi[t].clone() - &mean) * p * (cotangent.transition)(s, a, t)
            })
        };
        let reward = |i: usize| (cotangent.reward)(index(i).0, index(i).1) * &self.slopes[i];
        let n = self.slopes.len();
        PulledBack {
            transition: PolicyCotangent::Parameters((0..n).map(tilt).collect()),
            reward: PolicyCotangent::Parameters((0..n).map(reward).collect()),
        }
    }
}
