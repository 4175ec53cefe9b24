//! Concave quadratics over the occupancy polytope: quadratically regularised
//! best responses, and Euclidean projections.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, ZeroConeT};
use nalgebra::{DMatrix, DVector};

use super::{PlanningError, magnitude};
use pemdp::evaluate::evaluate;
use pemdp::mdp::{Mdp, ModelError};
use pemdp::policy::Policy;

/// Tolerance of the interior-point method.
const TOLERANCE: f64 = 1e-12;
/// Newton steps after it that may improve nothing: one finds the entries that
/// are positive, the next solves for them.
const IN_VAIN: usize = 2;
/// Solves after which polishing ends in any case.
const MOST_SOLVES: u64 = 50;
/// An occupancy that is only known to this share of the largest total
/// `1/(1-gamma)` is not a solution.
const ACCEPTABLE: f64 = 1e-6;

/// The occupancy that maximises a concave quadratic.
#[derive(Debug, Clone, PartialEq)]
pub struct RegularisedOccupancy {
    /// `d[s,a]` at `s A + a`, not normalised; 0 in terminal states.
    pub occupancy: Vec<f64>,
    /// `d[s,a]/sum_b d[s,b]`, uniform where the state is not visited and in
    /// terminal states; `occupancy` is that of this policy.
    pub policy: Policy<f64>,
    /// 2-norm distance of `occupancy` from the exact solution, at most.
    pub distance_bound: f64,
    /// Convex programs solved and linear systems factorised.
    pub solves: u64,
}

/// Whether a state is outside the occupancy polytope: absorbing under every
/// action, with reward 0. Nothing that happens there matters, and its occupancy
/// would only be regularised for nothing.
pub fn is_terminal(mdp: &Mdp<f64>, state: usize) -> bool {
    (0..mdp.n_actions()).all(|a| {
        *mdp.reward(state, a) == 0.0 && mdp.kernel().row(state, a).all(|(t, p)| t == state || *p == 0.0)
    })
}

/// `argmax_d sum_{s,a} d[s,a] r[s,a] - (lambda/2) ||d||^2` over the occupancies
/// `d >= 0`, `sum_a d[t,a] = rho[t] + gamma sum_{s,a} d[s,a] P[s,a,t]`, where
/// `s`, `t` are the states that are not terminal ([`is_terminal`]); `d` is not
/// normalised.
///
/// The retraining step of \[Mandal2023\]. An interior-point method finds which
/// entries are positive; Newton steps on these solve the optimality conditions
/// to rounding error. Where the conditions of an entry hold with equality on both
/// sides (`d = 0` and multiplier 0), the last digits can be missing, and the
/// bound says how many.
///
/// # Errors
/// [`PlanningError`] for `lambda <= 0` or where the solver failed.
///
/// ```
/// use pemdp::mdp::{Kernel, Mdp};
/// use pemdp_algorithms::planning::quadratic_response;
/// // d[0] + d[1] = 2 and 1 - d[0] = 0 - d[1].
/// let mdp = Mdp::new(Kernel::dense(1, 2, vec![1.0; 2])?, vec![1.0, 0.0], vec![1.0], 0.5)?;
/// let response = quadratic_response(&mdp, 1.0)?;
/// assert!((response.occupancy[0] - 1.5).abs() <= response.distance_bound);
/// assert!(response.distance_bound < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn quadratic_response(mdp: &Mdp<f64>, lambda: f64) -> Result<RegularisedOccupancy, PlanningError> {
    let rewards = (0..mdp.n_states()).flat_map(|s| (0..mdp.n_actions()).map(move |a| *mdp.reward(s, a)));
    Program::new(mdp, lambda, &rewards.collect::<Vec<f64>>())?.solve()
}

/// The occupancy nearest to `target[s,a]` (at `s A + a`) in 2-norm, over the same
/// polytope; entries of terminal states are ignored.
///
/// # Errors
/// [`PlanningError`] for a wrong length or where the solver failed.
pub fn nearest_occupancy(mdp: &Mdp<f64>, target: &[f64]) -> Result<RegularisedOccupancy, PlanningError> {
    let expected = mdp.n_states() * mdp.n_actions();
    if target.len() != expected {
        return Err(ModelError::Shape { what: "the target", seen: target.len(), expected }.into());
    }
    Program::new(mdp, 1.0, target)?.solve()
}

/// `max <g, d> - (weight/2) ||d||^2` subject to `M d = rho`, `d >= 0`.
struct Program<'a> {
    mdp: &'a Mdp<f64>,
    weight: f64,
    /// The states that can be reached and are not terminal: the rows of `M`.
    states: Vec<usize>,
    /// `rho` in these states.
    initial: Vec<f64>,
    /// `g`; pair `j` is action `j % A` in `states[j / A]`.
    linear: Vec<f64>,
    /// The columns of `M`: `1[s = t] - gamma P[s,a,t]` by row.
    columns: Vec<Vec<(usize, f64)>>,
}

/// Multipliers, and which entries of `d` they say are positive.
struct Guess {
    /// `y` of `M d = rho`.
    multipliers: Vec<f64>,
    /// `weight d`, 0 where not positive.
    scaled: Vec<f64>,
}

