//! How many sweeps or steps a claim seems to have been computed with.

use super::case::Case;
use super::claimed::Claimed;
use super::quantity::Quantity;
use super::recipe::{Environment, Start};

/// A share of a sweep's change that no other number comes as close by chance.
const CHANCE: f64 = 1e-4;
/// So many numbers of sweeps at most are tried.
const TRIED: usize = 4;

/// Numbers of steps that people choose.
const ROUND: [usize; 5] = [10, 20, 50, 100, 200];

/// How many sweeps from 0 give the values that are claimed, from the start that is given or
/// a uniform one: where the distance is a small share of a sweep's change, which chance does
/// not bring about. Without values, or with right ones, as many as come to changes of powers
/// of ten. And how many steps give the sum of the occupancy, or round numbers of them where a
/// gradient stands alone.
pub(super) fn counts(case: &Case<'_>, claimed: &Claimed, are_values_right: bool) -> Vec<usize> {
    let value = claimed.quantities[Quantity::Value].as_ref().and_then(|value| value[0]);
    let states = claimed.quantities[Quantity::StateValues].as_ref();
    let states: Option<Vec<f64>> = states.and_then(|states| states.iter().copied().collect());
    let are_given = value.is_some() || states.is_some();
    let mut counts = if are_values_right || !are_given {
        case.sweeps_to(&[1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
    } else {
        of_values(case, value, states.as_deref())
    };
    counts.extend(of_occupancy(case, claimed));
    let is_alone = !are_given && claimed.quantities[Quantity::Occupancy].is_none();
    if is_alone && claimed.standard_errors[Quantity::Gradient].is_none() {
        counts.extend(ROUND);
    }
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn of_values(case: &Case<'_>, value: Option<f64>, states: Option<&[f64]>) -> Vec<usize> {
    let starts = [Start::Given, Start::Uniform].map(|start| case.initial(start));
    let mut counts = Vec::new();
    for in_place in [false, true] {
        let (mut last, mut last_values) = ([0.0; 2], vec![0.0; case.n_states()]);
        let mut found = 0;
        case.watch_sweeps(in_place, |sweeps, _, values| {
            let now = [0, 1].map(|i| starts[i].iter().zip(values).map(|(rho, v)| rho * v).sum::<f64>());
            // A number that no longer changes is still rounded.
            let near =
                |x: f64, v: f64, change: f64| (x - v).abs() <= CHANCE * change + 4.0 * f64::EPSILON * v.abs();
            let starts_fit = |value: f64| (0..2).any(|i| near(value, now[i], (now[i] - last[i]).abs()));
            let fits = |((x, v), before): ((&f64, &f64), &f64)| near(*x, *v, (v - before).abs());
            let states_fit = |states: &[f64]| states.iter().zip(values).zip(&last_values).all(fits);
            if value.is_none_or(starts_fit) && states.is_none_or(states_fit) {
                counts.push(sweeps);
                found += 1;
            }
            last = now;
            last_values.copy_from_slice(values);
            found < TRIED
        });
    }
    counts
}

/// So many steps that their visits add up to what is claimed, if any number of steps does.
fn of_occupancy(case: &Case<'_>, claimed: &Claimed) -> Option<usize> {
    let occupancy = claimed.quantities[Quantity::Occupancy].as_ref()?;
    let claimed: f64 = occupancy.iter().copied().sum::<Option<f64>>()?;
    let system = case.system(Environment::Own)?;
    let (mut weights, mut sum) = (case.initial(Start::Given).to_vec(), 0.0);
    for steps in 1..=system.affordable() {
        let step: f64 = weights.iter().sum();
        sum += step;
        // What the step adds has to be known.
        if (sum - claimed).abs() <= 10.0 * CHANCE * step && step > 1e-9 * sum {
            return Some(steps);
        }
        if sum > claimed {
            return None;
        }
        weights = case.stepped(&system.chain, &weights);
    }
    None
}
