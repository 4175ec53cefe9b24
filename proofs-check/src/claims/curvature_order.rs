//! L5s: the order of the curvature is 3/2.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Ball, Field, Rational, ratio};
use serde_json::{Value, json};

use super::smoothness::Constants;
use crate::case::Case;
use crate::certificate;
use crate::claim::{Caught, Claim, Effort, Evidence, Finding, Mutant, Picture, Series, Style, Verdict};
use crate::curvature::{Ruin, Shape, exponent};
use crate::exact::{Between, is_semidefinite};
use crate::family::Family;
use crate::parallel;
use crate::spectral::{Symmetric, norm};
use crate::survey::{Outcome, attack};

/// The order of the smoothness constant.
pub static L5S: Claim = Claim {
    id: "L5s",
    title: "Smoothness of order 3/2",
    statement: "||grad^2 J|| <= [(3+2 sqrt 2)(1+B) sqrt(2I) Rbar + 2 L_r sqrt I]/(1-gamma)^{3/2} \
                + (B^2 Rbar/2 + C2_r)/(1-gamma), I = 1/2 + gamma B^2/4, for any |S| and |A|; \
                the order 3/2 is attained",
    source: "[derived]",
    hypotheses: "softmax policy, exponential-family transitions, |r'| <= L_r, |r''| <= C2_r",
    expected: Verdict::Proved,
    finding: "The worst curvature grows as (1-gamma)^{-3/2}: proved from above, attained by gambler's ruin on about \
              sqrt(1/(1-gamma)) states. The order 2 of L5 and L5x is not tight.",
    repair: None,
    theory: "theory/curvature.md",
    check,
    mutants,
};

/// What a mutant changes.
#[derive(Debug, Clone)]
struct Version {
    /// The constant is divided by this.
    divisor: i64,
    /// The exponent 3/2 becomes 1.
    order_one: bool,
}

const AS_STATED: Version = Version { divisor: 1, order_one: false };

/// The bound of the theorem.
fn bound(c: &Constants, version: &Version) -> Between {
    let horizon = c.horizon();
    let to_three_halves = match version.order_one {
        true => Between::exactly(horizon.clone()),
        false => Between::sqrt(&horizon.power(3)),
    };
    let product = |x: &Between, y: &Between| Between { low: &x.low * &y.low, high: &x.high * &y.high };
    let constant = Between::exactly(ratio(3, 1)).plus(&Between::sqrt(&ratio(8, 1)));
    let root = Between::sqrt(&(c.information() * ratio(2, 1)));
    let of_range = product(&constant, &root).times(&((Rational::one() + &c.psi_range) * &c.half_range));
    let of_slope = Between::sqrt(&c.information()).times(&(&c.slope * ratio(2, 1)));
    let leading = product(&of_range.plus(&of_slope), &to_three_halves);
    let rest = (c.psi_range.power(2) * &c.half_range * ratio(1, 2) + &c.curvature) * horizon;
    leading.plus(&Between::exactly(rest)).times(&ratio(1, version.divisor))
}

fn bound_of(family: &Family) -> Between {
    bound(&Constants::everywhere(family), &AS_STATED)
}

/// `T Rbar ((1+B)^2 |S| + B^2/2)`, the bound of Lemma 2 where rewards do not
/// respond.
fn tree_bound(family: &Family) -> Rational {
    let range = Rational::from_integer(family.psi_range().into());
    let wider = Rational::one() + &range;
    let states = ratio(family.n_states() as i64, 1);
    (&wider * &wider * states + &range * &range * ratio(1, 2)) * family.reward_half_range() * family.horizon()
}

/// The matrix of `2 Rbar T D(u)` of Lemma 1: block diagonal over the states,
/// `D = d[s] (diag pi_s - pi_s pi_s^T + gamma diag(pi(a|s) Var_P(psi)))`.
fn score_form(family: &Family) -> Option<Vec<Rational>> {
    let (problem, policy) = (family.problem::<Rational>(), family.policy::<Rational>());
    let performance = problem.perform(&policy).ok()?;
    let (n, n_actions) = (family.n_parameters(), family.n_actions);
    let scale = ratio(2, 1) * family.reward_half_range() * family.horizon();
    let mut form = vec![ratio(0, 1); n * n];
    for i in 0..n {
        let (s, a) = (i / n_actions, i % n_actions);
        let weight = &performance.evaluation.state_occupancy[s] * &scale;
        let pi = policy.probability(s, a);
        for b in 0..n_actions {
            let j = s * n_actions + b;
            form[i * n + j] = -(pi * policy.probability(s, b)) * &weight;
        }
        let psi = |t: usize| Rational::from_integer(family.psi[t].into());
        let row = || performance.mdp.kernel().row(s, a);
        let mean = row().fold(ratio(0, 1), |sum, (t, p)| sum + p * psi(t));
        let variance = row().fold(ratio(0, 1), |sum, (t, p)| sum + p * (psi(t) - &mean) * (psi(t) - &mean));
        form[i * n + i] += pi * (Rational::one() + &family.gamma * variance) * &weight;
    }
    Some(form)
}