impl<'a> Program<'a> {
    fn new(mdp: &'a Mdp<f64>, weight: f64, linear: &[f64]) -> Result<Self, PlanningError> {
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(PlanningError::Weight { weight });
        }
        let n_actions = mdp.n_actions();
        let reached = reachable(mdp, |_, _| true);
        let states: Vec<usize> =
            (0..mdp.n_states()).filter(|&s| reached[s] && !is_terminal(mdp, s)).collect();
        let mut row_of = vec![None; mdp.n_states()];
        states.iter().enumerate().for_each(|(i, &s)| row_of[s] = Some(i));
        let column = |j: usize| {
            let mut column = vec![(j / n_actions, 1.0)];
            for (t, p) in mdp.kernel().row(states[j / n_actions], j % n_actions) {
                match row_of[t] {
                    Some(i) if i == j / n_actions => column[0].1 -= mdp.gamma() * p,
                    Some(i) if *p != 0.0 => column.push((i, -mdp.gamma() * p)),
                    _ => {}
                }
            }
            column.sort_by_key(|(i, _)| *i);
            column
        };
        let columns = (0..states.len() * n_actions).map(column).collect();
        let initial = states.iter().map(|&s| mdp.initial()[s]).collect();
        let linear =
            states.iter().flat_map(|s| &linear[s * n_actions..(s + 1) * n_actions]).copied().collect();
        Ok(Self { mdp, weight, states, initial, linear, columns })
    }

    fn solve(&self) -> Result<RegularisedOccupancy, PlanningError> {
        if self.states.is_empty() {
            let (n_states, n_actions) = (self.mdp.n_states(), self.mdp.n_actions());
            let occupancy = vec![0.0; n_states * n_actions];
            let policy = Policy::uniform(n_states, n_actions);
            return Ok(RegularisedOccupancy { occupancy, policy, distance_bound: 0.0, solves: 0 });
        }
        let (mut guess, status) = self.interior_point()?;
        let mut best = self.certified(&guess)?;
        let (mut solves, mut in_vain) = (2, 0);
        while in_vain < IN_VAIN && solves < MOST_SOLVES {
            let Some(next) = self.newton(&guess) else { break };
            guess = next;
            let polished = self.certified(&guess)?;
            solves += 2;
            if polished.distance_bound < best.distance_bound {
                best = polished;
            } else {
                in_vain += 1;
            }
        }
        let distance = best.distance_bound;
        if distance <= ACCEPTABLE / self.mdp.contraction_gap() {
            Ok(RegularisedOccupancy { solves, ..best })
        } else {
            Err(PlanningError::Program { status, distance })
        }
    }

    /// The solution to the tolerance of Clarabel, and what it said of it.
    fn interior_point(&self) -> Result<(Guess, String), PlanningError> {
        let (n, m) = (self.columns.len(), self.states.len());
        let scale = magnitude(&self.linear).max(self.weight);
        let (mut rows, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (j, column) in self.columns.iter().enumerate() {
            for &(i, x) in column.iter().chain(&[(m + j, -1.0)]) {
                rows.push(i);
                columns.push(j);
                values.push(x);
            }
        }
        let constraints = CscMatrix::new_from_triplets(m + n, n, rows, columns, values);
        let diagonal = vec![self.weight / scale; n];
        let quadratic = CscMatrix::new(n, n, (0..=n).collect(), (0..n).collect(), diagonal);
        let linear: Vec<f64> = self.linear.iter().map(|g| -g / scale).collect();
        let bounds: Vec<f64> = self.initial.iter().copied().chain((0..n).map(|_| 0.0)).collect();
        let settings = DefaultSettings {
            verbose: false,
            tol_gap_abs: TOLERANCE,
            tol_gap_rel: TOLERANCE,
            tol_feas: TOLERANCE,
            ..DefaultSettings::default()
        };
        let cones = [ZeroConeT(m), NonnegativeConeT(n)];
        let failed = |error: String| PlanningError::Program { status: error, distance: f64::INFINITY };
        let mut solver = DefaultSolver::new(&quadratic, &linear, &constraints, &bounds, &cones, settings)
            .map_err(|error| failed(error.to_string()))?;
        solver.solve();
        let solution = solver.solution;
        let status = solution.status.to_string();
        if !solution.x.iter().chain(&solution.z).all(|x| x.is_finite()) {
            return Err(failed(status));
        }
        let multipliers = solution.z[..m].iter().map(|y| scale * y).collect();
        let positive = |(x, z): (&f64, &f64)| {
            let scaled = self.weight * x;
            if scaled > scale * z { scaled } else { 0.0 }
        };
        let scaled = solution.x.iter().zip(&solution.z[m..]).map(positive).collect();
        Ok((Guess { multipliers, scaled }, status))
    }

    /// `g - M^T y`, of which the positive part is `weight d` at the optimum.
    fn reduced(&self, multipliers: &[f64]) -> Vec<f64> {
        let product =
            |column: &Vec<(usize, f64)>| column.iter().map(|&(i, x)| x * multipliers[i]).sum::<f64>();
        self.linear.iter().zip(&self.columns).map(|(g, column)| g - product(column)).collect()
    }

    /// `M x`.
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.states.len()];
        for (x, column) in x.iter().zip(&self.columns) {
            column.iter().for_each(|&(i, entry)| product[i] += entry * x);
        }
        product
    }

    /// A step of Newton's method on the dual, whose gradient is
    /// `rho - M (g - M^T y)_+ / weight`: exact where the positive entries are the
    /// right ones. Multipliers of states that these do not visit stay.
    fn newton(&self, guess: &Guess) -> Option<Guess> {
        let m = self.states.len();
        let mut information = DMatrix::<f64>::zeros(m, m);
        for (column, _) in self.columns.iter().zip(&guess.scaled).filter(|(_, d)| **d > 0.0) {
            for &(i, x) in column {
                column.iter().for_each(|&(k, y)| information[(i, k)] += x * y);
            }
        }
        let mut multipliers = guess.multipliers.clone();
        let mut reduced = self.reduced(&multipliers);
        reduced.iter_mut().zip(&guess.scaled).filter(|(_, d)| **d <= 0.0).for_each(|(x, _)| *x = 0.0);
        let excess = self.apply(&reduced);
        let visited: Vec<usize> = (0..m).filter(|&i| information[(i, i)] > 0.0).collect();
        let residual = visited.iter().map(|&i| excess[i] - self.weight * self.initial[i]);
        let residual = DVector::from_iterator(visited.len(), residual);
        let matrix = information.select_rows(&visited).select_columns(&visited);
        let step = matrix.cholesky()?.solve(&residual);
        visited.iter().zip(&step).for_each(|(&i, step)| multipliers[i] += step);
        let scaled = self.reduced(&multipliers).into_iter().map(|x| x.max(0.0)).collect();
        Some(Guess { multipliers, scaled })
    }

    /// The policy of a guess with its own occupancy, and the bound
    /// `||e||/weight + 2 ||M d - rho||_1/(1 - gamma)` on its distance from the
    /// solution, `e` what is left of the optimality conditions.
    fn certified(&self, guess: &Guess) -> Result<RegularisedOccupancy, PlanningError> {
        let (n_states, n_actions) = (self.mdp.n_states(), self.mdp.n_actions());
        let mut probabilities = vec![1.0 / n_actions as f64; n_states * n_actions];
        for (&s, row) in self.states.iter().zip(guess.scaled.chunks(n_actions)) {
            let total: f64 = row.iter().sum();
            if total > 0.0 {
                row.iter().enumerate().for_each(|(a, d)| probabilities[s * n_actions + a] = d / total);
            }
        }
        let reached = reachable(self.mdp, |s, a| probabilities[s * n_actions + a] > 0.0);
        for s in (0..n_states).filter(|&s| !reached[s]) {
            probabilities[s * n_actions..(s + 1) * n_actions].fill(1.0 / n_actions as f64);
        }
        let policy = Policy::probabilities(n_states, n_actions, probabilities)?;
        let evaluation = evaluate(self.mdp, &policy, &0.0)?;
        let pair = |j: usize| (self.states[j / n_actions], j % n_actions);
        let is_taken = |j: usize| reached[pair(j).0] && *policy.probability(pair(j).0, pair(j).1) > 0.0;
        let visits = |j: usize| if is_taken(j) { *evaluation.occupancy(pair(j).0, pair(j).1) } else { 0.0 };
        let inside: Vec<f64> = (0..self.columns.len()).map(visits).collect();

        let reduced = self.reduced(&guess.multipliers);
        let left = |(j, q): (usize, f64)| if is_taken(j) { q - self.weight * inside[j] } else { q.max(0.0) };
        let stationarity = reduced.into_iter().enumerate().map(left).map(|e| e * e).sum::<f64>().sqrt();
        let flow = self.apply(&inside);
        let infeasibility: f64 = flow.iter().zip(&self.initial).map(|(x, rho)| (x - rho).abs()).sum();
        let distance_bound = stationarity / self.weight + 2.0 * infeasibility / self.mdp.contraction_gap();

        let mut occupancy = vec![0.0; n_states * n_actions];
        inside.iter().enumerate().for_each(|(j, d)| occupancy[pair(j).0 * n_actions + pair(j).1] = *d);
        Ok(RegularisedOccupancy { occupancy, policy, distance_bound, solves: 1 })
    }
}

/// The states that can be reached from the initial ones by actions that are
/// allowed.
fn reachable(mdp: &Mdp<f64>, allowed: impl Fn(usize, usize) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = mdp.initial().iter().map(|rho| *rho > 0.0).collect();
    if *mdp.gamma() == 0.0 {
        return reached;
    }
    let mut open: Vec<usize> = (0..reached.len()).filter(|&s| reached[s]).collect();
    while let Some(s) = open.pop() {
        for a in (0..mdp.n_actions()).filter(|&a| allowed(s, a)) {
            for (t, _) in mdp.kernel().row(s, a).filter(|(_, p)| **p > 0.0) {
                if !reached[t] {
                    reached[t] = true;
                    open.push(t);
                }
            }
        }
    }
    reached
}
