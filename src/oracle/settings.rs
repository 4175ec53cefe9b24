//! Settings that make a wrong answer a right one: another discount factor, another weight of
//! the entropy, another horizon, another worth of the end.

use std::f64::consts::{LN_2, LN_10};

use super::case::{Case, WORK};
use super::claimed::Claimed;
use super::comparison::{Comparison, in_doubles};
use super::computation::Prediction;
use super::quantity::{Entries, Quantities, Quantity, defined};
use super::recipe::Environment;
use crate::criterion::Criterion;
use crate::evaluate::evaluate;
use crate::gradient::performative_gradient;
use crate::mdp::Mdp;
use crate::policy::Policy;
use crate::problem::{Parts, Problem, Reading};
use crate::response::Pullback;

/// So many digits, beside those of one entry, tell that a setting is one.
const TOLD: f64 = 5.0;

/// Evaluations between two discount factors.
const STEPS: usize = 60;

/// The settings with which the answer is right, in a sentence.
pub(super) fn other_settings(
    comparison: &Comparison<'_>,
    case: &Case<'_>,
    claimed: &Claimed,
) -> Option<String> {
    let search = Search::new(comparison, case, claimed)?;
    search.other_gamma().or_else(|| search.other_entropy()).or_else(|| search.other_end())
}

/// The criterion with which the answer is right, where its own is a horizon, in a sentence.
pub(super) fn other_criterion(comparison: &Comparison<'_>, claimed: &Claimed) -> Option<String> {
    let Criterion::Horizon(steps) = comparison.problem.criterion() else { return None };
    let fits = |criterion: Criterion| {
        let parts = Parts { criterion, ..comparison.problem.parts().clone() };
        let answer = Problem::new(parts, Reading::Doubles).ok().and_then(|other| in_doubles(&other));
        let allows = |answer: &Prediction, quantity| comparison.allows(quantity, &answer[quantity], claimed);
        answer.is_some_and(|answer| Quantity::MAIN.into_iter().all(|quantity| allows(&answer, quantity)))
    };
    if fits(Criterion::Discounted) {
        return Some("Right without the horizon: these are sums over all steps.".to_owned());
    }
    let other =
        [steps - 1, steps + 1].into_iter().find(|&other| other > 0 && fits(Criterion::Horizon(other)));
    other.map(|other| format!("Right with a horizon of {other} steps in place of {steps}."))
}

/// A wrong answer, and what is computed with other settings.
struct Search<'a, 'c> {
    comparison: &'a Comparison<'c>,
    case: &'a Case<'c>,
    claimed: &'a Claimed,
    policy: Policy<f64>,
    /// The entry that is farthest off, in tolerances.
    farthest: (Quantity, usize),
    /// Whether the entries tell settings apart that are not round.
    tells: bool,
}

impl<'a, 'c> Search<'a, 'c> {
    /// None where nothing is to be looked for.
    fn new(comparison: &'a Comparison<'c>, case: &'a Case<'c>, claimed: &'a Claimed) -> Option<Self> {
        let wrong = comparison.wrong_quantities(claimed);
        let is_sampled = wrong.iter().any(|&quantity| comparison.is_sampled(quantity));
        if is_sampled || !comparison.is_held_by_doubles(claimed) {
            return None;
        }
        if case.performance.mdp.kernel().rows().n_stored() > WORK / (2 * STEPS) {
            return None;
        }
        let mut errors: Vec<(f64, f64, Quantity, usize)> = Vec::new();
        for &quantity in &wrong {
            let got = comparison.normal_form(quantity, claimed.quantities[quantity].as_ref()?).into_owned();
            for (i, (got, truth)) in got.iter().zip(comparison.truth(quantity)).enumerate() {
                // What an action that a state does not have is worth is not compared.
                let (Some(got), Some(truth)) = (got, truth) else { continue };
                let error = (got - truth).abs();
                errors.push((error / comparison.tolerance(quantity, i), error, quantity, i));
            }
        }
        let &(largest_in_tolerances, _, quantity, i) = errors.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
        // One number, or one and its multiples, is right with some settings in any case.
        let largest = errors.iter().map(|(_, error, ..)| *error).fold(0.0, f64::max);
        let differ = |error: f64| error > 1e-3 * largest && error < 0.999 * largest;
        let is_multiple = |&quantity: &Quantity| {
            let got = claimed.quantities[quantity].as_ref();
            got.is_some_and(|got| comparison.ratio(quantity, got).is_some())
        };
        Some(Self {
            comparison,
            case,
            claimed,
            policy: case.policy.clone().with_logarithms(),
            farthest: (quantity, i),
            // With the largest error one setting is found: the others tell whether it is one.
            tells: errors.iter().any(|(_, error, ..)| differ(*error))
                && !wrong.iter().all(is_multiple)
                && comparison.digits_told(claimed) >= TOLD + (largest_in_tolerances.max(1.0)).log10(),
        })
    }

