//! PS: stability is not optimality.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Field, Rational, ratio};
use pemdp::problem::{Problem, Reading};
use pemdp_optimum::{End, Extremum, Landscape};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::case::{Case, random_fraction, short_fraction};
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::family::Family;
use crate::optimum::certified;
use crate::survey::{Outcome, refute, survey};

/// Stability against optimality.
pub static PS: Claim = Claim {
    id: "PS",
    title: "Stability is not optimality",
    statement: "a performatively stable policy can be strictly worse than the performative optimum",
    source: "[PePG], [Perdomo2020]",
    hypotheses: "stable: a best response in the environment that it induces",
    expected: Verdict::Proved,
    finding: "In the loan problem the stable policy approves twice as often as the optimal one and earns nothing. A \
              stable policy with positive probabilities is not even locally optimal where its performative terms do \
              not cancel.",
    repair: None,
    theory: "theory/stability.md",
    check,
    mutants,
};

/// A policy in its environment, solved in fractions.
struct Solved {
    value: Rational,
    /// `Q[s,a]` by rows.
    action_values: Vec<Vec<Rational>>,
    /// `max (Q[s,a] - V[s])`: not positive exactly where the policy is stable.
    temptation: Rational,
    policy_term: Vec<Rational>,
    gradient: Vec<Rational>,
}

fn solve(json: &Value) -> Option<Solved> {
    let problem = Problem::from_json(&json.to_string(), Reading::Exact).ok()?;
    let (model, policy) = problem.rational_model().ok()?;
    let performance = model.perform(&policy).ok()?;
    let evaluation = &performance.evaluation;
    let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
    let entry = |s: usize, a: usize| evaluation.action_value(s, a).cloned();
    let row = |s: usize| (0..n_actions).map(|a| entry(s, a)).collect::<Option<Vec<_>>>();
    let action_values = (0..n_states).map(row).collect::<Option<Vec<_>>>()?;
    let temptations = action_values.iter().zip(&evaluation.state_values);
    let temptation = temptations.flat_map(|(row, v)| row.iter().map(move |q| q - v)).max()?;
    Some(Solved {
        value: evaluation.value.clone(),
        action_values,
        temptation,
        policy_term: performance.gradient.policy.iter().cloned().collect::<Option<_>>()?,
        gradient: performance.gradient.total().into_iter().collect::<Option<_>>()?,
    })
}

/// A loan problem.
#[derive(Debug, Clone, PartialEq)]
struct Lending {
    /// Four states, or one.
    mdp: bool,
    gamma: Rational,
    q0: Rational,
    c: Rational,
    gain: Rational,
    loss: Rational,
}

impl Lending {
    /// The problem where the fraction `p` is approved.
    fn at(&self, p: &Rational) -> Value {
        let approve = json!([p.to_string(), (Rational::one() - p).to_string()]);
        let even = json!(["1/2", "1/2"]);
        let policy = if self.mdp { json!([approve, even, even, even]) } else { json!([approve]) };
        json!({
            "format": "pemdp-problem/1",
            "gamma": self.gamma.to_string(),
            "policy": {"kind": "probabilities", "values": policy},
            "environment": {
                "kind": "loan",
                "form": if self.mdp { "mdp" } else { "bandit" },
                "q0": self.q0.to_string(),
                "c": self.c.to_string(),
                "gain": self.gain.to_string(),
                "loss": self.loss.to_string(),
            },
        })
    }

    /// `(k q0 - l)/(k c)` with `k = g + l`, where it lies in (0, 1).
    fn stable_point(&self) -> Option<Rational> {
        let k = &self.gain + &self.loss;
        let surplus = &k * &self.q0 - &self.loss;
        let slope = k * &self.c;
        (surplus.is_positive() && surplus < slope).then(|| surplus / slope)
    }
}

