//! CH2: policies with a small gradient are bounded away from the boundary.

use num_traits::{Signed, Zero};
use pemdp::arithmetic::{Ball, Rational, Transcendental};

use crate::affine_case::{AffineCase, margin, root};
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::survey::{Outcome, attack, refute};

/// The lower bound of a policy's probabilities.
pub static CH2: Claim = Claim {
    id: "CH2",
    title: "Policy lower bound",
    statement: "pi(a|s) >= pi_min exp[-(2A/lambda)(1-gamma) <grad V, pi' - pi>], pi' swaps the largest and the smallest \
                entry in each state; pi_min = exp{-1/(lambda(1-gamma)) - (2A sqrt(2S)/lambda) [eps_p sqrt S \
                (1 + lambda log A)/(1-gamma) + eps_r]} / (2 A^{1/(1-gamma)})",
    source: "[ChenHuang2025], early public draft",
    hypotheses: "rewards in [0,1], p and r (eps_p, eps_r)-Lipschitz in pi (2-norm), lambda > 0, pi > 0",
    expected: Verdict::Underspecified,
    finding: "As transcribed it fails without any performative effect, also with a factor 1/D in the exponent; the \
              transcription is doubtful. What is missing is how the exponent depends on D, and that a swap in all states \
              at once lets one state's loss hide another's gain.",
    repair: Some(
        "Swap in state s alone, the positive part of its gain, 1/D in the exponent, and pi_min with \
         sqrt 2 (eps_r + gamma eps_p sqrt S (1 + lambda log A)/(2(1-gamma)))/(lambda D) as the performative term.",
    ),
    theory: "theory/neighbours.md",
    check,
    mutants,
};

/// The statement, its repair, or a wrong version of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// `pi_min` with the constants of the proof.
    proved_constant: bool,
    /// Swap in all states at once, as transcribed.
    everywhere: bool,
    /// The factor 1/D in the exponent.
    inverse_occupancy: bool,
    /// Divisor of the exponent.
    divided_by: i64,
    /// The term `1/(lambda(1-gamma))` of `pi_min`.
    reward_term: bool,
}

const AS_TRANSCRIBED: Form = Form {
    proved_constant: false,
    everywhere: true,
    inverse_occupancy: false,
    divided_by: 1,
    reward_term: true,
};
const WITH_OCCUPANCY: Form = Form { inverse_occupancy: true, ..AS_TRANSCRIBED };
const REPAIRED: Form = Form { proved_constant: true, everywhere: false, ..WITH_OCCUPANCY };

/// `-log pi_min`.
fn minus_log_least<T: Transcendental>(case: &AffineCase, occupancy: &Rational, form: Form) -> T {
    let [eps_p, eps_r] = case.squared_sensitivities().map(|square| root::<T>(&square));
    let (gamma, lambda) = (T::from_rational(&case.gamma), T::from_rational(&case.entropy));
    let horizon = T::from_rational(&case.horizon());
    let integer = |n: usize| Rational::from_integer(n.into());
    let (n_states, n_actions) = (integer(case.n_states()), integer(case.n_actions));
    let log_a = T::from_rational(&n_actions).ln();
    let value = (lambda.clone() * &log_a + T::one()) * &horizon;
    let response = if form.proved_constant {
        let kappa = eps_r + gamma * root::<T>(&n_states) * value * eps_p * T::from_ratio(1, 2);
        root::<T>(&integer(2)) * kappa / T::from_rational(occupancy)
    } else {
        let sensitivity = eps_p * root::<T>(&n_states) * value + eps_r;
        root::<T>(&(integer(2) * n_states)) * T::from_rational(&n_actions) * T::from_integer(2) * sensitivity
    };
    let reward = if form.reward_term { horizon.clone() } else { T::zero() };
    T::from_integer(2).ln() + log_a * horizon + (reward + response) / lambda
}

