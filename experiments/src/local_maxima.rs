//! `local-maxima`: how often plain ascent from the uniform policy ends strictly
//! below the certified optimum.

use serde::{Deserialize, Serialize};

use super::datum::{Datum, datum};
use super::families::{FamilyKind, GAMMA, RandomProblem, STRENGTH, ValueRange, enclosed_value, quantile};
use super::plan::{Done, Drawing, Job, Label, Outcome, Plan, Presentation, Work};
use super::table::Table;
use super::{Experiment, ExperimentError};
use pemdp::arithmetic::Interval;
use pemdp::performative::PerformanceError;
use pemdp::policy::Policy;
use pemdp_algorithms::{
    Method, Pepg, Range, SettingValues, Settings as _, Task, Trajectory, settings, solve_unobserved,
};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "local-maxima",
    about: "How often exact monotone ascent from the uniform policy ends at a local maximum strictly below the certified \
            optimum, by the strength of performativity",
    settings: Settings::TABLE,
    quick: &[("problems", "60")],
    plan,
};

settings! {
    struct Settings {
        kind: Vec<FamilyKind> = vec![FamilyKind::Affine, FamilyKind::ExponentialFamily],
            "list of kinds of problems: affine (3 states), exponential-family (2 states)";
        strength: Vec<f64> = vec![0.0, 0.25, 0.5, 0.75, 1.0],
            "list of strengths of the response, multiples of 1/64 from 0 to 1", STRENGTH;
        gamma: Vec<f64> = vec![0.5, 0.9], "list of discount factors, each at least 0 and below 1", GAMMA;
        problems: u64 = 300,
            "random problems for each kind, strength and gamma, at least 1", Range::AT_LEAST_ONE;
        iterations: usize = 5000, "largest number of steps of ascent, at least 1", Range::AT_LEAST_ONE;
        gap: f64 = 1e-5, "certified gap of the best and the worst value, above 0", Range::POSITIVE;
    }
}

/// The number of states of a kind; two actions each.
fn n_states(kind: FamilyKind) -> usize {
    match kind {
        FamilyKind::Affine => 3,
        FamilyKind::ExponentialFamily => 2,
    }
}

/// A loss of at most this share of the range is none.
const STRICT: f64 = 1e-3;
/// What a first-order step or a second ascent promises from a local maximum is at
/// most this share of the range.
const FLAT: f64 = 1e-4;

/// Columns of a problem. The loss is a share of the certified range.
const COLUMNS: [&str; 10] = [
    "optimum",
    "optimum_bound",
    "worst_bound",
    "worst",
    "value",
    "loss",
    "loss_bound",
    "promise",
    "iterations",
    "end",
];

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for &kind in &settings.kind {
        for &gamma in &settings.gamma {
            for &strength in &settings.strength {
                for i in 0..settings.problems {
                    let seed = seed + i;
                    let random =
                        RandomProblem { kind, n_states: n_states(kind), n_actions: 2, strength, gamma, seed };
                    let columns = vec![
                        ("kind", datum(kind.name())),
                        ("gamma", datum(gamma)),
                        ("strength", datum(strength)),
                    ];
                    let (iterations, gap) = (settings.iterations, settings.gap);
                    let rows = move || Ok(vec![measure(&random, iterations, gap)?]);
                    jobs.push(Job { label: Label { columns, seed }, work: Work::Measure(Box::new(rows)) });
                }
            }
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: COLUMNS.to_vec(), present })
}

/// Where ascent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum End {
    /// Within a share of [`STRICT`] of the optimum.
    Optimum,
    /// Below it, where nothing promises a rise.
    LocalMaximum,
    /// Below it, but there is a way up: a plateau or too few steps.
    Unfinished,
}

fn measure(random: &RandomProblem, iterations: usize, gap: f64) -> Result<Vec<Datum>, ExperimentError> {
    let range = random.range(gap)?;
    let settings =
        Pepg { method: Method::Backtracking, step: 1.0, iterations, tolerance: 1e-9, ..Pepg::default() };
    let (n_states, n_actions) = (random.n_states, random.n_actions);
    let start = Policy::softmax(n_states, n_actions, vec![0.0; n_states * n_actions])
        .map_err(pemdp_algorithms::AlgorithmError::from)?;
    let run = ascent(random, &settings, start)?;
    let promise = match random.kind {
        FamilyKind::Affine => first_order_gain(random, &run.policy)?,
        FamilyKind::ExponentialFamily => rise_of_adam(random, &run)?,
    };
    let value = enclosed_value(&random.problem()?, &run.policy);
    let loss = range.share_lost(value);
    let end = end(&range, value, promise);
    let [loss, loss_bound] = loss.map_or([Datum::NOTHING, Datum::NOTHING], |bounds| bounds.map(datum));
    Ok(vec![
        datum(range.best[0]),
        datum(range.best[1]),
        datum(range.worst[0]),
        datum(range.worst[1]),
        datum(run.last_value()),
        loss,
        loss_bound,
        datum(promise),
        datum(run.iterates.len() - 1),
        datum(end),
    ])
}

