//! The performative value along one coordinate, and all its critical points.

mod clearing;

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, Zero};
use thiserror::Error;

use clearing::cleared_by;

use super::polynomial::{Polynomial, Root, SquareFree, simplest_between};
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental};
use pemdp::evaluate::evaluate;
use pemdp::mdp::Mdp;
use pemdp::performative::{PerformanceError, PerformativeMdp};
use pemdp::policy::Policy;
use pemdp::policy::Weights;
use pemdp::problem::{PolicySpec, Problem, RationalError};

/// The largest degree of numerator and denominator: there a landscape takes some
/// seconds.
pub const MAX_DEGREE: usize = 64;
/// Critical points are refined to a relative width of `2^-BITS`.
const BITS: u32 = 96;

/// Why there is no landscape.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// The problem is not rational.
    #[error(transparent)]
    Rational(#[from] RationalError),
    /// The problem cannot be evaluated.
    #[error(transparent)]
    Performance(#[from] PerformanceError),
    /// The value is no quotient of polynomials that are known here.
    #[error("{what} has no landscape: {why}")]
    NoLandscape {
        /// Which part of the problem.
        what: &'static str,
        /// Why.
        why: &'static str,
    },
    /// There is no such parameter.
    #[error("there is no parameter of state {state}, action {action}")]
    NoParameter {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
    },
    /// The polynomials are too long.
    #[error("degree {degree}, expected at most {MAX_DEGREE}")]
    Degree {
        /// Their degree.
        degree: usize,
    },
    /// The interpolated quotient is not the value at another point: the degree
    /// bound was wrong.
    #[error("the quotient is not the value at {at}")]
    Disagreement {
        /// The point.
        at: Rational,
    },
}

/// The performative value `J(w) = N(w)/D(w)` along `w = exp theta[s,a] > 0`, all
/// other parameters fixed; `N`, `D` without common factor, `D > 0` on
/// `[0, infinity)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Landscape {
    /// `N`.
    pub numerator: Polynomial,
    /// `D`.
    pub denominator: Polynomial,
    /// A proven bound of the degrees of `N` and `D`, before common factors are
    /// removed.
    pub degree_bound: usize,
    /// `J` as `w -> 0` and as `w -> infinity`.
    pub limits: [Rational; 2],
    /// All points with `dJ/dw = 0`, ascending; none where `J` is constant.
    pub critical_points: Vec<CriticalPoint>,
    slope: SquareFree,
    /// The sign of `dJ/dw` for small `w`.
    slope_at_zero: Ordering,
}

/// What a critical point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extremum {
    /// A local maximum.
    Maximum,
    /// A local minimum.
    Minimum,
    /// The derivative has the same sign on both sides.
    Neither,
}

impl Extremum {
    /// What it is in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
            Self::Neither => "neither",
        }
    }
}

/// A zero of `dJ/dw`.
#[derive(Debug, Clone, PartialEq)]
pub struct CriticalPoint {
    /// Less than the point; no other critical point and no zero of the slope
    /// lies between.
    pub low: Rational,
    /// Greater than the point, likewise.
    pub high: Rational,
    /// The point itself where it is a short fraction.
    pub exact: Option<Rational>,
    /// What it is.
    pub extremum: Extremum,
    /// `J` there lies between these.
    pub value: [Rational; 2],
}

impl CriticalPoint {
    /// `theta = log w` lies between these.
    pub fn theta(&self) -> [f64; 2] {
        let logarithm = |w: &Rational| Ball::from_rational(w).ln();
        match &self.exact {
            Some(w) => [logarithm(w).lower(), logarithm(w).upper()],
            None => [logarithm(&self.low).lower(), logarithm(&self.high).upper()],
        }
    }
}

/// Where an ascent goes: to a critical point, or to an end of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `w -> 0`.
    Zero,
    /// The critical point with this number.
    Critical(usize),
    /// `w -> infinity`.
    Infinity,
}

/// The interval that ascent with small steps cannot leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Basin {
    /// `dJ/dw > 0` here, or 0 itself.
    pub low: Rational,
    /// `dJ/dw < 0` here; none for infinity.
    pub high: Option<Rational>,
    /// Where ascent goes.
    pub end: End,
    /// The supremum of `J` over the interval lies between these.
    pub supremum: [Rational; 2],
}

