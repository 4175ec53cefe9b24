use super::*;
use crate::arithmetic::Ball;
use dashu_float::{FBig, round::mode::HalfEven};
use quickcheck::quickcheck;

type Big = FBig<HalfEven, 2>;
const BITS: usize = 2000;

fn exact(x: &Float) -> Rational {
    Rational::from_integer(x.mantissa.clone()) * Rational::from_integer(2.into()).power(x.exponent)
}

fn contains(ball: &BigBall, truth: &Rational) -> bool {
    let (mantissa, exponent) = ball.radius.mantissa_and_exponent();
    !ball.is_finite() || (exact(&ball.centre) - truth).abs() <= exact(&Float::new(mantissa.into(), exponent))
}

fn big(x: &Float) -> Big {
    let words: Vec<u8> = x.mantissa.magnitude().to_bytes_le();
    let size = dashu_int::UBig::from_le_bytes(&words);
    let sign = if x.mantissa.is_negative() { dashu_int::Sign::Negative } else { dashu_int::Sign::Positive };
    Big::from_parts(dashu_int::IBig::from_parts(sign, size), x.exponent as isize).with_precision(BITS).value()
}

/// Whether a number known to about 2000 bits lies in the ball.
fn holds(ball: &BigBall, truth: &Big) -> bool {
    let (mantissa, exponent) = ball.radius.mantissa_and_exponent();
    let distance = big(&ball.centre) - truth;
    let distance = if distance < Big::ZERO { -distance } else { distance };
    let size = truth.clone() * truth.clone().signum();
    distance <= big(&Float::new(mantissa.into(), exponent)) + size * big(&Float::new(1.into(), -1950))
}

/// A ball from random bits, of any size and radius, and a member of it.
fn ball(bits: (u64, u64, u64)) -> (BigBall, Rational) {
    let mantissa = BigInt::from(bits.0) * BigInt::from(bits.1 | 1);
    let mantissa = if bits.2 >> 63 == 0 { mantissa } else { -mantissa };
    let exponent = (bits.2 & 0xfff) as i64 - 2048;
    let centre = Float::new(mantissa, exponent);
    let radius = match bits.2 >> 12 & 3 {
        0 => Magnitude::ZERO,
        1 => Magnitude::new(bits.1, exponent - (bits.2 >> 14 & 255) as i64),
        _ => Magnitude::new(bits.1 >> 40, exponent + 60 - (bits.2 >> 14 & 1023) as i64),
    };
    let (m, e) = radius.mantissa_and_exponent();
    let step = exact(&Float::new(m.into(), e));
    let member = exact(&centre);
    let member = match bits.2 >> 60 & 3 {
        0 => member,
        1 => member + step,
        2 => member - step,
        _ => member + step * Rational::from_ratio((bits.0 >> 33) as i64, 1 << 31),
    };
    (BigBall { centre, radius }, member)
}

