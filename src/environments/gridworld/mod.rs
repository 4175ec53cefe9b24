//! The 8 x 8 gridworld of performative reinforcement learning: followers
//! respond to the learner's policy by overriding its moves.
//!
//! The benchmark is described in full in `docs/gridworld.md`; derivative, ties
//! and bounds in `docs/theory/environments.md`.

mod follower;
mod numpy;
mod specification;
mod ties;

use follower::{DecisionProblem, Follower};
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
/// Number of states: state `8 row + column`.
pub const N_STATES: usize = SIDE * SIDE;
/// Number of the learner's moves: left, right, up, down.
pub const N_ACTIONS: usize = 4;
/// Number of the response's actions: four overriding moves, and `LEAVE`.
const N_RESPONSES: usize = 5;
/// The response that leaves the learner's move alone.
const LEAVE: usize = 4;
/// The terminal state: absorbing, reward 0.
pub const TERMINAL: usize = N_STATES - 1;
/// What a follower pays to override a move.
pub const INTERVENTION_COST: f64 = 0.05;

/// Cell values by state.
pub type Grid<T = f64> = [T; N_STATES];

/// The learner's grid.
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

/// Whether the learner can start in a state: the first row and column.
fn is_initial(state: usize) -> bool {
    state < SIDE || state.is_multiple_of(SIDE)
}

/// Where a move leads from a cell; off the grid it stays.
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

/// What happens in the terminal state: the benchmark's rule, or what ports of
/// it are known to get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Terminal {
    /// Absorbing, reward 0.
    Absorbing,
    /// Its moves lead out as from any other cell; reward 0.
    KeepsTransitions,
    /// Absorbing, but pays its own cell's value at every step.
    KeepsReward,
    /// Absorbing, but pays the value of the cell that a move would lead to.
    KeepsMoveRewards,
}

impl Terminal {
    /// The rules of ports that get it wrong.
    pub const MISTAKEN: [Self; 3] = [Self::KeepsTransitions, Self::KeepsReward, Self::KeepsMoveRewards];

    /// The next state of a move.
    fn next(self, state: usize, action: usize) -> usize {
        if self.moves(state) { neighbour(state, action) } else { TERMINAL }
    }

    /// Whether the learner's move from a state leads anywhere.
    fn moves(self, state: usize) -> bool {
        state != TERMINAL || self == Self::KeepsTransitions
    }

    /// The reward of a move on a grid.
    fn reward<T: Field>(self, grid: &Grid<T>, state: usize, action: usize) -> T {
        match self {
            Self::KeepsReward if state == TERMINAL => grid[TERMINAL].clone(),
            Self::KeepsMoveRewards => grid[neighbour(state, action)].clone(),
            _ if state == TERMINAL => T::zero(),
            _ => grid[neighbour(state, action)].clone(),
        }
    }
}

/// The benchmark: the learner moves on [`GRID`], followers with perturbed grids
/// best-respond to its policy, and the softmax of their mean action values with
/// inverse temperature `beta` overrides its moves. [`Response::smoothed`] makes
/// the best response itself a softmax.
#[derive(Debug, Clone)]
pub struct Gridworld<T> {
    beta: T,
    gamma: T,
    followers: Vec<Grid<T>>,
    /// Temperature of the followers' maximum; none where it is the maximum itself.
    temperature: Option<T>,
    /// What the followers choose in derivatives; none where that is their best response.
    choices: Option<Choices>,
    learner_terminal: Terminal,
    follower_terminal: Terminal,
}

impl<T: Transcendental> Gridworld<T> {
    /// The benchmark with perturbed grids of doubles.
    ///
    /// # Errors
    /// [`ModelError`] for no followers or a discount factor outside [0, 1).
    pub fn new(beta: T, gamma: T, followers: Vec<Grid>) -> Result<Self, ModelError> {
        Self::with_grids(beta, gamma, followers.into_iter().map(|grid| grid.map(T::from_f64)).collect())
    }

