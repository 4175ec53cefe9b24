//! `stability-price`: what stable policies lose against the certified optimum.

use num_traits::Signed;

use super::bounds::bound_above;
use super::datum::{Datum, datum};
use super::families::{FamilyKind, GAMMA, RandomProblem, STRENGTH, quantile};
use super::plan::{Done, Drawing, Job, Label, Outcome, Plan, Presentation, Work};
use super::table::Table;
use super::{Experiment, ExperimentError};
use pemdp::arithmetic::rounding::add_up;
use pemdp::arithmetic::{Field, Interval, Rational};
use pemdp::oracle::OracleError;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::problem::Problem;
use pemdp_algorithms::{
    Range, RepeatedRetraining, SettingValues, Settings as _, Stop, Task, settings, solve_unobserved,
};
use pemdp_report::{Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "stability-price",
    about: "What deterministic stable policies lose against the certified optimum, by the strength of performativity, over \
            random affine problems",
    settings: Settings::TABLE,
    quick: &[("problems", "100")],
    plan,
};

settings! {
    struct Settings {
        strength: Vec<f64> = (0..=8).map(|k| f64::from(k) / 8.0).collect(),
            "list of strengths of the response, multiples of 1/64 from 0 to 1", STRENGTH;
        problems: u64 = 300, "random problems for each strength, at least 1", Range::AT_LEAST_ONE;
        states: usize = 3,
            "number of states, from 1 to 6", Range::new(|n| (1..=6).contains(&n), "from 1 to 6");
        gamma: f64 = 0.9, "discount factor, at least 0 and below 1", GAMMA;
        gap: f64 = 1e-6, "certified gap of the best and the worst value, above 0", Range::POSITIVE;
    }
}

const N_ACTIONS: usize = 2;
/// A loss of a larger share of the range than this is called a loss.
const STRICT: f64 = 1e-3;

/// Columns of a problem. Prices are bounds of `(V_PO - v)/(V_PO - V_worst)`.
const COLUMNS: [&str; 10] = [
    "optimum",
    "optimum_bound",
    "worst_bound",
    "worst",
    "stable_policies",
    "price_of_best",
    "price_of_best_bound",
    "price_of_worst",
    "price_of_worst_bound",
    "retraining",
];

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    let mut jobs = Vec::new();
    for &strength in &settings.strength {
        for i in 0..settings.problems {
            let random = RandomProblem {
                kind: FamilyKind::Affine,
                n_states: settings.states,
                n_actions: N_ACTIONS,
                strength,
                gamma: settings.gamma,
                seed: seed + i,
            };
            let gap = settings.gap;
            let label = Label { columns: vec![("strength", datum(strength))], seed: seed + i };
            jobs.push(Job { label, work: Work::Measure(Box::new(move || measure(&random, gap))) });
        }
    }
    let shown = settings.clone();
    let present = Box::new(move |done: &[Done]| Ok(present(&shown, done)));
    Ok(Plan { settings: settings.values(), jobs, columns: COLUMNS.to_vec(), present })
}

fn measure(random: &RandomProblem, gap: f64) -> Result<Vec<Vec<Datum>>, ExperimentError> {
    let problem = random.problem()?;
    let range = random.range(gap)?;
    let mut stable = stable_values(&problem)?;
    stable.sort();
    let share = |value: &Rational| range.share_lost(Interval::from_rational(value));
    let price = |value: Option<&Rational>| match value.and_then(share) {
        Some(bounds) => bounds.map(datum),
        None => [Datum::NOTHING, Datum::NOTHING],
    };
    let [best, best_bound] = price(stable.last());
    let [worst, worst_bound] = price(stable.first());
    Ok(vec![vec![
        datum(range.best[0]),
        datum(range.best[1]),
        datum(range.worst[0]),
        datum(range.worst[1]),
        datum(stable.len()),
        best,
        best_bound,
        worst,
        worst_bound,
        datum(retraining(&problem)?),
    ]])
}

/// The values of all deterministic stable policies, each decided in fractions.
fn stable_values(problem: &Problem) -> Result<Vec<Rational>, ExperimentError> {
    let (model, _) = problem.rational_model().map_err(OracleError::from)?;
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let mut values = Vec::new();
    for number in 0..n_actions.pow(n_states as u32) {
        let choice: Vec<usize> =
            (0..n_states).map(|s| number / n_actions.pow(s as u32) % n_actions).collect();
        values.extend(value_if_stable(&model, &choice)?);
    }
    Ok(values)
}

