//! One follower's best response to the learner's policy, and its softened form.

use std::ops::Range;

use super::{LEAVE, Layout, N_ACTIONS, N_RESPONSES, Terminal};
use crate::arithmetic::{Field, Transcendental};
use crate::linear::{Factorisation, Resolvent, Rows, ShapeError, Size};
use crate::policy::{Policy, shifted_exponentials};
use crate::response::{Kink, ResponseError};

/// Sizes below this are near the end of the range of doubles.
const SMALL: f64 = 1e-280;
/// `2^900`
const SCALE: f64 = f64::from_bits((1023 + 900) << 52);
/// Steps of policy iteration before giving up, at least; it needs a handful.
const ITERATIONS: usize = 200;
/// Sweeps of value iteration that choose the policy to start from, at least.
const SWEEPS: usize = 25;
/// Relative residual of the soft Bellman equation at which doubles are as good
/// as they get.
const RESIDUAL: f64 = 1e-12;
/// Newton steps from there in the arithmetic itself: each doubles the correct
/// digits and the correct order of derivatives.
const POLISHING_STEPS: usize = 2;

/// A follower's optimal values, and what their derivative needs.
pub(super) struct Follower<T: Field> {
    /// `U[s]`, enclosing the optimal values whatever ties are undecided.
    pub(super) values: Vec<T>,
    /// `Q[s,b]` at `5 s + b`.
    pub(super) action_values: Vec<T>,
    /// `I - gamma M`, `M` the chain under the response.
    pub(super) factorisation: T::Factorisation,
    /// The response.
    choice: Choice<T>,
    /// `g(next(s,a)) + gamma U(next(s,a))` at `4 s + a`.
    move_values: Vec<T>,
    terminal: Terminal,
}

/// What a follower does.
enum Choice<T> {
    /// An action of largest value in each state.
    Best(Vec<usize>),
    /// `sigma(b|s)` proportional to `exp(Q[s,b]/tau)`, at `5 s + b`.
    Soft(Vec<T>),
}

impl<T: Transcendental> Follower<T> {
    /// Policy iteration with exact solves, from a policy that is greedy for
    /// values swept from `start`.
    pub(super) fn solve(
        index: usize,
        model: &DecisionProblem<'_, T>,
        start: &[f64],
    ) -> Result<Self, ResponseError> {
        let (gamma, terminal) = (model.gamma, model.terminal);
        let mut choice = model.greedy_start(start);
        let iterations = ITERATIONS.max(model.layout.n_states());
        for _ in 0..iterations {
            let factorisation = T::Factorisation::new(Resolvent::new(model.chain(&choice)?, gamma.clone())?)?;
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
            let best = Choice::Best(choice.clone());
            if violation == 0.0 {
                return Ok(Self {
                    values,
                    action_values,
                    factorisation,
                    choice: best,
                    move_values,
                    terminal,
                });
            }
            let over = |violation: f64| (T::from_f64(violation) / (T::one() - gamma)).magnitude();
            let values: Vec<T> = if violation >= SMALL {
                values.into_iter().map(|u| u.widened(over(violation))).collect()
            } else {
                // Doubles tell no smaller sizes apart: the violation is taken larger.
                let scale = T::from_f64(SCALE);
                let scaled: Vec<T> = action_values.iter().map(|q| q.clone() * &scale).collect();
                let slack = T::zero().widened(over(model.violation(&choice, &scaled))) / &scale;
                values.into_iter().map(|u| u + &slack).collect()
            };
            let move_values = model.move_values(&values);
            let action_values = model.action_values(&move_values);
            return Ok(Self { values, action_values, factorisation, choice: best, move_values, terminal });
        }
        Err(ResponseError::BestResponse { follower: index, iterations })
    }

    /// The follower with the derivative of another choice.
    pub(super) fn choosing(
        self,
        model: &DecisionProblem<'_, T>,
        choice: Vec<usize>,
    ) -> Result<Self, ResponseError> {
        let chain = Resolvent::new(model.chain(&choice)?, model.gamma.clone())?;
        Ok(Self { factorisation: T::Factorisation::new(chain)?, choice: Choice::Best(choice), ..self })
    }

