//! The report: one JSON object for scripts; for people a table of checks, the chapters, and the
//! remedies, in at most a hundred columns.

use super::chapters::{self, Chapter};
use super::check::{Check, Status};
use super::data::Facts;
use super::ground::Ground;
use super::machine;
use anyhow::Result;
use serde::Serialize;

/// Raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Columns of a terminal that a report has to fit in.
const WIDTH: usize = 100;

/// All that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    version: &'static str,
    host: Host,
    checks: Vec<Check>,
    chapters: Vec<Chapter>,
}

/// Facts, to tell machines apart.
#[derive(Debug, Serialize)]
struct Host {
    name: String,
    kernel: String,
    architecture: &'static str,
    distribution: String,
    account: String,
    uid: u32,
    /// Where containers run: as `root`, or in the `lab box`.
    containers: &'static str,
    /// What all this is inside of.
    inside: Option<String>,
    wsl: bool,
    cgroup: &'static str,
    data: Facts,
}

impl Report {
    pub(super) fn new(
        ground: &Ground,
        data: Facts,
        cgroup: &'static str,
        checks: Vec<Check>,
    ) -> Report {
        let name = nix::unistd::gethostname().unwrap_or_default();
        let host = Host {
            name: name.to_string_lossy().into_owned(),
            kernel: machine::release(),
            architecture: std::env::consts::ARCH,
            distribution: machine::distribution(),
            account: ground.account.clone(),
            uid: ground.uid.as_raw(),
            containers: chapters::place(ground),
            inside: ground.inside.clone(),
            wsl: machine::is_wsl(),
            cgroup,
            data,
        };
        let chapters = chapters::outlook(ground, &checks);
        Report { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), host, checks, chapters }
    }

    /// Whether a learner can begin.
    pub(super) fn this_chapter_works(&self) -> bool {
        self.chapters[0].works != "no"
    }

    /// In a format, or for people.
    pub(super) fn show(&self, format: Option<&str>) -> Result<String> {
        match format {
            Some(format) => {
                let value = serde_json::to_value(self)?;
                console::format::one(&value, format).map(|text| text + "\n")
            }
            None => Ok(self.for_people()),
        }
    }

    fn for_people(&self) -> String {
        let Host { name, account, containers, distribution, .. } = &self.host;
        let place = if *containers == "root" { "as root" } else { "in the lab box" };
        let mut out =
            wrap("", &format!("{name}: {distribution}; {account} runs containers {place}"));
        out += &format!("\n{:20}{:10}{:10}FOUND\n", "CHECK", "STATUS", "CHAPTERS");
        for Check { name, status, found, needed_by, .. } in &self.checks {
            let head = format!("{name:20}{:10}{:10}", status.word(), range(needed_by));
            out += &wrap(&head, found);
        }
        out += &format!("\n{:20}{:10}BECAUSE OF\n", "CHAPTER", "WORKS");
        for Chapter { number, name, works, because, .. } in &self.chapters {
            out += &wrap(
                &format!("{:20}{works:10}", format!("{number:02} {name}")),
                &because.join(" "),
            );
        }
        out + &self.remedies()
    }

    /// Each remedy once, under the checks that it mends; what no chapter needs comes last.
    fn remedies(&self) -> String {
        let mut remedies: Vec<(&str, Vec<&Check>)> = Vec::new();
        let failed = self.checks.iter().filter(|check| check.status != Status::Ok);
        for check in failed {
            let remedy = check.remedy.as_deref().unwrap_or("");
            match remedies.iter_mut().find(|(known, _)| *known == remedy) {
                Some((_, checks)) => checks.push(check),
                None => remedies.push((remedy, vec![check])),
            }
        }
        remedies.sort_by_key(|(_, checks)| checks.iter().all(|check| check.needed_by.is_empty()));
        let mut out = String::new();
        for (remedy, checks) in remedies {
            let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
            let needed = checks.iter().any(|check| !check.needed_by.is_empty());
            let note = if needed { "" } else { " (no chapter needs it)" };
            out += &wrap("", &format!("{}{note}:", names.join(", ")));
            if is_prose(remedy) {
                out += &wrap("    ", remedy);
            } else {
                // A shell goes on after && at the end of a line: it can be copied as it is.
                out += &format!("    {}\n", remedy.replace(" && ", " &&\n    "));
            }
        }
        if out.is_empty() { out } else { format!("\nREMEDIES\n{out}") }
    }
}

/// Whether a remedy is advice, and no command: none of ours has these.
fn is_prose(remedy: &str) -> bool {
    [": ", ", "].iter().any(|mark| remedy.contains(mark))
}

/// `1-6` for all, `-` for none.
fn range(chapters: &[u8]) -> String {
    match chapters {
        [] => "-".into(),
        [first, .., last] if usize::from(last - first) == chapters.len() - 1 => {
            format!("{first}-{last}")
        }
        _ => chapters.iter().map(u8::to_string).collect::<Vec<_>>().join(","),
    }
}

/// Text beside a head, broken between words where the line would be too long.
fn wrap(head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let mut out = head.to_owned();
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column + length > WIDTH && column > indent {
            out.truncate(out.trim_end().len());
            out += &format!("\n{:indent$}", "");
            column = indent;
        }
        out += word;
        out.push(' ');
        column += length + 1;
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_in_a_row_are_a_range() {
        assert_eq!(range(&[1, 2, 3, 4, 5, 6]), "1-6");
        assert_eq!(range(&[1, 3, 4]), "1,3,4");
        assert_eq!((range(&[5]), range(&[])), ("5".into(), "-".into()));
    }

    #[test]
    fn long_text_goes_on_below_its_column() {
        let text = wrap("name  ", &"word ".repeat(30));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().nth(1).unwrap().starts_with("      word"), "{text}");
    }
}
