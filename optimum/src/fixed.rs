//! Optima of environments that do not respond: policy iteration, soft where there is entropy, with
//! a bound (`docs/theory/optima.md`, Theorem 1 and section 13).

use super::build;
use super::enclosure::soft_maximum;
use super::outcome::{Found, Halt, OptimumError, OptimumStop, Progress};
use num_traits::Zero;
use pemdp::arithmetic::rounding::{add_up, div_up};
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::Structure;
use pemdp::linear::{Factorisation, Lu, Resolvent, Rows};
use pemdp::problem::{Numeral, Problem};

/// Rounds of policy iteration; each is one of Newton's for Bellman's equation.
const ROUNDS: usize = 1000;
/// What counts as no improvement, relative to the values.
const NEGLIGIBLE: f64 = 1e-14;

/// Changes below this, relative to the values, no longer shrink by much.
const SETTLED: f64 = 1e-9;

/// A Markov decision process, as enclosures of its numbers.
pub(super) struct Fixed {
    n_actions: usize,
    gamma: Interval,
    /// `1 - gamma max_{s,a} sum_t P[s,a,t]`
    gap: Interval,
    initial: Vec<Interval>,
    /// `P[s,a,t]` that are not 0, by `s A + a`; no entry in terminal states.
    rows: Vec<Vec<(usize, Interval)>>,
    rewards: Vec<Interval>,
    /// Whether a state has an action, at `s A + a`.
    has: Vec<bool>,
    /// Whether an episode ends in a state: there is no entropy there.
    terminal: Vec<bool>,
    /// `lambda`
    entropy: Interval,
}

impl Fixed {
    /// The process of a problem.
    ///
    /// # Errors
    /// [`OptimumError::NotBounded`] where the environment responds.
    pub fn new(problem: &Problem) -> Result<Self, OptimumError> {
        let Structure::Fixed(fixed) = problem.structure() else {
            return Err(OptimumError::NotBounded { kind: problem.environment().kind() });
        };
        let (n_actions, actions) = (problem.n_actions(), problem.action_sets());
        let mut rows = fixed.transitions.rows(problem.n_states(), n_actions);
        for pair in (0..rows.len()).filter(|&pair| !actions.is_used(pair, n_actions)) {
            rows[pair].clear();
        }
        let row = |row: &Vec<(usize, &Numeral)>| {
            row.iter().filter(|(_, p)| !p.is_zero()).map(|(t, p)| (*t, p.lift())).collect()
        };
        Ok(Self {
            n_actions,
            gamma: problem.gamma().lift(),
            gap: build::gap(problem, rows.iter().map(|row| &row[..]))?,
            initial: build::initial(problem),
            rows: rows.iter().map(row).collect(),
            rewards: fixed.rewards.iter().map(Numeral::lift).collect(),
            has: (0..rows.len()).map(|pair| actions.is_available(pair)).collect(),
            terminal: (0..problem.n_states()).map(|s| actions.is_terminal(s)).collect(),
            entropy: problem.entropy().lift(),
        })
    }

