//! Known mistakes: what is computed instead of the truth, one entry each.
//!
//! Formulas and where they were seen: `docs/mistakes.md`.

use super::case::Case;
use super::computation::Prediction;
use super::error::OracleError;
use super::induced::Models;
use super::quantity::Quantity;
use super::recipe::{
    Bootstrap, Entropy, Entry, Environment, Factor, Jacobian, Next, Order, Printed, Recipe, RewardWeights,
    Start, Values, Visits, Weights,
};
use crate::environments::gridworld::Terminal;
use crate::mdp::ModelError;
use crate::policy::{self, Policy, PolicySpec};
use crate::problem::{Numeral, Problem};

/// A mistake that implementations are known to make.
pub struct Mistake {
    /// Its name in reports.
    pub id: &'static str,
    /// What is computed in place of the truth, in a line; in full in `docs/mistakes.md`.
    pub about: &'static str,
    /// Which quantities of an answer it changes, where they are given.
    pub touches: &'static [Quantity],
    /// What it changes in a recipe, in every reading of the mistake that is in use.
    readings: Readings,
}

/// The readings of a mistake.
enum Readings {
    /// The same on every problem.
    All(&'static [fn(&mut Recipe)]),
    /// So many sweeps or steps as fit what is claimed; and some that are the same on every problem.
    Counted(&'static [fn(&mut Recipe, usize)], &'static [fn(&mut Recipe)]),
    /// The answer of another problem.
    Elsewhere,
}

const GRADIENT: &[Quantity] = &[Quantity::Gradient];
const OCCUPANCY: &[Quantity] = &[Quantity::Occupancy];
const VALUE: &[Quantity] = &[Quantity::Value];
const GRADIENT_AND_OCCUPANCY: &[Quantity] = &[Quantity::Gradient, Quantity::Occupancy];
const GRADIENT_AND_ACTION_VALUES: &[Quantity] = &[Quantity::Gradient, Quantity::ActionValues];
const ALL: &[Quantity] = &[Quantity::Value, Quantity::Occupancy, Quantity::Gradient];
const VALUE_AND_GRADIENT: &[Quantity] = &[Quantity::Value, Quantity::Gradient];

/// The places of the terms in [`Recipe::factors`].
const POLICY: usize = 0;
const TRANSITION: usize = 1;
const REWARD: usize = 2;
const ENTROPY: usize = 3;

/// Followers' values and the occupancy by sweeps, the values by as many.
fn all_swept(recipe: &mut Recipe, k: u8) {
    recipe.environment = Environment::FollowersSwept(k);
    (recipe.values, recipe.visits) = (Values::SweptAsVisits(k), Visits::SweptTo(k, Entry::Pair));
}

/// The mistake whose answer is that of a problem whose states have all actions.
pub(super) const MISSING_ACTIONS_TAKEN: &str = "missing-actions-taken";

/// Every known mistake.
pub const KNOWN_MISTAKES: &[Mistake] = &[
    Mistake {
        id: "no-transition-term",
        about: "ordinary policy gradient plus the reward term; transitions taken as fixed",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.factors[TRANSITION] = Factor::Zero]),
    },
    Mistake {
        id: "advantage-weighted-transition-score",
        about: "transition score weighted by the step's own advantage [PePG, T2]: its mean is 0, as sum_t dP = 0",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.next = Next::OfThisStep]),
    },
    Mistake {
        id: "transition-score-one-step-late",
        about: "transition score weighted by the next state's advantage; its mean is 0",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.next = Next::OfNextState]),
    },
    Mistake {
        id: "no-reward-term",
        about: "rewards taken as fixed: their dependence on the policy is left out",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.factors[REWARD] = Factor::Zero]),
    },
    Mistake {
        id: "no-performative-terms",
        about: "ordinary policy gradient, as if the environment did not respond",
        touches: GRADIENT,
        readings: Readings::All(&[|r| {
            (r.factors[TRANSITION], r.factors[REWARD]) = (Factor::Zero, Factor::Zero)
        }]),
    },
    Mistake {
        id: "descent",
        about: "the gradient of -J: the sign is reversed",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.gradient = Factor::Minus]),
    },
    Mistake {
        id: "sign-of-one-term",
        about: "the sign of the policy, the transition or the reward term",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.factors[POLICY] = Factor::Minus,
            |r| r.factors[TRANSITION] = Factor::Minus,
            |r| r.factors[REWARD] = Factor::Minus,
        ]),
    },
    Mistake {
        id: "response-values-frozen",
        about: "followers' values held fixed when their response is differentiated",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.frozen = true]),
    },
    Mistake {
        id: "response-applied-twice",
        about: "the response has twice its strength, in the model and in its derivative",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.environment = Environment::Twice]),
    },
    Mistake {
        id: "transition-term-undiscounted",
        about: "undiscounted visits in place of d in the transition term",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.transition_visits = Some(Visits::UndiscountedResponding)]),
    },
    Mistake {
        id: "transition-term-no-gamma",
        about: "the factor gamma of the transition term is missing",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.next = Next::Undiscounted]),
    },
    Mistake {
        id: "reward-weighted-by-state",
        about: "d[s] in place of d[s,a] in the reward term",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.reward_weights = RewardWeights::States]),
    },
    Mistake {
        id: "normalised-occupancy",
        about: "everything weighted by d is multiplied by 1 - gamma",
        touches: GRADIENT_AND_OCCUPANCY,
        readings: Readings::All(&[|r| (r.gradient, r.occupancy) = (Factor::Normalised, Factor::Normalised)]),
    },
    Mistake {
        id: "undiscounted-occupancy",
        about: "undiscounted visits in place of d in all terms",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| (r.visits, r.printed) = (Visits::Undiscounted, Printed::Exact),
            |r| r.visits = Visits::Undiscounted,
        ]),
    },
    Mistake {
        id: "stationary-distribution",
        about: "the stationary distribution in place of d, normalised or over 1 - gamma",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| (r.visits, r.printed) = (Visits::Stationary, Printed::Exact),
            |r| r.visits = Visits::Stationary,
            |r| (r.visits, r.printed, r.gradient) = (Visits::Stationary, Printed::Exact, Factor::Normalised),
            |r| {
                (r.visits, r.gradient, r.occupancy) =
                    (Visits::Stationary, Factor::Normalised, Factor::Normalised)
            },
        ]),
    },
    Mistake {
        id: "states-weighted-alike",
        about: "1, 1/S or 1/(S(1-gamma)) in place of d of every state",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| (r.visits, r.printed) = (Visits::EachOnce, Printed::Exact),
            |r| (r.visits, r.printed) = (Visits::Alike, Printed::Exact),
            |r| (r.visits, r.printed, r.gradient) = (Visits::Alike, Printed::Exact, Factor::Horizon),
        ]),
    },
    Mistake {
        id: "start-ignored",
        about: "the uniform distribution of the first state in place of rho",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.start = Start::Uniform]),
    },
    Mistake {
        id: "mean-instead-of-sum",
        about: "the gradient averaged over states, actions or both",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.gradient = Factor::OverStates,
            |r| r.gradient = Factor::OverActions,
            |r| r.gradient = Factor::OverPairs,
        ]),
    },
    Mistake {
        id: "divided-by-episode-length",
        about: "the gradient over the expected number of steps before the last state",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.gradient = Factor::OverSteps, |r| r.gradient = Factor::OverVisits]),
    },
    Mistake {
        id: "discount-one-step-late",
        about: "gamma^(t+1) in place of gamma^t: the value, the occupancy and the gradient times gamma",
        touches: GRADIENT,
        readings: Readings::All(&[|r| {
            (r.all_values, r.occupancy, r.gradient) = (Factor::Gamma, Factor::Gamma, Factor::Gamma)
        }]),
    },
    Mistake {
        id: "value-off-by-gamma",
        about: "values times gamma, or over gamma",
        touches: VALUE,
        readings: Readings::All(&[|r| r.all_values = Factor::Gamma, |r| r.all_values = Factor::OverGamma]),
    },
    Mistake {
        id: "value-off-by-horizon",
        about: "values times 1 - gamma, or over it",
        touches: VALUE,
        readings: Readings::All(&[|r| r.all_values = Factor::Normalised, |r| r.all_values = Factor::Horizon]),
    },
    Mistake {
        id: "sweeps-stopped-early",
        about: "sweeps of the Bellman operator from 0 that stop at a change below 1e-k, or after so many",
        touches: VALUE,
        readings: Readings::Counted(
            &[|r, n| r.values = Values::Swept(n), |r, n| r.values = Values::SweptInPlace(n)],
            // Of the visits too.
            &[
                |r| (r.values, r.visits) = (Values::SweptTo(2), Visits::SweptTo(2, Entry::State)),
                |r| (r.values, r.visits) = (Values::SweptTo(3), Visits::SweptTo(3, Entry::State)),
                |r| (r.values, r.visits) = (Values::SweptTo(4), Visits::SweptTo(4, Entry::State)),
                |r| (r.values, r.visits) = (Values::SweptTo(5), Visits::SweptTo(5, Entry::State)),
                |r| (r.values, r.visits) = (Values::SweptTo(6), Visits::SweptTo(6, Entry::State)),
            ],
        ),
    },
    Mistake {
        id: "truncated-at-horizon",
        about: "a return cut after H steps, as if episodes ended there",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::Counted(
            &[
                |r, n| (r.values, r.visits) = (Values::Swept(n), Visits::Truncated(n)),
                |r, n| {
                    (r.values, r.visits, r.printed) = (Values::Swept(n), Visits::Truncated(n), Printed::Exact)
                },
                |r, n| (r.values, r.visits, r.steps_left) = (Values::Swept(n), Visits::Truncated(n), true),
                |r, n| r.visits = Visits::Truncated(n),
            ],
            &[],
        ),
    },
    Mistake {
        id: "entropy-in-reward-not-bootstrap",
        about: "entropy in the current step only, not in the values of later states",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.entropy = Entropy::CurrentStep]),
    },
    Mistake {
        id: "entropy-in-bootstrap-not-reward",
        about: "entropy in the values of later states, not in the current step",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.entropy = Entropy::LaterSteps]),
    },
    Mistake {
        id: "entropy-sign",
        about: "the sign of the entropy bonus",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.entropy = Entropy::Negated]),
    },
    Mistake {
        id: "entropy-forgotten",
        about: "no entropy bonus at all",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.entropy = Entropy::Forgotten]),
    },
    Mistake {
        id: "entropy-stops-at-absorbing",
        about: "no entropy bonus in states that are never left",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| r.entropy = Entropy::UntilAbsorbed]),
    },
    Mistake {
        id: "absorbing-taken-for-terminal",
        about: "states that are never left pay nothing and have no entropy bonus: value 0",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[|r| {
            (r.environment, r.entropy) = (Environment::Ended, Entropy::UntilAbsorbed)
        }]),
    },
    Mistake {
        id: "absorbing-rows-missing",
        about: "the occupancy of states that are never left is left out",
        touches: OCCUPANCY,
        readings: Readings::All(&[|r| r.printed = Printed::WithoutAbsorbing]),
    },
    Mistake {
        id: "terminal-keeps-transitions",
        about: "the gridworld's terminal state moves on as any other cell",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[
            |r| r.environment = Environment::Terminal(Terminal::KeepsTransitions, Terminal::KeepsTransitions),
            |r| r.environment = Environment::Terminal(Terminal::KeepsTransitions, Terminal::Absorbing),
        ]),
    },
    Mistake {
        id: "terminal-keeps-rewards",
        about: "the gridworld's terminal state goes on paying",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[
            |r| r.environment = Environment::Terminal(Terminal::KeepsReward, Terminal::KeepsReward),
            |r| r.environment = Environment::Terminal(Terminal::KeepsReward, Terminal::Absorbing),
            |r| r.environment = Environment::Terminal(Terminal::KeepsMoveRewards, Terminal::KeepsMoveRewards),
            |r| r.environment = Environment::Terminal(Terminal::KeepsMoveRewards, Terminal::Absorbing),
        ]),
    },
    Mistake {
        id: "stale-environment",
        about: "evaluated in the environment that the previous policy induced",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[
            |r| {
                r.environment = Environment::Previous;
                (r.factors[TRANSITION], r.factors[REWARD]) = (Factor::Zero, Factor::Zero);
            },
            |r| r.environment = Environment::Previous,
            |r| {
                r.environment = Environment::PreviousRewards;
                (r.factors[TRANSITION], r.factors[REWARD]) = (Factor::Zero, Factor::Zero);
            },
            |r| r.environment = Environment::PreviousRewards,
            |r| {
                r.environment = Environment::PreviousTransitions;
                (r.factors[TRANSITION], r.factors[REWARD]) = (Factor::Zero, Factor::Zero);
            },
            |r| r.environment = Environment::PreviousTransitions,
        ]),
    },
    Mistake {
        id: "standardised-advantages",
        about: "advantages less their mean over their standard deviation",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.weights = Weights::Standardised,
            |r| r.weights = Weights::StandardisedUniformly,
            |r| r.weights = Weights::StandardisedSample,
        ]),
    },
    Mistake {
        id: "softmax-jacobian-diagonal",
        about: "the derivative of softmax without its part -pi pi'",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.jacobian = Jacobian::Diagonal,
            |r| r.jacobian = Jacobian::DiagonalThroughout,
        ]),
    },
    Mistake {
        id: "pi-counted-twice",
        about: "a factor pi(a|s) more in the policy term",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.jacobian = Jacobian::Squared,
            |r| (r.jacobian, r.weights) = (Jacobian::Squared, Weights::Advantages),
        ]),
    },
    Mistake {
        id: "gradient-of-probabilities",
        about: "the gradient with respect to pi in place of theta",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.jacobian = Jacobian::Probabilities,
            |r| (r.jacobian, r.factors[ENTROPY]) = (Jacobian::Probabilities, Factor::Zero),
        ]),
    },
    Mistake {
        id: "action-major-order",
        about: "tables in the order of actions, then states",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.order = Order::ActionMajor]),
    },
    Mistake {
        id: "transposed-transitions",
        about: "P[s,a,t] read as P[t,a,s]",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[
            |r| r.environment = Environment::Transposed,
            |r| r.environment = Environment::TransposedSolves,
        ]),
    },
    Mistake {
        id: "transposed-system",
        about: "values or occupancies solved with the transposed system",
        touches: GRADIENT,
        readings: Readings::All(&[
            |r| r.values = Values::Transposed,
            |r| r.visits = Visits::Transposed,
            |r| (r.values, r.visits) = (Values::Transposed, Visits::Transposed),
        ]),
    },
    Mistake {
        id: "bootstrap-undiscounted",
        about: "action values with V of the next state without gamma",
        touches: GRADIENT_AND_ACTION_VALUES,
        readings: Readings::All(&[|r| r.bootstrap = Bootstrap::Undiscounted]),
    },
    Mistake {
        id: "no-bootstrap",
        about: "action values without V of the next state, or with that of the state itself",
        touches: GRADIENT_AND_ACTION_VALUES,
        readings: Readings::All(&[
            |r| r.bootstrap = Bootstrap::Nothing,
            |r| r.bootstrap = Bootstrap::OwnState,
        ]),
    },
    Mistake {
        id: "terminal-goes-on",
        about: "terminal states taken for others, or for absorbing ones that go on paying",
        touches: ALL,
        readings: Readings::All(&[
            |r| r.environment = Environment::WithoutEnd,
            |r| r.environment = Environment::EndPaysForEver,
            |r| r.environment = Environment::EndPaysRewardForEver,
        ]),
    },
    Mistake {
        id: "entropy-after-the-end",
        about: "entropy in terminal states, once or for ever",
        touches: VALUE_AND_GRADIENT,
        readings: Readings::All(&[
            |r| r.environment = Environment::EndPaysEntropy,
            |r| r.environment = Environment::EndPaysEntropyForEver,
            |r| r.environment = Environment::EndPaysOnlyEntropy,
        ]),
    },
    Mistake {
        id: MISSING_ACTIONS_TAKEN,
        about: "the policy is over all actions, those that a state does not have among them",
        touches: ALL,
        readings: Readings::Elsewhere,
    },
    Mistake {
        id: "start-one-step-late",
        about: "the first state left out: one step of the chain from the start distribution on",
        touches: ALL,
        readings: Readings::All(&[|r| r.start = Start::OneStepLate, |r| r.visits = Visits::AfterTheFirst]),
    },
    Mistake {
        id: "response-of-own-state",
        about: "the response of each row to the policy in its own state only",
        touches: GRADIENT,
        readings: Readings::All(&[|r| r.own_state = true]),
    },
    Mistake {
        id: "sweeps-of-followers",
        about: "followers' values, or all, by sweeps from 0 that stop at a change below 1e-k",
        touches: VALUE,
        readings: Readings::All(&[
            |r| r.environment = Environment::FollowersSwept(2),
            |r| (r.environment, r.values) = (Environment::FollowersSwept(2), Values::SweptTo(2)),
            |r| all_swept(r, 2),
            |r| r.environment = Environment::FollowersSwept(3),
            |r| (r.environment, r.values) = (Environment::FollowersSwept(3), Values::SweptTo(3)),
            |r| all_swept(r, 3),
            |r| r.environment = Environment::FollowersSwept(4),
            |r| (r.environment, r.values) = (Environment::FollowersSwept(4), Values::SweptTo(4)),
            |r| all_swept(r, 4),
            |r| r.environment = Environment::FollowersSwept(5),
            |r| (r.environment, r.values) = (Environment::FollowersSwept(5), Values::SweptTo(5)),
            |r| all_swept(r, 5),
            |r| r.environment = Environment::FollowersSwept(6),
            |r| (r.environment, r.values) = (Environment::FollowersSwept(6), Values::SweptTo(6)),
            |r| all_swept(r, 6),
        ]),
    },
];

