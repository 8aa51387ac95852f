//! What the fields of an archive's header say (tar(5)), as Go's archive/tar reads them.

use crate::engine::metadata::Metadata;
use crate::engine::pax;
use crate::whiteout;
use anyhow::{Context, Result, bail};
use console::failure::Failure;
use nix::sys::stat::SFlag;
use nix::sys::time::TimeSpec;
use std::ffi::CString;
use tar::Header;

/// What an entry makes; none if it is one more name of a file. Old archives say it by the name.
pub(crate) fn kind(header: &Header, name: &[u8]) -> Result<Option<SFlag>> {
    Ok(Some(match header.as_old().linkflag[0] {
        // Before there were kinds, a name said it.
        0 if name.ends_with(b"/") => SFlag::S_IFDIR,
        0 | b'0' | b'7' | b'S' => SFlag::S_IFREG,
        b'1' => return Ok(None),
        b'2' => SFlag::S_IFLNK,
        b'3' => SFlag::S_IFCHR,
        b'4' => SFlag::S_IFBLK,
        b'5' => SFlag::S_IFDIR,
        b'6' => SFlag::S_IFIFO,
        other => {
            let words = format!("an entry of the kind {:?}", char::from(other));
            return Err(Failure::new(words).remedy("make the archive anew, with tar(1)").into());
        }
    }))
}

/// What an entry says about it, by pax records before its header.
pub(crate) fn metadata(header: &Header, records: &[pax::Record]) -> Result<Metadata> {
    let old = header.as_old();
    let mut owner = (number(&old.uid)?, number(&old.gid)?);
    let mode = number(&old.mode)? as u32 & 0o7777;
    let mut mtime = TimeSpec::new(signed_number(&old.mtime)?, 0);
    let mut xattrs: Vec<(CString, Vec<u8>)> = Vec::new();
    for (key, value) in records {
        match *key {
            b"uid" if !value.is_empty() => owner.0 = pax::number(value)?,
            b"gid" if !value.is_empty() => owner.1 = pax::number(value)?,
            b"mtime" if !value.is_empty() => mtime = pax::time(value)?,
            key => {
                let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { continue };
                let name = CString::new(name).context("the name of an attribute")?;
                if !whiteout::is_overlays(&name) {
                    // The last one counts.
                    xattrs.retain(|(other, _)| *other != name);
                    xattrs.push((name, value.to_vec()));
                }
            }
        }
    }
    // The highest number stands for nobody in particular, and chown(2) would do nothing.
    let id = |id: u64| match u32::try_from(id) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => bail!("an owner or group {id}, which is more than a number of an account can be"),
    };
    Ok(Metadata { uid: id(owner.0)?, gid: id(owner.1)?, mode, mtime, xattrs })
}

/// Its major and minor number.
pub(crate) fn device(header: &Header) -> Result<(u64, u64)> {
    // In a header of before ustar there is no such field.
    let ustar = header.as_ustar().map(|ustar| (&ustar.dev_major, &ustar.dev_minor));
    let gnu = header.as_gnu().map(|gnu| (&gnu.dev_major, &gnu.dev_minor));
    let (major, minor) = ustar.or(gnu).context("a device without a number")?;
    Ok((number(major)?, number(minor)?))
}

/// How much content follows.
pub(crate) fn size(header: &Header) -> Result<u64> {
    number(&header.as_old().size).context("its size")
}

/// A number that cannot be negative.
pub(crate) fn number(field: &[u8]) -> Result<u64> {
    let number = signed_number(field)?;
    let negative = || format!("{number} in a header, where nothing is below zero");
    u64::try_from(number).ok().with_context(negative)
}

/// Octal digits; or, if the first bit says so, a number in base 256. A field left empty is 0.
pub(crate) fn signed_number(field: &[u8]) -> Result<i64> {
    if field[0] & 0x80 != 0 {
        // Its second bit is the sign.
        let first = i128::from(((field[0] << 1) as i8) >> 1);
        let number = field[1..].iter().fold(first, |all, byte| all << 8 | i128::from(*byte));
        return i64::try_from(number).ok().context("a number in a header is too large");
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let text = field.iter().skip_while(|byte| blank(byte)).take_while(|byte| !blank(byte));
    let text: String = text.copied().map(char::from).collect();
    if text.is_empty() {
        return Ok(0);
    }
    let number = (!text.starts_with(['+', '-'])).then(|| i64::from_str_radix(&text, 8).ok());
    number.flatten().with_context(|| format!("{text:?} in a header is no octal number"))
}