    /// The follower with `max_b Q[s,b]` replaced by `tau log sum_b exp(Q[s,b]/tau)`:
    /// Newton's method on this equation from the optimal values, from where it
    /// rises to the solution.
    pub(super) fn softened(
        self,
        index: usize,
        model: &DecisionProblem<'_, T>,
        temperature: &T,
    ) -> Result<Self, ResponseError> {
        let mut values = self.values;
        let mut polished = 0;
        for _ in 0..ITERATIONS {
            let soft = model.softened(&values, temperature);
            let residual: Vec<T> = soft.maxima.iter().zip(&values).map(|(m, u)| m.clone() - u).collect();
            if polished == POLISHING_STEPS {
                // |U_tau - U| <= e/(1 - gamma), e the largest residual.
                let largest = residual.iter().map(T::magnitude).fold(0.0, Size::larger);
                let slack = (T::from_f64(largest) / (T::one() - model.gamma)).magnitude();
                let values: Vec<T> = values.into_iter().map(|u| u.widened(slack)).collect();
                let Softened { move_values, action_values, response, .. } =
                    model.softened(&values, temperature);
                let factorisation = model.soft_factorisation(&response)?;
                let (choice, terminal) = (Choice::Soft(response), self.terminal);
                return Ok(Self { values, action_values, factorisation, choice, move_values, terminal });
            }
            let step = model.soft_factorisation(&soft.response)?.solve(&residual);
            let size = |x: &[T]| x.iter().map(|x| x.approximate().abs()).fold(0.0, f64::max);
            let is_close = size(&residual) <= RESIDUAL * size(&values);
            for (u, step) in values.iter_mut().zip(step) {
                *u += step;
            }
            if is_close {
                polished += 1;
            } else {
                // Widths and derivatives of iterates far away would only grow.
                values = values.iter().map(|u| T::from_f64(u.approximate())).collect();
            }
        }
        Err(ResponseError::BestResponse { follower: index, iterations: ITERATIONS })
    }

    /// The follower with values by sweeps of the Bellman operator from 0, which stop at a change
    /// below a tolerance.
    pub(super) fn swept(self, model: &DecisionProblem<'_, T>, tolerance: f64) -> Self {
        let largest = |q: &[T]| {
            let larger = |most: &T, q: &T| q.approximate() > most.approximate();
            q.iter().fold(q[0].clone(), |most, q| if larger(&most, q) { q.clone() } else { most })
        };
        let mut values = vec![T::zero(); self.values.len()];
        loop {
            let action_values = model.action_values(&model.move_values(&values));
            let next: Vec<T> = action_values.chunks(N_RESPONSES).map(largest).collect();
            let change = next.iter().zip(&values).map(|(x, y)| (x.clone() - y).approximate().abs());
            let is_last = change.fold(0.0, Size::larger) < tolerance;
            values = next;
            if is_last {
                break;
            }
        }
        let move_values = model.move_values(&values);
        let action_values = model.action_values(&move_values);
        Self { values, action_values, move_values, ..self }
    }

    /// `g(next(s,a)) + gamma U(next(s,a))`: what a move is worth.
    pub(super) fn move_value(&self, state: usize, action: usize) -> &T {
        &self.move_values[state * N_ACTIONS + action]
    }

    /// The share of `weight` with which the response leaves the learner's move
    /// alone here, so that the values depend on the policy; none where it never
    /// does.
    pub(super) fn left_alone(&self, layout: &Layout, state: usize, weight: &T) -> Option<T> {
        if !self.terminal.moves(layout, state) {
            return None;
        }
        match &self.choice {
            Choice::Best(choice) => (choice[state] == LEAVE).then(|| weight.clone()),
            Choice::Soft(response) => Some(response[state * N_RESPONSES + LEAVE].clone() * weight),
        }
    }

    /// The states where actions with different derivatives are tied.
    pub(super) fn kinks(&self, layout: &Layout, follower: usize, gamma: &T) -> Vec<Kink> {
        let Choice::Best(choice) = &self.choice else { return Vec::new() };
        let gap = |s: usize, b: usize| {
            self.action_values[s * N_RESPONSES + choice[s]].clone() - &self.action_values[s * N_RESPONSES + b]
        };
        let is_tied = |s: usize, b: usize| b != choice[s] && is_tie(&gap(s, b));
        let mut kinks = Vec::new();
        for s in layout.inner() {
            let different = |b: usize| is_tied(s, b) && !self.same_derivative(layout, choice, gamma, s, b);
            let mut actions: Vec<usize> = (0..N_RESPONSES).filter(|&b| different(b)).collect();
            if !actions.is_empty() {
                let gap = actions.iter().map(|&b| gap(s, b).magnitude()).fold(0.0, Size::larger);
                actions.push(choice[s]);
                actions.sort_unstable();
                kinks.push(Kink::Tie { follower, state: s, actions, gap });
            }
        }
        kinks
    }

