//! A run while it lasts: measures iterates and keeps what was measured.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::trajectory::{Cost, GradientNorms, Iterate, Sensitivity, Stop, Trajectory};
use super::{Algorithm, AlgorithmError, Guarantee, Task};
use pemdp::linear::{Factorisation, Lu, Rows};
use pemdp::mdp::Mdp;
use pemdp::performative::{Performance, PerformativeMdp};
use pemdp::policy::Policy;

/// The longest period that is recognised.
const LONGEST_PERIOD: usize = 64;
/// A cycle that contracts by less than this share of its steps in each period
/// cannot be told from one that does not.
const STANDING: f64 = 1e-6;
/// An action with at least this probability counts as chosen for certain.
const CERTAIN: f64 = 1.0 - 1e-6;

/// What an algorithm reports to.
pub struct Run<'a> {
    rng: ChaCha8Rng,
    /// The cost so far; algorithms add to it, measuring does not.
    pub cost: Cost,
    /// Value in the environment that the algorithm acts in, where that is
    /// another one; goes with the next iterate.
    pub experienced_value: Option<f64>,
    /// What besides the policy decides the iterates that follow (an environment
    /// in force, an occupancy), where there is such a thing; goes with the next
    /// iterate. A recurrence repeats it too.
    pub memory: Vec<f64>,
    start: &'a Policy<f64>,
    comparator: Option<&'a Policy<f64>>,
    keeps_parameters: bool,
    observer: &'a mut dyn FnMut(&Iterate) -> ControlFlow<()>,
    iterates: Vec<Iterate>,
    recent: VecDeque<(Policy<f64>, Vec<f64>)>,
    before: Option<Snapshot>,
    thinned: Thinned,
    best: Option<(f64, Policy<f64>)>,
}

