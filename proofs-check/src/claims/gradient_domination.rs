//! L3 and L3x: how far from optimal a policy with a small gradient can be.

use num_traits::{One, Signed};
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental, ratio};
use pemdp::evaluate::evaluate;
use pemdp::response::Cotangent;

use crate::case::Case;
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::{Between, margin};
use crate::family::{Family, first_state};
use crate::optimum::Comparison;
use crate::pair::{Pair, World};
use crate::survey::{Outcome, attack, refute, survey};

/// Gradient domination with a bias.
pub static L3: Claim = Claim {
    id: "L3",
    title: "Gradient domination",
    statement: "SubOpt(theta) <= sqrt(|S||A| Cov) ||grad V|| + O(Cov/(1-gamma)^2), \
                Cov = max_{s,a} d^{pi*}_{pi_theta}(s,a) / d^{pi_theta}_{pi_theta}(s,a)",
    source: "[PePG, L3]; a variant prints sqrt(|S||A|) Cov",
    hypotheses: "softmax policy, exponential-family transitions, bounded rewards",
    expected: Verdict::Vacuous,
    finding: "With a hidden constant c >= 2(1-gamma)Rbar the right side is never below the trivial bound \
              2 Rbar/(1-gamma), because Cov >= 1; with any smaller c it is false. It would bite only with a bias \
              that vanishes as performativity does: L3x.",
    repair: Some("L3x, whose bias is explicit and vanishes with the strength of the response."),
    theory: "theory/gradient-domination.md",
    check: check_l3,
    mutants: mutants_l3,
};

/// Gradient domination with an explicit bias.
pub static L3X: Claim = Claim {
    id: "L3x",
    title: "Gradient domination, explicit",
    statement: "SubOpt <= (Cov/2) sqrt(|S||A|) ||grad J|| + (Cov/2) sum_{s,a} d[s,a] |dr + gamma Cov_P(psi, V_theta)| \
                + sum_{s,a} d^{pi*}_{pi_theta}[s,a] (r_* - r_theta + gamma (P_* - P_theta)^T V_*) \
                <= (Cov/2) sqrt(|S||A|) ||grad J|| + (Cov/2 + D)(L_r + gamma B Rbar/(2(1-gamma)))/(1-gamma), \
                D = ||theta* - theta||_inf",
    source: "[derived]",
    hypotheses: "softmax policy; r and P depend on theta[s,a] locally, P an exponential family; any comparator theta*",
    expected: Verdict::Proved,
    finding: "Holds for every comparator, with unnormalised occupancies. Not vacuous only where performativity is \
              weak: roughly B < 4(1-gamma)/(gamma (Cov/2 + D)).",
    repair: None,
    theory: "theory/gradient-domination.md",
    check: check_l3x,
    mutants: mutants_l3x,
};

/// What both bounds are made of, for a policy `theta` and a comparator.
struct Parts<T> {
    /// `J(theta*) - J(theta)`.
    suboptimality: T,
    /// State-action coverage.
    coverage: T,
    /// `max_s d^{pi*}_{pi_theta}(s) / d^{pi_theta}_{pi_theta}(s)`.
    state_coverage: T,
    /// `||grad J||^2`.
    squared_gradient: T,
    /// `sum d[s,a] |dr + gamma Cov_P(psi, V_theta)|`.
    response: T,
    /// `sum d^{pi*}_{pi_theta} (r_* - r_theta + gamma (P_* - P_theta)^T V_*)`.
    shift: T,
}

fn absolute<T: Field>(x: T) -> T {
    if x.certainly_negative() { -x } else { x }
}

fn larger<T: Field>(x: T, y: T) -> T {
    if (y.clone() - &x).certainly_positive() { y } else { x }
}

