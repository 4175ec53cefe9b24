//! Polynomials in one variable over the fractions, and their real roots.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Sub};

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, Zero};

use pemdp::arithmetic::{Field, Rational};

/// `sum_i c[i] x^i` with fractions `c`.
///
/// ```
/// use pemdp::arithmetic::{Field, Rational};
/// use pemdp_optimum::Polynomial;
/// // x^2 - 2
/// let p = Polynomial::from_integers(&[-2, 0, 1]);
/// let roots = p.square_free().positive_roots(40);
/// assert_eq!(roots.len(), 1);
/// assert!((roots[0].low.approximate() - 2f64.sqrt()).abs() < 1e-11);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polynomial {
    /// Ascending, the last one not 0; empty for the polynomial 0.
    coefficients: Vec<Rational>,
}

impl Polynomial {
    /// The polynomial with these coefficients, ascending.
    pub fn new(mut coefficients: Vec<Rational>) -> Self {
        while coefficients.last().is_some_and(Zero::is_zero) {
            coefficients.pop();
        }
        Self { coefficients }
    }

    /// The polynomial with these coefficients, ascending.
    pub fn from_integers(coefficients: &[i64]) -> Self {
        Self::new(coefficients.iter().map(|&c| Rational::from_integer(c.into())).collect())
    }

    /// The polynomial that is constant.
    pub fn constant(c: Rational) -> Self {
        Self::new(vec![c])
    }

    /// The coefficients, ascending; the last one is not 0.
    pub fn coefficients(&self) -> &[Rational] {
        &self.coefficients
    }

    /// The degree; 0 for constants and for the polynomial 0.
    pub fn degree(&self) -> usize {
        self.coefficients.len().saturating_sub(1)
    }

    /// Whether it is the polynomial 0.
    pub fn is_zero(&self) -> bool {
        self.coefficients.is_empty()
    }

    /// The coefficient of `x^i`.
    pub fn coefficient(&self, i: usize) -> Rational {
        self.coefficients.get(i).cloned().unwrap_or_else(Rational::zero)
    }

    /// The value at `x`.
    pub fn at(&self, x: &Rational) -> Rational {
        self.coefficients.iter().rev().fold(Rational::zero(), |sum, c| sum * x + c)
    }

    /// Bounds of the values for `0 <= low <= x <= high`: powers increase there,
    /// so the positive and the negative coefficients are bounded apart.
    pub fn range(&self, low: &Rational, high: &Rational) -> (Rational, Rational) {
        let part = |keep: fn(&Rational) -> bool| {
            let kept = self.coefficients.iter().map(|c| if keep(c) { c.clone() } else { Rational::zero() });
            Self::new(kept.collect())
        };
        let (positive, negative) = (part(Signed::is_positive), part(Signed::is_negative));
        (positive.at(low) + negative.at(high), positive.at(high) + negative.at(low))
    }

    /// The derivative.
    pub fn derivative(&self) -> Self {
        let terms = self.coefficients.iter().enumerate().skip(1);
        Self::new(terms.map(|(i, c)| c * Rational::from_integer(i.into())).collect())
    }

    /// The product with a fraction.
    pub fn scaled(&self, by: &Rational) -> Self {
        Self::new(self.coefficients.iter().map(|c| c * by).collect())
    }

    /// The product with `x^n`.
    pub fn shifted(&self, n: usize) -> Self {
        let zeros = std::iter::repeat_n(Rational::zero(), n);
        Self::new(zeros.chain(self.coefficients.iter().cloned()).collect())
    }

    /// The power `n`.
    pub fn power(&self, n: usize) -> Self {
        (0..n).fold(Self::constant(Rational::one()), |power, _| &power * self)
    }

    /// Quotient and remainder of the division by a polynomial that is not 0.
    pub fn divided(&self, by: &Self) -> (Self, Self) {
        let Some(leading) = by.coefficients.last() else {
            return (Self::new(Vec::new()), self.clone());
        };
        let mut rest = self.coefficients.clone();
        let n = by.coefficients.len();
        let mut quotient = vec![Rational::zero(); (rest.len() + 1).saturating_sub(n)];
        for i in (0..quotient.len()).rev() {
            let factor = &rest[i + n - 1] / leading;
            for (rest, c) in rest[i..].iter_mut().zip(&by.coefficients) {
                *rest -= &factor * c;
            }
            quotient[i] = factor;
        }
        (Self::new(quotient), Self::new(rest))
    }