    /// The benchmark with perturbed grids of any numbers.
    ///
    /// # Errors
    /// As [`Gridworld::new`].
    pub fn with_grids(beta: T, gamma: T, followers: Vec<Grid<T>>) -> Result<Self, ModelError> {
        if followers.is_empty() {
            return Err(ModelError::Empty { what: "followers" });
        }
        if gamma.certainly_negative() || !(T::one() - &gamma).certainly_positive() {
            return Err(ModelError::Gamma { gamma: gamma.approximate() });
        }
        let (learner_terminal, follower_terminal) = (Terminal::Absorbing, Terminal::Absorbing);
        Ok(Self {
            beta,
            gamma,
            followers,
            temperature: None,
            choices: None,
            learner_terminal,
            follower_terminal,
        })
    }

    /// The same with other rules for the terminal state, for the learner and
    /// for its followers: a mistake to recognise.
    pub(crate) fn with_terminal(self, learner: Terminal, followers: Terminal) -> Self {
        Self { learner_terminal: learner, follower_terminal: followers, ..self }
    }

    /// The inverse temperature of the response.
    pub fn beta(&self) -> &T {
        &self.beta
    }

    /// The discount factor.
    pub fn gamma(&self) -> &T {
        &self.gamma
    }

    /// The followers' grids.
    pub fn followers(&self) -> &[Grid<T>] {
        &self.followers
    }

