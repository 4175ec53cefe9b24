//! T3 and T3b: convergence of gradient ascent, without and with the bias.

mod execution;

use execution::execute;
pub(super) use execution::rate;

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::environments::Structure;
use pemdp::evaluate::evaluate;
use pemdp::oracle::examples;
use pemdp::performative::PerformanceError;
use pemdp::policy::Policy;
use pemdp::problem::{Problem, Reading};
use pemdp_optimum::{
    Basin, CriticalPoint, End, Extremum, Landscape, LandscapeError, Polynomial, simplest_between,
    value_and_determinant,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::smoothness::smoothness;
use crate::case::Case;
use crate::certificate::{self, Trap};
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Picture, Series, Style, Verdict};
use crate::exact::Between;
use crate::family::{Family, first_state};
use crate::optimum::certified;
use crate::pair::{Pair, World};
use crate::survey::{Outcome, refute, survey};

/// Convergence to performatively optimal policies.
pub static T3: Claim = Claim {
    id: "T3",
    title: "Convergence of gradient ascent",
    statement: "gradient ascent with eta = O((1-gamma)^2/|A|): after T = Omega(|S||A|^2/(eps^2 (1-gamma)^3)) steps \
                min_t SubOpt <= eps + bias; hence it converges to performatively optimal policies",
    source: "[PePG, T3]",
    hypotheses: "softmax policies, exponential-family transitions (example B: rewards affine in the policy), steps of at \
                 most 1/L; here without the bias",
    expected: Verdict::Refuted,
    finding: "Ascent cannot cross a critical point. It stays at 6.0 below an optimum of 7.5 (A), tends to 4/5 of the \
              optimum in one state with two actions (B), and to a limit below the supremum (C).",
    repair: Some(
        "It converges to a critical point or to infinity; values never decrease and \
         min_t |grad V|^2 <= 2 L (V* - V_0)/T (T3m).",
    ),
    theory: "theory/convergence.md",
    check: check_t3,
    mutants: mutants_t3,
};

/// The same with the bias.
pub static T3B: Claim = Claim {
    id: "T3b",
    title: "Convergence up to the bias",
    statement: "min_t SubOpt <= eps + c Cov/(1-gamma)^2 after T = Omega(|S||A|^2/(eps^2 (1-gamma)^3)) steps",
    source: "[PePG, T3, bias from L3]",
    hypotheses: "any hidden constant c >= 2 (1-gamma) Rbar; Cov = max d^{pi*}_{pi_theta}(s,a)/d^{pi_theta}_{pi_theta}(s,a)",
    expected: Verdict::Vacuous,
    finding: "Cov >= 1, so the bias is at least 2 Rbar/(1-gamma), which bounds the loss of every policy, before the \
              first step too. It would bite with c < 2 (1-gamma) Rbar/Cov; the examples refute every c below \
              (1-gamma)^2 times their gap.",
    repair: Some(
        "The bias of the explicit gradient domination lemma, and Cov^2 in T (docs/theory/convergence.md).",
    ),
    theory: "theory/convergence.md",
    check: check_t3b,
    mutants: mutants_t3b,
};

/// The landscape of a family along parameter `i = s A + a`.
pub(super) fn landscape(family: &Family, i: usize) -> Result<Landscape, LandscapeError> {
    let (n_states, n_actions) = (family.n_states(), family.n_actions);
    let state = i / n_actions * n_actions..(i / n_actions + 1) * n_actions;
    let others = state.filter(|&j| j != i).fold(Rational::zero(), |sum, j| sum + &family.weights[j]);
    let row = &family.base[i * n_states..(i + 1) * n_states];
    let mut cleared = Polynomial::tilted(family.psi.iter().copied().zip(row.iter().cloned()));
    if n_actions > 1 {
        cleared = &cleared * &Polynomial::new(vec![others, Rational::one()]);
    }
    if !family.amplitudes[i].is_zero() {
        cleared = &cleared * &Polynomial::from_integers(&[1, 1]);
    }
    let model = family.problem::<Rational>();
    Landscape::interpolated(&cleared, |w| {
        let mut weights = family.weights.clone();
        weights[i] = w.clone();
        let policy = Policy::weights(n_states, n_actions, weights).map_err(PerformanceError::from)?;
        Ok(value_and_determinant(&model, &policy)?)
    })
}

