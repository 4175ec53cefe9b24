//! What a state gains by its parameters, and the supremum of it.

use std::cmp::Ordering;

use num_traits::{One, ToPrimitive, Zero};

use super::CELLS;
use crate::enclosure::{hull, interval, largest_mean};
use crate::exponential::{exp_down, exp_up};
use crate::frontier::{Frontier, Part};
use crate::outcome::Halt;
use crate::rules::Rules;
use pemdp::arithmetic::rounding::{add_down, add_up, div_down, div_up, mul_down, mul_up};
use pemdp::arithmetic::{Field, Interval, Rational, Transcendental};
use pemdp::environments::Base;
use pemdp::problem::Numeral;

/// `P(t|s,a)` proportional to `h[t] exp(psi[t] x)` over the support, and
/// `r = base + slope x`, clipped; `x = theta[s,a]`.
#[derive(Debug)]
pub(super) struct Tilted {
    pub(super) support: Vec<usize>,
    /// `psi[u] - psi[t]` at `u k + t`, `k` states of the support.
    pub(super) psi: Vec<Interval>,
    /// `h[u]/h[t]`.
    pub(super) ratios: Vec<Interval>,
    pub(super) reward: Interval,
    pub(super) slope: Interval,
    pub(super) clip: Option<Interval>,
}

/// Whether an entry of the base measure is positive.
pub(super) fn weight(base: &Base, entry: usize) -> Option<Rational> {
    match base {
        Base::Logits(None) => Some(Rational::zero()),
        Base::Logits(Some(logits)) => logits[entry].as_ref().map(Numeral::exact),
        Base::Weights(weights) => (!weights[entry].is_zero()).then(|| weights[entry].exact()),
    }
}

/// `h[u]/h[t]`, both positive.
pub(super) fn ratio(base: &Base, u: usize, t: usize) -> Interval {
    let ratio = match (weight(base, u), weight(base, t)) {
        (Some(u), Some(t)) if matches!(base, Base::Weights(_)) => match u / t {
            large if large.to_f64().is_some_and(f64::is_infinite) => interval(f64::MAX, f64::INFINITY),
            ratio => Interval::from_rational(&ratio),
        },
        (Some(u), Some(t)) => Interval::from_rational(&(u - t)).exp(),
        _ => Interval::ENTIRE,
    };
    // Where it is no double, its enclosure may reach below 0.
    interval(ratio.lower().max(0.0), ratio.upper())
}

/// `1/x` for `1 <= least <= x <= most`.
pub(super) fn reciprocal(least: f64, most: f64) -> Interval {
    interval(div_down(1.0, most).max(0.0), div_up(1.0, least).min(1.0))
}

impl Tilted {
    pub(super) fn responds(&self) -> bool {
        !self.slope.is_zero() || self.psi.iter().any(|psi| !psi.is_zero())
    }

    /// `P(t|s,a)` over a range of the parameter, for the states of the support: the
    /// terms of `1/sum_u (h[u]/h[t]) exp((psi[u] - psi[t]) x)` are monotone in `x`.
    pub(super) fn kernel(&self, x: Interval) -> impl Iterator<Item = Interval> {
        let k = self.support.len();
        (0..k).map(move |t| {
            let (mut least, mut most) = (1.0, 1.0);
            for u in (0..k).filter(|&u| u != t) {
                let (ratio, psi) = (self.ratios[u * k + t], self.psi[u * k + t]);
                let tilt = if psi.is_zero() { Interval::zero() } else { psi * x };
                least = add_down(least, mul_down(ratio.lower(), exp_down(tilt.lower())));
                most = add_up(most, mul_up(ratio.upper(), exp_up(tilt.upper())));
            }
            reciprocal(least, most)
        })
    }

