//! Doubles: one LU factorisation with row pivoting, by size and sparsity.
//!
//! Dense systems are factorised by halves of their columns, so that most of the work is
//! products of matrices; sparse ones within their envelope where that is small, and with
//! the feature `sparse` the large ones by `faer`.

#[cfg(feature = "sparse")]
use faer::linalg::solvers::SolveCore;
#[cfg(feature = "sparse")]
use faer::sparse::linalg::solvers::Lu as FaerSparseLu;
#[cfg(feature = "sparse")]
use faer::sparse::{SparseColMat, Triplet};
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector, Dyn, PermutationSequence};

use super::product::dot;
use super::skyline::Skyline;
use super::{Approximate, Factorisation, Resolvent, SolveError};
use crate::arithmetic::Field;

/// Columns that are eliminated one by one.
const BLOCK: usize = 16;
/// From this many states on, by halves of columns.
const HALVED: usize = 32;
/// From this many states on, sparse chains are factorised sparse.
#[cfg(feature = "sparse")]
const LARGE: usize = 256;
/// A chain counts as sparse where at most one entry in this many is stored.
#[cfg(feature = "sparse")]
const SPARSE: usize = 8;

/// An LU factorisation of `I - gamma P` in doubles.
pub struct Lu(Factors);

enum Factors {
    Dense {
        lu: DMatrix<f64>,
        rows: PermutationSequence<Dyn>,
    },
    Skyline(Skyline),
    #[cfg(feature = "sparse")]
    Sparse(FaerSparseLu<usize, f64>),
}

impl Factorisation<f64> for Lu {
    fn new(resolvent: Resolvent<f64>) -> Result<Self, SolveError> {
        let n = resolvent.n_states();
        let (chain, gamma) = (resolvent.chain(), *resolvent.gamma());
        let singular = SolveError::Singular { states: n };
        #[cfg(feature = "sparse")]
        if n >= LARGE && chain.is_sparse() && chain.n_stored() * SPARSE <= n * n {
            let off = (0..n).flat_map(|s| chain.row(s).map(move |(t, p)| Triplet::new(s, t, -gamma * p)));
            let identity = (0..n).map(|s| Triplet::new(s, s, 1.0));
            let entries: Vec<_> = off.chain(identity).collect(); // repeated entries are added up
            let matrix = SparseColMat::try_new_from_triplets(n, n, &entries).map_err(|_| singular.clone())?;
            return Ok(Self(Factors::Sparse(matrix.sp_lu().map_err(|_| singular)?)));
        }
        if let Some(skyline) = Skyline::new(chain, gamma) {
            return Ok(Self(Factors::Skyline(skyline)));
        }
        let mut matrix = DMatrix::identity(n, n);
        for s in 0..n {
            for (t, p) in chain.row(s) {
                matrix[(s, t)] -= gamma * p;
            }
        }
        let (lu, rows) = if n < HALVED { at_once(matrix) } else { by_halves(matrix) }.ok_or(singular)?;
        Ok(Self(Factors::Dense { lu, rows }))
    }

    fn solve(&self, b: &[f64]) -> Vec<f64> {
        match &self.0 {
            Factors::Dense { lu, rows } => {
                let mut x = DVector::from_column_slice(b);
                rows.permute_rows(&mut x);
                lu.solve_lower_triangular_with_diag_mut(&mut x, 1.0);
                lu.solve_upper_triangular_mut(&mut x);
                x.as_slice().to_vec()
            }
            Factors::Skyline(lu) => lu.solve(b),
            #[cfg(feature = "sparse")]
            Factors::Sparse(lu) => in_place(b, |x| lu.solve_in_place_with_conj(faer::Conj::No, x)),
        }
    }

    fn solve_transposed(&self, b: &[f64]) -> Vec<f64> {
        match &self.0 {
            Factors::Dense { lu, rows } => {
                // (Q L U)^T x = b: U^T y = b, L^T z = y, x = Q z.
                let mut x = DVector::from_column_slice(b);
                lu.tr_solve_upper_triangular_mut(&mut x);
                solve_unit_lower_transposed(lu, x.as_mut_slice());
                rows.inv_permute_rows(&mut x);
                x.as_slice().to_vec()
            }
            Factors::Skyline(lu) => lu.solve_transposed(b),
            #[cfg(feature = "sparse")]
            Factors::Sparse(lu) => in_place(b, |x| lu.solve_transpose_in_place_with_conj(faer::Conj::No, x)),
        }
    }
}

