use super::*;
use crate::tolerances::SOLVED;

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
            assert_close(&mean, &of(id), SOLVED, id);
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
                assert_close(&all.moments.mean, &plus(&truth, &bias), SOLVED, form.name());
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
                    assert!(bias <= bound * (1.0 + SOLVED), "{bias} > {bound} at {length}");
                    assert!(bound <= 30.0 * bias, "{bias} << {bound} at {length}");
                }
            }
        });
    }
}