impl Landscape {
    /// The landscape of a problem along the parameter of a state and action.
    ///
    /// The policy is given by weights, or by positive probabilities, which are
    /// weights too. Environments: fixed, affine, loan, coin, exponential
    /// families with integer `psi`.
    ///
    /// # Errors
    /// [`LandscapeError`] where the value is not rational in `w`, or the degree
    /// too large.
    ///
    /// ```
    /// use pemdp_optimum::{Extremum, Landscape};
    /// use pemdp::oracle::examples;
    /// use pemdp::problem::{Problem, Reading};
    /// let json = examples::example("local-maximum").map(|e| e.to_json()).unwrap_or_default();
    /// let problem = Problem::from_json(&json, Reading::Exact)?;
    /// let landscape = Landscape::along(&problem, 0, 0)?;
    /// let kinds: Vec<_> = landscape.critical_points.iter().map(|c| c.extremum).collect();
    /// assert_eq!(kinds, [Extremum::Maximum, Extremum::Minimum, Extremum::Maximum]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn along(problem: &Problem, state: usize, action: usize) -> Result<Self, LandscapeError> {
        let (n_states, n_actions) = (problem.n_states(), problem.n_actions());
        if state >= n_states || action >= n_actions {
            return Err(LandscapeError::NoParameter { state, action });
        }
        let (model, policy) = problem.rational_model()?;
        let weights = match &problem.policy() {
            PolicySpec::Weights(Weights { values }) => values.iter().map(|w| w.lift()).collect(),
            _ => (0..n_states * n_actions)
                .map(|i| policy.probability(i / n_actions, i % n_actions).clone())
                .collect::<Vec<Rational>>(),
        };
        let cleared = cleared_by(problem, &weights, state, action)?;
        Self::interpolated(&cleared, |w| {
            let mut weights = weights.clone();
            weights[state * n_actions + action] = w.clone();
            let policy = Policy::weights(n_states, n_actions, weights).map_err(PerformanceError::from)?;
            Ok(value_and_determinant(&model, &policy)?)
        })
    }

    /// The landscape of a value from its values.
    ///
    /// `at` gives `J(w)` and `det(I - gamma P_pi)` for `w > 0`; `cleared` is a
    /// product of polynomials `c_s(w)`, positive for `w >= 0`, such that `c_s` times
    /// row `s` of `I - gamma P_pi` and of `r_pi` is polynomial of degree at most
    /// that of `c_s`. Then `D = cleared det(I - gamma P_pi)` and `N = J D` are
    /// polynomials of degree at most that of `cleared` (Cramer's rule), and are
    /// determined by that many values and one; two more are compared.
    ///
    /// # Errors
    /// Those of `at`; [`LandscapeError::Disagreement`] where the bound is wrong.
    pub fn interpolated(
        cleared: &Polynomial,
        at: impl Fn(&Rational) -> Result<(Rational, Rational), LandscapeError>,
    ) -> Result<Self, LandscapeError> {
        let degree_bound = cleared.degree();
        if degree_bound > MAX_DEGREE {
            return Err(LandscapeError::Degree { degree: degree_bound });
        }
        let sides = |w: &Rational| -> Result<(Rational, Rational), LandscapeError> {
            let (value, determinant) = at(w)?;
            let denominator = cleared.at(w) * determinant;
            Ok((value * &denominator, denominator))
        };
        let (mut above, mut below) = (Vec::new(), Vec::new());
        for w in 1..=degree_bound + 1 {
            let w = Rational::from_integer(w.into());
            let (numerator, denominator) = sides(&w)?;
            above.push((w.clone(), numerator));
            below.push((w, denominator));
        }
        let (numerator, denominator) = (Polynomial::through(&above), Polynomial::through(&below));
        for at in [Rational::from_integer((degree_bound + 2).into()), Rational::from_ratio(1, 3)] {
            if sides(&at)? != (numerator.at(&at), denominator.at(&at)) {
                return Err(LandscapeError::Disagreement { at });
            }
        }
        Ok(Self::new(&numerator, &denominator, degree_bound))
    }

    /// The landscape of a bounded quotient with `D > 0` on `(0, infinity)`.
    fn new(numerator: &Polynomial, denominator: &Polynomial, degree_bound: usize) -> Self {
        let (numerator, denominator) = reduced(numerator, denominator);
        let slope = slope(&numerator, &denominator);
        let square_free = slope.square_free();
        // J is bounded and N, D have no common factor, so D(0) is not 0 and N has
        // no higher degree than D.
        let top = denominator.degree();
        let limits = [
            numerator.coefficient(0) / denominator.coefficient(0),
            numerator.coefficient(top) / denominator.coefficient(top),
        ];
        let lowest = slope.coefficients().iter().find(|c| !c.is_zero());
        let slope_at_zero = lowest.map_or(Ordering::Equal, |c| c.cmp(&Rational::zero()));
        let mut landscape = Self {
            numerator,
            denominator,
            degree_bound,
            limits,
            critical_points: Vec::new(),
            slope: square_free,
            slope_at_zero,
        };
        if !slope.is_zero() {
            let roots = landscape.slope.positive_roots(BITS);
            let brackets = landscape.brackets(&roots);
            landscape.critical_points = roots
                .iter()
                .zip(brackets)
                .map(|(root, [low, high])| {
                    let sign = |w: &Rational| slope.at(w).cmp(&Rational::zero());
                    let extremum = match (sign(&low), sign(&high)) {
                        (Ordering::Greater, Ordering::Less) => Extremum::Maximum,
                        (Ordering::Less, Ordering::Greater) => Extremum::Minimum,
                        _ => Extremum::Neither,
                    };
                    let value = landscape.range(&root.low, &root.high);
                    CriticalPoint { low, high, exact: root.exact().cloned(), extremum, value }
                })
                .collect();
        }
        landscape
    }

    /// Points on both sides of each root and next to it.
    fn brackets(&self, roots: &[Root]) -> Vec<[Rational; 2]> {
        let width = Rational::from_integer(2.into()).power(-i64::from(BITS));
        let bracket = |root: &Root| {
            let Some(w) = root.exact() else { return [root.low.clone(), root.high.clone()] };
            let mut radius = w * &width;
            loop {
                let (low, high) = (w - &radius, w + &radius);
                let alone = self.slope.roots_in(&low, Some(&high)) == 1 && self.slope.sign_at(&low).is_ne();
                if alone {
                    return [low, high];
                }
                radius /= Rational::from_integer(2.into());
            }
        };
        roots.iter().map(bracket).collect()
    }

    /// `J(w)` for `w >= 0`.
    pub fn at(&self, w: &Rational) -> Rational {
        self.numerator.at(w) / self.denominator.at(w)
    }

    /// `dJ/dtheta = w dJ/dw`.
    pub fn slope_at(&self, w: &Rational) -> Rational {
        let denominator = self.denominator.at(w);
        slope(&self.numerator, &self.denominator).at(w) * w / (&denominator * &denominator)
    }

    /// The sign of `dJ/dw` at `w > 0`, exactly.
    pub fn slope_sign(&self, w: &Rational) -> Ordering {
        slope(&self.numerator, &self.denominator).at(w).cmp(&Rational::zero())
    }

    /// Bounds of `J` on `[low, high]` from those of `N` and `D`; the limits hold
    /// the values wherever the bound of `D` is too wide.
    fn range(&self, low: &Rational, high: &Rational) -> [Rational; 2] {
        if low == high {
            let value = self.at(low);
            return [value.clone(), value];
        }
        let (n, d) = (self.numerator.range(low, high), self.denominator.range(low, high));
        if !d.0.is_positive() {
            let middle = (low + high) / Rational::from_integer(2.into());
            let (left, right) = (self.range(low, &middle), self.range(&middle, high));
            return join(&left, &right);
        }
        let quotient = |n: &Rational, small: &Rational, large: &Rational| {
            if n.is_negative() { n / small } else { n / large }
        };
        [quotient(&n.0, &d.0, &d.1), quotient(&n.1, &d.1, &d.0)]
    }

    /// Whether `J(w) < bound` for all `w` in `[low, high]`, where `low` may be 0
    /// and no `high` means all of `[low, infinity)` and the limit: decided by
    /// counting the roots of `bound D - N`.
    pub fn is_below(&self, bound: &Rational, low: &Rational, high: Option<&Rational>) -> bool {
        let slack = &self.denominator.scaled(bound) - &self.numerator;
        let end = high.map_or_else(|| self.limits[1].clone(), |high| self.at(high));
        &self.at(low) < bound && &end < bound && slack.square_free().roots_in(low, high) == 0
    }

    /// Whether `|d2J/dtheta2| < bound` for all `theta`, decided by counting the
    /// roots of `bound D^3 -+ w ((S + w S') D - 2 w S D')`, `S = N'D - ND'`.
    pub fn curvature_is_below(&self, bound: &Rational) -> bool {
        let (d, s) = (&self.denominator, slope(&self.numerator, &self.denominator));
        let first = &(&s + &s.derivative().shifted(1)) * d;
        let second = (&s * &d.derivative()).shifted(1).scaled(&Rational::from_integer(2.into()));
        let curvature = (&first - &second).shifted(1);
        let allowed = d.power(3).scaled(bound);
        [&allowed - &curvature, &allowed + &curvature].iter().all(|slack| {
            // The curvature tends to 0 at both ends, so one sign decides.
            bound.is_positive()
                && slack.at(&Rational::one()).is_positive()
                && slack.square_free().roots_in(&Rational::zero(), None) == 0
        })
    }

    /// The sign of `dJ/dw` between the critical points `i - 1` and `i`.
    fn sign_before(&self, i: usize) -> Ordering {
        match i.checked_sub(1).and_then(|i| self.critical_points.get(i)) {
            Some(before) => self.slope_sign(&before.high),
            None => self.slope_at_zero,
        }
    }

    /// Where ascent from `w > 0` with steps of at most `1/sup |d2J/dtheta2|` stays:
    /// it cannot cross a critical point. None where `w` is one or too near to
    /// one, where `J` is constant, or where the next one is no maximum.
    pub fn basin(&self, w: &Rational) -> Option<Basin> {
        let points = &self.critical_points;
        // The number of critical points below w.
        let i = points.iter().position(|c| &c.low > w).unwrap_or(points.len());
        let before = i.checked_sub(1).map(|i| &points[i]);
        if before.is_some_and(|c| &c.high >= w) {
            return None;
        }
        let zero = Rational::zero();
        // Short fractions on the right sides.
        let gap = |left: Option<&CriticalPoint>, right: Option<&Rational>| {
            let left = left.map_or(&zero, |c| &c.high);
            let above = left * Rational::from_integer(2.into()) + Rational::one();
            simplest_between(left, right.unwrap_or(&above))
        };
        let (low, high, end) = match self.sign_before(i) {
            Ordering::Greater => {
                let low = before.map_or_else(Rational::zero, |c| simplest_between(&c.high, w));
                let high = points.get(i).map(|c| gap(Some(c), points.get(i + 1).map(|c| &c.low)));
                let end = if i < points.len() { End::Critical(i) } else { End::Infinity };
                (low, high, end)
            }
            Ordering::Less => {
                let right = points.get(i).map(|c| c.low.clone());
                let above = w * Rational::from_integer(2.into()) + Rational::one();
                let high = simplest_between(w, right.as_ref().unwrap_or(&above));
                let low = before.map(|c| {
                    let left = i.checked_sub(2).and_then(|i| points.get(i));
                    gap(left, Some(&c.low))
                });
                let end = if i > 0 { End::Critical(i - 1) } else { End::Zero };
                (low.unwrap_or_else(Rational::zero), Some(high), end)
            }
            Ordering::Equal => return None,
        };
        let supremum = match end {
            End::Zero => [self.limits[0].clone(), self.limits[0].clone()],
            End::Infinity => [self.limits[1].clone(), self.limits[1].clone()],
            End::Critical(i) if points[i].extremum == Extremum::Maximum => points[i].value.clone(),
            End::Critical(_) => return None,
        };
        Some(Basin { low, high, end, supremum })
    }

    /// Bounds of the supremum of `J` over all `w`, and where it is: the largest
    /// of the limits and the local maxima.
    pub fn supremum(&self) -> ([Rational; 2], End) {
        let limit = |i: usize| [self.limits[i].clone(), self.limits[i].clone()];
        let mut candidates = vec![(limit(0), End::Zero), (limit(1), End::Infinity)];
        let maxima = self.critical_points.iter().enumerate().filter(|(_, c)| c.extremum == Extremum::Maximum);
        candidates.extend(maxima.map(|(i, c)| (c.value.clone(), End::Critical(i))));
        let (mut bounds, mut end) = candidates.swap_remove(0);
        for (value, at) in candidates {
            if value[0] > bounds[0] {
                end = at;
            }
            bounds = [0, 1].map(|i| bounds[i].clone().max(value[i].clone()));
        }
        (bounds, end)
    }

    /// A short `w` with `J(w) > target`, where the supremum exceeds it.
    pub fn better_than(&self, target: &Rational) -> Option<Rational> {
        let (supremum, end) = self.supremum();
        if &supremum[0] <= target {
            return None;
        }
        let two = Rational::from_integer(2.into());
        let candidate = |bits: i64| match end {
            End::Zero => two.power(-bits),
            End::Infinity => two.power(bits),
            End::Critical(i) => {
                let point = &self.critical_points[i];
                if let Some(w) = &point.exact {
                    return w.clone();
                }
                let slack = two.power(-bits);
                let (low, high) =
                    (&point.low * (Rational::one() - &slack), &point.high * (Rational::one() + &slack));
                simplest_between(&low, &high)
            }
        };
        (1..4096).map(candidate).find(|w| &self.at(w) > target)
    }
}

