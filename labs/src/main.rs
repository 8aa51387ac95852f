//! `cargo xtask lab`: tasks for learners. A learner's copy of the workspace lacks the bodies that the tasks ask for;
//! the grader runs any binary, in any language, and believes what the kernel says about it.
//!
//! Exit code 0: passed; 1: failed; 2: misuse; 3: this machine could not try it, in whole or in part.

mod catalog;
mod checks;
mod copy;
mod grade;
mod ground;
mod hint;
mod hole;
mod learner;
mod prove;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand};

use crate::catalog::{Chapter, Id};

/// Nothing is wrong with the solution: it was asked for wrongly.
const MISUSE: u8 = 2;
/// Nothing is known about the solution: this machine lacks something.
const ENVIRONMENT: u8 = 3;

/// Tasks for learners, and their grader.
#[derive(Parser)]
#[command(name = "cargo xtask lab", bin_name = "cargo xtask lab")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the tasks
    List {
        /// Only those of this chapter: 01
        chapter: Option<String>,
    },
    /// Make a learner's copy of the workspace, without the bodies that the tasks ask for
    New {
        /// The chapter: 01
        chapter: String,
        /// The directory to make
        directory: PathBuf,
    },
    /// Grade a task (01.2) or all of a chapter's (01)
    Check {
        /// The task or the chapter
        what: String,
        #[command(flatten)]
        subject: learner::Options,
        /// One line of JSON a check
        #[arg(long)]
        json: bool,
    },
    /// Grade a task, and help with what fails first: each call tells more
    Hint {
        /// The task
        what: String,
        #[command(flatten)]
        subject: learner::Options,
        /// This much, from 0 to 4, whatever was told before
        #[arg(long, value_parser = clap::value_parser!(u8).range(0..=4))]
        level: Option<u8>,
    },
    /// Show what the tree has in place of a task's gaps
    Solution {
        /// The task
        what: String,
    },
    /// Prove that every check fails without its mechanism, and alone
    #[command(hide = true)]
    Prove {
        /// Only variants with this in their name
        only: Option<String>,
    },
    /// One check, in the disposable host that `check` has made
    #[command(hide = true)]
    Grade { task: String, check: String, binary: PathBuf },
}

fn main() -> ExitCode {
    let ended = run(CommandLine::parse().command);
    ended.unwrap_or_else(|error| {
        eprintln!("lab: {error:#}");
        ExitCode::from(MISUSE)
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List { chapter } => {
            for chapter in chapters(chapter.as_deref())? {
                console::print(report::list(&chapter))?;
            }
        }
        Command::New { chapter, directory } => {
            let chapter = Chapter::load(&chapter)?;
            copy::make(&chapter, &directory)?;
            console::print(report::made(&chapter, &directory))?;
        }
        Command::Check { what, subject, json } => {
            let (chapter, tasks) = wanted(&what)?;
            let subject = subject.find(&chapter)?;
            return Ok(ExitCode::from(report::check(&chapter, &tasks, &subject, json)?));
        }
        Command::Hint { what, subject, level } => {
            let (chapter, tasks) = wanted(&what)?;
            let [task] = tasks[..] else { return Err(anyhow!("a hint is for one task: {what}.2")) };
            let subject = subject.find(&chapter)?;
            return Ok(ExitCode::from(hint::give(&chapter, task, &subject, level)?));
        }
        Command::Solution { what } => {
            let (chapter, tasks) = wanted(&what)?;
            for task in tasks {
                for check in &chapter.tasks[task].checks {
                    console::print(hint::solution(&chapter, task, check)?)?;
                }
            }
        }
        Command::Prove { only } => return prove::run(only.as_deref()),
        Command::Grade { task, check, binary } => grade::inside(&task, &check, &binary)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn chapters(wanted: Option<&str>) -> Result<Vec<Chapter>> {
    match wanted {
        Some(number) => Ok(vec![Chapter::load(number)?]),
        None => Chapter::all(),
    }
}

/// The chapter that is meant, and which of its tasks.
fn wanted(what: &str) -> Result<(Chapter, Vec<usize>)> {
    let id = Id::parse(what).with_context(|| format!("{what:?} is no task: write 01.2, or 01"))?;
    let chapter = Chapter::load(&id.chapter)?;
    let all = 0..chapter.tasks.len();
    let tasks: Vec<usize> = match id.task {
        None => all.collect(),
        number => all.filter(|&index| chapter.tasks[index].number() == number).collect(),
    };
    if tasks.is_empty() {
        let ids: Vec<&str> = chapter.tasks.iter().map(|task| &task.id[..]).collect();
        return Err(anyhow!("chapter {} has the tasks {}", chapter.number, ids.join(", ")));
    }
    Ok((chapter, tasks))
}

/// Whether the tests of this account can read the tree; a named skip if not. CI runs them as root, too.
#[cfg(test)]
fn tree_is_readable() -> bool {
    tree().join("labs/01/1.json").exists()
        || testkit::root_or_skip("the tree is not readable for this account")
}

/// The tree that this program was built from: the whole workspace, or a learner's copy.
fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("labs is a directory of the workspace")
}
