//! Environments made in code: what they refuse, and what is known of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use pemdp::arithmetic::{Field, Rational};
use pemdp::criterion::Criterion;
use pemdp::environments::gridworld::{N_ACTIONS, N_STATES};
use pemdp::environments::{
    Affine, AffineParts, AffineSpec, Base, BaseMeasure, ClippedReward, CoinSpec, EnvironmentSpec, Explicit,
    ExponentialFamily, ExponentialFamilySpec, FixedSpec, Followers, Given, GridworldSpec, LoanForm, LoanSpec,
    RationalFamily, Specification, Structure,
};
use pemdp::linear::Rows;
use pemdp::mdp::{Kernel, ModelError};
use pemdp::policy::{Policy, Probabilities};
use pemdp::problem::{ActionSets, Names, Numeral, Parts, Problem, Reading};
use pemdp::response::{Cotangent, PolicyCotangent, Response, ResponseError, TransitionCotangent};

fn q(n: i64, d: i64) -> Rational {
    Rational::from_ratio(n, d)
}

fn numbers(values: &[f64]) -> Vec<Numeral> {
    values.iter().copied().map(Numeral::from).collect()
}

fn fractions(values: &[(i64, i64)]) -> Vec<Rational> {
    values.iter().map(|&(n, d)| q(n, d)).collect()
}

/// The part, what was seen there and what was expected.
fn misshapen<T: std::fmt::Debug>(result: Result<T, ModelError>) -> (&'static str, usize, usize) {
    match result.map(|_| ()).unwrap_err() {
        ModelError::Shape { what, seen, expected } => (what, seen, expected),
        other => panic!("{other}"),
    }
}

#[test]
fn affine_parts_have_to_fit() {
    // Three states and two actions: six rows of three.
    let new = |rows: usize, width: usize, rewards: usize, p: Vec<[usize; 5]>, r: Vec<[usize; 4]>| {
        let base = Rows::dense(width, vec![0.0; rows * width]).unwrap();
        let slopes = p.into_iter().map(|index| (index, 1.0)).collect();
        Affine::new(3, 2, base, vec![0.0; rewards], slopes, r.into_iter().map(|index| (index, 1.0)).collect())
    };
    assert!(new(6, 3, 6, vec![[2, 1, 2, 2, 1]], vec![[2, 1, 2, 1]]).is_ok());
    assert_eq!(misshapen(new(6, 4, 6, vec![], vec![])), ("P", 24, 18));
    assert_eq!(misshapen(new(5, 3, 6, vec![], vec![])), ("P", 15, 18));
    assert_eq!(misshapen(new(6, 3, 5, vec![], vec![])), ("r", 5, 6));
    let (state, action) = ("a state of a slope", "an action of a slope");
    for (index, what) in [
        ([3, 0, 0, 0, 0], state),
        ([0, 0, 3, 0, 0], state),
        ([0, 0, 0, 3, 0], state),
        ([0, 2, 0, 0, 0], action),
        ([0, 0, 0, 0, 2], action),
    ] {
        let limit = if what == state { 3 } else { 2 };
        assert_eq!(misshapen(new(6, 3, 6, vec![index], vec![])), (what, limit, limit), "{index:?}");
    }
    for (index, what) in
        [([3, 0, 0, 0], state), ([0, 0, 3, 0], state), ([0, 2, 0, 0], action), ([0, 0, 0, 2], action)]
    {
        let limit = if what == state { 3 } else { 2 };
        assert_eq!(misshapen(new(6, 3, 6, vec![], vec![index])), (what, limit, limit), "{index:?}");
    }
}

#[test]
fn explicit_parts_have_to_fit() {
    // Three states, of which every action leads to the first, and two actions.
    let kernel = || Kernel::new(3, 2, Rows::sparse(3, vec![[(0, 1.0)]; 6]).unwrap()).unwrap();
    let new = |rewards: usize, p: Vec<[usize; 4]>, r: Vec<[usize; 3]>| {
        let p = p.into_iter().map(|index| (index, 1.0)).collect();
        Explicit::new(kernel(), vec![0.0; rewards], p, r.into_iter().map(|index| (index, 1.0)).collect())
    };
    assert!(new(6, vec![[2, 1, 2, 9]], vec![[2, 1, 9]]).is_ok());
    assert!(Explicit::fixed(kernel(), vec![0.0; 6]).is_ok());
    assert_eq!(misshapen(Explicit::fixed(kernel(), vec![0.0; 5])), ("r", 5, 6));
    assert_eq!(misshapen(new(7, vec![], vec![])), ("r", 7, 6));
    let (state, action) = ("a state of a Jacobian", "an action of a Jacobian");
    assert_eq!(misshapen(new(6, vec![[3, 0, 0, 0]], vec![])), (state, 3, 3));
    assert_eq!(misshapen(new(6, vec![[0, 0, 3, 0]], vec![])), (state, 3, 3));
    assert_eq!(misshapen(new(6, vec![[0, 2, 0, 0]], vec![])), (action, 2, 2));
    assert_eq!(misshapen(new(6, vec![], vec![[3, 0, 0]])), (state, 3, 3));
    assert_eq!(misshapen(new(6, vec![], vec![[0, 2, 0]])), (action, 2, 2));
}

