//! Softmax policies.

use super::{Kind, Parametrised};
use crate::arithmetic::{Dual, Field, Rational, Transcendental};
use crate::distribution::ModelError;
use crate::policy::{Policy, check_shape, shifted_exponentials};
use crate::problem::checker::{Checked, Checker};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
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
        check_shape("theta", logits.len(), n_states, n_actions)?;
        let (probabilities, logarithms) = softmax(n_actions, &logits);
        let parametrisation = Softmax { logits }.into();
        Ok(Self { n_states, n_actions, probabilities, logarithms, parametrisation })
    }
}

/// Softmax of rows of `width` logits, and its logarithms.
pub(super) fn softmax<T: Transcendental>(width: usize, logits: &[T]) -> (Vec<T>, Vec<Option<T>>) {
    let mut probabilities = Vec::with_capacity(logits.len());
    let mut logarithms = Vec::with_capacity(logits.len());
    for row in logits.chunks(width) {
        let (shifted, weights, total) = shifted_exponentials(row.iter());
        let log_total = total.ln();
        probabilities.extend(weights.into_iter().map(|w| w / &total));
        logarithms.extend(shifted.into_iter().map(|x| Some(x - &log_total)));
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
    const TABLE: &'static str = "logits";

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

    fn policy<T: Transcendental>(&self, n_states: usize, n_actions: usize) -> Result<Policy<T>, ModelError> {
        Policy::softmax(n_states, n_actions, lift(&self.logits))
    }

    fn is_rational() -> bool {
        false
    }

    fn exact_logit(&self, pair: usize) -> Option<Rational> {
        Some(self.logits[pair].exact())
    }
}