    fn solve_followers(&self, policy: &Policy<T>) -> Result<Vec<Follower<T>>, ResponseError> {
        let mut start = vec![0.0; N_STATES];
        let mut solved = Vec::with_capacity(self.followers.len());
        for (index, grid) in self.followers.iter().enumerate() {
            let model =
                DecisionProblem { grid, gamma: &self.gamma, terminal: self.follower_terminal, policy };
            let follower = Follower::solve(index, &model, &start)?;
            start = follower.values.iter().map(T::approximate).collect();
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
        let mut sum = vec![T::zero(); N_STATES * N_RESPONSES];
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
        N_STATES
    }

    fn n_actions(&self) -> usize {
        N_ACTIONS
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        check_shape(self, policy)?;
        let followers = self.solve_followers(policy)?;
        let mut response = Vec::with_capacity(N_STATES * N_RESPONSES);
        for q in self.mean_action_values(&followers).chunks(N_RESPONSES) {
            let logits: Vec<T> = q.iter().map(|q| q.clone() * &self.beta).collect();
            let (_, weights, total) = shifted_exponentials(logits.iter());
            response.extend(weights.into_iter().map(|w| w / &total));
        }

        let mut rows = Vec::with_capacity(N_STATES * N_ACTIONS);
        let mut rewards = Vec::with_capacity(N_STATES * N_ACTIONS);
        for s in 0..N_STATES {
            for a in 0..N_ACTIONS {
                let mut row = Vec::with_capacity(N_RESPONSES);
                let mut reward = T::zero();
                if s == TERMINAL && self.learner_terminal == Terminal::Absorbing {
                    row.push((TERMINAL, T::one()));
                } else {
                    for b in 0..N_RESPONSES {
                        let w = &response[s * N_RESPONSES + b];
                        let action = if b == LEAVE { a } else { b };
                        row.push((self.learner_terminal.next(s, action), w.clone()));
                        reward += w.clone() * T::from_f64(self.learner_terminal.reward(&GRID, s, action));
                    }
                }
                rows.push(row);
                rewards.push(reward);
            }
        }
        let kernel = Kernel::new(N_STATES, N_ACTIONS, Rows::sparse(N_STATES, rows)?)?;
        let kinks = followers.iter().enumerate().flat_map(|(i, f)| f.kinks(i, &self.gamma)).collect();
        let pullback = Box::new(GridworldPullback { world: self, policy, response, followers });
        Ok(Induced { kernel, rewards, kinks, pullback })
    }

    fn discount(&self) -> Option<&T> {
        Some(&self.gamma)
    }

    fn responds(&self, state: usize) -> Responds {
        let moves = self.learner_terminal.moves(state);
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
        if world.follower_terminal == Terminal::Absorbing {
            // The action values of the terminal state are 0, not computed.
            of_q[TERMINAL * N_RESPONSES..].fill(T::zero());
        }
        let mut of_pi = vec![T::zero(); N_STATES * N_ACTIONS];
        let mut of_values = vec![T::zero(); N_STATES];
        for s in 0..N_STATES {
            let row = &of_q[s * N_RESPONSES..(s + 1) * N_RESPONSES];
            for a in 0..N_ACTIONS {
                for follower in &self.followers {
                    of_pi[s * N_ACTIONS + a] += row[LEAVE].clone() * follower.move_value(s, a);
                }
                let moved = row[LEAVE].clone() * self.policy.probability(s, a) + &row[a];
                of_values[world.follower_terminal.next(s, a)] += moved * &world.gamma;
            }
        }
        if frozen {
            return PolicyCotangent::Probabilities(of_pi);
        }
        for follower in &self.followers {
            // dU = (I - gamma M)^{-1} sum_a dpi(a|s) move_value(s,a) where it leaves the move alone.
            let of_costs = follower.factorisation.solve_transposed(&of_values);
            for (s, of_cost) in of_costs.iter().enumerate() {
                if let Some(of_cost) = follower.left_alone(s, of_cost) {
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
        let mut result = vec![T::zero(); N_STATES * N_RESPONSES];
        let terminal = self.world.learner_terminal;
        for s in (0..N_STATES).filter(|&s| s != TERMINAL || terminal != Terminal::Absorbing) {
            for a in 0..N_ACTIONS {
                for b in 0..N_RESPONSES {
                    result[s * N_RESPONSES + b] += of_move(s, a, if b == LEAVE { a } else { b });
                }
            }
        }
        result
    }

    fn pull_any(&self, cotangent: &Cotangent<'_, T>, frozen: bool) -> PulledBack<T> {
        let terminal = self.world.learner_terminal;
        let transition = self
            .of_response(|s, a, action| cotangent.transition(s * N_ACTIONS + a, terminal.next(s, action)));
        let reward = self.of_response(|s, a, action| {
            cotangent.reward[s * N_ACTIONS + a].clone() * T::from_f64(terminal.reward(&GRID, s, action))
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

/// The probability that the response overrides the learner's move in a state, from
/// the induced kernel; 0 in the terminal state.
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

/// The initial distribution: uniform over the 15 states of the first row and
/// the first column.
pub fn initial<T: Field>() -> Vec<T> {
    let weight = |s| if is_initial(s) { T::from_ratio(1, 15) } else { T::zero() };
    (0..N_STATES).map(weight).collect()
}

/// Follower `seed`'s grid: each cell keeps its value if it is an initial state
/// or its draw exceeds `eps`, else it gets one of -0.5, -0.02, -0.01; the last
/// cell is 1 whatever was drawn. Bit for bit the grids of the published code.
pub fn perturbed_grid(eps: f64, seed: u32) -> Grid {
    let mut generator = numpy::NumpyGenerator::new(seed);
    let draws: Vec<f64> = (0..N_STATES).map(|_| generator.random()).collect();
    let mut grid = GRID;
    for (s, cell) in grid.iter_mut().enumerate() {
        if !is_initial(s) && draws[s] <= eps {
            *cell = generator.choice(&[-0.5, -0.02, -0.01]);
        }
    }
    grid[TERMINAL] = GRID[TERMINAL];
    grid
}

/// The benchmark's start policy at `s A + a`: 0.9 on the first action whose
/// optimal value on the learner's own grid, with nobody responding, is within
/// 1e-9 of the largest; 0.1/3 on each other.
///
/// # Errors
/// [`PerformanceError`] for a discount factor outside [0, 1).
pub fn eps_greedy_policy(gamma: f64) -> Result<Vec<f64>, PerformanceError> {
    let rules = Terminal::Absorbing;
    let moves = (0..N_STATES * N_ACTIONS).map(|i| (i / N_ACTIONS, i % N_ACTIONS));
    let rows = moves.clone().map(|(s, a)| [(rules.next(s, a), 1.0)]);
    let kernel = Kernel::new(N_STATES, N_ACTIONS, Rows::sparse(N_STATES, rows)?)?;
    let rewards = moves.map(|(s, a)| rules.reward(&GRID, s, a)).collect();
    let mdp = Mdp::new(kernel, rewards, initial(), gamma)?;
    let greedy = best_response(&mdp)?.choice;
    let on = |i: usize| greedy[i / N_ACTIONS] == i % N_ACTIONS;
    Ok((0..N_STATES * N_ACTIONS).map(|i| if on(i) { 0.9 } else { 0.1 / 3.0 }).collect())
}

#[cfg(test)]
mod tests;
