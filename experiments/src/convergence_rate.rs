//! `convergence-rate`: how fast ascent reaches the certified optimum.

use serde_json::{Value, json};

use super::bounds::bound_above;
use super::datum::{Datum, datum};
use super::families::{FamilyKind, RandomProblem, enclosed_value};
use super::plan::{Done, Drawing, Job, Label, Outcome, Plan, Presentation, Work};
use super::table::Table;
use super::{Experiment, ExperimentError};
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::Structure;
use pemdp::oracle::examples;
use pemdp::policy::Policy;
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_algorithms::{
    AlgorithmError, Range, SettingValues, Settings as _, Task, Trajectory, algorithm, settings,
    solve_unobserved,
};
use pemdp_optimum::{OptimumSettings, PerformativeOptimum, performative_optimum};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "convergence-rate",
    about: "Suboptimality of PePG from the uniform policy against a certified optimum, by iteration",
    settings: Settings::TABLE,
    quick: &[],
    plan,
};

settings! {
    #[derive(Copy)]
    struct Settings {
        iterations: usize = 100_000,
            "steps of ascent, at least 100", Range::new(|n| n >= 100, "at least 100");
        gap: f64 = 1e-9, "certified gap of the optima, above 0", Range::POSITIVE;
    }
}

/// Columns of a measured iterate: a lower and an upper bound of `V* - J(theta_t)`.
const COLUMNS: [&str; 6] =
    ["algorithm", "iteration", "value", "suboptimality", "suboptimality_bound", "bound_used"];

/// What ascent is measured on; random problems by their seed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Instance {
    /// The loan of `docs/theory/stability.md`, whose optimum is inside.
    Loan,
    /// A random problem.
    Random(&'static str, RandomProblem),
}

const fn random(kind: FamilyKind, n_actions: usize, strength: f64) -> RandomProblem {
    RandomProblem { kind, n_states: 3, n_actions, strength, gamma: 0.9, seed: 0 }
}

/// The family has one action, so that its certificate is over all parameters and
/// their limits.
const INSTANCES: [Instance; 4] = [
    Instance::Random("fixed", random(FamilyKind::Affine, 2, 0.0)),
    Instance::Random("affine", random(FamilyKind::Affine, 2, 0.5)),
    Instance::Random("exponential-family", random(FamilyKind::ExponentialFamily, 1, 1.0)),
    Instance::Loan,
];

impl Instance {
    fn name(self) -> &'static str {
        match self {
            Self::Loan => "loan",
            Self::Random(name, _) => name,
        }
    }

    fn problem(self, seed: u64) -> Result<Problem, ExperimentError> {
        match self {
            Self::Loan => {
                let json = examples::example("loan").map(examples::Example::to_json).unwrap_or_default();
                Ok(Problem::from_json(&json, Reading::Doubles)?)
            }
            Self::Random(_, random) => RandomProblem { seed, ..random }.problem(),
        }
    }

    /// A Lipschitz constant of the gradient where one is proved (L5x of
    /// `docs/theory/smoothness.md` with rewards that do not respond):
    /// `2 Rbar (1/2 + gamma B^2/4) / (1-gamma)^2`, `B` the spread of `psi`.
    fn smoothness(self, problem: &Problem) -> Option<f64> {
        let (range, spread) = match problem.structure() {
            Structure::Affine(affine) => {
                let parts = affine.parts(problem.given()).ok().filter(|parts| !parts.responds())?;
                (width(parts.rewards.iter().map(Field::approximate)), 0.0)
            }
            Structure::LocalFamily(family) => {
                let range = width(family.reward_base.iter().map(Numeral::approximate));
                (range, width(family.psi.iter().map(Numeral::approximate)))
            }
            _ => return None,
        };
        let gamma = problem.gamma().approximate();
        let half_range = range / 2.0;
        Some(2.0 * half_range * (0.5 + gamma * spread * spread / 4.0) / (1.0 - gamma).powi(2))
    }
}

/// Largest minus smallest.
fn width(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    high - low
}

/// Algorithms and their settings; plain steps are `1/L`.
fn algorithms(
    smoothness: Option<f64>,
    n_actions: usize,
    iterations: usize,
) -> impl Iterator<Item = (&'static str, Value)> {
    let with = move |method: &str, step: f64| {
        json!({
            "method": method,
            "step": step,
            "iterations": iterations,
            "tolerance": 0.0,
            "damping": DAMPING,
        })
    };
    let plain = smoothness.map(|constant| (PLAIN, with("plain", 1.0 / constant)));
    // The Fisher information of a policy without a choice is 0.
    let natural = (n_actions > 1).then(|| ("natural .1", with("natural", 0.1)));
    let always = [("backtracking", with("backtracking", 1.0)), ("Adam .1", with("adam", 0.1))];
    always.into_iter().chain(plain).chain(natural)
}

