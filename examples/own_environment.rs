//! An environment of one's own, and its gradient checked by dual numbers:
//! `cargo run --example own_environment`.
//!
//! One state, two roads. The first pays 1 less the share of travellers on it, which is
//! the probability with which the deployed policy takes it; the second pays 1/3.

use pemdp::arithmetic::{Dual, Field};
use pemdp::linear::Rows;
use pemdp::mdp::Kernel;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::response::{
    Cotangent, Induced, PolicyCotangent, Pullback, PulledBack, Responds, Response, ResponseError,
};

struct Roads;

impl<T: Field> Response<T> for Roads {
    fn n_states(&self) -> usize {
        1
    }

    fn n_actions(&self) -> usize {
        2
    }

    fn induce<'a>(&'a self, policy: &'a Policy<T>) -> Result<Induced<'a, T>, ResponseError> {
        let kernel = Kernel::new(1, 2, Rows::dense(1, vec![T::one(); 2])?)?;
        let rewards = vec![T::one() - policy.probability(0, 0), T::from_ratio(1, 3)];
        Ok(Induced { kernel, rewards, kinks: Vec::new(), pullback: Box::new(Congestion) })
    }

    fn responds(&self, _state: usize) -> Responds {
        Responds { transitions: false, rewards: true }
    }
}

/// `dr(0,0)/dpi(0|0) = -1`, transposed.
struct Congestion;

impl<T: Field> Pullback<T> for Congestion {
    fn pull(&self, cotangent: &Cotangent<'_, T>) -> PulledBack<T> {
        let of_first = -cotangent.reward[0].clone();
        PulledBack {
            transition: PolicyCotangent::None,
            reward: PolicyCotangent::Probabilities(vec![of_first, T::zero()]),
        }
    }
}

fn problem<T: Field>() -> PerformativeMdp<T> {
    PerformativeMdp {
        response: Box::new(Roads),
        initial: vec![T::one()],
        gamma: T::from_ratio(9, 10),
        entropy: T::zero(),
        criterion: Default::default(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let logits = [0.4, -0.1];
    let policy = Policy::softmax(1, 2, logits.to_vec())?;
    let model = problem::<f64>();
    let performance = model.perform(&policy)?;
    let gradient: Vec<f64> = performance.gradient.total().into_iter().flatten().collect();
    println!("value {}, gradient {gradient:?}", performance.evaluation.value);

    // The value in dual numbers knows nothing of the pullback.
    for (k, expected) in gradient.iter().enumerate() {
        let along = logits.iter().enumerate().map(|(i, x)| Dual::new(*x, if i == k { 1.0 } else { 0.0 }));
        let policy = Policy::softmax(1, 2, along.collect())?;
        let derivative = problem::<Dual<f64>>().evaluate(&policy)?.value.derivative;
        println!("dJ/dtheta[{k}] = {derivative} by dual numbers");
        assert!((derivative - expected).abs() < 1e-12);
    }
    Ok(())
}
