//! Intervals and bounds of means that the upper bounds share.

use crate::arithmetic::Interval;
use crate::arithmetic::rounding::{add_up, mul_up};

/// From `lower` to `upper`; everything where these are out of order or undefined.
pub(super) fn interval(lower: f64, upper: f64) -> Interval {
    Interval::new(lower, upper).unwrap_or(Interval::ENTIRE)
}

/// The common part of two enclosures of the same number.
pub(super) fn common(x: Interval, y: Interval) -> Interval {
    Interval::new(x.lower().max(y.lower()), x.upper().min(y.upper())).unwrap_or(x)
}

/// The smallest interval with both.
pub(super) fn hull(x: Interval, y: Interval) -> Interval {
    interval(x.lower().min(y.lower()), x.upper().max(y.upper()))
}

/// An upper bound of `sum_t p[t] w[t]` over `lower <= p <= upper` with `sum p`
/// in `sum` (`docs/theory/optima.md`, Lemma 1: weak duality, for any multiplier), and in `best` a `p`
/// near the maximum.
pub(super) fn largest_mean(
    lower: impl Fn(usize) -> f64,
    upper: impl Fn(usize) -> f64,
    sum: Interval,
    w: &[f64],
    best: &mut [f64],
) -> f64 {
    let n = w.len();
    let mut rest = sum.upper();
    for t in 0..n {
        best[t] = lower(t);
        rest -= best[t];
    }
    // Fill up from the largest weight; the last one touched gives the multiplier.
    let (mut last, mut multiplier) = (f64::INFINITY, f64::NAN);
    let mut ties = 0;
    loop {
        let mut next = usize::MAX;
        for t in 0..n {
            let before = w[t] > last || (w[t] == last && t < ties);
            if !before && (next == usize::MAX || w[t] > w[next]) {
                next = t;
            }
        }
        if next == usize::MAX {
            break;
        }
        multiplier = w[next];
        let room = upper(next) - lower(next);
        best[next] += room.min(rest.max(0.0));
        rest -= room;
        if rest <= 0.0 {
            break;
        }
        (last, ties) = (w[next], next + 1);
    }
    let multiplier = if multiplier.is_finite() { multiplier } else { 0.0 };
    let mut bound = mul_up(multiplier, sum.lower()).max(mul_up(multiplier, sum.upper()));
    for t in 0..n {
        let above = add_up(w[t], -multiplier);
        if above != 0.0 {
            let extreme = if above > 0.0 { upper(t) } else { lower(t) };
            bound = add_up(bound, mul_up(extreme, above));
        }
    }
    bound
}
