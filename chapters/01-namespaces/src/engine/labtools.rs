//! The tools of the `lab` root: the written list of what it promises, and where this host has each of them.
//! Nothing is run to find out: a program is judged by its ELF header, busybox by the table of names inside it.
//! The outcome is a plan of files and links, which `labtree` carries out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::elf::Elf;
use super::labtree::settle;
use super::libraries::{self, same_file};

/// What every lab, attack and test may type. A minimal Debian, Fedora, Arch or Alpine has nearly all of it; `hostname`
/// (absent on Arch) and `ps` (absent from distributions' container images) are promised all the same,
/// because the lessons type them: `doctor` then names what to install.
pub const PROMISED: &[&str] = &[
    "sh", "cat", "chmod", "chown", "cp", "cut", "date", "echo", "env", "expr", "false", "grep",
    "head", "hostname", "id", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv",
    "nproc", "printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sleep", "sort",
    "stat", "stty", "tail", "test", "touch", "tr", "true", "tty", "umount", "uname", "wc",
];

/// What comes along where the host has it, for looking around and for the later chapters; nothing relies on it.
pub const WELCOME: &[&str] = &[
    "awk",
    "chroot",
    "clear",
    "dd",
    "df",
    "du",
    "find",
    "findmnt",
    "free",
    "getent",
    "gzip",
    "ip",
    "less",
    "lsns",
    "mountpoint",
    "nc",
    "nsenter",
    "ping",
    "realpath",
    "setpriv",
    "setsid",
    "ss",
    "strace",
    "tar",
    "tc",
    "tee",
    "timeout",
    "top",
    "unshare",
    "vi",
    "whoami",
    "xargs",
];

/// Where the lab has its tools.
const BIN: &str = "/bin";

/// Where tools are also looked for, as a user's PATH often lacks the administrator's directories.
const USUAL: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// NixOS keeps small setuid programs here that run the real one by a path which the lab does not have.
const WRAPPERS: &str = "/run/wrappers/bin";

/// `clear`, `top`, `less` and `vi` ask these descriptions how the terminal is driven.
const TERMINALS: [&str; 8] = [
    "dumb",
    "linux",
    "screen",
    "screen-256color",
    "tmux-256color",
    "vt100",
    "xterm",
    "xterm-256color",
];
const TERMINFO: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

/// What the lab's tools consist of. Paths inside the lab are absolute, already settled in the lab's own layout.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// Place in the lab, and the host's file that is copied there.
    pub(crate) files: BTreeMap<PathBuf, PathBuf>,
    /// Further names of a tool: the link, and what it points to.
    pub(crate) links: BTreeMap<PathBuf, PathBuf>,
    /// Directories that must exist only because a library's path goes through them.
    pub(crate) directories: BTreeSet<PathBuf>,
    /// The tools that this host cannot give, each with the reason.
    pub(crate) left_out: Vec<(&'static str, String)>,
    /// Programs that are in `files` already, by device and inode.
    placed: HashMap<(u64, u64), PathBuf>,
}

/// The directories in which a tool is looked for: PATH, then the usual ones.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(USUAL.map(PathBuf::from))
        .filter(|directory| directory.is_absolute() && directory != Path::new(WRAPPERS))
        .collect()
}

