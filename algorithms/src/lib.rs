//! Algorithms that look for good policies in performative environments, one
//! file each, all measured by the exact value of every iterate in the
//! environment that the iterate induces itself.
//!
//! What an algorithm saw (a model of the past, a sample, a smoothed response)
//! stays inside it. What a [`Trajectory`] reports was evaluated exactly.

mod ascent;
mod basin_hopping;
mod delayed_retraining;
pub mod estimate;
mod finite_sample_retraining;
mod frank_wolfe;
mod improvement;
mod mixed_delayed_retraining;
mod names;
mod parameters;
mod pepg;
pub mod planning;
mod repeated_gradient_ascent;
mod repeated_retraining;
mod retraining;
mod run;
mod settings;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;
mod trajectory;
mod trust_region_newton;

pub use ascent::{Method, Terms};
pub use frank_wolfe::GradientSource;
pub use improvement::{Candidate, improved};
pub use names::UnknownName;
pub use parameters::Parameters;
pub use retraining::Regulariser;
pub use run::Run;
pub use settings::{Numbers, Range, Setting, SettingError, SettingValues, Settings};
pub use trajectory::{Cost, GradientNorms, Iterate, Sensitivity, Stop, Trajectory};

use std::ops::ControlFlow;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use thiserror::Error;

use crate::estimate::EstimateError;
use crate::planning::PlanningError;
use pemdp::arithmetic::Dual;
use pemdp::environments::Structure;
use pemdp::mdp::ModelError;
use pemdp::performative::{PerformanceError, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::problem::Problem;

/// Why an algorithm could not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No algorithm has this name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The algorithm does not apply to this problem.
    #[error("{algorithm} does not apply: {why}")]
    NotApplicable {
        /// Its name.
        algorithm: &'static str,
        /// What stands in its way.
        why: String,
    },
    /// A value on the way is no double.
    #[error("the value of iterate {iteration} is beyond doubles, in which algorithms compute")]
    NotFinite {
        /// Which iterate.
        iteration: usize,
    },
    /// A policy on the way could not be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
    /// A gradient could not be estimated.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// A best response or a projection was not found.
    #[error("{what} was not solved: {status}")]
    Subproblem {
        /// Which problem.
        what: &'static str,
        /// What the solver said.
        status: String,
    },
}

impl From<ModelError> for AlgorithmError {
    fn from(error: ModelError) -> Self {
        Self::Performance(error.into())
    }
}

impl From<PlanningError> for AlgorithmError {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::Model(error) => error.into(),
            PlanningError::Evaluation(error) => error.into(),
            error => Self::Subproblem { what: "the regularised best response", status: error.to_string() },
        }
    }
}

impl From<pemdp::linear::SolveError> for AlgorithmError {
    fn from(error: pemdp::linear::SolveError) -> Self {
        Self::Performance(error.into())
    }
}

impl From<pemdp::evaluate::EvaluationError> for AlgorithmError {
    fn from(error: pemdp::evaluate::EvaluationError) -> Self {
        Self::Performance(error.into())
    }
}

impl From<pemdp::linear::ShapeError> for AlgorithmError {
    fn from(error: pemdp::linear::ShapeError) -> Self {
        Self::Performance(error.into())
    }
}

impl From<pemdp::response::ResponseError> for AlgorithmError {
    fn from(error: pemdp::response::ResponseError) -> Self {
        Self::Performance(error.into())
    }
}

/// What an algorithm starts from.
pub struct Task {
    /// The true environment. Its entropy weight is that of the problem.
    pub environment: PerformativeMdp<f64>,
    /// The same in dual numbers, for exact products with the Hessian.
    pub tangent: PerformativeMdp<Dual<f64>>,
    /// The policy deployed first.
    pub start: Policy<f64>,
    /// The best policy known, against which coverage is measured at every
    /// iterate. Where there is none it is the best policy of the run itself, and
    /// coverage is measured at up to a hundred iterates, afterwards.
    pub comparator: Option<Policy<f64>>,
    /// Whether every iterate keeps its parameters, so that it can be evaluated again.
    pub keeps_parameters: bool,
}

