//! What a claim is, and what can be found out about it.

pub use pemdp_report::{Picture, Series, Style};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::certificate::ClaimCertificate;

/// A statement about performative reinforcement learning with all that decides
/// it.
pub struct Claim {
    /// Short name: `T2`.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// The statement as transcribed.
    pub statement: &'static str,
    /// Where it comes from, by the keys of `docs/notation.md`.
    pub source: &'static str,
    /// What an instance must satisfy for the statement to apply.
    pub hypotheses: &'static str,
    /// The verdict that the proof or the refutation supports.
    pub expected: Verdict,
    /// What is so, in a sentence or two; for a vacuous claim where it would bite,
    /// for an underspecified one what is missing.
    pub finding: &'static str,
    /// The smallest change that makes the statement true.
    pub repair: Option<&'static str>,
    /// The proof or the refutation: a path under `docs/`.
    pub theory: &'static str,
    /// Holds the statement against instances.
    pub check: fn(&Effort) -> Finding,
    /// Deliberately wrong versions, each of which the suite must refute.
    pub mutants: fn() -> Vec<Mutant>,
}

/// What is known about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Proved in `docs/theory/`, with no violation on any instance.
    Proved,
    /// False, with a certificate.
    Refuted,
    /// True only where it says nothing: its right side never beats the trivial
    /// bound.
    Vacuous,
    /// Not proved here; no instance violates it.
    Supported,
    /// The statement as transcribed lacks something that would decide it.
    Underspecified,
}

impl Verdict {
    /// The verdict as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted => "refuted",
            Self::Vacuous => "vacuous",
            Self::Supported => "supported",
            Self::Underspecified => "underspecified",
        }
    }
}

/// By which arithmetic the instances were decided: the weakest that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Fractions: decided by exact comparison.
    Exact,
    /// Proven enclosures.
    Enclosed,
    /// Doubles without an error bound.
    Float,
}

impl Evidence {
    /// The evidence as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Enclosed => "enclosed",
            Self::Float => "float",
        }
    }
}

/// How much work a check does. All its results are functions of these numbers
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Seed of every random choice.
    pub seed: u64,
    /// How many random instances to draw.
    pub instances: u64,
}

impl Effort {
    /// The random numbers of one piece of work, the same whatever else is done.
    pub(crate) fn random(&self, work: &str, index: u64) -> ChaCha8Rng {
        // FNV-1a over the name: stable across platforms and versions.
        let hash = work.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ hash);
        rng.set_stream(index);
        rng
    }

    /// How many adversarial searches belong to this many instances.
    pub fn searches(&self) -> u64 {
        (self.instances / 100).clamp(1, 64)
    }
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The verdict that the instances leave standing.
    pub verdict: Verdict,
    /// The weakest arithmetic that the verdict rests on.
    pub evidence: Evidence,
    /// Instances on which the statement was decided.
    pub instances: u64,
    /// Instances on which its hypotheses fail: neither for nor against.
    pub out_of_scope: u64,
    /// Instances that the arithmetic could not decide.
    pub undecided: u64,
    /// The smallest margin: slack over the size of the larger side, negative
    /// where the statement fails; 0 for identities that hold.
    pub margin: Option<f64>,
    /// Evidence that others can check.
    pub certificates: Vec<ClaimCertificate>,
    /// Measured facts, a sentence each.
    pub notes: Vec<String>,
    /// What there is to see.
    pub pictures: Vec<Picture>,
}

impl Finding {
    /// A finding with nothing measured yet.
    pub fn new(verdict: Verdict, evidence: Evidence) -> Self {
        Self {
            verdict,
            evidence,
            instances: 0,
            out_of_scope: 0,
            undecided: 0,
            margin: None,
            certificates: Vec::new(),
            notes: Vec::new(),
            pictures: Vec::new(),
        }
    }
}

/// A deliberately wrong version of a claim.
pub struct Mutant {
    /// What was changed, in a few words.
    pub name: String,
    /// Looks for an instance that refutes it.
    pub refute: Refutation,
}

/// A search for what refutes a mutant.
pub type Refutation = Box<dyn Fn(&Effort) -> Option<Caught> + Send + Sync>;

impl Mutant {
    /// A mutant with the way to refute it.
    pub fn new(
        name: impl Into<String>,
        refute: impl Fn(&Effort) -> Option<Caught> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), refute: Box::new(refute) }
    }
}

/// What refuted a mutant.
#[derive(Debug, Clone)]
pub struct Caught {
    /// How the instance was found: `corner 3`, `random 17`, `search 2`.
    pub by: String,
    /// Its margin; negative.
    pub margin: f64,
    /// The arithmetic that decided it.
    pub evidence: Evidence,
    /// The instance, shrunk, as JSON.
    pub instance: String,
}
