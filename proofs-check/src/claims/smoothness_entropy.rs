//! L6, L6x: how much the entropy-regularised performative value can curve.

use num_traits::{One, Zero};
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental, ratio};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::smoothness::{Constants, Curved, hessian, l5x};
use crate::case::Case;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::Between;
use crate::family::{Family, first_state};
use crate::spectral::{Symmetric, norm};
use crate::survey::{Outcome, attack, refute};

/// Smoothness of the regularised value as transcribed.
pub static L6: Claim = Claim {
    id: "L6",
    title: "Smoothness with entropy",
    statement: "the entropy-regularised value is smooth under softmax policies with exponential-family transitions",
    source: "[PePG, L6]; the transcription has no constant",
    hypotheses: "as for L5, lambda >= 0",
    expected: Verdict::Proved,
    finding: "So with the constant of L6x.",
    repair: None,
    theory: "theory/smoothness.md",
    check: |effort| held(effort, "L6"),
    mutants: mutants_l6,
};

/// Smoothness of the regularised value with its constant.
pub static L6X: Claim = Claim {
    id: "L6x",
    title: "Smoothness with entropy and its constant",
    statement: "the regularised J is L-smooth with the L of L5x in which Rbar is replaced by Rbar + (lambda/2) log|A|, \
                L_r by L_r + lambda log|A| / sqrt 2 and C2_r by C2_r + 2 lambda log|A|",
    source: "[derived]",
    hypotheses: "as for L5x, lambda >= 0",
    expected: Verdict::Proved,
    finding: "Proved through the reward r + lambda H(pi_s), whose derivatives are bounded although those of log pi \
              are not.",
    repair: None,
    theory: "theory/smoothness.md",
    check: |effort| held(effort, "L6x"),
    mutants: mutants_l6x,
};

/// A family with entropy.
#[derive(Debug, Clone, PartialEq)]
struct Regularised(Family);

/// Without rewards: what curves is the entropy alone.
fn entropy_alone(n_actions: i64) -> Family {
    let n = n_actions as usize;
    let one = vec![Rational::one(); n];
    let family =
        Family::new(ratio(0, 1), first_state(1), one.clone(), vec![0], one, vec![Rational::zero(); n]);
    Family { entropy: ratio(1, 1), ..family }
}

/// The first state leads to one with a uniform and one with a nearly
/// deterministic policy, and responds strongly.
fn unequal_entropies() -> Family {
    let weights = [1, 1, 1, 1, 1, 1000].map(|n| ratio(n, 1)).to_vec();
    let base = [0, 1, 4, 0, 1, 4, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1].map(|n| ratio(n, 1)).to_vec();
    let family =
        Family::new(ratio(1, 2), first_state(3), weights, vec![0, 0, 60], base, vec![ratio(0, 1); 6]);
    Family { entropy: ratio(1, 1), ..family }
}

impl Case for Regularised {
    fn corners() -> Vec<Self> {
        let with_entropy = |(i, curved): (usize, Curved)| Family {
            entropy: [ratio(1, 2), ratio(2, 1), ratio(1, 10)][i % 3].clone(),
            ..curved.0
        };
        let corners = Curved::corners().into_iter().filter(|case| case.0.n_parameters() < 8).enumerate();
        let own = [entropy_alone(2), entropy_alone(3), entropy_alone(5), unequal_entropies()];
        own.into_iter().chain(corners.map(with_entropy)).map(Self).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let Curved(family) = Curved::random(rng, size);
        Self(Family { entropy: ratio(rng.random_range(1..=16), 4), ..family })
    }

    fn coordinates(&self) -> Vec<f64> {
        self.0.coordinates()
    }

    fn moved(&self, x: &[f64]) -> Self {
        Self(self.0.moved(x))
    }

