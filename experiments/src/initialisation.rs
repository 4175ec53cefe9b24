//! `initialisation`: where ascent ends, by where it starts.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::benchmark::Benchmark;
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES};
use pemdp::oracle::examples;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{AlgorithmError, Range, SettingValues, Settings as _, Task, settings};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "initialisation",
    about: "End values of exact ascent over random starts: how many local optima there are, and how bad",
    settings: Settings::TABLE,
    quick: &[("starts", "8")],
    plan,
};

settings! {
    struct Settings {
        starts: u64 = 40, "number of random starts, at least 1", Range::AT_LEAST_ONE;
        scale: Vec<f64> = vec![0.5, 2.0, 5.0],
            "list of half widths of the uniform random logits, each at least 0", Range::NOT_NEGATIVE;
        iterations: usize = 600, "steps of ascent, at least 1", Range::AT_LEAST_ONE;
        step: f64 = 0.1, "step size of Adam, above 0", Range::POSITIVE;
    }
}

/// The problems: the benchmark, and examples with known local maxima.
const PROBLEMS: [&str; 3] = ["gridworld", "local-maximum", "two-basins"];

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for problem in PROBLEMS {
        for &scale in &settings.scale {
            for terms in ["all", "policy"] {
                for run in 0..settings.starts {
                    let columns =
                        vec![("problem", datum(problem)), ("scale", datum(scale)), ("terms", datum(terms))];
                    let ascent =
                        json!({"iterations": settings.iterations, "step": settings.step, "terms": terms});
                    let task = Box::new(move || task(problem, scale, seed + run));
                    jobs.push(Job::solve(Label { columns, seed: seed + run }, "pepg", &ascent, task)?);
                }
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

/// A problem from logits that are uniform in `[-scale, scale]`.
fn task(problem: &'static str, scale: f64, seed: u64) -> Result<Task, AlgorithmError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut logits =
        |n: usize| -> Vec<f64> { (0..n).map(|_| scale * rng.random_range(-1.0..=1.0)).collect() };
    if problem == "gridworld" {
        return Benchmark::PEPG.task(Policy::softmax(N_STATES, N_ACTIONS, logits(N_STATES * N_ACTIONS))?);
    }
    let json = examples::example(problem).map(examples::Example::to_json).unwrap_or_default();
    let problem = Problem::from_json(&json, Reading::Doubles)
        .map_err(|error| AlgorithmError::NotApplicable { algorithm: "pepg", why: error.to_string() })?;
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let start = Policy::softmax(n_states, n_actions, logits(n_states * n_actions))?;
    Ok(Task::new(&problem)?.starting_from(start))
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let groups = groups(done);
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for problem in PROBLEMS {
        let here: Vec<&Group<'_>> = groups.iter().filter(|g| g.text("problem") == problem).collect();
        let mut series = Vec::new();
        for group in &here {
            let mut ends: Vec<f64> = group.runs.iter().map(|run| run.last_value()).collect();
            ends.sort_by(f64::total_cmp);
            let best = ends.last().copied().unwrap_or(f64::NAN);
            let near = ends.iter().filter(|end| **end >= best - 1e-3 * best.abs()).count();
            let (scale, terms) = (group.number("scale"), group.text("terms"));
            findings.push(format!(
                "{problem}, starts within {scale}, terms {terms}: ends from {:.5} to {best:.5}, median {:.5}; {near} of {} within \
                 0.1 % of the best.",
                ends.first().copied().unwrap_or(f64::NAN),
                ends[ends.len() / 2],
                ends.len(),
            ));
            let share = |i: usize| (i as f64 + 1.0) / ends.len() as f64;
            let points = ends.iter().enumerate().map(|(i, end)| (*end, share(i))).collect();
            series.push(Series {
                label: format!("{}, scale {scale}", if terms == "all" { "PePG" } else { "policy gradient" }),
                points,
                style: Style::Path,
            });
        }
        drawings.push(Drawing::Chart(Picture {
            name: format!("ends-{problem}"),
            title: format!("Where ascent ends on {problem}, over random starts"),
            caption: format!(
                "Share of {} starts that end at most at a value, for logits uniform in [-scale, scale]; exact values in the true \
                 environment.",
                settings.starts
            ),
            axes: ["value after the last step".to_owned(), "share of starts".to_owned()],
            logarithmic: [false, false],
            series,
        }));
    }
    Presentation { summary: summary(&groups), findings, drawings, times: None }
}