/// For each state, the logarithm of its smallest probability and of the bound.
fn sides<T: Transcendental>(case: &AffineCase, form: Form) -> Option<Vec<(T, T)>> {
    let occupancy = case.smallest_occupancy::<Rational>()?;
    let gradient = case.local::<T>(false)?.gradient;
    let n_actions = case.n_actions;
    let least = minus_log_least::<T>(case, &occupancy, form);
    let mut gains = Vec::new();
    let mut smallest = Vec::new();
    for (row, gradient) in case.policy.chunks(n_actions).zip(gradient.chunks(n_actions)) {
        let low = (0..n_actions).min_by(|&a, &b| row[a].cmp(&row[b]))?;
        let high = (0..n_actions).max_by(|&a, &b| row[a].cmp(&row[b]))?;
        let difference = T::from_rational(&(&row[high] - &row[low]));
        gains.push((gradient[low].clone() - &gradient[high]) * difference);
        smallest.push(T::from_rational(&row[low]).ln());
    }
    if form.everywhere {
        let total = gains.iter().fold(T::zero(), |sum, gain| sum + gain);
        gains.fill(total);
    } else {
        // The positive part; of a set that holds 0, a set that holds it.
        for gain in &mut gains {
            if gain.certainly_negative() {
                *gain = T::zero();
            }
        }
    }
    let mut factor = T::from_integer(2 * n_actions as i64)
        / (T::from_rational(&(&case.entropy * case.horizon())) * T::from_integer(form.divided_by));
    if form.inverse_occupancy {
        factor = factor / T::from_rational(&occupancy);
    }
    let bound = |gain: T| -(least.clone() + gain * &factor);
    Some(smallest.into_iter().zip(gains).map(|(pi, gain)| (bound(gain), pi)).collect())
}

/// The statement at its worst state.
fn least_margin<T: Transcendental>(case: &AffineCase, form: Form) -> Option<f64> {
    let sides = sides::<T>(case, form)?;
    sides.iter().map(|(bound, pi)| margin(bound, pi)).try_fold(f64::INFINITY, |least, m| Some(least.min(m?)))
}

fn in_scope(case: &AffineCase) -> bool {
    case.entropy.is_positive() && case.policy.iter().all(|pi| !pi.is_zero())
}

fn test(case: &AffineCase, form: Form) -> Outcome {
    if !in_scope(case) {
        return Outcome::OutOfScope;
    }
    least_margin::<Ball>(case, form).into()
}

fn rough(case: &AffineCase, form: Form) -> Option<f64> {
    if in_scope(case) { least_margin::<f64>(case, form) } else { None }
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Supported, Evidence::Enclosed);
    for (name, case, form) in [
        ("As transcribed", AffineCase::rare_state(), AS_TRANSCRIBED),
        ("With 1/D in the exponent", AffineCase::rare_state_with_cost(), WITH_OCCUPANCY),
    ] {
        let Some((bound, pi)) = sides::<Ball>(&case, form).and_then(|sides| sides.into_iter().next()) else {
            continue;
        };
        if test(&case, form).is_violation() {
            finding.verdict = Verdict::Underspecified;
            finding.notes.push(format!(
                "{name} the bound in state 0 is {:.3} and the probability {:.0e} (gamma = 0, nothing responds).",
                bound.exp().midpoint(),
                pi.exp().midpoint(),
            ));
        }
    }
    let transcribed = attack(effort, "CH2", |c| test(c, AS_TRANSCRIBED), |c| rough(c, AS_TRANSCRIBED));
    transcribed.count_into(&mut finding);
    let repaired = attack(effort, "CH2, repaired", |c| test(c, REPAIRED), |c| rough(c, REPAIRED));
    match repaired.margin() {
        Some(margin) if margin >= 0.0 => finding.notes.push(format!(
            "Repaired, it holds on {} instances, smallest margin of the logarithms {margin:.2e}.",
            repaired.decided
        )),
        _ => {
            finding.verdict = Verdict::Refuted;
            finding.notes.push("The repair fails on an instance, which the proof excludes.".into());
        }
    }
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, form: Form| {
        Mutant::new(name, move |effort| {
            let test = |case: &AffineCase| test(case, form);
            refute(effort, &format!("CH2, {name}"), Evidence::Enclosed, test, |case| rough(case, form))
        })
    };
    vec![
        mutant("as transcribed", AS_TRANSCRIBED),
        mutant("as transcribed, with 1/D in the exponent", WITH_OCCUPANCY),
        mutant("repaired, swap in all states", Form { everywhere: true, ..REPAIRED }),
        mutant("repaired, without 1/D", Form { inverse_occupancy: false, ..REPAIRED }),
        mutant("repaired, exponent divided by 20", Form { divided_by: 20, ..REPAIRED }),
        mutant("repaired, reward term dropped", Form { reward_term: false, ..REPAIRED }),
    ]
}
