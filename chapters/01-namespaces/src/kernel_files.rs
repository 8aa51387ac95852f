//! /proc, /sys and /dev (proc(5), sysfs(5), devpts, shm_overview(7), mq_overview(7)): files that
//! the kernel makes up. No image brings them, and each shows the namespace that mounted it, which
//! is why the child has to.

use crate::config::{Config, Process};
use crate::engine::{ipc_files, masked, refuse};
use crate::plan::{Mechanism, Phase, Plan, Slot, Target};
use anyhow::Result;
use kernel::mount::attribute::{NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use kernel::namespace::Namespace;
use kernel::{Errno, mount, path, terminal};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The mechanism.
pub struct KernelFiles;

/// The directories of the root that something is mounted on, open since they were found to be
/// directories.
struct MountPoints {
    proc: OwnedFd,
    sys: OwnedFd,
    dev: OwnedFd,
}

/// Name, major and minor number of each device that every program may count on (devices.txt in
/// the kernel's documentation).
const DEVICES: [(&CStr, u64, u64); 6] = [
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

/// Names that programs expect in /dev, and what they stand for.
const LINKS: [(&CStr, &CStr); 6] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"ptmx", c"pts/ptmx"),
    (c"core", c"/proc/kcore"),
];

impl Mechanism for KernelFiles {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        let points = Slot::new();
        let devpts = Slot::new();
        let (own_ipc, read_only) = (config.has_own(Namespace::Ipc), config.read_only);
        let with_terminal = config.process.terminal;

        let (root, put, name) = (plan.root.clone(), points.clone(), config.root.path.clone());
        plan.step(
            Phase::Prepare,
            "open the places for /proc, /sys and /dev",
            "in the root and through no link: whoever wrote one would choose where we mount",
            move || {
                put.put(MountPoints {
                    proc: mount_point(root.get(), c"proc", &name)?,
                    sys: mount_point(root.get(), c"sys", &name)?,
                    dev: mount_point(root.get(), c"dev", &name)?,
                });
                // Only now, as a missing directory had to be made.
                if read_only {
                    mount::make_tree_read_only(root.get())?;
                }
                Ok(())
            },
        );
        let (put, pty) = (devpts.clone(), plan.pty.clone());
        plan.step(
            Phase::Prepare,
            "make the container's own pseudoterminals",
            "each devpts counts from 0; the parent makes it, as it keeps one end of the terminal",
            move || {
                put.put(new_devpts()?);
                if with_terminal {
                    pty.put(open_terminal(put.get(), c"ptmx")?);
                }
                Ok(())
            },
        );

        let at = points.clone();
        // LAB 01.2 proc: plan a step that mounts a new proc file system at its mount point
        plan.step(
            Phase::Mounts,
            "mount /proc",
            "it shows the PID namespace of whoever mounts it: the host's would show the host",
            move || {
                let proc =
                    mount::new_file_system(c"proc", c"proc", &[], NO_SUID | NO_DEV | NO_EXEC)?;
                Ok(mount::attach(proc, &at.get().proc)?)
            },
        );
        let at = points.clone();
        plan.step(
            Phase::Mounts,
            "mount /sys, read-only",
            "it shows the network namespace of whoever mounts it; the rest of it is the host's",
            move || {
                let attributes = READ_ONLY | NO_SUID | NO_DEV | NO_EXEC;
                let sys = mount::new_file_system(c"sysfs", c"sysfs", &[], attributes)?;
                Ok(mount::attach(sys, &at.get().sys)?)
            },
        );
        let (at, pty) = (points, plan.pty.clone());
        // `ns` and `clean` know our containers by this mount's source, and by nothing else.
        let source = CString::new(format!("minidock/{}", config.id))?;
        plan.step(
            Phase::Mounts,
            "make /dev",
            "the host's has its disks; a container gets the six devices that harm nobody",
            move || {
                let options: [(&CStr, &CStr); 2] = [(c"mode", c"755"), (c"size", c"65536k")];
                let dev = mount::new_file_system(c"tmpfs", &source, &options, NO_SUID | NO_EXEC)?;
                mount::attach(&dev, &at.get().dev)?;
                // Modes as written here, whatever mask the caller had.
                kernel::identity::set_umask(0);
                for (name, major, minor) in DEVICES {
                    make_device(dev.as_fd(), name, major, minor)?;
                }
                for (name, target) in LINKS {
                    path::make_link(target, dev.as_fd(), name)?;
                }
                mount_below(dev.as_fd(), c"pts", devpts.get())?;
                mount_below(dev.as_fd(), c"shm", ipc_files::shared_memory(own_ipc)?)?;
                if let Some(queues) = ipc_files::message_queues(own_ipc)? {
                    mount_below(dev.as_fd(), c"mqueue", queues)?;
                }
                if let Some(pty) = pty.find() {
                    path::make_file(dev.as_fd(), c"console")?;
                    let console = path::open_mount_point_file(dev.as_fd(), c"console")?;
                    mount::attach(mount::clone_tree(&pty.slave, c"")?, console)?;
                }
                Ok(())
            },
        );

