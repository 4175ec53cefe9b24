//! Transitions and rewards that are affine in the policy.

use std::collections::BTreeMap;

use num_traits::{Signed, Zero};

use super::fixed::rows;
#[cfg(feature = "json")]
use super::next_rewards::{Rewards, mean};
#[cfg(feature = "json")]
use super::transitions::dense_rows;
use super::{AffineParts, AffineStructure, Given, Specification, Structure};
use crate::arithmetic::{Field, Rational};
use crate::linear::{Rows, ShapeError};
use crate::mdp::{Kernel, ModelError};
use crate::policy::Policy;
use crate::problem::checker::{Checked, Checker};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, Reading, exact_sum, largest, lift, shown_rational};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// `P[s,a,t] = base[s,a,t] + sum m pi(a2|s2)` over the slopes
/// `([s,a,t,s2,a2], m)`, `r[s,a] = base[s,a] + sum n pi(a2|s2)` over
/// `([s,a,s2,a2], n)`.
///
/// The base alone need not be a kernel; what each policy induces is checked
/// when it is induced.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    n_actions: usize,
    base: Rows<T>,
    rewards: Vec<T>,
    transition_slopes: Vec<([usize; 5], T)>,
    reward_slopes: Vec<([usize; 4], T)>,
    /// Rows that are not read, at `s A + a`; empty where all are.
    unused: Vec<bool>,
}

impl<T: Field> Affine<T> {
    /// An affine environment from its base (rows in the order `s A + a`) and
    /// slopes.
    ///
    /// # Errors
    /// [`ModelError`] for shapes or indices that do not fit.
    pub fn new(
        n_states: usize,
        n_actions: usize,
        base: Rows<T>,
        rewards: Vec<T>,
        mut transition_slopes: Vec<([usize; 5], T)>,
        reward_slopes: Vec<([usize; 4], T)>,
    ) -> Result<Self, ModelError> {
        let rows = n_states * n_actions;
        if base.len() != rows || base.width() != n_states {
            let seen = base.len() * base.width();
            return Err(ModelError::Shape { what: "P", seen, expected: rows * n_states });
        }
        if rewards.len() != rows {
            return Err(ModelError::Shape { what: "r", seen: rewards.len(), expected: rows });
        }
        let states = transition_slopes.iter().flat_map(|([s, _, t, s2, _], _)| [*s, *t, *s2]);
        let states = states.chain(reward_slopes.iter().flat_map(|([s, _, s2, _], _)| [*s, *s2]));
        let actions = transition_slopes.iter().flat_map(|([_, a, _, _, a2], _)| [*a, *a2]);
        let actions = actions.chain(reward_slopes.iter().flat_map(|([_, a, _, a2], _)| [*a, *a2]));
        for (what, largest, expected) in [
            ("a state of a slope", states.max(), n_states),
            ("an action of a slope", actions.max(), n_actions),
        ] {
            if let Some(seen) = largest.filter(|&largest| largest >= expected) {
                return Err(ModelError::Shape { what, seen, expected });
            }
        }
        transition_slopes.sort_by_key(|(index, _)| *index);
        Ok(Self { n_actions, base, rewards, transition_slopes, reward_slopes, unused: Vec::new() })
    }

    /// The same where some rows are not read, `unused[s A + a]`; empty where none are.
    #[must_use]
    pub(crate) fn without(self, unused: Vec<bool>) -> Self {
        Self { unused, ..self }
    }

    /// The rows that a policy induces: the base plus the slopes, which are
    /// sorted by row.
    fn rows(&self, policy: &Policy<T>) -> Result<Rows<T>, ShapeError> {
        let mut slopes = self.transition_slopes.iter().peekable();
        let rows = (0..self.base.len()).map(|i| {
            let mut row: Vec<(usize, T)> = self.base.row(i).map(|(t, p)| (t, p.clone())).collect();
            while let Some(([_, _, t, s2, a2], m)) =
                slopes.next_if(|([s, a, ..], _)| s * self.n_actions + a == i)
            {
                row.push((*t, policy.probability(*s2, *a2).clone() * m));
            }
            row
        });
        Rows::sparse(self.base.width(), rows)
    }
}

