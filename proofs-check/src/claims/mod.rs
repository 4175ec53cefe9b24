//! The registry: one file a claim, in the order of `docs/claims.md`.

mod performance_difference;
mod policy_gradient;
mod smoothness;
mod smoothness_entropy;
mod smoothness_resolvent;
pub mod theorem2;

use crate::claim::Claim;

/// Every claim.
pub static CLAIMS: &[&Claim] = &[
    &performance_difference::L1,
    &policy_gradient::T2,
    &policy_gradient::T2E,
    &smoothness::L5,
    &smoothness::L5X,
    &smoothness::L5T,
    &smoothness_resolvent::L5C,
    &smoothness_entropy::L6,
    &smoothness_entropy::L6X,
    &smoothness::ME7,
];

/// The claim with this id, in any case.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().copied().find(|claim| claim.id.eq_ignore_ascii_case(id))
}
