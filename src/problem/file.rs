//! Problems as files: `"format": "pemdp-problem/1"`.
//!
//! Reading checks keys, types, shapes and indices, then [`Problem::new`] the numbers.
//! Nothing is renormalised. The work is linear in the size of the file, up to the
//! sorting of sparse entries.

use super::action_sets::ActionSets;
use super::checker::Checked;
use super::input_error::InputError;
use super::json::{Fields, Node};
use super::keys::{Form, Key};
use super::names::Names;
use super::normalise::Normalised;
use super::numeral::{Numeral, Reading};
use super::parts::{FORMAT, LONGEST, Parts, Problem};
use super::reader::{Axis, Reader, nested, positive_length};
use crate::criterion::Criterion;
use crate::environments::EnvironmentSpec;
use crate::policy::PolicySpec;

/// Criteria that are words.
const CRITERIA: &[&str] = &["discounted", "total", "average"];

/// The keys of a criterion that is an object.
const HORIZON: &[Key] =
    &[Key::required("horizon", Form::Integer { least: 1, most: Some(LONGEST) }, "the number of steps")];

/// The keys of names.
const NAMES: &[Key] = &[
    Key::optional("states", Form::Set(&Form::Name), "a name for each state"),
    Key::optional("actions", Form::Set(&Form::Name), "a name for each action"),
];

const POLICY: Form = Form::Kinds("policy", PolicySpec::VARIANTS);

/// The keys of a problem.
pub(super) const KEYS: &[Key] = &[
    Key::required("format", Form::Word(&[FORMAT]), "the name of the format"),
    Key::optional(
        "gamma",
        Form::PROBABILITY,
        "in [0, 1); or 1, where every episode ends; 1 by default with a `criterion` that is not discounted",
    ),
    Key::optional(
        "criterion",
        Form::AnyOf(&[Form::Word(CRITERIA), Form::Object(HORIZON)]),
        "`\"discounted\"` (the default), `\"total\"`, `{\"horizon\": H}` or `\"average\"`; optional",
    ),
    Key::optional(
        "initial",
        Form::Filled(&Form::NOT_NEGATIVE),
        "length S, sums to 1; optional for `gridworld` and `loan`, which have their own",
    ),
    Key::optional("entropy", Form::NOT_NEGATIVE, "$\\lambda\\ge0$; optional, default 0"),
    Key::optional(
        "terminal",
        Form::Set(&Form::STATE),
        "list of states where an episode ends; optional",
    ),
    Key::optional(
        "available",
        Form::Array(&Form::Array(&Form::AnyOf(&[Form::Flag, Form::Integer { least: 0, most: Some(1) }]))),
        "`[s][a]`, whether a state has an action, `true`/`false` or 1/0; optional",
    ),
    Key::optional(
        "names",
        Form::Object(NAMES),
        "names of states and of actions, `{\"states\": [...], \"actions\": [...]}`; optional",
    ),
    Key::required("policy", POLICY, "`kind`, and the parameters").unless("policies"),
    Key::optional(
        "policies",
        Form::Filled(&POLICY),
        "a list of policies in the place of `policy`: one answer a line for each, the environment is read once \
         (`eval` alone)",
    )
    .excluding(&["policy"]),
    Key::required(
        "environment",
        Form::Kinds("environment", EnvironmentSpec::VARIANTS),
        "`kind`, and what it is made of",
    ),
];

impl Problem {
    /// Reads a problem.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    ///
    /// ```
    /// use pemdp::problem::{Problem, Reading};
    /// let problem = Problem::from_json(
    ///     r#"{
    ///         "format": "pemdp-problem/1", "gamma": 0.5, "initial": [1],
    ///         "policy": {"kind": "weights", "values": [["1/3", 1]]},
    ///         "environment": {"kind": "fixed", "transitions": [[[1], [1]]], "rewards": [[0, 1]]}
    ///     }"#,
    ///     Reading::Doubles,
    /// )?;
    /// assert_eq!((problem.n_states(), problem.n_actions(), problem.n_parameters()), (1, 2, 2));
    /// assert!(problem.not_rational().is_none());
    /// # Ok::<(), pemdp::problem::InputError>(())
    /// ```
    pub fn from_json(text: &str, reading: Reading) -> Result<Self, InputError> {
        read(&Node::parse(text)?, reading)
    }

