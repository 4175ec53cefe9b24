//! A problem in doubles, for known mistakes to start from: its environment and those that
//! mistakes put in its place, values and visits in each.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use nalgebra::{DMatrix, Dyn, LU};

use super::computation::Prediction;
use super::error::OracleError;
use super::induced::{Induced, Models};
use super::quantity::Entries;
use super::recipe::{Entropy, Entry, Environment, Recipe, Start, Values, Visits};
use super::steps_left::OfStepsLeft;
use super::visits::{solve, stationary, transient_visits, undiscounted_visits};
use crate::criterion::{by_action, means};
use crate::environments::Structure;
use crate::evaluate::Evaluation;
use crate::linear::Rows;
use crate::performative::Performance;
use crate::policy::Policy;
use crate::problem::Problem;

/// Sweeps and steps take at most so many products.
pub(super) const WORK: usize = 100_000_000;

/// More sweeps are only counted where values are claimed.
const SWEEPS: usize = 20_000;

/// Values as they are computed.
pub(super) struct Valued {
    /// `V[s]`.
    pub state_values: Vec<f64>,
    /// `V[t]` as it is used after a step.
    pub next: Vec<f64>,
    /// `Q[s,a]`, none where it is infinite.
    pub action_values: Vec<Option<f64>>,
}

/// What has been computed before.
struct Memo<K, V>(RefCell<HashMap<K, Option<Rc<V>>>>);

impl<K: Hash + Eq, V> Memo<K, V> {
    fn new() -> Self {
        Self(RefCell::new(HashMap::new()))
    }

    fn of(&self, key: K, compute: impl FnOnce(&K) -> Option<V>) -> Option<Rc<V>> {
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let value = compute(&key).map(Rc::new);
        self.0.borrow_mut().insert(key, value.clone());
        value
    }

    /// What is known under the key of the largest number.
    fn largest(&self, number: impl Fn(&K) -> Option<usize>) -> Option<(usize, Rc<V>)> {
        let memo = self.0.borrow();
        let numbered = memo.iter().filter_map(|(key, value)| Some((number(key)?, value.as_ref()?)));
        numbered.max_by_key(|(number, _)| *number).map(|(number, value)| (number, Rc::clone(value)))
    }
}

/// `I - gamma P_pi` of one environment, factorised where it is asked for.
pub(super) struct System {
    /// `P_pi`.
    pub chain: Rows<f64>,
    gamma: f64,
    lu: OnceCell<LU<f64, Dyn, Dyn>>,
    transposed: OnceCell<LU<f64, Dyn, Dyn>>,
}

impl System {
    fn new(chain: Rows<f64>, gamma: f64) -> Self {
        Self { chain, gamma, lu: OnceCell::new(), transposed: OnceCell::new() }
    }

    fn matrix(&self) -> DMatrix<f64> {
        let mut matrix = DMatrix::identity(self.chain.len(), self.chain.len());
        for s in 0..self.chain.len() {
            for (t, p) in self.chain.row(s) {
                matrix[(s, t)] -= self.gamma * p;
            }
        }
        matrix
    }

    /// So many sweeps of a kind that is looked for on every problem.
    pub fn affordable(&self) -> usize {
        SWEEPS.min(WORK / 10 / self.chain.n_stored().max(1))
    }

    /// `(I - gamma P)^{-1} right`.
    fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        solve(self.lu.get_or_init(|| self.matrix().lu()), right)
    }

    /// `(I - gamma P)^{-T} right`.
    fn solve_transposed(&self, right: &[f64]) -> Option<Vec<f64>> {
        solve(self.transposed.get_or_init(|| self.matrix().transpose().lu()), right)
    }
}

/// A problem evaluated in doubles, for the mistakes to start from.
pub(super) struct Case<'a> {
    pub policy: &'a Policy<f64>,
    pub gamma: f64,
    pub lambda: f64,
    initial: &'a [f64],
    /// The truth.
    pub performance: Performance<'a, f64>,
    /// Whether anything happens before a state that is never left.
    has_end: bool,
    models: &'a Models,
    environments: Vec<(Environment, Induced<'a>)>,
    systems: Memo<Environment, System>,
    values: Memo<(Environment, Entropy, Values), Valued>,
    visits: Memo<(Environment, Visits, Start), Vec<f64>>,
    terms: Memo<(Term, Recipe), Entries>,
    steps_left: Memo<(Environment, Start, usize), OfStepsLeft>,
}

