//! Euclid's algorithm on long integers: greatest common divisors, and fractions
//! from their residues.
//!
//! Lehmer's method: the quotients of a pair of long numbers are those of their
//! leading digits for as long as the digits that were cut off cannot matter, so
//! that about 60 bits go with one pass over the numbers. Let `x`, `y` be
//! within `e` of `U/2^k`, `V/2^k`, and let a remainder of `(x, y)` be
//! `r = |a x - b y|` and the one before it `y' = |c x - d y|`. The remainder
//! `R = |a U - b V|` of the same quotients is then within `(a + b) e 2^k` of
//! `r 2^k`, and likewise `Y'`. So where `r >= (a + b) e + 1` and
//! `y' - r > (a + b) e + (c + d) e`, it holds that `2^k <= R < Y'`: the last
//! quotient is that of the long numbers too, if those before it are.

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_traits::{One, ToPrimitive, Zero};

/// Coefficients of one round of leading digits stay below this, so that those of
/// two rounds fit into 63 bits.
const LARGEST_COEFFICIENT: u64 = 1 << 31;

/// The greatest common divisor.
pub(crate) fn gcd(x: &BigUint, y: &BigUint) -> BigUint {
    if let (Some(x), Some(y)) = (x.to_u64(), y.to_u64()) {
        return x.gcd(&y).into();
    }
    let (larger, smaller) = if x < y { (y, x) } else { (x, y) };
    if smaller.is_zero() {
        return larger.clone();
    }
    let mut pair = Pair::new(smaller, &(larger % smaller));
    while pair.larger.len() > 2 {
        match pair.quotients() {
            Some(quotients) => pair.apply(&quotients),
            None if pair.smaller.is_empty() => return natural(&pair.larger),
            None => drop(pair.divide()),
        }
    }
    let (mut x, mut y) = (double(&pair.larger), double(&pair.smaller));
    while y > u128::from(u64::MAX) {
        (x, y) = (y, x % y);
    }
    if y == 0 {
        return x.into();
    }
    let y = y as u64;
    y.gcd(&((x % u128::from(y)) as u64)).into()
}

/// `n / d` congruent to `residue < modulus`, with `n` at most `bound` in absolute
/// value and `d > 0` below half of `modulus / bound`; there is at most one in
/// lowest terms. `None` where there is none (Wang's algorithm).
pub(crate) fn small_fraction(
    residue: &BigUint,
    modulus: &BigUint,
    bound: &BigUint,
) -> Option<(BigInt, BigUint)> {
    // Of each remainder of Euclid's algorithm `residue factor` is congruent to
    // it or to its opposite, in turn.
    let mut pair = Pair::new(modulus, residue);
    let (mut before, mut factor, mut negative) = (BigUint::zero(), BigUint::one(), false);
    while pair.larger_bits() > bound.bits() + 129 {
        match pair.quotients() {
            // What they leave still has a bit among the leading 128 of before, so
            // it is above the bound.
            Some(quotients) => {
                pair.apply(&quotients);
                let [a, b, c, d] = quotients.coefficients;
                (before, factor) = (&before * a + &factor * b, before * c + factor * d);
                negative ^= quotients.odd;
            }
            None if natural(&pair.smaller) <= *bound => break,
            None => {
                let quotient = pair.divide();
                (before, factor) = (factor.clone(), before + quotient * factor);
                negative = !negative;
            }
        }
    }
    let (mut larger, mut smaller) = (natural(&pair.larger), natural(&pair.smaller));
    while smaller > *bound {
        let (quotient, rest) = larger.div_rem(&smaller);
        (larger, smaller) = (smaller, rest);
        (before, factor) = (factor.clone(), before + quotient * factor);
        negative = !negative;
    }
    if (&factor * bound) << 1u32 >= *modulus {
        return None;
    }
    let numerator = BigInt::from(smaller);
    Some((if negative { -numerator } else { numerator }, factor))
}

