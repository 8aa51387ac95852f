//! A learner's copy: a workspace of its own with everything that a chapter and its grader need, in which the bodies that
//! the tasks ask for are holes. It compiles offline, with the same Cargo.lock.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::catalog::{Chapter, Check, Task};
use crate::learner::{self, LAB};

/// What is copied. The rest is not needed: benchmarks, the book, virtual machines, later chapters.
const PARTS: [&str; 10] = [
    ".cargo",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "labs",
    "rustfmt.toml",
    "support",
    "xtask",
];

const MEMBERS: &str = r#"members = ["chapters/*", "support/*", "xtask", "labs"]"#;

/// Holes leave names unused, and only those; what else a compiler says is about the learner's own code.
const LINTS: &str = "[workspace.lints.rust]\ndead_code = \"allow\"\nunused_imports = \"allow\"\n\
                     unused_mut = \"allow\"\nunused_variables = \"allow\"\n";

/// What is half done as root must not reach the machine. Without root it cannot: the lab box is in between.
const RUNNER: &str = r#"
# What cargo runs of the chapter's, it runs where half of a container does no harm.
[target.'cfg(target_os = "linux")']
runner = [".lab/disposable"]
"#;

const DISPOSABLE: &str = r#"#!/bin/sh
# Runs a program; the chapter's binary, as root, with mounts and a host name that nobody else sees. A container that is
# half done could otherwise rename this machine, or put another root in front of everybody's files.
case $1 in
*/minidock-*) [ "$(id -u)" = 0 ] && exec unshare --mount --uts --propagation private -- "$@" ;;
esac
exec "$@"
"#;

/// Makes the copy.
pub(crate) fn make(chapter: &Chapter, to: &Path) -> Result<()> {
    ensure!(
        !crate::tree().join(LAB).exists(),
        "this is a learner's copy; make another one in the tree"
    );
    ensure!(!to.exists(), "{} exists already; name a new directory", to.display());
    for part in PARTS {
        let from = crate::tree().join(part);
        if from.exists() {
            copy(&from, &to.join(part))?;
        }
    }
    for entry in fs::read_dir(crate::tree().join("chapters")).context("cannot list the chapters")? {
        let entry = entry?;
        // Each begins with its number.
        let name = entry.file_name();
        if name.to_string_lossy().get(..2) <= Some(&chapter.number) {
            copy(&entry.path(), &to.join("chapters").join(&name))?;
        }
        if name.to_string_lossy().get(..2) < Some(&chapter.number) {
            unmark(&to.join("chapters").join(&name))?;
        }
    }
    change(&to.join("Cargo.toml"), |text| {
        let members = text.lines().find(|line| line.starts_with("members = ")).unwrap_or("");
        text.replace(members, MEMBERS).replace("[workspace.lints.rust]\n", LINTS)
    })?;
    // A release build takes far longer, and a learner builds often.
    change(&to.join(".cargo/config.toml"), |text| text.replace("--release ", "") + RUNNER)?;
    write(&to.join("README.md"), &crate::report::readme(chapter))?;
    let lab = to.join(LAB);
    write(&lab.join(learner::CHAPTER), &format!("{}\n", chapter.number))?;
    write(&lab.join("disposable"), DISPOSABLE)?;
    fs::set_permissions(lab.join("disposable"), Permissions::from_mode(0o755))?;
    for (file, text) in with_holes(chapter, |_, _| true)? {
        write(&lab.join(learner::SOLUTION).join(&file), &whole(&file)?)?;
        write(&to.join(file), &text)?;
    }
    Ok(())
}

/// The files that lack something when these checks' bodies are out.
pub(crate) fn with_holes(
    chapter: &Chapter,
    out: impl Fn(&Task, &Check) -> bool,
) -> Result<BTreeMap<String, String>> {
    lacking(chapter, |task, check, _| out(task, check))
}

