//! A page as it is written becomes a page as mdBook gets it: pieces of the tree are put in, pictures
//! are drawn, links to files of the repository become links to pages that show them.

use crate::figure;
use crate::item::{self, Wanted};
use crate::tasks;
use crate::tree::Tree;
use anyhow::{Context, Result, bail, ensure};
use regex::{Captures, Regex};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Languages of code that a page may hold itself: transcripts, which are run, and commands to type.
const TYPED: [&str; 2] = ["console", "sh"];

/// What the pages have asked for, gathered from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// `file#name` of marked regions.
    pub(crate) anchors: BTreeSet<String>,
    /// Names of pictures.
    pub(crate) figures: BTreeSet<String>,
    /// Files of the repository that are quoted or linked.
    pub(crate) files: BTreeSet<String>,
}

/// Expands a page; `name` is its own, like `01-namespaces/plan.md`.
pub(crate) fn page(tree: &Tree, name: &str, text: &str, used: &mut Used) -> Result<String> {
    let mut out = Vec::new();
    // The fence that is open: nothing in it is ours to expand.
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{name}:{}", index + 1);
        if let Some(open) = fence {
            if line.trim() == open {
                fence = None;
            }
            out.push(line.to_owned());
        } else if let Some(ticks) = opens_fence(line) {
            language(line.trim_start_matches([' ', '`', '~'])).with_context(place)?;
            fence = Some(ticks);
            out.push(line.to_owned());
        } else if line.starts_with("<!-- redact: ") {
            // For the transcripts only.
        } else if line.starts_with("{{#") {
            out.push(directive(tree, name, line, used).with_context(place)?);
        } else {
            ensure!(!line.contains("{{#"), "{}: a directive stands in a line of its own", place());
            out.push(links(tree, name, line, used).with_context(place)?);
        }
    }
    ensure!(fence.is_none(), "{name}: a code fence is not closed");
    Ok(out.join("\n") + "\n")
}

/// The backticks or tildes that open a code block.
pub(crate) fn opens_fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    (length >= 3).then(|| &line[..length])
}

fn language(language: &str) -> Result<()> {
    match language.trim() {
        "" => bail!("a code fence without a language"),
        "rust" => bail!("Rust that was typed into the page: include it from the tree"),
        other if TYPED.contains(&other) => Ok(()),
        other => bail!("a code fence with the language `{other}`; a page may have {TYPED:?}"),
    }
}

static DIRECTIVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\{\{#(\w+) (\S+?)(?: ([^}]+))?\}\}$").expect("the pattern is valid")
});

fn directive(tree: &Tree, name: &str, line: &str, used: &mut Used) -> Result<String> {
    let Some(parts) = DIRECTIVE.captures(line.trim_end()) else {
        bail!("`{line}` is not {{{{#item FILE NAME}}}}, #step, #anchor, #file, #tasks or #figure");
    };
    let (kind, first) = (&parts[1], &parts[2]);
    let rest = parts.get(3).map(|rest| rest.as_str().trim());
    let wanted = match (kind, rest) {
        ("figure", None) => {
            used.figures.insert(first.to_owned());
            return figure::draw(tree, first);
        }
        ("tasks", None) => return tasks::list(tree, first),
        ("file", None) => Wanted::File,
        ("item", Some(item)) => Wanted::Item(item),
        ("step", Some(title)) => Wanted::Step(title),
        ("anchor", Some(anchor)) => {
            used.anchors.insert(format!("{first}#{anchor}"));
            Wanted::Anchor(anchor)
        }
        _ => bail!("`{line}`: no such directive"),
    };
    let piece = item::find(&tree.read(first)?, wanted).with_context(|| line.trim().to_owned())?;
    used.files.insert(first.to_owned());
    let lines = match (piece.first, piece.last) {
        (first, last) if first == last => format!("line {first}"),
        (first, last) => format!("lines {first}–{last}"),
    };
    let from = format!(r#"<a href="{}">{first}</a>, {lines}"#, html_link(name, first));
    Ok(format!("<p class=\"from\">{from}</p>\n\n{}", fenced(language_of(first), &piece.text)))
}

/// A code block whose text may itself have fences in it.
pub(crate) fn fenced(language: &str, text: &str) -> String {
    format!("`````{language}\n{text}\n`````")
}

/// By the ending of a file's name.
pub(crate) fn language_of(file: &str) -> &'static str {
    match file.rsplit_once('.') {
        // No button that would send it to a server, no lines hidden.
        Some((_, "rs")) => "rust,noplayground",
        Some((_, "md")) => "markdown",
        Some((_, "toml")) => "toml",
        Some((_, "sh")) => "bash",
        Some((_, "c")) => "c",
        _ => "text",
    }
}

