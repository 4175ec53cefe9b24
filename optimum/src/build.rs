//! The model of a problem, and its domain.

use num_traits::{One, Signed, ToPrimitive, Zero};

use super::cell::Cell;
use super::model::{AffineModel, Link, MAX_ACTIONS};
use super::outcome::OptimumError;
use super::rules::Sound;
use pemdp::arithmetic::{Field, Interval, Rational};
use pemdp::environments::{AffineParts, Structure};
use pemdp::linear::SolveError;
use pemdp::problem::{Numeral, Problem, exact_sum};

/// The largest number of states.
const MAX_STATES: usize = 64;

/// The model of a problem over its domain.
///
/// # Errors
/// [`OptimumError`] for what is not bounded here.
pub(super) fn model(problem: &Problem) -> Result<AffineModel, OptimumError> {
    check_size(problem)?;
    match problem.structure() {
        Structure::Affine(affine) => {
            affine_model(&read_parts(affine.parts(problem.given())?, problem), problem)
        }
        _ => Err(OptimumError::NotBounded { kind: problem.environment().kind() }),
    }
}

/// Refuses what has too many states or actions.
///
/// # Errors
/// [`OptimumError::Size`].
pub(super) fn check_size(problem: &Problem) -> Result<(), OptimumError> {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    if n_states > MAX_STATES || n_actions > MAX_ACTIONS {
        return Err(OptimumError::Size { n_states, n_actions });
    }
    Ok(())
}

/// The numbers of an affine environment, with terminal states that stay and pay `1 - gamma` times
/// their reward for ever, which has the same values; likewise for actions that a state does not
/// have.
fn read_parts(mut parts: AffineParts, problem: &Problem) -> AffineParts {
    let (n, width, actions) = (problem.n_states(), problem.n_actions(), problem.action_sets());
    let share = Rational::one() - problem.gamma().exact();
    for pair in (0..n * width).filter(|&pair| !actions.is_used(pair, width)) {
        parts.transitions[pair * n..(pair + 1) * n].fill(Rational::zero());
        parts.transitions[pair * n + pair / width] = Rational::one();
        parts.rewards[pair] *= &share;
    }
    parts.transition_slopes.retain(|([s, a, ..], _)| actions.is_used(s * width + a, width));
    let slopes = parts.reward_slopes.iter_mut();
    slopes.filter(|([s, a, ..], _)| !actions.is_used(s * width + a, width)).for_each(|(_, n)| *n *= &share);
    parts
}

/// Excludes the actions that states do not have.
pub(super) fn exclude(root: &mut Cell, problem: &Problem) {
    let (width, actions) = (problem.n_actions(), problem.action_sets());
    for first in (0..root.lower.len()).step_by(width) {
        let pairs = first..first + width;
        // A terminal state without actions has any policy.
        let Some(one) = pairs.clone().find(|&pair| actions.is_available(pair)) else { continue };
        for pair in pairs.filter(|&pair| !actions.is_available(pair)) {
            // Where the choice does not matter, one that there is.
            if root.lower[pair] == 1.0 {
                (root.lower[pair], root.lower[one], root.upper[one]) = (0.0, 1.0, 1.0);
            }
            root.upper[pair] = 0.0;
        }
    }
}

/// `1 - gamma max sum_t P[t]` over rows that do not respond.
///
/// # Errors
/// [`SolveError::NotContracting`] where it is not positive.
pub(super) fn gap<'a>(
    problem: &Problem,
    rows: impl Iterator<Item = &'a [(usize, &'a Numeral)]>,
) -> Result<Interval, OptimumError> {
    let sum = |row: &[(usize, &Numeral)]| exact_sum(row.iter().map(|(_, p)| p.exact()).collect()).reduced();
    contraction_gap(problem, &rows.map(sum).max().unwrap_or_else(Rational::zero))
}

pub(super) fn contraction_gap(problem: &Problem, largest_sum: &Rational) -> Result<Interval, OptimumError> {
    let product = problem.gamma().exact() * largest_sum;
    let gap = Rational::one() - &product;
    if !gap.is_positive() {
        let product = product.approximate();
        return Err(OptimumError::Performance(SolveError::NotContracting { product }.into()));
    }
    Ok(Interval::from_rational(&gap))
}

/// `rho`.
pub(super) fn initial(problem: &Problem) -> Vec<Interval> {
    problem.initial().iter().map(Numeral::lift).collect()
}