/// What the next iterate is compared with.
struct Snapshot {
    position: Vec<f64>,
    rewards: Vec<f64>,
    rows: Rows<f64>,
    gradient: Vec<f64>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        task: &'a Task,
        rng: ChaCha8Rng,
        observer: &'a mut dyn FnMut(&Iterate) -> ControlFlow<()>,
    ) -> Self {
        Self {
            rng,
            cost: Cost::default(),
            experienced_value: None,
            memory: Vec::new(),
            start: &task.start,
            comparator: task.comparator.as_ref(),
            keeps_parameters: task.keeps_parameters,
            observer,
            iterates: Vec::new(),
            recent: VecDeque::new(),
            before: None,
            thinned: Thinned { policies: Vec::new(), stride: 1 },
            best: None,
        }
    }

    /// The source of all its random choices.
    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.rng
    }

    /// Measures an iterate: `performance` is that of `policy` in the true
    /// environment that it induces. Breaks where the run is to end.
    ///
    /// # Errors
    /// [`AlgorithmError`] where the comparator cannot be evaluated here.
    pub fn record(
        &mut self,
        policy: &Policy<f64>,
        performance: &Performance<'_, f64>,
    ) -> Result<ControlFlow<Stop>, AlgorithmError> {
        let (mdp, evaluation) = (&performance.mdp, &performance.evaluation);
        let terms = &performance.gradient;
        let policy_term =
            terms.policy.iter().zip(&terms.entropy).map(|(p, e)| p.map_or(f64::INFINITY, |p| p + e));
        let gradient = gradient(performance);
        let snapshot = Snapshot {
            position: policy.parameters(),
            rewards: rewards(mdp),
            rows: mdp.kernel().rows().clone(),
            gradient: gradient.clone(),
        };
        let value: f64 = evaluation.occupancy.iter().zip(&snapshot.rewards).map(|(d, r)| d * r).sum();
        if !(value.is_finite() && evaluation.value.is_finite()) {
            return Err(AlgorithmError::NotFinite { iteration: self.iterates.len() });
        }
        let iterate = Iterate {
            iteration: self.iterates.len(),
            value,
            regularised_value: evaluation.value,
            gradient_norm: tangent_norm(policy, gradient),
            cost: self.cost,
            gradient_norms: GradientNorms {
                policy: tangent_norm(policy, policy_term.collect()),
                transition: tangent_norm(policy, terms.transition.clone()),
                reward: tangent_norm(policy, terms.reward.clone()),
            },
            policy_entropy: policy_entropy(policy, &evaluation.state_occupancy),
            coverage: match self.comparator {
                Some(comparator) => Some(coverage(mdp, comparator, &evaluation.occupancy)?),
                None => None,
            },
            kinks: performance.kinks.len(),
            sensitivity: self.before.as_ref().map(|before| snapshot.sensitivity(before)),
            experienced_value: self.experienced_value.take(),
            parameters: self.keeps_parameters.then(|| snapshot.position.clone()),
        };
        self.before = Some(snapshot);
        if self.best.as_ref().is_none_or(|(best, _)| iterate.value > *best) {
            self.best = Some((iterate.value, policy.clone()));
        }
        self.thinned.push(iterate.iteration, policy);
        self.recent.push_front((policy.clone(), std::mem::take(&mut self.memory)));
        self.recent.truncate(LONGEST_PERIOD + 1);
        let flow = (self.observer)(&iterate);
        self.iterates.push(iterate);
        Ok(match flow {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(()) => ControlFlow::Break(Stop::Interrupted),
        })
    }

    /// Whether the last recorded policy, and the memory with it, is that of an
    /// earlier iterate, entry by entry within `tolerance`: converged if it is the
    /// one before, else a cycle. Iterates that alternate while they converge are
    /// no cycle: it must return to within a millionth of its last step.
    pub fn recurrence(&self, tolerance: f64) -> Option<Stop> {
        let (last, memory) = self.recent.front()?;
        let distance = |(other, _): &(Policy<f64>, Vec<f64>)| {
            largest_difference(probabilities(last), probabilities(other))
        };
        let step = distance(self.recent.get(1)?);
        let recurs = |back: usize, entry: &(Policy<f64>, Vec<f64>)| {
            let size = distance(entry);
            let change = largest_difference(memory.iter().copied(), entry.1.iter().copied());
            let stands = back == 1 || size <= STANDING * step;
            (size <= tolerance && change <= tolerance && stands).then_some((back, size))
        };
        let mut earlier = self.recent.iter().enumerate().skip(1);
        let (back, size) = earlier.find_map(|(back, entry)| recurs(back, entry))?;
        Some(match back {
            1 => Stop::Converged { measure: "the largest change of a probability", size },
            period => Stop::Cycle { period },
        })
    }

    /// Convergence of ascent, told apart from a limit at infinity.
    pub(super) fn stationary(&self, policy: &Policy<f64>, gradient_norm: f64) -> Stop {
        let deterministic_states = (0..policy.n_states())
            .filter(|&s| policy.n_actions() > 1 && largest_probability(policy, s) >= CERTAIN)
            .count();
        if deterministic_states > 0 {
            Stop::Limit { gradient_norm, deterministic_states }
        } else {
            Stop::Converged { measure: "the gradient norm", size: gradient_norm }
        }
    }

    pub(super) fn into_trajectory(
        mut self,
        algorithm: &dyn Algorithm,
        environment: &PerformativeMdp<f64>,
        seed: u64,
        stop: Stop,
    ) -> Result<Trajectory, AlgorithmError> {
        let policy = self.recent.pop_front().map_or_else(|| self.start.clone(), |(policy, _)| policy);
        let best_policy = self.best.take().map_or_else(|| policy.clone(), |(_, policy)| policy);
        if self.comparator.is_none() {
            let last = self.iterates.len().saturating_sub(1);
            let kept =
                self.thinned.policies.iter().filter(|(i, _)| *i != last).map(|(i, policy)| (*i, policy));
            for (i, policy) in kept.chain([(last, &policy)]) {
                let deployment = environment.deploy(policy)?;
                let occupancy = deployment.evaluate(&0.0)?.occupancy;
                if let Some(iterate) = self.iterates.get_mut(i) {
                    iterate.coverage = Some(coverage(&deployment.mdp, &best_policy, &occupancy)?);
                }
            }
        }
        let shape = (policy.n_states(), policy.n_actions());
        Ok(Trajectory {
            algorithm: algorithm.name(),
            settings: algorithm.settings(),
            seed,
            warnings: warnings(&self.iterates, stop, shape, algorithm.guarantee()),
            iterates: self.iterates,
            stop,
            best_policy,
            policy,
        })
    }
}

