//! Holding a statement against instances: corners, random families of growing
//! size, then a search for the worst; what is found is shrunk.

use rand::RngExt;

use crate::case::Case;
use crate::claim::{Caught, Effort, Evidence, Finding};
use crate::evolution::{Search, minimise};
use crate::parallel;

/// Evaluations of the margin in one adversarial search.
const EVALUATIONS: usize = 1500;
/// Attempts at a simpler instance.
const SHRINKING: usize = 400;

/// A statement held against one instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The hypotheses of the statement fail.
    OutOfScope,
    /// The arithmetic does not decide it.
    Undecided,
    /// Decided: the margin is negative exactly where the statement fails.
    Decided(f64),
}

impl Outcome {
    /// Whether the statement is false here.
    pub fn is_violation(self) -> bool {
        matches!(self, Self::Decided(margin) if margin < 0.0)
    }

    fn margin(self) -> Option<f64> {
        if let Self::Decided(margin) = self { Some(margin) } else { None }
    }
}

impl From<Option<f64>> for Outcome {
    fn from(margin: Option<f64>) -> Self {
        margin.map_or(Self::Undecided, Self::Decided)
    }
}

/// What holding a statement against instances showed.
#[derive(Debug, Clone)]
pub struct Survey<C> {
    /// Instances decided.
    pub decided: u64,
    /// Instances that the statement does not speak of.
    pub out_of_scope: u64,
    /// Instances that were not decided.
    pub undecided: u64,
    /// The instance with the smallest margin, how it was found, and the margin.
    pub worst: Option<(C, String, f64)>,
}

impl<C: Case> Survey<C> {
    fn new() -> Self {
        Self { decided: 0, out_of_scope: 0, undecided: 0, worst: None }
    }

    fn add(&mut self, case: &C, by: impl FnOnce() -> String, outcome: Outcome) {
        match outcome {
            Outcome::OutOfScope => self.out_of_scope += 1,
            Outcome::Undecided => self.undecided += 1,
            Outcome::Decided(margin) => {
                self.decided += 1;
                if self.worst.as_ref().is_none_or(|worst| margin < worst.2) {
                    self.worst = Some((case.clone(), by(), margin));
                }
            }
        }
    }

    /// The smallest margin.
    pub fn margin(&self) -> Option<f64> {
        self.worst.as_ref().map(|worst| worst.2)
    }

    /// The violation, if there is one, shrunk while it stays one.
    pub fn violation(&self, test: impl Fn(&C) -> Outcome) -> Option<(C, String, f64)> {
        let (case, by, margin) = self.worst.clone().filter(|worst| worst.2 < 0.0)?;
        let (case, margin) = shrunk(case, margin, &test);
        Some((case, by, margin))
    }

