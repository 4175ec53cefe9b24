//! The experiments of the literature, measured on the true environment: every
//! value that is reported was evaluated exactly in the environment that the
//! policy itself induces.
//!
//! What was found, with the command for each figure: `docs/experiments.md`.

mod ablation;
mod benchmark;
mod bounds;
mod convergence_rate;
mod curves;
mod datum;
mod entropy;
mod estimators;
mod families;
mod gradual;
mod gridworld;
mod initialisation;
mod learning_rate;
mod loan;
mod local_maxima;
mod plan;
mod record;
mod stability_price;
mod summary;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

pub use bounds::bound_above;
pub use datum::Datum;
pub use plan::{Done, Drawing, Interrupted, Job, Label, Outcome, Plan, Presentation, Table, Work, run};
pub use record::Record;

use thiserror::Error;

use pemdp::problem::InputError;
use pemdp_algorithms::{AlgorithmError, Setting, SettingError, SettingValues};
use pemdp_report::PictureError;

/// Why an experiment could not be planned, run or shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// An algorithm, its settings or its task.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// A setting of the experiment.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A sampled estimate.
    #[error(transparent)]
    Estimate(#[from] pemdp_algorithms::estimate::EstimateError),
    /// A random problem or its exact solution.
    #[error(transparent)]
    Oracle(#[from] pemdp::oracle::OracleError),
    /// An evaluation.
    #[error(transparent)]
    Performance(#[from] pemdp::performative::PerformanceError),
    /// A certified optimum.
    #[error(transparent)]
    Optimum(#[from] pemdp_optimum::OptimumError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// No experiment has this name.
    #[error("no experiment is called '{name}'; there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl From<InputError> for ExperimentError {
    fn from(error: InputError) -> Self {
        Self::Oracle(error.into())
    }
}

/// An experiment as listed.
pub struct Experiment {
    /// Name on the command line, and of its files.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// Its settings with their meaning; defaults are in the plan of none.
    pub settings: &'static [Setting],
    /// What it does with these settings; random choices start from the seed.
    pub plan: fn(&SettingValues, u64) -> Result<Plan, ExperimentError>,
}

/// All experiments.
pub static EXPERIMENTS: &[Experiment] = &[
    gridworld::EXPERIMENT,
    ablation::EXPERIMENT,
    learning_rate::EXPERIMENT,
    entropy::EXPERIMENT,
    loan::EXPERIMENT,
    gradual::EXPERIMENT,
    estimators::EXPERIMENT,
    initialisation::EXPERIMENT,
    stability_price::EXPERIMENT,
    local_maxima::EXPERIMENT,
    convergence_rate::EXPERIMENT,
];

/// The experiment of this name.
///
/// # Errors
/// [`ExperimentError::Unknown`] lists what there is.
///
/// ```
/// use pemdp_experiments::experiment;
/// assert!(experiment("ablation").is_ok());
/// assert!(experiment("abolition").is_err());
/// ```
pub fn experiment(name: &str) -> Result<&'static Experiment, ExperimentError> {
    EXPERIMENTS.iter().find(|experiment| experiment.name == name).ok_or_else(|| {
        let known: Vec<&str> = EXPERIMENTS.iter().map(|experiment| experiment.name).collect();
        ExperimentError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })
}
