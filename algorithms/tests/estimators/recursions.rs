use super::*;
use crate::tolerances::DIFFERENTIATED;

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
            assert_eq!(moments(deployed, &*form, Horizon::Geometric).unwrap(), enumerated, "{}", form.name());
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
                assert_close(&mean, &truth, DIFFERENTIATED, form.name());
            }
            let mean = moments(deployed, &Printed, Horizon::Geometric).unwrap().mean;
            assert_close(&mean, &without_transitions(deployed.performance()), DIFFERENTIATED, "printed");
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
            let fit =
                Estimator::new(deployed, &plain, Horizon::Geometric).unwrap().fit(2000, &mut rng).unwrap();
            let total = |form: &dyn Form<f64>| -> f64 {
                moments(deployed, form, Horizon::Geometric).unwrap().variance.iter().sum()
            };
            let (plain, fitted) = (total(&plain), total(&Return { baseline: Baseline::Fitted(fit.values) }));
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