/// Whether `bound - H` and `bound + H` are positive semidefinite: exactly.
fn dominates(n: usize, bound: &[Rational], hessian: &[Rational]) -> bool {
    let sum = |sign: i64| -> Vec<Rational> {
        bound.iter().zip(hessian).map(|(b, h)| b + h * ratio(sign, 1)).collect()
    };
    is_semidefinite(n, &sum(1)) && is_semidefinite(n, &sum(-1))
}

/// The theorem and, where rewards do not respond, both lemmas. The margin is
/// that of the smaller bound of the norm.
fn test(family: &Family) -> Outcome {
    let n = family.n_parameters();
    let Ok(entries) = family.hessian::<Rational>(Family::hessian_product) else { return Outcome::Undecided };
    let mut bound = bound_of(family);
    if family.reward_slope().is_zero() {
        match score_form(family) {
            None => return Outcome::Undecided,
            Some(scores) if !dominates(n, &scores, &entries) => return Outcome::Decided(-1.0),
            Some(_) => {}
        }
        let trees = tree_bound(family);
        if trees < bound.low {
            bound = Between::exactly(trees);
        }
    }
    Symmetric::new(n, &entries).map_or(Outcome::Undecided, |hessian| hessian.at_most(&bound))
}

fn rough(family: &Family) -> Option<f64> {
    let n = family.n_parameters();
    let hessian = family.hessian::<f64>(Family::hessian_product).ok()?;
    let bound = bound_of(family).low.approximate();
    let responds = !family.reward_slope().is_zero();
    let bound = if responds { bound } else { bound.min(tree_bound(family).approximate()) };
    Some(1.0 - norm(n, &hessian).0 / bound)
}

/// The curvature of a walk against the bound; negative margins refute.
fn ruin_margin(ruin: &Ruin, version: &Version) -> f64 {
    let curvature = ruin.curvature::<Ball>();
    let constants = Constants {
        half_range: ratio(1, 2),
        slope: ratio(0, 1),
        curvature: ratio(0, 1),
        psi_range: ratio(0, 1),
        gamma: ratio(ruin.horizon - 1, ruin.horizon),
        n_states: ruin.n + 2,
        n_actions: 2,
    };
    let bound = bound(&constants, version);
    let certain = curvature.lower().max(-curvature.upper());
    let excess = Rational::from_f64(certain) - &bound.high;
    if excess.is_positive() {
        -(excess / Rational::from_f64(certain)).approximate()
    } else {
        1.0 - certain / bound.high.approximate()
    }
}