fn end(range: &ValueRange, value: Interval, promise: f64) -> End {
    match range.share_lost(value) {
        Some([least, _]) if least > STRICT && promise <= FLAT * range.width() => End::LocalMaximum,
        Some([_, most]) if most > STRICT => End::Unfinished,
        _ => End::Optimum,
    }
}

fn ascent(
    random: &RandomProblem,
    settings: &Pepg,
    start: Policy<f64>,
) -> Result<Trajectory, ExperimentError> {
    let task = Task::new(&random.problem()?)?.starting_from(start);
    Ok(solve_unobserved(settings, &task, 0)?)
}

/// `max <grad_pi J, pi' - pi>` over all policies `pi'`: the sum over the states of
/// `max_a dJ/dtheta[s,a] / pi(a|s)`, because `dJ/dtheta[s,a]` of softmax is
/// `pi(a|s)` times the slope towards the action. 0 exactly at policies that satisfy
/// the first-order condition, at the boundary too: it tells a local maximum from a
/// plateau of the softmax.
fn first_order_gain(random: &RandomProblem, policy: &Policy<f64>) -> Result<f64, ExperimentError> {
    let model = random.problem()?.model::<f64>().map_err(PerformanceError::from)?;
    let gradient = model.perform(policy)?.gradient.total();
    let slope =
        |s: usize, a: usize| gradient[s * policy.n_actions() + a].unwrap_or(0.0) / policy.probability(s, a);
    let largest = |s: usize| (0..policy.n_actions()).map(|a| slope(s, a)).fold(0.0, f64::max);
    Ok((0..policy.n_states()).map(largest).sum())
}

/// How much Adam, whose steps do not shrink with the gradient, rises from where
/// ascent ended.
fn rise_of_adam(random: &RandomProblem, run: &Trajectory) -> Result<f64, ExperimentError> {
    let settings = Pepg { tolerance: 0.0, iterations: 300, ..Pepg::default() };
    let again = ascent(random, &settings, run.policy.clone())?;
    Ok(again.best().map_or(f64::NAN, |best| best.value) - run.last_value())
}

/// What was measured for one kind, discount factor and strength.
struct Level<'a> {
    columns: &'a [(&'static str, Datum)],
    /// Losses at local maxima, in increasing order.
    losses: Vec<f64>,
    unfinished: usize,
    problems: usize,
}

fn levels(done: &[Done]) -> Vec<Level<'_>> {
    let mut levels: Vec<Level<'_>> = Vec::new();
    for done in done {
        let Outcome::Rows(rows) = &done.outcome else { continue };
        let Some(row) = rows.first() else { continue };
        let columns = &done.label.columns;
        if levels.last().is_none_or(|level| level.columns != columns) {
            levels.push(Level { columns, losses: Vec::new(), unfinished: 0, problems: 0 });
        }
        let Some(level) = levels.last_mut() else { continue };
        level.problems += 1;
        let number = |name: &str| row[COLUMNS.iter().position(|c| *c == name)?].number();
        match row[COLUMNS.len() - 1].read() {
            Some(End::LocalMaximum) => level.losses.extend(number("loss")),
            Some(End::Unfinished) => level.unfinished += 1,
            _ => {}
        }
    }
    levels.iter_mut().for_each(|level| level.losses.sort_by(f64::total_cmp));
    levels
}

