//! What is on the screen: tables in the width that there is, and progress.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what went wrong by panicking

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pemdp"));
    command.args(arguments).stdin(Stdio::null()).env_remove("COLUMNS").env("TERM", "xterm");
    command
}

/// A terminal of so many columns: what a program writes to, and what reads it.
fn terminal(columns: u16) -> (OwnedFd, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let user = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    tcsetwinsize(&user, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (user, File::from(screen))
}

/// What appears on the screen, piece by piece.
fn watched(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        // The end of a terminal is an error on Linux.
        while let Ok(length @ 1..) = screen.read(&mut piece) {
            let _ = sender.send(piece[..length].to_vec());
        }
    });
    receiver
}

/// All of it. A character may fall into two pieces.
fn all(screen: Receiver<Vec<u8>>) -> String {
    String::from_utf8(screen.into_iter().flatten().collect()).unwrap()
}

/// All that a run shows on a terminal of so many columns, without colours.
fn shown(arguments: &[&str], columns: u16) -> String {
    let (user, screen) = terminal(columns);
    let mut child = program(arguments).stdout(user).stderr(Stdio::null()).spawn().unwrap();
    let text = all(watched(screen));
    assert!(child.wait().unwrap().success(), "{arguments:?}");
    without_escapes(&text).replace('\r', "")
}

fn without_escapes(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap().to_owned();
    let rest = |part: &str| {
        part.split_once(|c: char| c.is_ascii_alphabetic()).map_or(String::new(), |p| p.1.to_owned())
    };
    first + &parts.map(rest).collect::<String>()
}

fn told(arguments: &[&str], columns: Option<&str>) -> String {
    let mut command = program(arguments);
    if let Some(columns) = columns {
        command.env("COLUMNS", columns);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The longest line, but for the command that gives the same again, which is to be copied.
fn width(text: &str) -> usize {
    let lines = text.lines().filter(|line| !line.starts_with("again: "));
    lines.map(|line| line.chars().count()).max().unwrap()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().filter(|word| !word.contains('─')).map(str::to_owned).collect()
}

const TABLES: [&[&str]; 9] = [
    &["eval", "--table", "--example", "gridworld"],
    &["eval", "--table", "--exact", "--example", "affine"],
    &["solve", "--table", "--example", "loan", "--algorithm", "pepg", "--set", "iterations=30"],
    &["experiment", "--table", "loan", "--set", "iterations=50"],
    &["experiment", "--table", "stability-price", "--set", "problems=1", "--set", "states=2"],
    &["check", "--table", "L1", "T2e", "--instances", "2"],
    &["optimum", "--table", "--example", "loan-mdp"],
    &["solve", "--list"],
    &["example"],
];

#[test]
fn tables_fit_every_width_and_cut_no_word() {
    for table in TABLES {
        let widest = told(table, Some("200"));
        for columns in ["60", "80", "120", "200"] {
            let text = told(table, Some(columns));
            assert!(width(&text) <= columns.parse().unwrap(), "{table:?} at {columns}:\n{text}");
            assert_eq!(words(&text), words(&widest), "{table:?} at {columns}");
        }
        let usual = told(table, None);
        assert_eq!(usual, told(table, Some("100")), "{table:?}");
        assert!(width(&usual) <= 100, "{table:?}:\n{usual}");
    }
}

#[test]
fn tables_fit_the_terminal() {
    for table in [&["eval", "--example", "gridworld"][..], &["experiment", "loan"]] {
        for columns in [60, 80, 120, 200] {
            let text = shown(table, columns);
            assert!(width(&text) <= columns.into(), "{table:?} at {columns}:\n{text}");
            assert_eq!(text, told(&[table, &["--table"]].concat(), Some(&columns.to_string())));
        }
    }
}

#[test]
fn counts_have_no_decimals() {
    let text = told(&["experiment", "--table", "loan", "--set", "iterations=50"], Some("200"));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert!(["iterations", "deployments"].iter().all(|c| header.contains(c)), "{text}");
    // Of single runs nothing is known.
    assert!(!text.contains("confidence"), "{text}");
    // What is the same in every row is told once.
    assert!(
        !header.contains(&"runs") && text.contains("\nin every row: runs 1, samples 0, kinks 0\n"),
        "{text}"
    );
    for row in lines.skip(1).take_while(|line| !line.starts_with("in every row")) {
        // The label has words of its own: counted from the end.
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert!(cells.iter().filter(|cell| cell.chars().all(|c| c.is_ascii_digit())).count() >= 2, "{row}");
    }
}

/// A run whose progress is on a terminal, and what appears there.
fn progress_of(arguments: &[&str]) -> (Child, Receiver<Vec<u8>>) {
    let (user, screen) = terminal(100);
    let child = program(arguments).stdout(Stdio::null()).stderr(user).spawn().unwrap();
    (child, watched(screen))
}

#[test]
fn progress_has_no_empty_fields() {
    let runs: [&[&str]; 4] = [
        &["experiment", "ablation", "--set", "followers=[2]", "--set", "eps=[0.5]", "--set", "iterations=60"],
        &["solve", "--example", "gridworld", "--algorithm", "pepg", "--set", "iterations=100"],
        &["check", "L1", "L3", "--instances", "100"],
        &["optimum", "--example", "exponential-family"],
    ];
    for arguments in runs {
        let (mut child, screen) = progress_of(arguments);
        let text = all(screen);
        assert!(child.wait().unwrap().success(), "{arguments:?}");
        assert!(text.contains(" so far"), "{arguments:?}: {text}");
        for nothing in [", ,", ",,", "at ,", " , ", "- left", ", 0s left"] {
            assert!(!text.contains(nothing), "{arguments:?}, {nothing:?}: {text}");
        }
    }
}

#[test]
fn a_long_experiment_says_how_long_by_its_first_runs() {
    let (mut child, screen) = progress_of(&["experiment", "gridworld"]);
    let (start, mut text) = (Instant::now(), String::new());
    while !text.contains("at a time") && start.elapsed() < PATIENCE {
        text += &String::from_utf8_lossy(&screen.recv_timeout(PATIENCE).unwrap_or_default());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let line = text.lines().find(|line| line.contains("at a time")).unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.contains("about ") && line.contains(" left: the first ") && line.contains(" took "),
        "{line}"
    );
    assert!(line.contains("--quick ends in about a minute"), "{line}");
}
