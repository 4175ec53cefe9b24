//! How the series of a chart are told apart: colours, dashes, markers.

use std::fmt::Write;

use super::canvas::Canvas;
use super::palette::{self, HUES, INK};
use super::{Series, Style};

/// Places in a picture.
pub(super) type Places = Vec<(f64, f64)>;

/// How a series looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    class: String,
    colour: &'static str,
    style: Style,
    /// `stroke-dasharray` and `stroke-dashoffset`.
    dash: Option<(&'static str, f64)>,
    marker: usize,
    /// Wide and pale, because another of its colour lies on it.
    is_under: bool,
}

/// Dashes of curves of one colour, after the first.
const VARIANTS: [&str; 5] = ["9 4", "2.5 3", "10 3 2.5 3", "15 4", "5 2 1 2"];
/// Dashes of curves that lie on others: each shows where those below do not.
const STACKED: [(&str, f64); 3] = [("8 8", 0.0), ("4 4", -2.0), ("2 5", 0.0)];
/// Dashes of guides.
const GUIDES: [&str; 4] = ["5 4", "1.5 3", "9 3 1.5 3", "14 5"];
/// Two curves are one where they are this close, in pixels.
const CLOSE: f64 = 1.2;
/// Markers of a curve are this far apart, in pixels.
const MARKER_DISTANCE: f64 = 9.0;

/// The looks of series that are drawn at these places.
pub(super) fn looks(series: &[Series], places: &[Places]) -> Vec<Look> {
    let hues = palette::hues(series);
    let mut looks: Vec<Look> = Vec::with_capacity(series.len());
    let (mut guides, mut markers) = (0, 0);
    for (i, one) in series.iter().enumerate() {
        let hue = hues[i];
        let before = looks.last().map(|look| (look.dash, look.marker));
        let mut look = Look {
            class: format!("hue{hue}"),
            colour: HUES[hue].light,
            style: one.style,
            dash: None,
            marker: markers,
            is_under: false,
        };
        match one.style {
            Style::Dashed => {
                (look.class, look.colour) = ("ink".to_owned(), INK.light);
                look.dash = Some((GUIDES[guides % GUIDES.len()], 0.0));
                guides += 1;
            }
            // It belongs to the one before.
            _ if one.label.is_empty() && one.style != Style::Band && before.is_some() => {
                (look.dash, look.marker) = before.unwrap_or_default();
            }
            Style::Line | Style::Path | Style::Run => {
                let is_curve = |j: &usize| series[*j].style.is_curve() && !series[*j].label.is_empty();
                let earlier: Vec<usize> = (0..i).filter(is_curve).collect();
                let variant = earlier.iter().filter(|&&j| hues[j] == hue).count();
                let below: Vec<usize> =
                    earlier.into_iter().filter(|&j| coincide(&places[j], &places[i])).collect();
                if variant > 0 {
                    look.dash = Some((VARIANTS[(variant - 1) % VARIANTS.len()], 0.0));
                } else if !below.is_empty() {
                    look.dash = Some(STACKED[(below.len() - 1) % STACKED.len()]);
                }
                for j in below.into_iter().filter(|&j| hues[j] == hue) {
                    looks[j].is_under = true;
                }
            }
            Style::Points | Style::Band => {}
        }
        if matches!(one.style, Style::Points | Style::Path) && !one.label.is_empty() {
            markers += 1;
        }
        looks.push(look);
    }
    looks
}

impl Style {
    fn is_curve(self) -> bool {
        matches!(self, Self::Line | Self::Path | Self::Run)
    }
}

/// Whether a quarter of the second curve lies on the first.
fn coincide(below: &[(f64, f64)], above: &[(f64, f64)]) -> bool {
    let is_on = |p: &&(f64, f64)| below.windows(2).any(|ends| distance(**p, ends[0], ends[1]) < CLOSE);
    above.len() > 1 && 4 * above.iter().filter(is_on).count() > above.len()
}

/// From a place to a piece of a line.
fn distance(p: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
}