/// The value of a deterministic policy that no action improves on in the environment
/// that the policy induces.
fn value_if_stable(
    model: &PerformativeMdp<Rational>,
    choice: &[usize],
) -> Result<Option<Rational>, ExperimentError> {
    let policy = Policy::deterministic(N_ACTIONS, choice);
    let evaluation = model.evaluate(&policy)?;
    let tempts = |s: usize, a: usize| {
        evaluation.action_value(s, a).is_none_or(|q| (q - &evaluation.state_values[s]).is_positive())
    };
    let is_stable = (0..choice.len()).all(|s| (0..N_ACTIONS).all(|a| !tempts(s, a)));
    Ok(is_stable.then_some(evaluation.value))
}

/// The mean; none of no values.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// How exact retraining from the uniform policy ends.
fn retraining(problem: &Problem) -> Result<String, ExperimentError> {
    let run = solve_unobserved(&RepeatedRetraining::default(), &Task::new(problem)?, 0)?;
    Ok(match run.stop {
        Stop::Cycle { period } => format!("cycle of {period}"),
        stop => stop.word().to_owned(),
    })
}

/// What was measured at one strength.
struct Level {
    strength: f64,
    /// Lower bounds of the price of the best and of the worst deterministic stable
    /// policy, in increasing order.
    best: Vec<f64>,
    worst: Vec<f64>,
    /// The largest width of a price's certificate.
    width: f64,
    without: usize,
    several: usize,
    cycles: usize,
    problems: usize,
}

