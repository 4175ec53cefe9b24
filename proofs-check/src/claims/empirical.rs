//! LR, AB, EX, EN: statements about what happens in experiments. Nothing here
//! decides them; they are listed so that none is missing.

use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};

const fn empirical(
    id: &'static str,
    title: &'static str,
    statement: &'static str,
    source: &'static str,
) -> Claim {
    Claim {
        id,
        title,
        statement,
        source,
        hypotheses: "the settings of the source's experiments",
        expected: Verdict::Underspecified,
        finding: "A measurement and not a theorem: to be decided by experiments on the true environment, not by \
                  instances.",
        repair: None,
        theory: "experiments.md",
        check,
        mutants,
    }
}

/// The range of step sizes.
pub static LR: Claim = empirical(
    "LR",
    "Workable step sizes",
    "eta = O((1-gamma)^2/|A|) is a workable range; the sweep is {0.01, 0.1, 0.5}",
    "[PePG, experiments]",
);

/// The ablation.
pub static AB: Claim = empirical(
    "AB",
    "Ablation of the performative terms",
    "dropping the performative terms costs 20-30 % on the gridworld",
    "[PePG, Figure 2]",
);

/// The comparison.
pub static EX: Claim = empirical(
    "EX",
    "PePG against retraining",
    "PePG beats RPO-FS and MDRR on the gridworld",
    "[PePG, experiments]",
);

/// The entropy weight.
pub static EN: Claim =
    empirical("EN", "Entropy weight", "lambda about 2 works well in practice", "[PePG, Appendix K]");

fn check(_: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Underspecified, Evidence::Float);
    finding.notes.push("Listed, not measured here.".into());
    finding
}

fn mutants() -> Vec<Mutant> {
    Vec::new()
}
