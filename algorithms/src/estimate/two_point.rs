//! Zeroth-order estimates: from values alone.

use rand::{Rng, RngExt};

use super::{Bias, Deployed, Estimate, EstimateError, Horizon, Sampler};

/// The two-point estimator on the parameters,
///
/// ```text
/// g = K/(2 N radius) sum_i (J(theta + radius u_i) - J(theta - radius u_i)) u_i
/// ```
///
/// with `u_i` uniform on the unit sphere of the K parameters
/// ([ChenHuang2025, CH4] on the logits).
/// Its mean is the gradient of the mean of `J` over the ball of this radius, with
/// exact values or unbiased samples of them alike; so its bias is at most `L`
/// times the radius where `J` is L-smooth. It needs no scores and no derivative of
/// the response, and deploys two policies for each direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoPoint {
    /// Distance from `theta` at which values are taken.
    pub radius: f64,
    /// `N`, at least 1.
    pub directions: usize,
}

/// A value that an estimator saw: exact (no episodes), or a mean of returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampledValue {
    /// The value.
    pub value: f64,
    /// Episodes drawn for it.
    pub episodes: u64,
    /// Environment steps drawn for it.
    pub steps: u64,
}

impl TwoPoint {
    /// Why its mean is not the gradient.
    pub fn bias(&self) -> Bias {
        Bias::Form("its mean is the gradient of J averaged over a ball around theta")
    }

    /// The estimate at `theta`. `value_at` deploys the policy of its parameters
    /// and says what was seen.
    ///
    /// # Errors
    /// [`EstimateError`] for a radius that is not positive or no directions, and
    /// what `value_at` fails with.
    ///
    /// ```
    /// use pemdp_algorithms::estimate::{EstimateError, SampledValue, TwoPoint};
    /// use rand::SeedableRng;
    /// // One parameter: the central difference, exact for a parabola.
    /// let parabola = |theta: &[f64], _: &mut rand_chacha::ChaCha8Rng| {
    ///     Ok::<_, EstimateError>(SampledValue { value: theta[0].powi(2), episodes: 0, steps: 0 })
    /// };
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let estimate = TwoPoint { radius: 0.5, directions: 3 }.estimate(&[1.0], &mut rng, parabola)?;
    /// assert_eq!((estimate.gradient, estimate.deployments), (vec![2.0], 6));
    /// # Ok::<(), EstimateError>(())
    /// ```
    pub fn estimate<R: Rng, E: From<EstimateError>>(
        &self,
        theta: &[f64],
        rng: &mut R,
        mut value_at: impl FnMut(&[f64], &mut R) -> Result<SampledValue, E>,
    ) -> Result<Estimate, E> {
        if self.directions == 0 {
            return Err(EstimateError::Zero { what: "the number of directions" }.into());
        }
        if !(self.radius > 0.0 && self.radius.is_finite()) {
            return Err(EstimateError::Radius { radius: self.radius }.into());
        }
        let mut estimate =
            Estimate { gradient: vec![0.0; theta.len()], terms: None, episodes: 0, steps: 0, deployments: 0 };
        let scale = theta.len() as f64 / (2.0 * self.directions as f64 * self.radius);
        for _ in 0..self.directions {
            let direction = unit_vector(theta.len(), rng);
            let mut difference = 0.0;
            for sign in [1.0, -1.0] {
                let moved = theta.iter().zip(&direction).map(|(x, u)| x + sign * self.radius * u);
                let seen = value_at(&moved.collect::<Vec<f64>>(), rng)?;
                difference += sign * seen.value;
                estimate.episodes += seen.episodes;
                estimate.steps += seen.steps;
                estimate.deployments += 1;
            }
            for (g, u) in estimate.gradient.iter_mut().zip(&direction) {
                *g += scale * difference * u;
            }
        }
        Ok(estimate)
    }
}

/// A uniform vector on the unit sphere.
fn unit_vector(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    loop {
        let normals: Vec<f64> = (0..n).map(|_| normal(rng)).collect();
        let norm = normals.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm > 0.0 || n == 0 {
            return normals.into_iter().map(|x| x / norm).collect();
        }
    }
}

/// A standard normal number, by Box and Muller.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let (x, y): (f64, f64) = (rng.random(), rng.random());
    // 1 - x is in (0, 1], where the logarithm is finite.
    (-2.0 * (1.0 - x).ln()).sqrt() * (std::f64::consts::TAU * y).cos()
}

/// The mean return of sampled episodes: on a geometric horizon an unbiased
/// sample of `J`, on a truncated one of its first steps.
///
/// # Errors
/// [`EstimateError::Zero`] for no episodes or a horizon of 0 steps.
pub fn sampled_value(
    deployed: &Deployed<'_, f64>,
    horizon: Horizon,
    episodes: u64,
    rng: &mut impl Rng,
) -> Result<SampledValue, EstimateError> {
    if episodes == 0 {
        return Err(EstimateError::Zero { what: "the number of episodes" });
    }
    if horizon == Horizon::Truncated(0) {
        return Err(EstimateError::Zero { what: "the horizon" });
    }
    let sampler = Sampler::new(deployed);
    let relative = horizon.discount(deployed.gamma());
    let (mut sum, mut steps, mut episode) = (0.0, 0, Vec::new());
    for _ in 0..episodes {
        sampler.episode(horizon, rng, &mut episode);
        sum += episode.iter().rev().fold(0.0, |later, step| deployed.reward(step.pair) + relative * later);
        steps += episode.len() as u64;
    }
    Ok(SampledValue { value: sum / episodes as f64, episodes, steps })
}
