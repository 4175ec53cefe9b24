//! Formulas as one graph in which every expression stands once.

use std::collections::HashMap;

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::parser::{Function, Step, SyntaxError};
use crate::arithmetic::Rational;

/// An expression; its operands stand before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Constant(Rational),
    /// `pi(a|s)`, at `s A + a`.
    Probability(usize),
    /// `theta[k]`.
    Parameter(usize),
    Negation(usize),
    Sum(usize, usize),
    Difference(usize, usize),
    Product(usize, usize),
    Quotient(usize, usize),
    Power(usize, i64),
    Call(Function, usize),
    Magnitude(usize),
    Larger(usize, usize),
    Smaller(usize, usize),
}

impl Node {
    /// What it is made of.
    pub fn operands(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match *self {
            Self::Constant(_) | Self::Probability(_) | Self::Parameter(_) => (None, None),
            Self::Negation(x) | Self::Power(x, _) | Self::Call(_, x) | Self::Magnitude(x) => (Some(x), None),
            Self::Sum(x, y)
            | Self::Difference(x, y)
            | Self::Product(x, y)
            | Self::Quotient(x, y)
            | Self::Larger(x, y)
            | Self::Smaller(x, y) => (Some(x), Some(y)),
        };
        first.into_iter().chain(second)
    }

    fn moved(&self, to: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Constant(_) | Self::Probability(_) | Self::Parameter(_) => self.clone(),
            Self::Negation(x) => Self::Negation(to(*x)),
            Self::Power(x, n) => Self::Power(to(*x), *n),
            Self::Call(function, x) => Self::Call(*function, to(*x)),
            Self::Magnitude(x) => Self::Magnitude(to(*x)),
            Self::Sum(x, y) => Self::Sum(to(*x), to(*y)),
            Self::Difference(x, y) => Self::Difference(to(*x), to(*y)),
            Self::Product(x, y) => Self::Product(to(*x), to(*y)),
            Self::Quotient(x, y) => Self::Quotient(to(*x), to(*y)),
            Self::Larger(x, y) => Self::Larger(to(*x), to(*y)),
            Self::Smaller(x, y) => Self::Smaller(to(*x), to(*y)),
        }
    }
}

/// Expressions, each after its operands, and the formula in which each stands first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    pub places: Vec<usize>,
}

impl Graph {
    /// Whether each expression depends on the policy.
    pub fn depends(&self) -> Vec<bool> {
        let mut depends: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let is_of_policy = matches!(node, Node::Probability(_) | Node::Parameter(_));
            depends.push(is_of_policy || node.operands().any(|x| depends[x]));
        }
        depends
    }

    /// How many bits the numerator and denominator of each expression may take, where
    /// probabilities take 64.
    pub fn bits(&self) -> Vec<u64> {
        let mut bits: Vec<u64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            bits.push(match *node {
                Node::Constant(ref q) => size(q),
                Node::Probability(_) | Node::Parameter(_) => 64,
                Node::Negation(x) | Node::Magnitude(x) | Node::Call(_, x) => bits[x],
                Node::Power(x, n) => bits[x].saturating_mul(n.unsigned_abs()),
                Node::Larger(x, y) | Node::Smaller(x, y) => bits[x].max(bits[y]),
                Node::Sum(x, y) | Node::Difference(x, y) | Node::Product(x, y) | Node::Quotient(x, y) => {
                    bits[x].saturating_add(bits[y]).saturating_add(1)
                }
            });
        }
        bits
    }

    /// The same without what no root needs, and the roots in it.
    pub fn pruned(&self, roots: &[usize]) -> (Self, Vec<usize>) {
        let mut is_needed = vec![false; self.nodes.len()];
        roots.iter().for_each(|&root| is_needed[root] = true);
        for i in (0..self.nodes.len()).rev() {
            if is_needed[i] {
                self.nodes[i].operands().for_each(|x| is_needed[x] = true);
            }
        }
        let mut moved = vec![0; self.nodes.len()];
        let mut pruned = Self::default();
        for i in (0..self.nodes.len()).filter(|&i| is_needed[i]) {
            moved[i] = pruned.nodes.len();
            pruned.nodes.push(self.nodes[i].moved(|x| moved[x]));
            pruned.places.push(self.places[i]);
        }
        (pruned, roots.iter().map(|&root| moved[root]).collect())
    }
}

