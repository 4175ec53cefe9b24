//! The parts of bounds, each against numbers written down.

use super::*;
use crate::tolerances::{DIFFERENTIATED, FORMULA, QUOTIENT, SOLVED, ULPS};

#[test]
fn bends_of_rows_are_products_with_the_slopes_of_values() {
    let point = Interval::point;
    let row = CentreRow {
        transitions: vec![point(0.5), point(0.0), point(0.25)],
        value: point(0.0),
        slopes: vec![],
        response: vec![
            (1, vec![point(-1.0), point(1.0), point(0.0)]),
            (0, vec![point(0.0), point(0.5), point(-0.5)]),
        ],
    };
    // G, at t m + k.
    let slopes = [1.0, 2.0, -3.0, 5.0, 4.0, -2.0];
    let bends = row.bends(point(0.5), &slopes, 2);
    assert_eq!(bends.ahead, [point(0.75), point(0.25)]);
    assert_eq!(bends.response[0], (1, vec![point(-2.0), point(1.5)]));
    assert_eq!(bends.response[1], (0, vec![point(-1.75), point(1.75)]));
    // e_1 (-2 e_0 + 1.5 e_1) + e_0 (-1.75 e_0 + 1.75 e_1) at (2, -4)
    assert_eq!(bends.range(&[point(2.0), point(-4.0)]), point(40.0 - 21.0));
}

#[test]
fn systems_are_solved_and_inverted() {
    let (model, ..) = moving(34, 3, 2);
    let mut bounder = Bounder::new(&model, &FOREVER);
    let matrix = [[4.0, 1.0, -2.0], [1.0, 5.0, 2.0], [-1.0, 2.0, 6.0]];
    let x = [1.0, -2.0, 3.0];
    for s in 0..3 {
        bounder.system[4 * s..4 * s + 3].copy_from_slice(&matrix[s]);
        bounder.system[4 * s + 3] = (0..3).map(|t| matrix[s][t] * x[t]).sum();
    }
    bounder.invert();
    for (s, t) in (0..3).flat_map(|s| (0..3).map(move |t| (s, t))) {
        let product: f64 = (0..3).map(|u| matrix[s][u] * bounder.inverse[t * 3 + u]).sum();
        assert!(is_near(product, if s == t { 1.0 } else { 0.0 }, ULPS), "{s} {t}: {product}");
    }
    let mut found = [0.0; 3];
    assert!(bounder.solve(&mut found));
    assert!(found.iter().zip(x).all(|(found, x)| is_near(*found, x, FORMULA)), "{found:?}");
    bounder.system.fill(0.0);
    assert!(!bounder.solve(&mut found));
}

#[test]
fn parabolas_are_bounded_by_their_ends_or_their_vertex() {
    let of = |lower, upper| Interval::new(lower, upper).unwrap();
    let point = Interval::point;
    assert_eq!(
        [of(2.0, 3.0), of(-3.0, 2.0), of(-3.0, -2.0)].map(square),
        [of(4.0, 9.0), of(0.0, 9.0), of(4.0, 9.0)]
    );
    for ((a, b), step, most) in [
        ((point(1.0), point(1.0)), of(-3.0, 1.0), 6.0),
        ((point(1.0), point(1.0)), of(-1.0, 1.0), 2.0),
        ((point(-1.0), point(1.0)), of(-1.0, 1.0), 2.0),
        ((point(1.0), of(-1.0, 0.0)), of(-2.0, -1.0), -1.0),
        ((point(4.0), point(-1.0)), of(0.0, 1.0), 3.0),
        ((point(-4.0), point(-1.0)), of(-1.0, 0.0), 3.0),
        ((point(2.0), point(-1.0)), of(0.0, 3.0), 1.0),
        ((point(2.0), point(-1.0)), of(-1.0, 3.0), 1.0),
        ((point(-2.0), point(-1.0)), of(-3.0, 0.5), 1.0),
        // Here a step of the first power is less than the vertex.
        ((of(-1.0, 1.0), point(-1.0 / 64.0)), of(-1.0, 1.0), 1.0),
    ] {
        assert_eq!(parabola(a, b, step), most, "{a:?} {b:?} {step:?}");
    }
    assert_eq!([middle(1.0, 3.0), middle(-3.0, 1.0), middle(0.25, 0.25)], [2.0, -1.0, 0.25]);
}

