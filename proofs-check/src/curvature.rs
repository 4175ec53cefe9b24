//! How curved the value can be: the gambler's ruin family, searches for the
//! worst Hessian, and the exponents that they show.

use pemdp::arithmetic::{Dual, Field, Transcendental};
use pemdp::environments::RationalFamily;
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::evolution::{Search, minimise};
use crate::spectral::norm;

/// A walk on `1..=n` between absorbing ends, actions left and right, one policy
/// everywhere; reward 1 a step at the right end, 0 elsewhere: `Rbar = 1/2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruin {
    /// The discount factor is `1 - 1/horizon`.
    pub horizon: i64,
    /// Number of interior states.
    pub n: i64,
    /// Where it starts, from 1.
    pub start: i64,
    /// The logit of the action right.
    pub logit: f64,
}

impl Ruin {
    /// `d2J/dt2` along the unit direction that tilts all interior states alike,
    /// from the closed form
    /// `J = T (l1^i - l2^i)/(l1^(n+1) - l2^(n+1))`, `l = (1 +- sqrt(1 - 4 gamma^2 p q))/(2 gamma p)`
    /// (`docs/theory/curvature.md`).
    pub fn curvature<T: Transcendental>(&self) -> T {
        type Second<T> = Dual<Dual<T>>;
        let constant = |x: T| Second::<T>::constant(Dual::constant(x));
        let number = |n: i64| constant(T::from_integer(n));
        let horizon = T::from_integer(self.horizon);
        let gamma = constant(T::one() - T::one() / &horizon);
        // dz/dt = 2/sqrt(2n)
        let speed = (T::from_ratio(2, self.n).ln() * T::from_ratio(1, 2)).exp();
        let variable = Dual::new(T::from_f64(self.logit), speed.clone());
        let z = Dual::new(variable, Dual::constant(speed));
        let tilt = z.exp();
        let p = tilt.clone() / (number(1) + tilt);
        let q = number(1) - &p;
        let discriminant = number(1) - number(4) * &gamma * &gamma * &p * &q;
        let root = (discriminant.ln() * constant(T::from_ratio(1, 2))).exp();
        let denominator = number(2) * &gamma * &p;
        let (large, small) = ((number(1) + &root) / &denominator, (number(1) - root) / &denominator);
        let difference = |i: i64| large.power(i) - small.power(i);
        let value = difference(self.start) / difference(self.n + 1);
        value.derivative.derivative * horizon
    }

    /// The walk of this horizon with the largest curvature that a local search
    /// from the limit's maximiser finds; its length scales with `sqrt T`.
    pub fn worst(horizon: i64) -> Self {
        let root = (horizon as f64).sqrt();
        Self::near(horizon, [1.46, 0.433, -0.714], |length| (length * root).round().max(1.0) as i64)
    }

    /// The same among the walks of `n` interior states.
    pub fn worst_of_length(horizon: i64, n: i64) -> Self {
        let root = (horizon as f64).sqrt();
        // Short walks end long before they are killed: a drift of one over their length.
        Self::near(horizon, [1.0, 0.433, -0.5 * root / n as f64], |_| n)
    }

    /// A pattern search over length, relative start and drift.
    fn near(horizon: i64, mut x: [f64; 3], length: impl Fn(f64) -> i64) -> Self {
        let root = (horizon as f64).sqrt();
        let at = |x: &[f64; 3]| {
            let n = length(x[0]);
            let start = (x[1] * (n as f64 + 1.0)).round().clamp(1.0, n as f64);
            Self { horizon, n, start: start as i64, logit: 2.0 * x[2] / root }
        };
        let size = |x: &[f64; 3]| at(x).curvature::<f64>().abs();
        let mut best = size(&x);
        let mut step = 0.2;
        while step > 1e-3 {
            let before = best;
            for k in 0..x.len() {
                for sign in [-1.0, 1.0] {
                    let mut y = x;
                    y[k] += sign * step * y[k].abs();
                    let curvature = size(&y);
                    if curvature > best {
                        (x, best) = (y, curvature);
                    }
                }
            }
            if best <= before {
                step /= 2.0;
            }
        }
        at(&x)
    }
}

/// A shape of problem to search for its most curved instance: rewards in
/// [-1, 1] (`Rbar = 1`), two actions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Number of states.
    pub n_states: usize,
    /// The discount factor.
    pub gamma: f64,
    /// `psi` alternates between 0 and this: 0 for fixed dynamics.
    pub psi_range: i64,
}

impl Shape {
    const ACTIONS: usize = 2;

    /// The number of coordinates: weights, base weights, rewards, start.
    fn dimension(self) -> usize {
        let rows = self.n_states * Self::ACTIONS;
        2 * rows + rows * self.n_states + self.n_states
    }

