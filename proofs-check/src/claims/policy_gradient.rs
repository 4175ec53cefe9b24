//! T2 and T2e: the policy gradient theorem of \[PePG\].

use num_traits::Zero;
use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::mdp::Mdp;
use pemdp::performative::Performance;
use pemdp::policy::Policy;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::theorem2::{Weighting, gradient};
use crate::case::Case;
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::identity_margin;
use crate::family::Family;
use crate::logarithms::{coprime_basis, exponents};
use crate::survey::{Outcome, attack, refute, survey};

/// The policy gradient theorem.
pub static T2: Claim = Claim {
    id: "T2",
    title: "Policy gradient theorem",
    statement: "grad V = E sum_t gamma^t [ A(s_t,a_t) (grad log pi(a_t|s_t) + grad log P(s_{t+1}|s_t,a_t)) \
                + grad r(s_t,a_t) ], A = Q - V",
    source: "[PePG, T2]",
    hypotheses: "differentiable policy, transitions and rewards, positive transition probabilities on their support",
    expected: Verdict::Refuted,
    finding: "As transcribed the transition term is lost, because E[A(s,a) grad log P | s,a] = 0: what remains is \
              the policy and the reward term.",
    repair: Some("Put the temporal difference r + gamma V(s_{t+1}) - V(s_t) in place of A(s_t,a_t)."),
    theory: "theory/gradient.md",
    check: check_t2,
    mutants: mutants_t2,
};

/// The same with entropy.
pub static T2E: Claim = Claim {
    id: "T2e",
    title: "Policy gradient theorem with entropy",
    statement: "grad V = E sum_t gamma^t [ A~(s_t,a_t) (grad log pi + grad log P) + grad r - lambda grad log pi ], \
                A~ = A - lambda log pi",
    source: "[PePG, T2, entropy-regularised]",
    hypotheses: "as for T2, lambda >= 0, a policy with positive probabilities",
    expected: Verdict::Refuted,
    finding: "The extra term has expectation 0 and the transition term is lost as in T2.",
    repair: Some(
        "The temporal difference of the regularised reward r - lambda log pi in place of A~; the extra term can go.",
    ),
    theory: "theory/gradient.md",
    check: check_t2e,
    mutants: mutants_t2e,
};

/// The true gradient and the one that a formula gives.
fn sides<T: Field>(family: &Family, weighting: Weighting) -> Option<(Vec<T>, Vec<T>)> {
    let (problem, policy) = (family.problem::<T>(), family.policy::<T>());
    let performance = problem.perform(&policy).ok()?;
    let truth = performance.gradient.total().into_iter().collect::<Option<Vec<T>>>()?;
    Some((truth, gradient(&performance, &policy, weighting).ok()?))
}

fn test(family: &Family, weighting: Weighting) -> Outcome {
    sides::<Rational>(family, weighting).map(|(truth, formula)| identity_margin(&formula, &truth)).into()
}

fn rough(family: &Family, weighting: Weighting) -> Option<f64> {
    let (truth, formula) = sides::<f64>(family, weighting)?;
    let difference: f64 = truth.iter().zip(&formula).map(|(t, f)| (t - f).abs()).sum();
    let size: f64 = truth.iter().chain(&formula).map(|x| x.abs()).sum();
    Some(-difference / (size + 1e-9))
}

