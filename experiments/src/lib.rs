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
mod table;
#[cfg(test)]
#[path = "../../tests/common/tolerances.rs"]
mod tolerances;

pub use bounds::bound_above;
pub use datum::Datum;
pub use plan::{Done, Drawing, Interrupted, Job, Label, Outcome, Plan, Presentation, Work, run};
pub use record::Record;
pub use table::Table;

use thiserror::Error;

use pemdp::problem::InputError;
use pemdp_algorithms::{AlgorithmError, Setting, SettingError, SettingValues, UnknownName};
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
    #[error(transparent)]
    Unknown(#[from] UnknownName),
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
    /// Smaller settings, by name as JSON, with which it ends within about a minute; none where
    /// the defaults do.
    pub quick: &'static [(&'static str, &'static str)],
    /// What it does with these settings; random choices start from the seed.
    pub plan: fn(&SettingValues, u64) -> Result<Plan, ExperimentError>,
}

impl Experiment {
    /// Settings with which it ends in about a minute.
    pub fn quick_settings(&self) -> SettingValues {
        SettingValues::of_texts(self.quick.iter().copied())
    }

    /// All its settings, defaults in place of those that are not given.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn all_settings(&self, given: &SettingValues) -> Result<SettingValues, ExperimentError> {
        Ok((self.plan)(given, 0)?.settings)
    }

    /// The command that gives the same numbers again.
    ///
    /// # Errors
    /// None for the settings of a plan.
    pub fn command(&self, settings: &SettingValues, seed: u64) -> Result<String, ExperimentError> {
        let beside = |given: &SettingValues| -> Result<Vec<String>, ExperimentError> {
            let all = self.all_settings(given)?;
            let differs = |name: &&str| all.listed(name) != settings.listed(name);
            let set = |name: &str| set(name, &settings.listed(name).unwrap_or_default());
            Ok(settings.names().filter(differs).map(set).collect())
        };
        let (usual, quick) = (beside(&SettingValues::default())?, beside(&self.quick_settings())?);
        let (flag, sets) = if quick.len() < usual.len() { (" --quick", quick) } else { ("", usual) };
        Ok(format!("pemdp experiment {}{flag}{} --seed {seed}", self.name, sets.concat()))
    }
}

/// A setting as an argument, quoted for a shell where it has to be.
fn set(name: &str, value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-+._".contains(c);
    if value.chars().all(is_plain) {
        format!(" --set {name}={value}")
    } else {
        format!(" --set '{name}={value}'")
    }
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
        UnknownName::new("experiment", name, &known).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_gives_the_same_settings_again() {
        for experiment in EXPERIMENTS {
            let quick = experiment.all_settings(&experiment.quick_settings()).unwrap();
            let flag = if experiment.quick.is_empty() { "" } else { " --quick" };
            let command = experiment.command(&quick, 7).unwrap();
            assert_eq!(command, format!("pemdp experiment {}{flag} --seed 7", experiment.name));
        }
        let ablation = experiment("ablation").unwrap();
        let command =
            |given: SettingValues| ablation.command(&ablation.all_settings(&given).unwrap(), 0).unwrap();
        let one = SettingValues::of_texts([("step", "0.5"), ("eps", "[0.3,1.0]")]);
        assert_eq!(
            command(one.clone()),
            "pemdp experiment ablation --set 'eps=[0.3,1.0]' --set step=0.5 --seed 0"
        );
        let both = ablation.quick_settings().overridden_by(&SettingValues::of_texts([("step", "0.5")]));
        assert_eq!(command(both), "pemdp experiment ablation --quick --set step=0.5 --seed 0");
    }

    #[test]
    fn quick_settings_leave_less_to_do() {
        for experiment in EXPERIMENTS.iter().filter(|experiment| !experiment.quick.is_empty()) {
            let jobs = |given: &SettingValues| (experiment.plan)(given, 0).unwrap().jobs.len();
            let (quick, all) = (jobs(&experiment.quick_settings()), jobs(&SettingValues::default()));
            assert!(quick < all, "{}: {quick} of {all}", experiment.name);
        }
    }
}