/// Policies of evenly spaced iterates.
struct Thinned {
    policies: Vec<(usize, Policy<f64>)>,
    stride: usize,
}

impl Thinned {
    /// About half to all of so many are kept.
    const KEPT: usize = 100;

    fn push(&mut self, iteration: usize, policy: &Policy<f64>) {
        if iteration.is_multiple_of(self.stride) {
            self.policies.push((iteration, policy.clone()));
        }
        if self.policies.len() > Self::KEPT {
            self.stride *= 2;
            self.policies.retain(|(iteration, _)| iteration.is_multiple_of(self.stride));
        }
    }
}

impl Snapshot {
    fn sensitivity(&self, before: &Self) -> Sensitivity {
        let distance =
            |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        let step = distance(&self.position, &before.position);
        let reward = self.rewards.iter().zip(&before.rewards).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        let row = |i: usize| {
            let mut difference = vec![0.0; self.rows.width()];
            self.rows.row(i).for_each(|(t, p)| difference[t] += p);
            before.rows.row(i).for_each(|(t, p)| difference[t] -= p);
            difference.iter().map(|x| x.abs()).sum::<f64>()
        };
        let transition = (0..self.rows.len()).map(row).fold(0.0, f64::max);
        let per_step = |x: f64| if step > 0.0 { x / step } else { 0.0 };
        Sensitivity {
            reward: per_step(reward),
            transition: per_step(transition),
            smoothness: per_step(distance(&self.gradient, &before.gradient)),
            step,
        }
    }
}

/// The exact gradient, infinite where it is.
pub(super) fn gradient(performance: &Performance<'_, f64>) -> Vec<f64> {
    performance.gradient.total().into_iter().map(|g| g.unwrap_or(f64::INFINITY)).collect()
}

/// `r[s,a]`, flat.
pub(super) fn rewards(mdp: &Mdp<f64>) -> Vec<f64> {
    (0..mdp.n_states() * mdp.n_actions())
        .map(|i| *mdp.reward(i / mdp.n_actions(), i % mdp.n_actions()))
        .collect()
}

/// `pi(a|s)`, flat.
pub(super) fn probabilities(policy: &Policy<f64>) -> impl Iterator<Item = f64> + '_ {
    let n_actions = policy.n_actions();
    (0..policy.n_states() * n_actions).map(move |i| *policy.probability(i / n_actions, i % n_actions))
}