/// Bits of numerator and denominator.
pub(super) fn size(q: &Rational) -> u64 {
    q.numer().bits() + q.denom().bits()
}

/// Constants of more bits are not computed before they are needed.
pub(super) const FOLDED: u64 = 1 << 12;

/// Exponents go so far.
const LARGEST_EXPONENT: i64 = 1000;

/// Makes a graph of formulas.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub graph: Graph,
    known: HashMap<Node, usize>,
    /// The formula that is being read.
    pub place: usize,
}

impl Builder {
    /// The expression of a program; `named` are the names that stand for expressions.
    pub fn lower(
        &mut self,
        steps: &[Step],
        named: impl Fn(&str) -> Option<usize>,
    ) -> Result<usize, SyntaxError> {
        let mut stack: Vec<usize> = Vec::new();
        for step in steps {
            // The grammar leaves as many operands as a step takes.
            let mut pop = || stack.pop().unwrap_or_default();
            let node = match step {
                Step::Number(q) => self.constant(q.clone()),
                Step::Probability(pair) => self.node(Node::Probability(*pair)),
                Step::Parameter(k) => self.node(Node::Parameter(*k)),
                Step::Name { name, column } => named(name).ok_or_else(|| SyntaxError {
                    column: *column,
                    seen: format!("\"{}\"", crate::problem::excerpt(name)),
                    expected: "pi, theta, a function or a name in constants or definitions".to_owned(),
                })?,
                Step::Negate => {
                    let x = pop();
                    self.negation(x)
                }
                Step::Call(function) => {
                    let x = pop();
                    self.call(*function, x)
                }
                Step::Abs => {
                    let x = pop();
                    self.magnitude(x)
                }
                Step::Power(column) => {
                    let (exponent, x) = (pop(), pop());
                    let exponent = self.exponent(exponent).ok_or_else(|| SyntaxError {
                        column: *column,
                        seen: "the exponent".to_owned(),
                        expected: format!(
                            "a constant integer from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}; others are exp(y * \
                             log(x))"
                        ),
                    })?;
                    self.power(x, exponent)
                }
                Step::Add | Step::Subtract | Step::Multiply | Step::Divide | Step::Min | Step::Max => {
                    let (y, x) = (pop(), pop());
                    match step {
                        Step::Add => self.sum(x, y),
                        Step::Subtract => self.difference(x, y),
                        Step::Multiply => self.product(x, y),
                        Step::Divide => self.quotient(x, y),
                        Step::Min => self.smaller(x, y),
                        _ => self.larger(x, y),
                    }
                }
            };
            stack.push(node);
        }
        Ok(stack.pop().unwrap_or_default())
    }

    fn node(&mut self, node: Node) -> usize {
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let index = self.graph.nodes.len();
        self.known.insert(node.clone(), index);
        self.graph.nodes.push(node);
        self.graph.places.push(self.place);
        index
    }

    /// `q` is in lowest terms.
    pub fn constant(&mut self, q: Rational) -> usize {
        self.node(Node::Constant(q))
    }

    fn value(&self, x: usize) -> Option<&Rational> {
        match &self.graph.nodes[x] {
            Node::Constant(q) => Some(q),
            _ => None,
        }
    }

    fn is(&self, x: usize, integer: i64) -> bool {
        self.value(x).is_some_and(|q| *q == Rational::from_integer(integer.into()))
    }

    /// Both numbers, where they are constants of moderate length.
    fn values(&self, x: usize, y: usize) -> Option<(&Rational, &Rational)> {
        let (x, y) = (self.value(x)?, self.value(y)?);
        (size(x) + size(y) <= FOLDED).then_some((x, y))
    }

