//! The response of formulas: their values forwards, their derivatives backwards.
//!
//! Backwards, the cotangent of an expression is the sum over the expressions that use it of
//! their cotangent times their partial derivative (`docs/theory/environments.md`).

use std::cmp::Ordering;
use std::sync::Arc;

use super::Compiled;
use super::graph::Node;
use super::parser::Function;
use crate::arithmetic::{Field, Transcendental};
use crate::distribution::exceeds;
use crate::linear::Rows;
use crate::mdp::Kernel;
use crate::policy::Policy;
use crate::response::{
    Cotangent, Induced, Kink, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError,
    check_shape,
};

/// What an arithmetic may have beside the four operations.
struct Functions<T> {
    exp: fn(&T) -> T,
    ln: fn(&T) -> T,
    sqrt: fn(&T) -> T,
    parameters: fn(&Policy<T>) -> Vec<T>,
}

/// So many expressions at most are looked at to tell corners that are no kinks.
const STEPS: usize = 10_000_000;

/// Where a function is defined, and has a derivative.
#[derive(Clone, Copy)]
enum Domain {
    NotZero,
    /// Of this function.
    PositiveOf(&'static str),
}

/// Formulas in one arithmetic.
pub(super) struct Formulas<T> {
    compiled: Arc<Compiled>,
    /// The constants among the expressions, 0 elsewhere.
    constants: Vec<T>,
    /// None where the arithmetic has only the four operations.
    functions: Option<Functions<T>>,
    /// Rows that are not read, at `s A + a`; empty where all are.
    unused: Vec<bool>,
}

impl<T: Field> Formulas<T> {
    /// Where no formula takes more than the four operations.
    pub fn rational(compiled: Arc<Compiled>, unused: Vec<bool>) -> Self {
        let constant = |node: &Node| match node {
            Node::Constant(q) => T::from_rational(q),
            _ => T::zero(),
        };
        let constants = compiled.graph.nodes.iter().map(constant).collect();
        Self { compiled, constants, functions: None, unused }
    }

    /// With functions.
    pub fn transcendental(compiled: Arc<Compiled>, unused: Vec<bool>) -> Self
    where
        T: Transcendental,
    {
        let functions = Functions { exp: T::exp, ln: T::ln, sqrt: T::sqrt, parameters: Policy::parameters };
        Self { functions: Some(functions), ..Self::rational(compiled, unused) }
    }

    fn functions(&self, expression: usize) -> Result<&Functions<T>, ResponseError> {
        let problem = "is not rational, expected only + - * / and integer powers of pi";
        self.functions.as_ref().ok_or_else(|| self.undefined(expression, problem.to_owned()))
    }

    fn undefined(&self, expression: usize, problem: String) -> ResponseError {
        let place = self.compiled.places[self.compiled.graph.places[expression]].clone();
        ResponseError::Undefined { place, problem }
    }

    /// The value of every expression, and the minima, maxima and absolute values that may be at
    /// their corner.
    fn values(&self, policy: &Policy<T>) -> Result<(Vec<T>, Vec<usize>), ResponseError> {
        let nodes = &self.compiled.graph.nodes;
        let parameters = match nodes.iter().position(|node| matches!(node, Node::Parameter(_))) {
            Some(first) => (self.functions(first)?.parameters)(policy),
            None => Vec::new(),
        };
        let mut values: Vec<T> = Vec::with_capacity(nodes.len());
        let mut corners = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let value = match *node {
                Node::Constant(_) => self.constants[i].clone(),
                Node::Probability(pair) => {
                    policy.probability(pair / policy.n_actions(), pair % policy.n_actions()).clone()
                }
                Node::Parameter(k) => parameters.get(k).cloned().ok_or(ResponseError::Parameters {
                    seen: parameters.len(),
                    expected: k + 1,
                    why: "a formula speaks of them",
                })?,
                Node::Negation(x) => -values[x].clone(),
                Node::Sum(x, y) => values[x].clone() + &values[y],
                Node::Difference(x, y) => values[x].clone() - &values[y],
                Node::Product(x, y) => values[x].clone() * &values[y],
                Node::Quotient(x, y) => {
                    self.decided(i, &values[y], Domain::NotZero)?;
                    values[x].clone() / &values[y]
                }
                Node::Power(x, n) => {
                    if n < 0 {
                        self.decided(i, &values[x], Domain::NotZero)?;
                    }
                    values[x].power(n)
                }
                Node::Call(function, x) => self.call(i, function, &values[x])?,
                Node::Magnitude(x) => match values[x].sign() {
                    Some(Ordering::Greater) => values[x].clone(),
                    Some(Ordering::Less) => -values[x].clone(),
                    _ => {
                        corners.push(i);
                        T::zero().widened(values[x].magnitude())
                    }
                },
                Node::Larger(x, y) | Node::Smaller(x, y) => match self.chosen(node, &values) {
                    Some(chosen) => values[chosen].clone(),
                    None => {
                        corners.push(i);
                        values[x].clone().widened((values[y].clone() - &values[x]).magnitude())
                    }
                },
            };
            values.push(value);
        }
        Ok((values, corners))
    }

