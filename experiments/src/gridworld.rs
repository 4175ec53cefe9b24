//! `gridworld`: all algorithms on the benchmark of every performative-RL paper.

use serde_json::{Value, json};

use super::benchmark::{BETA, Benchmark, EPS, EPS_GREEDY, FOLLOWERS, UNIFORM, picture, start};
use super::curves::{ENDS, curve};
use super::datum::datum;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp_algorithms::{Range, SettingValues, Settings as _, settings};
use pemdp_report::{Picture, Series};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "gridworld",
    about: "All algorithms on the gridworld benchmark, each with the settings of its paper",
    settings: Settings::TABLE,
    quick: &[("eps", "[0.5]"), ("followers", "[2]"), ("seeds", "4")],
    plan,
};

settings! {
    struct Settings {
        eps: Vec<f64> = vec![0.3, 0.5], "list of probabilities that a follower's cell is perturbed", EPS;
        beta: Vec<f64> = vec![5.0], "list of inverse temperatures of the response", BETA;
        followers: Vec<u32> = vec![2, 10, 50], "list of numbers of followers", FOLLOWERS;
        seeds: u64 = 20, "runs of each algorithm that uses random choices, at least 1", Range::AT_LEAST_ONE;
        iterations: usize = 600, "steps of ascent, at least 1", Range::AT_LEAST_ONE;
        rounds: usize = 100,
            "rounds of retraining and steps of sampled algorithms, at least 1", Range::AT_LEAST_ONE;
    }
}

/// An algorithm with its settings and where it starts.
struct Contestant {
    /// Its name in tables and legends.
    name: &'static str,
    algorithm: &'static str,
    settings: Value,
    start: &'static str,
    is_random: bool,
}

fn contestants(settings: &Settings) -> Vec<Contestant> {
    let Settings { iterations, rounds, .. } = *settings;
    let exact =
        |name, algorithm, start, settings| Contestant { name, algorithm, settings, start, is_random: false };
    let random =
        |name, algorithm, start, settings| Contestant { name, algorithm, settings, start, is_random: true };
    let ascent = |more: Value| {
        let mut settings = json!({"iterations": iterations});
        if let (Some(settings), Some(more)) = (settings.as_object_mut(), more.as_object()) {
            settings.extend(more.clone());
        }
        settings
    };
    vec![
        exact("PePG", "pepg", UNIFORM, ascent(json!({}))),
        exact("PePG", "pepg", EPS_GREEDY, ascent(json!({}))),
        exact("PePG, smoothed", "pepg", UNIFORM, ascent(json!({"smoothing": 0.01, "smoothing-end": 1e-5}))),
        exact(
            "PePG, smoothed",
            "pepg",
            EPS_GREEDY,
            ascent(json!({"smoothing": 0.01, "smoothing-end": 1e-5})),
        ),
        exact("PePG, plain .1", "pepg", EPS_GREEDY, ascent(json!({"method": "plain"}))),
        exact("PePG, backtracking", "pepg", EPS_GREEDY, ascent(json!({"method": "backtracking"}))),
        exact("PePG, natural", "pepg", EPS_GREEDY, ascent(json!({"method": "natural"}))),
        exact("PePG, entropy 2", "pepg", EPS_GREEDY, ascent(json!({"entropy": 2.0}))),
        exact("policy gradient", "policy-gradient", UNIFORM, ascent(json!({}))),
        exact("policy gradient", "policy-gradient", EPS_GREEDY, ascent(json!({}))),
        random(
            "PePG, sampled",
            "pepg",
            EPS_GREEDY,
            json!({"iterations": rounds, "estimator": "return-fitted-baseline", "trajectories": 100}),
        ),
        exact("RR", "repeated-retraining", EPS_GREEDY, json!({"iterations": rounds})),
        exact(
            "RR, quadratic .1",
            "repeated-retraining",
            EPS_GREEDY,
            json!({"iterations": rounds, "regulariser": "quadratic", "lambda": 0.1}),
        ),
        exact(
            "RR, quadratic 1",
            "repeated-retraining",
            EPS_GREEDY,
            json!({"iterations": rounds, "regulariser": "quadratic", "lambda": 1.0}),
        ),
        exact(
            "RR, quadratic 5",
            "repeated-retraining",
            EPS_GREEDY,
            json!({"iterations": rounds, "regulariser": "quadratic", "lambda": 5.0}),
        ),
        exact(
            "RR, entropy .1",
            "repeated-retraining",
            EPS_GREEDY,
            json!({"iterations": rounds, "regulariser": "entropy", "lambda": 0.1}),
        ),
        exact(
            "RGA",
            "repeated-gradient-ascent",
            EPS_GREEDY,
            json!({"iterations": rounds, "step": 0.1, "lambda": 0.1}),
        ),
        random("RPO-FS", "finite-sample-retraining", EPS_GREEDY, json!({"iterations": rounds})),
        exact("DRR", "delayed-retraining", EPS_GREEDY, json!({"iterations": rounds})),
        exact("MDRR", "mixed-delayed-retraining", EPS_GREEDY, json!({"iterations": rounds})),
        random(
            "MDRR, sampled",
            "mixed-delayed-retraining",
            EPS_GREEDY,
            json!({"iterations": rounds, "trajectories": 100}),
        ),
        random(
            "0-FW",
            "zeroth-order-frank-wolfe",
            EPS_GREEDY,
            json!({"iterations": rounds, "directions": 10}),
        ),
    ]
}

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for benchmark in benchmarks(&settings) {
        for contestant in contestants(&settings) {
            let runs = if contestant.is_random { settings.seeds } else { 1 };
            for run in 0..runs {
                let mut columns = benchmark.columns();
                columns.extend([("algorithm", datum(contestant.name)), ("start", datum(contestant.start))]);
                let from = contestant.start;
                let task = Box::new(move || benchmark.task(start(from)?));
                let label = Label { columns, seed: seed + run };
                jobs.push(Job::solve(label, contestant.algorithm, &contestant.settings, task)?);
            }
        }
    }
    let shown = settings.clone();
    Ok(Plan {
        settings: settings.values(),
        jobs,
        columns: Vec::new(),
        present: Box::new(move |done| present(&shown, done)),
    })
}

