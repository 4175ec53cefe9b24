//! Logarithms of fractions without rounding.
//!
//! The logarithms of pairwise coprime integers above 1 are linearly independent
//! over the rationals (a relation would be an equation between two products of
//! different primes), so a number `c_0 + sum_b c_b log b` over such a basis is
//! the vector of its coefficients, and equality is decided entry by entry.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Zero};
use pemdp::arithmetic::Rational;

/// Pairwise coprime integers above 1 of which every given fraction is a product
/// of powers.
pub fn coprime_basis<'a>(fractions: impl Iterator<Item = &'a Rational>) -> Vec<BigInt> {
    let mut pending: Vec<BigInt> = fractions.flat_map(|q| [q.numer().clone(), q.denom().clone()]).collect();
    let mut basis: Vec<BigInt> = Vec::new();
    while let Some(n) = pending.pop() {
        if n.is_one() || n.is_zero() {
            continue;
        }
        match basis.iter().position(|b| !b.gcd(&n).is_one()) {
            None => basis.push(n),
            Some(i) if basis[i] == n => {}
            Some(i) => {
                let b = basis.swap_remove(i);
                let common = b.gcd(&n);
                pending.extend([b / &common, n / &common, common]);
            }
        }
    }
    basis.sort();
    basis
}

/// The exponents of a positive fraction over a coprime basis.
pub fn exponents(q: &Rational, basis: &[BigInt]) -> Vec<i64> {
    let power = |mut n: BigInt, b: &BigInt| {
        let mut power = 0;
        while (&n % b).is_zero() {
            n /= b;
            power += 1;
        }
        power
    };
    basis.iter().map(|b| power(q.numer().clone(), b) - power(q.denom().clone(), b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pemdp::arithmetic::{Field, ratio};

    #[test]
    fn fractions_are_products_of_the_basis() {
        let fractions = [(12, 35), (18, 7), (1, 5), (4, 9), (1, 1)].map(|(n, d)| ratio(n, d));
        let basis = coprime_basis(fractions.iter());
        for (i, b) in basis.iter().enumerate() {
            assert!(basis[..i].iter().all(|c| b.gcd(c).is_one()), "{basis:?}");
        }
        for q in &fractions {
            let product = basis.iter().zip(exponents(q, &basis)).fold(Rational::one(), |product, (b, e)| {
                product * Rational::from_integer(b.clone()).power(e)
            });
            assert_eq!(&product, q);
        }
    }
}
