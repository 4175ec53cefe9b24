//! Sampled answers: estimates with standard errors, judged at a stated level.
//!
//! Of `m` entries whose errors are normal around 0, one is farther than `z` standard errors
//! from the truth with probability at most `m P(|Z| > z) < 2 m phi(z)/z`, whatever their
//! dependence. Derivation: `docs/oracle.md`.

use serde::Serialize;

use super::claimed::Claimed;
use super::quantity::{Entries, Quantities, Quantity};

/// A right estimate is refused with at most this probability.
const LEVEL: f64 = 0.01;
/// The quantile of the normal distribution at 9/10: the power of what is asked for.
const POWER_QUANTILE: f64 = 1.281_551_565_544_600_4;
/// The power.
const POWER: f64 = 0.9;
/// The bias, in standard deviations of one sample, that is asked about.
const BIAS: f64 = 0.1;
/// Errors of pairs that are visited so often are nearly normal.
const VISITS: f64 = 1000.0;
/// Errors that are as small as this with at most this probability are told.
const SUSPICIOUS: f64 = 0.05;

/// How a sampled answer was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sampling {
    /// Unbiased estimates with normal errors are refused with at most this probability.
    pub level: f64,
    /// How many entries are sampled.
    pub entries: usize,
    /// The number of standard errors that an entry may be off.
    pub threshold: f64,
    /// The largest distance to the truth in standard errors.
    pub largest_z: f64,
    /// The mean square of these distances: about 1 for unbiased estimates.
    pub mean_square_z: f64,
    /// Samples that show, with the probability `power`, a bias in some entry of a tenth
    /// of its standard deviation.
    pub needed: u64,
    /// That probability.
    pub power: f64,
    /// With the samples of this answer, the bias that shows with that probability, in
    /// standard deviations of one sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible_bias: Option<f64>,
    /// Present where the errors are far smaller than the standard errors given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_near: Option<TooNear>,
    /// Present where an entry is of a pair that the samples given visit so rarely that its
    /// errors are not nearly normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rare: Option<Rare>,
}

/// A sampled entry of a state and an action that are rarely visited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rare {
    /// Which quantity.
    pub quantity: &'static str,
    /// Which entry.
    pub index: Vec<usize>,
    /// How many of the samples are expected to be there at a geometric time.
    pub visits: f64,
}

/// Estimates that are nearer to the truth than their standard errors let them be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TooNear {
    /// Unbiased estimates with these standard errors are so near with at most this
    /// probability.
    pub probability: f64,
    /// The mean square of the distances in standard errors if what was given are standard
    /// deviations of one sample: times `n`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_square_z_of_deviations: Option<f64>,
}

/// A bound of the probability that the mean square of normal numbers, each of variance 1
/// and whatever their dependence, is at most `mean_square`.
///
/// With a mean square of at most `t` the mean of `max(0, 1 - z^2/(3 t))` is at least 2/3,
/// and its expectation is at most `4/3 sqrt(3 t) phi(0)`.
fn probability_of_less(mean_square: f64) -> f64 {
    (2.0 * (3.0 * mean_square).sqrt() / (2.0 * std::f64::consts::PI).sqrt()).min(1.0)
}

/// The standard errors of what is compared, and how many of them an entry may be off.
pub(super) struct StandardErrors {
    errors: Quantities<Option<Vec<f64>>>,
    threshold: f64,
    entries: usize,
    n: Option<usize>,
    /// So many times as large a bias as of a number that is compared alone shows in any of
    /// the entries.
    stretch: f64,
}

impl StandardErrors {
    /// Those of an answer; none where nothing in it is sampled. `free_mean` is the length
    /// of the rows of a gradient that is compared less their mean.
    pub fn of(claimed: &Claimed, free_mean: Option<usize>) -> Option<Self> {
        let row_of = |quantity: Quantity| free_mean.filter(|_| quantity.is_of_gradient());
        let errors = Quantities::from_fn(|quantity| {
            let errors = claimed.standard_errors[quantity].clone()?;
            let Some(width) = row_of(quantity) else { return Some(errors) };
            // Whatever the dependence of the entries of a row.
            let of_row = |row: &[f64]| {
                let mean = row.iter().sum::<f64>() / width as f64;
                row.iter().map(|error| error + mean).collect::<Vec<_>>()
            };
            Some(errors.chunks(width).flat_map(of_row).collect())
        });
        let all = Quantity::MAIN.into_iter().filter_map(|quantity| errors[quantity].as_ref());
        let entries = all.flatten().filter(|error| **error > 0.0).count();
        // Of a bias in one entry less the mean of the row 1 - 1/width is left.
        let stretch_of = |quantity: Quantity| {
            let left = row_of(quantity).map_or(1.0, |width| 1.0 - 1.0 / width as f64);
            let (given, compared) = (&claimed.standard_errors[quantity], &errors[quantity]);
            let pairs = given.iter().flatten().zip(compared.iter().flatten());
            let of_entry = |(given, compared): (&f64, &f64)| compared / (given * left);
            pairs.filter(|(given, _)| **given > 0.0).map(of_entry).fold(1.0, f64::max)
        };
        let stretch = Quantity::MAIN.into_iter().map(stretch_of).fold(1.0, f64::max);
        (entries > 0).then(|| Self { threshold: threshold(entries), errors, entries, n: claimed.n, stretch })
    }

