//! Numbers as people read them.

use pemdp::arithmetic::{Field, Rational};
use pemdp::problem::Numeral;
pub use pemdp_experiments::bound_above;

/// Longer fractions are shown as decimals.
const LONGEST_FRACTION: usize = 40;

/// A double with so many significant digits; trailing zeros stay, so that
/// columns line up.
pub fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{x:.*e}", digits.saturating_sub(1));
    // The exponent after rounding: 9.9999999 has the exponent of 10.
    match exponent(&scientific) {
        Some(e) if (-5..digits as i32).contains(&e) => {
            format!("{x:.*}", usize::try_from(digits as i32 - 1 - e).unwrap_or(0))
        }
        _ => scientific,
    }
}

/// The exponent of a number in scientific notation.
fn exponent(scientific: &str) -> Option<i32> {
    scientific.split_once('e')?.1.parse().ok()
}

/// A fraction as it is, or a decimal near it where it is long.
pub fn fraction(text: &str) -> String {
    if text.len() <= LONGEST_FRACTION {
        return text.to_owned();
    }
    format!("≈ {}", significant(double_near(text), 12))
}

/// The double nearest to a fraction.
pub fn double_near(text: &str) -> f64 {
    text.parse::<Rational>().map_or(f64::NAN, |q| q.approximate())
}

/// A number of a problem.
pub fn numeral(numeral: &Numeral) -> String {
    match numeral {
        Numeral::Double(x) => x.to_string(),
        Numeral::Exact(q) => fraction(&q.to_string()),
    }
}

/// `sqrt(sum x^2)`, without overflow on the way.
pub fn norm(entries: &[f64]) -> f64 {
    let largest = largest(entries);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * entries.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

/// `max |x|`.
pub fn largest(entries: &[f64]) -> f64 {
    entries.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// The angle between two vectors in radians, accurate also where it is small;
/// `None` where one of them is 0.
pub fn angle(a: &[f64], b: &[f64]) -> Option<f64> {
    let (length_a, length_b) = (norm(a), norm(b));
    if length_a == 0.0 || length_b == 0.0 {
        return None;
    }
    let combined = |sign: f64| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a / length_a + sign * (b / length_b)).collect()
    };
    Some(2.0 * norm(&combined(-1.0)).atan2(norm(&combined(1.0))))
}

#[cfg(test)]
mod tests {
    use super::{angle, double_near, fraction, norm, significant};
    use std::f64::consts::PI;

    #[test]
    fn significant_digits() {
        let cases = [
            (0.0, "0"),
            (-0.3702056374, "-0.370206"),
            (999_999.96, "1.00000e6"),
            (123_456.4, "123456"),
            (9.999_999_9, "10.0000"),
            (1.5e-9, "1.50000e-9"),
            (4.0, "4.00000"),
        ];
        for (x, expected) in cases {
            assert_eq!(significant(x, 6), expected);
        }
    }

    #[test]
    fn angles() {
        assert_eq!(angle(&[1.0, 0.0], &[0.0, 2.0]), Some(PI / 2.0));
        assert_eq!(angle(&[1.0, 1.0], &[-3.0, -3.0]), Some(PI));
        assert_eq!(angle(&[1.0], &[0.0]), None);
        let small = angle(&[1.0, 0.0], &[1.0, 1e-10]).unwrap();
        assert!((small - 1e-10).abs() < 1e-16);
    }

    #[test]
    fn norms_do_not_overflow() {
        assert_eq!(norm(&[3e300, 4e300]), 5e300);
        assert_eq!(norm(&[]), 0.0);
    }

    #[test]
    fn long_fractions_become_decimals() {
        assert_eq!(fraction("3/16"), "3/16");
        let long = format!("1/3{}", "0".repeat(60));
        assert_eq!(fraction(&long), "≈ 3.33333333333e-61");
        assert_eq!(double_near("3/16"), 0.1875);
    }
}
