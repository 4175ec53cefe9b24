//! The files that an experiment leaves behind.

use std::fmt::{Display, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::datum::Datum;
use super::plan::{Done, Drawing, Interrupted, Outcome, Plan, Presentation};
use super::table::Table;
use super::{Experiment, ExperimentError};
use pemdp_algorithms::{SettingValues, Trajectory};
use pemdp_report::{PictureError, escaped, page};

/// Columns of a trajectory, after those of its label.
const ITERATE_COLUMNS: [&str; 14] = [
    "iteration",
    "value",
    "regularised_value",
    "gradient_norm",
    "policy_term_norm",
    "transition_term_norm",
    "reward_term_norm",
    "deployments",
    "samples",
    "solves",
    "policy_entropy",
    "coverage",
    "kinks",
    "experienced_value",
];

/// Everything about a run of an experiment.
pub struct Record {
    name: &'static str,
    about: &'static str,
    seed: u64,
    settings: SettingValues,
    command: String,
    columns: Vec<&'static str>,
    done: Vec<Done>,
    interrupted: Interrupted,
    presentation: Presentation,
}

impl Record {
    /// The record of a run.
    ///
    /// # Errors
    /// [`ExperimentError`] where it cannot be shown.
    pub fn new(
        experiment: &Experiment,
        plan: &Plan,
        seed: u64,
        done: Vec<Done>,
        interrupted: Interrupted,
    ) -> Result<Self, ExperimentError> {
        let mut presentation = (plan.present)(&done)?;
        if interrupted == Interrupted::Yes {
            // Where no run finished there is nothing to draw.
            let is_empty = |drawing: &Drawing| matches!(drawing.to_svg(), Err(PictureError::Empty { .. }));
            presentation.drawings.retain(|drawing| !is_empty(drawing));
        }
        Ok(Self {
            name: experiment.name,
            about: experiment.about,
            seed,
            settings: plan.settings.clone(),
            command: experiment.command(&plan.settings, seed)?,
            columns: plan.columns.clone(),
            done,
            interrupted,
            presentation,
        })
    }

    /// What is shown of it.
    pub fn presentation(&self) -> &Presentation {
        &self.presentation
    }

    /// The command that gives the same numbers again.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The files: names and texts.
    ///
    /// # Errors
    /// [`ExperimentError::Picture`] where something cannot be drawn.
    pub fn files(&self) -> Result<Vec<(String, String)>, ExperimentError> {
        let mut files = vec![
            (format!("{}.csv", self.name), self.csv()),
            (format!("{}.json", self.name), format!("{:#}\n", self.to_json())),
            (format!("{}.html", self.name), self.html()?),
        ];
        files.push((format!("{}-times.csv", self.name), self.times()));
        if let Some(picture) = &self.presentation.times {
            files.push((format!("{}-times.svg", self.name), picture.to_svg()?));
        }
        for (i, drawing) in self.presentation.drawings.iter().enumerate() {
            let name =
                if i == 0 { self.name.to_owned() } else { format!("{}-{}", self.name, drawing.name()) };
            let svg = drawing.to_svg()?;
            // A description stands first inside the root.
            let svg = svg.replacen('>', &format!(">\n<desc>{}</desc>", escaped(&self.provenance())), 1);
            files.push((format!("{name}.svg"), svg));
        }
        Ok(files)
    }

    /// What is needed to get the same numbers again.
    fn provenance(&self) -> String {
        format!(
            "pemdp {}, experiment {}, seed {}, settings {}{}",
            env!("CARGO_PKG_VERSION"),
            self.name,
            self.seed,
            self.settings,
            if self.interrupted == Interrupted::Yes { ", interrupted: some jobs are missing" } else { "" }
        )
    }

    /// Names of the columns of labels.
    fn labels(&self) -> Vec<&'static str> {
        self.done.first().map_or_else(Vec::new, |done| done.label.columns.iter().map(|c| c.0).collect())
    }

    /// How long each job took, on whatever else the machine was doing.
    fn times(&self) -> String {
        let mut csv = format!("# {}; wall-clock times differ from run to run\n", self.provenance());
        csv.push_str(&line(self.labels().into_iter().chain(["seed", "seconds"]).map(str::to_owned)));
        for done in &self.done {
            let own = [done.label.seed.to_string(), format!("{:.6}", done.seconds)];
            csv.push_str(&line(done.label.columns.iter().map(|(_, value)| value.to_string()).chain(own)));
        }
        csv
    }

    fn csv(&self) -> String {
        let mut csv = format!("# {}\n", self.provenance());
        let labels = self.labels();
        let is_trajectory = self.done.iter().any(|done| done.trajectory().is_some());
        let own: &[&str] = if is_trajectory { &ITERATE_COLUMNS } else { &self.columns };
        let header: Vec<&str> = labels.iter().copied().chain(["seed"]).chain(own.iter().copied()).collect();
        csv.push_str(&line(header.iter().map(|text| (*text).to_owned())));
        for done in &self.done {
            let label: Vec<String> = done.label.columns.iter().map(|(_, value)| value.to_string()).collect();
            let mut push = |row: Vec<String>| {
                csv.push_str(&line(label.iter().cloned().chain([done.label.seed.to_string()]).chain(row)));
            };
            match &done.outcome {
                Outcome::Rows(rows) => {
                    rows.iter().for_each(|row| push(row.iter().map(Datum::to_string).collect()))
                }
                Outcome::Trajectory(trajectory) => iterates(trajectory).for_each(&mut push),
            }
        }
        csv
    }

    /// The summary: `pemdp-experiment/1`.
    pub fn to_json(&self) -> impl Serialize + Display + use<> {
        let Table { columns, rows, .. } = &self.presentation.summary;
        let summary: Vec<Map<String, Value>> = rows
            .iter()
            .map(|row| columns.iter().cloned().zip(row.iter().map(|datum| datum.0.clone())).collect())
            .collect();
        let runs: Vec<Value> = self
            .done
            .iter()
            .filter_map(|done| {
                let trajectory = done.trajectory()?;
                let label: Map<String, Value> = done
                    .label
                    .columns
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.0.clone()))
                    .collect();
                Some(json!({
                    "label": label,
                    "seed": done.label.seed,
                    "algorithm": trajectory.algorithm,
                    "settings": trajectory.settings,
                    "stop": trajectory.stop.word(),
                    "stop_reason": trajectory.stop.reason(),
                    "iterations": trajectory.iterates.len() - 1,
                    "value": trajectory.last_value(),
                    "best_value": trajectory.best().map(|best| best.value),
                    "warnings": trajectory.warnings,
                }))
            })
            .collect();
        json!({
            "format": "pemdp-experiment/1",
            "version": env!("CARGO_PKG_VERSION"),
            "experiment": self.name,
            "command": self.command,
            "seed": self.seed,
            "settings": self.settings,
            "interrupted": self.interrupted == Interrupted::Yes,
            "summary": summary,
            "findings": self.presentation.findings,
            "runs": runs,
        })
    }

    fn html(&self) -> Result<String, ExperimentError> {
        let mut body =
            format!("<h1>Experiment: {}</h1>\n<p class=\"lead\">{}.</p>\n", self.name, escaped(self.about));
        body.push_str(
            "<p>Every value is that of a policy in the environment that the policy itself induces, evaluated by a \
             linear solve and not sampled.</p>\n",
        );
        if self.interrupted == Interrupted::Yes {
            body.push_str("<p class=\"warning\">This run was interrupted: some jobs are missing.</p>\n");
        }
        body.push_str("<h2>What was found</h2>\n<ul>\n");
        for finding in &self.presentation.findings {
            let _ = writeln!(body, "<li>{}</li>", escaped(finding));
        }
        body.push_str("</ul>\n");
        for drawing in &self.presentation.drawings {
            body.push_str(&drawing.to_figure()?);
        }
        if let Some(picture) = &self.presentation.times {
            let link = format!(
                "<p>Measured times, which differ from run to run: <a href=\"{0}-times.svg\">{1}</a>.</p>\n",
                self.name,
                escaped(&picture.title)
            );
            body.push_str(&link);
        }
        body.push_str("<h2>Figures</h2>\n");
        body.push_str(&html_table(&self.presentation.summary));
        let _ = write!(
            body,
            "<h2>Reproducing it</h2>
<p>With pemdp {} this gives {}:</p>
<pre>{}</pre>
<p>All settings:</p>
\
             <pre>{}</pre>
",
            env!("CARGO_PKG_VERSION"),
            if self.interrupted == Interrupted::Yes { "all of it" } else { "the same numbers again" },
            escaped(&self.command),
            escaped(&self.provenance())
        );
        Ok(page(&format!("pemdp: experiment {}", self.name), &body))
    }
}

