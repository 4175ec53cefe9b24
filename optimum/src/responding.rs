//! Upper bounds over a cell for an environment that is known by its response alone: what
//! policies of a box induce is enclosed by evaluating the response in intervals. Proofs:
//! `docs/theory/optima.md`, section 12.

use nalgebra::{DMatrix, DVector};

use super::bound::{Bounded, IMPROVEMENTS, NEGLIGIBLE, Point};
use super::build;
use super::cell::Cell;
use super::climb::{Climber, ascend};
use super::enclosure::{interval, largest_mean};
use super::outcome::{Halt, OptimumError};
use super::search::Domain;
use pemdp::arithmetic::rounding::{add_down, add_up, div_up};
use pemdp::arithmetic::{Field, Interval};
use pemdp::performative::{PerformanceError, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::problem::Problem;
use pemdp::response::{Cotangent, PolicyCotangent, Pullback, ResponseError};

/// How far rows of a kernel may be from 1.
const ROW_SUM: f64 = Interval::ROW_SUM_TOLERANCE;

/// An environment known by its response to probabilities.
pub(super) struct Responding {
    enclosing: PerformativeMdp<Interval>,
    doubles: PerformativeMdp<f64>,
    /// `1 - gamma` times the largest row sum.
    gap: Interval,
    root: Cell,
    n_states: usize,
    n_actions: usize,
}

/// What the policies of a cell induce.
struct Induced<'a> {
    policy: &'a Policy<Interval>,
    /// `P[s,a,t]` that may differ from 0, by `s A + a`.
    rows: Vec<Vec<(usize, Interval)>>,
    rewards: Vec<Interval>,
    /// Whether every policy of the cell induces a kernel, and none may be at a kink.
    is_smooth: bool,
    pullback: Box<dyn Pullback<Interval> + 'a>,
}

/// What is accumulated along a trajectory.
#[derive(Clone, Copy)]
enum Reward {
    /// `r[s,a]`: values.
    Own,
    /// 1 in this state: a column of the resolvent.
    Indicator(usize),
}

impl Responding {
    /// `matters[s]`: whether anything depends on the choice in a state.
    ///
    /// # Errors
    /// [`OptimumError::Size`] beyond 64 states or 16 actions, and numbers that do not fit.
    pub fn new(problem: &Problem, matters: &[bool]) -> Result<Self, OptimumError> {
        let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
        build::check_size(problem)?;
        let mut root =
            Cell { lower: vec![0.0; n_states * n_actions], upper: vec![1.0; n_states * n_actions] };
        for s in (0..n_states).filter(|&s| !matters[s]) {
            build::choose_first(&mut root, s, n_actions);
        }
        build::exclude(&mut root, problem);
        let sum = pemdp::arithmetic::Rational::from_f64(1.0 + ROW_SUM);
        Ok(Self {
            enclosing: problem.model_in()?,
            doubles: problem.model()?,
            gap: build::contraction_gap(problem, &sum)?,
            root,
            n_states,
            n_actions,
        })
    }

    /// The policies of a cell.
    fn policy(&self, cell: &Cell) -> Option<Policy<Interval>> {
        let ends = cell.lower.iter().zip(&cell.upper);
        let all = ends.map(|(l, u)| interval(l.clamp(0.0, 1.0), u.clamp(0.0, 1.0))).collect();
        Policy::probabilities(self.n_states, self.n_actions, all).ok()
    }

    /// What policies induce; none where no policy of them induces a kernel, or nothing is
    /// known.
    fn induced<'a>(&'a self, policy: Option<&'a Policy<Interval>>) -> Result<Induced<'a>, Unknown> {
        let policy = policy.ok_or(Unknown::Nothing)?;
        let induced = self.enclosing.response.induce(policy).map_err(|error| match error {
            ResponseError::Undefined { .. } => Unknown::Absent,
            _ => Unknown::Nothing,
        })?;
        let kernel = induced.kernel.rows();
        // Of a kernel entries are at least 0; rows of terminal states have none.
        let row = |i: usize| {
            let is_used = !induced.kernel.is_unused(i / self.n_actions, i % self.n_actions);
            let row = kernel.row(i).filter(|_| is_used);
            row.map(|(t, p)| (t, interval(p.lower().max(0.0), p.upper().max(0.0)))).collect()
        };
        let is_kernel = (0..kernel.len()).all(|i| kernel.row(i).all(|(_, p)| p.lower() >= 0.0));
        Ok(Induced {
            policy,
            rows: (0..kernel.len()).map(row).collect(),
            rewards: induced.rewards,
            is_smooth: is_kernel && induced.kinks.is_empty(),
            pullback: induced.pullback,
        })
    }