    /// Reads a problem from bytes that should be UTF-8.
    ///
    /// # Errors
    /// Whatever the format forbids, with the path to it.
    pub fn from_bytes(bytes: &[u8], reading: Reading) -> Result<Self, InputError> {
        read(&Node::from_bytes(bytes)?, reading)
    }

    /// The same with rows of probabilities divided by their sums ([`Parts::normalise`]), and
    /// what was divided.
    ///
    /// # Errors
    /// As [`Problem::from_bytes`].
    pub fn from_bytes_normalised(
        bytes: &[u8],
        reading: Reading,
    ) -> Result<(Self, Vec<Normalised>), InputError> {
        let document = Node::from_bytes(bytes)?;
        explained(&document, || {
            let (mut parts, _) = parts(&document, &one_policy(&document)?, reading)?;
            let normalised = parts.normalise();
            Ok((Self::new(parts, reading)?, normalised))
        })
    }

    /// Reads problems that differ in their policies, `"policies"` in place of `"policy"`; the one
    /// problem where there is one policy.
    ///
    /// # Errors
    /// As [`Problem::from_bytes`].
    pub fn all_from_bytes(bytes: &[u8], reading: Reading) -> Result<Vec<Self>, InputError> {
        let document = Node::from_bytes(bytes)?;
        check_format(&document)?;
        let fields = document.fields()?;
        let Some(policies) = fields.optional("policies") else {
            return Ok(vec![read(&document, reading)?]);
        };
        if let Some(policy) = fields.optional("policy") {
            return Err(policy.error("stands beside policies, expected one of them"));
        }
        positive_length(&policies, "policy")?;
        explained(&document, || {
            let placed = |i: usize, problem: Checked<Self>| {
                problem.map_err(|error| error.within("policy", &format!("policies[{i}]")))
            };
            let mut nodes = policies.array()?.enumerate();
            let Some((i, node)) = nodes.next() else { return Ok(Vec::new()) };
            let (parts, reader) = parts(&document, &node, reading)?;
            let mut problems = vec![placed(i, Self::new(parts, reading))?];
            for (i, node) in nodes {
                let policy = one_of(&node, &reader)?;
                problems.push(placed(i, problems[0].deploying_read(policy, reading))?);
            }
            Ok(problems)
        })
    }
}

fn read(document: &Node<'_>, reading: Reading) -> Checked<Problem> {
    explained(document, || {
        let (parts, _) = parts(document, &one_policy(document)?, reading)?;
        Problem::new(parts, reading)
    })
}

/// The policy of a document that has one.
fn one_policy<'n>(document: &'n Node<'_>) -> Checked<Node<'n>> {
    check_format(document)?;
    let fields = document.fields()?;
    match fields.optional("policies") {
        Some(policies) => Err(policies.error("gives several policies, expected one policy here")),
        None => fields.required("policy"),
    }
}

/// An error says the number that is out of range as it is spelled, and what the states and
/// actions that it speaks of are called.
fn explained<T>(document: &Node<'_>, read: impl FnOnce() -> Checked<T>) -> Checked<T> {
    read().map_err(|error| {
        let error = error.quoting(|path| document.quoted_at(path));
        match document.fields().and_then(|fields| names(&fields)) {
            Ok(names) => error.explained(|path, problem| names.with_legend(problem, &pair(document, path))),
            Err(_) => error,
        }
    })
}

/// Tables by state and action, whatever an entry is.
const TABLES: &[&str] = &["logits", "values", "features", "rewards", "base", "available", "initial"];
/// Arrays by state, action and next state, or entries that begin with a state and an action.
const KERNELS: &[&str] = &[
    "transitions",
    "next_rewards",
    "base_weights",
    "base_logits",
    "transition_slopes",
    "reward_slopes",
    "transition_jacobian",
    "reward_jacobian",
];

