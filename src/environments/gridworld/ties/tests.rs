use super::super::{INTERVENTION_COST, N_STATES, TERMINAL, neighbour, perturbed_grid};
use super::*;

const GAMMA: f64 = 0.5;
/// More than any two action values are apart.
const WIDE: f64 = 100.0;

fn world(gamma: f64, grid: [f64; N_STATES]) -> Gridworld<f64> {
    Gridworld::new(5.0, gamma, vec![grid]).unwrap()
}

fn policy() -> Policy<f64> {
    let logits = (0..N_STATES * N_ACTIONS).map(|i| (1.7 * i as f64).sin());
    Policy::softmax(N_STATES, N_ACTIONS, logits.collect()).unwrap()
}

/// `f(move, mean of moves)` over the responses: the four moves and leaving it alone.
fn responses(
    policy: &Policy<f64>,
    s: usize,
    of_move: impl Fn(usize) -> f64,
    cost: f64,
) -> [f64; N_RESPONSES] {
    let mut all = [0.0; N_RESPONSES];
    for a in 0..N_ACTIONS {
        all[a] = of_move(a) - cost;
        all[LEAVE] += policy.probability(s, a) * of_move(a);
    }
    all
}

fn largest(values: [f64; N_RESPONSES]) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// Without a future and rewards: overriding costs 1/20, leaving alone nothing.
#[test]
fn what_is_tied_is_within_the_gap() {
    let policy = policy();
    let count = |gap: f64| world(0.0, [0.0; N_STATES]).ties(&policy, gap).unwrap().count();
    assert_eq!(count(0.0), 0);
    assert_eq!(count(0.04), 0);
    assert_eq!(count(INTERVENTION_COST), N_STATES - 1);
    let two = Gridworld::new(5.0, 0.0, vec![[0.0; N_STATES]; 2]).unwrap();
    assert_eq!(two.followers().len(), 2);
    assert_eq!(two.ties(&policy, INTERVENTION_COST).unwrap().count(), 2 * (N_STATES - 1));
}

/// Against value iteration, of the values and of their derivatives.
#[test]
fn choices_along_a_step_have_the_largest_derivatives() {
    let (policy, grid) = (policy(), perturbed_grid(0.5, 3));
    let mut step: Vec<f64> = (0..N_STATES * N_ACTIONS).map(|i| (0.3 * (i * i) as f64).sin()).collect();
    for row in step.chunks_mut(N_ACTIONS) {
        let mean = row.iter().sum::<f64>() / 4.0;
        row.iter_mut().for_each(|x| *x -= mean);
    }
    let mut values = [0.0; N_STATES];
    let worth = |values: &[f64], s: usize, a: usize| grid[neighbour(s, a)] + GAMMA * values[neighbour(s, a)];
    let of_values =
        |values: &[f64], s: usize| responses(&policy, s, |a| worth(values, s, a), INTERVENTION_COST);
    for _ in 0..100 {
        (0..TERMINAL).for_each(|s| values[s] = largest(of_values(&values, s)));
    }
    for gap in [0.1, WIDE] {
        let tied = |s: usize| {
            let q = of_values(&values, s);
            (0..N_RESPONSES).filter(move |&b| q[b] >= largest(q) - gap)
        };
        let mut slopes = [0.0; N_STATES];
        let of_slopes = |slopes: &[f64], s: usize| {
            let mut all = responses(&policy, s, |a| GAMMA * slopes[neighbour(s, a)], 0.0);
            all[LEAVE] += (0..N_ACTIONS).map(|a| step[4 * s + a] * worth(&values, s, a)).sum::<f64>();
            all
        };
        for _ in 0..100 {
            for s in 0..TERMINAL {
                let all = of_slopes(&slopes, s);
                slopes[s] = tied(s).map(|b| all[b]).fold(f64::NEG_INFINITY, f64::max);
            }
        }
        let world = world(GAMMA, grid);
        let ties = world.ties(&policy, gap).unwrap();
        let choices = ties.along(&step);
        assert_eq!((choices.len(), choices[0].len()), (1, N_STATES));
        let (mut several, mut left_alone) = (0, 0);
        for (s, &choice) in choices[0].iter().enumerate().take(TERMINAL) {
            assert!(tied(s).any(|b| b == choice), "{s}");
            let all = of_slopes(&slopes, s);
            assert!((all[choice] - slopes[s]).abs() < 1e-12, "{s}: {choice} of {all:?}");
            several += usize::from(tied(s).count() > 1);
            left_alone += usize::from(choice == LEAVE);
        }
        assert_eq!(choices[0][TERMINAL], LEAVE);
        assert_eq!(ties.count(), several);
        assert!(left_alone > 0 && left_alone < TERMINAL, "{left_alone}");
    }
}

/// Where every move is overridden nothing depends on the policy through the values.
#[test]
fn derivatives_are_those_of_the_choices() {
    use crate::response::{Cotangent, Response};
    let (policy, grid) = (policy(), perturbed_grid(0.5, 3));
    let visits: Vec<f64> = (0..N_STATES * N_ACTIONS).map(|i| 1.5 + (0.9 * i as f64).cos()).collect();
    let values: Vec<f64> = (0..N_STATES).map(|s| (0.4 * s as f64).sin()).collect();
    let pulled = |world: Gridworld<f64>, frozen: bool| {
        let induced = world.induce(&policy).unwrap();
        let cotangent = Cotangent::performative(&visits, &values);
        if frozen {
            induced.pullback.pull_with_frozen_values(&cotangent).unwrap()
        } else {
            induced.pullback.pull(&cotangent)
        }
    };
    let overriding = || world(GAMMA, grid).with_choices(vec![vec![1; N_STATES]]);
    assert_eq!(pulled(overriding(), false), pulled(world(GAMMA, grid), true));
    assert_ne!(pulled(world(GAMMA, grid), false), pulled(world(GAMMA, grid), true));
}
