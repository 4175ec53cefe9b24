//! Problems as values.

use num_traits::{One, Zero};

use super::action_sets::{ActionSets, ends, never_ending};
use super::checker::{Checker, unexpected};
use super::input_error::InputError;
use super::names::Names;
use super::numeral::{Numeral, Reading, shown_rational};
use super::writer::Writer;
use crate::arithmetic::{Field, Rational};
use crate::criterion::Criterion;
use crate::environments::{EnvironmentSpec, Given, Structure};
use crate::linear::listed;
use crate::policy::PolicySpec;

/// The name of the format, the value of the key `format`.
pub const FORMAT: &str = "pemdp-problem/1";

/// What a problem is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The number of states S.
    pub n_states: usize,
    /// The number of actions A.
    pub n_actions: usize,
    /// The discount factor, in \[0, 1); or 1, where every episode ends.
    pub gamma: Numeral,
    /// How rewards add up.
    pub criterion: Criterion,
    /// Which states end an episode, and which actions each state has.
    pub actions: ActionSets,
    /// The names of states and actions.
    pub names: Names,
    /// The distribution of the first state, `[s]`; `None` where the environment's own is
    /// meant.
    pub initial: Option<Vec<Numeral>>,
    /// The weight lambda >= 0 of the entropy.
    pub entropy: Numeral,
    /// The policy and its parameters.
    pub policy: PolicySpec,
    /// The environment.
    pub environment: EnvironmentSpec,
}

/// The largest number of steps of a horizon.
pub(super) const LONGEST: usize = 100_000;

impl Parts {
    /// Checks that the criterion is one of this problem.
    fn check_criterion(&self) -> Result<(), InputError> {
        let is_undiscounted = self.gamma.compare(1.0).is_eq();
        if is_undiscounted && matches!(self.environment.structure(self.given()), Structure::Followers(_)) {
            return unexpected("gamma", &[], &self.gamma, "less than 1, by which followers discount too");
        }
        match self.criterion {
            Criterion::Discounted => Ok(()),
            Criterion::Horizon(steps) if (1..=LONGEST).contains(&steps) => Ok(()),
            Criterion::Horizon(steps) => {
                let problem = format!("is {steps}, expected 1 to {LONGEST} steps");
                Err(InputError::new("criterion.horizon", problem))
            }
            Criterion::Average if !is_undiscounted => {
                unexpected("gamma", &[], &self.gamma, "1, or nothing, with the criterion average")
            }
            Criterion::Average => match self.actions.terminal.iter().position(|terminal| *terminal) {
                Some(s) => {
                    let problem = format!("has the state {s}, expected none with the criterion average");
                    Err(InputError::new("terminal", problem))
                }
                None => Ok(()),
            },
        }
    }

    /// Whether rewards add up undiscounted, until episodes end.
    fn is_total(&self) -> bool {
        self.criterion == Criterion::Discounted && self.gamma.compare(1.0).is_eq()
    }

    fn given(&self) -> Given<'_> {
        Given {
            n_states: self.n_states,
            n_actions: self.n_actions,
            gamma: &self.gamma,
            actions: &self.actions,
            has_local_logits: self.policy.shape().is_local,
        }
    }
}

/// A problem that has been checked.
///
/// ```
/// use pemdp::criterion::Criterion;
/// use pemdp::environments::{LoanForm, LoanSpec};
/// use pemdp::policy::Probabilities;
/// use pemdp::problem::{ActionSets, Names, Numeral, Parts, Problem, Reading};
/// let half = Numeral::from(0.5);
/// let loan = LoanSpec {
///     form: LoanForm::Bandit,
///     q0: Numeral::from(0.75),
///     c: half.clone(),
///     gain: Numeral::from(1.0),
///     loss: Numeral::from(1.0),
/// };
/// let problem = Problem::new(
///     Parts {
///         n_states: 1,
///         n_actions: 2,
///         gamma: half,
///         criterion: Criterion::Discounted,
///         actions: ActionSets::default(),
///         names: Names::default(),
///         initial: None,
///         entropy: Numeral::ZERO,
///         policy: Probabilities { values: vec![Numeral::from(0.25), Numeral::from(0.75)] }.into(),
///         environment: loan.into(),
///     },
///     Reading::Doubles,
/// )?;
/// assert_eq!((problem.n_states(), problem.n_actions(), problem.n_parameters()), (1, 2, 2));
/// assert_eq!(problem.exact_answer()?.value, "1/8");
/// assert_eq!(Problem::from_json(&problem.to_json(), Reading::Exact)?, problem);
/// # Ok::<(), pemdp::oracle::OracleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    parts: Parts,
}

