//! Gauss's elimination in any enclosing arithmetic, on centres.

use super::{Approximate, Enclosure, Resolvent, SolveError};

/// A triangular factorisation of `I - gamma P` at the centres. The matrix is
/// strictly diagonally dominant by rows, so no pivoting is needed.
pub struct Elimination<T> {
    n: usize,
    /// `L` below the diagonal, which is 1, and `U`, row by row.
    factors: Vec<T>,
}

impl<T: Enclosure> Approximate<T> for Elimination<T> {
    fn near(resolvent: &Resolvent<T>) -> Result<Self, SolveError> {
        let n = resolvent.n_states();
        let gamma = resolvent.gamma().centre();
        let mut factors = vec![T::zero(); n * n];
        for s in 0..n {
            factors[s * n + s] = T::one();
            for (t, p) in resolvent.chain().row(s) {
                factors[s * n + t] = (factors[s * n + t].clone() - p.centre() * &gamma).centre();
            }
        }
        for k in 0..n {
            let (above, below) = factors.split_at_mut((k + 1) * n);
            let pivot = &above[k * n..];
            if pivot[k].sign().is_none_or(std::cmp::Ordering::is_eq) {
                return Err(SolveError::Singular { states: n });
            }
            for row in below.chunks_mut(n).filter(|row| !row[k].is_zero()) {
                let factor = (row[k].clone() / &pivot[k]).centre();
                for (x, y) in row[k + 1..].iter_mut().zip(&pivot[k + 1..]).filter(|(_, y)| !y.is_zero()) {
                    *x = (x.clone() - factor.clone() * y).centre();
                }
                row[k] = factor;
            }
        }
        Ok(Self { n, factors })
    }

    fn solve_near(&self, b: &[T]) -> Vec<T> {
        let mut x: Vec<T> = b.iter().map(T::centre).collect();
        for s in 1..self.n {
            x[s] = self.reduced(&x, s, 0..s, false);
        }
        for s in (0..self.n).rev() {
            x[s] = (self.reduced(&x, s, s + 1..self.n, false) / &self.factors[s * self.n + s]).centre();
        }
        x
    }

    fn solve_transposed_near(&self, b: &[T]) -> Vec<T> {
        let mut x: Vec<T> = b.iter().map(T::centre).collect();
        for s in 0..self.n {
            x[s] = (self.reduced(&x, s, 0..s, true) / &self.factors[s * self.n + s]).centre();
        }
        for s in (0..self.n).rev() {
            x[s] = self.reduced(&x, s, s + 1..self.n, true);
        }
        x
    }
}

impl<T: Enclosure> Elimination<T> {
    /// `x[s]` less the products of row `s` of the factors, or of its column, with
    /// other entries of `x`.
    fn reduced(&self, x: &[T], s: usize, others: std::ops::Range<usize>, transposed: bool) -> T {
        let entry = |t: usize| &self.factors[if transposed { t * self.n + s } else { s * self.n + t }];
        let terms = others.filter(|&t| !entry(t).is_zero());
        terms.fold(x[s].clone(), |rest, t| (rest - x[t].clone() * entry(t)).centre())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{BigBall, Field, Rational};
    use crate::linear::{Factorisation, Rows};

    /// `P[s,t]`, some of it 0, with rows that sum to 1 at most.
    fn entry<T: Field>(s: usize, t: usize) -> T {
        match (s * 5 + t * 3) % 7 {
            0 => T::zero(),
            k => T::from_ratio(k as i64, 28),
        }
    }

    fn resolvent<T: Field>(n: usize) -> Resolvent<T> {
        let chain = (0..n * n).map(|i| entry(i / n, i % n)).collect();
        Resolvent::new(Rows::dense(n, chain).unwrap(), T::from_ratio(9, 10)).unwrap()
    }

    /// One solution by elimination is right to nearly all bits, without refinement.
    #[test]
    fn solutions_are_near_the_exact_ones() {
        for n in [1, 2, 5, 7] {
            let near = Elimination::<BigBall>::near(&resolvent(n)).unwrap();
            let exact = <Rational as Field>::Factorisation::new(resolvent::<Rational>(n)).unwrap();
            let right = |s: usize| (s * s) as i64 - 3;
            let b: Vec<Rational> = (0..n).map(|s| Rational::from_ratio(right(s), 1)).collect();
            let sets: Vec<BigBall> = (0..n).map(|s| BigBall::from_integer(right(s))).collect();
            let (solutions, transposed) = (near.solve_near(&sets), near.solve_transposed_near(&sets));
            let (truths, transposed_truths) = (exact.solve(&b), exact.solve_transposed(&b));
            assert_eq!((solutions.len(), transposed.len()), (n, n));
            let pairs = solutions.iter().zip(&truths).chain(transposed.iter().zip(&transposed_truths));
            for (x, truth) in pairs {
                assert!((x.clone() - BigBall::from_rational(truth)).magnitude() < 1e-70, "{n}: {x:?}");
            }
        }
    }
}
