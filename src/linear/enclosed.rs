//! Enclosing arithmetics: a solution that is nearly right, refined, with a proven bound.

use std::fmt::Debug;

use super::{Factorisation, Resolvent, SolveError};
use crate::arithmetic::Field;
use crate::arithmetic::rounding::{add_up, div_up, mul_up};

/// A [`Field`] whose elements are sets with a centre.
pub trait Enclosure: Field {
    /// Bounds of absolute values.
    type Size: Size;

    /// Solves near a system of members.
    type Approximate: Approximate<Self>;

    /// A set of one number, near the middle.
    fn centre(&self) -> Self;

    /// An upper bound of the absolute value of every member.
    fn size(&self) -> Self::Size;

    /// A lower bound of every member; of a set that is not positive, 0.
    fn least(&self) -> Self::Size;

    /// An element that also contains everything within `slack` of this one.
    fn widened_by(self, slack: Self::Size) -> Self;
}

/// Bounds of nonnegative reals. What is not known is larger than all that is.
pub trait Size: Copy + Debug + Send + Sync {
    /// 0.
    const ZERO: Self;

    /// The larger one.
    fn larger(self, other: Self) -> Self;

    /// The smaller one.
    fn smaller(self, other: Self) -> Self;

    /// The sum, rounded up.
    fn plus(self, other: Self) -> Self;

    /// An upper bound over a lower one, rounded up; `0/0 = 0`.
    fn over(self, divisor: Self) -> Self;

    /// The product, rounded up; 0 if a factor is.
    fn times(self, other: Self) -> Self;

    /// Whether it is smaller than another one, by a factor.
    fn is_below(self, other: Self, factor: u32) -> bool;
}

impl Size for f64 {
    const ZERO: Self = 0.0;

    fn larger(self, other: Self) -> Self {
        if other > self || other.is_nan() { other } else { self }
    }

    fn smaller(self, other: Self) -> Self {
        self.min(other)
    }

    fn plus(self, other: Self) -> Self {
        add_up(self, other)
    }

    fn over(self, divisor: Self) -> Self {
        if self == 0.0 { 0.0 } else { div_up(self, divisor) }
    }

    fn times(self, other: Self) -> Self {
        if self == 0.0 || other == 0.0 { 0.0 } else { mul_up(self, other) }
    }

    fn is_below(self, other: Self, factor: u32) -> bool {
        self < other / f64::from(factor)
    }
}

/// Solves near systems of an enclosing arithmetic.
pub trait Approximate<T>: Sized + Send + Sync {
    /// Factorises `I - gamma P` for members near the centres.
    ///
    /// # Errors
    /// [`SolveError::Singular`] where no usable pivot is left.
    fn near(resolvent: &Resolvent<T>) -> Result<Self, SolveError>;

    /// Points near the solution of `(I - gamma P) x = b`.
    fn solve_near(&self, b: &[T]) -> Vec<T>;

    /// Points near the solution of `(I - gamma P)^T x = b`.
    fn solve_transposed_near(&self, b: &[T]) -> Vec<T>;
}

/// Solves `(I - gamma P) x = b` for sets of matrices and right-hand sides.
///
/// For any `x` and every member of the sets,
/// `||(I - gamma P)^{-1} b - x||_inf <= ||b - (I - gamma P) x||_inf / g` and
/// `||(I - gamma P)^{-T} b - x||_1 <= ||b - (I - gamma P)^T x||_1 / g` with
/// `g = 1 - gamma max_s sum_t |P[s,t]|`. Where this is small, or 0, weights `w > 0` with
/// `u = (I - gamma |P|) w > 0` do better:
/// `|(I - gamma P)^{-1} b - x|_s <= w_s max_t |residual_t|/u_t`, and
/// `|(I - gamma P)^{-T} b - x|_s <= sum_t w_t |residual_t|/u_s` (`docs/theory/bounds.md`,
/// section 4). The point `x` comes from a solution that
/// is nearly right and is refined while its residual shrinks.
pub struct Enclosed<T: Enclosure> {
    resolvent: Resolvent<T>,
    near: T::Approximate,
    contraction: Contraction<T::Size>,
}

/// What bounds errors by residuals.
enum Contraction<S> {
    /// A lower bound of `1 - gamma max_s sum_t |P[s,t]|` over all members.
    Gap(S),
    /// `w` from above and `u` from below.
    Weighted(Vec<S>, Vec<S>),
}

/// Weights are looked for where the gap is smaller than one over this.
const SMALL_GAP: u32 = 1024;

/// More refinements than this never help: a useful one gains a decimal digit.
const REFINEMENTS: usize = 40;

