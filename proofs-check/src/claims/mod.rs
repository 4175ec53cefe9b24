//! The registry: one file a claim, in the order of `docs/claims.md`.

mod adjoint_gradient;
mod ascent;
mod classical;
mod convergence;
mod curvature_order;
mod empirical;
mod gradient_dominance;
mod gradient_domination;
mod lipschitz;
mod performance_difference;
mod policy_gradient;
mod policy_lower_bound;
mod regularised;
mod repeated_retraining;
mod smoothness;
mod smoothness_entropy;
mod smoothness_resolvent;
mod stability;
pub mod theorem2;
mod two_point;

use crate::claim::Claim;

/// Every claim.
pub static CLAIMS: &[&Claim] = &[
    &performance_difference::L1,
    &policy_gradient::T2,
    &policy_gradient::T2E,
    &adjoint_gradient::T2X,
    &gradient_domination::L3,
    &gradient_domination::L3X,
    &smoothness::L5,
    &smoothness::L5X,
    &smoothness::L5T,
    &smoothness_resolvent::L5C,
    &curvature_order::L5S,
    &smoothness_entropy::L6,
    &smoothness_entropy::L6X,
    &convergence::T3,
    &ascent::T3M,
    &convergence::T3B,
    &regularised::T4,
    &regularised::T5,
    &stability::PS,
    &gradient_dominance::CH1,
    &policy_lower_bound::CH2,
    &lipschitz::CH3,
    &two_point::CH4,
    &repeated_retraining::RR,
    &classical::AG1,
    &classical::AG2,
    &smoothness::ME7,
    &classical::ME8,
    &empirical::LR,
    &empirical::AB,
    &empirical::EX,
    &empirical::EN,
];

/// The claim with this id, in any case.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().copied().find(|claim| claim.id.eq_ignore_ascii_case(id))
}