fn affine_model(parts: &AffineParts, problem: &Problem) -> Result<AffineModel, OptimumError> {
    let (n, width) = (problem.n_states(), problem.n_actions());
    let mut links: Vec<Vec<Exact>> = (0..n * width).map(|_| Vec::new()).collect();
    let link = |links: &mut Vec<Vec<Exact>>, row: usize, state: usize| {
        let at = links[row].iter().position(|link| link.state == state);
        at.unwrap_or_else(|| {
            links[row].push(Exact {
                state,
                rewards: vec![Rational::zero(); width],
                transitions: vec![Rational::zero(); width * n],
            });
            links[row].len() - 1
        })
    };
    for ([s, a, t, s2, a2], m) in parts.transition_slopes.iter().filter(|(_, m)| !m.is_zero()) {
        let at = link(&mut links, s * width + a, *s2);
        links[s * width + a][at].transitions[a2 * n + t] += m;
    }
    for ([s, a, s2, a2], m) in parts.reward_slopes.iter().filter(|(_, m)| !m.is_zero()) {
        let at = link(&mut links, s * width + a, *s2);
        links[s * width + a][at].rewards[*a2] += m;
    }
    for row in &mut links {
        row.retain(|link| !link.is_constant_zero());
    }
    let mut row_sums = Vec::with_capacity(n * width);
    let (mut largest_sum, mut largest_reward) = (Rational::zero(), Rational::zero());
    for (i, links) in links.iter().enumerate() {
        let base = &parts.transitions[i * n..(i + 1) * n];
        for t in 0..n {
            let least = |link: &Exact| (0..width).map(|b| link.transitions[b * n + t].clone()).min();
            let entry = links.iter().filter_map(least).fold(base[t].clone(), |sum, m| sum + m);
            if entry.is_negative() {
                let value = entry.to_f64().unwrap_or(f64::NAN);
                return Err(OptimumError::NegativeTransition {
                    state: i / width,
                    action: i % width,
                    next: t,
                    value,
                });
            }
        }
        let total = base.iter().fold(Rational::zero(), |sum, p| sum + p);
        let (mut low, mut high) = (total.clone(), total);
        for link in links {
            let sums = || (0..width).map(|b| link.sum(b, n));
            low += sums().min().unwrap_or_else(Rational::zero);
            high += sums().max().unwrap_or_else(Rational::zero);
        }
        largest_sum = largest_sum.max(high.clone());
        let most = |link: &Exact| link.rewards.iter().map(Signed::abs).max();
        let reward = links.iter().filter_map(most).fold(parts.rewards[i].abs(), |sum, n| sum + n);
        largest_reward = largest_reward.max(reward);
        let (low, high) = (Interval::from_rational(&low), Interval::from_rational(&high));
        row_sums.push(Interval::new(low.lower(), high.upper()).unwrap_or(Interval::ENTIRE));
    }
    // A state's choice matters where its rows differ or a row refers to it.
    let matters = |s: usize| {
        let referred = links.iter().flatten().any(|link| link.state == s);
        let row = |a: usize| {
            let i = s * width + a;
            (&parts.transitions[i * n..(i + 1) * n], &parts.rewards[i], &links[i])
        };
        referred || (1..width).any(|a| row(a) != row(0))
    };
    let mut root = Cell { lower: vec![0.0; n * width], upper: vec![1.0; n * width] };
    for s in (0..n).filter(|&s| !matters(s)) {
        choose_first(&mut root, s, width);
    }
    exclude(&mut root, problem);
    let lift = |all: &[Rational]| all.iter().map(Interval::from_rational).collect::<Vec<_>>();
    let lifted = |link: Exact| Link {
        state: link.state,
        rewards: lift(&link.rewards),
        transitions: lift(&link.transitions),
        sums: (0..width).map(|b| Interval::from_rational(&link.sum(b, n))).collect(),
    };
    Ok(AffineModel {
        n_states: n,
        n_actions: width,
        gamma: problem.gamma().lift(),
        gap: contraction_gap(problem, &largest_sum)?,
        largest_reward: Interval::from_rational(&largest_reward).upper(),
        initial: initial(problem),
        row_sums,
        root,
        base: lift(&parts.transitions),
        rewards: lift(&parts.rewards),
        links: links.into_iter().map(|row| row.into_iter().map(lifted).collect()).collect(),
        rules: &Sound,
    })
}

/// A [`Link`] in fractions.
#[derive(PartialEq)]
struct Exact {
    state: usize,
    rewards: Vec<Rational>,
    transitions: Vec<Rational>,
}

impl Exact {
    fn sum(&self, b: usize, n: usize) -> Rational {
        self.transitions[b * n..(b + 1) * n].iter().fold(Rational::zero(), |sum, m| sum + m)
    }

    fn is_constant_zero(&self) -> bool {
        self.rewards.iter().chain(&self.transitions).all(Zero::is_zero)
    }
}

/// The deterministic choice of action 0.
pub(super) fn choose_first(root: &mut Cell, s: usize, width: usize) {
    for i in s * width..(s + 1) * width {
        let p = if i == s * width { 1.0 } else { 0.0 };
        (root.lower[i], root.upper[i]) = (p, p);
    }
}
