//! A container's group: a directory in each hierarchy it joins, named as it is. Making the first of
//! them takes the name, whoever asks for it at the same time; a lock on it (flock(2)) says that
//! somebody minds it; what it holds is killed as a whole and removed.

use crate::counters;
use crate::engine::subtree::{processes_below, remove_below};
use crate::engine::{claim, joined, refuse};
use crate::hierarchy::{self, Names, OURS};
use crate::limits::{Limits, Setting};
use crate::{v1, v2};
use anyhow::Result;
use kernel::cgroup::{self, Hierarchy, Version};
use kernel::signal::Signal;
use kernel::{Errno, Pid};
use nix::fcntl::Flock;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long removal is tried: processes that were killed need a moment to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What others may do in a group's directory: look up names, but not list them, for which they would
/// have to open it, and then could lock it.
const MODE: u32 = 0o711;

/// A group.
pub struct Group {
    /// Its name: the container's.
    pub name: String,
    /// Its directories, one in each hierarchy. The first one counts: its processes are the group's.
    pub places: Vec<Place>,
    /// Directories that `update` makes later, when a limit is asked for that needs them.
    spare: Vec<Place>,
    /// Held as long as somebody minds it.
    lock: Option<Flock<File>>,
}

/// A group's directory in one hierarchy.
#[derive(Debug, Clone)]
pub struct Place {
    /// The hierarchy's interface.
    pub version: Version,
    /// What is controlled here, as version 2 calls it; but `cpuacct`.
    pub controllers: Vec<String>,
    /// The directory.
    pub directory: PathBuf,
}

impl Group {
    /// Makes a group in these hierarchies that can keep these limits. The name is taken from here on.
    pub fn make(name: &str, hierarchies: &[Hierarchy], limits: &Limits) -> Result<Group> {
        let asked = v2::settings(limits).into_iter().filter(|setting| !setting.implied);
        let asked: Vec<&'static str> = asked.map(|setting| setting.controller).collect();
        let in_v1 = |name: &str| {
            let mut of_v1 = hierarchies.iter().filter(|h| h.version == Version::V1);
            of_v1.any(|h| h.controllers.iter().any(|has| v1::modern_name(has) == name))
        };
        let needed: Vec<_> = asked.iter().copied().filter(|name| !in_v1(name)).collect();

        let mut group = Group::found(name.into(), Vec::new());
        for hierarchy in hierarchies {
            if !joined::is_joined(hierarchy, hierarchies, &asked) {
                let ours = hierarchy.own.iter().map(|own| own.join(OURS).join(name));
                group.spare.extend(ours.map(|directory| Place::new(hierarchy, directory)));
            } else if let Err(error) = group.make_place(hierarchy, &needed) {
                group.remove()?;
                return Err(error);
            }
        }
        Ok(group)
    }

    fn make_place(&mut self, hierarchy: &Hierarchy, needed: Names) -> Result<()> {
        loop {
            let directory = hierarchy::make_ours(hierarchy, needed)?.join(&self.name);
            let made = match cgroup::make(&directory, MODE) {
                // `clean` has removed ours meanwhile, as it was empty.
                Err(error) if error.errno == Errno::ENOENT => continue,
                made => made?,
            };
            let place = Place::new(hierarchy, directory);
            let first = self.places.is_empty();
            if first {
                // Somebody else may have it, or have removed it as left over.
                self.lock = claim::claim(&place.directory, &self.name)?;
            }
            if made && self.lock.is_some() {
                self.places.push(place);
                return Ok(());
            }
            if first && self.lock.is_some() {
                // Nobody minds it any more. What is left in it, limits included, is not ours.
                place.kill()?;
            }
            if !place.processes().is_empty() && !first {
                // Of this name in this hierarchy alone: its container was started in another group.
                return Err(refuse::taken(&self.name));
            }
            if self.lock.is_some() {
                place.remove()?;
            }
        }
    }

    /// A group that is there.
    pub fn found(name: String, places: Vec<Place>) -> Group {
        Group { name, places, spare: Vec::new(), lock: None }
    }