impl<T: Enclosure> Enclosed<T> {
    /// Weights that bound errors at least twice as well as the gap.
    fn weights(
        resolvent: &Resolvent<T>,
        near: &T::Approximate,
        gap: T::Size,
    ) -> Option<Contraction<T::Size>> {
        let ones = vec![T::one(); resolvent.n_states()];
        let weights: Vec<T> = near.solve_near(&ones).iter().map(T::centre).collect();
        if !weights.iter().all(|w| w.magnitude().is_finite()) {
            return None;
        }
        let gaps: Vec<T::Size> = resolvent.weighted_gaps(&weights)?.iter().map(T::least).collect();
        let nothing = T::Size::ZERO;
        if !gaps.iter().all(|gap| nothing.is_below(*gap, 1)) {
            return None;
        }
        let sizes: Vec<T::Size> = weights.iter().map(T::size).collect();
        let least = gaps.iter().copied().fold(gaps[0], T::Size::smaller);
        let most = sizes.iter().copied().fold(nothing, T::Size::larger).over(least);
        let is_better = !nothing.is_below(gap, 1) || most.times(gap).is_below(T::one().size(), 2);
        is_better.then_some(Contraction::Weighted(sizes, gaps))
    }

    /// Bounds of the error in each state, from the residual of a solution.
    fn errors(&self, rest: &[T], transposed: bool) -> (T::Size, impl Fn(usize) -> T::Size) {
        let bound = match (&self.contraction, transposed) {
            (Contraction::Gap(gap), false) => largest(rest).over(*gap),
            (Contraction::Gap(gap), true) => sum(rest).over(*gap),
            (Contraction::Weighted(_, gaps), false) => {
                let ratios = rest.iter().zip(gaps).map(|(x, gap)| x.size().over(*gap));
                ratios.fold(T::Size::ZERO, T::Size::larger)
            }
            (Contraction::Weighted(weights, _), true) => {
                let products = rest.iter().zip(weights).map(|(x, w)| x.size().times(*w));
                products.fold(T::Size::ZERO, T::Size::plus)
            }
        };
        let of_state = move |s: usize| match (&self.contraction, transposed) {
            (Contraction::Gap(_), _) => bound,
            (Contraction::Weighted(weights, _), false) => bound.times(weights[s]),
            (Contraction::Weighted(_, gaps), true) => bound.over(gaps[s]),
        };
        (bound, of_state)
    }

    fn refine(
        &self,
        b: &[T],
        solve: impl Fn(&[T]) -> Vec<T>,
        apply: impl Fn(&[T]) -> Vec<T>,
        transposed: bool,
    ) -> Vec<T> {
        let mut best = solve(b);
        let residual = |x: &[T]| -> Vec<T> {
            apply(x).into_iter().zip(b).map(|(product, b)| b.clone() - product).collect()
        };
        let mut rest = residual(&best);
        let mut bound = self.errors(&rest, transposed).0;
        for _ in 0..REFINEMENTS {
            let step = solve(&rest);
            let next: Vec<T> = best.iter().zip(step).map(|(x, dx)| (x.clone() + dx).centre()).collect();
            let next_rest = residual(&next);
            let next_bound = self.errors(&next_rest, transposed).0;
            let better = next_bound.is_below(bound, 1);
            let worthwhile = next_bound.is_below(bound, 10);
            if better {
                (best, rest, bound) = (next, next_rest, next_bound);
            }
            if !worthwhile {
                break;
            }
        }
        let (_, error) = self.errors(&rest, transposed);
        best.into_iter().enumerate().map(|(s, x)| x.widened_by(error(s))).collect()
    }
}

/// The largest absolute value.
fn largest<T: Enclosure>(v: &[T]) -> T::Size {
    v.iter().map(T::size).fold(T::Size::ZERO, T::Size::larger)
}

/// The sum of absolute values, rounded up.
fn sum<T: Enclosure>(v: &[T]) -> T::Size {
    v.iter().map(T::size).fold(T::Size::ZERO, T::Size::plus)
}

impl<T: Enclosure> Factorisation<T> for Enclosed<T> {
    fn new(resolvent: Resolvent<T>) -> Result<Self, SolveError> {
        let near = T::Approximate::near(&resolvent)?;
        let gaps = (0..resolvent.n_states()).map(|s| resolvent.contraction_gap(s).least());
        let gap = gaps.fold(T::one().least(), T::Size::smaller);
        let weights = || Self::weights(&resolvent, &near, gap);
        let weighted = if gap.is_below(T::one().size(), SMALL_GAP) { weights() } else { None };
        let contraction = match weighted {
            Some(weighted) => weighted,
            None if T::Size::ZERO.is_below(gap, 1) => Contraction::Gap(gap),
            None => return Err(SolveError::NotContracting { product: 1.0 }),
        };
        Ok(Self { resolvent, near, contraction })
    }

