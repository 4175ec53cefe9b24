//! CH3: Lipschitz constants of the value and of its gradient on
//! `{pi >= Delta}`.

use num_traits::{One, Signed, Zero};
use pemdp::arithmetic::{Ball, Field, Rational, Transcendental, ratio};

use crate::affine_case::{AffineCase, centred, margin, root};
use crate::certificate;
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Verdict};
use crate::survey::{Outcome, attack, refute};

/// Lipschitz constants on the interior.
pub static CH3: Claim = Claim {
    id: "CH3",
    title: "Lipschitz constants away from the boundary",
    statement: "On {pi >= Delta}: |V(pi')-V(pi)| <= (L/Delta) ||pi'-pi||, ||grad V(pi')-grad V(pi)|| <= (l/Delta) ||pi'-pi||, \
                L = [sqrt A (2-gamma+gamma lambda log A) + eps_p sqrt S (1+lambda log A)]/(1-gamma)^2 + eps_r/(1-gamma), \
                l = 3A(1+lambda log A)/(1-gamma)^2 + eps_p sqrt S A (5+6 lambda log A)/(1-gamma)^3 \
                + eps_r [sqrt A (1-gamma) + sqrt S (gamma+2 eps_p)]/(A(1-gamma)^2) \
                + [S_p sqrt S (1+lambda log A) + S_r (1-gamma)]/(A(1-gamma)^2)",
    source: "[ChenHuang2025], early public draft",
    hypotheses: "rewards in [0,1], p and r (eps_p, eps_r)-Lipschitz in pi (2-norm) with (S_p, S_r)-Lipschitz \
                 derivatives; lambda >= 0; grad projected to the tangent space of the policies",
    expected: Verdict::Refuted,
    finding: "The first inequality fails for a large entropy weight, because L as transcribed has no term for the step's own \
              entropy, whose slope grows like lambda log(1/Delta); for lambda <= 2e it is proved. No instance \
              violates the second.",
    repair: Some(
        "A bound on lambda (2e is enough; the transcription may have lost one), or 1 + (1-gamma) lambda in place of the \
         2-gamma of L.",
    ),
    theory: "theory/neighbours.md",
    check,
    mutants,
};

/// Which inequality, and how it is read or mutated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// The second inequality.
    of_gradient: bool,
    /// `1 + (1-gamma) lambda` in place of `2 - gamma`.
    repaired: bool,
    /// Divisor of the constant.
    divided_by: i64,
    /// The factor `1/Delta`.
    inverse_delta: bool,
    /// Gradients that are not projected to the tangent space.
    unprojected: bool,
    /// Whether `lambda > 2e` is out of scope.
    moderate_entropy: bool,
}

const VALUE: Form = Form {
    of_gradient: false,
    repaired: false,
    divided_by: 1,
    inverse_delta: true,
    unprojected: false,
    moderate_entropy: false,
};
const GRADIENT: Form = Form { of_gradient: true, ..VALUE };

/// `L/Delta` or `l/Delta` for an affine environment, where `S_p = S_r = 0`.
fn constant<T: Transcendental>(case: &AffineCase, form: Form) -> T {
    let integer = |n: usize| Rational::from_integer(n.into());
    let [eps_p, eps_r] = case.squared_sensitivities().map(|square| root::<T>(&square));
    let (root_s, root_a) = (root::<T>(&integer(case.n_states())), root::<T>(&integer(case.n_actions)));
    let (gamma, lambda) = (T::from_rational(&case.gamma), T::from_rational(&case.entropy));
    let (a, horizon) = (T::from_integer(case.n_actions as i64), T::from_rational(&case.horizon()));
    let short = T::one() - &gamma;
    let entropy = lambda.clone() * a.ln();
    let bonus = entropy.clone() + T::one();
    let square = horizon.clone() * &horizon;
    let constant = if form.of_gradient {
        let five_six = T::from_integer(6) * entropy + T::from_integer(5);
        let own = T::from_integer(3) * &a * &bonus * &square;
        let transitions = eps_p.clone() * &root_s * &a * five_six * &square * horizon;
        let rewards = eps_r * (root_a * short + root_s * (gamma + eps_p * T::from_integer(2))) / a * square;
        own + transitions + rewards
    } else {
        let first = if form.repaired { T::one() + short * lambda } else { T::one() + short };
        let policy = root_a * (first + gamma * entropy);
        (policy + eps_p * root_s * bonus) * square + eps_r * horizon
    };
    let constant = constant / T::from_integer(form.divided_by);
    if form.inverse_delta { constant / T::from_rational(&case.smallest_probability()) } else { constant }
}

