//! L5c: how much a value can curve for any smooth parametrisation, by the
//! resolvent.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Dual, Field, Rational, ratio};
use pemdp::evaluate::evaluate;
use pemdp::mdp::{Kernel, Mdp};
use pemdp::policy::Policy;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::affine_case::centred;
use crate::case::{Case, random_fraction, short_fraction};
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::exact::{Between, margin};
use crate::family::{self, Family, first_state};
use crate::survey::{Outcome, attack, refute};

/// The resolvent bound.
pub static L5C: Claim = Claim {
    id: "L5c",
    title: "Smoothness for any parametrisation",
    statement: "|J''| <= 1/(1-gamma) { [C2_pi + 2 gamma C1_pi C1_P + gamma C2_P] Rbar/(1-gamma) + 2 C1_pi C1_r + C2_r \
                + 2 gamma (C1_pi + C1_P) [(C1_pi + gamma C1_P) Rbar/(1-gamma) + C1_r]/(1-gamma) }",
    source: "[derived]",
    hypotheses: "pi, P and r twice differentiable along a line; C1_pi >= sum_a |pi'(a|s)|, C1_P >= sum_t |P'(t|s,a)|, \
                 C2 the same for second derivatives, C_r suprema of absolute values",
    expected: Verdict::Proved,
    finding: "Order three, and its constant is attained: two states that pay 1/2 and -1/2 and \
              are kept with probability theta, at theta = 1.",
    repair: None,
    theory: "theory/smoothness.md",
    check,
    mutants,
};

/// A table with its first and second derivative along a line.
type Table = [Vec<Rational>; 3];

/// An MDP and a policy along a line, up to second order at one point. Rows of
/// probabilities sum to 1, their derivatives to 0.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    n_states: usize,
    n_actions: usize,
    gamma: Rational,
    /// `pi(a|s)` at `s A + a`.
    policy: Table,
    /// `P(t|s,a)` at `(s A + a) S + t`.
    kernel: Table,
    /// `r(s,a)` at `s A + a`.
    rewards: Table,
}

fn fractions(entries: &[i64]) -> Vec<Rational> {
    entries.iter().map(|&n| ratio(n, 1)).collect()
}

/// A value with its first and second derivative.
type Second = Dual<Dual<Rational>>;

fn second<T: Field>(table: &Table) -> Vec<Dual<Dual<T>>> {
    let entry = |i: usize| {
        let [x, dx, ddx] = [0, 1, 2].map(|order| T::from_rational(&table[order][i]));
        Dual::new(Dual::new(x, dx.clone()), Dual::new(dx, ddx))
    };
    (0..table[0].len()).map(entry).collect()
}

fn table(entries: impl Iterator<Item = Second>) -> Table {
    let mut table: Table = Default::default();
    for entry in entries {
        table[0].push(entry.value.value);
        table[1].push(entry.value.derivative);
        table[2].push(entry.derivative.derivative);
    }
    table
}

impl Line {
    /// A family along a direction of `theta`: `w exp(u x)` has the derivatives
    /// `w u` and `w u^2`.
    #[allow(clippy::expect_used)] // families respond to their own policies
    fn of_family(family: &Family, direction: &[Rational]) -> Self {
        let pairs = || family.weights.iter().zip(direction);
        let weights: Table = [
            family.weights.clone(),
            pairs().map(|(w, u)| w * u).collect(),
            pairs().map(|(w, u)| w * u * u).collect(),
        ];
        let (n_states, n_actions) = (family.n_states(), family.n_actions);
        let policy = Policy::weights(n_states, n_actions, second(&weights)).expect("weights are positive");
        let problem = family.problem::<Second>();
        let induced = problem.response.induce(&policy).expect("families respond");
        let mut kernel = vec![Second::zero(); n_states * n_actions * n_states];
        for s in 0..n_states {
            for a in 0..n_actions {
                for (t, p) in induced.kernel.row(s, a) {
                    kernel[(s * n_actions + a) * n_states + t] = p.clone();
                }
            }
        }
        let probabilities =
            (0..n_states * n_actions).map(|i| policy.probability(i / n_actions, i % n_actions).clone());
        Self {
            n_states,
            n_actions,
            gamma: family.gamma.clone(),
            policy: table(probabilities),
            kernel: table(kernel.into_iter()),
            rewards: table(induced.rewards.into_iter()),
        }
    }