/// The state and action that a path leads to, as far as it tells.
fn pair(document: &Node<'_>, path: &str) -> Vec<usize> {
    let (base, indices) = path.split_at(path.find('[').unwrap_or(path.len()));
    let key = base.rsplit('.').next().unwrap_or_default();
    // One of several policies.
    if key == "policies" {
        return indices.split_once("].").map_or_else(Vec::new, |(_, rest)| pair(document, rest));
    }
    let at = |place: &str| document.quoted_at(place).unwrap_or_default();
    let is_entry = |text: String| !text.is_empty() && !text.starts_with(['[', 'n']);
    let has_formulas = at("environment.kind") == "\"formulas\"" && base.starts_with("environment");
    let indices: Vec<usize> = indices.split(['[', ']']).filter_map(|i| i.parse().ok()).take(2).collect();
    match indices[..] {
        [entry, ..] if KERNELS.contains(&key) && is_entry(at(&format!("{base}[0][0]"))) || has_formulas => {
            let part = |k: usize| at(&format!("{base}[{entry}][{k}]")).parse().ok();
            (0..2).map_while(part).collect()
        }
        _ if KERNELS.contains(&key) || TABLES.contains(&key) => indices,
        _ => Vec::new(),
    }
}

fn check_format(document: &Node<'_>) -> Checked<()> {
    let fields = document.fields()?;
    let hint = "this is an answer, where its problem belongs";
    let format = fields
        .optional("format")
        .ok_or_else(|| InputError::new("format", format!("is missing, expected \"{FORMAT}\"")))?;
    format.format(FORMAT, "pemdp-answer/1", hint)
}

/// The parts of a document, with one of its policies.
fn parts(document: &Node<'_>, policy: &Node<'_>, reading: Reading) -> Checked<(Parts, Reader)> {
    let fields = document.fields()?;
    fields.only(KEYS)?;
    let (criterion, is_undiscounted) = criterion(&fields)?;
    let gamma = match fields.optional("gamma") {
        Some(node) => {
            let gamma = node.numeral(reading)?;
            if is_undiscounted && !gamma.compare(1.0).is_eq() {
                return Err(node.unexpected("1, or nothing, with this criterion"));
            }
            gamma
        }
        None if is_undiscounted || criterion != Criterion::Discounted => Numeral::from(1.0),
        None => fields.required("gamma")?.numeral(reading)?,
    };
    let entropy = match fields.optional("entropy") {
        Some(node) => node.numeral(reading)?,
        None => Numeral::ZERO,
    };
    let (policy, reader) = self::policy(&fields, policy, reading)?;
    let environment = EnvironmentSpec::read(&fields.required("environment")?, &reader)?;
    let initial = match fields.optional("initial") {
        Some(node) => Some(reader.numerals(&node, &[reader.states()])?),
        None => None,
    };
    let Reader { n_states, n_actions, .. } = reader;
    let (actions, names) = (reader.actions.clone(), reader.names.clone());
    let parts = Parts {
        n_states,
        n_actions,
        gamma,
        criterion,
        actions,
        names,
        initial,
        entropy,
        policy,
        environment,
    };
    Ok((parts, reader))
}

/// Reads a policy of the shape that a reader has.
fn one_of(node: &Node<'_>, reader: &Reader) -> Checked<PolicySpec> {
    let fields = node.fields()?;
    let kind = fields.required("kind")?.choice(PolicySpec::KINDS)?;
    PolicySpec::check_keys(kind, &fields)?;
    PolicySpec::read(kind, &fields, reader)?.ok_or_else(|| node.unexpected("a policy"))
}

/// Reads how rewards add up, and whether they cannot be discounted.
fn criterion(document: &Fields<'_>) -> Checked<(Criterion, bool)> {
    let Some(node) = document.optional("criterion") else { return Ok((Criterion::Discounted, false)) };
    if node.is_object() {
        let fields = node.fields()?;
        fields.only(HORIZON)?;
        let steps = fields.required("horizon")?.count(1..=usize::MAX)?;
        return Ok((Criterion::Horizon(steps), false));
    }
    if !node.is_string() {
        return Err(node.unexpected("\"discounted\", \"total\", \"average\" or {\"horizon\": STEPS}"));
    }
    Ok(match node.choice(CRITERIA)? {
        "average" => (Criterion::Average, true),
        "total" => (Criterion::Discounted, true),
        _ => (Criterion::Discounted, false),
    })
}

