//! Lending whose repayments respond to how many are approved.

use super::Affine;
use crate::arithmetic::Field;
use crate::linear::Rows;
use crate::mdp::ModelError;

/// Which form of the loan problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoanForm {
    /// One state; actions 0 = approve, 1 = decline.
    Bandit,
    /// States 0 = applicant, 1 = repaid, 2 = default, 3 = none; from 0, approve
    /// (0) leads to 1 with probability `q(p)`, else to 2, decline (1) to 3; all
    /// return to 0.
    Mdp,
}

impl LoanForm {
    /// Number of states.
    pub fn n_states(self) -> usize {
        match self {
            Self::Bandit => 1,
            Self::Mdp => 4,
        }
    }
}

/// Approve with probability `p = pi(approve)`; the loan is repaid with
/// probability `q(p) = q0 - c p`, pays `gain` where it is and costs `loss` where
/// it is not. With `k = gain + loss`:
/// performative optimum `p = (k q0 - loss)/(2 k c)`, stable point twice that.
#[derive(Debug, Clone)]
pub struct Loan<T> {
    /// The form.
    pub form: LoanForm,
    /// Repayment probability when nobody is approved.
    pub q0: T,
    /// How fast it falls with approvals.
    pub c: T,
    /// Profit of a repaid loan.
    pub gain: T,
    /// Loss of a defaulted loan.
    pub loss: T,
}

impl<T: Field> Loan<T> {
    /// The problem as an affine environment: both forms are.
    ///
    /// # Errors
    /// [`ModelError`] never, for finite numbers.
    pub fn to_affine(&self) -> Result<Affine<T>, ModelError> {
        let (zero, one) = (T::zero, T::one);
        match self.form {
            LoanForm::Bandit => {
                let k = self.gain.clone() + &self.loss;
                let approve = k.clone() * &self.q0 - &self.loss;
                let slope = -(k * &self.c);
                let base = Rows::dense(1, vec![one(), one()])?;
                Affine::new(1, 2, base, vec![approve, zero()], vec![], vec![([0, 0, 0, 0], slope)])
            }
            LoanForm::Mdp => {
                let approve = vec![(1, self.q0.clone()), (2, one() - &self.q0)];
                let home = || vec![(0, one())];
                let rows = [approve, vec![(3, one())]].into_iter().chain((0..6).map(|_| home()));
                let (gain, loss) = (self.gain.clone(), -self.loss.clone());
                let rewards = vec![zero(), zero(), gain.clone(), gain, loss.clone(), loss, zero(), zero()];
                let slopes = vec![([0, 0, 1, 0, 0], -self.c.clone()), ([0, 0, 2, 0, 0], self.c.clone())];
                Affine::new(4, 2, Rows::sparse(4, rows)?, rewards, slopes, vec![])
            }
        }
    }

    /// The initial distribution: the only state, or the applicant's.
    pub fn initial(&self) -> Vec<T> {
        (0..self.form.n_states()).map(|s| if s == 0 { T::one() } else { T::zero() }).collect()
    }
}
