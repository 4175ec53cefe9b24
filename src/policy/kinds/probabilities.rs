//! Policies whose probabilities are themselves the parameters.

use super::{Kind, Of, Parametrised};
use crate::arithmetic::{Dual, Field, Transcendental};
use crate::distribution::{ModelError, check_distribution};
use crate::policy::{Policy, check_shape};
use crate::problem::checker::{Checked, Checker, unexpected};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Form, Key};
use crate::problem::numeral::{Numeral, lift};
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;

/// The parameters are the entries of `pi` themselves, unconstrained.
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities<N> {
    /// `pi(a|s)` at `s A + a`.
    pub values: Vec<N>,
}

impl<N> Probabilities<N> {
    pub(super) fn map<M>(&self, convert: impl Fn(&N) -> M) -> Probabilities<M> {
        Probabilities { values: self.values.iter().map(convert).collect() }
    }

    pub(super) fn n_parameters(&self) -> usize {
        self.values.len()
    }
}

impl<T: Field> Policy<T> {
    /// The policy with the given probabilities, which are its parameters.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit or a row that is not a
    /// distribution.
    pub fn probabilities(n_states: usize, n_actions: usize, values: Vec<T>) -> Result<Self, ModelError> {
        Self::of_distributions(Of::all(n_states, n_actions), values)
    }

    /// The same over the actions that a state has, if it has any.
    fn of_distributions(of: Of<'_>, values: Vec<T>) -> Result<Self, ModelError> {
        let Of { n_states, n_actions, .. } = of;
        check_shape("pi", values.len(), n_states, n_actions)?;
        for (s, row) in values.chunks(n_actions).enumerate() {
            if (0..n_actions).any(|a| of.has(s * n_actions + a)) {
                check_distribution("pi", s, row)?;
            }
        }
        Ok(Self::of_probabilities(of, values))
    }

    /// The uniform policy, with its probabilities as parameters.
    pub fn uniform(n_states: usize, n_actions: usize) -> Self {
        let probabilities = vec![T::from_ratio(1, n_actions as i64); n_states * n_actions];
        Self::of_probabilities(Of::all(n_states, n_actions), probabilities)
    }

    /// The policy that takes `choice[s] < n_actions` in state `s`, with its
    /// probabilities as parameters.
    pub fn deterministic(n_actions: usize, choice: &[usize]) -> Self {
        let indicator = |a: usize, taken: usize| if a == taken { T::one() } else { T::zero() };
        let row = |&taken: &usize| (0..n_actions).map(move |a| indicator(a, taken));
        Self::of_probabilities(Of::all(choice.len(), n_actions), choice.iter().flat_map(row).collect())
    }

    fn of_probabilities(of: Of<'_>, probabilities: Vec<T>) -> Self {
        let Of { n_states, n_actions, available } = of;
        let parametrisation = Probabilities { values: probabilities.clone() }.into();
        let (logarithms, available) = (Vec::new(), available.to_vec());
        Self { n_states, n_actions, probabilities, logarithms, available, parametrisation }
    }
}

impl<T: Field> Parametrised<T> for Probabilities<T> {
    type Dual = Probabilities<Dual<T>>;

    const IS_NORMALISED: bool = false;

    fn along(&self, direction: &[T]) -> Self::Dual {
        Probabilities { values: Dual::all(&self.values, direction) }
    }

    fn parameters(&self) -> Vec<T>
    where
        T: Transcendental,
    {
        self.values.clone()
    }
}

impl Kind for Probabilities<Numeral> {
    const KIND: &'static str = "probabilities";
    const KEYS: &'static [Key] =
        &[Key::required("values", Form::Pairs(&Form::NOT_NEGATIVE), "`values[s][a]`")];
    const NOTES: &'static str = "$\\theta=\\pi$, unconstrained partial derivatives, no projection";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        Ok(Self { values: reader.table(&fields.required(Self::TABLE)?)? })
    }

    fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer) {
        file.array(Self::TABLE, &[n_states, n_actions], &self.values);
    }

    fn check(&self, path: &str, checker: &mut Checker) -> Checked<()> {
        checker.length(path, self.values.len(), checker.n_states() * checker.n_actions())?;
        let mut largest = 0.0_f64;
        let width = checker.n_actions();
        for (s, row) in self.values.chunks(width).enumerate() {
            let is_absent = |a: &usize| !checker.action_sets().is_available(s * width + a);
            if let Some(a) = (0..width).filter(is_absent).find(|&a| !row[a].is_zero()) {
                unexpected(path, &[s, a], &row[a], "0, the state does not have the action")?;
            }
            // A terminal state need not have an action.
            if !(0..width).all(|a| is_absent(&a)) {
                largest = largest.max(checker.distribution(path, &[s], row)?);
            }
        }
        checker.note_policy_rows(largest);
        Ok(())
    }

    fn rational<T: Field>(&self, of: Of<'_>) -> Result<Option<Policy<T>>, ModelError> {
        Policy::of_distributions(of, lift(&self.values)).map(Some)
    }

    fn is_rational() -> bool {
        true
    }
}