fn check_t2(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let printed = survey(effort, "T2", |family: &Family| test(family, Weighting::AsPrinted));
    printed.count_into(&mut finding);
    if let Some((family, by, margin)) = printed.violation(|family| test(family, Weighting::AsPrinted)) {
        finding.verdict = Verdict::Refuted;
        finding.notes.push(format!(
            "Refuted most clearly by {by}; shrunk to T2-found.json it is still off by {:.3}.",
            -margin
        ));
        for (name, family) in [("T2", two_state()), ("T2-found", family)] {
            if let Some((truth, formula)) = sides::<Rational>(&family, Weighting::AsPrinted) {
                finding.certificates.push(certificate::gradient(
                    name,
                    "T2",
                    &family.to_json(),
                    &truth,
                    &formula,
                ));
            }
        }
    }
    // Where nothing responds the theorem must be the classical one.
    let still = survey(effort, "T2 without response", |family: &Family| {
        test(&family.clone().without_response(), Weighting::AsPrinted)
    });
    finding.notes.push(match still.margin() {
        Some(0.0) => format!("Without response it holds on all {} instances.", still.decided),
        _ => "Without response it fails too, which the proof excludes.".into(),
    });
    let repaired = attack(
        effort,
        "T2 repaired",
        |family: &Family| test(family, Weighting::TemporalDifference),
        |family| rough(family, Weighting::TemporalDifference),
    );
    finding.notes.push(match repaired.margin() {
        Some(0.0) => format!("Repaired, it holds exactly on all {} instances.", repaired.decided),
        _ => "The repair fails on an instance, which the proof excludes.".into(),
    });
    if still.margin() != Some(0.0) || repaired.margin() != Some(0.0) {
        finding.verdict = Verdict::Underspecified;
    }
    finding
}

/// T2a: `grad V = (3/16, 1/16)`, as printed `(0, 0)`.
fn two_state() -> Family {
    let q = Rational::from_ratio;
    let one = || q(1, 1);
    Family::new(
        q(1, 2),
        vec![one(), q(0, 1)],
        vec![one(); 2],
        vec![0, 1],
        vec![one(); 4],
        vec![q(0, 1), one()],
    )
}

/// T2a with a second action and entropy.
fn two_actions() -> Family {
    let q = |n| ratio(n, 1);
    let mut family = Family::new(
        ratio(1, 2),
        vec![q(1), q(0)],
        [1, 2, 1, 1].map(q).to_vec(),
        vec![0, 1],
        vec![q(1); 8],
        [0, 1, 2, 0].map(q).to_vec(),
    );
    family.entropy = ratio(1, 2);
    family
}

/// The true gradient and another one.
type Sides = Option<(Vec<Rational>, Vec<Rational>)>;

/// A wrong formula, which an instance must tell from the truth.
fn formula_mutant(name: &'static str, formula: fn(&Family) -> Sides) -> Mutant {
    let test = move |family: &Family| -> Outcome {
        formula(family).map(|(truth, formula)| identity_margin(&formula, &truth)).into()
    };
    Mutant::new(name, move |effort| {
        let rough = |family: &Family| formula(family).map(|(t, f)| identity_margin(&f, &t));
        refute(effort, &format!("T2, {name}"), Evidence::Exact, test, rough)
    })
}

/// The true gradient with its terms scaled: policy, transition, reward.
fn scaled(family: &Family, scale: impl Fn(&Family) -> [Rational; 3]) -> Sides {
    let (problem, policy) = (family.problem::<Rational>(), family.policy::<Rational>());
    let performance = problem.perform(&policy).ok()?;
    let truth = performance.gradient.total().into_iter().collect::<Option<Vec<_>>>()?;
    let terms = &performance.gradient;
    let [of_policy, of_transition, of_reward] = scale(family);
    let policy_term = terms.policy.iter().map(|x| x.clone().unwrap_or_else(Rational::zero));
    let wrong = policy_term
        .zip(terms.transition.iter().zip(&terms.reward))
        .map(|(p, (t, r))| p * &of_policy + t * &of_transition + r * &of_reward)
        .collect();
    Some((truth, wrong))
}