    /// An upper bound of `sign` times the values, or columns, over a cell, at least `w` lifted
    /// until it is one; by policy iteration on the optimistic problem.
    fn extreme(&self, induced: &Induced<'_>, reward: Reward, sign: f64) -> Vec<f64> {
        let n = self.n_states;
        let mut w = vec![0.0; n];
        for step in 0..=IMPROVEMENTS {
            let mut system = DMatrix::<f64>::identity(n, n);
            let mut right = DVector::<f64>::zeros(n);
            // What is far above a solution is a bound too, but a loose one.
            let (mut residual, mut change) = (f64::NEG_INFINITY, 0.0_f64);
            for s in 0..n {
                let (image, row, r) = self.bellman(induced, reward, sign, s, &w);
                residual = residual.max(add_up(image, -w[s]));
                change = change.max((image - w[s]).abs());
                for (t, p) in row {
                    system[(s, t)] -= self.enclosing.gamma.approximate() * p;
                }
                right[s] = r;
            }
            let size = w.iter().fold(0.0, |size: f64, w| size.max(w.abs()));
            let solved = if step == IMPROVEMENTS || change <= NEGLIGIBLE * size {
                None
            } else {
                system.lu().solve(&right).filter(|x| x.iter().all(|x| x.is_finite()))
            };
            match solved {
                Some(next) => w = next.as_slice().to_vec(),
                None => {
                    let lift = if residual <= 0.0 { 0.0 } else { div_up(residual, self.gap.lower()) };
                    let lift = if lift.is_nan() { f64::INFINITY } else { lift };
                    return w.into_iter().map(|w| add_up(w, lift)).collect();
                }
            }
        }
        vec![f64::INFINITY; n]
    }