/// Plans the lab from the tools in these directories.
pub(crate) fn gather(directories: &[PathBuf]) -> Tools {
    let mut tools = Tools::default();
    let busybox = find("busybox", directories).ok();
    let applets =
        busybox.as_deref().and_then(|path| fs::read(path).ok()).map(|bytes| applets(&bytes));
    let mut found: BTreeMap<&'static str, PathBuf> = BTreeMap::new();
    for tool in PROMISED.iter().chain(WELCOME) {
        match (find(tool, directories), &busybox) {
            (Ok(path), _) => found.insert(tool, path),
            // The host's own tool comes first: busybox fills the gaps.
            (Err(_), Some(busybox)) if applets.iter().flatten().any(|applet| applet == tool) => {
                found.insert(tool, busybox.clone())
            }
            (Err(reason), _) => {
                tools.left_out.push((tool, format!("{reason:#}")));
                None
            }
        };
    }
    for (tool, host) in &found {
        if let Err(reason) = tools.name(tool, host, &found) {
            let reason = format!("{} cannot be taken: {reason:#}", host.display());
            tools.left_out.push((tool, reason));
        }
    }
    for terminal in TERMINALS {
        let entry = Path::new(&terminal[..1]).join(terminal);
        if let Some(host) =
            TERMINFO.iter().map(|top| Path::new(top).join(&entry)).find(|path| path.is_file())
        {
            tools.files.insert(Path::new("/usr/share/terminfo").join(entry), host);
        }
    }
    tools
}

impl Tools {
    /// Adds a tool: the program behind it, if that is not there yet, and the tool's name.
    fn name(&mut self, tool: &str, host: &Path, found: &BTreeMap<&str, PathBuf>) -> Result<()> {
        // A program of many names (busybox, coreutils) is one file, whether its names are hard or symbolic links.
        let status = fs::metadata(host)?;
        let identity = (status.dev(), status.ino());
        let place = match self.placed.get(&identity) {
            Some(place) => place.clone(),
            None => self.add(tool, host, found)?,
        };
        let name = Path::new(BIN).join(tool);
        if place != name {
            let target = place.strip_prefix(BIN).unwrap_or(&place);
            self.links.insert(name, target.to_owned());
        }
        self.placed.insert(identity, place);
        Ok(())
    }

    /// Adds one program with all that it needs, or nothing of it; returns its place in the lab.
    fn add(&mut self, tool: &str, host: &Path, found: &BTreeMap<&str, PathBuf>) -> Result<PathBuf> {
        // It keeps its file's name (busybox, dash), unless that is the name of another tool.
        let own = host.file_name().and_then(|name| name.to_str()).unwrap_or(tool);
        let taken = found.get(own).is_some_and(|other| other != host)
            || self.files.contains_key(&Path::new(BIN).join(own));
        let lab = if Elf::read(host)?.looks_beside_itself() {
            host.to_owned()
        } else {
            Path::new(BIN).join(if taken { tool } else { own })
        };
        let (lab, mut passed) = settle(&lab);
        let mut files = vec![(lab.clone(), host.to_owned())];
        for needed in libraries::needs(host, &lab)? {
            let (place, through) = settle(&needed.lab);
            passed.extend(through);
            files.push((place, needed.host));
        }
        for (place, host) in &files {
            if let Some(other) = self.files.get(place) {
                ensure!(
                    same_file(other, host),
                    "{} and {} would both be the lab's {}",
                    host.display(),
                    other.display(),
                    place.display()
                );
            }
        }
        self.files.extend(files);
        self.directories.extend(passed);
        Ok(lab)
    }
}

/// The real file of the first program of that name for this machine. Scripts are passed over (their
/// interpreter and all that they call would have to come along), and so is what cannot be read.
fn find(tool: &str, directories: &[PathBuf]) -> Result<PathBuf> {
    let mut reason = None;
    for candidate in directories.iter().map(|directory| directory.join(tool)) {
        match judge(&candidate) {
            Ok(Some(path)) => return Ok(path),
            Ok(None) => {}
            Err(error) => {
                reason = Some(error.context(format!("{} cannot be used", candidate.display())))
            }
        }
    }
    match reason {
        Some(reason) => Err(reason),
        None => bail!(
            "{tool} is not on PATH nor in {}; install the package that has it",
            USUAL.join(":")
        ),
    }
}

/// The real path behind a candidate, none where there is no program at all.
fn judge(candidate: &Path) -> Result<Option<PathBuf>> {
    let Ok(path) = fs::canonicalize(candidate) else {
        return Ok(None);
    };
    let status = fs::metadata(&path)?;
    if !status.is_file() || status.permissions().mode() & 0o111 == 0 {
        return Ok(None);
    }
    Elf::read(&path)
        .context("not a program that the lab can hold (a script, or for another machine)")?;
    Ok(Some(path))
}

