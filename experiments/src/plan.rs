//! What an experiment does: jobs, and how their results are shown.

use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::ExperimentError;
use super::datum::Datum;
use pemdp::interrupt::Interrupt;
use pemdp_algorithms::{Algorithm, AlgorithmError, SettingValues, Stop, Task, Trajectory, algorithm, solve};
use pemdp_report::{Grid, Landscape, Picture, PictureError, figure};

/// What a job is called: the values of the columns that tell jobs apart, and its
/// random seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Column and value, the same columns for all jobs of a plan.
    pub columns: Vec<(&'static str, Datum)>,
    /// Seed of its random choices.
    pub seed: u64,
}

/// Makes the task of a job.
pub type TaskOf = Box<dyn Fn() -> Result<Task, AlgorithmError> + Send + Sync>;
/// Makes the rows of a job.
pub type RowsOf = Box<dyn Fn() -> Result<Vec<Vec<Datum>>, ExperimentError> + Send + Sync>;

/// Shows the results of the jobs that finished.
pub type Present = Box<dyn Fn(&[Done]) -> Result<Presentation, ExperimentError> + Send + Sync>;

/// One piece of work.
pub struct Job {
    /// What it is called.
    pub label: Label,
    /// What it does.
    pub work: Work,
}

/// What a job does.
pub enum Work {
    /// Runs an algorithm.
    Solve {
        /// Which one.
        algorithm: Box<dyn Algorithm>,
        /// On what.
        task: TaskOf,
    },
    /// Measures something else: rows of the plan's own columns.
    Measure(RowsOf),
}

impl Job {
    /// Runs the algorithm of a name and settings.
    ///
    /// # Errors
    /// [`AlgorithmError`] for an unknown name or a setting that makes no sense.
    pub fn solve(
        label: Label,
        name: &str,
        settings: &impl Serialize,
        task: TaskOf,
    ) -> Result<Self, AlgorithmError> {
        Ok(Self { label, work: Work::Solve { algorithm: algorithm(name, settings)?, task } })
    }
}

/// What a job found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A run of an algorithm.
    Trajectory(Box<Trajectory>),
    /// Rows.
    Rows(Vec<Vec<Datum>>),
}

/// A finished job.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Its label.
    pub label: Label,
    /// What it found.
    pub outcome: Outcome,
    /// How long it took, in seconds: the only thing here that differs from run to
    /// run.
    pub seconds: f64,
}

impl Done {
    /// The trajectory, where it is one.
    pub fn trajectory(&self) -> Option<&Trajectory> {
        match &self.outcome {
            Outcome::Trajectory(trajectory) => Some(trajectory),
            Outcome::Rows(_) => None,
        }
    }
}

/// A table of values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a value for every column.
    pub rows: Vec<Vec<Datum>>,
}

/// A drawing of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Curves and points.
    Chart(Picture),
    /// A function of two variables.
    Landscape(Landscape),
    /// A grid with arrows.
    Grid(Grid),
}

impl Drawing {
    /// Its file name without ending.
    pub fn name(&self) -> &str {
        match self {
            Self::Chart(picture) => &picture.name,
            Self::Landscape(landscape) => &landscape.name,
            Self::Grid(grid) => &grid.name,
        }
    }

    /// As SVG.
    ///
    /// # Errors
    /// [`PictureError`] where there is nothing to draw.
    pub fn to_svg(&self) -> Result<String, PictureError> {
        match self {
            Self::Chart(picture) => picture.to_svg(),
            Self::Landscape(landscape) => landscape.to_svg(),
            Self::Grid(grid) => Ok(grid.to_svg()),
        }
    }

    /// As a figure of a page.
    ///
    /// # Errors
    /// As [`Drawing::to_svg`].
    pub fn to_figure(&self) -> Result<String, PictureError> {
        let (title, caption) = match self {
            Self::Chart(picture) => (&picture.title, &picture.caption),
            Self::Landscape(landscape) => (&landscape.title, &landscape.caption),
            Self::Grid(grid) => (&grid.title, &grid.caption),
        };
        Ok(figure(title, &self.to_svg()?, caption))
    }
}

/// What an experiment shows of its results.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presentation {
    /// The table that the experiment is about.
    pub summary: Table,
    /// What was found, a sentence each, with figures.
    pub findings: Vec<String>,
    /// Drawings, the most important first.
    pub drawings: Vec<Drawing>,
    /// A drawing of measured times, kept apart from what is the same in every run.
    pub times: Option<Picture>,
}

/// An experiment that can be run.
pub struct Plan {
    /// All its settings.
    pub settings: SettingValues,
    /// What there is to do; jobs do not depend on each other.
    pub jobs: Vec<Job>,
    /// Columns of rows that jobs measure, after those of their labels.
    pub columns: Vec<&'static str>,
    /// Shows what was found, also where some jobs did not finish.
    pub present: Present,
}

/// Whether all jobs finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// All did.
    No,
    /// Some did not.
    Yes,
}

/// Does the jobs of a plan on all cores; `finished` is called after each.
/// With an `interrupt`, jobs that have not finished are left out.
///
/// # Errors
/// The first error of a job, in the order of the plan.
pub fn run(
    plan: &Plan,
    finished: &(dyn Fn() + Sync),
    interrupt: &Interrupt,
) -> Result<(Vec<Done>, Interrupted), ExperimentError> {
    let work = |job: &Job| -> Result<Option<Done>, ExperimentError> {
        if interrupt.is_raised() {
            return Ok(None);
        }
        let start = Instant::now();
        let outcome = match &job.work {
            Work::Measure(rows) => Outcome::Rows(rows()?),
            Work::Solve { algorithm, task } => {
                let trajectory = solve(&**algorithm, &task()?, job.label.seed, &mut |_| interrupt.flow())?;
                if trajectory.stop == Stop::Interrupted {
                    return Ok(None);
                }
                Outcome::Trajectory(Box::new(trajectory))
            }
        };
        finished();
        Ok(Some(Done { label: job.label.clone(), outcome, seconds: start.elapsed().as_secs_f64() }))
    };
    let done: Vec<Option<Done>> = plan.jobs.par_iter().map(work).collect::<Result<_, _>>()?;
    let interrupted = if done.iter().any(Option::is_none) { Interrupted::Yes } else { Interrupted::No };
    Ok((done.into_iter().flatten().collect(), interrupted))
}
