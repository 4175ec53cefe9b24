//! Searches of small families.

use super::*;
use crate::tolerances::{FORMULA, ILL_CONDITIONED, SOLVED, ULPS};

/// A problem of two states and two actions, with a box or without.
fn small(environment: &str, bound: Option<f64>) -> (Problem, Rectangular) {
    let json = format!(
        r#"{{"format":"pemdp-problem/1","gamma":"3/4","initial":["1/4","3/4"],
                "policy":{{"kind":"weights","values":[[1,1],[1,1]]}},
                "environment":{{"kind":"exponential-family",{environment}}}}}"#
    );
    let problem = Problem::from_json(&json, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
    let family = Rectangular::new(&problem, bound).unwrap();
    (problem, family)
}

const MOVING: &str = r#""psi":[1,-1],"base_weights":[[[1,2],[3,1]],[[1,1],[1,4]]],
        "reward":{"base":[[1,-2],["1/2",3]],"slope":"1/4","clip":2}"#;

#[test]
fn base_measures_are_read_as_ratios() {
    let long = format!("1{}", "0".repeat(400));
    let environment = format!(
        r#""psi":[1,-1],"base_weights":[[[1,"{long}"],[3,1]],[[1,0],[1,4]]],
                "reward":{{"base":[[1,-2],["1/2",3]],"slope":0,"clip":null}}"#
    );
    let (problem, family) = small(&environment, None);
    let row = &family.rows[0];
    assert_eq!((row.ratios[1].lower(), row.ratios[1].upper() > 0.0), (0.0, true));
    assert_eq!(row.ratios[2], of(f64::MAX, f64::INFINITY));
    assert!(is_near(family.rows[1].ratios[1].approximate(), 3.0, ULPS));
    assert!(is_near(family.rows[1].ratios[2].approximate(), 1.0 / 3.0, ULPS));
    assert_eq!(family.rows[1].psi[1], Interval::point(2.0));
    assert_eq!(family.rows[2].support, [0]);
    let Structure::LocalFamily(given) = problem.structure() else { panic!() };
    let base = &given.base;
    assert_eq!((weight(base, 5), weight(base, 7)), (None, Some(Rational::from_f64(4.0))));
    let logits = r#"{"format":"pemdp-problem/1","gamma":0.75,"initial":[0.25,0.75],
            "policy":{"kind":"weights","values":[[1,1],[1,1]]},
            "environment":{"kind":"exponential-family","psi":[1,-1],
                "base_logits":[[[1,2],[0.5,null]],[[0,0],[0,0]]],
                "reward":{"base":[[1,-2],[0.5,3]],"slope":0,"clip":null}}}"#;
    let logits = Problem::from_json(logits, Reading::Doubles).unwrap_or_else(|error| panic!("{error}"));
    let Structure::LocalFamily(given) = logits.structure() else { panic!() };
    let base = &given.base;
    assert!(is_near(ratio(base, 1, 0).approximate(), f64::exp(1.0), FORMULA));
    assert_eq!((weight(base, 2), weight(base, 3)), (Some(Rational::from_ratio(1, 2)), None));
}