/// `2 Rbar/(1-gamma)`: no two values differ by more.
fn trivial_bound(family: &Family) -> Rational {
    family.reward_half_range() * family.horizon() * Rational::from_integer(2.into())
}

/// A family with one action in which only the first state responds: gradient
/// ascent moves one parameter.
#[derive(Debug, Clone, PartialEq)]
struct Line(Family);

impl Line {
    /// From the first state into absorbing ones with the given statistic, base
    /// weights and rewards; ascent starts at `w`.
    fn new(gamma: Rational, w: Rational, outcomes: &[(i64, Rational, Rational)]) -> Self {
        let n = outcomes.len() + 1;
        let mut base = vec![Rational::zero(); n * n];
        for (t, (_, weight, _)) in (1..).zip(outcomes) {
            base[t] = weight.clone();
            base[t * n + t] = Rational::one();
        }
        let mut weights = vec![Rational::one(); n];
        weights[0] = w;
        let psi = std::iter::once(0).chain(outcomes.iter().map(|o| o.0)).collect();
        let rewards = std::iter::once(Rational::zero()).chain(outcomes.iter().map(|o| o.2.clone())).collect();
        Self(Family::new(gamma, first_state(n), weights, psi, base, rewards))
    }

    /// Example A from `w`.
    fn local_maximum(w: Rational) -> Self {
        let q = Rational::from_ratio;
        let outcomes = [(-2, 1, q(0, 1)), (-1, 1000, q(4, 5)), (0, 10_000, q(0, 1)), (1, 1000, q(1, 1))];
        let mut outcomes: Vec<_> = outcomes.map(|(psi, h, r)| (psi, q(h, 1), r)).to_vec();
        outcomes.push((2, q(1, 1), q(0, 1)));
        Self::new(q(9, 10), w, &outcomes)
    }

    /// Example C from `w`.
    fn vanishing(w: Rational) -> Self {
        let q = Rational::from_ratio;
        let outcomes = [(-1, q(3, 4)), (0, q(0, 1)), (1, q(1, 1))].map(|(psi, r)| (psi, q(1, 1), r));
        Self::new(q(1, 2), w, &outcomes)
    }
}

