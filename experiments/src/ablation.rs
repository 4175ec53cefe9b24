//! `ablation`: what each term of the performative gradient is worth.

use serde_json::json;

use super::benchmark::{BETA, Benchmark, EPS, EPS_GREEDY, FOLLOWERS, UNIFORM, start};
use super::curves::{ENDS, value_curve};
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp_algorithms::{Range, SettingValues, Settings as _, settings};
use pemdp_report::Picture;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "ablation",
    about: "Ascent with and without the performative terms of the exact gradient, on the gridworld",
    settings: Settings::TABLE,
    quick: &[("followers", "[2]")],
    plan,
};

settings! {
    struct Settings {
        eps: Vec<f64> = vec![0.3, 0.5], "list of probabilities that a follower's cell is perturbed", EPS;
        beta: Vec<f64> = vec![1.0, 5.0, 10.0], "list of inverse temperatures of the response", BETA;
        followers: Vec<u32> = vec![2, 10], "list of numbers of followers", FOLLOWERS;
        iterations: usize = 600, "steps of ascent, at least 1", Range::AT_LEAST_ONE;
        step: f64 = 0.1, "step size of Adam, above 0", Range::POSITIVE;
    }
}

/// What is followed, as in [`Terms`](pemdp_algorithms::Terms).
const TERMS: [&str; 4] = ["all", "no-transition", "no-reward", "policy"];

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for benchmark in benchmarks(&settings) {
        for from in [UNIFORM, EPS_GREEDY] {
            for terms in TERMS {
                let mut columns = benchmark.columns();
                columns.extend([("start", datum(from)), ("terms", datum(terms))]);
                let ascent =
                    json!({"iterations": settings.iterations, "step": settings.step, "terms": terms});
                let task = Box::new(move || benchmark.task(start(from)?));
                jobs.push(Job::solve(Label { columns, seed }, "pepg", &ascent, task)?);
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| present(&shown, done));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

fn benchmarks(settings: &Settings) -> Vec<Benchmark> {
    Benchmark::all(&settings.eps, &settings.beta, &settings.followers)
}

fn present(settings: &Settings, done: &[Done]) -> Result<Presentation, ExperimentError> {
    let groups = groups(done);
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for benchmark in benchmarks(settings) {
        for from in [UNIFORM, EPS_GREEDY] {
            let group = |terms: &str| {
                let is_it = |g: &&Group<'_>| {
                    benchmark.is_of(g) && g.text("start") == from && g.text("terms") == terms
                };
                groups.iter().find(is_it)
            };
            let all: Vec<&Group<'_>> = TERMS.iter().filter_map(|terms| group(terms)).collect();
            let [full, no_transition, no_reward, policy] = all[..] else { continue };
            let first = full.mean(|run| run.iterates.first().map_or(f64::NAN, |first| first.value));
            let share = 100.0 * (full.last_value() - policy.last_value()) / full.last_value().abs();
            findings.push(format!(
                "{benchmark}, from {from} ({first:.4}): all terms {:.4}, without the transition term {:.4}, without the \
                 reward term {:.4}, without both {:.4}; dropping both costs {share:.1} % of the value reached.",
                full.last_value(), no_transition.last_value(), no_reward.last_value(), policy.last_value(),
            ));
            let names =
                ["PePG, all terms", "no transition term", "no reward term", "policy gradient, neither"];
            let series = all.iter().zip(names).flat_map(|(group, name)| value_curve(group, name));
            drawings.push(Drawing::Chart(Picture {
                name: format!("{}-{from}", benchmark.slug()),
                title: format!("Ascent with and without performative terms: {benchmark}, from {from}"),
                caption: format!(
                    "Adam on the exact gradient or on some of its terms; exact values in the true environment. {ENDS}"
                ),
                axes: ["iteration".to_owned(), "value".to_owned()],
                logarithmic: [false, false],
                series: series.collect(),
            }));
        }
    }
    // The setting of the paper first.
    drawings.sort_by_key(|drawing| !drawing.name().starts_with(&Benchmark::PEPG.slug()));
    Ok(Presentation { summary: summary(&groups), findings, drawings, times: None })
}