    fn simpler(&self) -> Vec<Self> {
        Curved(self.0.clone()).simpler().into_iter().map(|case| Self(case.0)).collect()
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

/// What entropy adds to `Rbar`, `L_r` and `C2_r`, as multiples of
/// `lambda log|A|`, where the second is the square of its multiple.
type Additions = [(i64, i64); 3];

const L6X_ADDITIONS: Additions = [(1, 2), (1, 2), (2, 1)];
const NOTHING: Additions = [(0, 1); 3];

/// The constant of L5x with something added for entropy.
fn bound(family: &Family, additions: Additions) -> Between {
    let constants = Constants::at(family);
    let log = Ball::from_integer(family.n_actions as i64).ln();
    let [half_range, slope_squared, curvature] = additions.map(|(n, d)| ratio(n, d));
    let slope = Between::sqrt(&slope_squared);
    let with = |log: f64, slope: Rational| {
        let unit = &family.entropy * Rational::from_f64(log.max(0.0));
        l5x(&Constants {
            half_range: &constants.half_range + &unit * &half_range,
            slope: &constants.slope + &unit * slope,
            curvature: &constants.curvature + unit * &curvature,
            ..constants.clone()
        })
    };
    Between { low: with(log.lower(), slope.low).low, high: with(log.upper(), slope.high).high }
}

fn test(case: &Regularised, bound: impl Fn(&Family) -> Between) -> Outcome {
    let Regularised(family) = case;
    let enclosed = || {
        let entries = family.hessian::<Ball>(Family::regularised_hessian_product).ok()?;
        Symmetric::new(family.n_parameters(), &entries)
    };
    // One action has no entropy, and a Hessian of 0 is only seen in fractions.
    let still = || hessian(&Family { entropy: Rational::zero(), ..family.clone() });
    let hessian = if family.n_actions == 1 { still() } else { enclosed() };
    hessian.map_or(Outcome::Undecided, |hessian| hessian.at_most(&bound(family)))
}

fn rough(case: &Regularised, bound: impl Fn(&Family) -> Between) -> Option<f64> {
    let Regularised(family) = case;
    let entries = family.hessian::<f64>(Family::regularised_hessian_product).ok()?;
    Some(1.0 - norm(family.n_parameters(), &entries).0 / bound(family).high.approximate())
}

fn held(effort: &Effort, name: &str) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Enclosed);
    let bound = |family: &Family| bound(family, L6X_ADDITIONS);
    let survey = attack(effort, name, |case: &Regularised| test(case, bound), |case| rough(case, bound));
    survey.count_into(&mut finding);
    if survey.violation(|case| test(case, bound)).is_some() {
        finding.verdict = Verdict::Refuted;
    }
    if let Some((case, by, margin)) = &survey.worst {
        finding.notes.push(format!(
            "The largest ratio of |H| to the constant of L6x is {:.4} ({by}, gamma = {}, lambda = {}).",
            1.0 - margin,
            case.0.gamma,
            case.0.entropy
        ));
    }
    finding
}

fn mutant(
    claim: &str,
    name: &'static str,
    bound: impl Fn(&Family) -> Between + Send + Sync + Copy + 'static,
) -> Mutant {
    let salt = format!("{claim}, {name}");
    Mutant::new(name, move |effort| {
        let test = |case: &Regularised| test(case, bound);
        refute(effort, &salt, Evidence::Enclosed, test, |case| rough(case, bound))
    })
}

fn tenth(bound: Between) -> Between {
    bound.times(&ratio(1, 10))
}

fn mutants_l6() -> Vec<Mutant> {
    vec![
        mutant("L6", "the constant without entropy", |f| bound(f, NOTHING)),
        mutant("L6", "constant divided by 10", |f| tenth(bound(f, L6X_ADDITIONS))),
    ]
}

fn mutants_l6x() -> Vec<Mutant> {
    vec![
        mutant("L6x", "constant divided by 10", |f| tenth(bound(f, L6X_ADDITIONS))),
        mutant("L6x", "entropy dropped", |f| bound(f, NOTHING)),
        mutant("L6x", "entropy in Rbar alone", |f| bound(f, [L6X_ADDITIONS[0], (0, 1), (0, 1)])),
        mutant("L6x", "entropy in L_r and C2_r alone", |f| {
            bound(f, [(0, 1), L6X_ADDITIONS[1], L6X_ADDITIONS[2]])
        }),
        mutant("L6x", "rewards dropped", |f| {
            let still = Family {
                rewards: vec![Rational::zero(); f.rewards.len()],
                amplitudes: vec![Rational::zero(); f.rewards.len()],
                ..f.clone()
            };
            bound(&still, L6X_ADDITIONS)
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::SOLVED;

    /// `H'' = -Var(u) - kappa_3(u, u, log pi)`: at the uniform policy over two
    /// actions the norm is 1/2.
    #[test]
    fn the_entropy_of_two_equal_actions_curves_by_a_half() {
        let case = Regularised(entropy_alone(2));
        let at = |n: i64| test(&case, |_| Between::exactly(ratio(n, 1_000_000)));
        assert!(at(499_999).is_violation());
        assert!(!at(500_001).is_violation() && at(500_001) != Outcome::Undecided);
    }

    #[test]
    fn the_bound_has_known_values() {
        // I = 1/2: log 2 (1/2 + 2 sqrt(1/2) sqrt(1/2) + 2).
        let bound = bound(&entropy_alone(2), L6X_ADDITIONS);
        let expected = 3.5 * 2f64.ln();
        assert!((bound.low.approximate() - expected).abs() < SOLVED && bound.low < bound.high);
    }
}
