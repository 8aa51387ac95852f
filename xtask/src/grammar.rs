//! One grammar from the first chapter to the last: the tests that drive an earlier chapter's binary from outside pass on
//! every later binary, too.

use anyhow::{Context, Result};

use crate::build;

/// Runs each chapter's black-box tests (`tests/chapterNN`) on the binaries of the chapters after it.
pub(crate) fn test() -> Result<()> {
    let mut binaries = build::chapters()?;
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    for (index, earlier) in binaries.iter().enumerate() {
        let number = earlier.name.strip_prefix("minidock-").context("a chapter's binary")?;
        let directory = earlier.package.file_name().context("a chapter's directory")?;
        for later in &binaries[index + 1..] {
            eprintln!("xtask: chapter {number}'s tests on {}", later.name);
            let package = format!("ch{}", directory.to_string_lossy());
            super::succeed(
                super::cargo()
                    .args(["test", "--package", &package, "--test", &format!("chapter{number}")])
                    .env(format!("MINIDOCK_BIN_{number}"), &later.path)
                    .env("MINIDOCK_REQUIRE_PEERS", "1"),
            )?;
            super::clean_up_with(&later.path)?;
        }
    }
    Ok(())
}
