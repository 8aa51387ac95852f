//! 03.4: a container that is there before it runs and after it. What it has written stays until it is removed, it outlives
//! its command line, and whoever is killed, what is said of it is true (setsid(2), flock(2)).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use tempfile::TempDir;
use testkit::{Program, host, scratch};

use super::Found;
use super::layered::{read, short};
use super::subject::{NOT_RUN, Subject};
use super::tree::files;
use crate::grade::Verdict;

/// For a command to end, or to appear.
const PATIENCE: Duration = Duration::from_secs(10);

/// For what follows at once, or not at all.
const MOMENT: Duration = Duration::from_secs(1);

/// What a container writes.
const FILE: &str = "written";

/// A container that there is. What is done with it is done where all see the same mounts: those of the disposable host.
struct Life<'a> {
    subject: &'a Subject,
    image: String,
    name: String,
    /// What commands say goes into files: a pipe might be held by what they leave behind.
    said: TempDir,
}

/// Its command, while it runs.
struct Running {
    pid: i32,
    /// What it sees.
    root: PathBuf,
}

pub(crate) fn kept(subject: &Subject) -> Found {
    let life = Life::create(subject)?;
    if let Some(pid) = subject.processes().first() {
        let evidence = format!("process {pid} runs after `create`");
        let help = "`create` writes down what is to be run, and `start` runs it";
        return Ok(Verdict::fail("it runs before it is started", &evidence, help));
    }
    let first = life.start("start")?;
    let upper = life.write(&first)?;
    life.done("stop -t 0")?;
    life.ended(&first)?;
    let kept = read(&upper, FILE);
    let evidence = format!("after `stop`, {} has `{FILE}` {kept:?}", short(&upper));
    if kept.as_ref() != Some(&subject.token) {
        let help = "what it has written is there until somebody removes it: its end is not that";
        return Ok(Verdict::fail("its layer went with its end", &evidence, help));
    }
    for command in ["start", "restart -t 0"] {
        let next = life.start(command)?;
        let (seen, its) = (read(&next.root, FILE), subject.directories(next.pid)?.0);
        let evidence = format!("{evidence}; after `{command}` it sees {seen:?}");
        if seen.as_ref() != Some(&subject.token) || its.as_ref() != Some(&upper) {
            let help = "a container that is started again has an upper already: take that as it is";
            return Ok(Verdict::fail("it does not find what it has written", &evidence, help));
        }
    }
    // Unless it was said of it when it was made.
    let thrown_away = Life::made(subject, life.image.clone(), "create --rm")?;
    let container = thrown_away.start("start")?;
    let upper = thrown_away.write(&container)?;
    thrown_away.done("kill")?;
    if testkit::wait_at_most(PATIENCE, || (!upper.exists()).then_some(())).is_none() {
        let evidence = format!("made with --rm, and {} is there after its end", short(&upper));
        let help = "whoever keeps it removes at its end what is to be removed then";
        return Ok(Verdict::fail("it was to go at its end, and stays", &evidence, help));
    }
    let observed =
        "the same layer after `stop`, `start` and `restart`; with --rm, none after its end";
    Ok(Verdict::pass(observed, &evidence))
}

pub(crate) fn gone(subject: &Subject) -> Found {
    let table = || fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // What is made once for all is made with the first one.
    let other = Life::create(subject)?;
    let kept = || files(subject.state()).unwrap_or_default();
    let (mounts, before) = (table(), kept());
    let left = || kept().difference(&before).map(|path| short(path)).collect::<Vec<String>>();
    let life = Life::of(subject, other.image.clone())?;
    life.done("rm")?;
    if let [_, ..] = left()[..] {
        let evidence =
            format!("after `create` and `rm`, there are more files than before: {:?}", left());
        let help = "its directory goes with all that is in it, and so does what was made for it elsewhere: its name, too, \
                    which is another container's to take";
        return Ok(Verdict::fail("something of it is left", &evidence, help));
    }
    let life = Life::of(subject, other.image)?;
    let container = life.start("start")?;
    life.write(&container)?;
    if let Some(mount) = table().lines().find(|line| !mounts.contains(line)) {
        let help = "fsmount(2) gives a mount that is in no table: attach it as the container's root, in its own mount \
                    namespace, and nowhere else";
        return Ok(Verdict::fail("a mount of its is in the host's table", mount, help));
    }
    life.done("rm -f")?;
    life.ended(&container)?;
    let evidence =
        format!("after `start` and `rm -f`, there are more files than before: {:?}", left());
    if let [_, ..] = left()[..] {
        let help = "its own layer goes, too, and whatever is true only while it runs; the image's layers stay";
        return Ok(Verdict::fail("something of it is left", &evidence, help));
    }
    Ok(Verdict::pass("nothing of it is left, and there never was a mount on the host", &evidence))
}

