//! The bundle for runc (the OCI runtime specification's config.json): the same root, namespaces,
//! mounts, masked and read-only paths as minidock-01's, and every capability that we have.

use crate::ground::COMMAND;
use anyhow::{Context, Result};
use namespaces::engine::masked::{MASKED, READ_ONLY_PATHS};
use serde_json::{Value, json};
use std::ffi::CStr;
use std::path::Path;

/// Paths that minidock-01 hides or locks, as text.
pub fn paths(list: &[&'static CStr]) -> Vec<&'static str> {
    list.iter().map(|path| path.to_str().expect("a path of ours is text")).collect()
}

/// config.json for a root directory.
///
/// # Errors
/// If /proc does not tell which capabilities we have.
pub fn config(root: &Path) -> Result<Value> {
    let capabilities = capabilities()?;
    let namespaces = ["uts", "pid", "mount", "ipc", "network"].map(|kind| json!({ "type": kind }));
    Ok(json!({
        "ociVersion": "1.0.2",
        "root": { "path": root, "readonly": false },
        "hostname": "bench",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "cwd": "/",
            "args": [COMMAND],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"],
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
        },
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/dev", "tmpfs", &["nosuid", "noexec", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        ],
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": paths(&MASKED),
            "readonlyPaths": paths(&READ_ONLY_PATHS),
        },
    }))
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": kind, "options": options })
}

/// The capabilities that this process has, by name. runc refuses to give more, and root may lack
/// some where it is itself contained.
fn capabilities() -> Result<Vec<String>> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).context("CapPrm")?;
    let set = u64::from_str_radix(set.trim(), 16).context("CapPrm")?;
    Ok(names(set))
}

/// The names in capabilities(7) of the numbers in a set, up to those of Linux 5.15.
fn names(set: u64) -> Vec<String> {
    let names = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
        LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER \
        SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE \
        SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP \
        MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF \
        CHECKPOINT_RESTORE";
    let names = names.split_whitespace().enumerate();
    names
        .filter(|(number, _)| set & (1 << number) != 0)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The floor's calls are compared with minidock-01's; so these lists are its lists.
    #[test]
    fn the_peers_hide_and_lock_what_the_floor_does() {
        let floor = include_str!("../peers/floor.c");
        let quoted = |name: &str| -> Vec<&str> {
            let list = floor.split_once(&format!("{name}[] = {{")).unwrap().1;
            list.split_once('}').unwrap().0.split('"').skip(1).step_by(2).collect()
        };
        assert_eq!(quoted("masked"), paths(&MASKED));
        assert_eq!(quoted("read_only"), paths(&READ_ONLY_PATHS));
    }

    /// Numbers from linux/capability.h.
    #[test]
    fn a_capability_has_the_name_of_its_number() {
        assert_eq!(names(1 << 0 | 1 << 21), ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
        assert_eq!(names(1 << 40 | 1 << 41), ["CAP_CHECKPOINT_RESTORE"]);
    }
}
