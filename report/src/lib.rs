//! Pictures and pages for reports: charts from data as SVG, HTML around them.

mod axis;
mod canvas;
mod chart;
mod dots;
mod grid;
mod landscape;
mod legend;
mod marks;
mod page;
mod palette;

use thiserror::Error;

pub use dots::DotPlot;
pub use grid::{Cell, Grid};
pub use landscape::Landscape;
pub use page::{escaped, figure, page};

/// A chart: what it shows is data, how it looks is the same for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// File name without ending.
    pub name: String,
    /// One line above it.
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// Labels of the axes.
    pub axes: [String; 2],
    /// Whether an axis is logarithmic; points that are not positive are left out
    /// of a logarithmic chart.
    pub logarithmic: [bool; 2],
    /// Curves and point sets, drawn in order.
    pub series: Vec<Series>,
}

/// A curve or a set of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its entry in the legend. An algorithm is named first, for its colour: `RR, sampled`. A
    /// series without a label belongs to the one before.
    pub label: String,
    /// The points.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A line.
    Line,
    /// A thin dashed line without a colour, for bounds and slopes to compare with.
    Dashed,
    /// Points.
    Points,
    /// A line with dots at its points, for paths and measured sequences.
    Path,
    /// A line with a dot where it ends, for what ends by itself.
    Run,
    /// The inside of the polygon of the points, pale, in the colour of the series
    /// that follows: a band of confidence around a curve.
    Band,
}

/// Why a picture could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// No series has a point with finite coordinates (positive ones on
    /// logarithmic axes).
    #[error("the picture {name} has no points")]
    Empty {
        /// Its name.
        name: String,
    },
}
