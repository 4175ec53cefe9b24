//! CH4: the two-point estimator of the projected gradient.

use num_traits::Zero;
use pemdp::arithmetic::{Ball, Field, Rational, ratio};

use crate::affine_case::{AffineCase, centred, margin, root};
use crate::claim::{Claim, Effort, Evidence, Finding, Mutant, Picture, Series, Style, Verdict};
use crate::exact::identity_margin;
use crate::survey::{Outcome, refute, survey};

/// The two-point estimator.
pub static CH4: Claim = Claim {
    id: "CH4",
    title: "Two-point gradient estimator",
    statement: "g = S(A-1)/(2 N delta) sum_i (V(pi + delta u_i) - V(pi - delta u_i)) u_i, u_i uniform on the unit sphere of \
                {u: sum_a u(a|s) = 0}, approximates the projected gradient: ||E g - P grad V|| <= l delta, with l \
                the Lipschitz constant of the projected gradient within delta of pi",
    source: "[ChenHuang2025], early public draft",
    hypotheses: "pi + delta u is a policy for every u; V has a Lipschitz gradient there",
    expected: Verdict::Proved,
    finding: "E g is the projected gradient of the mean of V over the ball of radius delta, so the bias is at most \
              l delta, 0 where V is quadratic, and of order delta^2 where V is three times differentiable.",
    repair: None,
    theory: "theory/neighbours.md",
    check,
    mutants,
};

/// The estimator, or a wrong version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// S A in place of S.
    full_dimension: bool,
    /// V(pi + delta u) alone.
    one_point: bool,
    /// 1/delta in place of 1/(2 delta).
    half: bool,
    /// Compared with the gradient that is not projected.
    unprojected: bool,
}

const AS_STATED: Form = Form { full_dimension: false, one_point: false, half: true, unprojected: false };

/// Half the distance to the boundary, over sqrt 2: `delta = sqrt 2 tau`.
fn radius(case: &AffineCase) -> Rational {
    case.smallest_probability() / Rational::from_integer(2.into())
}

/// The mean of the estimator over the directions `(e[s,a] - e[s,b])/sqrt 2`, and
/// the gradient. The directions are a spherical design of strength 3 in the
/// tangent space: where V is quadratic, the mean is that over the sphere.
fn sides(case: &AffineCase, tau: &Rational, form: Form) -> Option<(Vec<Rational>, Vec<Rational>)> {
    let (n_states, n_actions) = (case.n_states(), case.n_actions);
    let at = |up: usize, down: usize, step: &Rational| -> Option<Rational> {
        let mut entries = case.policy.clone();
        entries[up] += step;
        entries[down] -= step;
        Some(case.local_without_entropy(entries)?.value)
    };
    let mut sum = vec![Rational::zero(); case.policy.len()];
    for s in 0..n_states {
        for a in 0..n_actions {
            for b in (0..n_actions).filter(|&b| b != a) {
                let (up, down) = (s * n_actions + a, s * n_actions + b);
                let mut difference = at(up, down, tau)?;
                if !form.one_point {
                    difference -= at(up, down, &-tau)?;
                }
                sum[up] += &difference;
                sum[down] -= difference;
            }
        }
    }
    // n/(2 delta) and u = e/sqrt 2 give n/(4 tau); A(A-1) S directions.
    let directions = (n_states * n_actions * (n_actions - 1)) as i64;
    let free = if form.full_dimension { n_actions } else { n_actions - 1 };
    let scale = ratio((n_states * free) as i64, directions * if form.half { 4 } else { 2 }) / tau;
    let mean = sum.into_iter().map(|g| g * &scale).collect();
    let gradient = case.local_without_entropy(case.policy.clone())?.gradient;
    let truth = if form.unprojected { gradient } else { centred(n_actions, &gradient) };
    Some((mean, truth))
}

/// Without discounting V is quadratic, and the mean is exact.
fn test_quadratic(case: &AffineCase, form: Form) -> Outcome {
    let case = AffineCase { gamma: Rational::zero(), ..case.clone() };
    test_unbiased(&case, form)
}

fn test_unbiased(case: &AffineCase, form: Form) -> Outcome {
    let tau = radius(case);
    if tau.is_zero() {
        return Outcome::OutOfScope;
    }
    sides(case, &tau, form).map(|(mean, truth)| identity_margin(&mean, &truth)).into()
}

/// A Lipschitz constant of the projected gradient on all policies, without
/// entropy (`docs/theory/neighbours.md`, section 3).
fn gradient_constant(case: &AffineCase) -> Ball {
    let [eps_p, eps_r] = case.squared_sensitivities().map(|square| root::<Ball>(&square));
    let integer = |n: usize| Rational::from_integer(n.into());
    let (root_s, root_a) = (root::<Ball>(&integer(case.n_states())), root::<Ball>(&integer(case.n_actions)));
    let (gamma, horizon) = (Ball::from_rational(&case.gamma), Ball::from_rational(&case.horizon()));
    let half = Ball::from_ratio(1, 2);
    let transitions = gamma * root_s * eps_p * horizon;
    let slope = root_a * half * horizon + eps_r + transitions * half;
    let moved = gamma * (root_a + root_s * eps_p) * horizon;
    horizon
        * (root_a * (eps_r * Ball::from_ratio(2, 1) + transitions) + moved * slope * Ball::from_ratio(2, 1))
}

