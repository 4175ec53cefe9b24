use super::*;
use crate::tolerances::SOLVED;

/// Means of batches, by parameter.
struct Batches {
    sum: Vec<f64>,
    squares: Vec<f64>,
    count: f64,
}

impl Batches {
    fn draw(estimator: &Estimator<'_>, batches: usize, episodes: u64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sum: Vec<f64> = Vec::new();
        let mut squares = Vec::new();
        for _ in 0..batches {
            let estimate = estimator.sample(episodes, &mut rng).unwrap();
            sum.resize(estimate.gradient.len(), 0.0);
            squares.resize(estimate.gradient.len(), 0.0);
            for (k, g) in estimate.gradient.iter().enumerate() {
                sum[k] += g;
                squares[k] += g * g;
            }
        }
        Self { sum, squares, count: batches as f64 }
    }

    fn mean(&self, k: usize) -> f64 {
        self.sum[k] / self.count
    }

    /// Unbiased variance of one batch.
    fn variance(&self, k: usize) -> f64 {
        (self.squares[k] - self.sum[k] * self.mean(k)) / (self.count - 1.0)
    }

    /// Student's t of the mean against `truth`, largest over the parameters.
    fn largest_t(&self, truth: &[f64]) -> f64 {
        let t =
            |(k, truth): (usize, &f64)| (self.mean(k) - truth).abs() / (self.variance(k) / self.count).sqrt();
        truth.iter().enumerate().map(t).fold(0.0, f64::max)
    }
}

/// The quantile of Student's t that `tests` two-sided tests of true statements
/// pass together but for the false alarm (Bonferroni).
fn critical_t(freedom: f64, tests: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).unwrap().inverse_cdf(1.0 - FALSE_ALARM / (2.0 * tests as f64))
}

const BATCHES: usize = 200;
const EPISODES: u64 = 2000;

#[test]
fn unbiased_forms_pass_and_biased_forms_are_rejected() {
    for json in [ENTROPY, AFFINE] {
        doubles(json, |deployed| {
            let truth = gradient(deployed.performance());
            let forms = unbiased::<f64>(deployed.n_states());
            let critical = critical_t(BATCHES as f64 - 1.0, forms.len() * truth.len());
            for (seed, form) in forms.iter().enumerate() {
                let estimator = Estimator::new(deployed, &**form, Horizon::Geometric).unwrap();
                assert_eq!(estimator.bias(), Bias::None);
                let t = Batches::draw(&estimator, BATCHES, EPISODES, seed as u64).largest_t(&truth);
                assert!(t < critical, "{}: t = {t}, critical {critical}", form.name());
            }
            for (seed, form) in biased::<f64>(deployed.n_states()).iter().enumerate() {
                let estimator = Estimator::new(deployed, &**form, Horizon::Geometric).unwrap();
                assert!(matches!(estimator.bias(), Bias::Form(_)));
                let batches = Batches::draw(&estimator, BATCHES, EPISODES, seed as u64);
                let t = batches.largest_t(&truth);
                assert!(t > critical, "{} was not rejected: t = {t}", form.name());
                // What it is instead is what is predicted.
                let mean = moments(deployed, &**form, Horizon::Geometric).unwrap().mean;
                let t = batches.largest_t(&mean);
                assert!(t < critical, "{}: t = {t}, critical {critical}", form.name());
            }
        });
    }
}

#[test]
fn truncated_and_undiscounted_forms_are_rejected() {
    doubles(ENTROPY, |deployed| {
        let truth = gradient(deployed.performance());
        let critical = critical_t(BATCHES as f64 - 1.0, truth.len());
        let horizon = Horizon::Truncated(5);
        let truncated = Estimator::new(deployed, &Return { baseline: Baseline::Exact }, horizon).unwrap();
        assert_eq!(truncated.bias(), Bias::Truncation);
        let batches = Batches::draw(&truncated, BATCHES, EPISODES, 0);
        assert!(batches.largest_t(&truth) > critical);
        let predicted = plus(&truth, &Truncation::new(deployed, 5).unwrap().returns());
        assert!(batches.largest_t(&predicted) < critical, "{}", batches.largest_t(&predicted));
        // Of a long horizon nothing is left to see, but the discount is missed.
        let long = Horizon::Truncated(60);
        let td = Estimator::new(deployed, &Td { fitted: None }, long).unwrap();
        assert!(Batches::draw(&td, BATCHES, 200, 1).largest_t(&truth) < critical);
        for form in [Undiscounted::Everywhere, Undiscounted::Transition] {
            let estimator = Estimator::new(deployed, &form, long).unwrap();
            assert!(Batches::draw(&estimator, BATCHES, 200, 2).largest_t(&truth) > critical, "{form:?}");
        }
    });
}

