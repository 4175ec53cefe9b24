//! Error-free transformations and directed rounding on doubles.
//!
//! `two_sum` and `two_product` return a rounded result and its exact error, so
//! the sign of the error says in which direction the exact result lies; one
//! step of `next_up` or `next_down` then bounds it, and exact results stay
//! exact. Proofs: `docs/theory/bounds.md`, section 1.

/// Below this magnitude the error of a product or quotient may itself
/// underflow, so its sign is not trusted.
const UNDERFLOW_GUARD: f64 = 1e-280;

/// `a + b` rounded and its exact error (Knuth); exact unless it overflows.
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let error = (a - (sum - b_part)) + (b - b_part);
    (sum, error)
}

/// `a * b` rounded and its error, exact where `|a b|` is at least 1e-280 and
/// finite.
#[inline]
pub(crate) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// Whether `two_product` with this product has an exact error term.
#[inline]
pub(crate) fn error_is_exact(product: f64) -> bool {
    product.abs() >= UNDERFLOW_GUARD && product.is_finite()
}

/// The largest double known to be at most the exact value `rounded + error`.
#[inline]
fn down(rounded: f64, error: f64) -> f64 {
    // Not `error < 0.0`: an error that is not a finite number is stepped over too.
    if (0.0..f64::INFINITY).contains(&error) { rounded } else { rounded.next_down() }
}

/// The double below, but not below 0 where the exact value is positive.
#[inline]
fn down_on_its_side(rounded: f64, is_positive: bool) -> f64 {
    if is_positive { rounded.next_down().max(0.0) } else { rounded.next_down() }
}

/// A lower bound of `a + b`.
#[inline]
pub fn add_down(a: f64, b: f64) -> f64 {
    let (sum, error) = two_sum(a, b);
    if a.is_finite() && b.is_finite() { down(sum, error) } else { a + b }
}

/// An upper bound of `a + b`.
#[inline]
pub fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

/// A lower bound of `a b`; 0 times anything is 0.
#[inline]
pub fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let (product, error) = two_product(a, b);
    if !a.is_finite() || !b.is_finite() {
        product
    } else if error_is_exact(product) {
        down(product, error)
    } else {
        down_on_its_side(product, a.is_sign_positive() == b.is_sign_positive())
    }
}

/// An upper bound of `a b`.
#[inline]
pub fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

/// A lower bound of `a / b` for `b != 0`.
#[inline]
pub fn div_down(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let quotient = a / b;
    if !a.is_finite() || !b.is_finite() {
        return if quotient.is_nan() { f64::NEG_INFINITY } else { quotient.next_down() };
    }
    // remainder = a - quotient b, exactly; its sign over b's is the error's.
    let remainder = (-quotient).mul_add(b, a);
    if error_is_exact(quotient) && error_is_exact(a) {
        down(quotient, if b > 0.0 { remainder } else { -remainder })
    } else {
        down_on_its_side(quotient, a.is_sign_positive() == b.is_sign_positive())
    }
}

/// An upper bound of `a / b` for `b != 0`.
#[inline]
pub fn div_up(a: f64, b: f64) -> f64 {
    -div_down(-a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Rational;
    use quickcheck::quickcheck;

    fn exact(x: f64) -> Rational {
        Rational::from_float(x).unwrap()
    }

    fn below(bound: f64, truth: &Rational) -> bool {
        bound == f64::NEG_INFINITY || (bound.is_finite() && exact(bound) <= *truth)
    }

    fn above(bound: f64, truth: &Rational) -> bool {
        bound == f64::INFINITY || (bound.is_finite() && exact(bound) >= *truth)
    }

    quickcheck! {
        fn directed_operations_bound_the_exact_result(a: f64, b: f64) -> bool {
            if !a.is_finite() || !b.is_finite() { return true; }
            let (x, y) = (exact(a), exact(b));
            let sums = below(add_down(a, b), &(&x + &y)) && above(add_up(a, b), &(&x + &y));
            let products = below(mul_down(a, b), &(&x * &y)) && above(mul_up(a, b), &(&x * &y));
            let quotients = b == 0.0
                || (below(div_down(a, b), &(&x / &y)) && above(div_up(a, b), &(&x / &y)));
            sums && products && quotients
        }
    }

    #[test]
    fn exact_results_are_not_widened() {
        assert_eq!((add_down(0.5, 0.25), add_up(0.5, 0.25)), (0.75, 0.75));
        assert_eq!((mul_down(3.0, -0.5), mul_up(3.0, -0.5)), (-1.5, -1.5));
        assert_eq!((div_down(3.0, 2.0), div_up(3.0, 2.0)), (1.5, 1.5));
    }

    #[test]
    fn inexact_results_take_one_step() {
        assert!(add_down(1.0, 1e-20) == 1.0 && add_up(1.0, 1e-20) == 1f64.next_up());
        assert!(div_down(1.0, 3.0) < div_up(1.0, 3.0));
        assert!(div_down(1.0, -3.0) < div_up(1.0, -3.0));
        assert_eq!((mul_down(1e-200, 1e-200), mul_up(1e-200, 1e-200)), (0.0, 5e-324));
        assert_eq!((mul_down(-1e-200, 1e-200), mul_up(1e-200, -1e-200)), (-5e-324, 0.0));
        assert_eq!((div_down(1e-300, 1e300), div_up(1e-300, -1e300)), (0.0, 0.0));
        assert_eq!(mul_up(1e300, 1e300), f64::INFINITY);
        assert_eq!(mul_down(1e300, 1e300), f64::MAX);
    }

    #[test]
    fn infinite_operands_are_bounded_as_limits() {
        const INF: f64 = f64::INFINITY;
        assert_eq!((add_down(INF, 1.0), add_down(1.0, INF), add_up(-INF, 1.0)), (INF, INF, -INF));
        assert_eq!((add_down(1.0, -INF), add_down(-1.0, -INF), add_up(-1.0, INF)), (-INF, -INF, INF));
        assert!(add_down(INF, -INF).is_nan() && add_up(-INF, INF).is_nan());
        assert_eq!((mul_down(INF, 2.0), mul_down(2.0, INF), mul_up(-2.0, INF)), (INF, INF, -INF));
        assert_eq!((mul_down(0.0, INF), mul_up(-INF, 0.0)), (0.0, 0.0));
        assert_eq!((div_down(INF, INF), div_up(INF, INF)), (-INF, INF));
        assert!(div_down(1.0, INF) <= 0.0 && div_up(-1.0, INF) >= 0.0);
    }

    /// Quotients of usual size whose remainders underflow.
    #[test]
    fn quotients_of_tiny_doubles_are_bounded() {
        for a in [5e-324, 3.5e-323, 1e-310, 3e-300, 1e-290] {
            for b in [3e-200, -7e-150, 1.1e-290, 0.3] {
                let truth = exact(a) / exact(b);
                assert!(below(div_down(a, b), &truth) && above(div_up(a, b), &truth), "{a} / {b}");
            }
        }
    }
}
