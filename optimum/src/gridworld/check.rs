//! Branch and bound for the inequality of one state: see
//! `docs/theory/gridworld-bound.md`, sections 3 and 4.

use super::BoundError;
use super::model::{GridworldModel, neighbours};
use super::tabled_exponential::{exp_down, exp_up};
use pemdp::environments::gridworld::Layout;

/// Steps of promises that are first examined together.
const CHUNK: usize = 16;
/// Boxes examined before a chunk of promises is halved.
const PATIENCE: u64 = 3_000;
/// The same for a chunk of one step.
const LAST_PATIENCE: u64 = 200_000;
/// How far above the largest value met a bound of [`peak`] may lie.
const PEAK_TOLERANCE: f64 = 1e-6;

/// Nondecreasing step functions of the promise, one for each state:
/// `values[s][j]` bounds the learner's value in `s` for promises in
/// `(promises[s][j-1], promises[s][j]]`, the first step with its lower end.
/// `values[s][0]` is not used.
pub(super) struct Steps {
    pub(super) promises: Vec<Vec<f64>>,
    pub(super) values: Vec<Vec<f64>>,
}

/// The steps after `low` up to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: usize,
    pub(super) high: usize,
}

impl Range {
    fn halves(self) -> [Self; 2] {
        let middle = self.low.midpoint(self.high);
        [Self { low: self.low, high: middle }, Self { low: middle, high: self.high }]
    }

    fn is_one_step(self) -> bool {
        self.high - self.low <= 1
    }
}

/// A neighbour as the moves into it see it, step by step.
struct Neighbour {
    /// Lower and upper bounds of the mean follower's value of the move.
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Upper bounds of the learner's value of the move.
    values: Vec<f64>,
    /// Number of moves that lead there.
    moves: f64,
    /// Whether it is the state itself (a move against a wall).
    is_own: bool,
}

/// What is left of the promises and values when the promise made in the state
/// lies in one chunk: all of it relative to the chunk's upper end.
struct Chunk {
    /// Upper end of the promise.
    promise: f64,
    /// Lower bound of the function checked.
    value: f64,
    /// Upper end of what an override may be worth.
    cap: f64,
}

/// The inequality of one state.
pub(super) struct Check<'a> {
    steps: &'a Steps,
    state: usize,
    neighbours: Vec<Neighbour>,
    beta: f64,
    cost: f64,
    /// Bound of the rounding error of differences of values.
    difference: f64,
    /// Bound of the rounding error of an exponent.
    exponent: f64,
}

/// What a proof took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effort {
    pub(super) chunks: u64,
    pub(super) boxes: u64,
}

impl<'a> Check<'a> {
    pub(super) fn new(model: &GridworldModel, steps: &'a Steps, state: usize) -> Self {
        let neighbours: Vec<Neighbour> = neighbours(&model.layout, state)
            .into_iter()
            .map(|(cell, moves)| {
                let worth = |&u: &f64| model.mean_move_value(cell, u);
                Neighbour {
                    lower: steps.promises[cell].iter().map(|u| worth(u).lower()).collect(),
                    upper: steps.promises[cell].iter().map(|u| worth(u).upper()).collect(),
                    values: steps.values[cell]
                        .iter()
                        .map(|&w| model.learner_move_value(cell, w).upper())
                        .collect(),
                    moves: moves as f64,
                    is_own: cell == state,
                }
            })
            .collect();
        let of = |xs: &[f64]| xs.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let scale = neighbours
            .iter()
            .flat_map(|n| [of(&n.lower), of(&n.upper), of(&n.values)])
            .fold(of(&steps.promises[state]).max(of(&steps.values[state])), f64::max)
            .max(model.cost.upper())
            + 1.0;
        let difference = 1e-15 * scale;
        let exponent = 8.0 * model.beta * difference;
        let cost = model.cost.upper();
        Self { steps, state, neighbours, beta: model.beta, cost, difference, exponent }
    }

