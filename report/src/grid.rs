//! A grid of cells with a policy's arrows and a response's interventions.

use std::fmt::Write;

use super::canvas::{Anchor, Canvas, TEXT, WIDTH};
use super::escaped;

/// A grid: what each cell is worth, where the policy moves, how likely the
/// response overrides it.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// File name without ending.
    pub name: String,
    /// One line above it.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// Number of columns; cells are row by row.
    pub columns: usize,
    /// What the shade is, with its unit, and what -1, 0 and 1 stand for.
    pub quantity: String,
    /// See [`quantity`](Self::quantity).
    pub shades: [String; 3],
    /// The cells.
    pub cells: Vec<Cell>,
}

/// A cell of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What is written above its arrows.
    pub label: String,
    /// From -1 (bad, red) over 0 (white) to 1 (good, blue).
    pub shade: f64,
    /// Probabilities of the moves left, right, up, down: lengths of the arrows.
    pub moves: [f64; 4],
    /// Probability that the response overrides the move: area of the disc.
    pub intervention: f64,
}

/// Height of the strip of a cell that its label has for itself.
const STRIP: f64 = 16.0;
/// Margin of the picture.
const MARGIN: f64 = 2.0;
/// Directions of the moves left, right, up, down.
const DIRECTIONS: [(f64, f64); 4] = [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)];
/// Arrows, labels and discs: cells keep their pale colours on a dark page.
const ARROW: &str = "#10202f";
const LABEL: &str = "#333b45";
const DISC: &str = "#7a5a00";

impl Grid {
    /// The grid as a complete SVG document, its key below.
    pub fn to_svg(&self) -> String {
        let columns = self.columns.max(1);
        let rows = self.cells.len().div_ceil(columns);
        let side = (WIDTH - 2.0 * MARGIN) / columns as f64;
        let height = side + STRIP / 2.0;
        let mut canvas = Canvas::default();
        for (i, cell) in self.cells.iter().enumerate() {
            let (x, y) = ((i % columns) as f64 * side, (i / columns) as f64 * height);
            cell.draw(&mut canvas.shapes, (MARGIN + x, MARGIN + y), [side, height]);
        }
        let end = self.key(&mut canvas, MARGIN + rows as f64 * height, reach([side, height]));
        canvas.document(&self.title, end)
    }

    /// Colours, an arrow and a disc with what they mean.
    fn key(&self, canvas: &mut Canvas, top: f64, reach: f64) -> f64 {
        const BAR: f64 = 150.0;
        const STEPS: usize = 50;
        canvas.text((MARGIN + 4.0, top + 18.0), Anchor::Start, TEXT, &self.quantity);
        canvas.shapes.push_str("<g shape-rendering=\"crispEdges\">\n");
        for i in 0..STEPS {
            let width = BAR / STEPS as f64;
            let _ = writeln!(
                canvas.shapes,
                "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"12\" fill=\"{}\"/>",
                MARGIN + 4.0 + i as f64 * width,
                top + 25.0,
                colour(2.0 * (i as f64 + 0.5) / STEPS as f64 - 1.0)
            );
        }
        canvas.shapes.push_str("</g>\n");
        let places = [(0.0, Anchor::Start), (BAR / 2.0, Anchor::Middle), (BAR, Anchor::End)]
            .map(|(x, a)| (4.0 + x, a));
        for (label, (x, anchor)) in self.shades.iter().zip(places) {
            canvas.text((MARGIN + x, top + 51.0), anchor, TEXT, label);
        }
        // On a cell's colour, as above.
        let middle = top + 31.0_f64.max(reach + 6.0);
        for (x, what) in [(180.0, "move of"), (328.0, "override of")] {
            let half = reach + 1.5;
            let _ = writeln!(
                canvas.shapes,
                "<rect x=\"{x}\" y=\"{:.2}\" width=\"{side:.2}\" height=\"{side:.2}\" fill=\"#fff\" stroke=\"#9aa6b4\"/>",
                middle - half,
                side = 2.0 * half
            );
            let centre = (x + half, middle);
            if what == "move of" {
                arrow(&mut canvas.shapes, (centre.0 - reach / 2.0, centre.1), (1.0, 0.0), 1.0, reach);
            } else {
                disc(&mut canvas.shapes, centre, 1.0, reach);
            }
            canvas.text((x + 2.0 * half + 5.0, middle - 3.0), Anchor::Start, TEXT, what);
            canvas.text((x + 2.0 * half + 5.0, middle + 14.0), Anchor::Start, TEXT, "probability 1");
        }
        top + 62.0_f64.max(2.0 * reach + 12.0)
    }
}

