//! Finds a piece of a source file by its name: an item, a step of a plan, a marked region. The sources
//! are formatted by rustfmt, so that an item ends at the first bracket that closes in its own column.

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use std::ops::Range;

/// What a page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// All of it.
    File,
    /// `fn launch`, `struct Plan`; inside of another one: `impl Mechanism for Command / fn enter`.
    Item(&'a str),
    /// The step of a plan that has this title, with the lines that lead to it.
    Step(&'a str),
    /// What stands between `// ANCHOR: name` and `// ANCHOR_END: name`.
    Anchor(&'a str),
}

/// Lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// As in the file, but moved to the left margin.
    pub(crate) text: String,
    /// Numbers of the first and the last line.
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Finds what is wanted in the text of a file.
///
/// # Errors
/// It is missing, there are two of them, or it is empty.
pub(crate) fn find(text: &str, wanted: Wanted) -> Result<Piece> {
    let lines: Vec<&str> = text.lines().collect();
    let range = match wanted {
        Wanted::File => 0..lines.len(),
        Wanted::Item(path) => item(&lines, path)?,
        Wanted::Step(title) => step(&lines, title)?,
        Wanted::Anchor(name) => anchor(&lines, name)?,
    };
    let kept: Vec<&str> =
        lines[range.clone()].iter().copied().filter(|line| !is_mark(line)).collect();
    ensure!(kept.iter().any(|line| !line.trim().is_empty()), "there is nothing in it");
    Ok(Piece { text: to_the_margin(&kept), first: range.start + 1, last: range.end })
}

/// The names of all marked regions of a file.
pub(crate) fn anchors(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.trim().strip_prefix("// ANCHOR: ")).collect()
}

/// Lines that tell tools about the code and say nothing to a reader.
fn is_mark(line: &str) -> bool {
    let line = line.trim();
    ["// ANCHOR: ", "// ANCHOR_END: ", "// LAB", "// END LAB"]
        .iter()
        .any(|mark| line.starts_with(mark))
}

fn item(lines: &[&str], path: &str) -> Result<Range<usize>> {
    let mut range = 0..lines.len();
    for part in path.split(" / ") {
        range = item_in(lines, range, part.trim()).with_context(|| format!("`{part}`"))?;
    }
    Ok(range)
}

fn item_in(lines: &[&str], range: Range<usize>, wanted: &str) -> Result<Range<usize>> {
    let before = r"^\s*(?:pub(?:\([^)]*\))? )?(?:default |async |unsafe |extern \S+ )*(?:const )??";
    let start = Regex::new(&format!(r"{before}{}(?:[^\w]|$)", regex::escape(wanted)))?;
    let mut found = range.clone().filter(|line| start.is_match(lines[*line]));
    let first = found.next().context("there is no such item")?;
    ensure!(found.next().is_none(), "there are two of that name: name the item that holds it, too");
    let indent = indent(lines[first]);
    let last = (first..range.end)
        .find(|&line| {
            let text = lines[line].trim_start();
            // A value that rustfmt has moved to the next line ends where its statement does.
            if lines[first].ends_with('=') {
                return text.ends_with(';');
            }
            let closes = line == first || text.starts_with(['}', ']', ')']);
            self::indent(lines[line]) == indent && closes && text.ends_with(['}', ';'])
        })
        .context("it has no end")?;
    let mut begin = first;
    while begin > range.start && belongs(lines[begin - 1]) {
        begin -= 1;
    }
    Ok(begin..last + 1)
}

/// Whether a line above an item is part of it: its documentation, a comment on it, an attribute.
fn belongs(line: &str) -> bool {
    let line = line.trim_start();
    (line.starts_with("//") && !line.starts_with("//!") && !is_mark(line)) || line.starts_with("#[")
}

fn step(lines: &[&str], title: &str) -> Result<Range<usize>> {
    let quoted = format!("\"{title}\",");
    let mut found = (0..lines.len()).filter(|line| lines[*line].trim() == quoted);
    let named = found.next().context("there is no step of that title")?;
    ensure!(found.next().is_none(), "there are two steps of that title");
    let call = (0..named)
        .rev()
        .find(|line| lines[*line].trim() == "plan.step(")
        .context("the title is not that of a step")?;
    let end = (named..lines.len())
        .find(|line| lines[*line].trim() == ");" && indent(lines[*line]) == indent(lines[call]))
        .context("the step has no end")?;
    let mut begin = call;
    while begin > 0 && ["let ", "// "].iter().any(|word| lines[begin - 1].trim().starts_with(word))
    {
        begin -= 1;
    }
    Ok(begin..end + 1)
}

fn anchor(lines: &[&str], name: &str) -> Result<Range<usize>> {
    let place = |mark: &str| {
        let whole = format!("// {mark}: {name}");
        let mut found = (0..lines.len()).filter(|line| lines[*line].trim() == whole);
        match (found.next(), found.next()) {
            (Some(line), None) => Ok(line),
            (None, _) => bail!("there is no `{whole}`"),
            (Some(_), Some(_)) => bail!("there are two `{whole}`"),
        }
    };
    let (begin, end) = (place("ANCHOR")?, place("ANCHOR_END")?);
    ensure!(begin < end, "it ends before it begins");
    Ok(begin + 1..end)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn to_the_margin(lines: &[&str]) -> String {
    let margin = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(line)).min();
    let moved = lines.iter().map(|line| line.get(margin.unwrap_or(0)..).unwrap_or("").to_owned());
    moved.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"//! Head.

/// A thing.
#[derive(Debug)]
pub struct Thing {
    field: u8,
}

const LIST: [u8; 2] = [
    1,
    2,
];

const LONG: [u8; 1] =
    [3];

impl Thing {
    /// Makes one.
    pub fn new() -> Thing {
        if true {
            return Thing { field: 0 };
        }
        Thing { field: 1 }
    }
}

impl Other {
    pub fn new() {}

    fn prepare(
        &self,
        plan: &mut Plan,
    ) {
        // ANCHOR: first
        let root = plan.root.clone();
        plan.step(
            Phase::Mounts,
            "attach the root",
            "why",
            || Ok(()),
        );
        // ANCHOR_END: first

        plan.step(Phase::Pivot, "other", "why", || Ok(()));
        // ANCHOR: none
        // ANCHOR_END: none
    }
}
"#;

    fn text(wanted: Wanted) -> String {
        find(FILE, wanted).unwrap().text
    }

    fn refused(wanted: Wanted) -> String {
        format!("{:#}", find(FILE, wanted).unwrap_err())
    }

    #[test]
    fn an_item_comes_with_its_documentation_and_its_end() {
        let thing = find(FILE, Wanted::Item("struct Thing")).unwrap();
        assert_eq!(
            thing.text,
            "/// A thing.\n#[derive(Debug)]\npub struct Thing {\n    field: u8,\n}"
        );
        assert_eq!((thing.first, thing.last), (3, 7));
        assert_eq!(text(Wanted::Item("const LIST")), "const LIST: [u8; 2] = [\n    1,\n    2,\n];");
        assert_eq!(text(Wanted::Item("const LONG")), "const LONG: [u8; 1] =\n    [3];");
    }

    #[test]
    fn an_item_within_another_is_moved_to_the_margin() {
        let new = text(Wanted::Item("impl Thing / fn new"));
        assert!(new.starts_with("/// Makes one.\npub fn new() -> Thing {\n    if true {"), "{new}");
        assert!(new.ends_with("Thing { field: 1 }\n}"), "{new}");
        assert!(text(Wanted::Item("fn prepare")).ends_with("\n}"));
    }

    #[test]
    fn a_step_is_found_by_its_title_with_what_leads_to_it() {
        let step = text(Wanted::Step("attach the root"));
        assert!(step.starts_with("let root = plan.root.clone();\nplan.step(\n"), "{step}");
        assert!(step.ends_with("\n);"), "{step}");
    }

    #[test]
    fn a_region_comes_without_its_marks() {
        assert_eq!(text(Wanted::Anchor("first")), text(Wanted::Step("attach the root")));
        assert_eq!(anchors(FILE), ["first", "none"]);
        assert!(!text(Wanted::File).contains("ANCHOR"));
    }

    #[test]
    fn what_is_missing_doubled_or_empty_is_refused() {
        assert!(refused(Wanted::Item("fn gone")).contains("no such item"));
        assert!(refused(Wanted::Item("fn new")).contains("two of that name"));
        assert!(refused(Wanted::Step("gone")).contains("no step"));
        assert!(refused(Wanted::Anchor("gone")).contains("no `// ANCHOR: gone`"));
        assert!(refused(Wanted::Anchor("none")).contains("nothing in it"));
    }
}
