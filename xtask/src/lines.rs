//! A lesson is read from top to bottom, so its length is a promise: the files directly under `chapters/*/src` have at most a
//! thousand lines together. What only users need lies in `src/engine` and does not count.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

const MOST: usize = 1000;

/// Prints the lines of every chapter's lesson, comments and blank lines included, and fails when one is too long.
pub(crate) fn count() -> Result<()> {
    let chapters = super::workspace().join("chapters");
    let mut directories: Vec<_> = fs::read_dir(&chapters)
        .with_context(|| format!("cannot list {}", chapters.display()))?
        .collect::<std::io::Result<Vec<_>>>()?;
    directories.sort_by_key(|entry| entry.file_name());
    let mut too_long = Vec::new();
    for entry in directories {
        let name = entry.file_name().into_string().unwrap_or_default();
        let lines = lesson(&entry.path().join("src"))?;
        println!("{name}: {lines} of {MOST} lines");
        if lines > MOST {
            too_long.push(name);
        }
    }
    if !too_long.is_empty() {
        bail!(
            "too long: {}; move what the chapter does not teach to src/engine",
            too_long.join(", ")
        );
    }
    Ok(())
}

fn lesson(directory: &Path) -> Result<usize> {
    let mut lines = 0;
    for entry in
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            lines += text.lines().count();
        }
    }
    Ok(lines)
}
