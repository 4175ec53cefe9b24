//! Exact mean and variance of estimators: by enumerating every episode, with
//! the code that sampled episodes go through, and by linear systems.

use super::form::extend_discounts;
use super::{Deployed, EstimateError, Form, Functional, Horizon, Step, StepWeights, checked_weights};
use pemdp::arithmetic::Field;
use pemdp::linear::Factorisation;

/// Mean and variance of what one episode makes of the gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments<T> {
    /// `E g_k`, by parameter.
    pub mean: Vec<T>,
    /// `E g_k^2 - (E g_k)^2`, by parameter. The mean of `N` episodes has this
    /// over `N`.
    pub variance: Vec<T>,
}

/// All episodes of an estimator, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Enumeration<T> {
    /// Mean and variance over them.
    pub moments: Moments<T>,
    /// Mean number of steps.
    pub steps: T,
    /// Sum of the probabilities of all episodes: 1 up to rounding.
    pub probability: T,
    /// Number of episodes.
    pub episodes: usize,
}

/// Enumerates every episode of positive probability, up to `longest` steps.
///
/// On a geometric horizon an episode that is still going after `longest` steps
/// is cut there; its probability is `gamma^longest`, and the mean is then that of
/// `Horizon::Truncated(longest)` (`docs/theory/estimators.md`, section 5). On a
/// truncated horizon `longest` is the horizon itself and the argument unused.
/// The number of episodes grows as `(A S)^longest`.
///
/// # Errors
/// [`EstimateError`] as for [`Estimator::new`](super::Estimator::new).
pub fn enumerate<T: Field>(
    deployed: &Deployed<'_, T>,
    form: &dyn Form<T>,
    horizon: Horizon,
    longest: usize,
) -> Result<Enumeration<T>, EstimateError> {
    let weights = checked_weights(deployed, form, horizon)?;
    let longest = match horizon {
        Horizon::Geometric => longest,
        Horizon::Truncated(length) => length,
    };
    if longest == 0 {
        return Err(EstimateError::Zero { what: "the longest episode" });
    }
    let mut discounts = Vec::new();
    extend_discounts(&mut discounts, longest, &horizon.discount(deployed.gamma()));
    let zeros = || vec![T::zero(); deployed.policy().n_parameters()];
    let mut walk = Walk {
        deployed,
        weights,
        horizon,
        longest,
        discounts,
        path: Vec::new(),
        sum: zeros(),
        squares: zeros(),
        steps: T::zero(),
        probability: T::zero(),
        episodes: 0,
    };
    for (state, rho) in deployed.performance().mdp.initial().iter().enumerate() {
        if rho.certainly_positive() {
            walk.from(state, rho)?;
        }
    }
    let variance = walk.squares.iter().zip(&walk.sum).map(|(q, m)| q.clone() - m.clone() * m).collect();
    Ok(Enumeration {
        moments: Moments { mean: walk.sum, variance },
        steps: walk.steps,
        probability: walk.probability,
        episodes: walk.episodes,
    })
}

/// A walk through all episodes.
struct Walk<'a, T: Field> {
    deployed: &'a Deployed<'a, T>,
    weights: StepWeights<T>,
    horizon: Horizon,
    longest: usize,
    discounts: Vec<T>,
    path: Vec<Step>,
    sum: Vec<T>,
    squares: Vec<T>,
    steps: T,
    probability: T,
    episodes: usize,
}

