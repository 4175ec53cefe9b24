//! What an experiment does: jobs, and how their results are shown.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::ExperimentError;
use super::datum::Datum;
use super::table::Table;
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

/// Does the jobs of a plan on all cores; `finished` is told after each how many seconds it
/// took. With an `interrupt`, jobs that have not finished are left out.
///
/// They are begun in an order in which the first ones are spread over the plan, so that
/// these tell how long the others take.
///
/// # Errors
/// The first error of a job, in the order of the plan.
pub fn run(
    plan: &Plan,
    finished: &(dyn Fn(f64) + Sync),
    interrupt: &Interrupt,
) -> Result<(Vec<Done>, Interrupted), ExperimentError> {
    let has_failed = AtomicBool::new(false);
    let work = |job: &Job| -> Result<Option<Done>, ExperimentError> {
        if interrupt.is_raised() || has_failed.load(Ordering::Relaxed) {
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
        let seconds = start.elapsed().as_secs_f64();
        finished(seconds);
        Ok(Some(Done { label: job.label.clone(), outcome, seconds }))
    };
    let observed = |i: usize| {
        let done = work(&plan.jobs[i]);
        has_failed.fetch_or(done.is_err(), Ordering::Relaxed);
        (i, done)
    };
    // Each thread takes the next job, where rayon would divide the list among them.
    let next = AtomicUsize::new(0);
    let order = spread(plan.jobs.len());
    let found = Mutex::new(Vec::with_capacity(order.len()));
    let take = || {
        while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = observed(i);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(take);
        }
    });
    let mut done = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    let done = done.into_iter().map(|(_, done)| done).collect::<Result<Vec<_>, _>>()?;
    let interrupted = if done.iter().any(Option::is_none) { Interrupted::Yes } else { Interrupted::No };
    Ok((done.into_iter().flatten().collect(), interrupted))
}

/// The numbers below `n` in an order whose beginnings are spread evenly over them.
fn spread(n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| i.reverse_bits());
    order
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn the_first_jobs_are_spread_over_the_plan() {
        assert_eq!(spread(8), [0, 4, 2, 6, 1, 5, 3, 7]);
        let mut all = spread(13);
        assert!(all[..4].iter().any(|i| *i >= 6));
        all.sort_unstable();
        assert_eq!(all, (0..13).collect::<Vec<_>>());
    }
}
