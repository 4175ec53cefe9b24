//! What all retraining has in common: deploy a policy, observe the environment
//! in force, deploy the best response in it.

use std::ops::ControlFlow;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::run::{Run, probabilities, rewards};
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Guarantee, Task, check_steps};
use crate::planning::{best_response, is_terminal, quadratic_response, soft_response};
use pemdp::evaluate::evaluate;
use pemdp::linear::Rows;
use pemdp::mdp::{Kernel, Mdp, ModelError};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::response::ResponseError;

/// What is maximised in the environment that was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regulariser {
    /// `<d, r>`: a deterministic best response, ties to the first action.
    None,
    /// `<d, r> - (lambda/2) ||d||^2`, `d` the unnormalised occupancy without
    /// terminal states.
    Quadratic,
    /// `<d, r - lambda log pi>`.
    Entropy,
}

/// Shares `w` of a response.
pub(super) const SHARE: Range<f64> = Range::new(|w| w > 0.0 && w <= 1.0, "a number in (0, 1]");

/// Retraining in an environment that shifts gradually: in every round the policy
/// `pi` is deployed and the environment in force `M` becomes
/// `(1-w) M + w M(pi)`, `M(pi)` what `pi` induces. It starts as what the first
/// policy induces.
pub(super) struct Retraining {
    pub(super) algorithm: &'static str,
    pub(super) regulariser: Regulariser,
    pub(super) lambda: f64,
    /// Rounds `k` before each retraining.
    pub(super) delay: usize,
    /// `v`: all `k` rounds are trained on, round `j` weighted `v^j`; the last
    /// alone where none.
    pub(super) growth: Option<f64>,
    /// `w`.
    pub(super) shift: f64,
    /// Trajectories sampled in each round that is trained on; the environment is
    /// observed exactly where none.
    pub(super) trajectories: Option<usize>,
    pub(super) iterations: usize,
    pub(super) tolerance: f64,
}

/// An algorithm that is [`Retraining`] with some of its settings.
pub(super) trait Retrains: Settings + Send + Sync {
    /// Name on the command line.
    const NAME: &'static str;

    /// All the settings.
    fn retraining(&self) -> Retraining;
}

impl<R: Retrains> Algorithm for R {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    /// Steps between sampled models are never shorter than their noise.
    fn guarantee(&self) -> Guarantee {
        if self.retraining().trajectories.is_none() { Guarantee::Contraction } else { Guarantee::None }
    }

    fn check(&self) -> Result<(), SettingError> {
        let Retraining { regulariser, lambda, .. } = self.retraining();
        if regulariser != Regulariser::None {
            Range::POSITIVE.check("lambda", &lambda)?;
        }
        self.check_ranges()
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        self.retraining().run(task, run)
    }
}

