//! 03.5: files copied out of a container, and into it. Whoever made its links may want them to lead elsewhere (openat2(2)),
//! and whoever made its programs may want to be the one who copies them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use testkit::{Running, scratch};

use super::Found;
use super::layered::read;
use super::subject::{Subject, said};
use crate::grade::Verdict;

/// What the host has where a link leads to, and what the container has there.
const SECRET: &str = "secret";

/// A container, and a place on the host that it knows the name of.
struct Copied<'a> {
    subject: &'a Subject,
    name: String,
    place: TempDir,
    /// What it sees while it runs.
    root: PathBuf,
}

pub(crate) fn links(subject: &Subject) -> Found {
    let (copied, running, pid) = Copied::start(subject)?;
    copied.lure().map_err(|error| unwritten(&error))?;
    let (upper, _) = subject.directories(pid)?;
    let upper = upper.ok_or_else(|| unwritten(&io::Error::other("there is no upperdir")))?;
    let evidence = copied.leads("running", &copied.root)?;
    // It may have ended by itself.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    running.wait();
    let evidence = format!("{evidence}; {}", copied.leads("ended", &upper)?);
    Ok(Verdict::pass("links lead to what is in the container, in both directions", &evidence))
}

pub(crate) fn rights(subject: &Subject) -> Found {
    let (copied, _running, _) = Copied::start(subject)?;
    let (tool, back) = (copied.root.join("tool"), copied.root.join("back"));
    let (ours, out) = (copied.place.path().join("ours"), copied.place.path().join("out"));
    for file in [&tool, &ours] {
        let made = fs::write(file, &subject.token);
        let made = made.and_then(|()| fs::set_permissions(file, Permissions::from_mode(0o6755)));
        made.map_err(|error| unwritten(&error))?;
    }
    let first = copied.cp(&format!("{}:/tool {}", copied.name, out.display()));
    let mode =
        |path: &Path| fs::metadata(path).map_or(0, |about| about.permissions().mode() & 0o7777);
    let evidence = format!("`cp` out of it of a file with 6755 makes {:o} ({first})", mode(&out));
    if mode(&out) != 0o755 {
        let help = "whoever copies a program out of a container is its owner: with the set-user-ID bit, all others would be \
                    that user when they run it";
        return Ok(Verdict::fail("not 755", &evidence, help));
    }
    let second = copied.cp(&format!("{} {}:/back", ours.display(), copied.name));
    let evidence = format!("{evidence}; into it {:o} ({second})", mode(&back));
    if mode(&back) != 0o6755 {
        let help = "into a container they may go: its root is whom they are about there";
        return Ok(Verdict::fail("not 6755", &evidence, help));
    }
    Ok(Verdict::pass("the bits stay in the container, and go into it", &evidence))
}

impl<'a> Copied<'a> {
    /// One of an image of one layer, which sleeps.
    fn start(subject: &'a Subject) -> Result<(Copied<'a>, Running, i32), Verdict> {
        let (name, place) = (subject.new_name(), scratch());
        let image = subject.image(vec![subject.base()]);
        let run = subject.run_image(&format!("--name {name}"), &image);
        let (running, pid) = subject.sleeper(run)?;
        let root = format!("/proc/{pid}/root").into();
        Ok((Copied { subject, name, place, root }, running, pid))
    }

    /// Makes links that would lead to a place on the host, and the same place in the container.
    fn lure(&self) -> io::Result<()> {
        let (place, inside) = (self.place.path(), self.root.join(self.below()));
        fs::create_dir_all(&inside)?;
        fs::write(inside.join(SECRET), "the container's")?;
        fs::write(place.join(SECRET), &self.subject.token)?;
        fs::write(place.join("ours"), "ours")?;
        symlink(place, self.root.join("absolute"))?;
        symlink(Path::new(&"../".repeat(20)).join(self.below()), self.root.join("relative"))
    }

    /// The place, from a root.
    fn below(&self) -> &Path {
        let place = self.place.path();
        place.strip_prefix("/").unwrap_or(place)
    }

    /// Whether its links lead to what is in it, whose files are in this directory; says what was seen.
    fn leads(&self, state: &str, files: &Path) -> Result<String, Verdict> {
        let mut told = Vec::new();
        let (name, place) = (&self.name, self.place.path());
        for link in ["absolute", "relative"] {
            let (out, new) = (format!("out-{link}-{state}"), format!("new-{link}-{state}"));
            let first = self.cp(&format!("{name}:/{link}/{SECRET} {}", place.join(&out).display()));
            let second = self.cp(&format!("{} {name}:/{link}/{new}", place.join("ours").display()));
            let seen = read(place, &out);
            let (host, inside) = (read(place, &new), read(&files.join(self.below()), &new));
            let evidence = format!(
                "{state}, through an {link} link: out of it came {seen:?} ({first}); what went into it is on the host {host:?}, \
                 in the container {inside:?} ({second})"
            );
            if seen.as_ref() == Some(&self.subject.token) || host.is_some() {
                let help = "RESOLVE_IN_ROOT in openat2(2): an absolute link begins at the container's root, and `..` ends \
                            there. To look at a path first and open it then is too late: a container that runs may change it \
                            in between";
                return Err(Verdict::fail("a link leads out of the container", &evidence, help));
            }
            if seen.as_deref() != Some("the container's") || inside.as_deref() != Some("ours") {
                let observed = "a link does not lead to what is in the container";
                let help = "RESOLVE_IN_ROOT in openat2(2), and not RESOLVE_BENEATH or RESOLVE_NO_SYMLINKS, which refuse: whoever \
                            is in the container can use the link";
                return Err(Verdict::fail(observed, &evidence, help));
            }
            told.push(evidence);
        }
        Ok(told.join("; "))
    }

    /// `cp WORDS`, and how that ended.
    fn cp(&self, words: &str) -> String {
        said(&self.subject.says(&format!("cp {words}")))
    }
}

fn unwritten(error: &io::Error) -> Verdict {
    let help = "first of all it needs a layer of its own: task 03.1";
    Verdict::fail("nothing can be written in it", &error.to_string(), help)
}
