//! One follower's best response to the learner's policy.

use super::{Grid, INTERVENTION_COST, LEAVE, N_ACTIONS, N_RESPONSES, N_STATES, TERMINAL, Terminal};
use crate::arithmetic::{Field, Transcendental};
use crate::linear::{Factorisation, Resolvent, Rows};
use crate::policy::Policy;
use crate::response::{Kink, ResponseError};

/// Steps of policy iteration before giving up; it needs a handful.
const ITERATIONS: usize = 200;
/// Sweeps of value iteration that choose the policy to start from.
const SWEEPS: usize = 25;

/// A follower's optimal values, and what their derivative needs.
pub(super) struct Follower<T: Field> {
    /// `U[s]`, enclosing the optimal values whatever ties are undecided.
    pub(super) values: Vec<T>,
    /// `Q[s,b]` at `5 s + b`.
    pub(super) action_values: Vec<T>,
    /// `I - gamma M`, `M` the chain under the best response.
    pub(super) factorisation: T::Factorisation,
    /// The best response.
    choice: Vec<usize>,
    /// `g(next(s,a)) + gamma U(next(s,a))` at `4 s + a`.
    move_values: Vec<T>,
    terminal: Terminal,
}

impl<T: Transcendental> Follower<T> {
    /// Policy iteration with exact solves, from a policy that is greedy for
    /// values swept from `start`.
    pub(super) fn solve(
        index: usize,
        grid: &Grid,
        gamma: &T,
        terminal: Terminal,
        policy: &Policy<T>,
        start: &[f64],
    ) -> Result<Self, ResponseError> {
        let model = Model { grid, gamma, terminal, policy };
        let mut choice = model.greedy_start(start);
        for _ in 0..ITERATIONS {
            let factorisation = T::Factorisation::new(Resolvent::new(model.chain(&choice), gamma.clone())?)?;
            let values = factorisation.solve(&model.costs(&choice));
            let move_values = model.move_values(&values);
            let action_values = model.action_values(&move_values);
            let better = model.improvements(&choice, &action_values);
            if better != choice {
                choice = better;
                continue;
            }
            // U^choice <= U <= U^choice + e/(1 - gamma), e the largest Bellman violation.
            let violation = model.violation(&choice, &action_values);
            if violation == 0.0 {
                return Ok(Self { values, action_values, factorisation, choice, move_values, terminal });
            }
            let slack = (T::from_f64(violation) / (T::one() - gamma)).magnitude();
            let values: Vec<T> = values.into_iter().map(|u| u.widened(slack)).collect();
            let move_values = model.move_values(&values);
            let action_values = model.action_values(&move_values);
            return Ok(Self { values, action_values, factorisation, choice, move_values, terminal });
        }
        Err(ResponseError::BestResponse { follower: index, iterations: ITERATIONS })
    }

    /// `g(next(s,a)) + gamma U(next(s,a))`: what a move is worth.
    pub(super) fn move_value(&self, state: usize, action: usize) -> &T {
        &self.move_values[state * N_ACTIONS + action]
    }

    /// Whether the best response leaves the learner's move alone here, so that
    /// the values depend on the policy.
    pub(super) fn leaves_alone(&self, state: usize) -> bool {
        self.choice[state] == LEAVE && (state != TERMINAL || self.terminal == Terminal::KeepsTransitions)
    }

    /// The states where actions with different derivatives are tied.
    pub(super) fn kinks(&self, follower: usize) -> Vec<Kink> {
        let gap = |s: usize, b: usize| {
            self.action_values[s * N_RESPONSES + self.choice[s]].clone()
                - &self.action_values[s * N_RESPONSES + b]
        };
        let is_tied = |s: usize, b: usize| b != self.choice[s] && is_tie(&gap(s, b));
        let mut kinks = Vec::new();
        for s in (0..N_STATES).filter(|&s| s != TERMINAL) {
            let different = |b: usize| is_tied(s, b) && !self.same_derivative(s, self.choice[s], b);
            let mut actions: Vec<usize> = (0..N_RESPONSES).filter(|&b| different(b)).collect();
            if !actions.is_empty() {
                let gap = actions.iter().map(|&b| gap(s, b).magnitude()).fold(0.0, f64::max);
                actions.push(self.choice[s]);
                actions.sort_unstable();
                kinks.push(Kink::Tie { follower, state: s, actions, gap });
            }
        }
        kinks
    }

    /// Whether two actions provably have the same derivative: the overrides
    /// that follow them lead to the same undisturbed move after as many steps,
    /// or never to one.
    fn same_derivative(&self, state: usize, b: usize, c: usize) -> bool {
        b != LEAVE
            && c != LEAVE
            && self.first_left_alone(self.terminal.next(state, b))
                == self.first_left_alone(self.terminal.next(state, c))
    }

    /// The state where the best response first leaves a move alone, and after
    /// how many steps; `None` where it never does. `U` of the start is a
    /// constant plus `gamma^steps U` of that state.
    fn first_left_alone(&self, mut state: usize) -> Option<(usize, usize)> {
        for steps in 0..N_STATES {
            if self.leaves_alone(state) {
                return Some((state, steps));
            }
            state = self.terminal.next(state, self.choice[state]);
        }
        None
    }
}

