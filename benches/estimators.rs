//! Sampled gradients: environment steps per second, and the exact gradient
//! against sampled ones of 10 % relative RMSE.
//!
//! The number of episodes `N` for that error is not searched for but follows from
//! the exact variance: `N = tr Var / (0.1 ||grad J||)^2`, rounded up. It is part of
//! each benchmark's name, and the error of one such estimate is printed beside it.
//! Times of sampling leave out the induced model and the tables, which the exact
//! gradient's time includes. Quote ratios within one run: machines differ and are
//! noisy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pemdp::environments::{BaseMeasure, ClippedReward, ExponentialFamily, Gridworld, gridworld};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp_algorithms::estimate::{Baseline, Deployed, Estimator, Form, Horizon, Return, Td, moments};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Relative RMSE of the sampled gradients that are timed.
const TARGET: f64 = 0.1;

/// Logits that are neither uniform nor extreme.
fn logits(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 0.7).sin()).collect()
}

fn benchmark() -> (PerformativeMdp<f64>, Policy<f64>) {
    let grids = (0..2).map(|f| gridworld::perturbed_grid(0.5, f)).collect();
    let world = Gridworld::new(5.0, 0.9, grids).expect("a valid world");
    let initial = gridworld::initial();
    let model = PerformativeMdp {
        response: Box::new(world),
        initial,
        gamma: 0.9,
        entropy: 0.0,
        criterion: Default::default(),
    };
    (model, Policy::softmax(64, 4, vec![0.0; 256]).expect("a policy"))
}

fn family(n_states: usize, n_actions: usize, gamma: f64) -> (PerformativeMdp<f64>, Policy<f64>) {
    let n = n_states * n_actions;
    let base = BaseMeasure::Logits(logits(n * n_states).into_iter().map(Some).collect());
    let reward = ClippedReward { base: logits(n), slope: 0.5, clip: None };
    let family = ExponentialFamily::new(n_actions, logits(n_states), base, reward).expect("a valid family");
    let mut initial = vec![0.0; n_states];
    initial[0] = 1.0;
    let model = PerformativeMdp {
        response: Box::new(family),
        initial,
        gamma,
        entropy: 0.0,
        criterion: Default::default(),
    };
    (model, Policy::softmax(n_states, n_actions, logits(n)).expect("a policy"))
}

fn forms() -> [Box<dyn Form<f64>>; 3] {
    [
        Box::new(Return { baseline: Baseline::None }),
        Box::new(Return { baseline: Baseline::Exact }),
        Box::new(Td { fitted: None }),
    ]
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn steps_per_second(criterion: &mut Criterion) {
    let (model, policy) = benchmark();
    let performance = model.perform(&policy).expect("a performance");
    let deployed = Deployed::new(&performance, &policy, &0.0).expect("a softmax policy");
    let mut group = criterion.benchmark_group("gridworld steps, gradient included");
    for horizon in [Horizon::Geometric, Horizon::Truncated(100)] {
        for form in forms() {
            let estimator = Estimator::new(&deployed, &*form, horizon).expect("an estimator");
            // Every iteration draws the same episodes, so their steps are known.
            let draw = || estimator.sample(10_000, &mut rng()).expect("an estimate");
            group.throughput(Throughput::Elements(draw().steps));
            group.bench_function(BenchmarkId::new(form.name(), format!("{horizon:?}")), |b| b.iter(draw));
        }
    }
    group.finish();
}

fn exact_against_sampled(criterion: &mut Criterion) {
    let mut problems = vec![("gridworld".to_owned(), benchmark())];
    let sizes =
        [(10, 4, 0.9), (20, 4, 0.9), (40, 4, 0.9), (10, 2, 0.9), (10, 8, 0.9), (10, 4, 0.5), (10, 4, 0.99)];
    for (s, a, gamma) in sizes {
        problems.push((format!("S={s} A={a} gamma={gamma}"), family(s, a, gamma)));
    }
    for (name, (model, policy)) in &problems {
        let performance = model.perform(policy).expect("a performance");
        let deployed = Deployed::new(&performance, policy, &0.0).expect("a softmax policy");
        let gradient: Vec<f64> = performance.gradient.total().into_iter().map(|g| g.unwrap_or(0.0)).collect();
        let size = gradient.iter().map(|g| g * g).sum::<f64>();
        let mut group = criterion.benchmark_group(format!("10 % relative RMSE, {name}"));
        group.sample_size(10);
        group.bench_function("exact", |b| {
            b.iter(|| model.perform(black_box(policy)).map(|p| p.gradient.total()))
        });
        for form in forms() {
            let variance: f64 =
                moments(&deployed, &*form, Horizon::Geometric).expect("moments").variance.iter().sum();
            let episodes = (variance / (TARGET * TARGET * size)).ceil() as u64;
            let estimator = Estimator::new(&deployed, &*form, Horizon::Geometric).expect("an estimator");
            let draw = || estimator.sample(black_box(episodes), &mut rng()).expect("an estimate");
            let seen = draw();
            let error: f64 = seen.gradient.iter().zip(&gradient).map(|(x, y)| (x - y).powi(2)).sum();
            println!(
                "{name}, {}: N = {episodes} episodes, {} steps, relative error of this estimate {:.3}",
                form.name(),
                seen.steps,
                (error / size).sqrt()
            );
            group.bench_function(BenchmarkId::new(form.name(), format!("N={episodes}")), |b| b.iter(draw));
        }
        group.finish();
    }
}

criterion_group!(benches, steps_per_second, exact_against_sampled);
criterion_main!(benches);
