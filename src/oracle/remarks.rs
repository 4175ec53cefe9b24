//! What can be said of a wrong answer in a sentence: that its numbers are right and what
//! stands beside them is not, that they are those of single precision, that they are rounded.

use std::fmt::{self, Display, Formatter};

use super::case::Case;
use super::claimed::Claimed;
use super::comparison::{Comparison, Difference, Entry, Precision, Tolerance, largest};
use super::quantity::Quantity;

/// Errors of single precision are no larger than this share of the largest entry.
const SINGLE: f64 = 1e-5;
/// Numbers with more decimals or digits are not called rounded.
const DIGITS: i32 = 9;

/// What there is to say.
pub(super) fn remarks(
    comparison: &Comparison<'_>,
    case: Option<&Case<'_>>,
    claimed: &Claimed,
    differences: &[Difference],
) -> Vec<String> {
    let is_number = |difference: &Difference| {
        Quantity::ALL.into_iter().any(|quantity| quantity.name() == difference.quantity)
    };
    if !differences.iter().any(is_number) {
        return differences.iter().map(beside).collect();
    }
    rounded(comparison, claimed).or_else(|| single(comparison, case, claimed)).into_iter().collect()
}

/// What is wrong beside the numbers, which are right.
fn beside(difference: &Difference) -> String {
    let text = |entry: &Option<Entry>| match entry {
        None => "nothing".to_owned(),
        Some(Entry::Number(x)) => format!("{x:e}"),
        Some(Entry::Flag(flag)) => flag.to_string(),
        Some(Entry::Text(text)) => text.clone(),
    };
    let (expected, got) = (text(&difference.expected), text(&difference.got));
    match difference.quantity {
        "smooth" => format!("Every number is right; but smooth is {expected} here, not {got}."),
        "kink" => format!(
            "Every number is right; but the response is not differentiable at: {expected}, not: {got}."
        ),
        "error_bounds.covers" => {
            format!("Every number is right; but the bounds cover \"{expected}\", not \"{got}\".")
        }
        bound => {
            let is_exact = difference.got.as_ref().is_some_and(|got| *got == Entry::Number(0.0));
            let hint = if is_exact {
                " An answer to the problem's decimals as they are spelled is compared with --exact."
            } else {
                ""
            };
            format!(
                "Every number is within its tolerance; but {bound} of {got} does not hold: the error is \
                 {expected}.{hint}"
            )
        }
    }
}

/// The entries that are given, with the exact ones.
fn pairs(comparison: &Comparison<'_>, claimed: &Claimed) -> Vec<(f64, f64)> {
    let given = |quantity: Quantity| {
        let got = claimed.quantities[quantity].clone().unwrap_or_default();
        got.into_iter().zip(comparison.exact(quantity).clone()).filter_map(|(got, truth)| got.zip(truth))
    };
    Quantity::ALL.into_iter().flat_map(given).collect()
}

/// How numbers are written.
#[derive(Clone, Copy)]
enum Spelling {
    /// With so many decimals.
    Decimals(i32),
    /// With so many significant digits.
    Digits(i32),
}

impl Spelling {
    /// Of the last digit of a number.
    fn unit(self, x: f64) -> f64 {
        match self {
            Self::Decimals(k) => 10f64.powi(-k),
            Self::Digits(_) if x == 0.0 => f64::MIN_POSITIVE,
            Self::Digits(k) => 10f64.powf(x.abs().log10().floor() - f64::from(k - 1)),
        }
    }

    fn is_of(self, x: f64) -> bool {
        let units = x / self.unit(x);
        (units - units.round()).abs() <= 1e-6 && (x == 0.0 || units.round() != 0.0)
    }

    /// Those with few digits, the coarsest first.
    fn all() -> impl Iterator<Item = Self> {
        (1..=DIGITS).map(Self::Decimals).chain((2..=DIGITS).map(Self::Digits))
    }
}

