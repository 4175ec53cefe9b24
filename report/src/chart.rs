//! Drawing a picture as SVG.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::{Picture, PictureError, Series, Style};

/// Width and height in pixels; the SVG scales.
pub(super) const SIZE: (u32, u32) = (860, 500);
/// The colours of Okabe and Ito, which stay apart for most readers, and a grey.
pub(super) const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
    RGBColor(148, 148, 148),
];

impl Picture {
    /// The chart as a complete SVG document.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    ///
    /// ```
    /// use pemdp_report::{Picture, Series, Style};
    /// let series = vec![Series { label: "x^2".into(), points: vec![(1.0, 1.0), (2.0, 4.0)], style: Style::Line }];
    /// let picture = Picture {
    ///     name: "square".into(),
    ///     title: "A square".into(),
    ///     caption: String::new(),
    ///     axes: ["x".into(), "y".into()],
    ///     logarithmic: [false, false],
    ///     series,
    /// };
    /// assert!(picture.to_svg()?.starts_with("<svg"));
    /// # Ok::<(), pemdp_report::PictureError>(())
    /// ```
    pub fn to_svg(&self) -> Result<String, PictureError> {
        let series: Vec<Series> = self.series.iter().map(|series| self.drawable(series)).collect();
        let all = || series.iter().flat_map(|series| &series.points);
        let [x, y] =
            [range(all().map(|p| p.0), self.logarithmic[0]), range(all().map(|p| p.1), self.logarithmic[1])];
        let (Some(x), Some(y)) = (x, y) else {
            return Err(PictureError::Empty { name: self.name.clone() });
        };
        let mut svg = String::new();
        let corner = emptiest_corner(&series, [&x, &y], self.logarithmic);
        let drawn = match self.logarithmic {
            [false, false] => self.draw(&mut svg, &series, x, y, corner),
            [true, false] => self.draw(&mut svg, &series, x.log_scale(), y, corner),
            [false, true] => self.draw(&mut svg, &series, x, y.log_scale(), corner),
            [true, true] => self.draw(&mut svg, &series, x.log_scale(), y.log_scale(), corner),
        };
        match drawn {
            Ok(()) => Ok(svg),
            Err(why) => Err(PictureError::Drawing { name: self.name.clone(), why: why.to_string() }),
        }
    }

    /// The points that can be drawn on these axes.
    fn drawable(&self, series: &Series) -> Series {
        let fits = |x: f64, logarithmic: bool| x.is_finite() && (!logarithmic || x > 0.0);
        let points = series.points.iter().copied();
        let points =
            points.filter(|(x, y)| fits(*x, self.logarithmic[0]) && fits(*y, self.logarithmic[1])).collect();
        Series { points, ..series.clone() }
    }

    fn draw<X, Y>(
        &self,
        svg: &mut String,
        series: &[Series],
        x: X,
        y: Y,
        corner: SeriesLabelPosition,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(14)
            .x_label_area_size(48)
            .y_label_area_size(78)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.6))
            .label_style(("sans-serif", 15))
            .axis_desc_style(("sans-serif", 17))
            .x_desc(self.axes[0].as_str())
            .y_desc(self.axes[1].as_str())
            .x_label_formatter(&tick)
            .y_label_formatter(&tick)
            .x_labels(8)
            .y_labels(8)
            .draw()?;
        let mut colours = COLOURS.iter().cycle().copied();
        let mut colour = BLACK;
        let mut goes_on = false;
        for series in series {
            // A band has the colour of the curve that follows it.
            if !goes_on {
                colour = colours.next().unwrap_or(BLACK);
            }
            goes_on = series.style == Style::Band;
            let points = series.points.iter().copied();
            let annotation = match series.style {
                Style::Line => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
                Style::Dashed => {
                    chart.draw_series(DashedLineSeries::new(points, 7, 5, colour.stroke_width(2)))?
                }
                Style::Points => chart.draw_series(points.map(|p| Circle::new(p, 4, colour.filled())))?,
                Style::Band => chart.draw_series(std::iter::once(Polygon::new(
                    series.points.clone(),
                    colour.mix(0.18).filled(),
                )))?,
                Style::Path => {
                    chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
                    chart.draw_series(points.map(|p| Circle::new(p, 3, colour.filled())))?
                }
            };
            if series.label.is_empty() {
                continue;
            }
            let style = series.style;
            annotation.label(series.label.as_str()).legend(move |(x, y)| -> DynElement<'_, _, _> {
                match style {
                    Style::Points => Circle::new((x + 10, y), 4, colour.filled()).into_dyn(),
                    // One dash of it.
                    Style::Dashed => {
                        PathElement::new(vec![(x + 4, y), (x + 14, y)], colour.stroke_width(2)).into_dyn()
                    }
                    _ => PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(2)).into_dyn(),
                }
            });
        }
        if series.iter().any(|series| !series.label.is_empty()) {
            chart
                .configure_series_labels()
                .position(corner)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.25))
                .label_font(("sans-serif", 15))
                .draw()?;
        }
        root.present()?;
        Ok(())
    }
}