/// Of natural steps: small enough to matter near deterministic policies only.
const DAMPING: f64 = 1e-8;
const PLAIN: &str = "plain 1/L";

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let job = |instance: Instance| {
        let columns = vec![("instance", datum(instance.name()))];
        let rows = move || measure(instance, seed, settings);
        Job { label: Label { columns, seed }, work: Work::Measure(Box::new(rows)) }
    };
    let present = Box::new(move |done: &[Done]| Ok(present(done)));
    let jobs = INSTANCES.map(job).into();
    Ok(Plan { settings: settings.values(), jobs, columns: COLUMNS.to_vec(), present })
}

fn measure(instance: Instance, seed: u64, settings: Settings) -> Result<Vec<Vec<Datum>>, ExperimentError> {
    let problem = instance.problem(seed)?;
    let certificate = OptimumSettings { gap: settings.gap, ..OptimumSettings::default() };
    let optimum = performative_optimum(&problem, &certificate)?;
    let smoothness = instance.smoothness(&problem);
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let mut rows = Vec::new();
    for (name, with) in algorithms(smoothness, n_actions, settings.iterations) {
        let ascent = algorithm("pepg", &with)?;
        let start = Policy::softmax(n_states, n_actions, vec![0.0; n_states * n_actions])
            .map_err(AlgorithmError::from)?;
        let task = Task::new(&problem)?.starting_from(start).keeping_parameters();
        let run = solve_unobserved(&*ascent, &task, seed)?;
        let used = (name == PLAIN).then_some(smoothness).flatten().map(|l| bound_used(&run, &optimum, l));
        for t in sampled(run.iterates.len()) {
            let iterate = &run.iterates[t];
            let policy = Policy::softmax(n_states, n_actions, iterate.parameters.clone().unwrap_or_default())
                .map_err(AlgorithmError::from)?;
            let [least, most] = suboptimality(&optimum, enclosed_value(&problem, &policy));
            rows.push(vec![
                datum(name),
                datum(t),
                datum(iterate.value),
                datum(least),
                datum(most),
                datum(used),
            ]);
        }
    }
    Ok(rows)
}

/// A lower and an upper bound of `V* - J`, rounded outward: no policy is better than an
/// optimal one, so that neither is negative.
fn suboptimality(optimum: &PerformativeOptimum, value: Interval) -> [f64; 2] {
    let below = |bound: f64| Interval::point(bound) - value;
    [below(optimum.value).lower().max(0.0), below(optimum.upper_bound).upper().max(0.0)]
}

/// `min_t |grad J|^2`, in doubles, over its bound `2 L (V* - J(theta_0))/T` (T3m of
/// `docs/theory/convergence.md`) with the certified value in place of `V*`, which
/// is not above it: at most 1 if the theorem holds.
fn bound_used(run: &Trajectory, optimum: &PerformativeOptimum, smoothness: f64) -> f64 {
    let steps = run.iterates.len() - 1;
    let first = run.iterates.first().map_or(f64::NAN, |iterate| iterate.value);
    let least = run.iterates.iter().take(steps).map(|i| i.gradient_norm).fold(f64::INFINITY, f64::min);
    least * least * steps as f64 / (2.0 * smoothness * (optimum.value - first))
}

/// Iterates from 1, twenty a decade.
fn sampled(count: usize) -> impl Iterator<Item = usize> {
    let mut times: Vec<usize> =
        (0..).map(|k| 10f64.powf(f64::from(k) / 20.0).round() as usize).take_while(|&t| t < count).collect();
    times.push(count - 1);
    times.dedup();
    times.into_iter()
}

/// The measured curve of an algorithm on an instance.
struct Curve {
    instance: String,
    algorithm: String,
    /// Iterations and bounds of the suboptimality.
    points: Vec<(f64, [f64; 2])>,
    bound_used: Option<f64>,
}

fn curves(done: &[Done]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for done in done {
        let Outcome::Rows(rows) = &done.outcome else { continue };
        let instance = done.label.columns.first().map_or_else(String::new, |(_, v)| v.to_string());
        for row in rows {
            let algorithm = row[0].to_string();
            if curves.last().is_none_or(|c| c.instance != instance || c.algorithm != algorithm) {
                let (instance, bound_used) = (instance.clone(), row[5].number());
                curves.push(Curve { instance, algorithm, points: Vec::new(), bound_used });
            }
            let number = |i: usize| row[i].number().unwrap_or(f64::NAN);
            if let Some(curve) = curves.last_mut() {
                curve.points.push((number(1), [number(3), number(4)]));
            }
        }
    }
    curves
}

