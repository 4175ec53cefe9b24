//! What a policy induces, and what is mistaken for it.

use std::rc::Rc;

use super::comparison::in_doubles;
use super::computation::Prediction;
use super::error::OracleError;
use super::quantity::Quantity;
use super::recipe::Environment;
use crate::environments::{Structure, gridworld::Terminal};
use crate::linear::Rows;
use crate::mdp::Mdp;
use crate::performative::{Deployment, PerformativeMdp};
use crate::policy::Policy;
use crate::problem::{ActionSets, Problem};
use crate::response::Pullback;

/// Sweeps of followers stop at a change below `10^-k`.
const SWEPT: [u8; 5] = [2, 3, 4, 5, 6];

/// The performative MDPs of a problem, and of what is mistaken for it.
pub(super) struct Models {
    pub own: PerformativeMdp<f64>,
    others: Vec<(Environment, PerformativeMdp<f64>)>,
    /// The answer where the states have all actions, if some have not.
    pub with_all_actions: Option<Prediction>,
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
            for k in SWEPT {
                let world = world.world::<f64>(problem.gamma())?.with_sweeps(0.1_f64.powi(k.into()));
                others.push((Environment::FollowersSwept(k), problem.around(Box::new(world))));
            }
        }
        let without_end =
            problem.having(ActionSets { terminal: Vec::new(), ..problem.action_sets().clone() });
        others.extend(
            without_end.and_then(|other| Some((Environment::WithoutEnd, other.model::<f64>().ok()?))),
        );
        if let Some(twice) = problem.responding_twice() {
            others.push((Environment::Twice, twice.model::<f64>()?));
        }
        Ok(Self { own: problem.model::<f64>()?, others, with_all_actions: with_all_actions(problem) })
    }

    /// What a policy induces in place of the truth, and what the one before it induced.
    pub fn deployed<'a>(
        &'a self,
        policy: &'a Policy<f64>,
        previous: Option<&'a Policy<f64>>,
    ) -> Vec<(Environment, Induced<'a>)> {
        let deployed =
            |environment: Environment, model: &'a PerformativeMdp<f64>, induces: &'a Policy<f64>| {
                let Deployment { mdp, pullback, .. } = model.deploy(induces).ok()?;
                Some((environment, Induced::new(&mdp, policy, Some(pullback))))
            };
        let others =
            self.others.iter().filter_map(|(environment, model)| deployed(*environment, model, policy));
        let stale = previous.and_then(|previous| deployed(Environment::Previous, &self.own, previous));
        others.chain(stale).collect()
    }
}

/// The answer in doubles of a problem whose states have all actions, but for what an action
/// that a state does not have is worth, which is not compared.
fn with_all_actions(problem: &Problem) -> Option<Prediction> {
    let actions = problem.action_sets();
    if problem.policy().is_unconstrained() {
        return None;
    }
    let whole = problem.having(ActionSets { available: Vec::new(), ..actions.clone() })?;
    let mut answer = in_doubles(&whole)?;
    for (pair, q) in answer[Quantity::ActionValues].iter_mut().enumerate() {
        *q = q.filter(|_| actions.is_available(pair));
    }
    Some(answer)
}

/// What a policy induces, or what is mistaken for it.
pub(super) struct Induced<'a> {
    /// `P[s,a,t]`, row `s A + a`; after a mistake rows may have any sum.
    pub kernel: Rc<Rows<f64>>,
    /// `r[s,a]` at `s A + a`.
    pub rewards: Vec<f64>,
    /// How often the entropy bonus is paid in a state when it is visited.
    pub bonuses: Vec<f64>,
    /// Whether no action that is taken leaves a state.
    pub never_left: Vec<bool>,
    /// Where it is not that of the truth.
    pub pullback: Option<Box<dyn Pullback<f64> + 'a>>,
}

impl<'a> Induced<'a> {
    /// That of a policy in an MDP.
    pub fn new(mdp: &Mdp<f64>, policy: &Policy<f64>, pullback: Option<Box<dyn Pullback<f64> + 'a>>) -> Self {
        let pairs = (0..mdp.n_states()).flat_map(|s| (0..mdp.n_actions()).map(move |a| (s, a)));
        let rewards = pairs.map(|(s, a)| *mdp.reward(s, a)).collect();
        let kernel = Rc::new(mdp.kernel().rows().clone());
        let bonus = |s: usize| if mdp.kernel().is_terminal(s) { 0.0 } else { 1.0 };
        let bonuses = (0..mdp.n_states()).map(bonus).collect();
        Self { never_left: never_left(&kernel, policy), kernel, rewards, bonuses, pullback }
    }

