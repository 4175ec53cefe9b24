use pemdp::interrupt::Interrupt;
use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::second_order::{parabola, square};
use super::*;
use crate::build;
use crate::climb::{ascend, at, project};
use crate::model::{CentreRow, Link};
use crate::outcome::{FOREVER, Found};
use crate::rules::faults::*;
use crate::rules::{Rules, Sound};
use crate::search::Search;
use crate::settings::OptimumSettings;
use crate::tolerances::{DIFFERENTIATED, ILL_CONDITIONED, SOLVED};
use pemdp::arithmetic::Rational;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};

mod parts;

fn read(gamma: f64, n: usize, policy: &str, environment: &str) -> Problem {
    let initial: Vec<u8> = (0..n).map(|s| u8::from(s == 0)).collect();
    let json = format!(
        r#"{{"format":"pemdp-problem/1","gamma":{gamma:?},"initial":{initial:?},"policy":{policy},"environment":{environment}}}"#
    );
    Problem::from_json(&json, Reading::Doubles).unwrap_or_else(|error| panic!("{error} {json}"))
}

fn table(rng: &mut ChaCha8Rng, rows: usize, width: usize) -> Vec<Vec<f64>> {
    (0..rows).map(|_| (0..width).map(|_| rng.random_range(-2.0..2.0)).collect()).collect()
}