    /// The place that has a controller.
    pub fn with(&self, controller: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.controllers.iter().any(|has| has == controller))
    }

    /// Writes limits into the group's files.
    pub fn limit(&self, limits: &Limits) -> Result<()> {
        for (version, settings) in
            [(Version::V2, v2::settings(limits)), (Version::V1, v1::settings(limits))]
        {
            for setting in settings {
                let place = self.with(setting.controller);
                match place {
                    Some(place) if place.version == version => place.set(&setting)?,
                    None if !setting.implied => return Err(refuse::no_controller(&setting)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The lock, for a process that is to mind the group, too.
    pub(crate) fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(|lock| lock.as_fd())
    }

    /// The processes in it, and in groups below it.
    pub fn processes(&self) -> Vec<Pid> {
        self.places.first().map_or(Vec::new(), Place::processes)
    }

    /// Whether there are any.
    pub fn is_populated(&self) -> bool {
        self.places.first().is_some_and(|place| match place.version {
            Version::V2 => counters::field(place, "cgroup.events", "populated") == Some(1),
            Version::V1 => !place.processes().is_empty(),
        })
    }

    /// Kills every process in it, whatever it does to get away.
    pub fn kill(&self) -> Result<()> {
        self.places.first().map_or(Ok(()), Place::kill)
    }

    /// Removes its directories; the first one last, as the name is free after that.
    pub fn remove(&self) -> Result<()> {
        kernel::explain::heading("parent", "remove the control group", "no record of it is left");
        let spare = self.spare.iter().filter(|place| place.directory.exists());
        spare.chain(self.places.iter().rev()).try_for_each(Place::remove)
    }
}

impl Place {
    /// A group's directory in a hierarchy.
    pub fn new(hierarchy: &Hierarchy, directory: PathBuf) -> Place {
        let controllers: Vec<String> = match hierarchy.version {
            Version::V1 => hierarchy.controllers.clone(),
            Version::V2 => {
                let file = kernel::text::read(directory.join("cgroup.controllers"));
                file.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
            }
        };
        let modern = controllers.iter().map(|name| v1::modern_name(name).to_owned());
        Place { version: hierarchy.version, controllers: modern.collect(), directory }
    }

    pub(crate) fn processes(&self) -> Vec<Pid> {
        processes_below(&self.directory)
    }

    fn set(&self, setting: &Setting) -> Result<()> {
        let file = self.directory.join(setting.file);
        if setting.implied && !file.exists() {
            return Ok(());
        }
        let title = format!("{} = {}", setting.file, setting.value);
        kernel::explain::heading("parent", &title, setting.meaning);
        cgroup::set(&file, &setting.value).map_err(|error| refuse::setting(setting, &file, error))
    }

    // LAB 02.6 kill: kill all of them, also those that fork meanwhile
    fn kill(&self) -> Result<()> {
        if self.version == Version::V2 {
            // One write, and no process can slip through by forking (Linux 5.14).
            let killed = cgroup::set(&self.directory.join("cgroup.kill"), "1");
            return match killed {
                Err(error) if error.errno == Errno::ENOENT && !self.directory.exists() => Ok(()),
                killed => Ok(killed?),
            };
        }
        // Version 1 has no such file: whoever is there is killed. A fork bomb has to be frozen
        // first, or it would be faster.
        let freezes = self.controllers.iter().any(|name| name == "freezer");
        if freezes {
            self.freeze(true)?;
        }
        for pid in self.processes() {
            // It may have ended meanwhile, which is what we want.
            if let Ok(pidfd) = kernel::process::open(pid) {
                kernel::process::send_signal(pidfd, Signal::SIGKILL)?;
            }
        }
        // Frozen, they could not die.
        if freezes { self.freeze(false) } else { Ok(()) }
    }

    /// Stops every process of the group where it is, or lets all go on.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let (file, value) = match self.version {
            Version::V2 => ("cgroup.freeze", if frozen { "1" } else { "0" }),
            Version::V1 => ("freezer.state", if frozen { "FROZEN" } else { "THAWED" }),
        };
        Ok(cgroup::set(&self.directory.join(file), value)?)
    }

    // LAB 02.6 remove: remove the directory; processes that were killed need a moment
    fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(50);
        loop {
            match cgroup::remove(&self.directory) {
                Err(error) if error.errno == Errno::EBUSY && Instant::now() < deadline => {
                    // Of what was being born while the others were killed, version 1 misses some.
                    self.kill()?;
                    remove_below(&self.directory)?;
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(error) if error.errno == Errno::EBUSY => {
                    return Err(refuse::busy(&self.directory, PATIENCE));
                }
                removed => return Ok(removed.map(drop)?),
            }
        }
    }
}
