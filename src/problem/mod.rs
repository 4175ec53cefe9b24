//! Problems: a policy, the environment that responds to it, and how its value is
//! measured, in exact numbers.
//!
//! A [`Problem`] is a value that has been checked, wherever it comes from: Rust code
//! ([`Problem::new`]) or a file (`Problem::from_json`). From it the performative MDP is
//! made in any arithmetic ([`Problem::model`]). `file` reads a problem from JSON (`json` its
//! syntax, `reader` its arrays), `keys` is what the format has, from which `schema` makes its JSON
//! Schema, `parts` is the problem, `checker` what it is held against, `writer` writes it again.

pub(crate) mod action_sets;
pub(crate) mod checker;
mod excerpt;
#[cfg(feature = "json")]
mod file;
pub(crate) mod input_error;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod keys;
mod model;
pub(crate) mod names;
#[cfg(feature = "json")]
mod non_number;
pub(crate) mod normalise;
pub(crate) mod numeral;
mod parts;
#[cfg(feature = "json")]
pub(crate) mod reader;
#[cfg(feature = "json")]
pub(crate) mod schema;
pub(crate) mod writer;

pub(crate) use excerpt::excerpt;

pub use action_sets::ActionSets;
pub use checker::{Checked, Checker, unexpected};
pub use input_error::InputError;
pub use keys::{Form, Key, Need, Variant};
pub use model::{Arithmetic, RationalError};
pub use names::Names;
pub use normalise::{Normalised, Normaliser, ROUNDED};
pub use numeral::{Numeral, NumeralError, Reading, compensated_sum, exact_sum, largest};
pub use parts::{FORMAT, Parts, Problem};
#[cfg(feature = "json")]
pub use schema::schema;

pub use crate::policy::PolicySpec;
