//! A proven upper bound on the performative optimum of the gridworld benchmark.
//!
//! A policy promises its followers a mean value in each state. A function of
//! state and promise that no kept promise can improve upon bounds the learner's
//! value of every policy in the environment it induces; see
//! `docs/theory/gridworld-bound.md`. [`verify`] proves such a function correct
//! by branch and bound, [`search`] finds one by value iteration.

mod check;
mod model;
mod optimum;
mod search;
mod stationarity;
mod tabled_exponential;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use check::{Check, Effort, Steps, initial_mean};
use model::GridworldModel;
pub(super) use optimum::gridworld_optimum;
pub use optimum::{Improve, Improved, Improvement};
use pemdp::arithmetic::Interval;
use pemdp::environments::gridworld::Gridworld;
use pemdp::interrupt::Interrupt;
pub use search::{SearchSettings, search};
pub use stationarity::{Stationarity, one_sided_slope, stationarity};

/// Largest magnitude of a value in a certificate.
const LARGEST: f64 = 1e6;
/// Most steps of one state.
const MOST_STEPS: usize = 1 << 16;

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BoundError {
    /// A number of the instance that the proof does not cover.
    #[error("{what} is {value}: the bound of the gridworld does not cover it")]
    Instance {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A certificate that is not one.
    #[error("certificate, state {state}: {what}")]
    GridworldCertificate {
        /// The first state where it fails.
        state: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The initial distribution does not have one nonnegative entry a state.
    #[error("the initial distribution needs one nonnegative entry for each state")]
    Initial,
    /// The inequality could not be proven.
    #[error("state {state}: the inequality is not proven for promises up to {promise} (step {step})")]
    Unproven {
        /// The state.
        state: usize,
        /// Upper end of the promises.
        promise: f64,
        /// Their step.
        step: usize,
    },
    /// Stopped by the flag.
    #[error("interrupted")]
    Interrupted,
}

/// Claimed bounds of the learner's value by state and promise: `values[s]` at
/// equally spaced promises from the least to the largest possible one, those of
/// terminal states empty. Between them the bound is a step function with
/// `refinement` steps, on the straight line at their upper ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridworldCertificate {
    /// Steps between two promises.
    pub refinement: usize,
    /// The values, nondecreasing in the promise.
    pub values: Vec<Vec<f64>>,
}

/// A proven bound.
#[derive(Debug, Clone, PartialEq)]
pub struct GridworldBound {
    /// No policy has a larger performative value.
    pub bound: f64,
    /// For each state an upper bound of the learner's value of every policy,
    /// started there.
    pub by_state: Vec<f64>,
    /// Ranges of promises examined.
    pub chunks: u64,
    /// Boxes examined.
    pub boxes: u64,
}

/// What a caller may watch and stop.
#[derive(Default)]
pub struct Watch<'a> {
    /// Stops the work when it becomes true.
    pub interrupt: Option<&'a Interrupt>,
    /// Called with the number of states proven so far.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
}

impl Watch<'_> {
    fn stops(&self) -> bool {
        self.interrupt.is_some_and(Interrupt::is_raised)
    }
}

impl GridworldCertificate {
    /// The certificate of the benchmark: `beta` 5, `gamma` 0.9, two followers
    /// with `eps` 0.5.
    ///
    /// # Errors
    /// None for the file as it is.
    pub fn benchmark() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("certificate.json"))
    }

    /// The step functions, checked for shape and order.
    fn steps(&self, model: &GridworldModel) -> Result<Steps, BoundError> {
        let error = |state, what| Err(BoundError::GridworldCertificate { state, what });
        if self.values.len() != model.layout.n_states() {
            return error(self.values.len(), "one list of values a state expected");
        }
        let mut steps = Steps { promises: Vec::new(), values: Vec::new() };
        for (s, knots) in self.values.iter().enumerate() {
            if model.layout.is_terminal(s) {
                if !knots.is_empty() {
                    return error(s, "a terminal state has no values");
                }
                steps.promises.push(vec![0.0; 2]);
                steps.values.push(vec![0.0; 2]);
                continue;
            }
            let pieces = knots.len().saturating_sub(1);
            let count = pieces.saturating_mul(self.refinement);
            if count == 0 || count > MOST_STEPS {
                return error(s, "at least two values and at most 65536 steps expected");
            }
            if !knots.iter().all(|w| w.abs() <= LARGEST) || !knots.is_sorted() {
                return error(s, "nondecreasing finite values expected");
            }
            let (low, high) = (model.lowest[s], model.highest[s]);
            let mut promises = Vec::with_capacity(count + 1);
            let mut values: Vec<f64> = Vec::with_capacity(count + 1);
            for j in 0..=count {
                let piece = (j / self.refinement).min(pieces - 1);
                let part = (j - piece * self.refinement) as f64 / self.refinement as f64;
                let value = knots[piece] + (knots[piece + 1] - knots[piece]) * part;
                // Rounding must not undo the order.
                values.push(values.last().map_or(value, |&before| value.max(before)));
                promises.push(low + (high - low) * (j as f64 / count as f64));
            }
            promises[0] = low;
            promises[count] = high;
            if !promises.is_sorted() {
                return error(s, "too many steps for the range of promises");
            }
            steps.promises.push(promises);
            steps.values.push(values);
        }
        Ok(steps)
    }
}

/// Proves a certificate: every state's inequality by branch and bound with
/// outward rounding, in parallel over states. The bound holds for the
/// performative value of every policy under `initial` and does not depend on
/// the number of threads.
///
/// # Errors
/// [`BoundError`]; `Unproven` says where a certificate is not shown to hold.
pub fn verify(
    world: &Gridworld<Interval>,
    initial: &[f64],
    certificate: &GridworldCertificate,
    watch: &Watch,
) -> Result<GridworldBound, BoundError> {
    if initial.len() != world.layout().n_states() || !initial.iter().all(|&p| (0.0..=1.0).contains(&p)) {
        return Err(BoundError::Initial);
    }
    let model = GridworldModel::new(world)?;
    let steps = certificate.steps(&model)?;
    let efforts = prove(&model, &steps, watch);
    let mut total = Effort::default();
    for effort in efforts {
        let effort = effort?;
        total.chunks += effort.chunks;
        total.boxes += effort.boxes;
    }
    let by_state = steps.values.iter().map(|w| w[w.len() - 1]).collect();
    Ok(GridworldBound {
        bound: initial_mean(&model.layout, &steps, initial),
        by_state,
        chunks: total.chunks,
        boxes: total.boxes,
    })
}

/// The proof of each state that is not terminal, or where it failed.
fn prove(model: &GridworldModel, steps: &Steps, watch: &Watch) -> Vec<Result<Effort, BoundError>> {
    let done = AtomicUsize::new(0);
    let states: Vec<usize> = model.layout.inner().collect();
    states
        .into_par_iter()
        .map(|s| {
            let effort = Check::new(model, steps, s).prove(&|| watch.stops());
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let (Ok(_), Some(progress)) = (&effort, watch.progress) {
                progress(count);
            }
            effort
        })
        .collect()
}
