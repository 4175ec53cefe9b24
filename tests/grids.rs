//! Gridworlds with cells of their own: how they are read, written and refused, and that
//! they respond as the benchmark does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

#[path = "common/tolerances.rs"]
mod tolerances;

use pemdp::environments::gridworld::GRID;
use pemdp::environments::{Followers, GridworldSpec, Structure};
use pemdp::problem::{Numeral, Problem, Reading};
use proptest::prelude::*;
use tolerances::SOLVED;

const BENCHMARK: &str = r#""beta": 5, "eps": 0.5, "followers": 2"#;

/// A problem of so many states with logits 0 and these keys of the environment.
fn with_keys(n_states: usize, keys: &str) -> String {
    let logits = vec!["[0,0,0,0]"; n_states].join(",");
    format!(
        r#"{{"format": "pemdp-problem/1", "gamma": 0.9, "policy": {{"kind": "softmax", "logits": [{logits}]}},
            "environment": {{"kind": "gridworld", {keys}}}}}"#
    )
}

const CELLS: &str = r#""cells": [[0,-0.5,"1/3"],[-0.02,0.25,1]], "#;

/// Two rows of three cells.
fn own_grid() -> String {
    let others = r#""beta": 5, "terminal": [5,2], "intervention_cost": "0.1", "#;
    let grids = r#""perturbed_grids": [[[0,-1,"1/3"],[-0.02,0.25,1]]]"#;
    with_keys(6, &format!("{CELLS}{others}{grids}"))
}