/// The corner whose quarter of the chart holds the fewest points.
fn emptiest_corner(
    series: &[Series],
    ranges: [&Range<f64>; 2],
    logarithmic: [bool; 2],
) -> SeriesLabelPosition {
    let share = |value: f64, axis: usize| {
        let place = |v: f64| if logarithmic[axis] { v.ln() } else { v };
        let (low, high) = (place(ranges[axis].start), place(ranges[axis].end));
        (place(value) - low) / (high - low)
    };
    // A point of a long curve counts for little, so that each curve counts once.
    let mut weights = [0.0; 4];
    for series in series {
        for point in &series.points {
            let (right, top) = (share(point.0, 0) > 0.55, share(point.1, 1) > 0.55);
            weights[usize::from(right) + 2 * usize::from(top)] += 1.0 / series.points.len() as f64;
        }
    }
    let [lower_left, lower_right, upper_left, upper_right] = weights;
    let corners = [
        (upper_left, SeriesLabelPosition::UpperLeft),
        (upper_right, SeriesLabelPosition::UpperRight),
        (lower_right, SeriesLabelPosition::LowerRight),
        (lower_left, SeriesLabelPosition::LowerLeft),
    ];
    let emptiest = corners.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    emptiest.map_or(SeriesLabelPosition::UpperLeft, |(_, corner)| corner)
}

/// The range of an axis with a little room at both ends.
fn range(values: impl Iterator<Item = f64>, logarithmic: bool) -> Option<Range<f64>> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    if low > high {
        return None;
    }
    if logarithmic {
        let room = (high / low).powf(0.04).max(1.1);
        Some(low / room..high * room)
    } else {
        let room = if high > low { 0.04 * (high - low) } else { 0.5 * low.abs().max(1.0) };
        Some(low - room..high + room)
    }
}

/// A tick's label: short, without the noise of doubles.
pub(super) fn tick(x: &f64) -> String {
    // What rounding leaves of 0 on a linear axis.
    const NOISE: f64 = 1e-14;
    let size = x.abs();
    if size < NOISE {
        "0".into()
    } else if (0.001..100_000.0).contains(&size) {
        let text = format!("{x:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".into() } else { text.into() }
    } else {
        let exponent = size.log10().floor();
        let leading = format!("{:.1}", x / 10f64.powf(exponent));
        let leading = leading.trim_end_matches(".0");
        format!("{leading}e{exponent:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(logarithmic: [bool; 2], points: Vec<(f64, f64)>) -> Picture {
        let styles = [Style::Band, Style::Line, Style::Dashed, Style::Points, Style::Path];
        let series = styles.map(|style| Series { label: "a < b".into(), points: points.clone(), style });
        Picture {
            name: "test".into(),
            title: String::new(),
            caption: String::new(),
            axes: ["x".into(), "y".into()],
            logarithmic,
            series: series.to_vec(),
        }
    }

    #[test]
    fn all_styles_are_drawn_on_all_axes() {
        for logarithmic in [[false, false], [true, false], [false, true], [true, true]] {
            let svg = picture(logarithmic, vec![(1.0, 2.0), (10.0, 300.0), (100.0, 4.0)]).to_svg().unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.contains("<polyline") && svg.contains("<circle") && svg.contains("a &lt; b"));
        }
    }

    #[test]
    fn what_does_not_fit_the_axes_is_left_out() {
        let points = vec![(1.0, 1.0), (2.0, -1.0), (f64::NAN, 1.0), (3.0, f64::INFINITY), (4.0, 2.0)];
        assert_eq!(
            picture([true, true], points.clone())
                .drawable(&picture([true; 2], points).series[0])
                .points
                .len(),
            2
        );
        let empty = picture([true, true], vec![(-1.0, 1.0)]).to_svg();
        assert_eq!(empty, Err(PictureError::Empty { name: "test".into() }));
        // One point, and a constant, have room too.
        assert!(picture([false, false], vec![(1.0, 0.0)]).to_svg().is_ok());
    }

    #[test]
    fn ticks_are_short() {
        let shown = [-2.2e-16, 0.1 + 0.2, -2.5, 1e6, 2.5e-7, 99_999.0].map(|x| tick(&x));
        assert_eq!(shown, ["0", "0.3", "-2.5", "1e6", "2.5e-7", "99999"]);
    }
}
