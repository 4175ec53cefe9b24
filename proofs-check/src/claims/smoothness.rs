//! L5, L5x, L5t, ME7: how much the performative value can curve under softmax
//! policies with exponential-family transitions.

mod instances;

use instances::{bandit, divided, equal_curvatures, fractions, ladder, ladder_at, opposite_slopes, steep};

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Field, Interval, Rational, ratio};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::box_bound::{BoxVerdict, decide_on_box};
use crate::case::Case;
use crate::certificate;
use crate::claim::{Caught, Claim, Effort, Evidence, Finding, Mutant, Picture, Series, Style, Verdict};
use crate::exact::Between;
use crate::family::{self, Family, first_state};
use crate::spectral::{Symmetric, norm};
use crate::survey::{Outcome, Survey, attack, refute};

/// Smoothness as transcribed.
pub static L5: Claim = Claim {
    id: "L5",
    title: "Smoothness",
    statement: "V is O(|A|/(1-gamma)^2)-smooth under softmax policies with exponential-family transitions",
    source: "[PePG, L5]",
    hypotheses: "tabular softmax, P(t|s,a) proportional to exp(psi_t theta_sa), bounded rewards with bounded first \
                 and second derivatives",
    expected: Verdict::Proved,
    finding: "So with the hidden constant 2 Rbar I + 2 L_r sqrt(I) + C2_r, I = 1/2 + B^2/4, and without the factor \
              |A|. At a fixed number of states the order is one: L5t.",
    repair: None,
    theory: "theory/smoothness.md",
    check: check_l5,
    mutants: mutants_l5,
};

/// Smoothness with its constant.
pub static L5X: Claim = Claim {
    id: "L5x",
    title: "Smoothness with its constant",
    statement: "J is L-smooth, L = 2 Rbar I/(1-gamma)^2 + 2 L_r sqrt(I)/(1-gamma)^{3/2} + C2_r/(1-gamma), \
                I = 1/2 + gamma B^2/4",
    source: "[derived]",
    hypotheses: "tabular softmax, P(t|s,a) proportional to exp(psi_t theta_sa), |r'| <= L_r, |r''| <= C2_r",
    expected: Verdict::Proved,
    finding: "Proved by the score form of the second derivative. It holds at each point with Rbar, L_r and C2_r taken \
              at that point, and so is it tested.",
    repair: None,
    theory: "theory/smoothness.md",
    check: check_l5x,
    mutants: mutants_l5x,
};

/// Smoothness of first order at a fixed number of states.
pub static L5T: Claim = Claim {
    id: "L5t",
    title: "Smoothness of order one at fixed |S|",
    statement: "J is L-smooth, L = 1/(1-gamma) { Rbar [2|S|(1+B)^2/(3 sqrt 3) + B^2/8] + L_r (1+B) sqrt(2|S|) + C2_r }; \
                for fixed dynamics 2 Rbar |S|/(3 sqrt 3 (1-gamma)) <= Rbar |S|/(1-gamma)",
    source: "[derived]",
    hypotheses: "as for L5x",
    expected: Verdict::Proved,
    finding: "Proved by the matrix-tree theorem: J is the mean of a bounded function of a random tree. For fixed \
              dynamics the constant 2/(3 sqrt 3) is attained at |S| = 1 and approached as gamma tends to 1 at every |S|.",
    repair: None,
    theory: "theory/smoothness.md",
    check: check_l5t,
    mutants: mutants_l5t,
};

/// The classical smoothness of softmax policy gradients.
pub static ME7: Claim = Claim {
    id: "ME7",
    title: "Classical smoothness",
    statement: "without performativity and with rewards in [0,1], J is 8/(1-gamma)^3-smooth under softmax policies",
    source: "[Mei2020, L7]",
    hypotheses: "tabular softmax, P and r do not depend on the policy, 0 <= r <= 1",
    expected: Verdict::Proved,
    finding: "L5x at B = 0 gives 1/(2 (1-gamma)^2), which is smaller by the factor 16/(1-gamma).",
    repair: None,
    theory: "theory/smoothness.md",
    check: check_me7,
    mutants: mutants_me7,
};