impl<T: Field> Walk<'_, T> {
    /// All continuations of the path from a state reached with a probability.
    fn from(&mut self, state: usize, probability: &T) -> Result<(), EstimateError> {
        let deployed = self.deployed;
        for pair in state * deployed.n_actions()..(state + 1) * deployed.n_actions() {
            let taken = deployed.action_probability(pair);
            if !taken.certainly_positive() {
                continue;
            }
            for entry in deployed.entries(pair) {
                let probability = probability.clone() * taken * deployed.probability(entry);
                self.path.push(Step { pair, entry });
                self.after(deployed.target(entry), probability)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// The path ends here, or goes on, or both.
    fn after(&mut self, state: usize, probability: T) -> Result<(), EstimateError> {
        let gamma = self.deployed.gamma();
        if self.path.len() == self.longest {
            self.count(&probability)
        } else if self.horizon == Horizon::Geometric {
            self.count(&(probability.clone() * (T::one() - gamma)))?;
            let on = probability * gamma;
            if on.is_zero() { Ok(()) } else { self.from(state, &on) }
        } else {
            self.from(state, &probability)
        }
    }

    /// Counts the path as an episode.
    fn count(&mut self, probability: &T) -> Result<(), EstimateError> {
        let mut functional = Functional::zero(self.deployed);
        let gamma = self.deployed.gamma();
        self.weights.accumulate(&self.path, self.horizon, gamma, &self.discounts, &mut functional);
        let gradient = self.deployed.pull(&functional)?.total();
        for ((sum, square), g) in self.sum.iter_mut().zip(&mut self.squares).zip(gradient) {
            let weighted = g.clone() * probability;
            *square += weighted.clone() * &g;
            *sum += weighted;
        }
        self.steps += T::from_integer(self.path.len() as i64) * probability;
        self.probability += probability;
        self.episodes += 1;
        Ok(())
    }
}

/// Mean and variance by linear systems, for problems of any size.
///
/// With `X` the signal and `Z` the estimate from a step on,
/// `X = signal + carries X'` and `Z = alpha + beta X' + Z'`, primes for the step
/// after, where it comes. So `E X`, `E X^2`, `E Z`, `E XZ` and `E Z^2` by state
/// solve linear systems, one after the other: `(I - gamma P_pi)` on a geometric
/// horizon, a backward recursion on a truncated one
/// (`docs/theory/estimators.md`, section 6). Costs one pullback for every
/// transition of positive probability.
///
/// # Errors
/// [`EstimateError`] as for [`Estimator::new`](super::Estimator::new), and for
/// forms that do not discount.
pub fn moments<T: Field>(
    deployed: &Deployed<'_, T>,
    form: &dyn Form<T>,
    horizon: Horizon,
) -> Result<Moments<T>, EstimateError> {
    let weights = checked_weights(deployed, form, horizon)?;
    if !weights.is_discounted() {
        return Err(EstimateError::Undiscounted { form: form.name() });
    }
    let scores = Scores::new(deployed)?;
    let system = System::new(deployed, &weights, horizon)?;
    let mut result = Moments { mean: Vec::new(), variance: Vec::new() };
    for k in 0..deployed.policy().n_parameters() {
        let (mean, square) = system.coordinate(&scores, k);
        result.variance.push(square - mean.clone() * &mean);
        result.mean.push(mean);
    }
    Ok(result)
}

/// The scores by parameter.
struct Scores<T> {
    /// `d log pi(a|s)/dtheta[k]` at `[pair][k]`.
    policy: Vec<Vec<T>>,
    /// `d log P(t|s,a)/dtheta[k]` at `[entry][k]`.
    transition: Vec<Vec<T>>,
    /// `dr(s,a)/dtheta[k]` at `[pair][k]`.
    reward: Vec<Vec<T>>,
}

impl<T: Field> Scores<T> {
    fn new(deployed: &Deployed<'_, T>) -> Result<Self, EstimateError> {
        let mut functional = Functional::zero(deployed);
        let mut scores = Self { policy: Vec::new(), transition: Vec::new(), reward: Vec::new() };
        for pair in 0..deployed.n_pairs() {
            functional.policy[pair] = T::one();
            functional.reward[pair] = T::one();
            let terms = deployed.pull(&functional)?;
            // A probability that underflows has no score, and is never taken.
            let taken = deployed.action_probability(pair).certainly_positive();
            scores.policy.push(if taken { terms.policy } else { vec![T::zero(); terms.reward.len()] });
            scores.reward.push(terms.reward);
            functional.policy[pair] = T::zero();
            functional.reward[pair] = T::zero();
        }
        for entry in 0..deployed.n_entries() {
            functional.transition[entry] = T::one();
            scores.transition.push(deployed.pull(&functional)?.transition);
            functional.transition[entry] = T::zero();
        }
        Ok(scores)
    }
}

/// The recursions of one form and horizon.
struct System<'a, T: Field> {
    deployed: &'a Deployed<'a, T>,
    weights: &'a StepWeights<T>,
    horizon: Horizon,
    /// `Pr(a_k = a, s_{k+1} = t | s_k = s)`, by entry.
    chance: Vec<T>,
    /// First and second moments of the discount from a step to the one after:
    /// `gamma` both where it is survival, `gamma` and `gamma^2` where it is a weight.
    discount: T,
    square_discount: T,
    /// Of `I - gamma P_pi`, for geometric horizons.
    factorisation: Option<T::Factorisation>,
}

/// `E X`, `E X^2`, `E Z`, `E XZ`, `E Z^2` by state, in the order in which each
/// follows from those before.
type Expectations<T> = [Vec<T>; 5];
const SIGNAL: usize = 0;
const SIGNAL_SQUARE: usize = 1;
const ESTIMATE: usize = 2;
const PRODUCT: usize = 3;
const ESTIMATE_SQUARE: usize = 4;

impl<'a, T: Field> System<'a, T> {
    fn new(
        deployed: &'a Deployed<'a, T>,
        weights: &'a StepWeights<T>,
        horizon: Horizon,
    ) -> Result<Self, EstimateError> {
        let gamma = deployed.gamma().clone();
        let (square_discount, factorisation) = match horizon {
            Horizon::Geometric => {
                let resolvent = deployed.performance().mdp.resolvent(deployed.policy())?;
                (gamma.clone(), Some(T::Factorisation::new(resolvent)?))
            }
            Horizon::Truncated(_) => (gamma.clone() * &gamma, None),
        };
        let chance = |pair: usize| {
            let taken = deployed.action_probability(pair);
            deployed.entries(pair).map(move |e| deployed.probability(e).clone() * taken)
        };
        let chance = (0..deployed.n_pairs()).flat_map(chance).collect();
        Ok(Self { deployed, weights, horizon, chance, discount: gamma, square_discount, factorisation })
    }

    /// `E Z` and `E Z^2` of one parameter.
    fn coordinate(&self, scores: &Scores<T>, k: usize) -> (T, T) {
        let n_states = self.deployed.n_states();
        let zeros: Expectations<T> = std::array::from_fn(|_| vec![T::zero(); n_states]);
        let own = self.own(scores, k);
        let expectations = match (&self.factorisation, self.horizon) {
            (Some(factorisation), _) => {
                let mut found = zeros;
                for which in 0..found.len() {
                    // What is asked for is still 0, so this is the right side.
                    let known = self.step(which, &found, &own);
                    let recurs = self.weights.carries || which == ESTIMATE || which == ESTIMATE_SQUARE;
                    found[which] = if recurs { factorisation.solve(&known) } else { known };
                }
                found
            }
            (None, Horizon::Truncated(length)) => (0..length)
                .fold(zeros, |after, _| std::array::from_fn(|which| self.step(which, &after, &own))),
            (None, Horizon::Geometric) => zeros,
        };
        let initial = self.deployed.performance().mdp.initial();
        let from_start = |which: usize| T::sum_of_products(initial.iter().zip(&expectations[which]));
        (from_start(ESTIMATE), from_start(ESTIMATE_SQUARE))
    }

    /// `alpha` and `beta` of one parameter, by entry.
    fn own(&self, scores: &Scores<T>, k: usize) -> Vec<(T, T)> {
        let weights = self.weights;
        let of_entry = |pair: usize, e: usize| {
            let (policy, transition) = (&scores.policy[pair][k], &scores.transition[e][k]);
            let alpha = weights.policy[e].clone() * policy
                + weights.transition[e].clone() * transition
                + &scores.reward[pair][k];
            let mut beta = T::zero();
            if weights.policy_follows {
                beta += policy;
            }
            if weights.transition_follows {
                beta += transition;
            }
            (alpha, beta)
        };
        let pairs = 0..self.deployed.n_pairs();
        pairs
            .flat_map(|pair| self.deployed.entries(pair).map(move |e| (pair, e)))
            .map(|(i, e)| of_entry(i, e))
            .collect()
    }

    /// One of the expectations by state, from those of the step after.
    fn step(&self, which: usize, after: &Expectations<T>, own: &[(T, T)]) -> Vec<T> {
        let (once, twice) = (&self.discount, &self.square_discount);
        let two = T::from_integer(2);
        let n_actions = self.deployed.n_actions();
        let mut result = vec![T::zero(); self.deployed.n_states()];
        for pair in 0..self.deployed.n_pairs() {
            let signal = self.weights.signal.get(pair).cloned().unwrap_or_else(T::zero);
            let carried = |x: T| if self.weights.carries { x } else { T::zero() };
            for e in self.deployed.entries(pair) {
                let t = self.deployed.target(e);
                let (alpha, beta) = &own[e];
                let first = |i: usize| after[i][t].clone() * once;
                let second = |i: usize| after[i][t].clone() * twice;
                let value = match which {
                    SIGNAL => carried(first(SIGNAL)) + &signal,
                    SIGNAL_SQUARE => {
                        let cross = first(SIGNAL) * &signal * &two;
                        carried(second(SIGNAL_SQUARE) + cross) + signal.clone() * &signal
                    }
                    ESTIMATE => first(SIGNAL) * beta + first(ESTIMATE) + alpha,
                    PRODUCT => {
                        let mean = first(SIGNAL) * beta + first(ESTIMATE) + alpha;
                        let carried =
                            carried(first(SIGNAL) * alpha + second(SIGNAL_SQUARE) * beta + second(PRODUCT));
                        mean * &signal + carried
                    }
                    _ => {
                        let cross = (first(SIGNAL) * beta + first(ESTIMATE)) * alpha + second(PRODUCT) * beta;
                        let squares = second(SIGNAL_SQUARE) * beta * beta + second(ESTIMATE_SQUARE);
                        cross * &two + squares + alpha.clone() * alpha
                    }
                };
                result[pair / n_actions] += value * &self.chance[e];
            }
        }
        result
    }
}
