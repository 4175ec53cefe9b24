//! The kinds of environments as formulas: the same problems give the same answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/files.rs"]
mod files;

use std::collections::BTreeMap;

use files::files;
use pemdp::environments::Structure;
use pemdp::oracle::{Answer, Quantity};
use pemdp::problem::{Problem, Reading};
use serde_json::{Value, json};

/// The entries of an environment as formulas, its numbers as constants `c[i]`.
#[derive(Default)]
struct Written {
    constants: Vec<Value>,
    transitions: Vec<Value>,
    rewards: Vec<Value>,
    next_rewards: Vec<Value>,
    normalise: bool,
}

impl Written {
    /// The name of a number.
    fn number(&mut self, x: &Value) -> String {
        self.constants.push(x.clone());
        format!("c[{}]", self.constants.len() - 1)
    }

    fn transition(&mut self, index: [usize; 3], formula: String) {
        let [s, a, t] = index;
        self.transitions.push(json!([s, a, t, formula]));
    }

    fn reward(&mut self, index: [usize; 2], formula: String) {
        self.rewards.push(json!([index[0], index[1], formula]));
    }

    /// `r(s,a)` or `r(s,a,t)`.
    fn any_reward(&mut self, index: &[usize], r: &Value) {
        let r = self.number(r);
        match *index {
            [s, a, t] => self.next_rewards.push(json!([s, a, t, r])),
            _ => self.reward([index[0], index[1]], r),
        }
    }

    /// `transitions` and `rewards` as in most kinds.
    fn tables(&mut self, environment: &Value) {
        each(&environment["transitions"], &mut |index, p| {
            let p = self.number(p);
            self.transition([index[0], index[1], index[2]], p);
        });
        each(&environment["rewards"], &mut |index, r| self.any_reward(index, r));
    }

    fn environment(self) -> Value {
        json!({
            "kind": "formulas", "constants": {"c": self.constants}, "transitions": self.transitions,
            "rewards": self.rewards, "next_rewards": self.next_rewards, "normalise": self.normalise,
        })
    }
}

/// The innermost elements of arrays, each with its indices.
fn each(array: &Value, entry: &mut dyn FnMut(&[usize], &Value)) {
    fn walk(x: &Value, index: &mut Vec<usize>, entry: &mut dyn FnMut(&[usize], &Value)) {
        match x.as_array() {
            None => entry(index, x),
            Some(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    index.push(i);
                    walk(element, index, entry);
                    index.pop();
                }
            }
        }
    }
    walk(array, &mut Vec::new(), entry);
}

fn indices(entry: &Value) -> Vec<usize> {
    let entry = entry.as_array().unwrap();
    entry[..entry.len() - 1].iter().map(|i| i.as_u64().unwrap() as usize).collect()
}

fn last(entry: &Value) -> &Value {
    entry.as_array().unwrap().last().unwrap()
}

fn list(x: &Value) -> &[Value] {
    x.as_array().map_or(&[], Vec::as_slice)
}

fn affine(environment: &Value) -> Written {
    let mut written = Written::default();
    written.tables(environment);
    for entry in list(&environment["transition_slopes"]) {
        let (i, m) = (indices(entry), written.number(last(entry)));
        written.transition([i[0], i[1], i[2]], format!("{m} * pi[{},{}]", i[3], i[4]));
    }
    for entry in list(&environment["reward_slopes"]) {
        let (i, n) = (indices(entry), written.number(last(entry)));
        written.reward([i[0], i[1]], format!("pi[{},{}] * {n}", i[2], i[3]));
    }
    written
}

