//! Policies `pi(a|s)` and their parameters `theta`.

use crate::arithmetic::{Dual, Field, Transcendental};
use crate::linear::ShapeError;
use crate::mdp::{ModelError, check_distributions};

/// A stochastic policy together with the parameters that it came from.
///
/// The parameters decide what a gradient is taken with respect to; everything
/// after deployment needs only the probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy<T> {
    n_states: usize,
    n_actions: usize,
    /// `pi(a|s)` at `s A + a`.
    probabilities: Vec<T>,
    /// `log pi(a|s)`: empty until asked for, `None` where `pi(a|s) = 0`.
    logarithms: Vec<Option<T>>,
    parametrisation: Parametrisation<T>,
}

/// What the parameters of a policy are.
#[derive(Debug, Clone, PartialEq)]
pub enum Parametrisation<T> {
    /// `pi(a|s)` proportional to `exp theta[s,a]`.
    Softmax {
        /// `theta[s,a]` at `s A + a`.
        logits: Vec<T>,
    },
    /// `pi(a|s)` proportional to `exp(features[s,a] . theta)`.
    LogLinear {
        /// `features[s,a,k]` at `(s A + a) K + k`.
        features: Vec<T>,
        /// `theta[k]`.
        theta: Vec<T>,
    },
    /// `pi(a|s)` proportional to `w[s,a]`; the parameters are `theta = log w`.
    Weights {
        /// `w[s,a]` at `s A + a`.
        values: Vec<T>,
    },
    /// The parameters are the entries of `pi` themselves, unconstrained.
    Probabilities,
}

impl<T: Field> Policy<T> {
    /// The policy with weights `w[s,a] > 0`: `pi(a|s) = w[s,a] / sum_b w[s,b]`,
    /// parameters `theta = log w`. Rational where the weights are.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit or a weight that is not
    /// positive.
    pub fn weights(n_states: usize, n_actions: usize, values: Vec<T>) -> Result<Self, ModelError> {
        check_shape("w", values.len(), n_states, n_actions)?;
        if let Some(index) = values.iter().position(|w| !w.certainly_positive()) {
            return Err(ModelError::NegativeEntry { what: "w", index, value: values[index].approximate() });
        }
        let mut probabilities = Vec::with_capacity(values.len());
        for row in values.chunks(n_actions) {
            let (scaled, total) = scaled_weights(row);
            probabilities.extend(scaled.into_iter().map(|w| w / &total));
        }
        let parametrisation = Parametrisation::Weights { values };
        Ok(Self { n_states, n_actions, probabilities, logarithms: Vec::new(), parametrisation })
    }

    /// The policy with the given probabilities, which are its parameters.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit or a row that is not a
    /// distribution.
    pub fn probabilities(n_states: usize, n_actions: usize, values: Vec<T>) -> Result<Self, ModelError> {
        check_shape("pi", values.len(), n_states, n_actions)?;
        check_distributions("pi", n_states, &values)?;
        let parametrisation = Parametrisation::Probabilities;
        Ok(Self { n_states, n_actions, probabilities: values, logarithms: Vec::new(), parametrisation })
    }

    /// The uniform policy, with its probabilities as parameters.
    pub fn uniform(n_states: usize, n_actions: usize) -> Self {
        let probabilities = vec![T::from_ratio(1, n_actions as i64); n_states * n_actions];
        let parametrisation = Parametrisation::Probabilities;
        Self { n_states, n_actions, probabilities, logarithms: Vec::new(), parametrisation }
    }

    /// The policy that takes `choice[s] < n_actions` in state `s`, with its
    /// probabilities as parameters.
    pub fn deterministic(n_actions: usize, choice: &[usize]) -> Self {
        let indicator = |a: usize, taken: usize| if a == taken { T::one() } else { T::zero() };
        let row = |&taken: &usize| (0..n_actions).map(move |a| indicator(a, taken));
        let probabilities = choice.iter().flat_map(row).collect();
        let parametrisation = Parametrisation::Probabilities;
        Self { n_states: choice.len(), n_actions, probabilities, logarithms: Vec::new(), parametrisation }
    }

    /// Number of states S.
    pub fn n_states(&self) -> usize {
        self.n_states
    }

    /// Number of actions A.
    pub fn n_actions(&self) -> usize {
        self.n_actions
    }

    /// `pi(a|s)`.
    pub fn probability(&self, state: usize, action: usize) -> &T {
        &self.probabilities[state * self.n_actions + action]
    }

