//! Performative environments. Each file holds one (the gridworld has a folder): its data
//! as given (`...Spec`), how they are read and checked, its initial distribution where it has
//! its own, its response in any arithmetic, and what is known of its structure.
//!
//! Responses, their derivatives and the proofs: `docs/theory/environments.md`. A new
//! environment is a file here that implements [`Specification`], and a line in the list
//! below.

mod affine;
mod coin;
mod explicit;
mod exponential_family;
mod fixed;
mod formulas;
pub mod gridworld;
mod loan;
mod next_rewards;
mod scoped;
mod structure;
mod transitions;

pub use affine::{Affine, AffineSpec};
pub use coin::{Coin, CoinSpec};
pub use explicit::{Explicit, ExplicitSpec};
pub use exponential_family::{
    Base, BaseMeasure, ClippedReward, ExponentialFamily, ExponentialFamilySpec, RationalFamily,
};
pub use fixed::FixedSpec;
pub use formulas::{FormulaTexts, FormulasSpec};
pub use gridworld::{Followers, Gridworld, GridworldSpec};
pub use loan::{Loan, LoanForm, LoanSpec};
pub(crate) use scoped::Scoped;
pub use structure::{AffineParts, AffineStructure, Structure};
pub use transitions::Transitions;

use std::fmt::Debug;

use crate::arithmetic::{Field, Rational, Transcendental};
use crate::mdp::ModelError;
use crate::policy::PolicySpec;
use crate::problem::action_sets::ActionSets;
use crate::problem::checker::{Checked, Checker};
#[cfg(feature = "json")]
use crate::problem::json::{Fields, Node};
use crate::problem::keys::{Key, Variant};
use crate::problem::normalise::Normaliser;
use crate::problem::numeral::Numeral;
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::Response;

/// What an environment's data stand beside in a problem.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The number of states.
    pub n_states: usize,
    /// The number of actions.
    pub n_actions: usize,
    /// The discount factor.
    pub gamma: &'a Numeral,
    /// Which states are terminal, and which actions each state has.
    pub actions: &'a ActionSets,
    /// Whether policies have a logit for each state and action.
    pub has_local_logits: bool,
}

/// What a response costs in one arithmetic, about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Linear systems of the size of the state space, that of the values included.
    pub systems: f64,
    /// Exponentials and logarithms, those of the policy left out.
    pub exponentials: f64,
}

/// An environment as it is given, in exact numbers.
///
/// What has a default is so for most environments.
pub trait Specification: Clone + Debug + PartialEq + Into<EnvironmentSpec> {
    /// The name in a file.
    const KIND: &'static str;

    /// The keys in a file, but for `kind`.
    const KEYS: &'static [Key];

    /// The last cell of the table of environments in `docs/oracle.md`.
    const NOTES: &'static str;

    /// Whether it may have its own distribution of the first state.
    const HAS_INITIAL: bool = false;

    /// Reads the data: keys, types, shapes and indices.
    ///
    /// # Errors
    /// What the format forbids, with the path to it.
    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self>;

