//! The registry as Markdown: `docs/claims.md` and the README's table.

use std::fmt::Write;

use crate::claim::Claim;
use crate::claims::CLAIMS;

/// Before and after the README's table.
pub const README_MARKERS: [&str; 2] =
    ["<!-- claims: generated from the registry -->", "<!-- end of claims -->"];

/// What every page says of the source.
pub const FAIRNESS: &str = "The claims of [PePG] are cited as transcribed from version 1 of the preprint \
    (arXiv 2512.20576v1). A version 2 (2 February 2026) and a later conference version exist and were not examined. \
    A verdict on a transcription is no verdict on what the authors meant.";

/// `docs/claims.md`.
pub fn claims_markdown() -> String {
    let mut page = format!(
        "# Claims and verdicts\n\n\
         Generated from the registry in `proofs-check/src/claims/`; `cargo test` keeps it equal to it, and fails\n\
         if a claim's instances give another verdict than the one that stands here. `pemdp check` runs the same\n\
         claims on more instances, with a report.\n\n{FAIRNESS}\n\n\
         | verdict | means |\n|---|---|\n\
         | proved | proof in the page that is linked; no violation on any instance |\n\
         | refuted | false as transcribed, with a certificate that a program of its own re-verifies |\n\
         | vacuous | true only where the right side is no better than the trivial bound |\n\
         | supported | not proved here; no instance violates it |\n\
         | underspecified | the transcription lacks what would decide it |\n\n\
         | id | claim | verdict |\n|---|---|---|\n"
    );
    for claim in CLAIMS {
        let (id, title, verdict) = (claim.id, prose(claim.title), claim.expected.word());
        let anchor = anchor(claim);
        let _ = writeln!(page, "| [{id}](#{anchor}) | {title} | {verdict} |");
    }
    for claim in CLAIMS {
        let _ = write!(
            page,
            "\n## {}: {}\n\n**{}.** {}\n\n- Statement: `{}`\n- Source: {}\n- Hypotheses: {}\n",
            claim.id,
            claim.title,
            capitalised(claim.expected.word()),
            prose(claim.finding),
            claim.statement,
            prose(claim.source),
            prose(claim.hypotheses),
        );
        if let Some(repair) = claim.repair {
            let _ = writeln!(page, "- Repair: {}", prose(repair));
        }
        let _ = writeln!(page, "- [{0}]({0})", claim.theory);
    }
    page
}

/// The README's table, with its markers.
pub fn readme_table() -> String {
    let mut table = format!("{}\n| claim | verdict | what is so |\n|---|---|---|\n", README_MARKERS[0]);
    for claim in CLAIMS {
        let _ = writeln!(
            table,
            "| [{}](docs/claims.md#{}) {} | {} | {} |",
            claim.id,
            anchor(claim),
            prose(claim.title),
            claim.expected.word(),
            prose(first_sentence(claim.finding)),
        );
    }
    table + README_MARKERS[1]
}

/// The anchor that GitHub gives to the claim's heading.
fn anchor(claim: &Claim) -> String {
    let heading = format!("{}: {}", claim.id, claim.title).to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Text that Markdown must not take for markup.
fn prose(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '_' | '<' | '|' | '`' | '$') {
            result.push('\\');
        }
        result.push(c);
    }
    result
}

/// Up to the first full stop.
fn first_sentence(text: &str) -> &str {
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or(String::new(), |c| c.to_uppercase().chain(characters).collect())
}
