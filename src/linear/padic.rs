//! Exact rationals: the solution modulo a prime, lifted to a fraction.
//!
//! Dixon's method: with `C` the inverse of an integer matrix `M` modulo a prime
//! `p`, the digits `x_i = C r_i mod p`, `r_{i+1} = (r_i - M x_i)/p` are those of
//! the `p`-adic expansion of the solution; enough of them determine its
//! fractions. Every solution is checked by multiplication before it is
//! returned, so the result does not rest on a bound for "enough".
//!
//! A [`Resolvent`] is invertible, so its determinant has finitely many prime
//! divisors and some prime serves. The remainders are integers in two's
//! complement with a fixed number of places, so that the division by `p`, which
//! is exact, is a multiplication by its inverse modulo `2^64`, place by place.
//! Method, sizes and cost: `docs/theory/exact.md`.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Signed, Zero};

use super::{Factorisation, Resolvent, SolveError};
use crate::arithmetic::euclid::small_fraction;
use crate::arithmetic::rational::{cancelled, common_denominator, divisor};
use crate::arithmetic::{Field, Fraction, Rational};

/// The largest prime below `2^59`: the sum of a thousand products of residues,
/// and of 16 products of a residue and a place, fits into 128 bits.
const LARGEST_PRIME: u64 = (1 << 59) - 55;

/// The inverse of `I - gamma P` modulo a prime, and the matrix itself.
pub struct PadicInverse {
    prime: u64,
    /// `inverse[i n + j]`, modulo the prime.
    inverse: Vec<u64>,
    /// `diag(scale) (I - gamma P)`.
    matrix: IntegerMatrix,
    /// For each row the least number that makes it integers.
    scale: Vec<BigInt>,
}

/// The nonzero entries of an integer matrix.
struct IntegerMatrix {
    entries: Vec<Entry>,
    /// For each row its columns, each with the place of the entry.
    rows: Vec<Vec<(usize, usize)>>,
    /// For each column its rows, likewise.
    columns: Vec<Vec<(usize, usize)>>,
}

struct Entry {
    value: BigInt,
    /// The places of its absolute value, least first.
    places: Vec<u64>,
}

impl IntegerMatrix {
    fn new(rows: Vec<Vec<(usize, BigInt)>>) -> Self {
        let mut entries = Vec::new();
        let mut columns = vec![Vec::new(); rows.len()];
        let rows = rows.into_iter().enumerate().map(|(i, row)| {
            let place = |(j, value): (usize, BigInt)| {
                columns[j].push((i, entries.len()));
                entries.push(Entry { places: value.magnitude().to_u64_digits(), value });
                (j, entries.len() - 1)
            };
            row.into_iter().map(place).collect()
        });
        let rows = rows.collect();
        Self { entries, rows, columns }
    }

    /// The rows of the matrix, or those of its transpose.
    fn lines(&self, transposed: bool) -> &[Vec<(usize, usize)>] {
        if transposed { &self.columns } else { &self.rows }
    }

    /// Bits of the entries of the diagonal, none of which is 0 in a matrix that
    /// is dominated by it.
    fn diagonal_bits(&self) -> impl Iterator<Item = u64> {
        let bits = |(i, row): (usize, &Vec<(usize, usize)>)| {
            row.iter().find(|(j, _)| *j == i).map_or(0, |&(_, at)| self.entries[at].value.bits())
        };
        self.rows.iter().enumerate().map(bits)
    }
}

/// Solutions `numerators[i] / (common denominator)` of an integer system, where
/// `denominator` made the right side integers.
struct Solution {
    numerators: Vec<BigInt>,
    common: BigInt,
    denominator: BigInt,
}

impl Factorisation<Rational> for PadicInverse {
    fn new(resolvent: Resolvent<Rational>) -> Result<Self, SolveError> {
        Self::of(&resolvent, |p| p.clone())
    }

    fn solve(&self, b: &[Rational]) -> Vec<Rational> {
        self.values(b).fractions()
    }

    fn solve_transposed(&self, b: &[Rational]) -> Vec<Rational> {
        self.occupancies(b).fractions()
    }
}

impl Factorisation<Fraction> for PadicInverse {
    fn new(resolvent: Resolvent<Fraction>) -> Result<Self, SolveError> {
        Self::of(&resolvent, Fraction::reduced)
    }

    fn solve(&self, b: &[Fraction]) -> Vec<Fraction> {
        self.values(&b.iter().map(Fraction::reduced).collect::<Vec<_>>()).shared()
    }

