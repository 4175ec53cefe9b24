use super::*;
use crate::tolerances::{DIFFERENTIATED, SOLVED, ULPS};
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::Gridworld;
use pemdp::environments::gridworld::{
    GRID, INTERVENTION_COST, N_ACTIONS, N_STATES, TERMINAL, neighbour, perturbed_grid,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STEPS: usize = 24;
const SIDE: usize = 8;

/// Random nondecreasing functions over the true range of promises.
fn random_steps(model: &GridworldModel, rng: &mut ChaCha8Rng) -> Steps {
    let mut steps = Steps { promises: Vec::new(), values: Vec::new() };
    for s in 0..N_STATES {
        let count = if s == TERMINAL { 1 } else { STEPS };
        let (low, high) = (model.lowest[s], model.highest[s]);
        steps.promises.push((0..=count).map(|j| low + (high - low) * j as f64 / count as f64).collect());
        let mut values: Vec<f64> = (0..=count).map(|_| rng.random::<f64>() * 0.3 - 0.2).collect();
        values.sort_by(f64::total_cmp);
        steps.values.push(if s == TERMINAL { vec![0.0; 2] } else { values });
    }
    steps
}

/// The left side minus the right one, from the definitions.
fn violation((beta, grid): (f64, &[f64]), state: usize, (u, v): (&[f64], &[f64]), p: &[f64]) -> Option<f64> {
    let (y, w) = (u[state], v[state]);
    let cells: Vec<usize> = (0..N_ACTIONS).map(|a| neighbour(state, a)).collect();
    let x: Vec<f64> = cells.iter().map(|&n| grid[n] + 0.9 * u[n]).collect();
    let r: Vec<f64> = cells.iter().map(|&n| GRID[n] + 0.9 * v[n]).collect();
    let dot = |z: &[f64]| p.iter().zip(z).map(|(p, z)| p * z).sum::<f64>();
    let kept = x.iter().all(|x| x - INTERVENTION_COST <= y) && dot(&x) <= y;
    let mut weights: Vec<f64> = x.iter().map(|x| (beta * (x - INTERVENTION_COST)).exp()).collect();
    weights.push((beta * dot(&x)).exp());
    let mut gains = r.clone();
    gains.push(dot(&r));
    let sum: f64 = weights.iter().zip(&gains).map(|(e, r)| e * r).sum();
    kept.then(|| (sum / weights.iter().sum::<f64>() - w) * weights.iter().sum::<f64>() * (-beta * y).exp())
}

/// Samples in random boxes: policies on two cells never exceed the bound of
/// the box, policies on four never refute a range that was proven.
#[test]
fn boxes_bound_what_is_sampled_in_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut inside, mut proven, mut nearest) = (0, 0, f64::INFINITY);
    for round in 0..60 {
        let beta = [0.0, 1.0, 5.0, 40.0][round % 4];
        let grids = vec![perturbed_grid(0.5, 0), perturbed_grid(0.5, 1)];
        let grid: Vec<f64> = (0..N_STATES).map(|s| 0.5 * (grids[0][s] + grids[1][s])).collect();
        let gamma = Interval::from_ratio(9, 10);
        let model =
            GridworldModel::new(&Gridworld::new(Interval::point(beta), gamma, grids).unwrap()).unwrap();
        let mut steps = random_steps(&model, &mut rng);
        for _ in 0..120 {
            // In a corner two moves lead back to the cell.
            let corner = [0, SIDE - 1, N_STATES - SIDE][rng.random_range(0..3)];
            let state = if rng.random_bool(0.2) { corner } else { rng.random_range(0..TERMINAL) };
            if rng.random_bool(0.5) {
                let lift = rng.random::<f64>() * 0.9 - 0.7;
                steps.values[state].iter_mut().for_each(|w| *w += lift);
            }
            let check = Check::new(&model, &steps, state);
            let cells = neighbours(&Layout::benchmark(), state);
            let range_of = |cell: usize, rng: &mut ChaCha8Rng| {
                let last = steps.promises[cell].len() - 1;
                let low = rng.random_range(0..last);
                let high = if rng.random_bool(0.6) { low + 1 } else { rng.random_range(low + 1..=last) };
                Range { low, high }
            };
            let range = range_of(state, &mut rng);
            let promise = steps.promises[state][range.high];
            let cap = promise + check.cost + check.difference;
            let chunk = Chunk { promise, value: steps.values[state][range.low + 1], cap };
            let (a, b) = (rng.random_range(1..cells.len()), 0);
            let boxes: Vec<Range> =
                cells.iter().map(|&(n, _)| if n == state { range } else { range_of(n, &mut rng) }).collect();
            let peaks: f64 = (0..cells.len())
                .filter(|&c| c != a && c != b)
                .map(|c| check.peak(&chunk, &check.neighbours[c], boxes[c]))
                .sum();
            let bound = check.excess(&chunk, (a, boxes[a]), (b, boxes[b])).map(|e| e + peaks);
            let whole = check.holds(range, 20_000, &mut 0);
            for _ in 0..60 {
                let mut u = vec![0.0; N_STATES];
                let mut v = vec![0.0; N_STATES];
                let mut draw = |cell: usize, range: Range, rng: &mut ChaCha8Rng| {
                    let j = rng.random_range(range.low + 1..=range.high);
                    let t = if rng.random_bool(0.4) { 1.0 } else { rng.random::<f64>() };
                    u[cell] = steps.promises[cell][j - 1]
                        + t * (steps.promises[cell][j] - steps.promises[cell][j - 1]);
                    v[cell] = steps.values[cell][j];
                };
                for (&(n, _), &r) in cells.iter().zip(&boxes) {
                    draw(n, r, &mut rng);
                }
                draw(state, range, &mut rng);
                let y = u[state];
                let mut p = vec![0.0; N_ACTIONS];
                let action = |cell: usize| (0..N_ACTIONS).find(|&x| neighbour(state, x) == cell).unwrap();
                let t = if rng.random_bool(0.3) { 1.0 } else { rng.random::<f64>() };
                p[action(cells[a].0)] += t;
                p[action(cells[b].0)] += 1.0 - t;
                if let Some(truth) = violation((beta, &grid), state, (&u, &v), &p) {
                    inside += 1;
                    let scale = (beta * (promise - y)).exp();
                    let bound = bound.expect("a policy that keeps the promise");
                    // Relative to the chunk's upper end, as the bound is.
                    assert!(truth / scale <= bound + SOLVED, "{truth} above {bound} in {state}");
                    nearest = nearest.min(bound - truth / scale);
                }
                let spread: Vec<f64> = (0..N_ACTIONS).map(|_| -rng.random::<f64>().ln()).collect();
                let p: Vec<f64> = spread.iter().map(|x| x / spread.iter().sum::<f64>()).collect();
                if let (true, Some(truth)) = (whole, violation((beta, &grid), state, (&u, &v), &p)) {
                    proven += 1;
                    assert!(truth <= SOLVED, "{truth} in {state}");
                }
            }
        }
    }
    assert!(inside > 5_000 && proven > 5_000 && nearest < 1e-4, "{inside} {proven} {nearest}");
}

