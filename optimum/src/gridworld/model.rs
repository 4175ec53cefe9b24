//! The cells, moves and promises of one instance, with their rounding.

use super::BoundError;
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::gridworld::{Gridworld, Layout, N_ACTIONS};
use pemdp::linear::Size;

/// Sweeps of value iteration before the enclosure is made; it is proven
/// wherever they stop.
const SWEEPS: usize = 100_000;
/// Change between sweeps at which they stop.
const STILL: f64 = 1e-15;
/// Largest magnitude of any input: far from overflow.
const LARGEST: f64 = 1e6;

/// An instance and the range of its followers' mean values over all policies.
pub(super) struct GridworldModel {
    pub(super) layout: Layout,
    /// The learner's cell values.
    pub(super) cells: Vec<Interval>,
    pub(super) beta: f64,
    pub(super) gamma: Interval,
    pub(super) cost: Interval,
    /// Mean over followers of the value of each cell.
    pub(super) mean_grid: Vec<Interval>,
    /// Lower and upper ends of the mean of the followers' optimal values.
    pub(super) lowest: Vec<f64>,
    pub(super) highest: Vec<f64>,
}

/// What a number may be that is stored as a double in an interval: all that round to it.
fn around(x: Interval) -> Interval {
    Interval::new(x.lower().next_down(), x.upper().next_up()).unwrap_or(Interval::ENTIRE)
}

/// The distinct neighbours of a cell, each with the number of moves into it.
pub(super) fn neighbours(layout: &Layout, state: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::with_capacity(N_ACTIONS);
    for a in 0..N_ACTIONS {
        let n = layout.neighbour(state, a);
        match found.iter_mut().find(|(cell, _)| *cell == n) {
            Some((_, moves)) => *moves += 1,
            None => found.push((n, 1)),
        }
    }
    found
}

/// The learner against one follower: its worst policy, or its best.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Learner {
    Adverse,
    Obliging,
}

impl GridworldModel {
    pub(super) fn new(world: &Gridworld<Interval>) -> Result<Self, BoundError> {
        let (beta, gamma) = (world.beta().approximate(), *world.gamma());
        if !(beta >= 0.0 && world.beta().width() <= 1e-15 * beta && beta <= LARGEST) {
            return Err(BoundError::Instance { what: "beta", value: beta });
        }
        if !(gamma.lower() >= 0.0 && gamma.upper() < 1.0) {
            return Err(BoundError::Instance { what: "gamma", value: gamma.approximate() });
        }
        let (followers, layout) = (world.followers(), world.layout());
        let count = Interval::from_integer(followers.len() as i64);
        let cost = around(*world.intervention_cost());
        let largest = world.cells().iter().chain([&cost]).map(Interval::magnitude).fold(0.0, Size::larger);
        if largest.is_nan() || largest > LARGEST {
            return Err(BoundError::Instance { what: "the largest cell or cost", value: largest });
        }
        let mean = |f: &dyn Fn(&[Interval]) -> Vec<Interval>| -> Vec<Interval> {
            let mut sum = vec![Interval::point(0.0); layout.n_states()];
            for grid in followers {
                for (sum, x) in sum.iter_mut().zip(f(grid)) {
                    *sum += x;
                }
            }
            sum.into_iter().map(|x| x / count).collect()
        };
        let mean_grid = mean(&|grid| grid.iter().copied().map(around).collect());
        let lowest = mean(&|grid| follower_values(layout, grid, gamma, cost, Learner::Adverse));
        let highest = mean(&|grid| follower_values(layout, grid, gamma, cost, Learner::Obliging));
        let lowest: Vec<f64> = lowest.iter().map(Interval::lower).collect();
        let highest: Vec<f64> = highest.iter().map(Interval::upper).collect();
        for (what, values) in
            [("the followers' lowest value", &lowest), ("the followers' highest value", &highest)]
        {
            if let Some(&value) = values.iter().find(|x| x.abs() > LARGEST || x.is_nan()) {
                return Err(BoundError::Instance { what, value });
            }
        }
        let cells = world.cells().iter().copied().map(around).collect();
        Ok(Self { layout: layout.clone(), cells, beta, gamma, cost, mean_grid, lowest, highest })
    }

    /// What a move into a cell is worth to the mean follower that is promised
    /// `promise` there.
    pub(super) fn mean_move_value(&self, cell: usize, promise: f64) -> Interval {
        self.mean_grid[cell] + self.gamma * Interval::point(promise)
    }

    /// What a move into a cell is worth to a learner of value `value` there.
    pub(super) fn learner_move_value(&self, cell: usize, value: f64) -> Interval {
        self.cells[cell] + self.gamma * Interval::point(value)
    }
}