/// What the bounds are made of.
#[derive(Debug, Clone)]
pub(super) struct Constants {
    /// `Rbar`: half the range of the rewards.
    pub half_range: Rational,
    /// `L_r`.
    pub slope: Rational,
    /// `C2_r`.
    pub curvature: Rational,
    /// `B`.
    pub psi_range: Rational,
    /// The discount factor.
    pub gamma: Rational,
    /// S.
    pub n_states: i64,
    /// A.
    pub n_actions: i64,
}

fn largest(entries: impl Iterator<Item = Rational>) -> Rational {
    entries.max().unwrap_or_else(Rational::zero)
}

impl Constants {
    /// Of the rewards as they are at the family's policy: at most the suprema.
    pub fn at(family: &Family) -> Self {
        let one = Rational::one();
        let pairs = || family.weights.iter().zip(&family.amplitudes);
        let rewards = || family.rewards.iter().zip(pairs()).map(|(r, (w, c))| r + c * w / (&one + w));
        let total = |w: &Rational| &one + w;
        Self {
            half_range: (largest(rewards()) + largest(rewards().map(|r| -r))) / ratio(2, 1),
            slope: largest(pairs().map(|(w, c)| c.abs() * w / total(w).power(2))),
            curvature: largest(pairs().map(|(w, c)| (c * w * (&one - w)).abs() / total(w).power(3))),
            ..Self::everywhere(family)
        }
    }

    /// Suprema over all policies.
    pub fn everywhere(family: &Family) -> Self {
        Self {
            half_range: family.reward_half_range(),
            slope: family.reward_slope(),
            curvature: family.reward_curvature(),
            psi_range: Rational::from_integer(family.psi_range().into()),
            gamma: family.gamma.clone(),
            n_states: family.n_states() as i64,
            n_actions: family.n_actions as i64,
        }
    }

    pub fn horizon(&self) -> Rational {
        (Rational::one() - &self.gamma).recip()
    }

    /// `I = 1/2 + gamma B^2/4`.
    pub fn information(&self) -> Rational {
        ratio(1, 2) + &self.gamma * self.psi_range.power(2) / ratio(4, 1)
    }

    /// Without the part that the reward's response plays.
    fn without_reward_response(&self) -> Self {
        Self { slope: Rational::zero(), curvature: Rational::zero(), ..self.clone() }
    }

    /// Without the part that the transitions' response plays.
    fn without_psi(&self) -> Self {
        Self { psi_range: Rational::zero(), ..self.clone() }
    }
}

/// A bound on the spectral norm of the Hessian.
type Bound = fn(&Constants) -> Between;

/// The constant of L5x.
pub(super) fn l5x(c: &Constants) -> Between {
    let (h, i) = (c.horizon(), c.information());
    let cross = Between::sqrt(&(&i * h.power(3))).times(&(&c.slope * ratio(2, 1)));
    let rest = ratio(2, 1) * &c.half_range * i * h.power(2) + &c.curvature * h;
    cross.plus(&Between::exactly(rest))
}

/// The constant of L5x, from above: no Hessian of the value has a larger norm
/// (`docs/theory/smoothness.md`).
pub(super) fn smoothness(family: &Family) -> Rational {
    l5x(&Constants::everywhere(family)).high
}

/// L5 with the hidden constant that L5x gives.
fn l5(c: &Constants) -> Between {
    let i = ratio(1, 2) + c.psi_range.power(2) / ratio(4, 1);
    let cross = Between::sqrt(&i).times(&(&c.slope * ratio(2, 1)));
    let constant = cross.plus(&Between::exactly(ratio(2, 1) * &c.half_range * i + &c.curvature));
    constant.times(&(c.horizon().power(2) * Rational::from_integer(c.n_actions.into())))
}

