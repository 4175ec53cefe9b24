//! What an implementation answers that computes by a recipe.

use std::rc::Rc;

use super::case::{Case, Term, Valued};
use super::quantity::{Entries, Quantities, Quantity, defined};
use super::recipe::{
    Bootstrap, Entropy, Environment, Factor, Jacobian, Next, Order, Printed, Recipe, RewardWeights, Start,
    Values, Visits, Weights,
};
use crate::gradient::{entropy_term, policy_term};
use crate::response::PolicyCotangent;

/// The entries of an answer: the truth, or what a mistake makes of it.
pub(super) type Prediction = Quantities<Entries>;

impl Recipe {
    /// The answer; none where a choice is not defined on this problem.
    pub fn answer(&self, case: &Case<'_>) -> Option<Prediction> {
        self.answer_if(case, |_, _| true)
    }

    /// The answer if what is computed before the gradient, in the order of states, is as asked.
    pub fn answer_if(
        &self,
        case: &Case<'_>,
        is_asked: impl Fn(Quantity, &Entries) -> bool,
    ) -> Option<Prediction> {
        let (n, n_actions) = (case.n_states(), case.n_actions());
        let values = case.values(self.environment, self.entropy, self.values)?;
        let visits = case.visits(self.environment, self.visits, self.start)?;
        let by_action = case.by_action(&visits);

        let value =
            case.initial(self.start).iter().zip(&values.state_values).map(|(rho, v)| rho * v).sum::<f64>();
        let mut occupancy = match self.printed {
            Printed::Exact => case.evaluation().occupancy.clone(),
            Printed::Own | Printed::WithoutAbsorbing => by_action.clone(),
        };
        if self.printed == Printed::WithoutAbsorbing {
            for s in (0..n).filter(|&s| case.is_absorbing(self.environment, s)) {
                occupancy[s * n_actions..(s + 1) * n_actions].fill(0.0);
            }
        }

        let action_values = self.action_values(case, &values)?;
        let scale = self.all_values.number(case)?;
        let scaled = |entries: &[f64]| -> Entries { entries.iter().map(|x| Some(scale * x)).collect() };
        let of_occupancy = self.occupancy.number(case)?;
        let mut answer = Quantities::from_fn(|quantity| match quantity {
            Quantity::Value => scaled(&[value]),
            Quantity::StateValues => scaled(&values.state_values),
            Quantity::ActionValues => action_values.iter().map(|q| q.map(|q| scale * q)).collect(),
            Quantity::Occupancy => occupancy.iter().map(|d| Some(of_occupancy * d)).collect(),
            _ => Entries::new(),
        });
        let before = [Quantity::Value, Quantity::StateValues, Quantity::ActionValues, Quantity::Occupancy];
        if self.order == Order::StateMajor && !before.iter().all(|&known| is_asked(known, &answer[known])) {
            return None;
        }

        let terms = self.terms(case)?;
        let factors: Vec<f64> = self.factors.iter().map(|f| f.number(case)).collect::<Option<_>>()?;
        let whole = self.gradient.number(case)?;
        let times = |(term, factor): (&Entries, f64)| -> Entries {
            // What is left out may be infinite.
            let scaled =
                |x: &Option<f64>| if factor == 0.0 { Some(0.0) } else { x.map(|x| whole * factor * x) };
            term.iter().map(scaled).collect()
        };
        let terms: Vec<Entries> = terms.iter().map(|term| &**term).zip(factors).map(times).collect();
        let n_parameters = terms[0].len();
        answer[Quantity::Gradient] =
            (0..n_parameters).map(|k| terms.iter().map(|term| term[k]).sum()).collect();
        for (quantity, term) in Quantity::TERMS.into_iter().zip(terms) {
            answer[quantity] = term;
        }
        self.ordered(case, answer)
    }