    /// `V''(s)`.
    fn curvatures<T: Field>(&self) -> Option<Vec<T>> {
        let kernel = Kernel::dense(self.n_states, self.n_actions, second::<T>(&self.kernel)).ok()?;
        let initial = first_state(self.n_states).iter().map(Field::from_rational).collect();
        let gamma = Field::from_rational(&self.gamma);
        let mdp = Mdp::new(kernel, second::<T>(&self.rewards), initial, gamma).ok()?;
        let policy = Policy::probabilities(self.n_states, self.n_actions, second(&self.policy)).ok()?;
        let values = evaluate(&mdp, &policy, &Dual::<Dual<T>>::zero()).ok()?.state_values;
        Some(values.into_iter().map(|v| v.derivative.derivative).collect())
    }

    /// `max_s |V''(s)|`, at least `|J''|` for every initial distribution.
    fn curvature(&self) -> Option<Rational> {
        Some(largest(self.curvatures::<Rational>()?.into_iter().map(|x| x.abs())))
    }

    fn constants(&self) -> Constants {
        let rows = |entries: &[Rational], width: usize| {
            largest(entries.chunks(width).map(|row| row.iter().map(Signed::abs).sum()))
        };
        let size = |entries: &[Rational]| largest(entries.iter().map(Signed::abs));
        let [rewards, _, _] = &self.rewards;
        let range = largest(rewards.iter().cloned()) + largest(rewards.iter().map(|r| -r));
        Constants {
            half_range: range / ratio(2, 1),
            policy: [rows(&self.policy[1], self.n_actions), rows(&self.policy[2], self.n_actions)],
            kernel: [rows(&self.kernel[1], self.n_states), rows(&self.kernel[2], self.n_states)],
            rewards: [size(&self.rewards[1]), size(&self.rewards[2])],
            gamma: self.gamma.clone(),
        }
    }
}

fn largest(entries: impl Iterator<Item = Rational>) -> Rational {
    entries.max().unwrap_or_else(Rational::zero)
}

/// `Rbar`, and `C1`, `C2` of the policy, the transitions and the rewards.
#[derive(Debug, Clone)]
struct Constants {
    half_range: Rational,
    policy: [Rational; 2],
    kernel: [Rational; 2],
    rewards: [Rational; 2],
    gamma: Rational,
}

/// A bound on `|J''|`.
type Bound = fn(&Constants) -> Rational;

/// The bound as stated.
fn l5c(c: &Constants) -> Rational {
    sum_of([still(c), moving(c)])
}

fn sum_of(parts: [Rational; 2]) -> Rational {
    let [one, other] = parts;
    one + other
}

fn horizon(c: &Constants) -> Rational {
    (Rational::one() - &c.gamma).recip()
}

/// What the second derivatives and the products of first derivatives at one
/// step contribute: order two.
fn still(c: &Constants) -> Rational {
    let ([c1_pi, c2_pi], [c1_p, c2_p], [c1_r, c2_r]) = (&c.policy, &c.kernel, &c.rewards);
    let two = ratio(2, 1);
    let of_values = (c2_pi + &two * &c.gamma * c1_pi * c1_p + &c.gamma * c2_p) * &c.half_range * horizon(c);
    (of_values + two * c1_pi * c1_r + c2_r) * horizon(c)
}

/// What the products of first derivatives at two steps contribute: order three.
fn moving(c: &Constants) -> Rational {
    let ([c1_pi, _], [c1_p, _], [c1_r, _]) = (&c.policy, &c.kernel, &c.rewards);
    let first = ((c1_pi + &c.gamma * c1_p) * &c.half_range * horizon(c) + c1_r) * horizon(c);
    ratio(2, 1) * &c.gamma * (c1_pi + c1_p) * first * horizon(c)
}

