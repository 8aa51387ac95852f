//! 01.1: the host name (uts_namespaces(7)).

use testkit::host;

use super::Found;
use super::subject::{Subject, not_run};
use crate::grade::Verdict;

pub(crate) fn namespace(subject: &Subject) -> Found {
    let before = host_name();
    let options = format!("-h {}", subject.token);
    let (_container, pid) = subject.sleeper(subject.run(&options))?;
    let (theirs, ours) = (host::namespace(pid, "uts"), host::namespace("self", "uts"));
    let after = host_name();
    let evidence = format!(
        "/proc/{pid}/ns/uts is uts:[{theirs}], the host's uts:[{ours}]; the host is called {after:?}, before {before:?}"
    );
    let help =
        "the flag for clone3(2) is CLONE_NEWUTS; a name that is set without it is the host's";
    if theirs == ours {
        return Ok(Verdict::fail("the command is in the host's UTS namespace", &evidence, help));
    }
    if before != after {
        let help = "set the name in the child: the parent is still in the host's UTS namespace";
        return Ok(Verdict::fail("the host has another name now", &evidence, help));
    }
    Ok(Verdict::pass("a number of its own, and the host kept its name", &evidence))
}

pub(crate) fn name(subject: &Subject) -> Found {
    let session = subject.run(&format!("-h {}", subject.token)).words("/probe report").run();
    if !session.status().success() {
        return Ok(not_run(&session));
    }
    let report = session.text();
    let name = report.lines().find_map(|line| line.strip_prefix("hostname=")).unwrap_or("");
    let evidence = format!("inside, uname(2) says {name:?}; asked for was {:?}", subject.token);
    if name == subject.token {
        return Ok(Verdict::pass("the name that was asked for", &evidence));
    }
    let help = "a new UTS namespace begins with a copy of the host's name: sethostname(2) in the child changes it";
    Ok(Verdict::fail("another name", &evidence, help))
}

fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
