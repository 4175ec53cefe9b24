//! The quantities of an answer, and something of each of them.

use std::ops::{Index, IndexMut};

use crate::problem::Problem;

/// A quantity of an answer, in the order of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// `J`.
    Value,
    /// `V[s]`, shape S.
    StateValues,
    /// `Q[s,a]`, shape S x A.
    ActionValues,
    /// `d[s,a]`, shape S x A, not normalised.
    Occupancy,
    /// `dJ/dtheta[k]`, of the length of the parameters.
    Gradient,
    /// `sum_s d[s] sum_a dpi(a|s) Q[s,a]`, of the length of the parameters.
    PolicyTerm,
    /// `sum_{s,a} d[s,a] gamma sum_t dP[s,a,t] V[t]`, of the length of the parameters.
    TransitionTerm,
    /// `sum_{s,a} d[s,a] dr[s,a]`, of the length of the parameters.
    RewardTerm,
    /// `-lambda sum_s d[s] sum_a dpi(a|s)`, of the length of the parameters.
    EntropyTerm,
}

impl Quantity {
    /// Every quantity.
    pub const ALL: [Self; 9] = [
        Self::Value,
        Self::StateValues,
        Self::ActionValues,
        Self::Occupancy,
        Self::Gradient,
        Self::PolicyTerm,
        Self::TransitionTerm,
        Self::RewardTerm,
        Self::EntropyTerm,
    ];
    /// Those with error bounds of their own, and that mistakes predict.
    pub const MAIN: [Self; 5] =
        [Self::Value, Self::StateValues, Self::ActionValues, Self::Occupancy, Self::Gradient];
    /// The terms of the gradient.
    pub const TERMS: [Self; 4] =
        [Self::PolicyTerm, Self::TransitionTerm, Self::RewardTerm, Self::EntropyTerm];

    /// The name in reports: the path of the key in an answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::StateValues => "state_values",
            Self::ActionValues => "action_values",
            Self::Occupancy => "occupancy",
            Self::Gradient => "gradient",
            Self::PolicyTerm => "gradient_terms.policy",
            Self::TransitionTerm => "gradient_terms.transition",
            Self::RewardTerm => "gradient_terms.reward",
            Self::EntropyTerm => "gradient_terms.entropy",
        }
    }

    /// The key in the object that it stands in.
    pub(super) fn key(self) -> &'static str {
        self.name().rsplit_once('.').map_or(self.name(), |(_, key)| key)
    }

    /// The path of the key of its error bound.
    pub(super) fn bound_name(self) -> &'static str {
        match self {
            Self::Value => "error_bounds.value",
            Self::StateValues => "error_bounds.state_values",
            Self::ActionValues => "error_bounds.action_values",
            Self::Occupancy => "error_bounds.occupancy",
            _ => "error_bounds.gradient",
        }
    }

    /// Whether it is the gradient or a part of it.
    pub(super) fn is_of_gradient(self) -> bool {
        self == Self::Gradient || Self::TERMS.contains(&self)
    }

    /// Whether entries may be infinite.
    pub(super) fn may_be_infinite(self) -> bool {
        matches!(self, Self::ActionValues | Self::Gradient | Self::PolicyTerm)
    }

    /// The lengths of its axes.
    pub(super) fn shape(self, problem: &Problem) -> Vec<usize> {
        match self {
            Self::Value => vec![],
            Self::StateValues => vec![problem.n_states()],
            Self::ActionValues | Self::Occupancy => vec![problem.n_states(), problem.n_actions()],
            _ => vec![problem.n_parameters()],
        }
    }

    /// The index of a flat entry, of as many numbers as it has axes.
    pub(super) fn index(self, i: usize, n_actions: usize) -> Vec<usize> {
        match self {
            Self::Value => vec![],
            Self::ActionValues | Self::Occupancy => vec![i / n_actions, i % n_actions],
            _ => vec![i],
        }
    }
}

/// The entries of a quantity, flat, the last index fastest; none where one is infinite.
pub(super) type Entries = Vec<Option<f64>>;

/// Something of each quantity.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Quantities<X>([X; Quantity::ALL.len()]);

impl<X> Quantities<X> {
    pub(super) fn from_fn(mut of: impl FnMut(Quantity) -> X) -> Self {
        Self(Quantity::ALL.map(&mut of))
    }
}

impl<X> Index<Quantity> for Quantities<X> {
    type Output = X;

    fn index(&self, quantity: Quantity) -> &X {
        &self.0[quantity as usize]
    }
}

impl<X> IndexMut<Quantity> for Quantities<X> {
    fn index_mut(&mut self, quantity: Quantity) -> &mut X {
        &mut self.0[quantity as usize]
    }
}

pub(super) fn defined(entries: &[f64]) -> Entries {
    entries.iter().copied().map(Some).collect()
}
