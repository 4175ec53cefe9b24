use super::*;
use crate::arithmetic::ratio;
use crate::linear::Rows;
use num_traits::Pow;
use proptest::prelude::*;

/// The solution by elimination in fractions, in the columns of the matrix
/// or, transposed, in its rows.
fn eliminated(matrix: &[Vec<Rational>], b: &[Rational], transposed: bool) -> Vec<Rational> {
    let n = b.len();
    let entry = |i: usize, j: usize| if transposed { &matrix[j][i] } else { &matrix[i][j] };
    let mut work: Vec<Vec<Rational>> =
        (0..n).map(|i| (0..n).map(|j| entry(i, j).clone()).chain([b[i].clone()]).collect()).collect();
    for k in 0..n {
        let pivot = (k..n).find(|&i| !work[i][k].is_zero()).unwrap();
        work.swap(k, pivot);
        for i in (0..n).filter(|&i| i != k) {
            let factor = &work[i][k] / &work[k][k];
            for j in k..=n {
                let product = &factor * &work[k][j];
                work[i][j] -= product;
            }
        }
    }
    (0..n).map(|i| &work[i][n] / &work[i][i]).collect()
}

/// Both systems of `I - gamma P`, against elimination.
fn agrees(n: usize, chain: &[Rational], gamma: &Rational, b: &[Rational]) {
    let matrix: Vec<Vec<Rational>> = (0..n)
        .map(|i| {
            let entry = |j: usize| -(gamma * &chain[i * n + j]) + ratio(i64::from(i == j), 1);
            (0..n).map(entry).collect()
        })
        .collect();
    let resolvent = Resolvent::new(Rows::dense(n, chain.to_vec()).unwrap(), gamma.clone()).unwrap();
    let inverse = PadicInverse::new(resolvent).unwrap();
    assert_eq!(inverse.solve(b), eliminated(&matrix, b, false));
    assert_eq!(inverse.solve_transposed(b), eliminated(&matrix, b, true));
    let shared: Vec<Fraction> = b.iter().cloned().map(Fraction::from).collect();
    let reduced = |x: Vec<Fraction>| x.iter().map(Fraction::reduced).collect::<Vec<_>>();
    assert_eq!(reduced(inverse.solve(&shared)), inverse.solve(b));
    assert_eq!(reduced(inverse.solve_transposed(&shared)), inverse.solve_transposed(b));
}

/// Numerator and denominator of some size, with factors that make trouble.
fn long(places: usize) -> impl Strategy<Value = Rational> {
    let number = || {
        let places = prop::collection::vec(any::<u32>(), 0..=places);
        (places, 0_u32..3, 0_u32..40).prop_map(|(places, primes, twos)| {
            (BigInt::from(BigUint::new(places) + 1u32) * BigInt::from(LARGEST_PRIME).pow(primes)) << twos
        })
    };
    (number(), number(), any::<bool>())
        .prop_map(|(n, d, negative)| Rational::new(if negative { -n } else { n }, d))
}

