//! `estimators`: how many samples a gradient needs.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::benchmark::{Benchmark, GAMMA};
use super::datum::{Datum, datum};
use super::plan::{Done, Drawing, Job, Label, Outcome, Plan, Presentation, Work};
use super::table::Table;
use super::{Experiment, ExperimentError};
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, eps_greedy_policy};
use pemdp::policy::Policy;
use pemdp_algorithms::estimate::{Deployed, EstimatorKind, Horizon};
use pemdp_algorithms::{AlgorithmError, Range, SettingValues, Settings as _, settings};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "estimators",
    about: "Error of sampled gradients against the exact one, by number of trajectories, estimator and policy, on the gridworld",
    settings: Settings::TABLE,
    quick: &[("trajectories", "[10,30,100,300,1000,3000]"), ("repetitions", "10")],
    plan,
};

settings! {
    struct Settings {
        trajectories: Vec<u64> = vec![10, 30, 100, 300, 1000, 3000, 10_000],
            "list of numbers of trajectories an estimate, each at least 1", Range::AT_LEAST_ONE;
        sharpness: Vec<f64> = vec![0.0, 0.5, 1.0, 2.0],
            "list: policies are softmax of this times the log of the eps-greedy start", Range::NOT_NEGATIVE;
        repetitions: u64 = 20, "estimates of each kind, at least 2", Range::new(|n| n >= 2, "at least 2");
        horizon: usize = 100,
            "steps of an episode of the undiscounted forms, at least 1", Range::AT_LEAST_ONE;
    }
}

/// Columns of a measurement; errors relative to the norm of the exact gradient.
const COLUMNS: [&str; 6] = ["policy_entropy", "gradient_norm", "rmse", "bias", "bias_noise", "steps"];
/// The estimators of the pictures: two more are in the tables, one with the same
/// errors as `printed` and one far off.
const DRAWN: [EstimatorKind; 8] = [
    EstimatorKind::Score,
    EstimatorKind::Return,
    EstimatorKind::ReturnExactBaseline,
    EstimatorKind::ReturnFittedBaseline,
    EstimatorKind::Td,
    EstimatorKind::TdFitted,
    EstimatorKind::Printed,
    EstimatorKind::UndiscountedTransition,
];
/// What the exact gradient is called among the estimators.
const EXACT: &str = "exact";

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    let (repetitions, horizon) = (settings.repetitions, settings.horizon);
    for &sharpness in &settings.sharpness {
        let columns = |estimator: Datum, trajectories: Datum| {
            vec![("sharpness", datum(sharpness)), ("estimator", estimator), ("trajectories", trajectories)]
        };
        let label = Label { columns: columns(datum(EXACT), datum(0)), seed };
        jobs.push(Job { label, work: Work::Measure(Box::new(move || exact(sharpness, repetitions))) });
        for kind in EstimatorKind::ALL {
            for &trajectories in &settings.trajectories {
                let label = Label { columns: columns(datum(kind), datum(trajectories)), seed };
                let rows = move || measure(sharpness, kind, trajectories, repetitions, horizon, seed);
                jobs.push(Job { label, work: Work::Measure(Box::new(rows)) });
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: COLUMNS.to_vec(), present })
}

/// Softmax of `sharpness log pi`, `pi` the benchmark's start: from uniform at 0
/// towards deterministic.
fn policy(sharpness: f64) -> Result<Policy<f64>, AlgorithmError> {
    let logits = eps_greedy_policy(GAMMA)?.into_iter().map(|pi| sharpness * pi.ln()).collect();
    Ok(Policy::softmax(N_STATES, N_ACTIONS, logits)?)
}

/// Mean entropy over states, in nats.
fn mean_entropy(policy: &Policy<f64>) -> f64 {
    let term = |s: usize, a: usize| policy.logarithm(s, a).map_or(0.0, |log| -policy.probability(s, a) * log);
    let sum: f64 = (0..N_STATES * N_ACTIONS).map(|i| term(i / N_ACTIONS, i % N_ACTIONS)).sum();
    sum / N_STATES as f64
}