/// Rows of multiples of 1/64 that move with one probability each.
fn affine(rng: &mut ChaCha8Rng, n: usize, width: usize, gamma: f64, moves: bool) -> Problem {
    let mut row = || {
        let mut counts = vec![0; n];
        (0..32).for_each(|_| counts[rng.random_range(0..n)] += 1);
        counts.iter().map(|&c| f64::from(c) / 64.0).collect::<Vec<f64>>()
    };
    let mut transitions = vec![vec![vec![0.0; n]; width]; n];
    let mut changes = vec![];
    for i in 0..n * width {
        let (fixed, low, high) = (row(), row(), row());
        transitions[i / width][i % width] = fixed.iter().zip(&low).map(|(x, y)| x + y).collect();
        changes.push(high.iter().zip(&low).map(|(x, y)| x - y).collect::<Vec<f64>>());
    }
    let (mut slopes, mut reward_slopes) = (vec![], vec![]);
    for (i, change) in changes.iter().enumerate().filter(|_| moves) {
        let (s, a, s2, a2) = (i / width, i % width, rng.random_range(0..n), rng.random_range(0..width));
        slopes.extend(change.iter().enumerate().map(|(t, m)| format!("[{s},{a},{t},{s2},{a2},{m:?}]")));
        reward_slopes.push(format!("[{s},{a},{s2},{a2},{:?}]", rng.random_range(-1.0..1.0)));
    }
    let rewards = table(rng, n, width);
    let values: Vec<Vec<u8>> = (0..n).map(|_| (0..width).map(|a| u8::from(a == 0)).collect()).collect();
    let environment = format!(
        r#"{{"kind":"affine","transitions":{transitions:?},"transition_slopes":[{}],"rewards":{rewards:?},"reward_slopes":[{}]}}"#,
        slopes.join(","),
        reward_slopes.join(",")
    );
    read(gamma, n, &format!(r#"{{"kind":"probabilities","values":{values:?}}}"#), &environment)
}

/// The value of a policy in doubles, by the exact formulas.
fn value(problem: &Problem, x: &[f64]) -> f64 {
    let policy = Policy::probabilities(problem.n_states(), problem.n_actions(), x.to_vec()).unwrap();
    problem.model::<f64>().unwrap().perform(&policy).unwrap().evaluation.value
}

fn random_point(rng: &mut ChaCha8Rng, model: &AffineModel) -> Vec<f64> {
    let scale = if rng.random_bool(0.5) { 1.0 } else { 4.0 };
    let mut x: Vec<f64> = (0..model.root.lower.len()).map(|_| rng.random_range(-scale..scale)).collect();
    project(&model.root, model.n_actions, &mut x);
    x
}

/// A cell of the domain around a point, of random size.
fn cell_around(rng: &mut ChaCha8Rng, model: &AffineModel, x: &[f64]) -> Cell {
    let size = 10f64.powf(rng.random_range(-3.0..0.5));
    let mut cell = model.root.clone();
    for i in 0..x.len() {
        cell.lower[i] = cell.lower[i].max(x[i] - size * rng.random_range(0.0..1.0));
        cell.upper[i] = cell.upper[i].min(x[i] + size * rng.random_range(0.0..1.0));
    }
    cell
}

/// A point of a cell near some point of it and a random one.
fn point_in(rng: &mut ChaCha8Rng, model: &AffineModel, cell: &Cell, x: &[f64]) -> Vec<f64> {
    let other = random_point(rng, model);
    // How far from x to the other stays in the cell.
    let mut far = 1.0;
    for i in 0..x.len() {
        let step = other[i] - x[i];
        let room = if step > 0.0 { cell.upper[i] - x[i] } else { cell.lower[i] - x[i] };
        if step != 0.0 {
            far = f64::min(far, room / step);
        }
    }
    let far = if rng.random_bool(0.5) { far } else { far * rng.random_range(0.0..1.0) };
    x.iter().zip(&other).map(|(x, o)| x + far * (o - x)).collect()
}

fn problems(rng: &mut ChaCha8Rng, round: usize) -> Problem {
    let gamma = [0.5, 0.9, 0.99][round % 3];
    affine(rng, 2 + round / 3 % 2, 2 + round / 2 % 2, gamma, true)
}

/// Whether a bound of a cell is below a value in it, or a cell without a
/// maximiser has the best point that ascent finds.
fn is_caught_in_a_cell(rules: &'static dyn Rules) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for round in 0..150 {
        let problem = problems(&mut rng, round);
        let mut model = build::model(&problem).unwrap();
        let climbs: Vec<_> = (0..4)
            .map(|_| ascend(&mut Bounder::new(&model, &FOREVER), &random_point(&mut rng, &model)))
            .collect();
        let best = climbs.into_iter().max_by(|x, y| x.1.total_cmp(&y.1)).unwrap();
        model.rules = rules;
        let mut bounder = Bounder::new(&model, &FOREVER);
        for attempt in 0..8 {
            let x = if attempt < 3 { best.0.clone() } else { random_point(&mut rng, &model) };
            let cell = cell_around(&mut rng, &model, &x);
            let bounded = bounder.bound(&cell, f64::NEG_INFINITY);
            for _ in 0..12 {
                let y = point_in(&mut rng, &model, &cell, &x);
                let there = value(&problem, &y);
                let slack = DIFFERENTIATED * (1.0 + there.abs());
                // A strict face has the maximisers of the domain only.
                let face = &bounded.face;
                let claimed = (0..y.len()).all(|i| face.lower[i] <= y[i] && y[i] <= face.upper[i]);
                if claimed && there > bounded.upper + slack {
                    eprintln!("{rules:?} {round}: {there} > {} {cell:?} {y:?}", bounded.upper);
                    return true;
                }
            }
            let inside = (0..x.len()).all(|i| cell.lower[i] <= best.0[i] && best.0[i] <= cell.upper[i]);
            if bounded.absent && inside && is_optimal(&problem, best.1) {
                eprintln!("{rules:?} {round}: absent {cell:?} {best:?} {:?}", bounded);
                return true;
            }
        }
    }
    false
}

/// Whether a search without faults proves the value optimal.
fn is_optimal(problem: &Problem, value: f64) -> bool {
    let model = build::model(problem).unwrap();
    let settings = OptimumSettings { gap: 1e-7, open_cells: 3000, ..OptimumSettings::default() };
    let found = run(&model, &settings);
    // Far below any other local maximum, up to the accuracy of ascent.
    found.upper <= value + 2e-7
}

/// Whether the bound of a point is below its exact value.
fn is_caught_at_a_point(rules: &'static dyn Rules) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    (0..60).any(|round| {
        let (n, gamma) = (1 + round % 4, [0.0, 0.5, 0.9, 0.999][round % 4]);
        let problem = affine(&mut rng, n, 2, gamma, round.is_multiple_of(2));
        let mut model = build::model(&problem).unwrap();
        model.rules = rules;
        let x: Vec<f64> =
            (0..n).flat_map(|_| if rng.random_bool(0.5) { [0.25, 0.75] } else { [1.0, 0.0] }).collect();
        let exact: Vec<Rational> = x.iter().map(|&p| Rational::from_f64(p)).collect();
        let policy = Policy::probabilities(n, 2, exact).unwrap();
        let truth = problem.rational_model().unwrap().0.perform(&policy).unwrap().evaluation.value;
        let bounded = Bounder::new(&model, &FOREVER).bound(&at(&x), f64::NEG_INFINITY);
        Rational::from_f64(bounded.upper) < truth
    })
}