    fn exponent(&self, x: usize) -> Option<i64> {
        let q = self.value(x).filter(|q| q.is_integer())?;
        q.to_i64().filter(|n| n.abs() <= LARGEST_EXPONENT)
    }

    fn negation(&mut self, x: usize) -> usize {
        match self.value(x).map(|q| -q) {
            Some(q) => self.constant(q),
            None => self.node(Node::Negation(x)),
        }
    }

    pub fn sum(&mut self, x: usize, y: usize) -> usize {
        match self.values(x, y).map(|(x, y)| x + y) {
            Some(q) => self.constant(q),
            None if self.is(x, 0) => y,
            None if self.is(y, 0) => x,
            None => self.node(Node::Sum(x, y)),
        }
    }

    fn difference(&mut self, x: usize, y: usize) -> usize {
        match self.values(x, y).map(|(x, y)| x - y) {
            Some(q) => self.constant(q),
            None if self.is(y, 0) => x,
            None if x == y => self.constant(Rational::zero()),
            None => self.node(Node::Difference(x, y)),
        }
    }

    pub fn product(&mut self, x: usize, y: usize) -> usize {
        match self.values(x, y).map(|(x, y)| x * y) {
            Some(q) => self.constant(q),
            None if self.is(x, 1) || self.is(y, 0) => y,
            None if self.is(y, 1) || self.is(x, 0) => x,
            None => self.node(Node::Product(x, y)),
        }
    }

    pub fn quotient(&mut self, x: usize, y: usize) -> usize {
        let quotient = self.values(x, y).filter(|(_, y)| !y.is_zero()).map(|(x, y)| x / y);
        match quotient {
            Some(q) => self.constant(q),
            None if self.is(y, 1) => x,
            None => self.node(Node::Quotient(x, y)),
        }
    }

    fn power(&mut self, x: usize, n: i64) -> usize {
        let folded = self
            .value(x)
            .filter(|q| (n >= 0 || !q.is_zero()) && size(q).saturating_mul(n.unsigned_abs()) <= FOLDED);
        match (n, folded.map(|q| num_traits::Pow::pow(q, n as i32))) {
            (0, _) => self.constant(Rational::one()),
            (1, _) => x,
            (_, Some(q)) => self.constant(q),
            _ => self.node(Node::Power(x, n)),
        }
    }

    fn call(&mut self, function: Function, x: usize) -> usize {
        match self.value(x).and_then(|q| at_constant(function, q)) {
            Some(q) => self.constant(q),
            None => self.node(Node::Call(function, x)),
        }
    }

    fn magnitude(&mut self, x: usize) -> usize {
        match self.value(x).map(Rational::abs) {
            Some(q) => self.constant(q),
            None => self.node(Node::Magnitude(x)),
        }
    }

    fn larger(&mut self, x: usize, y: usize) -> usize {
        match self.values(x, y).map(|(p, q)| if p >= q { x } else { y }) {
            Some(chosen) => chosen,
            None if x == y => x,
            None => self.node(Node::Larger(x, y)),
        }
    }

    fn smaller(&mut self, x: usize, y: usize) -> usize {
        match self.values(x, y).map(|(p, q)| if p <= q { x } else { y }) {
            Some(chosen) => chosen,
            None if x == y => x,
            None => self.node(Node::Smaller(x, y)),
        }
    }
}

/// The function of a number, where that is rational.
fn at_constant(function: Function, x: &Rational) -> Option<Rational> {
    let root = |n: &BigInt| (!n.is_negative()).then(|| n.sqrt()).filter(|root| root * root == *n);
    match function {
        Function::Exp => x.is_zero().then(Rational::one),
        Function::Log => x.is_one().then(Rational::zero),
        // The derivative at 0 is infinite, but a constant has none.
        Function::Sqrt => Some(Rational::new(root(x.numer())?, root(x.denom())?)),
        Function::Tanh => x.is_zero().then(Rational::zero),
        Function::Sigmoid => x.is_zero().then(|| Rational::new(1.into(), 2.into())),
    }
}
