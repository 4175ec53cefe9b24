//! `learning-rate`: which step sizes work, against 1/L.

use serde_json::json;

use super::benchmark::{Benchmark, EPS_GREEDY, GAMMA, UNIFORM, start};
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp::environments::gridworld::{GRID, N_ACTIONS};
use pemdp_algorithms::{Range, SettingValues, Settings as _, settings};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "learning-rate",
    about: "Ascent with step sizes from (1-gamma)^2/|A| to far above, with and without entropy, on the gridworld",
    settings: Settings::TABLE,
    quick: &[("entropy", "[0.0]")],
    plan,
};

settings! {
    struct Settings {
        steps: Vec<f64> = vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0, 10.0, 50.0, 200.0],
            "list of step sizes, each above 0; (1-gamma)^2/|A| is added", Range::POSITIVE;
        entropy: Vec<f64> = vec![0.0, 0.05], "list of entropy weights, each at least 0", Range::NOT_NEGATIVE;
        iterations: usize = 600, "steps of ascent, at least 1", Range::AT_LEAST_ONE;
    }
}

/// The order of the paper with the constant 1: `(1-gamma)^2/|A|`.
fn papers_step() -> f64 {
    (1.0 - GAMMA).powi(2) / N_ACTIONS as f64
}

/// 1/L for the learner's grid without a response: `L = 2 Rbar (1/2)/(1-gamma)^2`,
/// `docs/theory/smoothness.md` with fixed dynamics, `Rbar` half the range of rewards.
fn step_without_response() -> f64 {
    let (low, high) =
        GRID.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), r| (l.min(*r), h.max(*r)));
    (1.0 - GAMMA).powi(2) / ((high - low) / 2.0)
}

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for from in [UNIFORM, EPS_GREEDY] {
        for &entropy in &settings.entropy {
            for method in ["plain", "adam"] {
                for step in std::iter::once(papers_step()).chain(settings.steps.iter().copied()) {
                    let columns = vec![
                        ("start", datum(from)),
                        ("entropy", datum(entropy)),
                        ("method", datum(method)),
                        ("step", datum(step)),
                    ];
                    let ascent = json!({"iterations": settings.iterations, "step": step, "method": method, "entropy": entropy});
                    let task = Box::new(move || Benchmark::PEPG.task(start(from)?));
                    jobs.push(Job::solve(Label { columns, seed }, "pepg", &ascent, task)?);
                }
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let groups = groups(done);
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for from in [UNIFORM, EPS_GREEDY] {
        let mut series = Vec::new();
        for entropy in &settings.entropy {
            for method in ["plain", "adam"] {
                let is_it = |g: &&Group<'_>| {
                    g.text("start") == from && g.text("method") == method && g.number("entropy") == *entropy
                };
                let here: Vec<&Group<'_>> = groups.iter().filter(is_it).collect();
                let points: Vec<(f64, f64)> =
                    here.iter().map(|g| (g.number("step"), g.last_value())).collect();
                let Some(best) = here.iter().max_by(|a, b| a.last_value().total_cmp(&b.last_value())) else {
                    continue;
                };
                let smallest = points.first().map_or(f64::NAN, |p| p.1);
                findings.push(format!(
                    "From {from}, {method}, entropy {entropy}: best after {} steps with step {} ({:.4}); (1-gamma)^2/|A| = {:.4} \
                     ends at {smallest:.4}.",
                    settings.iterations, best.number("step"), best.last_value(), papers_step(),
                ));
                series.push(Series {
                    // As the algorithms are called elsewhere.
                    label: format!("{}, entropy {entropy}", if method == "adam" { "Adam" } else { method }),
                    points,
                    style: Style::Path,
                });
            }
        }
        let values: Vec<f64> = series.iter().flat_map(|s: &Series| &s.points).map(|p| p.1).collect();
        let (low, high) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let line = vec![(step_without_response(), low), (step_without_response(), high)];
        series.push(Series { label: "1/L without response".to_owned(), points: line, style: Style::Dashed });
        drawings.push(Drawing::Chart(Picture {
            name: format!("from-{from}"),
            title: format!("Value after {} steps by step size, from {from}", settings.iterations),
            caption: format!(
                "Ascent on the exact gradient; exact values without entropy, in the true environment. The leftmost step is \
                 (1-gamma)^2/|A| = {:.4}.",
                papers_step()
            ),
            axes: ["step size".to_owned(), "value after the last step".to_owned()],
            logarithmic: [true, false],
            series,
        }));
    }
    findings.extend(smoothness(&groups));
    Presentation { summary: summary(&groups), findings, drawings, times: None }
}

/// What the runs say about 1/L.
fn smoothness(groups: &[Group<'_>]) -> Option<String> {
    let plain = groups.iter().filter(|g| g.text("method") == "plain" && g.number("entropy") == 0.0);
    let measured = plain.flat_map(|g| &g.runs).flat_map(|run| &run.iterates).filter_map(|i| i.sensitivity);
    // Below this the quotient of two rounding errors is measured.
    const SHORTEST_STEP: f64 = 1e-6;
    let largest = measured.filter(|s| s.step > SHORTEST_STEP).map(|s| s.smoothness).fold(0.0, f64::max);
    (largest > 0.0).then(|| {
        format!(
            "Along the plain runs without entropy the gradient changed by up to {largest:.3} per unit of the parameters, \
             jumps at kinks included: L is estimated to be no smaller, and 1/L to be no larger than {:.4}. Because of the kinks none is proven for \
             the gridworld; without a response 1/L = {:.4} is.",
            1.0 / largest,
            step_without_response()
        )
    })
}