fn benchmarks(settings: &Settings) -> Vec<Benchmark> {
    Benchmark::all(&settings.eps, &settings.beta, &settings.followers)
}

fn present(settings: &Settings, done: &[Done]) -> Result<Presentation, ExperimentError> {
    let groups = groups(done);
    let mut drawings = Vec::new();
    let mut findings = Vec::new();
    for benchmark in benchmarks(settings) {
        let here: Vec<&Group<'_>> = groups.iter().filter(|group| benchmark.is_of(group)).collect();
        findings.extend(finding(&benchmark, &here));
        drawings.extend(curves(&benchmark, &here).map(Drawing::Chart));
        for algorithm in ["PePG", "RR"] {
            let runs =
                here.iter().filter(|g| g.text("algorithm").starts_with(algorithm)).flat_map(|g| &g.runs);
            let ends = runs.filter_map(|run| Some((run.best()?.value, &run.best_policy)));
            if let Some((value, policy)) = ends.max_by(|a, b| a.0.total_cmp(&b.0)) {
                let title = format!("Best policy of {algorithm}: {benchmark}, value {value:.5}");
                let file = format!("policy-{algorithm}-{}", benchmark.slug());
                drawings.push(Drawing::Grid(picture(&benchmark, policy, &file, &title)?));
            }
        }
    }
    drawings.sort_by_key(|drawing| !drawing.name().ends_with(&Benchmark::PEPG.slug()));
    Ok(Presentation { summary: summary(&groups), findings, drawings, times: None })
}

/// Who ended highest, and by how much.
fn finding(benchmark: &Benchmark, groups: &[&Group<'_>]) -> Option<String> {
    let end = |name: &str| {
        let values = groups.iter().filter(|g| g.text("algorithm") == name).map(|g| g.last_value());
        values.fold(None, |best: Option<f64>, x| Some(best.map_or(x, |best| best.max(x))))
    };
    let (pepg, vanilla, retraining) = (end("PePG")?, end("policy gradient")?, end("RR")?);
    let sampled = end("RPO-FS")?;
    let mixed = end("MDRR")?;
    Some(format!(
        "{benchmark}: PePG (Adam, better of two starts) ends at {pepg:.4}, policy gradient without the \
         performative terms at {vanilla:.4}, exact repeated retraining at {retraining:.4}, finite-sample retraining at \
         {sampled:.4}, MDRR at {mixed:.4}."
    ))
}

/// The curves of the papers' comparison.
fn curves(benchmark: &Benchmark, groups: &[&Group<'_>]) -> Option<Picture> {
    const SHOWN: [(&str, &str); 7] = [
        ("PePG", EPS_GREEDY),
        ("PePG", UNIFORM),
        ("PePG, sampled", EPS_GREEDY),
        ("policy gradient", EPS_GREEDY),
        ("RR", EPS_GREEDY),
        ("RPO-FS", EPS_GREEDY),
        ("MDRR", EPS_GREEDY),
    ];
    let mut series: Vec<Series> = Vec::new();
    for (name, from) in SHOWN {
        let group = groups.iter().find(|g| g.text("algorithm") == name && g.text("start") == from);
        if let Some(group) = group {
            let label = if from == EPS_GREEDY { name.to_owned() } else { format!("{name}, from {from}") };
            series.extend(curve(
                group,
                &label,
                |iterate| iterate.cost.deployments as f64,
                |iterate| iterate.value,
            ));
        }
    }
    if series.is_empty() {
        return None;
    }
    Some(Picture {
        name: format!("values-{}", benchmark.slug()),
        title: format!("Value in the true environment: {benchmark}"),
        caption: format!(
            "Exact value of every iterate in the environment that it induces itself, by the deployments so far, \
             from the eps-greedy start unless said. Bands: \
             95 % confidence of the mean over seeds. {ENDS}"
        ),
        axes: ["deployments".to_owned(), "value".to_owned()],
        logarithmic: [true, false],
        series,
    })
}
