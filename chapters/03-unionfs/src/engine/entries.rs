//! What an entry of an archive says about itself, checked: names, targets of links, devices; and what
//! to do about what is refused.

use crate::engine::archive::Entry;
use crate::whiteout;
use anyhow::{Context, Result, ensure};
use console::failure::Failure;
use kernel::Errno;
use nix::sys::stat::{SFlag, makedev};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// As long as a path may be for the kernel (PATH_MAX in limits.h).
const LONGEST_PATH: usize = 4096;

/// And a name (NAME_MAX).
const LONGEST_NAME: usize = 255;

/// More entries than any layer has.
const MOST: u64 = 1_000_000;

/// More bytes than the paths of all directories of a layer take. They are kept until the end.
const MOST_PATHS: usize = 128 << 20;

/// So many directories may lie in one another: whoever goes through them has as many open.
pub(crate) const DEEPEST: usize = 400;

/// What no archive should say.
pub fn refused(words: impl Into<String>) -> Failure {
    Failure::new(words).remedy("whoever made this archive has to make it anew")
}

/// Refuses an archive that says what none should.
pub fn insist(holds: bool, words: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(refused(words).into()) }
}

/// Refuses a layer with more in it than any has: entries, and bytes of the paths of directories.
pub fn bounded(entries: u64, paths: usize) -> Result<()> {
    ensure!(entries <= MOST, refused(format!("a layer of more than {MOST} entries")));
    insist(paths <= MOST_PATHS, "a layer of too many directories")
}

/// Refuses a directory that lies in too many others for something to be put into it.
pub fn not_too_deep(path: &Path) -> Result<()> {
    let is_fit = path.iter().count() < DEEPEST;
    ensure!(is_fit, refused(format!("more than {DEEPEST} directories in one another")));
    Ok(())
}

/// What is no directory, and would have to be one.
pub fn in_the_way(path: &Path) -> anyhow::Error {
    refused(format!("{} is no directory", shown(path))).into()
}

/// Where a name in an archive leads: relative to the root of the layer, and nowhere else. `.` and
/// empty parts fall away, `..` takes the part before it along, whatever that is: no link is looked at.
///
/// # Errors
/// If it leads out of the root, or the kernel would not take it.
pub fn clean(bytes: &[u8]) -> Result<PathBuf> {
    clean_in("the layer", bytes)
}

/// The same of an archive that is unpacked into something else.
pub fn clean_in(place: &str, bytes: &[u8]) -> Result<PathBuf> {
    let refused = |why: &str| {
        let failure = Failure::new(format!("a name {why}"));
        Err(failure.remedy("do not trust this archive; whoever made it has to make it anew").into())
    };
    if bytes.len() > LONGEST_PATH + of_mark(bytes.rsplit(|byte| *byte == b'/').next()) {
        return refused("that is longer than a path can be");
    }
    if bytes.contains(&0) {
        return refused("with a NUL byte in it");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in bytes.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() {
                    return refused(&format!("that leads out of {place}"));
                }
            }
            long if long.len() > LONGEST_NAME + of_mark(Some(long)) => {
                return refused("with a part that is longer than a name can be");
            }
            part => parts.push(part),
        }
    }
    Ok(OsString::from_vec(parts.join(&b'/')).into())
}

/// What a name may be longer than one of a file: a whiteout has a prefix before the name that it hides.
fn of_mark(name: Option<&[u8]>) -> usize {
    let is_mark = name.is_some_and(|name| name.starts_with(whiteout::PREFIX));
    if is_mark { whiteout::PREFIX.len() } else { 0 }
}

/// A whiteout is a file, whatever is said to be in it.
pub fn not_in_a_mark(parent: &Path) -> Result<()> {
    insist(!has_mark(parent), "an entry in a whiteout, which is no directory")
}

fn has_mark(path: &Path) -> bool {
    path.iter().any(|name| name.as_bytes().starts_with(whiteout::PREFIX))
}

