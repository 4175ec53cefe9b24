//! A value for each of several names.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, LABELS_BELOW, TEXT, WIDTH, width};
use super::marks::looks;
use super::{PictureError, Series, Style};

/// Named values, a row each.
#[derive(Debug, Clone, PartialEq)]
pub struct DotPlot {
    /// File name without ending.
    pub name: String,
    /// One line above it.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// What the values are.
    pub axis: String,
    /// Names and values, from the top.
    pub rows: Vec<(String, f64)>,
}

/// Height of a row.
const ROW: f64 = 18.0;
const MARGIN: f64 = 16.0;

impl DotPlot {
    /// The plot as a complete SVG document.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    pub fn to_svg(&self) -> Result<String, PictureError> {
        let values = self.rows.iter().map(|row| row.1).filter(|x| x.is_finite());
        // 0 is there to compare with.
        let axis = Axis::of(values.clone().chain([0.0]), false).filter(|_| values.clone().next().is_some());
        let Some(axis) = axis else {
            return Err(PictureError::Empty { name: self.name.clone() });
        };
        let left = self.rows.iter().map(|row| width(&row.0, TEXT)).fold(0.0, f64::max) + MARGIN;
        let x = axis.between(left, WIDTH - MARGIN);
        let bottom = 8.0 + ROW * self.rows.len() as f64;
        let mut canvas = Canvas::default();
        canvas.horizontal(&x, &self.axis, [8.0, bottom], true);
        canvas.axis((x.place(0.0), 8.0), (x.place(0.0), bottom));
        let dots = [Series { label: String::new(), points: Vec::new(), style: Style::Points }];
        let looks = looks(&dots, &[Vec::new()]);
        for (i, (name, value)) in self.rows.iter().enumerate() {
            let y = 8.0 + ROW * (i as f64 + 0.5);
            canvas.mesh((left, y), (WIDTH - MARGIN, y));
            canvas.text((left - 8.0, y + 4.5), Anchor::End, TEXT, name);
            if value.is_finite() {
                looks[0].draw(&mut canvas, &[(x.place(*value), y)]);
            }
        }
        Ok(canvas.document(&self.title, bottom + LABELS_BELOW + 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_row() {
        let mut plot = DotPlot {
            name: "d".into(),
            title: String::new(),
            caption: String::new(),
            axis: "value".into(),
            rows: vec![("T1".into(), 0.25), ("<T2>".into(), -1.0), ("T3".into(), f64::NAN)],
        };
        let svg = plot.to_svg().unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains(">T1<") && svg.contains(">&lt;T2&gt;<") && svg.contains(">T3<"));
        plot.rows.clear();
        assert_eq!(plot.to_svg(), Err(PictureError::Empty { name: "d".into() }));
    }
}