#[test]
fn derivatives_need_as_many_parameters() {
    let kernel = || Kernel::new(1, 2, Rows::dense(1, vec![1.0, 1.0]).unwrap()).unwrap();
    let induced = |k: usize| {
        let point = Explicit::new(kernel(), vec![0.0; 2], vec![], vec![([0, 0, k], 1.0)]).unwrap();
        point.induce(&Policy::uniform(1, 2)).map(|_| ())
    };
    assert_eq!(induced(1), Ok(()));
    assert!(matches!(induced(2), Err(ResponseError::Parameters { seen: 2, expected: 3, .. })));
    let of_transitions = Explicit::new(kernel(), vec![0.0; 2], vec![([0, 0, 0, 4], 1.0)], vec![]).unwrap();
    let induced = of_transitions.induce(&Policy::uniform(1, 2)).map(|_| ());
    assert!(matches!(induced, Err(ResponseError::Parameters { seen: 2, expected: 5, .. })));
}

#[test]
fn families_have_to_fit() {
    // Three states and two actions: 18 base weights and 6 rewards.
    let rational = |h: usize, r: usize| RationalFamily::new(2, vec![0, 1, 2], vec![1.0; h], vec![0.0; r]);
    assert!(rational(18, 6).is_ok());
    assert_eq!(misshapen(rational(17, 6)), ("h", 17, 18));
    assert_eq!(misshapen(rational(18, 5)), ("r", 5, 6));
    let family = |base: BaseMeasure<f64>, r: usize| {
        let reward = ClippedReward { base: vec![0.0; r], slope: 1.0, clip: None };
        ExponentialFamily::new(2, vec![0.0, 1.0, 2.0], base, reward)
    };
    assert!(family(BaseMeasure::Weights(vec![1.0; 18]), 6).is_ok());
    assert_eq!(misshapen(family(BaseMeasure::Weights(vec![1.0; 17]), 6)), ("h", 17, 18));
    assert_eq!(misshapen(family(BaseMeasure::Logits(vec![None; 19]), 6)), ("h", 19, 18));
    assert_eq!(misshapen(family(BaseMeasure::Logits(vec![None; 18]), 7)), ("r", 7, 6));
}

#[test]
fn policies_of_another_shape_are_refused() {
    let family = RationalFamily::new(2, vec![0, 1, 2], vec![1.0; 18], vec![0.0; 6]).unwrap();
    // As many probabilities, but of other states and actions.
    let refused = family.induce(&Policy::uniform(2, 3)).map(|_| ()).unwrap_err();
    assert_eq!(refused, ResponseError::Shape { seen: (2, 3), expected: (3, 2) });
    let refused = family.induce(&Policy::uniform(3, 2)).map(|_| ()).unwrap_err();
    assert!(matches!(refused, ResponseError::Parameters { seen: 6, expected: 6, .. }));
    let reward = ClippedReward { base: vec![0.0; 6], slope: 1.0, clip: None };
    let base = BaseMeasure::Weights(vec![1.0; 18]);
    let family = ExponentialFamily::new(2, vec![0.0, 1.0, 2.0], base, reward).unwrap();
    let linear = Policy::log_linear(3, 2, vec![0.0; 36], vec![0.0; 6]).unwrap();
    for policy in [Policy::uniform(3, 2), linear] {
        let refused = family.induce(&policy).map(|_| ()).unwrap_err();
        assert!(matches!(refused, ResponseError::Parameters { seen: 6, expected: 6, .. }));
    }
    assert!(family.induce(&Policy::softmax(3, 2, vec![0.0; 6]).unwrap()).is_ok());
}

