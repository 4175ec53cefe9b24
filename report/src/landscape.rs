//! A function of two variables in colours, with paths on it.

use std::error::Error;

use plotters::prelude::*;

use super::chart::{COLOURS, SIZE, tick};
use super::{PictureError, Series};

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
        let mut svg = String::new();
        match self.draw(&mut svg, low, high) {
            Ok(()) => Ok(svg),
            Err(why) => Err(PictureError::Drawing { name: self.name.clone(), why: why.to_string() }),
        }
    }

    fn draw(&self, svg: &mut String, low: f64, high: f64) -> Result<(), Box<dyn Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(SIZE.0 - 120);
        let mut chart = ChartBuilder::on(&left)
            .margin(14)
            .x_label_area_size(48)
            .y_label_area_size(78)
            .build_cartesian_2d(self.x.0..self.x.1, self.y.0..self.y.1)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .label_style(("sans-serif", 15))
            .axis_desc_style(("sans-serif", 17))
            .x_desc(self.axes[0].as_str())
            .y_desc(self.axes[1].as_str())
            .x_label_formatter(&tick)
            .y_label_formatter(&tick)
            .draw()?;
        let height = (self.y.1 - self.y.0) / self.values.len() as f64;
        for (j, row) in self.values.iter().enumerate() {
            let width = (self.x.1 - self.x.0) / row.len() as f64;
            let bottom = self.y.0 + j as f64 * height;
            let cells = row.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(i, v)| {
                let start = self.x.0 + i as f64 * width;
                let colour = shade((v - low) / (high - low).max(f64::MIN_POSITIVE));
                // A little too large, so that no seam shows between cells.
                let (right, top) = (start + 1.1 * width, bottom + 1.1 * height);
                let corner = (right.min(self.x.1), top.min(self.y.1));
                Rectangle::new([(start, bottom), corner], colour.filled())
            });
            chart.draw_series(cells)?;
        }
        let mut colours = PATH_COLOURS.iter().cycle().copied();
        let mut colour = BLACK_PATH;
        for path in &self.paths {
            // A path without a label belongs to the one before.
            if !path.label.is_empty() {
                colour = colours.next().unwrap_or(BLACK_PATH);
            }
            let inside = |p: &&(f64, f64)| {
                (self.x.0..=self.x.1).contains(&p.0) && (self.y.0..=self.y.1).contains(&p.1)
            };
            let points: Vec<(f64, f64)> = path.points.iter().filter(inside).copied().collect();
            let line = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            if !path.label.is_empty() {
                line.label(path.label.as_str()).legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(2))
                });
            }
            chart.draw_series(points.first().into_iter().map(|p| Circle::new(*p, 4, colour.filled())))?;
            chart.draw_series(
                points.last().into_iter().map(|p| TriangleMarker::new(*p, 7, colour.filled())),
            )?;
        }
        if self.paths.iter().any(|path| !path.label.is_empty()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.25))
                .label_font(("sans-serif", 15))
                .draw()?;
        }
        scale(&right, low, high)?;
        root.present()?;
        Ok(())
    }
}

/// Colours of paths that stay visible on the shades.
const PATH_COLOURS: [RGBColor; 4] = [COLOURS[1], BLACK_PATH, COLOURS[3], COLOURS[4]];
const BLACK_PATH: RGBColor = RGBColor(20, 20, 20);

/// Colours and their values, beside the landscape.
fn scale(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    low: f64,
    high: f64,
) -> Result<(), Box<dyn Error>> {
    const STEPS: usize = 60;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .x_label_area_size(48)
        .right_y_label_area_size(70)
        .build_cartesian_2d(0.0..1.0, low..high.max(low + f64::MIN_POSITIVE))?
        .set_secondary_coord(0.0..1.0, low..high.max(low + f64::MIN_POSITIVE));
    chart
        .configure_secondary_axes()
        .label_style(("sans-serif", 14))
        .y_label_formatter(&tick)
        .y_labels(6)
        .draw()?;
    let height = (high - low) / STEPS as f64;
    chart.draw_series((0..STEPS).map(|i| {
        let bottom = low + i as f64 * height;
        let colour = shade((i as f64 + 0.5) / STEPS as f64);
        Rectangle::new([(0.0, bottom), (1.0, bottom + height)], colour.filled())
    }))?;
    Ok(())
}

/// Dark blue for 0 over green to light yellow for 1; its lightness rises evenly.
fn shade(share: f64) -> RGBColor {
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
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
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
            x: (0.0, 1.0),
            y: (0.0, 1.0),
            values: vec![vec![0.0, 1.0], vec![f64::NAN, 2.0]],
            paths: vec![path],
        };
        let svg = landscape.to_svg().unwrap();
        assert!(svg.contains("#440154") && svg.contains("#FDE725") && svg.contains("path"));
        landscape.values = vec![vec![f64::NAN]];
        assert_eq!(landscape.to_svg(), Err(PictureError::Empty { name: "l".into() }));
    }
}
