//! Landscapes along one coordinate, against direct evaluation and the exact
//! gradient.

use std::cmp::Ordering;

use num_traits::Zero;
use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::oracle::examples;
use pemdp::policy::Policy;
use pemdp::policy::{Probabilities, Weights};
use pemdp::problem::{PolicySpec, Problem, Reading};
use pemdp_optimum::{End, Extremum, Landscape, LandscapeError, Polynomial};

use super::{Family, corners};
use crate::case::Case;
use crate::claim::Effort;
use crate::tolerances::{BALLS_SOLVED, ILL_CONDITIONED, THREE_DIGITS, ULPS};

fn example(name: &str) -> Problem {
    Problem::from_json(&examples::example(name).unwrap().to_json(), Reading::Exact).unwrap()
}

fn kinds(landscape: &Landscape) -> Vec<Extremum> {
    landscape.critical_points.iter().map(|c| c.extremum).collect()
}

/// `J` and `dJ/dtheta[s,a]` of a problem with one weight replaced.
fn directly(problem: &Problem, (state, action): (usize, usize), w: &Rational) -> (Rational, Rational) {
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let (model, _) = problem.rational_model().unwrap();
    let (PolicySpec::Weights(Weights { values }) | PolicySpec::Probabilities(Probabilities { values })) =
        &problem.policy()
    else {
        panic!("a rational problem")
    };
    let mut weights: Vec<Rational> = values.iter().map(|w| w.lift()).collect();
    weights[state * n_actions + action] = w.clone();
    let policy = Policy::weights(n_states, n_actions, weights).unwrap();
    let performance = model.perform(&policy).unwrap();
    let gradient = performance.gradient.total()[state * n_actions + action].clone().unwrap();
    (performance.evaluation.value, gradient)
}

/// Values, slopes, critical points and limits against direct evaluation.
fn check(problem: &Problem, at: (usize, usize)) -> Landscape {
    let landscape = Landscape::along(problem, at.0, at.1).unwrap();
    let points = &landscape.critical_points;
    for w in [ratio(1, 1000), ratio(1, 7), ratio(2, 3), ratio(1, 1), ratio(13, 5), ratio(900, 1)] {
        let (value, slope) = directly(problem, at, &w);
        assert_eq!((landscape.at(&w), landscape.slope_at(&w)), (value, slope));
    }
    for point in points {
        let (below, above) = (directly(problem, at, &point.low), directly(problem, at, &point.high));
        let signs = [&below.1, &above.1].map(|slope| slope.cmp(&Rational::zero()));
        let expected = match signs {
            [Ordering::Greater, Ordering::Less] => Extremum::Maximum,
            [Ordering::Less, Ordering::Greater] => Extremum::Minimum,
            _ => Extremum::Neither,
        };
        assert_eq!(point.extremum, expected);
        assert!(signs.iter().all(|sign| sign.is_ne()), "{point:?}");
        if let Some(w) = &point.exact {
            let (value, slope) = directly(problem, at, w);
            assert_eq!((slope, [value.clone(), value]), (Rational::zero(), point.value.clone()));
        }
        let slack = &point.value[1] - &point.value[0];
        assert!(slack >= Rational::zero() && slack.approximate() < BALLS_SOLVED);
        let least = (&below.0).max(&above.0);
        match point.extremum {
            Extremum::Maximum => assert!(&point.value[1] >= least),
            Extremum::Minimum => assert!(&point.value[0] <= (&below.0).min(&above.0)),
            Extremum::Neither => {}
        }
        let theta = point.theta();
        assert!(theta[0] <= theta[1] && (theta[0] - point.low.approximate().ln()).abs() < ILL_CONDITIONED);
    }
    // Between critical points the slope keeps its sign; beyond them values tend
    // to the limits.
    let mut ends = vec![Rational::zero()];
    ends.extend(points.iter().flat_map(|c| [c.low.clone(), c.high.clone()]));
    ends.push(ends.last().unwrap() * ratio(2, 1) + ratio(1, 1));
    for gap in ends.chunks(2) {
        let inside = [ratio(1, 100), ratio(1, 2), ratio(99, 100)].map(|x| &gap[0] + (&gap[1] - &gap[0]) * x);
        let signs = inside.map(|w| directly(problem, at, &w).1.cmp(&Rational::zero()));
        assert!(signs.iter().all(|sign| sign == &signs[0]), "{signs:?} in {gap:?}");
        assert!(signs[0].is_ne() || points.is_empty());
    }
    for (limit, w) in landscape.limits.iter().zip([ratio(2, 1).power(-200), ratio(2, 1).power(200)]) {
        let difference = (directly(problem, at, &w).0 - limit).approximate().abs();
        assert!(difference < 1e-30 * 1e6, "{difference}");
    }
    landscape
}