#[test]
fn sampled_variances_are_the_exact_ones() {
    doubles(ENTROPY, |deployed| {
        let horizons = [Horizon::Geometric, Horizon::Truncated(4)];
        let forms: Vec<_> = unbiased::<f64>(3).into_iter().chain(biased(3)).collect();
        let tests = (horizons.len() * forms.len() * 6) as f64;
        let freedom = BATCHES as f64 - 1.0;
        let chi = ChiSquared::new(freedom).unwrap();
        let tail = FALSE_ALARM / (2.0 * tests);
        let (low, high) = (chi.inverse_cdf(tail), chi.inverse_cdf(1.0 - tail));
        for horizon in horizons {
            for form in &forms {
                let estimator = Estimator::new(deployed, &**form, horizon).unwrap();
                let batches = Batches::draw(&estimator, BATCHES, EPISODES, 11);
                let Moments { variance, .. } = moments(deployed, &**form, horizon).unwrap();
                for (k, variance) in variance.iter().enumerate() {
                    let statistic = freedom * batches.variance(k) * EPISODES as f64 / variance;
                    assert!(
                        (low..=high).contains(&statistic),
                        "{} {horizon:?} [{k}]: {statistic}",
                        form.name()
                    );
                }
            }
        }
    });
}

#[test]
fn the_gridworld_at_known_variance() {
    let world = examples::example("gridworld").unwrap().to_json();
    doubles(&world, |deployed| {
        let truth = gradient(deployed.performance());
        let normal = Normal::standard();
        let critical = normal.inverse_cdf(1.0 - FALSE_ALARM / (2.0 * truth.len() as f64));
        let form = Return { baseline: Baseline::Exact };
        let variance = moments(deployed, &form, Horizon::Geometric).unwrap().variance;
        let estimator = Estimator::new(deployed, &form, Horizon::Geometric).unwrap();
        let episodes = 200_000;
        let estimate = estimator.sample(episodes, &mut ChaCha8Rng::seed_from_u64(3)).unwrap();
        let largest_z = |truth: &[f64]| {
            let errors = estimate.gradient.iter().zip(truth).map(|(seen, truth)| (seen - truth).abs());
            // In the terminal state nothing varies, and nothing is off.
            let size = |variance: &f64| (variance / episodes as f64).sqrt().max(1e-15);
            errors.zip(&variance).map(|(error, variance)| error / size(variance)).fold(0.0, f64::max)
        };
        assert!(largest_z(&truth) < critical, "{} for {critical}", largest_z(&truth));
        let lost = without_transitions(deployed.performance());
        assert!(largest_z(&lost) > critical, "{} for {critical}", largest_z(&lost));
    });
}

#[test]
fn the_number_of_steps_is_as_expected_and_the_seed_decides_everything() {
    doubles(ENTROPY, |deployed| {
        let estimator = Estimator::new(deployed, &Score, Horizon::Geometric).unwrap();
        let draw = |seed| estimator.sample(100_000, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let estimate = draw(7);
        assert_eq!(estimate, draw(7));
        assert_ne!(estimate.gradient, draw(8).gradient);
        assert_eq!((estimate.episodes, estimate.deployments), (100_000, 0));
        // Mean 1/(1-gamma) = 5, variance gamma/(1-gamma)^2 = 20.
        let z = (estimate.steps as f64 / 1e5 - 5.0) / (20.0f64 / 1e5).sqrt();
        assert!(z.abs() < Normal::standard().inverse_cdf(1.0 - FALSE_ALARM / 2.0), "{z}");
        let enumerated = enumerate(deployed, &Score, Horizon::Truncated(3), 3).unwrap();
        assert!((enumerated.steps - 3.0).abs() < SOLVED && (enumerated.probability - 1.0).abs() < SOLVED);
        let terms = estimate.terms.unwrap();
        assert_eq!(terms.total(), estimate.gradient);
    });
}

#[test]
fn values_are_fitted_to_the_values() {
    doubles(LOOP, |deployed| {
        let estimator = Estimator::new(deployed, &Score, Horizon::Geometric).unwrap();
        let fit = estimator.fit(200_000, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert_close(&fit.values, deployed.state_values(), 2e-2, "V");
        assert_eq!(fit.episodes, 200_000);
        // On two steps: v = (rho V_2 + gamma rho_1 V_1)/(rho + gamma rho_1).
        let estimator = Estimator::new(deployed, &Score, Horizon::Truncated(2)).unwrap();
        let fit = estimator.fit(200_000, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let (mdp, policy) = (&deployed.performance().mdp, deployed.policy());
        let chain = mdp.kernel().under(policy);
        let first = |s: usize| (0..2).map(|a| policy.probability(s, a) * mdp.reward(s, a)).sum::<f64>();
        let second = |s: usize| first(s) + 0.5 * (0..2).map(|t| chain.entry(s, t) * first(t)).sum::<f64>();
        let rho = mdp.initial();
        let later = |s: usize| 0.5 * (0..2).map(|t| rho[t] * chain.entry(t, s)).sum::<f64>();
        let fitted = |s: usize| (rho[s] * second(s) + later(s) * first(s)) / (rho[s] + later(s));
        assert_close(&fit.values, &[fitted(0), fitted(1)], 2e-2, "V of two steps");
    });
}