/// A check of neighbours that are given, with margins wide enough to be seen.
fn check_of(steps: &Steps, neighbours: Vec<Neighbour>) -> Check<'_> {
    Check { steps, state: 0, neighbours, beta: 2.0, cost: 0.25, difference: 0.125, exponent: 0.5 }
}

fn no_steps() -> Steps {
    Steps { promises: Vec::new(), values: Vec::new() }
}

/// A neighbour of one step: lower and upper end of the move's worth, its value.
fn single(lower: f64, upper: f64, value: f64) -> Neighbour {
    Neighbour {
        lower: vec![lower; 2],
        upper: vec![upper; 2],
        values: vec![f64::NAN, value],
        moves: 1.0,
        is_own: false,
    }
}

const STEP: Range = Range { low: 0, high: 1 };

fn is_near(x: f64, y: f64, relative: f64) -> bool {
    (x - y).abs() <= relative * x.abs().max(y.abs())
}

#[test]
fn ranges_are_halved_until_they_are_one_step() {
    let range = Range { low: 2, high: 7 };
    assert_eq!(range.halves(), [Range { low: 2, high: 4 }, Range { low: 4, high: 7 }]);
    assert!(STEP.is_one_step() && !Range { low: 4, high: 6 }.is_one_step());
    assert!(Range { low: 5, high: 6 }.is_one_step() && !range.is_one_step());
}