pub(crate) fn outlives(subject: &Subject) -> Found {
    let life = Life::create(subject)?;
    // A terminal's session and its foreground, and then both are gone.
    let then = r#" 7> "$SAID/given"; echo $? > "$SAID/code"; read -r _; kill -KILL 0"#;
    let shell = life.program(&format!("start {}", life.name), then);
    let mut shell = shell.under("setsid").open_stdin().spawn();
    let code = testkit::wait_at_most(PATIENCE, || {
        read(life.said.path(), "code").filter(|code| code.ends_with('\n'))
    });
    let Some(code) = code else {
        let help = "fork(2): the child keeps the container, and tells its parent by a pipe that it runs; then the parent ends";
        return Ok(Verdict::fail("`start` does not end", "waited 10 s", help));
    };
    let container = life.running(code.trim() == "0", &[])?;
    let keeper = container.keeper()?;
    let session = getsid(Some(Pid::from_raw(keeper))).map_or(0, Pid::as_raw);
    let holds = |descriptor: &i32| {
        let file = fs::read_link(format!("/proc/{keeper}/fd/{descriptor}"));
        file.is_ok_and(|file| file.starts_with(life.said.path()))
    };
    let held: Vec<i32> = host::descriptors(keeper).into_iter().filter(holds).collect();
    let evidence = format!(
        "its parent, {keeper}, is in session {session}; that of `start` is {}; of what that was given it has the descriptors \
         {held:?}",
        shell.pid()
    );
    if session == shell.pid() {
        let help = "setsid(2): a terminal that ends takes its session along, and so does Ctrl-C its foreground";
        return Ok(Verdict::fail("who keeps it is in the session of `start`", &evidence, help));
    }
    if !held.is_empty() {
        let help = "whoever reads what `start` says waits until all who could write have closed it: /dev/null takes the place \
                    of the standard streams, and all other descriptors are closed";
        return Ok(Verdict::fail("who keeps it holds what `start` was given", &evidence, help));
    }
    shell.write("go\n");
    testkit::wait_at_most(PATIENCE, || (!shell.is_running()).then_some(()));
    if testkit::wait_at_most(MOMENT, || (!host::is_alive(container.pid)).then_some(())).is_some() {
        let help = "who keeps it may not be killed with its command line: no group or session of theirs is the same";
        return Ok(Verdict::fail("it ended with its command line", &evidence, help));
    }
    Ok(Verdict::pass("it runs on when the session that started it is gone", &evidence))
}

pub(crate) fn record(subject: &Subject) -> Found {
    let life = Life::create(subject)?;
    let container = life.start("start")?;
    let keeper = container.keeper()?;
    let killed = kill(Pid::from_raw(keeper), Signal::SIGKILL);
    let evidence = format!("SIGKILL to its parent, {keeper}: {killed:?}");
    if testkit::wait_at_most(PATIENCE, || (!host::is_alive(container.pid)).then_some(())).is_none()
    {
        let help = "PR_SET_PDEATHSIG in prctl(2): nobody would write down what becomes of it";
        return Ok(Verdict::fail("it goes on, and nobody keeps it", &evidence, help));
    }
    let help = "a lock (flock(2)) ends with whoever held it: what is said to run, and is held by nobody, was killed. That is \
                128 + 9, and worth writing down";
    let mut wait = life.program(&format!("wait {}", life.name), "").spawn();
    if testkit::wait_at_most(PATIENCE, || (!wait.is_running()).then_some(())).is_none() {
        return Ok(Verdict::fail("`wait` waits for one that is dead", &evidence, help));
    }
    let code = life.out();
    life.says("ps -a");
    let all = life.out();
    let row = all.lines().find(|line| line.contains(&life.name)).unwrap_or_default();
    let evidence = format!("{evidence}; `wait` says {code:?}, `ps -a` {row:?}");
    if code.trim() != "137" || !row.contains("Exited (137)") {
        return Ok(Verdict::fail("how it ended is not what is said of it", &evidence, help));
    }
    life.start("start")?;
    Ok(Verdict::pass("137, by `wait` and `ps -a`; and it can be started again", &evidence))
}

