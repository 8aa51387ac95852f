//! The repository: its files by their names in it, and where the book's own are.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory that holds what the book is made of.
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The workspace that this program was built from.
    pub(crate) fn workspace() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        Tree { root: root.expect("the book is a directory of the workspace").to_owned() }
    }

    /// Another one.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Tree {
        Tree { root: root.to_owned() }
    }

    /// The full name of a file of the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Its text.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.path(name)).with_context(|| format!("cannot read {name}"))
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    /// All files below a directory whose names end so, by their names in the repository, sorted.
    pub(crate) fn files(&self, directory: &str, ending: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in self.list(directory)? {
            let name = format!("{directory}/{entry}");
            if self.path(&name).is_dir() {
                found.extend(self.files(&name, ending)?);
            } else if name.ends_with(ending) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// What is directly in a directory, sorted; nothing if there is no such directory.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<String>> {
        let path = self.path(directory);
        if !path.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&path).with_context(|| format!("cannot list {directory}"))?;
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    /// Where everything that is built goes, as cargo decides it.
    pub(crate) fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => self.root.join(directory),
            None => self.root.join("target"),
        }
    }
}
