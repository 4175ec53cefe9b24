//! Exact decisions: square roots between fractions, definiteness by `L D L^T`.

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Field, Rational};

/// A real number between two fractions.
#[derive(Debug, Clone, PartialEq)]
pub struct Between {
    /// At most the number.
    pub low: Rational,
    /// At least the number.
    pub high: Rational,
}

impl Between {
    /// A fraction itself.
    pub fn exactly(q: Rational) -> Self {
        Self { low: q.clone(), high: q }
    }

    /// The square root of `q >= 0`, to about 40 digits; exact for squares.
    pub fn sqrt(q: &Rational) -> Self {
        let scale = BigInt::one() << 140u32;
        // sqrt(n/d) = sqrt(n d)/d
        let (n, d) = (q.numer(), q.denom());
        let product = n * d;
        let root = product.sqrt();
        if &root * &root == product {
            return Self::exactly(Rational::new(root, d.clone()));
        }
        let root = (product * &scale * &scale).sqrt();
        let denominator = d * scale;
        Self {
            low: Rational::new(root.clone(), denominator.clone()),
            high: Rational::new(root + BigInt::one(), denominator),
        }
    }

    /// The product with a fraction `q >= 0`.
    pub fn times(&self, q: &Rational) -> Self {
        Self { low: &self.low * q, high: &self.high * q }
    }

    /// The sum.
    pub fn plus(&self, other: &Self) -> Self {
        Self { low: &self.low + &other.low, high: &self.high + &other.high }
    }
}

/// The margin of `left <= right`: `(right - left)` over the larger absolute
/// value, negative exactly where the inequality is false; 1 where both sides are
/// 0, which says nothing; `None` where the enclosures overlap.
pub fn margin(left: &Between, right: &Between) -> Option<f64> {
    let scale = left.high.abs().max(right.high.abs());
    if scale.is_zero() {
        return Some(1.0);
    }
    let slack = if left.high <= right.low {
        &right.low - &left.high
    } else if left.low > right.high {
        &right.high - &left.low
    } else {
        return None;
    };
    let ratio = (slack / scale).approximate();
    // A violation too small for a double is one all the same.
    Some(if ratio == 0.0 && left.low > right.high { -f64::MIN_POSITIVE } else { ratio })
}

/// The margin of the equation `left = right` of vectors: 0 where it holds, else
/// minus the largest difference over the largest entry.
pub fn identity_margin(left: &[Rational], right: &[Rational]) -> f64 {
    if left == right {
        return 0.0;
    }
    let largest = |entries: &mut dyn Iterator<Item = Rational>| entries.max().unwrap_or_else(Rational::zero);
    let difference = largest(&mut left.iter().zip(right).map(|(l, r)| (l - r).abs()));
    let scale = largest(&mut left.iter().chain(right).map(Signed::abs));
    -(difference / scale).approximate().max(f64::MIN_POSITIVE)
}

/// Whether a symmetric matrix (`n x n`, row by row) is positive semidefinite.
pub fn is_semidefinite(n: usize, matrix: &[Rational]) -> bool {
    pivots(n, matrix).is_some()
}

/// The pivots of a positive semidefinite matrix: `L D L^T` without square roots,
/// a zero pivot only above a zero column. `None` for other matrices.
pub fn pivots(n: usize, matrix: &[Rational]) -> Option<Vec<Rational>> {
    let mut m = matrix.to_vec();
    for k in 0..n {
        let pivot = m[k * n + k].clone();
        if pivot.is_negative() {
            return None;
        }
        if pivot.is_zero() {
            if (k + 1..n).any(|i| !m[i * n + k].is_zero()) {
                return None;
            }
            continue;
        }
        for i in k + 1..n {
            let factor = &m[i * n + k] / &pivot;
            if factor.is_zero() {
                continue;
            }
            for j in i..n {
                let change = &factor * &m[j * n + k];
                m[j * n + i] -= change;
            }
        }
    }
    Some((0..n).map(|k| m[k * n + k].clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pemdp::arithmetic::ratio;

    #[test]
    fn square_roots_are_enclosed() {
        assert_eq!(Between::sqrt(&ratio(4, 9)), Between::exactly(ratio(2, 3)));
        let two = Between::sqrt(&ratio(2, 1));
        assert!(&two.low * &two.low < ratio(2, 1) && ratio(2, 1) < &two.high * &two.high);
        assert!((two.high - two.low).approximate() < 1e-40);
    }

    #[test]
    fn margins_have_the_sign_of_the_truth() {
        let at = |n| Between::exactly(ratio(n, 1));
        assert_eq!(margin(&at(1), &at(2)), Some(0.5));
        assert_eq!(margin(&at(2), &at(1)), Some(-0.5));
        assert_eq!(margin(&at(2), &at(2)), Some(0.0));
        let wide = Between { low: ratio(1, 1), high: ratio(3, 1) };
        assert_eq!(margin(&wide, &at(2)), None);
        assert_eq!(identity_margin(&[ratio(1, 2)], &[ratio(1, 2)]), 0.0);
        assert!(identity_margin(&[ratio(1, 2)], &[ratio(1, 3)]) < 0.0);
    }

    #[test]
    fn definiteness_is_decided() {
        let matrix = |entries: [i64; 9]| entries.map(|n| ratio(n, 1)).to_vec();
        assert!(is_semidefinite(3, &matrix([2, 1, 0, 1, 2, 1, 0, 1, 2])));
        assert!(is_semidefinite(3, &matrix([1, 1, 0, 1, 1, 0, 0, 0, 0])), "singular");
        assert!(!is_semidefinite(3, &matrix([1, 2, 0, 2, 1, 0, 0, 0, 1])));
        assert!(!is_semidefinite(3, &matrix([0, 1, 0, 1, 1, 0, 0, 0, 1])), "zero above a nonzero");
    }
}