    /// The reward and its slope over a range of the parameter; where the clip is in
    /// the range, the slopes on both sides.
    pub(super) fn reward(&self, x: Interval) -> (Interval, Interval) {
        if self.slope.is_zero() {
            let reward = self.reward;
            return (self.clip.map_or(reward, |clip| clipped(reward, clip)), Interval::zero());
        }
        let reward = self.reward + self.slope * x;
        let Some(clip) = self.clip else { return (reward, self.slope) };
        let inside = reward.upper() < clip.lower() && reward.lower() > -clip.lower();
        let outside = reward.lower() > clip.upper() || reward.upper() < -clip.upper();
        let slope = match (inside, outside) {
            (true, _) => self.slope,
            (_, true) => Interval::zero(),
            _ => hull(self.slope, Interval::zero()),
        };
        (clipped(reward, clip), slope)
    }
}

/// `min(max(x, -clip), clip)`
pub(super) fn clipped(x: Interval, clip: Interval) -> Interval {
    interval(x.lower().max(-clip.upper()).min(clip.lower()), x.upper().max(-clip.lower()).min(clip.upper()))
}

/// `g(x) = q(x) - level` with `q(x) = r(x) + gamma sum_t P_t(x) w[t]`, times
/// `exp(x - scale)` where there is a scale; with entropy, `q(x) + lambda (reach - x)` for
/// `q(x)`.
pub(super) struct Gain<'a> {
    pub(super) row: &'a Tilted,
    pub(super) gamma: Interval,
    pub(super) gap: Interval,
    pub(super) w: &'a [f64],
    pub(super) level: f64,
    pub(super) scale: Option<f64>,
    /// `lambda` and `reach`, where there is a scale.
    pub(super) entropy: Option<(Interval, f64)>,
    pub(super) rules: &'static dyn Rules,
}

/// The largest value of a gain.
pub(super) struct Supremum {
    /// No value is larger.
    pub(super) upper: f64,
    /// Where the gain is at least `lower`.
    pub(super) at: f64,
    pub(super) lower: f64,
    pub(super) cells: usize,
}

/// A range of the parameter.
pub(super) struct Range {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) bound: f64,
}

impl Part for Range {
    fn bound(&self) -> f64 {
        self.bound
    }

    fn tie(&self, other: &Self) -> Ordering {
        other.lower.total_cmp(&self.lower)
    }
}

