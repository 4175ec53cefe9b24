//! A problem in doubles, for known mistakes to start from: its environment and those that
//! mistakes put in its place, values and visits in each.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use nalgebra::{DMatrix, Dyn, LU};

use super::error::OracleError;
use super::quantity::Entries;
use super::recipe::{Entropy, Environment, Recipe, Start, Values, Visits};
use super::steps_left::OfStepsLeft;
use super::visits::{solve, stationary, transient_visits, undiscounted_visits};
use crate::criterion::{by_action, means};
use crate::environments::{Structure, gridworld::Terminal};
use crate::evaluate::{Evaluation, entropy_bonus};
use crate::linear::Rows;
use crate::mdp::Mdp;
use crate::performative::{Deployment, Performance, PerformativeMdp};
use crate::policy::Policy;
use crate::problem::Problem;
use crate::response::{Cotangent, Pullback, PulledBack, TransitionCotangent};

/// Sweeps and steps take at most so many products.
pub(super) const WORK: usize = 100_000_000;

/// The performative MDPs of a problem, and of what is mistaken for it.
pub(super) struct Models {
    pub own: PerformativeMdp<f64>,
    others: Vec<(Environment, PerformativeMdp<f64>)>,
}

impl Models {
    /// # Errors
    /// [`OracleError`] where doubles do not hold the problem.
    pub fn of(problem: &Problem) -> Result<Self, OracleError> {
        let mut others = Vec::new();
        if let Structure::Followers(world) = problem.structure() {
            for rule in Terminal::MISTAKEN {
                for followers in [rule, Terminal::Absorbing] {
                    let world = world.world::<f64>(problem.gamma())?.with_terminal(rule, followers);
                    let environment = Environment::Terminal(rule, followers);
                    others.push((environment, problem.around(Box::new(world))));
                }
            }
        }
        if let Some(twice) = problem.responding_twice() {
            others.push((Environment::Twice, twice.model::<f64>()?));
        }
        Ok(Self { own: problem.model::<f64>()?, others })
    }
}

/// What a policy induces, or what is mistaken for it.
pub(super) struct Induced<'a> {
    /// `P[s,a,t]`, row `s A + a`; after a mistake rows may have any sum.
    pub kernel: Rc<Rows<f64>>,
    /// `r[s,a]` at `s A + a`.
    pub rewards: Vec<f64>,
    /// Whether no action that is taken leaves a state.
    never_left: Vec<bool>,
    /// Where it is not that of the truth.
    pullback: Option<Box<dyn Pullback<f64> + 'a>>,
}

impl<'a> Induced<'a> {
    /// That of a policy in an MDP.
    fn new(mdp: &Mdp<f64>, policy: &Policy<f64>, pullback: Option<Box<dyn Pullback<f64> + 'a>>) -> Self {
        let pairs = (0..mdp.n_states()).flat_map(|s| (0..mdp.n_actions()).map(move |a| (s, a)));
        let rewards = pairs.map(|(s, a)| *mdp.reward(s, a)).collect();
        let kernel = Rc::new(mdp.kernel().rows().clone());
        Self { never_left: never_left(&kernel, policy), kernel, rewards, pullback }
    }

    /// The same where states that are never left pay nothing.
    fn ended(&self) -> Self {
        let mut rewards = self.rewards.clone();
        let rows = rewards.chunks_mut(self.rewards.len() / self.never_left.len()).zip(&self.never_left);
        rows.filter(|(_, never_left)| **never_left).for_each(|(row, _)| row.fill(0.0));
        Self { kernel: Rc::clone(&self.kernel), rewards, never_left: self.never_left.clone(), pullback: None }
    }

    /// `P[t,a,s]` in place of `P[s,a,t]`.
    fn transposed(&self, policy: &Policy<f64>) -> Option<Self> {
        let (n, n_pairs) = (self.kernel.width(), self.kernel.len());
        let n_actions = n_pairs / n;
        let mut rows = vec![Vec::new(); n_pairs];
        for pair in 0..n_pairs {
            for (s, p) in self.kernel.row(pair) {
                rows[s * n_actions + pair % n_actions].push((pair / n_actions, *p));
            }
        }
        let kernel = Rc::new(Rows::sparse(n, rows).ok()?);
        let rewards = self.rewards.clone();
        Some(Self { never_left: never_left(&kernel, policy), kernel, rewards, pullback: None })
    }
}

