//! What formulas mean: one graph of expressions, and which of them is what.

use std::collections::{BTreeMap, HashMap};

use super::FormulaTexts;
use super::graph::{Builder, Graph, Node};
use super::parser::{RESERVED, Scope, Step, is_index, is_name, parse};
use super::recognition::Recognised;
use crate::arithmetic::Rational;
use crate::problem::checker::place;
use crate::problem::input_error::InputError;
use crate::problem::names::Numbers;

/// What formulas mean.
#[derive(Debug, PartialEq)]
pub(super) struct Compiled {
    pub(super) scope: Scope,
    pub(super) normalise: bool,
    pub(super) graph: Graph,
    /// Paths of the formulas.
    pub(super) places: Vec<String>,
    /// `(t, expression)` of each pair `s A + a`.
    pub(super) rows: Vec<Vec<(usize, usize)>>,
    /// Pairs for which no entry is written: their rows stay.
    pub(super) empty: Vec<usize>,
    /// The expression of `r(s,a)` at `s A + a`.
    pub(super) rewards: Vec<usize>,
    /// Whether each expression depends on the policy.
    pub(super) depends: Vec<bool>,
    /// The largest parameter of which a formula speaks, and where.
    pub(super) parameter: Option<(usize, usize)>,
    pub(super) recognised: Recognised,
}

impl Compiled {
    /// `P(t=2|s=0,a=1)` or `P(.|s=0,a=1)`.
    pub(super) fn transition(&self, pair: usize, target: Option<usize>) -> String {
        let (s, a) = (pair / self.scope.n_actions, pair % self.scope.n_actions);
        match target {
            Some(t) => format!("P(t={t}|s={s},a={a})"),
            None => format!("P(.|s={s},a={a})"),
        }
    }
}

/// Formulas on their way to what they mean.
pub(super) struct Compiler<'n> {
    /// What names of states and actions stand for.
    numbers: &'n Numbers,
    builder: Builder,
    places: Vec<String>,
    names: HashMap<String, usize>,
}

impl<'n> Compiler<'n> {
    pub(super) fn new(numbers: &'n Numbers) -> Self {
        Self { numbers, builder: Builder::default(), places: Vec::new(), names: HashMap::new() }
    }