/// Whether a gap `Q[best] - Q[other]` is not known to be positive.
fn is_tie<T: Field>(gap: &T) -> bool {
    !(gap.clone() - T::from_f64(T::UNKNOWN_ERROR)).certainly_positive()
}

/// A follower's decision problem.
struct Model<'a, T> {
    grid: &'a Grid,
    gamma: &'a T,
    terminal: Terminal,
    policy: &'a Policy<T>,
}

impl<T: Transcendental> Model<'_, T> {
    fn next(&self, state: usize, action: usize) -> usize {
        self.terminal.next(state, action)
    }

    /// Reward of ending up with a move, before any cost of intervening.
    fn pays(&self, state: usize, action: usize) -> f64 {
        self.terminal.reward(self.grid, state, action)
    }

    /// What intervening costs here.
    fn intervention(&self, state: usize) -> f64 {
        if state == TERMINAL && self.terminal != Terminal::KeepsMoveRewards { 0.0 } else { INTERVENTION_COST }
    }

    /// The best response to values found by a few sweeps in doubles.
    fn greedy_start(&self, start: &[f64]) -> Vec<usize> {
        let gamma = self.gamma.approximate();
        let mut values = start.to_vec();
        let pi: Vec<f64> = (0..N_STATES * N_ACTIONS)
            .map(|i| self.policy.probability(i / N_ACTIONS, i % N_ACTIONS).approximate())
            .collect();
        let mut choice = vec![LEAVE; N_STATES];
        for _ in 0..SWEEPS {
            for s in 0..N_STATES {
                let mut left_alone = 0.0;
                let mut best = (LEAVE, f64::NEG_INFINITY);
                for a in 0..N_ACTIONS {
                    let worth = self.pays(s, a) + gamma * values[self.next(s, a)];
                    left_alone += pi[s * N_ACTIONS + a] * worth;
                    if worth > best.1 {
                        best = (a, worth);
                    }
                }
                best.1 -= self.intervention(s);
                if left_alone >= best.1 {
                    best = (LEAVE, left_alone);
                }
                (choice[s], values[s]) = best;
            }
        }
        choice
    }

    /// The learner's and follower's joint chain.
    fn chain(&self, choice: &[usize]) -> Rows<T> {
        let row = |s: usize| match choice[s] {
            LEAVE => {
                (0..N_ACTIONS).map(|a| (self.next(s, a), self.policy.probability(s, a).clone())).collect()
            }
            b => vec![(self.next(s, b), T::one())],
        };
        Rows::sparse(N_STATES, (0..N_STATES).map(row))
    }

    /// The follower's reward under its choice.
    fn costs(&self, choice: &[usize]) -> Vec<T> {
        let cost = |s: usize| match choice[s] {
            LEAVE => (0..N_ACTIONS).fold(T::zero(), |sum, a| {
                sum + self.policy.probability(s, a).clone() * T::from_f64(self.pays(s, a))
            }),
            b => T::from_f64(self.pays(s, b)) - T::from_f64(self.intervention(s)),
        };
        (0..N_STATES).map(cost).collect()
    }

    fn move_values(&self, values: &[T]) -> Vec<T> {
        let worth =
            |s: usize, a: usize| T::from_f64(self.pays(s, a)) + values[self.next(s, a)].clone() * self.gamma;
        (0..N_STATES * N_ACTIONS).map(|i| worth(i / N_ACTIONS, i % N_ACTIONS)).collect()
    }

    /// `Q[s,b]`; 0 at an absorbing terminal state.
    fn action_values(&self, move_values: &[T]) -> Vec<T> {
        let mut result = Vec::with_capacity(N_STATES * N_RESPONSES);
        for (s, moves) in move_values.chunks(N_ACTIONS).enumerate() {
            if s == TERMINAL && self.terminal == Terminal::Absorbing {
                result.extend((0..N_RESPONSES).map(|_| T::zero()));
                continue;
            }
            let cost = T::from_f64(self.intervention(s));
            result.extend(moves.iter().map(|worth| worth.clone() - &cost));
            result.push(
                moves
                    .iter()
                    .enumerate()
                    .fold(T::zero(), |sum, (a, worth)| sum + self.policy.probability(s, a).clone() * worth),
            );
        }
        result
    }

    /// The choice improved wherever another action is certainly better.
    fn improvements(&self, choice: &[usize], action_values: &[T]) -> Vec<usize> {
        let noise = T::from_f64(T::UNKNOWN_ERROR);
        let improved = |s: usize| {
            let q = |b: usize| &action_values[s * N_RESPONSES + b];
            let mut best = choice[s];
            for b in 0..N_RESPONSES {
                let is_better = (q(b).clone() - q(choice[s]) - &noise).certainly_positive();
                if is_better && q(b).approximate() > q(best).approximate() {
                    best = b;
                }
            }
            best
        };
        (0..N_STATES).map(improved).collect()
    }

    /// An upper bound of `max_s max_b Q[s,b] - Q[s,choice]`, at least 0.
    fn violation(&self, choice: &[usize], action_values: &[T]) -> f64 {
        let mut largest = 0.0;
        for s in 0..N_STATES {
            let q = |b: usize| &action_values[s * N_RESPONSES + b];
            for b in (0..N_RESPONSES).filter(|&b| b != choice[s]) {
                let gain = q(b).clone() - q(choice[s]);
                if !gain.certainly_negative() {
                    largest = gain.magnitude().max(largest);
                }
            }
        }
        largest
    }
}
