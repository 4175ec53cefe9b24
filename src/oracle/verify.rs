//! Holding somebody else's answer against the exact one.

use serde::Serialize;

use super::answer::KinkReport;
use super::case::Case;
use super::claimed::Claimed;
use super::comparison::{Comparison, Difference, Evidence, Explains, Tolerance};
use super::computation::Prediction;
use super::counts::counts;
use super::diagnosis::Diagnosis;
use super::error::OracleError;
use super::induced::Models;
use super::mistakes::{KNOWN_MISTAKES, Reading, uniform};
use super::quantity::{Entries, Quantity};
use super::recipe::Recipe;
use super::remarks::{coarse, remarks};
use super::sampling::Sampling;
use super::settings::{other_criterion, other_settings};
use super::undecided::{Doubt, Undecided};
use crate::criterion::Criterion;
use crate::policy::Policy;
use crate::problem::Problem;

/// Rounded answers are explained where so many digits are told by what is wrong: then about
/// one in a thousand of all readings of mistakes would fit by accident.
const TOLD: f64 = 5.0;

/// What `verify` found, in the format `pemdp-verdict/1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Always `pemdp-verdict/1`.
    pub format: &'static str,
    /// Whether every number is within its tolerance, and all else as it is, and no
    /// sampled entry is undecided.
    pub ok: bool,
    /// Everything that is not within its tolerance, or not as it is.
    pub differences: Vec<Difference>,
    /// Entries that cannot be told from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Undecided>,
    /// The known mistakes that explain all differences, those that coincide in what
    /// is wrong in one group.
    pub mistakes: Vec<Vec<&'static str>>,
    /// The pairs of known mistakes that explain them together, where no single one
    /// does, grouped likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Vec<[&'static str; 2]>>,
    /// How well each group explains the answer, those of pairs after those of mistakes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// How what is sampled was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// The known mistakes that are not defined on this problem.
    pub not_applicable: Vec<&'static str>,
    /// What can be said of a wrong answer that nothing explains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
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
    // Mistakes are made in doubles: what doubles cannot hold has none.
    let (models, policy) = (Models::of(problem), problem.deployed_policy::<f64>());
    let previous = previous.map_or_else(|| uniform(problem), Problem::deployed_policy::<f64>);
    let with_logarithms = |previous: Policy<f64>| {
        if problem.entropy().is_zero() { previous } else { previous.with_logarithms() }
    };
    let previous = previous.ok().map(with_logarithms);
    let parts = models.ok().zip(policy.ok());
    // They are mistakes in sums over whole trajectories.
    let parts = parts.filter(|_| problem.criterion() == Criterion::Discounted);
    let case = parts
        .as_ref()
        .and_then(|(models, policy)| Case::new(problem, models, policy, previous.as_ref()).ok());
    let comparison = Comparison::new(problem, &answer, case.as_ref(), tolerance, claimed);
    let differences = comparison.differences(claimed);
    let undecided = comparison.undecided(claimed);
    let is_right = differences.is_empty();
    let ok = is_right && undecided.iter().all(|entry| entry.why != Doubt::Sampling);
    let mut verdict = Verdict {
        format: "pemdp-verdict/1",
        ok,
        differences,
        undecided,
        mistakes: Vec::new(),
        pairs: Vec::new(),
        evidence: Vec::new(),
        sampling: comparison.sampling(claimed),
        not_applicable: Vec::new(),
        diagnosis: None,
    };
    let Some(case) = &case else {
        verdict.not_applicable = KNOWN_MISTAKES.iter().map(|mistake| mistake.id).collect();
        let mut remarks = remarks(&comparison, None, claimed, &verdict.differences);
        if remarks.is_empty() && !is_right {
            remarks.extend(other_criterion(&comparison, claimed));
        }
        verdict.diagnosis = (!is_right).then(|| Diagnosis::new(problem, &comparison, claimed, remarks));
        return Ok(verdict);
    };
    // A right answer is never accused.
    let wrong = comparison.wrong_quantities(claimed);
    let are_values_right =
        ![Quantity::Value, Quantity::StateValues].iter().any(|value| wrong.contains(value));
    let counts = if is_right { Vec::new() } else { counts(case, claimed, are_values_right) };
    let is_sampled = wrong.iter().any(|&quantity| comparison.is_sampled(quantity));
    let mut readings = Vec::new();
    for mistake in KNOWN_MISTAKES {
        let mut answers = mistake.answers(case, &counts);
        if answers.is_empty() && mistake.is_the_same_everywhere() {
            verdict.not_applicable.push(mistake.id);
        }
        // Estimates are near to what some tolerance of sweeps gives.
        let is_swept = |reading: &Reading| reading.recipe.as_ref().is_some_and(Recipe::is_swept);
        answers.retain(|reading| !(is_sampled && is_swept(reading)));
        readings.extend(answers);
    }
    let lost = verdict.undecided.iter().filter(|entry| entry.why == Doubt::Sampling).count();
    let is_lost = verdict.sampling.as_ref().is_some_and(|sampling| 2 * lost > sampling.entries);
    if is_right || is_lost {
        return Ok(verdict);
    }
    // At a kink the derivative is one of several, and another one is no mistake.
    if !answer.smooth && wrong.iter().all(|quantity| quantity.is_of_gradient()) && !wrong.is_empty() {
        let places: Vec<String> = answer.kink.iter().take(3).map(KinkReport::place).collect();
        let remark = format!(
            "The response is not differentiable here ({}): the exact gradient is that of one choice, and that of \
             another is no mistake.",
            places.join(", ")
        );
        verdict.diagnosis = Some(Diagnosis::new(problem, &comparison, claimed, vec![remark]));
        return Ok(verdict);
    }
    (verdict.mistakes, verdict.evidence) = named(&comparison, &readings, claimed, false);
    if !verdict.mistakes.is_empty() {
        return Ok(verdict);
    }
    let mut remarks = remarks(&comparison, Some(case), claimed, &verdict.differences);
    let is_coarse = remarks.is_empty() && verdict.sampling.is_none();
    for (tolerance, rounded) in if is_coarse { coarse(&comparison, claimed) } else { Vec::new() } {
        let comparison = Comparison::new(problem, &answer, Some(case), tolerance, claimed);
        if comparison.digits_told(claimed) < TOLD {
            continue;
        }
        (verdict.mistakes, verdict.evidence) = named(&comparison, &readings, claimed, true);
        if !verdict.mistakes.is_empty() {
            verdict.evidence.iter_mut().for_each(|evidence| evidence.rounded = Some(rounded.clone()));
            return Ok(verdict);
        }
    }
    if remarks.is_empty() {
        remarks.extend(other_settings(&comparison, case, claimed));
    }
    if remarks.is_empty() {
        explain_by_pairs(&mut verdict, case, &comparison, claimed, &wrong, &readings);
    }
    if verdict.pairs.is_empty() {
        verdict.diagnosis = Some(Diagnosis::new(problem, &comparison, claimed, remarks));
    }
    Ok(verdict)
}