    pub(super) fn compile(mut self, texts: &FormulaTexts, scope: Scope) -> Result<Compiled, InputError> {
        self.name(texts, scope)?;
        let (n, n_actions) = (scope.n_states, scope.n_actions);
        let out_of_range = |path: String, what: &str| {
            InputError::new(path, format!("is out of range, expected {what} of the policy"))
        };
        let mut rows: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); n * n_actions];
        for (i, ([s, a, t], text)) in texts.transitions.iter().enumerate() {
            let path = place("environment.transitions", &[i]);
            if *s >= n || *a >= n_actions || *t >= n {
                return Err(out_of_range(path, "a state, an action and a state"));
            }
            let node = self.formula(path, text, scope)?;
            let row = &mut rows[s * n_actions + a];
            let node = row.get(t).map_or(node, |&before| self.builder.sum(before, node));
            row.insert(*t, node);
        }
        // Rows of terminal states and of actions that a state does not have: any kernel will do.
        let empty: Vec<usize> = (0..rows.len()).filter(|&pair| rows[pair].is_empty()).collect();
        for &pair in &empty {
            let one = self.builder.constant(Rational::from_integer(1.into()));
            rows[pair].insert(pair / n_actions, one);
        }
        let weights = texts.normalise.then(|| rows.clone());
        if texts.normalise {
            for (pair, row) in rows.iter_mut().enumerate() {
                self.normalise(row, (pair / n_actions, pair % n_actions));
            }
        }
        self.place("environment.rewards".to_owned());
        let zero = self.builder.constant(Rational::from_integer(0.into()));
        let mut rewards = vec![zero; n * n_actions];
        for (i, ([s, a], text)) in texts.rewards.iter().enumerate() {
            let path = place("environment.rewards", &[i]);
            if *s >= n || *a >= n_actions {
                return Err(out_of_range(path, "a state and an action"));
            }
            let node = self.formula(path, text, scope)?;
            let reward = &mut rewards[s * n_actions + a];
            *reward = self.builder.sum(*reward, node);
        }
        for (i, ([s, a, t], text)) in texts.next_rewards.iter().enumerate() {
            let path = place("environment.next_rewards", &[i]);
            if *s >= n || *a >= n_actions || *t >= n {
                return Err(out_of_range(path, "a state, an action and a state"));
            }
            let node = self.formula(path, text, scope)?;
            let pair = s * n_actions + a;
            let Some(&probability) = rows[pair].get(t) else { continue };
            let part = self.builder.product(probability, node);
            rewards[pair] = self.builder.sum(rewards[pair], part);
        }
        let listed = |rows: &[BTreeMap<usize, usize>]| -> Vec<Vec<(usize, usize)>> {
            rows.iter().map(|row| row.iter().map(|(t, node)| (*t, *node)).collect()).collect()
        };
        let weights = weights.map(|weights| listed(&weights));
        let (graph, weights) = (&self.builder.graph, weights.as_deref());
        let recognised = Recognised::new(graph, &listed(&rows), weights, &rewards, scope);
        Ok(Compiled { empty, ..self.compiled(rows, &rewards, recognised, texts.normalise, scope) })
    }

    fn compiled(
        self,
        rows: Vec<BTreeMap<usize, usize>>,
        rewards: &[usize],
        recognised: Recognised,
        normalise: bool,
        scope: Scope,
    ) -> Compiled {
        let roots: Vec<usize> = rows.iter().flat_map(|row| row.values()).chain(rewards).copied().collect();
        let (graph, roots) = self.builder.graph.pruned(&roots);
        let mut roots = roots.into_iter();
        let rows: Vec<Vec<(usize, usize)>> =
            rows.iter().map(|row| row.keys().copied().zip(roots.by_ref()).collect()).collect();
        let rewards: Vec<usize> = roots.collect();
        let parameters = graph.nodes.iter().zip(&graph.places).filter_map(|(node, place)| match node {
            Node::Parameter(k) => Some((*k, *place)),
            _ => None,
        });
        let parameter = parameters.max_by_key(|(k, _)| *k);
        let (depends, places) = (graph.depends(), self.places);
        let empty = Vec::new();
        Compiled { scope, normalise, graph, places, rows, empty, rewards, depends, parameter, recognised }
    }

    fn place(&mut self, path: String) {
        self.builder.place = self.places.len();
        self.places.push(path);
    }

    /// The expression of a formula.
    fn formula(&mut self, path: String, text: &str, scope: Scope) -> Result<usize, InputError> {
        let steps = parse(text, scope, self.numbers)
            .map_err(|error| InputError::new(path.clone(), error.to_string()))?;
        self.lower(path, &steps)
    }

    fn lower(&mut self, path: String, steps: &[Step]) -> Result<usize, InputError> {
        self.place(path.clone());
        let names = &self.names;
        let node = self.builder.lower(steps, |name| names.get(name).copied());
        node.map_err(|error| InputError::new(path, error.to_string()))
    }

    /// Rows proportional to their weights.
    fn normalise(&mut self, row: &mut BTreeMap<usize, usize>, (s, a): (usize, usize)) {
        self.place(format!("environment.transitions: P(.|s={s},a={a})"));
        let total = row.values().copied().reduce(|x, y| self.builder.sum(x, y));
        if let Some(total) = total {
            row.values_mut().for_each(|node| *node = self.builder.quotient(*node, total));
        }
    }

    /// Constants, and definitions after those that they are made of.
    fn name(&mut self, texts: &FormulaTexts, scope: Scope) -> Result<(), InputError> {
        let paths = |key: &str, name: &str| format!("environment.{key}.{}", crate::problem::excerpt(name));
        let mut taken: HashMap<&str, &str> = HashMap::new();
        let constants = texts.constants.iter().map(|(name, _)| ("constants", name));
        let definitions = texts.definitions.iter().map(|(name, _)| ("definitions", name));
        for (key, name) in constants.chain(definitions) {
            check_name(name).map_err(|problem| InputError::new(paths(key, name), problem))?;
            if let Some(before) = taken.insert(name, key) {
                let problem = format!("stands in {before} already, expected each name once");
                return Err(InputError::new(paths(key, name), problem));
            }
        }
        for (name, number) in &texts.constants {
            self.place(paths("constants", name));
            let node = self.builder.constant(number.exact().reduced());
            self.names.insert(name.clone(), node);
        }
        let mut programs = Vec::new();
        for (name, text) in &texts.definitions {
            let path = paths("definitions", name);
            let steps = parse(text, scope, self.numbers)
                .map_err(|error| InputError::new(path.clone(), error.to_string()))?;
            programs.push((path, steps));
        }
        for i in self.order(&texts.definitions, &programs)? {
            let (path, steps) = &programs[i];
            let node = self.lower(path.clone(), steps)?;
            self.names.insert(texts.definitions[i].0.clone(), node);
        }
        Ok(())
    }

    /// Definitions after those that they are made of.
    fn order(
        &self,
        definitions: &[(String, String)],
        programs: &[(String, Vec<Step>)],
    ) -> Result<Vec<usize>, InputError> {
        let index: HashMap<&str, usize> =
            definitions.iter().enumerate().map(|(i, (name, _))| (name.as_str(), i)).collect();
        let parts = |i: usize| -> Vec<usize> {
            let named = |step: &Step| match step {
                Step::Name { name, .. } => index.get(name.as_str()).copied(),
                _ => None,
            };
            programs[i].1.iter().filter_map(named).collect()
        };
        let (mut order, mut state) = (Vec::new(), vec![Visit::Not; definitions.len()]);
        for start in 0..definitions.len() {
            let mut path = vec![(start, None)];
            while let Some((i, open)) = path.last_mut() {
                let i = *i;
                if open.is_none() {
                    if state[i] == Visit::Done {
                        path.pop();
                        continue;
                    }
                    if state[i] == Visit::Open {
                        let name = &definitions[i].0;
                        let problem = format!("is made of {name} itself, expected other names only");
                        return Err(InputError::new(programs[i].0.clone(), problem));
                    }
                    state[i] = Visit::Open;
                }
                match open.get_or_insert_with(|| parts(i)).pop() {
                    Some(part) => path.push((part, None)),
                    None => {
                        state[i] = Visit::Done;
                        order.push(i);
                        path.pop();
                    }
                }
            }
        }
        Ok(order)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Not,
    Open,
    Done,
}

/// A name that is not taken, with or without indices.
fn check_name(name: &str) -> Result<(), String> {
    const EXPECTED: &str =
        "expected a letter or _, then letters, digits and _, and indices such as [0,1] if any";
    let (base, indices) = match name.split_once('[') {
        Some((base, rest)) => (base, rest.strip_suffix(']').map(|list| list.split(','))),
        None => (name, Some("0".split(','))),
    };
    if !(is_name(base) && indices.is_some_and(|mut indices| indices.all(is_index))) {
        return Err(format!("is no name, {EXPECTED}"));
    }
    if RESERVED.contains(&base) {
        return Err(format!(
            "is taken by the language of formulas, expected another name than {}",
            RESERVED.join(", ")
        ));
    }
    Ok(())
}