impl Case for Line {
    fn corners() -> Vec<Self> {
        let q = Rational::from_ratio;
        let monotone = [(0, q(1, 1), q(0, 1)), (1, q(1, 1), q(1, 1))];
        vec![
            Self::local_maximum(q(1, 7)),
            Self::local_maximum(q(3, 5)),
            Self::local_maximum(q(7, 1)),
            Self::vanishing(q(1, 4)),
            Self::vanishing(q(1, 1)),
            Self::new(q(1, 2), q(1, 1), &monotone),
            Self::new(q(0, 1), q(1, 1), &monotone),
        ]
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let outcomes: Vec<(i64, Rational, Rational)> = (0..rng.random_range(2..=3 + size))
            .map(|_| {
                let weight = Rational::from_integer(10.into()).power(rng.random_range(0..4));
                (rng.random_range(-2..=2), weight, ratio(rng.random_range(0..=8), 8))
            })
            .collect();
        let gamma = ratio(rng.random_range(1..20), 20);
        let w = Rational::from_integer(2.into()).power(rng.random_range(-6..=6));
        Self::new(gamma, w * ratio(rng.random_range(8..16), 8), &outcomes)
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

/// The claim of convergence, or a wrong repair of it.
#[derive(Debug, Clone, Copy)]
struct Convergence {
    /// The allowed loss as a part of `2 Rbar/(1-gamma)`, in percent.
    percent: i64,
    /// Ascent starts at `theta = 0`.
    from_zero: bool,
    /// Only for `gamma <= 1/2`.
    short_horizon: bool,
    /// Only where the supremum is attained.
    attained: bool,
    /// Only where there is no local maximum.
    without_maxima: bool,
}

const AS_STATED: Convergence = Convergence {
    percent: 0,
    from_zero: false,
    short_horizon: false,
    attained: false,
    without_maxima: false,
};

/// The loss of the policy that ascent tends to, over `2 Rbar/(1-gamma)`, beyond
/// what is allowed: a loss of 0 is decided as 0.
fn test_t3(line: &Line, claim: Convergence) -> Outcome {
    let family = &line.0;
    if claim.short_horizon && family.gamma > ratio(1, 2) {
        return Outcome::OutOfScope;
    }
    let Ok(landscape) = landscape(family, 0) else { return Outcome::Undecided };
    let start = if claim.from_zero { Rational::one() } else { family.weights[0].clone() };
    // At or next to a critical point, or constant.
    let Some(basin) = landscape.basin(&start) else { return Outcome::OutOfScope };
    let (supremum, end) = landscape.supremum();
    let attained = matches!(end, End::Critical(_));
    let has_maxima = landscape.critical_points.iter().any(|c| c.extremum == Extremum::Maximum);
    if (claim.attained && !attained) || (claim.without_maxima && has_maxima) {
        return Outcome::OutOfScope;
    }
    let scale = trivial_bound(family);
    let allowed = &scale * ratio(claim.percent, 100);
    let (least, most) = (&supremum[0] - &basin.supremum[1], &supremum[1] - &basin.supremum[0]);
    if least > allowed {
        Outcome::Decided(-((least - allowed) / scale).approximate())
    } else if end == basin.end || most <= allowed {
        Outcome::Decided(0.0)
    } else {
        Outcome::Undecided
    }
}

/// An executed example: a problem whose ascent moves one parameter.
struct Example {
    name: &'static str,
    /// The ready problem.
    ready: &'static str,
    start: Rational,
    /// `|d2J/dtheta2|` is at most this.
    curvature: Rational,
    /// Steps along the parameter are this many times `eta`, because a second
    /// logit moves against it.
    speed: i64,
}

fn examples_of_t3() -> [Example; 4] {
    let q = Rational::from_ratio;
    let a = smoothness(&Line::local_maximum(q(1, 1)).0);
    let c = smoothness(&Line::vanishing(q(1, 1)).0);
    let b = q(29, 20);
    [
        Example { name: "A", ready: "local-maximum", start: q(1, 7), curvature: a.clone(), speed: 1 },
        Example { name: "A2", ready: "local-maximum", start: q(3, 5), curvature: a, speed: 1 },
        Example { name: "B", ready: "two-basins", start: q(11, 25), curvature: b, speed: 2 },
        Example { name: "C", ready: "vanishing", start: q(1, 4), curvature: c, speed: 1 },
    ]
}

impl Example {
    /// The problem with the start's weight in place of the first one.
    fn problem(&self) -> Option<(Value, Problem)> {
        let mut json: Value = serde_json::from_str(&examples::example(self.ready)?.to_json()).ok()?;
        json["policy"]["values"][0][0] = self.start.to_string().into();
        let problem = Problem::from_json(&json.to_string(), Reading::Exact).ok()?;
        Some((json, problem))
    }

    /// `eta = 1/L`: the Hessian of two logits that move against each other has
    /// the norm `2 |d2J/dtheta2|`.
    fn step(&self) -> Rational {
        (&self.curvature * Rational::from_integer(self.speed.into())).recip()
    }
}

/// What ascent cannot leave, with everything that proves it.
fn trap(json: Value, landscape: &Landscape, start: &Rational) -> Option<(Trap, Basin)> {
    let basin = landscape.basin(start)?;
    let (supremum, _) = landscape.supremum();
    let gap = &supremum[0] - &basin.supremum[1];
    if !gap.is_positive() {
        return None;
    }
    let better = landscape.better_than(&(&basin.supremum[1] + gap * ratio(9, 10)))?;
    let trap = Trap {
        problem: json,
        parameter: (0, 0),
        start: start.clone(),
        low: basin.low.clone(),
        high: basin.high.clone(),
        ceiling: simplest_between(&basin.supremum[1], &landscape.at(&better)),
        better,
        quotient: [&landscape.numerator, &landscape.denominator].map(|p| p.coefficients().to_vec()),
        degree: landscape.degree_bound,
    };
    Some((trap, basin))
}

/// Whether a trap is one: the steps of ascent know no larger curvature, the
/// slopes keep it inside, the ceiling holds, the better policy exceeds it in the
/// model itself, and nothing else moves.
fn is_trap(trap: &Trap, landscape: &Landscape, curvature: &Rational) -> bool {
    let slope = |w: &Rational| landscape.slope_sign(w);
    let inside = trap.low < trap.start && trap.high.as_ref().is_none_or(|high| &trap.start < high);
    let mut better = trap.problem.clone();
    better["policy"]["values"][0][0] = trap.better.to_string().into();
    let value = Problem::from_json(&better.to_string(), Reading::Exact)
        .ok()
        .and_then(|problem| problem.exact_answer().ok())
        .and_then(|answer| answer.value.parse::<Rational>().ok());
    inside
        && (trap.low.is_zero() || slope(&trap.low).is_gt())
        && trap.high.as_ref().is_none_or(|high| slope(high).is_lt())
        && landscape.is_below(&trap.ceiling, &trap.low, trap.high.as_ref())
        && landscape.curvature_is_below(curvature)
        && value.is_some_and(|value| value > trap.ceiling)
        && moves_on_the_line(trap).unwrap_or(false)
}

/// Whether ascent moves along the line of a trap: the moving state has one
/// action, or two in an environment that knows of its weights by the policy alone,
/// and the gradient's entries of all other states vanish at `2 E + 1` weights,
/// hence at all (`docs/theory/convergence.md`, Lemma 2).
fn moves_on_the_line(trap: &Trap) -> Option<bool> {
    let others_rest = |w: usize| -> Option<bool> {
        let mut json = trap.problem.clone();
        json["policy"]["values"][0][0] = w.to_string().into();
        let problem = Problem::from_json(&json.to_string(), Reading::Exact).ok()?;
        let (model, policy) = problem.rational_model().ok()?;
        let gradient: Vec<Rational> =
            model.perform(&policy).ok()?.gradient.total().into_iter().collect::<Option<_>>()?;
        let of_policy_alone = matches!(problem.structure(), Structure::Fixed(_) | Structure::Affine(_));
        let on_a_line = problem.n_actions() == 1 || (problem.n_actions() == 2 && of_policy_alone);
        Some(on_a_line && gradient[problem.n_actions()..].iter().all(Zero::is_zero))
    };
    (1..=2 * trap.degree + 1).try_fold(true, |rests, w| Some(rests && others_rest(w)?))
}

/// Of a value in doubles.
const ROUNDING: f64 = 1e-9;

/// The certificate of a line that was found.
fn found(line: &Line) -> Option<certificate::ClaimCertificate> {
    let landscape = landscape(&line.0, 0).ok()?;
    let (trap, _) = trap(line.to_json(), &landscape, &line.0.weights[0])?;
    is_trap(&trap, &landscape, &smoothness(&line.0)).then(|| certificate::trap("T3-found", "T3", &trap))
}

fn check_t3(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Supported, Evidence::Exact);
    let test = |line: &Line| test_t3(line, AS_STATED);
    let lines = survey(effort, "T3", test);
    lines.count_into(&mut finding);
    let trapped = lines.violation(test);
    if let (Some((_, by, worst)), Some((line, _, _))) = (&lines.worst, &trapped) {
        finding.notes.push(format!(
            "The largest loss of a limit of ascent on random lines is {:.1} % of 2 Rbar/(1-gamma) ({by}).",
            -100.0 * worst
        ));
        finding.certificates.extend(found(line));
    }
    let executed: Vec<bool> =
        examples_of_t3().iter().map(|example| execute(example, &mut finding).unwrap_or(false)).collect();
    finding.verdict = if executed.iter().all(|&refutes| refutes) && trapped.is_some() {
        Verdict::Refuted
    } else if executed.contains(&true) || trapped.is_some() {
        finding.notes.push("An example does not refute it, which the proof excludes.".into());
        Verdict::Underspecified
    } else {
        Verdict::Supported
    };
    finding
}

fn mutants_t3() -> Vec<Mutant> {
    let mutant = |name: &'static str, claim: Convergence| {
        Mutant::new(name, move |effort| {
            refute(
                effort,
                &format!("T3, {name}"),
                Evidence::Exact,
                |line: &Line| test_t3(line, claim),
                |_| None,
            )
        })
    };
    vec![
        mutant("up to a tenth of 2 Rbar/(1-gamma)", Convergence { percent: 10, ..AS_STATED }),
        mutant("from theta = 0", Convergence { from_zero: true, ..AS_STATED }),
        mutant("for gamma <= 1/2", Convergence { short_horizon: true, ..AS_STATED }),
        mutant("where the supremum is attained", Convergence { attained: true, ..AS_STATED }),
        mutant("where there is no local maximum", Convergence { without_maxima: true, ..AS_STATED }),
    ]
}

