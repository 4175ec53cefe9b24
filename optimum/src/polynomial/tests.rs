use super::*;
use pemdp::arithmetic::ratio;
use proptest::prelude::*;

fn with_roots(roots: &[Rational]) -> Polynomial {
    roots.iter().fold(Polynomial::from_integers(&[1]), |product, root| {
        &product * &Polynomial::new(vec![-root, Rational::one()])
    })
}

#[test]
fn arithmetic_is_that_of_the_coefficients() {
    let (p, d) = (Polynomial::from_integers(&[0, -2, 1]), Polynomial::from_integers(&[5, 1, 1]));
    assert_eq!(p.coefficients(), [ratio(0, 1), ratio(-2, 1), ratio(1, 1)]);
    assert_eq!((&p - &d).coefficients(), [ratio(-5, 1), ratio(-3, 1)]);
    assert_eq!((&d - &p).coefficients(), [ratio(5, 1), ratio(3, 1)]);
    assert!((&p - &p).is_zero() && !p.is_zero());
    assert_eq!(p.power(3), &(&p * &p) * &p);
    assert_eq!(p.power(0), Polynomial::from_integers(&[1]));
    // x^2 is in [1, 9] and -2x in [-6, -2].
    assert_eq!(p.range(&ratio(1, 1), &ratio(3, 1)), (ratio(-5, 1), ratio(7, 1)));
}

fn integers(c: &[i64]) -> Vec<BigInt> {
    c.iter().map(|&c| c.into()).collect()
}

#[test]
fn content_is_divided_out() {
    assert_eq!(primitive(integers(&[4, 6, -2, 0, 0])), integers(&[2, 3, -1]));
    assert_eq!(primitive(integers(&[3, -5])), integers(&[3, -5]));
    assert_eq!(primitive(integers(&[0, 0])), integers(&[]));
}

/// The example of Knuth, and of Brown and Traub, where degrees drop by two; with
/// either sign of either polynomial the remainders have the signs of Sturm's.
#[test]
fn remainders_are_the_subresultants_with_their_signs() {
    let (a, b) = ([-5, 2, 8, -3, -3, 0, 1, 0, 1], [21, -9, -4, 0, 5, 0, 3]);
    let known: [&[i64]; 4] = [&[9, 0, -3, 0, 15], &[-245, 125, 65], &[-12300, 9326], &[260_708]];
    let pairs = [(a.to_vec(), b.to_vec()), (vec![1, 2, 3], vec![-4, 1, 2]), (vec![2, 0, 1], vec![3, 1, -5])];
    for (place, (a, b)) in pairs.into_iter().enumerate() {
        for (sign_a, sign_b) in [(1, 1), (1, -1), (-1, 1), (-1, -1)] {
            let of = |c: &[i64], sign: i64| integers(&c.iter().map(|c| sign * c).collect::<Vec<_>>());
            let sequence = remainders(of(&a, sign_a), of(&b, sign_b));
            if place == 0 {
                for (element, known) in sequence[2..].iter().zip(known) {
                    let sizes: Vec<BigInt> = element.iter().map(Signed::abs).collect();
                    assert_eq!(sizes, integers(&known.iter().map(|c| c.abs()).collect::<Vec<_>>()));
                }
                assert_eq!(sequence.len(), 6);
            }
            for three in sequence.windows(3) {
                let [p, d, next] = [0, 1, 2].map(|i| from_integers(&three[i]));
                let rest = p.divided(&d).1;
                let factor = -rest.coefficients()[0].clone() / next.coefficient(0);
                assert!(factor.is_positive(), "{three:?}");
                assert_eq!(next.scaled(&factor), rest.scaled(&ratio(-1, 1)));
            }
        }
    }
}

