//! The parameters that ascent moves.

use super::AlgorithmError;
use pemdp::arithmetic::Transcendental;
use pemdp::mdp::ModelError;
use pemdp::policy::Policy;

/// A parametrised family of policies and a point in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    n_states: usize,
    n_actions: usize,
    /// `features[s,a,k]` of a log-linear policy; none for softmax.
    features: Option<Vec<f64>>,
    /// `theta`, flat.
    pub theta: Vec<f64>,
}

impl Parameters {
    /// The parameters of a policy: its own where it is softmax or log-linear,
    /// `log w` for weights, `log pi` for probabilities.
    ///
    /// # Errors
    /// [`AlgorithmError::NotApplicable`] where a probability is 0.
    ///
    /// ```
    /// use pemdp_algorithms::Parameters;
    /// use pemdp::policy::Policy;
    /// let policy = Policy::weights(1, 2, vec![1.0, 3.0])?;
    /// let parameters = Parameters::of("pepg", &policy)?;
    /// assert_eq!(parameters.theta, [0.0, 3f64.ln()]);
    /// assert_eq!(parameters.policy::<f64>(&parameters.theta)?.probability(0, 1), &0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(algorithm: &'static str, policy: &Policy<f64>) -> Result<Self, AlgorithmError> {
        let (n_states, n_actions) = (policy.n_states(), policy.n_actions());
        if policy.is_normalised_by_construction() {
            let features = policy.features().map(<[f64]>::to_vec);
            return Ok(Self { n_states, n_actions, features, theta: policy.parameters() });
        }
        let mut theta = Vec::with_capacity(n_states * n_actions);
        for s in 0..n_states {
            for a in 0..n_actions {
                let pi = *policy.probability(s, a);
                if pi <= 0.0 {
                    let why = format!(
                        "pi(a={a}|s={s}) is {pi}, expected above 0: its softmax parameters are infinite"
                    );
                    return Err(AlgorithmError::NotApplicable { algorithm, why });
                }
                theta.push(pi.ln());
            }
        }
        Ok(Self { n_states, n_actions, features: None, theta })
    }

    /// The policy of parameters `theta`, in any arithmetic.
    ///
    /// # Errors
    /// [`ModelError`] for a wrong number of parameters.
    pub fn policy<T: Transcendental>(&self, theta: &[T]) -> Result<Policy<T>, ModelError> {
        match &self.features {
            None => Policy::softmax(self.n_states, self.n_actions, theta.to_vec()),
            Some(features) => {
                let features = features.iter().map(|&x| T::from_f64(x)).collect();
                Policy::log_linear(self.n_states, self.n_actions, features, theta.to_vec())
            }
        }
    }

    /// The features of a log-linear policy.
    pub fn features(&self) -> Option<&[f64]> {
        self.features.as_deref()
    }
}
