//! What limits cost the work that they do not stop: the same work on the host, in a container without a
//! limit, and in one whose limits are far above what it needs. The work tells its own time, in
//! interleaved rounds.

use crate::ground::Ground;
use crate::ladder::portable;
use crate::participant::{Participant, Until};
use crate::peers;
use crate::results::{Kind, Outcome, Row};
use crate::rounds;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

/// The program's name in the root.
pub const PROGRAM: &str = "/work";

/// A piece of work: its name in each of the three places, what it is, and the words for the program.
pub struct Work {
    names: [&'static str; 3],
    measures: &'static str,
    words: [&'static str; 2],
}

/// All of it.
pub const WORKS: [Work; 3] = [
    Work {
        names: ["memory: host", "memory: no limit", "memory: limits"],
        measures: "32 MiB are touched page by page, and given back",
        words: ["touch", "32"],
    },
    Work {
        names: ["processes: host", "processes: no limit", "processes: limits"],
        measures: "200 processes, one after the other, are made and waited for",
        words: ["forks", "200"],
    },
    Work {
        names: ["computing: host", "computing: no limit", "computing: limits"],
        measures: "ten million steps of arithmetic, without a system call",
        words: ["compute", "10"],
    },
];

impl Work {
    /// What the tables call it: on the host, without a limit, with limits.
    pub const fn names(&self) -> &[&'static str; 3] {
        &self.names
    }
}

/// Puts the program into the root, for [`measure`] and for `shares`; no, without a compiler.
///
/// # Errors
/// If the compiler refuses it.
pub fn prepare(ground: &Ground) -> Result<bool> {
    let Some(program) = peers::compiled(ground, "work.c")? else { return Ok(false) };
    let place = in_root(ground);
    fs::copy(program, &place).with_context(|| place.display().to_string())?;
    Ok(true)
}

fn in_root(ground: &Ground) -> PathBuf {
    ground.root().join(PROGRAM.trim_start_matches('/'))
}

/// Measures all of it.
///
/// # Errors
/// If a run fails that did not fail before.
pub fn measure(ground: &Ground, count: usize, progress: impl FnMut(&str)) -> Result<Vec<Row>> {
    let every = WORKS.iter().flat_map(|work| (0..3).map(move |place| (work, place)));
    let every: Vec<(&Work, usize)> = every.collect();
    let mut participants = Vec::new();
    for (work, place) in &every {
        let participant = Participant::new(work.names[*place], command(ground, work, *place)?)?;
        participants.push(participant.until(Until::Told));
    }
    let failed = participants.iter().find_map(|participant| participant.check().err());
    let outcomes: Vec<Outcome> = match failed {
        Some(error) => {
            let not_measured = portable(&format!("{error:#}"), ground);
            vec![Outcome::NotMeasured { not_measured }; every.len()]
        }
        None => {
            let times = rounds::run(&mut participants, count, progress)?;
            times.into_iter().map(Outcome::Measured).collect()
        }
    };
    let rows = every.iter().zip(&participants).zip(outcomes);
    Ok(rows
        .map(|((&(work, place), participant), outcome)| {
            row(work, place, portable(&participant.shown(), ground), outcome)
        })
        .collect())
}

/// The same rows, none of them measured.
pub fn left_out(reason: &str) -> Vec<Row> {
    let row = |work, place| {
        let outcome = Outcome::NotMeasured { not_measured: reason.to_owned() };
        row(work, place, "peers/work.c".into(), outcome)
    };
    WORKS.iter().flat_map(|work| (0..3).map(move |place| row(work, place))).collect()
}

fn command(ground: &Ground, work: &Work, place: usize) -> Result<Vec<OsString>> {
    // More would be refused, and this many it cannot use up: it is one process at a time.
    let all = std::thread::available_parallelism()?.to_string();
    let limits = ["-m", "1g", "--cpus", &all, "--pids-limit", "1000"];
    let [word, size] = work.words;
    let inside = [PROGRAM, word, size];
    Ok(match place {
        0 => [in_root(ground).into(), word.into(), size.into()].into(),
        1 => peers::run_minidock(2, &[], ground, &inside),
        _ => peers::run_minidock(2, &limits, ground, &inside),
    })
}

fn row(work: &Work, place: usize, command: String, outcome: Outcome) -> Row {
    let name = work.names[place];
    let row = Row::new(name, Kind::Workload, work.measures, command, Until::Told, outcome);
    Row { compared_with: Some(work.names[1].into()), ..row }
}
