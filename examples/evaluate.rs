//! The performative value and gradient of a policy, with their error bounds, and as
//! fractions: `cargo run --example evaluate`.

use pemdp::criterion::Criterion;
use pemdp::environments::{LoanForm, LoanSpec};
use pemdp::policy::Weights;
use pemdp::problem::{ActionSets, Names, Numeral, Parts, Problem, Reading};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A lender approves half of all; the more it approves, the fewer repay.
    let loan = LoanSpec {
        form: LoanForm::Bandit,
        q0: "3/4".parse()?,
        c: "1/2".parse()?,
        gain: "1".parse()?,
        loss: "1".parse()?,
    };
    let parts = Parts {
        n_states: 1,
        n_actions: 2,
        gamma: "9/10".parse()?,
        criterion: Criterion::Discounted,
        actions: ActionSets::default(),
        names: Names::default(),
        initial: None, // the loan has its own
        entropy: Numeral::ZERO,
        policy: Weights { values: vec!["1".parse()?, "1".parse()?] }.into(),
        environment: loan.into(),
    };
    let problem = Problem::new(parts, Reading::Exact)?;

    let answer = problem.answer()?;
    println!("value     {} ± {:e}", answer.value, answer.error_bounds.value);
    println!("gradient  {:?} ± {:e}", answer.gradient, answer.error_bounds.gradient);
    let exact = problem.exact_answer()?;
    println!("exactly   {} and {:?}", exact.value, exact.gradient);
    Ok(())
}
