//! Errors that the tests plant into the bounds.

use super::Rules;
use num_traits::Zero;
use pemdp::arithmetic::{Field, Interval};

/// Bounds are lowered by some roundings instead of raised.
#[derive(Debug)]
pub(crate) struct InwardRounding;

impl Rules for InwardRounding {
    fn rounded_up(&self, x: Interval) -> f64 {
        x.lower() - 1e-13 * x.magnitude()
    }
}

/// The second half of every split is forgotten.
#[derive(Debug)]
pub(crate) struct DroppedCell;

impl Rules for DroppedCell {
    fn halves(&self, lower: f64, middle: f64, _upper: f64) -> [(f64, f64); 2] {
        [(lower, middle); 2]
    }
}

/// The transition part of the slopes has no discount factor.
#[derive(Debug)]
pub(crate) struct NoDiscount;

impl Rules for NoDiscount {
    fn slope(&self, reward: Interval, _gamma: Interval, mean: Interval) -> Interval {
        reward + mean
    }
}

/// The residual of the witness is not added.
#[derive(Debug)]
pub(crate) struct NoLift;

impl Rules for NoLift {
    fn lift(&self, _residual: f64, _gap: Interval) -> f64 {
        0.0
    }
}

/// A coordinate counts as increasing where its slope may be either.
#[derive(Debug)]
pub(crate) struct LooseSign;

impl Rules for LooseSign {
    fn least_slope(&self, slope: Interval) -> f64 {
        slope.approximate()
    }
}

/// The slopes are those at the centre of the cell.
#[derive(Debug)]
pub(crate) struct CentreSlopes;

impl Rules for CentreSlopes {
    fn change(&self, slope: Interval, step: Interval) -> Interval {
        Interval::point(slope.approximate()) * step
    }
}

/// What is of third order is left out.
#[derive(Debug)]
pub(crate) struct NoRemainder;

impl Rules for NoRemainder {
    fn third_order(&self, _first: Interval, _second: Interval) -> Interval {
        Interval::zero()
    }
}

/// A tangent where a chord is needed.
#[derive(Debug)]
pub(crate) struct TangentForChord;

impl Rules for TangentForChord {
    fn chord(&self, _width: f64) -> f64 {
        1.0
    }
}
