//! Exact rationals: the solution modulo a prime, lifted to a fraction.
//!
//! Dixon's method: with `C` the inverse of an integer matrix `M` modulo a prime
//! `p`, the digits `x_i = C r_i mod p`, `r_{i+1} = (r_i - M x_i)/p` are those of
//! the `p`-adic expansion of the solution; enough of them determine its
//! fractions. Every solution is checked by multiplication before it is
//! returned, so the result does not rest on a bound for "enough".

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::{Factorisation, Resolvent, SolveError};
use crate::arithmetic::Rational;

/// Primes just below powers of two; a matrix that is singular modulo one is
/// tried with the next.
const PRIMES: [u64; 4] = [(1 << 61) - 1, (1 << 62) - 57, (1 << 60) - 93, (1 << 59) - 55];

/// The inverse of `I - gamma P` modulo a prime, and the matrix itself.
pub struct PadicInverse {
    prime: u64,
    /// `inverse[i n + j]`, modulo the prime.
    inverse: Vec<u64>,
    /// The nonzero entries of each row of `diag(scale) (I - gamma P)`, integers.
    rows: Vec<Vec<(usize, BigInt)>>,
    /// The same by columns.
    columns: Vec<Vec<(usize, BigInt)>>,
    /// The least common denominator of each row.
    scale: Vec<BigInt>,
}

impl Factorisation<Rational> for PadicInverse {
    fn new(resolvent: Resolvent<Rational>) -> Result<Self, SolveError> {
        let n = resolvent.n_states();
        let mut scale = Vec::with_capacity(n);
        let mut rows = Vec::with_capacity(n);
        let mut columns = vec![Vec::new(); n];
        for s in 0..n {
            let mut row = vec![Rational::zero(); n];
            row[s] = Rational::one();
            for (t, p) in resolvent.chain().row(s) {
                row[t] -= p * resolvent.gamma();
            }
            let denominator = row.iter().fold(BigInt::one(), |lcm, x| lcm.lcm(x.denom()));
            let mut integers = Vec::new();
            for (t, entry) in row.into_iter().enumerate().filter(|(_, entry)| !entry.is_zero()) {
                let integer = entry.numer() * (&denominator / entry.denom());
                columns[t].push((s, integer.clone()));
                integers.push((t, integer));
            }
            rows.push(integers);
            scale.push(denominator);
        }
        for prime in PRIMES {
            if let Some(inverse) = inverse_modulo(&rows, prime) {
                return Ok(Self { prime, inverse, rows, columns, scale });
            }
        }
        Err(SolveError::Singular { states: n })
    }

    fn solve(&self, b: &[Rational]) -> Vec<Rational> {
        // A x = b is M x = scale b.
        let scaled: Vec<Rational> =
            b.iter().zip(&self.scale).map(|(b, scale)| b * Rational::from_integer(scale.clone())).collect();
        let n = b.len();
        self.lift(&scaled, &self.rows, |i, j| self.inverse[i * n + j])
    }

    fn solve_transposed(&self, b: &[Rational]) -> Vec<Rational> {
        // A^T x = b is M^T y = b with x = scale y.
        let n = b.len();
        let y = self.lift(b, &self.columns, |i, j| self.inverse[j * n + i]);
        y.into_iter().zip(&self.scale).map(|(y, scale)| y * Rational::from_integer(scale.clone())).collect()
    }
}