impl Retraining {
    /// Deploys, observes and retrains, one iterate for each policy.
    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let deployment = Deployer::new(self.algorithm, task)?;
        let entropy = match self.regulariser {
            Regulariser::Entropy => self.lambda,
            _ => task.environment.entropy,
        };
        let mut policy = deployment.start()?;
        let mut in_force: Option<Mdp<f64>> = None;
        for iteration in 0.. {
            let performance = task.environment.perform_regularised(&policy, &entropy)?;
            let before = in_force.as_ref().unwrap_or(&performance.mdp);
            let rounds = self.rounds(before, &performance.mdp)?;
            run.cost.deployments += self.delay as u64;
            if let Some(last) = rounds.last()
                && self.shift < 1.0
            {
                run.experienced_value = Some(evaluate(last, &policy, &0.0)?.value);
                run.memory = entries(last);
            }
            if let ControlFlow::Break(stop) = run.record(&policy, &performance)? {
                return Ok(stop);
            }
            if self.trajectories.is_none()
                && let Some(stop) = run.recurrence(self.tolerance)
            {
                return Ok(stop);
            }
            if iteration == self.iterations {
                break;
            }
            let model = self.observe(&rounds, &policy, run)?;
            let response = self.best_response(&model, run)?;
            drop(performance);
            policy = deployment.policy(response)?;
            in_force = rounds.into_iter().last();
        }
        Ok(Stop::IterationLimit)
    }

    /// The environments in force while a policy is deployed, round by round.
    fn rounds(&self, before: &Mdp<f64>, response: &Mdp<f64>) -> Result<Vec<Mdp<f64>>, AlgorithmError> {
        let mut rounds: Vec<Mdp<f64>> = Vec::with_capacity(self.delay);
        for _ in 0..self.delay {
            let last = rounds.last().unwrap_or(before);
            let weights = [1.0 - self.shift, self.shift];
            rounds.push(mixture(&[last, response], |j, _| weights[j])?);
        }
        Ok(rounds)
    }

    /// What is trained on: a model of the rounds with the same policy.
    fn observe(
        &self,
        rounds: &[Mdp<f64>],
        policy: &Policy<f64>,
        run: &mut Run<'_>,
    ) -> Result<Mdp<f64>, AlgorithmError> {
        // Round j counts v^(j-k): 1 in the last round, without overflow.
        let weight = |j: usize| match self.growth {
            None => f64::from(j + 1 == rounds.len()),
            Some(v) => v.powf(j as f64 + 1.0 - rounds.len() as f64),
        };
        let Some(trajectories) = self.trajectories else {
            let models: Vec<&Mdp<f64>> = rounds.iter().collect();
            let mut visits = Vec::with_capacity(rounds.len());
            for round in rounds.iter().filter(|_| self.growth.is_some()) {
                run.cost.solves += 1;
                visits.push(evaluate(round, policy, &0.0)?.occupancy);
            }
            let of_pair = |j: usize, pair: usize| weight(j) * visits.get(j).map_or(1.0, |d| d[pair].max(0.0));
            return Ok(mixture(&models, of_pair)?);
        };
        let mut counts = Counts::new(policy.n_states(), policy.n_actions());
        for (j, round) in rounds.iter().enumerate().filter(|(j, _)| weight(*j) > 0.0) {
            let visits = evaluate(round, policy, &0.0)?.state_occupancy.into_iter().enumerate();
            let length: f64 = visits.filter(|(s, _)| !is_terminal(round, *s)).map(|(_, d)| d).sum();
            check_steps(self.algorithm, length * trajectories as f64)?;
            for _ in 0..trajectories {
                run.cost.samples += counts.sample(round, policy, weight(j), run.rng());
            }
        }
        match rounds.last() {
            Some(last) => Ok(counts.model(last, self.lambda / (1.0 - last.gamma()))?),
            None => Err(ModelError::Empty { what: "rounds" }.into()),
        }
    }

    /// The best response in a model.
    fn best_response(&self, model: &Mdp<f64>, run: &mut Run<'_>) -> Result<Policy<f64>, AlgorithmError> {
        let (policy, solves) = match self.regulariser {
            Regulariser::None => {
                let response = best_response(model)?;
                (response.policy, response.solves)
            }
            Regulariser::Quadratic => {
                let response = quadratic_response(model, self.lambda)?;
                (response.policy, response.solves)
            }
            Regulariser::Entropy => {
                let response = soft_response(model, self.lambda)?;
                (response.policy, response.solves)
            }
        };
        run.cost.solves += solves;
        Ok(policy)
    }
}

/// Turns best responses into policies that an environment responds to.
pub(super) struct Deployer<'a> {
    algorithm: &'static str,
    start: &'a Policy<f64>,
    /// Whether the environment responds to `log pi` and not to `pi`.
    to_logarithms: bool,
}