/// Of a polynomial that is positive at the end, whatever the signs of its remainders.
#[test]
fn square_free_parts_have_the_sign_of_the_polynomial() {
    let factor = |c: &[i64]| Polynomial::from_integers(c);
    for (p, simple) in [
        (factor(&[1, 0, 1]), factor(&[1, 0, 1])),
        (factor(&[-2, 0, 1]), factor(&[-2, 0, 1])),
        (factor(&[-1, 1]).power(2), factor(&[-1, 1])),
        (&factor(&[-1, 1]).power(2) * &factor(&[1, 0, 1]), &factor(&[-1, 1]) * &factor(&[1, 0, 1])),
        (&factor(&[-1, 1]).power(3) * &factor(&[1, 1, 1]), &factor(&[-1, 1]) * &factor(&[1, 1, 1])),
        (
            &factor(&[-5, 1]).power(2) * &factor(&[3, 0, 0, 0, 1]),
            &factor(&[-5, 1]) * &factor(&[3, 0, 0, 0, 1]),
        ),
    ] {
        for sign in [1, -1] {
            let found = p.scaled(&ratio(sign, 1)).square_free();
            for x in -3..=7 {
                let expected = simple.at(&ratio(x, 1)) * ratio(sign, 1);
                assert_eq!(found.sign_at(&ratio(x, 1)), expected.cmp(&ratio(0, 1)), "{p:?} {sign} at {x}");
            }
        }
    }
}

#[test]
fn long_intervals_are_split_at_a_power_of_two() {
    for ((low, high), at) in [
        ((ratio(1, 1), ratio(100, 1)), ratio(8, 1)),
        ((ratio(1, 8), ratio(100, 1)), ratio(2, 1)),
        ((ratio(1, 1), ratio(9, 2)), ratio(2, 1)),
        ((ratio(1, 1), ratio(4, 1)), ratio(5, 2)),
        ((ratio(3, 1), ratio(9, 1)), ratio(6, 1)),
    ] {
        assert_eq!(split(&low, &high), at, "{low} {high}");
    }
}

#[test]
fn division_leaves_a_smaller_remainder() {
    let (p, d) = (Polynomial::from_integers(&[1, 0, -3, 2, 5]), Polynomial::from_integers(&[2, -1, 3]));
    let (quotient, rest) = p.divided(&d);
    assert_eq!(&(&quotient * &d) + &rest, p);
    assert!(rest.degree() < d.degree());
    assert_eq!(d.divided(&p), (Polynomial::new(vec![]), d));
}

#[test]
fn common_factors_are_found() {
    let common = Polynomial::new(vec![ratio(-1, 3), ratio(1, 2), ratio(1, 1)]);
    let (p, d) =
        (&common * &Polynomial::from_integers(&[1, 4, 7]), &common * &Polynomial::from_integers(&[3, -5]));
    assert_eq!(p.gcd(&d), common);
    assert_eq!(common.gcd(&Polynomial::from_integers(&[5])), Polynomial::from_integers(&[1]));
    let zero = Polynomial::new(vec![]);
    assert_eq!((zero.gcd(&common), zero.gcd(&zero)), (common, zero.clone()));
}

#[test]
fn multiple_roots_count_once() {
    // (x - 1)^3 (x - 2)^2 (x + 1), and the same times x^2
    let p = with_roots(&[ratio(1, 1), ratio(1, 1), ratio(1, 1), ratio(2, 1), ratio(2, 1), ratio(-1, 1)]);
    for p in [p.clone(), p.shifted(2)] {
        let simple = p.square_free();
        assert_eq!(simple.roots_in(&ratio(0, 1), None), 2);
        assert_eq!(simple.roots_in(&ratio(1, 1), Some(&ratio(2, 1))), 1, "open below, closed above");
        let roots = simple.positive_roots(30);
        assert_eq!(
            roots.iter().filter_map(Root::exact).cloned().collect::<Vec<_>>(),
            [ratio(1, 1), ratio(2, 1)]
        );
    }
}

