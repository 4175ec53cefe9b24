//! Newton's method with a trust region, on exact Hessians.

use std::ops::ControlFlow;

use super::parameters::Parameters;
use super::run::{Run, gradient};
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Entry, Task, build, settings};
use pemdp::arithmetic::Dual;
use pemdp::curvature::{CurvatureError, Spectrum, hessian};

settings! {
    /// Maximises `J` by steps `p` that maximise `g.p + p.H p/2` over `|p| <= radius`,
    /// `g` and `H` the exact gradient and Hessian; the radius follows the ratio of
    /// the rise of `J` to the rise of the model.
    ///
    /// Converges quadratically where the maximum is strict. Ends with a gradient norm
    /// of at most `tolerance` and no eigenvalue of `H` above `sqrt(tolerance)`: a
    /// saddle does not hold it. Directions that change nothing (for softmax, all
    /// logits of a state alike) have coefficient 0 in every step. The steps are exact
    /// maximisers of the model, by a dense eigendecomposition, also where `H` is
    /// singular or indefinite; a Hessian costs one product for each parameter.
    pub struct TrustRegionNewton {
        /// Largest number of Hessians.
        pub iterations: usize = 100, "largest number of Hessians, at least 1", Range::AT_LEAST_ONE;
        /// Ends at a gradient norm of at most this.
        pub tolerance: f64 = 1e-10, "ends at a gradient norm of at most this, above 0", Range::POSITIVE;
        /// First radius of the trust region, in the 2-norm of the parameters.
        pub radius: f64 = 1.0, "first radius of the trust region, above 0", Range::POSITIVE;
        /// Entropy weight of what is maximised; that of the problem where none.
        pub entropy: Option<f64> = None,
            "entropy weight of what is maximised; the problem's where null", Range::NOT_NEGATIVE;
        /// Temperature at which kinks of the response are smoothed. None: not smoothed.
        pub smoothing: Option<f64> = None,
            "temperature of a smoothed response, above 0; null for none", Range::POSITIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "trust-region-newton",
    about: "Newton's method with a trust region on the exact Hessian",
    source: "[derived]",
    settings: TrustRegionNewton::TABLE,
    build: build::<TrustRegionNewton>,
};

/// A ratio of risen to expected from which a step is taken.
const ACCEPTED: f64 = 1e-4;
/// Below this ratio the radius shrinks to a quarter of the step.
const POOR: f64 = 0.25;
/// Above this ratio the radius doubles where it held the step back.
const GOOD: f64 = 0.75;
/// Smaller radii do not move the value of a double.
const SMALLEST_RADIUS: f64 = 1e-12;
/// Rises of this size, relative to the value, are rounding.
const ROUNDING: f64 = 1e-13;
/// A Newton step of at least this length where the gradient is within tolerance:
/// gradient and curvature vanish together, as they do towards infinity.
const FAR: f64 = 0.1;

impl Algorithm for TrustRegionNewton {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let parameters = Parameters::of(self.name(), &task.start)?;
        let entropy = self.entropy.unwrap_or(task.environment.entropy);
        let smoothed = self.smoothing.and_then(|temperature| task.environment.smoothed(&temperature));
        let smoothed_tangent =
            self.smoothing.and_then(|temperature| task.tangent.smoothed(&Dual::constant(temperature)));
        let tangent = smoothed_tangent.as_ref().unwrap_or(&task.tangent);
        // The value and gradient of what is maximised.
        let evaluate = |theta: &[f64], run: &mut Run<'_>| {
            run.cost.deployments += 1;
            run.cost.solves += 1;
            let policy = parameters.policy(theta)?;
            let environment = smoothed.as_ref().unwrap_or(&task.environment);
            let performance = environment.perform_regularised(&policy, &entropy)?;
            Ok::<_, AlgorithmError>((performance.evaluation.value, gradient(&performance)))
        };
        let mut theta = parameters.theta.clone();
        let (mut value, mut slope) = evaluate(&theta, run)?;
        let mut radius = self.radius;
        let mut iteration = 0;
        loop {
            let policy = parameters.policy(&theta)?;
            let performance = task.environment.perform_regularised(&policy, &entropy)?;
            if let ControlFlow::Break(stop) = run.record(&policy, &performance)? {
                return Ok(stop);
            }
            let gradient_norm = norm(&slope);
            run.cost.solves += theta.len() as u64;
            let matrix = hessian(tangent, &policy, &entropy)?;
            let Some(spectrum) = Spectrum::new(theta.len(), &matrix) else {
                return Ok(Stop::Stalled { gradient_norm });
            };
            let model = Quadratic::new(&spectrum, &slope, self.tolerance);
            if gradient_norm <= self.tolerance && model.largest_eigenvalue() <= self.tolerance.sqrt() {
                return Ok(match run.stationary(&policy, gradient_norm) {
                    Stop::Converged { .. } if model.distance() >= FAR => {
                        Stop::Limit { gradient_norm, deterministic_states: 0 }
                    }
                    stop => stop,
                });
            }
            if iteration == self.iterations {
                return Ok(Stop::IterationLimit);
            }
            iteration += 1;
            loop {
                let coefficients = model.maximiser(radius);
                let expected = model.rise(&coefficients);
                let length = norm(&coefficients);
                if length <= SMALLEST_RADIUS || radius <= SMALLEST_RADIUS {
                    return Ok(Stop::Stalled { gradient_norm });
                }
                let step = spectrum.combination(&coefficients);
                let reached: Vec<f64> = theta.iter().zip(&step).map(|(x, step)| x + step).collect();
                let (new_value, new_slope) = evaluate(&reached, run)?;
                let noise = ROUNDING * value.abs().max(1.0);
                // Where both rises are rounding, the gradient decides.
                let ratio = if expected <= noise && (new_value - value).abs() <= noise {
                    if norm(&new_slope) < gradient_norm { 1.0 } else { 0.0 }
                } else {
                    (new_value - value) / expected
                };
                if ratio < POOR || ratio.is_nan() {
                    radius = length / 4.0;
                } else if ratio > GOOD && length >= 0.99 * radius {
                    radius *= 2.0;
                }
                if ratio >= ACCEPTED {
                    (theta, value, slope) = (reached, new_value, new_slope);
                    break;
                }
            }
        }
    }
}

