//! Bounds on the curvature of `J` for every policy with logits in a box: branch
//! and bound with interval Hessians.

use std::cmp::Ordering;

use num_traits::Zero;
use pemdp::arithmetic::{Dual, Field, Interval, Transcendental};
use pemdp::linear::{Factorisation, Resolvent, Rows};
use pemdp_optimum::{Frontier, Part};

use crate::exact::Between;
use crate::family::Family;
use crate::spectral::Symmetric;
use crate::survey::Outcome;

/// Whether the Hessian of `J` has a spectral norm of at most a limit at every
/// `theta` of a box.
#[derive(Debug, Clone, PartialEq)]
pub enum BoxVerdict {
    /// It has: the box is covered by boxes on each of which an enclosure of the
    /// Hessian is within the limit.
    Proved {
        /// How many boxes were looked at.
        boxes: usize,
        /// The largest norm at their centres, in doubles: not part of the proof.
        largest: f64,
    },
    /// It has not: at this point, exactly these doubles, the norm is certainly
    /// larger.
    Refuted {
        /// The logits.
        point: Vec<f64>,
        /// The margin of the statement there, negative.
        margin: f64,
    },
    /// Not decided within the number of boxes.
    Undecided {
        /// How many boxes were looked at.
        boxes: usize,
        /// How many of them are left to decide.
        left: usize,
    },
}

/// `1 / sum_j exp(x_j)` for differences `x_j`, one of them 0: a probability
/// that depends on each difference in one direction only, so that an interval
/// of it is as narrow as the intervals of the differences allow.
fn probability<T: Transcendental>(differences: impl Iterator<Item = T>) -> T {
    T::one() / differences.fold(T::zero(), |sum, x| sum + x.exp())
}

/// `sum_j p_j (x_i - x_j)`: exact differences rather than `x_i` minus a mean,
/// so that what all `x` have in common widens nothing.
fn advantage<T: Field>(p: &[T], x: &[T], i: usize) -> T {
    let others = (0..x.len()).filter(|&j| j != i);
    others.fold(T::zero(), |sum, j| sum + p[j].clone() * (x[i].clone() - &x[j]))
}

/// `dJ/dtheta` of a family without entropy at logits in any arithmetic; `None`
/// where it cannot solve for the values.
fn gradient<T: Transcendental>(family: &Family, theta: &[T]) -> Option<Vec<T>> {
    let (n_states, n_actions) = (family.n_states(), family.n_actions);
    let gamma = T::from_rational(&family.gamma);
    let policy: Vec<T> = (0..theta.len())
        .map(|i| {
            let row = i / n_actions * n_actions;
            // An interval minus itself is not 0.
            let difference = |j: usize| if i == j { T::zero() } else { theta[j].clone() - &theta[i] };
            probability((row..row + n_actions).map(difference))
        })
        .collect();
    let kernel: Vec<Vec<T>> = (0..theta.len()).map(|i| transitions(family, i, &theta[i])).collect();
    let logistic: Vec<T> = theta.iter().map(|x| probability([T::zero(), -x.clone()].into_iter())).collect();
    let amplitude = |i: usize| T::from_rational(&family.amplitudes[i]);
    let reward = |i: usize| T::from_rational(&family.rewards[i]) + amplitude(i) * &logistic[i];

    let rows = |s: usize| s * n_actions..(s + 1) * n_actions;
    let mut chain = vec![T::zero(); n_states * n_states];
    let mut rewards = vec![T::zero(); n_states];
    for s in 0..n_states {
        for i in rows(s) {
            rewards[s] += policy[i].clone() * reward(i);
            for (t, p) in kernel[i].iter().enumerate() {
                chain[s * n_states + t] += policy[i].clone() * p;
            }
        }
    }
    let resolvent = Resolvent::new(Rows::dense(n_states, chain).ok()?, gamma.clone()).ok()?;
    let factorisation = T::Factorisation::new(resolvent).ok()?;
    let values = factorisation.solve(&rewards);
    let initial: Vec<T> = family.initial.iter().map(T::from_rational).collect();
    let occupancy = factorisation.solve_transposed(&initial);

    let mut result = Vec::with_capacity(theta.len());
    for s in 0..n_states {
        let next = |i: usize| T::sum_of_products(kernel[i].iter().zip(&values));
        let action_values: Vec<T> = rows(s).map(|i| reward(i) + gamma.clone() * next(i)).collect();
        for i in rows(s) {
            let of_policy = advantage(&policy[rows(s)], &action_values, i - s * n_actions);
            let slope = logistic[i].clone() * (T::one() - &logistic[i]);
            let of_response = amplitude(i) * slope + gamma.clone() * covariance(family, &kernel[i], &values);
            result.push(occupancy[s].clone() * &policy[i] * (of_policy + of_response));
        }
    }
    Some(result)
}