impl Case for Lending {
    fn corners() -> Vec<Self> {
        let q = Rational::from_ratio;
        let ready = |mdp| Self { mdp, gamma: q(1, 2), q0: q(3, 4), c: q(1, 2), gain: q(1, 1), loss: q(1, 1) };
        vec![
            ready(false),
            ready(true),
            Self { c: q(0, 1), ..ready(false) },
            Self { gamma: q(99, 100), c: q(3, 4), loss: q(3, 1), gain: q(2, 1), ..ready(true) },
        ]
    }

    fn random(rng: &mut ChaCha8Rng, _size: usize) -> Self {
        let q = Rational::from_ratio;
        let n = rng.random_range(1..=12);
        let c = rng.random_range(0..=n);
        Self {
            mdp: rng.random(),
            gamma: q(rng.random_range(1..20), 20),
            q0: q(n, 12),
            c: q(c, 12),
            gain: q(rng.random_range(1..9), 4),
            loss: q(rng.random_range(1..9), 4),
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        Vec::new()
    }

    fn moved(&self, _x: &[f64]) -> Self {
        self.clone()
    }

    fn simpler(&self) -> Vec<Self> {
        let one = Rational::one;
        let candidates = [
            Self { mdp: false, ..self.clone() },
            Self { gamma: ratio(1, 2), ..self.clone() },
            Self { gain: one(), ..self.clone() },
            Self { loss: one(), ..self.clone() },
        ];
        candidates.into_iter().filter(|lending| lending != self).collect()
    }

    fn to_json(&self) -> Value {
        self.at(&self.stable_point().unwrap_or_else(Rational::one))
    }
}

/// What is claimed of a loan.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Points {
    /// `(k q0 - l)/(k c)` is stable and half of it is optimal and better.
    AsProved,
    /// This multiple of `(k q0 - l)/(k c)` is stable.
    StableAt(i64, i64),
    /// `p = 1`, the best response to the rate fitted at `p = 0`, is stable.
    NaiveIsStable,
    /// This multiple of `(k q0 - l)/(k c)` is optimal.
    OptimalAt(i64, i64),
    /// Every stable policy is optimal.
    StableIsOptimal,
    /// Stable policies have at least half of the optimal value.
    HalfAsGood,
}

/// Minus the largest advantage over the largest `|Q|`.
fn stability_margin(solved: &Solved) -> f64 {
    let scale = solved.action_values.iter().flatten().map(Signed::abs).max().unwrap_or_else(Rational::zero);
    match solved.temptation.is_positive() {
        true => -(&solved.temptation / scale).approximate().max(f64::MIN_POSITIVE),
        false => 0.0,
    }
}

/// The gain of the optimum over the stable point relative to itself, minus the
/// violations of what else is claimed.
fn test_lending(lending: &Lending, claim: Points) -> Outcome {
    let Some(stable) = lending.stable_point() else { return Outcome::OutOfScope };
    let q = Rational::from_ratio;
    let optimum = &stable / q(2, 1);
    lending_margin(lending, claim, &stable, &optimum).into()
}

fn lending_margin(lending: &Lending, claim: Points, stable: &Rational, optimum: &Rational) -> Option<f64> {
    let q = Rational::from_ratio;
    let at_stable = match claim {
        Points::StableAt(n, d) => stable * q(n, d),
        Points::NaiveIsStable => Rational::one(),
        _ => stable.clone(),
    };
    let solved = solve(&lending.at(&at_stable))?;
    let stability = stability_margin(&solved);
    if stability < 0.0 || matches!(claim, Points::StableAt(..) | Points::NaiveIsStable) {
        return Some(stability);
    }
    let best = solve(&lending.at(optimum))?.value;
    let relative = |x: Rational| (x / &best).approximate();
    match claim {
        Points::StableIsOptimal => return Some(relative(&solved.value - &best)),
        Points::HalfAsGood => return Some(relative(&solved.value - &best / q(2, 1))),
        _ => {}
    }
    let optimal_at = if let Points::OptimalAt(n, d) = claim { stable * q(n, d) } else { optimum.clone() };
    if optimal_at >= Rational::one() {
        return Some(-1.0);
    }
    // The only critical point, and a maximum above both limits.
    let problem = Problem::from_json(&lending.at(&optimal_at).to_string(), Reading::Exact).ok()?;
    let landscape = Landscape::along(&problem, 0, 0).ok()?;
    let is_optimal = match landscape.critical_points.as_slice() {
        [point] => {
            point.exact.as_ref() == Some(&optimal_at)
                && point.extremum == Extremum::Maximum
                && landscape.supremum().1 == End::Critical(0)
        }
        _ => false,
    };
    Some(if is_optimal { relative(best.clone() - &solved.value) } else { -1.0 })
}

