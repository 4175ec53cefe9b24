//! Progress of long work: on a terminal only.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

    use super::style;

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
}