    fn copy(&self) -> Self {
        Self {
            kernel: Rc::clone(&self.kernel),
            rewards: self.rewards.clone(),
            bonuses: self.bonuses.clone(),
            never_left: self.never_left.clone(),
            pullback: None,
        }
    }

    /// Transitions of one deployment with rewards of the other.
    pub fn mixed(&self, environments: &[(Environment, Self)]) -> Vec<(Environment, Self)> {
        let Some((_, previous)) = environments.iter().find(|(known, _)| *known == Environment::Previous)
        else {
            return Vec::new();
        };
        vec![
            (Environment::PreviousRewards, Self { rewards: previous.rewards.clone(), ..self.copy() }),
            (Environment::PreviousTransitions, Self { rewards: self.rewards.clone(), ..previous.copy() }),
        ]
    }

    /// The same where terminal states go on paying, or pay entropy.
    pub fn going_on(&self, gamma: f64, policy: &Policy<f64>) -> Vec<(Environment, Self)> {
        let is_terminal: Vec<bool> = self.bonuses.iter().map(|times| *times == 0.0).collect();
        if !is_terminal.contains(&true) {
            return Vec::new();
        }
        let with = |bonus: f64| -> Vec<f64> {
            is_terminal.iter().map(|terminal| if *terminal { bonus } else { 1.0 }).collect()
        };
        let once = (Environment::EndPaysEntropy, Self { bonuses: with(1.0), ..self.copy() });
        if gamma == 1.0 {
            return vec![once];
        }
        let for_ever = Self { bonuses: with(1.0 / (1.0 - gamma)), ..self.copy() };
        let (n, n_actions) = (self.kernel.width(), self.kernel.len() / self.kernel.width());
        let row = |pair: usize| -> Vec<(usize, f64)> {
            let state = pair / n_actions;
            let is_taken = policy.is_available(state, pair % n_actions);
            match is_terminal[state] && is_taken {
                true => vec![(state, 1.0)],
                false => self.kernel.row(pair).map(|(t, p)| (t, *p)).collect(),
            }
        };
        let Ok(kernel) = Rows::sparse(n, (0..self.kernel.len()).map(row)) else { return vec![once] };
        let kernel = Rc::new(kernel);
        let reward = |(pair, r): (usize, &f64)| if is_terminal[pair / n_actions] { 0.0 } else { *r };
        let rewards = self.rewards.iter().enumerate().map(reward).collect();
        let loops = |bonuses: Vec<f64>| Self { kernel: Rc::clone(&kernel), bonuses, ..self.copy() };
        vec![
            once,
            (Environment::EndPaysEntropyForEver, for_ever),
            (Environment::EndPaysForEver, loops(with(1.0))),
            (Environment::EndPaysRewardForEver, loops(with(0.0))),
            (Environment::EndPaysOnlyEntropy, Self { rewards, ..loops(with(1.0)) }),
        ]
    }

    /// The same where states that are never left pay nothing.
    pub fn ended(&self) -> Self {
        let mut rewards = self.rewards.clone();
        let rows = rewards.chunks_mut(self.rewards.len() / self.never_left.len()).zip(&self.never_left);
        rows.filter(|(_, never_left)| **never_left).for_each(|(row, _)| row.fill(0.0));
        Self { rewards, ..self.copy() }
    }

    /// `P[t,a,s]` in place of `P[s,a,t]`.
    pub fn transposed(&self, policy: &Policy<f64>) -> Option<Self> {
        let (n, n_pairs) = (self.kernel.width(), self.kernel.len());
        let n_actions = n_pairs / n;
        let mut rows = vec![Vec::new(); n_pairs];
        for pair in 0..n_pairs {
            for (s, p) in self.kernel.row(pair) {
                rows[s * n_actions + pair % n_actions].push((pair / n_actions, *p));
            }
        }
        let kernel = Rc::new(Rows::sparse(n, rows).ok()?);
        Some(Self { never_left: never_left(&kernel, policy), kernel, ..self.copy() })
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
