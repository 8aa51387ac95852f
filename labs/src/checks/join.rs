//! 02.1: in groups of its own, before the first instruction (clone3(2), cgroups(7)), and nothing above them to be seen
//! (cgroup_namespaces(7)).

use testkit::cgroup::Group;
use testkit::host;

use super::Found;
use super::group::{ours, shared, shown};
use super::subject::{Mounts, Subject, not_run};
use crate::grade::Verdict;
use crate::ground;

pub(crate) fn join(subject: &Subject) -> Found {
    // It forks at once: wherever it was at that moment, there its children stay.
    let contained = subject.unsettled("", "daemons 2")?;
    contained.running.wait_for_line("daemons=2");
    let (pid, groups, ours) = (contained.pid, &contained.groups, ours());
    let evidence = shown(pid, groups);
    if let Some(shared) = shared(groups, &ours) {
        let help = "version 2: clone3(2) with CLONE_INTO_CGROUP; version 1: the child writes 0 into `tasks`, in every \
                    hierarchy, as each of them counts for itself";
        let observed = format!("it is in our group: {}", shared.directory.display());
        return Ok(Verdict::fail(&observed, &evidence, help));
    }
    if let Some(outside) = groups.iter().find(|group| !below_ours(group, &ours)) {
        let help = "make its group below the one that you were started in (in version 2, or beside it): whatever limits \
                    you limits your containers, too";
        let observed = format!("it has left our part of the tree: {}", outside.directory.display());
        return Ok(Verdict::fail(&observed, &evidence, help));
    }
    let children = subject.processes();
    for child in children.iter().filter(|child| **child != pid) {
        let theirs = ground::groups(*child);
        if theirs != *groups {
            let help = "it was moved while it ran: what it had made and used before that is elsewhere. It joins before it \
                        becomes the command, or is born there";
            let evidence = format!("{evidence}; its child: {}", shown(*child, &theirs));
            return Ok(Verdict::fail("it joined after its first instruction", &evidence, help));
        }
    }
    let unified = |groups: &[Group]| groups.iter().find(|group| group.version == 2).cloned();
    if let (Some(theirs), Some(ours)) = (unified(groups), unified(&ours)) {
        let lacks = |name: &&String| !theirs.controllers.contains(name);
        let lacking: Vec<&String> = ours.controllers.iter().filter(lacks).collect();
        if !lacking.is_empty() {
            let help = "a group has the files of a controller only if the one above it has it in cgroup.subtree_control; \
                        and who enables it there may have no processes";
            let observed = format!("its group was not given {lacking:?}");
            return Ok(Verdict::fail(&observed, &evidence, help));
        }
    }
    let count = groups.iter().filter(|group| !ours.contains(group)).count();
    let observed = format!("in groups of its own in {count} hierarchies, from the beginning");
    Ok(Verdict::pass(&observed, &evidence))
}

/// Whether a group lies below the one that the binary was started in; in version 2, beside it will do.
fn below_ours(group: &Group, ours: &[Group]) -> bool {
    let same = |own: &&Group| {
        own.version == group.version && (own.version == 2 || own.controllers == group.controllers)
    };
    let own = ours.iter().find(same).map(|own| own.directory.as_path());
    let base = if group.version == 2 { own.and_then(|own| own.parent()) } else { own };
    base.is_some_and(|base| group.directory.starts_with(base))
}

pub(crate) fn namespace(subject: &Subject) -> Found {
    let contained = subject.unsettled("", "sleep 600")?;
    let (theirs, ours) =
        (host::namespace(contained.pid, "cgroup"), host::namespace("self", "cgroup"));
    drop(contained);
    let session = subject.run("").words("/probe cat /proc/self/cgroup").run();
    if !session.status().success() {
        return Ok(not_run(&session));
    }
    let text = session.text();
    let lines: Vec<&str> = text.lines().collect();
    let evidence = format!(
        "/proc/PID/ns/cgroup is cgroup:[{theirs}], the host's cgroup:[{ours}]; inside, /proc/self/cgroup reads {lines:?}"
    );
    if theirs == ours {
        let help = "unshare(2) with CLONE_NEWCGROUP, in the child";
        return Ok(Verdict::fail("it is in the host's cgroup namespace", &evidence, help));
    }
    if lines.iter().any(|line| !line.ends_with(":/")) {
        let help = "the root of a new cgroup namespace is the group that its maker is in at that moment: join first";
        return Ok(Verdict::fail("inside, its group is not the root of all", &evidence, help));
    }
    Ok(Verdict::pass("a namespace of its own, whose root is its group", &evidence))
}

pub(crate) fn exec(subject: &Subject) -> Found {
    let contained = subject.contained("", "sleep 600")?;
    let second = subject.binary(Mounts::Private).arg("exec").arg(contained.pid.to_string());
    let mut second = second.arg(subject.command()).words("sleep 600").spawn();
    let Some(joined) = subject.wait(|| second.is_running(), &[contained.pid]) else {
        return Ok(not_run(&second.wait()));
    };
    let theirs = ground::groups(joined);
    let evidence = format!(
        "{}; the second: {}",
        shown(contained.pid, &contained.groups),
        shown(joined, &theirs)
    );
    if theirs != contained.groups {
        let help = "find the groups of the process in /proc/PID/cgroup, and join them in the same way as `run` does";
        return Ok(Verdict::fail("the second command is in other groups", &evidence, help));
    }
    Ok(Verdict::pass("the second command is in the groups of the first", &evidence))
}