    /// Which of two numbers the larger or smaller is; none where that is not decided.
    fn chosen(&self, node: &Node, values: &[T]) -> Option<usize> {
        let (Node::Larger(x, y) | Node::Smaller(x, y)) = *node else { return None };
        let is_first = match (values[x].clone() - &values[y]).sign()? {
            Ordering::Equal => return None,
            Ordering::Greater => matches!(node, Node::Larger(..)),
            Ordering::Less => matches!(node, Node::Smaller(..)),
        };
        Some(if is_first { x } else { y })
    }

    /// Whether the derivative of an expression counts in that of a transition or reward: not
    /// where another operand is chosen, nor as a factor of what is exactly 0, where
    /// `d(x y) = y dx` whatever `y` is but continuous.
    fn counts(&self, values: &[T]) -> Vec<bool> {
        let compiled = &*self.compiled;
        let mut counts = vec![false; values.len()];
        compiled.rows.iter().flatten().for_each(|(_, node)| counts[*node] = true);
        compiled.rewards.iter().for_each(|&node| counts[node] = true);
        for (i, node) in compiled.graph.nodes.iter().enumerate().rev() {
            if !counts[i] {
                continue;
            }
            match (node, self.chosen(node, values)) {
                (_, Some(chosen)) => counts[chosen] = true,
                (Node::Product(x, y), _) => {
                    counts[*x] |= !values[*y].is_zero();
                    counts[*y] |= !values[*x].is_zero();
                }
                _ => node.operands().for_each(|x| counts[x] = true),
            }
        }
        counts
    }

    /// Whether the two sides of a corner have different derivatives. Where they have the same, so
    /// has the minimum or maximum: `max(x,y) = y + max(x-y,0)`, and `x-y` vanishes to first order.
    fn is_kink(&self, corner: usize, values: &[T], shape: (usize, usize)) -> bool {
        let mut bars = vec![T::zero(); corner];
        match self.compiled.graph.nodes[corner] {
            Node::Magnitude(x) => bars[x] = T::one(),
            Node::Larger(x, y) | Node::Smaller(x, y) => {
                bars[x] += T::one();
                bars[y] -= T::one();
            }
            _ => {}
        }
        let (probabilities, parameters) = self.backwards(values, bars, shape);
        probabilities.iter().chain(&parameters).any(|slope| !slope.is_zero())
    }

    /// Whether a number is one of a domain, as far as the digits tell.
    ///
    /// # Errors
    /// [`ResponseError::Undefined`] where it is not, [`ResponseError::Unbounded`] for a divisor
    /// that may be 0. The logarithm or root of a number that may be 0 is known from above.
    fn decided(&self, expression: usize, x: &T, domain: Domain) -> Result<(), ResponseError> {
        let problem = match (x.sign(), domain) {
            (Some(Ordering::Greater), _)
            | (Some(Ordering::Less), Domain::NotZero)
            | (None, Domain::PositiveOf(_)) => return Ok(()),
            (None, Domain::NotZero) => {
                let place = &self.compiled.places[self.compiled.graph.places[expression]];
                let what = format!("{place}: divides by a number that cannot be told from 0 at this policy");
                return Err(ResponseError::Unbounded { what });
            }
            (Some(_), Domain::NotZero) => "divides by 0 at this policy".to_owned(),
            (Some(_), Domain::PositiveOf(what)) => {
                let seen = x.approximate();
                format!("takes the {what} of {seen}, expected that of a positive number, at this policy")
            }
        };
        Err(self.undefined(expression, problem))
    }

