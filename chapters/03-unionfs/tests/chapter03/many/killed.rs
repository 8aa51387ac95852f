//! Two hundred times somebody is killed (kill -9): the command line, the shim or the container's first process, while
//! something is being done to a container. What is said of it afterwards is so, and nothing of it is lost or left.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Program, host, random_token, wait_for};

use super::{assert_nothing_is_left, at_once, rows};
use crate::place::Place;
use crate::{first_process, is_first, minidock, random, shim_of};

/// Numbers that are as random as their seed, which a test that fails prints.
struct Dice(u64);

impl Dice {
    /// Less than `below` (xorshift64).
    fn throw(&mut self, below: u64) -> u64 {
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << by } else { self.0 >> by };
        }
        self.0 % below
    }
}

/// What is being done to a container while somebody is killed.
const ACTS: [&str; 8] =
    ["run -d", "run", "start", "stop -t 0", "restart -t 0", "exec", "rm -f", "rm"];

#[derive(Debug, Clone, Copy)]
enum Victim {
    CommandLine,
    Shim,
    FirstProcess,
}

/// One kill, at a moment between the first instruction of a command and its end.
struct Kill<'a> {
    state: &'a Path,
    name: String,
    act: &'static str,
    victim: Victim,
    delay: Duration,
}

impl Kill<'_> {
    /// A container that has written its name down, and goes on.
    fn program(&self, command: &str) -> Program {
        // To remove many files takes a while.
        let files = if self.act.starts_with("rm") { 400 } else { 1 };
        let script = format!(
            "[ -e /kept ] || {{ cd /tmp; seq {files} | xargs touch; echo {} > /kept; }}
            echo ready; sleep 600; :",
            self.name
        );
        minidock(self.state, command).args(["--name", &self.name, "lab"]).sh(&script)
    }

    fn on_it(&self, command: &str) -> Program {
        minidock(self.state, command).arg(&self.name)
    }

    /// The container that the command is about, if there has to be one; and its first process, if it runs.
    fn prepare(&self) -> Option<(String, Option<i32>)> {
        if matches!(self.act, "run" | "run -d") {
            return None;
        }
        let id = self.program("run -d").run().success().trimmed();
        wait_for("its file", || (self.on_it("logs").run().text() == "ready\n").then_some(()));
        let pid = first_process(&id);
        if matches!(self.act, "start" | "rm") {
            self.on_it("stop -t 0").run().success();
            return Some((id, None));
        }
        Some((id, Some(pid)))
    }

    fn command(&self) -> Program {
        match self.act {
            "run" | "run -d" => self.program(self.act),
            "exec" => self.on_it("exec").sh("echo said; exec sleep 0.01"),
            act => self.on_it(act),
        }
    }

    /// Whom to kill, if there is one at this moment.
    fn find(&self, command_line: i32, first: Option<i32>) -> Option<i32> {
        let below = || host::descendants(command_line);
        let found = match self.victim {
            Victim::CommandLine => return Some(command_line),
            // It is its own.
            Victim::Shim if self.act == "run" => return Some(command_line),
            Victim::Shim if self.act == "exec" => first.map(shim_of),
            Victim::Shim => below().first().copied().or(first.and_then(|first| {
                host::status(first, "PPid").and_then(|parent| parent.parse().ok())
            })),
            Victim::FirstProcess => below().into_iter().rev().find(|pid| is_first(*pid)).or(first),
        };
        // A number that had another process meanwhile is not ours to kill.
        found.filter(|pid| {
            let words = host::cmdline(*pid).unwrap_or_default();
            words.iter().any(|word| word.contains(&self.name))
        })
    }

    /// Id and status, if `ps` knows it.
    fn row(&self) -> Option<(String, String)> {
        let found = rows(self.state).into_iter().find(|(_, name, _)| *name == self.name);
        found.map(|(id, _, status)| (id, status))
    }

    fn happen(&self) {
        let before = self.prepare();
        let (id, first) = before.map_or((None, None), |(id, first)| (Some(id), first));
        let command = self.command().spawn();
        thread::sleep(self.delay);
        let victim = self.find(command.pid(), first);
        // One in the foreground would run on.
        if let Some(pid) = victim.or((self.act == "run").then_some(command.pid())) {
            // It may have ended.
            let _killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        command.wait();
        self.assert_truth(id.as_deref());
        // What is still listed is whole, also if it was about to be removed.
        if id.is_some() && self.row().is_some() {
            let copy = self.state.join(&self.name);
            let from = format!("{}:/kept", self.name);
            minidock(self.state, "cp").arg(from).arg(&copy).run().success();
            assert_eq!(fs::read_to_string(&copy).unwrap(), format!("{}\n", self.name));
        }
        let id = id.or_else(|| self.row().map(|(id, _)| id));
        self.on_it("rm -f").run().success();
        wait_for("its last process to be gone", || {
            host::with_token(&self.name).is_empty().then_some(())
        });
        // One whose shim was killed before it had a record, or made it afterwards.
        if self.act == "run -d" && self.row().is_some() {
            self.on_it("rm -f").run().success();
        }
        if let Some(id) = id {
            let left = ["containers", "run"].map(|part| self.state.join(part).join(&id).exists());
            assert_eq!(left, [false, false], "{id}");
        }
        minidock(self.state, "create --name").arg(&self.name).words("lab true").run().success();
        self.on_it("rm").run().success();
    }

    /// What is said of it is so.
    fn assert_truth(&self, id: Option<&str>) {
        wait_for("the truth", || {
            let Some((id, status)) = self.row() else {
                // Nobody is about to make it, and nobody has removed what was not to go.
                let may_be_gone = id.is_none() || self.act.starts_with("rm");
                return (may_be_gone && host::with_token(&self.name).is_empty()).then_some(());
            };
            let runs = host::in_container(&id).into_iter().any(host::is_alive);
            (status.starts_with("Up ") == runs).then_some(())
        });
    }
}

#[test]
fn whoever_is_killed_at_two_hundred_moments_every_record_is_true_and_nothing_is_lost() {
    const THREADS: u64 = 4;
    let place = Place::new();
    let state = place.path();
    minidock(state, "run --rm lab true").run().success();
    let token = random_token();
    let seed = random(1, u64::MAX - 2);
    let seed = std::env::var("MINIDOCK_SEED").map_or(seed, |asked| asked.parse().unwrap());
    println!("to repeat it: MINIDOCK_SEED={seed}");
    at_once(THREADS as usize, |thread| {
        let mut dice = Dice(seed ^ (thread as u64) << 32 | 1);
        for round in (thread as u64..200).step_by(THREADS as usize) {
            let act = ACTS[(round / 3) as usize % ACTS.len()];
            let victim = [Victim::CommandLine, Victim::Shim, Victim::FirstProcess];
            let victim = victim[round as usize % 3];
            let delay = Duration::from_micros(dice.throw(8000));
            println!("{round}: {act}: {victim:?} after {delay:?}");
            let name = format!("{token}-{round}");
            Kill { state, name, act, victim, delay }.happen();
        }
    });
    minidock(state, "clean").run().success();
    assert_nothing_is_left(state, &token, &[]);
    minidock(state, "run --rm lab true").run().success();
}
