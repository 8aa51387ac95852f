//! 03.6: a root without overlay: a copy of all layers, which nothing but its cost tells from the other.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::oci::{self, About, EntryType, Layer};
use testkit::{Program, Running, host};

use super::Found;
use super::layered::read;
use super::state::State;
use super::subject::Subject;
use super::tree::{difference, tree};
use crate::grade::Verdict;

const DRIVER: &str = "--storage-driver copy";

/// What a container mounts over.
const MOUNTED: [&str; 3] = ["dev", "proc", "sys"];

/// A container on a copy, which sleeps.
struct Copied {
    _running: Running,
    /// As it sees it.
    root: PathBuf,
}

pub(crate) fn copy(subject: &Subject) -> Found {
    subject.needs_opaque()?;
    let image = subject.image(layers(subject));
    let original = subject.layered(subject.run_image("", &image))?;
    let before = original.contents()?;
    let copy = copied(subject, subject.run_image(DRIVER, &image))?;
    same(&original.seen(""), &copy.root)?;

    let other = copied(subject, subject.run_image(DRIVER, &image))?;
    let written = fs::write(copy.root.join("changed"), &subject.token);
    let (seen, shared) = (read(&other.root, "changed"), original.changed(&before)?);
    let evidence = format!(
        "writing through {}: {written:?}; another container has {seen:?}; of what they share, different is {shared:?}",
        copy.root.display()
    );
    if written.is_err() || seen.as_deref() != Some("above") || shared.is_some() {
        let help = "a copy is one container's: it may write to it, and no other container and no layer has any of it";
        return Ok(Verdict::fail("its copy is not its own", &evidence, help));
    }
    elsewhere(subject)?;
    let files = tree(&copy.root, &MOUNTED).map_or(0, |tree| tree.len());
    let evidence = format!("{evidence}; {files} files are the same");
    Ok(Verdict::pass("the same files as in an overlay, and its own", &evidence))
}

/// Starts a container on a copy.
fn copied(subject: &Subject, run: Program) -> Result<Copied, Verdict> {
    let (running, pid) = subject.sleeper(run).map_err(|verdict| {
        let help = "all that the union of the layers shows, file by file, into a directory of the container's; then that is \
                    the root";
        Verdict { help: help.into(), ..verdict }
    })?;
    // A directory of an overlay, cloned, is a mount of that kind, too, but not of its root.
    let is_overlay = |mount: &host::Mount| mount.kind == "overlay" && mount.root == "/";
    if host::mounts(pid).iter().rfind(|mount| mount.point == "/").is_some_and(is_overlay) {
        let evidence = format!("/proc/{pid}/mountinfo");
        let help = "where overlay cannot write, it cannot lie on a copy either: the copy itself is the root";
        return Err(Verdict::fail("its root is an overlay", &evidence, help));
    }
    Ok(Copied { _running: running, root: format!("/proc/{pid}/root/").into() })
}

/// Whether two containers see the same files. An overlay's root is a directory of this moment: of that, only who may what.
fn same(original: &Path, copy: &Path) -> Result<(), Verdict> {
    let look = |root: &Path| {
        let mut tree = tree(root, &MOUNTED).map_err(|error| unreadable(root, &error))?;
        if let Some(told) = tree.get_mut(Path::new("")) {
            told.truncate(told.find(", time").unwrap_or(told.len()));
        }
        Ok(tree)
    };
    let Some(difference) = difference(&look(original)?, &look(copy)?) else { return Ok(()) };
    let evidence = format!("in the overlay and in the copy, {difference}");
    let help = "copy what the union of the layers shows, not one layer after the other; with owner, mode, time to the \
                nanosecond and attributes, and what are several names of one file stays one file";
    Err(Verdict::fail("its files are not those of an overlay", &evidence, help))
}

fn unreadable(root: &Path, error: &std::io::Error) -> Verdict {
    let help = "whatever a container sees, root may read";
    Verdict::fail("its files cannot be read", &format!("{}: {error}", root.display()), help)
}

/// A store on an overlay, where overlay cannot write.
fn elsewhere(subject: &Subject) -> Result<(), Verdict> {
    let Some(place) = State::on_overlay() else {
        let remedy = "modprobe overlay; and be root on a kernel before 5.11";
        return Err(Verdict::skip("no overlay can be mounted to put its files on", remedy));
    };
    let image = testkit::random_token();
    oci::put(place.path(), &image, vec![subject.base(), Layer::new().file("above", "above")]);
    let run = subject.run_image(DRIVER, &image).state(place.path());
    let copy = copied(subject, run).map_err(|verdict| {
        let observed = format!("with its files on an overlay: {}", verdict.observed);
        Verdict { observed, ..verdict }
    })?;
    if read(&copy.root, "above").is_none() {
        let evidence = format!("{}above", copy.root.display());
        let help = "the copy has to be complete before the command runs";
        return Err(Verdict::fail("on an overlay, a file is missing in it", &evidence, help));
    }
    Ok(())
}

/// Of everything that a file can have, one.
fn layers(subject: &Subject) -> Vec<Layer> {
    // A user namespace of one user knows no other owner.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let owner = if map.split_whitespace().nth(2) == Some("1") { (0, 0) } else { (5, 6) };
    let attributes: &[(&str, &[u8])] = &[("user.lab", b"\0 and more")];
    let xattrs = if subject.keeps_user_attributes() { attributes } else { &[] };
    // Only files and directories have attributes of users.
    let about = About { owner, mode: 0o4751, mtime: "1234567890.123456789", ..About::default() };
    let with = |mode| About { mode, xattrs, ..about.clone() };
    let content = subject.token.repeat(20_000);
    let mut below = subject
        .base()
        .entry(EntryType::Directory, "./", "", b"", &with(0o751))
        .entry(EntryType::Regular, "file", "", content.as_bytes(), &with(0o4751))
        .hard("again", "file")
        .entry(EntryType::Directory, "d/", "", b"", &with(0o1777))
        .hard("d/once more", "file")
        .entry(EntryType::Regular, "n".repeat(200), "", b"", &with(0))
        .entry(EntryType::Fifo, "fifo", "", b"", &about)
        .entry(EntryType::Symlink, "link", "nowhere at all", b"", &about);
    for name in ["changed", "gone", "anew/old"] {
        below = below.file(name, "below");
    }
    let above = Layer::new().file("changed", "above").file(".wh.gone", "").hard("third", "changed");
    let above = above.directory("anew").file("anew/new", "above").file(".wh.anew", "");
    vec![below, above]
}
