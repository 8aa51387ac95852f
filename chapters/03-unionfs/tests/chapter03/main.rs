//! Chapter 03 from outside: each test is a shell session with the built binary, and what it claims is checked against the
//! kernel's own files, and against skopeo and umoci where they are installed. `MINIDOCK_BIN_03=/path/to/yours` puts another
//! binary to the same test.

mod images;
mod oci;
mod umoci;

use std::path::Path;

use testkit::Program;

/// `minidock-03 WORDS…` with its files in this place.
fn minidock(root: &Path, words: &str) -> Program {
    testkit::chapter(3).state(root).words(words)
}
