//! Random problems with a strength of performativity, and their certified range.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ExperimentError;
use pemdp::arithmetic::rounding::add_down;
use pemdp::arithmetic::{Field, Interval};
use pemdp::policy::Policy;
use pemdp::problem::{Numeral, Problem, Reading};
use pemdp_algorithms::Range;
use pemdp_optimum::{OptimumSettings, performative_optimum};

/// A random problem. The seed alone decides what is drawn, so that problems of one
/// seed differ in the strength and the discount factor only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RandomProblem {
    /// How it responds.
    pub(super) kind: FamilyKind,
    /// Number of states.
    pub(super) n_states: usize,
    /// Number of actions.
    pub(super) n_actions: usize,
    /// `k`: 0 is a fixed MDP.
    pub(super) strength: f64,
    /// The discount factor.
    pub(super) gamma: f64,
    /// Of what is drawn.
    pub(super) seed: u64,
}

/// How random problems respond. The first state is uniform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FamilyKind {
    /// With a random pair `(s2,a2)` and random distributions `up`, `down` for each
    /// row, `P[s,a,.] = (up + down)/2 + k (up - down)(pi(a2|s2) - 1/2)` and
    /// `r[s,a] = c + k n (pi(a2|s2) - 1/2)`, `c` and `n` uniform in [-1, 1]. The
    /// uniform policy of two actions induces the same environment at every strength.
    Affine,
    /// `P[s,a,t]` proportional to `exp(b[s,a,t] + k psi[t] theta[s,a])`; `b` uniform
    /// in [-2, 2], `psi` evenly spread over [-1, 1], rewards uniform in [-1, 1] and
    /// fixed.
    ExponentialFamily,
}

impl FamilyKind {
    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Affine => "affine",
            Self::ExponentialFamily => "exponential-family",
        }
    }
}

/// Strengths are multiples of this, so that doubles hold all numbers of an affine
/// problem exactly.
const STRENGTH_UNIT: f64 = 1.0 / 64.0;

/// The strengths of a response.
pub(super) const STRENGTH: Range<f64> = Range::new(
    |k| (0.0..=1.0).contains(&k) && (k / STRENGTH_UNIT).fract() == 0.0,
    "a multiple of 1/64 from 0 to 1",
);
/// The discount factors.
pub(super) const GAMMA: Range<f64> = Range::new(|x| (0.0..1.0).contains(&x), "at least 0 and below 1");

/// A multiple of 1/64 in [-1, 1].
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.random_range(-64..=64)) / 64.0
}

impl RandomProblem {
    /// The problem with the uniform policy.
    pub(super) fn problem(&self) -> Result<Problem, ExperimentError> {
        self.with_rewards_times(1.0)
    }

    /// The same with all rewards multiplied.
    fn with_rewards_times(&self, factor: f64) -> Result<Problem, ExperimentError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let environment = match self.kind {
            FamilyKind::Affine => self.affine(&mut rng, factor),
            FamilyKind::ExponentialFamily => self.family(&mut rng, factor),
        };
        let (policy, entries) = match self.kind {
            FamilyKind::Affine => ("weights", ("values", 1)),
            FamilyKind::ExponentialFamily => ("softmax", ("logits", 0)),
        };
        let json = json!({
            "format": "pemdp-problem/1",
            "gamma": self.gamma,
            // As fractions, to sum to 1 for every number of states.
            "initial": vec![format!("1/{}", self.n_states); self.n_states],
            "policy": {"kind": policy, entries.0: vec![vec![entries.1; self.n_actions]; self.n_states]},
            "environment": environment,
        });
        Ok(Problem::from_json(&json.to_string(), Reading::Doubles)?)
    }

    fn affine(&self, rng: &mut ChaCha8Rng, factor: f64) -> Value {
        let (n_states, n_actions, k) = (self.n_states, self.n_actions, self.strength);
        let (mut transitions, mut rewards) = (Vec::new(), Vec::new());
        let (mut transition_slopes, mut reward_slopes) = (Vec::new(), Vec::new());
        for s in 0..n_states {
            let (mut rows, mut row_rewards) = (Vec::new(), Vec::new());
            for a in 0..n_actions {
                let (up, down) = (distribution(rng, n_states), distribution(rng, n_states));
                let (s2, a2) = (rng.random_range(0..n_states), rng.random_range(0..n_actions));
                let (c, n) = (factor * uniform(rng), factor * uniform(rng));
                let at_zero = |(u, d): (&f64, &f64)| ((1.0 - k) * u + (1.0 + k) * d) / 2.0;
                rows.push(up.iter().zip(&down).map(at_zero).collect::<Vec<f64>>());
                for (t, (u, d)) in up.iter().zip(&down).enumerate() {
                    transition_slopes.push(json!([s, a, t, s2, a2, k * (u - d)]));
                }
                row_rewards.push(c - k * n / 2.0);
                reward_slopes.push(json!([s, a, s2, a2, k * n]));
            }
            transitions.push(rows);
            rewards.push(row_rewards);
        }
        json!({
            "kind": "affine",
            "transitions": transitions,
            "transition_slopes": transition_slopes,
            "rewards": rewards,
            "reward_slopes": reward_slopes,
        })
    }

    fn family(&self, rng: &mut ChaCha8Rng, factor: f64) -> Value {
        let mut table =
            |width: usize, scale: f64| -> Vec<f64> { (0..width).map(|_| scale * uniform(rng)).collect() };
        let rewards: Vec<Vec<f64>> = (0..self.n_states).map(|_| table(self.n_actions, factor)).collect();
        let mut rows = || (0..self.n_actions).map(|_| table(self.n_states, 2.0)).collect::<Vec<_>>();
        let base: Vec<Vec<Vec<f64>>> = (0..self.n_states).map(|_| rows()).collect();
        let spread = (self.n_states.max(2) - 1) as f64;
        let psi: Vec<f64> =
            (0..self.n_states).map(|t| self.strength * (2.0 * t as f64 / spread - 1.0)).collect();
        json!({
            "kind": "exponential-family",
            "psi": psi,
            "base_logits": base,
            "reward": {"base": rewards, "slope": 0, "clip": null},
        })
    }

    /// Bounds of the largest and the smallest performative value of any policy of
    /// the domain, each certified to within `gap`.
    pub(super) fn range(&self, gap: f64) -> Result<ValueRange, ExperimentError> {
        let settings = OptimumSettings { gap, ..OptimumSettings::default() };
        let best = performative_optimum(&self.problem()?, &settings)?;
        let worst = performative_optimum(&self.with_rewards_times(-1.0)?, &settings)?;
        Ok(ValueRange { best: [best.value, best.upper_bound], worst: [-worst.upper_bound, -worst.value] })
    }
}

