//! The content of a regular file, from wherever to a new file. What is zero becomes a hole: it is not
//! written, and takes no room on the disk.

use anyhow::{Context, Result};
use console::failure::Failure;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

/// So much is looked at for being zero: less would make files of many pieces.
const BLOCK: usize = 64 << 10;
const ZEROS: &[u8] = &[0; BLOCK];

/// A sparse file takes no room in an archive, and time to unpack. This is a lastlog of all user ids.
const LARGEST_SPARSE: u64 = 2 << 40;

/// Unpacks an entry of an archive; returns its size.
pub fn unpack(entry: &mut tar::Entry<impl Read>, at: impl AsFd, name: &OsStr) -> Result<u64> {
    let size = entry.size();
    if entry.header().entry_type().is_gnu_sparse() && size > LARGEST_SPARSE {
        let words = format!("a sparse file of {} TiB: all of it would have to be read", size >> 40);
        return Err(Failure::new(words).remedy("make the archive anew, without it").into());
    }
    let copied = copy(entry, at, name)?;
    if copied < size {
        let words = format!("the archive ends in the middle of it, after {copied} of {size} bytes");
        return Err(Failure::new(words).remedy("fetch it, or make it, anew").into());
    }
    Ok(copied)
}

/// Copies all that a reader gives into a new file; returns how much that was.
pub fn copy(from: &mut impl Read, at: impl AsFd, name: &OsStr) -> Result<u64> {
    let how =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(at, name, how, Mode::S_IRUSR | Mode::S_IWUSR)?);
    let mut block = vec![0; BLOCK];
    let mut size = 0;
    let mut ends_in_hole = false;
    loop {
        let length = fill(from, &mut block)?;
        if length == 0 {
            break;
        }
        ends_in_hole = block[..length] == ZEROS[..];
        if ends_in_hole {
            file.seek(SeekFrom::Current(length as i64)).context("seek")?;
        } else {
            file.write_all(&block[..length]).context("write")?;
        }
        size += length as u64;
    }
    if ends_in_hole {
        file.set_len(size).context("its size")?;
    }
    Ok(size)
}

/// Reads until the buffer is full, or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read"),
        }
    }
    Ok(length)
}