    /// The largest absolute eigenvalue of the Hessian at coordinates `x`.
    pub fn curvature(self, x: &[f64]) -> Option<f64> {
        let (n, rows) = (self.n_states, self.n_states * Self::ACTIONS);
        let (weights, x) = x.split_at(rows);
        let (base, x) = x.split_at(rows * n);
        let (rewards, start) = x.split_at(rows);
        let constant = |x: f64| Dual::constant(x);
        let total: f64 = start.iter().map(|x| x.clamp(-20.0, 20.0).exp()).sum();
        let psi = (0..n).map(|t| self.psi_range * (t % 2) as i64).collect();
        let bounded = |x: &f64| x.clamp(-20.0, 20.0).exp();
        let base = base.iter().map(|x| constant(bounded(x))).collect();
        let rewards = rewards.iter().map(|x| constant(x.tanh())).collect();
        let problem = PerformativeMdp {
            response: Box::new(RationalFamily::new(Self::ACTIONS, psi, base, rewards).ok()?),
            initial: start.iter().map(|x| constant(bounded(x) / total)).collect(),
            gamma: constant(self.gamma),
            entropy: constant(0.0),
            criterion: Default::default(),
        };
        let mut hessian = Vec::with_capacity(rows * rows);
        for k in 0..rows {
            let weight = |(i, x): (usize, &f64)| {
                let w = x.clamp(-12.0, 12.0).exp();
                Dual::new(w, if i == k { w } else { 0.0 })
            };
            let weights = weights.iter().enumerate().map(weight).collect();
            let policy = Policy::weights(n, Self::ACTIONS, weights).ok()?;
            let gradient = problem.perform(&policy).ok()?.gradient.total();
            hessian.extend(gradient.into_iter().map(|g| g.map_or(f64::NAN, |g| g.derivative)));
        }
        Some(norm(rows, &hessian).0).filter(|size| size.is_finite())
    }

    /// The largest curvature that an evolution strategy finds, and where.
    pub fn worst(self, seed: u64, evaluations: usize) -> (f64, Vec<f64>) {
        let origin = vec![0.0; self.dimension()];
        let objective = |x: &[f64]| match self.curvature(x) {
            Some(curvature) => -curvature.max(f64::MIN_POSITIVE).ln(),
            None => f64::MAX,
        };
        let search = Search { deviation: 1.5, seed, evaluations, tolerance: 1e-12 };
        let (least, point) = minimise(objective, &origin, search);
        ((-least).exp(), point)
    }
}

/// The slope of `log y` against `log x` by least squares, with the half width of
/// its 95 % confidence interval from the scatter about the line (Student's t;
/// infinite for two points).
pub fn exponent(points: &[(f64, f64)]) -> (f64, f64) {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let mean = |f: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let spread: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread;
    let rest: f64 = logs.iter().map(|p| (p.1 - y - slope * (p.0 - x)).powi(2)).sum();
    let half_width = match StudentsT::new(0.0, 1.0, n - 2.0) {
        Ok(t) => t.inverse_cdf(0.975) * (rest / (n - 2.0) / spread).sqrt(),
        Err(_) => f64::INFINITY,
    };
    (slope, half_width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Family;
    use crate::tolerances::{DIFFERENTIATED, ILL_CONDITIONED, SOLVED};
    use num_traits::{One, Zero};
    use pemdp::arithmetic::{Ball, Rational, ratio};

    /// The walk as a family: states 0..n, then the left and the right end.
    fn family(ruin: Ruin, weight: Rational) -> Family {
        let n = ruin.n as usize;
        let q = |x: bool| if x { Rational::one() } else { Rational::zero() };
        let states = n + 2;
        let next = |s: usize, right: bool| match (s, right) {
            (s, _) if s >= n => s,
            (0, false) => n,
            (s, true) if s + 1 == n => n + 1,
            (s, true) => s + 1,
            (s, false) => s - 1,
        };
        let rows = (0..states).flat_map(|s| [false, true].map(|right| next(s, right)));
        let base = rows.flat_map(|target| (0..states).map(move |t| q(t == target))).collect();
        let weights = (0..states).flat_map(|_| [Rational::one(), weight.clone()]).collect();
        let rewards = (0..states).flat_map(|s| [q(s == n + 1), q(s == n + 1)]).collect();
        let initial = (0..states).map(|s| q(s as i64 + 1 == ruin.start)).collect();
        let gamma = Rational::one() - ratio(1, ruin.horizon);
        Family::new(gamma, initial, weights, vec![0; states], base, rewards)
    }

    #[test]
    fn the_closed_form_is_the_curvature_of_the_walk() {
        for (n, start) in [(1, 1), (3, 1), (4, 3)] {
            let weight = ratio(2, 3);
            let ruin = Ruin { horizon: 10, n, start, logit: (2f64 / 3.0).ln() };
            let family = family(ruin, weight);
            // u'Hu with u = (-1, 1) at the interior states and u'u = 2n.
            let direction: Vec<Rational> = (0..family.n_parameters())
                .map(|k| {
                    let sign = ratio(if k % 2 == 1 { 1 } else { -1 }, 1);
                    if k < 2 * n as usize { sign } else { Rational::zero() }
                })
                .collect();
            let product = family.hessian_product(&direction).unwrap();
            let exact = Rational::sum_of_products(direction.iter().zip(&product)) / ratio(2 * n, 1);
            let closed = ruin.curvature::<Ball>();
            assert!(((closed.midpoint() - exact.approximate()) / exact.approximate()).abs() < SOLVED);
        }
    }

    #[test]
    fn exponents_are_slopes() {
        let points: Vec<(f64, f64)> = [1.0f64, 10.0, 100.0, 1000.0].map(|x| (x, 3.0 * x.powf(1.5))).to_vec();
        let (slope, width) = exponent(&points);
        assert!((slope - 1.5).abs() < SOLVED && width < DIFFERENTIATED);
        assert!(exponent(&[(1.0, 1.0), (2.0, 3.0), (4.0, 5.0)]).1 > 0.1);
    }

    #[test]
    fn the_search_finds_more_than_where_it_starts() {
        let shape = Shape { n_states: 2, gamma: 0.9, psi_range: 0 };
        let start = shape.curvature(&vec![0.0; shape.dimension()]).unwrap();
        let (worst, point) = shape.worst(1, 600);
        assert!(worst > start + 0.1);
        // |H| <= Rbar |S|/(1-gamma), and the point has the curvature that is said.
        assert!(worst <= 20.0 && (shape.curvature(&point).unwrap() - worst).abs() < ILL_CONDITIONED * worst);
    }
}
