//! `pemdp experiment`: one experiment, its figures and its files.

use std::fmt::Write;

use anyhow::Context;
use pemdp_algorithms::SettingValues;
use pemdp_experiments::{Datum, EXPERIMENTS, Interrupted, Record, Table, experiment, run as run_plan};

use crate::arguments::ExperimentArguments;
use crate::layout::laid_out;
use crate::numbers::significant;
use crate::output::{Interrupts, Status, heading, print, wants_table};
use crate::progress::{self, Estimate};
use crate::solve::settings;
use crate::table::{keyed_table, wrapped};
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
    let quick = if arguments.quick { experiment.quick_settings() } else { SettingValues::default() };
    let given = quick.overridden_by(&settings(&arguments.set)?);
    let plan = (experiment.plan)(&given, arguments.seed)?;
    if let Some(directory) = &arguments.out {
        writable(directory).with_context(|| directory.display().to_string())?;
    }
    let bar = progress::bar(plan.jobs.len() as u64, "runs");
    let interrupts = Interrupts::gather();
    let estimate = Estimate::of(plan.jobs.len(), rayon::current_num_threads());
    let hint = if given == SettingValues::default() { "; --quick ends in about a minute" } else { "" };
    let finished = |seconds: f64| {
        bar.step();
        estimate.note(seconds, hint, &bar);
    };
    let result = run_plan(&plan, &finished, interrupts.flag());
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
    let summary = &record.presentation().summary;
    let columns: Vec<String> = summary.columns.iter().map(|name| name.replace('_', " ")).collect();
    let is_same = |i: usize| summary.rows.iter().all(|row| row.get(i) == summary.rows[0].get(i));
    let (same, told): (Vec<usize>, Vec<usize>) =
        (0..columns.len()).partition(|&i| i >= summary.keys && summary.rows.len() > 1 && is_same(i));
    let cells = |row: &Vec<Datum>| told.iter().map(|&i| cell(summary, i, &row[i])).collect();
    let headings: Vec<&str> = told.iter().map(|&i| columns[i].as_str()).collect();
    let mut text = keyed_table(&headings, summary.rows.iter().map(cells).collect(), 0, summary.keys);
    let everywhere: Vec<String> = same
        .into_iter()
        .filter(|&i| !summary.rows[0][i].is_nothing())
        .map(|i| format!("{} {}", columns[i], cell(summary, i, &summary.rows[0][i])))
        .collect();
    if !everywhere.is_empty() {
        let _ = writeln!(text, "{}", wrapped(&format!("in every row: {}", everywhere.join(", ")), 2));
    }
    for finding in &record.presentation().findings {
        let _ = writeln!(text, "{}", wrapped(&format!("- {finding}"), 2));
    }
    if interrupted == Interrupted::Yes {
        let _ = writeln!(text, "{}", heading("interrupted: these are the runs that had finished"));
    }
    let _ = writeln!(text, "again: {}", record.command());
    text
}

fn cell(table: &Table, column: usize, datum: &Datum) -> String {
    match datum.number() {
        Some(x) if !datum.is_count() && table.has_counts(column) => format!("{x:.0}"),
        Some(x) if !datum.is_count() => significant(x, 5),
        _ if datum.is_nothing() => String::new(),
        _ => datum.to_string(),
    }
}

fn listed() -> anyhow::Result<String> {
    let mut text = String::new();
    for experiment in EXPERIMENTS {
        let defaults = experiment.all_settings(&SettingValues::default())?;
        let quick = experiment.quick_settings();
        let about = wrapped(&format!("  {}", experiment.about), 2);
        let _ = writeln!(text, "{}\n{about}", heading(experiment.name));
        let width = experiment.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        for setting in experiment.settings {
            let default = defaults.listed(setting.name).unwrap_or_default();
            let quick =
                quick.listed(setting.name).map_or_else(String::new, |value| format!("; quick: {value}"));
            let line = format!("    {:width$}  {} [default: {default}{quick}]", setting.name, setting.about);
            let _ = writeln!(text, "{}", wrapped(&line, width + 6));
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
            "defaults": experiment.all_settings(&SettingValues::default())?,
            "quick": experiment.quick_settings(),
        }));
    }
    laid_out(&listed)
}