/// Two remainders of Euclid's algorithm, least digits first, without zeros at
/// their ends.
struct Pair {
    larger: Vec<u64>,
    smaller: Vec<u64>,
}

/// What several quotients together do: with coefficients `[a, b, c, d]`,
/// `(u, v)` becomes `(a u - b v, d v - c u)`, or its opposite where their number
/// is odd.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quotients {
    coefficients: [u64; 4],
    odd: bool,
}

impl Pair {
    /// `larger > smaller`.
    fn new(larger: &BigUint, smaller: &BigUint) -> Self {
        Self { larger: larger.to_u64_digits(), smaller: smaller.to_u64_digits() }
    }

    fn larger_bits(&self) -> u64 {
        let top = self.larger.last().map_or(0, |top| top.leading_zeros());
        64 * self.larger.len() as u64 - u64::from(top)
    }

    /// The quotients that the leading 128 bits of three or more digits decide;
    /// `None` where they decide none.
    fn quotients(&self) -> Option<Quotients> {
        let places = self.larger.len();
        let shift = self.larger.last()?.leading_zeros();
        let leading = |digits: &[u64]| -> u128 {
            let digit = |i: usize| u128::from(digits.get(places - i).copied().unwrap_or(0));
            (digit(1) << 64 | digit(2)) << shift | (digit(3) << shift) >> 64
        };
        let (x, y) = (leading(&self.larger), leading(&self.smaller));
        let first = Quotients::of((x >> 64) as u64, (y >> 64) as u64, 1)?;
        let [a, b, c, d] = first.coefficients.map(u128::from);
        let [x, y] = [
            (a.wrapping_mul(x)).wrapping_sub(b.wrapping_mul(y)),
            (d.wrapping_mul(y)).wrapping_sub(c.wrapping_mul(x)),
        ]
        .map(|rest| if first.odd { rest.wrapping_neg() } else { rest });
        let Some(cut) = 64u32.checked_sub(x.leading_zeros()).filter(|&cut| cut >= 32) else {
            return Some(first);
        };
        // Off by less than 2^32 before the cut, and by less than 1 from the cut.
        let second = Quotients::of((x >> cut) as u64, (y >> cut) as u64, 2);
        Some(second.map_or(first, |second| first.then(&second)))
    }

    /// The pair after these quotients.
    fn apply(&mut self, quotients: &Quotients) {
        let [mut a, mut b, mut c, mut d] = quotients.coefficients;
        if quotients.odd {
            std::mem::swap(&mut self.larger, &mut self.smaller);
            ([a, b], [c, d]) = ([b, a], [d, c]);
        }
        let places = self.larger.len().max(self.smaller.len());
        self.larger.resize(places, 0);
        self.smaller.resize(places, 0);
        let difference = |p: u64, x: u64, q: u64, y: u64| {
            // Each product is below 2^63 2^64.
            (u128::from(p) * u128::from(x)) as i128 - (u128::from(q) * u128::from(y)) as i128
        };
        let (mut carry_u, mut carry_v) = (0i128, 0i128);
        for (u, v) in self.larger.iter_mut().zip(&mut self.smaller) {
            let next_u = difference(a, *u, b, *v) + carry_u;
            let next_v = difference(d, *v, c, *u) + carry_v;
            (*u, *v) = (next_u as u64, next_v as u64);
            (carry_u, carry_v) = (next_u >> 64, next_v >> 64);
        }
        debug_assert_eq!((carry_u, carry_v), (0, 0));
        trim(&mut self.larger);
        trim(&mut self.smaller);
    }

    /// One division of the whole numbers; the quotient.
    fn divide(&mut self) -> BigUint {
        let (quotient, rest) = natural(&self.larger).div_rem(&natural(&self.smaller));
        self.larger = std::mem::replace(&mut self.smaller, rest.to_u64_digits());
        quotient
    }
}

