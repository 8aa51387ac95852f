//! Where a chapter's binary is: the reader's own (`MINIDOCK_BIN_01=/path/to/yours`), or the one that cargo builds from
//! this tree, with the release profile, because that is what the README tells a reader to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

/// One build a chapter and test process; the lock makes the other tests wait for it.
static BINARIES: Mutex<BTreeMap<u8, PathBuf>> = Mutex::new(BTreeMap::new());

/// The path of `minidock-0N`, built first if need be.
pub fn binary(chapter: u8) -> PathBuf {
    // A panicking build poisons the lock; the next test should then show the same compiler error, not "poisoned".
    let mut binaries = BINARIES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    binaries
        .entry(chapter)
        .or_insert_with(|| match std::env::var_os(format!("MINIDOCK_BIN_{chapter:02}")) {
            Some(path) => replaced(chapter, Path::new(&path)),
            None => build(chapter),
        })
        .clone()
}

/// A binary of the reader's choice. Made absolute, because tests change directory.
fn replaced(chapter: u8, path: &Path) -> PathBuf {
    std::fs::canonicalize(path)
        .unwrap_or_else(|error| panic!("MINIDOCK_BIN_{chapter:02}={}: {error}", path.display()))
}

fn build(chapter: u8) -> PathBuf {
    let (package, name) = (package(chapter), format!("minidock-{chapter:02}"));
    // Within `cargo test` CARGO names the cargo that runs us; CARGO_TARGET_DIR and CARGO_NET_OFFLINE reach it by themselves.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", &package, "--bin", &name])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo build --package {package} failed, see above");
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages, &name).unwrap_or_else(|| panic!("cargo named no executable for {name}"))
}

/// What cargo says it has built, whether or not it was fresh.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == name
        })
        .and_then(|message| message["executable"].as_str().map(PathBuf::from))
}

/// `chapters/01-namespaces` holds the package `ch01-namespaces`.
fn package(chapter: u8) -> String {
    let chapters = workspace().join("chapters");
    let prefix = format!("{chapter:02}-");
    std::fs::read_dir(&chapters)
        .unwrap_or_else(|error| panic!("{}: {error}", chapters.display()))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(&prefix))
        .map(|name| format!("ch{name}"))
        .unwrap_or_else(|| panic!("{}: no chapter {chapter:02}", chapters.display()))
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_found_by_its_number() {
        assert_eq!(package(1), "ch01-namespaces");
    }

    #[test]
    fn the_executable_is_taken_from_the_artifact_of_that_name() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"namespaces"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"minidock-01"},"executable":"/t/release/minidock-01"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "minidock-01"),
            Some(PathBuf::from("/t/release/minidock-01"))
        );
        assert_eq!(executable(messages, "minidock-02"), None);
    }
}
