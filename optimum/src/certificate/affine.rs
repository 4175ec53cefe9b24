//! Affine witnesses: `docs/theory/optima.md`, section 11.

mod functions;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use nalgebra::DMatrix;
use num_traits::{One, Zero};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use functions::{Exact, Linear, Quadratic};

use super::{CertificateError, Proof, Target, fraction, power_of_two_below};
use crate::build;
use crate::cell::Cell;
use crate::frontier::{Frontier, Part};
use pemdp::arithmetic::{Field, Interval};
use pemdp::best_response::best_response;
use pemdp::environments::{AffineStructure, Structure};
use pemdp::mdp::{Kernel, Mdp};
use pemdp::problem::Problem;

/// How many cells are split at once, whatever the number of threads.
const BATCH: usize = 64;
/// Splits above a cell; files that are deeper are hard to read.
const DEPTH: usize = 200;
/// Narrower cells are not split: their ends stay exact doubles.
const NARROWEST: f64 = 1e-11;
/// Free coordinates beyond which no witness is tried.
const MAX_COORDINATES: usize = 64;
/// How often a witness is lifted by what it lacks.
const LIFTS: usize = 3;
/// Digits beyond the fewest that might do.
const MORE_BITS: [i32; 3] = [0, 4, 8];

/// An environment that is affine in the policy. The coordinates are the
/// probabilities of all actions but the last one of each state; the free ones are
/// those on which anything depends.
struct ReducedModel {
    n_states: usize,
    n_actions: usize,
    gamma: Interval,
    initial: Vec<Interval>,
    /// `s A + a` of each free coordinate, ascending.
    free: Vec<usize>,
    /// `P[s,a,t]` at `(s A + a) S + t`.
    kernel: Vec<Linear>,
    rewards: Vec<Linear>,
}

/// A witness in doubles: `w(x)[s] = values[s] + sum_k slopes[s n + k] (x - centre)[k]`.
#[derive(Debug, Clone)]
struct Witness {
    values: Vec<f64>,
    slopes: Vec<f64>,
}

/// `B_x(w(x)) - w(x)` over a cell.
struct Residual {
    /// Upper bounds, `[s]`.
    upper: Vec<f64>,
    /// The sizes of its terms of higher order in each coordinate, `[s,k]`.
    shares: Vec<f64>,
}

/// A witness whose numbers are integers over `2^bits`, proved on its cell.
#[derive(Debug)]
struct Proved {
    bits: i32,
    witness: Witness,
}

#[derive(Debug)]
enum Node {
    Open,
    Empty,
    Leaf(Proved),
    Split { coordinate: usize, at: f64, below: usize, above: usize },
}

/// What was found for a cell.
enum Tried {
    Empty,
    Proved(Proved),
    /// The bound that was had, and the coordinate to split.
    Open(f64, usize),
}

/// A cell without a witness.
struct Pending {
    upper: f64,
    node: usize,
    depth: usize,
    cell: Cell,
    split: usize,
}

impl Part for Pending {
    fn bound(&self) -> f64 {
        self.upper
    }

    fn tie(&self, other: &Self) -> Ordering {
        other.node.cmp(&self.node)
    }
}

