//! All pages are expanded, the generated ones added, and the result given to mdBook.

use crate::expand::{self, Used, fenced, language_of, listing};
use crate::tree::Tree;
use crate::{chapter, contents, figure, item, links};
use anyhow::{Context, Result, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the pages, in the repository.
pub(crate) const PAGES: &str = "book/src";

/// What book.toml adds to mdBook's own theme.
const THEME: [&str; 2] = ["book.css", "keyboard.js"];

/// Builds the book and returns the directory that it is in.
pub(crate) fn build(tree: &Tree) -> Result<PathBuf> {
    let pages = finished(tree)?;
    let (work, output) = (tree.target().join("book-pages"), tree.target().join("book"));
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot empty {}", work.display()))?;
    }
    for (name, text) in &pages {
        write(&work.join("src").join(name), text)?;
    }
    for name in THEME {
        write(&work.join(name), &tree.read(&format!("book/theme/{name}"))?)?;
    }
    let mut config = Config::from_disk(tree.path("book/book.toml"))?;
    config.build.build_dir = output.clone();
    MDBook::load_with_config(&work, config)?.build()?;
    contents::name(&output)?;
    links::check(&output)?;
    Ok(output)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let directory = path.parent().context("a file is in a directory")?;
    fs::create_dir_all(directory)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Every page as mdBook gets it, by its name.
fn finished(tree: &Tree) -> Result<Vec<(String, String)>> {
    let mut used = Used::default();
    let mut pages = Vec::new();
    for file in tree.files(PAGES, ".md")? {
        let name = file.strip_prefix("book/src/").context("a page is in book/src")?.to_owned();
        let text = expand::page(tree, &name, &tree.read(&file)?, &mut used)?;
        pages.push((name, text));
    }
    let chapters = chapter::all(tree)?;
    for (index, chapter) in chapters.iter().enumerate() {
        let page = chapter::page(tree, &chapters, index, &mut used);
        pages.push((chapter::page_name(chapter), page.with_context(|| chapter.clone())?));
        used.files.extend(chapter::lesson(tree, chapter)?);
    }
    nothing_unused(tree, &used)?;
    for file in &used.files {
        let text = fenced(language_of(file), tree.read(file)?.trim_end());
        // On a narrow screen a path is broken between names.
        let title = short(file).replace('/', "/<wbr>");
        pages.push((listing(file), format!("# {title}\n\n`{file}`\n\n{text}\n")));
    }
    let summary = pages.iter_mut().find(|(name, _)| name == "SUMMARY.md");
    let (_, summary) = summary.context("there is no SUMMARY.md")?;
    for file in &used.files {
        summary.push_str(&format!("  - [{}]({})\n", short(file), listing(file)));
    }
    let summary = summary.clone();
    all_are_listed(&summary, &pages, &chapters)?;
    Ok(pages)
}

/// A file's name where its place is known: without what all files of a kind have in common.
fn short(file: &str) -> &str {
    file.strip_prefix("chapters/").unwrap_or(file)
}

/// Every page is in the table of contents, and every chapter has a page there.
fn all_are_listed(summary: &str, pages: &[(String, String)], chapters: &[String]) -> Result<()> {
    for (name, _) in pages.iter().filter(|(name, _)| name != "SUMMARY.md") {
        ensure!(summary.contains(&format!("]({name})")), "{name} is not in SUMMARY.md");
    }
    for chapter in chapters {
        let page = format!("]({chapter}/index.md)");
        ensure!(summary.contains(&page), "chapter {chapter} has no page {chapter}/index.md");
    }
    Ok(())
}

/// A mark in the sources, or a picture, that no page shows has been forgotten.
fn nothing_unused(tree: &Tree, used: &Used) -> Result<()> {
    for file in ["chapters", "support"]
        .iter()
        .map(|top| tree.files(top, ".rs"))
        .collect::<Result<Vec<_>>>()?
        .concat()
    {
        for anchor in item::anchors(&tree.read(&file)?) {
            ensure!(
                used.anchors.contains(&format!("{file}#{anchor}")),
                "no page uses `// ANCHOR: {anchor}` of {file}"
            );
        }
    }
    for name in figure::NAMES {
        ensure!(used.figures.contains(name), "no page shows the picture `{name}`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn an_anchor_that_no_page_uses_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::at(directory.path());
        let file = "chapters/01-a/src/lib.rs";
        write(&tree.path(file), "// ANCHOR: x\nfn x() {}\n// ANCHOR_END: x\n").unwrap();
        let mut used = Used::default();
        used.figures.extend(figure::NAMES.map(str::to_owned));
        assert!(nothing_unused(&tree, &used).unwrap_err().to_string().contains("ANCHOR: x"));
        used.anchors.insert(format!("{file}#x"));
        nothing_unused(&tree, &used).unwrap();
        used.figures.remove("views");
        assert!(nothing_unused(&tree, &used).unwrap_err().to_string().contains("`views`"));
    }

    #[test]
    fn a_page_or_a_chapter_outside_of_the_contents_is_refused() {
        let page = |name: &str| (name.to_owned(), String::new());
        let chapters = ["01-a".to_owned()];
        let pages = [page("SUMMARY.md"), page("01-a/index.md")];
        all_are_listed("[a](01-a/index.md)", &pages, &chapters).unwrap();
        assert!(all_are_listed("", &pages, &[]).is_err());
        assert!(all_are_listed("", &[], &chapters).is_err());
    }

    #[test]
    fn the_table_of_limits_names_every_file_that_chapter_02_writes_or_reads() {
        let tree = Tree::workspace();
        let page = tree.read("book/src/02-cgroups/limits.md").unwrap();
        let file =
            Regex::new(r#""((?:memory|cpu|cpuacct|cpuset|pids|io|blkio)\.[a-z_.]+)""#).unwrap();
        let missing = |name: &&str| !page.contains(&format!("`{name}`"));
        for source in ["limits.rs", "v1.rs", "v2.rs", "engine/device_rates.rs"] {
            let text = tree.read(&format!("chapters/02-cgroups/src/{source}")).unwrap();
            let names: Vec<&str> =
                file.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
            assert!(!names.is_empty(), "{source} names no files any more");
            assert_eq!(names.into_iter().find(missing), None, "{source}");
        }
    }

    #[test]
    fn the_pages_of_this_tree_can_be_finished() {
        let pages = finished(&Tree::workspace()).unwrap();
        assert!(pages.iter().any(|(name, _)| name == "01-namespaces/difference.md"));
    }
}
