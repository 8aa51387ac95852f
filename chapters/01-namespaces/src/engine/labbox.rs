//! The lab box: how an account without root gets to be root. It is a process in a new user
//! namespace, where the caller's own id is called 0, with mount, network and PID namespaces that
//! belong to it (user_namespaces(7)). Entered once, before anything else; from there on the same
//! code runs as for root.

use anyhow::{Context, Result};
use console::failure::Failure;
use console::terminal::{Keeper, duplicate};
use kernel::namespace::Namespace;
use kernel::process::{self, Child, Cloned};
use kernel::signal::{Signal, Signals};
use kernel::{Errno, Pid, descriptor, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Uid, User, getegid, geteuid};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether this process is in a box: there is none in a box.
static INSIDE: AtomicBool = AtomicBool::new(false);

/// Whether this process is in a box: there everybody is root.
pub fn is_inside() -> bool {
    INSIDE.load(Relaxed)
}

/// Returns in a process that is root in a box, or at once if this one is root already. The process
/// that called stays outside: it passes signals on and ends with the other's exit code.
/// With `terminal`, the process in the box makes ours raw; nobody in there survives the box, so
/// that its keeper has to be out here.
pub fn enter_unless_root(wanted: bool, terminal: bool) -> Result<()> {
    if geteuid().is_root() && !wanted || INSIDE.load(Relaxed) {
        return Ok(());
    }
    kernel::explain::heading(
        "outside",
        "make the lab box",
        "without root, only a new user namespace gives the right to make the others",
    );
    let (gate, opens_gate) = descriptor::pipe().context("pipe")?;
    let namespaces = [Namespace::User, Namespace::Mount, Namespace::Network, Namespace::Pid];
    match process::clone(&namespaces).map_err(|error| forbidden(error.into()))? {
        Cloned::Parent(child) => {
            drop(gate);
            map_ids(child.pid).map_err(forbidden)?;
            let signals = Signals::collect(&[])?;
            let input = std::io::stdin();
            let with_keeper = terminal && input.is_terminal();
            let keeper =
                with_keeper.then(|| Keeper::start(duplicate(&input)?, &child.pidfd)).transpose()?;
            nix::unistd::write(&opens_gate, b"!").context("open the gate")?;
            let code = attend(&child, signals)?;
            drop(keeper);
            std::process::exit(code.into());
        }
        Cloned::Child => {
            drop(opens_gate);
            process::die_with_parent()?;
            // The parent opens the gate once our ids are mapped; it keeps its end as long as it
            // lives. If that is gone by now, it died before the line above could help.
            let opened = nix::unistd::read(&gate, &mut [0]);
            if opened != Ok(1) || descriptor::other_end_is_gone(&gate) {
                process::exit(console::failure::OURS);
            }
            kernel::explain::heading(
                "box",
                "make every mount private",
                "the box begins with a copy of the host's mount tree; nothing is to flow back",
            );
            mount::make_tree_private(c"/").map_err(|error| forbidden(error.into()))?;
            INSIDE.store(true, Relaxed);
            Ok(())
        }
    }
}

/// Waits for the process in the box. Signals from the terminal reach both of us, as we share its
/// foreground group; those that somebody sent came to us alone.
fn attend(child: &Child, mut signals: Signals) -> Result<u8> {
    loop {
        let mut fds = [
            PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        let ended = fds[0].any().unwrap_or(true);
        while let Some(received) = signals.receive()? {
            // A closed terminal tells the leader of its session only, which may be this process.
            let ours = received.from_process || received.signal == Signal::SIGHUP;
            if ours && received.signal != Signal::SIGWINCH {
                process::send_signal(&child.pidfd, received.signal)?;
            }
        }
        if ended {
            return Ok(process::wait(child)?.code());
        }
    }
}

/// Says which ids the box has. Root's box has all of its own; an ordinary user's has the user's id
/// as 0 and, if newuidmap(1) and a range in /etc/subuid are there, 65,536 others above it.
pub(crate) fn map_ids(child: Pid) -> Result<()> {
    if geteuid().is_root() {
        copy_map(child, "uid_map")?;
        return copy_map(child, "gid_map");
    }
    if let (Some(uids), Some(gids)) = (sub_ids("/etc/subuid"), sub_ids("/etc/subgid")) {
        let uids = run_mapper("newuidmap", child, geteuid().as_raw(), &uids);
        if uids && run_mapper("newgidmap", child, getegid().as_raw(), &gids) {
            return Ok(());
        }
    }
    // Without help an account may map one id, its own, and has to give up setgroups(2) first. A map
    // can be written once only, hence a box whose first mapper succeeded alone keeps that one.
    if std::fs::read_to_string(format!("/proc/{child}/uid_map"))?.is_empty() {
        write(child, "uid_map", &format!("0 {} 1", geteuid()))?;
    }
    write(child, "setgroups", "deny")?;
    write(child, "gid_map", &format!("0 {} 1", getegid()))
}

/// Root in the box is root outside: every id keeps its number.
fn copy_map(child: Pid, file: &str) -> Result<()> {
    let ours = std::fs::read_to_string(format!("/proc/self/{file}"))?;
    let identity = |line: &str| {
        let mut fields = line.split_whitespace();
        let (inside, _outside, count) = (fields.next()?, fields.next()?, fields.next()?);
        Some(format!("{inside} {inside} {count}\n"))
    };
    write(child, file, &ours.lines().filter_map(identity).collect::<String>())
}

fn write(child: Pid, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{child}/{file}");
    std::fs::write(&path, text).with_context(|| format!("write {text:?} to {path}"))
}

/// The range of further ids that the administrator has given this account (subuid(5)).
pub(crate) fn sub_ids(file: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(file).ok()?;
    let uid: Uid = geteuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let ours = Some(owner) == name.as_deref() || owner == uid.to_string();
        ours.then(|| Some((fields.next()?.to_owned(), fields.next()?.to_owned()))).flatten()
    })
}

/// Runs newuidmap(1) or newgidmap(1), which have the privilege that we lack. False if it is not
/// there or refuses: there is another way.
fn run_mapper(program: &str, child: Pid, own: u32, (start, count): &(String, String)) -> bool {
    let arguments = [&child.to_string(), "0", &own.to_string(), "1", "1", start, count];
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// Names who forbids user namespaces, and the command that allows them.
fn forbidden(error: anyhow::Error) -> anyhow::Error {
    if let Some((name, shut, open)) = closed() {
        return Failure::new(format!(
            "the lab box needs user namespaces, and {name} = {shut} forbids them here"
        ))
        .remedy(format!("sudo sysctl -w {name}={open}; or run this command with sudo"))
        .into();
    }
    Failure::new(format!("the lab box needs user namespaces, and the kernel refuses: {error:#}"))
        .remedy("run this command with sudo (inside another container, that one must allow it)")
        .into()
}

/// The setting that forbids user namespaces: its name, its value, and the one that allows them.
pub(crate) fn closed() -> Option<(&'static str, &'static str, &'static str)> {
    let is = |name: &str, value: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
    };
    let settings = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    settings.into_iter().find(|(name, shut, _)| is(name, shut))
}
