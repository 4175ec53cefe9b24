//! Minimisation without derivatives: an evolution strategy with covariance adaptation
//! [Hansen 2016, arXiv 1604.00772], with its default parameters.

use std::collections::VecDeque;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use pemdp_algorithms::estimate::normal;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How long and how finely to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The standard deviation of the first generation.
    pub deviation: f64,
    /// The seed.
    pub seed: u64,
    /// Evaluations of the objective, at most.
    pub evaluations: usize,
    /// Ends where the best values of the last generations differ by less.
    pub tolerance: f64,
}

/// The generations whose best values are compared.
const GENERATIONS: usize = 20;

/// The smallest value of `objective` that is found from `origin`, and where; what is not
/// finite counts as large. The origin itself is the first to be tried.
pub fn minimise(objective: impl Fn(&[f64]) -> f64, origin: &[f64], search: Search) -> (f64, Vec<f64>) {
    let n = origin.len();
    let value = |x: &[f64]| Some(objective(x)).filter(|value| value.is_finite()).unwrap_or(f64::MAX);
    let mut best = (value(origin), origin.to_vec());
    if n == 0 {
        return best;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(search.seed);
    let dimension = n as f64;
    let offspring = 4 + (3.0 * dimension.ln()) as usize;
    let parents = offspring / 2;
    let share = |rank: usize| ((offspring as f64 + 1.0) / 2.0).ln() - (rank as f64 + 1.0).ln();
    let total: f64 = (0..parents).map(share).sum();
    let weights: Vec<f64> = (0..parents).map(|rank| share(rank) / total).collect();
    let mass = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    // Rates of the paths, of the covariance by rank one and rank mu, and damping.
    let path_rate = (4.0 + mass / dimension) / (dimension + 4.0 + 2.0 * mass / dimension);
    let step_rate = (mass + 2.0) / (dimension + mass + 5.0);
    let one_rate = 2.0 / ((dimension + 1.3).powi(2) + mass);
    let many_rate =
        (2.0 * (mass - 2.0 + 1.0 / mass) / ((dimension + 2.0).powi(2) + mass)).min(1.0 - one_rate);
    let damping = 1.0 + 2.0 * (((mass - 1.0) / (dimension + 1.0)).sqrt() - 1.0).max(0.0) + step_rate;
    let expected = dimension.sqrt() * (1.0 - 1.0 / (4.0 * dimension) + 1.0 / (21.0 * dimension * dimension));

    let mut mean = DVector::from_column_slice(origin);
    let mut deviation = search.deviation;
    let mut covariance = DMatrix::<f64>::identity(n, n);
    let (mut path, mut step_path) = (DVector::<f64>::zeros(n), DVector::<f64>::zeros(n));
    let mut recent = VecDeque::new();
    let mut used = 1;
    for generation in 1.. {
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(covariance.clone());
        let lengths = eigenvalues.map(|e| e.max(f64::MIN_POSITIVE).sqrt());
        if used + offspring > search.evaluations || !(deviation * lengths.max()).is_normal() {
            break;
        }
        let mut draws: Vec<(f64, DVector<f64>)> = (0..offspring)
            .map(|_| {
                let along = DVector::from_fn(n, |i, _| lengths[i] * normal(&mut rng));
                let step = &eigenvectors * along;
                let x = &mean + &step * deviation;
                let found = value(x.as_slice());
                if found < best.0 {
                    best = (found, x.as_slice().to_vec());
                }
                (found, step)
            })
            .collect();
        used += offspring;
        draws.sort_by(|a, b| a.0.total_cmp(&b.0));

        recent.push_back(draws[0].0);
        if recent.len() > GENERATIONS {
            recent.pop_front();
            let low = recent.iter().copied().fold(f64::INFINITY, f64::min);
            let high = recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if high - low < search.tolerance {
                break;
            }
        }

        let steps = || weights.iter().zip(&draws);
        let moved = steps().fold(DVector::zeros(n), |sum, (w, (_, step))| sum + step * *w);
        mean += &moved * deviation;
        let whitened = &eigenvectors * (eigenvectors.tr_mul(&moved)).component_div(&lengths);
        step_path = step_path * (1.0 - step_rate) + whitened * (step_rate * (2.0 - step_rate) * mass).sqrt();
        let settled = 1.0 - (1.0 - step_rate).powi(2 * generation);
        let is_long = step_path.norm() / settled.sqrt() >= (1.4 + 2.0 / (dimension + 1.0)) * expected;
        path *= 1.0 - path_rate;
        if !is_long {
            path += &moved * (path_rate * (2.0 - path_rate) * mass).sqrt();
        }
        let kept = if is_long { path_rate * (2.0 - path_rate) } else { 0.0 };
        covariance *= 1.0 - one_rate * (1.0 - kept) - many_rate;
        covariance.ger(one_rate, &path, &path, 1.0);
        for (w, (_, step)) in weights.iter().zip(&draws) {
            covariance.ger(many_rate * w, step, step, 1.0);
        }
        deviation *= ((step_path.norm() / expected - 1.0) * step_rate / damping).exp();
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search { deviation: 0.5, seed: 1, evaluations: 4000, tolerance: 1e-12 };

    #[test]
    fn valleys_are_followed_to_their_end() {
        // Rosenbrock's function, and an ellipsoid of condition 1e6.
        let rosenbrock = |x: &[f64]| -> f64 {
            x.windows(2).map(|p| 100.0 * (p[1] - p[0] * p[0]).powi(2) + (1.0 - p[0]).powi(2)).sum()
        };
        let (least, at) = minimise(rosenbrock, &[-0.5, 0.5, 0.0], SEARCH);
        assert!(least < 1e-8 && at.iter().all(|x| (x - 1.0).abs() < 1e-3), "{least} {at:?}");
        let ellipsoid =
            |x: &[f64]| x.iter().enumerate().map(|(i, x)| 1e3f64.powi(i as i32) * (x - 2.0).powi(2)).sum();
        let (least, at) = minimise(ellipsoid, &[0.0; 3], SEARCH);
        assert!(least < 1e-8 && at.iter().all(|x| (x - 2.0).abs() < 1e-3), "{least} {at:?}");
    }

    #[test]
    fn searches_are_reproduced_and_bounded() {
        let counted = std::cell::Cell::new(0);
        let objective = |x: &[f64]| {
            counted.set(counted.get() + 1);
            if x[0] < 0.0 { f64::NAN } else { x[0] + x[1].abs() }
        };
        let search = Search { evaluations: 300, tolerance: 0.0, ..SEARCH };
        let first = minimise(objective, &[1.0, 1.0], search);
        assert!(counted.get() <= 300 && counted.get() > 280, "{counted:?}");
        assert_eq!(first, minimise(objective, &[1.0, 1.0], search));
        assert!(first.0 >= 0.0 && first.0 < 1e-2 && first.1[0] >= 0.0, "{first:?}");
        assert_eq!(minimise(|_| 3.0, &[], search), (3.0, vec![]));
        assert_eq!(minimise(|_| f64::NAN, &[1.0], search).0, f64::MAX);
    }
}
