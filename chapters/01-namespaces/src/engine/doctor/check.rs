//! One thing that was tried: what came out, which chapters need it, and what mends it.

use kernel::capability::{Found, Refused};
use serde::Serialize;

/// Every chapter.
pub(super) const ALL: &[u8] = &[1, 2, 3, 4, 5, 6];

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It works.
    Ok,
    /// It works in part, or one can do without.
    Limited,
    /// It does not work.
    Missing,
}

impl Status {
    /// As the JSON has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Limited => "limited",
            Status::Missing => "missing",
        }
    }
}

/// A check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    /// Its name, which never changes.
    pub(super) name: &'static str,
    /// What came out.
    pub(super) status: Status,
    /// The same in words.
    pub(super) found: String,
    /// The chapters that need it; none for what is only good to know.
    pub(super) needed_by: &'static [u8],
    /// A command that mends it, or, where none can, what to do.
    pub(super) remedy: Option<String>,
}

impl Check {
    /// A check from what a trial found.
    pub(super) fn new(
        name: &'static str,
        needed_by: &'static [u8],
        found: Found,
        remedy: impl FnOnce(&Refused) -> String,
    ) -> Check {
        match found {
            Ok(found) => Check { name, status: Status::Ok, found, needed_by, remedy: None },
            Err(refused) => Check {
                name,
                status: if refused.partly { Status::Limited } else { Status::Missing },
                remedy: Some(remedy(&refused)),
                found: refused.words,
                needed_by,
            },
        }
    }
}

/// A refusal in words of ours, of something that one can do without.
pub(super) fn partly(words: impl Into<String>) -> Refused {
    Refused::new(words).in_part()
}
