//! Containers as they are at this moment, in Docker's words: what their records say, what whoever keeps
//! them says, and what the kernel says.

use crate::container::{Record, State};
use crate::engine::groups::{First, Groups};
use crate::engine::live::{self, Live, Places, Status};
use crate::engine::{moment, records};
use anyhow::Result;
use console::time;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A container as it is.
pub struct Seen {
    /// What it was made from.
    pub record: Box<Record>,
    /// What it is doing.
    pub status: Status,
    /// What its keeper says.
    pub live: Live,
    /// How it ended last.
    pub state: State,
    /// Its first process, if it runs.
    pub first: First,
}

/// All that can be seen.
pub struct All {
    /// Those that have a record, in no order.
    pub containers: Vec<Seen>,
    /// The groups of others.
    pub groups: Groups,
    /// What is wrong with those that cannot be seen.
    pub errors: Vec<anyhow::Error>,
}

/// All containers.
pub fn all(root: &Path) -> Result<All> {
    let (written, mut errors) = records::all_with_states(root)?;
    let (places, mut groups) = (Places::now(root)?, Groups::now()?);
    let mut containers = Vec::with_capacity(written.len());
    for (record, state) in written {
        match live::glance(root, &record, state, &places) {
            Ok(looked) => containers.extend(Seen::new(root, record, looked, &mut groups)),
            Err(error) => errors.push(error),
        }
    }
    Ok(All { containers, groups, errors })
}

impl Seen {
    /// One container; none if it is gone.
    pub fn of(root: &Path, record: Record) -> Result<Option<Seen>> {
        let looked = live::look(root, &record)?;
        Ok(Seen::new(root, Box::new(record), looked, &mut Groups::now()?))
    }

    fn new(
        root: &Path,
        record: Box<Record>,
        (status, live, state): (Status, Live, State),
        groups: &mut Groups,
    ) -> Option<Seen> {
        let first = match status {
            Status::Running => groups.first(&record, &live),
            _ => First::default(),
        };
        // Nobody could lock it: it may have been removed since its record was read.
        if status == Status::Running && first.pid.is_none() && !records::has(root, &record.id) {
            return None;
        }
        Some(Seen { record, status, live, state, first })
    }

    /// Whether Docker would say that it runs.
    pub fn runs(&self) -> bool {
        matches!(self.status, Status::Running | Status::Restarting)
    }

    /// What it is doing, in one word.
    pub fn word(&self) -> &'static str {
        match self.status {
            Status::Created => "created",
            Status::Running if self.first.paused => "paused",
            Status::Running => "running",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }

    /// The same with how and since when.
    pub fn words(&self) -> String {
        let (code, ago) = (self.state.exit_code, || since(&self.state.finished_at));
        match self.status {
            Status::Created => "Created".into(),
            Status::Running => up(since(self.started_at()), self.first.paused),
            Status::Restarting => format!("Restarting ({code}) {} ago", ago()),
            Status::Exited => format!("Exited ({code}) {} ago", ago()),
        }
    }

    /// When it was started last, as in RFC 3339; empty if it never was.
    pub fn started_at(&self) -> &str {
        match self.status {
            Status::Running if !self.live.started_at.is_empty() => &self.live.started_at,
            // Of one in the foreground that is to be removed, nobody has written down more.
            Status::Running if self.state.started_at.is_empty() => &self.record.created,
            _ => &self.state.started_at,
        }
    }
}

/// For how long something runs.
pub fn up(age: String, paused: bool) -> String {
    format!("Up {age}{}", if paused { " (Paused)" } else { "" })
}

fn since(text: &str) -> String {
    let moment = moment::parse(text).unwrap_or_else(SystemTime::now);
    time::duration(moment.elapsed().unwrap_or(Duration::ZERO))
}