    /// Writes the data, so that it can be read again.
    fn write(&self, given: Given<'_>, file: &mut Writer);

    /// Checks shapes and ranges, and that the policy is one that it responds to.
    ///
    /// # Errors
    /// What is out of range, with the path to it.
    fn check(&self, checker: &mut Checker) -> Checked<()>;

    /// The distribution of the first state, where the environment has its own.
    fn initial(&self) -> Option<Vec<Numeral>> {
        None
    }

    /// The response where it takes only the four operations; `None` where it takes
    /// exponentials.
    ///
    /// # Errors
    /// [`ModelError`] for parts that do not fit, which checked data never have.
    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError>;

    /// The response.
    ///
    /// # Errors
    /// As [`Specification::rational_response`].
    fn response<T: Transcendental>(&self, given: Given<'_>) -> Result<Box<dyn Response<T>>, ModelError> {
        self.rational_response(given)?.ok_or(ModelError::Empty { what: "the response" })
    }

    /// The first thing that keeps the answer with a rational policy from being a
    /// fraction: its path, and what was seen and expected there.
    fn not_rational(&self) -> Option<(String, String)> {
        None
    }

    /// What is known of the dependence on the policy.
    fn structure(&self, given: Given<'_>) -> Structure<'_> {
        let _ = given;
        Structure::Opaque
    }

    /// The same environment as one of a kind that says more of it, where there is one.
    fn recognised(&self, given: Given<'_>) -> Option<EnvironmentSpec> {
        let _ = given;
        None
    }

    /// Divides rows of transitions that are numbers by their sums.
    fn normalise(&mut self, n_states: usize, n_actions: usize, normaliser: &mut Normaliser) {
        let _ = (n_states, n_actions, normaliser);
    }

    /// The same with all rewards multiplied; `None` where that is not an environment of
    /// this kind.
    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let _ = factor;
        None
    }

    /// The same with a response that is applied twice: whatever depends on the policy moves
    /// twice as far. `None` where that has no meaning.
    fn responding_twice(&self) -> Option<Self> {
        None
    }

    /// What a response costs.
    fn work(&self, given: Given<'_>) -> Work {
        let _ = given;
        Work { systems: 1.0, exponentials: 0.0 }
    }

    /// Whether the response has a kink exactly at the reward of this state and action,
    /// whatever the number of digits.
    fn has_exact_kink(&self, policy: &PolicySpec, state: usize, action: usize, given: Given<'_>) -> bool {
        let _ = (policy, state, action, given);
        false
    }

    /// The settings in a few words, with numbers as `show` shows them; empty where they
    /// are tables.
    fn summary(&self, show: &dyn Fn(&Numeral) -> String) -> String {
        let _ = show;
        String::new()
    }
}

/// Makes of the list of environments whatever has an entry for each.
macro_rules! environments {
    ($($variant:ident($spec:ty),)+) => {
        /// An environment as it is given.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EnvironmentSpec {
            $(#[doc = concat!("[`", stringify!($spec), "`]")] $variant($spec),)+
        }

        $(impl From<$spec> for EnvironmentSpec {
            fn from(environment: $spec) -> Self {
                Self::$variant(environment)
            }
        })+

        impl EnvironmentSpec {
            /// Names of the kinds in a file.
            pub const KINDS: &[&str] = &[$(<$spec>::KIND,)+];

            /// The kinds in a file, in the order of the list.
            pub const VARIANTS: &[Variant] =
                &[$(Variant { kind: <$spec>::KIND, keys: <$spec>::KEYS, notes: <$spec>::NOTES },)+];

            /// Names of the kinds that may have their own distribution of the first state.
            #[cfg(feature = "json")]
            pub(crate) fn kinds_with_initial() -> Vec<&'static str> {
                let all = [$((<$spec>::KIND, <$spec>::HAS_INITIAL),)+];
                all.into_iter().filter(|(_, has_initial)| *has_initial).map(|(kind, _)| kind).collect()
            }

            /// The name of the kind in a file.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => <$spec>::KIND,)+ }
            }

            #[cfg(feature = "json")]
            pub(crate) fn read(node: &Node<'_>, reader: &Reader) -> Checked<Self> {
                let fields = node.fields()?;
                let kind = fields.required("kind")?.choice(Self::KINDS)?;
                $(if kind == <$spec>::KIND {
                    fields.only_beside_kind(<$spec>::KEYS)?;
                    return Ok(<$spec>::read(&fields, reader)?.into());
                })+
                Err(node.unexpected("an environment"))
            }

            pub(crate) fn write(&self, given: Given<'_>, file: &mut Writer) {
                file.text("kind", self.kind());
                match self { $(Self::$variant(environment) => environment.write(given, file),)+ }
            }

            pub(crate) fn check(&self, checker: &mut Checker) -> Checked<()> {
                match self { $(Self::$variant(environment) => environment.check(checker),)+ }
            }

            /// [`Specification::initial`].
            pub fn initial(&self) -> Option<Vec<Numeral>> {
                match self { $(Self::$variant(environment) => environment.initial(),)+ }
            }

            /// [`Specification::rational_response`].
            ///
            /// # Errors
            /// [`ModelError`] for parts that do not fit.
            pub fn rational_response<T: Field>(
                &self,
                given: Given<'_>,
            ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
                match self { $(Self::$variant(environment) => environment.rational_response(given),)+ }
            }

            /// [`Specification::response`].
            ///
            /// # Errors
            /// [`ModelError`] for parts that do not fit.
            pub fn response<T: Transcendental>(
                &self,
                given: Given<'_>,
            ) -> Result<Box<dyn Response<T>>, ModelError> {
                match self { $(Self::$variant(environment) => environment.response(given),)+ }
            }

            /// [`Specification::not_rational`].
            pub fn not_rational(&self) -> Option<(String, String)> {
                match self { $(Self::$variant(environment) => environment.not_rational(),)+ }
            }

            /// [`Specification::structure`].
            pub fn structure(&self, given: Given<'_>) -> Structure<'_> {
                match self { $(Self::$variant(environment) => environment.structure(given),)+ }
            }

            pub(crate) fn recognised(&self, given: Given<'_>) -> Option<Self> {
                match self { $(Self::$variant(environment) => environment.recognised(given),)+ }
            }

            pub(crate) fn normalise(
                &mut self,
                n_states: usize,
                n_actions: usize,
                normaliser: &mut Normaliser,
            ) {
                match self {
                    $(Self::$variant(environment) => {
                        environment.normalise(n_states, n_actions, normaliser);
                    })+
                }
            }

            pub(crate) fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
                match self {
                    $(Self::$variant(environment) => Some(environment.with_rewards_times(factor)?.into()),)+
                }
            }

            pub(crate) fn responding_twice(&self) -> Option<Self> {
                match self {
                    $(Self::$variant(environment) => Some(environment.responding_twice()?.into()),)+
                }
            }

            /// [`Specification::work`].
            pub fn work(&self, given: Given<'_>) -> Work {
                match self { $(Self::$variant(environment) => environment.work(given),)+ }
            }

            pub(crate) fn has_exact_kink(
                &self,
                policy: &PolicySpec,
                state: usize,
                action: usize,
                given: Given<'_>,
            ) -> bool {
                match self {
                    $(Self::$variant(environment) => {
                        environment.has_exact_kink(policy, state, action, given)
                    })+
                }
            }

            /// [`Specification::summary`].
            pub fn summary(&self, show: &dyn Fn(&Numeral) -> String) -> String {
                match self { $(Self::$variant(environment) => environment.summary(show),)+ }
            }
        }
    };
}

environments! {
    Fixed(FixedSpec),
    ExponentialFamily(ExponentialFamilySpec),
    Affine(AffineSpec),
    Explicit(ExplicitSpec),
    Formulas(FormulasSpec),
    Coin(CoinSpec),
    Loan(LoanSpec),
    Gridworld(GridworldSpec),
}

impl EnvironmentSpec {
    /// The environment as a JSON object, every number an exact fraction in a string.
    pub fn to_json(&self, given: Given<'_>) -> String {
        let mut file = Writer::default();
        file.object(|file| self.write(given, file));
        file.into_text()
    }
}
