//! A fast exponential with a proven error: `docs/theory/optima.md`, section 9.

/// `ln 2` in two parts; the first has 21 trailing zero bits, so small multiples
/// of it are exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// `1/13!, ..., 1/1!, 1/0!`
const TAYLOR: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];
/// A bound of the relative error: 2^-48.
const ERROR: f64 = 3.552_713_678_800_501e-15;

/// `e^x` to a relative error of 2^-48 for `|x| <= 708`.
fn near(x: f64) -> f64 {
    let twos = (x * std::f64::consts::LOG2_E).round();
    let r = (x - twos * LN_2_HIGH) - twos * LN_2_LOW;
    let polynomial = TAYLOR[1..].iter().fold(TAYLOR[0], |sum, c| sum * r + c);
    polynomial * f64::from_bits(((1023 + twos as i64) as u64) << 52)
}

/// A lower bound of `e^x`; 0 at minus infinity, infinite at infinity.
pub(super) fn exp_down(x: f64) -> f64 {
    if x < -708.0 {
        0.0
    } else if x == f64::INFINITY {
        x
    } else {
        let y = near(x.min(708.0));
        y - y * ERROR
    }
}

/// An upper bound of `e^x`; 0 at minus infinity, infinite at infinity.
pub(super) fn exp_up(x: f64) -> f64 {
    if x > 708.0 {
        f64::INFINITY
    } else if x == f64::NEG_INFINITY {
        0.0
    } else {
        let y = near(x.max(-708.0));
        y + y * ERROR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::FORMULA;
    use num_traits::Zero;
    use pemdp::arithmetic::{Ball, Field, Transcendental};

    #[test]
    fn the_exponential_lies_between_its_bounds() {
        // Where the balls' own errors are smaller.
        let mut x = -690.0;
        while x < 707.9 {
            let truth = Ball::point(x).exp();
            assert!(exp_down(x) <= truth.lower() && truth.upper() <= exp_up(x), "{x}");
            assert!(exp_up(x) - exp_down(x) <= FORMULA * truth.upper(), "{x}");
            // How far the computed value itself is off, against the claim.
            assert!(((Ball::point(near(x)) - truth) / truth).magnitude() < ERROR / 8.0, "{x}");
            x += 0.0137;
        }
        assert_eq!((exp_down(f64::NEG_INFINITY), exp_up(f64::NEG_INFINITY)), (0.0, 0.0));
        assert_eq!((exp_down(f64::INFINITY), exp_up(f64::INFINITY)), (f64::INFINITY, f64::INFINITY));
        assert!(exp_down(-800.0) == 0.0 && exp_up(-800.0) > 0.0);
        assert!(exp_down(800.0) > 1e300 && exp_up(800.0) == f64::INFINITY);
    }

    #[test]
    fn the_parts_of_ln_2_are_what_they_are_said_to_be() {
        assert_eq!(LN_2_HIGH.to_bits() & ((1 << 21) - 1), 0);
        let rest = Ball::point(2.0).ln() - Ball::point(LN_2_HIGH) - Ball::point(LN_2_LOW);
        assert!(rest.magnitude() < 1e-25 && !rest.is_zero());
    }
}
