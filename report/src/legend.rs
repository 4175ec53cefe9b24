//! The legend below a chart, outside of its data.

use super::Series;
use super::canvas::{Anchor, Canvas, TEXT, WIDTH, width};
use super::marks::Look;

/// Height of a line of the legend.
const LINE: f64 = 20.0;
/// Of an entry: what is left of its text.
const SAMPLE: f64 = 36.0;
/// Between columns.
const GAP: f64 = 14.0;
const MARGIN: f64 = 6.0;

/// Draws the entries of labelled series from `top` on; where it ends.
pub(super) fn draw(canvas: &mut Canvas, series: &[Series], looks: &[Look], top: f64) -> f64 {
    let entries: Vec<(&str, &Look)> = series
        .iter()
        .zip(looks)
        .filter(|(series, _)| !series.label.is_empty())
        .map(|(series, look)| (series.label.as_str(), look))
        .collect();
    if entries.is_empty() {
        return top;
    }
    let widest = entries.iter().map(|(label, _)| width(label, TEXT)).fold(0.0, f64::max) + SAMPLE;
    let room = WIDTH - 2.0 * MARGIN;
    let columns = (((room + GAP) / (widest + GAP)).floor() as usize).clamp(1, entries.len());
    let lines = entries.len().div_ceil(columns);
    let step = if columns == 1 { room } else { (room + GAP) / columns as f64 };
    for (i, (label, look)) in entries.into_iter().enumerate() {
        let (column, line) = (i / lines, i % lines);
        let (x, y) = (MARGIN + column as f64 * step, top + (line as f64 + 0.5) * LINE);
        look.sample(canvas, (x, y));
        // A label wider than the picture is made to fit.
        let size = TEXT.min((room - SAMPLE) / width(label, 1.0));
        canvas.text((x + SAMPLE, y + 4.5), Anchor::Start, (10.0 * size).round() / 10.0, label);
    }
    top + lines as f64 * LINE
}
