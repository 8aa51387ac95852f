//! What an entry of an archive says about itself, checked: names, targets of links, devices.

use crate::engine::extensions::Extensions;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Errno;
use nix::sys::stat::{SFlag, makedev};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// As long as a path may be for the kernel (PATH_MAX in limits.h).
const LONGEST_PATH: usize = 4096;

/// And a name (NAME_MAX).
const LONGEST_NAME: usize = 255;

/// Where an entry goes: relative to the root of the layer, and nowhere else.
pub fn path(entry: &tar::Entry<impl Read>, extensions: &Extensions) -> Result<PathBuf> {
    match extensions.get("path") {
        Some(path) => clean(OsStr::from_bytes(path)),
        None => clean(OsStr::from_bytes(&entry.path_bytes())),
    }
}

/// The same for any name in an archive. `.` and empty parts fall away, `..` takes the part before it
/// along, whatever that is: no link is looked at.
///
/// # Errors
/// If it leads out of the root, or the kernel would not take it.
pub fn clean(name: &OsStr) -> Result<PathBuf> {
    let refused = |why: &str| {
        let failure =
            Failure::new(format!("the archive has an entry {} {why}", shown(Path::new(name))));
        Err(failure.remedy("do not trust this archive; whoever made it has to make it anew").into())
    };
    let bytes = name.as_bytes();
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
                    return refused("that leads out of the layer");
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

/// Where a link leads, as it stands there.
pub fn target(entry: &tar::Entry<impl Read>, extensions: &Extensions) -> Result<Option<OsString>> {
    let target = match extensions.get("linkpath") {
        Some(target) => target.to_vec(),
        None => entry.link_name_bytes().unwrap_or_default().into_owned(),
    };
    if target.is_empty() {
        return Ok(None);
    }
    if target.len() > LONGEST_PATH || target.contains(&0) {
        return Err(Failure::new("a link whose target is longer than a path can be").into());
    }
    Ok(Some(OsString::from_vec(target)))
}

/// The number of a device; 0 for what is none.
///
/// # Errors
/// If it is the number that means a whiteout: in an archive those have names.
pub fn device(entry: &tar::Entry<impl Read>, kind: SFlag) -> Result<u64> {
    if !matches!(kind, SFlag::S_IFCHR | SFlag::S_IFBLK) {
        return Ok(0);
    }
    let header = entry.header();
    let number =
        |number: std::io::Result<Option<u32>>| number?.context("a device without a number");
    let (major, minor) = (number(header.device_major())?, number(header.device_minor())?);
    if kind == SFlag::S_IFCHR && (major, minor) == (0, 0) {
        let failure = Failure::new("a character device 0:0, which hides a file of a layer below");
        return Err(failure.remedy("in an archive, that is a file called .wh.NAME").into());
    }
    Ok(makedev(major.into(), minor.into()))
}

/// In a user namespace nobody makes devices (mknod(2)).
pub fn no_devices(errno: Errno) -> anyhow::Error {
    let error = anyhow::Error::from(errno).context("mknod");
    if errno != Errno::EPERM {
        return error;
    }
    error.context(Failure::new("only root may make a device").remedy("use sudo"))
}

/// A name as it can be shown.
pub fn shown(name: &Path) -> String {
    let text = if name.as_os_str().is_empty() { ".".into() } else { name.display().to_string() };
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], name.as_os_str().len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_layer() {
        let of = |name: &str| clean(OsStr::new(name)).map(|path| path.display().to_string());
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
