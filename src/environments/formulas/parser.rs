//! Formulas as text, and the steps of a stack machine that they become.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = factor { ("*" | "/") factor }
//! factor  = ("-" | "+") factor | power
//! power   = atom [ ("^" | "**") factor ]
//! atom    = number | "(" sum ")" | function "(" sum { "," sum } ")"
//!         | "pi" "[" state "," action "]" | "theta" "[" index "]" | "theta" "[" state "," action "]"
//!         | name [ "[" index { "," index } "]" ]
//! state, action = index | its name, in '...' where it has more than letters, digits, _ and points
//! ```

use std::collections::HashMap;
use std::ops::Range;

use crate::arithmetic::Rational;
use crate::problem::Numeral;
use crate::problem::names::Numbers;

/// Parentheses and signs may be nested so deep.
const DEPTH: usize = 200;

/// A function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Exp,
    Log,
    Sqrt,
    Tanh,
    Sigmoid,
}

/// A step of the stack machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Number(Rational),
    /// `pi[s,a]`, at `s A + a`.
    Probability(usize),
    /// `theta[k]`.
    Parameter(usize),
    /// A constant or definition, with its indices: `load[0,1]`.
    Name {
        name: String,
        column: usize,
    },
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The exponent is on top; its column.
    Power(usize),
    Call(Function),
    Abs,
    Min,
    Max,
}

/// What a formula may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    pub n_states: usize,
    pub n_actions: usize,
    pub n_parameters: usize,
}

/// What is wrong with a formula: the column, counted from 1, what was seen there and what was
/// expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub column: usize,
    pub seen: String,
    pub expected: String,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { column, seen, expected } = self;
        write!(out, "column {column} is {seen}, expected {expected}")
    }
}

/// Names that no constant or definition can have.
pub(super) const RESERVED: [&str; 10] =
    ["pi", "theta", "exp", "log", "sqrt", "tanh", "sigmoid", "min", "max", "abs"];

/// Whether a text is a name: a letter or `_`, then letters, digits and `_`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// The steps of a formula, in which states and actions may have names.
pub(super) fn parse(text: &str, scope: Scope, numbers: &Numbers) -> Result<Vec<Step>, SyntaxError> {
    let mut parser = Parser { text, at: 0, scope, numbers, depth: 0, steps: Vec::new(), named: Vec::new() };
    parser.sum()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(parser.steps)
}

/// A formula with the numbers of states and actions in the place of their names.
pub(super) fn numbered(text: &str, scope: Scope, numbers: &Numbers) -> Result<String, SyntaxError> {
    let mut parser = Parser { text, at: 0, scope, numbers, depth: 0, steps: Vec::new(), named: Vec::new() };
    parser.sum()?;
    let mut numbered = text.to_owned();
    for (range, index) in parser.named.into_iter().rev() {
        numbered.replace_range(range, &index.to_string());
    }
    Ok(numbered)
}

