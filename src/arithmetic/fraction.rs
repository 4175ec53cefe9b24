//! Exact fractions while formulas are evaluated: the long denominators that
//! solutions of linear systems share stay apart, uncancelled.

use std::cmp::Ordering;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::{One, Pow, Zero};

use super::rational::{cancelled, common_denominator, divisor};
use super::{Field, Rational, operators};
use crate::linear::PadicInverse;

/// `plain / product of the shared parts`.
///
/// The entries of `V` and of `d` have one long denominator each, and every
/// number that is computed from them has it too. To cancel at each operation,
/// as [`Rational`] does, would take a greatest common divisor of long numbers
/// every time, most of them 1. Here these denominators are only counted, and
/// [`Fraction::reduced`] cancels once for each number of the answer. Numbers
/// without shared parts are always in lowest terms.
#[derive(Debug, Clone)]
pub(crate) struct Fraction {
    plain: Rational,
    /// Equal pointers are equal numbers, and may be repeated.
    shared: Vec<Arc<BigInt>>,
}

/// Denominators of at most so many bits are not worth sharing.
const SHORT: u64 = 128;

impl From<Rational> for Fraction {
    fn from(plain: Rational) -> Self {
        Self { plain, shared: Vec::new() }
    }
}

impl Fraction {
    /// `numerators / product of the denominators`, which are positive.
    pub(crate) fn sharing(numerators: Vec<BigInt>, denominators: [BigInt; 2]) -> Vec<Self> {
        let (mut short, mut shared) = (BigInt::one(), Vec::new());
        for denominator in denominators {
            match denominator.bits() <= SHORT {
                true => short *= denominator,
                false => shared.push(Arc::new(denominator)),
            }
        }
        let share = |n: BigInt| match n.is_zero() {
            true => Self::zero(),
            false => Self { plain: cancelled(n, short.clone()), shared: shared.clone() },
        };
        numerators.into_iter().map(share).collect()
    }

    /// The fraction in lowest terms.
    ///
    /// For the denominator `a b` the divisor is `g = gcd(n, a)` times
    /// `gcd(n/g, b)`: if a prime divides `n`, `a` and `b` to the powers `i`, `j`
    /// and `k`, these have it to the powers `min(i, j)` and
    /// `min(i - min(i, j), k)`, together `min(i, j + k)`.
    pub(crate) fn reduced(&self) -> Rational {
        if self.shared.is_empty() {
            return self.plain.clone();
        }
        let (mut numerator, mut denominator) =
            cancelled(self.plain.numer().clone(), self.plain.denom().clone()).into_raw();
        for part in &self.shared {
            let (rest, left) = cancelled(numerator, (**part).clone()).into_raw();
            numerator = rest;
            denominator *= left;
        }
        Rational::new_raw(numerator, denominator)
    }

    fn is_plain(&self) -> bool {
        self.shared.is_empty()
    }

    /// `self + other` or `self - other`.
    fn sum(&self, other: &Self, negated: bool) -> Self {
        if other.is_zero() {
            return self.clone();
        }
        if self.is_zero() {
            return if negated { -other.clone() } else { other.clone() };
        }
        let (left, a) = (self.plain.numer(), self.plain.denom());
        let (right, b) = (other.plain.numer(), other.plain.denom());
        let right = if negated { -right } else { right.clone() };
        if self.is_plain() && other.is_plain() {
            return plain_sum(left.clone(), a, right, b).into();
        }
        let mut shared = self.shared.clone();
        let (mut left, mut right) = (left.clone(), right);
        for part in missing(&other.shared, &self.shared) {
            left *= &**part;
            shared.push(part.clone());
        }
        for part in missing(&self.shared, &other.shared) {
            right *= &**part;
        }
        let (numerator, denominator) = if a == b {
            (left + right, a.clone())
        } else {
            let common = divisor(a, b);
            let (a, rest) = (a / &common, b / &common);
            (left * rest + right * &a, a * b)
        };
        if numerator.is_zero() {
            return Self::zero();
        }
        Self { plain: Rational::new_raw(numerator, denominator), shared }
    }

    fn plus(&self, other: &Self) -> Self {
        self.sum(other, false)
    }

    fn minus(&self, other: &Self) -> Self {
        self.sum(other, true)
    }

    fn times(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return Self::zero();
        }
        let (n, a) = (self.plain.numer(), self.plain.denom());
        let (m, b) = (other.plain.numer(), other.plain.denom());
        if self.is_plain() && other.is_plain() {
            // Each numerator has divisors in common with the other denominator only.
            let (n, b) = cancelled(n.clone(), b.clone()).into_raw();
            let (m, a) = cancelled(m.clone(), a.clone()).into_raw();
            return Rational::new_raw(n * m, a * b).into();
        }
        let shared = self.shared.iter().chain(&other.shared).cloned().collect();
        Self { plain: Rational::new_raw(n * m, a * b), shared }
    }

    fn over(&self, other: &Self) -> Self {
        self.times(&Self::from(other.reduced().recip()))
    }
}

