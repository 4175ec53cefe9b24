//! Certificates of upper bounds, for a program of its own to check
//! (`docs/certificates.md`; what they prove: `docs/theory/optima.md`, section 11).
//!
//! What is found here in doubles is accepted only where intervals prove it, and
//! written as fractions; the checker proves it again.

mod affine;
mod family;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::performative::PerformativeOptimum;
use pemdp::arithmetic::{Field, Rational};
use pemdp::environments::Structure;
use pemdp::problem::{InputError, Numeral, Problem};

/// The format of a certificate.
pub const CERTIFICATE_FORMAT: &str = "pemdp-optimum-certificate/1";

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The environment has none.
    #[error(
        "environment {kind} has no certificate, expected fixed, affine, loan or exponential-family \
         without entropy"
    )]
    NotCovered {
        /// Its kind.
        kind: &'static str,
    },
    /// Terminal states, missing actions, or no discounting.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The gap is none.
    #[error("certificate gap {gap}, expected a number above 0")]
    Gap {
        /// The value.
        gap: f64,
    },
    /// It would be too large.
    #[error("more than {cells} cells; with so many the certificate gap is about {reached:.1e}, ask for more")]
    Cells {
        /// The largest number of them.
        cells: usize,
        /// The gap that so many give.
        reached: f64,
    },
    /// Rounding, or a search that missed the best parameter.
    #[error("no witness for a certificate gap of {gap:e} in doubles, ask for more")]
    NoWitness {
        /// The gap.
        gap: f64,
    },
}

/// How a certificate is made.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateSettings {
    /// The certified bound exceeds the value of the optimum by at most this.
    pub gap: f64,
    /// Of exponential families, as that of the optimum.
    pub bound: Option<f64>,
    /// The largest number of cells.
    pub cells: usize,
}

impl Default for CertificateSettings {
    fn default() -> Self {
        Self { gap: 1e-5, bound: None, cells: 20_000 }
    }
}

/// A proof that no policy has a larger value.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// No policy of the domain has a larger value.
    pub upper_bound: Rational,
    /// Parts of the domain, each with a proof.
    pub cells: usize,
    /// The file, in format [`CERTIFICATE_FORMAT`], on one line.
    pub document: String,
}

/// The certificate that no policy of the domain is better than an optimum by more
/// than the gap. It is found anew: the optimum's own bound is not used.
///
/// # Errors
/// [`CertificateError`] where there is none, with the gap that can be had.
pub fn certificate(
    problem: &Problem,
    optimum: &PerformativeOptimum,
    settings: &CertificateSettings,
) -> Result<Certificate, CertificateError> {
    let gap = settings.gap;
    let kind = problem.environment().kind();
    if !problem.entropy().is_zero() {
        return Err(CertificateError::NotCovered { kind });
    }
    problem.require_whole("a certificate")?;
    if !(gap.is_finite() && gap > 0.0) {
        return Err(CertificateError::Gap { gap });
    }
    let upper_bound = dyadic_below(optimum.value + gap, gap / 8.0);
    let target = Target { value: optimum.value, upper_bound, gap, cells: settings.cells };
    let mut document = Map::new();
    document.insert("format".to_owned(), json!(CERTIFICATE_FORMAT));
    document.insert("problem".to_owned(), written(problem)?);
    document.insert("upper_bound".to_owned(), fraction(upper_bound));
    let (proof, cells) = match problem.structure() {
        Structure::LocalFamily(_) => family::proof(problem, settings.bound, target)?,
        _ => affine::proof(problem, target)?,
    };
    document.extend(proof);
    let document = Value::Object(document).to_string();
    Ok(Certificate { upper_bound: Rational::from_f64(upper_bound), cells, document })
}

/// What is to be proved.
#[derive(Debug, Clone, Copy)]
struct Target {
    value: f64,
    upper_bound: f64,
    gap: f64,
    cells: usize,
}

/// The keys of a proof, and its number of cells.
type Proof = (Map<String, Value>, usize);

/// The largest multiple of a power of two that is at most `x`, the power at most
/// `step`: few digits for little loss.
fn dyadic_below(x: f64, step: f64) -> f64 {
    let unit = power_of_two_below(step);
    (x / unit).floor() * unit
}

/// The largest power of two that is at most `x`, and at least 2^-1000.
fn power_of_two_below(x: f64) -> f64 {
    x.log2().floor().clamp(-1000.0, 1000.0).exp2()
}

/// A double as the fraction that it is.
fn fraction(x: f64) -> Value {
    Value::String(Rational::from_f64(x).to_string())
}

fn exact(x: &Numeral) -> Value {
    Value::String(x.exact().to_string())
}

/// The numbers of a problem as fractions.
fn written(problem: &Problem) -> Result<Value, CertificateError> {
    let kind = problem.environment().kind();
    if !matches!(problem.structure(), Structure::Fixed(_) | Structure::Affine(_) | Structure::LocalFamily(_))
    {
        return Err(CertificateError::NotCovered { kind });
    }
    let problem = problem.recognised();
    let environment: Value = serde_json::from_str(&problem.environment().to_json(problem.given()))
        .map_err(|_| CertificateError::NotCovered { kind })?;
    let initial: Vec<Value> = problem.initial().iter().map(exact).collect();
    Ok(json!({"gamma": exact(problem.gamma()), "initial": initial, "environment": environment}))
}
