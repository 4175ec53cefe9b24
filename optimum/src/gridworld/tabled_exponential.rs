//! Bounds of the exponential that are fast and slightly wide.

use std::sync::OnceLock;

use pemdp::arithmetic::{Ball, Transcendental};

/// Relative margin: far above the rounding errors of an exponential, of the
/// product with a value and of a sum of a dozen such terms, which it absorbs.
const MARGIN: f64 = 1e-11;
/// Beyond this exponents are cut off.
const RANGE: f64 = 600.0;
/// Steps in a unit of the fine table.
const STEPS: f64 = 64.0;

struct Tables {
    /// `e^k` for integers from `-RANGE` on.
    units: Vec<f64>,
    /// `e^(j/64)` for j from -64 to 64.
    steps: Vec<f64>,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let exp = |x: f64| Ball::point(x).exp().upper();
        let (range, steps) = (RANGE as i64, STEPS as i64);
        Tables {
            units: (-range..=range).map(|k| exp(k as f64)).collect(),
            steps: (-steps..=steps).map(|j| exp(j as f64 / STEPS)).collect(),
        }
    })
}

/// `e^x` within a relative error of 1e-13, for `|x| <= RANGE`.
fn near(x: f64) -> f64 {
    let tables = tables();
    let unit = x.trunc();
    let rest = x - unit;
    let step = (rest * STEPS).round();
    let r = rest - step / STEPS;
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0)))));
    tables.units[(unit + RANGE) as usize] * tables.steps[(step + STEPS) as usize] * series
}

/// At least `e^x (1 + MARGIN/2)`, or the largest double.
pub(super) fn exp_up(x: f64) -> f64 {
    if x <= RANGE { near(x.max(-RANGE)) * (1.0 + MARGIN) } else { f64::MAX }
}

/// At most `e^x (1 - MARGIN/2)`, not negative.
pub(super) fn exp_down(x: f64) -> f64 {
    if x >= -RANGE { near(x.min(RANGE)) * (1.0 - MARGIN) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_with_their_margin_and_are_close() {
        for i in -60_000..=60_000 {
            let x = f64::from(i) * 0.009_999_7;
            let exact = Ball::point(x).exp();
            let (up, down) = (exp_up(x), exp_down(x));
            assert!(up >= exact.upper() * (1.0 + 0.6 * MARGIN), "{x}");
            assert!(down <= exact.lower() * (1.0 - 0.6 * MARGIN), "{x}");
            assert!(
                up <= exact.lower() * (1.0 + 2.0 * MARGIN) && down >= exact.upper() * (1.0 - 2.0 * MARGIN)
            );
        }
        assert_eq!((exp_down(-1e3), exp_up(1e3)), (0.0, f64::MAX));
        assert!(exp_up(-1e3) > 0.0 && exp_down(1e3) > 1e200);
    }
}
