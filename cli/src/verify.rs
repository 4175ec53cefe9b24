//! `pemdp verify`: somebody's answer held against the exact one.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use pemdp::oracle::{Claimed, Tolerance, verify};
use pemdp::problem::{Problem, Reading};

use crate::answer::named;
use crate::arguments::VerifyArguments;
use crate::input::{self, Input};
use crate::layout::laid_out;
use crate::output::{Status, print, wants_table};
use crate::verdict_table::verdict_table;

/// Compares and prints the verdict.
///
/// # Errors
/// Begin with the name of the file that is not valid.
pub fn run(arguments: &VerifyArguments) -> anyhow::Result<Status> {
    let files = [Some(&arguments.problem), Some(&arguments.answer), arguments.previous.as_ref()];
    if files.into_iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!("standard input: can be only one of the files, and - was given more than once");
    }
    let reading = if arguments.exact { Reading::Exact } else { Reading::Doubles };
    let problem = problem(&arguments.problem, reading, arguments.normalise)?;
    let claimed = claimed(&arguments.answer, &problem)?;
    let previous = arguments
        .previous
        .as_deref()
        .map(|path| previous(path, &problem, (reading, arguments.normalise)))
        .transpose()?;
    let default = Tolerance::of(arguments.precision.into());
    let tolerance =
        Tolerance { rtol: arguments.rtol.unwrap_or(default.rtol), atol: arguments.atol, ..default };
    let verdict = named(&problem, verify(&problem, &claimed, previous.as_ref(), tolerance))
        .with_context(|| Input::named(&arguments.problem).name())?;
    let text = if wants_table(arguments.style) {
        verdict_table(&problem, &verdict, tolerance)
    } else {
        laid_out(&verdict)?
    };
    print(&text)?;
    Ok(if verdict.ok { Status::Fine } else { Status::Differs })
}

fn problem(path: &Path, reading: Reading, normalise: bool) -> anyhow::Result<Problem> {
    let input = Input::named(path);
    input::problem(&input.read_problem()?, reading, normalise, &input.name())
}

fn previous(
    path: &Path,
    problem: &Problem,
    (reading, normalise): (Reading, bool),
) -> anyhow::Result<Problem> {
    let previous = self::problem(path, reading, normalise)?;
    let shape = |problem: &Problem| (problem.n_states(), problem.n_actions());
    let ((states, actions), (expected_states, expected_actions)) = (shape(&previous), shape(problem));
    ensure!(
        shape(&previous) == shape(problem),
        "{}: policy: has {states} states and {actions} actions, expected {expected_states} and {expected_actions} as in the problem",
        Input::named(path).name()
    );
    Ok(previous)
}

fn claimed(path: &Path, problem: &Problem) -> anyhow::Result<Claimed> {
    let input = Input::named(path);
    let bytes = input.read()?;
    Claimed::from_bytes(&bytes, problem).with_context(|| input.name())
}