impl Quotients {
    /// The quotients of all pairs that are within `error` of `x >= y`; `None`
    /// where they share none.
    fn of(mut x: u64, mut y: u64, error: u64) -> Option<Self> {
        let ([mut a, mut b], [mut c, mut d]) = ([1, 0], [0, 1]);
        let mut odd = false;
        while y != 0 {
            let (quotient, rest) = (x / y, x % y);
            if quotient >= LARGEST_COEFFICIENT {
                break;
            }
            let (next_c, next_d) = (a + quotient * c, b + quotient * d);
            if next_c.max(next_d) >= LARGEST_COEFFICIENT {
                break;
            }
            let slack = (next_c + next_d) * error;
            if rest <= slack || y - rest <= slack + (c + d) * error {
                break;
            }
            ([a, b], [c, d]) = ([c, d], [next_c, next_d]);
            (x, y) = (y, rest);
            odd = !odd;
        }
        (b != 0).then_some(Self { coefficients: [a, b, c, d], odd })
    }

    /// These, then `next`.
    fn then(&self, next: &Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.coefficients, next.coefficients);
        let coefficients = [e * a + f * c, e * b + f * d, g * a + h * c, g * b + h * d];
        Self { coefficients, odd: self.odd ^ next.odd }
    }
}

fn trim(digits: &mut Vec<u64>) {
    while digits.last() == Some(&0) {
        digits.pop();
    }
}

/// The number with these digits, least first.
pub(crate) fn natural(digits: &[u64]) -> BigUint {
    BigUint::new(digits.iter().flat_map(|digit| [*digit as u32, (digit >> 32) as u32]).collect())
}