/// A reading of the bias.
#[derive(Debug, Clone, Copy)]
struct Bias {
    /// `c` over `2 (1-gamma) Rbar`.
    constant: (i64, i64),
    /// The power of `1/(1-gamma)`.
    power: i64,
    /// Coverage as the smallest ratio.
    smallest: bool,
    /// The bound of the loss over `2 Rbar/(1-gamma)`.
    trivial: (i64, i64),
}

const BIAS: Bias = Bias { constant: (1, 1), power: 2, smallest: false, trivial: (1, 1) };

/// `SubOpt`, `2 Rbar/(1-gamma)`, and the largest and smallest ratio of the
/// occupancies of the comparator and of the policy where the policy is deployed.
fn coverage(pair: &Pair) -> Option<(Rational, Rational, [Rational; 2])> {
    let (own, other) = (World::<Rational>::of(&pair.family), World::<Rational>::of(&pair.swapped()));
    let zero = Rational::zero();
    let here = evaluate(&own.mdp, &own.policy, &zero).ok()?;
    let comparator = evaluate(&own.mdp, &other.policy, &zero).ok()?;
    let best = evaluate(&other.mdp, &other.policy, &zero).ok()?.value;
    let ratios: Vec<Rational> = (comparator.occupancy.iter().zip(&here.occupancy))
        .filter(|(_, d)| !d.is_zero())
        .map(|(d, own)| d / own)
        .collect();
    let extremes = [ratios.iter().max()?.clone(), ratios.iter().min()?.clone()];
    Some((best - &here.value, trivial_bound(&pair.family), extremes))
}

