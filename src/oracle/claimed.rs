//! Somebody's answer, as it is read.

use super::answer::{Covers, FORMAT};
use super::quantity::{Entries, Quantities, Quantity};
use crate::problem::json::{Fields, Node};
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

/// The keys of an answer.
const KEYS: [&str; 12] = [
    "format",
    "value",
    "state_values",
    "action_values",
    "occupancy",
    "gradient",
    "gradient_terms",
    "error_bounds",
    "smooth",
    "kink",
    "standard_errors",
    "n",
];

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
        fields.only(&KEYS)?;
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
            terms.only(&Quantity::TERMS.map(Quantity::key))?;
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
        errors.only(&Quantity::MAIN.map(Quantity::key))?;
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
        let keys: Vec<&str> = Quantity::MAIN.into_iter().map(Quantity::key).chain(["covers"]).collect();
        bounds.only(&keys)?;
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
        fields.only(&["clip"])?;
        return Ok(format!("clip {:?}", numbers(&clip)?));
    }
    if let Some(formula) = fields.optional("formula") {
        fields.only(&["formula"])?;
        return Ok(format!("a corner of {}", formula.string()?));
    }
    fields.only(&["follower", "state", "actions", "gap"])?;
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
