//! Which containers run, and the one that somebody means by a name, an id, or the beginning of one.
//! The tree of groups is the record: a directory in a `minidock` is a container while it has
//! processes, whoever started it and wherever in the tree that was.

use crate::engine::member;
use crate::engine::process::Stat;
use crate::engine::state;
use crate::engine::subtree::{groups_below, processes_below};
use crate::group::Group;
use crate::hierarchy::{self, OURS};
use anyhow::Result;
use console::failure::Failure;
use kernel::cgroup::Hierarchy;
use kernel::{Errno, Pid};
use namespaces::engine::spaces;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// How many digits of an id are shown.
const SHORT: usize = 12;

/// A container that runs.
pub struct Container {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
    /// Its name; the id, if it was given none.
    pub name: String,
    /// Its group.
    pub group: Group,
    /// Its PID 1, as we number it.
    pub pid: Pid,
    /// What the kernel says about that one.
    pub first: Stat,
}

impl Container {
    /// As much of the id as is shown.
    pub fn short_id(&self) -> &str {
        &self.id[..SHORT]
    }

    /// The name as it is shown: an id is shortened.
    pub fn short_name(&self) -> &str {
        if self.name == self.id { self.short_id() } else { &self.name }
    }

    /// Whether it still runs: its PID 1 does, and is not a later process of the same number.
    pub fn runs(&self) -> bool {
        let now = Stat::of(self.pid);
        now.is_some_and(|now| now.started == self.first.started && now.state != 'Z')
    }

    /// The container whose group this directory is; none if nothing runs in it, if that is about
    /// to start or to end, or if it is not ours to look at.
    pub fn in_directory(directory: &Path) -> Option<Container> {
        let stats: Vec<Stat> =
            processes_below(directory).into_iter().filter_map(Stat::of).collect();
        let inside = |pid: Pid| stats.iter().any(|stat| stat.pid == pid);
        // PID 1 is the oldest. Within a tick of the clock it may have had children already.
        let first =
            stats.iter().min_by_key(|stat| (stat.started, inside(stat.parent), stat.pid))?;
        // Its mark is made after it has joined all its groups: looked for first, they are complete.
        let id = spaces::container_of(first.pid)?;
        let group = member::group_of(first.pid).ok()??;
        Some(Container {
            id,
            name: group.name.clone(),
            group,
            pid: first.pid,
            first: first.clone(),
        })
    }
}

/// How containers are found by what people call them. Later chapters have records, which know their
/// names better than groups do.
pub trait Finder {
    /// Every container that runs, the youngest first.
    fn all(&self) -> Result<Vec<Container>>;
    /// The container that is meant.
    fn container(&self, text: &str) -> Result<Container>;

    /// The containers that are meant; all of them, if none is named.
    fn several(&self, names: &[String]) -> Result<Vec<Container>> {
        if names.is_empty() {
            return self.all();
        }
        names.iter().map(|name| self.container(name)).collect()
    }
}

/// By what their groups are called.
pub struct ByGroup;

impl Finder for ByGroup {
    fn all(&self) -> Result<Vec<Container>> {
        all()
    }

    fn container(&self, text: &str) -> Result<Container> {
        container(text)
    }
}

/// Every container that runs, the youngest first.
pub fn all() -> Result<Vec<Container>> {
    // The first hierarchy counts: every container has a group in it.
    let hierarchies = hierarchy::used()?;
    let directories = hierarchies.first().map_or(Vec::new(), groups);
    let found = directories.iter().filter_map(|directory| Container::in_directory(directory));
    let mut containers: Vec<Container> = found.collect();
    containers.sort_by_key(|container| Reverse((container.first.started, container.pid)));
    Ok(containers)
}

/// The container that is meant.
///
/// # Errors
/// In Docker's words: no such container; several whose ids begin so.
pub fn container(text: &str) -> Result<Container> {
    Ok(optional(text)?.ok_or_else(|| missing(text))?)
}

/// The same, if there is one.
///
/// # Errors
/// If there are several whose ids begin so.
pub fn optional(text: &str) -> Result<Option<Container>> {
    let containers = all()?;
    let known: Vec<(&str, &str)> = containers.iter().map(|c| (&*c.name, &*c.id)).collect();
    let index = resolve(&known, text)?;
    Ok(index.and_then(|index| containers.into_iter().nth(index)))
}

/// The process to join for `exec`: a container's first, or the one with this number.
pub fn to_join(text: &str) -> Result<i32> {
    let pid = match (optional(text)?, text.parse()) {
        (Some(container), _) => container.pid.as_raw(),
        (None, Ok(pid)) => pid,
        (None, Err(_)) => return Err(missing(text).into()),
    };
    to_join_process(Pid::from_raw(pid), text)
}