/// The mistakes that explain an answer, those that coincide in what is wrong in one group,
/// and how well each group does.
fn named(
    comparison: &Comparison<'_>,
    readings: &[Reading],
    claimed: &Claimed,
    is_coarse: bool,
) -> (Vec<Vec<&'static str>>, Vec<Evidence>) {
    let wrong = comparison.wrong_quantities(claimed);
    let may_be_chance = !is_coarse && !wrong.iter().any(|&quantity| comparison.is_sampled(quantity));
    let explained: Vec<Option<Explains>> = readings
        .iter()
        .map(|reading| comparison.explains(reading.mistake.touches, &reading.answer, claimed))
        .collect();
    // What explains all that it touches comes before what explains a part of it.
    let how = if explained.contains(&Some(Explains::Wholly)) { Explains::Wholly } else { Explains::InPart };
    let only: &[Quantity] = if how == Explains::InPart { &wrong } else { &[] };
    let mut groups: Vec<(&Prediction, Vec<&'static str>)> = Vec::new();
    let mut evidence = Vec::new();
    for (reading, _) in readings.iter().zip(&explained).filter(|(_, explains)| **explains == Some(how)) {
        let fit = comparison.evidence((reading.recipe.as_ref(), &reading.answer), only, claimed);
        if may_be_chance && is_chance(&fit) {
            continue;
        }
        let is_like = |first: &Prediction| comparison.coincide(first, &reading.answer, &wrong);
        match groups.iter_mut().find(|(first, _)| is_like(first)) {
            Some((_, group)) if group.contains(&reading.mistake.id) => {}
            Some((_, group)) => group.push(reading.mistake.id),
            None => {
                groups.push((&reading.answer, vec![reading.mistake.id]));
                evidence.push(fit);
            }
        }
    }
    (groups.into_iter().map(|(_, group)| group).collect(), evidence)
}

/// Whether a number of steps fits as well as the best of many does by chance: a small error has
/// some number of steps that comes near.
fn is_chance(fit: &Evidence) -> bool {
    fit.count.is_some() && fit.error < CHANCE * fit.residual
}

/// The truth is so many times as far as a prediction that is no chance.
const CHANCE: f64 = 100.0;

/// The pairs of mistakes that explain an answer, which no single one does.
///
/// A quantity that is not given tells no mistakes apart.
fn explain_by_pairs(
    verdict: &mut Verdict,
    case: &Case<'_>,
    comparison: &Comparison<'_>,
    claimed: &Claimed,
    wrong: &[Quantity],
    readings: &[Reading],
) {
    let is_given = |quantity: &Quantity| claimed.quantities[*quantity].is_some();
    let given: Vec<Quantity> = Quantity::MAIN.into_iter().filter(is_given).collect();
    // Of readings that coincide the first stands for all; what changes nothing is none.
    let mut candidates: Vec<&Reading> = Vec::new();
    for reading in readings {
        let is_like = |answer: &Prediction| comparison.coincide(answer, &reading.answer, &given);
        if !comparison.rounded.as_ref().is_some_and(is_like)
            && !candidates.iter().any(|known| is_like(&known.answer))
        {
            candidates.push(reading);
        }
    }
    let may_be_chance = !wrong.iter().any(|&quantity| comparison.is_sampled(quantity));
    let mut groups: Vec<(Prediction, Vec<[&'static str; 2]>)> = Vec::new();
    for (i, first) in candidates.iter().enumerate() {
        for second in &candidates[i + 1..] {
            let pair = [first.mistake.id, second.mistake.id];
            let both = first.recipe.as_ref().zip(second.recipe.as_ref()).filter(|_| pair[0] != pair[1]);
            let Some(recipe) = both.and_then(|(first, second)| first.and(second)) else { continue };
            let is_possible =
                |quantity: Quantity, predicted: &Entries| comparison.allows(quantity, predicted, claimed);
            let Some(answer) = recipe.answer_if(case, is_possible) else { continue };
            let touches: Vec<Quantity> = [first.mistake.touches, second.mistake.touches].concat();
            if comparison.explains(&touches, &answer, claimed) != Some(Explains::Wholly) {
                continue;
            }
            let fit = comparison.evidence((Some(&recipe), &answer), &[], claimed);
            if may_be_chance && is_chance(&fit) {
                continue;
            }
            match groups.iter_mut().find(|(known, _)| comparison.coincide(known, &answer, wrong)) {
                Some((_, group)) if group.contains(&pair) => {}
                Some((_, group)) => group.push(pair),
                None => {
                    verdict.evidence.push(fit);
                    groups.push((answer, vec![pair]));
                }
            }
        }
    }
    verdict.pairs = groups.into_iter().map(|(_, group)| group).collect();
}