impl Affine<Rational> {
    /// Its numbers, `P` dense.
    pub(super) fn into_parts(self) -> AffineParts {
        let width = self.base.width();
        let entries = 0..self.base.len() * width;
        AffineParts {
            transitions: entries.map(|k| self.base.entry(k / width, k % width)).collect(),
            transition_slopes: self.transition_slopes,
            rewards: self.rewards,
            reward_slopes: self.reward_slopes,
        }
    }
}

impl<T: Field> Response<T> for Affine<T> {
    fn n_states(&self) -> usize {
        self.base.width()
    }

    fn n_actions(&self) -> usize {
        self.n_actions
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let kernel = Kernel::partial(self.n_states(), self.n_actions, self.rows(policy)?, &self.unused)?;
        let mut rewards = self.rewards.clone();
        for ([s, a, s2, a2], n) in &self.reward_slopes {
            rewards[s * self.n_actions + a] += policy.probability(*s2, *a2).clone() * n;
        }
        Ok(Induced { kernel, rewards, kinks: Vec::new(), pullback: Box::new(AffinePullback(self)) })
    }

    fn responds(&self, state: usize) -> Responds {
        Responds {
            transitions: self.transition_slopes.iter().any(|([s, ..], m)| *s == state && !m.is_zero()),
            rewards: self.reward_slopes.iter().any(|([s, ..], n)| *s == state && !n.is_zero()),
        }
    }
}

struct AffinePullback<'a, T>(&'a Affine<T>);

impl<T: Field> Pullback<T> for AffinePullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let n_actions = self.0.n_actions;
        let mut transition = vec![T::zero(); self.0.base.len()];
        for ([s, a, t, s2, a2], m) in &self.0.transition_slopes {
            transition[s2 * n_actions + a2] += cotangent.transition(s * n_actions + a, *t) * m;
        }
        let mut reward = vec![T::zero(); self.0.base.len()];
        for ([s, a, s2, a2], n) in &self.0.reward_slopes {
            reward[s2 * n_actions + a2] += cotangent.reward[s * n_actions + a].clone() * n;
        }
        PulledBack {
            transition: PolicyCotangent::Probabilities(transition),
            reward: PolicyCotangent::Probabilities(reward),
        }
    }
}

/// Transitions and rewards that are affine in the policy, as given.
#[derive(Debug, Clone, PartialEq)]
pub struct AffineSpec {
    /// The constant part of `P`, `[s,a,t]`.
    pub transitions: Vec<Numeral>,
    /// `([s, a, t, s2, a2], m)` adds `m pi(a2|s2)` to `P(t|s,a)`.
    pub transition_slopes: Vec<([usize; 5], Numeral)>,
    /// The constant part of `r`, `[s,a]`.
    pub rewards: Vec<Numeral>,
    /// `([s, a, s2, a2], n)` adds `n pi(a2|s2)` to `r(s,a)`.
    pub reward_slopes: Vec<([usize; 4], Numeral)>,
}

const TRANSITIONS: &str = "environment.transitions";
const SLOPES: &str = "environment.transition_slopes";

