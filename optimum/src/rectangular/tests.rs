use pemdp::interrupt::Interrupt;
use std::cmp::Ordering;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::gain::{Bound, Range, middle};
use super::*;
use crate::frontier::Part;
use crate::rules::faults::*;
use crate::tolerances::{FORMULA, QUOTIENT, SOLVED, SUMS, ULPS};
use pemdp::policy::Policy;
use pemdp::problem::Reading;

mod searches;
mod soft;

/// A family with weights that are integers, of `n` states and `width` actions.
fn family(rng: &mut ChaCha8Rng, n: usize, width: usize, gamma: &str, psi: i32) -> Problem {
    let psi: Vec<i32> = (0..n).map(|_| rng.random_range(-psi..=psi)).collect();
    let mut base = vec![vec![vec![0; n]; width]; n];
    for row in base.iter_mut().flatten() {
        row.iter_mut().for_each(|h| *h = if rng.random_bool(0.7) { rng.random_range(1..=9) } else { 0 });
        row[rng.random_range(0..n)] = 1;
    }
    let rewards: Vec<Vec<i32>> =
        (0..n).map(|_| (0..width).map(|_| rng.random_range(-9..=9)).collect()).collect();
    let initial: Vec<u8> = (0..n).map(|s| u8::from(s == 0)).collect();
    let json = format!(
        r#"{{"format":"pemdp-problem/1","gamma":"{gamma}","initial":{initial:?},
                "policy":{{"kind":"weights","values":{:?}}},
                "environment":{{"kind":"exponential-family","psi":{psi:?},"base_weights":{base:?},
                    "reward":{{"base":{rewards:?},"slope":0,"clip":null}}}}}}"#,
        vec![vec![1; width]; n]
    );
    Problem::from_json(&json, Reading::Exact).unwrap()
}

fn search(family: &Rectangular) -> Found {
    family.search(1e-6, &FOREVER, &mut |_| {})
}

/// Whether the bound of a search is below an exact value: of ordinary chains, and
/// of weights near those that a search without faults finds.
fn is_caught(rules: &'static dyn Rules) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    (0..120).any(|round| {
        let (n, width) = (1 + round % 3, 1 + round / 3 % 2);
        let gamma = ["0", "1/2", "9/10", "999/1000"][round % 4];
        let chain = round.is_multiple_of(5);
        let problem = family(&mut rng, n, if chain { 1 } else { width }, gamma, if chain { 0 } else { 3 });
        let width = problem.n_actions();
        let bound = [None, Some(0.5), Some(2.0)][round / 4 % 3];
        let mut family = Rectangular::new(&problem, bound).unwrap();
        let best = search(&family).parameters;
        family.rules = rules;
        let upper = Rational::from_f64(search(&family).upper);
        (0..4).any(|attempt| {
            let end = bound.unwrap_or(20.0);
            let weights = best.iter().map(|&x| {
                let random = rng.random_range(-end..end);
                let x = if attempt == 0 { x.clamp(-end, end) } else { random };
                Rational::from_f64(f64::clamp(x * (1.0 - 1e-9), -end, end).exp())
            });
            let policy = Policy::weights(n, width, weights.collect()).unwrap();
            let (model, _) = problem.rational_model().unwrap();
            model.perform(&policy).unwrap().evaluation.value > upper
        })
    })
}

#[test]
fn no_exact_value_exceeds_the_bound_and_planted_errors_are_noticed() {
    assert!(!is_caught(&Sound));
    let faults: [&dyn Rules; 6] =
        [&InwardRounding, &NoLift, &DroppedCell, &NoDiscount, &LooseSign, &CentreSlopes];
    for fault in faults {
        assert!(is_caught(fault), "{fault:?}");
    }
}