impl<'a> Deployer<'a> {
    /// # Errors
    /// [`AlgorithmError::NotApplicable`] where best responses mean nothing.
    pub(super) fn new(algorithm: &'static str, task: &'a Task) -> Result<Self, AlgorithmError> {
        let PerformativeMdp { response, .. } = &task.environment;
        response
            .retrainable()
            .map_err(|why| AlgorithmError::NotApplicable { algorithm, why: why.to_owned() })?;
        let uniform = Policy::uniform(response.n_states(), response.n_actions());
        let to_logarithms = matches!(response.induce(&uniform), Err(ResponseError::Parameters { .. }));
        Ok(Self { algorithm, start: &task.start, to_logarithms })
    }

    /// The policy deployed first: with its own parameters where the environment
    /// responds to these.
    pub(super) fn start(&self) -> Result<Policy<f64>, AlgorithmError> {
        let is_tabular = self.start.n_parameters() == self.start.n_states() * self.start.n_actions();
        if self.to_logarithms && is_tabular && self.start.is_normalised_by_construction() {
            return Ok(self.start.clone().with_logarithms());
        }
        self.policy(self.start.clone())
    }

    /// The policy to deploy, with its logarithms for problems with entropy.
    ///
    /// # Errors
    /// [`AlgorithmError::NotApplicable`] where `log pi` is needed and infinite.
    pub(super) fn policy(&self, policy: Policy<f64>) -> Result<Policy<f64>, AlgorithmError> {
        let (n_states, n_actions) = (policy.n_states(), policy.n_actions());
        let values: Vec<f64> = probabilities(&policy).collect();
        if !self.to_logarithms {
            return Ok(Policy::probabilities(n_states, n_actions, values)?.with_logarithms());
        }
        if let Some(pair) = values.iter().position(|pi| *pi <= 0.0) {
            let (s, a) = (pair / n_actions, pair % n_actions);
            let why = format!(
                "pi(a={a}|s={s}) is 0 in the policy to be deployed, and the environment responds to log pi; \
                 expected above 0, as with the entropy regulariser"
            );
            return Err(AlgorithmError::NotApplicable { algorithm: self.algorithm, why });
        }
        Ok(Policy::weights(n_states, n_actions, values)?.with_logarithms())
    }
}

/// All `P[s,a,t]` and `r[s,a]`.
fn entries(mdp: &Mdp<f64>) -> Vec<f64> {
    let rows = mdp.kernel().rows();
    let mut entries = vec![0.0; rows.len() * rows.width()];
    for i in 0..rows.len() {
        rows.row(i).for_each(|(t, p)| entries[i * rows.width() + t] += p);
    }
    entries.extend(rewards(mdp));
    entries
}

/// Row by row `sum_j w[j,i] M_j / sum_j w[j,i]`, of transitions and rewards, `i`
/// the pair `s A + a`; the last model where all weights are 0.
fn mixture(models: &[&Mdp<f64>], weight: impl Fn(usize, usize) -> f64) -> Result<Mdp<f64>, ModelError> {
    let Some(last) = models.last() else { return Err(ModelError::Empty { what: "models" }) };
    let (n_states, n_actions) = (last.n_states(), last.n_actions());
    let mut rows = Vec::with_capacity(n_states * n_actions);
    let mut rewards = Vec::with_capacity(n_states * n_actions);
    for pair in 0..n_states * n_actions {
        let total: f64 = (0..models.len()).map(|j| weight(j, pair)).sum();
        let share =
            |j: usize| if total > 0.0 { weight(j, pair) / total } else { f64::from(j + 1 == models.len()) };
        let mut row = Vec::new();
        let mut reward = 0.0;
        for (j, model) in models.iter().enumerate().filter(|(j, _)| share(*j) > 0.0) {
            row.extend(model.kernel().rows().row(pair).map(|(t, p)| (t, share(j) * p)));
            reward += share(j) * model.reward(pair / n_actions, pair % n_actions);
        }
        rows.push(row);
        rewards.push(reward);
    }
    let kernel = Kernel::new(n_states, n_actions, Rows::sparse(n_states, rows)?)?;
    Mdp::new(kernel, rewards, last.initial().to_vec(), *last.gamma())
}

