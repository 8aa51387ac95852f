//! 02.6: nothing of a container stays: neither a process, whatever it did to get away, nor a directory, whoever was killed
//! (admin-guide/cgroup-v2, "cgroup.kill").

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Found;
use super::group::{Contained, freeze, is_frozen, ours};
use super::subject::{Subject, said};
use crate::grade::Verdict;

/// Milliseconds are enough; where nothing is done, nothing comes later either.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn kill(subject: &Subject) -> Found {
    let mut contained = away(subject)?;
    let processes = subject.processes();
    contained.running.write("end\n");
    let gone = testkit::wait_at_most(PATIENCE, || subject.processes().is_empty().then_some(()));
    let evidence =
        format!("of {processes:?}, there are {:?} after the first one ended", subject.processes());
    if gone.is_none() {
        let help = "cgroup.kill (version 2) reaches whoever is in the group; in version 1, freeze it, kill each process in \
                    cgroup.procs, and thaw it";
        return Ok(Verdict::fail("processes outlive their container", &evidence, help));
    }
    Ok(Verdict::pass("daemons in sessions of their own ended with their container", &evidence))
}

pub(crate) fn remove(subject: &Subject) -> Found {
    let mut contained = subject.contained("", "gate true")?;
    let directories = directories(&contained);
    contained.running.write("go\n");
    let session = contained.running.wait();
    let left: Vec<&PathBuf> = directories.iter().filter(|directory| directory.exists()).collect();
    let evidence =
        format!("of its {} directories there are {left:?}; {}", directories.len(), said(&session));
    if !left.is_empty() {
        let help = "rmdir(2) each of them; EBUSY means that a process is still on its way out: try again in a moment";
        return Ok(Verdict::fail("its groups are still there", &evidence, help));
    }
    Ok(Verdict::pass("no directory is left when `run` ends", &evidence))
}

pub(crate) fn abandoned(subject: &Subject) -> Found {
    let contained = away(subject)?;
    let (core, directories) = (contained.core()?.clone(), directories(&contained));
    freeze(&core, true);
    let frozen = testkit::wait_at_most(PATIENCE, || is_frozen(&core).then_some(()));
    contained.running.signal(Signal::SIGKILL);
    let left = || directories.iter().filter(|directory| directory.exists()).count();
    let gone = testkit::wait_at_most(PATIENCE, || {
        (left() == 0 && subject.processes().is_empty()).then_some(())
    });
    let evidence = format!(
        "frozen: {}; after SIGKILL to `run` there are {:?}, and {} of {} directories",
        frozen.is_some(),
        subject.processes(),
        left(),
        directories.len()
    );
    // Frozen in version 1, they could not even be killed.
    freeze(&core, false);
    if gone.is_none() {
        let help = "somebody else has to wait for the end of `run`: a process in a session of its own, that holds the end of \
                    a pipe, and then kills what is in the group, frozen or not, and removes it";
        return Ok(Verdict::fail("a killed `run` leaves something behind", &evidence, help));
    }
    Ok(Verdict::pass("frozen processes and their groups go when `run` is killed", &evidence))
}

/// A container with processes that would live on: they share the host's process numbers, so that no kernel ends them with
/// the first one.
fn away(subject: &Subject) -> Result<Contained, Verdict> {
    subject.daemons("--pid host", 3)
}

fn directories(contained: &Contained) -> Vec<PathBuf> {
    let ours = ours();
    let own = contained.groups.iter().filter(|group| !ours.contains(group));
    own.map(|group| group.directory.clone()).collect()
}
