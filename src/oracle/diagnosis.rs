//! What can be said of a wrong answer that no known mistake explains: facts, not guesses.

use nalgebra::{DMatrix, DVector, RowDVector};
use serde::Serialize;

use super::case::WORK;
use super::claimed::Claimed;
use super::comparison::{Comparison, largest};
use super::quantity::{Entries, Quantity};
use crate::problem::{Numeral, Problem};

/// Where a wrong answer goes wrong, and what its numbers are made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// What the answer is, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Each quantity that is given, in the order in which one is computed from the other.
    pub quantities: Vec<Standing>,
    /// The gradient against the exact one and its terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Direction>,
}

/// How a quantity stands against the exact one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Which.
    pub quantity: &'static str,
    /// How many entries it has.
    pub entries: usize,
    /// How many of them are wrong.
    pub wrong: usize,
    /// The first one that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Vec<usize>>,
    /// `c` where every entry is `c` times the exact one, within its tolerance, and there
    /// are several, or `c` is 0 or -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// `c` where every entry is the exact one and `c` more, within its tolerance, and they
    /// differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// What else is computed on the way, and that these entries are: another quantity of the
    /// same shape, the value of one state, advantages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// How the exact entries have to be rearranged to be these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rearranged: Option<Rearrangement>,
}

/// The exact entries in another order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "order")]
pub enum Rearrangement {
    /// Row `s` is the exact row of this state.
    States(Vec<usize>),
    /// Column `a` is the exact column of this action.
    Actions(Vec<usize>),
    /// By action, then by state.
    ActionMajor,
    /// Entry `i` is the exact entry of this place.
    Entries(Vec<usize>),
}

/// A gradient against the exact one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Direction {
    /// Of the angle between them.
    pub cosine: f64,
    /// The angle.
    pub degrees: f64,
    /// The nearest combination of the exact terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combination: Option<Combination>,
}

/// `c_1 policy + c_2 transition + c_3 reward + c_4 entropy`, by least squares.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Combination {
    /// The coefficients; null for a term that is 0.
    pub policy: Option<f64>,
    /// Of the transition term.
    pub transition: Option<f64>,
    /// Of the reward term.
    pub reward: Option<f64>,
    /// Of the entropy term.
    pub entropy: Option<f64>,
    /// The norm of what is left over the norm of the gradient given.
    pub residual: f64,
    /// Whether what is left is within the tolerance of every entry.
    pub explains: bool,
    /// Whether the transition and the reward term are multiples of each other, so that only
    /// one coefficient of both is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub joint: bool,
}

impl Diagnosis {
    pub(super) fn new(
        problem: &Problem,
        comparison: &Comparison<'_>,
        claimed: &Claimed,
        remarks: Vec<String>,
    ) -> Self {
        let given = |quantity: Quantity| claimed.quantities[quantity].as_ref();
        let standings = Quantity::ALL
            .into_iter()
            .filter_map(|quantity| Some(standing(problem, comparison, quantity, given(quantity)?)));
        let is_wrong = |got: &&Entries| !comparison.wrong(Quantity::Gradient, got).is_empty();
        let gradient =
            given(Quantity::Gradient).filter(is_wrong).and_then(|got| direction(problem, comparison, got));
        Self { remarks, quantities: standings.collect(), gradient }
    }
}

fn standing(problem: &Problem, comparison: &Comparison<'_>, quantity: Quantity, got: &Entries) -> Standing {
    let wrong = comparison.wrong(quantity, got);
    let first = wrong.first().map(|&i| quantity.index(i, problem.n_actions()));
    let mut standing = Standing {
        quantity: quantity.name(),
        entries: got.len(),
        wrong: wrong.len(),
        first,
        ratio: None,
        offset: None,
        is: None,
        rearranged: None,
    };
    if !wrong.is_empty() {
        standing.ratio = comparison.ratio(quantity, got);
        // Within their errors estimates are near to much.
        if !comparison.is_sampled(quantity) {
            standing.is = another(problem, comparison, quantity, got);
            standing.offset = constant_offset(comparison, quantity, got);
        }
        if (&standing.is, standing.ratio, standing.offset) == (&None, None, None) {
            standing.rearranged = rearrangement(problem, comparison, quantity, got);
        }
    }
    standing
}

/// `c` with `got = truth + c`, where entries differ.
fn constant_offset(comparison: &Comparison<'_>, quantity: Quantity, got: &Entries) -> Option<f64> {
    let truth = comparison.truth(quantity);
    let form = comparison.normal_form(quantity, got).into_owned();
    let differences: Vec<f64> =
        form.iter().zip(&truth).map(|(got, truth)| Some((*got)? - (*truth)?)).collect::<Option<_>>()?;
    let offset = differences.iter().sum::<f64>() / differences.len() as f64;
    let moved: Entries = truth.iter().map(|x| x.map(|x| x + offset)).collect();
    let differ = !comparison.agrees(quantity, &truth, &vec![truth[0]; truth.len()]);
    (differ && offset.is_finite() && comparison.agrees(quantity, &form, &moved)).then_some(offset)
}

