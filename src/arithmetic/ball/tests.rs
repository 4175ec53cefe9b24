use super::*;
use crate::tolerances::SOLVED;
use dashu_float::{DBig, round::mode::HalfEven};
use quickcheck::quickcheck;
use std::str::FromStr;

type Big = dashu_float::FBig<HalfEven, 2>;
const BITS: usize = 400;

fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(BITS).value()
}

/// Whether a number known to 400 bits lies in the ball (up to 2^-390 of it).
fn holds(ball: Ball, truth: &Big) -> bool {
    let distance = big(ball.high) + big(ball.low) - truth;
    let distance = if distance < Big::ZERO { -distance } else { distance };
    distance <= big(ball.radius) + truth.clone() * truth.clone().signum() * big(2f64.powi(-390))
}

fn contains(ball: Ball, truth: &Rational) -> bool {
    if !ball.is_finite() {
        return true;
    }
    let centre = Rational::from_f64(ball.high) + Rational::from_f64(ball.low);
    (centre - truth).abs() <= Rational::from_f64(ball.radius)
}

/// A ball and a member of it, from any four doubles.
fn ball(x: (f64, f64, f64, f64)) -> Option<(Ball, Rational)> {
    if !(x.0.abs() < 1e140 && x.1.is_finite() && x.2.is_finite() && x.3.is_finite()) {
        return None;
    }
    let (high, low) = two_sum(x.0, x.0 * x.1.fract() * 1e-16);
    let radius = (x.0 * x.2.fract()).abs() * if x.3 > 0.0 { 1e-30 } else { 1e-3 };
    let member = Rational::from_f64(high)
        + Rational::from_f64(low)
        + Rational::from_f64(radius) * Rational::from_f64(x.3.fract());
    Some((Ball { high, low, radius }, member))
}

/// A double with random bits and an exponent near an edge: that of the
/// subnormals, those where products and quotients begin to underflow, 1, and
/// the largest.
fn edge(bits: u64, place: usize) -> f64 {
    const EXPONENTS: [u64; 12] = [0, 0, 1, 2, 53, 92, 93, 106, 511, 1022, 1023, 1500];
    let exponent = EXPONENTS[place % EXPONENTS.len()] + (bits >> 60 & 3);
    let fraction = (bits & ((1 << 52) - 1)) >> (if bits >> 59 & 1 == 0 { 0 } else { bits >> 53 & 63 });
    f64::from_bits(bits >> 63 << 63 | exponent << 52 | fraction)
}

/// A ball around such a double, with a low part and a radius of any size, and
/// a member of it.
fn edge_ball((high, low, radius): (u64, u64, u64), place: usize) -> (Ball, Rational) {
    let high = edge(high, place);
    let low = match low % 3 {
        0 => 0.0,
        1 => edge(low, 0),
        _ => high * 2f64.powi(-53 - (low >> 8 & 31) as i32),
    };
    let (high, low) = two_sum(high, low);
    let wide = match radius % 4 {
        0 => 0.0,
        1 => f64::from_bits(radius >> 40 & 3),
        2 => edge(radius, 0).abs(),
        _ => high.abs() * 2f64.powi(-((radius >> 8 & 127) as i32)),
    };
    let member = Rational::from_f64(high) + Rational::from_f64(low);
    let member = if radius >> 63 == 0 { member + Rational::from_f64(wide) } else { member };
    (Ball { high, low, radius: wide }, member)
}

