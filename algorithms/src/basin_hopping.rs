//! Basin hopping: ascent from perturbations of the best policy known.

use std::ops::ControlFlow;

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::ascent::Adam;
use super::parameters::Parameters;
use super::run::Run;
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Entry, Task, build, settings};
use crate::planning::best_response;
use pemdp::performative::PerformativeMdp;

settings! {
    /// Looks for better local maxima of `J`: in each iteration `tries` perturbations
    /// of the best policy known are improved by Adam on the gradient of a smoothed
    /// response, and the best policy met, by its exact value, is kept. The first ascents
    /// are those from the start and, where the environment can be retrained in, from the
    /// policy that a few exact retrainings lead to, mixed with the uniform one: a good
    /// basin to begin with is worth many perturbations.
    ///
    /// A perturbation mixes `pi(.|s)` with a random distribution (uniform on the
    /// simplex), with a weight of .2 to .9 in a random 5, 15 or 40 % of the states and
    /// .01 elsewhere. The temperature of the response falls geometrically during an
    /// ascent, so that it first crosses kinks and then settles on them; a perturbation
    /// that comes within `margin` of the best value is improved further at a lower
    /// temperature with shorter steps. Where the response has no kinks to smooth the
    /// ascents follow the exact gradient. Perturbations are drawn before the tries of
    /// an iteration run in parallel: the result does not depend on the threads.
    pub struct BasinHopping {
        /// Largest number of iterations.
        pub iterations: usize = 100,
            "largest number of rounds of perturbations, at least 1", Range::AT_LEAST_ONE;
        /// Perturbations in each.
        pub tries: usize = 4, "perturbations in each round, at least 1", Range::AT_LEAST_ONE;
        /// Adam steps of an ascent; four times as many in the first, from the start.
        pub steps: usize = 150, "steps of an ascent, at least 1", Range::AT_LEAST_ONE;
        /// Adam's step size.
        pub step: f64 = 0.1, "step size of Adam, above 0", Range::POSITIVE;
        /// The first temperature. Ascents start from it or from a tenth, in turns.
        pub smoothing: f64 = 1e-2, "first temperature of a smoothed response, above 0", Range::POSITIVE;
        /// How far below the best value a perturbation is improved further.
        pub margin: f64 = 6e-4,
            "how far below the best value a try is improved further, at least 0", Range::NOT_NEGATIVE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "basin-hopping",
    about: "ascent on a smoothed response from perturbations of the best policy known",
    source: "[derived]",
    settings: BasinHopping::TABLE,
    build: build::<BasinHopping>,
};

/// Shares of the states that are perturbed strongly.
const SHARES: [f64; 3] = [0.05, 0.15, 0.4];
/// The weight of the random distribution in the other states.
const SLIGHT: f64 = 0.01;

/// Retrainings before the second ascent.
const RETRAININGS: usize = 4;
/// The weight of the uniform policy in what it starts from.
const UNIFORM: f64 = 0.2;
/// The same between retrainings: logits are finite.
const NEARLY_GREEDY: f64 = 1e-12;

/// Temperatures and steps of one ascent.
struct Stage {
    first: f64,
    last: f64,
    steps: usize,
    step: f64,
}

/// The best policy of an ascent.
struct Reached {
    value: f64,
    theta: Vec<f64>,
    evaluations: u64,
}

impl Algorithm for BasinHopping {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let parameters = Parameters::of(self.name(), &task.start)?;
        if parameters.features().is_some() {
            let why = "policy.kind is \"log-linear\", expected one whose states can be perturbed one by one";
            return Err(AlgorithmError::NotApplicable { algorithm: self.name(), why: why.to_owned() });
        }
        let search = Search { environment: &task.environment, parameters: &parameters };
        if let ControlFlow::Break(stop) = search.record(&parameters.theta, run)? {
            return Ok(stop);
        }
        let mut best = search.ascend(parameters.theta.clone(), &self.stage(0.0, 4 * self.steps))?;
        pay(best.evaluations, run);
        if task.environment.response.retrainable().is_ok() {
            let theta = retrained(&task.environment, &parameters)?;
            let other = search.ascend(theta, &self.stage(0.0, 4 * self.steps))?;
            pay(other.evaluations + RETRAININGS as u64, run);
            if other.value > best.value {
                best = other;
            }
        }
        for iteration in 0..self.iterations {
            if let ControlFlow::Break(stop) = search.record(&best.theta, run)? {
                return Ok(stop);
            }
            let turn = if iteration % 2 == 0 { 0.0 } else { 1.0 };
            let perturbed: Vec<Vec<f64>> =
                (0..self.tries).map(|_| perturbed(&best.theta, task.start.n_actions(), run.rng())).collect();
            let reached: Vec<Reached> = perturbed
                .into_par_iter()
                .map(|theta| self.improve(&search, theta, turn, best.value - self.margin))
                .collect::<Result<_, _>>()?;
            for reached in reached {
                pay(reached.evaluations, run);
                if reached.value > best.value {
                    best = reached;
                }
            }
        }
        Ok(match search.record(&best.theta, run)? {
            ControlFlow::Break(stop) => stop,
            ControlFlow::Continue(()) => Stop::IterationLimit,
        })
    }
}

