//! Drawing a chart as SVG.

use super::axis::Axis;
use super::canvas::{Canvas, LABELS_BELOW, NAME_ABOVE, WIDTH, room_for};
use super::marks::{Places, looks, spread};
use super::{Picture, PictureError, Series, Style, legend};

/// Height of the data's part.
const HEIGHT: f64 = 270.0;
/// Right of it.
const MARGIN: f64 = 14.0;

impl Picture {
    /// The chart as a complete SVG document: the legend below the data, text and colours for
    /// light pages and, where the reader prefers them, dark ones.
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
        let x = Axis::of(all().map(|p| p.0), self.logarithmic[0]);
        let y = Axis::of(all().map(|p| p.1), self.logarithmic[1]);
        let (Some(x), Some(y)) = (x, y) else {
            return Err(PictureError::Empty { name: self.name.clone() });
        };
        let (top, bottom) = (NAME_ABOVE, NAME_ABOVE + HEIGHT);
        let y = y.between(bottom, top);
        let left = room_for(&y);
        let x = x.between(left, WIDTH - MARGIN);
        let mut canvas = Canvas::default();
        canvas.horizontal(&x, &self.axes[0], [top, bottom], true);
        canvas.vertical(&y, &self.axes[1], [left, WIDTH - MARGIN], true);
        let mut places: Vec<Places> = series
            .iter()
            .map(|series| series.points.iter().map(|p| (x.place(p.0), y.place(p.1))).collect())
            .collect();
        let looks = looks(&series, &places);
        spread(&series, &mut places);
        // Bands lie under all curves, points on them.
        let layer = |style| match style {
            Style::Band => 0,
            Style::Points => 2,
            _ => 1,
        };
        for now in 0..=2 {
            for ((series, look), places) in series.iter().zip(&looks).zip(&places) {
                if layer(series.style) == now && !places.is_empty() {
                    look.draw(&mut canvas, places);
                }
            }
        }
        let end = legend::draw(&mut canvas, &series, &looks, bottom + LABELS_BELOW + 4.0);
        Ok(canvas.document(&self.title, end + 6.0))
    }

    /// The points that can be drawn on these axes.
    fn drawable(&self, series: &Series) -> Series {
        let fits = |x: f64, logarithmic: bool| x.is_finite() && (!logarithmic || x > 0.0);
        let points = series.points.iter().copied();
        let points =
            points.filter(|(x, y)| fits(*x, self.logarithmic[0]) && fits(*y, self.logarithmic[1])).collect();
        Series { points, ..series.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(logarithmic: [bool; 2], points: Vec<(f64, f64)>) -> Picture {
        let styles = [Style::Band, Style::Line, Style::Dashed, Style::Points, Style::Path, Style::Run];
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

    fn one(labels: &[&str]) -> String {
        let series = labels.iter().enumerate().map(|(i, label)| Series {
            label: (*label).into(),
            points: vec![(1.0, i as f64), (2.0, 1.0)],
            style: Style::Line,
        });
        Picture { series: series.collect(), ..picture([false; 2], Vec::new()) }.to_svg().unwrap()
    }

    /// The values of an attribute in the document.
    fn attributes<'a>(svg: &'a str, name: &str) -> Vec<&'a str> {
        let begin = format!(" {name}=\"");
        svg.split(begin.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn all_styles_are_drawn_on_all_axes() {
        for logarithmic in [[false, false], [true, false], [false, true], [true, true]] {
            let svg = picture(logarithmic, vec![(1.0, 2.0), (10.0, 300.0), (100.0, 4.0)]).to_svg().unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.contains("<path") && svg.contains("<circle") && svg.contains("a &lt; b"));
            assert!(svg.contains("viewBox=\"0 0 480 ") && svg.contains("prefers-color-scheme: dark"));
        }
    }

    #[test]
    fn curves_are_not_rounded_to_pixels() {
        let points = (0..50).map(|i| (f64::from(i), f64::from(i).sin())).collect();
        let svg = picture([false; 2], points).to_svg().unwrap();
        let curve = attributes(&svg, "d").into_iter().max_by_key(|d| d.len()).unwrap();
        let numbers = curve.split(['M', 'L', ' ', 'Z']).filter_map(|n| n.parse::<f64>().ok());
        assert!(numbers.filter(|n| n.fract() != 0.0).count() > 80);
    }

    #[test]
    fn no_logarithmic_axis_has_a_zero() {
        for factor in [1.5, 30.0, 1e4, 1e12] {
            let points = vec![(1e-9, 1e-3), (1e-9 * factor, 1e-3 * factor)];
            let svg = picture([true, true], points).to_svg().unwrap();
            assert!(!svg.contains(">0</text>"));
            assert!(factor < 100.0 || svg.contains(">10⁻"));
        }
    }

    #[test]
    fn the_legend_is_below_the_data() {
        let svg = one(&["first", "second"]);
        let y = |text: &str| {
            let before = svg.split(&format!(">{text}</text>")).next().unwrap();
            attributes(before, "y").last().unwrap().parse::<f64>().unwrap()
        };
        assert!(y("first") > NAME_ABOVE + HEIGHT && y("x") < y("first") && y("first") <= y("second"));
    }

    #[test]
    fn an_algorithm_has_the_same_colour_in_every_chart() {
        let colour = |svg: &str| {
            // Of the sample in the legend, before its label.
            let before = svg.split(">RR, exact</text>").next().unwrap().to_owned();
            let strokes = attributes(&before, "stroke");
            strokes.last().map(|&s| s.to_owned()).unwrap()
        };
        let charts = [&["RR, exact"][..], &["PePG", "RR, exact"], &["other", "more", "MDRR", "RR, exact"]];
        let [a, b, c] = charts.map(|labels| colour(&one(labels)));
        assert!(a == b && b == c && a.starts_with('#'));
    }

    #[test]
    fn what_does_not_fit_the_axes_is_left_out() {
        let points = vec![(1.0, 1.0), (2.0, -1.0), (f64::NAN, 1.0), (3.0, f64::INFINITY), (4.0, 2.0)];
        let picture_of = |points| picture([true, true], points);
        let drawable = picture_of(points.clone()).drawable(&picture_of(points).series[0]);
        assert_eq!(drawable.points.len(), 2);
        let empty = picture([true, true], vec![(-1.0, 1.0)]).to_svg();
        assert_eq!(empty, Err(PictureError::Empty { name: "test".into() }));
        // One point, and a constant, have room too.
        assert!(picture([false, false], vec![(1.0, 0.0)]).to_svg().is_ok());
    }
}
