//! `pemdp solve`: one algorithm on one problem.

use std::fmt::Write;

use anyhow::{Context, anyhow, bail};
use pemdp::problem::Reading;
use pemdp_algorithms::{
    ALGORITHMS, Algorithm, Entry, Iterate, SettingValues, Task, Trajectory, algorithm, solve,
};
use serde_json::{Map, Value};

use crate::arguments::SolveArguments;
use crate::example::source;
use crate::input::problem;
use crate::layout::laid_out;
use crate::numbers::significant;
use crate::output::{Interrupts, Status, heading, print, wants_table};
use crate::progress;
use crate::table::{table, wrapped};

/// A table shows about this many iterates.
const ITERATES_SHOWN: usize = 20;

/// Runs an algorithm and prints its trajectory.
///
/// # Errors
/// An invalid problem or setting, before any work.
pub fn run(arguments: &SolveArguments) -> anyhow::Result<Status> {
    if arguments.list {
        print(&if arguments.style.json { listed_as_json()? } else { listed()? })?;
        return Ok(Status::Fine);
    }
    let Some(name) = &arguments.algorithm else { bail!("expected --algorithm NAME; --list lists them") };
    let algorithm = algorithm(name, &settings(&arguments.set)?)?;
    let (name, bytes) = source(arguments.example.as_deref(), arguments.file.as_deref())?;
    let problem = problem(&bytes, Reading::Doubles, arguments.normalise, &name)?;
    let mut task = Task::new(&problem).with_context(|| name.clone())?;
    task.keeps_parameters = arguments.parameters;
    let trajectory = run_showing_progress(&*algorithm, &task, arguments.seed).with_context(|| name)?;
    if wants_table(arguments.style) {
        print(&shown(&trajectory))?;
    } else {
        print(&laid_out(&trajectory.to_json())?)?;
    }
    let interrupted = trajectory.stop == pemdp_algorithms::Stop::Interrupted;
    Ok(if interrupted { Status::Interrupted } else { Status::Fine })
}

fn run_showing_progress(algorithm: &dyn Algorithm, task: &Task, seed: u64) -> anyhow::Result<Trajectory> {
    let steps = algorithm.settings().listed("iterations").and_then(|n| n.parse().ok()).unwrap_or(0);
    let bar = progress::bar(steps, "iterations");
    let interrupts = Interrupts::gather();
    let trajectory = solve(algorithm, task, seed, &mut |iterate: &Iterate| {
        bar.reach(iterate.iteration as u64);
        bar.say(&format!("value {}", significant(iterate.value, 6)));
        interrupts.flag().flow()
    });
    bar.end();
    Ok(trajectory?)
}

/// Settings from `name=value`, a value being JSON where it can be read so and
/// text otherwise.
///
/// # Errors
/// What has no `=`, and what is set twice.
pub fn settings(given: &[String]) -> anyhow::Result<SettingValues> {
    let mut settings: Vec<(&str, &str)> = Vec::new();
    for pair in given {
        let (name, value) =
            pair.split_once('=').with_context(|| anyhow!("--set {pair}: expected NAME=VALUE"))?;
        if settings.iter().any(|(before, _)| *before == name) {
            bail!("--set {pair}: {name} is set twice");
        }
        settings.push((name, value));
    }
    Ok(SettingValues::of_texts(settings))
}

fn listed() -> anyhow::Result<String> {
    let mut text = String::new();
    for entry in ALGORITHMS {
        let about = wrapped(&format!("  {}; {}", entry.about, entry.source), 2);
        let _ = writeln!(text, "{}\n{about}", heading(entry.name));
        let defaults = defaults(entry)?;
        let width = entry.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        for setting in entry.settings {
            let default = defaults.listed(setting.name).unwrap_or_default();
            let line = format!("    {:width$}  {} [default: {default}]", setting.name, setting.about);
            let _ = writeln!(text, "{}", wrapped(&line, width + 6));
        }
    }
    Ok(text)
}

fn defaults(entry: &Entry) -> anyhow::Result<SettingValues> {
    Ok((entry.build)(&SettingValues::default())?.settings())
}

fn listed_as_json() -> anyhow::Result<String> {
    let listed = |entry: &Entry| -> anyhow::Result<Value> {
        let settings: Map<String, Value> =
            entry.settings.iter().map(|setting| (setting.name.to_owned(), setting.about.into())).collect();
        Ok(serde_json::json!({
            "name": entry.name,
            "about": entry.about,
            "source": entry.source,
            "settings": settings,
            "defaults": defaults(entry)?,
        }))
    };
    laid_out(&ALGORITHMS.iter().map(listed).collect::<anyhow::Result<Vec<_>>>()?)
}

/// The trajectory as a table.
fn shown(trajectory: &Trajectory) -> String {
    let iterates = &trajectory.iterates;
    let last = iterates.len().saturating_sub(1);
    let every = (last / ITERATES_SHOWN).max(1);
    let is_shown = |iterate: &&Iterate| iterate.iteration.is_multiple_of(every) || iterate.iteration == last;
    let rows = iterates.iter().filter(is_shown).map(row).collect();
    let columns = [
        "iterate",
        "value",
        "regularised",
        "||gradient||",
        "policy entropy",
        "deployments",
        "samples",
        "kinks",
    ];
    let mut text = table(&columns, rows, 0);
    let word = trajectory.stop.word();
    let end = wrapped(&format!("{word}: {}", trajectory.stop.reason()), 2);
    let _ = writeln!(text, "\n{}{}", heading(word), end.strip_prefix(word).unwrap_or_default());
    if let Some(best) = trajectory.best() {
        let _ = writeln!(text, "largest value {} at iterate {}", significant(best.value, 9), best.iteration);
    }
    for warning in &trajectory.warnings {
        let _ = writeln!(text, "{}", wrapped(&format!("warning: {warning}"), 2));
    }
    text
}

fn row(iterate: &Iterate) -> Vec<String> {
    vec![
        iterate.iteration.to_string(),
        significant(iterate.value, 8),
        significant(iterate.regularised_value, 8),
        significant(iterate.gradient_norm, 3),
        significant(iterate.policy_entropy, 3),
        iterate.cost.deployments.to_string(),
        iterate.cost.samples.to_string(),
        iterate.kinks.to_string(),
    ]
}