    /// An upper bound of the optimistic Bellman operator in a state, with a row and a reward
    /// near those that attain it.
    fn bellman(
        &self,
        induced: &Induced<'_>,
        reward: Reward,
        sign: f64,
        s: usize,
        w: &[f64],
    ) -> (f64, Vec<(usize, f64)>, f64) {
        let width = self.n_actions;
        let sums = interval(add_down(1.0, -ROW_SUM), add_up(1.0, ROW_SUM));
        let (mut bounds, mut rewards, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for i in s * width..(s + 1) * width {
            let row = &induced.rows[i];
            let weights: Vec<f64> = row.iter().map(|(t, _)| w[*t]).collect();
            let mut best = vec![0.0; row.len()];
            let ends = (|t: usize| row[t].1.lower(), |t: usize| row[t].1.upper());
            let mean = match row.len() {
                0 => 0.0,
                _ => largest_mean(ends.0, ends.1, sums, &weights, &mut best),
            };
            let own = match reward {
                Reward::Own => Interval::point(sign) * induced.rewards[i],
                Reward::Indicator(_) => Interval::point(0.0),
            };
            bounds.push((own + self.enclosing.gamma * Interval::point(mean)).upper());
            rewards.push(own.approximate());
            rows.push(best);
        }
        let mut mixture = vec![0.0; width];
        let policy = |a: usize| induced.policy.probability(s, a);
        let ends = (|a: usize| policy(a).lower(), |a: usize| policy(a).upper());
        let mut bound = largest_mean(ends.0, ends.1, Interval::point(1.0), &bounds, &mut mixture);
        let mut r: f64 = mixture.iter().zip(&rewards).map(|(p, r)| p * r).sum();
        if matches!(reward, Reward::Indicator(state) if state == s) {
            bound = add_up(bound, sign);
            r = sign;
        }
        let mut row = Vec::new();
        for (a, best) in rows.iter().enumerate() {
            let entries = induced.rows[s * width + a].iter().zip(best);
            row.extend(entries.map(|((t, _), p)| (*t, mixture[a] * p)));
        }
        (if bound.is_nan() { f64::INFINITY } else { bound }, row, r)
    }

    /// Values, or a column, from below and above.
    fn enclosed(&self, induced: &Induced<'_>, reward: Reward) -> Vec<Interval> {
        let above = self.extreme(induced, reward, 1.0);
        let below = self.extreme(induced, reward, -1.0);
        above.iter().zip(&below).map(|(above, below)| interval(-below, *above)).collect()
    }

    /// `sum_s rho[s] x[s]`.
    fn initial_mean(&self, x: &[Interval]) -> Interval {
        let products = self.enclosing.initial.iter().zip(x).map(|(rho, x)| *rho * *x);
        products.fold(Interval::point(0.0), |sum, x| sum + x)
    }

    /// `dJ/dpi(a|s)` over a cell in which the response is smooth; none where it is not that of
    /// probabilities.
    fn gradient(&self, induced: &Induced<'_>, values: &[Interval]) -> Option<Vec<Interval>> {
        let gamma = self.enclosing.gamma;
        let occupied: Vec<Interval> = (0..self.n_states)
            .map(|s| self.initial_mean(&self.enclosed(induced, Reward::Indicator(s))))
            .map(|d| interval(d.lower().max(0.0), d.upper()))
            .collect();
        let pairs = 0..self.n_states * self.n_actions;
        let of_pair = |i: usize| {
            let (s, a) = (i / self.n_actions, i % self.n_actions);
            occupied[s] * *induced.policy.probability(s, a)
        };
        let occupancy: Vec<Interval> = pairs.clone().map(of_pair).collect();
        let discounted: Vec<Interval> = values.iter().map(|v| gamma * *v).collect();
        let pulled = induced.pullback.pull(&Cotangent::performative(&occupancy, &discounted));
        let through = |cotangent: &PolicyCotangent<Interval>, i: usize| match cotangent {
            PolicyCotangent::None => Some(Interval::point(0.0)),
            PolicyCotangent::Probabilities(slopes) => Some(slopes[i]),
            PolicyCotangent::Parameters(_) | PolicyCotangent::Both { .. } => None,
        };
        pairs
            .map(|i| {
                let row = induced.rows[i].iter().map(|(t, p)| *p * values[*t]);
                let next = row.fold(Interval::point(0.0), |sum, x| sum + x);
                let q = induced.rewards[i] + gamma * next;
                Some(
                    occupied[i / self.n_actions] * q
                        + through(&pulled.transition, i)?
                        + through(&pulled.reward, i)?,
                )
            })
            .collect()
    }

    /// A point of a cell whose rows sum to 1, as an enclosure of it: in each state the largest
    /// probability is what the others leave.
    fn centre(&self, cell: &Cell) -> Cell {
        let mut centre = cell.clone();
        for first in (0..cell.lower.len()).step_by(self.n_actions) {
            let state = first..first + self.n_actions;
            let sum = |x: &[f64]| x[state.clone()].iter().sum::<f64>();
            let (least, most) = (sum(&cell.lower), sum(&cell.upper));
            let share = if most > least { ((1.0 - least) / (most - least)).clamp(0.0, 1.0) } else { 0.0 };
            for i in state.clone() {
                let (lower, upper) = (cell.lower[i], cell.upper[i]);
                let x = (lower + share * (upper - lower)).clamp(lower, upper);
                (centre.lower[i], centre.upper[i]) = (x, x);
            }
            let largest = state.clone().max_by(|&i, &j| centre.lower[i].total_cmp(&centre.lower[j]));
            let Some(largest) = largest else { continue };
            let others = state.filter(|&i| i != largest).map(|i| Interval::point(centre.lower[i]));
            let rest = others.fold(Interval::point(1.0), |rest, x| rest - x);
            (centre.lower[largest], centre.upper[largest]) = (rest.lower(), rest.upper());
        }
        centre
    }

    /// No policy of a cell has a larger value, by the mean value theorem (Theorem 2); and the
    /// coordinate that it depends on most.
    fn mean_value_bound(
        &self,
        value: Interval,
        gradient: &[Interval],
        cell: &Cell,
        centre: &Cell,
    ) -> (f64, Option<usize>) {
        let mut bound = value.upper();
        let (mut most, mut split) = (0.0, None);
        for first in (0..gradient.len()).step_by(self.n_actions) {
            let state = first..first + self.n_actions;
            let rise = |level: f64, i: usize| {
                let steps =
                    interval(cell.lower[i], cell.upper[i]) - interval(centre.lower[i], centre.upper[i]);
                ((gradient[i] - Interval::point(level)) * steps).upper()
            };
            // For any level, since the steps of a state add up to 0.
            let levels = state.clone().map(|i| gradient[i].approximate()).filter(|level| level.is_finite());
            let total = |level: f64| state.clone().fold(0.0, |sum, i| add_up(sum, rise(level, i)));
            let best = levels.map(|level| (total(level), level)).min_by(|x, y| x.0.total_cmp(&y.0));
            let Some((rise_of_state, level)) = best else { return (f64::INFINITY, None) };
            bound = add_up(bound, rise_of_state);
            for i in state {
                let share = rise(level, i);
                if cell.width(i) > 0.0 && share > most {
                    (most, split) = (share, Some(i));
                }
            }
        }
        (bound, split)
    }

    fn widest(&self, cell: &Cell) -> Option<usize> {
        let widths = (0..cell.lower.len()).map(|i| (cell.width(i), i)).filter(|(width, _)| *width > 1e-15);
        widths.max_by(|x, y| x.0.total_cmp(&y.0)).map(|(_, i)| i)
    }
}

/// Why nothing is known of a cell.
enum Unknown {
    /// No policy of it induces a kernel.
    Absent,
    Nothing,
}

impl Domain for Responding {
    type Bounder<'b> = &'b Halt<'b>;

