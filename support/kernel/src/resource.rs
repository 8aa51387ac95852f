//! What a process may use by itself, whatever its group may (getrlimit(2)), and how soon it is killed
//! when memory is short (proc_pid_oom_score_adj(5)). Children and execve(2) inherit both.

use crate::cgroup;
use crate::error::Result;
use crate::explain::call;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::path::Path;

/// What stands for no limit (RLIM_INFINITY).
pub const UNLIMITED: u64 = u64::MAX;

/// Something that a process may use so much of, by its name in ulimit(1) and Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// `nofile` for RLIMIT_NOFILE.
    pub name: &'static str,
    number: u32,
}

/// All of them, in the order of their numbers, which is that of /proc/PID/limits.
pub const RESOURCES: [Resource; 16] = {
    const fn resource(name: &'static str, number: u32) -> Resource {
        Resource { name, number }
    }
    [
        resource("cpu", 0),
        resource("fsize", 1),
        resource("data", 2),
        resource("stack", 3),
        resource("core", 4),
        resource("rss", 5),
        resource("nproc", 6),
        resource("nofile", 7),
        resource("memlock", 8),
        resource("as", 9),
        resource("locks", 10),
        resource("sigpending", 11),
        resource("msgqueue", 12),
        resource("nice", 13),
        resource("rtprio", 14),
        resource("rttime", 15),
    ]
};

/// How much of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What counts; the process may change it itself, up to the other one.
    pub soft: u64,
    /// What it cannot raise without CAP_SYS_RESOURCE.
    pub hard: u64,
}

/// The limits of this process, or of another one, in the order of [`RESOURCES`].
pub fn limits_of(other: Option<Pid>) -> std::io::Result<Vec<(Resource, Limit)>> {
    let text = read(other, "limits")?;
    let lines = text.lines().skip(1).zip(RESOURCES);
    let limits: Option<Vec<_>> =
        lines.map(|(line, resource)| Some((resource, Limit::parse(line)?))).collect();
    limits.ok_or_else(|| std::io::Error::other("/proc/PID/limits is not as proc(5) says"))
}

impl Limit {
    /// From a line of a title of 25 columns, then soft limit, hard limit and unit.
    fn parse(line: &str) -> Option<Limit> {
        let mut words = line.get(25..)?.split_whitespace().map(|word| match word {
            "unlimited" => Some(UNLIMITED),
            number => number.parse().ok(),
        });
        Some(Limit { soft: words.next()??, hard: words.next()?? })
    }
}

/// Limits this process.
///
/// # Errors
/// EPERM if the hard limit would rise and CAP_SYS_RESOURCE is missing.
pub fn set_limit(resource: Resource, limit: Limit) -> Result<()> {
    let new = libc::rlimit64 { rlim_cur: limit.soft, rlim_max: limit.hard };
    let shown = |number: u64| match number {
        UNLIMITED => "RLIM64_INFINITY".into(),
        number => number.to_string(),
    };
    call(
        "prlimit64",
        || {
            let (soft, hard) = (shown(limit.soft), shown(limit.hard));
            let name = resource.name.to_uppercase();
            format!("0, RLIMIT_{name}, {{rlim_cur={soft}, rlim_max={hard}}}, NULL")
        },
        || {
            let old = std::ptr::null_mut::<libc::rlimit64>();
            // SAFETY: new is a structure of the kernel's layout; nothing is written to a null old.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_prlimit64, 0, resource.number, &new, old)
            })
            .map(drop)
        },
    )
}

/// How much sooner (up to 1000) or later (down to -1000) than others this process, or another one,
/// is killed when memory is short.
pub fn oom_score_adj_of(other: Option<Pid>) -> std::io::Result<i32> {
    read(other, "oom_score_adj")?.trim().parse().map_err(std::io::Error::other)
}

/// A file of a process's in /proc. In a new PID namespace, our own number means somebody else in a
/// /proc that was mounted before: `self` always means us.
fn read(other: Option<Pid>, file: &str) -> std::io::Result<String> {
    let process = other.map_or("self".into(), |pid| pid.to_string());
    crate::text::read(format!("/proc/{process}/{file}"))
}

/// Sets it for this process.
///
/// # Errors
/// EACCES if it would fall below what a process with CAP_SYS_RESOURCE has set last.
pub fn set_oom_score_adj(score: i32) -> Result<()> {
    cgroup::set(Path::new("/proc/self/oom_score_adj"), &score.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_stand_in_the_order_of_the_kernel() {
        // The constants have other types in other C libraries.
        let number =
            |name: &str| i64::from(RESOURCES.iter().find(|r| r.name == name).unwrap().number);
        assert_eq!(number("nofile"), i64::from(libc::RLIMIT_NOFILE));
        assert_eq!(number("as"), i64::from(libc::RLIMIT_AS));
        assert_eq!(number("rttime"), i64::from(libc::RLIMIT_RTTIME));
        assert!((0..).zip(RESOURCES).all(|(number, resource)| resource.number == number));
    }

    #[test]
    fn what_proc_says_is_what_the_call_says() {
        let listed = limits_of(None).unwrap();
        assert_eq!(listed.len(), RESOURCES.len());
        for (resource, limit) in listed {
            let mut own = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
            let new = std::ptr::null::<libc::rlimit64>();
            // SAFETY: own is a structure of the kernel's layout, which it fills; a null new changes
            // nothing.
            let got =
                unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource.number, new, &mut own) };
            assert_eq!(
                (got, limit.soft, limit.hard),
                (0, own.rlim_cur, own.rlim_max),
                "{resource:?}"
            );
        }
    }
}