/// A problem whose policy is stable because the rewards were chosen so: for any
/// `V`, the rewards `V[s] - gamma sum_t P[s,a,t] V[t]` make every action as good as
/// any other in the environment that the policy induces.
#[derive(Debug, Clone, PartialEq)]
struct Stable(Value);

impl Stable {
    /// Where the base rewards of an environment are.
    fn base(environment: &mut Value) -> &mut Value {
        match environment["kind"].as_str() {
            Some("affine") => &mut environment["rewards"],
            _ => &mut environment["reward"]["base"],
        }
    }

    /// Chooses the base rewards that give the policy the values `V`.
    fn with_values(mut json: Value, values: &[Rational]) -> Option<Self> {
        let n_states = values.len();
        let n_actions = json["policy"]["values"][0].as_array()?.len();
        *Self::base(&mut json["environment"]) = json!(vec![vec![0; n_actions]; n_states]);
        let problem = Problem::from_json(&json.to_string(), Reading::Exact).ok()?;
        let (model, policy) = problem.rational_model().ok()?;
        let induced = model.response.induce(&policy).ok()?;
        let reward = |s: usize, a: usize| {
            let row = induced.kernel.row(s, a);
            let next = row.fold(Rational::zero(), |sum, (t, p)| sum + p * &values[t]);
            // What does not come from the base must be made up for.
            (&values[s] - next * &model.gamma - &induced.rewards[s * n_actions + a]).to_string()
        };
        let table: Vec<Vec<String>> =
            (0..n_states).map(|s| (0..n_actions).map(|a| reward(s, a)).collect()).collect();
        *Self::base(&mut json["environment"]) = json!(table);
        Some(Self(json))
    }

    /// An affine environment: part of each row follows the policy of a state.
    fn affine(rng: &mut ChaCha8Rng, n_states: usize, n_actions: usize) -> Option<Self> {
        let q = Rational::from_ratio;
        let row = |rng: &mut ChaCha8Rng, part: &Rational| -> Vec<Rational> {
            let entries: Vec<i64> = (0..n_states).map(|_| rng.random_range(1..6)).collect();
            let total = entries.iter().sum();
            entries.iter().map(|&entry| q(entry, total) * part).collect()
        };
        let strings = |row: &[Rational]| row.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (mut transitions, mut slopes, mut reward_slopes) = (Vec::new(), Vec::new(), Vec::new());
        for s in 0..n_states {
            let mut rows = Vec::new();
            for a in 0..n_actions {
                let part = q(rng.random_range(0..4), 4);
                rows.push(strings(&row(rng, &(Rational::one() - &part))));
                let s2 = rng.random_range(0..n_states);
                for a2 in 0..n_actions {
                    for (t, m) in row(rng, &part).iter().enumerate().filter(|(_, m)| !m.is_zero()) {
                        slopes.push(json!([s, a, t, s2, a2, m.to_string()]));
                    }
                }
                if rng.random() {
                    let a2 = rng.random_range(0..n_actions);
                    reward_slopes.push(json!([s, a, s2, a2, random_fraction(rng, 2, 4).to_string()]));
                }
            }
            transitions.push(rows);
        }
        let weights: Vec<Vec<i64>> =
            (0..n_states).map(|_| (0..n_actions).map(|_| rng.random_range(1..9)).collect()).collect();
        let json = json!({
            "format": "pemdp-problem/1",
            "gamma": q(rng.random_range(0..20), 20).to_string(),
            "initial": strings(&crate::family::first_state(n_states)),
            "policy": {"kind": "weights", "values": weights},
            "environment": {
                "kind": "affine",
                "transitions": transitions,
                "transition_slopes": slopes,
                "reward_slopes": reward_slopes,
                "rewards": [],
            },
        });
        let values: Vec<Rational> = (0..n_states).map(|_| random_fraction(rng, 3, 2)).collect();
        Self::with_values(json, &values)
    }