/// `P(t|s,a)` of row `i`, from the ratios to the other next states.
fn transitions<T: Transcendental>(family: &Family, i: usize, theta: &T) -> Vec<T> {
    let n = family.n_states();
    let base = &family.base[i * n..(i + 1) * n];
    let possible = |t: &usize| !base[*t].is_zero();
    let ratio = |u: usize, t: usize| match family.psi[u] - family.psi[t] {
        0 => T::from_rational(&(&base[u] / &base[t])),
        difference => (T::from_integer(difference) * theta).exp() * T::from_rational(&(&base[u] / &base[t])),
    };
    let entry = |t: usize| {
        let total = (0..n).filter(possible).fold(T::zero(), |sum, u| sum + ratio(u, t));
        T::one() / total
    };
    (0..n).map(|t| if possible(&t) { entry(t) } else { T::zero() }).collect()
}

/// `Cov(psi, V)` under a row of transitions, over pairs of next states.
fn covariance<T: Field>(family: &Family, row: &[T], values: &[T]) -> T {
    let mut sum = T::zero();
    for t in 0..row.len() {
        for u in 0..t {
            let difference = family.psi[t] - family.psi[u];
            if difference != 0 && !row[t].is_zero() && !row[u].is_zero() {
                let weight = row[t].clone() * &row[u] * T::from_integer(difference);
                sum += weight * (values[t].clone() - &values[u]);
            }
        }
    }
    sum
}

/// The Hessian of `J` at logits in any arithmetic, row by row.
fn hessian<T: Transcendental>(family: &Family, theta: &[T]) -> Option<Vec<T>> {
    let mut rows = Vec::with_capacity(theta.len() * theta.len());
    for k in 0..theta.len() {
        let along = |(i, x): (usize, &T)| Dual::new(x.clone(), if i == k { T::one() } else { T::zero() });
        let logits: Vec<Dual<T>> = theta.iter().enumerate().map(along).collect();
        rows.extend(gradient(family, &logits)?.into_iter().map(|g| g.derivative));
    }
    Some(rows)
}

/// A box to decide: the larger its enclosure reaches, the sooner.
struct Open {
    reach: f64,
    sides: Vec<Interval>,
}

impl Part for Open {
    fn bound(&self) -> f64 {
        self.reach
    }

    fn tie(&self, other: &Self) -> Ordering {
        let pairs = self.sides.iter().zip(&other.sides);
        let order = pairs.map(|(one, other)| one.lower().total_cmp(&other.lower()));
        order.fold(Ordering::Equal, Ordering::then)
    }
}

/// What one look at a box shows.
enum Look {
    Within,
    Beyond { point: Vec<f64>, margin: f64 },
    Open { reach: f64 },
}

