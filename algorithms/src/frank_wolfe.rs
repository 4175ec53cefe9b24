//! Frank-Wolfe ascent over policies, with the gradient from values alone.

use std::ops::ControlFlow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::run::{Run, gradient, probabilities, project};
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Entry, Task, build, settings};
use crate::estimate::normal;
use pemdp::performative::Performance;
use pemdp::policy::Policy;

settings! {
    /// 0-FW \[ChenHuang2025\]: on the policies with `pi(a|s) >= floor`,
    /// `pi <- pi + step (v - pi)`, `v` the policy there that maximises `g.v`, and `g` the
    /// estimate of the projected gradient from values of `2 directions` policies,
    ///
    /// ```text
    /// g = S (A-1)/(2 N delta) sum_i (J(pi + delta u_i) - J(pi - delta u_i)) u_i,
    /// ```
    ///
    /// `u_i` uniform on the unit sphere of `{u: sum_a u(a|s) = 0}`. Its bias is at most
    /// `l delta` (`docs/theory/neighbours.md`, section 5); `delta < floor` keeps every
    /// query a policy. What is queried are exact values: the only noise is that of the
    /// directions.
    pub struct FrankWolfe {
        /// Where the gradient comes from.
        pub estimator: GradientSource = GradientSource::TwoPoint,
            "two-point (from values) or exact (the projected gradient)";
        /// Directions `N` of each estimate; two policies are deployed for each.
        pub directions: usize = 100,
            "directions of an estimate, at least 1; two deployments each", Range::AT_LEAST_ONE;
        /// Distance `delta` of the queries.
        pub radius: f64 = 1e-3, "distance of the queries, above 0 and below floor";
        /// Smallest probability of every policy between the steps.
        pub floor: f64 = 1e-2, "smallest probability, above 0 and below 1/A", Range::POSITIVE;
        /// Step in (0, 1]; none: `2/(t+2)`, `t` from 0.
        pub step: Option<f64> = None,
            "constant step in (0, 1]; 2/(t+2) where null",
            Range::new(|x| x > 0.0 && x <= 1.0, "above 0 and at most 1");
        /// Largest number of steps.
        pub iterations: usize = 100, "largest number of steps, at least 1", Range::AT_LEAST_ONE;
        /// An exact run ends at a Frank-Wolfe gap of at most this.
        pub tolerance: f64 = 1e-8,
            "an exact run ends at a Frank-Wolfe gap of at most this", Range::NOT_NEGATIVE;
        /// Entropy weight of what is maximised; that of the problem where none.
        pub entropy: Option<f64> = None,
            "entropy weight of what is maximised; the problem's where null", Range::NOT_NEGATIVE;
    }
}

/// Where Frank-Wolfe's gradient comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientSource {
    /// Two-point differences of values.
    TwoPoint,
    /// The exact projected gradient.
    Exact,
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "zeroth-order-frank-wolfe",
    about: "Frank-Wolfe steps along gradients estimated from values (0-FW)",
    source: "[ChenHuang2025]",
    settings: FrankWolfe::TABLE,
    build: build::<FrankWolfe>,
};