impl From<CurvatureError> for AlgorithmError {
    fn from(error: CurvatureError) -> Self {
        match error {
            CurvatureError::Performance(error) => Self::Performance(error),
            _ => Self::NotApplicable { algorithm: ENTRY.name, why: error.to_string() },
        }
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `g.p + p.H p/2` in the eigenvectors of `H`, without the flat directions.
struct Quadratic {
    /// Eigenvalues in increasing order; 0 where flat.
    eigenvalues: Vec<f64>,
    /// Coefficients of `g`; 0 where flat.
    slopes: Vec<f64>,
    /// Directions along which nothing changes.
    flat: Vec<bool>,
}

impl Quadratic {
    /// Flat is a direction whose eigenvalue is rounding and whose slope would not
    /// be missed.
    fn new(spectrum: &Spectrum, gradient: &[f64], tolerance: f64) -> Self {
        let mut slopes = spectrum.coefficients(gradient);
        let mut eigenvalues = spectrum.eigenvalues.clone();
        let small_curvature = 1e-12 * spectrum.largest_curvature();
        let small_slope = 1e-2 * tolerance / (slopes.len() as f64).sqrt();
        let is_flat = |(x, g): (&f64, &f64)| x.abs() <= small_curvature && g.abs() <= small_slope;
        let flat: Vec<bool> = eigenvalues.iter().zip(&slopes).map(is_flat).collect();
        for i in (0..flat.len()).filter(|&i| flat[i]) {
            (slopes[i], eigenvalues[i]) = (0.0, 0.0);
        }
        Self { eigenvalues, slopes, flat }
    }

    /// The largest eigenvalue that is not flat.
    fn largest_eigenvalue(&self) -> f64 {
        self.largest().map_or(0.0, |i| self.eigenvalues[i])
    }

    fn largest(&self) -> Option<usize> {
        (0..self.flat.len()).rev().find(|&i| !self.flat[i])
    }

    /// How far the model's stationary point is.
    fn distance(&self) -> f64 {
        norm(&self.shifted(0.0))
    }

    fn rise(&self, p: &[f64]) -> f64 {
        let terms = self.slopes.iter().zip(&self.eigenvalues).zip(p);
        terms.map(|((g, x), p)| g * p + 0.5 * x * p * p).sum()
    }

    /// `p_i = g_i/(shift - x_i)`, 0 where flat.
    fn shifted(&self, shift: f64) -> Vec<f64> {
        let entry = |(g, x): (&f64, &f64)| if *g == 0.0 { 0.0 } else { g / (shift - x) };
        self.slopes.iter().zip(&self.eigenvalues).map(entry).collect()
    }

    /// The maximiser over `|p| <= radius`: `p_i = g_i/(m - x_i)` with `m` at least 0
    /// and at least every eigenvalue `x_i`, `m = 0` or `|p| = radius`.
    fn maximiser(&self, radius: f64) -> Vec<f64> {
        let Some(top) = self.largest() else { return vec![0.0; self.slopes.len()] };
        let highest = self.eigenvalues[top];
        if highest < 0.0 {
            let newton = self.shifted(0.0);
            if norm(&newton) <= radius {
                return newton;
            }
        }
        let lowest_shift = highest.max(0.0);
        // |p| falls from its value at the lowest shift to at most the radius.
        let (mut low, mut high) = (lowest_shift, lowest_shift + norm(&self.slopes) / radius);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            if norm(&self.shifted(middle)) > radius { low = middle } else { high = middle }
        }
        let mut p = self.shifted(high);
        let square: f64 = p.iter().map(|p| p * p).sum();
        if square < radius * radius * 0.99 && highest >= 0.0 {
            // No slope along the highest curvature: both ways are as good.
            let missing = (radius * radius - square).sqrt();
            p[top] += if p[top] < 0.0 { -missing } else { missing };
        }
        p
    }
}

/// Halvings of the interval of the shift: beyond the precision of a double.
const BISECTIONS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::{ILL_CONDITIONED, SOLVED, ULPS};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn quadratic(eigenvalues: &[f64], gradient: &[f64]) -> Quadratic {
        let n = eigenvalues.len();
        let diagonal: Vec<f64> =
            (0..n * n).map(|i| if i / n == i % n { eigenvalues[i / n] } else { 0.0 }).collect();
        Quadratic::new(&Spectrum::new(n, &diagonal).unwrap(), gradient, 1e-10)
    }