fn never_left(kernel: &Rows<f64>, policy: &Policy<f64>) -> Vec<bool> {
    let n_actions = policy.n_actions();
    let is_never_left = |s: usize| {
        let stays = |a: usize| {
            let mut targets = kernel.row(s * n_actions + a).filter(|(_, p)| **p != 0.0);
            targets.all(|(t, _)| t == s)
        };
        (0..n_actions).filter(|&a| *policy.probability(s, a) > 0.0).all(stays)
    };
    (0..policy.n_states()).map(is_never_left).collect()
}

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
        let mut environments = Vec::new();
        let deployed = |deployment: Deployment<'a, f64>| {
            let Deployment { mdp, pullback, .. } = deployment;
            Induced::new(&mdp, policy, Some(pullback))
        };
        for (environment, model) in &models.others {
            environments.extend(model.deploy(policy).ok().map(|induced| (*environment, deployed(induced))));
        }
        // At a point nothing is known of other policies.
        let previous = previous.filter(|_| !matches!(problem.structure(), Structure::Point(_)));
        if let Some(stale) = previous.and_then(|previous| models.own.deploy(previous).ok()) {
            environments.push((Environment::Previous, deployed(stale)));
        }
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
        }
    }

    /// `-lambda log pi(a|s)`, none where it is infinite.
    pub fn bonus(&self, pair: usize) -> Option<f64> {
        let (state, action) = (pair / self.n_actions(), pair % self.n_actions());
        entropy_bonus(self.performance.mdp.kernel(), self.policy, &self.lambda, state, action)
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
            if environment == Environment::Transposed {
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
            Entropy::Negated => self.bonus(pair).map(|bonus| -bonus),
            Entropy::UntilAbsorbed if self.is_absorbing(environment, pair / n_actions) => Some(0.0),
            Entropy::Whole | Entropy::LaterSteps | Entropy::UntilAbsorbed => self.bonus(pair),
        };
        let in_step = |pair: usize| match entropy {
            Entropy::CurrentStep => self.bonus(pair),
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
        };
        let action_value = |pair: usize| {
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
        let rewards = self.means(|pair| Some(induced.rewards[pair] + self.bonus(pair)?));
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
                Visits::Truncated(steps) => self.truncated_visits(&system.chain, initial.to_vec(), steps),
            }
        })
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

    /// What the cotangent of the transitions gives.
    pub fn pull_stored(&self, environment: Environment, rows: &Rows<f64>) -> Option<PulledBack<f64>> {
        let pullback = self.induced(environment)?.pullback.as_ref().unwrap_or(&self.performance.pullback);
        let reward = vec![0.0; rows.len()];
        Some(pullback.pull(&Cotangent { transition: TransitionCotangent::Stored(rows), reward: &reward }))
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

    /// The cotangents of the policy from `visits[s,a] next[t]` of `P[s,a,t]` and
    /// `weights[s,a]` of `r[s,a]`; none where followers' values are to be held fixed and
    /// there are no followers.
    pub fn pull(
        &self,
        environment: Environment,
        frozen: bool,
        (visits, next): (&[f64], &[f64]),
        weights: &[f64],
    ) -> Option<PulledBack<f64>> {
        let induced = self.induced(environment)?;
        let (mut visits, mut weights) = (visits.to_vec(), weights.to_vec());
        if environment == Environment::Ended {
            for pair in
                (0..weights.len()).filter(|pair| self.is_absorbing(environment, pair / self.n_actions()))
            {
                (visits[pair], weights[pair]) = (0.0, 0.0);
            }
        }
        let visits = &visits;
        let pullback = induced.pullback.as_ref().unwrap_or(&self.performance.pullback);
        let n_states = self.n_states();
        let transposed: (Vec<f64>, Vec<f64>);
        let transition = if environment == Environment::Transposed {
            // `visits[t,a] next[s]` of `P[s,a,t]`.
            let n_actions = self.n_actions();
            let of_action = |a: usize| visits.iter().skip(a).step_by(n_actions).copied();
            let of_states = next.iter().flat_map(|x| std::iter::repeat_n(*x, n_actions)).collect();
            transposed = (of_states, (0..n_actions).flat_map(of_action).collect());
            TransitionCotangent::ByAction { visits: &transposed.0, values: &transposed.1, n_states }
        } else {
            TransitionCotangent::Product { visits, values: next }
        };
        let cotangent = Cotangent { transition, reward: &weights };
        if frozen { pullback.pull_with_frozen_values(&cotangent) } else { Some(pullback.pull(&cotangent)) }
    }
}