fn largest_difference(xs: impl Iterator<Item = f64>, ys: impl Iterator<Item = f64>) -> f64 {
    xs.zip(ys).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

fn largest_probability(policy: &Policy<f64>, state: usize) -> f64 {
    (0..policy.n_actions()).map(|a| *policy.probability(state, a)).fold(0.0, f64::max)
}

/// Takes away each state's mean: the projection on `{u: sum_a u(a|s) = 0}`.
pub(super) fn project(n_actions: usize, vector: &mut [f64]) {
    for row in vector.chunks_mut(n_actions) {
        let mean = row.iter().sum::<f64>() / n_actions as f64;
        row.iter_mut().for_each(|x| *x -= mean);
    }
}

/// 2-norm of a vector over the parameters; for probabilities without each
/// state's mean, which no change of a distribution feels.
fn tangent_norm(policy: &Policy<f64>, mut vector: Vec<f64>) -> f64 {
    if !policy.is_normalised_by_construction() {
        project(policy.n_actions(), &mut vector);
    }
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm.is_nan() { f64::INFINITY } else { norm }
}

/// `sum_s d[s] H(pi(.|s)) / sum_s d[s]`.
fn policy_entropy(policy: &Policy<f64>, state_occupancy: &[f64]) -> f64 {
    let entropy = |s: usize| {
        let terms = (0..policy.n_actions()).map(|a| *policy.probability(s, a)).filter(|pi| *pi > 0.0);
        -terms.map(|pi| pi * pi.ln()).sum::<f64>()
    };
    let total: f64 = state_occupancy.iter().sum();
    let weighted = state_occupancy.iter().enumerate().map(|(s, d)| d * entropy(s)).sum::<f64>();
    (weighted / total).max(0.0)
}

/// `max d^{pi*}_{pi}/d^{pi}_{pi}` over state-action pairs that `pi*` visits.
fn coverage(mdp: &Mdp<f64>, comparator: &Policy<f64>, occupancy: &[f64]) -> Result<f64, AlgorithmError> {
    let states = Lu::new(mdp.resolvent(comparator)?)?.solve_transposed(mdp.initial());
    let ratio = |(i, visits): (usize, &f64)| {
        let wanted =
            states[i / mdp.n_actions()] * comparator.probability(i / mdp.n_actions(), i % mdp.n_actions());
        if wanted <= 0.0 { 0.0 } else { wanted / visits }
    };
    Ok(occupancy.iter().enumerate().map(ratio).fold(0.0, f64::max))
}

/// Where what is usually guaranteed does not hold on this run.
fn warnings(iterates: &[Iterate], stop: Stop, shape: (usize, usize), guarantee: Guarantee) -> Vec<String> {
    let mut warnings = Vec::new();
    let kinked = iterates.iter().filter(|iterate| iterate.kinks > 0).count();
    if kinked > 0 {
        warnings.push(format!(
            "the response is not differentiable at {kinked} of {} iterates: smoothness, and every step size or rate that rests on it, fails there",
            iterates.len()
        ));
    }
    if let Some(last) = iterates.last()
        && let Some(coverage) = last.coverage
    {
        let factor = coverage / 2.0 * ((shape.0 * shape.1) as f64).sqrt();
        if coverage.is_infinite() {
            warnings.push("the last policy never takes a state and action that the best policy known takes: coverage is infinite and gradient domination says nothing".to_owned());
        } else if factor >= 100.0 {
            warnings.push(format!(
                "coverage is {coverage:.3e} at the last iterate: gradient domination bounds the loss by about {factor:.3e} times the gradient norm, plus a bias that grows in the same way"
            ));
        }
    }
    match guarantee {
        Guarantee::None => {}
        Guarantee::Ascent { step } => {
            let smoothness =
                iterates.iter().filter_map(|i| i.sensitivity.map(|s| s.smoothness)).fold(0.0, f64::max);
            if step * smoothness > 1.0 {
                warnings.push(format!(
                    "the gradient changed by {smoothness:.3e} per unit of the parameters, so 1/L is estimated to be no larger than {:.3e}: ascent with step {step} need not be monotone",
                    1.0 / smoothness
                ));
            }
        }
        Guarantee::Contraction => {
            if let Stop::Cycle { period } = stop {
                warnings.push(format!("the environment responds too strongly for a contraction: the policies cycle with period {period}"));
            } else if let Some(factor) = expansion(iterates) {
                warnings.push(format!("the environment responds too strongly for a contraction: a step was {factor:.3} times the step before"));
            }
        }
    }
    warnings
}

/// The largest ratio of a step to the step before, where one is at least 1.
fn expansion(iterates: &[Iterate]) -> Option<f64> {
    let steps: Vec<f64> = iterates.iter().filter_map(|i| i.sensitivity.map(|s| s.step)).collect();
    let ratios = steps.windows(2).filter(|pair| pair[0] > 0.0).map(|pair| pair[1] / pair[0]);
    let largest = ratios.fold(0.0, f64::max);
    (largest >= 1.0).then_some(largest)
}