    /// Proves the inequality for every promise, or says where it failed.
    pub(super) fn prove(&self, stop: &dyn Fn() -> bool) -> Result<Effort, BoundError> {
        let mut effort = Effort::default();
        let last = self.steps.promises[self.state].len() - 1;
        let mut waiting: Vec<Range> =
            (0..last).step_by(CHUNK).map(|low| Range { low, high: (low + CHUNK).min(last) }).collect();
        while let Some(range) = waiting.pop() {
            if stop() {
                return Err(BoundError::Interrupted);
            }
            effort.chunks += 1;
            let patience = if range.is_one_step() { LAST_PATIENCE } else { PATIENCE };
            if self.holds(range, patience, &mut effort.boxes) {
                continue;
            }
            if range.is_one_step() {
                let promise = self.steps.promises[self.state][range.high];
                return Err(BoundError::Unproven { state: self.state, promise, step: range.high });
            }
            waiting.extend(range.halves());
        }
        Ok(effort)
    }

    /// Whether the inequality holds for all promises in a range, examining at
    /// most `patience` boxes.
    fn holds(&self, range: Range, patience: u64, boxes: &mut u64) -> bool {
        let promise = self.steps.promises[self.state][range.high];
        let chunk = Chunk {
            promise,
            value: self.steps.values[self.state][range.low + 1],
            cap: promise + self.cost + self.difference,
        };
        let mut domain = Vec::with_capacity(self.neighbours.len());
        for n in &self.neighbours {
            if n.lower[0] > chunk.cap {
                return true; // No such promise can be kept.
            }
            let within = n.lower.partition_point(|&x| x <= chunk.cap);
            let high = within.clamp(1, n.lower.len() - 1);
            domain.push(if n.is_own { range } else { Range { low: 0, high } });
        }
        let peaks: Vec<f64> =
            self.neighbours.iter().zip(&domain).map(|(n, &d)| self.peak(&chunk, n, d)).collect();
        let allowed = *boxes + patience;
        for a in 0..self.neighbours.len() {
            for b in 0..a {
                let others: f64 = (0..peaks.len()).filter(|&c| c != a && c != b).map(|c| peaks[c]).sum();
                let mut waiting = vec![(domain[a], domain[b])];
                while let Some((of_a, of_b)) = waiting.pop() {
                    *boxes += 1;
                    let Some(excess) = self.excess(&chunk, (a, of_a), (b, of_b)) else { continue };
                    if others + excess <= 0.0 {
                        continue;
                    }
                    let width = |n: &Neighbour, d: Range| {
                        if d.is_one_step() { 0.0 } else { n.upper[d.high].min(chunk.cap) - n.lower[d.low] }
                    };
                    let (wide_a, wide_b) =
                        (width(&self.neighbours[a], of_a), width(&self.neighbours[b], of_b));
                    if *boxes >= allowed || wide_a.max(wide_b) <= 0.0 {
                        return false;
                    }
                    if wide_a >= wide_b {
                        waiting.extend(of_a.halves().map(|half| (half, of_b)));
                    } else {
                        waiting.extend(of_b.halves().map(|half| (of_a, half)));
                    }
                }
            }
        }
        true
    }

    /// An upper bound of the part of the inequality's left side that belongs
    /// to two neighbours, on a box; `None` if no policy on the two keeps the
    /// promise.
    fn excess(&self, chunk: &Chunk, a: (usize, Range), b: (usize, Range)) -> Option<f64> {
        let left = self.left_alone(chunk, a, b)?;
        let overridden = |(n, range): (usize, Range)| self.overridden(chunk, &self.neighbours[n], range);
        Some(left + overridden(a) + overridden(b))
    }

    /// Upper bound of `moves e^(beta (x - cost - y)) (r - w)` over a range.
    fn overridden(&self, chunk: &Chunk, n: &Neighbour, range: Range) -> f64 {
        let gain = n.values[range.high] - chunk.value + self.difference;
        let exponent = |x: f64| self.beta * (x - chunk.promise - self.cost);
        // The cost's interval is a few units wide: within the margin.
        let weight = if gain >= 0.0 {
            exp_up(exponent(n.upper[range.high].min(chunk.cap)) + self.exponent)
        } else {
            exp_down(exponent(n.lower[range.low]) - self.exponent)
        };
        n.moves * gain * weight
    }

    /// Upper bound of [`overridden`](Self::overridden)'s largest value on a
    /// range, by bisection.
    fn peak(&self, chunk: &Chunk, n: &Neighbour, range: Range) -> f64 {
        let (mut met, mut bound) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut waiting = vec![range];
        while let Some(range) = waiting.pop() {
            let here = self.overridden(chunk, n, range);
            met = met.max(self.overridden(chunk, n, Range { low: range.high - 1, high: range.high }));
            if here <= met + PEAK_TOLERANCE || range.is_one_step() {
                bound = bound.max(here);
            } else {
                waiting.extend(range.halves());
            }
        }
        bound
    }