impl Level<'_> {
    fn number(&self, column: &str) -> f64 {
        let found = self.columns.iter().find(|(name, _)| *name == column);
        found.and_then(|(_, value)| value.number()).unwrap_or(f64::NAN)
    }

    /// Share of the problems in percent.
    fn share(&self) -> f64 {
        100.0 * self.losses.len() as f64 / self.problems.max(1) as f64
    }

    fn row(&self) -> Vec<Datum> {
        let own = [
            datum(self.problems),
            datum(self.losses.len()),
            datum(self.unfinished),
            datum(quantile(&self.losses, 0.5)),
            datum(quantile(&self.losses, 1.0)),
        ];
        self.columns.iter().map(|(_, value)| value.clone()).chain(own).collect()
    }
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let levels = levels(done);
    let mut findings = Vec::new();
    let mut series = Vec::new();
    for &kind in &settings.kind {
        for &gamma in &settings.gamma {
            let here = || {
                let is_here = |level: &&Level<'_>| {
                    level.number("gamma") == gamma && level.columns[0].1.text() == Some(kind.name())
                };
                levels.iter().filter(is_here)
            };
            let part = |level: &Level<'_>| {
                let loss = quantile(&level.losses, 0.5)
                    .map_or_else(String::new, |loss| format!(", losing {:.1} % at the median", 100.0 * loss));
                let rest = match level.unfinished {
                    0 => String::new(),
                    n => format!(", {n} unfinished"),
                };
                format!(
                    "{} of {} at strength {}{loss}{rest}",
                    level.losses.len(),
                    level.problems,
                    level.number("strength")
                )
            };
            let parts: Vec<String> = here().map(part).collect();
            let name = format!("{}, gamma {gamma}", kind.name());
            findings.push(format!("{name}: ascent ends at a worse local maximum in {}.", parts.join("; ")));
            let points = here().map(|level| (level.number("strength"), level.share())).collect();
            series.push(Series { label: name, points, style: Style::Path });
        }
    }
    let columns = [
        "kind",
        "gamma",
        "strength",
        "problems",
        "local_maxima",
        "unfinished",
        "median_loss",
        "largest_loss",
    ];
    let picture = Picture {
        name: "shares".to_owned(),
        title: "How often ascent from uniform ends at a worse local maximum".to_owned(),
        caption: format!(
            "Share of {} random problems in which monotone exact ascent (softmax) from the uniform policy ends more than 0.1 % of \
             the certified value range below the certified optimum, with nothing that promises a rise.",
            settings.problems
        ),
        axes: ["strength of performativity".to_owned(), "share of problems, %".to_owned()],
        logarithmic: [false, false],
        series,
    };
    Presentation {
        summary: Table {
            keys: 3,
            columns: columns.map(str::to_owned).to_vec(),
            rows: levels.iter().map(Level::row).collect(),
        },
        findings,
        drawings: vec![Drawing::Chart(picture)],
        times: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::ILL_CONDITIONED;

    fn ends(kind: FamilyKind, strength: f64, count: u64) -> Vec<(End, f64)> {
        let one = |seed| {
            let random = RandomProblem { kind, n_states: 2, n_actions: 2, strength, gamma: 0.9, seed };
            let row = measure(&random, 5000, 1e-5).unwrap();
            (row[9].read().unwrap(), row[7].number().unwrap())
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn without_a_response_ascent_always_finds_the_optimum() {
        // Gradient domination of fixed MDPs.
        for kind in [FamilyKind::Affine, FamilyKind::ExponentialFamily] {
            for (end, _) in ends(kind, 0.0, 10) {
                assert_eq!(end, End::Optimum);
            }
        }
    }

    #[test]
    fn with_a_strong_response_it_sometimes_does_not() {
        let ends = ends(FamilyKind::Affine, 1.0, 30);
        let stuck = ends.iter().filter(|(end, _)| *end == End::LocalMaximum).count();
        assert!((1..30).contains(&stuck), "{ends:?}");
    }

    #[test]
    fn a_plateau_of_the_softmax_is_no_local_maximum() {
        // The worst deterministic policy, nearly: the gradient is 0, the promise not.
        let random = RandomProblem {
            kind: FamilyKind::Affine,
            n_states: 1,
            n_actions: 2,
            strength: 0.0,
            gamma: 0.5,
            seed: 1,
        };
        let range = random.range(1e-6).unwrap();
        let at = |x: f64| Policy::softmax(1, 2, vec![x, -x]).unwrap();
        let value = |x: f64| {
            random.problem().unwrap().model::<f64>().unwrap().perform(&at(x)).unwrap().evaluation.value
        };
        let bad = if value(30.0) < value(-30.0) { 30.0 } else { -30.0 };
        let promise = first_order_gain(&random, &at(bad)).unwrap();
        // What a fixed bandit promises to first order is all that there is to gain.
        assert!((promise - range.width()).abs() < 1e-5, "{promise} {range:?}");
        assert_eq!(end(&range, Interval::point(value(bad)), promise), End::Unfinished);
        assert!(first_order_gain(&random, &at(-bad)).unwrap() < ILL_CONDITIONED);
    }
}
