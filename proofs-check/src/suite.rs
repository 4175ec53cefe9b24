//! Running the claims: each against its instances, and each of its mutants.

use std::time::{Duration, Instant};

use pemdp::interrupt::Interrupt;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::claim::{Caught, Claim, Effort, Finding, Verdict};
use crate::parallel;

/// The `"format"` of a report.
pub const REPORT_FORMAT: &str = "pemdp-report/1";
/// Random instances of the first round of a run with a budget.
const FIRST_ROUND: u64 = 100;
/// Random instances that a mutant is held against before it counts as missed.
const FOR_MUTANTS: u64 = 400;

/// How long to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// This many random instances for each claim: the same report on any machine.
    Instances(u64),
    /// About this long in all: instances are doubled while the claim's share of
    /// it lasts. The report says how many there were.
    Budget(Duration),
}

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Seed of every random choice.
    pub seed: u64,
    /// How long to look.
    pub work: Work,
    /// Whether to run the mutants too.
    pub mutants: bool,
}

/// A claim with what was found.
pub struct Entry {
    /// The claim.
    pub claim: &'static Claim,
    /// Random instances drawn.
    pub drawn: u64,
    /// What its instances showed.
    pub finding: Finding,
    /// Its wrong versions and what refuted them.
    pub mutants: Vec<MutantResult>,
}

/// A mutant and what refuted it.
#[derive(Debug, Clone)]
pub struct MutantResult {
    /// What was changed.
    pub name: String,
    /// What refuted it; none where nothing did.
    pub caught: Option<Caught>,
}

impl Entry {
    /// Whether the verdict is the expected one and every mutant was refuted.
    pub fn is_as_expected(&self) -> bool {
        self.finding.verdict == self.claim.expected && self.mutants.iter().all(|m| m.caught.is_some())
    }
}

/// The claims that were run, in the order of the registry.
pub struct Report {
    /// Seed of every random choice.
    pub seed: u64,
    /// The claims.
    pub entries: Vec<Entry>,
    /// Whether it was ended before all claims had run.
    pub interrupted: bool,
    /// Whether the mutants were run too.
    pub mutants: bool,
}

impl Report {
    /// Whether every claim has the verdict that the registry expects.
    pub fn is_as_expected(&self) -> bool {
        !self.interrupted && self.entries.iter().all(Entry::is_as_expected)
    }
}

/// `"format": "pemdp-report/1"`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Nothing is said of mutants that were not run.
        let row = |entry| {
            let row = Row::from(entry);
            Row { mutants: row.mutants.filter(|_| self.mutants), ..row }
        };
        let document = Document {
            format: REPORT_FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            seed: self.seed,
            interrupted: self.interrupted,
            claims: self.entries.iter().map(row).collect(),
        };
        serde_json::to_value(document).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    version: &'static str,
    seed: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
    claims: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    statement: &'a str,
    source: &'a str,
    hypotheses: &'a str,
    verdict: Verdict,
    expected: Verdict,
    evidence: crate::claim::Evidence,
    instances: u64,
    drawn: u64,
    out_of_scope: u64,
    undecided: u64,
    margin: Option<f64>,
    certificate: Option<String>,
    certificates: Vec<String>,
    finding: &'a str,
    repair: Option<&'a str>,
    theory: &'a str,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutants: Option<Vec<MutantRow<'a>>>,
}

#[derive(Serialize)]
struct MutantRow<'a> {
    name: &'a str,
    refuted: bool,
    by: Option<&'a str>,
    margin: Option<f64>,
    instance: Option<&'a RawValue>,
}

impl<'a> From<&'a Entry> for Row<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (claim, finding) = (entry.claim, &entry.finding);
        let certificates: Vec<String> =
            finding.certificates.iter().map(|certificate| format!("{}.json", certificate.name)).collect();
        let mutant = |m: &'a MutantResult| MutantRow {
            name: &m.name,
            refuted: m.caught.is_some(),
            by: m.caught.as_ref().map(|caught| caught.by.as_str()),
            margin: m.caught.as_ref().map(|caught| caught.margin),
            instance: m.caught.as_ref().and_then(|caught| serde_json::from_str(&caught.instance).ok()),
        };
        Self {
            id: claim.id,
            title: claim.title,
            statement: claim.statement,
            source: claim.source,
            hypotheses: claim.hypotheses,
            verdict: finding.verdict,
            expected: claim.expected,
            evidence: finding.evidence,
            instances: finding.instances,
            drawn: entry.drawn,
            out_of_scope: finding.out_of_scope,
            undecided: finding.undecided,
            margin: finding.margin,
            certificate: certificates.first().cloned(),
            certificates,
            finding: claim.finding,
            repair: claim.repair,
            theory: claim.theory,
            note: finding.notes.join(" "),
            mutants: Some(entry.mutants.iter().map(mutant).collect()),
        }
    }
}

/// Runs claims in order. `began` is told the number of each claim as it begins;
/// an `interrupt` ends the run soon, and the claim at hand is left
/// out unless it had finished with its mutants.
pub fn run(
    claims: &[&'static Claim],
    settings: &Settings,
    began: impl Fn(usize),
    interrupt: &Interrupt,
) -> Report {
    let started = Instant::now();
    let mut entries = Vec::with_capacity(claims.len());
    for (i, claim) in claims.iter().enumerate() {
        if interrupt.is_raised() {
            break;
        }
        began(i);
        let (drawn, finding) = match settings.work {
            Work::Instances(instances) => {
                (instances, (claim.check)(&Effort { seed: settings.seed, instances }))
            }
            Work::Budget(budget) => {
                // What earlier claims left over goes to the later ones.
                let left = budget.saturating_sub(started.elapsed());
                within(claim, settings.seed, left / u32::try_from(claims.len() - i).unwrap_or(1), interrupt)
            }
        };
        if interrupt.is_raised() {
            break;
        }
        let mutants = if settings.mutants { mutants(claim, settings.seed) } else { Vec::new() };
        entries.push(Entry { claim, drawn, finding, mutants });
    }
    let interrupted = entries.len() < claims.len();
    Report { seed: settings.seed, entries, interrupted, mutants: settings.mutants }
}

/// Checks a claim with doubled numbers of instances while the next round should
/// still end in time.
fn within(claim: &Claim, seed: u64, share: Duration, interrupt: &Interrupt) -> (u64, Finding) {
    let started = Instant::now();
    let mut instances = FIRST_ROUND;
    loop {
        let round = Instant::now();
        let finding = (claim.check)(&Effort { seed, instances });
        // The next round takes about twice as long as this one.
        let ends_in_time = started.elapsed() + 2 * round.elapsed() <= share;
        if !ends_in_time || interrupt.is_raised() || instances >= 1 << 24 {
            return (instances, finding);
        }
        instances *= 2;
    }
}

/// Looks for a refutation of each wrong version of a claim.
pub fn mutants(claim: &Claim, seed: u64) -> Vec<MutantResult> {
    let effort = Effort { seed, instances: FOR_MUTANTS };
    let mutants = (claim.mutants)();
    let refuted = |i: usize| (mutants[i].refute)(&effort);
    let caught = parallel::map(mutants.len(), refuted);
    let results = caught.into_iter().zip(mutants);
    results.map(|(caught, mutant)| MutantResult { caught, name: mutant.name }).collect()
}
