//! `gradual`: retraining where the environment shifts gradually.

use serde_json::json;

use super::benchmark::{Benchmark, EPS_GREEDY, start};
use super::curves::{ENDS, curve};
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp_algorithms::{Iterate, Range, SettingValues, Settings as _, settings};
use pemdp_report::Picture;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "gradual",
    about: "Repeated, delayed and mixed delayed retraining where the environment moves only the share w towards its response \
            at each deployment",
    settings: Settings::TABLE,
    quick: &[("seeds", "5")],
    plan,
};

settings! {
    struct Settings {
        shift: Vec<f64> = vec![0.15, 0.5],
            "list of shares w, each above 0 and at most 1",
            Range::new(|w| w > 0.0 && w <= 1.0, "above 0 and at most 1");
        delay: usize = 3,
            "deployments a retraining of the delayed algorithms, at least 1", Range::AT_LEAST_ONE;
        v: f64 = 1.1, "growth of the weight of later deployments in mixtures, above 1";
        lambda: f64 = 0.1, "weight of the quadratic regulariser, above 0";
        trajectories: usize = 100,
            "trajectories a deployment of the sampled runs, at least 1", Range::AT_LEAST_ONE;
        seeds: u64 = 20, "sampled runs of each, at least 1", Range::AT_LEAST_ONE;
        rounds: usize = 100, "deployments, at least 1", Range::AT_LEAST_ONE;
    }
}

/// Names in tables and in the registry; repeated retraining is delayed retraining
/// without delay.
const ALGORITHMS: [(&str, &str); 3] =
    [("RR", "delayed-retraining"), ("DRR", "delayed-retraining"), ("MDRR", "mixed-delayed-retraining")];

/// Deployments a retraining.
fn delay(settings: &Settings, name: &str) -> usize {
    if name == "RR" { 1 } else { settings.delay }
}

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for &shift in &settings.shift {
        for (name, algorithm) in ALGORITHMS {
            for sampled in [false, true] {
                let delay = delay(&settings, name);
                let mut with = json!({
                    "iterations": (settings.rounds / delay).max(1),
                    "delay": delay,
                    "shift": shift,
                    "lambda": settings.lambda,
                });
                if algorithm == "mixed-delayed-retraining" {
                    with["v"] = json!(settings.v);
                }
                if sampled {
                    with["trajectories"] = json!(settings.trajectories);
                }
                for run in 0..if sampled { settings.seeds } else { 1 } {
                    let model = if sampled { "sampled" } else { "exact" };
                    let columns =
                        vec![("shift", datum(shift)), ("algorithm", datum(name)), ("model", datum(model))];
                    let task = Box::new(|| Benchmark::PEPG.task(start(EPS_GREEDY)?));
                    let label = Label { columns, seed: seed + run };
                    jobs.push(Job::solve(label, algorithm, &with, task)?);
                }
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

/// Value in the environment in force.
fn in_force(iterate: &Iterate) -> f64 {
    iterate.experienced_value.unwrap_or(iterate.value)
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let groups = groups(done);
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for &shift in &settings.shift {
        let here: Vec<&Group<'_>> = groups.iter().filter(|g| g.number("shift") == shift).collect();
        let mut parts = Vec::new();
        let mut series = Vec::new();
        for group in &here {
            let delay = delay(settings, &group.text("algorithm"));
            let retrainings = group.mean(|run| run.iterates.len() as f64 - 1.0);
            let name = format!("{}, {}", group.text("algorithm"), group.text("model"));
            let experienced = group.mean(|run| run.iterates.last().map_or(f64::NAN, in_force));
            parts.push(format!(
                "{name}: {:.4} (in force {experienced:.4}, {retrainings:.0} retrainings)",
                group.last_value()
            ));
            series.extend(curve(group, &name, |iterate| (iterate.iteration * delay) as f64, in_force));
        }
        findings.push(format!(
            "w = {shift}, value of the last policy in the environment that it induces: {}.",
            parts.join("; ")
        ));
        drawings.push(Drawing::Chart(Picture {
            name: format!("shift-{shift}"),
            title: format!("Value in the environment in force, w = {shift}"),
            caption: format!(
                "Exact value of the deployed policy in the environment in force, which moves the share w towards the \
                 policy's response at each deployment. Bands: 95 % confidence of the mean over seeds. {ENDS}"
            ),
            axes: ["deployment".to_owned(), "value in force".to_owned()],
            logarithmic: [false, false],
            series,
        }));
    }
    Presentation { summary: summary(&groups), findings, drawings, times: None }
}
