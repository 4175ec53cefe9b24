//! Holding somebody else's answer against the exact one.

use serde::Serialize;

use super::answer::{Answer, FORMAT};
use super::json::{InputError, Node};
use super::mistakes::{Case, KNOWN_MISTAKES, Mistake, Prediction};
use super::numeral::Reading;
use super::{OracleError, Problem};
use crate::policy::{Parametrisation, Policy};

/// How far a claimed number may be off:
/// `atol + rtol max|expected|` for each quantity, never below the oracle's own
/// error bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative to the largest expected entry of the quantity.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { rtol: 1e-6, atol: 1e-9 }
    }
}

/// Somebody's answer: any of the quantities.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claimed {
    value: Option<Vec<Option<f64>>>,
    state_values: Option<Vec<Option<f64>>>,
    action_values: Option<Vec<Option<f64>>>,
    occupancy: Option<Vec<Option<f64>>>,
    gradient: Option<Vec<Option<f64>>>,
}

/// What `verify` found, in the format `pemdp-verdict/1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Always `pemdp-verdict/1`.
    pub format: &'static str,
    /// Whether every number is within its tolerance.
    pub ok: bool,
    /// Every number that is not.
    pub differences: Vec<Difference>,
    /// The known mistakes that explain all differences, those that coincide on
    /// this problem in one group.
    pub mistakes: Vec<Vec<&'static str>>,
    /// The known mistakes that are not defined on this problem.
    pub not_applicable: Vec<&'static str>,
}

/// A number that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which quantity.
    pub quantity: &'static str,
    /// Which entry; empty for the value.
    pub index: Vec<usize>,
    /// The exact number; null where it is infinite.
    pub expected: Option<f64>,
    /// The claimed one.
    pub got: Option<f64>,
    /// Their distance; null where one of them is null.
    pub error: Option<f64>,
    /// What it may be.
    pub tolerance: f64,
}

/// The keys of an answer; those after the quantities are derived and not
/// compared.
const KEYS: [&str; 10] = [
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
/// The quantities of an answer, in the order of reports.
const QUANTITIES: [&str; 5] = ["value", "state_values", "action_values", "occupancy", "gradient"];

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
        let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
        let read = |key, shape: &[usize], read: fn(&Node<'_>) -> Result<Option<f64>, InputError>| {
            let Some(node) = fields.optional(key) else { return Ok(None) };
            let mut entries = Vec::new();
            read_entries(&node, shape, read, &mut entries)?;
            Ok(Some(entries))
        };
        let claimed = Self {
            value: read("value", &[], number)?,
            state_values: read("state_values", &[n_states], number)?,
            action_values: read("action_values", &[n_states, n_actions], optional_number)?,
            occupancy: read("occupancy", &[n_states, n_actions], number)?,
            gradient: read("gradient", &[problem.n_parameters()], optional_number)?,
        };
        if claimed == Self::default() {
            return Err(root.error(format!("has none of {}, expected at least one", QUANTITIES.join(", "))));
        }
        Ok(claimed)
    }

    /// The claimed entries of a quantity.
    fn entries(&self, quantity: &str) -> Option<&Vec<Option<f64>>> {
        match quantity {
            "value" => self.value.as_ref(),
            "state_values" => self.state_values.as_ref(),
            "action_values" => self.action_values.as_ref(),
            "occupancy" => self.occupancy.as_ref(),
            _ => self.gradient.as_ref(),
        }
    }
}

fn defined(entries: &[f64]) -> Vec<Option<f64>> {
    entries.iter().copied().map(Some).collect()
}

fn number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    Ok(Some(node.numeral(Reading::Doubles)?.approximate()))
}

fn optional_number(node: &Node<'_>) -> Result<Option<f64>, InputError> {
    if node.is_null() { Ok(None) } else { number(node) }
}

/// Reads nested arrays of the given lengths into flat entries.
fn read_entries(
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

impl Prediction {
    fn of_answer(answer: &Answer) -> Self {
        Self {
            value: answer.value,
            state_values: answer.state_values.clone(),
            action_values: answer.action_values.concat(),
            occupancy: answer.occupancy.concat(),
            gradient: answer.gradient.clone(),
        }
    }

    fn entries(&self, quantity: &str) -> Vec<Option<f64>> {
        match quantity {
            "value" => vec![Some(self.value)],
            "state_values" => defined(&self.state_values),
            "action_values" => self.action_values.clone(),
            "occupancy" => defined(&self.occupancy),
            _ => self.gradient.clone(),
        }
    }
}

/// The gradient without what is not identified: where the parameters are the
/// entries of `pi`, each state's mean.
fn centred(mut gradient: Vec<Option<f64>>, width: usize) -> Vec<Option<f64>> {
    for row in gradient.chunks_mut(width) {
        let known: Vec<f64> = row.iter().flatten().copied().collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        row.iter_mut().flatten().for_each(|g| *g -= mean);
    }
    gradient
}

/// Whether two entries agree; null agrees with null only.
fn agree(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance,
        (None, None) => true,
        _ => false,
    }
}

/// The exact answer and how to compare with it.
struct Comparison<'a> {
    problem: &'a Problem,
    truth: Prediction,
    tolerances: [f64; QUANTITIES.len()],
    /// Width of the rows of a gradient whose rows are compared up to their mean.
    free_mean: Option<usize>,
}

