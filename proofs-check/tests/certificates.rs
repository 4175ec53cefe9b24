//! Certificates are files of fractions, and the checker's samples are what the
//! crate writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::interrupt::Interrupt;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use pemdp::arithmetic::Rational;
use proofs_check::certificate::{CERTIFICATE_FORMAT, ClaimCertificate};
use proofs_check::claims::CLAIMS;
use proofs_check::suite::{Settings, Work, run};
use serde_json::Value;

/// What a small run of all claims writes.
fn written() -> Vec<ClaimCertificate> {
    let settings = Settings { seed: 0, work: Work::Instances(20), mutants: false };
    let report = run(CLAIMS, &settings, |_| {}, &Interrupt::new());
    report.entries.into_iter().flat_map(|entry| entry.finding.certificates).collect()
}

fn document(certificate: &ClaimCertificate) -> Value {
    serde_json::to_value(certificate).unwrap()
}

/// What a certificate is an example of: a kind, for a claim.
fn kind(certificate: &ClaimCertificate) -> String {
    let word = |key: &str| document(certificate)[key].as_str().unwrap().to_owned();
    // Points of the same kind differ by their constants only.
    if word("kind") == "curvature" { word("kind") } else { word("kind") + &word("claim") }
}

/// The smallest certificate of each kind, but none that a search found: those
/// change with the search.
fn samples() -> Vec<ClaimCertificate> {
    let mut by_kind: BTreeMap<String, ClaimCertificate> = BTreeMap::new();
    let size = |certificate: &ClaimCertificate| document(certificate).to_string().len();
    for certificate in written() {
        let is_smaller =
            by_kind.get(&kind(&certificate)).is_none_or(|other| size(&certificate) < size(other));
        if !certificate.name.ends_with("-found") && is_smaller {
            by_kind.insert(kind(&certificate), certificate);
        }
    }
    by_kind.into_values().collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/samples")
}

/// Every leaf is a fraction in lowest terms as a string, a word, a small
/// integer, a truth value or null.
fn assert_well_formed(name: &str, value: &Value) {
    let safe = |c: u8| c.is_ascii_alphanumeric() || b"-/".contains(&c);
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| assert_well_formed(name, entry)),
        Value::Object(entries) => entries.values().for_each(|entry| assert_well_formed(name, entry)),
        Value::Number(n) => assert!(n.is_i64(), "{name}: {n} is not an integer"),
        Value::String(s) => match s.parse::<Rational>() {
            Ok(q) => assert_eq!(&q.to_string(), s, "{name}: not in lowest terms"),
            Err(_) => assert!(s.bytes().all(safe), "{name}: {s}"),
        },
        Value::Bool(_) | Value::Null => {}
    }
}

#[test]
fn certificates_are_fractions_in_files_of_their_own() {
    let certificates = written();
    assert!(!certificates.is_empty());
    let mut names = BTreeSet::new();
    for certificate in &certificates {
        let (name, document) = (&certificate.name, document(certificate));
        assert_eq!(document["format"], CERTIFICATE_FORMAT);
        let claim = document["claim"].as_str().unwrap();
        assert!(name.starts_with(claim) && CLAIMS.iter().any(|c| c.id == claim), "{name}: {claim}");
        let safe = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        assert!(!name.is_empty() && name.bytes().all(safe), "{name} is not safe as a file name");
        assert!(names.insert(name.to_ascii_lowercase()), "{name} twice, at least where case is ignored");
        let mut rest = document.clone();
        assert_eq!(rest.as_object_mut().unwrap().remove("digest").unwrap().as_str().unwrap().len(), 8);
        assert_well_formed(name, &rest);
        let text = serde_json::to_string(certificate).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }
}

/// `UPDATE_SAMPLES=1 cargo test -p proofs-check --test certificates` rewrites them.
#[test]
fn the_samples_are_what_the_crate_writes() {
    let samples = samples();
    let path = |certificate: &ClaimCertificate| directory().join(format!("{}.json", certificate.name));
    if env::var_os("UPDATE_SAMPLES").is_some() {
        fs::remove_dir_all(directory()).unwrap();
        fs::create_dir(directory()).unwrap();
        for certificate in &samples {
            let text = serde_json::to_string_pretty(certificate).unwrap();
            fs::write(path(certificate), text + "\n").unwrap();
        }
    }
    for certificate in &samples {
        let text = fs::read_to_string(path(certificate)).unwrap_or_default();
        let stored = serde_json::from_str::<Value>(&text).unwrap_or_default();
        assert_eq!(stored, document(certificate), "{}: see UPDATE_SAMPLES", certificate.name);
    }
    assert_eq!(
        fs::read_dir(directory()).unwrap().count(),
        samples.len(),
        "samples of nothing: see UPDATE_SAMPLES"
    );
}