    /// The greatest common divisor, with leading coefficient 1; 0 for two zeros.
    pub fn gcd(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.primitive(), other.primitive());
        if a.len() < b.len() {
            std::mem::swap(&mut a, &mut b);
        }
        let a = primitive(remainders(a, b).pop().unwrap_or_default());
        let gcd = from_integers(&a);
        match gcd.coefficients.last() {
            Some(leading) => gcd.scaled(&leading.recip()),
            None => gcd,
        }
    }

    /// The polynomial of lowest degree through points with different `x`
    /// (Newton's divided differences).
    pub fn through(points: &[(Rational, Rational)]) -> Self {
        let mut differences: Vec<Rational> = points.iter().map(|(_, y)| y.clone()).collect();
        for order in 1..points.len() {
            for i in (order..points.len()).rev() {
                let change = &differences[i] - &differences[i - 1];
                differences[i] = change / (&points[i].0 - &points[i - order].0);
            }
        }
        differences.iter().zip(points).rev().fold(Self::new(Vec::new()), |sum, (difference, (x, _))| {
            let factor = Self::new(vec![-x, Rational::one()]);
            &(&sum * &factor) + &Self::constant(difference.clone())
        })
    }

    /// The coefficients times a positive number that makes them coprime
    /// integers.
    fn primitive(&self) -> Vec<BigInt> {
        let common = self.coefficients.iter().fold(BigInt::one(), |common, c| common.lcm(c.denom()));
        primitive(self.coefficients.iter().map(|c| c.numer() * (&common / c.denom())).collect())
    }

    /// The product of its different irreducible factors, up to a positive
    /// factor, with its Sturm sequence. Every root is a simple root of it.
    pub fn square_free(&self) -> SquareFree {
        let mut chain = remainders(self.primitive(), self.derivative().primitive());
        // The last element is the greatest common divisor with the derivative;
        // divided by it, the sequence counts the roots of the square-free part.
        if let Some(gcd) = chain.last().filter(|gcd| gcd.len() > 1).map(|gcd| from_integers(gcd)) {
            // Its leading coefficient may be negative, which must change no sign.
            let negative = gcd.coefficients.last().is_some_and(Signed::is_negative);
            let gcd = if negative { gcd.scaled(&-Rational::one()) } else { gcd };
            for element in &mut chain {
                *element = from_integers(element).divided(&gcd).0.primitive();
            }
        }
        SquareFree { chain }
    }
}

impl<'a> Add<&'a Polynomial> for &'a Polynomial {
    type Output = Polynomial;
    fn add(self, other: &Polynomial) -> Polynomial {
        let n = self.coefficients.len().max(other.coefficients.len());
        Polynomial::new((0..n).map(|i| self.coefficient(i) + other.coefficient(i)).collect())
    }
}

impl<'a> Sub<&'a Polynomial> for &'a Polynomial {
    type Output = Polynomial;
    fn sub(self, other: &Polynomial) -> Polynomial {
        let n = self.coefficients.len().max(other.coefficients.len());
        Polynomial::new((0..n).map(|i| self.coefficient(i) - other.coefficient(i)).collect())
    }
}

impl<'a> Mul<&'a Polynomial> for &'a Polynomial {
    type Output = Polynomial;
    fn mul(self, other: &Polynomial) -> Polynomial {
        let mut product = vec![Rational::zero(); self.coefficients.len() + other.coefficients.len()];
        for (i, a) in self.coefficients.iter().enumerate() {
            for (j, b) in other.coefficients.iter().enumerate() {
                product[i + j] += a * b;
            }
        }
        Polynomial::new(product)
    }
}

fn from_integers(coefficients: &[BigInt]) -> Polynomial {
    Polynomial::new(coefficients.iter().cloned().map(Rational::from_integer).collect())
}

/// Integers without trailing zeros, divided by their greatest common divisor.
fn primitive(mut coefficients: Vec<BigInt>) -> Vec<BigInt> {
    while coefficients.last().is_some_and(Zero::is_zero) {
        coefficients.pop();
    }
    let content = coefficients.iter().fold(BigInt::zero(), |content, c| content.gcd(c));
    if !content.is_zero() && !content.is_one() {
        for c in &mut coefficients {
            *c /= &content;
        }
    }
    coefficients
}

