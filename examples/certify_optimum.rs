//! The best policy, and a proof that none is better: `cargo run --example certify_optimum`.

use pemdp::oracle::examples;
use pemdp::problem::{Problem, Reading};
use pemdp_optimum::{CertificateSettings, OptimumSettings, certificate, performative_optimum};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let json = examples::example("two-basins").map(examples::Example::to_json).unwrap_or_default();
    let problem = Problem::from_json(&json, Reading::Doubles)?;
    let optimum = performative_optimum(&problem, &OptimumSettings::default())?;
    println!("{:?} has value {}", optimum.policy, optimum.value);
    println!("no policy has more than {} (gap {})", optimum.upper_bound, optimum.gap);
    let proof = certificate(&problem, &optimum, &CertificateSettings::default())?;
    println!("a proof of {} in {} cells, for a checker of its own", proof.upper_bound, proof.cells);
    Ok(())
}