const HORIZONS: [i64; 7] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let survey = attack(effort, "L5s", test, rough);
    survey.count_into(&mut finding);
    if survey.violation(test).is_some() {
        finding.verdict = Verdict::Refuted;
    }
    finding.notes.push(
        "Where rewards do not respond, the matrix inequalities of both lemmas were decided too, by exact L D L^T.".into(),
    );
    // A point-wise certificate at a responding instance, with the bound's fraction from below.
    if let Some(family) = Family::corners().get(4) {
        finding.certificates.extend(certificate::curvature("L5s", "L5s", family, &bound_of(family).low));
    }
    let walks: Vec<Ruin> = parallel::map(HORIZONS.len(), |i| Ruin::worst(HORIZONS[i]));
    let curvatures: Vec<Ball> = parallel::map(walks.len(), |i| walks[i].curvature());
    if walks.iter().any(|walk| ruin_margin(walk, &AS_STATED) < 0.0) {
        finding.verdict = Verdict::Refuted;
    }
    let certain = |c: &Ball| c.lower().max(-c.upper());
    // Rbar = 1/2: in units of Rbar.
    let of_walks: Vec<(f64, f64)> =
        HORIZONS.iter().zip(&curvatures).map(|(t, c)| (*t as f64, 2.0 * certain(c))).collect();
    let (slope, width) = exponent(&of_walks[2..]);
    let mut constants = of_walks.iter().map(|(t, c)| c / t.powf(1.5));
    let (least, last) =
        (constants.clone().fold(f64::INFINITY, f64::min), constants.next_back().unwrap_or(0.0));
    // Attained: the enclosed curvatures stay above a fixed multiple of T^(3/2).
    if least < 0.05 {
        finding.verdict = Verdict::Supported;
    }
    finding.notes.push(format!(
        "Gambler's ruin, enclosed: curvature/(Rbar T^1.5) is at least {least:.4} for T = 1/(1-gamma) from 100 to 10^8 \
         and {last:.4} at the last (the bound's constant is 5.83); slope of the logarithms {slope:.4} +- {width:.4} (95 %)."
    ));
    // At a fixed horizon: proportional to |S|, until |S| is about its root.
    let lengths = [2, 6, 14, 30, 62];
    let of_lengths: Vec<(f64, f64)> = parallel::map(lengths.len(), |i| {
        let n = lengths[i];
        ((n + 2) as f64, 2.0 * certain(&Ruin::worst_of_length(1_000_000, n).curvature()))
    });
    let (slope, width) = exponent(&of_lengths);
    finding.notes.push(format!(
        "The same walk at T = 10^6 with |S| from 4 to 64: exponent {slope:.3} +- {width:.3} in |S|."
    ));
    let searched = searches(effort);
    for (states, range, points) in &searched {
        let (slope, width) = exponent(points);
        let values: Vec<String> = points.iter().map(|(_, c)| format!("{c:.3}")).collect();
        finding.notes.push(format!(
            "Worst found at |S| = {states}, B = {range}, gamma = .9, .99, .999, .9999 (Rbar = 1): {}; exponent {slope:.2} +- {width:.2}.",
            values.join(", ")
        ));
    }
    finding.pictures.push(picture(&of_walks, &searched));
    finding
}

/// States, `B`, and the worst curvature found against the horizon; `Rbar = 1`.
type Growth = (usize, i64, Vec<(f64, f64)>);

/// The most curved instances found at fixed numbers of states.
fn searches(effort: &Effort) -> Vec<Growth> {
    let restarts = (2 + effort.searches()).min(16);
    let evaluations = 1200;
    let shapes = [(2, 0), (2, 1), (4, 0), (4, 1)];
    let horizons = [10.0, 100.0, 1000.0, 10_000.0];
    let tasks: Vec<(usize, i64, f64, u64)> = shapes
        .into_iter()
        .flat_map(|(n, b)| horizons.into_iter().flat_map(move |t| (0..restarts).map(move |i| (n, b, t, i))))
        .collect();
    let found: Vec<f64> = parallel::map(tasks.len(), |task| {
        let (n_states, psi_range, horizon, i) = tasks[task];
        let shape = Shape { n_states, gamma: 1.0 - 1.0 / horizon, psi_range };
        shape.worst(effort.seed.wrapping_add(i), evaluations).0
    });
    let best = |n: usize, b: i64, t: f64| {
        let matching = tasks.iter().zip(&found).filter(|((m, c, u, _), _)| (*m, *c, *u) == (n, b, t));
        (t, matching.fold(0.0, |best: f64, (_, c)| best.max(*c)))
    };
    shapes.map(|(n, b)| (n, b, horizons.map(|t| best(n, b, t)).to_vec())).to_vec()
}

