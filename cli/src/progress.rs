//! Progress of long work: on a terminal only.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

/// How often the time is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// A bar over `total` units with the time that is left; hidden on a pipe.
pub fn bar(total: u64, units: &str) -> Progress {
    let template = format!("[{{bar:20}}] {{pos}}/{{len}} {units}{{msg}}, {{elapsed}} so far{{left}}");
    ticking(ProgressBar::new(total), &template)
}

/// A count of `total` units and the name of the one at hand; hidden on a pipe.
pub fn count(total: u64, units: &str) -> Progress {
    ticking(ProgressBar::new(total), &format!("{{pos}}/{{len}} {units}{{msg}}, {{elapsed}} so far"))
}

/// A message that changes while work of unknown length goes on; hidden on a pipe.
pub fn spinner() -> Progress {
    ticking(ProgressBar::new_spinner(), "{spinner} {elapsed} so far{msg}")
}

/// A count of lines; hidden on a pipe, and where the answers go to a terminal themselves.
pub fn lines() -> Progress {
    if std::io::stdout().is_terminal() {
        return Progress(ProgressBar::hidden());
    }
    Progress(styled(ProgressBar::no_length(), "lines: {human_pos} in {elapsed}{speed}"))
}

/// Progress that is being shown, or not.
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows how far the work is.
    pub fn reach(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Shows that one more unit is done.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Shows what there is to say of the work at hand.
    pub fn say(&self, text: &str) {
        self.0.set_message(format!(", {text}"));
    }

    /// A line above it, which stays.
    fn tell(&self, line: &str) {
        self.0.println(line);
    }

    /// Takes it off the screen.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn ticking(bar: ProgressBar, template: &str) -> Progress {
    let bar = styled(bar, template);
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    Progress(bar)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if std::io::stderr().is_terminal() { bar.with_style(style(template)) } else { ProgressBar::hidden() }
}

/// Before the first unit is done nothing is known of the time that is left, nor of the speed.
fn style(template: &str) -> ProgressStyle {
    let left = |state: &ProgressState, text: &mut dyn Write| {
        if state.pos() > 0 && state.len().is_some_and(|all| state.pos() < all) {
            // A line that is not shown is no loss.
            let _ = write!(text, ", {} left", HumanDuration(state.eta()));
        }
    };
    let speed = |state: &ProgressState, text: &mut dyn Write| {
        if state.pos() > 0 {
            let _ = write!(text, ", {:.1} a second", state.per_sec());
        }
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("left", left).with_key("speed", speed).progress_chars("=> ")
}

/// Measures the first runs of many, and tells what they mean for all.
pub struct Estimate {
    began: Instant,
    runs: usize,
    at_a_time: usize,
    /// How many were measured, their seconds, and whether it was told.
    measured: Mutex<(usize, f64, bool)>,
}

impl Estimate {
    /// Work that takes less from the beginning is not worth an estimate.
    const LONG: Duration = Duration::from_secs(20);

    /// Nothing measured yet of so many runs.
    pub fn of(runs: usize, at_a_time: usize) -> Self {
        Self { began: Instant::now(), runs, at_a_time, measured: Mutex::default() }
    }

    /// Notes a run, and tells once how long all take, where that is long.
    pub fn note(&self, seconds: f64, hint: &str, progress: &Progress) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured.0 += 1;
        measured.1 += seconds;
        let (count, total, is_told) = *measured;
        let left = self.runs.saturating_sub(count);
        if is_told || count < self.at_a_time.min(self.runs) || left == 0 {
            return;
        }
        let (mean, at_a_time) = (total / count as f64, self.at_a_time.min(left));
        let rest =
            Duration::try_from_secs_f64(mean * left as f64 / at_a_time as f64).unwrap_or(Duration::MAX);
        if self.began.elapsed() + rest >= Self::LONG {
            measured.2 = true;
            progress.tell(&told(rest, mean, [count, self.runs, at_a_time], hint));
        }
    }
}

fn told(rest: Duration, mean: f64, [count, runs, at_a_time]: [usize; 3], hint: &str) -> String {
    let first = if count == 1 { "the first run".to_owned() } else { format!("the first {count} runs") };
    format!(
        "about {} left: {first} of {runs} took {mean:.1} s each, {at_a_time} at a time{hint}",
        HumanDuration(rest)
    )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

    use super::{style, told};

    /// A terminal that keeps what is written to it.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(template: &str, change: impl Fn(&ProgressBar)) -> String {
        let kept = Kept::default();
        let target = ProgressDrawTarget::term_like(Box::new(kept.clone()));
        let bar = ProgressBar::with_draw_target(Some(4), target).with_style(style(template));
        change(&bar);
        bar.force_draw();
        let text = kept.0.lock().unwrap().trim_end().to_owned();
        bar.abandon();
        text
    }

    #[test]
    fn nothing_stands_where_nothing_is_known() {
        let template = "{pos}/{len} runs{msg}, {elapsed} so far{left}{speed}";
        assert_eq!(shown(template, |_| ()), "0/4 runs, 0s so far");
        let after = shown(template, |bar| {
            bar.inc(1);
            bar.set_message(", value 1");
        });
        assert!(after.starts_with("1/4 runs, value 1, 0s so far, "), "{after}");
        assert!(after.contains(" left, ") && after.ends_with(" a second"), "{after}");
    }

    #[test]
    fn an_estimate_says_what_it_rests_on() {
        let line = told(Duration::from_secs(240), 2.05, [2, 240, 2], "");
        assert_eq!(line, "about 4 minutes left: the first 2 runs of 240 took 2.0 s each, 2 at a time");
    }
}