/// The constant of L5t.
fn l5t(c: &Constants) -> Between {
    let n = Rational::from_integer(c.n_states.into());
    let wide = Rational::one() + &c.psi_range;
    let of_trees = Between::sqrt(&ratio(4, 27)).times(&(&n * wide.power(2) * &c.half_range));
    let of_slopes = Between::sqrt(&(ratio(2, 1) * &n)).times(&(wide * &c.slope));
    let rest = &c.half_range * c.psi_range.power(2) / ratio(8, 1) + &c.curvature;
    of_trees.plus(&of_slopes).plus(&Between::exactly(rest)).times(&c.horizon())
}

/// The constant of ME7.
fn me7(c: &Constants) -> Between {
    Between::exactly(ratio(8, 1) * c.horizon().power(3))
}

/// A family whose Hessian is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curved(pub Family);

/// Larger families are not drawn, and not simplified: exact Hessians grow dear.
const PARAMETERS: usize = 9;

impl Case for Curved {
    fn corners() -> Vec<Self> {
        let mut corners = family::corners();
        corners.extend([bandit(), opposite_slopes(), equal_curvatures(), steep(), divided()]);
        corners.extend([2, 3, 4, 6].map(ladder));
        corners.into_iter().map(Self).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        Self(Family::random(rng, size.min(2)))
    }

    fn coordinates(&self) -> Vec<f64> {
        self.0.coordinates()
    }

    fn moved(&self, x: &[f64]) -> Self {
        Self(self.0.moved(x))
    }

