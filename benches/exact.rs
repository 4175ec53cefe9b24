//! Exact evaluation: value and gradient of the gridworld by number of
//! followers, in doubles and with proven bounds; dense problems by size; formulas beside the
//! kinds that they are;
//! answers in fractions by the kind of the problem's numbers.
//!
//! Quote ratios within one run: machines differ and are noisy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use pemdp::arithmetic::{Ball, Field, Transcendental};
use pemdp::environments::{
    Affine, BaseMeasure, ClippedReward, ExponentialFamily, FormulaTexts, FormulasSpec, Given, Gridworld,
    Specification, gridworld,
};
use pemdp::linear::Rows;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp::problem::{ActionSets, Numeral, Problem, Reading};
use pemdp::response::Response;
use std::hint::black_box;

fn benchmark<T: Transcendental>(followers: u32) -> PerformativeMdp<T> {
    let grids = (0..followers).map(|f| gridworld::perturbed_grid(0.5, f)).collect();
    let gamma = T::from_f64(0.9);
    let world = Gridworld::new(T::from_f64(5.0), gamma.clone(), grids).expect("a valid world");
    PerformativeMdp {
        response: Box::new(world),
        initial: gridworld::initial(),
        gamma,
        entropy: T::zero(),
        criterion: Default::default(),
    }
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
    PerformativeMdp {
        response: Box::new(family),
        initial,
        gamma: T::from_f64(0.9),
        entropy: T::zero(),
        criterion: Default::default(),
    }
}

/// The same family as formulas.
fn family_as_formulas(n_states: usize, n_actions: usize) -> FormulasSpec {
    let mut texts = FormulaTexts { normalise: true, ..FormulaTexts::default() };
    let (psi, base): (Vec<f64>, Vec<f64>) = (logits(n_states), logits(n_states * n_actions * n_states));
    for (i, base_reward) in logits::<f64>(n_states * n_actions).into_iter().enumerate() {
        let (s, a) = (i / n_actions, i % n_actions);
        let row = psi.iter().zip(&base[i * n_states..]).enumerate();
        let weight = |(t, (psi, b)): (usize, (&f64, &f64))| {
            ([s, a, t], format!("exp({b:.17} + {psi:.17} * theta[{i}])"))
        };
        texts.transitions.extend(row.map(weight));
        texts.rewards.push(([s, a], format!("{base_reward:.17} + 0.5 * theta[{i}]")));
    }
    FormulasSpec::new(texts, n_states, n_actions, n_states * n_actions).expect("valid formulas")
}

/// Half of each row moves to the next state with the share of an action in another state.
fn affine_slopes(n_states: usize, n_actions: usize) -> Vec<([usize; 5], f64)> {
    let pairs = (0..n_states).flat_map(|s| (0..n_actions).map(move |a| (s, a)));
    let of_pair = |(s, a): (usize, usize)| {
        let other = (s * 7 + a) % n_states;
        [([s, a, s, other, a], -0.5), ([s, a, (s + 1) % n_states, other, a], 0.5)]
    };
    pairs.flat_map(of_pair).collect()
}

/// Stays where it is but for the slopes.
fn affine<T: Field>(n_states: usize, n_actions: usize) -> Affine<T> {
    let n = n_states * n_actions;
    let base = Rows::sparse(n_states, (0..n).map(|i| [(i / n_actions, T::one())])).expect("rows");
    let slopes = affine_slopes(n_states, n_actions);
    let slopes = slopes.into_iter().map(|(index, m)| (index, T::from_f64(m))).collect();
    Affine::new(n_states, n_actions, base, logits(n), slopes, Vec::new()).expect("an affine environment")
}

fn affine_as_formulas(n_states: usize, n_actions: usize) -> FormulasSpec {
    let mut texts = FormulaTexts::default();
    for (i, reward) in logits::<f64>(n_states * n_actions).into_iter().enumerate() {
        let (s, a) = (i / n_actions, i % n_actions);
        texts.transitions.push(([s, a, s], "1".to_owned()));
        texts.rewards.push(([s, a], format!("{reward:.17}")));
    }
    for ([s, a, t, s2, a2], m) in affine_slopes(n_states, n_actions) {
        texts.transitions.push(([s, a, t], format!("{m} * pi[{s2},{a2}]")));
    }
    FormulasSpec::new(texts, n_states, n_actions, n_states * n_actions).expect("valid formulas")
}