    /// `log pi(a|s)`; `None` where `pi(a|s) = 0`, or where the logarithms were
    /// not asked for (see [`Policy::with_logarithms`]).
    pub fn logarithm(&self, state: usize, action: usize) -> Option<&T> {
        self.logarithms.get(state * self.n_actions + action)?.as_ref()
    }

    /// Whether the logarithms that an entropy bonus needs are there.
    pub fn has_logarithms(&self) -> bool {
        !self.logarithms.is_empty()
    }

    /// What the parameters are.
    pub fn parametrisation(&self) -> &Parametrisation<T> {
        &self.parametrisation
    }

    /// Number of parameters: S A, or the number of features.
    pub fn n_parameters(&self) -> usize {
        match &self.parametrisation {
            Parametrisation::LogLinear { theta, .. } => theta.len(),
            _ => self.probabilities.len(),
        }
    }

    /// Whether the rows sum to 1 whatever the parameters are.
    pub fn is_normalised_by_construction(&self) -> bool {
        self.parametrisation != Parametrisation::Probabilities
    }

    /// The cotangent of the parameters from that of the probabilities:
    /// `sum_{s,a} cotangent[s,a] d pi(a|s) / d theta`.
    ///
    /// For softmax, `d pi(a|s) / d theta[s,b] = pi(a|s) (1[a=b] - pi(b|s))`.
    ///
    /// # Errors
    /// [`ShapeError`] where there is not one cotangent for each state and action.
    pub fn pullback(&self, cotangent: &[T]) -> Result<Vec<T>, ShapeError> {
        ShapeError::check("cotangents of the policy", cotangent.len(), self.probabilities.len())?;
        Ok(match &self.parametrisation {
            Parametrisation::Probabilities => cotangent.to_vec(),
            Parametrisation::Softmax { .. } | Parametrisation::Weights { .. } => self.to_logits(cotangent),
            Parametrisation::LogLinear { features, theta } => {
                let logits = self.to_logits(cotangent);
                let mut result = vec![T::zero(); theta.len()];
                for (features, logit) in features.chunks(theta.len()).zip(&logits) {
                    for (result, feature) in result.iter_mut().zip(features) {
                        *result += feature.clone() * logit;
                    }
                }
                result
            }
        })
    }

    /// The policy at `theta + epsilon direction`, `epsilon^2 = 0`: derivatives of
    /// everything in that direction of the parameters. Its logarithms are there
    /// where this policy has them.
    ///
    /// # Errors
    /// [`ModelError`] for a direction that does not fit the parameters.
    ///
    /// ```
    /// use pemdp::arithmetic::{Dual, Field, Rational};
    /// use pemdp::policy::Policy;
    /// let q = |n, d| Rational::from_ratio(n, d);
    /// let policy = Policy::weights(1, 2, vec![q(1, 1), q(3, 1)])?;
    /// let along = policy.along(&[q(1, 1), q(0, 1)])?;
    /// // d pi(0) = pi(0) (1 - pi(0)) d theta(0)
    /// assert_eq!(along.probability(0, 0), &Dual::new(q(1, 4), q(3, 16)));
    /// # Ok::<(), pemdp::mdp::ModelError>(())
    /// ```
    pub fn along(&self, direction: &[T]) -> Result<Policy<Dual<T>>, ModelError> {
        let expected = self.n_parameters();
        if direction.len() != expected {
            return Err(ModelError::Shape { what: "direction", seen: direction.len(), expected });
        }
        let with = |values: &[T], slopes: &[T]| -> Vec<Dual<T>> {
            values.iter().zip(slopes).map(|(x, v)| Dual::new(x.clone(), v.clone())).collect()
        };
        let (parametrisation, tilt) = match &self.parametrisation {
            Parametrisation::Softmax { logits } => {
                (Parametrisation::Softmax { logits: with(logits, direction) }, direction.to_vec())
            }
            Parametrisation::Weights { values } => {
                let slopes: Vec<T> = values.iter().zip(direction).map(|(w, v)| w.clone() * v).collect();
                (Parametrisation::Weights { values: with(values, &slopes) }, direction.to_vec())
            }
            Parametrisation::LogLinear { features, theta } => {
                let product = |row: &[T]| T::sum_of_products(row.iter().zip(direction));
                let tilt = features.chunks(theta.len()).map(product).collect();
                let features = features.iter().cloned().map(Dual::constant).collect();
                (Parametrisation::LogLinear { features, theta: with(theta, direction) }, tilt)
            }
            Parametrisation::Probabilities => return Ok(self.along_probabilities(direction)),
        };
        // d log pi(a|s) = v[s,a] - sum_b pi(b|s) v[s,b]
        let scores: Vec<T> = tilt
            .chunks(self.n_actions)
            .zip(self.probabilities.chunks(self.n_actions))
            .flat_map(|(v, pi)| {
                let mean = T::sum_of_products(pi.iter().zip(v));
                v.iter().map(|v| v.clone() - &mean).collect::<Vec<_>>()
            })
            .collect();
        let slopes: Vec<T> = self.probabilities.iter().zip(&scores).map(|(pi, v)| pi.clone() * v).collect();
        let logarithm = |(log, v): (&Option<T>, &T)| log.clone().map(|log| Dual::new(log, v.clone()));
        Ok(Policy {
            n_states: self.n_states,
            n_actions: self.n_actions,
            probabilities: with(&self.probabilities, &slopes),
            logarithms: self.logarithms.iter().zip(&scores).map(logarithm).collect(),
            parametrisation,
        })
    }

