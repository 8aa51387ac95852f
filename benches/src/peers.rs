//! Who takes part in `run /bin/true`: ours, the floor below it, and what others use. A program that
//! is not installed is named with its remedy and has no row.

use crate::bundle::{self, paths};
use crate::ground::{COMMAND, Ground};
use crate::participant::Participant;
use anyhow::{Context, Result, ensure};
use namespaces::engine::masked::{MASKED, READ_ONLY_PATHS};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::peer;

/// Everything else is set in relation to this one.
pub const OURS: &str = "minidock-01";
/// The plain C program.
pub const FLOOR: &str = "floor";
/// bubblewrap as one types it, with fewer files and an init of its own.
pub const BWRAP: &str = "bwrap";
/// runc on an equivalent bundle.
pub const RUNC: &str = "runc";

/// All that are there, in the order of the table.
///
/// # Errors
/// If one cannot be prepared, or fails when it is run once.
pub fn all(ground: &Ground) -> Result<Vec<Participant>> {
    let found = [
        Some(Participant::new("true", [COMMAND])?),
        unshare()?,
        compiled(ground, "floor.c")?
            .map(|floor| Participant::new(FLOOR, [floor, ground.root(), COMMAND.into()]))
            .transpose()?,
        Some(minidock(ground)?),
        bwrap(ground, BWRAP, &[])?,
        bwrap(ground, "bwrap, same work", &same_work())?,
        runc(ground)?,
    ];
    let found: Vec<Participant> = found.into_iter().flatten().collect();
    found.iter().try_for_each(Participant::check)?;
    Ok(found)
}

/// Compiles a program of `peers/` as a distribution would; `None` without a compiler.
///
/// # Errors
/// If the compiler refuses it.
pub fn compiled(ground: &Ground, source: &str) -> Result<Option<PathBuf>> {
    let Some(compiler) = peer("cc", "install a C compiler: apt install gcc libc6-dev") else {
        return Ok(None);
    };
    let program = ground.path(source.trim_end_matches(".c"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(source);
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-o"]);
    let status = command.arg(&program).arg(&source).status().context("cc")?;
    ensure!(status.success(), "cc {}: {status}", source.display());
    Ok(Some(program))
}

fn minidock(ground: &Ground) -> Result<Participant> {
    let words = [testkit::binary(1), "run".into(), ground.root(), COMMAND.into()];
    Participant::new(OURS, words)
}

/// The same namespaces, and no more: the host's own root and files.
fn unshare() -> Result<Option<Participant>> {
    peer("unshare", "apt install util-linux")
        .map(|unshare| {
            let words = ["-u", "-i", "-n", "-m", "-p", "-f", COMMAND].map(OsString::from);
            Participant::new("unshare", [unshare.into()].into_iter().chain(words))
        })
        .transpose()
}

fn bwrap(ground: &Ground, name: &'static str, more: &[&str]) -> Result<Option<Participant>> {
    let Some(bwrap) = peer("bwrap", "apt install bubblewrap") else { return Ok(None) };
    let mut words = vec![bwrap.into(), "--unshare-all".into(), "--bind".into()];
    words.extend([ground.root().into(), OsString::from("/")]);
    words.extend(["--proc", "/proc", "--dev", "/dev"].map(OsString::from));
    words.extend(more.iter().map(OsString::from));
    words.push(COMMAND.into());
    Participant::new(name, words).map(Some)
}

/// What makes bubblewrap do what minidock-01 does by itself. As PID 1 the command has no init above
/// it, and bubblewrap waits until the container is gone; otherwise it ends before, when its init
/// reports the exit code, and the kernel takes the namespaces down behind its back. `--proc` has
/// locked what it knows of /proc already; the rest of the list is bound over itself.
fn same_work() -> Vec<&'static str> {
    let mut words = vec!["--as-pid-1", "--die-with-parent", "--new-session"];
    words.extend(["--hostname", "bench"]);
    words.extend(["--ro-bind", "/sys", "/sys", "--tmpfs", "/dev/shm", "--mqueue", "/dev/mqueue"]);
    let locked_by_proc = ["/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
    for path in paths(&MASKED).into_iter().filter(|path| Path::new(path).exists()) {
        match Path::new(path).is_dir() {
            true => words.extend(["--tmpfs", path, "--remount-ro", path]),
            false => words.extend(["--ro-bind", "/dev/null", path]),
        }
    }
    for path in paths(&READ_ONLY_PATHS).into_iter().filter(|path| !locked_by_proc.contains(path)) {
        if Path::new(path).exists() {
            words.extend(["--ro-bind", path, path]);
        }
    }
    words
}

/// Where cgroups are of version 1, runc makes a group in each hierarchy and removes it at the end;
/// it cannot do without.
fn runc(ground: &Ground) -> Result<Option<Participant>> {
    let Some(runc) = peer("runc", "apt install runc") else { return Ok(None) };
    let directory = ground.path("bundle");
    std::fs::create_dir_all(&directory)?;
    let config = bundle::config(&ground.root())?.to_string();
    std::fs::write(directory.join("config.json"), config)?;
    let id = format!("minidock-bench-{}", std::process::id());
    let words: [OsString; 7] = [
        runc.into(),
        "--root".into(),
        ground.path("runc").into(),
        "run".into(),
        "--bundle".into(),
        directory.into(),
        id.into(),
    ];
    Participant::new(RUNC, words).map(Some)
}