/// Values, and bounds below them, of given choices.
#[test]
fn values_of_choices_are_those_of_the_policy() {
    let (problem, family) = small(MOVING, Some(2.0));
    let model = problem.model::<f64>().unwrap();
    let parameters = [[0.5, -1.0], [1.5, 0.25]];
    let choices: Vec<Choice> =
        parameters.iter().map(|x| Choice { parameters: x.to_vec(), only: None }).collect();
    let policy = Policy::softmax(2, 2, parameters.concat()).unwrap();
    let exact = model.perform(&policy).unwrap().evaluation;
    let values = family.values(&choices);
    let mean = 0.25 * values[0] + 0.75 * values[1];
    assert!(is_near(mean, exact.value, SOLVED), "{mean} {}", exact.value);
    let bounds = family.lower_bounds(&choices, &values);
    assert!((0..2).all(|s| bounds[s] <= values[s] && is_near(bounds[s], values[s], SOLVED)));
    // Guesses that are too large fall by the largest loss over 1 - gamma.
    for raised in [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]] {
        let w: Vec<f64> = (0..2).map(|s| values[s] + raised[s]).collect();
        let image: Vec<f64> = (0..2)
            .map(|s| {
                let policy = choices[s].policy();
                (0..2)
                    .map(|a| {
                        let gain = family.gain(s, a, &w, w[s], None);
                        policy[a].approximate() * gain.at(parameters[s][a]).approximate()
                    })
                    .sum()
            })
            .collect();
        let fall = f64::max(-image[0], -image[1]).max(0.0) / 0.25;
        let bounds = family.lower_bounds(&choices, &w);
        assert!((0..2).all(|s| is_near(bounds[s], w[s] - fall, SOLVED)), "{bounds:?} {w:?} {fall}");
        assert!((0..2).all(|s| bounds[s] <= values[s]));
    }
    // The mean gain of a state under its own value is what the mean of the kernel is.
    let limits = [Choice::limit(2, 0, 1.0), Choice::limit(2, 1, -2.0)];
    let values = family.values(&limits);
    let bounds = family.lower_bounds(&limits, &values);
    assert!((0..2).all(|s| bounds[s] <= values[s] && is_near(bounds[s], values[s], SOLVED)));
    let kernel = |h: [f64; 2], x: f64| {
        let terms = [h[0] * f64::exp(x), h[1] * f64::exp(-x)];
        terms.map(|term| term / (terms[0] + terms[1]))
    };
    let (p, q) = (kernel([1.0, 2.0], 1.0), kernel([1.0, 4.0], -2.0));
    for (s, (row, reward)) in [(p, 1.25), (q, 2.0)].into_iter().enumerate() {
        let image = reward + 0.75 * (row[0] * values[0] + row[1] * values[1]);
        assert!(is_near(image, values[s], SOLVED), "{s}: {image} {}", values[s]);
    }
}

#[test]
fn bounds_of_all_values_are_means_of_the_initial_states() {
    let (_, family) = small(MOVING, Some(0.5));
    assert_eq!((family.mean(&[2.0, -1.0]), family.lifted(&[2.0, -1.0], 0.5)), (Interval::point(-0.25), 0.25));
    // The largest reward is 2, for ever: that of 3 is clipped.
    assert_eq!(family.largest_value(), 8.0);
    let environment = MOVING.replace("\"clip\":2", "\"clip\":null");
    // 3 + 1/8 at the end of the box.
    assert_eq!(small(&environment, Some(0.5)).1.largest_value(), 12.5);
    // Where rewards fall, 3 + 1/8 at the other end.
    let falling = environment.replace("\"1/4\",\"clip", "\"-1/4\",\"clip");
    assert_eq!(small(&falling, Some(0.5)).1.largest_value(), 12.5);
    // Without another box the one of rewards that grow.
    assert_eq!(small(&environment, None).1.bound(), Some(DEFAULT_BOUND));
    assert_eq!(small(MOVING, None).1.bound(), None);
    assert_eq!(family.domain(), "all parameters theta in [-0.5, 0.5]");
    for bound in [0.0, -1.0, 301.0, f64::NAN] {
        assert!(check_bound(Some(bound)).is_err(), "{bound}");
    }
    assert_eq!((check_bound(Some(300.0)), check_bound(None)), (Ok(()), Ok(())));
    // States whose rows are the same and do not respond.
    let environment = r#""psi":[1,1],"base_weights":[[[1,2],[1,2]],[[1,2],[1,2]]],
            "reward":{"base":[[1,1],[1,2]],"slope":0,"clip":null}"#;
    assert_eq!(small(environment, None).1.indifferent, [true, false]);
    let second = environment.replace("[[1,1],[1,2]],\"slope", "[[1,2],[3,3]],\"slope");
    assert_eq!(small(&second, None).1.indifferent, [false, true]);
    assert_eq!(small(&environment.replace("[1,1],\"base", "[1,-1],\"base"), None).1.indifferent, [false; 2]);
    let other = environment.replace("[[[1,2],[1,2]]", "[[[1,2],[2,2]]");
    assert_eq!(small(&other, None).1.indifferent, [false; 2]);
}

