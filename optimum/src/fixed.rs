//! Optima of environments that do not respond: policy iteration, with a bound
//! (`docs/theory/optima.md`, Theorem 1).

use nalgebra::{DMatrix, DVector};

use super::build;
use super::outcome::{Found, Halt, OptimumError, OptimumStop, Progress};
use pemdp::arithmetic::rounding::{add_up, div_up};
use pemdp::arithmetic::{Field, Interval};
use pemdp::environments::Structure;
use pemdp::problem::{Numeral, Problem};

/// Rounds of policy iteration; each is one of Newton's for Bellman's equation.
const ROUNDS: usize = 1000;
/// What counts as no improvement, relative to the values.
const NEGLIGIBLE: f64 = 1e-14;

/// A Markov decision process, as enclosures of its numbers.
pub(super) struct Fixed {
    n_actions: usize,
    gamma: Interval,
    /// `1 - gamma max_{s,a} sum_t P[s,a,t]`
    gap: Interval,
    initial: Vec<Interval>,
    /// `P[s,a,t]` that are not 0, by `s A + a`.
    rows: Vec<Vec<(usize, Interval)>>,
    rewards: Vec<Interval>,
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
        let row = |row: &[Numeral]| {
            let stored = row.iter().enumerate().filter(|(_, p)| !p.is_zero());
            stored.map(|(t, p)| (t, p.lift())).collect()
        };
        Ok(Self {
            n_actions: problem.n_actions(),
            gamma: problem.gamma().lift(),
            gap: build::gap(problem, fixed.transitions.chunks(problem.n_states()))?,
            initial: build::initial(problem),
            rows: fixed.transitions.chunks(problem.n_states()).map(row).collect(),
            rewards: fixed.rewards.iter().map(Numeral::lift).collect(),
        })
    }

    /// Policy iteration, then a bound of what it ends with: no policy has more than
    /// `W + delta/(1-kappa)` where no action has more than `W + delta`.
    pub fn search(&self, halt: &Halt<'_>, progress: &mut dyn FnMut(Progress)) -> Found {
        let n = self.initial.len();
        let mut choice = vec![0; n];
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
            for i in s * self.n_actions..(s + 1) * self.n_actions {
                rise = f64::max(rise, (self.action_value(i, &values) - Interval::point(values[s])).upper());
            }
        }
        let lift = div_up(rise, self.gap.lower());
        let mean = |lift: f64| {
            let pairs = self.initial.iter().zip(&values);
            pairs.fold(Interval::point(0.0), |sum, (p, &v)| sum + *p * Interval::point(add_up(v, lift)))
        };
        let policy: Vec<f64> = choice
            .iter()
            .flat_map(|&taken| (0..self.n_actions).map(move |a| f64::from(u8::from(a == taken))))
            .collect();
        Found {
            value: f64::NEG_INFINITY,
            upper: mean(lift).upper(),
            attained: true,
            parameters: policy.clone(),
            policy,
            nodes: 0,
            stop,
            method: "policy iteration",
        }
    }

    /// `r + gamma P w`
    fn action_value(&self, i: usize, w: &[f64]) -> Interval {
        let next = self.rows[i].iter().map(|&(t, p)| p * Interval::point(w[t]));
        self.rewards[i] + self.gamma * next.fold(Interval::point(0.0), |sum, x| sum + x)
    }

    /// The values of a choice in doubles; none where they are not finite.
    fn values(&self, choice: &[usize]) -> Option<Vec<f64>> {
        let n = choice.len();
        let mut system = DMatrix::<f64>::identity(n, n);
        let row = |s: usize| s * self.n_actions + choice[s];
        for s in 0..n {
            for &(t, p) in &self.rows[row(s)] {
                system[(s, t)] -= self.gamma.approximate() * p.approximate();
            }
        }
        let rewards = DVector::from_iterator(n, (0..n).map(|s| self.rewards[row(s)].approximate()));
        let values = system.lu().solve(&rewards)?;
        values.iter().all(|v| v.is_finite()).then(|| values.as_slice().to_vec())
    }

    /// The choice with the best action wherever another one is better.
    fn improved(&self, choice: &[usize], values: &[f64]) -> Vec<usize> {
        let size = values.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
        let better = |s: usize| {
            let q = |a: usize| self.action_value(s * self.n_actions + a, values).approximate();
            let best = (0..self.n_actions).max_by(|&a, &b| q(a).total_cmp(&q(b))).unwrap_or(choice[s]);
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
    use pemdp::problem::Reading;

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
