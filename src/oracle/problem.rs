//! Problems as files: `"format": "pemdp-problem/1"`.
//!
//! Reading checks everything that can be checked without evaluating: shapes,
//! ranges, that rows of probabilities are rows of probabilities, that an affine
//! environment is a kernel for every policy. Nothing is renormalised. The work
//! is linear in the size of the file, up to the sorting of sparse entries.

use super::json::{Fields, InputError, Node, shown_double};
use super::numeral::{Numeral, Reading, compensated_sum, exact_sum, shown_rational};
use num_traits::{One, Zero};

use crate::arithmetic::{Field, Rational};
use crate::environments::LoanForm;
use crate::policy::{Parametrisation, Policy};

/// The name of the format, the value of the key `format`.
pub const FORMAT: &str = "pemdp-problem/1";

/// A problem that has been checked: a policy, the environment that responds to
/// it, and how its value is measured.
///
/// ```
/// use pemdp::oracle::Reading;
/// use pemdp::oracle::Problem;
/// let problem = Problem::from_json(
///     r#"{
///         "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
///         "policy": {"kind": "weights", "values": [["1/3", 1]]},
///         "environment": {"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[0, 1]]}
///     }"#,
///     Reading::Doubles,
/// )?;
/// assert_eq!((problem.n_states(), problem.n_actions(), problem.n_parameters()), (1, 2, 2));
/// assert!(problem.not_rational().is_none());
/// # Ok::<(), pemdp::oracle::InputError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The discount factor, in \[0, 1).
    pub gamma: Numeral,
    /// The distribution of the first state, shape `[s]`; `None` where the
    /// environment's own is meant.
    pub initial: Option<Vec<Numeral>>,
    /// The weight lambda >= 0 of the entropy.
    pub entropy: Numeral,
    /// The policy and its parameters.
    pub policy: PolicySpec,
    /// The environment.
    pub environment: EnvironmentSpec,
    n_states: usize,
    n_actions: usize,
}

/// A policy as given. Flat arrays have the last index fastest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PolicySpec {
    /// `pi(a|s)` proportional to `exp(theta[s,a])`.
    Softmax {
        /// The parameters, `[s,a]`.
        logits: Vec<Numeral>,
    },
    /// `pi(a|s)` proportional to `exp(features[s,a] . theta)`.
    LogLinear {
        /// The features, `[s,a,k]`.
        features: Vec<Numeral>,
        /// The parameters, `[k]`.
        theta: Vec<Numeral>,
    },
    /// `pi(a|s)` proportional to a weight; the parameters are the logarithms.
    Weights {
        /// The weights, positive, `[s,a]`.
        values: Vec<Numeral>,
    },
    /// `pi(a|s)` itself.
    Probabilities {
        /// The probabilities, `[s,a]`.
        values: Vec<Numeral>,
    },
}

impl PolicySpec {
    /// A policy of doubles as it would be given.
    pub fn of(policy: &Policy<f64>) -> Self {
        let numerals = |entries: &[f64]| entries.iter().copied().map(Numeral::from).collect();
        match policy.parametrisation() {
            Parametrisation::Softmax { logits } => Self::Softmax { logits: numerals(logits) },
            Parametrisation::LogLinear { features, theta } => {
                Self::LogLinear { features: numerals(features), theta: numerals(theta) }
            }
            Parametrisation::Weights { values } => Self::Weights { values: numerals(values) },
            Parametrisation::Probabilities => {
                let states = 0..policy.n_states();
                let entries = states.flat_map(|s| (0..policy.n_actions()).map(move |a| (s, a)));
                Self::Probabilities {
                    values: entries.map(|(s, a)| (*policy.probability(s, a)).into()).collect(),
                }
            }
        }
    }

    /// The name of the kind in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            PolicySpec::Softmax { .. } => "softmax",
            PolicySpec::LogLinear { .. } => "log-linear",
            PolicySpec::Weights { .. } => "weights",
            PolicySpec::Probabilities { .. } => "probabilities",
        }
    }

    /// The number of parameters.
    pub fn n_parameters(&self) -> usize {
        match self {
            PolicySpec::LogLinear { theta, .. } => theta.len(),
            PolicySpec::Softmax { logits: values }
            | PolicySpec::Weights { values }
            | PolicySpec::Probabilities { values } => values.len(),
        }
    }
}

/// An environment as given. Flat arrays have the last index fastest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EnvironmentSpec {
    /// An environment that does not respond.
    Fixed {
        /// `P(t|s,a)`, `[s,a,t]`.
        transitions: Vec<Numeral>,
        /// `r(s,a)`, `[s,a]`.
        rewards: Vec<Numeral>,
    },
    /// `P(t|s,a)` proportional to the base times `exp(psi[t] theta[s,a])`,
    /// `r(s,a) = reward_base[s,a] + slope theta[s,a]`, clipped.
    ExponentialFamily {
        /// The features of the next states, `[t]`.
        psi: Vec<Numeral>,
        /// The transitions at parameters 0.
        base: Base,
        /// The rewards at parameters 0, `[s,a]`.
        reward_base: Vec<Numeral>,
        /// The derivative of the rewards where they are not clipped.
        slope: Numeral,
        /// Rewards are clipped to \[-clip, clip\].
        clip: Option<Numeral>,
    },
    /// `P` and `r` affine in the probabilities of the policy.
    Affine {
        /// The constant part of `P`, `[s,a,t]`.
        transitions: Vec<Numeral>,
        /// `([s, a, t, s2, a2], m)` adds `m pi(a2|s2)` to `P(t|s,a)`.
        transition_slopes: Vec<([usize; 5], Numeral)>,
        /// The constant part of `r`, `[s,a]`.
        rewards: Vec<Numeral>,
        /// `([s, a, s2, a2], n)` adds `n pi(a2|s2)` to `r(s,a)`.
        reward_slopes: Vec<([usize; 4], Numeral)>,
    },
    /// `P`, `r` and their derivatives at the given parameters.
    Explicit {
        /// `P(t|s,a)`, `[s,a,t]`.
        transitions: Vec<Numeral>,
        /// `r(s,a)`, `[s,a]`.
        rewards: Vec<Numeral>,
        /// `([s, a, t, k], dP(t|s,a)/dtheta[k])`.
        transition_jacobian: Vec<([usize; 4], Numeral)>,
        /// `([s, a, k], dr(s,a)/dtheta[k])`.
        reward_jacobian: Vec<([usize; 3], Numeral)>,
    },
    /// The prediction of a biased coin that reacts.
    Coin {
        /// The bias without reaction.
        mu: Numeral,
        /// The strength of the reaction.
        epsilon: Numeral,
    },
    /// Lending where approval changes who repays: `q(p) = q0 - c p`.
    Loan {
        /// One state or four.
        form: LoanForm,
        /// The probability of repayment when nobody is approved.
        q0: Numeral,
        /// How much it falls when everybody is.
        c: Numeral,
        /// The reward of a repayment.
        gain: Numeral,
        /// The loss of a default.
        loss: Numeral,
    },
    /// The two-agent gridworld.
    Gridworld {
        /// The inverse temperature of the followers' average response.
        beta: Numeral,
        /// The followers.
        followers: Followers,
    },
}

impl EnvironmentSpec {
    /// The name of the kind in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            EnvironmentSpec::Fixed { .. } => "fixed",
            EnvironmentSpec::ExponentialFamily { .. } => "exponential-family",
            EnvironmentSpec::Affine { .. } => "affine",
            EnvironmentSpec::Explicit { .. } => "explicit",
            EnvironmentSpec::Coin { .. } => "coin",
            EnvironmentSpec::Loan { .. } => "loan",
            EnvironmentSpec::Gridworld { .. } => "gridworld",
        }
    }
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

/// The followers of the gridworld.
#[derive(Clone, Debug, PartialEq)]
pub enum Followers {
    /// Perturbed grids from the seeds `0..count`.
    Seeded {
        /// The probability that a cell is perturbed.
        eps: Numeral,
        /// The number of followers.
        count: usize,
    },
    /// The perturbed grids themselves, 64 cells each, row by row.
    Given(Vec<Vec<Numeral>>),
}

/// The gridworld is 8 by 8.
const SIDE: usize = 8;
/// The largest number of followers.
const FOLLOWERS: usize = 10_000;
/// The largest inverse temperature.
const BETA: f64 = 1e6;
/// The largest `psi` to which a weight is raised exactly.
const PSI: f64 = 10_000.0;

