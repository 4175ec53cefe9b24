//! Values that no parameter exceeds: `docs/theory/optima.md`, section 11.

use num_traits::{One, Zero};
use serde_json::{Map, Value, json};

use super::{CertificateError, Proof, Target, dyadic_below, fraction};
use crate::build;
use crate::exponential::{exp_down, exp_up};
use crate::rectangular::Rectangular;
use pemdp::arithmetic::rounding::{add_down, add_up};
use pemdp::arithmetic::{Field, Interval, Rational};
use pemdp::environments::{Base, ExponentialFamilySpec, Structure};
use pemdp::problem::{Numeral, Problem};

/// The farthest point from which a half line is bounded: 2^12.
const FARTHEST: i32 = 12;
/// Narrower cells of the line are not split.
const NARROWEST: f64 = 1e-11;

/// A next state of a row: its weight is `weight e^(offset + tilt x)`.
#[derive(Debug, Clone)]
struct Next {
    state: usize,
    weight: Interval,
    offset: Interval,
    tilt: Interval,
}

/// `r = base + slope x`, clipped to `[-clip, clip]`.
#[derive(Debug, Clone)]
struct Reward {
    base: Interval,
    slope: Interval,
    clip: Option<Interval>,
}

/// A state and action of an exponential family; `x` is its parameter.
#[derive(Debug, Clone)]
struct Row {
    next: Vec<Next>,
    reward: Reward,
}

/// An exponential family with a parameter for each state and action.
struct Family {
    n_states: usize,
    n_actions: usize,
    gamma: Interval,
    initial: Vec<Interval>,
    rows: Vec<Row>,
}

/// Values with the shares and the points that prove them.
///
/// # Errors
/// [`CertificateError`] where there are none.
pub(super) fn proof(
    problem: &Problem,
    bound: Option<f64>,
    target: Target,
) -> Result<Proof, CertificateError> {
    let no_witness = || CertificateError::NoWitness { gap: target.gap };
    let parameters = Rectangular::new(problem, bound).map_err(|_| no_witness())?;
    let family = Family::new(problem)?;
    let best = parameters.best_values();
    let start: Vec<f64> = family.initial.iter().map(Field::approximate).collect();
    let value: f64 = start.iter().zip(&best).map(|(p, v)| p * v).sum();
    // Raised by the same amount in each state.
    let room = (target.upper_bound - value) / start.iter().sum::<f64>();
    let contraction = (Rational::one() - problem.gamma().exact()).approximate();
    if room.is_nan() || room <= 0.0 || contraction <= 0.0 {
        return Err(no_witness());
    }
    let values: Vec<f64> = best.iter().map(|v| dyadic_below(v + room, contraction * room / 16.0)).collect();
    let mut shares = Vec::with_capacity(family.rows.len());
    for s in 0..family.n_states {
        // The largest e^x (q(x) - W[s]) of each action, and an equal part of what is left.
        let largest = parameters.largest_gains(s, &values, contraction * room / 16.0);
        let left = -largest.iter().sum::<f64>() / family.n_actions as f64;
        match parameters.bound() {
            None => shares.extend(largest.iter().map(|_| 0.0)),
            Some(_) if left > 0.0 => {
                shares.extend(largest.iter().map(|m| dyadic_below(m + left, left / 16.0)));
            }
            Some(_) => return Err(no_witness()),
        }
    }
    let mut points = Vec::with_capacity(family.rows.len());
    let mut cells = 0;
    for (i, &share) in shares.iter().enumerate() {
        let found =
            family.tilted(i, &values, share).points(parameters.bound(), target.cells.saturating_sub(cells));
        let found = found.ok_or_else(no_witness)?;
        cells += found.len() + 1;
        points.push(found);
    }
    let reached = family
        .initial
        .iter()
        .zip(&values)
        .fold(Interval::zero(), |sum, (p, &w)| sum + *p * Interval::point(w));
    if reached.upper() > target.upper_bound {
        return Err(no_witness());
    }
    let bounds = vec![parameters.bound().map_or(Value::Null, fraction); family.n_states];
    let line = |points: &Vec<f64>| points.iter().map(|&x| fraction(x)).collect::<Vec<_>>();
    let points: Vec<_> = points.iter().map(line).collect();
    let shares: Vec<Value> = shares.iter().map(|&m| fraction(m)).collect();
    let proof = [
        ("values", json!(values.iter().map(|&w| fraction(w)).collect::<Vec<_>>())),
        ("bounds", json!(bounds)),
        ("shares", json!(shares.chunks(family.n_actions).collect::<Vec<_>>())),
        ("points", json!(points.chunks(family.n_actions).collect::<Vec<_>>())),
    ];
    Ok((Map::from_iter(proof.map(|(key, value)| (key.to_owned(), value))), cells))
}

