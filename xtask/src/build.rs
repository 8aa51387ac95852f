//! What cargo has built, taken from its own messages (`--message-format=json`).

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// An executable that cargo made.
pub(crate) struct Executable {
    /// `minidock-01`, or the name of a test.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where its package lies: cargo runs tests there.
    pub(crate) package: PathBuf,
    is_test: bool,
}

/// All test programs of the workspace.
pub(crate) fn tests() -> Result<Vec<Executable>> {
    let built = build(&["test", "--workspace", "--no-run"])?;
    Ok(built.into_iter().filter(|executable| executable.is_test).collect())
}

/// The chapters' binaries, with the profile that the README's readers get.
pub(crate) fn chapters() -> Result<Vec<Executable>> {
    build(&["build", "--release", "--package", "ch*", "--bins"])
}

fn build(arguments: &[&str]) -> Result<Vec<Executable>> {
    let output = super::cargo()
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo {} ended with {}", arguments.join(" "), output.status);
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    Ok(messages.lines().filter_map(executable).collect())
}

fn executable(message: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(Executable {
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        package: PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned(),
        is_test: message["profile"]["test"].as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_executables_are_taken() {
        let message = r#"{"reason":"compiler-artifact","manifest_path":"/w/xtask/Cargo.toml","target":{"name":"xtask"},
            "profile":{"test":true},"executable":"/t/debug/deps/xtask-1"}"#;
        let found = executable(message).unwrap();
        assert_eq!((found.name.as_str(), found.is_test), ("xtask", true));
        assert_eq!(found.package, PathBuf::from("/w/xtask"));
        assert!(executable(&message.replace("\"/t/debug/deps/xtask-1\"", "null")).is_none());
        assert!(executable("warning: no message").is_none());
    }
}