    fn solve_transposed(&self, b: &[Fraction]) -> Vec<Fraction> {
        self.occupancies(&b.iter().map(Fraction::reduced).collect::<Vec<_>>()).shared()
    }
}

impl Solution {
    fn fractions(self) -> Vec<Rational> {
        let denominator = self.common * self.denominator;
        self.numerators.into_iter().map(|x| cancelled(x, denominator.clone())).collect()
    }

    fn shared(self) -> Vec<Fraction> {
        Fraction::sharing(self.numerators, [self.common, self.denominator])
    }
}

impl PadicInverse {
    fn of<T: Field>(resolvent: &Resolvent<T>, exact: impl Fn(&T) -> Rational) -> Result<Self, SolveError> {
        let n = resolvent.n_states();
        let gamma = exact(resolvent.gamma());
        let mut scale = Vec::with_capacity(n);
        let mut rows = Vec::with_capacity(n);
        for s in 0..n {
            let probabilities = resolvent.chain().row(s).filter(|(_, p)| !p.is_zero());
            let (row, factor) = integer_row(s, &gamma, probabilities.map(|(t, p)| (t, exact(p))).collect());
            rows.push(row);
            scale.push(factor);
        }
        let matrix = IntegerMatrix::new(rows);
        for prime in primes() {
            if let Some(inverse) = inverse_modulo(&matrix, prime) {
                return Ok(Self { prime, inverse, matrix, scale });
            }
        }
        // Not reached: an invertible matrix is singular modulo few primes.
        Err(SolveError::Singular { states: n })
    }

    /// `x` with `A x = b`, which is `M x = scale b`.
    fn values(&self, b: &[Rational]) -> Solution {
        let scaled = |(b, scale): (&Rational, &BigInt)| {
            let (scale, denominator) = cancelled(scale.clone(), b.denom().clone()).into_raw();
            Rational::new_raw(b.numer() * scale, denominator)
        };
        let scaled: Vec<Rational> = b.iter().zip(&self.scale).map(scaled).collect();
        self.integer_solution(&scaled, false)
    }

    /// `x` with `A^T x = b`, which is `M^T y = b` with `x = scale y`.
    fn occupancies(&self, b: &[Rational]) -> Solution {
        let mut solution = self.integer_solution(b, true);
        for (y, scale) in solution.numerators.iter_mut().zip(&self.scale) {
            *y *= scale;
        }
        solution
    }

    /// The solution of `M x = b`, or of `M^T x = b`.
    fn integer_solution(&self, b: &[Rational], transposed: bool) -> Solution {
        let denominator = common_denominator(b.iter().map(Rational::denom));
        let right: Vec<BigInt> = b.iter().map(|x| x.numer() * (&denominator / x.denom())).collect();
        let lines = self.matrix.lines(transposed);
        // How much longer the numerators are than the denominator, and how long
        // that is: to choose when to look for fractions, nothing else.
        let excess = right.iter().zip(self.matrix.diagonal_bits()).map(|(b, m)| b.bits() as i64 - m as i64);
        let excess = excess.max().unwrap_or(0);
        let expected_bits = (2 * self.matrix.diagonal_bits().sum::<u64>()).saturating_add_signed(excess);
        let expected = expected_bits as usize / LARGEST_PRIME.ilog2() as usize + 2;

        let mut lifting = Lifting::new(self, &right, transposed);
        let mut expansion = Expansion::new(right.len(), self.prime);
        loop {
            let known = expansion.n_digits();
            let next = known + (known / 2).max(2);
            let next = if known < expected && next > expected - expected / 4 { expected } else { next };
            expansion.extend((known..next).map(|_| lifting.next_digit()).collect());
            let Some((numerators, common)) = expansion.fractions(excess) else { continue };
            let holds = lines.iter().zip(&right).all(|(line, right)| {
                let product = |&(j, at): &(usize, usize)| &self.matrix.entries[at].value * &numerators[j];
                line.iter().map(product).sum::<BigInt>() == right * &common
            });
            if holds {
                return Solution { numerators, common, denominator };
            }
        }
    }
}