    fn call(&self, expression: usize, function: Function, x: &T) -> Result<T, ResponseError> {
        let functions = self.functions(expression)?;
        Ok(match function {
            Function::Exp => (functions.exp)(x),
            Function::Log => {
                self.decided(expression, x, Domain::PositiveOf("logarithm"))?;
                (functions.ln)(x)
            }
            // At 0 it has no derivative.
            Function::Sqrt => {
                self.decided(expression, x, Domain::PositiveOf("square root"))?;
                (functions.sqrt)(x)
            }
            Function::Sigmoid => sigmoid(x, functions.exp),
            Function::Tanh => {
                let twice = sigmoid(&(x.clone() + x), functions.exp);
                twice.clone() + &twice - T::one()
            }
        })
    }

    /// The cotangents of probabilities and parameters, from those of the first expressions.
    fn backwards(&self, values: &[T], mut bars: Vec<T>, shape: (usize, usize)) -> (Vec<T>, Vec<T>) {
        let (mut probabilities, mut parameters) = (vec![T::zero(); shape.0], vec![T::zero(); shape.1]);
        let two = || T::one() + T::one();
        for (i, node) in self.compiled.graph.nodes[..bars.len()].iter().enumerate().rev() {
            if bars[i].is_zero() {
                continue;
            }
            let bar = bars[i].clone();
            match *node {
                Node::Constant(_) => {}
                Node::Probability(pair) => probabilities[pair] += bar,
                Node::Parameter(k) => parameters[k] += bar,
                Node::Negation(x) => bars[x] -= bar,
                Node::Sum(x, y) => {
                    bars[x] += &bar;
                    bars[y] += bar;
                }
                Node::Difference(x, y) => {
                    bars[x] += &bar;
                    bars[y] -= bar;
                }
                Node::Product(x, y) => {
                    bars[x] += bar.clone() * &values[y];
                    bars[y] += bar * &values[x];
                }
                Node::Quotient(x, y) => {
                    let over = bar / &values[y];
                    bars[y] -= over.clone() * &values[i];
                    bars[x] += over;
                }
                Node::Power(x, n) => bars[x] += bar * T::from_integer(n) * values[x].power(n - 1),
                Node::Call(function, x) => {
                    let value = &values[i];
                    bars[x] += match function {
                        Function::Exp => bar * value,
                        Function::Log => bar / &values[x],
                        Function::Sqrt => bar / (two() * value),
                        Function::Tanh => bar * (T::one() - value) * (T::one() + value),
                        Function::Sigmoid => bar * value * (T::one() - value),
                    };
                }
                Node::Magnitude(x) => match values[x].sign() {
                    Some(Ordering::Greater) => bars[x] += bar,
                    Some(Ordering::Less) => bars[x] -= bar,
                    _ => {}
                },
                // At a corner that of the first.
                Node::Larger(x, _) | Node::Smaller(x, _) => {
                    bars[self.chosen(node, values).unwrap_or(x)] += bar;
                }
            }
        }
        (probabilities, parameters)
    }

    /// Refuses rows that are not those of a kernel.
    fn check_rows(&self, values: &[T]) -> Result<(), ResponseError> {
        let compiled = &*self.compiled;
        let refused =
            |problem| ResponseError::Undefined { place: "environment.transitions".to_owned(), problem };
        for (pair, row) in compiled.rows.iter().enumerate() {
            if self.unused.get(pair) == Some(&true) {
                continue;
            }
            let mut sum = T::zero();
            for &(target, node) in row {
                let value = &values[node];
                if !value.magnitude().is_finite() {
                    let what = compiled.transition(pair, Some(target)) + " could not be bounded";
                    return Err(ResponseError::Unbounded { what });
                }
                if value.certainly_negative() && exceeds(value, T::ROW_SUM_TOLERANCE) {
                    let seen = value.approximate();
                    let what = compiled.transition(pair, Some(target));
                    let problem = format!("{what} is {seen} at this policy, expected at least 0");
                    return Err(refused(problem));
                }
                sum += value;
            }
            if exceeds(&(sum.clone() - T::one()), T::ROW_SUM_TOLERANCE) {
                let seen = sum.approximate();
                let what = compiled.transition(pair, None);
                let problem = format!("{what} sums to {seen} at this policy, expected 1");
                return Err(refused(problem));
            }
        }
        Ok(())
    }
}