/// What is worth more counts at its upper end, cut at the cap, what is worth less
/// at its lower end.
#[test]
fn overrides_are_bounded_at_the_end_that_counts() {
    let (steps, chunk) = (no_steps(), Chunk { promise: 0.25, value: 0.5, cap: 0.5 });
    let n = Neighbour {
        lower: vec![-1.0, -0.5, 0.0, 0.5],
        upper: vec![-0.875, -0.375, 0.125, 0.625],
        values: vec![f64::NAN, 0.25, 0.5, 1.0],
        moves: 3.0,
        is_own: false,
    };
    let check = check_of(&steps, vec![]);
    for (low, high, gain, exponent) in [
        (0, 2, 0.125, 2.0 * (0.125 - 0.5) + 0.5),
        (1, 3, 0.625, 2.0 * (0.5 - 0.5) + 0.5),
        (0, 1, -0.125, 2.0 * (-1.0 - 0.5) - 0.5),
    ] {
        let bound = check.overridden(&chunk, &n, Range { low, high });
        let exact = 3.0 * gain * f64::exp(exponent);
        assert!(bound >= exact && is_near(bound, exact, 1e-10), "{low} {high}: {bound} {exact}");
    }
}

#[test]
fn peaks_are_the_largest_of_single_steps() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (steps, chunk) = (no_steps(), Chunk { promise: 0.25, value: 0.5, cap: 0.5 });
    let check = Check { difference: 1e-15, exponent: 1e-14, ..check_of(&steps, vec![]) };
    for round in 0..200 {
        let mut sorted = |low: f64, high: f64| {
            let mut all: Vec<f64> = (0..17).map(|_| rng.random_range(low..high)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let (lower, values) = (sorted(-2.0, 0.5), sorted(-1.0, if round % 2 == 0 { 0.75 } else { 0.25 }));
        let upper = lower.iter().map(|x| x + 1e-3).collect();
        let n = Neighbour { lower, upper, values, moves: 2.0, is_own: false };
        for range in [Range { low: 0, high: 16 }, Range { low: 3, high: 9 }, Range { low: 5, high: 6 }] {
            let one = |high: usize| check.overridden(&chunk, &n, Range { low: high - 1, high });
            let largest = (range.low + 1..=range.high).map(one).fold(f64::NEG_INFINITY, f64::max);
            let peak = check.peak(&chunk, &n, range);
            assert!(peak >= largest && peak <= largest + PEAK_TOLERANCE, "{peak} {largest}");
        }
    }
}

/// `e^(beta min(m, 0)) v` over the mixtures of two moves, by looking at many, and
/// the bound with the margin of the exponent taken off.
#[test]
fn mixtures_are_bounded_by_the_largest_of_many() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let steps = no_steps();
    let check = check_of(&steps, vec![]);
    let mut between = 0;
    for round in 0..3000 {
        let side = if round % 3 == 0 { 1.0 } else { -1.0 };
        let mut draw = || (side * rng.random_range(0.0..3.0), rng.random_range(-1.0..2.0));
        let (a, b) = (draw(), draw());
        let (x, y) = (rng.random_range(0.0..1.0), rng.random_range(0.0..1.0));
        let (from, to) = if round % 2 == 0 { (0.0, 1.0) } else { (f64::min(x, y), f64::max(x, y)) };
        let at = |t: f64| {
            let (m, v) = (t * a.0 + (1.0 - t) * b.0, t * a.1 + (1.0 - t) * b.1);
            f64::exp(2.0 * m.min(0.0)) * v
        };
        let (best, inside) = (0..=400)
            .map(|i| (at(from + (to - from) * f64::from(i) / 400.0), i % 400 != 0))
            .fold((0.0, false), |best, next| if next.0 > best.0 { next } else { best });
        between += u64::from(inside);
        let bound = check.mixture(a, b, from, to) / f64::exp(0.5);
        assert!(bound >= best && bound <= best * (1.0 + 5e-4), "{a:?} {b:?} {from} {to}: {bound} {best}");
    }
    assert!(between > 200, "{between}");
}

