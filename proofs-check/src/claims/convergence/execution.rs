//! T3 executed: ascents that end in a trap, with their pictures.

use super::*;

/// An ascent in doubles.
pub(super) struct Ascent {
    /// `theta` and `J`, thinned out.
    path: Vec<(f64, f64)>,
    /// Steps until the norm of the gradient was at most the tolerance.
    steps: u64,
    /// `theta` there.
    theta: f64,
    /// `J` there.
    value: f64,
    /// Steps that lowered the value by more than rounding.
    descents: u64,
    /// Steps, `theta` and the smallest `|grad|^2` before them, after 1, 2, 4, ...
    /// steps.
    samples: Vec<(u64, f64, f64)>,
}

const TOLERANCE: f64 = 1e-6;
const MOST_STEPS: u64 = 20_000_000;

/// `J` and `dJ/dtheta` in doubles.
pub(super) fn in_doubles(landscape: &Landscape) -> impl Fn(f64) -> (f64, f64) + use<> {
    let doubles = |p: &Polynomial| p.coefficients().iter().map(Field::approximate).collect::<Vec<f64>>();
    let pair = |p: &Polynomial| (doubles(p), doubles(&p.derivative()));
    let (numerator, denominator) = (pair(&landscape.numerator), pair(&landscape.denominator));
    let at = |p: &[f64], w: f64| p.iter().rev().fold(0.0, |sum, c| sum * w + c);
    move |theta: f64| {
        let w = theta.exp();
        let d = at(&denominator.0, w);
        let value = at(&numerator.0, w) / d;
        (value, w * (at(&numerator.1, w) - value * at(&denominator.1, w)) / d)
    }
}

pub(super) fn ascend(landscape: &Landscape, example: &Example) -> Ascent {
    let at = in_doubles(landscape);
    let step = example.step().approximate() * example.speed as f64;
    let norm = (example.speed as f64).sqrt();
    let mut theta = example.start.approximate().ln();
    let (mut value, mut slope) = at(theta);
    let mut ascent =
        Ascent { path: vec![(theta, value)], steps: 0, theta, value, descents: 0, samples: Vec::new() };
    let mut least = f64::INFINITY;
    while norm * slope.abs() > TOLERANCE && ascent.steps < MOST_STEPS {
        least = least.min((norm * slope).powi(2));
        theta += step * slope;
        let last = value;
        (value, slope) = at(theta);
        ascent.steps += 1;
        ascent.descents += u64::from(value < last - 1e-12 * last.abs());
        if ascent.steps.is_power_of_two() {
            ascent.samples.push((ascent.steps, theta, least));
        }
        if ascent.path.last().is_none_or(|(x, _)| (x - theta).abs() > 0.15) {
            ascent.path.push((theta, value));
        }
    }
    ascent.path.push((theta, value));
    Ascent { theta, value, ..ascent }
}

