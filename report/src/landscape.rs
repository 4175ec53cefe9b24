//! A function of two variables in colours, with paths on it.

use std::fmt::Write;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, LABELS_BELOW, NAME_ABOVE, TEXT, WIDTH, room_for, width};
use super::marks::{Places, looks, trace};
use super::{PictureError, Series, legend};

/// Values on a rectangle, in colours, with paths drawn on them.
#[derive(Debug, Clone, PartialEq)]
pub struct Landscape {
    /// File name without ending.
    pub name: String,
    /// One line above it.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// Labels of the axes.
    pub axes: [String; 2],
    /// What the values are, with their unit.
    pub quantity: String,
    /// First and last value of the first variable.
    pub x: (f64, f64),
    /// First and last value of the second variable.
    pub y: (f64, f64),
    /// `values[j][i]` at column `i`, row `j`, in the middles of equal cells, the
    /// second variable increasing with `j`.
    pub values: Vec<Vec<f64>>,
    /// Paths.
    pub paths: Vec<Series>,
}

/// Height of the data's part.
const HEIGHT: f64 = 320.0;
/// Right of it: the bar of colours with its labels.
const SCALE: f64 = 84.0;
/// Width of the bar.
const BAR: f64 = 16.0;

impl Landscape {
    /// The picture as a complete SVG document.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    pub fn to_svg(&self) -> Result<String, PictureError> {
        let finite = || self.values.iter().flatten().copied().filter(|v| v.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let is_drawable = low <= high && self.x.0 < self.x.1 && self.y.0 < self.y.1;
        if !is_drawable {
            return Err(PictureError::Empty { name: self.name.clone() });
        }
        let (top, bottom) = (NAME_ABOVE, NAME_ABOVE + HEIGHT);
        let axis = |(low, high), start, end| Axis { low, high, logarithmic: false, start, end };
        let y = axis(self.y, bottom, top);
        let (left, right) = (room_for(&y), WIDTH - SCALE);
        let x = axis(self.x, left, right);
        let mut canvas = Canvas::default();
        self.cells(&mut canvas, [x, y], [low, high]);
        canvas.horizontal(&x, &self.axes[0], [top, bottom], false);
        canvas.vertical(&y, &self.axes[1], [left, right], false);
        let inside =
            |p: &&(f64, f64)| (self.x.0..=self.x.1).contains(&p.0) && (self.y.0..=self.y.1).contains(&p.1);
        let places = |path: &Series| -> Places {
            path.points.iter().filter(inside).map(|p| (x.place(p.0), y.place(p.1))).collect()
        };
        let places: Vec<Places> = self.paths.iter().map(places).collect();
        let looks = looks(&self.paths, &places);
        for places in &places {
            // White around a path stays visible on every shade.
            let _ = writeln!(
                canvas.shapes,
                "<path d=\"{}\" stroke=\"#fff\" stroke-width=\"5\" fill=\"none\"/>",
                trace(places)
            );
        }
        for (look, places) in looks.iter().zip(&places) {
            look.light(&mut canvas, places);
        }
        for (look, places) in looks.iter().zip(&places) {
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                look.ring(&mut canvas, *first, 4.0, None);
                look.ring(&mut canvas, *last, 6.5, Some(3.0));
            }
        }
        bar(&mut canvas, axis((low, high.max(low + f64::MIN_POSITIVE)), bottom, top), right + 16.0);
        canvas.text((WIDTH - 4.0, 16.0), Anchor::End, TEXT, &self.quantity);
        let end = legend::draw(&mut canvas, &self.paths, &looks, bottom + LABELS_BELOW + 4.0);
        Ok(canvas.document(&self.title, end + 6.0))
    }

    /// The values as cells.
    fn cells(&self, canvas: &mut Canvas, [x, y]: [Axis; 2], [low, high]: [f64; 2]) {
        let rows = self.values.len() as f64;
        canvas.shapes.push_str("<g shape-rendering=\"crispEdges\">\n");
        for (j, row) in self.values.iter().enumerate() {
            let height = (y.start - y.end) / rows;
            let top = y.start - (j as f64 + 1.0) * height;
            let width = (x.end - x.start) / row.len() as f64;
            // A little too large, so that no seam shows between cells.
            let (wide, tall) = (width + 0.5, height + 0.5);
            for (i, value) in row.iter().enumerate().filter(|(_, v)| v.is_finite()) {
                let _ = writeln!(
                    canvas.shapes,
                    "<rect x=\"{:.2}\" y=\"{top:.2}\" width=\"{wide:.2}\" height=\"{tall:.2}\" fill=\"{}\"/>",
                    x.start + i as f64 * width,
                    shade((value - low) / (high - low).max(f64::MIN_POSITIVE))
                );
            }
        }
        canvas.shapes.push_str("</g>\n");
    }
}

