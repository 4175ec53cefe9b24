//! What samples say of the gradient, beside the exact one: `cargo run --example
//! sampled_gradient`.

use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use pemdp_algorithms::estimate::{Baseline, Deployed, Estimator, Horizon, Return, moments};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let json = examples::example("exponential-family").map(examples::Example::to_json).unwrap_or_default();
    let problem = Problem::from_json(&json, Reading::Doubles)?;
    let (model, policy) = (problem.model::<f64>()?, problem.deployed_policy::<f64>()?);
    let performance = model.perform(&policy)?;
    println!("exact     {:.4?}", performance.gradient.total().into_iter().flatten().collect::<Vec<f64>>());

    let deployed = Deployed::new(&performance, &policy, &model.entropy)?;
    let form = Return { baseline: Baseline::Exact };
    let estimator = Estimator::new(&deployed, &form, Horizon::Geometric)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for episodes in [100, 10_000] {
        let estimate = estimator.sample(episodes, &mut rng)?;
        println!("sampled   {:.4?} from {episodes} episodes", estimate.gradient);
    }
    // The variance of one episode is known exactly, too.
    println!("variance  {:.4?} an episode", moments(&deployed, &form, Horizon::Geometric)?.variance);
    Ok(())
}
