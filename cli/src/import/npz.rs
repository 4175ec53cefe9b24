//! Models as NumPy's arrays.

use anyhow::{Context, anyhow, bail};

use super::archive::{Member, Store};
use super::conversion::{Axes, Options, Source};
use super::model::{Model, NextReward, Policy, Transition};
use super::npy::Array;
use super::number::Number;
use super::text::{check_probability, excerpt};

const TRANSITIONS: &[&str] = &["P", "transitions", "transition", "T"];
const REWARDS: &[&str] = &["R", "rewards", "reward", "r"];
const TERMINAL: &[&str] = &["terminal", "terminals", "done"];

/// Reads arrays.
///
/// # Errors
/// Files that are not archives of arrays; arrays that are not those of a model.
pub fn read(sources: Vec<Source>, options: &Options) -> anyhow::Result<Model> {
    let mut store = Store::open(sources)?;
    let mut model = Model { file: store.files.join(", "), ..Model::default() };
    let axes = transitions(&mut store, options, &mut model)?;
    // Before tables of states and actions are read.
    model.check_size()?;
    let named = options.rewards.as_ref().map(|name| [name.as_str()]);
    let names = named.as_ref().map_or(REWARDS, |name| &name[..]);
    match store.take(names)? {
        Some(member) => rewards(&member, axes, options, &mut model).with_context(|| member.place.clone())?,
        None if named.is_some() => {
            bail!("{}: has no array \"{}\", expected it for --rewards", model.file, names[0])
        }
        None => model.notes.push("has no array R or rewards: they are 0".to_owned()),
    }
    if let Some(member) = store.take(&["gamma", "discount"])? {
        let entries = member.vector(1)?;
        model.gamma = entries.into_iter().next();
    }
    if let Some(member) = store.take(&["initial", "rho", "p0"])? {
        if member.array.shape.is_empty() {
            let state = member.array.natural(0, model.n_states).with_context(|| member.place.clone())?;
            model.starts.insert(u32::try_from(state)?);
        } else {
            let numbers = member.vector(model.n_states)?;
            if let Some((s, number)) = numbers.iter().enumerate().find(|(_, number)| number.is_negative()) {
                bail!("{}[{s}] is {}, expected a probability", member.place, number.quoted());
            }
            model.initial = Some(numbers);
        }
    }
    if let Some(member) = store.take(TERMINAL)? {
        for (s, truth) in member.vector(model.n_states)?.iter().enumerate() {
            if !truth.is_zero() {
                model.terminal.insert(u32::try_from(s)?);
            }
        }
    }
    model.policy = policy(&mut store, &model)?;
    for name in store.names().filter(|name| *name != "_is_array") {
        model.notes.push(format!("the array \"{}\" is dropped", excerpt(name)));
    }
    Ok(model)
}

/// Reads the transitions; the order of their axes, if they have three.
fn transitions(store: &mut Store, options: &Options, model: &mut Model) -> anyhow::Result<Option<Axes>> {
    if let Some(member) = store.take(TRANSITIONS)? {
        return dense(&member, options, model).with_context(|| member.place.clone());
    }
    if !Sparse::is_in(store) {
        bail!("{}: has no array P or transitions, nor SciPy's data, indices, indptr and shape", model.file);
    }
    let matrix = Sparse::take(store, &model.file)?;
    (model.n_states, model.n_actions) = (matrix.n_states, matrix.n_actions);
    matrix.each(&mut |at, probability| {
        check_probability(&probability)?;
        push(model, at, probability)
    })?;
    Ok(None)
}

/// Takes the transitions of an array `[s,a,t]`, `[a,s,t]` or `[s A + a, t]`.
fn dense(member: &Member, options: &Options, model: &mut Model) -> anyhow::Result<Option<Axes>> {
    let (array, name) = (&member.array, &member.name);
    let (n, width, axes) = match *array.shape {
        _ if array.len() == 0 => bail!("has shape {:?}, expected no axis of length 0", array.shape),
        [one, two, three] => {
            let axes = axes_of(name, [one, two, three], options.axes)?;
            if axes == Axes::Sat { (one, two, Some(axes)) } else { (two, one, Some(axes)) }
        }
        [rows, n] if rows % n == 0 => (n, rows / n, None),
        _ => bail!("has shape {:?}, expected [S, A, S], [A, S, S] or [S A, S]", array.shape),
    };
    (model.n_states, model.n_actions) = (n, width);
    for s in 0..n {
        for a in 0..width {
            for t in 0..n {
                let position = position(array, axes, width, [s, a, t]);
                if !array.is_zero(position) {
                    let place = || format!("{name} at state {s}, action {a}, next state {t}");
                    let probability =
                        array.number(position).map_err(|error| anyhow!("{} {error}", place()))?;
                    check_probability(&probability).with_context(place)?;
                    push(model, [s, a, t], probability)?;
                }
            }
        }
    }
    Ok(axes)
}

