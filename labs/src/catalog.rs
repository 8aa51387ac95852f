//! What there is to do: `labs/NN/chapter.json` and a file for each task, read when asked for. `labs/README.md` says
//! what their fields mean.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::hole::{Edit, Hole};

/// A chapter's labs.
#[derive(Deserialize)]
pub(crate) struct Chapter {
    /// `01`.
    pub(crate) number: String,
    pub(crate) title: String,
    /// Of the chapter's crate, for `cargo build --package`.
    pub(crate) package: String,
    /// The binary that the tasks are about.
    pub(crate) binary: String,
    /// What runs it: `cargo ch1`.
    pub(crate) alias: String,
    /// From `1.json`, `2.json`, … A number may be missing: its task comes with a later part of the chapter.
    #[serde(skip)]
    pub(crate) tasks: Vec<Task>,
}

/// What a learner does in one sitting.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// `01.2`.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) goal: String,
    pub(crate) checks: Vec<Check>,
}

/// What the grader looks at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// One word, known within the task.
    pub(crate) name: String,
    /// One sentence that holds when it passes.
    pub(crate) promise: String,
    /// What the kernel should say.
    pub(crate) expected: String,
    /// A command with which one sees it oneself; MINIDOCK in it stands for the binary.
    pub(crate) look: String,
    pub(crate) hints: Hints,
    /// What a learner's copy lacks.
    pub(crate) holes: Vec<Hole>,
    /// A part of what the grader has to say to whoever leaves it out.
    pub(crate) helps: String,
    /// Checks that cannot pass without it either, `02.2 memory`: what rests on it, or all of a task, `02.2`.
    #[serde(default)]
    pub(crate) carries: Vec<String>,
    /// Other known wrong solutions, each of which fails this check alone.
    #[serde(default)]
    pub(crate) mutants: Vec<Mutant>,
}

/// Levels 1 to 3; level 0 is what the check found, and level 4 the difference to the tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hints {
    pub(crate) question: String,
    pub(crate) manual: String,
    pub(crate) outline: String,
}

/// The tree with one mistake in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) edits: Vec<Edit>,
    pub(crate) helps: String,
    /// As for a check: what fails for it, too.
    #[serde(default)]
    pub(crate) carries: Vec<String>,
}

impl Chapter {
    /// The chapter of this number, `01` or `1`.
    pub(crate) fn load(number: &str) -> Result<Chapter> {
        let id = Id::parse(number).filter(|id| id.task.is_none());
        let id = id.with_context(|| format!("{number:?} is no chapter: write 01"))?;
        let directory = directory().join(&id.chapter);
        if !directory.is_dir() {
            return Err(anyhow!(
                "chapter {} has no labs; `list` shows those that have",
                id.chapter
            ));
        }
        let mut chapter: Chapter = read(&directory.join("chapter.json"))?;
        let file = |task: usize| directory.join(format!("{task}.json"));
        let names = names(&directory)?;
        let mut numbers: Vec<usize> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        for number in numbers {
            chapter.tasks.push(read(&file(number))?);
        }
        Ok(chapter)
    }

    /// Every chapter that has labs.
    pub(crate) fn all() -> Result<Vec<Chapter>> {
        let mut numbers = names(&directory())?;
        numbers.retain(|name| Id::parse(name).is_some());
        numbers.sort();
        numbers.iter().map(|number| Chapter::load(number)).collect()
    }

    /// Each check with its task.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (&Task, &Check)> {
        self.tasks.iter().flat_map(|task| task.checks.iter().map(move |check| (task, check)))
    }
}

impl Task {
    /// 2 for `01.2`.
    pub(crate) fn number(&self) -> Option<usize> {
        Id::parse(&self.id)?.task
    }
}

impl Check {
    /// Whether a check rests on this one.
    pub(crate) fn carries(&self, task: &Task, check: &Check) -> bool {
        let full = format!("{} {}", task.id, check.name);
        self.carries.iter().any(|carried| *carried == task.id || *carried == full)
    }
}

/// `01` or `01.2`, as a person may write it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) chapter: String,
    pub(crate) task: Option<usize>,
}

impl Id {
    pub(crate) fn parse(text: &str) -> Option<Id> {
        let (chapter, task) = match text.split_once('.') {
            Some((chapter, task)) => (chapter, Some(task.parse().ok()?)),
            None => (text, None),
        };
        let chapter: u8 = chapter.parse().ok().filter(|number| (1..=99).contains(number))?;
        Some(Id { chapter: format!("{chapter:02}"), task })
    }
}

fn directory() -> PathBuf {
    crate::tree().join("labs")
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_people_write_them() {
        let id = |chapter: &str, task| Some(Id { chapter: chapter.into(), task });
        assert_eq!(Id::parse("01.2"), id("01", Some(2)));
        assert_eq!(Id::parse("1"), id("01", None));
        for wrong in ["", "x", "01.", "01.x", "0", "100", "01.2.3", "src"] {
            assert_eq!(Id::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_check_is_described_and_written() {
        if !crate::tree_is_readable() {
            return;
        }
        for chapter in Chapter::all().unwrap() {
            for task in &chapter.tasks {
                let Id { chapter: of, task: number } = Id::parse(&task.id).unwrap();
                let file = directory().join(&of).join(format!("{}.json", number.unwrap()));
                assert_eq!(
                    (read::<Task>(&file).unwrap().id, &of),
                    (task.id.clone(), &chapter.number)
                );
            }
            for (task, check) in chapter.checks() {
                let name = format!("{} {}", task.id, check.name);
                assert!(crate::checks::find(&task.id, &check.name).is_some(), "{name}");
                assert!(!check.holes.is_empty() && !check.helps.is_empty(), "{name}");
            }
        }
    }
}
