//! CH1: gradient dominance of the entropy-regularised performative value.

use num_traits::Zero;
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental};

use crate::affine_case::{AffineCase, margin, maximum, root};
use crate::case::Case;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::survey::{Outcome, attack, refute, survey};

/// Gradient dominance.
pub static CH1: Claim = Claim {
    id: "CH1",
    title: "Gradient dominance with entropy",
    statement: "V(pi1) <= V(pi0) + (1/D) max_pi <grad V(pi0), pi - pi0> - (mu/2) ||pi1 - pi0||^2, \
                mu = D lambda/(1-gamma) - 6 gamma S (1 + lambda A)/(D (1-gamma)^3) [eps_p (sqrt A + gamma eps_p sqrt S) \
                + S_p (1-gamma)] - [S_r (1-gamma) + 4 eps_r (sqrt A + gamma eps_p sqrt S)]/(D^2 (1-gamma)^2)",
    source: "[ChenHuang2025], early public draft",
    hypotheses: "rewards in [0,1]; p and r (eps_p, eps_r)-Lipschitz in pi (2-norm) with (S_p, S_r)-Lipschitz \
                 derivatives; D the smallest normalised state occupancy over all policies and all induced kernels; \
                 pi0 > 0 where lambda > 0",
    expected: Verdict::Proved,
    finding: "Proved, with the smallest of the usual readings of eps_p and eps_r (largest row of P, largest entry of \
              r) and with larger constants than printed. It bounds the suboptimality only where mu > 0, which \
              asks for lambda large against the sensitivities.",
    repair: None,
    theory: "theory/neighbours.md",
    check,
    mutants,
};

/// The statement, or a wrong version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// With the constants that the proof gives.
    sharp: bool,
    /// The factor 1/D before the gradient.
    inverse_occupancy: bool,
    /// D = 1 in mu.
    full_occupancy: bool,
    /// Factor of the entropy term of mu.
    entropy: i64,
    /// Factor of the other terms, as a fraction.
    performative: (i64, i64),
}

const AS_TRANSCRIBED: Form =
    Form { sharp: false, inverse_occupancy: true, full_occupancy: false, entropy: 1, performative: (1, 1) };
const SHARP: Form = Form { sharp: true, ..AS_TRANSCRIBED };

/// Both sides, and mu.
struct Sides<T> {
    left: T,
    right: T,
    mu: T,
}

/// `mu` for an affine environment, where `S_p = S_r = 0`.
fn mu<T: Transcendental>(case: &AffineCase, occupancy: &Rational, form: Form) -> T {
    let (n_states, n_actions) = (T::from_integer(case.n_states() as i64), case.n_actions as i64);
    let [eps_p, eps_r] = case.squared_sensitivities().map(|square| root::<T>(&square));
    let d = if form.full_occupancy { T::one() } else { T::from_rational(occupancy) };
    let (gamma, lambda) = (T::from_rational(&case.gamma), T::from_rational(&case.entropy));
    let horizon = T::from_rational(&case.horizon());
    let (root_a, root_s) = (
        root::<T>(&Rational::from_integer(n_actions.into())),
        root::<T>(&Rational::from_integer(case.n_states().into())),
    );
    let mixed = root_a.clone() + gamma.clone() * &eps_p * &root_s;
    let entropy = d.clone() * &lambda * &horizon * T::from_integer(form.entropy);
    let horizon2 = horizon.clone() * &horizon;
    let performative = if form.sharp {
        // kappa bounds the gradient through the environment, over the horizon.
        let bonus = lambda * T::from_integer(n_actions).ln() + T::one();
        let kappa = eps_r + gamma.clone() * &root_s * bonus * &eps_p * &horizon * T::from_ratio(1, 2);
        let moved = gamma * (root_a + root_s * &eps_p);
        (mixed * T::from_integer(2) + moved / d) * kappa * horizon2
    } else {
        let by_transitions =
            T::from_integer(6) * gamma * n_states * (lambda * T::from_integer(n_actions) + T::one()) / &d
                * &horizon2
                * &horizon
                * &eps_p
                * &mixed;
        let by_rewards = T::from_integer(4) * eps_r * mixed / (d.clone() * d) * horizon2;
        by_transitions + by_rewards
    };
    let (n, of) = form.performative;
    let entropy = if form.sharp { entropy * T::from_integer(2) } else { entropy };
    entropy - performative * T::from_ratio(n, of)
}

