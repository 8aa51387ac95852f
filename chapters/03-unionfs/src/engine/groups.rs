//! Which of the groups that there are belong to which containers. To look into one costs calls for all its
//! processes: what a container's keeper has written down saves that, and so does a group's name.

use crate::container::Record;
use crate::engine::live::Live;
use anyhow::Result;
use cgroups::engine::find::{self, Container};
use cgroups::engine::{member, state};
use cgroups::group::{Group, Place};
use cgroups::hierarchy;
use kernel::Pid;
use kernel::cgroup::Hierarchy;
use namespaces::engine::spaces;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The groups that no container has been found for yet, by their names.
pub struct Groups {
    /// The hierarchy that counts; none if there are no control groups.
    core: Option<Hierarchy>,
    left: HashMap<OsString, Vec<PathBuf>>,
    /// The first process of each container, by the marks of all.
    marks: OnceCell<HashMap<String, Pid>>,
}

/// What the kernel says of a container that runs.
#[derive(Default)]
pub struct First {
    /// Its first process, as we number it; none if that has just ended, or is not ours to see.
    pub pid: Option<Pid>,
    /// All its processes are stopped where they are.
    pub paused: bool,
}

impl Groups {
    /// All that there are.
    pub fn now() -> Result<Groups> {
        let core = hierarchy::used()?.into_iter().next();
        let mut left: HashMap<OsString, Vec<PathBuf>> = HashMap::new();
        for group in core.as_ref().map_or(Vec::new(), find::groups) {
            left.entry(group.file_name().unwrap_or_default().into()).or_default().push(group);
        }
        Ok(Groups { core, left, marks: OnceCell::new() })
    }

    /// Finds the first process of a container that runs.
    pub fn first(&mut self, record: &Record, live: &Live) -> First {
        let told = Some(Pid::from_raw(live.pid)).filter(|_| live.pid > 0);
        let found = told
            .and_then(|pid| self.of_process(pid, |group| is_called(group, record)))
            .or_else(|| self.by_name(record));
        if let Some(first) = found {
            return first;
        }
        // It has been renamed, or could have no group; and a keeper in the lab box has other numbers.
        let marked = |pid: &Pid| spaces::container_of(*pid).as_ref() == Some(&record.id);
        match told.filter(marked).or_else(|| self.marks().get(&record.id).copied()) {
            Some(pid) => {
                self.of_process(pid, |_| true).unwrap_or(First { pid: Some(pid), paused: false })
            }
            None => First::default(),
        }
    }

    /// By its process, if the group that this is in is the right one.
    fn of_process(&mut self, pid: Pid, is_its: impl Fn(&Path) -> bool) -> Option<First> {
        let directory = member::directory_of(pid, self.core.as_ref()?)?;
        is_its(&directory).then(|| self.take(pid, &directory))
    }

    /// By what the group was called: of one in the foreground, nobody has written down more.
    fn by_name(&mut self, record: &Record) -> Option<First> {
        let named = |name: &String| self.left.get(&OsString::from(name));
        let groups = [&record.name, &record.id].into_iter().filter_map(named).flatten();
        let mut found = groups.filter_map(|group| Some((group, Container::in_directory(group)?)));
        let (group, container) = found.find(|(_, container)| container.id == record.id)?;
        let group = group.clone();
        Some(self.take(container.pid, &group))
    }

    fn take(&mut self, pid: Pid, directory: &Path) -> First {
        if let Some(name) = directory.file_name()
            && let Some(groups) = self.left.get_mut(name)
        {
            groups.retain(|group| group != directory);
        }
        let version = self.core.as_ref().map(|core| core.version);
        let paused = version.is_some_and(|version| {
            let place = Place { version, controllers: Vec::new(), directory: directory.into() };
            state::is_frozen(&Group::found(String::new(), vec![place]))
        });
        First { pid: Some(pid), paused }
    }

    fn marks(&self) -> &HashMap<String, Pid> {
        self.marks.get_or_init(|| {
            // The lowest number comes last, and stays.
            let processes = spaces::processes().unwrap_or_default().into_iter().rev();
            processes.filter_map(|pid| Some((spaces::container_of(pid)?, pid))).collect()
        })
    }

    /// Containers in the groups that are left: those of earlier chapters, and of other places.
    pub fn rest(&self) -> impl Iterator<Item = Container> {
        self.left.values().flatten().filter_map(|group| Container::in_directory(group))
    }
}

fn is_called(group: &Path, record: &Record) -> bool {
    group.file_name().is_some_and(|name| *name == *record.name || *name == *record.id)
}
