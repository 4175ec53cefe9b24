//! `pemdp example`: ready problems.

use std::path::Path;

use anyhow::bail;
use pemdp::oracle::examples::{EXAMPLES, Example, example};
use pemdp_algorithms::UnknownName;
use serde::Serialize;

use crate::arguments::ExampleArguments;
use crate::input::Input;
use crate::output::{Status, print};
use crate::table::wrapped;

/// Prints a ready problem, or the list of them.
///
/// # Errors
/// An unknown name.
pub fn run(arguments: &ExampleArguments) -> anyhow::Result<Status> {
    let text = match &arguments.name {
        Some(name) => named(name)?.to_json(),
        None if arguments.json => listed_as_json()?,
        None => listed(),
    };
    print(&text)?;
    Ok(Status::Fine)
}

/// The ready problem of a name.
///
/// # Errors
/// Names what there is.
pub fn named(name: &str) -> anyhow::Result<&'static Example> {
    let names = || EXAMPLES.iter().map(|example| example.name).collect::<Vec<_>>();
    Ok(example(name).ok_or_else(|| UnknownName::new("example", name, &names()))?)
}

/// A problem that a command is given: the ready one of a name, or a file. Its name
/// for messages, and its bytes.
///
/// # Errors
/// An unknown name, or a file that cannot be read.
pub fn source(example: Option<&str>, file: Option<&Path>) -> anyhow::Result<(String, Vec<u8>)> {
    match (example, file) {
        (Some(name), _) => Ok((format!("example {name}"), named(name)?.to_json().into_bytes())),
        (None, Some(path)) => {
            let input = Input::named(path);
            Ok((input.name(), input.read_problem()?))
        }
        (None, None) => bail!("expected FILE or --example NAME"),
    }
}

fn listed() -> String {
    let width = EXAMPLES.iter().map(|example| example.name.len()).max().unwrap_or(0);
    let line = |example: &Example| format!("{:width$}  {}", example.name, example.about);
    EXAMPLES.iter().map(|example| wrapped(&line(example), width + 2) + "\n").collect()
}

fn listed_as_json() -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Entry {
        name: &'static str,
        about: &'static str,
    }
    let entries: Vec<Entry> = EXAMPLES.iter().map(|e| Entry { name: e.name, about: e.about }).collect();
    crate::layout::laid_out(&entries)
}
