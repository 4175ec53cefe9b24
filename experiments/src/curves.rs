//! Curves of values over iterations, with bands of confidence.

use super::summary::{Group, mean_and_half_width};
use pemdp_algorithms::Iterate;
use pemdp_report::{Series, Style};

/// A curve has about this many points.
const POINTS: usize = 300;

/// The mean value over the runs of a group at every iteration up to `until`, with
/// its band.
pub(super) fn value_curve(group: &Group<'_>, label: &str, until: usize) -> Vec<Series> {
    curve(group, label, until, |iterate| iterate.value)
}

/// The mean of a measure over the runs of a group at every iteration up to
/// `until`, and the band of its 95 % confidence where there are several runs. A
/// run that has ended keeps its last measure.
pub(super) fn curve(
    group: &Group<'_>,
    label: &str,
    until: usize,
    of: impl Fn(&Iterate) -> f64,
) -> Vec<Series> {
    let every = (until / POINTS).max(1);
    let at = |iteration: usize| {
        let values: Vec<f64> = group
            .runs
            .iter()
            .filter_map(|run| run.iterates.get(iteration).or(run.iterates.last()))
            .map(&of)
            .collect();
        (iteration as f64, mean_and_half_width(&values))
    };
    let points: Vec<(f64, (f64, f64))> =
        (0..=until).filter(|i| i % every == 0 || *i == until).map(at).collect();
    let curve = points.iter().map(|(x, (mean, _))| (*x, *mean)).collect();
    let curve = Series { label: label.to_owned(), points: curve, style: Style::Line };
    if group.runs.len() < 2 {
        return vec![curve];
    }
    let lower = points.iter().map(|(x, (mean, half_width))| (*x, mean - half_width));
    let upper = points.iter().rev().map(|(x, (mean, half_width))| (*x, mean + half_width));
    let band = Series { label: String::new(), points: lower.chain(upper).collect(), style: Style::Band };
    vec![band, curve]
}