        plan.step(
            Phase::Lockdown,
            "hide and lock what the kernel shows to everybody",
            "/proc and /sys know of no namespace in these places: they are the machine's",
            masked::hide_and_lock,
        );
        Ok(())
    }

    fn enter(&self, target: &Target, process: &Process, plan: &mut Plan) -> Result<()> {
        if process.terminal {
            let (pid, pty) = (target.pid, plan.pty.clone());
            plan.step(
                Phase::Prepare,
                "open a terminal in the container's devpts",
                "its name has to mean something in there",
                move || {
                    let root = CString::new(format!("/proc/{pid}/root"))?;
                    pty.put(open_terminal(path::open_root(&root)?, c"dev/pts/ptmx")?);
                    Ok(())
                },
            );
        }
        Ok(())
    }
}

/// Opens a directory of the root to mount on, making it if it is missing.
fn mount_point(root: impl AsFd, name: &CStr, of: &Path) -> Result<OwnedFd> {
    path::make_directory(&root, name, 0o755)?;
    let point = path::open_mount_point(root, name);
    point.map_err(|error| refuse::mount_point(error, &of.join(&*name.to_string_lossy())))
}

fn new_devpts() -> Result<OwnedFd> {
    let make = |options: &[(&CStr, &CStr)]| {
        mount::new_file_system(c"devpts", c"devpts", options, NO_SUID | NO_EXEC)
    };
    // Group 5 is `tty` nearly everywhere; in the lab box it may not exist.
    match make(&[(c"mode", c"0620"), (c"ptmxmode", c"0666"), (c"gid", c"5")]) {
        Err(error) if error.errno == Errno::EINVAL => {
            Ok(make(&[(c"mode", c"0620"), (c"ptmxmode", c"0666")])?)
        }
        made => Ok(made?),
    }
}

/// Opens a new terminal by a container's ptmx.
fn open_terminal(root: impl AsFd, ptmx: &CStr) -> Result<terminal::Pty> {
    Ok(terminal::make_pty(path::open_device_in_root(root, ptmx).map_err(refuse::terminal)?)?)
}

/// Makes a device node, or, where the kernel lets nobody make one (in a user namespace: EPERM),
/// binds the host's own, whose mode and owner nobody in there has the right to change.
fn make_device(dev: BorrowedFd, name: &CStr, major: u64, minor: u64) -> Result<()> {
    match path::make_device(dev, name, major, minor) {
        Err(error) if error.errno == Errno::EPERM => {
            path::make_file(dev, name)?;
            let host = CString::new([b"/dev/", name.to_bytes()].concat())?;
            let device = mount::clone_mount(&host)?;
            Ok(mount::attach(device, path::open_mount_point_file(dev, name)?)?)
        }
        made => Ok(made?),
    }
}

fn mount_below(dev: BorrowedFd, name: &CStr, mount: impl AsFd) -> Result<()> {
    path::make_directory(dev, name, 0o755)?;
    Ok(mount::attach(mount, path::open_mount_point(dev, name)?)?)
}
