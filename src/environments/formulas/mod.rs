//! Transitions and rewards as formulas of the policy.

mod compiler;
#[cfg(feature = "json")]
mod file;
mod graph;
mod parser;
mod recognition;
mod response;

use std::borrow::Cow;
use std::sync::Arc;

use compiler::{Compiled, Compiler};
#[cfg(feature = "json")]
use file::{formula, named};
use graph::Node;
use parser::{Scope, numbered};
use recognition::Recognised;
use response::Formulas;

use super::{EnvironmentSpec, Given, Specification, Structure, Work};
use crate::arithmetic::{Field, Rational, Transcendental};
use crate::mdp::ModelError;
use crate::problem::checker::{Checked, Checker, NO_ROW, place};
use crate::problem::input_error::InputError;
#[cfg(feature = "json")]
use crate::problem::json::{Fields, Node as Value};
use crate::problem::keys::{Form, Key};
use crate::problem::names::Numbers;
use crate::problem::numeral::Numeral;
#[cfg(feature = "json")]
use crate::problem::reader::Reader;
use crate::problem::writer::Writer;
use crate::response::Response;

/// Formulas as text. Numbers in a formula are read exactly.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FormulaTexts {
    /// Names that stand for numbers: `beta`, `cost[1]`.
    pub constants: Vec<(String, Numeral)>,
    /// Names that stand for formulas.
    pub definitions: Vec<(String, String)>,
    /// `([s, a, t], f)`: what of `P(t|s,a)` is not 0. Repeated entries add up.
    pub transitions: Vec<([usize; 3], String)>,
    /// `([s, a], f)`: what of `r(s,a)` is not 0. Repeated entries add up.
    pub rewards: Vec<([usize; 2], String)>,
    /// `([s, a, t], f)`: what `r(s,a)` has of the next state, `sum_t P(t|s,a) f[t]`.
    pub next_rewards: Vec<([usize; 3], String)>,
    /// Whether rows of transitions are proportional to their formulas.
    pub normalise: bool,
}

impl FormulaTexts {
    fn for_each(&mut self, change: impl FnMut(&mut String)) {
        let Self { definitions, transitions, rewards, next_rewards, .. } = self;
        let definitions = definitions.iter_mut().map(|(_, text)| text);
        let rewards = rewards.iter_mut().map(|(_, text)| text);
        let entries = transitions.iter_mut().chain(next_rewards).map(|(_, text)| text);
        definitions.chain(rewards).chain(entries).for_each(change);
    }
}

/// Transitions and rewards as formulas of `pi[s,a]`, `theta[k]`, constants and definitions.
#[derive(Debug, Clone, PartialEq)]
pub struct FormulasSpec {
    texts: FormulaTexts,
    compiled: Arc<Compiled>,
}

impl FormulasSpec {
    /// The formulas of an environment with so many states and actions, for policies with so
    /// many parameters.
    ///
    /// # Errors
    /// A formula that is none, with its path and the column; names that are taken twice, are
    /// not known, or stand for what they are made of; indices that are out of range.
    ///
    /// ```
    /// use pemdp::environments::{FormulaTexts, FormulasSpec};
    /// let mut texts = FormulaTexts::default();
    /// texts.definitions.push(("load".to_owned(), "pi[0,0]^2".to_owned()));
    /// texts.transitions = [[0, 0, 0], [0, 1, 0]].map(|entry| (entry, "1".to_owned())).into();
    /// texts.rewards.push(([0, 0], "2 - lod".to_owned()));
    /// let error = FormulasSpec::new(texts, 1, 2, 2).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "environment.rewards[0]: column 5 is \"lod\", expected pi, theta, a function or a name in constants \
    ///      or definitions"
    /// );
    /// ```
    pub fn new(
        texts: FormulaTexts,
        n_states: usize,
        n_actions: usize,
        n_parameters: usize,
    ) -> Result<Self, InputError> {
        Self::named(texts, Scope { n_states, n_actions, n_parameters }, &Numbers::default())
    }

    /// The same with names of states and actions in them.
    fn named(mut texts: FormulaTexts, scope: Scope, numbers: &Numbers) -> Result<Self, InputError> {
        let compiled = Compiler::new(numbers).compile(&texts, scope)?;
        if !numbers.is_empty() {
            texts.for_each(|text| {
                // It has been parsed before.
                if let Ok(numbered) = numbered(text, scope, numbers) {
                    *text = numbered;
                }
            });
        }
        Ok(Self { texts, compiled: Arc::new(compiled) })
    }

    /// As text.
    pub fn texts(&self) -> &FormulaTexts {
        &self.texts
    }

    /// The number of different expressions.
    pub fn n_expressions(&self) -> usize {
        self.compiled.graph.nodes.len()
    }
}

