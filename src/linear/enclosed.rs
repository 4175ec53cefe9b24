//! Enclosing arithmetics: a double solution, refined, with a proven bound.

use super::{Factorisation, Lu, Resolvent, SolveError};
use crate::arithmetic::Field;
use crate::arithmetic::rounding::{add_up, div_up};

/// A [`Field`] whose elements are sets with a centre.
pub trait Enclosure: Field {
    /// A set of one number, near the middle.
    fn centre(&self) -> Self;

    /// A lower bound of every member.
    fn lower_bound(&self) -> f64;
}

/// Solves `(I - gamma P) x = b` for sets of matrices and right-hand sides.
///
/// For any `x` and every member of the sets,
/// `||(I - gamma P)^{-1} b - x||_inf <= ||b - (I - gamma P) x||_inf / g` and
/// `||(I - gamma P)^{-T} b - x||_1 <= ||b - (I - gamma P)^T x||_1 / g` with
/// `g = 1 - gamma max_s sum_t |P[s,t]|`. The point `x` comes from doubles and is
/// refined while its residual shrinks.
pub struct Enclosed<T> {
    resolvent: Resolvent<T>,
    midpoint: Lu,
    /// A lower bound of `1 - gamma max_s sum_t |P[s,t]|` over all members.
    gap: f64,
}

/// More refinements than this never help: a useful one gains a decimal digit.
const REFINEMENTS: usize = 40;

impl<T: Enclosure> Enclosed<T> {
    fn refine(
        &self,
        b: &[T],
        solve: impl Fn(&[f64]) -> Vec<f64>,
        apply: impl Fn(&[T]) -> Vec<T>,
        size: impl Fn(&[T]) -> f64,
    ) -> Vec<T> {
        let middle = |v: &[T]| v.iter().map(T::approximate).collect::<Vec<f64>>();
        let mut best: Vec<T> = solve(&middle(b)).into_iter().map(T::from_f64).collect();
        let residual = |x: &[T]| -> Vec<T> {
            apply(x).into_iter().zip(b).map(|(product, b)| b.clone() - product).collect()
        };
        let mut rest = residual(&best);
        let mut bound = size(&rest);
        for _ in 0..REFINEMENTS {
            let step = solve(&middle(&rest));
            let next: Vec<T> =
                best.iter().zip(step).map(|(x, dx)| (x.clone() + T::from_f64(dx)).centre()).collect();
            let next_rest = residual(&next);
            let next_bound = size(&next_rest);
            let better = next_bound < bound;
            let worthwhile = next_bound < 0.1 * bound;
            if better {
                (best, rest, bound) = (next, next_rest, next_bound);
            }
            if !worthwhile {
                break;
            }
        }
        let error = if bound == 0.0 { 0.0 } else { div_up(bound, self.gap) };
        best.into_iter().map(|x| x.widened(error)).collect()
    }
}

/// The largest absolute value; not a number where any entry is not.
fn largest<T: Field>(v: &[T]) -> f64 {
    let not_nan_max = |m: f64, x: f64| if x > m || x.is_nan() { x } else { m };
    v.iter().map(T::magnitude).fold(0.0, not_nan_max)
}

/// The sum of absolute values, rounded up.
fn sum<T: Field>(v: &[T]) -> f64 {
    v.iter().map(T::magnitude).fold(0.0, add_up)
}

impl<T: Enclosure> Factorisation<T> for Enclosed<T> {
    fn new(resolvent: Resolvent<T>) -> Result<Self, SolveError> {
        let middle =
            Resolvent { chain: resolvent.chain.map(T::approximate), gamma: resolvent.gamma.approximate() };
        let midpoint = Lu::new(middle)?;
        let gaps = (0..resolvent.n_states()).map(|s| resolvent.contraction_gap(s).lower_bound());
        let gap = gaps.fold(1.0, f64::min);
        Ok(Self { resolvent, midpoint, gap })
    }

    fn solve(&self, b: &[T]) -> Vec<T> {
        self.refine(b, |b| self.midpoint.solve(b), |x| self.resolvent.apply(x), largest)
    }

