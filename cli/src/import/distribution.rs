//! Probabilities that sum to 1, or are made to.

use anyhow::bail;
use pemdp::problem::{Reading, compensated_sum};

use super::exact::Exact;
use super::number::{Number, shown};

/// What `--normalise` has done.
#[derive(Default)]
pub struct Changes {
    rows: usize,
    largest: f64,
    place: String,
}

impl Changes {
    /// Counts the change of a row.
    pub fn add(&mut self, change: Option<f64>, place: impl FnOnce() -> String) {
        let Some(change) = change else { return };
        self.rows += 1;
        if change >= self.largest {
            (self.largest, self.place) = (change, place());
        }
    }

    /// In words.
    pub fn told(&self) -> String {
        let rows = match self.rows {
            0 => return "every row of probabilities sums to 1 exactly: none is divided".to_owned(),
            1 => "1 row of probabilities is divided by its sum".to_owned(),
            rows => format!("{rows} rows of probabilities are divided by their sums"),
        };
        format!("{rows}; the largest change is {:.1e}, in {}", self.largest, self.place)
    }
}

/// Checks that numbers that are not negative sum to 1 or, if so told, divides them by their sum; the
/// largest change, if there is one.
///
/// # Errors
/// What the sum is and what was expected, to follow what the numbers are.
pub fn distribution(numbers: &mut [&mut Number], normalise: bool) -> anyhow::Result<Option<f64>> {
    let near = compensated_sum(numbers.iter().map(|number| number.approximate()));
    let tolerance = Reading::Doubles.row_sum_tolerance();
    if !normalise && (near - 1.0).abs() > tolerance {
        let hint = if near > 0.0 { "; --normalise divides each row by its sum" } else { "" };
        bail!("sum to {}, expected 1 up to {tolerance:e}{hint}", shown(near));
    }
    if !normalise {
        return Ok(None);
    }
    if near <= 0.0 || !near.is_finite() {
        bail!("sum to {}, expected a sum to divide by", shown(near));
    }
    let mut total = Exact::zero();
    for number in numbers.iter() {
        total = total.plus(&number.exact())?;
    }
    if total.is_one() {
        return Ok(None);
    }
    let mut largest = 0.0_f64;
    for number in numbers {
        let share = number.exact().over(&total);
        largest = largest.max(share.minus(&number.exact()).approximate().abs());
        **number = share.number()?;
    }
    Ok(Some(largest))
}
