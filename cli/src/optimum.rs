//! `pemdp optimum`: the performative optimum with a certified gap.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::{Candidate, improved};
use pemdp_optimum::gridworld::{Improved, Improvement};
use pemdp_optimum::{
    CertificateSettings, OptimumSettings, OptimumStop, PerformativeOptimum, Progress, certificate,
    performative_optimum_with,
};
use serde_json::{Value, json};

use crate::arguments::OptimumArguments;
use crate::example::source;
use crate::input::problem;
use crate::layout::laid_out;
use crate::numbers::{bound_above, significant};
use crate::output::{Interrupts, Status, heading, print, wants_table};
use crate::progress;
use crate::table::{table, wrapped};
use crate::write::{beside, write_whole};

/// How long a search may take that has no budget.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks for the optimum of a problem and prints it with its bound.
///
/// # Errors
/// Begin with the name of the input.
pub fn run(arguments: &OptimumArguments) -> anyhow::Result<Status> {
    let (name, bytes) = source(arguments.example.as_deref(), arguments.file.as_deref())?;
    let problem = problem(&bytes, Reading::Doubles, arguments.normalise, &name)?;
    let settings = OptimumSettings {
        gap: arguments.gap,
        relative_gap: arguments.relative_gap,
        bound: arguments.bound,
        budget: arguments.budget.map(Duration::from_secs_f64),
        patience: Some(PATIENCE),
        seed: arguments.seed,
        ..OptimumSettings::default()
    };
    let bar = progress::spinner();
    let interrupts = Interrupts::gather();
    let mut show = |progress: Progress| {
        bar.say(&format!(
            "value {}, at most {}, {} cells, {} open",
            significant(progress.value, 9),
            significant(progress.upper_bound, 9),
            progress.nodes,
            progress.open
        ));
    };
    let found = performative_optimum_with(&problem, &settings, &improve, interrupts.flag(), &mut show);
    bar.end();
    let optimum = found.with_context(|| name.clone())?;
    // After printing: what was found is not lost with a certificate that is not.
    if wants_table(arguments.style) {
        print(&shown(&problem, &optimum))?;
    } else {
        print(&laid_out(&to_json(&problem, &optimum))?)?;
    }
    if let Some(path) = &arguments.certificate {
        certify(&problem, &optimum, arguments, path).with_context(|| name)?;
    }
    Ok(if optimum.stop == OptimumStop::Interrupted { Status::Interrupted } else { Status::Fine })
}

/// Improves on a known policy by ascent.
fn improve(known: Improvement<'_>, watch: &mut dyn FnMut(f64) -> ControlFlow<()>) -> Improved {
    let Improvement { problem, value, policy, persists, seed } = known;
    let start = Candidate { value, policy: policy.to_vec() };
    let found = improved(problem, start, persists, seed, watch)?;
    Ok((found.value, found.policy))
}

/// Writes the certificate of an upper bound, whole or not at all.
fn certify(
    problem: &Problem,
    optimum: &PerformativeOptimum,
    arguments: &OptimumArguments,
    path: &Path,
) -> anyhow::Result<()> {
    let settings = CertificateSettings {
        gap: arguments.certificate_gap,
        bound: arguments.bound,
        ..CertificateSettings::default()
    };
    let certificate = certificate(problem, optimum, &settings)?;
    let text = certificate.document + "\n";
    write_whole(&beside(path), text.as_bytes()).with_context(|| path.display().to_string())
}

/// `pi(a|s)`, a row a state.
fn rows<'a>(problem: &Problem, optimum: &'a PerformativeOptimum) -> std::slice::Chunks<'a, f64> {
    optimum.policy.chunks(problem.n_actions())
}

/// The file `pemdp-optimum/1`; an infinite parameter is a string.
fn to_json(problem: &Problem, optimum: &PerformativeOptimum) -> Value {
    let number = |x: &f64| if x.is_finite() { json!(x) } else { json!(x.to_string()) };
    json!({
        "format": "pemdp-optimum/1",
        "value": number(&optimum.value),
        "upper_bound": number(&optimum.upper_bound),
        "gap": number(&optimum.gap),
        "certified": optimum.certified,
        "attained": optimum.attained,
        "domain": optimum.domain,
        "policy": rows(problem, optimum).collect::<Vec<_>>(),
        "parameters": optimum.parameters.iter().map(number).collect::<Vec<_>>(),
        "method": optimum.method,
        "nodes": optimum.nodes,
        "stop": word(optimum.stop),
    })
}

fn word(stop: OptimumStop) -> &'static str {
    match stop {
        OptimumStop::Gap => "gap",
        OptimumStop::Exhausted => "exhausted",
        OptimumStop::Budget => "budget",
        OptimumStop::Memory => "memory",
        OptimumStop::Interrupted => "interrupted",
    }
}

fn shown(problem: &Problem, optimum: &PerformativeOptimum) -> String {
    const STATES_SHOWN: usize = 20;
    let mut text = String::new();
    let attained = if optimum.attained { "" } else { ", a limit that no policy attains" };
    let _ = writeln!(text, "{} at least {:?}{attained}", heading("value"), optimum.value);
    let _ = writeln!(text, "{} {:?}", heading("no policy of the domain exceeds"), optimum.upper_bound);
    let certified = if optimum.certified { "certified" } else { "not as small as asked" };
    let _ = writeln!(
        text,
        "gap {} or less, {certified}; stopped by {}",
        bound_above(optimum.gap),
        word(optimum.stop)
    );
    let _ = writeln!(text, "{}", wrapped(&format!("domain: {}", optimum.domain), 2));
    let method = format!("method: {}, {} cells bounded", optimum.method, optimum.nodes);
    let _ = writeln!(text, "{}\n", wrapped(&method, 2));
    let header: Vec<String> =
        (0..problem.n_actions()).map(|a| format!("pi({}|s)", problem.names().action(a))).collect();
    let header: Vec<&str> = std::iter::once("s").chain(header.iter().map(String::as_str)).collect();
    let row = |(s, row): (usize, &[f64])| {
        std::iter::once(problem.names().state(s)).chain(row.iter().map(|pi| significant(*pi, 6))).collect()
    };
    text.push_str(&table(
        &header,
        rows(problem, optimum).enumerate().take(STATES_SHOWN).map(row).collect(),
        0,
    ));
    text
}
