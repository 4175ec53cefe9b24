//! Instances: environments that are affine in the policy, in fractions, with two
//! policies whose entries are the parameters.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Dual, Field, Rational, Transcendental, ratio};
use pemdp::curvature::{CurvatureError, hessian_product};
use pemdp::environments::Affine;
use pemdp::evaluate::evaluate;
use pemdp::linear::Rows;
use pemdp::mdp::{Kernel, Mdp};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::case::{Case, short_fraction};
use crate::exact::Between;

/// A performative MDP in which one state's transitions move along a line, and
/// all rewards along another, with two statistics of the policy:
///
/// ```text
/// P(t|s,a) = kernel[s,a,t] + x(pi) (moved_rows[a,t] - kernel[s,a,t])  where s responds
/// r[s,a] = rewards[s,a] + y(pi) (moved_rewards[s,a] - rewards[s,a])
/// x(pi) = sum_{s,a} transition_statistic[s,a] pi(a|s), y(pi) likewise, both in [0,1]
/// ```
///
/// The Lipschitz constants of this response and the smallest occupancy over all
/// policies and kernels are known exactly (`docs/theory/neighbours.md`).
#[derive(Debug, Clone, PartialEq)]
pub struct AffineCase {
    /// Number of actions A.
    pub n_actions: usize,
    /// The discount factor.
    pub gamma: Rational,
    /// `rho[s]`, all positive.
    pub initial: Vec<Rational>,
    /// The entropy weight `lambda >= 0`.
    pub entropy: Rational,
    /// `P(t|s,a)` at x = 0, at `(s A + a) S + t`.
    pub kernel: Vec<Rational>,
    /// The state whose transitions respond.
    pub responding: usize,
    /// Its rows at x = 1, at `a S + t`.
    pub moved_rows: Vec<Rational>,
    /// Rewards in [0, 1] at y = 0, at `s A + a`.
    pub rewards: Vec<Rational>,
    /// Rewards in [0, 1] at y = 1.
    pub moved_rewards: Vec<Rational>,
    /// Coefficients of x, nonnegative, with `sum_s max_a` at most 1.
    pub transition_statistic: Vec<Rational>,
    /// Coefficients of y, likewise.
    pub reward_statistic: Vec<Rational>,
    /// `pi(a|s)`.
    pub policy: Vec<Rational>,
    /// `pi'(a|s)`.
    pub other: Vec<Rational>,
}

fn elements<T: Field>(fractions: &[Rational]) -> Vec<T> {
    fractions.iter().map(T::from_rational).collect()
}

/// The square root of a fraction `x >= 0`.
pub fn root<T: Field>(x: &Rational) -> T {
    let Between { low, high } = Between::sqrt(x);
    T::from_rational(&low).widened(2.0 * (high - low).approximate())
}

/// The largest of some numbers.
pub fn maximum<T: Field>(numbers: &[T]) -> T {
    let largest = numbers.iter().max_by(|a, b| a.approximate().total_cmp(&b.approximate()));
    let Some(largest) = largest else { return T::zero() };
    // Where the order is not decided, another may be larger by this much.
    let excess = |x: &T| {
        let difference = x.clone() - largest;
        if difference.certainly_negative() { 0.0 } else { difference.magnitude() }
    };
    let others = numbers.iter().filter(|x| *x != largest);
    largest.clone().widened(others.map(excess).fold(0.0, f64::max))
}

/// The margin of `left <= right` (see [`crate::exact::margin`]), `None` where
/// the arithmetic does not decide it.
pub fn margin<T: Field>(left: &T, right: &T) -> Option<f64> {
    let slack = right.clone() - left;
    let scale = left.approximate().abs().max(right.approximate().abs()).max(f64::MIN_POSITIVE);
    let ratio = slack.approximate() / scale;
    match slack.sign()? {
        std::cmp::Ordering::Less => Some(ratio.min(-f64::MIN_POSITIVE)),
        _ => Some(ratio.max(0.0)),
    }
}

/// The value and its gradient with respect to the entries of the policy.
#[derive(Debug, Clone)]
pub struct Local<T> {
    /// `J`.
    pub value: T,
    /// `dJ/dpi(a|s)`, unconstrained.
    pub gradient: Vec<T>,
}

