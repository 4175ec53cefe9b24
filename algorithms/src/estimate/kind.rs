//! The estimators by name.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    Baseline, Deployed, Estimate, EstimateError, Estimator, FittedValues, Form, Horizon, OneStepLate,
    Printed, Return, Score, Td, Undiscounted,
};

/// An estimator from episodes by its name in settings, that of [`Form::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EstimatorKind {
    /// [`Score`], with exact values.
    Score,
    /// [`Return`] without a baseline.
    Return,
    /// [`Return`] with the exact values as baseline.
    ReturnExactBaseline,
    /// [`Return`] with a baseline fitted to as many episodes of its own.
    ReturnFittedBaseline,
    /// [`Td`] with exact values.
    Td,
    /// [`Td`] with values fitted to as many episodes of their own: biased.
    TdFitted,
    /// [`Printed`]: biased.
    Printed,
    /// [`OneStepLate`]: biased.
    OneStepLate,
    /// [`Undiscounted::Everywhere`]: biased.
    Undiscounted,
    /// [`Undiscounted::Transition`]: biased.
    UndiscountedTransition,
}

impl EstimatorKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Score,
        Self::Return,
        Self::ReturnExactBaseline,
        Self::ReturnFittedBaseline,
        Self::Td,
        Self::TdFitted,
        Self::Printed,
        Self::OneStepLate,
        Self::Undiscounted,
        Self::UndiscountedTransition,
    ];

    /// Whether it is defined on a truncated horizon only.
    pub fn needs_truncation(self) -> bool {
        matches!(self, Self::Undiscounted | Self::UndiscountedTransition)
    }

    /// Whether it uses exact values, which episodes do not show.
    pub fn uses_exact_values(self) -> bool {
        !matches!(self, Self::Return | Self::ReturnFittedBaseline | Self::TdFitted)
    }

    /// One estimate from `episodes` episodes; those that values are fitted to come
    /// on top, and are counted.
    ///
    /// # Errors
    /// [`EstimateError`] as for [`Estimator::new`].
    pub fn estimate(
        self,
        deployed: &Deployed<'_, f64>,
        horizon: Horizon,
        episodes: u64,
        rng: &mut impl Rng,
    ) -> Result<Estimate, EstimateError> {
        let fitted = match self {
            Self::ReturnFittedBaseline | Self::TdFitted => {
                let plain = Return { baseline: Baseline::None };
                Estimator::new(deployed, &plain, horizon)?.fit(episodes, rng)?
            }
            _ => FittedValues { values: Vec::new(), episodes: 0, steps: 0 },
        };
        let form: Box<dyn Form<f64>> = match self {
            Self::Score => Box::new(Score),
            Self::Return => Box::new(Return { baseline: Baseline::None }),
            Self::ReturnExactBaseline => Box::new(Return { baseline: Baseline::Exact }),
            Self::ReturnFittedBaseline => Box::new(Return { baseline: Baseline::Fitted(fitted.values) }),
            Self::Td => Box::new(Td { fitted: None }),
            Self::TdFitted => Box::new(Td { fitted: Some(fitted.values) }),
            Self::Printed => Box::new(Printed),
            Self::OneStepLate => Box::new(OneStepLate),
            Self::Undiscounted => Box::new(Undiscounted::Everywhere),
            Self::UndiscountedTransition => Box::new(Undiscounted::Transition),
        };
        let mut estimate = Estimator::new(deployed, &*form, horizon)?.sample(episodes, rng)?;
        estimate.episodes += fitted.episodes;
        estimate.steps += fitted.steps;
        Ok(estimate)
    }
}
