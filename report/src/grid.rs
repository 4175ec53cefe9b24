//! A grid of cells with a policy's arrows and a response's interventions.

use std::fmt::Write;

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
    /// The cells.
    pub cells: Vec<Cell>,
}

/// A cell of a [`Grid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What is written in its corner.
    pub label: String,
    /// From -1 (bad, red) over 0 (white) to 1 (good, green).
    pub shade: f64,
    /// Probabilities of the moves left, right, up, down: lengths of the arrows.
    pub moves: [f64; 4],
    /// Probability that the response overrides the move: size of the dot.
    pub intervention: f64,
}

/// Side of a cell in pixels.
const SIDE: f64 = 76.0;
/// Directions of the moves left, right, up, down.
const DIRECTIONS: [(f64, f64); 4] = [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)];

impl Grid {
    /// The grid as a complete SVG document.
    pub fn to_svg(&self) -> String {
        let rows = self.cells.len().div_ceil(self.columns.max(1));
        let (width, height) = (self.columns as f64 * SIDE + 4.0, rows as f64 * SIDE + 4.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"-2 -2 {width} {height}\">\n\
             <rect x=\"-2\" y=\"-2\" width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        for (i, cell) in self.cells.iter().enumerate() {
            let (x, y) = ((i % self.columns) as f64 * SIDE, (i / self.columns) as f64 * SIDE);
            cell.draw(&mut svg, x, y);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Cell {
    fn draw(&self, svg: &mut String, x: f64, y: f64) {
        let (cx, cy) = (x + SIDE / 2.0, y + SIDE / 2.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"{}\" stroke=\"#9aa6b4\"/>",
            self.colour()
        );
        if self.intervention > 0.0 {
            let radius = 0.44 * SIDE * self.intervention.min(1.0).sqrt();
            let _ = writeln!(
                svg,
                "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"{radius:.2}\" fill=\"#d55e00\" fill-opacity=\"0.28\"/>"
            );
        }
        for (probability, (dx, dy)) in self.moves.iter().zip(DIRECTIONS) {
            let length = 0.44 * SIDE * probability;
            if length < 1.0 {
                continue;
            }
            let (tip_x, tip_y) = (cx + dx * length, cy + dy * length);
            let head = 4.0 + 3.0 * probability;
            let (back_x, back_y) = (tip_x - dx * head, tip_y - dy * head);
            let _ = writeln!(
                svg,
                "<path d=\"M{cx:.1} {cy:.1}L{tip_x:.1} {tip_y:.1}M{:.1} {:.1}L{tip_x:.1} {tip_y:.1}L{:.1} {:.1}\" \
                 stroke=\"#0b3d66\" stroke-width=\"{:.1}\" fill=\"none\"/>",
                back_x - dy * head * 0.7,
                back_y + dx * head * 0.7,
                back_x + dy * head * 0.7,
                back_y - dx * head * 0.7,
                1.0 + 2.0 * probability
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#444\">{}</text>",
            x + 4.0,
            y + 13.0,
            escaped(&self.label)
        );
    }

    fn colour(&self) -> String {
        let strength = self.shade.clamp(-1.0, 1.0);
        let towards = if strength < 0.0 { (214.0, 96.0, 77.0) } else { (90.0, 174.0, 97.0) };
        let mix = |end: f64| (255.0 + (end - 255.0) * strength.abs()).round();
        format!("rgb({},{},{})", mix(towards.0), mix(towards.1), mix(towards.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_as_long_as_moves_are_likely() {
        let cell = |moves, intervention| Cell { label: "<1>".into(), shade: -1.0, moves, intervention };
        let cells = vec![cell([0.0, 1.0, 0.0, 0.0], 0.0), cell([0.25; 4], 0.25)];
        let grid = Grid { name: "g".into(), title: String::new(), caption: String::new(), columns: 2, cells };
        let svg = grid.to_svg();
        assert_eq!(svg.matches("<path").count(), 5);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.contains("M38.0 38.0L71.4 38.0") && svg.contains("&lt;1&gt;"));
        assert!(svg.contains("rgb(214,96,77)") && svg.contains("r=\"16.72\""));
    }
}