#[test]
fn centres_share_out_what_the_lower_ends_leave() {
    let (model, ..) = moving(35, 3, 3);
    let mut bounder = Bounder::new(&model, &FOREVER);
    let cell = Cell {
        lower: vec![0.125, 0.25, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0, 0.25],
        upper: vec![0.625, 0.75, 0.25, 0.0, 0.0, 1.0, 0.25, 0.25, 1.0],
    };
    let centre = bounder.centre(&cell);
    let expected = vec![0.375, 0.5, 0.125, 0.0, 0.0, 1.0, 0.25, 0.125, 0.625];
    assert_eq!((&centre.lower, &centre.upper), (&expected, &expected));
    assert_eq!(bounder.references, [1, 5, 8]);
    // What does not add up to 1 in doubles is left to the reference action.
    let thirds = Cell { lower: vec![0.1; 9], upper: vec![0.7; 9] };
    let centre = bounder.centre(&thirds);
    for (s, &reference) in bounder.references.iter().enumerate() {
        let others: Vec<f64> =
            (3 * s..3 * s + 3).filter(|&i| i != reference).map(|i| centre.lower[i]).collect();
        let left = Rational::from_f64(1.0) - Rational::from_f64(others[0]) - Rational::from_f64(others[1]);
        assert!(Rational::from_f64(centre.lower[reference]) <= left);
        assert!(Rational::from_f64(centre.upper[reference]) >= left);
        assert!(others.iter().all(|&x| is_near(x, 1.0 / 3.0, ULPS)));
        assert!(centre.width(reference) < ULPS);
    }
}

/// Of rows that do not move the largest values over a cell are those of one policy
/// at its corners, for all states at once; so are the columns of the resolvent.
#[test]
fn values_of_fixed_rows_are_bounded_by_those_at_corners() {
    for seed in 36..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let problem = affine(&mut rng, 3, 2, 0.9, false);
        let mut model = build::model(&problem).unwrap();
        model.initial = [0.5, 0.125, 0.25].map(Interval::point).to_vec();
        // Small rewards, so that what counts as negligible is relative to the values.
        let scale = if seed % 2 == 0 { 1.0 } else { 2f64.powi(-40) };
        for reward in &mut model.rewards {
            *reward *= Interval::point(scale);
        }
        let cell = Cell {
            lower: vec![0.0, 0.25, 0.5, 0.125, 0.0, 0.0],
            upper: vec![0.75, 1.0, 0.875, 0.5, 1.0, 1.0],
        };
        let corner = |choice: usize| -> Vec<f64> {
            let one = |s: usize| {
                if choice >> s & 1 == 0 { cell.lower[2 * s] } else { cell.upper[2 * s] }
            };
            (0..3).flat_map(|s| [one(s), 1.0 - one(s)]).collect()
        };
        let corners: Vec<_> = (0..8).map(|choice| solved(&model, &corner(choice))).collect();
        let ends = |of: &dyn Fn(usize) -> f64| {
            (0..8).map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| {
                (f64::min(least, x), f64::max(most, x))
            })
        };
        let is = |of: Interval, ends: (f64, f64), scale: f64| {
            assert!(
                is_near(of.lower(), ends.0, DIFFERENTIATED * scale)
                    && is_near(of.upper(), ends.1, DIFFERENTIATED * scale),
                "{of:?} {ends:?}"
            );
            assert!(of.lower() <= ends.0 + FORMULA * scale && of.upper() >= ends.1 - FORMULA * scale);
        };
        let mut bounder = Bounder::new(&model, &FOREVER);
        let centre = bounder.centre(&cell);
        bounder.enclose_centre(&centre);
        model.policy(&cell, &mut bounder.policy);
        bounder.enclose_values(&cell);
        bounder.enclose_resolvent(&cell);
        for s in 0..3 {
            is(bounder.enclosed.of[s], ends(&|c| corners[c].1[s]), scale);
            for t in 0..3 {
                is(bounder.resolvent[s * 3 + t], ends(&|c| corners[c].0[(t, s)]), 1.0);
                let apart = bounder.enclosed.of[t] - bounder.enclosed.of[s];
                let apart = if s == t { Interval::zero() } else { apart };
                assert_eq!(bounder.enclosed.differences[s * 3 + t], apart);
            }
        }
        let mean = ends(&|c| corners[c].2).1;
        assert!(
            bounder.initial_mean() >= mean - FORMULA * scale
                && is_near(bounder.initial_mean(), mean, DIFFERENTIATED * scale)
        );
        // A target that is reached ends it at once.
        let reached = Bounder::new(&model, &FOREVER).bound(&cell, mean + 1e-9 * scale);
        assert!(
            reached.split.is_none()
                && !reached.absent
                && is_near(reached.upper, mean, DIFFERENTIATED * scale)
        );
        let open = Bounder::new(&model, &FOREVER).bound(&cell, mean - 1e-9 * scale);
        assert!(open.absent || open.split.is_some() || open.face != cell);
    }
}