#[test]
fn policies_have_to_fit() {
    let empty = |result: Result<Policy<f64>, ModelError>| match result.unwrap_err() {
        ModelError::Empty { what } => what,
        other => panic!("{other}"),
    };
    assert_eq!(empty(Policy::softmax(0, 2, vec![])), "S");
    assert_eq!(empty(Policy::softmax(2, 0, vec![])), "A");
    assert_eq!(empty(Policy::softmax(0, 0, vec![])), "S");
    assert_eq!(empty(Policy::log_linear(1, 2, vec![], vec![])), "K");
    assert_eq!(misshapen(Policy::softmax(2, 3, vec![0.0; 5])), ("theta", 5, 6));
    assert_eq!(misshapen(Policy::weights(2, 3, vec![1.0; 7])), ("w", 7, 6));
    assert_eq!(misshapen(Policy::probabilities(2, 3, vec![0.5; 4])), ("pi", 4, 6));
    assert_eq!(misshapen(Policy::log_linear(2, 3, vec![0.0; 13], vec![0.0; 2])), ("features", 13, 12));
    let policy = Policy::softmax(2, 3, vec![0.0; 6]).unwrap();
    assert_eq!(misshapen(policy.along(&[0.0; 5])), ("direction", 5, 6));
    let wrong = policy.pullback(&[0.0; 5]).unwrap_err();
    assert_eq!((wrong.seen, wrong.expected), (5, 6));
    for weight in [0.0, -1.0] {
        let refused = Policy::weights(1, 2, vec![1.0, weight]).unwrap_err();
        assert_eq!(refused, ModelError::NegativeEntry { what: "w", index: 1, value: weight });
    }
}

#[test]
fn cotangents_of_parameters_have_to_fit() {
    let policy = Policy::<f64>::uniform(1, 2);
    let none = PolicyCotangent::None.to_parameters(&policy);
    assert_eq!(none, Ok(vec![0.0, 0.0]));
    let three = PolicyCotangent::Parameters(vec![1.0; 3]).to_parameters(&policy).unwrap_err();
    assert_eq!((three.seen, three.expected), (3, 2));
    let own = PolicyCotangent::Parameters(vec![1.0, 2.0]).to_parameters(&policy);
    assert_eq!(own, Ok(vec![1.0, 2.0]));
    // Sums, of whatever they are.
    let probabilities = |x: f64| PolicyCotangent::Probabilities(vec![x, 2.0 * x]);
    let parameters = |x: f64| PolicyCotangent::Parameters(vec![x, -x]);
    let both = |x: f64, y: f64| probabilities(x).plus(parameters(y));
    assert_eq!(PolicyCotangent::None.plus(probabilities(1.0)), probabilities(1.0));
    assert_eq!(parameters(1.0).plus(PolicyCotangent::None), parameters(1.0));
    assert_eq!(probabilities(1.0).plus(probabilities(2.0)), probabilities(3.0));
    assert_eq!(parameters(1.0).plus(parameters(2.0)), parameters(3.0));
    assert_eq!(parameters(2.0).plus(probabilities(1.0)), both(1.0, 2.0));
    assert_eq!(both(1.0, 2.0).plus(both(4.0, 8.0)), both(5.0, 10.0));
    assert_eq!(both(1.0, 2.0).plus(probabilities(4.0)), both(5.0, 2.0));
    assert_eq!(parameters(4.0).plus(both(1.0, 2.0)), both(1.0, 6.0));
    // Of a uniform softmax policy or probabilities.
    let whole = both(1.0, 3.0).to_parameters(&policy).unwrap();
    let apart = [probabilities(1.0), parameters(3.0)].map(|part| part.to_parameters(&policy).unwrap());
    assert_eq!(whole, [apart[0][0] + apart[1][0], apart[0][1] + apart[1][1]]);
}

#[test]
fn cotangents_of_transitions_are_products_or_stored() {
    // Two states and three actions: pair 4 is action 1 of state 1.
    let visits = [1.0, 2.0, 3.0, 5.0, 7.0, 11.0];
    let of = |transition| Cotangent { transition, reward: &visits }.transition(4, 1);
    assert_eq!(of(TransitionCotangent::Product { visits: &visits, values: &[13.0, 17.0] }), 7.0 * 17.0);
    let values = [13.0, 17.0, 19.0, 23.0, 29.0, 31.0];
    assert_eq!(
        of(TransitionCotangent::ByAction { visits: &visits, values: &values, n_states: 2 }),
        7.0 * 23.0
    );
    let stored = Rows::dense(2, (0..12).map(f64::from).collect()).unwrap();
    assert_eq!(of(TransitionCotangent::Stored(&stored)), 9.0);
}