impl Cell {
    fn draw(&self, svg: &mut String, (x, y): (f64, f64), [side, height]: [f64; 2]) {
        let centre = (x + side / 2.0, y + STRIP + (height - STRIP) / 2.0);
        let reach = reach([side, height]);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{side:.2}\" height=\"{height:.2}\" fill=\"{}\" stroke=\"#9aa6b4\"/>",
            colour(self.shade)
        );
        disc(svg, centre, self.intervention, reach);
        for (probability, direction) in self.moves.iter().zip(DIRECTIONS) {
            arrow(svg, centre, direction, *probability, reach);
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.2}\" y=\"{:.2}\" font-size=\"{TEXT}\" fill=\"{LABEL}\">{}</text>",
            x + 4.0,
            y + 13.0,
            escaped(&self.label)
        );
    }
}

/// The length of an arrow of probability 1, which does not get into the strip of the label.
fn reach([side, height]: [f64; 2]) -> f64 {
    side.min(height - STRIP) / 2.0 - 2.0
}

/// A disc whose area is a probability, all of `reach` at 1.
fn disc(svg: &mut String, (x, y): (f64, f64), probability: f64, reach: f64) {
    if probability > 0.0 {
        let radius = reach * probability.min(1.0).sqrt();
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\" fill=\"{DISC}\" fill-opacity=\"0.22\"/>"
        );
    }
}

/// An arrow as long as a probability, `reach` at 1.
fn arrow(svg: &mut String, (x, y): (f64, f64), (dx, dy): (f64, f64), probability: f64, reach: f64) {
    let length = reach * probability;
    if length < 1.0 {
        return;
    }
    let tip = (x + dx * length, y + dy * length);
    let head = (3.0 + 3.0 * probability).min(length);
    let back = (tip.0 - dx * head, tip.1 - dy * head);
    let half = 0.6 * head;
    let _ = writeln!(
        svg,
        "<path d=\"M{x:.2} {y:.2}L{:.2} {:.2}\" stroke=\"{ARROW}\" stroke-width=\"{:.2}\"/>\
         <path d=\"M{:.2} {:.2}L{:.2} {:.2}L{:.2} {:.2}Z\" fill=\"{ARROW}\"/>",
        back.0,
        back.1,
        1.0 + 1.2 * probability,
        tip.0,
        tip.1,
        back.0 - dy * half,
        back.1 + dx * half,
        back.0 + dy * half,
        back.1 - dx * half,
    );
}

/// Red and blue stay apart for most readers.
fn colour(shade: f64) -> String {
    let strength = shade.clamp(-1.0, 1.0);
    let towards = if strength < 0.0 { (229.0, 130.0, 104.0) } else { (112.0, 171.0, 214.0) };
    let mix = |end: f64| (255.0 + (end - 255.0) * strength.abs()).round();
    format!("rgb({},{},{})", mix(towards.0), mix(towards.1), mix(towards.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells: Vec<Cell>) -> Grid {
        Grid {
            name: "g".into(),
            title: String::new(),
            caption: String::new(),
            columns: 2,
            quantity: "reward".into(),
            shades: ["-1", "0", "1"].map(Into::into),
            cells,
        }
    }

    #[test]
    fn arrows_are_as_long_as_moves_are_likely() {
        let cell = |moves, intervention| Cell { label: "<1>".into(), shade: -1.0, moves, intervention };
        let svg = grid(vec![cell([0.0, 1.0, 0.0, 0.0], 0.0), cell([0.25; 4], 0.25)]).to_svg();
        // With those of the key; two paths an arrow.
        assert_eq!(svg.matches("<path").count(), 2 * 6);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("&lt;1&gt;") && svg.contains("rgb(229,130,104)") && svg.contains(">reward<"));
        assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("viewBox"));
    }

    #[test]
    fn arrows_and_discs_stay_below_the_label() {
        let mut svg = String::new();
        let cell = Cell { label: String::new(), shade: 0.0, moves: [1.0; 4], intervention: 1.0 };
        cell.draw(&mut svg, (0.0, 0.0), [60.0, 68.0]);
        let shapes = svg.split("<path d=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let heights = shapes.flat_map(|d| d.split(['M', 'L', 'Z'])).filter_map(|p| p.split_once(' '));
        let highest = heights.map(|(_, y)| y.parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min);
        assert!(highest >= STRIP, "{highest}");
    }
}