/// Something else that is computed on the way, and that these entries are.
fn another(
    problem: &Problem,
    comparison: &Comparison<'_>,
    quantity: Quantity,
    got: &Entries,
) -> Option<String> {
    let agrees =
        |exact: &Entries| exact.iter().any(|x| *x != Some(0.0)) && comparison.agrees(quantity, got, exact);
    let values = comparison.exact(Quantity::StateValues);
    match quantity {
        Quantity::Value => {
            if agrees(&vec![values.iter().copied().sum()]) && values.len() > 1 {
                return Some("the sum of state_values".to_owned());
            }
            let state = values.iter().position(|value| agrees(&vec![*value]))?;
            return Some(format!("state_values[{state}]"));
        }
        Quantity::StateValues => {
            let q = comparison.exact(Quantity::ActionValues).chunks(problem.n_actions());
            let of_row = |of: fn(f64, f64) -> f64, divisor: f64| -> Entries {
                let joined =
                    |row: &[Option<f64>]| row.iter().copied().reduce(|a, b| Some(of(a?, b?))).flatten();
                q.clone().map(|row| joined(row).map(|x| x / divisor)).collect()
            };
            if agrees(&of_row(f64::max, 1.0)) {
                return Some("the largest action value of each state".to_owned());
            }
            if agrees(&of_row(|a, b| a + b, problem.n_actions() as f64)) {
                return Some("the unweighted mean of each state's action values".to_owned());
            }
        }
        Quantity::Occupancy => {
            let alike = |length: usize| -> Entries {
                let mean = |row: &[Option<f64>]| row.iter().flatten().sum::<f64>() / length as f64;
                let of_row = |row| vec![Some(mean(row)); length];
                comparison.exact(quantity).chunks(length).flat_map(of_row).collect()
            };
            if agrees(&alike(got.len())) {
                return Some("the occupancy of pairs that are all visited alike".to_owned());
            }
            let of_state = |row: &[Option<f64>]| vec![row.iter().copied().sum(); row.len()];
            let repeated: Entries =
                comparison.exact(quantity).chunks(problem.n_actions()).flat_map(of_state).collect();
            if agrees(&repeated) {
                return Some("the occupancy of each state, for every one of its actions".to_owned());
            }
            if agrees(&alike(problem.n_actions())) {
                return Some("the occupancy of states whose actions are all taken alike".to_owned());
            }
        }
        Quantity::ActionValues => {
            let of_state = |i: usize| values[i / problem.n_actions()];
            let less = |(i, q): (usize, &Option<f64>)| Some((*q)? - of_state(i)?);
            let advantages: Entries = comparison.exact(quantity).iter().enumerate().map(less).collect();
            if agrees(&advantages) {
                return Some("action_values less state_values, the advantages".to_owned());
            }
        }
        _ => {}
    }
    let is_like = |other: &Quantity| {
        *other != quantity
            && other.shape(problem) == quantity.shape(problem)
            && agrees(comparison.exact(*other))
    };
    Quantity::ALL.into_iter().find(is_like).map(|other| other.name().to_owned())
}

fn rearrangement(
    problem: &Problem,
    comparison: &Comparison<'_>,
    quantity: Quantity,
    got: &Entries,
) -> Option<Rearrangement> {
    let truth = comparison.exact(quantity);
    let (n, n_actions) = (problem.n_states(), problem.n_actions());
    let fits = |order: &[usize]| -> bool {
        let entries: Entries = order.iter().map(|&i| truth[i]).collect();
        comparison.agrees(quantity, got, &entries)
    };
    let is_table =
        got.len() == n * n_actions && quantity.shape(problem) != [n] && problem.policy().features().is_none();
    if is_table {
        let transposed: Vec<usize> =
            (0..n_actions).flat_map(|a| (0..n).map(move |s| s * n_actions + a)).collect();
        if fits(&transposed) {
            return Some(Rearrangement::ActionMajor);
        }
        let columns: Vec<Vec<usize>> =
            (0..n_actions).map(|a| (0..n).map(|s| s * n_actions + a).collect()).collect();
        if let Some(order) = comparison.matching(quantity, got, &columns) {
            return Some(Rearrangement::Actions(order));
        }
        let rows: Vec<Vec<usize>> = (0..n).map(|s| (s * n_actions..(s + 1) * n_actions).collect()).collect();
        if let Some(order) = comparison.matching(quantity, got, &rows) {
            return Some(Rearrangement::States(order));
        }
    }
    let entries: Vec<Vec<usize>> = (0..got.len()).map(|i| vec![i]).collect();
    let order = comparison.matching(quantity, got, &entries)?;
    let of_states = quantity.shape(problem) == [n] && !quantity.is_of_gradient();
    Some(if of_states { Rearrangement::States(order) } else { Rearrangement::Entries(order) })
}

