//! RR: repeated regularised retraining contracts to the stable point.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Dual, Field, Rational, ratio};
use pemdp::policy::Policy;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::affine_case::AffineCase;
use crate::case::{Case, random_fraction, short_fraction};
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Picture, Series, Style, Verdict};
use crate::exact::{Between, identity_margin, margin};
use crate::parallel;
use crate::survey::{Outcome, refute, survey};

/// Contraction of repeated retraining.
pub static RR: Claim = Claim {
    id: "RR",
    title: "Repeated retraining contracts",
    statement: "d_{t+1} = argmax_d <d, r_t> - (lambda/2) ||d||^2 over the occupancies of P_t converges linearly to the stable \
                point when lambda exceeds a threshold of order S^{3/2} (eps_r + S eps_p)/(1-gamma)^4",
    source: "[Mandal2023]; the order from memory, the constant is not at hand",
    hypotheses: "d not normalised; P and r (eps_p, eps_r)-Lipschitz in d",
    expected: Verdict::Underspecified,
    finding: "Without the constant there is nothing to refute. In the bandit family the exact threshold is b(1-gamma)/2: \
              above it every step contracts, at or below it there are cycles of period 2. Elsewhere the factor at \
              the stable point is measured.",
    repair: Some("The constant of the threshold and the norms of the sensitivities."),
    theory: "theory/retraining.md",
    check,
    mutants,
};

/// One state and two actions whose rewards differ by `level - slope p`, with
/// `p = pi(0)`, and two policies.
#[derive(Debug, Clone, PartialEq)]
struct Bandit {
    gamma: Rational,
    /// lambda, positive.
    regularisation: Rational,
    level: Rational,
    /// Positive: what is chosen often becomes worse.
    slope: Rational,
    policies: [Rational; 2],
}

impl Bandit {
    /// The best response, in place of `d[0]/T`, before it is clipped to [0, 1].
    fn unclipped(&self, p: &Rational) -> Rational {
        let advantage = &self.level - &self.slope * p;
        let short = Rational::one() - &self.gamma;
        ratio(1, 2) + short * advantage / (&self.regularisation * ratio(2, 1))
    }

    fn response(&self, p: &Rational) -> Rational {
        self.unclipped(p).clamp(Rational::zero(), Rational::one())
    }

    /// `slope (1-gamma)/(2 lambda)`: minus the derivative of the response.
    fn factor(&self) -> Rational {
        &self.slope * (Rational::one() - &self.gamma) / (&self.regularisation * ratio(2, 1))
    }

    /// The stable policy, where it is inside.
    fn stable(&self) -> Option<Rational> {
        let start = self.unclipped(&Rational::zero());
        let p = start / (self.factor() + Rational::one());
        (p.is_positive() && p < Rational::one()).then_some(p)
    }

    /// Two policies, each the best response to the other.
    fn cycle(&self) -> Option<[Rational; 2]> {
        let first = self.response(&Rational::zero());
        let second = self.response(&first);
        let third = self.response(&second);
        (third == first && first != second).then_some([first, second])
    }

    /// Neither action is better at the middle, and the regularisation is at its
    /// threshold.
    fn at_threshold() -> Self {
        Self {
            gamma: ratio(1, 2),
            regularisation: ratio(1, 4),
            level: ratio(1, 2),
            slope: ratio(1, 1),
            policies: [ratio(1, 4), ratio(3, 4)],
        }
    }
}

impl Case for Bandit {
    fn corners() -> Vec<Self> {
        let at = Self::at_threshold;
        vec![
            at(),
            Self { regularisation: ratio(1, 100), ..at() },
            Self { regularisation: ratio(26, 100), ..at() },
            Self { regularisation: ratio(1, 10), level: ratio(3, 4), ..at() },
            Self { gamma: ratio(99, 100), ..at() },
        ]
    }

    fn random(rng: &mut ChaCha8Rng, _size: usize) -> Self {
        let slope = ratio(rng.random_range(1..20), 10);
        let level = &slope * ratio(rng.random_range(1..10), 10) + random_fraction(rng, 1, 20) * ratio(1, 4);
        Self {
            gamma: ratio(rng.random_range(0..20), 20),
            regularisation: ratio(rng.random_range(1..60), 40),
            level,
            slope,
            policies: [ratio(rng.random_range(0..=20), 20), ratio(rng.random_range(0..=20), 20)],
        }
    }

    fn coordinates(&self) -> Vec<f64> {
        vec![self.regularisation.approximate().ln(), self.level.approximate(), self.slope.approximate().ln()]
    }