quickcheck! {
    fn operations_include_the_results_of_members(
        a: (u64, u64, u64), b: (u64, u64, u64), bits: u8
    ) -> bool {
        let ((x, p), (y, q)) = (ball(a), ball(b));
        BigBall::with_precision(u64::from(bits % 120) + 8, || {
            contains(&(x.clone() + &y), &(&p + &q))
                && contains(&(x.clone() - &y), &(&p - &q))
                && contains(&(x.clone() * &y), &(&p * &q))
                && (q.is_zero() || contains(&(x.clone() / &y), &(&p / &q)))
                && contains(&x.scaled(77), &(&p * Rational::from_integer(2.into()).power(77)))
        })
    }

    fn bounds_hold_for_members(a: (u64, u64, u64), bits: u8) -> bool {
        let (x, p) = ball(a);
        let of = |m: Magnitude| {
            let (mantissa, exponent) = m.mantissa_and_exponent();
            exact(&Float::new(mantissa.into(), exponent))
        };
        let (low, high) = BigBall::with_precision(u64::from(bits % 120) + 8, || (x.end(-1), x.end(1)));
        exact(&low.centre) <= p
            && p <= exact(&high.centre)
            && p.abs() <= of(x.size())
            && p.abs() >= of(x.mignitude())
            && (x.midpoint().is_infinite() || x.error_bound().is_infinite()
                || (p - Rational::from_f64(x.midpoint())).abs() <= Rational::from_f64(x.error_bound()))
    }

    fn fractions_are_held(n: i64, d: i64, bits: u8) -> bool {
        if d == 0 { return true; }
        let q = Rational::new(n.into(), d.into());
        BigBall::with_precision(u64::from(bits) + 2, || contains(&BigBall::from_rational(&q), &q))
    }

    fn exponentials_and_logarithms_hold_the_truth(a: f64, wide: f64, bits: u16) -> bool {
        let (x, radius) = (a % 3000.0, wide.abs().fract() * 2.0);
        if !x.is_finite() || !radius.is_finite() { return true; }
        BigBall::with_precision(u64::from(bits % 1500) + 16, || {
            let (centre, step) = (Float::from_f64(x), Float::from_f64(radius));
            let ball = BigBall::from_f64(x).widened(radius);
            let ends = [big(&centre) - big(&step), big(&centre), big(&centre) + big(&step)];
            let exponential = ball.exp();
            let below = BigBall::from_f64(x).exp();
            let good = |end: &Big| holds(&exponential, &end.exp());
            let positive = BigBall::from_f64(x.abs()).widened(radius);
            let logarithm = positive.ln();
            let size = big(&centre) * big(&centre).signum();
            ends.iter().all(good)
                && holds(&below, &ends[1].exp())
                && (!logarithm.is_finite()
                    || holds(&logarithm, &(size.clone() + big(&step)).ln())
                        && holds(&logarithm, &(size - big(&step)).ln()))
        })
    }
}

#[test]
fn radii_stay_near_the_precision() {
    for bits in [64, 256, 1000, 5000] {
        BigBall::with_precision(bits, || {
            let third = BigBall::from_ratio(1, 3);
            let relative = |x: &BigBall| x.radius.over(x.centre.size_down());
            let good = Magnitude::new(1, 8 - bits as i64);
            for x in [third.clone(), third.exp(), third.ln(), BigBall::from_integer(700).exp(), ln_2()] {
                assert!(relative(&x) < good, "{bits} bits: {x:?}");
            }
            let back = BigBall::from_integer(-12345).exp().ln() + BigBall::from_integer(12345);
            assert!(contains(&back, &Rational::zero()) && back.size() < Magnitude::new(1, 30 - bits as i64));
        });
    }
    assert_eq!(precision(), DEFAULT_PRECISION);
}

#[test]
fn both_kinds_of_balls_agree() {
    for x in [-700.0, -1e-3, 0.3, 1.0, 2.5, 700.0] {
        let (small, big) = (Ball::point(x), BigBall::from_f64(x));
        assert!((small.exp().midpoint() - big.exp().midpoint()).abs() <= small.exp().error_bound());
        assert!(big.exp().error_bound() <= 2.0 * small.exp().error_bound());
    }
    let ln_2 = Ball::from_integer(2).ln();
    assert_eq!(BigBall::from_integer(2).ln().midpoint(), ln_2.midpoint());
}

#[test]
fn nothing_is_too_large_or_too_small() {
    let (huge, tiny) = (BigBall::from_f64(1e308), BigBall::from_f64(5e-324));
    let square = huge.clone() * &huge;
    assert!(square.midpoint().is_infinite() && square.error_bound().is_infinite() && square.is_finite());
    assert_eq!((square.beyond_doubles().unwrap(), huge.beyond_doubles()), ("1.00e616".to_owned(), None));
    let back = |x: BigBall| ((x.clone() + BigBall::one()) - x).sign();
    assert_eq!((back(square.clone()), back(huge.clone())), (None, None));
    assert_eq!(BigBall::with_precision(3000, || back(square)), Some(Ordering::Greater));
    let product = tiny.clone() * &tiny;
    assert_eq!(
        (product.midpoint(), product.error_bound(), product.sign()),
        (0.0, 5e-324, Some(Ordering::Greater))
    );
    // Of logits that no double holds the difference of, one vanishes.
    let difference = BigBall::from_f64(-1e308) - BigBall::from_f64(1e308);
    let exponential = difference.exp();
    assert!(exponential.is_finite() && exponential.magnitude() == 5e-324 && exponential.sign().is_none());
    assert!(!(-difference).exp().is_finite());
    // A sum of very different sizes takes no more bits than there are.
    let far = BigBall::one() + exponential * huge;
    assert!(far.centre.mantissa.is_one() && far.radius > Magnitude::ZERO);
    assert!(!BigBall::zero().ln().is_finite() && !BigBall::from_integer(-1).ln().is_finite());
    assert!(!(BigBall::one() / BigBall::zero()).is_finite());
    assert!(!BigBall::from_f64(f64::NAN).is_finite());
}