/// What one state gains over all of its parameters, by a grid of them.
#[test]
fn improvements_of_a_state_are_those_of_a_grid() {
    let bound = 3.0;
    let (_, family) = small(MOVING, Some(bound));
    let w = [1.0, 2.5];
    let kernel = |h: [f64; 2], x: f64| {
        let terms = [h[0] * f64::exp(x), h[1] * f64::exp(-x)];
        terms.map(|term| term / (terms[0] + terms[1]))
    };
    let rows = [[([1.0, 2.0], 1.0), ([3.0, 1.0], -2.0)], [([1.0, 1.0], 0.5), ([1.0, 4.0], 3.0)]];
    let q = |s: usize, a: usize, x: f64| {
        let (h, base) = rows[s][a];
        let p = kernel(h, x);
        f64::clamp(base + 0.25 * x, -2.0, 2.0) + 0.75 * (p[0] * w[0] + p[1] * w[1])
    };
    let f = |s: usize, x: f64, y: f64| {
        let (e, g) = (f64::exp(x), f64::exp(y));
        (e * q(s, 0, x) + g * q(s, 1, y)) / (e + g)
    };
    let grid = || (0..=240).map(|i| -bound + bound * f64::from(i) / 120.0);
    for s in 0..2 {
        let most = grid().flat_map(|x| grid().map(move |y| (x, y))).map(|(x, y)| f(s, x, y));
        let best = most.fold(f64::NEG_INFINITY, f64::max);
        // Gains of the actions, each with its weight.
        let gains = family.largest_gains(s, &w, 1e-6);
        for (a, gain) in gains.iter().enumerate() {
            let most = (0..=60_000)
                .map(|i| -bound + bound * f64::from(i) / 30_000.0)
                .map(|x| f64::exp(x) * (q(s, a, x) - w[s]))
                .fold(f64::NEG_INFINITY, f64::max);
            assert!(*gain >= most - SOLVED && *gain <= most + 2e-7, "{s} {a}: {gain} {most}");
        }
        let (rise, cells) = family.largest_rise(s, &w, 1e-3, &FOREVER);
        let exact = f64::max(best - w[s], 0.0);
        assert!(rise >= exact - 1e-6 && rise <= f64::max(8.0 * exact, 1e-3), "{s}: {rise} {exact}");
        assert!(cells > 0);
        // A share that is more than the rise is proved as it is.
        let (rise, _) = family.largest_rise(s, &w, 4.0 * exact + 1.0, &FOREVER);
        assert_eq!(rise, 4.0 * exact + 1.0);
        let mut cells = 0;
        for band in Rectangular::bands(bound) {
            // Of parameters whose largest lies in the band.
            let most = grid().flat_map(|x| grid().map(move |y| (x, y)));
            let most = most.filter(|(x, y)| x.max(*y) >= band.0 && x.max(*y) <= band.1);
            let most = most.map(|(x, y)| f(s, x, y)).fold(f64::NEG_INFINITY, f64::max) - w[s];
            assert!(!(-0.01..=0.1).contains(&most), "{most}");
            let mut holds = |rise: f64| family.is_at_most(s, &w, band, rise, &FOREVER, &mut cells);
            assert!(holds(4.0 * most.max(0.05)) && holds(f64::INFINITY), "{s} {band:?} {most}");
            assert!(!holds(0.95 * most.max(1e-9)) || most < 0.0, "{s} {band:?} {most}");
        }
        assert!(cells > 0);
        let now = Choice { parameters: vec![0.0; 2], only: None };
        let improvement = family.improve(s, &now, &w, 0.0, &FOREVER);
        let better = improvement.choice.unwrap();
        let reached = f(s, better.parameters[0], better.parameters[1]);
        assert!(better.only.is_none() && improvement.cells > 0);
        assert!(reached - w[s] >= 0.7 * (best - w[s]), "{s}: {reached} {best} {}", w[s]);
        // From far above there is none, and nothing rises by more than what is
        // negligible there.
        let (rise, cells) = family.largest_rise(s, &[1e6; 2], 0.0, &FOREVER);
        assert_eq!((rise, cells > 0), (NEGLIGIBLE * 1e6, true));
        let high = [20.0, 20.0];
        assert!(family.improve(s, &now, &high, 0.0, &FOREVER).choice.is_none());
    }
}