/// Decides whether the Hessian of `J` (without entropy) has a spectral norm of
/// at most `limit` for every `theta` with `theta[k]` in `sides[k]`, looking at
/// no more than `boxes` boxes: best first, halving the longest side.
///
/// Both decisions are theorems: enclosures are outward rounded, and definiteness
/// is decided in fractions.
pub fn decide_on_box(family: &Family, sides: &[Interval], limit: &Between, boxes: usize) -> BoxVerdict {
    let mut seen = 0;
    let mut largest = 0.0_f64;
    let mut open = Frontier::default();
    open.push(Open { reach: f64::INFINITY, sides: sides.to_vec() });
    while let Some(top) = open.pop() {
        if seen + 2 > boxes {
            return BoxVerdict::Undecided { boxes: seen, left: open.len() + 1 };
        }
        // The whole box is looked at first, then both halves of what is open.
        let parts = if seen == 0 { vec![top.sides] } else { halves(&top.sides) };
        if parts.is_empty() {
            return BoxVerdict::Undecided { boxes: seen, left: open.len() + 1 };
        }
        for sides in parts {
            seen += 1;
            match look(family, &sides, limit, &mut largest) {
                Look::Within => {}
                Look::Beyond { point, margin } => return BoxVerdict::Refuted { point, margin },
                Look::Open { reach } => open.push(Open { reach, sides }),
            }
        }
    }
    BoxVerdict::Proved { boxes: seen, largest }
}

/// Both halves along the longest side; none where it has no double inside.
fn halves(sides: &[Interval]) -> Vec<Vec<Interval>> {
    let longest =
        (0..sides.len()).max_by(|&i, &j| sides[i].width().total_cmp(&sides[j].width()).then(j.cmp(&i)));
    let Some(k) = longest else { return Vec::new() };
    let (lower, upper) = (sides[k].lower(), sides[k].upper());
    let middle = 0.5 * lower + 0.5 * upper;
    if !(lower < middle && middle < upper) {
        return Vec::new();
    }
    let half = |lower: f64, upper: f64| {
        let mut sides = sides.to_vec();
        sides[k] = Interval::new(lower, upper)?;
        Some(sides)
    };
    [half(lower, middle), half(middle, upper)].into_iter().flatten().collect()
}

fn look(family: &Family, sides: &[Interval], limit: &Between, largest: &mut f64) -> Look {
    let n = sides.len();
    let enclosed = hessian(family, sides).and_then(|entries| Symmetric::new(n, &entries));
    if enclosed.as_ref().is_some_and(|matrix| matrix.is_within(&limit.low)) {
        if let Some(matrix) = &enclosed {
            *largest = largest.max(centre_norm(family, sides).unwrap_or_else(|| matrix.norm().0));
        }
        return Look::Within;
    }
    let point: Vec<f64> = sides.iter().map(Field::approximate).collect();
    if let Some(size) = centre_norm(family, sides) {
        *largest = largest.max(size);
        if size > limit.high.approximate() {
            let there: Vec<Interval> = point.iter().copied().map(Interval::point).collect();
            let matrix = hessian(family, &there).and_then(|entries| Symmetric::new(n, &entries));
            if let Some(Outcome::Decided(margin)) = matrix.map(|matrix| matrix.at_most(limit))
                && margin < 0.0
            {
                return Look::Beyond { point, margin };
            }
        }
    }
    Look::Open { reach: enclosed.map_or(f64::INFINITY, |matrix| matrix.reach()) }
}