/// A term of the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Term {
    Policy,
    Transition,
    Reward,
    Entropy,
}

impl<'a> Case<'a> {
    /// `previous` is the policy deployed before; none where doubles do not hold it.
    ///
    /// # Errors
    /// [`OracleError`] where doubles do not hold the answer.
    pub fn new(
        problem: &'a Problem,
        models: &'a Models,
        policy: &'a Policy<f64>,
        previous: Option<&'a Policy<f64>>,
    ) -> Result<Self, OracleError> {
        let performance = models.own.perform(policy)?;
        let own = Induced::new(&performance.mdp, policy, None);
        // At a point nothing is known of other policies.
        let previous = previous.filter(|_| !matches!(problem.structure(), Structure::Point(_)));
        let mut environments = models.deployed(policy, previous);
        environments.extend(own.mixed(&environments));
        environments.extend(own.going_on(models.own.gamma, policy));
        let mut visits = performance.evaluation.state_occupancy.iter().zip(&own.never_left);
        let has_end = visits.any(|(d, never_left)| *d > 0.0 && !never_left);
        if has_end {
            environments.push((Environment::Ended, own.ended()));
        }
        environments.extend(own.transposed(policy).map(|induced| (Environment::Transposed, induced)));
        environments.push((Environment::Own, own));
        let (gamma, lambda, initial) = (models.own.gamma, models.own.entropy, &models.own.initial);
        let (systems, values, visits, terms) = (Memo::new(), Memo::new(), Memo::new(), Memo::new());
        Ok(Self {
            policy,
            gamma,
            lambda,
            initial,
            performance,
            has_end,
            models,
            environments,
            systems,
            values,
            visits,
            terms,
            steps_left: Memo::new(),
        })
    }

    pub fn evaluation(&self) -> &Evaluation<f64> {
        &self.performance.evaluation
    }

    /// Whether agents that discount as the learner does respond.
    pub fn has_followers(&self) -> bool {
        self.models.own.response.discount().is_some()
    }

    pub fn n_states(&self) -> usize {
        self.policy.n_states()
    }

    pub fn n_actions(&self) -> usize {
        self.policy.n_actions()
    }

    /// Whether the rows of this state may respond: transitions, rewards.
    fn responds(&self, state: usize) -> (bool, bool) {
        let responds = self.models.own.response.responds(state);
        (responds.transitions, responds.rewards)
    }

