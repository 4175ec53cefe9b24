//! What the parameters of a policy may be, one file each: the data as given, the keys
//! and checks, and how logits depend on the parameters.
//!
//! A new kind is a file here that implements [`Kind`] and [`Parametrised`], and a line
//! in the list below.

mod log_linear;
mod probabilities;
mod softmax;
mod weights;

pub use log_linear::LogLinear;
pub use probabilities::Probabilities;
pub use softmax::Softmax;
pub use weights::Weights;

use super::{Policy, has};
use crate::arithmetic::{Dual, Field, Rational, Transcendental};
use crate::distribution::ModelError;
use crate::problem::checker::{Checked, Checker, PolicyShape};
#[cfg(feature = "json")]
use crate::problem::json::Fields;
use crate::problem::keys::{Key, Variant};
use crate::problem::numeral::Numeral;
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;

/// The states and actions that a policy is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub n_states: usize,
    pub n_actions: usize,
    /// Whether a state has an action, `[s,a]`; empty where each has all.
    pub available: &'a [bool],
}

impl Of<'_> {
    /// All actions in each state.
    pub fn all(n_states: usize, n_actions: usize) -> Self {
        Self { n_states, n_actions, available: &[] }
    }

    /// Whether a state has the action of a pair `s A + a`.
    pub fn has(&self, pair: usize) -> bool {
        has(self.available, pair)
    }
}

/// A kind of policy as it is given, in exact numbers.
pub(crate) trait Kind: Sized {
    /// The name in a file.
    const KIND: &'static str;

    /// The keys in a file, but for `kind`. The first is that of the table with a row for each
    /// state and an entry for each action.
    const KEYS: &'static [Key];

    /// The last cell of the table of policies in `docs/oracle.md`.
    const NOTES: &'static str;

    /// The key of that table.
    const TABLE: &'static str = Self::KEYS[0].name;

    /// Reads the data: keys, types and shapes.
    ///
    /// # Errors
    /// What the format forbids, with the path to it.
    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self>;

    /// Writes the data, so that they can be read again.
    fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer);

    /// Checks shapes and ranges, of the table at `path`.
    ///
    /// # Errors
    /// What is out of range, with the path to it.
    fn check(&self, path: &str, checker: &mut Checker) -> Checked<()>;

    /// The policy where it takes only the four operations; `None` where it takes
    /// exponentials.
    ///
    /// # Errors
    /// [`ModelError`] for parts that do not fit, which checked data never have.
    fn rational<T: Field>(&self, of: Of<'_>) -> Result<Option<Policy<T>>, ModelError> {
        let _ = of;
        Ok(None)
    }

    /// The policy.
    ///
    /// # Errors
    /// As [`Kind::rational`].
    fn policy<T: Transcendental>(&self, of: Of<'_>) -> Result<Policy<T>, ModelError> {
        self.rational(of)?.ok_or(ModelError::Empty { what: "the policy" })
    }

    /// Whether probabilities take only the four operations.
    fn is_rational() -> bool;

    /// `features[s,a,k]` at `(s A + a) K + k` where the logits are `features[s,a] . theta`;
    /// `None` where there is a parameter for each state and action.
    fn features(&self) -> Option<&[Numeral]> {
        None
    }

    /// The logit `theta[s,a]` at `s A + a` where it is the parameter itself and known to
    /// be rational.
    fn exact_logit(&self, pair: usize) -> Option<Rational> {
        let _ = pair;
        None
    }
}

/// The parameters of a policy in one arithmetic.
///
/// Unless the probabilities are themselves the parameters, `pi(a|s)` is proportional to
/// `exp logits[s,a]`, and what has a default is so where the logits are linear in the
/// parameters.
pub(crate) trait Parametrised<T: Field> {
    /// The same kind with dual numbers.
    type Dual: Into<Parametrisation<Dual<T>>>;

    /// Whether the rows sum to 1 whatever the parameters are.
    const IS_NORMALISED: bool = true;

    /// `features[s,a,k]` at `(s A + a) K + k` where `logits[s,a] = features[s,a] . theta`;
    /// `None` where there is a parameter for each state and action.
    fn features(&self) -> Option<&[T]> {
        None
    }

    /// The parameters at `theta + epsilon direction`.
    fn along(&self, direction: &[T]) -> Self::Dual;

    /// The parameters.
    fn parameters(&self) -> Vec<T>
    where
        T: Transcendental;

    /// `log pi(a|s)` from the probabilities, `None` where one is 0.
    fn logarithms(&self, n_actions: usize, probabilities: &[T]) -> Vec<Option<T>>
    where
        T: Transcendental,
    {
        let _ = n_actions;
        probabilities.iter().map(|pi| (!pi.is_zero()).then(|| pi.ln())).collect()
    }

    /// The slopes of the logits in a direction of the parameters.
    fn logit_slopes(&self, direction: &[T]) -> Vec<T> {
        match self.features() {
            None => direction.to_vec(),
            Some(features) => {
                let product = |row: &[T]| T::sum_of_products(row.iter().zip(direction));
                features.chunks(direction.len()).map(product).collect()
            }
        }
    }

