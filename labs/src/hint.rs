//! Help in five levels: what was observed, a question, where the manual says it, an outline, the difference to the tree.
//! It begins with a check, as only what fails needs help.

use anyhow::Result;

use crate::catalog::{Chapter, Check, Task};
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
        let more = if reached == MOST { "" } else { "; the next call tells more" };
        console::print(format!("\nhint {reached} of {MOST}{more}\n"))?;
        for level in 1..=reached {
            console::print(format!("  {level}. {}\n", told(chapter, task, check, level)?))?;
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

fn told(chapter: &Chapter, task: &Task, check: &Check, level: u8) -> Result<String> {
    Ok(match level {
        1 => check.hints.question.clone(),
        2 => check.hints.manual.clone(),
        3 => format!("{}\n{}", check.hints.outline, places(task, check)?),
        _ => format!("the difference:\n{}", differences(chapter, task, check)?),
    })
}

/// `chapters/01-namespaces/src/rootfs.rs:41`, a line for each body.
fn places(task: &Task, check: &Check) -> Result<String> {
    let places = copy::cuts(task, check)?;
    let lines: Vec<String> =
        places.iter().map(|(file, cut)| format!("     {file}:{}", cut.line)).collect();
    Ok(lines.join("\n"))
}

/// What the tree has where a learner's copy lacks it.
pub(crate) fn solution(chapter: &Chapter, task: usize, check: &Check) -> Result<String> {
    let task = &chapter.tasks[task];
    Ok(format!(
        "# {} {}: {}\n{}",
        task.id,
        check.name,
        check.promise,
        differences(chapter, task, check)?
    ))
}

/// As `diff -u` prints it, from the copy to the tree.
fn differences(chapter: &Chapter, task: &Task, check: &Check) -> Result<String> {
    debug_assert!(task.id.starts_with(&chapter.number));
    let mut text = String::new();
    for (file, cut) in copy::cuts(task, check)? {
        let whole = copy::whole(&file)?;
        let lines: Vec<&str> = whole.lines().collect();
        let (first, end) = (cut.line - 1, cut.line - 1 + cut.with.len());
        let (before, after) = (first.saturating_sub(CONTEXT), (end + CONTEXT).min(lines.len()));
        let around = first - before + after - end;
        text += &format!("--- a/{file}\n+++ b/{file}\n");
        text += &format!(
            "@@ -{0},{1} +{0},{2} @@\n",
            before + 1,
            around + cut.without.len(),
            around + cut.with.len()
        );
        let mut part = |sign: char, lines: &mut dyn Iterator<Item = &str>| {
            lines.for_each(|line| text += &format!("{sign}{line}\n"));
        };
        part(' ', &mut lines[before..first].iter().copied());
        part('-', &mut cut.without.iter().map(String::as_str));
        part('+', &mut cut.with.iter().map(String::as_str));
        part(' ', &mut lines[end..after].iter().copied());
    }
    Ok(text)
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
    fn each_level_tells_something() {
        if !crate::tree_is_readable() {
            return;
        }
        let chapter = Chapter::load("01").unwrap();
        for (task, check) in chapter.checks() {
            for level in 1..=MOST {
                assert!(told(&chapter, task, check, level).unwrap().len() > 20);
            }
        }
    }
}
