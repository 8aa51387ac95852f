//! The commands of the ladder's rungs: ours, the floor below it, and what others use. A program that
//! is not installed is a reason, with its remedy.

use crate::bundle::{self, paths};
use crate::ground::{COMMAND, Ground};
use crate::participant::Participant;
use anyhow::{Context, Result, ensure};
use namespaces::engine::masked::{MASKED, READ_ONLY_PATHS};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command line, or why there is none.
pub enum Made {
    /// The first word is the program's path.
    Words(Vec<OsString>),
    /// The reason, and the remedy.
    Absent(String),
}

/// The command without anything around it.
///
/// # Errors
/// None.
pub fn host(_ground: &Ground) -> Result<Made> {
    Ok(Made::Words(vec![COMMAND.into()]))
}

/// `minidock-NN run DIR COMMAND…`.
///
/// # Errors
/// None: testkit ends the program if the chapter cannot be built.
pub fn minidock(chapter: u8, ground: &Ground, command: &[&str]) -> Result<Made> {
    Ok(Made::Words(run_minidock(chapter, &[], ground, command)))
}

/// minidock-02 with these options. Where it may make no group it goes without one, unless it is
/// asked for a name: then this would be no rung.
///
/// # Errors
/// If /dev/null cannot be opened.
pub fn grouped(ground: &Ground, options: &[&str]) -> Result<Made> {
    let name = group_name();
    if let Err(error) = Participant::new("", minidock_02(ground, &["--name", &name]))?.check() {
        return Ok(Made::Absent(format!("{error:#}")));
    }
    Ok(Made::Words(minidock_02(ground, options)))
}

fn minidock_02(ground: &Ground, options: &[&str]) -> Vec<OsString> {
    run_minidock(2, options, ground, &[COMMAND])
}

/// `minidock-NN run OPTION… DIR COMMAND…`
pub fn run_minidock(
    chapter: u8,
    options: &[&str],
    ground: &Ground,
    command: &[&str],
) -> Vec<OsString> {
    let mut words = vec![testkit::binary(chapter).into(), "run".into()];
    words.extend(options.iter().map(OsString::from));
    words.push(ground.root().into());
    words.extend(command.iter().map(OsString::from));
    words
}

/// What a container of ours is called that needs a name.
pub fn group_name() -> String {
    format!("minidock-bench-{}", std::process::id())
}

/// The plain C program.
///
/// # Errors
/// If the compiler refuses it.
pub fn floor(ground: &Ground) -> Result<Made> {
    let words = [ground.root().into(), COMMAND.into()];
    Ok(made(compiled(ground, "floor.c")?, COMPILER, words))
}

/// A child in these new namespaces, by `peers/clone.c`.
///
/// # Errors
/// If the compiler refuses it.
pub fn clone(ground: &Ground, namespaces: &str) -> Result<Made> {
    let words = [namespaces, COMMAND].map(OsString::from);
    Ok(made(compiled(ground, "clone.c")?, COMPILER, words))
}

fn made(
    program: Option<PathBuf>,
    (name, remedy): Peer,
    arguments: impl IntoIterator<Item = OsString>,
) -> Made {
    match program {
        Some(program) => Made::Words([program.into()].into_iter().chain(arguments).collect()),
        None => Made::Absent(format!("{name} is not installed: {remedy}")),
    }
}

/// A program, and how it is installed.
type Peer = (&'static str, &'static str);
const COMPILER: Peer = ("cc", "apt install gcc libc6-dev");
const UNSHARE: Peer = ("unshare", "apt install util-linux");
const BWRAP: Peer = ("bwrap", "apt install bubblewrap");
const RUNC: Peer = ("runc", "apt install runc");

fn find((name, remedy): Peer) -> Option<PathBuf> {
    testkit::peer(name, remedy)
}

/// Compiles a program of `peers/` as a distribution would; `None` without a compiler.
///
/// # Errors
/// If the compiler refuses it.
pub fn compiled(ground: &Ground, source: &str) -> Result<Option<PathBuf>> {
    let Some(compiler) = find(COMPILER) else { return Ok(None) };
    let program = ground.path(source.trim_end_matches(".c"));
    if program.exists() {
        return Ok(Some(program));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(source);
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-o"]);
    let status = command.arg(&program).arg(&source).status().context("cc")?;
    ensure!(status.success(), "cc {}: {status}", source.display());
    Ok(Some(program))
}

/// unshare(1) with the same namespaces, and no more: the host's own root and files.
///
/// # Errors
/// None.
pub fn unshare(_ground: &Ground) -> Result<Made> {
    let words = ["-u", "-i", "-n", "-m", "-p", "-f", COMMAND].map(OsString::from);
    Ok(made(find(UNSHARE), UNSHARE, words))
}

/// bubblewrap as one types it, with fewer files and an init of its own.
///
/// # Errors
/// None.
pub fn bwrap(ground: &Ground) -> Result<Made> {
    bwrap_with(ground, &[])
}

/// bubblewrap, made to do what minidock-01 does.
///
/// # Errors
/// None.
pub fn bwrap_same_work(ground: &Ground) -> Result<Made> {
    bwrap_with(ground, &same_work())
}

fn bwrap_with(ground: &Ground, more: &[&str]) -> Result<Made> {
    let mut words = vec!["--unshare-all".into(), "--bind".into(), ground.root().into()];
    words.extend(["/", "--proc", "/proc", "--dev", "/dev"].map(OsString::from));
    words.extend(more.iter().map(OsString::from));
    words.push(COMMAND.into());
    Ok(made(find(BWRAP), BWRAP, words))
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

/// runc on an equivalent bundle. Where cgroups are of version 1, it makes a group in each hierarchy
/// and removes it at the end; it cannot do without.
///
/// # Errors
/// If the bundle cannot be written.
pub fn runc(ground: &Ground) -> Result<Made> {
    let directory = ground.path("bundle");
    std::fs::create_dir_all(&directory)?;
    let config = bundle::config(&ground.root())?.to_string();
    std::fs::write(directory.join("config.json"), config)?;
    let words: [OsString; 6] = [
        "--root".into(),
        ground.path("runc").into(),
        "run".into(),
        "--bundle".into(),
        directory.into(),
        group_name().into(),
    ];
    Ok(made(find(RUNC), RUNC, words))
}
