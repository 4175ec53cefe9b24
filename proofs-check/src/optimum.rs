//! Certified performative optima of small instances.

use num_traits::Zero;
use pemdp::arithmetic::{Field, Rational};
use pemdp::evaluate::evaluate;
use pemdp::problem::Problem;
use pemdp_optimum::{OptimumSettings, PerformativeOptimum, performative_optimum};

use crate::case::Case;
use crate::claim::Effort;
use crate::family::Family;
use crate::pair::{Pair, World};
use crate::parallel;

/// The gap that is asked of the search.
const GAP: f64 = 1e-6;
/// An instance that needs more open cells is no small one. A count and not a time:
/// the same instances are left out on every machine.
const OPEN_CELLS: usize = 20_000;
/// Weights of limits are the exponentials of plus and minus this; those of actions
/// that are not taken are smaller by its exponential.
const FAR: f64 = 20.0;
/// More parameters than this are not tried.
const N_PARAMETERS: usize = 4;

/// The performative optimum of a problem where it is certified.
pub fn certified(problem: &Problem) -> Option<PerformativeOptimum> {
    let settings = OptimumSettings { gap: GAP, open_cells: OPEN_CELLS, ..OptimumSettings::default() };
    performative_optimum(problem, &settings).ok().filter(|optimum| optimum.certified)
}

/// A family against a policy that is nearly optimal.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The family with its policy, and the near-optimal policy.
    pub pair: Pair,
    /// No policy of the domain of the search is better than the second by more: a
    /// certified bound minus the exact value.
    pub gap: Rational,
}

impl Comparison {
    /// The comparison of a family whose optimum can be certified.
    pub fn of(family: Family) -> Option<Self> {
        if family.n_parameters() > N_PARAMETERS {
            return None;
        }
        let problem =
            Problem::from_json(&family.to_json().to_string(), pemdp::problem::Reading::Exact).ok()?;
        let optimum = certified(&problem)?;
        let width = problem.n_actions();
        let taken = |row: &[f64]| row.iter().map(|x| x.clamp(-FAR, FAR)).fold(-FAR, f64::max);
        let weights =
            optimum.parameters.chunks(width).zip(optimum.policy.chunks(width)).flat_map(|(row, pi)| {
                let falls = |p: f64| if p == 0.0 { FAR } else { 0.0 };
                row.iter().zip(pi).map(move |(x, &p)| {
                    Rational::from_f64((x.clamp(-FAR, FAR).max(taken(row) - FAR) - falls(p)).exp())
                })
            });
        let pair = Pair { family, other: weights.collect() };
        let there = World::<Rational>::of(&pair.swapped());
        let value = evaluate(&there.mdp, &there.policy, &Rational::zero()).ok()?.value;
        Some(Self { pair, gap: Rational::from_f64(optimum.upper_bound) - value })
    }

    /// The comparisons of random families without responding rewards, as many as the
    /// effort allows and their optima are certified.
    pub fn random(effort: &Effort, work: &str) -> Vec<Self> {
        let drawn = |i: u64| {
            let mut family = Family::random(&mut effort.random(work, i), 1);
            family.amplitudes.fill(Rational::zero());
            Self::of(family)
        };
        parallel::map(effort.instances.min(40) as usize, |i| drawn(i as u64)).into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparators_are_nearly_optimal() {
        let comparisons = Comparison::random(&Effort { seed: 0, instances: 20 }, "optimum, test");
        assert!(comparisons.len() > 5, "{}", comparisons.len());
        for Comparison { pair, gap } in comparisons {
            // The gap of the search, and what clipping the limits costs.
            assert!(gap.approximate() < 1e-5, "{} {pair:?}", gap.approximate());
        }
    }
}