    /// Whether an action provably has the same derivative as the chosen one: the
    /// overrides that follow them lead to the same undisturbed move after as many
    /// steps, or never to one, or nothing that follows counts.
    fn same_derivative(&self, layout: &Layout, choice: &[usize], gamma: &T, state: usize, b: usize) -> bool {
        let c = choice[state];
        let follows = |b: usize| self.first_left_alone(layout, choice, self.terminal.next(layout, state, b));
        b != LEAVE && c != LEAVE && (gamma.is_zero() || follows(b) == follows(c))
    }

    /// The state where the best response first leaves a move alone, and after
    /// how many steps; `None` where it never does. `U` of the start is a
    /// constant plus `gamma^steps U` of that state.
    fn first_left_alone(
        &self,
        layout: &Layout,
        choice: &[usize],
        mut state: usize,
    ) -> Option<(usize, usize)> {
        for steps in 0..layout.n_states() {
            if choice[state] == LEAVE && self.terminal.moves(layout, state) {
                return Some((state, steps));
            }
            state = self.terminal.next(layout, state, choice[state]);
        }
        None
    }
}

/// Whether a gap `Q[best] - Q[other]` is not known to be positive.
fn is_tie<T: Field>(gap: &T) -> bool {
    !(gap.clone() - T::from_f64(T::UNKNOWN_ERROR)).certainly_positive()
}

/// A follower's decision problem.
pub(super) struct DecisionProblem<'a, T> {
    pub(super) layout: &'a Layout,
    /// The follower's cell values, by state.
    pub(super) grid: &'a [T],
    /// What overriding a move costs.
    pub(super) cost: &'a T,
    pub(super) gamma: &'a T,
    pub(super) terminal: Terminal,
    pub(super) policy: &'a Policy<T>,
}

/// One application of the soft Bellman operator.
struct Softened<T> {
    /// `tau log sum_b exp(Q[s,b]/tau)`.
    maxima: Vec<T>,
    /// `exp(Q[s,b]/tau)`, normalised, at `5 s + b`.
    response: Vec<T>,
    move_values: Vec<T>,
    action_values: Vec<T>,
}

