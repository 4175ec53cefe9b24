use super::*;
use crate::arithmetic::ratio;

#[test]
fn numerals_are_small() {
    assert_eq!(std::mem::size_of::<Numeral>(), 16);
    assert_eq!(std::mem::size_of::<Option<Numeral>>(), 16);
}

#[test]
fn strings_are_read_exactly_in_both_readings() {
    let cases = [
        ("1/6", ratio(1, 6)),
        ("-4/6", ratio(-2, 3)),
        ("0/5", ratio(0, 1)),
        ("-0", ratio(0, 1)),
        ("3", ratio(3, 1)),
        ("0.1", ratio(1, 10)),
        ("-2.5e-3", ratio(-1, 400)),
        ("2.50E+2", ratio(250, 1)),
        ("1e0003", ratio(1000, 1)),
        ("0.125", ratio(1, 8)),
        ("0.002", ratio(1, 500)),
        ("10.00", ratio(10, 1)),
        ("0e4000", ratio(0, 1)),
        ("7.5e-1", ratio(3, 4)),
    ];
    for (text, expected) in cases {
        for reading in [Reading::Doubles, Reading::Exact] {
            let number = from_string(text, reading).unwrap();
            let exact = number.exact();
            assert_eq!(exact, expected, "{text}");
            assert_eq!(exact, exact.reduced(), "{text}");
            assert_eq!(exact.denom(), expected.denom(), "{text}");
        }
    }
}

#[test]
fn other_strings_are_refused() {
    let malformed = [
        "", " 1", "1 ", "+1", "0x10", "inf", "NaN", ".5", "5.", "1e", "1e+", "1/", "/2", "1/-2", "1/+2",
        "1/2/3", "1.5/2", "1/2.5", "1e2/3", "--1", "-", "01", "1/02", "1_000", "1,5", "١",
    ];
    for text in malformed {
        assert_eq!(from_string(text, Reading::Exact), Err(NumeralError::Malformed), "{text}");
    }
    for text in ["1/0", "0/0", "-1/0"] {
        assert_eq!(from_string(text, Reading::Exact), Err(NumeralError::ZeroDenominator));
    }
}

#[test]
fn length_is_bounded_with_the_exponent() {
    let refused = [
        "1e999999999".to_owned(),
        "1e-999999999".to_owned(),
        "0e99999999999999999999999".to_owned(),
        "1e4096".to_owned(),
        "1e-4096".to_owned(),
        "1".repeat(4097),
        format!("0.{}", "1".repeat(4096)),
    ];
    for text in refused {
        for reading in [Reading::Doubles, Reading::Exact] {
            assert_eq!(from_number(&text, reading), Err(NumeralError::TooLong));
            assert_eq!(from_string(&text, reading), Err(NumeralError::TooLong));
        }
    }
    assert!(from_number("1e4095", Reading::Exact).is_ok());
    assert!(from_number(&"1".repeat(4096), Reading::Exact).is_ok());
    assert!(from_string(&format!("1/{}", "1".repeat(4095)), Reading::Doubles).is_ok());
    let long = format!("1/{}", "1".repeat(4096));
    assert_eq!(from_string(&long, Reading::Doubles), Err(NumeralError::TooLong));
}

#[test]
fn doubles_do_not_overflow() {
    assert_eq!(from_number("1e400", Reading::Doubles), Err(NumeralError::Overflow));
    assert_eq!(from_string("-1e400", Reading::Doubles), Err(NumeralError::Overflow));
    assert!(from_number("1e400", Reading::Exact).is_ok());
    assert_eq!(from_number("1e-400", Reading::Doubles), Ok(Numeral::ZERO));
    assert_eq!(from_number("-0", Reading::Doubles), Ok(Numeral::ZERO));
}

