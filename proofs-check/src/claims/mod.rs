//! The registry: one file a claim, in the order of `docs/claims.md`.

mod ascent;
mod convergence;
mod performance_difference;
mod policy_gradient;
mod regularised;
mod stability;
pub mod theorem2;

use crate::claim::Claim;

/// Every claim.
pub static CLAIMS: &[&Claim] = &[
    &performance_difference::L1,
    &policy_gradient::T2,
    &policy_gradient::T2E,
    &convergence::T3,
    &ascent::T3M,
    &convergence::T3B,
    &regularised::T4,
    &stability::PS,
];

/// The claim with this id, in any case.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().copied().find(|claim| claim.id.eq_ignore_ascii_case(id))
}