impl Gain<'_> {
    /// The gain at a point, possibly a limit.
    pub(super) fn at(&self, x: f64) -> Interval {
        let x = Interval::point(x);
        self.value(x, &self.row.kernel(x).collect::<Vec<_>>()) * self.weight(x)
    }

    pub(super) fn weight(&self, x: Interval) -> Interval {
        match self.scale {
            None => Interval::one(),
            Some(scale) => interval(exp_down(add_down(x.lower(), -scale)), exp_up(add_up(x.upper(), -scale))),
        }
    }

    /// `q - level = r + gamma sum_t P_t (w[t] - level) - (1 - gamma) level`
    pub(super) fn value(&self, x: Interval, kernel: &[Interval]) -> Interval {
        let above: Vec<f64> = self.row.support.iter().map(|&t| add_up(self.w[t], -self.level)).collect();
        let below: Vec<f64> = self.row.support.iter().map(|&t| add_up(self.level, -self.w[t])).collect();
        let mut best = vec![0.0; kernel.len()];
        let mut mean = |w: &[f64]| {
            let (lower, upper) = (|t: usize| kernel[t].lower(), |t: usize| kernel[t].upper());
            largest_mean(lower, upper, Interval::one(), w, &mut best)
        };
        let mean = interval(-mean(&below), mean(&above));
        let value = self.row.reward(x).0 + self.gamma * mean - self.gap * Interval::point(self.level);
        match self.entropy {
            None => value,
            Some((entropy, reach)) => value + entropy * (Interval::point(reach) - x),
        }
    }

    /// The gain and its derivative over a range: `g' = q' + g` where it is
    /// weighted, and `q' = r' + gamma sum_{t<u} P_t P_u (psi[t] - psi[u]) (w[t] - w[u])`.
    pub(super) fn enclose(&self, x: Interval) -> (Interval, Interval) {
        let kernel: Vec<Interval> = self.row.kernel(x).collect();
        let k = kernel.len();
        let mut covariance = Interval::zero();
        for t in 0..k {
            for u in 0..t {
                let psi = self.row.psi[t * k + u];
                if !psi.is_zero() {
                    let (wt, wu) = (self.w[self.row.support[t]], self.w[self.row.support[u]]);
                    let difference = Interval::point(wt) - Interval::point(wu);
                    covariance += kernel[t] * kernel[u] * (psi * difference);
                }
            }
        }
        let value = self.value(x, &kernel);
        let mut slope = self.rules.slope(self.row.reward(x).1, self.gamma, covariance);
        if self.scale.is_some() {
            slope += value;
        }
        if let Some((entropy, _)) = self.entropy {
            slope -= entropy;
        }
        let weight = self.weight(x);
        (value * weight, slope * weight)
    }

    /// The supremum over a range up to a tolerance, or to rounding.
    pub(super) fn supremum(&self, (lower, upper): (f64, f64), tolerance: f64, halt: &Halt<'_>) -> Supremum {
        let mut found = Supremum { upper: f64::NEG_INFINITY, at: 0.0, lower: f64::NEG_INFINITY, cells: 0 };
        if self.scale.is_none() && !self.row.responds() {
            let constant = self.at(0.0);
            return Supremum { upper: constant.upper(), lower: constant.lower(), ..found };
        }
        // Limits first: they stay where nothing is better.
        for x in [upper, lower, middle(lower, upper)] {
            self.look(x, &mut found);
        }
        let noise = {
            let there = self.at(found.at);
            there.upper() - there.lower()
        };
        let tolerance = tolerance.max(4.0 * noise);
        let mut open = Frontier::default();
        open.push(Range { lower, upper, bound: f64::INFINITY });
        let mut closed = f64::NEG_INFINITY;
        while let Some(part) = open.pop() {
            let is_late = found.cells.is_multiple_of(64) && found.cells > 0 && halt.is_over();
            if part.bound <= found.lower + tolerance || found.cells >= CELLS || is_late {
                closed = closed.max(part.bound);
                break;
            }
            let at = middle(part.lower, part.upper);
            if at == part.lower || at == part.upper {
                closed = closed.max(part.bound);
                continue;
            }
            for (lower, upper) in self.rules.halves(part.lower, at, part.upper) {
                match self.bound(lower, upper, &mut found) {
                    Bound::Attained(bound) => closed = closed.max(bound),
                    Bound::Within(bound) => open.push(Range { lower, upper, bound: bound.min(part.bound) }),
                }
            }
        }
        found.upper = closed.max(found.lower);
        found
    }

    pub(super) fn look(&self, x: f64, found: &mut Supremum) {
        let value = self.at(x).lower();
        if value > found.lower {
            (found.at, found.lower) = (x, value);
        }
    }

    /// Bounds the gain over a range, by its enclosure and by the mean value theorem.
    pub(super) fn bound(&self, lower: f64, upper: f64, found: &mut Supremum) -> Bound {
        found.cells += 1;
        let (value, slope) = self.enclose(interval(lower, upper));
        let end = match (self.rules.least_slope(slope) >= 0.0, self.rules.least_slope(-slope) >= 0.0) {
            (true, _) => Some(upper),
            (_, true) => Some(lower),
            _ => None,
        };
        if let Some(end) = end {
            self.look(end, found);
            return Bound::Attained(self.at(end).upper());
        }
        let mut bound = value.upper();
        if lower.is_finite() && upper.is_finite() {
            let centre = middle(lower, upper);
            self.look(centre, found);
            let step = interval(add_down(lower, -centre), add_up(upper, -centre));
            bound = bound.min((self.at(centre) + self.rules.change(slope, step)).upper());
        }
        Bound::Within(bound)
    }
}

pub(super) enum Bound {
    /// A bound of the largest value, at an end that was looked at.
    Attained(f64),
    Within(f64),
}

/// The middle of a range; of a half line, a point beyond its end.
pub(super) fn middle(lower: f64, upper: f64) -> f64 {
    match (lower.is_finite(), upper.is_finite()) {
        (true, true) => (0.5 * lower + 0.5 * upper).clamp(lower, upper),
        (true, false) => lower.max(0.0) * 2.0 + 2.0,
        (false, true) => upper.min(0.0) * 2.0 - 2.0,
        (false, false) => 0.0,
    }
}
