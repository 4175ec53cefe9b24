//! Somebody's answer, as it is read.

use serde_json::json;

use super::answer::{Covers, FORMAT};
use super::quantity::{Entries, Quantities, Quantity};
use crate::problem::json::{Fields, Node};
use crate::problem::keys::{Form, Key};
use crate::problem::schema::document;
use crate::problem::{self, InputError, Problem, Reading};

/// Somebody's answer: any of the quantities, and what an answer says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claimed {
    pub(super) quantities: Quantities<Option<Entries>>,
    /// Whether every number of a quantity is written as text: a fraction or a decimal, not
    /// a double.
    pub(super) exact: Quantities<bool>,
    pub(super) bounds: Quantities<Option<f64>>,
    /// The standard errors of sampled entries; 0 where the entry is not sampled.
    pub(super) standard_errors: Quantities<Option<Vec<f64>>>,
    /// How many samples there are.
    pub(super) n: Option<usize>,
    pub(super) covers: Option<&'static str>,
    pub(super) smooth: Option<bool>,
    /// The places where the response is said not to be differentiable.
    pub(super) kinks: Option<Vec<String>>,
}

/// A gradient may have a row for each state.
const GRADIENT: Form = Form::AnyOf(&[Form::NUMBERS, Form::Array(&Form::NUMBERS)]);
/// The same with entries that are infinite.
const OPTIONAL_GRADIENT: Form = Form::AnyOf(&[OPTIONAL_NUMBERS, Form::Array(&OPTIONAL_NUMBERS)]);
const OPTIONAL_NUMBERS: Form = Form::Array(&Form::OrNull(&Form::NUMBER));
const ERRORS: Form = Form::Array(&Form::NOT_NEGATIVE);

/// The keys of an answer.
const KEYS: &[Key] = &[
    Key::required("format", Form::Word(&[FORMAT]), "the name of the format"),
    Key::optional(
        "value",
        Form::NUMBER,
        "the regularised value of the policy in the environment that it induces itself",
    ),
    Key::optional("state_values", Form::NUMBERS, "`[s]`: $V$"),
    Key::optional(
        "action_values",
        Form::Array(&OPTIONAL_NUMBERS),
        "`[s][a]`: $Q$, with the step's own $-\\lambda\\log\\pi(a\\mid s)$; null where it is infinite",
    ),
    Key::optional(
        "occupancy",
        Form::Array(&Form::NUMBERS),
        "`[s][a]`: $d[s,a]$, discounted, **not** normalised: sums to $1/(1-\\gamma)$",
    ),
    Key::optional(
        "gradient",
        OPTIONAL_GRADIENT,
        "`[k]`, or `[s][a]`: $d \\text{value}/d\\theta_k$, the sum of the terms; null where it is infinite",
    ),
    Key::optional(
        "gradient_terms",
        Form::Object(TERMS),
        "the terms of the gradient, each as long as `gradient`",
    ),
    Key::optional("error_bounds", Form::Object(BOUNDS), "how far the numbers may be off"),
    Key::optional("smooth", Form::Flag, "whether the response is differentiable at this policy"),
    Key::optional(
        "kink",
        Form::Array(&Form::AnyOf(&[Form::Object(CLIP), Form::Object(CORNER), Form::Object(TIE)])),
        "only if `smooth` is false: where it is not",
    ),
    Key::optional(
        "standard_errors",
        Form::Object(STANDARD_ERRORS),
        "of sampled answers: a standard error for each entry of quantities that are given, 0 for one that is not \
         sampled",
    ),
    Key::optional("n", Form::Integer { least: 2, most: None }, "of sampled answers: the number of samples"),
];

const TERMS: &[Key] = &[
    Key::optional("policy", OPTIONAL_GRADIENT, "null where it is infinite"),
    Key::optional("transition", GRADIENT, "through the transitions"),
    Key::optional("reward", GRADIENT, "through the rewards"),
    Key::optional("entropy", GRADIENT, "through the entropy"),
];

