//! Spectral norms of symmetric matrices against a bound.

use nalgebra::DMatrix;
use num_traits::{Signed, Zero};
use pemdp::arithmetic::{Field, Rational};

use crate::exact::{Between, is_semidefinite};
use crate::survey::Outcome;

/// Binary digits that are kept of the largest entry: enough to decide all but
/// near ties, few enough to keep `L D L^T` cheap.
const DIGITS: i32 = 44;
/// The same of the entries of a direction.
const DIRECTION_DIGITS: i32 = 20;

/// A symmetric matrix up to an error: `centre`, in short fractions, plus a
/// symmetric matrix of spectral norm at most `error`.
#[derive(Debug, Clone)]
pub struct Symmetric {
    n: usize,
    centre: Vec<Rational>,
    error: Rational,
}

impl Symmetric {
    /// The matrix with the given entries, `n x n`, row by row: fractions,
    /// intervals or balls. Where entry `(i, j)` and entry `(j, i)` enclose the
    /// same number with different precision, the better is taken. `None` where
    /// an entry is not bounded.
    pub fn new<T: Field>(n: usize, entries: &[T]) -> Option<Self> {
        let largest = entries.iter().map(|x| x.approximate().abs()).fold(0.0, f64::max);
        if !largest.is_finite() {
            return None;
        }
        let unit = if largest < 1e-280 { 1.0 } else { 2f64.powi(largest.log2().floor() as i32 - DIGITS) };
        let mut centre = vec![Rational::zero(); n * n];
        // Row sums of the errors bound their spectral norm.
        let mut rows = vec![Rational::zero(); n];
        for i in 0..n {
            for j in 0..=i {
                let near = |x: &T| {
                    let near = (x.approximate() / unit).round() * unit;
                    let rest = x.clone() - T::from_f64(near);
                    (near, if rest.is_zero() { 0.0 } else { rest.magnitude() })
                };
                let (one, other) = (near(&entries[i * n + j]), near(&entries[j * n + i]));
                let (middle, error) = if one.1 <= other.1 { one } else { other };
                if !error.is_finite() {
                    return None;
                }
                centre[i * n + j] = Rational::from_f64(middle);
                centre[j * n + i] = Rational::from_f64(middle);
                rows[i] += Rational::from_f64(error);
                if i != j {
                    rows[j] += Rational::from_f64(error);
                }
            }
        }
        Some(Self { n, centre, error: rows.into_iter().max().unwrap_or_else(Rational::zero) })
    }

    /// The spectral norm in doubles, and a direction that nearly attains it.
    pub fn norm(&self) -> (f64, Vec<f64>) {
        norm(self.n, &self.centre.iter().map(Field::approximate).collect::<Vec<_>>())
    }

    /// About the largest spectral norm of the matrices: for display and for
    /// choosing, never part of a bound.
    pub fn reach(&self) -> f64 {
        self.norm().0 + self.error.approximate()
    }

    /// An upper bound of the spectral norm by row sums.
    fn row_sums(&self) -> Rational {
        let sum = |row: &[Rational]| row.iter().fold(self.error.clone(), |sum, x| sum + x.abs());
        self.centre.chunks(self.n.max(1)).map(sum).max().unwrap_or_else(|| self.error.clone())
    }

    /// Whether `-bound <= M <= bound` for each of the matrices, as quadratic
    /// forms: by row sums, else by `L D L^T` in fractions.
    pub fn is_within(&self, bound: &Rational) -> bool {
        if self.row_sums() <= *bound {
            return true;
        }
        let slack = bound - &self.error;
        let shifted = |sign: i64| {
            let mut m: Vec<Rational> =
                self.centre.iter().map(|x| x * Rational::from_integer(sign.into())).collect();
            (0..self.n).for_each(|i| m[i * self.n + i] += &slack);
            is_semidefinite(self.n, &m)
        };
        shifted(1) && shifted(-1)
    }

    /// Whether `|u M u| > bound |u|^2` for each of the matrices, in fractions.
    pub fn exceeds_along(&self, direction: &[f64], bound: &Rational) -> bool {
        let (form, square) = self.form_along(direction);
        form.abs() > (bound + &self.error) * square
    }

    /// The sign of the eigenvalue of largest absolute value, where it is decided
    /// for each of the matrices.
    pub fn extreme_sign(&self) -> Option<i64> {
        let (form, square) = self.form_along(&self.norm().1);
        (form.abs() > &self.error * square).then(|| if form.is_positive() { 1 } else { -1 })
    }

    /// `u M u` at the centre and `|u|^2` for a direction near the given one.
    fn form_along(&self, direction: &[f64]) -> (Rational, Rational) {
        let scale = 2f64.powi(DIRECTION_DIGITS);
        let u: Vec<Rational> = direction.iter().map(|x| Rational::from_f64((x * scale).round())).collect();
        let square = u.iter().fold(Rational::zero(), |sum, x| sum + x * x);
        let form = self.centre.chunks(self.n.max(1)).zip(&u).fold(Rational::zero(), |sum, (row, x)| {
            sum + row.iter().zip(&u).fold(Rational::zero(), |sum, (m, y)| sum + m * y) * x
        });
        (form, square)
    }