/// Around the parameters that are given.
fn explicit(environment: &Value, policy: &Value) -> Written {
    let mut written = Written::default();
    written.tables(environment);
    let mut given = Vec::new();
    let key = match policy["kind"].as_str().unwrap() {
        "softmax" => "logits",
        "log-linear" => "theta",
        _ => "values",
    };
    let width = policy[key][0].as_array().map_or(1, Vec::len);
    each(&policy[key], &mut |_, x| given.push(x.clone()));
    let step = |written: &mut Written, k: usize| {
        let x = written.number(&given[k]);
        match policy["kind"].as_str().unwrap() {
            "weights" => format!("(theta[{k}] - log({x}))"),
            "probabilities" => format!("(pi[{},{}] - {x})", k / width, k % width),
            _ => format!("(theta[{k}] - {x})"),
        }
    };
    for entry in list(&environment["transition_jacobian"]) {
        let (i, slope) = (indices(entry), written.number(last(entry)));
        let step = step(&mut written, i[3]);
        written.transition([i[0], i[1], i[2]], format!("{slope} * {step}"));
    }
    for entry in list(&environment["reward_jacobian"]) {
        let (i, slope) = (indices(entry), written.number(last(entry)));
        let step = step(&mut written, i[2]);
        written.reward([i[0], i[1]], format!("{slope} * {step}"));
    }
    written
}

fn family(environment: &Value) -> Written {
    let mut written = Written { normalise: true, ..Written::default() };
    let psi: Vec<String> = list(&environment["psi"]).iter().map(|x| written.number(x)).collect();
    let (logits, weights) = (&environment["base_logits"], &environment["base_weights"]);
    let reward = &environment["reward"];
    let states = list(&reward["base"]).iter().enumerate();
    let pairs = states.flat_map(|(s, row)| list(row).iter().enumerate().map(move |(a, base)| (s, a, base)));
    for (s, a, base) in pairs {
        let base = if base.is_array() {
            each(base, &mut |t, r| written.any_reward(&[s, a, t[0]], r));
            "0".to_owned()
        } else {
            written.number(base)
        };
        for (t, psi) in psi.iter().enumerate() {
            let tilt = format!("{psi} * theta[{s},{a}]");
            let formula = match (&logits[s][a][t], &weights[s][a][t]) {
                (Value::Null, Value::Null) if logits.is_null() => format!("exp({tilt})"),
                (Value::Null, Value::Null) => continue,
                (Value::Null, weight) => format!("{} * exp({tilt})", written.number(weight)),
                (logit, _) => format!("exp({} + {tilt})", written.number(logit)),
            };
            written.transition([s, a, t], formula);
        }
        let slope = written.number(reward.get("slope").unwrap_or(&json!(0)));
        let inner = format!("{base} + {slope} * theta[{s},{a}]");
        let clip = &reward["clip"];
        let formula = if clip.is_null() {
            inner
        } else {
            let clip = written.number(clip);
            format!("max(-{clip}, min({clip}, {inner}))")
        };
        written.reward([s, a], formula);
    }
    written
}

fn coin(environment: &Value) -> Written {
    let mut written = Written::default();
    let (mu, epsilon) = (written.number(&environment["mu"]), written.number(&environment["epsilon"]));
    let theta = "((pi[0,0] - pi[0,1])/2)";
    for a in 0..2 {
        written.transition([0, a, 0], "1".to_owned());
        let risk = format!("1/4 - 2*{mu}*{theta} + (1 - 2*{epsilon})*{theta}^2");
        written.reward([0, a], format!("-({risk})"));
    }
    written
}

fn loan(environment: &Value) -> Written {
    let mut written = Written::default();
    let [q0, c, gain, loss] = ["q0", "c", "gain", "loss"].map(|key| written.number(&environment[key]));
    let repaid = format!("({q0} - {c}*pi[0,0])");
    if environment["form"] == "bandit" {
        (0..2).for_each(|a| written.transition([0, a, 0], "1".to_owned()));
        written.reward([0, 0], format!("{gain}*{repaid} - {loss}*(1 - {repaid})"));
        return written;
    }
    written.transition([0, 0, 1], repaid.clone());
    written.transition([0, 0, 2], format!("1 - {repaid}"));
    written.transition([0, 1, 3], "1".to_owned());
    for a in 0..2 {
        (1..4).for_each(|s| written.transition([s, a, 0], "1".to_owned()));
        written.reward([1, a], gain.clone());
        written.reward([2, a], format!("-{loss}"));
    }
    written
}

