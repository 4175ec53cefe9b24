//! Evidence as files that anybody can check.

use num_bigint::BigInt;
use pemdp::arithmetic::Rational;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::case::Case;
use crate::exact::pivots;
use crate::family::Family;

/// A refutation, or a statement at a point, in fractions: with everything that
/// a checker needs to recompute it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimCertificate {
    /// File name: the claim's id, with a number where it has several.
    pub name: String,
    pub(crate) document: Value,
}

/// The document, `"format": "pemdp-certificate/1"`.
impl Serialize for ClaimCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

/// The `"format"` of a certificate.
pub const CERTIFICATE_FORMAT: &str = "pemdp-certificate/1";

fn strings(numbers: &[Rational]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

fn certificate(name: &str, claim: &str, kind: &str, rest: Value) -> ClaimCertificate {
    let mut document = json!({"format": CERTIFICATE_FORMAT, "claim": claim, "kind": kind});
    if let (Value::Object(document), Value::Object(rest)) = (&mut document, exact(rest)) {
        document.extend(rest);
    }
    document["digest"] = digest(&document).into();
    ClaimCertificate { name: name.to_owned(), document }
}

/// Decimals, which problems written by hand may have, as fractions.
fn exact(value: Value) -> Value {
    match value {
        Value::Array(entries) => entries.into_iter().map(exact).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, entry)| (key, exact(entry))).collect(),
        Value::Number(ref number) => decimal(&number.to_string()).map_or(value, Value::String),
        Value::String(ref text) => decimal(text).map_or(value, Value::String),
        other => other,
    }
}

/// A decimal `0.75` as a fraction `3/4`; none for anything else.
fn decimal(text: &str) -> Option<String> {
    let (whole, decimals) = text.split_once('.')?;
    let numerator = format!("{whole}{decimals}").parse().ok()?;
    let denominator = BigInt::from(10).pow(u32::try_from(decimals.len()).ok()?);
    Some(Rational::new(numerator, denominator).to_string())
}

/// CRC-32 of the document as compact JSON with sorted keys, in hexadecimal: what
/// nothing depends on, such as the weight of an only action, cannot be changed
/// unnoticed either.
fn digest(document: &Value) -> String {
    let crc = document.to_string().bytes().fold(u32::MAX, |crc, byte| {
        let shifted = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        (0..8).fold(crc ^ u32::from(byte), shifted)
    });
    format!("{:08x}", !crc)
}

/// The gradient of a problem and what a formula gives for it.
pub(crate) fn gradient(
    name: &str,
    claim: &str,
    problem: &Value,
    truth: &[Rational],
    formula: &[Rational],
) -> ClaimCertificate {
    let rest = json!({"problem": problem, "gradient": strings(truth), "as_printed": strings(formula)});
    certificate(name, claim, "gradient", rest)
}

/// The same with entropy: coefficients of 1 and of the logarithms of a coprime
/// basis, one gradient after the other.
pub(crate) fn regularised_gradient(
    name: &str,
    claim: &str,
    problem: &Value,
    basis: &[BigInt],
    truth: &[Rational],
    formula: &[Rational],
) -> ClaimCertificate {
    let logarithms: Vec<String> = basis.iter().map(ToString::to_string).collect();
    let (truth, formula) = (strings(truth), strings(formula));
    let rest = json!({
        "problem": problem,
        "logarithms": logarithms,
        "gradient": truth,
        "as_printed": formula,
    });
    certificate(name, claim, "gradient", rest)
}

/// A constant `L` such that `L I + H` and `L I - H` are positive semidefinite,
/// `H` the Hessian of `J` at an instance without entropy, by the pivots of
/// `L D L^T`. `None` where they are not.
pub(crate) fn curvature(
    name: &str,
    claim: &str,
    family: &Family,
    constant: &Rational,
) -> Option<ClaimCertificate> {
    let n = family.n_parameters();
    let hessian = family.hessian::<Rational>(Family::hessian_product).ok()?;
    let mut both = Vec::new();
    for sign in [1, -1] {
        let mut matrix: Vec<Rational> =
            hessian.iter().map(|h| h * Rational::from_integer(sign.into())).collect();
        for i in 0..n {
            matrix[i * n + i] += constant;
        }
        both.push(strings(&pivots(n, &matrix)?));
    }
    let rest = json!({"problem": family.to_json(), "constant": constant.to_string(), "pivots": both});
    Some(certificate(name, claim, "curvature", rest))
}

/// `SubOpt <= sqrt(S A Cov) ||grad J||` refuted: the suboptimality of a
/// problem's policy against a better policy of the same kind (a problem's
/// `policy`), its coverage `max d^{pi*}_{pi}[s,a] / d^pi_pi[s,a]`, and
/// `||grad J||^2`.
pub(crate) fn bound_fails(
    name: &str,
    problem: &Value,
    comparator: &Value,
    suboptimality: &Rational,
    coverage: &Rational,
    gradient_norm_squared: &Rational,
) -> ClaimCertificate {
    let rest = json!({
        "problem": problem,
        "comparator": comparator,
        "suboptimality": suboptimality.to_string(),
        "coverage": coverage.to_string(),
        "gradient_norm_squared": gradient_norm_squared.to_string(),
    });
    certificate(name, "L3", "bound-fails", rest)
}