/// Row `s` of `I - gamma P` times the least number that makes it integers, and
/// that number.
fn integer_row(s: usize, gamma: &Rational, row: Vec<(usize, Rational)>) -> (Vec<(usize, BigInt)>, BigInt) {
    let common = common_denominator(row.iter().map(|(_, p)| p.denom()));
    let mut scale = &common * gamma.denom();
    let mut entries: Vec<(usize, BigInt)> = Vec::with_capacity(row.len() + 1);
    for (t, p) in &row {
        entries.push((*t, -(gamma.numer() * p.numer() * (&common / p.denom()))));
    }
    match entries.iter_mut().find(|(t, _)| *t == s) {
        Some((_, diagonal)) => *diagonal += &scale,
        None => entries.push((s, scale.clone())),
    }
    entries.retain(|(_, entry)| !entry.is_zero());
    let mut content = scale.clone();
    for (_, entry) in &entries {
        if content.is_one() {
            break;
        }
        content = divisor(&content, entry);
    }
    if !content.is_one() {
        scale /= &content;
        entries.iter_mut().for_each(|(_, entry)| *entry /= &content);
    }
    (entries, scale)
}

/// The digits of a solution, one after the other.
struct Lifting<'a> {
    of: &'a PadicInverse,
    transposed: bool,
    /// What is left of each right side, in two's complement, least place first.
    rests: Vec<Vec<u64>>,
    /// With fewer places the rests might not fit.
    fewest_places: usize,
    /// `2^(64 k)` modulo the prime.
    powers: Vec<u64>,
    /// The inverse of the prime modulo `2^64`.
    inverse_of_prime: u64,
}

impl<'a> Lifting<'a> {
    fn new(of: &'a PadicInverse, right: &[BigInt], transposed: bool) -> Self {
        // With |M| < 2^(64 w) and rests that fit into `places > w + 1` of them, n |M| p
        // is far less than what these hold, so that
        // |r - M x| / p <= |r| / p + n |M| fits too. The difference itself need not:
        // the quotient is that of its residue.
        let longest = of.matrix.entries.iter().map(|entry| entry.places.len()).max().unwrap_or(0);
        let fewest_places = longest + 2;
        let for_right = right.iter().map(|b| b.bits() as usize / 64 + 1).max().unwrap_or(0);
        let places = fewest_places.max(for_right);
        let rests = right.iter().map(|b| two_s_complement(b, places)).collect();
        let mut powers = vec![1];
        for k in 0..places {
            powers.push(((u128::from(powers[k]) << 64) % u128::from(of.prime)) as u64);
        }
        // Each step of Newton's iteration doubles the bits that are right, from three.
        let mut inverse_of_prime = of.prime;
        for _ in 0..5 {
            let error = 2u64.wrapping_sub(of.prime.wrapping_mul(inverse_of_prime));
            inverse_of_prime = inverse_of_prime.wrapping_mul(error);
        }
        Self { of, transposed, rests, fewest_places, powers, inverse_of_prime }
    }

    /// The next digit of each unknown.
    fn next_digit(&mut self) -> Vec<u64> {
        let of = self.of;
        let residues: Vec<u64> = self.rests.iter().map(|rest| self.residue(rest)).collect();
        let n = residues.len();
        let p = u128::from(of.prime);
        let digits: Vec<u64> = (0..n)
            .map(|i| {
                let entry = |j: usize| of.inverse[if self.transposed { j * n + i } else { i * n + j }];
                let product = |j: usize| u128::from(entry(j)) * u128::from(residues[j]);
                let sums = (0..n).step_by(1000).map(|j| (j..n.min(j + 1000)).map(product).sum::<u128>() % p);
                (sums.sum::<u128>() % p) as u64
            })
            .collect();
        for (rest, line) in self.rests.iter_mut().zip(of.matrix.lines(self.transposed)) {
            for &(j, at) in line {
                let entry = &of.matrix.entries[at];
                match entry.value.sign() {
                    Sign::Minus => add_product(rest, &entry.places, digits[j]),
                    _ => subtract_product(rest, &entry.places, digits[j]),
                }
            }
            divide_exactly(rest, of.prime, self.inverse_of_prime);
        }
        self.drop_places();
        digits
    }

    /// A rest modulo the prime.
    fn residue(&self, rest: &[u64]) -> u64 {
        let p = u128::from(self.of.prime);
        let products = rest.chunks(16).zip(self.powers.chunks(16)).map(|(places, powers)| {
            places.iter().zip(powers).map(|(x, power)| u128::from(*x) * u128::from(*power)).sum::<u128>() % p
        });
        let unsigned = products.sum::<u128>();
        // What the sign says is 2^(64 places) too much.
        let excess = if is_negative(rest) { p - u128::from(self.powers[rest.len()]) } else { 0 };
        ((unsigned + excess) % p) as u64
    }