/// What an implementation answers that makes a mistake in one of its readings.
pub(super) struct Reading {
    pub mistake: &'static Mistake,
    /// How the answer is computed; none where it is that of another problem.
    pub recipe: Option<Recipe>,
    /// The answer.
    pub answer: Prediction,
}

impl Mistake {
    /// A recipe with this mistake, in every reading.
    fn recipes(&self, counts: &[usize]) -> Vec<Recipe> {
        let changed = |change: &dyn Fn(&mut Recipe)| {
            let mut recipe = Recipe::default();
            change(&mut recipe);
            recipe
        };
        match self.readings {
            Readings::All(changes) => changes.iter().map(|change| changed(change)).collect(),
            Readings::Counted(changes, others) => {
                let pairs = changes.iter().flat_map(|change| counts.iter().map(move |&n| (change, n)));
                let counted = pairs.map(|(change, n)| changed(&|recipe| change(recipe, n)));
                counted.chain(others.iter().map(|change| changed(change))).collect()
            }
            Readings::Elsewhere => Vec::new(),
        }
    }

    /// Whether its readings do not depend on what is claimed.
    pub(super) fn is_the_same_everywhere(&self) -> bool {
        !matches!(self.readings, Readings::Counted(..))
    }

    /// What an implementation with this mistake would answer, in every reading; none
    /// where the mistake is not defined.
    pub(super) fn answers(&'static self, case: &Case<'_>, counts: &[usize]) -> Vec<Reading> {
        if self.id == MISSING_ACTIONS_TAKEN {
            let reading = |answer| Reading { mistake: self, recipe: None, answer };
            return case.with_all_actions().map(reading).into_iter().collect();
        }
        let answered = |recipe: Recipe| {
            let answer = recipe.answer(case)?;
            Some(Reading { mistake: self, recipe: Some(recipe), answer })
        };
        self.recipes(counts).into_iter().filter_map(answered).collect()
    }
}

