//! Episodes: how long they are, and how they are drawn.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::Deployed;
use pemdp::arithmetic::Field;

/// How long an episode is, and what that makes of the discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Horizon {
    /// After each step the episode continues with probability `gamma`; steps have
    /// weight 1. Step `k` is reached with probability `gamma^k`, so this is the
    /// infinite discounted horizon without bias.
    Geometric,
    /// This many steps, step `k` with weight `gamma^k`. What is cut off is a
    /// bias; exact and bounded in [`Truncation`](super::Truncation).
    Truncated(usize),
}

impl Horizon {
    /// The weight of a step relative to the one before.
    pub(super) fn discount<T: Field>(self, gamma: &T) -> T {
        match self {
            Self::Geometric => T::one(),
            Self::Truncated(_) => gamma.clone(),
        }
    }
}

/// One step of an episode; its reward is [`Deployed::reward`] of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// `s A + a`.
    pub pair: usize,
    /// The transition that was taken.
    pub entry: usize,
}

/// Draws episodes in constant time a draw, by the alias method (Walker 1977,
/// Vose 1991).
///
/// Probabilities are exact up to rounding, and rows that sum to 1 only within
/// the tolerance of [`Kernel`](pemdp::mdp::Kernel) are normalised by it.
#[derive(Debug, Clone)]
pub struct Sampler {
    n_actions: usize,
    gamma: f64,
    initial: Vec<Slot>,
    /// Row `s` at `s A..(s + 1) A`.
    actions: Vec<Slot>,
    /// The row of pair `i` at `offsets[i]..offsets[i + 1]`.
    transitions: Vec<Slot>,
    offsets: Vec<usize>,
    targets: Vec<u32>,
}

/// A slot of an alias table: itself below the threshold, its alias above.
#[derive(Debug, Clone, Copy)]
struct Slot {
    threshold: f64,
    alias: u32,
}

impl Sampler {
    /// A sampler of the episodes of a deployed policy.
    pub fn new(deployed: &Deployed<'_, f64>) -> Self {
        let n_actions = deployed.n_actions();
        let row = |s: usize| (0..n_actions).map(move |a| *deployed.policy().probability(s, a));
        let actions = (0..deployed.n_states()).flat_map(|s| alias_table(&row(s).collect::<Vec<_>>()));
        let pairs = 0..deployed.n_pairs();
        let probabilities =
            |pair| deployed.entries(pair).map(|e| *deployed.probability(e)).collect::<Vec<f64>>();
        Self {
            n_actions,
            gamma: *deployed.gamma(),
            initial: alias_table(deployed.performance().mdp.initial()),
            actions: actions.collect(),
            transitions: pairs.clone().flat_map(|pair| alias_table(&probabilities(pair))).collect(),
            offsets: std::iter::once(0).chain(pairs.map(|pair| deployed.entries(pair).end)).collect(),
            targets: (0..deployed.n_entries()).map(|e| deployed.target(e) as u32).collect(),
        }
    }

    /// Draws an episode into `steps`.
    pub fn episode(&self, horizon: Horizon, rng: &mut impl Rng, steps: &mut Vec<Step>) {
        steps.clear();
        let mut state = draw(&self.initial, rng);
        loop {
            let pair =
                state * self.n_actions + draw(&self.actions[state * self.n_actions..][..self.n_actions], rng);
            let start = self.offsets[pair];
            let entry = start + draw(&self.transitions[start..self.offsets[pair + 1]], rng);
            steps.push(Step { pair, entry });
            state = self.targets[entry] as usize;
            let continues = match horizon {
                Horizon::Geometric => rng.random::<f64>() < self.gamma,
                Horizon::Truncated(length) => steps.len() < length,
            };
            if !continues {
                return;
            }
        }
    }
}

/// Vose's construction: slot `i` keeps `threshold` of its share `1/n` and gives
/// the rest to its alias.
fn alias_table(weights: &[f64]) -> Vec<Slot> {
    let scale = weights.len() as f64 / weights.iter().sum::<f64>();
    let mut shares: Vec<f64> = weights.iter().map(|w| w.max(0.0) * scale).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..shares.len()).partition(|&i| shares[i] < 1.0);
    let mut slots: Vec<Slot> = (0..shares.len() as u32).map(|i| Slot { threshold: 1.0, alias: i }).collect();
    while let (Some(&below), Some(&above)) = (small.last(), large.last()) {
        small.pop();
        slots[below] = Slot { threshold: shares[below], alias: above as u32 };
        shares[above] -= 1.0 - shares[below];
        if shares[above] < 1.0 {
            large.pop();
            small.push(above);
        }
    }
    // By rounding the large slots can run out while a slot of weight 0 is left,
    // which must not be drawn.
    for (i, slot) in slots.iter_mut().enumerate() {
        if weights[i] <= 0.0 && slot.threshold >= 1.0 {
            let likeliest = (0..weights.len()).max_by(|&i, &j| weights[i].total_cmp(&weights[j]));
            *slot = Slot { threshold: 0.0, alias: likeliest.unwrap_or(i) as u32 };
        }
    }
    slots
}

/// Draws from an alias table.
fn draw(slots: &[Slot], rng: &mut impl Rng) -> usize {
    let position = rng.random::<f64>() * slots.len() as f64;
    let slot = (position as usize).min(slots.len() - 1);
    let Slot { threshold, alias } = slots[slot];
    if position - (slot as f64) < threshold { slot } else { alias as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::ULPS;

    /// The probabilities that a table draws with.
    fn shares(slots: &[Slot]) -> Vec<f64> {
        let mut shares = vec![0.0; slots.len()];
        for (i, slot) in slots.iter().enumerate() {
            shares[i] += slot.threshold / slots.len() as f64;
            shares[slot.alias as usize] += (1.0 - slot.threshold) / slots.len() as f64;
        }
        shares
    }

    #[test]
    fn an_alias_table_has_the_shares_of_its_weights() {
        let tables: [&[f64]; 5] =
            [&[1.0], &[0.25, 0.75], &[0.0, 1.0, 0.0], &[0.1, 0.2, 0.3, 0.4], &[0.7, 0.1, 0.1, 0.1 - 1e-10]];
        for weights in tables {
            let total: f64 = weights.iter().sum();
            for (share, weight) in shares(&alias_table(weights)).iter().zip(weights) {
                assert!((share - weight / total).abs() < ULPS, "{weights:?}: {share} for {weight}");
                assert_eq!(*share > 0.0, *weight > 0.0, "{weights:?}");
            }
        }
    }

    #[test]
    fn what_has_no_weight_is_never_left_over_by_rounding() {
        // Shares of many equal weights round; zeros among them must stay zero.
        for n in 2..200_usize {
            let weights: Vec<f64> =
                (0..n).map(|i| if i % 3 == 1 { 0.0 } else { 0.1 + i as f64 * 0.7 }).collect();
            let shares = shares(&alias_table(&weights));
            assert!(shares.iter().zip(&weights).all(|(share, weight)| *weight > 0.0 || *share == 0.0), "{n}");
        }
    }
}
