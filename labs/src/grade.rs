//! Runs checks, each on a disposable host of its own: mount, UTS, IPC, network and PID namespaces (and, without root, a
//! user namespace) that end with it, and from chapter 02 on control groups, which go with it. What a half-done container
//! does to "the host", it does to that one.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::catalog::{Check, Task};
use crate::checks;
use crate::checks::subject::Subject;
use crate::ground::Ground;

/// Far longer than any check takes: what waits longer has met a solution that never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enters the groups that are named before `--`. As process 1 the shell stays: it collects orphans, as a host's init does.
const HOST: &str = r#"
while test "$1" != --; do echo 0 > "$1" || exit 3; shift; done
shift
"$@"
exit $?
"#;

/// The chapter about control groups: there is nothing to grade without them. Containers of later ones are in groups where
/// this account may make some.
const GROUPS: &str = "02";

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Pass,
    Fail,
    /// It could not be tried. Never counted as passed.
    Skip,
}

/// What a check found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    /// In one sentence.
    pub(crate) observed: String,
    /// Where that was read.
    pub(crate) evidence: String,
    /// For a failure the sentence that helps, for a skip the remedy.
    pub(crate) help: String,
}

impl Verdict {
    pub(crate) fn new(status: Status, observed: &str, evidence: &str, help: &str) -> Verdict {
        Verdict { status, observed: observed.into(), evidence: evidence.into(), help: help.into() }
    }

    pub(crate) fn pass(observed: &str, evidence: &str) -> Verdict {
        Verdict::new(Status::Pass, observed, evidence, "")
    }

    pub(crate) fn fail(observed: &str, evidence: &str, help: &str) -> Verdict {
        Verdict::new(Status::Fail, observed, evidence, help)
    }

    pub(crate) fn skip(reason: &str, remedy: &str) -> Verdict {
        Verdict::new(Status::Skip, reason, "", remedy)
    }
}

/// A check's verdict, and how long it took.
pub(crate) struct Graded {
    pub(crate) verdict: Verdict,
    pub(crate) milliseconds: u128,
}

/// Whether a disposable host can be made here; if not, why not and what to do.
pub(crate) fn environment() -> Result<(), String> {
    let made = quietly(|| testkit::outer("exit 0").patience(PATIENCE).run());
    match made {
        Ok(session) if session.status().success() => Ok(()),
        Ok(session) => Err(format!(
            "no disposable host can be made for the checks: {}\n  try: be root, or allow user namespaces: \
             sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), \
             kernel.unprivileged_userns_clone=1 (Debian 10), user.max_user_namespaces=10000 (RHEL 7)",
            session.errors().trim()
        )),
        Err(message) => Err(format!("{message}\n  try: install util-linux, which has unshare")),
    }
}

/// Runs one check of a binary.
pub(crate) fn grade(task: &Task, check: &Check, binary: &Path) -> Result<Graded> {
    let own = std::env::current_exe().context("where this program is")?;
    let start = Instant::now();
    let ground = match &task.id[..2] {
        GROUPS => Ground::make().map(Some),
        later if later > GROUPS => Ok(Ground::make().ok()),
        _ => Ok(None),
    };
    let entries = match &ground {
        Ok(ground) => ground.iter().flat_map(Ground::entries).collect(),
        Err(_) => Vec::new(),
    };
    let session = testkit::outer(HOST)
        .args(entries)
        .arg("--")
        .arg(own)
        .args(["grade", &task.id, &check.name])
        .arg(binary)
        .patience(PATIENCE);
    let verdict = match quietly(|| ground.map(|_kept| session.run())) {
        Ok(Err(verdict)) => verdict,
        Ok(Ok(session)) if session.status().code() == Some(i32::from(crate::ENVIRONMENT)) => {
            let remedy = "be root, or start it in a control group that was delegated to you";
            Verdict::skip(&format!("the check's groups: {}", session.errors().trim()), remedy)
        }
        Ok(Ok(session)) => serde_json::from_slice(session.bytes()).unwrap_or_else(|_| {
            let help = "run it by hand, as `look` says; the checks cannot tell more";
            Verdict::fail("it took the grader along", &session.to_string(), help)
        }),
        Err(message) => Verdict::fail(&first_line(&message), &message, "does it wait for ever?"),
    };
    Ok(Graded { verdict, milliseconds: start.elapsed().as_millis() })
}

/// The other side: on the disposable host.
pub(crate) fn inside(task: &str, check: &str, binary: &Path) -> Result<()> {
    let run = checks::find(task, check).context("there is no such check")?;
    let verdict = quietly(|| run(&Subject::new(binary)).unwrap_or_else(|verdict| verdict));
    let verdict = verdict.unwrap_or_else(|message| {
        let help = "run it by hand: what the check started did not end, or could not be started";
        Verdict::fail(&first_line(&message), &message, help)
    });
    console::print(serde_json::to_string(&verdict)? + "\n")?;
    Ok(())
}

/// A session that does not end is a panic of the test kit's: here it is a finding.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    panic::set_hook(usual);
    result.map_err(|cause| match cause.downcast::<String>() {
        Ok(message) => *message,
        Err(cause) => cause.downcast_ref::<&str>().unwrap_or(&"the check panicked").to_string(),
    })
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_finding() {
        let waits = || panic!("still running after 20 s\ncommand: it");
        assert_eq!(first_line(&quietly::<()>(waits).unwrap_err()), "still running after 20 s");
        assert_eq!(quietly(|| 7), Ok(7));
    }

    #[test]
    fn a_status_has_one_spelling() {
        let line = serde_json::to_string(&Verdict::skip("no unshare", "install it")).unwrap();
        assert!(line.starts_with(r#"{"status":"SKIP","observed":"no unshare""#), "{line}");
    }
}