fn level(strength: f64, done: &[Done]) -> Level {
    let rows: Vec<&Vec<Datum>> = done
        .iter()
        .filter(|done| done.label.columns.iter().any(|(_, value)| value.number() == Some(strength)))
        .filter_map(|done| match &done.outcome {
            Outcome::Rows(rows) => rows.first(),
            Outcome::Trajectory(_) => None,
        })
        .collect();
    let numbers = |i: usize| -> Vec<f64> {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| row.get(i)?.number()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let count = |of: &dyn Fn(&Vec<Datum>) -> bool| rows.iter().filter(|row| of(row)).count();
    let stable = |row: &Vec<Datum>| row.get(4).and_then(Datum::read::<u64>).unwrap_or(0);
    let width = |row: &Vec<Datum>, i: usize| Some(add_up(row.get(i + 1)?.number()?, -row.get(i)?.number()?));
    let widths = rows.iter().flat_map(|row| [5, 7].map(|i| width(row, i))).flatten();
    Level {
        strength,
        best: numbers(5),
        worst: numbers(7),
        width: widths.fold(0.0, f64::max),
        without: count(&|row| stable(row) == 0),
        several: count(&|row| stable(row) > 1),
        cycles: count(&|row| row.last().and_then(Datum::text).is_some_and(|w| w.starts_with("cycle"))),
        problems: rows.len(),
    }
}

impl Level {
    /// Problems whose best stable policy is strictly worse than the optimum.
    fn losing(&self) -> usize {
        self.best.iter().filter(|&&price| price > STRICT).count()
    }

    fn row(&self) -> Vec<Datum> {
        let at = |sorted: &[f64], q: f64| datum(quantile(sorted, q));
        vec![
            datum(self.strength),
            datum(self.problems),
            datum(self.without),
            datum(self.several),
            datum(self.cycles),
            datum(self.losing()),
            datum(mean(&self.best)),
            at(&self.best, 0.5),
            at(&self.best, 0.75),
            at(&self.best, 0.9),
            at(&self.best, 1.0),
            datum(mean(&self.worst)),
            at(&self.worst, 0.9),
            datum(self.width),
        ]
    }

    fn finding(&self) -> String {
        let percent = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{:.2} %", 100.0 * x));
        format!(
            "Strength {}: {} of {} problems have a deterministic stable policy ({} have several); the best one loses {} of the \
             range in the mean, {} at the 90 % quantile, {} in the worst problem, and more than 0.1 % in {} problems. \
             Retraining from uniform cycles in {}. These prices are lower bounds, certified to within {}.",
            self.strength,
            self.problems - self.without,
            self.problems,
            self.several,
            percent(mean(&self.best)),
            percent(quantile(&self.best, 0.9)),
            percent(quantile(&self.best, 1.0)),
            self.losing(),
            self.cycles,
            bound_above(self.width),
        )
    }
}

fn present(settings: &Settings, done: &[Done]) -> Presentation {
    let levels: Vec<Level> = settings.strength.iter().map(|&strength| level(strength, done)).collect();
    let columns = [
        "strength",
        "problems",
        "no_deterministic_stable",
        "several_stable",
        "retraining_cycles",
        "best_stable_loses",
        "best_mean",
        "best_median",
        "best_75",
        "best_90",
        "best_max",
        "worst_mean",
        "worst_90",
        "certified_within",
    ];
    let curve = |label: &str, style: Style, of: &dyn Fn(&Level) -> Option<f64>| {
        let points = levels.iter().filter_map(|level| Some((level.strength, 100.0 * of(level)?))).collect();
        Series { label: label.to_owned(), points, style }
    };
    let picture = Picture {
        name: "prices".to_owned(),
        title: "The price of stability, by the strength of performativity".to_owned(),
        caption: format!(
            "(V_PO - V_PS)/(V_PO - V_worst) in percent, over those of {} random affine problems with {} states and 2 actions \
             that have a deterministic stable policy. V_PO and V_worst are certified; stability is decided in fractions.",
            settings.problems, settings.states
        ),
        axes: ["strength of performativity".to_owned(), "share of the value range lost, %".to_owned()],
        logarithmic: [false, false],
        series: vec![
            curve("best stable, median", Style::Path, &|level| quantile(&level.best, 0.5)),
            curve("best stable, 75 %", Style::Path, &|level| quantile(&level.best, 0.75)),
            curve("best stable, 90 %", Style::Path, &|level| quantile(&level.best, 0.9)),
            curve("best stable, largest", Style::Path, &|level| quantile(&level.best, 1.0)),
            curve("best stable, mean", Style::Path, &|level| mean(&level.best)),
            curve("worst stable, mean", Style::Path, &|level| mean(&level.worst)),
        ],
    };
    let shares = Picture {
        name: "shares".to_owned(),
        title: "How many problems have a stable policy, and how many lose by it".to_owned(),
        caption: "Shares of all problems of a strength; a loss is one of more than 0.1 % of the value range."
            .to_owned(),
        axes: ["strength of performativity".to_owned(), "share of problems, %".to_owned()],
        logarithmic: [false, false],
        series: [
            ("no deterministic stable policy", &(|l: &Level| l.without) as &dyn Fn(&Level) -> usize),
            ("retraining from uniform cycles", &|l: &Level| l.cycles),
            ("several deterministic stable policies", &|l: &Level| l.several),
            ("the best stable policy loses", &|l: &Level| l.losing()),
        ]
        .map(|(label, count)| {
            curve(label, Style::Path, &|level| Some(count(level) as f64 / level.problems.max(1) as f64))
        })
        .to_vec(),
    };
    Presentation {
        summary: Table {
            keys: 1,
            columns: columns.map(str::to_owned).to_vec(),
            rows: levels.iter().map(Level::row).collect(),
        },
        findings: levels.iter().map(Level::finding).collect(),
        drawings: vec![Drawing::Chart(picture), Drawing::Chart(shares)],
        times: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(strength: f64, seed: u64) -> Vec<Datum> {
        let random =
            RandomProblem { kind: FamilyKind::Affine, n_states: 2, n_actions: 2, strength, gamma: 0.9, seed };
        measure(&random, 1e-5).unwrap().remove(0)
    }

    #[test]
    fn without_a_response_stable_policies_are_optimal_and_retraining_finds_them() {
        for seed in 0..6 {
            let row = measured(0.0, seed);
            assert!(row[4].read::<u64>().unwrap() >= 1);
            assert!(row[5].number().unwrap() == 0.0 && row[8].number().unwrap() < 1e-4, "{row:?}");
            assert_eq!(row[9].text(), Some("converged"));
        }
    }

    #[test]
    fn with_a_strong_response_some_stable_policy_is_strictly_worse() {
        let rows: Vec<Vec<Datum>> = (0..12).map(|seed| measured(1.0, seed)).collect();
        let price = |row: &Vec<Datum>| row[5].number();
        assert!(rows.iter().filter_map(price).any(|price| price > 0.01));
        for row in &rows {
            // Retraining that converges found one of the stable policies.
            assert!(row[9].text() != Some("converged") || row[4].read::<u64>().unwrap() > 0, "{row:?}");
        }
    }
}
