//! Names of states and actions.

use std::collections::HashMap;

use super::excerpt::excerpt;
use super::input_error::InputError;

/// The most characters of a name.
const LONGEST: usize = 100;

/// Names of states and actions, for people: they change no number.
///
/// Files may use them wherever the index of a state or action stands, messages and tables show
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The names of states, `[s]`; empty where they have none.
    pub states: Vec<String>,
    /// The names of actions, `[a]`; empty where they have none.
    pub actions: Vec<String>,
}

impl Names {
    /// The name of a state, else its number.
    pub fn state(&self, s: usize) -> String {
        self.states.get(s).cloned().unwrap_or_else(|| s.to_string())
    }

    /// The name of an action, else its number.
    pub fn action(&self, a: usize) -> String {
        self.actions.get(a).cloned().unwrap_or_else(|| a.to_string())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty() && self.actions.is_empty()
    }

    /// Checks that each state and action has a name of its own, if any has one.
    ///
    /// # Errors
    /// A name too many or too few, one that stands twice, is empty or too long, has characters
    /// that break a line, or could be taken for an index.
    pub fn check(&self, n_states: usize, n_actions: usize) -> Result<(), InputError> {
        for (key, names, expected) in
            [("states", &self.states, n_states), ("actions", &self.actions, n_actions)]
        {
            let path = format!("names.{key}");
            let what = key.trim_end_matches('s');
            if names.len() != expected && !names.is_empty() {
                let problem = format!("has length {}, expected {expected}, one for each {what}", names.len());
                return Err(InputError::new(path, problem));
            }
            let mut seen = HashMap::new();
            for (i, name) in names.iter().enumerate() {
                let wrong = |expected: String| {
                    let problem = format!("is \"{}\", expected {expected}", excerpt(name));
                    Err(InputError::new(format!("{path}[{i}]"), problem))
                };
                if name.trim().is_empty() || name.bytes().all(|byte| byte.is_ascii_digit()) {
                    return wrong("a name that is not empty and no number".to_owned());
                }
                if name.chars().count() > LONGEST {
                    return wrong(format!("at most {LONGEST} characters"));
                }
                if name.chars().any(|c| excerpt(&c.to_string()) != c.to_string()) {
                    return wrong("no characters that break a line".to_owned());
                }
                if let Some(before) = seen.insert(name, i) {
                    return wrong(format!("another name than that of the {what} {before}"));
                }
            }
        }
        Ok(())
    }

    /// What the names stand for.
    pub(crate) fn numbers(&self) -> Numbers {
        let of = |names: &[String]| names.iter().cloned().zip(0..).collect();
        Numbers { states: of(&self.states), actions: of(&self.actions) }
    }

    /// A message with the names of the states and actions that it speaks of by number.
    ///
    /// They are those after the words `state`, `states` and `action`, and in `P(t=0|s=1,a=2)`.
    pub fn explained(&self, message: &str) -> String {
        self.with_legend(message, &[])
    }

    /// The same with a state, or a state and an action, that the path of a message has led to.
    pub(super) fn with_legend(&self, message: &str, place: &[usize]) -> String {
        if self.is_empty() {
            return message.to_owned();
        }
        let mut legend: Vec<String> = Vec::new();
        let mut add = |what: &str, names: &[String], i: usize| {
            if let Some(name) = names.get(i) {
                let entry = format!("{what} {i} is \"{name}\"");
                if !legend.contains(&entry) {
                    legend.push(entry);
                }
            }
        };
        for (i, (what, names)) in place.iter().zip([("state", &self.states), ("action", &self.actions)]) {
            add(what, names, *i);
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut last = "";
        for word in message.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
            if let Ok(i) = word.parse() {
                match last {
                    "s" | "t" | "state" | "states" => add("state", &self.states, i),
                    "a" | "action" => add("action", &self.actions, i),
                    _ => {}
                }
                // The states of a list.
                if last == "states" {
                    continue;
                }
            }
            last = word;
        }
        if legend.is_empty() { message.to_owned() } else { format!("{message} ({})", legend.join(", ")) }
    }
}

/// The states and actions that names stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// States by name.
    pub(crate) states: HashMap<String, usize>,
    /// Actions by name.
    pub(crate) actions: HashMap<String, usize>,
}

impl Numbers {
    /// Whether nothing has a name.
    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.actions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names { states: owned(&["calm", "very busy", "end"]), actions: owned(&["buy", "wait"]) }
    }

    #[test]
    fn messages_are_explained() {
        for (message, legend) in [
            ("P(t=0|s=1,a=1) is 2", " (state 0 is \"calm\", state 1 is \"very busy\", action 1 is \"wait\")"),
            ("never ends from the states 0, 2 and 1 more on", " (state 0 is \"calm\", state 2 is \"end\")"),
            ("the reward of state 2, action 0", " (state 2 is \"end\", action 0 is \"buy\")"),
            ("gamma is 1, expected 2 and s=7", ""),
        ] {
            assert_eq!(names().explained(message), format!("{message}{legend}"));
            assert_eq!(Names::default().explained(message), message);
        }
        assert_eq!(
            names().with_legend("sums to 2", &[1, 0]),
            "sums to 2 (state 1 is \"very busy\", action 0 is \"buy\")"
        );
    }

    #[test]
    fn names_are_checked() {
        assert!(names().check(3, 2).is_ok());
        assert!(Names::default().check(3, 2).is_ok());
        let path = |states: &[&str]| {
            let states = states.iter().map(|name| (*name).to_owned()).collect();
            let names = Names { states, ..Names::default() };
            names.check(2, 1).unwrap_err().to_string()
        };
        assert_eq!(path(&["a"]), "names.states: has length 1, expected 2, one for each state");
        assert!(path(&["a", "a"]).starts_with("names.states[1]: is \"a\", expected another name"));
        assert!(path(&["a", "12"]).starts_with("names.states[1]: is \"12\", expected a name"));
        assert!(path(&["a\n", "b"]).starts_with("names.states[0]: is \"a\\n\", expected no char"));
        assert!(path(&[" ", "b"]).starts_with("names.states[0]: "));
        assert!(path(&[&"x".repeat(101), "b"]).ends_with("expected at most 100 characters"));
    }
}