#[test]
fn mixtures_keep_their_margins() {
    let steps = no_steps();
    let check = check_of(&steps, vec![]);
    // Gains that cancel leave 1e-14 of their sizes.
    let cancelled = check.mixture((-1.0, 1e6), (-1.0, -1e6), 0.5, 0.5);
    assert!(is_near(cancelled, 2e-8 * f64::exp(0.5 - 2.0), 1e-3), "{cancelled}");
    // The largest value, at t = 3/4 between, has 1e-9 above it.
    let (a, b) = ((-2.0, 1.0), (0.0, -1.0));
    let inside = check.mixture(a, b, 0.0, 1.0) / (0.5 * f64::exp(0.5 - 3.0));
    assert!(inside > 1.0 + 9e-10 && inside < 1.0 + 1.1e-9, "{inside}");
    // At the ends, too: (1/4, 1/2) has its largest value at 1/2, of value 0 + margin.
    let outside = check.mixture((-2.0, 3.0), (0.0, -1.0), 0.0, 0.5) / f64::exp(0.5 - 2.0);
    assert!(outside > 1.0 + 9e-10 && outside < 1.0 + 1.1e-9, "{outside}");
    // Where the tangent would be too steep the largest factors are multiplied.
    let (a, b) = ((-2000.0, 99.0), (0.0, -1.0));
    let steep = check.mixture(a, b, 0.0, 1.0);
    assert!(is_near(steep, 99.0 * f64::exp(0.5), 1e-9), "{steep}");
}

/// What two neighbours of one step each leave alone, against policies on them.
#[test]
fn policies_on_two_moves_are_bounded_by_the_best_of_many() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (mut none, mut negative, mut positive) = (0, 0, 0);
    let steps = no_steps();
    for _ in 0..4000 {
        let mut draw = || {
            let lower = rng.random_range(-1.0..0.75);
            single(lower, lower + rng.random_range(0.0..0.75), rng.random_range(-1.0..1.25))
        };
        let check = check_of(&steps, vec![draw(), draw()]);
        let chunk = Chunk { promise: 0.25, value: 0.5, cap: 0.75 };
        let ends = |n: &Neighbour| (n.lower[0] - 0.375, n.upper[1].min(0.75) - 0.125, n.values[1] - 0.375);
        let [a, b] = [ends(&check.neighbours[0]), ends(&check.neighbours[1])];
        let mixed = |t: f64, a: f64, b: f64| t * a + (1.0 - t) * b;
        let best =
            (0..=1000).map(|i| f64::from(i) / 1000.0).filter(|&t| mixed(t, a.0, b.0) <= 0.0).map(|t| {
                let gain = mixed(t, a.2, b.2);
                let (m, margin) =
                    if gain > 0.0 { (mixed(t, a.1, b.1), 0.5) } else { (mixed(t, a.0, b.0), -0.5) };
                gain * f64::exp(2.0 * m.min(0.0) + margin)
            });
        let best = best.reduce(f64::max);
        match (check.left_alone(&chunk, (0, STEP), (1, STEP)), best) {
            (None, best) => {
                none += 1;
                assert_eq!(best, None);
            }
            (Some(_), None) => {}
            (Some(bound), Some(best)) => {
                if best > 0.0 {
                    positive += 1
                } else {
                    negative += 1
                };
                assert!(bound >= best - DIFFERENTIATED, "{a:?} {b:?}: {bound} {best}");
                assert!(bound <= best + 0.02, "{a:?} {b:?}: {bound} {best}");
            }
        }
    }
    assert!(none > 100 && negative > 300 && positive > 300, "{none} {negative} {positive}");
}

