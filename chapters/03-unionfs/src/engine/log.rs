//! A container's output as it is kept: a line of JSON for each line that it wrote, with the stream that
//! it came on and when, as Docker's json-file has it.

use crate::engine::rotation::Rotation;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A longer line is kept in pieces, as Docker does it.
const LONGEST: usize = 16 << 10;

/// Which of its streams something was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or its terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of the log.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// What was written, with the newline that ended it, if one did.
    #[serde(rename = "log")]
    pub text: String,
    /// Where to.
    pub stream: Stream,
    /// When, as in RFC 3339.
    pub time: String,
}

/// A log that is being written.
pub struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    rotation: Rotation,
    /// The line that each stream is in the middle of.
    begun: [Vec<u8>; 2],
    /// Bytes that could not be kept, as the disk was full.
    lost: usize,
}

impl Log {
    /// The log in a container's directory; goes on with the one that is there.
    pub fn open(directory: &Path, rotation: Rotation) -> Result<Log> {
        let path = path(directory, 0);
        let file = create(&path)?;
        let size = file.metadata()?.len();
        Ok(Log { path, file, size, rotation, begun: [Vec::new(), Vec::new()], lost: 0 })
    }

    /// Keeps what was written to a stream, line by line.
    pub fn keep(&mut self, stream: Stream, bytes: &[u8], now: &str) {
        let mut lines = Vec::new();
        let begun = &mut self.begun[stream as usize];
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in line.chunks(LONGEST) {
                begun.extend_from_slice(piece);
                if begun.ends_with(b"\n") || begun.len() >= LONGEST {
                    write_entry(&mut lines, stream, begun, now);
                    begun.clear();
                }
            }
        }
        self.write(&lines);
    }

    /// Keeps the line that each stream has ended in the middle of.
    pub fn finish(&mut self, now: &str) {
        let mut lines = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = std::mem::take(&mut self.begun[stream as usize]);
            if !begun.is_empty() {
                write_entry(&mut lines, stream, &begun, now);
            }
        }
        self.write(&lines);
    }

    /// Writes lines into this file and, when that is full, into the next.
    fn write(&mut self, mut lines: &[u8]) {
        while !lines.is_empty() {
            let (here, rest) = match self.rotation.max_size {
                Some(most) => lines.split_at(until_full(lines, most.saturating_sub(self.size))),
                None => (lines, &[][..]),
            };
            if here.is_empty() && self.rotate().is_err() {
                self.lost += lines.len();
                return;
            }
            self.append(here);
            lines = rest;
        }
    }

    /// What cannot be written is counted: a container does not stop because a disk is full, and
    /// whoever reads its log is told.
    fn append(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let mut text = Vec::new();
        if self.lost > 0 {
            let words = format!("[minidock: {} bytes of output could not be kept]\n", self.lost);
            write_entry(&mut text, Stream::Stderr, words.as_bytes(), &super::moment::now());
        }
        let all = if text.is_empty() {
            lines
        } else {
            text.extend_from_slice(lines);
            &text
        };
        match self.file.write_all(all) {
            Ok(()) => {
                self.size += all.len() as u64;
                self.lost = 0;
            }
            Err(_) => {
                // Half a line would be read as a damaged one. What cannot be cut is read so.
                let _cut = self.file.set_len(self.size);
                self.lost += lines.len();
            }
        }
    }

    /// Begins a new file; the oldest one goes.
    fn rotate(&mut self) -> Result<()> {
        let directory = self.path.parent().context("it lies in a directory")?;
        let last = self.rotation.max_file.saturating_sub(1);
        let are = (0..last).take_while(|number| path(directory, *number).exists()).count();
        for number in (0..last).take(are).rev() {
            fs::rename(path(directory, number), path(directory, number + 1))?;
        }
        if last == 0 {
            fs::remove_file(&self.path)?;
        }
        self.file = create(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

/// How much of these lines goes into a file that has so much room: a line more than fits.
fn until_full(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    match room.checked_sub(1) {
        None => 0,
        Some(last) => {
            let rest = lines[last..].iter().position(|byte| *byte == b'\n');
            rest.map_or(lines.len(), |length| last + length + 1)
        }
    }
}

/// The file of this number, of which 0 is the newest.
pub fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(match number {
        0 => "log.jsonl".into(),
        number => format!("log.jsonl.{number}"),
    })
}

fn create(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.with_context(|| path.display().to_string())
}

fn write_entry(to: &mut Vec<u8>, stream: Stream, text: &[u8], time: &str) {
    to.extend_from_slice(b"{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(to, chunk.valid());
        if !chunk.invalid().is_empty() {
            to.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    to.extend_from_slice(format!("\",\"stream\":\"{name}\",\"time\":\"{time}\"}}\n").as_bytes());
}

/// A text inside the quotes of JSON (RFC 8259, section 7). What needs no escape is most of it.
fn escape(to: &mut Vec<u8>, text: &str) {
    let needs = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(needs) {
        to.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => to.extend_from_slice(b"\\n"),
            b'"' => to.extend_from_slice(b"\\\""),
            b'\\' => to.extend_from_slice(b"\\\\"),
            byte => to.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    to.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(directory: &Path, number: u32) -> Vec<Entry> {
        let text = fs::read_to_string(path(directory, number)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_kept_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), Rotation::default()).unwrap();
        log.keep(Stream::Stdout, b"one\nt\xffw\"o\\\t", "T1");
        log.keep(Stream::Stderr, b"three\n", "T2");
        log.keep(Stream::Stdout, "\u{e9}\n".as_bytes(), "T3");
        log.keep(Stream::Stdout, b"the end", "T4");
        log.finish("T5");
        let entries = entries(dir.path(), 0);
        let texts: Vec<&str> = entries.iter().map(|entry| &*entry.text).collect();
        assert_eq!(texts, ["one\n", "three\n", "t\u{fffd}w\"o\\\t\u{e9}\n", "the end"]);
        let times: Vec<&str> = entries.iter().map(|entry| &*entry.time).collect();
        assert_eq!(times, ["T1", "T2", "T3", "T5"]);
        assert_eq!(entries[1].stream, Stream::Stderr);
    }

    #[test]
    fn a_long_line_is_kept_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), Rotation::default()).unwrap();
        let line = [vec![b'x'; LONGEST + 5], b"\n".to_vec()].concat();
        log.keep(Stream::Stdout, &line, "T");
        let lengths: Vec<usize> =
            entries(dir.path(), 0).iter().map(|entry| entry.text.len()).collect();
        assert_eq!(lengths, [LONGEST, 6]);
    }

    #[test]
    fn so_many_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation { max_size: Some(100), max_file: 3 };
        let mut log = Log::open(dir.path(), rotation).unwrap();
        for n in 0..20 {
            log.keep(Stream::Stdout, format!("line {n}\n").as_bytes(), "2026-11-20T15:31:41Z");
        }
        let all: Vec<String> =
            (0..3).rev().flat_map(|n| entries(dir.path(), n)).map(|entry| entry.text).collect();
        assert!(!path(dir.path(), 3).exists());
        assert_eq!(all.last().unwrap(), "line 19\n");
        let first = 20 - all.len();
        assert_eq!(all[0], format!("line {first}\n"));
        assert!((4..8).contains(&all.len()), "{all:?}");
    }
}
