//! Somebody's answer, as it is read.

use super::answer::{Covers, FORMAT};
use crate::problem::json::{Fields, Node};
use crate::problem::{InputError, Problem, Reading};

/// Somebody's answer: any of the quantities, and what an answer says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claimed {
    /// The entries of each quantity, flat.
    pub(super) quantities: [Option<Vec<Option<f64>>>; QUANTITIES.len()],
    /// The error bounds of the first quantities.
    pub(super) bounds: [Option<f64>; BOUNDED],
    pub(super) covers: Option<&'static str>,
    pub(super) smooth: Option<bool>,
    /// The places where the response is said not to be differentiable.
    pub(super) kinks: Option<Vec<String>>,
}

/// What one entry of a quantity belongs to.
#[derive(Clone, Copy)]
pub(super) enum Axes {
    Whole,
    State,
    StateAndAction,
    Parameter,
}

/// A quantity of an answer, whose entries are compared.
pub(super) struct Quantity {
    pub(super) name: &'static str,
    pub(super) axes: Axes,
    /// Whether entries may be infinite.
    pub(super) optional: bool,
}

pub(super) const fn quantity(name: &'static str, axes: Axes, optional: bool) -> Quantity {
    Quantity { name, axes, optional }
}

/// The quantities of an answer, in the order of reports.
pub(super) const QUANTITIES: [Quantity; 9] = [
    quantity("value", Axes::Whole, false),
    quantity("state_values", Axes::State, false),
    quantity("action_values", Axes::StateAndAction, true),
    quantity("occupancy", Axes::StateAndAction, false),
    quantity("gradient", Axes::Parameter, true),
    quantity("gradient_terms.policy", Axes::Parameter, true),
    quantity("gradient_terms.transition", Axes::Parameter, false),
    quantity("gradient_terms.reward", Axes::Parameter, false),
    quantity("gradient_terms.entropy", Axes::Parameter, false),
];
/// So many of them have error bounds, and are predicted by mistakes.
pub(super) const BOUNDED: usize = 5;
pub(super) const VALUE: usize = 0;
pub(super) const STATE_VALUES: usize = 1;
pub(super) const ACTION_VALUES: usize = 2;
pub(super) const OCCUPANCY: usize = 3;
pub(super) const GRADIENT: usize = 4;
/// The terms of the gradient.
pub(super) const TERMS: [usize; 4] = [5, 6, 7, 8];
/// The keys of an answer.
pub(super) const KEYS: [&str; 10] = [
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
];
pub(super) const BOUNDS: [&str; BOUNDED] = [
    "error_bounds.value",
    "error_bounds.state_values",
    "error_bounds.action_values",
    "error_bounds.occupancy",
    "error_bounds.gradient",
];

impl Quantity {
    /// The key in the object that it stands in.
    fn key(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, key)| key)
    }

    fn shape(&self, problem: &Problem) -> Vec<usize> {
        match self.axes {
            Axes::Whole => vec![],
            Axes::State => vec![problem.n_states()],
            Axes::StateAndAction => vec![problem.n_states(), problem.n_actions()],
            Axes::Parameter => vec![problem.n_parameters()],
        }
    }

    pub(super) fn index(&self, problem: &Problem, i: usize) -> Vec<usize> {
        match self.axes {
            Axes::Whole => vec![],
            Axes::StateAndAction => vec![i / problem.n_actions(), i % problem.n_actions()],
            Axes::State | Axes::Parameter => vec![i],
        }
    }

    /// The entries, if the object has them.
    fn read(&self, fields: &Fields<'_>, problem: &Problem) -> Result<Option<Vec<Option<f64>>>, InputError> {
        let Some(node) = fields.optional(self.key()) else { return Ok(None) };
        let mut entries = Vec::new();
        let read = if self.optional { optional_number } else { number };
        read_entries(&node, &self.shape(problem), read, &mut entries)?;
        Ok(Some(entries))
    }
}