/// Ends of the policies that keep a promise, where gains of a million cancel there,
/// so that the margins are what is left.
#[test]
fn policies_that_keep_a_promise_are_slightly_enlarged() {
    let (steps, chunk) = (no_steps(), Chunk { promise: 0.0, value: 0.125, cap: 8.0 });
    let left = |a: (f64, f64), b: (f64, f64)| {
        // Without the difference of 1/8.
        let of = |(low, gain): (f64, f64)| single(low + 0.125, 4.0, gain);
        check_of(&steps, vec![of(a), of(b)]).left_alone(&chunk, (0, STEP), (1, STEP))
    };
    let (gain, unit) = (1e6, 1e-8 * f64::exp(0.5));
    // From t = (1 - 1e-14)/2 on, where 1e-14 of the gain is left, and 2e-14 of the sizes.
    assert!(is_near(left((-1.0, -gain), (1.0, gain)).unwrap(), 3.0 * unit, 0.05));
    assert!(is_near(left((1.0, gain), (-1.0, -gain)).unwrap(), 3.0 * unit, 0.05));
    // Both ends below 0: e^(beta m) at the lower end of m, with its margin.
    let both = left((-1.0, -1.0), (-2.0, -0.5)).unwrap();
    assert!(is_near(both, -0.5 * f64::exp(-4.0 - 0.5), 1e-10), "{both}");
    // Gains that nearly cancel where the promise ends to be kept: -5e-14 of them, 1e-14
    // for the end and 2e-14 for the sizes.
    let nearly = left((1.0, gain), (-1.0, -gain * (1.0 + 1e-13))).unwrap();
    assert!(is_near(nearly, -2.0 * 1e-8 * f64::exp(-0.5), 0.05), "{nearly}");
    // A promise that is just kept, by both or by one.
    assert!(is_near(left((0.0, 1.0), (0.0, 2.0)).unwrap(), 2.0 * f64::exp(0.5), 1e-9));
    assert!(is_near(left((0.0, 1.0), (1.0, 2.0)).unwrap(), f64::exp(0.5), 1e-9));
    assert!(is_near(left((1.0, 2.0), (0.0, 1.0)).unwrap(), f64::exp(0.5), 1e-9));
    assert_eq!(left((1e-9, 1.0), (1e-9, 1.0)), None);
}

/// The two moves' parts are added.
#[test]
fn boxes_add_what_is_overridden_and_what_is_left() {
    let (steps, chunk) = (no_steps(), Chunk { promise: 0.25, value: 0.5, cap: 0.75 });
    let check = check_of(&steps, vec![single(-0.5, -0.25, 0.75), single(-0.25, 0.0, 1.5)]);
    let part = |n: usize| check.overridden(&chunk, &check.neighbours[n], STEP);
    let left = check.left_alone(&chunk, (0, STEP), (1, STEP)).unwrap();
    let excess = check.excess(&chunk, (0, STEP), (1, STEP)).unwrap();
    assert!(part(0) > 0.1 && part(1) > 0.1 && left > 0.1);
    assert!(is_near(excess, left + part(0) + part(1), ULPS));
}