/// The norm of the Hessian at the centre, in doubles.
fn centre_norm(family: &Family, sides: &[Interval]) -> Option<f64> {
    let point: Vec<f64> = sides.iter().map(Field::approximate).collect();
    let entries = hessian(family, &point)?;
    Some(crate::spectral::norm(sides.len(), &entries).0).filter(|size| size.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::claim::Effort;
    use crate::family::{corners, first_state};
    use crate::tolerances::ILL_CONDITIONED;
    use pemdp::arithmetic::{Rational, ratio};
    use rand::RngExt;

    fn logits(family: &Family) -> Vec<f64> {
        family.weights.iter().map(|w| w.approximate().ln()).collect()
    }

    fn side(x: f64, radius: f64) -> Interval {
        Interval::new(x - radius, x + radius).unwrap()
    }

    /// One state: `J = p/(1-gamma)` has the Hessian `p (1-p) (1-2p)/(1-gamma)`
    /// times `((1, -1), (-1, 1))`: the norm is `2 /(6 sqrt 3) / (1-gamma)` at most.
    fn bandit() -> Family {
        Family::new(
            ratio(1, 2),
            first_state(1),
            vec![ratio(1, 1); 2],
            vec![0],
            vec![ratio(1, 1); 2],
            vec![ratio(1, 1), ratio(0, 1)],
        )
    }

    #[test]
    fn hessians_here_agree_with_the_pullback_in_fractions() {
        let effort = Effort { seed: 3, instances: 40 };
        let random = (0..40).map(|i| Family::random(&mut effort.random("box", i), 2));
        for family in corners().into_iter().chain(random) {
            let exact = family.hessian::<Rational>(Family::hessian_product).unwrap();
            let here = hessian(&family, &logits(&family)).unwrap();
            let scale = exact.iter().map(|x| x.approximate().abs()).fold(1e-9, f64::max);
            for (x, y) in exact.iter().zip(&here) {
                assert!((x.approximate() - y).abs() <= 1e-7 * scale, "{x} {y}");
            }
        }
    }

    #[test]
    fn interval_hessians_contain_those_of_their_members() {
        let effort = Effort { seed: 4, instances: 20 };
        for i in 0..20 {
            let mut rng = effort.random("members", i);
            let family = Family { gamma: ratio(1, 2), ..Family::random(&mut rng, 2) };
            let centre = logits(&family);
            let sides: Vec<Interval> = centre.iter().map(|&x| side(x, 0.125)).collect();
            let Some(set) = hessian(&family, &sides) else { continue };
            for _ in 0..10 {
                let member: Vec<f64> =
                    sides.iter().map(|s| rng.random_range(s.lower()..=s.upper())).collect();
                let entries = hessian(&family, &member).unwrap();
                for (set, x) in set.iter().zip(&entries) {
                    assert!(
                        set.lower() - ILL_CONDITIONED <= *x && *x <= set.upper() + ILL_CONDITIONED,
                        "{set:?} {x}"
                    );
                }
            }
        }
    }

    /// The known maximum decides: 1 % above it is proved, 0.1 % below refuted,
    /// and few boxes decide nothing.
    #[test]
    fn the_norm_of_a_bandit_is_decided_closely() {
        let sides = [Interval::point(0.0), side(0.0, 2.0)];
        let limit = |n: i64| Between::sqrt(&ratio(4, 27)).times(&ratio(n, 1000));
        let decide = |n: i64, boxes: usize| decide_on_box(&bandit(), &sides, &limit(n), boxes);
        let most = 2.0 / 27f64.sqrt();
        match decide(1010, 20_000) {
            BoxVerdict::Proved { boxes, largest } => {
                assert!(boxes > 1 && largest <= most * (1.0 + ILL_CONDITIONED))
            }
            other => panic!("{other:?}"),
        }
        match decide(999, 20_000) {
            BoxVerdict::Refuted { point, margin } => {
                assert!((-0.002..0.0).contains(&margin));
                let there = hessian(&bandit(), &point).unwrap();
                assert!(crate::spectral::norm(2, &there).0 > most * 0.999);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(decide(1001, 10), BoxVerdict::Undecided { boxes: 9..=10, left: 1.. }));
    }

    /// Away from where it curves, the same limit that fails on the whole holds.
    #[test]
    fn the_box_matters() {
        let limit = Between::exactly(ratio(1, 5));
        let on = |x: f64| decide_on_box(&bandit(), &[side(0.0, 0.5), side(x, 0.5)], &limit, 5000);
        assert!(matches!(on(4.0), BoxVerdict::Proved { .. }));
        assert!(matches!(on(1.3), BoxVerdict::Refuted { .. }));
    }
}
