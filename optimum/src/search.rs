//! Best-first branch and bound over policies.

use std::cmp::Ordering;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::bound::{Bounded, middle};
use super::cell::Cell;
use super::frontier::{Frontier, Part};
use super::outcome::{Found, Halt, OptimumStop, Progress};
use super::settings::OptimumSettings;
use pemdp::arithmetic::rounding::add_up;

/// Policies, and bounds of their values over cells.
pub(super) trait Domain: Sync {
    /// The buffers of one thread.
    type Bounder<'b>
    where
        Self: 'b;

    /// All policies.
    fn root(&self) -> &Cell;

    /// The number of actions.
    fn n_actions(&self) -> usize;

    /// No value is larger.
    fn most(&self) -> f64;

    /// The ranges that a range is split into.
    fn halves(&self, lower: f64, middle: f64, upper: f64) -> [(f64, f64); 2] {
        [(lower, middle), (middle, upper)]
    }

    /// Buffers for a search that this ends.
    fn bounder<'b>(&'b self, halt: &'b Halt<'b>) -> Self::Bounder<'b>;

    /// Bounds a cell; nothing beyond a first bound where that one does not exceed `target`.
    fn bound(&self, bounder: &mut Self::Bounder<'_>, cell: &Cell, target: f64) -> Bounded;

    /// A policy that is locally best from a start, and its value.
    fn ascend(&self, bounder: &mut Self::Bounder<'_>, start: &[f64]) -> (Vec<f64>, f64);
}

/// A cell that may hold something better.
struct Open {
    upper: f64,
    number: usize,
    face: Cell,
    split: usize,
}

impl Part for Open {
    fn bound(&self) -> f64 {
        self.upper
    }

    fn tie(&self, other: &Self) -> Ordering {
        other.number.cmp(&self.number)
    }
}

/// How many cells are split at once, whatever the number of threads.
const BATCH: usize = 64;
/// The share of the time that the first ascent may take.
const CLIMBING: f64 = 0.3;

/// Best-first branch and bound.
pub(super) struct Search<'a, D> {
    domain: &'a D,
    settings: &'a OptimumSettings,
    open: Frontier<Open>,
    /// The largest bound of a closed cell.
    closed: f64,
    nodes: usize,
    batches: usize,
    best: Vec<f64>,
    value: f64,
}

impl<'a, D: Domain> Search<'a, D> {
    pub fn new(domain: &'a D, settings: &'a OptimumSettings) -> Self {
        Self {
            domain,
            settings,
            open: Frontier::default(),
            closed: f64::NEG_INFINITY,
            nodes: 0,
            batches: 0,
            // Said where no value is known in doubles.
            best: vec![1.0 / domain.n_actions() as f64; domain.root().lower.len()],
            value: f64::NEG_INFINITY,
        }
    }

    /// Splits cells until the gap is small enough or the search is told to end.
    pub fn run(mut self, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Found {
        let most = self.domain.most();
        self.climb(&halt.share(CLIMBING));
        self.enter(vec![(self.domain.root().clone(), most)], halt);
        let stop = loop {
            let upper = self.upper();
            progress(Progress {
                value: self.value,
                upper_bound: upper,
                nodes: self.nodes,
                open: self.open.len(),
            });
            let wanted = add_up(self.value, self.settings.gap);
            if !self.open.peek().is_some_and(|cell| cell.upper > wanted) {
                break if upper <= wanted { OptimumStop::Gap } else { OptimumStop::Exhausted };
            }
            if let Some(reason) = halt.reason() {
                break reason;
            }
            if self.open.len() + BATCH > self.settings.open_cells {
                break OptimumStop::Memory;
            }
            let mut halves = Vec::with_capacity(2 * BATCH);
            for _ in 0..BATCH {
                match self.open.pop() {
                    Some(cell) if cell.upper > wanted => self.split(&cell, &mut halves),
                    Some(cell) => {
                        self.open.push(cell);
                        break;
                    }
                    None => break,
                }
            }
            self.enter(halves, halt);
        };
        let upper = self.upper();
        Found {
            attained: true,
            policy: self.best.clone(),
            parameters: self.best,
            value: self.value,
            upper,
            nodes: self.nodes,
            stop,
            method: "branch and bound",
        }
    }

    /// The largest bound of any cell; the value found, where that is larger.
    fn upper(&self) -> f64 {
        let open = self.open.peek().map_or(f64::NEG_INFINITY, |cell| cell.upper);
        open.max(self.closed).max(self.value)
    }

    /// Ascends from the middle of the domain and from random points.
    fn climb(&mut self, halt: &Halt<'_>) {
        let domain = self.domain;
        let n = domain.root().lower.len();
        let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let mut starts = vec![vec![0.0; n]];
        starts
            .extend((0..self.settings.starts).map(|_| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()));
        let climbed: Vec<(Vec<f64>, f64)> = starts
            .par_iter()
            .map_init(|| domain.bounder(halt), |bounder, start| domain.ascend(bounder, start))
            .collect();
        for (x, value) in climbed {
            self.improve(x, value);
        }
    }

    fn improve(&mut self, x: Vec<f64>, value: f64) {
        if value > self.value {
            (self.best, self.value) = (x, value);
        }
    }

    /// The two halves of a cell.
    fn split(&self, cell: &Open, halves: &mut Vec<(Cell, f64)>) {
        let i = cell.split;
        let at = middle(cell.face.lower[i], cell.face.upper[i]);
        let width = self.domain.n_actions();
        for (lower, upper) in self.domain.halves(cell.face.lower[i], at, cell.face.upper[i]) {
            let mut half = cell.face.clone();
            (half.lower[i], half.upper[i]) = (lower, upper);
            if half.narrow_to_simplex(i / width * width, width) {
                halves.push((half, cell.upper));
            }
        }
    }

    /// Bounds cells and keeps those that may hold something better.
    fn enter(&mut self, cells: Vec<(Cell, f64)>, halt: &Halt<'_>) {
        let domain = self.domain;
        let target = add_up(self.value, self.settings.gap);
        let bounded: Vec<Bounded> = cells
            .par_iter()
            .map_init(|| domain.bounder(halt), |bounder, (cell, _)| domain.bound(bounder, cell, target))
            .collect();
        self.nodes += bounded.len();
        let best = bounded.iter().fold(None, |best: Option<&Bounded>, b| match best {
            Some(best) if best.lower >= b.lower => Some(best),
            _ => Some(b),
        });
        self.batches += 1;
        if let Some(best) = best {
            let x: Vec<f64> = best.centre.lower.iter().map(|x| x.clamp(0.0, 1.0)).collect();
            // From the best centre now and then, and wherever one is better.
            let promising = best.lower > self.value + 0.1 * self.settings.gap;
            if promising || self.batches.is_power_of_two() {
                let (higher, value) = domain.ascend(&mut domain.bounder(halt), &x);
                self.improve(higher, value);
            }
            self.improve(x, best.lower);
        }
        let target = add_up(self.value, self.settings.gap);
        for ((_, parent), bounded) in cells.into_iter().zip(bounded) {
            let upper = bounded.upper.min(parent);
            match bounded.split {
                Some(split) if !bounded.absent && upper > target => {
                    let number = self.nodes + self.open.len();
                    self.open.push(Open { upper, number, face: bounded.face, split });
                }
                _ if !bounded.absent => self.closed = self.closed.max(upper),
                _ => {}
            }
        }
    }
}