    #[test]
    fn no_point_of_the_ball_is_better_than_the_maximiser() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let cases: [(&[f64], &[f64]); 5] = [
            (&[-3.0, -1.0, -0.5], &[0.1, 0.2, -0.1]),
            (&[-3.0, -1.0, -0.5], &[1.0, 2.0, -3.0]),
            (&[-3.0, 0.5, 2.0], &[1.0, -2.0, 0.5]),
            (&[-3.0, 0.5, 2.0], &[1.0, -0.2, 0.0]),
            (&[-3.0, -1.0, 2.0], &[0.0, 0.0, 0.0]),
        ];
        for (eigenvalues, gradient) in cases {
            for radius in [0.1, 1.0, 10.0] {
                let model = quadratic(eigenvalues, gradient);
                let p = model.maximiser(radius);
                assert!(norm(&p) <= radius * (1.0 + ILL_CONDITIONED));
                let best = model.rise(&p);
                for _ in 0..2000 {
                    let mut x: Vec<f64> = (0..3).map(|_| rng.random_range(-1.0..1.0)).collect();
                    let scale = radius * rng.random_range(0.0f64..1.0).cbrt() / norm(&x);
                    x.iter_mut().for_each(|x| *x *= scale);
                    assert!(
                        model.rise(&x) <= best + SOLVED * radius * radius,
                        "{eigenvalues:?} {gradient:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn flat_directions_are_left_alone() {
        let model = quadratic(&[-2.0, 1e-16, -1e-17], &[1.0, 1e-16, -1e-16]);
        let p = model.maximiser(1e3);
        assert!((p.iter().sum::<f64>().abs() - 0.5).abs() < ULPS && norm(&p) == 0.5);
        assert_eq!(model.largest_eigenvalue(), -2.0);
    }
}
