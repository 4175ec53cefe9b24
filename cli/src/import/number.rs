//! Numbers as files spell them.

use std::cmp::Ordering;

use super::exact::Exact;

/// The largest number of digits of a number in a file, the magnitude of the exponent counted
/// in: more than any double needs, few enough that exact sums of many take no time.
pub const DIGITS: usize = 400;

/// A finite number with its spelling.
///
/// A double is spelled as the shortest decimal that rounds to it. What is read from a text
/// keeps its own spelling, so that a decimal is that decimal to who reads exactly.
#[derive(Clone, Debug)]
pub struct Number {
    approximate: f64,
    /// The number as JSON, a fraction in quotation marks; `None` for a double.
    json: Option<Box<str>>,
}

impl Number {
    /// A double, if it is a number.
    pub fn double(x: f64) -> Option<Self> {
        x.is_finite().then_some(Self { approximate: x, json: None })
    }

    /// A small natural number.
    pub fn natural(n: u32) -> Self {
        Self { approximate: f64::from(n), json: None }
    }

    /// The number with a spelling in JSON that is known to be one.
    pub(super) fn with_json(approximate: f64, json: String) -> Self {
        Self { approximate, json: Some(json.into_boxed_str()) }
    }

    /// The number that a text spells: a decimal, also one such as `+1`, `.5` or `1.`, or a
    /// fraction.
    ///
    /// # Errors
    /// What was expected.
    pub fn spelled(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a number such as 0.25, 1e-3 or 1/3";
        const TOO_LONG: &str = "a number of at most 400 digits, the exponent's magnitude counted in";
        let (sign, magnitude) = signed(text);
        if let Some((numerator, denominator)) = magnitude.split_once('/') {
            if !are_digits(numerator) || !are_digits(denominator) {
                return Err(EXPECTED);
            }
            let (numerator, denominator) = (natural(numerator), natural(denominator));
            if numerator.len() + denominator.len() > DIGITS {
                return Err(TOO_LONG);
            }
            if denominator == "0" {
                return Err("a positive denominator");
            }
            let json = format!("\"{sign}{numerator}/{denominator}\"");
            return Self::computed(json).ok_or(EXPECTED);
        }
        let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (magnitude, None),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_mantissa = [whole, part].iter().all(|digits| digits.is_empty() || are_digits(digits));
        if !is_mantissa || (whole.is_empty() && part.is_empty()) {
            return Err(EXPECTED);
        }
        let mut json = format!("{sign}{}", natural(whole));
        if !part.is_empty() {
            json = format!("{json}.{part}");
        }
        let mut digits = whole.len() + part.len();
        if let Some(exponent) = exponent {
            let (sign, magnitude) = signed(exponent);
            if !are_digits(magnitude) {
                return Err(EXPECTED);
            }
            let magnitude = natural(magnitude);
            digits += magnitude.parse::<u16>().map_or(DIGITS + 1, usize::from);
            json = format!("{json}e{sign}{magnitude}");
        }
        if digits > DIGITS {
            return Err(TOO_LONG);
        }
        match json.parse::<f64>() {
            Ok(approximate) if approximate.is_finite() => Ok(Self::with_json(approximate, json)),
            _ => Err("a number within the range of doubles"),
        }
    }

    /// A fraction in quotation marks.
    fn computed(json: String) -> Option<Self> {
        let exact = Exact::spelled(&json)?;
        Some(Self::with_json(exact.approximate(), json))
    }

    /// A double near it.
    pub fn approximate(&self) -> f64 {
        self.approximate
    }

    /// The number as JSON.
    pub fn json(&self) -> String {
        match &self.json {
            Some(json) => json.to_string(),
            None => shown(self.approximate),
        }
    }

    /// The number for a message.
    pub fn quoted(&self) -> String {
        super::text::excerpt(self.json().trim_matches('"'))
    }

    /// The number without rounding.
    pub fn exact(&self) -> Exact {
        match &self.json {
            // What has been read is spelled so that it can be read again.
            Some(json) => Exact::spelled(json).unwrap_or_else(|| Exact::double(self.approximate)),
            None => Exact::double(self.approximate),
        }
    }

    /// Whether it is 0, exactly.
    pub fn is_zero(&self) -> bool {
        // A decimal that rounds to 0 need not be 0.
        self.approximate == 0.0 && (self.json.is_none() || self.exact().sign() == Ordering::Equal)
    }

    /// Whether it is less than 0, exactly.
    pub fn is_negative(&self) -> bool {
        self.approximate < 0.0 || (self.approximate == 0.0 && self.exact().sign() == Ordering::Less)
    }

    /// Whether the numbers are equal, however they are spelled.
    pub fn equals(&self, other: &Self) -> bool {
        if self.approximate != other.approximate {
            return false;
        }
        let is_same = match (&self.json, &other.json) {
            (None, None) => true,
            (Some(one), Some(another)) => one == another,
            _ => false,
        };
        is_same || self.exact().minus(&other.exact()).sign() == Ordering::Equal
    }
}

/// A double as a person would write it.
pub fn shown(x: f64) -> String {
    // Minus zero is zero.
    let text = format!("{:?}", x + 0.0);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The sign of a text, empty for plus, and what follows it.
fn signed(text: &str) -> (&'static str, &str) {
    match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => ("-", rest),
        (None, Some(rest)) => ("", rest),
        (None, None) => ("", text),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits without leading zeros; 0 of none.
fn natural(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn numbers_keep_their_spelling() {
        let cases = [
            ("0.25", "0.25"),
            ("+1", "1"),
            (".5", "0.5"),
            ("1.", "1"),
            ("007.10", "7.10"),
            ("1E-05", "1e-5"),
            ("1/3", "\"1/3\""),
            ("-02/4", "\"-2/4\""),
        ];
        for (text, json) in cases {
            assert_eq!(Number::spelled(text).unwrap().json(), json, "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "nan",
            "inf",
            "1e",
            "1/0",
            "1/-2",
            "0x1",
            "1 2",
            "1,5",
            "1e401",
            "1e99999999999",
            "1e309",
        ] {
            assert!(Number::spelled(text).is_err(), "{text}");
        }
    }

    #[test]
    fn equal_numbers_are_equal_and_others_not() {
        let number = |text| Number::spelled(text).unwrap();
        assert!(number("0.50").equals(&number("1/2")) && number("1e-2").equals(&number("0.01")));
        assert!(!number("0.1").equals(&Number::double(0.1).unwrap()), "a tenth is no double");
        assert!(!number("1e-390").is_zero() && number("0e7").is_zero() && number("-1e-390").is_negative());
    }
}
