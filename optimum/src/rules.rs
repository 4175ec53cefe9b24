//! The inferences on which bounds of the optimum rest. Proofs: `docs/theory/optima.md`.

use std::fmt::Debug;

use pemdp::arithmetic::Interval;
use pemdp::arithmetic::rounding::{add_down, div_up};

/// An inference each. Tests replace one by a wrong one, to see that the error is noticed.
pub(super) trait Rules: Debug + Sync {
    /// What no number of an enclosure exceeds.
    fn rounded_up(&self, x: Interval) -> f64 {
        x.upper()
    }

    /// The ranges that a range is split into.
    fn halves(&self, lower: f64, middle: f64, upper: f64) -> [(f64, f64); 2] {
        [(lower, middle), (middle, upper)]
    }

    /// The slope of `r + gamma P w` by those of `r` and of `P w`.
    fn slope(&self, reward: Interval, gamma: Interval, mean: Interval) -> Interval {
        reward + gamma * mean
    }

    /// How far values may be above a witness with this residual; the gap is `1 - kappa`.
    fn lift(&self, residual: f64, gap: Interval) -> f64 {
        if residual <= 0.0 { 0.0 } else { div_up(residual, gap.lower()) }
    }

    /// The number by whose sign a function with this slope increases.
    fn least_slope(&self, slope: Interval) -> f64 {
        slope.lower()
    }

    /// The change over a step, by the mean value theorem: the slope is that of the whole
    /// step.
    fn change(&self, slope: Interval, step: Interval) -> Interval {
        slope * step
    }

    /// At most `d/(e^d - 1)` for a width `d`: by it `y log y` is below a line on `[e^-d, 1]`.
    fn chord(&self, width: f64) -> f64 {
        add_down(1.0, -0.5 * width)
    }

    /// A term of third order by its factors of first and second order.
    fn third_order(&self, first: Interval, second: Interval) -> Interval {
        first * second
    }
}

/// The rules as proved.
#[derive(Debug)]
pub(super) struct Sound;

impl Rules for Sound {}

#[cfg(test)]
pub(super) mod faults;
