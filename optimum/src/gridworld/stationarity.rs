//! How far a policy on ties of its followers is from a local maximum: see
//! `docs/theory/gridworld-bound.md`, section 6.

use nalgebra::{DMatrix, DVector};

use pemdp::environments::gridworld::{Gridworld, N_ACTIONS, Ties};
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
    let mut gathered = vec![point.gradient_along(&vec![0.0; world.layout().n_states() * N_ACTIONS])?];
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
    let n_states = policy.n_states();
    Ok(Policy::softmax(n_states, N_ACTIONS, (0..n_states * N_ACTIONS).map(logit).collect())?)
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
            criterion: Default::default(),
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
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::tolerances::{ILL_CONDITIONED, ROUGH_QUOTIENT, SOLVED};
    use pemdp::environments::gridworld::{N_STATES, TERMINAL, initial, perturbed_grid};

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
                assert!((x - expected).abs() < ILL_CONDITIONED, "{points:?}: {x}");
            }
        }
    }

    /// Of all subsets: the shortest affine combination that is convex.
    fn shortest_of_subsets(points: &[Vec<f64>]) -> f64 {
        let mut least = f64::INFINITY;
        for subset in 1_u32..1 << points.len() {
            let chosen: Vec<&Vec<f64>> =
                (0..points.len()).filter(|i| subset >> i & 1 == 1).map(|i| &points[i]).collect();
            let n = chosen.len();
            let gram = DMatrix::from_fn(n, n, |i, j| 1.0 + dot(chosen[i], chosen[j]));
            let Some(weights) = gram.lu().solve(&DVector::from_element(n, 1.0)) else { continue };
            let total = weights.sum();
            if weights.iter().any(|w| w / total < -SOLVED || !w.is_finite()) {
                continue;
            }
            let x: Vec<f64> = (0..chosen[0].len())
                .map(|k| (0..n).map(|i| weights[i] / total * chosen[i][k]).sum())
                .collect();
            least = least.min(dot(&x, &x).sqrt());
        }
        least
    }

    #[test]
    fn shortest_combinations_are_the_shortest_of_all_subsets() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..300 {
            let (n, dimension) = (2 + round % 6, 2 + round % 4);
            let shift = [0.0, 0.5, 2.0][round % 3];
            let points: Vec<Vec<f64>> = (0..n)
                .map(|_| (0..dimension).map(|_| rng.random_range(-1.0..1.0) + shift).collect())
                .collect();
            let least = shortest_of_subsets(&points);
            for scale in [1.0, 1e-6, 1e6] {
                let scaled: Vec<Vec<f64>> =
                    points.iter().map(|p| p.iter().map(|x| scale * x).collect()).collect();
                let x = shortest(&scaled);
                let length = dot(&x, &x).sqrt() / scale;
                assert!((length - least).abs() < ROUGH_QUOTIENT, "{points:?}: {length} {least}");
                // In the half space of each point: with the length, the shortest one.
                let square = dot(&x, &x);
                assert!(
                    scaled.iter().all(|p| dot(p, &x) >= square - ILL_CONDITIONED * scale * scale),
                    "{points:?}"
                );
            }
        }
    }

    fn benchmark() -> Gridworld<f64> {
        Gridworld::new(5.0, 0.9, vec![perturbed_grid(0.5, 0), perturbed_grid(0.5, 1)]).unwrap()
    }

    fn value(world: &Gridworld<f64>, initial: &[f64], logits: &[f64]) -> f64 {
        let policy = Policy::softmax(N_STATES, N_ACTIONS, logits.to_vec()).unwrap();
        let (response, gamma) = (Box::new(world.clone()), *world.gamma());
        let problem = PerformativeMdp {
            response,
            initial: initial.to_vec(),
            gamma,
            entropy: 0.0,
            criterion: Default::default(),
        };
        problem.perform(&policy).unwrap().evaluation.value
    }

    fn random(rng: &mut ChaCha8Rng) -> Vec<f64> {
        (0..N_STATES * N_ACTIONS).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn along(x: &[f64], direction: &[f64], by: f64) -> Vec<f64> {
        x.iter().zip(direction).map(|(x, d)| x + by * d).collect()
    }

    #[test]
    fn slopes_are_those_of_the_value() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (world, initial) = (benchmark(), initial::<f64>());
        let logits = random(&mut rng);
        let policy = Policy::softmax(N_STATES, N_ACTIONS, logits.clone()).unwrap();
        for _ in 0..3 {
            let direction = random(&mut rng);
            let slope = one_sided_slope(&world, &initial, &policy, 1e-9, &direction).unwrap();
            let far = 1e-6;
            let at = |by: f64| value(&world, &initial, &along(&logits, &direction, by));
            let difference = (at(far) - at(-far)) / (2.0 * far);
            assert!(
                (slope - difference).abs() < ROUGH_QUOTIENT && slope.abs() > 1e-3,
                "{slope} {difference}"
            );
            let moved = step(&policy, &direction);
            let end = Policy::softmax(N_STATES, N_ACTIONS, along(&logits, &direction, far)).unwrap();
            for (i, moved) in moved.iter().enumerate() {
                let (s, a) = (i / N_ACTIONS, i % N_ACTIONS);
                let difference = (end.probability(s, a) - policy.probability(s, a)) / far;
                assert!((moved - difference).abs() < ROUGH_QUOTIENT, "{moved} {difference}");
            }
        }
    }

    /// The initial distribution with this share, and the rest where nothing happens.
    fn mostly_at_the_end(share: f64) -> Vec<f64> {
        let mut distribution: Vec<f64> = initial::<f64>().iter().map(|p| share * p).collect();
        distribution[TERMINAL] += 1.0 - share;
        distribution
    }

    /// Without ties there is one gradient, of whatever size.
    #[test]
    fn the_shortest_of_one_gradient_is_itself() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let world = benchmark();
        let logits = random(&mut rng);
        let policy = Policy::softmax(N_STATES, N_ACTIONS, logits.clone()).unwrap();
        for scale in [1.0, 1e-6] {
            let initial = mostly_at_the_end(scale);
            let found = stationarity(&world, &initial, &policy, 1e-9).unwrap();
            // Two moves against walls lead to the same cell: these ties change nothing.
            assert_eq!((found.gradients, found.ties), (1, 10));
            assert!((found.slope / found.shortest - 1.0).abs() < SOLVED, "{found:?}");
            assert!((dot(&found.direction, &found.direction) - 1.0).abs() < SOLVED);
            let far = 1e-5;
            let at = |by: f64| value(&world, &initial, &along(&logits, &found.direction, by));
            let difference = (at(far) - at(-far)) / (2.0 * far);
            assert!(
                (found.slope - difference).abs() < ROUGH_QUOTIENT * scale,
                "{} {difference}",
                found.slope
            );
            // No other direction is steeper.
            let other = random(&mut rng);
            let slope = one_sided_slope(&world, &initial, &policy, 1e-9, &other).unwrap();
            assert!(slope.abs() <= found.slope * dot(&other, &other).sqrt());
        }
        // Where nothing has a value, nothing is steep.
        let none = stationarity(&world, &mostly_at_the_end(0.0), &policy, 1e-9).unwrap();
        let zeros = vec![0.0; N_STATES * N_ACTIONS];
        let expected = Stationarity { slope: 0.0, direction: zeros, shortest: 0.0, gradients: 1, ties: 10 };
        assert_eq!(none, expected);
    }

    /// With choices counted as tied that nearly are, several gradients are gathered.
    #[test]
    fn ties_have_several_gradients() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let (world, initial) = (benchmark(), initial::<f64>());
        let policy = Policy::softmax(N_STATES, N_ACTIONS, random(&mut rng)).unwrap();
        let gap = 1e-2;
        let found = stationarity(&world, &initial, &policy, gap).unwrap();
        let ties = world.ties(&policy, gap).unwrap();
        assert_eq!(found.ties, ties.count());
        assert!(found.ties > 2 && found.gradients > 1);
        assert!(
            found.slope >= ENOUGH * found.shortest && found.slope <= found.shortest * (1.0 + ILL_CONDITIONED)
        );
        assert!((dot(&found.direction, &found.direction) - 1.0).abs() < SOLVED);
        let slope = one_sided_slope(&world, &initial, &policy, gap, &found.direction).unwrap();
        assert!((slope - found.slope).abs() < SOLVED);
    }
}