impl Task {
    /// The task of improving on the policy of a problem.
    ///
    /// # Errors
    /// [`AlgorithmError`] for a problem that is one point and not a model.
    ///
    /// ```
    /// use pemdp_algorithms::Task;
    /// use pemdp::oracle::examples;
    /// use pemdp::problem::{Problem, Reading};
    /// let loan = examples::example("loan").unwrap().to_json();
    /// let task = Task::new(&Problem::from_json(&loan, Reading::Doubles)?)?;
    /// assert_eq!(task.start.n_actions(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(problem: &Problem) -> Result<Self, AlgorithmError> {
        if let Structure::Point(_) = problem.structure() {
            let why = "environment.kind is \"explicit\", which gives the environment at one policy only; \
                       expected one that responds to every policy";
            return Err(AlgorithmError::NotApplicable { algorithm: "solve", why: why.to_owned() });
        }
        if let Err(error) = problem.require_whole("algorithms") {
            return Err(AlgorithmError::NotApplicable { algorithm: "solve", why: error.to_string() });
        }
        let start: Policy<f64> = problem.deployed_policy()?;
        if let Some(why) = beyond_doubles(problem, &start) {
            return Err(AlgorithmError::NotApplicable { algorithm: "solve", why });
        }
        let environment = problem.model()?;
        check_doubles(problem, &environment, &start)?;
        Ok(Self { environment, tangent: problem.model()?, start, comparator: None, keeps_parameters: false })
    }

    /// The same environment from another policy.
    #[must_use]
    pub fn starting_from(self, start: Policy<f64>) -> Self {
        Self { start, ..self }
    }

    /// The same with the parameters of every iterate kept.
    #[must_use]
    pub fn keeping_parameters(self) -> Self {
        Self { keeps_parameters: true, ..self }
    }

    /// The same with a policy to measure coverage against.
    #[must_use]
    pub fn compared_with(self, comparator: Policy<f64>) -> Self {
        Self { comparator: Some(comparator), ..self }
    }
}

/// Steps of the environment that one iteration may sample.
const MOST_STEPS: f64 = 1e9;

/// Checks that the steps an iteration is expected to sample end in this life.
///
/// # Errors
/// [`AlgorithmError::NotApplicable`] where they do not.
fn check_steps(algorithm: &'static str, expected: f64) -> Result<(), AlgorithmError> {
    if expected <= MOST_STEPS {
        return Ok(());
    }
    let why = format!(
        "an iteration samples {expected:.1e} steps in expectation, expected at most {MOST_STEPS:e}: fewer trajectories \
         or a discount factor farther from 1"
    );
    Err(AlgorithmError::NotApplicable { algorithm, why })
}

/// What keeps a problem from being computed in doubles, if anything does.
fn beyond_doubles(problem: &Problem, policy: &Policy<f64>) -> Option<String> {
    if problem.gamma().approximate() >= 1.0 {
        return Some("gamma is 1 as a double, and algorithms compute in doubles; expected less".to_owned());
    }
    let undefined = (0..policy.n_states())
        .find(|&s| (0..policy.n_actions()).any(|a| !policy.probability(s, a).is_finite()))?;
    Some(format!(
        "the policy of state {undefined} is beyond doubles, in which algorithms compute; expected logits \
         within their range"
    ))
}

/// How far a value in doubles may be from the true one, relative to the largest value.
const LOST: f64 = 1e-6;

/// Checks that doubles compute the value of the policy that is deployed first: that it
/// is within [`LOST`] of what is proven.
///
/// # Errors
/// [`AlgorithmError::NotApplicable`] where it is not, or the value is no double.
fn check_doubles(
    problem: &Problem,
    environment: &PerformativeMdp<f64>,
    start: &Policy<f64>,
) -> Result<(), AlgorithmError> {
    let refuse = |why: String| Err(AlgorithmError::NotApplicable { algorithm: "solve", why });
    let known = match problem.bounded_value() {
        Ok(known) => known,
        Err(error) => return refuse(error.to_string()),
    };
    let evaluation = environment.evaluate(start)?;
    let largest = evaluation.state_values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let (value, error) = (evaluation.value, (evaluation.value - known.value).abs());
    if error <= LOST * largest + known.error_bound {
        return Ok(());
    }
    refuse(format!(
        "the value of the policy is {} and {value} in doubles, in which algorithms compute; expected an error of at \
         most {LOST:e} of the largest value",
        known.value
    ))
}

/// What the guarantee of an algorithm rests on, as far as a run can refute it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guarantee {
    /// Nothing that is measured.
    None,
    /// Monotone ascent: the step is at most 1/L, L the smoothness constant
    /// (`docs/theory/convergence.md`).
    Ascent {
        /// The step size.
        step: f64,
    },
    /// Contraction: each step is shorter than the one before
    /// (`docs/theory/retraining.md`).
    Contraction,
}

/// An algorithm with its settings.
pub trait Algorithm: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Its settings, all of them.
    fn settings(&self) -> SettingValues;

    /// What its guarantee of convergence rests on.
    fn guarantee(&self) -> Guarantee {
        Guarantee::None
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`SettingError`] names the first that does not.
    fn check(&self) -> Result<(), SettingError>;

    /// Runs it: every iterate goes to [`Run::record`], at least one; the last one
    /// recorded is the result.
    ///
    /// # Errors
    /// [`AlgorithmError`] where it does not apply or a policy could not be
    /// evaluated. Not converging is no error.
    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError>;
}

