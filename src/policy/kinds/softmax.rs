//! Softmax policies.

use super::{Kind, Of, Parametrised};
use crate::arithmetic::{Dual, Field, Rational, Transcendental};
use crate::distribution::ModelError;
use crate::policy::{Policy, check_shape, shifted_exponentials};
use crate::problem::checker::{Checked, Checker};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;

/// `pi(a|s)` proportional to `exp theta[s,a]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax<N> {
    /// `theta[s,a]` at `s A + a`.
    pub logits: Vec<N>,
}

impl<N> Softmax<N> {
    pub(super) fn map<M>(&self, convert: impl Fn(&N) -> M) -> Softmax<M> {
        Softmax { logits: self.logits.iter().map(convert).collect() }
    }

    pub(super) fn n_parameters(&self) -> usize {
        self.logits.len()
    }
}

impl<T: Transcendental> Policy<T> {
    /// The softmax policy with logits `theta[s,a]` at `s A + a`. Logits of any
    /// size: probabilities may underflow to 0, their logarithms stay finite.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit.
    ///
    /// ```
    /// use pemdp::policy::Policy;
    /// let policy = Policy::softmax(1, 2, vec![0.0, 3f64.ln()])?;
    /// assert!((policy.probability(0, 1) - 0.75).abs() < 1e-15);
    /// # Ok::<(), pemdp::mdp::ModelError>(())
    /// ```
    pub fn softmax(n_states: usize, n_actions: usize, logits: Vec<T>) -> Result<Self, ModelError> {
        Self::of_softmax(Of::all(n_states, n_actions), logits)
    }

    /// The same over the actions that a state has.
    fn of_softmax(of: Of<'_>, logits: Vec<T>) -> Result<Self, ModelError> {
        check_shape("theta", logits.len(), of.n_states, of.n_actions)?;
        let (probabilities, logarithms) = softmax(of, &logits);
        let Of { n_states, n_actions, available } = of;
        let (available, parametrisation) = (available.to_vec(), Softmax { logits }.into());
        Ok(Self { n_states, n_actions, probabilities, logarithms, available, parametrisation })
    }
}

/// Softmax over the actions that a state has, and its logarithms.
pub(super) fn softmax<T: Transcendental>(of: Of<'_>, logits: &[T]) -> (Vec<T>, Vec<Option<T>>) {
    let mut probabilities = vec![T::zero(); logits.len()];
    let mut logarithms = vec![None; logits.len()];
    for first in (0..logits.len()).step_by(of.n_actions) {
        let of_state = (first..first + of.n_actions).filter(|&i| of.has(i));
        let (shifted, weights, total) = shifted_exponentials(of_state.clone().map(|i| &logits[i]));
        let log_total = total.ln();
        for (i, (x, weight)) in of_state.zip(shifted.into_iter().zip(weights)) {
            probabilities[i] = weight / &total;
            logarithms[i] = Some(x - &log_total);
        }
    }
    (probabilities, logarithms)
}

impl<T: Field> Parametrised<T> for Softmax<T> {
    type Dual = Softmax<Dual<T>>;

    fn along(&self, direction: &[T]) -> Self::Dual {
        Softmax { logits: Dual::all(&self.logits, direction) }
    }

    fn parameters(&self) -> Vec<T> {
        self.logits.clone()
    }
}

impl Kind for Softmax<Numeral> {
    const KIND: &'static str = "softmax";
    const KEYS: &'static [Key] = &[Key::required("logits", Form::TABLE, "`logits[s][a]`")];
    const NOTES: &'static str = "$\\theta$ = logits";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        Ok(Self { logits: reader.table(&fields.required(Self::TABLE)?)? })
    }

    fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer) {
        file.array(Self::TABLE, &[n_states, n_actions], &self.logits);
    }

    fn check(&self, path: &str, checker: &mut Checker) -> Checked<()> {
        checker.table(path, &self.logits)
    }

    fn policy<T: Transcendental>(&self, of: Of<'_>) -> Result<Policy<T>, ModelError> {
        Policy::of_softmax(of, lift(&self.logits))
    }

    fn is_rational() -> bool {
        false
    }

    fn exact_logit(&self, pair: usize) -> Option<Rational> {
        Some(self.logits[pair].exact())
    }
}