/// Where a link leads, as it stands there.
pub fn target(entry: &Entry) -> Result<&OsStr> {
    insist(!entry.target.is_empty(), "a link to nothing")?;
    insist(!entry.target.contains(&0), "a link whose target has a NUL byte in it")?;
    let fits = entry.target.len() < LONGEST_PATH;
    insist(fits, "a link whose target is longer than a path can be")?;
    Ok(OsStr::from_bytes(&entry.target))
}

/// The name that a hard link leads to.
pub fn linked(entry: &Entry) -> Result<PathBuf> {
    let target = target(entry)?;
    let named = || format!("a hard link to {}", shown(target));
    let path = clean(target.as_bytes()).with_context(named)?;
    insist(!has_mark(&path), "a hard link to a whiteout")?;
    Ok(path)
}

/// The number of a device; 0 for what is none.
///
/// # Errors
/// If it is the number that means a whiteout: in an archive those have names.
pub fn device(entry: &Entry) -> Result<u64> {
    if entry.kind == Some(SFlag::S_IFCHR) && entry.device == (0, 0) {
        let failure = Failure::new("a character device 0:0, which hides a file of a layer below");
        return Err(failure.remedy("in an archive, that is a file called .wh.NAME").into());
    }
    Ok(makedev(entry.device.0, entry.device.1))
}

/// In a user namespace nobody makes devices (mknod(2)).
pub fn no_devices(errno: Errno) -> anyhow::Error {
    let error = anyhow::Error::from(errno).context("mknod");
    if errno != Errno::EPERM {
        return error;
    }
    error.context(Failure::new("only root may make a device").remedy("use sudo"))
}

/// Why an entry could not be made, and what to do about it, where that is known and not said yet.
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    let cause = error.root_cause();
    let call = cause.downcast_ref::<io::Error>();
    let errno = call.and_then(io::Error::raw_os_error).map(Errno::from_raw);
    let failure = match cause.downcast_ref().copied().or(errno) {
        _ if error.is::<Failure>() => return error,
        Some(Errno::ENOSPC | Errno::EDQUOT) => Failure::new("there is no room for it")
            .remedy("free some space there, or name another place with --root"),
        Some(Errno::ENOTDIR) => refused("a file is in the way to it"),
        Some(Errno::ELOOP) => refused("links on the way to it lead round in a circle"),
        None if call.is_some() => return damaged(error),
        _ => return error,
    };
    error.context(failure)
}

/// An archive that cannot be read, and what to do about it, where that is not said yet.
pub fn damaged(error: anyhow::Error) -> anyhow::Error {
    let call = error.root_cause().downcast_ref::<io::Error>();
    // That it could not be read is no fault of its own.
    if error.is::<Failure>() || call.is_some_and(|call| call.raw_os_error().is_some()) {
        return error;
    }
    error.context(Failure::new("the archive is damaged").remedy("fetch it, or make it, anew"))
}

/// A name as it can be shown.
pub fn shown(name: impl AsRef<Path>) -> String {
    let name = name.as_ref().as_os_str();
    let text = if name.is_empty() { ".".into() } else { name.to_string_lossy() };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], name.len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_layer() {
        let of = |name: &str| clean(name.as_bytes()).map(|path| path.display().to_string());
        for (name, path) in [
            ("a/b", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("./a//./b/", "a/b"),
            ("a/../b", "b"),
            (".", ""),
            ("/", ""),
            ("...", "..."),
        ] {
            assert_eq!(of(name).unwrap(), path);
        }
        for bad in ["..", "../x", "a/../../x", "/../x", "a\0b"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of(&"x".repeat(256)).is_err() && of(&"x".repeat(255)).is_ok());
        assert!(of(&"x/".repeat(2049)).is_err());
        // A whiteout has four bytes more than the name that it hides.
        let hides = |length: usize| format!("d/.wh.{}", "x".repeat(length));
        assert!(of(&hides(256)).is_err() && of(&hides(255)).is_ok());
        let deep = |length: usize| "x/".repeat(2000) + &hides(length);
        assert!(of(&deep(95)).is_err() && of(&deep(94)).is_ok());
    }
}
