//! Tasks on the gridworld benchmark.

use std::fmt;

use super::datum::{Datum, datum};
use super::summary::Group;
use pemdp::environments::gridworld::{GRID, N_ACTIONS, N_STATES, eps_greedy_policy, initial, perturbed_grid};
use pemdp::environments::{Gridworld, gridworld};
use pemdp::mdp::ModelError;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp_algorithms::{AlgorithmError, Range, Task};
use pemdp_report::{Cell, Grid};

/// The discount factor of the benchmark.
pub(super) const GAMMA: f64 = 0.9;

/// The benchmark with its followers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Benchmark {
    /// Probability that a follower's cell is perturbed.
    pub(super) eps: f64,
    /// Inverse temperature of the response.
    pub(super) beta: f64,
    /// Number of followers.
    pub(super) followers: u32,
}

/// The values of [`Benchmark::eps`].
pub(super) const EPS: Range<f64> = Range::new(|x| (0.0..=1.0).contains(&x), "a probability");
/// The values of [`Benchmark::beta`].
pub(super) const BETA: Range<f64> = Range::new(|x| (0.0..=1e6).contains(&x), "from 0 to 1e6");
/// The values of [`Benchmark::followers`].
pub(super) const FOLLOWERS: Range<u32> = Range::new(|n| (1..=10_000).contains(&n), "from 1 to 10000");

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eps {}, beta {}, {} followers", self.eps, self.beta, self.followers)
    }
}

impl Benchmark {
    /// The setting of \[PePG\]: eps .5, beta 5, 2 followers.
    pub(super) const PEPG: Self = Self { eps: 0.5, beta: 5.0, followers: 2 };

    fn environment<T: pemdp::arithmetic::Transcendental>(&self) -> Result<PerformativeMdp<T>, ModelError> {
        let grids = (0..self.followers).map(|seed| perturbed_grid(self.eps, seed)).collect();
        let gamma = T::from_f64(GAMMA);
        let world = Gridworld::new(T::from_f64(self.beta), gamma.clone(), grids)?;
        Ok(PerformativeMdp {
            response: Box::new(world),
            initial: initial(),
            gamma,
            entropy: T::zero(),
            criterion: Default::default(),
        })
    }

    /// Every combination, in order.
    pub(super) fn all(eps: &[f64], beta: &[f64], followers: &[u32]) -> Vec<Self> {
        let mut all = Vec::new();
        for &eps in eps {
            for &beta in beta {
                all.extend(followers.iter().map(|&followers| Self { eps, beta, followers }));
            }
        }
        all
    }

    /// As the first columns of a table.
    pub(super) fn columns(&self) -> Vec<(&'static str, Datum)> {
        vec![("eps", datum(self.eps)), ("beta", datum(self.beta)), ("followers", datum(self.followers))]
    }

    /// Whether a group of runs is on this benchmark.
    pub(super) fn is_of(&self, group: &Group<'_>) -> bool {
        self.columns().iter().all(|column| group.columns.contains(column))
    }

    /// For file names.
    pub(super) fn slug(&self) -> String {
        format!("eps{}-beta{}-f{}", self.eps, self.beta, self.followers)
    }

    /// The task of improving on a policy.
    pub(super) fn task(&self, start: Policy<f64>) -> Result<Task, AlgorithmError> {
        Ok(Task {
            environment: self.environment()?,
            tangent: self.environment()?,
            start,
            comparator: None,
            keeps_parameters: false,
        })
    }
}

/// Names of start policies.
pub(super) const UNIFORM: &str = "uniform";
/// The benchmark's own.
pub(super) const EPS_GREEDY: &str = "eps-greedy";

/// The uniform policy, as softmax of zeros.
fn uniform() -> Result<Policy<f64>, ModelError> {
    Policy::softmax(N_STATES, N_ACTIONS, vec![0.0; N_STATES * N_ACTIONS])
}

/// The benchmark's start policy.
fn eps_greedy() -> Result<Policy<f64>, AlgorithmError> {
    Ok(Policy::probabilities(N_STATES, N_ACTIONS, eps_greedy_policy(GAMMA)?)?)
}

/// The start policy of a name.
pub(super) fn start(name: &str) -> Result<Policy<f64>, AlgorithmError> {
    if name == UNIFORM { Ok(uniform()?) } else { eps_greedy() }
}

/// The grid with a policy's moves, and how likely the response overrides them.
pub(super) fn picture(
    benchmark: &Benchmark,
    policy: &Policy<f64>,
    name: &str,
    title: &str,
) -> Result<Grid, AlgorithmError> {
    let task = benchmark.task(policy.clone())?;
    let induced = task.environment.response.induce(policy)?;
    let cell = |s: usize| {
        let moves = [0, 1, 2, 3].map(|a| *policy.probability(s, a));
        let shade = if GRID[s] > 0.0 { 1.0 } else { (GRID[s] / 0.5).max(-1.0) };
        let intervention = gridworld::intervention(&induced.kernel, s);
        let moves = if s == N_STATES - 1 { [0.0; 4] } else { moves };
        Cell { label: format!("{}", GRID[s]), shade, moves, intervention }
    };
    Ok(Grid {
        name: name.to_owned(),
        title: title.to_owned(),
        caption:
            "Numbers: the learner's reward of the cell. Arrows: the learner's moves, as long as they are likely. Discs: \
             the probability that the followers override the move, their area."
                .to_owned(),
        columns: 8,
        quantity: "reward of the cell".to_owned(),
        shades: ["\u{2264} \u{2212}0.5", "0", "> 0"].map(str::to_owned),
        cells: (0..N_STATES).map(cell).collect(),
    })
}
