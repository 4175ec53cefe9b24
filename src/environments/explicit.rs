//! A kernel and rewards at a point, with their derivatives there.

use std::borrow::Cow;
#[cfg(feature = "json")]
use std::collections::BTreeMap;

use super::fixed::kernel;
#[cfg(feature = "json")]
use super::next_rewards::{Rewards, mean};
#[cfg(feature = "json")]
use super::transitions::dense_rows;
use super::{Given, Specification, Structure};
use crate::arithmetic::{Field, Rational};
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;
use crate::problem::checker::{Checked, Checker};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::normalise::Normaliser;
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// `P` and `r` at the given parameters and `dP`, `dr` there: a point of some
/// environment, so that any implementation can be checked. Without derivatives
/// it is an MDP that does not respond.
#[derive(Debug, Clone)]
pub struct Explicit<T> {
    kernel: Kernel<T>,
    rewards: Vec<T>,
    /// `d P[s,a,t] / d theta[k]` by `[s, a, t, k]`.
    transition_jacobian: Vec<([usize; 4], T)>,
    /// `d r[s,a] / d theta[k]` by `[s, a, k]`.
    reward_jacobian: Vec<([usize; 3], T)>,
}

impl<T: Field> Explicit<T> {
    /// An environment that does not respond to the policy.
    ///
    /// # Errors
    /// [`ModelError::Shape`] unless there is a reward for each state and action.
    pub fn fixed(kernel: Kernel<T>, rewards: Vec<T>) -> Result<Self, ModelError> {
        Self::new(kernel, rewards, Vec::new(), Vec::new())
    }

    /// An environment at a point. Entries of the Jacobians are given by
    /// `[s, a, t, k]` and `[s, a, k]`, `k` the flat parameter index; those that
    /// are not given are 0.
    ///
    /// # Errors
    /// [`ModelError::Shape`] for rewards or indices that do not fit.
    pub fn new(
        kernel: Kernel<T>,
        rewards: Vec<T>,
        transition_jacobian: Vec<([usize; 4], T)>,
        reward_jacobian: Vec<([usize; 3], T)>,
    ) -> Result<Self, ModelError> {
        let (n_states, n_actions) = (kernel.n_states(), kernel.n_actions());
        let expected = n_states * n_actions;
        if rewards.len() != expected {
            return Err(ModelError::Shape { what: "r", seen: rewards.len(), expected });
        }
        let states = transition_jacobian.iter().flat_map(|([s, _, t, _], _)| [*s, *t]);
        let states = states.chain(reward_jacobian.iter().map(|([s, _, _], _)| *s));
        let actions = transition_jacobian.iter().map(|([_, a, _, _], _)| *a);
        let actions = actions.chain(reward_jacobian.iter().map(|([_, a, _], _)| *a));
        for (what, largest, expected) in [
            ("a state of a Jacobian", states.max(), n_states),
            ("an action of a Jacobian", actions.max(), n_actions),
        ] {
            if let Some(seen) = largest.filter(|&largest| largest >= expected) {
                return Err(ModelError::Shape { what, seen, expected });
            }
        }
        Ok(Self { kernel, rewards, transition_jacobian, reward_jacobian })
    }

    /// One more than the largest parameter index of a derivative.
    fn n_parameters(&self) -> usize {
        let transitions = self.transition_jacobian.iter().map(|([_, _, _, k], _)| k + 1);
        let rewards = self.reward_jacobian.iter().map(|([_, _, k], _)| k + 1);
        transitions.chain(rewards).max().unwrap_or(0)
    }
}

impl<T: Field> Response<T> for Explicit<T> {
    fn n_states(&self) -> usize {
        self.kernel.n_states()
    }

    fn n_actions(&self) -> usize {
        self.kernel.n_actions()
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        if self.n_parameters() > policy.n_parameters() {
            return Err(ResponseError::Parameters {
                seen: policy.n_parameters(),
                expected: self.n_parameters(),
                why: "the Jacobian has an entry for each",
            });
        }
        Ok(Induced {
            kernel: self.kernel.clone(),
            rewards: self.rewards.clone(),
            kinks: Vec::new(),
            pullback: Box::new(ExplicitPullback { environment: self, n_parameters: policy.n_parameters() }),
        })
    }