fn run(model: &AffineModel, settings: &OptimumSettings) -> Found {
    Search::new(model, settings).run(&FOREVER, &mut |_| {})
}

/// Whether the bound of the whole domain is below a value that is attained.
fn is_caught_in_a_search(rules: &'static dyn Rules) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let settings = OptimumSettings { gap: 1e-6, starts: 0, ..OptimumSettings::default() };
    (0..100).any(|round| {
        let problem = affine(&mut rng, 1 + round % 2, 2, 0.9, true);
        let mut model = build::model(&problem).unwrap();
        let best = run(&model, &settings).value;
        model.rules = rules;
        run(&model, &settings).upper < best - ILL_CONDITIONED * (1.0 + best.abs())
    })
}

#[test]
fn bounds_hold_in_every_cell_and_planted_errors_are_noticed() {
    assert!(!is_caught_in_a_cell(&Sound));
    let faults: [&dyn Rules; 4] = [&NoDiscount, &LooseSign, &CentreSlopes, &NoRemainder];
    for fault in faults {
        assert!(is_caught_in_a_cell(fault), "{fault:?}");
    }
}

#[test]
fn bounds_hold_to_the_last_digit_and_wrong_rounding_is_noticed() {
    assert!(!is_caught_at_a_point(&Sound));
    let faults: [&dyn Rules; 2] = [&InwardRounding, &NoLift];
    for fault in faults {
        assert!(is_caught_at_a_point(fault), "{fault:?}");
    }
}

#[test]
fn searches_bound_the_optimum_and_a_dropped_cell_is_noticed() {
    assert!(!is_caught_in_a_search(&Sound));
    assert!(is_caught_in_a_search(&DroppedCell));
}

/// `P` and `r` of the states, by their definition; also beyond the simplex.
fn induced(model: &AffineModel, x: &[f64]) -> (DMatrix<f64>, DVector<f64>) {
    let (n, width) = (model.n_states, model.n_actions);
    let (mut p, mut r) = (DMatrix::zeros(n, n), DVector::zeros(n));
    for i in 0..n * width {
        let s = i / width;
        r[s] += x[i] * model.rewards[i].approximate();
        for t in 0..n {
            p[(s, t)] += x[i] * model.base[i * n + t].approximate();
        }
        for (link, b) in model.links[i].iter().flat_map(|link| (0..width).map(move |b| (link, b))) {
            let both = x[i] * x[link.state * width + b];
            r[s] += both * link.rewards[b].approximate();
            for t in 0..n {
                p[(s, t)] += both * link.transitions[b * n + t].approximate();
            }
        }
    }
    (p, r)
}