impl Algorithm for FrankWolfe {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        if self.radius > 0.0 && self.radius < self.floor {
            return Ok(());
        }
        let expected = "above 0 and below floor, so that queries are policies";
        Err(SettingError::range("radius", self.radius, expected))
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let (n_states, n_actions) = (task.start.n_states(), task.start.n_actions());
        if n_actions == 1 {
            let why = "there is one action, so there is one policy".to_owned();
            return Err(AlgorithmError::NotApplicable { algorithm: ENTRY.name, why });
        }
        if self.floor * n_actions as f64 >= 1.0 {
            let expected = "below 1/A, A the number of actions";
            return Err(SettingError::range("floor", self.floor, expected).into());
        }
        let entropy = self.entropy.unwrap_or(task.environment.entropy);
        let policy =
            |pi: &[f64]| Policy::weights(n_states, n_actions, pi.to_vec()).map(Policy::with_logarithms);
        let mut pi: Vec<f64> = probabilities(&task.start).collect();
        raise_to(self.floor, n_actions, &mut pi);
        for iteration in 0..=self.iterations {
            let current = policy(&pi)?;
            let performance = task.environment.perform_regularised(&current, &entropy)?;
            if let ControlFlow::Break(stop) = run.record(&current, &performance)? {
                return Ok(stop);
            }
            if iteration == self.iterations {
                break;
            }
            let gradient = match self.estimator {
                GradientSource::Exact => {
                    run.cost.deployments += 1;
                    run.cost.solves += 1;
                    projected_gradient(n_actions, &pi, &performance)
                }
                GradientSource::TwoPoint => {
                    run.cost.deployments += 2 * self.directions as u64;
                    run.cost.solves += 2 * self.directions as u64;
                    let value = |pi: &[f64]| -> Result<f64, AlgorithmError> {
                        let query = policy(pi)?;
                        Ok(task.environment.deploy(&query)?.evaluate(&entropy)?.value)
                    };
                    let directions: Vec<Vec<f64>> =
                        (0..self.directions).map(|_| direction(n_actions, pi.len(), run.rng())).collect();
                    two_point(&directions, self.radius, n_states * (n_actions - 1), &pi, value)?
                }
            };
            let vertex = best_vertex(self.floor, n_actions, &gradient);
            let towards: Vec<f64> = vertex.iter().zip(&pi).map(|(v, pi)| v - pi).collect();
            // Not negative but for rounding: the vertex is the best one.
            let gap = gradient.iter().zip(&towards).map(|(g, d)| g * d).sum::<f64>().max(0.0);
            if self.estimator == GradientSource::Exact && gap <= self.tolerance {
                return Ok(Stop::Converged { measure: "the Frank-Wolfe gap", size: gap });
            }
            let step = self.step.unwrap_or(2.0 / (iteration as f64 + 2.0));
            for (pi, towards) in pi.iter_mut().zip(towards) {
                *pi += step * towards;
            }
        }
        Ok(Stop::IterationLimit)
    }
}

/// Mixes each state's row with the uniform one, as little as lifts it to the floor.
fn raise_to(floor: f64, n_actions: usize, pi: &mut [f64]) {
    let uniform = 1.0 / n_actions as f64;
    for row in pi.chunks_mut(n_actions) {
        let least = row.iter().copied().fold(f64::INFINITY, f64::min);
        if least < floor {
            let share = (floor - least) / (uniform - least);
            row.iter_mut().for_each(|pi| *pi += share * (uniform - *pi));
        }
    }
}

/// The gradient with respect to `pi` along `sum_a dpi(a|s) = 0`: with
/// `theta = log pi` it is `dJ/dtheta[s,a]/pi(a|s)`, less its mean in each state.
fn projected_gradient(n_actions: usize, pi: &[f64], performance: &Performance<'_, f64>) -> Vec<f64> {
    let mut result: Vec<f64> = gradient(performance).iter().zip(pi).map(|(g, pi)| g / pi).collect();
    project(n_actions, &mut result);
    result
}

/// Uniform on the unit sphere of the tangent space: projected normal numbers.
fn direction(n_actions: usize, n: usize, rng: &mut impl rand::Rng) -> Vec<f64> {
    let mut u: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
    project(n_actions, &mut u);
    let norm = u.iter().map(|x| x * x).sum::<f64>().sqrt();
    u.iter().map(|x| x / norm).collect()
}

/// `dimension/(2 N radius) sum_i (J(pi + radius u_i) - J(pi - radius u_i)) u_i`, the
/// values on all cores, the sum in order.
fn two_point(
    directions: &[Vec<f64>],
    radius: f64,
    dimension: usize,
    pi: &[f64],
    value: impl Fn(&[f64]) -> Result<f64, AlgorithmError> + Sync,
) -> Result<Vec<f64>, AlgorithmError> {
    let at =
        |u: &[f64], step: f64| value(&pi.iter().zip(u).map(|(pi, u)| pi + step * u).collect::<Vec<f64>>());
    let difference = |u: &Vec<f64>| Ok(at(u, radius)? - at(u, -radius)?);
    let differences: Vec<f64> =
        directions.par_iter().map(difference).collect::<Result<_, AlgorithmError>>()?;
    let scale = dimension as f64 / (2.0 * directions.len() as f64 * radius);
    let mut estimate = vec![0.0; pi.len()];
    for (u, difference) in directions.iter().zip(differences) {
        for (g, u) in estimate.iter_mut().zip(u) {
            *g += scale * difference * u;
        }
    }
    Ok(estimate)
}