    fn solve_transposed(&self, b: &[T]) -> Vec<T> {
        self.refine(b, |b| self.midpoint.solve_transposed(b), |x| self.resolvent.apply_transposed(x), sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Ball, Interval};
    use crate::linear::Rows;

    fn interval(lower: f64, upper: f64) -> Interval {
        Interval::new(lower, upper).unwrap()
    }

    /// Every corner of a set of systems, solved in doubles, lies in the set of
    /// solutions, for the system and its transpose.
    #[test]
    fn sets_of_systems_enclose_the_solutions_of_their_members() {
        let ends = [(0.2, 0.3), (0.5, 0.7), (-0.25, 0.25), (0.5, 0.75)];
        let sets = ends.map(|(lower, upper)| interval(lower, upper)).to_vec();
        let b = [interval(1.0, 1.25), interval(-2.0, -1.0)];
        let gamma = interval(0.4, 0.5);
        let enclosed = Enclosed::new(Resolvent::new(Rows::dense(2, sets), gamma).unwrap()).unwrap();
        let (x, y) = (enclosed.solve(&b), enclosed.solve_transposed(&b));
        for corner in 0..1 << 7 {
            let pick =
                |bit: usize, (lower, upper): (f64, f64)| if corner >> bit & 1 == 0 { lower } else { upper };
            let p = (0..4).map(|i| pick(i, ends[i])).collect();
            let b = [pick(4, (1.0, 1.25)), pick(5, (-2.0, -1.0))];
            let gamma = pick(6, (0.4, 0.5));
            let lu = Lu::new(Resolvent::new(Rows::dense(2, p), gamma).unwrap()).unwrap();
            for (set, member) in x.iter().zip(lu.solve(&b)).chain(y.iter().zip(lu.solve_transposed(&b))) {
                assert!(set.lower() - 1e-12 <= member && member <= set.upper() + 1e-12, "{set:?}, {member}");
            }
        }
        assert!(x.iter().all(|set| set.width() < 40.0));
    }

    /// With a wide right-hand side the bound is all that there is: the radius
    /// over `1 - gamma`.
    #[test]
    fn the_bound_is_the_residual_over_the_gap() {
        let one = interval(1.0, 1.0);
        let resolvent = Resolvent::new(Rows::dense(1, vec![one]), interval(0.75, 0.75)).unwrap();
        let enclosed = Enclosed::new(resolvent).unwrap();
        let b = [interval(-1.0, 1.0)];
        assert_eq!(enclosed.solve(&b), [interval(-4.0, 4.0)]);
        assert_eq!(enclosed.solve_transposed(&b), [interval(-4.0, 4.0)]);
    }

    /// Refinement makes the bound of a point system as small as the arithmetic
    /// can: far below what one solve in doubles leaves.
    #[test]
    fn refinement_reaches_the_last_digits_of_the_centre() {
        let n = 40;
        let weight = |s: usize, t: usize| ((s * 7 + t * 13) % 11 + 1) as f64;
        let total = |s: usize| (0..n).map(|t| weight(s, t)).sum::<f64>();
        let entry = |i: usize| Ball::from_f64(weight(i / n, i % n)) / Ball::from_f64(total(i / n));
        let chain = Rows::dense(n, (0..n * n).map(entry).collect());
        let enclosed = Enclosed::new(Resolvent::new(chain, Ball::from_f64(0.999)).unwrap()).unwrap();
        let b: Vec<Ball> = (0..n).map(|s| Ball::from_f64((s % 3) as f64)).collect();
        for x in enclosed.solve(&b).into_iter().chain(enclosed.solve_transposed(&b)) {
            assert!(x.upper() - x.lower() <= 2.0 * x.magnitude() * f64::EPSILON);
            assert!((x - x.centre()).magnitude() <= 1e-23, "{x:?}");
        }
    }

    #[test]
    fn sizes_are_norms() {
        let v = [interval(-3.0, 1.0), interval(0.5, 2.0)];
        assert_eq!((largest(&v), sum(&v)), (3.0, 5.0));
        assert!(largest(&[f64::NAN, 1.0]).is_nan());
    }
}
