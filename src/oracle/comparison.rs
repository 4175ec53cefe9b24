//! The comparison of two answers: how far their entries may be apart, and what explains
//! that they are not closer.

use std::borrow::Cow;

use serde::Serialize;

use super::answer::{Answer, KinkReport};
use super::case::Case;
use super::claimed::Claimed;
use super::computation::Prediction;
use super::quantity::{Entries, Quantities, Quantity};
use super::recipe::Recipe;
use super::rounding::of_probabilities;
use super::sampling::{Sampling, StandardErrors};
use crate::criterion::Criterion;
use crate::problem::Problem;

/// How far a claimed number may be off: `atol + rtol max|expected|` for each
/// quantity, never below the oracle's own error bound nor below what doubles round
/// (`docs/oracle.md`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative to the largest expected entry of the quantity.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
    /// The numbers that an answer is computed in.
    pub precision: Precision,
}

/// The floating-point numbers that an answer is computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 64 bits.
    #[default]
    Double,
    /// 32 bits.
    Single,
}

impl Tolerance {
    /// That of answers computed in such numbers: `rtol` 1e-6, or 1e-4 with 32 bits.
    pub fn of(precision: Precision) -> Self {
        let rtol = match precision {
            Precision::Double => 1e-6,
            Precision::Single => 1e-4,
        };
        Self { rtol, atol: 0.0, precision }
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::of(Precision::Double)
    }
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which quantity, or which key.
    pub quantity: &'static str,
    /// Which entry; empty for the value.
    pub index: Vec<usize>,
    /// What is right; null where it is infinite, or nothing.
    pub expected: Option<Entry>,
    /// What was claimed.
    pub got: Option<Entry>,
    /// Their distance; null where one of them is no number.
    pub error: Option<f64>,
    /// What it may be.
    pub tolerance: f64,
}

/// How well an explanation fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The largest distance of an entry to what is predicted, in tolerances.
    pub residual: f64,
    /// The same to the truth.
    pub error: f64,
    /// Where what the mistake touches is right but for this: the quantities that are as it
    /// makes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<&'static str>,
    /// The number of sweeps or steps, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// What else was done to the numbers: that they are rounded, or of single precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounded: Option<String>,
}

/// Whether a mistake explains all that it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Explains {
    /// All of it is as predicted.
    Wholly,
    /// Some of it is right.
    InPart,
}

/// An entry of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A number.
    Number(f64),
    /// Whether the response is differentiable.
    Flag(bool),
    /// A place, or what the bounds cover.
    Text(String),
}

/// The evaluation of a problem in doubles.
pub(super) fn in_doubles(problem: &Problem) -> Option<Prediction> {
    let (model, policy) = (problem.model::<f64>().ok()?, problem.deployed_policy::<f64>().ok()?);
    let answer = Answer::taken_for_exact(&model.perform(&policy).ok()?, |x| *x, &0.0);
    Some(Quantities::from_fn(|quantity| answer.entries(quantity)))
}

/// Evaluations in doubles differ by so many times their error at most.
const ROUNDINGS: f64 = 10.0;

/// Whether two entries agree; null agrees with null only.
fn agree(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= tolerance,
        (None, None) => true,
        _ => false,
    }
}