fn push(model: &mut Model, at: [usize; 3], probability: Number) -> anyhow::Result<()> {
    let [s, a, t] = at;
    let at = [u32::try_from(s)?, u32::try_from(a)?, u32::try_from(t)?];
    model.transitions.push(Transition { at, line: 0, ends: false, probability });
    Ok(())
}

/// Where an entry is in an array with these axes, else with rows `s A + a`.
fn position(array: &Array, axes: Option<Axes>, width: usize, [s, a, t]: [usize; 3]) -> usize {
    match axes {
        Some(Axes::Sat) => array.position(&[s, a, t]),
        Some(Axes::Ast) => array.position(&[a, s, t]),
        None => array.position(&[s * width + a, t]),
    }
}

/// Which axis is which, by their lengths or as told.
fn axes_of(name: &str, shape: [usize; 3], told: Option<Axes>) -> anyhow::Result<Axes> {
    let [one, two, n] = shape;
    match told {
        Some(Axes::Sat) if one == n => Ok(Axes::Sat),
        Some(Axes::Ast) if two == n => Ok(Axes::Ast),
        None if one == n && two != n => Ok(Axes::Sat),
        None if two == n && one != n => Ok(Axes::Ast),
        None if one == n => {
            bail!(
                "{name} has shape {shape:?}, which may be [s,a,t] or [a,s,t], expected --axes sat or --axes ast"
            )
        }
        _ => bail!("{name} has shape {shape:?}, expected [S, A, S] or [A, S, S], and --axes to agree"),
    }
}

/// SciPy's sparse matrix `[s A + a, t]` in the format CSR.
pub struct Sparse {
    /// How many columns there are.
    pub n_states: usize,
    /// How many rows there are for each of them.
    pub n_actions: usize,
    data: Member,
    indices: Member,
    indptr: Member,
}

impl Sparse {
    /// Whether a file has such a matrix.
    pub fn is_in(store: &Store) -> bool {
        store.names().any(|name| name == "indptr")
    }

    /// Takes the matrix of a file.
    ///
    /// # Errors
    /// Another format, and arrays that are missing or of another length.
    pub fn take(store: &mut Store, file: &str) -> anyhow::Result<Self> {
        if let Some(format) = store.take(&["format"])?.and_then(|member| member.array.text())
            && format != "csr"
        {
            bail!(
                "{file}: is a sparse matrix in the format {}, expected csr: matrix.tocsr()",
                excerpt(&format)
            );
        }
        let mut part =
            |name: &str| store.take(&[name])?.ok_or_else(|| anyhow!("{file}: has no array \"{name}\""));
        let (data, indices, indptr, shape) =
            (part("data")?, part("indices")?, part("indptr")?, part("shape")?);
        let most = u32::MAX as usize;
        if shape.array.len() != 2 {
            bail!("{}: has {} entries, expected 2", shape.place, shape.array.len());
        }
        let (rows, n) = (natural(&shape, 0, most)?, natural(&shape, 1, most)?);
        if n == 0 || rows == 0 || rows % n != 0 {
            bail!("{}: is {rows} and {n}, expected rows s A + a, a multiple of the columns t", shape.place);
        }
        let entries = data.array.len();
        if indptr.array.len() != rows + 1 || indices.array.len() != entries {
            let (pointers, found) = (indptr.array.len(), indices.array.len());
            bail!(
                "{}: has {pointers} entries, and {found} indices for {entries} data; expected {} and as many",
                indptr.place,
                rows + 1
            );
        }
        Ok(Self { n_states: n, n_actions: rows / n, data, indices, indptr })
    }

    /// Calls `entry` with state, action and next state of what is not 0, and the number.
    ///
    /// # Errors
    /// Pointers and indices that are none, entries that are no numbers, and those of `entry`.
    pub fn each(
        &self,
        entry: &mut dyn FnMut([usize; 3], Number) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Self { n_states, n_actions, data, indices, indptr } = self;
        let entries = data.array.len();
        let mut start = natural(indptr, 0, 1)?;
        for row in 0..n_states * n_actions {
            let end = natural(indptr, row + 1, entries + 1)?;
            if end < start {
                bail!("{}: has {end} after {start}, expected no less", indptr.place);
            }
            for position in start..end {
                let t = natural(indices, position, *n_states)?;
                if !data.array.is_zero(position) {
                    let place = || format!("{}[{position}]", data.place);
                    let number =
                        data.array.number(position).map_err(|error| anyhow!("{} {error}", place()))?;
                    entry([row / n_actions, row % n_actions, t], number).with_context(place)?;
                }
            }
            start = end;
        }
        if start != entries {
            bail!("{}: ends with {start}, expected the number of data, {entries}", indptr.place);
        }
        Ok(())
    }
}