/// `(n, chain, gamma, b)` with rows of absolute sum at most 1, entries of
/// either sign and some of them 0.
fn systems(
    n: usize,
    places: usize,
) -> impl Strategy<Value = (usize, Vec<Rational>, Rational, Vec<Rational>)> {
    (1..=n).prop_flat_map(move |n| {
        let row = prop::collection::vec((long(places), any::<bool>()), n).prop_map(|row| {
            let row: Vec<Rational> =
                row.into_iter().map(|(x, kept)| if kept { x } else { Rational::zero() }).collect();
            let sum = row.iter().fold(Rational::one(), |sum, x| sum + x.abs());
            row.into_iter().map(move |x| x / &sum).collect::<Vec<_>>()
        });
        let chain = prop::collection::vec(row, n).prop_map(|rows| rows.concat());
        let gamma = long(places).prop_map(|q| q.abs() / (q.abs() + Rational::one()));
        (Just(n), chain, gamma, prop::collection::vec(long(places), n))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn solutions_are_those_of_elimination((n, chain, gamma, b) in systems(6, 2)) {
        agrees(n, &chain, &gamma, &b);
    }

    #[test]
    fn products_and_quotients_of_places_are_those_of_integers(
        x in any::<i128>(),
        y in prop::collection::vec(any::<u64>(), 1..3),
        factor in any::<u64>(),
    ) {
        let long = |places: &[u64]| BigInt::from_signed_bytes_le(
            &places.iter().flat_map(|place| place.to_le_bytes()).collect::<Vec<_>>(),
        );
        let product = BigInt::from(crate::arithmetic::euclid::natural(&y)) * factor;
        let start = two_s_complement(&x.into(), 5);
        prop_assert_eq!(long(&start), BigInt::from(x));
        let mut places = start.clone();
        add_product(&mut places, &y, factor);
        prop_assert_eq!(long(&places), &product + x);
        subtract_product(&mut places, &y, factor);
        prop_assert_eq!(&places, &start);
        subtract_product(&mut places, &y, factor);
        prop_assert_eq!(long(&places), -product + x);

        let resolvent = Resolvent::new(Rows::dense(1, vec![Rational::one()]).unwrap(), ratio(1, 2)).unwrap();
        let of = PadicInverse::new(resolvent).unwrap();
        let lifting = Lifting::new(&of, &[BigInt::one() << 300], false);
        let prime = BigInt::from(of.prime);
        let left = num_integer::Integer::mod_floor(&BigInt::from(x), &prime);
        prop_assert_eq!(BigInt::from(lifting.residue(&start)), left);
        let mut places = two_s_complement(&(prime * x), 5);
        divide_exactly(&mut places, of.prime, lifting.inverse_of_prime);
        prop_assert_eq!(places, start);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn long_solutions_are_those_of_elimination((n, chain, gamma, b) in systems(3, 40)) {
        agrees(n, &chain, &gamma, &b);
    }
}

#[test]
fn right_sides_and_matrices_may_differ_in_length() {
    let long = Rational::new(BigInt::from(3).pow(2000u32), BigInt::from(7).pow(1500u32));
    let chain = [ratio(1, 3), ratio(2, 3), ratio(1, 1), ratio(0, 1)];
    let gammas = [ratio(0, 1), ratio(9, 10), ratio(1, 1) - long.recip() - long.clone().pow(-2)];
    for gamma in gammas {
        for b in [[long.clone(), ratio(-1, 5)], [long.recip(), ratio(0, 1)]] {
            agrees(2, &chain, &gamma, &b);
        }
        agrees(2, &chain, &gamma, &[ratio(0, 1), ratio(0, 1)]);
    }
    let tiny = Rational::new(BigInt::one(), BigInt::from(10).pow(700u32));
    let chain = [tiny.clone(), ratio(1, 1) - &tiny, ratio(1, 2), ratio(1, 2)];
    agrees(2, &chain, &ratio(1, 2), &[ratio(1, 1), ratio(2, 1)]);
}

#[test]
fn many_states_are_solved() {
    for n in [12, 40] {
        let weight = |s: usize, t: usize| ((s * 7 + t * 5 + s * t) % 11) as i64;
        let chain: Vec<Rational> = (0..n * n)
            .map(|i| {
                let total: i64 = (0..n).map(|t| weight(i / n, t)).sum::<i64>() + 1;
                ratio(weight(i / n, i % n) + i64::from(i % n == 0), total)
            })
            .collect();
        let resolvent = Resolvent::new(Rows::dense(n, chain).unwrap(), ratio(97, 100)).unwrap();
        let b: Vec<Rational> = (0..n).map(|i| ratio(i as i64 * 3 - 4, 7 + i as i64)).collect();
        let inverse = PadicInverse::new(resolvent.clone()).unwrap();
        assert_eq!(resolvent.apply(&inverse.solve(&b)), b);
        assert_eq!(resolvent.apply_transposed(&inverse.solve_transposed(&b)), b);
    }
}

#[test]
fn a_matrix_singular_modulo_some_primes_is_solved_with_the_next() {
    for singular in 1..4 {
        // 1 - gamma = p q ... / 2^180 for the first primes p, q, ...
        let product: BigInt = primes().take(singular).map(BigInt::from).product();
        let gap = Rational::new(product, BigInt::one() << 180);
        let gamma = Rational::one() - &gap;
        let resolvent = Resolvent::new(Rows::dense(1, vec![Rational::one()]).unwrap(), gamma).unwrap();
        let inverse = PadicInverse::new(resolvent).unwrap();
        assert_eq!(inverse.prime, primes().nth(singular).unwrap());
        assert_eq!(inverse.solve(&[Rational::one()]), [gap.recip()]);
    }
}

#[test]
fn pivots_that_vanish_modulo_the_prime_are_passed_over() {
    // The first entry of the matrix is a multiple of the prime, the determinant is not.
    let p = Rational::new(LARGEST_PRIME.into(), BigInt::one() << 60);
    let chain = [
        ratio(1, 1) - &p,
        ratio(1, 5),
        ratio(0, 1),
        ratio(1, 3),
        ratio(1, 3),
        ratio(0, 1),
        ratio(1, 7),
        ratio(0, 1),
        ratio(1, 7),
    ];
    let chain = chain.map(|x| x * ratio(10, 9));
    agrees(3, &chain, &ratio(9, 10), &[ratio(1, 1), ratio(-2, 3), ratio(4, 1)]);
}

#[test]
fn primes_are_told_from_other_numbers() {
    let expected = [55, 99, 225, 427, 517];
    assert_eq!(primes().take(5).collect::<Vec<_>>(), expected.map(|below| (1 << 59) - below));
    let trial = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    for odd in (41..5000).step_by(2) {
        assert_eq!(is_prime(odd), trial(odd), "{odd}");
    }
    // Passes for the bases 2, 3, 5 and 7.
    assert!(!is_prime(3_215_031_751));
}