/// `N'D - ND'`, of the sign of `dJ/dw`.
fn slope(numerator: &Polynomial, denominator: &Polynomial) -> Polynomial {
    &(&numerator.derivative() * denominator) - &(numerator * &denominator.derivative())
}

/// Numerator and denominator without common factor, with integer coefficients
/// that have none either, the denominator positive at 1.
fn reduced(numerator: &Polynomial, denominator: &Polynomial) -> (Polynomial, Polynomial) {
    let gcd = numerator.gcd(denominator);
    let (numerator, denominator) = (numerator.divided(&gcd).0, denominator.divided(&gcd).0);
    let all = || numerator.coefficients().iter().chain(denominator.coefficients());
    let common = all().fold(BigInt::one(), |common, c| common.lcm(c.denom()));
    let content = all().fold(BigInt::zero(), |content, c| content.gcd(&(c.numer() * (&common / c.denom()))));
    let mut scale = Rational::new(common, content.max(BigInt::one()));
    if denominator.at(&Rational::one()).is_negative() {
        scale = -scale;
    }
    (numerator.scaled(&scale), denominator.scaled(&scale))
}

fn join(left: &[Rational; 2], right: &[Rational; 2]) -> [Rational; 2] {
    [left[0].clone().min(right[0].clone()), left[1].clone().max(right[1].clone())]
}

