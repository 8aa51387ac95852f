//! Chapter 03 from outside: each test is a shell session with the built binary, and what it claims is checked against the
//! kernel's own files, and against skopeo and umoci where they are installed. `MINIDOCK_BIN_03=/path/to/yours` puts another
//! binary to the same test.

mod background;
mod bad_input;
mod changes;
mod commit;
mod copying;
mod detached;
mod docker;
mod driver;
mod ending;
mod explain;
mod foreground;
mod images;
mod lab_box;
mod life;
mod overlay;
mod together;
mod umoci;
mod views;

use std::path::Path;

use testkit::{Program, oci, random_token};

/// `minidock-03 WORDS…` with its files in this place.
fn minidock(root: &Path, words: &str) -> Program {
    testkit::chapter(3).state(root).words(words)
}

/// The host's mount table.
fn mountinfo() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted")
}

/// A number from `least` to `least + span`, that no answer can have been written for.
fn random(least: u64, span: u64) -> u64 {
    least + u64::from_str_radix(&random_token(), 16).expect("it is hexadecimal") % (span + 1)
}
