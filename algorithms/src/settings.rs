//! Settings of algorithms and experiments: their meaning, and which values make sense.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use super::UnknownName;

/// A setting as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it means, and which values it takes.
    pub about: &'static str,
}

/// Settings by name, as given or as used.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SettingValues(pub(super) Map<String, Value>);

impl SettingValues {
    /// Anything that is written as names with values.
    ///
    /// # Errors
    /// [`SettingError::Form`] for what is not.
    pub fn of(settings: &impl Serialize) -> Result<Self, SettingError> {
        match serde_json::to_value(settings) {
            Ok(Value::Object(values)) => Ok(Self(values)),
            Ok(other) => Err(SettingError::Form(format!("settings are {other}, expected values by name"))),
            Err(error) => Err(SettingError::Form(error.to_string())),
        }
    }

    /// From names and texts, a text being JSON where it can be read so.
    pub fn of_texts<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let value =
            |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        Self(settings.into_iter().map(|(name, text)| (name.to_owned(), value(text))).collect())
    }

    /// These with others in place of those of the same name.
    #[must_use]
    pub fn overridden_by(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A value as listed: text as it is, all else as JSON.
    pub fn listed(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// As JSON on one line.
impl Display for SettingValues {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Value::Object(self.0.clone()))
    }
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
    /// A value of another type.
    #[error("{name} is {value}, expected {expected}")]
    Type {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be of its type.
        expected: String,
    },
    /// No setting has this name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// No settings at all.
    #[error("{0}")]
    Form(String),
}

impl SettingError {
    /// A value outside its range.
    pub fn range(name: &'static str, value: impl ToString, expected: &'static str) -> Self {
        Self::Range { name, value: value.to_string(), expected }
    }
}

/// The values of a setting that make sense.
#[derive(Debug, Clone, Copy)]
pub struct Range<T> {
    holds: fn(T) -> bool,
    expected: &'static str,
}

impl<T: Copy + Display> Range<T> {
    /// The values that satisfy a condition, and how to say it.
    pub const fn new(holds: fn(T) -> bool, expected: &'static str) -> Self {
        Self { holds, expected }
    }

    /// Checks every number of a setting.
    ///
    /// # Errors
    /// [`SettingError::Range`] for the first that makes no sense.
    pub fn check(&self, name: &'static str, setting: &impl Numbers<Number = T>) -> Result<(), SettingError> {
        match setting.numbers().iter().find(|value| !(self.holds)(**value)) {
            None => Ok(()),
            Some(value) => Err(SettingError::range(name, value, self.expected)),
        }
    }
}

impl Range<f64> {
    /// Numbers above 0.
    pub const POSITIVE: Self = Self::new(|x| x > 0.0 && x.is_finite(), "a number above 0");
    /// Numbers that are at least 0.
    pub const NOT_NEGATIVE: Self = Self::new(|x| x >= 0.0 && x.is_finite(), "a number that is at least 0");
}

impl<T: Copy + Display + PartialOrd + From<bool>> Range<T> {
    /// Counts that are at least 1.
    pub const AT_LEAST_ONE: Self = Self::new(|n| n >= T::from(true), "at least 1");
}

/// The numbers of a setting: one, one or none, or a list.
pub trait Numbers {
    /// Their type.
    type Number;

    /// In order.
    fn numbers(&self) -> &[Self::Number];
}

macro_rules! one_number {
    ($($number:ty),+) => {
        $(impl Numbers for $number {
            type Number = Self;

            fn numbers(&self) -> &[Self] {
                std::slice::from_ref(self)
            }
        })+
    };
}

one_number!(f64, usize, u32, u64);

impl<T> Numbers for Option<T> {
    type Number = T;