impl Specification for AffineSpec {
    const KIND: &'static str = "affine";
    const KEYS: &'static [Key] = &[
        Key::required("transitions", Form::KERNEL, "`transitions[s][a][t]`"),
        Key::required("rewards", Form::REWARDS, "`rewards[s][a]` or `[s][a][t]`"),
        Key::required(
            "transition_slopes",
            Form::Entries(&["s", "a", "t", "s2", "a2"], &Form::NUMBER),
            "`transition_slopes`: entries `[s, a, t, s2, a2, m]`",
        ),
        Key::required(
            "reward_slopes",
            Form::Entries(&["s", "a", "s2", "a2"], &Form::NUMBER),
            "`reward_slopes`: entries `[s, a, s2, a2, n]`",
        ),
    ];
    const NOTES: &'static str = "adds $m \\pi(a_2\\mid s_2)$, $n \\pi(a_2\\mid s_2)$; repeated entries add up; must be a kernel for \
         every policy, which is checked exactly";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let (state, action) = (reader.state(), reader.action());
        let transitions = reader.kernel(&fields.required("transitions")?)?;
        let rewards = Rewards::read(&fields.required("rewards")?, reader)?;
        let mut reward_slopes =
            reader.entries(&fields.required("reward_slopes")?, [state, action, state, action])?;
        let transition_slopes =
            reader.entries(&fields.required("transition_slopes")?, [state, action, state, state, action])?;
        if let Rewards::OfNextStates(next) = &rewards {
            let (n, width) = (reader.n_states(), reader.n_actions());
            let slope = |([s, a, t, s2, a2], m): &([usize; 5], Numeral)| {
                ([*s, *a, *s2, *a2], mean([(m, &next[(s * width + a) * n + t])].into_iter()))
            };
            reward_slopes.extend(transition_slopes.iter().map(slope));
        }
        let rewards = rewards.means(|| reader.used(dense_rows(&transitions, reader.n_states())));
        Ok(Self { transitions, transition_slopes, rewards, reward_slopes })
    }

    fn write(&self, given: Given<'_>, file: &mut Writer) {
        let (n, width) = (given.n_states, given.n_actions);
        file.array("transitions", &[n, width, n], &self.transitions);
        file.array("rewards", &[n, width], &self.rewards);
        file.sparse("transition_slopes", &self.transition_slopes);
        file.sparse("reward_slopes", &self.reward_slopes);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        let (n, width) = (checker.n_states(), checker.n_actions());
        checker.numbers(TRANSITIONS, &self.transitions, &[n, width, n])?;
        checker.table("environment.rewards", &self.rewards)?;
        checker.sparse("environment.reward_slopes", &self.reward_slopes, [n, width, n, width])?;
        checker.sparse(SLOPES, &self.transition_slopes, [n, width, n, n, width])?;
        self.check_rows(checker)
    }

    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        let affine = Affine::new(
            given.n_states,
            given.n_actions,
            rows(&self.transitions, given)?,
            lift(&self.rewards),
            lift_sums(&self.transition_slopes),
            lift_sums(&self.reward_slopes),
        )?;
        Ok(Some(Box::new(affine.without(given.actions.unused(given.n_states, given.n_actions)))))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Affine(self)
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut scaled = self.clone();
        let slopes = scaled.reward_slopes.iter_mut().map(|(_, x)| x);
        scaled.rewards.iter_mut().chain(slopes).for_each(|r| *r = r.times(factor));
        Some(scaled)
    }

    fn responding_twice(&self) -> Option<Self> {
        let mut twice = self.clone();
        twice.transition_slopes.iter_mut().for_each(|(_, m)| *m = m.doubled());
        twice.reward_slopes.iter_mut().for_each(|(_, n)| *n = n.doubled());
        Some(twice)
    }
}

/// Numbers that may be repeated, which add up: exactly, since they may cancel.
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

impl AffineStructure for AffineSpec {
    fn parts(&self, _given: Given<'_>) -> Result<AffineParts, ModelError> {
        fn exact<const N: usize>(entries: &[([usize; N], Numeral)]) -> Vec<([usize; N], Rational)> {
            entries.iter().map(|(index, m)| (*index, m.exact())).collect()
        }
        Ok(AffineParts {
            transitions: lift(&self.transitions),
            transition_slopes: exact(&self.transition_slopes),
            rewards: lift(&self.rewards),
            reward_slopes: exact(&self.reward_slopes),
        })
    }

    fn largest_reward(&self) -> Rational {
        // Slopes of the same entry may cancel.
        let mut sums: BTreeMap<[usize; 4], Rational> = BTreeMap::new();
        for (entry, n) in &self.reward_slopes {
            *sums.entry(*entry).or_insert_with(Rational::zero) += n.exact();
        }
        // Each state's probabilities sum to 1; the largest row has no more than all.
        let mut rows: BTreeMap<[usize; 2], Rational> = BTreeMap::new();
        for ([s, a, ..], n) in sums {
            *rows.entry([s, a]).or_insert_with(Rational::zero) += n.abs();
        }
        largest(&self.rewards) + rows.into_values().max().unwrap_or_else(Rational::zero)
    }
}

