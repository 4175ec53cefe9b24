//! Fractions as JSON: decimals where they are short, else text with all their digits.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::exact::ten;

/// As many digits as a decimal may have to be called short: those of doubles.
const SHORT: usize = 17;
/// Larger fractions, in bits, are not reduced to lowest terms.
const REDUCED: u64 = 512;
/// A fraction over a power of ten, in quotation marks where doubles do not have as many digits.
pub fn decimal(numerator: &BigInt, scale: u32) -> String {
    let digits = numerator.magnitude().to_string();
    let kept = digits.trim_end_matches('0');
    let dropped = (digits.len() - kept.len()).min(scale as usize);
    let (digits, scale) = (&digits[..digits.len() - dropped], scale as usize - dropped);
    if numerator.is_zero() {
        return "0".to_owned();
    }
    let sign = if numerator.is_negative() { "-" } else { "" };
    let text = match digits.len().checked_sub(scale) {
        _ if scale == 0 => format!("{sign}{digits}"),
        Some(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        _ if scale - digits.len() < 6 => format!("{sign}0.{digits:0>scale$}"),
        _ => format!("{sign}{digits}e-{scale}"),
    };
    if digits.len() > SHORT { format!("\"{text}\"") } else { text }
}

/// A fraction, as a decimal where it is a short one.
pub fn fraction(numerator: &BigInt, denominator: &BigInt) -> String {
    let (mut numerator, mut denominator) = (numerator.clone(), denominator.clone());
    if numerator.bits().max(denominator.bits()) <= REDUCED {
        let common = numerator.gcd(&denominator);
        if common > BigInt::one() {
            numerator /= &common;
            denominator /= &common;
        }
        if let Some(short) = short_decimal(&numerator, &denominator) {
            return short;
        }
    }
    format!("\"{numerator}/{denominator}\"")
}

/// The decimal of a small fraction in lowest terms, where it has one that is short.
fn short_decimal(numerator: &BigInt, denominator: &BigInt) -> Option<String> {
    let twos = denominator.trailing_zeros()?.to_u32()?;
    let mut rest = denominator >> twos;
    let mut fives = 0;
    while (&rest % 5_u32).is_zero() {
        rest /= 5_u32;
        fives += 1;
    }
    let scale = twos.max(fives);
    if !rest.is_one() || scale as usize > 4 * SHORT {
        return None;
    }
    let text = decimal(&(numerator * ten(scale) / denominator), scale);
    (!text.starts_with('"')).then_some(text)
}
