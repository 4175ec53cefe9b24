//! Tables over runs that differ only in their seed.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::datum::{Datum, datum};
use super::plan::Done;
use super::table::Table;
use pemdp_algorithms::Trajectory;

/// Runs with the same columns, in the order of the plan.
pub(super) struct Group<'a> {
    pub(super) columns: &'a [(&'static str, Datum)],
    pub(super) runs: Vec<&'a Trajectory>,
}

/// The groups of runs that differ only in their seed.
pub(super) fn groups(done: &[Done]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for done in done {
        let Some(trajectory) = done.trajectory() else { continue };
        match groups.iter_mut().find(|group| group.columns == done.label.columns) {
            Some(group) => group.runs.push(trajectory),
            None => groups.push(Group { columns: &done.label.columns, runs: vec![trajectory] }),
        }
    }
    groups
}

impl Group<'_> {
    /// The value of a column.
    pub(super) fn text(&self, column: &str) -> String {
        let found = self.columns.iter().find(|(name, _)| *name == column);
        found.map_or_else(String::new, |(_, value)| value.to_string())
    }

    /// The number in a column.
    pub(super) fn number(&self, column: &str) -> f64 {
        let found = self.columns.iter().find(|(name, _)| *name == column);
        found.and_then(|(_, value)| value.number()).unwrap_or(f64::NAN)
    }

    /// Mean of the last values.
    pub(super) fn last_value(&self) -> f64 {
        self.mean(Trajectory::last_value)
    }

    /// Mean over the runs.
    pub(super) fn mean(&self, of: impl Fn(&Trajectory) -> f64) -> f64 {
        let values: Vec<f64> = self.runs.iter().map(|run| of(run)).collect();
        mean_and_half_width(&values).0
    }
}

/// Mean and half the width of its 95 % confidence interval (Student), 0 for a
/// single value, of which nothing is known.
pub(super) fn mean_and_half_width(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let quantile = StudentsT::new(0.0, 1.0, n - 1.0).map_or(f64::NAN, |t| t.inverse_cdf(0.975));
    (mean, quantile * (variance / n).sqrt())
}

/// A row a group: its columns, then end value with its confidence, best value,
/// how the runs ended, and their mean cost.
pub(super) fn summary(groups: &[Group<'_>]) -> Table {
    let labels = groups.first().map_or_else(Vec::new, |g| g.columns.iter().map(|c| c.0.to_owned()).collect());
    let own = [
        "runs",
        "first_value",
        "last_value",
        "confidence_95",
        "best_value",
        "stop",
        "iterations",
        "deployments",
        "samples",
        "gradient_norm",
        "coverage",
        "kinks",
    ];
    let keys = labels.len();
    let columns = labels.into_iter().chain(own.map(str::to_owned)).collect();
    let row = |group: &Group<'_>| {
        let last: Vec<f64> = group.runs.iter().map(|run| run.last_value()).collect();
        let (mean, half_width) = mean_and_half_width(&last);
        let best = group
            .runs
            .iter()
            .filter_map(|run| run.best())
            .map(|best| best.value)
            .fold(f64::NEG_INFINITY, f64::max);
        let of_last = |of: &dyn Fn(&pemdp_algorithms::Iterate) -> f64| {
            group.mean(|run| run.iterates.last().map_or(f64::NAN, of))
        };
        let mut stops: Vec<String> = group.runs.iter().map(|run| stop(run)).collect();
        stops.sort();
        stops.dedup();
        let own = [
            datum(group.runs.len()),
            datum(group.mean(|run| run.iterates.first().map_or(f64::NAN, |first| first.value))),
            datum(mean),
            if group.runs.len() > 1 { datum(half_width) } else { Datum::NOTHING },
            datum(best),
            datum(stops.join(", ")),
            count(of_last(&|last| last.iteration as f64)),
            count(of_last(&|last| last.cost.deployments as f64)),
            count(of_last(&|last| last.cost.samples as f64)),
            datum(of_last(&|last| last.gradient_norm)),
            datum(of_last(&|last| last.coverage.unwrap_or(f64::NAN))),
            count(group.mean(|run| run.iterates.iter().filter(|iterate| iterate.kinks > 0).count() as f64)),
        ];
        group.columns.iter().map(|(_, value)| value.clone()).chain(own).collect()
    };
    Table { keys, columns, rows: groups.iter().map(row).collect() }
}

/// A mean of counts, which is one itself where it is whole.
fn count(mean: f64) -> Datum {
    // Whole doubles below this are u64.
    const MOST: f64 = 9e15;
    if (0.0..MOST).contains(&mean) && mean.fract() == 0.0 { datum(mean as u64) } else { datum(mean) }
}

/// How a run ended, a cycle with its period.
fn stop(run: &Trajectory) -> String {
    match run.stop {
        pemdp_algorithms::Stop::Cycle { period } => format!("cycle of {period}"),
        stop => stop.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::SEVEN_DIGITS;

    #[test]
    fn the_interval_is_that_of_student() {
        let (mean, half_width) = mean_and_half_width(&[1.0, 2.0, 3.0]);
        assert_eq!(mean, 2.0);
        // t quantile of 2 degrees of freedom: 4.3027.
        assert!((half_width - 4.302_652_7 / 3f64.sqrt()).abs() < SEVEN_DIGITS);
        assert_eq!(mean_and_half_width(&[5.0]), (5.0, 0.0));
    }
}