impl Curve {
    /// The points whose suboptimality is known to 10 %.
    fn known(&self) -> Vec<(f64, f64)> {
        let is_known = |[low, high]: [f64; 2]| low > 0.9 * high && high > 0.0;
        self.points
            .iter()
            .take_while(|(_, bounds)| is_known(*bounds))
            .map(|(t, [_, high])| (*t, *high))
            .collect()
    }

    /// The exponent `p` of a power law `t^p` through the last decade that is known.
    fn exponent(&self) -> Option<f64> {
        let known = self.known();
        let last = known.last()?.0;
        slope(&known.into_iter().filter(|(t, _)| *t >= last / 10.0).collect::<Vec<_>>())
    }

    fn last(&self) -> [f64; 2] {
        self.points.last().map_or([f64::NAN; 2], |point| point.1)
    }

    fn row(&self) -> Vec<Datum> {
        let [low, high] = self.last();
        vec![
            datum(&self.instance),
            datum(&self.algorithm),
            datum(self.points.last().map(|point| point.0 as u64)),
            datum(low),
            datum(high),
            datum(self.known().last().map(|point| point.0 as u64)),
            datum(self.exponent()),
            datum(self.bound_used),
        ]
    }
}

/// Least squares of `log y` against `log x`; none for less than three points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (x, y) = logs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (above, below) =
        logs.iter().fold((0.0, 0.0), |(a, b), (u, v)| (a + (u - x) * (v - y), b + (u - x) * (u - x)));
    Some(above / below)
}

/// An upper bound of a suboptimality in words.
fn at_most(bound: f64) -> String {
    match bound {
        0.0 => "the optimum".to_owned(),
        _ if bound.is_finite() => format!("{} or less", bound_above(bound)),
        _ => "a value that is not bounded".to_owned(),
    }
}

