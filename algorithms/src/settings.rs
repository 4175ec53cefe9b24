//! Settings of algorithms: their meaning, and which values make sense.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// A setting as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it means, and which values it takes.
    pub about: &'static str,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SettingError {
    /// A value outside its range.
    #[error("{name} is {value}, expected {expected}")]
    Range {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would make sense.
        expected: &'static str,
    },
    /// A name or a type that does not fit.
    #[error("{0}")]
    Form(String),
}

/// Checks of the settings of an algorithm.
pub struct Check;

impl Check {
    /// A number above 0.
    ///
    /// # Errors
    /// [`SettingError::Range`] otherwise, as for all of these.
    pub fn positive(name: &'static str, value: f64) -> Result<(), SettingError> {
        Self::that(value > 0.0 && value.is_finite(), name, value, "a number above 0")
    }

    /// A number that is at least 0.
    ///
    /// # Errors
    /// [`SettingError::Range`].
    pub fn not_negative(name: &'static str, value: f64) -> Result<(), SettingError> {
        Self::that(value >= 0.0 && value.is_finite(), name, value, "a number that is at least 0")
    }

    /// A count that is at least 1.
    ///
    /// # Errors
    /// [`SettingError::Range`].
    pub fn at_least_one(name: &'static str, value: usize) -> Result<(), SettingError> {
        Self::that(value >= 1, name, value, "at least 1")
    }

    /// Anything that can be said of a value.
    ///
    /// # Errors
    /// [`SettingError::Range`] unless it holds.
    pub fn that(
        holds: bool,
        name: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> Result<(), SettingError> {
        if holds { Ok(()) } else { Err(SettingError::Range { name, value: value.to_string(), expected }) }
    }
}

/// The settings with defaults for what is not given.
///
/// # Errors
/// [`SettingError::Form`] for keys that are unknown or values of another type.
pub fn from_map<S: DeserializeOwned>(settings: &Map<String, Value>) -> Result<S, SettingError> {
    serde_json::from_value(Value::Object(settings.clone())).map_err(|e| SettingError::Form(e.to_string()))
}

/// The settings as JSON.
pub(super) fn to_json(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or(Value::Null)
}