struct Parser<'a> {
    text: &'a str,
    /// The byte to read next.
    at: usize,
    scope: Scope,
    numbers: &'a Numbers,
    depth: usize,
    steps: Vec<Step>,
    /// Where names of states and actions stand, and their numbers.
    named: Vec<(Range<usize>, usize)>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Whether the next thing is `token`, which is then read.
    fn takes(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    /// The error at the next thing, or at the end.
    fn unexpected(&mut self, expected: &str) -> SyntaxError {
        self.skip_space();
        let word = word(self.rest());
        let seen = match (word, self.rest().chars().next()) {
            ("", None) => "the end".to_owned(),
            ("", Some(c)) => format!("\"{}\"", crate::problem::excerpt(&c.to_string())),
            (word, _) => format!("\"{}\"", crate::problem::excerpt(word)),
        };
        SyntaxError { column: self.column(self.at), seen, expected: expected.to_owned() }
    }

    fn expect(&mut self, token: &str, expected: &str) -> Result<(), SyntaxError> {
        if self.takes(token) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn sum(&mut self) -> Result<(), SyntaxError> {
        self.product()?;
        loop {
            let step = if self.takes("+") {
                Step::Add
            } else if self.takes("-") {
                Step::Subtract
            } else {
                return Ok(());
            };
            self.product()?;
            self.steps.push(step);
        }
    }

    fn product(&mut self) -> Result<(), SyntaxError> {
        self.factor()?;
        loop {
            let step = if self.takes("*") {
                Step::Multiply
            } else if self.takes("/") {
                Step::Divide
            } else {
                return Ok(());
            };
            self.factor()?;
            self.steps.push(step);
        }
    }

    fn factor(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.unexpected(&format!("at most {DEPTH} signs and parentheses in each other")));
        }
        if self.takes("-") {
            self.factor()?;
            self.steps.push(Step::Negate);
        } else if self.takes("+") {
            self.factor()?;
        } else {
            self.power()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn power(&mut self) -> Result<(), SyntaxError> {
        self.atom()?;
        if self.takes("^") || self.takes("**") {
            self.skip_space();
            let column = self.column(self.at);
            self.factor()?;
            self.steps.push(Step::Power(column));
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), SyntaxError> {
        const EXPECTED: &str = "a number, a name, a function or (";
        if self.takes("(") {
            self.sum()?;
            return self.expect(")", "an operator or )");
        }
        let (start, word) = (self.at, word(self.rest()));
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number();
        }
        if !is_name(word) {
            return Err(self.unexpected(EXPECTED));
        }
        self.at += word.len();
        match word {
            "pi" | "theta" => {
                let step = self.of_policy(word)?;
                self.steps.push(step);
                Ok(())
            }
            _ if RESERVED.contains(&word) => self.call(word),
            _ => {
                if self.rest().trim_start().starts_with('(') {
                    let seen = format!("\"{}\"", crate::problem::excerpt(word));
                    let functions = RESERVED[2..].join(", ");
                    let expected = format!("one of {functions} before (, or an operator between");
                    return Err(SyntaxError { column: self.column(start), seen, expected });
                }
                let indices = self.indices()?;
                if let Some((at, _)) = indices.iter().find(|(_, text)| !is_index(text)) {
                    self.at = *at;
                    return Err(self.unexpected("an index, an integer from 0"));
                }
                if !indices.is_empty() && self.rest().trim_start().starts_with('[') {
                    return Err(self.unexpected("indices in one pair of brackets, such as [0,1]"));
                }
                let list: Vec<String> = indices.iter().map(|(_, text)| (*text).to_owned()).collect();
                let name = if list.is_empty() { word.to_owned() } else { indexed(word, &list) };
                self.steps.push(Step::Name { name, column: self.column(start) });
                Ok(())
            }
        }
    }

    /// A decimal as JSON spells it, without a sign; also `.5` and `2.`.
    fn number(&mut self) -> Result<(), SyntaxError> {
        let text = self.rest();
        let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(0);
        let mut end = whole;
        let mut part = 0;
        if text[end..].starts_with('.') {
            part = digits(end + 1);
            end += 1 + part;
        }
        if text[end..].starts_with(['e', 'E']) {
            let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                self.at += end;
                return Err(self.unexpected("an operator, the end or an exponent such as e-3"));
            }
            end += 1 + sign + exponent;
        }
        // What the grammar of JSON has and a hand may leave out.
        let spelled = match (whole, text[whole..].starts_with('.'), part) {
            (0, _, 0) => return Err(self.unexpected("a number such as 0.5")),
            (0, _, _) => format!("0{}", &text[..end]),
            (_, true, 0) => format!("{}{}", &text[..whole], &text[whole + 1..end]),
            _ => text[..end].to_owned(),
        };
        match spelled.parse::<Numeral>() {
            Ok(number) => {
                self.at += end;
                self.steps.push(Step::Number(number.exact().reduced()));
                Ok(())
            }
            Err(crate::problem::NumeralError::Malformed) => Err(self.unexpected("a number such as 0.5")),
            Err(error) => Err(self.unexpected(&error.to_string())),
        }
    }

    /// `[i, j]`, with the byte where each begins, a name with its quotes; nothing where no bracket
    /// follows.
    fn indices(&mut self) -> Result<Vec<(usize, &'a str)>, SyntaxError> {
        let mut indices = Vec::new();
        if !self.takes("[") {
            return Ok(indices);
        }
        loop {
            self.skip_space();
            let rest = self.rest();
            let quoted = rest.strip_prefix('\'').and_then(|inner| inner.find('\'')).map(|n| &rest[..n + 2]);
            let index = quoted.unwrap_or_else(|| word(rest));
            if !is_index(index) && self.numbers.is_empty() || index.is_empty() {
                return Err(self.unexpected("an index, an integer from 0"));
            }
            indices.push((self.at, index));
            self.at += index.len();
            if self.takes("]") {
                return Ok(indices);
            }
            self.expect(",", "a comma or ]")?;
        }
    }

    /// An index that was read at a byte, of so many things with these names.
    fn below(
        &mut self,
        (at, text): (usize, &str),
        n: usize,
        (what, names): (&str, Option<&HashMap<String, usize>>),
    ) -> Result<usize, SyntaxError> {
        let names = names.filter(|names| !names.is_empty());
        if is_index(text)
            && let Some(index) = text.parse().ok().filter(|index| *index < n)
        {
            return Ok(index);
        }
        if let Some(index) = names.and_then(|names| names.get(text.trim_matches('\''))) {
            self.named.push((at..at + text.len(), *index));
            return Ok(*index);
        }
        let or_name = if names.is_some() { " or its name" } else { "" };
        Err(SyntaxError {
            column: self.column(at),
            seen: format!("\"{}\"", crate::problem::excerpt(text)),
            expected: format!("{what}, an integer from 0 to {}{or_name}", n.saturating_sub(1)),
        })
    }

    /// `pi[s,a]`, `theta[k]` or `theta[s,a]`.
    fn of_policy(&mut self, word: &str) -> Result<Step, SyntaxError> {
        let Scope { n_states, n_actions, n_parameters } = self.scope;
        let is_table = n_parameters == n_states * n_actions;
        let expected = match word {
            "pi" => "pi[state, action]",
            _ if is_table => "theta[index] or theta[state, action]",
            _ => "theta[index]",
        };
        let start = self.at - word.len();
        let indices = self.indices()?;
        let (states, actions) = (Some(&self.numbers.states), Some(&self.numbers.actions));
        match indices[..] {
            [state, action] if word == "pi" || is_table => {
                let state = self.below(state, n_states, ("a state", states))?;
                let pair = state * n_actions + self.below(action, n_actions, ("an action", actions))?;
                Ok(if word == "pi" { Step::Probability(pair) } else { Step::Parameter(pair) })
            }
            [index] if word == "theta" => {
                Ok(Step::Parameter(self.below(index, n_parameters, ("a parameter", None))?))
            }
            _ => {
                let seen = format!("\"{}\"", crate::problem::excerpt(&self.text[start..self.at]));
                Err(SyntaxError { column: self.column(start), seen, expected: expected.to_owned() })
            }
        }
    }

    fn call(&mut self, name: &str) -> Result<(), SyntaxError> {
        self.expect("(", &format!("( after {name}"))?;
        self.sum()?;
        let step = match name {
            "exp" => Step::Call(Function::Exp),
            "log" => Step::Call(Function::Log),
            "sqrt" => Step::Call(Function::Sqrt),
            "tanh" => Step::Call(Function::Tanh),
            "sigmoid" => Step::Call(Function::Sigmoid),
            "abs" => Step::Abs,
            "min" => Step::Min,
            _ => Step::Max,
        };
        if matches!(step, Step::Min | Step::Max) {
            while self.takes(",") {
                self.sum()?;
                self.steps.push(step.clone());
            }
            return self.expect(")", "an operator, a comma or )");
        }
        self.steps.push(step);
        self.expect(")", "an operator or )")
    }
}

/// Whether a text is an index: digits without a superfluous 0.
pub(super) fn is_index(text: &str) -> bool {
    let is_digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    is_digits && (text == "0" || !text.starts_with('0'))
}

/// A name with its indices.
pub(super) fn indexed(name: &str, indices: &[String]) -> String {
    format!("{name}[{}]", indices.join(","))
}

/// The letters, digits, points and `_` that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    &text[..end.unwrap_or(text.len())]
}