fn natural(member: &Member, position: usize, below: usize) -> anyhow::Result<usize> {
    member.array.natural(position, below).with_context(|| member.place.clone())
}

/// Takes the rewards of an array `[s]`, `[s A + a]`, `[s,a]`, or with next states and the axes of transitions.
fn rewards(member: &Member, axes: Option<Axes>, options: &Options, model: &mut Model) -> anyhow::Result<()> {
    let array = &member.array;
    let (n, width) = (model.n_states, model.n_actions);
    let number = |position: usize, [s, a]: [u32; 2]| {
        array.number(position).map_err(|error| anyhow!("{} at state {s}, action {a} {error}", member.name))
    };
    let axes = match *array.shape {
        [length] if length == n => {
            for s in (0_u32..).take(n) {
                model.state_rewards.push((s, number(s as usize, [s, 0])?));
            }
            return Ok(());
        }
        [length] if length == n * width => return of_actions(&number, |s, a| s * width + a, model),
        [states, actions] if (states, actions) == (n, width) => {
            return of_actions(&number, |s, a| array.position(&[s, a]), model);
        }
        [rows, next] if (rows, next) == (n * width, n) => None,
        [one, two, three]
            if [one, two, three] == [n, width, n] && (n != width || axes == Some(Axes::Sat)) =>
        {
            Some(Axes::Sat)
        }
        [one, two, three]
            if [one, two, three] == [width, n, n] && (n != width || axes == Some(Axes::Ast)) =>
        {
            Some(Axes::Ast)
        }
        [one, two, three] if [one, two, three] == [n; 3] => {
            Some(axes_of(&member.name, [n; 3], options.axes)?)
        }
        _ => bail!(
            "has shape {:?}, expected [S], [S, A], [S, A, S] or [A, S, S] with {n} states and {width} actions",
            array.shape
        ),
    };
    for entry in &model.transitions {
        let [s, a, _] = entry.at;
        let reward = number(position(array, axes, width, entry.at.map(|i| i as usize)), [s, a])?;
        model.next_rewards.push(NextReward { at: entry.at, line: 0, reward });
    }
    model.next_rewards.sort_by_key(|entry| entry.at);
    model.next_rewards.dedup_by_key(|entry| entry.at);
    Ok(())
}

/// Takes the rewards `[s,a]` at positions.
fn of_actions(
    number: &dyn Fn(usize, [u32; 2]) -> anyhow::Result<Number>,
    position: impl Fn(usize, usize) -> usize,
    model: &mut Model,
) -> anyhow::Result<()> {
    let mut rows: Vec<[u32; 2]> = model.transitions.iter().map(|entry| [entry.at[0], entry.at[1]]).collect();
    rows.sort_unstable();
    for s in (0_u32..).take(model.n_states) {
        for a in (0_u32..).take(model.n_actions) {
            let reward = number(position(s as usize, a as usize), [s, a]);
            // An action that a state does not have may have any reward, minus infinity for instance.
            match rows.binary_search(&[s, a]) {
                Ok(_) => model.action_rewards.push(([s, a], reward?)),
                Err(_) => model.action_rewards.extend(reward.ok().map(|reward| ([s, a], reward))),
            }
        }
    }
    Ok(())
}

fn policy(store: &mut Store, model: &Model) -> anyhow::Result<Option<Policy>> {
    let (logits, member) = match store.take(&["logits"])? {
        Some(member) => (true, member),
        None => match store.take(&["pi", "policy"])? {
            Some(member) => (false, member),
            None => return Ok(None),
        },
    };
    let (array, shape) = (&member.array, [model.n_states, model.n_actions]);
    if array.shape != shape {
        bail!("{}: has shape {:?}, expected {shape:?}", member.place, array.shape);
    }
    let mut table = Vec::with_capacity(array.len());
    for s in 0..shape[0] {
        for a in 0..shape[1] {
            let entry = array.number_or_minus_infinity(array.position(&[s, a]));
            table.push(entry.map_err(|error| anyhow!("{}[{s}, {a}] {error}", member.place))?);
        }
    }
    Ok(Some(Policy { logits, table }))
}
