//! Help in five levels: what was observed, a question, where the manual says it, an outline, the difference to the tree.
//! It begins with a check, as only what fails needs help.

use anyhow::Result;

use crate::catalog::{Chapter, Check, Task};
use crate::copy::Filled;
use crate::grade::{self, Status};
use crate::learner::Subject;
use crate::{copy, report};

/// The last level.
const MOST: u8 = 4;

/// Lines of the file before and after a difference.
const CONTEXT: usize = 3;

/// Helps with the first check of a task that does not pass; returns the exit code of the check.
pub(crate) fn give(
    chapter: &Chapter,
    task: usize,
    subject: &Subject,
    level: Option<u8>,
) -> Result<u8> {
    if let Err(why) = grade::environment() {
        eprintln!("lab: {why}");
        return Ok(crate::ENVIRONMENT);
    }
    let task = &chapter.tasks[task];
    let mut skipped = false;
    for check in &task.checks {
        let graded = report::graded(task, check, subject)?;
        match graded.verdict.status {
            Status::Pass => continue,
            Status::Skip => skipped = true,
            Status::Fail => {}
        }
        let reached = level.unwrap_or_else(|| subject.hints(&task.id, &check.name)).min(MOST);
        console::print(report::shown(chapter, task, check, &graded.verdict, subject))?;
        if skipped {
            continue;
        }
        if let Some((task, first)) = missing_below(chapter, task, check, subject)? {
            let (id, name) = (&task.id, &first.name);
            console::print(format!("\nit rests on {id} {name}, which fails, too: begin there\n"))?;
        }
        let more = if reached == MOST { "" } else { "; the next call tells more" };
        console::print(format!("\nhint {reached} of {MOST}{more}\n"))?;
        for level in 1..=reached {
            console::print(format!("  {level}. {}\n", told(chapter, check, level)?))?;
        }
        subject.record(&task.id, &check.name, reached)?;
        return Ok(1);
    }
    if skipped {
        return Ok(crate::ENVIRONMENT);
    }
    console::print(format!("{} passes: there is nothing to help with\n", task.id))?;
    Ok(0)
}

/// A check on which this one rests, if that fails.
fn missing_below<'a>(
    chapter: &'a Chapter,
    task: &Task,
    check: &Check,
    subject: &Subject,
) -> Result<Option<(&'a Task, &'a Check)>> {
    for (other, below) in chapter.checks().filter(|(_, below)| below.carries(task, check)) {
        if report::graded(other, below, subject)?.verdict.status == Status::Fail {
            return Ok(Some((other, below)));
        }
    }
    Ok(None)
}

fn told(chapter: &Chapter, check: &Check, level: u8) -> Result<String> {
    Ok(match level {
        1 => check.hints.question.clone(),
        2 => check.hints.manual.clone(),
        3 => format!("{}\n{}", check.hints.outline, places(chapter, check)?),
        _ => format!("the difference:\n{}", differences(chapter, check)?),
    })
}

/// `chapters/01-namespaces/src/rootfs.rs:41`, a line for each body: where a new copy lacks it.
fn places(chapter: &Chapter, check: &Check) -> Result<String> {
    let bodies = copy::filled(chapter, check)?;
    let place = |body: &Filled| format!("     {}:{}", body.file, Change::of(body).first + 1);
    let mut lines: Vec<String> = bodies.iter().map(place).collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// What the tree has where a learner's copy lacks it.
pub(crate) fn solution(chapter: &Chapter, task: usize, check: &Check) -> Result<String> {
    let task = &chapter.tasks[task];
    Ok(format!("# {} {}: {}\n{}", task.id, check.name, check.promise, differences(chapter, check)?))
}

/// As `diff -u` prints it, from a new copy to one with these bodies: patch(1) can put them in.
fn differences(chapter: &Chapter, check: &Check) -> Result<String> {
    let bodies = copy::filled(chapter, check)?;
    Ok(bodies.iter().map(|body| Change::of(body).shown(&body.file)).collect())
}

/// The lines that are different before and after a body is put in.
struct Change<'a> {
    before: Vec<&'a str>,
    after: Vec<&'a str>,
    /// How many lines above it are the same, and how many below.
    first: usize,
    rest: usize,
}