/// `Q A = L U`, `L` below the diagonal of 1s. `None` where a pivot is 0.
fn at_once(matrix: DMatrix<f64>) -> Option<(DMatrix<f64>, PermutationSequence<Dyn>)> {
    let n = matrix.nrows();
    let (rows, lower, upper) = matrix.lu().unpack();
    let is_singular = upper.diagonal().iter().any(|pivot| *pivot == 0.0);
    (!is_singular).then(|| (lower - DMatrix::identity(n, n) + upper, rows))
}

/// The same in place, by halves: what the left columns take away from the right ones is a
/// product of matrices.
fn by_halves(mut a: DMatrix<f64>) -> Option<(DMatrix<f64>, PermutationSequence<Dyn>)> {
    let n = a.nrows();
    let mut rows = PermutationSequence::identity_generic(Dyn(n));
    eliminate(&mut a, 0, n, &mut rows)?;
    Some((a, rows))
}

/// Eliminates the columns from `first` to `end`, from which all before them is subtracted
/// already.
fn eliminate(
    a: &mut DMatrix<f64>,
    first: usize,
    end: usize,
    rows: &mut PermutationSequence<Dyn>,
) -> Option<()> {
    if end - first <= BLOCK {
        return (first..end).try_for_each(|k| eliminate_column(a, k, end, rows));
    }
    let middle = first + (end - first) / 2;
    eliminate(a, first, middle, rows)?;
    let (left, mut right) = a.columns_range_pair_mut(first..middle, middle..end);
    let (mut beside, mut rest) = right.rows_range_pair_mut(first..middle, middle..);
    solve_unit_lower(left.rows_range(first..middle), &mut beside);
    rest.gemm(-1.0, &left.rows_range(middle..), &beside, 1.0);
    eliminate(a, middle, end, rows)
}

/// Eliminates one column, and subtracts it from those up to `end`: each is contiguous.
fn eliminate_column(
    a: &mut DMatrix<f64>,
    k: usize,
    end: usize,
    rows: &mut PermutationSequence<Dyn>,
) -> Option<()> {
    let n = a.nrows();
    let pivot = k + a.column(k).rows_range(k..).icamax();
    if a[(pivot, k)] == 0.0 {
        return None;
    }
    if pivot != k {
        a.swap_rows(k, pivot);
        rows.append_permutation(k, pivot);
    }
    let scale = a[(k, k)];
    let (done, rest) = a.as_mut_slice().split_at_mut((k + 1) * n);
    let multipliers = &mut done[k * n + k + 1..];
    multipliers.iter_mut().for_each(|x| *x /= scale);
    for column in rest.chunks_exact_mut(n).take(end - k - 1) {
        let factor = column[k];
        for (x, multiplier) in column[k + 1..].iter_mut().zip(&*multipliers) {
            *x -= factor * multiplier;
        }
    }
    Some(())
}

/// `b` becomes the solution of `L x = b`, `L` the lower triangle with 1s on the diagonal.
fn solve_unit_lower(lower: DMatrixView<'_, f64>, b: &mut DMatrixViewMut<'_, f64>) {
    let n = lower.nrows();
    if n <= BLOCK {
        lower.solve_lower_triangular_with_diag_mut(b, 1.0);
        return;
    }
    let (mut above, mut below) = b.rows_range_pair_mut(..n / 2, n / 2..);
    solve_unit_lower(lower.view((0, 0), (n / 2, n / 2)), &mut above);
    below.gemm(-1.0, &lower.view((n / 2, 0), (n - n / 2, n / 2)), &above, 1.0);
    solve_unit_lower(lower.view((n / 2, n / 2), (n - n / 2, n - n / 2)), &mut below);
}

/// Systems near the centres, in doubles.
impl<T: Field> Approximate<T> for Lu {
    fn near(resolvent: &Resolvent<T>) -> Result<Self, SolveError> {
        let (chain, gamma) = (resolvent.chain.map(T::approximate), resolvent.gamma.approximate());
        Factorisation::new(Resolvent { chain, gamma })
    }

    fn solve_near(&self, b: &[T]) -> Vec<T> {
        Factorisation::solve(self, &approximate(b)).into_iter().map(T::from_f64).collect()
    }

    fn solve_transposed_near(&self, b: &[T]) -> Vec<T> {
        Factorisation::solve_transposed(self, &approximate(b)).into_iter().map(T::from_f64).collect()
    }
}

