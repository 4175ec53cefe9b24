//! `pemdp check`: the claims with their verdicts and the evidence.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use pemdp_algorithms::UnknownName;
use proofs_check::claim::Claim;
use proofs_check::claims::{CLAIMS, claim};
use proofs_check::suite::{Entry, Report, Settings, Work, run as run_suite};
use serde::Serialize;

use crate::arguments::CheckArguments;
use crate::layout::laid_out;
use crate::numbers::significant;
use crate::output::{Interrupts, Status, heading, print, wants_table};
use crate::progress;
use crate::table::{table, wrapped};
use crate::write::{writable, write_whole};

/// Seconds that a run takes about, mutants apart.
const DEFAULT_BUDGET: f64 = 45.0;

/// Runs claims and prints what was found.
///
/// # Errors
/// An unknown claim, or a directory that cannot be written, before the work.
pub fn run(arguments: &CheckArguments) -> anyhow::Result<Status> {
    let claims = chosen(&arguments.claims)?;
    if arguments.list {
        print(&if arguments.style.json { listed_as_json(&claims)? } else { listed(&claims) })?;
        return Ok(Status::Fine);
    }
    if let Some(directory) = &arguments.out {
        writable(directory).with_context(|| directory.display().to_string())?;
    }
    let settings = Settings {
        seed: arguments.seed,
        work: match arguments.instances {
            Some(instances) => Work::Instances(instances),
            None => Work::Budget(Duration::from_secs_f64(arguments.budget.unwrap_or(DEFAULT_BUDGET))),
        },
        mutants: !arguments.no_mutants,
    };
    let progress = progress::count(claims.len() as u64, "claims");
    let interrupts = Interrupts::gather();
    let began = |i: usize| {
        progress.reach(i as u64);
        progress.say(&format!("at {}", claims[i].id));
    };
    let report = run_suite(&claims, &settings, began, interrupts.flag());
    progress.end();
    let as_table = wants_table(arguments.style);
    print(&if as_table { summary(&report, settings.mutants) } else { laid_out(&report)? })?;
    // After printing: what was found is not lost with a file that cannot be written.
    if let Some(directory) = &arguments.out {
        write_report(directory, &report).with_context(|| directory.display().to_string())?;
    }
    Ok(match (report.interrupted, report.is_as_expected()) {
        (true, _) => Status::Interrupted,
        (false, true) => Status::Fine,
        (false, false) => Status::Differs,
    })
}

/// The claims of these ids in the order of the registry; all where there is none.
fn chosen(ids: &[String]) -> anyhow::Result<Vec<&'static Claim>> {
    if ids.is_empty() {
        return Ok(CLAIMS.to_vec());
    }
    for id in ids {
        if claim(id).is_none() {
            let known: Vec<&str> = CLAIMS.iter().map(|claim| claim.id).collect();
            return Err(UnknownName::new("claim", id, &known).into());
        }
    }
    let is_chosen = |claim: &Claim| ids.iter().any(|id| claim.id.eq_ignore_ascii_case(id));
    Ok(CLAIMS.iter().copied().filter(|claim| is_chosen(claim)).collect())
}

fn listed(claims: &[&Claim]) -> String {
    let row = |claim: &&Claim| vec![claim.id.into(), claim.expected.word().into(), claim.title.into()];
    table(&["claim", "expected", "about"], claims.iter().map(row).collect(), 3)
}

fn listed_as_json(claims: &[&Claim]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Listed {
        id: &'static str,
        title: &'static str,
        statement: &'static str,
        source: &'static str,
        expected: &'static str,
    }
    let listed = |claim: &&Claim| Listed {
        id: claim.id,
        title: claim.title,
        statement: claim.statement,
        source: claim.source,
        expected: claim.expected.word(),
    };
    laid_out(&claims.iter().map(listed).collect::<Vec<_>>())
}

fn summary(report: &Report, tried_mutants: bool) -> String {
    let rows = report.entries.iter().map(|entry| row(entry, tried_mutants)).collect();
    let columns = ["claim", "verdict", "about", "evidence", "instances", "margin", "mutants"];
    let mut text = table(&columns[..columns.len() - usize::from(!tried_mutants)], rows, 4);
    let unexpected: Vec<&Entry> = report.entries.iter().filter(|entry| !entry.is_as_expected()).collect();
    for entry in &unexpected {
        text.push_str(&heading(&wrapped(&complaint(entry), 2)));
        text.push('\n');
    }
    if report.interrupted {
        text.push_str("interrupted: the claims above had finished\n");
    } else if unexpected.is_empty() {
        let versions = if tried_mutants { " and every wrong version of it was refuted" } else { "" };
        text.push_str(&wrapped(&format!("every claim has the expected verdict{versions}\n"), 0));
    }
    // No time is told: the same settings give the same output.
    let more = format!("--budget SECONDS (default {DEFAULT_BUDGET}) takes more or fewer instances\n");
    text.push_str(&wrapped(&more, 0));
    text
}

fn row(entry: &Entry, tried_mutants: bool) -> Vec<String> {
    let (claim, finding) = (entry.claim, &entry.finding);
    let caught = entry.mutants.iter().filter(|mutant| mutant.caught.is_some()).count();
    let mut row = vec![
        claim.id.into(),
        finding.verdict.word().into(),
        claim.title.into(),
        if finding.instances > 0 { finding.evidence.word().into() } else { String::new() },
        finding.instances.to_string(),
        finding.margin.map_or(String::new(), |margin| significant(margin, 3)),
    ];
    row.extend(tried_mutants.then(|| format!("{caught}/{}", entry.mutants.len())));
    row
}

/// What is not as it should be about a claim.
fn complaint(entry: &Entry) -> String {
    let (claim, finding) = (entry.claim, &entry.finding);
    let mut faults = Vec::new();
    if finding.verdict != claim.expected {
        faults.push(format!("{}, expected {}", finding.verdict.word(), claim.expected.word()));
    }
    for mutant in entry.mutants.iter().filter(|mutant| mutant.caught.is_none()) {
        faults.push(format!("not refuted: {}", mutant.name));
    }
    format!("{}: {}", claim.id, faults.join("; "))
}

/// The page, the report as JSON, pictures and certificates.
fn write_report(directory: &Path, report: &Report) -> anyhow::Result<()> {
    let mut files =
        vec![("report.html".to_owned(), report.to_html()?), ("report.json".to_owned(), laid_out(&report)?)];
    files.extend(report.pictures()?);
    for certificate in report.entries.iter().flat_map(|entry| &entry.finding.certificates) {
        files.push((format!("{}.json", certificate.name), laid_out(certificate)?));
    }
    for (name, text) in files {
        write_whole(&directory.join(&name), text.as_bytes()).with_context(|| name)?;
    }
    Ok(())
}
