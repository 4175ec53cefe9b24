//! What a state gains with entropy: a maximum of one number for each action again, once
//! the logarithm of the sum of the weights is known up to a range.
//! Proofs: `docs/theory/optima.md`, section 14.

use num_traits::Zero;

use super::gain::{Gain, Range, Supremum, middle};
use super::{Choice, NEGLIGIBLE, Rectangular};
use crate::enclosure::soft_maximum;
use crate::exponential::exp_up;
use crate::frontier::Frontier;
use crate::outcome::Halt;
use pemdp::arithmetic::rounding::{add_down, add_up, mul_up};
use pemdp::arithmetic::{Field, Interval, Transcendental};

/// Ranges of one search.
const RANGES: usize = 20_000;

/// `f - w[s]` of a state over a box.
pub(super) struct SoftGain<'a> {
    pub(super) family: &'a Rectangular,
    pub(super) s: usize,
    pub(super) w: &'a [f64],
    pub(super) bound: f64,
    pub(super) halt: &'a Halt<'a>,
}

/// Its largest value.
pub(super) struct SoftSupremum {
    /// No value is larger.
    pub(super) upper: f64,
    /// That of `choice`, or what counts as none.
    pub(super) lower: f64,
    pub(super) choice: Option<Choice>,
    pub(super) cells: usize,
}

impl SoftGain<'_> {
    /// The supremum up to a tolerance or a share of itself, or to rounding.
    pub(super) fn supremum(&self, tolerance: f64, share: f64) -> SoftSupremum {
        let family = self.family;
        let size = f64::max(1.0, family.entropy.approximate());
        let least = NEGLIGIBLE * self.w.iter().fold(size, |size, w| size.max(w.abs()));
        let tolerance = tolerance.max(8.0 * family.n_actions as f64 * least);
        let mut found = SoftSupremum { upper: f64::NEG_INFINITY, lower: least, choice: None, cells: 0 };
        let (lower, upper) = self.logarithms();
        let mut open = Frontier::default();
        open.push(Range { lower, upper, bound: self.relaxed(tolerance, &mut found) });
        let mut ranges = 0;
        while let Some(part) = open.pop() {
            let enough = found.lower + tolerance.max(share * found.lower);
            let at = middle(part.lower, part.upper);
            let is_narrow = at == part.lower || at == part.upper;
            if part.bound <= enough || is_narrow || ranges >= RANGES || self.halt.is_over() {
                found.upper = part.bound;
                break;
            }
            for (lower, upper) in family.rules.halves(part.lower, at, part.upper) {
                ranges += 1;
                let bound = self.over_range(lower, upper, tolerance, &mut found).min(part.bound);
                open.push(Range { lower, upper, bound });
            }
        }
        found.upper = found.upper.max(found.lower);
        found
    }

    /// Where the logarithm of the sum of the weights lies.
    fn logarithms(&self) -> (f64, f64) {
        let even = Interval::point(self.family.n_actions as f64).ln();
        (add_down(even.lower(), -self.bound), add_up(even.upper(), self.bound))
    }

    /// A bound where each action may have the parameter that is best for it, with any
    /// probabilities.
    fn relaxed(&self, tolerance: f64, found: &mut SoftSupremum) -> f64 {
        let range = (-self.bound, self.bound);
        let most = |a: usize| {
            let gain = self.family.gain(self.s, a, self.w, self.w[self.s], None);
            let best = gain.supremum(range, 0.25 * tolerance, self.halt);
            found.cells += best.cells;
            Interval::point(best.upper)
        };
        let most: Vec<Interval> = (0..self.family.n_actions).map(most).collect();
        soft_maximum(&most, self.family.entropy).upper()
    }

    /// A bound where the logarithm of the sum of the weights is in a range (Theorem 9);
    /// improves what is found by the parameters on the way.
    fn over_range(&self, low: f64, top: f64, tolerance: f64, found: &mut SoftSupremum) -> f64 {
        let Self { family, s, w, bound, halt } = *self;
        // Near the supremum the bound is of second order.
        let level = w[s] + found.lower;
        let width = add_up(top, -low);
        let chord = family.rules.chord(width);
        // No more exact than the chord.
        let error = family.entropy.approximate() * width * width;
        let tolerance = tolerance.max(error) / (16.0 * family.n_actions as f64);
        let suprema: Vec<Supremum> = (0..family.n_actions)
            .map(|a| {
                let gain = family.gain(s, a, w, level, Some(top));
                let entropy = Some((family.entropy, add_up(top, chord)));
                Gain { entropy, ..gain }.supremum((-bound, top.min(bound)), tolerance, halt)
            })
            .collect();
        found.cells += suprema.iter().map(|best| best.cells).sum::<usize>();
        let choice = Choice { parameters: suprema.iter().map(|best| best.at).collect(), only: None };
        let gained = family.change(s, &choice, w).lower();
        if gained > found.lower {
            (found.lower, found.choice) = (gained, Some(choice));
        }
        let sum = suprema.iter().fold(Interval::zero(), |sum, best| sum + Interval::point(best.upper));
        let excess = (sum - family.entropy * Interval::point(chord)).upper();
        let excess = if excess > 0.0 { mul_up(excess, exp_up(width)) } else { excess };
        add_up(add_up(level, -w[s]), excess)
    }
}