fn test(line: &Line, bound: impl Fn(&Constants) -> Rational) -> Outcome {
    let Some(curvature) = line.curvature() else { return Outcome::Undecided };
    let bound = bound(&line.constants());
    if curvature.is_zero() && bound.is_zero() {
        return Outcome::OutOfScope; // nothing moves
    }
    margin(&Between::exactly(curvature), &Between::exactly(bound)).into()
}

fn rough(line: &Line, bound: Bound) -> Option<f64> {
    let curvature = line.curvatures::<f64>()?.into_iter().map(f64::abs).fold(0.0, f64::max);
    Some(1.0 - curvature / bound(&line.constants()).approximate())
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Exact);
    let decided = |line: &Line| test(line, l5c);
    let survey = attack(effort, "L5c", decided, |line| rough(line, l5c));
    survey.count_into(&mut finding);
    if survey.violation(decided).is_some() {
        finding.verdict = Verdict::Refuted;
    }
    for gamma in [ratio(9, 10), ratio(999, 1000)] {
        for (name, line) in [("1/(1-gamma theta)", escape(&gamma)), ("the symmetric chain", kept(&gamma))] {
            if let Outcome::Decided(margin) = decided(&line) {
                finding.notes.push(format!("{name} attains {:.4} at gamma = {gamma}.", 1.0 - margin));
            }
        }
    }
    finding
}

/// `V = 1/(1 - gamma theta)` at `theta = 1`: one state pays 1 and is kept with
/// probability `theta`.
fn escape(gamma: &Rational) -> Line {
    chain(gamma, &[1, 0, 0, 1], &[1, -1, 0, 0], &[2, 0])
}

/// Two states that pay 1 and -1, each kept with probability `theta`, at
/// `theta = 1`.
fn kept(gamma: &Rational) -> Line {
    chain(gamma, &[1, 0, 0, 1], &[1, -1, -1, 1], &[1, -1])
}

/// Two states, one action, transitions that are affine in `theta`.
fn chain(gamma: &Rational, kernel: &[i64], slope: &[i64], rewards: &[i64]) -> Line {
    let still = |n: usize| vec![Rational::zero(); n];
    Line {
        n_states: 2,
        n_actions: 1,
        gamma: gamma.clone(),
        policy: [fractions(&[1, 1]), still(2), still(2)],
        kernel: [fractions(kernel), fractions(slope), still(4)],
        rewards: [fractions(rewards), still(2), still(2)],
    }
}

/// One state, two actions: the policy, the rewards, or both move.
fn one_state(policy: [&[i64]; 2], rewards: [&[i64]; 3]) -> Line {
    Line {
        n_states: 1,
        n_actions: 2,
        gamma: ratio(0, 1),
        policy: [vec![ratio(1, 2); 2], fractions(policy[0]), fractions(policy[1])],
        kernel: [fractions(&[1, 1]), fractions(&[0, 0]), fractions(&[0, 0])],
        rewards: rewards.map(fractions),
    }
}

