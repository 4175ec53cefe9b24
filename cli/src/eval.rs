//! `pemdp eval`: problems in, exact answers out.

use anyhow::{Context, bail};
use pemdp::problem::{Problem, Reading};

use crate::answer::{AnyAnswer, answer};
use crate::answer_table::{Shown, answer_table};
use crate::arguments::EvalArguments;
use crate::example::source;
use crate::input::{Input, problems};
use crate::layout::laid_out;
use crate::lines;
use crate::output::{Status, print, wants_table};

/// Evaluates one problem, or one a line.
///
/// # Errors
/// Begin with the name of the input.
pub fn run(arguments: &EvalArguments) -> anyhow::Result<Status> {
    let reading = reading(arguments.exact);
    if let (None, Some(path)) = (&arguments.example, &arguments.file) {
        let input = Input::named(path);
        if arguments.lines || input.has_lines() {
            if arguments.style.table {
                bail!("{}: has one problem a line, which has no table; leave out --table", input.name());
            }
            return lines::run(&input, reading, arguments.normalise, arguments.jobs);
        }
    }
    let (name, bytes) = source(arguments.example.as_deref(), arguments.file.as_deref())?;
    let problems = problems(&bytes, reading, arguments.normalise, &name)?;
    drop(bytes);
    let [problem] = &problems[..] else { return each(&problems, reading, &name, arguments.style.table) };
    let answer = answer(problem, reading).with_context(|| name)?;
    if wants_table(arguments.style) {
        let shown = match &answer {
            AnyAnswer::Doubles(answer) => Shown::from(&**answer),
            AnyAnswer::Fractions(answer) => Shown::from(&**answer),
        };
        print(&answer_table(problem, &shown)?)?;
    } else {
        print(&laid_out(&answer)?)?;
    }
    Ok(Status::Fine)
}

/// One answer a line for each policy.
fn each(problems: &[Problem], reading: Reading, name: &str, table: bool) -> anyhow::Result<Status> {
    if table {
        bail!("{name}: policies: gives several policies, which have no table; leave out --table");
    }
    for (i, problem) in problems.iter().enumerate() {
        let answer = answer(problem, reading).with_context(|| format!("{name}: policies[{i}]"))?;
        print(&(serde_json::to_string(&answer)? + "\n"))?;
    }
    Ok(Status::Fine)
}

fn reading(exact: bool) -> Reading {
    if exact { Reading::Exact } else { Reading::Doubles }
}