pub(super) fn largest(entries: &[Option<f64>]) -> f64 {
    entries.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// Rearrangements of more groups are not looked for.
const GROUPS: usize = 2000;

/// The exact answer and how to compare with it.
pub(super) struct Comparison<'a> {
    pub(super) problem: &'a Problem,
    pub(super) answer: &'a Answer,
    /// The answer evaluated in doubles, where doubles hold it.
    pub(super) rounded: Option<Prediction>,
    /// The entries of each quantity.
    pub(super) truth: Quantities<Entries>,
    tolerance: Tolerance,
    /// What doubles round of each parameter where probabilities are small.
    pub(super) of_probabilities: Vec<f64>,
    /// Quantities given as text, which need not be rounded.
    exact: Quantities<bool>,
    /// Of what is sampled.
    standard_errors: Option<StandardErrors>,
    tolerances: Quantities<Vec<f64>>,
    /// The rows of a gradient that are compared up to their mean, by their width.
    free_mean: Option<usize>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        answer: &'a Answer,
        case: Option<&Case<'_>>,
        tolerance: Tolerance,
        claimed: &Claimed,
    ) -> Self {
        let rounded = match case {
            Some(case) => Recipe::default().answer(case),
            None if problem.criterion() != Criterion::Discounted => in_doubles(problem),
            None => None,
        };
        let nothing = || vec![0.0; problem.n_parameters()];
        let of_probabilities = case.map_or_else(nothing, |case| of_probabilities(problem, case));
        let truth = Quantities::from_fn(|quantity| answer.entries(quantity));
        let free_mean = problem.policy().is_unconstrained().then(|| problem.n_actions());
        let standard_errors = StandardErrors::of(claimed, free_mean);
        let mut comparison = Self {
            problem,
            answer,
            rounded,
            truth,
            tolerance,
            of_probabilities,
            exact: claimed.exact.clone(),
            standard_errors,
            tolerances: Quantities::default(),
            free_mean,
        };
        comparison.tolerances = Quantities::from_fn(|quantity| {
            let sampling = |i: usize| {
                comparison.standard_errors.as_ref().map_or(0.0, |errors| errors.tolerance(quantity, i))
            };
            let computed = comparison.without_sampling(quantity).into_iter().enumerate();
            computed.map(|(i, computed)| computed.max(sampling(i))).collect()
        });
        comparison
    }

    /// The tolerance that is asked for.
    pub(super) fn asked(&self, quantity: Quantity) -> f64 {
        self.tolerance.atol + self.tolerance.rtol * largest(&self.truth(quantity))
    }

    /// The tolerance that is asked for of what a quantity is made of.
    pub(super) fn share_of_scale(&self, quantity: Quantity) -> f64 {
        self.tolerance.atol + self.tolerance.rtol * self.scale(quantity)
    }

    /// The tolerance of each entry if it is not sampled.
    pub(super) fn without_sampling(&self, quantity: Quantity) -> Vec<f64> {
        let least = self.asked(quantity).max(*self.answer.error_bounds.of(quantity));
        if self.exact[quantity] {
            return vec![least; self.truth[quantity].len()];
        }
        self.rounding(quantity).into_iter().map(|rounding| least.max(rounding)).collect()
    }

    /// The tolerance of an entry.
    pub(super) fn tolerance(&self, quantity: Quantity, i: usize) -> f64 {
        self.tolerances[quantity][i]
    }

    /// Of a sampled entry: how many standard errors it reaches, the standard error, and
    /// the number of samples.
    pub(super) fn sampled(&self, quantity: Quantity, i: usize) -> Option<(f64, f64, Option<usize>)> {
        let errors = self.standard_errors.as_ref()?;
        let error = errors.of_quantity(quantity)?[i];
        (error > 0.0).then(|| (errors.reach(), error, errors.n()))
    }

    /// Whether there are standard errors of a quantity.
    pub(super) fn is_sampled(&self, quantity: Quantity) -> bool {
        self.standard_errors.as_ref().is_some_and(|errors| errors.of_quantity(quantity).is_some())
    }

    /// What is asked for of all quantities.
    pub(super) fn asked_for(&self) -> Tolerance {
        self.tolerance
    }

    pub(super) fn precision(&self) -> Precision {
        self.tolerance.precision
    }

    /// The gradient without what is not identified: where the parameters are the
    /// entries of `pi`, each state's mean. A state with an infinite entry has none.
    pub(super) fn normal_form<'e>(
        &self,
        quantity: Quantity,
        entries: &'e [Option<f64>],
    ) -> Cow<'e, [Option<f64>]> {
        let Some(width) = self.free_mean.filter(|_| quantity.is_of_gradient()) else {
            return Cow::Borrowed(entries);
        };
        let mut entries = entries.to_vec();
        let actions = self.problem.action_sets();
        for (s, row) in entries.chunks_mut(width).enumerate() {
            let is_known =
                |(a, x): (usize, &Option<f64>)| x.is_some() || !actions.is_available(s * width + a);
            let truth = &self.truth[Quantity::Gradient][s * width..(s + 1) * width];
            if [truth, &*row].iter().all(|row| row.iter().enumerate().all(is_known)) {
                let count = row.iter().flatten().count();
                let share = |sum: f64| sum / count as f64;
                let mean = share(row.iter().flatten().sum());
                // The sum may be beyond doubles where the mean is not.
                let mean =
                    if mean.is_finite() { mean } else { row.iter().flatten().map(|g| share(*g)).sum() };
                row.iter_mut().flatten().for_each(|g| *g -= mean);
            }
        }
        Cow::Owned(entries)
    }

    pub(super) fn agrees(&self, quantity: Quantity, a: &[Option<f64>], b: &[Option<f64>]) -> bool {
        let (a, b) = (self.normal_form(quantity, a), self.normal_form(quantity, b));
        a.len() == b.len()
            && a.iter()
                .zip(&*b)
                .zip(&self.tolerances[quantity])
                .all(|((a, b), tolerance)| agree(*a, *b, *tolerance))
    }

    pub(super) fn differences(&self, claimed: &Claimed) -> Vec<Difference> {
        let mut differences = Vec::new();
        for quantity in Quantity::ALL {
            let Some(got) = &claimed.quantities[quantity] else { continue };
            let got = self.normal_form(quantity, got);
            let expected = self.normal_form(quantity, &self.truth[quantity]);
            for (i, (&expected, &got)) in expected.iter().zip(&*got).enumerate() {
                let tolerance = self.tolerances[quantity][i];
                if !agree(expected, got, tolerance) {
                    differences.push(Difference {
                        quantity: quantity.name(),
                        index: quantity.index(i, self.problem.n_actions()),
                        expected: expected.map(Entry::Number),
                        got: got.map(Entry::Number),
                        error: expected.zip(got).map(|(expected, got)| (expected - got).abs().min(f64::MAX)),
                        tolerance,
                    });
                }
            }
        }
        differences
            .extend(Quantity::MAIN.into_iter().filter_map(|quantity| self.broken_bound(quantity, claimed)));
        differences.extend(self.other_differences(claimed));
        differences
    }

    /// A claimed error bound that is smaller than the error of what it bounds, which is
    /// right otherwise.
    fn broken_bound(&self, quantity: Quantity, claimed: &Claimed) -> Option<Difference> {
        let (bound, got) = (claimed.bounds[quantity]?, claimed.quantities[quantity].as_ref()?);
        let got = self.normal_form(quantity, got);
        let truth = self.normal_form(quantity, &self.truth[quantity]);
        if !self.agrees(quantity, &got, &truth) {
            return None; // its entries are reported
        }
        let errors = got.iter().zip(&*truth).filter_map(|(a, b)| Some((*a)? - (*b)?));
        // Less its mean an entry may be twice as far.
        let times = if quantity == Quantity::Gradient && self.free_mean.is_some() { 2.0 } else { 1.0 };
        // That of the occupancy is for the 1-norm, all others for the largest entry.
        let error = if quantity == Quantity::Occupancy {
            errors.map(f64::abs).sum::<f64>()
        } else {
            errors.fold(0.0, |m: f64, x| m.max(x.abs())) / times
        };
        // The sum is rounded, too.
        let tolerance = self.answer.error_bounds.of(quantity) * (1.0 + 1e-9);
        (error - bound > tolerance).then(|| Difference {
            quantity: quantity.bound_name(),
            index: vec![],
            expected: Some(Entry::Number(error)),
            got: Some(Entry::Number(bound)),
            error: Some(error - bound),
            tolerance,
        })
    }

    /// Differences of what is no number.
    fn other_differences(&self, claimed: &Claimed) -> Vec<Difference> {
        let different = |quantity, index, expected: Option<Entry>, got: Option<Entry>| {
            (expected != got).then_some(Difference {
                quantity,
                index,
                expected,
                got,
                error: None,
                tolerance: 0.0,
            })
        };
        let text = |text: &str| Some(Entry::Text(text.to_owned()));
        let mut found = Vec::new();
        if let Some(covers) = claimed.covers {
            let expected = self.answer.error_bounds.covers.word();
            found.extend(different("error_bounds.covers", vec![], text(expected), text(covers)));
        }
        if let Some(smooth) = claimed.smooth {
            let flag = |smooth| Some(Entry::Flag(smooth));
            found.extend(different("smooth", vec![], flag(self.answer.smooth), flag(smooth)));
        }
        if let Some(got) = &claimed.kinks {
            let expected: Vec<String> = self.answer.kink.iter().map(KinkReport::place).collect();
            for i in 0..got.len().max(expected.len()) {
                let entry = |places: &[String]| places.get(i).and_then(|place| text(place));
                found.extend(different("kink", vec![i], entry(&expected), entry(got)));
            }
        }
        found
    }

    /// Whether a prediction explains every difference: each quantity is as predicted or
    /// right, and it predicts something else than the truth for one that is wrong. Terms
    /// that are wrong have to be as predicted, or to add up to the gradient that is
    /// predicted. It is the whole explanation if each quantity that the mistake touches is
    /// as predicted, and one in part if some of them are right.
    pub(super) fn explains(
        &self,
        touches: &[Quantity],
        prediction: &Prediction,
        claimed: &Claimed,
    ) -> Option<Explains> {
        let (mut told_apart, mut how) = (false, Explains::Wholly);
        for quantity in Quantity::MAIN {
            let Some(got) = &claimed.quantities[quantity] else { continue };
            let (predicted, truth) = (&prediction[quantity], &self.truth[quantity]);
            // What differs from the truth by no more than doubles round is no mistake: a prediction
            // is made in doubles, too.
            let is_rounding = |rounded: &Prediction| {
                let rounded = &rounded[quantity];
                self.agrees(quantity, predicted, rounded)
                    || self.distance(quantity, predicted, rounded)
                        <= ROUNDINGS * self.distance(quantity, rounded, truth)
            };
            let is_mistaken =
                !self.agrees(quantity, predicted, truth) && !self.rounded.as_ref().is_some_and(is_rounding);
            let as_predicted = self.agrees(quantity, got, predicted);
            let is_right = self.agrees(quantity, got, truth);
            if !as_predicted && !is_right {
                return None;
            }
            if !as_predicted && touches.contains(&quantity) {
                how = Explains::InPart;
            }
            // What is sampled is near to much, a single number most of all: the truth has to be
            // farther off by far.
            let farther = if got.len() == 1 { 20.0 } else { 2.0 };
            let is_nearer = !self.is_sampled(quantity)
                || farther * self.distance(quantity, got, predicted) <= self.distance(quantity, got, truth);
            told_apart |= as_predicted && !is_right && is_mistaken && is_nearer;
        }
        let is_allowed = |term: Quantity| self.allows(term, &prediction[term], claimed);
        let adds_up = || {
            let terms: Option<Vec<&Entries>> =
                Quantity::TERMS.into_iter().map(|term| claimed.quantities[term].as_ref()).collect();
            let sum = |terms: Vec<&Entries>| -> Entries {
                (0..self.problem.n_parameters()).map(|k| terms.iter().map(|term| term[k]).sum()).collect()
            };
            let gradient = &prediction[Quantity::Gradient];
            terms.is_some_and(|terms| self.agrees(Quantity::Gradient, &sum(terms), gradient))
        };
        (told_apart && (Quantity::TERMS.into_iter().all(is_allowed) || adds_up())).then_some(how)
    }

    /// Whether doubles hold the quantities given, far within their tolerances.
    pub(super) fn is_held_by_doubles(&self, claimed: &Claimed) -> bool {
        let given = |quantity: &Quantity| claimed.quantities[*quantity].is_some();
        self.rounded.as_ref().is_some_and(|rounded| {
            let off = |quantity: Quantity| self.distance(quantity, &rounded[quantity], &self.truth[quantity]);
            Quantity::MAIN.into_iter().filter(given).all(|quantity| ROUNDINGS * off(quantity) <= 1.0)
        })
    }

    /// Whether what is given of a quantity is as predicted, or right.
    pub(super) fn allows(&self, quantity: Quantity, predicted: &Entries, claimed: &Claimed) -> bool {
        claimed.quantities[quantity].as_ref().is_none_or(|got| {
            self.agrees(quantity, got, predicted) || self.agrees(quantity, got, &self.truth[quantity])
        })
    }

    /// Whether two predictions coincide in these quantities.
    pub(super) fn coincide(&self, a: &Prediction, b: &Prediction, quantities: &[Quantity]) -> bool {
        quantities.iter().all(|&quantity| self.agrees(quantity, &a[quantity], &b[quantity]))
    }

    /// The quantities of which entries are wrong.
    pub(super) fn wrong_quantities(&self, claimed: &Claimed) -> Vec<Quantity> {
        let is_wrong = |quantity: &Quantity| {
            claimed.quantities[*quantity].as_ref().is_some_and(|got| !self.wrong(*quantity, got).is_empty())
        };
        Quantity::MAIN.into_iter().filter(is_wrong).collect()
    }

    /// How what is sampled was judged.
    pub(super) fn sampling(&self, claimed: &Claimed) -> Option<Sampling> {
        let got =
            |quantity| Some(self.normal_form(quantity, claimed.quantities[quantity].as_ref()?).into_owned());
        let errors = self.standard_errors.as_ref()?;
        let sampling = errors.report(got, |quantity| self.truth(quantity));
        // Of a pair at a geometric time.
        let total: f64 = self.truth[Quantity::Occupancy].iter().flatten().sum();
        let of_pairs = self.truth[Quantity::Occupancy].iter().map(|d| d.unwrap_or(0.0) / total);
        let probabilities: Vec<f64> = of_pairs.collect();
        let is_of_pairs = self.problem.policy().features().is_none();
        let Some((quantity, i)) = errors.rarest(&probabilities).filter(|_| is_of_pairs) else {
            return Some(sampling);
        };
        let index = vec![i / self.problem.n_actions(), i % self.problem.n_actions()];
        Some(sampling.of_rarest(probabilities[i], quantity.name(), index, errors.n()))
    }

    /// The exact entries of a quantity.
    pub(super) fn exact(&self, quantity: Quantity) -> &Entries {
        &self.truth[quantity]
    }

    /// The exact entries of a quantity, in the form in which they are compared.
    pub(super) fn truth(&self, quantity: Quantity) -> Entries {
        self.normal_form(quantity, &self.truth[quantity]).into_owned()
    }

    /// The entries that are not within their tolerance.
    pub(super) fn wrong(&self, quantity: Quantity, got: &[Option<f64>]) -> Vec<usize> {
        let (got, truth) = (self.normal_form(quantity, got), self.truth(quantity));
        let is_wrong = |&i: &usize| !agree(got[i], truth[i], self.tolerances[quantity][i]);
        (0..got.len()).filter(is_wrong).collect()
    }

    /// The order in which these groups of exact entries are the groups of the given ones.
    pub(super) fn matching(
        &self,
        quantity: Quantity,
        got: &Entries,
        groups: &[Vec<usize>],
    ) -> Option<Vec<usize>> {
        if groups.len() > GROUPS {
            return None;
        }
        let (truth, tolerances) = (&self.truth[quantity], &self.tolerances[quantity]);
        let mut open: Vec<usize> = (0..groups.len()).collect();
        let mut order = Vec::with_capacity(groups.len());
        for group in groups {
            let fits = |&j: &usize| {
                group.iter().zip(&groups[j]).all(|(&i, &k)| agree(got[i], truth[k], tolerances[i]))
            };
            order.push(open.remove(open.iter().position(fits)?));
        }
        Some(order)
    }

    /// `c` with `got = c truth`, where several entries say so, or it is 0 or -1.
    pub(super) fn ratio(&self, quantity: Quantity, got: &Entries) -> Option<f64> {
        let truth = self.truth(quantity);
        let form = self.normal_form(quantity, got).into_owned();
        let fits = |ratio: f64| {
            let scaled: Entries = truth.iter().map(|x| x.map(|x| ratio * x)).collect();
            self.agrees(quantity, &form, &scaled).then_some(ratio)
        };
        if form.iter().all(|x| *x == Some(0.0)) {
            return Some(0.0);
        }
        let pairs: Vec<(f64, f64)> =
            truth.iter().zip(&form).map(|(a, b)| Some(((*a)?, (*b)?))).collect::<Option<_>>()?;
        let nonzero = pairs.iter().filter(|(truth, _)| *truth != 0.0).count();
        let dot: f64 = pairs.iter().map(|(truth, got)| truth * got).sum();
        let norm: f64 = pairs.iter().map(|(truth, _)| truth * truth).sum();
        let ratio = dot / norm;
        let several = || (nonzero >= 2 && ratio.is_finite() && ratio != 0.0).then(|| fits(ratio)).flatten();
        (nonzero >= 1).then(|| fits(-1.0)).flatten().or_else(several)
    }

    /// How unlikely it is that a prediction fits by accident what is wrong: the decimal
    /// digits of the errors, in tolerances, equal errors counted once.
    pub(super) fn digits_told(&self, claimed: &Claimed) -> f64 {
        let mut errors: Vec<(f64, f64)> = Vec::new();
        for quantity in self.wrong_quantities(claimed) {
            let Some(got) = &claimed.quantities[quantity] else { continue };
            let (wrong, truth) = (self.wrong(quantity, got), self.truth(quantity));
            let got = self.normal_form(quantity, got);
            let error = |i: usize| Some(((got[i]? - truth[i]?).abs(), self.tolerances[quantity][i]));
            errors.extend(wrong.into_iter().filter_map(error));
        }
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        errors.dedup_by(|next, known| next.0 - known.0 <= next.1);
        errors.iter().map(|(error, tolerance)| (error / tolerance).log10()).sum()
    }

    /// The largest distance of entries, in tolerances.
    fn distance(&self, quantity: Quantity, a: &Entries, b: &Entries) -> f64 {
        let (a, b) = (self.normal_form(quantity, a), self.normal_form(quantity, b));
        let of_entry = |((a, b), tolerance): ((&Option<f64>, &Option<f64>), &f64)| match (a, b) {
            (Some(a), Some(b)) if a != b => ((a - b).abs() / tolerance).min(f64::MAX),
            _ => 0.0,
        };
        a.iter().zip(&*b).zip(&self.tolerances[quantity]).map(of_entry).fold(0.0, f64::max)
    }

    /// How well a prediction fits, of a mistake in these quantities only, if there are any.
    pub(super) fn evidence(
        &self,
        (recipe, prediction): (Option<&Recipe>, &Prediction),
        only: &[Quantity],
        claimed: &Claimed,
    ) -> Evidence {
        let distance = |quantity: Quantity, to: &Entries| -> f64 {
            claimed.quantities[quantity].as_ref().map_or(0.0, |got| self.distance(quantity, got, to))
        };
        let (mut residual, mut error) = (0.0_f64, 0.0_f64);
        for quantity in Quantity::MAIN {
            let of_truth = distance(quantity, &self.truth[quantity]);
            residual = residual.max(distance(quantity, &prediction[quantity]).min(of_truth));
            error = error.max(of_truth);
        }
        let only = only.iter().map(|quantity| quantity.name()).collect();
        Evidence { residual, error, only, count: recipe.and_then(Recipe::count), rounded: None }
    }
}

#[cfg(test)]
mod tests;