/// The tree of splits with a witness at each leaf.
///
/// # Errors
/// [`CertificateError`] where there is none of the size asked for.
pub(super) fn proof(problem: &Problem, target: Target) -> Result<Proof, CertificateError> {
    let model = ReducedModel::new(problem)?;
    let n = model.free.len();
    let root = Cell { lower: vec![0.0; n], upper: vec![1.0; n] };
    let mut tree = Tree { nodes: Vec::new(), open: Frontier::default() };
    let no_witness = || CertificateError::NoWitness { gap: target.gap };
    match model.flat(&target) {
        Some(proved) => tree.place(root, 0, Tried::Proved(proved)),
        None if n > MAX_COORDINATES => return Err(no_witness()),
        None => {
            let (cell, tried) = model.tried(root, &target);
            tree.place(cell, 0, tried)
        }
    };
    while let Some(worst) = tree.open.peek() {
        if tree.nodes.len() / 2 >= target.cells {
            return Err(CertificateError::Cells {
                cells: target.cells,
                reached: (worst.upper - target.value).max(target.gap),
            });
        }
        let batch: Vec<Pending> = (0..BATCH).map_while(|_| tree.open.pop()).collect();
        let is_last = |p: &Pending| p.depth >= DEPTH || p.cell.width(p.split) < NARROWEST;
        if batch.iter().any(is_last) {
            return Err(no_witness());
        }
        let halves: Vec<_> = batch
            .par_iter()
            .map(|p| halves(&p.cell, p.split).map(|half| model.tried(half, &target)))
            .collect();
        for (pending, [(one, one_tried), (two, two_tried)]) in batch.iter().zip(halves) {
            let below = tree.place(one, pending.depth + 1, one_tried);
            let above = tree.place(two, pending.depth + 1, two_tried);
            let (coordinate, at) = (pending.split, middle(&pending.cell, pending.split));
            tree.nodes[pending.node] = Node::Split { coordinate, at, below, above };
        }
    }
    let leaves = tree.nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
    Ok((Map::from_iter([("tree".to_owned(), tree.written(0, &model))]), leaves))
}

struct Tree {
    nodes: Vec<Node>,
    open: Frontier<Pending>,
}

impl Tree {
    fn place(&mut self, cell: Cell, depth: usize, tried: Tried) -> usize {
        let node = self.nodes.len();
        self.nodes.push(match tried {
            Tried::Empty => Node::Empty,
            Tried::Proved(proved) => Node::Leaf(proved),
            Tried::Open(upper, split) => {
                self.open.push(Pending { upper, node, depth, cell, split });
                Node::Open
            }
        });
        node
    }

    fn written(&self, node: usize, model: &ReducedModel) -> Value {
        match &self.nodes[node] {
            Node::Open | Node::Empty => Value::Null,
            Node::Leaf(proved) => proved.written(model),
            Node::Split { coordinate, at, below, above } => json!([
                model.free[*coordinate],
                fraction(*at),
                self.written(*below, model),
                self.written(*above, model)
            ]),
        }
    }
}

impl Proved {
    fn written(&self, model: &ReducedModel) -> Value {
        let integer = |x: f64| json!((x * f64::from(self.bits).exp2()) as i64);
        let all = (0..model.n_states * model.n_actions).filter(|i| i % model.n_actions + 1 < model.n_actions);
        let slope = |s: usize, i: usize| {
            model.free.binary_search(&i).map_or(0.0, |k| self.witness.slopes[s * model.free.len() + k])
        };
        let row = |s: usize| all.clone().map(|i| integer(slope(s, i))).collect::<Vec<_>>();
        json!({
            "bits": self.bits,
            "values": self.witness.values.iter().map(|&x| integer(x)).collect::<Vec<_>>(),
            "slopes": (0..model.n_states).map(row).collect::<Vec<_>>(),
        })
    }
}

fn middle(cell: &Cell, k: usize) -> f64 {
    0.5 * (cell.lower[k] + cell.upper[k])
}

fn halves(cell: &Cell, k: usize) -> [Cell; 2] {
    let (mut below, mut above) = (cell.clone(), cell.clone());
    (below.upper[k], above.lower[k]) = (middle(cell, k), middle(cell, k));
    [below, above]
}

