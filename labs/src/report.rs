//! What a person or a program reads: lists, verdicts, and the README of a learner's copy.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::catalog::{Chapter, Check, Task};
use crate::grade::{self, Graded, Status, Verdict};
use crate::learner::Subject;

/// Raised when a field of [`Line`] changes its meaning.
const SCHEMA: u32 = 1;

/// One check, for a program.
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    chapter: &'a str,
    task: &'a str,
    check: &'a str,
    status: Status,
    expected: &'a str,
    observed: &'a str,
    evidence: &'a str,
    milliseconds: u128,
    backend: &'a str,
    kernel: &'a str,
    hints: u8,
    binary: &'a str,
}

/// Grades tasks and says so; returns the exit code.
pub(crate) fn check(
    chapter: &Chapter,
    tasks: &[usize],
    subject: &Subject,
    json: bool,
) -> Result<u8> {
    if let Err(why) = grade::environment() {
        eprintln!("lab: {why}");
        return Ok(crate::ENVIRONMENT);
    }
    let digest = match &subject.binary {
        Some(binary) => digest(binary)?,
        None => String::new(),
    };
    let uname = nix::sys::utsname::uname().context("uname")?;
    let kernel = uname.release().to_string_lossy();
    let backend = if testkit::is_root() { "root" } else { "user-namespace" };
    let mut counts = [0; 3];
    for task in tasks.iter().map(|&index| &chapter.tasks[index]) {
        if !json {
            console::print(format!("{}  {}\n", task.id, task.title))?;
        }
        for check in &task.checks {
            let graded = graded(task, check, subject)?;
            let (verdict, hints) = (&graded.verdict, subject.hints(&task.id, &check.name));
            counts[verdict.status as usize] += 1;
            if !json {
                console::print(shown(chapter, task, check, verdict, subject))?;
                continue;
            }
            let line = Line {
                schema: SCHEMA,
                chapter: &chapter.number,
                task: &task.id,
                check: &check.name,
                status: verdict.status,
                expected: &check.expected,
                observed: &verdict.observed,
                evidence: &verdict.evidence,
                milliseconds: graded.milliseconds,
                backend,
                kernel: &kernel,
                hints,
                binary: &digest,
            };
            console::print(serde_json::to_string(&line)? + "\n")?;
        }
    }
    let [passed, failed, skipped] = counts;
    if !json {
        console::print(format!("{passed} passed, {failed} failed, {skipped} skipped\n"))?;
    }
    Ok(if failed > 0 {
        1
    } else if skipped > 0 {
        crate::ENVIRONMENT
    } else {
        0
    })
}

/// One check; what does not compile has failed it.
pub(crate) fn graded(task: &Task, check: &Check, subject: &Subject) -> Result<Graded> {
    match &subject.binary {
        Some(binary) => grade::grade(task, check, binary),
        None => {
            let help = "cargo has said why, above";
            let verdict = Verdict::fail("it does not compile", "", help);
            Ok(Graded { verdict, milliseconds: 0 })
        }
    }
}

/// A verdict for a person: promise, expected, observed, and how to look oneself.
pub(crate) fn shown(
    chapter: &Chapter,
    task: &Task,
    check: &Check,
    verdict: &Verdict,
    subject: &Subject,
) -> String {
    let status = match verdict.status {
        Status::Pass => "PASS",
        Status::Fail => "FAIL",
        Status::Skip => "SKIP",
    };
    let program = match (&subject.copy, &subject.binary) {
        (None, Some(binary)) => binary.display().to_string(),
        _ => chapter.alias.clone(),
    };
    let mut text = format!("{status}  {} {}: {}\n", task.id, check.name, check.promise);
    let evidence = if verdict.status == Status::Fail { &verdict.evidence[..] } else { "" };
    for (name, value) in [
        ("expected", &check.expected[..]),
        ("observed", &verdict.observed),
        ("evidence", evidence),
        ("look", &check.look.replace("MINIDOCK", &program)),
        ("try", &verdict.help),
    ] {
        if !value.is_empty() {
            let name = format!("{name}:");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "      {name:9} {value}");
        }
    }
    text
}

/// SHA-256 in hexadecimal: two results are about the same binary if and only if it is equal.
pub(crate) fn digest(binary: &Path) -> Result<String> {
    let bytes =
        std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The tasks of a chapter, and what each check promises.
pub(crate) fn list(chapter: &Chapter) -> String {
    let mut text = format!("{}  {}\n", chapter.number, chapter.title);
    for task in &chapter.tasks {
        text += &format!("{}  {}\n", task.id, task.title);
        for check in &task.checks {
            text += &format!("        {:10} {}\n", check.name, check.promise);
        }
    }
    text
}

/// What `new` says.
pub(crate) fn made(chapter: &Chapter, directory: &Path) -> String {
    let (number, directory) = (&chapter.number, directory.display());
    format!(
        "made {directory}; its README.md says what to do\n  next: cd {directory} && cargo xtask lab check {number}.1\n"
    )
}

/// The README of a learner's copy.
pub(crate) fn readme(chapter: &Chapter) -> String {
    let mut text = README.replace("NN", &chapter.number).replace("TITLE", &chapter.title);
    text = text.replace("ALIAS", &chapter.alias).replace("BINARY", &chapter.binary);
    text = text.replace("PACKAGE", &chapter.package);
    for task in &chapter.tasks {
        text += &format!("\n### {} {}\n\n{}\n\n", task.id, task.title, task.goal);
        for check in &task.checks {
            let mut files: Vec<&str> = check.holes.iter().map(|hole| &hole.file[..]).collect();
            files.dedup();
            text += &format!("- `{}`: {} (in {})", check.name, check.promise, files.join(", "));
            if !check.carries.is_empty() {
                text += &format!("; resting on it: {}", check.carries.join(", "));
            }
            text.push('\n');
        }
    }
    text
}

const README: &str = include_str!("../learner.md");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_shown_with_its_promise_and_a_way_to_look() {
        if !crate::tree_is_readable() {
            return;
        }
        let chapter = Chapter::load("01").unwrap();
        let (task, check) = chapter.checks().next().unwrap();
        let subject = Subject { binary: Some("/my/own".into()), copy: None };
        let verdict = Verdict::fail("the host's", "uts:[1]", "use the flag");
        let text = shown(&chapter, task, check, &verdict, &subject);
        assert!(text.starts_with("FAIL  01.1 namespace: "), "{text}");
        for part in ["expected: ", "observed: the host's", "look:     /my/own run", "try:      use"]
        {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        let passed = shown(&chapter, task, check, &Verdict::pass("its own", "uts:[2]"), &subject);
        assert!(passed.starts_with("PASS") && !passed.contains("try:"), "{passed}");
    }

    #[test]
    fn the_digest_is_sha_256() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(file.path()).unwrap(), empty);
    }
}
