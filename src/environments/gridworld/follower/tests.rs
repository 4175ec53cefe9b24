use super::super::{GRID, Grid, INTERVENTION_COST, N_STATES, TERMINAL, perturbed_grid};
use super::*;
use crate::arithmetic::{Ball, Dual};
use crate::linear::Enclosure;

const GAMMA: f64 = 0.9;
const TEMPERATURES: [f64; 9] = [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8];

fn policy<T: Transcendental>() -> Policy<T> {
    let logits = (0..N_STATES * N_ACTIONS).map(|i| T::from_f64((1.7 * i as f64).sin()));
    Policy::softmax(N_STATES, N_ACTIONS, logits.collect()).unwrap()
}

fn model<'a, T>(
    layout: &'a Layout,
    grid: &'a [T],
    cost: &'a T,
    gamma: &'a T,
    policy: &'a Policy<T>,
) -> DecisionProblem<'a, T> {
    DecisionProblem { layout, grid, cost, gamma, terminal: Terminal::Absorbing, policy }
}

/// The best response, and the softened one at a temperature.
fn pair<T: Transcendental>(policy: &Policy<T>, seed: u32, temperature: f64) -> [Follower<T>; 2] {
    let (grid, gamma) = (perturbed_grid(0.5, seed).map(T::from_f64), T::from_f64(GAMMA));
    let (layout, cost) = (Layout::benchmark(), T::from_f64(INTERVENTION_COST));
    let model = model(&layout, &grid, &cost, &gamma, policy);
    let hard = || Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
    [hard(), hard().softened(0, &model, &T::from_f64(temperature)).unwrap()]
}

#[test]
fn softened_values_are_within_the_proven_distance_which_is_nearly_attained() {
    for policy in [policy::<f64>(), Policy::uniform(N_STATES, N_ACTIONS)] {
        for seed in 0..4 {
            let mut before = f64::INFINITY;
            for temperature in TEMPERATURES {
                let [hard, soft] = pair(&policy, seed, temperature);
                let gaps = soft.values.iter().zip(&hard.values).map(|(soft, hard)| soft - hard);
                let (smallest, largest) = gaps
                    .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), gap| (low.min(gap), high.max(gap)));
                let bound = temperature * 5f64.ln() / (1.0 - GAMMA);
                assert!(smallest >= -1e-13 && largest <= bound + 1e-13, "{temperature}: {largest}");
                assert!(largest < before);
                if temperature == 1.0 {
                    // Nearly uniform responses: the bound is nearly attained.
                    assert!(largest > 0.5 * bound, "{largest} against {bound}");
                }
                before = largest;
            }
        }
    }
}

#[test]
fn softened_values_solve_the_soft_bellman_equation() {
    for temperature in TEMPERATURES {
        let [_, soft] = pair(&policy::<f64>(), 1, temperature);
        for s in 0..TERMINAL {
            let q = &soft.action_values[s * N_RESPONSES..(s + 1) * N_RESPONSES];
            let m = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = q.iter().map(|q| ((q - m) / temperature).exp()).sum();
            assert!((m + temperature * sum.ln() - soft.values[s]).abs() < 1e-14);
        }
        assert_eq!(soft.values[TERMINAL], 0.0);
        assert!(soft.kinks(&Layout::benchmark(), 0, &GAMMA).is_empty());
    }
}

#[test]
fn balls_enclose_the_softened_values_tightly_at_every_temperature() {
    for temperature in TEMPERATURES {
        let [_, balls] = pair(&policy::<Ball>(), 1, temperature);
        let [_, doubles] = pair(&policy::<f64>(), 1, temperature);
        for (ball, double) in balls.values.iter().zip(&doubles.values) {
            assert!((ball.midpoint() - double).abs() < 1e-13);
            let radius = (*ball - ball.centre()).magnitude();
            assert!(radius < 1e-24, "{temperature}: {radius}");
        }
    }
}