    fn root(&self) -> &Cell {
        &self.root
    }

    fn n_actions(&self) -> usize {
        self.n_actions
    }

    fn most(&self) -> f64 {
        let all = self.policy(&self.root);
        let Ok(induced) = self.induced(all.as_ref()) else { return f64::INFINITY };
        let largest = induced.rewards.iter().map(|r| r.upper().max(0.0)).fold(0.0, f64::max);
        div_up(largest, self.gap.lower())
    }

    fn bounder<'b>(&'b self, halt: &'b Halt<'b>) -> &'b Halt<'b> {
        halt
    }

    fn bound(&self, _: &mut &Halt<'_>, cell: &Cell, target: f64) -> Bounded {
        let centre = self.centre(cell);
        let point: Vec<f64> =
            centre.lower.iter().zip(&centre.upper).map(|(l, u)| 0.5 * l + 0.5 * u).collect();
        let lower = self.value(&point).unwrap_or(f64::NEG_INFINITY);
        let bounded = |upper: f64, absent: bool, split: Option<usize>| Bounded {
            face: cell.clone(),
            upper,
            absent,
            centre: centre.clone(),
            lower,
            split,
        };
        // The segments from the centre to the cell lie in it.
        let mut around = cell.clone();
        for i in 0..cell.lower.len() {
            around.lower[i] = around.lower[i].min(centre.lower[i]);
            around.upper[i] = around.upper[i].max(centre.upper[i]);
        }
        let policy = self.policy(&around);
        let induced = match self.induced(policy.as_ref()) {
            Ok(induced) => induced,
            Err(Unknown::Absent) => return bounded(f64::NEG_INFINITY, true, None),
            Err(Unknown::Nothing) => return bounded(f64::INFINITY, false, self.widest(cell)),
        };
        let values = self.enclosed(&induced, Reward::Own);
        let first = self.initial_mean(&values).upper();
        let widest = self.widest(cell);
        if first <= target || widest.is_none() || !induced.is_smooth {
            return bounded(first, false, widest);
        }
        let policy = self.policy(&centre);
        let at_centre = self.induced(policy.as_ref()).map(|induced| self.enclosed(&induced, Reward::Own));
        let (Ok(at_centre), Some(gradient)) = (at_centre, self.gradient(&induced, &values)) else {
            return bounded(first, false, widest);
        };
        let value = self.initial_mean(&at_centre);
        let (second, split) = self.mean_value_bound(value, &gradient, cell, &centre);
        // Where it is no better the cell is too wide in some direction.
        bounded(first.min(second), false, if second < first { split.or(widest) } else { widest })
    }

    fn ascend(&self, halt: &mut &Halt<'_>, start: &[f64]) -> (Vec<f64>, f64) {
        ascend(&mut Climbing { domain: self, halt }, start)
    }
}

impl Responding {
    /// The value of a policy in doubles, without a bound.
    fn value(&self, x: &[f64]) -> Option<f64> {
        let policy = Policy::probabilities(self.n_states, self.n_actions, x.to_vec()).ok()?;
        let deployment = self.doubles.deploy(&policy).ok()?;
        let value = deployment.evaluate(&0.0).ok()?.value;
        value.is_finite().then_some(value)
    }

    fn point(&self, x: &[f64]) -> Result<Point, PerformanceError> {
        let policy = Policy::probabilities(self.n_states, self.n_actions, x.to_vec())?;
        let performance = self.doubles.perform(&policy)?;
        let gradient = performance.gradient.total().into_iter().map(|slope| slope.unwrap_or(0.0)).collect();
        Ok(Point { value: performance.evaluation.value, gradient })
    }
}

struct Climbing<'a> {
    domain: &'a Responding,
    halt: &'a Halt<'a>,
}

impl Climber for Climbing<'_> {
    fn root(&self) -> &Cell {
        &self.domain.root
    }

    fn n_actions(&self) -> usize {
        self.domain.n_actions
    }

    fn is_late(&self) -> bool {
        self.halt.is_over()
    }

    fn climb(&mut self, point: &Cell) -> Point {
        let nothing = || Point { value: f64::NEG_INFINITY, gradient: vec![0.0; point.lower.len()] };
        self.domain.point(&point.lower).ok().filter(|p| p.value.is_finite()).unwrap_or_else(nothing)
    }
}

#[cfg(test)]
mod tests;
