//! The commands of the README as they stand.

use std::process::Command;

const README: &str = include_str!("../../../README.md");

/// The lines of the section on the command line.
fn commands() -> Vec<&'static str> {
    let (_, section) = README.split_once("## The command line\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    section.lines().filter_map(|line| line.strip_prefix("    ")).collect()
}

/// What long work is told beside, to be short.
fn shortened(command: &str) -> String {
    let more = if command.contains(" check") {
        " L1 --instances 1"
    } else if command.contains(" experiment gridworld") {
        " --set seeds=1 --set iterations=1 --set rounds=1"
    } else {
        ""
    };
    format!("{}{more}", command.split(" #").next().unwrap())
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_readme_run() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pemdp"), release.join("pemdp")).unwrap();
    let commands = commands();
    assert!(commands.len() > 8 && commands[0].starts_with("cargo build"), "{commands:?}");
    for command in &commands[1..] {
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &shortened(command)]).current_dir(directory.path()).output().unwrap();
        let expected = i32::from(command.contains("# exit status 1"));
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{command}: {message}");
        if expected == 1 {
            assert!(String::from_utf8_lossy(&output.stdout).contains("no-transition-term"), "{command}");
        }
    }
}
