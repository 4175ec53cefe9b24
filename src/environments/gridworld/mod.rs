//! The gridworld of performative reinforcement learning: followers respond to the
//! learner's policy by overriding its moves. The constants and functions here are those of
//! the benchmark, which is 8 x 8; a [`Gridworld`] has any rectangular [`Layout`].
//!
//! The benchmark is described in full in `docs/gridworld.md`; derivative, ties
//! and bounds in `docs/theory/environments.md`.

mod follower;
mod layout;
mod numpy;
mod specification;
mod ties;

use follower::{DecisionProblem, Follower};
pub use layout::Layout;
pub(crate) use layout::Terminal;
pub use specification::{Followers, GridworldSpec};
pub use ties::{Choices, Ties};

use crate::arithmetic::{Field, Transcendental};
use crate::best_response::best_response;
use crate::linear::{Factorisation, Rows};
use crate::mdp::{Kernel, Mdp, ModelError};
use crate::performative::PerformanceError;
use crate::policy::{Policy, shifted_exponentials, softmax_pullback};
use crate::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError, check_shape,
};

/// Cells in a row, and rows.
const SIDE: usize = 8;
/// Number of states of the benchmark: state `8 row + column`.
pub const N_STATES: usize = SIDE * SIDE;
/// Number of the learner's moves: left, right, up, down.
pub const N_ACTIONS: usize = 4;
/// Number of the response's actions: four overriding moves, and `LEAVE`.
const N_RESPONSES: usize = 5;
/// The response that leaves the learner's move alone.
const LEAVE: usize = 4;
/// The terminal state of the benchmark: absorbing, reward 0.
pub const TERMINAL: usize = N_STATES - 1;
/// What a follower of the benchmark pays to override a move.
pub const INTERVENTION_COST: f64 = 0.05;

/// Cell values of the benchmark by state.
pub type Grid<T = f64> = [T; N_STATES];

/// The learner's grid of the benchmark.
pub const GRID: Grid = {
    const O: f64 = -0.01;
    const H: f64 = -0.5;
    const F: f64 = -0.02;
    [
        O, O, O, O, O, O, O, O, //
        O, O, F, O, H, O, O, O, //
        O, O, O, H, O, O, F, O, //
        O, F, O, O, O, H, O, F, //
        O, O, O, H, O, O, F, O, //
        O, H, H, O, F, O, H, O, //
        O, H, O, O, H, O, H, O, //
        O, O, O, H, O, F, O, 1.0,
    ]
};

/// Where a move leads from a cell of the benchmark; off the grid it stays.
pub fn neighbour(state: usize, action: usize) -> usize {
    let (row, column) = (state / SIDE, state % SIDE);
    match action {
        0 if column > 0 => state - 1,
        1 if column < SIDE - 1 => state + 1,
        2 if row > 0 => state - SIDE,
        3 if row < SIDE - 1 => state + SIDE,
        _ => state,
    }
}

/// The learner moves on a grid, followers with perturbed grids best-respond to its
/// policy, and the softmax of their mean action values with inverse temperature `beta`
/// overrides its moves. [`Response::smoothed`] makes the best response itself a softmax.
#[derive(Debug, Clone)]
pub struct Gridworld<T> {
    layout: Layout,
    /// The learner's cell values, by state.
    cells: Vec<T>,
    /// What a follower pays to override a move.
    cost: T,
    beta: T,
    gamma: T,
    followers: Vec<Vec<T>>,
    /// Temperature of the followers' maximum; none where it is the maximum itself.
    temperature: Option<T>,
    /// What the followers choose in derivatives; none where that is their best response.
    choices: Option<Choices>,
    learner_terminal: Terminal,
    follower_terminal: Terminal,
    /// Where sweeps of followers stop; none where their values are exact.
    sweeps: Option<f64>,
}

impl<T: Transcendental> Gridworld<T> {
    /// The benchmark with perturbed grids of doubles.
    ///
    /// # Errors
    /// [`ModelError`] for no followers or a discount factor outside [0, 1).
    pub fn new(beta: T, gamma: T, followers: Vec<Grid>) -> Result<Self, ModelError> {
        let lifted = |grid: Grid| grid.map(T::from_f64).to_vec();
        let followers = followers.into_iter().map(lifted).collect();
        Self::with_grids(Layout::benchmark(), lifted(GRID), beta, gamma, followers)
    }

