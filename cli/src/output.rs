//! Standard output and standard error: whole lines, or a plain end.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use pemdp::interrupt::Interrupt;

use crate::arguments::Style;

/// The exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Fine,
    /// An answer differs from the exact one.
    Differs,
    /// The input, or some of it, is not valid.
    Invalid,
    /// Ended by an interrupt, with what was finished.
    Interrupted,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Fine => 0,
            Status::Differs => 1,
            Status::Invalid => 2,
            Status::Interrupted => INTERRUPTED,
        })
    }
}

/// The status of a process that an interrupt ended, as shells report it.
const INTERRUPTED: u8 = 130;

/// Held while a piece of output is written, so that an interrupt falls between
/// two pieces.
static WRITING: Mutex<()> = Mutex::new(());

fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an interrupt from falling into a piece of output while it is held.
pub fn whole() -> impl Sized {
    writing()
}

/// Whether interrupts end the process, or are only noted.
static NOTED: AtomicBool = AtomicBool::new(false);
/// Whether one was noted.
static STOP: Interrupt = Interrupt::new();

/// While it lives, the first interrupt is noted and only the second ends the
/// process.
pub struct Interrupts(());

impl Interrupts {
    /// Begins to note interrupts.
    pub fn gather() -> Self {
        NOTED.store(true, Ordering::SeqCst);
        Self(())
    }

    /// Raised by the first interrupt.
    pub fn flag(&self) -> &'static Interrupt {
        &STOP
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        NOTED.store(false, Ordering::SeqCst);
    }
}

/// Writes a piece of text to standard output, whole.
///
/// # Errors
/// What the system says, with its place.
pub fn print(text: &str) -> anyhow::Result<()> {
    let _whole = writing();
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context("standard output")
}

/// Whether an error is a reader that went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr().lock(), "pemdp: {}", shortened(&printable(message)));
}

/// Text without characters that move the cursor, start a line or turn the
/// direction of writing.
pub fn printable(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        let is_invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        match c {
            '\n' | '\r' | '\t' => result.extend(c.escape_default()),
            _ if c.is_control() || is_invisible => result.extend(c.escape_unicode()),
            _ => result.push(c),
        }
    }
    result
}

/// A message without the middle of what is too long to read.
fn shortened(text: &str) -> String {
    const KEPT: usize = 600;
    let length = text.chars().count();
    if length <= 2 * KEPT {
        return text.to_owned();
    }
    let head: String = text.chars().take(KEPT).collect();
    let tail: String = text.chars().skip(length - KEPT).collect();
    format!("{head} ... {tail}")
}

/// Whether to print a table: asked for, or on a terminal and not asked not to.
pub fn wants_table(style: Style) -> bool {
    style.table || (!style.json && io::stdout().is_terminal())
}

/// The width of a table where nobody says and there is no terminal.
const WIDTH: usize = 100;
/// No table is narrower than this.
const LEAST_WIDTH: usize = 20;

/// How wide a table may be: as the variable `COLUMNS` says, or as the terminal is.
pub fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse::<usize>().ok());
    let terminal = || {
        let is_terminal = io::stdout().is_terminal();
        is_terminal
            .then(|| console::Term::stdout().size_checked())
            .flatten()
            .map(|(_, columns)| columns.into())
    };
    told.filter(|columns| *columns > 0).or_else(terminal).unwrap_or(WIDTH).max(LEAST_WIDTH)
}

/// A heading: bold on a terminal, plain elsewhere.
pub fn heading(text: &str) -> String {
    let styled =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if styled { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Ends with 130 on Ctrl-C, after the piece of output that is being written;
/// while [`Interrupts`] are gathered, on the second one.
pub fn end_on_interrupt() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let end = || {
        if NOTED.load(Ordering::SeqCst) && !STOP.raise() {
            complain("interrupted: ending with what is finished; a second interrupt ends at once");
            return;
        }
        let start = Instant::now();
        // A reader that has stopped reading must not keep us.
        while WRITING.try_lock().is_err() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::process::exit(i32::from(INTERRUPTED));
    };
    // Without the handler an interrupt still ends the process.
    let _ = ctrlc::set_handler(end);
}

/// A panic is a bug; its report is one line all the same.
pub fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message =
            text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        let place = panic.location().map_or(String::new(), |place| format!(" at {place}"));
        complain(&format!("internal error{place}: {message}; this is a bug, please report it"));
    }));
}

#[cfg(test)]
mod tests {
    use super::{printable, shortened};

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\nb\u{1b}[31m\u{202e}é"), "a\\nb\\u{1b}[31m\\u{202e}é");
    }

    #[test]
    fn long_messages_lose_their_middle() {
        assert_eq!(shortened("short"), "short");
        assert!(shortened(&"x".repeat(1_000_000)).len() < 2000);
    }
}