fn sides<T: Transcendental>(case: &AffineCase, form: Form) -> Option<Sides<T>> {
    let occupancy = case.smallest_occupancy::<Rational>()?;
    let (own, other) = (case.local::<T>(false)?, case.local::<T>(true)?);
    let mu = mu::<T>(case, &occupancy, form);
    // A linear form on a product of simplices is largest at a vertex.
    let mut gain = T::zero();
    for (row, gradient) in case.policy.chunks(case.n_actions).zip(own.gradient.chunks(case.n_actions)) {
        let mean = row.iter().zip(gradient).fold(T::zero(), |sum, (pi, g)| sum + T::from_rational(pi) * g);
        gain += maximum(gradient) - mean;
    }
    if form.inverse_occupancy {
        gain = gain / T::from_rational(&occupancy);
    }
    let distance = case.policy.iter().zip(&case.other).map(|(x, y)| (x - y) * (x - y)).sum::<Rational>();
    let right = own.value + gain - mu.clone() * T::from_rational(&distance) * T::from_ratio(1, 2);
    Some(Sides { left: other.value, right, mu })
}

/// Whether the hypotheses hold: an infinite gradient has no value.
fn in_scope(case: &AffineCase) -> bool {
    case.entropy.is_zero() || case.policy.iter().all(|pi| !pi.is_zero())
}

fn test(case: &AffineCase, form: Form) -> Outcome {
    if !in_scope(case) || case.policy == case.other {
        return Outcome::OutOfScope;
    }
    sides::<Ball>(case, form).and_then(|sides| margin(&sides.left, &sides.right)).into()
}

/// The statement where it bounds the suboptimality: `mu > 0`.
fn test_positive(case: &AffineCase) -> Outcome {
    match sides::<Ball>(case, AS_TRANSCRIBED) {
        Some(sides) if sides.mu.certainly_positive() => test(case, AS_TRANSCRIBED),
        _ => Outcome::OutOfScope,
    }
}

fn rough(case: &AffineCase, form: Form) -> Option<f64> {
    if !in_scope(case) {
        return None;
    }
    let sides = sides::<f64>(case, form)?;
    // Equal policies make both sides equal: no margin to look for.
    let size = sides.left.abs() + sides.right.abs() + 1e-9;
    Some((sides.right - sides.left) / size)
}

fn rough_positive(case: &AffineCase) -> Option<f64> {
    let mu = sides::<f64>(case, AS_TRANSCRIBED)?.mu;
    if mu > 0.0 { rough(case, AS_TRANSCRIBED) } else { Some(1.0 - mu) }
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Enclosed);
    let stated = attack(effort, "CH1", |c| test(c, AS_TRANSCRIBED), |c| rough(c, AS_TRANSCRIBED));
    stated.count_into(&mut finding);
    let positive = attack(effort, "CH1, mu > 0", test_positive, rough_positive);
    let sharp = survey(effort, "CH1", |c| test(c, SHARP));
    for (survey, test) in [
        (&stated, &(|c: &AffineCase| test(c, AS_TRANSCRIBED)) as &dyn Fn(&AffineCase) -> Outcome),
        (&positive, &test_positive),
        (&sharp, &|c: &AffineCase| test(c, SHARP)),
    ] {
        if let Some((case, by, margin)) = survey.violation(test) {
            finding.verdict = Verdict::Refuted;
            finding.notes.push(format!("Violated by {by} ({margin:.2e}): {}.", case.to_json()));
        }
    }
    let at = |margin: Option<f64>| margin.map_or("none".into(), |margin| format!("{margin:.2e}"));
    finding.notes.push(format!(
        "In a second survey mu > 0 on {} of {} instances, smallest margin there {}.",
        positive.decided,
        positive.decided + positive.out_of_scope,
        at(positive.margin()),
    ));
    finding.notes.push(format!(
        "With the constants of the proof it holds on {} instances, smallest margin {}.",
        sharp.decided,
        at(sharp.margin()),
    ));
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, form: Form| {
        Mutant::new(name, move |effort| {
            let test = |case: &AffineCase| test(case, form);
            refute(effort, &format!("CH1, {name}"), Evidence::Enclosed, test, |case| rough(case, form))
        })
    };
    vec![
        mutant("factor 1/D dropped", Form { inverse_occupancy: false, ..AS_TRANSCRIBED }),
        mutant("D replaced by 1", Form { inverse_occupancy: false, full_occupancy: true, ..AS_TRANSCRIBED }),
        mutant("entropy term times 3", Form { entropy: 3, ..AS_TRANSCRIBED }),
        mutant("entropy term times 10", Form { entropy: 10, ..AS_TRANSCRIBED }),
        mutant("sign of the performative terms flipped", Form { performative: (-1, 1), ..AS_TRANSCRIBED }),
        mutant("performative terms dropped", Form { performative: (0, 1), ..AS_TRANSCRIBED }),
        mutant("performative terms divided by 100", Form { performative: (1, 100), ..AS_TRANSCRIBED }),
        mutant(
            "constants of the proof, performative terms divided by 20",
            Form { performative: (1, 20), ..SHARP },
        ),
    ]
}
