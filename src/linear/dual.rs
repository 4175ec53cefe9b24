//! Dual numbers: differentiate the solution of a linear system.

use super::{Factorisation, Resolvent, SolveError};
use crate::arithmetic::{Dual, Field};

/// Solves `A x = b` for dual `A` and `b`: the value from `A`, the derivative
/// from `A dx = db - dA x`, both with one factorisation of the value of `A`.
pub struct DualFactorisation<T: Field> {
    resolvent: Resolvent<Dual<T>>,
    value: T::Factorisation,
}

impl<T: Field> DualFactorisation<T> {
    /// `dx` from `x`: `apply` multiplies by the dual matrix, whose product with
    /// the constant `x` has the derivative `dA x`.
    fn with_derivative(
        b: &[Dual<T>],
        x: Vec<T>,
        apply: impl Fn(&[Dual<T>]) -> Vec<Dual<T>>,
        solve: impl Fn(&[T]) -> Vec<T>,
    ) -> Vec<Dual<T>> {
        let constant: Vec<_> = x.iter().cloned().map(Dual::constant).collect();
        let product = apply(&constant);
        let rest: Vec<T> =
            b.iter().zip(product).map(|(b, product)| b.derivative.clone() - product.derivative).collect();
        x.into_iter().zip(solve(&rest)).map(|(value, derivative)| Dual { value, derivative }).collect()
    }
}

fn values<T: Field>(b: &[Dual<T>]) -> Vec<T> {
    b.iter().map(|b| b.value.clone()).collect()
}

impl<T: Field> Factorisation<Dual<T>> for DualFactorisation<T> {
    fn new(resolvent: Resolvent<Dual<T>>) -> Result<Self, SolveError> {
        let chain = resolvent.chain.map(|entry| entry.value.clone());
        let value = T::Factorisation::new(Resolvent { chain, gamma: resolvent.gamma.value.clone() })?;
        Ok(Self { resolvent, value })
    }

    fn solve(&self, b: &[Dual<T>]) -> Vec<Dual<T>> {
        let x = self.value.solve(&values(b));
        Self::with_derivative(b, x, |x| self.resolvent.apply(x), |b| self.value.solve(b))
    }

    fn solve_transposed(&self, b: &[Dual<T>]) -> Vec<Dual<T>> {
        let x = self.value.solve_transposed(&values(b));
        Self::with_derivative(
            b,
            x,
            |x| self.resolvent.apply_transposed(x),
            |b| self.value.solve_transposed(b),
        )
    }
}