const BOUNDS: &[Key] = &[
    Key::optional("value", Form::NOT_NEGATIVE, "of the value"),
    Key::optional("state_values", Form::NOT_NEGATIVE, "of the largest error of an entry"),
    Key::optional("action_values", Form::NOT_NEGATIVE, "of the largest error of an entry"),
    Key::optional("occupancy", Form::NOT_NEGATIVE, "of the 1-norm of the error"),
    Key::optional("gradient", Form::NOT_NEGATIVE, "of the largest error of an entry, of the terms too"),
    Key::optional(
        "covers",
        Form::Word(&[Covers::Problem.word(), Covers::InducedMdp.word()]),
        "what they bound the distance to",
    ),
];

const STANDARD_ERRORS: &[Key] = &[
    Key::optional("value", Form::NOT_NEGATIVE, "a standard error"),
    Key::optional("state_values", ERRORS, "`[s]`"),
    Key::optional("action_values", Form::Array(&ERRORS), "`[s][a]`"),
    Key::optional("occupancy", Form::Array(&ERRORS), "`[s][a]`"),
    Key::optional("gradient", Form::AnyOf(&[ERRORS, Form::Array(&ERRORS)]), "`[k]`, or `[s][a]`"),
];

const CLIP: &[Key] =
    &[Key::required("clip", Form::Array(&Form::INDEX), "`[s, a]`, where a reward is at its clip")];
const CORNER: &[Key] = &[Key::required(
    "formula",
    Form::Text,
    "the path of the formula whose `min`, `max` or `abs` is at its corner",
)];
const TIE: &[Key] = &[
    Key::required("follower", Form::INDEX, "whose best response is tied"),
    Key::required("state", Form::INDEX, "in this state"),
    Key::required("actions", Form::Array(&Form::INDEX), "between these actions"),
    Key::required("gap", Form::NUMBER, "up to this difference"),
];

/// The JSON Schema (draft 2020-12) of answers, `"format": "pemdp-answer/1"`: those that `eval`
/// prints, and all that `verify` reads.
pub fn answer_schema() -> String {
    let about = "The value of a policy in the environment that it induces itself, its gradient, and what they are made \
                 of. An answer to be verified has any of value, state_values, action_values, occupancy and gradient. What \
                 no schema can say is not here: that arrays have the shape of the problem.";
    let given = Quantity::MAIN.map(|quantity| json!({"required": [quantity.key()]}));
    document("Answer (pemdp-answer/1)", about, KEYS, vec![json!({"anyOf": given})])
}

/// The lengths of the axes of a quantity, and what they are called.
struct Shape {
    lengths: Vec<usize>,
    form: String,
}

impl Shape {
    /// A gradient may have a row for each state where it has a parameter for each state and
    /// action.
    fn of(node: &Node<'_>, quantity: Quantity, problem: &Problem) -> Result<Self, InputError> {
        let (n, n_actions) = (problem.n_states(), problem.n_actions());
        let has_table = quantity.is_of_gradient() && problem.policy().features().is_none();
        let is_table =
            has_table && node.is_array() && node.array()?.next().is_some_and(|first| first.is_array());
        let lengths = if is_table { vec![n, n_actions] } else { quantity.shape(problem) };
        let axes = match lengths.len() {
            0 => "one number".to_owned(),
            2 => format!("[s][a], {n} states with {n_actions} actions each"),
            _ if quantity.is_of_gradient() => format!("[k], {} parameters", lengths[0]),
            _ => format!("[s], {n} states"),
        };
        Ok(Self { lengths, form: format!("{} is {axes}", quantity.name()) })
    }
}

/// Whether there is no number outside of text in a value.
fn is_text(node: &Node<'_>) -> bool {
    node.is_string() || node.array().is_ok_and(|mut entries| entries.all(|entry| is_text(&entry)))
}