impl<'a> Change<'a> {
    fn of(body: &'a Filled) -> Change<'a> {
        let before: Vec<&str> = body.before.lines().collect();
        let after: Vec<&str> = body.after.lines().collect();
        // From below: above most bodies is a mark, and a line like it is nowhere else.
        let backwards = before.iter().rev().zip(after.iter().rev());
        let rest = backwards.take_while(|(one, other)| one == other).count();
        let (short, long) = (&before[..before.len() - rest], &after[..after.len() - rest]);
        let first = short.iter().zip(long).take_while(|(one, other)| one == other).count();
        Change { before, after, first, rest }
    }

    fn shown(&self, file: &str) -> String {
        let Change { before, after, first, rest } = self;
        let (removed, added) =
            (&before[*first..before.len() - rest], &after[*first..after.len() - rest]);
        let above = &after[first.saturating_sub(CONTEXT)..*first];
        let below = &after[after.len() - rest..][..CONTEXT.min(*rest)];
        let around = above.len() + below.len();
        let mut text = format!(
            "--- a/{file}\n+++ b/{file}\n@@ -{0},{1} +{0},{2} @@\n",
            first - above.len() + 1,
            around + removed.len(),
            around + added.len()
        );
        for (sign, lines) in [(' ', above), ('-', removed), ('+', added), (' ', below)] {
            lines.iter().for_each(|line| text += &format!("{sign}{line}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_is_the_difference_between_the_copy_and_the_tree() {
        if !crate::tree_is_readable() {
            return;
        }
        let chapter = Chapter::load("01").unwrap();
        let text = solution(&chapter, 0, &chapter.tasks[0].checks[1]).unwrap();
        assert!(text.contains("+++ b/chapters/01-namespaces/src/namespaces.rs\n@@ -"), "{text}");
        assert!(text.contains("\n+        if let Some(hostname) = "), "{text}");
        let text = solution(&chapter, 0, &chapter.tasks[0].checks[0]).unwrap();
        assert!(text.contains("\n-") && text.contains("\n+"), "{text}");
    }

    #[test]
    fn a_solution_can_be_put_into_a_new_copy_by_patch() {
        if !crate::tree_is_readable() {
            return;
        }
        let Some(git) = testkit::peer("git", "install git") else { return };
        for chapter in Chapter::all().unwrap() {
            for (task, check) in chapter.checks() {
                let copy = tempfile::tempdir().unwrap();
                let holes = copy::with_holes(&chapter, |_, _| true).unwrap();
                for (file, text) in &holes {
                    copy::write(&copy.path().join(file), text).unwrap();
                }
                let text = differences(&chapter, check).unwrap();
                copy::write(&copy.path().join("patch"), &text).unwrap();
                let mut patch = std::process::Command::new(&git);
                let applied =
                    patch.args(["apply", "patch"]).current_dir(copy.path()).output().unwrap();
                assert!(applied.status.success(), "{} {}: {text}{applied:?}", task.id, check.name);
                let left = copy::with_holes(&chapter, |_, one| !std::ptr::eq(one, check)).unwrap();
                for file in holes.keys() {
                    let wanted = left.get(file).cloned().or_else(|| copy::whole(file).ok());
                    let filled = std::fs::read_to_string(copy.path().join(file)).ok();
                    assert_eq!(filled, wanted, "{} {}: {file}", task.id, check.name);
                }
            }
        }
    }

    #[test]
    fn each_level_tells_something() {
        if !crate::tree_is_readable() {
            return;
        }
        let chapter = Chapter::load("01").unwrap();
        for (_, check) in chapter.checks() {
            for level in 1..=MOST {
                assert!(told(&chapter, check, level).unwrap().len() > 20);
            }
        }
    }
}