/// A response with what else a problem has.
fn around<T: Transcendental>(response: Box<dyn Response<T>>) -> PerformativeMdp<T> {
    let mut initial = vec![T::zero(); response.n_states()];
    initial[0] = T::one();
    PerformativeMdp {
        response,
        initial,
        gamma: T::from_f64(0.9),
        entropy: T::zero(),
        criterion: Default::default(),
    }
}

/// A kind, and the same as formulas, in one arithmetic.
fn compare<T: Transcendental>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    title: &str,
    kind: &str,
    spec: &FormulasSpec,
    given: Given<'_>,
) {
    let Given { n_states, n_actions, .. } = given;
    let own = match kind {
        "family" => family::<T>(n_states, n_actions),
        _ => around(Box::new(affine(n_states, n_actions))),
    };
    let written = around(spec.response::<T>(given).expect("a response"));
    let policy = Policy::softmax(n_states, n_actions, logits(n_states * n_actions)).expect("a policy");
    for (how, model) in [("own kind", &own), ("formulas", &written)] {
        group.bench_function(BenchmarkId::new(title, how), |b| {
            b.iter(|| model.perform(black_box(&policy)).map(|p| p.gradient.total()))
        });
    }
}

/// Formulas beside the kinds that they are, 50 states and 4 actions.
fn formulas(criterion: &mut Criterion) {
    let (n_states, n_actions) = (50, 4);
    let gamma = Numeral::from(0.9);
    let given =
        Given { n_states, n_actions, gamma: &gamma, actions: &ActionSets::default(), has_local_logits: true };
    let mut group = criterion.benchmark_group("formulas, 50 states, 4 actions");
    group.sample_size(20);
    for (name, spec) in [
        ("family", family_as_formulas(n_states, n_actions)),
        ("affine", affine_as_formulas(n_states, n_actions)),
    ] {
        compare::<f64>(&mut group, &format!("{name}, doubles"), name, &spec, given);
        compare::<Ball>(&mut group, &format!("{name}, bounds"), name, &spec, given);
    }
    group.finish();
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

/// An exponential family with two actions, all of whose numbers are spelled by
/// `number`.
fn spelled(n_states: usize, number: impl Fn(usize) -> String) -> Problem {
    let list = |entries: Vec<String>| format!("[{}]", entries.join(","));
    let numbers =
        |from: usize, n: usize| list((from..from + n).map(|i| format!("\"{}\"", number(i))).collect());
    let pairs = |from: usize| list((0..n_states).map(|s| numbers(from + 2 * s, 2)).collect());
    let row = |i: usize| numbers(4 * n_states + i * n_states, n_states);
    let base = list((0..n_states).map(|s| list(vec![row(2 * s), row(2 * s + 1)])).collect());
    let psi = list((0..n_states).map(|t| (t % 3).to_string()).collect());
    let initial = list((0..n_states).map(|_| format!("\"1/{n_states}\"")).collect());
    let text = format!(
        r#"{{"format": "pemdp-problem/1", "gamma": "9/10", "initial": {initial},
            "policy": {{"kind": "weights", "values": {}}},
            "environment": {{"kind": "exponential-family", "psi": {psi}, "base_weights": {base},
                "reward": {{"base": {}, "slope": 0, "clip": null}}}}}}"#,
        pairs(0),
        pairs(2 * n_states),
    );
    Problem::from_json(&text, Reading::Exact).expect("a valid problem")
}

/// An integer of `n` digits that does not end in 0.
fn digits(seed: usize, n: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'1' + (state >> 33) as u8 % 9)
    };
    (0..n).map(|_| digit()).collect()
}

fn fractions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exact fractions, exponential family, 2 actions");
    group.sample_size(10);
    let power = |i: usize| format!("{}e{}", 1 + i % 9, (i * 37 % 160) as i64 - 80);
    let clustered = |i: usize| if i % 8 == 3 { digits(i, 120) } else { (1 + i % 3).to_string() };
    let problems = [
        ("decimals of 60 digits, 5 states", spelled(5, |i| format!("0.{}", digits(i, 60)))),
        (
            "fractions of 60 digits, 4 states",
            spelled(4, |i| format!("{}/{}", digits(i, 30), digits(i + 1000, 30))),
        ),
        ("powers of ten, 5 states", spelled(5, power)),
        ("clustered, 8 states", spelled(8, clustered)),
        ("one digit, 5 states", spelled(5, |i| digits(i, 1))),
        ("one digit, 40 states", spelled(40, |i| digits(i, 1))),
    ];
    for (name, problem) in problems {
        group.bench_function(name, |b| b.iter(|| black_box(&problem).exact_answer()));
    }
    group.finish();
}

criterion_group!(benches, gridworlds, sizes, formulas, fractions);
criterion_main!(benches);
