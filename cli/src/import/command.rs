//! The command.

use std::path::Path;

use anyhow::{Context, bail};

use super::conversion::{Conversion, Options, Source, convert};
use crate::arguments::ImportArguments;
use crate::input::Input;
use crate::output::{Status, complain, print};
use crate::write::{beside, write_whole};

/// Reads the files of a model and prints it as a problem.
///
/// # Errors
/// Begin with the name of the file.
pub fn run(arguments: &ImportArguments) -> anyhow::Result<Status> {
    if arguments.files.iter().filter(|file| file.as_os_str() == "-").count() > 1 {
        bail!("- is given twice, expected it once");
    }
    let sources = arguments.files.iter().map(|file| source(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let options = Options {
        format: arguments.format,
        gamma: arguments.gamma.clone(),
        initial: arguments.initial.clone(),
        axes: arguments.axes,
        rewards: arguments.rewards.clone(),
        normalise: arguments.normalise,
    };
    let Conversion { problem, notes } = convert(sources, &options)?;
    match &arguments.output {
        Some(path) => {
            write_whole(&beside(path), problem.as_bytes()).with_context(|| path.display().to_string())?;
        }
        None => print(&problem)?,
    }
    notes.iter().for_each(|note| complain(note));
    Ok(Status::Fine)
}

fn source(path: &Path) -> anyhow::Result<Source> {
    let input = Input::named(path);
    Ok(Source { bytes: input.read()?, name: input.name() })
}
