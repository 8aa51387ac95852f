//! The tasks of a chapter's labs, as the grader has them: what is to be done, and what the kernel should say then.

use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// `{{#tasks 01}}`: a list of them.
pub(crate) fn list(tree: &Tree, chapter: &str) -> Result<String> {
    let mut list = String::new();
    let files = tree.files(&format!("labs/{chapter}"), ".json")?;
    for file in files.into_iter().filter(|file| !file.ends_with("/chapter.json")) {
        let task: Value = serde_json::from_str(&tree.read(&file)?)?;
        list.push_str(&told(&task).with_context(|| file)?);
    }
    ensure!(!list.is_empty(), "there are no labs for chapter {chapter}");
    Ok(list)
}

fn told(task: &Value) -> Result<String> {
    let [id, title, goal] = [&task["id"], &task["title"], &task["goal"]].map(Value::as_str);
    let (Some(id), Some(title), Some(goal)) = (id, title, goal) else {
        anyhow::bail!("a task has an id, a title and a goal");
    };
    let mut told = format!("- **{id} {title}.** {goal}\n");
    for check in task["checks"].as_array().context("no checks")? {
        let name = check["name"].as_str().context("a check without a name")?;
        let expected = check["expected"].as_str().with_context(|| name.to_owned())?;
        told.push_str(&format!("  - `{name}`: {expected}\n"));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_listed_with_what_its_checks_expect() {
        let list = list(&Tree::workspace(), "01").unwrap();
        assert!(list.starts_with("- **01.1 "), "{list}");
        for number in 1..=6 {
            assert!(list.contains(&format!("\n- **01.{number} ")) || number == 1, "{list}");
        }
        assert!(list.contains("\n  - `root`: "), "{list}");
    }

    #[test]
    fn a_chapter_without_labs_and_a_task_without_checks_are_refused() {
        assert!(list(&Tree::workspace(), "00").is_err());
        let task = serde_json::json!({ "id": "01.1", "title": "A", "goal": "B." });
        assert!(told(&task).is_err());
    }
}