/// `1/(1 + e^-x)`, without overflow.
fn sigmoid<T: Field>(x: &T, exp: fn(&T) -> T) -> T {
    if x.certainly_positive() {
        return T::one() / (T::one() + exp(&-x.clone()));
    }
    let weight = exp(x);
    weight.clone() / (T::one() + weight)
}

impl<T: Field> Response<T> for Formulas<T> {
    fn n_states(&self) -> usize {
        self.compiled.scope.n_states
    }

    fn n_actions(&self) -> usize {
        self.compiled.scope.n_actions
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let compiled = &*self.compiled;
        let (values, mut corners) = self.values(policy)?;
        let shape = (compiled.rewards.len(), policy.n_parameters());
        let mut steps = 0;
        let counts = self.counts(&values);
        corners.retain(|&i| {
            steps += i;
            counts[i] && (steps > STEPS || self.is_kink(i, &values, shape))
        });
        self.check_rows(&values)?;
        let row = |row: &Vec<(usize, usize)>| -> Vec<(usize, T)> {
            row.iter().map(|&(target, node)| (target, values[node].clone())).collect()
        };
        let rows = Rows::sparse(self.n_states(), compiled.rows.iter().map(row))?;
        let kernel = Kernel::partial(self.n_states(), self.n_actions(), rows, &self.unused)?;
        let rewards = compiled.rewards.iter().map(|&node| values[node].clone()).collect();
        let place = |i: &usize| compiled.places[compiled.graph.places[*i]].clone();
        let kinks = corners.iter().map(|i| Kink::Corner { formula: place(i) }).collect();
        let pullback = FormulasPullback { formulas: self, values, shape };
        Ok(Induced { kernel, rewards, kinks, pullback: Box::new(pullback) })
    }

    fn responds(&self, state: usize) -> Responds {
        let compiled = &*self.compiled;
        let n_actions = self.n_actions();
        let mut pairs = state * n_actions..(state + 1) * n_actions;
        Responds {
            transitions: compiled.rows[pairs.clone()]
                .iter()
                .flatten()
                .any(|&(_, node)| compiled.depends[node]),
            rewards: pairs.any(|pair| compiled.depends[compiled.rewards[pair]]),
        }
    }
}

/// At one policy.
struct FormulasPullback<'a, T> {
    formulas: &'a Formulas<T>,
    values: Vec<T>,
    /// The numbers of probabilities and of parameters.
    shape: (usize, usize),
}

impl<T: Field> FormulasPullback<'_, T> {
    /// From the cotangents of some expressions.
    fn through(&self, bars: Vec<T>) -> PolicyCotangent<T> {
        let compiled = &*self.formulas.compiled;
        let (probabilities, parameters) = self.formulas.backwards(&self.values, bars, self.shape);
        if compiled.parameter.is_some() {
            PolicyCotangent::Both { probabilities, parameters }
        } else {
            PolicyCotangent::Probabilities(probabilities)
        }
    }
}

impl<T: Field> Pullback<T> for FormulasPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let compiled = &*self.formulas.compiled;
        let none = vec![T::zero(); self.values.len()];
        let (mut transitions, mut rewards) = (none.clone(), none);
        for (pair, row) in compiled.rows.iter().enumerate() {
            for &(target, node) in row.iter().filter(|(_, node)| compiled.depends[*node]) {
                transitions[node] += cotangent.transition(pair, target);
            }
        }
        for (&node, bar) in compiled.rewards.iter().zip(cotangent.reward) {
            if compiled.depends[node] {
                rewards[node] += bar;
            }
        }
        PulledBack { transition: self.through(transitions), reward: self.through(rewards) }
    }
}
