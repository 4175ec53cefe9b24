//! Formulas and names as a file has them.

use super::parser::indexed;
use super::{AXES, one_line};
use crate::problem::checker::Checked;
use crate::problem::json::Node;
use crate::problem::reader::Reader;

/// A formula, or a number as one.
pub(super) fn formula(node: &Node<'_>, reader: &Reader) -> Checked<String> {
    if node.is_string() {
        return Ok(one_line(&node.string()?));
    }
    if !node.is_number() {
        return Err(node.unexpected("a formula in a string, or a number"));
    }
    let number = node.numeral(reader.reading)?.exact();
    Ok(number.to_string())
}

/// Calls `entry` with each name of an object; where one stands for an array, with the name of
/// each of its elements: `load[0,1]`.
pub(super) fn named(node: &Node<'_>, entry: &mut dyn FnMut(String, &Node<'_>) -> Checked<()>) -> Checked<()> {
    let fields = node.fields()?;
    for key in fields.keys() {
        elements(&fields.required(key)?, key, &mut Vec::new(), entry)?;
    }
    Ok(())
}

fn elements(
    node: &Node<'_>,
    name: &str,
    indices: &mut Vec<String>,
    entry: &mut dyn FnMut(String, &Node<'_>) -> Checked<()>,
) -> Checked<()> {
    if !node.is_array() {
        return entry(if indices.is_empty() { name.to_owned() } else { indexed(name, indices) }, node);
    }
    if indices.len() == AXES {
        return Err(node.error(format!("is an array, expected at most {AXES} arrays in each other")));
    }
    for (i, element) in node.array()?.enumerate() {
        indices.push(i.to_string());
        elements(&element, name, indices, entry)?;
        indices.pop();
    }
    Ok(())
}
