//! Lower bounds: projected gradient ascent.

use super::bound::Point;
use super::cell::Cell;

const ITERATIONS: usize = 400;
/// The share of the promised rise that a step must bring.
const RISE: f64 = 1e-4;
/// Steps of the search along single coordinates where ascent ends.
const LOOKS: [f64; 6] = [1.0, -1.0, 0.2, -0.2, 0.02, -0.02];

/// Values and gradients in doubles, over a domain.
pub(super) trait Climber {
    /// The domain.
    fn root(&self) -> &Cell;

    /// The number of actions.
    fn n_actions(&self) -> usize;

    /// Whether the time is over.
    fn is_late(&self) -> bool;

    /// The value and gradient of a point; the gradient of probabilities is up to a constant
    /// for each state.
    fn climb(&mut self, point: &Cell) -> Point;
}

/// Ascends from a point, and again from wherever a step along one coordinate is
/// better: ascent may end at a kink. Returns the point and its value, rounded
/// down.
pub(super) fn ascend(climber: &mut impl Climber, start: &[f64]) -> (Vec<f64>, f64) {
    let mut best = climb(climber, start);
    loop {
        let mut better = None;
        for (i, look) in (0..start.len()).flat_map(|i| LOOKS.map(|look| (i, look))) {
            let mut y = best.0.clone();
            y[i] += look;
            project(climber.root(), climber.n_actions(), &mut y);
            if climber.is_late() {
                return best;
            }
            let value = if y == best.0 { best.1 } else { climber.climb(&at(&y)).value };
            if value > best.1 + 1e-9 * best.1.abs() {
                better = Some(y);
                break;
            }
        }
        match better {
            Some(y) => best = climb(climber, &y),
            None => return best,
        }
    }
}

/// Steps of Barzilai and Borwein's length, shortened until they rise.
fn climb(climber: &mut impl Climber, start: &[f64]) -> (Vec<f64>, f64) {
    let mut x = start.to_vec();
    project(climber.root(), climber.n_actions(), &mut x);
    let mut here = climber.climb(&at(&x));
    let largest = here.gradient.iter().fold(0.0, |most, g| f64::max(most, g.abs()));
    let mut step = if largest > 0.0 { 0.5 / largest } else { return (x, here.value) };
    for _ in 0..ITERATIONS {
        if climber.is_late() {
            break;
        }
        let mut y = x.clone();
        for (y, g) in y.iter_mut().zip(&here.gradient) {
            *y += step * g;
        }
        project(climber.root(), climber.n_actions(), &mut y);
        let moved: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y - x).collect();
        let promise: f64 = moved.iter().zip(&here.gradient).map(|(m, g)| m * g).sum();
        let length: f64 = moved.iter().map(|m| m * m).sum();
        if promise <= 1e-15 * here.value.abs() || length == 0.0 {
            break;
        }
        let there = climber.climb(&at(&y));
        if there.value < here.value + RISE * promise {
            step *= 0.25;
            if step < 1e-14 {
                break;
            }
            continue;
        }
        let turned: f64 =
            moved.iter().zip(here.gradient.iter().zip(&there.gradient)).map(|(m, (g, h))| m * (g - h)).sum();
        step = if turned > 0.0 { (length / turned).clamp(1e-10, 1e10) } else { (4.0 * step).min(1e10) };
        (x, here) = (y, there);
    }
    (x, here.value)
}

/// The cell that is a point.
pub(super) fn at(x: &[f64]) -> Cell {
    Cell { lower: x.to_vec(), upper: x.to_vec() }
}

/// The nearest point of the domain.
pub(super) fn project(root: &Cell, n_actions: usize, x: &mut [f64]) {
    for first in (0..x.len()).step_by(n_actions) {
        let state = first..first + n_actions;
        if root.lower[first] == root.upper[first] {
            x[state.clone()].copy_from_slice(&root.lower[state]);
        } else {
            project_to_simplex(&mut x[state]);
        }
    }
}

/// The nearest distribution: all entries lowered by one number, and cut at 0.
fn project_to_simplex(x: &mut [f64]) {
    // The largest entry as 0, and what is farther below than 1 as -1: the projection is
    // the same, and nothing cancels.
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for x in x.iter_mut() {
        let below = *x - largest;
        *x = if below >= -1.0 { below } else { -1.0 };
    }
    let mut sorted = x.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut level) = (0.0, 0.0);
    for (k, x) in sorted.iter().enumerate() {
        sum += x;
        let candidate = (sum - 1.0) / (k + 1) as f64;
        if *x > candidate {
            level = candidate;
        }
    }
    for x in x {
        *x = (*x - level).max(0.0);
    }
}