/// `(I - gamma P)^-1`, `V` and `J` of a point.
fn solved(model: &AffineModel, x: &[f64]) -> (DMatrix<f64>, DVector<f64>, f64) {
    let (p, r) = induced(model, x);
    let n = model.n_states;
    let resolvent = (DMatrix::identity(n, n) - p * model.gamma.approximate()).try_inverse().unwrap();
    let values = &resolvent * r;
    let value = (0..n).map(|s| model.initial[s].approximate() * values[s]).sum();
    (resolvent, values, value)
}

/// A point moved along a coordinate, its state's reference action in return.
fn moved(x: &[f64], references: &[usize], i: usize, by: f64) -> Vec<f64> {
    let mut x = x.to_vec();
    let reference = references[i / (x.len() / references.len())];
    x[i] += by;
    x[reference] -= by;
    x
}

/// The slopes of `r + gamma P V` at fixed `V`, at `s K + i`: rows are quadratic, so
/// that central differences are exact.
fn slopes_at(model: &AffineModel, references: &[usize], x: &[f64]) -> Vec<f64> {
    let values = solved(model, x).1;
    let mut slopes = vec![0.0; model.n_states * x.len()];
    for i in (0..x.len()).filter(|i| !references.contains(i)) {
        let image = |by: f64| {
            let (p, r) = induced(model, &moved(x, references, i, by));
            r + p * &values * model.gamma.approximate()
        };
        let change = (image(0.25) - image(-0.25)) * 2.0;
        for s in 0..model.n_states {
            slopes[s * x.len() + i] = change[s];
        }
    }
    slopes
}

/// A model whose rows move, a point inside of its domain and boxes around it of a
/// half width for each state.
fn moving(seed: u64, n: usize, width: usize) -> (AffineModel, Vec<f64>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let problem = affine(&mut rng, n, width, 0.5, true);
    let mut model = build::model(&problem).unwrap();
    model.initial = [0.5, 0.125, 0.25][..n].iter().map(|&p| Interval::point(p)).collect();
    let rows = if width == 2 { vec![[0.375, 0.625, 0.0]; n] } else { vec![[0.25, 0.3125, 0.4375]; n] };
    let x = rows.iter().enumerate().flat_map(|(s, row)| {
        let mut row = row[..width].to_vec();
        row.rotate_left(s % width);
        row
    });
    (model, x.collect(), [1.0, 0.5, 0.75][..n].to_vec())
}

/// A box around a point: to either side of it for each coordinate, for the reference
/// action of a state what all others may take or leave.
fn boxed(x: &[f64], references: &[usize], down: &[f64], up: &[f64]) -> Cell {
    let width = x.len() / references.len();
    let mut cell = at(x);
    for i in 0..x.len() {
        let s = i / width;
        let others = (width - 1) as f64;
        let (less, more) =
            if references[s] == i { (others * up[s], others * down[s]) } else { (down[s], up[s]) };
        (cell.lower[i], cell.upper[i]) = (x[i] - less, x[i] + more);
    }
    cell
}

fn is_near(x: f64, y: f64, error: f64) -> bool {
    (x - y).abs() <= error
}

fn point_references(model: &AffineModel, x: &[f64]) -> Vec<usize> {
    let mut bounder = Bounder::new(model, &FOREVER);
    bounder.centre(&at(x));
    bounder.references
}

/// What [`Bounder::bound`] encloses before it bounds, around any point of a cell.
fn enclosed<'a>(model: &'a AffineModel, x: &[f64], cell: &Cell) -> (Bounder<'a>, Cell, Interval) {
    let mut bounder = Bounder::new(model, &FOREVER);
    let centre = bounder.centre(&at(x));
    let value = bounder.enclose_centre(&centre);
    model.policy(cell, &mut bounder.policy);
    bounder.enclose_values(cell);
    bounder.enclose_resolvent(cell);
    bounder.enclose_slopes(cell, &centre, cell);
    (bounder, centre, value)
}