impl Look {
    /// Draws the series at its places.
    pub(super) fn draw(&self, canvas: &mut Canvas, places: &[(f64, f64)]) {
        match self.style {
            Style::Band => self.area(canvas, places),
            Style::Points => places.iter().for_each(|place| self.mark(canvas, *place)),
            Style::Line | Style::Dashed => self.line(canvas, places),
            Style::Path => {
                self.line(canvas, places);
                let mut last: Option<(f64, f64)> = None;
                for &place in places {
                    if last.is_none_or(|l| (place.0 - l.0).hypot(place.1 - l.1) >= MARKER_DISTANCE) {
                        self.mark(canvas, place);
                        last = Some(place);
                    }
                }
            }
            Style::Run => {
                self.line(canvas, places);
                if let Some(end) = places.last() {
                    self.disc(canvas, *end, 3.4);
                }
            }
        }
    }

    /// What stands for it in the legend, 28 wide.
    pub(super) fn sample(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        if self.style != Style::Points {
            self.line(canvas, &[(x, y), (x + 28.0, y)]);
        }
        match self.style {
            Style::Points | Style::Path => self.mark(canvas, (x + 14.0, y)),
            Style::Run => self.disc(canvas, (x + 28.0, y), 3.4),
            _ => {}
        }
    }

    /// The line in the colour for paper: what it lies on does not change with the page.
    pub(super) fn light(&self, canvas: &mut Canvas, places: &[(f64, f64)]) {
        let dash = self.dash.map_or_else(String::new, |(dash, _)| format!(" stroke-dasharray=\"{dash}\""));
        let _ = writeln!(
            canvas.shapes,
            "<path d=\"{}\" stroke=\"{}\" stroke-width=\"2.4\"{dash} fill=\"none\"/>",
            trace(places),
            self.colour
        );
    }

    /// A disc with a white rim and, where asked, a white core, likewise.
    pub(super) fn ring(&self, canvas: &mut Canvas, (x, y): (f64, f64), radius: f64, core: Option<f64>) {
        let _ = writeln!(
            canvas.shapes,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{}\" stroke=\"#fff\" stroke-width=\"1.5\"/>",
            self.colour
        );
        if let Some(core) = core {
            let _ =
                writeln!(canvas.shapes, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{core}\" fill=\"#fff\"/>");
        }
    }

    fn line(&self, canvas: &mut Canvas, places: &[(f64, f64)]) {
        let (width, opacity) = match (self.is_under, self.style) {
            (true, _) => (5.5, " stroke-opacity=\"0.4\""),
            (_, Style::Dashed) => (1.3, ""),
            _ => (2.0, ""),
        };
        let dash = self.dash.map_or_else(String::new, |(dash, offset)| {
            let offset =
                if offset == 0.0 { String::new() } else { format!(" stroke-dashoffset=\"{offset}\"") };
            format!(" stroke-dasharray=\"{dash}\"{offset}")
        });
        let _ = writeln!(
            canvas.shapes,
            "<path class=\"{}\" d=\"{}\" stroke=\"{}\" stroke-width=\"{width}\"{opacity}{dash} stroke-linejoin=\"round\" \
             fill=\"none\"/>",
            self.class,
            trace(places),
            self.colour
        );
    }

    fn area(&self, canvas: &mut Canvas, places: &[(f64, f64)]) {
        let _ = writeln!(
            canvas.shapes,
            "<path class=\"{}-fill\" d=\"{}Z\" fill=\"{}\" fill-opacity=\"0.18\"/>",
            self.class,
            trace(places),
            self.colour
        );
    }

    fn disc(&self, canvas: &mut Canvas, (x, y): (f64, f64), radius: f64) {
        let _ = writeln!(
            canvas.shapes,
            "<circle class=\"{}-fill\" cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{}\"/>",
            self.class, self.colour
        );
    }

