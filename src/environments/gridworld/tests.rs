use super::*;

const GAMMA: f64 = 0.5;

fn world(learner: Terminal, followers: Terminal) -> Gridworld<f64> {
    let grids = vec![perturbed_grid(0.5, 1), perturbed_grid(0.5, 2)];
    Gridworld::new(5.0, GAMMA, grids).unwrap().with_terminal(learner, followers)
}

fn logits() -> Vec<f64> {
    (0..N_STATES * N_ACTIONS).map(|i| (1.7 * i as f64).sin()).collect()
}

fn softmax(logits: Vec<f64>) -> Policy<f64> {
    Policy::softmax(N_STATES, N_ACTIONS, logits).unwrap()
}

#[test]
fn the_terminal_state_follows_its_rule() {
    let (layout, mut grid) = (&Layout::benchmark(), GRID);
    grid[TERMINAL - 1] = 0.25;
    // Left of the terminal state is the last cell but one; moving right stays.
    let at_end = |rule: Terminal| {
        let pays = |a: usize| rule.reward(layout, &grid, TERMINAL, a);
        (rule.moves(layout, TERMINAL), rule.next(layout, TERMINAL, 0), pays(0), pays(1))
    };
    assert_eq!(at_end(Terminal::Absorbing), (false, TERMINAL, 0.0, 0.0));
    assert_eq!(at_end(Terminal::KeepsTransitions), (true, TERMINAL - 1, 0.0, 0.0));
    assert_eq!(at_end(Terminal::KeepsReward), (false, TERMINAL, 1.0, 1.0));
    assert_eq!(at_end(Terminal::KeepsMoveRewards), (false, TERMINAL, 0.25, 1.0));
    for rule in Terminal::MISTAKEN.into_iter().chain([Terminal::Absorbing]) {
        let moved = |s: usize, a: usize| (rule.next(layout, s, a), rule.reward(layout, &grid, s, a));
        assert_eq!(moved(TERMINAL - 1, 1), (TERMINAL, 1.0));
        assert_eq!(moved(0, 3), (8, -0.01));
    }
}

#[test]
fn discount_factors_and_followers_have_to_be_in_range() {
    let new = |gamma: f64| Gridworld::new(5.0, gamma, vec![GRID]).map(|world| *world.discount().unwrap());
    assert_eq!([0.0, 0.5, 0.999].map(new), [0.0, 0.5, 0.999].map(Ok));
    for gamma in [-0.25, 1.0, 1.5] {
        assert_eq!(new(gamma), Err(ModelError::Gamma { gamma }));
    }
    let none = Gridworld::<f64>::new(5.0, 0.5, vec![]).map(|_| ());
    assert_eq!(none, Err(ModelError::Empty { what: "followers" }));
    assert_eq!(*Gridworld::new(5.0, 0.5, vec![GRID]).unwrap().beta(), 5.0);
}

/// `sum c dP + sum c dr` for fixed `c`, of what a policy induces.
fn induced(world: &Gridworld<f64>, policy: &Policy<f64>, visits: &[f64], values: &[f64]) -> [f64; 2] {
    let induced = world.induce(policy).unwrap();
    let mut sums = [0.0; 2];
    for i in 0..N_STATES * N_ACTIONS {
        let row = induced.kernel.row(i / N_ACTIONS, i % N_ACTIONS);
        sums[0] += visits[i] * row.map(|(t, p)| p * values[t]).sum::<f64>();
        sums[1] += visits[i] * induced.rewards[i];
    }
    sums
}

/// Against differences of what is induced, for every rule of the terminal state.
#[test]
fn pullbacks_are_derivatives_under_every_rule() {
    let rules = || Terminal::MISTAKEN.into_iter().chain([Terminal::Absorbing]);
    let visits: Vec<f64> = (0..N_STATES * N_ACTIONS).map(|i| 1.5 + (0.9 * i as f64).cos()).collect();
    let values: Vec<f64> = (0..N_STATES).map(|s| (0.4 * s as f64).sin()).collect();
    for (learner, follower) in rules().flat_map(|learner| rules().map(move |follower| (learner, follower))) {
        let world = world(learner, follower);
        let policy = softmax(logits());
        let induces = world.induce(&policy).unwrap();
        let cotangent = Cotangent::performative(&visits, &values);
        let pulled = induces.pullback.pull(&cotangent);
        let pulled = [pulled.transition, pulled.reward].map(|c| c.to_parameters(&policy).unwrap());
        for k in [0, 1, 77, 130, 4 * (TERMINAL - 1), 4 * TERMINAL, 4 * TERMINAL + 3] {
            let step = 1e-5;
            let moved = |by: f64| {
                let mut logits = logits();
                logits[k] += by;
                induced(&world, &softmax(logits), &visits, &values)
            };
            let (up, down) = (moved(step), moved(-step));
            for part in 0..2 {
                let slope = (up[part] - down[part]) / (2.0 * step);
                let error = (slope - pulled[part][k]).abs();
                assert!(error < 1e-7, "{learner:?}, {follower:?}, {k}: {} for {slope}", pulled[part][k]);
            }
        }
    }
}

