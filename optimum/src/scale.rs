//! Rewards of size 1: a problem is searched with its rewards over a power of two,
//! exactly, so that its bounds neither overflow nor vanish.

use num_traits::{One, Signed, Zero};

use super::{OptimumSettings, Progress};
use pemdp::arithmetic::rounding::{div_down, mul_down, mul_up};
use pemdp::arithmetic::{BigBall, Field, Interval, Rational};
use pemdp::environments::{AffineStructure, Structure};
use pemdp::problem::{Numeral, Problem, largest};

/// How the rewards of a problem are scaled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// `max |r| <= 2^twos` over the domain.
    twos: i64,
    /// A lower bound of `1/(1 - gamma)`.
    horizon: f64,
}

impl Scale {
    /// The scale of a problem's rewards, and the problem with rewards over `2^twos`. The
    /// scale of environments that cannot be scaled is 1.
    pub fn applied(problem: &Problem, settings: &OptimumSettings) -> (Self, Problem) {
        let gap = Interval::from_rational(&(Rational::one() - problem.gamma().exact()));
        let horizon = div_down(1.0, gap.upper());
        let twos = largest_reward(problem, settings.bound).map_or(0, |largest| top(&largest));
        let scaled = if twos == 0 { None } else { problem.with_rewards_times(&power_of_two(-twos)) };
        Self::chosen(problem, Self { twos, horizon }, scaled)
    }

    /// A scale with the scaled problem; 1 with the problem itself where there is none.
    fn chosen(problem: &Problem, scale: Self, scaled: Option<Problem>) -> (Self, Problem) {
        match scaled {
            Some(scaled) => (scale, scaled),
            None => (Self { twos: 0, ..scale }, problem.clone()),
        }
    }

    /// The gap that is enough, of the scaled problem.
    pub fn gap(&self, settings: &OptimumSettings) -> f64 {
        let absolute = times_power_of_two(settings.gap, -self.twos, mul_down);
        absolute.max(settings.relative_gap * self.horizon)
    }

    /// The gap that is enough, of the problem itself.
    pub fn asked(&self, settings: &OptimumSettings) -> f64 {
        settings.gap.max(self.undone_down(settings.relative_gap * self.horizon))
    }

    /// A lower bound of a value without the scale.
    pub fn undone_down(&self, x: f64) -> f64 {
        times_power_of_two(x, self.twos, mul_down)
    }

    /// An upper bound of a value without the scale.
    pub fn undone_up(&self, x: f64) -> f64 {
        times_power_of_two(x, self.twos, mul_up)
    }

    /// Where a value lies that is beyond doubles without the scale.
    pub fn about(&self, value: f64, upper: f64) -> String {
        let end = |x: f64| {
            if !x.is_finite() {
                return x.to_string();
            }
            let undone = BigBall::from_f64(x) * BigBall::from_rational(&power_of_two(self.twos));
            undone.beyond_doubles().unwrap_or_else(|| format!("{:e}", undone.midpoint()))
        };
        format!("between {} and {}", end(value), end(upper))
    }

    /// What is known, without the scale.
    pub fn undone_progress(&self, known: Progress) -> Progress {
        Progress {
            value: self.undone_down(known.value),
            upper_bound: self.undone_up(known.upper_bound),
            ..known
        }
    }
}

/// `x 2^twos`, rounded in one direction.
fn times_power_of_two(x: f64, twos: i64, times: fn(f64, f64) -> f64) -> f64 {
    let mut rest = twos;
    let mut x = x;
    while rest != 0 {
        let step = rest.clamp(-1000, 1000);
        x = times(x, f64::from_bits(((1023 + step) as u64) << 52));
        rest -= step;
    }
    x
}

fn power_of_two(twos: i64) -> Rational {
    Rational::from_integer(2.into()).power(twos)
}

/// The least `k` with `x <= 2^k`, for `x > 0`, or one more.
fn top(x: &Rational) -> i64 {
    x.numer().bits() as i64 - x.denom().bits() as i64 + 1
}

