//! Expected visits to the states of a chain, discounted otherwise than they should be.

use nalgebra::{DMatrix, DVector, Dyn, LU};

use crate::linear::Rows;

/// `x` with `A x = b`; none where `A` is singular.
pub(super) fn solve(lu: &LU<f64, Dyn, Dyn>, right: &[f64]) -> Option<Vec<f64>> {
    Some(lu.solve(&DVector::from_column_slice(right))?.as_slice().to_vec())
}

/// `mu/(1 - gamma)` with `mu P = mu`, where there is one class of states that is not left,
/// of several states if there are others.
pub(super) fn stationary(chain: &Rows<f64>, gamma: f64) -> Option<Vec<f64>> {
    let n = chain.len();
    let class = last_class(chain)?;
    if class.iter().filter(|is_of_it| **is_of_it).count() < n.min(2) {
        return None;
    }
    // mu^T (I - P) = 0 with the last equation replaced by the sum.
    let mut system = DMatrix::<f64>::identity(n, n);
    for s in 0..n {
        for (t, p) in chain.row(s) {
            system[(t, s)] -= p;
        }
    }
    system.row_mut(n - 1).fill(1.0);
    let mut right = vec![0.0; n];
    right[n - 1] = 1.0 / (1.0 - gamma);
    solve(&system.lu(), &right)
}

/// The expected number of visits to each state, without discount: where every
/// state that matters is transient (or never reached), by a solve over the
/// transient states; where the chain is irreducible, its stationary
/// distribution over `1 - gamma`; else not defined. States that do not matter
/// may get 0.
pub(super) fn undiscounted_visits(
    chain: &Rows<f64>,
    initial: &[f64],
    gamma: f64,
    matters: impl Fn(usize) -> bool,
) -> Option<Vec<f64>> {
    let recurrent = || is_irreducible(chain).then(|| stationary(chain, gamma))?;
    transient_visits(chain, initial, matters).or_else(recurrent)
}

/// The same where every state that matters is transient or never reached.
pub(super) fn transient_visits(
    chain: &Rows<f64>,
    initial: &[f64],
    matters: impl Fn(usize) -> bool,
) -> Option<Vec<f64>> {
    let n = chain.len();
    let successors = successors(chain);
    let reached = reachable((0..n).filter(|&s| initial[s] > 0.0).collect(), &successors);
    // Then every state is recurrent, and no search from each is needed to tell.
    if is_irreducible(chain) {
        return (!(0..n).any(|s| reached[s] && matters(s))).then(|| vec![0.0; n]);
    }
    let reach: Vec<Vec<bool>> = (0..n).map(|s| reachable(vec![s], &successors)).collect();
    // A state after which nothing comes is visited once.
    let is_recurrent = |s: usize| !successors[s].is_empty() && (0..n).all(|t| !reach[s][t] || reach[t][s]);
    if (0..n).any(|s| reached[s] && matters(s) && is_recurrent(s)) {
        return None;
    }
    let transient: Vec<usize> = (0..n).filter(|&s| reached[s] && !is_recurrent(s)).collect();
    let mut visits = vec![0.0; n];
    if transient.is_empty() {
        return Some(visits);
    }
    let mut position = vec![None; n];
    for (i, &s) in transient.iter().enumerate() {
        position[s] = Some(i);
    }
    let mut system = DMatrix::<f64>::identity(transient.len(), transient.len());
    for (i, &s) in transient.iter().enumerate() {
        for (t, p) in chain.row(s) {
            if let Some(j) = position[t] {
                system[(j, i)] -= p; // transposed: visits flow forward
            }
        }
    }
    let initial: Vec<f64> = transient.iter().map(|&s| initial[s]).collect();
    for (&s, x) in transient.iter().zip(solve(&system.lu(), &initial)?) {
        visits[s] = x;
    }
    Some(visits)
}

/// The states that each state may be left for.
fn successors(chain: &Rows<f64>) -> Vec<Vec<usize>> {
    let of_state = |s: usize| chain.row(s).filter(|(_, p)| **p > 0.0).map(|(t, _)| t).collect();
    (0..chain.len()).map(of_state).collect()
}

/// Whether a state is of the class that is not left, where there is one only and nothing ends: then some
/// state is reached from all, and the class is what it reaches. Of the searches backwards
/// from states that earlier ones did not find, the last begins at such a state if there is
/// one: the search that finds it finds all that are left.
fn last_class(chain: &Rows<f64>) -> Option<Vec<bool>> {
    let successors = successors(chain);
    if successors.iter().any(Vec::is_empty) {
        return None;
    }
    let predecessors = reversed(&successors);
    let (mut seen, mut last) = (vec![false; chain.len()], 0);
    for s in 0..chain.len() {
        if !seen[s] {
            let found = reachable(vec![s], &predecessors);
            seen.iter_mut().zip(found).for_each(|(seen, found)| *seen |= found);
            last = s;
        }
    }
    let is_reached_from_all = reachable(vec![last], &predecessors).into_iter().all(|reaches| reaches);
    is_reached_from_all.then(|| reachable(vec![last], &successors))
}

/// Whether every state can be reached from every other.
fn is_irreducible(chain: &Rows<f64>) -> bool {
    last_class(chain).is_some_and(|class| class.into_iter().all(|is_of_it| is_of_it))
}

/// The edges the other way round.
fn reversed(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (s, targets) in edges.iter().enumerate() {
        targets.iter().for_each(|&t| reversed[t].push(s));
    }
    reversed
}

/// The states that can be reached from `open`, itself included.
fn reachable(mut open: Vec<usize>, successors: &[Vec<usize>]) -> Vec<bool> {
    let mut seen = vec![false; successors.len()];
    for &s in &open {
        seen[s] = true;
    }
    while let Some(s) = open.pop() {
        for &t in &successors[s] {
            if !std::mem::replace(&mut seen[t], true) {
                open.push(t);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests;