/// A check with three neighbours, the last of them the state itself, of five steps
/// each and at random.
fn random_check<'a>(steps: &'a Steps, rng: &mut ChaCha8Rng) -> Check<'a> {
    let mut sorted = |low: f64, high: f64| {
        let mut all: Vec<f64> = (0..6).map(|_| rng.random_range(low..high)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let neighbours = (0..3).map(|n| {
        let lower = sorted(-1.0, 0.75);
        let upper = lower.iter().map(|x| x + 1e-9).collect();
        Neighbour {
            lower,
            upper,
            values: sorted(-0.5, 0.25),
            moves: if n == 2 { 2.0 } else { 1.0 },
            is_own: n == 2,
        }
    });
    Check { difference: 1e-15, exponent: 1e-14, ..check_of(steps, neighbours.collect()) }
}

/// The sums of all single steps, of each two moves: the largest.
fn largest_of_steps(check: &Check, range: Range) -> f64 {
    let promise = check.steps.promises[0][range.high];
    let cap = promise + 0.25 + 1e-15;
    let chunk = Chunk { promise, value: check.steps.values[0][range.low + 1], cap };
    if check.neighbours.iter().any(|n| n.lower[0] > cap) {
        return f64::NEG_INFINITY;
    }
    let singles = |c: usize| -> Vec<Range> {
        let n = &check.neighbours[c];
        let kept = |&high: &usize| {
            if n.is_own { high > range.low && high <= range.high } else { n.lower[high - 1] <= cap }
        };
        (1..6).filter(kept).map(|high| Range { low: high - 1, high }).collect()
    };
    let mut largest = f64::NEG_INFINITY;
    for (a, b, c) in [(1, 0, 2), (2, 0, 1), (2, 1, 0)] {
        let other = singles(c).into_iter().map(|d| check.overridden(&chunk, &check.neighbours[c], d));
        let other = other.fold(f64::NEG_INFINITY, f64::max);
        for (of_a, of_b) in singles(a).into_iter().flat_map(|x| singles(b).into_iter().map(move |y| (x, y))) {
            if let Some(excess) = check.excess(&chunk, (a, of_a), (b, of_b)) {
                largest = largest.max(other + excess);
            }
        }
    }
    largest
}

/// A range holds where all boxes of single steps do, whatever is halved before.
#[test]
fn ranges_hold_where_all_their_steps_do() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut held, mut failed, mut split, mut examined) = (0, 0, 0, 0);
    for _ in 0..400 {
        let first = rng.random_range(-0.5..0.25);
        let level = rng.random_range(-0.25..0.25);
        let steps = Steps {
            promises: vec![(0..6).map(|j| first + 0.05 * f64::from(j)).collect()],
            values: vec![(0..6).map(|j| level + 0.02 * f64::from(j)).collect()],
        };
        let check = random_check(&steps, &mut rng);
        for range in [Range { low: 0, high: 5 }, Range { low: 1, high: 3 }, Range { low: 4, high: 5 }] {
            let largest = largest_of_steps(&check, range);
            if largest.abs() <= 2.0 * PEAK_TOLERANCE {
                continue;
            }
            let mut boxes = 0;
            let holds = check.holds(range, 1_000_000, &mut boxes);
            assert_eq!(holds, largest <= 0.0, "{largest}");
            (held, failed) = (held + u64::from(holds), failed + u64::from(!holds));
            if !holds || largest == f64::NEG_INFINITY {
                continue;
            }
            examined += boxes;
            // One box for each two moves at least, and patience for all that are halved.
            assert!(boxes >= 3);
            let needed = |before: u64| {
                (0..=boxes).find(|&patience| {
                    let mut count = before;
                    let holds = check.holds(range, patience, &mut count);
                    assert!(count <= before + boxes && (!holds || count == before + boxes));
                    holds
                })
            };
            let patience = needed(0).unwrap();
            assert_eq!(needed(1000), Some(patience));
            assert_eq!(patience == 0, boxes == 3, "{patience} {boxes}");
            assert!(patience < boxes);
            split += u64::from(boxes > 3);
        }
    }
    assert!(held > 150 && failed > 150 && split > 30, "{held} {failed} {split}");
    // The wider of two ranges is halved first, which takes fewer boxes.
    assert!(examined <= 1_876, "{examined}");
}

/// A move that is worth the cap itself, margin included, can be overridden.
#[test]
fn promises_are_kept_up_to_their_margin() {
    let steps = Steps { promises: vec![vec![0.0, 0.0]], values: vec![vec![0.0, 0.0]] };
    let holds = |worth: f64| {
        let neighbours = vec![single(worth, worth, 1.0), single(-1.0, -1.0, 1.0)];
        check_of(&steps, neighbours).holds(STEP, 100, &mut 0)
    };
    assert_eq!([0.25, 0.375, 0.376].map(holds), [false, false, true]);
}