/// Rows that do not respond: the best policy is one action each, in a limit.
#[test]
fn families_that_do_not_respond_are_ordinary() {
    let environment = r#""psi":[0,0],"base_weights":[[[1,0],[0,1]],[[1,1],[0,1]]],
            "reward":{"base":[[1,-1],[0,3]],"slope":0,"clip":null}"#;
    // From state 1 stay for 3: 12. From state 0 stay for 1: 4; or go, -1 + 3/4 12 = 8.
    let (_, family) = small(environment, None);
    let found = search(&family);
    assert!(found.value <= 11.0 && is_near(found.value, 11.0, SOLVED));
    assert!(found.upper >= 11.0 && is_near(found.upper, 11.0, 1e-6));
    assert_eq!((found.attained, found.stop), (false, OptimumStop::Gap));
    assert_eq!(found.policy, [0.0, 1.0, 0.0, 1.0]);
    assert!(is_near(family.best_values()[0], 8.0, SOLVED) && is_near(family.best_values()[1], 12.0, SOLVED));
    let gains = family.largest_gains(0, &[8.0, 12.0], 1e-9);
    assert!(is_near(gains[0], -1.0, SOLVED) && is_near(gains[1], 0.0, SOLVED));
    // Numbers that are exact leave no gap; others leave one.
    let exact = family.search(0.0, &FOREVER, &mut |_| {});
    assert_eq!((exact.upper - exact.value, exact.stop), (0.0, OptimumStop::Gap));
    let inexact = small(MOVING, Some(2.0)).1.search(1e-30, &FOREVER, &mut |_| {});
    assert_eq!((inexact.upper > inexact.value, inexact.stop), (true, OptimumStop::Exhausted));
    let interrupt = Interrupt::raised();
    let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
    let stopped = family.search(1e-6, &halt, &mut |_| {});
    assert_eq!(stopped.stop, OptimumStop::Interrupted);
    // The uniform policy: V = (1 + 3 V/4 (.5, .5) ...) in whole numbers is left to the bound.
    assert!(stopped.upper >= 11.0 && stopped.value <= 11.0 && stopped.upper <= 12.0);
}

/// Without a box: a limit is taken where it is as good, and kept.
#[test]
fn limits_are_preferred_and_kept() {
    // The more state 0 tilts to state 0, the better, without end; both actions alike.
    let environment = r#""psi":[1,-1],"base_weights":[[[1,1],[1,1]],[[1,1],[1,1]]],
            "reward":{"base":[[1,1],[0,0]],"slope":0,"clip":null}"#;
    let (_, family) = small(environment, None);
    let (least, most) = (f64::NEG_INFINITY, f64::INFINITY);
    // Stay in state 0, or go there: 1/(1 - 3/4), and 3/4 of that.
    let w = [4.0, 3.0];
    let improved = |parameters: [f64; 2], only: Option<usize>| {
        family.improve(0, &Choice { parameters: parameters.to_vec(), only }, &w, 0.0, &FOREVER).choice
    };
    let limit = Choice { parameters: vec![most, least], only: Some(0) };
    assert_eq!(improved([0.0, 0.0], None), Some(limit.clone()));
    assert_eq!(improved([30.0, least], Some(0)), Some(limit.clone()));
    assert_eq!(improved([most, least], Some(0)), None);
    // Better than what is worth less, from anywhere.
    let better = family.improve(0, &limit, &[3.5, 3.0], 0.0, &FOREVER).choice;
    assert_eq!(better, Some(limit.clone()));
    // Where the limit is worth less than the value it is not taken instead.
    let now = Choice { parameters: vec![0.0, least], only: Some(0) };
    assert_eq!(family.improve(0, &now, &[4.5, 3.0], 0.0, &FOREVER).choice, None);
    // From a softmax a limit is taken even where it is none better.
    let softmax = Choice { parameters: vec![0.0, 0.0], only: None };
    let first = family.improve(0, &softmax, &[100.0, 100.0], 0.0, &FOREVER).choice;
    assert!(first.is_some_and(|choice| choice.only.is_some()));
    let found = search(&family);
    assert!(is_near(found.value, 0.25 * 4.0 + 0.75 * 3.0, ILL_CONDITIONED) && !found.attained);
    // With one action a parameter that cannot be improved stays.
    let single = r#"{"format":"pemdp-problem/1","gamma":"1/2","initial":[1],
            "policy":{"kind":"weights","values":[[1]]},
            "environment":{"kind":"exponential-family","psi":[0],"base_weights":[[[1]]],
                "reward":{"base":[[1]],"slope":1,"clip":2}}}"#;
    let problem = Problem::from_json(single, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
    let family = Rectangular::new(&problem, None).unwrap();
    let now = Choice { parameters: vec![1.0], only: None };
    assert_eq!(family.improve(0, &now, &[4.5], 0.0, &FOREVER).choice, None);
}