    /// The cotangent of the parameters from that of the logits.
    fn logit_pullback(&self, cotangent: Vec<T>) -> Vec<T> {
        let Some(features) = self.features() else { return cotangent };
        let n_parameters = features.len() / cotangent.len();
        let mut result = vec![T::zero(); n_parameters];
        for (features, logit) in features.chunks(n_parameters).zip(&cotangent) {
            for (result, feature) in result.iter_mut().zip(features) {
                *result += feature.clone() * logit;
            }
        }
        result
    }
}

/// Makes of the list of kinds whatever has an entry for each.
macro_rules! kinds {
    ($($kind:ident,)+) => {
        /// What the parameters of a policy are, with numbers `N` of an arithmetic or
        /// exact ones as given.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Parametrisation<N> {
            $(#[doc = concat!("[`", stringify!($kind), "`]")] $kind($kind<N>),)+
        }

        $(impl<N> From<$kind<N>> for Parametrisation<N> {
            fn from(parameters: $kind<N>) -> Self {
                Self::$kind(parameters)
            }
        })+

        impl<N> Parametrisation<N> {
            /// The number of parameters.
            pub fn n_parameters(&self) -> usize {
                match self { $(Self::$kind(parameters) => parameters.n_parameters(),)+ }
            }

            /// The same with every number converted.
            pub fn map<M>(&self, convert: impl Fn(&N) -> M) -> Parametrisation<M> {
                match self { $(Self::$kind(parameters) => parameters.map(convert).into(),)+ }
            }
        }

        impl<T: Field> Parametrisation<T> {
            pub(super) fn is_normalised(&self) -> bool {
                match self { $(Self::$kind(_) => <$kind<T> as Parametrised<T>>::IS_NORMALISED,)+ }
            }

            pub(super) fn features(&self) -> Option<&[T]> {
                match self { $(Self::$kind(parameters) => Parametrised::features(parameters),)+ }
            }

            pub(super) fn along(&self, direction: &[T]) -> Parametrisation<Dual<T>> {
                match self { $(Self::$kind(parameters) => parameters.along(direction).into(),)+ }
            }

            pub(super) fn logit_slopes(&self, direction: &[T]) -> Vec<T> {
                match self { $(Self::$kind(parameters) => parameters.logit_slopes(direction),)+ }
            }

            pub(super) fn logit_pullback(&self, cotangent: Vec<T>) -> Vec<T> {
                match self { $(Self::$kind(parameters) => parameters.logit_pullback(cotangent),)+ }
            }
        }

        impl<T: Transcendental> Parametrisation<T> {
            pub(super) fn parameters(&self) -> Vec<T> {
                match self { $(Self::$kind(parameters) => parameters.parameters(),)+ }
            }

            pub(super) fn logarithms(&self, n_actions: usize, probabilities: &[T]) -> Vec<Option<T>> {
                match self { $(Self::$kind(parameters) => parameters.logarithms(n_actions, probabilities),)+ }
            }
        }

        impl PolicySpec {
            /// The names of the kinds in a file.
            pub const KINDS: &'static [&'static str] = &[$(<$kind<Numeral> as Kind>::KIND,)+];

            /// The kinds in a file, in the order of the list.
            pub const VARIANTS: &'static [Variant] = &[$(Variant {
                kind: <$kind<Numeral> as Kind>::KIND,
                keys: <$kind<Numeral> as Kind>::KEYS,
                notes: <$kind<Numeral> as Kind>::NOTES,
            },)+];

            /// The name of the kind in a file.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => <$kind<Numeral> as Kind>::KIND,)+ }
            }

            /// The key of the table with a row for each state, of a kind.
            #[cfg(feature = "json")]
            pub(crate) fn table_key(kind: &str) -> &'static str {
                $(if kind == <$kind<Numeral> as Kind>::KIND {
                    return <$kind<Numeral> as Kind>::TABLE;
                })+
                ""
            }

            /// The path to that table.
            pub(crate) fn table_path(&self) -> String {
                let key = match self { $(Self::$kind(_) => <$kind<Numeral> as Kind>::TABLE,)+ };
                format!("policy.{key}")
            }

            #[cfg(feature = "json")]
            pub(crate) fn check_keys(kind: &str, fields: &Fields<'_>) -> Checked<()> {
                $(if kind == <$kind<Numeral> as Kind>::KIND {
                    return fields.only_beside_kind(<$kind<Numeral> as Kind>::KEYS);
                })+
                Ok(())
            }

            #[cfg(feature = "json")]
            pub(crate) fn read(kind: &str, fields: &Fields<'_>, reader: &Reader) -> Checked<Option<Self>> {
                $(if kind == <$kind<Numeral> as Kind>::KIND {
                    return Ok(Some(<$kind<Numeral> as Kind>::read(fields, reader)?.into()));
                })+
                Ok(None)
            }

            pub(crate) fn write(&self, n_states: usize, n_actions: usize, file: &mut Writer) {
                file.text("kind", self.kind());
                match self { $(Self::$kind(parameters) => parameters.write(n_states, n_actions, file),)+ }
            }

            pub(crate) fn check(&self, checker: &mut Checker) -> Checked<()> {
                let path = &self.table_path();
                match self { $(Self::$kind(parameters) => parameters.check(path, checker),)+ }
            }

            pub(crate) fn policy<T: Transcendental>(&self, of: Of<'_>) -> Result<Policy<T>, ModelError> {
                match self { $(Self::$kind(parameters) => Kind::policy(parameters, of),)+ }
            }

            pub(crate) fn rational<T: Field>(&self, of: Of<'_>) -> Result<Option<Policy<T>>, ModelError> {
                match self { $(Self::$kind(parameters) => parameters.rational(of),)+ }
            }

            /// `features[s,a,k]` at `(s A + a) K + k` where the logits are
            /// `features[s,a] . theta`; `None` where there is a parameter for each state and
            /// action.
            pub fn features(&self) -> Option<&[Numeral]> {
                match self { $(Self::$kind(parameters) => Kind::features(parameters),)+ }
            }

            /// Whether the parameters are the probabilities themselves, so that rows sum to 1
            /// for some parameters only.
            pub fn is_unconstrained(&self) -> bool {
                match self { $(Self::$kind(_) => !<$kind<f64> as Parametrised<f64>>::IS_NORMALISED,)+ }
            }

            /// Whether `pi` takes only the four operations.
            pub fn is_rational(&self) -> bool {
                match self { $(Self::$kind(_) => <$kind<Numeral> as Kind>::is_rational(),)+ }
            }

            pub(crate) fn exact_logit(&self, pair: usize) -> Option<Rational> {
                match self { $(Self::$kind(parameters) => parameters.exact_logit(pair),)+ }
            }
        }
    };
}