fn read(text: &str) -> Problem {
    Problem::from_json(text, Reading::Doubles).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn grid(problem: &Problem) -> GridworldSpec {
    let Structure::Followers(grid) = problem.structure() else { panic!("no gridworld") };
    grid.into_owned()
}

fn refused(from: &str, to: &str, path: &str, words: &str) {
    assert!(own_grid().contains(from), "{from}");
    match Problem::from_json(&own_grid().replacen(from, to, 1), Reading::Doubles) {
        Ok(_) => panic!("{from} -> {to} is accepted"),
        Err(error) => {
            assert_eq!(error.path(), path, "{error}");
            assert!(error.problem().contains(words), "{error}");
        }
    }
}

#[test]
fn grids_are_checked() {
    let states = "has 5 states and 4 actions, expected 6 and 4 for a gridworld of 2 x 3 cells";
    refused("[0,0,0,0],", "", "policy.logits", states);
    refused("-0.5", r#""hole""#, "environment.cells[0][1]", r#"is "hole", expected a number"#);
    refused("-0.5", r#""1e400""#, "environment.cells[0][1]", "range of doubles");
    refused("[-0.02,0.25,1]]", "[-0.02,0.25]]", "environment.cells[1]", "has length 2, expected 3");
    let in_words = "is 6, expected a state, an integer from 0 to 5";
    refused("[5,2]", "[5,6]", "environment.terminal[1]", in_words);
    let again = "is 5 again, expected each terminal state once";
    refused("[5,2]", "[5,2,5]", "environment.terminal[2]", again);
    refused("[5,2]", "[0,1,2,3]", "initial", "is missing");
    refused(r#""0.1""#, r#""-0.1""#, "environment.intervention_cost", "a number of at least 0");
    refused(
        r#"[[[0,-1,"1/3"],"#,
        "[[",
        "environment.perturbed_grids[0]",
        "has length 1, expected 2 rows of 3 cells",
    );
    let column = r#""cells": [[1],[1],[1],[1],[1],[1]], "#;
    refused(CELLS, column, "environment.perturbed_grids[0]", "has length 2, expected 6 rows of 1 cells");
    let (first, two) = (r#"[[[0,-1,"#, r#"[[[0,0,0],[0,0,0]],[[0,-1,"#);
    let alone = own_grid().replace(CELLS, "").replace(first, two);
    let error = Problem::from_json(&alone, Reading::Doubles).unwrap_err().to_string();
    assert!(
        error.starts_with("environment.cells: is missing, expected the learner's grid, 2 x 3"),
        "{error}"
    );
}

#[test]
fn grids_are_read_and_written() {
    let problem = read(&own_grid());
    let own = grid(&problem);
    assert_eq!((own.rows(), own.columns, own.terminal.as_slice()), (2, 3, &[5, 2][..]));
    assert_eq!(own.cells[2].exact().to_string(), "1/3");
    assert_eq!(own.intervention_cost.exact().to_string(), "1/10");
    let initial: Vec<String> = problem.initial().iter().map(|p| p.exact().to_string()).collect();
    assert_eq!(initial, ["1/3", "1/3", "0", "1/3", "0", "0"]);
    assert_eq!(read(&problem.to_json()), problem);
}

/// Of one follower alone with another grid than 8 x 8 the learner's cells are the same.
#[test]
fn one_follower_has_the_learners_grid() {
    let alone = grid(&read(&own_grid().replace(CELLS, "")));
    let Followers::Given(grids) = &alone.followers else { panic!("no grids") };
    assert_eq!((&alone.cells, alone.columns), (&grids[0], 3));
    assert_ne!(alone, grid(&read(&own_grid())));
    let zeros = ["[0,0,0,0,0,0,0,0]"; 8].join(",");
    let of_the_benchmark = with_keys(64, &format!(r#""beta": 5, "perturbed_grids": [[{zeros}]]"#));
    assert_eq!(grid(&read(&of_the_benchmark)).cells, GRID.map(Numeral::from));
}

#[test]
fn the_keys_of_the_benchmark_say_nothing_new() {
    let rows: Vec<String> = GRID.chunks(8).map(|row| format!("{row:?}")).collect();
    let cells = rows.join(",");
    let keys = format!(r#""cells": [{cells}], "terminal": [63], "intervention_cost": 0.05, {BENCHMARK}"#);
    let spelled = read(&with_keys(64, &keys));
    assert_eq!(spelled, read(&with_keys(64, BENCHMARK)));
    assert!(!spelled.to_json().contains("cells"));
}

/// A corridor that is free to override: from the end, where every step ends it, each cell
/// is worth its discounted distance. `beta` 0 mixes five responses evenly.
#[test]
fn a_corridor_has_the_values_of_pencil_and_paper() {
    let answer = |beta: f64| {
        let keys = format!(
            r#""beta": {beta}, "cells": [[0, 0, 1]], "eps": 0, "followers": 1, "intervention_cost": 0"#
        );
        read(&with_keys(3, &keys)).answer().unwrap()
    };
    // Followers that always move right: V = gamma^(steps - 1), from two starts.
    let right = answer(1e6);
    let expected = [0.9, 1.0, 0.0];
    for (v, expected) in right.state_values.iter().zip(expected) {
        assert!((v - expected).abs() < SOLVED, "{v} for {expected}");
    }
    // Left and right with probability 1/4 each, else it stays:
    // v0 = .9 (3/4 v0 + 1/4 v1), v1 = 1/4 + .9 (1/4 v0 + 1/2 v1).
    let even = answer(0.0);
    let (a, b) = (1.0 - 0.9 * 0.75, 0.9 * 0.25);
    let v1 = 0.25 / (1.0 - 0.45 - b * b / a);
    let v0 = b / a * v1;
    assert!((even.value - 0.5 * (v0 + v1)).abs() < SOLVED, "{} for {v0} and {v1}", even.value);
}

/// Policy iteration needs no more steps on a long corridor than it may take.
#[test]
fn long_corridors_have_best_responses() {
    let cells = format!("[{}1]", "-0.01,".repeat(299));
    let keys = format!(r#""cells": [{cells}], {BENCHMARK}"#);
    let answer = read(&with_keys(300, &keys)).answer().unwrap();
    assert!(answer.smooth && answer.state_values[298] > answer.state_values[0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn mutated_grids_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..3), 1..4),
    ) {
        let mut text = own_grid();
        for (place, other, edit) in edits {
            let (from, with) = (place.index(text.len()), &"[]0,-1./\"e9"[other.index(11)..][..1]);
            match edit {
                0 => text.replace_range(from..=from, with),
                1 => text.replace_range(from..=from, ""),
                _ => text.insert_str(from, with),
            }
        }
        match Problem::from_json(&text, Reading::Doubles) {
            Ok(problem) => {
                let _ = problem.answer();
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}
