//! Lending whose repayments respond to how many are approved.

use num_traits::Signed;

use super::{Affine, AffineParts, AffineStructure, Given, Specification, Structure};
use crate::arithmetic::{Field, Rational};
use crate::linear::Rows;
use crate::mdp::ModelError;
use crate::problem::checker::{Checked, Checker, unexpected};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, Reading};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::Response;

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

    /// The initial distribution: the only state, or the applicant's.
    pub fn initial(self) -> Vec<f64> {
        (0..self.n_states()).map(|s| if s == 0 { 1.0 } else { 0.0 }).collect()
    }
}

/// Approve with probability `p = pi(approve)`; the loan is repaid with
/// probability `q(p) = q0 - c p`, pays `gain` where it is and costs `loss` where
/// it is not. With `k = gain + loss`:
/// performative optimum `p = (k q0 - loss)/(2 k c)`, stable point twice that, where
/// `0 < k q0 - loss < k c`.
#[derive(Debug, Clone)]
pub struct Loan<T> {
    /// The form.
    pub form: LoanForm,
    /// Repayment probability when nobody is approved.
    pub q0: T,
    /// How much it falls when everybody is approved.
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
}

/// The loan as given.
#[derive(Debug, Clone, PartialEq)]
pub struct LoanSpec {
    /// One state or four.
    pub form: LoanForm,
    /// The probability of repayment when nobody is approved.
    pub q0: Numeral,
    /// How much it falls when everybody is approved.
    pub c: Numeral,
    /// The reward of a repayment.
    pub gain: Numeral,
    /// The loss of a default.
    pub loss: Numeral,
}

impl LoanSpec {
    fn lifted<T: Field>(&self) -> Loan<T> {
        let Self { form, q0, c, gain, loss } = self;
        Loan { form: *form, q0: q0.lift(), c: c.lift(), gain: gain.lift(), loss: loss.lift() }
    }
}

/// Names of the forms in a file.
const FORMS: &[&str] = &["bandit", "mdp"];

impl Specification for LoanSpec {
    const KIND: &'static str = "loan";
    const KEYS: &'static [Key] = &[
        Key::required("form", Form::Word(FORMS), "`form` (`\"bandit\"` or `\"mdp\"`)"),
        Key::required("q0", Form::PROBABILITY, "`q0`, the probability of repayment when nobody is approved"),
        Key::required("c", Form::NUMBER, "`c`, how much it falls when everybody is"),
        Key::required("gain", Form::NUMBER, "`gain` of a repayment"),
        Key::required("loss", Form::NUMBER, "`loss` of a default"),
    ];
    const NOTES: &'static str = "action 0 approve, 1 decline";
    const HAS_INITIAL: bool = true;

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let form = match fields.required("form")?.choice(FORMS)? {
            "bandit" => LoanForm::Bandit,
            _ => LoanForm::Mdp,
        };
        let q0 = fields.required("q0")?.numeral(reader.reading)?;
        let c = fields.required("c")?.numeral(reader.reading)?;
        let gain = fields.required("gain")?.numeral(reader.reading)?;
        let loss = fields.required("loss")?.numeral(reader.reading)?;
        Ok(Self { form, q0, c, gain, loss })
    }

    fn write(&self, _given: Given<'_>, file: &mut Writer) {
        let form = match self.form {
            LoanForm::Bandit => "bandit",
            LoanForm::Mdp => "mdp",
        };
        file.text("form", form);
        file.number("q0", &self.q0);
        file.number("c", &self.c);
        file.number("gain", &self.gain);
        file.number("loss", &self.loss);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        checker.shape("this form of the loan", self.form.n_states(), 2)?;
        checker.probability("environment.q0", &[], &self.q0)?;
        checker.number("environment.c", &[], &self.c)?;
        let all_approved: Numeral = match checker.reading() {
            Reading::Doubles => (self.q0.approximate() - self.c.approximate()).into(),
            Reading::Exact => (self.q0.exact() - self.c.exact()).into(),
        };
        if all_approved.is_negative() || all_approved.compare(1.0).is_gt() {
            unexpected("environment.c", &[], &self.c, "q0 - c from 0 to 1")?;
        }
        checker.number("environment.gain", &[], &self.gain)?;
        checker.number("environment.loss", &[], &self.loss)
    }

    fn initial(&self) -> Option<Vec<Numeral>> {
        Some(self.form.initial().into_iter().map(Numeral::from).collect())
    }

    fn rational_response<T: Field>(
        &self,
        _given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        Ok(Some(Box::new(self.lifted().to_affine()?)))
    }

    fn structure(&self, _given: Given<'_>) -> Structure<'_> {
        Structure::Affine(self)
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        Some(Self { gain: self.gain.times(factor), loss: self.loss.times(factor), ..self.clone() })
    }

    fn responding_twice(&self) -> Option<Self> {
        Some(Self { c: self.c.doubled(), ..self.clone() })
    }

    fn summary(&self, show: &dyn Fn(&Numeral) -> String) -> String {
        let [q0, c, gain, loss] = [&self.q0, &self.c, &self.gain, &self.loss].map(show);
        format!("q0 {q0}, c {c}, gain {gain}, loss {loss}")
    }
}

/// The constant parts and slopes of either form.
impl AffineStructure for LoanSpec {
    fn parts(&self, _given: Given<'_>) -> Result<AffineParts, ModelError> {
        Ok(self.lifted::<Rational>().to_affine()?.into_parts())
    }

    fn largest_reward(&self) -> Rational {
        self.gain.exact().abs().max(self.loss.exact().abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loans_respond_twice_with_twice_the_effect() {
        let loan = |c: f64| LoanSpec {
            form: LoanForm::Mdp,
            q0: 0.75.into(),
            c: c.into(),
            gain: 2.0.into(),
            loss: 3.0.into(),
        };
        assert_eq!(loan(0.25).responding_twice(), Some(loan(0.5)));
    }
}