impl BasinHopping {
    /// The temperature falls to a hundredth of the first, the start's to a
    /// thousandth; `turn` is how many tenths it starts lower.
    fn stage(&self, turn: f64, steps: usize) -> Stage {
        let last = if steps == self.steps { 1e-2 } else { 1e-3 };
        Stage {
            first: self.smoothing * 0.1f64.powf(turn),
            last: self.smoothing * last,
            steps,
            step: self.step,
        }
    }

    /// An ascent, and a second one if it comes above `enough`.
    fn improve(
        &self,
        search: &Search<'_>,
        theta: Vec<f64>,
        turn: f64,
        enough: f64,
    ) -> Result<Reached, AlgorithmError> {
        let coarse = search.ascend(theta, &self.stage(turn, self.steps))?;
        if coarse.value < enough {
            return Ok(coarse);
        }
        let stage = Stage {
            first: 0.03 * self.smoothing,
            last: 3e-4 * self.smoothing,
            steps: self.steps,
            step: 0.2 * self.step,
        };
        let fine = search.ascend(coarse.theta.clone(), &stage)?;
        let evaluations = coarse.evaluations + fine.evaluations;
        let better = if fine.value > coarse.value { fine } else { coarse };
        Ok(Reached { evaluations, ..better })
    }
}

/// What all ascents share.
struct Search<'a> {
    environment: &'a PerformativeMdp<f64>,
    parameters: &'a Parameters,
}

impl Search<'_> {
    fn record(&self, theta: &[f64], run: &mut Run<'_>) -> Result<ControlFlow<Stop>, AlgorithmError> {
        let policy = self.parameters.policy(theta)?;
        let performance = self.environment.perform(&policy)?;
        run.record(&policy, &performance)
    }

    /// Adam on the smoothed response; the point of largest exact value.
    fn ascend(&self, mut theta: Vec<f64>, stage: &Stage) -> Result<Reached, AlgorithmError> {
        let mut adam = Adam::default();
        let mut best = Reached { value: f64::NEG_INFINITY, theta: theta.clone(), evaluations: 0 };
        for i in 0..=stage.steps {
            let policy = self.parameters.policy(&theta)?;
            let performance = self.environment.perform(&policy)?;
            best.evaluations += 1;
            if performance.evaluation.value > best.value {
                best.value = performance.evaluation.value;
                best.theta.clone_from(&theta);
            }
            let share = i as f64 / stage.steps as f64;
            let temperature = stage.first * (stage.last / stage.first).powf(share);
            let smoothed = self.environment.smoothed(&temperature);
            let followed = match &smoothed {
                None => performance,
                Some(smoothed) => smoothed.perform(&policy)?,
            };
            // Softmax gradients are finite: every probability is positive.
            let gradient: Vec<f64> =
                followed.gradient.total().into_iter().map(|g| g.unwrap_or(0.0)).collect();
            for (x, step) in theta.iter_mut().zip(adam.step(&gradient, stage.step)) {
                *x += step;
            }
        }
        Ok(best)
    }
}

