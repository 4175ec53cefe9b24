//! Holding somebody else's answer against the exact one.

use serde::Serialize;

use super::case::{Case, Prediction};
use super::claimed::Claimed;
use super::comparison::{Comparison, Difference, Tolerance};
use super::error::OracleError;
use super::mistakes::KNOWN_MISTAKES;
use crate::policy::Policy;
use crate::problem::Problem;

/// What `verify` found, in the format `pemdp-verdict/1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Always `pemdp-verdict/1`.
    pub format: &'static str,
    /// Whether every number is within its tolerance, and all else as it is.
    pub ok: bool,
    /// Everything that is not.
    pub differences: Vec<Difference>,
    /// The known mistakes that explain all differences, those that coincide on
    /// this problem in one group.
    pub mistakes: Vec<Vec<&'static str>>,
    /// The known mistakes that are not defined on this problem.
    pub not_applicable: Vec<&'static str>,
}

/// Holds a claimed answer against the exact one and names the known mistakes
/// that explain what differs. `previous` is the problem whose policy was
/// deployed before, for `stale-environment`; the uniform policy where there is
/// none.
///
/// # Errors
/// [`OracleError`] where the problem has no answer, or `previous` does not fit.
pub fn verify(
    problem: &Problem,
    claimed: &Claimed,
    previous: Option<&Problem>,
    tolerance: Tolerance,
) -> Result<Verdict, OracleError> {
    let answer = problem.answer()?;
    let size = problem.n_states() * problem.n_actions();
    let uniform = Policy::weights(problem.n_states(), problem.n_actions(), vec![1.0; size])?;
    // Mistakes are made in doubles: what doubles cannot hold has none.
    let (model, policy) = (problem.model::<f64>(), problem.deployed_policy::<f64>());
    let previous = previous.map_or(Ok(uniform), Problem::deployed_policy::<f64>);
    let with_logarithms = |previous: Policy<f64>| {
        if problem.entropy().is_zero() { previous } else { previous.with_logarithms() }
    };
    let previous = previous.ok().map(with_logarithms);
    let parts = model.ok().zip(policy.ok());
    let case =
        parts.as_ref().and_then(|(model, policy)| Case::new(problem, model, policy, previous.as_ref()).ok());
    let comparison = Comparison::new(problem, &answer, case.as_ref().map(Case::truth), tolerance);
    let differences = comparison.differences(claimed);
    let mut verdict = Verdict {
        format: "pemdp-verdict/1",
        ok: differences.is_empty(),
        differences,
        mistakes: Vec::new(),
        not_applicable: Vec::new(),
    };
    let mut groups: Vec<(Prediction, Vec<&'static str>)> = Vec::new();
    for mistake in KNOWN_MISTAKES {
        let predictions = case.as_ref().map_or(Vec::new(), |case| mistake.predictions(case));
        if predictions.is_empty() {
            verdict.not_applicable.push(mistake.id);
        }
        if verdict.ok {
            continue; // a right answer is never accused
        }
        let Some(prediction) = predictions.into_iter().find(|p| comparison.explains(mistake, p, claimed))
        else {
            continue;
        };
        match groups.iter_mut().find(|(first, _)| comparison.coincide(first, &prediction)) {
            Some((_, group)) => group.push(mistake.id),
            None => groups.push((prediction, vec![mistake.id])),
        }
    }
    verdict.mistakes = groups.into_iter().map(|(_, group)| group).collect();
    Ok(verdict)
}
