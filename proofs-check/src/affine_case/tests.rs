use super::*;
use crate::claim::Effort;
use crate::tolerances::SOLVED;
use pemdp::arithmetic::{Ball, ratio};

const EFFORT: Effort = Effort { seed: 3, instances: 40 };

fn cases() -> Vec<AffineCase> {
    let random = (0..EFFORT.instances)
        .map(|i| AffineCase::random(&mut EFFORT.random("affine case", i), 1 + (i % 3) as usize));
    AffineCase::corners().into_iter().chain(random).collect()
}

/// The kernel and rewards that a policy induces.
fn induced(case: &AffineCase, other: bool) -> (Vec<Rational>, Vec<Rational>) {
    let (problem, policy) = (case.problem::<Rational>(), case.policy::<Rational>(other));
    let induced = problem.response.induce(&policy).unwrap();
    let (n, a) = (case.n_states(), case.n_actions);
    let entry = |i: usize| induced.kernel.probability(i / n / a, i / n % a, i % n);
    ((0..n * n * a).map(entry).collect(), induced.rewards)
}

#[test]
fn sensitivities_are_bounds_and_are_attained() {
    let square = |x: &[Rational]| x.iter().map(|x| x * x).sum::<Rational>();
    let difference =
        |x: &[Rational], y: &[Rational]| -> Vec<Rational> { x.iter().zip(y).map(|(x, y)| x - y).collect() };
    for case in cases() {
        let [eps_p, eps_r] = case.squared_sensitivities();
        // Along the centred statistic the bound is attained.
        let along = |statistic: &[Rational]| {
            let interior = vec![ratio(1, case.n_actions as i64); statistic.len()];
            let step =
                centred(case.n_actions, statistic).iter().map(|c| c * ratio(1, 100)).collect::<Vec<_>>();
            let other = interior.iter().zip(&step).map(|(pi, u)| pi + u).collect();
            AffineCase { policy: interior, other, ..case.clone() }
        };
        let pairs = [
            (case.clone(), [false, false]),
            (along(&case.transition_statistic), [true, false]),
            (along(&case.reward_statistic), [false, true]),
        ];
        for (pair, attained) in pairs {
            let ((p0, r0), (p1, r1)) = (induced(&pair, false), induced(&pair, true));
            let distance = square(&difference(&pair.other, &pair.policy));
            let row = difference(&p1, &p0).chunks(case.n_states()).map(square).max().unwrap();
            let reward = difference(&r1, &r0).iter().map(|x| x * x).max().unwrap();
            for ((moved, eps), attained) in [(row, &eps_p), (reward, &eps_r)].into_iter().zip(attained) {
                assert!(moved <= eps * &distance);
                assert!(!attained || moved == eps * &distance);
            }
        }
    }
}

#[test]
fn no_policy_has_a_smaller_occupancy() {
    for case in cases() {
        let least = case.smallest_occupancy::<Rational>().unwrap();
        assert!(least.is_positive());
        for (followed, deployed) in [(false, false), (false, true), (true, false), (true, true)] {
            let (kernel, rewards) = induced(&case, deployed);
            let kernel = Kernel::dense(case.n_states(), case.n_actions, kernel).unwrap();
            let mdp = Mdp::new(kernel, rewards, case.initial.clone(), case.gamma.clone()).unwrap();
            let evaluation = evaluate(&mdp, &case.policy(followed), &Rational::zero()).unwrap();
            for d in evaluation.state_occupancy {
                assert!(d / case.horizon() >= least);
            }
        }
    }
}

#[test]
fn gradients_agree_with_dual_numbers() {
    for case in cases().into_iter().filter(|case| case.policy.iter().all(Signed::is_positive)) {
        let gradient = case.local::<Ball>(false).unwrap().gradient;
        for k in 0..case.policy.len() {
            let entry = |i: usize| {
                let pi = Ball::from_rational(&case.policy[i]);
                if i == k { Dual::variable(pi) } else { Dual::constant(pi) }
            };
            let entries = (0..case.policy.len()).map(entry).collect();
            let policy = Policy::probabilities(case.n_states(), case.n_actions, entries).unwrap();
            let value = case.local_of(policy.with_logarithms()).unwrap().value;
            assert!((value.derivative - gradient[k]).magnitude() < SOLVED * (1.0 + gradient[k].magnitude()));
        }
    }
}

#[test]
fn maxima_of_sets_hold_the_maximum() {
    let wide = Ball::from_ratio(1, 1).widened(0.5);
    let top = maximum(&[wide, Ball::from_ratio(11, 10), Ball::from_ratio(-9, 1)]);
    assert!(top.lower() <= 1.1 && top.upper() >= 1.5 && top.upper() < 2.0);
}

#[test]
fn moving_to_its_own_coordinates_keeps_an_instance_valid() {
    for case in cases() {
        let moved = case.moved(&case.coordinates());
        assert!(moved.smallest_occupancy::<Rational>().unwrap().is_positive());
        assert!((moved.gamma.approximate() - case.gamma.approximate()).abs() < 2e-3);
    }
}
