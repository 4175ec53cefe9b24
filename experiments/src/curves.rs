//! Curves of values over iterations, with bands of confidence.

use super::summary::{Group, mean_and_half_width};
use pemdp_algorithms::Iterate;
use pemdp_report::{Series, Style};

/// A curve has about this many points.
const POINTS: usize = 300;

/// What captions say of the ends of curves.
pub(super) const ENDS: &str = "A dot ends a curve where its run ended; of several runs one that ended earlier keeps its \
                               last value until the longest has.";

/// The mean value over the runs of a group by the iteration, with its band.
pub(super) fn value_curve(group: &Group<'_>, label: &str) -> Vec<Series> {
    curve(group, label, |iterate| iterate.iteration as f64, |iterate| iterate.value)
}

/// The mean of a measure `y` over the runs of a group at every iteration of the
/// longest, and the band of its 95 % confidence where there are several runs, by the
/// mean of `x`. A run that has ended keeps its last measure.
pub(super) fn curve(
    group: &Group<'_>,
    label: &str,
    x: impl Fn(&Iterate) -> f64,
    y: impl Fn(&Iterate) -> f64,
) -> Vec<Series> {
    let until = group.runs.iter().map(|run| run.iterates.len()).max().unwrap_or(1) - 1;
    let every = (until / POINTS).max(1);
    let at = |iteration: usize| {
        let iterates =
            || group.runs.iter().filter_map(|run| run.iterates.get(iteration).or(run.iterates.last()));
        let [x, y]: [Vec<f64>; 2] = [iterates().map(&x).collect(), iterates().map(&y).collect()];
        (mean_and_half_width(&x).0, mean_and_half_width(&y))
    };
    // The first ones all, for logarithmic axes.
    let is_shown = |i: &usize| *i < POINTS / 3 || i.is_multiple_of(every) || *i == until;
    let points: Vec<(f64, (f64, f64))> = (0..=until).filter(is_shown).map(at).collect();
    let curve = points.iter().map(|(x, (mean, _))| (*x, *mean)).collect();
    let curve = Series { label: label.to_owned(), points: curve, style: Style::Run };
    if group.runs.len() < 2 {
        return vec![curve];
    }
    let lower = points.iter().map(|(x, (mean, half_width))| (*x, mean - half_width));
    let upper = points.iter().rev().map(|(x, (mean, half_width))| (*x, mean + half_width));
    let band = Series { label: String::new(), points: lower.chain(upper).collect(), style: Style::Band };
    vec![band, curve]
}