    /// A family with the rewards of its first action as values.
    fn family(family: &Family) -> Option<Self> {
        let mut family = family.clone();
        family.amplitudes.fill(Rational::zero());
        let values: Vec<Rational> =
            family.rewards.chunks(family.n_actions).map(|row| row[0].clone()).collect();
        Self::with_values(family.to_json(), &values)
    }
}

impl Case for Stable {
    fn corners() -> Vec<Self> {
        crate::family::corners().iter().filter_map(Self::family).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        loop {
            let (n_states, n_actions) = (rng.random_range(1..=1 + size), rng.random_range(2..=3));
            let case = match rng.random() {
                true => Self::affine(rng, n_states, n_actions),
                false => Self::family(&Family::random(rng, size)),
            };
            if let Some(case) = case {
                return case;
            }
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        Vec::new()
    }

    fn moved(&self, _x: &[f64]) -> Self {
        self.clone()
    }

    fn simpler(&self) -> Vec<Self> {
        Vec::new()
    }

    fn to_json(&self) -> Value {
        self.0.clone()
    }
}

/// A step along the gradient from a stable policy, halved until it is better:
/// the problem there and its value.
fn improved(json: &Value, solved: &Solved) -> Option<(Value, Rational)> {
    let largest = solved.gradient.iter().map(Signed::abs).max().filter(Rational::is_positive)?;
    let rows: Vec<Vec<Rational>> =
        serde_json::from_value::<Vec<Vec<Value>>>(json["policy"]["values"].clone())
            .ok()?
            .iter()
            .map(|row| row.iter().map(fraction).collect::<Option<Vec<_>>>())
            .collect::<Option<_>>()?;
    for halvings in 0..200 {
        let step = Rational::from_integer(2.into()).power(-1 - halvings);
        let mut gradient = solved.gradient.iter();
        let moved: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let pairs = row.iter().zip(gradient.by_ref());
                let weight = |(w, g): (&Rational, &Rational)| {
                    let direction = short_fraction((g / &largest).approximate());
                    (w * (Rational::one() + &step * direction)).to_string()
                };
                pairs.map(weight).collect()
            })
            .collect();
        let mut better = json.clone();
        better["policy"]["values"] = json!(moved);
        let value = solve(&better)?.value;
        if value > solved.value {
            return Some((better, value));
        }
    }
    None
}

/// A number or a string of a problem.
fn fraction(value: &Value) -> Option<Rational> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(n) => n.as_i64().map(|n| Rational::from_integer(n.into())),
        _ => None,
    }
}

/// What is claimed of a stable policy with positive probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Interior {
    /// Its policy term is 0; where its gradient is not, a policy nearby is better.
    AsProved,
    /// Its gradient is 0.
    IsCritical,
    /// No policy nearby is better.
    IsOptimal,
}

