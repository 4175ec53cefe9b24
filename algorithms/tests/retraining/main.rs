//! Retraining against known figures and exact laws, through the public
//! interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "../../../tests/common/tolerances.rs"]
mod tolerances;

use std::ops::ControlFlow;

use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{
    Algorithm, DelayedRetraining, FiniteSampleRetraining, MixedDelayedRetraining, Regulariser,
    RepeatedGradientAscent, RepeatedRetraining, Stop, Task, Trajectory, solve,
};

fn run(algorithm: &dyn Algorithm, task: &Task, seed: u64) -> Trajectory {
    solve(algorithm, task, seed, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn task(json: &str) -> Task {
    Task::new(&Problem::from_json(json, Reading::Doubles).unwrap()).unwrap()
}

mod gridworld;

mod loan;

mod gradual;

mod samples;

mod ascent;

mod refusals;
