//! How a search goes on, and what it ends with.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use thiserror::Error;

use pemdp::interrupt::Interrupt;
use pemdp::mdp::ModelError;
use pemdp::performative::PerformanceError;
use pemdp::problem::InputError;

/// Why there is no optimum.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimumError {
    /// The problem is too large.
    #[error("{n_states} states and {n_actions} actions, expected at most 64 and 16")]
    Size {
        /// States.
        n_states: usize,
        /// Actions.
        n_actions: usize,
    },
    /// The bounds would be those of the value without entropy.
    #[error(
        "entropy: is not 0, expected 0: of environments that respond only exponential families have bounds of the value \
         with entropy"
    )]
    Entropy,
    /// The environment is a point, or has no bounds here.
    #[error(
        "environment {kind} has no bounds here, expected fixed, affine, loan, coin, exponential-family, gridworld, or \
         formulas of pi whose rows visibly sum to 1 (1 - x beside x, or normalise), or of an exponential family"
    )]
    NotBounded {
        /// Its kind.
        kind: &'static str,
    },
    /// The rounding of the numbers makes a transition negative for some policy.
    #[error(
        "P(t={next}|s={state},a={action}) falls to {value:e}, expected at least 0 for every policy; \
         fractions as strings avoid rounding"
    )]
    NegativeTransition {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
        /// The next state.
        next: usize,
        /// Its smallest probability.
        value: f64,
    },
    /// The bound of the parameters is none, or so large that weights overflow.
    #[error("bound {bound}, expected a positive number of at most 300")]
    Bound {
        /// The value.
        bound: f64,
    },
    /// The gap is none.
    #[error("gap {gap}, expected a number of at least 0")]
    Gap {
        /// The value.
        gap: f64,
    },
    /// Terminal states, missing actions, or no discounting, where they are not bounded.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The optimum is no double.
    #[error("the optimum is {about}, expected within the range of doubles")]
    BeyondDoubles {
        /// What is known of it.
        about: String,
    },
    /// Doubles cannot tell the discount factor from 1.
    #[error("gamma: is {gamma} as a double, expected below 1 for the optimum of this environment")]
    Gamma {
        /// The nearest double.
        gamma: f64,
    },
    /// The parts of the problem do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The reported policy cannot be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
}

/// Why the search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimumStop {
    /// The gap is as small as asked.
    Gap,
    /// No cell can be improved.
    Exhausted,
    /// The time is up.
    Budget,
    /// Too many cells are open.
    Memory,
    /// The flag was raised.
    Interrupted,
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The best value found.
    pub value: f64,
    /// The upper bound.
    pub upper_bound: f64,
    /// Cells bounded.
    pub nodes: usize,
    /// Cells open.
    pub open: usize,
}

/// What ends a search early.
pub(super) struct Halt<'a> {
    pub interrupt: &'a Interrupt,
    pub start: Instant,
    pub budget: Option<Duration>,
}

/// A search that nothing ends early.
pub(super) static FOREVER: LazyLock<Halt<'static>> = LazyLock::new(|| {
    static NEVER: Interrupt = Interrupt::new();
    Halt { interrupt: &NEVER, start: Instant::now(), budget: None }
});

impl Halt<'_> {
    /// Why to end now, if at all.
    pub fn reason(&self) -> Option<OptimumStop> {
        if self.interrupt.is_raised() {
            return Some(OptimumStop::Interrupted);
        }
        let late = self.budget.is_some_and(|budget| self.start.elapsed() >= budget);
        late.then_some(OptimumStop::Budget)
    }

    /// Whether to end now.
    pub fn is_over(&self) -> bool {
        self.reason().is_some()
    }

    /// The same for a part of the work, which may take this share of the time.
    pub fn share(&self, share: f64) -> Self {
        Self { budget: self.budget.map(|budget| budget.mul_f64(share)), ..*self }
    }
}

/// What a search ends with.
pub(super) struct Found {
    pub value: f64,
    pub upper: f64,
    pub attained: bool,
    pub policy: Vec<f64>,
    pub parameters: Vec<f64>,
    pub nodes: usize,
    pub stop: OptimumStop,
    pub method: &'static str,
}