fn present(done: &[Done]) -> Presentation {
    let curves = curves(done);
    let columns = [
        "instance",
        "algorithm",
        "iterations",
        "suboptimality",
        "suboptimality_bound",
        "known_until",
        "exponent",
        "gradient_bound_used",
    ];
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for instance in INSTANCES.map(Instance::name) {
        let here: Vec<&Curve> = curves.iter().filter(|curve| curve.instance == instance).collect();
        let part = |curve: &&Curve| {
            let exponent = curve.exponent().map_or_else(|| "-".to_owned(), |p| format!("{p:.2}"));
            let until = curve.known().last().map_or(0.0, |point| point.0);
            let used = curve
                .bound_used
                .map_or_else(String::new, |used| format!(", about {used:.1e} of the bound of its gradients"));
            let end = at_most(curve.last()[1]);
            format!("{} falls like t^{exponent} up to t = {until} and ends at {end}{used}", curve.algorithm)
        };
        findings.push(format!("{instance}: {}.", here.iter().map(part).collect::<Vec<_>>().join("; ")));
        let series = here.iter().map(|curve| Series {
            label: curve.algorithm.clone(),
            points: curve.known(),
            style: Style::Run,
        });
        let start =
            here.iter().filter_map(|curve| curve.known().first().copied()).map(|p| p.1).fold(0.0, f64::max);
        let end = here.iter().filter_map(|curve| Some(curve.known().last()?.0)).fold(10.0, f64::max);
        let guide = Series {
            label: "1/t".to_owned(),
            points: vec![(1.0, start), (end, start / end)],
            style: Style::Dashed,
        };
        drawings.push(Drawing::Chart(Picture {
            name: instance.to_owned(),
            title: format!("Suboptimality of ascent from uniform: {instance}"),
            caption: "Bound of V* - J(theta_t), V* certified. A dot ends a curve where the run ended or the bound is no longer \
                      known to 10 %."
                .to_owned(),
            axes: ["iteration".to_owned(), "suboptimality".to_owned()],
            logarithmic: [true, true],
            series: series.chain([guide]).collect(),
        }));
    }
    Presentation {
        summary: Table {
            keys: 2,
            columns: columns.map(str::to_owned).to_vec(),
            rows: curves.iter().map(Curve::row).collect(),
        },
        findings,
        drawings,
        times: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::{ILL_CONDITIONED, SOLVED};

    #[test]
    fn slopes_are_exponents() {
        let points: Vec<(f64, f64)> = (1..40).map(|t| (f64::from(t), 3.0 / f64::from(t).powi(2))).collect();
        assert!((slope(&points).unwrap() + 2.0).abs() < SOLVED);
        assert_eq!(slope(&points[..2]), None);
    }

    #[test]
    fn a_curve_ends_where_the_certificate_does() {
        let points = vec![(1.0, [1.0, 1.01]), (2.0, [0.5, 0.51]), (3.0, [0.01, 0.02]), (4.0, [-1e-3, 1e-3])];
        let curve = Curve { instance: String::new(), algorithm: String::new(), points, bound_used: None };
        assert_eq!(curve.known(), [(1.0, 1.01), (2.0, 0.51)]);
    }

    #[test]
    fn proven_steps_keep_the_proven_bound_and_tend_to_the_optimum() {
        let settings = Settings { iterations: 3000, gap: 1e-6 };
        for instance in [INSTANCES[0], INSTANCES[2]] {
            let rows = measure(instance, 0, settings).unwrap();
            let plain: Vec<&Vec<Datum>> = rows.iter().filter(|row| row[0].text() == Some(PLAIN)).collect();
            let loss = |row: &Vec<Datum>| row[4].number().unwrap();
            // Monotone, and never above the certified bound.
            assert!(plain.windows(2).all(|pair| loss(pair[1]) <= loss(pair[0]) && loss(pair[1]) >= 0.0));
            let used = plain[0][5].number().unwrap();
            assert!(used > 0.0 && used <= 1.0, "{used}");
        }
    }

    #[test]
    fn bounds_of_the_suboptimality_hold_at_the_optimum_and_are_not_negative() {
        let problem = Instance::Loan.problem(0).unwrap();
        let settings = OptimumSettings { gap: 1e-9, ..OptimumSettings::default() };
        let optimum = performative_optimum(&problem, &settings).unwrap();
        // The optimum approves with probability 1/4, and neighbours of it lose less than a rounding error.
        for shift in [0.0, 1e-12, -1e-12, 1e-6] {
            let policy = Policy::softmax(1, 2, vec![-(3f64.ln()) + shift, 0.0]).unwrap();
            let [least, most] = suboptimality(&optimum, enclosed_value(&problem, &policy));
            // V* - J = (p - 1/4)^2/(1 - gamma), p' = p (1 - p).
            let truth = 2.0 * (3.0 / 16.0 * shift).powi(2);
            assert!(
                (0.0..=truth + SOLVED).contains(&least) && most >= truth * (1.0 - 1e-4),
                "{least} {most}"
            );
        }
        assert_eq!(at_most(1.04e-15), "1.1e-15 or less");
        assert_eq!(at_most(f64::INFINITY), "a value that is not bounded");
    }

    #[test]
    fn optima_lie_where_the_documentation_says() {
        let optimum = |instance: Instance| {
            let settings = OptimumSettings { gap: 1e-7, ..OptimumSettings::default() };
            performative_optimum(&instance.problem(0).unwrap(), &settings).unwrap()
        };
        let is_mixed = |p: &[f64]| p[0].min(p[1]) > 1e-3;
        let is_deterministic = |p: &[f64]| p[0].min(p[1]) < 1e-6;
        let affine = optimum(INSTANCES[1]).policy;
        assert!(affine.chunks(2).any(is_mixed) && affine.chunks(2).any(is_deterministic), "{affine:?}");
        assert!(optimum(INSTANCES[0]).policy.chunks(2).all(is_deterministic));
        assert!(optimum(INSTANCES[2]).parameters.iter().any(|theta| theta.is_infinite()));
        assert!(is_mixed(&optimum(INSTANCES[3]).policy));
    }

    #[test]
    fn the_constant_is_that_of_the_theory() {
        let problem = INSTANCES[0].problem(0).unwrap();
        // Without a response: Rbar/(1-gamma)^2.
        let Structure::Affine(affine) = problem.structure() else { panic!() };
        let parts = affine.parts(problem.given()).unwrap();
        let constant = INSTANCES[0].smoothness(&problem).unwrap();
        assert!(
            (constant - 50.0 * width(parts.rewards.iter().map(Field::approximate))).abs() < ILL_CONDITIONED
        );
        assert_eq!(INSTANCES[1].smoothness(&INSTANCES[1].problem(0).unwrap()), None);
        assert_eq!(INSTANCES[3].smoothness(&INSTANCES[3].problem(0).unwrap()), None);
    }
}