/// Both sides of the performance difference lemma for two policies.
pub(crate) fn performance_difference(
    name: &str,
    problem: &Value,
    other: &Value,
    left: &Rational,
    right: &Rational,
) -> ClaimCertificate {
    let sides =
        json!({"problem": problem, "other": other, "left": left.to_string(), "right": right.to_string()});
    certificate(name, "L1", "performance-difference", sides)
}

/// Two policies of one state with entropy alone, that of the problem and
/// `other[a]`, whose values differ by at least `difference`, more than the root
/// of `squared_bound` that a Lipschitz statement gives.
pub(crate) fn lipschitz(
    name: &str,
    problem: &Value,
    other: &[Rational],
    difference: &Rational,
    squared_bound: &Rational,
) -> ClaimCertificate {
    let rest = json!({
        "problem": problem,
        "other": strings(other),
        "difference": difference.to_string(),
        "bound_squared": squared_bound.to_string(),
    });
    certificate(name, "CH3", "lipschitz", rest)
}

/// A bandit with rewards that respond to the policy, and two probabilities of
/// its first action, each the regularised best response to the other.
pub(crate) fn cycle(
    name: &str,
    gamma: &Rational,
    entropy: &Rational,
    rewards: [&Rational; 2],
    cycle: [&Rational; 2],
) -> ClaimCertificate {
    let text = |pair: [&Rational; 2]| pair.map(ToString::to_string);
    let rest = json!({
        "gamma": gamma.to_string(),
        "regularisation": entropy.to_string(),
        "advantage": text(rewards),
        "cycle": text(cycle),
    });
    certificate(name, "RR", "cycle", rest)
}

/// What ascent cannot leave, and what is better: see "How to check a trap" in
/// `docs/theory/convergence.md`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trap {
    /// The problem at the start.
    pub problem: Value,
    /// The parameter that moves, as state and action.
    pub parameter: (usize, usize),
    /// Its weight `w = exp theta` at the start.
    pub start: Rational,
    /// `dJ/dw > 0` here, or 0 itself.
    pub low: Rational,
    /// `dJ/dw < 0` here; none for infinity.
    pub high: Option<Rational>,
    /// `J < ceiling` on all of `[low, high]`.
    pub ceiling: Rational,
    /// `J > ceiling` here.
    pub better: Rational,
    /// `J = N/D` along the parameter: coefficients of `N` and `D`, ascending.
    pub quotient: [Vec<Rational>; 2],
    /// A bound of the degrees of `N` and `D`.
    pub degree: usize,
}

/// A start from which ascent with small steps stays below a better policy.
pub(crate) fn trap(name: &str, claim: &str, trap: &Trap) -> ClaimCertificate {
    let rest = json!({
        "problem": trap.problem,
        "state": trap.parameter.0,
        "action": trap.parameter.1,
        "start": trap.start.to_string(),
        "low": trap.low.to_string(),
        "high": trap.high.as_ref().map(ToString::to_string),
        "ceiling": trap.ceiling.to_string(),
        "better": trap.better.to_string(),
        "numerator": strings(&trap.quotient[0]),
        "denominator": strings(&trap.quotient[1]),
        "degree": trap.degree,
    });
    certificate(name, claim, "trap", rest)
}

/// A stable policy and a better one: their problems, values `J`, and `Q[s,a]` at
/// the stable one, row by row.
pub(crate) fn stable_point(
    name: &str,
    problems: [&Value; 2],
    values: [&Rational; 2],
    action_values: &[Vec<Rational>],
) -> ClaimCertificate {
    let rest = json!({
        "problem": problems[0],
        "better": problems[1],
        "value": values[0].to_string(),
        "better_value": values[1].to_string(),
        "action_values": action_values.iter().map(|row| strings(row)).collect::<Vec<_>>(),
    });
    certificate(name, "PS", "stable-point", rest)
}

#[cfg(test)]
mod tests {
    use pemdp::arithmetic::ratio;

    use super::*;

    /// Two states, two actions, a responding reward.
    fn responding() -> Family {
        let integers = |entries: &[i64]| entries.iter().map(|&n| ratio(n, 1)).collect::<Vec<_>>();
        let base = integers(&[1, 2, 3, 1, 1, 1, 2, 5]);
        let weights = integers(&[1, 2, 3, 1]);
        let rewards = integers(&[1, -1, 0, 2]);
        let mut family =
            Family::new(ratio(1, 2), vec![ratio(1, 3), ratio(2, 3)], weights, vec![0, 1], base, rewards);
        family.amplitudes = integers(&[1, -2, 3, 1]);
        family
    }

    #[test]
    fn a_constant_that_does_not_hold_has_no_certificate() {
        assert_eq!(curvature("x", "L5x", &responding(), &ratio(1, 10)), None);
    }

    #[test]
    fn decimals_become_fractions_and_nothing_changes_unnoticed() {
        let write = |x: Value| {
            let problem = json!({"x": x});
            performance_difference("x", &problem, &problem, &ratio(1, 2), &ratio(1, 2)).document
        };
        let written = write(json!([0.75, "0.44", -1.5, 2, "-0.5", "3/4", "word", null]));
        assert_eq!(written["problem"]["x"], json!(["3/4", "11/25", "-3/2", 2, "-1/2", "3/4", "word", null]));
        assert_eq!(
            written["digest"],
            write(json!(["3/4", "11/25", "-3/2", 2, "-1/2", "3/4", "word", null]))["digest"]
        );
        assert_ne!(
            written["digest"],
            write(json!(["3/4", "11/25", "-3/2", 2, "-1/2", "3/4", "Word", null]))["digest"]
        );
    }
}