    /// The learner's cell values and those of its followers on a grid, by state. Overriding
    /// a move costs 0.05.
    ///
    /// # Errors
    /// [`ModelError`] for a grid with another number of cells than the layout, for no
    /// followers and for a discount factor outside [0, 1).
    pub fn with_grids(
        layout: Layout,
        cells: Vec<T>,
        beta: T,
        gamma: T,
        followers: Vec<Vec<T>>,
    ) -> Result<Self, ModelError> {
        if followers.is_empty() {
            return Err(ModelError::Empty { what: "followers" });
        }
        let expected = layout.n_states();
        if let Some(grid) = std::iter::once(&cells).chain(&followers).find(|grid| grid.len() != expected) {
            return Err(ModelError::Shape { what: "grid", seen: grid.len(), expected });
        }
        if gamma.certainly_negative() || !(T::one() - &gamma).certainly_positive() {
            return Err(ModelError::Gamma { gamma: gamma.approximate() });
        }
        Ok(Self {
            layout,
            cells,
            cost: T::from_f64(INTERVENTION_COST),
            beta,
            gamma,
            followers,
            temperature: None,
            choices: None,
            learner_terminal: Terminal::Absorbing,
            follower_terminal: Terminal::Absorbing,
            sweeps: None,
        })
    }

    /// The same where overriding a move costs something else.
    #[must_use]
    pub fn with_intervention_cost(self, cost: T) -> Self {
        Self { cost, ..self }
    }

    /// The same with other rules for the terminal state, for the learner and
    /// for its followers: a mistake to recognise.
    pub(crate) fn with_terminal(self, learner: Terminal, followers: Terminal) -> Self {
        Self { learner_terminal: learner, follower_terminal: followers, ..self }
    }

    /// The same with followers' values by sweeps from 0 that stop at a change below a tolerance:
    /// a mistake to recognise.
    pub(crate) fn with_sweeps(self, tolerance: f64) -> Self {
        Self { sweeps: Some(tolerance), ..self }
    }

    /// The shape of the grid and its terminal cells.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The learner's cell values, by state.
    pub fn cells(&self) -> &[T] {
        &self.cells
    }

    /// What a follower pays to override a move.
    pub fn intervention_cost(&self) -> &T {
        &self.cost
    }

    /// The inverse temperature of the response.
    pub fn beta(&self) -> &T {
        &self.beta
    }

    /// The discount factor.
    pub fn gamma(&self) -> &T {
        &self.gamma
    }

    /// The followers' cell values, by state.
    pub fn followers(&self) -> &[Vec<T>] {
        &self.followers
    }

    fn solve_followers(&self, policy: &Policy<T>) -> Result<Vec<Follower<T>>, ResponseError> {
        let mut start = vec![0.0; self.layout.n_states()];
        let mut solved = Vec::with_capacity(self.followers.len());
        for (index, grid) in self.followers.iter().enumerate() {
            let model = DecisionProblem {
                layout: &self.layout,
                grid,
                cost: &self.cost,
                gamma: &self.gamma,
                terminal: self.follower_terminal,
                policy,
            };
            let follower = Follower::solve(index, &model, &start)?;
            start = follower.values.iter().map(T::approximate).collect();
            if let Some(tolerance) = self.sweeps {
                solved.push(follower.swept(&model, tolerance));
                continue;
            }
            let choices = self.choices.as_ref().and_then(|choices| choices.get(index));
            solved.push(match (&self.temperature, choices) {
                (Some(temperature), _) => follower.softened(index, &model, temperature)?,
                (None, Some(choice)) => follower.choosing(&model, choice.clone())?,
                (None, None) => follower,
            });
        }
        Ok(solved)
    }

    /// `Q[s,b]`, the mean over followers, at `5 s + b`.
    fn mean_action_values(&self, followers: &[Follower<T>]) -> Vec<T> {
        let n = T::from_integer(followers.len() as i64);
        let mut sum = vec![T::zero(); self.layout.n_states() * N_RESPONSES];
        for follower in followers {
            for (sum, q) in sum.iter_mut().zip(&follower.action_values) {
                *sum += q;
            }
        }
        sum.into_iter().map(|sum| sum / &n).collect()
    }
}

impl<T: Transcendental> Response<T> for Gridworld<T> {
    fn n_states(&self) -> usize {
        self.layout.n_states()
    }