/// By the implicit function theorem, the derivative is the evaluation of the
/// soft response: against that of the Newton steps.
#[test]
fn derivatives_are_evaluations_of_the_soft_response() {
    for temperature in TEMPERATURES {
        let tilt = |i: usize| (0.9 * i as f64).cos();
        let logits = (0..N_STATES * N_ACTIONS).map(|i| Dual::new((1.7 * i as f64).sin(), tilt(i)));
        let moved = Policy::softmax(N_STATES, N_ACTIONS, logits.collect()).unwrap();
        let [_, dual] = pair(&moved, 0, temperature);
        let [_, soft] = pair(&policy::<f64>(), 0, temperature);
        let costs: Vec<f64> = (0..N_STATES)
            .map(|s| {
                let sum = (0..N_ACTIONS).map(|a| moved.probability(s, a).derivative * soft.move_value(s, a));
                soft.left_alone(&Layout::benchmark(), s, &sum.sum()).unwrap_or(0.0)
            })
            .collect();
        let expected = soft.factorisation.solve(&costs);
        let size = expected.iter().map(|x| x.abs()).fold(0.0, f64::max);
        for (u, expected) in dual.values.iter().zip(expected) {
            // Probabilities are off by the rounding of Q over the temperature.
            let tolerance = 1e-12 + 1e-15 / temperature;
            assert!((u.derivative - expected).abs() <= tolerance * size, "{temperature}");
        }
    }
}

#[test]
fn derivatives_follow_the_choice() {
    let (layout, grid, policy) = (&Layout::benchmark(), perturbed_grid(0.5, 1), policy::<f64>());
    let model = model(layout, &grid, &INTERVENTION_COST, &GAMMA, &policy);
    let best = Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
    let values = best.values.clone();
    assert!((0..TERMINAL).any(|s| best.left_alone(layout, s, &1.0).is_none()));
    // Left alone everywhere but in state 0, which moves right.
    let mut choice = vec![LEAVE; N_STATES];
    choice[0] = 1;
    let chosen = best.choosing(&model, choice).unwrap();
    assert_eq!(chosen.values, values);
    for s in 0..N_STATES {
        assert_eq!(chosen.left_alone(layout, s, &2.5).is_some(), s != 0 && s != TERMINAL, "{s}");
    }
    let right: Vec<f64> = (0..N_STATES).map(|s| (0.7 * s as f64).cos()).collect();
    let x = chosen.factorisation.solve(&right);
    for s in 0..TERMINAL {
        let mean = |s: usize| -> f64 {
            (0..N_ACTIONS).map(|a| policy.probability(s, a) * x[model.next(s, a)]).sum()
        };
        let next = if s == 0 { x[1] } else { mean(s) };
        assert!((x[s] - GAMMA * next - right[s]).abs() < 1e-12, "{s}");
    }
}

fn uniform_model<'a>(
    layout: &'a Layout,
    grid: &'a Grid<f64>,
    terminal: Terminal,
    policy: &'a Policy<f64>,
) -> DecisionProblem<'a, f64> {
    DecisionProblem { terminal, ..model(layout, grid, &INTERVENTION_COST, &GAMMA, policy) }
}

#[test]
fn what_is_improved_is_the_first_of_largest_gain() {
    let (layout, policy) = (Layout::benchmark(), policy::<f64>());
    let model = uniform_model(&layout, &GRID, Terminal::Absorbing, &policy);
    let mut values = vec![0.0; N_STATES * N_RESPONSES];
    for (s, row) in [[1.0, 3.0, 2.0, 0.0, 0.0], [2.0, 5.0, 5.0, 1.0, 0.0], [-1.0, -2.0, -3.0, -1.0, 0.0]]
        .into_iter()
        .enumerate()
    {
        values[s * N_RESPONSES..(s + 1) * N_RESPONSES].copy_from_slice(&row);
    }
    let improved = model.improvements(&[LEAVE; N_STATES], &values);
    assert_eq!(improved[..4], [1, 1, LEAVE, LEAVE]);
    // What is gained at most: 3, 5 and nothing.
    assert_eq!(model.violation(&[LEAVE; N_STATES], &values), 5.0);
    assert_eq!(model.violation(&improved, &values), 0.0);
    values[2] = 3.5;
    assert_eq!(model.violation(&improved, &values), 0.5);
}

#[test]
fn overriding_costs_where_moves_count() {
    let (layout, policy) = (Layout::benchmark(), policy::<f64>());
    let cost =
        |terminal: Terminal, s: usize| uniform_model(&layout, &GRID, terminal, &policy).intervention(s);
    for terminal in Terminal::MISTAKEN.into_iter().chain([Terminal::Absorbing]) {
        let at_end = if terminal == Terminal::KeepsMoveRewards { 0.05 } else { 0.0 };
        assert_eq!((cost(terminal, 0), cost(terminal, TERMINAL)), (0.05, at_end));
    }
}