impl Problem {
    /// A problem, checked: shapes, ranges, that rows of probabilities sum to 1 (within
    /// 1e-9, or exactly with [`Reading::Exact`]), that an affine environment is a kernel
    /// for every policy, and that gamma times the largest row sum is below 1, or gamma is 1
    /// (whether episodes end, the evaluation tells). Nothing is
    /// renormalised. The work is linear in the number of entries, up to the sorting of
    /// sparse ones.
    ///
    /// # Errors
    /// Whatever a problem must not be, with the path to it in a file.
    pub fn new(parts: Parts, reading: Reading) -> Result<Self, InputError> {
        let (n_states, n_actions) = (parts.n_states, parts.n_actions);
        for (n, what) in [(n_states, "state"), (n_actions, "action")] {
            if n == 0 {
                let problem = format!("has length 0, expected at least one {what}");
                return Err(InputError::new(parts.policy.table_path(), problem));
            }
        }
        parts.names.check(n_states, n_actions)?;
        parts.actions.check(n_states, n_actions, &parts.policy.table_path())?;
        let checker = Checker::new(reading, parts.policy.shape(), n_states, n_actions);
        let mut checker = checker.within(&parts.actions);
        if parts.gamma.is_negative() || parts.gamma.compare(1.0).is_gt() || !parts.gamma.is_finite() {
            unexpected("gamma", &[], &parts.gamma, "a number from 0 to 1")?;
        }
        parts.check_criterion()?;
        checker.at_least_zero("entropy", &[], &parts.entropy)?;
        parts.policy.check(&mut checker)?;
        parts.environment.check(&mut checker)?;
        match &parts.initial {
            Some(initial) => {
                checker.length("initial", initial.len(), n_states)?;
                checker.distribution("initial", &[], initial)?;
            }
            None if parts.environment.initial().is_some() => {}
            None => return Err(InputError::new("initial", "is missing, expected a value")),
        }
        if parts.is_total() {
            let states = never_ending(&parts, parts.given());
            if !states.is_empty() {
                let seen = format!("is 1 and an episode never ends from {} on", listed(&states));
                let expected = "less than 1, a way to a terminal state or to one that is never left and pays nothing, \
                                or \"criterion\": \"average\"";
                return Err(InputError::new("gamma", format!("{seen}, expected {expected}")));
            }
        }
        // The sums are off by a few roundings: what is closer is left to the evaluation.
        let largest = checker.largest_row();
        let rounding = match reading {
            Reading::Doubles => Rational::from_f64(16.0 * f64::EPSILON),
            Reading::Exact => Rational::zero(),
        };
        let is_discounted = parts.gamma.compare(1.0).is_lt();
        if is_discounted && parts.gamma.exact() * &largest * (Rational::one() - rounding) >= Rational::one() {
            let sum = shown_rational(&largest, 1);
            let expected = format!("less than 1 when multiplied with the largest row sum, {sum}");
            unexpected("gamma", &[], &parts.gamma, &expected)?;
        }
        Ok(Self { parts })
    }

    /// What it is made of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The number of states.
    pub fn n_states(&self) -> usize {
        self.parts.n_states
    }

    /// The number of actions.
    pub fn n_actions(&self) -> usize {
        self.parts.n_actions
    }

    /// The number of parameters of the policy.
    pub fn n_parameters(&self) -> usize {
        self.parts.policy.n_parameters()
    }