impl Problem {
    /// Reads a problem.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    pub fn from_json(text: &str, reading: Reading) -> Result<Self, InputError> {
        problem(&Node::parse(text)?, reading)
    }

    /// Reads a problem from bytes that should be UTF-8.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    pub fn from_bytes(bytes: &[u8], reading: Reading) -> Result<Self, InputError> {
        problem(&Node::from_bytes(bytes)?, reading)
    }

    /// The number of states.
    pub fn n_states(&self) -> usize {
        self.n_states
    }

    /// The number of actions.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// The number of parameters of the policy.
    pub fn n_parameters(&self) -> usize {
        self.policy.n_parameters()
    }

    /// The same problem with another policy, whose shape fits.
    pub fn deploying(&self, policy: PolicySpec) -> Self {
        Self { policy, ..self.clone() }
    }

    /// The same problem with all rewards multiplied, exactly. Those of the coin and of the
    /// gridworld are their own.
    pub fn with_rewards_times(&self, factor: &Rational) -> Self {
        let mut result = self.clone();
        let scale = |x: &mut Numeral| *x = Numeral::from(x.exact() * factor);
        match &mut result.environment {
            EnvironmentSpec::Fixed { rewards, .. } => rewards.iter_mut().for_each(scale),
            EnvironmentSpec::Explicit { rewards, reward_jacobian, .. } => {
                rewards.iter_mut().chain(reward_jacobian.iter_mut().map(|(_, x)| x)).for_each(scale);
            }
            EnvironmentSpec::Affine { rewards, reward_slopes, .. } => {
                rewards.iter_mut().chain(reward_slopes.iter_mut().map(|(_, x)| x)).for_each(scale);
            }
            EnvironmentSpec::ExponentialFamily { reward_base, slope, clip, .. } => {
                reward_base.iter_mut().chain([slope]).chain(clip).for_each(scale);
            }
            EnvironmentSpec::Loan { gain, loss, .. } => [gain, loss].into_iter().for_each(scale),
            EnvironmentSpec::Coin { .. } | EnvironmentSpec::Gridworld { .. } => {}
        }
        result
    }

    /// The first thing that keeps the answer from being a fraction: its path,
    /// and what was seen and expected there.
    pub fn not_rational(&self) -> Option<(String, String)> {
        let found = |path: &str, reason: String| Some((path.to_owned(), reason));
        if !matches!(self.policy, PolicySpec::Weights { .. } | PolicySpec::Probabilities { .. }) {
            let kind = self.policy.kind();
            return found(
                "policy.kind",
                format!("{kind} is not rational, expected weights or probabilities"),
            );
        }
        match &self.environment {
            EnvironmentSpec::Gridworld { .. } => {
                let others = "fixed, explicit, affine, loan, coin or exponential-family";
                return found("environment.kind", format!("gridworld is not rational, expected {others}"));
            }
            EnvironmentSpec::ExponentialFamily { psi, base, slope, .. } => {
                let rational =
                    |x: &Numeral| x.is_integer() && x.compare(PSI).is_le() && x.compare(-PSI).is_ge();
                if let Some(t) = psi.iter().position(|x| !rational(x)) {
                    let seen = shown_rational(&psi[t].exact(), 0);
                    let reason =
                        format!("{seen} is not rational here, expected an integer from -10000 to 10000");
                    return found(&format!("environment.psi[{t}]"), reason);
                }
                if let Base::Logits(Some(_)) = base {
                    return found("environment.base_logits", "is not rational, expected base_weights".into());
                }
                if !slope.is_zero() {
                    let reason = "is not rational with weights, whose parameters are logarithms, expected 0";
                    return found("environment.reward.slope", reason.into());
                }
            }
            _ => {}
        }
        if !self.entropy.is_zero() {
            return found("entropy", "is not rational unless it is 0, expected 0".into());
        }
        None
    }
}

type Checked<T> = Result<T, InputError>;

fn problem(document: &Node<'_>, reading: Reading) -> Checked<Problem> {
    let fields = document.fields()?;
    fields.required("format")?.choice(&[FORMAT])?;
    fields.only(&["format", "gamma", "initial", "entropy", "policy", "environment"])?;

    let gamma_node = fields.required("gamma")?;
    let gamma = gamma_node.numeral(reading)?;
    if gamma.is_negative() || gamma.compare(1.0).is_ge() {
        return Err(gamma_node.unexpected("a number from 0 to less than 1"));
    }
    let entropy = match fields.optional("entropy") {
        Some(node) => at_least_zero(&node, reading)?,
        None => Numeral::ZERO,
    };

    let (policy, mut checker) = policy(&fields.required("policy")?, reading)?;
    let environment = checker.environment(&fields.required("environment")?, &policy)?;
    let has_its_own = matches!(environment, EnvironmentSpec::Gridworld { .. } | EnvironmentSpec::Loan { .. });
    let initial = match fields.optional("initial") {
        Some(node) => {
            let mut row = Vec::new();
            checker.distribution(&node, checker.states(), &mut row)?;
            Some(row)
        }
        None if has_its_own => None,
        None => fields.required("initial").map(|_| None)?,
    };

    // The sums are off by a few roundings: what is closer is left to the evaluation.
    let largest = checker.largest_policy_row.exact() * checker.largest_transition_row.exact();
    let rounding = match reading {
        Reading::Doubles => Rational::from_f64(16.0 * f64::EPSILON),
        Reading::Exact => Rational::zero(),
    };
    if gamma.exact() * &largest * (Rational::one() - rounding) >= Rational::one() {
        let sum = shown_rational(&largest, 1);
        return Err(
            gamma_node.unexpected(format!("less than 1 when multiplied with the largest row sum, {sum}"))
        );
    }
    let Checker { n_states, n_actions, .. } = checker;
    Ok(Problem { gamma, initial, entropy, policy, environment, n_states, n_actions })
}

/// What an array has one entry for, and how many there are.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    of: &'static str,
}

impl Axis {
    /// Calls `entry` with each element of an array of the length of this axis.
    fn each(self, node: &Node<'_>, mut entry: impl FnMut(&Node<'_>) -> Checked<()>) -> Checked<()> {
        let mut count = 0;
        for element in node.array()? {
            if count == self.length {
                return Err(self.wrong(node, node.array()?.count()));
            }
            entry(&element)?;
            count += 1;
        }
        if count < self.length { Err(self.wrong(node, count)) } else { Ok(()) }
    }

    fn wrong(self, node: &Node<'_>, count: usize) -> InputError {
        let Axis { length, of } = self;
        node.error(format!("has length {count}, expected {length}, one entry for each {of}"))
    }
}

fn at_least_zero(node: &Node<'_>, reading: Reading) -> Checked<Numeral> {
    let x = node.numeral(reading)?;
    if x.is_negative() { Err(node.unexpected("a number of at least 0")) } else { Ok(x) }
}

fn up_to_one(node: &Node<'_>, reading: Reading) -> Checked<Numeral> {
    let x = node.numeral(reading)?;
    let outside = x.is_negative() || x.compare(1.0 + reading.row_sum_tolerance()).is_gt();
    if outside { Err(node.unexpected("a probability from 0 to 1")) } else { Ok(x) }
}

/// The length of an array that is not empty.
fn positive_length(node: &Node<'_>, of: &'static str) -> Checked<Axis> {
    match node.array()?.count() {
        0 => Err(node.error(format!("has length 0, expected at least one {of}"))),
        length => Ok(Axis { length, of }),
    }
}

/// Reads the policy, which decides how many states and actions there are.
fn policy(node: &Node<'_>, reading: Reading) -> Checked<(PolicySpec, Checker)> {
    let fields = node.fields()?;
    let kind = fields.required("kind")?.choice(&["softmax", "log-linear", "weights", "probabilities"])?;
    let key = match kind {
        "softmax" => "logits",
        "log-linear" => "features",
        _ => "values",
    };
    let keys = ["kind", key, "theta"];
    fields.only(if kind == "log-linear" { &keys } else { &keys[..2] })?;
    let table = fields.required(key)?;
    let states = positive_length(&table, "state")?;
    let actions = match table.array()?.next() {
        Some(first) => positive_length(&first, "action")?,
        None => return Err(states.wrong(&table, 0)),
    };
    let mut checker = Checker {
        reading,
        shape_path: table.path().to_string(),
        n_states: states.length,
        n_actions: actions.length,
        largest_policy_row: Numeral::from(1.0),
        largest_transition_row: Numeral::from(1.0),
    };
    let policy = match kind {
        "softmax" => PolicySpec::Softmax { logits: checker.table(&table)? },
        "log-linear" => {
            let theta_node = fields.required("theta")?;
            let parameters = positive_length(&theta_node, "parameter")?;
            let theta = checker.numerals(&theta_node, &[parameters])?;
            let features = checker.numerals(&table, &[states, actions, parameters])?;
            PolicySpec::LogLinear { features, theta }
        }
        "weights" => {
            let mut values = Vec::new();
            nested(&table, &[states, actions], &mut |entry| {
                let weight = entry.numeral(reading)?;
                if !weight.sign().is_gt() {
                    return Err(entry.unexpected("a weight greater than 0"));
                }
                values.push(weight);
                Ok(())
            })?;
            PolicySpec::Weights { values }
        }
        _ => {
            let mut values = Vec::new();
            let mut largest = 0.0_f64;
            states.each(&table, |row| {
                largest = largest.max(checker.distribution(row, actions, &mut values)?);
                Ok(())
            })?;
            checker.largest_policy_row = largest.into();
            PolicySpec::Probabilities { values }
        }
    };
    Ok((policy, checker))
}