/// What a known mistake makes of a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistaken {
    /// Which mistake.
    pub id: &'static str,
    /// The value and the gradient, in doubles, in every reading of the mistake
    /// that is in use; none where it is not defined.
    pub readings: Vec<(f64, Vec<Option<f64>>)>,
}

/// What every known mistake makes of a problem, `stale-environment` with the
/// uniform policy deployed before, and sweeps that stop at a change below 1e-3.
///
/// # Errors
/// [`OracleError`] where the problem has no answer.
///
/// ```
/// use pemdp::oracle::{examples, mistaken_answers};
/// use pemdp::problem::{Problem, Reading};
/// let problem = Problem::from_json(&examples::example("two-state").unwrap().to_json(), Reading::Doubles)?;
/// let all = mistaken_answers(&problem)?;
/// let lost = all.iter().find(|m| m.id == "no-transition-term").unwrap();
/// assert_eq!(lost.readings[0].1, [Some(0.0), Some(0.0)]); // the truth is (3/16, 1/16)
/// # Ok::<(), pemdp::oracle::OracleError>(())
/// ```
pub fn mistaken_answers(problem: &Problem) -> Result<Vec<Mistaken>, OracleError> {
    let (models, policy) = (Models::of(problem)?, problem.deployed_policy::<f64>()?);
    let previous = uniform(problem)?;
    let case = Case::new(problem, &models, &policy, Some(&previous))?;
    let counts = case.sweeps_to(&[1e-3]);
    let mistaken = |mistake: &'static Mistake| {
        let reading = |mut reading: Reading| {
            let value = reading.answer[Quantity::Value].first().copied().flatten()?;
            Some((value, std::mem::take(&mut reading.answer[Quantity::Gradient])))
        };
        let readings = mistake.answers(&case, &counts).into_iter().filter_map(reading).collect();
        Mistaken { id: mistake.id, readings }
    };
    Ok(KNOWN_MISTAKES.iter().map(mistaken).collect())
}

/// The uniform policy, by weights, with its logarithms.
pub(super) fn uniform(problem: &Problem) -> Result<Policy<f64>, ModelError> {
    let ones = vec![Numeral::from(1.0); problem.n_states() * problem.n_actions()];
    let uniform = PolicySpec::from(policy::Weights { values: ones });
    Ok(uniform.policy::<f64>(problem.of())?.with_logarithms())
}
