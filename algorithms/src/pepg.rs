//! Ascent on the performative value: PePG, its ablations, and vanilla policy
//! gradient.

use std::ops::ControlFlow;

use super::ascent::{Adam, Method, Terms, natural_direction};
use super::parameters::Parameters;
use super::run::Run;
use super::settings::{Range, SettingError, SettingValues, Settings};
use super::trajectory::Stop;
use super::{Algorithm, AlgorithmError, Entry, Guarantee, Task, build, check_steps, settings};
use crate::estimate::{Deployed, EstimatorKind, Horizon};
use pemdp::evaluate::Evaluation;
use pemdp::performative::{Performance, PerformativeMdp};
use pemdp::policy::Policy;

settings! {
    /// Performative policy gradient: `theta_{t+1} = theta_t + step`, the step made of
    /// `grad J(theta_t)` by [`Method`], the gradient exact or estimated from episodes.
    ///
    /// The gradient is the repaired one ([PePG, T2] as transcribed loses the
    /// transition term). With [`Terms::Policy`] it is vanilla policy gradient, whose
    /// stationary points are the stable policies.
    pub struct Pepg {
        /// How a gradient becomes a step.
        pub method: Method = Method::Adam, "plain, adam, backtracking or natural";
        /// Step size; for backtracking the first one tried.
        pub step: f64 = 0.1, "step size, above 0; for backtracking the first one tried", Range::POSITIVE;
        /// Largest number of steps.
        pub iterations: usize = 600, "largest number of steps, at least 1", Range::AT_LEAST_ONE;
        /// Ends at a gradient norm of at most this (of the terms that are followed).
        pub tolerance: f64 = 1e-8, "ends at a gradient norm of at most this", Range::NOT_NEGATIVE;
        /// Entropy weight of what is maximised; that of the problem where none.
        pub entropy: Option<f64> = None,
            "entropy weight of what is maximised; the problem's where null", Range::NOT_NEGATIVE;
        /// Terms of the gradient that are followed.
        pub terms: Terms = Terms::All, "terms of the gradient: all, no-transition, no-reward or policy";
        /// Added to the Fisher information of natural steps.
        pub damping: f64 = 1e-3, "added to the Fisher information of natural steps, above 0", Range::POSITIVE;
        /// Temperature at which kinks of the response are smoothed at first; falls
        /// geometrically to `smoothing-end` over the iterations. None: not smoothed.
        pub smoothing: Option<f64> = None,
            "first temperature of a smoothed response, falling to smoothing-end", Range::POSITIVE;
        /// The last temperature.
        pub smoothing_end as "smoothing-end": f64 = 1e-6, "last temperature, above 0", Range::POSITIVE;
        /// How the gradient is estimated from episodes; none for the exact one. A
        /// run on estimates ends with its iterations: a small one proves nothing.
        pub estimator: Option<EstimatorKind> = None,
            "gradient from episodes: score, return, return-exact-baseline, return-fitted-baseline, td, \
             td-fitted, printed, one-step-late, undiscounted or undiscounted-transition; exact where null";
        /// Episodes for each estimate.
        pub trajectories: usize = 100, "episodes for each estimate, at least 1", Range::AT_LEAST_ONE;
        /// Steps of an episode; geometric with `gamma` where none.
        pub horizon: Option<usize> = None,
            "steps of an episode, at least 1; geometric with gamma where null", Range::AT_LEAST_ONE;
    }
}

/// The algorithm as listed.
pub(super) const ENTRY: Entry = Entry {
    name: "pepg",
    about: "ascent along the performative gradient, exact or from episodes",
    source: "[PePG], with the transition term repaired",
    settings: Pepg::TABLE,
    build: build::<Pepg>,
};

/// Vanilla policy gradient as listed.
pub(super) const WITHOUT_PERFORMATIVE_TERMS: Entry = Entry {
    name: "policy-gradient",
    about: "ascent along the policy term only, as if the environment did not respond",
    source: "[Agarwal2021]; the ablation of [PePG]",
    settings: Pepg::TABLE,
    build: |settings| {
        let mut settings = settings.clone();
        settings.0.entry("terms".to_owned()).or_insert_with(|| "policy".into());
        build::<Pepg>(&settings)
    },
};