impl ReducedModel {
    fn new(problem: &Problem) -> Result<Self, CertificateError> {
        let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
        let parts = match problem.structure() {
            Structure::Affine(affine) => affine.parts(problem.given()).ok(),
            Structure::Fixed(fixed) => fixed.parts(problem.given()).ok(),
            _ => None,
        };
        let parts = parts.ok_or(CertificateError::NotCovered { kind: problem.environment().kind() })?;
        let mut kernel: Vec<Exact> = parts.transitions.iter().map(Exact::constant).collect();
        let mut rewards: Vec<Exact> = parts.rewards.iter().map(Exact::constant).collect();
        for ([s, a, t, s2, a2], m) in &parts.transition_slopes {
            kernel[(s * n_actions + a) * n_states + t].add(s2 * n_actions + a2, m, n_actions);
        }
        for ([s, a, s2, a2], m) in &parts.reward_slopes {
            rewards[s * n_actions + a].add(s2 * n_actions + a2, m, n_actions);
        }
        for entry in kernel.iter_mut().chain(&mut rewards) {
            entry.slopes.retain(|_, m| !m.is_zero());
        }
        let row = |i: usize| (&kernel[i * n_states..(i + 1) * n_states], &rewards[i]);
        let last = |i: usize| i - i % n_actions + n_actions - 1;
        let referred = kernel.iter().chain(&rewards).flat_map(|entry| entry.slopes.keys().copied());
        let chosen = (0..rewards.len()).filter(|&i| row(i) != row(last(i)));
        let free: BTreeSet<usize> = referred.chain(chosen).collect();
        let free: Vec<usize> = free.into_iter().collect();
        Ok(Self {
            n_states,
            n_actions,
            gamma: problem.gamma().lift(),
            initial: build::initial(problem),
            kernel: kernel.iter().map(|entry| entry.lifted(&free)).collect(),
            rewards: rewards.iter().map(|entry| entry.lifted(&free)).collect(),
            free,
        })
    }

    /// The free coordinates of a state.
    fn of_state(&self, s: usize) -> std::ops::Range<usize> {
        let below = |i: usize| self.free.partition_point(|&j| j < i);
        below(s * self.n_actions)..below((s + 1) * self.n_actions)
    }

    /// A bound of gamma times a row sum; rows may be off by 1e-9.
    fn contraction(&self) -> f64 {
        self.gamma.upper() * (1.0 + 1e-8)
    }

    /// Where nothing responds, one witness without slopes does for all policies: the
    /// values of a best policy.
    fn flat(&self, target: &Target) -> Option<Proved> {
        let is_constant = |entry: &Linear| entry.slopes.is_empty();
        if !self.kernel.iter().chain(&self.rewards).all(is_constant) {
            return None;
        }
        let doubles = |entries: &[Linear]| entries.iter().map(|entry| entry.constant.approximate()).collect();
        let n = self.n_states;
        let kernel = Kernel::dense(n, self.n_actions, doubles(&self.kernel)).ok()?;
        let initial = self.initial.iter().map(Field::approximate).collect();
        let mdp = Mdp::new(kernel, doubles(&self.rewards), initial, self.gamma.approximate()).ok()?;
        let values = best_response(&mdp).ok()?.evaluation.state_values;
        let slopes = vec![0.0; n * self.free.len()];
        let residual = |witness: &Witness| {
            let short = |s: usize| {
                let q = |a: usize| {
                    let i = s * self.n_actions + a;
                    let row = self.kernel[i * n..(i + 1) * n].iter().zip(&witness.values);
                    let mean =
                        row.fold(Interval::zero(), |sum, (p, &w)| sum + p.constant * Interval::point(w));
                    (self.rewards[i].constant + self.gamma * mean - Interval::point(witness.values[s]))
                        .upper()
                };
                (0..self.n_actions).map(q).fold(f64::NEG_INFINITY, f64::max)
            };
            (0..n).map(short).collect()
        };
        let cell = Cell { lower: vec![0.0; self.free.len()], upper: vec![1.0; self.free.len()] };
        self.rounded(&cell, &Witness { values, slopes }, target, &residual)
    }

    /// The cell, narrowed, and a witness for it or where to split it.
    fn tried(&self, mut cell: Cell, target: &Target) -> (Cell, Tried) {
        if !self.narrow(&mut cell) {
            return (cell, Tried::Empty);
        }
        let widest =
            || (0..self.free.len()).max_by(|&i, &j| cell.width(i).total_cmp(&cell.width(j))).unwrap_or(0);
        let Some((witness, occupancy)) = self.tangent(&cell) else {
            let split = widest();
            return (cell, Tried::Open(f64::INFINITY, split));
        };
        let upper = self.largest(&cell, &witness);
        if upper < target.upper_bound {
            let residual = |witness: &Witness| self.residual(&cell, witness).upper;
            if let Some(proved) = self.rounded(&cell, &witness, target, &residual) {
                return (cell, Tried::Proved(proved));
            }
        }
        let n = self.free.len();
        let shares = self.residual(&cell, &witness).shares;
        let share = |k: usize| (0..self.n_states).map(|s| occupancy[s] * shares[s * n + k]).sum::<f64>();
        let largest = (0..n).max_by(|&i, &j| share(i).total_cmp(&share(j)));
        let split = largest.filter(|&k| share(k) > 0.0).unwrap_or_else(widest);
        (cell, Tried::Open(upper, split))
    }