    /// Drops leading places that only repeat the sign.
    fn drop_places(&mut self) {
        let places = self.rests.first().map_or(0, Vec::len);
        let redundant = |rest: &Vec<u64>| {
            let sign = if is_negative(&rest[..places - 1]) { u64::MAX } else { 0 };
            rest[places - 1] == sign
        };
        if places > self.fewest_places && self.rests.iter().all(redundant) {
            self.rests.iter_mut().for_each(|rest| rest.truncate(places - 1));
        }
    }
}

fn two_s_complement(x: &BigInt, places: usize) -> Vec<u64> {
    let mut digits = x.magnitude().to_u64_digits();
    digits.resize(places, 0);
    if x.is_negative() {
        let mut carry = true;
        for digit in &mut digits {
            (*digit, carry) = (!*digit).overflowing_add(u64::from(carry));
        }
    }
    digits
}

fn is_negative(x: &[u64]) -> bool {
    x.last().is_some_and(|top| top >> 63 == 1)
}

/// `x += y factor`, modulo the places of `x`.
fn add_product(x: &mut [u64], y: &[u64], factor: u64) {
    let (low, high) = x.split_at_mut(y.len());
    let mut carry = 0u64;
    for (x, y) in low.iter_mut().zip(y) {
        let sum = u128::from(*y) * u128::from(factor) + u128::from(*x) + u128::from(carry);
        (*x, carry) = (sum as u64, (sum >> 64) as u64);
    }
    for x in high {
        if carry == 0 {
            return;
        }
        let overflow;
        (*x, overflow) = x.overflowing_add(carry);
        carry = u64::from(overflow);
    }
}

/// `x -= y factor`, modulo the places of `x`.
fn subtract_product(x: &mut [u64], y: &[u64], factor: u64) {
    let (low, high) = x.split_at_mut(y.len());
    let mut borrow = 0u64;
    for (x, y) in low.iter_mut().zip(y) {
        let product = u128::from(*y) * u128::from(factor) + u128::from(borrow);
        let (rest, overflow) = x.overflowing_sub(product as u64);
        (*x, borrow) = (rest, (product >> 64) as u64 + u64::from(overflow));
    }
    for x in high {
        if borrow == 0 {
            return;
        }
        let overflow;
        (*x, overflow) = x.overflowing_sub(borrow);
        borrow = u64::from(overflow);
    }
}

/// `x / divisor` where that is an integer: the quotient `q` has `q divisor = x`
/// modulo every power of `2^64`, which gives its places one by one.
fn divide_exactly(x: &mut [u64], divisor: u64, inverse: u64) {
    let mut borrow = 0u64;
    for x in x {
        let (rest, overflow) = x.overflowing_sub(borrow);
        *x = rest.wrapping_mul(inverse);
        borrow = ((u128::from(*x) * u128::from(divisor)) >> 64) as u64 + u64::from(overflow);
    }
}

/// The first digits of several numbers in base `p`.
struct Expansion {
    prime: u64,
    n_digits: usize,
    /// The numbers modulo `modulus`.
    residues: Vec<BigUint>,
    /// `p^n_digits`.
    modulus: BigUint,
}

impl Expansion {
    fn new(n: usize, prime: u64) -> Self {
        Self { prime, n_digits: 0, residues: vec![BigUint::zero(); n], modulus: BigUint::one() }
    }

    fn n_digits(&self) -> usize {
        self.n_digits
    }

    /// Appends digits: for each place those of all numbers.
    fn extend(&mut self, digits: Vec<Vec<u64>>) {
        // p^(2^k)
        let mut powers = vec![BigUint::from(self.prime)];
        while let Some(last) = powers.last().filter(|_| 1 << powers.len() < digits.len()) {
            powers.push(last * last);
        }
        for (i, residue) in self.residues.iter_mut().enumerate() {
            let own: Vec<u64> = digits.iter().map(|digits| digits[i]).collect();
            *residue += value(&own, &powers) * &self.modulus;
        }
        self.modulus *= BigUint::from(self.prime).pow(digits.len() as u32);
        self.n_digits += digits.len();
    }