    fn n_actions(&self) -> usize {
        N_ACTIONS
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let followers = self.solve_followers(policy)?;
        let (layout, n_states, terminal) = (&self.layout, self.layout.n_states(), self.learner_terminal);
        let mut response = Vec::with_capacity(n_states * N_RESPONSES);
        for q in self.mean_action_values(&followers).chunks(N_RESPONSES) {
            let logits: Vec<T> = q.iter().map(|q| q.clone() * &self.beta).collect();
            let (_, weights, total) = shifted_exponentials(logits.iter());
            response.extend(weights.into_iter().map(|w| w / &total));
        }

        let mut rows = Vec::with_capacity(n_states * N_ACTIONS);
        let mut rewards = Vec::with_capacity(n_states * N_ACTIONS);
        for s in 0..n_states {
            for a in 0..N_ACTIONS {
                let mut row = Vec::with_capacity(N_RESPONSES);
                let mut reward = T::zero();
                if terminal.ends(layout, s) {
                    row.push((s, T::one()));
                } else {
                    for b in 0..N_RESPONSES {
                        let w = &response[s * N_RESPONSES + b];
                        let action = if b == LEAVE { a } else { b };
                        row.push((terminal.next(layout, s, action), w.clone()));
                        reward += w.clone() * terminal.reward(layout, &self.cells, s, action);
                    }
                }
                rows.push(row);
                rewards.push(reward);
            }
        }
        let kernel = Kernel::new(n_states, N_ACTIONS, Rows::sparse(n_states, rows)?)?;
        let kinks = followers.iter().enumerate().flat_map(|(i, f)| f.kinks(layout, i, &self.gamma)).collect();
        let pullback = Box::new(GridworldPullback { world: self, policy, response, followers });
        Ok(Induced { kernel, rewards, kinks, pullback })
    }

    fn discount(&self) -> Option<&T> {
        Some(&self.gamma)
    }

    fn responds(&self, state: usize) -> Responds {
        let moves = self.learner_terminal.moves(&self.layout, state);
        Responds { transitions: moves, rewards: moves }
    }

    /// The followers' `max_b Q[s,b]` replaced by `tau log sum_b exp(Q[s,b]/tau)`:
    /// values that are larger by at most `tau log 5/(1-gamma)`, and no kinks.
    fn smoothed(&self, temperature: &T) -> Option<Box<dyn Response<T>>> {
        let temperature = temperature.certainly_positive().then(|| temperature.clone())?;
        Some(Box::new(Self { temperature: Some(temperature), ..self.clone() }))
    }
}

struct GridworldPullback<'a, T: Field> {
    world: &'a Gridworld<T>,
    policy: &'a Policy<T>,
    /// The response's probability of `b` in `s` at `5 s + b`.
    response: Vec<T>,
    followers: Vec<Follower<T>>,
}

impl<T: Transcendental> GridworldPullback<'_, T> {
    /// Cotangent of `pi` from cotangents of the response's probabilities:
    /// through the softmax, the mean action values, and the followers' values.
    fn through_followers(&self, of_response: &[T], frozen: bool) -> PolicyCotangent<T> {
        let world = self.world;
        let n = T::from_integer(self.followers.len() as i64);
        let mut of_q: Vec<T> = softmax_pullback(N_RESPONSES, &self.response, of_response)
            .into_iter()
            .map(|c| c * &world.beta / &n)
            .collect();
        let (layout, terminal) = (&world.layout, world.follower_terminal);
        let n_states = layout.n_states();
        // The action values of terminal states are 0, not computed.
        for s in (0..n_states).filter(|&s| terminal.ends(layout, s)) {
            of_q[s * N_RESPONSES..(s + 1) * N_RESPONSES].fill(T::zero());
        }
        let mut of_pi = vec![T::zero(); n_states * N_ACTIONS];
        let mut of_values = vec![T::zero(); n_states];
        for s in 0..n_states {
            let row = &of_q[s * N_RESPONSES..(s + 1) * N_RESPONSES];
            for a in 0..N_ACTIONS {
                for follower in &self.followers {
                    of_pi[s * N_ACTIONS + a] += row[LEAVE].clone() * follower.move_value(s, a);
                }
                let moved = row[LEAVE].clone() * self.policy.probability(s, a) + &row[a];
                of_values[terminal.next(layout, s, a)] += moved * &world.gamma;
            }
        }
        if frozen {
            return PolicyCotangent::Probabilities(of_pi);
        }
        for follower in &self.followers {
            // dU = (I - gamma M)^{-1} sum_a dpi(a|s) move_value(s,a) where it leaves the move alone.
            let of_costs = follower.factorisation.solve_transposed(&of_values);
            for (s, of_cost) in of_costs.iter().enumerate() {
                if let Some(of_cost) = follower.left_alone(layout, s, of_cost) {
                    for a in 0..N_ACTIONS {
                        of_pi[s * N_ACTIONS + a] += of_cost.clone() * follower.move_value(s, a);
                    }
                }
            }
        }
        PolicyCotangent::Probabilities(of_pi)
    }

    /// Cotangents of the response's probabilities from those of `P` and `r`.
    fn of_response(&self, of_move: impl Fn(usize, usize, usize) -> T) -> Vec<T> {
        let (layout, terminal) = (&self.world.layout, self.world.learner_terminal);
        let mut result = vec![T::zero(); layout.n_states() * N_RESPONSES];
        for s in (0..layout.n_states()).filter(|&s| !terminal.ends(layout, s)) {
            for a in 0..N_ACTIONS {
                for b in 0..N_RESPONSES {
                    result[s * N_RESPONSES + b] += of_move(s, a, if b == LEAVE { a } else { b });
                }
            }
        }
        result
    }

    fn pull_any(&self, cotangent: &Cotangent<'_, T>, frozen: bool) -> PulledBack<T> {
        let (world, terminal) = (self.world, self.world.learner_terminal);
        let transition = self.of_response(|s, a, action| {
            cotangent.transition(s * N_ACTIONS + a, terminal.next(&world.layout, s, action))
        });
        let reward = self.of_response(|s, a, action| {
            let reward = terminal.reward(&world.layout, &world.cells, s, action);
            cotangent.reward[s * N_ACTIONS + a].clone() * reward
        });
        PulledBack {
            transition: self.through_followers(&transition, frozen),
            reward: self.through_followers(&reward, frozen),
        }
    }
}

