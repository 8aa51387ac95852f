//! A container on the layers of an image, and what the kernel says that its root is made of: mountinfo names the directories.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::oci::{self, Layer};
use testkit::{Program, Running, host, random_token};

use super::subject::{Mounts, NOT_RUN, Subject};
use super::tree::{Tree, difference, tree};
use crate::grade::Verdict;

const MOUNT: &str = "overlay is told of each layer by `lowerdir+`, the uppermost first (before Linux 6.7 of all at once: \
                     `lowerdir=TOP:MIDDLE:BOTTOM`), of the container's own by `upperdir`, and of an empty directory beside \
                     that by `workdir`";

/// A container that sleeps.
pub(crate) struct Layered {
    running: Running,
    pid: i32,
    /// What overlay writes to.
    pub(crate) upper: Option<PathBuf>,
    /// What it only reads, the uppermost first.
    pub(crate) lower: Vec<PathBuf>,
}

impl Subject {
    /// The lowest layer of an image, with our command in it and what a container mounts over.
    pub(crate) fn base(&self) -> Layer {
        Layer::new().with_probe().program(&self.command()[1..], probe::PROGRAM)
    }

    /// Puts an image of these layers, the lowest first, into the binary's store; returns its name.
    pub(crate) fn image(&self, layers: Vec<Layer>) -> String {
        let name = random_token();
        oci::put(self.state(), &name, layers);
        name
    }

    /// `BINARY run OPTIONS IMAGE`, to be followed by the command.
    pub(crate) fn run_image(&self, options: &str, image: &str) -> Program {
        self.binary(Mounts::Private).arg("run").words(options).arg(image)
    }

    /// A container whose root is an overlay.
    pub(crate) fn layered(&self, run: Program) -> Result<Layered, Verdict> {
        let (running, pid) = self.sleeper(run).map_err(|verdict| {
            let help = if verdict.observed == NOT_RUN { MOUNT.into() } else { verdict.help };
            Verdict { help, ..verdict }
        })?;
        let (upper, lower) = self.directories(pid)?;
        Ok(Layered { running, pid, upper, lower })
    }

    /// Upper and lower directories of a process's root.
    pub(crate) fn directories(&self, pid: i32) -> Result<(Option<PathBuf>, Vec<PathBuf>), Verdict> {
        let root = host::mounts(pid).into_iter().rfind(|mount| mount.point == "/");
        let Some(root) = root.filter(|root| root.kind == "overlay") else {
            let evidence = format!("/proc/{pid}/mountinfo");
            return Err(Verdict::fail("its root is no overlay", &evidence, MOUNT));
        };
        let (upper, lower) = directories(&root.super_options);
        match upper.iter().chain(&lower).find(|directory| !directory.is_dir()) {
            Some(hidden) => Err(not_found(hidden, self.state())),
            None => Ok((upper, lower)),
        }
    }
}

impl Layered {
    /// A path as the container sees it.
    pub(crate) fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid)).join(path)
    }

    /// Ends its command, and it.
    pub(crate) fn end(self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        self.running.wait();
    }

    /// All that its root is made of, the uppermost first.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.upper.iter().chain(&self.lower)
    }

    /// The same, file by file.
    pub(crate) fn contents(&self) -> Result<Vec<(PathBuf, Tree)>, Verdict> {
        let content = |directory: &PathBuf| match tree(directory, &[]) {
            Ok(tree) => Ok((directory.clone(), tree)),
            Err(error) => {
                let evidence = format!("{}: {error}", short(directory));
                let help = "a layer is there as long as a container lies on it";
                Err(Verdict::fail("what its root is made of cannot be read", &evidence, help))
            }
        };
        self.directories().map(content).collect()
    }

    /// What has changed in them since.
    pub(crate) fn changed(&self, since: &[(PathBuf, Tree)]) -> Result<Option<String>, Verdict> {
        let now = self.contents()?;
        let changed = |((directory, before), (_, now)): (&(PathBuf, Tree), &(PathBuf, Tree))| {
            Some(format!("in {}, {}", short(directory), difference(before, now)?))
        };
        Ok(since.iter().zip(&now).find_map(changed))
    }

    /// As evidence.
    pub(crate) fn shown(&self) -> String {
        let list = |paths: &mut dyn Iterator<Item = &PathBuf>| -> String {
            paths.map(|path| short(path)).collect::<Vec<String>>().join(" ")
        };
        let (upper, lower) = (list(&mut self.upper.iter()), list(&mut self.lower.iter()));
        format!("/proc/{}/mountinfo: upperdir {upper:?}, lowerdir {lower:?}", self.pid)
    }
}

/// What a file holds.
pub(crate) fn read(directory: &Path, name: &str) -> Option<String> {
    fs::read_to_string(directory.join(name)).ok()
}

/// A path whose long names are cut short.
pub(crate) fn short(path: &Path) -> String {
    let part = |part: &std::ffi::OsStr| {
        let text = part.to_string_lossy();
        match text.char_indices().nth(24) {
            Some(_) => text.chars().take(8).chain(['…']).collect(),
            None => text.into_owned(),
        }
    };
    path.iter().map(part).collect::<PathBuf>().display().to_string()
}

/// Upper and lower directories in overlay's options: `lowerdir+=A,lowerdir+=B`, or `lowerdir=A:B`.
fn directories(options: &[String]) -> (Option<PathBuf>, Vec<PathBuf>) {
    let values = |key: &str| -> Vec<String> {
        let value = |option: &String| Some(option.strip_prefix(key)?.to_owned());
        options.iter().filter_map(value).collect()
    };
    let older = values("lowerdir=");
    let older = older.iter().flat_map(|all| all.split(':').map(str::to_owned));
    let lower = older.chain(values("lowerdir+="));
    let upper = values("upperdir=").into_iter().next();
    (upper.map(PathBuf::from), lower.map(PathBuf::from).collect())
}

/// Fsconfig(2) takes no longer value than this.
const LONGEST: usize = 255;

/// What a layer's path adds to that of the store.
const BELOW: usize = 90;

fn not_found(directory: &Path, state: &Path) -> Verdict {
    if state.as_os_str().len() + BELOW > LONGEST {
        let reason = "the path of the temporary directory is too long to be told to overlay";
        return Verdict::skip(reason, "name a shorter one: TMPDIR=/tmp");
    }
    let evidence = format!("{} in mountinfo", directory.display());
    let help = "tell overlay of the directories by their full paths: whoever looks at mountinfo has nothing else";
    Verdict::fail("what its root is made of cannot be found", &evidence, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_found_in_the_options_of_either_way() {
        let of =
            |options: &str| directories(&options.split(',').map(str::to_owned).collect::<Vec<_>>());
        let lower: Vec<PathBuf> = ["/b", "/a"].map(PathBuf::from).into();
        let expected = (Some(PathBuf::from("/u")), lower.clone());
        assert_eq!(of("rw,lowerdir+=/b,lowerdir+=/a,upperdir=/u,workdir=/w"), expected);
        assert_eq!(of("rw,lowerdir=/b:/a,upperdir=/u,workdir=/w,volatile"), expected);
        assert_eq!(of("ro,lowerdir=/b:/a"), (None, lower));
    }
}
