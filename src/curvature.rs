//! Exact second derivatives of the performative value.
//!
//! The adjoint gradient in dual numbers at `theta + epsilon v` is
//! `grad J + epsilon H v`: forward differentiation of every linear solve, and of
//! the response with its followers, over the reverse form of [`crate::gradient`].
//! One product costs about as much as two or three gradients, whatever the number
//! of parameters. How large `H` can be: `docs/theory/curvature.md`.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use thiserror::Error;

use crate::arithmetic::{Dual, Field};
use crate::mdp::ModelError;
use crate::performative::{PerformanceError, PerformativeMdp};
use crate::policy::Policy;

/// Why there is no Hessian.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CurvatureError {
    /// The policy could not be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
    /// The gradient is infinite: a probability that is a parameter is 0 and there
    /// is entropy.
    #[error("dJ/dtheta[{index}] is infinite, expected a policy with positive probabilities")]
    InfiniteGradient {
        /// Which parameter.
        index: usize,
    },
}

impl From<ModelError> for CurvatureError {
    fn from(error: ModelError) -> Self {
        Self::Performance(error.into())
    }
}

/// `H v`, with `H[i,j] = d2J/dtheta_i dtheta_j` at the parameters of `policy`.
///
/// `environment` is the performative MDP in dual numbers, `entropy` the weight
/// `lambda` (then the policy needs [`Policy::with_logarithms`]). Where the response
/// has a kink, `H` is that of the smooth piece that its pullback belongs to.
///
/// # Errors
/// [`CurvatureError`] where the policy cannot be evaluated or the direction does
/// not fit.
///
/// ```
/// use pemdp::arithmetic::Dual;
/// use pemdp::curvature::hessian_product;
/// use pemdp::oracle::examples;
/// use pemdp::problem::{Problem, Reading};
/// // One state with J = 2 p (1/2 - p), at p = 1/2; the parameters are p and 1 - p.
/// let loan = examples::example("loan").unwrap().to_json();
/// let problem = Problem::from_json(&loan, Reading::Doubles)?;
/// let environment = problem.model::<Dual<f64>>()?;
/// let product = hessian_product(&environment, &problem.deployed_policy()?, &0.0, &[1.0, -1.0])?;
/// assert_eq!(product[0] - product[1], -4.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn hessian_product<T: Field>(
    environment: &PerformativeMdp<Dual<T>>,
    policy: &Policy<T>,
    entropy: &T,
    direction: &[T],
) -> Result<Vec<T>, CurvatureError> {
    let along = policy.along(direction)?;
    let performance = environment.perform_regularised(&along, &Dual::constant(entropy.clone()))?;
    let gradient = performance.gradient.total().into_iter().enumerate();
    gradient.map(|(index, g)| Ok(g.ok_or(CurvatureError::InfiniteGradient { index })?.derivative)).collect()
}

/// `H[i,j] = d2J/dtheta_i dtheta_j`, flat: a [`hessian_product`] for each unit
/// vector, on all cores. Symmetric up to rounding.
///
/// # Errors
/// As [`hessian_product`].
pub fn hessian<T: Field>(
    environment: &PerformativeMdp<Dual<T>>,
    policy: &Policy<T>,
    entropy: &T,
) -> Result<Vec<T>, CurvatureError> {
    let n = policy.n_parameters();
    let row = |i: usize| {
        let mut direction = vec![T::zero(); n];
        direction[i] = T::one();
        hessian_product(environment, policy, entropy, &direction)
    };
    let rows: Vec<Vec<T>> = (0..n).into_par_iter().map(row).collect::<Result<_, _>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// The eigenvalues of a Hessian, in increasing order, with unit eigenvectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// In increasing order.
    pub eigenvalues: Vec<f64>,
    /// Column `i` belongs to eigenvalue `i`.
    eigenvectors: DMatrix<f64>,
}

impl Spectrum {
    /// Of the symmetric part of an n x n matrix given by its rows. `None` where an
    /// entry is not finite.
    pub fn new(n: usize, entries: &[f64]) -> Option<Self> {
        if entries.len() != n * n || entries.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let matrix = DMatrix::from_row_slice(n, n, entries);
        let eigen = (0.5 * (&matrix + matrix.transpose())).symmetric_eigen();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
        let eigenvalues = order.iter().map(|&i| eigen.eigenvalues[i]).collect();
        Some(Self { eigenvalues, eigenvectors: eigen.eigenvectors.select_columns(&order) })
    }

    /// The largest absolute eigenvalue: the smoothness constant of the value at
    /// this point.
    pub fn largest_curvature(&self) -> f64 {
        self.eigenvalues.iter().fold(0.0, |largest, x| x.abs().max(largest))
    }

    /// Coefficients of a vector in the eigenvectors.
    pub fn coefficients(&self, vector: &[f64]) -> Vec<f64> {
        self.eigenvectors.tr_mul(&DVector::from_column_slice(vector)).as_slice().to_vec()
    }

    /// The vector with these coefficients.
    pub fn combination(&self, coefficients: &[f64]) -> Vec<f64> {
        (&self.eigenvectors * DVector::from_column_slice(coefficients)).as_slice().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Rational, ratio};
    use crate::environments::{Loan, LoanForm, RationalFamily};
    use crate::tolerances::{FORMULA, SUMS};