impl AffineSpec {
    /// Refuses transitions that fail to be a kernel for some policy.
    fn check_rows(&self, checker: &mut Checker) -> Checked<()> {
        let mut order: Vec<usize> = (0..self.transition_slopes.len()).collect();
        order.sort_unstable_by_key(|&slope| (self.transition_slopes[slope].0, slope));
        let mut rest = &order[..];
        let n_actions = checker.n_actions();
        for (row, constants) in self.transitions.chunks(checker.n_states()).enumerate() {
            let (s, a) = (row / n_actions, row % n_actions);
            let here = take_while(&mut rest, |&slope| self.transition_slopes[slope].0[..2] == [s, a]);
            if !checker.is_used(s * n_actions + a) {
                continue;
            }
            let row = AffineRow { s, a, n_actions, constants, slopes: &self.transition_slopes, here };
            let clear = if checker.reading() == Reading::Doubles { row.is_clearly_a_row() } else { None };
            let sum = match clear {
                Some(sum) => sum,
                None => row.exact_sum(checker.reading())?,
            };
            checker.note_transition_row(sum);
        }
        Ok(())
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
    slopes: &'a [([usize; 5], Numeral)],
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
            let here = take_while(&mut rest, |&slope| self.slopes[slope].0[2] == t);
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
        let [_, _, _, s2, a2] = self.slopes[slope].0;
        [s2, a2]
    }

    /// For each state `s2` of slopes in the order of `[s2, a2]`, the least and
    /// the largest total slope of its actions. Repeated slopes add up.
    fn extremes_by_state<T: Field + PartialOrd>(&self, order: &[usize], sum: fn(Vec<T>) -> T) -> Vec<(T, T)> {
        let states = order.chunk_by(|&i, &j| self.decision(i)[0] == self.decision(j)[0]);
        let of_state = |state: &[usize]| {
            let actions = state.chunk_by(|&i, &j| self.decision(i) == self.decision(j));
            let lifted = |group: &[usize]| group.iter().map(|&slope| self.slopes[slope].1.lift()).collect();
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

    /// Decides in exact arithmetic whether a row is one for every policy, and
    /// returns its largest sum.
    fn exact_sum(&self, reading: Reading) -> Checked<f64> {
        let (s, a) = (self.s, self.a);
        let tolerance = Rational::from_f64(reading.row_sum_tolerance());
        let one = Rational::from_integer(1.into());
        let (at_least, sum_expected) = match reading {
            Reading::Doubles => ("at least -1e-9", "1 within 1e-9"),
            Reading::Exact => ("at least 0", "exactly 1"),
        };
        let mut too_low = None;
        self.each_minimum(exact_sum, |t, minimum, has_slopes| {
            if minimum < -&tolerance && too_low.is_none() {
                too_low = Some((t, shown_rational(&minimum, 0), has_slopes));
            }
        });
        if let Some((t, seen, has_slopes)) = too_low {
            return Err(if has_slopes {
                let expected = format!("expected {at_least} for every policy");
                InputError::new(SLOPES, format!("P(t={t}|s={s},a={a}) falls to {seen}, {expected}"))
            } else {
                let path = format!("{TRANSITIONS}[{s}][{a}][{t}]");
                InputError::new(path, format!("is {seen} and has no slopes, expected {at_least}"))
            });
        }
        let (minimum, maximum) = self.sums(exact_sum);
        for extreme in [&minimum, &maximum] {
            if *extreme < &one - &tolerance || *extreme > &one + &tolerance {
                let seen = shown_rational(extreme, 1);
                return Err(if self.here.is_empty() || minimum == maximum {
                    let path = format!("{TRANSITIONS}[{s}][{a}]");
                    InputError::new(path, format!("sums to {seen}, expected {sum_expected}"))
                } else {
                    InputError::new(
                        SLOPES,
                        format!(
                            "P(.|s={s},a={a}) sums to {seen} for some policy, expected {sum_expected} for every policy"
                        ),
                    )
                });
            }
        }
        Ok(maximum.approximate())
    }

    /// The largest sum of the row, if doubles already show that it is a row
    /// within the tolerance for every policy.
    ///
    /// With numbers of total magnitude 1000 at most, the doubles nearest to them
    /// and sums in pairs are off by less than 1e-10, the tenth of
    /// the tolerance that is left.
    fn is_clearly_a_row(&self) -> Option<f64> {
        let numbers = self.constants.iter().chain(self.here.iter().map(|&slope| &self.slopes[slope].1));
        let magnitude: f64 = numbers.map(|number| number.approximate().abs()).sum();
        let tolerance = 0.9 * <f64 as Field>::ROW_SUM_TOLERANCE;
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
mod tests;