/// Whether the bias is at least the trivial bound and that bounds the loss: the
/// smaller of the two margins.
fn test_t3b(pair: &Pair, bias: Bias) -> Outcome {
    let Some((loss, trivial, [largest, smallest])) = coverage(pair) else { return Outcome::Undecided };
    if trivial.is_zero() {
        return Outcome::OutOfScope; // no rewards to lose
    }
    let ratio = |(n, d): (i64, i64)| ratio(n, d);
    let cov = if bias.smallest { smallest } else { largest };
    // c Cov/(1-gamma)^power with c = constant 2 (1-gamma) Rbar.
    let right = &trivial * cov * ratio(bias.constant) * pair.family.horizon().power(bias.power - 2);
    let trivial = trivial * ratio(bias.trivial);
    let margins = [(&trivial, &right), (&loss, &trivial)].map(|(left, right)| {
        crate::exact::margin(&Between::exactly(left.clone()), &Between::exactly(right.clone()))
    });
    margins.into_iter().try_fold(f64::INFINITY, |least, margin| Some(least.min(margin?))).into()
}

fn check_t3b(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Supported, Evidence::Exact);
    let test = |pair: &Pair| test_t3b(pair, BIAS);
    let pairs = survey(effort, "T3b", test);
    pairs.count_into(&mut finding);
    if pairs.decided > 0 && pairs.violation(test).is_none() {
        finding.verdict = Verdict::Vacuous;
        finding.notes.push(format!(
            "With c = 2 (1-gamma) Rbar the bias is at least 2 Rbar/(1-gamma) on all {} pairs of policies.",
            pairs.decided
        ));
    } else {
        finding
            .notes
            .push("The bias is below the trivial bound on an instance, which the proof excludes.".into());
    }
    // Where it would bite: what constants the examples with Cov = 1 refute.
    for (name, line) in [("A", Line::local_maximum(ratio(1, 7))), ("C", Line::vanishing(ratio(1, 4)))] {
        if let Outcome::Decided(margin) = test_t3(&line, AS_STATED) {
            finding.notes.push(format!(
                "Example {name} (Cov = 1) refutes every c below {:.1} % of 2 (1-gamma) Rbar.",
                -100.0 * margin
            ));
        }
    }
    finding
}

