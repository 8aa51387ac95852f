//! Which chapters will work here: those that need nothing that is missing.

use super::check::{Check, Status};
use super::ground::Ground;
use serde::Serialize;

/// The chapters, as they come.
const CHAPTERS: [(u8, &str); 6] = [
    (1, "namespaces"),
    (2, "cgroups"),
    (3, "unionfs"),
    (4, "images"),
    (5, "network"),
    (6, "volumes"),
];

/// A chapter's outlook.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    /// Its number.
    pub(super) number: u8,
    /// Its name.
    pub(super) name: &'static str,
    /// `yes`, `limited` or `no`.
    pub(super) works: &'static str,
    /// Where its containers run: as `root`, or in the `lab box`.
    #[serde(rename = "as")]
    pub(super) place: &'static str,
    /// The checks that say so, if it does not work in full.
    pub(super) because: Vec<&'static str>,
}

/// What the checks mean for each chapter.
pub(super) fn outlook(ground: &Ground, checks: &[Check]) -> Vec<Chapter> {
    let chapter = |(number, name): (u8, &'static str)| {
        let needed: Vec<&Check> =
            checks.iter().filter(|check| check.needed_by.contains(&number)).collect();
        let names = |status: Status| -> Vec<&'static str> {
            needed.iter().filter(|check| check.status == status).map(|check| check.name).collect()
        };
        let (missing, limited) = (names(Status::Missing), names(Status::Limited));
        let (works, because) = match (missing.is_empty(), limited.is_empty()) {
            (false, _) => ("no", missing),
            (true, false) => ("limited", limited),
            (true, true) => ("yes", Vec::new()),
        };
        Chapter { number, name, works, place: place(ground), because }
    };
    CHAPTERS.into_iter().map(chapter).collect()
}

/// Where containers run.
pub(super) fn place(ground: &Ground) -> &'static str {
    if ground.rootless { "lab box" } else { "root" }
}