/// The policy with all probabilities at least `floor` that maximises `g.v`: the rest
/// on the first action of largest `g`.
fn best_vertex(floor: f64, n_actions: usize, gradient: &[f64]) -> Vec<f64> {
    let mut vertex = vec![floor; gradient.len()];
    for (row, g) in vertex.chunks_mut(n_actions).zip(gradient.chunks(n_actions)) {
        let best = (1..n_actions).fold(0, |best, a| if g[a] > g[best] { a } else { best });
        row[best] = 1.0 - floor * (n_actions as f64 - 1.0);
    }
    vertex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::{FORMULA, QUOTIENT, SOLVED, ULPS};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn directions_are_unit_tangents_of_mean_0_and_the_right_covariance() {
        let (n_states, n_actions, draws) = (2, 3, 40_000);
        let n = n_states * n_actions;
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut covariance = vec![0.0; n * n];
        for _ in 0..draws {
            let u = direction(n_actions, n, &mut rng);
            assert!((u.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < FORMULA);
            assert!(u.chunks(n_actions).all(|row| row.iter().sum::<f64>().abs() < FORMULA));
            for i in 0..n * n {
                covariance[i] += u[i / n] * u[i % n] / f64::from(draws);
            }
        }
        // E u u^T is the projection over the dimension S (A-1) = 4.
        for i in 0..n * n {
            let (row, column) = (i / n, i % n);
            let same_state = if row / n_actions == column / n_actions { 1.0 } else { 0.0 };
            let projection = f64::from(u8::from(row == column)) - same_state / n_actions as f64;
            assert!((covariance[i] - projection / 4.0).abs() < 5e-3, "{row}, {column}: {}", covariance[i]);
        }
    }

    /// On a design of strength 3 the estimate of a quadratic's gradient is exact.
    #[test]
    fn two_point_differences_give_the_projected_gradient_of_a_quadratic() {
        let (n_states, n_actions) = (2, 3);
        let mut directions = Vec::new();
        for s in 0..n_states {
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                let mut u = vec![0.0; n_states * n_actions];
                (u[s * n_actions + a], u[s * n_actions + b]) = (0.5f64.sqrt(), -(0.5f64.sqrt()));
                directions.push(u);
            }
        }
        let pi = [0.2, 0.3, 0.5, 0.1, 0.6, 0.3];
        let value = |x: &[f64]| Ok(x[0] * x[3] + 2.0 * x[1] * x[1] - x[2] + x[4] * x[5]);
        let mut expected = vec![pi[3], 4.0 * pi[1], -1.0, pi[0], pi[5], pi[4]];
        project(n_actions, &mut expected);
        let estimate = two_point(&directions, 0.01, n_states * (n_actions - 1), &pi, value).unwrap();
        for (g, expected) in estimate.iter().zip(expected) {
            assert!((g - expected).abs() < SOLVED);
        }
    }

    /// Through the policy, the transitions and the rewards that respond to
    /// `log pi`, with entropy.
    #[test]
    fn the_exact_gradient_is_that_along_policies() {
        use pemdp::oracle::examples;
        use pemdp::problem::{Problem, Reading};
        let json = examples::example("exponential-family").unwrap().to_json();
        let model = Problem::from_json(&json, Reading::Doubles).unwrap().model::<f64>().unwrap();
        let policy = |pi: &[f64]| Policy::weights(2, 2, pi.to_vec()).unwrap().with_logarithms();
        let value = |pi: &[f64]| model.perform_regularised(&policy(pi), &0.3).unwrap().evaluation.value;
        let pi = [0.3, 0.7, 0.6, 0.4];
        let at = policy(&pi);
        let exact = projected_gradient(2, &pi, &model.perform_regularised(&at, &0.3).unwrap());
        let h = 1e-6;
        for s in [0, 2] {
            let mut moved = [pi; 2];
            for (pi, h) in moved.iter_mut().zip([h, -h]) {
                pi[s] += h;
                pi[s + 1] -= h;
            }
            let slope = (value(&moved[0]) - value(&moved[1])) / (2.0 * h);
            assert!((exact[s] - exact[s + 1] - slope).abs() < QUOTIENT, "{exact:?}, {slope}");
            assert!((exact[s] + exact[s + 1]).abs() < SOLVED);
        }
    }

    #[test]
    fn vertices_and_lifted_rows_respect_the_floor() {
        assert_eq!(best_vertex(0.125, 2, &[1.0, 2.0, 3.0, 3.0]), [0.125, 0.875, 0.875, 0.125]);
        let mut pi = vec![1.0, 0.0, 0.0, 0.25, 0.25, 0.5];
        raise_to(0.1, 3, &mut pi);
        for (x, expected) in pi.iter().zip([0.8, 0.1, 0.1, 0.25, 0.25, 0.5]) {
            assert!((x - expected).abs() < ULPS);
        }
    }
}
