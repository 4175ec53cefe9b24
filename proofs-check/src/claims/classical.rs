//! The classical limits: without performativity the claims must reduce to
//! these.

use num_traits::{Signed, Zero};
use pemdp::arithmetic::{Field, Rational};
use pemdp::evaluate::{Evaluation, evaluate};
use pemdp::policy::Policy;

use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::{Between, identity_margin, margin};
use crate::pair::{Pair, World};
use crate::survey::{Outcome, attack, refute};

/// The performance difference lemma of Kakade and Langford.
pub static AG1: Claim = Claim {
    id: "AG1",
    title: "Performance difference, classical",
    statement: "J(pi) - J(pi') = sum_{s,a} d^pi(s,a) A^{pi'}(s,a), both in one MDP",
    source: "[Agarwal2021, Lemma 2]",
    hypotheses: "the environment does not respond",
    expected: Verdict::Proved,
    finding: "L1 without response.",
    repair: None,
    theory: "theory/performance-difference.md",
    check: check_ag1,
    mutants: mutants_ag1,
};

/// The policy gradient theorem.
pub static AG2: Claim = Claim {
    id: "AG2",
    title: "Policy gradient theorem, classical",
    statement: "grad J = sum_{s,a} d(s,a) A(s,a) grad log pi(a|s); for softmax dJ/dtheta[s,a] = d(s,a) A(s,a)",
    source: "[Agarwal2021, Theorem 1 and Lemma 10]",
    hypotheses: "the environment does not respond; softmax policy",
    expected: Verdict::Proved,
    finding: "T2 without response, and also T2 as printed: the term it loses is 0 here.",
    repair: None,
    theory: "theory/gradient.md",
    check: check_ag2,
    mutants: mutants_ag2,
};

/// The non-uniform Lojasiewicz inequality.
pub static ME8: Claim = Claim {
    id: "ME8",
    title: "Gradient domination, classical",
    statement: "||grad J|| >= min_s pi(a*(s)|s) / (sqrt|S| max_s d^{pi*}(s)/d^pi(s)) (J(pi*) - J(pi))",
    source: "[Mei2020, Lemma 8]; start and measured distribution are the same here",
    hypotheses: "the environment does not respond; softmax policy; pi* deterministic (here: any such policy)",
    expected: Verdict::Proved,
    finding: "Holds for every deterministic comparator. L3x without response says the same with state-action \
              coverage.",
    repair: None,
    theory: "theory/gradient-domination.md",
    check: check_me8,
    mutants: mutants_me8,
};

/// Two policies in one MDP: the pair's family without its response.
struct Classical<T> {
    world: World<T>,
    own: Evaluation<T>,
    comparator: Policy<T>,
    other: Evaluation<T>,
    gradient: Vec<T>,
}

impl<T: Field> Classical<T> {
    /// The pair with the other policy as it is.
    fn of(pair: &Pair) -> Option<Self> {
        let policy = Pair { family: pair.family.clone().without_response(), other: pair.other.clone() };
        Self::with(pair, policy.swapped().policy())
    }

    /// The pair with the deterministic policy that prefers the action of largest
    /// weight in the other policy.
    fn deterministic(pair: &Pair) -> Option<Self> {
        let n_actions = pair.family.n_actions;
        let mut probabilities = Vec::with_capacity(pair.other.len());
        for row in pair.other.chunks(n_actions) {
            let best = (0..n_actions).max_by_key(|&a| &row[a])?;
            probabilities.extend((0..n_actions).map(|a| if a == best { T::one() } else { T::zero() }));
        }
        let policy = Policy::probabilities(pair.family.n_states(), n_actions, probabilities).ok()?;
        Self::with(pair, policy)
    }