    /// `J = 2 p (1/2 - p)` with `p = pi(0)`: along `theta[0]`, `p' = p (1-p)` and
    /// `J'' = (1 - 4p) p'' - 4 p'^2` with `p'' = p' (1 - 2p)`.
    #[test]
    fn the_loans_curvature_is_that_of_its_parabola() {
        type D = Dual<Rational>;
        let c = |n, d| D::constant(ratio(n, d));
        let loan = Loan { form: LoanForm::Bandit, q0: c(3, 4), c: c(1, 2), gain: c(1, 1), loss: c(1, 1) };
        let initial = vec![c(1, 1)];
        let environment = PerformativeMdp {
            response: Box::new(loan.to_affine().unwrap()),
            initial,
            gamma: c(1, 2),
            entropy: c(0, 1),
            criterion: Default::default(),
        };
        for (w, v) in [(1, 1), (1, 2), (3, 5)] {
            let policy = Policy::weights(1, 2, vec![ratio(w, 1), ratio(v, 1)]).unwrap();
            let p = policy.probability(0, 0).clone();
            let slope = p.clone() * (ratio(1, 1) - &p);
            let second = slope.clone() * (ratio(1, 1) - ratio(2, 1) * &p);
            let expected = (ratio(1, 1) - ratio(4, 1) * &p) * second - ratio(4, 1) * &slope * &slope;
            let h = hessian(&environment, &policy, &ratio(0, 1)).unwrap();
            // Only theta[0] - theta[1] matters.
            assert_eq!(h, [expected.clone(), -expected.clone(), -expected.clone(), expected]);
        }
    }

    /// Two states, `P(.|s)` proportional to `(1, w[s])`, `theta = log w`: the
    /// derivatives of a rational function of `w`, with `d/dtheta = w d/dw`.
    #[test]
    fn second_derivatives_in_log_w_are_those_of_the_quotient() {
        type D = Dual<Rational>;
        let c = |n, d| D::constant(ratio(n, d));
        let family = RationalFamily::new(1, vec![0, 1], vec![c(1, 1); 4], vec![c(0, 1), c(1, 1)]).unwrap();
        let environment = PerformativeMdp {
            response: Box::new(family),
            initial: vec![c(1, 1), c(0, 1)],
            gamma: c(1, 2),
            entropy: c(0, 1),
            criterion: Default::default(),
        };
        // J = gamma x/((1 - gamma)(1 + gamma x - gamma y)), x = w0/(1+w0), y = w1/(1+w1).
        let value = |x: &Dual<D>, y: &Dual<D>| {
            let one = Dual::constant(c(1, 1));
            let half = Dual::constant(c(1, 2));
            let (x, y) = (x.clone() / (one.clone() + x), y.clone() / (one.clone() + y));
            x.clone() / (one + half.clone() * &x - half * &y)
        };
        let (w, seeds) = ([ratio(2, 1), ratio(3, 7)], [[1, 0], [0, 1]]);
        let policy = Policy::weights(2, 1, w.to_vec()).unwrap();
        let h = hessian(&environment, &policy, &ratio(0, 1)).unwrap();
        for i in 0..2 {
            for j in 0..2 {
                // w exp(e1 u + e2 v) = w (1 + e1 u)(1 + e2 v)
                let x = |k: usize| {
                    let inner = Dual::new(w[k].clone(), w[k].clone() * ratio(seeds[i][k], 1));
                    Dual::new(inner.clone(), inner * c(seeds[j][k], 1))
                };
                assert_eq!(h[2 * i + j], value(&x(0), &x(1)).derivative.derivative);
            }
        }
    }

    #[test]
    fn spectra_are_sorted_and_rebuild_the_matrix() {
        let entries = [2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, -4.0];
        let spectrum = Spectrum::new(3, &entries).unwrap();
        for (x, expected) in spectrum.eigenvalues.iter().zip([-4.0, 1.0, 3.0]) {
            assert!((x - expected).abs() < FORMULA);
        }
        assert!((spectrum.largest_curvature() - 4.0).abs() < FORMULA);
        let v = [0.3, -1.0, 2.0];
        let scaled: Vec<f64> =
            spectrum.coefficients(&v).iter().zip(&spectrum.eigenvalues).map(|(c, x)| c * x).collect();
        for (i, x) in spectrum.combination(&scaled).into_iter().enumerate() {
            let product: f64 = entries[3 * i..3 * i + 3].iter().zip(&v).map(|(m, v)| m * v).sum();
            assert!((x - product).abs() < SUMS);
        }
        assert!(Spectrum::new(1, &[f64::NAN]).is_none() && Spectrum::new(2, &[1.0]).is_none());
    }

    #[test]
    fn infinite_gradients_and_wrong_directions_are_refused() {
        let c = Dual::constant;
        let loan = Loan { form: LoanForm::Bandit, q0: c(0.75), c: c(0.5), gain: c(1.0), loss: c(1.0) };
        let environment = PerformativeMdp {
            response: Box::new(loan.to_affine().unwrap()),
            initial: vec![c(1.0)],
            gamma: c(0.5),
            entropy: c(0.0),
            criterion: Default::default(),
        };
        let policy = Policy::probabilities(1, 2, vec![1.0, 0.0]).unwrap().with_logarithms();
        assert!(hessian(&environment, &policy, &0.0).is_ok());
        let error = hessian(&environment, &policy, &1.0).unwrap_err();
        assert_eq!(error, CurvatureError::InfiniteGradient { index: 1 });
        let error = hessian_product(&environment, &policy, &0.0, &[1.0]).unwrap_err();
        assert_eq!(error.to_string(), "direction has 1 entries, expected 2");
    }
}
