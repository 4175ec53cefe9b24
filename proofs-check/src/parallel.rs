//! Work on all cores.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// `work(0)` to `work(count - 1)`, in this order, on all cores.
///
/// The threads see the work as a `dyn Fn`. Otherwise all that shares it out would be
/// compiled again for each of some hundred statements, the larger part of this crate.
pub fn map<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each(count, &|i| *results[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(work(i)));
    results.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

fn each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(work);
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        assert_eq!(super::map(1000, |i| i * i), (0..1000).map(|i| i * i).collect::<Vec<_>>());
        assert!(super::map(0, |i| i).is_empty());
    }
}
