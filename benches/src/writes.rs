//! What a first write through layers costs: overlay copies the whole file first (copy-up). The same to a
//! plain file of the host beside it, both on the ground's tmpfs. Who writes tells the time, so that no
//! start is in it; in interleaved rounds.

use crate::ground::Ground;
use crate::ladder::portable;
use crate::participant::{Participant, Until};
use crate::results::{Kind, Outcome, Row};
use crate::workload::PROGRAM;
use crate::{layers, rounds};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that is written to: its name, its size in MiB, and the rows of the plain one and of the one
/// in a lower layer.
pub struct File {
    name: &'static str,
    mebibytes: usize,
    rows: [&'static str; 2],
}

/// All of them.
pub const FILES: [File; 2] = [
    File {
        name: "1-MiB",
        mebibytes: 1,
        rows: ["write to 1 MiB: plain file", "write to 1 MiB: lower layer"],
    },
    File {
        name: "100-MiB",
        mebibytes: 100,
        rows: ["write to 100 MiB: plain file", "write to 100 MiB: lower layer"],
    },
];

const MEASURES: [&str; 2] = [
    "opened, one byte appended, and closed",
    "the same in a container that has written nothing before",
];

impl File {
    /// What the tables call it: on the host, and in a lower layer.
    pub const fn rows(&self) -> &[&'static str; 2] {
        &self.rows
    }

    fn command(&self, ground: &Ground, place: usize) -> Vec<OsString> {
        if place == 0 {
            let program = beneath(&ground.root(), PROGRAM);
            return [program.into(), "append".into(), plain(ground).join(self.name).into()].into();
        }
        let inside = [PROGRAM, "append", &format!("/{}", self.name)];
        layers::run_inside(ground, &[], lower(ground).into(), &inside)
    }
}

/// Measures all of it; the program of `workload::prepare` must be there.
///
/// # Errors
/// If there is no room for the files, or a run fails that did not fail before.
pub fn measure(ground: &Ground, count: usize, progress: impl FnMut(&str)) -> Result<Vec<Row>> {
    make(ground)?;
    let mut participants = Vec::new();
    for (file, place) in every() {
        let participant = Participant::new(file.rows[place], file.command(ground, place))?;
        participants.push(participant.until(Until::Told));
    }
    let failed = participants.iter().find_map(|participant| participant.check().err());
    let outcomes: Vec<Outcome> = match failed {
        Some(error) => {
            let not_measured = portable(&format!("{error:#}"), ground);
            vec![Outcome::NotMeasured { not_measured }; participants.len()]
        }
        None => {
            let times = rounds::run(&mut participants, count, progress)?;
            times.into_iter().map(Outcome::Measured).collect()
        }
    };
    let rows = every().zip(&participants).zip(outcomes);
    Ok(rows
        .map(|(((file, place), participant), outcome)| {
            row(file, place, portable(&participant.shown(), ground), outcome)
        })
        .collect())
}

/// The same rows, none of them measured.
pub fn left_out(reason: &str) -> Vec<Row> {
    let outcome = Outcome::NotMeasured { not_measured: reason.to_owned() };
    every().map(|(file, place)| row(file, place, "peers/work.c".into(), outcome.clone())).collect()
}

fn every() -> impl Iterator<Item = (&'static File, usize)> {
    FILES.iter().flat_map(|file| (0..2).map(move |place| (file, place)))
}

fn row(file: &File, place: usize, command: String, outcome: Outcome) -> Row {
    let row =
        Row::new(file.rows[place], Kind::Write, MEASURES[place], command, Until::Told, outcome);
    Row { compared_with: Some(file.rows[0].into()), ..row }
}

/// A root with the files in it, and the same files where no container is.
fn make(ground: &Ground) -> Result<()> {
    ground.make_root(&lower(ground))?;
    fs::copy(beneath(&ground.root(), PROGRAM), beneath(&lower(ground), PROGRAM))?;
    fs::create_dir(plain(ground))?;
    for file in &FILES {
        // Not of zeros: a hole would not be copied.
        let content = vec![b'x'; file.mebibytes << 20];
        for directory in [lower(ground), plain(ground)] {
            let path = directory.join(file.name);
            fs::write(&path, &content).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

fn lower(ground: &Ground) -> PathBuf {
    ground.path("lower")
}

fn plain(ground: &Ground) -> PathBuf {
    ground.path("plain")
}

fn beneath(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