fn parts<T: Field>(pair: &Pair) -> Option<Parts<T>> {
    let (here, there) = (World::<T>::of(&pair.family), World::<T>::of(&pair.swapped()));
    let (problem, policy) = (pair.family.problem::<T>(), pair.family.policy::<T>());
    let performance = problem.perform(&policy).ok()?;
    let own = &performance.evaluation;
    // The comparator where theta is deployed, and in its own environment.
    let mixed = evaluate(&here.mdp, &there.policy, &T::zero()).ok()?;
    let best = evaluate(&there.mdp, &there.policy, &T::zero()).ok()?;
    let gamma = here.mdp.gamma();
    let (mut coverage, mut state_coverage) = (T::zero(), T::zero());
    let (mut response, mut shift) = (T::zero(), T::zero());
    let discounted: Vec<T> = own.state_values.iter().map(|v| gamma.clone() * v).collect();
    let ones = vec![T::one(); own.occupancy.len()];
    let slopes = performance.pullback.pull(&Cotangent::performative(&ones, &discounted));
    let transition = slopes.transition.to_parameters(&policy).ok()?;
    let reward = slopes.reward.to_parameters(&policy).ok()?;
    for s in 0..here.mdp.n_states() {
        if own.state_occupancy[s].is_zero() {
            // Unreachable under theta; under the comparator too, in the same
            // environment, because softmax policies try every action.
            continue;
        }
        state_coverage = larger(state_coverage, mixed.state_occupancy[s].clone() / &own.state_occupancy[s]);
        for a in 0..here.mdp.n_actions() {
            let k = s * here.mdp.n_actions() + a;
            coverage = larger(coverage, mixed.occupancy(s, a).clone() / own.occupancy(s, a));
            response += absolute(transition[k].clone() + &reward[k]) * own.occupancy(s, a);
            let mut change = there.mdp.reward(s, a).clone() - here.mdp.reward(s, a);
            for (t, value) in best.state_values.iter().enumerate() {
                let step = there.mdp.kernel().probability(s, a, t) - here.mdp.kernel().probability(s, a, t);
                change += step * value * gamma;
            }
            shift += change * mixed.occupancy(s, a);
        }
    }
    let gradient = performance.gradient.total().into_iter().collect::<Option<Vec<T>>>()?;
    Some(Parts {
        suboptimality: best.value - &own.value,
        coverage,
        state_coverage,
        squared_gradient: T::sum_of_products(gradient.iter().zip(&gradient)),
        response,
        shift,
    })
}

fn n_parameters<T: Field>(pair: &Pair) -> T {
    T::from_integer(pair.family.n_parameters() as i64)
}

/// A version of L3: which coverage, where it stands, and the bias as a multiple
/// of `2 Rbar Cov / (1-gamma)`.
#[derive(Debug, Clone)]
struct Version {
    state_only: bool,
    outside_root: bool,
    bias: Rational,
    horizon_power: i64,
}

fn with_bias(bias: Rational) -> Version {
    Version { state_only: false, outside_root: false, bias, horizon_power: 1 }
}

/// The right side of L3.
fn right_side(pair: &Pair, parts: &Parts<Rational>, version: &Version) -> Between {
    let coverage = if version.state_only { &parts.state_coverage } else { &parts.coverage };
    let under_root = n_parameters::<Rational>(pair) * &parts.squared_gradient;
    let slope = if version.outside_root {
        Between::sqrt(&under_root).times(coverage)
    } else {
        Between::sqrt(&(under_root * coverage))
    };
    let trivial =
        ratio(2, 1) * pair.family.reward_half_range() * pair.family.horizon().power(version.horizon_power);
    slope.plus(&Between::exactly(&version.bias * coverage * trivial))
}

fn test_l3(pair: &Pair, version: &Version) -> Outcome {
    let Some(parts) = parts::<Rational>(pair) else { return Outcome::Undecided };
    if !parts.suboptimality.is_positive() {
        return Outcome::OutOfScope;
    }
    let left = Between::exactly(parts.suboptimality.clone());
    margin(&left, &right_side(pair, &parts, version)).into()
}

fn rough_l3(pair: &Pair, version: &Version) -> Option<f64> {
    let parts = parts::<f64>(pair)?;
    let coverage = if version.state_only { parts.state_coverage } else { parts.coverage };
    let under_root = (n_parameters::<f64>(pair) * parts.squared_gradient).sqrt();
    let slope = under_root * if version.outside_root { coverage } else { coverage.sqrt() };
    let horizon = pair.family.horizon().power(version.horizon_power).approximate();
    let bias = version.bias.approximate() * coverage * 2.0 * pair.family.reward_half_range().approximate();
    let right = slope + bias * horizon;
    Some((right - parts.suboptimality) / right.max(parts.suboptimality.abs()).max(1e-9))
}