    fn along_probabilities(&self, direction: &[T]) -> Policy<Dual<T>> {
        let moved = |(pi, v): (&T, &T)| Dual::new(pi.clone(), v.clone());
        let logarithm =
            |(log, (pi, v)): (&Option<T>, (&T, &T))| log.clone().map(|log| Dual::new(log, v.clone() / pi));
        let moves = self.probabilities.iter().zip(direction);
        Policy {
            n_states: self.n_states,
            n_actions: self.n_actions,
            probabilities: moves.clone().map(moved).collect(),
            logarithms: self.logarithms.iter().zip(moves).map(logarithm).collect(),
            parametrisation: Parametrisation::Probabilities,
        }
    }

    fn to_logits(&self, cotangent: &[T]) -> Vec<T> {
        softmax_pullback(self.n_actions, &self.probabilities, cotangent)
    }
}

/// For rows `pi` of `width` softmax probabilities, `pi[j] (c[j] - sum_i pi[i] c[i])`.
pub(crate) fn softmax_pullback<T: Field>(width: usize, probabilities: &[T], cotangent: &[T]) -> Vec<T> {
    let mut result = Vec::with_capacity(cotangent.len());
    for (pi, c) in probabilities.chunks(width).zip(cotangent.chunks(width)) {
        let mean = pi.iter().zip(c).fold(T::zero(), |sum, (pi, c)| sum + pi.clone() * c);
        result.extend(pi.iter().zip(c).map(|(pi, c)| (c.clone() - &mean) * pi));
    }
    result
}

impl<T: Transcendental> Policy<T> {
    /// The softmax policy with logits `theta[s,a]` at `s A + a`. Logits of any
    /// size: probabilities may underflow to 0, their logarithms stay finite.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit.
    ///
    /// ```
    /// use pemdp::policy::Policy;
    /// let policy = Policy::softmax(1, 2, vec![0.0, 3f64.ln()])?;
    /// assert!((policy.probability(0, 1) - 0.75).abs() < 1e-15);
    /// # Ok::<(), pemdp::mdp::ModelError>(())
    /// ```
    pub fn softmax(n_states: usize, n_actions: usize, logits: Vec<T>) -> Result<Self, ModelError> {
        check_shape("theta", logits.len(), n_states, n_actions)?;
        let (probabilities, logarithms) = softmax(n_actions, &logits);
        let parametrisation = Parametrisation::Softmax { logits };
        Ok(Self { n_states, n_actions, probabilities, logarithms, parametrisation })
    }

    /// The policy with `pi(a|s)` proportional to `exp(features[s,a] . theta)`,
    /// `features` at `(s A + a) K + k`.
    ///
    /// # Errors
    /// [`ModelError`] for a shape that does not fit.
    pub fn log_linear(
        n_states: usize,
        n_actions: usize,
        features: Vec<T>,
        theta: Vec<T>,
    ) -> Result<Self, ModelError> {
        if theta.is_empty() {
            return Err(ModelError::Empty { what: "K" });
        }
        check_shape("features", features.len(), n_states, n_actions * theta.len())?;
        let product = |row: &[T]| row.iter().zip(&theta).fold(T::zero(), |sum, (f, t)| sum + f.clone() * t);
        let logits: Vec<T> = features.chunks(theta.len()).map(product).collect();
        let (probabilities, logarithms) = softmax(n_actions, &logits);
        let parametrisation = Parametrisation::LogLinear { features, theta };
        Ok(Self { n_states, n_actions, probabilities, logarithms, parametrisation })
    }