/// `lead(b)^(deg a - deg b + 1) a` modulo `b`, for `deg a >= deg b`, `b` not 0.
fn pseudo_remainder(a: &[BigInt], b: &[BigInt]) -> Vec<BigInt> {
    let mut rest = a.to_vec();
    let Some((leading, tail)) = b.split_last() else { return rest };
    while rest.len() >= b.len() {
        let Some(top) = rest.pop() else { break };
        let offset = rest.len() - tail.len();
        for c in &mut rest {
            *c *= leading;
        }
        for (c, b) in rest[offset..].iter_mut().zip(tail) {
            *c -= &top * b;
        }
    }
    while rest.last().is_some_and(Zero::is_zero) {
        rest.pop();
    }
    rest
}

/// `a`, `b` and the negative remainders of each over the next up to positive
/// factors, without zeros: the subresultant sequence, whose divisions are exact
/// (Collins; Brown and Traub), with the signs of Sturm's.
fn remainders(a: Vec<BigInt>, b: Vec<BigInt>) -> Vec<Vec<BigInt>> {
    if b.is_empty() {
        return vec![a];
    }
    // Elements without their signs, and the signs.
    let (mut sequence, mut positive) = (vec![a, b], vec![true, true]);
    let (mut g, mut h) = (BigInt::one(), BigInt::one());
    while let [.., a, b] = sequence.as_slice() {
        let drop = a.len() - b.len();
        let mut rest = pseudo_remainder(a, b);
        let (Some(leading), false) = (b.last(), rest.is_empty()) else { break };
        let divisor = &g * num_traits::pow(h.clone(), drop);
        for c in &mut rest {
            *c /= &divisor;
        }
        // rest is the remainder times lead(b)^(drop + 1) / divisor.
        let flipped = (leading.is_negative() && drop % 2 == 0) != divisor.is_negative();
        positive.push(positive[positive.len() - 2] == flipped);
        g = leading.clone();
        h = match drop {
            0 => h,
            _ => num_traits::pow(g.clone(), drop) / num_traits::pow(h, drop - 1),
        };
        sequence.push(rest);
    }
    let signed = |(p, positive): (Vec<BigInt>, bool)| match positive {
        true => p,
        false => p.into_iter().map(|c| -c).collect(),
    };
    sequence.into_iter().zip(positive).map(signed).collect()
}

/// The sign of a polynomial with integer coefficients at `n/d`, from
/// `sum_i c[i] n^i d^(m-i)`.
fn sign_at(coefficients: &[BigInt], x: &Rational) -> Ordering {
    let (mut sum, mut power) = (BigInt::zero(), BigInt::one());
    for c in coefficients.iter().rev() {
        sum = sum * x.numer() + c * &power;
        power *= x.denom();
    }
    sum.cmp(&BigInt::zero())
}

/// A polynomial all of whose roots are simple, with its Sturm sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SquareFree {
    /// The polynomial, its derivative up to a positive function, and so on;
    /// integer coefficients, ascending.
    chain: Vec<Vec<BigInt>>,
}

/// Where a root is: exactly, or between two fractions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The root where it equals `high`; else less than the root.
    pub low: Rational,
    /// The root where it equals `low`; else greater than the root.
    pub high: Rational,
}

impl Root {
    fn at(x: Rational) -> Self {
        Self { low: x.clone(), high: x }
    }

    /// The root itself, where it is known as a fraction.
    pub fn exact(&self) -> Option<&Rational> {
        (self.low == self.high).then_some(&self.low)
    }
}

impl SquareFree {
    /// The sign at `x`.
    pub fn sign_at(&self, x: &Rational) -> Ordering {
        self.chain.first().map_or(Ordering::Equal, |p| sign_at(p, x))
    }

    fn changes(&self, signs: impl Iterator<Item = Ordering>) -> usize {
        let mut last = Ordering::Equal;
        let mut changes = 0;
        for sign in signs.filter(|sign| sign.is_ne()) {
            changes += usize::from(last == sign.reverse());
            last = sign;
        }
        changes
    }

    fn changes_at(&self, x: &Rational) -> usize {
        self.changes(self.chain.iter().map(|p| sign_at(p, x)))
    }

    fn changes_at_infinity(&self) -> usize {
        let leading = |p: &Vec<BigInt>| p.last().map_or(Ordering::Equal, |c| c.cmp(&BigInt::zero()));
        self.changes(self.chain.iter().map(leading))
    }

    /// The number of roots in `(low, high]`, or above `low` (Sturm).
    pub fn roots_in(&self, low: &Rational, high: Option<&Rational>) -> usize {
        let end = high.map_or_else(|| self.changes_at_infinity(), |high| self.changes_at(high));
        self.changes_at(low).saturating_sub(end)
    }