/// A bound of `|r|` over the domain; none where it is 0, or rewards are not scaled.
fn largest_reward(problem: &Problem, bound: Option<f64>) -> Option<Rational> {
    // The weight of the entropy would have to be scaled too.
    if !problem.entropy().is_zero() {
        return None;
    }
    let size = |x: &Numeral| x.exact().abs();
    let reward = match problem.structure() {
        Structure::Fixed(fixed) => fixed.largest_reward(),
        Structure::Affine(affine) => affine.largest_reward(),
        Structure::LocalFamily(family) => {
            let base = largest(&family.reward_base);
            let slope = &family.slope;
            let reach = if slope.is_zero() {
                Some(base)
            } else {
                // Without a bound and a clip parameters lie in a box of their own.
                let most = bound.unwrap_or(super::rectangular::DEFAULT_BOUND);
                let bounded = bound.is_some() || family.clip.is_none();
                bounded.then(|| base + size(slope) * Rational::from_f64(most))
            };
            match (reach, family.clip.as_ref().map(size)) {
                (Some(reach), Some(clip)) => reach.min(clip),
                (Some(reach), None) => reach,
                (None, clip) => clip?,
            }
        }
        _ => return None,
    };
    (!reward.is_zero()).then_some(reward)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pemdp::environments::EnvironmentSpec;
    use pemdp::problem::Reading;

    fn loan(gain: &str) -> Problem {
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":"1/2","initial":[1],"policy":{{"kind":"softmax","logits":[[0,0]]}},
                "environment":{{"kind":"loan","form":"bandit","q0":"9/20","c":"43/140","gain":{gain},"loss":0}}}}"#
        );
        Problem::from_json(&json, Reading::Doubles).unwrap()
    }

    #[test]
    fn rewards_are_scaled_to_1_and_back() {
        for gain in ["1e200", "3", "5e-324", "1", "\"1/3\""] {
            let problem = loan(gain);
            let (scale, scaled) = Scale::applied(&problem, &OptimumSettings::default());
            let gain_of = |problem: &Problem| {
                let EnvironmentSpec::Loan(loan) = problem.environment() else { panic!() };
                loan.gain.exact()
            };
            let scaled = gain_of(&scaled);
            assert!(scaled <= Rational::one() && scaled > Rational::from_ratio(1, 8), "{scaled}");
            let back = scaled.approximate();
            let original = gain_of(&problem);
            assert!(Rational::from_f64(scale.undone_down(back)) <= original);
            assert!(Rational::from_f64(scale.undone_up(back.next_up())) >= original);
        }
        assert_eq!(Scale::applied(&loan("0"), &OptimumSettings::default()).0.twos, 0);
    }

    #[test]
    fn what_cannot_be_scaled_has_the_scale_1() {
        let (scale, problem) = (Scale { twos: 3, horizon: 2.0 }, loan("3"));
        assert_eq!(Scale::chosen(&problem, scale.clone(), None), (Scale { twos: 0, ..scale }, problem));
    }

    #[test]
    fn scaling_rounds_outward_where_it_overflows_or_underflows() {
        let scale = |twos| Scale { twos, horizon: 1.0 };
        assert_eq!((scale(1020).undone_down(1e10), scale(1020).undone_up(1e10)), (f64::MAX, f64::INFINITY));
        assert_eq!((scale(-1070).undone_down(1e-10), scale(-1070).undone_up(1e-10)), (0.0, 5e-324));
        assert_eq!((scale(-2100).undone_down(-1.0), scale(-2100).undone_up(-1.0)), (-5e-324, 0.0));
        assert_eq!(scale(3).undone_up(0.75), 6.0);
    }

    fn problem(gamma: f64, environment: &str) -> Problem {
        let json = format!(
            r#"{{"format":"pemdp-problem/1","gamma":{gamma},"initial":[0.5,0.5],
                "policy":{{"kind":"softmax","logits":[[0,0],[0,0]]}},"environment":{environment}}}"#
        );
        Problem::from_json(&json, Reading::Doubles).unwrap()
    }

    fn family(slope: i64, clip: &str) -> Problem {
        problem(
            0.75,
            &format!(
                r#"{{"kind":"exponential-family","psi":[1,-0.5],"base_weights":[[[1,1],[1,1]],[[1,1],[1,1]]],
                "reward":{{"base":[[0.5,0],[-1,0]],"slope":{slope},"clip":{clip}}}}}"#
            ),
        )
    }

    #[test]
    fn the_largest_reward_is_that_of_the_domain() {
        let fixed = problem(
            0.75,
            r#"{"kind":"fixed","rewards":[[1,-6],[0.5,0]],
            "transitions":[[[1,0],[1,0]],[[0,1],[0,1]]]}"#,
        );
        let affine = problem(
            0.75,
            r#"{"kind":"affine","rewards":[[1,-4],[0.5,0]],"transition_slopes":[],
            "reward_slopes":[[0,1,1,0,-2],[0,1,1,1,0.5],[1,0,0,0,1],[1,1,0,0,1e9],[1,1,0,0,-1e9]],
            "transitions":[[[1,0],[1,0]],[[0,1],[0,1]]]}"#,
        );
        let largest = |problem: &Problem, bound| largest_reward(problem, bound).map(|x| x.approximate());
        assert_eq!((largest(&fixed, None), largest(&affine, None)), (Some(6.0), Some(6.5)));
        assert_eq!(largest(&family(0, "2"), None), Some(1.0));
        assert_eq!(largest(&family(-3, "null"), Some(2.0)), Some(7.0));
        assert_eq!(
            largest(&family(3, "null"), None),
            Some(1.0 + 3.0 * super::super::rectangular::DEFAULT_BOUND)
        );
        assert_eq!(largest(&family(3, "2"), None), Some(2.0));
        assert_eq!([0.25, 8.0].map(|bound| largest(&family(3, "2"), Some(bound))), [Some(1.75), Some(2.0)]);
        let (scale, _) = Scale::applied(&fixed, &OptimumSettings::default());
        assert_eq!((scale.twos, scale.horizon), (3, 4.0));
    }

    #[test]
    fn gaps_and_bounds_are_scaled_like_the_rewards() {
        let scale = Scale { twos: 3, horizon: 2.0 };
        let settings = |gap, relative_gap| OptimumSettings { gap, relative_gap, ..Default::default() };
        assert_eq!([0.25, 0.0].map(|relative| scale.gap(&settings(1.0, relative))), [0.5, 0.125]);
        assert_eq!([0.25, 0.03125].map(|relative| scale.asked(&settings(1.0, relative))), [4.0, 1.0]);
        let known = Progress { value: -1.0, upper_bound: 2.0, nodes: 5, open: 6 };
        let undone = scale.undone_progress(known);
        assert_eq!(undone, Progress { value: -8.0, upper_bound: 16.0, ..known });
        assert_eq!(scale.about(-1.0, 2.0), "between -8e0 and 1.6e1");
        let huge = Scale { twos: 2000, horizon: 2.0 };
        assert_eq!(huge.about(1.0, 2.0), "between 1.15e602 and 2.30e602");
        assert_eq!(scale.about(-1.0, f64::INFINITY), "between -8e0 and inf");
    }
}