/// A policy as given. Flat arrays have the last index fastest.
pub type PolicySpec = Parametrisation<Numeral>;

impl PolicySpec {
    /// What environments may ask of it before its numbers are checked.
    pub(crate) fn shape(&self) -> PolicyShape {
        PolicyShape {
            kind: self.kind(),
            path: self.table_path(),
            n_parameters: self.n_parameters(),
            is_local: self.features().is_none() && !self.is_unconstrained(),
            is_normalised: !self.is_unconstrained(),
        }
    }
}

kinds! {
    Softmax,
    LogLinear,
    Weights,
    Probabilities,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::ratio;

    fn numbers(values: &[f64]) -> Vec<Numeral> {
        values.iter().copied().map(Numeral::from).collect()
    }

    #[test]
    fn logits_are_exact_where_they_are_rational() {
        let softmax: PolicySpec = Softmax { logits: numbers(&[0.5, 2.0]) }.into();
        assert_eq!([0, 1].map(|i| softmax.exact_logit(i)), [Some(ratio(1, 2)), Some(ratio(2, 1))]);
        let weights: PolicySpec = Weights { values: numbers(&[1.0, 2.0]) }.into();
        assert_eq!([0, 1].map(|i| weights.exact_logit(i)), [Some(ratio(0, 1)), None]);
        let others: [PolicySpec; 2] = [
            LogLinear { features: numbers(&[1.0, 1.0]), theta: numbers(&[0.0]) }.into(),
            Probabilities { values: numbers(&[0.5, 0.5]) }.into(),
        ];
        assert!(others.iter().all(|policy| policy.exact_logit(0).is_none()));
    }

    #[test]
    fn exponentials_are_not_rational() {
        let softmax: PolicySpec = Softmax { logits: numbers(&[0.0, 0.0]) }.into();
        let linear: PolicySpec = LogLinear { features: numbers(&[1.0, 1.0]), theta: numbers(&[0.0]) }.into();
        for policy in [softmax, linear] {
            assert!(!policy.is_rational());
            assert_eq!(policy.rational::<Rational>(Of::all(1, 2)), Ok(None));
        }
        let weights: PolicySpec = Weights { values: numbers(&[1.0, 3.0]) }.into();
        let policy = weights.rational::<Rational>(Of::all(1, 2)).unwrap().unwrap();
        assert_eq!([0, 1].map(|a| policy.probability(0, a).clone()), [ratio(1, 4), ratio(3, 4)]);
    }

    #[test]
    fn parameters_are_those_given() {
        let uniform = Policy::<f64>::uniform(1, 2);
        assert_eq!(uniform.parameters(), [0.5, 0.5]);
        let linear = Policy::log_linear(1, 2, vec![1.0, 2.0, 3.0, 4.0], vec![0.25, -0.5]).unwrap();
        assert_eq!(linear.parameters(), [0.25, -0.5]);
        assert_eq!(Policy::softmax(1, 2, vec![0.25, -0.5]).unwrap().parameters(), [0.25, -0.5]);
        let weights = Policy::weights(1, 2, vec![1.0, 4.0]).unwrap().parameters();
        assert_eq!(weights, [0.0, 4f64.ln()]);
    }
}