#[test]
fn parameters_of_a_state_are_the_best_of_a_grid() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    for _ in 0..10 {
        // The other states as found, the first on a grid.
        let problem = family(&mut rng, 3, 2, "1/2", 2);
        let family = Rectangular::new(&problem, Some(1.5)).unwrap();
        let found = search(&family);
        assert_eq!(found.stop, OptimumStop::Gap);
        let model = problem.model::<f64>().unwrap();
        let mut best = f64::NEG_INFINITY;
        for i in 0..=40 {
            for j in 0..=40 {
                let mut theta = found.parameters.clone();
                (theta[0], theta[1]) = (-1.5 + 0.075 * f64::from(i), -1.5 + 0.075 * f64::from(j));
                let policy = Policy::softmax(3, 2, theta).unwrap();
                best = best.max(model.perform(&policy).unwrap().evaluation.value);
            }
        }
        assert!(best <= found.upper && best >= found.value - 0.05, "{best} {}", found.value);
    }
}

fn of(lower: f64, upper: f64) -> Interval {
    Interval::new(lower, upper).unwrap()
}

fn is_near(x: f64, y: f64, error: f64) -> bool {
    (x - y).abs() <= error
}

/// A row over the states of a support, with weights `h`.
fn tilted(support: &[usize], psi: &[f64], h: &[f64], reward: f64, slope: f64) -> Tilted {
    let k = support.len();
    let pair = |i: usize| (i / k, i % k);
    Tilted {
        support: support.to_vec(),
        psi: (0..k * k).map(|i| Interval::point(psi[pair(i).0] - psi[pair(i).1])).collect(),
        ratios: (0..k * k).map(|i| Interval::point(h[pair(i).0] / h[pair(i).1])).collect(),
        reward: Interval::point(reward),
        slope: Interval::point(slope),
        clip: None,
    }
}

const PSI: [f64; 3] = [1.0, -0.5, 0.25];
const WEIGHTS: [f64; 3] = [1.0, 4.0, 2.0];

/// `P` of that row, by its definition.
fn tilted_kernel(x: f64) -> [f64; 3] {
    let terms = [0, 1, 2].map(|t| WEIGHTS[t] * f64::exp(PSI[t] * x));
    terms.map(|term| term / terms.iter().sum::<f64>())
}

#[test]
fn kernels_are_enclosed_over_a_range() {
    let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.0, 0.0);
    for (lower, upper) in [(0.0, 0.0), (-2.0, -2.0), (1.0, 1.5), (-1.0, 2.0)] {
        let kernel: Vec<Interval> = row.kernel(of(lower, upper)).collect();
        assert_eq!(kernel.len(), 3);
        for (t, p) in kernel.iter().enumerate() {
            // Each term on its own at one of the ends.
            let sum = |choose: fn(f64, f64) -> f64| {
                let term = |u: usize, x: f64| WEIGHTS[u] / WEIGHTS[t] * f64::exp((PSI[u] - PSI[t]) * x);
                (0..3).map(|u| choose(term(u, lower), term(u, upper))).sum::<f64>()
            };
            assert!(is_near(p.lower(), 1.0 / sum(f64::max), SOLVED), "{lower} {upper}");
            assert!(is_near(p.upper(), 1.0 / sum(f64::min), SOLVED), "{lower} {upper}");
            for x in [lower, 0.5 * (lower + upper), upper] {
                let exact = tilted_kernel(x)[t];
                assert!(p.lower() <= exact + ULPS && exact - ULPS <= p.upper());
            }
        }
    }
    assert_eq!([reciprocal(1.0, 1.0), reciprocal(2.0, 4.0)], [Interval::one(), of(0.25, 0.5)]);
    assert_eq!(reciprocal(1.0, f64::INFINITY), of(0.0, 1.0));
    assert!(row.responds() && tilted(&[0, 1], &[0.5, 0.5], &[1.0, 2.0], 0.0, 0.25).responds());
    assert!(!tilted(&[0, 1], &[0.5, 0.5], &[1.0, 2.0], 3.0, 0.0).responds());
}

