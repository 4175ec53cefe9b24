//! The printed error bounds against exact fractions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod common;

#[path = "common/tolerances.rs"]
mod tolerances;

use common::{DISCOUNTS, RATIONAL_KINDS, rational_problem, read, sized_rational_problem};
use num_traits::{Signed, Zero};
use pemdp::arithmetic::{Field, Rational};
use pemdp::problem::Problem;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use statrs::statistics::{Data, OrderStatistics};
use tolerances::FORMULA;

/// A number of an exact answer.
fn fraction(text: &str) -> Rational {
    text.parse().unwrap()
}

fn distance(printed: f64, exact: &str) -> Rational {
    (Rational::from_f64(printed) - fraction(exact)).abs()
}

fn largest(errors: impl Iterator<Item = Rational>) -> Rational {
    errors.fold(Rational::zero(), |largest, error| if error > largest { error } else { largest })
}

/// A quantity's true error, its bound, and the size of its largest entry.
struct Measured {
    error: Rational,
    bound: f64,
    size: f64,
}

fn measure(problem: &Problem) -> Vec<Measured> {
    let answer = problem.answer().unwrap();
    let exact = problem.exact_answer().unwrap();
    let size = |entries: &mut dyn Iterator<Item = f64>| entries.fold(0.0, |m: f64, x| m.max(x.abs()));
    let pairs = |a: &[f64], b: &[String]| -> Vec<Rational> {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| distance(*a, b)).collect()
    };
    let optional = |a: &[Option<f64>], b: &[Option<String>]| -> Vec<Rational> {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| distance(a.unwrap(), b.as_ref().unwrap())).collect()
    };
    let bounds = &answer.error_bounds;
    let (terms, exact_terms) = (&answer.gradient_terms, &exact.gradient_terms);
    let mut gradient = optional(&answer.gradient, &exact.gradient);
    gradient.extend(optional(&terms.policy, &exact_terms.policy));
    gradient.extend(pairs(&terms.transition, &exact_terms.transition));
    gradient.extend(pairs(&terms.reward, &exact_terms.reward));
    gradient.extend(pairs(&terms.entropy, &exact_terms.entropy));
    vec![
        Measured {
            error: distance(answer.value, &exact.value),
            bound: bounds.value,
            size: answer.value.abs(),
        },
        Measured {
            error: largest(pairs(&answer.state_values, &exact.state_values).into_iter()),
            bound: bounds.state_values,
            size: size(&mut answer.state_values.iter().copied()),
        },
        Measured {
            error: largest(
                optional(&answer.action_values.concat(), &exact.action_values.concat()).into_iter(),
            ),
            bound: bounds.action_values,
            size: size(&mut answer.action_values.concat().into_iter().flatten()),
        },
        Measured {
            error: pairs(&answer.occupancy.concat(), &exact.occupancy.concat()).into_iter().sum(),
            bound: bounds.occupancy,
            size: size(&mut answer.occupancy.concat().into_iter()),
        },
        Measured {
            error: largest(gradient.into_iter()),
            bound: bounds.gradient,
            size: size(&mut answer.gradient.iter().flatten().copied()),
        },
    ]
}

/// Checks that the bounds bound; returns the ratios to the larger of the true
/// error and one unit in the last place, and the largest relative bound.
fn attack(problems: impl Iterator<Item = String>) -> (Vec<f64>, f64) {
    let mut ratios = Vec::new();
    let mut relative: f64 = 0.0;
    for json in problems {
        for (quantity, measured) in measure(&read(&json)).into_iter().enumerate() {
            let Measured { error, bound, size } = measured;
            assert!(error <= Rational::from_f64(bound), "quantity {quantity} of {json}");
            let ulp = size.next_up() - size;
            ratios.push(bound / error.approximate().max(ulp));
            relative = relative.max(bound / size.max(1.0));
        }
    }
    (ratios, relative)
}

#[test]
fn bounds_hold_and_are_tight_on_random_rational_problems() {
    let mut rng = ChaCha8Rng::seed_from_u64(2512);
    let problems = (0..60).flat_map(|_| RATIONAL_KINDS).enumerate();
    let (ratios, relative) = attack(
        problems.map(|(i, kind)| rational_problem(&mut rng, kind, DISCOUNTS[i / 7 % DISCOUNTS.len()])),
    );
    assert!(ratios.len() >= 2000);
    let median = Data::new(ratios.clone()).median();
    println!("bound / max(error, ulp): median {median:.2}; largest relative {relative:.1e}");
    assert!(median <= 3.0, "median ratio {median}");
    assert!(relative <= FORMULA, "relative bound {relative}");
}

#[test]
fn bounds_stay_tight_at_a_hundred_states() {
    let mut rng = ChaCha8Rng::seed_from_u64(100);
    let problems = [(20, 0.99), (40, 0.99), (100, 0.875)];
    let (ratios, relative) =
        attack(problems.into_iter().map(|(n, gamma)| sized_rational_problem(&mut rng, "fixed", gamma, n, 2)));
    let median = Data::new(ratios).median();
    println!("bound / max(error, ulp): median {median:.2}; largest relative {relative:.1e}");
    assert!(median <= 3.0 && relative <= FORMULA, "median {median}, relative {relative}");
}