/// Calls `entry` with each innermost element of nested arrays of this shape.
fn nested(node: &Node<'_>, shape: &[Axis], entry: &mut dyn FnMut(&Node<'_>) -> Checked<()>) -> Checked<()> {
    match shape.split_first() {
        Some((axis, inner)) => axis.each(node, |element| nested(element, inner, entry)),
        None => entry(node),
    }
}

/// An index of a sparse entry: how many values it has and what it numbers.
type Index = (usize, &'static str);

/// What the rest of a problem is held against.
struct Checker {
    reading: Reading,
    /// The path to the table that decided the shape.
    shape_path: String,
    n_states: usize,
    n_actions: usize,
    /// The largest sum of probabilities of a state's actions.
    largest_policy_row: Numeral,
    /// The largest sum of probabilities of a transition.
    largest_transition_row: Numeral,
}

impl Checker {
    fn states(&self) -> Axis {
        Axis { length: self.n_states, of: "state" }
    }

    fn actions(&self) -> Axis {
        Axis { length: self.n_actions, of: "action" }
    }

    /// Real numbers of a given shape, flat.
    fn numerals(&self, node: &Node<'_>, shape: &[Axis]) -> Checked<Vec<Numeral>> {
        let size = shape.iter().fold(1_usize, |size, axis| size.saturating_mul(axis.length));
        // Each entry takes two characters at least.
        let mut flat = Vec::with_capacity(size.min(node.text().len() / 2));
        nested(node, shape, &mut |entry| {
            flat.push(entry.numeral(self.reading)?);
            Ok(())
        })?;
        Ok(flat)
    }

    /// A number for each state and action.
    fn table(&self, node: &Node<'_>) -> Checked<Vec<Numeral>> {
        self.numerals(node, &[self.states(), self.actions()])
    }

    /// Appends a row of probabilities that sums to 1 and returns its sum.
    fn distribution(&self, node: &Node<'_>, axis: Axis, out: &mut Vec<Numeral>) -> Checked<f64> {
        let start = out.len();
        axis.each(node, |entry| {
            out.push(up_to_one(entry, self.reading)?);
            Ok(())
        })?;
        self.sum(&out[start..], 1, 1.0).map_err(|problem| node.error(problem))
    }

    /// The sum of `terms`, which is `expected` within the tolerance times `scale`.
    fn sum(&self, terms: &[Numeral], expected: i64, scale: f64) -> Result<f64, String> {
        match self.reading {
            Reading::Doubles => {
                let sum = compensated_sum(terms);
                // Not the negation: the sum may be too large for a double.
                if (sum - expected as f64).abs() <= self.reading.row_sum_tolerance() * scale {
                    return Ok(sum);
                }
                let within = shown_double(self.reading.row_sum_tolerance() * scale);
                Err(format!("sums to {}, expected {expected} within {within}", shown_double(sum)))
            }
            Reading::Exact => {
                let sum = exact_sum(terms.iter().map(Numeral::exact).collect());
                if sum == Rational::from_integer(expected.into()) {
                    return Ok(expected as f64);
                }
                Err(format!("sums to {}, expected exactly {expected}", shown_rational(&sum, expected)))
            }
        }
    }

    /// The transitions of a kernel, `[s,a,t]`.
    fn kernel(&mut self, node: &Node<'_>) -> Checked<Vec<Numeral>> {
        let mut flat = Vec::with_capacity(node.text().len() / 8);
        let mut largest = 0.0_f64;
        nested(node, &[self.states(), self.actions()], &mut |row| {
            largest = largest.max(self.distribution(row, self.states(), &mut flat)?);
            Ok(())
        })?;
        flat.shrink_to_fit();
        self.largest_transition_row = largest.into();
        Ok(flat)
    }

    /// The policy's shape is the only one that `environment` has.
    fn has_shape(&self, environment: &str, n_states: usize, n_actions: usize) -> Checked<()> {
        if (self.n_states, self.n_actions) == (n_states, n_actions) {
            return Ok(());
        }
        let problem = format!(
            "has {} states and {} actions, expected {n_states} and {n_actions} for {environment}",
            self.n_states, self.n_actions
        );
        Err(InputError::new(self.shape_path.as_str(), problem))
    }

    fn environment(&mut self, node: &Node<'_>, policy: &PolicySpec) -> Checked<EnvironmentSpec> {
        let fields = node.fields()?;
        let kind = fields.required("kind")?.choice(&[
            "fixed",
            "exponential-family",
            "affine",
            "explicit",
            "coin",
            "loan",
            "gridworld",
        ])?;
        match kind {
            "fixed" => {
                fields.only(&["kind", "transitions", "rewards"])?;
                let transitions = self.kernel(&fields.required("transitions")?)?;
                let rewards = self.table(&fields.required("rewards")?)?;
                Ok(EnvironmentSpec::Fixed { transitions, rewards })
            }
            "exponential-family" => self.exponential_family(&fields, policy),
            "affine" => self.affine(&fields),
            "explicit" => self.explicit(&fields, policy),
            "coin" => self.coin(&fields),
            "loan" => self.loan(&fields),
            _ => self.gridworld(&fields),
        }
    }

    fn exponential_family(&self, fields: &Fields<'_>, policy: &PolicySpec) -> Checked<EnvironmentSpec> {
        if !matches!(policy, PolicySpec::Softmax { .. } | PolicySpec::Weights { .. }) {
            let kind = policy.kind();
            let expected = "\"softmax\" or \"weights\" for the environment exponential-family";
            return Err(InputError::new("policy.kind", format!("is \"{kind}\", expected {expected}")));
        }
        fields.only(&["kind", "psi", "base_logits", "base_weights", "reward"])?;
        let psi = self.numerals(&fields.required("psi")?, &[self.states()])?;
        let base = match (fields.optional("base_logits"), fields.optional("base_weights")) {
            (Some(_), Some(weights)) => {
                return Err(weights.error("stands beside base_logits, expected at most one of them"));
            }
            (None, Some(weights)) => Base::Weights(self.base_weights(&weights)?),
            (Some(logits), None) => Base::Logits(Some(self.base_logits(&logits)?)),
            (None, None) => Base::Logits(None),
        };
        let reward_node = fields.required("reward")?;
        let reward = reward_node.fields()?;
        reward.only(&["base", "slope", "clip"])?;
        let reward_base = self.table(&reward.required("base")?)?;
        let slope = match reward.optional("slope") {
            Some(node) => node.numeral(self.reading)?,
            None => Numeral::ZERO,
        };
        let clip = match reward.optional("clip").filter(|node| !node.is_null()) {
            Some(node) => Some(at_least_zero(&node, self.reading)?),
            None => None,
        };
        Ok(EnvironmentSpec::ExponentialFamily { psi, base, reward_base, slope, clip })
    }

    fn base_logits(&self, node: &Node<'_>) -> Checked<Vec<Option<Numeral>>> {
        let mut flat = Vec::new();
        nested(node, &[self.states(), self.actions()], &mut |row| {
            let start = flat.len();
            self.states().each(row, |entry| {
                flat.push(if entry.is_null() { None } else { Some(entry.numeral(self.reading)?) });
                Ok(())
            })?;
            if flat[start..].iter().all(Option::is_none) {
                return Err(row.error("has only null entries, expected at least one number"));
            }
            Ok(())
        })?;
        Ok(flat)
    }

    fn base_weights(&self, node: &Node<'_>) -> Checked<Vec<Numeral>> {
        let mut flat = Vec::new();
        nested(node, &[self.states(), self.actions()], &mut |row| {
            let start = flat.len();
            self.states().each(row, |entry| {
                flat.push(at_least_zero(entry, self.reading)?);
                Ok(())
            })?;
            if !flat[start..].iter().any(|weight| weight.sign().is_gt()) {
                return Err(row.error("has only zero entries, expected at least one positive weight"));
            }
            Ok(())
        })?;
        Ok(flat)
    }

    /// Sparse entries: `N` indices and a number each.
    fn entries<const N: usize>(
        &self,
        node: &Node<'_>,
        indices: [Index; N],
    ) -> Checked<Vec<([usize; N], Numeral)>> {
        let mut entries = Vec::new();
        for entry in node.array()? {
            let mut key = [0; N];
            let mut parts = entry.array()?;
            for (index, (below, what)) in key.iter_mut().zip(indices) {
                match parts.next() {
                    Some(part) => *index = part.index(below, what)?,
                    None => return Err(wrong_length(&entry, &indices)),
                }
            }
            match (parts.next(), parts.next()) {
                (Some(number), None) => entries.push((key, number.numeral(self.reading)?)),
                _ => return Err(wrong_length(&entry, &indices)),
            }
        }
        Ok(entries)
    }

    fn state(&self) -> Index {
        (self.n_states, "a state")
    }

    fn action(&self) -> Index {
        (self.n_actions, "an action")
    }

    fn affine(&mut self, fields: &Fields<'_>) -> Checked<EnvironmentSpec> {
        fields.only(&["kind", "transitions", "transition_slopes", "rewards", "reward_slopes"])?;
        let (state, action) = (self.state(), self.action());
        let transitions_node = fields.required("transitions")?;
        let transitions =
            self.numerals(&transitions_node, &[self.states(), self.actions(), self.states()])?;
        let rewards = self.table(&fields.required("rewards")?)?;

        let rewards_node = fields.required("reward_slopes")?;
        let reward_slopes = self.entries(&rewards_node, [state, action, state, action])?;

        let slopes_node = fields.required("transition_slopes")?;
        let transition_slopes = self.entries(&slopes_node, [state, action, state, state, action])?;
        let order = in_order(&transition_slopes, |key| key);
        let slopes = Slopes { all: &transition_slopes, order };
        self.kernel_for_every_policy(&transitions_node, &slopes_node, &transitions, slopes)?;
        Ok(EnvironmentSpec::Affine { transitions, transition_slopes, rewards, reward_slopes })
    }

    /// Refuses affine transitions that fail to be a kernel for some policy.
    fn kernel_for_every_policy(
        &mut self,
        transitions_node: &Node<'_>,
        slopes_node: &Node<'_>,
        transitions: &[Numeral],
        slopes: Slopes<'_>,
    ) -> Checked<()> {
        let mut largest = 1.0_f64;
        let mut rest = &slopes.order[..];
        for (row, constants) in transitions.chunks(self.n_states).enumerate() {
            let (s, a) = (row / self.n_actions, row % self.n_actions);
            let here = take_while(&mut rest, |&slope| slopes.key(slope)[..2] == [s, a]);
            let row = AffineRow { s, a, n_actions: self.n_actions, constants, slopes: &slopes, here };
            if self.reading == Reading::Doubles
                && let Some(sum) = row.is_clearly_a_row()
            {
                largest = largest.max(sum);
                continue;
            }
            largest = largest.max(self.exact_row(&row, transitions_node, slopes_node)?);
        }
        self.largest_transition_row = largest.into();
        Ok(())
    }

    /// Decides in exact arithmetic whether a row is one for every policy, and
    /// returns its largest sum.
    fn exact_row(
        &self,
        row: &AffineRow<'_>,
        transitions_node: &Node<'_>,
        slopes_node: &Node<'_>,
    ) -> Checked<f64> {
        let (s, a) = (row.s, row.a);
        let tolerance = Rational::from_f64(self.reading.row_sum_tolerance());
        let one = Rational::from_integer(1.into());
        let (at_least, sum_expected) = match self.reading {
            Reading::Doubles => ("at least -1e-9", "1 within 1e-9"),
            Reading::Exact => ("at least 0", "exactly 1"),
        };
        let mut too_low = None;
        row.each_minimum(exact_sum, |t, minimum, has_slopes| {
            if minimum < -&tolerance && too_low.is_none() {
                too_low = Some((t, shown_rational(&minimum, 0), has_slopes));
            }
        });
        if let Some((t, seen, has_slopes)) = too_low {
            return Err(if has_slopes {
                let expected = format!("expected {at_least} for every policy");
                slopes_node.error(format!("P(t={t}|s={s},a={a}) falls to {seen}, {expected}"))
            } else {
                let path = format!("{}[{s}][{a}][{t}]", transitions_node.path());
                InputError::new(path, format!("is {seen} and has no slopes, expected {at_least}"))
            });
        }
        let (minimum, maximum) = row.sums(exact_sum);
        for extreme in [&minimum, &maximum] {
            if *extreme < &one - &tolerance || *extreme > &one + &tolerance {
                let seen = shown_rational(extreme, 1);
                return Err(if row.here.is_empty() || minimum == maximum {
                    let path = format!("{}[{s}][{a}]", transitions_node.path());
                    InputError::new(path, format!("sums to {seen}, expected {sum_expected}"))
                } else {
                    slopes_node.error(format!(
                        "P(.|s={s},a={a}) sums to {seen} for some policy, expected {sum_expected} for every policy"
                    ))
                });
            }
        }
        Ok(maximum.approximate())
    }

    fn explicit(&mut self, fields: &Fields<'_>, policy: &PolicySpec) -> Checked<EnvironmentSpec> {
        fields.only(&["kind", "transitions", "rewards", "transition_jacobian", "reward_jacobian"])?;
        let (state, action) = (self.state(), self.action());
        let parameter = (policy.n_parameters(), "a parameter");
        let transitions = self.kernel(&fields.required("transitions")?)?;
        let rewards = self.table(&fields.required("rewards")?)?;

        let rewards_node = fields.required("reward_jacobian")?;
        let reward_jacobian = self.entries(&rewards_node, [state, action, parameter])?;
        sorted(&rewards_node, &reward_jacobian, |key| key)?;

        let node = fields.required("transition_jacobian")?;
        let transition_jacobian = self.entries(&node, [state, action, state, parameter])?;
        let order = sorted(&node, &transition_jacobian, |[s, a, t, k]| [s, a, k, t])?;
        let row = |entry: usize| {
            let [s, a, _, k] = transition_jacobian[entry].0;
            [s, a, k]
        };
        let mut terms = Vec::new();
        for group in order.chunk_by(|&i, &j| row(i) == row(j)) {
            terms.clear();
            terms.extend(group.iter().map(|&entry| transition_jacobian[entry].1.clone()));
            let scale = terms.iter().map(|term| term.approximate().abs()).fold(1.0, f64::max);
            self.sum(&terms, 0, scale).map_err(|problem| {
                let [s, a, k] = row(group[0]);
                node.error(format!("the derivative of P(.|s={s},a={a}) in parameter k={k} {problem}"))
            })?;
        }
        Ok(EnvironmentSpec::Explicit { transitions, rewards, transition_jacobian, reward_jacobian })
    }

    fn coin(&self, fields: &Fields<'_>) -> Checked<EnvironmentSpec> {
        self.has_shape("the coin", 1, 2)?;
        fields.only(&["kind", "mu", "epsilon"])?;
        let mu_node = fields.required("mu")?;
        let mu = mu_node.numeral(self.reading)?;
        let epsilon_node = fields.required("epsilon")?;
        let epsilon = epsilon_node.numeral(self.reading)?;
        if mu.compare(0.5).is_gt() || mu.compare(-0.5).is_lt() {
            return Err(mu_node.unexpected("a number from -1/2 to 1/2"));
        }
        let outside = match self.reading {
            Reading::Doubles => mu.approximate().abs() + epsilon.approximate().abs() / 2.0 > 0.5,
            Reading::Exact => {
                let two = Rational::from_integer(2.into());
                let one = Rational::from_integer(1.into());
                absolute(mu.exact()) * two + absolute(epsilon.exact()) > one
            }
        };
        if outside {
            return Err(epsilon_node.unexpected("|mu| + |epsilon|/2 of at most 1/2"));
        }
        Ok(EnvironmentSpec::Coin { mu, epsilon })
    }

    fn loan(&self, fields: &Fields<'_>) -> Checked<EnvironmentSpec> {
        fields.only(&["kind", "form", "q0", "c", "gain", "loss"])?;
        let form = match fields.required("form")?.choice(&["bandit", "mdp"])? {
            "bandit" => LoanForm::Bandit,
            _ => LoanForm::Mdp,
        };
        self.has_shape("this form of the loan", form.n_states(), 2)?;
        let q0 = up_to_one_strictly(&fields.required("q0")?, self.reading)?;
        let c_node = fields.required("c")?;
        let c = c_node.numeral(self.reading)?;
        let all_approved: Numeral = match self.reading {
            Reading::Doubles => (q0.approximate() - c.approximate()).into(),
            Reading::Exact => (q0.exact() - c.exact()).into(),
        };
        if all_approved.is_negative() || all_approved.compare(1.0).is_gt() {
            return Err(c_node.unexpected("q0 - c from 0 to 1"));
        }
        let gain = fields.required("gain")?.numeral(self.reading)?;
        let loss = fields.required("loss")?.numeral(self.reading)?;
        Ok(EnvironmentSpec::Loan { form, q0, c, gain, loss })
    }

    fn gridworld(&self, fields: &Fields<'_>) -> Checked<EnvironmentSpec> {
        self.has_shape("the gridworld", SIDE * SIDE, 4)?;
        fields.only(&["kind", "beta", "eps", "followers", "perturbed_grids"])?;
        let beta_node = fields.required("beta")?;
        let beta = beta_node.numeral(self.reading)?;
        if beta.is_negative() || beta.compare(BETA).is_gt() {
            return Err(beta_node.unexpected("a number from 0 to 1e6"));
        }
        let seeded = fields.has("eps") || fields.has("followers");
        let followers = match fields.optional("perturbed_grids") {
            Some(grids) if seeded => {
                return Err(grids.error("stands beside eps or followers, expected either those two or this"));
            }
            Some(grids) => Followers::Given(perturbed_grids(&grids, self.reading)?),
            None => {
                let eps = up_to_one_strictly(&fields.required("eps")?, self.reading)?;
                let count = fields.required("followers")?.count(1..=FOLLOWERS)?;
                Followers::Seeded { eps, count }
            }
        };
        Ok(EnvironmentSpec::Gridworld { beta, followers })
    }
}

/// A probability that is not an entry of a row: no tolerance.
fn up_to_one_strictly(node: &Node<'_>, reading: Reading) -> Checked<Numeral> {
    let x = up_to_one(node, reading)?;
    if x.compare(1.0).is_gt() { Err(node.unexpected("a probability from 0 to 1")) } else { Ok(x) }
}

fn absolute(q: Rational) -> Rational {
    if q < Rational::from_integer(0.into()) { -q } else { q }
}

fn perturbed_grids(node: &Node<'_>, reading: Reading) -> Checked<Vec<Vec<Numeral>>> {
    let count = positive_length(node, "grid")?.length;
    if count > FOLLOWERS {
        return Err(node.error(format!("has length {count}, expected at most {FOLLOWERS} grids")));
    }
    let shape = [Axis { length: SIDE, of: "row" }, Axis { length: SIDE, of: "column" }];
    let mut grids = Vec::with_capacity(count);
    for grid in node.array()? {
        let mut cells = Vec::with_capacity(SIDE * SIDE);
        nested(&grid, &shape, &mut |cell| {
            let value = cell.numeral(reading)?;
            if !value.approximate().is_finite() {
                return Err(cell.unexpected("a number within the range of doubles"));
            }
            cells.push(value);
            Ok(())
        })?;
        grids.push(cells);
    }
    Ok(grids)
}

fn wrong_length(entry: &Node<'_>, indices: &[Index]) -> InputError {
    let count = entry.array().map_or(0, Iterator::count);
    let names: Vec<_> = indices.iter().map(|(_, what)| *what).collect();
    let expected = format!("{}: {} and a number", indices.len() + 1, names.join(", "));
    entry.error(format!("has length {count}, expected {expected}"))
}

/// The positions of sparse entries in the order of their indices, arranged by
/// `arrange`.
fn in_order<const N: usize>(
    entries: &[([usize; N], Numeral)],
    arrange: impl Fn([usize; N]) -> [usize; N],
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|&entry| (arrange(entries[entry].0), entry));
    order
}

