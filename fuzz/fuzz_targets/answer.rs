//! Any bytes: read as a problem in both readings; what is valid and small is
//! evaluated, in doubles with bounds and exactly. Nothing may panic, and an
//! answer that is given must have finite bounds that hold.
//!
//! `cargo +nightly fuzz run answer -- -max_len=4096 -timeout=200`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pemdp::arithmetic::{Field, Rational};
use pemdp::oracle::{Claimed, Tolerance, verify};
use pemdp::problem::{Problem, Reading};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(problem) = Problem::from_bytes(bytes, Reading::Doubles) {
        if let Ok(answer) = problem.answer() {
            assert!(answer.value.is_finite() && answer.error_bounds.value.is_finite());
            if bytes.len() < 1500 && let Ok(exact) = problem.exact_answer() {
                let exact: Rational = exact.value.parse().expect("a fraction");
                let error = exact - Rational::from_f64(answer.value);
                let bound = Rational::from_f64(answer.error_bounds.value);
                assert!(error <= bound && -error <= bound, "the bound holds");
            }
            let text = format!(r#"{{"format":"pemdp-answer/1","value":{:?}}}"#, answer.value);
            let claimed = Claimed::from_json(&text, &problem).expect("a valid answer");
            let verdict = verify(&problem, &claimed, None, Tolerance::default()).expect("a verdict");
            assert!(verdict.ok && verdict.mistakes.is_empty(), "a right answer is never accused");
        }
    }
    if bytes.len() < 1500
        && let Ok(problem) = Problem::from_bytes(bytes, Reading::Exact)
    {
        let _ = problem.exact_answer();
    }
});
