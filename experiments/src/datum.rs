//! Values in tables.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A value in a table: a number, a text, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Datum(pub(super) Value);

/// A value in a table; nothing for numbers that are not finite.
pub(super) fn datum(value: impl Serialize) -> Datum {
    Datum(serde_json::to_value(value).unwrap_or(Value::Null))
}

impl Datum {
    /// No value.
    pub const NOTHING: Self = Self(Value::Null);

    /// Whether there is none.
    pub fn is_nothing(&self) -> bool {
        self.0.is_null()
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    /// Whether it is a number that was counted.
    pub fn is_count(&self) -> bool {
        self.0.is_u64() || self.0.is_i64()
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// What was put in.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.0.clone()).ok()
    }
}

/// As it stands in a file: text as it is, all else as JSON.
impl Display for Datum {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.0),
        }
    }
}