#[test]
fn enclosures_hold_what_is_in_the_cell_and_little_more() {
    const SIZE: f64 = 1.0 / 1024.0;
    for (seed, n, width) in [(31, 3, 2), (32, 2, 3), (33, 3, 3)] {
        let (model, x, sizes) = moving(seed, n, width);
        let references = point_references(&model, &x);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let k = x.len();
        let free: Vec<usize> = (0..k).filter(|i| !references.contains(i)).collect();
        // The point is not in the middle, except of itself.
        for (size, left, right) in [(0.0, 1.0, 1.0), (SIZE, 1.0, 3.0), (SIZE, 2.0, 0.5)] {
            let down: Vec<f64> = sizes.iter().map(|h| h * size * left).collect();
            let up: Vec<f64> = sizes.iter().map(|h| h * size * right).collect();
            let cell = boxed(&x, &references, &down, &up);
            let (mut bounder, centre, there) = enclosed(&model, &x, &cell);
            // Of first order what is not a difference of values from the centre.
            let (first, second) = (60.0 * size + SOLVED, 100.0 * size * size + SOLVED);
            let slack = SOLVED;
            let holds = |of: Interval, truth: f64, width: f64| {
                assert!(of.lower() - slack <= truth && truth <= of.upper() + slack, "{of:?} {truth}");
                assert!(of.width() <= width, "{seed} {size}: {of:?} is wide");
            };
            for round in 0..60 {
                let mut y = x.clone();
                for &i in &free {
                    let s = i / width;
                    let step = match round % 3 {
                        0 => rng.random_range(-1.0..1.0),
                        _ if rng.random_bool(0.5) => 1.0,
                        _ => -1.0,
                    };
                    let step = if step > 0.0 { step * up[s] } else { step * down[s] };
                    y = moved(&y, &references, i, step);
                }
                let (resolvent, values, _) = solved(&model, &y);
                let slopes = slopes_at(&model, &references, &y);
                for s in 0..n {
                    holds(bounder.enclosed.of[s], values[s], first);
                    for t in 0..n {
                        holds(bounder.resolvent[s * n + t], resolvent[(t, s)], first);
                        holds(bounder.enclosed.differences[s * n + t], values[t] - values[s], first);
                    }
                }
                for i in 0..n * k {
                    holds(bounder.slopes[i], slopes[i], first);
                }
                for i in 0..k {
                    let occupancy = |s: usize| {
                        (0..n).map(|t| model.initial[t].approximate() * resolvent[(t, s)]).sum::<f64>()
                    };
                    let g = (0..n).map(|s| occupancy(s) * slopes[s * k + i]).sum();
                    holds(bounder.gradient[i], g, first);
                }
            }
            // To first order the values are those at the centre, and what the slopes
            // there make of the steps.
            let (resolvent, values, value) = solved(&model, &x);
            let slopes = slopes_at(&model, &references, &x);
            let step = |i: usize| (-down[i / width], up[i / width]);
            let ends =
                |c: f64, (low, high): (f64, f64)| (f64::min(c * low, c * high), f64::max(c * low, c * high));
            let sum = |x: (f64, f64), y: (f64, f64)| (x.0 + y.0, x.1 + y.1);
            let change =
                |s: usize| free.iter().map(|&i| ends(slopes[s * k + i], step(i))).fold((0.0, 0.0), sum);
            for t in 0..n {
                let of = bounder.enclosed.of[t];
                let (least, most) = (0..n).map(|s| ends(resolvent[(t, s)], change(s))).fold((0.0, 0.0), sum);
                assert!(of.upper() <= values[t] + most + second, "{seed} {t}: {of:?}");
                assert!(of.lower() >= values[t] + least - second, "{seed} {t}: {of:?}");
                for u in 0..n {
                    let of = bounder.enclosed.differences[u * n + t];
                    let apart = |s: usize| resolvent[(t, s)] - resolvent[(u, s)];
                    let (least, most) = (0..n).map(|s| ends(apart(s), change(s))).fold((0.0, 0.0), sum);
                    let difference = values[t] - values[u];
                    assert!(of.upper() <= difference + most + second, "{seed} {t} {u}: {of:?}");
                    assert!(of.lower() >= difference + least - second, "{seed} {t} {u}: {of:?}");
                }
            }
            // The bound from the slopes at the centre, and from the curvature there.
            assert!(is_near(there.approximate(), value, SOLVED) && there.width() <= SOLVED);
            if width == 2 {
                let rise: f64 =
                    free.iter().map(|&i| ends(bounder.gradient[i].approximate(), step(i)).1).sum();
                let bound = bounder.mean_value_bound(there, &cell);
                assert!(is_near(bound, value + rise, second), "{seed}: {bound} {value} {rise}");
            }
            let value_at = |i: usize, by: f64, j: usize, also: f64| {
                solved(&model, &moved(&moved(&x, &references, i, by), &references, j, also)).2
            };
            let mut expected = value;
            let far = 1.0 / 2048.0;
            for (place, &i) in free.iter().enumerate() {
                let (more, less) = (value_at(i, far, i, 0.0), value_at(i, -far, i, 0.0));
                let (slope, bend) =
                    ((more - less) / (2.0 * far), (more + less - 2.0 * value) / (2.0 * far * far));
                let parabola = |e: f64| slope * e + bend * e * e;
                // Slopes are far from 0, so that the largest value is at an end.
                expected += f64::max(parabola(step(i).0), parabola(step(i).1));
                for &j in &free[..place] {
                    let mixed = (value_at(i, far, j, far) + value_at(i, -far, j, -far)
                        - value_at(i, far, j, -far)
                        - value_at(i, -far, j, far))
                        / (4.0 * far * far);
                    let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| {
                        let of = |i: usize, end: usize| if end == 0 { step(i).0 } else { step(i).1 };
                        mixed * of(i, a) * of(j, b)
                    });
                    expected += corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
                }
            }
            let bound = bounder.second_order_bound(&centre, &cell);
            let third = 400.0 * size * size * size + SOLVED;
            assert!(is_near(bound, expected, third), "{seed} {size}: {} of {third}", bound - expected);
        }
    }
}