/// A line of a CSV file (RFC 4180).
fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted = |field: String| {
        if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
    };
    let mut line = fields.map(quoted).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn iterates(trajectory: &Trajectory) -> impl Iterator<Item = Vec<String>> + '_ {
    let optional = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:?}"));
    trajectory.iterates.iter().map(move |iterate| {
        let number = |x: f64| format!("{x:?}");
        vec![
            iterate.iteration.to_string(),
            number(iterate.value),
            number(iterate.regularised_value),
            number(iterate.gradient_norm),
            number(iterate.gradient_norms.policy),
            number(iterate.gradient_norms.transition),
            number(iterate.gradient_norms.reward),
            iterate.cost.deployments.to_string(),
            iterate.cost.samples.to_string(),
            iterate.cost.solves.to_string(),
            number(iterate.policy_entropy),
            optional(iterate.coverage),
            iterate.kinks.to_string(),
            optional(iterate.experienced_value),
        ]
    })
}

fn html_table(table: &Table) -> String {
    let mut html = "<div class=\"wide\"><table>\n<tr>".to_owned();
    for column in &table.columns {
        let _ = write!(html, "<th>{}</th>", escaped(column));
    }
    html.push_str("</tr>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for (i, value) in row.iter().enumerate() {
            let class = if value.number().is_some() { " class=\"n\"" } else { "" };
            let _ = write!(html, "<td{class}>{}</td>", escaped(&rounded(value, table.has_counts(i))));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

/// A value with the digits that a reader wants.
fn rounded(value: &Datum, is_count: bool) -> String {
    match value.number() {
        Some(x) if !value.is_count() => {
            if is_count {
                format!("{x:.0}")
            } else if (1e-3..1e6).contains(&x.abs()) {
                format!("{x:.5}")
            } else {
                format!("{x:.2e}")
            }
        }
        _ if value.is_nothing() => String::new(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::datum;

    #[test]
    fn fields_with_commas_are_quoted() {
        let fields = ["a", "b,c", "d\"e"].map(str::to_owned);
        assert_eq!(line(fields.into_iter()), "a,\"b,c\",\"d\"\"e\"\n");
    }

    #[test]
    fn numbers_are_short_and_counts_whole() {
        let shown = [datum(-0.372_19), datum(3), datum(1e-9), Datum::NOTHING, datum("x")];
        assert_eq!(shown.map(|v| rounded(&v, false)), ["-0.37219", "3", "1.00e-9", "", "x"]);
        assert_eq!(rounded(&datum(93.6), true), "94");
    }
}
