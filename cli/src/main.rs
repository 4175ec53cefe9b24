//! `pemdp`: the command line of the exact reference for performative
//! reinforcement learning.
//!
//! The formats and exit statuses are those of `docs/oracle.md`. This package
//! only reads, calls the library and prints.

mod answer;
mod answer_table;
mod arguments;
mod arrays;
mod check;
mod eval;
mod example;
mod experiment;
mod import;
mod input;
mod layout;
mod lines;
mod numbers;
mod optimum;
mod output;
mod progress;
mod schema;
mod solve;
mod table;
mod verdict_table;
mod verify;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};
use output::{Status, print};

/// The status of a process that a closed pipe ended, as shells report it.
const BROKEN_PIPE: u8 = 141;

fn main() -> ExitCode {
    output::report_panics_in_one_line();
    output::end_on_interrupt();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) if message.use_stderr() => {
            output::complain(&in_a_line(&message.render().to_string()));
            return Status::Invalid.into();
        }
        Err(help) => {
            // Nobody is left to tell if this fails.
            let _ = help.print();
            return Status::Fine.into();
        }
    };
    match run(arguments) {
        Ok(status) => status.into(),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            output::complain(&format!("{error:#}"));
            Status::Invalid.into()
        }
    }
}

/// An error of usage without what `--help` says.
fn in_a_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told = lines.filter(|line| {
        !line.is_empty()
            && !["For more information", "tip: to pass"].iter().any(|start| line.starts_with(start))
    });
    let text = told.collect::<Vec<_>>().join(" ");
    format!("{}; see --help", text.trim_start_matches("error: "))
}

fn run(arguments: Arguments) -> anyhow::Result<Status> {
    match arguments.command {
        None => {
            print(&Arguments::command().render_long_help().to_string())?;
            Ok(Status::Fine)
        }
        Some(Command::Example(arguments)) => example::run(&arguments),
        Some(Command::Eval(arguments)) => eval::run(&arguments),
        Some(Command::Verify(arguments)) => verify::run(&arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Solve(arguments)) => solve::run(&arguments),
        Some(Command::Optimum(arguments)) => optimum::run(&arguments),
        Some(Command::Import(arguments)) => import::run(&arguments),
        Some(Command::Schema(arguments)) => schema::run(&arguments),
        Some(Command::Experiment(arguments)) => experiment::run(&arguments),
    }
}
