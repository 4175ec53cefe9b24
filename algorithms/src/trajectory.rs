//! What a run of an algorithm leaves behind.

use serde::Serialize;
use serde_json::json;

use super::settings::SettingValues;
use pemdp::policy::Policy;

/// What it took to get somewhere, cumulative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Policies deployed: times the environment responded.
    pub deployments: u64,
    /// Environment steps sampled.
    pub samples: u64,
    /// Linear systems factorised and convex programs solved.
    pub solves: u64,
}

/// 2-norms of the exact gradient of the performative value, by term. For a
/// policy given by its probabilities, of its projection on `sum_a dpi(a|s) = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GradientNorms {
    /// Of `sum_s d[s] sum_a dpi(a|s) Q[s,a]`, with the entropy term.
    pub policy: f64,
    /// Of `sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]`.
    pub transition: f64,
    /// Of `sum_{s,a} d[s,a] dr[s,a]`.
    pub reward: f64,
}

/// How strongly things changed from the iterate before to this one, per unit
/// (2-norm) of the parameters, or of the probabilities where these are all that
/// the algorithm moves: lower estimates of the Lipschitz constants of the theory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sensitivity {
    /// `max_{s,a} |r' - r|`: of `L_r`.
    pub reward: f64,
    /// `max_{s,a} sum_t |P' - P|`: of `L_P`.
    pub transition: f64,
    /// `||grad' - grad||`: of the smoothness constant.
    pub smoothness: f64,
    /// The step itself: the distance from the iterate before.
    pub step: f64,
}

/// A measured iterate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Iterate {
    /// Number of the iterate, from 0.
    pub iteration: usize,
    /// Exact value of the iterate's policy in the environment that it induces
    /// itself, without entropy.
    pub value: f64,
    /// The same with the entropy that the algorithm maximises.
    pub regularised_value: f64,
    /// 2-norm of the exact gradient of `regularised_value`; infinite where a
    /// probability that is a parameter is 0 and there is entropy.
    pub gradient_norm: f64,
    /// The cost so far.
    #[serde(flatten)]
    pub cost: Cost,
    /// By term.
    pub gradient_norms: GradientNorms,
    /// Mean entropy of the policy over its own normalised occupancy, in nats.
    pub policy_entropy: f64,
    /// `max_{s,a} d^{pi*}_{pi}(s,a)/d^{pi}_{pi}(s,a)`, both in the environment of
    /// this iterate, `pi*` the best policy known ([`Task::comparator`](super::Task)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Places where the response is not differentiable here.
    pub kinks: usize,
    /// Against the iterate before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// Exact value in the environment that the algorithm acts in at this point,
    /// where that is not yet (or not any more) the one its policy induces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experienced_value: Option<f64>,
    /// The parameters of its policy, where they were asked for
    /// ([`Task::keeping_parameters`](super::Task::keeping_parameters)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<f64>>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// A measure of stationarity fell below its tolerance: a gradient norm, or
    /// for retraining the change of the policy.
    Converged {
        /// What was small.
        measure: &'static str,
        /// How small.
        size: f64,
    },
    /// The policy came back to where it was `period` iterates before.
    Cycle {
        /// At least 2.
        period: usize,
    },
    /// The gradient fell below its tolerance because parameters ran to infinity:
    /// the policy tends to one on the boundary, which is not attained.
    Limit {
        /// Norm of the gradient.
        gradient_norm: f64,
        /// States in which one action has probability at least 1 - 1e-6.
        deterministic_states: usize,
    },
    /// No step along the search direction improves although the gradient is not
    /// small: a kink, or the limit of the arithmetic.
    Stalled {
        /// Norm of the gradient.
        gradient_norm: f64,
    },
    /// The iterations were used up.
    IterationLimit,
    /// The observer ended the run.
    Interrupted,
}

impl Stop {
    /// The word for it in a file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Converged { .. } => "converged",
            Self::Cycle { .. } => "cycle",
            Self::Limit { .. } => "limit",
            Self::Stalled { .. } => "stalled",
            Self::IterationLimit => "iteration-limit",
            Self::Interrupted => "interrupted",
        }
    }

    /// A sentence about it.
    pub fn reason(&self) -> String {
        match self {
            Self::Converged { measure, size } => format!("{measure} is {size:.3e}"),
            Self::Cycle { period } => format!("the policies repeat with period {period}"),
            Self::Limit { gradient_norm, deterministic_states } => format!(
                "the gradient norm is {gradient_norm:.3e} because parameters run to infinity: \
                 {deterministic_states} states have an action of probability at least 1 - 1e-6"
            ),
            Self::Stalled { gradient_norm } => {
                format!("no step improves although the gradient norm is {gradient_norm:.3e}")
            }
            Self::IterationLimit => "the iterations were used up".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }
}

/// A run: settings, seed, every iterate, and why it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Name of the algorithm.
    pub algorithm: &'static str,
    /// All its settings.
    pub settings: SettingValues,
    /// The seed of its random choices.
    pub seed: u64,
    /// The iterates, in order; never empty.
    pub iterates: Vec<Iterate>,
    /// Why it ended.
    pub stop: Stop,
    /// The policy it ended with.
    pub policy: Policy<f64>,
    /// The recorded policy of the largest value (without entropy).
    pub best_policy: Policy<f64>,
    /// Where a guarantee that is usually quoted does not hold on this run.
    pub warnings: Vec<String>,
}

impl Trajectory {
    /// Value of the last iterate.
    pub fn last_value(&self) -> f64 {
        self.iterates.last().map_or(f64::NAN, |iterate| iterate.value)
    }

    /// The iterate of the largest value.
    pub fn best(&self) -> Option<&Iterate> {
        self.iterates.iter().max_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// The file `pemdp-trajectory/1`.
    pub fn to_json(&self) -> impl Serialize + use<> {
        let policy = |policy: &Policy<f64>| -> Vec<Vec<f64>> {
            let row = |s| (0..policy.n_actions()).map(|a| *policy.probability(s, a)).collect();
            (0..policy.n_states()).map(row).collect()
        };
        let mut document = json!({
            "format": "pemdp-trajectory/1",
            "version": env!("CARGO_PKG_VERSION"),
            "algorithm": self.algorithm,
            "settings": self.settings,
            "seed": self.seed,
            "iterates": self.iterates,
            "stop": self.stop.word(),
            "stop_reason": self.stop.reason(),
            "policy": policy(&self.policy),
            "parameters": self.policy.parameters(),
            "best": self.best().map(|best| json!({
                "iteration": best.iteration,
                "value": best.value,
                "policy": policy(&self.best_policy),
                "parameters": self.best_policy.parameters(),
            })),
            "warnings": self.warnings,
        });
        if let Stop::Cycle { period } = self.stop {
            document["period"] = json!(period);
        }
        document
    }
}