impl Case for Line {
    fn corners() -> Vec<Self> {
        let half = ratio(1, 2);
        let mut bent = kept(&half);
        bent.kernel.swap(1, 2);
        // The policy leaves its one action for another whose transitions and
        // rewards go the other way: both parts of 2 gamma C1_pi C1_P act.
        let away = Self {
            n_states: 2,
            n_actions: 2,
            gamma: ratio(1, 1000),
            policy: [
                fractions(&[1, 0, 1, 0]),
                [-1, 1, -1, 1].map(|n| ratio(n, 20)).to_vec(),
                fractions(&[0; 4]),
            ],
            kernel: [
                vec![half.clone(); 8],
                [1, -1, -1, 1, 1, -1, -1, 1].map(|n| ratio(n, 2)).to_vec(),
                fractions(&[0; 8]),
            ],
            rewards: [fractions(&[1, -1, -1, 1]), fractions(&[0; 4]), fractions(&[0; 4])],
        };
        let own = [
            escape(&half),
            kept(&half),
            kept(&ratio(99, 100)),
            bent,
            away,
            one_state([&[0, 0], &[1, -1]], [&[1, -1], &[0, 0], &[0, 0]]),
            one_state([&[1, -1], &[0, 0]], [&[0, 0], &[1, -1], &[0, 0]]),
            one_state([&[0, 0], &[0, 0]], [&[0, 0], &[0, 0], &[1, 1]]),
        ];
        let of_family = |family: Family| {
            let n = family.n_parameters();
            let alternating: Vec<Rational> = (0..n).map(|i| ratio(1 - 2 * (i as i64 % 2), 1)).collect();
            Self::of_family(&family, &alternating)
        };
        own.into_iter().chain(family::corners().into_iter().map(of_family)).collect()
    }

    fn random(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let family = Family::random(rng, size.min(2));
        let direction: Vec<Rational> = family.weights.iter().map(|_| random_fraction(rng, 1, 2)).collect();
        let mut line = Self::of_family(&family, &direction);
        if rng.random_bool(0.5) {
            // Any derivatives, not those of a family.
            let (n_states, n_actions) = (line.n_states, line.n_actions);
            for order in [1, 2] {
                for (table, width) in [(&mut line.policy, n_actions), (&mut line.kernel, n_states)] {
                    table[order].iter_mut().for_each(|x| *x = random_fraction(rng, 2, 2));
                    table[order] = centred(width, &table[order]);
                }
                line.rewards[order].iter_mut().for_each(|x| *x = random_fraction(rng, 2, 2));
            }
        }
        line
    }

    fn coordinates(&self) -> Vec<f64> {
        let logarithm = |p: &Rational| p.approximate().max(1e-5).ln();
        let rows = self.policy[0].iter().chain(&self.kernel[0]).map(logarithm);
        rows.chain(self.linear().map(Field::approximate)).collect()
    }

    fn moved(&self, x: &[f64]) -> Self {
        let mut line = self.clone();
        let mut x = x.iter();
        let mut next = || x.next().copied().unwrap_or(0.0);
        let (n_states, n_actions) = (line.n_states, line.n_actions);
        for (table, width) in [(&mut line.policy, n_actions), (&mut line.kernel, n_states)] {
            for row in table[0].chunks_mut(width) {
                row.iter_mut().for_each(|p| *p = short_fraction(next().clamp(-12.0, 12.0).exp()));
                let total: Rational = row.iter().sum();
                row.iter_mut().for_each(|p| *p /= &total);
            }
        }
        let [r, dr, ddr] = &mut line.rewards;
        let ([_, dpi, ddpi], [_, dp, ddp]) = (&mut line.policy, &mut line.kernel);
        for entries in [dpi, ddpi, dp, ddp, r, dr, ddr] {
            entries.iter_mut().for_each(|x| *x = short_fraction(next().clamp(-4.0, 4.0)));
        }
        for order in [1, 2] {
            line.policy[order] = centred(n_actions, &line.policy[order]);
            line.kernel[order] = centred(n_states, &line.kernel[order]);
        }
        line
    }

    fn simpler(&self) -> Vec<Self> {
        let mut result = Vec::new();
        let mut offer = |change: &dyn Fn(&mut Self)| {
            let mut line = self.clone();
            change(&mut line);
            if line != *self {
                result.push(line);
            }
        };
        for order in [1, 2] {
            offer(&|line| line.policy[order].fill(Rational::zero()));
            offer(&|line| line.kernel[order].fill(Rational::zero()));
            offer(&|line| line.rewards[order].fill(Rational::zero()));
        }
        offer(&|line| line.gamma = ratio(1, 2));
        for i in 0..self.rewards[0].len() {
            offer(&|line| line.rewards[0][i] = line.rewards[0][i].round());
        }
        result
    }