impl Claimed {
    /// Reads an answer with any of the quantities, shaped like those of
    /// `problem`.
    ///
    /// # Errors
    /// [`InputError`] with the place, what was seen and what was expected.
    pub fn from_json(text: &str, problem: &Problem) -> Result<Self, InputError> {
        let root = Node::parse(text)?;
        let fields = root.fields()?;
        fields.only(&KEYS)?;
        fields.required("format")?.choice(&[FORMAT])?;
        let mut claimed = Self::default();
        for which in 0..BOUNDED {
            claimed.quantities[which] = QUANTITIES[which].read(&fields, problem)?;
        }
        if claimed.quantities[..BOUNDED].iter().all(Option::is_none) {
            let names: Vec<&str> = QUANTITIES[..BOUNDED].iter().map(|quantity| quantity.name).collect();
            return Err(root.error(format!("has none of {}, expected at least one", names.join(", "))));
        }
        if let Some(node) = fields.optional("gradient_terms") {
            let terms = node.fields()?;
            terms.only(&TERMS.map(|which| QUANTITIES[which].key()))?;
            for which in TERMS {
                claimed.quantities[which] = QUANTITIES[which].read(&terms, problem)?;
            }
        }
        if let Some(node) = fields.optional("error_bounds") {
            claimed.read_bounds(&node)?;
        }
        if let Some(node) = fields.optional("smooth") {
            claimed.smooth = Some(node.flag()?);
        }
        if let Some(node) = fields.optional("kink") {
            claimed.kinks = Some(node.array()?.map(|kink| place(&kink)).collect::<Result<_, _>>()?);
        }
        Ok(claimed)
    }

    fn read_bounds(&mut self, node: &Node<'_>) -> Result<(), InputError> {
        let bounds = node.fields()?;
        let keys: Vec<&str> = QUANTITIES[..BOUNDED].iter().map(Quantity::key).chain(["covers"]).collect();
        bounds.only(&keys)?;
        for which in 0..BOUNDED {
            let Some(node) = bounds.optional(QUANTITIES[which].key()) else { continue };
            let bound = node.numeral(Reading::Doubles)?;
            if bound.is_negative() {
                return Err(node.unexpected("a bound of at least 0"));
            }
            self.bounds[which] = Some(bound.approximate());
        }
        if let Some(covers) = bounds.optional("covers") {
            self.covers = Some(covers.choice(&[Covers::Problem.word(), Covers::InducedMdp.word()])?);
        }
        Ok(())
    }
}

/// The place of a kink: `clip [s, a]`, or the follower, state and actions of a tie.
pub(super) fn place(node: &Node<'_>) -> Result<String, InputError> {
    let fields = node.fields()?;
    let numbers = |node: &Node<'_>| -> Result<Vec<usize>, InputError> {
        node.array()?.map(|entry| entry.count(0..=usize::MAX)).collect()
    };
    if let Some(clip) = fields.optional("clip") {
        fields.only(&["clip"])?;
        return Ok(format!("clip {:?}", numbers(&clip)?));
    }
    fields.only(&["follower", "state", "actions", "gap"])?;
    let count = |key| fields.required(key)?.count(0..=usize::MAX);
    let (follower, state) = (count("follower")?, count("state")?);
    fields.required("gap")?.numeral(Reading::Doubles)?;
    Ok(format!("follower {follower} state {state} actions {:?}", numbers(&fields.required("actions")?)?))
}

pub(super) fn defined(entries: &[f64]) -> Vec<Option<f64>> {
    entries.iter().copied().map(Some).collect()
}

pub(super) fn number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    Ok(Some(node.numeral(Reading::Doubles)?.approximate()))
}

pub(super) fn optional_number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    if node.is_null() { Ok(None) } else { number(node) }
}

/// Reads nested arrays of the given lengths into flat entries.
pub(super) fn read_entries(
    node: &Node<'_>,
    shape: &[usize],
    read: fn(&Node<'_>) -> Result<Option<f64>, InputError>,
    entries: &mut Vec<Option<f64>>,
) -> Result<(), InputError> {
    let Some((&expected, inner)) = shape.split_first() else {
        entries.push(read(node)?);
        return Ok(());
    };
    let seen = node.array()?.count();
    if seen != expected {
        return Err(node.error(format!("has {seen} entries, expected {expected}")));
    }
    node.array()?.try_for_each(|node| read_entries(&node, inner, read, entries))
}