impl Algorithm for Pepg {
    fn name(&self) -> &'static str {
        if self.terms == Terms::Policy { WITHOUT_PERFORMATIVE_TERMS.name } else { ENTRY.name }
    }

    fn settings(&self) -> SettingValues {
        self.values()
    }

    fn guarantee(&self) -> Guarantee {
        let is_exact = self.smoothing.is_none() && self.estimator.is_none();
        let is_ascent = self.method == Method::Plain && self.terms == Terms::All && is_exact;
        if is_ascent { Guarantee::Ascent { step: self.step } } else { Guarantee::None }
    }

    fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        self.estimator.map_or(Ok(()), |estimator| self.check_estimator(estimator))
    }

    fn run(&self, task: &Task, run: &mut Run<'_>) -> Result<Stop, AlgorithmError> {
        let mut parameters = Parameters::of(self.name(), &task.start)?;
        let entropy = self.entropy.unwrap_or(task.environment.entropy);
        let mut stepper = Stepper { settings: self, adam: Adam::default(), trial: self.step };
        let mut iteration = 0;
        loop {
            let policy = parameters.policy(&parameters.theta)?;
            run.cost.deployments += 1;
            run.cost.solves += u64::from(self.estimator.is_none_or(EstimatorKind::uses_exact_values));
            let performance = task.environment.perform_regularised(&policy, &entropy)?;
            if let ControlFlow::Break(stop) = run.record(&policy, &performance)? {
                return Ok(stop);
            }
            let smoothed = self.smoothed(&task.environment, iteration);
            let environment = smoothed.as_ref().unwrap_or(&task.environment);
            let followed = match &smoothed {
                None => performance,
                Some(smoothed) => smoothed.perform_regularised(&policy, &entropy)?,
            };
            let gradient: Vec<f64> = match self.estimator {
                // Softmax gradients are finite: every probability is positive.
                None => self.terms.of(&followed.gradient).into_iter().map(|g| g.unwrap_or(0.0)).collect(),
                Some(_) if iteration == self.iterations => return Ok(Stop::IterationLimit),
                Some(estimator) => self.estimate(estimator, &followed, &policy, entropy, run)?,
            };
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if self.estimator.is_none() && norm <= self.tolerance {
                return Ok(run.stationary(&policy, norm));
            }
            if iteration == self.iterations {
                return Ok(Stop::IterationLimit);
            }
            let value_at = |theta: &[f64], run: &mut Run<'_>| {
                run.cost.deployments += 1;
                run.cost.solves += 1;
                let policy = parameters.policy(theta)?;
                Ok(environment.deploy(&policy)?.evaluate(&entropy)?.value)
            };
            let Some(step) =
                stepper.step(&policy, &followed.evaluation, &parameters.theta, &gradient, |theta| {
                    value_at(theta, run)
                })?
            else {
                return Ok(Stop::Stalled { gradient_norm: norm });
            };
            for (x, step) in parameters.theta.iter_mut().zip(step) {
                *x += step;
            }
            iteration += 1;
        }
    }
}

impl Pepg {
    /// What episodes do not go with.
    fn check_estimator(&self, estimator: EstimatorKind) -> Result<(), SettingError> {
        if !matches!(self.method, Method::Plain | Method::Adam) {
            let expected = "plain or adam with an estimator: the others use exact values";
            return Err(SettingError::range("method", format!("{:?}", self.method).to_lowercase(), expected));
        }
        if let Some(temperature) = self.smoothing {
            let expected = "null with an estimator: no episodes are drawn in a smoothed response";
            return Err(SettingError::range("smoothing", temperature, expected));
        }
        if estimator.needs_truncation() && self.horizon.is_none() {
            let expected = "a number of steps: without discount a geometric horizon makes no sense";
            return Err(SettingError::range("horizon", "null", expected));
        }
        Ok(())
    }

    /// The terms that are followed, estimated from episodes.
    fn estimate(
        &self,
        estimator: EstimatorKind,
        performance: &Performance<'_, f64>,
        policy: &Policy<f64>,
        entropy: f64,
        run: &mut Run<'_>,
    ) -> Result<Vec<f64>, AlgorithmError> {
        let deployed = Deployed::new(performance, policy, &entropy)?;
        let horizon = self.horizon.map_or(Horizon::Geometric, Horizon::Truncated);
        let length = self.horizon.map_or(1.0 / (1.0 - deployed.gamma()), |length| length as f64);
        check_steps(self.name(), length * self.trajectories as f64)?;
        let estimate = estimator.estimate(&deployed, horizon, self.trajectories as u64, run.rng())?;
        run.cost.samples += estimate.steps;
        Ok(estimate.terms.map_or(estimate.gradient, |terms| self.terms.of_estimate(&terms)))
    }

    /// The environment with its kinks smoothed as far as this iteration wants,
    /// if it has kinks.
    fn smoothed(&self, truth: &PerformativeMdp<f64>, iteration: usize) -> Option<PerformativeMdp<f64>> {
        let first = self.smoothing?;
        let share = (iteration as f64 / self.iterations as f64).min(1.0);
        truth.smoothed(&(first * (self.smoothing_end / first).powf(share)))
    }
}

/// Steps of one run, which remember the steps before.
struct Stepper<'a> {
    settings: &'a Pepg,
    adam: Adam,
    /// The size that backtracking tries first.
    trial: f64,
}

impl Stepper<'_> {
    /// The step from `theta`; none where no step along the gradient improves.
    fn step(
        &mut self,
        policy: &Policy<f64>,
        evaluation: &Evaluation<f64>,
        theta: &[f64],
        gradient: &[f64],
        mut value_at: impl FnMut(&[f64]) -> Result<f64, AlgorithmError>,
    ) -> Result<Option<Vec<f64>>, AlgorithmError> {
        let scaled = |direction: &[f64], size: f64| direction.iter().map(|x| size * x).collect::<Vec<f64>>();
        let size = self.settings.step;
        Ok(Some(match self.settings.method {
            Method::Plain => scaled(gradient, size),
            Method::Adam => self.adam.step(gradient, size),
            Method::Natural => {
                let direction = natural_direction(policy, evaluation, gradient, self.settings.damping);
                scaled(direction.as_deref().unwrap_or(gradient), size)
            }
            Method::Backtracking => {
                let square: f64 = gradient.iter().map(|g| g * g).sum();
                let mut size = self.trial;
                loop {
                    if size * square.sqrt() <= SMALLEST_STEP {
                        return Ok(None);
                    }
                    let step = scaled(gradient, size);
                    let reached: Vec<f64> = theta.iter().zip(&step).map(|(x, step)| x + step).collect();
                    if value_at(&reached)? >= evaluation.value + ARMIJO * size * square {
                        self.trial = 2.0 * size;
                        break step;
                    }
                    size /= 2.0;
                }
            }
        }))
    }
}

/// Share of the first-order rise that a step must reach.
const ARMIJO: f64 = 1e-4;
/// Steps of the parameters shorter than this do not move the value of a double.
const SMALLEST_STEP: f64 = 1e-12;
