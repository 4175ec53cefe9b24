//! How far a policy on ties of its followers is from a local maximum: see
//! `docs/theory/gridworld-bound.md`, section 6.

use nalgebra::{DMatrix, DVector};

use pemdp::environments::gridworld::{Gridworld, N_ACTIONS, N_STATES, Ties};
use pemdp::performative::{PerformanceError, PerformativeMdp};
use pemdp::policy::Policy;

/// Gradients that are gathered at most.
const GRADIENTS: usize = 1000;
/// The share of the shortest gradient that a slope must reach.
const ENOUGH: f64 = 0.999;
/// A shortest gradient below this share of the longest is 0.
const ZERO: f64 = 1e-9;
/// Weights below this are 0.
const DUST: f64 = 1e-13;

/// A stationarity measure with its evidence, in the 2-norm of the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Stationarity {
    /// The one-sided slope of the value along `direction`: a lower bound of the
    /// steepest, at least 0.999 times the shortest gradient of the hull of all choices.
    pub slope: f64,
    /// A unit direction; zeros if `slope` is 0.
    pub direction: Vec<f64>,
    /// Norm of the shortest convex combination of the gradients gathered: an upper
    /// bound of the shortest gradient of the hull.
    pub shortest: f64,
    /// Gradients gathered.
    pub gradients: usize,
    /// Followers and states with tied choices.
    pub ties: usize,
}

/// The stationarity of the logits of a policy with positive probabilities, with
/// choices within `gap` of the best counted as tied.
///
/// # Errors
/// [`PerformanceError`] where the policy cannot be evaluated.
pub fn stationarity(
    world: &Gridworld<f64>,
    initial: &[f64],
    policy: &Policy<f64>,
    gap: f64,
) -> Result<Stationarity, PerformanceError> {
    let policy = softmax(policy)?;
    let point = Point { world, initial, policy: &policy, ties: world.ties(&policy, gap)? };
    let mut gathered = vec![point.gradient_along(&[0.0; N_STATES * N_ACTIONS])?];
    loop {
        let shortest = shortest(&gathered);
        let norm = dot(&shortest, &shortest).sqrt();
        let longest = gathered.iter().map(|g| dot(g, g).sqrt()).fold(0.0, f64::max);
        let found = |slope, direction| Stationarity {
            slope,
            direction,
            shortest: norm,
            gradients: gathered.len(),
            ties: point.ties.count(),
        };
        if norm <= ZERO * longest || gathered.len() >= GRADIENTS {
            return Ok(found(0.0, vec![0.0; shortest.len()]));
        }
        let direction: Vec<f64> = shortest.iter().map(|x| x / norm).collect();
        let next = point.gradient_along(&direction)?;
        let slope = dot(&next, &direction);
        if slope >= ENOUGH * norm {
            return Ok(found(slope, direction));
        }
        gathered.push(next);
    }
}

/// The one-sided derivative of the value along a direction of the logits, with choices
/// within `gap` of the best counted as tied.
///
/// # Errors
/// [`PerformanceError`] where the policy cannot be evaluated.
pub fn one_sided_slope(
    world: &Gridworld<f64>,
    initial: &[f64],
    policy: &Policy<f64>,
    gap: f64,
    direction: &[f64],
) -> Result<f64, PerformanceError> {
    let policy = softmax(policy)?;
    let point = Point { world, initial, policy: &policy, ties: world.ties(&policy, gap)? };
    Ok(dot(&point.gradient_along(direction)?, direction))
}

/// A policy as a softmax of the logarithms of its probabilities.
fn softmax(policy: &Policy<f64>) -> Result<Policy<f64>, PerformanceError> {
    let logit = |i: usize| policy.probability(i / N_ACTIONS, i % N_ACTIONS).ln();
    Ok(Policy::softmax(N_STATES, N_ACTIONS, (0..N_STATES * N_ACTIONS).map(logit).collect())?)
}

/// A softmax policy and what is tied there.
struct Point<'a> {
    world: &'a Gridworld<f64>,
    initial: &'a [f64],
    policy: &'a Policy<f64>,
    ties: Ties<'a>,
}

