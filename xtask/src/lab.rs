//! `cargo xtask lab`: tasks for learners and their grader, which are a program of their own.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// What the grader says when this machine could not try a solution.
const ENVIRONMENT: u8 = 3;

/// Passes the words on; the exit code is the grader's.
pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    // Paths among the words are meant from where they were typed, and so is the learner's copy.
    let directory = std::env::current_dir().context("the working directory")?;
    let words = if words.is_empty() { &["--help"] } else { words };
    let status = grader().args(words).current_dir(directory).status();
    let code = status.context("cannot start cargo")?.code();
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(ENVIRONMENT)))
}

/// Proves that every check fails without its mechanism, and alone.
pub(crate) fn test() -> Result<()> {
    super::succeed(grader().arg("prove"))
}

fn grader() -> Command {
    let mut cargo = super::cargo();
    let manifest = super::workspace().join("labs/Cargo.toml");
    cargo.args(["run", "--quiet", "--manifest-path"]).arg(manifest).arg("--");
    cargo
}
