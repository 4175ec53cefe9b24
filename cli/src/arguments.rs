//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pemdp::oracle::Precision;
use pemdp_algorithms::ALGORITHMS;

use crate::import::conversion::{Axes, Format};
use crate::import::number::Number;

/// The example on the first screen.
const ONE_EXAMPLE: &str = "\
Example: a problem whose exact gradient is (3/16, 1/16), where the printed
policy-gradient theorem gives (0, 0)
  pemdp example two-state > problem.json
  pemdp eval problem.json
  pemdp example two-state | pemdp eval --exact -

A FILE of - is standard input. Output is JSON on a pipe or with --json, else a table. Exit status:
0 fine, 1 an answer differs or a claim has not its verdict, 2 invalid input, 130 interrupted.";

/// Exact reference for performative reinforcement learning.
///
/// Evaluates a policy in the environment that the policy itself induces, gives
/// the performative gradient by terms, and holds other people's numbers against
/// the exact ones. Every number comes with a proven error bound.
#[derive(Debug, Parser)]
#[command(name = "pemdp", version, after_help = ONE_EXAMPLE, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a ready problem, or list them
    Example(ExampleArguments),
    /// Evaluate a problem exactly and print the answer
    Eval(EvalArguments),
    /// Hold somebody's answer against the exact one and name the mistake
    Verify(VerifyArguments),
    /// Run the theory suite: a verdict and its evidence for each claim
    Check(CheckArguments),
    /// Run one algorithm and print its trajectory, every iterate evaluated exactly
    Solve(SolveArguments),
    /// Find the performative optimum, with a proven upper bound
    Optimum(OptimumArguments),
    /// Turn a CSV, NPZ, DRN or PRISM file into a problem
    Import(ImportArguments),
    /// Print the JSON Schema of problems or of answers
    Schema(SchemaArguments),
    /// Reproduce a named experiment of the literature on the true environment, or list them
    Experiment(ExperimentArguments),
}

/// How an answer is printed: JSON on a pipe and a table on a terminal, unless
/// said.
#[derive(Debug, Clone, Copy, Args)]
pub struct Style {
    /// Print JSON, also on a terminal
    #[arg(long, conflicts_with = "table")]
    pub json: bool,
    /// Print a table, also on a pipe
    #[arg(long)]
    pub table: bool,
}

/// Arguments of `pemdp example`.
#[derive(Debug, Args)]
pub struct ExampleArguments {
    /// Which problem; all names are listed where it is left out
    pub name: Option<String>,
    /// List as JSON (a problem is JSON in any case)
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `pemdp eval`.
#[derive(Debug, Args)]
pub struct EvalArguments {
    /// Problem (pemdp-problem/1); - is standard input; a .jsonl file has one problem a line
    #[arg(required_unless_present = "example")]
    pub file: Option<PathBuf>,
    /// Evaluate the ready problem of this name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub example: Option<String>,
    /// Compute with fractions; a decimal such as 0.1 then means one tenth
    #[arg(long)]
    pub exact: bool,
    /// Read one problem a line, as from a .jsonl file, and print one answer a line
    #[arg(long, conflicts_with_all = ["table", "example"])]
    pub lines: bool,
    /// How many lines are evaluated at a time [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Divide rows of probabilities that sum to 1 within 1e-3 by their sums, and say so
    #[arg(long)]
    pub normalise: bool,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Problem (pemdp-problem/1)
    pub problem: PathBuf,
    /// Answer (pemdp-answer/1) with any of value, state_values, action_values, occupancy, gradient
    pub answer: PathBuf,
    /// Problem whose policy was deployed before, for stale-environment [default: uniform policy]
    #[arg(long, value_name = "PROBLEM")]
    pub previous: Option<PathBuf>,
    /// Tolerance relative to the largest expected entry of a quantity [default: 1e-6, or 1e-4 with float32]
    #[arg(long, value_parser = tolerance, allow_negative_numbers = true)]
    pub rtol: Option<f64>,
    /// Absolute tolerance
    #[arg(long, default_value = "0", value_parser = tolerance, allow_negative_numbers = true)]
    pub atol: f64,
    /// Read the decimals of the problem as they are spelled, as eval --exact does
    #[arg(long)]
    pub exact: bool,
    /// Numbers that the answer was computed in
    #[arg(long, value_enum, default_value_t)]
    pub precision: AnswerPrecision,
    /// Divide rows of probabilities that sum to 1 within 1e-3 by their sums, and say so
    #[arg(long)]
    pub normalise: bool,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Which claims, by id; all where none is given
    #[arg(value_name = "CLAIM")]
    pub claims: Vec<String>,
    /// List the claims
    #[arg(long)]
    pub list: bool,
    /// Draw this many random instances for each claim; reproducible to the byte
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_INSTANCES), allow_negative_numbers = true)]
    pub instances: Option<u64>,
    /// Draw instances for about this long in all; mutants take a little more [default: 45]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "instances", allow_negative_numbers = true)]
    pub budget: Option<f64>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Leave out the wrong versions of the claims
    #[arg(long)]
    pub no_mutants: bool,
    /// Write the report (report.html, report.json, pictures, certificates) into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp solve`.