/// Weighted counts of sampled transitions.
struct Counts {
    n_actions: usize,
    /// Pairs of a next state and its weight, by `s A + a`.
    transitions: Vec<Vec<(usize, f64)>>,
    /// The weight and the weighted rewards of each pair.
    totals: Vec<(f64, f64)>,
    smallest_reward: f64,
}

impl Counts {
    fn new(n_states: usize, n_actions: usize) -> Self {
        let n = n_states * n_actions;
        let (transitions, totals) = (vec![Vec::new(); n], vec![(0.0, 0.0); n]);
        Self { n_actions, transitions, totals, smallest_reward: f64::INFINITY }
    }

    /// Samples a trajectory, which goes on after every step with probability
    /// `gamma` and ends in terminal states: pairs are visited `d[s,a]` times in
    /// expectation. Returns its length.
    ///
    /// Not by [`Sampler`](crate::estimate::Sampler): episodes go on in terminal states there,
    /// and its tables would be made anew in every round.
    fn sample(&mut self, mdp: &Mdp<f64>, policy: &Policy<f64>, weight: f64, rng: &mut impl Rng) -> u64 {
        let mut state = draw(rng, mdp.initial().iter().copied().enumerate());
        let mut steps = 0;
        while !is_terminal(mdp, state) {
            let action = draw(rng, (0..self.n_actions).map(|a| (a, *policy.probability(state, a))));
            let next = draw(rng, mdp.kernel().row(state, action).map(|(t, p)| (t, *p)));
            let pair = state * self.n_actions + action;
            let reward = *mdp.reward(state, action);
            self.transitions[pair].push((next, weight));
            self.totals[pair].0 += weight;
            self.totals[pair].1 += weight * reward;
            self.smallest_reward = reward.min(self.smallest_reward);
            steps += 1;
            if rng.random::<f64>() >= *mdp.gamma() {
                break;
            }
            state = next;
        }
        steps
    }

    /// The empirical model. A pair that was never tried stays where it is for
    /// ever and pays the smallest reward seen (at most 0) less `margin`: with
    /// `lambda/(1-gamma)` a quadratic regulariser does not spread to it
    /// (`docs/theory/planning.md`, section 3). Terminal states are known, and so
    /// are `rho` and `gamma`.
    fn model(&self, known: &Mdp<f64>, margin: f64) -> Result<Mdp<f64>, ModelError> {
        let worst = self.smallest_reward.min(0.0) - margin;
        let mut rows = Vec::with_capacity(self.totals.len());
        let mut rewards = Vec::with_capacity(self.totals.len());
        for (pair, (total, reward)) in self.totals.iter().enumerate() {
            let state = pair / self.n_actions;
            let (row, reward) = if *total > 0.0 {
                let row = self.transitions[pair].iter().map(|(t, weight)| (*t, weight / total)).collect();
                (row, reward / total)
            } else {
                (vec![(state, 1.0)], if is_terminal(known, state) { 0.0 } else { worst })
            };
            rows.push(row);
            rewards.push(reward);
        }
        let n_states = known.n_states();
        let kernel = Kernel::new(n_states, self.n_actions, Rows::sparse(n_states, rows)?)?;
        Mdp::new(kernel, rewards, known.initial().to_vec(), *known.gamma())
    }
}

/// An index drawn with the given probabilities; the last possible one where
/// rounding leaves something over.
fn draw(rng: &mut impl Rng, distribution: impl Iterator<Item = (usize, f64)>) -> usize {
    let mut left = rng.random::<f64>();
    let mut last = 0;
    for (index, probability) in distribution.filter(|(_, p)| *p > 0.0) {
        if left < probability {
            return index;
        }
        left -= probability;
        last = index;
    }
    last
}