    /// The statement "the spectral norm is at most `bound`": its margin has the
    /// size that doubles give and the sign that fractions decide.
    pub fn at_most(&self, bound: &Between) -> Outcome {
        let (size, direction) = self.norm();
        let high = bound.high.approximate();
        if self.is_within(&bound.low) {
            // 0 <= 0 says nothing.
            return Outcome::Decided(if high > 0.0 { (1.0 - size / high).max(0.0) } else { 1.0 });
        }
        if self.exceeds_along(&direction, &bound.high) {
            return Outcome::Decided((high / size - 1.0).min(-f64::MIN_POSITIVE));
        }
        Outcome::Undecided
    }
}

/// The spectral norm of a symmetric matrix in doubles with a direction that
/// nearly attains it.
pub fn norm(n: usize, entries: &[f64]) -> (f64, Vec<f64>) {
    if n == 0 || entries.iter().any(|x| !x.is_finite()) {
        return (f64::NAN, vec![0.0; n]);
    }
    let eigen = DMatrix::from_row_slice(n, n, entries).symmetric_eigen();
    let k = (0..n).max_by(|&i, &j| eigen.eigenvalues[i].abs().total_cmp(&eigen.eigenvalues[j].abs()));
    let k = k.unwrap_or(0);
    (eigen.eigenvalues[k].abs(), eigen.eigenvectors.column(k).iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::SOLVED;
    use pemdp::arithmetic::{Interval, ratio};

    /// Eigenvalues 1/3 (2 +- 1) and, beside them, -1/3.
    fn thirds(sign: i64) -> Symmetric {
        let entries = [2, 1, 0, 1, 2, 0, 0, 0, -1].map(|n| ratio(sign * n, 3));
        Symmetric::new(3, &entries).unwrap()
    }

    #[test]
    fn norms_are_decided_from_both_sides() {
        for sign in [1, -1] {
            let matrix = thirds(sign);
            assert!((matrix.norm().0 - 1.0).abs() < SOLVED);
            let at = |n: i64, d: i64| matrix.at_most(&Between::exactly(ratio(n, d)));
            assert!(matches!(at(2, 1), Outcome::Decided(m) if (m - 0.5).abs() < SOLVED));
            assert!(matches!(at(1, 2), Outcome::Decided(m) if (m + 0.5).abs() < SOLVED));
            assert!(matches!(at(1_000_000_001, 1_000_000_000), Outcome::Decided(m) if m >= 0.0));
            assert!(matches!(at(999_999_999, 1_000_000_000), Outcome::Decided(m) if m < 0.0));
            // Thirds are not short: a tie is not decided.
            assert_eq!(at(1, 1), Outcome::Undecided);
        }
    }

    #[test]
    fn one_large_eigenvalue_of_either_sign_is_seen() {
        for entries in [[3, 0, 0, 1], [-3, 0, 0, 1], [0, 3, 3, 0]] {
            let matrix = Symmetric::new(2, &entries.map(|n| ratio(n, 1))).unwrap();
            assert_eq!(matrix.at_most(&Between::exactly(ratio(3, 1))), Outcome::Decided(0.0));
            assert!(matrix.at_most(&Between::exactly(ratio(299, 100))).is_violation());
        }
    }

    #[test]
    fn widths_count_against_either_decision() {
        let wide = |r: f64| Interval::new(1.0 - r, 1.0 + r).unwrap();
        let matrix = |r: f64| Symmetric::new(2, &[wide(r), wide(r), wide(1.0), wide(r)]).unwrap();
        let at = |r: f64, n: i64, d: i64| matrix(r).at_most(&Between::exactly(ratio(n, d)));
        // All ones has norm 2; with radii 1/4 it lies in [1.5, 2.5].
        assert!(matches!(at(0.25, 5, 2), Outcome::Decided(m) if m >= 0.0));
        assert_eq!(at(0.25, 9, 4), Outcome::Undecided);
        assert_eq!(at(0.25, 7, 4), Outcome::Undecided);
        assert!(at(0.25, 7, 5).is_violation());
        assert!(Symmetric::new(1, &[Interval::ENTIRE]).is_none());
    }

    #[test]
    fn nothing_is_within_nothing() {
        let zero = Symmetric::new(2, &[0, 0, 0, 0].map(|n| ratio(n, 1))).unwrap();
        assert_eq!(zero.at_most(&Between::exactly(ratio(0, 1))), Outcome::Decided(1.0));
        let tiny = Symmetric::new(1, &[ratio(1, 1 << 60)]).unwrap();
        assert!(tiny.at_most(&Between::exactly(ratio(0, 1))).is_violation());
    }
}