#[test]
fn rewards_are_clipped_with_their_slopes() {
    let mut row = tilted(&[0], &[0.0], &[1.0], 0.5, 2.0);
    assert_eq!(row.reward(of(-1.0, 1.0)), (of(-1.5, 2.5), Interval::point(2.0)));
    row.clip = Some(Interval::point(1.5));
    let (flat, steep, either) = (Interval::zero(), Interval::point(2.0), of(0.0, 2.0));
    for ((lower, upper), reward, slope) in [
        ((-0.25, 0.25), of(0.0, 1.0), steep),
        ((1.0, 2.0), of(1.5, 1.5), flat),
        ((-2.0, -1.5), of(-1.5, -1.5), flat),
        ((0.0, 1.0), of(0.5, 1.5), either),
        ((-1.5, 0.0), of(-1.5, 0.5), either),
        // At the clip itself.
        ((0.0, 0.5), of(0.5, 1.5), either),
        ((0.5, 1.0), of(1.5, 1.5), either),
        ((-1.0, -0.5), of(-1.5, -0.5), either),
        ((-2.0, -1.0), of(-1.5, -1.5), either),
    ] {
        assert_eq!(row.reward(of(lower, upper)), (reward, slope), "{lower} {upper}");
    }
    // A clip that is not known exactly.
    row.clip = Some(of(1.25, 1.5));
    assert_eq!(row.reward(of(0.0, 0.4375)), (of(0.5, 1.375), either));
    assert_eq!(row.reward(of(0.4375, 3.0)), (of(1.25, 1.5), either));
    assert_eq!(row.reward(of(-0.9375, 0.0)), (of(-1.375, 0.5), either));
    assert_eq!(row.reward(of(-3.0, -0.9375)), (of(-1.5, -1.25), either));
    let fixed = Tilted { reward: Interval::point(2.0), ..tilted(&[0], &[0.0], &[1.0], 2.0, 0.0) };
    assert_eq!(fixed.reward(of(-9.0, 9.0)), (Interval::point(2.0), flat));
    let fixed = Tilted { clip: Some(Interval::point(1.5)), ..fixed };
    assert_eq!(fixed.reward(of(-9.0, 9.0)), (Interval::point(1.5), flat));
}

const VALUES: [f64; 4] = [2.0, f64::NAN, -1.0, 3.5];

fn gain_of(row: &Tilted, level: f64, scale: Option<f64>) -> Gain<'_> {
    Gain {
        row,
        gamma: Interval::point(0.75),
        gap: Interval::point(0.25),
        w: &VALUES,
        level,
        scale,
        entropy: None,
        rules: &Sound,
    }
}

/// `g` and its derivative, by their definitions.
fn gain_at(x: f64, slope: f64, level: f64, scale: Option<f64>) -> (f64, f64) {
    let at = |x: f64| {
        let kernel = tilted_kernel(x);
        let mean = kernel[0] * VALUES[0] + kernel[1] * VALUES[2] + kernel[2] * VALUES[3];
        (0.5 + slope * x + 0.75 * mean - level) * scale.map_or(1.0, |scale| f64::exp(x - scale))
    };
    (at(x), (at(x + 1e-5) - at(x - 1e-5)) / 2e-5)
}

/// Of each a gain that is weighted and one that is not, over points and ranges.
#[test]
fn gains_are_enclosed_with_their_slopes() {
    for slope in [0.0, -0.5] {
        let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, slope);
        for (scale, level) in [(None, 1.25), (Some(0.5), 1.25), (Some(-1.0), -2.0), (None, 0.0)] {
            let gain = gain_of(&row, level, scale);
            for x in [-3.0, -1.0, 0.0, 0.5, 2.0] {
                let (value, derivative) = gain_at(x, slope, level, scale);
                let size = 1.0 + value.abs() + derivative.abs();
                let at = gain.at(x);
                assert!(
                    is_near(at.lower(), value, SOLVED * size) && is_near(at.upper(), value, SOLVED * size)
                );
                assert!(at.lower() <= at.upper());
                for half in [0.0, 1e-4, 0.25] {
                    let (values, slopes) = gain.enclose(of(x - half, x + half));
                    for part in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                        let (value, derivative) = gain_at(x + part * half, slope, level, scale);
                        assert!(values.lower() - SOLVED * size <= value, "{values:?} {value}");
                        assert!(values.upper() + SOLVED * size >= value, "{values:?} {value}");
                        assert!(slopes.lower() - QUOTIENT * size <= derivative, "{slopes:?} {derivative}");
                        assert!(slopes.upper() + QUOTIENT * size >= derivative, "{slopes:?} {derivative}");
                    }
                    // Wide by what the range is.
                    let wide = QUOTIENT + 40.0 * half;
                    assert!(values.width() <= wide * size && slopes.width() <= wide * size, "{x} {half}");
                }
            }
        }
    }
}

