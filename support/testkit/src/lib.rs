//! The test builder that every chapter uses: a test reads as a shell session against the built binary,
//! and what it claims is checked against what the kernel says in /proc.
//!
//! `chapter(1).words("run lab /probe true").run().success()` is a whole test.

mod binary;
pub mod cgroup;
pub mod host;
pub mod oci;
mod output;
mod program;
mod rootdir;
mod running;
mod skip;
mod state;
pub mod story;
mod terminal;

pub use binary::binary;
pub use output::Output;
pub use program::{Program, chapter, outer, program};
pub use rootdir::RootDir;
pub use running::Running;
pub use skip::{here_or_skip, is_root, peer, root_or_skip, skip};
pub use state::{fresh_root, scratch, shared_root};
pub use terminal::Terminal;

use std::io::Read;
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails: far longer than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Sixteen random hexadecimal digits: names and values that no answer can have been written for.
pub fn random_token() -> String {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .expect("/dev/urandom gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks again and again until `look` finds something; after [`PATIENCE`] the test fails and says what it waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match wait_at_most(PATIENCE, look) {
        Some(found) => found,
        None => panic!("waited {} s for {what}", PATIENCE.as_secs()),
    }
}

/// The same with a limit of the caller's and without the panic.
pub fn wait_at_most<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hexadecimal_and_differ() {
        let (one, two) = (random_token(), random_token());
        assert_eq!(one.len(), 16);
        assert!(one.chars().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }

    #[test]
    fn waiting_ends_with_what_was_found_or_with_nothing() {
        let mut asked = 0;
        let found = wait_at_most(PATIENCE, || {
            asked += 1;
            (asked == 3).then_some("there")
        });
        assert_eq!(found, Some("there"));
        assert_eq!(wait_at_most(Duration::from_millis(5), || None::<()>), None);
    }
}