/// Neighbours that no promise below 10 keeps, against a value that is only large
/// enough from there on: chunks are halved down to the step.
#[test]
fn proofs_go_through_all_promises_in_chunks() {
    let mut steps = Steps {
        promises: vec![(0..=40).map(f64::from).collect()],
        values: vec![(0..=40).map(|j| if j < 10 { -1.0 } else { 1.0 }).collect()],
    };
    let proof = |steps: &Steps, stop: bool| {
        check_of(steps, vec![single(10.0, 10.0, 0.0), single(10.0, 10.0, 0.0)]).prove(&|| stop)
    };
    // 40, 32, (16, 16 after 8, 12 after 8, 10 after 8, 9 after 8, 8 after 0).
    assert_eq!(proof(&steps, false), Ok(Effort { chunks: 11, boxes: 9 }));
    assert_eq!(proof(&steps, true), Err(BoundError::Interrupted));
    steps.values[0][17] = -1.0;
    let failed = BoundError::Unproven { state: 0, promise: 17.0, step: 17 };
    assert_eq!(proof(&steps, false), Err(failed));
}

/// The numbers of a check are those of the moves, and its margins those of the
/// largest size among them.
#[test]
fn checks_have_the_moves_of_their_model() {
    let grids = vec![perturbed_grid(0.5, 0), perturbed_grid(0.5, 1)];
    let gamma = Interval::from_ratio(9, 10);
    let model = GridworldModel::new(&Gridworld::new(Interval::point(4.0), gamma, grids).unwrap()).unwrap();
    let state = N_STATES - SIDE;
    let is_of = |change: &dyn Fn(&mut Steps) -> f64| {
        let mut steps = random_steps(&model, &mut ChaCha8Rng::seed_from_u64(6));
        let size = change(&mut steps);
        let check = Check::new(&model, &steps, state);
        assert!(is_near(check.difference, 1e-15 * (size + 1.0), SOLVED), "{size} {}", check.difference);
        assert!(is_near(check.exponent, 32.0 * check.difference, SOLVED));
        assert_eq!((check.beta, check.cost, check.state), (4.0, model.cost.upper(), state));
        assert_eq!(check.neighbours.len(), neighbours(&Layout::benchmark(), state).len());
        for (n, (cell, moves)) in check.neighbours.iter().zip(neighbours(&Layout::benchmark(), state)) {
            assert_eq!((n.moves, n.is_own), (moves as f64, cell == state));
            for (j, &u) in steps.promises[cell].iter().enumerate() {
                let worth = model.mean_move_value(cell, u);
                assert_eq!((n.lower[j], n.upper[j]), (worth.lower(), worth.upper()));
                assert_eq!(n.values[j], model.learner_move_value(cell, steps.values[cell][j]).upper());
            }
        }
    };
    is_of(&|steps| {
        steps.values[state + 1][STEPS] = 70.0;
        model.learner_move_value(state + 1, 70.0).upper()
    });
    is_of(&|steps| {
        steps.values[state][0] = -80.0;
        80.0
    });
    is_of(&|steps| {
        steps.promises[state + 1][0] = -90.0;
        -model.mean_move_value(state + 1, -90.0).lower()
    });
    is_of(&|steps| {
        steps.promises[state][STEPS] = 95.0;
        95.0
    });
}

#[test]
fn initial_means_take_the_last_steps() {
    let mut values = vec![vec![0.0, 0.0, 1.0]; N_STATES];
    (values[2], values[TERMINAL]) = (vec![9.0, -3.0], vec![5.0, 5.0]);
    let steps = Steps { promises: Vec::new(), values };
    let mut initial = vec![0.0; N_STATES];
    (initial[0], initial[2], initial[TERMINAL]) = (0.25, 0.5, 0.25);
    assert_eq!(initial_mean(&Layout::benchmark(), &steps, &initial), 0.25 - 1.5);
}
