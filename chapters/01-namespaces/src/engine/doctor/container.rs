//! The whole of it at once: this program starts a container of its own, with nothing but /probe in
//! its root, and waits for its end.

use super::check::{ALL, Check, Status};
use super::data::Scratch;
use super::ground::{Ground, program};
use kernel::capability::{Found, LIMIT, Refused};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a container in the data directory, or else where temporary files go. If it fails, what
/// failed `before` is likely the cause.
pub(super) fn check(ground: &Ground, scratch: Option<&Scratch>, before: &[Check]) -> Check {
    let mut advice = None;
    let trial = || match scratch {
        Some(scratch) => start(&scratch.path, &mut advice),
        None => start(&Scratch::make(&std::env::temp_dir())?.path, &mut advice),
    };
    let mut check = ground.check("container", ALL, trial, |_| String::new());
    if ground.shut.is_none() && check.status != Status::Ok {
        let cause =
            before.iter().find(|check| check.status == Status::Missing && check.needed_by == ALL);
        let known = cause.and_then(|check| check.remedy.clone()).or(advice);
        check.remedy = known.or_else(|| Some(format!("{} --explain run lab true", program())));
    }
    check
}

fn start(directory: &Path, advice: &mut Option<String>) -> Found {
    let io = |error: std::io::Error| Refused::io("start a container", &error);
    let root = directory.join("root");
    fs::create_dir(&root).map_err(io)?;
    fs::write(root.join("probe"), probe::PROGRAM).map_err(io)?;
    fs::set_permissions(root.join("probe"), Permissions::from_mode(0o755)).map_err(io)?;
    // Not a file: a pipe that nobody reads would stop a talkative container.
    let mut container = Command::new("/proc/self/exe")
        .arg("run")
        .arg(&root)
        .args(["/probe", "exit", "42"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io)?;
    let deadline = Instant::now() + LIMIT;
    while container.try_wait().map_err(io)?.is_none() {
        if Instant::now() > deadline {
            container.kill().map_err(io)?;
            return Err(Refused::new(format!("did not end within {} s", LIMIT.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = container.wait_with_output().map_err(io)?;
    if output.status.code() == Some(42) {
        return Ok("started, and ended with its own code".into());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    *advice = text.lines().find_map(|line| line.trim().strip_prefix("try: ")).map(str::to_owned);
    let first = text.lines().next().unwrap_or("it said nothing");
    let message = first.split_once(": ").map_or(first, |(_, message)| message);
    Err(Refused::new(format!("{}: {message}", output.status)))
}