impl AffineCase {
    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.initial.len()
    }

    /// `1/(1-gamma)`.
    pub fn horizon(&self) -> Rational {
        (Rational::one() - &self.gamma).recip()
    }

    /// The environment in an arithmetic.
    #[allow(clippy::expect_used)] // the shapes fit by construction
    pub fn problem<T: Field>(&self) -> PerformativeMdp<T> {
        let (transition_slopes, reward_slopes) = self.slopes();
        let element = |x: Rational| T::from_rational(&x);
        let kernel = Rows::dense(self.n_states(), elements(&self.kernel));
        let environment = Affine::new(
            self.n_states(),
            self.n_actions,
            kernel.expect("the shapes fit"),
            elements(&self.rewards),
            transition_slopes.into_iter().map(|(index, m)| (index, element(m))).collect(),
            reward_slopes.into_iter().map(|(index, n)| (index, element(n))).collect(),
        );
        PerformativeMdp {
            response: Box::new(environment.expect("the shapes fit")),
            initial: elements(&self.initial),
            gamma: T::from_rational(&self.gamma),
            entropy: T::from_rational(&self.entropy),
            criterion: Default::default(),
        }
    }

    /// The slopes of `P` and of `r` in the policy, zeros left out.
    #[allow(clippy::type_complexity)] // two lists of an index and a number
    fn slopes(&self) -> (Vec<([usize; 5], Rational)>, Vec<([usize; 4], Rational)>) {
        let (n_states, n_actions) = (self.n_states(), self.n_actions);
        let s = self.responding;
        let present = |statistic: &[Rational]| -> Vec<(usize, Rational)> {
            statistic.iter().cloned().enumerate().filter(|(_, c)| !c.is_zero()).collect()
        };
        let mut transitions = Vec::new();
        for (i, c) in present(&self.transition_statistic) {
            for (j, move_) in self.transition_move().iter().enumerate().filter(|(_, m)| !m.is_zero()) {
                let index = [s, j / n_states, j % n_states, i / n_actions, i % n_actions];
                transitions.push((index, move_ * &c));
            }
        }
        let mut rewards = Vec::new();
        for (i, c) in present(&self.reward_statistic) {
            for (j, move_) in self.reward_move().iter().enumerate().filter(|(_, m)| !m.is_zero()) {
                let index = [j / n_actions, j % n_actions, i / n_actions, i % n_actions];
                rewards.push((index, move_ * &c));
            }
        }
        (transitions, rewards)
    }

    /// `dP/dx` of the responding state, at `a S + t`.
    fn transition_move(&self) -> Vec<Rational> {
        let start = self.responding * self.moved_rows.len();
        self.moved_rows.iter().zip(&self.kernel[start..]).map(|(to, from)| to - from).collect()
    }

    /// `dr/dy`, at `s A + a`.
    fn reward_move(&self) -> Vec<Rational> {
        self.moved_rewards.iter().zip(&self.rewards).map(|(to, from)| to - from).collect()
    }

    /// The policy `pi` or, where `other`, `pi'`.
    #[allow(clippy::expect_used)] // distributions by construction
    pub fn policy<T: Field>(&self, other: bool) -> Policy<T> {
        let entries = elements(if other { &self.other } else { &self.policy });
        Policy::probabilities(self.n_states(), self.n_actions, entries).expect("distributions")
    }

    /// The value and its gradient; `None` where the arithmetic fails or the
    /// gradient is infinite.
    pub fn local<T: Transcendental>(&self, other: bool) -> Option<Local<T>> {
        self.local_of(self.policy::<T>(other).with_logarithms())
    }

    /// The same without entropy, for a policy given by its entries: needs no
    /// logarithms.
    pub fn local_without_entropy<T: Field>(&self, entries: Vec<T>) -> Option<Local<T>> {
        let case = Self { entropy: Rational::zero(), ..self.clone() };
        case.local_of(Policy::probabilities(self.n_states(), self.n_actions, entries).ok()?)
    }

    fn local_of<T: Field>(&self, policy: Policy<T>) -> Option<Local<T>> {
        let problem = self.problem::<T>();
        let performance = problem.perform(&policy).ok()?;
        let gradient = performance.gradient.total().into_iter().collect::<Option<_>>()?;
        Some(Local { value: performance.evaluation.value.clone(), gradient })
    }

    /// The derivative of the gradient at `pi` along a direction of the entries
    /// of the policy, by dual numbers.
    ///
    /// # Errors
    /// [`CurvatureError`] where the arithmetic cannot solve for the values or the gradient
    /// is infinite.
    pub fn hessian_product<T: Transcendental>(&self, direction: &[T]) -> Result<Vec<T>, CurvatureError> {
        let (problem, policy) = (self.problem::<Dual<T>>(), self.policy::<T>(false).with_logarithms());
        hessian_product(&problem, &policy, &problem.entropy.value, direction)
    }

    /// The squares of `eps_p` and `eps_r`: Lipschitz constants of the rows of
    /// `P` and of the entries of `r` against the 2-norm of the policy. Exact.
    pub fn squared_sensitivities(&self) -> [Rational; 2] {
        let square = |row: &[Rational]| row.iter().map(|m| m * m).sum::<Rational>();
        let largest =
            |squares: &mut dyn Iterator<Item = Rational>| squares.max().unwrap_or_else(Rational::zero);
        let row_move = largest(&mut self.transition_move().chunks(self.n_states()).map(square));
        let reward_move = largest(&mut self.reward_move().iter().map(|m| m * m));
        let across = |statistic: &[Rational]| square(&centred(self.n_actions, statistic));
        [row_move * across(&self.transition_statistic), reward_move * across(&self.reward_statistic)]
    }

    /// The squares of the 2-norms of the whole arrays `dP/dx` and `dr/dy`.
    pub fn squared_moves(&self) -> [Rational; 2] {
        [self.transition_move(), self.reward_move()].map(|moves| moves.iter().map(|m| m * m).sum())
    }

    /// The smallest normalised occupancy `(1-gamma) d[s]` over states, all
    /// policies and the kernels that any policy induces. Exact: it is attained
    /// at a deterministic policy and an end of the line of kernels.
    pub fn smallest_occupancy<T: Field>(&self) -> Option<T> {
        let (n_states, n_actions) = (self.n_states(), self.n_actions);
        let rows = self.transition_statistic.chunks(n_actions);
        let low = rows.clone().filter_map(|row| row.iter().min()).sum::<Rational>();
        let high = rows.filter_map(|row| row.iter().max()).sum::<Rational>();
        let ends = if low == high || self.gamma.is_zero() { vec![low] } else { vec![low, high] };
        let mut smallest: Option<T> = None;
        for x in ends {
            let mut kernel = self.kernel.clone();
            let start = self.responding * self.moved_rows.len();
            for (entry, move_) in kernel[start..].iter_mut().zip(self.transition_move()) {
                *entry += move_ * &x;
            }
            let kernel = Kernel::dense(n_states, n_actions, elements::<T>(&kernel)).ok()?;
            let gamma = T::from_rational(&self.gamma);
            let scale = T::one() - &gamma;
            let mdp = Mdp::new(kernel, elements(&self.rewards), elements(&self.initial), gamma).ok()?;
            for choice in 0..n_actions.pow(n_states as u32) {
                let mut entries = vec![T::zero(); n_states * n_actions];
                let mut rest = choice;
                for s in 0..n_states {
                    entries[s * n_actions + rest % n_actions] = T::one();
                    rest /= n_actions;
                }
                let policy = Policy::probabilities(n_states, n_actions, entries).ok()?;
                for d in evaluate(&mdp, &policy, &T::zero()).ok()?.state_occupancy {
                    let d = d * &scale;
                    if smallest.as_ref().is_none_or(|least| (d.clone() - least).certainly_negative()) {
                        smallest = Some(d);
                    }
                }
            }
        }
        smallest
    }

    /// The smallest entry of `pi`.
    pub fn smallest_probability(&self) -> Rational {
        self.policy.iter().min().cloned().unwrap_or_else(Rational::zero)
    }

    /// The problem with the policy `pi`, in the format of the oracle.
    pub fn problem_json(&self) -> Value {
        let strings = |row: &[Rational]| row.iter().map(ToString::to_string).collect::<Vec<_>>();
        let table = |entries: &[Rational]| entries.chunks(self.n_actions).map(strings).collect::<Vec<_>>();
        let n_states = self.n_states();
        let kernel: Vec<Vec<Vec<String>>> = self
            .kernel
            .chunks(self.n_actions * n_states)
            .map(|state| state.chunks(n_states).map(strings).collect())
            .collect();
        let (transition_slopes, reward_slopes) = self.slopes();
        let transition_slopes: Vec<Value> = transition_slopes
            .iter()
            .map(|([s, a, t, s2, a2], m)| json!([s, a, t, s2, a2, m.to_string()]))
            .collect();
        let reward_slopes: Vec<Value> =
            reward_slopes.iter().map(|([s, a, s2, a2], n)| json!([s, a, s2, a2, n.to_string()])).collect();
        json!({
            "format": "pemdp-problem/1",
            "gamma": self.gamma.to_string(),
            "initial": strings(&self.initial),
            "entropy": self.entropy.to_string(),
            "policy": {"kind": "probabilities", "values": table(&self.policy)},
            "environment": {
                "kind": "affine",
                "transitions": kernel,
                "transition_slopes": transition_slopes,
                "rewards": table(&self.rewards),
                "reward_slopes": reward_slopes,
            },
        })
    }

    /// One state and two actions without response or discounting.
    fn bandit(entropy: Rational, rewards: [i64; 2], policy: [Rational; 2], other: [Rational; 2]) -> Self {
        let rewards: Vec<_> = rewards.iter().map(|&r| ratio(r, 1)).collect();
        Self {
            n_actions: 2,
            gamma: ratio(0, 1),
            initial: vec![ratio(1, 1)],
            entropy,
            kernel: vec![ratio(1, 1); 2],
            responding: 0,
            moved_rows: vec![ratio(1, 1); 2],
            moved_rewards: rewards.clone(),
            rewards,
            transition_statistic: vec![ratio(0, 1); 2],
            reward_statistic: vec![ratio(0, 1); 2],
            policy: policy.to_vec(),
            other: other.to_vec(),
        }
    }

    /// Two actions, `r = (p, 4/5 (1 - p))` with `p = pi(0)`: both deterministic
    /// policies are local maxima, and `pi` is at the lower one.
    pub fn two_basins() -> Self {
        Self {
            rewards: vec![ratio(0, 1), ratio(4, 5)],
            moved_rewards: vec![ratio(1, 1), ratio(0, 1)],
            reward_statistic: vec![ratio(1, 1), ratio(0, 1)],
            ..Self::bandit(ratio(0, 1), [0, 0], [ratio(0, 1), ratio(1, 1)], [ratio(1, 1), ratio(0, 1)])
        }
    }

    /// One state without rewards: the value is the entropy, and `pi` is its
    /// maximum.
    pub fn entropy_alone(entropy: Rational) -> Self {
        let half = || [ratio(1, 2), ratio(1, 2)];
        Self::bandit(entropy, [0, 0], half(), [ratio(1, 4), ratio(3, 4)])
    }

    /// Two separate states without rewards, the first rarely entered, where
    /// `pi` is nearly deterministic: a counterexample to CH2 as transcribed.
    pub fn rare_state() -> Self {
        let tiny = ratio(1, 1_000_000);
        Self {
            initial: vec![ratio(1, 100), ratio(99, 100)],
            kernel: [1, 0, 1, 0, 0, 1, 0, 1].map(|p| ratio(p, 1)).to_vec(),
            moved_rows: [1, 0, 1, 0].map(|p| ratio(p, 1)).to_vec(),
            rewards: vec![ratio(0, 1); 4],
            moved_rewards: vec![ratio(0, 1); 4],
            transition_statistic: vec![ratio(0, 1); 4],
            reward_statistic: vec![ratio(0, 1); 4],
            policy: vec![Rational::one() - &tiny, tiny, ratio(1, 2), ratio(1, 2)],
            other: vec![ratio(1, 2); 4],
            ..Self::entropy_alone(ratio(1, 1))
        }
    }

    /// The same with a reward in the other state, where swapping costs more
    /// than it brings in the first.
    pub fn rare_state_with_cost() -> Self {
        let tiny = ratio(1, 100_000);
        let rewards = [0, 0, 1, 0].map(|r| ratio(r, 1)).to_vec();
        Self {
            moved_rewards: rewards.clone(),
            rewards,
            policy: vec![Rational::one() - &tiny, tiny, ratio(5, 8), ratio(3, 8)],
            ..Self::rare_state()
        }
    }

    /// From state 0 one action leads to state 1, which pays for one action for
    /// ever; `pi` hardly ever does either, `pi'` does both.
    fn out_of_the_way() -> Self {
        let rewards = [0, 0, 0, 1].map(|r| ratio(r, 1)).to_vec();
        Self {
            gamma: ratio(9, 10),
            entropy: ratio(0, 1),
            initial: vec![ratio(99, 100), ratio(1, 100)],
            kernel: [1, 0, 0, 1, 0, 1, 0, 1].map(|p| ratio(p, 1)).to_vec(),
            moved_rewards: rewards.clone(),
            rewards,
            policy: vec![ratio(99, 100), ratio(1, 100), ratio(99, 100), ratio(1, 100)],
            other: [0, 1, 0, 1].map(|p| ratio(p, 1)).to_vec(),
            ..Self::rare_state()
        }
    }

    /// Approval with performative repayment: the more is approved in state 0,
    /// the less often approval leads to the state that pays.
    pub fn loan() -> Self {
        let fractions = |entries: &[i64]| entries.iter().map(|&n| ratio(n, 4)).collect::<Vec<_>>();
        Self {
            gamma: ratio(1, 2),
            entropy: ratio(1, 10),
            initial: vec![ratio(1, 2), ratio(1, 2)],
            kernel: fractions(&[1, 3, 3, 1, 4, 0, 4, 0]),
            moved_rows: fractions(&[3, 1, 3, 1]),
            rewards: fractions(&[0, 1, 4, 4]),
            moved_rewards: fractions(&[0, 1, 4, 4]),
            transition_statistic: fractions(&[4, 0, 0, 0]),
            policy: fractions(&[1, 3, 2, 2]),
            other: fractions(&[3, 1, 1, 3]),
            ..Self::rare_state()
        }
    }
}