impl Display for Spelling {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimals(k) => write!(f, "{k} decimals"),
            Self::Digits(k) => write!(f, "{k} significant digits"),
        }
    }
}

/// Whether the numbers are the exact ones rounded to so many decimals or digits.
fn rounded(comparison: &Comparison<'_>, claimed: &Claimed) -> Option<String> {
    let pairs = pairs(comparison, claimed);
    if pairs.iter().all(|(got, _)| *got == 0.0) {
        return None;
    }
    let fits = |spelling: &Spelling| {
        let is_near = |(got, truth): &(f64, f64)| (got - truth).abs() <= 0.500_001 * spelling.unit(*got);
        pairs.iter().all(|pair| spelling.is_of(pair.0) && is_near(pair))
    };
    Spelling::all().find(fits).map(|spelling| {
        format!("Every number is the exact one rounded to {spelling}: give all digits, 17 of a double.")
    })
}

/// The tolerances of numbers that are rounded, whatever else is wrong with them, and what was
/// done to them.
pub(super) fn coarse(comparison: &Comparison<'_>, claimed: &Claimed) -> Vec<(Tolerance, String)> {
    let pairs = pairs(comparison, claimed);
    let given: Vec<f64> = pairs.iter().map(|(got, _)| *got).filter(|got| *got != 0.0).collect();
    let asked = comparison.asked_for();
    if given.is_empty() {
        return Vec::new();
    }
    let is_spelled = |spelling: &Spelling| given.iter().all(|x| spelling.is_of(*x));
    let decimals = (1..=DIGITS).map(Spelling::Decimals).find(is_spelled);
    let digits = (2..=DIGITS).map(Spelling::Digits).find(is_spelled);
    let mut found: Vec<(Tolerance, String)> = Vec::new();
    for spelling in decimals.into_iter().chain(digits) {
        let half = 0.501 * spelling.unit(1.0);
        let tolerance = match spelling {
            Spelling::Decimals(_) => Tolerance { atol: asked.atol.max(half), ..asked },
            Spelling::Digits(_) => Tolerance { rtol: asked.rtol.max(half), ..asked },
        };
        found.push((tolerance, format!("rounded to {spelling}")));
    }
    if asked.precision == Precision::Double && given.iter().copied().all(is_single) {
        found.push((Tolerance::of(Precision::Single), "in single precision".to_owned()));
    }
    found
}

fn is_single(x: f64) -> bool {
    f64::from(x as f32) == x
}

/// Whether the numbers are right as numbers of single precision.
fn single(comparison: &Comparison<'_>, case: Option<&Case<'_>>, claimed: &Claimed) -> Option<String> {
    if comparison.precision() == Precision::Single {
        return None;
    }
    let tolerance = Tolerance::of(Precision::Single);
    let of_single = Comparison::new(comparison.problem, comparison.answer, case, tolerance, claimed);
    if !of_single.differences(claimed).is_empty() {
        return None;
    }
    let share = |quantity: Quantity| {
        let got = comparison.normal_form(quantity, claimed.quantities[quantity].as_ref()?).into_owned();
        let truth = comparison.truth(quantity);
        let errors = got.iter().zip(&truth).filter_map(|(got, truth)| Some((*got)? - (*truth)?));
        if largest(&truth) == 0.0 {
            return None;
        }
        Some(errors.fold(0.0, |m: f64, x| m.max(x.abs())) / largest(&truth))
    };
    let error = Quantity::ALL.into_iter().filter_map(share).filter(|x| x.is_finite()).fold(0.0, f64::max);
    let are_single = pairs(comparison, claimed).iter().all(|(got, _)| is_single(*got));
    let numbers = if are_single {
        "every number given is one of single precision"
    } else {
        "no larger than those of single precision, of coarse differences or of sweeps that end early"
    };
    (error > 0.0 && (are_single || error <= SINGLE)).then(|| {
        format!("The errors are at most {error:.1e} of the largest entry, {numbers}: right with --precision float32.")
    })
}