    /// The answer with other settings. Followers discount as the learner does.
    fn answer(&self, gamma: f64, lambda: f64, with_gradient: bool) -> Option<Prediction> {
        let (own, model, deployment);
        let (mdp, pullback): (&Mdp<f64>, &dyn Pullback<f64>) =
            if self.case.has_followers() && gamma != self.case.gamma {
                model = self.comparison.problem.discounted(gamma).model::<f64>().ok()?;
                deployment = model.deploy(&self.policy).ok()?;
                (&deployment.mdp, &*deployment.pullback)
            } else {
                let performance = &self.case.performance;
                let rewards = self.case.induced(Environment::Own)?.rewards.clone();
                let initial = performance.mdp.initial().to_vec();
                own = Mdp::new(performance.mdp.kernel().clone(), rewards, initial, gamma).ok()?;
                (&own, &*performance.pullback)
            };
        self.evaluated(mdp, pullback, lambda, with_gradient)
    }

    fn evaluated(
        &self,
        mdp: &Mdp<f64>,
        pullback: &dyn Pullback<f64>,
        lambda: f64,
        with_gradient: bool,
    ) -> Option<Prediction> {
        let evaluation = evaluate(mdp, &self.policy, &lambda).ok()?;
        let gradient = with_gradient
            .then(|| performative_gradient(mdp, &self.policy, &evaluation, pullback, &lambda))
            .transpose()
            .ok()?;
        Some(Quantities::from_fn(|quantity| match quantity {
            Quantity::Value => vec![Some(evaluation.value)],
            Quantity::StateValues => defined(&evaluation.state_values),
            Quantity::ActionValues => evaluation.action_values.clone(),
            Quantity::Occupancy => defined(&evaluation.occupancy),
            Quantity::Gradient => gradient.as_ref().map_or_else(Entries::new, |terms| terms.total()),
            _ => Entries::new(),
        }))
    }

    /// The answer with other rewards.
    fn answer_of(&self, rewards: Vec<f64>) -> Option<Prediction> {
        let performance = &self.case.performance;
        let initial = performance.mdp.initial().to_vec();
        let mdp = Mdp::new(performance.mdp.kernel().clone(), rewards, initial, self.case.gamma).ok()?;
        self.evaluated(&mdp, &*performance.pullback, self.case.lambda, true)
    }

    /// Whether each quantity given is right, or as it is with these settings.
    fn fits(&self, gamma: f64, lambda: f64) -> bool {
        self.answer(gamma, lambda, true).is_some_and(|answer| self.allows(&answer))
    }

    /// Whether each quantity given is right, or as in this answer.
    fn allows(&self, answer: &Prediction) -> bool {
        let allows = |quantity: Quantity| self.comparison.allows(quantity, &answer[quantity], self.claimed);
        Quantity::MAIN.into_iter().all(allows)
    }

    /// In which quantities, where others are as they are with the right settings only.
    fn alone(&self, gamma: f64, lambda: f64) -> String {
        let Some(answer) = self.answer(gamma, lambda, true) else { return String::new() };
        let is_other = |quantity: Quantity| {
            let got = self.claimed.quantities[quantity].as_ref();
            got.is_some_and(|got| !self.comparison.agrees(quantity, got, &answer[quantity]))
        };
        if !Quantity::MAIN.into_iter().any(is_other) {
            return String::new();
        }
        let wrong = self.comparison.wrong_quantities(self.claimed);
        let names: Vec<&str> = wrong.into_iter().map(Quantity::name).collect();
        format!(", in {} only: the other numbers are right as they are", names.join(" and "))
    }

    /// How far the entry that is farthest off is above what is given.
    fn above(&self, gamma: f64) -> Option<f64> {
        let (quantity, i) = self.farthest;
        let answer = self.answer(gamma, self.case.lambda, quantity == Quantity::Gradient)?;
        let got = self.comparison.normal_form(quantity, self.claimed.quantities[quantity].as_ref()?)[i]?;
        Some(self.comparison.normal_form(quantity, &answer[quantity])[i]? - got)
    }

    fn other_gamma(&self) -> Option<String> {
        let own = self.case.gamma;
        let found = |gamma: f64| (gamma != own && self.fits(gamma, self.case.lambda)).then_some(gamma);
        let alone = |gamma: f64| self.alone(gamma, self.case.lambda);
        let said = |gamma: f64, is: &str| {
            format!("Right with gamma = {gamma}{is} in place of {own}{}.", alone(gamma))
        };
        if let Some(gamma) = found(own * own) {
            return Some(said(gamma, ", the square,"));
        }
        if let Some(gamma) = found(own.sqrt()) {
            return Some(said(gamma, ", the root,"));
        }
        let mut grid: Vec<f64> = (0..20).map(|k| f64::from(k) / 20.0).collect();
        grid.extend([0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.999_99, own]);
        grid.sort_by(f64::total_cmp);
        let heights: Vec<Option<f64>> = grid.iter().map(|gamma| self.above(*gamma)).collect();
        for (ends, heights) in grid.windows(2).zip(heights.windows(2)) {
            let (Some(left), Some(right)) = (heights[0], heights[1]) else { continue };
            if (left > 0.0) == (right > 0.0) {
                continue;
            }
            let root = self.root((ends[0], left), (ends[1], right));
            // Round ones first: nobody sets another one by mistake. With five decimals some gamma
            // explains a number in fifty, whatever it is.
            let scales: &[f64] = if self.tells { &[1e2, 1e3, 1e4, 1e5] } else { &[1e2, 1e3] };
            let round = |scale: &f64| (root * scale).round() / scale;
            if let Some(gamma) = scales.iter().map(round).find_map(found) {
                return Some(said(gamma, ""));
            }
            // Without discounting another one that is not round is none.
            if let Some(gamma) = found(root).filter(|_| self.tells && own < 1.0) {
                return Some(said(gamma, ""));
            }
        }
        None
    }

