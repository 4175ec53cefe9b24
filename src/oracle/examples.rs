//! Ready problems: the built-in environments and the exact examples of
//! `docs/theory/`.

use crate::environments::gridworld::{self, N_ACTIONS, N_STATES};

/// A ready problem.
pub struct Example {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    source: Source,
}

enum Source {
    Text(&'static str),
    Made(fn() -> String),
}

impl Example {
    /// The problem as JSON, ending in a newline.
    pub fn to_json(&self) -> String {
        match self.source {
            Source::Text(text) => text.to_owned(),
            Source::Made(make) => make(),
        }
    }
}

macro_rules! example {
    ($name:literal, $about:literal) => {
        Example {
            name: $name,
            about: $about,
            source: Source::Text(include_str!(concat!("examples/", $name, ".json"))),
        }
    };
}

/// All ready problems.
pub const EXAMPLES: &[Example] = &[
    Example {
        name: "gridworld",
        about: "the 8 x 8 benchmark, eps .5, beta 5, 2 followers, uniform policy",
        source: Source::Made(uniform_gridworld),
    },
    Example {
        name: "gridworld-start",
        about: "the same with the benchmark's eps-greedy start policy",
        source: Source::Made(start_gridworld),
    },
    example!("gridworld-best", "the same with the best policy found by any means, value -0.13406"),
    example!("loan", "lending as a bandit, at the stable point p = 1/2"),
    example!("loan-mdp", "lending as an MDP, where the printed Theorem 2 has the wrong sign (T2b)"),
    example!("coin", "performative prediction of a coin, at the optimum theta = 1/4"),
    example!("two-state", "two states, one action: the printed Theorem 2 gives 0 for (3/16, 1/16) (T2a)"),
    example!("local-maximum", "two local maxima, 6.0 and 7.5 (A)"),
    example!("two-basins", "one state: ascent from p < 4/9 ends at 4/5 of the optimum (B)"),
    example!("vanishing", "a value whose supremum is at infinity, with a spurious limit (C)"),
    example!("exponential-family", "two states, softmax policy, responding transitions and rewards"),
    example!("affine", "two states, transitions and rewards affine in the policy"),
    example!("fixed", "two states without a performative effect, log-linear policy"),
    example!("explicit", "a point: P, r and their derivatives given as numbers"),
    example!("congestion", "formulas: two roads whose travel times and jams respond to who takes them"),
    example!("epidemic", "formulas: infections respond to how many of the infected go out"),
    example!("credit", "formulas, in fractions: borrowers respond to whom the lender approves"),
    example!("recommender", "formulas, normalised: tastes drift to what is shown, and users leave"),
];

/// The ready problem of this name.
pub fn example(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}

fn uniform_gridworld() -> String {
    gridworld_problem("softmax", "logits", &[0.0; N_STATES * N_ACTIONS])
}

fn start_gridworld() -> String {
    // A discount of 0.9 is in range, so there is a start policy.
    let policy = gridworld::eps_greedy_policy(0.9).unwrap_or_default();
    gridworld_problem("probabilities", "values", &policy)
}

fn gridworld_problem(kind: &str, key: &str, numbers: &[f64]) -> String {
    let row = |row: &[f64]| format!("      {row:?}");
    let rows: Vec<String> = numbers.chunks(N_ACTIONS).map(row).collect();
    format!(
        r#"{{
  "format": "pemdp-problem/1",
  "gamma": 0.9,
  "entropy": 0.0,
  "environment": {{ "kind": "gridworld", "eps": 0.5, "beta": 5.0, "followers": 2 }},
  "policy": {{
    "kind": "{kind}",
    "{key}": [
{}
    ]
  }}
}}
"#,
        rows.join(",\n")
    )
}
