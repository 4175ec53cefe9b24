//! Linear and quadratic functions of the coordinates.

use std::collections::BTreeMap;

use num_traits::{One, Zero};

use pemdp::arithmetic::{Field, Interval, Rational};

/// `constant + sum slope x` over free coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    pub(super) constant: Interval,
    pub(super) slopes: Vec<(usize, Interval)>,
}

impl Linear {
    pub(super) fn at(&self, x: &[f64]) -> Interval {
        self.slopes.iter().fold(self.constant, |sum, &(k, m)| sum + m * Interval::point(x[k]))
    }
}

/// A linear function of the coordinates in fractions.
#[derive(Clone, PartialEq)]
pub(super) struct Exact {
    pub(super) constant: Rational,
    pub(super) slopes: BTreeMap<usize, Rational>,
}

impl Exact {
    pub(super) fn constant(c: &Rational) -> Self {
        Self { constant: c.clone(), slopes: BTreeMap::new() }
    }

    /// Adds `m pi(a|s)` for `i = s A + a`; the last action has what the others leave.
    pub(super) fn add(&mut self, i: usize, m: &Rational, n_actions: usize) {
        let last = i - i % n_actions + n_actions - 1;
        if i < last {
            *self.slopes.entry(i).or_insert_with(Rational::zero) += m;
        } else {
            self.constant += m;
            for k in last + 1 - n_actions..last {
                *self.slopes.entry(k).or_insert_with(Rational::zero) -= m;
            }
        }
    }

    pub(super) fn lifted(&self, free: &[usize]) -> Linear {
        let place =
            |(i, m): (&usize, &Rational)| Some((free.binary_search(i).ok()?, Interval::from_rational(m)));
        Linear {
            constant: Interval::from_rational(&self.constant),
            slopes: self.slopes.iter().filter_map(place).collect(),
        }
    }
}

/// A polynomial of degree 2; `quadratic[i n + j]` for `i <= j`.
#[derive(Debug, Clone)]
pub(super) struct Quadratic {
    pub(super) constant: Interval,
    pub(super) linear: Vec<Interval>,
    pub(super) quadratic: Vec<Interval>,
}

impl Quadratic {
    pub(super) fn add(&mut self, other: &Self, factor: Interval) {
        self.constant += other.constant * factor;
        let others = other.linear.iter().chain(&other.quadratic);
        for (c, other) in self.linear.iter_mut().chain(&mut self.quadratic).zip(others) {
            *c += *other * factor;
        }
    }

    pub(super) fn minus(mut self, other: &Self) -> Self {
        self.add(other, -Interval::one());
        self
    }
}
