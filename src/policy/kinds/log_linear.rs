//! Log-linear policies.

use super::softmax::softmax;
use super::{Kind, Of, Parametrised};
use crate::arithmetic::{Dual, Field, Transcendental};
use crate::distribution::ModelError;
use crate::policy::{Policy, check_shape};
use crate::problem::checker::{Checked, Checker};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::{Reader, positive_length};
use crate::problem::writer::Writer;

/// `pi(a|s)` proportional to `exp(features[s,a] . theta)`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLinear<N> {
    /// `features[s,a,k]` at `(s A + a) K + k`.
    pub features: Vec<N>,
    /// `theta[k]`.
    pub theta: Vec<N>,
}

impl<N> LogLinear<N> {
    pub(super) fn map<M>(&self, convert: impl Fn(&N) -> M) -> LogLinear<M> {
        let all = |numbers: &[N]| numbers.iter().map(&convert).collect();
        LogLinear { features: all(&self.features), theta: all(&self.theta) }
    }

    pub(super) fn n_parameters(&self) -> usize {
        self.theta.len()
    }
}

impl<T: Transcendental> Policy<T> {
    /// The policy with `pi(a|s)` proportional to `exp(features[s,a] . theta)`,
    /// `features` at `(s A + a) K + k`.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit.
    pub fn log_linear(
        n_states: usize,
        n_actions: usize,
        features: Vec<T>,
        theta: Vec<T>,
    ) -> Result<Self, ModelError> {
        if theta.is_empty() {
            return Err(ModelError::Empty { what: "K" });
        }
        Self::of_features(Of::all(n_states, n_actions), features, theta)
    }

    /// The same over the actions that a state has.
    fn of_features(of: Of<'_>, features: Vec<T>, theta: Vec<T>) -> Result<Self, ModelError> {
        check_shape("features", features.len(), of.n_states, of.n_actions * theta.len())?;
        let product = |row: &[T]| row.iter().zip(&theta).fold(T::zero(), |sum, (f, t)| sum + f.clone() * t);
        let logits: Vec<T> = features.chunks(theta.len()).map(product).collect();
        let (probabilities, logarithms) = softmax(of, &logits);
        let Of { n_states, n_actions, available } = of;
        let (available, parametrisation) = (available.to_vec(), LogLinear { features, theta }.into());
        Ok(Self { n_states, n_actions, probabilities, logarithms, available, parametrisation })
    }
}

impl<T: Field> Parametrised<T> for LogLinear<T> {
    type Dual = LogLinear<Dual<T>>;

    fn features(&self) -> Option<&[T]> {
        Some(&self.features)
    }

    fn along(&self, direction: &[T]) -> Self::Dual {
        let features = self.features.iter().cloned().map(Dual::constant).collect();
        LogLinear { features, theta: Dual::all(&self.theta, direction) }
    }

    fn parameters(&self) -> Vec<T> {
        self.theta.clone()
    }
}

impl Kind for LogLinear<Numeral> {
    const KIND: &'static str = "log-linear";
    const KEYS: &'static [Key] = &[
        Key::required("features", Form::KERNEL, "`features[s][a][k]`"),
        Key::required("theta", Form::Filled(&Form::NUMBER), "`theta[k]`"),
    ];
    const NOTES: &'static str = "$\\pi(a\\mid s)\\propto\\exp(\\text{features}[s][a]\\cdot\\theta)$";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let node = fields.required("theta")?;
        let parameters = positive_length(&node, "parameter")?;
        let theta = reader.numerals(&node, &[parameters])?;
        let shape = [reader.states(), reader.actions(), parameters];
        Ok(Self { features: reader.numerals(&fields.required(Self::TABLE)?, &shape)?, theta })
    }

    fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer) {
        file.array(Self::TABLE, &[n_states, n_actions, self.theta.len()], &self.features);
        file.array("theta", &[self.theta.len()], &self.theta);
    }

    fn check(&self, path: &str, checker: &mut Checker) -> Checked<()> {
        if self.theta.is_empty() {
            let problem = "has length 0, expected at least one parameter";
            return Err(InputError::new("policy.theta", problem));
        }
        let shape = [checker.n_states(), checker.n_actions(), self.theta.len()];
        checker.numbers("policy.theta", &self.theta, &shape[2..])?;
        checker.numbers(path, &self.features, &shape)
    }

    fn policy<T: Transcendental>(&self, of: Of<'_>) -> Result<Policy<T>, ModelError> {
        Policy::of_features(of, lift(&self.features), lift(&self.theta))
    }

    fn is_rational() -> bool {
        false
    }

    fn features(&self) -> Option<&[Numeral]> {
        Some(&self.features)
    }
}