    /// Whether values are discounted sums, with gamma below 1.
    pub fn is_discounted(&self) -> bool {
        self.criterion() == Criterion::Discounted && self.parts.gamma.compare(1.0).is_lt()
    }

    /// How rewards add up.
    pub fn criterion(&self) -> Criterion {
        self.parts.criterion
    }

    /// What some methods need: that rewards are discounted, no state is terminal and each has
    /// all actions.
    ///
    /// # Errors
    /// What is otherwise, for `method`.
    pub fn require_whole(&self, method: &str) -> Result<(), InputError> {
        if self.criterion() != Criterion::Discounted {
            let seen = match self.criterion() {
                Criterion::Average => "average",
                _ => "a horizon",
            };
            return Err(InputError::new("criterion", format!("is {seen}, expected discounted for {method}")));
        }
        if !self.is_discounted() {
            return Err(InputError::new("gamma", format!("is 1, expected less than 1 for {method}")));
        }
        let ActionSets { terminal, available } = self.action_sets();
        if let Some(s) = terminal.iter().position(|terminal| *terminal) {
            let problem = format!("has the state {s}, expected no terminal state for {method}");
            return Err(InputError::new("terminal", problem));
        }
        if let Some(pair) = available.iter().position(|available| !available) {
            let (s, a) = (pair / self.n_actions(), pair % self.n_actions());
            let problem = format!("state {s} does not have the action {a}, expected all for {method}");
            return Err(InputError::new("available", problem));
        }
        Ok(())
    }

    /// Which states end an episode, and which actions each state has.
    pub fn action_sets(&self) -> &ActionSets {
        &self.parts.actions
    }

    /// Whether each pair has a row of the kernel that is not read, `[s,a]`; empty where none
    /// is: of terminal states, of actions that a state does not have and, without discounting,
    /// of states that are never left and pay nothing.
    pub(crate) fn unused(&self) -> Vec<bool> {
        let (n, width) = (self.n_states(), self.n_actions());
        if !self.parts.is_total() {
            return self.action_sets().unused(n, width);
        }
        let terminal = ends(self.environment(), self.given(), self.entropy());
        ActionSets { terminal, available: self.action_sets().available.clone() }.unused(n, width)
    }

    /// The names of states and actions.
    pub fn names(&self) -> &Names {
        &self.parts.names
    }

    /// The discount factor, in \[0, 1\].
    pub fn gamma(&self) -> &Numeral {
        &self.parts.gamma
    }

    /// The distribution of the first state as given, `[s]`; `None` where the
    /// environment's own is meant.
    pub fn given_initial(&self) -> Option<&[Numeral]> {
        self.parts.initial.as_deref()
    }

    /// The distribution of the first state, `[s]`.
    pub fn initial(&self) -> Vec<Numeral> {
        let own = || self.parts.environment.initial().unwrap_or_default();
        self.parts.initial.clone().unwrap_or_else(own)
    }

    /// The weight lambda >= 0 of the entropy.
    pub fn entropy(&self) -> &Numeral {
        &self.parts.entropy
    }

    /// The policy and its parameters.
    pub fn policy(&self) -> &PolicySpec {
        &self.parts.policy
    }

    /// The environment.
    pub fn environment(&self) -> &EnvironmentSpec {
        &self.parts.environment
    }