    fn moved(&self, x: &[f64]) -> Self {
        let at = |i: usize| x.get(i).copied().unwrap_or(0.0).clamp(-4.0, 4.0);
        Self {
            regularisation: short_fraction(at(0).exp()),
            level: short_fraction(at(1)),
            slope: short_fraction(at(2).exp()),
            ..self.clone()
        }
    }

    fn simpler(&self) -> Vec<Self> {
        let all = [
            Self { gamma: ratio(0, 1), ..self.clone() },
            Self { policies: [ratio(0, 1), ratio(1, 1)], ..self.clone() },
            Self { slope: ratio(1, 1), level: ratio(1, 2), ..self.clone() },
        ];
        all.into_iter().filter(|bandit| bandit != self).collect()
    }

    fn to_json(&self) -> Value {
        json!({
            "gamma": self.gamma.to_string(),
            "regularisation": self.regularisation.to_string(),
            "advantage": [self.level.to_string(), self.slope.to_string()],
            "policies": self.policies.each_ref().map(ToString::to_string),
        })
    }
}

/// With the claimed factor `f`: two responses differ by `-f` times what the
/// policies do (by less where they are clipped), and there is a cycle of period
/// 2 exactly where `f >= 1`.
fn test(bandit: &Bandit, factor: impl Fn(&Bandit) -> Rational) -> Outcome {
    let factor = factor(bandit);
    let Some(stable) = bandit.stable() else { return Outcome::OutOfScope };
    if bandit.response(&stable) != stable {
        return Outcome::Decided(-1.0);
    }
    let [p, r] = &bandit.policies;
    let (distance, moved) = (p - r, bandit.response(p) - bandit.response(r));
    let is_inside = |p: &Rational| bandit.response(p) == bandit.unclipped(p);
    let contraction = if is_inside(p) && is_inside(r) {
        Some(identity_margin(&[moved], &[-&factor * &distance]))
    } else {
        let [left, right] = [moved.abs(), &factor * distance.abs()].map(Between::exactly);
        margin(&left, &right)
    };
    let cycles = bandit.cycle().is_some() == (factor >= Rational::one());
    contraction.map(|margin| if cycles { margin } else { margin.min(-1.0) }).into()
}

/// The solution of a small linear system, by elimination; `None` where it is
/// singular.
fn solve<T: Field>(mut matrix: Vec<Vec<T>>, mut right: Vec<T>) -> Option<Vec<T>> {
    let n = right.len();
    for k in 0..n {
        let size = |i: &usize| matrix[*i][k].approximate().abs();
        let pivot = (k..n).max_by(|i, j| size(i).total_cmp(&size(j)))?;
        if size(&pivot) == 0.0 {
            return None;
        }
        matrix.swap(k, pivot);
        right.swap(k, pivot);
        for i in k + 1..n {
            let factor = matrix[i][k].clone() / &matrix[k][k];
            for j in k..n {
                let change = matrix[k][j].clone() * &factor;
                matrix[i][j] -= change;
            }
            let change = right[k].clone() * &factor;
            right[i] -= change;
        }
    }
    for k in (0..n).rev() {
        for j in k + 1..n {
            let change = matrix[k][j].clone() * &right[j];
            right[k] -= change;
        }
        right[k] = right[k].clone() / &matrix[k][k];
    }
    Some(right)
}

/// The best response to an occupancy: the maximum of
/// `<d, r> - (lambda/2) ||d||^2` on the occupancies of the induced kernel,
/// without the constraint `d >= 0`. Where the result is positive the constraint
/// does not bind.
fn best_response<T: Field>(case: &AffineCase, occupancy: &[T], regularisation: &T) -> Option<Vec<T>> {
    let (n_states, n_actions) = (case.n_states(), case.n_actions);
    let mut entries = Vec::with_capacity(occupancy.len());
    for row in occupancy.chunks(n_actions) {
        let total = row.iter().fold(T::zero(), |sum, d| sum + d);
        entries.extend(row.iter().map(|d| d.clone() / &total));
    }
    let policy = Policy::probabilities(n_states, n_actions, entries).ok()?;
    let problem = case.problem::<T>();
    let induced = problem.response.induce(&policy).ok()?;
    // Flow constraints M d = rho, M[t][s,a] = [s = t] - gamma P(t|s,a).
    let flow: Vec<Vec<T>> = (0..n_states)
        .map(|t| {
            let entry = |i: usize| {
                let own = if i / n_actions == t { T::one() } else { T::zero() };
                own - induced.kernel.probability(i / n_actions, i % n_actions, t) * &problem.gamma
            };
            (0..n_states * n_actions).map(entry).collect()
        })
        .collect();
    let dot = |x: &[T], y: &[T]| T::sum_of_products(x.iter().zip(y));
    let gram = flow.iter().map(|x| flow.iter().map(|y| dot(x, y)).collect()).collect();
    let right = flow.iter().zip(&problem.initial);
    let right = right.map(|(row, rho)| dot(row, &induced.rewards) - rho.clone() * regularisation).collect();
    // r - lambda d = M^T y and M d = rho.
    let multipliers = solve(gram, right)?;
    let response = (0..n_states * n_actions).map(|i| {
        let price = flow.iter().zip(&multipliers).fold(T::zero(), |sum, (row, y)| sum + row[i].clone() * y);
        (induced.rewards[i].clone() - price) / regularisation
    });
    Some(response.collect())
}

