//! L1: the performance difference lemma.

use pemdp::arithmetic::{Field, Rational};
use pemdp::evaluate::{Evaluation, evaluate};
use pemdp::mdp::Mdp;
use pemdp::policy::Policy;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::identity_margin;
use crate::family::{self, Family};
use crate::survey::{Case, Outcome, attack, refute};

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

/// Two policies of one family: the weights of the second are deployed instead.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub(super) family: Family,
    pub(super) other: Vec<Rational>,
}

impl Pair {
    pub(super) fn swapped(&self) -> Family {
        Family { weights: self.other.clone(), ..self.family.clone() }
    }

    fn split(x: &Family, y: &Family) -> Self {
        Self { family: x.clone(), other: y.weights.clone() }
    }
}

impl Case for Pair {
    fn corners() -> Vec<Self> {
        let pair = |family: Family| {
            let other = family.weights.iter().rev().map(|w| w + Rational::from_integer(1.into())).collect();
            Self { family, other }
        };
        family::corners().into_iter().map(pair).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let family = Family::random(rng, size);
        loop {
            let other = Family::random(rng, size);
            if other.weights.len() >= family.weights.len() {
                let other = other.weights[..family.weights.len()].to_vec();
                return Self { family, other };
            }
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        let mut x = self.family.coordinates();
        x.extend(self.other.iter().map(|w| w.approximate().ln()));
        x
    }

    fn moved(&self, x: &[f64]) -> Self {
        let (first, second) = x.split_at(x.len() - self.other.len());
        let mut swapped = self.swapped();
        swapped.amplitudes.fill(Rational::from_integer(0.into()));
        let second: Vec<f64> = second.iter().copied().chain(swapped.coordinates()).collect();
        Self::split(&self.family.moved(first), &swapped.moved(&second[..swapped.coordinates().len()]))
    }

    fn simpler(&self) -> Vec<Self> {
        let other = &self.other;
        let of_family = self.family.simpler().into_iter().map(|family| Self { family, other: other.clone() });
        let of_other = self.swapped().simpler().into_iter().filter(|f| f.weights != *other);
        of_family.chain(of_other.map(|f| Self { family: self.family.clone(), other: f.weights })).collect()
    }

    fn to_json(&self) -> Value {
        json!({"problem": self.family.to_json(), "other": self.swapped().to_json()})
    }
}

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

/// A policy in the MDP that it or another one induces.
pub(super) struct World<T> {
    pub(super) mdp: Mdp<T>,
    pub(super) policy: Policy<T>,
}

#[allow(clippy::expect_used)] // families are valid MDPs by construction
pub(super) fn world<T: Field>(family: &Family) -> World<T> {
    let (problem, policy) = (family.problem::<T>(), family.policy::<T>());
    let induced = problem.response.induce(&policy).expect("families respond");
    let mdp = Mdp::new(induced.kernel, induced.rewards, problem.initial.clone(), problem.gamma.clone());
    World { mdp: mdp.expect("families are MDPs"), policy: policy.clone() }
}

/// Left and right side.
fn sides<T: Field>(pair: &Pair, form: Form) -> Option<(T, T)> {
    let (own, other) = (world::<T>(&pair.family), world::<T>(&pair.swapped()));
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
    if let Some(pair) = Pair::corners().get(4) {
        if let Some((left, right)) = sides::<Rational>(pair, AS_STATED) {
            finding.certificates.push(certificate::performance_difference(
                "L1",
                &pair.family.to_json(),
                &pair.swapped().to_json(),
                &left,
                &right,
            ));
        }
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
