//! What a program did, and the claims that a test makes about it. A claim that fails shows the whole session:
//! command line, exit, standard output and standard error.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A program that has ended.
#[derive(Debug)]
pub struct Output {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// Exit code 0.
    #[track_caller]
    pub fn success(&self) -> &Self {
        self.code(0)
    }

    /// Exactly this exit code; a death by signal has none.
    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        self.claim(self.status.code() == Some(expected), &format!("exit code {expected}"))
    }

    /// Death by this signal.
    #[track_caller]
    pub fn killed_by(&self, signal: i32) -> &Self {
        self.claim(self.status.signal() == Some(signal), &format!("death by signal {signal}"))
    }

    /// Standard output is exactly this text.
    #[track_caller]
    pub fn stdout(&self, expected: &str) -> &Self {
        self.claim(self.stdout == expected.as_bytes(), &format!("standard output {expected:?}"))
    }

    /// Standard output contains this text.
    #[track_caller]
    pub fn stdout_contains(&self, expected: &str) -> &Self {
        self.claim(self.text().contains(expected), &format!("{expected:?} in standard output"))
    }

    /// Standard output does not contain this text.
    #[track_caller]
    pub fn stdout_lacks(&self, unwanted: &str) -> &Self {
        self.claim(!self.text().contains(unwanted), &format!("no {unwanted:?} in standard output"))
    }

    /// Standard error is exactly this text.
    #[track_caller]
    pub fn stderr(&self, expected: &str) -> &Self {
        self.claim(self.stderr == expected.as_bytes(), &format!("standard error {expected:?}"))
    }

    /// Standard error contains this text.
    #[track_caller]
    pub fn stderr_contains(&self, expected: &str) -> &Self {
        self.claim(self.errors().contains(expected), &format!("{expected:?} in standard error"))
    }

    /// Any claim of the test's own; `expected` says what should have been.
    #[track_caller]
    pub fn claim(&self, holds: bool, expected: &str) -> &Self {
        assert!(holds, "expected {expected}\n{self}");
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as text, without white space at either end.
    pub fn trimmed(&self) -> String {
        self.text().trim().to_owned()
    }

    /// Standard output, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// How it ended.
    pub fn status(&self) -> ExitStatus {
        self.status
    }
}

impl fmt::Display for Output {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "command: {}\nended:   {}\n--- standard output\n{}\n--- standard error\n{}\n---",
            self.command,
            self.status,
            shortened(&self.stdout),
            shortened(&self.stderr)
        )
    }
}

/// The end of a long text is where the cause stands.
fn shortened(bytes: &[u8]) -> String {
    const MOST: usize = 16 * 1024;
    let start = bytes.len().saturating_sub(MOST);
    let text = String::from_utf8_lossy(&bytes[start..]);
    if start == 0 { text.into_owned() } else { format!("[{start} bytes before]…{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> Output {
        Output {
            command: "minidock-01 run lab".into(),
            status: ExitStatus::from_raw(code << 8),
            stdout: b"out\n".to_vec(),
            stderr: b"because\n".to_vec(),
        }
    }

    #[test]
    fn true_claims_pass() {
        ended(3)
            .code(3)
            .stdout("out\n")
            .stdout_contains("ou")
            .stdout_lacks("in")
            .stderr("because\n")
            .stderr_contains("cause");
    }

    #[test]
    fn a_false_claim_shows_the_whole_session() {
        let failure = std::panic::catch_unwind(|| _ = ended(3).code(125)).unwrap_err();
        let message = failure.downcast_ref::<String>().unwrap();
        for part in [
            "expected exit code 125",
            "minidock-01 run lab",
            "exit status: 3",
            "out\n",
            "because\n",
        ] {
            assert!(message.contains(part), "{part:?} is missing in {message}");
        }
    }

    #[test]
    fn a_death_by_signal_is_no_exit_code() {
        let killed = Output { status: ExitStatus::from_raw(9), ..ended(0) };
        killed.killed_by(9);
        assert!(std::panic::catch_unwind(|| _ = killed.success()).is_err());
    }

    #[test]
    fn long_output_is_shown_by_its_end() {
        let shown = shortened(&[vec![b'a'; 20_000], b"the cause".to_vec()].concat());
        assert!(shown.starts_with("[3625 bytes before]") && shown.ends_with("the cause"));
    }
}
