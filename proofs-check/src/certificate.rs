//! Evidence as files that anybody can check.

use pemdp::arithmetic::Rational;
use serde_json::{Value, json};

/// A refutation, or a statement at a point, in fractions: with everything that
/// a checker needs to recompute it.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// File name: the claim's id, with a number where it has several.
    pub name: String,
    /// The document, `"format": "pemdp-certificate/1"`.
    pub document: Value,
}

/// The `"format"` of a certificate.
pub const CERTIFICATE_FORMAT: &str = "pemdp-certificate/1";

fn strings(numbers: &[Rational]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

fn certificate(name: &str, claim: &str, kind: &str, rest: Value) -> Certificate {
    let mut document = json!({"format": CERTIFICATE_FORMAT, "claim": claim, "kind": kind});
    if let (Value::Object(document), Value::Object(rest)) = (&mut document, rest) {
        document.extend(rest);
    }
    Certificate { name: name.to_owned(), document }
}

/// The gradient of a problem and what a formula gives for it; with entropy,
/// coefficients over 1 and the logarithms of a coprime basis in ascending order,
/// one gradient after the other.
pub fn gradient(
    name: &str,
    claim: &str,
    problem: &Value,
    truth: &[Rational],
    formula: &[Rational],
) -> Certificate {
    let rest = json!({"problem": problem, "gradient": strings(truth), "as_printed": strings(formula)});
    certificate(name, claim, "gradient", rest)
}

/// Both sides of the performance difference lemma for two policies.
pub fn performance_difference(
    name: &str,
    problem: &Value,
    other: &Value,
    left: &Rational,
    right: &Rational,
) -> Certificate {
    let sides =
        json!({"problem": problem, "other": other, "left": left.to_string(), "right": right.to_string()});
    certificate(name, "L1", "performance-difference", sides)
}

/// A policy and a comparator for which `SubOpt <= sqrt(|S||A| Cov) ||grad J||`
/// fails.
pub fn bound_fails(
    name: &str,
    problem: &Value,
    comparator: &Value,
    suboptimality: &Rational,
    coverage: &Rational,
    squared_gradient: &Rational,
) -> Certificate {
    let rest = json!({
        "problem": problem,
        "comparator": comparator,
        "suboptimality": suboptimality.to_string(),
        "coverage": coverage.to_string(),
        "gradient_norm_squared": squared_gradient.to_string(),
    });
    certificate(name, "L3", "bound-fails", rest)
}

/// Two policies with all entries at least `delta`, that of the problem and
/// `other[s A + a]`, whose values differ by at least `difference`, more than the
/// `bound` of a Lipschitz statement.
pub fn lipschitz(
    name: &str,
    problem: &Value,
    other: &[Rational],
    delta: &Rational,
    difference: &Rational,
    bound: &Rational,
) -> Certificate {
    let rest = json!({
        "problem": problem,
        "other": strings(other),
        "delta": delta.to_string(),
        "difference_at_least": difference.to_string(),
        "bound_at_most": bound.to_string(),
    });
    certificate(name, "CH3", "lipschitz", rest)
}

/// A bandit with rewards that respond to the policy, and two probabilities of
/// its first action, each the regularised best response to the other.
pub fn cycle(
    name: &str,
    gamma: &Rational,
    entropy: &Rational,
    rewards: [&Rational; 2],
    cycle: [&Rational; 2],
) -> Certificate {
    let text = |pair: [&Rational; 2]| pair.map(ToString::to_string);
    let rest = json!({
        "gamma": gamma.to_string(),
        "regularisation": entropy.to_string(),
        "advantage": text(rewards),
        "cycle": text(cycle),
    });
    certificate(name, "RR", "cycle", rest)
}