    /// The policy, transition, reward and entropy terms, before their factors.
    fn terms(&self, case: &Case<'_>) -> Option<[Rc<Entries>; 4]> {
        // Each with all that it depends on.
        let common = || Self {
            environment: self.environment,
            start: self.start,
            visits: self.visits,
            jacobian: self.jacobian,
            steps_left: self.steps_left,
            frozen: self.frozen,
            own_state: self.own_state,
            ..Self::default()
        };
        let valued = || Self { entropy: self.entropy, values: self.values, ..common() };
        let (weights, bootstrap) = (self.weights, self.bootstrap);
        let policy = Self { weights, bootstrap, frozen: false, own_state: false, ..valued() };
        let transition = Self { transition_visits: self.transition_visits, next: self.next, ..valued() };
        let reward = Self { reward_weights: self.reward_weights, steps_left: false, ..common() };
        let entropy =
            Self { entropy: self.entropy, frozen: false, own_state: false, steps_left: false, ..common() };
        Some([
            case.term(Term::Policy, policy, |recipe| recipe.policy_term(case))?,
            case.term(Term::Transition, transition, |recipe| recipe.transition_term(case))?,
            case.term(Term::Reward, reward, |recipe| recipe.reward_term(case))?,
            case.term(Term::Entropy, entropy, |recipe| recipe.entropy_term(case))?,
        ])
    }

    fn visits(&self, case: &Case<'_>) -> Option<Rc<Vec<f64>>> {
        case.visits(self.environment, self.visits, self.start)
    }

    fn policy_term(&self, case: &Case<'_>) -> Option<Entries> {
        if let Some(steps) = self.steps_left()? {
            let weights = defined(&case.of_steps_left(self.environment, self.start, steps)?.policy);
            return self.through_policy(case, &vec![1.0; case.n_states()], &weights);
        }
        let values = case.values(self.environment, self.entropy, self.values)?;
        let visits = self.visits(case)?;
        let action_values = self.action_values(case, &values)?;
        let advantages = || advantages(case, &action_values);
        let weights: Entries = match self.weights {
            Weights::ActionValues => action_values.clone(),
            Weights::Advantages => defined(&advantages()),
            Weights::Standardised => {
                let by_action = case.by_action(&visits);
                defined(&standardised(&advantages(), &by_action, by_action.iter().sum())?)
            }
            Weights::StandardisedUniformly => defined(&standardised_alike(&advantages(), 0.0)?),
            Weights::StandardisedSample => defined(&standardised_alike(&advantages(), 1.0)?),
        };
        self.through_policy(case, &visits, &weights)
    }

    /// `Q[s,a]` with what it has of the next state.
    fn action_values(&self, case: &Case<'_>, values: &Valued) -> Option<Entries> {
        if self.bootstrap == Bootstrap::Next {
            return Some(values.action_values.clone());
        }
        let induced = case.induced(self.environment)?;
        let changed = |(pair, q): (usize, &Option<f64>)| {
            let after: f64 = induced.kernel.row(pair).map(|(t, p)| p * values.next[t]).sum();
            let in_place = match self.bootstrap {
                Bootstrap::Next => case.gamma * after,
                Bootstrap::Undiscounted => after,
                Bootstrap::OwnState => case.gamma * values.next[pair / case.n_actions()],
                Bootstrap::Nothing => 0.0,
            };
            q.map(|q| q - case.gamma * after + in_place)
        };
        Some(values.action_values.iter().enumerate().map(changed).collect())
    }

    /// The number of steps where each has the values of those that are left, if it is one
    /// number, and nothing else is changed that would change these values.
    fn steps_left(&self) -> Option<Option<usize>> {
        if !self.steps_left {
            return Some(None);
        }
        let plain = (self.entropy, self.weights) == (Entropy::Whole, Weights::ActionValues)
            && (self.next, self.transition_visits) == (Next::Discounted, None)
            && !self.frozen
            && !self.own_state
            && self.environment == Environment::Own;
        match (self.values, self.visits) {
            (Values::Swept(n), Visits::Truncated(steps)) if plain && n == steps => Some(Some(steps)),
            _ => None,
        }
    }

    fn transition_term(&self, case: &Case<'_>) -> Option<Entries> {
        if let Some(steps) = self.steps_left()? {
            let weights = case.of_steps_left(self.environment, self.start, steps)?;
            let pulled = case.pull_stored(self.environment, &weights.transitions)?;
            return self.to_parameters(case, pulled.transition);
        }
        let (n, n_actions) = (case.n_states(), case.n_actions());
        let values = case.values(self.environment, self.entropy, self.values)?;
        let which = self.transition_visits.unwrap_or(self.visits);
        let mut visits = case.by_action(&case.visits(self.environment, which, self.start)?);
        let next = match self.next {
            Next::Discounted => values.next.iter().map(|v| case.gamma * v).collect(),
            Next::Undiscounted => values.next.clone(),
            Next::OfThisStep => {
                let advantages = advantages(case, &values.action_values);
                visits.iter_mut().zip(advantages).for_each(|(d, advantage)| *d *= advantage);
                vec![1.0; n]
            }
            Next::OfNextState => {
                let advantages = advantages(case, &values.action_values);
                let mean = |s: usize| -> f64 {
                    (0..n_actions)
                        .map(|a| case.policy.probability(s, a) * advantages[s * n_actions + a])
                        .sum()
                };
                (0..n).map(|s| case.gamma * mean(s)).collect()
            }
        };
        let pulled = case.pull(
            self.environment,
            (self.frozen, self.own_state),
            (&visits, &next),
            &vec![0.0; visits.len()],
        )?;
        self.to_parameters(case, pulled.transition)
    }

