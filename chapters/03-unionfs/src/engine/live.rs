//! What is true of a container only while somebody keeps it: RUN/ID, in memory (tmpfs), so that it is
//! gone when the machine starts again.
//!
//! ```text
//! /run/minidock/ID/state.json   its first process, since when; or that it is about to be started again
//!                  attach       the socket of its shim
//!                  stopped      somebody has stopped it: it is not to be started again
//! ```

use crate::container::{Held, Record, State};
use crate::engine::{files, moment, scratch};
use anyhow::{Context, Result};
use kernel::Pid;
use namespaces::engine::{labbox, spaces};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What its keeper says of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Live {
    /// Its first process, as its keeper numbers it; 0 while it is between two.
    pub pid: i32,
    /// When that was started.
    pub started_at: String,
    /// How often it was started again.
    pub restart_count: u32,
    /// What it ended with the last time.
    pub exit_code: u8,
}

/// What a container is doing, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has never run.
    Created,
    /// Its first process runs.
    Running,
    /// It has ended, and is about to be started again.
    Restarting,
    /// It has ended.
    Exited,
}

/// Which containers somebody keeps, or kept and was killed.
pub struct Places(HashSet<OsString>);

impl Places {
    /// At this moment.
    pub fn now(root: &Path) -> Result<Places> {
        let places = scratch::entries(&run_directory(root))?;
        Ok(Places(places.iter().filter_map(|place| place.file_name()).map(Into::into).collect()))
    }
}

/// A container's place in there.
pub struct Place(PathBuf);

impl Place {
    /// Of this container.
    pub fn of(root: &Path, id: &str) -> Place {
        Place(run_directory(root).join(id))
    }

    /// Makes it anew.
    pub fn make(&self) -> Result<()> {
        self.remove()?;
        scratch::make_directory(&self.0)
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) -> Result<()> {
        loop {
            match fs::remove_dir_all(&self.0) {
                // Somebody has just said that it is stopped, or attaches.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                removed => {
                    return files::gone(removed).with_context(|| self.0.display().to_string());
                }
            }
        }
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// Says what is true now.
    pub fn write(&self, live: &Live) -> Result<()> {
        files::write_json(&self.0.join("state.json"), live)
    }

    /// What its keeper says.
    pub fn read(&self) -> Result<Option<Live>> {
        files::read_json(&self.0.join("state.json"))
    }

    /// How it ended, where its record could not be written.
    pub fn write_end(&self, state: &State) -> Result<()> {
        files::write_json(&self.0.join("end.json"), state)
    }

    /// That word, if there is one.
    pub fn read_end(&self) -> Result<Option<State>> {
        files::read_json(&self.0.join("end.json"))
    }

    /// Says that somebody stops it.
    pub fn stop(&self) -> Result<()> {
        match File::create(self.0.join("stopped")) {
            // Nobody keeps it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            made => made.map(drop).with_context(|| self.0.display().to_string()),
        }
    }

    /// Whether somebody has.
    pub fn is_stopped(&self) -> bool {
        self.0.join("stopped").exists()
    }

    /// Listens for who wants to attach. The name of a socket has room for 108 bytes, which a directory
    /// may have more than (unix(7)): it is named by a descriptor.
    pub fn listen(&self) -> Result<UnixListener> {
        let directory = File::open(&self.0).with_context(|| self.0.display().to_string())?;
        let name = format!("/proc/self/fd/{}/attach", directory.as_raw_fd());
        UnixListener::bind(name).with_context(|| self.0.join("attach").display().to_string())
    }

    /// Attaches to its shim.
    pub fn connect(&self) -> Result<UnixStream> {
        let directory = File::open(&self.0).with_context(|| self.0.display().to_string())?;
        let name = format!("/proc/self/fd/{}/attach", directory.as_raw_fd());
        UnixStream::connect(name).with_context(|| self.0.join("attach").display().to_string())
    }
}

/// Removes what a killed keeper has left of a container.
pub fn forget(root: &Path, id: &str) -> Result<()> {
    Place::of(root, id).remove()
}

/// What is true of a container, and its keeper's word on it. What a killed keeper has left untrue is
/// put right.
///
/// # Errors
/// If a record of it cannot be read.
pub fn look(root: &Path, record: &Record) -> Result<(Status, Live, State)> {
    let directory = record.directory(root);
    let looking = Held::look(&directory)?;
    let mut state = match record.state(root)? {
        // Who runs one in the foreground that is to be removed writes nothing down, and was killed.
        None if record.auto_remove && looking.is_some() => {
            State { started_at: record.created.clone(), ..State::default() }
        }
        state => state.unwrap_or_default(),
    };
    match looking {
        None => {
            let live = Place::of(root, &record.id).read()?.unwrap_or_default();
            // At the next start it has a state without an end before it has a process.
            let ended = !state.finished_at.is_empty();
            let between = live.pid == 0 && live.restart_count > 0 && ended;
            let status = if between { Status::Restarting } else { Status::Running };
            Ok((status, live, state))
        }
        Some(_) if state.started_at.is_empty() && state.finished_at.is_empty() => {
            Ok((Status::Created, Live::default(), state))
        }
        Some(looking) => {
            // LAB 03.4 record: held by nobody, and without a word on its end: find out, and write it down
            if state.finished_at.is_empty() {
                drop(looking);
                // Somebody else has written it down, or started it.
                let Some(held) = Held::of(&directory)? else { return look(root, record) };
                if record.state(root)?.is_some_and(|now| {
                    now.started_at != state.started_at || !now.finished_at.is_empty()
                }) {
                    drop(held);
                    return look(root, record);
                }
                let place = Place::of(root, &record.id);
                // Without a word on its end, it was killed together with whoever kept it.
                let killed = State { exit_code: 137, finished_at: moment::now(), ..state };
                state = place.read_end()?.unwrap_or(killed);
                // Who only looks does not fail because the disk is full.
                if held.finish(&state).is_ok() {
                    place.remove()?;
                }
            }
            Ok((Status::Exited, Live::default(), state))
        }
    }
}

/// The same for one of many, where most have told all by what they have written down: to lock each of
/// them would take longer than all else.
///
/// Who keeps it is to be looked up after its state: one that is started in between has a place then.
pub fn glance(
    root: &Path,
    record: &Record,
    state: Option<State>,
    places: &Places,
) -> Result<(Status, Live, State)> {
    let kept = places.0.contains(OsStr::new(&record.id));
    match state {
        None if !kept && !record.auto_remove => {
            Ok((Status::Created, Live::default(), State::default()))
        }
        Some(state) if !kept && !state.finished_at.is_empty() => {
            Ok((Status::Exited, Live::default(), state))
        }
        _ => look(root, record),
    }
}

/// A container's first process as this process numbers it.
pub fn first_process(record: &Record, live: &Live) -> Option<Pid> {
    let is_its = |pid: Pid| spaces::container_of(pid).as_deref() == Some(&record.id);
    let told = Some(Pid::from_raw(live.pid)).filter(|pid| live.pid > 0 && is_its(*pid));
    // A keeper in the lab box has other numbers.
    told.or_else(|| spaces::processes().ok()?.into_iter().find(|pid| is_its(*pid)))
}

/// Where live state is: root's in the system's place, another account's in its own.
pub fn run_directory(root: &Path) -> PathBuf {
    if let Some(asked) = std::env::var_os("MINIDOCK_RUN").filter(|asked| !asked.is_empty()) {
        return asked.into();
    }
    if nix::unistd::geteuid().is_root() && !labbox::is_inside() {
        return "/run/minidock".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir()) {
        Some(own) => own.join("minidock"),
        None => root.join("run"),
    }
}
