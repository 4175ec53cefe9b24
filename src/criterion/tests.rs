use super::*;
use crate::arithmetic::{Ball, Rational, ratio};
use crate::evaluate::evaluate;
use crate::mdp::Kernel;

/// Three states and two actions, with rewards.
fn mdp<T: Field>(gamma: T, criterion: Criterion) -> Mdp<T> {
    let entries = [2, 3, 5, 0, 3, 7, 7, 1, 2, 3, 0, 7, 5, 5, 0, 2, 3, 5];
    let kernel = Kernel::dense(3, 2, entries.map(|p| T::from_ratio(p, 10)).to_vec()).unwrap();
    let rewards = [6, 7, 10, 8, 12, 10].map(|r| T::from_ratio(r, 10)).to_vec();
    let initial = vec![T::from_ratio(1, 2), T::from_ratio(1, 4), T::from_ratio(1, 4)];
    Mdp::new(kernel, rewards, initial, gamma).unwrap().with_criterion(criterion)
}

fn policy<T: Field>() -> Policy<T> {
    let pi = [(1, 4), (3, 4), (1, 1), (0, 1), (1, 2), (1, 2)].map(|(n, d)| T::from_ratio(n, d));
    Policy::probabilities(3, 2, pi.to_vec()).unwrap()
}

/// All trajectories of three steps, one by one.
#[test]
fn a_horizon_is_the_mean_over_its_trajectories() {
    let gamma = ratio(9, 10);
    let mdp = mdp::<Rational>(gamma.clone(), Criterion::Horizon(3));
    let policy = policy();
    let evaluation = evaluate(&mdp, &policy, &ratio(0, 1)).unwrap();
    let (mut value, mut occupancy) = (ratio(0, 1), vec![ratio(0, 1); 6]);
    for path in 0..3 * 6_usize.pow(3) {
        let (mut s, mut rest) = (path % 3, path / 3);
        let (mut probability, mut discount, mut visits) = (mdp.initial()[s].clone(), ratio(1, 1), Vec::new());
        for _ in 0..3 {
            let (a, t) = (rest % 2, rest / 2 % 3);
            rest /= 6;
            probability *= policy.probability(s, a) * mdp.kernel().probability(s, a, t);
            visits.push((s, a, discount.clone()));
            discount *= &gamma;
            s = t;
        }
        for (s, a, discount) in visits {
            value += &probability * &discount * mdp.reward(s, a);
            occupancy[s * 2 + a] += &probability * &discount;
        }
    }
    assert_eq!((&evaluation.value, &evaluation.occupancy), (&value, &occupancy));
    // Without steps left there is nothing, and with one the rewards.
    let one = evaluate(&mdp.with_criterion(Criterion::Horizon(1)), &policy, &ratio(0, 1)).unwrap();
    assert_eq!(one.action_value(2, 0), Some(&ratio(12, 10)));
}

/// `mu = mu P`, `h = r - g + P h`, `mu . h = 0`: in fractions, and balls hold them.
#[test]
fn averages_solve_their_equations() {
    let mdp_of = mdp::<Rational>(ratio(1, 1), Criterion::Average);
    let evaluation = evaluate(&mdp_of, &policy(), &ratio(0, 1)).unwrap();
    let (mu, h) = (&evaluation.state_occupancy, &evaluation.state_values);
    let chain = mdp_of.kernel().under(&policy());
    let (_, rewards) = rewards_under(&mdp_of, &policy(), &ratio(0, 1));
    assert_eq!(mu.iter().sum::<Rational>(), ratio(1, 1));
    for t in 0..3 {
        assert_eq!((0..3).map(|s| &mu[s] * chain.entry(s, t)).sum::<Rational>(), mu[t]);
        let next = (0..3).map(|u| chain.entry(t, u) * &h[u]).sum::<Rational>();
        assert_eq!(&rewards[t] - &evaluation.value + next, h[t]);
    }
    assert_eq!(mu.iter().zip(h).map(|(x, y)| x * y).sum::<Rational>(), ratio(0, 1));

    let balls =
        evaluate(&mdp::<Ball>(Ball::from_f64(1.0), Criterion::Average), &policy(), &Ball::from_f64(0.0));
    let balls = balls.unwrap();
    let pairs = balls.state_values.iter().zip(h).chain([(&balls.value, &evaluation.value)]);
    for (ball, exact) in pairs {
        assert!(
            (*ball - Ball::from_rational(exact)).sign().is_none() && ball.error_bound() < 1e-14,
            "{ball:?}"
        );
    }
}

/// A class that is never left beside another one, and a state that leads to one.
#[test]
fn one_class_is_found_and_several_are_refused() {
    let chain = |entries: Vec<f64>| {
        let n = entries.len().isqrt();
        let kernel = Kernel::dense(n, 1, entries).unwrap();
        let mdp = Mdp::new(kernel, vec![1.0; n], vec![1.0 / n as f64; n], 1.0).unwrap();
        evaluate(&mdp.with_criterion(Criterion::Average), &Policy::uniform(n, 1), &0.0)
    };
    let transient = chain(vec![0.5, 0.25, 0.25, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0]).unwrap();
    assert_eq!((transient.value, transient.state_occupancy), (1.0, vec![0.0, 0.5, 0.5]));
    // However rarely it is entered.
    let rare = chain(vec![1.0 - 1e-12, 1e-12, 1e-12, 1.0 - 1e-12]).unwrap();
    assert!((rare.value - 1.0).abs() < 1e-14 && (rare.state_occupancy[0] - 0.5).abs() < 1e-3);
    let several = chain(vec![1.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0, 0.0, 1.0]).unwrap_err();
    assert!(several.to_string().contains("never reached"), "{several}");
}
