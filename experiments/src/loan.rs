//! `loan`: where each algorithm goes in the simplest performative problem.

use serde_json::json;

use super::datum::datum;
use super::families::GAMMA;
use super::plan::{Done, Drawing, Job, Label, Plan, Presentation};
use super::summary::{Group, groups, summary};
use super::{Experiment, ExperimentError};
use pemdp::arithmetic::Transcendental;
use pemdp::environments::{Loan, LoanForm};
use pemdp::performative::PerformativeMdp;
use pemdp::policy::Policy;
use pemdp_algorithms::{AlgorithmError, Range, SettingError, SettingValues, Settings as _, Task, settings};
use pemdp_report::{Landscape, Picture, Series, Style};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "loan",
    about: "Performative and vanilla policy gradient and retraining on the loan problem, against its optimal, stable and \
            naive approval rates",
    settings: Settings::TABLE,
    quick: &[],
    plan,
};

settings! {
    #[derive(Copy)]
    struct Settings {
        q0: f64 = 0.75, "probability of repayment when nobody is approved";
        c: f64 = 0.5, "how much it falls when everybody is", Range::POSITIVE;
        gain: f64 = 1.0, "reward of a repayment", Range::POSITIVE;
        loss: f64 = 1.0, "loss of a default", Range::POSITIVE;
        gamma: f64 = 0.5, "discount factor, at least 0 and below 1", GAMMA;
        start: f64 = 0.9,
            "first approval rate, between 0 and 1",
            Range::new(|p| p > 0.0 && p < 1.0, "a probability above 0 and below 1");
        iterations: usize = 2000, "steps of ascent and rounds of retraining, at least 1", Range::AT_LEAST_ONE;
    }
}

/// The three approval rates of the theory (`docs/theory/stability.md`).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    /// `p_PO = (k q0 - l)/(2 k c)`, `k = gain + loss`: the largest value.
    optimal: f64,
    /// `p_PS = 2 p_PO`: zero profit, where retraining can rest.
    stable: f64,
    /// 1 where a loan is worth its risk when nobody is approved yet, else 0.
    naive: f64,
}

impl Settings {
    fn rates(&self) -> Rates {
        let k = self.gain + self.loss;
        let advantage = k * self.q0 - self.loss;
        let stable = (advantage / (k * self.c)).clamp(0.0, 1.0);
        let optimal = (advantage / (2.0 * k * self.c)).clamp(0.0, 1.0);
        Rates { optimal, stable, naive: if advantage > 0.0 { 1.0 } else { 0.0 } }
    }

    fn environment<T: Transcendental>(&self, form: LoanForm) -> Result<PerformativeMdp<T>, AlgorithmError> {
        let lift = |x: f64| T::from_f64(x);
        let loan =
            Loan { form, q0: lift(self.q0), c: lift(self.c), gain: lift(self.gain), loss: lift(self.loss) };
        let initial = form.initial().into_iter().map(lift).collect();
        let gamma = lift(self.gamma);
        Ok(PerformativeMdp {
            response: Box::new(loan.to_affine()?),
            initial,
            gamma,
            entropy: T::zero(),
            criterion: Default::default(),
        })
    }

    /// The policy that approves with probability `p`.
    fn policy(&self, form: LoanForm, p: f64) -> Result<Policy<f64>, AlgorithmError> {
        let n_states = form.n_states();
        let mut probabilities = vec![0.5; 2 * n_states];
        (probabilities[0], probabilities[1]) = (p, 1.0 - p);
        Ok(Policy::weights(n_states, 2, probabilities)?)
    }

    fn task(&self, form: LoanForm) -> Result<Task, AlgorithmError> {
        Ok(Task {
            environment: self.environment(form)?,
            tangent: self.environment(form)?,
            start: self.policy(form, self.start)?,
            comparator: Some(self.policy(form, self.rates().optimal)?),
            keeps_parameters: false,
        })
    }
}

const FORMS: [(&str, LoanForm); 2] = [("bandit", LoanForm::Bandit), ("mdp", LoanForm::Mdp)];

fn plan(given: &SettingValues, seed: u64) -> Result<Plan, ExperimentError> {
    let settings = Settings::read_checked(given)?;
    if settings.q0 > 1.0 || settings.q0 < settings.c {
        return Err(SettingError::range("q0", settings.q0, "from c to 1").into());
    }
    let steps = settings.iterations;
    let algorithms = [
        ("PePG", "pepg", json!({"method": "plain", "step": 1.0, "iterations": steps})),
        ("policy gradient", "policy-gradient", json!({"method": "plain", "step": 1.0, "iterations": steps})),
        ("Newton", "trust-region-newton", json!({})),
        ("RR", "repeated-retraining", json!({"iterations": steps})),
        (
            "RR, quadratic 1",
            "repeated-retraining",
            json!({"regulariser": "quadratic", "lambda": 1.0, "iterations": steps}),
        ),
        (
            "RR, entropy .5",
            "repeated-retraining",
            json!({"regulariser": "entropy", "lambda": 0.5, "iterations": steps}),
        ),
        (
            "RR, entropy .1",
            "repeated-retraining",
            json!({"regulariser": "entropy", "lambda": 0.1, "iterations": steps}),
        ),
    ];
    let mut jobs = Vec::new();
    for (name, form) in FORMS {
        for (algorithm, registered, with) in &algorithms {
            let columns = vec![("form", datum(name)), ("algorithm", datum(algorithm))];
            let task = Box::new(move || settings.task(form));
            jobs.push(Job::solve(Label { columns, seed }, registered, &with, task)?);
        }
    }
    let present = Box::new(move |done: &[Done]| present(&settings, done));
    Ok(Plan { settings: settings.values(), jobs, columns: Vec::new(), present })
}

