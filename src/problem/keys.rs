//! What the objects of a file are made of: the keys that a reader knows, and the form of
//! what stands there. From these lists come the refusal of other keys, the schema
//! (`schema`) and tables of the documentation, so that none of them differs from another.

/// A key of an object in a file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What stands there.
    pub form: Form,
    /// What it means, for the documentation and for editors.
    pub about: &'static str,
    /// Whether it must be there.
    pub need: Need,
    /// The keys that may not stand beside it.
    pub excludes: &'static [&'static str],
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// It must.
    Always,
    /// It need not, or what else the object says decides.
    Never,
    /// It must unless another one is there.
    Unless(&'static str),
}

impl Key {
    /// A key that must be there.
    pub const fn required(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, about, need: Need::Always, excludes: &[] }
    }

    /// A key that need not be there.
    pub const fn optional(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { need: Need::Never, ..Self::required(name, form, about) }
    }

    /// The same, needed where another one is not there.
    pub const fn unless(self, other: &'static str) -> Self {
        Self { need: Need::Unless(other), ..self }
    }

    /// The same, with keys that may not stand beside it.
    pub const fn excluding(self, excludes: &'static [&'static str]) -> Self {
        Self { excludes, ..self }
    }
}

/// The form of a value in a file, as far as it can be told from the value alone.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A number as [`Numeral`](super::Numeral) is read. Bounds are those of JSON numbers: a
    /// string is not held against them.
    Number {
        /// The smallest one.
        least: Option<f64>,
        /// The largest one.
        most: Option<f64>,
    },
    /// An integer.
    Integer {
        /// The smallest one.
        least: usize,
        /// The largest one.
        most: Option<usize>,
    },
    /// `true` or `false`.
    Flag,
    /// Any string.
    Text,
    /// A name, which is no number.
    Name,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// A formula in a string, or a number.
    Formula,
    /// This or `null`.
    OrNull(&'static Form),
    /// An array of any length.
    Array(&'static Form),
    /// An array that is not empty.
    Filled(&'static Form),
    /// An array without repetitions.
    Set(&'static Form),
    /// Something for each state and action, `[s][a]`: `null`, or missing at the end of a
    /// row, for an action that a state does not have.
    Pairs(&'static Form),
    /// Sparse entries: indices of these names, and something else each.
    Entries(&'static [&'static str], &'static Form),
    /// One of these.
    AnyOf(&'static [Form]),
    /// An object of these keys.
    Object(&'static [Key]),
    /// An object of any names, with this or, so deep, arrays of it in each other.
    Named(usize, &'static Form),
    /// An object whose `kind` decides on its other keys; the name is that of the form.
    Kinds(&'static str, &'static [Variant]),
    /// A form with a name, which a schema states once, and what it is.
    Shared(&'static str, &'static str, &'static Form),
}

/// One kind of an object: of a policy or of an environment.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// The value of the key `kind`.
    pub kind: &'static str,
    /// The other keys.
    pub keys: &'static [Key],
    /// What is to be said of it.
    pub notes: &'static str,
}

impl Variant {
    /// Its row of the table in `docs/oracle.md`.
    pub fn row(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|key| key.about).collect();
        format!("| `{}` | {} | {} |\n", self.kind, keys.join("; "), self.notes)
    }
}

impl Form {
    /// Whether an array may stand there.
    pub(super) fn is_array(&self) -> bool {
        match self {
            Self::Array(_) | Self::Filled(_) | Self::Pairs(_) | Self::Entries(..) => true,
            Self::AnyOf(forms) => forms.iter().any(Self::is_array),
            Self::Shared(_, _, form) => form.is_array(),
            _ => false,
        }
    }

    /// A number.
    pub const NUMBER: Self = Self::Number { least: None, most: None };
    /// A number of at least 0.
    pub const NOT_NEGATIVE: Self = Self::Number { least: Some(0.0), most: None };
    /// A number from 0 to 1.
    pub const PROBABILITY: Self = Self::Number { least: Some(0.0), most: Some(1.0) };
    /// The number of a state, an action, a parameter or a follower.
    pub const INDEX: Self = Self::Integer { least: 0, most: None };
    /// A state, by its number or its name.
    pub const STATE: Self = Self::AnyOf(&[Self::INDEX, Self::Name]);
    /// An array in a file of NumPy, which the program reads.
    pub const ARCHIVED: Self = Self::Shared(
        "archived",
        "An array in a file of NumPy (.npz, .npy) in the folder of the problem: the program reads it.",
        &Self::Object(ARCHIVE),
    );
    /// Numbers.
    pub const NUMBERS: Self = Self::Array(&Self::NUMBER);
    /// A number for each state and action.
    pub const TABLE: Self = Self::Shared(
        "table",
        "A number for each state and action, [s][a]; null, or missing at the end of a row, for an action that the \
         state does not have.",
        &Self::Pairs(&Self::NUMBER),
    );
    /// A number for each state, action and next state.
    pub const KERNEL: Self = Self::Shared(
        "kernel",
        "A number for each state, action and next state, [s][a][t]; null for an action that the state does not have, \
         or a row of a terminal state.",
        &Self::Pairs(&Self::NUMBERS),
    );
    /// Rewards by state and action, or by next state too.
    pub const REWARDS: Self = Self::AnyOf(&[Self::TABLE, Self::KERNEL]);
}

/// The keys of an array in a file.
const ARCHIVE: &[Key] = &[
    Key::required("npz", Form::Text, "the file"),
    Key::optional("array", Form::Text, "the name of the array, where the file has several"),
];