#[test]
fn a_has_two_maxima_and_a_minimum() {
    let landscape = check(&example("local-maximum"), (0, 0));
    assert_eq!(kinds(&landscape), [Extremum::Maximum, Extremum::Minimum, Extremum::Maximum]);
    let [first, _, second] = landscape.critical_points.as_slice() else { panic!() };
    assert!(
        (first.value[0].approximate() - 6.0).abs() < 2e-3 && (first.theta()[0] + 4.605).abs() < THREE_DIGITS
    );
    assert!(
        (second.value[0].approximate() - 7.5).abs() < 2e-3
            && (second.theta()[0] - 4.605).abs() < THREE_DIGITS
    );
    assert_eq!(landscape.limits, [ratio(0, 1), ratio(0, 1)]);
    assert_eq!(landscape.supremum().1, End::Critical(2));
    let basin = landscape.basin(&ratio(1, 7)).unwrap();
    assert_eq!(basin.end, End::Critical(0));
    assert!(landscape.slope_sign(basin.high.as_ref().unwrap()).is_lt());
    assert!(basin.low.is_zero() || landscape.slope_sign(&basin.low).is_gt());
    let ceiling = ratio(7, 1);
    assert!(landscape.is_below(&ceiling, &basin.low, basin.high.as_ref()));
    assert!(!landscape.is_below(&ratio(59, 10), &basin.low, basin.high.as_ref()), "J exceeds 5.9 there");
    assert!(!landscape.is_below(&ceiling, &basin.low, None), "beyond the basin J reaches 7.5");
    assert!(landscape.at(&landscape.better_than(&ceiling).unwrap()) > ceiling);
    assert_eq!(landscape.better_than(&ratio(8, 1)), None);
    assert_eq!(landscape.basin(&ratio(1, 1)).unwrap().end, End::Critical(2));
}

#[test]
fn b_has_its_minimum_at_four_fifths() {
    // p = w/(w + 0.56) = 4/9
    let landscape = check(&example("two-basins"), (0, 0));
    let [point] = landscape.critical_points.as_slice() else { panic!() };
    assert_eq!((point.exact.clone(), point.extremum), (Some(ratio(4, 5) * ratio(14, 25)), Extremum::Minimum));
    assert_eq!(landscape.limits, [ratio(8, 5), ratio(2, 1)]);
    assert_eq!(landscape.supremum(), ([ratio(2, 1), ratio(2, 1)], End::Infinity));
    assert_eq!(landscape.basin(&ratio(11, 25)).unwrap().end, End::Zero);
    assert_eq!(landscape.basin(point.exact.as_ref().unwrap()), None);
    let up = landscape.basin(&ratio(1, 2)).unwrap();
    assert_eq!((up.end, up.high), (End::Infinity, None));
    assert!(
        landscape.is_below(&ratio(201, 100), &up.low, None)
            && !landscape.is_below(&ratio(2, 1), &up.low, None)
    );
}

#[test]
fn c_falls_from_its_limit_and_rises_to_one() {
    let landscape = check(&example("vanishing"), (0, 0));
    assert_eq!(kinds(&landscape), [Extremum::Minimum]);
    assert_eq!(landscape.limits, [ratio(3, 4), ratio(1, 1)]);
    // The positive root of w^2 + w/2 - 3/4 is (sqrt 13 - 1)/4.
    let root = (13f64.sqrt() - 1.0) / 4.0;
    assert!((landscape.critical_points[0].low.approximate() - root).abs() < ULPS);
    assert_eq!(landscape.critical_points[0].exact, None);
    assert_eq!((landscape.numerator.degree(), landscape.degree_bound), (2, 2));
}

#[test]
fn the_loan_is_optimal_at_a_quarter_in_both_forms() {
    for (name, value) in [("loan", ratio(1, 8)), ("loan-mdp", ratio(1, 24))] {
        let landscape = check(&example(name), (0, 0));
        let [point] = landscape.critical_points.as_slice() else { panic!("{name}") };
        let w = point.exact.clone().unwrap();
        // The other weight: 1/2 as a probability, 2 in the MDP form.
        let other = if name == "loan" { ratio(1, 2) } else { ratio(2, 1) };
        assert_eq!(&w / (&w + other), ratio(1, 4));
        assert_eq!((point.extremum, &point.value[0]), (Extremum::Maximum, &value));
        assert_eq!(landscape.limits[0], ratio(0, 1), "nobody is approved");
    }
}

#[test]
fn other_kinds_of_environments() {
    check(&example("coin"), (0, 1));
    let affine = example("affine");
    for (s, a) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        check(&affine, (s, a));
    }
    assert!(matches!(Landscape::along(&affine, 2, 0), Err(LandscapeError::NoParameter { .. })));
    let gridworld = Landscape::along(&example("gridworld"), 0, 0);
    assert!(matches!(gridworld, Err(LandscapeError::Rational(_))));
}

#[test]
fn families_agree_with_direct_evaluation() {
    let effort = Effort { seed: 3, instances: 30 };
    let random = (0..30).map(|i| Family::random(&mut effort.random("landscape", i), 2));
    let mut extrema = [0; 3];
    for mut family in corners().into_iter().chain(random) {
        family.amplitudes.fill(Rational::zero());
        let problem = Problem::from_json(&family.to_json().to_string(), Reading::Exact).unwrap();
        for i in 0..family.n_parameters().min(4) {
            let landscape = check(&problem, (i / family.n_actions, i % family.n_actions));
            for kind in kinds(&landscape) {
                extrema[kind as usize] += 1;
            }
        }
    }
    assert!(extrema[0] > 0 && extrema[1] > 5, "{extrema:?}");
}

#[test]
fn a_wrong_degree_is_noticed() {
    let problem = example("vanishing");
    let (model, _) = problem.rational_model().unwrap();
    let at = |w: &Rational| {
        let policy = Policy::weights(4, 1, vec![w.clone(), ratio(1, 1), ratio(1, 1), ratio(1, 1)]).unwrap();
        Ok(pemdp_optimum::value_and_determinant(&model, &policy)?)
    };
    let enough = Polynomial::from_integers(&[1, 1, 1]);
    assert!(Landscape::interpolated(&enough, at).is_ok());
    for wrong in [Polynomial::from_integers(&[1, 1]), Polynomial::from_integers(&[1, 2, 1])] {
        // The second has the right degree but does not clear the row.
        let result = Landscape::interpolated(&wrong, at);
        assert!(matches!(result, Err(LandscapeError::Disagreement { .. })), "{result:?}");
    }
}