/// The same for entries that must not be repeated.
fn sorted<const N: usize>(
    node: &Node<'_>,
    entries: &[([usize; N], Numeral)],
    arrange: impl Fn([usize; N]) -> [usize; N],
) -> Checked<Vec<usize>> {
    let order = in_order(entries, arrange);
    let repeated = |pair: &&[usize]| entries[pair[0]].0 == entries[pair[1]].0;
    match order.windows(2).filter(repeated).min_by_key(|pair| pair[1]) {
        None => Ok(order),
        Some(pair) => Err(InputError::new(
            format!("{}[{}]", node.path(), pair[1]),
            format!("repeats the indices of entry {}, expected each entry once", pair[0]),
        )),
    }
}

/// Sparse slopes of transitions with the order of their indices.
struct Slopes<'a> {
    all: &'a [([usize; 5], Numeral)],
    order: Vec<usize>,
}

impl Slopes<'_> {
    /// `[s, a, t, s2, a2]`
    fn key(&self, slope: usize) -> [usize; 5] {
        self.all[slope].0
    }

    fn number(&self, slope: usize) -> &Numeral {
        &self.all[slope].1
    }
}

/// A row `P(.|s,a)` of affine transitions.
///
/// `P(t|s,a)` is a constant plus, for each state `s2`, an average of that
/// state's slopes under `pi(.|s2)`. States choose independently, so its
/// extremes are those of each state added up, and so are those of the row's
/// sum, whose slopes are the sums over `t`.
struct AffineRow<'a> {
    s: usize,
    a: usize,
    n_actions: usize,
    /// The constant parts, `[t]`.
    constants: &'a [Numeral],
    slopes: &'a Slopes<'a>,
    /// Which slopes belong to the row, in the order of `[t, s2, a2]`.
    here: &'a [usize],
}