/// The landscape, its critical points and an ascent on it.
pub(super) fn picture(example: &Example, landscape: &Landscape, ascent: &Ascent, gap: f64) -> Picture {
    let at = in_doubles(landscape);
    let ends = ascent.path.iter().map(|p| p.0).chain(landscape.critical_points.iter().map(|c| c.theta()[0]));
    let (low, high) = ends.fold((-3.0f64, 3.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = ((low - 2.0).max(-16.0), (high + 3.0).min(16.0));
    let curve = (0..=240).map(|i| low + (high - low) * f64::from(i) / 240.0);
    let middle = |c: &CriticalPoint| (c.theta()[0], c.value[0].approximate());
    let path = ascent.path.iter().copied().filter(|(x, _)| *x >= low && *x <= high).collect();
    Picture {
        name: format!("T3-{}", example.name),
        title: format!("Ascent on example {}", example.name),
        caption: format!(
            "Performative value along one parameter, its critical points (all of them, by a Sturm sequence), and \
             ascent with eta = 1/L: {} steps to a gradient of 1e-6, where it is {gap:.3} below the supremum.",
            ascent.steps
        ),
        axes: ["theta".into(), "J".into()],
        logarithmic: [false, false],
        series: vec![
            Series {
                label: "J".into(),
                points: curve.map(|theta| (theta, at(theta).0)).collect(),
                style: Style::Line,
            },
            Series {
                label: "critical points".into(),
                points: landscape.critical_points.iter().map(middle).collect(),
                style: Style::Points,
            },
            Series { label: "ascent".into(), points: path, style: Style::Path },
        ],
    }
}

/// Coverage along an ascent towards a deterministic policy, and slope 1.
pub(super) fn coverage_picture(example: &Example, points: Vec<(f64, f64)>) -> Picture {
    let linear = points.last().map_or(0.0, |(steps, cov)| cov / steps);
    let slope = points.iter().map(|(steps, _)| (*steps, linear * steps)).filter(|(_, y)| *y >= 1.0).collect();
    Picture {
        name: format!("T3-{}-coverage", example.name),
        title: format!("Coverage along the ascent on example {}", example.name),
        caption: "Cov of the optimal policy at each iterate: it grows linearly with the steps as the policy becomes \
                  deterministic, so no number of steps satisfies a condition of the form T >= Cov^2 / eps^2."
            .into(),
        axes: ["steps".into(), "Cov".into()],
        logarithmic: [true, true],
        series: vec![
            Series { label: "Cov".into(), points, style: Style::Line },
            Series { label: "slope 1".into(), points: slope, style: Style::Dashed },
        ],
    }
}

/// `min |grad|^2` along the ascent of example A, and `2 L (V* - V_0)/T`, with a
/// sentence that compares them.
pub(in crate::claims) fn rate() -> Option<(Picture, String)> {
    let [example, ..] = examples_of_t3();
    let (_, problem) = example.problem()?;
    let landscape = Landscape::along(&problem, 0, 0).ok()?;
    let ascent = ascend(&landscape, &example);
    let supremum = landscape.supremum().0[0].approximate();
    let gained = supremum - landscape.at(&example.start).approximate();
    let bound = |steps: u64| 2.0 * example.curvature.approximate() * gained / steps as f64;
    let (steps, _, least) = *ascent.samples.last()?;
    let note = format!(
        "On example A min |grad|^2 over {steps} steps is {least:.1e}, the bound 2 L (V* - V_0)/T {:.1e}.",
        bound(steps)
    );
    let picture = Picture {
        name: "T3m-rate".into(),
        title: "Rate of monotone ascent on example A".into(),
        caption: "Smallest squared gradient of the first T iterates, and its bound 2 L (V* - V_0)/T.".into(),
        axes: ["T".into(), "min |grad|^2".into()],
        logarithmic: [true, true],
        series: vec![
            Series {
                label: "ascent".into(),
                points: ascent.samples.iter().map(|s| (s.0 as f64, s.2)).collect(),
                style: Style::Line,
            },
            Series {
                label: "bound".into(),
                points: ascent.samples.iter().map(|s| (s.0 as f64, bound(s.0))).collect(),
                style: Style::Dashed,
            },
        ],
    };
    Some((picture, note))
}

/// One example: whether it refutes the claim, with certificate, picture, note.
pub(super) fn execute(example: &Example, finding: &mut Finding) -> Option<bool> {
    let (json, problem) = example.problem()?;
    let landscape = Landscape::along(&problem, 0, 0).ok()?;
    let (trap, basin) = trap(json, &landscape, &example.start)?;
    let holds = is_trap(&trap, &landscape, &example.curvature);
    let ascent = ascend(&landscape, example);
    let supremum = landscape.supremum().0[0].approximate();
    let gap = supremum - basin.supremum[1].approximate();
    // |S||A|^2/(eps^2 (1-gamma)^3) with eps half of the gap.
    let gamma: Rational = problem.gamma().lift();
    let horizon = (Rational::one() - gamma).recip().approximate();
    let sizes = (problem.n_states() * problem.n_actions() * problem.n_actions()) as f64;
    let needed = sizes * horizon.powi(3) / (gap / 2.0).powi(2);
    let inside = ascent.value <= trap.ceiling.approximate() && ascent.descents == 0;
    // The supremum along the line is that over all policies: the search knows
    // nothing of lines.
    let optimum = certified(&problem)?;
    let agrees = optimum.value <= supremum + ROUNDING && supremum <= optimum.upper_bound + ROUNDING;
    finding.notes.push(format!(
        "{}: SubOpt of the end of the ascent is certified: between {:.6} and {:.6} ({}).",
        example.name,
        optimum.value - ascent.value,
        optimum.upper_bound - ascent.value,
        optimum.domain
    ));
    finding.notes.push(format!(
        "{}: from theta = {:.2} with eta = 1/L = {:.2e} ascent takes {} steps to a gradient of 1e-6, at theta = {:.3} and \
         J = {:.4}; the supremum is {supremum:.4}; the claim's T for half of the gap is {needed:.0} with constant 1.",
        example.name,
        example.start.approximate().ln(),
        example.step().approximate(),
        ascent.steps,
        ascent.theta,
        ascent.value,
    ));
    if example.speed == 2 {
        // J depends on p = w/(w + W) alone; the optimal policy has p = 1.
        let other = problem.rational_model().ok()?.1.probability(0, 1).approximate();
        let own = problem.rational_model().ok()?.1.probability(0, 0).approximate();
        let offset = (own / other).ln() - example.start.approximate().ln();
        let cov = |theta: f64| 1.0 + (-(theta + offset)).exp();
        let points: Vec<(f64, f64)> =
            ascent.samples.iter().map(|(steps, theta, _)| (*steps as f64, cov(*theta))).collect();
        let measured: Vec<String> =
            points.iter().step_by(5).map(|(steps, cov)| format!("{cov:.3e} after {steps}")).collect();
        finding.notes.push(format!(
            "{}: Cov of the optimal policy grows without bound along the ascent: {} steps.",
            example.name,
            measured.join(", ")
        ));
        finding.pictures.push(coverage_picture(example, points));
    } else {
        finding.notes.push(format!("{}: with one action Cov = 1 all along.", example.name));
    }
    finding.certificates.push(certificate::trap(&format!("T3-{}", example.name), "T3", &trap));
    finding.pictures.push(picture(example, &landscape, &ascent, gap));
    Some(holds && inside && agrees)
}
