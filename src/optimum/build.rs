//! The model of a problem, and its domain.

use num_traits::{One, Signed, ToPrimitive, Zero};

use super::cell::{Cell, Coordinates};
#[cfg(test)]
use super::model::Mutant;
use super::model::{AffineRows, Link, MAX_ACTIONS, Model, Responding, TiltedRows};
use super::performative::{OptimumError, OptimumSettings};
use crate::arithmetic::{Field, Interval, Rational, Transcendental};
use crate::environments::{Affine, Loan};
use crate::oracle::{Base, EnvironmentSpec, Numeral, Problem};

/// The largest number of states.
const MAX_STATES: usize = 64;

/// Rows of an environment that is affine in the policy, exactly.
struct ExactAffine {
    transitions: Vec<Rational>,
    transition_slopes: Vec<([usize; 5], Rational)>,
    rewards: Vec<Rational>,
    reward_slopes: Vec<([usize; 4], Rational)>,
}

/// The model of a problem over its domain.
///
/// # Errors
/// [`OptimumError`] for what is not bounded here.
pub(super) fn model(problem: &Problem, settings: &OptimumSettings) -> Result<Model, OptimumError> {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    if n_states > MAX_STATES || n_actions > MAX_ACTIONS {
        return Err(OptimumError::Size { n_states, n_actions });
    }
    if !problem.entropy.is_zero() {
        return Err(OptimumError::Entropy);
    }
    let affine = match &problem.environment {
        EnvironmentSpec::Fixed { transitions, rewards } => Some(ExactAffine {
            transitions: transitions.iter().map(Numeral::exact).collect(),
            transition_slopes: Vec::new(),
            rewards: rewards.iter().map(Numeral::exact).collect(),
            reward_slopes: Vec::new(),
        }),
        EnvironmentSpec::Affine { transitions, transition_slopes, rewards, reward_slopes } => {
            Some(ExactAffine {
                transitions: transitions.iter().map(Numeral::exact).collect(),
                transition_slopes: transition_slopes.iter().map(|(i, m)| (*i, m.exact())).collect(),
                rewards: rewards.iter().map(Numeral::exact).collect(),
                reward_slopes: reward_slopes.iter().map(|(i, m)| (*i, m.exact())).collect(),
            })
        }
        EnvironmentSpec::Loan { form, q0, c, gain, loss } => {
            let loan =
                Loan { form: *form, q0: q0.exact(), c: c.exact(), gain: gain.exact(), loss: loss.exact() };
            Some(loan.to_affine().map(ExactAffine::from)?)
        }
        EnvironmentSpec::ExponentialFamily { .. } => None,
        _ => return Err(OptimumError::NotBounded { kind: problem.environment.kind() }),
    };
    let initial = match &problem.initial {
        Some(initial) => initial.iter().map(Numeral::lift).collect(),
        None => (0..n_states).map(|s| if s == 0 { Interval::one() } else { Interval::zero() }).collect(),
    };
    let (response, row_sums, coordinates, root) = match affine {
        Some(affine) => affine.model(n_states, n_actions)?,
        None => tilted(problem, settings)?,
    };
    Ok(Model {
        n_states,
        n_actions,
        gamma: problem.gamma.lift(),
        initial,
        row_sums,
        coordinates,
        root,
        response,
        #[cfg(test)]
        mutant: Mutant::None,
    })
}

type Parts = (Responding, Vec<Interval>, Vec<Coordinates>, Cell);

impl From<Affine<Rational>> for ExactAffine {
    fn from(affine: Affine<Rational>) -> Self {
        let (transitions, rewards, transition_slopes, reward_slopes) = affine.into_parts();
        Self { transitions, transition_slopes, rewards, reward_slopes }
    }
}