/// Steps of Newton's method for the stable point.
const NEWTON: usize = 20;

/// The stable occupancy near `start` and the derivative of the best response
/// there, row by row; `None` where an entry is not positive.
fn stable_point(case: &AffineCase, regularisation: f64, start: &[f64]) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let n = start.len();
    let mut d = start.to_vec();
    for _ in 0..NEWTON {
        let response = best_response(case, &d, &regularisation)?;
        let mut columns = Vec::with_capacity(n);
        for k in 0..n {
            let along = d.iter().enumerate().map(|(i, &d)| Dual::new(d, if i == k { 1.0 } else { 0.0 }));
            let along: Vec<_> = along.collect();
            let response = best_response(case, &along, &Dual::constant(regularisation))?;
            columns.push(response.into_iter().map(|x| x.derivative).collect::<Vec<_>>());
        }
        let jacobian: Vec<Vec<f64>> = (0..n).map(|i| columns.iter().map(|c| c[i]).collect()).collect();
        let residual: Vec<f64> = response.iter().zip(&d).map(|(response, d)| response - d).collect();
        let size: f64 = residual.iter().map(|x| x.abs()).sum();
        if size < 1e-11 {
            return Some((d, jacobian));
        }
        let mut system: Vec<Vec<f64>> = jacobian.iter().map(|row| row.iter().map(|x| -x).collect()).collect();
        for (i, row) in system.iter_mut().enumerate() {
            row[i] += 1.0;
        }
        let step = solve(system, residual)?;
        for (d, step) in d.iter_mut().zip(step) {
            *d += step;
        }
        if d.iter().any(|&d| d.is_nan() || d <= 1e-9) {
            return None;
        }
    }
    None
}

/// The spectral radius, from the growth of the powers 2^k.
fn spectral_radius(mut matrix: Vec<Vec<f64>>) -> f64 {
    let mut logarithm = 0.0;
    let mut weight = 1.0;
    for _ in 0..12 {
        let size = matrix.iter().flatten().map(|x| x.abs()).fold(0.0, f64::max);
        if size == 0.0 {
            return 0.0;
        }
        logarithm += weight * size.ln();
        for x in matrix.iter_mut().flatten() {
            *x /= size;
        }
        let n = matrix.len();
        let product = |i: usize, j: usize| (0..n).map(|k| matrix[i][k] * matrix[k][j]).sum::<f64>();
        matrix = (0..n).map(|i| (0..n).map(|j| product(i, j)).collect()).collect();
        weight /= 2.0;
    }
    logarithm.exp()
}

/// A random environment for retraining; every other one without a reward
/// difference at the uniform policy, so that the stable point stays inside.
fn environment(rng: &mut ChaCha8Rng, index: u64) -> AffineCase {
    let mut case = AffineCase::random(rng, 2 + (index % 2) as usize);
    case.gamma = [ratio(0, 1), ratio(1, 4), ratio(1, 2), ratio(3, 4)][rng.random_range(0..4)].clone();
    if index.is_multiple_of(2) {
        let reach: Rational = case.reward_statistic.iter().sum();
        let middle = reach / Rational::from_integer(case.n_actions.into());
        for (from, to) in case.rewards.iter_mut().zip(&mut case.moved_rewards) {
            let change = (&*to - &*from) * ratio(1, 2);
            *from = ratio(1, 2) - &middle * &change;
            *to = &*from + change;
        }
    }
    case
}

/// Where the contraction factor at the stable point passes 1.
struct Threshold {
    /// The regularisation there.
    regularisation: f64,
    /// `S^{3/2} (eps_r + S eps_p)/(1-gamma)^4` with the local sensitivities.
    order: f64,
    /// Regularisations and factors on the way.
    path: Vec<(f64, f64)>,
}