/// A follower that is paid 1 at every step in the terminal state.
#[test]
fn terminal_states_are_worth_what_their_rules_pay() {
    let (layout, policy) = (Layout::benchmark(), Policy::uniform(N_STATES, N_ACTIONS));
    let value = |terminal: Terminal| {
        let model = uniform_model(&layout, &GRID, terminal, &policy);
        let follower = Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
        let q = &follower.action_values[TERMINAL * N_RESPONSES..];
        assert!((q[LEAVE].max(q[1]) - follower.values[TERMINAL]).abs() < 1e-12);
        (follower.values[TERMINAL], q[LEAVE] - q[1])
    };
    assert_eq!(value(Terminal::Absorbing), (0.0, 0.0));
    let (kept, gap) = value(Terminal::KeepsReward);
    assert!((kept - 1.0 / (1.0 - GAMMA)).abs() < 1e-12 && gap.abs() < 1e-12);
    // Right and down stay, and pay 1: overriding so costs 1/20.
    let (kept, _) = value(Terminal::KeepsMoveRewards);
    assert!((kept - 0.95 / (1.0 - GAMMA)).abs() < 1e-12, "{kept}");
}

/// Sweeps from the values themselves choose what is best in them.
#[test]
fn searches_start_from_what_is_best_in_the_values() {
    let layout = Layout::benchmark();
    for seed in 0..4 {
        let (policy, grid) = (policy::<f64>(), perturbed_grid(0.5, seed));
        let model = uniform_model(&layout, &grid, Terminal::Absorbing, &policy);
        let best = Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
        let start = model.greedy_start(&best.values);
        for (s, &b) in start.iter().enumerate() {
            let q = &best.action_values[s * N_RESPONSES..(s + 1) * N_RESPONSES];
            assert!(q[b] >= best.values[s] - 1e-12, "{seed}, {s}: {b}");
        }
    }
    // Without a future: the move to a cell of 1 where the policy mostly does not go there.
    let mut grid = [0.0; N_STATES];
    grid[1] = 1.0;
    let policy = Policy::uniform(N_STATES, N_ACTIONS);
    let model = model(&layout, &grid, &INTERVENTION_COST, &0.0, &policy);
    let start = model.greedy_start(&[0.0; N_STATES]);
    let mut expected = [LEAVE; N_STATES];
    // Right from 0, left from 2, up from 9; up stays in 1.
    for (s, b) in [(0, 1), (2, 0), (9, 2), (1, 2)] {
        expected[s] = b;
    }
    assert_eq!(start, expected);
}

/// Overriding and leaving alone have other derivatives, whatever follows.
#[test]
fn only_overrides_may_have_the_same_derivative() {
    let policy = policy::<f64>();
    let (layout, grid, gamma) = (Layout::benchmark(), GRID, 0.0);
    let model = uniform_model(&layout, &grid, Terminal::Absorbing, &policy);
    let follower = Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
    let mut choice = vec![LEAVE; N_STATES];
    choice[0] = 1;
    assert!(follower.same_derivative(&layout, &choice, &gamma, 0, 3));
    assert!(!follower.same_derivative(&layout, &choice, &gamma, 0, LEAVE));
    assert!(!follower.same_derivative(&layout, &choice, &gamma, 9, 3));
    // Right leads to 1, down to 8, where moves are left alone: other states.
    assert!(!follower.same_derivative(&layout, &choice, &GAMMA, 0, 3));
    choice[1] = 3;
    choice[8] = 1;
    // Both now lead to 9, after one step more.
    assert!(follower.same_derivative(&layout, &choice, &GAMMA, 0, 3));
}

/// `U <= U^choice + e/(1 - gamma)` with `e` the largest gain that is not excluded: where
/// moves are tied, its radius.
#[test]
fn values_of_ties_are_widened_by_what_is_undecided() {
    let (grid, gamma) = (GRID.map(Ball::from_f64), Ball::from_f64(GAMMA));
    let policy = Policy::<Ball>::softmax(N_STATES, N_ACTIONS, vec![Ball::from_f64(0.1); 256]).unwrap();
    let (layout, cost) = (Layout::benchmark(), Ball::from_f64(INTERVENTION_COST));
    let model = model(&layout, &grid, &cost, &gamma, &policy);
    let follower = Follower::solve(0, &model, &[0.0; N_STATES]).unwrap();
    let Choice::Best(choice) = &follower.choice else { panic!("no best response") };
    let before = follower.factorisation.solve(&model.costs(choice));
    let radius = |u: &Ball| (*u - u.centre()).magnitude();
    let e = model.violation(choice, &model.action_values(&model.move_values(&before)));
    assert!(e > 0.0 && e < 1e-25, "{e}");
    for (u, before) in follower.values.iter().zip(&before) {
        let more = radius(u) - radius(before);
        assert!((9.9 * e..10.2 * e).contains(&more), "{more} for {e}");
    }
}