fn of(m: Magnitude) -> Rational {
    let (mantissa, exponent) = m.mantissa_and_exponent();
    exact(&Float::new(mantissa.into(), exponent))
}

/// `2^(top - bits)` times a number of 1 and some, for a ball's top.
fn is_within_units(x: &BigBall, bits: u64, units: Rational) -> bool {
    let unit = Rational::from_integer(2.into()).power(x.centre.top() - bits as i64);
    of(x.radius) <= unit * units
}

/// What is computed with more bits than are kept is lost to one rounding.
#[test]
fn radii_are_those_of_the_last_rounding() {
    let nearly_one = Rational::from_integer(1.into()) + Rational::from_integer(2.into()).power(-30);
    for bits in [64, 150, 190, 300, 1000] {
        BigBall::with_precision(bits, || {
            for x in [0.3, 1.5, -3.7, 40.25, 700.0, -5000.0] {
                let exponential = BigBall::from_f64(x).exp();
                assert!(is_within_units(&exponential, bits, nearly_one.clone()), "{bits} e^{x}");
            }
            // Away from 1 a multiple of ln 2 is rounded, and the sum with it.
            for (x, units) in [(0.7, 2), (1.9, 2), (0.1, 4), (2.5, 4), (1e300, 4), (1e-300, 4)] {
                let units = Rational::from_integer(units.into());
                assert!(is_within_units(&BigBall::from_f64(x).ln(), bits, units), "{bits} ln {x}");
            }
            assert!(is_within_units(&ln_2().shortened(), bits, nearly_one.clone()), "{bits}");
            for (n, d) in [(1, 3), (5, 7), (1_000_003, 3), (3, 1_000_003), (-22, 7)] {
                let quotient = BigBall::from_ratio(n, d);
                assert!(is_within_units(&quotient, bits, Rational::from_ratio(3, 2)), "{n}/{d}");
            }
            // Terms beyond the last bits are cut off, nearer ones added.
            for k in (bits as i64 - 4)..(bits as i64 + 6) {
                for tiny in [BigBall::one().scaled(-k), BigBall::from_integer(-5).scaled(-k)] {
                    for sum in [BigBall::one() + &tiny, tiny.clone() + BigBall::one()] {
                        let truth = Rational::from_integer(1.into()) + exact(&tiny.centre);
                        assert!(contains(&sum, &truth));
                        let unit = Rational::from_integer(2.into()).power(1 - bits as i64);
                        assert!(of(sum.radius) <= unit, "{bits} {k} {sum:?}");
                    }
                }
            }
            // Ends lie beyond the ball by a few units.
            for top in [-100, 0, 100] {
                let x = BigBall::from_ratio(1, 3).scaled(top).widened_by(Magnitude::new(1, top - 20));
                let unit = Rational::from_integer(2.into()).power(x.centre.top() + 4 - bits as i64);
                let beyond = exact(&x.end(1).centre) - exact(&x.centre) - of(x.radius);
                assert!(!beyond.is_negative() && beyond <= unit, "{bits} {top}");
                let beyond = exact(&x.centre) - of(x.radius) - exact(&x.end(-1).centre);
                assert!(!beyond.is_negative() && beyond <= unit, "{bits} {top}");
            }
        });
    }
}

/// The distance to the midpoint is known well with few bits, too.
#[test]
fn error_bounds_are_tight() {
    for bits in [60, 70, 256] {
        BigBall::with_precision(bits, || {
            for x in [BigBall::from_ratio(1, 3), BigBall::from_ratio(-1000, 7)] {
                let distance = (exact(&x.centre) - Rational::from_f64(x.midpoint())).abs() + of(x.radius);
                let bound = Rational::from_f64(x.error_bound());
                assert!(bound >= distance);
                assert!(bound <= distance * Rational::from_ratio(1_000_001, 1_000_000), "{bits} {x:?}");
            }
        });
    }
}