impl Polynomial {
    /// `sum h w^(psi - min psi)` over the pairs `(psi, h)` with `h` not 0.
    pub fn tilted(terms: impl Iterator<Item = (i64, Rational)>) -> Self {
        let terms: Vec<(i64, Rational)> = terms.filter(|(_, h)| !h.is_zero()).collect();
        let least = terms.iter().map(|(psi, _)| *psi).min().unwrap_or(0);
        let power = |psi: i64| (psi - least).unsigned_abs() as usize;
        let length = terms.iter().map(|(psi, _)| power(*psi) + 1).max().unwrap_or(0);
        let mut coefficients = vec![Rational::zero(); length];
        for (psi, h) in terms {
            coefficients[power(psi)] += h;
        }
        Self::new(coefficients)
    }
}

/// `J` and `det(I - gamma P_pi)` of a policy in the environment that it induces.
///
/// # Errors
/// [`PerformanceError`] where the environment does not respond to the policy.
pub fn value_and_determinant(
    model: &PerformativeMdp<Rational>,
    policy: &Policy<Rational>,
) -> Result<(Rational, Rational), PerformanceError> {
    let induced = model.response.induce(policy)?;
    let mdp = Mdp::new(induced.kernel, induced.rewards, model.initial.clone(), model.gamma.clone())?;
    let value = evaluate(&mdp, policy, &Rational::zero())?.value;
    let chain = mdp.kernel().under(policy);
    let n = mdp.n_states();
    let entry = |s: usize, t: usize| {
        let identity = if s == t { Rational::one() } else { Rational::zero() };
        identity - chain.entry(s, t) * mdp.gamma()
    };
    let rows = (0..n).map(|s| (0..n).map(|t| entry(s, t)).collect()).collect();
    Ok((value, determinant(rows)))
}

/// The determinant of a strictly diagonally dominant matrix, by elimination over
/// the integers without fractions (Bareiss); no pivot is 0.
fn determinant(rows: Vec<Vec<Rational>>) -> Rational {
    let mut scale = BigInt::one();
    let mut m: Vec<Vec<BigInt>> = Vec::with_capacity(rows.len());
    for row in &rows {
        let common = row.iter().fold(BigInt::one(), |common, x| common.lcm(x.denom()));
        m.push(row.iter().map(|x| x.numer() * (&common / x.denom())).collect());
        scale *= common;
    }
    let n = m.len();
    let mut previous = BigInt::one();
    for k in 0..n.saturating_sub(1) {
        let (upper, lower) = m.split_at_mut(k + 1);
        let pivot = &upper[k];
        for row in lower {
            let factor = row[k].clone();
            for j in k + 1..n {
                row[j] = (&row[j] * &pivot[k] - &factor * &pivot[j]) / &previous;
            }
        }
        previous = upper[k][k].clone();
    }
    let last = n.checked_sub(1).map_or_else(BigInt::one, |last| m[last][last].clone());
    Rational::new(last, scale)
}