fn direction(problem: &Problem, comparison: &Comparison<'_>, got: &Entries) -> Option<Direction> {
    let numbers = |entries: Entries| -> Option<DVector<f64>> {
        Some(DVector::from_vec(entries.into_iter().collect::<Option<Vec<f64>>>()?))
    };
    let form = comparison.normal_form(Quantity::Gradient, got).into_owned();
    let truth = numbers(comparison.truth(Quantity::Gradient))?;
    let got = numbers(form.clone())?;
    // In units of the largest entries: squares of small or large ones are no doubles.
    let unit = |vector: &DVector<f64>| {
        let largest = vector.amax();
        (largest > 0.0 && largest.is_finite()).then(|| vector.unscale(largest).normalize())
    };
    let cosine = unit(&got)?.dot(&unit(&truth)?).clamp(-1.0, 1.0);
    let combination = Quantity::TERMS
        .into_iter()
        .map(|term| {
            let numbers = numbers(comparison.truth(term))?;
            // Where each state's mean does not matter, nothing but rounding may be left.
            let is_rounding = numbers.amax() <= ROUNDING * largest(comparison.exact(term));
            Some(if is_rounding { DVector::zeros(numbers.len()) } else { numbers })
        })
        .collect::<Option<Vec<_>>>()
        // Within their errors estimates are many combinations.
        .filter(|_| !comparison.is_sampled(Quantity::Gradient) && got.amax() >= f64::MIN_POSITIVE)
        .and_then(|terms| {
            let told = coordinates(problem, &terms);
            match combination(comparison, &form, &got, &terms, &told) {
                Some(all) if all.explains => Some(all),
                all => one_coefficient(comparison, &form, &got, &terms, &told).or(all),
            }
        });
    Some(Direction { cosine, degrees: cosine.acos().to_degrees(), combination })
}

/// What is left of a term where its entries cancel, relative to the largest of them.
const ROUNDING: f64 = 1e-12;

/// Places that tell all others of gradients as the terms have them: all but the last action's
/// in states whose entries add up to 0 in every term; of features, as many parameters as are
/// independent.
fn coordinates(problem: &Problem, terms: &[DVector<f64>]) -> Vec<usize> {
    let (n_actions, entries) = (problem.n_actions(), problem.n_parameters());
    if let Some(features) = problem.policy().features() {
        let policy = problem.probabilities().unwrap_or_default();
        return independent(features, &policy, n_actions, entries);
    }
    let adds_up =
        |row: &[f64]| row.iter().sum::<f64>().abs() <= 1e-9 * row.iter().map(|x| x.abs()).sum::<f64>();
    let is_dependent =
        |s: usize| terms.iter().all(|term| adds_up(&term.as_slice()[s * n_actions..][..n_actions]));
    let is_told = |i: &usize| i % n_actions < n_actions - 1 || !is_dependent(i / n_actions);
    (0..entries).filter(is_told).collect()
}

/// Parameters whose features, less their means under the policy, are those of all others in
/// combinations.
fn independent(features: &[Numeral], policy: &[f64], n_actions: usize, entries: usize) -> Vec<usize> {
    let n_pairs = features.len() / entries;
    let is_given = policy.len() == n_pairs;
    if !is_given || n_pairs.saturating_mul(entries * entries) > WORK {
        return (0..entries).collect();
    }
    let given = DMatrix::from_row_iterator(n_pairs, entries, features.iter().map(Numeral::approximate));
    let centred = DMatrix::from_fn(n_pairs, entries, |pair, k| {
        let of_state = pair / n_actions * n_actions..(pair / n_actions + 1) * n_actions;
        let mean: f64 = of_state.map(|other| policy[other] * given[(other, k)]).sum();
        // What is never taken moves nothing.
        if policy[pair] > 0.0 { given[(pair, k)] - mean } else { 0.0 }
    });
    let decomposition = centred.col_piv_qr();
    let mut order = RowDVector::from_iterator(entries, 0..entries);
    decomposition.p().permute_columns(&mut order);
    let diagonal = decomposition.r().diagonal();
    let least = ROUNDING * diagonal.amax();
    let mut told: Vec<usize> =
        order.iter().zip(diagonal.iter()).filter(|(_, r)| r.abs() > least).map(|(k, _)| *k).collect();
    told.sort_unstable();
    told
}