#[test]
fn roots_of_very_different_sizes_are_told_apart() {
    let roots = [
        ratio(1, 1_000_000_007),
        ratio(1, 1_000_000_006),
        ratio(3, 7),
        ratio(1_000_003, 1),
        ratio(2, 1).power(90),
    ];
    let found = with_roots(&roots).square_free().positive_roots(80);
    assert_eq!(found.iter().filter_map(Root::exact).cloned().collect::<Vec<_>>(), roots);
}

#[test]
fn irrational_roots_are_enclosed() {
    // (x^2 - 2)(x^2 - 3)(x^2 + 1)
    let factors = [[-2, 0, 1], [-3, 0, 1], [1, 0, 1]].map(|c| Polynomial::from_integers(&c));
    let p = &(&factors[0] * &factors[1]) * &factors[2];
    let roots = p.square_free().positive_roots(100);
    for (root, square) in roots.iter().zip([2, 3]) {
        assert!(&root.low * &root.low < ratio(square, 1) && ratio(square, 1) < &root.high * &root.high);
        assert!((&root.high - &root.low) * ratio(2, 1).power(100) <= root.low);
    }
    assert_eq!(roots.len(), 2);
    for constant in [vec![], vec![ratio(3, 1)]] {
        assert!(Polynomial::new(constant).square_free().positive_roots(10).is_empty());
    }
}

#[test]
fn the_simplest_fraction_is_strictly_between() {
    let between = |a: (i64, i64), b: (i64, i64)| simplest_between(&ratio(a.0, a.1), &ratio(b.0, b.1));
    assert_eq!(between((3, 10), (1, 2)), ratio(1, 3));
    assert_eq!(between((1, 2), (1, 1)), ratio(2, 3));
    assert_eq!(between((0, 1), (1, 10)), ratio(1, 11));
    assert_eq!(between((6, 1), (15, 2)), ratio(7, 1));
    assert_eq!(between((314_159, 100_000), (314_160, 100_000)), ratio(355, 113));
}

proptest! {
    #[test]
    fn interpolation_gives_the_polynomial_back(c in prop::collection::vec(-50i64..50, 0..9)) {
        let p = Polynomial::from_integers(&c);
        let points: Vec<_> = (1..=9).map(|x| (ratio(x, 2), p.at(&ratio(x, 2)))).collect();
        prop_assert_eq!(Polynomial::through(&points), p);
    }

    #[test]
    fn sturm_counts_what_was_put_in(roots in prop::collection::vec((-40i64..40, 1i64..9), 1..7), gap in 1usize..7, split in -20i64..20) {
        let roots: Vec<Rational> = roots.into_iter().map(|(n, d)| ratio(n, d)).collect();
        // A factor without real roots; degrees in the sequence may drop by more than 1.
        let mut factor = vec![ratio(0, 1); 2 * gap + 1];
        (factor[0], factor[2 * gap]) = (ratio(5, 1), ratio(2, 1));
        let simple = (&with_roots(&roots) * &Polynomial::new(factor)).square_free();
        let mut different = roots.clone();
        different.sort();
        different.dedup();
        let split = ratio(split, 2);
        let above = different.iter().filter(|x| **x > split).count();
        prop_assert_eq!(simple.roots_in(&split, None), above);
        let positive: Vec<_> = different.into_iter().filter(Signed::is_positive).collect();
        let found: Vec<_> = simple.positive_roots(40).iter().filter_map(|r| r.exact().cloned()).collect();
        prop_assert_eq!(found, positive);
    }

    #[test]
    fn ranges_hold_the_values(c in prop::collection::vec(-50i64..50, 1..7), low in 0i64..20, width in 1i64..20, at in 0i64..=8) {
        let p = Polynomial::from_integers(&c);
        let (low, high) = (ratio(low, 4), ratio(low + width, 4));
        let (least, most) = p.range(&low, &high);
        let value = p.at(&(&low + (&high - &low) * ratio(at, 8)));
        prop_assert!(least <= value && value <= most);
    }
}
