//! The report as one HTML page that needs nothing else.

use std::fmt::Write;

use pemdp_report::{DotPlot, PictureError, escaped, page};

use crate::claim::Finding;
use crate::claims::CLAIMS;
use crate::documentation::FAIRNESS;
use crate::suite::{Entry, Report};

impl Report {
    /// The pictures of all claims and of the report itself, as file names and
    /// SVG.
    ///
    /// # Errors
    /// [`PictureError`] for a picture that cannot be drawn.
    pub fn pictures(&self) -> Result<Vec<(String, String)>, PictureError> {
        let own = self.margins().into_iter().map(|margins| Ok((margins.name.clone(), margins.to_svg()?)));
        let of_claims = self.entries.iter().flat_map(|entry| &entry.finding.pictures);
        let of_claims = of_claims.map(|picture| Ok((picture.name.clone(), picture.to_svg()?)));
        let all: Result<Vec<(String, String)>, PictureError> = own.chain(of_claims).collect();
        Ok(all?.into_iter().map(|(name, svg)| (format!("{name}.svg"), svg)).collect())
    }

    /// The smallest margins of the claims that were held against instances.
    fn margins(&self) -> Option<DotPlot> {
        let margin = |entry: &Entry| Some((entry.claim.id.into(), entry.finding.margin?.clamp(-1.0, 1.0)));
        let rows: Vec<(String, f64)> = self.entries.iter().filter_map(margin).collect();
        (!rows.is_empty()).then(|| DotPlot {
            name: "margins".into(),
            title: "The smallest margin of every claim".into(),
            caption: "Slack over the larger side, over all instances, cut to [-1, 1]: 0 for identities that hold, negative \
                      where the statement fails. Claims without instances are left out."
                .into(),
            axis: "smallest margin (share of the larger side)".into(),
            rows,
        })
    }

    /// Commands that give the same again, one for all claims with the same number of
    /// instances.
    fn commands(&self) -> Vec<String> {
        let mut numbers: Vec<u64> = self.entries.iter().map(|entry| entry.drawn).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mutants = if self.entries.iter().all(|e| e.mutants.is_empty()) { " --no-mutants" } else { "" };
        let command = |number: u64| {
            let claims: Vec<&str> =
                self.entries.iter().filter(|e| e.drawn == number).map(|e| e.claim.id).collect();
            let claims =
                if claims.len() == CLAIMS.len() { String::new() } else { format!(" {}", claims.join(" ")) };
            format!("pemdp check{claims} --seed {} --instances {number}{mutants} --out DIR", self.seed)
        };
        numbers.into_iter().map(command).collect()
    }

    /// The page.
    ///
    /// # Errors
    /// [`PictureError`] for a picture that cannot be drawn.
    pub fn to_html(&self) -> Result<String, PictureError> {
        let mut body = format!(
            "<h1>Claims about performative reinforcement learning</h1>\n\
             <p class=\"lead\">What holds, what does not, and how that is known. Identities were decided in exact \
             fractions, inequalities attacked by search, and every refutation is a file that a program of its own \
             re-verifies.</p>\n<p>{}</p>\n",
            escaped(FAIRNESS)
        );
        if self.interrupted {
            body.push_str("<p class=\"warning\">This run was interrupted: claims are missing.</p>\n");
        }
        self.summary(&mut body);
        if let Some(margins) = self.margins() {
            body.push_str(&margins.to_figure()?);
        }
        for entry in &self.entries {
            section(&mut body, entry)?;
        }
        self.mutants(&mut body);
        let commands = self.commands();
        let _ = write!(
            body,
            "<h2>Reproducing it</h2>\n<p>With pemdp {} {} the same again, byte for byte, certificates included:</p>\n\
             <pre>{}</pre>\n",
            env!("CARGO_PKG_VERSION"),
            if commands.len() == 1 {
                "this gives"
            } else {
                "these, by the number of random instances that there was time for, give"
            },
            escaped(&commands.join("\n")),
        );
        Ok(page("pemdp: claims and verdicts", &body))
    }

    fn summary(&self, page: &mut String) {
        let mutants = if self.mutants { "<th class=\"n\">mutants refuted</th>" } else { "" };
        let _ = writeln!(
            page,
            "<h2>Verdicts</h2>\n<div class=\"wide\"><table>\n<tr><th></th><th>claim</th><th></th><th>verdict</th>\
             <th>evidence</th><th class=\"n\">instances</th><th class=\"n\">smallest margin</th>{mutants}</tr>",
        );
        for (i, entry) in self.entries.iter().enumerate() {
            let (claim, finding) = (entry.claim, &entry.finding);
            let caught = entry.mutants.iter().filter(|m| m.caught.is_some()).count();
            let mutants = format!("<td class=\"n\">{caught}/{}</td>", entry.mutants.len());
            let _ = writeln!(
                page,
                "<tr><td class=\"n\">{}</td><td><a href=\"#{id}\">{id}</a></td><td>{}</td><td>{}{}</td><td>{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td>{}</tr>",
                i + 1,
                escaped(claim.title),
                badge(finding),
                if finding.verdict == claim.expected {
                    String::new()
                } else {
                    format!(" <span class=\"warning\">expected {}</span>", claim.expected.word())
                },
                if finding.instances > 0 { finding.evidence.word() } else { "" },
                finding.instances,
                finding.margin.map_or(String::new(), short),
                if self.mutants { &mutants } else { "" },
                id = claim.id,
            );
        }
        page.push_str("</table></div>\n");
    }

