//! T3m: ascent with `eta = 1/L` is monotone.

use num_traits::Zero;
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental};
use pemdp::policy::Policy;

use super::smoothness::smoothness;
use super::theorem2::{Weighting, gradient};
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::family::Family;
use crate::survey::{Outcome, attack, refute};

/// Monotone ascent and its rate.
pub static T3M: Claim = Claim {
    id: "T3m",
    title: "Monotone ascent",
    statement: "with eta = 1/L, V(theta_{t+1}) >= V(theta_t) + |grad V(theta_t)|^2/(2L), hence \
                min_{t<T} |grad V(theta_t)|^2 <= 2 L (V* - V(theta_0))/T; L = 2 Rbar I/(1-gamma)^2 \
                + 2 L_r sqrt(I)/(1-gamma)^(3/2) + C2_r/(1-gamma), I = 1/2 + gamma B^2/4",
    source: "[derived]; what remains of [PePG, T3]",
    hypotheses: "softmax policies, exponential-family transitions, |r'| <= L_r, |r''| <= C2_r",
    expected: Verdict::Proved,
    finding: "The descent lemma with the proved smoothness constant.",
    repair: None,
    theory: "theory/convergence.md",
    check,
    mutants,
};

/// Steps of each ascent.
const STEPS: usize = 4;

/// The statement, or a wrong version.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// The step over `1/L`.
    step: (i64, i64),
    /// The promised gain over `|grad|^2/L`.
    gain: (i64, i64),
    /// The factor of `L (V_T - V_0)/T` in the rate.
    rate: (i64, i64),
    /// The power of `T` in the rate.
    power: i64,
    /// The direction: the gradient, or what T2 prints.
    direction: Weighting,
}

const AS_STATED: Rule =
    Rule { step: (1, 1), gain: (1, 2), rate: (2, 1), power: 1, direction: Weighting::Score };

/// Left and right sides: of each step, and of the rate, in which `V_T` stands
/// for `V*`; none where the arithmetic cannot evaluate.
fn sides<T: Transcendental>(family: &Family, rule: Rule) -> Option<Vec<(T, T)>> {
    let ratio = |(n, d): (i64, i64)| T::from_ratio(n, d);
    let smoothness = T::from_rational(&smoothness(family));
    let rate = ratio(rule.step) / &smoothness;
    let problem = family.problem::<T>();
    let mut weights: Vec<T> = family.weights.iter().map(T::from_rational).collect();
    let mut result = Vec::with_capacity(STEPS + 1);
    let (mut first, mut last): (Option<T>, Option<T>) = (None, None);
    let (mut least, mut promised): (Option<T>, T) = (None, T::zero());
    for _ in 0..=STEPS {
        let policy = Policy::weights(family.n_states(), family.n_actions, weights.clone()).ok()?;
        let performance = problem.perform(&policy).ok()?;
        let value = performance.evaluation.value.clone();
        if let Some(last) = last {
            result.push((promised, value.clone() - &last));
        }
        let direction = gradient(&performance, &policy, rule.direction).ok()?;
        let square = T::sum_of_products(direction.iter().zip(&direction));
        promised = square.clone() * ratio(rule.gain) / &smoothness;
        if result.len() < STEPS {
            least = Some(match least {
                Some(least) if least.approximate() <= square.approximate() => least,
                _ => square,
            });
        }
        for (w, g) in weights.iter_mut().zip(&direction) {
            *w = w.clone() * (g.clone() * &rate).exp();
        }
        first = first.or_else(|| Some(value.clone()));
        last = Some(value);
    }
    let gained = last? - &first?;
    let steps = T::from_integer((STEPS as i64).pow(u32::try_from(rule.power).ok()?));
    result.push((least? * steps, gained * smoothness * ratio(rule.rate)));
    Some(result)
}

/// The smallest margin, where every side is told apart.
fn test(family: &Family, rule: Rule) -> Outcome {
    let Ok((_, exact)) = family.value_and_gradient::<Rational>() else { return Outcome::Undecided };
    if exact.iter().all(Zero::is_zero) {
        return Outcome::OutOfScope; // nothing moves: both sides are 0
    }
    let Some(sides) = sides::<Ball>(family, rule) else { return Outcome::Undecided };
    let mut least = f64::INFINITY;
    for (left, right) in sides {
        let slack = right - left;
        let scale = left.magnitude().max(right.magnitude());
        if slack.certainly_negative() {
            least = least.min((slack.upper() / scale).min(-f64::MIN_POSITIVE));
        } else if slack.lower() >= 0.0 {
            least = least.min(slack.lower() / scale);
        } else {
            return Outcome::Undecided;
        }
    }
    Outcome::Decided(least)
}

fn rough(family: &Family, rule: Rule) -> Option<f64> {
    let margins = sides::<f64>(family, rule)?.into_iter().map(|(left, right)| {
        let scale = left.abs().max(right.abs()) + 1e-12;
        (right - left) / scale
    });
    Some(margins.fold(f64::INFINITY, f64::min))
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Enclosed);
    let test = |family: &Family| test(family, AS_STATED);
    let survey = attack(effort, "T3m", test, |family| rough(family, AS_STATED));
    survey.count_into(&mut finding);
    if let Some((_, by, margin)) = survey.violation(test) {
        finding.verdict = Verdict::Refuted;
        finding
            .notes
            .push(format!("Violated by {by} with the margin {margin:.2e}, which the proof excludes."));
    }
    if let Some(margin) = survey.margin() {
        finding.notes.push(format!(
            "{STEPS} steps each, in enclosures: the gain of a step and the rate; smallest margin {margin:.3} of the \
             larger side. {} instances have gradient 0 and do not move.",
            survey.out_of_scope
        ));
    }
    if let Some((picture, note)) = super::convergence::rate() {
        finding.pictures.push(picture);
        finding.notes.push(note);
    }
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, rule: Rule| {
        Mutant::new(name, move |effort| {
            let salt = format!("T3m, {name}");
            refute(
                effort,
                &salt,
                Evidence::Enclosed,
                |family: &Family| test(family, rule),
                |family| rough(family, rule),
            )
        })
    };
    vec![
        mutant("steps of 10/L", Rule { step: (10, 1), gain: (10, 2), ..AS_STATED }),
        mutant("steps of -1/L", Rule { step: (-1, 1), ..AS_STATED }),
        mutant("a gain of |grad|^2/L", Rule { gain: (1, 1), ..AS_STATED }),
        mutant("L/10 in place of 2L in the rate", Rule { rate: (1, 10), ..AS_STATED }),
        mutant("T^2 in place of T in the rate", Rule { power: 2, ..AS_STATED }),
        mutant("along T2 as printed", Rule { direction: Weighting::AsPrinted, ..AS_STATED }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::corners;
    use crate::tolerances::SOLVED;

    #[test]
    fn the_constant_bounds_hessians_at_the_corners() {
        for family in corners() {
            let bound = smoothness(&family).approximate();
            let hessian = family.hessian::<f64>(Family::hessian_product).unwrap();
            let norm = hessian.iter().map(|h| h * h).sum::<f64>().sqrt();
            let rank = family.n_parameters() as f64;
            assert!(norm <= bound * rank.sqrt() + SOLVED, "{norm} {bound}");
        }
    }
}
