//! Performative optima with a certified gap.
//!
//! Every upper bound is a theorem of `docs/theory/optima.md`, rounded outward.

use std::ops::ControlFlow;
use std::time::Instant;

use num_traits::{One, Zero};

use super::build;
use super::fixed::Fixed;
use super::gridworld::{Improve, Improvement, gridworld_optimum};
use super::outcome::{Found, Halt, OptimumError, OptimumStop, Progress};
use super::rectangular::{Rectangular, check_bound};
use super::responding::Responding;
use super::scale::Scale;
use super::search::Search;
use super::settings::OptimumSettings;
use pemdp::arithmetic::rounding::{add_down, add_up};
use pemdp::arithmetic::{Field, Interval, Rational};
use pemdp::environments::Structure;
use pemdp::interrupt::Interrupt;
use pemdp::oracle::OracleError;
use pemdp::policy::{Probabilities, Softmax};
use pemdp::problem::{Numeral, PolicySpec, Problem};

/// A performative optimum with its certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformativeOptimum {
    /// A lower bound of the value of `policy`, whose rows sum to exactly 1, or of the
    /// policy with `parameters`; where it is not attained, of the limit.
    pub value: f64,
    /// No policy of the domain has a larger value.
    pub upper_bound: f64,
    /// `upper_bound - value`, rounded up.
    pub gap: f64,
    /// Whether the gap is as small as asked.
    pub certified: bool,
    /// Whether `policy` has finite parameters; if not, it is the limit of policies
    /// whose parameters go to `parameters`.
    pub attained: bool,
    /// What the maximum is over.
    pub domain: String,
    /// `pi(a|s)` at `s A + a`.
    pub policy: Vec<f64>,
    /// `theta[s,a]`, possibly infinite; the probabilities themselves where the
    /// domain is all policies. An action of probability 1 with an infinite parameter
    /// is one whose others fall faster.
    pub parameters: Vec<f64>,
    /// How it was found.
    pub method: &'static str,
    /// Cells bounded.
    pub nodes: usize,
    /// Why the search ended.
    pub stop: OptimumStop,
}

/// The performative optimum of a problem: the best value of any policy in the
/// environment that it induces, over a stated domain.
///
/// Environments that are affine in the policy (`fixed`, `affine`, `loan`): all
/// policies, by branch and bound, and by policy iteration where nothing responds (there also with
/// entropy, by the soft Bellman operator).
/// Exponential families: all parameters with their limits, or a box of them (with entropy always
/// a box), by dynamic programming. The coin: its closed form. The gridworld: the best policy known and a
/// bound far apart.
///
/// # Errors
/// [`OptimumError`] for problems that are not bounded here, with the reason.
///
/// ```
/// use pemdp_optimum::{OptimumSettings, performative_optimum};
/// use pemdp::oracle::examples;
/// use pemdp::problem::{Problem, Reading};
/// let json = examples::example("loan").map(|e| e.to_json()).unwrap_or_default();
/// let problem = Problem::from_json(&json, Reading::Doubles)?;
/// let optimum = performative_optimum(&problem, &OptimumSettings::default())?;
/// // p = 1/4 earns 1/16 a step.
/// assert!(optimum.value <= 0.125 && 0.125 <= optimum.upper_bound && optimum.gap <= 1e-6);
/// assert!((optimum.policy[0] - 0.25).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn performative_optimum(
    problem: &Problem,
    settings: &OptimumSettings,
) -> Result<PerformativeOptimum, OptimumError> {
    let known = |known: Improvement<'_>, _: &mut dyn FnMut(f64) -> ControlFlow<()>| {
        Ok((known.value, known.policy.to_vec()))
    };
    performative_optimum_with(problem, settings, &known, &Interrupt::new(), &mut |_| {})
}

/// The same, ended early by a flag, reporting its progress, and improving on the best
/// policy known where that is all that the value rests on.
///
/// # Errors
/// As [`performative_optimum`].
pub fn performative_optimum_with(
    problem: &Problem,
    settings: &OptimumSettings,
    improve: &Improve<'_>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(Progress),
) -> Result<PerformativeOptimum, OptimumError> {
    for gap in [settings.gap, settings.relative_gap] {
        if gap.is_nan() || gap < 0.0 {
            return Err(OptimumError::Gap { gap });
        }
    }
    if let Structure::LocalFamily(_) = problem.structure() {
        check_bound(settings.bound)?;
    }
    let soft = matches!(problem.structure(), Structure::Fixed(_) | Structure::LocalFamily(_));
    if !problem.entropy().is_zero() && !soft {
        return Err(OptimumError::Entropy);
    }
    let covered = matches!(
        problem.structure(),
        Structure::Fixed(_) | Structure::Affine(_) | Structure::OfProbabilities { .. }
    );
    if !covered || !problem.is_discounted() {
        let kind = problem.environment().kind();
        problem.require_whole(&format!("the optimum of environment {kind}"))?;
    }
    let limit = settings.budget.or(settings.patience);
    let halt = Halt { interrupt, start: Instant::now(), budget: limit };
    // Rewards of size 1: all that is said of absolute sizes below is about these.
    let (scale, scaled) = Scale::applied(problem, settings);
    let inner = OptimumSettings { gap: scale.gap(settings), ..settings.clone() };
    let mut shown = |known: Progress| progress(scale.undone_progress(known));
    let (mut found, domain) = match scaled.structure() {
        Structure::Quadratic(coefficients) => (quadratic(&scaled, &coefficients), ALL_POLICIES.to_owned()),
        Structure::LocalFamily(_) => {
            let family = Rectangular::new(&scaled, settings.bound)?;
            (family.search(inner.gap, &halt, &mut shown), family.domain())
        }
        Structure::Followers(_) => {
            if scaled.gamma().approximate() >= 1.0 {
                return Err(OptimumError::Gamma { gamma: 1.0 });
            }
            (gridworld_optimum(&scaled, &inner, improve, &halt, &mut shown)?, ALL_POLICIES.to_owned())
        }
        Structure::Fixed(_) => (Fixed::new(&scaled)?.search(&halt, &mut shown), ALL_POLICIES.to_owned()),
        Structure::OfProbabilities { matters } => {
            let domain = Responding::new(&scaled, &matters)?;
            (Search::new(&domain, &inner).run(&halt, &mut shown), ALL_KERNELS.to_owned())
        }
        _ => {
            let model = build::model(&scaled)?;
            (Search::new(&model, &inner).run(&halt, &mut shown), ALL_POLICIES.to_owned())
        }
    };
    if matches!(problem.structure(), Structure::LocalFamily(_)) {
        if found.attained {
            let logits = found.parameters.iter().copied().map(Numeral::from).collect();
            let value = value_of(&scaled, Softmax { logits }.into()).unwrap_or(f64::NEG_INFINITY);
            found.value = found.value.max(value);
        }
    } else {
        make_printable(&mut found.policy, problem);
        found.parameters.clone_from(&found.policy);
        let values = found.policy.iter().copied().map(Numeral::from).collect();
        found.value = value_of(&scaled, Probabilities { values }.into())?;
    }
    let (value, upper) = (scale.undone_down(found.value), scale.undone_up(found.upper));
    if !(value.is_finite() && upper.is_finite()) {
        return Err(OptimumError::BeyondDoubles { about: scale.about(found.value, found.upper) });
    }
    (found.value, found.upper) = (value, upper);
    Ok(reported(found, scale.asked(settings), domain))
}