impl Point<'_> {
    /// The gradient of the piece of the value that holds along a direction.
    fn gradient_along(&self, direction: &[f64]) -> Result<Vec<f64>, PerformanceError> {
        let choices = self.ties.along(&step(self.policy, direction));
        let problem = PerformativeMdp {
            response: Box::new(self.world.clone().with_choices(choices)),
            initial: self.initial.to_vec(),
            gamma: *self.world.gamma(),
            entropy: 0.0,
        };
        let total = problem.perform(self.policy)?.gradient.total();
        // Softmax gradients are finite.
        Ok(total.into_iter().map(|g| g.unwrap_or(0.0)).collect())
    }
}

/// `dpi[s,a]` of a softmax policy along a direction of its logits.
fn step(policy: &Policy<f64>, direction: &[f64]) -> Vec<f64> {
    let mut result = Vec::with_capacity(direction.len());
    for (s, row) in direction.chunks(N_ACTIONS).enumerate() {
        let mean: f64 = row.iter().enumerate().map(|(a, v)| policy.probability(s, a) * v).sum();
        result.extend(row.iter().enumerate().map(|(a, v)| policy.probability(s, a) * (v - mean)));
    }
    result
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The shortest convex combination of some points, by Wolfe's method.
fn shortest(points: &[Vec<f64>]) -> Vec<f64> {
    let scale = points.iter().map(|p| dot(p, p)).fold(0.0, f64::max);
    let combination = |chosen: &[(usize, f64)]| {
        let mut x = vec![0.0; points.first().map_or(0, Vec::len)];
        for &(i, weight) in chosen {
            x.iter_mut().zip(&points[i]).for_each(|(x, p)| *x += weight * p);
        }
        x
    };
    let length = |i: &usize| dot(&points[*i], &points[*i]);
    let first = (0..points.len()).min_by(|i, j| length(i).total_cmp(&length(j)));
    let mut chosen: Vec<(usize, f64)> = first.map(|i| (i, 1.0)).into_iter().collect();
    for _ in 0..10 * points.len() {
        let x = combination(&chosen);
        let height = |i: &usize| dot(&points[*i], &x);
        let Some(lowest) = (0..points.len()).min_by(|i, j| height(i).total_cmp(&height(j))) else { break };
        let is_in = chosen.iter().any(|&(i, _)| i == lowest);
        if is_in || height(&lowest) >= dot(&x, &x) - DUST * scale {
            break;
        }
        chosen.push((lowest, 0.0));
        while !settle(points, scale, &mut chosen) {}
    }
    combination(&chosen)
}

/// Moves the weights towards those of the shortest affine combination, until these
/// are reached (true) or a point has lost its weight and is dropped.
fn settle(points: &[Vec<f64>], scale: f64, chosen: &mut Vec<(usize, f64)>) -> bool {
    let n = chosen.len();
    let gram = DMatrix::from_fn(n, n, |i, j| 1.0 + dot(&points[chosen[i].0], &points[chosen[j].0]) / scale);
    let Some(solution) = gram.lu().solve(&DVector::from_element(n, 1.0)) else {
        chosen.pop();
        return true;
    };
    let total = solution.sum();
    let wanted: Vec<f64> = solution.iter().map(|x| x / total).collect();
    let mut part: f64 = 1.0;
    for (&(_, weight), &wanted) in chosen.iter().zip(&wanted) {
        if wanted <= DUST && weight > wanted {
            part = part.min(weight / (weight - wanted));
        }
    }
    for ((_, weight), wanted) in chosen.iter_mut().zip(&wanted) {
        *weight += part * (wanted - *weight);
    }
    chosen.retain(|&(_, weight)| weight > DUST);
    part >= 1.0 || chosen.len() == n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_combinations_are_those_of_geometry() {
        let cases: [(&[&[f64]], &[f64]); 5] = [
            (&[&[1.0, 1.0], &[1.0, -1.0]], &[1.0, 0.0]),
            (&[&[1.0, 2.0], &[3.0, 1.0], &[2.0, -2.0]], &[24.0 / 17.0, 6.0 / 17.0]),
            (&[&[1.0, 1.0], &[2.0, 2.0]], &[1.0, 1.0]),
            (&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]], &[1.0 / 3.0; 3]),
            (&[&[1.0, 0.0], &[-1.0, 1.0], &[-1.0, -1.0], &[0.5, 3.0]], &[0.0, 0.0]),
        ];
        for (points, expected) in cases {
            let points: Vec<Vec<f64>> = points.iter().map(|p| p.to_vec()).collect();
            for (x, expected) in shortest(&points).iter().zip(expected) {
                assert!((x - expected).abs() < 1e-9, "{points:?}: {x}");
            }
        }
    }
}