    fn to_json(&self) -> Value {
        let strings = |table: &Table| {
            table.each_ref().map(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        json!({
            "states": self.n_states,
            "actions": self.n_actions,
            "gamma": self.gamma.to_string(),
            "policy": strings(&self.policy),
            "kernel": strings(&self.kernel),
            "rewards": strings(&self.rewards),
        })
    }
}

impl Line {
    /// All entries but the probabilities, in the order of `moved`.
    fn linear(&self) -> impl Iterator<Item = &Rational> {
        let ([_, dpi, ddpi], [_, dp, ddp]) = (&self.policy, &self.kernel);
        let derivatives = dpi.iter().chain(ddpi).chain(dp).chain(ddp);
        derivatives.chain(self.rewards.iter().flatten())
    }
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, bound: Bound| {
        Mutant::new(name, move |effort| {
            let decided = |line: &Line| test(line, bound);
            let salt = format!("L5c, {name}");
            refute(effort, &salt, Evidence::Exact, decided, |line| rough(line, bound))
        })
    };
    vec![
        mutant("constant divided by 10", |c| l5c(c) / ratio(10, 1)),
        mutant("constant 1 % smaller", |c| l5c(c) * ratio(99, 100)),
        mutant("order two in place of three", |c| still(c) + moving(c) / horizon(c)),
        mutant("C2_pi dropped", |c| {
            l5c(&Constants { policy: [c.policy[0].clone(), Rational::zero()], ..c.clone() })
        }),
        mutant("C2_P dropped", |c| {
            l5c(&Constants { kernel: [c.kernel[0].clone(), Rational::zero()], ..c.clone() })
        }),
        mutant("C2_r dropped", |c| {
            l5c(&Constants { rewards: [c.rewards[0].clone(), Rational::zero()], ..c.clone() })
        }),
        mutant("C1_r dropped", |c| {
            l5c(&Constants { rewards: [Rational::zero(), c.rewards[1].clone()], ..c.clone() })
        }),
        mutant("C1_P dropped", |c| {
            l5c(&Constants { kernel: [Rational::zero(), c.kernel[1].clone()], ..c.clone() })
        }),
        mutant("C1_pi C1_P dropped", |c| {
            let cross = ratio(2, 1) * &c.gamma * &c.policy[0] * &c.kernel[0] * &c.half_range;
            l5c(c) - cross * horizon(c).power(2)
        }),
        mutant("C1_pi C1_r dropped", |c| l5c(c) - ratio(2, 1) * &c.policy[0] * &c.rewards[0] * horizon(c)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `V'' = 2 gamma^2/(1-gamma theta)^3` for the escape; `4 gamma^2/(1-gamma)^3`
    /// for the symmetric chain with rewards of half the size.
    #[test]
    fn chains_curve_as_their_closed_forms() {
        for gamma in [ratio(1, 2), ratio(9, 10)] {
            let cube = (Rational::one() - &gamma).recip().power(3) * gamma.power(2);
            assert_eq!(escape(&gamma).curvature(), Some(ratio(4, 1) * &cube));
            assert_eq!(kept(&gamma).curvature(), Some(ratio(8, 1) * &cube));
            assert_eq!(l5c(&kept(&gamma).constants()), ratio(8, 1) * cube);
        }
    }

    #[test]
    fn families_curve_as_their_hessians() {
        for family in family::corners() {
            let n = family.n_parameters();
            let u: Vec<Rational> = (0..n).map(|i| ratio(i as i64 - 1, 2)).collect();
            let family = Family { initial: first_state(family.n_states()), ..family };
            let product = family.hessian_product::<Rational>(&u).unwrap();
            let form: Rational = product.iter().zip(&u).map(|(h, u)| h * u).sum();
            let line = Line::of_family(&family, &u);
            assert!(line.curvature().unwrap() >= form.abs());
            if family.n_states() == 1 {
                assert_eq!(line.curvature().unwrap(), form.abs());
            }
        }
    }
}