/// The same problem with its environment as formulas; none of other kinds.
fn rewritten(problem: &Value) -> Option<Value> {
    let environment = &problem["environment"];
    let written = match environment["kind"].as_str()? {
        "fixed" | "affine" => affine(environment),
        "explicit" => explicit(environment, &problem["policy"]),
        "exponential-family" => family(environment),
        "coin" => coin(environment),
        "loan" => loan(environment),
        _ => return None,
    };
    let mut rewritten = problem.clone();
    if problem.get("initial").is_none() {
        let is_mdp = environment["form"] == "mdp";
        rewritten["initial"] = if is_mdp { json!([1, 0, 0, 0]) } else { json!([1]) };
    }
    rewritten["environment"] = written.environment();
    Some(rewritten)
}

fn name_of(structure: &Structure<'_>) -> &'static str {
    match structure {
        Structure::Fixed(_) => "fixed",
        Structure::Affine(_) => "affine",
        Structure::LocalFamily(_) => "family",
        _ => "other",
    }
}

/// Whether all numbers of two answers are as near as their bounds say.
fn assert_near(name: &str, a: &Answer, b: &Answer) {
    for quantity in Quantity::ALL {
        let bound = a.error_bounds.of(quantity) + b.error_bounds.of(quantity);
        let (a, b) = (a.entries(quantity), b.entries(quantity));
        assert_eq!(a.len(), b.len(), "{name}");
        for (x, y) in a.iter().zip(&b) {
            let is_near = match (x, y) {
                (Some(x), Some(y)) => (x - y).abs() <= bound * (1.0 + 1e-15),
                (x, y) => x == y,
            };
            assert!(is_near, "{name} {}: {x:?} {y:?} {bound}", quantity.name());
        }
    }
}

#[test]
fn every_kind_is_a_case_of_formulas() {
    let mut kinds = BTreeMap::new();
    for (name, vector) in files("", "pemdp-vector/1") {
        let (name, problem) = (name.as_str(), &vector["problem"]);
        // Of what ends or is not there, formulas have vectors of their own.
        if ["terminal-", "missing-", "total-", "sparse-", "names-"].iter().any(|kind| name.starts_with(kind))
        {
            continue;
        }
        let Some(formulas) = rewritten(problem) else { continue };
        let read = |problem: &Value, reading| Problem::from_json(&problem.to_string(), reading);
        let (Ok(own), Ok(other)) = (read(problem, Reading::Doubles), read(&formulas, Reading::Doubles))
        else {
            panic!("{name}: {:?}", read(&formulas, Reading::Doubles));
        };
        if name == "edge-base-logits.json" {
            // Exponentials of +-1e308 are too large or small, whatever their quotients are.
            let message = other.answer().unwrap_err().to_string();
            assert_eq!(
                message,
                "environment.transitions: P(.|s=0,a=0): divides by a number that cannot be told from 0 at this policy \
                 with the digits that are affordable"
            );
            continue;
        }
        let (a, b) = (own.answer().unwrap(), other.answer().unwrap_or_else(|e| panic!("{name}: {e}")));
        assert_near(name, &a, &b);
        assert_eq!(a.smooth, b.smooth, "{name}");
        let kind = problem["environment"]["kind"].as_str().unwrap();
        // A clip that is never reached is not seen.
        if ["fixed", "affine", "loan", "exponential-family"].contains(&kind) {
            let is_same = name_of(&own.structure()) == name_of(&other.structure());
            let is_constant = name_of(&other.structure()) == "fixed";
            assert!(is_same || is_constant, "{name}: {}", name_of(&other.structure()));
        }
        let exact = |problem: &Value| read(problem, Reading::Exact).ok()?.exact_answer().ok();
        if let (Some(a), Some(b)) = (exact(problem), exact(&formulas)) {
            assert_eq!((a.value, a.gradient, a.occupancy), (b.value, b.gradient, b.occupancy), "{name}");
            *kinds.entry(format!("{kind}, fractions")).or_insert(0) += 1;
        }
        *kinds.entry(kind.to_owned()).or_insert(0) += 1;
    }
    for kind in ["fixed", "affine", "explicit", "exponential-family", "coin", "loan"] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 0), "{kinds:?}");
        let fractions = kinds.get(&format!("{kind}, fractions"));
        assert_eq!(kind != "exponential-family", fractions.is_some(), "{kinds:?}");
    }
}