quickcheck! {
    fn operations_include_the_results_of_members(
        a: (f64, f64, f64, f64), b: (f64, f64, f64, f64)
    ) -> bool {
        let (Some((x, p)), Some((y, q))) = (ball(a), ball(b)) else { return true };
        contains(x + y, &(&p + &q))
            && contains(x - y, &(&p - &q))
            && contains(x * y, &(&p * &q))
            && (q.is_zero() || contains(x / y, &(&p / &q)))
            && contains(x * x.neg(), &-(&p * &p)) == contains(x.neg() * x, &-(&p * &p))
    }

    fn bounds_hold_for_members(a: (f64, f64, f64, f64)) -> bool {
        let Some((x, p)) = ball(a) else { return true };
        Rational::from_f64(x.lower()) <= p
            && Rational::from_f64(x.upper()) >= p
            && p.abs() <= Rational::from_f64(x.magnitude())
            && p.abs() >= Rational::from_f64(x.mignitude())
            && (p - Rational::from_f64(x.midpoint())).abs() <= Rational::from_f64(x.error_bound())
    }

    fn tiny_products_and_quotients_keep_their_truth(a: f64, b: f64) -> bool {
        let (x, y) = (a.fract() * 1e-170, b.fract() * 1e-150);
        if !x.is_finite() || !y.is_finite() { return true; }
        let (p, q) = (Rational::from_f64(x), Rational::from_f64(y));
        let cubed = Ball::point(x) * Ball::point(y) * Ball::point(y);
        contains(cubed, &(&p * &q * &q))
            && (q.is_zero() || contains(cubed / Ball::point(y), &(&p * &q)))
    }

    fn operations_at_the_edges_of_doubles_include_their_results(
        a: (u64, u64, u64), b: (u64, u64, u64), places: (usize, usize)
    ) -> bool {
        let ((x, p), (y, q)) = (edge_ball(a, places.0), edge_ball(b, places.1));
        contains(x + y, &(&p + &q))
            && contains(x - y, &(&p - &q))
            && contains(x * y, &(&p * &q))
            && (q.is_zero() || contains(x / y, &(&p / &q)))
            && [-1074, -700, -52, -1, 1, 60].iter().all(|&twos| {
                contains(x.scaled(twos), &(&p * Rational::from_integer(2.into()).power(twos.into())))
            })
    }

    fn exponentials_and_logarithms_near_the_edges_hold_the_truth(a: u64, b: u64, place: usize) -> bool {
        let (x, wide) = (edge(a, place).abs(), edge(b, place / 7).abs());
        let around = Ball::point(x).widened(wide);
        let exponential = wide > 1.0 || x > 700.0
            || holds(around.exp(), &(big(x) + big(wide)).exp()) && holds(around.exp(), &(big(x) - big(wide)).exp());
        let logarithm = x == 0.0 || wide >= 0.5 * x
            || holds(around.ln(), &(big(x) + big(wide)).ln()) && holds(around.ln(), &(big(x) - big(wide)).ln());
        exponential && logarithm
    }

    fn exponential_holds_the_truth(a: f64, wide: f64) -> bool {
        let x = a % 700.0;
        if !x.is_finite() || !wide.is_finite() { return true; }
        let radius = wide.abs().fract() * 1.5;
        holds(Ball::point(x).exp(), &big(x).exp())
            && holds(Ball::point(x).widened(radius).exp(), &(big(x) + big(radius)).exp())
            && holds(Ball::point(x).widened(radius).exp(), &(big(x) - big(radius)).exp())
    }

    fn logarithm_holds_the_truth(a: f64, wide: f64) -> bool {
        let x = a.abs();
        if !x.is_normal() || !wide.is_finite() { return true; }
        let radius = wide.abs().fract() * x * 0.9;
        holds(Ball::point(x).ln(), &big(x).ln())
            && holds(Ball::point(x).widened(radius).ln(), &(big(x) + big(radius)).ln())
            && holds(Ball::point(x).widened(radius).ln(), &(big(x) - big(radius)).ln())
    }

    fn rationals_are_held(n: i64, d: i64) -> bool {
        if d == 0 { return true; }
        let q = Rational::new(n.into(), d.into());
        contains(Ball::from_rational(&q), &q)
            && contains(Ball::from_integer(n), &Rational::from_integer(n.into()))
    }
}

#[test]
fn ln_2_lies_in_its_ball() {
    let digits = "0.693147180559945309417232121458176568075500134360255254120680009";
    let truth = DBig::from_str(digits).unwrap().with_precision(70).value();
    let truth = truth.with_base_and_precision::<2>(BITS).value().with_rounding::<HalfEven>();
    assert!(holds(LN_2, &truth));
    assert!(!holds(Ball { radius: 5.70e-34, ..LN_2 }, &truth), "the radius is tight");
}

#[test]
fn radii_stay_near_the_thirtieth_digit() {
    for x in [-700.0, -20.5, -1e-3, 1e-9, 0.3, 1.0, 5.0, 300.25, 700.0] {
        let exp = Ball::point(x).exp();
        assert!(exp.radius <= 1e-29 * exp.high + 1e-318, "exp({x}) = {exp:?}");
    }
    for x in [1e-300, 1e-9, 0.3, 0.999_999, 1.0, 1.000_001, 5.0, 1e300, 5e-324] {
        let ln = Ball::point(x).ln();
        assert!(ln.radius <= 1e-29 * ln.high.abs().max(1.0), "ln({x}) = {ln:?}");
    }
}

#[test]
fn extremes_of_exp_and_ln() {
    assert!(!Ball::point(710.0).exp().is_finite());
    assert!(Ball::point(-800.0).exp().upper() < 1e-318);
    assert!(Ball::point(-800.0).exp().lower() <= 0.0);
    assert!(!Ball::point(0.0).ln().is_finite());
    assert!(!Ball::point(-1.0).ln().is_finite());
    assert_eq!(Ball::point(0.0).exp(), Ball::one());
    assert!(!(Ball::one() / Ball::zero()).is_finite());
    assert!(!(Ball::point(1e300) * Ball::point(1e300)).is_finite());
}

#[test]
fn bounds_are_rounded_up_by_more_than_their_terms_can_lose() {
    assert_eq!((rounded_up(0.0), sum_rounded_up(0.0)), (UNDERFLOW, 0.0));
    // 31 roundings, the last product, and 1000 errors of half the smallest double.
    let underflows = Rational::from_f64(f64::from_bits(500));
    for x in [0.0, 5e-324, 1e-310, 2f64.powi(-1021), 1e-300, 1e-30, 1.0, 1.0 / 3.0, 1e300] {
        let most = Rational::from_f64(x) * (Rational::one() + Rational::from_ratio(33, 1 << 53));
        assert!(Rational::from_f64(rounded_up(x)) >= most + &underflows, "{x}");
    }
    assert_eq!(UNDERFLOW, 2f64.powi(-1060));
}

