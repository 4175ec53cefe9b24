//! T2x: the exact gradient in adjoint form, and every known mistake.

use num_traits::Zero;
use pemdp::arithmetic::{Dual, Rational, ratio};
use pemdp::oracle::examples::EXAMPLES;

use pemdp::oracle::{KNOWN_MISTAKES, mistaken_answers};
use pemdp::problem::{Problem, Reading};
use rand::RngExt;
use serde_json::{Value, json};

use crate::case::Case;
use crate::claim::{Caught, Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::identity_margin;
use crate::family::Family;
use crate::survey::{Outcome, survey};

/// The gradient that the oracle computes.
pub static T2X: Claim = Claim {
    id: "T2x",
    title: "Exact performative gradient",
    statement: "dJ = sum_s d[s] sum_a dpi(a|s) Q[s,a] + sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t] \
                + sum_{s,a} d[s,a] dr[s,a], d = (I - gamma P_pi)^{-T} rho",
    source: "[derived]",
    hypotheses: "differentiable policy, transitions and rewards",
    expected: Verdict::Proved,
    finding: "The gradient of the performative value. It is equal to the derivative that dual numbers carry \
              through the solve, which know nothing of occupancies.",
    repair: None,
    theory: "theory/gradient.md",
    check,
    mutants,
};

/// The derivative of `J` in every parameter by dual numbers.
fn forward(family: &Family) -> Option<Vec<Rational>> {
    let n = family.n_parameters();
    let along = |k: usize| {
        let direction: Vec<Rational> =
            (0..n).map(|i| Rational::from_integer(i64::from(i == k).into())).collect();
        let (problem, policy) = (family.problem::<Dual<Rational>>(), family.policy_along(&direction));
        Some(problem.perform(&policy).ok()?.evaluation.value.derivative)
    };
    (0..n).map(along).collect()
}

fn test(family: &Family) -> Outcome {
    let both = || Some((family.value_and_gradient::<Rational>().ok()?.1, forward(family)?));
    both().map(|(adjoint, forward)| identity_margin(&adjoint, &forward)).into()
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let survey = survey(effort, "T2x", test);
    survey.count_into(&mut finding);
    if survey.violation(test).is_some() {
        finding.verdict = Verdict::Refuted;
    }
    finding.notes.push("Its mutants are the mistakes that `pemdp verify` knows.".into());
    finding
}

/// How far a mistaken answer must be from the exact one, relative to the larger:
/// far above the rounding of both.
const TOLD_APART: f64 = 1e-6;

/// The largest relative distance of any quantity from the exact answer, over
/// the reading of the mistake that is nearest to it.
fn distance(problem: &Problem, id: &str) -> Option<f64> {
    let answer = problem.answer().ok()?;
    let mistaken = mistaken_answers(problem).ok()?.into_iter().find(|m| m.id == id)?;
    let apart = |x: f64, y: f64, scale: f64| if scale > 0.0 { (x - y).abs() / scale } else { 0.0 };
    let size = |entries: &[Option<f64>]| entries.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()));
    let of = |(value, gradient): &(f64, Vec<Option<f64>>)| {
        let scale = size(gradient).max(size(&answer.gradient));
        let entries = gradient.iter().zip(&answer.gradient);
        let gradient = entries.filter_map(|(x, y)| Some(apart((*x)?, (*y)?, scale)));
        let value = apart(*value, answer.value, value.abs().max(answer.value.abs()));
        gradient.fold(value, f64::max)
    };
    mistaken.readings.iter().map(of).reduce(f64::min)
}

fn told_apart(id: &'static str, effort: &Effort) -> Option<Caught> {
    let caught = |by: String, problem: &Problem, instance: Value| {
        let distance = distance(problem, id).filter(|distance| *distance > TOLD_APART)?;
        Some(Caught { by, margin: -distance, evidence: Evidence::Float, instance: instance.to_string() })
    };
    // A ready problem is the most readable instance, the gridworld the largest.
    for example in EXAMPLES.iter().rev() {
        let json = example.to_json();
        // Gradients with respect to probabilities are known up to a constant a state only.
        if json.contains("\"probabilities\"") {
            continue;
        }
        let Ok(problem) = Problem::from_json(&json, Reading::Doubles) else { continue };
        let found = caught(format!("example {}", example.name), &problem, json!(example.name));
        if found.is_some() {
            return found;
        }
    }
    (0..effort.instances).find_map(|i| {
        let mut rng = effort.random("known mistakes", i);
        let mut family = Family::random(&mut rng, 2);
        family.amplitudes.fill(Rational::zero());
        family.entropy = ratio(rng.random_range(0..4), 2);
        let mut json = family.to_json();
        if i % 2 == 1 {
            // An episode ends in the first state, and the last one does not have the first action.
            let last = family.n_states() - 1;
            let has = |s: usize, a: usize| s < last || a > 0;
            let row = |s: usize| (0..family.n_actions).map(|a| has(s, a)).collect::<Vec<bool>>();
            json["available"] = json!((0..family.n_states()).map(row).collect::<Vec<_>>());
            json["terminal"] = json!([0]);
        }
        let problem = Problem::from_json(&json.to_string(), Reading::Doubles).ok()?;
        caught(format!("random {i}"), &problem, json)
    })
}

fn mutants() -> Vec<Mutant> {
    let mutant = |id: &'static str| {
        Mutant::new(format!("known mistake {id}"), move |effort: &Effort| told_apart(id, effort))
    };
    KNOWN_MISTAKES.iter().map(|mistake| mutant(mistake.id)).collect()
}
