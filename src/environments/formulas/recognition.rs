//! What is known of formulas: that they do not respond, are affine in the policy, or are an
//! exponential family.

use std::collections::BTreeMap;

use num_traits::{One, Signed, Zero};

use super::graph::{FOLDED, Graph, Node, size};
use super::parser::{Function, Scope};
use crate::arithmetic::Rational;
use crate::environments::{AffineSpec, Base, ExponentialFamilySpec, FixedSpec, Specification};
use crate::problem::checker::{Checker, PolicyShape};
use crate::problem::numeral::{Numeral, Reading};

/// What formulas are.
#[derive(Debug, PartialEq)]
pub(super) enum Recognised {
    Fixed(FixedSpec),
    Affine(AffineSpec),
    /// Where policies have a logit for each state and action.
    LocalFamily(ExponentialFamilySpec),
    /// Of probabilities only, with rows that sum to 1 for every policy; and whether anything
    /// depends on the choice in a state.
    OfProbabilities(Vec<bool>),
    Nothing,
}

/// Larger dense kernels are not looked at.
const ENTRIES: usize = 1 << 20;

/// So many steps at most are taken to find coefficients.
const STEPS: usize = 10_000_000;

impl Recognised {
    /// `weights` are what rows are proportional to, where they are normalised.
    pub fn new(
        graph: &Graph,
        rows: &[Vec<(usize, usize)>],
        weights: Option<&[Vec<(usize, usize)>]>,
        rewards: &[usize],
        scope: Scope,
    ) -> Self {
        if scope.n_states.saturating_mul(rows.len()) > ENTRIES {
            return Self::Nothing;
        }
        let mut seen = Seen { graph, scope, steps: 0, terms: 0 };
        let found = seen.affine(rows, rewards).or_else(|| seen.family(weights?, rewards));
        if let Some(found) = found.filter(|found| found.is_valid(scope)) {
            return found;
        }
        let has_parameters = graph.nodes.iter().any(|node| matches!(node, Node::Parameter(_)));
        let sum_to_one = weights.is_some() || rows.iter().all(|row| seen.sums_to_one(row));
        if has_parameters || !sum_to_one {
            Self::Nothing
        } else {
            Self::OfProbabilities(seen.matters(rows, rewards))
        }
    }

    /// Whether it is what it seems for every policy.
    fn is_valid(&self, scope: Scope) -> bool {
        self.check(&mut Checker::new(
            Reading::Doubles,
            PolicyShape {
                kind: "softmax",
                path: "policy.logits".to_owned(),
                n_parameters: scope.n_parameters,
                is_local: scope.n_parameters == scope.n_states * scope.n_actions,
                is_normalised: true,
            },
            scope.n_states,
            scope.n_actions,
        ))
    }

    /// Whether a checker finds it right.
    pub fn check(&self, checker: &mut Checker) -> bool {
        match self {
            Self::Fixed(fixed) => fixed.check(checker).is_ok(),
            Self::Affine(affine) => affine.check(checker).is_ok(),
            Self::LocalFamily(family) => family.check(checker).is_ok(),
            Self::OfProbabilities(_) | Self::Nothing => true,
        }
    }
}

/// Powers of a factor go so far.
const POWER: u64 = 1 << 32;

/// A constant, and a coefficient for each `pi[s,a]` or `theta[k]` by its expression.
type Linear = (Rational, BTreeMap<usize, Rational>);

/// Coefficients of products of expressions.
type Polynomial = BTreeMap<Vec<usize>, Rational>;

/// Polynomials have so many terms at most.
const MONOMIALS: usize = 300;

/// About so many terms are made in all.
const TERMS: usize = 1_000_000;

/// Products are multiplied out so many operations deep.
const DEPTH: usize = 60;

/// Whether a polynomial is one to go on with.
fn is_short(p: &Polynomial) -> bool {
    p.len() <= MONOMIALS && p.values().all(|c| size(c) <= FOLDED)
}

fn add(sum: &mut Polynomial, monomial: Vec<usize>, c: Rational) {
    let entry = sum.entry(monomial.clone()).or_insert_with(Rational::zero);
    *entry += c;
    if entry.is_zero() {
        sum.remove(&monomial);
    }
}

/// The same with the state and action of each probability.
type OfProbabilities = (Rational, Vec<([usize; 2], Rational)>);

struct Seen<'a> {
    graph: &'a Graph,
    scope: Scope,
    steps: usize,
    terms: usize,
}

