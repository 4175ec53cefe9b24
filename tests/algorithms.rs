//! Algorithms against the true environment, through the public interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

mod gridworld {
    use std::ops::ControlFlow;

    use pemdp::algorithms::{Pepg, Task, Trajectory, solve};
    use pemdp::environments::gridworld::{N_ACTIONS, N_STATES, eps_greedy_policy};
    use pemdp::oracle::{Problem, Reading};
    use pemdp::policy::Policy;

    /// The benchmark at eps .5, beta 5, 2 followers, from the uniform policy.
    fn uniform() -> Task {
        let json = pemdp::oracle::examples::example("gridworld").unwrap();
        Task::new(&Problem::from_json(&json.to_json(), Reading::Doubles).unwrap()).unwrap()
    }

    fn benchmark_start() -> Task {
        let start = Policy::probabilities(N_STATES, N_ACTIONS, eps_greedy_policy(0.9).unwrap()).unwrap();
        uniform().starting_from(start)
    }

    fn run(settings: &Pepg, task: &Task) -> Trajectory {
        solve(settings, task, 0, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    #[test]
    fn adam_on_the_exact_gradient() {
        for (task, start, end) in [(uniform(), -0.3702, -0.1489), (benchmark_start(), -0.2195, -0.1384)] {
            let trajectory = run(&Pepg::default(), &task);
            println!("{:?} {} {:?}", trajectory.best(), trajectory.last_value(), trajectory.warnings);
            assert!((trajectory.iterates[0].value - start).abs() < 1e-4);
            assert!((trajectory.last_value() - end).abs() < 1e-3, "{}", trajectory.last_value());
        }
    }
}
