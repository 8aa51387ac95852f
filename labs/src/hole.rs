//! Taking a body out of a source file, and putting something harmless in its place.
//!
//! In the tree a body is marked by one line, `// LAB 01.2 proc: what to do`, above the statement that is the body;
//! rustfmt ends a statement at the first bracket that closes in its own column. What is too small for that, one word of a
//! list, is named by its text.

use anyhow::{Result, ensure};
use serde::Deserialize;

/// Text that stands once in a file, and what takes its place.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) file: String,
    pub(crate) find: String,
    pub(crate) replace: String,
}

/// One body that a check is about.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hole {
    pub(crate) file: String,
    /// The text, if it is no marked statement.
    #[serde(default)]
    pub(crate) find: Option<String>,
    /// What to do there, if no mark says it.
    #[serde(default)]
    pub(crate) todo: Option<String>,
    /// Lines that take its place; none for nothing.
    #[serde(default)]
    pub(crate) instead: Vec<String>,
}

impl Edit {
    /// The text with the replacement in it.
    pub(crate) fn apply(&self, text: &str) -> Result<String> {
        let count = text.matches(&self.find).count();
        ensure!(count == 1, "{}: {:?} is there {count} times", self.file, self.find);
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

impl Hole {
    /// The file without the body. `name` is `01.2 proc`; of several holes with one name in a file, this is the `nth`.
    pub(crate) fn cut(&self, text: &str, name: &str, nth: usize) -> Result<String> {
        match &self.find {
            Some(find) => self.cut_text(text, name, find),
            None => self.cut_statement(text, name, nth),
        }
    }

    fn cut_text(&self, text: &str, name: &str, find: &str) -> Result<String> {
        let replace = self.instead.join("\n");
        let edit = Edit { file: self.file.clone(), find: find.into(), replace };
        let changed = edit.apply(text)?;
        let at = text.find(find).unwrap_or(0);
        let line = text[..at].matches('\n').count();
        let whole = text.lines().nth(line).unwrap_or("");
        let mut lines: Vec<&str> = changed.lines().collect();
        let todo = self.todo.as_deref().unwrap_or("");
        let comment = format!("{}// LAB {name}: {todo}", " ".repeat(indent(whole)));
        if !todo.is_empty() {
            lines.insert(line, &comment);
        }
        Ok(ended(&lines))
    }

    fn cut_statement(&self, text: &str, name: &str, nth: usize) -> Result<String> {
        let mark = format!("// LAB {name}: ");
        let lines: Vec<&str> = text.lines().collect();
        let mut marks =
            (0..lines.len()).filter(|&line| lines[line].trim_start().starts_with(&mark));
        let found = marks.nth(nth);
        ensure!(found.is_some(), "{}: there is no `{mark}` number {}", self.file, nth + 1);
        let first = found.unwrap_or(0) + 1;
        let end = first + statement(&lines[first..]);
        let body = lines.get(first).filter(|line| !line.trim_start().starts_with("//"));
        ensure!(end > first && body.is_some(), "{}: no body follows `{mark}`", self.file);
        let indent = indent(lines[first]);
        let without: Vec<String> = self
            .instead
            .iter()
            .map(|line| format!("{}{line}", " ".repeat(if line.is_empty() { 0 } else { indent })))
            .collect();
        let mut changed: Vec<&str> = lines[..first].to_vec();
        changed.extend(without.iter().map(String::as_str));
        changed.extend(&lines[end..]);
        Ok(ended(&changed))
    }
}

/// How many lines the statement at the beginning of these has.
fn statement(lines: &[&str]) -> usize {
    let Some(first) = lines.first() else { return 0 };
    let own = indent(first);
    let belongs = |line: &&&str| {
        line.trim().is_empty()
            || indent(line) > own
            || indent(line) == own && line.trim_start().starts_with([')', ']', '}'])
    };
    let mut length = 1 + lines[1..].iter().take_while(belongs).count();
    while length > 0 && lines[length - 1].trim().is_empty() {
        length -= 1;
    }
    length
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn ended(lines: &[&str]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
fn plan() {
    first();
    // LAB 01.4 root: do this
    step(
        \"one\",

        move || {
            two();
        },
    );

    // LAB 01.4 root: and that
    for each in [
        1,
    ] {
        three(each);
    }
    last(&[A, B]);
}
";

    fn hole(find: Option<&str>, instead: &[&str]) -> Hole {
        Hole {
            file: "f.rs".into(),
            find: find.map(str::to_owned),
            todo: find.map(|_| "add A".to_owned()),
            instead: instead.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn a_marked_statement_goes_and_its_mark_stays() {
        let text = hole(None, &["nothing();"]).cut(SOURCE, "01.4 root", 0).unwrap();
        assert!(
            text.contains("root: do this\n    nothing();\n\n    // LAB 01.4 root: and"),
            "{text}"
        );
        // The marks that stay make the second one the second still.
        let text = hole(None, &[]).cut(&text, "01.4 root", 1).unwrap();
        assert!(text.ends_with("root: and that\n    last(&[A, B]);\n}\n"), "{text}");
    }

    #[test]
    fn a_word_goes_and_a_comment_says_so() {
        let text = hole(Some("A, "), &[]).cut(SOURCE, "01.1 flag", 0).unwrap();
        assert!(text.ends_with("    // LAB 01.1 flag: add A\n    last(&[B]);\n}\n"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(hole(None, &[]).cut(SOURCE, "01.4 root", 2).is_err());
        assert!(hole(None, &[]).cut(SOURCE, "01.4", 0).is_err());
        assert!(hole(Some("gone"), &[]).cut(SOURCE, "01.1 flag", 0).is_err());
        let twice = Edit { file: "f.rs".into(), find: "LAB".into(), replace: String::new() };
        assert!(twice.apply(SOURCE).is_err());
    }
}
