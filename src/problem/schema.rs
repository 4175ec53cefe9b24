//! JSON Schemas (draft 2020-12) of files, from the lists of keys that readers go by.

use serde_json::{Map, Value, json};

use super::file;
use super::keys::{Form, Key, Need, Variant};
use crate::environments::EnvironmentSpec;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON Schema (draft 2020-12) of problems, `"format": "pemdp-problem/1"`.
///
/// It accepts every problem that is read, and refuses what keys, types and ranges alone tell.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(&pemdp::problem::schema())?;
/// assert_eq!(schema["properties"]["gamma"]["maximum"], 1.0);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn schema() -> String {
    let has_initial = json!({"properties": {"kind": {"enum": EnvironmentSpec::kinds_with_initial()}}});
    let is_discounted = json!({"properties": {"criterion": {"const": "discounted"}}});
    let conditions = vec![
        json!({"if": is_discounted, "then": {"required": ["gamma"]}}),
        json!({"if": {"properties": {"environment": has_initial}}, "else": {"required": ["initial"]}}),
    ];
    let about = "A policy, the environment that responds to it, and how its value is measured. What no schema can say \
                 is not here: that arrays have the shape of the policy, that indices are below the number of states, \
                 actions or parameters, that rows of probabilities sum to 1, the range of numbers in strings, what \
                 formulas mean, which policies an environment responds to.";
    document("Problem (pemdp-problem/1)", about, file::KEYS, conditions)
}

/// The text of the schema of an object with these keys, and of conditions on the whole.
pub(crate) fn document(title: &str, about: &str, keys: &[Key], conditions: Vec<Value>) -> String {
    let mut definitions = Definitions::default();
    let schema = definitions.object(keys, None, conditions);
    let head = json!({"$schema": DIALECT, "title": title, "description": about, "$defs": definitions.0});
    format!("{:#}\n", and(schema, head))
}

/// A schema with more keywords.
fn and(mut schema: Value, more: Value) -> Value {
    if let (Value::Object(schema), Value::Object(more)) = (&mut schema, more) {
        schema.extend(more);
    }
    schema
}

/// What is not of digits alone.
const NAME: &str = "[^0-9]";

/// Keys of other objects whose arrays may stand in files.
const IN_FILES: [&str; 2] = ["initial", "base"];

/// What is stated once, by name.
#[derive(Default)]
struct Definitions(Map<String, Value>);