impl PadicInverse {
    /// The solution of `M x = b` for the integer matrix with these rows, whose
    /// inverse modulo the prime is given.
    fn lift(
        &self,
        b: &[Rational],
        rows: &[Vec<(usize, BigInt)>],
        inverse: impl Fn(usize, usize) -> u64,
    ) -> Vec<Rational> {
        let n = b.len();
        let prime = BigInt::from(self.prime);
        let denominator = b.iter().fold(BigInt::one(), |lcm, x| lcm.lcm(x.denom()));
        let right: Vec<BigInt> = b.iter().map(|x| x.numer() * (&denominator / x.denom())).collect();
        let mut rest = right.clone();
        let mut solution = vec![BigInt::zero(); n];
        let mut modulus = BigInt::one();
        let (mut digits, mut next_try) = (0usize, 2usize);
        loop {
            let residues: Vec<u64> = rest.iter().map(|r| residue(r, self.prime)).collect();
            let digit: Vec<u64> = (0..n)
                .map(|i| {
                    let products = (0..n).map(|j| {
                        u128::from(inverse(i, j)) * u128::from(residues[j]) % u128::from(self.prime)
                    });
                    (products.sum::<u128>() % u128::from(self.prime)) as u64
                })
                .collect();
            for (i, rest) in rest.iter_mut().enumerate() {
                for (j, entry) in &rows[i] {
                    *rest -= entry * digit[*j];
                }
                *rest /= &prime; // exact: that is what the digit was chosen for
            }
            for (x, digit) in solution.iter_mut().zip(&digit) {
                *x += &modulus * *digit;
            }
            modulus *= &prime;
            digits += 1;
            if digits == next_try {
                next_try += next_try.div_ceil(2);
                if let Some((numerators, common)) = reconstruct(&solution, &modulus) {
                    let holds = rows.iter().zip(&right).all(|(row, right)| {
                        let product: BigInt = row.iter().map(|(j, entry)| entry * &numerators[*j]).sum();
                        product == right * &common
                    });
                    if holds {
                        let common = common * &denominator;
                        return numerators.into_iter().map(|x| Rational::new(x, common.clone())).collect();
                    }
                }
            }
        }
    }
}

/// `x` modulo a prime, in `0..prime`.
fn residue(x: &BigInt, prime: u64) -> u64 {
    let magnitude = (x.magnitude() % prime).to_u64().unwrap_or(0);
    if x.sign() == Sign::Minus && magnitude != 0 { prime - magnitude } else { magnitude }
}

/// Fractions `numerators / common` that are congruent to `residues` and small
/// against the modulus; `None` where there are none yet.
fn reconstruct(residues: &[BigInt], modulus: &BigInt) -> Option<(Vec<BigInt>, BigInt)> {
    let bound = (modulus / 2u32).sqrt();
    let mut common = BigInt::one();
    let mut numerators: Vec<BigInt> = Vec::with_capacity(residues.len());
    for residue in residues {
        let scaled = (residue * &common).mod_floor(modulus);
        let (numerator, denominator) = small_fraction(&scaled, modulus, &bound)?;
        if !denominator.is_one() {
            common *= &denominator;
            if common > bound {
                return None;
            }
            for earlier in &mut numerators {
                *earlier *= &denominator;
            }
        }
        numerators.push(numerator);
    }
    Some((numerators, common))
}

/// `n / d` congruent to `residue` with `|n|` and `d` at most `bound` (Wang).
fn small_fraction(residue: &BigInt, modulus: &BigInt, bound: &BigInt) -> Option<(BigInt, BigInt)> {
    let negative = residue - modulus;
    if residue <= bound {
        return Some((residue.clone(), BigInt::one()));
    }
    if negative.magnitude() <= bound.magnitude() {
        return Some((negative, BigInt::one()));
    }
    let (mut old, mut new) = (modulus.clone(), residue.clone());
    let (mut old_factor, mut factor) = (BigInt::zero(), BigInt::one());
    while &new > bound {
        let (quotient, rest) = old.div_rem(&new);
        (old, new) = (new, rest);
        let next = old_factor - quotient * &factor;
        (old_factor, factor) = (factor, next);
    }
    if factor.is_zero() || factor.magnitude() > bound.magnitude() {
        return None;
    }
    if factor.is_negative() { Some((-new, -factor)) } else { Some((new, factor)) }
}