/// The right side of L3 with the smallest sufficient constant against the
/// trivial bound `SubOpt <= 2 Rbar/(1-gamma)`: never below it.
fn vacuity(pair: &Pair) -> Outcome {
    let Some(parts) = parts::<Rational>(pair) else { return Outcome::Undecided };
    let trivial = ratio(2, 1) * pair.family.reward_half_range() * pair.family.horizon();
    if parts.suboptimality > trivial {
        return Outcome::Decided(-1.0);
    }
    margin(&Between::exactly(trivial), &right_side(pair, &parts, &with_bias(ratio(1, 1)))).into()
}

/// One state, one action, reward `w/(1+w)`: from `w = 10^-k` to `w = 10^k` there
/// is nearly all to gain, the gradient is next to 0 and `Cov = 1`.
fn plateau(k: u32) -> Pair {
    let large = ratio(10i64.pow(k), 1);
    let one = || vec![ratio(1, 1)];
    let mut family = Family::new(ratio(9, 10), one(), vec![large.recip()], vec![0], one(), vec![ratio(0, 1)]);
    family.amplitudes = one();
    Pair { family, other: vec![large] }
}

/// The same with transitions that respond and rewards that do not: one action,
/// from state 0 to the absorbing states 1 (reward 1) or 2 (reward 0).
fn fork(k: u32, gamma: Rational) -> Pair {
    let large = ratio(10i64.pow(k), 1);
    let base = [0, 1, 1, 0, 1, 0, 0, 0, 1].map(|n| ratio(n, 1)).to_vec();
    let weights = vec![large.recip(), ratio(1, 1), ratio(1, 1)];
    let rewards = vec![ratio(0, 1), ratio(1, 1), ratio(0, 1)];
    let family = Family::new(gamma, first_state(3), weights.clone(), vec![0, 1, 0], base, rewards);
    Pair { family, other: vec![large, ratio(1, 1), ratio(1, 1)] }
}

/// Two arms with rewards 1 and 0, the first pulled with probability 1/100: no
/// performativity at all.
fn bandit() -> Pair {
    let ones = || vec![ratio(1, 1), ratio(1, 1)];
    let weights = vec![ratio(1, 1), ratio(99, 1)];
    let family = Family::new(
        ratio(9, 10),
        vec![ratio(1, 1)],
        weights,
        vec![0],
        ones(),
        vec![ratio(1, 1), ratio(0, 1)],
    );
    Pair { family, other: vec![ratio(999_999, 1), ratio(1, 1)] }
}

fn bound_fails(name: &str, pair: &Pair) -> Option<certificate::ClaimCertificate> {
    let parts = parts::<Rational>(pair)?;
    Some(certificate::bound_fails(
        name,
        &pair.family.to_json(),
        &pair.swapped().to_json()["policy"],
        &parts.suboptimality,
        &parts.coverage,
        &parts.squared_gradient,
    ))
}

fn check_l3(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Vacuous, Evidence::Exact);
    let vacuous = survey(effort, "L3", vacuity);
    vacuous.count_into(&mut finding);
    if vacuous.margin().is_some_and(|margin| margin < 0.0) {
        finding.verdict = Verdict::Supported;
    }
    finding.notes.push(format!(
        "With c = 2(1-gamma)Rbar the right side was at least the trivial bound on all {} instances.",
        vacuous.decided
    ));
    // Nothing smaller is enough: the constant is sharp from both sides.
    for (what, pair, share) in [
        ("responding rewards", plateau(5), ratio(9999, 10_000)),
        ("responding transitions alone", fork(5, ratio(9999, 10_000)), ratio(999, 1000)),
    ] {
        match test_l3(&pair, &with_bias(share.clone())) {
            Outcome::Decided(margin) if margin < 0.0 => finding.notes.push(format!(
                "With {} of that constant it is false ({what}; exact, by {:.1e} of SubOpt).",
                share.approximate(),
                -margin
            )),
            _ => finding.verdict = Verdict::Supported,
        }
    }
    for (name, pair) in [("L3", bandit()), ("L3-plateau", plateau(5))] {
        if test_l3(&pair, &with_bias(ratio(0, 1))).is_violation() {
            finding.certificates.extend(bound_fails(name, &pair));
        } else {
            finding.verdict = Verdict::Supported;
        }
    }
    finding.notes.push("Without the bias it is false: the certificates.".into());
    finding.notes.extend(against_optima_l3(effort));
    finding
}

