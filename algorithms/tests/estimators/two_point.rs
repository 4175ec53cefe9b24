use super::*;

/// The value of the loan as a bandit at logits `theta`.
fn loan() -> PerformativeMdp<f64> {
    read(&examples::example("loan").unwrap().to_json()).model().unwrap()
}

fn value(model: &PerformativeMdp<f64>, theta: &[f64]) -> f64 {
    let policy = Policy::softmax(1, 2, theta.to_vec()).unwrap();
    model.perform(&policy).unwrap().evaluation.value
}

const THETA: [f64; 2] = [0.5, -0.25];

/// The mean of the estimator over the circle of two parameters, by the
/// trapezoidal rule, which converges geometrically there.
fn mean(model: &PerformativeMdp<f64>, radius: f64) -> Vec<f64> {
    let n = 64;
    let mut mean = vec![0.0; 2];
    for i in 0..n {
        let angle = std::f64::consts::TAU * i as f64 / n as f64;
        let u = [angle.cos(), angle.sin()];
        let at =
            |sign: f64| value(model, &[THETA[0] + sign * radius * u[0], THETA[1] + sign * radius * u[1]]);
        for k in 0..2 {
            mean[k] += 2.0 / (2.0 * radius) * (at(1.0) - at(-1.0)) * u[k] / n as f64;
        }
    }
    mean
}

#[test]
fn the_bias_is_of_the_order_of_the_square_of_the_radius() {
    let model = loan();
    let policy = Policy::softmax(1, 2, THETA.to_vec()).unwrap();
    let truth = gradient(&model.perform(&policy).unwrap());
    let bias = |radius| norm(&plus(&mean(&model, radius), &truth.iter().map(|g| -g).collect::<Vec<_>>()));
    let ratio = bias(0.2) / bias(0.1);
    assert!((3.9..4.1).contains(&ratio), "{ratio}");
}

/// Where the value is affine: `(K-1)/N` times the square of the gradient's norm.
#[test]
fn the_error_grows_with_the_number_of_parameters() {
    let slope: Vec<f64> = (1..=8).map(f64::from).collect();
    let affine = |theta: &[f64], _: &mut ChaCha8Rng| {
        let value = theta.iter().zip(&slope).map(|(x, g)| x * g).sum();
        Ok::<_, EstimateError>(SampledValue { value, episodes: 0, steps: 0 })
    };
    let estimator = TwoPoint { radius: 0.25, directions: 2 };
    assert!(matches!(estimator.bias(), Bias::Form(_)));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut square_error = || {
        let seen = estimator.estimate(&[1.0; 8], &mut rng, affine).unwrap().gradient;
        seen.iter().zip(&slope).map(|(x, g)| (x - g).powi(2)).sum::<f64>()
    };
    let errors: Vec<f64> = (0..20_000).map(|_| square_error()).collect();
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let predicted = 7.0 / 2.0 * norm(&slope).powi(2);
    let t = (mean - predicted) / (variance / n).sqrt();
    let critical = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(1.0 - FALSE_ALARM / 2.0);
    assert!(t.abs() < critical, "{mean} for {predicted}, t = {t}");
    // The dimension is seen: K in place of K - 1 would not pass.
    assert!((predicted / 7.0).abs() > critical * (variance / n).sqrt());
}

#[test]
fn sampled_means_are_as_predicted_with_exact_and_with_sampled_values() {
    let model = loan();
    let radius = 0.5;
    let predicted = mean(&model, radius);
    let exact = |theta: &[f64], _: &mut ChaCha8Rng| {
        Ok::<_, EstimateError>(SampledValue { value: value(&model, theta), episodes: 0, steps: 0 })
    };
    let from_returns = |theta: &[f64], rng: &mut ChaCha8Rng| {
        let policy = Policy::softmax(1, 2, theta.to_vec()).unwrap();
        deployed(&model, &policy, |deployed| sampled_value(deployed, Horizon::Geometric, 5, rng))
    };
    let estimator = TwoPoint { radius, directions: 10 };
    for sampled in [false, true] {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (mut sum, mut squares, n) = (vec![0.0; 2], vec![0.0; 2], 2000.0);
        for _ in 0..2000 {
            let estimate = if sampled {
                estimator.estimate(&THETA, &mut rng, from_returns).unwrap()
            } else {
                estimator.estimate(&THETA, &mut rng, exact).unwrap()
            };
            assert_eq!((estimate.deployments, estimate.episodes), (20, if sampled { 100 } else { 0 }));
            assert_eq!(estimate.steps > 0, sampled);
            for k in 0..2 {
                sum[k] += estimate.gradient[k];
                squares[k] += estimate.gradient[k].powi(2);
            }
        }
        let critical = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(1.0 - FALSE_ALARM / 8.0);
        for k in 0..2 {
            let mean: f64 = sum[k] / n;
            let variance = (squares[k] / n - mean * mean) * n / (n - 1.0);
            let t = (mean - predicted[k]) / (variance / n).sqrt();
            assert!(t.abs() < critical, "sampled {sampled} [{k}]: {mean} for {}, t = {t}", predicted[k]);
        }
    }
}