    fn solve(&self, b: &[T]) -> Vec<T> {
        self.refine(b, |b| self.near.solve_near(b), |x| self.resolvent.apply(x), false)
    }

    fn solve_transposed(&self, b: &[T]) -> Vec<T> {
        self.refine(b, |b| self.near.solve_transposed_near(b), |x| self.resolvent.apply_transposed(x), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Ball, Interval};
    use crate::linear::{Lu, Rows};
    use crate::tolerances::SOLVED;

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
        let enclosed = Enclosed::new(Resolvent::new(Rows::dense(2, sets).unwrap(), gamma).unwrap()).unwrap();
        let (x, y) = (enclosed.solve(&b), enclosed.solve_transposed(&b));
        for corner in 0..1 << 7 {
            let pick =
                |bit: usize, (lower, upper): (f64, f64)| if corner >> bit & 1 == 0 { lower } else { upper };
            let p = (0..4).map(|i| pick(i, ends[i])).collect();
            let b = [pick(4, (1.0, 1.25)), pick(5, (-2.0, -1.0))];
            let gamma = pick(6, (0.4, 0.5));
            let lu = Lu::new(Resolvent::new(Rows::dense(2, p).unwrap(), gamma).unwrap()).unwrap();
            for (set, member) in x.iter().zip(lu.solve(&b)).chain(y.iter().zip(lu.solve_transposed(&b))) {
                assert!(
                    set.lower() - SOLVED <= member && member <= set.upper() + SOLVED,
                    "{set:?}, {member}"
                );
            }
        }
        assert!(x.iter().all(|set| set.width() < 40.0));
    }

    /// With a wide right-hand side the bound is all that there is: the radius
    /// over `1 - gamma`.
    #[test]
    fn the_bound_is_the_residual_over_the_gap() {
        let one = interval(1.0, 1.0);
        let resolvent = Resolvent::new(Rows::dense(1, vec![one]).unwrap(), interval(0.75, 0.75)).unwrap();
        let enclosed = Enclosed::new(resolvent).unwrap();
        let b = [interval(-1.0, 1.0)];
        assert_eq!(enclosed.solve(&b), [interval(-4.0, 4.0)]);
        assert_eq!(enclosed.solve_transposed(&b), [interval(-4.0, 4.0)]);
    }

    /// Without a gap weights bound the errors: `w = (3, 1)` and `u = 1` where state 0 stays or ends
    /// in state 1 with probability 1/2.
    #[test]
    fn weights_bound_what_no_gap_does() {
        let half = interval(0.5, 0.5);
        let chain = vec![half, half, interval(0.0, 0.0), interval(0.0, 0.0)];
        let chain = Rows::dense(2, chain).unwrap();
        let enclosed = Enclosed::new(Resolvent::new(chain, interval(1.0, 1.0)).unwrap()).unwrap();
        let b = [interval(-1.0, 1.0), interval(-1.0, 1.0)];
        // Of the values these are the solutions, of the visits a bound of them.
        assert_eq!(enclosed.solve(&b), [interval(-3.0, 3.0), interval(-1.0, 1.0)]);
        assert_eq!(enclosed.solve_transposed(&b), [interval(-4.0, 4.0), interval(-4.0, 4.0)]);
        // A way out whose probability may be 0 bounds nothing.
        let open = vec![interval(1.0, 1.0), interval(0.0, 1e-3), interval(0.0, 0.0), interval(0.0, 0.0)];
        let open = Resolvent::new(Rows::dense(2, open).unwrap(), interval(1.0, 1.0)).unwrap();
        assert!(Enclosed::new(open).is_err());
    }

    /// Refinement makes the bound of a point system as small as the arithmetic
    /// can: far below what one solve in doubles leaves.
    #[test]
    fn refinement_reaches_the_last_digits_of_the_centre() {
        let n = 40;
        let weight = |s: usize, t: usize| ((s * 7 + t * 13) % 11 + 1) as f64;
        let total = |s: usize| (0..n).map(|t| weight(s, t)).sum::<f64>();
        let entry = |i: usize| Ball::from_f64(weight(i / n, i % n)) / Ball::from_f64(total(i / n));
        let chain = Rows::dense(n, (0..n * n).map(entry).collect()).unwrap();
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
        assert!(f64::NAN.larger(1.0).is_nan() && 1f64.larger(f64::NAN).is_nan());
    }

    #[test]
    fn sizes_are_below_others_by_a_factor() {
        assert!(1f64.is_below(11.0, 10) && !1f64.is_below(10.0, 10) && !2f64.is_below(11.0, 10));
        assert!(0f64.is_below(1.0, 10) && !1f64.is_below(f64::NAN, 1));
        assert_eq!((0f64.over(0.0), 1f64.over(4.0), 1f64.smaller(2.0)), (0.0, 0.25, 1.0));
    }
}