/// Over a box whose states have the same steps the mean value bound takes for each
/// state all that can be moved to its best action; the bound is the least of both.
#[test]
fn bounds_are_the_least_of_those_of_first_and_second_order() {
    const SIZE: f64 = 1.0 / 1024.0;
    for (seed, n, width) in [(31, 3, 2), (32, 2, 3), (33, 3, 3)] {
        let (model, x, sizes) = moving(seed, n, width);
        let mut cell = at(&x);
        for i in 0..x.len() {
            let half = SIZE * sizes[i / width];
            (cell.lower[i], cell.upper[i]) = (x[i] - half, x[i] + half);
        }
        let mut bounder = Bounder::new(&model, &FOREVER);
        let bounded = bounder.bound(&cell, f64::NEG_INFINITY);
        assert_eq!(bounded.face, cell, "inside of the simplex no face is left");
        let value = solved(&model, &x).2;
        assert!(is_near(bounded.lower, value, SOLVED));
        let rises = (0..n).map(|s| {
            let g = bounder.gradient[s * width..(s + 1) * width].iter().map(Field::approximate);
            let ends = g.fold((0.0, 0.0), |(l, u), g| (f64::min(l, g), f64::max(u, g)));
            SIZE * sizes[s] * (ends.1 - ends.0)
        });
        let rise: f64 = rises.sum();
        let centre = bounded.centre.clone();
        let there = bounder.enclose_centre(&centre);
        let mean_value = bounder.mean_value_bound(there, &cell);
        assert!(is_near(mean_value, value + rise, 20.0 * SIZE * SIZE), "{mean_value} {value} {rise}");
        assert!(bounded.upper <= mean_value.min(bounder.second_order_bound(&centre, &cell)));
    }
}