    /// What is known of the environment's dependence on the policy.
    pub fn structure(&self) -> Structure<'_> {
        self.parts.environment.structure(self.given())
    }

    /// The frame that the environment stands in.
    pub fn given(&self) -> Given<'_> {
        self.parts.given()
    }

    /// The problem as a file, every number an exact fraction in a string: it means the
    /// same in every [`Reading`](super::Reading).
    pub fn to_json(&self) -> String {
        let mut file = Writer::default();
        file.object(|file| {
            file.text("format", FORMAT);
            file.number("gamma", self.gamma());
            match self.criterion() {
                Criterion::Discounted => {}
                Criterion::Horizon(steps) => file.nested("criterion", |file| file.count("horizon", steps)),
                Criterion::Average => file.text("criterion", "average"),
            }
            let ActionSets { terminal, available } = self.action_sets();
            if terminal.contains(&true) {
                let terminal = (0..terminal.len()).filter(|&s| terminal[s]);
                file.counts("terminal", &terminal.collect::<Vec<_>>());
            }
            if available.contains(&false) {
                file.flags("available", &[self.n_states(), self.n_actions()], available);
            }
            if !self.names().is_empty() {
                let Names { states, actions } = self.names();
                file.nested("names", |file| {
                    for (key, names) in [("states", states), ("actions", actions)] {
                        if !names.is_empty() {
                            file.strings(key, names);
                        }
                    }
                });
            }
            if let Some(initial) = self.given_initial() {
                file.array("initial", &[initial.len()], initial);
            }
            file.number("entropy", self.entropy());
            file.nested("policy", |file| self.policy().write(self.n_states(), self.n_actions(), file));
            file.nested("environment", |file| self.environment().write(self.given(), file));
        });
        file.into_text() + "\n"
    }

    /// The same problem, with its environment as one of the kind that it was recognised to be:
    /// formulas that are affine as an affine one.
    #[must_use]
    pub fn recognised(&self) -> Self {
        let environment = self.environment().recognised(self.given());
        let environment = environment.unwrap_or_else(|| self.environment().clone());
        Self { parts: Parts { environment, ..self.parts.clone() } }
    }

    /// The same problem with another policy.
    ///
    /// # Errors
    /// A policy that does not fit.
    pub fn deploying(&self, policy: PolicySpec) -> Result<Self, InputError> {
        self.deploying_read(policy, Reading::Doubles)
    }

    /// The same with a policy whose numbers are read otherwise.
    pub(crate) fn deploying_read(&self, policy: PolicySpec, reading: Reading) -> Result<Self, InputError> {
        let checker = Checker::new(reading, policy.shape(), self.n_states(), self.n_actions());
        policy.check(&mut checker.within(self.action_sets()))?;
        Ok(Self { parts: Parts { policy, ..self.parts.clone() } })
    }

    /// The same problem with all rewards multiplied, exactly; `None` where that is not an
    /// environment of its kind.
    pub fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let environment = self.environment().with_rewards_times(factor)?;
        Some(Self { parts: Parts { environment, ..self.parts.clone() } })
    }

    /// The same problem with a response that is applied twice; `None` where that has no
    /// meaning. It may be no kernel for some policies: only deploying one tells.
    pub(crate) fn responding_twice(&self) -> Option<Self> {
        let environment = self.environment().responding_twice()?;
        Some(Self { parts: Parts { environment, ..self.parts.clone() } })
    }

    /// The same problem where states have other actions, or other states are terminal; none where
    /// that is the same, or no problem.
    pub(crate) fn having(&self, actions: ActionSets) -> Option<Self> {
        let is_same = actions.unused(self.n_states(), self.n_actions())
            == self.action_sets().unused(self.n_states(), self.n_actions());
        let parts = || Parts { actions, ..self.parts.clone() };
        (!is_same).then(|| Self::new(parts(), Reading::Doubles).ok())?
    }

    /// The same problem with another discount factor, unchecked.
    pub(crate) fn discounted(&self, gamma: f64) -> Self {
        Self { parts: Parts { gamma: Numeral::from(gamma), ..self.parts.clone() } }
    }

    /// The first thing that keeps the answer from being a fraction: its path, and what
    /// was seen and expected there.
    pub fn not_rational(&self) -> Option<(String, String)> {
        if !self.parts.policy.is_rational() {
            let kind = self.parts.policy.kind();
            let reason = format!("{kind} is not rational, expected weights or probabilities");
            return Some(("policy.kind".to_owned(), reason));
        }
        self.parts.environment.not_rational().or_else(|| {
            let reason = "is not rational unless it is 0, expected 0";
            (!self.parts.entropy.is_zero()).then(|| ("entropy".to_owned(), reason.to_owned()))
        })
    }
}