fn approximate<T: Field>(b: &[T]) -> Vec<f64> {
    b.iter().map(T::approximate).collect()
}

/// Back substitution with the transpose of the unit lower triangle of `lu`,
/// which nalgebra has only for a stored diagonal.
fn solve_unit_lower_transposed(lu: &DMatrix<f64>, x: &mut [f64]) {
    let n = x.len();
    for i in (0..n).rev() {
        let below = &lu.as_slice()[i * n + i + 1..(i + 1) * n];
        x[i] -= dot(below, &x[i + 1..]);
    }
}

#[cfg(feature = "sparse")]
fn in_place(b: &[f64], solve: impl FnOnce(faer::MatMut<'_, f64>)) -> Vec<f64> {
    let mut x = b.to_vec();
    let n = x.len();
    solve(faer::MatMut::from_column_major_slice_mut(&mut x, n, 1));
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Rows;
    use crate::tolerances::{DIFFERENTIATED, SOLVED, SUMS};
    use approx::assert_relative_eq;

    /// A chain that moves on a ring with skips, sparse or dense.
    fn ring(n: usize, sparse: bool) -> Rows<f64> {
        let row = |s: usize| {
            let p = 0.2 + 0.6 * (s as f64 / n as f64);
            [((s + 1) % n, p), ((s * 7 + 3) % n, 0.75 - 0.75 * p), (s, 0.25 - 0.25 * p)]
        };
        let rows = Rows::sparse(n, (0..n).map(row)).unwrap();
        if sparse {
            return rows;
        }
        let dense = (0..n * n).map(|i| rows.entry(i / n, i % n)).collect();
        Rows::dense(n, dense).unwrap()
    }

    #[test]
    fn every_kind_solves_both_systems() {
        for (n, sparse) in [
            (1, false),
            (2, false),
            (31, false),
            (32, false),
            (33, false),
            (100, true),
            (300, true),
            (300, false),
        ] {
            let resolvent = Resolvent::new(ring(n, sparse), 0.95).unwrap();
            let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let lu = Lu::new(resolvent.clone()).unwrap();
            let back = resolvent.apply(&lu.solve(&b));
            let back_transposed = resolvent.apply_transposed(&lu.solve_transposed(&b));
            for i in 0..n {
                assert_relative_eq!(back[i], b[i], epsilon = SUMS);
                assert_relative_eq!(back_transposed[i], b[i], epsilon = SOLVED);
            }
            #[cfg(feature = "sparse")]
            assert_eq!(matches!(lu.0, Factors::Sparse(_)), sparse && n >= LARGE, "{n} states");
        }
    }

    #[test]
    fn factors_are_those_of_the_permuted_matrix() {
        // Rows in an order that pivots across blocks; and a matrix without a pivot.
        for n in [1, 5, 32, 33, 70, 129] {
            let entry = |i: usize, j: usize| ((i * 31 + j * 17 + i * j % 7) % 23) as f64 - 11.0;
            let matrix =
                DMatrix::from_fn(n, n, |i, j| entry(i, j) + if (i * 5 + 3) % n == j { 40.0 } else { 0.0 });
            let Some((lu, rows)) = by_halves(matrix.clone()) else { panic!("{n}: singular") };
            let lower = DMatrix::from_fn(n, n, |i, j| if i > j { lu[(i, j)] } else { f64::from(i == j) });
            assert!(lower.iter().all(|x| x.abs() <= 1.0));
            let mut permuted = matrix;
            rows.permute_rows(&mut permuted);
            assert_relative_eq!(lower * lu.upper_triangle(), permuted, epsilon = DIFFERENTIATED);
        }
        let mut singular = DMatrix::identity(40, 40);
        singular[(35, 35)] = 0.0;
        assert!(by_halves(singular).is_none());
    }

    #[test]
    fn a_chain_that_does_not_contract_is_refused() {
        let error = Resolvent::new(ring(3, false), 1.0).unwrap_err();
        assert_eq!(error, SolveError::NeverEnds { states: vec![0, 1, 2] });
        let error = Resolvent::new(ring(3, false), 1.25).unwrap_err();
        assert!(matches!(error, SolveError::NotContracting { product } if (product - 1.25).abs() < SOLVED));
        let growing = Rows::dense(1, vec![-1.5]).unwrap();
        assert!(Resolvent::new(growing, 0.9).is_err());
    }
}
