//! Value iteration over states and promises, in plain doubles: what it finds is
//! proven by `verify`.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::model::{GridworldModel, neighbours};
use super::{BoundError, GridworldBound, GridworldCertificate, Watch, prove, verify};
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::gridworld::{Gridworld, Layout};

/// How a certificate is sought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct SearchSettings {
    /// Promises a state at which values are found.
    pub promises: usize,
    /// Steps between two of them.
    pub refinement: usize,
    /// By how much the values exceed what they must, to leave room for the proof.
    pub slack: f64,
    /// Attempts to repair states that are not proven, by more slack there.
    pub repairs: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { promises: 33, refinement: 32, slack: 3e-4, repairs: 20 }
    }
}

/// Sweeps that improve the choices.
const IMPROVEMENTS: usize = 60;
/// Sweeps that evaluate fixed choices between two of them.
const EVALUATIONS: usize = 400;
/// Change at which either stops.
const STILL: f64 = 1e-7;

/// Finds a certificate and proves it.
///
/// # Errors
/// [`BoundError`], `Unproven` if the attempts are used up.
pub fn search(
    world: &Gridworld<Interval>,
    initial: &[f64],
    settings: &SearchSettings,
    watch: &Watch,
) -> Result<(GridworldCertificate, GridworldBound), BoundError> {
    let model = GridworldModel::new(world)?;
    let mut programme = Programme::new(&model, settings);
    for attempt in 0.. {
        programme.iterate(watch)?;
        let certificate =
            GridworldCertificate { refinement: settings.refinement, values: programme.rounded() };
        let steps = certificate.steps(&model)?;
        let mut failed = BTreeMap::new();
        for effort in prove(&model, &steps, watch) {
            match effort {
                Ok(_) => {}
                Err(BoundError::Unproven { state, promise, step }) => {
                    failed.insert(state, (promise, step));
                }
                Err(error) => return Err(error),
            }
        }
        let Some((&state, &(promise, step))) = failed.first_key_value() else {
            let bound = verify(world, initial, &certificate, watch)?;
            return Ok((certificate, bound));
        };
        if attempt >= settings.repairs {
            return Err(BoundError::Unproven { state, promise, step });
        }
        for (s, (_, step)) in failed {
            programme.widen(s, step / settings.refinement, settings.slack);
        }
    }
    Err(BoundError::Interrupted)
}

/// What a promise is kept with: a weight, a cell and a promise there (an index
/// that may be fractional), for each neighbour.
#[derive(Clone, Default)]
struct Choice {
    reward: f64,
    parts: Vec<(f64, usize, f64)>,
}

/// One neighbour's offers: the mean follower's value of the move, the
/// learner's, and the promise's index.
#[derive(Clone, Copy)]
struct Offer {
    worth: f64,
    value: f64,
    index: f64,
}

struct Programme<'a> {
    layout: &'a Layout,
    /// The learner's cell values.
    cells: Vec<f64>,
    beta: f64,
    gamma: f64,
    cost: f64,
    mean_grid: Vec<f64>,
    promises: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    slack: Vec<Vec<f64>>,
}

impl<'a> Programme<'a> {
    fn new(model: &'a GridworldModel, settings: &SearchSettings) -> Self {
        let count = settings.promises.max(2);
        let promises: Vec<Vec<f64>> = (0..model.layout.n_states())
            .map(|s| {
                let (low, high) = (model.lowest[s], model.highest[s]);
                let count = if model.layout.is_terminal(s) { 1 } else { count };
                (0..count).map(|i| low + (high - low) * i as f64 / (count.max(2) - 1) as f64).collect()
            })
            .collect();
        let constant = |x: f64| promises.iter().map(|p| vec![x; p.len()]).collect::<Vec<_>>();
        let cells: Vec<f64> = model.cells.iter().map(Field::approximate).collect();
        let mut values = constant(cells.iter().fold(0.0, |largest: f64, x| largest.max(x.abs())));
        (0..values.len()).filter(|&s| model.layout.is_terminal(s)).for_each(|s| values[s] = vec![0.0]);
        let slack = constant(settings.slack);
        let mean_grid = model.mean_grid.iter().map(Field::approximate).collect();
        let (gamma, cost) = (model.gamma.approximate(), model.cost.approximate());
        let (layout, beta) = (&model.layout, model.beta);
        Self { layout, cells, beta, gamma, cost, mean_grid, promises, values, slack }
    }

    /// More slack around one piece of a state's values.
    fn widen(&mut self, state: usize, piece: usize, by: f64) {
        let last = self.slack[state].len() - 1;
        for i in piece.saturating_sub(1)..=(piece + 2).min(last) {
            self.slack[state][i] += by;
        }
    }