    /// Its marker: a disc, a square, a triangle, a diamond, or a ring, a frame, and so on.
    fn mark(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        let corners: &[(f64, f64)] = match self.marker % 4 {
            0 => &[],
            1 => &[(-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)],
            2 => &[(0.0, -4.4), (4.2, 3.2), (-4.2, 3.2)],
            _ => &[(0.0, -4.8), (4.8, 0.0), (0.0, 4.8), (-4.8, 0.0)],
        };
        let shape = if corners.is_empty() {
            format!("circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"3.6\"")
        } else {
            let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            format!("path d=\"{}Z\"", trace(&corners))
        };
        let _ = if self.marker % 8 < 4 {
            writeln!(canvas.shapes, "<{shape} class=\"{}-fill\" fill=\"{}\"/>", self.class, self.colour)
        } else {
            writeln!(
                canvas.shapes,
                "<{shape} class=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>",
                self.class, self.colour
            )
        };
    }
}

/// Moves single points that would hide each other upwards, into a column.
pub(super) fn spread(series: &[Series], places: &mut [Places]) {
    const APART: f64 = 9.0;
    let is_single = |i: &usize| series[*i].style == Style::Points && series[*i].points.len() == 1;
    let single: Vec<usize> = (0..series.len()).filter(is_single).collect();
    let mut taken: Places = Vec::new();
    for i in single {
        let Some(place) = places[i].first_mut() else { continue };
        let is_hidden = |p: (f64, f64)| taken.iter().any(|t| (t.0 - p.0).hypot(t.1 - p.1) < APART - 0.5);
        while is_hidden(*place) {
            place.1 -= APART;
        }
        taken.push(*place);
    }
}

/// A path through places; those that nobody could tell from the one before are left out.
pub(super) fn trace(places: &[(f64, f64)]) -> String {
    const SAME: f64 = 0.15;
    let mut text = String::new();
    let mut last: Option<(f64, f64)> = None;
    for (i, &(x, y)) in places.iter().enumerate() {
        let is_seen = last.is_none_or(|l| (x - l.0).abs().max((y - l.1).abs()) >= SAME);
        if is_seen || i + 1 == places.len() {
            let _ = write!(text, "{}{x:.2} {y:.2}", if last.is_none() { 'M' } else { 'L' });
            last = Some((x, y));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(label: &str) -> Series {
        Series { label: label.into(), points: Vec::new(), style: Style::Line }
    }

    #[test]
    fn curves_on_each_other_are_told_apart() {
        let on = vec![(0.0, 0.0), (50.0, 10.0), (100.0, 0.0)];
        let off = vec![(0.0, 40.0), (50.0, 40.0), (100.0, 40.0)];
        let all = [series("a"), series("b"), series("c"), series("d")];
        let looks = looks(&all, &[on.clone(), off, on.clone(), on]);
        let dashes: Vec<_> = looks.iter().map(|look| look.dash).collect();
        assert_eq!(dashes, [None, None, Some(STACKED[0]), Some(STACKED[1])]);
    }

    #[test]
    fn variants_of_one_colour_have_their_own_dashes() {
        let places = vec![(0.0, 0.0), (1.0, 1.0)];
        let all = [series("PePG"), series("PePG, sampled")];
        let looks = looks(&all, &[places.clone(), places]);
        assert!(looks[0].colour == looks[1].colour && looks[0].dash != looks[1].dash);
        assert!(looks[0].is_under && !looks[1].is_under);
    }

    #[test]
    fn single_points_do_not_hide_each_other() {
        let point = Series { points: vec![(0.0, 0.0)], style: Style::Points, ..series("a") };
        let mut places = vec![vec![(50.0, 50.0)], vec![(51.0, 50.0)], vec![(90.0, 50.0)]];
        spread(&[point.clone(), point.clone(), point], &mut places);
        assert_eq!(places, [vec![(50.0, 50.0)], vec![(51.0, 41.0)], vec![(90.0, 50.0)]]);
    }

    #[test]
    fn places_are_not_rounded_to_pixels() {
        assert_eq!(trace(&[(0.25, 1.0), (0.26, 1.0), (7.125, 2.5)]), "M0.25 1.00L7.12 2.50");
    }
}