    /// Narrows the upper ends to what the others leave; `false` for an empty cell.
    /// Exact: the ends have few digits.
    fn narrow(&self, cell: &mut Cell) -> bool {
        for s in 0..self.n_states {
            let own = self.of_state(s);
            let taken: f64 = cell.lower[own.clone()].iter().sum();
            for k in own {
                cell.upper[k] = cell.upper[k].min(1.0 - (taken - cell.lower[k]));
            }
        }
        cell.lower.iter().zip(&cell.upper).all(|(low, high)| low <= high)
    }

    /// The values at the centre with their derivatives, lifted until little is
    /// lacking, and the occupancy of states; `None` where that fails in doubles.
    fn tangent(&self, cell: &Cell) -> Option<(Witness, Vec<f64>)> {
        let (n, width, free) = (self.n_states, self.n_actions, self.free.len());
        let gamma = self.gamma.approximate();
        let centre: Vec<f64> = (0..free).map(|k| middle(cell, k)).collect();
        let policy = self.policy(&centre);
        let kernel: Vec<f64> = self.kernel.iter().map(|p| p.at(&centre).approximate()).collect();
        let rewards: Vec<f64> = self.rewards.iter().map(|r| r.at(&centre).approximate()).collect();
        let mean = |s: usize, of: &dyn Fn(usize) -> f64| -> f64 {
            (s * width..(s + 1) * width).map(|i| policy[i] * of(i)).sum()
        };
        let resolvent = DMatrix::from_fn(n, n, |s, t| {
            f64::from(u8::from(s == t)) - gamma * mean(s, &|i| kernel[i * n + t])
        })
        .try_inverse()?;
        let applied = |b: &[f64], s: usize| (0..n).map(|t| resolvent[(s, t)] * b[t]).sum::<f64>();
        let rewarded: Vec<f64> = (0..n).map(|s| mean(s, &|i| rewards[i])).collect();
        let values: Vec<f64> = (0..n).map(|s| applied(&rewarded, s)).collect();
        // k[s,k], the derivatives of the Bellman operator at fixed values.
        let mut slopes = vec![0.0; n * free];
        for s in 0..n {
            let q = |i: usize| {
                let next = (0..n).map(|t| kernel[i * n + t] * values[t]).sum::<f64>();
                rewards[i] + gamma * next
            };
            for k in self.of_state(s) {
                slopes[s * free + k] += q(self.free[k]) - q((s + 1) * width - 1);
            }
            for i in s * width..(s + 1) * width {
                for (k, m) in &self.rewards[i].slopes {
                    slopes[s * free + k] += policy[i] * m.approximate();
                }
                for t in 0..n {
                    for (k, m) in &self.kernel[i * n + t].slopes {
                        slopes[s * free + k] += policy[i] * gamma * m.approximate() * values[t];
                    }
                }
            }
        }
        let column = |k: usize| (0..n).map(|s| slopes[s * free + k]).collect::<Vec<_>>();
        let columns: Vec<Vec<f64>> = (0..free).map(column).collect();
        let slopes = (0..n * free).map(|at| applied(&columns[at % free], at / free)).collect();
        let mut witness = Witness { values, slopes };
        for _ in 0..LIFTS {
            let lacking = self.residual(cell, &witness).upper;
            for s in 0..n {
                witness.values[s] += applied(&lacking, s);
            }
        }
        let lacking = self.lacking(&self.residual(cell, &witness).upper);
        witness.values.iter_mut().for_each(|w| *w += lacking);
        let start = |s: usize| self.initial[s].approximate();
        let occupancy = (0..n).map(|t| (0..n).map(|s| start(s) * resolvent[(s, t)]).sum()).collect();
        witness.values.iter().all(|x| x.is_finite()).then_some((witness, occupancy))
    }