    pub fn induced(&self, environment: Environment) -> Option<&Induced<'a>> {
        let environment = environment.of_solves();
        self.environments.iter().find(|(known, _)| *known == environment).map(|(_, induced)| induced)
    }

    /// A term of the gradient by a recipe of all that it depends on.
    pub fn term(
        &self,
        term: Term,
        recipe: Recipe,
        compute: impl FnOnce(&Recipe) -> Option<Entries>,
    ) -> Option<Rc<Entries>> {
        self.terms.of((term, recipe), |(_, recipe)| compute(recipe))
    }

    /// Whether a state is never left, and others are.
    pub fn is_absorbing(&self, environment: Environment, state: usize) -> bool {
        self.has_end && self.induced(environment).is_some_and(|induced| induced.never_left[state])
    }

    /// `x[s] pi(a|s)` at `s A + a`.
    pub fn by_action(&self, visits: &[f64]) -> Vec<f64> {
        by_action(self.policy, visits)
    }

    /// The distribution of the first state.
    pub fn initial(&self, start: Start) -> Cow<'_, [f64]> {
        match start {
            Start::Given => self.initial.into(),
            Start::Uniform => vec![1.0 / self.n_states() as f64; self.n_states()].into(),
            Start::OneStepLate => {
                let Some(system) = self.system(Environment::Own) else { return self.initial.into() };
                let mut later = vec![0.0; self.n_states()];
                for (s, rho) in self.initial.iter().enumerate() {
                    system.chain.row(s).for_each(|(t, p)| later[t] += rho * p);
                }
                later.into()
            }
        }
    }

    /// Whether a state has the action of a pair.
    pub fn is_available(&self, pair: usize) -> bool {
        self.policy.is_available(pair / self.n_actions(), pair % self.n_actions())
    }

    /// `-lambda log pi(a|s)` as often as it is paid; none where it is infinite, or the state
    /// does not have the action.
    pub fn bonus(&self, environment: Environment, pair: usize) -> Option<f64> {
        let (state, action) = (pair / self.n_actions(), pair % self.n_actions());
        if !self.is_available(pair) {
            return None;
        }
        let times = self.induced(environment)?.bonuses[state];
        if self.lambda == 0.0 || times == 0.0 {
            return Some(0.0);
        }
        self.policy.logarithm(state, action).map(|log| -times * self.lambda * log)
    }

    /// How often the entropy bonus is paid in a state when it is visited.
    pub fn bonuses(&self, environment: Environment) -> Option<&[f64]> {
        Some(&self.induced(environment)?.bonuses)
    }

    /// The answer where the states have all actions, if that is another problem.
    pub fn with_all_actions(&self) -> Option<Prediction> {
        self.models.with_all_actions.clone()
    }

    /// `sum_a pi(a|s) x[s,a]` for each state; what is infinite counts nothing.
    pub fn means(&self, of: impl Fn(usize) -> Option<f64>) -> Vec<f64> {
        let of_pairs: Vec<Option<f64>> = (0..self.n_states() * self.n_actions()).map(of).collect();
        means(self.policy, &of_pairs)
    }

    pub fn system(&self, environment: Environment) -> Option<Rc<System>> {
        let environment = environment.of_solves();
        self.systems.of(environment, |_| {
            let kernel = &self.induced(environment)?.kernel;
            let chain = kernel.mixtures(self.n_actions(), |s, a| self.policy.probability(s, a));
            let system = System::new(chain, self.gamma);
            if matches!(environment, Environment::Transposed | Environment::WithoutEnd) {
                // A nonnegative matrix M has spectral radius below 1 exactly where
                // (I - M)^{-1} takes the vector of ones to a positive vector.
                let positive = system.solve(&vec![1.0; self.n_states()])?;
                return positive.iter().all(|x| *x > 0.0).then_some(system);
            }
            Some(system)
        })
    }

    /// Values in an environment; none where they are not bounded or take too long.
    pub fn values(&self, environment: Environment, entropy: Entropy, how: Values) -> Option<Rc<Valued>> {
        let environment = environment.of_solves();
        self.values.of((environment, entropy, how), |_| {
            let own = self.evaluation();
            if (environment, how) == (Environment::Own, Values::Solved) && entropy == Entropy::Whole {
                let (state_values, action_values) = (own.state_values.clone(), own.action_values.clone());
                return Some(Valued { next: state_values.clone(), state_values, action_values });
            }
            self.computed_values(environment, entropy, how)
        })
    }

    fn computed_values(&self, environment: Environment, entropy: Entropy, how: Values) -> Option<Valued> {
        let (n, n_actions) = (self.n_states(), self.n_actions());
        let (induced, system) = (self.induced(environment)?, self.system(environment)?);
        let in_values = |pair: usize| match entropy {
            Entropy::Forgotten | Entropy::CurrentStep => Some(0.0),
            Entropy::Negated => self.bonus(environment, pair).map(|bonus| -bonus),
            Entropy::UntilAbsorbed if self.is_absorbing(environment, pair / n_actions) => Some(0.0),
            Entropy::Whole | Entropy::LaterSteps | Entropy::UntilAbsorbed => self.bonus(environment, pair),
        };
        let in_step = |pair: usize| match entropy {
            Entropy::CurrentStep => self.bonus(environment, pair),
            Entropy::LaterSteps => Some(0.0),
            _ => in_values(pair),
        };
        let rewards = self.means(|pair| Some(induced.rewards[pair] + in_values(pair)?));
        let next = match how {
            Values::Solved => system.solve(&rewards)?,
            Values::Transposed => system.solve_transposed(&rewards)?,
            Values::Swept(_) | Values::SweptInPlace(_) => {
                self.swept(&system.chain, &rewards, (environment, entropy, how))?
            }
            Values::SweptAsVisits(k) => {
                let sweeps = self.sweeps_of_visits(environment, k, Entry::Pair)?;
                self.swept(&system.chain, &rewards, (environment, entropy, Values::Swept(sweeps)))?
            }
            Values::SweptTo(k) => {
                let mut values = vec![0.0; n];
                let most = system.affordable();
                let change = 0.1_f64.powi(k.into());
                (0..most).find(|_| self.sweep(&system.chain, &rewards, &mut values, false) < change)?;
                values
            }
        };
        let action_value = |pair: usize| {
            if !self.is_available(pair) {
                return None;
            }
            let after: f64 = induced.kernel.row(pair).map(|(t, p)| p * next[t]).sum();
            Some(induced.rewards[pair] + in_step(pair)? + self.gamma * after)
        };
        let action_values: Vec<Option<f64>> = (0..n * n_actions).map(action_value).collect();
        let state_values = match entropy {
            Entropy::CurrentStep => self.means(|pair| action_values[pair]),
            _ => next.clone(),
        };
        Some(Valued { state_values, next, action_values })
    }

    /// So many sweeps of `V <- r + gamma P V` from 0, in place or not; on from the most that
    /// are known.
    fn swept(
        &self,
        chain: &Rows<f64>,
        rewards: &[f64],
        (environment, entropy, how): (Environment, Entropy, Values),
    ) -> Option<Vec<f64>> {
        let (sweeps, in_place) = how.sweeps()?;
        if sweeps.saturating_mul(chain.n_stored()) > WORK {
            return None;
        }
        let known = self.values.largest(|&(of, with, known)| {
            let (known, known_in_place) = known.sweeps()?;
            let continues = (of, with, known_in_place) == (environment, entropy, in_place);
            (continues && known <= sweeps).then_some(known)
        });
        let (done, mut values) = match known {
            Some((done, known)) => (done, known.next.clone()),
            None => (0, vec![0.0; rewards.len()]),
        };
        for _ in done..sweeps {
            self.sweep(chain, rewards, &mut values, in_place);
        }
        Some(values)
    }

    /// One sweep; the largest change.
    pub fn sweep(&self, chain: &Rows<f64>, rewards: &[f64], values: &mut [f64], in_place: bool) -> f64 {
        let mut change = 0.0_f64;
        let old = if in_place { Vec::new() } else { values.to_vec() };
        for s in 0..rewards.len() {
            let from = if in_place { &*values } else { &old };
            let value = rewards[s] + self.gamma * chain.row(s).map(|(t, p)| p * from[t]).sum::<f64>();
            change = change.max((value - values[s]).abs());
            values[s] = value;
        }
        change
    }

    /// `V` after each sweep, until it no longer moves or takes too long: `watch` is told
    /// the number of sweeps, the largest change and the values, and tells whether to go on.
    pub fn watch_sweeps(
        &self,
        in_place: bool,
        mut watch: impl FnMut(usize, f64, &[f64]) -> bool,
    ) -> Option<()> {
        let (system, induced) = (self.system(Environment::Own)?, self.induced(Environment::Own)?);
        let rewards = self.means(|pair| Some(induced.rewards[pair] + self.bonus(Environment::Own, pair)?));
        let mut values = vec![0.0; rewards.len()];
        for sweeps in 1..=WORK / 10 / system.chain.n_stored().max(1) {
            let change = self.sweep(&system.chain, &rewards, &mut values, in_place);
            if !watch(sweeps, change, &values) || change == 0.0 {
                break;
            }
        }
        Some(())
    }

    /// How many sweeps come to changes below these, in place and not.
    pub fn sweeps_to(&self, changes: &[f64]) -> Vec<usize> {
        let mut counts = Vec::new();
        for in_place in [false, true] {
            let mut open = changes.to_vec();
            self.watch_sweeps(in_place, |sweeps, change, _| {
                let before = open.len();
                open.retain(|limit| change >= *limit);
                if open.len() < before {
                    counts.push(sweeps);
                }
                !open.is_empty()
            });
        }
        counts
    }

    /// What stands for `d[s]` in an environment.
    pub fn visits(&self, environment: Environment, which: Visits, start: Start) -> Option<Rc<Vec<f64>>> {
        let environment = environment.of_solves();
        self.visits.of((environment, which, start), |_| {
            if (environment, which, start) == (Environment::Own, Visits::Discounted, Start::Given) {
                return Some(self.evaluation().state_occupancy.clone());
            }
            let initial = self.initial(start);
            let system = self.system(environment)?;
            match which {
                Visits::Discounted => system.solve_transposed(&initial),
                Visits::Transposed => system.solve(&initial),
                Visits::Undiscounted => {
                    let matters = |s: usize| self.contributes(s);
                    undiscounted_visits(&system.chain, &initial, self.gamma, matters)
                }
                Visits::UndiscountedResponding => {
                    let matters = |s: usize| self.responds(s).0;
                    undiscounted_visits(&system.chain, &initial, self.gamma, matters)
                }
                Visits::Stationary => stationary(&system.chain, self.gamma),
                Visits::BeforeAbsorption => {
                    let is_left = |s: usize| !self.is_absorbing(environment, s);
                    let visits = transient_visits(&system.chain, &initial, is_left)?;
                    let counted = |(s, d): (usize, f64)| if is_left(s) { d } else { 0.0 };
                    Some(visits.into_iter().enumerate().map(counted).collect())
                }
                Visits::EachOnce => Some(vec![1.0; self.n_states()]),
                Visits::Alike => Some(vec![1.0 / self.n_states() as f64; self.n_states()]),
                Visits::AfterTheFirst => {
                    let all = system.solve_transposed(&initial)?;
                    Some(all.iter().zip(&*initial).map(|(d, rho)| d - rho).collect())
                }
                Visits::SweptTo(k, entry) => {
                    let sweeps = self.sweeps_of_visits(environment, k, entry)?;
                    self.truncated_visits(&system.chain, initial.to_vec(), sweeps)
                }
                Visits::Truncated(steps) => self.truncated_visits(&system.chain, initial.to_vec(), steps),
            }
        })
    }

    /// How many sweeps `d <- rho + gamma P^T d` from 0 come to a change below `10^-k`.
    fn sweeps_of_visits(&self, environment: Environment, k: u8, entry: Entry) -> Option<usize> {
        let (system, induced) = (self.system(environment)?, self.induced(environment)?);
        let largest = |s: usize| match entry {
            Entry::State => 1.0,
            Entry::Pair if induced.never_left[s] => 0.0,
            Entry::Pair => (0..self.n_actions()).map(|a| *self.policy.probability(s, a)).fold(0.0, f64::max),
        };
        let largest: Vec<f64> = (0..self.n_states()).map(largest).collect();
        let mut weights = self.initial.to_vec();
        for sweeps in 1..=system.affordable() {
            let change = weights.iter().zip(&largest).map(|(d, most)| d * most).fold(0.0, f64::max);
            if change < 0.1_f64.powi(k.into()) {
                return Some(sweeps);
            }
            weights = self.stepped(&system.chain, &weights);
        }
        None
    }

    /// `sum_{k < steps} gamma^k rho P^k`.
    fn truncated_visits(&self, chain: &Rows<f64>, initial: Vec<f64>, steps: usize) -> Option<Vec<f64>> {
        if steps.saturating_mul(chain.n_stored()) > WORK {
            return None;
        }
        let (mut weights, mut visits) = (initial, vec![0.0; chain.len()]);
        for _ in 0..steps {
            visits.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum += weight);
            weights = self.stepped(chain, &weights);
        }
        Some(visits)
    }

    /// Of the return of so many steps, each with the values of those that are left.
    pub fn of_steps_left(
        &self,
        environment: Environment,
        start: Start,
        steps: usize,
    ) -> Option<Rc<OfStepsLeft>> {
        self.steps_left.of((environment, start, steps), |_| self.with_steps_left(environment, start, steps))
    }

    /// `gamma x P`.
    pub fn stepped(&self, chain: &Rows<f64>, weights: &[f64]) -> Vec<f64> {
        let mut later = vec![0.0; chain.len()];
        for (s, weight) in weights.iter().enumerate() {
            for (t, p) in chain.row(s) {
                later[t] += self.gamma * weight * p;
            }
        }
        later
    }

    /// Whether visits of a state count in any term of the gradient.
    fn contributes(&self, state: usize) -> bool {
        let evaluation = self.evaluation();
        let scale = evaluation.state_values.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
        let q = (0..self.n_actions()).filter_map(|a| evaluation.action_value(state, a));
        let (low, high) = q.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), q| (l.min(*q), h.max(*q)));
        let (transitions, rewards) = self.responds(state);
        transitions || rewards || high - low > 1e-12 * scale
    }
}