impl Family {
    fn new(problem: &Problem) -> Result<Self, CertificateError> {
        let kind = problem.environment().kind();
        let Structure::LocalFamily(family) = problem.structure() else {
            return Err(CertificateError::NotCovered { kind });
        };
        let ExponentialFamilySpec { psi, base, reward_base, slope, clip, .. } = &*family;
        let (n, width) = (problem.n_states(), problem.n_actions());
        let psi: Vec<Rational> = psi.iter().map(Numeral::exact).collect();
        let row = |i: usize| {
            let weighted = |t: usize| match base {
                Base::Logits(None) => Some((Interval::one(), Interval::zero())),
                Base::Logits(Some(logits)) => {
                    logits[i * n + t].as_ref().map(|logit| (Interval::one(), logit.lift()))
                }
                Base::Weights(weights) => {
                    let weight = &weights[i * n + t];
                    (!weight.is_zero()).then(|| (weight.lift(), Interval::zero()))
                }
            };
            let support = (0..n).filter(|&t| weighted(t).is_some());
            let (least, most) = (support.clone().map(|t| &psi[t]).min(), support.map(|t| &psi[t]).max());
            let middle = match (least, most) {
                (Some(least), Some(most)) => (least + most) / Rational::from_integer(2.into()),
                _ => Rational::zero(),
            };
            let next = |t: usize| {
                let tilt = Interval::from_rational(&(&psi[t] - &middle));
                weighted(t).map(|(weight, offset)| Next { state: t, weight, offset, tilt })
            };
            Row {
                next: (0..n).filter_map(next).collect(),
                reward: Reward {
                    base: reward_base[i].lift(),
                    slope: slope.lift(),
                    clip: clip.as_ref().map(Numeral::lift),
                },
            }
        };
        let rows: Vec<Row> = (0..n * width).map(row).collect();
        Ok(Self {
            n_states: n,
            n_actions: width,
            gamma: problem.gamma().lift(),
            initial: build::initial(problem),
            rows,
        })
    }

    fn tilted(&self, i: usize, values: &[f64], share: f64) -> Tilted<'_> {
        let own = Interval::point(values[i / self.n_actions]);
        let lead = |next: &Next| self.gamma * Interval::point(values[next.state]) - own;
        Tilted { row: &self.rows[i], leads: self.rows[i].next.iter().map(lead).collect(), share }
    }
}

impl Reward {
    fn unclipped(&self, x: f64) -> Interval {
        self.base + self.slope * Interval::point(x)
    }

    fn at(&self, x: f64) -> Interval {
        let (reward, Some(clip)) = (self.unclipped(x), self.clip) else { return self.unclipped(x) };
        let inside = |x: f64, side: fn(&Interval) -> f64| x.min(side(&clip)).max(side(&-clip));
        between(inside(reward.lower(), Interval::lower), inside(reward.upper(), Interval::upper))
    }

    /// Rewards between two points.
    fn over(&self, low: f64, high: f64) -> Interval {
        let (one, two) = (self.at(low), self.at(high));
        between(one.lower().min(two.lower()), one.upper().max(two.upper()))
    }

    /// Slopes between two points.
    fn slope_over(&self, low: f64, high: f64) -> Interval {
        let Some(clip) = self.clip else { return self.slope };
        let (one, two) = (self.unclipped(low), self.unclipped(high));
        if one.magnitude().max(two.magnitude()) <= clip.lower() {
            return self.slope;
        }
        if one.lower().min(two.lower()) >= clip.upper() || one.upper().max(two.upper()) <= -clip.upper() {
            return Interval::zero();
        }
        between(self.slope.lower().min(0.0), self.slope.upper().max(0.0))
    }
}

/// `f(x) = sum_t h[t] e^(o[t] + p[t] x) (r(x) + leads[t] - share e^-x)`, whose sign is to
/// be proved.
struct Tilted<'a> {
    row: &'a Row,
    /// `gamma W[t] - W[s]`.
    leads: Vec<Interval>,
    share: f64,
}

/// `weight e^(offset + tilt x) c(x)`.
struct Term {
    weight: Interval,
    offset: Interval,
    tilt: Interval,
    /// `c` in the middle of the cell, over it, and its derivative.
    at: Interval,
    over: Interval,
    slope: Interval,
}

