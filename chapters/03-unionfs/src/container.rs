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
//! ```
//!
//! Whoever runs a container holds a lock on its directory (flock(2)), which ends with its holder: one
//! without a lock and without state.json was killed together with its command line.

use crate::engine::{files, remove, words};
use anyhow::{Context, Result};
use kernel::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

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
    pub directory: Option<PathBuf>,
    /// How its root is made of them.
    pub driver: Driver,
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

/// How a container ended: state.json.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// Its exit code.
    pub exit_code: u8,
    /// When, as in RFC 3339.
    pub finished_at: String,
}

/// A container that this process holds: nobody else runs or removes it meanwhile.
pub struct Held {
    /// Its directory.
    pub directory: PathBuf,
    lock: Flock<File>,
}

/// Where containers are.
fn home(root: &Path) -> PathBuf {
    root.join("containers")
}

fn link(root: &Path, name: &str) -> PathBuf {
    root.join("names").join(name)
}

impl Record {
    /// Its directory.
    pub fn directory(&self, root: &Path) -> PathBuf {
        home(root).join(&self.id)
    }

    /// Writes it, and takes the name.
    ///
    /// # Errors
    /// If the name is another container's. Nothing is left of this one then.
    pub fn create(&self, root: &Path) -> Result<Held> {
        let directory = self.directory(root);
        // Nobody else looks into it: a set-user-ID program in there would be one on the host, too.
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(&home(root)).and_then(|()| private(&directory)).context("make a container")?;
        let held = Held::of(&directory)?.context("a container of this id has just been removed")?;
        let written = files::write_json(&directory.join("config.json"), self)
            .and_then(|()| if self.name == self.id { Ok(()) } else { self.take_name(root) });
        match written {
            Ok(()) => Ok(held),
            Err(error) => {
                held.remove()?;
                Err(error)
            }
        }
    }

    fn take_name(&self, root: &Path) -> Result<()> {
        let link = link(root, &self.name);
        loop {
            match symlink(Path::new("../containers").join(&self.id), &link) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    fs::create_dir_all(root.join("names")).context("make a container")?;
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let holder = holder(root, &self.name);
                    if holder.as_deref().is_some_and(|id| home(root).join(id).exists()) {
                        return Err(words::name_taken(&self.name, &holder.unwrap_or_default()));
                    }
                    // Its holder was removed, and whoever did it killed before the link was.
                    files::gone(fs::remove_file(&link)).context("free a name")?;
                }
                made => return made.with_context(|| link.display().to_string()),
            }
        }
    }

    /// Takes hold of it: see [`Held::of`].
    pub fn hold(&self, root: &Path) -> Result<Option<Held>> {
        Held::of(&self.directory(root))
    }

    /// How it ended; none if it never ran to its end.
    pub fn state(&self, root: &Path) -> Result<Option<State>> {
        files::read_json(&self.directory(root).join("state.json"))
    }
}

/// The id of the container that a name leads to.
fn holder(root: &Path, name: &str) -> Option<String> {
    let target = fs::read_link(link(root, name)).ok()?;
    target.file_name()?.to_str().map(String::from)
}

impl Held {
    /// Takes hold of the container in a directory; none if somebody else has it, or it is gone.
    pub fn of(directory: &Path) -> Result<Option<Held>> {
        let open = match File::open(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            open => open.with_context(|| directory.display().to_string())?,
        };
        match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
            // Removed between the two: the lock is one on nothing.
            Ok(lock) if files::is_at(&lock, directory)? => {
                Ok(Some(Held { directory: directory.into(), lock }))
            }
            Ok(_) | Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno).context("flock"),
        }
    }

    /// Records how it ended.
    pub fn finish(&self, state: &State) -> Result<()> {
        files::write_json(&self.directory.join("state.json"), state)
    }

    /// Removes it with its layer; its name is free after that.
    pub fn remove(self) -> Result<()> {
        let record: Option<Record> = files::read_json(&self.directory.join("config.json"))?;
        remove::tree(&self.directory)?;
        let root = self.directory.ancestors().nth(2).context("it lies in containers")?;
        if let Some(Record { name, id, .. }) = record
            && holder(root, &name).as_ref() == Some(&id)
        {
            files::gone(fs::remove_file(link(root, &name))).context("free a name")?;
        }
        drop(self.lock);
        Ok(())
    }
}

/// All containers: the records that can be read, and what is wrong with the others.
pub fn all(root: &Path) -> Result<(Vec<Record>, Vec<anyhow::Error>)> {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(home(root)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((records, errors)),
        entries => entries.with_context(|| home(root).display().to_string())?,
    };
    for entry in entries {
        let file = entry?.path().join("config.json");
        match files::read_json(&file) {
            Ok(Some(record)) => records.push(record),
            // It is about to be made, or was killed while that was done; `clean` sees to it.
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    records.sort_by(|one: &Record, other| other.created.cmp(&one.created));
    Ok((records, errors))
}

/// The container that is meant by a name, an id, or the beginning of one.
///
/// # Errors
/// In Docker's words: no such container; several whose ids begin so.
pub fn find(root: &Path, text: &str) -> Result<Record> {
    let (records, errors) = all(root)?;
    let exact = records.iter().find(|record| record.name == text || record.id == text);
    if let Some(record) = exact {
        return Ok(record.clone());
    }
    let mut begin = records.iter().filter(|r| !text.is_empty() && r.id.starts_with(text));
    match (begin.next(), begin.next()) {
        (Some(record), None) => Ok(record.clone()),
        (Some(_), Some(_)) => Err(words::ambiguous(text)),
        (None, _) => Err(words::no_such_container(text, errors)),
    }
}