    /// Policy iteration, then a bound of what it ends with: no policy has more than
    /// `W + delta/(1-kappa)` where no action has more than `W + delta`.
    pub fn search(&self, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Found {
        if !self.entropy.is_zero() {
            return self.soft_search(halt, progress);
        }
        let n = self.initial.len();
        let mut choice: Vec<usize> = (0..n).map(|s| self.of_state(s).next().unwrap_or(0)).collect();
        let mut values = vec![0.0; n];
        let mut stop = OptimumStop::Gap;
        for _ in 0..ROUNDS {
            values = self.values(&choice).unwrap_or(values);
            let value = self.initial.iter().zip(&values).map(|(p, v)| p.approximate() * v).sum();
            progress(Progress { value, upper_bound: f64::INFINITY, nodes: 0, open: 0 });
            let better = self.improved(&choice, &values);
            if better == choice {
                break;
            }
            choice = better;
            if let Some(reason) = halt.reason() {
                stop = reason;
                break;
            }
        }
        let mut rise = 0.0;
        for s in 0..n {
            for i in self.of_state(s).map(|a| s * self.n_actions + a) {
                rise = f64::max(rise, (self.action_value(i, &values) - Interval::point(values[s])).upper());
            }
        }
        let policy: Vec<f64> = choice
            .iter()
            .flat_map(|&taken| (0..self.n_actions).map(move |a| f64::from(u8::from(a == taken))))
            .collect();
        self.found(policy, &values, rise, stop, "policy iteration")
    }

    /// No policy has more than the values, lifted over what is left of their residual.
    fn found(
        &self,
        policy: Vec<f64>,
        values: &[f64],
        rise: f64,
        stop: OptimumStop,
        method: &'static str,
    ) -> Found {
        let lift = div_up(rise, self.gap.lower());
        let pairs = self.initial.iter().zip(values);
        let upper =
            pairs.fold(Interval::point(0.0), |sum, (p, &v)| sum + *p * Interval::point(add_up(v, lift)));
        Found {
            value: f64::NEG_INFINITY,
            upper: upper.upper(),
            attained: true,
            parameters: policy.clone(),
            policy,
            nodes: 0,
            stop,
            method,
        }
    }

    /// Soft policy iteration: the softmax of `Q/lambda`, evaluated with its entropy.
    fn soft_search(&self, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Found {
        let n = self.initial.len();
        let mut values = vec![0.0; n];
        let mut stop = OptimumStop::Gap;
        let mut least = f64::INFINITY;
        for _ in 0..ROUNDS {
            let policy = self.soft_policy(&values);
            let Some(next) = self.soft_values(&policy) else { break };
            let value = self.initial.iter().zip(&next).map(|(p, v)| p.approximate() * v).sum();
            progress(Progress { value, upper_bound: f64::INFINITY, nodes: 0, open: 0 });
            let change = next.iter().zip(&values).fold(0.0, |most: f64, (x, y)| most.max((x - y).abs()));
            values = next;
            let size = values.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
            // Newton's steps shrink until rounding is all that is left.
            if change <= NEGLIGIBLE * size || change >= least && least <= SETTLED * size {
                break;
            }
            least = least.min(change);
            if let Some(reason) = halt.reason() {
                stop = reason;
                break;
            }
        }
        let rise = (0..n).fold(0.0, |rise, s| {
            f64::max(rise, (self.soft_maximum(s, &values) - Interval::point(values[s])).upper())
        });
        self.found(self.soft_policy(&values), &values, rise, stop, "soft policy iteration")
    }

    /// `max_pi sum_a pi(a) (q[a] - lambda log pi(a))`; the largest `q` in a terminal state.
    fn soft_maximum(&self, s: usize, w: &[f64]) -> Interval {
        let values = self.of_state(s).map(|a| self.action_value(s * self.n_actions + a, w));
        let values: Vec<Interval> = values.collect();
        if self.terminal[s] || values.is_empty() {
            let most = values.iter().map(|q| q.upper()).reduce(f64::max);
            return Interval::point(most.unwrap_or(0.0));
        }
        soft_maximum(&values, self.entropy)
    }

    /// The softmax of `Q/lambda` in doubles; the best action in a terminal state.
    fn soft_policy(&self, w: &[f64]) -> Vec<f64> {
        let mut policy = vec![0.0; self.rows.len()];
        for s in 0..w.len() {
            let pair = |a: usize| s * self.n_actions + a;
            let q = |a: usize| self.action_value(pair(a), w).approximate();
            let best = self.of_state(s).max_by(|&a, &b| q(a).total_cmp(&q(b)));
            let Some(best) = best else { continue };
            let weight = |a: usize| {
                let share = ((q(a) - q(best)) / self.entropy.approximate()).exp();
                if self.terminal[s] { f64::from(a == best) } else { share }
            };
            let total: f64 = self.of_state(s).map(weight).sum();
            self.of_state(s).for_each(|a| policy[pair(a)] = weight(a) / total);
        }
        policy
    }

    /// The values of a policy with its entropy in doubles; none where they are not finite.
    fn soft_values(&self, policy: &[f64]) -> Option<Vec<f64>> {
        let n = self.initial.len();
        let pairs = |s: usize| (s * self.n_actions..(s + 1) * self.n_actions).filter(|&i| policy[i] > 0.0);
        let row = |s: usize| {
            pairs(s).flat_map(|i| self.rows[i].iter().map(move |(t, p)| (*t, policy[i] * p.approximate())))
        };
        let reward = |s: usize| -> f64 {
            let bonus = |i: usize| {
                if self.terminal[s] { 0.0 } else { -self.entropy.approximate() * policy[i].ln() }
            };
            pairs(s).map(|i| policy[i] * (self.rewards[i].approximate() + bonus(i))).sum()
        };
        let rewards: Vec<f64> = (0..n).map(reward).collect();
        self.solved((0..n).map(row), &rewards)
    }

    /// The actions of a state.
    fn of_state(&self, s: usize) -> impl Iterator<Item = usize> {
        (0..self.n_actions).filter(move |a| self.has[s * self.n_actions + a])
    }

    /// `r + gamma P w`
    fn action_value(&self, i: usize, w: &[f64]) -> Interval {
        let next = self.rows[i].iter().map(|&(t, p)| p * Interval::point(w[t]));
        self.rewards[i] + self.gamma * next.fold(Interval::point(0.0), |sum, x| sum + x)
    }

    /// The values of a choice in doubles; none where they are not finite.
    fn values(&self, choice: &[usize]) -> Option<Vec<f64>> {
        let n = choice.len();
        let row = |s: usize| s * self.n_actions + choice[s];
        let entries = |s: usize| self.rows[row(s)].iter().map(|(t, p)| (*t, p.approximate()));
        let rewards: Vec<f64> = (0..n).map(|s| self.rewards[row(s)].approximate()).collect();
        self.solved((0..n).map(entries), &rewards)
    }

    /// The values of a chain and its rewards in doubles; none where they are not finite.
    fn solved<R>(&self, rows: impl Iterator<Item = R>, rewards: &[f64]) -> Option<Vec<f64>>
    where
        R: IntoIterator<Item = (usize, f64)>,
    {
        let chain = Rows::sparse(rewards.len(), rows).ok()?;
        let values = Lu::new(Resolvent::new(chain, self.gamma.approximate()).ok()?).ok()?.solve(rewards);
        values.iter().all(|v| v.is_finite()).then_some(values)
    }

    /// The choice with the best action wherever another one is better.
    fn improved(&self, choice: &[usize], values: &[f64]) -> Vec<usize> {
        let size = values.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
        let better = |s: usize| {
            let q = |a: usize| self.action_value(s * self.n_actions + a, values).approximate();
            let best = self.of_state(s).max_by(|&a, &b| q(a).total_cmp(&q(b))).unwrap_or(choice[s]);
            if q(best) > q(choice[s]) + NEGLIGIBLE * size { best } else { choice[s] }
        };
        (0..choice.len()).map(better).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::FOREVER;
    use super::*;
    use crate::tolerances::{FORMULA, SOLVED};
    use pemdp::best_response::best_response;
    use pemdp::evaluate::evaluate;
    use pemdp::mdp::{Kernel, Mdp};
    use pemdp::policy::Policy;
    use pemdp::problem::{Parts, Reading};

    const TRANSITIONS: [[f64; 3]; 6] = [
        [0.5, 0.5, 0.0],
        [0.0, 0.25, 0.75],
        [0.0, 1.0, 0.0],
        [0.25, 0.5, 0.25],
        [1.0, 0.0, 0.0],
        [0.0, 0.5, 0.5],
    ];
    const REWARDS: [[f64; 6]; 3] = [
        [1.0, -0.5, 0.25, 2.0, 3.0, -1.0],
        [-3.0, -0.5, -2.0, -1.5, -0.25, -4.0],
        [0.5, 4.0, 0.5, 0.25, -6.0, 3.0],
    ];

    fn problem(rewards: &[f64]) -> Problem {
        let json = format!(
            r#"{{"format": "pemdp-problem/1", "gamma": 0.75, "initial": [0.25, 0.5, 0.25],
                "policy": {{"kind": "softmax", "logits": [[0, 0], [0, 0], [0, 0]]}},
                "environment": {{"kind": "fixed", "transitions": {:?}, "rewards": {:?}}}}}"#,
            TRANSITIONS.chunks(2).collect::<Vec<_>>(),
            rewards.chunks(2).collect::<Vec<_>>()
        );
        Problem::from_json(&json, Reading::Doubles).unwrap()
    }

    fn mdp(rewards: &[f64]) -> Mdp<f64> {
        let kernel = Kernel::dense(3, 2, TRANSITIONS.concat()).unwrap();
        Mdp::new(kernel, rewards.to_vec(), vec![0.25, 0.5, 0.25], 0.75).unwrap()
    }

    /// The search ends with the policy of an exact best response and bounds its value.
    #[test]
    fn policy_iteration_ends_at_the_best_response() {
        for rewards in REWARDS {
            let fixed = Fixed::new(&problem(&rewards)).unwrap();
            assert!(fixed.rows.iter().flatten().all(|(_, p)| p.lower() > 0.0));
            let mut values = Vec::new();
            let found = fixed.search(&FOREVER, &mut |known| values.push(known.value));

            let best = best_response(&mdp(&rewards)).unwrap();
            let taken = best.choice.iter().flat_map(|&a| [f64::from(a == 0), f64::from(a == 1)]);
            assert_eq!(found.policy, taken.collect::<Vec<_>>());
            assert!(
                found.upper >= best.evaluation.value - FORMULA
                    && found.upper < best.evaluation.value + SOLVED
            );
            assert!((values.last().unwrap() - best.evaluation.value).abs() < SOLVED, "{values:?}");
            assert!(values.len() > 1 && values.windows(2).all(|pair| pair[0] <= pair[1] + SOLVED));
        }
    }

    /// Likewise with entropy, after one round: the values are those of the softmax of the rewards.
    #[test]
    fn a_soft_search_that_is_stopped_at_once_is_bounded() {
        for rewards in REWARDS {
            let problem = problem(&rewards);
            let entropy = Numeral::from(0.5);
            let soft = Problem::new(Parts { entropy, ..problem.parts().clone() }, Reading::Doubles).unwrap();
            let fixed = Fixed::new(&soft).unwrap();
            let interrupt = pemdp::interrupt::Interrupt::raised();
            let halt = Halt { interrupt: &interrupt, start: std::time::Instant::now(), budget: None };
            let stopped = fixed.search(&halt, &mut |_| {});
            assert_eq!(stopped.stop, OptimumStop::Interrupted);
            let best = fixed.search(&FOREVER, &mut |_| {});

            let mdp = mdp(&rewards);
            let first = Policy::softmax(3, 2, rewards.iter().map(|r| r / 0.5).collect()).unwrap();
            let evaluation = evaluate(&mdp, &first, &0.5).unwrap();
            let maximum = |s: usize| {
                let next = |i: usize| TRANSITIONS[i].iter().zip(&evaluation.state_values).map(|(p, v)| p * v);
                let weight = |i: usize| ((rewards[i] + 0.75 * next(i).sum::<f64>()) / 0.5).exp();
                0.5 * (weight(2 * s) + weight(2 * s + 1)).ln()
            };
            let rises = (0..3).map(|s| maximum(s) - evaluation.state_values[s]);
            let upper = evaluation.value + 4.0 * rises.fold(0.0, f64::max);
            assert!((stopped.upper - upper).abs() < SOLVED, "{} {upper}", stopped.upper);
            assert!(stopped.upper >= best.upper - SOLVED && best.upper >= evaluation.value - SOLVED);
        }
    }

    /// What an interrupted search ends with is bounded by the residual of its values.
    #[test]
    fn a_search_that_is_stopped_at_once_is_bounded() {
        for rewards in REWARDS {
            let fixed = Fixed::new(&problem(&rewards)).unwrap();
            let interrupt = pemdp::interrupt::Interrupt::raised();
            let halt = Halt { interrupt: &interrupt, start: std::time::Instant::now(), budget: None };
            let found = fixed.search(&halt, &mut |_| {});
            assert_eq!(found.stop, OptimumStop::Interrupted);

            let mdp = mdp(&rewards);
            let first = Policy::probabilities(3, 2, vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0]).unwrap();
            let evaluation = evaluate(&mdp, &first, &0.0).unwrap();
            let rises = (0..6).map(|i| evaluation.advantage(i / 2, i % 2).unwrap());
            let upper = evaluation.value + 4.0 * rises.fold(0.0, f64::max);
            assert!((found.upper - upper).abs() < SOLVED, "{} {upper}", found.upper);
            assert!(found.upper >= best_response(&mdp).unwrap().evaluation.value);
        }
    }
}