impl Comparison<'_> {
    fn normal_form(&self, quantity: &str, entries: Vec<Option<f64>>) -> Vec<Option<f64>> {
        match self.free_mean {
            Some(width) if quantity == "gradient" => centred(entries, width),
            _ => entries,
        }
    }

    fn truth(&self, quantity: &str) -> Vec<Option<f64>> {
        self.normal_form(quantity, self.truth.entries(quantity))
    }

    fn agrees(&self, which: usize, a: &[Option<f64>], b: &[Option<f64>]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(*a, *b, self.tolerances[which]))
    }

    fn differences(&self, claimed: &Claimed) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (which, quantity) in QUANTITIES.into_iter().enumerate() {
            let Some(got) = claimed.entries(quantity) else { continue };
            let got = self.normal_form(quantity, got.clone());
            let tolerance = self.tolerances[which];
            for (i, (expected, got)) in self.truth(quantity).into_iter().zip(got).enumerate() {
                if !agree(expected, got, tolerance) {
                    let error = expected.zip(got).map(|(expected, got)| (expected - got).abs());
                    let index = self.index(quantity, i);
                    differences.push(Difference { quantity, index, expected, got, error, tolerance });
                }
            }
        }
        differences
    }

    fn index(&self, quantity: &str, i: usize) -> Vec<usize> {
        let width = self.problem.n_actions();
        match quantity {
            "value" => vec![],
            "action_values" | "occupancy" => vec![i / width, i % width],
            _ => vec![i],
        }
    }

    /// Whether a mistake explains every difference: each quantity that it
    /// touches is as predicted, each other one as predicted or right, and it
    /// predicts something else than the truth for one that is wrong.
    fn explains(&self, mistake: &Mistake, prediction: &Prediction, claimed: &Claimed) -> bool {
        let mut told_apart = false;
        for (which, quantity) in QUANTITIES.into_iter().enumerate() {
            let Some(got) = claimed.entries(quantity) else { continue };
            let got = self.normal_form(quantity, got.clone());
            let predicted = self.normal_form(quantity, prediction.entries(quantity));
            let truth = self.truth(quantity);
            let as_predicted = self.agrees(which, &got, &predicted);
            let is_right = self.agrees(which, &got, &truth);
            if !as_predicted && (mistake.touches.contains(&quantity) || !is_right) {
                return false;
            }
            told_apart |= as_predicted && !is_right && !self.agrees(which, &predicted, &truth);
        }
        told_apart
    }

    /// Whether two predictions coincide in every quantity.
    fn coincide(&self, a: &Prediction, b: &Prediction) -> bool {
        QUANTITIES.into_iter().enumerate().all(|(which, quantity)| {
            let form = |p: &Prediction| self.normal_form(quantity, p.entries(quantity));
            self.agrees(which, &form(a), &form(b))
        })
    }
}

/// Holds a claimed answer against the exact one and names the known mistakes
/// that explain what differs. `previous` is the problem whose policy was
/// deployed before, for `stale-environment`; the uniform policy where there is
/// none.
///
/// # Errors
/// [`OracleError`] where the problem has no answer, or `previous` does not fit.
pub fn verify(
    problem: &Problem,
    claimed: &Claimed,
    previous: Option<&Problem>,
    tolerance: Tolerance,
) -> Result<Verdict, OracleError> {
    let answer = problem.answer()?;
    let model = problem.model::<f64>()?;
    let policy = problem.deployed_policy::<f64>()?;
    let is_unconstrained = *policy.parametrisation() == Parametrisation::Probabilities;
    let mut comparison = Comparison {
        problem,
        truth: Prediction::of_answer(&answer),
        tolerances: [0.0; QUANTITIES.len()],
        free_mean: is_unconstrained.then(|| policy.n_actions()),
    };
    let bounds = &answer.error_bounds;
    let own = [bounds.value, bounds.state_values, bounds.action_values, bounds.occupancy, bounds.gradient];
    for (which, quantity) in QUANTITIES.into_iter().enumerate() {
        let expected = comparison.truth.entries(quantity);
        let largest = expected.into_iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs()));
        comparison.tolerances[which] = (tolerance.atol + tolerance.rtol * largest).max(own[which]);
    }

    let differences = comparison.differences(claimed);
    let mut verdict = Verdict {
        format: "pemdp-verdict/1",
        ok: differences.is_empty(),
        differences,
        mistakes: Vec::new(),
        not_applicable: Vec::new(),
    };
    let uniform = Policy::weights(problem.n_states(), problem.n_actions(), vec![1.0; policy_size(problem)])?;
    let previous = match previous {
        Some(previous) => previous.deployed_policy::<f64>()?,
        None => uniform,
    };
    let previous = if problem.entropy.is_zero() { previous } else { previous.with_logarithms() };
    let case = Case::new(problem, &model, &policy, &previous)?;
    let mut groups: Vec<(Prediction, Vec<&'static str>)> = Vec::new();
    for mistake in KNOWN_MISTAKES {
        let predictions = mistake.predictions(&case);
        if predictions.is_empty() {
            verdict.not_applicable.push(mistake.id);
        }
        if verdict.ok {
            continue; // a right answer is never accused
        }
        let Some(prediction) = predictions.into_iter().find(|p| comparison.explains(mistake, p, claimed))
        else {
            continue;
        };
        match groups.iter_mut().find(|(first, _)| comparison.coincide(first, &prediction)) {
            Some((_, group)) => group.push(mistake.id),
            None => groups.push((prediction, vec![mistake.id])),
        }
    }
    verdict.mistakes = groups.into_iter().map(|(_, group)| group).collect();
    Ok(verdict)
}

fn policy_size(problem: &Problem) -> usize {
    problem.n_states() * problem.n_actions()
}