    /// Upper bound of `e^(beta (m - y)) (v - w)` over a box and all policies
    /// on the two neighbours with `m <= y`, where `m = t x_a + (1-t) x_b` and
    /// `v = t r_a + (1-t) r_b`. `None` if there is none.
    fn left_alone(&self, chunk: &Chunk, a: (usize, Range), b: (usize, Range)) -> Option<f64> {
        let ends = |(index, range): (usize, Range)| {
            let n = &self.neighbours[index];
            (
                n.lower[range.low] - chunk.promise - self.difference,
                n.upper[range.high].min(chunk.cap) - chunk.promise + self.difference,
                n.values[range.high] - chunk.value + self.difference,
            )
        };
        let ((a_low, a_high, a_gain), (b_low, b_high, b_gain)) = (ends(a), ends(b));
        if a_low > 0.0 && b_low > 0.0 {
            return None;
        }
        // The policies that can keep the promise, slightly enlarged.
        let start = if b_low > 0.0 { b_low / (b_low - a_low) * (1.0 - 1e-14) } else { 0.0 };
        let end = if a_low > 0.0 { (b_low / (b_low - a_low) * (1.0 + 1e-14)).min(1.0) } else { 1.0 };
        let spread = a_gain.abs() + b_gain.abs();
        let gain = |t: f64| t * a_gain + (1.0 - t) * b_gain + 1e-14 * spread;
        let (first, last) = (gain(start), gain(end));
        if first <= 0.0 && last <= 0.0 {
            let at = |t: f64, gain: f64| {
                let m = (t * a_low + (1.0 - t) * b_low).min(0.0);
                gain * exp_down(self.beta * m - self.exponent)
            };
            return Some(at(start, first).max(at(end, last)));
        }
        let piece = |from: f64, to: f64| self.mixture((a_high, a_gain), (b_high, b_gain), from, to);
        if (a_high > 0.0) == (b_high > 0.0) {
            return Some(piece(start, end));
        }
        let turn = (b_high / (b_high - a_high)).clamp(start, end);
        Some(piece(start, turn).max(piece(turn, end)))
    }

    /// Upper bound of `e^(beta min(m, 0)) v` for a mixture `t` in `[from, to]`
    /// of two moves of values `(m, v)`, where some `v > 0`; at least 0. The
    /// logarithm is concave in `t`, so it lies below its tangents.
    fn mixture(&self, a: (f64, f64), b: (f64, f64), from: f64, to: f64) -> f64 {
        let spread = a.1.abs() + b.1.abs();
        let value = |t: f64| t * a.1 + (1.0 - t) * b.1 + 1e-14 * spread;
        let place = |t: f64| t * a.0 + (1.0 - t) * b.0;
        let best = value(from).max(value(to));
        if best <= 0.0 {
            return 0.0;
        }
        let nearest = place(from).max(place(to)).min(0.0);
        let crude = best * exp_up(self.beta * nearest + self.exponent);
        let (slope, rise) = (self.beta * (a.0 - b.0), a.1 - b.1);
        if place(from).min(place(to)) >= 0.0 || slope * rise >= 0.0 {
            return crude;
        }
        let zero = -b.1 / rise;
        let touch = (zero - 1.0 / slope).clamp(from, to);
        let z = value(touch);
        if z < 1e-3 * spread {
            return crude;
        }
        let tangent = slope + rise / z;
        let above = (tangent * (from - touch)).max(tangent * (to - touch)).max(0.0) + 1e-9;
        crude.min(z * exp_up(self.beta * place(touch) + above + self.exponent))
    }
}

/// The bound that step functions prove once every state's inequality holds:
/// the mean under `initial` of their last steps.
pub(super) fn initial_mean(layout: &Layout, steps: &Steps, initial: &[f64]) -> f64 {
    use pemdp::arithmetic::Interval;
    let mut sum = Interval::point(0.0);
    for s in layout.inner() {
        let last = steps.values[s].last().copied().unwrap_or(f64::INFINITY);
        sum += Interval::point(initial[s]) * Interval::point(last);
    }
    sum.upper()
}

#[cfg(test)]
mod tests;