    /// The parameters: logits, `theta`, logarithms of weights, or the probabilities.
    pub fn parameters(&self) -> Vec<T> {
        match &self.parametrisation {
            Parametrisation::Softmax { logits } => logits.clone(),
            Parametrisation::LogLinear { theta, .. } => theta.clone(),
            Parametrisation::Weights { values } => values.iter().map(T::ln).collect(),
            Parametrisation::Probabilities => self.probabilities.clone(),
        }
    }

    /// The same policy with the logarithms of its probabilities, which an
    /// entropy bonus needs. Softmax and log-linear policies have them already.
    #[must_use]
    pub fn with_logarithms(mut self) -> Self {
        if self.has_logarithms() {
            return self;
        }
        self.logarithms = match &self.parametrisation {
            Parametrisation::Weights { values } => {
                // log w - log sum w stays finite where the quotient underflows.
                let rows = values.chunks(self.n_actions);
                let logarithm_row = |row: &[T]| {
                    let (scaled, total) = scaled_weights(row);
                    let total = total.ln();
                    scaled.into_iter().map(|w| Some(w.ln() - &total)).collect::<Vec<_>>()
                };
                rows.flat_map(logarithm_row).collect()
            }
            _ => self.probabilities.iter().map(|pi| (!pi.is_zero()).then(|| pi.ln())).collect(),
        };
        self
    }
}

/// Weights over a power of two near the largest, so that no sum overflows and no
/// quotient of large ones underflows, and their sum.
fn scaled_weights<T: Field>(row: &[T]) -> (Vec<T>, T) {
    let largest = row.iter().map(|w| w.approximate()).fold(0.0, f64::max);
    // 2^-e for the exponent e of the largest, within the normal doubles; 1 where there is none.
    let exponent = if largest > 0.0 { (largest.to_bits() >> 52).clamp(1, 2045) } else { 1023 };
    let scale = T::from_f64(f64::from_bits((2046 - exponent) << 52));
    let scaled: Vec<T> = row.iter().map(|w| w.clone() * &scale).collect();
    let total = scaled.iter().fold(T::zero(), |sum, w| sum + w);
    (scaled, total)
}

/// Softmax of rows of `width` logits, and its logarithms.
fn softmax<T: Transcendental>(width: usize, logits: &[T]) -> (Vec<T>, Vec<Option<T>>) {
    let mut probabilities = Vec::with_capacity(logits.len());
    let mut logarithms = Vec::with_capacity(logits.len());
    for row in logits.chunks(width) {
        let (shifted, weights, total) = shifted_exponentials(row.iter());
        let log_total = total.ln();
        probabilities.extend(weights.into_iter().map(|w| w / &total));
        logarithms.extend(shifted.into_iter().map(|x| Some(x - &log_total)));
    }
    (probabilities, logarithms)
}

/// `x - m`, `exp(x - m)` and their sum, with `m` the largest `x`: no overflow.
pub fn shifted_exponentials<'a, T: Transcendental>(
    row: impl Iterator<Item = &'a T> + Clone,
) -> (Vec<T>, Vec<T>, T) {
    // By differences: doubles near two numbers may both be infinite.
    let larger = |m: T, x: &T| if (x.clone() - &m).certainly_positive() { x.clone() } else { m };
    let largest = row.clone().cloned().reduce(|m, x| larger(m, &x)).unwrap_or_else(T::zero);
    let shifted: Vec<T> = row.map(|x| x.clone() - &largest).collect();
    let weights: Vec<T> = shifted.iter().map(T::exp).collect();
    let total = weights.iter().fold(T::zero(), |sum, w| sum + w);
    (shifted, weights, total)
}

fn check_shape(what: &'static str, seen: usize, n_states: usize, width: usize) -> Result<(), ModelError> {
    if n_states == 0 || width == 0 {
        return Err(ModelError::Empty { what: if n_states == 0 { "S" } else { "A" } });
    }
    let expected = n_states * width;
    if seen == expected { Ok(()) } else { Err(ModelError::Shape { what, seen, expected }) }
}