fn mutants_t2() -> Vec<Mutant> {
    vec![
        formula_mutant("A on both scores, as printed", |f| sides(f, Weighting::AsPrinted)),
        formula_mutant("gamma dropped from the transition term", |f| {
            if f.gamma.is_zero() {
                return None;
            }
            let q = Rational::from_ratio;
            scaled(f, |f| [q(1, 1), f.gamma.recip(), q(1, 1)])
        }),
        formula_mutant("transition term with the wrong sign", |f| {
            let q = Rational::from_ratio;
            scaled(f, |_| [q(1, 1), q(-1, 1), q(1, 1)])
        }),
        formula_mutant("no reward term", |f| {
            let q = Rational::from_ratio;
            scaled(f, |_| [q(1, 1), q(1, 1), q(0, 1)])
        }),
        formula_mutant("occupancy normalised", |f| {
            scaled(f, |f| std::array::from_fn(|_| f.horizon().recip()))
        }),
    ]
}

/// How the advantage of the regularised theorem is read, or mutated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// `A - lambda log pi` with the step's own `-lambda log pi` counted once.
    AsPrinted,
    /// The same counted twice.
    CountedTwice,
    /// The repair.
    TemporalDifference,
    /// The repair without the entropy in the values.
    Unregularised,
}

/// `pi(a|s)` at `s A + a`.
fn probabilities(policy: &Policy<Rational>) -> Vec<Rational> {
    let of_state = |s: usize| (0..policy.n_actions()).map(move |a| policy.probability(s, a).clone());
    (0..policy.n_states()).flat_map(of_state).collect()
}

/// The true regularised gradient and a formula's, as coefficients over
/// `{1, log b_1, ...}` for a coprime basis `b`: the values are linear in the
/// rewards, and those are linear in the logarithms.
fn regularised_sides(family: &Family, reading: Reading) -> Sides {
    let (problem, policy) = (family.problem::<Rational>(), family.policy::<Rational>());
    let plain = pemdp::performative::PerformativeMdp { entropy: Rational::zero(), ..problem };
    let performance = plain.perform(&policy).ok()?;
    let n_actions = family.n_actions;
    let probabilities = probabilities(&policy);
    let basis = coprime_basis(probabilities.iter());
    let powers: Vec<Vec<i64>> = probabilities.iter().map(|pi| exponents(pi, &basis)).collect();
    // The reward tables of the components: r, and -lambda times the exponents.
    let mut tables = vec![
        (0..probabilities.len())
            .map(|i| performance.mdp.reward(i / n_actions, i % n_actions).clone())
            .collect::<Vec<_>>(),
    ];
    for b in 0..basis.len() {
        tables.push(powers.iter().map(|p| -&family.entropy * Rational::from_integer(p[b].into())).collect());
    }
    let (mut truth, mut formula) = (Vec::new(), Vec::new());
    for (component, rewards) in tables.into_iter().enumerate() {
        let kernel = performance.mdp.kernel().clone();
        let mdp = Mdp::new(kernel, rewards.clone(), family.initial.clone(), family.gamma.clone()).ok()?;
        let evaluation = pemdp::evaluate::evaluate(&mdp, &policy, &Rational::zero()).ok()?;
        let pullback = &*performance.pullback;
        let terms =
            pemdp::gradient::performative_gradient(&mdp, &policy, &evaluation, pullback, &Rational::zero())
                .ok()?;
        // dr/dtheta belongs to the component without logarithms alone.
        let own = if component == 0 { Rational::zero() } else { Rational::from_integer(1.into()) };
        let without = |gradient: Vec<Rational>| -> Vec<Rational> {
            gradient.into_iter().zip(&terms.reward).map(|(g, r)| g - r * &own).collect()
        };
        truth.extend(without(terms.total().into_iter().collect::<Option<Vec<_>>>()?));
        let weighting = match reading {
            Reading::AsPrinted | Reading::CountedTwice => Weighting::AsPrinted,
            Reading::TemporalDifference | Reading::Unregularised => Weighting::TemporalDifference,
        };
        let induced = plain.response.induce(&policy).ok()?;
        let component_performance = Performance {
            mdp,
            gradient: terms.clone(),
            kinks: Vec::new(),
            pullback: induced.pullback,
            evaluation,
        };
        let mut part = without(gradient(&component_performance, &policy, weighting).ok()?);
        if reading == Reading::CountedTwice && component > 0 {
            let evaluation = &component_performance.evaluation;
            let cotangent: Vec<Rational> = (0..rewards.len())
                .map(|i| &rewards[i] * &evaluation.state_occupancy[i / n_actions])
                .collect();
            for (part, extra) in part.iter_mut().zip(policy.pullback(&cotangent).ok()?) {
                *part += extra;
            }
        }
        if reading == Reading::Unregularised && component > 0 {
            part.fill(Rational::zero());
        }
        formula.extend(part);
    }
    // The extra term, -lambda E[grad log pi]: exactly 0, added for what it is.
    let evaluation = &performance.evaluation;
    let cotangent: Vec<Rational> = (0..probabilities.len())
        .map(|i| -&family.entropy * &evaluation.state_occupancy[i / n_actions])
        .collect();
    for (formula, extra) in formula.iter_mut().zip(policy.pullback(&cotangent).ok()?) {
        *formula += extra;
    }
    Some((truth, formula))
}

