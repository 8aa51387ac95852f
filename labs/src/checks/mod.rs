//! The checks, a file for each task. Each starts the binary, finds its command from outside, by a random token among the
//! words of /proc/PID/cmdline, and asks the kernel about it; nothing that the binary says of itself counts.

mod commands;
mod committed;
mod copying;
mod countable;
mod cp;
mod diff;
mod exit;
mod group;
mod ipc_network;
mod join;
mod layered;
mod life;
mod marks;
mod memory;
mod mount;
mod pid;
mod processor;
mod root;
mod state;
pub(crate) mod subject;
mod teardown;
mod terminal;
mod tree;
mod union;
mod uts;

use crate::grade::Verdict;
use subject::Subject;

/// Both are verdicts: the second is one that ended the check early.
pub(crate) type Found = Result<Verdict, Verdict>;

type Check = fn(&Subject) -> Found;

const CHECKS: [(&str, &str, Check); 47] = [
    ("01.1", "namespace", uts::namespace),
    ("01.1", "name", uts::name),
    ("01.2", "namespace", pid::namespace),
    ("01.2", "proc", pid::proc),
    ("01.3", "private", mount::private),
    ("01.4", "root", root::root),
    ("01.5", "queues", ipc_network::queues),
    ("01.5", "network", ipc_network::network),
    ("01.5", "loopback", ipc_network::loopback),
    ("01.6", "exit", exit::exit),
    ("01.6", "terminal", terminal::terminal),
    ("01.6", "exec", exit::exec),
    ("01.6", "orphans", exit::orphans),
    ("02.1", "join", join::join),
    ("02.1", "namespace", join::namespace),
    ("02.1", "exec", join::exec),
    ("02.2", "memory", memory::memory),
    ("02.2", "swap", memory::swap),
    ("02.3", "quota", processor::quota),
    ("02.3", "cpuset", processor::cpuset),
    ("02.4", "pids", countable::pids),
    ("02.4", "io", countable::io),
    ("02.5", "ps", commands::ps),
    ("02.5", "top", commands::top),
    ("02.5", "stats", commands::stats),
    ("02.5", "pause", commands::pause),
    ("02.5", "kill", commands::kill),
    ("02.6", "kill", teardown::kill),
    ("02.6", "remove", teardown::remove),
    ("02.6", "abandoned", teardown::abandoned),
    ("03.1", "layers", union::layers),
    ("03.1", "own", union::own),
    ("03.2", "layer", committed::layer),
    ("03.2", "gone", committed::gone),
    ("03.2", "anew", committed::anew),
    ("03.3", "gone", marks::gone),
    ("03.3", "opaque", marks::opaque),
    ("03.3", "hostile", marks::hostile),
    ("03.4", "kept", life::kept),
    ("03.4", "gone", life::gone),
    ("03.4", "outlives", life::outlives),
    ("03.4", "record", life::record),
    ("03.5", "diff", diff::diff),
    ("03.5", "copied", diff::copied),
    ("03.5", "links", cp::links),
    ("03.5", "rights", cp::rights),
    ("03.6", "copy", copying::copy),
];

/// The check of this task and name.
pub(crate) fn find(task: &str, name: &str) -> Option<Check> {
    CHECKS.iter().find(|check| (check.0, check.1) == (task, name)).map(|check| check.2)
}