/// What following the stable point from a large regularisation downwards ends
/// at.
enum Descent {
    Threshold(Threshold),
    /// An entry of the occupancy reaches 0 before: out of scope.
    Boundary,
    /// It contracts for every regularisation tried.
    Contracting,
}

/// The largest regularisation, how often it is divided by sqrt 2, and the steps
/// of the bisection.
const LARGEST: f64 = 64.0;
const HALVINGS: i32 = 40;
const BISECTIONS: usize = 40;

fn descend(case: &AffineCase) -> Descent {
    let total = case.horizon().approximate();
    let share = total / case.policy.len() as f64;
    let mut start = vec![share; case.policy.len()];
    let mut path = Vec::new();
    for k in 0..HALVINGS {
        let regularisation = LARGEST * 2f64.powf(-0.5 * f64::from(k));
        let Some((d, jacobian)) = stable_point(case, regularisation, &start) else {
            return Descent::Boundary;
        };
        let factor = spectral_radius(jacobian);
        path.push((regularisation, factor));
        if factor >= 1.0 && k > 0 {
            let (mut low, mut high) = (regularisation, regularisation * 2f64.sqrt());
            for _ in 0..BISECTIONS {
                let middle = (low * high).sqrt();
                match stable_point(case, middle, &start) {
                    Some((_, jacobian)) if spectral_radius(jacobian.clone()) < 1.0 => high = middle,
                    Some(_) => low = middle,
                    None => return Descent::Boundary,
                }
            }
            let Some((d, _)) = stable_point(case, high, &start) else { return Descent::Boundary };
            return Descent::Threshold(Threshold { regularisation: high, order: order(case, &d), path });
        }
        start = d;
    }
    Descent::Contracting
}

/// `S^{3/2} (eps_r + S eps_p)/(1-gamma)^4`, with the 2-norms of the derivatives of
/// r and P with respect to the occupancy at this point.
fn order(case: &AffineCase, d: &[f64]) -> f64 {
    let n_actions = case.n_actions;
    // The derivative of sum_a c[s,a] d[s,a]/d[s].
    let slope = |statistic: &[Rational]| {
        let mut square = 0.0;
        for (c, d) in statistic.chunks(n_actions).zip(d.chunks(n_actions)) {
            let total: f64 = d.iter().sum();
            let mean = c.iter().zip(d).map(|(c, d)| c.approximate() * d).sum::<f64>() / total;
            square += c.iter().map(|c| ((c.approximate() - mean) / total).powi(2)).sum::<f64>();
        }
        square.sqrt()
    };
    let [kernel_move, reward_move] = case.squared_moves().map(|square| square.approximate().sqrt());
    let eps_p = kernel_move * slope(&case.transition_statistic);
    let eps_r = reward_move * slope(&case.reward_statistic);
    let s = case.n_states() as f64;
    s.powf(1.5) * (eps_r + s * eps_p) * case.horizon().approximate().powi(4)
}

/// How many curves the picture shows.
const CURVES: usize = 8;

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Underspecified, Evidence::Exact);
    let exact = survey(effort, "RR", |bandit: &Bandit| test(bandit, Bandit::factor));
    exact.count_into(&mut finding);
    if exact.margin().is_none_or(|margin| margin < 0.0) {
        finding.verdict = Verdict::Refuted;
        finding.notes.push("The exact factor of the bandit family fails, which the proof excludes.".into());
    } else {
        finding.notes.push(format!(
            "In the bandit family the factor b(1-gamma)/(2 lambda) is exact, and there is a cycle exactly where it is at \
             least 1, on {} instances.",
            exact.decided
        ));
    }
    // At the threshold any two policies with the stable one in the middle.
    let at = Bandit::at_threshold();
    let below = Bandit { regularisation: ratio(1, 10), level: ratio(3, 4), ..Bandit::at_threshold() };
    let is_cycle = |b: &Bandit, [p, r]: &[Rational; 2]| p != r && b.response(p) == *r && b.response(r) == *p;
    let cycles = [Some(at.policies.clone()), below.cycle()];
    for (name, bandit, cycle) in [("RR", &at, &cycles[0]), ("RR-below", &below, &cycles[1])] {
        match cycle {
            Some(cycle) if is_cycle(bandit, cycle) => finding.certificates.push(certificate::cycle(
                name,
                &bandit.gamma,
                &bandit.regularisation,
                [&bandit.level, &bandit.slope],
                cycle.each_ref(),
            )),
            _ => finding.verdict = Verdict::Supported,
        }
    }
    measure(effort, &mut finding);
    finding
}

