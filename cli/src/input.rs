//! Files and standard input, with their names for messages.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pemdp::problem::{Normalised, Problem, Reading};

use crate::arrays::with_arrays;
use crate::output::complain;

/// The largest problem or answer that is read, in bytes; for a file with one
/// problem a line, the longest line.
pub const LIMIT: u64 = 1 << 30;

/// Where something is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// The input that an argument names.
    pub fn named(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Standard } else { Self::File(path.to_owned()) }
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Standard => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Whether its name says that it has one problem a line.
    pub fn has_lines(&self) -> bool {
        matches!(self, Self::File(path) if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl")))
    }

    /// All of it.
    ///
    /// # Errors
    /// Begin with the name.
    pub fn read(&self) -> anyhow::Result<Vec<u8>> {
        self.read_bytes().with_context(|| self.name())
    }

    /// All of a problem, with its arrays that stand in files beside it.
    ///
    /// # Errors
    /// Begin with the name.
    pub fn read_problem(&self) -> anyhow::Result<Vec<u8>> {
        with_arrays(self.read()?, self.folder()).with_context(|| self.name())
    }

    /// The folder that it is in; of standard input, the one at work.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Standard => Path::new(""),
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
        }
    }

    fn read_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let Self::File(path) = self else {
            return read_within_limit(io::stdin().lock());
        };
        let length = length_of(path)?;
        if length > LIMIT {
            bail!("has {length} bytes, expected at most {LIMIT} (1 GiB)");
        }
        read_within_limit(File::open(path)?)
    }

    /// Opens it for reading line by line.
    ///
    /// # Errors
    /// Begin with the name.
    pub fn lines(&self) -> anyhow::Result<Lines> {
        Ok(Lines { source: self.open().with_context(|| self.name())?, number: 0 })
    }

    fn open(&self) -> anyhow::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::Standard => Box::new(BufReader::new(io::stdin())),
            Self::File(path) => {
                length_of(path)?;
                Box::new(BufReader::with_capacity(1 << 16, File::open(path)?))
            }
        })
    }
}

/// The length of a file; an error for what is not one. Pipes and devices have
/// length 0 and are read up to the limit.
fn length_of(path: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        bail!("is a directory, expected a file");
    }
    Ok(metadata.len())
}

fn read_within_limit(source: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        bail!("has more than {LIMIT} bytes (1 GiB)");
    }
    Ok(bytes)
}

/// The problem in the bytes of an input; with `normalise` what was divided is told.
///
/// # Errors
/// Begin with the name.
pub fn problem(bytes: &[u8], reading: Reading, normalise: bool, name: &str) -> anyhow::Result<Problem> {
    if !normalise {
        return Problem::from_bytes(bytes, reading).with_context(|| name.to_owned());
    }
    let (problem, normalised) =
        Problem::from_bytes_normalised(bytes, reading).with_context(|| name.to_owned())?;
    for Normalised { path, rows, most, change } in normalised {
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        complain(&format!(
            "{name}: {path}: {rows} divided by the sum, the largest change is {change:.1e}, in {most}"
        ));
    }
    Ok(problem)
}

/// The problems in the bytes of an input, one for each of its policies; with `normalise` of one
/// policy only.
///
/// # Errors
/// Begin with the name.
pub fn problems(bytes: &[u8], reading: Reading, normalise: bool, name: &str) -> anyhow::Result<Vec<Problem>> {
    if normalise {
        return Ok(vec![problem(bytes, reading, true, name)?]);
    }
    Problem::all_from_bytes(bytes, reading).with_context(|| name.to_owned())
}

/// The lines of an input that are not blank.
pub struct Lines {
    source: Box<dyn BufRead + Send>,
    number: usize,
}

/// A line with its number, which counts from 1 and includes blank lines.
pub struct Line {
    /// Its number.
    pub number: usize,
    /// Its bytes; `None` if it is too long.
    pub bytes: Option<Vec<u8>>,
}

impl Lines {
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            if self.source.by_ref().take(LIMIT + 1).read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let number = self.number;
            if bytes.len() as u64 > LIMIT && bytes.last() != Some(&b'\n') {
                self.source.skip_until(b'\n')?;
                return Ok(Some(Line { number, bytes: None }));
            }
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some(Line { number, bytes: Some(bytes) }));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}