    /// By how much all values must be raised for no residual to be positive.
    fn lacking(&self, residual: &[f64]) -> f64 {
        residual.iter().copied().fold(0.0, f64::max) / (1.0 - self.contraction())
    }

    /// `pi(a|s)` at free coordinates; others are 0, nothing depends on them.
    fn policy(&self, x: &[f64]) -> Vec<f64> {
        let mut policy = vec![0.0; self.n_states * self.n_actions];
        for (k, &i) in self.free.iter().enumerate() {
            policy[i] = x[k];
        }
        for row in policy.chunks_mut(self.n_actions) {
            row[self.n_actions - 1] = 1.0 - row.iter().sum::<f64>();
        }
        policy
    }

    /// The witness with as few digits as prove the target with it.
    fn rounded(
        &self,
        cell: &Cell,
        witness: &Witness,
        target: &Target,
        residual: &dyn Fn(&Witness) -> Vec<f64>,
    ) -> Option<Proved> {
        let room = target.upper_bound - self.largest(cell, witness);
        if room.is_nan() || room <= 0.0 {
            return None;
        }
        let coarsest = -power_of_two_below((1.0 - self.contraction()) * room / 8.0).log2() as i32;
        MORE_BITS.iter().find_map(|more| {
            let bits = (coarsest + more).max(0);
            let unit = f64::from(-bits).exp2();
            let mut witness = Witness {
                values: witness.values.iter().map(|w| (w / unit).ceil() * unit).collect(),
                slopes: witness.slopes.iter().map(|g| (g / unit).round() * unit).collect(),
            };
            let lacking = (self.lacking(&residual(&witness)) / unit).ceil() * unit;
            witness.values.iter_mut().for_each(|w| *w += lacking);
            // Integers that doubles hold.
            let is_short = |x: &f64| (x / unit).abs() < 2f64.powi(52);
            let holds = witness.values.iter().chain(&witness.slopes).all(is_short)
                && self.largest(cell, &witness) <= target.upper_bound
                && residual(&witness).iter().all(|&short| short <= 0.0);
            holds.then_some(Proved { bits, witness })
        })
    }

    /// An upper bound of `rho . w` over the policies of the cell.
    fn largest(&self, cell: &Cell, witness: &Witness) -> f64 {
        let n = self.free.len();
        let starts = || self.initial.iter().enumerate();
        let at_centre =
            starts().fold(Interval::zero(), |sum, (s, p)| sum + *p * Interval::point(witness.values[s]));
        let slope = |k: usize| {
            starts()
                .fold(Interval::zero(), |sum, (s, p)| sum + *p * Interval::point(witness.slopes[s * n + k]))
        };
        let slopes: Vec<Interval> = (0..n).map(slope).collect();
        (at_centre + self.largest_step(cell, &slopes)).upper()
    }

    /// At least `sum_k slopes[k] (x - centre)[k]` for the policies of the cell. The steps
    /// of a state add up to at most what its last action has at the centre, which
    /// counts with a multiplier `m >= 0`: any will do, and the slope at which a filling
    /// from the largest slope down ends is best.
    fn largest_step(&self, cell: &Cell, slopes: &[Interval]) -> Interval {
        let mut total = Interval::zero();
        for s in 0..self.n_states {
            let own = self.of_state(s);
            let mut order: Vec<usize> = own.clone().collect();
            order.sort_by(|&i, &j| slopes[j].upper().total_cmp(&slopes[i].upper()));
            let mut left = 1.0 - cell.lower[own.clone()].iter().sum::<f64>();
            let mut multiplier = Interval::zero();
            for k in order {
                left -= cell.upper[k] - cell.lower[k];
                if left < 0.0 {
                    multiplier = Interval::point(slopes[k].upper().max(0.0));
                    break;
                }
            }
            let centre = own.clone().fold(Interval::one(), |rest, k| rest - Interval::point(middle(cell, k)));
            total += multiplier * centre;
            for k in own {
                total += size(slopes[k] - multiplier) * half(cell, k);
            }
        }
        total
    }