static ALL: ActionSets = ActionSets { terminal: Vec::new(), available: Vec::new() };

/// What stands beside an environment of two actions.
fn beside(n_states: usize, gamma: &Numeral) -> Given<'_> {
    Given { n_states, n_actions: 2, gamma, actions: &ALL, has_local_logits: true }
}

fn parts_of(environment: &EnvironmentSpec, n_states: usize) -> AffineParts {
    let gamma = Numeral::from(0.5);
    match environment.structure(beside(n_states, &gamma)) {
        Structure::Affine(affine) => affine.parts(beside(n_states, &gamma)).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn largest_reward(environment: &EnvironmentSpec) -> Rational {
    let gamma = Numeral::from(0.5);
    match environment.structure(beside(1, &gamma)) {
        Structure::Affine(affine) => affine.largest_reward(),
        other => panic!("{other:?}"),
    }
}

fn loan(form: LoanForm) -> EnvironmentSpec {
    let [q0, c, gain, loss] = [0.75, 0.5, 2.0, 3.0].map(Numeral::from);
    LoanSpec { form, q0, c, gain, loss }.into()
}

fn affine() -> AffineSpec {
    AffineSpec {
        transitions: numbers(&[1.0, 1.0]),
        transition_slopes: vec![([0, 0, 0, 0, 1], Numeral::from(0.0))],
        rewards: numbers(&[1.0, -3.0]),
        reward_slopes: [([0, 0, 0, 0], 2.0), ([0, 0, 0, 0], -0.5), ([0, 0, 0, 1], -1.0), ([0, 1, 0, 0], 2.0)]
            .map(|(index, n)| (index, Numeral::from(n)))
            .to_vec(),
    }
}

#[test]
fn affine_parts_are_those_given() {
    let parts = parts_of(&affine().into(), 1);
    assert_eq!(parts.transitions, fractions(&[(1, 1), (1, 1)]));
    assert_eq!(parts.rewards, fractions(&[(1, 1), (-3, 1)]));
    assert_eq!(parts.transition_slopes, [([0, 0, 0, 0, 1], q(0, 1))]);
    let slopes = [
        ([0, 0, 0, 0], q(2, 1)),
        ([0, 0, 0, 0], q(-1, 2)),
        ([0, 0, 0, 1], q(-1, 1)),
        ([0, 1, 0, 0], q(2, 1)),
    ];
    assert_eq!(parts.reward_slopes, slopes);
    assert!(parts.responds());
    let only = |p: i64, r: i64| AffineParts {
        transition_slopes: vec![([0; 5], q(0, 1)), ([0; 5], q(p, 1))],
        reward_slopes: vec![([0; 4], q(r, 1))],
        ..parts.clone()
    };
    assert!(only(1, 0).responds() && only(0, 1).responds() && !only(0, 0).responds());
    // 3 of the base; 2 - 1/2 and |-1| of the row of action 0 against 2 of action 1.
    assert_eq!(largest_reward(&affine().into()), q(11, 2));
}

#[test]
fn fixed_parts_have_no_slopes() {
    let fixed = FixedSpec { transitions: numbers(&[1.0, 1.0]).into(), rewards: numbers(&[1.0, -3.0]) };
    use pemdp::environments::AffineStructure;
    let parts = fixed.parts(beside(1, &Numeral::from(0.5))).unwrap();
    assert_eq!(
        (parts.transitions, parts.rewards),
        (fractions(&[(1, 1), (1, 1)]), fractions(&[(1, 1), (-3, 1)]))
    );
    assert_eq!((parts.transition_slopes, parts.reward_slopes), (vec![], vec![]));
    assert_eq!(fixed.largest_reward(), q(3, 1));
}

#[test]
fn loans_are_affine() {
    // k q0 - loss = 5 * 3/4 - 3, slope -k c.
    let bandit = parts_of(&loan(LoanForm::Bandit), 1);
    assert_eq!(bandit.transitions, fractions(&[(1, 1), (1, 1)]));
    assert_eq!(bandit.rewards, fractions(&[(3, 4), (0, 1)]));
    assert_eq!(bandit.reward_slopes, [([0, 0, 0, 0], q(-5, 2))]);
    let mdp = parts_of(&loan(LoanForm::Mdp), 4);
    let home = [(1, 1), (0, 1), (0, 1), (0, 1)];
    let rows = [
        [(0, 1), (3, 4), (1, 4), (0, 1)],
        [(0, 1), (0, 1), (0, 1), (1, 1)],
        home,
        home,
        home,
        home,
        home,
        home,
    ];
    assert_eq!(mdp.transitions, fractions(&rows.concat()));
    assert_eq!(mdp.rewards, fractions(&[(0, 1), (0, 1), (2, 1), (2, 1), (-3, 1), (-3, 1), (0, 1), (0, 1)]));
    assert_eq!(mdp.transition_slopes, [([0, 0, 1, 0, 0], q(-1, 2)), ([0, 0, 2, 0, 0], q(1, 2))]);
    assert_eq!(largest_reward(&loan(LoanForm::Mdp)), q(3, 1));
}

fn deployed(environment: impl Into<EnvironmentSpec>, n_states: usize) -> Problem {
    let mut initial = vec![0.0; n_states];
    initial[0] = 1.0;
    let parts = Parts {
        n_states,
        n_actions: 2,
        gamma: Numeral::from(0.5),
        criterion: Criterion::Discounted,
        actions: ActionSets::default(),
        names: Names::default(),
        initial: Some(numbers(&initial)),
        entropy: Numeral::ZERO,
        policy: Probabilities { values: numbers(&vec![0.5; 2 * n_states]) }.into(),
        environment: environment.into(),
    };
    Problem::new(parts, Reading::Exact).unwrap()
}

#[test]
fn rewards_that_are_data_are_multiplied() {
    let third = q(1, 3);
    let times = |environment: EnvironmentSpec, n: usize| {
        deployed(environment, n).with_rewards_times(&third).unwrap().environment().clone()
    };
    let over_three = |values: &[f64]| -> Vec<Numeral> {
        values.iter().map(|x| Numeral::from(*x).exact() * q(1, 3)).map(Numeral::from).collect()
    };
    let mut expected = affine();
    expected.rewards = over_three(&[1.0, -3.0]);
    for (slope, n) in expected.reward_slopes.iter_mut().zip(over_three(&[2.0, -0.5, -1.0, 2.0])) {
        slope.1 = n;
    }
    assert_eq!(times(affine().into(), 1), expected.into());
    let fixed = FixedSpec { transitions: numbers(&[1.0, 1.0]).into(), rewards: numbers(&[1.0, -3.0]) };
    let expected = FixedSpec { rewards: over_three(&[1.0, -3.0]), ..fixed.clone() };
    assert_eq!(times(fixed.into(), 1), expected.into());
    let EnvironmentSpec::Loan(scaled) = times(loan(LoanForm::Bandit), 1) else { panic!("no loan") };
    assert_eq!((scaled.gain.exact(), scaled.loss.exact()), (q(2, 3), q(1, 1)));
    assert_eq!((scaled.q0.exact(), scaled.c.exact()), (q(3, 4), q(1, 2)));
    // The rewards of a coin are its own.
    let coin = CoinSpec { mu: Numeral::from(0.125), epsilon: Numeral::from(-0.25) };
    assert_eq!(deployed(coin, 1).with_rewards_times(&third), None);
}

#[test]
fn families_and_points_are_multiplied_with_their_slopes() {
    let family = ExponentialFamilySpec {
        psi: numbers(&[1.0]),
        base: Base::Weights(numbers(&[1.0, 2.0])),
        reward_base: numbers(&[1.0, -2.0]),
        next_rewards: Vec::new(),
        slope: Numeral::from(0.5),
        clip: Some(Numeral::from(4.0)),
    };
    let problem = deployed(loan(LoanForm::Bandit), 1);
    let with = |environment: EnvironmentSpec| {
        let mut parts = problem.parts().clone();
        parts.policy = pemdp::policy::Weights { values: numbers(&[1.0, 2.0]) }.into();
        parts.environment = environment;
        let problem = Problem::new(parts, Reading::Doubles).unwrap();
        problem.with_rewards_times(&q(-2, 1)).unwrap().environment().clone()
    };
    let expected = ExponentialFamilySpec {
        reward_base: numbers(&[-2.0, 4.0]),
        next_rewards: Vec::new(),
        slope: Numeral::from(-1.0),
        clip: Some(Numeral::from(8.0)),
        ..family.clone()
    };
    assert_eq!(with(family.into()), expected.into());
    let point = pemdp::environments::ExplicitSpec {
        transitions: numbers(&[1.0, 1.0]),
        rewards: numbers(&[1.0, 0.0]),
        transition_jacobian: vec![([0, 0, 0, 1], Numeral::ZERO)],
        reward_jacobian: vec![([0, 0, 1], Numeral::from(-1.0))],
    };
    let expected = pemdp::environments::ExplicitSpec {
        rewards: numbers(&[-2.0, 0.0]),
        reward_jacobian: vec![([0, 0, 1], Numeral::from(2.0))],
        ..point.clone()
    };
    assert_eq!(with(point.into()), expected.into());
}

#[test]
fn environments_are_summarised_in_their_settings() {
    let summary = |environment: EnvironmentSpec| environment.summary(&|x| x.exact().to_string());
    assert_eq!(summary(affine().into()), "");
    assert_eq!(summary(loan(LoanForm::Mdp)), "q0 3/4, c 1/2, gain 2, loss 3");
    let coin = CoinSpec { mu: Numeral::from(0.125), epsilon: Numeral::from(-0.25) };
    assert_eq!(summary(coin.into()), "mu 1/8, epsilon -1/4");
    let world = |followers| GridworldSpec::benchmark(Numeral::from(5.0), followers).into();
    let seeded = |count| world(Followers::Seeded { eps: Numeral::from(0.5), count });
    assert_eq!(summary(seeded(1)), "eps 1/2, beta 5, 1 follower");
    assert_eq!(summary(seeded(10)), "eps 1/2, beta 5, 10 followers");
    let given = world(Followers::Given(vec![numbers(&[0.0; N_STATES]); 2]));
    assert_eq!(summary(given), "beta 5, 2 followers with given grids");
}

#[test]
fn environments_are_written_as_objects() {
    let gamma = Numeral::from(0.5);
    let given = beside(1, &gamma);
    let coin = CoinSpec { mu: Numeral::from(0.125), epsilon: Numeral::from(-0.25) };
    let written = EnvironmentSpec::from(coin).to_json(given);
    assert_eq!(written, r#"{"kind":"coin","mu":"1/8","epsilon":"-1/4"}"#);
}

#[test]
fn responses_are_as_dear_as_what_they_take() {
    let gamma = Numeral::from(0.5);
    let given = Given { n_actions: N_ACTIONS, ..beside(N_STATES, &gamma) };
    // Values, and about four steps of policy iteration for each of three followers;
    // an exponential for each state and response.
    let followers = Followers::Seeded { eps: Numeral::from(0.5), count: 3 };
    let work = EnvironmentSpec::from(GridworldSpec::benchmark(Numeral::from(5.0), followers)).work(given);
    assert_eq!((work.systems, work.exponentials), (13.0, 320.0));
    let family = ExponentialFamilySpec {
        psi: numbers(&[1.0, 2.0, 3.0]),
        base: Base::Logits(None),
        reward_base: numbers(&[0.0; 6]),
        next_rewards: Vec::new(),
        slope: Numeral::ZERO,
        clip: None,
    };
    let work = EnvironmentSpec::from(family).work(beside(3, &gamma));
    assert_eq!((work.systems, work.exponentials), (1.0, 18.0));
    let work = loan(LoanForm::Bandit).work(beside(1, &gamma));
    assert_eq!((work.systems, work.exponentials), (1.0, 0.0));
}

#[test]
fn another_policy_is_deployed_beside_what_is_given() {
    let problem = deployed(loan(LoanForm::Bandit), 1);
    let weights: pemdp::policy::PolicySpec = pemdp::policy::Weights { values: numbers(&[1.0, 3.0]) }.into();
    let other = problem.deploying(weights.clone()).unwrap();
    let expected = Parts { policy: weights, ..problem.parts().clone() };
    assert_eq!(other.parts(), &expected);
    let zero = pemdp::policy::Weights { values: numbers(&[1.0, 0.0]) };
    assert_eq!(problem.deploying(zero.into()).unwrap_err().path(), "policy.values[0][1]");
}

#[test]
fn only_families_have_exact_kinks() {
    let gamma = Numeral::from(0.5);
    let given = beside(1, &gamma);
    let policy = Probabilities { values: numbers(&[0.5, 0.5]) }.into();
    let coin = CoinSpec { mu: Numeral::from(0.125), epsilon: Numeral::from(-0.25) };
    assert!(!coin.has_exact_kink(&policy, 0, 0, given));
    assert!(!affine().has_exact_kink(&policy, 0, 0, given));
}
