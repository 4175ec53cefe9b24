//! The documents that are generated from the registry are equal to it.
//! `UPDATE_DOCS=1 cargo test -p proofs-check --test documentation` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::fs;
use std::path::{Path, PathBuf};

use proofs_check::claims::CLAIMS;
use proofs_check::documentation::{README_MARKERS, claims_markdown, readme_table};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn equal_or_written(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs from the registry; UPDATE_DOCS=1 cargo test -p proofs-check --test documentation writes it",
        path.display()
    );
}

#[test]
fn the_page_of_claims_is_the_registry() {
    equal_or_written(&root().join("docs/claims.md"), &claims_markdown());
}

#[test]
fn the_readme_has_the_verdicts() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let [begin, end] = README_MARKERS;
    let (before, rest) = readme.split_once(begin).expect("the README has the table's first marker");
    let (_, after) = rest.split_once(end).expect("the README has the table's last marker");
    equal_or_written(&path, &format!("{before}{}{after}", readme_table()));
}

#[test]
fn ids_are_unique_and_every_claim_has_its_page_and_its_mutants() {
    for (i, claim) in CLAIMS.iter().enumerate() {
        assert!(CLAIMS[..i].iter().all(|other| !other.id.eq_ignore_ascii_case(claim.id)), "{}", claim.id);
        let page = claim.theory.split('#').next().unwrap();
        assert!(root().join("docs").join(page).is_file(), "{}: docs/{page} is missing", claim.id);
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        assert!(text.contains(claim.id), "docs/{page} does not mention {}", claim.id);
        let is_empirical = claim.theory == "experiments.md";
        assert!(is_empirical || !(claim.mutants)().is_empty(), "{} has no mutants", claim.id);
    }
}