/// Each row of `width` entries minus its mean: the part that policies feel.
pub fn centred<T: Field>(width: usize, entries: &[T]) -> Vec<T> {
    let share = T::from_ratio(1, width as i64);
    let mut result = Vec::with_capacity(entries.len());
    for row in entries.chunks(width) {
        let mean = row.iter().fold(T::zero(), |sum, x| sum + x) * &share;
        result.extend(row.iter().map(|x| x.clone() - &mean));
    }
    result
}

/// Rows of positive weights over their sums.
fn normalised(width: usize, weights: &[Rational]) -> Vec<Rational> {
    let row = |row: &[Rational]| {
        let total: Rational = row.iter().sum();
        row.iter().map(|w| w / &total).collect::<Vec<_>>()
    };
    weights.chunks(width).flat_map(row).collect()
}

/// Coefficients scaled so that the statistic reaches at most `strength`.
fn statistic(n_actions: usize, weights: &[Rational], strength: &Rational) -> Vec<Rational> {
    let reach: Rational = weights.chunks(n_actions).filter_map(|row| row.iter().max()).sum();
    let scale = if reach.is_zero() { Rational::zero() } else { strength / reach };
    weights.iter().map(|w| w * &scale).collect()
}

impl Case for AffineCase {
    fn corners() -> Vec<Self> {
        vec![
            Self::two_basins(),
            Self::entropy_alone(ratio(1, 1)),
            Self::entropy_alone(ratio(100, 1)),
            Self { policy: vec![ratio(1, 4), ratio(3, 4)], ..Self::entropy_alone(ratio(100, 1)) },
            Self::rare_state(),
            Self::rare_state_with_cost(),
            Self::out_of_the_way(),
            Self::loan(),
        ]
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let n_states = rng.random_range(1..=size.min(3));
        let n_actions = rng.random_range(2..=if size > 1 { 3 } else { 2 });
        let rows = n_states * n_actions;
        let choice = |rng: &mut ChaCha8Rng, options: &[(i64, i64)]| {
            let (n, d) = options[rng.random_range(0..options.len())];
            ratio(n, d)
        };
        let gamma = choice(rng, &[(0, 1), (1, 100), (1, 4), (1, 2), (9, 10), (99, 100)]);
        let entropy = choice(rng, &[(0, 1), (1, 10), (1, 1), (10, 1), (100, 1)]);
        let extreme = rng.random_bool(0.3);
        let policy = |rng: &mut ChaCha8Rng| {
            let top = if extreme { 2000 } else { 9 };
            let weights: Vec<_> = (0..rows).map(|_| ratio(rng.random_range(1..=top), 1)).collect();
            normalised(n_actions, &weights)
        };
        let (own, other) = (policy(rng), policy(rng));
        let kernel_rows = |rng: &mut ChaCha8Rng, n: usize| {
            let mut weights = Vec::with_capacity(n * n_states);
            for _ in 0..n {
                let certain = rng.random_range(0..n_states);
                weights.extend((0..n_states).map(|t| match t == certain {
                    true => ratio(rng.random_range(1..5), 1),
                    false => ratio(rng.random_range(0..3), 1),
                }));
            }
            normalised(n_states, &weights)
        };
        let (kernel, moved_rows) = (kernel_rows(rng, rows), kernel_rows(rng, n_actions));
        let weights: Vec<_> = (0..n_states).map(|_| ratio(rng.random_range(1..6), 1)).collect();
        let reward = |rng: &mut ChaCha8Rng| (0..rows).map(|_| ratio(rng.random_range(0..=4), 4)).collect();
        let (rewards, moved_rewards) = (reward(rng), reward(rng));
        let response = |rng: &mut ChaCha8Rng| {
            let weights: Vec<_> = (0..rows).map(|_| ratio(rng.random_range(0..4), 1)).collect();
            let strength = choice(rng, &[(0, 1), (1, 10_000), (1, 100), (1, 4), (1, 1)]);
            statistic(n_actions, &weights, &strength)
        };
        let (transition_statistic, reward_statistic) = (response(rng), response(rng));
        Self {
            n_actions,
            gamma,
            initial: normalised(n_states, &weights),
            entropy,
            kernel,
            responding: rng.random_range(0..n_states),
            moved_rows,
            rewards,
            moved_rewards,
            transition_statistic,
            reward_statistic,
            policy: own,
            other,
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        let logit = (self.gamma.approximate() + 1e-3).ln() - (1.0 - self.gamma.approximate()).ln();
        let logarithm = |w: &Rational| w.approximate().max(1e-6).ln();
        let mut x = vec![logit, (self.entropy.approximate() + 1e-3).ln()];
        let distributions = [&self.initial, &self.policy, &self.other, &self.kernel, &self.moved_rows];
        x.extend(distributions.into_iter().flatten().filter(|w| w.is_positive()).map(logarithm));
        let linear = [&self.rewards, &self.moved_rewards, &self.transition_statistic, &self.reward_statistic];
        x.extend(linear.into_iter().flatten().map(Field::approximate));
        x
    }

    fn moved(&self, x: &[f64]) -> Self {
        let mut case = self.clone();
        let mut x = x.iter();
        let mut next = || x.next().copied().unwrap_or(0.0);
        case.gamma = short_fraction((1.0 / (1.0 + (-next()).exp()) - 1e-3).clamp(0.0, 0.999));
        case.entropy = short_fraction((next().clamp(-8.0, 8.0).exp() - 1e-3).max(0.0));
        let (n_states, n_actions) = (self.n_states(), self.n_actions);
        let distributions = [
            (&mut case.initial, n_states),
            (&mut case.policy, n_actions),
            (&mut case.other, n_actions),
            (&mut case.kernel, n_states),
            (&mut case.moved_rows, n_states),
        ];
        for (rows, width) in distributions {
            for weight in rows.iter_mut().filter(|w| w.is_positive()) {
                *weight = short_fraction(next().clamp(-12.0, 2.0).exp());
            }
            *rows = normalised(width, rows);
        }
        for entry in case.rewards.iter_mut().chain(&mut case.moved_rewards) {
            *entry = short_fraction(next().clamp(0.0, 1.0));
        }
        for coefficients in [&mut case.transition_statistic, &mut case.reward_statistic] {
            let weights: Vec<_> =
                coefficients.iter().map(|_| short_fraction(next().clamp(0.0, 1.0))).collect();
            let reach: Rational = weights.chunks(n_actions).filter_map(|row| row.iter().max()).sum();
            *coefficients = statistic(n_actions, &weights, &reach.min(Rational::one()));
        }
        case
    }

    fn simpler(&self) -> Vec<Self> {
        let mut result = Vec::new();
        let mut offer = |change: &dyn Fn(&mut Self)| {
            let mut case = self.clone();
            change(&mut case);
            if case != *self {
                result.push(case);
            }
        };
        offer(&|c| c.transition_statistic.fill(Rational::zero()));
        offer(&|c| c.reward_statistic.fill(Rational::zero()));
        offer(&|c| c.gamma = ratio(0, 1));
        offer(&|c| c.gamma = ratio(1, 2));
        offer(&|c| c.entropy = ratio(0, 1));
        offer(&|c| c.entropy = ratio(1, 1));
        let uniform = || vec![ratio(1, self.n_actions as i64); self.policy.len()];
        offer(&|c| c.initial.fill(ratio(1, self.initial.len() as i64)));
        offer(&|c| c.policy = uniform());
        offer(&|c| c.other = uniform());
        for i in 0..self.rewards.len() {
            offer(&|c| c.rewards[i] = c.rewards[i].round());
            offer(&|c| c.moved_rewards[i] = c.moved_rewards[i].round());
            offer(&|c| c.moved_rewards[i] = c.rewards[i].clone());
        }
        result
    }

    fn to_json(&self) -> Value {
        let strings: Vec<_> = self.other.iter().map(ToString::to_string).collect();
        json!({"problem": self.problem_json(), "other": strings})
    }
}

#[cfg(test)]
mod tests;
