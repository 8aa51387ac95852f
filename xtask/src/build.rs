//! What cargo has built, taken from its own messages (`--message-format=json`).

use std::path::{Path, PathBuf};
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

/// All test programs of the workspace, or of one package: `--workspace`, `--package=NAME`.
pub(crate) fn tests(whose: &str) -> Result<Vec<Executable>> {
    let built = build(&["test", whose, "--no-run"])?;
    Ok(built.into_iter().filter(|executable| executable.is_test).collect())
}

/// The chapters' binaries, with the profile that the README's readers get.
pub(crate) fn chapters() -> Result<Vec<Executable>> {
    build(&["build", "--release", "--package", "ch*", "--bins"])
}

/// A package's program, with the same profile.
pub(crate) fn program(package: &str, name: &str) -> Result<Executable> {
    let built = build(&["build", "--release", "--package", package, "--bin", name])?;
    let found = built.into_iter().find(|executable| executable.name == name);
    found.with_context(|| format!("cargo has not built {name}"))
}

/// How other programs are told where the chapters' binaries are: MINIDOCK_BIN_01=…, unless the
/// reader has said so already.
pub(crate) fn variables(chapters: &[Executable]) -> Vec<(String, &Path)> {
    let named = chapters.iter().filter_map(|chapter| {
        let number = chapter.name.strip_prefix("minidock-")?;
        Some((format!("MINIDOCK_BIN_{number}"), chapter.path.as_path()))
    });
    named.filter(|(name, _)| std::env::var_os(name).is_none()).collect()
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
