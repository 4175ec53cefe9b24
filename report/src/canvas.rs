//! The SVG document that all pictures are drawn on.

use std::fmt::Write;

use super::axis::Axis;
use super::escaped;
use super::palette::{AXIS, INK, MESH, PAPER, dark_style};

/// Width of all pictures, in units of which a screen shows one as a pixel or less: text stays
/// readable where the picture is as wide as a phone.
pub(super) const WIDTH: f64 = 480.0;
/// Sizes of text: names of axes, and all other.
const NAME: f64 = 14.0;
pub(super) const TEXT: f64 = 13.0;
/// Below an axis: its labels, and its name.
pub(super) const LABELS_BELOW: f64 = 42.0;
/// Above a plot: the name of what goes up.
pub(super) const NAME_ABOVE: f64 = 26.0;

/// Shapes of a picture, later ones on top.
#[derive(Default)]
pub(super) struct Canvas {
    pub(super) shapes: String,
}

/// Which end of a text is where it is put.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    /// The document of this height.
    pub(super) fn document(&self, title: &str, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pemdp\" role=\"img\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>{}</title>\n{}\
             <rect class=\"paper-fill\" width=\"{WIDTH}\" height=\"{height}\" fill=\"{}\"/>\n{}</svg>\n",
            escaped(title),
            dark_style(),
            PAPER.light,
            self.shapes
        )
    }

    /// A text in the colour of ink.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, size: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.shapes,
            "<text class=\"ink-fill\" x=\"{:.2}\" y=\"{:.2}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
             fill=\"{}\">{}</text>",
            at.0,
            at.1,
            INK.light,
            escaped(text)
        );
    }

    /// A thin line of the axes or the mesh.
    fn rule(&mut self, class: &str, colour: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.shapes,
            "<path class=\"{class}\" d=\"M{:.2} {:.2}L{:.2} {:.2}\" stroke=\"{colour}\" fill=\"none\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    /// A line across a plot at a tick.
    pub(super) fn mesh(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.rule("mesh", MESH.light, from, to);
    }

    /// A part of an axis.
    pub(super) fn axis(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.rule("axis", AXIS.light, from, to);
    }

    /// The horizontal axis below a plot that begins at `top`, with its name and, where asked,
    /// a mesh.
    pub(super) fn horizontal(&mut self, axis: &Axis, name: &str, [top, bottom]: [f64; 2], mesh: bool) {
        for (value, label) in axis.ticks(6) {
            let x = axis.place(value);
            if let Some(label) = label {
                if mesh {
                    self.mesh((x, top), (x, bottom));
                }
                self.axis((x, bottom), (x, bottom + 5.0));
                // The last one's end is not cut off.
                let half = width(&label, TEXT) / 2.0;
                self.text((x.min(WIDTH - half - 2.0), bottom + 18.0), Anchor::Middle, TEXT, &label);
            } else {
                self.axis((x, bottom), (x, bottom + 3.0));
            }
        }
        self.axis((axis.start, bottom), (axis.end, bottom));
        self.text(((axis.start + axis.end) / 2.0, bottom + 36.0), Anchor::Middle, NAME, name);
    }

    /// The vertical axis left of a plot that ends at `right`, its name above it.
    pub(super) fn vertical(&mut self, axis: &Axis, name: &str, [left, right]: [f64; 2], mesh: bool) {
        for (value, label) in axis.ticks(6) {
            let y = axis.place(value);
            if let Some(label) = label {
                if mesh {
                    self.mesh((left, y), (right, y));
                }
                self.axis((left - 5.0, y), (left, y));
                self.text((left - 8.0, y + 4.5), Anchor::End, TEXT, &label);
            } else {
                self.axis((left - 3.0, y), (left, y));
            }
        }
        self.axis((left, axis.start), (left, axis.end));
        self.text((4.0, 16.0), Anchor::Start, NAME, name);
    }
}

/// The room that a vertical axis needs at its left.
pub(super) fn room_for(axis: &Axis) -> f64 {
    let widest = axis.ticks(6).into_iter().filter_map(|(_, label)| Some(width(&label?, TEXT)));
    widest.fold(0.0, f64::max).max(18.0) + 12.0
}

/// About how wide a text is: an upper bound for most.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // Raised digits are small.
    let share = |c: char| if "⁻⁰¹²³⁴⁵⁶⁷⁸⁹".contains(c) { 0.4 } else { 0.6 };
    text.chars().map(share).sum::<f64>() * size
}
