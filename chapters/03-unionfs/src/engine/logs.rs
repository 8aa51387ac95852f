//! `logs`: what a container has written, from the files that its shim keeps.

use crate::container::Held;
use crate::engine::log::{Entry, Stream};
use crate::engine::log_files::{NEWER, PIECE, beside, last_lines, numbers, oldest};
use crate::engine::store::Store;
use crate::engine::{moment, records};
use anyhow::Result;
use console::failure::Failure;
use console::options::Global;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// From one look for more to the next.
const PAUSE: Duration = Duration::from_millis(20);

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

    #[test]
    fn moments_are_absolute_or_ago() {
        assert!(moment_of("10m").unwrap() < moment_of("9m").unwrap());
        assert_eq!(moment_of("5").unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
        assert!(moment_of("2026-11-20").unwrap() < moment_of("2026-11-20T00:00:01Z").unwrap());
        assert!(moment_of("").is_err() && moment_of("x").is_err());
    }
}