/// Makes an algorithm from its settings by name.
pub type Build = fn(&SettingValues) -> Result<Box<dyn Algorithm>, SettingError>;

/// An algorithm as listed: its name, what it does, how to make it.
pub struct Entry {
    /// Name on the command line.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Source, with a key of `docs/notation.md`.
    pub source: &'static str,
    /// The settings with their meaning; defaults are those of `build` on an
    /// none.
    pub settings: &'static [Setting],
    /// Makes it from the settings that differ from the defaults.
    pub build: Build,
}

/// The algorithm with these settings, as [`Entry::build`].
fn build<A: Algorithm + Settings + 'static>(
    settings: &SettingValues,
) -> Result<Box<dyn Algorithm>, SettingError> {
    Ok(Box::new(A::read(settings)?))
}

/// Lists the algorithms: a module, its type, and its entries.
macro_rules! algorithms {
    ($($module:ident::$Algorithm:ident: $($entry:ident),+;)+) => {
        $(pub use $module::$Algorithm;)+

        /// All algorithms.
        pub static ALGORITHMS: &[Entry] = &[$($($module::$entry),+),+];
    };
}

algorithms! {
    pepg::Pepg: ENTRY, WITHOUT_PERFORMATIVE_TERMS;
    repeated_retraining::RepeatedRetraining: ENTRY;
    repeated_gradient_ascent::RepeatedGradientAscent: ENTRY;
    finite_sample_retraining::FiniteSampleRetraining: ENTRY;
    delayed_retraining::DelayedRetraining: ENTRY;
    mixed_delayed_retraining::MixedDelayedRetraining: ENTRY;
    frank_wolfe::FrankWolfe: ENTRY;
    trust_region_newton::TrustRegionNewton: ENTRY;
    basin_hopping::BasinHopping: ENTRY;
}

/// The algorithm of this name with these settings by name, checked.
///
/// # Errors
/// [`AlgorithmError`] for an unknown name or a setting that makes no sense.
///
/// ```
/// use pemdp_algorithms::algorithm;
/// use serde_json::json;
/// let error = algorithm("pepg", &json!({"step": -0.1})).err().unwrap();
/// assert_eq!(error.to_string(), "step is -0.1, expected a number above 0");
/// ```
pub fn algorithm(name: &str, settings: &impl Serialize) -> Result<Box<dyn Algorithm>, AlgorithmError> {
    let Some(entry) = ALGORITHMS.iter().find(|entry| entry.name == name) else {
        let known: Vec<&str> = ALGORITHMS.iter().map(|entry| entry.name).collect();
        return Err(UnknownName::new("algorithm", name, &known).into());
    };
    let algorithm = (entry.build)(&SettingValues::of(settings)?)?;
    algorithm.check()?;
    Ok(algorithm)
}

/// Runs an algorithm. `observer` sees every iterate as it is measured and can
/// end the run; what was measured until then is kept.
///
/// # Errors
/// As [`Algorithm::run`].
///
/// ```
/// use pemdp_algorithms::{Pepg, Stop, Task, solve_unobserved};
/// use pemdp::oracle::examples;
/// use pemdp::problem::{Problem, Reading};
/// let loan = examples::example("loan").unwrap().to_json();
/// let task = Task::new(&Problem::from_json(&loan, Reading::Doubles)?)?;
/// let settings = Pepg { step: 1.0, iterations: 2000, ..Pepg::default() };
/// let trajectory = solve_unobserved(&settings, &task, 0)?;
/// // The optimum approves with probability 1/4, the stable policy with 1/2.
/// assert!((trajectory.policy.probability(0, 0) - 0.25).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn solve(
    algorithm: &dyn Algorithm,
    task: &Task,
    seed: u64,
    observer: &mut dyn FnMut(&Iterate) -> ControlFlow<()>,
) -> Result<Trajectory, AlgorithmError> {
    algorithm.check()?;
    let mut run = Run::new(task, ChaCha8Rng::seed_from_u64(seed), observer);
    let stop = algorithm.run(task, &mut run)?;
    run.into_trajectory(algorithm, &task.environment, seed, stop)
}

/// The same, unobserved.
///
/// # Errors
/// As [`Algorithm::run`].
pub fn solve_unobserved(
    algorithm: &dyn Algorithm,
    task: &Task,
    seed: u64,
) -> Result<Trajectory, AlgorithmError> {
    solve(algorithm, task, seed, &mut |_| ControlFlow::Continue(()))
}