    fn responds(&self, state: usize) -> Responds {
        Responds {
            transitions: self.transition_jacobian.iter().any(|([s, ..], dp)| *s == state && !dp.is_zero()),
            rewards: self.reward_jacobian.iter().any(|([s, ..], dr)| *s == state && !dr.is_zero()),
        }
    }
}

struct ExplicitPullback<'a, T> {
    environment: &'a Explicit<T>,
    n_parameters: usize,
}

impl<T: Field> Pullback<T> for ExplicitPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        if self.environment.n_parameters() == 0 {
            // Fixed: whatever the policy is.
            return PulledBack { transition: PolicyCotangent::None, reward: PolicyCotangent::None };
        }
        let n_actions = self.environment.kernel.n_actions();
        let mut transition = vec![T::zero(); self.n_parameters];
        for ([s, a, t, k], dp) in &self.environment.transition_jacobian {
            transition[*k] += cotangent.transition(s * n_actions + a, *t) * dp;
        }
        let mut reward = vec![T::zero(); self.n_parameters];
        for ([s, a, k], dr) in &self.environment.reward_jacobian {
            reward[*k] += cotangent.reward[s * n_actions + a].clone() * dr;
        }
        PulledBack {
            transition: PolicyCotangent::Parameters(transition),
            reward: PolicyCotangent::Parameters(reward),
        }
    }
}

/// `P`, `r` and their derivatives at the given parameters, as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplicitSpec {
    /// `P(t|s,a)`, `[s,a,t]`.
    pub transitions: Vec<Numeral>,
    /// `r(s,a)`, `[s,a]`.
    pub rewards: Vec<Numeral>,
    /// `([s, a, t, k], dP(t|s,a)/dtheta[k])`.
    pub transition_jacobian: Vec<([usize; 4], Numeral)>,
    /// `([s, a, k], dr(s,a)/dtheta[k])`.
    pub reward_jacobian: Vec<([usize; 3], Numeral)>,
}

const TRANSITIONS: &str = "environment.transition_jacobian";
const REWARDS: &str = "environment.reward_jacobian";