    fn mutants(&self, page: &mut String) {
        if self.entries.iter().all(|entry| entry.mutants.is_empty()) {
            return;
        }
        page.push_str(
            "<h2>Mutants</h2>\n<p>Deliberately wrong versions of the claims, and what refuted them: a suite that let one \
             pass would prove nothing. Margins are negative where a statement fails; instances are shrunk.</p>\n\
             <div class=\"wide\"><table>\n<tr><th>claim</th><th>wrong version</th><th>refuted by</th>\
             <th class=\"n\">margin</th><th>instance</th></tr>\n",
        );
        for entry in &self.entries {
            for mutant in &entry.mutants {
                let _ = write!(page, "<tr><td>{}</td><td>{}</td>", entry.claim.id, escaped(&mutant.name));
                let _ = match &mutant.caught {
                    None => writeln!(page, "<td class=\"warning\" colspan=\"3\">not refuted</td></tr>"),
                    Some(caught) => writeln!(
                        page,
                        "<td>{}</td><td class=\"n\">{}</td><td><details><summary>{}</summary><pre>{}</pre></details></td></tr>",
                        escaped(&caught.by),
                        short(caught.margin),
                        caught.evidence.word(),
                        escaped(&caught.instance),
                    ),
                };
            }
        }
        page.push_str("</table></div>\n");
    }
}

fn section(page: &mut String, entry: &Entry) -> Result<(), PictureError> {
    let (claim, finding) = (entry.claim, &entry.finding);
    let _ = write!(
        page,
        "<section id=\"{id}\">\n<h2>{id}: {} {}</h2>\n<p class=\"statement\">{}</p>\n<p class=\"source\">{}. \
         Hypotheses: {}.</p>\n<p>{}</p>\n",
        escaped(claim.title),
        badge(finding),
        escaped(claim.statement),
        escaped(claim.source),
        escaped(claim.hypotheses.trim_end_matches('.')),
        escaped(claim.finding),
        id = claim.id,
    );
    if let Some(repair) = claim.repair {
        let _ = writeln!(page, "<p><b>Repair.</b> {}</p>", escaped(repair));
    }
    if finding.instances > 0 {
        let _ = write!(
            page,
            "<p class=\"evidence\">Decided on {} instances ({})",
            finding.instances,
            finding.evidence.word()
        );
        if finding.out_of_scope > 0 {
            let _ = write!(page, ", hypotheses failed on {} more", finding.out_of_scope);
        }
        if finding.undecided > 0 {
            let _ = write!(page, ", {} undecided", finding.undecided);
        }
        page.push_str(".</p>\n");
    }
    if !finding.notes.is_empty() {
        page.push_str("<ul>\n");
        for note in &finding.notes {
            let _ = writeln!(page, "<li>{}</li>", escaped(note));
        }
        page.push_str("</ul>\n");
    }
    for picture in &finding.pictures {
        page.push_str(&picture.to_figure()?);
    }
    for certificate in &finding.certificates {
        let text = serde_json::to_string_pretty(&certificate.document).unwrap_or_default();
        let _ = writeln!(
            page,
            "<details><summary>Certificate {}.json</summary><pre>{}</pre></details>",
            escaped(&certificate.name),
            escaped(&text)
        );
    }
    let _ = writeln!(
        page,
        "<p class=\"source\">Proof or refutation: <code>docs/{}</code></p>\n</section>",
        claim.theory
    );
    Ok(())
}

fn badge(finding: &Finding) -> String {
    format!("<span class=\"badge {0}\">{0}</span>", finding.verdict.word())
}

/// A margin in three digits.
fn short(x: f64) -> String {
    if x == 0.0 || (0.001..10.0).contains(&x.abs()) { format!("{x:.3}") } else { format!("{x:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::CLAIMS;
    use crate::suite::{Settings, Work, run};
    use pemdp::interrupt::Interrupt;

    #[test]
    fn margins_have_three_digits() {
        assert_eq!([0.0, 0.5, -2e-7].map(short), ["0.000", "0.500", "-2.0e-7"]);
    }

    #[test]
    fn the_page_has_every_claim_and_its_certificates() {
        let settings = Settings { seed: 0, work: Work::Instances(10), mutants: false };
        let report = run(&CLAIMS[..2], &settings, |_| {}, &Interrupt::new());
        let page = report.to_html().unwrap();
        for entry in &report.entries {
            assert!(page.contains(&format!("<section id=\"{}\">", entry.claim.id)));
            for certificate in &entry.finding.certificates {
                assert!(page.contains(&format!("Certificate {}.json", certificate.name)));
            }
        }
        assert!(page.ends_with("</html>\n") && page.contains("<svg"));
        let ids: Vec<&str> = CLAIMS[..2].iter().map(|claim| claim.id).collect();
        let command = format!("pemdp check {} --seed 0 --instances 10 --no-mutants --out DIR", ids.join(" "));
        assert!(page.contains(&command));
    }
}
