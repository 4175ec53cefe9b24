//! What an evaluation in floating-point numbers may round.

use super::case::Case;
use super::comparison::{Comparison, Precision, largest};
use super::quantity::Quantity;
use super::recipe::Environment;
use crate::criterion::Criterion;
use crate::environments::Structure;
use crate::linear::Size;
use crate::problem::{Numeral, Problem};
use crate::response::PolicyCotangent;

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

/// The units of rounding in what an evaluation multiplies and subtracts.
const UNITS: f64 = 16.0;

/// What doubles round of each parameter of a normalised policy, however small its
/// probabilities make the gradient: that of `sum_{s,a} dpi(a|s) g[s,a]`, where `g` is the
/// derivative of the value by `pi(a|s)`. A few units of it in each of `pi`, `g` and the
/// values that `g` is made of are a few times `2^-53 u_k`,
///
/// `u_k = sum_{s,a} pi(a|s) |f_k(s,a)| (h[s,a] + sum_b pi(b|s) h[s,b])`,
/// `h[s,a] = d[s] (|Q[s,a]| + max |V|) + |what the response adds to g|`,
///
/// `f_k(s,a)` the feature: of softmax 1 for its own entry and 0 for others. But no more
/// than a ten-thousandth of the largest `|f_k|` times the largest range of `g` in a state.
pub(super) fn of_probabilities(problem: &Problem, case: &Case<'_>) -> Vec<f64> {
    let (given, n_actions) = (problem.policy(), problem.n_actions());
    let n_parameters = problem.n_parameters();
    if given.is_unconstrained() {
        return vec![0.0; n_parameters];
    }
    let evaluation = case.evaluation();
    let pi = case.by_action(&vec![1.0; case.n_states()]);
    let largest_value = evaluation.state_values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let next: Vec<f64> = evaluation.state_values.iter().map(|v| case.gamma * v).collect();
    let occupancy = &evaluation.occupancy;
    let pulled = case.pull(Environment::Own, (false, false), (occupancy, &next), occupancy);
    let of_response = |cotangent: &PolicyCotangent<f64>, i: usize| match cotangent {
        PolicyCotangent::Probabilities(entries) | PolicyCotangent::Both { probabilities: entries, .. } => {
            entries[i]
        }
        PolicyCotangent::Parameters(_) | PolicyCotangent::None => 0.0,
    };
    // `g` and `h`.
    let of_pair = |i: usize| {
        let (d, q) = (evaluation.state_occupancy[i / n_actions], evaluation.action_values[i].unwrap_or(0.0));
        let parts = pulled
            .as_ref()
            .map_or([0.0; 2], |pulled| [of_response(&pulled.transition, i), of_response(&pulled.reward, i)]);
        let size = d.abs() * (q.abs() + largest_value) + parts[0].abs() + parts[1].abs();
        (d * q + parts[0] + parts[1], size)
    };
    let pairs: Vec<(f64, f64)> = (0..pi.len()).map(of_pair).collect();
    let range = |row: &[(f64, f64)]| {
        let ends = row.iter().fold((f64::MAX, f64::MIN), |(l, h), (g, _)| (l.min(*g), h.max(*g)));
        ends.1 - ends.0
    };
    let limit = 1e-4 * pairs.chunks(n_actions).map(range).fold(0.0, f64::max);
    let features: Option<Vec<f64>> =
        given.features().map(|features| features.iter().map(Numeral::approximate).collect());
    // The sums, and the largest features.
    let mut sums = vec![(0.0, 0.0_f64); n_parameters];
    for (s, (pi, pairs)) in pi.chunks(n_actions).zip(pairs.chunks(n_actions)).enumerate() {
        let mean: f64 = pi.iter().zip(pairs).map(|(p, (_, size))| p * size).sum();
        for a in 0..n_actions {
            let share = 0.5 * f64::EPSILON * pi[a] * (pairs[a].1 + mean);
            match &features {
                None => sums[s * n_actions + a] = (share, 1.0),
                Some(features) => {
                    let row = &features[(s * n_actions + a) * n_parameters..][..n_parameters];
                    for ((sum, largest), f) in sums.iter_mut().zip(row) {
                        *sum += share * f.abs();
                        *largest = largest.max(f.abs());
                    }
                }
            }
        }
    }
    // Nothing where doubles do not hold it.
    let of_parameter = |(sum, largest): (f64, f64)| {
        let rounding = (UNITS * sum).min(limit * largest);
        if sum.is_finite() && rounding.is_finite() { rounding } else { 0.0 }
    };
    sums.into_iter().map(of_parameter).collect()
}