#[test]
fn exponentials_of_wide_balls_are_their_ranges() {
    let wide = Ball::point(1.0).widened(2.0).exp();
    let (low, high) = ((-1f64).exp(), 3f64.exp());
    assert!(wide.lower() <= low && low - wide.lower() < SOLVED, "{wide:?}");
    assert!(wide.upper() >= high && wide.upper() - high < SOLVED, "{wide:?}");
}

#[test]
fn error_bounds_contain_the_low_part_and_the_radius() {
    let ball = Ball { high: 1.0, low: -1e-17, radius: 2e-18 };
    assert!(ball.error_bound() >= 1.2e-17 && ball.error_bound() < 1.21e-17);
    assert_eq!(Ball { low: 0.0, ..ball }.error_bound(), 2e-18);
    assert!(ball.widened(1e-18).radius >= 3e-18);
    assert_eq!(ball.widened(0.0), ball);
    assert!(Ball::point(-0.0).midpoint().is_sign_positive());
}

#[test]
fn exact_doubles_stay_exact() {
    let quarter = Ball::point(0.25);
    assert_eq!(quarter + quarter, Ball::point(0.5));
    assert_eq!(quarter * Ball::point(3.0), Ball::point(0.75));
    assert_eq!(Ball::one() / Ball::point(4.0), quarter);
    assert_eq!((Ball::point(0.1) * Ball::point(0.1)).radius, 0.0);
}

#[test]
fn wide_balls_hold_their_products_quotients_and_logarithms() {
    let wide = |high, radius| Ball { high, low: 0.0, radius };
    assert!((wide(1.0, 0.5) * wide(1.0, 0.5)).upper() >= 2.25);
    assert!((Ball::one() / wide(2.0, 1.0)).upper() >= 1.0);
    assert!((Ball::one() / wide(-2.0, 1.0)).lower() <= -1.0);
    assert_eq!([2.0, -2.0, 0.5].map(|x| wide(x, 1.0).mignitude()), [1.0, 1.0, 0.0]);
    assert!(!wide(0.5, 1.0).ln().is_finite() && !wide(1.0, 1.0).ln().is_finite());
    assert!(!(Ball::zero() / Ball::zero()).is_finite() && !(Ball::zero() / wide(0.0, 1.0)).is_finite());
}

/// The sums of the low parts cancel, so that only their product is left.
#[test]
fn the_product_of_low_parts_lies_in_the_radius() {
    let x = Ball { high: 1f64.next_up(), low: -2f64.powi(-53).next_down(), radius: 0.0 };
    let y = Ball { high: 1.0, low: 2f64.powi(-53), radius: 0.0 };
    let exact = |x: Ball| Rational::from_f64(x.high) + Rational::from_f64(x.low);
    assert!(contains(x * y, &(exact(x) * exact(y))));
}

#[test]
fn signs_and_least_values_are_those_of_every_member() {
    let ball = |high, radius| Ball { high, low: 0.0, radius };
    let signs = [ball(1.0, 1.0), ball(-1.0, 1.0), ball(1.0, 0.5), ball(-1.0, 0.5), ball(0.0, 0.0)];
    let expected = [None, None, Some(Ordering::Greater), Some(Ordering::Less), Some(Ordering::Equal)];
    assert_eq!(signs.map(|x| x.sign()), expected);
    assert_eq!([ball(2.0, 0.5), ball(-2.0, 0.5), ball(1.0, 2.0)].map(|x| x.least()), [1.5, 0.0, 0.0]);
    assert_eq!(ball(2.0, 0.5).centre(), Ball::point(2.0));
    assert!(ball(2.0, 0.5).is_finite());
    for (high, low, radius) in [(f64::INFINITY, 0.0, 0.0), (0.0, f64::NAN, 0.0), (0.0, 0.0, f64::INFINITY)] {
        assert!(!Ball { high, low, radius }.is_finite());
    }
}

#[test]
fn what_is_exact_or_nearly_so_has_no_needless_radius() {
    let tenth = Ball::from_ratio(1, 10);
    assert_eq!((Ball::zero() * tenth, tenth * Ball::zero()), (Ball::zero(), Ball::zero()));
    assert_eq!(Ball::point(3.0).scaled(5), Ball::point(96.0));
    assert_eq!(Ball::point(3.0).scaled(-5), Ball::point(0.09375));
    assert_eq!(tenth.scaled(5).radius, 32.0 * tenth.radius);
    assert!(Ball::from_rational(&Rational::from_ratio(1, 3)).radius <= 1e-32);
    let near_one = Ball::point(1.0 - 2f64.powi(-50)).ln();
    assert!(near_one.radius <= 1e-29 * near_one.high.abs(), "{near_one:?}");
}

#[test]
fn exponentials_end_where_doubles_do() {
    assert!(Ball::point(709.7).exp().is_finite());
    for x in [709.8, 1e5, 1e9, 1e300, f64::INFINITY] {
        assert!(!Ball::point(x).exp().is_finite(), "{x}");
    }
}
