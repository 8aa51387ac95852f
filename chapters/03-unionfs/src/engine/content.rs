//! The content of a regular file, from wherever to a new file. What is zero becomes a hole: it is not
//! written, and takes no room on the disk.

use crate::engine::archive::{Archive, Entry};
use anyhow::{Context, Result};
use console::failure::Failure;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

/// So much is looked at for being zero: less would make files of many pieces.
const BLOCK: usize = 64 << 10;

/// Unpacks an entry of an archive.
pub fn unpack(
    archive: &mut Archive<impl Read>,
    entry: &Entry,
    at: impl AsFd,
    name: &OsStr,
) -> Result<()> {
    let mut file = create(at, name)?;
    for piece in &entry.pieces {
        file.seek(SeekFrom::Start(piece.start)).with_context(|| too_large(entry.size))?;
        write(&mut archive.take(piece.end - piece.start), &mut file)?;
    }
    end(&file, entry.size)
}

/// Copies all that a reader gives into a new file.
pub fn copy(from: &mut impl Read, at: impl AsFd, name: &OsStr) -> Result<()> {
    let mut file = create(at, name)?;
    let size = write(from, &mut file)?;
    end(&file, size)
}

fn create(at: impl AsFd, name: &OsStr) -> io::Result<File> {
    let how =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(at, name, how, Mode::S_IRUSR | Mode::S_IWUSR)?))
}

/// Writes from where the file is now, except for blocks of zeros; returns how much there was.
fn write(from: &mut impl Read, file: &mut File) -> Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut size = 0;
    loop {
        let length = fill(from, &mut block)?;
        if length == 0 {
            return Ok(size);
        }
        if length == BLOCK && block.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(length as i64)).context("seek")?;
        } else {
            file.write_all(&block[..length]).context("write")?;
        }
        size += length as u64;
    }
}

/// A hole at the end is none until the file is as long as it.
fn end(file: &File, size: u64) -> Result<()> {
    if file.metadata()?.len() != size {
        file.set_len(size).with_context(|| too_large(size))?;
    }
    Ok(())
}

/// Holes cost an archive nothing: it may tell of files that are larger than any can be here.
fn too_large(size: u64) -> Failure {
    let failure = Failure::new(format!("a file of {size} bytes"));
    failure.remedy("do not trust this archive, or name another place for our files with --root")
}

/// Reads until the buffer is full, or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(length)
}