/// How far the smallest sufficient right side of L3 is from what is lost against
/// certified optima.
fn against_optima_l3(effort: &Effort) -> Option<String> {
    let ratio = |comparison: &Comparison| {
        let parts = parts::<Rational>(&comparison.pair)?;
        let loss = &parts.suboptimality + &comparison.gap;
        let right = right_side(&comparison.pair, &parts, &with_bias(ratio(1, 1))).low;
        loss.is_positive().then(|| (right / loss).approximate())
    };
    let comparisons = Comparison::random(effort, "L3, optima");
    let mut ratios: Vec<f64> = comparisons.iter().filter_map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, median) = (ratios.first()?, ratios.get(ratios.len() / 2)?);
    Some(format!(
        "Against certified optima of {} small families its right side is at least {least:.1} times SubOpt, {median:.1} times \
         at the median.",
        ratios.len()
    ))
}

/// A pair, or one of the sharp examples as corners.
fn mutant_l3(name: &'static str, version: fn() -> Version) -> Mutant {
    Mutant::new(name, move |effort| {
        let version = version();
        let sharp = [bandit(), plateau(5), fork(5, ratio(99, 100))];
        for (i, pair) in sharp.iter().enumerate() {
            if let Outcome::Decided(margin) = test_l3(pair, &version)
                && margin < 0.0
            {
                let (by, instance) = (format!("sharp example {i}"), pair.to_json().to_string());
                return Some(crate::claim::Caught { by, margin, evidence: Evidence::Exact, instance });
            }
        }
        let test = |pair: &Pair| test_l3(pair, &version);
        refute(effort, &format!("L3, {name}"), Evidence::Exact, test, |pair| rough_l3(pair, &version))
    })
}

fn mutants_l3() -> Vec<Mutant> {
    vec![
        mutant_l3("no bias", || with_bias(ratio(0, 1))),
        mutant_l3("no bias, Cov outside the root", || Version {
            outside_root: true,
            ..with_bias(ratio(0, 1))
        }),
        mutant_l3("no bias, coverage over states only", || Version {
            state_only: true,
            ..with_bias(ratio(0, 1))
        }),
        mutant_l3("bias divided by 10", || with_bias(ratio(1, 10))),
        mutant_l3("bias without the horizon", || Version { horizon_power: 0, ..with_bias(ratio(1, 1)) }),
    ]
}

/// A version of L3x: its factors, 1 where they are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Explicit {
    second_line: bool,
    state_only: bool,
    gradient_tenth: bool,
    no_response: bool,
    shift_sign: i64,
    no_distance: bool,
    no_discount: bool,
}

const FIRST_LINE: Explicit = Explicit {
    second_line: false,
    state_only: false,
    gradient_tenth: false,
    no_response: false,
    shift_sign: 1,
    no_distance: false,
    no_discount: false,
};
const SECOND_LINE: Explicit = Explicit { second_line: true, ..FIRST_LINE };

/// The right side of L3x without the gradient's term, and the factor of
/// `sqrt(|S||A|) ||grad J||`. `distance` is `D`.
fn explicit<T: Field>(pair: &Pair, parts: &Parts<T>, version: Explicit, distance: &T) -> (T, T) {
    let coverage = if version.state_only { &parts.state_coverage } else { &parts.coverage };
    let half = coverage.clone() * T::from_ratio(1, 2);
    let slope = if version.gradient_tenth { half.clone() * T::from_ratio(1, 10) } else { half.clone() };
    if !version.second_line {
        let response = if version.no_response { T::zero() } else { half * &parts.response };
        return (slope, response + parts.shift.clone() * T::from_integer(version.shift_sign));
    }
    let family = &pair.family;
    let horizon = if version.no_discount { Rational::one() } else { family.horizon() };
    let range = Rational::from_integer(family.psi_range().into());
    let sensitivity =
        family.reward_slope() + &family.gamma * range * family.reward_half_range() * &horizon * ratio(1, 2);
    let distance = if version.no_distance { T::zero() } else { distance.clone() };
    (slope, (half + distance) * T::from_rational(&(sensitivity * horizon)))
}

/// `||theta* - theta||_inf = max |log(w*/w)|`, from below.
fn distance(pair: &Pair) -> Rational {
    let ratios = pair.family.weights.iter().zip(&pair.other).map(|(w, other)| other / w);
    let lower = |q: Rational| {
        let log = Ball::from_rational(&q).ln();
        log.lower().max(-log.upper()).max(0.0)
    };
    Rational::from_f64(ratios.map(lower).fold(0.0, f64::max))
}

