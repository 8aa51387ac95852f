//! Every link of the finished book leads somewhere: to a file of it and to a place that exists in it.

use anyhow::{Context, Result, ensure};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Looks at every page in the directory, and fails with a list of the links that are dead.
pub(crate) fn check(book: &Path) -> Result<()> {
    let mut pages = BTreeMap::new();
    read(book, &mut pages)?;
    ensure!(!pages.is_empty(), "there are no pages in {}", book.display());
    let ids = Regex::new(r#"\sid="([^"]+)""#)?;
    let links = Regex::new(r#"<(?:a|img|link|script)\s[^>]*?(?:href|src)="([^"]*)""#)?;
    let places: BTreeMap<&PathBuf, BTreeSet<&str>> = pages
        .iter()
        .map(|(path, text)| (path, ids.captures_iter(text).filter_map(group).collect()))
        .collect();
    let mut dead = Vec::new();
    for (page, text) in &pages {
        for link in links.captures_iter(text).filter_map(group) {
            if !lives(book, page, link, &places) {
                dead.push(format!("{}: {link}", page.strip_prefix(book)?.display()));
            }
        }
    }
    dead.dedup();
    ensure!(dead.is_empty(), "dead links:\n  {}", dead.join("\n  "));
    Ok(())
}

fn group<'a>(found: regex::Captures<'a>) -> Option<&'a str> {
    found.get(1).map(|link| link.as_str())
}

/// Adds every page below the directory.
pub(crate) fn read(directory: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, pages)?;
        } else if path.extension().is_some_and(|ending| ending == "html") {
            let text = fs::read_to_string(&path)?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

fn lives(
    book: &Path,
    page: &Path,
    link: &str,
    places: &BTreeMap<&PathBuf, BTreeSet<&str>>,
) -> bool {
    // The network is not asked: the book is built offline. Its links are in the open, at least.
    if let Some(rest) = link.strip_prefix("https://") {
        return rest.contains('.');
    }
    let (file, place) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        let Some(target) = normal(&page.parent().unwrap_or(book).join(file)) else { return false };
        target
    };
    match places.get(&target) {
        Some(places) => {
            place.is_empty() || place == "top" || places.contains(unescape(place).as_str())
        }
        None => target.starts_with(book) && target.is_file() && place.is_empty(),
    }
}

/// The path without `..`, which must not lead out of everything.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => normal.pop().then_some(())?,
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    Some(normal)
}

/// `%20` and its like, in bytes.
fn unescape(link: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = link.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(page: &str) -> Option<String> {
        let book = tempfile::tempdir().unwrap();
        fs::create_dir(book.path().join("part")).unwrap();
        fs::write(book.path().join("index.html"), r#"<h1 class="a" id="what-it-is">"#).unwrap();
        fs::write(book.path().join("book.css"), "").unwrap();
        fs::write(book.path().join("part/page.html"), page).unwrap();
        check(book.path()).err().map(|error| error.to_string())
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let page = r##"<a href="../index.html#what%2Dit-is"> <link rel="stylesheet" href="../book.css">
            <p id="here"><a href="#here"> <a class="x" href="https://man7.org/">"##;
        assert_eq!(dead(page), None);
    }

    #[test]
    fn links_to_no_file_no_place_or_out_of_the_book_are_dead() {
        for link in ["gone.html", "../index.html#gone", "#gone", "../../out.html", "http://a.b/"] {
            let found = dead(&format!(r#"<a title="t" href="{link}">"#));
            assert!(
                found.as_deref().is_some_and(|dead| dead.contains(&format!("page.html: {link}"))),
                "{link}"
            );
        }
        assert!(dead(r#"<img src="gone.svg">"#).is_some());
    }
}
