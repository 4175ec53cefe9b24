//! From the bytes of files to a problem.

use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::model::Model;
use super::number::Number;
use super::problem::problem;
use super::{csv, drn, npz, prism};

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table of transitions with a header: state, action, next, probability, reward, done
    Csv,
    /// NumPy arrays: transitions [s,a,t] or [a,s,t], or SciPy's CSR; rewards; gamma, initial, policy
    Npz,
    /// Storm's explicit format
    Drn,
    /// PRISM's explicit files: .tra with .lab, .srew, .trew, .sta
    Prism,
}

/// The order of the axes of three-dimensional arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Axes {
    /// [state, action, next state]
    Sat,
    /// [action, state, next state]
    Ast,
}

/// What the files do not say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The format; by the extension where it is not given.
    pub format: Option<Format>,
    /// The discount factor.
    pub gamma: Option<Number>,
    /// `uniform` or a state.
    pub initial: Option<String>,
    /// The order of axes.
    pub axes: Option<Axes>,
    /// Which of several rewards.
    pub rewards: Option<String>,
    /// Whether rows are divided by their sums.
    pub normalise: bool,
}

/// A file that has been read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, for messages and its extension.
    pub name: String,
    /// What it has.
    pub bytes: Vec<u8>,
}

impl Source {
    /// The extension in small letters.
    pub fn extension(&self) -> String {
        let extension = Path::new(&self.name).extension();
        extension.map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
    }

    /// The name without directory and extension.
    pub fn stem(&self) -> String {
        Path::new(&self.name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A problem, and what whoever asked for it should know.
#[derive(Debug)]
pub struct Conversion {
    /// The problem (pemdp-problem/1).
    pub problem: String,
    /// What is assumed, changed or dropped, a line each.
    pub notes: Vec<String>,
}

/// The problem that files are.
///
/// # Errors
/// One line: the file, the place, the value and what was expected.
pub fn convert(sources: Vec<Source>, options: &Options) -> anyhow::Result<Conversion> {
    let mut model = read(sources, options)?;
    let problem = problem(&mut model, options)?;
    let notes = model.notes.iter().map(|note| format!("{}: {note}", model.file)).collect();
    Ok(Conversion { problem, notes })
}

fn read(sources: Vec<Source>, options: &Options) -> anyhow::Result<Model> {
    let format = match options.format {
        Some(format) => format,
        None => guessed(&sources)?,
    };
    match format {
        Format::Npz => return npz::read(sources, options),
        Format::Prism => return prism::read(&sources, options),
        Format::Csv | Format::Drn => {}
    }
    let [source] = &sources[..] else {
        bail!("{} files are given, expected one", sources.len());
    };
    let model =
        if format == Format::Csv { csv::read(&source.bytes) } else { drn::read(&source.bytes, options) };
    let model = model.with_context(|| source.name.clone())?;
    Ok(Model { file: source.name.clone(), ..model })
}

/// The format of files by their extensions.
fn guessed(sources: &[Source]) -> anyhow::Result<Format> {
    let formats = sources.iter().map(|source| {
        Ok(match source.extension().as_str() {
            "csv" | "tsv" | "txt" => Format::Csv,
            "npz" | "npy" => Format::Npz,
            "drn" => Format::Drn,
            "tra" | "lab" | "sta" | "srew" | "trew" | "rew" => Format::Prism,
            _ => bail!(
                "{}: has another extension than .csv, .tsv, .npz, .npy, .drn, .tra, .lab, .srew, .trew, .sta, expected --format",
                source.name
            ),
        })
    });
    let formats = formats.collect::<anyhow::Result<Vec<Format>>>()?;
    match formats.first() {
        Some(first) if formats.iter().all(|format| format == first) => Ok(*first),
        _ => bail!("the files have different formats, expected one, or --format"),
    }
}