    /// The positive roots in ascending order, in intervals that do not meet,
    /// each refined to a relative width of `2^-bits`; roots that are fractions
    /// with numbers shorter than that are found exactly.
    pub fn positive_roots(&self, bits: u32) -> Vec<Root> {
        let Some((low, high)) = self.positive_range() else { return Vec::new() };
        let mut roots = Vec::new();
        self.isolate(low, high, &mut roots);
        roots.iter().map(|root| self.refined(root, bits)).collect()
    }

    /// Powers of two strictly between which all positive roots lie (Cauchy's
    /// bound, for the polynomial and for its reverse).
    fn positive_range(&self) -> Option<(Rational, Rational)> {
        let p = self.chain.first()?;
        let p = &p[p.iter().position(|c| !c.is_zero())?..];
        let bound = |leading: &BigInt| {
            // 1 + max |c| / |leading| <= 2^(bits of max - bits of leading + 2)
            let largest = p.iter().map(BigInt::bits).max().unwrap_or(0);
            num_traits::pow(BigInt::from(2), (largest - leading.bits() + 2) as usize)
        };
        let low = Rational::new(BigInt::one(), bound(p.first()?));
        Some((low, Rational::from_integer(bound(p.last()?))))
    }

    /// Appends the roots in `(low, high]`, neither end being a root.
    fn isolate(&self, low: Rational, high: Rational, roots: &mut Vec<Root>) {
        match self.roots_in(&low, Some(&high)) {
            0 => return,
            1 => return roots.push(Root { low, high }),
            _ => {}
        }
        let middle = split(&low, &high);
        if self.sign_at(&middle).is_ne() {
            self.isolate(low, middle.clone(), roots);
            return self.isolate(middle, high, roots);
        }
        // The middle is a root: cut out a neighbourhood without another one.
        let two = Rational::from_integer(2.into());
        let mut radius = (&high - &middle).min(&middle - &low) / &two;
        let (mut left, mut right) = (&middle - &radius, &middle + &radius);
        while self.roots_in(&left, Some(&right)) > 1
            || self.sign_at(&left).is_eq()
            || self.sign_at(&right).is_eq()
        {
            radius /= &two;
            (left, right) = (&middle - &radius, &middle + &radius);
        }
        self.isolate(low, left, roots);
        roots.push(Root::at(middle));
        self.isolate(right, high, roots);
    }

    /// The same root within a relative width of `2^-bits`.
    pub fn refined(&self, root: &Root, bits: u32) -> Root {
        if root.exact().is_some() {
            return root.clone();
        }
        let (mut low, mut high) = (root.low.clone(), root.high.clone());
        let below = self.sign_at(&low);
        let scale = Rational::from_integer(num_traits::pow(BigInt::from(2), bits as usize));
        while (&high - &low) * &scale > low {
            let middle = split(&low, &high);
            match self.sign_at(&middle) {
                Ordering::Equal => return Root::at(middle),
                sign if sign == below => low = middle,
                _ => high = middle,
            }
        }
        // A root that is a short fraction is the simplest one in its interval.
        let candidate = simplest_between(&low, &high);
        if self.sign_at(&candidate).is_eq() { Root::at(candidate) } else { Root { low, high } }
    }
}

/// A short fraction that splits an interval of positive numbers: a power of two
/// near the geometric mean of a long one, the middle of a short one.
fn split(low: &Rational, high: &Rational) -> Rational {
    if high > &(low * Rational::from_integer(4.into())) {
        let size = |x: &Rational| x.numer().bits() as i64 - x.denom().bits() as i64;
        let exponent = (size(low) + size(high)).div_euclid(2);
        let power = Rational::from_integer(2.into()).power(exponent);
        if &power > low && &power < high {
            return power;
        }
    }
    (low + high) / Rational::from_integer(2.into())
}

/// The fraction with the smallest denominator strictly between two fractions,
/// `0 <= low < high`; the smallest of those.
pub fn simplest_between(low: &Rational, high: &Rational) -> Rational {
    let whole = low.floor();
    let next = &whole + Rational::one();
    if &next < high {
        return next;
    }
    // Both lie in [whole, whole + 1]: continue with the reciprocals of what
    // remains, which reverses the order; nothing is above 1/0.
    let (low, high) = (low - &whole, high - &whole);
    let reciprocal = if low.is_zero() {
        high.recip().floor() + Rational::one()
    } else {
        simplest_between(&high.recip(), &low.recip())
    };
    whole + reciprocal.recip()
}

#[cfg(test)]
mod tests;