/// The same, said of each body: the third is its number in its check. They are cut in the order of the catalog, as two may
/// be words of one line.
fn lacking(
    chapter: &Chapter,
    out: impl Fn(&Task, &Check, usize) -> bool,
) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (task, check) in chapter.checks() {
        let holes = check.holes.iter().enumerate();
        for (index, hole) in holes.filter(|(index, _)| out(task, check, *index)) {
            let before = files.get(&hole.file).cloned();
            let before = before.map_or_else(|| whole(&hole.file), Ok)?;
            let cut = hole.cut(&before, &name(task, check), nth(check, index))?;
            files.insert(hole.file.clone(), cut);
        }
    }
    Ok(files)
}

/// A body, put into a new copy: the file before and after.
pub(crate) struct Filled {
    pub(crate) file: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// The bodies of one check, put into a new copy one after the other.
pub(crate) fn filled(chapter: &Chapter, check: &Check) -> Result<Vec<Filled>> {
    let up_to = |done: usize| {
        lacking(chapter, |_, other, index| !std::ptr::eq(other, check) || index >= done)
    };
    let mut before = up_to(0)?;
    let mut bodies = Vec::new();
    for (index, hole) in check.holes.iter().enumerate() {
        let after = up_to(index + 1)?;
        let text = |files: &BTreeMap<String, String>| {
            // Nothing else is missing in it if it is not there.
            files.get(&hole.file).cloned().map_or_else(|| whole(&hole.file), Ok)
        };
        let (was, is) = (text(&before)?, text(&after)?);
        bodies.push(Filled { file: hole.file.clone(), before: was, after: is });
        before = after;
    }
    Ok(bodies)
}

/// As the marks say it.
fn name(task: &Task, check: &Check) -> String {
    format!("{} {}", task.id, check.name)
}

/// A hole's number among those of the same file: that of its mark, which stays when the body goes.
fn nth(check: &Check, index: usize) -> usize {
    check.holes[..index].iter().filter(|hole| hole.file == check.holes[index].file).count()
}

/// A file as the tree has it, also when this program was built in a learner's copy.
pub(crate) fn whole(file: &str) -> Result<String> {
    let kept = crate::tree().join(LAB).join(learner::SOLUTION).join(file);
    let path = if kept.exists() { kept } else { crate::tree().join(file) };
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let about =
        fs::symlink_metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
    if !about.is_dir() {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::copy(from, to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        return Ok(());
    }
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        if entry.file_name() != "target" {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Takes the marks out of a directory's sources: of earlier chapters nothing is missing.
fn unmark(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {directory:?}"))? {
        let path = entry?.path();
        if path.is_dir() {
            unmark(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_mark = |line: &&str| line.trim_start().starts_with("// LAB ");
            change(&path, |text| {
                text.split_inclusive('\n').filter(|line| !is_mark(line)).collect()
            })?;
        }
    }
    Ok(())
}

fn change(file: &Path, by: impl FnOnce(String) -> String) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    write(file, &by(text))
}

pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_found_in_the_tree_alone_and_together() {
        if !crate::tree_is_readable() {
            return;
        }
        for chapter in Chapter::all().unwrap() {
            for (_, check) in chapter.checks() {
                assert_eq!(filled(&chapter, check).unwrap().len(), check.holes.len());
                for mutant in &check.mutants {
                    for edit in &mutant.edits {
                        edit.apply(&whole(&edit.file).unwrap()).unwrap();
                    }
                }
            }
            for (file, text) in with_holes(&chapter, |_, _| true).unwrap() {
                assert_ne!(whole(&file).unwrap(), text, "{file}");
                // A mark without a hole would send a learner to look for what is not missing.
                let marks = whole(&file).unwrap().matches("// LAB ").count();
                let marked = chapter.checks().flat_map(|(_, check)| &check.holes);
                let marked = marked.filter(|hole| hole.file == file && hole.find.is_none());
                assert_eq!(marks, marked.count(), "{file}");
            }
        }
    }
}
