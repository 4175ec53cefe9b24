//! What an evaluation in floating-point numbers may round.

use super::comparison::{Comparison, Precision, largest};
use super::quantity::Quantity;
use crate::environments::Structure;
use crate::linear::Size;
use crate::problem::Numeral;

/// The unit of single precision over that of double precision.
const SINGLE: f64 = (1u64 << 29) as f64;

/// The probabilities that an occupancy comes from; 1 for every action of a state without one.
fn policy(occupancy: &[Vec<f64>]) -> Vec<f64> {
    let of_state = |row: &Vec<f64>| -> Vec<f64> {
        let all = row.iter().sum::<f64>();
        row.iter().map(|d| if all > 0.0 { d / all } else { 1.0 }).collect()
    };
    occupancy.iter().flat_map(of_state).collect()
}

impl Comparison<'_> {
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
    /// With single precision all of it as many times as its unit is larger, and up to a
    /// thousandth of values and occupancies, a hundredth of the largest entry of a term.
    ///
    /// Nothing where doubles do not hold the problem.
    pub(super) fn rounding(&self, quantity: Quantity) -> Vec<f64> {
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
        let (unit, most, most_of_terms) = match self.precision {
            Precision::Double => (1.0, 1e-9, 1e-4),
            Precision::Single => (SINGLE, 1e-3, 1e-2),
        };
        let share = (1e-15 * unit * horizon).min(most);
        let scale = match quantity {
            Quantity::Value => visited(),
            Quantity::StateValues => largest_value,
            Quantity::ActionValues => largest_value.max(largest(&self.truth[Quantity::ActionValues])),
            Quantity::Occupancy => horizon,
            _ => {
                let terms =
                    Quantity::TERMS.map(|term| largest(&self.truth[term])).into_iter().fold(0.0, f64::max);
                let rounded = self.normal_form(Quantity::Gradient, &rounded[Quantity::Gradient]);
                let truth = self.normal_form(Quantity::Gradient, &self.truth[Quantity::Gradient]);
                let errors: Vec<f64> = (rounded.iter().zip(&*truth))
                    .map(|(x, y)| x.zip(*y).map_or(0.0, |(x, y)| (x - y).abs()))
                    .collect();
                let values = visited();
                // A bound for every evaluation is too wide where this one is far better.
                let largest_error = errors.iter().copied().fold(0.0, Size::larger);
                let limit =
                    if largest_error < terms { most_of_terms * terms } else { 1000.0 * largest_error };
                let limit = if terms > 0.0 { limit } else { f64::MAX };
                let of_entry = |(w, error): (f64, f64)| {
                    let measured = (100.0 * unit * error).min(most_of_terms * terms);
                    (1e-14 * unit * w * values).min(limit).max(share * terms).max(measured).min(f64::MAX)
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
}