/// Where the time is over, nothing but the first guess is improved.
#[test]
fn bounds_that_are_interrupted_are_still_bounds() {
    let (model, x, sizes) = moving(41, 3, 2);
    let interrupt = Interrupt::raised();
    let halt = Halt { interrupt: &interrupt, start: Instant::now(), budget: None };
    let point = Bounder::new(&model, &halt).bound(&at(&x), f64::NEG_INFINITY);
    let value = solved(&model, &x).2;
    assert!(is_near(point.upper, value, SOLVED) && is_near(point.lower, value, SOLVED));
    assert_eq!(point.split, None);
    let eighths: Vec<f64> = sizes.iter().map(|size| size / 8.0).collect();
    let mut cell = boxed(&x, &point_references(&model, &x), &eighths, &eighths);
    cell.lower[..2].copy_from_slice(&x[..2]);
    cell.upper[..2].copy_from_slice(&x[..2]);
    let wide = Bounder::new(&model, &halt).bound(&cell, f64::NEG_INFINITY);
    assert_eq!((wide.upper, wide.split, wide.absent), (f64::INFINITY, Some(2), false));
    let bounder = Bounder::new(&model, &halt);
    assert!(bounder.is_late() && !Bounder::new(&model, &FOREVER).is_late());
}

#[test]
fn residuals_are_lifted_over_the_gap() {
    let (mut model, ..) = moving(42, 2, 2);
    model.gap = Interval::point(0.25);
    let bounder = Bounder::new(&model, &FOREVER);
    let lifted = |residual: f64| {
        let mut w = [1.0, -2.0];
        bounder.lift(residual, &mut w);
        w
    };
    assert_eq!([lifted(0.5), lifted(0.0), lifted(-1.0)], [[3.0, 0.0], [1.0, -2.0], [1.0, -2.0]]);
}

/// The bounds of `sum_a g_a x_a` over steps that sum to 0: at a corner for slopes
/// that are known, else along the chords of what the slopes allow.
#[test]
fn steps_in_the_simplex_are_bounded_by_their_chords() {
    let (model, ..) = moving(43, 2, 3);
    let mut bounder = Bounder::new(&model, &FOREVER);
    let of = |lower, upper| Interval::new(lower, upper).unwrap();
    let point = Interval::point;
    let face = Cell { lower: vec![0.0; 6], upper: vec![1.0; 6] };
    let mut bound = |g: [Interval; 3], steps: [Interval; 3], face: &Cell| {
        bounder.gradient[3..].copy_from_slice(&g);
        bounder.steps[3..].copy_from_slice(&steps);
        bounder.simplex_bound(3, face)
    };
    let steps = [of(-0.25, 0.5), of(-0.5, 0.25), of(-0.125, 0.75)];
    // (0.5, -0.375, -0.125), (0.5, 0.125, -0.625) cut to (0.5, -0.375, -0.125), and so on.
    let g = [point(4.0), point(1.0), point(-2.0)];
    assert_eq!(bound(g, steps, &face), 2.0 - 0.375 + 0.25);
    assert_eq!(bound([g[2], g[0], g[1]], steps, &face), 0.5 + 1.0 + 0.0);
    // The chord of max(-e, 2 e) over [-1/4, 1/2] is 1/4 + (e + 1/4), and so on.
    let wide = [of(-1.0, 2.0), point(0.0), point(0.0)];
    assert_eq!(bound(wide, steps, &face), 1.0);
    let wide = [of(-4.0, 2.0), point(3.0), point(0.0)];
    // Slope 0 at height 1; 3 * 0.25 beside it.
    assert_eq!(bound(wide, steps, &face), 1.75);
    // What does not move in the face counts with its step, and leaves the others the sum.
    let mut still = face.clone();
    still.upper[4] = 0.0;
    let moved = [of(-0.5, 0.5), point(0.125), of(-0.5, 0.5)];
    assert_eq!(bound([point(2.0), point(3.0), point(-1.0)], moved, &still), 0.375 + 0.75 + 0.5);
}