/// The same, of a container whose first process is known.
///
/// # Errors
/// If it is paused: in a frozen group the command would be frozen before its first step.
pub fn to_join_process(pid: Pid, text: &str) -> Result<i32> {
    let group = member::group_of(pid).ok().flatten();
    if group.as_ref().is_some_and(state::is_frozen) {
        let words = format!("Container {text} is paused, unpause the container before exec");
        return Err(Failure::new(words).code(1).into());
    }
    Ok(pid.as_raw())
}

/// Which of these names and ids is meant.
fn resolve(known: &[(&str, &str)], text: &str) -> Result<Option<usize>, Failure> {
    let mut named =
        (0..known.len()).filter(|index| [known[*index].0, known[*index].1].contains(&text));
    if let Some(index) = named.next() {
        let Some(other) = named.next() else { return Ok(Some(index)) };
        let ids = [index, other].map(|index| &known[index].1[..SHORT]).join(", ");
        let failure = Failure::new(format!("several containers are called {text}"));
        return Err(failure.remedy(format!("name one of these ids: {ids}")).code(1));
    }
    let begins = |(_, (_, id)): &(usize, &(&str, &str))| !text.is_empty() && id.starts_with(text);
    let found: Vec<(usize, &(&str, &str))> = known.iter().enumerate().filter(begins).collect();
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|(_, (_, id))| &id[..SHORT]).collect();
        let words = format!("multiple IDs found with provided prefix: {text}");
        return Err(Failure::new(words)
            .remedy(format!("one of these: {}", ids.join(", ")))
            .code(1));
    }
    Ok(found.first().map(|(index, _)| *index))
}

fn missing(text: &str) -> Failure {
    let failure = Failure::new(format!("No such container: {text}")).code(1);
    failure.remedy("list those that run with `ps`; one without a group is in `ns` alone")
}

/// What went wrong with a container; in other words, if it is somebody else's.
pub(crate) fn not_ours(text: &str, error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<kernel::Error>().map(|error| error.errno) {
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => {
            let failure = Failure::new(format!("container {text} is not yours to control"));
            error.context(failure.remedy("use sudo, or control one that you started"))
        }
        _ => error,
    }
}

/// The groups of our containers in a hierarchy, in the whole of it that can be seen here.
pub fn groups(hierarchy: &Hierarchy) -> Vec<PathBuf> {
    homes(hierarchy).iter().flat_map(|home| groups_below(home)).collect()
}

/// The directories for our containers' groups in a hierarchy. What lies below a container's own
/// group is that container's business.
pub(crate) fn homes(hierarchy: &Hierarchy) -> Vec<PathBuf> {
    let (mut homes, mut ahead) = (Vec::new(), vec![hierarchy.point.clone()]);
    while let Some(directory) = ahead.pop() {
        for below in groups_below(&directory) {
            let list = if below.ends_with(OURS) { &mut homes } else { &mut ahead };
            list.push(below);
        }
    }
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "ab12000000000000000000000000000000000000000000000000000000000000";
    const SECOND: &str = "ab34000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn a_name_an_id_and_the_beginning_of_one_are_found() {
        let known = [("web", FIRST), (SECOND, SECOND)];
        for (text, index) in [("web", 0), (FIRST, 0), ("ab1", 0), (SECOND, 1), ("ab3", 1)] {
            assert_eq!(resolve(&known, text).unwrap(), Some(index), "{text}");
        }
    }

    #[test]
    fn a_name_that_two_have_is_refused() {
        let error = resolve(&[("web", FIRST), ("web", SECOND)], "web").unwrap_err();
        assert!(error.remedy.unwrap().ends_with("ab1200000000, ab3400000000"));
    }

    #[test]
    fn a_name_goes_before_the_beginning_of_an_id() {
        let known = [("web", FIRST), ("ab1", SECOND)];
        assert_eq!(resolve(&known, "ab1").unwrap(), Some(1));
    }

    #[test]
    fn what_is_not_there_or_not_one_is_refused_in_dockers_words() {
        let known = [("web", FIRST), ("db", SECOND)];
        for text in ["", "we", "ff"] {
            assert_eq!(resolve(&known, text).unwrap(), None);
        }
        assert_eq!(missing("we").message, "No such container: we");
        let error = resolve(&known, "ab").unwrap_err();
        assert_eq!(error.message, "multiple IDs found with provided prefix: ab");
        assert!(error.remedy.unwrap().ends_with("ab1200000000, ab3400000000"));
    }
}