/// How much a state may rise, to the share that is asked for.
#[test]
fn rises_are_bounded_to_their_share() {
    let (_, family) = small(MOVING, None);
    let w = [1.0, 2.5];
    for s in 0..2 {
        let gain = |a: usize, x: f64| family.gain(s, a, &w, w[s], None).at(x).approximate();
        let points = || (0..=80_000).map(|i| -40.0 + f64::from(i) / 1000.0);
        let most = (0..2).flat_map(|a| points().map(move |x| (a, x)));
        let most = most.map(|(a, x)| gain(a, x)).fold(0.0, f64::max);
        assert!(most > 0.01, "{most}");
        let (rise, cells) = family.largest_rise(s, &w, 1e-4, &FOREVER);
        assert!(rise >= most - ILL_CONDITIONED && rise <= most + 1e-4 && cells > 0, "{rise} {most}");
    }
    // The tolerance of gains is that of weights of e^-bound.
    let (_, family) = small(MOVING, Some(3.0));
    for level in [0.5, 1.0, 1.5, 2.0, 2.5] {
        let w = [level, 2.0];
        let gains = family.largest_gains(0, &w, 8.0);
        for (a, gain) in gains.iter().enumerate() {
            let best = family.gain(0, a, &w, level, Some(0.0));
            let best = best.supremum((-3.0, 3.0), 8.0 * f64::exp(-3.0), &FOREVER);
            assert_eq!(*gain, best.upper, "{level} {a}");
        }
    }
    // In a box within a few times of it: here of a quarter of what all values lack.
    let (_, family) = small(MOVING, Some(3.0));
    let w: Vec<f64> = family.best_values().iter().map(|v| v - 0.1).collect();
    for s in 0..2 {
        let (rise, _) = family.largest_rise(s, &w, 1e-4, &FOREVER);
        assert!((0.025 - 1e-6..=8.0 * 0.025).contains(&rise), "{rise}");
    }
}

/// The best parameter of a reward that grows is the end of the box, in the last band.
#[test]
fn searches_count_their_cells_and_tell_their_values() {
    let single = r#"{"format":"pemdp-problem/1","gamma":"1/2","initial":[1],
            "policy":{"kind":"weights","values":[[1]]},
            "environment":{"kind":"exponential-family","psi":[0],"base_weights":[[[1]]],
                "reward":{"base":[[1]],"slope":"1/8","clip":null}}}"#;
    let problem = Problem::from_json(single, Reading::Exact).unwrap_or_else(|error| panic!("{error}"));
    let family = Rectangular::new(&problem, Some(3.0)).unwrap();
    let now = Choice { parameters: vec![0.0], only: None };
    let better = family.improve(0, &now, &[2.0], 0.0, &FOREVER).choice;
    assert_eq!(better, Some(Choice { parameters: vec![3.0], only: None }));
    let (_, family) = small(MOVING, Some(2.0));
    let mut told = vec![];
    let Policies { choices, values, cells, early } =
        family.iterate(0.0, &FOREVER, &mut |progress| told.push(progress.value));
    assert!(cells > 0 && early.is_none() && told.len() > 1);
    let mean = 0.25 * values[0] + 0.75 * values[1];
    assert!(is_near(*told.last().unwrap(), mean, SOLVED));
    let gap = 1e-3;
    // Half of the gap, over the two states' quarter of it.
    let rises = (0..2).map(|s| family.largest_rise(s, &values, 0.5 * gap * 0.25, &FOREVER).1);
    let found = family.search(gap, &FOREVER, &mut |_| {});
    assert_eq!((found.nodes, found.stop), (cells + rises.sum::<usize>(), OptimumStop::Gap));
    assert_eq!(found.parameters, choices.iter().flat_map(|c| c.parameters.clone()).collect::<Vec<_>>());
    assert!(found.upper - found.value <= gap && found.attained);
}
