//! A container as files: what it lies on, its own layer, and how it ended. From here on a container is
//! there before it runs and after it, until it is removed.
//!
//! ```text
//! containers/ID/config.json   what it was made from; written before anything else is made
//!               upper/        its own layer: all that it has written
//!               work/         where overlay puts a file together before it shows it in upper
//!               fs/           instead of the two: its own copy of all layers (--storage-driver copy)
//!               state.json    how it ended; written last
//! names/NAME                  a link to ../containers/ID: making it takes the name
//! .gone-ID                    one that is being removed: nobody sees half of it
//! ```
//!
//! Whoever runs a container holds a lock on its directory (flock(2)), which ends with its holder: one
//! without a lock and without state.json was killed together with its command line.

use crate::engine::settings::Settings;
use crate::engine::{any_path::AnyPath, container_names, files, live, remove, scratch};
use crate::layer::GONE;
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What a container was made from: config.json.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name; the id, if it was given none.
    pub name: String,
    /// When, as in RFC 3339.
    pub created: String,
    /// The root as it was asked for: an image's name or id, `lab`, or a directory's path.
    pub root: String,
    /// The image's id (`sha256:…`); none for `lab` and directories.
    pub image: Option<String>,
    /// The chain ids of the image's layers, the lowest first.
    pub layers: Vec<String>,
    /// `lab`'s directory, or the one that was asked for, instead of an image's layers.
    pub directory: Option<AnyPath>,
    /// How its root is made of them.
    pub driver: Driver,
    /// How marks are spelled in its own layer.
    pub spelling: Spelling,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Where it starts.
    pub working_dir: String,
    /// Who it is, as it was asked for; empty for root.
    pub user: String,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// What else it was asked to be.
    #[serde(default)]
    pub settings: Settings,
}

/// How a container's root is made of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// The kernel shows them as one; what is written is copied first.
    Overlay,
    /// All is copied before it starts.
    Copy,
}

/// How a container ended: state.json. Of one that runs, when it was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// Its exit code.
    pub exit_code: u8,
    /// The kernel has killed one of its processes for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Why it could not be started, or what else there is to say.
    pub error: String,
    /// When, as in RFC 3339; empty if it never was.
    pub started_at: String,
    /// When; empty if it has not ended.
    pub finished_at: String,
    /// How often it was started again.
    pub restart_count: u32,
}

/// A container that this process holds: nobody else runs or removes it meanwhile.
pub struct Held {
    /// Its directory.
    pub directory: PathBuf,
    lock: Flock<File>,
}

impl Record {
    /// Its directory.
    pub fn directory(&self, root: &Path) -> PathBuf {
        root.join("containers").join(&self.id)
    }

    /// Writes it, and takes the name.
    ///
    /// # Errors
    /// If the name is another container's. Nothing is left of this one then.
    pub fn create(&self, root: &Path) -> Result<Held> {
        let directory = self.directory(root);
        // Nobody else looks into it: a set-user-ID program in there would be one on the host, too.
        scratch::make_directory(&directory)?;
        let held = Held::of(&directory)?.context("a container of this id has just been removed")?;
        let written = files::write_json(&directory.join("config.json"), self).and_then(|()| {
            if self.name == self.id { Ok(()) } else { container_names::take(root, self) }
        });
        if let Err(error) = written {
            held.remove(Some(self))?;
            return Err(error);
        }
        Ok(held)
    }

    /// How it ended; none if it never ran to its end.
    pub fn state(&self, root: &Path) -> Result<Option<State>> {
        files::read_json(&self.directory(root).join("state.json"))
    }
}

impl Held {
    /// Takes hold of the container in a directory; none if somebody else has it, or it is gone.
    pub fn of(directory: &Path) -> Result<Option<Held>> {
        loop {
            if let Some(lock) = scratch::lock(directory, FlockArg::LockExclusiveNonblock)? {
                return Ok(Some(Held { directory: directory.into(), lock }));
            }
            if Held::look(directory)?.is_none() {
                return Ok(None);
            }
            // Nobody but some who look: they are done in a moment.
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// As long as this is held, nobody takes hold of the container; none if somebody has it, or it is
    /// gone. Many may look at the same time, and none of them is taken for who runs it.
    pub fn look(directory: &Path) -> Result<Option<Flock<File>>> {
        scratch::lock(directory, FlockArg::LockSharedNonblock)
    }

    /// Records how it ended.
    pub fn finish(&self, state: &State) -> Result<()> {
        files::write_json(&self.directory.join("state.json"), state)
    }

    /// Removes it with its layer; its name is free after that.
    pub fn remove(self, record: Option<&Record>) -> Result<()> {
        let root = self.directory.ancestors().nth(2).context("it lies in containers")?;
        let id = self.directory.file_name().unwrap_or_default().to_string_lossy();
        live::forget(root, &id)?;
        // LAB 03.4 gone: its directory, with its own layer
        remove::at_once(&self.directory, &root.join(format!("{GONE}{id}")))?;
        if let Some(record) = record.filter(|record| record.name != record.id) {
            container_names::free(root, record)?;
        }
        drop(self.lock);
        Ok(())
    }
}