#[test]
fn monotone_cells_are_left_for_their_faces() {
    let (model, ..) = moving(44, 2, 3);
    let mut bounder = Bounder::new(&model, &FOREVER);
    let of = |lower, upper| Interval::new(lower, upper).unwrap();
    let point = Interval::point;
    let whole = Cell { lower: vec![0.0; 6], upper: vec![1.0; 6] };
    let inner = Cell { lower: vec![0.25; 6], upper: vec![0.5; 6] };
    let mut ends = |g: [Interval; 6], cell: &Cell| {
        bounder.gradient.copy_from_slice(&g);
        let mut face = cell.clone();
        let found = match bounder.monotone(&mut face) {
            Monotone::Absent => "absent",
            Monotone::Face => "face",
            Monotone::Neither => "neither",
        };
        (found, face)
    };
    let zero = point(0.0);
    let open = [of(-1.0, 1.0), of(-1.0, 1.0), of(-1.0, 1.0)];
    let with =
        |state: [Interval; 3], last: [Interval; 3]| [state[0], state[1], state[2], last[0], last[1], last[2]];
    assert_eq!(ends(with(open, open), &whole), ("neither", whole.clone()));
    // Strictly better, and the worse one in every policy of the cell, or not.
    let better = [point(2.0), of(-2.0, 0.5), of(0.0, 3.0)];
    assert_eq!(ends(with(open, better), &inner).0, "absent");
    let mut left = whole.clone();
    left.upper[4] = 0.0;
    assert_eq!(ends(with(open, better), &whole), ("face", left.clone()));
    // One of each state at a time.
    left.upper[1] = 0.0;
    let worst = [point(2.0), point(1.0), point(0.0)];
    let (found, face) = ends(with(better, worst), &whole);
    assert_eq!((found, face.upper), ("face", vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]));
    // No worse is enough where the cell has all of the move, else it is not.
    let level = [of(0.0, 1.0), zero, of(-1.0, 1.0)];
    let (found, face) = ends(with(level, open), &whole);
    assert_eq!((found, face.upper[1]), ("face", 0.0));
    let mut narrow = whole.clone();
    narrow.upper[0] = 0.75;
    assert_eq!(ends(with(level, open), &narrow).0, "neither");
    let mut narrow = whole.clone();
    narrow.lower[1] = 0.125;
    assert_eq!(ends(with(level, open), &narrow).0, "neither");
    // Without the worse action the others do not suffice.
    let few = Cell { lower: vec![0.0; 6], upper: vec![0.25, 1.0, 0.5, 1.0, 1.0, 1.0] };
    assert_eq!(ends(with([point(2.0), zero, of(-1.0, 3.0)], open), &few).0, "absent");
    // An action that is left out already is none to move from.
    let mut without = whole.clone();
    without.upper[1] = 0.0;
    let one = [of(-1.0, 1.0), point(-5.0), of(-1.0, 1.0)];
    assert_eq!(ends(with(one, open), &without), ("neither", without.clone()));
}

#[test]
fn cells_are_split_where_most_can_be_gained() {
    let (model, ..) = moving(45, 2, 2);
    let mut bounder = Bounder::new(&model, &FOREVER);
    let of = |lower, upper| Interval::new(lower, upper).unwrap();
    let cell = Cell { lower: vec![0.0, 0.5, 0.25, 0.25], upper: vec![0.25, 0.5, 0.75, 0.5] };
    bounder.enclosed.of = vec![of(-2.0, 1.0), of(-1.0, 4.0)];
    let mut widest = |g: [Interval; 4]| {
        bounder.gradient.copy_from_slice(&g);
        bounder.widest(&cell)
    };
    let point = Interval::point;
    assert_eq!(widest([of(-5.0, 1.0), point(9.0), point(2.0), point(3.0)]), Some(0));
    assert_eq!(widest([point(3.0), point(9.0), point(2.0), point(3.0)]), Some(2));
    assert_eq!(widest([point(1.0), point(9.0), point(0.25), point(4.0)]), Some(3));
    // The first of equal ones; 4e-16 is lost in values up to 4.
    assert_eq!(widest([point(2.0), point(9.0), point(1.0), point(2.0)]), Some(0));
    assert_eq!(widest([point(1.5e-15), point(9.0), point(0.0), point(0.0)]), None);
    assert_eq!(widest([point(1.7e-15), point(9.0), point(0.0), point(0.0)]), Some(0));
}

#[test]
fn gradients_are_those_of_the_exact_formulas() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    for round in 0..60 {
        let problem = problems(&mut rng, round);
        let model = build::model(&problem).unwrap();
        let (n, width) = (model.n_states, model.n_actions);
        let x = random_point(&mut rng, &model);
        let point = Bounder::new(&model, &FOREVER).climb(&at(&x));
        let policy = Policy::probabilities(n, width, x);
        let (exact, policy) = (problem.model::<f64>().unwrap(), policy.unwrap());
        let performance = exact.perform(&policy).unwrap();
        let truth = performance.gradient.total();
        let scale = 1.0 + performance.evaluation.value.abs();
        assert!((point.value - performance.evaluation.value).abs() < DIFFERENTIATED * scale);
        for state in (0..n).map(|s| s * width..(s + 1) * width) {
            // Of probabilities, up to a constant for each state.
            let shift = truth[state.start].unwrap() - point.gradient[state.start];
            for i in state {
                let error = truth[i].unwrap() - shift - point.gradient[i];
                assert!(error.abs() < QUOTIENT * scale, "round {round}: {error}");
            }
        }
    }
}