    /// The discount factor between these at which the entry is what is given, by bisection
    /// and secants.
    fn root(&self, (mut a, mut below): (f64, f64), (mut b, mut above): (f64, f64)) -> f64 {
        for step in 0..STEPS {
            let secant = a - below * (b - a) / (above - below);
            let middle = if step % 3 == 2 || !(a < secant && secant < b) { (a + b) / 2.0 } else { secant };
            if middle <= a || middle >= b {
                break;
            }
            match self.above(middle) {
                Some(height) if (height > 0.0) == (below > 0.0) => (a, below) = (middle, height),
                Some(height) => (b, above) = (middle, height),
                None => break,
            }
        }
        if below.abs() <= above.abs() { a } else { b }
    }

    /// How many times the step from one answer to another leads to what is given, by least
    /// squares in tolerances.
    fn steps(&self, from: &Prediction, to: &Prediction) -> Option<f64> {
        let (mut slopes, mut products) = (0.0, 0.0);
        for quantity in self.comparison.wrong_quantities(self.claimed) {
            let got = self.claimed.quantities[quantity].as_ref()?;
            let form = |entries: &Entries| self.comparison.normal_form(quantity, entries).into_owned();
            let (got, from, to) = (form(got), form(&from[quantity]), form(&to[quantity]));
            for i in 0..got.len() {
                let (Some(from), Some(to), Some(got)) = (from[i], to[i], got[i]) else { continue };
                let tolerance = self.comparison.tolerance(quantity, i);
                let slope = (to - from) / tolerance;
                slopes += slope * slope;
                products += slope * (got - from) / tolerance;
            }
        }
        let steps = products / slopes;
        steps.is_finite().then_some(steps)
    }

    /// What is paid more in terminal states: answers are affine in it.
    fn other_end(&self) -> Option<String> {
        let kernel = self.case.performance.mdp.kernel();
        let n_actions = self.case.n_actions();
        if !(0..self.case.n_states()).any(|s| kernel.is_terminal(s)) {
            return None;
        }
        let paying = |more: f64| -> Option<Prediction> {
            let mut rewards = self.case.induced(Environment::Own)?.rewards.clone();
            let ends = |pair: usize| kernel.is_terminal(pair / n_actions);
            rewards.iter_mut().enumerate().filter(|(pair, _)| ends(*pair)).for_each(|(_, r)| *r += more);
            self.answer_of(rewards)
        };
        let more = self.steps(&paying(0.0)?, &paying(1.0)?)?;
        let fits = |more: &f64| *more != 0.0 && paying(*more).is_some_and(|answer| self.allows(&answer));
        let round = (more * 1e3).round() / 1e3;
        let found = Some(round).filter(fits).or_else(|| Some(more).filter(|more| self.tells && fits(more)));
        found.map(|more| format!("Right if a terminal state is worth {more} more than it pays."))
    }

    /// Answers are affine in the weight of the entropy.
    fn other_entropy(&self) -> Option<String> {
        let (own, gamma) = (self.case.lambda, self.case.gamma);
        let unit = if own > 0.0 { own } else { 1.0 };
        let lambda = unit * self.steps(&self.answer(gamma, 0.0, true)?, &self.answer(gamma, unit, true)?)?;
        if !(lambda.is_finite() && lambda > 0.0) {
            return None;
        }
        let found = |lambda: f64| (lambda != own && self.fits(gamma, lambda)).then_some(lambda);
        let said = |lambda: f64, is: &str| {
            let alone = self.alone(gamma, lambda);
            format!("Right with the entropy weight {lambda}{is} in place of {own}{alone}.")
        };
        for (base, name) in [(LN_2, "2"), (LN_10, "10")] {
            if let Some(lambda) = found(own / base) {
                return Some(said(lambda, &format!(", that of logarithms to base {name},")));
            }
        }
        let round = |scale: f64| (lambda * scale).round() / scale;
        let rounded = [1e1, 1e2, 1e3].into_iter().map(round).filter(|x| *x > 0.0).find_map(found);
        rounded.or_else(|| found(lambda).filter(|_| self.tells)).map(|lambda| said(lambda, ""))
    }
}