/// With frozen values the response moves through the mean of the moves only:
/// `dQ[s,4] = sum_a dpi(a|s) (g + gamma U)`, averaged over the followers.
#[test]
fn frozen_values_leave_the_mean_of_the_moves() {
    let world = world(Terminal::Absorbing, Terminal::Absorbing);
    let policy = softmax(logits());
    let induces = world.induce(&policy).unwrap();
    let (s, a) = (9, 1);
    let mut visits = vec![0.0; N_STATES * N_ACTIONS];
    visits[s * N_ACTIONS + a] = 1.0;
    let cotangent = Cotangent::performative(&visits, &[0.0; N_STATES]);
    let pulled = induces.pullback.pull_with_frozen_values(&cotangent).unwrap().reward;
    let PolicyCotangent::Probabilities(pulled) = pulled else { panic!("{pulled:?}") };
    // xi(b|s) is proportional to exp(beta Q[s,b]); leaving alone gives the reward of the move itself.
    let followers = world.solve_followers(&policy).unwrap();
    let q = world.mean_action_values(&followers);
    let weights: Vec<f64> =
        q[s * N_RESPONSES..(s + 1) * N_RESPONSES].iter().map(|q| (5.0 * q).exp()).collect();
    let xi: Vec<f64> = weights.iter().map(|w| w / weights.iter().sum::<f64>()).collect();
    let pays = |b: usize| GRID[neighbour(s, if b == LEAVE { a } else { b })];
    let mean: f64 = (0..N_RESPONSES).map(|b| xi[b] * pays(b)).sum();
    let of_q = 5.0 * xi[LEAVE] * (pays(LEAVE) - mean);
    for (i, pulled) in pulled.into_iter().enumerate() {
        let of_move =
            (followers[0].move_value(s, i % N_ACTIONS) + followers[1].move_value(s, i % N_ACTIONS)) / 2.0;
        let expected = if i / N_ACTIONS == s { of_q * of_move } else { 0.0 };
        assert!((pulled - expected).abs() < 1e-14, "{i}: {pulled} for {expected}");
    }
    assert!(of_q.abs() > 1e-6, "{of_q}");
}

/// A grid of three rows of two: moves, the first row and column, and what is terminal.
#[test]
fn layouts_have_any_shape() {
    let layout = Layout::new(3, 2, &[1, 4, 6]);
    assert_eq!((layout.n_states(), layout.rows(), layout.columns()), (6, 3, 2));
    let moves = |s: usize| [0, 1, 2, 3].map(|a| layout.neighbour(s, a));
    assert_eq!([0, 3, 4].map(moves), [[0, 1, 0, 2], [2, 3, 1, 5], [4, 5, 2, 4]]);
    assert_eq!(layout.neighbour(3, 4), 3);
    // State 6 is no cell; of the first row and column 0 and 2 are left.
    assert_eq!(layout.inner().collect::<Vec<_>>(), [0, 2, 3, 5]);
    assert_eq!(layout.initial::<f64>(), Some(vec![0.5, 0.0, 0.5, 0.0, 0.0, 0.0]));
    assert_eq!(Layout::new(2, 2, &[0, 1, 2]).initial::<f64>(), None);
    let row = Layout::new(1, 3, &[]);
    assert_eq!([0, 1, 2, 3].map(|a| row.neighbour(1, a)), [0, 2, 1, 1]);
    for s in 0..N_STATES {
        let moves = |of: &dyn Fn(usize, usize) -> usize| [0, 1, 2, 3].map(|a| of(s, a));
        assert_eq!(moves(&|s, a| Layout::benchmark().neighbour(s, a)), moves(&neighbour));
    }
}

/// With `eps` 1 every cell but those of the first row and column is drawn, terminal ones
/// too, which are then set back.
#[test]
fn perturbed_grids_have_the_shape_of_the_learners() {
    let cells: Vec<f64> = (0..12).map(f64::from).collect();
    let drawn = |terminal: &[usize], eps: f64| Layout::new(3, 4, terminal).perturbed(&cells, eps, 7);
    assert_eq!(drawn(&[11], 0.0), cells);
    let all = drawn(&[], 1.0);
    for s in 0..12 {
        let is_first = s < 4 || s % 4 == 0;
        assert_eq!(all[s] == cells[s], is_first, "{s}");
        assert!(is_first || [-0.5, -0.02, -0.01].contains(&all[s]));
    }
    let mut expected = all;
    (expected[6], expected[11]) = (cells[6], cells[11]);
    assert_eq!(drawn(&[11, 6], 1.0), expected);
}

#[test]
fn grids_have_a_cell_for_each_state() {
    let on = |cells: usize, follower: usize| {
        let followers = vec![vec![0.0; 6], vec![0.0; follower]];
        Gridworld::with_grids(Layout::new(2, 3, &[5]), vec![0.0; cells], 5.0, 0.5, followers).map(|_| ())
    };
    assert_eq!(on(6, 6), Ok(()));
    let wrong = |seen| Err(ModelError::Shape { what: "grid", seen, expected: 6 });
    assert_eq!((on(5, 6), on(6, 7)), (wrong(5), wrong(7)));
}