/// The names that a busybox answers to. It keeps them as one table of sorted words, each ended by a
/// zero byte; nothing else in the file is as long a run of that kind.
fn applets(bytes: &[u8]) -> Vec<String> {
    let word = |bytes: &[u8]| {
        let plain = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-[.".contains(byte)
        };
        !bytes.is_empty() && bytes.len() < 24 && bytes.iter().all(plain)
    };
    let (mut longest, mut run): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    for text in bytes.split(|byte| *byte == 0) {
        if !word(text) || run.last().is_some_and(|last| *last >= text) {
            run.clear();
        }
        if word(text) {
            run.push(text);
        }
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    longest.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    fn executable(path: &Path, content: &[u8]) {
        fs::write(path, content).expect("a temporary directory is writable");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
    }

    #[test]
    fn a_static_program_of_many_names_is_copied_once() {
        let directory = tempfile::tempdir().unwrap();
        let (bin, real) = (directory.path().join("bin"), directory.path().join("box"));
        fs::create_dir(&bin).unwrap();
        executable(&real, probe::PROGRAM);
        symlink("../box", bin.join("sh")).unwrap();
        fs::hard_link(&real, bin.join("ls")).unwrap();
        executable(&bin.join("cat"), b"#!/bin/sh\n");
        let tools = gather(std::slice::from_ref(&bin));
        let programs: Vec<_> =
            tools.files.keys().filter(|place| place.starts_with("/bin")).collect();
        assert_eq!(programs.len(), 1, "{programs:?}");
        assert!(
            !tools.files.keys().any(|place| place.starts_with("/lib")),
            "a static program needs none"
        );
        let reachable = |tool: &str| {
            let place = Path::new("/bin").join(tool);
            tools.files.contains_key(&place) || tools.links.contains_key(&place)
        };
        assert!(reachable("sh") && reachable("ls"));
        let why = |tool| {
            &tools.left_out.iter().find(|(name, _)| *name == tool).expect("it is left out").1
        };
        assert!(why("cat").contains("a script"), "{}", why("cat"));
        assert!(why("mount").contains("not on PATH"), "{}", why("mount"));
    }

    #[test]
    fn two_programs_whose_files_have_one_name_are_both_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["bin", "one", "two"] {
            fs::create_dir(at(name)).unwrap();
        }
        executable(&at("one/box"), probe::PROGRAM);
        executable(&at("two/box"), probe::PROGRAM);
        symlink(at("one/box"), at("bin/cat")).unwrap();
        symlink(at("two/box"), at("bin/sh")).unwrap();
        let tools = gather(&[at("bin")]);
        let host = |place: &str| {
            tools.files.get(Path::new(place)).map(|path| path.strip_prefix(directory.path()))
        };
        assert_eq!(host("/bin/box"), Some(Ok(Path::new("one/box"))));
        assert_eq!(host("/bin/sh"), Some(Ok(Path::new("two/box"))));
        assert_eq!(tools.links.get(Path::new("/bin/cat")), Some(&PathBuf::from("box")));
    }

    #[test]
    fn busybox_tells_its_names_without_being_run() {
        let mut program = b"\x7fELF\0usage\0alpha\0beta\0gamma\0Help: sh\0sh\0cat\0".to_vec();
        program.extend(b"[\0[[\0ash\0cat\0ip\0ls\0ping\0sh\0Segmentation fault\0zebra\0");
        assert_eq!(applets(&program), ["[", "[[", "ash", "cat", "ip", "ls", "ping", "sh"]);
    }

    #[test]
    fn no_tool_is_listed_twice() {
        let all: BTreeSet<_> = PROMISED.iter().chain(WELCOME).collect();
        assert_eq!(all.len(), PROMISED.len() + WELCOME.len());
    }
}