    fn reward_term(&self, case: &Case<'_>) -> Option<Entries> {
        let visits = self.visits(case)?;
        let weights = match self.reward_weights {
            RewardWeights::Pairs => case.by_action(&visits),
            RewardWeights::States => {
                visits.iter().flat_map(|d| std::iter::repeat_n(*d, case.n_actions())).collect()
            }
        };
        let nothing = (vec![0.0; weights.len()], vec![0.0; case.n_states()]);
        let pulled =
            case.pull(self.environment, (self.frozen, self.own_state), (&nothing.0, &nothing.1), &weights)?;
        self.to_parameters(case, pulled.reward)
    }

    fn entropy_term(&self, case: &Case<'_>) -> Option<Entries> {
        let visits = self.visits(case)?;
        let bonuses = case.bonuses(self.environment)?;
        let visits: Vec<f64> = visits.iter().zip(bonuses).map(|(d, times)| d * times).collect();
        let lambda = match self.entropy {
            Entropy::Negated => -case.lambda,
            Entropy::Forgotten => 0.0,
            _ => case.lambda,
        };
        Some(match self.jacobian {
            Jacobian::Probabilities => {
                let entry = |pair: usize| match case.is_available(pair) {
                    true => Some(-lambda * visits[pair / case.n_actions()]),
                    false => Some(0.0),
                };
                (0..visits.len() * case.n_actions()).map(entry).collect()
            }
            _ => defined(&entropy_term(case.policy, &visits, &lambda)),
        })
    }

    /// `sum_s visits[s] sum_a dpi(a|s) weights[s,a]`, with the derivative of this recipe.
    fn through_policy(&self, case: &Case<'_>, visits: &[f64], weights: &[Option<f64>]) -> Option<Entries> {
        let (policy, n_actions) = (case.policy, case.n_actions());
        let is_softmax = policy.is_normalised_by_construction();
        let times = |factor: &dyn Fn(usize) -> f64| -> Option<Vec<f64>> {
            let weighted = |(i, w): (usize, &Option<f64>)| match case.is_available(i) {
                true => Some(factor(i) * visits[i / n_actions] * (*w)?),
                false => Some(0.0),
            };
            weights.iter().enumerate().map(weighted).collect()
        };
        let pi = |i: usize| *policy.probability(i / n_actions, i % n_actions);
        match self.jacobian {
            Jacobian::Exact => policy_term(policy, visits, weights).ok(),
            Jacobian::Diagonal | Jacobian::DiagonalThroughout if is_softmax => {
                Some(defined(&policy.logit_pullback(times(&pi)?)))
            }
            Jacobian::Squared if !is_softmax => Some(defined(&times(&pi)?)),
            Jacobian::Squared => Some(defined(&policy.pullback(&times(&pi)?).ok()?)),
            Jacobian::Probabilities if is_softmax && policy.features().is_none() => {
                Some(defined(&times(&|_| 1.0)?))
            }
            _ => None,
        }
    }

    fn to_parameters(&self, case: &Case<'_>, cotangent: PolicyCotangent<f64>) -> Option<Entries> {
        if let PolicyCotangent::Both { probabilities, parameters } = cotangent {
            let through = self.to_parameters(case, PolicyCotangent::Probabilities(probabilities))?;
            let sum = |(x, y): (Option<f64>, f64)| Some(x? + y);
            return (through.len() == parameters.len())
                .then(|| through.into_iter().zip(parameters).map(sum).collect());
        }
        Some(defined(&match (self.jacobian, cotangent) {
            (Jacobian::Probabilities, PolicyCotangent::Probabilities(cotangent)) => cotangent,
            (Jacobian::DiagonalThroughout, PolicyCotangent::Probabilities(mut cotangent)) => {
                let n_actions = case.n_actions();
                for (i, x) in cotangent.iter_mut().enumerate() {
                    *x *= case.policy.probability(i / n_actions, i % n_actions);
                }
                case.policy.logit_pullback(cotangent)
            }
            (_, cotangent) => cotangent.to_parameters(case.policy).ok()?,
        }))
    }