impl Comparison<'_> {
    /// The size of what a quantity is made of: discounted steps, the largest value, the
    /// largest entry of a term.
    pub(super) fn scale(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Occupancy => self.answer.occupancy.iter().flatten().map(|d| d.abs()).sum(),
            Quantity::Value | Quantity::StateValues | Quantity::ActionValues => {
                [Quantity::StateValues, Quantity::ActionValues]
                    .map(|quantity| largest(&self.truth[quantity]))
                    .into_iter()
                    .fold(0.0, f64::max)
            }
            _ => Quantity::TERMS.map(|term| largest(&self.truth[term])).into_iter().fold(0.0, f64::max),
        }
    }

    /// What an evaluation in doubles may round, with `c = 1/(1-gamma)`.
    ///
    /// Values and occupancies: a share `1e-15 c` of their scale, at most a billionth. The
    /// scale of values is `M`, the largest value of a state or action, each state counting
    /// as often as it is visited, once at most, and each action as often as it is taken; the
    /// gain of an average is added to it.
    ///
    /// Gradients: the same share of the largest entry of a term; `1e-14 w M` with `w` of
    /// [`Self::sensitivities`], since advantages are differences of values, but no more
    /// than a ten-thousandth of the largest entry of a term, or a thousand times the
    /// largest error of an evaluation in doubles where that is larger than the terms
    /// themselves, if these are more than their error bound; and a hundred times what doubles do round of this entry, at most a
    /// ten-thousandth of the largest entry of a term; and [`of_probabilities`].
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
        // Deviations from the gain are differences of rewards with it.
        let gain = if self.problem.criterion() == Criterion::Average { self.answer.value.abs() } else { 0.0 };
        let sizes: Vec<f64> =
            states.zip(taken.chunks(actions)).map(of_state).map(|size| size + gain).collect();
        let largest_value = sizes.iter().copied().fold(0.0, f64::max);
        let visited = || {
            let visits = occupancy.iter().map(|row| row.iter().sum::<f64>().min(1.0));
            sizes.iter().zip(visits).map(|(size, visits)| size * visits).fold(0.0, f64::max)
        };
        let (unit, most, most_of_terms) = match self.precision() {
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
                let terms = self.scale(quantity);
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
                // Terms that may be 0 say nothing of the size of what cancels in them.
                let error = *self.answer.error_bounds.of(Quantity::Gradient);
                let limit = if terms > error { limit } else { f64::MAX };
                // A response that is not there makes a term of 0, whatever the policy.
                let is_absent = !matches!(quantity, Quantity::Gradient | Quantity::PolicyTerm)
                    && largest(&self.truth[quantity]) == 0.0;
                let of_entry = |((w, error), small): ((f64, f64), &f64)| {
                    let measured = (100.0 * unit * error).min(most_of_terms * terms);
                    let bounded = (1e-14 * unit * w * values).min(limit);
                    let small = if is_absent { 0.0 } else { unit * small };
                    bounded.max(share * terms).max(measured).max(small).min(f64::MAX)
                };
                let entries = self.sensitivities().into_iter().zip(errors).zip(&self.of_probabilities);
                return entries.map(of_entry).collect();
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

#[cfg(test)]
mod tests;