impl AffineRow<'_> {
    /// Calls `entry` with each `t`, the least value of `P(t|s,a)` over all
    /// policies and whether it has slopes.
    fn each_minimum<T: Field + PartialOrd>(
        &self,
        sum: fn(Vec<T>) -> T,
        mut entry: impl FnMut(usize, T, bool),
    ) {
        let mut rest = self.here;
        for (t, constant) in self.constants.iter().enumerate() {
            let here = take_while(&mut rest, |&slope| self.slopes.key(slope)[2] == t);
            let mut terms = vec![constant.lift::<T>()];
            for (minimum, _) in self.extremes_by_state(here, sum) {
                terms.push(minimum);
            }
            entry(t, sum(terms), !here.is_empty());
        }
    }

    /// The least and the largest sum of the row over all policies.
    fn sums<T: Field + PartialOrd>(&self, sum: fn(Vec<T>) -> T) -> (T, T) {
        let mut order = self.here.to_vec();
        order.sort_unstable_by_key(|&slope| self.decision(slope));
        let constant = sum(self.constants.iter().map(Numeral::lift).collect());
        let (mut minima, mut maxima) = (vec![constant.clone()], vec![constant]);
        for (minimum, maximum) in self.extremes_by_state(&order, sum) {
            minima.push(minimum);
            maxima.push(maximum);
        }
        (sum(minima), sum(maxima))
    }

    /// `[s2, a2]`
    fn decision(&self, slope: usize) -> [usize; 2] {
        let [_, _, _, s2, a2] = self.slopes.key(slope);
        [s2, a2]
    }

    /// For each state `s2` of slopes in the order of `[s2, a2]`, the least and
    /// the largest total slope of its actions. Repeated slopes add up.
    fn extremes_by_state<T: Field + PartialOrd>(&self, order: &[usize], sum: fn(Vec<T>) -> T) -> Vec<(T, T)> {
        let states = order.chunk_by(|&i, &j| self.decision(i)[0] == self.decision(j)[0]);
        let of_state = |state: &[usize]| {
            let actions = state.chunk_by(|&i, &j| self.decision(i) == self.decision(j));
            let lifted =
                |group: &[usize]| group.iter().map(|&slope| self.slopes.number(slope).lift()).collect();
            self.extremes(actions.map(|group| sum(lifted(group))))
        };
        states.map(of_state).collect()
    }

    /// The least and the largest of the slopes of a state's actions, where
    /// actions without a slope have slope 0.
    fn extremes<T: Field + PartialOrd>(&self, slopes: impl Iterator<Item = T>) -> (T, T) {
        let mut count = 0;
        let mut found: Option<(T, T)> = None;
        for slope in slopes {
            count += 1;
            found = Some(match found {
                None => (slope.clone(), slope),
                Some((low, high)) if slope < low => (slope, high),
                Some((low, high)) if slope > high => (low, slope),
                Some(both) => both,
            });
        }
        match found {
            Some(both) if count == self.n_actions => both,
            Some((low, high)) => {
                let (below, above) = (low < T::zero(), high > T::zero());
                (if below { low } else { T::zero() }, if above { high } else { T::zero() })
            }
            None => (T::zero(), T::zero()),
        }
    }

    /// The largest sum of the row, if doubles already show that it is a row
    /// within the tolerance for every policy.
    ///
    /// With numbers of total magnitude 1000 at most, the doubles nearest to them
    /// and sums in pairs are off by less than 1e-10, the tenth of
    /// the tolerance that is left.
    fn is_clearly_a_row(&self) -> Option<f64> {
        let numbers = self.constants.iter().chain(self.here.iter().map(|&slope| self.slopes.number(slope)));
        let magnitude: f64 = numbers.map(|number| number.approximate().abs()).sum();
        let tolerance = 0.9 * f64::ROW_SUM_TOLERANCE;
        let (low, high) = self.sums(sum_in_pairs);
        let mut clear = magnitude <= 1000.0 && low >= 1.0 - tolerance && high <= 1.0 + tolerance;
        self.each_minimum(sum_in_pairs, |_, minimum, _| clear &= minimum >= -tolerance);
        clear.then_some(high)
    }
}

fn sum_in_pairs(terms: Vec<f64>) -> f64 {
    in_pairs(&terms)
}

fn in_pairs(terms: &[f64]) -> f64 {
    if terms.len() <= 8 {
        return terms.iter().sum();
    }
    let (left, right) = terms.split_at(terms.len() / 2);
    in_pairs(left) + in_pairs(right)
}