/// An orthonormal basis of the directions that keep policies normalised, as
/// rows.
fn tangent_basis<T: Field>(n_states: usize, n_actions: usize) -> Vec<Vec<T>> {
    let mut basis = Vec::with_capacity(n_states * (n_actions - 1));
    for s in 0..n_states {
        for k in 1..n_actions {
            let norm = root::<T>(&Rational::from_integer((k * (k + 1)).into()));
            let entry = |i: usize| match i.checked_sub(s * n_actions) {
                Some(a) if a < k => T::one() / &norm,
                Some(a) if a == k => -(T::from_integer(k as i64) / &norm),
                _ => T::zero(),
            };
            basis.push((0..n_states * n_actions).map(entry).collect());
        }
    }
    basis
}

/// `||grad V||` on the tangent space against its bound.
fn of_value<T: Transcendental>(case: &AffineCase, form: Form) -> Option<f64> {
    let gradient = centred(case.n_actions, &case.local::<T>(false)?.gradient);
    let square = T::sum_of_products(gradient.iter().map(|g| (g, g)));
    let bound = constant::<T>(case, form);
    Some(of_roots(margin(&square, &(bound.clone() * bound))?))
}

/// The margin of an inequality from that of its squares.
fn of_roots(of_squares: f64) -> f64 {
    if of_squares < 0.0 {
        ((1.0 + of_squares).sqrt() - 1.0).min(-f64::MIN_POSITIVE)
    } else {
        1.0 - (1.0 - of_squares).sqrt()
    }
}

/// The spectral norm of the derivative of the gradient along the tangent space,
/// over its bound: the statement holds where it is at most 1.
fn of_gradient<T: Transcendental>(case: &AffineCase, form: Form) -> Option<f64> {
    let basis = tangent_basis::<T>(case.n_states(), case.n_actions);
    let n = basis.len();
    let bound = constant::<T>(case, form);
    let columns: Option<Vec<Vec<T>>> = basis
        .iter()
        .map(|u| {
            let column = case.hessian_product(u).ok()?;
            let column = if form.unprojected { column } else { centred(case.n_actions, &column) };
            Some(column.into_iter().map(|x| x / &bound).collect())
        })
        .collect();
    let columns = columns?;
    let dot = |x: &[T], y: &[T]| T::sum_of_products(x.iter().zip(y));
    let gram: Vec<Vec<T>> = columns.iter().map(|x| columns.iter().map(|y| dot(x, y)).collect()).collect();
    // ||B||^8 = ||G^4|| <= ||G^4||_F <= sqrt(n) ||G^4|| for G = B^T B.
    let squared = |m: &[Vec<T>]| -> Vec<Vec<T>> {
        (0..n).map(|i| (0..n).map(|j| dot(&m[i], &m[j])).collect()).collect()
    };
    let fourth = squared(&squared(&gram));
    let frobenius = fourth.iter().fold(T::zero(), |sum, row| sum + dot(row, row));
    if margin(&frobenius, &T::one()).is_some_and(|margin| margin >= 0.0) {
        return Some((1.0 - frobenius.approximate().max(0.0).powf(1.0 / 16.0)).max(0.0));
    }
    // A direction that the powers single out, and how far it is stretched.
    let size = |row: &&Vec<T>| row.iter().map(|x| x.approximate().powi(2)).sum::<f64>();
    let direction = fourth.iter().max_by(|x, y| size(x).total_cmp(&size(y)))?;
    let image: Vec<T> = gram.iter().map(|row| dot(row, direction)).collect();
    let of_squares = margin(&dot(direction, &image), &dot(direction, direction))?;
    (of_squares < 0.0).then(|| of_roots(of_squares))
}

fn in_scope(case: &AffineCase, form: Form) -> bool {
    let delta = case.smallest_probability();
    // {pi >= 1/A} is a single policy.
    let has_room = !delta.is_zero() && delta < ratio(1, case.n_actions as i64);
    // 2e > 5436/1000
    has_room && !(form.moderate_entropy && case.entropy > ratio(5436, 1000))
}

fn least_margin<T: Transcendental>(case: &AffineCase, form: Form) -> Option<f64> {
    if form.of_gradient { of_gradient::<T>(case, form) } else { of_value::<T>(case, form) }
}

fn test(case: &AffineCase, form: Form) -> Outcome {
    if in_scope(case, form) { least_margin::<Ball>(case, form).into() } else { Outcome::OutOfScope }
}