/// `left/a + right/b` of fractions in lowest terms, in lowest terms.
fn plain_sum(left: BigInt, a: &BigInt, right: BigInt, b: &BigInt) -> Rational {
    if a == b {
        return cancelled(left + right, a.clone());
    }
    let common = divisor(a, b);
    if common.is_one() {
        return Rational::new_raw(left * b + right * a, a * b);
    }
    // A divisor of `a` alone or of `b` alone divides one of the two terms only.
    let (a, b) = (a / &common, b / &common);
    let (sum, common) = cancelled(left * &b + right * &a, common).into_raw();
    Rational::new_raw(sum, a * b * common)
}

/// The parts that `of` has and `from` has not.
fn missing<'a>(of: &'a [Arc<BigInt>], from: &[Arc<BigInt>]) -> Vec<&'a Arc<BigInt>> {
    let mut left: Vec<&Arc<BigInt>> = from.iter().collect();
    let mut missing = Vec::new();
    for part in of {
        match left.iter().position(|other| Arc::ptr_eq(part, other)) {
            Some(at) => drop(left.swap_remove(at)),
            None => missing.push(part),
        }
    }
    missing
}

operators!(Fraction);

impl std::ops::Neg for Fraction {
    type Output = Self;
    fn neg(self) -> Self {
        Self { plain: -self.plain, shared: self.shared }
    }
}

impl Zero for Fraction {
    fn zero() -> Self {
        Rational::zero().into()
    }
    fn is_zero(&self) -> bool {
        self.plain.is_zero()
    }
}

impl One for Fraction {
    fn one() -> Self {
        Rational::one().into()
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.minus(other).is_zero()
    }
}

impl Field for Fraction {
    const ROW_SUM_TOLERANCE: f64 = Rational::ROW_SUM_TOLERANCE;
    const UNKNOWN_ERROR: f64 = Rational::UNKNOWN_ERROR;
    type Factorisation = PadicInverse;

    fn from_f64(x: f64) -> Self {
        Rational::from_f64(x).into()
    }

    fn from_rational(q: &Rational) -> Self {
        q.clone().into()
    }

    fn approximate(&self) -> f64 {
        self.reduced().approximate()
    }

    fn sign(&self) -> Option<Ordering> {
        self.plain.sign()
    }

    fn widened(self, _slack: f64) -> Self {
        self
    }

    fn magnitude(&self) -> f64 {
        self.reduced().magnitude()
    }