/// An enclosure of a follower's optimal values against the learner's worst or
/// best policy for it: swept, then widened by the residual over `1 - gamma`.
pub(super) fn follower_values(
    layout: &Layout,
    grid: &[Interval],
    gamma: Interval,
    cost: Interval,
    learner: Learner,
) -> Vec<Interval> {
    let mut values = vec![0.0; layout.n_states()];
    let (discount, price) = (gamma.approximate(), cost.approximate());
    for _ in 0..SWEEPS {
        let mut change: f64 = 0.0;
        for s in layout.inner() {
            let moves: [f64; N_ACTIONS] = std::array::from_fn(|a| {
                let n = layout.neighbour(s, a);
                grid[n].approximate() + discount * values[n]
            });
            let best = moves.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let worst = moves.iter().copied().fold(f64::INFINITY, f64::min);
            let left = if learner == Learner::Adverse { worst } else { best };
            let new = left.max(best - price);
            change = change.max((new - values[s]).abs());
            values[s] = new;
        }
        if change <= STILL {
            break;
        }
    }
    let mut residual: f64 = 0.0;
    for s in layout.inner() {
        let moves: [Interval; N_ACTIONS] = std::array::from_fn(|a| {
            let n = layout.neighbour(s, a);
            around(grid[n]) + gamma * Interval::point(values[n])
        });
        let best = fold(&moves, f64::max);
        let left = if learner == Learner::Adverse { fold(&moves, f64::min) } else { best };
        let new = fold(&[left, best - cost], f64::max);
        residual = Size::larger(residual, (new - Interval::point(values[s])).magnitude());
    }
    let slack = (Interval::point(residual) / (Interval::point(1.0) - gamma)).magnitude();
    let widened = |s: usize| if layout.is_terminal(s) { 0.0 } else { slack };
    (0..layout.n_states()).map(|s| Interval::point(values[s]).widened(widened(s))).collect()
}

/// The largest or smallest of intervals, end by end.
fn fold(xs: &[Interval], choose: fn(f64, f64) -> f64) -> Interval {
    let lower = xs.iter().map(Interval::lower).reduce(choose);
    let upper = xs.iter().map(Interval::upper).reduce(choose);
    lower.zip(upper).and_then(|(l, u)| Interval::new(l, u)).unwrap_or(Interval::ENTIRE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pemdp::environments::gridworld::{GRID, INTERVENTION_COST, TERMINAL};

    /// The enclosure for a set of grids holds the values for each of them.
    #[test]
    fn values_of_sets_of_grids_hold_those_of_their_members() {
        let (gamma, cost) = (Interval::point(0.875), around(Interval::point(INTERVENTION_COST)));
        let layout = &Layout::benchmark();
        let grids = |lower: f64, upper: f64| GRID.map(|x| Interval::new(x + lower, x + upper).unwrap());
        let reach = 1.0 / 64.0;
        for learner in [Learner::Adverse, Learner::Obliging] {
            let sets = follower_values(layout, &grids(-reach, reach), gamma, cost, learner);
            assert_eq!(sets[TERMINAL], Interval::point(0.0));
            for shift in [-0.99 * reach, 0.0, 0.99 * reach] {
                let members = follower_values(layout, &grids(shift, shift), gamma, cost, learner);
                for (s, (set, member)) in sets.iter().zip(&members).enumerate() {
                    assert!(set.lower() <= member.lower() && member.upper() <= set.upper(), "{s} {shift}");
                }
            }
        }
    }

    #[test]
    fn instances_out_of_range_are_refused() {
        let refused = |beta: Interval, gamma: Interval, scale: f64| {
            let world = Gridworld::new(beta, gamma, vec![GRID.map(|x| x * scale)]).unwrap();
            match GridworldModel::new(&world) {
                Err(BoundError::Instance { what, .. }) => Some(what),
                _ => None,
            }
        };
        let half = Interval::point(0.5);
        for beta in [Interval::point(0.0), Interval::point(5.0), interval(100.0, 100f64.next_up())] {
            assert_eq!(refused(beta, half, 1.0), None, "{beta:?}");
        }
        for beta in [Interval::point(-1.0), Interval::point(2e6), interval(1.0, 1.5)] {
            assert_eq!(refused(beta, half, 1.0), Some("beta"), "{beta:?}");
        }
        assert_eq!(refused(half, interval(-0.25, 0.5), 1.0), Some("gamma"));
        assert_eq!(refused(half, half, 1e9), Some("the followers' lowest value"));
    }

    fn interval(lower: f64, upper: f64) -> Interval {
        Interval::new(lower, upper).unwrap()
    }
}