/// How many samples there are: 400 or, as array libraries print it, 400.0.
fn samples(node: &Node<'_>) -> Result<usize, InputError> {
    let whole = node.is_number().then(|| node.text().split_once('.')).flatten();
    let digits = whole.filter(|(_, rest)| !rest.is_empty() && rest.bytes().all(|c| c == b'0'));
    match digits.and_then(|(digits, _)| digits.parse().ok()).filter(|n| *n >= 2) {
        Some(n) => Ok(n),
        None => node.count(2..=usize::MAX),
    }
}

impl Claimed {
    /// Reads a quantity, if the object has it.
    fn read(&mut self, fields: &Fields<'_>, quantity: Quantity, problem: &Problem) -> Result<(), InputError> {
        let Some(node) = fields.optional(quantity.key()) else { return Ok(()) };
        let mut entries = Vec::new();
        let entry = if quantity.may_be_infinite() { optional_number } else { number };
        read_entries(&node, &Shape::of(&node, quantity, problem)?, entry, &mut entries)?;
        let is_of_pairs = quantity == Quantity::ActionValues || problem.policy().features().is_none();
        if is_of_pairs && quantity.may_be_infinite() {
            // What stands for an action that a state does not have says nothing.
            let is_parameter = quantity.is_of_gradient() && !problem.policy().is_unconstrained();
            let nothing = is_parameter.then_some(0.0);
            for (pair, entry) in entries.iter_mut().enumerate() {
                if !problem.action_sets().is_available(pair) && (entry.is_none() || nothing.is_none()) {
                    *entry = nothing;
                }
            }
        }
        self.quantities[quantity] = Some(entries);
        self.exact[quantity] = is_text(&node);
        Ok(())
    }

    /// Reads an answer with any of the quantities, shaped like those of
    /// `problem`.
    ///
    /// # Errors
    /// [`InputError`] with the place, what was seen and what was expected.
    pub fn from_json(text: &str, problem: &Problem) -> Result<Self, InputError> {
        Self::new(&Node::parse(text)?, problem)
    }

    /// Reads an answer from the bytes of a file.
    ///
    /// # Errors
    /// [`InputError`] as [`Claimed::from_json`], and for bytes that are not UTF-8.
    pub fn from_bytes(bytes: &[u8], problem: &Problem) -> Result<Self, InputError> {
        Self::new(&Node::from_bytes(bytes)?, problem)
    }

    fn new(root: &Node<'_>, problem: &Problem) -> Result<Self, InputError> {
        let fields = root.fields()?;
        let format = fields.optional("format").ok_or_else(|| {
            root.error(format!("has no key \"format\", expected \"format\": \"{FORMAT}\" in an answer"))
        })?;
        format.format(FORMAT, problem::FORMAT, "this is a problem, where the answer to it belongs")?;
        fields.only(KEYS)?;
        let mut claimed = Self::default();
        for quantity in Quantity::MAIN {
            claimed.read(&fields, quantity, problem)?;
        }
        if Quantity::MAIN.into_iter().all(|quantity| claimed.quantities[quantity].is_none()) {
            let names = Quantity::MAIN.map(Quantity::name).join(", ");
            return Err(root.error(format!("has none of {names}, expected at least one")));
        }
        if let Some(node) = fields.optional("gradient_terms") {
            let terms = node.fields()?;
            terms.only(TERMS)?;
            for quantity in Quantity::TERMS {
                claimed.read(&terms, quantity, problem)?;
            }
        }
        if let Some(node) = fields.optional("error_bounds") {
            claimed.read_bounds(&node)?;
        }
        if let Some(node) = fields.optional("standard_errors") {
            claimed.read_standard_errors(&node, problem)?;
        }
        if let Some(node) = fields.optional("n") {
            claimed.n = Some(samples(&node)?);
        }
        if let Some(node) = fields.optional("smooth") {
            claimed.smooth = Some(node.flag()?);
        }
        if let Some(node) = fields.optional("kink") {
            claimed.kinks = Some(node.array()?.map(|kink| place(&kink)).collect::<Result<_, _>>()?);
        }
        Ok(claimed)
    }