fn rough(case: &AffineCase, form: Form) -> Option<f64> {
    if in_scope(case, form) { least_margin::<f64>(case, form) } else { None }
}

/// Two policies, a lower bound of the difference of their values and the square
/// of the bound, in fractions: at gamma = 0, with entropy alone,
/// `J = lambda H(pi)`, `n H(pi) = -log prod pi^(n pi)`, and `log x >= 1 - 1/x`.
fn counterexample() -> (AffineCase, Rational, Rational) {
    let quarter = |n| ratio(n, 4);
    let case = AffineCase {
        policy: vec![quarter(1), quarter(3)],
        other: vec![quarter(2), quarter(2)],
        ..AffineCase::entropy_alone(Rational::from_integer(100.into()))
    };
    let product = |policy: &[Rational]| -> Rational {
        // All entries are quarters.
        let factor = |p: &Rational| (1..=4).find(|&k| *p == quarter(k)).map(|k| p.power(k));
        policy.iter().filter_map(factor).product()
    };
    let ratio = product(&case.other) / product(&case.policy);
    let difference = &case.entropy * (Rational::one() - ratio) * quarter(1);
    let distance = case.policy.iter().zip(&case.other).map(|(x, y)| (x - y) * (x - y)).sum::<Rational>();
    // gamma = 0 and nothing responds: L = 2 sqrt A.
    let delta = case.smallest_probability();
    let bound = distance * Rational::from_integer(8.into()) / (&delta * &delta);
    (case, difference, bound)
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Supported, Evidence::Enclosed);
    let run = |name: &str, form: Form| attack(effort, name, |c| test(c, form), |c| rough(c, form));
    let at = |margin: Option<f64>| margin.map_or("none".into(), |margin| format!("{margin:.2e}"));
    let value = run("CH3, value", VALUE);
    value.count_into(&mut finding);
    if let Some((case, by, margin)) = value.violation(|c| test(c, VALUE)) {
        finding.notes.push(format!(
            "The first inequality is violated by {by} (margin {margin:.2}, lambda = {}).",
            case.entropy
        ));
    }
    let (case, difference, bound) = counterexample();
    if difference.is_positive() && &difference * &difference > bound {
        finding.verdict = Verdict::Refuted;
        finding.notes.push(format!(
            "gamma = 0, S = 1, A = 2, r = 0, lambda = 100: V(1/2,1/2) - V(1/4,3/4) is at least {:.2}, the bound {:.2}.",
            difference.approximate(),
            bound.approximate().sqrt()
        ));
        let problem = case.problem_json();
        finding.certificates.push(certificate::lipschitz("CH3", &problem, &case.other, &difference, &bound));
    }
    for (name, form) in [
        ("For lambda <= 2e the first inequality", Form { moderate_entropy: true, ..VALUE }),
        ("With 1 + (1-gamma) lambda in place of 2-gamma it", Form { repaired: true, ..VALUE }),
        ("The second inequality", GRADIENT),
    ] {
        let survey = run(name, form);
        let holds = survey.margin().is_some_and(|margin| margin >= 0.0);
        let verb = if holds { "holds" } else { "fails" };
        let margin = at(survey.margin());
        finding
            .notes
            .push(format!("{name} {verb} on {} instances, smallest margin {margin}.", survey.decided));
        if !holds {
            finding.verdict = Verdict::Underspecified;
        }
    }
    let full = run("CH3, unprojected", Form { unprojected: true, ..GRADIENT });
    finding.notes.push(format!(
        "Read with unprojected gradients, the second has smallest margin {} on {} instances.",
        at(full.margin()),
        full.decided
    ));
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, form: Form| {
        Mutant::new(name, move |effort| {
            let test = |case: &AffineCase| test(case, form);
            refute(effort, &format!("CH3, {name}"), Evidence::Enclosed, test, |case| rough(case, form))
        })
    };
    let moderate = Form { moderate_entropy: true, ..VALUE };
    vec![
        mutant("L as transcribed, any lambda", VALUE),
        mutant("L divided by 20, lambda <= 2e", Form { divided_by: 20, ..moderate }),
        mutant("1/Delta dropped from L, lambda <= 2e", Form { inverse_delta: false, ..moderate }),
        mutant("l divided by 20", Form { divided_by: 20, ..GRADIENT }),
        mutant("1/Delta dropped from l", Form { inverse_delta: false, ..GRADIENT }),
    ]
}
