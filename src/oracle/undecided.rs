//! Entries of which little is told: what may be off by much of the quantity.

use serde::Serialize;

use super::claimed::Claimed;
use super::comparison::{Comparison, largest};
use super::quantity::Quantity;

/// An entry that is accepted, or sampled, with a wide tolerance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Undecided {
    /// Which quantity.
    pub quantity: &'static str,
    /// Which entry.
    pub index: Vec<usize>,
    /// What it may be off by.
    pub tolerance: f64,
    /// The size that this exceeds.
    pub size: f64,
    /// What makes the tolerance so large.
    pub why: Doubt,
    /// So many times as many samples would tell; null where no number would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<f64>,
    /// How many that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
}

/// Why an entry cannot be told from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The standard error is too large. Such an answer is not called right.
    Sampling,
    /// An evaluation in floating-point numbers may round more than a ten-thousandth of the
    /// largest entry.
    Rounding,
}

/// A share of the largest entry that is much to be off by.
const LITTLE: f64 = 1e-4;

impl Comparison<'_> {
    /// The entries that are given and held to little (`docs/oracle.md`).
    pub(super) fn undecided(&self, claimed: &Claimed) -> Vec<Undecided> {
        let given = Quantity::ALL.into_iter().filter(|&quantity| claimed.quantities[quantity].is_some());
        given.flat_map(|quantity| self.undecided_of(quantity, claimed)).collect()
    }

    fn undecided_of(&self, quantity: Quantity, claimed: &Claimed) -> Vec<Undecided> {
        let got = claimed.quantities[quantity].as_deref().map(|entries| self.normal_form(quantity, entries));
        let truth = self.truth(quantity);
        let own = largest(&truth);
        let computed = self.without_sampling(quantity);
        let asked = self.asked(quantity);
        let is_lost = own <= computed.iter().copied().fold(0.0, f64::max);
        // What is 0 is told from what it is made of.
        let size = if is_lost { self.scale(quantity).max(own) } else { own };
        let of_entry = |i: usize| {
            let place = || quantity.index(i, self.problem.n_actions());
            if let Some((reach, error, n)) = self.sampled(quantity, i)
                && reach * error > size
            {
                let times = (reach * error / size).powi(2);
                return Some(Undecided {
                    quantity: quantity.name(),
                    index: place(),
                    tolerance: self.tolerance(quantity, i),
                    size,
                    why: Doubt::Sampling,
                    times: times.is_finite().then_some(times),
                    needed: n.map(|n| (n as f64 * times).ceil()).filter(|x| *x < 1e18).map(|x| x as u64),
                });
            }
            let size = asked.max(if own > 0.0 { LITTLE * own } else { self.share_of_scale(quantity) });
            let error = (got.as_ref()?[i]? - truth[i]?).abs();
            let is_asked = error <= computed[i] && (own > 0.0 || error > asked);
            (is_asked && size < computed[i]).then(|| Undecided {
                quantity: quantity.name(),
                index: place(),
                tolerance: computed[i],
                size,
                why: Doubt::Rounding,
                times: None,
                needed: None,
            })
        };
        (0..truth.len()).filter_map(of_entry).collect()
    }
}