    /// `B_x(w(x)) - w(x)` over the cell, as a polynomial of degree 3 in `x - centre`.
    fn residual(&self, cell: &Cell, witness: &Witness) -> Residual {
        let (n, width, free) = (self.n_states, self.n_actions, self.free.len());
        let centre: Vec<f64> = (0..free).map(|k| middle(cell, k)).collect();
        let halves: Vec<Interval> = (0..free).map(|k| half(cell, k)).collect();
        let mut upper = Vec::with_capacity(n);
        let mut shares = vec![0.0; n * free];
        for s in 0..n {
            let shares = &mut shares[s * free..(s + 1) * free];
            let base = self.action_value((s + 1) * width - 1, &centre, witness);
            let mut sum = base.clone();
            sum.constant -= Interval::point(witness.values[s]);
            for k in 0..free {
                sum.linear[k] -= Interval::point(witness.slopes[s * free + k]);
            }
            let mut most = Interval::zero();
            for k in self.of_state(s) {
                let advantage = self.action_value(self.free[k], &centre, witness).minus(&base);
                sum.add(&advantage, Interval::point(centre[k]));
                // (x - centre)[k] times the advantage.
                sum.linear[k] += advantage.constant;
                for (j, slope) in advantage.linear.iter().enumerate() {
                    sum.quadratic[k.min(j) * free + k.max(j)] += slope;
                }
                for (i, j) in pairs(free) {
                    let c = advantage.quadratic[i * free + j];
                    if !c.is_zero() {
                        let term = size(c) * halves[i] * halves[j] * halves[k];
                        most += term;
                        for k in [i, j, k] {
                            shares[k] += term.upper();
                        }
                    }
                }
            }
            // Squares, each with half of its mixed terms.
            let mixed = |i: usize, j: usize| {
                size(sum.quadratic[i.min(j) * free + i.max(j)]) * halves[i] * halves[j] * Interval::point(0.5)
            };
            for i in 0..free {
                let others = || (0..free).filter(move |&j| j != i);
                let square = sum.quadratic[i * free + i] * halves[i] * halves[i];
                let term = others().fold(square, |term, j| term + mixed(i, j)).upper();
                if term > 0.0 {
                    most += Interval::point(term);
                    shares[i] += term;
                    others().for_each(|j| shares[j] += mixed(i, j).upper());
                }
            }
            upper.push((sum.constant + self.largest_step(cell, &sum.linear) + most).upper());
        }
        Residual { upper, shares }
    }

    /// `r_x[s,a] + gamma sum_t P_x[s,a,t] w(x)[t]` in `x - centre`, for `i = s A + a`.
    fn action_value(&self, i: usize, centre: &[f64], witness: &Witness) -> Quadratic {
        let (n, free) = (self.n_states, self.free.len());
        let mut q = Quadratic {
            constant: Interval::zero(),
            linear: vec![Interval::zero(); free],
            quadratic: vec![Interval::zero(); free * free],
        };
        for t in 0..n {
            let p = &self.kernel[i * n + t];
            let (at_centre, w) = (p.at(centre), Interval::point(witness.values[t]));
            let slopes = &witness.slopes[t * free..(t + 1) * free];
            q.constant += at_centre * w;
            if !at_centre.is_zero() {
                for (sum, &g) in q.linear.iter_mut().zip(slopes) {
                    *sum += at_centre * Interval::point(g);
                }
            }
            for &(j, m) in &p.slopes {
                q.linear[j] += m * w;
                for (k, &g) in slopes.iter().enumerate() {
                    q.quadratic[j.min(k) * free + j.max(k)] += m * Interval::point(g);
                }
            }
        }
        for c in q.linear.iter_mut().chain(&mut q.quadratic) {
            *c = self.gamma * *c;
        }
        q.constant = self.gamma * q.constant + self.rewards[i].at(centre);
        for (k, m) in &self.rewards[i].slopes {
            q.linear[*k] += m;
        }
        q
    }
}

/// Pairs `i <= j < n`.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i..n).map(move |j| (i, j)))
}

/// `[-|c|, |c|]`'s upper end, as a point.
fn size(c: Interval) -> Interval {
    Interval::point(c.magnitude())
}

/// Half of a width; exact, as the ends have few digits.
fn half(cell: &Cell, k: usize) -> Interval {
    Interval::point(0.5 * (cell.upper[k] - cell.lower[k]))
}