    /// The answer with its tables in the order of this recipe.
    fn ordered(&self, case: &Case<'_>, answer: Prediction) -> Option<Prediction> {
        if self.order == Order::StateMajor {
            return Some(answer);
        }
        let (n, n_actions) = (case.n_states(), case.n_actions());
        if case.policy.features().is_some() {
            return None;
        }
        let transposed = |entries: &Entries| -> Entries {
            (0..n_actions).flat_map(|a| (0..n).map(move |s| entries[s * n_actions + a])).collect()
        };
        Some(Quantities::from_fn(|quantity| {
            let entries = &answer[quantity];
            let is_table = !matches!(quantity, Quantity::Value | Quantity::StateValues);
            if is_table { transposed(entries) } else { entries.clone() }
        }))
    }
}

impl Factor {
    /// The number; none where it is not defined.
    fn number(self, case: &Case<'_>) -> Option<f64> {
        let (n, n_actions) = (case.n_states() as f64, case.n_actions() as f64);
        let number = match self {
            Self::One => 1.0,
            Self::Zero => 0.0,
            Self::Minus => -1.0,
            Self::Gamma => case.gamma,
            Self::OverGamma => 1.0 / case.gamma,
            // Without discounting nothing is normalised.
            Self::Normalised if case.gamma == 1.0 => return None,
            Self::Normalised => 1.0 - case.gamma,
            Self::Horizon => 1.0 / (1.0 - case.gamma),
            Self::OverStates => 1.0 / n,
            Self::OverActions => 1.0 / n_actions,
            Self::OverPairs => 1.0 / (n * n_actions),
            Self::OverSteps => {
                let visits = case.visits(Environment::Own, Visits::BeforeAbsorption, Start::Given)?;
                1.0 / visits.iter().sum::<f64>()
            }
            Self::OverVisits => {
                let bonuses = case.bonuses(Environment::Own)?;
                if !bonuses.contains(&0.0) {
                    return None;
                }
                1.0 / case.visits(Environment::Own, Visits::Undiscounted, Start::Given)?.iter().sum::<f64>()
            }
        };
        number.is_finite().then_some(number)
    }
}

/// `A[s,a] = Q[s,a] - sum_b pi(b|s) Q[s,b]`; 0 where it is infinite.
fn advantages(case: &Case<'_>, action_values: &[Option<f64>]) -> Vec<f64> {
    let n_actions = case.n_actions();
    let of_state = |(s, row): (usize, &[Option<f64>])| -> Vec<f64> {
        let weighted = |(a, q): (usize, &Option<f64>)| q.map_or(0.0, |q| case.policy.probability(s, a) * q);
        let mean: f64 = row.iter().enumerate().map(weighted).sum();
        row.iter().map(|q| q.map_or(0.0, |q| q - mean)).collect()
    };
    action_values.chunks(n_actions).enumerate().flat_map(of_state).collect()
}

/// The same with equal weights, and so many fewer numbers in the denominator of the variance.
fn standardised_alike(numbers: &[f64], fewer: f64) -> Option<Vec<f64>> {
    standardised(numbers, &vec![1.0; numbers.len()], numbers.len() as f64 - fewer)
}

/// Numbers less their mean, over their standard deviation, with these weights and this
/// denominator of the variance; none where they differ by rounding only.
fn standardised(numbers: &[f64], weights: &[f64], denominator: f64) -> Option<Vec<f64>> {
    let total: f64 = weights.iter().sum();
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 { numbers.iter().zip(weights).map(|(x, w)| w * of(*x)).sum() };
    let centre = sum(&|x| x) / total;
    let deviation = (sum(&|x| (x - centre) * (x - centre)) / denominator).sqrt();
    let largest = numbers.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    (deviation > 1e-9 * largest).then(|| numbers.iter().map(|x| (x - centre) / deviation).collect())
}

#[cfg(test)]
mod tests;
