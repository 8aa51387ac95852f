//! `--name`: it becomes a directory of the kernel's, beside the files of that directory, and people
//! tell containers by it.

use anyhow::Result;
use console::failure::Failure;

/// What a file's name may have (NAME_MAX in limits.h).
const LONGEST: usize = 255;

/// What the kernel's own files in a group are called, up to their first dot.
const OF_THE_KERNEL: &[&str] = &[
    "blkio",
    "cgroup",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "dmem",
    "freezer",
    "hugetlb",
    "io",
    "irq",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
];

/// The same, without a dot.
const WITHOUT_A_DOT: &[&str] = &["notify_on_release", "release_agent", "tasks"];

/// Refuses what cannot be the name of a container.
pub fn check(name: &str) -> Result<()> {
    let refused = |message: String, remedy: &str| Err(Failure::new(message).remedy(remedy).into());
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || !characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        let message =
            format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        return refused(message, "begin it with a letter or a digit, and leave other signs out");
    }
    if name.len() > LONGEST {
        let message = format!("Invalid container name ({name}): it has {} bytes", name.len());
        return refused(message, "use at most 255: it names a directory");
    }
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("Invalid container name ({name}): it would be taken for an id");
        return refused(message, "choose one that is not 64 hexadecimal digits");
    }
    let before_a_dot = name.split_once('.').map_or("", |(before, _)| before);
    if OF_THE_KERNEL.contains(&before_a_dot) || WITHOUT_A_DOT.contains(&name) {
        let message =
            format!("Invalid container name ({name}): files in control groups are called so");
        return refused(message, "write - for its first dot, or choose another");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_taken() {
        let longest = "a".repeat(LONGEST);
        let almost_an_id = "0".repeat(63);
        for name in
            ["a", "web", "Web_1.2-x", "9lives", "memory", "cpu-1.x", &longest, &almost_an_id]
        {
            check(name).unwrap();
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", ".", "..", "../x", "a/b", "/a", "-a", "_a", ".a", "a b", "ä", "a\n", "a\0"]
        {
            let words = check(name).unwrap_err().to_string();
            assert!(words.ends_with("only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"), "{words}");
        }
        check(&"a".repeat(LONGEST + 1)).unwrap_err();
        check(&"0aF9".repeat(16)).unwrap_err();
        for name in ["tasks", "memory.max", "cgroup.procs", "cpu.cfs_quota_us"] {
            check(name).unwrap_err();
        }
    }
}
