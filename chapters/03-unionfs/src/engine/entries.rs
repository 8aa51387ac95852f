//! What an entry of an archive says about itself, checked: names, targets of links, devices.

use crate::engine::archive::Entry;
use crate::whiteout;
use anyhow::{Result, ensure};
use console::failure::Failure;
use kernel::Errno;
use nix::sys::stat::{SFlag, makedev};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// As long as a path may be for the kernel (PATH_MAX in limits.h).
const LONGEST_PATH: usize = 4096;

/// And a name (NAME_MAX).
const LONGEST_NAME: usize = 255;

/// Where a name in an archive leads: relative to the root of the layer, and nowhere else. `.` and empty parts fall away, `..` takes the part before it
/// along, whatever that is: no link is looked at.
///
/// # Errors
/// If it leads out of the root, or the kernel would not take it.
pub fn clean(bytes: &[u8]) -> Result<PathBuf> {
    clean_in("the layer", bytes)
}

/// The same of an archive that is unpacked into something else.
pub fn clean_in(place: &str, bytes: &[u8]) -> Result<PathBuf> {
    let name = Path::new(OsStr::from_bytes(bytes));
    let refused = |why: &str| {
        let failure = Failure::new(format!("the archive has an entry {} {why}", shown(name)));
        Err(failure.remedy("do not trust this archive; whoever made it has to make it anew").into())
    };
    if bytes.len() > LONGEST_PATH {
        return refused("whose name is longer than a path can be");
    }
    if bytes.contains(&0) {
        return refused("with a NUL byte in its name");
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
            long if long.len() > LONGEST_NAME => {
                return refused("with a part that is longer than a name can be");
            }
            part => parts.push(part),
        }
    }
    Ok(OsString::from_vec(parts.join(&b'/')).into())
}

/// A whiteout is a file, whatever is said to be in it.
pub fn not_in_a_mark(parent: &Path) -> Result<()> {
    let mark = |name: &OsStr| name.as_bytes().starts_with(whiteout::PREFIX);
    ensure!(!parent.iter().any(mark), "an entry in a whiteout, which is no directory");
    Ok(())
}

/// Where a link leads, as it stands there.
pub fn target(entry: &Entry) -> Result<&OsStr> {
    ensure!(!entry.target.is_empty(), "a link to nothing");
    ensure!(!entry.target.contains(&0), "a link whose target has a NUL byte in it");
    let fits = entry.target.len() < LONGEST_PATH;
    ensure!(fits, "a link whose target is longer than a path can be");
    Ok(OsStr::from_bytes(&entry.target))
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

/// A full disk is told as one, whichever call has met it.
pub fn full(error: anyhow::Error) -> anyhow::Error {
    match error.root_cause().downcast_ref::<Errno>() {
        Some(Errno::ENOSPC | Errno::EDQUOT) => error.context(
            Failure::new("there is no room for it")
                .remedy("free some space there, or name another place with --root"),
        ),
        _ => error,
    }
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
    }
}