/// Logits of the policy after a few exact retrainings, mixed with the uniform one, with
/// the normaliser of each state as it was.
fn retrained(
    environment: &PerformativeMdp<f64>,
    parameters: &Parameters,
) -> Result<Vec<f64>, AlgorithmError> {
    let mut theta = parameters.theta.clone();
    for round in 1..=RETRAININGS {
        let share = if round == RETRAININGS { UNIFORM } else { NEARLY_GREEDY };
        let policy = parameters.policy(&theta)?;
        let n_actions = policy.n_actions();
        let choice = best_response(&environment.deploy(&policy)?.mdp)?.choice;
        for (logits, chosen) in theta.chunks_mut(n_actions).zip(choice) {
            let (largest, normaliser) = normaliser(logits);
            for (a, x) in logits.iter_mut().enumerate() {
                let greedy = if a == chosen { 1.0 - share } else { 0.0 };
                *x = (greedy + share / n_actions as f64).ln() + normaliser.ln() + largest;
            }
        }
    }
    Ok(theta)
}

/// `m` and `sum exp(x - m)`, `m` the largest logit.
fn normaliser(logits: &[f64]) -> (f64, f64) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (largest, logits.iter().map(|x| (x - largest).exp()).sum())
}

/// Every evaluation deploys a policy and solves for its values.
fn pay(evaluations: u64, run: &mut Run<'_>) {
    run.cost.deployments += evaluations;
    run.cost.solves += evaluations;
}

/// Logits of a policy mixed with random distributions, with the normaliser of each
/// state as it was.
fn perturbed(theta: &[f64], n_actions: usize, rng: &mut impl Rng) -> Vec<f64> {
    let share = SHARES[rng.random_range(0..SHARES.len())];
    let mut result = Vec::with_capacity(theta.len());
    for logits in theta.chunks(n_actions) {
        let weight = if rng.random_bool(share) { rng.random_range(0.2..0.9) } else { SLIGHT };
        // Exponential draws, divided by their sum, are uniform on the simplex.
        let draws: Vec<f64> = logits.iter().map(|_| -rng.random_range(1e-9f64..1.0).ln()).collect();
        let total: f64 = draws.iter().sum();
        let (largest, normaliser) = normaliser(logits);
        let mixed = logits.iter().zip(&draws).map(|(x, draw)| {
            let probability = (1.0 - weight) * (x - largest).exp() / normaliser + weight * draw / total;
            probability.ln() + normaliser.ln() + largest
        });
        result.extend(mixed);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::SOLVED;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn perturbations_keep_normalisers_and_change_a_share_of_the_states() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let theta: Vec<f64> = (0..4000).map(|i| 3.0 * (i as f64).sin()).collect();
        let exponentials = |x: &[f64]| x.iter().map(|x| x.exp()).collect::<Vec<f64>>();
        let mut counts = Vec::new();
        for _ in 0..12 {
            let after = perturbed(&theta, 4, &mut rng);
            let mut changed = 0;
            for (before, after) in theta.chunks(4).zip(after.chunks(4)) {
                let (before, after) = (exponentials(before), exponentials(after));
                let (sum, same): (f64, f64) = (before.iter().sum(), after.iter().sum());
                assert!((sum / same - 1.0).abs() < SOLVED);
                // A weight w moves no probability by more than w.
                let largest = before.iter().zip(&after).map(|(x, y)| (x - y).abs() / sum).fold(0.0, f64::max);
                changed += usize::from(largest > SLIGHT);
            }
            counts.push(changed);
        }
        counts.sort_unstable();
        assert!(counts[0] > 20 && counts[0] < 80 && counts[11] > 300 && counts[11] < 480, "{counts:?}");
    }
}
