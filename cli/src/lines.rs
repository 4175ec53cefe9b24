//! `pemdp eval` with one problem a line.
//!
//! A thread reads lines and hands each to a pool; answers are written in the
//! order of the lines, each as soon as it can be. Only a few lines a worker are
//! in flight, so memory does not grow with the input.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::available_parallelism;

use anyhow::Context;
use pemdp::problem::{Problem, Reading};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::json;

use crate::answer::answer;
use crate::arrays::with_arrays;
use crate::input::{Input, Line, Lines, problems};
use crate::output::{Status, complain, print};
use crate::progress;

/// Lines in flight for each worker.
const IN_FLIGHT: usize = 4;

/// The answer to a line as compact JSON, or why there is none.
type Outcome = Result<String, String>;

/// A line whose answer is on its way.
struct Pending {
    number: usize,
    outcome: Receiver<Outcome>,
}

/// Evaluates one problem a line and prints one answer a line.
///
/// # Errors
/// Those of reading and writing; a line that is not valid is not one.
pub fn run(input: &Input, reading: Reading, normalise: bool, jobs: Option<u16>) -> anyhow::Result<Status> {
    let jobs = jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let pool = ThreadPoolBuilder::new().num_threads(jobs).panic_handler(|_| ()).build()?;
    let lines = input.lines()?;
    let (sender, receiver) = sync_channel(IN_FLIGHT * jobs);
    // Not joined: it may wait for standard input after our reader went away.
    let source = input.clone();
    std::thread::spawn(move || hand_out(lines, &pool, (reading, normalise, &source), &sender));
    let failed = write_in_order(&input.name(), &receiver)?;
    let Some(Failed { first, count }) = failed else { return Ok(Status::Fine) };
    let others = match count {
        1 => String::new(),
        _ => format!(" ({count} lines have no answer, this is the first)"),
    };
    complain(&format!("{}: {first}{others}", input.name()));
    Ok(Status::Invalid)
}

/// Hands each line to the pool, and the place of its answer to the writer.
fn hand_out(
    lines: Lines,
    pool: &ThreadPool,
    (reading, normalise, input): (Reading, bool, &Input),
    writer: &SyncSender<io::Result<Pending>>,
) {
    for line in lines {
        let pending = line.map(|line| {
            let (sender, outcome) = sync_channel(1);
            let number = line.number;
            // The receiver is gone only where the process is about to end.
            let input = input.clone();
            pool.spawn(move || drop(sender.send(outcome_of(line, reading, normalise, &input))));
            Pending { number, outcome }
        });
        let is_end = pending.is_err();
        if writer.send(pending).is_err() || is_end {
            return;
        }
    }
}

/// The answers of a line, one for each of its policies.
fn outcome_of(line: Line, reading: Reading, normalise: bool, input: &Input) -> Outcome {
    let bytes = line.bytes.ok_or("longer than 1 GiB")?;
    let bytes = with_arrays(bytes, input.folder()).map_err(|error| format!("{error:#}"))?;
    // The name stands before the error already.
    let problems = problems(&bytes, reading, normalise, &format!("{}: line {}", input.name(), line.number));
    let problems = problems.map_err(|error| on_one_line(&error.root_cause().to_string()))?;
    let of_problem = |problem: &Problem| {
        let answer = answer(problem, reading).map_err(|error| error.to_string())?;
        serde_json::to_string(&answer).map_err(|error| error.to_string())
    };
    Ok(problems.iter().map(of_problem).collect::<Result<Vec<String>, String>>()?.join("\n"))
}

/// The error of a line without the number of a line in it, which is always 1.
fn on_one_line(error: &str) -> String {
    match error.rsplit_once(" at line 1 column ") {
        Some((what, column)) if column.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{what}, column {column}")
        }
        _ => error.to_owned(),
    }
}

/// Lines without an answer.
struct Failed {
    /// What is wrong with the first one.
    first: String,
    /// How many there are.
    count: usize,
}

fn write_in_order(name: &str, receiver: &Receiver<io::Result<Pending>>) -> anyhow::Result<Option<Failed>> {
    let mut failed: Option<Failed> = None;
    let progress = progress::lines();
    for pending in receiver {
        let Pending { number, outcome } = pending.with_context(|| name.to_owned())?;
        let outcome = outcome.recv().unwrap_or_else(|_| Err("internal error".to_owned()));
        let mut text = outcome.unwrap_or_else(|error| {
            let error = format!("line {number}: {error}");
            let text = json!({ "error": error }).to_string();
            failed.get_or_insert(Failed { first: error, count: 0 }).count += 1;
            text
        });
        text.push('\n');
        print(&text)?;
        progress.step();
    }
    progress.end();
    Ok(failed)
}
