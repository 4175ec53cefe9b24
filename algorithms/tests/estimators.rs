//! Estimators: what they are in expectation, by enumeration in exact fractions,
//! by linear systems and by sampling at stated confidence.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../tests/common/mod.rs"]
mod common;

use common::read;
use pemdp::arithmetic::{Field, Rational};
use pemdp::gradient::policy_term;
use pemdp::oracle::{examples, mistaken_answers};
use pemdp::performative::{Performance, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp::response::Cotangent;
use pemdp_algorithms::estimate::{
    Baseline, Bias, Deployed, EstimateError, Estimator, Form, Horizon, Moments, OneStepLate, Printed, Return,
    SampledValue, Score, Td, Truncation, TruncationBound, TwoPoint, Undiscounted, enumerate, moments,
    sampled_value,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// Chance that a test of a true statement fails, over the seeds.
const FALSE_ALARM: f64 = 1e-6;

/// Three layers and an absorbing state that pays nothing: every episode of three
/// steps is complete. Transitions respond in states 0 and 1.
const LAYERS: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.75,0.25,0,0],
    "policy":{"kind":"weights","values":[[1,2],[3,1],[2,5],[1,1]]},
    "environment":{"kind":"exponential-family","psi":[0,1,-1,2],
        "base_weights":[[[0,1,2,0],[0,3,1,1]],[[0,0,2,1],[0,0,1,5]],[[0,0,0,1],[0,0,0,1]],[[0,0,0,1],[0,0,0,1]]],
        "reward":{"base":[[1,-2],[3,0.5],[-1,4],[0,0]],"slope":0,"clip":null}}}"#;

/// Two states that never end.
const LOOP: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.25,0.75],
    "policy":{"kind":"weights","values":[[1,2],[3,1]]},
    "environment":{"kind":"exponential-family","psi":[-1,1],
        "base_weights":[[[1,2],[3,1]],[[2,1],[1,5]]],
        "reward":{"base":[[1,-2],[3,0.5]],"slope":0,"clip":null}}}"#;

/// Entropy, responding transitions and responding rewards.
const ENTROPY: &str = r#"{"format":"pemdp-problem/1","gamma":0.8,"entropy":0.25,"initial":[0.25,0.25,0.5],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1],[-1,0.25]]},
    "environment":{"kind":"exponential-family","psi":[-1,0,1],
        "base_weights":[[[1,2,1],[3,1,1]],[[2,1,2],[1,5,1]],[[1,1,1],[2,0,3]]],
        "reward":{"base":[[1,-2],[3,0.5],[-1,0]],"slope":0.5,"clip":null}}}"#;

/// Transitions and rewards of each state respond to the policy of another.
const AFFINE: &str = r#"{"format":"pemdp-problem/1","gamma":0.75,"initial":[0.5,0.5],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1]]},
    "environment":{"kind":"affine","transitions":[[[0.5,0.5],[0.25,0.75]],[[0.75,0.25],[0.5,0.5]]],
        "transition_slopes":[[0,0,0,1,1,0.25],[0,0,1,1,1,-0.25],[1,1,0,0,0,-0.375],[1,1,1,0,0,0.375]],
        "rewards":[[1,-1],[0.5,2]],"reward_slopes":[[0,1,1,0,-0.75],[1,0,0,0,1.5]]}}"#;

/// The same with rewards that respond.
const AFFINE_LAYERS: &str = r#"{"format":"pemdp-problem/1","gamma":0.5,"initial":[0.75,0.25,0,0],
    "policy":{"kind":"softmax","logits":[[0.5,-0.25],[0,1],[1,0],[0,0]]},
    "environment":{"kind":"affine","transitions":[[[0,0.5,0.5,0],[0,0.25,0.75,0]],
            [[0,0,0.25,0.75],[0,0,0.5,0.5]],[[0,0,0,1],[0,0,0,1]],[[0,0,0,1],[0,0,0,1]]],
        "transition_slopes":[[0,0,1,1,1,0.25],[0,0,2,1,1,-0.25],[1,0,2,0,1,0.5],[1,0,3,0,1,-0.5]],
        "rewards":[[1,-1],[0.5,2],[-3,1],[0,0]],"reward_slopes":[[0,1,1,0,-0.75],[2,0,0,0,1.5]]}}"#;