fn combination(
    comparison: &Comparison<'_>,
    form: &Entries,
    got: &DVector<f64>,
    terms: &[DVector<f64>],
    coordinates: &[usize],
) -> Option<Combination> {
    let scale = got.amax();
    let present: Vec<usize> = (0..terms.len()).filter(|&i| terms[i].amax() > 0.0).collect();
    if present.is_empty() || coordinates.len() <= present.len() {
        return None;
    }
    let columns: Vec<DVector<f64>> = present.iter().map(|&i| terms[i].unscale(terms[i].amax())).collect();
    // Terms that depend on each other have no coefficients of their own, and those that would
    // without one coordinate have one that fits anything there.
    let told: Vec<DVector<f64>> = columns.iter().map(|column| column.select_rows(coordinates)).collect();
    let told = DMatrix::from_columns(&told).svd(true, false);
    let leverage = told.u.as_ref()?.row_iter().map(|row| row.norm_squared()).fold(0.0, f64::max);
    if told.rank(1e-9) < present.len() || leverage > 1.0 - 1e-9 {
        return None;
    }
    let decomposition = DMatrix::from_columns(&columns).svd(true, true);
    let solution = decomposition.solve(&got.unscale(scale), 0.0).ok()?;
    let mut coefficients = [None; 4];
    for (k, &i) in present.iter().enumerate() {
        coefficients[i] = Some(solution[k] * scale / terms[i].amax());
    }
    combined(comparison, form, got, terms, coefficients)
}

/// The sum of the exact terms but for one, whose coefficient explains the rest; or the same
/// coefficient of the transition and the reward term where either would.
fn one_coefficient(
    comparison: &Comparison<'_>,
    form: &Entries,
    got: &DVector<f64>,
    terms: &[DVector<f64>],
    coordinates: &[usize],
) -> Option<Combination> {
    let fitted = |k: usize| -> Option<Combination> {
        let largest = terms[k].amax();
        let unit = terms[k].unscale(largest);
        let told = unit.select_rows(coordinates);
        // Of one coordinate any coefficient is right.
        if !(largest > 0.0 && told.amax().powi(2) <= (1.0 - 1e-9) * told.norm_squared()) {
            return None;
        }
        let others = (0..terms.len()).filter(|&i| i != k).map(|i| &terms[i]);
        let rest = others.fold(got.clone(), |rest, term| rest - term);
        let mut coefficients = [0, 1, 2, 3].map(|i| (terms[i].amax() > 0.0).then_some(1.0));
        coefficients[k] = Some(unit.dot(&rest) / unit.norm_squared() / largest);
        combined(comparison, form, got, terms, coefficients).filter(|combination| combination.explains)
    };
    let found: Vec<(usize, Combination)> = (0..terms.len()).filter_map(|k| Some((k, fitted(k)?))).collect();
    match &found[..] {
        [(_, one)] => Some(one.clone()),
        [(TRANSITION, _), (REWARD, _)] => {
            let both = &terms[TRANSITION] + &terms[REWARD];
            let largest = both.amax();
            let unit = both.unscale(largest);
            let others = (0..terms.len()).filter(|k| ![TRANSITION, REWARD].contains(k)).map(|k| &terms[k]);
            let rest = others.fold(got.clone(), |rest, term| rest - term);
            let mut coefficients = [0, 1, 2, 3].map(|i| (terms[i].amax() > 0.0).then_some(1.0));
            let both = Some(unit.dot(&rest) / unit.norm_squared() / largest);
            (coefficients[TRANSITION], coefficients[REWARD]) = (both, both);
            let joint = combined(comparison, form, got, terms, coefficients)?;
            joint.explains.then_some(Combination { joint: true, ..joint })
        }
        _ => None,
    }
}

/// Places of terms.
const TRANSITION: usize = 1;
const REWARD: usize = 2;

/// The sum of the terms with these coefficients, and what it leaves.
fn combined(
    comparison: &Comparison<'_>,
    form: &Entries,
    got: &DVector<f64>,
    terms: &[DVector<f64>],
    coefficients: [Option<f64>; 4],
) -> Option<Combination> {
    let mut sum = DVector::zeros(got.len());
    for (term, coefficient) in terms.iter().zip(coefficients) {
        sum += term * coefficient.unwrap_or(0.0);
    }
    let entries: Entries = sum.iter().copied().map(Some).collect();
    // In units of the gradient: sums of large numbers are no doubles.
    let scale = got.amax();
    let residual = (got.unscale(scale) - sum.unscale(scale)).norm() / got.unscale(scale).norm();
    if !residual.is_finite() || coefficients.iter().flatten().any(|c| !c.is_finite()) {
        return None;
    }
    let [policy, transition, reward, entropy] = coefficients;
    let explains = comparison.agrees(Quantity::Gradient, form, &entries);
    Some(Combination { policy, transition, reward, entropy, residual, explains, joint: false })
}
