//! `logs`: what a container has written, from the files that its shim keeps.

use crate::container::Held;
use crate::engine::log::{self, Entry, Stream};
use crate::engine::store::Store;
use crate::engine::{moment, records};
use anyhow::{Context, Result};
use console::failure::Failure;
use console::options::Global;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// From one look for more to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// How much is read in one go, from the end.
const PIECE: u64 = 64 << 10;

/// Options of `logs`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Go on with what it writes
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines, or all
    #[arg(
        short = 'n',
        long,
        value_name = "LINES",
        default_value = "all",
        allow_hyphen_values = true
    )]
    tail: String,
    /// Say when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// What was written after this moment (2026-11-20T15:31:41Z), or in the last 10m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// What was written before this moment, or longer ago than 10m
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// What is wanted of each line.
struct Wanted {
    timestamps: bool,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

/// Prints the log; returns the exit code.
pub fn logs(options: &Options, global: &Global) -> Result<u8> {
    let root = Store::outside(global)?.root;
    let record = records::find(&root, &options.container)?;
    let directory = record.directory(&root);
    let time = |text: &Option<String>| text.as_deref().map(moment_of).transpose();
    let wanted = Wanted {
        timestamps: options.timestamps,
        since: time(&options.since)?,
        until: time(&options.until)?,
    };
    // Negative, as in Docker: all.
    let count = match &*options.tail {
        "all" => None,
        text => match text.parse::<i64>() {
            Ok(count) => usize::try_from(count).ok(),
            Err(_) => {
                let failure = Failure::new(format!("invalid value for \"tail\": {text:?}"));
                return Err(failure.remedy("a number of lines, or all").code(1).into());
            }
        },
    };
    let mut current = match count {
        None => oldest(&directory)?,
        Some(count) => last_lines(&directory, count)?,
    };
    // Whoever writes faster than we read is not run after for ever.
    for _ in 0..=numbers(&directory).count() {
        let Some(file) = &mut current else { break };
        if !print(file, &wanted)? {
            return Ok(0);
        }
        match beside(&directory, file.get_ref(), NEWER)? {
            Some(newer) => {
                // It was written to until the newer one was begun.
                if !print(file, &wanted)? {
                    return Ok(0);
                }
                current = Some(newer);
            }
            None => break,
        }
    }
    if options.follow {
        follow(&directory, current, &wanted)?;
    }
    Ok(0)
}

/// The numbers of a log's files. While they are given other names, one is missing.
fn numbers(directory: &Path) -> impl Iterator<Item = u32> {
    let exists = |number| log::path(directory, number).exists();
    (0..).take_while(move |number| exists(*number) || exists(*number + 1))
}

/// The oldest file of a log.
fn oldest(directory: &Path) -> Result<Option<BufReader<File>>> {
    loop {
        let Some(last) = numbers(directory).last() else { return Ok(None) };
        let file = open(&log::path(directory, last))?;
        if file.is_some() && !log::path(directory, last + 1).exists() {
            return Ok(file);
        }
    }
}

const NEWER: i32 = -1;
const OLDER: i32 = 1;

/// The file that was begun after another one, or before it, whatever they are called by now; the oldest,
/// if that one is gone.
fn beside(directory: &Path, file: &File, step: i32) -> Result<Option<BufReader<File>>> {
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
fn last_lines(directory: &Path, count: usize) -> Result<Option<BufReader<File>>> {
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

/// Prints what is whole in a file from here on; false if nobody wants more.
fn print(file: &mut BufReader<File>, wanted: &Wanted) -> Result<bool> {
    let (mut line, mut out, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        line.clear();
        let length = file.read_until(b'\n', &mut line)?;
        if length == 0 || !line.ends_with(b"\n") {
            // It is being written.
            file.seek_relative(-(length as i64))?;
            return offer(&mut out, &mut errors);
        }
        // A damaged one, as after a loss of power, is one line less.
        let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { continue };
        let moment = wanted.since.or(wanted.until).and_then(|_| moment::parse(&entry.time));
        if let (Some(since), Some(moment)) = (wanted.since, moment)
            && moment < since
        {
            continue;
        }
        if let (Some(until), Some(moment)) = (wanted.until, moment)
            && moment > until
        {
            offer(&mut out, &mut errors)?;
            return Ok(false);
        }
        // In the order in which they were written, on one terminal or two streams.
        let (to, other) = match entry.stream {
            Stream::Stdout => (&mut out, &mut errors),
            Stream::Stderr => (&mut errors, &mut out),
        };
        let full = to.len() > PIECE as usize;
        if wanted.timestamps {
            to.extend_from_slice(entry.time.as_bytes());
            to.push(b' ');
        }
        to.extend_from_slice(entry.text.as_bytes());
        if (full || !other.is_empty()) && !offer(&mut out, &mut errors)? {
            return Ok(false);
        }
    }
}

/// Of the two, the one that came first is never behind the other.
fn offer(out: &mut Vec<u8>, errors: &mut Vec<u8>) -> Result<bool> {
    let wanted = console::offer(&*out)?;
    out.clear();
    // A closed standard error leaves nowhere to say it.
    let _said = std::io::stderr().write_all(errors);
    errors.clear();
    Ok(wanted)
}

/// Prints what comes, until the container has ended.
fn follow(directory: &Path, mut current: Option<BufReader<File>>, wanted: &Wanted) -> Result<()> {
    loop {
        // Asked first: what it wrote before it ended is there then.
        let ended = !directory.exists() || Held::look(directory)?.is_some();
        if let Some(file) = &mut current
            && !print(file, wanted)?
        {
            return Ok(());
        }
        let newer = match &current {
            Some(file) => beside(directory, file.get_ref(), NEWER)?,
            None => oldest(directory)?,
        };
        if let Some(newer) = newer {
            // The one before is read to its end.
            if let Some(mut file) = current.replace(newer)
                && !print(&mut file, wanted)?
            {
                return Ok(());
            }
            continue;
        }
        if ended {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

/// A moment, or how long ago.
fn moment_of(text: &str) -> Result<SystemTime> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        SystemTime::now().checked_sub(Duration::from_secs(number.parse::<u64>().ok()? * factor))
    };
    let seconds = || {
        let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0)?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    };
    let midnight = || moment::parse(&format!("{text}T00:00:00Z"));
    moment::parse(text).or_else(ago).or_else(seconds).or_else(midnight).ok_or_else(|| {
        let failure = Failure::new(format!("invalid value for a moment: {text:?}"));
        failure.remedy("write 2026-11-20T15:31:41Z, or 10m").code(1).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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

    #[test]
    fn moments_are_absolute_or_ago() {
        assert!(moment_of("10m").unwrap() < moment_of("9m").unwrap());
        assert_eq!(moment_of("5").unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
        assert!(moment_of("2026-11-20").unwrap() < moment_of("2026-11-20T00:00:01Z").unwrap());
        assert!(moment_of("").is_err() && moment_of("x").is_err());
    }
}