fn mutants_t3b() -> Vec<Mutant> {
    let mutant = |name: &'static str, bias: Bias| {
        Mutant::new(name, move |effort| {
            refute(
                effort,
                &format!("T3b, {name}"),
                Evidence::Exact,
                |pair: &Pair| test_t3b(pair, bias),
                |_| None,
            )
        })
    };
    vec![
        mutant("a tenth of the constant is vacuous too", Bias { constant: (1, 10), ..BIAS }),
        mutant("1/(1-gamma) in place of its square", Bias { power: 1, ..BIAS }),
        mutant("the smallest ratio as coverage", Bias { smallest: true, ..BIAS }),
        mutant("Rbar/(1-gamma) bounds every loss", Bias { trivial: (1, 2), ..BIAS }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trap of a file among the checker's refused certificates.
    fn refused(text: &str) -> Trap {
        let document: Value = serde_json::from_str(text).unwrap();
        let number = |key: &str| document[key].as_str().unwrap().parse::<Rational>().unwrap();
        Trap {
            problem: document["problem"].clone(),
            parameter: (0, 0),
            start: number("start"),
            low: number("low"),
            high: None,
            ceiling: number("ceiling"),
            better: number("better"),
            quotient: [Vec::new(), Vec::new()],
            degree: 5,
        }
    }

    #[test]
    fn what_moves_elsewhere_along_the_line_is_no_trap() {
        // At the start the other parameters rest.
        for text in [
            include_str!("../../checker/refused/trap-another-parameter.json"),
            include_str!("../../checker/refused/trap-another-parameter-family.json"),
        ] {
            assert_eq!(moves_on_the_line(&refused(text)), Some(false));
        }
        let lines = [Line::local_maximum(Rational::one()), Line::vanishing(Rational::one())];
        for problem in lines.iter().map(Line::to_json).chain(examples_of_t3()[2].problem().map(|p| p.0)) {
            let text = include_str!("../../checker/refused/trap-another-parameter.json");
            assert_eq!(moves_on_the_line(&Trap { problem, ..refused(text) }), Some(true));
        }
    }
}