const ALL_POLICIES: &str = "all policies";
const ALL_KERNELS: &str = "all policies that induce a kernel";

fn reported(found: Found, asked: f64, domain: String) -> PerformativeOptimum {
    let upper_bound = found.upper.max(found.value) + 0.0;
    let gap = add_up(upper_bound, -found.value) + 0.0;
    let certified = gap <= asked;
    // What the search took for enough, or not, may be otherwise after the last rounding.
    let stop = match found.stop {
        _ if certified => OptimumStop::Gap,
        OptimumStop::Gap => OptimumStop::Exhausted,
        early => early,
    };
    PerformativeOptimum {
        value: found.value + 0.0,
        upper_bound,
        gap,
        certified,
        attained: found.attained,
        domain,
        policy: found.policy,
        parameters: found.parameters,
        method: found.method,
        nodes: found.nodes,
        stop,
    }
}

/// Makes each row a distribution that doubles hold exactly: multiples of 2^-53, of
/// which the largest is what the others leave.
fn make_printable(policy: &mut [f64], problem: &Problem) {
    const UNITS: f64 = (1u64 << 53) as f64;
    let (n_actions, actions) = (problem.n_actions(), problem.action_sets());
    for (s, row) in policy.chunks_mut(n_actions).enumerate() {
        let has = |a: usize| actions.is_available(s * n_actions + a);
        (0..n_actions).filter(|&a| !has(a)).for_each(|a| row[a] = 0.0);
        if !(0..n_actions).any(has) {
            continue;
        }
        let sound = |p: f64| if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 };
        let largest = (0..row.len())
            .filter(|&a| has(a))
            .max_by(|&a, &b| sound(row[a]).total_cmp(&sound(row[b])))
            .unwrap_or(0);
        let mut rest = 1u64 << 53;
        for (_, p) in row.iter_mut().enumerate().filter(|(a, _)| *a != largest) {
            let units = ((sound(*p) * UNITS).round() as u64).min(rest);
            rest -= units;
            *p = units as f64 / UNITS;
        }
        row[largest] = rest as f64 / UNITS;
    }
}

/// A proven lower bound of the value of a policy.
fn value_of(problem: &Problem, policy: PolicySpec) -> Result<f64, OptimumError> {
    let Ok(deployed) = problem.deploying(policy) else { return Ok(f64::NEG_INFINITY) };
    match deployed.bounded_value() {
        Ok(found) => Ok(add_down(found.value, -found.error_bound)),
        Err(OracleError::Performance(error)) => Err(error.into()),
        Err(OracleError::Model(error)) => Err(error.into()),
        // A value of which no double is near, or nothing is known.
        Err(_) => Ok(f64::NEG_INFINITY),
    }
}

/// `J = (c0 + c1 p + c2 p^2) rho/(1 - gamma)` over `p` in [0, 1]: the maximum is at an
/// end, or at `p = -c1/(2 c2)` (the coin: `docs/theory/environments.md`).
fn quadratic(problem: &Problem, [c0, c1, c2]: &[Rational; 3]) -> Found {
    let weight = problem.initial().first().map_or_else(Rational::one, Numeral::exact)
        / (Rational::one() - problem.gamma().exact());
    let value = |p: &Rational| ((c2 * p + c1) * p + c0) * &weight;
    let mut candidates = vec![Rational::zero(), Rational::one()];
    if !c2.is_zero() {
        let stationary = -c1 / (c2 + c2);
        candidates.push(stationary.clamp(Rational::zero(), Rational::one()));
    }
    let best = candidates.into_iter().max_by(|x, y| value(x).cmp(&value(y))).unwrap_or_else(Rational::zero);
    let exact = Interval::from_rational(&value(&best));
    let first = Interval::from_rational(&best).approximate();
    let policy = vec![first, 1.0 - first];
    Found {
        value: exact.lower(),
        upper: exact.upper(),
        attained: true,
        parameters: policy.clone(),
        policy,
        nodes: 0,
        stop: OptimumStop::Gap,
        method: "closed form",
    }
}
