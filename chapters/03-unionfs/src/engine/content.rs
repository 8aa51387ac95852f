//! The content of a regular file, from wherever to a new file. What is zero becomes a hole: it is not
//! written, and takes no room on the disk. What is a hole already is not even read.

use crate::engine::archive::{Archive, Entry};
use crate::engine::interrupted;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Whence, lseek};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
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
    unpack_into(archive, entry, &mut create(at, name)?).map(drop)
}

/// The same into a file that is open and empty; returns its size.
pub fn unpack_into(
    archive: &mut Archive<impl Read>,
    entry: &Entry,
    file: &mut File,
) -> Result<u64> {
    for piece in &entry.pieces {
        file.seek(SeekFrom::Start(piece.start)).with_context(|| too_large(entry.size))?;
        write(&mut archive.take(piece.end - piece.start), file)?;
    }
    end(file, entry.size)?;
    Ok(entry.size)
}

/// Copies a file into a new one. A few bytes may stand in a file that is larger than
/// any disk, and to read all of that would take hours.
pub fn copy(from: &File, at: impl AsFd, name: &OsStr) -> Result<()> {
    copy_into(from, &mut create(at, name)?).map(drop)
}

/// The same into a file that is open and empty; returns its size.
pub fn copy_into(mut from: &File, file: &mut File) -> Result<u64> {
    let size = from.metadata()?.len();
    let mut done = 0;
    while let Some(piece) = next_piece(from, done)? {
        file.seek(SeekFrom::Start(piece.start)).context("seek")?;
        from.seek(SeekFrom::Start(piece.start)).context("seek")?;
        // Whoever writes to it meanwhile does not keep us here for ever.
        write(&mut from.take(piece.end.min(size).saturating_sub(piece.start)), file)?;
        done = piece.end;
    }
    end(file, size)?;
    Ok(size)
}

/// Where the next content of a file is, from here on; none if there are only holes (lseek(2)).
fn next_piece(file: &File, from: u64) -> Result<Option<Range<u64>>> {
    let seek = |from, whence| lseek(file, from, whence);
    let piece = seek(from as i64, Whence::SeekData)
        .and_then(|start| Ok(start as u64..seek(start, Whence::SeekHole)? as u64));
    match piece {
        Err(Errno::ENXIO) => Ok(None),
        piece => piece.map(Some).context("look for holes"),
    }
}

/// Makes an empty file that nobody else may read, where nothing is of that name.
pub fn create(at: impl AsFd, name: &OsStr) -> io::Result<File> {
    let how =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(at, name, how, Mode::S_IRUSR | Mode::S_IWUSR)?))
}

/// Writes from where the file is now, except for blocks of zeros; returns how much there was.
fn write(from: &mut impl Read, file: &mut File) -> Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut size = 0;
    loop {
        interrupted::refuse()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use console::failure::Failure;
    use nix::sys::signal::{SigSet, Signal, raise};

    #[test]
    fn a_signal_that_waits_ends_a_copy_between_its_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let (at, file) = (File::open(dir.path()).unwrap(), tempfile::tempfile().unwrap());
        (&file).write_all(&[b'x'; 3 * BLOCK]).unwrap();
        let copy = |name: &str| copy(&file, &at, OsStr::new(name));
        copy("whole").unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("whole")).unwrap().len(), 3 * BLOCK as u64);
        let signal: SigSet = [Signal::SIGTERM].into_iter().collect();
        signal.thread_block().unwrap();
        raise(Signal::SIGTERM).unwrap();
        let stopped = copy("stopped").unwrap_err();
        assert_eq!(signal.wait(), Ok(Signal::SIGTERM));
        let failure = stopped.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.code, Some(143));
        assert!(failure.message.contains("stopped by SIGTERM"), "{failure}");
    }
}