    /// Fractions with one denominator that are congruent to the numbers, with
    /// numerators of up to `excess` bits more than it and both as small as the
    /// modulus determines them; `None` where there are none yet.
    fn fractions(&self, excess: i64) -> Option<(Vec<BigInt>, BigInt)> {
        let bits = (self.modulus.bits() as i64 + excess) / 2 - 1;
        let bound = BigUint::one() << bits.clamp(1, self.modulus.bits() as i64 - 1) as u64;
        let room = (&self.modulus / &bound) >> 1u32;
        let mut common = BigUint::one();
        let mut numerators: Vec<BigInt> = Vec::with_capacity(self.residues.len());
        for residue in &self.residues {
            let scaled = if common.is_one() { residue.clone() } else { residue * &common % &self.modulus };
            let opposite = &self.modulus - &scaled;
            if scaled <= bound {
                numerators.push(scaled.into());
            } else if opposite <= bound {
                numerators.push(-BigInt::from(opposite));
            } else {
                let (numerator, denominator) = small_fraction(&scaled, &self.modulus, &bound)?;
                common *= &denominator;
                if common > room {
                    return None;
                }
                let denominator = BigInt::from(denominator);
                numerators.iter_mut().for_each(|earlier| *earlier *= &denominator);
                numerators.push(numerator);
            }
        }
        Some((numerators, common.into()))
    }
}

/// The number with these digits, least first; `powers[k]` is the base to the
/// power `2^k`.
fn value(digits: &[u64], powers: &[BigUint]) -> BigUint {
    match digits {
        [] => BigUint::zero(),
        [digit] => (*digit).into(),
        _ => {
            let level = (digits.len() - 1).ilog2() as usize;
            let (low, high) = digits.split_at(1 << level);
            value(low, powers) + value(high, powers) * &powers[level]
        }
    }
}

/// The inverse of an integer matrix modulo a prime (Gauss-Jordan).
fn inverse_modulo(matrix: &IntegerMatrix, prime: u64) -> Option<Vec<u64>> {
    let n = matrix.rows.len();
    let p = u128::from(prime);
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % p) as u64;
    let minus = |a: u64, b: u64| if a >= b { a - b } else { a + prime - b };
    let mut work = vec![vec![0u64; 2 * n]; n];
    for (i, row) in matrix.rows.iter().enumerate() {
        for &(j, at) in row {
            work[i][j] = residue(&matrix.entries[at].value, prime);
        }
        work[i][n + i] = 1;
    }
    // The columns of the inverse that may have entries yet.
    let mut end = n;
    for k in 0..n {
        let pivot = (k..n).find(|&i| work[i][k] != 0)?;
        work.swap(k, pivot);
        end = end.max(n + pivot + 1);
        let inverse = power(work[k][k], prime - 2, prime);
        for x in &mut work[k][k..end] {
            *x = times(*x, inverse);
        }
        let pivot_row = work[k][k..end].to_vec();
        for (i, row) in work.iter_mut().enumerate() {
            let factor = row[k];
            if i == k || factor == 0 {
                continue;
            }
            for (x, pivot) in row[k..end].iter_mut().zip(&pivot_row) {
                *x = minus(*x, times(factor, *pivot));
            }
        }
    }
    Some(work.into_iter().flat_map(|row| row.into_iter().skip(n)).collect())
}

/// `x` modulo a prime, in `0..prime`.
fn residue(x: &BigInt, prime: u64) -> u64 {
    let magnitude = (x.magnitude() % prime).iter_u64_digits().next().unwrap_or(0);
    if x.is_negative() && magnitude != 0 { prime - magnitude } else { magnitude }
}

/// `base^exponent` modulo a number.
fn power(base: u64, exponent: u64, modulus: u64) -> u64 {
    let p = u128::from(modulus);
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

/// The primes from [`LARGEST_PRIME`] downwards.
fn primes() -> impl Iterator<Item = u64> {
    let smaller = (41..LARGEST_PRIME - 1).rev().step_by(2);
    std::iter::once(LARGEST_PRIME).chain(smaller.filter(|&odd| is_prime(odd)))
}

/// Whether an odd number above 37 is prime: the first twelve primes are witnesses for
/// every composite number of 64 bits [Sorenson and Webster 2015].
fn is_prime(odd: u64) -> bool {
    let twos = (odd - 1).trailing_zeros();
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().all(|witness| {
        let mut x = power(witness, (odd - 1) >> twos, odd);
        let mut passes = x == 1 || x == odd - 1;
        for _ in 1..twos {
            x = (u128::from(x) * u128::from(x) % u128::from(odd)) as u64;
            passes |= x == odd - 1;
        }
        passes
    })
}

#[cfg(test)]
mod tests;
