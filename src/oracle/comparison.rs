//! The comparison of two answers: how far their entries may be apart, and what explains
//! that they are not closer.

use serde::Serialize;

use super::answer::{Answer, KinkReport};
use super::case::Prediction;
use super::claimed::Claimed;
use super::mistakes::Mistake;
use super::quantity::{Entries, Quantities, Quantity};
use crate::environments::Structure;
use crate::linear::Size;
use crate::problem::{Numeral, Problem};

/// How far a claimed number may be off: `atol + rtol max|expected|` for each
/// quantity, never below the oracle's own error bound nor below what doubles round
/// (`docs/oracle.md`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative to the largest expected entry of the quantity.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rtol: 1e-6, atol: 0.0 }
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

/// Whether two entries agree; null agrees with null only.
fn agree(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance,
        (None, None) => true,
        _ => false,
    }
}

fn largest(entries: &[Option<f64>]) -> f64 {
    entries.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// The probabilities that an occupancy comes from; 1 for every action of a state without one.
fn policy(occupancy: &[Vec<f64>]) -> Vec<f64> {
    let of_state = |row: &Vec<f64>| -> Vec<f64> {
        let all = row.iter().sum::<f64>();
        row.iter().map(|d| if all > 0.0 { d / all } else { 1.0 }).collect()
    };
    occupancy.iter().flat_map(of_state).collect()
}

/// The exact answer and how to compare with it.
pub(super) struct Comparison<'a> {
    problem: &'a Problem,
    answer: &'a Answer,
    /// The answer evaluated in doubles, where doubles hold it.
    rounded: Option<Prediction>,
    /// The entries of each quantity.
    truth: Quantities<Entries>,
    tolerances: Quantities<Vec<f64>>,
    /// The rows of a gradient that are compared up to their mean, by their width.
    free_mean: Option<usize>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        problem: &'a Problem,
        answer: &'a Answer,
        rounded: Option<Prediction>,
        tolerance: Tolerance,
    ) -> Self {
        let truth = Quantities::from_fn(|quantity| answer.entries(quantity));
        let free_mean = problem.policy().is_unconstrained().then(|| problem.n_actions());
        let mut comparison =
            Self { problem, answer, rounded, truth, tolerances: Default::default(), free_mean };
        comparison.tolerances = Quantities::from_fn(|quantity| {
            let entries = comparison.normal_form(quantity, &comparison.truth[quantity]);
            let asked = tolerance.atol + tolerance.rtol * largest(&entries);
            let own = *answer.error_bounds.of(quantity);
            let rounding = comparison.rounding(quantity).into_iter();
            rounding.map(|rounding| asked.max(own).max(rounding)).collect()
        });
        comparison
    }

    /// What an evaluation in doubles may round, with `c = 1/(1-gamma)`.
    ///
    /// Values and occupancies: a share `1e-15 c` of their scale, at most a billionth. The
    /// scale of values is `M`, the largest value of a state or action, each state counting
    /// as often as it is visited, once at most, and each action as often as it is taken.
    ///
    /// Gradients: the same share of the largest entry of a term; `1e-14 w M` with `w` of
    /// [`Self::sensitivities`], since advantages are differences of values, but no more
    /// than a ten-thousandth of the largest entry of a term, or a thousand times the
    /// largest error of an evaluation in doubles where that is larger than the terms
    /// themselves; and a hundred times what doubles do round of this entry, at most a
    /// ten-thousandth of the largest entry of a term.
    ///
    /// Nothing where doubles do not hold the problem.
    fn rounding(&self, quantity: Quantity) -> Vec<f64> {
        let entries = self.truth[quantity].len();
        let Some(rounded) = &self.rounded else { return vec![0.0; entries] };
        let actions = self.problem.n_actions();
        let occupancy = &self.answer.occupancy;
        let horizon = occupancy.iter().flatten().map(|d| d.abs()).sum::<f64>();
        let taken = policy(occupancy);
        let weighted = |(p, q): (&f64, &Option<f64>)| q.map(|q| p * q.abs());
        let of_state = |((v, q), pi): ((&f64, &[Option<f64>]), &[f64])| {
            pi.iter().zip(q).filter_map(weighted).fold(v.abs(), f64::max)
        };
        let states = self.answer.state_values.iter().zip(self.truth[Quantity::ActionValues].chunks(actions));
        let sizes: Vec<f64> = states.zip(taken.chunks(actions)).map(of_state).collect();
        let largest_value = sizes.iter().copied().fold(0.0, f64::max);
        let visited = || {
            let visits = occupancy.iter().map(|row| row.iter().sum::<f64>().min(1.0));
            sizes.iter().zip(visits).map(|(size, visits)| size * visits).fold(0.0, f64::max)
        };
        let share = (1e-15 * horizon).min(1e-9);
        let scale = match quantity {
            Quantity::Value => visited(),
            Quantity::StateValues => largest_value,
            Quantity::ActionValues => largest_value.max(largest(&self.truth[Quantity::ActionValues])),
            Quantity::Occupancy => horizon,
            _ => {
                let terms =
                    Quantity::TERMS.map(|term| largest(&self.truth[term])).into_iter().fold(0.0, f64::max);
                let gradient = rounded[Quantity::Gradient].as_deref().unwrap_or_default();
                let rounded = self.normal_form(Quantity::Gradient, gradient);
                let truth = self.normal_form(Quantity::Gradient, &self.truth[Quantity::Gradient]);
                let errors: Vec<f64> = (rounded.iter().zip(&truth))
                    .map(|(x, y)| x.zip(*y).map_or(0.0, |(x, y)| (x - y).abs()))
                    .collect();
                let values = visited();
                // A bound for every evaluation is too wide where this one is far better.
                let largest_error = errors.iter().copied().fold(0.0, Size::larger);
                let limit = if largest_error < terms { 1e-4 * terms } else { 1000.0 * largest_error };
                let limit = if terms > 0.0 { limit } else { f64::MAX };
                let of_entry = |(w, error): (f64, f64)| {
                    let measured = (100.0 * error).min(1e-4 * terms);
                    (1e-14 * w * values).min(limit).max(share * terms).max(measured).min(f64::MAX)
                };
                return self.sensitivities().into_iter().zip(errors).map(of_entry).collect();
            }
        };
        vec![(share * scale).min(f64::MAX); entries]
    }

    /// How strongly what is visited depends on each parameter: visits of the state times
    /// `sum |dpi(a|s)/dtheta_k|` over the actions, at the state where it is largest; for
    /// families times the range of `psi`, for explicit environments at least the largest
    /// `|dP/dtheta_k|` times visits of the pair.
    fn sensitivities(&self) -> Vec<f64> {
        let actions = self.problem.n_actions();
        let policy = policy(&self.answer.occupancy);
        let visits: Vec<f64> = self.answer.occupancy.iter().map(|row| row.iter().sum()).collect();
        let rows = || policy.chunks(actions).zip(&visits);
        let others = |row: &[f64], a: usize| -> f64 {
            row.iter().enumerate().filter(|(b, _)| *b != a).map(|(_, p)| p).sum()
        };
        let own = || {
            let of = |(row, d): (&[f64], &f64), a: usize| 2.0 * d * row[a] * others(row, a).min(1.0);
            rows().flat_map(|row| (0..actions).map(move |a| of(row, a))).collect()
        };
        let given = self.problem.policy();
        let mut sensitivities: Vec<f64> = match given.features() {
            None if given.is_unconstrained() => rows().flat_map(|(row, d)| row.iter().map(|_| *d)).collect(),
            None => own(),
            Some(features) => {
                let n = given.n_parameters();
                let features: Vec<f64> = features.iter().map(Numeral::approximate).collect();
                let at = |k: usize, (s, (row, d)): (usize, (&[f64], &f64))| -> f64 {
                    let feature = |a: usize| features[(s * actions + a) * n + k];
                    let mean: f64 = row.iter().enumerate().map(|(a, p)| p * feature(a)).sum();
                    d * row.iter().enumerate().map(|(a, p)| p * (feature(a) - mean).abs()).sum::<f64>()
                };
                (0..n).map(|k| rows().enumerate().map(|row| at(k, row)).fold(0.0, f64::max)).collect()
            }
        };
        match self.problem.structure() {
            Structure::LocalFamily(family) => {
                let psi: Vec<f64> = family.psi.iter().map(Numeral::approximate).collect();
                let ends =
                    psi.iter().fold((0.0, 0.0), |(low, high): (f64, f64), &x| (low.min(x), high.max(x)));
                for (w, d) in sensitivities.iter_mut().zip(self.answer.occupancy.iter().flatten()) {
                    *w = w.max(d * (ends.1 - ends.0));
                }
            }
            Structure::Point(point) => {
                for ([s, a, _, k], slope) in &point.transition_jacobian {
                    let w = self.answer.occupancy[*s][*a] * slope.approximate().abs();
                    sensitivities[*k] = sensitivities[*k].max(w);
                }
            }
            _ => {}
        }
        sensitivities
    }

    /// The gradient without what is not identified: where the parameters are the
    /// entries of `pi`, each state's mean. A state with an infinite entry has none.
    fn normal_form(&self, quantity: Quantity, entries: &[Option<f64>]) -> Entries {
        let mut entries = entries.to_vec();
        let Some(width) = self.free_mean.filter(|_| quantity.is_of_gradient()) else { return entries };
        let known = self.truth[Quantity::Gradient].chunks(width).map(|row| row.iter().all(Option::is_some));
        for (row, is_known) in entries.chunks_mut(width).zip(known) {
            if is_known && row.iter().all(Option::is_some) {
                let mean = row.iter().flatten().sum::<f64>() / width as f64;
                row.iter_mut().flatten().for_each(|g| *g -= mean);
            }
        }
        entries
    }

    fn agrees(&self, quantity: Quantity, a: &[Option<f64>], b: &[Option<f64>]) -> bool {
        let (a, b) = (self.normal_form(quantity, a), self.normal_form(quantity, b));
        a.len() == b.len()
            && a.iter()
                .zip(&b)
                .zip(&self.tolerances[quantity])
                .all(|((a, b), tolerance)| agree(*a, *b, *tolerance))
    }

    pub(super) fn differences(&self, claimed: &Claimed) -> Vec<Difference> {
        let mut differences = Vec::new();
        for quantity in Quantity::ALL {
            let Some(got) = &claimed.quantities[quantity] else { continue };
            let got = self.normal_form(quantity, got);
            let expected = self.normal_form(quantity, &self.truth[quantity]);
            for (i, (expected, got)) in expected.into_iter().zip(got).enumerate() {
                let tolerance = self.tolerances[quantity][i];
                if !agree(expected, got, tolerance) {
                    differences.push(Difference {
                        quantity: quantity.name(),
                        index: quantity.index(i, self.problem.n_actions()),
                        expected: expected.map(Entry::Number),
                        got: got.map(Entry::Number),
                        error: expected.zip(got).map(|(expected, got)| (expected - got).abs()),
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
        let errors = got.iter().zip(&truth).filter_map(|(a, b)| Some((*a)? - (*b)?));
        // Less its mean an entry may be twice as far.
        let times = if quantity == Quantity::Gradient && self.free_mean.is_some() { 2.0 } else { 1.0 };
        let (bound, own) = (times * bound, times * self.answer.error_bounds.of(quantity));
        // That of the occupancy is for the 1-norm, all others for the largest entry.
        let error = if quantity == Quantity::Occupancy {
            errors.map(f64::abs).sum::<f64>()
        } else {
            errors.fold(0.0, |m: f64, x| m.max(x.abs()))
        };
        // The sum is rounded, too.
        let tolerance = own * (1.0 + 1e-9);
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

    /// Whether a mistake explains every difference: each quantity that it
    /// touches is as predicted, each other one as predicted or right, and it
    /// predicts something else than the truth for one that is wrong. Terms that are
    /// wrong have to add up to the gradient that is predicted.
    pub(super) fn explains(&self, mistake: &Mistake, prediction: &Prediction, claimed: &Claimed) -> bool {
        let mut told_apart = false;
        for quantity in Quantity::MAIN {
            let (Some(got), Some(predicted)) = (&claimed.quantities[quantity], &prediction[quantity]) else {
                continue;
            };
            let truth = &self.truth[quantity];
            // What differs from the truth by no more than doubles round is no mistake.
            let rounded = self.rounded.as_ref().and_then(|rounded| rounded[quantity].as_ref());
            let is_mistaken = !self.agrees(quantity, predicted, truth)
                && rounded.is_none_or(|rounded| !self.agrees(quantity, predicted, rounded));
            let as_predicted = self.agrees(quantity, got, predicted);
            let is_right = self.agrees(quantity, got, truth);
            if !as_predicted && (mistake.touches.contains(&quantity) || !is_right) {
                return false;
            }
            told_apart |= as_predicted && !is_right && is_mistaken;
        }
        let is_right = |term: Quantity| {
            claimed.quantities[term].as_ref().is_none_or(|got| self.agrees(term, got, &self.truth[term]))
        };
        let adds_up = || {
            let terms: Option<Vec<&Entries>> =
                Quantity::TERMS.into_iter().map(|term| claimed.quantities[term].as_ref()).collect();
            let sum = |terms: Vec<&Entries>| -> Entries {
                (0..self.problem.n_parameters()).map(|k| terms.iter().map(|term| term[k]).sum()).collect()
            };
            let gradient = prediction[Quantity::Gradient].as_ref();
            terms
                .zip(gradient)
                .is_some_and(|(terms, gradient)| self.agrees(Quantity::Gradient, &sum(terms), gradient))
        };
        told_apart && (Quantity::TERMS.into_iter().all(is_right) || adds_up())
    }

    /// Whether two predictions coincide in every quantity.
    pub(super) fn coincide(&self, a: &Prediction, b: &Prediction) -> bool {
        Quantity::MAIN.into_iter().all(|quantity| match (&a[quantity], &b[quantity]) {
            (Some(a), Some(b)) => self.agrees(quantity, a, b),
            (a, b) => a.is_none() && b.is_none(),
        })
    }
}