fn present(settings: &Settings, done: &[Done]) -> Result<Presentation, ExperimentError> {
    let groups = groups(done);
    let rates = settings.rates();
    let mut table = summary(&groups);
    table.columns.push("approval_rate".to_owned());
    for (row, group) in table.rows.iter_mut().zip(&groups) {
        row.push(datum(group.mean(|run| *run.policy.probability(0, 0))));
    }
    let value = |form: LoanForm, p: f64| -> Result<f64, ExperimentError> {
        let policy = settings.policy(form, p)?;
        let environment = settings.environment::<f64>(form)?;
        Ok(environment.evaluate(&policy).map_err(AlgorithmError::from)?.value)
    };
    let mut findings = Vec::new();
    let mut drawings = Vec::new();
    for (name, form) in FORMS {
        let here: Vec<&Group<'_>> = groups.iter().filter(|g| g.text("form") == name).collect();
        let end = |group: &&Group<'_>| {
            let rate = group.mean(|run| *run.policy.probability(0, 0));
            let run = group.runs[0];
            format!("{} ends at {rate:.4} ({})", group.text("algorithm"), run.stop.word())
        };
        let near = 1e-9;
        findings.push(format!(
            "{name}: optimal approval rate {:.4} (value {:.5}), stable {:.4} ({:.5}), naive {:.4} ({:.5}). {}.",
            rates.optimal,
            value(form, rates.optimal.clamp(near, 1.0 - near))?,
            rates.stable,
            value(form, rates.stable.clamp(near, 1.0 - near))?,
            rates.naive,
            value(form, rates.naive.clamp(near, 1.0 - near))?,
            here.iter().map(end).collect::<Vec<_>>().join("; "),
        ));
        let mut points = Vec::new();
        for i in 1..400 {
            let p = f64::from(i) / 400.0;
            points.push((p, value(form, p)?));
        }
        let (low, high) =
            points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.1), h.max(p.1)));
        let mut series = vec![Series { label: "value".to_owned(), points, style: Style::Line }];
        for (name, p) in [("optimal", rates.optimal), ("stable", rates.stable), ("naive", rates.naive)] {
            let label = format!("{name} rate");
            series.push(Series { label, points: vec![(p, low), (p, high)], style: Style::Dashed });
        }
        for group in &here {
            let end = (group.mean(|run| *run.policy.probability(0, 0)), group.last_value());
            series.push(Series { label: group.text("algorithm"), points: vec![end], style: Style::Points });
        }
        drawings.push(Drawing::Chart(Picture {
            name: format!("values-{name}"),
            title: format!("The loan problem, {name} form: value by approval rate"),
            caption: "The performative value and, as vertical lines, the three approval rates of the theory; markers: where \
                      each algorithm ends, in a column above the place where several do."
                .to_owned(),
            axes: ["approval rate".to_owned(), "value".to_owned()],
            logarithmic: [false, false],
            series,
        }));
    }
    drawings.push(two_parameters(settings)?);
    Ok(Presentation { summary: table, findings, drawings, times: None })
}

/// The bandit form over its two logits, with the paths of ascent with and
/// without the performative terms.
fn two_parameters(settings: &Settings) -> Result<Drawing, ExperimentError> {
    const CELLS: usize = 60;
    const EXTENT: f64 = 3.0;
    let environment = settings.environment::<f64>(LoanForm::Bandit)?;
    let policy = |theta: [f64; 2]| Policy::softmax(1, 2, theta.to_vec());
    let place = |i: usize| -EXTENT + 2.0 * EXTENT * (i as f64 + 0.5) / CELLS as f64;
    let mut values = Vec::with_capacity(CELLS);
    for j in 0..CELLS {
        let mut row = Vec::with_capacity(CELLS);
        for i in 0..CELLS {
            let policy = policy([place(i), place(j)]).map_err(AlgorithmError::from)?;
            row.push(environment.evaluate(&policy).map_err(AlgorithmError::from)?.value);
        }
        values.push(row);
    }
    let mut paths = Vec::new();
    for (label, performative) in [("PePG", true), ("policy gradient", false)] {
        for (start, label) in [([1.5, -1.5], label), ([-2.0, 1.0], "")] {
            let mut theta = start;
            let mut points = vec![(theta[0], theta[1])];
            for _ in 0..settings.iterations {
                let policy = policy(theta).map_err(AlgorithmError::from)?;
                let performance = environment.perform(&policy).map_err(AlgorithmError::from)?;
                let terms = &performance.gradient;
                for k in 0..2 {
                    let rest = if performative { terms.transition[k] + terms.reward[k] } else { 0.0 };
                    theta[k] += terms.policy[k].unwrap_or(0.0) + rest;
                }
                points.push((theta[0], theta[1]));
            }
            paths.push(Series { label: label.to_owned(), points, style: Style::Line });
        }
    }
    Ok(Drawing::Landscape(Landscape {
        name: "landscape".to_owned(),
        title: "The loan problem, bandit form, over its two logits".to_owned(),
        caption: "Colours: performative value. Paths of plain ascent, step 1, from a disc to a ring. The value depends on \
                  the difference of the logits only; policy gradient stops at the stable rate, PePG at the optimal one."
            .to_owned(),
        axes: ["logit of approve".to_owned(), "logit of decline".to_owned()],
        quantity: "performative value (reward)".to_owned(),
        x: (-EXTENT, EXTENT),
        y: (-EXTENT, EXTENT),
        values,
        paths,
    }))
}