/// Cuts off the front of a slice as far as `belongs` holds.
fn take_while<'a, T>(rest: &mut &'a [T], belongs: impl Fn(&T) -> bool) -> &'a [T] {
    let length = rest.iter().position(|item| !belongs(item)).unwrap_or(rest.len());
    let (front, back) = rest.split_at(length);
    *rest = back;
    front
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXED: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.25, 0.75], "entropy": 0.1,
        "policy": {"kind": "probabilities", "values": [["1/4", 0.75], [1, 0]]},
        "environment": {"kind": "fixed", "transitions": [[[0.5, 0.5], [1, 0]], [["1/3", "2/3"], [0, 1]]],
            "rewards": [[1, -1], [0.5, 0]]}}"#;

    const FAMILY: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "softmax", "logits": [[0.1, -0.2], [0.0, 0.3]]},
        "environment": {"kind": "exponential-family", "psi": [1.0, -0.5],
            "base_logits": [[[0.0, 0.2], [null, 0.0]], [[0.0, 0.0], [0.3, -0.3]]],
            "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0.7, "clip": null}}}"#;

    const RATIONAL_FAMILY: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5], "entropy": 0,
        "policy": {"kind": "weights", "values": [[1, 2], [3, 4]]},
        "environment": {"kind": "exponential-family", "psi": [1, -3],
            "base_weights": [[[1, 2], [0, 1]], [[1, 1], [1, 1]]],
            "reward": {"base": [[1.0, 0.0], [0.0, 0.5]], "slope": 0, "clip": 2}}}"#;

    const AFFINE: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "probabilities", "values": [[0.5, 0.5], [1, 0]]},
        "environment": {"kind": "affine", "transitions": [[[1, 0], [0.5, 0.5]], [[0.3, 0.7], [-0.25, 1.25]]],
            "transition_slopes": [[0, 0, 0, 1, 0, -0.5], [0, 0, 1, 1, 0, 0.5],
                [1, 1, 0, 0, 0, 0.25], [1, 1, 0, 0, 1, 0.5], [1, 1, 1, 0, 1, -0.5], [1, 1, 1, 0, 0, -0.25]],
            "rewards": [[1, -1], [0.5, 0]], "reward_slopes": [[0, 1, 1, 0, 2], [0, 1, 1, 1, "1/2"]]}}"#;

    const EXPLICIT: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.9, "initial": [0.5, 0.5],
        "policy": {"kind": "log-linear", "features": [[[1, 2, 3], [0, 0, 1]], [[1, 1, 1], [2, 2, 2]]], "theta": [1, 2, 3]},
        "environment": {"kind": "explicit", "transitions": [[[1, 0], [0.5, 0.5]], [[0.3, 0.7], [0, 1]]],
            "transition_jacobian": [[0, 1, 1, 2, 0.5], [0, 1, 0, 2, -0.5]],
            "rewards": [[1, -1], [0.5, 0]], "reward_jacobian": [[0, 1, 2, 3.5]]}}"#;

    const COIN: &str = r#"{"format": "pemdp-problem/1", "gamma": 0, "initial": [1],
        "policy": {"kind": "softmax", "logits": [[0, 0]]},
        "environment": {"kind": "coin", "mu": 0.125, "epsilon": -0.25}}"#;

    const LOAN: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.5,
        "policy": {"kind": "weights", "values": [[1, 3], [1, 1], [1, 1], [1, 1]]},
        "environment": {"kind": "loan", "form": "mdp", "q0": 0.75, "c": 0.5, "gain": 1, "loss": 1}}"#;

    const BANDIT: &str = r#"{"format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
        "policy": {"kind": "weights", "values": [[1, 3]]},
        "environment": {"kind": "loan", "form": "bandit", "q0": 0.9, "c": -0.1, "gain": 1, "loss": 1}}"#;

    fn gridworld() -> String {
        let logits = format!("[{}]", ["[0,0,0,0]"; 64].join(","));
        format!(
            r#"{{"format": "pemdp-problem/1", "gamma": 0.9, "policy": {{"kind": "softmax", "logits": {logits}}},
            "environment": {{"kind": "gridworld", "beta": 5, "eps": 0.5, "followers": 2}}}}"#
        )
    }

    fn given_grids() -> String {
        let grid = format!("[{}]", ["[0,-0.02,1,0,0,0,0,0]"; 8].join(","));
        let grids = format!("\"perturbed_grids\": [{grid}, {grid}]");
        gridworld().replace("\"eps\": 0.5, \"followers\": 2", &grids)
    }

    fn valid() -> Vec<String> {
        let mut all: Vec<String> =
            [FIXED, FAMILY, RATIONAL_FAMILY, AFFINE, EXPLICIT, COIN, LOAN, BANDIT].map(str::to_owned).into();
        all.extend([gridworld(), given_grids()]);
        all
    }

    fn read(text: &str) -> Checked<Problem> {
        Problem::from_json(text, Reading::Doubles)
    }

    #[test]
    fn valid_problems_are_read() {
        for text in valid() {
            for reading in [Reading::Doubles, Reading::Exact] {
                Problem::from_bytes(text.as_bytes(), reading)
                    .unwrap_or_else(|error| panic!("{error}\n{text}"));
            }
        }
        let fixed = read(FIXED).unwrap();
        let EnvironmentSpec::Fixed { transitions, rewards } = &fixed.environment else { panic!() };
        assert_eq!(transitions[4].exact(), Rational::new(1.into(), 3.into()));
        assert_eq!(transitions[3], Numeral::ZERO);
        assert_eq!(rewards[1], Numeral::from(-1.0));
        assert_eq!(fixed.entropy, Numeral::from(0.1));
        assert_eq!(fixed.initial.unwrap()[1], Numeral::from(0.75));
        let EnvironmentSpec::ExponentialFamily { base: Base::Logits(Some(logits)), clip, .. } =
            read(FAMILY).unwrap().environment
        else {
            panic!()
        };
        assert_eq!((&logits[2], &logits[7]), (&None, &Some(Numeral::from(-0.3))));
        assert_eq!(clip, None);
        let explicit = read(EXPLICIT).unwrap();
        assert_eq!((explicit.n_states(), explicit.n_actions(), explicit.n_parameters()), (2, 2, 3));
        let EnvironmentSpec::Gridworld { followers: Followers::Given(grids), .. } =
            read(&given_grids()).unwrap().environment
        else {
            panic!()
        };
        assert_eq!((grids.len(), grids[1].len(), &grids[1][9]), (2, 64, &Numeral::from(-0.02)));
    }

    #[test]
    fn absent_keys_have_defaults() {
        let bare = FAMILY
            .replace(r#""base_logits": [[[0.0, 0.2], [null, 0.0]], [[0.0, 0.0], [0.3, -0.3]]],"#, "")
            .replace(r#", "slope": 0.7, "clip": null"#, "");
        let problem = read(&bare).unwrap();
        assert_eq!(problem.entropy, Numeral::ZERO);
        let EnvironmentSpec::ExponentialFamily { base, slope, clip, .. } = problem.environment else {
            panic!()
        };
        assert_eq!((base, slope, clip), (Base::Logits(None), Numeral::ZERO, None));
    }

    /// Each replacement of a part of `valid` gives an error at the path whose
    /// message contains the words.
    fn refused(valid: &str, reading: Reading, cases: &[(&str, &str, &str, &str)]) {
        for (from, to, path, words) in cases {
            assert!(valid.contains(from), "{from}");
            let error = match Problem::from_json(&valid.replacen(from, to, 1), reading) {
                Err(error) => error,
                Ok(_) => panic!("{from} -> {to} is accepted"),
            };
            assert_eq!(error.path(), *path, "{error}");
            assert!(error.problem().contains(words), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_frame_is_checked() {
        refused(
            FIXED,
            Reading::Doubles,
            &[
                (
                    "pemdp-problem/1",
                    "pemdp-answer/1",
                    "format",
                    "is \"pemdp-answer/1\", expected \"pemdp-problem/1\"",
                ),
                ("\"format\": \"pemdp-problem/1\",", "", "format", "is missing"),
                ("\"gamma\": 0.9,", "", "gamma", "is missing"),
                ("\"initial\": [0.25, 0.75],", "", "initial", "is missing"),
                ("\"gamma\"", "\"gama\"", "gama", "unknown key \"gama\""),
                ("\"gamma\"", "\"gamma\": 1, \"gamma\"", "gamma", "duplicate key \"gamma\""),
                ("\"gamma\": 0.9", "\"gamma\": 1", "gamma", "is 1, expected a number from 0 to less than 1"),
                ("\"gamma\": 0.9", "\"gamma\": -0.1", "gamma", "is -0.1"),
                ("\"gamma\": 0.9", "\"gamma\": null", "gamma", "is null, expected a number"),
                (
                    "\"gamma\": 0.9",
                    "\"gamma\": \"a\"",
                    "gamma",
                    "is \"a\", expected a number or a string such as",
                ),
                ("\"gamma\": 0.9", "\"gamma\": 1e999999999", "gamma", "at most 4096 digits"),
                (
                    "\"gamma\": 0.9",
                    "\"gamma\": \"1/0\"",
                    "gamma",
                    "is \"1/0\", expected a positive denominator",
                ),
                ("0.1", "-0.1", "entropy", "is -0.1, expected a number of at least 0"),
                ("[0.25, 0.75]", "[0.25, 0.7]", "initial", "sums to 0.95, expected 1 within 1e-9"),
                ("[0.25, 0.75]", "[-0.25, 1]", "initial[0]", "is -0.25, expected a probability"),
                (
                    "[0.25, 0.75]",
                    "[0, 1, 0]",
                    "initial",
                    "has length 3, expected 2, one entry for each state",
                ),
                ("[0.25, 0.75]", "[1]", "initial", "has length 1"),
                ("[0.25, 0.75]", "1", "initial", "is 1, expected an array"),
            ],
        );
        assert!(read("[1]").unwrap_err().to_string().starts_with("is [1], expected an object"));
    }

    #[test]
    fn rows_that_lengthen_the_horizon_are_refused() {
        let almost = FIXED.replace("0.9", "0.9999999999999999");
        assert!(read(&almost).is_ok());
        let above = almost.replace("[0.5, 0.5]", "[0.5, 0.5000000001]");
        let error = read(&above).unwrap_err();
        assert_eq!(error.path(), "gamma");
        assert!(error.problem().contains("largest row sum"), "{error}");
        assert!(read(&FIXED.replace("[0.5, 0.5]", "[0.5, 0.5000000001]")).is_ok());
        let policy = almost.replace("[\"1/4\", 0.75]", "[0.25, 0.7500000001]");
        assert_eq!(read(&policy).unwrap_err().path(), "gamma");
        let slopes = AFFINE.replace("0.9", "0.9999999999999999").replacen("0, 0.5],", "0, 0.5000000001],", 1);
        assert_eq!(read(&slopes).unwrap_err().path(), "gamma");
    }

    #[test]
    fn fixed_environments_and_probabilities_are_checked() {
        refused(
            FIXED,
            Reading::Doubles,
            &[
                ("[[\"1/4\", 0.75], [1, 0]]", "[]", "policy.values", "at least one state"),
                ("[[\"1/4\", 0.75], [1, 0]]", "[[]]", "policy.values[0]", "at least one action"),
                (
                    "[1, 0]]},",
                    "[1, 0, 0]]},",
                    "policy.values[1]",
                    "has length 3, expected 2, one entry for each action",
                ),
                ("\"1/4\"", "\"1/5\"", "policy.values[0]", "sums to 0.95"),
                ("\"1/4\"", "2", "policy.values[0][0]", "is 2, expected a probability from 0 to 1"),
                ("\"probabilities\"", "\"greedy\"", "policy.kind", "is \"greedy\", expected \"softmax\" or"),
                ("\"values\"", "\"theta\": [], \"values\"", "policy.theta", "unknown key"),
                (
                    "\"values\"",
                    "\"logits\"",
                    "policy.logits",
                    "unknown key \"logits\", expected only kind, values",
                ),
                ("\"fixed\"", "\"fix\\ned\"", "environment.kind", "expected \"fixed\" or"),
                ("\"rewards\"", "\"reward\"", "environment.reward", "unknown key"),
                (",\n            \"rewards\": [[1, -1], [0.5, 0]]", "", "environment.rewards", "is missing"),
                (
                    "[0.5, 0.5]",
                    "[0.5, 0.48]",
                    "environment.transitions[0][0]",
                    "sums to 0.98, expected 1 within 1e-9",
                ),
                (
                    "\"2/3\"",
                    "\"5/3\"",
                    "environment.transitions[1][0][1]",
                    "is \"5/3\", expected a probability",
                ),
                (
                    "\"2/3\"",
                    "{\"a\": 2}",
                    "environment.transitions[1][0][1]",
                    "is {\"a\": 2}, expected a number",
                ),
                ("[0, 1]", "[0, 1, 0]", "environment.transitions[1][1]", "has length 3, expected 2"),
                ("[0.5, 0]", "[0.5]", "environment.rewards[1]", "has length 1, expected 2"),
                ("-1", "1e400", "environment.rewards[0][1]", "within the range of doubles"),
            ],
        );
        refused(
            FIXED,
            Reading::Exact,
            &[
                ("0.75]]", "0.75]], ", "", "JSON"),
                (
                    "[0.5, 0.5]",
                    "[0.5, 0.50000000000000000001]",
                    "environment.transitions[0][0]",
                    "expected exactly 1",
                ),
                ("\"2/3\"", "0.66", "environment.transitions[1][0]", "sums to 149/150, expected exactly 1"),
                ("[1, 0]]},", "[1.1, 0]]},", "policy.values[1][0]", "is 1.1"),
            ][1..],
        );
    }

    #[test]
    fn exponential_families_are_checked() {
        refused(
            FAMILY,
            Reading::Doubles,
            &[
                ("[1.0, -0.5]", "[1.0]", "environment.psi", "has length 1, expected 2"),
                ("[0.0, 0.2]", "[0.0, \"0.2e\"]", "environment.base_logits[0][0][1]", "is \"0.2e\""),
                ("[null, 0.0]", "[null, null]", "environment.base_logits[0][1]", "only null entries"),
                ("[null, 0.0]", "null", "environment.base_logits[0][1]", "is null, expected an array"),
                (
                    "\"psi\"",
                    "\"base_weights\": [], \"psi\"",
                    "environment.base_weights",
                    "stands beside base_logits",
                ),
                (
                    "\"clip\": null",
                    "\"clip\": -1",
                    "environment.reward.clip",
                    "is -1, expected a number of at least 0",
                ),
                ("\"clip\": null", "\"clips\": null", "environment.reward.clips", "unknown key"),
                ("\"slope\": 0.7", "\"slope\": null", "environment.reward.slope", "is null"),
                ("\"base\": [[1.0, 0.0], [0.0, 0.5]], ", "", "environment.reward.base", "is missing"),
                ("[[1.0, 0.0], [0.0, 0.5]]", "[[1.0, 0.0]]", "environment.reward.base", "has length 1"),
                ("\"logits\": [[0.1", "\"logits\": [[true", "policy.logits[0][0]", "is true"),
                (
                    "\"softmax\", \"logits\": [[0.1, -0.2], [0.0, 0.3]]",
                    "\"probabilities\", \"values\": [[1, 0], [1, 0]]",
                    "policy.kind",
                    "is \"probabilities\", expected \"softmax\" or \"weights\"",
                ),
            ],
        );
        refused(
            RATIONAL_FAMILY,
            Reading::Doubles,
            &[
                ("[0, 1]", "[0, -1]", "environment.base_weights[0][1][1]", "is -1"),
                ("[0, 1]", "[0, 0]", "environment.base_weights[0][1]", "at least one positive weight"),
                ("[3, 4]", "[3, 0]", "policy.values[1][1]", "is 0, expected a weight greater than 0"),
            ],
        );
    }

    #[test]
    fn affine_environments_are_kernels_for_every_policy() {
        let slopes = "environment.transition_slopes";
        let at = |index: &str| format!("{slopes}{index}");
        refused(
            AFFINE,
            Reading::Doubles,
            &[
                (
                    "-0.5]",
                    "-1.5]",
                    slopes,
                    "P(t=0|s=0,a=0) falls to -1/2, expected at least -1e-9 for every policy",
                ),
                (
                    "[0, 0, 1, 1, 0, 0.5]",
                    "[0, 0, 1, 1, 1, 0.5]",
                    slopes,
                    "P(.|s=0,a=0) sums to 1/2 for some policy",
                ),
                ("0, 1, 0.5]", "0, 1, 0.75]", slopes, "P(.|s=1,a=1) sums to 5/4 for some policy"),
                // At pi(1|0) = 1 the constant -1/4 of P(0|1,1) is left alone.
                ("[1, 1, 0, 0, 1, 0.5], ", "", slopes, "P(t=0|s=1,a=1) falls to -1/4"),
                ("0.7]", "0.6]", "environment.transitions[1][0]", ", expected 1 within 1e-9"),
                // Slopes that cancel are not to blame.
                ("[[[1, 0]", "[[[0.75, 0]", "environment.transitions[0][0]", "sums to 3/4, expected 1"),
                (
                    "[0.3, 0.7]",
                    "[-0.5, 1.5]",
                    "environment.transitions[1][0][0]",
                    "is -1/2 and has no slopes, expected at least -1e-9",
                ),
                ("[0, 0, 1, 1, 0, 0.5]", "[2, 0, 1, 1, 0, 0.5]", &at("[1][0]"), "is 2, expected a state"),
                (
                    "[0, 0, 1, 1, 0, 0.5]",
                    "[0, 0, 1, 1, 2, 0.5]",
                    &at("[1][4]"),
                    "expected an action, an integer from 0 to 1",
                ),
                ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1.0, 0, 0.5]", &at("[1][3]"), "is 1.0, expected a state"),
                ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1, 0.5]", &at("[1][4]"), "is 0.5, expected an action"),
                (
                    "[0, 0, 1, 1, 0, 0.5]",
                    "[0, 0, 1, 1, 0]",
                    &at("[1]"),
                    "has length 5, expected 6: a state, an action",
                ),
                ("[0, 0, 1, 1, 0, 0.5]", "[0, 0, 1, 1, 0, 1, 2]", &at("[1]"), "has length 7"),
                ("0, 2]", "2, 2]", "environment.reward_slopes[0][3]", "is 2, expected an action"),
                ("\"1/2\"", "\"x\"", "environment.reward_slopes[1][4]", "is \"x\""),
            ],
        );
        let tenths = AFFINE.replacen("-0.5]", "-1.0000000001]", 1).replacen(
            "1, 1, 0, 0.5]",
            "1, 1, 0, 1.0000000001]",
            1,
        );
        assert!(read(&tenths).is_ok());
        let error = Problem::from_json(&tenths, Reading::Exact).unwrap_err();
        assert_eq!(error.path(), slopes);
        assert!(error.problem().contains("falls to -1/10000000000, expected at least 0"), "{error}");
    }

    #[test]
    fn explicit_environments_are_checked() {
        let jacobian = "environment.transition_jacobian";
        refused(
            EXPLICIT,
            Reading::Doubles,
            &[
                (
                    "-0.5]",
                    "-0.4]",
                    jacobian,
                    "P(.|s=0,a=1) in parameter k=2 sums to 0.09999999999999998, expected 0 within 1e-9",
                ),
                ("[0, 1, 0, 2, -0.5]", "[0, 1, 0, 1, -0.5]", jacobian, "k=1 sums to -0.5"),
                (
                    "[0, 1, 0, 2, -0.5]",
                    "[0, 1, 0, 3, -0.5]",
                    "environment.transition_jacobian[1][3]",
                    "is 3, expected a parameter",
                ),
                ("[0, 1, 0, 2, -0.5]", "[0, 1, 1, 2, -0.5]", "environment.transition_jacobian[1]", "repeats"),
                ("[0, 1, 2, 3.5]", "[0, 1, 2]", "environment.reward_jacobian[0]", "has length 3, expected 4"),
                ("[0, 1, 2, 3.5]", "[0, 1, 2, 1], [0, 1, 2, 1]", "environment.reward_jacobian[1]", "repeats"),
                ("[0.5, 0.5]]", "[0.5, 0.6]]", "environment.transitions[0][1]", "sums to 1.1"),
                ("\"theta\": [1, 2, 3]", "\"theta\": []", "policy.theta", "at least one parameter"),
                (
                    "\"theta\": [1, 2, 3]",
                    "\"theta\": [1, 2]",
                    "policy.features[0][0]",
                    "has length 3, expected 2",
                ),
                (", \"theta\": [1, 2, 3]", "", "policy.theta", "is missing"),
            ],
        );
        let large = EXPLICIT.replace("2, 0.5]", "2, 1e9]").replace("-0.5]", "-1000000000.1]");
        assert!(read(&large).is_ok());
        assert!(Problem::from_json(&large, Reading::Exact).is_err());
    }

    #[test]
    fn coins_and_loans_are_checked() {
        refused(
            COIN,
            Reading::Doubles,
            &[
                ("-0.25", "0.8", "environment.epsilon", "is 0.8, expected |mu| + |epsilon|/2 of at most 1/2"),
                ("0.125", "-0.6", "environment.mu", "is -0.6"),
                ("[[0, 0]]", "[[0, 0, 0]]", "policy.logits", "has 1 states and 3 actions, expected 1 and 2"),
                (
                    "\"mu\"",
                    "\"eps\"",
                    "environment.eps",
                    "unknown key \"eps\", expected only kind, mu, epsilon",
                ),
            ],
        );
        refused(
            LOAN,
            Reading::Doubles,
            &[
                ("\"q0\": 0.75", "\"q0\": 1.25", "environment.q0", "is 1.25"),
                ("\"c\": 0.5", "\"c\": 0.8", "environment.c", "is 0.8, expected q0 - c from 0 to 1"),
                ("\"c\": 0.5", "\"c\": -0.3", "environment.c", "is -0.3"),
                ("\"mdp\"", "\"bandit\"", "policy.values", "has 4 states and 2 actions, expected 1 and 2"),
                ("\"mdp\"", "3", "environment.form", "is 3, expected \"bandit\" or \"mdp\""),
                (", \"loss\": 1", "", "environment.loss", "is missing"),
            ],
        );
    }

    #[test]
    fn gridworlds_are_checked() {
        refused(
            &gridworld(),
            Reading::Doubles,
            &[
                ("[0,0,0,0],", "", "policy.logits", "has 63 states and 4 actions, expected 64 and 4"),
                ("\"beta\": 5", "\"beta\": -1", "environment.beta", "is -1"),
                ("\"beta\": 5", "\"beta\": 1000001", "environment.beta", "from 0 to 1e6"),
                ("\"eps\": 0.5", "\"eps\": 1.0000000001", "environment.eps", "expected a probability"),
                (
                    "\"followers\": 2",
                    "\"followers\": 0",
                    "environment.followers",
                    "is 0, expected an integer from 1 to 10000",
                ),
                ("\"followers\": 2", "\"followers\": \"2\"", "environment.followers", "is \"2\""),
                ("\"eps\": 0.5,", "", "environment.eps", "is missing"),
                (", \"followers\": 2", "", "environment.followers", "is missing"),
                (
                    "\"eps\": 0.5, \"followers\": 2",
                    "\"eps\": 0.5, \"perturbed_grids\": []",
                    "environment.perturbed_grids",
                    "beside",
                ),
                (", \"eps\": 0.5, \"followers\": 2", "", "environment.eps", "is missing"),
            ],
        );
        refused(
            &given_grids(),
            Reading::Exact,
            &[
                (
                    "[0,-0.02,1,0,0,0,0,0]",
                    "[0,1,0,0,0,0,0]",
                    "environment.perturbed_grids[0][0]",
                    "has length 7",
                ),
                ("-0.02", "1e400", "environment.perturbed_grids[0][0][1]", "range of doubles"),
            ],
        );
    }

    #[test]
    fn what_is_not_rational_is_named() {
        let rational = [RATIONAL_FAMILY, AFFINE, LOAN, BANDIT, &FIXED.replace("0.1", "0")];
        for text in rational {
            assert_eq!(Problem::from_json(text, Reading::Exact).unwrap().not_rational(), None);
        }
        let first = |text: &str| read(text).unwrap().not_rational().unwrap();
        assert_eq!(
            first(COIN),
            (
                "policy.kind".to_owned(),
                "softmax is not rational, expected weights or probabilities".to_owned()
            )
        );
        let paths = [
            (EXPLICIT.to_owned(), "policy.kind"),
            (FIXED.to_owned(), "entropy"),
            (RATIONAL_FAMILY.replace("-3]", "-3.5]"), "environment.psi[1]"),
            (RATIONAL_FAMILY.replace("-3]", "-10001]"), "environment.psi[1]"),
            (RATIONAL_FAMILY.replace("weights\": [[[", "logits\": [[["), "environment.base_logits"),
            (RATIONAL_FAMILY.replace("\"slope\": 0", "\"slope\": 1"), "environment.reward.slope"),
            (
                gridworld()
                    .replace("softmax", "weights")
                    .replace("logits", "values")
                    .replace("[0,0,0,0]", "[1,1,1,1]"),
                "environment.kind",
            ),
        ];
        for (text, path) in paths {
            assert_eq!(first(&text).0, path);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn mutated_problems_never_panic(
            which in 0_usize..10,
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = valid()[which].clone().into_bytes();
            let source = bytes.clone();
            for (place, edit, other, byte) in edits {
                if bytes.is_empty() {
                    break;
                }
                let at = place.index(bytes.len());
                match edit {
                    0 => { bytes.remove(at); }
                    1 => bytes[at] = byte,
                    // Bytes of the file itself keep it likely to be JSON.
                    2 => bytes[at] = source[other.index(source.len())],
                    _ => {
                        let from = other.index(source.len());
                        let piece = source[from..(from + byte as usize % 24).min(source.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            for reading in [Reading::Doubles, Reading::Exact] {
                if let Err(error) = Problem::from_bytes(&bytes, reading) {
                    let message = error.to_string();
                    prop_assert!(!message.is_empty() && message.chars().count() < 500);
                    prop_assert!(!message.chars().any(char::is_control), "{}", message);
                }
            }
        }
    }
}