/// Exact numbers may take so many bits in all.
const BITS: u64 = 1 << 24;

/// Arrays of names in each other go so deep.
const AXES: usize = 4;

impl Specification for FormulasSpec {
    const KIND: &'static str = "formulas";
    const KEYS: &'static [Key] = &[
        Key::required(
            "transitions",
            Form::Entries(&["s", "a", "t"], &Form::Formula),
            "`transitions`: entries `[s, a, t, formula]`",
        ),
        Key::optional(
            "rewards",
            Form::Entries(&["s", "a"], &Form::Formula),
            "`rewards` (default none): entries `[s, a, formula]`",
        ),
        Key::optional(
            "next_rewards",
            Form::Entries(&["s", "a", "t"], &Form::Formula),
            "`next_rewards` (default none): entries `[s, a, t, formula]`",
        ),
        Key::optional(
            "constants",
            Form::Named(AXES, &Form::NUMBER),
            "`constants` (default none): names and numbers",
        ),
        Key::optional(
            "definitions",
            Form::Named(AXES, &Form::Formula),
            "`definitions` (default none): names and formulas",
        ),
        Key::optional("normalise", Form::Flag, "`normalise` (default false)"),
    ];
    const NOTES: &'static str = "see [Formulas](#formulas); must be a kernel for the policy at hand, or is made one by `normalise`; \
         not `theta` with policy `probabilities`";

    #[cfg(feature = "json")]
    fn read(fields: &Fields<'_>, reader: &Reader) -> Checked<Self> {
        let mut texts = FormulaTexts::default();
        if let Some(constants) = fields.optional("constants") {
            named(&constants, &mut |name, node| {
                texts.constants.push((name, node.numeral(reader.reading)?));
                Ok(())
            })?;
        }
        if let Some(definitions) = fields.optional("definitions") {
            named(&definitions, &mut |name, node| {
                texts.definitions.push((name, formula(node, reader)?));
                Ok(())
            })?;
        }
        let (state, action) = (reader.state(), reader.action());
        let text = |node: &Value<'_>| formula(node, reader);
        texts.transitions =
            reader.sparse(&fields.required("transitions")?, [state, action, state], "a formula", text)?;
        if let Some(node) = fields.optional("rewards") {
            texts.rewards = reader.sparse(&node, [state, action], "a formula", text)?;
        }
        if let Some(node) = fields.optional("next_rewards") {
            texts.next_rewards = reader.sparse(&node, [state, action, state], "a formula", text)?;
            // Nothing comes after a terminal state.
            let after = texts.next_rewards.iter_mut().filter(|([s, ..], _)| reader.is_terminal(*s));
            after.for_each(|(_, text)| "0".clone_into(text));
        }
        texts.normalise = fields.optional("normalise").map_or(Ok(false), |node| node.flag())?;
        let (n_states, n_actions) = (reader.n_states(), reader.n_actions());
        let scope = Scope { n_states, n_actions, n_parameters: reader.parameter().below };
        Self::named(texts, scope, reader.numbers())
    }

    fn write(&self, _given: Given<'_>, file: &mut Writer) {
        let texts = &self.texts;
        file.nested("constants", |file| texts.constants.iter().for_each(|(name, x)| file.number(name, x)));
        file.nested("definitions", |file| {
            texts.definitions.iter().for_each(|(name, text)| file.text(name, &one_line(text)));
        });
        file.sparse_texts("transitions", &texts.transitions);
        file.sparse_texts("rewards", &texts.rewards);
        file.sparse_texts("next_rewards", &texts.next_rewards);
        file.flag("normalise", texts.normalise);
    }

    fn check(&self, checker: &mut Checker) -> Checked<()> {
        let Scope { n_states, n_actions, .. } = self.compiled.scope;
        checker.shape("these formulas", n_states, n_actions)?;
        if let Some(pair) = self.compiled.empty.iter().find(|&&pair| checker.is_used(pair)) {
            let (s, a) = (pair / n_actions, pair % n_actions);
            let problem = format!("P(.|s={s},a={a}) {NO_ROW}");
            return Err(InputError::new("environment.transitions", problem));
        }
        let mut after = self.texts.next_rewards.iter();
        let is_after =
            |([s, ..], text): &([usize; 3], String)| checker.action_sets().is_terminal(*s) && text != "0";
        if let Some(i) = after.position(is_after) {
            let problem = "is a reward of what comes after a terminal state, expected 0";
            return Err(InputError::new(place("environment.next_rewards", &[i]), problem));
        }
        // For the sums of its rows: what is wrong is told at the policy.
        self.compiled.recognised.check(checker);
        let Some((k, place)) = self.compiled.parameter else { return Ok(()) };
        let path = || self.compiled.places[place].clone();
        let policy = checker.policy();
        if !policy.is_normalised {
            let problem = format!("speaks of theta, expected pi only with policy {}", policy.kind);
            return Err(InputError::new(path(), problem));
        }
        if k >= policy.n_parameters {
            let problem =
                format!("speaks of theta[{k}], expected at most {} parameters", policy.n_parameters);
            return Err(InputError::new(path(), problem));
        }
        let graph = &self.compiled.graph;
        let is_missing = |node: &Node| match node {
            Node::Parameter(k) if policy.is_local => !checker.action_sets().is_available(*k),
            _ => false,
        };
        if let Some(i) = graph.nodes.iter().position(is_missing) {
            let place = self.compiled.places[graph.places[i]].clone();
            let problem = "speaks of theta of an action that its state does not have";
            return Err(InputError::new(place, problem));
        }
        Ok(())
    }

    fn rational_response<T: Field>(
        &self,
        given: Given<'_>,
    ) -> Result<Option<Box<dyn Response<T>>>, ModelError> {
        let has_functions = self.not_rational().is_some();
        let unused = given.actions.unused(given.n_states, given.n_actions);
        let response = || Box::new(Formulas::rational(Arc::clone(&self.compiled), unused));
        Ok((!has_functions).then(|| response() as Box<dyn Response<T>>))
    }

    fn response<T: Transcendental>(&self, given: Given<'_>) -> Result<Box<dyn Response<T>>, ModelError> {
        let unused = given.actions.unused(given.n_states, given.n_actions);
        Ok(Box::new(Formulas::transcendental(Arc::clone(&self.compiled), unused)))
    }

    fn not_rational(&self) -> Option<(String, String)> {
        let Compiled { graph, places, .. } = &*self.compiled;
        let path = |i: usize| places[graph.places[i]].clone();
        let seen = |node: &Node| match node {
            Node::Call(..) => Some("takes a function that is not rational"),
            Node::Parameter(_) => Some("speaks of theta, which is not rational"),
            _ => None,
        };
        if let Some((i, seen)) = graph.nodes.iter().enumerate().find_map(|(i, node)| Some((i, seen(node)?))) {
            return Some((path(i), format!("{seen}, expected + - * / and integer powers of pi")));
        }
        let mut sum = 0_u64;
        let too_long = graph.bits().into_iter().position(|bits| {
            sum = sum.saturating_add(bits);
            sum > BITS
        })?;
        Some((path(too_long), "takes millions of digits as a fraction, expected shorter formulas".to_owned()))
    }

    fn structure(&self, given: Given<'_>) -> Structure<'_> {
        match &self.compiled.recognised {
            Recognised::Fixed(fixed) => Structure::Fixed(Cow::Borrowed(fixed)),
            Recognised::Affine(affine) => Structure::Affine(affine),
            Recognised::LocalFamily(family) if given.has_local_logits => {
                Structure::LocalFamily(Cow::Borrowed(family))
            }
            Recognised::OfProbabilities(matters) => Structure::OfProbabilities { matters: matters.clone() },
            Recognised::LocalFamily(_) | Recognised::Nothing => Structure::Opaque,
        }
    }

    fn recognised(&self, given: Given<'_>) -> Option<EnvironmentSpec> {
        match &self.compiled.recognised {
            Recognised::Fixed(fixed) => Some(fixed.clone().into()),
            Recognised::Affine(affine) => Some(affine.clone().into()),
            Recognised::LocalFamily(family) if given.has_local_logits => Some(family.clone().into()),
            Recognised::LocalFamily(_) | Recognised::OfProbabilities(_) | Recognised::Nothing => None,
        }
    }

    fn with_rewards_times(&self, factor: &Rational) -> Option<Self> {
        let mut texts = self.texts.clone();
        let rewards = texts.rewards.iter_mut().map(|(_, text)| text);
        for text in rewards.chain(texts.next_rewards.iter_mut().map(|(_, text)| text)) {
            *text = format!("({factor})*({text})");
        }
        let Scope { n_states, n_actions, n_parameters } = self.compiled.scope;
        Self::new(texts, n_states, n_actions, n_parameters).ok()
    }

    fn work(&self, given: Given<'_>) -> Work {
        let nodes = &self.compiled.graph.nodes;
        let calls = nodes.iter().filter(|node| matches!(node, Node::Call(..))).count();
        let system = (given.n_states as f64).powi(3) / 3.0;
        Work { systems: 1.0 + 4.0 * nodes.len() as f64 / system.max(1.0), exponentials: calls as f64 }
    }

    fn summary(&self, _show: &dyn Fn(&Numeral) -> String) -> String {
        let expressions = self.n_expressions();
        format!("{expressions} expressions{}", if self.compiled.normalise { ", normalised" } else { "" })
    }
}

/// A text without line breaks and tabs.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

#[cfg(test)]
mod tests;