fn picture(walks: &[(f64, f64)], searched: &[Growth]) -> Picture {
    let horizons: Vec<f64> = [10.0].into_iter().chain(walks.iter().map(|w| w.0)).collect();
    let dashed = |label: &str, f: &dyn Fn(f64) -> f64| Series {
        label: label.into(),
        points: horizons.iter().map(|&t| (t, f(t))).collect(),
        style: Style::Dashed,
    };
    let constant = 3.0 + 8f64.sqrt();
    let mut series = vec![
        dashed("bound L5x, order 2", &|t| t * t),
        dashed("bound L5s, order 3/2", &|t| constant * t.powf(1.5)),
        dashed("bound L5t at |S| = 4, order 1", &|t| 4.0 * t),
        Series { label: "gambler's ruin, free |S|".into(), points: walks.to_vec(), style: Style::Path },
    ];
    for (n, b, points) in searched {
        let label = format!("worst found, |S| = {n}, B = {b}");
        series.push(Series { label, points: points.clone(), style: Style::Path });
    }
    Picture {
        name: "curvature-growth".into(),
        title: "The worst curvature against the horizon".into(),
        caption: "Largest |eigenvalue| of the Hessian in units of Rbar, for softmax policies. Dashed: what is proved, \
                  for fixed dynamics. The walk's values are proven lower bounds; the others are the best that a search found."
            .into(),
        axes: ["1/(1-gamma)".into(), "curvature / Rbar".into()],
        logarithmic: [true, true],
        series,
    }
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, version: Version| {
        Mutant::new(name, move |_: &Effort| {
            HORIZONS.into_iter().find_map(|horizon| {
                let walk = Ruin::worst(horizon);
                let margin = ruin_margin(&walk, &version);
                (margin < 0.0).then(|| Caught {
                    by: format!("gambler's ruin, T = {horizon}"),
                    margin,
                    evidence: Evidence::Enclosed,
                    instance: describe(&walk).to_string(),
                })
            })
        })
    };
    vec![
        mutant("constant divided by 100", Version { divisor: 100, ..AS_STATED }),
        mutant("exponent lowered to 1", Version { order_one: true, ..AS_STATED }),
    ]
}

fn describe(walk: &Ruin) -> Value {
    json!({
        "gamma": format!("{}/{}", walk.horizon - 1, walk.horizon),
        "interior_states": walk.n,
        "start": walk.start,
        "logit_of_right": walk.logit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `J` as the mean over all rooted forests: every way to give each state one
    /// edge, `(a, t)` or `(a, killed)`, without a cycle.
    fn mean_over_forests(family: &Family) -> Rational {
        let (problem, policy) = (family.problem::<Rational>(), family.policy::<Rational>());
        let performance = problem.perform(&policy).unwrap();
        let (states, actions) = (family.n_states(), family.n_actions);
        let edges = actions * (states + 1);
        let (mut total, mut sum) = (ratio(0, 1), ratio(0, 1));
        for code in 0..edges.pow(states as u32) {
            let edge = |s: usize| {
                let e = code / edges.pow(s as u32) % edges;
                (e / (states + 1), e % (states + 1))
            };
            // Where the branch of each state is killed, if it is.
            let root = |mut s: usize| {
                for _ in 0..states {
                    let (a, t) = edge(s);
                    if t == states {
                        return Some((s, a));
                    }
                    s = t;
                }
                None
            };
            if (0..states).any(|s| root(s).is_none()) {
                continue;
            }
            let weight = (0..states).fold(ratio(1, 1), |product, s| {
                let (a, t) = edge(s);
                let step = if t == states {
                    Rational::one() - &family.gamma
                } else {
                    performance.mdp.kernel().probability(s, a, t) * &family.gamma
                };
                product * step * policy.probability(s, a)
            });
            for s in 0..states {
                let (last, action) = root(s).unwrap();
                sum += &weight * &family.initial[s] * performance.mdp.reward(last, action) * family.horizon();
            }
            total += weight;
        }
        sum / total
    }

    #[test]
    fn the_value_is_a_mean_over_forests() {
        let effort = Effort { seed: 3, instances: 0 };
        let random = (0..40).map(|i| Family::random(&mut effort.random("forests", i), 1 + i as usize % 2));
        for family in Family::corners().into_iter().chain(random).filter(|f| f.n_states() <= 3) {
            assert_eq!(mean_over_forests(&family), family.value_and_gradient::<Rational>().unwrap().0);
        }
    }

    #[test]
    fn the_score_form_is_needed_in_full() {
        // A quarter of it does not dominate the Hessian everywhere.
        let quarter =
            |form: Vec<Rational>| -> Vec<Rational> { form.iter().map(|x| x * ratio(1, 4)).collect() };
        let fails = |family: &Family| {
            let hessian = family.hessian::<Rational>(Family::hessian_product).unwrap();
            family.reward_slope().is_zero()
                && !dominates(family.n_parameters(), &quarter(score_form(family).unwrap()), &hessian)
        };
        assert!(Family::corners().iter().any(fails));
    }
}