    /// What sampling may do to an entry.
    pub fn tolerance(&self, quantity: Quantity, i: usize) -> f64 {
        self.errors[quantity].as_ref().map_or(0.0, |errors| self.threshold * errors[i])
    }

    /// The standard error of an entry times this is to be below what it shall be told from
    /// with the stated power.
    pub fn reach(&self) -> f64 {
        self.threshold + POWER_QUANTILE
    }

    /// The standard errors of a quantity.
    pub fn of_quantity(&self, quantity: Quantity) -> Option<&[f64]> {
        self.errors[quantity].as_deref()
    }

    /// How many samples there are.
    pub fn n(&self) -> Option<usize> {
        self.n
    }

    /// How an answer was judged, in the form in which entries are compared.
    pub fn report(
        &self,
        got: impl Fn(Quantity) -> Option<Entries>,
        truth: impl Fn(Quantity) -> Entries,
    ) -> Sampling {
        let mut scores = Vec::new();
        for quantity in Quantity::MAIN {
            let (Some(errors), Some(got)) = (&self.errors[quantity], got(quantity)) else { continue };
            for ((error, got), truth) in errors.iter().zip(got).zip(truth(quantity)) {
                if let (Some(got), Some(truth), true) = (got, truth, *error > 0.0) {
                    scores.push(((got - truth) / error).abs());
                }
            }
        }
        let reach = self.reach();
        let mean_square_z = scores.iter().map(|z| z * z).sum::<f64>() / scores.len().max(1) as f64;
        let probability = probability_of_less(mean_square_z);
        let mean_square_z_of_deviations = self.n.map(|n| n as f64 * mean_square_z);
        let is_suspicious = !scores.is_empty() && probability <= SUSPICIOUS;
        Sampling {
            level: LEVEL,
            entries: self.entries,
            threshold: self.threshold,
            largest_z: scores.iter().copied().fold(0.0, f64::max),
            mean_square_z,
            needed: (reach * self.stretch / BIAS).powi(2).ceil() as u64,
            power: POWER,
            visible_bias: self.n.map(|n| reach * self.stretch / (n as f64).sqrt()),
            too_near: is_suspicious.then_some(TooNear { probability, mean_square_z_of_deviations }),
            rare: None,
        }
    }

    /// The sampled entry of the pair that is visited with the smallest probability, of
    /// tables of this many pairs.
    pub fn rarest(&self, probabilities: &[f64]) -> Option<(Quantity, usize)> {
        let mut entries = Vec::new();
        for quantity in Quantity::MAIN {
            let table = self.errors[quantity].as_ref().filter(|errors| errors.len() == probabilities.len());
            let sampled = table.into_iter().flatten().enumerate().filter(|(_, error)| **error > 0.0);
            entries.extend(sampled.map(|(i, _)| (quantity, i)).filter(|(_, i)| probabilities[*i] > 0.0));
        }
        entries.into_iter().min_by(|a, b| probabilities[a.1].total_cmp(&probabilities[b.1]))
    }
}

impl Sampling {
    /// Asks for as many samples as visit a pair often enough, which one does with this
    /// probability.
    pub(super) fn of_rarest(
        mut self,
        probability: f64,
        quantity: &'static str,
        index: Vec<usize>,
        n: Option<usize>,
    ) -> Self {
        self.needed = self.needed.max((VISITS / probability).ceil() as u64);
        let visits = n.map(|n| n as f64 * probability).filter(|visits| *visits < VISITS);
        self.rare = visits.map(|visits| Rare { quantity, index, visits });
        self
    }
}

/// `z` with `2 m phi(z)/z = level`.
fn threshold(entries: usize) -> f64 {
    let excess = |z: f64| {
        let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        2.0 * entries as f64 * density / z - LEVEL
    };
    let (mut low, mut high) = (1.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    /// Of numbers that are all the same, which are the nearest to 0 together, and of
    /// independent ones.
    #[test]
    fn small_mean_squares_are_as_rare_as_is_said() {
        use statrs::distribution::ChiSquared;
        let normal = Normal::standard();
        for t in [1e-6_f64, 1e-4, 1e-3, 0.01, 0.1] {
            let same = 1.0 - 2.0 * normal.sf(t.sqrt());
            assert!(same <= probability_of_less(t) && same > 0.5 * probability_of_less(t), "{t}: {same}");
            for m in [2.0, 10.0] {
                let independent = ChiSquared::new(m).unwrap().cdf(m * t);
                assert!(independent <= probability_of_less(t), "{t}: {independent}");
            }
        }
    }

    #[test]
    fn the_threshold_keeps_the_level_and_is_not_much_larger() {
        let normal = Normal::standard();
        // The library's distribution has some ten digits.
        assert!((normal.cdf(POWER_QUANTILE) - POWER).abs() < 1e-9);
        for entries in [1, 2, 10, 100, 10_000] {
            let share = |z: f64| 2.0 * entries as f64 * normal.sf(z);
            let z = threshold(entries);
            assert!(share(z) <= LEVEL && share(z) > 0.8 * LEVEL, "{entries}: {z}, {}", share(z));
        }
    }
}
