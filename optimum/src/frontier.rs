//! The parts of a domain that a best-first search has still to look at.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A part of a domain that may hold something better.
pub trait Part {
    /// No value in it is larger.
    fn bound(&self) -> f64;

    /// Of parts with the same bound the larger one comes first.
    fn tie(&self, other: &Self) -> Ordering;
}

/// Parts by their bounds, the largest first, in an order that does not depend on when
/// they came.
#[derive(Debug)]
pub struct Frontier<T: Part>(BinaryHeap<Ranked<T>>);

impl<T: Part> Frontier<T> {
    /// The part with the largest bound.
    pub fn peek(&self) -> Option<&T> {
        self.0.peek().map(|part| &part.0)
    }

    /// Takes the part with the largest bound away.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop().map(|part| part.0)
    }

    /// Adds a part.
    pub fn push(&mut self, part: T) {
        self.0.push(Ranked(part));
    }

    /// The number of parts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Part> Default for Frontier<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

#[derive(Debug)]
struct Ranked<T>(T);

impl<T: Part> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.bound().total_cmp(&other.0.bound()).then_with(|| self.0.tie(&other.0))
    }
}

impl<T: Part> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Part> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Part> Eq for Ranked<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_bound_comes_first_and_ties_are_decided_by_the_parts() {
        #[derive(Debug, PartialEq)]
        struct Numbered(f64, usize);
        impl Part for Numbered {
            fn bound(&self) -> f64 {
                self.0
            }

            fn tie(&self, other: &Self) -> Ordering {
                other.1.cmp(&self.1)
            }
        }
        let mut frontier = Frontier::default();
        for part in [(1.0, 3), (f64::NEG_INFINITY, 0), (2.0, 5), (1.0, 2), (2.0, 4)] {
            frontier.push(Numbered(part.0, part.1));
        }
        assert_eq!((frontier.len(), frontier.peek()), (5, Some(&Numbered(2.0, 4))));
        let order: Vec<usize> = std::iter::from_fn(|| frontier.pop()).map(|part| part.1).collect();
        assert_eq!(order, [4, 5, 2, 3, 0]);
        assert!(frontier.is_empty());
    }
}