/// Where only rewards move nothing is of third order but the occupancies: the bound
/// can be written down over cells of any size.
#[test]
fn the_bound_of_rewards_that_move_is_the_one_written_down() {
    for (seed, n, width) in [(46, 2, 2), (47, 3, 2), (48, 2, 3)] {
        let (mut model, x, _) = moving(seed, n, width);
        for link in model.links.iter_mut().flatten() {
            link.transitions.fill(Interval::zero());
            link.sums.fill(Interval::zero());
        }
        let references = point_references(&model, &x);
        let (down, up) = ([0.0625, 0.03125, 0.125], [0.125, 0.15625, 0.03125]);
        let cell = boxed(&x, &references, &down, &up);
        let (mut bounder, centre, _) = enclosed(&model, &x, &cell);
        let (k, gamma) = (x.len(), model.gamma.approximate());
        let free: Vec<usize> = (0..k).filter(|i| !references.contains(i)).collect();
        let (resolvent, values, value) = solved(&model, &x);
        let slopes = slopes_at(&model, &references, &x);
        let g = |t: usize, i: usize| (0..n).map(|s| resolvent[(t, s)] * slopes[s * k + i]).sum::<f64>();
        // B(w) - w with w affine in two steps.
        let residual = |i: usize, by: f64, j: usize, also: f64| {
            let w = DVector::from_fn(n, |t, _| values[t] + by * g(t, i) + also * g(t, j));
            let (p, r) = induced(&model, &moved(&moved(&x, &references, i, by), &references, j, also));
            r + p * &w * gamma - w
        };
        let second = |i: usize, j: usize| -> DVector<f64> {
            let [same, apart] =
                [1.0, -1.0].map(|side| residual(i, 1.0, j, side) + residual(i, -1.0, j, -side));
            if i == j { residual(i, 1.0, j, 0.0) + residual(i, -1.0, j, 0.0) } else { (same - apart) * 0.5 }
        };
        let point = Interval::point;
        let mut expected = value;
        let mut ranges = vec![Interval::zero(); n];
        let d: Vec<f64> = (0..n)
            .map(|s| (0..n).map(|t| model.initial[t].approximate() * resolvent[(t, s)]).sum())
            .collect();
        let weighed = |terms: &DVector<f64>| (0..n).map(|s| d[s] * terms[s]).sum::<f64>();
        let step = |i: usize| Interval::new(-down[i / width], up[i / width]).unwrap();
        for (place, &i) in free.iter().enumerate() {
            let slope = (0..n).map(|t| model.initial[t].approximate() * g(t, i)).sum();
            let bend = second(i, i) * 0.5;
            expected += parabola(point(slope), point(weighed(&bend)), step(i));
            for s in 0..n {
                ranges[s] += point(bend[s]) * square(step(i));
            }
            for &j in &free[..place] {
                let mixed = second(i, j) * 0.5;
                expected += (point(weighed(&mixed)) * (step(i) * step(j))).upper();
                for s in 0..n {
                    ranges[s] += point(mixed[s]) * (step(i) * step(j));
                }
            }
        }
        let rest = (0..n).map(|s| {
            let occupancy =
                (0..n).fold(Interval::zero(), |sum, t| sum + model.initial[t] * bounder.resolvent[s * n + t]);
            (occupancy - point(d[s])) * ranges[s]
        });
        let rest = rest.fold(Interval::zero(), |sum, rest| sum + rest);
        assert!(rest.upper() > 1e-4, "{rest:?}");
        expected += rest.upper();
        let bound = bounder.second_order_bound(&centre, &cell);
        assert!(is_near(bound, expected, DIFFERENTIATED), "{seed}: {bound} {expected}");
    }
}