impl<T: Transcendental> DecisionProblem<'_, T> {
    fn next(&self, state: usize, action: usize) -> usize {
        self.terminal.next(self.layout, state, action)
    }

    /// Reward of ending up with a move, before any cost of intervening.
    fn pays(&self, state: usize, action: usize) -> T {
        self.terminal.reward(self.layout, self.grid, state, action)
    }

    /// What intervening costs here.
    fn intervention(&self, state: usize) -> T {
        let is_free = self.layout.is_terminal(state) && self.terminal != Terminal::KeepsMoveRewards;
        if is_free { T::zero() } else { self.cost.clone() }
    }

    /// The states.
    fn states(&self) -> Range<usize> {
        0..self.layout.n_states()
    }

    /// The states and moves, at `4 s + a`.
    fn moves(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.layout.n_states() * N_ACTIONS).map(|i| (i / N_ACTIONS, i % N_ACTIONS))
    }

    /// The best response to values found by a few sweeps in doubles.
    fn greedy_start(&self, start: &[f64]) -> Vec<usize> {
        let gamma = self.gamma.approximate();
        let mut values = start.to_vec();
        let pi: Vec<f64> = self.moves().map(|(s, a)| self.policy.probability(s, a).approximate()).collect();
        let mut choice = vec![LEAVE; self.layout.n_states()];
        // What the far end is worth comes a cell nearer at each sweep.
        for _ in 0..SWEEPS.max(self.layout.rows() + self.layout.columns()) {
            for s in self.states() {
                let mut left_alone = 0.0;
                let mut best = (LEAVE, f64::NEG_INFINITY);
                for a in 0..N_ACTIONS {
                    let worth = self.pays(s, a).approximate() + gamma * values[self.next(s, a)];
                    left_alone += pi[s * N_ACTIONS + a] * worth;
                    if worth > best.1 {
                        best = (a, worth);
                    }
                }
                best.1 -= self.intervention(s).approximate();
                if left_alone >= best.1 {
                    best = (LEAVE, left_alone);
                }
                (choice[s], values[s]) = best;
            }
        }
        choice
    }

    /// The learner's and follower's joint chain.
    fn chain(&self, choice: &[usize]) -> Result<Rows<T>, ShapeError> {
        let row = |s: usize| match choice[s] {
            LEAVE => {
                (0..N_ACTIONS).map(|a| (self.next(s, a), self.policy.probability(s, a).clone())).collect()
            }
            b => vec![(self.next(s, b), T::one())],
        };
        Rows::sparse(self.layout.n_states(), self.states().map(row))
    }

    /// The follower's reward under its choice.
    fn costs(&self, choice: &[usize]) -> Vec<T> {
        let cost = |s: usize| match choice[s] {
            LEAVE => {
                (0..N_ACTIONS).fold(T::zero(), |sum, a| sum + self.pays(s, a) * self.policy.probability(s, a))
            }
            b => self.pays(s, b) - self.intervention(s),
        };
        self.states().map(cost).collect()
    }

    fn move_values(&self, values: &[T]) -> Vec<T> {
        let worth = |s: usize, a: usize| self.pays(s, a) + values[self.next(s, a)].clone() * self.gamma;
        self.moves().map(|(s, a)| worth(s, a)).collect()
    }

    /// `Q[s,b]`; 0 at an absorbing terminal state.
    fn action_values(&self, move_values: &[T]) -> Vec<T> {
        let mut result = Vec::with_capacity(self.layout.n_states() * N_RESPONSES);
        for (s, moves) in move_values.chunks(N_ACTIONS).enumerate() {
            if self.terminal.ends(self.layout, s) {
                result.extend((0..N_RESPONSES).map(|_| T::zero()));
                continue;
            }
            let cost = self.intervention(s);
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
            // Gains, not values: doubles may not tell these apart.
            let mut best = (choice[s], 0.0);
            for b in 0..N_RESPONSES {
                let gain = q(b).clone() - q(choice[s]) - &noise;
                let is_largest = best.0 == choice[s] || gain.approximate() > best.1;
                if is_largest && gain.certainly_positive() {
                    best = (b, gain.approximate());
                }
            }
            best.0
        };
        self.states().map(improved).collect()
    }

    /// An upper bound of `max_s max_b Q[s,b] - Q[s,choice]`, at least 0.
    fn violation(&self, choice: &[usize], action_values: &[T]) -> f64 {
        let mut largest = 0.0;
        for s in self.states() {
            let q = |b: usize| &action_values[s * N_RESPONSES + b];
            for b in (0..N_RESPONSES).filter(|&b| b != choice[s]) {
                let gain = q(b).clone() - q(choice[s]);
                if !gain.certainly_negative() {
                    largest = Size::larger(largest, gain.magnitude());
                }
            }
        }
        largest
    }

    /// The soft Bellman operator at `values`. An absorbing terminal state has
    /// nothing to decide: its value stays 0.
    fn softened(&self, values: &[T], temperature: &T) -> Softened<T> {
        let move_values = self.move_values(values);
        let action_values = self.action_values(&move_values);
        let mut maxima = Vec::with_capacity(self.layout.n_states());
        let mut response = Vec::with_capacity(action_values.len());
        for (s, q) in action_values.chunks(N_RESPONSES).enumerate() {
            if self.terminal.ends(self.layout, s) {
                maxima.push(T::zero());
                response.extend((0..N_RESPONSES).map(|b| if b == LEAVE { T::one() } else { T::zero() }));
                continue;
            }
            // Differences first: they are small where they matter, Q/tau is not.
            let largest = q.iter().fold(&q[0], |m, q| if q.approximate() > m.approximate() { q } else { m });
            let scaled: Vec<T> = q.iter().map(|q| (q.clone() - largest) / temperature).collect();
            let (_, weights, total) = shifted_exponentials(scaled.iter());
            maxima.push(total.ln() * temperature + largest);
            response.extend(weights.into_iter().map(|w| w / &total));
        }
        Softened { maxima, response, move_values, action_values }
    }

    /// `I - gamma M` for a stochastic response.
    fn soft_factorisation(&self, response: &[T]) -> Result<T::Factorisation, ResponseError> {
        let rows = response.chunks(N_RESPONSES).enumerate().map(|(s, sigma)| {
            let moved = |a: usize| sigma[LEAVE].clone() * self.policy.probability(s, a) + &sigma[a];
            (0..N_ACTIONS).map(|a| (self.next(s, a), moved(a))).collect::<Vec<_>>()
        });
        let resolvent = Resolvent::new(Rows::sparse(self.layout.n_states(), rows)?, self.gamma.clone())?;
        Ok(T::Factorisation::new(resolvent)?)
    }
}

#[cfg(test)]
mod tests;