/// The inverse of an integer matrix modulo a prime (Gauss-Jordan).
fn inverse_modulo(rows: &[Vec<(usize, BigInt)>], prime: u64) -> Option<Vec<u64>> {
    let n = rows.len();
    let p = u128::from(prime);
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % p) as u64;
    let minus = |a: u64, b: u64| if a >= b { a - b } else { a + prime - b };
    let mut work = vec![vec![0u64; 2 * n]; n];
    for (i, row) in rows.iter().enumerate() {
        for (j, entry) in row {
            work[i][*j] = residue(entry, prime);
        }
        work[i][n + i] = 1;
    }
    for k in 0..n {
        let pivot = (k..n).find(|&i| work[i][k] != 0)?;
        work.swap(k, pivot);
        let inverse = power(work[k][k], prime - 2, prime);
        for x in &mut work[k] {
            *x = times(*x, inverse);
        }
        let pivot_row = work[k].clone();
        for (i, row) in work.iter_mut().enumerate() {
            let factor = row[k];
            if i == k || factor == 0 {
                continue;
            }
            for (x, pivot) in row.iter_mut().zip(&pivot_row) {
                *x = minus(*x, times(factor, *pivot));
            }
        }
    }
    Some(work.into_iter().flat_map(|row| row.into_iter().skip(n)).collect())
}

/// `base^exponent` modulo a prime.
fn power(base: u64, exponent: u64, prime: u64) -> u64 {
    let p = u128::from(prime);
    let (mut result, mut square, mut left) = (1u128, u128::from(base), exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result * square % p;
        }
        square = square * square % p;
        left >>= 1;
    }
    result as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Rows;

    fn fraction(n: i64, d: i64) -> Rational {
        Rational::new(n.into(), d.into())
    }

    #[test]
    fn solutions_satisfy_their_systems_exactly() {
        for n in 1..12usize {
            let weight = |s: usize, t: usize| ((s * 7 + t * 5 + s * t) % 11) as i64;
            let chain: Vec<Rational> = (0..n * n)
                .map(|i| {
                    let total: i64 = (0..n).map(|t| weight(i / n, t)).sum::<i64>() + 1;
                    fraction(weight(i / n, i % n) + i64::from(i % n == 0), total)
                })
                .collect();
            let resolvent = Resolvent::new(Rows::dense(n, chain).unwrap(), fraction(97, 100)).unwrap();
            let b: Vec<Rational> = (0..n).map(|i| fraction(i as i64 * 3 - 4, 7 + i as i64)).collect();
            let inverse = PadicInverse::new(resolvent.clone()).unwrap();
            assert_eq!(resolvent.apply(&inverse.solve(&b)), b);
            assert_eq!(resolvent.apply_transposed(&inverse.solve_transposed(&b)), b);
        }
    }

    #[test]
    fn a_matrix_singular_modulo_the_first_prime_is_solved_with_the_next() {
        // 1 - gamma = p / 2^61 for the first prime p.
        let gamma = Rational::new(1.into(), BigInt::one() << 61);
        let resolvent = Resolvent::new(Rows::dense(1, vec![Rational::one()]).unwrap(), gamma).unwrap();
        let inverse = PadicInverse::new(resolvent).unwrap();
        assert_eq!(inverse.prime, PRIMES[1]);
        assert_eq!(
            inverse.solve(&[Rational::one()])[0],
            Rational::new(BigInt::one() << 61, PRIMES[0].into())
        );
    }

    #[test]
    fn fractions_come_back_from_their_residues() {
        let modulus = BigInt::from(PRIMES[0]) * BigInt::from(PRIMES[0]);
        let bound = (&modulus / 2u32).sqrt();
        for (n, d) in [(22i64, 7u64), (-355, 113), (0, 1), (5, 1), (-5, 1)] {
            let inverse = power(d, PRIMES[0] - 2, PRIMES[0]);
            let single = BigInt::from(PRIMES[0]);
            let residue = (BigInt::from(n) * inverse).mod_floor(&single);
            let found = small_fraction(&residue, &single, &(&single / 2u32).sqrt());
            assert_eq!(found, Some((n.into(), d.into())), "{n}/{d} with bound {bound}");
        }
    }
}
