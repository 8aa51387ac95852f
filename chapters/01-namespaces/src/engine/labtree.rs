//! The tree of the lab: which directories it has, which are only other names, and the files written into them.
//! Modes are set by hand, since the caller's umask would otherwise decide who can use the lab.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::labtools::Tools;

/// The directories of the lab besides those that its files need, and their modes.
const DIRECTORIES: [(&str, u32); 11] = [
    ("/bin", 0o755),
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/home/learner", 0o755),
    ("/lib", 0o755),
    ("/proc", 0o755),
    ("/root", 0o700),
    ("/sys", 0o755),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
];

/// The lab's own configuration; nothing of the host's /etc comes in.
const CONFIGURATION: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
         learner:x:1000:1000::/home/learner:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\ntty:x:5:\nlearner:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("/etc/os-release", "NAME=\"minidock lab\"\nID=minidock-lab\nPRETTY_NAME=\"minidock lab\"\n"),
];

/// Names of directories that mean another one in the lab, so that `#!/usr/bin/env` works and every
/// loader finds `/lib` under the name that its distribution gave it.
pub(crate) const ALIASES: [(&str, &str); 6] = [
    ("/sbin", "/bin"),
    ("/usr/bin", "/bin"),
    ("/usr/sbin", "/bin"),
    ("/lib64", "/lib"),
    ("/usr/lib", "/lib"),
    ("/usr/lib64", "/lib"),
];

/// The user of /home/learner.
const LEARNER: u32 = 1000;

/// Writes the whole lab into `root`, which is not there yet.
pub(crate) fn build(root: &Path, tools: &Tools, program: &[u8]) -> Result<()> {
    fs::create_dir(root).with_context(|| format!("create {}", root.display()))?;
    fs::set_permissions(root, Permissions::from_mode(0o755))?;
    for (directory, mode) in DIRECTORIES {
        make_directory(root, Path::new(directory))?;
        fs::set_permissions(inside(root, Path::new(directory)), Permissions::from_mode(mode))?;
    }
    for (alias, real) in ALIASES {
        // Relative, so that it leads to the same place whether or not we are inside.
        let up = "../".repeat(alias.matches('/').count() - 1);
        link(
            Path::new(&format!("{up}{}", real.trim_start_matches('/'))),
            &inside(root, Path::new(alias)),
        )?;
    }
    for directory in &tools.directories {
        make_directory(root, directory)?;
    }
    for (place, host) in &tools.files {
        make_directory(root, place.parent().unwrap_or(Path::new("/")))?;
        let mut source = File::open(host).with_context(|| format!("open {}", host.display()))?;
        // No setuid bit comes along: a copy's owner is whoever makes the lab.
        let executable = source.metadata()?.permissions().mode() & 0o111 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        write(&inside(root, place), mode, |file| io::copy(&mut source, file).map(drop))?;
    }
    for (place, target) in &tools.links {
        link(target, &inside(root, place))?;
    }
    for (place, text) in CONFIGURATION {
        write(&inside(root, Path::new(place)), 0o644, |file| file.write_all(text.as_bytes()))?;
    }
    write(&root.join("probe"), 0o755, |file| file.write_all(program))?;
    match chown(root.join("home/learner"), Some(LEARNER), Some(LEARNER)) {
        // Without root there may be no such user to give it to (EPERM; EINVAL in a user namespace that
        // maps only one): the home directory then stays the builder's.
        Err(error) if ![Some(libc::EPERM), Some(libc::EINVAL)].contains(&error.raw_os_error()) => {
            Err(error).context("chown /home/learner of the lab")
        }
        _ => Ok(()),
    }
}

/// The place that a path means in the lab, which is where the file is written; and the directories that a `..`
/// in it leaves again, which must exist for the path to resolve.
pub fn settle(path: &Path) -> (PathBuf, Vec<PathBuf>) {
    let mut place = PathBuf::from("/");
    let mut passed = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::ParentDir => {
                passed.push(place.clone());
                place.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
        if let Some((_, real)) = ALIASES.iter().find(|(alias, _)| Path::new(alias) == place) {
            place = PathBuf::from(real);
        }
    }
    (place, passed)
}

/// The place on the host of a path in the lab.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Makes a directory of the lab and those above it, 0755 whatever the umask.
fn make_directory(root: &Path, path: &Path) -> Result<()> {
    let place = inside(root, path);
    if place.is_dir() {
        return Ok(());
    }
    make_directory(root, path.parent().unwrap_or(Path::new("/")))?;
    fs::create_dir(&place).with_context(|| format!("create {}", place.display()))?;
    fs::set_permissions(&place, Permissions::from_mode(0o755))
        .with_context(|| format!("chmod {}", place.display()))
}

/// Creates a file of the lab with this mode, whatever the umask.
pub(crate) fn write(
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let make = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        content(&mut file)?;
        file.set_permissions(Permissions::from_mode(mode))
    };
    make().with_context(|| format!("write {}", path.display()))
}

/// Creates a symbolic link of the lab.
fn link(target: &Path, path: &Path) -> Result<()> {
    symlink(target, path)
        .with_context(|| format!("link {} to {}", path.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_settles_where_the_lab_has_its_directory() {
        let place = |path: &str| settle(Path::new(path)).0;
        assert_eq!(place("/usr/lib64/x.so"), Path::new("/lib/x.so"));
        assert_eq!(place("/usr/lib/systemd/x.so"), Path::new("/lib/systemd/x.so"));
        assert_eq!(place("/usr/libexec/x"), Path::new("/usr/libexec/x"));
        assert_eq!(
            place("/../../etc/x"),
            Path::new("/etc/x"),
            "nothing is written outside the lab"
        );
        let through = settle(Path::new("/opt/t/bin/../lib/x.so"));
        assert_eq!(through, ("/opt/t/lib/x.so".into(), vec!["/opt/t/bin".into()]));
    }
}
