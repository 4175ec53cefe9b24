//! Policies of weights.

use num_traits::Zero;

use super::{Kind, Of, Parametrised};
use crate::arithmetic::{Dual, Field, Rational, Transcendental};
use crate::distribution::ModelError;
use crate::policy::{Policy, check_shape};
use crate::problem::checker::{Checked, Checker, unexpected};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;

/// `pi(a|s)` proportional to `w[s,a]`; the parameters are `theta = log w`.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights<N> {
    /// `w[s,a]` at `s A + a`, positive.
    pub values: Vec<N>,
}

impl<N> Weights<N> {
    pub(super) fn map<M>(&self, convert: impl Fn(&N) -> M) -> Weights<M> {
        Weights { values: self.values.iter().map(convert).collect() }
    }

    pub(super) fn n_parameters(&self) -> usize {
        self.values.len()
    }
}

impl<T: Field> Policy<T> {
    /// The policy with weights `w[s,a] > 0`: `pi(a|s) = w[s,a] / sum_b w[s,b]`,
    /// parameters `theta = log w`. Rational where the weights are.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit or a weight that is not
    /// positive.
    pub fn weights(n_states: usize, n_actions: usize, values: Vec<T>) -> Result<Self, ModelError> {
        Self::of_weights(Of::all(n_states, n_actions), values)
    }

    /// The same over the actions that a state has; the others have the weight 0.
    fn of_weights(of: Of<'_>, mut values: Vec<T>) -> Result<Self, ModelError> {
        let Of { n_states, n_actions, available } = of;
        check_shape("w", values.len(), n_states, n_actions)?;
        for (index, w) in values.iter_mut().enumerate() {
            if !of.has(index) {
                *w = T::zero();
            } else if !w.certainly_positive() {
                return Err(ModelError::NegativeEntry { what: "w", index, value: w.approximate() });
            }
        }
        let mut probabilities = Vec::with_capacity(values.len());
        for row in values.chunks(n_actions) {
            let (scaled, total) = scaled_weights(row);
            let share = |w: T| if w.is_zero() { w } else { w / &total };
            probabilities.extend(scaled.into_iter().map(share));
        }
        let (logarithms, available) = (Vec::new(), available.to_vec());
        let parametrisation = Weights { values }.into();
        Ok(Self { n_states, n_actions, probabilities, logarithms, available, parametrisation })
    }
}

/// Weights over a power of two near the largest, so that no sum overflows and no
/// quotient of large ones underflows, and their sum.
fn scaled_weights<T: Field>(row: &[T]) -> (Vec<T>, T) {
    let largest = row.iter().map(|w| w.approximate()).fold(0.0, f64::max);
    // 2^-e for the exponent e of the largest, within the normal doubles; 1 where there is none.
    let exponent = if largest > 0.0 { (largest.to_bits() >> 52).clamp(1, 2045) } else { 1023 };
    let scale = T::from_f64(f64::from_bits((2046 - exponent) << 52));
    let scaled: Vec<T> = row.iter().map(|w| w.clone() * &scale).collect();
    let total = scaled.iter().fold(T::zero(), |sum, w| sum + w);
    (scaled, total)
}

impl<T: Field> Parametrised<T> for Weights<T> {
    type Dual = Weights<Dual<T>>;

    fn along(&self, direction: &[T]) -> Self::Dual {
        let slopes: Vec<T> = self.values.iter().zip(direction).map(|(w, v)| w.clone() * v).collect();
        Weights { values: Dual::all(&self.values, &slopes) }
    }

    fn parameters(&self) -> Vec<T>
    where
        T: Transcendental,
    {
        self.values.iter().map(|w| if w.is_zero() { T::zero() } else { w.ln() }).collect()
    }

    /// `log w - log sum w` stays finite where the quotient underflows.
    fn logarithms(&self, n_actions: usize, _probabilities: &[T]) -> Vec<Option<T>>
    where
        T: Transcendental,
    {
        let of_row = |row: &[T]| {
            let (scaled, total) = scaled_weights(row);
            let total = total.ln();
            // Actions that a state does not have weigh 0.
            let logarithm = |w: T| (!w.is_zero()).then(|| w.ln() - &total);
            scaled.into_iter().map(logarithm).collect::<Vec<_>>()
        };
        self.values.chunks(n_actions).flat_map(of_row).collect()
    }
}

impl Kind for Weights<Numeral> {
    const KIND: &'static str = "weights";
    const KEYS: &'static [Key] = &[Key::required("values", Form::TABLE, "`values[s][a]` > 0")];
    const NOTES: &'static str = "$\\pi=w/\\sum_bw$, $\\theta=\\log w$: softmax written rationally";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        Ok(Self { values: reader.table(&fields.required(Self::TABLE)?)? })
    }

    fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer) {
        file.array(Self::TABLE, &[n_states, n_actions], &self.values);
    }

    fn check(&self, path: &str, checker: &mut Checker) -> Checked<()> {
        let shape = [checker.n_states(), checker.n_actions()];
        checker.each(path, &self.values, &shape, |index, weight| {
            if !checker.action_sets().is_available(index[0] * checker.n_actions() + index[1]) {
                return Ok(());
            }
            checker.number(path, index, weight)?;
            let is_positive = weight.sign().is_gt();
            if is_positive { Ok(()) } else { unexpected(path, index, weight, "a weight greater than 0") }
        })
    }

    fn rational<T: Field>(&self, of: Of<'_>) -> Result<Option<Policy<T>>, ModelError> {
        Policy::of_weights(of, lift(&self.values)).map(Some)
    }

    fn is_rational() -> bool {
        true
    }

    /// A logarithm, which is rational at `w = 1` only.
    fn exact_logit(&self, pair: usize) -> Option<Rational> {
        (self.values[pair] == Numeral::from(1.0)).then(Rational::zero)
    }
}