impl Specification for ExplicitSpec {
    const KIND: &'static str = "explicit";
    const KEYS: &'static [Key] = &[
        Key::required("transitions", Form::KERNEL, "`transitions[s][a][t]` at the given parameters"),
        Key::required("rewards", Form::REWARDS, "`rewards[s][a]` or `[s][a][t]` there"),
        Key::required(
            "transition_jacobian",
            Form::Entries(&["s", "a", "t", "k"], &Form::NUMBER),
            "`transition_jacobian`: entries `[s, a, t, k, dP]`",
        ),
        Key::required(
            "reward_jacobian",
            Form::Entries(&["s", "a", "k"], &Form::NUMBER),
            "`reward_jacobian`: entries `[s, a, k, dr]`",
        ),
    ];
    const NOTES: &'static str = "$k$ the flat parameter index; each dP row sums to 0 over t; a repeated entry is an error; `rewards` \
         without entropy, which the oracle applies. For checking any implementation at one point";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let (state, action, parameter) = (reader.state(), reader.action(), reader.parameter());
        let transitions = reader.kernel(&fields.required("transitions")?)?;
        let rewards = Rewards::read(&fields.required("rewards")?, reader)?;
        let mut reward_jacobian =
            reader.entries(&fields.required("reward_jacobian")?, [state, action, parameter])?;
        let transition_jacobian =
            reader.entries(&fields.required("transition_jacobian")?, [state, action, state, parameter])?;
        if let Rewards::OfNextStates(next) = &rewards {
            once(REWARDS, &reward_jacobian, |key| key)?;
            reward_jacobian = with_next(&reward_jacobian, &transition_jacobian, next, reader);
        }
        let rewards = rewards.means(|| reader.used(dense_rows(&transitions, reader.n_states())));
        Ok(Self { transitions, rewards, transition_jacobian, reward_jacobian })
    }

    fn write(&self, given: Given<'_>, file: &mut Writer) {
        let (n, width) = (given.n_states, given.n_actions);
        file.array("transitions", &[n, width, n], &self.transitions);
        file.array("rewards", &[n, width], &self.rewards);
        file.sparse("transition_jacobian", &self.transition_jacobian);
        file.sparse("reward_jacobian", &self.reward_jacobian);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        checker.kernel("environment.transitions", &self.transitions)?;
        checker.table("environment.rewards", &self.rewards)?;
        let (n, width) = (checker.n_states(), checker.n_actions());
        let parameters = checker.policy().n_parameters;
        checker.sparse(REWARDS, &self.reward_jacobian, [n, width, parameters])?;
        once(REWARDS, &self.reward_jacobian, |key| key)?;

        checker.sparse(TRANSITIONS, &self.transition_jacobian, [n, width, n, parameters])?;
        let order = once(TRANSITIONS, &self.transition_jacobian, |[s, a, t, k]| [s, a, k, t])?;
        let row = |entry: usize| {
            let [s, a, _, k] = self.transition_jacobian[entry].0;
            [s, a, k]
        };
        let mut terms = Vec::new();
        for group in order.chunk_by(|&i, &j| row(i) == row(j)) {
            terms.clear();
            terms.extend(group.iter().map(|&entry| self.transition_jacobian[entry].1.clone()));
            let scale = terms.iter().map(|term| term.approximate().abs()).fold(1.0, f64::max);
            checker.sum(&terms, 0, scale).map_err(|problem| {
                let [s, a, k] = row(group[0]);
                let derivative = format!("the derivative of P(.|s={s},a={a}) in parameter k={k}");
                InputError::new(TRANSITIONS, format!("{derivative} {problem}"))
            })?;
        }
        Ok(())
    }

    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        fn lifted<T: Field, const N: usize>(entries: &[([usize; N], Numeral)]) -> Vec<([usize; N], T)> {
            entries.iter().map(|(index, numeral)| (*index, numeral.lift())).collect()
        }
        Ok(Some(Box::new(Explicit::new(
            kernel(&self.transitions, given)?,
            lift(&self.rewards),
            lifted(&self.transition_jacobian),
            lifted(&self.reward_jacobian),
        )?)))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Point(Cow::Borrowed(self))
    }

    fn normalise(&mut self, n_states: usize, n_actions: usize, normaliser: &mut Normaliser) {
        normaliser.kernel(&mut self.transitions, n_states, n_actions);
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut scaled = self.clone();
        let slopes = scaled.reward_jacobian.iter_mut().map(|(_, x)| x);
        scaled.rewards.iter_mut().chain(slopes).for_each(|r| *r = r.times(factor));
        Some(scaled)
    }
}

/// The derivatives of rewards with those of the next states' means.
#[cfg(feature = "json")]
fn with_next(
    rewards: &[([usize; 3], Numeral)],
    transitions: &[([usize; 4], Numeral)],
    next: &[Numeral],
    reader: &Reader,
) -> Vec<([usize; 3], Numeral)> {
    let one = Numeral::from(1.0);
    let mut sums: BTreeMap<[usize; 3], Vec<(&Numeral, &Numeral)>> = BTreeMap::new();
    for (key, dr) in rewards {
        sums.entry(*key).or_default().push((&one, dr));
    }
    for ([s, a, t, k], dp) in transitions {
        let r = &next[(s * reader.n_actions() + a) * reader.n_states() + t];
        sums.entry([*s, *a, *k]).or_default().push((dp, r));
    }
    sums.into_iter().map(|(key, products)| (key, mean(products.into_iter()))).collect()
}

/// The positions of sparse entries in the order of their indices, arranged by
/// `arrange`; none may be repeated.
pub(super) fn once<const N: usize>(
    path: &str,
    entries: &[([usize; N], Numeral)],
    arrange: impl Fn([usize; N]) -> [usize; N],
) -> Checked<Vec<usize>> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|&entry| (arrange(entries[entry].0), entry));
    let repeated = |pair: &&[usize]| entries[pair[0]].0 == entries[pair[1]].0;
    match order.windows(2).filter(repeated).min_by_key(|pair| pair[1]) {
        None => Ok(order),
        Some(pair) => Err(InputError::new(
            format!("{path}[{}]", pair[1]),
            format!("repeats the indices of entry {}, expected each entry once", pair[0]),
        )),
    }
}
