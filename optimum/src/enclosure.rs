//! Intervals and bounds of means that the upper bounds share.

use pemdp::arithmetic::rounding::{add_up, mul_up};
use pemdp::arithmetic::{Interval, Transcendental};

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

/// `lambda log sum_a exp(q[a]/lambda)`, by the largest `q`: the maximum over policies of
/// `sum_a pi(a) (q[a] - lambda log pi(a))`.
pub(super) fn soft_maximum(values: &[Interval], entropy: Interval) -> Interval {
    let most = Interval::point(values.iter().map(|q| q.upper()).fold(f64::NEG_INFINITY, f64::max));
    let weight = |q: &Interval| ((*q - most) / entropy).exp();
    most + entropy * values.iter().fold(Interval::point(0.0), |sum, q| sum + weight(q)).ln()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_means_are_those_of_linear_programming() {
        let of = |lower: [f64; 3], upper: [f64; 3], sum: (f64, f64), w: [f64; 3]| {
            let mut best = [0.0; 3];
            let bound = largest_mean(|t| lower[t], |t| upper[t], interval(sum.0, sum.1), &w, &mut best);
            (bound, best)
        };
        let upper = [0.5, 0.75, 1.0];
        assert_eq!(of([0.0; 3], upper, (1.0, 1.0), [3.0, 2.0, 1.0]), (2.5, [0.5, 0.5, 0.0]));
        assert_eq!(of([0.0; 3], upper, (1.0, 1.0), [1.0, 2.0, 3.0]), (3.0, [0.0, 0.0, 1.0]));
        assert_eq!(of([0.25; 3], upper, (1.0, 1.0), [3.0, 2.0, 1.0]), (2.25, [0.5, 0.25, 0.25]));
        assert_eq!(of([0.25; 3], upper, (1.0, 1.0), [-3.0, -2.0, -1.0]), (-1.75, [0.25, 0.25, 0.5]));
        assert_eq!(of([0.25, 0.0, 0.0], upper, (1.0, 1.0), [3.0, 2.0, 1.0]), (2.5, [0.5, 0.5, 0.0]));
        // Weights that are equal are filled up one after the other.
        assert_eq!(of([0.0; 3], upper, (1.0, 1.0), [2.0, 2.0, 1.0]), (2.0, [0.5, 0.5, 0.0]));
        // Of sums that differ the one that gives more counts.
        assert_eq!(of([0.0; 3], upper, (0.5, 1.0), [3.0, 2.0, 1.0]).0, 2.5);
        assert_eq!(of([0.0; 3], upper, (0.5, 1.0), [-1.0, -2.0, -3.0]).0, -0.5);
    }

    #[test]
    fn enclosures_meet_and_join() {
        let of = |lower, upper| Interval::new(lower, upper).unwrap();
        assert_eq!(
            (common(of(0.0, 2.0), of(1.0, 3.0)), hull(of(0.0, 1.0), of(2.0, 3.0))),
            (of(1.0, 2.0), of(0.0, 3.0))
        );
        // Of what has no common part, which cannot be, the first is kept.
        assert_eq!(
            (common(of(0.0, 1.0), of(2.0, 3.0)), interval(1.0, 0.0)),
            (of(0.0, 1.0), Interval::ENTIRE)
        );
    }
}
