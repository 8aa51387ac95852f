//! `cargo xtask vm -- COMMAND`: in a virtual machine, with the chapters' binaries on its PATH.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build;

/// Passes the words on to `vm run`; the exit code is the command's.
pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let mut command = super::cargo();
    let manifest = super::workspace().join("vm/Cargo.toml");
    command.args(["run", "--quiet", "--manifest-path"]).arg(manifest).args(["--", "run"]);
    // Paths among the words are meant from where they were typed.
    command.args(words).current_dir(std::env::current_dir().context("the working directory")?);
    command.envs(build::variables(&build::chapters()?));
    let status = command.status().context("cannot start cargo")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(125)))
}