/// The bias of the mean over the design, at most `l delta sqrt n / 2`.
fn test_bias(case: &AffineCase) -> Outcome {
    let tau = radius(case);
    if tau.is_zero() {
        return Outcome::OutOfScope;
    }
    let Some((mean, truth)) = sides(case, &tau, AS_STATED) else { return Outcome::Undecided };
    let square = mean.iter().zip(&truth).map(|(m, t)| (m - t) * (m - t)).sum::<Rational>();
    let n = Rational::from_integer((case.n_states() * (case.n_actions - 1)).into());
    // delta sqrt n / 2 = tau sqrt(n/2)
    let bound = gradient_constant(case) * root::<Ball>(&(n * &tau * &tau / Rational::from_integer(2.into())));
    margin(&root::<Ball>(&square), &bound).into()
}

/// Points on the circle of directions: trigonometric polynomials of lower
/// degree are averaged exactly.
const POINTS: usize = 64;

/// `delta` and the bias of the estimator's mean over the sphere, in doubles, at
/// two states and two actions, where the sphere is a circle.
fn circle_bias(case: &AffineCase, delta: f64) -> Option<(f64, f64)> {
    let entries: Vec<f64> = case.policy.iter().map(Field::approximate).collect();
    let value = |x: f64, y: f64| -> Option<f64> {
        let moves = [x, -x, y, -y].map(|u| delta * u / std::f64::consts::SQRT_2);
        let entries = entries.iter().zip(moves).map(|(pi, u)| pi + u).collect();
        Some(case.local_without_entropy::<f64>(entries)?.value)
    };
    let gradient = centred(2, &case.local_without_entropy(entries.clone())?.gradient);
    let mut bias = [0, 2].map(|i| -gradient[i] * std::f64::consts::SQRT_2);
    for k in 0..POINTS {
        let (y, x) = (std::f64::consts::TAU * k as f64 / POINTS as f64).sin_cos();
        // The dimension is 2.
        let slope = (value(x, y)? - value(-x, -y)?) / delta / POINTS as f64;
        bias[0] += slope * x;
        bias[1] += slope * y;
    }
    Some((delta, bias[0].hypot(bias[1])))
}

/// The bias at smaller and smaller `delta`.
fn circle_biases(case: &AffineCase) -> Vec<(f64, f64)> {
    (0..7).filter_map(|k| circle_bias(case, 0.32 / f64::from(1 << k))).collect()
}

fn check(effort: &Effort) -> Finding {
    let mut finding = Finding::new(Verdict::Proved, Evidence::Enclosed);
    let quadratic = survey(effort, "CH4", |c: &AffineCase| test_quadratic(c, AS_STATED));
    let bias = survey(effort, "CH4, bias", test_bias);
    for survey in [&quadratic, &bias] {
        survey.count_into(&mut finding);
        if survey.margin().is_none_or(|margin| margin < 0.0) {
            finding.verdict = Verdict::Refuted;
        }
    }
    finding.notes.push(format!(
        "Where V is quadratic the mean is the projected gradient exactly, on {} instances; for general V the bias of \
         the mean over a design stays within its bound on {}.",
        quadratic.decided, bias.decided
    ));
    let case = AffineCase::loan();
    let biases = circle_biases(&case);
    let l = gradient_constant(&case).midpoint();
    if let (Some(&(large, first)), Some(&(small, last))) = (biases.first(), biases.last()) {
        let order = (first / last).ln() / (large / small).ln();
        finding.notes.push(format!("At the loan corner the bias is of order delta^{order:.2} (in doubles)."));
        if biases.iter().any(|&(delta, bias)| bias > l * delta) || !(1.9..=2.1).contains(&order) {
            finding.verdict = Verdict::Underspecified;
        }
    }
    let bound = biases.iter().map(|&(delta, _)| (delta, l * delta)).collect();
    let series = |label: &str, points, style| Series { label: label.into(), points, style };
    finding.pictures.push(Picture {
        name: "CH4-bias".into(),
        title: "Bias of the two-point estimator".into(),
        caption: "Two states, two actions, gamma = 1/2, a response of the transitions: the distance of the mean of the \
                  estimator from the projected gradient, and the bound l delta. The slope is 2."
            .into(),
        axes: ["delta".into(), "bias".into()],
        logarithmic: [true, true],
        series: vec![
            series("bias, mean over the sphere", biases, Style::Path),
            series("l delta", bound, Style::Dashed),
        ],
    });
    finding
}

fn mutants() -> Vec<Mutant> {
    let mutant = |name: &'static str, form: Form| {
        Mutant::new(name, move |effort| {
            let test = |case: &AffineCase| test_quadratic(case, form);
            refute(effort, &format!("CH4, {name}"), Evidence::Exact, test, |_| None)
        })
    };
    vec![
        mutant("factor S A", Form { full_dimension: true, ..AS_STATED }),
        mutant("one point with the factor of two", Form { one_point: true, ..AS_STATED }),
        mutant("1/delta in place of 1/(2 delta)", Form { half: false, ..AS_STATED }),
        mutant("the gradient not projected", Form { unprojected: true, ..AS_STATED }),
        Mutant::new("unbiased for every V", |effort| {
            let test = |case: &AffineCase| test_unbiased(case, AS_STATED);
            refute(effort, "CH4, unbiased", Evidence::Exact, test, |_| None)
        }),
    ]
}