/// Reads the policy, which decides how many states and actions there are, and which actions
/// each state has.
fn policy(document: &Fields<'_>, node: &Node<'_>, reading: Reading) -> Checked<(PolicySpec, Reader)> {
    let fields = node.fields()?;
    let kind = fields.required("kind")?.choice(PolicySpec::KINDS)?;
    PolicySpec::check_keys(kind, &fields)?;
    let table = fields.required(PolicySpec::table_key(kind))?;
    let states = positive_length(&table, "state")?;
    // States may have fewer actions than others.
    let mut actions: Option<Axis> = None;
    let is_empty = |row: &Node<'_>| row.is_null() || row.array().is_ok_and(|mut row| row.next().is_none());
    let is_nothing = table.array()?.all(|row| is_empty(&row));
    for row in table.array()?.filter(|row| is_nothing || !is_empty(row)) {
        let length = positive_length(&row, "action")?;
        actions = actions.filter(|most| most.length >= length.length).or(Some(length));
    }
    let Some(actions) = actions else { return Err(states.wrong(&table, 0)) };
    let (n_states, n_actions) = (states.length, actions.length);
    let names = names(document)?;
    names.check(n_states, n_actions)?;
    let (actions, numbers) = (ActionSets::default(), names.numbers());
    let mut reader = Reader { reading, n_states, n_actions, n_parameters: 0, actions, names, numbers };
    reader.actions = action_sets(document, &table, &reader)?;
    let policy = one_of(node, &reader)?;
    reader.n_parameters = policy.n_parameters();
    Ok((policy, reader))
}

/// Reads the names of states and actions.
fn names(document: &Fields<'_>) -> Checked<Names> {
    let mut names = Names::default();
    if let Some(node) = document.optional("names") {
        let fields = node.fields()?;
        fields.only(NAMES)?;
        for (key, names) in [("states", &mut names.states), ("actions", &mut names.actions)] {
            if let Some(node) = fields.optional(key) {
                *names = node.array()?.map(|name| Ok(name.string()?.into_owned())).collect::<Checked<_>>()?;
            }
        }
    }
    Ok(names)
}

/// Which states are terminal, and which actions each state has: those that neither `available`
/// excludes nor a `null`, or nothing, stands for in the policy, the rewards or the transitions.
fn action_sets(document: &Fields<'_>, table: &Node<'_>, reader: &Reader) -> Checked<ActionSets> {
    let (n_states, n_actions) = (reader.n_states, reader.n_actions);
    let mut terminal = Vec::new();
    if let Some(node) = document.optional("terminal") {
        terminal = vec![false; n_states];
        for state in node.array()? {
            let s = reader.state().read(&state)?;
            if std::mem::replace(&mut terminal[s], true) {
                return Err(state.error(format!("repeats the state {s}, expected each terminal state once")));
            }
        }
    }
    let mut available = vec![true; n_states * n_actions];
    let mut exclude = |node: &Node<'_>, is_ragged: bool, skips: &dyn Fn(usize) -> bool| -> Checked<()> {
        for (s, row) in node.array()?.take(n_states).enumerate().filter(|(s, _)| !skips(*s)) {
            let mut of_state = available[s * n_actions..(s + 1) * n_actions].iter_mut();
            if row.is_null() {
                of_state.for_each(|available| *available = false);
                continue;
            }
            if !row.is_array() {
                continue;
            }
            for (entry, available) in row.array()?.zip(&mut of_state) {
                *available &= !entry.is_null();
            }
            if is_ragged {
                of_state.for_each(|available| *available = false);
            }
        }
        Ok(())
    };
    exclude(table, true, &|_| false)?;
    let environment = document.required("environment")?;
    if environment.is_object() {
        // The rows of terminal states say nothing.
        let is_terminal = |s: usize| terminal.get(s) == Some(&true);
        for (key, skips) in
            [("rewards", &(|_| false) as &dyn Fn(usize) -> bool), ("transitions", &is_terminal)]
        {
            if let Some(node) = environment.fields()?.optional(key).filter(|node| node.is_array()) {
                exclude(&node, false, skips)?;
            }
        }
    }
    if let Some(node) = document.optional("available") {
        let mut flags = available.iter_mut();
        nested(&node, &[reader.states(), reader.actions()], &mut |entry| {
            let flag = if entry.is_number() { entry.index(2, "1 or 0")? == 1 } else { entry.flag()? };
            flags.next().into_iter().for_each(|available| *available &= flag);
            Ok(())
        })?;
    }
    if !available.contains(&false) {
        available.clear();
    }
    Ok(ActionSets { terminal, available })
}

#[cfg(test)]
mod tests;
