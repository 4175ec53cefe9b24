//! Small families of known curvature.

use num_traits::{One, Zero};
use pemdp::arithmetic::{Rational, ratio};

use crate::family::{Family, first_state};

pub(super) fn fractions(entries: &[i64]) -> Vec<Rational> {
    entries.iter().map(|&n| ratio(n, 1)).collect()
}

/// One state, `pi(a_0)` near `(1 - 1/sqrt 3)/2`, where `p (1-p) (1-2p)` is
/// largest.
pub(super) fn bandit() -> Family {
    let weights = vec![ratio(1, 1), ratio(362, 97)];
    Family::new(ratio(1, 2), first_state(1), weights, vec![0], fractions(&[1, 1]), fractions(&[1, 0]))
}

/// Equal rewards with opposite slopes and no curvature: only the cross term
/// acts.
pub(super) fn opposite_slopes() -> Family {
    Family { weights: fractions(&[1, 1]), amplitudes: fractions(&[1, -1]), ..two_rewards(&[0, 1]) }
}

/// Equal rewards with equal slopes, and curvatures that are nearly as large:
/// the cross term alone is too small.
pub(super) fn equal_curvatures() -> Family {
    Family { weights: vec![ratio(1, 1000); 2], amplitudes: fractions(&[1000, 1000]), ..two_rewards(&[0, 0]) }
}

pub(super) fn two_rewards(rewards: &[i64]) -> Family {
    Family::new(
        ratio(0, 1),
        first_state(1),
        fractions(&[1, 1]),
        vec![0],
        fractions(&[1, 1]),
        fractions(rewards),
    )
}

/// One action, a wide `psi`: what curves is the transition alone.
pub(super) fn steep() -> Family {
    let base = fractions(&[0, 1, 4, 0, 1, 0, 0, 0, 1]);
    Family::new(ratio(1, 2), first_state(3), fractions(&[1; 3]), vec![0, 0, 10], base, fractions(&[0, 0, 1]))
}

/// A wide `psi` and a rare reward: what is left of B in L5t acts.
pub(super) fn divided() -> Family {
    let base = fractions(&[4, 1, 1, 4, 1, 1, 1, 1]);
    let weights = vec![ratio(1, 4), ratio(1, 1), ratio(4, 1), ratio(1, 1)];
    Family::new(ratio(9, 10), first_state(2), weights, vec![-1, 1], base, fractions(&[0, 0, 0, 1]))
}

/// States in a row, actions to the left and to the right, rewards -1 in the left
/// and 1 in the right half. Its random tree is nearly always one of two, all
/// left or all right, with the odds `2 - sqrt 3` at which three times the
/// cumulant is largest: L5t is nearly attained.
pub(super) fn ladder(n: usize) -> Family {
    ladder_at(n, Rational::one() - ratio(1, 100_000_000))
}

pub(super) fn ladder_at(n: usize, gamma: Rational) -> Family {
    let (rare, odds) = (ratio(1, 100), ratio(26, 97));
    let mut base = vec![Rational::zero(); n * 2 * n];
    for s in 0..n {
        let mut step = |a: usize, to: usize, success: Rational| {
            let row = (s * 2 + a) * n;
            base[row + s] += Rational::one() - &success;
            base[row + to] += success;
        };
        let leaves_right = if s == 0 && n > 2 { rare.clone() } else { Rational::one() };
        let leaves_left = if s + 1 < n {
            Rational::one()
        } else if n > 2 {
            &rare * &odds
        } else {
            odds.clone()
        };
        step(0, s.saturating_sub(1), leaves_left);
        step(1, (s + 1).min(n - 1), leaves_right);
    }
    let mut weights = vec![Rational::one(); 2 * n];
    weights[0] = ratio(100, 1);
    weights[2 * n - 1] = ratio(100, 1);
    let rewards = (0..2 * n).map(|i| if i < n { ratio(-1, 1) } else { ratio(1, 1) }).collect();
    Family::new(gamma, first_state(n), weights, vec![0; n], base, rewards)
}