/// Colours and their values, beside the landscape.
fn bar(canvas: &mut Canvas, axis: Axis, left: f64) {
    const STEPS: usize = 64;
    let height = (axis.start - axis.end) / STEPS as f64;
    canvas.shapes.push_str("<g shape-rendering=\"crispEdges\">\n");
    for i in 0..STEPS {
        let _ = writeln!(
            canvas.shapes,
            "<rect x=\"{left:.2}\" y=\"{:.2}\" width=\"{BAR}\" height=\"{:.2}\" fill=\"{}\"/>",
            axis.start - (i as f64 + 1.0) * height,
            height + 0.5,
            shade((i as f64 + 0.5) / STEPS as f64)
        );
    }
    canvas.shapes.push_str("</g>\n");
    for (value, label) in axis.ticks(6) {
        let y = axis.place(value);
        canvas.axis((left + BAR, y), (left + BAR + 4.0, y));
        let label = label.unwrap_or_default();
        // As wide as there is room for.
        let size = TEXT.min((SCALE - 16.0 - BAR - 8.0) / width(&label, 1.0));
        canvas.text((left + BAR + 7.0, y + 4.5), Anchor::Start, (10.0 * size).floor() / 10.0, &label);
    }
}

/// Dark blue for 0 over green to light yellow for 1; its lightness rises evenly.
fn shade(share: f64) -> String {
    const STOPS: [(f64, f64, f64); 5] = [
        (68.0, 1.0, 84.0),
        (59.0, 82.0, 139.0),
        (33.0, 145.0, 140.0),
        (94.0, 201.0, 98.0),
        (253.0, 231.0, 37.0),
    ];
    let position = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let i = (position.floor() as usize).min(STOPS.len() - 2);
    let (a, b, t) = (STOPS[i], STOPS[i + 1], position - i as f64);
    let mix = |a: f64, b: f64| (a + (b - a) * t).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::super::Style;
    use super::*;

    #[test]
    fn values_are_colours_and_paths_lie_on_them() {
        let path = Series {
            label: "path".into(),
            points: vec![(0.1, 0.1), (0.9, 0.9), (5.0, 5.0)],
            style: Style::Path,
        };
        let mut landscape = Landscape {
            name: "l".into(),
            title: String::new(),
            caption: String::new(),
            axes: ["x".into(), "y".into()],
            quantity: "value (reward)".into(),
            x: (0.0, 1.0),
            y: (0.0, 1.0),
            values: vec![vec![0.0, 1.0], vec![f64::NAN, 2.0]],
            paths: vec![path],
        };
        let svg = landscape.to_svg().unwrap();
        assert!(svg.contains("#440154") && svg.contains("#fde725") && svg.contains(">path<"));
        // The bar of colours has the name of its quantity.
        assert!(svg.contains(">value (reward)<"));
        landscape.values = vec![vec![f64::NAN]];
        assert_eq!(landscape.to_svg(), Err(PictureError::Empty { name: "l".into() }));
    }
}