/// Measures the threshold on random environments, in doubles.
fn measure(effort: &Effort, finding: &mut Finding) {
    let drawn = effort.instances.div_ceil(4);
    let descents: Vec<Descent> = parallel::map(drawn as usize, |i| {
        let i = i as u64;
        descend(&environment(&mut effort.random("RR, environments", i), i))
    });
    let thresholds: Vec<&Threshold> =
        descents.iter().filter_map(|d| if let Descent::Threshold(t) = d { Some(t) } else { None }).collect();
    let outside = descents.iter().filter(|d| matches!(d, Descent::Boundary)).count();
    let ratios = || thresholds.iter().map(|t| t.regularisation / t.order);
    let (low, high) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
    finding.notes.push(format!(
        "Of {drawn} random environments (doubles) the factor at the stable point passes 1 on {}, on {outside} an occupancy \
         reaches 0 before (out of scope), the rest contract for every lambda tried.",
        thresholds.len(),
    ));
    if !thresholds.is_empty() {
        finding.notes.push(format!(
            "The measured threshold is between {low:.1e} and {high:.1e} times the order with constant 1."
        ));
    }
    let scaled = |t: &&Threshold| -> Vec<(f64, f64)> {
        t.path.iter().map(|(l, factor)| (l / t.regularisation, *factor)).filter(|p| p.0 <= 32.0).collect()
    };
    let mut series: Vec<Series> = thresholds
        .iter()
        .take(CURVES)
        .enumerate()
        .map(|(i, t)| Series {
            label: if i == 0 { "random environments".into() } else { String::new() },
            points: scaled(t),
            style: Style::Line,
        })
        .collect();
    let bandit = (-2..=10).map(|k| 2f64.powf(f64::from(k) / 2.0)).map(|x| (x, 1.0 / x)).collect();
    series.push(Series { label: "bandit (exact)".into(), points: bandit, style: Style::Dashed });
    finding.pictures.push(Picture {
        name: "RR-contraction".into(),
        title: "Contraction of repeated retraining".into(),
        caption: "The spectral radius of the derivative of the best response at the stable point, against lambda over the \
                  value where it passes 1. Below 1 retraining converges nearby."
            .into(),
        axes: ["lambda / threshold".into(), "contraction factor".into()],
        logarithmic: [true, true],
        series,
    });
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, factor: fn(&Bandit) -> Rational| {
        Mutant::new(name, move |effort| {
            let test = |bandit: &Bandit| test(bandit, factor);
            refute(effort, &format!("RR, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        mutant("factor without 1-gamma", |b| b.factor() / (Rational::one() - &b.gamma)),
        mutant("factor without 1/2", |b| b.factor() * ratio(2, 1)),
        mutant("factor of the other sign", |b| -b.factor()),
        mutant("threshold lowered tenfold", |b| b.factor() * ratio(1, 10)),
        mutant("occupancy normalised", |b| b.factor() * (Rational::one() - &b.gamma)),
        mutant("contraction for every lambda", |b| b.factor().min(ratio(1, 1) - ratio(1, 1000))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_response_is_the_bandits() {
        // r(0) - r(1) = 1/2 - p, as the difference of 3/4 - p/2 and 1/4 + p/2.
        let case = AffineCase {
            gamma: ratio(1, 2),
            rewards: vec![ratio(3, 4), ratio(1, 4)],
            moved_rewards: vec![ratio(1, 4), ratio(3, 4)],
            ..AffineCase::two_basins()
        };
        let bandit = Bandit { regularisation: ratio(2, 3), ..Bandit::at_threshold() };
        for n in 1..8 {
            let p = ratio(n, 8);
            let d = vec![&p * ratio(2, 1), (ratio(1, 1) - &p) * ratio(2, 1)];
            let response = best_response(&case, &d, &bandit.regularisation).unwrap();
            assert_eq!(response[0], bandit.response(&p) * ratio(2, 1));
            assert_eq!(&response[0] + &response[1], ratio(2, 1), "the flow constraint");
        }
    }

    #[test]
    fn spectral_radii_of_rotations_and_diagonals() {
        let radius = |entries: [[f64; 2]; 2]| spectral_radius(entries.map(|row| row.to_vec()).to_vec());
        assert!((radius([[0.0, -2.0], [2.0, 0.0]]) - 2.0).abs() < 1e-3);
        assert!((radius([[-0.5, 1.0], [0.0, 0.25]]) - 0.5).abs() < 1e-2);
    }
}