/// A family with entropy.
#[derive(Debug, Clone, PartialEq)]
struct Regularised(Family);

impl Case for Regularised {
    fn corners() -> Vec<Self> {
        let with = |family: Family| Self(Family { entropy: ratio(1, 2), ..family });
        Family::corners().into_iter().map(with).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let entropy = ratio(rng.random_range(0..=6), 3);
        Self(Family { entropy, ..Family::random(rng, size) })
    }

    fn coordinates(&self) -> Vec<f64> {
        self.0.coordinates()
    }

    fn moved(&self, x: &[f64]) -> Self {
        Self(self.0.moved(x))
    }

    fn simpler(&self) -> Vec<Self> {
        self.0.simpler().into_iter().map(Self).collect()
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

fn test_regularised(case: &Regularised, reading: Reading) -> Outcome {
    regularised_sides(&case.0, reading).map(|(truth, formula)| identity_margin(&formula, &truth)).into()
}

fn check_t2e(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    // Vectors of fractions for every logarithm: a quarter of the instances.
    let effort = &Effort { instances: effort.instances.div_ceil(4), ..*effort };
    let printed = survey(effort, "T2e", |case: &Regularised| test_regularised(case, Reading::AsPrinted));
    printed.count_into(&mut finding);
    if let Some((_, by, _)) = printed.violation(|case| test_regularised(case, Reading::AsPrinted)) {
        finding.verdict = Verdict::Refuted;
        finding.notes.push(format!("Refuted most clearly by {by}."));
        // With one action, as in T2a, the entropy is not at stake.
        let family = two_actions();
        if let Some((truth, formula)) = regularised_sides(&family, Reading::AsPrinted) {
            finding.certificates.push(certificate::regularised_gradient(
                "T2e",
                "T2e",
                &family.to_json(),
                &coprime_basis(probabilities(&family.policy()).iter()),
                &truth,
                &formula,
            ));
        }
    }
    let repaired = survey(effort, "T2e repaired", |case: &Regularised| {
        test_regularised(case, Reading::TemporalDifference)
    });
    finding.notes.push(match repaired.margin() {
        Some(0.0) => format!(
            "Repaired, it holds exactly on all {} instances, logarithms compared coefficient by coefficient.",
            repaired.decided
        ),
        _ => "The repair fails on an instance, which the proof excludes.".into(),
    });
    if repaired.margin() != Some(0.0) {
        finding.verdict = Verdict::Underspecified;
    }
    finding
}

fn mutants_t2e() -> Vec<Mutant> {
    let mutant = |name: &'static str, reading: Reading| {
        Mutant::new(name, move |effort| {
            let test = |case: &Regularised| test_regularised(case, reading);
            refute(effort, &format!("T2e, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        mutant("A~ on both scores, as printed", Reading::AsPrinted),
        mutant("the step's own -lambda log pi counted twice", Reading::CountedTwice),
        mutant("the repair without entropy in the values", Reading::Unregularised),
    ]
}