fn test_l3x(pair: &Pair, version: Explicit) -> Outcome {
    let Some(parts) = parts::<Rational>(pair) else { return Outcome::Undecided };
    let (slope, rest) = explicit(pair, &parts, version, &distance(pair));
    let root = Between::sqrt(&(n_parameters::<Rational>(pair) * &parts.squared_gradient));
    // The distance from below makes the right side smaller: what holds holds
    // with the true one; the sets of violations differ by less than 1e-15.
    let right = root.times(&slope).plus(&Between::exactly(rest));
    margin(&Between::exactly(parts.suboptimality), &right).into()
}

fn rough_l3x(pair: &Pair, version: Explicit) -> Option<f64> {
    let parts = parts::<f64>(pair)?;
    let distance = pair.family.weights.iter().zip(&pair.other).map(|(w, o)| (o / w).approximate().ln().abs());
    let (slope, rest) = explicit(pair, &parts, version, &distance.fold(0.0, f64::max));
    let right = slope * (n_parameters::<f64>(pair) * parts.squared_gradient).sqrt() + rest;
    Some((right - parts.suboptimality) / right.abs().max(parts.suboptimality.abs()).max(1e-9))
}

fn check_l3x(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    for (name, version) in [("first", FIRST_LINE), ("second", SECOND_LINE)] {
        let salt = format!("L3x, {name} line");
        let survey =
            attack(effort, &salt, |pair: &Pair| test_l3x(pair, version), |pair| rough_l3x(pair, version));
        survey.count_into(&mut finding);
        if survey.violation(|pair| test_l3x(pair, version)).is_some() {
            finding.verdict = Verdict::Refuted;
        }
        if let Some(margin) = survey.margin() {
            finding.notes.push(format!("Smallest margin of the {name} line: {margin:.2e}."));
        }
    }
    let beats_trivial = |pair: &Pair| {
        let Some(parts) = parts::<Rational>(pair) else { return Outcome::Undecided };
        let (slope, rest) = explicit(pair, &parts, SECOND_LINE, &distance(pair));
        let root = Between::sqrt(&(n_parameters::<Rational>(pair) * &parts.squared_gradient));
        let trivial = ratio(2, 1) * pair.family.reward_half_range() * pair.family.horizon();
        let right = root.times(&slope).plus(&Between::exactly(rest));
        if right.high < trivial { Outcome::Decided(1.0) } else { Outcome::OutOfScope }
    };
    let comparisons = Comparison::random(effort, "L3x, optima");
    let certified = |comparison: &Comparison| match test_l3x(&comparison.pair, FIRST_LINE) {
        Outcome::Decided(margin) => Some(margin),
        _ => None,
    };
    let margins: Vec<f64> = comparisons.iter().filter_map(certified).collect();
    let least = margins.iter().copied().fold(f64::INFINITY, f64::min);
    if least < 0.0 {
        finding.verdict = Verdict::Refuted;
    }
    let gap = comparisons.iter().map(|comparison| comparison.gap.approximate()).fold(0.0, f64::max);
    finding.notes.push(format!(
        "With certified optima as comparators (SubOpt known to {gap:.0e}, Cov exact) the first line holds on {} small \
         families, with margin {least:.1e}.",
        margins.len()
    ));
    let useful = survey(effort, "L3x, use", beats_trivial);
    finding.notes.push(format!(
        "The second line is below the trivial bound on {} of {} random instances.",
        useful.decided,
        useful.decided + useful.out_of_scope
    ));
    finding
}

fn mutants_l3x() -> Vec<Mutant> {
    let mutant = |name: &'static str, version: Explicit| {
        Mutant::new(name, move |effort| {
            let test = |pair: &Pair| test_l3x(pair, version);
            refute(effort, &format!("L3x, {name}"), Evidence::Exact, test, |pair| rough_l3x(pair, version))
        })
    };
    vec![
        mutant("gradient term divided by 10", Explicit { gradient_tenth: true, ..FIRST_LINE }),
        mutant("coverage over states only", Explicit { state_only: true, ..FIRST_LINE }),
        mutant("no response term", Explicit { no_response: true, ..FIRST_LINE }),
        mutant("shift with the wrong sign", Explicit { shift_sign: -1, ..FIRST_LINE }),
        mutant("no shift", Explicit { shift_sign: 0, ..FIRST_LINE }),
        mutant("second line without D", Explicit { no_distance: true, ..SECOND_LINE }),
        mutant("second line without the horizon", Explicit { no_discount: true, ..SECOND_LINE }),
    ]
}
