//! Exact evaluation: value and gradient of the gridworld by number of
//! followers, in doubles and with proven bounds; dense problems by size.
//!
//! Quote ratios within one run: machines differ and are noisy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pemdp::arithmetic::{Ball, Field, Transcendental};
use pemdp::environments::{BaseMeasure, ClippedReward, ExponentialFamily, Gridworld, gridworld};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use std::hint::black_box;

fn benchmark<T: Transcendental>(followers: u32) -> PerformativeMdp<T> {
    let grids = (0..followers).map(|f| gridworld::perturbed_grid(0.5, f)).collect();
    let gamma = T::from_f64(0.9);
    let world = Gridworld::new(T::from_f64(5.0), gamma.clone(), grids).expect("a valid world");
    PerformativeMdp { response: Box::new(world), initial: gridworld::initial(), gamma, entropy: T::zero() }
}

/// Logits that are neither uniform nor extreme.
fn logits<T: Field>(n: usize) -> Vec<T> {
    (0..n).map(|i| T::from_f64((i as f64 * 0.7).sin())).collect()
}

fn gridworlds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gridworld value and gradient");
    let doubles = Policy::<f64>::softmax(64, 4, logits(256)).expect("a policy");
    let balls = Policy::<Ball>::softmax(64, 4, logits(256)).expect("a policy");
    for followers in [2, 10, 50] {
        let world = benchmark::<f64>(followers);
        group.bench_function(BenchmarkId::new("doubles", followers), |b| {
            b.iter(|| world.perform(black_box(&doubles)).map(|p| p.gradient.total()))
        });
        let world = benchmark::<Ball>(followers);
        group.bench_function(BenchmarkId::new("proven bounds", followers), |b| {
            b.iter(|| world.perform(black_box(&balls)).map(|p| p.gradient.total()))
        });
    }
    group.finish();
}

fn family<T: Transcendental>(n_states: usize, n_actions: usize) -> PerformativeMdp<T> {
    let n = n_states * n_actions;
    let base = BaseMeasure::Logits(logits(n * n_states).into_iter().map(Some).collect());
    let reward = ClippedReward { base: logits(n), slope: T::from_f64(0.5), clip: None };
    let family = ExponentialFamily::new(n_actions, logits(n_states), base, reward).expect("a valid family");
    let mut initial = vec![T::zero(); n_states];
    initial[0] = T::one();
    PerformativeMdp { response: Box::new(family), initial, gamma: T::from_f64(0.9), entropy: T::zero() }
}

fn sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dense exponential family, 4 actions");
    group.sample_size(10);
    for n_states in [10, 31, 32, 100, 300] {
        let (small, policy) =
            (family::<f64>(n_states, 4), Policy::softmax(n_states, 4, logits(n_states * 4)));
        let policy = policy.expect("a policy");
        group.bench_function(BenchmarkId::new("doubles", n_states), |b| {
            b.iter(|| small.perform(black_box(&policy)).map(|p| p.gradient.total()))
        });
        let (proven, policy) =
            (family::<Ball>(n_states, 4), Policy::softmax(n_states, 4, logits(n_states * 4)));
        let policy = policy.expect("a policy");
        group.bench_function(BenchmarkId::new("proven bounds", n_states), |b| {
            b.iter(|| proven.perform(black_box(&policy)).map(|p| p.gradient.total()))
        });
    }
    group.finish();
}

criterion_group!(benches, gridworlds, sizes);
criterion_main!(benches);