    fn sum_of_products<'a>(pairs: impl Iterator<Item = (&'a Self, &'a Self)>) -> Self {
        let mut terms = Vec::new();
        let mut shared: Vec<Arc<BigInt>> = Vec::new();
        for (x, y) in pairs.filter(|(x, y)| !x.is_zero() && !y.is_zero()) {
            let parts: Vec<Arc<BigInt>> = x.shared.iter().chain(&y.shared).cloned().collect();
            shared.extend(missing(&parts, &shared).into_iter().cloned().collect::<Vec<_>>());
            let (x, y) = (&x.plain, &y.plain);
            terms.push((x.numer() * y.numer(), x.denom() * y.denom(), parts));
        }
        let common = common_denominator(terms.iter().map(|(_, denominator, _)| denominator));
        let mut sum = BigInt::zero();
        for (mut term, denominator, parts) in terms {
            if denominator != common {
                term *= &common / denominator;
            }
            for part in missing(&shared, &parts) {
                term *= &**part;
            }
            sum += term;
        }
        if sum.is_zero() {
            return Self::zero();
        }
        if shared.is_empty() {
            return cancelled(sum, common).into();
        }
        Self { plain: Rational::new_raw(sum, common), shared }
    }

    fn power(&self, exponent: i64) -> Self {
        let base = self.reduced();
        let base = if exponent < 0 { base.recip() } else { base };
        let (numerator, denominator) = base.into_raw();
        let exponent = exponent.unsigned_abs();
        Rational::new_raw(numerator.pow(exponent), denominator.pow(exponent)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Reading};
    use proptest::prelude::*;

    /// A number over some of the denominators, which have factors in common, and
    /// the same as a plain fraction.
    fn numbers(shared: Vec<Arc<BigInt>>) -> impl Strategy<Value = (Fraction, Rational)> {
        let parts = prop::collection::vec(0..shared.len(), 0..3);
        (-1000_i64..1000, 1_i64..50, parts).prop_map(move |(n, d, parts)| {
            let shared: Vec<Arc<BigInt>> = parts.iter().map(|&i| shared[i].clone()).collect();
            let plain = Rational::new(n.into(), d.into());
            let value = shared.iter().fold(plain.clone(), |value, part| value / &**part);
            (if n == 0 { Fraction::zero() } else { Fraction { plain, shared } }, value)
        })
    }

    fn parts() -> Vec<Arc<BigInt>> {
        // The last two are equal and not the same.
        [720, 1_000_003 * 36, 2 * 3 * 5 * 7 * 11, 1 << 40, 1 << 40].map(|n: i64| Arc::new(n.into())).to_vec()
    }

    fn is_reduced(x: &Fraction, expected: &Rational) -> bool {
        let reduced = x.reduced();
        reduced.numer() == expected.numer() && reduced.denom() == expected.denom()
    }

    proptest! {
        #[test]
        fn operations_are_those_of_fractions(
            terms in Just(parts()).prop_flat_map(|shared| prop::collection::vec(numbers(shared), 2..7)),
            exponent in -4_i64..5,
        ) {
            let ((x, p), (y, q)) = (&terms[0], &terms[1]);
            prop_assert!(is_reduced(x, p) && is_reduced(y, q));
            prop_assert!(is_reduced(&(x.clone() + y), &(p + q)));
            prop_assert!(is_reduced(&(x.clone() - y), &(p - q)));
            prop_assert!(is_reduced(&(x.clone() * y), &(p * q)));
            prop_assert!(is_reduced(&-x.clone(), &-p));
            prop_assert_eq!(x == y, p == q);
            prop_assert_eq!(x.sign(), p.sign());
            prop_assert_eq!(x.approximate(), p.approximate());
            if !q.is_zero() {
                prop_assert!(is_reduced(&(x.clone() / y), &(p / q)));
                prop_assert!(is_reduced(&y.power(exponent), &q.power(exponent)));
            }
            let sum = Fraction::sum_of_products(terms.iter().map(|(x, _)| (x, y)));
            let expected = terms.iter().fold(Rational::zero(), |sum, (_, p)| sum + p * q);
            prop_assert!(is_reduced(&sum, &expected));
            prop_assert!(is_reduced(&(sum.clone() - &sum), &Rational::zero()));
        }
    }

    #[test]
    fn denominators_are_shared_from_a_certain_length_on() {
        let numerators = vec![BigInt::from(6), BigInt::zero(), BigInt::from(-9)];
        let long: BigInt = BigInt::from(3) << 200u32;
        let fractions = Fraction::sharing(numerators.clone(), [long.clone(), 12.into()]);
        for (fraction, numerator) in fractions.iter().zip(numerators) {
            assert_eq!(fraction.is_plain(), numerator.is_zero());
            assert!(is_reduced(fraction, &Rational::new(numerator, long.clone() * 12)));
        }
        assert!(Arc::ptr_eq(&fractions[0].shared[0], &fractions[2].shared[0]));
    }

    #[test]
    fn answers_are_those_of_plain_fractions() {
        let problem = Problem::from_json(
            r#"{"format": "pemdp-problem/1", "gamma": "2/3", "initial": ["1e-60", 0.25, "0.749999999999999999999999999999999999999999999999999999999999"],
                "policy": {"kind": "weights", "values": [["1/7", 3e40], ["12345678901234567890123", 5], [1, "1e-30"]]},
                "environment": {"kind": "exponential-family", "psi": [3, -2, 0],
                    "base_weights": [[[1, "1e-50", 0], [2, 1, 1]], [[0, 0, 1], ["1/3", 1, 7]], [[5, 1, 1], [1, "98765432109876543210", 2]]],
                    "reward": {"base": [[1, "-1e-45"], ["22/7", 0], ["1e30", 4]], "slope": 0, "clip": null}}}"#,
            Reading::Exact,
        )
        .unwrap();
        let (model, policy) = problem.rational_model().unwrap();
        let performance = model.perform(&policy).unwrap();
        let answer = problem.exact_answer().unwrap();
        assert_eq!(answer.value, performance.evaluation.value.to_string());
        let total = performance.gradient.total();
        let gradient: Vec<_> = total.iter().map(|x| x.as_ref().map(Rational::to_string)).collect();
        assert_eq!(answer.gradient, gradient);
        let transition: Vec<_> = performance.gradient.transition.iter().map(Rational::to_string).collect();
        assert_eq!(answer.gradient_terms.transition, transition);
    }

    #[test]
    fn powers_sizes_and_equality_are_those_of_fractions() {
        let third = Fraction::from(Rational::new(1.into(), 3.into()));
        assert!(third == third.clone() && third != Fraction::one());
        assert!(Fraction::zero().power(0) == Fraction::one());
        assert!(third.power(-2) == Fraction::from(Rational::from_integer(9.into())));
        assert!(third.magnitude() >= 1.0 / 3.0 && third.magnitude() < 0.334);
        let long = |n: i64| BigInt::from(n).pow(40u32);
        let shared = Fraction::sharing(vec![long(3)], [long(10), long(7)]).remove(0);
        assert_eq!((shared.shared.len(), shared.plain.denom().is_one()), (1, false));
        assert!((Fraction::zero() * &shared).is_zero() && (shared * Fraction::zero()).shared.is_empty());
    }
}