impl Tilted<'_> {
    /// Points between which `f <= 0` is proved, and beyond which too where there is no
    /// bound; without the bounds themselves. `None` where it cannot be proved.
    fn points(&self, bound: Option<f64>, most: usize) -> Option<Vec<f64>> {
        let (low, high) = match bound {
            Some(bound) => (-bound, bound),
            None => {
                let far = |side: f64| {
                    let far = |n: i32| side * f64::from(n).exp2();
                    (0..=FARTHEST).map(far).find(|&end| self.largest_beyond(end, side) <= 0.0)
                };
                (far(-1.0)?, far(1.0)?)
            }
        };
        let mut points = vec![low];
        let mut open = vec![(low, high)];
        while let Some((low, high)) = open.pop() {
            if self.largest(low, high) <= 0.0 {
                points.push(high);
            } else if high - low < NARROWEST || points.len() + open.len() > most {
                return None;
            } else {
                let middle = 0.5 * (low + high);
                open.extend([(middle, high), (low, middle)]);
            }
        }
        if bound.is_some() {
            points.pop();
            points.remove(0);
        }
        Some(points)
    }

    /// An upper bound of `f` over a cell, up to a positive factor, by its value in the
    /// middle and its derivative.
    fn largest(&self, low: f64, high: f64) -> f64 {
        let (centre, half) = (Interval::point(0.5 * (low + high)), Interval::point(0.5 * (high - low)));
        let reward = &self.row.reward;
        let (at, over) = (reward.at(centre.lower()), reward.over(low, high));
        let slope = reward.slope_over(low, high);
        let term = |(next, lead): (&Next, &Interval)| Term {
            weight: next.weight,
            offset: next.offset,
            tilt: next.tilt,
            at: at + lead,
            over: over + lead,
            slope,
        };
        let mut terms: Vec<Term> = self.row.next.iter().zip(&self.leads).map(term).collect();
        if self.share != 0.0 {
            let share = Interval::point(-self.share);
            terms.extend(self.row.next.iter().map(|next| Term {
                weight: next.weight,
                offset: next.offset,
                tilt: next.tilt - Interval::one(),
                at: share,
                over: share,
                slope: Interval::zero(),
            }));
        }
        let exponents: Vec<Interval> = terms.iter().map(|term| term.offset + term.tilt * centre).collect();
        let scale = Interval::point(exponents.iter().map(Interval::upper).fold(f64::NEG_INFINITY, f64::max));
        let (mut value, mut derivative) = (Interval::zero(), Interval::zero());
        for (term, exponent) in terms.iter().zip(exponents) {
            let exponent = exponent - scale;
            let reach = (term.tilt * half).magnitude();
            value += term.weight * term.at * exponential(exponent.lower(), exponent.upper());
            derivative += term.weight
                * (term.tilt * term.over + term.slope)
                * exponential(add_down(exponent.lower(), -reach), add_up(exponent.upper(), reach));
        }
        (value + half * Interval::point(derivative.magnitude())).upper()
    }

    /// An upper bound of `f` over `x >= end` (side 1) or `x <= end` (side -1), divided by
    /// the exponential that grows fastest there; the share must be 0.
    fn largest_beyond(&self, end: f64, side: f64) -> f64 {
        let reward = &self.row.reward;
        let grows = side * reward.slope.approximate() > 0.0;
        let best = match (grows, reward.clip) {
            (true, None) => return f64::INFINITY,
            (true, Some(clip)) => clip,
            (false, _) => reward.at(end),
        };
        let height = |next: &Next| side * next.tilt.approximate();
        let top = self.row.next.iter().max_by(|one, two| height(one).total_cmp(&height(two)));
        let Some(top) = top.map(|next| next.tilt) else { return f64::INFINITY };
        let kept = |(next, lead): (&Next, &Interval)| {
            let gap = if next.tilt == top { Interval::zero() } else { next.tilt - top };
            let c = best + lead;
            (gap.is_zero() || c.upper() > 0.0)
                .then(|| (next.weight * c, next.offset + gap * Interval::point(end)))
        };
        let kept: Vec<(Interval, Interval)> =
            self.row.next.iter().zip(&self.leads).filter_map(kept).collect();
        let scale = kept.iter().map(|(_, exponent)| exponent.upper()).fold(f64::NEG_INFINITY, f64::max);
        let sum = kept.iter().fold(Interval::zero(), |sum, (c, exponent)| {
            sum + *c * exponential(add_down(exponent.lower(), -scale), add_up(exponent.upper(), -scale))
        });
        sum.upper()
    }
}

fn between(low: f64, high: f64) -> Interval {
    Interval::new(low, high).unwrap_or(Interval::ENTIRE)
}

fn exponential(low: f64, high: f64) -> Interval {
    between(exp_down(low), exp_up(high))
}