impl<'a> Life<'a> {
    /// One of an image of one layer.
    fn create(subject: &'a Subject) -> Result<Life<'a>, Verdict> {
        Life::of(subject, subject.image(vec![subject.base()]))
    }

    fn of(subject: &'a Subject, image: String) -> Result<Life<'a>, Verdict> {
        Life::made(subject, image, "create")
    }

    fn made(subject: &'a Subject, image: String, words: &str) -> Result<Life<'a>, Verdict> {
        let life = Life { subject, image, name: subject.new_name(), said: scratch() };
        let (name, image, command) = (&life.name, &life.image, subject.command());
        let create = format!("{words} --name {name} {image} {command} sleep 600");
        if !life.says(&create) {
            let help = "its own message says why: `create` has to write a record before anything else is made";
            return Err(Verdict::fail("`create` makes no container", &life.errors(), help));
        }
        Ok(life)
    }

    /// `BINARY WORDS`, with what a script does then.
    fn program(&self, words: &str, then: &str) -> Program {
        let script = format!(r#""$@" > "$SAID/out" 2> "$SAID/errors"{then}"#);
        self.subject.plain().words(words).within(&script).env("SAID", self.said.path())
    }

    /// Whether `BINARY WORDS` succeeds.
    fn says(&self, words: &str) -> bool {
        self.program(words, "").run().status().success()
    }

    /// What it has said.
    fn out(&self) -> String {
        read(self.said.path(), "out").unwrap_or_default()
    }

    fn errors(&self) -> String {
        format!("standard error: {:?}", read(self.said.path(), "errors").unwrap_or_default())
    }

    /// `BINARY WORDS NAME`, which has to succeed.
    fn done(&self, words: &str) -> Result<(), Verdict> {
        if self.says(&format!("{words} {}", self.name)) {
            return Ok(());
        }
        let help = "its own message says why; `strace -f` shows the calls before it";
        Err(Verdict::fail(&format!("`{words}` fails"), &self.errors(), help))
    }

    /// The same, and then its command runs.
    fn start(&self, words: &str) -> Result<Running, Verdict> {
        let others = self.subject.processes();
        let started = self.says(&format!("{words} {}", self.name));
        self.running(started, &others)
    }

    fn running(&self, started: bool, but: &[i32]) -> Result<Running, Verdict> {
        match self.subject.wait(|| started, but) {
            Some(pid) => Ok(Running { pid, root: format!("/proc/{pid}/root").into() }),
            None => {
                let help = "`start` is `run` of a record: the same steps, with what that says";
                Err(Verdict::fail(NOT_RUN, &self.errors(), help))
            }
        }
    }

    /// Writes in a container as it sees its files; returns its upper directory.
    fn write(&self, container: &Running) -> Result<PathBuf, Verdict> {
        let (upper, _) = self.subject.directories(container.pid)?;
        let written = fs::write(container.root.join(FILE), &self.subject.token);
        let upper = upper.filter(|upper| read(upper, FILE).as_ref() == Some(&self.subject.token));
        upper.ok_or_else(|| {
            let evidence = format!("writing through /proc/{}/root: {written:?}", container.pid);
            let help = "first of all it needs a layer of its own: task 03.1";
            Verdict::fail("nothing can be written in it", &evidence, help)
        })
    }

    fn ended(&self, container: &Running) -> Result<(), Verdict> {
        let gone = || (!host::is_alive(container.pid)).then_some(());
        testkit::wait_at_most(PATIENCE, gone).ok_or_else(|| {
            let evidence = format!("process {}; {}", container.pid, self.errors());
            Verdict::fail("its command runs on", &evidence, "chapter 02 has all that ends one")
        })
    }
}

impl Running {
    /// Who keeps it: its parent, which may not be that of all orphans.
    fn keeper(&self) -> Result<i32, Verdict> {
        let parent = host::status(self.pid, "PPid").and_then(|pid| pid.parse().ok());
        parent.filter(|pid| *pid > 1).ok_or_else(|| {
            let evidence = format!("the parent of process {} is {parent:?}", self.pid);
            let help =
                "somebody has to wait for its end (wait4(2)), and to write that down: its parent";
            Verdict::fail("nobody keeps it", &evidence, help)
        })
    }
}