/// Bounds of short ranges: at an end where the gain is monotone, else of second
/// order.
#[test]
fn ranges_are_bounded_by_the_end_that_is_largest() {
    let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, -0.25);
    let gain = gain_of(&row, 1.0, None);
    let value = |x: f64| gain_at(x, -0.25, 1.0, None).0;
    let nothing = || Supremum { upper: 0.0, at: f64::NAN, lower: f64::NEG_INFINITY, cells: 7 };
    // The gain falls on the left, rises, and falls again.
    let slope = |x: f64| gain_at(x, -0.25, 1.0, None).1;
    assert!(slope(-3.0) < -0.1 && slope(0.5) > 0.1 && slope(6.0) < -0.1);
    for (lower, upper, end) in [(-3.01, -2.99, -3.01), (0.49, 0.5, 0.5), (6.0, 6.5, 6.0)] {
        let mut found = nothing();
        let Bound::Attained(bound) = gain.bound(lower, upper, &mut found) else {
            panic!("{lower} {upper} is monotone")
        };
        assert!(bound >= value(end) - SUMS && is_near(bound, value(end), SOLVED));
        assert_eq!((found.at, found.cells), (end, 8));
        assert!(is_near(found.lower, value(end), SOLVED));
    }
    // The maximum.
    let (mut low, mut high) = (0.5, 6.0);
    for _ in 0..60 {
        let at = 0.5 * (low + high);
        if slope(at) > 0.0 { low = at } else { high = at }
    }
    for half in [1e-2, 1e-3] {
        let mut found = nothing();
        let Bound::Within(bound) = gain.bound(low - half, low + half, &mut found) else {
            panic!("the maximum is inside")
        };
        assert!(bound >= value(low) && bound <= value(low) + 3.0 * half * half, "{}", bound - value(low));
        assert!(is_near(found.at, low, SOLVED) && is_near(found.lower, value(low), SOLVED));
    }
    // What was better is kept.
    let mut found = Supremum { lower: 100.0, ..nothing() };
    gain.bound(low - 0.1, low + 0.1, &mut found);
    assert!(found.at.is_nan() && found.lower == 100.0);
    let Bound::Within(bound) = gain.bound(0.0, f64::INFINITY, &mut found) else {
        panic!("no slope has a sign")
    };
    assert!(bound >= value(low));
}

