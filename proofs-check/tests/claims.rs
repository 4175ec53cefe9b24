//! Every claim has the verdict that the registry expects, and every wrong
//! version of it is refuted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::interrupt::Interrupt;

use proofs_check::claims::CLAIMS;
use proofs_check::suite::{Settings, Work, run};

#[test]
fn every_claim_has_its_verdict_and_every_mutant_is_refuted() {
    let settings = Settings { seed: 0, work: Work::Instances(100), mutants: true };
    let report = run(CLAIMS, &settings, |_| {}, &Interrupt::new());
    for entry in &report.entries {
        let (id, finding) = (entry.claim.id, &entry.finding);
        assert_eq!(finding.verdict, entry.claim.expected, "{id}: {:?}", finding.notes);
        for mutant in &entry.mutants {
            assert!(mutant.caught.is_some(), "{id}: the mutant \"{}\" was not refuted", mutant.name);
        }
        println!(
            "{id}: {} instances, margin {:?}; {}",
            finding.instances,
            finding.margin,
            finding.notes.join(" ")
        );
        for mutant in &entry.mutants {
            let caught = mutant.caught.as_ref().unwrap();
            println!("    {}: {} ({:.2e})", mutant.name, caught.by, caught.margin);
        }
    }
}
