//! The files of a container's log, one after the other. Whoever writes it gives all of them other names
//! whenever it begins a new one, so that a name says nothing from one look to the next: an open file is
//! known by its inode.

use crate::engine::log;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How much is read in one go.
pub(crate) const PIECE: u64 = 64 << 10;

/// The numbers of a log's files. While they are given other names, one is missing.
pub(crate) fn numbers(directory: &Path) -> impl Iterator<Item = u32> {
    let exists = |number| log::path(directory, number).exists();
    (0..).take_while(move |number| exists(*number) || exists(*number + 1))
}

/// The oldest file of a log.
pub(crate) fn oldest(directory: &Path) -> Result<Option<BufReader<File>>> {
    loop {
        let Some(last) = numbers(directory).last() else { return Ok(None) };
        let file = open(&log::path(directory, last))?;
        if file.is_some() && !log::path(directory, last + 1).exists() {
            return Ok(file);
        }
    }
}

/// Steps to the file beside one.
pub(crate) const NEWER: i32 = -1;
const OLDER: i32 = 1;

/// The file that was begun after another one, or before it, whatever they are called by now; the oldest,
/// if that one is gone.
pub(crate) fn beside(directory: &Path, file: &File, step: i32) -> Result<Option<BufReader<File>>> {
    loop {
        let Some(number) = number_of(directory, file)? else { return oldest(directory) };
        let Some(other) = number.checked_add_signed(step) else { return Ok(None) };
        let opened = open(&log::path(directory, other))?;
        // Otherwise all of them have got other names meanwhile.
        if number_of(directory, file)? == Some(number) {
            return Ok(opened);
        }
    }
}

/// The number that a file has at this moment.
fn number_of(directory: &Path, file: &File) -> Result<Option<u32>> {
    let own = file.metadata()?;
    let is_it = |number: &u32| {
        let found = std::fs::metadata(log::path(directory, *number));
        found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
    };
    Ok(numbers(directory).find(is_it))
}

fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(PIECE as usize, file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The file in which the last `count` lines begin, at that place. Found from the end: a log may be
/// larger than memory.
pub(crate) fn last_lines(directory: &Path, count: usize) -> Result<Option<BufReader<File>>> {
    let newest =
        numbers(directory).find_map(|number| open(&log::path(directory, number)).transpose());
    let Some(mut file) = newest.transpose()? else { return Ok(None) };
    let mut left = count;
    loop {
        let begin = beginning_of_last(file.get_mut(), &mut left)?;
        if left > 0
            && number_of(directory, file.get_ref())?.is_some()
            && let Some(older) = beside(directory, file.get_ref(), OLDER)?
        {
            file = older;
            continue;
        }
        file.seek(SeekFrom::Start(begin))?;
        return Ok(Some(file));
    }
}

/// Where in a file the last lines begin; takes those that it has from how many are left to find.
fn beginning_of_last(file: &mut File, left: &mut usize) -> Result<u64> {
    let length = file.metadata()?.len();
    if *left == 0 {
        return Ok(length);
    }
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(begin))?;
        let mut piece = vec![0; (end - begin) as usize];
        file.read_exact(&mut piece)?;
        for (at, byte) in piece.iter().enumerate().rev() {
            let at = begin + at as u64;
            // The newline that ends the file begins no line.
            if *byte == b'\n' && at + 1 < length {
                *left -= 1;
                if *left == 0 {
                    return Ok(at + 1);
                }
            }
        }
        end = begin;
    }
    *left -= usize::from(length > 0);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::BufRead;

    #[test]
    fn the_last_lines_are_found_from_the_end_over_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(log::path(dir.path(), 1), "1\n22\n333\n").unwrap();
        fs::write(log::path(dir.path(), 0), "4\n55\n").unwrap();
        let found = |count| {
            let mut file = last_lines(dir.path(), count).unwrap().unwrap();
            let number = number_of(dir.path(), file.get_ref()).unwrap().unwrap();
            (number, file.stream_position().unwrap())
        };
        assert_eq!(found(0), (0, 5));
        assert_eq!(found(1), (0, 2));
        assert_eq!(found(2), (0, 0));
        assert_eq!(found(3), (1, 5));
        assert_eq!(found(5), (1, 0));
        assert_eq!(found(9), (1, 0));
    }

    #[test]
    fn a_file_is_followed_by_the_next_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let path = |number| log::path(dir.path(), number);
        fs::write(path(0), "1\n").unwrap();
        let first = oldest(dir.path()).unwrap().unwrap();
        assert!(beside(dir.path(), first.get_ref(), NEWER).unwrap().is_none());
        fs::rename(path(0), path(2)).unwrap();
        fs::write(path(1), "2\n").unwrap();
        // The newest is about to be made.
        let mut next = beside(dir.path(), first.get_ref(), NEWER).unwrap().unwrap();
        let mut line = String::new();
        next.read_line(&mut line).unwrap();
        assert_eq!(line, "2\n");
        assert!(beside(dir.path(), next.get_ref(), NEWER).unwrap().is_none());
        fs::remove_file(path(2)).unwrap();
        let oldest = beside(dir.path(), first.get_ref(), NEWER).unwrap().unwrap();
        assert_eq!(number_of(dir.path(), oldest.get_ref()).unwrap(), Some(1));
    }
}
