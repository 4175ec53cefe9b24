//! Progress of long work: on a terminal only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the time is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// A bar over `total` units with the time that is left; hidden on a pipe.
pub fn bar(total: u64, units: &str) -> ProgressBar {
    let template = format!("[{{bar:30}}] {{pos}}/{{len}} {units}, {{msg}}, {{elapsed}} so far, {{eta}} left");
    ticking(ProgressBar::new(total), &template)
}

/// A count of `total` units and the name of the one at hand; hidden on a pipe.
pub fn count(total: u64, units: &str) -> ProgressBar {
    let template = format!("{{pos}}/{{len}} {units}, at {{msg}}, {{elapsed}} so far");
    ticking(ProgressBar::new(total), &template)
}

/// A message that changes while work of unknown length goes on; hidden on a pipe.
pub fn spinner() -> ProgressBar {
    ticking(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed} so far")
}

/// A count of lines; hidden on a pipe, and where the answers go to a terminal themselves.
pub fn lines() -> ProgressBar {
    if std::io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    styled(ProgressBar::no_length(), "lines: {human_pos} in {elapsed}, {per_sec}")
}

fn ticking(bar: ProgressBar, template: &str) -> ProgressBar {
    let bar = styled(bar, template);
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
}