    fn simpler(&self) -> Vec<Self> {
        if self.0.n_parameters() > PARAMETERS {
            return Vec::new();
        }
        self.0.simpler().into_iter().map(Self).collect()
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

/// A family without response and with rewards from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
struct Classical(Family);

impl Classical {
    fn from(curved: Curved) -> Self {
        let mut family = curved.0.without_response();
        let low = -largest(family.rewards.iter().map(|r| -r));
        let width = largest(family.rewards.iter().cloned()) - &low;
        for reward in &mut family.rewards {
            let above = &*reward - &low;
            *reward = if width > Rational::one() { above / &width } else { above };
        }
        Self(family)
    }
}

impl Case for Classical {
    fn corners() -> Vec<Self> {
        Curved::corners().into_iter().map(Self::from).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        Self::from(Curved::random(rng, size))
    }

    fn coordinates(&self) -> Vec<f64> {
        self.0.coordinates()
    }

    fn moved(&self, x: &[f64]) -> Self {
        Self::from(Curved(self.0.moved(x)))
    }

    fn simpler(&self) -> Vec<Self> {
        let simpler = Curved(self.0.clone()).simpler().into_iter().map(Self::from);
        simpler.filter(|simpler| simpler != self).collect()
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

/// The Hessian of `J` without entropy in fractions.
pub(super) fn hessian(family: &Family) -> Option<Symmetric> {
    let entries = family.hessian::<Rational>(Family::hessian_product).ok()?;
    Symmetric::new(family.n_parameters(), &entries)
}

fn test(family: &Family, bound: impl Fn(&Constants) -> Between) -> Outcome {
    let Some(hessian) = hessian(family) else { return Outcome::Undecided };
    hessian.at_most(&bound(&Constants::at(family)))
}

fn rough(family: &Family, bound: impl Fn(&Constants) -> Between) -> Option<f64> {
    let entries = family.hessian::<f64>(Family::hessian_product).ok()?;
    let bound = bound(&Constants::at(family)).high.approximate();
    Some(1.0 - norm(family.n_parameters(), &entries).0 / bound)
}

/// Holds a bound against instances; the survey comes with the finding.
fn held<C: Case>(
    effort: &Effort,
    name: &str,
    bound: Bound,
    family: fn(&C) -> &Family,
) -> (Finding, Survey<C>) {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let decided = |case: &C| test(family(case), bound);
    let survey = attack(effort, name, decided, |case| rough(family(case), bound));
    survey.count_into(&mut finding);
    if let Some((_, by, margin)) = survey.violation(decided) {
        finding.verdict = Verdict::Refuted;
        finding.notes.push(format!("Violated by {by} (margin {margin:.2e})."));
    }
    if let Some((case, by, margin)) = &survey.worst {
        finding.notes.push(format!(
            "The largest ratio of |H| to the bound is {:.4} ({by}, gamma = {}).",
            1.0 - margin,
            family(case).gamma
        ));
    }
    (finding, survey)
}

fn curved(case: &Curved) -> &Family {
    &case.0
}

fn check_l5(effort: &Effort) -> Finding {
    held(effort, "L5", l5, curved).0
}

fn check_l5x(effort: &Effort) -> Finding {
    let (mut finding, _) = held(effort, "L5x", l5x, curved);
    for (name, family, radius) in boxes() {
        let bound = l5x(&Constants::everywhere(&family));
        let size = bound.low.approximate();
        match decide_on_box(&family, &cube(&family, radius), &bound, BOXES) {
            BoxVerdict::Proved { boxes, largest } => finding.notes.push(format!(
                "{name}: |H| <= L = {size:.3} enclosed for every theta in [-{radius},{radius}]^{} ({boxes} boxes, \
                 |H| up to {largest:.3} at their centres).",
                family.n_parameters()
            )),
            BoxVerdict::Refuted { point, .. } => {
                finding.verdict = Verdict::Refuted;
                finding.notes.push(format!("{name}: violated at theta = {point:?}."));
            }
            BoxVerdict::Undecided { .. } => {
                finding.undecided += 1;
                finding.notes.push(format!("{name}: not decided on [-{radius},{radius}]."));
            }
        }
    }
    finding.evidence = Evidence::Enclosed;
    // A point-wise certificate at an instance whose rewards respond.
    if let Some(family) = Family::corners().get(5) {
        let bound = l5x(&Constants::everywhere(family)).low;
        finding.certificates.extend(certificate::curvature("L5x", "L5x", family, &bound));
    }
    finding
}

/// Boxes that one decision may look at.
const BOXES: usize = 20_000;

/// Instances that are decided for every policy with logits within a radius.
fn boxes() -> Vec<(&'static str, Family, f64)> {
    let two_state = Family::new(
        ratio(1, 2),
        first_state(2),
        fractions(&[1, 1]),
        vec![0, 1],
        fractions(&[1; 4]),
        fractions(&[0, 1]),
    );
    let base = fractions(&[1, 2, 3, 1, 1, 1, 2, 5]);
    let two_by_two = Family::new(
        ratio(1, 2),
        first_state(2),
        fractions(&[1; 4]),
        vec![0, 1],
        base,
        fractions(&[1, -1, 0, 2]),
    );
    let logistic = Family { amplitudes: fractions(&[1, -2]), ..two_state.clone() };
    vec![
        ("Two states, one action", two_state, 2.0),
        ("The same with rewards that respond", logistic, 2.0),
        ("Two states, two actions", two_by_two, 0.5),
    ]
}

fn cube(family: &Family, radius: f64) -> Vec<Interval> {
    let side = Interval::new(-radius, radius).unwrap_or(Interval::ENTIRE);
    vec![side; family.n_parameters()]
}

fn check_l5t(effort: &Effort) -> Finding {
    let (mut finding, _) = held(effort, "L5t", l5t, curved);
    let attained: Vec<String> = [bandit(), ladder(2), ladder(3), ladder(4), ladder(6)]
        .iter()
        .filter_map(|family| match test(family, l5t) {
            Outcome::Decided(margin) => Some(format!("{:.4} at |S| = {}", 1.0 - margin, family.n_states())),
            _ => None,
        })
        .collect();
    finding.notes.push(format!("Attained for fixed dynamics: {}.", attained.join(", ")));
    finding.pictures.push(orders());
    finding
}

/// How the ladders' curvature grows with the horizon, beside both bounds.
fn orders() -> Picture {
    let horizons: Vec<f64> = (1..=24).map(|i| 10f64.powf(f64::from(i) / 3.0)).collect();
    let curvature = |n: usize, horizon: f64| {
        let gamma = Rational::from_f64(1.0 - horizon.recip());
        let family = ladder_at(n, gamma);
        let entries = family.hessian::<f64>(Family::hessian_product).ok()?;
        Some((horizon, norm(2 * n, &entries).0)).filter(|point| point.1 > 0.0)
    };
    let measured = |n: usize| Series {
        label: format!("{n} states in a row"),
        points: horizons.iter().filter_map(|&h| curvature(n, h)).collect(),
        style: Style::Line,
    };
    let bound = |label: &str, of: &dyn Fn(f64) -> f64| Series {
        label: label.into(),
        points: horizons.iter().map(|&h| (h, of(h))).collect(),
        style: Style::Dashed,
    };
    Picture {
        name: "smoothness".into(),
        title: "How much the value curves as the horizon grows".into(),
        caption: "The norm of the Hessian of J for states in a row with two actions each and rewards -1 and 1, in \
                  doubles, with the bounds that hold for it: at a fixed number of states the order is one, not two."
            .into(),
        axes: ["1/(1-gamma)".into(), "|H|".into()],
        logarithmic: [true, true],
        series: vec![
            measured(2),
            measured(4),
            measured(8),
            bound("L5x", &|h| h * h),
            bound("L5t, 8 states", &|h| 16.0 / 27f64.sqrt() * h),
            bound("L5t, 2 states", &|h| 4.0 / 27f64.sqrt() * h),
        ],
    }
}

fn check_me7(effort: &Effort) -> Finding {
    let (mut finding, survey) = held(effort, "ME7", me7, |case: &Classical| &case.0);
    let sharper: Vec<f64> = Classical::corners()
        .iter()
        .chain(survey.worst.iter().map(|worst| &worst.0))
        .filter_map(|case| match test(&case.0, l5x) {
            Outcome::Decided(margin) => Some(1.0 - margin),
            _ => None,
        })
        .collect();
    let worst = sharper.iter().copied().fold(0.0, f64::max);
    finding.notes.push(format!("Of L5x at B = 0 the corners attain up to {worst:.4}."));
    if worst > 1.0 {
        finding.verdict = Verdict::Refuted;
    }
    finding
}

/// A wrong bound, to be refuted.
fn bound_mutant<C: Case + 'static>(
    claim: &str,
    name: &str,
    family: fn(&C) -> &Family,
    bound: impl Fn(&Constants) -> Between + Send + Sync + Copy + 'static,
) -> Mutant {
    let salt = format!("{claim}, {name}");
    Mutant::new(name, move |effort: &Effort| -> Option<Caught> {
        let decided = |case: &C| test(family(case), bound);
        refute(effort, &salt, Evidence::Exact, decided, |case| rough(family(case), bound))
    })
}

/// The wrong statement that the Hessian has no eigenvalue of a sign.
fn sign_mutant(name: &'static str, sign: i64) -> Mutant {
    let test = move |case: &Curved| match hessian(&case.0) {
        Some(hessian) if hessian.extreme_sign() == Some(sign) => Outcome::Decided(-1.0),
        _ => Outcome::Undecided,
    };
    Mutant::new(name, move |effort: &Effort| refute(effort, name, Evidence::Exact, test, |_| None))
}

fn tenth(bound: &Between) -> Between {
    bound.times(&ratio(1, 10))
}

fn mutants_l5() -> Vec<Mutant> {
    let mutant = |name, bound: Bound| bound_mutant("L5", name, curved, bound);
    vec![
        mutant("constant divided by 10", |c| tenth(&l5(c))),
        mutant("1/(1-gamma) in place of its square", |c| l5(c).times(&c.horizon().recip())),
        mutant("hidden constant without B", |c| l5(&c.without_psi())),
        mutant("hidden constant without the response of the rewards", |c| l5(&c.without_reward_response())),
    ]
}

fn mutants_l5x() -> Vec<Mutant> {
    let mutant = |name, bound: Bound| bound_mutant("L5x", name, curved, bound);
    vec![
        mutant("constant divided by 10", |c| tenth(&l5x(c))),
        mutant("1/(1-gamma) in place of its square", |c| {
            let first = ratio(2, 1) * &c.half_range * c.information() * c.horizon();
            l5x(&Constants { half_range: Rational::zero(), ..c.clone() }).plus(&Between::exactly(first))
        }),
        mutant("Rbar dropped", |c| l5x(&Constants { half_range: Rational::zero(), ..c.clone() })),
        mutant("L_r dropped", |c| l5x(&Constants { slope: Rational::zero(), ..c.clone() })),
        mutant("C2_r dropped", |c| l5x(&Constants { curvature: Rational::zero(), ..c.clone() })),
        mutant("B dropped", |c| l5x(&c.without_psi())),
        mutant("B^2/4 replaced by B/4", |c| {
            // I = 1/2 + gamma b^2/4 with b^2 = B.
            let i = ratio(1, 2) + &c.gamma * &c.psi_range / ratio(4, 1);
            let cross = Between::sqrt(&(&i * c.horizon().power(3))).times(&(&c.slope * ratio(2, 1)));
            let rest = ratio(2, 1) * &c.half_range * i * c.horizon().power(2) + &c.curvature * c.horizon();
            cross.plus(&Between::exactly(rest))
        }),
        sign_mutant("J is convex", -1),
        sign_mutant("J is concave", 1),
        Mutant::new("constant divided by 10, on a box", |_| {
            let (_, family, radius) = boxes().swap_remove(2);
            let bound = tenth(&l5x(&Constants::everywhere(&family)));
            match decide_on_box(&family, &cube(&family, radius), &bound, BOXES) {
                BoxVerdict::Refuted { point, margin } => Some(Caught {
                    by: format!("branch and bound, theta = {point:?}"),
                    margin,
                    evidence: Evidence::Enclosed,
                    instance: family.to_json().to_string(),
                }),
                _ => None,
            }
        }),
    ]
}

fn mutants_l5t() -> Vec<Mutant> {
    let mutant = |name, bound: Bound| bound_mutant("L5t", name, curved, bound);
    vec![
        mutant("constant divided by 10", |c| tenth(&l5t(c))),
        mutant("constant 1 % smaller", |c| l5t(c).times(&ratio(99, 100))),
        mutant("|S| dropped", |c| l5t(&Constants { n_states: 1, ..c.clone() })),
        mutant("sqrt |S| in place of |S|", |c| {
            let full = l5t(c);
            let root = Between::sqrt(&ratio(1, c.n_states));
            Between { low: full.low * root.low, high: full.high * root.high }
        }),
        mutant("1/(1-gamma) dropped", |c| l5t(c).times(&c.horizon().recip())),
        mutant("B dropped", |c| l5t(&c.without_psi())),
        mutant("L_r dropped", |c| l5t(&Constants { slope: Rational::zero(), ..c.clone() })),
        mutant("the response of the rewards dropped", |c| l5t(&c.without_reward_response())),
    ]
}

fn mutants_me7() -> Vec<Mutant> {
    let mutant = |name, bound: Bound| bound_mutant("ME7", name, |case: &Classical| &case.0, bound);
    vec![
        mutant("8 replaced by 8/100", |c| me7(c).times(&ratio(1, 100))),
        mutant("1/(1-gamma)^3 dropped", |_| Between::exactly(ratio(8, 1))),
        mutant("of L5x at B = 0 a tenth", |c| tenth(&l5x(c))),
    ]
}

#[cfg(test)]
mod tests;