    fn numbers(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> Numbers for Vec<T> {
    type Number = T;

    fn numbers(&self) -> &[T] {
        self
    }
}

/// Settings as declared by [`settings!`](crate::settings!).
pub trait Settings: Serialize + DeserializeOwned {
    /// The settings with their meaning.
    const TABLE: &'static [Setting];

    /// Checks each setting by itself, in the order of the table.
    ///
    /// # Errors
    /// [`SettingError::Range`] for the first outside its range.
    fn check_ranges(&self) -> Result<(), SettingError>;

    /// The settings, with defaults for what is not given, not yet checked.
    ///
    /// # Errors
    /// [`SettingError::Unknown`] and [`SettingError::Type`] for the first that does not fit.
    fn read(given: &SettingValues) -> Result<Self, SettingError> {
        for (name, value) in &given.0 {
            let Some(setting) = Self::TABLE.iter().find(|setting| setting.name == name) else {
                let known: Vec<&str> = Self::TABLE.iter().map(|setting| setting.name).collect();
                return Err(UnknownName::new("setting", name, &known).into());
            };
            if let Err(error) = read_one::<Self>(name, value.clone()) {
                let expected = expected::<Self>(name, value, &error);
                return Err(SettingError::Type { name: setting.name, value: value.to_string(), expected });
            }
        }
        serde_json::from_value(Value::Object(given.0.clone())).map_err(|e| SettingError::Form(e.to_string()))
    }

    /// The same, each within its range.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`check_ranges`](Self::check_ranges).
    fn read_checked(given: &SettingValues) -> Result<Self, SettingError> {
        let settings = Self::read(given)?;
        settings.check_ranges()?;
        Ok(settings)
    }

    /// All settings with their values.
    fn values(&self) -> SettingValues {
        SettingValues::of(self).unwrap_or_default()
    }
}

/// Defaults with one value that is given.
fn read_one<S: DeserializeOwned>(name: &str, value: Value) -> Result<S, String> {
    let given = Map::from_iter([(name.to_owned(), value)]);
    serde_json::from_value(Value::Object(given)).map_err(|error| error.to_string())
}

/// What was expected in place of a value, in the words of people.
fn expected<S: DeserializeOwned>(name: &str, value: &Value, error: &str) -> String {
    let tail =
        |error: &str| error.rsplit_once("expected ").map_or_else(|| error.to_owned(), |(_, e)| e.to_owned());
    let expected = match tail(error).as_str() {
        "f64" => "a number".to_owned(),
        "usize" | "u64" => "a whole number that is at least 0".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        // One of several names, which are told to whom gives another one.
        "string or map" => tail(&read_one::<S>(name, "".into()).err().unwrap_or_default()),
        other => other.to_owned(),
    };
    // Lists are of single values: what does not fit is one of these.
    let is_entry = value.as_array().is_some_and(|entries| !entries.is_empty());
    if is_entry { format!("a list, each entry {expected}") } else { expected }
}

/// Declares settings: a struct that is read and written with `serde`, its `Default`, and
/// its [`Settings`]. A field has a default, what its row of the table says and, where
/// not every value makes sense, its [`Range`]; a name that is no identifier follows `as`.
///
/// ```
/// use pemdp_algorithms::{Range, Settings, settings};
/// settings! {
///     /// Steps of an ascent.
///     pub struct Steps {
///         /// Step size.
///         pub step: f64 = 0.1, "step size, above 0", Range::POSITIVE;
///         /// The last step size.
///         pub last_step as "last-step": Option<f64> = None, "last step size; constant where null";
///     }
/// }
/// assert_eq!(Steps::TABLE[1].name, "last-step");
/// let error = Steps { step: -0.5, ..Steps::default() }.check_ranges().unwrap_err();
/// assert_eq!(error.to_string(), "step is -0.5, expected a number above 0");
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $Settings:ident {
            $(
                $(#[$field_meta:meta])*
                $field_visibility:vis $field:ident $(as $name:literal)?: $type:ty = $default:expr,
                $about:literal $(, $range:expr)?;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $visibility struct $Settings {
            $(
                $(#[$field_meta])*
                $(#[serde(rename = $name)])?
                $field_visibility $field: $type,
            )+
        }

        impl Default for $Settings {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $crate::Settings for $Settings {
            const TABLE: &'static [$crate::Setting] =
                &[$($crate::Setting { name: $crate::settings!(@name $field $($name)?), about: $about }),+];

            fn check_ranges(&self) -> Result<(), $crate::SettingError> {
                $($crate::settings!(@check $field $($name)?, &self.$field $(, $range)?);)+
                Ok(())
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@check $field:ident $($name:literal)?, $setting:expr) => {};
    (@check $field:ident $($name:literal)?, $setting:expr, $range:expr) => {
        $range.check($crate::settings!(@name $field $($name)?), $setting)?
    };
}
