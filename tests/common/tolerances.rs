//! How far a number may be from what a test expects, and why; relative to the size of the
//! numbers where that is not near 1.
#![allow(dead_code)] // Every package includes the whole table.

/// The rounding of a few operations.
pub const ULPS: f64 = 1e-15;
/// Some ten roundings: a closed form.
pub const FORMULA: f64 = 1e-14;
/// Some hundred roundings: sums over states, functions of functions.
pub const SUMS: f64 = 1e-13;
/// A well-conditioned linear system, and what follows from its solution.
pub const SOLVED: f64 = 1e-12;
/// Systems whose right sides are solutions: derivatives.
pub const DIFFERENTIATED: f64 = 1e-11;
/// Systems with gamma near 1 or policies near the edge, which magnify roundings; the same
/// number from another program.
pub const ILL_CONDITIONED: f64 = 1e-9;

/// Linear systems in balls, with units near 1e-32.
pub const BALLS_SOLVED: f64 = 1e-20;
/// Closed forms in balls.
pub const BALLS: f64 = 1e-28;

/// Central difference quotients of doubles over steps near 1e-5: the square of the step,
/// and roundings over the step.
pub const QUOTIENT: f64 = 1e-8;
/// One-sided quotients, and those of sharply bent functions.
pub const ROUGH_QUOTIENT: f64 = 1e-6;

/// What is left where an iteration ends at its own tolerance.
pub const CONVERGED: f64 = 1e-7;
/// The gap of a certified optimum, unless told otherwise.
pub const GAP: f64 = 1e-6;

/// A number that is given with three digits after the point; likewise the others.
pub const THREE_DIGITS: f64 = 1e-3;
/// See [`THREE_DIGITS`].
pub const FOUR_DIGITS: f64 = 1e-4;
/// See [`THREE_DIGITS`].
pub const FIVE_DIGITS: f64 = 1e-5;
/// See [`THREE_DIGITS`].
pub const SEVEN_DIGITS: f64 = 1e-7;