    fn rounded(&self) -> Vec<Vec<f64>> {
        let rounded = |w: &f64| (w * 1e6).ceil() / 1e6;
        let mut values: Vec<Vec<f64>> = self.values.iter().map(|w| w.iter().map(rounded).collect()).collect();
        (0..values.len()).filter(|&s| self.layout.is_terminal(s)).for_each(|s| values[s].clear());
        values
    }

    /// Improves choices and evaluates them in turn until the values are still.
    fn iterate(&mut self, watch: &Watch) -> Result<(), BoundError> {
        for _ in 0..IMPROVEMENTS {
            if watch.stops() {
                return Err(BoundError::Interrupted);
            }
            let choices_of = |s: usize| match self.layout.is_terminal(s) {
                true => Vec::new(),
                false => (0..self.promises[s].len()).map(|i| self.choice(s, i)).collect(),
            };
            let choices: Vec<Vec<Choice>> =
                (0..self.layout.n_states()).into_par_iter().map(choices_of).collect();
            let change = self.sweep(&choices);
            if change < STILL {
                break;
            }
            for _ in 0..EVALUATIONS {
                if self.sweep(&choices) < 0.1 * STILL {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sets every value to that of its choice; the largest change.
    fn sweep(&mut self, choices: &[Vec<Choice>]) -> f64 {
        let mut change: f64 = 0.0;
        for s in self.layout.inner().rev() {
            for (i, choice) in choices[s].iter().enumerate() {
                let next: f64 = choice.parts.iter().map(|&(p, n, index)| p * self.value(n, index)).sum();
                let mut new = choice.reward + self.gamma * next + self.slack[s][i];
                if i > 0 {
                    new = new.max(self.values[s][i - 1]);
                }
                change = change.max((new - self.values[s][i]).abs());
                self.values[s][i] = new;
            }
        }
        change
    }

    /// The values of a state between its promises.
    fn value(&self, state: usize, index: f64) -> f64 {
        let values = &self.values[state];
        let low = (index as usize).min(values.len() - 1);
        let high = (low + 1).min(values.len() - 1);
        values[low] + (values[high] - values[low]) * (index - low as f64)
    }

    /// What a promise at an index is worth to those who move there.
    fn offer(&self, cell: usize, index: f64) -> Offer {
        let promises = &self.promises[cell];
        let low = (index as usize).min(promises.len() - 1);
        let high = (low + 1).min(promises.len() - 1);
        let promise = promises[low] + (promises[high] - promises[low]) * (index - low as f64);
        Offer {
            worth: self.mean_grid[cell] + self.gamma * promise,
            value: self.cells[cell] + self.gamma * self.value(cell, index),
            index,
        }
    }

    /// The best way to keep a promise: among the offers of each neighbour, with
    /// a policy on two of them, refined around the best.
    fn choice(&self, state: usize, index: usize) -> Choice {
        let promise = self.promises[state][index];
        let cap = promise + self.cost + 1e-12;
        let cells = neighbours(self.layout, state);
        let mut limits = Vec::with_capacity(cells.len());
        let mut offers: Vec<Vec<Offer>> = Vec::with_capacity(cells.len());
        for &(cell, _) in &cells {
            if cell == state {
                limits.push((index as f64, index as f64));
                offers.push(vec![self.offer(cell, index as f64)]);
                continue;
            }
            let ends = &self.promises[cell];
            let worth = |u: f64| self.mean_grid[cell] + self.gamma * u;
            let last = (ends.len() - 1) as f64;
            let step = if ends.len() > 1 { worth(ends[1]) - worth(ends[0]) } else { 1.0 };
            let highest = if step > 0.0 { ((cap - worth(ends[0])) / step).clamp(0.0, last) } else { last };
            limits.push((0.0, highest));
            let whole = highest as usize;
            let mut found: Vec<Offer> = (0..=whole).map(|i| self.offer(cell, i as f64)).collect();
            if highest > whole as f64 {
                found.push(self.offer(cell, highest));
            }
            offers.push(found);
        }
        let mut least = self.values[state][index];
        let mut best = Choice::default();
        for _ in 0..4 {
            let (found, value) = self.choice_above(state, promise, &cells, &limits, &offers, least);
            best = found;
            if (value - least).abs() < STILL {
                break;
            }
            least = value;
        }
        best
    }

    /// The choice of largest excess over `least`, and its value.
    fn choice_above(
        &self,
        state: usize,
        promise: f64,
        cells: &[(usize, usize)],
        limits: &[(f64, f64)],
        offers: &[Vec<Offer>],
        least: f64,
    ) -> (Choice, f64) {
        let weight = |o: &Offer| (self.beta * (o.worth - promise - self.cost)).exp();
        let single = |c: usize, o: &Offer| cells[c].1 as f64 * weight(o) * (o.value - least);
        let refine = |c: usize, start: Offer, f: &dyn Fn(&Offer) -> f64| {
            let (mut at, mut top, mut step) = (start, f(&start), 0.5);
            while step > 1e-3 {
                let mut moved = false;
                for side in [-step, step] {
                    let next = self.offer(cells[c].0, (at.index + side).clamp(limits[c].0, limits[c].1));
                    let here = f(&next);
                    if here > top {
                        (at, top, moved) = (next, here, true);
                    }
                }
                if !moved {
                    step *= 0.5;
                }
            }
            (at, top)
        };
        let alone: Vec<(Offer, f64)> = (0..cells.len())
            .map(|c| {
                let start = offers[c].iter().max_by(|x, y| single(c, x).total_cmp(&single(c, y)));
                refine(c, *start.unwrap_or(&offers[c][0]), &|o| single(c, o))
            })
            .collect();
        let singles: Vec<Vec<f64>> =
            (0..cells.len()).map(|c| offers[c].iter().map(|o| single(c, o)).collect()).collect();
        let total: f64 = alone.iter().map(|x| x.1).sum();
        let mut top = f64::NEG_INFINITY;
        let mut picked: Vec<Offer> = alone.iter().map(|x| x.0).collect();
        let mut leave = (0, 0, 0.0);
        for a in 0..cells.len() {
            for b in 0..a {
                let others = total - alone[a].1 - alone[b].1;
                let mut pair: Option<(Offer, Offer)> = None;
                let mut best = f64::NEG_INFINITY;
                for (i, x) in offers[a].iter().enumerate() {
                    for (j, y) in offers[b].iter().enumerate() {
                        let sum = singles[a][i] + singles[b][j];
                        if sum + (x.value.max(y.value) - least).max(0.0) <= best {
                            continue;
                        }
                        let all = sum + self.mixture(promise, least, x, y).1;
                        if all > best {
                            (best, pair) = (all, Some((*x, *y)));
                        }
                    }
                }
                let Some((mut x, mut y)) = pair else { continue };
                for _ in 0..6 {
                    let before = best;
                    (x, _) = refine(a, x, &|x| single(a, x) + self.mixture(promise, least, x, &y).1);
                    (y, best) = refine(b, y, &|y| {
                        single(a, &x) + single(b, y) + self.mixture(promise, least, &x, y).1
                    });
                    if best - before < 1e-10 {
                        break;
                    }
                }
                if others + best > top {
                    top = others + best;
                    picked = alone.iter().map(|x| x.0).collect();
                    (picked[a], picked[b]) = (x, y);
                    leave = (a, b, self.mixture(promise, least, &x, &y).0);
                }
            }
        }
        let (a, b, t) = leave;
        let mean = t * picked[a].worth + (1.0 - t) * picked[b].worth;
        let left = (self.beta * (mean - promise)).exp();
        let mut weights: Vec<f64> =
            picked.iter().enumerate().map(|(c, o)| cells[c].1 as f64 * weight(o)).collect();
        weights[a] += t * left;
        weights[b] += (1.0 - t) * left;
        let sum: f64 = weights.iter().sum();
        let mut choice = Choice::default();
        for ((weight, offer), &(cell, _)) in weights.iter().zip(&picked).zip(cells) {
            choice.reward += weight / sum * self.cells[cell];
            choice.parts.push((weight / sum, cell, offer.index));
        }
        debug_assert!(!self.layout.is_terminal(state));
        let value = weights.iter().zip(&picked).map(|(w, o)| w / sum * o.value).sum();
        (choice, value)
    }

    /// The best policy `t` on two moves that keeps the promise, and what it
    /// adds; minus infinity if there is none.
    fn mixture(&self, promise: f64, least: f64, a: &Offer, b: &Offer) -> (f64, f64) {
        let (x, y) = (a.worth - promise, b.worth - promise);
        let (v, w) = (a.value - least, b.value - least);
        let (mut from, mut to) = (0.0, 1.0);
        if x > 0.0 && y > 0.0 {
            return (0.0, f64::NEG_INFINITY);
        } else if y > 0.0 {
            from = y / (y - x);
        } else if x > 0.0 {
            to = y / (y - x);
        }
        let added = |t: f64| (self.beta * (t * x + (1.0 - t) * y)).exp() * (t * v + (1.0 - t) * w);
        let stationary = -w / (v - w) - 1.0 / (self.beta * (x - y));
        let mut best = (from, added(from));
        for t in [to, if stationary.is_finite() { stationary.clamp(from, to) } else { to }] {
            if added(t) > best.1 {
                best = (t, added(t));
            }
        }
        best
    }
}