    /// Writes the counts and the margin into a finding.
    pub fn count_into(&self, finding: &mut Finding) {
        finding.instances += self.decided;
        finding.out_of_scope += self.out_of_scope;
        finding.undecided += self.undecided;
        finding.margin = match (finding.margin, self.margin()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Simplifies an instance as long as it stays a violation.
fn shrunk<C: Case>(mut case: C, mut margin: f64, test: &dyn Fn(&C) -> Outcome) -> (C, f64) {
    let mut attempts = 0;
    'simpler: loop {
        for candidate in case.simpler() {
            attempts += 1;
            if attempts > SHRINKING {
                return (case, margin);
            }
            if let Some(smaller) = test(&candidate).margin().filter(|&margin| margin < 0.0) {
                (case, margin) = (candidate, smaller);
                continue 'simpler;
            }
        }
        return (case, margin);
    }
}

/// The size of the `index`-th random instance: small ones first.
fn size(index: u64) -> usize {
    1 + (index % 8).min(index / 8) as usize / 2
}

/// Holds a statement against corners and random instances.
pub fn survey<C: Case>(effort: &Effort, name: &str, test: impl Fn(&C) -> Outcome + Sync) -> Survey<C> {
    surveyed(effort, name, &test)
}

fn surveyed<C: Case>(effort: &Effort, name: &str, test: &(dyn Fn(&C) -> Outcome + Sync)) -> Survey<C> {
    let mut survey = Survey::new();
    let corners = C::corners();
    let outcomes = parallel::map(corners.len(), |i| test(&corners[i]));
    for (i, (case, outcome)) in corners.iter().zip(outcomes).enumerate() {
        survey.add(case, || format!("corner {i}"), outcome);
    }
    let drawn = |i: u64| {
        let case = C::random(&mut effort.random(name, i), size(i));
        let outcome = test(&case);
        (case, outcome)
    };
    // In chunks: memory does not grow with the number of instances.
    const CHUNK: u64 = 256;
    for start in (0..effort.instances).step_by(CHUNK as usize) {
        let end = (start + CHUNK).min(effort.instances);
        let cases = parallel::map((end - start) as usize, |i| drawn(start + i as u64));
        for (i, (case, outcome)) in (start..).zip(&cases) {
            survey.add(case, || format!("random {i}"), *outcome);
        }
    }
    survey
}

/// A survey followed by adversarial searches: each starts from a random
/// instance and makes `rough`, the margin in doubles, as small as it can; `test`
/// decides what it ends at.
pub fn attack<C: Case>(
    effort: &Effort,
    name: &str,
    test: impl Fn(&C) -> Outcome + Sync,
    rough: impl Fn(&C) -> Option<f64> + Sync,
) -> Survey<C> {
    attacked(effort, name, &test, &rough)
}

fn attacked<C: Case>(
    effort: &Effort,
    name: &str,
    test: &(dyn Fn(&C) -> Outcome + Sync),
    rough: &(dyn Fn(&C) -> Option<f64> + Sync),
) -> Survey<C> {
    let mut survey = surveyed(effort, name, test);
    let found = parallel::map(effort.searches() as usize, |i| {
        let i = i as u64;
        let mut rng = effort.random(&format!("{name}, search"), i);
        let start = C::random(&mut rng, 1 + (i % 3) as usize);
        let case = minimised(&start, rng.random(), rough);
        let outcome = test(&case);
        (case, outcome)
    });
    for (i, (case, outcome)) in found.iter().enumerate() {
        survey.add(case, || format!("search {i}"), *outcome);
    }
    survey
}

/// The instance with the smallest rough margin that an evolution strategy with
/// covariance adaptation finds from `start`.
fn minimised<C: Case>(start: &C, seed: u64, rough: &(dyn Fn(&C) -> Option<f64> + Sync)) -> C {
    let origin = start.coordinates();
    if origin.is_empty() {
        return start.clone();
    }
    let objective = |x: &[f64]| rough(&start.moved(x)).unwrap_or(f64::MAX);
    let search = Search { deviation: 0.5, seed, evaluations: EVALUATIONS, tolerance: 1e-9 };
    start.moved(&minimise(objective, &origin, search).1)
}

/// Looks for an instance that refutes a wrong version of a statement: corners,
/// then random instances, then a search; stops at the first.
pub fn refute<C: Case>(
    effort: &Effort,
    name: &str,
    evidence: Evidence,
    test: impl Fn(&C) -> Outcome + Sync,
    rough: impl Fn(&C) -> Option<f64> + Sync,
) -> Option<Caught> {
    let caught = |case: C, by: String| {
        let Outcome::Decided(margin) = test(&case) else { return None };
        let (case, margin) = shrunk(case, margin, &test);
        Some(Caught { by, margin, evidence, instance: case.to_json().to_string() })
    };
    for (i, case) in C::corners().into_iter().enumerate() {
        if test(&case).is_violation() {
            return caught(case, format!("corner {i}"));
        }
    }
    for i in 0..effort.instances {
        let case = C::random(&mut effort.random(name, i), size(i));
        if test(&case).is_violation() {
            return caught(case, format!("random {i}"));
        }
    }
    for i in 0..effort.searches() {
        let mut rng = effort.random(&format!("{name}, search"), i);
        let start = C::random(&mut rng, 1 + (i % 3) as usize);
        let case = minimised(&start, rng.random(), &rough);
        if test(&case).is_violation() {
            return caught(case, format!("search {i}"));
        }
    }
    None
}