/// Runs `test` on the deployed policy of a problem.
fn deployed<T: Field, R>(
    model: &PerformativeMdp<T>,
    policy: &Policy<T>,
    test: impl FnOnce(&Deployed<'_, T>) -> R,
) -> R {
    let performance = model.perform(policy).unwrap();
    test(&Deployed::new(&performance, policy, &model.entropy).unwrap())
}

fn exactly<R>(json: &str, test: impl FnOnce(&Deployed<'_, Rational>) -> R) -> R {
    let (model, policy) = Problem::from_json(json, Reading::Exact).unwrap().rational_model().unwrap();
    deployed(&model, &policy, test)
}

fn doubles<R>(json: &str, test: impl FnOnce(&Deployed<'_, f64>) -> R) -> R {
    let problem = read(json);
    deployed(&problem.model().unwrap(), &problem.deployed_policy().unwrap(), test)
}

fn gradient<T: Field>(performance: &Performance<'_, T>) -> Vec<T> {
    performance.gradient.total().into_iter().map(Option::unwrap).collect()
}

/// The gradient without its transition term.
fn without_transitions<T: Field>(performance: &Performance<'_, T>) -> Vec<T> {
    let terms = &performance.gradient;
    terms.policy.iter().zip(&terms.reward).map(|(p, r)| p.clone().unwrap() + r).collect()
}

fn plus<T: Field>(x: &[T], y: &[T]) -> Vec<T> {
    x.iter().zip(y).map(|(x, y)| x.clone() + y).collect()
}

/// Values that are not `V`.
fn wrong_values<T: Field>(n: usize) -> Vec<T> {
    (0..n).map(|s| T::from_ratio(2 * s as i64 - 1, 3)).collect()
}

fn unbiased<T: Field>(n: usize) -> Vec<Box<dyn Form<T>>> {
    vec![
        Box::new(Score),
        Box::new(Td { fitted: None }),
        Box::new(Return { baseline: Baseline::None }),
        Box::new(Return { baseline: Baseline::Exact }),
        Box::new(Return { baseline: Baseline::Fitted(wrong_values(n)) }),
    ]
}

fn biased<T: Field>(n: usize) -> Vec<Box<dyn Form<T>>> {
    vec![Box::new(Printed), Box::new(OneStepLate), Box::new(Td { fitted: Some(wrong_values(n)) })]
}

/// The mean of the TD form with values `v`: the adjoint form with `v` in place
/// of `V` after each step.
fn bootstrapped_gradient<T: Field>(deployed: &Deployed<'_, T>, v: &[T]) -> Vec<T> {
    let (performance, policy) = (deployed.performance(), deployed.policy());
    let (mdp, evaluation) = (&performance.mdp, &performance.evaluation);
    let gamma = mdp.gamma();
    let pulled = performance.pullback.pull(&Cotangent {
        transition: &|s, a, t| evaluation.occupancy(s, a).clone() * gamma * &v[t],
        reward: &|s, a| evaluation.occupancy(s, a).clone(),
    });
    let action_value = |pair: usize| {
        let (s, a) = (pair / mdp.n_actions(), pair % mdp.n_actions());
        let next = T::sum_of_products(mdp.kernel().row(s, a).map(|(t, p)| (p, &v[t])));
        Some(next * gamma + deployed.reward(pair))
    };
    let action_values: Vec<Option<T>> = (0..deployed.n_pairs()).map(action_value).collect();
    let through_policy: Vec<T> = policy_term(policy, &evaluation.state_occupancy, &action_values)
        .unwrap()
        .into_iter()
        .map(Option::unwrap)
        .collect();
    let rest = plus(
        &pulled.transition.to_parameters(policy).unwrap(),
        &pulled.reward.to_parameters(policy).unwrap(),
    );
    plus(&through_policy, &rest)
}

fn assert_close(seen: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(seen.len(), expected.len());
    for (k, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        assert!(
            (seen - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what} [{k}]: {seen} for {expected}"
        );
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

mod enumerated {
    use super::*;

    /// Horizons on which nothing of `LAYERS` is cut off.
    const COMPLETE: [Horizon; 2] = [Horizon::Truncated(3), Horizon::Geometric];

    #[test]
    fn unbiased_forms_have_the_gradient_as_mean_in_fractions() {
        exactly(LAYERS, |deployed| {
            let truth = gradient(deployed.performance());
            for horizon in COMPLETE {
                for form in unbiased(4) {
                    let all = enumerate(deployed, &*form, horizon, 3).unwrap();
                    assert_eq!(all.moments.mean, truth, "{}", form.name());
                    assert_eq!(all.probability, Rational::from_integer(1.into()));
                    assert_eq!(form.bias(), None);
                }
            }
        });
    }

    #[test]
    fn the_printed_and_the_late_form_lose_exactly_the_transition_term() {
        exactly(LAYERS, |deployed| {
            let lost = without_transitions(deployed.performance());
            assert_ne!(lost, gradient(deployed.performance()));
            for horizon in COMPLETE {
                for form in [&Printed as &dyn Form<Rational>, &OneStepLate] {
                    assert_eq!(
                        enumerate(deployed, form, horizon, 3).unwrap().moments.mean,
                        lost,
                        "{}",
                        form.name()
                    );
                    assert!(form.bias().is_some());
                }
            }
        });
    }

    #[test]
    fn fitted_values_bias_the_td_form_as_predicted() {
        exactly(LAYERS, |deployed| {
            // Values that are wrong where nothing happens any more would add up
            // beyond the third step: the absorbing state has its own.
            let mut values = wrong_values(4);
            values[3] = Rational::from_integer(0.into());
            let predicted = bootstrapped_gradient(deployed, &values);
            assert_ne!(predicted, gradient(deployed.performance()));
            let form = Td { fitted: Some(values) };
            for horizon in COMPLETE {
                assert_eq!(enumerate(deployed, &form, horizon, 3).unwrap().moments.mean, predicted);
            }
        });
    }

    #[test]
    fn undiscounted_forms_are_the_known_mistakes() {
        for json in [LAYERS, AFFINE_LAYERS] {
            undiscounted(json);
        }
    }

    fn undiscounted(json: &str) {
        let mistakes = mistaken_answers(&read(json)).unwrap();
        let of = |id: &str| -> Vec<f64> {
            let mistake = mistakes.iter().find(|mistake| mistake.id == id).unwrap();
            mistake.readings[0].1.iter().map(|g| g.unwrap()).collect()
        };
        doubles(json, |deployed| {
            for (form, id) in [
                (Undiscounted::Everywhere, "undiscounted-occupancy"),
                (Undiscounted::Transition, "transition-term-undiscounted"),
            ] {
                let mean = enumerate(deployed, &form, Horizon::Truncated(3), 0).unwrap().moments.mean;
                assert_close(&mean, &of(id), 1e-12, id);
                let difference =
                    plus(&mean, &gradient(deployed.performance()).iter().map(|g| -g).collect::<Vec<_>>());
                assert!(norm(&difference) > 1e-3, "{id} is no mistake here");
            }
        });
    }

    /// Also: an episode of a geometric horizon that is cut has the same mean.
    #[test]
    fn truncation_biases_by_exactly_what_is_predicted() {
        exactly(LOOP, |deployed| {
            let truth = gradient(deployed.performance());
            for length in 1..=4 {
                let truncation = Truncation::new(deployed, length).unwrap();
                for horizon in [Horizon::Truncated(length), Horizon::Geometric] {
                    for form in unbiased(2) {
                        let returns = form.name().starts_with("return");
                        let bias = if returns { truncation.returns() } else { truncation.bootstrapped() };
                        let all = enumerate(deployed, &*form, horizon, length).unwrap();
                        assert_eq!(all.moments.mean, plus(&truth, &bias), "{} {horizon:?}", form.name());
                    }
                }
            }
        });
    }

    #[test]
    fn truncation_with_entropy_and_with_responses_elsewhere() {
        for json in [ENTROPY, AFFINE] {
            doubles(json, |deployed| {
                let truth = gradient(deployed.performance());
                let truncation = Truncation::new(deployed, 3).unwrap();
                for form in unbiased(deployed.n_states()) {
                    let returns = form.name().starts_with("return");
                    let bias = if returns { truncation.returns() } else { truncation.bootstrapped() };
                    let all = enumerate(deployed, &*form, Horizon::Truncated(3), 3).unwrap();
                    assert_close(&all.moments.mean, &plus(&truth, &bias), 1e-12, form.name());
                }
            });
        }
    }

    #[test]
    fn the_bound_on_the_truncation_bias_holds_and_is_not_absurd() {
        for json in [LOOP, ENTROPY, AFFINE] {
            doubles(json, |deployed| {
                let bound = TruncationBound::new(deployed).unwrap();
                for length in [1, 2, 5, 20, 60] {
                    let truncation = Truncation::new(deployed, length).unwrap();
                    for (bias, bound) in [
                        (norm(&truncation.bootstrapped()), bound.bootstrapped(length)),
                        (norm(&truncation.returns()), bound.returns(length)),
                    ] {
                        assert!(bias <= bound * (1.0 + 1e-12), "{bias} > {bound} at {length}");
                        assert!(bound <= 30.0 * bias, "{bias} << {bound} at {length}");
                    }
                }
            });
        }
    }
}

mod recursions {
    use super::*;

    fn all<T: Field>(n: usize) -> impl Iterator<Item = Box<dyn Form<T>>> {
        unbiased(n).into_iter().chain(biased(n))
    }

    #[test]
    fn means_and_variances_are_the_enumerated_ones_in_fractions() {
        exactly(LAYERS, |deployed| {
            for form in all(4) {
                // Beyond the third step only values that are wrong in the absorbing
                // state still add something.
                if form.name() == "td-fitted" || form.name() == "return-fitted-baseline" {
                    continue;
                }
                let enumerated = enumerate(deployed, &*form, Horizon::Geometric, 3).unwrap().moments;
                assert_eq!(
                    moments(deployed, &*form, Horizon::Geometric).unwrap(),
                    enumerated,
                    "{}",
                    form.name()
                );
            }
        });
        exactly(LOOP, |deployed| {
            for form in all(2) {
                for length in [1, 3] {
                    let horizon = Horizon::Truncated(length);
                    let enumerated = enumerate(deployed, &*form, horizon, 0).unwrap().moments;
                    assert_eq!(moments(deployed, &*form, horizon).unwrap(), enumerated, "{}", form.name());
                }
            }
        });
    }

    /// On an endless problem, in exact fractions, with the exact gradient.
    #[test]
    fn geometric_means_are_the_gradient_or_what_is_predicted() {
        exactly(LOOP, |deployed| {
            let performance = deployed.performance();
            for form in unbiased(2) {
                let mean = moments(deployed, &*form, Horizon::Geometric).unwrap().mean;
                assert_eq!(mean, gradient(performance), "{}", form.name());
            }
            for form in [&Printed as &dyn Form<Rational>, &OneStepLate] {
                let mean = moments(deployed, form, Horizon::Geometric).unwrap().mean;
                assert_eq!(mean, without_transitions(performance), "{}", form.name());
            }
            let values = wrong_values(2);
            let form = Td { fitted: Some(values.clone()) };
            let mean = moments(deployed, &form, Horizon::Geometric).unwrap().mean;
            assert_eq!(mean, bootstrapped_gradient(deployed, &values));
        });
    }

    #[test]
    fn doubles_with_entropy_and_the_gridworld() {
        let world = examples::example("gridworld").unwrap().to_json();
        for json in [ENTROPY, AFFINE, &world] {
            doubles(json, |deployed| {
                let truth = gradient(deployed.performance());
                for form in unbiased(deployed.n_states()) {
                    let mean = moments(deployed, &*form, Horizon::Geometric).unwrap().mean;
                    assert_close(&mean, &truth, 1e-11, form.name());
                }
                let mean = moments(deployed, &Printed, Horizon::Geometric).unwrap().mean;
                assert_close(&mean, &without_transitions(deployed.performance()), 1e-11, "printed");
            });
        }
    }

    #[test]
    fn baselines_reduce_the_variance_here() {
        let world = examples::example("gridworld").unwrap().to_json();
        for json in [LOOP, ENTROPY, &world] {
            doubles(json, |deployed| {
                let mut rng = ChaCha8Rng::seed_from_u64(5);
                let plain = Return { baseline: Baseline::None };
                let fit = Estimator::new(deployed, &plain, Horizon::Geometric)
                    .unwrap()
                    .fit(2000, &mut rng)
                    .unwrap();
                let total = |form: &dyn Form<f64>| -> f64 {
                    moments(deployed, form, Horizon::Geometric).unwrap().variance.iter().sum()
                };
                let (plain, fitted) =
                    (total(&plain), total(&Return { baseline: Baseline::Fitted(fit.values) }));
                let exact = total(&Return { baseline: Baseline::Exact });
                let td = total(&Td { fitted: None });
                println!("none {plain:.4}, fitted {fitted:.4}, exact {exact:.4}, td {td:.4}");
                assert!(
                    fitted < 0.95 * plain && exact < 0.95 * plain && td < exact,
                    "{plain} {fitted} {exact} {td}"
                );
            });
        }
    }
}

mod sampled {
    use super::*;

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
            let t = |(k, truth): (usize, &f64)| {
                (self.mean(k) - truth).abs() / (self.variance(k) / self.count).sqrt()
            };
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
            assert!((enumerated.steps - 3.0).abs() < 1e-12 && (enumerated.probability - 1.0).abs() < 1e-12);
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
            let second =
                |s: usize| first(s) + 0.5 * (0..2).map(|t| chain.entry(s, t) * first(t)).sum::<f64>();
            let rho = mdp.initial();
            let later = |s: usize| 0.5 * (0..2).map(|t| rho[t] * chain.entry(t, s)).sum::<f64>();
            let fitted = |s: usize| (rho[s] * second(s) + later(s) * first(s)) / (rho[s] + later(s));
            assert_close(&fit.values, &[fitted(0), fitted(1)], 2e-2, "V of two steps");
        });
    }
}

mod two_point {
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
}

#[test]
fn nonsense_is_refused() {
    doubles(LOOP, |deployed| {
        let refused = |form: &dyn Form<f64>, horizon| Estimator::new(deployed, form, horizon).err();
        assert_eq!(refused(&Score, Horizon::Truncated(0)), Some(EstimateError::Zero { what: "the horizon" }));
        let undiscounted = Some(EstimateError::Horizon { form: "undiscounted" });
        assert_eq!(refused(&Undiscounted::Everywhere, Horizon::Geometric), undiscounted);
        let form = Td { fitted: Some(vec![0.0]) };
        assert_eq!(refused(&form, Horizon::Geometric), Some(EstimateError::Values { seen: 1, expected: 2 }));
        let form = Return { baseline: Baseline::Fitted(vec![0.0; 3]) };
        assert_eq!(refused(&form, Horizon::Geometric), Some(EstimateError::Values { seen: 3, expected: 2 }));
        let estimator = Estimator::new(deployed, &Score, Horizon::Geometric).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!(matches!(estimator.sample(0, &mut rng), Err(EstimateError::Zero { .. })));
        assert!(matches!(estimator.fit(0, &mut rng), Err(EstimateError::Zero { .. })));
        assert!(matches!(
            enumerate(deployed, &Score, Horizon::Geometric, 0),
            Err(EstimateError::Zero { .. })
        ));
        let form = Undiscounted::Transition;
        let refused = moments(deployed, &form, Horizon::Truncated(2)).err();
        assert_eq!(refused, Some(EstimateError::Undiscounted { form: "undiscounted-transition" }));
        let zero = |_: &[f64], _: &mut ChaCha8Rng| {
            Ok::<_, EstimateError>(SampledValue { value: 0.0, episodes: 0, steps: 0 })
        };
        let none = TwoPoint { radius: 1.0, directions: 0 }.estimate(&[0.0], &mut rng, zero);
        assert!(matches!(none, Err(EstimateError::Zero { .. })));
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let estimate = TwoPoint { radius, directions: 1 }.estimate(&[0.0], &mut rng, zero);
            assert!(matches!(estimate, Err(EstimateError::Radius { .. })), "{radius}");
        }
    });
    let problem = read(LOOP);
    let model = problem.model::<f64>().unwrap();
    let weights = problem.deployed_policy::<f64>().unwrap();
    let performance = model.perform(&weights).unwrap();
    let policy = Policy::uniform(2, 2);
    assert_eq!(Deployed::new(&performance, &policy, &0.0).err(), Some(EstimateError::Unconstrained));
}