/// The number with at most two digits.
fn double(digits: &[u64]) -> u128 {
    digits.iter().rev().fold(0, |number, digit| number << 64 | u128::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_traits::Pow;
    use proptest::prelude::*;

    fn long(places: usize) -> impl Strategy<Value = BigUint> {
        // Runs of equal bits are where borrowing goes wrong.
        let place = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1), Just(1 << 63)];
        prop::collection::vec(place, 0..=places).prop_map(|places| natural(&places))
    }

    /// Consecutive Fibonacci numbers: all quotients are 1.
    fn fibonacci(n: usize) -> (BigUint, BigUint) {
        (0..n).fold((BigUint::one(), BigUint::one()), |(a, b), _| (b.clone(), a + b))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn divisors_are_those_of_the_binary_method(x in long(9), y in long(9), common in long(5)) {
            prop_assert_eq!(gcd(&x, &y), x.gcd(&y));
            let (x, y) = (x * &common, y * &common);
            prop_assert_eq!(gcd(&x, &y), x.gcd(&y));
        }

        #[test]
        fn quotients_are_those_of_the_whole_numbers(x in long(6), y in long(6)) {
            let (larger, smaller) = if x > y { (x, y) } else { (y, x) };
            if larger.bits() > 128 && larger > smaller {
                let mut pair = Pair::new(&larger, &smaller);
                if let Some(quotients) = pair.quotients() {
                    pair.apply(&quotients);
                    let (mut u, mut v) = (larger.clone(), smaller);
                    while u != natural(&pair.larger) {
                        prop_assert!(u > natural(&pair.larger));
                        (u, v) = (v.clone(), u % v);
                    }
                    prop_assert_eq!(&v, &natural(&pair.smaller));
                    prop_assert!(v.bits() + 128 > larger.bits());
                }
            }
        }

        #[test]
        fn fractions_come_back_from_their_residues(
            numerator in long(6),
            denominator in long(6),
            negative in any::<bool>(),
            spare in 0_u32..70,
        ) {
            let denominator = denominator + 1u32;
            let common = gcd(&numerator, &denominator);
            let (numerator, denominator) = (numerator / &common, denominator / common);
            // A power of a prime that does not divide the denominator.
            let prime = BigUint::from((1u64 << 59) - 55);
            let bound = &numerator + spare;
            let needed = ((&bound * &denominator) << 1u32) + 1u32;
            let places = needed.bits() as u32 / 58 + 1;
            let modulus = prime.pow(places);
            if let Some(inverse) = denominator.modinv(&modulus) {
                let residue = &numerator * inverse % &modulus;
                let residue = if negative { (&modulus - residue) % &modulus } else { residue };
                let signed = BigInt::from(numerator);
                let signed = if negative { -signed } else { signed };
                prop_assert_eq!(small_fraction(&residue, &modulus, &bound), Some((signed, denominator)));
            }
        }
    }

    #[test]
    fn regular_numbers_have_their_divisors() {
        for n in [0, 1, 50, 91, 92, 93, 180, 186, 187, 500, 2000] {
            let (a, b) = fibonacci(n);
            assert!(gcd(&a, &b).is_one(), "{n}");
            assert_eq!(gcd(&(&a * &b), &(&b * &b)), b, "{n}");
        }
        let two = BigUint::from(2u32);
        for (n, m) in [(1u32, 1u32), (64, 128), (200, 64), (1000, 999), (5000, 3)] {
            assert_eq!(gcd(&two.clone().pow(n), &two.clone().pow(m)), two.clone().pow(n.min(m)));
            let ten = BigUint::from(10u32).pow(n);
            assert!(gcd(&(&ten + 1u32), &ten).is_one());
        }
        assert_eq!(gcd(&BigUint::zero(), &two), two);
        assert_eq!(gcd(&two, &BigUint::zero()), two);
        assert_eq!(gcd(&BigUint::zero(), &BigUint::zero()), BigUint::zero());
        let long = two.pow(300u32);
        assert_eq!(gcd(&long, &BigUint::zero()), long);
    }

    #[test]
    fn numbers_without_a_small_fraction_have_none() {
        // With p = 101 and numerators up to 7 the denominators go up to 7.
        let (modulus, bound) = (BigUint::from(101u32), BigUint::from(7u32));
        for residue in 0..101u32 {
            let small = (1..8u32).find_map(|d| {
                let n = i64::from(residue * d % 101);
                let n = if n > 50 { n - 101 } else { n };
                (n.abs() <= 7).then(|| (BigInt::from(n), BigUint::from(d)))
            });
            assert_eq!(small_fraction(&residue.into(), &modulus, &bound), small, "{residue}");
        }
    }

    /// Whatever pair within the error is divided, what these quotients leave is a
    /// pair of remainders of it.
    #[test]
    fn shared_quotients_are_those_of_every_pair_within_the_error() {
        const PARTS: i64 = 16;
        let mut shared = 0;
        for (error, x) in [1u64, 2].into_iter().flat_map(|error| (1..300u64).map(move |x| (error, x))) {
            for (y, quotients) in (0..=x).filter_map(|y| Some((y, Quotients::of(x, y, error)?))) {
                shared += 1;
                let [a, b, c, d] = quotients.coefficients.map(|k| k as i64);
                let off = error as i64 * PARTS - 1;
                for (right, up) in [(-off, -off), (-off, off), (off, -off), (off, off)] {
                    let (x, y) = (x as i64 * PARTS + right, y as i64 * PARTS + up);
                    let sign = if quotients.odd { -1 } else { 1 };
                    let (u, v) = (sign * (a * x - b * y), sign * (d * y - c * x));
                    assert!(u > v && v >= 0, "{quotients:?} of {x}/{PARTS} and {y}/{PARTS}: {u}, {v}");
                }
            }
        }
        assert!(shared > 50_000, "{shared}");
    }

    /// An integer is found where the modulus is far longer than it.
    #[test]
    fn small_fractions_are_found_in_long_moduli() {
        let modulus = BigUint::from((1u64 << 59) - 55).pow(8u32);
        let bound = BigUint::from(7u32);
        let found = |residue: &BigUint| small_fraction(residue, &modulus, &bound);
        assert_eq!(found(&5u32.into()), Some((5.into(), 1u32.into())));
        assert_eq!(found(&(&modulus - 5u32)), Some(((-5).into(), 1u32.into())));
        let third = BigUint::from(3u32).modinv(&modulus).unwrap();
        assert_eq!(found(&(third * 2u32 % &modulus)), Some((2.into(), 3u32.into())));
    }
}
