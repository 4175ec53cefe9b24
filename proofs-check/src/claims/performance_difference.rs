//! L1: the performance difference lemma.

use pemdp::arithmetic::{Field, Rational};
use pemdp::evaluate::{Evaluation, evaluate};

use crate::case::Case;
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::identity_margin;
use crate::pair::{Pair, World};
use crate::survey::{Outcome, attack, refute};

/// The performance difference lemma.
pub static L1: Claim = Claim {
    id: "L1",
    title: "Performance difference",
    statement: "J(pi) - J(pi') = sum_{s,a} d^pi_{pi'}(s,a) [ A^{pi'}_{pi'}(s,a) + (r_pi - r_pi')(s,a) \
                + gamma sum_t (P_pi - P_pi')(t|s,a) V^pi_pi(t) ], with V^x_y the value of policy x where y is deployed",
    source: "[PePG, L1]; d is normalised and divided by 1-gamma there",
    hypotheses: "two policies, each with the environment that it induces",
    expected: Verdict::Proved,
    finding: "An identity. Of the 16 ways to mix the occupancy and the last value it holds for two: \
              d^pi_{pi'} with V^pi_pi, and d^pi_pi with V^{pi'}_{pi'}.",
    repair: None,
    theory: "theory/performance-difference.md",
    check,
    mutants,
};

/// Whose policy is followed and who is deployed: `pi` or `pi'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mixture {
    follows_other: bool,
    deployed_other: bool,
}

const OWN: Mixture = Mixture { follows_other: false, deployed_other: false };
const MIXED: Mixture = Mixture { follows_other: false, deployed_other: true };
const OTHER: Mixture = Mixture { follows_other: true, deployed_other: true };
const REVERSED: Mixture = Mixture { follows_other: true, deployed_other: false };

/// A form of the lemma: the occupancy, the last value, and what else a mutant
/// changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    occupancy: Mixture,
    value: Mixture,
    gamma: bool,
    transition_sign: i64,
    reward: bool,
    normalised: bool,
}

const AS_STATED: Form =
    Form { occupancy: MIXED, value: OWN, gamma: true, transition_sign: 1, reward: true, normalised: false };
const SECOND: Form = Form { occupancy: OWN, value: OTHER, ..AS_STATED };

/// Left and right side.
fn sides<T: Field>(pair: &Pair, form: Form) -> Option<(T, T)> {
    let (own, other) = (World::<T>::of(&pair.family), World::<T>::of(&pair.swapped()));
    let evaluation = |mixture: Mixture| -> Option<Evaluation<T>> {
        let deployed = if mixture.deployed_other { &other } else { &own };
        let followed = if mixture.follows_other { &other } else { &own };
        evaluate(&deployed.mdp, &followed.policy, &T::zero()).ok()
    };
    let reference = evaluation(OTHER)?;
    let left = evaluation(OWN)?.value - &reference.value;
    let occupancy = evaluation(form.occupancy)?;
    let values = evaluation(form.value)?.state_values;
    let gamma = if form.gamma { own.mdp.gamma().clone() } else { T::one() };
    let gamma = gamma * T::from_integer(form.transition_sign);
    let mut right = T::zero();
    for s in 0..own.mdp.n_states() {
        for a in 0..own.mdp.n_actions() {
            let mut term = reference.advantage(s, a)?;
            if form.reward {
                term += own.mdp.reward(s, a).clone() - other.mdp.reward(s, a);
            }
            for (t, value) in values.iter().enumerate() {
                let change = own.mdp.kernel().probability(s, a, t) - other.mdp.kernel().probability(s, a, t);
                term += change * value * &gamma;
            }
            right += term * occupancy.occupancy(s, a);
        }
    }
    if form.normalised {
        right = right * (T::one() - own.mdp.gamma());
    }
    Some((left, right))
}

fn test(pair: &Pair, form: Form) -> Outcome {
    sides::<Rational>(pair, form).map(|(left, right)| identity_margin(&[left], &[right])).into()
}

fn rough(pair: &Pair, form: Form) -> Option<f64> {
    let (left, right) = sides::<f64>(pair, form)?;
    Some(-(left - right).abs() / (left.abs() + right.abs() + 1e-9))
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    for (name, form) in [("L1", AS_STATED), ("L1, second form", SECOND)] {
        let survey = attack(effort, name, |pair: &Pair| test(pair, form), |pair| rough(pair, form));
        survey.count_into(&mut finding);
        if survey.violation(|pair| test(pair, form)).is_some() {
            finding.verdict = Verdict::Refuted;
        }
    }
    finding.notes.push("Both exact forms were held against every instance.".into());
    // A pair of policies with responding transitions and rewards.
    if let Some(pair) = Pair::corners().get(5)
        && let Some((left, right)) = sides::<Rational>(pair, AS_STATED)
    {
        let (own, other) = (pair.family.to_json(), pair.swapped().to_json());
        finding.certificates.push(certificate::performance_difference("L1", &own, &other, &left, &right));
    }
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: String, form: Form| {
        let salt = format!("L1, {name}");
        Mutant::new(name, move |effort| {
            refute(effort, &salt, Evidence::Exact, |pair: &Pair| test(pair, form), |pair| rough(pair, form))
        })
    };
    let mut mutants = vec![
        mutant("gamma dropped".into(), Form { gamma: false, ..AS_STATED }),
        mutant("sign of the transition term flipped".into(), Form { transition_sign: -1, ..AS_STATED }),
        mutant("reward term dropped".into(), Form { reward: false, ..AS_STATED }),
        mutant("occupancy normalised".into(), Form { normalised: true, ..AS_STATED }),
    ];
    let names = [(OWN, "^pi_pi"), (MIXED, "^pi_{pi'}"), (OTHER, "^{pi'}_{pi'}"), (REVERSED, "^{pi'}_pi")];
    for (occupancy, d) in names {
        for (value, v) in names {
            let form = Form { occupancy, value, ..AS_STATED };
            if form != AS_STATED && form != SECOND {
                mutants.push(mutant(format!("d{d} with V{v}"), form));
            }
        }
    }
    mutants
}