/// A single state: all that is not zero is a number, and the bound can be written
/// down, its part of third order included.
#[test]
fn the_bound_of_a_single_state_is_the_one_written_down() {
    for (m0, m1, reward_slope) in [(0.0, 0.25, -0.75), (0.125, -0.25, 1.5), (-0.25, 0.125, 0.5)] {
        // P = 1/2 + m0 pi_1 for action 0, 1/2 + m1 pi_1 for action 1: rows that do not
        // sum to 1.
        let environment = format!(
            r#"{{"kind":"affine","transitions":[[[1],[1]]],"transition_slopes":[],
                    "rewards":[[1.0,0.5]],"reward_slopes":[[0,0,0,1,{reward_slope}]]}}"#
        );
        let problem = read(0.75, 1, r#"{"kind":"probabilities","values":[[1,0]]}"#, &environment);
        let mut model = build::model(&problem).unwrap();
        model.base.fill(Interval::point(0.5));
        model.row_sums.fill(Interval::new(0.25, 0.75).unwrap());
        for (row, m, n) in [(0, m0, reward_slope), (1, m1, 0.0)] {
            let slopes = [0.0, m].map(Interval::point).to_vec();
            let rewards = [0.0, n].map(Interval::point).to_vec();
            model.links[row] = vec![Link { state: 0, rewards, transitions: slopes.clone(), sums: slopes }];
        }
        let (c, down, up, gamma) = (0.25, 0.0625, 0.1875, 0.75);
        let cell = Cell { lower: vec![0.75 - up, c - down], upper: vec![0.75 + down, c + up] };
        let (mut bounder, centre, _) = enclosed(&model, &[0.75, c], &cell);
        assert_eq!(bounder.references, [0]);
        // f(x, w) = (1 - x) (1 + n x + gamma (1/2 + m0 x) w) + x (1/2 + gamma (1/2 + m1 x) w)
        let n = reward_slope;
        let sum = |x: f64| 0.5 + m0 * x + (m1 - m0) * x * x;
        let reward = |x: f64| (1.0 - x) * (1.0 + n * x) + 0.5 * x;
        let (v, d) = (reward(c) / (1.0 - gamma * sum(c)), 1.0 / (1.0 - gamma * sum(c)));
        let sum_slope = m0 + 2.0 * (m1 - m0) * c;
        let g = d * (n * (1.0 - 2.0 * c) - 0.5 + gamma * sum_slope * v);
        // f(c + e, v + g e) - v - g e, of which e^2 and e^3 are left.
        let second = -n + gamma * (m1 - m0) * v + gamma * g * sum_slope;
        let step = Interval::new(-down, up).unwrap();
        let cubic = |m: f64| step * (Interval::point(gamma * m * g) * step);
        let cubic = step * (cubic(m1) - cubic(m0));
        let residual = cubic + Interval::point(second) * square(step);
        let occupancy = bounder.resolvent[0];
        let ends = [c - down, c + up].map(|x| 1.0 / (1.0 - gamma * sum(x)));
        assert!(ends.iter().all(|&d| occupancy.lower() - SOLVED <= d && d <= occupancy.upper() + SOLVED));
        let rest = (occupancy - Interval::point(d)) * residual;
        let bends = parabola(Interval::point(g), Interval::point(d * second), step);
        let expected = v + (Interval::point(d) * cubic + rest).upper() + bends;
        let bound = bounder.second_order_bound(&centre, &cell);
        assert!(is_near(bound, expected, SOLVED), "{bound} {expected}");
        let best = (0..=64).map(|i| c - down + f64::from(i) * (up + down) / 64.0);
        let best = best.map(|x| reward(x) / (1.0 - gamma * sum(x))).fold(f64::NEG_INFINITY, f64::max);
        assert!(bound >= best - SOLVED && bound <= best + 0.05, "{bound} {best}");
    }
}
