//! Arrays of a problem that stand in NumPy's files beside it: `{"npz": FILE, "array": NAME}` in
//! the place of an array. They become part of the problem's text before it is read, so all that
//! is said of arrays is said of these too.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path};
use std::{fs, io};

use anyhow::{Context, anyhow, bail};
use serde_json::value::RawValue;

use crate::import::archive::{Member, Store};
use crate::import::conversion::Source;
use crate::import::npy::Array;
use crate::import::npz::Sparse;
use crate::input::{Input, LIMIT};

/// The keys of a reference to an array.
const KEYS: [&str; 2] = ["npz", "array"];
/// Objects whose values may be references.
const OBJECTS: [&str; 4] = ["policy", "policies", "environment", "reward"];

/// A problem with the arrays that stand in files of its folder.
///
/// # Errors
/// Begin with the path to the array in the problem and the name of its file.
pub fn with_arrays(bytes: Vec<u8>, folder: &Path) -> anyhow::Result<Vec<u8>> {
    if !bytes.windows(5).any(|window| window == b"\"npz\"") {
        return Ok(bytes);
    }
    // What is no JSON is told when the problem is read.
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let mut references = Vec::new();
    find(text, text, "", &mut references);
    let mut expanded = Expanded { text: String::with_capacity(text.len()) };
    let mut end = 0;
    for Reference { path, range, fields } in &references {
        expanded.push(&text[end..range.start])?;
        expanded.array(path, fields, folder).with_context(|| path.clone())?;
        end = range.end;
    }
    expanded.push(&text[end..])?;
    Ok(expanded.text.into_bytes())
}

/// An object that stands for an array.
struct Reference<'t> {
    path: String,
    /// Where it is in the text.
    range: Range<usize>,
    fields: BTreeMap<String, &'t RawValue>,
}

/// Finds the references of an object, in their order.
fn find<'t>(text: &'t str, object: &'t str, path: &str, found: &mut Vec<Reference<'t>>) {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(object) else { return };
    let mut fields: Vec<(String, &RawValue)> = fields.into_iter().collect();
    let start = |value: &str| value.as_ptr().addr() - text.as_ptr().addr();
    fields.sort_by_key(|(_, value)| start(value.get()));
    for (key, value) in fields {
        let value = value.get();
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if key == "policies"
            && let Ok(policies) = serde_json::from_str::<Vec<&RawValue>>(value)
        {
            for (i, policy) in policies.into_iter().enumerate() {
                find(text, policy.get(), &format!("{path}[{i}]"), found);
            }
        } else if OBJECTS.contains(&key.as_str()) {
            find(text, value, &path, found);
        } else if value.starts_with('{')
            && let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value)
            && fields.contains_key(KEYS[0])
            && !matches!(key.as_str(), "constants" | "definitions")
        {
            found.push(Reference { path, range: start(value)..start(value) + value.len(), fields });
        }
    }
}

/// A text that grows, within the limit of a problem.
struct Expanded {
    text: String,
}

impl Expanded {
    fn push(&mut self, text: &str) -> anyhow::Result<()> {
        if (self.text.len() + text.len()) as u64 > LIMIT {
            bail!("has more than {LIMIT} bytes (1 GiB) with its arrays");
        }
        self.text.push_str(text);
        Ok(())
    }

    /// The array that a reference stands for.
    fn array(
        &mut self,
        path: &str,
        fields: &BTreeMap<String, &RawValue>,
        folder: &Path,
    ) -> anyhow::Result<()> {
        if let Some(key) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            bail!("unknown key {key:?}, expected only npz, array");
        }
        let string = |key: &str| -> anyhow::Result<Option<String>> {
            let Some(value) = fields.get(key) else { return Ok(None) };
            let text = serde_json::from_str(value.get());
            Ok(Some(text.map_err(|_| anyhow!("{key} is {}, expected a string", value.get()))?))
        };
        let name = string(KEYS[0])?.unwrap_or_default();
        let bytes = beside(folder, &name)?;
        let mut store = Store::open(vec![Source { name: name.clone(), bytes }])?;
        let is_kernel = path.ends_with(".transitions");
        let names: Vec<String> = store.names().cloned().collect();
        let array = match string(KEYS[1])? {
            Some(array) => array,
            None if is_kernel && Sparse::is_in(&store) => {
                return self.entries(&Sparse::take(&mut store, &name)?);
            }
            None => match &names[..] {
                [only] => only.clone(),
                _ => bail!("{name}: has the arrays {}, expected \"array\" to name one", names.join(", ")),
            },
        };
        let Some(member) = store.take(&[&array])? else {
            bail!("{name}: has no array {array:?}, but {}", names.join(", "));
        };
        // Rows s A + a.
        let shape = match member.array.shape[..] {
            [rows, n] if is_kernel && n > 0 && rows % n == 0 => vec![n, rows / n, n],
            _ => member.array.shape.clone(),
        };
        let is_policy = path.starts_with("polic");
        self.nested(&member, &shape, &mut Vec::new(), is_policy)
    }

    /// Transitions as entries `[s, a, t, p]`.
    fn entries(&mut self, matrix: &Sparse) -> anyhow::Result<()> {
        let mut separator = '[';
        matrix.each(&mut |[s, a, t], number| {
            self.push(&format!("{separator}[{s},{a},{t},{}]", number.json()))?;
            separator = ',';
            Ok(())
        })?;
        self.push(if separator == '[' { "[]" } else { "]" })
    }

    /// Nested arrays; minus infinity in a policy is an action that a state does not have.
    fn nested(
        &mut self,
        member: &Member,
        shape: &[usize],
        index: &mut Vec<usize>,
        is_policy: bool,
    ) -> anyhow::Result<()> {
        let Some(length) = shape.get(index.len()) else {
            let number = member.array.number_or_minus_infinity(position(&member.array, shape, index));
            let number = number.map_err(|error| anyhow!("{}{index:?} {error}", member.place))?;
            return match number {
                Some(number) => self.push(&number.json()),
                None if is_policy => self.push("null"),
                None => bail!("{}{index:?} is -inf, expected a number", member.place),
            };
        };
        self.push("[")?;
        for i in 0..*length {
            if i > 0 {
                self.push(",")?;
            }
            index.push(i);
            self.nested(member, shape, index, is_policy)?;
            index.pop();
        }
        self.push("]")
    }
}

/// Where the entry of an index is in an array whose first axis may be two.
fn position(array: &Array, shape: &[usize], index: &[usize]) -> usize {
    match (index, shape) {
        ([s, a, t], [_, width, _]) if array.shape.len() == 2 => array.position(&[s * width + a, *t]),
        _ => array.position(index),
    }
}

/// The bytes of a file in a folder or in one of its folders.
fn beside(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(name);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let elsewhere = || anyhow!("npz is {name:?}, expected a file in the folder of the problem");
    if name.is_empty() || !is_inside {
        return Err(elsewhere());
    }
    let found = |path: &Path| -> io::Result<_> { fs::canonicalize(path) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let (folder, path) = (found(folder)?, found(&folder.join(path)).with_context(|| name.to_owned())?);
    // A link may lead elsewhere.
    if !path.starts_with(&folder) {
        return Err(elsewhere());
    }
    Input::File(path).read().map_err(|error| anyhow!("{name}: {}", error.root_cause()))
}