#[derive(Debug, Args)]
#[command(after_help = algorithms())]
pub struct SolveArguments {
    /// Problem (pemdp-problem/1) whose policy is deployed first; - is standard input
    #[arg(required_unless_present_any = ["example", "list"])]
    pub file: Option<PathBuf>,
    /// Start from the ready problem of this name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub example: Option<String>,
    /// Which algorithm
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    pub algorithm: Option<String>,
    /// Change a setting; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Print the parameters of every iterate, so that each can be evaluated again
    #[arg(long)]
    pub parameters: bool,
    /// List the algorithms with their settings
    #[arg(long)]
    pub list: bool,
    /// Divide rows of probabilities that sum to 1 within 1e-3 by their sums, and say so
    #[arg(long)]
    pub normalise: bool,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp optimum`.
#[derive(Debug, Args)]
pub struct OptimumArguments {
    /// Problem (pemdp-problem/1); its policy says how policies are parametrised; - is standard input
    #[arg(required_unless_present = "example")]
    pub file: Option<PathBuf>,
    /// Take the ready problem of this name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub example: Option<String>,
    /// Stop when the upper bound exceeds the value by at most this
    #[arg(long, default_value = "1e-6", value_parser = tolerance, allow_negative_numbers = true)]
    pub gap: f64,
    /// Or by at most this share of the largest value that the rewards allow
    #[arg(long, value_name = "GAP", default_value = "1e-12", value_parser = tolerance, allow_negative_numbers = true)]
    pub relative_gap: f64,
    /// Use this time, and stop with the gap reached [default: 60 at most]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub budget: Option<f64>,
    /// Parameters of exponential families lie in [-BOUND, BOUND]; all of them and their limits if not given
    #[arg(long, value_parser = tolerance, allow_negative_numbers = true)]
    pub bound: Option<f64>,
    /// Write a certificate of an upper bound, for check_optimum.py to check, into this file
    #[arg(long, value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The certified upper bound exceeds the value by at most this
    #[arg(long, value_name = "GAP", default_value = "1e-5", value_parser = tolerance, allow_negative_numbers = true)]
    pub certificate_gap: f64,
    /// Seed of the random starts of ascent
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Divide rows of probabilities that sum to 1 within 1e-3 by their sums, and say so
    #[arg(long)]
    pub normalise: bool,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp experiment`.
#[derive(Debug, Args)]
pub struct ExperimentArguments {
    /// Which experiment; all names with their settings are listed where it is left out
    pub name: Option<String>,
    /// Write NAME.csv, NAME.json, NAME.html and pictures into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Take smaller settings, with which every experiment ends within about a minute; --set overrides them
    #[arg(long, requires = "name")]
    pub quick: bool,
    /// Change a setting; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random choice; runs that differ in their seed count up from it
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// How to print it.
    #[command(flatten)]
    pub style: Style,
}

/// Arguments of `pemdp import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The files of one model: a table (.csv, .tsv), NumPy arrays (.npz, .npy), Storm's .drn, or PRISM's .tra with
    /// .lab, .srew, .trew; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The format [default: by the extension]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write the problem into this file
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The discount factor; needed where the file has none
    #[arg(long, value_name = "G", value_parser = numeral, allow_negative_numbers = true)]
    pub gamma: Option<Number>,
    /// The initial state, or the uniform distribution [default: what the file says, else state 0]
    #[arg(long, value_name = "uniform|STATE")]
    pub initial: Option<String>,
    /// The order of the axes of arrays: state, action, next state, or action, state, next state
    #[arg(long, value_enum)]
    pub axes: Option<Axes>,
    /// Which rewards, where there are several: the name of a reward model, file or array
    #[arg(long, value_name = "NAME")]
    pub rewards: Option<String>,
    /// Divide each row of probabilities by its sum
    #[arg(long)]
    pub normalise: bool,
}

/// Arguments of `pemdp schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Of which format
    #[arg(value_enum)]
    pub of: Schema,
}

/// A format with a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Schema {
    /// Problems (pemdp-problem/1)
    Problem,
    /// Answers (pemdp-answer/1)
    Answer,
}

/// The algorithms, for the help.
fn algorithms() -> String {
    let width = ALGORITHMS.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut text = "Algorithms (pemdp solve --list shows their settings and defaults):".to_owned();
    for entry in ALGORITHMS {
        text.push_str(&format!("\n  {:width$}  {}", entry.name, entry.about));
        let names: Vec<&str> = entry.settings.iter().map(|setting| setting.name).collect();
        text.push_str(&format!("\n  {:width$}  settings: {}", "", names.join(", ")));
    }
    text
}

/// More instances than anybody waits for.
const MOST_INSTANCES: u64 = 100_000_000;

fn numeral(text: &str) -> Result<Number, String> {
    Number::spelled(text).map_err(|expected| format!("expected {expected}"))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok(number),
        _ => Err("expected seconds above 0 and at most 1e6".to_owned()),
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("expected a number that is at least 0".to_owned()),
    }
}

/// The floating-point numbers that an answer was computed in.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum AnswerPrecision {
    /// 64 bits
    #[default]
    Float64,
    /// 32 bits
    Float32,
}

impl From<AnswerPrecision> for Precision {
    fn from(precision: AnswerPrecision) -> Self {
        match precision {
            AnswerPrecision::Float64 => Self::Double,
            AnswerPrecision::Float32 => Self::Single,
        }
    }
}