#[test]
fn bits_that_are_cut_off_count_towards_the_size() {
    for bits in [64, 65, 100, 300] {
        let x = Float::new((BigInt::one() << bits) + 1, -7);
        assert!(of(x.size()) >= exact(&x) && of(x.size_down()) <= exact(&x), "{bits}");
    }
}

#[test]
fn subnormal_midpoints_are_rounded_once() {
    let tie = (1u64 << 54 | 1 << 53) * 512 + 1;
    for mantissa in [1, 3, 5, 7, u64::MAX, (1 << 63) + 1, tie] {
        for exponent in (-1140..-1060).chain([-1, 0, 900]) {
            let x = Float::new(mantissa.into(), exponent);
            let near = x.to_f64();
            let ulp = Rational::from_f64(near.next_up()) - Rational::from_f64(near);
            let off = (Rational::from_f64(near) - exact(&x)).abs();
            assert!(off * Rational::from_integer(2.into()) <= ulp, "{mantissa} 2^{exponent}: {near:e}");
        }
    }
    assert!((-BigBall::one()).scaled(-2000).midpoint().is_sign_positive());
}

#[test]
fn centres_end_at_the_farthest_exponent() {
    let one = BigBall::one;
    assert!(one().scaled(FARTHEST - 1).is_finite() && !one().scaled(FARTHEST + 5).is_finite());
    let (least, vanished) = (one().scaled(-FARTHEST - 1), one().scaled(-FARTHEST - 5));
    assert!(!least.centre.is_zero() && least.radius.is_zero());
    assert!(vanished.centre.is_zero() && !vanished.radius.is_zero() && vanished.sign().is_none());
    // Their sums take no more bits than there are, in any order.
    let tiny = one().scaled(-(1 << 40));
    for sum in [one() + &tiny, tiny.clone() + one()] {
        assert!(sum.centre == one().centre && sum.radius > Magnitude::ZERO, "{sum:?}");
    }
}

#[test]
fn what_is_exact_has_no_radius() {
    let third = BigBall::from_ratio(1, 3);
    assert!(BigBall::zero().is_zero() && !third.is_zero());
    assert_eq!(
        (BigBall::zero() * &third, third.clone() * BigBall::zero()),
        (BigBall::zero(), BigBall::zero())
    );
    assert_eq!(BigBall::zero() * BigBall::unbounded(), BigBall::zero());
    let around_zero = BigBall::zero().widened(1.0);
    assert_eq!((around_zero * BigBall::from_integer(8)).centre, Float::new(BigInt::zero(), 0));
    assert_eq!(BigBall::from_integer(6) / BigBall::from_integer(3), BigBall::from_integer(2));
    assert_eq!(BigBall::from_ratio(7, 8), BigBall::from_f64(0.875));
}

#[test]
fn exponentials_of_wide_balls_are_their_ranges() {
    for (x, radius) in [(1.0, 3.0), (1.0, 2.0), (-2.0, 1.5)] {
        let wide = BigBall::from_f64(x).widened(radius).exp();
        let ends = [x - radius, x + radius].map(|x| BigBall::from_f64(x).exp());
        let tight = Magnitude::new(1, -25);
        for (end, truth) in [(wide.end(-1), &ends[0]), (wide.end(1), &ends[1])] {
            assert!((end - truth).size() < ends[1].size().times(tight), "{x}, {radius}");
        }
        assert!(exact(&wide.end(-1).centre) <= exact(&ends[0].end(1).centre));
        assert!(exact(&wide.end(1).centre) >= exact(&ends[1].end(-1).centre));
    }
    let (low, high) = (BigBall::from_ratio(1, 3).end(-1), BigBall::from_ratio(1, 3).end(1));
    assert!((high - low).size() < Magnitude::new(1, -250));
}

#[test]
fn ln_2_lies_in_its_ball_at_every_precision() {
    let far = compute_ln_2(4000);
    for bits in [2, 8, 64, 200, 320, 1000, 3000] {
        let near = compute_ln_2(bits);
        let off = (exact(&near.centre) - exact(&far.centre)).abs();
        assert!(off <= of(near.radius), "{bits}");
        assert!(near.radius < Magnitude::new(1, 16 - bits as i64), "{bits}");
    }
}
