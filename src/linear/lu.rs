//! Doubles: one LU factorisation with row pivoting, by size and sparsity.

use faer::linalg::solvers::{PartialPivLu, SolveCore};
use faer::sparse::linalg::solvers::Lu as FaerSparseLu;
use faer::sparse::{SparseColMat, Triplet};
use nalgebra::{DMatrix, DVector, Dyn, PermutationSequence};

use super::{Approximate, Factorisation, Resolvent, SolveError};
use crate::arithmetic::Field;

/// Below this many states nalgebra's LU is the fastest.
const SMALL: usize = 32;
/// From this many states on, sparse chains are factorised sparse.
const LARGE: usize = 256;
/// A chain counts as sparse where at most one entry in this many is stored.
const SPARSE: usize = 8;

/// An LU factorisation of `I - gamma P` in doubles.
pub struct Lu(Kind);

enum Kind {
    Small { lu: DMatrix<f64>, rows: PermutationSequence<Dyn> },
    Dense(PartialPivLu<f64>),
    Sparse(FaerSparseLu<usize, f64>),
}

impl Factorisation<f64> for Lu {
    fn new(resolvent: Resolvent<f64>) -> Result<Self, SolveError> {
        let n = resolvent.n_states();
        let (chain, gamma) = (resolvent.chain(), *resolvent.gamma());
        let singular = SolveError::Singular { states: n };
        if n >= LARGE && chain.is_sparse() && chain.n_stored() * SPARSE <= n * n {
            let off = (0..n).flat_map(|s| chain.row(s).map(move |(t, p)| Triplet::new(s, t, -gamma * p)));
            let identity = (0..n).map(|s| Triplet::new(s, s, 1.0));
            let entries: Vec<_> = off.chain(identity).collect(); // repeated entries are added up
            let matrix = SparseColMat::try_new_from_triplets(n, n, &entries).map_err(|_| singular.clone())?;
            return Ok(Self(Kind::Sparse(matrix.sp_lu().map_err(|_| singular)?)));
        }
        if n < SMALL {
            let mut matrix = DMatrix::identity(n, n);
            for s in 0..n {
                for (t, p) in chain.row(s) {
                    matrix[(s, t)] -= gamma * p;
                }
            }
            let (rows, lower, upper) = matrix.lu().unpack();
            if upper.diagonal().iter().any(|pivot| *pivot == 0.0) {
                return Err(singular);
            }
            let lu = lower - DMatrix::identity(n, n) + upper;
            return Ok(Self(Kind::Small { lu, rows }));
        }
        let mut matrix = faer::Mat::<f64>::identity(n, n);
        for s in 0..n {
            for (t, p) in chain.row(s) {
                matrix[(s, t)] -= gamma * p;
            }
        }
        Ok(Self(Kind::Dense(matrix.partial_piv_lu())))
    }

    fn solve(&self, b: &[f64]) -> Vec<f64> {
        match &self.0 {
            Kind::Small { lu, rows } => {
                let mut x = DVector::from_column_slice(b);
                rows.permute_rows(&mut x);
                lu.solve_lower_triangular_with_diag_mut(&mut x, 1.0);
                lu.solve_upper_triangular_mut(&mut x);
                x.as_slice().to_vec()
            }
            Kind::Dense(lu) => in_place(b, |x| lu.solve_in_place_with_conj(faer::Conj::No, x)),
            Kind::Sparse(lu) => in_place(b, |x| lu.solve_in_place_with_conj(faer::Conj::No, x)),
        }
    }

    fn solve_transposed(&self, b: &[f64]) -> Vec<f64> {
        match &self.0 {
            Kind::Small { lu, rows } => {
                // (Q L U)^T x = b: U^T y = b, L^T z = y, x = Q z.
                let mut x = DVector::from_column_slice(b);
                lu.tr_solve_upper_triangular_mut(&mut x);
                solve_unit_lower_transposed(lu, x.as_mut_slice());
                rows.inv_permute_rows(&mut x);
                x.as_slice().to_vec()
            }
            Kind::Dense(lu) => in_place(b, |x| lu.solve_transpose_in_place_with_conj(faer::Conj::No, x)),
            Kind::Sparse(lu) => in_place(b, |x| lu.solve_transpose_in_place_with_conj(faer::Conj::No, x)),
        }
    }
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
    for i in (0..x.len()).rev() {
        for j in i + 1..x.len() {
            x[i] -= lu[(j, i)] * x[j];
        }
    }
}

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
        for (n, sparse) in
            [(1, false), (2, false), (31, false), (32, false), (100, true), (300, true), (300, false)]
        {
            let resolvent = Resolvent::new(ring(n, sparse), 0.95).unwrap();
            let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let lu = Lu::new(resolvent.clone()).unwrap();
            let back = resolvent.apply(&lu.solve(&b));
            let back_transposed = resolvent.apply_transposed(&lu.solve_transposed(&b));
            for i in 0..n {
                assert_relative_eq!(back[i], b[i], epsilon = 1e-13);
                assert_relative_eq!(back_transposed[i], b[i], epsilon = 1e-12);
            }
            let expected = match (n, sparse) {
                (0..32, _) => "small",
                (256.., true) => "sparse",
                _ => "dense",
            };
            let kind = match lu.0 {
                Kind::Small { .. } => "small",
                Kind::Dense(_) => "dense",
                Kind::Sparse(_) => "sparse",
            };
            assert_eq!(kind, expected, "{n} states");
        }
    }

    #[test]
    fn a_chain_that_does_not_contract_is_refused() {
        let error = Resolvent::new(ring(3, false), 1.0).unwrap_err();
        assert!(matches!(error, SolveError::NotContracting { product } if (product - 1.0).abs() < 1e-12));
        let growing = Rows::dense(1, vec![-1.5]).unwrap();
        assert!(Resolvent::new(growing, 0.9).is_err());
    }
}
