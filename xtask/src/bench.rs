//! `cargo xtask bench`: the ladder is a program of its own; it and what it measures are built first.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::build;

/// Passes the words on; the exit code is the ladder's.
pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let chapters = build::chapters()?;
    // Not by `cargo run`: what is measured starts without cargo beside it.
    let mut ladder = Command::new(build::program("benches", "ladder")?.path);
    let status = ladder.args(words).envs(build::variables(&chapters)).status();
    let code = status.context("cannot start the ladder")?.code();
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