impl<T: Transcendental> Pullback<T> for GridworldPullback<'_, T> {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        self.pull_any(cotangent, false)
    }

    fn pull_with_frozen_values(&self, cotangent: &Cotangent<'_, T>) -> Option<PulledBack<T>> {
        Some(self.pull_any(cotangent, true))
    }
}

impl Layout {
    /// The layout of the benchmark.
    pub fn benchmark() -> Self {
        Self::new(SIDE, SIDE, &[TERMINAL])
    }
}

/// The probability that the response overrides the learner's move in a state of the
/// benchmark, from the induced kernel; 0 in the terminal state.
///
/// Two moves to different cells differ in their rows by exactly the probability
/// that they are left alone: `P(n(s,a)|s,a) - P(n(s,a)|s,a') = xi(4|s)`.
pub fn intervention(kernel: &Kernel<f64>, state: usize) -> f64 {
    if state == TERMINAL {
        return 0.0;
    }
    let target = neighbour(state, 0);
    let other = (1..N_ACTIONS).find(|&a| neighbour(state, a) != target).unwrap_or(0);
    1.0 - (kernel.probability(state, 0, target) - kernel.probability(state, other, target))
}

/// The initial distribution of the benchmark: uniform over the 15 states of the first row
/// and the first column.
pub fn initial<T: Field>() -> Vec<T> {
    Layout::benchmark().initial().unwrap_or_default()
}

/// Follower `seed`'s grid in the benchmark ([`Layout::perturbed`]). Bit for bit the grids of
/// the published code.
pub fn perturbed_grid(eps: f64, seed: u32) -> Grid {
    let mut grid = GRID;
    grid.copy_from_slice(&Layout::benchmark().perturbed(&GRID, eps, seed));
    grid
}

/// The benchmark's start policy, [`Gridworld::eps_greedy_policy`].
///
/// # Errors
/// [`PerformanceError`] for a discount factor outside [0, 1).
pub fn eps_greedy_policy(gamma: f64) -> Result<Vec<f64>, PerformanceError> {
    Gridworld::new(0.0, gamma, vec![GRID])?.eps_greedy_policy()
}

impl Gridworld<f64> {
    /// The benchmark's start policy on this grid, at `s A + a`: 0.9 on the first action whose
    /// optimal value on the learner's own grid, with nobody responding, is within 1e-9 of the
    /// largest; 0.1/3 on each other.
    ///
    /// # Errors
    /// [`PerformanceError`] for values that are beyond doubles.
    pub fn eps_greedy_policy(&self) -> Result<Vec<f64>, PerformanceError> {
        let (layout, rules, n_states) = (&self.layout, Terminal::Absorbing, self.layout.n_states());
        let moves = (0..n_states * N_ACTIONS).map(|i| (i / N_ACTIONS, i % N_ACTIONS));
        let rows = moves.clone().map(|(s, a)| [(rules.next(layout, s, a), 1.0)]);
        let kernel = Kernel::new(n_states, N_ACTIONS, Rows::sparse(n_states, rows)?)?;
        let rewards = moves.map(|(s, a)| rules.reward(layout, &self.cells, s, a)).collect();
        // Which distribution it starts from does not matter to optimal values.
        let initial = vec![1.0 / n_states as f64; n_states];
        let greedy = best_response(&Mdp::new(kernel, rewards, initial, self.gamma)?)?.choice;
        let on = |i: usize| greedy[i / N_ACTIONS] == i % N_ACTIONS;
        Ok((0..n_states * N_ACTIONS).map(|i| if on(i) { 0.9 } else { 0.1 / 3.0 }).collect())
    }
}

#[cfg(test)]
mod tests;