#[test]
fn suprema_are_those_of_a_fine_grid() {
    for (slope, scale, range) in [
        (-0.25, None, (-4.0, 8.0)),
        (0.0, None, (f64::NEG_INFINITY, f64::INFINITY)),
        (0.0, Some(1.0), (-4.0, 1.0)),
        (-1.0, Some(2.0), (-3.0, 2.0)),
        (1.0, None, (-3.0, -2.0)),
        (-2.0, None, (1.0, 3.0)),
    ] {
        let row = tilted(&[0, 2, 3], &PSI, &WEIGHTS, 0.5, slope);
        let gain = gain_of(&row, 1.0, scale);
        let best = gain.supremum(range, 1e-7, &FOREVER);
        let ends = (f64::max(range.0, -40.0), f64::min(range.1, 40.0));
        let most = (0..=200_000)
            .map(|i| ends.0 + (ends.1 - ends.0) * f64::from(i) / 200_000.0)
            .map(|x| gain_at(x, slope, 1.0, scale).0)
            .fold(f64::NEG_INFINITY, f64::max);
        assert!(best.upper >= most - SOLVED && best.upper <= most + 3e-7, "{} {most}", best.upper);
        assert!(best.lower <= most + 1e-7 && best.lower >= most - 3e-7, "{} {most}", best.lower);
        assert!(best.lower <= best.upper && best.lower == gain.at(best.at).lower());
        assert!(range.0 <= best.at && best.at <= range.1 && best.cells < 200, "{}", best.cells);
        // Any range that is found to be late ends after 64 cells, with a bound.
        let interrupt = Interrupt::raised();
        let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
        let late = gain.supremum(range, 0.0, &halt);
        assert!(late.upper >= most - SOLVED && late.upper.is_finite() && late.cells <= 64, "{}", late.cells);
    }
    // What does not respond is constant.
    let row = tilted(&[0, 2], &[0.5, 0.5], &[1.0, 3.0], 0.5, 0.0);
    let constant = gain_of(&row, 1.0, None).supremum((-1.0, 1.0), 1e-7, &FOREVER);
    // 1/2 + 3/4 (2/4 - 3/4) - 1
    assert!(is_near(constant.upper, -0.6875, FORMULA) && constant.upper >= -0.6875);
    assert!(is_near(constant.lower, -0.6875, FORMULA) && constant.lower <= -0.6875 && constant.cells == 0);
    // Weighted by e^x, it is not.
    let weighted = gain_of(&row, 1.0, Some(0.0)).supremum((-1.0, 1.0), 1e-7, &FOREVER);
    assert!(is_near(weighted.upper, -0.6875 * f64::exp(-1.0), SOLVED) && weighted.at == -1.0);
    // Of points that are equal the first is kept, the upper end.
    let row = tilted(&[0, 2], &[1.0, -1.0], &[1.0, 1.0], 0.5, 0.0);
    let level = Gain { w: &[0.0; 4], ..gain_of(&row, 0.0, None) };
    let level = level.supremum((-1.0, 1.0), f64::INFINITY, &FOREVER);
    assert_eq!((level.at, level.lower), (1.0, 0.5));
}

#[test]
fn ranges_are_halved_and_ordered_by_their_bounds() {
    let infinite = f64::INFINITY;
    for ((lower, upper), at) in [
        ((1.0, 3.0), 2.0),
        ((-3.0, 1.0), -1.0),
        ((1.0, infinite), 4.0),
        ((-5.0, infinite), 2.0),
        ((-infinite, -1.0), -4.0),
        ((-infinite, 5.0), -2.0),
        ((-infinite, infinite), 0.0),
    ] {
        assert_eq!(middle(lower, upper), at);
    }
    // The lower one first.
    let range = |lower: f64| Range { lower, upper: 9.0, bound: 1.0 };
    assert_eq!(range(2.0).tie(&range(1.0)), Ordering::Less);
    assert_eq!(range(1.0).tie(&range(1.0)), Ordering::Equal);
    let bands = |bound: f64| Rectangular::bands(bound).collect::<Vec<_>>();
    assert_eq!(bands(3.0), [(-3.0, -1.0), (-1.0, 1.0), (1.0, 3.0)]);
    assert_eq!(bands(2.5), [(-2.5, -0.5), (-0.5, 1.5), (1.5, 2.5)]);
    assert_eq!(bands(0.5), [(-0.5, 0.5)]);
}

#[test]
fn choices_have_their_probabilities() {
    let choice = Choice { parameters: vec![0.5, -1.0, 2.0], only: None };
    let sum: f64 = choice.parameters.iter().map(|x| f64::exp(*x)).sum();
    for (p, x) in choice.policy().iter().zip(&choice.parameters) {
        let exact = f64::exp(*x) / sum;
        assert!(p.lower() <= exact && exact <= p.upper() && p.width() < SUMS, "{p:?} {exact}");
    }
    let limit = Choice::limit(3, 1, 0.25);
    let least = f64::NEG_INFINITY;
    assert_eq!(limit, Choice { parameters: vec![least, 0.25, least], only: Some(1) });
    assert_eq!(limit.policy(), [Interval::zero(), Interval::one(), Interval::zero()]);
}
