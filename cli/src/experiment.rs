//! `pemdp experiment`: one experiment, its figures and its files.

use std::fmt::Write;

use anyhow::Context;
use pemdp_algorithms::SettingValues;
use pemdp_experiments::{Datum, EXPERIMENTS, Interrupted, Record, Table, experiment, run as run_plan};

use crate::answer_table::table;
use crate::arguments::ExperimentArguments;
use crate::layout::laid_out;
use crate::numbers::significant;
use crate::output::{Interrupts, Status, heading, print, wants_table};
use crate::progress;
use crate::solve::settings;
use crate::write::{writable, write_whole};

/// Runs an experiment, prints its figures and writes its files.
///
/// # Errors
/// An unknown name, a setting that makes no sense, a directory that cannot be
/// written: before the work.
pub fn run(arguments: &ExperimentArguments) -> anyhow::Result<Status> {
    let Some(name) = &arguments.name else {
        print(&if arguments.style.json { listed_as_json()? } else { listed()? })?;
        return Ok(Status::Fine);
    };
    let experiment = experiment(name)?;
    let plan = (experiment.plan)(&settings(&arguments.set)?, arguments.seed)?;
    if let Some(directory) = &arguments.out {
        writable(directory).with_context(|| directory.display().to_string())?;
    }
    let bar = progress::bar(plan.jobs.len() as u64, "runs");
    let interrupts = Interrupts::gather();
    let result = run_plan(&plan, &|| bar.step(), interrupts.flag());
    bar.end();
    let (done, interrupted) = result?;
    let record = Record::new(experiment, &plan, arguments.seed, done, interrupted)?;
    if wants_table(arguments.style) {
        print(&shown(&record, interrupted))?;
    } else {
        print(&laid_out(&record.to_json())?)?;
    }
    if let Some(directory) = &arguments.out {
        for (name, text) in record.files()? {
            let path = directory.join(&name);
            write_whole(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
        }
    }
    Ok(if interrupted == Interrupted::Yes { Status::Interrupted } else { Status::Fine })
}

fn shown(record: &Record, interrupted: Interrupted) -> String {
    let Table { columns, rows } = &record.presentation().summary;
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let mut text = table(&columns, rows, 0);
    for finding in &record.presentation().findings {
        let _ = writeln!(text, "- {finding}");
    }
    if interrupted == Interrupted::Yes {
        let _ = writeln!(text, "{}", heading("interrupted: these are the runs that had finished"));
    }
    text
}

fn cell(datum: &Datum) -> String {
    match datum.number() {
        Some(x) if !datum.is_count() => significant(x, 5),
        _ if datum.is_nothing() => String::new(),
        _ => datum.to_string(),
    }
}

fn listed() -> anyhow::Result<String> {
    let mut text = String::new();
    for experiment in EXPERIMENTS {
        let defaults = (experiment.plan)(&SettingValues::default(), 0)?.settings;
        let _ = writeln!(text, "{}\n  {}", heading(experiment.name), experiment.about);
        let width = experiment.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        for setting in experiment.settings {
            let _ = writeln!(
                text,
                "    {:width$}  {} [default: {}]",
                setting.name,
                setting.about,
                defaults.listed(setting.name).unwrap_or_default()
            );
        }
    }
    Ok(text)
}

fn listed_as_json() -> anyhow::Result<String> {
    let mut listed = Vec::new();
    for experiment in EXPERIMENTS {
        listed.push(serde_json::json!({
            "name": experiment.name,
            "about": experiment.about,
            "defaults": (experiment.plan)(&SettingValues::default(), 0)?.settings,
        }));
    }
    laid_out(&listed)
}