static REPOSITORY_LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\]\(repo:([^)#\s]+)\)").expect("the pattern is valid"));

/// `[text](repo:chapters/…/plan.rs)` leads to the page that shows the file.
fn links(tree: &Tree, page: &str, line: &str, used: &mut Used) -> Result<String> {
    let mut dead = None;
    let replaced = REPOSITORY_LINK.replace_all(line, |parts: &Captures| {
        let file = &parts[1];
        if tree.has(file) {
            used.files.insert(file.to_owned());
        } else {
            dead = Some(file.to_owned());
        }
        format!("]({}{})", up(page), listing(file))
    });
    match dead {
        Some(file) => bail!("a dead link: the repository has no file {file}"),
        None => Ok(replaced.into_owned()),
    }
}

/// The page that shows a file of the repository.
pub(crate) fn listing(file: &str) -> String {
    format!("sources/{file}.md")
}

fn html_link(page: &str, file: &str) -> String {
    format!("{}{}", up(page), listing(file).replace(".md", ".html"))
}

/// From a page to the directory of all pages.
fn up(page: &str) -> String {
    "../".repeat(page.matches('/').count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn expand(text: &str) -> Result<(String, Used)> {
        let directory = tempfile::tempdir()?;
        fs::write(
            directory.path().join("a.rs"),
            "/// Says so.\nfn a() {\n    b();\n}\n\n// ANCHOR: none\n// ANCHOR_END: none\n",
        )?;
        let mut used = Used::default();
        let page = page(&Tree::at(directory.path()), "part/page.md", text, &mut used)?;
        Ok((page, used))
    }

    fn refused(text: &str) -> String {
        format!("{:#}", expand(text).unwrap_err())
    }

    #[test]
    fn code_comes_from_the_tree_and_says_from_where() {
        let (page, used) = expand("Text.\n\n{{#item a.rs fn a}}\n").unwrap();
        assert_eq!(
            page,
            "Text.\n\n<p class=\"from\"><a href=\"../sources/a.rs.html\">a.rs</a>, lines 1–4</p>\n\n\
             `````rust,noplayground\n/// Says so.\nfn a() {\n    b();\n}\n`````\n"
        );
        assert!(used.files.contains("a.rs"));
    }

    #[test]
    fn what_a_page_asks_for_must_be_there() {
        assert!(refused("{{#item a.rs fn b}}").contains("part/page.md:1: {{#item a.rs fn b}}"));
        assert!(refused("{{#item b.rs fn b}}").contains("cannot read b.rs"));
        assert!(refused("{{#anchor a.rs gone}}").contains("there is no"));
        assert!(refused("{{#anchor a.rs none}}").contains("nothing in it"));
        assert!(refused("{{#figure gone}}").contains("no picture"));
        assert!(refused("{{#include a.rs}}").contains("no such directive"));
        assert!(refused("see {{#item a.rs fn a}}").contains("a line of its own"));
    }

    #[test]
    fn a_fence_names_its_language_and_holds_no_typed_rust() {
        assert!(
            refused("Text.\n\n```\nls\n```")
                .contains("part/page.md:3: a code fence without a language")
        );
        assert!(refused("```rust\nfn a() {}\n```").contains("typed into the page"));
        assert!(refused("```python\n```").contains("language `python`"));
        assert!(refused("```sh\nls").contains("not closed"));
        assert!(expand("```console\n$ echo '```' '{{#item'\n```").is_ok());
    }

    #[test]
    fn a_link_into_the_repository_leads_to_a_page_that_shows_the_file() {
        let (page, used) = expand("[it](repo:a.rs) and [that](other.md)").unwrap();
        assert_eq!(page, "[it](../sources/a.rs.md) and [that](other.md)\n");
        assert!(used.files.contains("a.rs"));
        assert!(refused("[it](repo:gone.rs)").contains("has no file gone.rs"));
    }
}