impl Definitions {
    /// A reference to the definition of this name, which is made if there is none yet.
    fn shared(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.0.contains_key(name) {
            let schema = make(self);
            self.0.insert(name.to_owned(), schema);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// An object of these keys, and of `kind` where it is one of several.
    fn object(&mut self, keys: &[Key], kind: Option<&str>, mut conditions: Vec<Value>) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        if let Some(kind) = kind {
            properties.insert("kind".to_owned(), json!({"const": kind}));
            required.push("kind");
        }
        for key in keys {
            let mut schema = self.form(&key.form);
            // Arrays of a policy or an environment may stand in files.
            if key.form.is_array() && (kind.is_some() || IN_FILES.contains(&key.name)) {
                schema = json!({"anyOf": [schema, self.form(&Form::ARCHIVED)]});
            }
            let schema = and(schema, json!({"description": key.about}));
            properties.insert(key.name.to_owned(), schema);
            match key.need {
                Need::Always => required.push(key.name),
                Need::Never => {}
                Need::Unless(other) => {
                    conditions.push(json!({"anyOf": [{"required": [key.name]}, {"required": [other]}]}));
                }
            }
            for other in key.excludes {
                conditions
                    .push(json!({"if": {"required": [key.name]}, "then": {"properties": {*other: false}}}));
            }
        }
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        });
        if conditions.is_empty() { schema } else { and(schema, json!({"allOf": conditions})) }
    }

    /// An object whose `kind` decides on its other keys.
    fn kinds(&mut self, name: &str, variants: &[Variant]) -> Value {
        let mut conditions = Vec::new();
        for Variant { kind, keys, notes } in variants {
            let reference = self.shared(&format!("{name}-{kind}"), |definitions| {
                let title = format!("{name} {kind}");
                and(
                    definitions.object(keys, Some(kind), Vec::new()),
                    json!({"title": title, "description": notes}),
                )
            });
            let is_kind = json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
            conditions.push(json!({"if": is_kind, "then": reference}));
        }
        let kinds: Vec<&str> = variants.iter().map(|variant| variant.kind).collect();
        json!({
            "type": "object", "properties": {"kind": {"enum": kinds}}, "required": ["kind"], "allOf": conditions
        })
    }

    fn form(&mut self, form: &Form) -> Value {
        match form {
            Form::Number { least, most } => and(self.shared("number", |_| number()), bounds(*least, *most)),
            Form::Integer { least, most } => and(json!({"type": "integer"}), bounds(Some(*least), *most)),
            Form::Flag => json!({"type": "boolean"}),
            Form::Text => json!({"type": "string"}),
            Form::Name => json!({"type": "string", "pattern": NAME}),
            Form::Word(words) => json!({"enum": words}),
            Form::Formula => json!({"type": ["string", "number"], "minLength": 1}),
            Form::OrNull(inner) => json!({"anyOf": [{"type": "null"}, self.form(inner)]}),
            Form::Array(items) => json!({"type": "array", "items": self.form(items)}),
            Form::Filled(items) => and(self.form(&Form::Array(items)), json!({"minItems": 1})),
            Form::Set(items) => and(self.form(&Form::Array(items)), json!({"uniqueItems": true})),
            Form::Pairs(entry) => {
                let row = json!({"type": ["array", "null"], "items": self.form(&Form::OrNull(entry))});
                json!({"type": "array", "items": row, "minItems": 1})
            }
            Form::Entries(indices, value) => {
                // A state or an action may be given by its name.
                let index = |name: &&str| match *name {
                    "k" => json!({"title": name, "type": "integer", "minimum": 0}),
                    _ => json!({"title": name, "type": ["integer", "string"], "minimum": 0, "pattern": NAME}),
                };
                let mut items: Vec<Value> = indices.iter().map(index).collect();
                items.push(self.form(value));
                let length = items.len();
                let entry =
                    json!({"type": "array", "prefixItems": items, "items": false, "minItems": length});
                json!({"type": "array", "items": entry})
            }
            Form::AnyOf(forms) => {
                json!({"anyOf": forms.iter().map(|form| self.form(form)).collect::<Vec<_>>()})
            }
            Form::Object(keys) => self.object(keys, None, Vec::new()),
            Form::Named(depth, value) => {
                let value = self.form(value);
                let named = (0..*depth).fold(
                    value.clone(),
                    |inner, _| json!({"anyOf": [value, {"type": "array", "items": inner}]}),
                );
                let names = json!({"pattern": r"^[A-Za-z_][A-Za-z0-9_]*(\[[0-9]+(,[0-9]+)*\])?$"});
                json!({"type": "object", "propertyNames": names, "additionalProperties": named})
            }
            Form::Kinds(name, variants) => self.shared(name, |definitions| definitions.kinds(name, variants)),
            Form::Shared(name, about, inner) => {
                self.shared(name, |definitions| and(definitions.form(inner), json!({"description": about})))
            }
        }
    }
}

const ABOUT_NUMBERS: &str =
    "A number, or a string with a decimal or a fraction, which is read exactly: 0.1, \"0.1\", \"1/10\".";

/// A number as [`Numeral`](super::Numeral) is read.
fn number() -> Value {
    json!({
        "description": ABOUT_NUMBERS,
        "type": ["number", "string"],
        "pattern": r"^-?(0|[1-9][0-9]*)(/[1-9][0-9]*|(\.[0-9]+)?([eE][+-]?[0-9]+)?)$"
    })
}

fn bounds<T: Into<Value>>(least: Option<T>, most: Option<T>) -> Value {
    let bounds = [("minimum", least), ("maximum", most)];
    bounds.into_iter().filter_map(|(keyword, bound)| Some((keyword.to_owned(), bound?.into()))).collect()
}