    /// A standard error for each entry of quantities that are given.
    fn read_standard_errors(&mut self, node: &Node<'_>, problem: &Problem) -> Result<(), InputError> {
        let errors = node.fields()?;
        errors.only(STANDARD_ERRORS)?;
        for quantity in Quantity::MAIN {
            let Some(node) = errors.optional(quantity.key()) else { continue };
            if self.quantities[quantity].is_none() {
                return Err(node.error(format!("has no {} that it is of, expected both", quantity.name())));
            }
            let mut entries = Vec::new();
            read_entries(&node, &Shape::of(&node, quantity, problem)?, standard_error, &mut entries)?;
            self.standard_errors[quantity] = entries.into_iter().collect();
        }
        Ok(())
    }

    fn read_bounds(&mut self, node: &Node<'_>) -> Result<(), InputError> {
        let bounds = node.fields()?;
        bounds.only(BOUNDS)?;
        for quantity in Quantity::MAIN {
            let Some(node) = bounds.optional(quantity.key()) else { continue };
            let bound = node.numeral(Reading::Doubles)?;
            if bound.is_negative() {
                return Err(node.unexpected("a bound of at least 0"));
            }
            self.bounds[quantity] = Some(bound.approximate());
        }
        if let Some(covers) = bounds.optional("covers") {
            self.covers = Some(covers.choice(&[Covers::Problem.word(), Covers::InducedMdp.word()])?);
        }
        Ok(())
    }
}

/// The place of a kink: `clip [s, a]`, a formula, or the follower, state and actions of a tie.
fn place(node: &Node<'_>) -> Result<String, InputError> {
    let fields = node.fields()?;
    let numbers = |node: &Node<'_>| -> Result<Vec<usize>, InputError> {
        node.array()?.map(|entry| entry.count(0..=usize::MAX)).collect()
    };
    if let Some(clip) = fields.optional("clip") {
        fields.only(CLIP)?;
        return Ok(format!("clip {:?}", numbers(&clip)?));
    }
    if let Some(formula) = fields.optional("formula") {
        fields.only(CORNER)?;
        return Ok(format!("a corner of {}", formula.string()?));
    }
    fields.only(TIE)?;
    let count = |key| fields.required(key)?.count(0..=usize::MAX);
    let (follower, state) = (count("follower")?, count("state")?);
    fields.required("gap")?.numeral(Reading::Doubles)?;
    Ok(format!("follower {follower} state {state} actions {:?}", numbers(&fields.required("actions")?)?))
}

fn number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    Ok(Some(node.numeral(Reading::Doubles)?.approximate()))
}

fn standard_error(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    let error = node.numeral(Reading::Doubles)?;
    if error.is_negative() {
        return Err(node.unexpected("a standard error of at least 0"));
    }
    Ok(Some(error.approximate()))
}

fn optional_number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    if node.is_null() { Ok(None) } else { number(node) }
}

/// Reads nested arrays of the given lengths into flat entries.
fn read_entries(
    node: &Node<'_>,
    shape: &Shape,
    read: fn(&Node<'_>) -> Result<Option<f64>, InputError>,
    entries: &mut Entries,
) -> Result<(), InputError> {
    read_axes(node, &shape.lengths, shape, read, entries)
}

fn read_axes(
    node: &Node<'_>,
    lengths: &[usize],
    shape: &Shape,
    read: fn(&Node<'_>) -> Result<Option<f64>, InputError>,
    entries: &mut Entries,
) -> Result<(), InputError> {
    let Some((&expected, inner)) = lengths.split_first() else {
        if node.is_array() {
            return Err(node.unexpected(format!("a number: {}", shape.form)));
        }
        entries.push(read(node)?);
        return Ok(());
    };
    if !node.is_array() {
        return Err(node.unexpected(format!("an array: {}", shape.form)));
    }
    let seen = node.array()?.count();
    if seen != expected {
        return Err(node.error(format!("has {seen} entries, expected {expected}: {}", shape.form)));
    }
    node.array()?.try_for_each(|node| read_axes(&node, inner, shape, read, entries))
}
