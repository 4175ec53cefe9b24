//! `entropy`: which entropy weights help.

use serde_json::json;

use super::benchmark::{Benchmark, EPS_GREEDY, GAMMA, UNIFORM, start};
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp::environments::gridworld::N_ACTIONS;
use pemdp_algorithms::{Range, SettingValues, Settings as _, settings};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "entropy",
    about: "Ascent on the entropy-regularised value by entropy weight, judged by the plain value, on the gridworld",
    settings: Settings::TABLE,
    quick: &[],
    plan,
};

settings! {
    struct Settings {
        entropy: Vec<f64> = vec![0.0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0],
            "list of entropy weights, each at least 0; the paper's formula is added", Range::NOT_NEGATIVE;
        iterations: usize = 600, "steps of ascent, at least 1", Range::AT_LEAST_ONE;
        step: f64 = 0.1, "step size of Adam, above 0", Range::POSITIVE;
    }
}

/// The formula of [PePG, T4]: `(1-gamma) Rmax/(1 + 2 log|A|)` with `Rmax = 1`, the
/// largest cell value.
fn formula() -> f64 {
    (1.0 - GAMMA) / (1.0 + 2.0 * (N_ACTIONS as f64).ln())
}

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut weights = settings.entropy.clone();
    weights.push(formula());
    weights.sort_by(f64::total_cmp);
    let mut jobs = Vec::new();
    for from in [UNIFORM, EPS_GREEDY] {
        for &entropy in &weights {
            let columns = vec![("start", datum(from)), ("entropy", datum(entropy))];
            let ascent =
                json!({"iterations": settings.iterations, "step": settings.step, "entropy": entropy});
            let task = Box::new(move || Benchmark::PEPG.task(start(from)?));
            jobs.push(Job::solve(Label { columns, seed }, "pepg", &ascent, task)?);
        }
    }
    let present = Box::new(|done: &[Done]| Ok(present(done)));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

fn present(done: &[Done]) -> Presentation {
    let groups = groups(done);
    let mut findings = Vec::new();
    let mut series = Vec::new();
    for from in [UNIFORM, EPS_GREEDY] {
        let here: Vec<&Group<'_>> = groups.iter().filter(|g| g.text("start") == from).collect();
        let at = |wanted: f64| here.iter().find(|g| g.number("entropy") == wanted).map(|g| g.last_value());
        let Some(best) = here.iter().max_by(|a, b| a.last_value().total_cmp(&b.last_value())) else {
            continue;
        };
        let mut finding = format!(
            "From {from}: best entropy weight {:.4} ({:.4})",
            best.number("entropy"),
            best.last_value()
        );
        for (name, weight) in [("none", 0.0), ("the formula", formula()), ("2", 2.0)] {
            if let Some(value) = at(weight) {
                finding.push_str(&format!("; {name}: {value:.4}"));
            }
        }
        findings.push(format!("{finding}."));
        let points = here.iter().map(|g| (g.number("entropy"), g.last_value())).collect();
        series.push(Series { label: format!("from {from}"), points, style: Style::Path });
    }
    let drawing = Drawing::Chart(Picture {
        name: "values".to_owned(),
        title: "Plain value reached by entropy weight".to_owned(),
        caption: format!(
            "Adam on the regularised value; what is shown is the value without entropy, in the true environment. The formula \
             (1-gamma) Rmax/(1+2 log|A|) gives {:.4}; weight 0 is not on this axis.",
            formula()
        ),
        axes: ["entropy weight".to_owned(), "value after the last step".to_owned()],
        logarithmic: [true, false],
        series,
    });
    Presentation { summary: summary(&groups), findings, drawings: vec![drawing], times: None }
}