impl Seen<'_> {
    fn constant(&self, node: usize) -> Option<&Rational> {
        match &self.graph.nodes[node] {
            Node::Constant(q) => Some(q),
            _ => None,
        }
    }

    /// An expression as a linear one, by the derivatives of all that it is made of.
    fn linear(&mut self, root: usize) -> Option<Linear> {
        let (mut constant, mut coefficients) = (Rational::zero(), BTreeMap::new());
        let mut open = BTreeMap::from([(root, Rational::one())]);
        while let Some((node, factor)) = open.pop_last() {
            self.steps += 1;
            if self.steps > STEPS {
                return None;
            }
            if size(&factor) > FOLDED || size(&constant) > FOLDED {
                return None;
            }
            let mut add = |x: usize, c: Rational| *open.entry(x).or_insert_with(Rational::zero) += c;
            match self.graph.nodes[node] {
                Node::Constant(ref q) => constant += factor * q,
                Node::Probability(_) | Node::Parameter(_) => {
                    coefficients.insert(node, factor);
                }
                Node::Negation(x) => add(x, -factor),
                Node::Sum(x, y) => {
                    add(x, factor.clone());
                    add(y, factor);
                }
                Node::Difference(x, y) => {
                    add(x, factor.clone());
                    add(y, -factor);
                }
                Node::Product(x, y) => match (self.constant(x), self.constant(y)) {
                    (Some(q), _) => add(y, factor * q),
                    (None, Some(q)) => add(x, factor * q),
                    (None, None) => return None,
                },
                Node::Quotient(x, y) => add(x, factor / self.constant(y).filter(|q| !q.is_zero())?),
                _ => return None,
            }
        }
        coefficients.retain(|_, c| !c.is_zero());
        Some((constant, coefficients))
    }

    /// A linear expression of probabilities.
    fn of_probabilities(&mut self, root: usize) -> Option<OfProbabilities> {
        let (constant, coefficients) = self.linear(root)?;
        let n_actions = self.scope.n_actions;
        let named = |(node, c): (usize, Rational)| match self.graph.nodes[node] {
            Node::Probability(pair) => Some(([pair / n_actions, pair % n_actions], c)),
            _ => None,
        };
        Some((constant, coefficients.into_iter().map(named).collect::<Option<_>>()?))
    }

    /// Whether the entries of a row add up to 1 as polynomials of whatever is no sum, product
    /// or power.
    fn sums_to_one(&mut self, row: &[(usize, usize)]) -> bool {
        let mut sum = Polynomial::new();
        for &(_, node) in row {
            let Some(entry) = self.polynomial(node, DEPTH) else { return false };
            entry.into_iter().for_each(|(monomial, c)| add(&mut sum, monomial, c));
        }
        sum.len() == 1 && sum.get(&Vec::new()).is_some_and(Rational::is_one)
    }

    /// An expression with its products multiplied out, so many operations deep; none where that
    /// is too long.
    fn polynomial(&mut self, node: usize, depth: usize) -> Option<Polynomial> {
        let graph = self.graph;
        let mut of = |x: usize| {
            let found = self.polynomial(x, depth.checked_sub(1)?)?;
            // What is made of it, a product of two at most.
            self.terms += (found.len() + 1) * (found.len() + 1);
            (self.terms <= TERMS).then_some(found)
        };
        let times = |p: &Polynomial, q: &Polynomial| {
            let mut product = Polynomial::new();
            for ((x, a), (y, b)) in p.iter().flat_map(|p| q.iter().map(move |q| (p, q))) {
                let mut monomial = [x.as_slice(), y.as_slice()].concat();
                monomial.sort_unstable();
                add(&mut product, monomial, a * b);
            }
            is_short(&product).then_some(product)
        };
        let scaled = |p: Polynomial, factor: &Rational| -> Polynomial {
            p.into_iter().map(|(monomial, c)| (monomial, c * factor)).collect()
        };
        let sum = |mut p: Polynomial, q: Polynomial| {
            q.into_iter().for_each(|(monomial, c)| add(&mut p, monomial, c));
            is_short(&p).then_some(p)
        };
        let minus = -Rational::one();
        let nodes = &graph.nodes;
        Some(match nodes[node] {
            _ if depth == 0 => Polynomial::from([(vec![node], Rational::one())]),
            Node::Constant(ref q) if q.is_zero() => Polynomial::new(),
            Node::Constant(ref q) => Polynomial::from([(Vec::new(), q.clone())]),
            Node::Negation(x) => scaled(of(x)?, &minus),
            Node::Sum(x, y) => sum(of(x)?, of(y)?)?,
            Node::Difference(x, y) => sum(of(x)?, scaled(of(y)?, &minus))?,
            Node::Product(x, y) => times(&of(x)?, &of(y)?)?,
            Node::Quotient(x, y) => match &nodes[y] {
                Node::Constant(q) if !q.is_zero() => scaled(of(x)?, &q.recip()),
                _ => Polynomial::from([(vec![node], Rational::one())]),
            },
            Node::Power(x, n @ 2..=8) => {
                let base = of(x)?;
                (1..n).try_fold(base.clone(), |power, _| times(&power, &base))?
            }
            _ => Polynomial::from([(vec![node], Rational::one())]),
        })
    }

    /// Whether anything depends on the choice in a state: its rows or rewards differ, or a
    /// formula speaks of it.
    fn matters(&self, rows: &[Vec<(usize, usize)>], rewards: &[usize]) -> Vec<bool> {
        let Scope { n_states, n_actions, .. } = self.scope;
        let first = |i: usize| i / n_actions * n_actions;
        let differs = |i: usize| rows[i] != rows[first(i)] || rewards[i] != rewards[first(i)];
        let mut matters = vec![false; n_states];
        (0..rows.len()).filter(|&i| differs(i)).for_each(|i| matters[i / n_actions] = true);
        let mut open: Vec<usize> =
            rows.iter().flatten().map(|(_, node)| *node).chain(rewards.iter().copied()).collect();
        let mut is_seen = vec![false; self.graph.nodes.len()];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut is_seen[node], true) {
                open.extend(self.graph.nodes[node].operands());
                if let Node::Probability(pair) = self.graph.nodes[node] {
                    matters[pair / n_actions] = true;
                }
            }
        }
        matters
    }

    /// Fixed or affine.
    fn affine(&mut self, rows: &[Vec<(usize, usize)>], rewards: &[usize]) -> Option<Recognised> {
        let Scope { n_states, n_actions, .. } = self.scope;
        let mut affine = AffineSpec {
            transitions: vec![Numeral::ZERO; rows.len() * n_states],
            transition_slopes: Vec::new(),
            rewards: Vec::with_capacity(rewards.len()),
            reward_slopes: Vec::new(),
        };
        for (pair, row) in rows.iter().enumerate() {
            for &(t, node) in row {
                let (constant, slopes) = self.of_probabilities(node)?;
                affine.transitions[pair * n_states + t] = constant.into();
                let slope = |([s2, a2], m): ([usize; 2], Rational)| {
                    ([pair / n_actions, pair % n_actions, t, s2, a2], m.into())
                };
                affine.transition_slopes.extend(slopes.into_iter().map(slope));
            }
        }
        for (pair, &node) in rewards.iter().enumerate() {
            let (constant, slopes) = self.of_probabilities(node)?;
            affine.rewards.push(constant.into());
            let slope = |([s2, a2], m): ([usize; 2], Rational)| {
                ([pair / n_actions, pair % n_actions, s2, a2], m.into())
            };
            affine.reward_slopes.extend(slopes.into_iter().map(slope));
        }
        let is_fixed = affine.transition_slopes.is_empty() && affine.reward_slopes.is_empty();
        Some(if is_fixed {
            Recognised::Fixed(FixedSpec { transitions: affine.transitions.into(), rewards: affine.rewards })
        } else {
            Recognised::Affine(affine)
        })
    }

    /// `w exp(b + c theta[pair])` as `(w, b, c)`, by the powers of all that it is a product of:
    /// each is looked at once.
    fn weight(&mut self, root: usize, pair: usize) -> Option<(Rational, Rational, Rational)> {
        let (mut w, mut b, mut c) = (Rational::one(), Rational::zero(), Rational::zero());
        let mut open = BTreeMap::from([(root, 1_i64)]);
        while let Some((node, power)) = open.pop_last() {
            self.steps += 1;
            let is_long = [&w, &b, &c].into_iter().any(|q| size(q) > FOLDED);
            if self.steps > STEPS || is_long || power.unsigned_abs() > POWER {
                return None;
            }
            let mut add = |x: usize, power: i64| *open.entry(x).or_insert(0) += power;
            match self.graph.nodes[node] {
                Node::Constant(ref q) if q.is_zero() && power <= 0 => return None,
                Node::Constant(ref q) if size(q).saturating_mul(power.unsigned_abs()) > FOLDED => {
                    return None;
                }
                Node::Constant(ref q) => w *= num_traits::Pow::pow(q, power as i32),
                Node::Call(Function::Exp, x) => {
                    let (of_one, slope) = self.own(x, pair)?;
                    let power = Rational::from_integer(power.into());
                    b += of_one * &power;
                    c += slope * power;
                }
                Node::Product(x, y) => {
                    add(x, power);
                    add(y, power);
                }
                Node::Quotient(x, y) => {
                    add(x, power);
                    add(y, -power);
                }
                _ => return None,
            }
        }
        Some((w, b, c))
    }

    /// `b + c theta[pair]` as `(b, c)`.
    fn own(&mut self, node: usize, pair: usize) -> Option<(Rational, Rational)> {
        let (b, coefficients) = self.linear(node)?;
        let mut c = Rational::zero();
        for (variable, coefficient) in coefficients {
            match self.graph.nodes[variable] {
                Node::Parameter(k) if k == pair => c = coefficient,
                _ => return None,
            }
        }
        Some((b, c))
    }

    /// An exponential family: rows proportional to `w exp(b + psi[t] theta[s,a])` with all `w`
    /// 1 or all `b` 0, rewards `b + c theta[s,a]`, which may be clipped.
    fn family(&mut self, rows: &[Vec<(usize, usize)>], rewards: &[usize]) -> Option<Recognised> {
        let n = self.scope.n_states;
        let mut psi: Vec<Option<Rational>> = vec![None; n];
        let mut logits: Vec<Option<Rational>> = vec![None; rows.len() * n];
        let mut weights = vec![Rational::zero(); rows.len() * n];
        for (pair, row) in rows.iter().enumerate() {
            for &(t, node) in row {
                let (w, b, c) = self.weight(node, pair)?;
                if w.is_zero() {
                    continue;
                }
                if *psi[t].get_or_insert_with(|| c.clone()) != c {
                    return None;
                }
                weights[pair * n + t] = w;
                logits[pair * n + t] = Some(b);
            }
        }
        let is_one = |(w, b): (&Rational, &Option<Rational>)| b.is_none() || w.is_one();
        let base = if weights.iter().zip(&logits).all(is_one) {
            Base::Logits(Some(logits.into_iter().map(|b| b.map(Numeral::from)).collect()))
        } else if logits.iter().flatten().all(Rational::is_zero) {
            Base::Weights(weights.into_iter().map(Numeral::from).collect())
        } else {
            return None;
        };
        let (mut reward_base, mut same) = (Vec::with_capacity(rewards.len()), None);
        for (pair, &node) in rewards.iter().enumerate() {
            let (inner, clip) = self.clipped(node);
            let (b, c) = self.own(inner, pair)?;
            if *same.get_or_insert_with(|| (c.clone(), clip.clone())) != (c, clip) {
                return None;
            }
            reward_base.push(b.into());
        }
        let (slope, clip) = same?;
        let psi = psi.into_iter().map(|psi| psi.unwrap_or_else(Rational::zero).into()).collect();
        let (slope, clip) = (slope.into(), clip.map(Numeral::from));
        let next_rewards = Vec::new();
        Some(Recognised::LocalFamily(ExponentialFamilySpec {
            psi,
            base,
            reward_base,
            next_rewards,
            slope,
            clip,
        }))
    }

    /// What is clipped to `[-clip, clip]`, and `clip`; the expression itself where it is not
    /// clipped so.
    fn clipped(&self, node: usize) -> (usize, Option<Rational>) {
        let with_bound = |node: usize, is_larger: bool| -> Option<(usize, &Rational)> {
            let (x, y) = match self.graph.nodes[node] {
                Node::Larger(x, y) if is_larger => (x, y),
                Node::Smaller(x, y) if !is_larger => (x, y),
                _ => return None,
            };
            match (self.constant(x), self.constant(y)) {
                (Some(bound), _) => Some((y, bound)),
                (None, Some(bound)) => Some((x, bound)),
                (None, None) => None,
            }
        };
        for is_larger in [true, false] {
            let Some((inside, first)) = with_bound(node, is_larger) else { continue };
            let Some((inner, second)) = with_bound(inside, !is_larger) else { continue };
            let clip = if is_larger { second } else { first };
            if !clip.is_negative() && (first + second).is_zero() {
                return (inner, Some(clip.clone()));
            }
        }
        (node, None)
    }
}