/// The exact gradient, as often as the others, for its time.
fn exact(sharpness: f64, repetitions: u64) -> Result<Vec<Vec<Datum>>, ExperimentError> {
    let policy = policy(sharpness)?;
    let task = Benchmark::PEPG.task(policy.clone())?;
    let mut size = 0.0;
    for _ in 0..repetitions {
        size = norm(&gradient(&task.environment.perform(&policy).map_err(AlgorithmError::from)?));
    }
    Ok(vec![vec![datum(mean_entropy(&policy)), datum(size), datum(0.0), datum(0.0), datum(0.0), datum(0)]])
}

fn gradient(performance: &pemdp::performative::Performance<'_, f64>) -> Vec<f64> {
    // Softmax gradients are finite: every probability is positive.
    performance.gradient.total().into_iter().map(|g| g.unwrap_or(0.0)).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Root mean square error and bias of an estimator, relative to the norm of the
/// gradient. `bias_noise` is what the norm of the mean error of an unbiased
/// estimator with this variance would be.
fn measure(
    sharpness: f64,
    kind: EstimatorKind,
    trajectories: u64,
    repetitions: u64,
    horizon: usize,
    seed: u64,
) -> Result<Vec<Vec<Datum>>, ExperimentError> {
    let policy = policy(sharpness)?;
    let task = Benchmark::PEPG.task(policy.clone())?;
    let performance = task.environment.perform(&policy).map_err(AlgorithmError::from)?;
    let deployed = Deployed::new(&performance, &policy, &0.0)?;
    let truth = gradient(&performance);
    let horizon = if kind.needs_truncation() { Horizon::Truncated(horizon) } else { Horizon::Geometric };
    let mut errors = Vec::new();
    let mut steps = 0;
    for repetition in 0..repetitions {
        let mut rng = ChaCha8Rng::seed_from_u64(seed + repetition);
        let estimate = kind.estimate(&deployed, horizon, trajectories, &mut rng)?;
        steps += estimate.steps;
        errors.push(estimate.gradient.iter().zip(&truth).map(|(x, y)| x - y).collect::<Vec<f64>>());
    }
    let n = repetitions as f64;
    let mean_error: Vec<f64> =
        (0..truth.len()).map(|i| errors.iter().map(|e| e[i]).sum::<f64>() / n).collect();
    let square = errors.iter().map(|e| norm(e).powi(2)).sum::<f64>() / n;
    let bias = norm(&mean_error);
    let variance = (square - bias * bias) * n / (n - 1.0);
    let size = norm(&truth);
    Ok(vec![vec![
        datum(mean_entropy(&policy)),
        datum(size),
        datum(square.sqrt() / size),
        datum(bias / size),
        datum((variance.max(0.0) / n).sqrt() / size),
        datum(steps as f64 / n),
    ]])
}

/// A measurement with its label.
struct Measured {
    sharpness: f64,
    estimator: String,
    trajectories: f64,
    entropy: f64,
    rmse: f64,
    bias: f64,
    bias_noise: f64,
    seconds: f64,
}

fn measured(settings: &Settings, done: &[Done]) -> Vec<Measured> {
    let read = |done: &Done| {
        let Outcome::Rows(rows) = &done.outcome else { return None };
        let number = |i: usize| rows.first()?.get(i)?.number();
        let label = |i: usize| done.label.columns.get(i).map(|(_, value)| value);
        Some(Measured {
            sharpness: label(0)?.number()?,
            estimator: label(1)?.text()?.to_owned(),
            trajectories: label(2)?.number()?,
            entropy: number(0)?,
            rmse: number(2)?,
            bias: number(3)?,
            bias_noise: number(4)?,
            seconds: done.seconds / settings.repetitions as f64,
        })
    };
    done.iter().filter_map(read).collect()
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let all = measured(settings, done);
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    let mut times = None;
    for &sharpness in &settings.sharpness {
        let here: Vec<&Measured> = all.iter().filter(|m| m.sharpness == sharpness).collect();
        let Some(entropy) = here.first().map(|m| m.entropy) else { continue };
        let curve = |kind: EstimatorKind, x: &dyn Fn(&Measured) -> f64, y: &dyn Fn(&Measured) -> f64| {
            let name = datum(kind).to_string();
            let points = here.iter().filter(|m| m.estimator == name).map(|m| (x(m), y(m))).collect();
            Series { label: name, points, style: Style::Path }
        };
        let by_trajectories = |y: &dyn Fn(&Measured) -> f64| -> Vec<Series> {
            DRAWN.into_iter().map(|kind| curve(kind, &|m| m.trajectories, y)).collect()
        };
        let axes = |y: &str| ["trajectories".to_owned(), y.to_owned()];
        let chart =
            |name: &str, title: String, caption: &str, axes: [String; 2], series: Vec<Series>| Picture {
                name: format!("{name}-{sharpness}"),
                title,
                caption: caption.to_owned(),
                axes,
                logarithmic: [true, true],
                series,
            };
        drawings.push(Drawing::Chart(chart(
            "rmse",
            format!("Error of sampled gradients, policy of mean entropy {entropy:.3} nats"),
            "Root mean square error over the norm of the exact gradient, over repetitions with different seeds. Biased forms \
             level off at their bias. Not drawn: one-step-late (as printed) and undiscounted.",
            axes("relative root mean square error"),
            by_trajectories(&|m| m.rmse),
        )));
        drawings.push(Drawing::Chart(chart(
            "bias",
            format!("Mean error of sampled gradients, policy of mean entropy {entropy:.3} nats"),
            "Norm of the mean error over repetitions, over the norm of the exact gradient: it falls with the noise where an \
             estimator is unbiased.",
            axes("relative norm of the mean error"),
            by_trajectories(&|m| m.bias),
        )));
        if let Some(exact) = here.iter().find(|m| m.estimator == EXACT) {
            let mut series: Vec<Series> =
                DRAWN.into_iter().map(|kind| curve(kind, &|m| m.seconds, &|m| m.rmse)).collect();
            let line = vec![(exact.seconds, 1e-2), (exact.seconds, 10.0)];
            series.push(Series { label: "exact gradient".to_owned(), points: line, style: Style::Dashed });
            let caption = "The vertical line is the time of the exact gradient, whose error is 0.";
            let axes = ["seconds an estimate".to_owned(), "relative root mean square error".to_owned()];
            // The policy of the middle sharpness stands for all.
            if sharpness == settings.sharpness[settings.sharpness.len() / 2] {
                let title = format!("Error against time, policy of mean entropy {entropy:.3} nats");
                times = Some(chart("times", title, caption, axes, series));
            }
        }
        findings.push(finding(entropy, &here));
    }
    Presentation { summary: table(&all), findings, drawings, times }
}

/// What one trajectory's worth of error says about the trajectories needed, and
/// which forms are visibly biased.
fn finding(entropy: f64, here: &[&Measured]) -> String {
    const TARGET: f64 = 0.1;
    let most = here.iter().map(|m| m.trajectories).fold(0.0, f64::max);
    let mut needed = Vec::new();
    let mut biased = Vec::new();
    for m in here.iter().filter(|m| m.trajectories == most && m.estimator != EXACT) {
        // Far beyond what the noise of the mean explains.
        if m.bias > 5.0 * m.bias_noise {
            biased.push(format!("{} ({:.0} % of the gradient)", m.estimator, 100.0 * m.bias));
        } else {
            needed.push(format!("{} {:.0}", m.estimator, most * (m.rmse / TARGET).powi(2)));
        }
    }
    format!(
        "Policy of mean entropy {entropy:.3} nats: trajectories for a relative error of 10 %, extrapolated by 1/sqrt(n) from \
         {most}: {}. Visibly biased: {}.",
        needed.join(", "),
        if biased.is_empty() { "none".to_owned() } else { biased.join(", ") }
    )
}

fn table(all: &[Measured]) -> Table {
    let columns = ["sharpness", "policy_entropy", "estimator", "trajectories", "rmse", "bias", "bias_noise"];
    let row = |m: &Measured| {
        vec![
            datum(m.sharpness),
            datum(m.entropy),
            datum(&m.estimator),
            datum(m.trajectories),
            datum(m.rmse),
            datum(m.bias),
            datum(m.bias_noise),
        ]
    };
    Table { keys: 4, columns: columns.map(str::to_owned).to_vec(), rows: all.iter().map(row).collect() }
}
