//! Whether a gradient is right, and if not, which known mistake explains it:
//! `cargo run --example check_gradient`.

use pemdp::oracle::{Claimed, Tolerance, examples, verify};
use pemdp::problem::{Problem, Reading};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let json = examples::example("two-state").map(examples::Example::to_json).unwrap_or_default();
    let problem = Problem::from_json(&json, Reading::Doubles)?;
    // What Theorem 2 of "Performative Policy Gradient" gives as printed; and the truth.
    for gradient in ["[0, 0]", "[0.1875, 0.0625]"] {
        let claimed = format!(r#"{{"format": "pemdp-answer/1", "gradient": {gradient}}}"#);
        let claimed = Claimed::from_json(&claimed, &problem)?;
        let verdict = verify(&problem, &claimed, None, Tolerance::default())?;
        match verdict.ok {
            true => println!("{gradient} is right"),
            false => println!("{gradient} is wrong: {:?}", verdict.mistakes),
        }
    }
    Ok(())
}