    fn with(pair: &Pair, comparator: Policy<T>) -> Option<Self> {
        let family = pair.family.clone().without_response();
        let world = World::<T>::of(&family);
        let own = evaluate(&world.mdp, &world.policy, &T::zero()).ok()?;
        let other = evaluate(&world.mdp, &comparator, &T::zero()).ok()?;
        let gradient = family.value_and_gradient::<T>().ok()?.1;
        Some(Self { world, own, comparator, other, gradient })
    }

    fn sum(&self, term: impl Fn(usize, usize) -> T) -> T {
        let (n_states, n_actions) = (self.world.mdp.n_states(), self.world.mdp.n_actions());
        let entries = (0..n_states * n_actions).map(|i| term(i / n_actions, i % n_actions));
        entries.fold(T::zero(), |sum, x| sum + x)
    }

    fn advantage(&self, s: usize, a: usize) -> T {
        self.own.advantage(s, a).unwrap_or_else(T::zero)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    AsStated,
    OwnOccupancy,
    Normalised,
    OtherAdvantage,
}

fn test_ag1(pair: &Pair, version: Difference) -> Outcome {
    let Some(c) = Classical::<Rational>::of(pair) else { return Outcome::Undecided };
    let left = &c.other.value - &c.own.value;
    let mut right = c.sum(|s, a| {
        let advantage = match version {
            Difference::OtherAdvantage => c.other.advantage(s, a).unwrap_or_else(Rational::zero),
            _ => c.advantage(s, a),
        };
        let occupancy = if version == Difference::OwnOccupancy { &c.own } else { &c.other };
        advantage * occupancy.occupancy(s, a)
    });
    if version == Difference::Normalised {
        right /= pair.family.horizon();
    }
    Outcome::Decided(identity_margin(&[left], &[right]))
}

fn check_ag1(effort: &Effort) -> Finding {
    proved(effort, "AG1", |pair: &Pair| test_ag1(pair, Difference::AsStated), |_| None)
}

fn mutants_ag1() -> Vec<Mutant> {
    let mutant = |name: &'static str, version: Difference| {
        Mutant::new(name, move |effort| {
            let test = |pair: &Pair| test_ag1(pair, version);
            refute(effort, &format!("AG1, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        mutant("occupancy of the other policy", Difference::OwnOccupancy),
        mutant("occupancy normalised", Difference::Normalised),
        mutant("advantage of the policy itself", Difference::OtherAdvantage),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gradient {
    AsStated,
    Normalised,
    WithoutPolicy,
    Descent,
}

fn test_ag2(pair: &Pair, version: Gradient) -> Outcome {
    let Some(c) = Classical::<Rational>::of(pair) else { return Outcome::Undecided };
    let (n_states, n_actions) = (c.world.mdp.n_states(), c.world.mdp.n_actions());
    let entry = |i: usize| {
        let (s, a) = (i / n_actions, i % n_actions);
        let weight = match version {
            Gradient::WithoutPolicy => c.own.state_occupancy[s].clone(),
            Gradient::Normalised => c.own.occupancy(s, a) / pair.family.horizon(),
            Gradient::Descent => -c.own.occupancy(s, a).clone(),
            Gradient::AsStated => c.own.occupancy(s, a).clone(),
        };
        weight * c.advantage(s, a)
    };
    let formula: Vec<Rational> = (0..n_states * n_actions).map(entry).collect();
    Outcome::Decided(identity_margin(&formula, &c.gradient))
}

fn check_ag2(effort: &Effort) -> Finding {
    proved(effort, "AG2", |pair: &Pair| test_ag2(pair, Gradient::AsStated), |_| None)
}

fn mutants_ag2() -> Vec<Mutant> {
    let mutant = |name: &'static str, version: Gradient| {
        Mutant::new(name, move |effort| {
            let test = |pair: &Pair| test_ag2(pair, version);
            refute(effort, &format!("AG2, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        mutant("occupancy normalised", Gradient::Normalised),
        mutant("state occupancy for the softmax gradient", Gradient::WithoutPolicy),
        mutant("sign flipped", Gradient::Descent),
    ]
}

/// What a mutant of ME8 leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Domination {
    AsStated,
    WithoutProbability,
    WithoutMismatch,
    TimesTen,
}

/// Both sides of ME8 multiplied out:
/// `min pi(a*|s) SubOpt` and `sqrt(|S| mismatch^2 ||grad J||^2)`, the latter as
/// its square.
fn sides_me8<T: Field>(pair: &Pair, version: Domination) -> Option<(T, T)> {
    let c = Classical::<T>::deterministic(pair)?;
    let n_states = c.world.mdp.n_states();
    let smaller = |x: T, y: &T| if (x.clone() - y).certainly_positive() { y.clone() } else { x };
    let larger = |x: T, y: T| if (y.clone() - &x).certainly_positive() { y } else { x };
    let (mut probability, mut mismatch) = (T::one(), T::zero());
    for s in 0..n_states {
        for a in 0..c.world.mdp.n_actions() {
            if c.comparator.probability(s, a).is_one() {
                probability = smaller(probability, c.world.policy.probability(s, a));
            }
        }
        if !c.own.state_occupancy[s].is_zero() {
            mismatch = larger(mismatch, c.other.state_occupancy[s].clone() / &c.own.state_occupancy[s]);
        }
    }
    match version {
        Domination::WithoutProbability => probability = T::one(),
        Domination::WithoutMismatch => mismatch = T::one(),
        Domination::TimesTen => probability = probability * T::from_integer(10),
        Domination::AsStated => {}
    }
    let gradient = T::sum_of_products(c.gradient.iter().zip(&c.gradient));
    let left = probability * (c.other.value - &c.own.value);
    Some((left, gradient * mismatch.clone() * mismatch * T::from_integer(n_states as i64)))
}

fn test_me8(pair: &Pair, version: Domination) -> Outcome {
    match sides_me8::<Rational>(pair, version) {
        None => Outcome::Undecided,
        // Nothing to gain: nothing is said.
        Some((left, _)) if !left.is_positive() => Outcome::OutOfScope,
        Some((left, square)) => margin(&Between::exactly(left), &Between::sqrt(&square)).into(),
    }
}

fn rough_me8(pair: &Pair, version: Domination) -> Option<f64> {
    let (left, square) = sides_me8::<f64>(pair, version)?;
    let right = square.sqrt();
    // A comparator that is no better is no use to the search.
    if left <= 0.0 { Some(1.0 - left) } else { Some((right - left) / right.max(left)) }
}

fn check_me8(effort: &Effort) -> Finding {
    let mut finding = proved(
        effort,
        "ME8",
        |pair: &Pair| test_me8(pair, Domination::AsStated),
        |pair| rough_me8(pair, Domination::AsStated),
    );
    if let Some(margin) = finding.margin {
        finding.notes.push(format!("Smallest margin {margin:.2e}."));
    }
    finding
}

fn mutants_me8() -> Vec<Mutant> {
    let mutant = |name: &'static str, version: Domination| {
        Mutant::new(name, move |effort| {
            let test = |pair: &Pair| test_me8(pair, version);
            refute(effort, &format!("ME8, {name}"), Evidence::Exact, test, |pair| rough_me8(pair, version))
        })
    };
    vec![
        mutant("without min pi(a*|s)", Domination::WithoutProbability),
        mutant("without the mismatch of occupancies", Domination::WithoutMismatch),
        mutant("ten times the bound", Domination::TimesTen),
    ]
}

/// The finding for a statement with a proof: proved unless an instance says
/// otherwise.
fn proved(
    effort: &Effort,
    name: &str,
    test: impl Fn(&Pair) -> Outcome + Sync,
    rough: impl Fn(&Pair) -> Option<f64> + Sync,
) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let survey = attack(effort, name, &test, rough);
    survey.count_into(&mut finding);
    if survey.violation(&test).is_some() {
        finding.verdict = Verdict::Refuted;
    }
    finding
}
