//! `pemdp`: the command line of the exact reference for performative
//! reinforcement learning.
//!
//! The formats and exit statuses are those of `docs/oracle.md`. This package
//! only reads, calls the library and prints.

mod answer;
mod answer_table;
mod arguments;
mod check;
mod eval;
mod example;
mod experiment;
mod input;
mod layout;
mod lines;
mod numbers;
mod optimum;
mod output;
mod progress;
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
        Err(message) => {
            // Help and usage errors; nobody is left to tell if this fails.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2));
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
        Some(Command::Experiment(arguments)) => experiment::run(&arguments),
    }
}