fn test_interior(case: &Stable, claim: Interior) -> Outcome {
    let Some(solved) = solve(&case.0) else { return Outcome::Undecided };
    let largest = solved.gradient.iter().map(Signed::abs).max().unwrap_or_else(Rational::zero);
    if stability_margin(&solved) < 0.0 || solved.policy_term.iter().any(|g| !g.is_zero()) {
        return Outcome::Decided(-1.0);
    }
    if largest.is_zero() {
        return Outcome::OutOfScope; // the performative terms cancel
    }
    if claim == Interior::IsCritical {
        return Outcome::Decided(-1.0);
    }
    let Some((_, value)) = improved(&case.0, &solved) else { return Outcome::Undecided };
    let scale = value.abs().max(solved.value.abs());
    let gain = ((value - &solved.value) / scale).approximate().max(f64::MIN_POSITIVE);
    Outcome::Decided(if claim == Interior::IsOptimal { -gain } else { gain })
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Supported, Evidence::Exact);
    let proved = |lending: &Lending| test_lending(lending, Points::AsProved);
    let loans = survey(effort, "PS, loans", proved);
    loans.count_into(&mut finding);
    let interior = |case: &Stable| test_interior(case, Interior::AsProved);
    let problems = survey(effort, "PS, interior", interior);
    problems.count_into(&mut finding);
    // Existence needs one; the explicit examples are the proof's.
    let mut executed = true;
    for (name, lending) in ["PS", "PS-mdp"].into_iter().zip(Lending::corners()) {
        executed &= execute(name, &lending, &mut finding).unwrap_or(false);
    }
    finding.notes.push(format!(
        "On {} loans with an interior stable point it is stable, twice the optimum, and worth nothing.",
        loans.decided
    ));
    finding.notes.push(format!(
        "On {} affine problems and families with a stable policy by choice of rewards a step along the gradient is \
         better; on {} the performative terms cancel.",
        problems.decided, problems.out_of_scope
    ));
    let violated = loans.violation(proved).is_some() || problems.violation(interior).is_some();
    finding.verdict = match (executed, violated) {
        (true, false) => Verdict::Proved,
        (true, true) => Verdict::Supported, // an example is enough, but a formula is wrong
        (false, _) => Verdict::Refuted,
    };
    finding
}

/// A stable policy and a better one, with a certificate.
fn execute(name: &str, lending: &Lending, finding: &mut Finding) -> Option<bool> {
    let stable = lending.stable_point()?;
    let optimum = &stable / Rational::from_integer(2.into());
    let problems = [&stable, &optimum].map(|p| lending.at(p));
    let [at_stable, at_optimum] = [solve(&problems[0])?, solve(&problems[1])?];
    finding.notes.push(format!(
        "Loan ({}): J = {} at the stable p = {stable}, {} at p = {optimum}.",
        if lending.mdp { "MDP" } else { "bandit" },
        at_stable.value,
        at_optimum.value
    ));
    finding.certificates.push(certificate::stable_point(
        name,
        [&problems[0], &problems[1]],
        [&at_stable.value, &at_optimum.value],
        &at_stable.action_values,
    ));
    // Over all policies, not only along the approval rate.
    let problem = Problem::from_json(&problems[1].to_string(), Reading::Exact).ok()?;
    let bounds = certified(&problem)?;
    let [low, high] = [bounds.value, bounds.upper_bound].map(Rational::from_f64);
    finding.notes.push(format!(
        "Certified over {}: the best value is between {:.7} and {:.7}; stability costs at least {:.7}.",
        bounds.domain,
        bounds.value,
        bounds.upper_bound,
        (&low - &at_stable.value).approximate()
    ));
    let is_optimal = low <= at_optimum.value && at_optimum.value <= high;
    Some(!at_stable.temptation.is_positive() && at_optimum.value > at_stable.value && is_optimal)
}

fn mutants() -> Vec<Mutant> {
    let loan = |name: &'static str, claim: Points| {
        Mutant::new(name, move |effort| {
            let test = |lending: &Lending| test_lending(lending, claim);
            refute(effort, &format!("PS, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    let interior = |name: &'static str, claim: Interior| {
        Mutant::new(name, move |effort| {
            let test = |case: &Stable| test_interior(case, claim);
            refute(effort, &format!("PS, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        loan("every stable policy is optimal", Points::StableIsOptimal),
        loan("the stable point without the factor 2", Points::StableAt(1, 2)),
        loan("the naive fit is stable", Points::NaiveIsStable),
        loan("the optimum at 2/3 of the stable point", Points::OptimalAt(2, 3)),
        loan("a stable policy is half as good", Points::HalfAsGood),
        interior("stable policies are critical points", Interior::IsCritical),
        interior("stable policies are local optima", Interior::IsOptimal),
    ]
}