#[test]
fn a_number_is_its_double_or_its_decimal() {
    let texts = ["0.1", "1e-300", "123456789.123456789", "5e-324", "1.7976931348623157e308", "-3", "1e22"];
    for text in texts {
        let double = from_number(text, Reading::Doubles).unwrap();
        let exact = from_number(text, Reading::Exact).unwrap();
        assert_eq!(double, Numeral::from(text.parse::<f64>().unwrap()));
        assert_eq!(exact.approximate(), double.approximate(), "{text}");
    }
    assert_eq!(from_number("0.1", Reading::Exact).unwrap().exact(), ratio(1, 10));
    assert!(matches!(from_number("3.00", Reading::Exact), Ok(Numeral::Double(3.0))));
}

#[test]
fn comparisons_are_exact() {
    let third = from_string("1/3", Reading::Doubles).unwrap();
    assert_eq!(third.compare(1.0 / 3.0), Ordering::Greater);
    assert_eq!(third.compare(0.5), Ordering::Less);
    assert!(!third.is_integer() && !third.is_zero() && !third.is_negative());
    assert!(Numeral::from(-2.0).is_integer() && Numeral::from(-2.0).is_negative());
    assert_eq!(Numeral::from(0.5), Numeral::from(ratio(1, 2)));
    assert_ne!(Numeral::from(0.1), Numeral::from(ratio(1, 10)));
}

#[test]
fn sums() {
    let terms: Vec<_> = (1..=100).map(|n| ratio(1, n * (n + 1))).collect();
    assert_eq!(exact_sum(terms), ratio(100, 101));
    assert_eq!(exact_sum(vec![]), ratio(0, 1));
    let doubles: Vec<_> = [1e16, 1.0, -1e16].map(Numeral::from).into();
    assert_eq!(compensated_sum(doubles.iter().map(Numeral::approximate)), 1.0);
    assert_eq!(shown_rational(&Rational::new_raw(10.into(), 12.into()), 1), "5/6");
    let tiny = from_number("1e-30", Reading::Exact).unwrap().exact();
    assert_eq!(shown_rational(&(ratio(1, 1) - tiny), 1), "slightly less than 1");
}

#[test]
fn numbers_are_rounded_down_to_doubles() {
    let down = |n: i64, d: i64| Numeral::from(ratio(n, d)).round_down();
    // The double nearest to a third is below it, that nearest to a tenth above.
    assert_eq!(down(1, 3), 1.0 / 3.0);
    assert_eq!(down(1, 10), 0.1f64.next_down());
    assert_eq!(down(-1, 3), (-1.0f64 / 3.0).next_down());
    assert_eq!(Numeral::from(0.1).round_down(), 0.1);
}

#[test]
fn numbers_are_quoted_as_they_are_spelled() {
    assert_eq!(Numeral::from(0.5).quoted(), "0.5");
    assert_eq!(Numeral::from(ratio(2, 6)).quoted(), "\"1/3\"");
    assert_eq!(Numeral::from(ratio(1, 3)).times(&ratio(2, 5)), Numeral::from(ratio(2, 15)));
    assert_eq!(Numeral::from(ratio(1, 3)).doubled(), Numeral::from(ratio(2, 3)));
}

#[test]
fn powers_of_two_have_a_common_denominator() {
    let sum = |denominators: [i64; 3]| exact_sum(denominators.map(|d| ratio(1, d)).to_vec());
    for (denominators, numerator) in [([2, 4, 16], 13), ([16, 4, 2], 13), ([4, 16, 2], 13)] {
        let sum = sum(denominators);
        assert_eq!((sum.numer(), sum.denom()), (&numerator.into(), &16.into()));
    }
    assert_eq!(sum([3, 4, 6]), ratio(3, 4));
}

#[test]
fn long_fractions_are_shown_by_a_double_where_it_tells_the_side() {
    let long = |text: &str| shown_rational(&from_number(text, Reading::Exact).unwrap().exact(), 1);
    assert_eq!(long("1.0000000000000000000000000001"), "slightly more than 1");
    assert_eq!(long("0.2500000000000000000000000001"), "0.25");
    assert_eq!(largest(&[Numeral::from(0.5), Numeral::from(-2.0)]), ratio(2, 1));
    assert_eq!(largest(&[]), ratio(0, 1));
}