/// An enclosure of the value of a policy; everything where it is no double.
pub(super) fn enclosed_value(problem: &Problem, policy: &Policy<f64>) -> Interval {
    let Ok(deployed) = problem.deploying(policy.parametrisation().map(|&x| Numeral::from(x))) else {
        return Interval::ENTIRE;
    };
    match deployed.bounded_value() {
        Ok(found) => Interval::point(found.value).widened(found.error_bound),
        Err(_) => Interval::ENTIRE,
    }
}

/// How often each state is drawn in 64 draws.
fn distribution(rng: &mut ChaCha8Rng, n_states: usize) -> Vec<f64> {
    const DRAWS: usize = 64;
    let mut share = vec![0.0; n_states];
    for _ in 0..DRAWS {
        share[rng.random_range(0..n_states)] += 1.0 / DRAWS as f64;
    }
    share
}

/// Certified bounds of the largest and of the smallest value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueRange {
    /// The value of a policy, and a bound of that of every policy.
    pub(super) best: [f64; 2],
    /// A bound of the value of every policy, and the value of one.
    pub(super) worst: [f64; 2],
}

impl ValueRange {
    /// Bounds of `(V_best - v)/(V_best - V_worst)`, the share of the range that a
    /// value `v` in it loses; none where the range may be a point.
    ///
    /// The share increases with `V_best` and with `V_worst`.
    pub(super) fn share_lost(&self, v: Interval) -> Option<[f64; 2]> {
        let share = |i: usize| {
            let (best, worst) = (Interval::point(self.best[i]), Interval::point(self.worst[i]));
            (best - v) / (best - worst)
        };
        let bounds = || [share(0).lower(), share(1).upper()].map(|x| x.clamp(0.0, 1.0));
        (self.best[0] > self.worst[1]).then(bounds)
    }

    /// The least that the range can be.
    pub(super) fn width(&self) -> f64 {
        add_down(self.best[0], -self.worst[1])
    }
}

/// The `q`-quantile of values in increasing order: the one at `q (n - 1)`, rounded.
pub(super) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((q * last as f64).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pemdp::policy::Policy;

    fn random(kind: FamilyKind, strength: f64, seed: u64) -> RandomProblem {
        RandomProblem { kind, n_states: 2, n_actions: 2, strength, gamma: 0.875, seed }
    }

    #[test]
    fn the_uniform_policy_induces_the_same_environment_at_every_strength() {
        let value = |strength: f64| {
            let problem = random(FamilyKind::Affine, strength, 3).problem().unwrap();
            problem.exact_answer().unwrap().value
        };
        assert_eq!(value(0.0), value(1.0));
        assert_eq!(value(0.0), value(0.25));
    }

    #[test]
    fn the_range_holds_the_value_of_random_policies() {
        for kind in [FamilyKind::Affine, FamilyKind::ExponentialFamily] {
            for seed in 0..4 {
                let random = random(kind, 0.75, seed);
                let range = random.range(1e-4).unwrap();
                assert!(range.best[1] - range.best[0] <= 1e-4 && range.worst[1] - range.worst[0] <= 1e-4);
                let model = random.problem().unwrap().model::<f64>().unwrap();
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut seen = [f64::INFINITY, f64::NEG_INFINITY];
                for _ in 0..400 {
                    // Near the limits, too.
                    let mut logit =
                        || rng.random_range(-3.0..3.0) * if rng.random_bool(0.5) { 10.0 } else { 1.0 };
                    let logits = (0..4).map(|_| logit()).collect();
                    let policy = Policy::softmax(2, 2, logits).unwrap();
                    let value = model.perform(&policy).unwrap().evaluation.value;
                    seen = [seen[0].min(value), seen[1].max(value)];
                    let [low, high] = range.share_lost(Interval::point(value)).unwrap();
                    assert!(low <= high && (0.0..=1.0).contains(&low));
                }
                assert!(range.worst[0] <= seen[0] && seen[1] <= range.best[1]);
                // Not much wider than what is seen either.
                assert!(seen[1] - seen[0] > 0.7 * range.width(), "{range:?} {seen:?}");
            }
        }
    }

    #[test]
    fn quantiles_are_values() {
        assert_eq!([0.0, 0.5, 1.0].map(|q| quantile(&[1.0, 2.0, 4.0], q)), [1.0, 2.0, 4.0].map(Some));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
