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
use std::path::{Path, PathBuf};
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
    let most = record.settings.log.max_file.max(1);
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
    let first = match count {
        None => after(&directory, most, None)?,
        Some(count) => {
            let paths = numbers(&directory, most).map(|number| log::path(&directory, number));
            last(paths, count)?
        }
    };
    show(&directory, most, first, &wanted, options.follow)?;
    Ok(0)
}

/// The numbers of a log's files, the newest first. While they are renamed, one at a time is missing.
fn numbers(directory: &Path, most: u32) -> impl Iterator<Item = u32> {
    let there = |number| log::path(directory, number).exists();
    (0..most).take_while(move |number| there(*number) || there(number + 1))
}

fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(PIECE as usize, file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The file in which the last `count` lines begin, read to there. Found from the end: a log may be larger
/// than memory.
fn last(
    newest_first: impl Iterator<Item = PathBuf>,
    count: usize,
) -> Result<Option<BufReader<File>>> {
    let (mut left, mut first) = (count, None);
    for path in newest_first {
        let Some(mut file) = open(&path)? else { continue };
        let length = file.get_ref().metadata()?.len();
        let mut end = length;
        if left == 0 {
            file.seek(SeekFrom::Start(end))?;
            return Ok(Some(file));
        }
        while end > 0 {
            let begin = end.saturating_sub(PIECE);
            file.seek(SeekFrom::Start(begin))?;
            let mut piece = vec![0; (end - begin) as usize];
            file.read_exact(&mut piece)?;
            for (at, byte) in piece.iter().enumerate().rev() {
                let at = begin + at as u64;
                // The newline that ends the file begins no line.
                if *byte == b'\n' && at + 1 < length {
                    left -= 1;
                    if left == 0 {
                        file.seek(SeekFrom::Start(at + 1))?;
                        return Ok(Some(file));
                    }
                }
            }
            end = begin;
        }
        file.rewind()?;
        left -= usize::from(length > 0);
        first = Some(file);
        if left == 0 {
            break;
        }
    }
    Ok(first)
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
            to.extend_from_slice(moment::fixed(&entry.time).as_bytes());
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

/// Prints a file from here on, and those that were begun after it; whoever follows, until the container
/// has ended.
fn show(
    directory: &Path,
    most: u32,
    mut current: Option<BufReader<File>>,
    wanted: &Wanted,
    follows: bool,
) -> Result<()> {
    let mut left = most;
    loop {
        // Asked first: what it wrote before it ended is there then.
        let ended = !follows || !directory.exists() || Held::of(directory)?.is_some();
        let next = after(directory, most, current.as_ref())?;
        if let Some(file) = &mut current
            && !print(file, wanted)?
        {
            return Ok(());
        }
        // Who does not follow is not kept by one that writes faster than this.
        left -= u32::from(!follows && next.is_some());
        if next.is_some() && left > 0 {
            // Nothing more is written into the one before.
            current = next;
        } else if ended {
            return Ok(());
        } else {
            std::thread::sleep(PAUSE);
        }
    }
}

/// The file that was begun after this one; the oldest, if this one is gone. None if it is the newest. A
/// file is renamed from each number to the next: looked for in this order, none is missed.
fn after(
    directory: &Path,
    most: u32,
    current: Option<&BufReader<File>>,
) -> Result<Option<BufReader<File>>> {
    let path = |number| log::path(directory, number);
    let inode = current.map(|file| file.get_ref().metadata()).transpose()?.map(|file| file.ino());
    let is_current = |number: &u32| {
        std::fs::metadata(path(*number)).is_ok_and(|found| Some(found.ino()) == inode)
    };
    while let Some(number) = numbers(directory, most).find(is_current) {
        let Some(newer) = number.checked_sub(1) else { return Ok(None) };
        let next = open(&path(newer))?;
        // Had they been renamed in between, it would be the one after the next.
        if is_current(&number) {
            return Ok(next);
        }
    }
    let mut oldest = None;
    for number in numbers(directory, most) {
        oldest = open(&path(number))?.or(oldest);
    }
    Ok(oldest)
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
        let [old, new] = ["old", "new"].map(|name| dir.path().join(name));
        fs::write(&old, "1\n22\n333\n").unwrap();
        fs::write(&new, "4\n55\n").unwrap();
        let files = [old, new];
        let found = |count| {
            let mut text = String::new();
            last(files.iter().rev().cloned(), count)
                .unwrap()
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        };
        assert_eq!(found(0), "");
        assert_eq!(found(1), "55\n");
        assert_eq!(found(2), "4\n55\n");
        // Those of later files follow.
        assert_eq!(found(3), "333\n");
        assert_eq!(found(5), "1\n22\n333\n");
        assert_eq!(found(9), "1\n22\n333\n");
        assert!(last([].into_iter(), 3).unwrap().is_none());
    }

    #[test]
    fn moments_are_absolute_or_ago() {
        assert!(moment_of("10m").unwrap() < moment_of("9m").unwrap());
        assert_eq!(moment_of("5").unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
        assert!(moment_of("2026-11-20").unwrap() < moment_of("2026-11-20T00:00:01Z").unwrap());
        assert!(moment_of("").is_err() && moment_of("x").is_err());
    }
}