impl ExactAffine {
    fn model(&self, n: usize, width: usize) -> Result<Parts, OptimumError> {
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
        for ([s, a, t, s2, a2], m) in self.transition_slopes.iter().filter(|(_, m)| !m.is_zero()) {
            let at = link(&mut links, s * width + a, *s2);
            links[s * width + a][at].transitions[a2 * n + t] += m;
        }
        for ([s, a, s2, a2], m) in self.reward_slopes.iter().filter(|(_, m)| !m.is_zero()) {
            let at = link(&mut links, s * width + a, *s2);
            links[s * width + a][at].rewards[*a2] += m;
        }
        for row in &mut links {
            row.retain(|link| !link.is_constant_zero());
        }
        let mut sums = Vec::with_capacity(n * width);
        for (i, links) in links.iter().enumerate() {
            let base = &self.transitions[i * n..(i + 1) * n];
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
            let (low, high) = (Interval::from_rational(&low), Interval::from_rational(&high));
            sums.push(Interval::new(low.lower(), high.upper()).unwrap_or(Interval::ENTIRE));
        }
        // A state's choice matters where its rows differ or a row refers to it.
        let matters = |s: usize| {
            let referred = links.iter().flatten().any(|link| link.state == s);
            let row = |a: usize| {
                let i = s * width + a;
                (&self.transitions[i * n..(i + 1) * n], &self.rewards[i], &links[i])
            };
            referred || (1..width).any(|a| row(a) != row(0))
        };
        let mut root = Cell { lower: vec![0.0; n * width], upper: vec![1.0; n * width] };
        for s in (0..n).filter(|&s| !matters(s)) {
            choose_first(&mut root, s, width);
        }
        let lift = |all: &[Rational]| all.iter().map(Interval::from_rational).collect::<Vec<_>>();
        let lifted = |link: Exact| Link {
            state: link.state,
            rewards: lift(&link.rewards),
            transitions: lift(&link.transitions),
            sums: (0..width).map(|b| Interval::from_rational(&link.sum(b, n))).collect(),
        };
        let rows = AffineRows {
            base: lift(&self.transitions),
            rewards: lift(&self.rewards),
            links: links.into_iter().map(|row| row.into_iter().map(lifted).collect()).collect(),
        };
        Ok((Responding::Affine(rows), sums, vec![Coordinates::Probabilities; n], root))
    }
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
fn choose_first(root: &mut Cell, s: usize, width: usize) {
    for i in s * width..(s + 1) * width {
        let p = if i == s * width { 1.0 } else { 0.0 };
        (root.lower[i], root.upper[i]) = (p, p);
    }
}

fn tilted(problem: &Problem, settings: &OptimumSettings) -> Result<Parts, OptimumError> {
    let EnvironmentSpec::ExponentialFamily { psi, base, reward_base, slope, clip } = &problem.environment
    else {
        return Err(OptimumError::NotBounded { kind: problem.environment.kind() });
    };
    let (n, width) = (problem.n_states(), problem.n_actions());
    let rows = n * width;
    let exact: Vec<Rational> = psi.iter().map(Numeral::exact).collect();
    let inside = |i: usize, t: usize| match base {
        Base::Logits(None) => true,
        Base::Logits(Some(logits)) => logits[i * n + t].is_some(),
        Base::Weights(weights) => !weights[i * n + t].is_zero(),
    };
    let support: Vec<Vec<usize>> = (0..rows).map(|i| (0..n).filter(|&t| inside(i, t)).collect()).collect();
    let ratio = |i: usize, u: usize, t: usize| -> Option<Interval> {
        Some(match base {
            Base::Logits(None) => Interval::one(),
            Base::Logits(Some(logits)) => {
                let logit = |t: usize| logits[i * n + t].as_ref().map(Numeral::exact);
                Interval::from_rational(&(logit(u)? - logit(t)?)).exp()
            }
            Base::Weights(weights) => {
                let weight = |t: usize| weights[i * n + t].exact();
                if !inside(i, u) || !inside(i, t) {
                    return None;
                }
                Interval::from_rational(&(weight(u) / weight(t)))
            }
        })
    };
    let mut ratios = Vec::with_capacity(rows * n * n);
    for i in 0..rows {
        ratios.extend((0..n * n).map(|k| ratio(i, k / n, k % n)));
    }
    let differences = (0..n * n).map(|k| Interval::from_rational(&(&exact[k / n] - &exact[k % n]))).collect();

    let bound = settings.bound;
    if !(bound.is_finite() && bound > 0.0) {
        return Err(OptimumError::Bound { bound });
    }
    let responds = |i: usize| !slope.is_zero() || support[i].windows(2).any(|p| exact[p[0]] != exact[p[1]]);
    let mut coordinates = vec![Coordinates::Probabilities; n];
    let mut root = Cell { lower: vec![0.0; rows], upper: vec![1.0; rows] };
    for s in 0..n {
        let state = s * width..(s + 1) * width;
        if state.clone().any(responds) {
            coordinates[s] = Coordinates::Logits;
            for i in state {
                // One action, bounded rewards: all parameters, with both limits.
                let end = match (width, slope.is_zero()) {
                    (1, true) => f64::INFINITY,
                    _ => bound,
                };
                (root.lower[i], root.upper[i]) = (-end, end);
            }
        } else {
            let row = |i: usize| {
                let ratios = &ratios[i * n * n..(i + 1) * n * n];
                (reward_base[i].exact(), &support[i], ratios)
            };
            if state.clone().all(|i| row(i) == row(state.start)) {
                choose_first(&mut root, s, width);
            }
        }
    }
    for &(i, value) in &settings.held {
        let known = i < rows && value.is_finite();
        if !known || coordinates[i / width] != Coordinates::Logits {
            return Err(OptimumError::Held { parameter: i, value });
        }
        (root.lower[i], root.upper[i]) = (value, value);
    }
    let response = TiltedRows {
        psi: differences,
        ratios,
        support,
        rewards: reward_base.iter().map(Numeral::lift).collect(),
        slope: slope.lift(),
        clip: clip.as_ref().map(Numeral::lift),
    };
    Ok((Responding::Tilted(response), vec![Interval::one(); rows], coordinates, root))
}
